"""DataCite's XML: what DataCite's own library writes is read as its JSON is."""

from __future__ import annotations

import importlib
import json

import pytest

from commons.core.dataset.rights import Creator
from commons.errors import Malformed
from commons.metadata import datacite, datacitexml
from commons.metadata.description import Description
from commons.metadata.reading import Heard
from tests.metadata.samples import ANA, INSTITUTE, SAMPLES

SPACE = "http://datacite.org/schema/kernel-4"


def record(inside: str, space: str = SPACE) -> str:
    titles = "<titles><title>T</title></titles>"
    return f'<?xml version="1.0"?><resource xmlns="{space}">{titles}{inside}</resource>'


@pytest.mark.parametrize("sample", SAMPLES)
def test_it_says_what_the_same_record_says_in_json(sample: str) -> None:
    written = datacite.write(SAMPLES[sample]).decode()
    xml = importlib.import_module("datacite.schema45").tostring(json.loads(written))
    assert datacitexml.read(xml) == datacite.read(written)


def test_a_record_of_somebody_else_is_read_and_the_rest_is_named() -> None:
    heard = Heard()
    found = datacitexml.read(
        """<?xml version="1.0" encoding="UTF-8"?>
        <resource xmlns="http://datacite.org/schema/kernel-4.3" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance"
            xsi:schemaLocation="http://datacite.org/schema/kernel-4 http://schema.datacite.org/meta/kernel-4.3/metadata.xsd">
          <identifier identifierType="DOI">10.5281/ZENODO.7</identifier>
          <creators>
            <creator><creatorName nameType="Personal">Martins, Ana</creatorName>
              <givenName>Ana</givenName><familyName>Martins</familyName>
              <nameIdentifier nameIdentifierScheme="ORCID">0000-0002-1825-0097</nameIdentifier>
              <affiliation>Somewhere</affiliation></creator>
            <creator><creatorName nameType="Organizational">Instituto da Água</creatorName>
              <nameIdentifier nameIdentifierScheme="ROR">ror.org/05gq02987</nameIdentifier></creator>
            <creator><creatorName>Bo</creatorName></creator>
          </creators>
          <titles><title titleType="Subtitle">Sub</title><title xml:lang="en">Main</title></titles>
          <publisher>Zenodo</publisher><publicationYear>2024</publicationYear>
          <resourceType resourceTypeGeneral="Dataset">Table</resourceType>
          <contributors>
            <contributor contributorType="Editor"><contributorName>Cy</contributorName></contributor>
          </contributors>
          <dates><date dateType="Issued">2024-11-24</date><date dateType="Updated">2024</date></dates>
          <relatedIdentifiers>
            <relatedIdentifier relatedIdentifierType="DOI" relationType="Cites">10.1234/x</relatedIdentifier>
            <relatedIdentifier relatedIdentifierType="DOI" relationType="IsDerivedFrom">10.1234/y</relatedIdentifier>
          </relatedIdentifiers>
          <version>1.2.0</version>
          <rightsList>
            <rights rightsURI="info:eu-repo/semantics/openAccess">Open Access</rights>
            <rights rightsURI="https://creativecommons.org/licenses/by/4.0/legalcode"
              rightsIdentifier="CC-BY-4.0">Any name</rights>
          </rightsList>
          <descriptions><description descriptionType="Methods">How</description>
            <description descriptionType="Abstract">One<br/>two</description></descriptions>
          <geoLocations><geoLocation><geoLocationPlace>Porto</geoLocationPlace></geoLocation></geoLocations>
        </resource>""",
        heard,
    )
    assert found == Description(
        title="Main", description="One\ntwo", creators=(ANA, INSTITUTE, Creator(name="Bo")), licence="CC-BY-4.0",
        publisher="Zenodo", published="2024-11-24", identifier="https://doi.org/10.5281/ZENODO.7",
        source_url="https://doi.org/10.1234/y",
    )  # fmt: skip
    assert list(heard.left) == [
        "relatedIdentifiers: Cites 10.1234/x", "contributors", "geoLocations", "version: 1.2.0",
    ]  # fmt: skip
    assert [fault.field for fault in heard.faults] == ["access"]


def test_every_licence_holds_whatever_lists_they_stand_in() -> None:
    by, zero = ('<rights rightsIdentifier="CC-BY-4.0"/>', '<rights rightsIdentifier="CC0-1.0"/>')
    for inside in (
        f"<rightsList>{by}{zero}</rightsList>",
        f"<rightsList>{by}</rightsList><rightsList>{zero}</rightsList>",
    ):
        assert datacitexml.read(record(inside)).licence == "CC-BY-4.0 AND CC0-1.0"


def test_kernel_three_is_read_and_what_has_another_namespace_is_not() -> None:
    other = '<version xmlns="urn:other">7</version>'
    found = datacitexml.read(record(f"<version>2</version>{other}", "http://datacite.org/schema/kernel-3"))
    assert (found.title, found.version) == ("T", 2)


@pytest.mark.parametrize(
    "text",
    [
        "<resource/>", "[]", f'<record xmlns="{SPACE}"/>', f'<resource xmlns="{SPACE}"/>', record("", "urn:x"),
        record('<rightsList><rights rightsIdentifier="cc-by-4.0" rightsURI="https://creativecommons.org/licenses/by/3.0/"/></rightsList>'),
    ],
)  # fmt: skip
def test_what_is_no_record_or_contradicts_itself_is_refused(text: str) -> None:
    with pytest.raises(Malformed):
        datacitexml.read(text)
