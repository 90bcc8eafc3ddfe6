"""What a node keeps for itself: asks that survive, heads that only move forward from where they were, the faults."""

from __future__ import annotations

import os
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from commons.core.crypto.ids import cid
from commons.disk.shelf import OwnRequest, Shelf, Withdrawal
from commons.errors import StorageFailed
from tests.conftest import LIMIT
from tests.crash_driver import die_at, in_child

ASK = OwnRequest(log="log+1+key", series=bytes(16), epoch=0, terms=b"t" * 32, dataset="d", submission=b"signed")
ONE, TWO = cid(b"one"), cid(b"two")


@pytest.fixture
def shelf(tmp_path: Path) -> Iterator[Shelf]:
    with closing(Shelf(tmp_path / "shelf.db")) as opened:
        yield opened


def again(shelf: Shelf) -> Shelf:
    shelf.close()
    return Shelf(shelf._path)


def test_an_ask_survives_with_everything_it_became(shelf: Shelf) -> None:
    shelf.put_ask(ASK)
    became = replace(ASK, request=7, outcome="grant", reason="welcome", secret=b"s" * 32, receipt=b"owed")
    other = replace(ASK, terms=b"u" * 32)
    with closing(again(shelf)) as opened:
        assert opened.asks() == [ASK]
        opened.put_ask(became)
        opened.put_ask(other)
    with closing(Shelf(shelf._path)) as opened:
        assert opened.asks() == [other, became]
        assert opened.ask(ASK.log, ASK.series, 0, ASK.terms) == became
        assert opened.ask(ASK.log, ASK.series, 1, ASK.terms) is None
        assert opened.ask("another log", ASK.series, 0, ASK.terms) is None


def test_a_head_is_advanced_only_by_who_knew_the_last_one(shelf: Shelf) -> None:
    assert shelf.head("log") is None
    assert not shelf.advance("log", b"imagined", b"a")
    assert shelf.head("log") is None
    assert shelf.advance("log", None, b"a")
    assert not shelf.advance("log", None, b"b")
    assert not shelf.advance("log", b"z", b"b")
    assert shelf.advance("log", b"a", b"b")
    assert not shelf.advance("log", b"a", b"c")
    assert shelf.advance("other", None, b"c")
    with closing(again(shelf)) as opened:
        assert (opened.head("log"), opened.head("other")) == (b"b", b"c")


def test_of_many_who_advance_a_head_at_once_one_does(shelf: Shelf) -> None:
    shelf.advance("log", None, b"a")
    start, done = threading.Barrier(8), []

    def advance(n: int) -> None:
        start.wait(LIMIT)
        done.append(shelf.advance("log", b"a", bytes([n])))

    threads = [threading.Thread(target=advance, args=(n,)) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(done) == [False] * 7 + [True]


def test_what_was_published_stays_so_and_only_what_is_served_is_shown(shelf: Shelf) -> None:
    shelf.put_manifest(ONE, b"one", "published", served=False)
    shelf.put_manifest(TWO, b"two", "seen", served=False)
    assert shelf.manifest(ONE) == b"one"
    assert shelf.manifest(ONE, served=True) is None
    edition = shelf.edition
    shelf.put_manifest(ONE, b"one", "fetched", served=True)
    shelf.put_manifest(TWO, b"two", "mirrored", served=True)
    assert shelf.edition > edition
    assert shelf.manifest(ONE, served=True) == b"one"
    with closing(again(shelf)) as opened:
        assert [(opened.role(each), opened.manifest(each, served=True)) for each in (ONE, TWO)] == [
            ("published", b"one"), ("mirrored", b"two")
        ]  # fmt: skip
        assert opened.manifest(cid(b"three")) is None


def test_a_peer_is_remembered_once(shelf: Shelf) -> None:
    for address in ("b", "a", "b"):
        shelf.add_peer(address)
    with closing(again(shelf)) as opened:
        assert opened.peers() == ["a", "b"]


def test_nobody_else_can_read_a_shelf_not_even_its_first_pages(tmp_path: Path) -> None:
    mask = os.umask(0)
    try:
        with closing(Shelf(tmp_path / "shelf.db")) as opened:
            opened.put_ask(replace(ASK, secret=b"s" * 32))
            modes = {path.name: path.stat().st_mode & 0o777 for path in tmp_path.iterdir()}
    finally:
        os.umask(mask)
    assert modes == {"shelf.db": 0o600, "shelf.db-wal": 0o600, "shelf.db-shm": 0o600}


def test_a_shelf_that_others_could_read_is_closed_to_them(tmp_path: Path) -> None:
    (tmp_path / "shelf.db").touch(0o644)
    with closing(Shelf(tmp_path / "shelf.db")) as opened:
        opened.put_ask(ASK)
        assert {path.stat().st_mode & 0o077 for path in tmp_path.iterdir()} == {0}


class Faulty:
    """A connection whose next change fails, before it is done or after."""

    def __init__(self, db: sqlite3.Connection, persist: bool) -> None:
        self._db, self._persist = db, persist

    def __getattr__(self, name: str) -> Any:
        return getattr(self._db, name)

    def execute(self, sql: str, *args: Any) -> Any:
        if sql.startswith("SELECT"):
            return self._db.execute(sql, *args)
        if self._persist:
            self._db.execute(sql, *args)
        raise sqlite3.OperationalError("disk I/O error")


@pytest.mark.parametrize("persist", [False, True])
def test_a_failed_write_is_told_and_leaves_the_old_or_the_new(shelf: Shelf, persist: bool) -> None:
    shelf.put_ask(ASK)
    shelf.advance("log", None, b"a")
    new = replace(ASK, secret=b"s" * 32)
    shelf._db = Faulty(shelf._db, persist)  # type: ignore[assignment]
    with pytest.raises(StorageFailed):
        shelf.put_ask(new)
    with pytest.raises(StorageFailed):
        shelf.advance("log", b"a", b"b")
    with pytest.raises(StorageFailed):
        shelf.put_manifest(ONE, b"one", "published", served=True)
    with pytest.raises(StorageFailed):
        shelf.add_peer("a")
    with closing(again(shelf)) as opened:
        assert opened.asks() == [new if persist else ASK]
        assert opened.head("log") == (b"b" if persist else b"a")
        assert (opened.manifest(ONE) is not None, opened.peers() != []) == (persist, persist)


def test_a_full_disk_is_told_and_leaves_what_was_there(shelf: Shelf) -> None:
    shelf.put_ask(ASK)
    (pages,) = shelf._db.execute("PRAGMA page_count").fetchone()
    shelf._db.execute(f"PRAGMA max_page_count = {pages}")
    with pytest.raises(StorageFailed, match="full") as caught:
        shelf.put_ask(replace(ASK, submission=bytes(50_000)))
    assert "free space" in caught.value.hint
    assert shelf.asks() == [ASK]
    with closing(again(shelf)) as opened:
        assert opened.asks() == [ASK]


def test_a_withdrawal_is_kept_until_nothing_of_it_is_owed(shelf: Shelf) -> None:
    row = Withdrawal(dataset="baf", notice=b"signed", entry=4, request=2)
    told = replace(row, applied=True, statement=b"s")
    assert shelf.withdrawals() == {}
    for step, owed in (
        (row, True), (replace(row, applied=True), True), (told, True),
        (replace(told, logged=9), False), (replace(told, why="erased"), False),
        (replace(row, request=None), True), (replace(row, request=None, applied=True), False),
    ):  # fmt: skip
        shelf.put_withdrawal(step)
        assert shelf.withdrawals() == {"baf": step}
        assert step.owed == owed
    with closing(again(shelf)) as opened:
        assert opened.withdrawals() == {"baf": step}


def test_a_key_that_is_forgotten_is_in_no_file_any_more(shelf: Shelf) -> None:
    secret = b"a secret of thirty-two bytes, no"
    shelf.put_ask(replace(ASK, secret=secret))
    shelf.put_ask(replace(ASK, secret=None))
    shelf.forget()
    assert all(secret not in path.read_bytes() for path in shelf._path.parent.glob(f"{shelf._path.name}*"))


def test_what_is_no_database_is_told_as_a_failing_disk(tmp_path: Path) -> None:
    (tmp_path / "shelf.db").write_bytes(b"not a database, and long enough to be sure of that" * 99)
    with pytest.raises(StorageFailed, match=r"shelf\.db is damaged"):
        Shelf(tmp_path / "shelf.db")
    with pytest.raises(StorageFailed):
        Shelf(tmp_path / "no folder" / "shelf.db")


def test_a_shelf_killed_anywhere_holds_the_old_or_the_new(tmp_path: Path) -> None:
    new = replace(ASK, request=1, outcome="grant", secret=b"s" * 32)
    found, step = [], 0
    while True:
        step += 1
        path = tmp_path / f"{step}.db"
        with closing(Shelf(path)) as opened:
            opened.put_ask(ASK)

        def work(path: Path = path, step: int = step) -> None:
            die_at(step)
            opened = Shelf(path)
            opened.put_ask(new)
            opened.advance("log", None, b"a")
            opened.advance("log", b"a", b"b")

        code = in_child(work)
        with closing(Shelf(path)) as opened:
            (ask,) = opened.asks()
            assert ask in (ASK, new)
            found.append((ask == new, opened.head("log")))
        if code == 0:
            break
    assert found == [(False, None), (True, None), (True, b"a"), (True, b"b")]
