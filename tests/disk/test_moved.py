"""Homes that an older version made, kept in tests/vectors/homes: opened here, they are moved, whole, and lose nothing.

schema0.zip: `coop` keeps the log of a community; `cleo`, of it, published in a log of her own and said a word about the
clock; `ben` was chosen to keep the community's log, which waits for his next start; in `ben2` that start has come.
"""

from __future__ import annotations

import json
import os
import shutil
import sqlite3
import zipfile
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from commons.disk import kept, sql
from commons.disk.home import Home
from commons.disk.resumption import files
from commons.errors import StorageFailed
from commons.node.node import Node
from tests.conftest import Desk, frozen
from tests.crash_driver import die_at, in_child
from tests.rows import few

ARCHIVE = Path(__file__).parent.parent / "vectors" / "homes" / "schema0.zip"
NAMES = ("coop", "ben", "ben2", "cleo")


@pytest.fixture
def old(tmp_path: Path) -> Path:
    """The folder of those homes."""
    with zipfile.ZipFile(ARCHIVE) as archive:
        archive.extractall(tmp_path / "old")
    for each in (tmp_path / "old").rglob("*"):
        each.chmod(0o700 if each.is_dir() else 0o600)
    return tmp_path / "old"


@pytest.fixture
def said(old: Path) -> dict[str, Any]:
    """What is in them."""
    found: dict[str, Any] = json.loads((old / "said.json").read_text())
    return found


async def _looked(home: Home) -> dict[str, Any]:
    async with Node(home) as node:
        desk = Desk(node)
        audits = {commons: await desk.audit(commons=commons) for commons in home.kept}
        held = (await desk.datasets())["datasets"]
        return {"audits": audits, "held": held, "status": await desk.status()}


def entries(home: Home) -> dict[str, int]:
    return {commons: each.log.size for commons, each in home.kept.items()}


async def test_an_older_home_is_opened_with_all_that_is_in_it(old: Path, said: dict[str, Any]) -> None:
    sizes = said["entries"]
    logs = {
        "coop": {said["coop"]: sizes["coop"] - 1},  # without the entry by which Ben goes on
        "cleo": {said["cleo"]: sizes["cleo"]},
        "ben": {said["coop"]: sizes["coop"], said["ben"]: 1},
        "ben2": {said["coop"]: sizes["coop"], said["ben"]: 1},
    }
    for name in NAMES:
        for _ in range(2):  # and it stays so
            with Home(old / name) as home:
                found = await _looked(home)
                assert entries(home) == logs[name]
                assert home.first.commons == (said["cleo"] if name == "cleo" else said["coop"])
                assert home.damage() == []
            assert all(each["faults"] == [] for each in found["audits"].values())
            community = found["audits"].get(said["coop"])
            if community is not None:  # who asked for what was readable, and is
                assert [(each["who"], each["details"]) for each in community["rows"]] == [(said["peer"], "for the map")]
            if name == "cleo":
                assert [each["who"] for each in found["audits"][said["cleo"]]["rows"]] == [said["benpeer"]]
                assert {each["title"] for each in found["held"]} == {"Rivers", "Lakes"}
                assert [each["outcome"] for each in found["status"]["my_requests"]] == ["receipted"]
        left = {each.name for each in (old / name).iterdir()}
        assert not [each for each in left if each.startswith(("log", "cosigned", "notes"))]
        assert {sql.version(each) for each in (old / name).glob("*.db")} == {1}  # older versions refuse it


async def test_the_owners_words_lie_beside_the_log_they_are_about(old: Path, said: dict[str, Any]) -> None:
    with Home(old / "cleo") as home:
        word = home.word(said["coop"])
        assert word is not None
        assert word.logged > 0
        assert home.word(said["cleo"]) is None


@pytest.mark.parametrize("name", few(NAMES, 4))
def test_a_move_that_is_killed_anywhere_goes_on_and_loses_nothing(old: Path, tmp_path: Path, name: str) -> None:
    with Home(old / name) as home:
        whole, first = entries(home), home.first.commons
    shutil.rmtree(old)
    for step in range(1, 60):
        path = tmp_path / f"killed{step}"
        with zipfile.ZipFile(ARCHIVE) as archive:
            archive.extractall(path)
        for each in path.rglob("*"):
            each.chmod(0o700 if each.is_dir() else 0o600)

        def work(path: Path = path, step: int = step) -> None:
            die_at(step, also=((os, "rename"), (os, "mkdir")))
            Home(path / name).close()

        code = in_child(work)
        with Home(path / name) as home:
            assert (entries(home), home.first.commons) == (whole, first)
            assert all(each.log.broken is None for each in home.kept.values()) or name == "coop"
        shutil.rmtree(path)
        if code == 0:
            assert step > 8
            return
    raise AssertionError("it never ended")


def test_a_disk_that_fills_leaves_the_older_home_as_it_was(
    old: Path, said: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(28, "no space left on device")

    for name in ("mkdir", "rename"):
        with monkeypatch.context() as patch:
            patch.setattr(os, name, full)
            with pytest.raises(StorageFailed, match="disk full"):
                Home(old / "coop")
        assert (old / "coop" / "log.db").exists()
    with Home(old / "coop") as home:
        assert (home.first.log.broken, home.first.log.size) == (None, said["entries"]["coop"] - 1)


def test_an_older_home_that_cannot_be_written_says_what_to_do(old: Path) -> None:
    with frozen(old / "coop"), pytest.raises(StorageFailed, match="made by an older version") as caught:
        Home(old / "coop")
    assert "cp -a" in caught.value.hint
    Home(old / "coop").close()


def test_an_older_log_that_is_damaged_is_told_and_stays(old: Path) -> None:
    path = old / "coop" / "log.db"
    path.write_bytes(whole := b"SQLite format 3\0" + bytes(4000))
    for _ in range(2):
        with pytest.raises(StorageFailed):
            Home(old / "coop")
    assert path.read_bytes() == whole


def test_a_log_that_went_on_without_asking_still_does_when_it_has_been_moved(old: Path, said: dict[str, Any]) -> None:
    """What a move changes of a file is no sign of a restore."""
    path = old / "coop"
    with closing(sqlite3.connect(path / "notes.db")) as db:
        (row,) = db.execute("SELECT said FROM marks WHERE kind = 'resumed'").fetchone()
        mark = {**json.loads(row), "files": files(path / "log.db")}
        db.execute(
            "UPDATE marks SET said = ?, time = strftime('%s', 'now') WHERE kind = 'resumed'", (json.dumps(mark),)
        )
        db.commit()
    with Home(path) as home:
        assert (home.first.resumption.unmoved, home.first.resumption.free) == (True, True)
    other = old / "cleo"
    with Home(other) as home:  # of which nobody noted these files
        assert not home.first.resumption.unmoved
    assert (other / "commons" / said["cleo"] / kept.LOG).exists()
