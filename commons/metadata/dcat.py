"""DCAT 3 (w3.org/TR/vocab-dcat-3) with what DCAT-AP 3.0.1 wants, as JSON-LD: the catalogue record of a dataset.

Reads it with prefixes or without, as CKAN gives it. Rights are told in ODRS (schema.theodi.org/odrs), as DCAT advises.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Any
from urllib.parse import quote, unquote

from commons.core.dataset import rights
from commons.core.dataset.rights import Creator, Label, Origin
from commons.errors import Malformed
from commons.metadata import jsonld
from commons.metadata.description import DescribedFile, Description
from commons.metadata.jsonld import Graph, Node, address, is_a, said, texts, tidy, values
from commons.metadata.reading import Heard, Reading, alike
from commons.metadata.texts import conditions

FILE = "dcat.jsonld"
CARRIES = frozenset(
    {
        "title", "description", "creators", "licence", "licences", "copyright", "credit_line", "source_url", "updated",
        "published", "conditions", "keywords", "identifier", "reference", "version", "publisher", "labels", "origins",
        "files",
    }
)  # fmt: skip

_CONTEXT = {
    "dcat": "http://www.w3.org/ns/dcat#",
    "dct": "http://purl.org/dc/terms/",
    "foaf": "http://xmlns.com/foaf/0.1/",
    "odrs": "http://schema.theodi.org/odrs#",
    "prov": "http://www.w3.org/ns/prov#",
    "rdfs": "http://www.w3.org/2000/01/rdf-schema#",
    "spdx": "http://spdx.org/rdf/terms#",
    "xsd": "http://www.w3.org/2001/XMLSchema#",
}
_TAKEN = frozenset({
    "@id", "@type", "dct:title", "title", "dct:description", "description", "dct:creator", "creator", "dct:license",
    "license", "dct:rights", "dct:identifier", "identifier", "dcat:landingPage", "landingPage", "dct:modified",
    "modified", "dct:issued", "issued", "dct:accessRights", "dcat:keyword", "keyword", "dcat:version", "dct:publisher",
    "publisher", "prov:wasDerivedFrom", "dcat:distribution", "distribution", "dct:provenance",
})  # fmt: skip
_MEDIA = "https://www.iana.org/assignments/media-types/"


def write(d: Description) -> bytes:
    """A DCAT record as JSON-LD. Malformed if something is missing that DCAT-AP requires: title, description, an address
    to get it at."""
    for field in ("title", "description"):
        if not getattr(d, field):
            raise Malformed(f"{FILE} needs a {field}", hint="say it in the metadata of the dataset")
    access = d.source_url or jsonld.address(d.identifier) or d.reference
    if access is None:
        raise Malformed(f"{FILE} needs an address of the dataset", hint="give its source address, or its reference")
    document = {
        "@context": _CONTEXT,
        "@id": address(d.identifier) or d.reference,
        "@type": "dcat:Dataset",
        "dct:title": d.title,
        "dct:description": d.description,
        "dct:identifier": [each for each in (d.identifier, d.reference) if each],
        "dcat:version": d.version and str(d.version),
        "dcat:landingPage": d.source_url and {"@id": d.source_url, "@type": "foaf:Document"},
        "dcat:keyword": list(d.keywords),
        "dct:creator": [_agent(each) for each in d.creators],
        "dct:publisher": d.publisher and {"@type": "foaf:Agent", "foaf:name": d.publisher},
        "dct:issued": d.published and {"@value": d.published, "@type": "xsd:date"},
        "dct:modified": d.updated and {"@value": d.updated, "@type": "xsd:date"},
        "dct:license": d.licence and _licence(d.licence, d),
        "dct:accessRights": d.conditions and {"@type": "dct:RightsStatement", "rdfs:label": d.conditions},
        "dct:rights": [*_statements(d.copyright, d.credit_line), *(_label(each) for each in d.labels)],
        "dct:provenance": d.changes and {"@type": "dct:ProvenanceStatement", "rdfs:label": d.changes},
        "prov:wasDerivedFrom": [_origin(each) for each in d.origins],
        "dcat:distribution": [_distribution(each, d, access) for each in d.files] or [_whole(d, access)],
    }
    return jsonld.dump(tidy(document))


def _agent(each: Creator) -> dict[str, Any]:
    kind = ["foaf:Agent", "foaf:Organization" if each.organisation else "foaf:Person"]
    return tidy({"@type": kind, "foaf:name": each.name, "foaf:page": each.url and {"@id": each.url}})


def _licence(expression: str, d: Description) -> dict[str, Any]:
    """One document, for a distribution has one licence: of several, the expression, and its parts."""
    addresses = dict(d.licences)
    parts = [
        tidy(
            {
                "@id": address(addresses.get(id) or None),
                "@type": "dct:LicenseDocument",
                "dct:title": id,
                "dct:identifier": id,
            }
        )
        for id in rights.licence_ids(expression)
    ]
    if len(parts) == 1 and parts[0]["dct:identifier"] == expression:
        return parts[0]
    whole = {"@type": "dct:LicenseDocument", "dct:title": expression, "dct:identifier": expression}
    return {**whole, "dct:hasPart": parts}


def _statements(copyright: str | None, credit: str | None) -> list[dict[str, Any]]:
    told = tidy({"odrs:copyrightNotice": copyright, "odrs:attributionText": credit})
    return [{"@type": ["dct:RightsStatement", "odrs:RightsStatement"], **told}] if told else []


def _label(each: Label) -> dict[str, Any]:
    return {"@type": "dct:RightsStatement", "dct:title": each.name, "dct:description": each.text}


def _origin(each: Origin) -> dict[str, Any]:
    return tidy(
        {
            "@id": f"commons:{each.manifest}",
            "@type": "prov:Entity",
            "dct:identifier": f"commons:{each.manifest}",
            "dct:title": each.title,
            "dct:license": {"@type": "dct:LicenseDocument", "dct:title": each.licence, "dct:identifier": each.licence},
            "dct:rights": _statements(None, each.credit),
        }
    )


def _distribution(each: DescribedFile, d: Description, access: str) -> dict[str, Any]:
    """A file; where it lies is said from where this text lies."""
    licence = each.licence or d.licence
    return tidy(
        {
            "@type": "dcat:Distribution",
            "dct:title": each.path,
            "dcat:accessURL": {"@id": access},
            "dcat:downloadURL": {"@id": quote(each.path)},
            "dcat:mediaType": each.media_type and {"@id": _MEDIA + quote(each.media_type), "@type": "dct:MediaType"},
            "dcat:byteSize": None
            if each.size is None
            else {"@value": str(each.size), "@type": "xsd:nonNegativeInteger"},
            "spdx:checksum": each.sha256
            and {
                "@type": "spdx:Checksum",
                "spdx:algorithm": {"@id": "spdx:checksumAlgorithm_sha256", "@type": "spdx:ChecksumAlgorithm"},
                "spdx:checksumValue": {"@value": each.sha256.hex(), "@type": "xsd:hexBinary"},
            },
            "dct:license": licence and _licence(licence, d),
            "dct:rights": _statements(each.copyright, None),
        }
    )


def _whole(d: Description, access: str) -> dict[str, Any]:
    licence = d.licence and _licence(d.licence, d)
    return tidy(
        {"@type": "dcat:Distribution", "dct:title": d.title, "dcat:accessURL": {"@id": access}, "dct:license": licence}
    )


def read(text: str, heard: Heard | None = None) -> Description:
    """The description in a DCAT record. Malformed unless it describes one dcat:Dataset, whatever catalogue and records
    stand around it."""
    graph, reading = Graph(text), Reading(heard)
    found = graph.typed("dcat:Dataset")
    if len(found) != 1:
        raise Malformed(
            f"{len(found) or 'no'} dcat:Datasets in it: one is wanted", hint="give the record of one dataset"
        )
    node = found[0]
    distributions = graph.nodes(node, "dcat:distribution", "distribution")
    holders = [node] if values(node, "dct:license", "license") else distributions
    licences = [value for each in holders for value in values(each, "dct:license", "license")]
    licence = reading.take("licence", lambda: jsonld.licence(graph, licences, reading), None)
    statements = graph.nodes(node, "dct:rights")
    named = [*texts(values(node, "dct:identifier", "identifier")), said(node, "@id") or ""]
    reading.leave({key: value for key, value in node.items() if key not in _TAKEN})
    if texts(values(node, "dcat:version")) and jsonld.size(values(node, "dcat:version")) is None:
        reading.leave({f"version: {said(node, 'dcat:version')}": True})
    return reading.described(
        title=lambda: said(node, "dct:title", "title"),
        description=lambda: said(node, "dct:description", "description"),
        creators=lambda: tuple(
            dict.fromkeys(
                reading.several(
                    "creators", values(node, "dct:creator", "creator"), lambda each: _creators(graph, [each])
                )
            )
        ),
        licence=lambda: licence,
        licences=lambda: jsonld.licences(graph, licences),
        copyright=lambda: _first(statements, "odrs:copyrightNotice"),
        credit_line=lambda: _first(statements, "odrs:attributionText"),
        source_url=lambda: _first(graph.nodes(node, "dcat:landingPage", "landingPage"), "@id", addresses=True),
        updated=lambda: jsonld.day(said(node, "dct:modified", "modified")),
        published=lambda: jsonld.day(said(node, "dct:issued", "issued")),
        conditions=lambda: conditions(
            _first(graph.nodes(node, "dct:accessRights"), "rdfs:label", "dct:description"), reading
        ),
        keywords=lambda: tuple(texts(values(node, "dcat:keyword", "keyword"))),
        identifier=lambda: next((each for each in named if jsonld.identifier(each)), None),
        reference=lambda: next((each for each in named if each.startswith("commons:")), None),
        version=lambda: jsonld.size(values(node, "dcat:version")) or None,
        publisher=lambda: next(
            (each.name for each in _creators(graph, values(node, "dct:publisher", "publisher"))), None
        ),
        labels=lambda: tuple(
            Label(name=name, text=words)
            for each in statements
            if (name := said(each, "dct:title")) and (words := said(each, "dct:description"))
        ),
        origins=lambda: tuple(_origins(graph, node)),
        files=lambda: alike(_files(graph, distributions, licence, reading), reading),
    )


def _first(nodes: list[Node], *wanted: str, addresses: bool = False) -> str | None:
    found = (said(each, *wanted) for each in nodes)
    return next((text for text in found if text and (not addresses or address(text))), None)


def _creators(graph: Graph, found: list[Any]) -> Iterator[Creator]:
    for value in found:
        node = graph.follow(value) or {}
        page = _first(graph.nodes(node, "foaf:page", "foaf:homepage"), "@id", addresses=True)
        url = page or address(said(node, "@id"))
        name = next(iter(texts([value])), None) or said(node, "foaf:name", "rdfs:label", "name") or url
        if name:
            organisation = is_a(node, "foaf:Organization", "foaf:Group")
            yield Creator(name=name, url=url, organisation=organisation)


def _origins(graph: Graph, node: Node) -> Iterator[Origin]:
    for each in graph.nodes(node, "prov:wasDerivedFrom"):
        reference = said(each, "@id") or ""
        if reference.startswith("commons:"):
            yield Origin(
                manifest=reference.removeprefix("commons:"),
                title=said(each, "dct:title") or "",
                licence=jsonld.licence(graph, values(each, "dct:license")) or "",
                credit=_first(graph.nodes(each, "dct:rights"), "odrs:attributionText") or "",
            )


def _files(graph: Graph, distributions: list[Node], licence: str | None, reading: Reading) -> Iterator[DescribedFile]:
    for each in distributions:
        for place in graph.nodes(each, "dcat:downloadURL", "downloadURL")[:1]:
            path = reading.take("files", partial(reading.place, said(place, "@id") or "#", _path), None)
            if path is not None:
                yield _file(graph, each, path, licence, reading)


def _path(text: str) -> str | None:
    return jsonld.path(text, encoded=True)


def _file(graph: Graph, node: Node, path: str, licence: str | None, reading: Reading) -> DescribedFile:
    named = values(node, "dct:license", "license")
    own = reading.take("licence", lambda: jsonld.licence(graph, named, reading), None, path)
    sums = {length: list(_sums(graph, node, kind)) for kind, length in (("sha256", 32), ("md5", 16))}
    media = _first(graph.nodes(node, "dcat:mediaType", "mediaType"), "@id")
    return DescribedFile(
        path=path,
        size=jsonld.size(values(node, "dcat:byteSize", "byteSize")),
        sha256=reading.take("files", lambda: jsonld.digest(path, sums[32], 32), None),
        md5=reading.take("files", lambda: jsonld.digest(path, sums[16], 16), None),
        media_type=media and _media_type(media),
        licence=own if own != licence else None,
        copyright=_first(graph.nodes(node, "dct:rights"), "odrs:copyrightNotice"),
    )


def _media_type(text: str) -> str:
    return unquote(text.rpartition("media-types/")[2])


def _sums(graph: Graph, node: Node, kind: str) -> Iterator[Any]:
    """The values of its checksums by an algorithm."""
    for each in graph.nodes(node, "spdx:checksum"):
        algorithm = _first(graph.nodes(each, "spdx:algorithm"), "@id") or ""
        if algorithm.lower().replace("-", "").endswith(kind):
            yield from values(each, "spdx:checksumValue")
