"""Ids that may have been meant where a text names none: for an error's hint only, and never more than was written.

A hint is near: the text is one letter off, has a version that there is not, or says little beside the name. And it
grants no more: every condition that the words speak of is one of the licence that is offered, and words that reserve
or restrict anything leave no hint at all.
"""

from __future__ import annotations

import re
from typing import Final, NamedTuple

from licences import grammar, jurisdictions, records, spdx
from licences.files import ids
from licences.fold import fold
from licences.grammar import ELEMENTS
from licences.titles import Form, candidates, found, read

_LONGEST: Final = 200  # characters; what is longer says more than a name
_MOST: Final = 8
_UNIT: Final = re.compile(r"/licen[cs]es/(?P<unit>by(?:-(?:nc|nd|sa))*)(?:/(?P<version>\d\.\d))?(?:[./]|$)")
_FREE: Final = re.compile(r"creativecommons\.org/(?:licen[cs]es/|publicdomain/)?(?:cc0|cc-zero|zero)(?:/1\.0)?")
# What reserves, restricts or excludes; whoever writes it means less than any licence that the rest may name.
_RESERVED_WORDS: Final = """
    all only not no non nur nicht ne pas sans without except excepting exempt excluding exclude unless but however
    restrict restricted restriction restrictions reserve reserved reserves rights copyright copyrighted c inc
    proprietary confidential secret private personal privat internal academic academia educational education teaching
    research scientific recherche forschung evaluation trial limited limit permission permissions prior written
    request noncommercially commercial commercially kommerziell commerciale nonprofit profit prohibited forbidden
    interdit verboten never until subject additional terms conditions custom modified my our own partly partial
    some parts members embargo closed user users individual individuals use derivs derivatives
"""
_RESERVED: Final = frozenset(_RESERVED_WORDS.split())
_SAYING_WORDS: Final = """
    licensed licenced under the this that data dataset database is are be released
    published available a an see file spdx identifier of in with http https org
"""
_SAYING: Final = frozenset(_SAYING_WORDS.split())


class Glimpse(NamedTuple):
    """What a text seems to say of a Creative Commons licence, read loosely: also where it names none."""

    elements: frozenset[str]
    versions: tuple[str, ...]
    ports: tuple[str, ...]
    named: bool  # Creative Commons is named, or the text begins as its units do
    rest: tuple[str, ...]  # words that are not understood


def near(text: str) -> tuple[str, ...]:
    """Ids that look like `text`, best first."""
    word = fold(text)
    if len(word) > _LONGEST:
        return ()
    glimpse = glimpsed(word)
    if _RESERVED & set(glimpse.rest) or re.search(r"[\u00a9%$]", word):
        return ()
    offered = _written(word, glimpse) or _numbered(word) or _typed(word)
    return tuple(id for id in dict.fromkeys(offered) if _no_more(id, glimpse))[:_MOST]


def of_place(place: str) -> tuple[str, ...]:
    """Ids that an address of no licence looks like: only what has Creative Commons' path in it."""
    if _FREE.fullmatch(place):
        return ("CC0-1.0",)
    unit = _UNIT.search(place)
    if unit is None:
        return ()
    elements = frozenset(unit["unit"].upper().split("-"))
    return closest(Glimpse(elements, (unit["version"],) if unit["version"] else (), (), True, ()))[:_MOST]


def closest(glimpse: Glimpse) -> tuple[str, ...]:
    """The ids of the licences that keep everything a text says of one: all its elements, its version if there is one of
    that number, its port if there is one. Where it has NoDerivatives and ShareAlike, without the latter: no licence has
    both."""
    elements = glimpse.elements - {"SA"} if {"ND", "SA"} <= glimpse.elements else glimpse.elements
    unit = "-".join(e for e in ELEMENTS if e in elements)
    made = jurisdictions.of(unit, "")
    if not made:
        return ()
    exact = tuple(id for id in made if id.rpartition("-")[2] in glimpse.versions)
    ported = jurisdictions.of(unit, glimpse.ports[0]) if len(set(glimpse.ports)) == 1 else ()
    named = tuple(id for id in ported if id.split("-")[-2] in glimpse.versions)
    national = () if exact else tuple(id for v in glimpse.versions for id in jurisdictions.numbered(unit, v))
    return named or (*exact, *ported) or national or made


def glimpsed(word: str) -> Glimpse:
    """What `word`, a folded text, seems to say of a Creative Commons licence; what it says beside is in `rest`.

    >>> glimpsed("cc by-nc 4.0 or so").elements == {"BY", "NC"}, glimpsed("cc by-nc 4.0 or so").versions
    (True, ('4.0',))
    """
    word = grammar.spaced(word)
    elements, versions, ports, rest = set[str](), list[str](), list[str](), list[str]()
    named = bool(re.match(r"by (?:nc|nd|sa)(?!\w)", word))
    at = 0
    while at < len(word):
        token = grammar.at(word, at) if at == 0 or not (word[at - 1].isalnum() and word[at].isalnum()) else None
        if token is None:
            skipped = re.compile(r"\w+|.", re.DOTALL).match(word, at)
            rest.append(skipped[0] if skipped else word[at])
            at += len(rest[-1])
            continue
        kind, written = token
        named = named or kind == "cc"
        if kind == "version":
            versions.append(written)
        elif kind.upper() in ELEMENTS:
            elements.add(kind.upper())
        elif kind.isupper():
            ports.append(kind)
        at += len(written)
    return Glimpse(frozenset(elements), tuple(versions), tuple(ports), named, tuple(rest))


def _written(word: str, glimpse: Glimpse) -> tuple[str, ...]:
    """What stands there with a few words about it."""
    said = [each for each in glimpse.rest if each.isalpha() and each not in _SAYING]
    if "BY" in glimpse.elements and glimpse.named and len(set(glimpse.versions)) < 2:
        # a word that is not understood may be a condition, misspelt or in a language that is not read here
        return () if [each for each in said if len(each) > 3 or each[0] in "bns"] else closest(glimpse)
    form = read(word)
    first = next((n for n, each in enumerate(form.words) if each not in _SAYING), len(form.words))
    labelled = re.match(r"(?:licen[cs]e|spdx-license-identifier)\s*[:=]", word) is not None
    for start in range(first, -1, -1):  # the longest beginning that only leads to a name is left out
        core = Form(form.words[start:], form.numbers, form.licence)
        if (len(core.words) > 1 or core.numbers or labelled) and (fits := found(core).ids):
            return fits
    return ()


def _numbered(word: str) -> tuple[str, ...]:
    """The same words in another version, or with a bare number for one: Apache-2, ODbL 1.1."""
    form = read(word)
    numbers = [each for each in form.words if re.fullmatch(r"\d", each)]
    words = tuple(each for each in form.words if each not in numbers and each != "+")
    if (
        numbers
        and form.words[-1:] == tuple(numbers)
        and (fits := found(Form(words, frozenset(numbers), form.licence)).ids)
    ):
        return fits
    if not (form.numbers or numbers) or any(number[-1].isalpha() for number in form.numbers):
        return ()
    others = candidates(Form(words, frozenset(), form.licence))
    # of a family none of which is read here nobody knows what another version allows
    return others if any(records.licence(id) for id in others) else ()


def _typed(word: str) -> tuple[str, ...]:
    """Ids of as many parts, of which one is a letter off."""
    parts = re.sub(r"[\s_/]+", "-", word).strip("-").split("-")
    if len(parts) > 6:
        return ()
    known = (*ids(), *spdx.names()) if len(parts) > 1 else ids()  # one word alone is too near to too many
    return tuple(id for id in known if _slipped(parts, id.lower().split("-")))


def _slipped(parts: list[str], wanted: list[str]) -> bool:
    if len(parts) != len(wanted):
        return False
    wrong = [(a, b) for a, b in zip(parts, wanted, strict=True) if a != b]
    bare = [(a, b) for a, b in wrong if a.isdigit() and b == f"{a}.0"]
    letters = [(a, b) for a, b in wrong if (a, b) not in bare]
    if len(bare) > 1 or len(letters) > 1 or not wrong:
        return False
    short = 1 if wanted[0] == "cc" else 4  # a letter makes another licence's acronym
    return all(
        a.isalpha() and b.isalpha() and len(a) > short and len(b) >= short and _off_by_one(a, b) for a, b in letters
    )


def _off_by_one(a: str, b: str) -> bool:
    """Whether one letter was added, left out, mistaken, or changed places with the next."""
    if len(a) > len(b):
        a, b = b, a
    at = next((n for n, (x, y) in enumerate(zip(a, b, strict=False)) if x != y), len(a))
    if len(a) != len(b):
        return len(b) - len(a) == 1 and a[at:] == b[at + 1 :]
    return a[at + 1 :] == b[at + 1 :] or (a[at : at + 2] == b[at : at + 2][::-1] and a[at + 2 :] == b[at + 2 :])


def _no_more(id: str, glimpse: Glimpse) -> bool:
    """Whether every condition that the words speak of is one of this licence."""
    licence = records.licence(id)
    if licence is None:
        return not glimpse.elements & {"NC", "ND", "SA"}
    free = "cc:DerivativeWorks" in licence.permits
    kept = {
        "BY": licence.needs_attribution,
        "NC": licence.non_commercial,
        "ND": not free,
        "SA": licence.share_alike or not free,
    }
    return all(kept[element] for element in glimpse.elements)
