"""JSON-LD as bytes and as nodes: read within bounds, written so that it may stand inside a web page.

No context is ever fetched: a term is known by its name, bare, prefixed or as a whole address, and by what a context
inside the file says. What cannot be understood is left out, but a licence, a path or a digest that cannot is Malformed.
"""

from __future__ import annotations

import base64
import datetime
import json
import re
import unicodedata
from collections import Counter
from collections.abc import Iterable
from types import NoneType
from typing import Any
from urllib.parse import unquote

from commons.core.dataset import names, rights
from commons.errors import Malformed, TooLarge
from commons.metadata.description import LIMIT, UNSEEN, encoded
from commons.metadata.reading import Reading
from commons.metadata.texts import is_access

DEEP = 64  # containers in containers
MANY = 500_000  # containers
NAME = 2000  # characters of a licence's name
WORK = 5_000_000  # values looked at by following references: a few nodes can name each other very often

Node = dict[str, list[Any]]  # every property, "@id" and "@type" too, to its values; names are short ones

_SPACES = (
    ("https://schema.org/", ""),
    ("http://schema.org/", ""),
    ("http://purl.org/dc/terms/", "dct:"),
    ("http://www.w3.org/ns/dcat#", "dcat:"),
    ("http://xmlns.com/foaf/0.1/", "foaf:"),
    ("http://www.w3.org/ns/prov#", "prov:"),
    ("http://spdx.org/rdf/terms#", "spdx:"),
    ("http://www.w3.org/2000/01/rdf-schema#", "rdfs:"),
    ("http://schema.theodi.org/odrs#", "odrs:"),
    ("http://mlcommons.org/croissant/", "cr:"),
)
_PREFIXES = {
    "schema": "https://schema.org/",
    "sc": "https://schema.org/",
    "dcterms": "http://purl.org/dc/terms/",
    **{short[:-1]: space for space, short in _SPACES if short},
}

_LANGUAGE = re.compile(r"[A-Za-z]{2,3}(-[A-Za-z0-9]{1,8})*|@none")
_UNSAFE = re.compile(f"[<>&{UNSEEN}]")
_ID = re.compile(r"[A-Za-z0-9.+-]+", re.ASCII)
_EXACT = re.compile(r"(\d{1,18})(?: ?(?:B|[Bb]ytes?))?", re.ASCII)
_DOI = re.compile(r"(?:doi:)?10\.\d{4,9}/[!-~]+", re.ASCII | re.IGNORECASE)


def load(text: str) -> dict[str, Any]:
    """The JSON object that `text` is. Malformed if it is none, or not plain JSON; TooLarge over a limit."""
    document = _json(text)
    if not isinstance(document, dict):
        raise Malformed("not a JSON object", hint="the file begins with {")
    return document


def dump(document: dict[str, Any]) -> bytes:
    """The document in UTF-8. What a web page, a terminal or an eye would take for more than text is escaped."""
    text = json.dumps(document, ensure_ascii=False, indent=2, allow_nan=False) + "\n"
    return encoded(_UNSAFE.sub(lambda found: f"\\u{ord(found[0]):04x}", text))


def tidy(node: dict[str, Any]) -> dict[str, Any]:
    """`node` without what is None or empty, and a list of one as that one."""
    kept = {key: value for key, value in node.items() if value not in (None, "", [], (), {})}
    return {key: value[0] if isinstance(value, list) and len(value) == 1 else value for key, value in kept.items()}


def _json(text: str) -> Any:
    if len(text) > LIMIT or text.count("{") + text.count("[") > MANY:
        raise TooLarge(f"metadata of over {LIMIT >> 20} MiB or {MANY} lists and objects", hint="describe less in it")
    try:
        document = json.loads(text.removeprefix("\ufeff"), object_pairs_hook=_object, parse_constant=_constant)
    except RecursionError:
        raise Malformed(f"nested over {DEEP} deep") from None
    except json.JSONDecodeError as error:
        place = f"at line {error.lineno}, column {error.colno}"
        raise Malformed(f"not JSON: {place}", hint="a comma, a quote or a bracket is missing or too many") from error
    except ValueError as error:
        raise Malformed("not JSON: a number of thousands of digits") from error
    level = [document]
    for _ in range(DEEP + 1):
        insides = (value.values() if isinstance(value, dict) else value for value in level)
        level = [each for inside in insides if not isinstance(inside, (str, int, float, NoneType)) for each in inside]
    if level:
        raise Malformed(f"nested over {DEEP} deep")
    try:
        json.dumps(document, ensure_ascii=False).encode()
    except UnicodeEncodeError as error:
        raise Malformed("a text in it holds half a character", hint="save the file as UTF-8") from error
    return document


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    made = dict(pairs)
    if len(made) < len(pairs):
        twice = Counter(key for key, _ in pairs).most_common(1)[0][0]
        raise Malformed(f"an object has the key {twice[:60]!r} twice", hint="keep one of the two")
    return made


def _constant(word: str) -> Any:
    raise Malformed(f"{word} is no JSON", hint="write null, or leave it out")


class Graph:
    """The nodes of a JSON-LD text, each name in its short form. `tops` are those of the first level, `all` are all."""

    def __init__(self, text: str) -> None:
        document = _json(text)
        self._known: dict[str, str] = {}
        self._terms: dict[str, str] = {}
        self._weights: dict[str, int] = {}
        self._left = WORK
        for each in document if isinstance(document, list) else [document]:
            self._learn(each.get("@context") if isinstance(each, dict) else None)
        self.all: list[Node] = []
        self._by_id: dict[str, Node] = {}
        self.tops = [node for node in self._plain(document) if isinstance(node, dict)]
        self.tops += [inner for node in self.tops for inner in node.pop("@graph", []) if isinstance(inner, dict)]
        for node in self.all:
            if len(node) > 1 and (id := said(node, "@id")):
                merged = self._by_id.setdefault(id, {})
                for key, found in node.items():
                    merged.setdefault(key, []).extend(found)

    def _learn(self, context: Any) -> None:
        for part in context if isinstance(context, list) else [context]:
            for term, meaning in part.items() if isinstance(part, dict) else ():
                iri = meaning.get("@id") if isinstance(meaning, dict) else meaning
                if isinstance(iri, str) and len(iri) < 300:  # or a long one, used often, would fill the memory
                    self._terms[term] = iri

    def _name(self, term: str) -> str:
        if term not in self._known:
            iri = self._iri(term, hops=4)
            space, short = next((each for each in _SPACES if iri.startswith(each[0])), ("", ""))
            self._known[term] = short + iri[len(space) :]
        return self._known[term]

    def _iri(self, term: str, hops: int) -> str:
        if term.startswith("@") or not hops:
            return term
        if self._terms.get(term, term) != term:
            return self._iri(self._terms[term], hops - 1)
        prefix, colon, rest = term.partition(":")
        if not colon:
            return self._terms.get("@vocab", "") + term
        space = self._terms.get(prefix) or _PREFIXES.get(prefix)
        if rest.startswith("//") or not space:
            return term
        return (space if "//" in space else self._iri(space, hops - 1)) + rest

    def _plain(self, value: Any) -> list[Any]:
        """`value` as the list of what it holds, objects as nodes."""
        if isinstance(value, list):
            return [each for inner in value for each in self._plain(inner)]
        if not isinstance(value, dict):
            return [] if value is None else [value]
        if "@list" in value or "@set" in value:
            return self._plain(value.get("@list", value.get("@set")))
        node: Node = {}
        for key, inner in value.items():
            if key == "@context":
                continue
            name = self._name(key)
            found = self._plain(inner)
            if name == "@type":
                found = [self._name(each) for each in found if isinstance(each, str)]
            node[name] = node[name] + found if name in node else found
        self.all.append(node)
        return [node]

    def follow(self, value: Any) -> Node | None:
        """The node that `value` stands for: itself, or the one of the graph that it names by its @id; None for a plain
        value."""
        if not isinstance(value, dict):
            return None
        id = said(value, "@id") if len(value) == 1 else None
        if id is None or id not in self._by_id:
            return value
        if id not in self._weights:
            self._weights[id] = _weight(self._by_id[id])
        self._left -= self._weights[id]
        if self._left < 0:
            raise TooLarge("its nodes name each other too often to be read", hint="say less in it")
        return self._by_id[id]

    def nodes(self, node: Node, *wanted: str) -> list[Node]:
        """The nodes under the first of these names that says anything; a string counts as the id of one."""
        found = (self.follow({"@id": [each]} if isinstance(each, str) else each) for each in values(node, *wanted))
        return [each for each in found if each is not None]

    def typed(self, *types: str) -> list[Node]:
        """The nodes of the first level that have one of these types; without any, those of all levels."""
        levels = ([each for each in nodes if is_a(each, *types)] for nodes in (self.tops, self.all))
        return next((found for found in levels if found), [])


def _weight(node: Node) -> int:
    return sum(1 + (_weight(each) if isinstance(each, dict) else 0) for found in node.values() for each in found)


def is_a(node: Node, *types: str) -> bool:
    """Whether a node has one of these types."""
    return any(each in types for each in node.get("@type", []))


def values(node: Node, *wanted: str) -> list[Any]:
    """All that a node says under the first of these names that says anything."""
    return next((found for name in wanted if (found := node.get(name))), [])


def texts(found: Iterable[Any]) -> list[str]:
    """The texts among `found`, what has no language or is English before the rest."""
    ours: list[Any] = []
    others: list[Any] = []
    for value in found:
        if isinstance(value, str):
            ours.append(value)
        elif isinstance(value, dict) and "@value" in value:
            language = str(next(iter(value.get("@language", [])), "en")).lower()
            (ours if language.startswith("en") else others).extend(value["@value"])
        elif isinstance(value, dict) and value and all(_LANGUAGE.fullmatch(key) for key in value):
            for key, inner in value.items():
                (ours if key.lower().startswith("en") or key == "@none" else others).extend(inner)
    return [text for text in ours + others if isinstance(text, str) and text.strip()]


def said(node: Node, *wanted: str) -> str | None:
    """The text under the first of these names that says anything."""
    return next(iter(texts(values(node, *wanted))), None)


def day(text: str | None) -> str | None:
    """The day of a date or time, "2026-11-24"; None where there is no whole day."""
    try:
        return datetime.date.fromisoformat(text[:10]).isoformat() if text and len(text) >= 10 else None
    except ValueError:
        return None


def address(text: str | None) -> str | None:
    """The text itself, if it is an absolute address; None for anything else."""
    try:
        rights.check_url("an address", text)
    except Malformed:
        return None
    return text


def identifier(text: str | None) -> str | None:
    """The text itself, if it is a DOI or an address, and no reference of ours; None for anything else."""
    ours = text is None or text.startswith(("commons:", "_:"))
    return None if ours else text if _DOI.fullmatch(text or "") else address(text)


def path(text: str, *, encoded: bool = False) -> str | None:
    """The path of a file of this folder; None for what lies elsewhere. Malformed for what leads out of the folder."""
    if re.match(r"(?!file:)[A-Za-z][A-Za-z0-9+.-]+:|//|#", text, re.IGNORECASE):
        return None
    plain = unquote(text, errors="surrogateescape") if encoded else text  # which no name of a file may hold
    return names.check(unicodedata.normalize("NFC", re.sub(r"\A(\./)+", "", plain)))


def size(found: Iterable[Any]) -> int | None:
    """How many bytes there are, if that is said exactly: 1234, "1234", "1234 B"; else None."""
    for value in found:
        plain = value["@value"][0] if isinstance(value, dict) and value.get("@value") else value
        if exact := _EXACT.fullmatch(str(plain) if isinstance(plain, (str, int)) else ""):
            return int(exact[1])
    return None


def digest(what: str, found: list[Any], length: int) -> bytes | None:
    """A digest of `length` bytes, in hexadecimal or base 64; None for nothing, Malformed for anything else."""
    if not found:
        return None
    try:
        (told,) = {text.strip() for text in texts(found)}
        data = bytes.fromhex(told) if len(told) == 2 * length else base64.b64decode(told, validate=True)
    except ValueError:
        data = b""
    if len(data) != length:
        raise Malformed(f"the digest of {what[:200]!r} is not one of {2 * length} hexadecimal digits")
    return data


def licence(graph: Graph, found: list[Any], reading: Reading | None = None) -> str | None:
    """The licence as it is spelt; several ids or addresses joined by AND, which the caller may find to be one. What
    says only who may see the data is none, and is told to `reading`, as is a licence whose text stands in the graph or
    in a file."""
    spelt: dict[str, None] = {}
    for value in (each for each in found if each != ""):
        node = graph.follow(value) or {}
        name = next(iter(texts([value])), None) or said(node, "identifier", "dct:identifier")
        name = name or address(said(node, "@id")) or said(node, "url", "name", "dct:title", "rdfs:label", "@id")
        if name is None:
            raise Malformed("a licence is neither a name nor an address", hint="write its SPDX id, or its address")
        if is_access(name):
            if reading is not None:
                reading.fault("access", f"{name[:200]!r} says who may see it, and is no licence")
            continue
        spelt[name.strip()] = None
        place = said(node, "@id") if node else None
        if reading is not None and place and not address(place) and not place.startswith(("#", "_:")):
            reading.heard.written[name.strip()] = place
    if any(len(name) > NAME for name in spelt):  # joined for each of many files, it would fill the memory
        raise Malformed(f"the name of a licence has more than {NAME} characters", hint="write its SPDX id, or address")
    if len(spelt) > 1 and not all(_ID.fullmatch(name) or address(name) for name in spelt):
        named = ", ".join(repr(name[:80]) for name in list(spelt)[:5])
        raise Malformed(f"several licences, and not all are ids or addresses: {named}", hint="name one, by its SPDX id")
    return " AND ".join(spelt) or None


def licences(graph: Graph, found: list[Any]) -> tuple[tuple[str, str], ...]:
    """The (id, address or "") of those that give an id, and of their parts, sorted."""
    known: dict[str, str] = {}
    for node in (each for value in found if (each := graph.follow(value))):
        for part in graph.nodes(node, "hasPart", "dct:hasPart") or [node]:
            id = said(part, "identifier", "dct:identifier")
            if id and _ID.fullmatch(id):
                known[id] = address(said(part, "url")) or address(said(part, "@id")) or ""
    return tuple(sorted(known.items()))
