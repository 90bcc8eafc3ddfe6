"""Frictionless Data Package (datapackage.org): versions 1 and 2 are read, 2 is written.

Not carried, for want of a place: whether a creator is an organisation, unless a ROR says so; copyright, credit line,
conditions and labels; licence and credit of an origin; the copyright of a file.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Mapping
from functools import partial
from typing import Any

from commons.core.dataset.rights import Creator
from commons.errors import Malformed
from commons.metadata import texts
from commons.metadata.description import DescribedFile, Description
from commons.metadata.jsonld import dump, load
from commons.metadata.reading import Heard, Reading

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


def read(text: str, heard: Heard | None = None) -> Description:
    """The description in a datapackage.json. Malformed for what is no data package, and, where nobody listens, for any
    part of it that cannot be taken, such as an unsafe path. Remote and inline data are no files."""
    package, reading = load(text), Reading(heard)
    if not isinstance(package.get("resources"), list):
        raise Malformed("a data package lists its resources")
    people = _people(package, reading)
    sources = reading.take("source_url", lambda: _origins(package.get("sources")), ())
    reading.heard.written.update(_written(package))
    reading.leave(package, *_TAKEN)
    for each in sources[1:]:
        reading.leave({f"sources: {each}": each})
    if package.get("version") is not None and texts.count(package["version"]) is None:
        reading.leave({f"version: {package['version']}": package["version"]})
    return reading.described(
        title=lambda: texts.word("title", package.get("title")) or texts.word("name", package.get("name")),
        description=lambda: texts.word("description", package.get("description")),
        creators=lambda: people[0],
        licence=lambda: _licence("the package", package, reading),
        source_url=lambda: next((each for each in sources if ":" in each), None),
        updated=lambda: texts.day("last_updated", package.get("last_updated", package.get("last_modified"))),
        published=lambda: texts.day("created", package.get("created")),
        keywords=lambda: texts.keywords("keywords", package.get("keywords"), reading),
        identifier=lambda: (
            texts.identifier("id", package.get("id")) or texts.address("homepage", package.get("homepage"), _WEB)
        ),
        reference=lambda: texts.reference("id", package.get("id")),
        version=lambda: texts.count(package.get("version")),
        publisher=lambda: people[1],
        files=lambda: reading.several("files", package["resources"], lambda row: _files(row, reading)),
    )


# Keys whose words are taken, or tell nothing of the data.
_TAKEN = (
    "$schema", "profile", "profiles", "name", "id", "title", "description", "licenses", "license", "licences",
    "licence", "contributors",
    "author", "authors", "maintainers", "publishers", "sources", "created", "last_updated", "last_modified", "keywords",
    "homepage", "version", "resources", "datapackage_version", "resource-profile",
)  # fmt: skip


def _people(package: Mapping[str, Any], reading: Reading) -> tuple[tuple[Creator, ...], str | None]:
    """Who made it, or, where nobody is said to have, who contributed; and the publisher. Editions before 1.0 have
    `author` and `authors`, as texts or objects."""
    makers, helpers, publishers = list[Creator](), list[Creator](), list[str]()
    for creator, said in reading.several("creators", texts.several(package.get("contributors")), _contributor):
        if said & _MAKERS:
            makers.append(creator)
        elif not said & _OTHERS:
            helpers.append(creator)
        if "publisher" in said:
            publishers.append(creator.name)
    signed = [*texts.several(package.get("author")), *texts.several(package.get("authors"))]
    makers += reading.several("creators", signed, partial(_person, "an author"))
    others = reading.several("publisher", texts.several(package.get("publishers")), partial(_person, "a publisher"))
    publishers += [each.name for each in others]
    return tuple(dict.fromkeys(makers or helpers)), publishers[0] if publishers else None


def _contributor(value: object) -> Iterator[tuple[Creator, set[str]]]:
    """A contributor, and the roles it has."""
    row = {"title": value} if isinstance(value, str) else texts.mapping("one of contributors", value)
    roles = row.get("roles") if row.get("roles") is not None else [row.get("role") or ""]
    if not isinstance(roles, list) or not all(isinstance(role, str) for role in roles):
        raise Malformed("a contributor's roles are not a list of texts")
    for creator in _person("a contributor", value):
        yield creator, {role.strip().lower() for role in roles}


def _person(what: str, value: object) -> Iterator[Creator]:
    """A person or an organisation: one text, or an object, of any edition."""
    if isinstance(value, str):
        yield from [found] if (found := texts.signed(what, value)) else []
        return
    row = texts.mapping(what, value)
    name = texts.word(f"{what}'s title", row.get("title")) or " ".join(
        part for key in ("givenName", "familyName") if (part := texts.word(f"{what}'s {key}", row.get(key)))
    )
    name = name or texts.word(f"{what}'s name", row.get("name")) or ""
    found = texts.creator(what, name, row.get("path") or row.get("web") or row.get("url"))
    if found:
        yield found


def _origins(value: object) -> list[str]:
    """Each source by its address, or, without one, by its title."""
    if value is not None and not isinstance(value, list):
        raise Malformed("sources is not a list")
    found = []
    for each in value or ():
        row = {"title": each} if isinstance(each, str) else texts.mapping("one of sources", each)
        keys = ("path", "web", "url")
        url = next((url for key in keys if (url := texts.identifier("a source's path", row.get(key)))), None)
        name = texts.word("a source's title", row.get("title") or row.get("name"))
        ours = any(texts.reference("a source's path", row.get(key)) for key in keys)
        if not ours and (said := url or (name or "").replace(":", " ")):
            found.append(said)
    return sorted(found, key=lambda said: ":" not in said)


def _licence(what: str, row: Mapping[str, Any], reading: Reading) -> str | None:
    """All that are listed hold together; `license`, of editions before 1.0, is read where none are."""
    what = f"a licence of {what}"
    return texts.joined(texts.licence(what, *_spelt(each), reading=reading) for each in _licences_of(what, row))


def _spelt(row: Mapping[str, Any]) -> list[Any]:
    """The ways in which a licence is named, the firmest first; a file of the package is no name."""
    path = row.get("path")
    names = [row.get(key) for key in ("name", "id", "type", "path", "url", "title")]
    local = isinstance(path, str) and ":" not in path
    return [*(each for each in names if each is not path), path] if local else names


def _licences_of(what: str, row: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    listed = row.get("licenses", row.get("licences"))
    listed = listed if listed not in (None, []) else row.get("license", row.get("licence"))
    for each in texts.several(listed):
        yield {"name": each} if isinstance(each, str) else texts.mapping(what, each)


def _written(row: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """A licence whose `path` is a file of the package."""
    listed = [each for each in texts.several(row.get("licenses", row.get("license"))) if isinstance(each, dict | str)]
    for each in ({"name": said} if isinstance(said, str) else said for said in listed):
        name = next((each[key] for key in ("name", "id", "type", "title") if isinstance(each.get(key), str)), None)
        path = each.get("path")
        if isinstance(path, str) and path.strip() and ":" not in path:
            yield (name or path).strip(), path
        elif texts.is_elsewhere(name or ""):
            yield (name or "").strip(), ""


def _files(value: object, reading: Reading) -> Iterator[DescribedFile]:
    row = texts.mapping("one of resources", value)
    path = row.get("path", row.get("url"))
    for each in path if isinstance(path, list) else [path] if path is not None else []:
        if not isinstance(each, str) or not re.match(r"[A-Za-z][A-Za-z0-9+.-]+://", each):
            yield _file(each, row, not isinstance(path, list) or len(path) == 1, reading)


def _file(path: object, row: Mapping[str, Any], whole: bool, reading: Reading) -> DescribedFile:
    """One file of a resource; hash and size are those of all its parts together."""
    name = str(path)[:200]
    sha256, md5 = reading.take("files", lambda: _digests(row.get("hash")), (None, None), name)
    size = reading.take("files", lambda: texts.size("a resource's bytes", row.get("bytes")), None, name)
    media = reading.take("files", lambda: texts.word("a resource's mediatype", row.get("mediatype")), None, name)
    licence = reading.take("licence", lambda: _licence(name, row, reading), None)
    reading.heard.written.update(_written(row))
    said = {"size": size, "sha256": sha256, "md5": md5} if whole else {}
    return reading.place(
        path, lambda path: texts.file("a resource's path", path, **said, media_type=media, licence=licence)
    )


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
    """A datapackage.json. Malformed without files, since a package has at least one resource."""
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


def _resource(file: DescribedFile, addresses: Mapping[str, str], names: dict[str, int]) -> dict[str, Any]:
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
