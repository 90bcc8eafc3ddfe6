"""DataCite: what is written is what its own schema accepts, and what its service writes is read."""

from __future__ import annotations

import importlib
import json
from dataclasses import replace
from typing import Any

import pytest

from commons.core.dataset.rights import Creator
from commons.errors import Malformed
from commons.metadata import datacite
from commons.metadata.description import Description
from commons.metadata.reading import Heard
from tests.metadata.samples import ANA, FULL, HOSTILE, INSTITUTE, LINES, PLAIN, SAMPLES


def faults(record: dict[str, Any]) -> list[str]:
    schema45 = importlib.import_module("datacite.schema45")
    return [error.message for error in schema45.validator.iter_errors(record)]


@pytest.mark.parametrize("sample", SAMPLES)
def test_what_it_carries_comes_back_and_the_schema_accepts_it(sample: str) -> None:
    d = SAMPLES[sample]
    written = datacite.write(d)
    back = datacite.read(written.decode())
    assert {f: getattr(back, f) for f in datacite.CARRIES} == {f: getattr(d, f) for f in datacite.CARRIES}
    assert faults(json.loads(written)) == []


@pytest.mark.parametrize("key", ["creators", "titles", "publisher", "publicationYear", "types", "schemaVersion"])
def test_the_schema_would_miss_it(key: str) -> None:
    record = json.loads(datacite.write(FULL))
    del record[key]
    assert faults(record) != []


def test_the_licence_is_spelt_as_datacite_spells_it() -> None:
    assert json.loads(datacite.write(PLAIN))["rightsList"] == [{
        "rights": "CC-BY-4.0", "rightsUri": "https://creativecommons.org/licenses/by/4.0/",
        "rightsIdentifier": "cc-by-4.0", "rightsIdentifierScheme": "SPDX", "schemeUri": "https://spdx.org/licenses/",
    }]  # fmt: skip


@pytest.mark.parametrize("licence", ["CC-BY-4.0 OR ODbL-1.0", "LicenseRef-Ours AND (ODbL-1.0 OR CC0-1.0)"])
def test_a_choice_comes_back(licence: str) -> None:
    written = datacite.write(replace(FULL, licence=licence))
    assert datacite.read(written.decode()).licence == licence
    assert faults(json.loads(written)) == []


@pytest.mark.parametrize("field", ["title", "creators", "publisher", "published"])
def test_what_datacite_demands_is_named(field: str) -> None:
    with pytest.raises(Malformed, match=f"needs {field}"):
        datacite.write(replace(FULL, **{field: () if field == "creators" else None}))


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_words_stay_words(text: str) -> None:
    d = replace(FULL, title=text, description=text, keywords=(text,), publisher=text)
    written = datacite.write(d)
    back = datacite.read(written.decode())
    assert (back.title, back.description, back.keywords, back.publisher) == (text, text, (text,), text)
    assert faults(json.loads(written)) == []


@pytest.mark.parametrize("text", LINES)
def test_hostile_names_stay_names(text: str) -> None:
    creators = (Creator(name=text, url="urn:x:y"), Creator(name=text, organisation=True))
    assert datacite.read(datacite.write(replace(FULL, creators=creators)).decode()).creators == creators


def test_a_record_of_the_service_is_read() -> None:
    attributes = {
        "doi": "10.5281/ZENODO.7", "titles": [{"title": "Sub", "titleType": "Subtitle"}, {"title": "Main"}],
        "creators": [
            {"name": "Martins, Ana", "nameType": "Personal", "givenName": "Ana", "familyName": "Martins",
             "nameIdentifiers": [{"nameIdentifier": "0000-0002-1825-0097", "nameIdentifierScheme": "ORCID"}]},
            {"name": "Instituto da Água", "nameType": "Organizational",
             "nameIdentifiers": [{"nameIdentifier": "ror.org/05gq02987", "nameIdentifierScheme": "ROR"}]},
        ],
        "publisher": "Zenodo", "publicationYear": 2024, "version": "1.2.0",
        "dates": [
            {"date": "2024-11-24T00:00:00Z", "dateType": "Issued"}, {"date": "2023/2024", "dateType": "Collected"},
        ],
        "descriptions": [
            {"description": "How", "descriptionType": "Methods"},
            {"description": "What", "descriptionType": "Abstract"},
        ],
        "rightsList": [{"rights": "Creative Commons Attribution 4.0 International",
                        "rightsUri": "https://creativecommons.org/licenses/by/4.0/legalcode",
                        "rightsIdentifier": "cc-by-4.0", "rightsIdentifierScheme": "SPDX", "schemeUri": "https://spdx.org/licenses/"}],
        "relatedIdentifiers": [
            {"relatedIdentifier": "10.1/y", "relatedIdentifierType": "DOI", "relationType": "Cites"},
            {"relatedIdentifier": "10.1234/y", "relatedIdentifierType": "DOI", "relationType": "IsDerivedFrom"},
        ],
    }  # fmt: skip
    assert datacite.read(json.dumps({"data": {"id": "x", "attributes": attributes}})) == Description(
        title="Main", description="What", creators=(ANA, INSTITUTE), licence="CC-BY-4.0", publisher="Zenodo",
        published="2024-11-24", identifier="https://doi.org/10.5281/ZENODO.7", source_url="https://doi.org/10.1234/y",
    )  # fmt: skip


@pytest.mark.parametrize(
    "text",
    ["[]", "{}", '{"data": {}}', '{"titles": 5}', '{"titles": [], "creators": [5]}',
     '{"titles": [], "rightsList": [5]}',
     '{"titles": [], "rightsList": [{"rightsIdentifier": "cc-by-4.0", "rightsUri": "https://creativecommons.org/licenses/by/3.0/"}]}'],
)  # fmt: skip
def test_what_is_no_record_or_contradicts_itself_is_refused(text: str) -> None:
    with pytest.raises(Malformed):
        datacite.read(text)


def test_related_identifiers_beside_the_source_are_named_as_not_carried() -> None:
    rows = [
        {"relationType": "IsDerivedFrom", "relatedIdentifier": "10.5281/zenodo.2"},
        {"relationType": "Cites", "relatedIdentifier": "10.5281/zenodo.3", "relatedIdentifierType": "DOI"},
    ]
    heard = Heard()
    found = datacite.read(json.dumps({"titles": [{"title": "X"}], "relatedIdentifiers": rows}), heard)
    assert found.source_url == "https://doi.org/10.5281/zenodo.2"
    assert list(heard.left) == ["relatedIdentifiers: Cites 10.5281/zenodo.3"]
