"""National and organisational versions ("ports") of Creative Commons' licences: which there are, and their names.

From one table by rule: whoever made a port of a version made one of all six licences. Knows no text of any of them.
"""

from __future__ import annotations

import re
from functools import cache
from typing import Final

from licences.files import ids, table

_ID: Final = re.compile(r"CC-(?P<unit>BY(?:-NC)?(?:-SA|-ND)?)-(?P<version>\d\.\d)-(?P<jurisdiction>[A-Z]+)", re.ASCII)
_UNITS: Final = ("BY", "BY-SA", "BY-NC", "BY-NC-SA", "BY-ND", "BY-NC-ND")


@cache
def names() -> dict[str, tuple[str, str]]:
    """English and French name by code: ISO 3166's, but UK for England and Wales, SCOTLAND, and IGO."""
    return {code: (english, french) for code, (english, french) in table("_ports")["names"].items()}


@cache
def _made() -> dict[str, frozenset[str]]:
    return {version: frozenset(codes.split()) for version, codes in table("_ports")["versions"].items()}


def exists(id: str) -> bool:
    """Whether Creative Commons made the port of this id, with an SPDX id or without."""
    found = _ID.fullmatch(id)
    return found is not None and found["jurisdiction"] in _made().get(found["version"], ())


def ports() -> tuple[str, ...]:
    """The ids of all ports, sorted."""
    return tuple(
        sorted(f"CC-{unit}-{version}-{code}" for version, codes in _made().items() for code in codes for unit in _UNITS)
    )


def of(unit: str, jurisdiction: str) -> tuple[str, ...]:
    """The ids of one licence's ports of one jurisdiction, newest first; of its own versions where that is ""."""
    if not jurisdiction:
        return tuple(sorted((id for id in ids() if id.rpartition("-")[0] == f"CC-{unit}"), reverse=True))
    versions = sorted((version for version, codes in _made().items() if jurisdiction in codes), reverse=True)
    return tuple(f"CC-{unit}-{version}-{jurisdiction}" for version in versions if unit in _UNITS)


def numbered(unit: str, version: str) -> tuple[str, ...]:
    """The ids of one licence's ports of one version."""
    return tuple(f"CC-{unit}-{version}-{code}" for code in sorted(_made().get(version, ())))
