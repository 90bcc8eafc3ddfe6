"""DataCite metadata, schema 4.5, in its JSON form (schema.datacite.org); the XML form is in `datacitexml`.

Not carried, for want of a place: copyright, credit line, conditions and labels; licence and credit of an origin; the
files, of which only sizes and formats are told.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from commons.core.dataset.rights import Creator
from commons.errors import Malformed
from commons.metadata import texts
from commons.metadata.description import Description
from commons.metadata.jsonld import dump, load
from commons.metadata.reading import Heard, Reading

FILE = "datacite.json"
CARRIES = frozenset({
    "title", "description", "creators", "licence", "source_url", "updated", "published", "keywords", "identifier",
    "reference", "version", "publisher",
})  # fmt: skip

_SCHEMA = "http://datacite.org/schema/kernel-4"
_SPDX = "https://spdx.org/licenses/"
_IDS = {"ORCID": "https://orcid.org", "ROR": "https://ror.org"}
_OURS = "Commons"  # the type of our own references among alternate identifiers, a free text there


# -- in ----------------------------------------------------------------------------------------------------------------


def read(text: str, heard: Heard | None = None) -> Description:
    """The description in a DataCite record; what DataCite's API wraps, {"data": {"attributes": …}}, is read too.
    Malformed for what is no such record."""
    record: Mapping[str, Any] = load(text)
    if isinstance(record.get("data"), dict):
        record = texts.mapping("attributes", record["data"].get("attributes"))
    return of(record, heard)


def of(record: Mapping[str, Any], heard: Heard | None = None) -> Description:
    """The description in a record, as JSON has it. Malformed for one without titles."""
    if "titles" not in record:
        raise Malformed("a DataCite record has titles")
    reading = Reading(heard)
    dates = reading.take("updated", lambda: _dates(record), {})
    named = reading.take("identifier", lambda: _identifiers(record), ())
    doi = reading.take("identifier", lambda: texts.doi(texts.word("doi", record.get("doi"))), None)
    related = reading.take(
        "source_url", lambda: list(texts.rows("relatedIdentifiers", record.get("relatedIdentifiers"))), ()
    )
    source = reading.take("source_url", lambda: next(_origins(related), None), None)
    texts.others("relatedIdentifiers", related, ("relationType", "relatedIdentifier"), source, reading)
    reading.leave(record, *_TAKEN)
    if record.get("version") is not None and texts.count(record["version"]) is None:
        reading.leave({f"version: {record['version']}": record["version"]})
    return reading.described(
        title=lambda: _first("titles", record, "title", "titleType", None),
        description=lambda: _first("descriptions", record, "description", "descriptionType", "Abstract"),
        creators=lambda: reading.several("creators", texts.several(record.get("creators")), _creator),
        licence=lambda: texts.joined(
            _licence(row, reading) for row in texts.rows("rightsList", record.get("rightsList"))
        ),
        source_url=lambda: source,
        updated=lambda: dates.get("Updated"),
        published=lambda: dates.get("Issued"),
        keywords=lambda: reading.several("keywords", texts.several(record.get("subjects")), _subject),
        identifier=lambda: (
            f"https://doi.org/{doi}"
            if doi
            else next((one for each in named if (one := texts.identifier("an identifier", each))), None)
        ),
        reference=lambda: next((one for each in named if (one := texts.reference("an identifier", each))), None),
        version=lambda: texts.count(record.get("version")),
        publisher=lambda: _publisher(record.get("publisher")),
    )


_TAKEN = (
    "titles", "descriptions", "creators", "rightsList", "relatedIdentifiers", "dates", "subjects", "doi", "identifiers",
    "alternateIdentifiers", "version", "publisher", "publicationYear", "types", "schemaVersion", "sizes", "formats",
    "id", "url", "prefix", "suffix", "state", "language",
)  # fmt: skip


def _dates(record: Mapping[str, Any]) -> dict[str, str]:
    return {
        row["dateType"]: found
        for row in texts.rows("dates", record.get("dates"))
        if isinstance(row.get("dateType"), str) and (found := texts.day("a date", row.get("date")))
    }


def _identifiers(record: Mapping[str, Any]) -> list[object]:
    others = list(texts.rows("alternateIdentifiers", record.get("alternateIdentifiers")))
    others += texts.rows("identifiers", record.get("identifiers"))
    return [row.get("alternateIdentifier", row.get("identifier")) for row in others]


def _first(what: str, record: Mapping[str, Any], key: str, kind: str, wanted: str | None) -> str | None:
    """The first of the kind that is wanted, else the first."""
    rows = list(texts.rows(what, record.get(what)))
    rows.sort(key=lambda row: row.get(kind) != wanted)
    return next((text for row in rows if (text := texts.word(f"one of {what}", row.get(key)))), None)


def _subject(value: object) -> list[str]:
    said = value if isinstance(value, str) else texts.mapping("one of subjects", value).get("subject")
    return [word] if (word := texts.word("a subject", said)) else []


def _creator(value: object) -> Iterator[Creator]:
    """DataCite turns names round; a name that is given in its two parts is turned back."""
    if isinstance(value, str):
        yield from texts.person("a creator", value)
        return
    row = texts.mapping("one of creators", value)
    parts = [texts.word(f"a creator's {key}", row.get(key)) for key in ("givenName", "familyName")]
    name = " ".join(part for part in parts if part) if all(parts) else row.get("name")
    url = None
    for each in texts.rows("nameIdentifiers", row.get("nameIdentifiers")):
        url = url or _address(each)
    found = texts.creator("a creator's name", name, url, row.get("nameType") == "Organizational")
    if found:
        yield found


def _address(row: Mapping[str, Any]) -> str | None:
    """Of an identifier of a person or an organisation; bare ones of a known scheme become addresses."""
    text = texts.word("a name's identifier", row.get("nameIdentifier")) or ""
    scheme = row.get("nameIdentifierScheme")
    if isinstance(scheme, str) and scheme.upper() in _IDS and "/" not in text:
        text = f"{_IDS[scheme.upper()]}/{text}"
    return texts.address("a name's identifier", text if ":" in text else f"https://{text}")


def _licence(row: Mapping[str, Any], reading: Reading) -> str | None:
    spelt = (row.get("rightsIdentifier"), row.get("rightsUri"), row.get("rights"))
    if any(isinstance(each, str) and texts.is_access(each) for each in spelt[:2]):
        spelt = (*spelt[:2], None)  # what the access is called: no licence either
    return texts.licence("a licence of rightsList", *spelt, reading=reading)


def _origins(related: Iterable[Mapping[str, Any]]) -> Iterator[str]:
    for row in related:
        if row.get("relationType") == "IsDerivedFrom":
            found = texts.identifier("a related identifier", row.get("relatedIdentifier"))
            if found:
                yield f"https://doi.org/{found}" if texts.doi(found) == found else found


def _publisher(value: object) -> str | None:
    return texts.word("publisher", value.get("name") if isinstance(value, dict) else value)


# -- out ---------------------------------------------------------------------------------------------------------------


def write(d: Description) -> bytes:
    """A DataCite record. Malformed without a title, a creator, a publisher or a day of publication, which DataCite
    demands."""
    for field, hint in (("title", "title"), ("creators", "creator"), ("publisher", ""), ("published", "")):
        if not getattr(d, field):
            raise Malformed(
                f"DataCite needs {field}, and it is not said", hint=f"publish with --{hint}" if hint else ""
            )
    doi = texts.doi(d.identifier)
    dates = [(d.published, "Issued"), (d.updated, "Updated")]
    others = [(d.identifier if not doi else None, "URL"), (d.reference, _OURS)]
    addresses = dict(d.licences)
    record = {
        "doi": doi,
        "types": {"resourceTypeGeneral": "Dataset", "resourceType": "Dataset"},
        "creators": [_person(creator) for creator in d.creators],
        "titles": [{"title": d.title}],
        "publisher": {"name": d.publisher},
        "publicationYear": (d.published or "")[:4],
        "subjects": [{"subject": word} for word in dict.fromkeys(d.keywords)],
        "dates": [{"date": day, "dateType": kind} for day, kind in dates if day],
        "alternateIdentifiers": [
            {"alternateIdentifier": text, "alternateIdentifierType": kind} for text, kind in others if text
        ],
        "relatedIdentifiers": _related(d),
        "sizes": _sizes(d),
        "formats": sorted({file.media_type for file in d.files if file.media_type}),
        "version": str(d.version) if d.version is not None else None,
        "rightsList": [_right(part, addresses.get(part)) for part in texts.parts(d.licence)] if d.licence else [],
        "descriptions": [{"description": d.description, "descriptionType": "Abstract"}] if d.description else [],
        "schemaVersion": _SCHEMA,
    }
    return dump({key: value for key, value in record.items() if value})


def _person(creator: Creator) -> dict[str, Any]:
    row: dict[str, Any] = {"name": creator.name, "nameType": "Organizational" if creator.organisation else "Personal"}
    if creator.url:
        scheme = next((name for name, home in _IDS.items() if creator.url.startswith(f"{home}/")), None)
        known = (
            {"nameIdentifierScheme": scheme, "schemeUri": _IDS[scheme]} if scheme else {"nameIdentifierScheme": "URL"}
        )
        row["nameIdentifiers"] = [{"nameIdentifier": creator.url, **known}]
    return row


def _right(part: str, url: str | None) -> dict[str, str]:
    """An id of SPDX in lower case, as DataCite spells it. A choice, or an exception, is free text."""
    where = {"rightsUri": url} if url else {}
    if " " in part:
        return {"rights": part, **where}
    if part.startswith("LicenseRef-"):
        return {"rights": part, **where, "rightsIdentifier": part}
    spdx = {"rightsIdentifierScheme": "SPDX", "schemeUri": _SPDX}
    return {"rights": part, **where, "rightsIdentifier": part.lower(), **spdx}


def _related(d: Description) -> list[dict[str, str]]:
    found = []
    for text in (d.source_url, *(f"{texts.OURS}{origin.manifest}" for origin in d.origins)):
        if text:
            doi = texts.doi(text)
            found.append(
                {
                    "relatedIdentifier": doi or text,
                    "relatedIdentifierType": "DOI" if doi else "URL",
                    "relationType": "IsDerivedFrom",
                }
            )
    return found


def _sizes(d: Description) -> list[str]:
    if not d.files:
        return []
    sizes = [file.size for file in d.files if file.size is not None]
    return [f"{len(d.files)} files", *([f"{sum(sizes)} bytes"] if len(sizes) == len(d.files) else [])]
