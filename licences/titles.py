"""Names in words: every licence under its titles and ids, whatever stands between the words and wherever the version.

A name without a version is that of one licence only where its owner gave that licence no number, or where there has
never been another; else it is a family's, with all its members. Knows neither addresses nor how Creative Commons
builds its names.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable
from functools import cache
from typing import Final, NamedTuple

from licences import spdx, unlisted
from licences.aliases import NAMES, SEVERAL, TITLES
from licences.fold import fold
from licences.records import all

_NUMBER: Final = r"\d{1,4}(?:\.\d{1,4}){0,3}[a-z]?"
_TOKEN: Final = re.compile(
    rf"(?:version|ver|v)[. ]{{0,2}}(?P<said>{_NUMBER})(?!\w)|(?P<bare>\d{{1,4}}(?:\.\d{{1,4}}){{1,3}}[a-z]?)(?!\w)"
    r"|(?P<gap>[\s\-/(),;:.\"'\u00ab\u00bb\u201c\u201d*\[\]_|!]+)|(?P<word>\w+)|(?P<sign>.)"
)
_ID: Final = re.compile(rf"(?P<stem>.+?)-(?P<number>{_NUMBER})(?:-.+)?")
_LICENCE: Final = frozenset(("license", "licence", "licenses", "licences"))
_SILENT: Final = frozenset(("the", "version", "agreement"))


class Form(NamedTuple):
    """A name's words in their order, without those that say nothing, and the numbers of versions in it."""

    words: tuple[str, ...]
    numbers: frozenset[str]
    licence: bool  # whether it says that it is one


class NameEntry(NamedTuple):
    """One name of one licence, among all that go by the same words."""

    id: str
    number: str | None
    own: bool  # that licence's own name, and not its family's
    said: bool  # the name itself says the version
    whole: bool  # nothing in the id is left out of it, but "only" and "or later"
    title: bool  # words, and no id


class NameMatch(NamedTuple):
    """`sure`: the name is that one licence's own, or says its version."""

    ids: tuple[str, ...]
    sure: bool


def read(word: str) -> Form:
    """The words and numbers of a folded name.

    >>> read("mozilla public licence, version 2.0")
    Form(words=('mozilla', 'public'), numbers=frozenset({'2.0'}), licence=True)
    """
    spaced = re.sub(r"(?<=[a-z])(?=v\d)|(?<=[a-z])(?=\d+\.\d)", " ", word.replace("&", " and ").replace("_", " "))
    words, numbers, licence = list[str](), set[str](), False
    for token in _TOKEN.finditer(spaced):
        if number := token["said"] or token["bare"]:
            numbers.add(number)
        elif (each := token["word"] or token["sign"]) in _LICENCE:
            licence = True
        elif each and each not in _SILENT:
            words.append(each)
    return Form(tuple(words), frozenset(numbers), licence)


def number_of(id: str) -> str | None:
    """The version that an id names: "3.0" of GPL-3.0-only."""
    found = _ID.fullmatch(id)
    return found["number"] if found else None


def newest_first(ids: Iterable[str]) -> tuple[str, ...]:
    """The ids, each once, sorted by their versions, the newest first, then by the alphabet."""
    return tuple(sorted(set(ids), key=lambda id: ([-n for n in _rank(number_of(id) or "0")], id)))


def _rank(number: str) -> list[int]:
    digits = [int(part) for part in re.findall(r"\d+", number)]
    return [*digits, *[0] * (4 - len(digits)), ord(number[-1]) if number[-1].isalpha() else 0]


@cache
def _entries() -> dict[tuple[str, ...], tuple[NameEntry, ...]]:
    found: dict[tuple[str, ...], dict[NameEntry, None]] = defaultdict(dict)

    def add(name: str, id: str, family: bool = False, whole: bool = True) -> None:
        form = read(fold(name))
        number = min(form.numbers, default=None)
        title = form.licence or len(form.words) > 1
        entry = NameEntry(id, number or number_of(id), not family, number is not None, whole, title)
        if form.words and len(form.numbers) < 2:
            found[form.words][entry] = None

    for licence in all():
        if not licence.elements:  # those of Creative Commons are read word by word
            for name in (licence.name, licence.name_fr, licence.short):
                add(name, licence.id)
    for id, name in (*spdx.names().items(), *unlisted.names().items()):
        add(name, id)
        add(id, id, family=number_of(id) is not None)
        bare = re.sub(r" (?:only|or later)\b.*", "", name)
        if bare != name:
            add(bare, id, family=True)
    for id in (*(each.id for each in all() if not each.elements), *spdx.names(), *unlisted.names()):
        if stem := _ID.fullmatch(id):
            add(stem["stem"], id, family=True, whole=id.endswith((stem["number"], "-only", "-or-later")))
    for names in (NAMES, TITLES):
        for name, id in names.items():
            add(name, id)
    for name, candidates in SEVERAL.items():
        for id in candidates:
            add(name, id, family=True)
    return {words: tuple(entries) for words, entries in found.items()}


def candidates(form: Form) -> tuple[str, ...]:
    """The ids of all licences that go by these words, whatever their version, the newest first."""
    return newest_first(entry.id for entry in _matching(form))


def _matching(form: Form) -> list[NameEntry]:
    """One word alone is an id's, or a title's that says "licence": "open" is none of the Open Licence."""
    plain = len(form.words) > 1 or form.licence
    return [entry for entry in _entries().get(form.words, ()) if plain or not entry.title]


def found(form: Form) -> NameMatch:
    """The ids of the licences that a name may mean (one, several, or none), and whether that is sure."""
    entries = _matching(form)
    if not form.numbers:
        own = {entry.id for entry in entries if entry.own and not entry.said}
        if len(own) == 1:
            return NameMatch(tuple(own), True)
        named = newest_first(entry.id for entry in entries)
        return NameMatch(named, len(named) == 1 and number_of(named[0]) is None)
    fitting = [entry for entry in entries if entry.number and _fit(form.numbers, entry.number)]
    own = {entry.id for entry in fitting if entry.own and entry.said}
    fits = tuple(own) if len(own) == 1 else root(newest_first(entry.id for entry in fitting))
    return NameMatch(fits, len(fits) == 1 and any(entry.whole for entry in fitting if entry.id == fits[0]))


def _fit(numbers: Iterable[str], number: str) -> bool:
    """Whether all of `numbers` may mean `number`: "3" may mean 3.0 and 3.1, "3.0" is 3.0 alone and also a plain 3."""
    return not [n for n in numbers if n not in (number, f"{number}.0") and (number.partition(".")[0] != n or "." in n)]


def root(ids: tuple[str, ...]) -> tuple[str, ...]:
    """Of these ids the one that all others only lengthen by a word; all of them where there is none such.

    >>> root(("MPL-2.0-no-copyleft-exception", "MPL-2.0")), root(("MIT", "ISC"))
    (('MPL-2.0',), ('MIT', 'ISC'))
    """
    roots = [id for id in ids if _lengthen(ids, id)]
    return (roots[0],) if len(roots) == 1 else ids


def _lengthen(ids: Iterable[str], root: str) -> bool:
    return not [id for id in ids if id != root and not re.match(rf"{re.escape(root)}-[A-Za-z]", id)]
