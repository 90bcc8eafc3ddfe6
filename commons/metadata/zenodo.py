"""The `.zenodo.json` that Zenodo takes its metadata from (developers.zenodo.org), read and written; and Kaggle's
`dataset-metadata.json`, read.

Not carried, for want of a place: creators other than by name and ORCID; publisher, day of update, copyright, credit
line and labels; files. Origins are not written: Zenodo refuses identifiers of a scheme it does not know.
"""

from __future__ import annotations

import html
import re
from collections.abc import Iterable, Mapping
from typing import Any

from commons.core.dataset.rights import Creator
from commons.errors import Malformed
from commons.metadata import texts
from commons.metadata.description import Description
from commons.metadata.jsonld import dump, load
from commons.metadata.reading import Heard, Reading

FILE = ".zenodo.json"
CARRIES = frozenset(
    {"title", "description", "licence", "source_url", "published", "conditions", "keywords", "identifier", "version"}
)

_ORCID = re.compile(r"https://orcid\.org/((?:\d{4}-){3}\d{3}[\dX])", re.ASCII)
_WEB = ("http", "https", "ftp")
_TAG = re.compile(r"<(?:!--|[!?][^<>]*>?|/?([A-Za-z][A-Za-z0-9]*)[^<>]*>?)")
_BLOCKS = frozenset(
    {"p", "div", "ul", "ol", "table", "tr", "blockquote", "pre", "h1", "h2", "h3", "h4", "h5", "h6", "section", "hr"}
)
_HIDDEN = {"script": re.compile("</script", re.I), "style": re.compile("</style", re.I)}


# -- in ----------------------------------------------------------------------------------------------------------------


def read(text: str, heard: Heard | None = None) -> Description:
    """The description in a `.zenodo.json`. Malformed for what has neither title nor creators nor licence."""
    record, reading = load(text), Reading(heard)
    if not {"title", "creators", "license", "upload_type"} & record.keys():
        raise Malformed("Zenodo's metadata has a title, creators or a `license`")
    named = record.get("license")
    doi = reading.take("identifier", lambda: texts.doi(texts.word("doi", record.get("doi"))), None)
    reading.leave(record, *_TAKEN)
    if record.get("version") is not None and texts.count(record["version"]) is None:
        reading.leave({f"version: {record['version']}": record["version"]})
    related = reading.take(
        "source_url", lambda: list(texts.rows("related_identifiers", record.get("related_identifiers"))), ()
    )
    source = reading.take("source_url", lambda: _source(related), None)
    texts.others("related_identifiers", related, ("relation", "identifier"), source, reading)
    return reading.described(
        title=lambda: texts.word("title", record.get("title")),
        description=lambda: _text("description", record.get("description")),
        creators=lambda: reading.several(
            "creators", texts.several(record.get("creators")), lambda each: texts.person("a creator", each, "orcid")
        ),
        licence=lambda: texts.licence(
            "license", named.get("id") if isinstance(named, dict) else named, reading=reading
        ),
        source_url=lambda: source,
        published=lambda: texts.day("publication_date", record.get("publication_date")),
        conditions=lambda: texts.conditions(_text("access_conditions", record.get("access_conditions")), reading),
        keywords=lambda: texts.keywords("keywords", record.get("keywords"), reading),
        identifier=lambda: f"https://doi.org/{doi}" if doi else None,
        version=lambda: texts.count(record.get("version")),
    )


_TAKEN = (
    "title", "description", "creators", "license", "upload_type", "related_identifiers", "publication_date",
    "access_right", "access_conditions", "keywords", "doi", "version",
)  # fmt: skip


def _text(what: str, value: object) -> str | None:
    said = texts.word(what, value)
    return texts.word(what, plain(said)) if said else None


def _source(related: Iterable[Mapping[str, Any]]) -> str | None:
    derived = (row.get("identifier") for row in related if row.get("relation") == "isDerivedFrom")
    return next((found for each in derived if (found := _origin(each))), None)


def _origin(value: object) -> str | None:
    text = texts.word("a related identifier", value)
    doi = texts.doi(text)
    return f"https://doi.org/{doi}" if doi else texts.address("a related identifier", text)


def read_kaggle(text: str, heard: Heard | None = None) -> Description:
    """The description in a `dataset-metadata.json`. Malformed for what has no title."""
    record, reading = load(text), Reading(heard)
    if texts.word("title", record.get("title")) is None:
        raise Malformed("Kaggle's metadata has a title")
    listed = reading.take("licence", lambda: list(texts.rows("licenses", record.get("licenses"))), ())
    for row in listed:
        if texts.is_elsewhere(str(row.get("name"))):
            reading.heard.written[str(row["name"]).strip()] = ""
    reading.leave(record, "title", "subtitle", "description", "licenses", "keywords", "id", "id_no", "resources")
    return reading.described(
        title=lambda: texts.word("title", record["title"]),
        description=lambda: (
            texts.word("description", record.get("description")) or texts.word("subtitle", record.get("subtitle"))
        ),
        licence=lambda: texts.joined(texts.licence("a licence", row.get("name"), reading=reading) for row in listed),
        keywords=lambda: texts.keywords("keywords", record.get("keywords"), reading),
    )


def plain(markup: str) -> str:
    """The text of HTML: without tags, comments, scripts and styles, entities resolved. In one pass over it."""
    paragraphs: list[list[str]] = [[]]
    at, markup = 0, markup.replace("\r\n", " ").replace("\r", " ").replace("\n", " ")  # blanks, as a browser has it
    while tag := _TAG.search(markup, at):
        paragraphs[-1].append(html.unescape(markup[at : tag.start()]))
        name, at = (tag[1] or "").lower(), tag.end()
        if tag[0] == "<!--":
            end = markup.find("-->", at)
            at = end + 3 if end >= 0 else len(markup)
        elif name in _HIDDEN and not tag[0].startswith("</"):
            closing = _HIDDEN[name].search(markup, at)
            at = closing.start() if closing else len(markup)
        elif name == "br" or tag[0].lower().startswith("<li"):
            paragraphs[-1].append("\n")
        elif name in _BLOCKS:
            paragraphs.append([])
    paragraphs[-1].append(html.unescape(markup[at:]))
    found = ["".join(pieces) for pieces in paragraphs]
    return found[0] if len(found) == 1 else "\n\n".join(text.strip() for text in found if text.strip())


# -- out ---------------------------------------------------------------------------------------------------------------


def write(d: Description) -> bytes:
    """A `.zenodo.json`. Malformed without a title or a creator, and for several licences, of which Zenodo knows one."""
    texts.need("Zenodo", d)
    if d.licence and " " in d.licence:
        raise Malformed(f"Zenodo takes one licence, not {d.licence[:200]}", hint="deposit its parts one by one")
    doi = texts.doi(d.identifier)
    record: dict[str, Any] = {
        "upload_type": "dataset",
        "title": d.title,
        "description": _marked(d.description),
        "creators": [_person(creator) for creator in d.creators],
        "license": d.licence if d.licence and d.licence.startswith("LicenseRef-") else (d.licence or "").lower(),
        "keywords": list(d.keywords),
        "publication_date": d.published,
        "access_right": "restricted" if d.conditions else "open",
        "access_conditions": _marked(d.conditions),
        "doi": doi,
        "version": str(d.version) if d.version is not None else None,
        "related_identifiers": _related(d),
    }
    return dump({key: value for key, value in record.items() if value})


def _marked(text: str | None) -> str | None:
    """As HTML that says nothing but this text."""
    return html.escape(text).replace("\r", "&#13;").replace("\n", "<br>") if text else None


def _person(creator: Creator) -> dict[str, str]:
    orcid = _ORCID.fullmatch(creator.url or "")
    return {"name": creator.name, "orcid": orcid[1]} if orcid else {"name": creator.name}


def _related(d: Description) -> list[dict[str, str]]:
    url = texts.address("the source", d.source_url, _WEB)
    return [{"identifier": texts.doi(url) or url, "relation": "isDerivedFrom"}] if url else []
