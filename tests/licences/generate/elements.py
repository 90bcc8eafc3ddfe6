"""Creative Commons' licences that SPDX names: which the rule is asked for, and the three that it does not make."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from licences.rule import SITE, Record, record

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


def _free(id: str, name: str, name_fr: str, short: str, path: str, because: str, clause: str, permits: str) -> Record:
    """A record that asks nothing: a dedication or a mark."""
    return {
        "id": id,
        "name": name,
        "name_fr": name_fr,
        "short": short,
        "url": SITE + path,
        "legalcode": SITE + path + "legalcode",
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
