"""SPDX licence expressions: several licences that hold together (AND), that one may choose between (OR), or both.

Reads what people write and prints one spelling. Says which licences are named, not what they allow together: that is
`compat`. Knows no list of exceptions: one that stands after WITH is carried as it is written.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import product
from math import prod
from typing import Final, Literal

from licences.catalogue import get, is_without_spdx
from licences.errors import InvalidLicence, UnknownLicence

_LONGEST: Final = 2000  # characters
_DEEPEST: Final = 16  # parentheses within parentheses
_MOST: Final = 64  # alternatives
_OWN: Final = r"(?i:licenseref)-(?P<name>[A-Za-z0-9.-]{1,100})"  # compiled when first used: importing stays cheap
_EXCEPTION: Final = r"[A-Za-z0-9.-]{1,100}"
_SIGN: Final = ("(", ")", "AND", "OR", "WITH")


@dataclass(frozen=True, slots=True)
class Expression:
    """One licence, or several under AND or OR. Made by `parse`; its text is the canonical spelling, and equal
    expressions have equal texts.

    `op` is "" for one licence, which has an `id` and perhaps an `exception`; else `parts` are two or more expressions,
    none of them under the same `op`, none twice.
    """

    op: Literal["", "AND", "OR"] = ""
    id: str = ""
    exception: str | None = None
    parts: tuple[Expression, ...] = ()

    @property
    def ids(self) -> tuple[str, ...]:
        """Every licence that is named, once, in the order of the text; a LicenseRef of one's own as it stands."""
        return tuple(dict.fromkeys(leaf.id for leaf in self._leaves()))

    @property
    def exceptions(self) -> tuple[tuple[str, str], ...]:
        """(licence, exception) of every WITH. An exception allows more than its licence; nothing here reads it."""
        return tuple(dict.fromkeys((leaf.id, leaf.exception) for leaf in self._leaves() if leaf.exception))

    @property
    def spdx(self) -> str:
        """As SPDX wants it written: a port that has no SPDX id is spelt as a LicenseRef, "LicenseRef-CC-BY-3.0-FR"."""
        return self._written({id: id if re.fullmatch(_OWN, id) else get(id).spdx_expression for id in self.ids})

    def alternatives(self) -> tuple[tuple[str, ...], ...]:
        """The choices that OR leaves: each lists the ids that apply together. At most 64, which `parse` sees to."""
        return tuple(dict.fromkeys(self._ways()))

    def __str__(self) -> str:
        return self._written({})

    def _leaves(self) -> Iterator[Expression]:
        if not self.op:
            yield self
        for part in self.parts:
            yield from part._leaves()

    def _ways(self) -> Iterator[tuple[str, ...]]:
        if self.op == "AND":
            for way in product(*(part.alternatives() for part in self.parts)):
                yield tuple(dict.fromkeys(id for ids in way for id in ids))
        elif self.op == "OR":
            for part in self.parts:
                yield from part._ways()
        else:
            yield (self.id,)

    def _written(self, spelling: dict[str, str]) -> str:
        if not self.op:
            with_ = f" WITH {self.exception}" if self.exception else ""
            return spelling.get(self.id, self.id) + with_
        texts = [part._written(spelling) for part in self.parts]
        if self.op == "AND":
            texts = [f"({text})" if part.op == "OR" else text for part, text in zip(self.parts, texts, strict=True)]
        return f" {self.op} ".join(texts)


def parse(text: str) -> Expression:
    """The expression that `text` states: whatever `resolve` takes as one licence, or such licences and LicenseRefs
    joined with AND, OR, WITH and parentheses, in any case.

    A LicenseRef is not looked up, its text is the caller's concern; only LicenseRef-CC-BY-3.0-FR, which is how SPDX
    wants that port written, becomes CC-BY-3.0-FR. UnknownLicence and AmbiguousLicence are about the one licence
    concerned; InvalidLicence for what is no expression, longer than 2000 characters, deeper than 16 parentheses, or a
    choice of more than 64 alternatives. Nothing else is raised.
    """
    if len(text) > _LONGEST:
        raise InvalidLicence(f"a licence expression has at most {_LONGEST} characters, not {len(text)}")
    words = _words(text)
    if not any(word in _SIGN for word in words):
        return _one(text)
    try:
        return Expression(id=_identify(text, hints=False))  # a name with "and" or with parentheses in it
    except UnknownLicence:
        pass
    found, rest = _either(text, words, 0)
    if rest != len(words):
        raise _wrong(text, f"{words[rest][:40]!r} is not expected after {words[rest - 1][:40]!r}")
    return found


def _words(text: str) -> list[str]:
    """Parentheses, which must come in pairs, operators in upper case, and what stands between them."""
    words: list[str] = []
    depth = 0
    for piece in text.replace("(", " ( ").replace(")", " ) ").split():
        depth += {"(": 1, ")": -1}.get(piece, 0)
        if depth < 0 or (piece == ")" and words[-1] == "("):
            raise _wrong(text, "a parenthesis closes what none opened, or nothing is in it")
        if depth > _DEEPEST:
            raise _wrong(text, f"more than {_DEEPEST} parentheses are open at once")
        if (sign := piece.upper()) in _SIGN:
            words.append(sign)
        elif words and words[-1] not in _SIGN:
            words[-1] += f" {piece}"
        else:
            words.append(piece)
    if depth:
        raise _wrong(text, "a parenthesis is not closed")
    return words


def _wrong(text: str, why: str) -> InvalidLicence:
    return InvalidLicence(f"not a licence expression: {text[:80]!r}: {why}")


def _either(text: str, words: list[str], at: int) -> tuple[Expression, int]:
    return _joined(text, words, at, "OR")


def _joined(text: str, words: list[str], at: int, op: Literal["AND", "OR"]) -> tuple[Expression, int]:
    """What `op` joins from the word `at` on, and the number of the word after it. AND binds tighter than OR."""
    parts = []
    while True:
        part, at = _joined(text, words, at, "AND") if op == "OR" else _operand(text, words, at)
        parts.append(part)
        if at == len(words) or words[at] != op:
            return _join(text, op, parts), at
        at += 1


def _operand(text: str, words: list[str], at: int) -> tuple[Expression, int]:
    if at == len(words) or words[at] in (")", "AND", "OR", "WITH"):
        where = f"before {words[at]}" if at < len(words) else f"after {words[at - 1]}"
        raise _wrong(text, f"a licence is missing {where}")
    if words[at] == "(":
        found, at = _either(text, words, at + 1)
        if words[at] != ")":
            raise _wrong(text, f"{words[at][:40]!r} is not expected after {words[at - 1][:40]!r}")
        return found, at + 1
    found, at = _one(words[at]), at + 1
    if at < len(words) and words[at] == "WITH":
        at += 1
        if at == len(words) or words[at] in _SIGN or not re.fullmatch(_EXCEPTION, words[at]):
            raise _wrong(text, "after WITH the id of one exception is expected")
        found, at = Expression(id=found.id, exception=words[at]), at + 1
    return found, at


def _join(text: str, op: Literal["AND", "OR"], parts: Iterable[Expression]) -> Expression:
    flat = list(dict.fromkeys(each for part in parts for each in (part.parts if part.op == op else (part,))))
    if len(flat) == 1:
        return flat[0]
    counts = [len(part.alternatives()) for part in flat]
    if (prod(counts) if op == "AND" else sum(counts)) > _MOST:
        raise _wrong(text, f"it leaves more than {_MOST} alternatives")
    return Expression(op=op, parts=tuple(flat))


def _one(text: str) -> Expression:
    name = text.strip()
    if name.lower().startswith("licenseref-"):
        if not (own := re.fullmatch(_OWN, name)):
            raise InvalidLicence(
                f"not an id of a licence of one's own: {name[:80]!r}; ids look like LicenseRef-Ours-1.0"
            )
        return Expression(id=own["name"] if is_without_spdx(own["name"]) else f"LicenseRef-{own['name']}")
    if name.lower().startswith("documentref-"):
        raise UnknownLicence(name, "it points into a document that is not here")
    return Expression(id=_identify(name))


def _identify(text: str, hints: bool = True) -> str:
    from licences.names import identify

    return identify(text, hints)
