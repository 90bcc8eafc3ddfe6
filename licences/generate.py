"""Make data/*.json and texts/*.txt. Run by hand: `python -m licences.generate SPDX_FOLDER`.

Source of names and texts: the npm package `spdx-license-list` 6.12.0 (CC0-1.0), its folder `licenses/`. Everything else
follows from the rule in this file: a Creative Commons licence is its elements and its version.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
UNITS = ("BY", "BY-SA", "BY-NC", "BY-ND", "BY-NC-SA", "BY-NC-ND")
VERSIONS = ("1.0", "2.0", "2.5", "3.0", "4.0")
PORTS = (  # those that SPDX names
    "BY-2.5-AU", "BY-3.0-AT", "BY-3.0-AU", "BY-3.0-DE", "BY-3.0-IGO", "BY-3.0-NL",
    "BY-3.0-US", "BY-NC-3.0-DE", "BY-NC-3.0-IGO", "BY-NC-ND-3.0-DE", "BY-NC-ND-3.0-IGO", "BY-NC-SA-2.0-DE",
    "BY-NC-SA-2.0-FR", "BY-NC-SA-2.0-UK", "BY-NC-SA-3.0-DE", "BY-NC-SA-3.0-IGO", "BY-ND-3.0-DE", "BY-SA-2.0-UK",
    "BY-SA-2.1-JP", "BY-SA-3.0-AT", "BY-SA-3.0-DE", "BY-SA-3.0-IGO",
)  # fmt: skip
FRENCH = {"BY": "Attribution", "NC": "Pas d’Utilisation Commerciale", "ND": "Pas de Modification",
          "SA": "Partage dans les Mêmes Conditions"}  # fmt: skip
# id: (canonical URL, family, elements of like effect, kind)
NEIGHBOURS = {
    "ODbL-1.0": ("https://opendatacommons.org/licenses/odbl/1-0/", "odc", ("BY", "SA"), "licence"),
    "ODC-By-1.0": ("https://opendatacommons.org/licenses/by/1-0/", "odc", ("BY",), "licence"),
    "PDDL-1.0": ("https://opendatacommons.org/licenses/pddl/1-0/", "odc", (), "dedication"),
    "CDLA-Permissive-1.0": ("https://cdla.dev/permissive-1-0/", "cdla", ("BY",), "licence"),
    "CDLA-Permissive-2.0": ("https://cdla.dev/permissive-2-0/", "cdla", (), "licence"),
    "CDLA-Sharing-1.0": ("https://cdla.dev/sharing-1-0/", "cdla", ("BY", "SA"), "licence"),
    "etalab-2.0": ("https://www.etalab.gouv.fr/licence-ouverte-open-licence/", "government", ("BY",), "licence"),
    "OGL-UK-3.0": ("https://www.nationalarchives.gov.uk/doc/open-government-licence/version/3/", "government", ("BY",),
                   "licence"),
}  # fmt: skip
TEXTS = (*(f"CC-{unit}-4.0" for unit in UNITS), "CC0-1.0", "ODbL-1.0", "ODC-By-1.0", "PDDL-1.0")


def rule(elements: tuple[str, ...]) -> dict[str, list[str]]:
    """What elements permit, require and prohibit, in ccREL terms."""
    return {
        "permits": ["Reproduction", "Distribution", *([] if "ND" in elements else ["DerivativeWorks"])],
        "requires": (["Notice", "Attribution"] if "BY" in elements else [])
        + (["ShareAlike"] if "SA" in elements else []),
        "prohibits": ["CommercialUse"] if "NC" in elements else [],
    }


def cc(name: str) -> dict[str, Any]:
    """The licence CC-{name}, where name is UNIT-VERSION or UNIT-VERSION-PORT."""
    parts = name.split("-")
    at = next(n for n, part in enumerate(parts) if part[0].isdigit())
    elements, version, port = tuple(parts[:at]), parts[at], "-".join(parts[at + 1 :]).lower()
    unit = "-".join(elements).lower()
    path = "by-nd-nc" if (unit, version) == ("by-nc-nd", "1.0") else unit
    url = f"https://creativecommons.org/licenses/{path}/{version}/" + (f"{port}/" if port else "")
    where = f" {port.upper()}" if port else " International" if version == "4.0" else ""
    return {
        "id": f"CC-{name}", "short": f"CC {unit.upper()} {version}" + (f" {port.upper()}" if port else ""),
        "name_fr": f"Creative Commons {' - '.join(FRENCH[e] for e in elements)} {version}{where}",
        "url": url, "legalcode": f"{url}legalcode", "kind": "licence", "family": "cc", "elements": list(elements),
        "version": version, "jurisdiction": port or None, **rule(elements),
        "title_required": version < "4.0", "database_rights": version == "4.0",
    }  # fmt: skip


def rows() -> Iterator[dict[str, Any]]:
    """Every licence without its name, which SPDX gives."""
    for version in VERSIONS:
        for unit in UNITS:
            yield cc(f"{unit}-{version}")
    for name in PORTS:
        yield cc(name)
    for ident, path, kind in (("CC0-1.0", "zero", "dedication"), ("CC-PDM-1.0", "mark", "mark")):
        url = f"https://creativecommons.org/publicdomain/{path}/1.0/"
        yield {
            "id": ident, "short": "CC0 1.0" if kind == "dedication" else "PDM 1.0",
            "name_fr": "CC0 1.0 Universel" if kind == "dedication" else "Marque du Domaine Public 1.0", "url": url,
            "legalcode": f"{url}legalcode" if kind == "dedication" else url, "kind": kind, "family": "cc",
            "elements": [], "version": "1.0", "jurisdiction": None, **rule(()), "title_required": False,
            "database_rights": kind == "dedication",
        }  # fmt: skip
    for ident, (url, family, elements, kind) in NEIGHBOURS.items():
        yield {
            "id": ident, "short": ident, "name_fr": None, "url": url, "legalcode": url, "kind": kind, "family": family,
            "elements": list(elements), "version": ident.rpartition("-")[2], "jurisdiction": None, **rule(elements),
            "title_required": False, "database_rights": family in ("odc", "cdla"),
        }  # fmt: skip


def main(spdx: Path) -> None:
    names = {path.stem: json.loads(path.read_text()) for path in spdx.glob("*.json")}
    for row in rows():
        known = names.get(row["id"])
        name = " ".join(known["name"].split()) if known else f"Creative Commons {row['short'].removeprefix('CC ')}"
        data = {"id": row["id"], "name": name, **{k: v for k, v in row.items() if k != "id"}}
        (HERE / "data" / f"{row['id']}.json").write_text(json.dumps(data, indent=1, ensure_ascii=False) + "\n")
    for ident in TEXTS:
        (HERE / "texts" / f"{ident}.txt").write_text(names[ident]["licenseText"].rstrip() + "\n")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
