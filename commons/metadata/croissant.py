"""Croissant 1.1 (mlcommons.org/croissant), and what every schema.org Dataset says, which RO-Crate says too.

Reads any Dataset in JSON-LD, as web pages embed it. Knows no file but this one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any
from urllib.parse import quote

from commons.core.dataset import rights
from commons.core.dataset.rights import Creator, Label, Origin
from commons.errors import Malformed
from commons.metadata import jsonld
from commons.metadata.description import DescribedFile, Description
from commons.metadata.jsonld import Graph, Node, address, said, texts, tidy, values
from commons.metadata.reading import Heard, Reading, alike
from commons.metadata.texts import conditions

FILE = "croissant.json"
CARRIES = frozenset(
    {
        "title", "description", "creators", "licence", "licences", "copyright", "credit_line", "source_url", "updated",
        "published", "conditions", "keywords", "identifier", "reference", "version", "publisher", "labels", "origins",
        "changes", "files",
    }
)  # fmt: skip  # of `texts`, only those of a LicenseRef

_OWN = (
    "arrayShape citeAs column conformsTo containedIn equivalentProperty extract field fileObject fileProperty fileSet "
    "format includes isArray isLiveDataset jsonPath key md5 parentField path recordSet references regex repeated "
    "replace samplingRate separator source subField transform"
)
_CONTEXT = {  # the whole of the specification's appendix 1: the validator warns of less
    "@language": "en",
    "@vocab": "https://schema.org/",
    "sc": "https://schema.org/",
    "cr": "http://mlcommons.org/croissant/",
    "rai": "http://mlcommons.org/croissant/RAI/",
    "dct": "http://purl.org/dc/terms/",
    "prov": "http://www.w3.org/ns/prov#",
    **{term: f"cr:{term}" for term in _OWN.split()},
    "conformsTo": "dct:conformsTo",
    "data": {"@id": "cr:data", "@type": "@json"},
    "examples": {"@id": "cr:examples", "@type": "@json"},
    "dataType": {"@id": "cr:dataType", "@type": "@vocab"},
    "description": {"@container": "@language"},
    "name": {"@container": "@language"},
}
_UNKNOWN = "application/octet-stream"  # Croissant wants a media type, and this one says that none is known
_ORGANISATIONS = ("CollegeOrUniversity", "Corporation", "Consortium", "NGO", "FundingAgency", "Project", "foaf:Group")
_TAKEN = frozenset({
    "@id", "@type", "@context", "name", "description", "creator", "author", "license", "copyrightNotice", "creditText",
    "url", "dateModified", "datePublished", "conditionsOfAccess", "keywords", "identifier", "sameAs", "version",
    "publisher", "usageInfo", "isBasedOn", "prov:wasDerivedFrom", "dct:provenance", "distribution", "hasPart",
    "recordSet", "cr:recordSet", "dct:conformsTo", "conformsTo", "citeAs", "cr:citeAs", "isLiveDataset",
    "cr:isLiveDataset",
})  # fmt: skip
_PEOPLE = ("https://orcid.org/", "https://ror.org/", "http://orcid.org/")


def read(text: str, heard: Heard | None = None) -> Description:
    """The description in Croissant or another schema.org Dataset. Malformed unless it describes exactly one."""
    reading = Reading(heard)
    graph = Graph(text)
    found = graph.typed("Dataset")
    if len(found) != 1:
        raise Malformed(
            f"{len(found) or 'no'} schema.org Datasets in it: one is wanted", hint='the dataset has "@type": "Dataset"'
        )
    node = found[0]
    return reading.described(
        **understood(graph, node, reading), files=lambda: alike(_files(graph, node, reading), reading)
    )


def write(d: Description, columns: Mapping[str, Sequence[str]] | None = None) -> bytes:
    """A Croissant file. `columns`, from the path of a CSV to the names in its first line, makes its rows loadable.
    Malformed if something is missing that Croissant 1.1 requires: title, description, creators, licence, day, address,
    or a SHA-256."""
    need(FILE, d, "title", "description", "creators", "licence", "published")
    url = d.source_url or d.reference
    if url is None:
        raise Malformed(f"{FILE} needs an address of the dataset", hint="give its source address, or its reference")
    columns = columns or {}
    document = {
        "@context": _CONTEXT,
        "@type": "sc:Dataset",
        "conformsTo": "http://mlcommons.org/croissant/1.1",
        **told(d),
        "url": url,
        "creator": people(d),
        "citeAs": _citation(d),
        "distribution": [_file(each, d, each.path in columns) for each in d.files],
        "recordSet": [record for path, names in columns.items() if (record := _records(path, names))],
    }
    return jsonld.dump({**tidy(document), "distribution": document["distribution"]})


def need(file: str, d: Description, *fields: str) -> None:
    """Nothing; Malformed if one of `fields` is empty."""
    missing = [field for field in fields if not getattr(d, field)]
    if missing:
        raise Malformed(
            f"{file} needs what is not known: {', '.join(missing)}", hint="say it in the metadata of the dataset"
        )


def told(d: Description) -> dict[str, Any]:
    """What schema.org has a name for, of the description of a dataset, but for its files and creators."""
    return tidy(
        {
            "name": d.title,
            "description": d.description,
            "url": d.source_url,
            "identifier": [each for each in (d.identifier, d.reference) if each],
            "version": d.version,
            "publisher": d.publisher and {"@type": "Organization", "name": d.publisher},
            "license": licences(d.licence, d) if d.licence else [],
            "copyrightNotice": d.copyright,
            "creditText": d.credit_line,
            "conditionsOfAccess": d.conditions,
            "keywords": [{"@value": d.keywords[0]}] if len(d.keywords) == 1 else list(d.keywords),  # no list of words
            "datePublished": d.published,
            "dateModified": d.updated,
            "usageInfo": [{"@type": "CreativeWork", "name": each.name, "text": each.text} for each in d.labels],
            "isBasedOn": [_origin(each, d) for each in d.origins],
            "prov:wasDerivedFrom": [{"@id": f"commons:{each.manifest}"} for each in d.origins],
            "dct:provenance": d.changes
            and {"@type": ["CreativeWork", "dct:ProvenanceStatement"], "name": "Changes", "description": d.changes},
        }
    )


def people(d: Description) -> list[dict[str, Any]]:
    """The creators, as schema.org writes them."""
    return [
        tidy({"@type": "Organization" if each.organisation else "Person", "name": each.name, "url": each.url})
        for each in d.creators
    ]


def licences(expression: str, d: Description) -> list[dict[str, Any]]:
    """A node for each licence where all hold together; otherwise one, which has the expression for its id."""
    addresses, whole = dict(d.licences), dict(d.texts)
    parts = {
        id: tidy(
            {
                "@type": "CreativeWork",
                "@id": address(addresses.get(id) or None),
                "name": id,
                "identifier": id,
                "url": addresses.get(id),
                "text": whole.get(id) if id.startswith("LicenseRef-") else None,
            }
        )
        for id in rights.licence_ids(expression)
    }
    words = expression.split(" AND ")
    if sorted(words) == sorted(parts):
        return [parts[word] for word in words]
    return [{"@type": "CreativeWork", "name": expression, "identifier": expression, "hasPart": list(parts.values())}]


def _origin(each: Origin, d: Description) -> dict[str, Any]:
    reference = f"commons:{each.manifest}"
    return tidy(
        {
            "@type": "CreativeWork",
            "@id": reference,
            "identifier": reference,
            "name": each.title,
            "license": licences(each.licence, d),
            "creditText": each.credit,
        }
    )


def _citation(d: Description) -> str:
    day = f" ({d.published[:4]})" if d.published else ""
    parts = [f"{'; '.join(each.name for each in d.creators)}{day}: {d.title}", d.version and f"Version {d.version}"]
    return ". ".join(str(each) for each in [*parts, d.publisher, d.identifier or d.reference or d.source_url] if each)


def _file(each: DescribedFile, d: Description, table: bool) -> dict[str, Any]:
    if each.sha256 is None:
        raise Malformed(f"{FILE} needs the SHA-256 of {each.path!r}", hint="describe the files as they lie on disk")
    return tidy(
        {
            "@type": "cr:FileObject",
            "@id": quote(each.path),
            "name": each.path,
            "contentUrl": each.path,  # as it is on disk: the validator opens it so
            "contentSize": None if each.size is None else f"{each.size} B",
            "encodingFormat": "text/csv" if table else each.media_type or _UNKNOWN,
            "sha256": each.sha256.hex(),
            "license": licences(each.licence, d) if each.licence else [],
            "copyrightNotice": each.copyright,
        }
    )


def _records(path: str, columns: Sequence[str]) -> dict[str, Any] | None:
    """The rows of a table, every value a text; None where the names of its columns do not tell them apart."""
    id = f"{quote(path)}#rows"
    if not columns or len(set(columns)) < len(columns) or not all(name.strip() for name in columns):
        return None
    fields = [
        {
            "@type": "cr:Field",
            "@id": f"{id}/{quote(name, safe='')}",
            "name": name,
            "dataType": "sc:Text",
            "source": {"fileObject": {"@id": quote(path)}, "extract": {"column": name}},
        }
        for name in columns
    ]
    return {"@type": "cr:RecordSet", "@id": id, "name": path, "field": fields}


def understood(graph: Graph, node: Node, reading: Reading) -> dict[str, Callable[[], Any]]:
    """For each field of a Description that a schema.org Dataset fills, files apart: a function that reads it."""
    reading.leave({key: value for key, value in node.items() if key not in _TAKEN})
    if texts(values(node, "version")) and jsonld.size(values(node, "version")) is None:
        reading.leave({f"version: {said(node, 'version')}": True})
    named = [text for each in ("identifier", "sameAs", "url", "@id") for text in _named(graph, node, each)]
    url = address(said(node, "url")) or next((address(said(each, "@id")) for each in graph.nodes(node, "url")), None)
    return {
        "title": lambda: said(node, "name"),
        "description": lambda: said(node, "description"),
        "creators": lambda: tuple(
            dict.fromkeys(
                reading.several(
                    "creators", values(node, "creator") + values(node, "author"), lambda each: _people(graph, [each])
                )
            )
        ),
        "licence": lambda: jsonld.licence(graph, values(node, "license"), reading),
        "licences": lambda: jsonld.licences(graph, values(node, "license")),
        "texts": lambda: tuple(sorted(_texts(graph, node))),
        "copyright": lambda: said(node, "copyrightNotice"),
        "credit_line": lambda: said(node, "creditText"),
        "source_url": lambda: None if url and url.startswith("commons:") else url,
        "updated": lambda: jsonld.day(said(node, "dateModified")),
        "published": lambda: jsonld.day(said(node, "datePublished")),
        "conditions": lambda: conditions(said(node, "conditionsOfAccess"), reading),
        "keywords": lambda: tuple(_keywords(graph, values(node, "keywords"))),
        "identifier": lambda: next(
            (text for each in ("identifier", "@id") for text in _named(graph, node, each) if jsonld.identifier(text)),
            None,
        ),
        "reference": lambda: next((text for text in named if text.startswith("commons:")), None),
        "version": lambda: jsonld.size(values(node, "version")) or None,
        "publisher": lambda: next((each.name for each in _people(graph, values(node, "publisher"))), None),
        "labels": lambda: tuple(
            Label(name=name, text=text)
            for each in graph.nodes(node, "usageInfo")
            if (name := said(each, "name")) and (text := said(each, "text"))
        ),
        "origins": lambda: tuple(_origins(graph, node)),
        "changes": lambda: next(
            (said(each, "description") for each in graph.nodes(node, "dct:provenance") if said(each, "description")),
            None,
        ),
    }


def entry(graph: Graph, path: str, node: Node, reading: Reading) -> DescribedFile:
    """What `node`, an entity of the JSON-LD graph, says of the file at `path`."""
    return DescribedFile(
        path=path,
        size=jsonld.size(values(node, "contentSize")),
        sha256=reading.take("files", lambda: jsonld.digest(path, values(node, "sha256"), 32), None),
        md5=reading.take("files", lambda: jsonld.digest(path, values(node, "cr:md5", "md5"), 16), None),
        media_type=said(node, "encodingFormat"),
        licence=reading.take("licence", lambda: jsonld.licence(graph, values(node, "license"), reading), None, path),
        copyright=said(node, "copyrightNotice"),
    )


def _files(graph: Graph, node: Node, reading: Reading) -> Iterator[DescribedFile]:
    for each in graph.nodes(node, "distribution"):
        place = said(each, "contentUrl")
        if not place or values(each, "cr:containedIn", "containedIn"):  # of an archive: no file of the folder
            continue
        path = reading.take("files", partial(reading.place, place, jsonld.path), None)
        if path is not None:
            yield entry(graph, path, each, reading)


def _named(graph: Graph, node: Node, name: str) -> list[str]:
    """The texts under `name`, and what nodes there have for a value, an address or an id."""
    nodes = [each for value in values(node, name) if (each := graph.follow(value))]
    return texts(values(node, name)) + [text for each in nodes if (text := said(each, "value", "url", "@id"))]


def _people(graph: Graph, found: list[Any]) -> Iterator[Creator]:
    for value in found:
        if plain := next(iter(texts([value])), None):
            yield Creator(name=plain)
        elif node := graph.follow(value):
            id, page = address(said(node, "@id")), address(said(node, "url"))
            parts = [part for part in (said(node, "givenName"), said(node, "familyName")) if part]
            name = said(node, "name") or " ".join(parts) or id
            organisation = any("Organization" in each or each in _ORGANISATIONS for each in node.get("@type", []))
            url = id if id and (id.startswith(_PEOPLE) or not page) else page
            if name:
                yield Creator(name=name, url=url, organisation=organisation)


def _texts(graph: Graph, node: Node) -> Iterator[tuple[str, str]]:
    for whole in graph.nodes(node, "license"):
        for part in graph.nodes(whole, "hasPart") or [whole]:
            id, text = said(part, "identifier", "url", "name", "@id"), said(part, "text")
            if id and text:
                yield id, text


def _keywords(graph: Graph, found: list[Any]) -> Iterator[str]:
    """One text, alone, may list several, with commas between them."""
    if len(found) == 1 and isinstance(found[0], str):
        found = [word.strip() for word in found[0].split(",")]
    for value in found:
        word = next(iter(texts([value])), None) or said(graph.follow(value) or {}, "name")
        if word:
            yield word


def _origins(graph: Graph, node: Node) -> Iterator[Origin]:
    known: set[str] = set()
    for name in ("isBasedOn", "prov:wasDerivedFrom"):
        here: set[str] = set()
        for each in graph.nodes(node, name):
            named = (text for part in ("identifier", "@id") for text in _named(graph, each, part))
            reference = next((text for text in named if text.startswith("commons:")), None)
            if reference is None or reference in known:
                continue
            here.add(reference)
            yield Origin(
                manifest=reference.removeprefix("commons:"),
                title=said(each, "name") or "",
                licence=jsonld.licence(graph, values(each, "license")) or "",
                credit=said(each, "creditText") or "",
            )
        known |= here
