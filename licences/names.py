"""From what people write to the one licence they mean: ids, addresses, names and aliases. Never a guess.

Refuses what names no version, what contradicts itself and what says more than a licence's name.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Collection
from functools import cache
from typing import Final

from licences import jurisdictions, spdx
from licences.aliases import NAMES, PLACES, REFUSED, SEVERAL
from licences.catalogue import ids, is_port
from licences.errors import AmbiguousLicence, UnknownLicence

_LONGEST: Final = 500  # characters; no licence has a longer name or address

_ADDRESS: Final = re.compile(
    r"(?:(?P<scheme>[a-z][a-z0-9+.-]*)://|//)?(?:www\.)?(?P<rest>[a-z0-9-]+(?:\.[a-z0-9-]+)+(?:[/?#].*)?)"
)
_CC_PATH: Final = re.compile(
    r"creativecommons\.org/licenses/(?P<unit>[a-z-]+)(?:/(?P<version>\d\.\d)(?:/(?P<port>[a-z]{2}|igo|scotland))?)?"
)
_CC_FREE: Final = re.compile(r"creativecommons\.org/publicdomain/(?P<what>zero|mark)(?:/1\.0(?:/[a-z]{2})?)?")
_TAIL: Final = re.compile(r"/(?:deed|legalcode|rdf)(?:\.[a-z]{2,3}(?:[-_@][a-z0-9]{2,8})*)?(?:\.html|\.txt)?$")
_SPDX: Final = re.compile(
    r"(?:spdx\.org|choosealicense\.com|opensource\.org|opendefinition\.org)/licen[cs]es?/(?P<id>[a-z0-9.-]+?)"
    r"(?:\.html|\.json|\.txt|\.php)?"
)
_EUROPE: Final = re.compile(
    r"publications\.europa\.eu/resource/authority/licence/"
    r"(?:cc0|cc_by(?P<nc>_?nc)?(?:_?(?P<more>nd|sa))?_(?P<version>\d_\d))"
)
# what may stand in a Creative Commons name, longest first
_WORDS: Final = (
    (r"creative commons|cc", "cc"),
    (r"attributions?|by", "by"),
    (r"partage dans les memes conditions|partage a l'identique|share ?alike|sa", "sa"),
    (r"pas d'utilisation commerciale|non ?commercial|nc", "nc"),
    (r"pas de modifications?|no ?derivatives? works|no ?derivatives?|no ?derivs?|nd", "nd"),
    (r"version|public|licen[cs]es?|the|deed", ""),
    (r"international|intl|internationale?", "4.0 only"),
    (r"unported|non transpose", "3.0 only"),
    (r"generic|generique", "old only"),
    (r"\d\.\d(?![\d.])", "version"),
)
_ELEMENTS: Final = ("BY", "NC", "ND", "SA")
_NEWEST_FIRST: Final = ("4.0", "3.0", "2.5", "2.0", "1.0")


@cache
def _grammar() -> tuple[re.Pattern[str], tuple[str, ...]]:
    """What may stand next in a name, as numbered groups, and what each means. Jurisdictions by code and by name."""
    places = tuple(
        ("|".join(re.sub(r"[^a-z0-9]+", " ", _fold(name)) for name in (*names, code)), code)
        for code, names in jurisdictions.names().items()
    )
    words = (*_WORDS, *places)
    parts = "|".join(f"(?P<w{n}>{pattern})(?![a-z0-9])" for n, (pattern, _) in enumerate(words))
    return re.compile(parts + r"|(?P<gap>[ (),/]+|v(?:ersion)? ?(?=\d))"), tuple(kind for _, kind in words)


def identify(text: str, hints: bool = True) -> str:
    """The id of the licence that `text` names. Raises UnknownLicence or AmbiguousLicence, and nothing else. Without
    `hints` nothing is sought that looks like what is no name but an expression: that costs a walk through all names."""
    if len(text) > _LONGEST:
        raise UnknownLicence(text, f"longer than {_LONGEST} characters: a licence's name, id or address is expected")
    word = _fold(text)
    known = {id.lower(): id for id in ids()}
    if found := known.get(word) or NAMES.get(word):
        return found
    if word in SEVERAL:
        raise AmbiguousLicence(text, SEVERAL[word])
    if word in REFUSED:
        raise UnknownLicence(text, REFUSED[word])
    if word.startswith("licenseref-"):
        if is_port(port := word.removeprefix("licenseref-").upper()):
            return port
        raise UnknownLicence(text, "a licence of one's own: its whole text has to be given with it")
    if (address := _ADDRESS.fullmatch(word)) and ("/" in word or address["rest"].endswith(".org")):
        return _at(text, address["scheme"] or "https", address["rest"], known)
    if (found := _in_spdx(text, word) or _titles().get(word)) is not None:
        return found
    if re.search(r" (?:and(?! wales)|or|with) |\+$", word):
        about = "more than one licence, or a condition beside it: name one licence"
        raise UnknownLicence(text, about, near(word) if hints else ())
    return _creative_commons(text, word)


def near(text: str) -> tuple[str, ...]:
    """Ids that look like `text`, best first, at most four. For an error's hint only."""
    import difflib

    for known in ({id.lower(): id for id in ids()}, {id.lower(): id for id in spdx.names()}):
        if found := difflib.get_close_matches(_fold(text[:60]), list(known), n=4, cutoff=0.6):
            return tuple(known[id] for id in found)
    return ()


def _in_spdx(text: str, word: str) -> str | None:
    """The licence of an SPDX id that has no file here; AmbiguousLicence or UnknownLicence for a withdrawn one."""
    id = spdx.by_lower().get(word)
    successors = spdx.withdrawn().get(id or "")
    if successors is None:
        return id
    if not successors or any(" " in each for each in successors):
        instead = f": write {successors[0]}" if successors else ""
        raise UnknownLicence(text, f"SPDX withdrew this id{instead}", successors)
    raise AmbiguousLicence(text, successors)


def _fold(text: str) -> str:
    """Lower case, without accents, with plain hyphens, apostrophes and single blanks."""
    text = unicodedata.normalize("NFKD", text).translate(_PLAIN)
    return " ".join("".join(c for c in text if not unicodedata.combining(c)).lower().split())


_PLAIN: Final = str.maketrans(
    dict.fromkeys("\u2010\u2011\u2012\u2013\u2014\u2212", "-") | {"\u2019": "'", "\u2018": "'"}
)


@cache
def _titles() -> dict[str, str]:
    """Every licence by its own English, French and short name. Reads all files: asked only when nothing else fits."""
    from licences.catalogue import all

    others = {_fold(name): id for id, name in spdx.names().items()}
    own = {_fold(name): licence.id for licence in all() for name in (licence.name, licence.name_fr, licence.short)}
    return others | own


def _at(text: str, scheme: str, rest: str, known: dict[str, str]) -> str:
    """The licence at an address; `rest` is what follows "https://www."."""
    path = re.split(r"[?#]", rest, maxsplit=1)[0].rstrip("/")
    place = _TAIL.sub("", path).rstrip("/")
    if scheme not in ("http", "https"):
        raise UnknownLicence(text, f"no licence lives at a {scheme[:20]}: address", near(_id_in(place)))
    if " " in rest:
        raise UnknownLicence(text, "there is more than one address in it", near(_id_in(place)))
    if place in PLACES:
        return PLACES[place]
    if found := _CC_FREE.fullmatch(place):
        return "CC0-1.0" if found["what"] == "zero" else "CC-PDM-1.0"
    if found := _SPDX.fullmatch(path):
        if found["id"] in known:
            return known[found["id"]]
        if other := NAMES.get(found["id"]) or _in_spdx(text, found["id"]):
            return other
        if found["id"].startswith("cc-"):
            return _creative_commons(text, found["id"])
        raise UnknownLicence(text, "no licence known here has this id", near(found["id"]))
    if found := _EUROPE.fullmatch(place):
        if found["version"] is None:
            return "CC0-1.0"
        elements = ["BY", *(["NC"] if found["nc"] else []), *([found["more"].upper()] if found["more"] else [])]
        return _chosen(text, elements, found["version"].replace("_", "."), "")
    if found := _CC_PATH.fullmatch(place):
        elements = found["unit"].upper().split("-")
        if found["unit"] not in ("by", "by-sa", "by-nc", "by-nd", "by-nc-sa", "by-nc-nd", "by-nd-nc", "sa"):
            raise UnknownLicence(text, "Creative Commons has, or keeps, no such licence", near(_id_in(place)))
        return _chosen(text, elements, found["version"], (found["port"] or "").upper())
    raise UnknownLicence(text, "no licence known here is at this address", near(_id_in(place)))


def _id_in(place: str) -> str:
    """What an address might have meant, as an id to look near."""
    return "-".join(["cc", *re.findall(r"by(?:-[a-z]{2})*|\d\.\d", place)[:2]])


def _creative_commons(text: str, word: str) -> str:
    """By reading the words of a Creative Commons name one by one; every one must be understood."""
    word = re.sub(r"(?<=[a-z])[-_]|[-_](?=[a-z0-9])| - ", " ", word)
    units: list[set[str]] = []
    versions: list[str] = []
    said, ports, at, named = set[str](), list[str](), 0, False
    grammar, kinds = _grammar()
    while at < len(word):
        token = grammar.match(word, at)
        if token is None or token.end() == at:
            raise UnknownLicence(text, "no id, address or name of a licence known here", near(text))
        kind = "" if token.lastgroup in ("gap", None) else kinds[int(str(token.lastgroup)[1:])]
        if kind == "version":
            versions.append(token[0])
        elif kind == "cc" or (kind == "by" and token[0].startswith("attribution")):
            named = True
        if kind == "by" or (kind.upper() in _ELEMENTS and not units):
            units.append(set())
        if kind.upper() in _ELEMENTS:
            units[-1].add(kind.upper())
        elif kind.endswith(" only"):
            said.add(kind)
        elif kind.isupper():
            ports.append(kind)
        at = token.end()
    # "CC BY 4.0 (Attribution 4.0 International)" says the same twice; twice differently is no name
    if not named or len(set(versions)) > 1 or len(set(ports)) > 1 or units[:-1] != units[1:]:
        raise UnknownLicence(text, "no id, address or name of a licence known here", near(text))
    version = versions[0] if versions else None
    for kind, fits in (("4.0 only", ("4.0",)), ("3.0 only", ("3.0",)), ("old only", ("1.0", "2.0", "2.5"))):
        if kind in said and (ports or (version is not None and version not in fits)):
            raise UnknownLicence(text, "no version of that number goes by that name", near(text))
    return _chosen(text, units[0] if units else (), version, ports[0] if ports else "")


def _chosen(text: str, elements: Collection[str], version: str | None, port: str) -> str:
    """The licence of these elements; AmbiguousLicence with the candidates if the version is open."""
    unit = "-".join(e for e in _ELEMENTS if e in elements)
    if not unit or (version is None and "BY" not in elements):
        every = [
            f"CC-{u}-{v}" for v in _NEWEST_FIRST for u in ("BY", "BY-SA", "BY-NC", "BY-NC-SA", "BY-ND", "BY-NC-ND")
        ]
        fits = [id for id in every if set(elements) <= set(id.split("-"))]
        raise AmbiguousLicence(text, tuple(fits if elements else [*fits, "CC0-1.0"]))
    made = jurisdictions.of(unit, port) if port else tuple(f"CC-{unit}-{v}" for v in _NEWEST_FIRST)
    made = tuple(id for id in made if id in ids() or is_port(id))
    if version is None and made:
        raise AmbiguousLicence(text, made)
    wanted = f"CC-{unit}-{version}" + (f"-{port}" if port else "")
    if wanted in ids() or is_port(wanted):
        return wanted
    if not port and f"CC-{unit}-2.5" in ids() and (national := jurisdictions.numbered(unit, version or "")):
        raise AmbiguousLicence(text, national)
    generic = f"CC-{unit}-{version}"
    if port and generic in ids():
        why = "version 4.0 has no national versions" if version == "4.0" else "no such national version was made"
        raise UnknownLicence(text, why, (generic, *made))
    raise UnknownLicence(text, "Creative Commons has no such licence", made or near(wanted))
