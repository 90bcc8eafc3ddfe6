"""CITATION.cff, Citation File Format (citation-file-format.github.io): 1.x is read, 1.2.0 is written.

A list of licences means a choice there, and only ids of the SPDX list of May 2021 are taken. So one such id, or a
choice of them, is written as `license`; the address of any other single licence as `license-url`; and of licences that
hold together (AND), which cannot be said, the expression stands in `message`, for people. Hence `licence` is not
carried in general. Nor, for want of a place, are: publisher, day of update, copyright, credit line, conditions, labels,
origins and files.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from commons.core.dataset.rights import Creator
from commons.errors import Malformed
from commons.metadata import texts
from commons.metadata.description import Description
from commons.metadata.reading import Heard, Reading

FILE = "CITATION.cff"
CARRIES = frozenset(
    {"title", "description", "creators", "source_url", "published", "keywords", "identifier", "reference", "version"}
)

_MESSAGE = "If you use this dataset, please cite it as below."
_WEB = ("http", "https", "ftp", "sftp")
_DOI = re.compile(r"10\.\d{4,9}(?:\.\d+)?/[A-Za-z0-9:/_;\-.()\[\]\\]+", re.ASCII)  # narrower than DOIs are
_ORCID = re.compile(r"https://orcid\.org/(?:\d{4}-){3}\d{3}[\dX]", re.ASCII)
_LATER = frozenset({  # licences of data that came to the SPDX list after version 1.2.0 had copied it
    "CC-BY-2.5-AU", "CC-BY-3.0-AU", "CC-BY-3.0-DE", "CC-BY-3.0-IGO", "CC-BY-3.0-NL", "CC-BY-NC-3.0-DE",
    "CC-BY-NC-3.0-IGO", "CC-BY-NC-ND-3.0-DE", "CC-BY-NC-SA-2.0-DE", "CC-BY-NC-SA-2.0-FR", "CC-BY-NC-SA-2.0-UK",
    "CC-BY-NC-SA-3.0-DE", "CC-BY-NC-SA-3.0-IGO", "CC-BY-ND-3.0-DE", "CC-BY-SA-3.0-DE", "CC-BY-SA-3.0-IGO",
    "CC-PDM-1.0", "CC-SA-1.0", "CDLA-Permissive-2.0",
})  # fmt: skip


# -- in ----------------------------------------------------------------------------------------------------------------


def read(text: str, heard: Heard | None = None) -> Description:
    """The description in a CITATION.cff. Malformed for what is no citation file, and TooLarge over 1 MiB."""
    cited, reading = texts.load_yaml(text), Reading(heard)
    if not isinstance(cited, dict) or "cff-version" not in cited:
        raise Malformed("a citation file says its cff-version")
    rows = reading.take("identifier", lambda: list(texts.rows("identifiers", cited.get("identifiers"))), ())
    others = [row.get("value") for row in rows]
    doi = reading.take("identifier", lambda: texts.doi(texts.word("doi", cited.get("doi"))), None)
    places = ("url", "repository", "repository-artifact", "repository-code")
    reading.leave(cited, *_TAKEN)
    if cited.get("version") is not None and texts.count(cited["version"]) is None:
        reading.leave({f"version: {cited['version']}": cited["version"]})
    return reading.described(
        title=lambda: texts.word("title", cited.get("title")),
        description=lambda: texts.word("abstract", cited.get("abstract")),
        creators=lambda: reading.several("creators", texts.several(cited.get("authors")), _creator),
        licence=lambda: _licence(cited, reading),
        source_url=lambda: next((url for key in places if (url := texts.address(key, cited.get(key), _WEB))), None),
        published=lambda: texts.day("date-released", cited.get("date-released")),
        keywords=lambda: texts.keywords("keywords", cited.get("keywords"), reading),
        identifier=lambda: (
            f"https://doi.org/{doi}"
            if doi
            else next((one for each in others if (one := texts.identifier("an identifier", each))), None)
        ),
        reference=lambda: next((one for each in others if (one := texts.reference("an identifier", each))), None),
        version=lambda: texts.count(cited.get("version")),
    )


_TAKEN = (
    "cff-version", "message", "type", "title", "abstract", "authors", "license", "license-url", "url", "repository",
    "repository-artifact", "repository-code", "date-released", "keywords", "doi", "identifiers", "version",
)  # fmt: skip


def _creator(value: object) -> Iterator[Creator]:
    """An entity has a name, a person the parts of one; or they are one text, which no edition allows."""
    if isinstance(value, str):
        yield from texts.person("an author", value)
        return
    row = texts.mapping("one of authors", value)
    entity = texts.word("an author's name", row.get("name"))
    keys = ("given-names", "name-particle", "family-names", "name-suffix")
    parts = [part for key in keys if (part := texts.word(f"an author's {key}", row.get(key)))]
    name = entity or " ".join(parts) or texts.word("an author's alias", row.get("alias"))
    url = row.get("orcid") if row.get("orcid") is not None else row.get("website")
    found = texts.creator("an author", name, url, entity is not None and row.get("orcid") is None)
    if found:
        yield found


def _licence(cited: Mapping[str, Any], reading: Reading) -> str | None:
    named = cited.get("license")
    if isinstance(named, list):
        return texts.joined((texts.licence("license", each, reading=reading) for each in named), "OR")
    return texts.licence("license", named, cited.get("license-url"), reading=reading)


# -- out ---------------------------------------------------------------------------------------------------------------


def write(d: Description) -> bytes:
    """A CITATION.cff. Malformed without a title or a creator, which the format demands."""
    texts.need("a citation file", d)
    doi = texts.doi(d.identifier)
    doi = doi if doi and _DOI.fullmatch(doi) else None
    licence, url, message = _said(d)
    cited = {
        "cff-version": "1.2.0",
        "message": message,
        "type": "dataset",
        "title": d.title,
        "authors": [_author(creator) for creator in dict.fromkeys(d.creators)],
        "abstract": d.description,
        "keywords": list(dict.fromkeys(d.keywords)),
        "license": licence,
        "license-url": url,
        "doi": doi,
        "identifiers": _identifiers(d, doi),
        "url": texts.address("the source", d.source_url, _WEB),
        "version": str(d.version) if d.version is not None else None,
        "date-released": d.published,
    }
    return texts.dump_yaml({key: value for key, value in cited.items() if value})


def _said(d: Description) -> tuple[str | list[str] | None, str | None, str]:
    """`license`, `license-url` and `message`."""
    if not d.licence:
        return None, None, _MESSAGE
    ids = texts.parts(d.licence, "OR")
    if all(re.fullmatch(r"(?!LicenseRef-)[A-Za-z0-9.+-]+", id) and id not in _LATER for id in ids):
        return (ids[0] if len(ids) == 1 else ids), None, _MESSAGE
    url = texts.address("a licence's address", dict(d.licences).get(ids[0]), _WEB) if len(ids) == 1 else None
    return None, url, f"{_MESSAGE} Its licence is {d.licence}."


def _author(creator: Creator) -> dict[str, str]:
    """A person's one name is written as family name, since nobody but they could divide it."""
    row = {"name" if creator.organisation else "family-names": creator.name}
    if creator.url and _ORCID.fullmatch(creator.url):
        return row | {"orcid": creator.url}
    website = texts.address("a creator's address", creator.url, _WEB)
    return row | ({"website": website} if website else {})


def _identifiers(d: Description, doi: str | None) -> list[dict[str, str]]:
    found = []
    if d.identifier and not doi:
        kind = "url" if texts.address("the identifier", d.identifier, _WEB) else "other"
        found.append({"type": kind, "value": d.identifier})
    if d.reference:
        found.append({"type": "other", "value": d.reference, "description": "This version, among its peers"})
    return found
