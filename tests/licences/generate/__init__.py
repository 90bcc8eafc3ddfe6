"""Where the files of `licences/data` and `licences/texts` come from: programs of the repository, not installed.

Run by hand: `npm pack spdx-license-list@6.12.0`, unpack it, `python -m tests.licences.generate.write package`.

Records: the rule over Creative Commons' licence elements, versions and ports (`licences.rule`) for those that SPDX
names (`elements`), and ten records written from the licences' own texts (`neighbours`). The rest of SPDX's list, by
name only: `spdx`, and where they live: `addresses`. The table of ports, `_ports.json`, was written by hand from the
sources that it names.

Texts: npm's `spdx-license-list`, a CC0-1.0 collection made from github.com/spdx/license-list-data; every id and
legal-code address is compared with that package before it is written.
"""

from __future__ import annotations

from typing import Any

from tests.licences.generate import elements, neighbours

TEXTS = (
    *(f"CC-{unit}-4.0" for unit in ("BY", "BY-SA", "BY-NC", "BY-NC-SA", "BY-ND", "BY-NC-ND")),
    "CC0-1.0",
    "ODbL-1.0",
    "ODC-By-1.0",
    "PDDL-1.0",
)


def records() -> dict[str, dict[str, Any]]:
    """Every record by id, without the hash of its text."""
    return {record["id"]: record for record in (*elements.records(), *neighbours.records())}
