"""RO-Crate 1.3 (researchobject.org/ro-crate): a schema.org Dataset as a flat list of entities that name each other.

Reads 1.1 to 1.3. Says with croissant what schema.org has words for; here is only how a crate lays them out.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from functools import partial
from itertools import chain
from typing import Any
from urllib.parse import quote

from commons.errors import Malformed
from commons.metadata import croissant, jsonld
from commons.metadata.description import DescribedFile, Description
from commons.metadata.jsonld import Graph, Node, address, is_a, said, tidy, values
from commons.metadata.reading import Heard, Reading, alike

FILE = "ro-crate-metadata.json"
CARRIES = croissant.CARRIES

_PROFILE = "https://w3id.org/ro/crate/1.3"
_ROOT = "./"


def read(text: str, heard: Heard | None = None) -> Description:
    """The description in an ro-crate-metadata.json. Malformed unless a metadata descriptor in it names the root of a
    crate."""
    graph, reading = Graph(text), Reading(heard)
    root = _root(graph)
    return reading.described(
        **croissant.understood(graph, root, reading), files=lambda: alike(_files(graph, root, reading), reading)
    )


def write(d: Description) -> bytes:
    """An ro-crate-metadata.json, which does not list itself. Malformed if something is missing that every crate has:
    its title, description, licence and day."""
    croissant.need(FILE, d, "title", "description", "licence", "published")
    crate = _Crate()
    files = [crate.add(_file(each, d), _id(each.path)) for each in d.files if each.path != FILE]
    root = {"@type": "Dataset", **croissant.told(d), "author": croissant.people(d), "hasPart": files}
    laid = {key: crate.lay(value) for key, value in tidy(root).items()}
    descriptor = {"@id": FILE, "@type": "CreativeWork", "conformsTo": {"@id": _PROFILE}, "about": {"@id": _ROOT}}
    return jsonld.dump(
        {"@context": f"{_PROFILE}/context", "@graph": [descriptor, {"@id": _ROOT, **laid}, *crate.entities]}
    )


class _Crate:
    """The entities so far. Each has an id of its own, and one that says the same as another is that other."""

    def __init__(self) -> None:
        self.entities: list[dict[str, Any]] = []
        self._taken = {_ROOT, FILE}
        self._alike: dict[str, str] = {}

    def lay(self, value: Any) -> Any:
        """`value` with a reference in the place of every node in it."""
        if isinstance(value, list):
            return [self.lay(each) for each in value]
        if not isinstance(value, dict) or "@type" not in value:
            return value
        return self.add(value, value.get("@id") or address(value.get("url")))

    def add(self, node: dict[str, Any], id: str | None) -> dict[str, str]:
        """The reference to `node`, under `id` if no other has that."""
        inner = {key: self.lay(value) for key, value in node.items() if key != "@id"}
        same = json.dumps([id, inner])
        if same not in self._alike:
            if id is None or id in self._taken:
                kind = inner["@type"] if isinstance(inner["@type"], str) else inner["@type"][0]
                id = f"#{kind.lower()}-{len(self._taken)}"
            self._alike[same] = id
            self._taken.add(id)
            self.entities.append({"@id": id, **inner})
        return {"@id": self._alike[same]}


def _id(path: str) -> str:
    """Percent-encoded, but for letters beyond ASCII, which a crate keeps."""
    return re.sub(r"[\x00-\x7f]+", lambda plain: quote(plain[0]), path)


def _file(each: DescribedFile, d: Description) -> dict[str, Any]:
    return tidy(
        {
            "@type": "File",
            "name": each.path,
            "contentSize": None if each.size is None else str(each.size),
            "encodingFormat": each.media_type,
            "sha256": each.sha256 and each.sha256.hex(),
            "license": croissant.licences(each.licence, d) if each.licence else [],
            "copyrightNotice": each.copyright,
        }
    )


def _root(graph: Graph) -> Node:
    """The root data entity, found as the specification tells: by what the descriptor is about."""
    named = (graph.follow({"@id": [name]}) or {} for name in (FILE, f"./{FILE}", "ro-crate-metadata.jsonld"))
    afar = (top for top in graph.tops if (said(top, "@id") or "").endswith(f"/{FILE}"))  # a crate apart from its files
    for descriptor in chain(named, afar):
        for root in graph.nodes(descriptor, "about"):
            if is_a(root, "Dataset"):
                return root
    raise Malformed(
        f"no RO-Crate: no {FILE} in it is about a Dataset", hint="the descriptor has an about, with the id of the root"
    )


def _path(id: str) -> str | None:
    return jsonld.path(id, encoded=True)


def _files(graph: Graph, root: Node, reading: Reading) -> Iterator[DescribedFile]:
    """The files of the folder, found from part to part."""
    seen: set[str] = set()
    parts = list(reversed(graph.nodes(root, "hasPart")))
    while parts:
        part = parts.pop()
        id = said(part, "@id")
        if id is None or id in seen:
            continue
        seen.add(id)
        if is_a(part, "File", "MediaObject"):
            path = reading.take("files", partial(reading.place, id, _path), None)
            if path is not None:
                yield croissant.entry(graph, path, part, reading)
        elif values(part, "hasPart"):
            parts.extend(reversed(graph.nodes(part, "hasPart")))
