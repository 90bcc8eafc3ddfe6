"""Addresses: which licence lives at one. Each host's own names are read as that host's, and never as another's.

Creative Commons', GNU's and the governments' addresses follow rules; the rest is in tables, of which SPDX's list is
the longest. An address of a page that names several licences, or changes with the newest, is all of them.
"""

from __future__ import annotations

import re
from collections import defaultdict
from functools import cache
from typing import Final

from licences import spdx, titles, unlisted
from licences.aliases import EUROPE, NAMES, PLACES, SEVERAL, SHARED, SLUGS, STRANGERS
from licences.creative import chosen, meant
from licences.errors import AmbiguousLicence, UnknownLicence
from licences.files import ids, table
from licences.hints import near, of_place
from licences.records import all
from licences.titles import newest_first, number_of, root

ADDRESS: Final = re.compile(
    r"(?:(?P<scheme>[a-z][a-z0-9+.-]*)://|//)?(?:www\.)?(?P<rest>[a-z0-9-]+(?:\.[a-z0-9-]+)+(?::80|:443)?(?:[/?#].*)?)"
)
_CC: Final = re.compile(
    r"creativecommons\.org/licenses/(?P<unit>[a-z-]+)(?:/(?P<version>\d\.\d)(?:/(?P<port>[a-z]{2}|igo|scotland))?)?"
)
_CC_UNITS: Final = ("by", "by-sa", "by-nc", "by-nd", "by-nc-sa", "by-nc-nd", "by-nd-nc", "sa")
_CC_FREE: Final = re.compile(r"creativecommons\.org/publicdomain/(?P<what>zero|mark)(?:/1\.0(?:/[a-z]{2})?)?")
_CC_TAIL: Final = re.compile(
    r"/(?:deed|legalcode|rdf|summary)(?:-plain)?(?:[._][a-z]{2,3}(?:[-_@][a-z0-9]{2,8})*)?(?:\.html|\.txt)?$"
)
_EUROPE: Final = re.compile(r"publications\.europa\.eu/resource/authority/licence/(?P<code>[a-z0-9_]+)")
_EUROPE_CC: Final = re.compile(
    r"cc_by(?P<nc>_?nc)?(?:_?(?P<more>nd|sa))?(?:_(?P<version>\d_\d))?(?:_(?P<port>[a-z]{2}))?"
)
_GERMAN: Final = re.compile(r"dcat-ap\.de/def/licenses/(?P<name>[a-z-]+)(?:/(?P<version>\d[.\d]*))?")
_GNU: Final = re.compile(
    r"gnu\.org/(?:licenses|copyleft)/(?:old-licenses/)?(?P<stem>gpl|lgpl|agpl|fdl)(?:-(?P<number>\d\.\d))?"
    r"(?:-(?:standalone|body))?"
)
_CROWN: Final = re.compile(r"nationalarchives\.gov\.uk/doc/open-government-licence/version/(?P<number>\d)")
_NORWAY: Final = re.compile(r"data\.norge\.no/nlod(?:/(?:no|nb|nn|en))?(?:/(?P<number>\d\.\d))?")
_GERMANY: Final = re.compile(r"govdata\.de/dl-de/(?P<kind>by|zero|by-nc)(?:-(?P<number>\d-\d))?")
_ODC: Final = re.compile(r"opendatacommons\.org/licen[cs]es/(?P<unit>odbl|by|pddl|dbcl)(?P<more>/.*)?")
_ODC_MORE: Final = re.compile(
    r"(?:/(?:summary|1[.-]0|(?:odc[-_])?(?:odbl|by|pddl|dbcl)[-_]?(?:10|1[.-]0)?(?:[-_]?plaintext)?|faq))*"
)
_ODC_IDS: Final = {"odbl": "ODbL-1.0", "by": "ODC-By-1.0", "pddl": "PDDL-1.0", "dbcl": "DbCL-1.0"}
_LISTS: Final = re.compile(
    r"(?P<host>spdx\.org|choosealicense\.com|opensource\.org)/licen[cs]es?/(?P<id>[a-z0-9._+-]+)"
)
_ENDING: Final = re.compile(r"(?:[._-][a-z]{2})?\.(?:html?|txt|php|md|pdf|json|rdf|xml)$")
_PAGE: Final = re.compile(r"/(?:index(?:\.[a-z]+)*|default\.aspx?)$")
_LOCALE: Final = re.compile(r"/[a-z]{2}(?:[-_][a-z]{2})?(?=/|$)")
_STATEMENTS: Final = "it states whether there is copyright, and grants nothing: rights statements are no licences"
_OTHERS: Final = {  # hosts whose pages name no licence known here, and what they name
    "rightsstatements.org": _STATEMENTS,
    "europeana.eu": _STATEMENTS,
    "usa.gov": "it states that the government of the United States has no copyright, and names no licence",
    "purl.org": "it says who may see the data, and not what they may do with it",
}


def at(text: str, scheme: str, rest: str) -> str:
    """The id of the licence at an address, of which `rest` is what follows "https://www." and `text` all that was
    written. UnknownLicence, AmbiguousLicence.

    >>> at("https://creativecommons.org/licenses/by/4.0/", "https", "creativecommons.org/licenses/by/4.0/")
    'CC-BY-4.0'
    """
    whole = re.sub(r":(?:80|443)(?=/|$)", "", rest)
    path = re.split(r"[?#]", whole, maxsplit=1)[0]
    path = re.sub(r"/{2,}", "/", path).rstrip("/")
    if scheme not in ("http", "https"):
        raise UnknownLicence(text, f"no licence lives at a {scheme[:20]}: address", of_place(path))
    if " " in rest:
        raise UnknownLicence(text, "there is more than one address in it, or there are words beside it", near(text))
    if why := _OTHERS.get(path.partition("/")[0]):
        raise UnknownLicence(text, why)
    if why := STRANGERS.get(path):
        raise UnknownLicence(text, why)
    if path.startswith("creativecommons.org/"):
        found = _creative_commons(text, _PAGE.sub("", path))
    else:
        found = _listed(text, path) or _ruled(text, _PAGE.sub("", path))
    found = found or _tabled(whole.rstrip("/"), path)
    if len(found) == 1:
        return found[0]
    if found:
        raise AmbiguousLicence(text, found)
    raise UnknownLicence(text, "no licence known here is at this address", of_place(path))


def _creative_commons(text: str, path: str) -> tuple[str, ...]:
    place = _CC_TAIL.sub("", path).rstrip("/")
    if found := _CC_FREE.fullmatch(place):
        return ("CC0-1.0",) if found["what"] == "zero" else ("CC-PDM-1.0",)
    if place in PLACES:
        return (PLACES[place],)
    if (found := _CC.fullmatch(place)) is None:
        return ()
    if found["unit"] not in _CC_UNITS:
        raise UnknownLicence(text, "Creative Commons has, or keeps, no such licence", of_place(place))
    return (chosen(text, found["unit"].upper().split("-"), found["version"], (found["port"] or "").upper()),)


def _listed(text: str, path: str) -> tuple[str, ...]:
    """By the lists of others: SPDX's ids, and the Open Source Initiative's own names."""
    found = _LISTS.fullmatch(path)
    if found is None:
        return ()
    id = re.sub(r"\.(?:html|json|txt|php)$", "", found["id"])
    if found["host"] == "opensource.org" and (slug := SLUGS.get(id)):
        return (slug,)
    dotted = re.sub(r"-(\d+)-(\d+)(?=$|-)", r"-\1.\2", id.removesuffix("-txt"))  # as the Initiative writes them now
    known = {id.lower(): id for id in ids()}
    for each in (id, dotted, id.removesuffix("-license"), dotted.removesuffix("-license")):
        if each in known:
            return (known[each],)
        if (other := spdx.named(text, each)) is not None:
            return (other,)
        if each.startswith("cc-") and found["host"] != "opensource.org":
            return (meant(text, each),)
    if found["host"] == "choosealicense.com" and (alias := NAMES.get(id)):
        return (alias,)
    if found["host"] != "spdx.org" and (several := SEVERAL.get(id) or titles.found(titles.read(id)).ids):
        return several
    raise UnknownLicence(text, "no licence known here has this id", near(id))


def _ruled(text: str, path: str) -> tuple[str, ...]:
    """By the rules that stewards and governments make their addresses by."""
    place = _ENDING.sub("", path).rstrip("/")
    if found := _EUROPE.fullmatch(path):
        return _in_europe(text, found["code"])
    if found := _GERMAN.fullmatch(path):
        return _in_germany(text, found["name"], found["version"])
    if found := _GNU.fullmatch(place) or _GNU.fullmatch(_LOCALE.sub("", place)):
        family = SEVERAL[found["stem"]]
        return tuple(id for id in family if found["number"] in (None, number_of(id)))
    if found := _CROWN.match(path):
        id = f"OGL-UK-{found['number']}.0"
        return (id,) if id in SEVERAL["ogl-uk"] else ()
    if found := _NORWAY.fullmatch(path):
        return tuple(id for id in SEVERAL["nlod"] if found["number"] in (None, number_of(id)))
    if found := _GERMANY.fullmatch(path):
        return _in_germany(text, f"dl-{found['kind']}-de", (found["number"] or "").replace("-", ".") or None)
    if (found := _ODC.fullmatch(place)) and _ODC_MORE.fullmatch(found["more"] or ""):
        return (_ODC_IDS[found["unit"]],)
    return ()


def _in_europe(text: str, code: str) -> tuple[str, ...]:
    """By a code of the EU's authority table."""
    if code in EUROPE:
        return EUROPE[code]
    if found := _EUROPE_CC.fullmatch(code):
        elements = ["BY", *(["NC"] if found["nc"] else []), *([found["more"].upper()] if found["more"] else [])]
        return (
            chosen(text, elements, (found["version"] or "").replace("_", ".") or None, (found["port"] or "").upper()),
        )
    id = re.sub(r"(?<=\d)_(?=\d)", ".", code).replace("_", "-")
    if id in SEVERAL:
        return SEVERAL[id]
    return () if (other := spdx.named(text, id)) is None else (other,)


def _in_germany(text: str, name: str, version: str | None) -> tuple[str, ...]:
    """By a name of DCAT-AP.de: dl-by-de, cc-by, cc-by-de, odbl, with a version behind it."""
    if name.startswith("cc-by"):
        elements = name.removeprefix("cc-").removesuffix("-de").upper().split("-")
        return (chosen(text, elements, version, "DE" if name.endswith("-de") else ""),)
    alias = {"odcby": "odc-by", "odcpddl": "pddl", "cc-pdm": "pdm"}.get(name, name)
    if alias in NAMES:
        return (NAMES[alias],)
    return tuple(id for id in SEVERAL.get(alias, ()) if version in (None, number_of(id)))


def _tabled(whole: str, path: str) -> tuple[str, ...]:
    """By the tables. What an address ends in, its query and its language are tried with and without."""
    known, parted = _table()
    if whole in known:
        return known[whole]
    page = whole.partition("#")[0]
    if page in parted:  # other parts of that page are other licences'
        return ()
    shorter = _PAGE.sub("", path)
    for each in dict.fromkeys((page, path, shorter, *_shortened(shorter))):
        if each in known and each not in parted:
            return known[each]
    return ()


def _shortened(path: str) -> list[str]:
    """The same place in another language, or another format."""
    found = [path, re.sub(r"/(?:summary|legalcode|deed|plaintext|text)(?:\.[a-z]{2})?$", "", path)]
    found += [_ENDING.sub("", each) for each in found]
    return found + [_LOCALE.sub("", each, count=1) for each in found] + [_LOCALE.sub("", each) for each in found]


@cache
def _table() -> tuple[dict[str, tuple[str, ...]], frozenset[str]]:
    """Every tabled address with the licences that it is given for, ours last so that they have the last word; and the
    pages of which only a part is a licence's."""
    listed: dict[str, set[str]] = defaultdict(set)
    addresses: dict[str, list[str]] = table("_addresses")["addresses"]
    for id, places in addresses.items():
        for place in places:
            for each in {place, _ENDING.sub("", place)}:
                listed[each].add(id)
    parted = frozenset(place.partition("#")[0].partition("?")[0] for place in listed if "#" in place)
    known = {place: root(newest_first(named)) for place, named in listed.items()}
    own = {licence.url: licence.id for licence in all() if licence.url}
    for url, id in (own | {url: id for id, url in unlisted.addresses().items()}).items():
        place = re.sub(r"^https?://(?:www\.)?", "", url.lower()).rstrip("/")
        known.setdefault(place, (id,))
    for place, named in (*((place, (id,)) for place, id in PLACES.items()), *SHARED.items()):
        for each in {place, _ENDING.sub("", place)}:
            known[each] = named
    return known, parted - PLACES.keys() - SHARED.keys()
