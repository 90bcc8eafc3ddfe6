"""Texts of others, read within bounds: YAML, and the words, lists, days, names and licences that stand in any of them.

What is no text where a text belongs is Malformed; what merely cannot be used (a day that is none, an address without a
scheme) is as if not said. Knows no format.
"""

from __future__ import annotations

import re
import sys
import tomllib
import unicodedata
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import yaml

from commons.core.crypto import ids
from commons.core.dataset import names
from commons.core.dataset.rights import Creator, check_date, check_url
from commons.errors import Malformed, TooLarge
from commons.metadata.description import UNSEEN, DescribedFile, Description, encoded
from commons.metadata.reading import Reading
from licences.errors import LicenceError
from licences.expression import parse

YAML_LIMIT = 1 << 20  # characters
_DEEPEST, _MOST = 64, 100_000  # values in values, and values
OURS = "commons:"
_DOTS = 200  # of one line of TOML
_SAID = 200  # characters of somebody's text that a message repeats


# -- YAML --------------------------------------------------------------------------------------------------------------


class _Loader(yaml.SafeLoader):
    """YAML without what only an attacker needs. Plain scalars are null, true, false, whole numbers or text: no dates,
    no "no" for Norway, no sixty-based numbers."""

    yaml_implicit_resolvers: dict[str, list[tuple[str, re.Pattern[str]]]] = {}  # noqa: RUF012
    deep = deepest = many = 0

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self.anchored: dict[str, tuple[int, int]] = {}  # how many values stand under an anchor, and how deep

    def compose_node(self, parent: Any, index: Any) -> Any:
        """An alias counts as all that it stands for: what is small on paper and large in memory is refused."""
        event = self.peek_event()  # type: ignore[no-untyped-call]
        many, deep, deepest = self.many, self.deep, self.deepest
        if isinstance(event, yaml.AliasEvent) and event.anchor is not None:
            if event.anchor not in self.anchors:
                raise Malformed(f"YAML{_at(event)}: an alias of nothing, *{event.anchor[:_SAID]}")
            if event.anchor not in self.anchored:
                raise Malformed(f"YAML{_at(event)}: a value that holds itself")
            more, further = self.anchored.get(event.anchor, (0, 0))
            self.many, self.deepest = many + more, max(deepest, deep + further)
            self._bounded(event)
            return super().compose_node(parent, index)
        if event.anchor is not None:  # it may be named anew
            self.anchors.pop(event.anchor, None)
            self.anchored.pop(event.anchor, None)
        self.deep, self.many = deep + 1, many + 1
        self.deepest = self.deep
        self._bounded(event)
        node = super().compose_node(parent, index)
        if event.anchor is not None:
            self.anchored[event.anchor] = (self.many - many, self.deepest - deep)
        self.deep, self.deepest = deep, max(deepest, self.deepest)
        if event.tag is not None and node is not None:  # what it would make is not made here
            node.tag = f"tag:yaml.org,2002:{_PLAIN[type(node)]}"
        return node

    def _bounded(self, event: Any) -> None:
        if self.deepest > _DEEPEST:
            raise Malformed(f"YAML{_at(event)}: nested deeper than {_DEEPEST}")
        if self.many > _MOST:
            raise TooLarge(f"YAML of more than {_MOST} values")

    def construct_mapping(self, node: Any, deep: bool = False) -> dict[Any, Any]:
        found: dict[Any, Any] = {}
        for key_node, value_node in node.value:
            if not isinstance(key_node, yaml.ScalarNode):
                raise Malformed(f"YAML{_at(key_node)}: a key that is no text")
            key = self.construct_object(key_node, deep=True)
            if key in found:
                raise Malformed(f"YAML{_at(key_node)}: the key {str(key)[:_SAID]!r} stands twice")
            found[key] = self.construct_object(value_node, deep=deep)
        return found


_PLAIN = {yaml.ScalarNode: "str", yaml.SequenceNode: "seq", yaml.MappingNode: "map"}


for _tag, _pattern, _first in (
    ("null", r"~|null|Null|NULL|", ["~", "n", "N", ""]),
    ("bool", r"true|True|TRUE|false|False|FALSE", list("tTfF")),
    ("int", r"[-+]?(?:0|[1-9][0-9]{0,17})", list("-+0123456789")),
):
    _Loader.add_implicit_resolver(f"tag:yaml.org,2002:{_tag}", re.compile(f"^(?:{_pattern})$"), _first)


def _at(marked: Any) -> str:
    mark = getattr(marked, "start_mark", None)
    return f", line {mark.line + 1}" if mark is not None else ""


_YAML = 'each line is "key: value", indented by blanks alone, and what holds ": " or begins with a sign is in quotes'


def load_yaml(text: str) -> Any:
    """The one document in `text`. Aliases stand for what they name, and tags make nothing. Malformed for anything else,
    a value that holds itself, a key that stands twice, and nesting over 64; TooLarge over 1 MiB or 100,000 values,
    those of aliases included. Nothing else is raised."""
    if len(text) > YAML_LIMIT:
        raise TooLarge(f"YAML of more than {YAML_LIMIT >> 20} MiB")
    try:
        return yaml.load(text, Loader=_Loader)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark
        where = f" at line {mark.line + 1}, column {mark.column + 1}" if mark is not None else ""
        raise Malformed(f"not YAML: wrong{where}", hint=_YAML) from error
    except yaml.YAMLError as error:
        raise Malformed("not YAML: it holds a character that YAML does not have", hint=_YAML) from error
    except (RecursionError, ValueError, OverflowError) as error:
        raise Malformed("not YAML: a value in it is none", hint=_YAML) from error


_UNSEEN = re.compile(f"[{UNSEEN}]")


class _Dumper(yaml.SafeDumper):
    def ignore_aliases(self, data: Any) -> bool:
        return True

    def represent_str(self, data: str) -> Any:
        return self.represent_scalar("tag:yaml.org,2002:str", data, '"' if _UNSEEN.search(data) else None)


_Dumper.add_representer(str, _Dumper.represent_str)


def dump_yaml(value: Any) -> bytes:
    """The value as YAML in UTF-8, keys in their order. What the eye would not see, or see elsewhere, is escaped."""
    text: str = yaml.dump(value, Dumper=_Dumper, allow_unicode=True, sort_keys=False, width=100)
    return encoded(_UNSEEN.sub(lambda found: f"\\u{ord(found[0]):04x}", text))


# -- TOML --------------------------------------------------------------------------------------------------------------


_PLACE = re.compile(r"at line [0-9]+, column [0-9]+|at end of document")  # in what tomllib says


def load_toml(text: str) -> dict[str, Any]:
    """The table that a TOML text is. Malformed for anything else, and for a line of more than 200 dots: it may be one
    key, whose reading takes the square of its parts, so that 400 kB would fill any memory."""
    for number, line in enumerate(text.split("\n"), 1):
        if line.count(".") > _DOTS:
            raise Malformed(f"no TOML that is read here: line {number} has more than {_DOTS} dots", hint="break it up")
    try:
        return tomllib.loads(text)
    except (ValueError, RecursionError) as error:
        place = _PLACE.search(str(error))
        hint = "each line is key = value, a text stands in quotes, and a key stands once"
        raise Malformed(f"no TOML: wrong {place[0] if place else 'somewhere'}", hint=hint) from error


def need(what: str, d: Description) -> None:
    """Nothing; Malformed where a title or a creator is missing, without which a format (`what`) writes nothing."""
    for field, option in (("title", "--title"), ("creators", "--creator")):
        if not getattr(d, field):
            raise Malformed(f"{what} needs {field}, and none is said", hint=f"publish with {option} …")


# -- what stands in them -----------------------------------------------------------------------------------------------


def mapping(what: str, value: object) -> Mapping[str, Any]:
    """The object itself; Malformed, naming `what`, for anything that has no keys and values."""
    if not isinstance(value, dict):
        raise Malformed(f"{what} is not an object of keys and values")
    return value


def word(what: str, value: object) -> str | None:
    """A text as it stands; None where there is none or only blanks. Malformed for what is no text."""
    if value is None:
        return None
    if not isinstance(value, str):
        raise Malformed(f"{what} is not a text")
    encoded(value)
    return value if value.strip() else None


def rows(what: str, value: object) -> Iterator[Mapping[str, Any]]:
    """The objects of a list; none where there is no list."""
    if value is not None and not isinstance(value, list):
        raise Malformed(f"{what} is not a list")
    for each in value or ():
        yield mapping(f"one of {what}", each)


def words(what: str, value: object) -> tuple[str, ...]:
    """The texts of a list, as they stand."""
    if value is not None and not isinstance(value, list):
        raise Malformed(f"{what} is not a list")
    return tuple(text for each in value or () if (text := word(f"one of {what}", each)))


def several(value: object) -> list[Any]:
    """The items of a list; what is no list is the one item, and None is none."""
    return value if isinstance(value, list) else [] if value is None else [value]


def keywords(what: str, value: object, reading: Reading) -> tuple[str, ...]:
    """The keywords of a list, whole numbers too, or of one text with commas or semicolons between them."""
    said = re.split(r"[,;]", value) if isinstance(value, str) else several(value)

    def one(each: object) -> list[str]:
        text = word(f"one of {what}", str(each) if type(each) is int else each)
        return [text.strip() if isinstance(value, str) else text] if text else []

    return reading.several("keywords", said, one)


def day(what: str, value: object) -> str | None:
    """The day of a date or a moment; None for a mere year and what is no day.

    >>> day("a date", "2026-11-24T10:00:00Z"), day("a date", "2026")
    ('2026-11-24', None)
    """
    found = re.fullmatch(r"\s*(\d{4}-\d{2}-\d{2})(?:[T ].{0,40})?\s*", word(what, value) or "", re.ASCII)
    try:
        check_date(found and found[1])
    except Malformed:
        return None
    return found and found[1]


def count(value: object) -> int | None:
    """A version that counts from 1; None for any other ("1.2.0")."""
    if isinstance(value, str) and re.fullmatch(r"[1-9][0-9]{0,8}", value, re.ASCII):
        return int(value)
    return value if type(value) is int and 0 < value < 10**9 else None


def size(what: str, value: object) -> int | None:
    """A number of bytes; None for none. Malformed for anything else."""
    if value is not None and (type(value) is not int or not 0 <= value <= sys.maxsize):
        raise Malformed(f"{what} is not a number of bytes")
    return value


def address(what: str, value: object, schemes: tuple[str, ...] = ()) -> str | None:
    """An absolute address, of one of `schemes` if any are given; None for what is none."""
    text = (word(what, value) or "").strip()
    try:
        check_url(what, text)
    except Malformed:
        return None
    return text if not schemes or text.partition(":")[0].lower() in schemes else None


def doi(text: str | None) -> str | None:
    """The bare DOI, of any of its spellings; None if it is none.

    >>> doi("https://doi.org/10.5281/zenodo.1"), doi("doi:10.5281/zenodo.1"), doi("10.5281")
    ('10.5281/zenodo.1', '10.5281/zenodo.1', None)
    """
    found = re.fullmatch(
        r"(?:https?://(?:dx\.|www\.)?doi\.org/|doi:\s?)?(10\.[0-9]{4,9}/[!-~]{1,200})", (text or "").strip(), re.I
    )
    return found[1] if found else None


def identifier(what: str, value: object) -> str | None:
    """A DOI or an address, as it is spelt; None for what is neither, and for a reference of ours."""
    text = (word(what, value) or "").strip()
    if doi(text) == text:
        return text
    return None if text.startswith(OURS) else address(what, text)


def reference(what: str, value: object) -> str | None:
    """ "commons:bafy…"; None for anything else."""
    text = (word(what, value) or "").strip()
    try:
        ids.digest_of(text.removeprefix(OURS))
    except Malformed:
        return None
    return text if text.startswith(OURS) else None


def creator(what: str, name: object, url: object = None, organisation: bool = False) -> Creator | None:
    """Whom to credit; None without a name. A bare ORCID becomes its address; a ROR tells an organisation."""
    said = word(what, name)
    if said is None:
        return None
    said = " ".join(said.split()) if "\n" in said else said
    link = (word(f"the address of {what}", url) or "").strip()
    if re.fullmatch(r"(?:orcid\.org/)?(?:\d{4}-){3}\d{3}[\dX]", link, re.ASCII):
        link = f"https://orcid.org/{link[-19:]}"
    found = address(what, link)
    return Creator(name=said, url=found, organisation=organisation or bool(found and "://ror.org/" in found))


def file(what: str, path: object, **said: Any) -> DescribedFile:
    """A file of the folder, its path as a dataset spells it (NFC). Malformed for one not safe to write anywhere."""
    text = word(what, path)
    if text is None:
        raise Malformed(f"{what} is missing")
    return DescribedFile(path=names.check(unicodedata.normalize("NFC", text.removeprefix("./"))), **said)


def person(what: str, value: object, *links: str) -> list[Creator]:
    """Whom to credit: nobody or one, of a text, or of an object with a name, or the parts of one, and an address under
    one of `links`; "" is nobody.

    >>> [each.name for each in person("an author", {"given-names": "Ana", "family-names": "Diaz"})]
    ['Ana Diaz']
    """
    if isinstance(value, str):
        found = creator(what, value)
    else:
        row = mapping(what, value)
        keys = ("given-names", "givenName", "family-names", "familyName")
        parts = [part for key in keys if (part := word(f"{what}'s {key}", row.get(key)))]
        name = word(f"{what}'s name", row.get("name")) or " ".join(parts)
        found = creator(what, name, next((row[key] for key in links if row.get(key)), None))
    return [found] if found else []


_SIGNED = re.compile(r"(?P<name>[^<>()]*[^<>()\s])\s*(?:<[^<>]*>)?\s*(?:\((?P<url>[^()]*)\))?\s*")


def signed(what: str, value: object) -> Creator | None:
    """Whom to credit, of a text that packages of code sign with; an e-mail address is left out.

    >>> signed("an author", "Ana Diaz <ana@example.org> (https://example.org)")
    Creator(name='Ana Diaz', url='https://example.org', organisation=False)
    """
    text = word(what, value)
    found = _SIGNED.fullmatch(text.strip()) if text else None
    return creator(what, found["name"], found["url"]) if found else creator(what, text)


# -- licences ----------------------------------------------------------------------------------------------------------


_ACCESS = re.compile(
    r"(?:https?://purl\.org/(?:eu-repo/semantics|coar/access_right)/|info:eu-repo/semantics/|"
    r"https?://publications\.europa\.eu/resource/authority/access-right/).*"
    r"|(?:open|closed|restricted|embargoed|public|controlled|metadata[ -]only)[ _-]?access(?:ible)?",
    re.IGNORECASE | re.DOTALL,
)


def is_access(text: str) -> bool:
    """Whether a text says who may see something, as OpenAIRE and COAR spell that ("info:eu-repo/semantics/openAccess"):
    such a text names no licence."""
    return _ACCESS.fullmatch(text.strip()) is not None


_STATUS = re.compile(r"(?:non[ _-]?)?public|open|closed|restricted|embargoed|controlled", re.IGNORECASE)


def conditions(text: str | None, reading: Reading) -> str | None:
    """Conditions of access, in words; None where there are none, or only who may see it is said, which is told."""
    if text and (is_access(text) or _STATUS.fullmatch(text.strip())):
        reading.fault("access", f"{text[:_SAID]!r} says who may see it, and is no condition")
        return None
    return text


def others(
    key: str, rows: Iterable[Mapping[str, Any]], names: tuple[str, str], taken: object, reading: Reading
) -> None:
    """Nothing: remembers the related identifiers under `key` other than the one `taken`, by relation and name (the two
    `names` of their fields)."""
    for row in rows:
        relation, name = (str(row.get(each) or "") for each in names)
        if name and not (taken and (doi(name) or name) in str(taken)):
            reading.leave({f"{key}: {relation} {name}": name})


_OTHER = re.compile(r"other|custom|(?:see (?:the )?)?(?:file )?licen[cs]e(?: file)?", re.IGNORECASE)


def is_elsewhere(text: str) -> bool:
    """Whether a text names no licence, but says that a file holds it: "other", "see LICENSE"."""
    return _OTHER.fullmatch(text.strip()) is not None


def licence(what: str, *spellings: object, reading: Reading | None = None) -> str | None:
    """The licence that several spellings name: the first that is understood, else the first. An id gets the case it is
    known by; a right of access is none, which `reading` is told. Malformed where two are understood and name different
    licences."""
    said = [text.strip() for each in spellings if (text := word(what, each))]
    for text in (each for each in said if is_access(each)):
        if reading is not None:
            reading.fault("access", f"{text[:_SAID]!r} says who may see it, and is no licence")
    said = [text for text in said if not is_access(text)]
    known = {text: canonical for text in said if (canonical := _known(text))}
    if len(set(known.values())) > 1:
        raise Malformed(f"{what} is both {' and '.join(sorted(set(known.values())))}", hint="mend one of them")
    for text, canonical in known.items():
        return canonical if canonical.lower() == text.lower() else text
    return said[0] if said else None


def _known(text: str) -> str | None:
    try:
        return str(parse(text))
    except LicenceError:
        return None


def joined(licences: Iterable[str | None], operator: str = "AND") -> str | None:
    """One expression of all that is said: AND for licences that hold together, OR for those that one may choose
    between; None of nothing.

    >>> joined(["MIT", None, "CC-BY-4.0 OR ISC"]), joined(["MIT", "ISC", "MIT"], "OR")
    ('MIT AND (CC-BY-4.0 OR ISC)', 'MIT OR ISC')
    """
    each = tuple(dict.fromkeys(text for text in licences if text))
    if len(each) < 2:
        return each[0] if each else None
    return f" {operator} ".join(f"({text})" if " " in text and len(parts(text, "OR")) > 1 else text for text in each)


def parts(expression: str, operator: str = "AND") -> list[str]:
    """What `operator` joins in an expression, parentheses around a part taken off; all of it, if something else joins
    it. AND binds tighter than OR.

    >>> parts("MIT AND (CC-BY-4.0 OR ISC)"), parts("MIT OR ISC"), parts("MIT OR ISC", "OR")
    (['MIT', 'CC-BY-4.0 OR ISC'], ['MIT OR ISC'], ['MIT', 'ISC'])
    """
    found: list[list[str]] = [[]]
    depth = 0
    for piece in expression.replace("(", " ( ").replace(")", " ) ").split():
        depth += {"(": 1, ")": -1}.get(piece, 0)
        sign = piece.upper() if depth == 0 else ""
        if sign == "OR" and operator == "AND":
            return [expression]
        if sign == operator:
            found.append([])
        else:
            found[-1].append(piece)
    texts = [" ".join(each).replace("( ", "(").replace(" )", ")") for each in found]
    if len(texts) < 2:
        return [expression]
    single = [text.startswith("(") and text.endswith(")") and text.count("(") == 1 for text in texts]
    return [text[1:-1] if each else text for text, each in zip(texts, single, strict=True)]
