"""Making a home deletes nothing of one that lies there, whole or in part: it goes on, or says what is in the way."""

from __future__ import annotations

import shutil
import time
from itertools import chain, combinations
from pathlib import Path

import pytest

from commons.core.crypto import envelope, ids
from commons.core.dataset.rule import Rule
from commons.core.state.entries import PUBLISH, Publish
from commons.disk import home
from commons.disk.home import Home
from commons.disk.records import record
from commons.errors import CommonsError, Conflict
from tests.conftest import log_folder

PARTS = ("seed", "commons", "shelf.db", "packs", "config.json", "deposits.db")


def create(path: Path, name: str = "river watch") -> None:
    home.create(path, home.personal(name, "members", int(time.time())), {})


def contents(path: Path) -> dict[str, bytes]:
    """Every file of a folder that could be lost."""
    return {
        str(found.relative_to(path)): found.read_bytes()
        for found in path.rglob("*") if found.is_file() and found.name != "lock" and not found.name.endswith("-shm")
    }  # fmt: skip


@pytest.fixture
def used(tmp_path: Path) -> Path:
    """A home in whose log and folders there is something, closed."""
    path = tmp_path / "used"
    create(path)
    with Home(path) as opened:
        said = Publish(
            commons=opened.first.commons, time=opened.first.log.state.time, manifest=ids.cid(b"x"), series=bytes(16),
            version=1, title="t", licence="CC0-1.0", terms=bytes(32), rule=Rule(kind="acknowledge"), purposes=(),
            grant_days=None, epoch=0,
        )  # fmt: skip
        entry = envelope.open(PUBLISH, Publish, envelope.sign(PUBLISH, said, opened.keys.identity))
        opened.first.log.append(lambda _state, _index, _now: [record(entry)]).result()
        opened.shelf.add_peer("x")
        (path / "packs" / bytes(32).hex()).write_bytes(b"sealed")
    return path


@pytest.mark.parametrize("parts", list(chain(*(combinations(PARTS, n) for n in range(1, len(PARTS))))), ids="+".join)
def test_a_folder_that_holds_any_part_of_a_home_keeps_all_of_it(
    used: Path, tmp_path: Path, parts: tuple[str, ...]
) -> None:
    path = tmp_path / "restored"
    path.mkdir()
    for part in parts:
        (shutil.copytree if (used / part).is_dir() else shutil.copy)(used / part, path / part)
    before = contents(path)
    if parts == ("seed",):  # of which a new commons begins, under the same identity
        create(path)
        assert (path / "seed").read_bytes() == before["seed"]
        return
    with pytest.raises(Conflict) as told:
        create(path)
    assert told.value.hint
    assert contents(path) == before


def test_a_log_beside_its_seed_is_named_and_goes_on_once_its_settings_are_back(used: Path, tmp_path: Path) -> None:
    path = tmp_path / "restored"
    path.mkdir()
    shutil.copy(used / "seed", path / "seed")
    shutil.copytree(used / "commons", path / "commons")
    for name in ("river watch", "another"):
        with pytest.raises(Conflict, match="'river watch' with 2 entries") as told:
            create(path, name)
        assert "config.json" in told.value.hint
    (path / "config.json").write_text("{}")
    with Home(used) as old, Home(path) as opened:
        assert (opened.first.commons, opened.first.log.size) == (old.first.commons, 2)


def test_the_log_that_a_crash_left_begun_is_gone_on_with_and_not_made_anew(tmp_path: Path) -> None:
    path = tmp_path / "begun"
    create(path)
    (path / "config.json").unlink()
    with pytest.raises(Conflict, match="'river watch' with 1 entr"):
        create(path, "another name")
    before = (log_folder(path) / "log.db").read_bytes()
    create(path)
    with Home(path) as opened:
        assert opened.first.log.size == 1
    assert (log_folder(path) / "log.db").read_bytes() == before


@pytest.mark.parametrize("name", ["log.db", "log.db-wal"])
def test_a_file_that_is_no_log_but_has_its_name_stays(used: Path, tmp_path: Path, name: str) -> None:
    path = tmp_path / "odd"
    path.mkdir()
    shutil.copy(used / "seed", path / "seed")
    shutil.copytree(used / "commons", path / "commons")
    if name != "log.db":
        (log_folder(path) / "log.db").rename(log_folder(path) / name)
    file = next(path.glob(f"commons/*/{name}"))
    file.write_bytes(b"neither a database nor a journal" * 200)
    before = contents(path)
    with pytest.raises(CommonsError):
        create(path)
    assert contents(path) == before


def test_the_log_of_another_seed_is_not_taken_and_stays(used: Path, tmp_path: Path) -> None:
    other = tmp_path / "other"
    create(other)
    path = tmp_path / "mixed"
    path.mkdir()
    shutil.copy(other / "seed", path / "seed")
    shutil.copytree(used / "commons", path / "commons")
    before = contents(path)
    with pytest.raises(Conflict, match="key"):
        create(path)
    assert contents(path) == before
