"""From what people write to the one licence they mean: ids, addresses, names and aliases. Never a guess.

Refuses what names no version, what contradicts itself and what says more than a licence's name.
"""

from __future__ import annotations

import re
from functools import cache
from typing import Final

from licences import spdx, titles, unlisted
from licences.aliases import HOMONYMS, NAMES, REFUSED, SEVERAL, TOGETHER
from licences.catalogue import is_port
from licences.creative import meant
from licences.errors import AmbiguousLicence, UnknownLicence
from licences.files import ids
from licences.fold import fold
from licences.hints import near
from licences.places import ADDRESS, at
from licences.records import all
from licences.titles import Form, read

_LONGEST: Final = 500  # characters; no licence has a longer name or address
_ACCESS: Final = re.compile(r"info:eu-repo/semantics/\w+access|info:eu-repo/date/.*")
_ENDING: Final = re.compile(r"(?:,? or (?:any )?(?:later|newer)(?: versions?)?|\+|,? (?P<only>only))$")
_CONDITIONS: Final = ("nc", "nd", "sa")  # never another name of a licence
_LINKED: Final = re.compile(r"\[?(?P<name>[^][()<>]*[^][()<>\s])\]?\s*[(<]\s*(?P<address>https?://[^\s()<>]+)\s*[)>]")
_INSIDE: Final = re.compile(r"(?P<before>.*?)\s*\((?P<inside>[^()]*)\)\s*(?P<after>[^()]*)")


def identify(text: str, hints: bool = True) -> str:
    """The id of the licence that `text` names. Raises UnknownLicence or AmbiguousLicence, and nothing else. Without
    `hints` these carry no near misses, whose search walks through all names: for what may be no name, but an
    expression."""
    if len(text) > _LONGEST:
        raise UnknownLicence(text, f"longer than {_LONGEST} characters: a licence's name, id or address is expected")
    word = fold(text)
    known = {id.lower(): id for id in ids()}
    if plain := known.get(word) or NAMES.get(word):
        return plain
    if word in SEVERAL:
        raise AmbiguousLicence(text, SEVERAL[word])
    if why := REFUSED.get(word):
        raise UnknownLicence(text, why)
    if word in TOGETHER:
        raise UnknownLicence(text, f"it names more than one licence: write {TOGETHER[word]}", (TOGETHER[word],))
    if HOMONYMS.get(word, text.strip()) != text.strip():
        raise UnknownLicence(text, f"lists use it for different licences: write {HOMONYMS[word]} for that of SPDX")
    if word.startswith("licenseref-"):
        return _own(text, word.removeprefix("licenseref-"))
    if _ACCESS.fullmatch(word):
        raise UnknownLicence(text, "it says who may see the data, and not what they may do with it")
    if (address := ADDRESS.fullmatch(word)) and ("/" in word or address["rest"].endswith(".org")):
        return at(text, address["scheme"] or "https", address["rest"])
    if (found := spdx.named(text, word) or _exact().get(word)) is not None:
        return found
    if linked := _LINKED.fullmatch(word):
        return _both(text, linked["name"], linked["address"])
    if one := _titled(text, word):
        return one
    if re.search(r" (?:and(?! wales)|or|with) |\+$", word):
        about = "more than one licence, or a condition beside it: name one licence"
        raise UnknownLicence(text, about, near(text) if hints else ())
    return meant(text, word)


def _both(text: str, name: str, address: str) -> str:
    """The licence that has this address, where the name before it says the same, or less: "CC BY (https://…/by/4.0/)"."""
    one = identify(address, hints=False)
    try:
        said: tuple[str, ...] = (identify(name, hints=False),)
    except AmbiguousLicence as several:
        said = several.candidates
    if one not in said:
        raise AmbiguousLicence(text, (one, *said))
    return one


def _own(text: str, name: str) -> str:
    """The licence that SPDX wants written as a LicenseRef, as it has no id for it."""
    if is_port(port := name.upper()):
        return port
    if found := {id.lower(): id for id in unlisted.names()}.get(name):
        return found
    raise UnknownLicence(text, "a licence of one's own: its whole text has to be given with it")


@cache
def _exact() -> dict[str, str]:
    """Every licence by its own English, French and short name. Reads all files: asked only when nothing else fits."""
    others = {fold(name): id for id, name in spdx.names().items()}
    own = {fold(name): licence.id for licence in all() for name in (licence.name, licence.name_fr, licence.short)}
    return others | own


@cache
def _refused() -> dict[tuple[str, ...], str]:
    return {words: why for name, why in REFUSED.items() if len(words := read(name).words) > 1}


def _titled(text: str, word: str) -> str | None:
    """The licence of a title, whatever stands between its words; None where it is none. What stands in parentheses is
    part of the title, or another name of the same licence: "Open Database License (ODbL)"."""
    form = read(re.sub(r"(?<=[-/ ])(\d)-(\d)$", r"\1.\2", word))  # as governments and stewards write it in addresses
    if why := _refused().get(form.words):
        raise UnknownLicence(text, why)
    ids, sure = titles.found(form)
    if not ids and (ending := _ENDING.search(word)):
        wanted = "-only" if ending["only"] else "-or-later"
        ids = tuple(id for id in titles.found(read(word[: ending.start()])).ids if id.endswith(wanted))
        sure = len(ids) == 1
    if not ids and (parts := _INSIDE.fullmatch(word)):
        outer, inner = read(f"{parts['before']} {parts['after']}"), read(parts["inside"])
        numbers = outer.numbers | inner.numbers
        around = titles.found(Form(outer.words, numbers, outer.licence))
        same = not inner.words or _short(inner.words, parts["before"])
        within = around if same else titles.found(Form(inner.words, numbers, inner.licence))
        ids = tuple(id for id in around.ids if id in within.ids)
        sure = len(ids) == 1 and (around.sure or within.sure)
    if ids and not sure:
        raise AmbiguousLicence(text, ids)
    return ids[0] if ids else None


def _short(words: tuple[str, ...], name: str) -> bool:
    """Whether the one word is made of the name's letters in their order, beginning with a word's first: "ELv2"."""
    if len(words) != 1 or not 2 <= len(words[0]) <= 6 or words[0] in _CONDITIONS:
        return False
    start = re.search(rf"(?<!\w){re.escape(words[0][0])}", name)
    left = iter(name[start.start() :]) if start else iter("")
    return not [letter for letter in words[0] if letter not in left]
