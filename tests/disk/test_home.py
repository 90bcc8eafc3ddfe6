"""A home: who holds it, what is secret in it, how it is told that it is broken, and kill -9 while it is made."""

from __future__ import annotations

import os
import shutil
import signal
import sqlite3
import threading
import time
from collections.abc import Callable
from contextlib import closing
from itertools import count
from pathlib import Path

import pytest

from commons.disk import home, settings
from commons.disk.home import Home
from commons.errors import Busy, CommonsError, Conflict, Malformed, NotFound, StorageFailed
from tests.conftest import MakeHome, frozen, held, log_folder
from tests.crash_driver import die_at, in_child, told
from tests.rows import one_in


def create(path: Path) -> None:
    home.create(path, home.personal("river watch", "members", int(time.time())), {"answer": 42})


def whole(path: Path) -> str:
    """The commons of a home that opens and can be written."""
    with Home(path) as opened:
        assert opened.config == {"answer": 42, "commons": opened.first.commons}
        assert (opened.first.log.size, opened.first.log.broken) == (1, None)
        assert {p.name for p in path.iterdir() if p.suffix == ".new"} == set()
        return opened.first.commons


# -- making one -----------------------------------------------------------------------------------------------------


def test_a_home_is_made_once(tmp_path: Path) -> None:
    create(tmp_path / "a" / "home")
    commons = whole(tmp_path / "a" / "home")
    with pytest.raises(Conflict, match="already"):
        create(tmp_path / "a" / "home")
    assert whole(tmp_path / "a" / "home") == commons


def test_a_folder_with_other_things_in_it_is_left_as_it_is(tmp_path: Path) -> None:
    (tmp_path / "letters").mkdir()
    with pytest.raises(Conflict, match="not empty"):
        create(tmp_path)
    assert [p.name for p in tmp_path.iterdir()] == ["letters"]


@pytest.mark.parametrize("lost", ["config.json", "seed"])
def test_a_home_in_use_that_lost_a_file_is_not_made_over(tmp_path: Path, lost: str) -> None:
    create(tmp_path / "home")
    whole(tmp_path / "home")
    (tmp_path / "home" / lost).unlink()
    log = log_folder(tmp_path / "home") / "log.db"
    before = log.read_bytes()
    with pytest.raises(Conflict):
        create(tmp_path / "home")
    assert log.read_bytes() == before


def test_packs_that_are_not_empty_are_somebodys(tmp_path: Path) -> None:
    (tmp_path / "packs").mkdir()
    (tmp_path / "packs" / "x").touch()
    with pytest.raises(Conflict, match="not empty"):
        create(tmp_path)


@one_in(4)
def test_a_home_whose_making_was_killed_anywhere_is_made_by_the_same_command_with_the_same_seed(
    tmp_path: Path, every: int
) -> None:
    seeds = 0
    for step in count(1, every):
        path = tmp_path / str(step)

        def work(path: Path = path, step: int = step) -> None:
            die_at(step)
            create(path)
            with (tmp_path / "made").open("a") as file:
                file.write(f"{step}\n")

        code = in_child(work)
        seed = (path / "seed").read_text() if (path / "seed").exists() else None
        seeds += seed is not None
        if code == 0:
            break
        assert code == -signal.SIGKILL
        try:
            with Home(path):
                pass
        except NotFound:  # no home yet: nobody was told of one
            create(path)
        else:  # its last step was not seen to be done, but it was
            assert (path / "config.json").exists()
        whole(path)
        assert seed in (None, (path / "seed").read_text())
        assert (path / "seed").stat().st_mode & 0o777 == 0o600
    assert told(tmp_path / "made") == [str(step)]
    whole(path)
    assert step > 10
    assert seeds * every > 5
    assert seeds < step - 1


@pytest.mark.parametrize("function", ["fsync", "rename"])
@pytest.mark.parametrize("persist", [False, True])
def test_a_home_whose_making_failed_is_made_by_the_same_command(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, function: str, persist: bool
) -> None:
    real: Callable[..., None] = getattr(os, function)
    before = held()
    for failing in count(1):
        path, calls = tmp_path / str(failing), 0

        def fails(*args: object, failing: int = failing) -> None:
            nonlocal calls
            calls += 1
            if persist or calls != failing:
                real(*args)
            if calls == failing:
                raise OSError(28, "disk full on device")

        with monkeypatch.context() as patch:
            patch.setattr(os, function, fails)
            if failure_of(path) is None:
                break
        if not (path / "config.json").exists():  # it may have been the last step that was not seen to be done
            create(path)
        whole(path)
    assert failing > 2
    assert held() <= before


def failure_of(path: Path) -> StorageFailed | None:
    """How the making of a home failed."""
    try:
        create(path)
    except StorageFailed as error:
        return error
    return None


def test_of_two_who_make_one_home_at_once_one_does_and_the_other_is_told(tmp_path: Path) -> None:
    """Even when the second looked before the first was there."""
    path = tmp_path / "home"
    first = threading.Event()
    hold, caught = home._hold, []

    def late(at: Path) -> int:
        if not first.is_set():
            first.set()
            create(path)  # somebody else, between the look and the lock
        return hold(at)

    home._hold = late
    try:
        create(path)
    except Conflict as error:
        caught.append(error)
    finally:
        home._hold = hold
    assert len(caught) == 1
    whole(path)


def test_a_place_that_cannot_be_a_home_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(StorageFailed, match="cannot make a home"):
        create(tmp_path / "file")
    with pytest.raises(StorageFailed, match="cannot make a home"):
        create(tmp_path / "file" / "home")


# -- holding one ------------------------------------------------------------------------------------------------------


def test_a_second_process_is_told_that_the_home_is_in_use(make_home: MakeHome) -> None:
    path = make_home("alice")

    def second() -> None:
        with pytest.raises(Busy, match="another process"):
            Home(path)
        with pytest.raises(CommonsError):
            create(path)

    with Home(path) as opened:
        assert in_child(second) == 0
        with pytest.raises(Busy):  # nor this process twice
            Home(path)
        assert opened.first.log.broken is None
    with Home(path):
        pass


def test_the_lock_of_a_killed_process_is_free(make_home: MakeHome) -> None:
    path = make_home("alice")

    def killed() -> None:
        Home(path)
        os.kill(os.getpid(), signal.SIGKILL)

    assert in_child(killed) == -signal.SIGKILL
    with Home(path) as opened:
        assert opened.first.log.size == 1


def test_there_is_no_home_where_none_was_made(tmp_path: Path) -> None:
    with pytest.raises(NotFound, match="no home") as caught:
        Home(tmp_path)
    assert "commons init" in caught.value.hint
    assert list(tmp_path.iterdir()) == []


# -- what is secret, and what is broken -----------------------------------------------------------------------------


def test_nobody_else_can_read_what_is_secret_in_a_home(tmp_path: Path) -> None:
    mask = os.umask(0)
    try:
        path = tmp_path / "home"
        create(path)
        with Home(path) as opened:
            opened.shelf.add_peer("x")
            modes = {p.name: p.stat().st_mode & 0o077 for p in path.rglob("*") if p.is_file()}
    finally:
        os.umask(mask)
    assert path.stat().st_mode & 0o777 == 0o700
    assert {"seed", "config.json", "log.db", "log.db-wal", "shelf.db", "shelf.db-wal"} <= set(modes)
    assert set(modes.values()) == {0}


@pytest.mark.parametrize("mode", [0o644, 0o640, 0o604, 0o620])
def test_a_seed_that_others_can_read_is_not_used(make_home: MakeHome, mode: int) -> None:
    path = make_home("alice")
    (path / "seed").chmod(mode)
    with pytest.raises(Malformed, match="read by others") as caught:
        Home(path)
    assert caught.value.hint == f"chmod 600 {path / 'seed'}"
    (path / "seed").chmod(0o600)
    with Home(path):  # and the lock was let go
        pass


@pytest.mark.parametrize(
    "seed", [b"", b"00" * 31, b"00" * 33, b"zz" * 32, b"\xff\xfe\x00", b"00" * 32 + b"\n" + b"00" * 32, None]
)
def test_a_broken_seed_is_told_and_never_guessed(make_home: MakeHome, seed: bytes | None) -> None:
    path = make_home("alice")
    (path / "seed").unlink()
    if seed is not None:
        (path / "seed").write_bytes(seed)
        (path / "seed").chmod(0o600)
    with pytest.raises(Malformed, match="64 hex digits") as caught:
        Home(path)
    assert "backup" in caught.value.hint
    assert seed is None or (path / "seed").read_bytes() == seed


def test_the_seed_of_another_home_does_not_open_this_log(make_home: MakeHome) -> None:
    alice, bob = make_home("alice"), make_home("bob")
    shutil.copy(bob / "seed", alice / "seed")
    with pytest.raises(Conflict, match="key"):
        Home(alice)
    with Home(bob):
        pass


@pytest.mark.parametrize("config", [b"", b"[]", b"nonsense", b'"text"', b"\xff", b'{"a": '])
def test_broken_settings_are_told_with_the_way_out(make_home: MakeHome, config: bytes) -> None:
    path = make_home("alice")
    (path / "config.json").write_bytes(config)
    with pytest.raises(Malformed, match=r"config\.json cannot be read") as caught:
        Home(path)
    assert "{}" in caught.value.hint
    (path / "config.json").write_text("{}")
    with Home(path) as opened:
        assert opened.config == {}
        assert opened.first.log.size == 1  # though nothing says which commons it was made with


@pytest.mark.parametrize("broken", ["log.db", "shelf.db", "packs"])
def test_a_home_that_cannot_be_opened_lets_everything_go(make_home: MakeHome, broken: str) -> None:
    whole, before = make_home("alice"), held()
    with Home(whole):
        pass
    path = log_folder(whole) if broken == "log.db" else whole
    kept = whole.with_name("kept")
    (path / broken).rename(kept)
    (path / broken).write_bytes(b"what is no database and no folder" * 100)
    for _ in range(2):  # not Busy the second time
        with pytest.raises(StorageFailed):
            Home(whole)
    assert held() <= before
    (path / broken).unlink()
    kept.rename(path / broken)
    with Home(whole) as opened:
        assert opened.first.log.broken is None


def test_settings_are_replaced_whole_or_not_at_all(make_home: MakeHome, monkeypatch: pytest.MonkeyPatch) -> None:
    path = make_home("alice")
    settings.write_config(path, {"announce": ["a"]})

    def full(*_: object) -> None:
        raise OSError(28, "disk full on device")

    for function in ("fsync", "rename", "open"):
        with monkeypatch.context() as patch:
            patch.setattr(os, function, full)
            with pytest.raises(StorageFailed, match="disk full"):
                settings.write_config(path, {"announce": ["b"]})
        assert settings.read_config(path) == {"announce": ["a"]}
    settings.write_config(path, {})
    assert settings.read_config(path) == {}
    assert {p.name for p in path.iterdir() if p.suffix == ".new"} == set()


def test_what_a_killed_publish_left_is_swept_out_on_the_next_start(make_home: MakeHome) -> None:
    path = make_home("alice")
    (path / "packs" / "abc.tmp").touch()
    (path / "packs" / f"{bytes(32).hex()}.part").touch()
    with Home(path):
        assert [p.suffix for p in (path / "packs").iterdir()] == [".part"]  # to be resumed


def test_a_home_of_a_later_schema_is_refused_and_not_changed(make_home: MakeHome) -> None:
    path = make_home("ana")
    Home(path).close()
    for name in ("shelf.db", "witness.db"):
        with closing(sqlite3.connect(path / name)) as db:
            (now,) = db.execute("PRAGMA user_version").fetchone()
            db.execute("PRAGMA user_version = 2")
        before = {each.name: each.read_bytes() for each in path.rglob("*.db*")}
        with pytest.raises(Conflict, match=rf"a later version of commons \({name}\)"):
            Home(path)
        assert {each.name: each.read_bytes() for each in path.rglob("*.db*")} == before
        with closing(sqlite3.connect(path / name)) as db:
            db.execute(f"PRAGMA user_version = {now}")
    Home(path).close()


# -- one that cannot be written ---------------------------------------------------------------------------------------


def contents(path: Path) -> dict[str, tuple[bytes, int]]:
    """Of a folder: each file, and when it changed."""
    return {str(each): (each.read_bytes(), each.stat().st_mtime_ns) for each in path.rglob("*") if each.is_file()}


def test_a_home_that_cannot_be_written_is_read_and_left_as_it_is(make_home: MakeHome) -> None:
    path = make_home("alice")
    with Home(path) as opened:
        opened.shelf.add_peer("x")
    (path / "packs" / "abc.tmp").touch()
    (log_folder(path) / "notes.db").unlink()  # a file that an earlier version of this program did not make
    before = contents(path)
    with frozen(path):
        with Home(path) as opened:
            assert (opened.frozen, opened.first.log.size, opened.shelf.peers()) == (True, 1, ["x"])
            assert opened.first.log.broken is not None
            assert "cannot be written" in opened.first.log.broken.message
            with pytest.raises(StorageFailed, match="cannot be written"):
                opened.shelf.add_peer("y")
            with pytest.raises(StorageFailed, match="cannot be written"):
                opened.first.log.append(lambda _state, _index, _now: []).result(10)
        with pytest.raises(StorageFailed, match="cannot be written"):
            Home(path, node=True)
    assert contents(path) == before


def test_what_a_crash_left_in_the_journal_of_a_home_that_cannot_be_written_is_read_or_told(make_home: MakeHome) -> None:
    path = make_home("alice")

    def killed() -> None:
        Home(path).shelf.add_peer("x")
        os.kill(os.getpid(), signal.SIGKILL)

    assert in_child(killed) == -signal.SIGKILL
    before = contents(path)
    assert before[str(path / "shelf.db-wal")][0]
    with frozen(path), Home(path) as opened:
        assert opened.shelf.peers() == ["x"]
    assert contents(path) == before
    (path / "shelf.db-shm").unlink()  # as in a backup that left it out
    with frozen(path):
        with pytest.raises(StorageFailed, match=r"shelf\.db was not closed") as caught:
            Home(path)
        assert "copy the whole of" in caught.value.hint
    shutil.copytree(path, path.with_name("copy"))
    with Home(path.with_name("copy")) as opened:
        assert opened.shelf.peers() == ["x"]


def test_a_home_that_somebody_else_writes_is_not_read_beside_them(make_home: MakeHome) -> None:
    path = make_home("alice")
    ready, done = os.pipe(), os.pipe()

    def holds() -> None:
        with Home(path):
            os.write(ready[1], b"x")
            os.read(done[0], 1)

    thread = threading.Thread(target=lambda: in_child(holds))
    thread.start()
    try:
        os.read(ready[0], 1)
        with frozen(path), pytest.raises(Busy):
            Home(path)
    finally:
        os.write(done[1], b"x")
        thread.join()
    for end in (*ready, *done):
        os.close(end)


def test_the_top_of_a_disk_can_be_a_home(tmp_path: Path) -> None:
    (tmp_path / "lost+found").mkdir()
    home.create(tmp_path, home.personal("x", "members", 0), {})
    Home(tmp_path).close()
    assert (tmp_path / "lost+found").is_dir()
