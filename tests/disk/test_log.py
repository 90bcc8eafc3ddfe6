"""The log under fault: what is acknowledged is there, what failed is not told, and nothing is signed twice."""

from __future__ import annotations

import os
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from commons.core import checkpoint, codec, entries, envelope, ids, merkle
from commons.core.entries import DECISION, PUBLISH, REDACTION, REQUEST, Decision, Publish, Redaction, Request
from commons.core.rules import Rule
from commons.disk.home import Home
from commons.disk.log import Log, Record, record
from commons.errors import CommonsError, Conflict, Internal, NotFound, StorageFailed
from tests.conftest import MakeHome

DATASET = ids.cid(b"dataset")


@pytest.fixture
def opened(make_home: MakeHome) -> Iterator[Home]:
    with Home(make_home("alice")) as home:
        said = Publish(
            time=home.log.state.time, manifest=DATASET, series=bytes(16), version=1, title="t", licence="CC0-1.0",
            terms=bytes(32), rule=Rule(kind="acknowledge"), purposes=(), grant_days=None, epoch=0,
        )  # fmt: skip
        entry = envelope.open(PUBLISH, Publish, envelope.sign(PUBLISH, said, home.keys.identity))
        home.log.append(lambda state, index, now: [record(entry)]).result()
        yield home


def access(secret: bytes = b"statement", subject: str = "bob", statement: bytes | None = None) -> Any:
    """A draft of a request and its grant."""

    def draft(state: Any, index: int, now: int) -> list[Record]:
        hidden, opening = entries.hide(lambda: os.urandom(32), requester=subject.encode(), statement=secret)
        leaf = Request(
            type=REQUEST,
            time=now,
            dataset=DATASET,
            terms=bytes(32),
            epoch=0,
            purpose="research",
            details=None,
            **hidden,
        )
        decision = Decision(
            type=DECISION, time=now, request=index, outcome="grant", reason="acknowledged", basis=1, expires=None,
            statement=None,
        )  # fmt: skip
        return [record(leaf, opening, subject, statement), record(decision)]

    return draft


def reopen(home: Home) -> Log:
    return Log.open(home.path / "log.db", home.keys.log(0), home.keys.local("openings"))


def check(log: Log) -> None:
    """Every stored entry is under the signed root, and every size signed before leads to it."""
    data = list(log.entries(0, log.size))
    _, edge = merkle.grow(0, (), [merkle.leaf(entry) for entry in data])
    assert merkle.edge_root(edge) == log.head.checkpoint.root
    for index in range(log.size):
        proof = merkle.prove_inclusion(index, log.size, log.read)
        merkle.check_inclusion(index, log.size, merkle.leaf(data[index]), log.head.checkpoint.root, proof)


class Faulty:
    """A database connection that fails at one statement: before it is done, or after."""

    def __init__(self, db: sqlite3.Connection, word: str, persist: bool) -> None:
        self._db, self._word, self._persist = db, word, persist

    def __getattr__(self, name: str) -> Any:
        return getattr(self._db, name)

    def _run(self, method: str, sql: str, *args: Any) -> Any:
        if sql.startswith(self._word):
            if self._persist:
                getattr(self._db, method)(sql, *args)
            raise sqlite3.OperationalError("disk I/O error")
        return getattr(self._db, method)(sql, *args)

    def execute(self, sql: str, *args: Any) -> Any:
        return self._run("execute", sql, *args)

    def executemany(self, sql: str, *args: Any) -> Any:
        return self._run("executemany", sql, *args)


@contextmanager
def stalled(log: Log) -> Iterator[None]:
    """Hold the committer inside a commit, so that what is appended meanwhile shares the next one."""
    inside, go = threading.Event(), threading.Event()

    def slow(state: Any, index: int, now: int) -> list[Record]:
        inside.set()
        go.wait(10)
        return []

    waiting = log.append(slow)
    inside.wait(10)
    try:
        yield
    finally:
        go.set()
        waiting.result(10)


def test_what_arrives_during_a_commit_shares_the_next_one(opened: Home) -> None:
    log = opened.log
    with stalled(log):
        futures = [log.append(access(bytes([n]))) for n in range(50)]
    heads = {f.result(10).head.checkpoint.size for f in futures}
    assert heads == {102}
    assert [f.result().first for f in futures] == list(range(2, 102, 2))
    check(log)


def test_a_refused_draft_leaves_nothing_and_disturbs_nobody(opened: Home) -> None:
    log = opened.log

    def wrong(state: Any, index: int, now: int) -> list[Record]:
        leaf = Decision(
            type=DECISION, time=now, request=77, outcome="grant", reason="x", basis=1, expires=None, statement=None
        )
        return [record(leaf)]

    def bug(state: Any, index: int, now: int) -> list[Record]:
        raise ZeroDivisionError

    with stalled(log):
        futures = [log.append(draft) for draft in (access(b"1"), wrong, bug, access(b"2"))]
    assert futures[0].result().first == 2
    assert futures[3].result().first == 4
    with pytest.raises(NotFound):
        futures[1].result()
    with pytest.raises(Internal):
        futures[2].result()
    assert log.size == 6
    check(log)


def test_one_statement_makes_one_entry_however_often_it_comes(opened: Home) -> None:
    log, digest = opened.log, bytes(range(32))

    def once(state: Any, index: int, now: int) -> list[Record]:
        return [] if log.known(digest) is not None else access(statement=digest)(state, index, now)

    with stalled(log):
        futures = [log.append(once) for _ in range(20)]
    for future in futures:
        future.result(10)
    assert log.size == 4
    assert log.answered(digest) == 2


@pytest.mark.parametrize(
    "word", ["BEGIN", "INSERT INTO entries", "INSERT INTO nodes", "INSERT INTO checkpoints", "COMMIT"]
)
@pytest.mark.parametrize("persist", [False, True])
def test_a_failed_write_is_told_to_nobody_as_done_and_shuts_the_log(opened: Home, word: str, persist: bool) -> None:
    log = opened.log
    log.append(access(b"before")).result()
    size = log.size
    log._db = Faulty(log._db, word, persist)  # type: ignore[assignment]
    with stalled(log):
        futures = [log.append(access(bytes([n]))) for n in range(3)]
    for future in futures:
        with pytest.raises(StorageFailed):
            future.result(10)
    assert log.size == size
    with pytest.raises(StorageFailed):
        log.append(access(b"after")).result(10)
    with pytest.raises(StorageFailed):  # no key without a log that can be written
        log.granted(2, log.state.time)
    log.close()
    again = reopen(opened)
    assert again.size == (size + 6 if persist and word == "COMMIT" else size)
    check(again)
    again.append(access(b"again")).result()
    check(again)
    again.close()
    opened.log = reopen(opened)


def test_a_full_disk_loses_nothing_that_was_acknowledged(opened: Home) -> None:
    log = opened.log
    (pages,) = log._db.execute("PRAGMA page_count").fetchone()
    log._db.execute(f"PRAGMA max_page_count = {pages + 3}")
    done = 0
    error: BaseException | None = None
    while error is None and done < 1000:
        error = log.append(access(bytes([done % 256]) * 500)).exception()
        done += error is None
    assert isinstance(error, StorageFailed)
    assert "full" in error.message
    assert 0 < done < 1000
    log.close()
    again = reopen(opened)
    assert again.size == 2 + 2 * done
    check(again)
    again.close()
    opened.log = reopen(opened)


def test_a_bit_that_flips_on_the_way_to_the_disk_is_never_signed(opened: Home) -> None:
    log = opened.log

    class Flips(Faulty):
        def execute(self, sql: str, *args: Any) -> Any:
            if sql.startswith("SELECT data FROM entries WHERE idx >="):
                self._db.execute("UPDATE entries SET data = x'00' WHERE idx = (SELECT max(idx) FROM entries)")
            return self._db.execute(sql, *args)

    log._db = Flips(log._db, "never", False)  # type: ignore[assignment]
    with pytest.raises(StorageFailed, match="read back"):
        log.append(access()).result()
    log.close()
    again = reopen(opened)
    assert again.size == 2
    check(again)
    again.close()
    opened.log = reopen(opened)


@pytest.mark.parametrize(
    "damage",
    [
        "UPDATE nodes SET hash = x'" + "00" * 32 + "' WHERE level = 2 AND pos = 0",
        "UPDATE entries SET data = replace(data, 'research', 'policy__') WHERE idx = 2",
        "DELETE FROM entries WHERE idx = 3",
        "DELETE FROM checkpoints WHERE size = 4",
    ],
)
def test_a_damaged_log_is_not_continued(opened: Home, damage: str) -> None:
    opened.log.append(access()).result()
    opened.log.close()
    db = sqlite3.connect(opened.path / "log.db")
    with db:
        db.execute(damage)
    db.close()
    try:
        log = reopen(opened)
    except CommonsError:
        opened.log = Log(opened.path / "none.db", opened.keys.log(0), b"")
        return
    with pytest.raises(StorageFailed):
        log.append(access()).result()
    opened.log = log


def test_an_old_copy_of_a_log_that_meets_its_own_future_stops_for_good(opened: Home) -> None:
    log, path = opened.log, opened.path / "log.db"
    copy = sqlite3.connect(opened.path / "old.db")
    with copy:
        log._db.backup(copy)
    copy.close()
    newer = log.append(access()).result().head.note
    log.close()
    for leftover in opened.path.glob("log.db-*"):
        leftover.unlink()
    os.replace(opened.path / "old.db", path)
    for _ in range(2):  # also after the next start
        log = reopen(opened)
        if log.broken is None:
            with pytest.raises(StorageFailed, match="rolled back") as caught:
                log.compare(newer)
            assert newer.decode() in caught.value.evidence
        with pytest.raises(StorageFailed, match="rolled back"):
            log.append(access()).result()
        log.close()
    opened.log = reopen(opened)


def test_a_head_of_ours_that_we_lead_to_is_fine_and_a_strangers_is_not(opened: Home) -> None:
    log = opened.log
    older = log.head.note
    log.append(access()).result()
    log.compare(older)
    forged = checkpoint.sign(log.head.checkpoint, opened.keys.identity)
    with pytest.raises(CommonsError):
        log.compare(forged)
    assert log.broken is None


def test_erasing_overwrites_on_disk_and_leaves_the_same_persons_other_entries(opened: Home) -> None:
    log = opened.log
    log.append(access(b"FIRST", "bob")).result()
    log.append(access(b"SECOND", "bob")).result()
    sealed = log._reads.execute("SELECT sealed FROM openings WHERE idx = 2").fetchone()[0]
    key = log._reads.execute("SELECT key FROM subjects").fetchone()[0]

    def erase(state: Any, index: int, now: int) -> list[Record]:
        leaf = Redaction(type=REDACTION, time=now, entries=(2,), reason="requested")
        return [Record(entry=leaf, data=codec.encode(leaf), erases=(2,))]

    log.append(erase).result()
    assert log.opening(2) is None
    kept = log.opening(4)
    assert kept is not None
    assert kept.get("statement") == b"SECOND"
    raw = b"".join(p.read_bytes() for p in opened.path.glob("log.db*"))
    assert sealed not in raw
    assert key not in raw
    check(log)


def test_closing_commits_what_was_waiting(opened: Home) -> None:
    log = opened.log
    futures = [log.append(access(bytes([n]))) for n in range(30)]
    log.close()
    assert all(future.done() and not future.exception() for future in futures)
    opened.log = reopen(opened)
    assert opened.log.size == 62
    assert opened.log.state == reopened_state(opened)


def reopened_state(opened: Home) -> Any:
    second = reopen(opened)
    state = second.state
    second.close()
    return state


def test_the_log_of_another_key_is_not_opened(opened: Home) -> None:
    with pytest.raises(Conflict):
        Log.open(opened.path / "log.db", opened.keys.log(1), opened.keys.local("openings"))


def test_a_proof_out_of_a_damaged_tree_is_not_given_away(opened: Home) -> None:
    log = opened.log
    log.append(access()).result()
    log.prove(2, log.head)
    log._db.execute("UPDATE nodes SET hash = ? WHERE level = 1 AND pos = 0", (bytes(32),))
    with pytest.raises(StorageFailed, match="damaged"):
        log.prove(2, log.head)
    with pytest.raises(StorageFailed, match="damaged"):
        log.append(access()).result()
