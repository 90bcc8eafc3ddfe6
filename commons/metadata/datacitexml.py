"""DataCite metadata in its XML form, schema kernel-4 (schema.datacite.org/meta/kernel-4). Only read: as the record in
JSON that says the same, which `datacite` reads.

The two differ in little: XML has the DOI in `identifier`, lists as elements in an element, and `rightsURI` for
`rightsUri`. Kernel 3 has the same names, and is read too.
"""

from __future__ import annotations

import re
from typing import Any

from commons.errors import Malformed
from commons.metadata import datacite, markup
from commons.metadata.description import Description
from commons.metadata.markup import Element
from commons.metadata.reading import Heard

FILE = "datacite.xml"

_SPACE = re.compile(r"https?://(?:www\.)?datacite\.org/schema/kernel-[34](?:\.\d+)?/?")
_LISTS = {  # of which element, and under which key its own text stands in JSON
    "creators": ("creator", ""),
    "titles": ("title", "title"),
    "subjects": ("subject", "subject"),
    "dates": ("date", "date"),
    "alternateIdentifiers": ("alternateIdentifier", "alternateIdentifier"),
    "relatedIdentifiers": ("relatedIdentifier", "relatedIdentifier"),
    "rightsList": ("rights", "rights"),
    "descriptions": ("description", "description"),
}
_KEYS = {"rightsURI": "rightsUri", "resourceType": "types"}


def read(text: str, heard: Heard | None = None) -> Description:
    """The description in a `<resource>` of kernel-4 or 3. Malformed for what is none, TooLarge over 4 MiB."""
    root = markup.load(text)
    if root.name != "resource" or not _SPACE.fullmatch(root.space):
        raise Malformed(
            "a DataCite record in XML is a <resource> of http://datacite.org/schema/kernel-4",
            hint='it begins with <resource xmlns="http://datacite.org/schema/kernel-4">',
        )
    return datacite.of(_record(root), heard)


def _record(root: Element) -> dict[str, Any]:
    """The record as JSON has it. What stands in it twice, and may not, counts together."""
    record: dict[str, Any] = {}
    for each in root.inner:
        if each.space != root.space:
            continue
        if each.name == "identifier":
            if each.attributes.get("identifierType", "").upper() == "DOI":
                record["doi"] = _words(each)
            else:
                record.setdefault("identifiers", []).append({"identifier": _words(each)})
        elif each.name in _LISTS:
            item, key = _LISTS[each.name]
            rows = [row for row in each.inner if row.name == item]
            record.setdefault(each.name, []).extend(_row(row, key) if key else _creator(row) for row in rows)
        else:
            record[_KEYS.get(each.name, each.name)] = _words(each)
    return record


def _words(element: Element) -> str:
    return element.words().strip()


def _row(element: Element, key: str) -> dict[str, Any]:
    return {_KEYS.get(name, name): value for name, value in element.attributes.items()} | {key: _words(element)}


def _creator(element: Element) -> dict[str, Any]:
    """A name, its parts, and its identifiers; affiliations are not told."""
    row: dict[str, Any] = {}
    for each in element.inner:
        if each.name == "creatorName":
            row |= {"name": _words(each), "nameType": each.attributes.get("nameType")}
        elif each.name in ("givenName", "familyName"):
            row[each.name] = _words(each)
        elif each.name == "nameIdentifier":
            row.setdefault("nameIdentifiers", []).append(_row(each, "nameIdentifier"))
    return row
