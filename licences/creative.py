"""Names of Creative Commons' licences, read word by word. Every word must be understood, or it is no such name."""

from __future__ import annotations

from collections.abc import Collection
from typing import Final

from licences import grammar, jurisdictions
from licences.errors import AmbiguousLicence, UnknownLicence
from licences.files import ids
from licences.grammar import ELEMENTS
from licences.hints import Glimpse, closest, near

_NEWEST_FIRST: Final = ("4.0", "3.0", "2.5", "2.0", "1.0")
_NONE: Final = "no id, address or name of a licence known here"


def meant(text: str, word: str) -> str:
    """The id of the Creative Commons licence that `word` names, the folded form of `text`. UnknownLicence where a word
    of it is not understood, or says something else than another; AmbiguousLicence where it names no version.

    >>> meant("CC BY-SA 4.0", "cc by-sa 4.0"), meant("CC-BY 3.0 DE", "cc-by 3.0 de")
    ('CC-BY-SA-4.0', 'CC-BY-3.0-DE')
    """
    word = grammar.spaced(word)
    units: list[set[str]] = []
    versions, ports, said = list[str](), list[str](), set[str]()
    named, at = False, 0
    while at < len(word):
        if (token := grammar.at(word, at)) is None:
            raise UnknownLicence(text, _NONE, near(text))
        kind, written = token
        if kind == "version":
            versions.append(written)
        elif kind == "cc" or (kind == "by" and written != "by"):
            named = True
        if kind == "by" or (kind.upper() in ELEMENTS and not units):
            units.append(set())
        if kind.upper() in ELEMENTS:
            units[-1].add(kind.upper())
        elif kind.endswith(" only"):
            said.add(kind)
        elif kind.isupper():
            ports.append(kind)
        at += len(written)
    # "CC BY 4.0 (Attribution 4.0 International)" says the same twice; twice differently is no name
    if not named or len(set(versions)) > 1 or len(set(ports)) > 1 or units[:-1] != units[1:]:
        raise UnknownLicence(text, _NONE, near(text))
    version = versions[0] if versions else None
    for kind, fits in (("4.0 only", ("4.0",)), ("3.0 only", ("3.0",)), ("old only", ("1.0", "2.0", "2.5"))):
        if kind in said and (ports or (version is not None and version not in fits)):
            raise UnknownLicence(text, "no version of that number goes by that name", near(text))
    return chosen(text, units[0] if units else (), version, ports[0] if ports else "")


def chosen(text: str, elements: Collection[str], version: str | None, port: str) -> str:
    """The id of the licence of these elements; AmbiguousLicence with the candidates if the version is open."""
    unit = "-".join(e for e in ELEMENTS if e in elements)
    if not unit or (version is None and "BY" not in elements):
        every = [
            f"CC-{u}-{v}" for v in _NEWEST_FIRST for u in ("BY", "BY-SA", "BY-NC", "BY-NC-SA", "BY-ND", "BY-NC-ND")
        ]
        fits = [id for id in every if set(elements) <= set(id.split("-"))]
        raise AmbiguousLicence(text, tuple(fits if elements else [*fits, "CC0-1.0"]))
    made = jurisdictions.of(unit, port)
    if version is None and made:
        raise AmbiguousLicence(text, made)
    wanted = f"CC-{unit}-{version}" + (f"-{port}" if port else "")
    if wanted in ids() or jurisdictions.exists(wanted):
        return wanted
    if not port and f"CC-{unit}-2.5" in ids() and (national := jurisdictions.numbered(unit, version or "")):
        raise AmbiguousLicence(text, national)
    generic = f"CC-{unit}-{version}"
    if port and generic in ids():
        why = "version 4.0 has no national versions" if version == "4.0" else "no such national version was made"
        raise UnknownLicence(text, why, (generic, *made))
    offered = made or closest(Glimpse(frozenset(elements), (version or "",), (), True, ()))
    raise UnknownLicence(text, "Creative Commons has no such licence", offered)
