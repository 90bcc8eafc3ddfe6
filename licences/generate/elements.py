"""Creative Commons' licences by rule: from elements, version and port to a full record. No file, no network.

Facts: the licences' legal codes, Creative Commons' FAQ and ccREL schema. Ports are those that SPDX names; their texts
were not read one by one, so that their clauses say "the port's own legal code".
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from licences.generate.words import ELEMENTS_EN, ELEMENTS_FR, JURISDICTIONS, answers, plain

Record = dict[str, Any]

UNITS: Final = ("BY", "BY-SA", "BY-NC", "BY-NC-SA", "BY-ND", "BY-NC-ND")
VERSIONS: Final = ("1.0", "2.0", "2.5", "3.0", "4.0")
PORTS: Final[dict[tuple[str, str], str]] = {
    ("BY", "2.5"): "AU",
    ("BY", "3.0"): "AT AU DE IGO NL US",
    ("BY-NC", "3.0"): "DE IGO",
    ("BY-NC-ND", "3.0"): "DE IGO",
    ("BY-NC-SA", "2.0"): "DE FR UK",
    ("BY-NC-SA", "3.0"): "DE IGO",
    ("BY-ND", "3.0"): "DE",
    ("BY-SA", "2.0"): "UK",
    ("BY-SA", "2.1"): "JP",
    ("BY-SA", "3.0"): "AT DE IGO",
}
_SITE: Final = "https://creativecommons.org/"
_NONE: Final[Record] = {
    "share": True,
    "private": True,
    "same_elements": False,
    "versions": None,
    "also": [],
    "notice": None,
}


def records() -> Iterator[Record]:
    for unit in UNITS:
        for version in VERSIONS:
            yield record(unit, version)
    for (unit, version), jurisdictions in PORTS.items():
        for jurisdiction in jurisdictions.split():
            yield record(unit, version, jurisdiction)
    yield record("SA", "1.0")
    yield from (zero(), mark(), certification())


def record(unit: str, version: str, jurisdiction: str | None = None) -> Record:
    """The record of one of the licences proper."""
    elements = unit.split("-")
    by, sa, nc, nd = (e in elements for e in ("BY", "SA", "NC", "ND"))
    four = version == "4.0"
    port = f"-{jurisdiction}" if jurisdiction else ""
    where = JURISDICTIONS[jurisdiction or {"3.0": "unported", "4.0": "international"}.get(version, "generic")]
    spelt = "by-nd-nc" if (unit, version) == ("BY-NC-ND", "1.0") else unit.lower()  # the one address out of line
    url = f"{_SITE}licenses/{spelt}/{version}/" + (f"{jurisdiction.lower()}/" if jurisdiction else "")
    clauses = _clauses(elements, version, jurisdiction)
    short = f"CC {unit} {version}" + (f" {jurisdiction}" if jurisdiction else "")
    return {
        "id": f"CC-{unit}-{version}{port}",
        "name": f"Creative Commons {'-'.join(ELEMENTS_EN[e] for e in elements)} {version} {where[0]}",
        "name_fr": f"Creative Commons {' - '.join(ELEMENTS_FR[e] for e in elements)} {version} {where[1]}",
        "short": short,
        "url": url,
        "legalcode": url + "legalcode",
        "spdx": f"CC-{unit}-{version}{port}",
        "kind": "licence",
        "family": "cc",
        "elements": elements,
        "version": version,
        "jurisdiction": jurisdiction,
        "permits": ([] if nd else ["cc:DerivativeWorks"]) + ["cc:Distribution", "cc:Reproduction"],
        "requires": (["cc:Attribution"] if by else []) + ["cc:Notice"] + (["cc:ShareAlike"] if sa else []),
        "prohibits": ["cc:CommercialUse"] if nc else [],
        "adaptation": {
            "share": not nd,
            "private": not nd or four,
            "same_elements": sa,
            "versions": ("=1.0" if version == "1.0" else f">={version}") if sa else None,
            # creativecommons.org/compatiblelicenses; from BY 4.0 the same end is reached by way of BY-SA 4.0
            "also": ["LAL-1.3", "GPL-3.0-only"] if four and unit in ("BY", "BY-SA") else [],
            "notice": None,
        },
        "database_rights": _database_rights(version, jurisdiction),
        "title_required": by and not four,
        "mark_modifications": "always" if four else None if nd else "adaptations",
        "cure_days": 30 if four else None,
        "irrevocable": True,
        "retired": "2004-05-25" if unit == "SA" else None,
        "asks": ["creators", "title"] if by else [],
        "clauses": clauses,
        "answers": answers(elements, four, short, clauses),
        "plain": plain(elements, version, short, jurisdiction),
    }


def _database_rights(version: str, jurisdiction: str | None) -> str:
    if version == "4.0":
        return "licensed"
    if version == "3.0" and jurisdiction in ("AT", "DE", "NL"):
        return "conditions-waived"
    return "not-licensed" if jurisdiction in (None, "IGO") else "unstated"


def _clauses(elements: list[str], version: str, jurisdiction: str | None) -> dict[str, str]:
    """Where the legal code says it."""
    sa, nc, nd = (e in elements for e in ("SA", "NC", "ND"))
    topics = ["redistribute", "adapt", "attribution", "downstream"] + ["share-alike"] * sa + ["commercial"] * nc
    if jurisdiction:
        return dict.fromkeys(topics, "the port's own legal code")
    if version == "4.0":
        found = {
            "redistribute": "s.2(a)(1)(A)",
            "adapt": "s.2(a)(1)(B)",
            "attribution": "s.3(a)(1)",
            "downstream": "s.2(a)(5)(C)" if sa else "s.2(a)(5)(B)",
            "share-alike": "s.3(b)(1)",
            "commercial": f"s.1({'k' if sa else 'h' if nd else 'i'})",
        }
        return {topic: found[topic] for topic in topics} | {"database": "s.4", "termination": "s.6"}
    credit = "bcd"[sa + nc]  # 4(b) is taken by ShareAlike or NonCommercial, 4(c) by NonCommercial beside ShareAlike
    found = {
        "redistribute": "s.3",
        "adapt": "s.3",
        "attribution": f"s.4({credit})",
        "downstream": "s.4(a)",
        "share-alike": "s.4(b)",
        "commercial": "s.4(c)" if sa else "s.4(b)",
    }
    if "BY" not in elements:
        topics.remove("attribution")
    return {topic: found[topic] for topic in topics} | {"termination": "s.7(a)"}


def _free(id: str, name: str, name_fr: str, short: str, path: str, because: str, clause: str, permits: str) -> Record:
    """A record that asks nothing: a dedication or a mark."""
    return {
        "id": id,
        "name": name,
        "name_fr": name_fr,
        "short": short,
        "url": _SITE + path,
        "legalcode": _SITE + path + "legalcode",
        "spdx": id,
        "kind": "dedication",
        "family": "cc",
        "elements": [],
        "version": "1.0",
        "jurisdiction": None,
        "permits": ["cc:DerivativeWorks", "cc:Distribution", "cc:Reproduction"],
        "requires": [],
        "prohibits": [],
        "adaptation": _NONE,
        "database_rights": "unstated",
        "title_required": False,
        "mark_modifications": None,
        "cure_days": None,
        "irrevocable": True,
        "retired": None,
        "asks": [],
        "clauses": {"redistribute": clause, "adapt": clause} if clause else {},
        "answers": {
            use: {"answer": "yes", "because": because, "clause": clause}
            for use in ("commercial", "redistribute", "adapt", "adapt-privately", "p2p-share")
        },
        "plain": {
            "permits": [f"copy, change and share it for any purpose, also commercially: {permits}"],
            "requires": [],
            "forbids": ["suggest that its creators endorse you or what you do with it"],
        },
    }


def zero() -> Record:
    return _free(
        "CC0-1.0", "Creative Commons CC0 1.0 Universal", "Creative Commons CC0 1.0 universel", "CC0 1.0",
        "publicdomain/zero/1.0/", "its creators gave up all their rights in it", "s.2",
        "its creators gave up their copyright and database rights in it",
    ) | {"database_rights": "waived"}  # fmt: skip


def mark() -> Record:
    found = _free(
        "CC-PDM-1.0", "Creative Commons Public Domain Mark 1.0", "Creative Commons Marque du domaine public 1.0",
        "Public Domain Mark 1.0", "publicdomain/mark/1.0/",
        "whoever marked it says that no copyright is known; a mark is not a licence and gives no warranty", "",
        "whoever marked it says that it is free of known copyright, which is a mark and not a licence",
    )  # fmt: skip
    return found | {"kind": "mark", "legalcode": None, "irrevocable": False}


def certification() -> Record:
    return _free(
        "CC-PDDC", "Creative Commons Public Domain Dedication and Certification",
        "Creative Commons Dédicace au domaine public et certification", "CC PDDC", "licenses/publicdomain/",
        "it was dedicated to the public domain, or certified to be in it", "",
        "it was dedicated to the public domain, or somebody certified that it is in it",
    ) | {"legalcode": None, "version": None, "retired": "2010-10"}  # fmt: skip
