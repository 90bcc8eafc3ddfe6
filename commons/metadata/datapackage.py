"""Frictionless Data Package (datapackage.org): versions 1 and 2 are read, 2 is written.

Not carried, for want of a place: whether a creator is an organisation, unless a ROR says so; copyright, credit line,
conditions and labels; licence and credit of an origin; the copyright of a file.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Mapping
from typing import Any

from commons.core.rights import Creator
from commons.errors import Malformed
from commons.metadata import texts
from commons.metadata.description import Description, Entry
from commons.metadata.jsonld import dump, load

FILE = "datapackage.json"
CARRIES = frozenset({
    "title", "description", "creators", "licence", "source_url", "published", "keywords", "identifier", "version",
    "publisher", "files",
})  # fmt: skip

_PROFILE = "https://datapackage.org/profiles/2.0/datapackage.json"
_WEB = ("http", "https", "ftp")
_MAKERS = {"author", "creator"}  # the roles of who made it; "contributor" is also version 1's for who says none
_OTHERS = {"publisher", "contact", "maintainer", "wrangler", "distributor"}


# -- in ----------------------------------------------------------------------------------------------------------------


def read(text: str) -> Description:
    """Malformed for what is no data package, or lists a file by an unsafe path. Remote and inline data are no files."""
    package = load(text)
    if not isinstance(package.get("resources"), list):
        raise Malformed("a data package lists its resources")
    creators, publisher = _people(package.get("contributors"))
    return Description(
        title=texts.word("title", package.get("title")),
        description=texts.word("description", package.get("description")),
        creators=creators,
        licence=_licence(package),
        source_url=next(
            (url for row in texts.rows("sources", package.get("sources"))
             if (url := texts.identifier("a source's path", row.get("path")))), None,
        ),
        published=texts.day("created", package.get("created")),
        keywords=texts.words("keywords", package.get("keywords")),
        identifier=texts.identifier("id", package.get("id"))
        or texts.address("homepage", package.get("homepage"), _WEB),
        reference=texts.reference("id", package.get("id")),
        version=texts.count(package.get("version")),
        publisher=publisher,
        files=tuple(file for row in texts.rows("resources", package["resources"]) for file in _files(row)),
    )  # fmt: skip


def _people(value: object) -> tuple[tuple[Creator, ...], str | None]:
    """Who made it, or, where nobody is said to have, who contributed; and the publisher."""
    makers, helpers, publishers = [], [], []
    for row in texts.rows("contributors", value):
        roles = row.get("roles") if row.get("roles") is not None else [row.get("role") or ""]
        if not isinstance(roles, list) or not all(isinstance(role, str) for role in roles):
            raise Malformed("a contributor's roles are not a list of texts")
        name = texts.word("a contributor's title", row.get("title")) or " ".join(
            part for key in ("givenName", "familyName") if (part := texts.word(f"a contributor's {key}", row.get(key)))
        )
        creator = texts.creator("a contributor", name, row.get("path"))
        said = {role.strip().lower() for role in roles}
        if creator is None:
            continue
        if said & _MAKERS:
            makers.append(creator)
        elif not said & _OTHERS:
            helpers.append(creator)
        if "publisher" in said:
            publishers.append(creator.name)
    return tuple(makers or helpers), publishers[0] if publishers else None


def _licence(row: Mapping[str, Any]) -> str | None:
    """All that are listed hold together; `license`, of version 0, is read where none are."""
    named = [
        texts.licence("a licence of the package", each.get("name"), each.get("path"), each.get("title"))
        for each in texts.rows("licenses", row.get("licenses"))
    ]
    if not named and isinstance(row.get("license"), str):
        return texts.licence("the licence of the package", row["license"])
    return texts.joined(named)


def _files(row: Mapping[str, Any]) -> Iterator[Entry]:
    path = row.get("path", row.get("url"))
    for each in path if isinstance(path, list) else [path] if path is not None else []:
        if isinstance(each, str) and re.match(r"[A-Za-z][A-Za-z0-9+.-]+://", each):
            continue
        whole = not isinstance(path, list) or len(path) == 1  # else hash and size are those of all parts together
        sha256, md5 = _digests(row.get("hash")) if whole else (None, None)
        yield texts.file(
            "a resource's path", each, size=texts.size("a resource's bytes", row.get("bytes")) if whole else None,
            sha256=sha256, md5=md5, media_type=texts.word("a resource's mediatype", row.get("mediatype")),
            licence=_licence(row),
        )  # fmt: skip


def _digests(value: object) -> tuple[bytes | None, bytes | None]:
    """(SHA-256, MD5). Other algorithms say nothing here; a digest of the wrong length is Malformed."""
    text = (texts.word("a resource's hash", value) or "").strip().lower()
    algorithm, _, digits = text.rpartition(":")
    lengths = {"sha256": 64, "sha-256": 64, "md5": 32, "": 32}
    if not text or algorithm not in lengths:
        return None, None
    if not re.fullmatch(f"[0-9a-f]{{{lengths[algorithm]}}}", digits, re.ASCII):
        raise Malformed(f"not a digest of {algorithm or 'md5'}: {text[:80]!r}")
    digest = bytes.fromhex(digits)
    return (digest, None) if len(digest) == 32 else (None, digest)


# -- out ---------------------------------------------------------------------------------------------------------------


def write(d: Description) -> bytes:
    """Malformed without files, since a package has at least one resource."""
    if not d.files:
        raise Malformed("a data package has at least one file", hint="export it where the list of files is known")
    addresses = dict(d.licences)
    names: dict[str, int] = {}
    package = {
        "$schema": _PROFILE,
        "name": _slug(d.title or "", "dataset", {}),
        "id": d.identifier or d.reference,
        "title": d.title,
        "description": d.description,
        "version": str(d.version) if d.version is not None else None,
        "created": f"{d.published}T00:00:00Z" if d.published else None,
        "keywords": list(d.keywords),
        "licenses": _licences(d.licence, addresses),
        "contributors": _contributors(d),
        "sources": _sources(d),
        "resources": [_resource(file, addresses, names) for file in d.files],
    }
    return dump({key: value for key, value in package.items() if value})


def _licences(expression: str | None, addresses: Mapping[str, str]) -> list[dict[str, str]]:
    found = []
    for part in texts.parts(expression) if expression else ():
        url = texts.address("a licence's address", addresses.get(part), _WEB)
        found.append({"name": part, "path": url} if url else {"name": part})
    return found


def _contributors(d: Description) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    for creator in d.creators:
        path = {"path": creator.url} if creator.url and not _foreign(creator.url) else {}
        found.append({"title": creator.name, **path, "roles": ["creator"]})
    if d.publisher:
        found.append({"title": d.publisher, "roles": ["publisher"]})
    return found


def _foreign(url: str) -> bool:
    """The profile takes addresses of the web, and what has no "//" in it."""
    return "://" in url and texts.address("an address", url, _WEB) is None


def _sources(d: Description) -> list[dict[str, str]]:
    found = [{"title": origin.title, "path": f"{texts.OURS}{origin.manifest}"} for origin in d.origins]
    return [*([{"path": d.source_url}] if d.source_url and not _foreign(d.source_url) else []), *found]


def _resource(file: Entry, addresses: Mapping[str, str], names: dict[str, int]) -> dict[str, Any]:
    """`type` keeps validators from reading a table into whatever ends in ".csv"."""
    row: dict[str, Any] = {"name": _slug(file.path, "file", names), "type": "file", "path": file.path}
    if file.media_type:
        row["mediatype"] = file.media_type
    if file.size is not None:
        row["bytes"] = file.size
    if file.sha256 is not None:
        row["hash"] = f"sha256:{file.sha256.hex()}"
    if file.licence:
        row["licenses"] = _licences(file.licence, addresses)
    return row


def _slug(text: str, otherwise: str, names: dict[str, int]) -> str:
    """Lower-case letters, digits, dots and hyphens, at most 100, and not yet in `names`, which counts them."""
    plain = unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode().lower()
    slug = re.sub(r"[^a-z0-9._]+", "-", plain).strip("-._")[:100] or otherwise
    name, number = slug, names.get(slug, 1)
    while name in names:
        number += 1
        name = f"{slug}-{number}"
    names[slug] = number
    names.setdefault(name, 1)
    return name
