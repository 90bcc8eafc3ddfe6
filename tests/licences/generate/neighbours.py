"""Ten licences that data carries beside Creative Commons' own, each record written from the licence's own text.

ccREL terms for them are this library's reading; where a text is silent the record says "unstated".
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

Record = dict[str, Any]

_ALL: Final = ["cc:DerivativeWorks", "cc:Distribution", "cc:Reproduction"]
_CREDIT: Final = ["cc:Attribution", "cc:Notice"]
_ODC: Final = "https://opendatacommons.org/licenses/"
_NO_PURPOSE: Final = "no purpose is excluded"


def _yes(because: str, clause: str) -> dict[str, str]:
    return {"answer": "yes", "because": because, "clause": clause}


def _if(because: str, clause: str) -> dict[str, str]:
    return {"answer": "conditional", "because": because, "clause": clause}


def _record(
    id: str, name: str, name_fr: str, short: str, url: str, *, family: str, version: str, requires: list[str],
    database_rights: str, asks: list[str], clauses: dict[str, str], use: dict[str, str], share: dict[str, str],
    adapt: dict[str, str], privately: dict[str, str], permits: list[str], must: list[str], forbids: list[str],
    **others: Any,
) -> Record:  # fmt: skip
    adaptation = {
        "share": True,
        "private": True,
        "same_elements": False,
        "versions": None,
        "also": others.pop("also", []),
        "notice": others.pop("notice", None),
    }
    if (works := others.pop("works", None)) is not None:
        adaptation["works"] = works
    return {
        "id": id, "name": name, "name_fr": name_fr, "short": short, "url": url, "legalcode": url, "spdx": id,
        "kind": "licence", "family": family, "elements": [], "version": version, "jurisdiction": None, "permits": _ALL,
        "requires": requires, "prohibits": [], "adaptation": adaptation, "database_rights": database_rights,
        "title_required": "title" in asks, "mark_modifications": None, "cure_days": None, "irrevocable": False,
        "retired": None, "asks": asks, "clauses": clauses,
        "answers": {
            "commercial": use, "redistribute": share, "adapt": adapt, "adapt-privately": privately, "p2p-share": share,
        },
        "plain": {"permits": permits, "requires": must, "forbids": forbids},
    } | others  # fmt: skip


def records() -> Iterator[Record]:
    yield from (odbl(), odc_by(), pddl(), *cdla(), etalab(), ogl(), free_art(), gpl())


def odbl() -> Record:
    return _record(
        "ODbL-1.0", "Open Data Commons Open Database License v1.0", "Licence de base de données ouverte ODbL 1.0",
        "ODbL 1.0", _ODC + "odbl/1-0/",
        family="odc", version="1.0", requires=[*_CREDIT, "cc:ShareAlike"], database_rights="licensed", cure_days=30,
        asks=["title"],
        works="say in a map, a chart or another work made with it that it contains information from this database"
        " [s.4.3]",
        clauses={
            "attribution": "s.4.2", "adapt": "s.3.1", "share-alike": "s.4.4", "works": "s.4.3, s.4.5(b)",
            "downstream": "s.4.7", "scope": "s.2.4", "termination": "s.9.4",
        },
        use=_yes(_NO_PURPOSE, "s.3.1"),
        share=_yes("under this licence, with its notices", "s.4.2"),
        adapt=_if(
            "a changed database only under ODbL 1.0 or later; other works made with it under any licence, with a"
            " notice",
            "s.4.3, s.4.4, s.4.5(b)",
        ),
        privately=_yes("the conditions begin where you convey or publicly use it", "s.4.5"),
        permits=["copy, share and change the database, for any purpose, also commercially"],
        must=[
            "keep its notices, and enclose or link to the licence, with every copy",
            "share a changed database only under ODbL 1.0 or a later version, and offer it, or the changes, in a form"
            " machines can read",
            "say in maps, charts and other works made with it that they contain information from this database",
            "look for the rights in its items: the licence covers the database, not necessarily what is in it",
        ],
        forbids=["add terms or technical locks, unless you also offer an unlocked copy"],
    )  # fmt: skip


def odc_by() -> Record:
    return _record(
        "ODC-By-1.0", "Open Data Commons Attribution License v1.0", "Licence d'attribution Open Data Commons 1.0",
        "ODC-By 1.0", _ODC + "by/1-0/",
        family="odc", version="1.0", requires=_CREDIT, database_rights="licensed", cure_days=30,
        asks=["title"],
        notice="the derived database itself stays under ODC-By 1.0, with its notices; another licence can only cover"
        " what you added [s.4.2], or a work made with it that says so [s.4.3]",
        clauses={"attribution": "s.4.2", "adapt": "s.3.1", "scope": "s.2.4", "termination": "s.9.4"},
        use=_yes(_NO_PURPOSE, "s.3.1"),
        share=_yes("under this licence, with its notices", "s.4.2"),
        adapt=_if("the changed database stays under ODC-By 1.0, with its notices", "s.4.2"),
        privately=_yes("the conditions begin where you convey it", "s.4.2"),
        permits=["copy, share and change the database, for any purpose, also commercially"],
        must=[
            "keep its notices, and enclose or link to the licence, with every copy and every changed version",
            "say in works made with it that they contain information from this database",
            "look for the rights in its items: the licence covers the database, not necessarily what is in it",
        ],
        forbids=["sublicense it: everybody has the licence from the licensor"],
    )  # fmt: skip


def pddl() -> Record:
    free = _yes("its rightsholder gave up copyright and database rights in it", "s.3.1")
    return _record(
        "PDDL-1.0", "Open Data Commons Public Domain Dedication & License 1.0",
        "Dédicace au domaine public Open Data Commons 1.0", "PDDL 1.0", _ODC + "pddl/1-0/",
        family="odc", version="1.0", requires=[], database_rights="waived", asks=[], kind="dedication",
        irrevocable=True,
        clauses={"redistribute": "s.3.1", "adapt": "s.3.1"},
        use=free, share=free, adapt=free, privately=free,
        permits=[
            "copy, change and share it for any purpose, also commercially: its rightsholder gave up copyright and"
            " database rights in it",
        ],
        must=[], forbids=[],
    )  # fmt: skip


def cdla() -> Iterator[Record]:
    title, titre = "Community Data License Agreement", "Accord de licence de données communautaires"
    first: Record = {"family": "cdla", "version": "1.0", "database_rights": "licensed"}
    keep = "keep every credit to those who provided the data, as far as they gave one"
    change = "mark files that you changed"
    results = "use and share what you compute from the data, without condition"
    lawsuit = "sue over the data and keep your rights to it"
    common: Record = {
        "use": _yes(_NO_PURPOSE, "s.2.1"),
        "privately": _yes("the conditions begin where you publish", "s.3.1"),
    }
    yield _record(
        "CDLA-Permissive-1.0", f"{title} – Permissive – Version 1.0", f"{titre} – Permissif – Version 1.0",
        "CDLA-Permissive 1.0", "https://cdla.dev/permissive-1-0/",
        **first, **common, mark_modifications="adaptations", requires=_CREDIT, asks=["creators"],
        notice="give recipients the text or the name and address of CDLA-Permissive 1.0, mark the changed files and"
        " keep the credits [s.3.1]; what you compute from it has no condition [s.3.4]",
        clauses={"attribution": "s.3.1(c)", "adapt": "s.3.2", "redistribute": "s.3.1"},
        share=_yes("with this agreement's text or address, and the credits", "s.3.1"),
        adapt=_yes("with this agreement's text or address, changes marked; terms of your own may be added", "s.3.2"),
        permits=["use, change and publish the data, for any purpose, also commercially", results],
        must=["enclose this agreement's text, or its name and address", keep, change],
        forbids=[lawsuit],
    )  # fmt: skip
    yield _record(
        "CDLA-Permissive-2.0", f"{title} – Permissive – Version 2.0", f"{titre} – Permissif – Version 2.0",
        "CDLA-Permissive 2.0", "https://cdla.dev/permissive-2-0/",
        family="cdla", version="2.0", database_rights="unstated", requires=["cc:Notice"], asks=[],
        notice="make the text of CDLA-Permissive 2.0 available with the data [s.2.1]; what you compute from it has no"
        " condition [s.3.1]",
        clauses={"redistribute": "s.2.1", "adapt": "s.1.1"},
        use=_yes(_NO_PURPOSE, "s.1.1"),
        share=_yes("with the text of this agreement", "s.2.1"),
        adapt=_yes("with the text of this agreement", "s.2.1"),
        privately=_yes("the condition begins where you share", "s.2.1"),
        permits=["use, change and share the data, for any purpose, also commercially", results],
        must=["make the text of this agreement available with the data"],
        forbids=[],
    )  # fmt: skip
    yield _record(
        "CDLA-Sharing-1.0",
        f"{title} – Sharing – Version 1.0",
        f"{titre} – Partage – Version 1.0",
        "CDLA-Sharing 1.0",
        "https://cdla.dev/sharing-1-0/",
        **first,
        **common,
        mark_modifications="adaptations",
        requires=[*_CREDIT, "cc:ShareAlike"],
        asks=["creators"],
        works="keep what you compute from it free of more than a small part of the data itself [s.1.11]",
        clauses={"attribution": "s.3.1(c)", "share-alike": "s.3.1(a)", "works": "s.3.5", "downstream": "s.3.3"},
        share=_yes("under this agreement, unmodified, with the credits", "s.3.3"),
        adapt=_if(
            "changed data only under this agreement or a later version of it; what you compute from it under any"
            " licence",
            "s.3.1(a), s.3.5",
        ),
        permits=["use, change and publish the data, for any purpose, also commercially", results],
        must=["publish the data, changed or not, only under this agreement, and enclose it", keep, change],
        forbids=["add restrictions of purpose, platform or field", "keep others from publishing the data", lawsuit],
    )


def etalab() -> Record:
    free = [f"CC-{unit}-{v}" for unit in ("BY", "BY-SA") for v in ("4.0", "3.0", "2.5", "2.0", "1.0")]
    return _record(
        "etalab-2.0", "Etalab Open Licence 2.0", "Licence Ouverte / Open Licence 2.0", "Licence Ouverte 2.0",
        "https://www.etalab.gouv.fr/wp-content/uploads/2018/11/open-licence.pdf",
        family="etalab", version="2.0", requires=["cc:Attribution"], database_rights="licensed",
        asks=["creators", "updated"],
        also=[*free, "ODC-By-1.0", "OGL-UK-3.0", "ODbL-1.0"],
        notice="keep naming the source and the date of its last update",
        clauses={"attribution": "« Sous réserve de »", "compatibility": "« Compatibilité de la présente licence »"},
        use=_yes(_NO_PURPOSE, "« Réutilisation »"),
        share=_yes("with its source and the date of its last update", "« Réutilisation »"),
        adapt=_yes("with its source and the date of its last update", "« Réutilisation »"),
        privately=_yes("with its source and the date of its last update", "« Réutilisation »"),
        permits=["copy, share and change it, for any purpose, also commercially"],
        must=[
            "name its source (at least who provided it) and the date of its last update; a link to the source will do",
            "obey data-protection law where it contains personal data",
        ],
        forbids=[
            "suggest official status or endorsement",
            "mislead about its content, its source or the date of its last update",
        ],
    )  # fmt: skip


def ogl() -> Record:
    source = (
        "acknowledge the source with the provider's own statement, else with the licence's, and link to the licence"
    )
    return _record(
        "OGL-UK-3.0", "Open Government Licence v3.0", "Licence de gouvernement ouvert (Royaume-Uni) v3.0",
        "OGL UK 3.0", "https://www.nationalarchives.gov.uk/doc/open-government-licence/version/3/",
        family="ogl", version="3.0", requires=_CREDIT, database_rights="licensed", asks=["creators"],
        also=["CC-BY-4.0", "ODC-By-1.0"],
        notice=source,
        clauses={"attribution": "“You must”", "compatibility": "“These terms are compatible with”"},
        use=_yes(_NO_PURPOSE, "“You are free to”"),
        share=_yes(source, "“You must”"),
        adapt=_yes(source, "“You must”"),
        privately=_yes(source, "“You must”"),
        permits=["copy, share and change it, for any purpose, also commercially"],
        must=[
            "acknowledge the source with the statement its provider gives, and link to the licence where possible",
            "write, if the provider gives none: Contains public sector information licensed under the Open Government"
            " Licence v3.0",
            "leave out personal data, logos and the rights of others, which it does not cover",
        ],
        forbids=["suggest official status or endorsement"],
    )  # fmt: skip


def free_art() -> Record:
    return _record(
        "LAL-1.3", "Free Art License 1.3", "Licence Art Libre 1.3", "Free Art 1.3", "https://artlibre.org/",
        family="lal", version="1.3", requires=[*_CREDIT, "cc:ShareAlike"], database_rights="unstated",
        asks=["creators"], mark_modifications="always",
        also=["CC-BY-SA-4.0"],
        clauses={"attribution": "art.2.2", "adapt": "art.2.3", "share-alike": "art.2.3(3)", "compatibility": "art.5"},
        use=_yes("copies may be sold or given", "art.2.2"),
        share=_yes("with the licence, every author's name, and where the originals are", "art.2.2"),
        adapt=_if("changed versions only under this licence or one compatible with it", "art.2.3(3)"),
        privately=_yes("the conditions begin where you share it", "art.2.3"),
        permits=["copy, share and change it, for any purpose, also commercially"],
        must=[
            "enclose the licence or say where it is; name every author; say where the originals are",
            "say that it was changed and, if possible, how",
            "share what you make from it only under this licence or one compatible with it (CC BY-SA 4.0 is)",
        ],
        forbids=["make it part of a whole that takes these freedoms away"],
    )  # fmt: skip


def gpl() -> Record:
    return _record(
        "GPL-3.0-only", "GNU General Public License v3.0 only", "Licence publique générale GNU v3.0 uniquement",
        "GPL 3.0 only", "https://spdx.org/licenses/GPL-3.0-only.html", legalcode="https://www.gnu.org/licenses/gpl-3.0.html",
        family="gpl", version="3.0", requires=["cc:Notice", "cc:ShareAlike", "cc:SourceCode"],
        database_rights="unstated", asks=[], mark_modifications="always", cure_days=30, irrevocable=True,
        clauses={"redistribute": "s.4", "adapt": "s.5", "share-alike": "s.5(c)", "downstream": "s.10"},
        use=_yes("any price, or none, may be charged", "s.4"),
        share=_yes("with its notices, this licence and the source", "s.4"),
        adapt=_if("the whole changed work only under GPL 3.0, with its source", "s.5(c)"),
        privately=_yes("what is not conveyed has no conditions", "s.2"),
        permits=["run, copy, share and change it, for any purpose, also commercially"],
        must=[
            "keep its notices, enclose the licence, and offer the source in the form preferred for changing it",
            "say that you changed it and when; share the whole changed work only under GPL 3.0",
        ],
        forbids=["impose further restrictions, royalties or patent claims"],
    )  # fmt: skip
