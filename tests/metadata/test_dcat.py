"""DCAT: what is carried, records as CKAN gives them, and the graph that a JSON-LD processor of others makes of ours."""

from __future__ import annotations

import importlib
import json
import warnings
from dataclasses import replace
from typing import Any

import pytest

from commons.core.dataset.rights import Creator
from commons.errors import Malformed
from commons.metadata import dcat
from commons.metadata.description import DescribedFile, Description
from commons.metadata.reading import Heard
from tests.metadata.samples import BY, FULL, MIXED, ODBL, OURS, PLAIN, SAMPLES, described

CHOICE = replace(FULL, licence="CC-BY-4.0 OR LicenseRef-Ours", licences=(BY, (OURS, "")))
NO_FILES = replace(FULL, files=())
DCT, DCAT, FOAF = "http://purl.org/dc/terms/", "http://www.w3.org/ns/dcat#", "http://xmlns.com/foaf/0.1/"
CC_ZERO = "http://www.opendefinition.org/licenses/cc-zero"


GOOD = [*map(described, SAMPLES.values()), CHOICE, NO_FILES]


# there and back


@pytest.mark.parametrize("d", GOOD)
def test_what_it_carries_comes_back(d: Description) -> None:
    read = dcat.read(dcat.write(d).decode())
    assert {f: getattr(read, f) for f in dcat.CARRIES} == {f: getattr(d, f) for f in dcat.CARRIES}


@pytest.mark.parametrize("media_type", ["text/csv; charset=utf-8", "image/svg+xml", None])
def test_a_media_type_comes_back(media_type: str | None) -> None:
    files = (replace(FULL.files[0], media_type=media_type),)
    assert dcat.read(dcat.write(replace(FULL, files=files)).decode()).files == files


def test_the_licence_of_a_file_stays_with_it() -> None:
    files = tuple(replace(each, licence="ODbL-1.0", copyright="2020 Bo") for each in FULL.files[:1]) + FULL.files[1:]
    read = dcat.read(dcat.write(replace(FULL, files=files, licences=(BY, ODBL))).decode())
    assert (read.files, read.licence) == (files, FULL.licence)


@pytest.mark.parametrize("field", ["title", "description"])
def test_what_dcat_ap_requires_is_asked_for(field: str) -> None:
    with pytest.raises(Malformed, match=field):
        dcat.write(replace(FULL, **{field: None}))


def test_an_address_is_asked_for() -> None:
    with pytest.raises(Malformed, match="address"):
        dcat.write(replace(FULL, source_url=None, identifier=None, reference=None))


# records of others


def test_a_graph_with_prefixes_is_read() -> None:
    catalogue = {
        "@context": {"dcat": DCAT, "dcterms": DCT, "foaf": FOAF},
        "@graph": [
            {"@id": "https://ckan.example#catalog", "@type": "dcat:Catalog", "dcat:dataset": {"@id": "https://ckan.example/d"}},
            {
                "@id": "https://ckan.example/d", "@type": "dcat:Dataset", "dcterms:title": "Rivers",
                "dcterms:creator": {"@id": "https://ckan.example/o"}, "dcterms:identifier": "d4ce4e6e",
                "dcat:distribution": [{"@id": "https://ckan.example/r"}], "dcat:keyword": ["a", "b"],
                "dcterms:issued": {"@value": "2024-11-24T00:00:00", "@type": "xsd:dateTime"},
                "dcat:landingPage": {"@id": "https://ckan.example/page"},
            },
            {"@id": "https://ckan.example/o", "@type": "foaf:Organization", "foaf:name": "Keepers"},
            {
                "@id": "https://ckan.example/r", "@type": "dcat:Distribution",
                "dcat:downloadURL": {"@id": "https://ckan.example/r.zip"}, "dcterms:license": {"@id": CC_ZERO},
            },
        ],
    }  # fmt: skip
    assert dcat.read(json.dumps(catalogue)) == Description(
        title="Rivers",
        creators=(Creator(name="Keepers", url="https://ckan.example/o", organisation=True),),
        licence=CC_ZERO,
        source_url="https://ckan.example/page",
        published="2024-11-24",
        keywords=("a", "b"),
        identifier="https://ckan.example/d",
    )


def test_a_list_of_whole_addresses_is_read() -> None:
    nodes = [
        {
            "@id": "https://ckan.example/d", "@type": [f"{DCAT}Dataset"],
            f"{DCT}title": [{"@value": "Flüsse", "@language": "de"}, {"@value": "Rivers", "@language": "en"}],
            f"{DCT}publisher": [{"@id": "_:b0"}], f"{DCAT}distribution": [{"@id": "_:b1"}, {"@id": "_:b2"}],
        },
        {"@id": "_:b0", "@type": [f"{FOAF}Agent"], f"{FOAF}name": [{"@value": "Keepers"}]},
        {
            "@id": "_:b1", f"{DCAT}downloadURL": [{"@id": "a%20b.csv"}], f"{DCT}license": [{"@value": "CC-BY-4.0"}],
            f"{DCAT}byteSize": [{"@type": "http://www.w3.org/2001/XMLSchema#decimal", "@value": "12"}],
            "http://spdx.org/rdf/terms#checksum": [{"@id": "_:b3"}],
        },
        {"@id": "_:b2", f"{DCT}license": [{"@value": "CC-BY-4.0"}]},
        {
            "@id": "_:b3", "http://spdx.org/rdf/terms#checksumValue": [{"@value": "900150983cd24fb0d6963f7d28e17f72"}],
            "http://spdx.org/rdf/terms#algorithm": [{"@id": "http://spdx.org/rdf/terms#checksumAlgorithm_md5"}],
        },
    ]  # fmt: skip
    assert dcat.read(json.dumps(nodes)) == Description(
        title="Rivers",
        licence="CC-BY-4.0",
        publisher="Keepers",
        identifier="https://ckan.example/d",
        files=(DescribedFile(path="a b.csv", size=12, md5=bytes.fromhex("900150983cd24fb0d6963f7d28e17f72")),),
    )


@pytest.mark.parametrize("document", [{}, {"@type": "Dataset"}, [{"@type": "dcat:Dataset"}, {"@type": "dcat:Dataset"}]])
def test_no_dataset_or_two_are_malformed(document: Any) -> None:
    with pytest.raises(Malformed, match="one is wanted"):
        dcat.read(json.dumps(document))


def test_a_file_outside_the_folder_is_malformed() -> None:
    place = {"dcat:downloadURL": {"@id": "%2e%2e/up.csv"}}
    with pytest.raises(Malformed):
        dcat.read(json.dumps({"@type": "dcat:Dataset", "dcat:distribution": place}))


# as a graph

# Our own words for the mandatory properties, and their kinds of value, in DCAT-AP 3.0.1
# (https://semiceu.github.io/DCAT-AP/releases/3.0.1/) of the classes that we write.
SHAPES = """
@prefix sh: <http://www.w3.org/ns/shacl#> . @prefix xsd: <http://www.w3.org/2001/XMLSchema#> .
@prefix dcat: <http://www.w3.org/ns/dcat#> . @prefix dct: <http://purl.org/dc/terms/> .
@prefix foaf: <http://xmlns.com/foaf/0.1/> . @prefix spdx: <http://spdx.org/rdf/terms#> .
[] a sh:NodeShape ; sh:targetClass dcat:Dataset ;
   sh:property [ sh:path dct:title ; sh:minCount 1 ; sh:nodeKind sh:Literal ] ,
     [ sh:path dct:description ; sh:minCount 1 ; sh:nodeKind sh:Literal ] ,
     [ sh:path dcat:distribution ; sh:minCount 1 ; sh:class dcat:Distribution ] ,
     [ sh:path dct:publisher ; sh:maxCount 1 ; sh:class foaf:Agent ] ,
     [ sh:path dct:creator ; sh:class foaf:Agent ] ,
     [ sh:path dct:issued ; sh:maxCount 1 ; sh:datatype xsd:date ] ,
     [ sh:path dct:modified ; sh:maxCount 1 ; sh:datatype xsd:date ] ,
     [ sh:path dct:accessRights ; sh:maxCount 1 ; sh:class dct:RightsStatement ] ,
     [ sh:path dcat:landingPage ; sh:class foaf:Document ] ,
     [ sh:path dcat:version ; sh:maxCount 1 ; sh:nodeKind sh:Literal ] .
[] a sh:NodeShape ; sh:targetClass dcat:Distribution ;
   sh:property [ sh:path dcat:accessURL ; sh:minCount 1 ; sh:nodeKind sh:IRI ] ,
     [ sh:path dcat:downloadURL ; sh:nodeKind sh:IRI ] ,
     [ sh:path dct:license ; sh:maxCount 1 ; sh:class dct:LicenseDocument ] ,
     [ sh:path dcat:byteSize ; sh:maxCount 1 ; sh:datatype xsd:nonNegativeInteger ] ,
     [ sh:path dct:rights ; sh:maxCount 1 ; sh:class dct:RightsStatement ] ,
     [ sh:path dcat:mediaType ; sh:maxCount 1 ; sh:class dct:MediaType ] ,
     [ sh:path spdx:checksum ; sh:maxCount 1 ; sh:class spdx:Checksum ] .
[] a sh:NodeShape ; sh:targetClass spdx:Checksum ;
   sh:property [ sh:path spdx:algorithm ; sh:minCount 1 ; sh:maxCount 1 ; sh:class spdx:ChecksumAlgorithm ] ,
     [ sh:path spdx:checksumValue ; sh:minCount 1 ; sh:maxCount 1 ; sh:datatype xsd:hexBinary ] .
[] a sh:NodeShape ; sh:targetClass foaf:Agent ;
   sh:property [ sh:path foaf:name ; sh:minCount 1 ; sh:nodeKind sh:Literal ] .
"""
BASE = "https://data.example/rivers/dcat.jsonld"


def graph_of(document: dict[str, Any]) -> Any:
    rdflib = importlib.import_module("rdflib")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return rdflib.Graph().parse(data=json.dumps(document), format="json-ld", publicID=BASE)


def conforms(document: dict[str, Any]) -> tuple[bool, str]:
    pyshacl = importlib.import_module("pyshacl")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        shapes = importlib.import_module("rdflib").Graph().parse(data=SHAPES, format="turtle")
        good, _, words = pyshacl.validate(graph_of(document), shacl_graph=shapes)
    return good, words


@pytest.mark.validators
@pytest.mark.parametrize("d", GOOD)
def test_a_record_has_what_dcat_ap_wants(d: Description) -> None:
    assert conforms(json.loads(dcat.write(d))) == (True, "Validation Report\nConforms: True\n")


@pytest.mark.validators
@pytest.mark.parametrize(
    ("place", "key"),
    [
        ((), "dct:title"),
        ((), "dct:description"),
        ((), "dcat:distribution"),
        (("dct:creator", 0), "foaf:name"),
        (("dcat:distribution", 0), "dcat:accessURL"),
        (("dcat:distribution", 0, "spdx:checksum"), "spdx:algorithm"),
        (("dcat:distribution", 0, "spdx:checksum"), "spdx:checksumValue"),
    ],
)
def test_a_record_without_what_it_needs_does_not_conform(place: tuple[Any, ...], key: str) -> None:
    document = json.loads(dcat.write(FULL))
    node = document
    for step in place:
        node = node[step]
    del node[key]
    assert not conforms(document)[0]


@pytest.mark.validators
def test_the_graph_says_what_we_meant() -> None:
    graph = graph_of(json.loads(dcat.write(MIXED)))
    iri = importlib.import_module("rdflib").URIRef
    (dataset,) = graph.subjects(iri("http://www.w3.org/1999/02/22-rdf-syntax-ns#type"), iri(f"{DCAT}Dataset"))
    assert str(dataset) == MIXED.reference
    assert {str(each) for each in graph.objects(dataset, iri("http://www.w3.org/ns/prov#wasDerivedFrom"))} == {
        f"commons:{each.manifest}" for each in MIXED.origins
    }
    files = {str(each) for each in graph.objects(None, iri(f"{DCAT}downloadURL"))}
    assert "https://data.example/rivers/field%20notes/Fl%C3%BCsse%202024.txt" in files
    licences = {str(each) for each in graph.objects(None, iri(f"{DCT}hasPart"))}
    assert BY[1] in licences


@pytest.mark.validators
def test_a_plain_record_needs_no_network_to_be_read(monkeypatch: pytest.MonkeyPatch) -> None:
    import socket

    monkeypatch.setattr(socket, "getaddrinfo", lambda *_: pytest.fail("a name was looked up"))
    assert len(graph_of(json.loads(dcat.write(described(PLAIN))))) > 10


RDFS = "http://www.w3.org/2000/01/rdf-schema#"


def test_an_access_right_is_no_condition() -> None:
    heard = Heard()
    context = {"dcat": "http://www.w3.org/ns/dcat#", "dct": "http://purl.org/dc/terms/", "rdfs": RDFS}
    rights = {"rdfs:label": "public"}
    record = {"@context": context, "@type": "dcat:Dataset", "dct:title": "X", "dct:accessRights": rights}
    found = dcat.read(json.dumps(record), heard)
    assert (found.title, found.conditions) == ("X", None)
    assert [fault.field for fault in heard.faults] == ["access"]
