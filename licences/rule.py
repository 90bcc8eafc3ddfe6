"""Creative Commons' licences by rule: from elements, version and port to a full record.

Facts: the licences' legal codes, Creative Commons' FAQ and ccREL schema. The texts of ports were not read one by one,
so that their clauses say "the port's own legal code". Asked at run time only for ports that have no file of their own.
"""

from __future__ import annotations

from typing import Any, Final

from licences import jurisdictions
from licences.words import EDITIONS, ELEMENTS_EN, ELEMENTS_FR, answers, plain

Record = dict[str, Any]

SITE: Final = "https://creativecommons.org/"


def record(unit: str, version: str, jurisdiction: str | None = None, spdx: bool = True) -> Record:
    """The record of one of the six licences, as a file of `data` has it: `unit` is "BY-NC-SA", `version` "3.0", the
    `jurisdiction` of a port "DE". `spdx`: whether SPDX has an id for it."""
    elements = unit.split("-")
    by, sa, nc, nd = (e in elements for e in ("BY", "SA", "NC", "ND"))
    four = version == "4.0"
    port = f"-{jurisdiction}" if jurisdiction else ""
    where = jurisdictions.names()[jurisdiction] if jurisdiction else EDITIONS.get(version, ("Generic", "générique"))
    spelt = "by-nd-nc" if (unit, version) == ("BY-NC-ND", "1.0") else unit.lower()  # the one address out of line
    url = f"{SITE}licenses/{spelt}/{version}/" + (f"{jurisdiction.lower()}/" if jurisdiction else "")
    clauses = _clauses(elements, version, jurisdiction)
    short = f"CC {unit} {version}" + (f" {jurisdiction}" if jurisdiction else "")
    return {
        "id": f"CC-{unit}-{version}{port}",
        "name": f"Creative Commons {'-'.join(ELEMENTS_EN[e] for e in elements)} {version} {where[0]}",
        "name_fr": f"Creative Commons {' - '.join(ELEMENTS_FR[e] for e in elements)} {version} {where[1]}",
        "short": short,
        "url": url,
        "legalcode": url + "legalcode",
        "spdx": f"CC-{unit}-{version}{port}" if spdx else None,
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


def port(id: str) -> Record | None:
    """The record of a port that SPDX has no id for; None where there is no such port."""
    if not jurisdictions.exists(id):
        return None
    unit, version, jurisdiction = id.removeprefix("CC-").rsplit("-", 2)
    return record(unit, version, jurisdiction, spdx=False) | {"text_sha256": None}


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
