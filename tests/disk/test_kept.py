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

PARTS = ("seed", "log.db", "shelf.db", "packs", "config.json", "deposits.db")


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
            commons=opened.first.commons, time=opened.first.log.state.time, manifest=ids.cid(b"x"), series=bytes(16), version=1,
            title="t", licence="CC0-1.0", terms=bytes(32), rule=Rule(kind="acknowledge"), purposes=(), grant_days=None,
            epoch=0,
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
    for part in ("seed", "log.db"):
        shutil.copy(used / part, path / part)
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
    before = (path / "log.db").read_bytes()
    create(path)
    with Home(path) as opened:
        assert opened.first.log.size == 1
    assert (path / "log.db").read_bytes() == before


@pytest.mark.parametrize("name", ["log.db", "log.db-wal"])
def test_a_file_that_is_no_log_but_has_its_name_stays(used: Path, tmp_path: Path, name: str) -> None:
    path = tmp_path / "odd"
    path.mkdir()
    shutil.copy(used / "seed", path / "seed")
    (path / name).write_bytes(b"neither a database nor a journal" * 200)
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
    shutil.copy(used / "log.db", path / "log.db")
    before = contents(path)
    with pytest.raises(Conflict, match="key"):
        create(path)
    assert contents(path) == before


# -- a log that takes another's place ----------------------------------------------------------------------------------


def test_logs_that_are_put_aside_are_put_beside_each_other(used: Path) -> None:
    """Wherever a crash comes in between: the next start goes on, and no file is written over."""
    for n in range(1, 4):
        for name, word in (("log.next.db", b"next %d"), ("cosigned.db", b"lines %d")):
            (used / name).write_bytes(word % n)
        (used / "log.db-wal").write_bytes(b"journal %d" % n)
        home._take_over(used)
        assert (used / "log.db").read_bytes() == b"next %d" % n
        assert not (used / "log.db-wal").exists()
    aside = {name: data for name, data in contents(used).items() if ".before." in name}
    assert aside.pop("log.before.2.db").startswith(b"SQLite format 3")
    assert aside == {
        "log.before.db": b"next 2", "log.before.db-wal": b"journal 3", "cosigned.before.db": b"lines 3",
        "log.before.3.db": b"next 1", "log.before.3.db-wal": b"journal 2", "cosigned.before.3.db": b"lines 2",
        "log.before.2.db-wal": b"journal 1", "cosigned.before.2.db": b"lines 1",
    }  # fmt: skip


def test_a_crash_anywhere_while_logs_change_places_loses_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    names = ("log.db", "log.db-wal", "cosigned.db", "cosigned.db-wal", "log.before.db", "log.before.db-wal",
             "cosigned.before.db", "log.next.db")  # fmt: skip
    real = home.os.replace
    for step in range(10):
        path = tmp_path / str(step)
        path.mkdir()
        for name in names:
            (path / name).write_text(name)
        left = [step]

        def replace(old: Path, new: Path, left: list[int] = left) -> None:
            if not left[0]:
                raise KeyboardInterrupt
            left[0] -= 1
            assert not new.exists()
            real(old, new)

        with monkeypatch.context() as patch:
            patch.setattr(home.os, "replace", replace)
            try:
                home._take_over(path)
                assert step >= 8
            except KeyboardInterrupt:
                pass
        home._take_over(path)
        assert {name: (path / name).read_text() for name in sorted(p.name for p in path.iterdir())} == {
            "log.db": "log.next.db", "log.before.db": "log.db", "log.before.db-wal": "log.db-wal",
            "cosigned.before.db": "cosigned.db", "cosigned.before.db-wal": "cosigned.db-wal",
            "log.before.2.db": "log.before.db", "log.before.2.db-wal": "log.before.db-wal",
            "cosigned.before.2.db": "cosigned.before.db",
        }  # fmt: skip
