"""The examples are small, whole, and say under which licence and from where they come."""

from __future__ import annotations

import csv
import re
from pathlib import Path

import pytest

import licences
from commons import examples

FOLDERS = sorted(p.name for p in Path(examples.__file__).parent.iterdir() if (p / "SOURCE.md").is_file())


def stated(name: str, field: str) -> str:
    found = re.search(rf"^\* {field}: ([^,\n]+)", (examples.path(name) / "SOURCE.md").read_text("utf-8"), re.MULTILINE)
    assert found, f"{name} does not state its {field}"
    return found[1].strip()


def test_there_are_six() -> None:
    assert {name: licences.resolve(stated(name, "Licence")).id for name in FOLDERS} == {
        "caniuse": "CC-BY-4.0",
        "health": "CC0-1.0",
        "housing": "CC-BY-4.0",
        "openmoji": "CC-BY-SA-4.0",
        "penguins": "CC0-1.0",
        "rides": "ODbL-1.0",
    }


@pytest.mark.parametrize("name", FOLDERS)
def test_each_is_small_flat_and_names_creators_and_source(name: str) -> None:
    files = [path for path in examples.path(name).rglob("*") if path.is_file()]
    assert len(files) > 2
    assert sum(path.stat().st_size for path in files) < 300_000
    assert all(path.parent == examples.path(name) for path in files)  # package data is one folder deep
    assert stated(name, "Creators")
    assert stated(name, "Source")


def rows(name: str, file: str) -> list[dict[str, str]]:
    with (examples.path(name) / file).open(encoding="utf-8", newline="") as opened:
        return list(csv.DictReader(opened))


def test_the_tables_have_the_rows_they_say() -> None:
    assert len(rows("penguins", "penguins.csv")) == 344
    assert len(rows("caniuse", "features.csv")) == 554
    animals = rows("openmoji", "animals.csv")
    assert len(animals) == 160
    assert len(rows("rides", "trips.csv")) == 300
    assert len(rows("housing", "occupancy.csv")) == 12 * 12
    assert len(rows("health", "cohort.csv")) == 60
    birds = {row["hexcode"] for row in animals if row["subgroups"] == "animal-bird"}
    assert birds == {path.stem for path in examples.path("openmoji").glob("*.svg")}


def test_no_other_example_is_found() -> None:
    for name in ("nothing", "", "..", "__pycache__"):
        with pytest.raises(LookupError):
            examples.path(name)
