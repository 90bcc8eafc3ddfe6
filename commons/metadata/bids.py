"""The `dataset_description.json` of the Brain Imaging Data Structure (bids-specification.readthedocs.io). Only read.

BIDS has one licence for the whole, in words of anybody's choice, and its file lists no files.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from commons.metadata import texts
from commons.metadata.description import Description
from commons.metadata.jsonld import load
from commons.metadata.reading import Heard, Reading

FILE = "dataset_description.json"

_TAKEN = (
    "Name", "BIDSVersion", "DatasetType", "License", "Licence", "Authors", "Keywords", "HowToAcknowledge", "DatasetDOI",
    "SourceDatasets", "HEDVersion", "DatasetLinks",
)  # fmt: skip


def read(text: str, heard: Heard | None = None) -> Description | None:
    """The description in a `dataset_description.json`; None for a file that names neither itself nor the BIDS version:
    another's of this name."""
    record, reading = load(text), Reading(heard)
    if not {"Name", "BIDSVersion"} & record.keys():
        return None
    reading.leave(record, *_TAKEN)
    sources = reading.take("source_url", lambda: list(_sources(record)), [])
    for each in sources[1:]:
        reading.leave({f"SourceDatasets: {each}": each})
    doi = reading.take("identifier", lambda: texts.word("DatasetDOI", record.get("DatasetDOI")), None)
    return reading.described(
        title=lambda: texts.word("Name", record.get("Name")),
        creators=lambda: reading.several(
            "creators", texts.several(record.get("Authors")), lambda each: texts.person("an author", each, "orcid")
        ),
        licence=lambda: _licence(record, reading),
        credit_line=lambda: texts.word("HowToAcknowledge", record.get("HowToAcknowledge")),
        source_url=lambda: sources[0] if sources else None,
        keywords=lambda: texts.keywords("Keywords", record.get("Keywords"), reading),
        identifier=lambda: (
            f"https://doi.org/{bare}" if (bare := texts.doi(doi)) else texts.identifier("DatasetDOI", doi)
        ),
    )


def _licence(record: Mapping[str, Any], reading: Reading) -> str | None:
    said = texts.word("License", record.get("License", record.get("Licence")))
    if said and texts.is_elsewhere(said):
        reading.heard.written[said.strip()] = ""
    return texts.licence("License", said, reading=reading)


def _sources(record: Mapping[str, Any]) -> Iterator[str]:
    for row in texts.rows("SourceDatasets", record.get("SourceDatasets")):
        doi = texts.doi(texts.word("a source's DOI", row.get("DOI")))
        found = f"https://doi.org/{doi}" if doi else texts.address("a source's URL", row.get("URL"))
        if found:
            yield found
