"""Licences of data that SPDX's list lacks, by name only: the older ones of families whose later ones it has, mostly.

Without them a name that leaves its version open would be answered with the later one alone. Their ids are made like
SPDX's, and written as a LicenseRef where SPDX's syntax is needed, as those of Creative Commons' ports are.
"""

from __future__ import annotations

from typing import Final

from licences.licence import Adaptation, Licence, Plain

_KNOWN: Final = {  # id: name, French name, address
    "DL-DE-BY-1.0": (
        "Data licence Germany – attribution – version 1.0", "Licence de données Allemagne – attribution – version 1.0",
        "https://www.govdata.de/dl-de/by-1-0",
    ),
    "DL-DE-BY-NC-1.0": (
        "Data licence Germany – attribution – non-commercial – version 1.0",
        "Licence de données Allemagne – attribution – non commerciale – version 1.0",
        "https://www.govdata.de/dl-de/by-nc-1-0",
    ),
    "DbCL-1.0": (
        "Open Data Commons Database Contents License v1.0", "Licence de contenus de base de données DbCL 1.0",
        "https://opendatacommons.org/licenses/dbcl/1-0/",
    ),
    "IODL-1.0": ("Italian Open Data License v1.0", "Licence italienne de données ouvertes 1.0",
                 "https://www.formez.it/iodl/"),
    "IODL-2.0": ("Italian Open Data License v2.0", "Licence italienne de données ouvertes 2.0",
                 "https://www.dati.gov.it/iodl/2.0/"),
    "etalab-1.0": (
        "Etalab Open Licence 1.0", "Licence Ouverte / Open Licence 1.0",
        "https://www.etalab.gouv.fr/wp-content/uploads/2014/05/Licence_Ouverte.pdf",
    ),
}  # fmt: skip


def names() -> dict[str, str]:
    """The names of these licences, by id."""
    return {id: name for id, (name, _, _) in _KNOWN.items()}


def addresses() -> dict[str, str]:
    """The address of each of these licences, by id."""
    return {id: url for id, (_, _, url) in _KNOWN.items()}


def licence(id: str) -> Licence | None:
    """The licence of exactly this id, without terms; None where there is none."""
    if id not in _KNOWN:
        return None
    name, name_fr, url = _KNOWN[id]
    return Licence(
        id=id, name=name, name_fr=name_fr, short=id, url=url, legalcode=url, kind="other", family="other",
        adaptation=Adaptation(share=False, private=False),
        sentences=Plain((), (f"read the text of {id} at {url}: this library knows its name and not its terms",), ()),
    )  # fmt: skip
