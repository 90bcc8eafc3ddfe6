"""Write `licences/data/_addresses.json` from PyPI's `reuse` (its copy of SPDX's list, CC0-1.0): where licences live.

Run by hand: `pip install reuse==6.2.0`, `python -m tests.licences.generate.addresses`.
"""

from __future__ import annotations

import json
import re
from importlib.metadata import version
from importlib.resources import files
from pathlib import Path
from typing import Any

import licences
from licences import spdx


def table(listed: dict[str, Any], number: str) -> dict[str, Any]:
    """Host and path by id, without those of the licences that have a file here; a part of a page with its "#"."""
    known = {*spdx.names(), "GPL-3.0-only"}
    found = {
        entry["licenseId"]: sorted({_place(url) for url in entry["seeAlso"]})
        for entry in listed["licenses"]
        if not entry["isDeprecatedLicenseId"] and entry["licenseId"] in known
    }
    return {
        "source": f"PyPI `reuse` {number}, which ships SPDX's list {listed['licenseListVersion']} (CC0-1.0): the"
        " addresses it gives for each licence; written by tests/licences/generate/addresses.py",
        "addresses": {id: places for id, places in sorted(found.items()) if places},
    }


def _place(url: str) -> str:
    return re.sub(r"^https?://(?:www\.)?", "", url.strip().lower()).rstrip("/")


def listed() -> dict[str, Any]:
    found: dict[str, Any] = json.loads((files("reuse") / "resources" / "licenses.json").read_text("utf-8"))
    return found


def main(out: Path) -> None:
    out.write_text(json.dumps(table(listed(), version("reuse")), ensure_ascii=False, indent=0) + "\n", "utf-8")


if __name__ == "__main__":
    main(Path(licences.__file__).parent / "data" / "_addresses.json")
