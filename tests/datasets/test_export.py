"""An exported dataset, whole, before the validators of those who made the formats: all accept it, and each finds what
is its own to find."""

from __future__ import annotations

import importlib
import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import LIMIT, Start
from tests.metadata import crate_cache, test_croissant, test_datapackage, test_reuse
from tests.metadata.test_bagit import accepted as bag_accepted
from tests.metadata.test_citation import accepted as citation_accepted

FORMATS = ["croissant", "ro-crate", "datapackage", "dcat", "datacite", "citation", "reuse"]


@pytest.fixture
async def exported(start: Start, folder: Path, tmp_path: Path) -> Path:
    """A dataset with two licences, exported in every format beside its files; and below data/ in a bag."""
    alice = await start("alice", listen=())
    header = "# SPDX-FileCopyrightText: 2026 Zoë\n# SPDX-License-Identifier: CC0-1.0\n"
    (folder / "plot.py").write_text(f"{header}print()\n")
    reference = await alice.publish(
        folder, licence="CC-BY-4.0", creators=["Ana Diaz <https://orcid.org/0000-0002-1825-0097>"],
        organisations=["River watch <https://ror.org/02mhbdp94>"], description="Lengths of rivers, in km.",
        keywords=["rivers"], source_url="https://rivers.example/", identifier="10.5281/zenodo.1234567",
    )  # fmt: skip
    for name, formats in (("out", FORMATS), ("bag", [*FORMATS, "bagit"])):
        await alice.desk.export(dataset=reference, dest=str(tmp_path / name), formats=formats)
    return tmp_path / "out"


def crate_faults(folder: Path, room: Path) -> list[object]:
    for package in ("rocrate_validator", "rocrate", "requests_cache"):
        importlib.import_module(package)
    crate_cache.seed(room / "cache")
    script = "from rocrate_validator.cli import cli; cli()"
    said = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", script, "-y", "validate", "--offline", "--cache-path",
         str(room / "cache"), "-f", "json", "-o", str(room / "report.json"), str(folder)],
        cwd=room, capture_output=True, text=True, timeout=LIMIT, check=False,
    )  # fmt: skip
    report = json.loads((room / "report.json").read_text())
    assert report["passed"] == (said.returncode == 0)
    return list(report["issues"])


@pytest.mark.validators
async def test_every_validator_accepts_it_and_finds_what_is_its_to_find(exported: Path, tmp_path: Path) -> None:
    bag = tmp_path / "bag"
    assert bag_accepted(bag)
    code, report = test_datapackage.validate(exported)
    assert (code, report["valid"], report["warnings"]) == (0, True, [])
    assert test_reuse.lint(exported)["summary"]["compliant"]
    assert citation_accepted(exported, (exported / "CITATION.cff").read_bytes())
    code, said = test_croissant.run("validate", "--jsonld", "croissant.json", folder=exported)
    assert (code, "WARNING" in said) == (0, False), said
    shutil.rmtree(exported / "cache", ignore_errors=True)
    table = json.loads((exported / "croissant.json").read_text())["recordSet"]["@id"]
    load = ("load", "--jsonld", "croissant.json", "--record_set", table, "--num_records", "3")
    code, said = test_croissant.run(*load, folder=exported)
    assert (code, "river 0" in said) == (0, True), said
    assert crate_faults(exported, tmp_path) == []

    rivers = exported / "rivers.csv"
    for file in (rivers, bag / "data" / "rivers.csv"):
        data = bytearray(file.read_bytes())
        data[-2] ^= 1
        file.write_bytes(data)
    assert not bag_accepted(bag)
    assert test_datapackage.validate(exported)[1]["valid"] is False
    shutil.rmtree(exported / "cache", ignore_errors=True)
    assert test_croissant.run(*load, folder=exported)[0] != 0
    assert test_reuse.lint(exported)["summary"]["compliant"]  # which knows nothing of bytes

    (exported / "LICENSES" / "CC0-1.0.txt").unlink()
    assert not test_reuse.lint(exported)["summary"]["compliant"]
