"""The log under fault: what is acknowledged is there, what failed is not told, and nothing is signed twice."""

from __future__ import annotations

import os
import shutil
import sqlite3
import subprocess
import threading
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import CancelledError, Future
from contextlib import closing, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from commons.access.registrar import Registrar
from commons.core.crypto import codec, envelope, ids
from commons.core.crypto.keys import Keys, Signer
from commons.core.dataset.rule import Rule
from commons.core.state import entries
from commons.core.state.charter import CHARTER, Charter
from commons.core.state.entries import DECISION, PUBLISH, REDACTION, REQUEST, Decision, Publish, Redaction, Request
from commons.core.state.transfer import SUCCESSION, Succession
from commons.core.tlog import checkpoint, merkle
from commons.disk import home, sql
from commons.disk.alarm import alarmed, outrun
from commons.disk.home import Home
from commons.disk.log import BATCH, Log, begun
from commons.disk.records import Record, record
from commons.errors import (
    CommonsError,
    Conflict,
    Internal,
    Malformed,
    NotFound,
    Pending,
    Refused,
    Stale,
    StorageFailed,
    Untrue,
)
from tests.conftest import LIMIT, MakeHome
from tests.crash_driver import die_at, in_child
from tests.keeper import ALICE, BOB, EVE, Keeper

DATASET = ids.cid(b"dataset")


@pytest.fixture
def opened(make_home: MakeHome) -> Iterator[Home]:
    with Home(make_home("alice")) as home:
        said = Publish(
            commons=home.first.commons, manifest=DATASET, time=home.first.log.state.time, series=bytes(16), version=1,
            title="t", licence="CC0-1.0", terms=bytes(32), rule=Rule(kind="acknowledge"), purposes=(), grant_days=None,
            epoch=0,
        )  # fmt: skip
        entry = envelope.open(PUBLISH, Publish, envelope.sign(PUBLISH, said, home.keys.identity))
        home.first.log.append(lambda state, index, now: [record(entry)]).result()
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
    return Log.open(home.first.folder / "log.db", home.keys.log(0), home.keys.local("openings"))


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
        go.wait(LIMIT)
        return []

    waiting = log.append(slow)
    inside.wait(LIMIT)
    try:
        yield
    finally:
        go.set()
        waiting.result(10)


def test_what_arrives_during_a_commit_shares_the_next_one(opened: Home) -> None:
    log = opened.first.log
    with stalled(log):
        futures = [log.append(access(bytes([n]))) for n in range(50)]
    heads = {f.result(10).head.checkpoint.size for f in futures}
    assert heads == {102}
    assert [f.result().first for f in futures] == list(range(2, 102, 2))
    check(log)


def test_a_refused_draft_leaves_nothing_and_disturbs_nobody(opened: Home) -> None:
    log = opened.first.log

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
    log, digest = opened.first.log, bytes(range(32))

    def once(state: Any, index: int, now: int) -> list[Record]:
        return [] if log.known(digest) is not None else access(statement=digest)(state, index, now)

    with stalled(log):
        futures = [log.append(once) for _ in range(20)]
    for future in futures:
        future.result(10)
    assert log.size == 4
    assert log.answered(digest) == 2


def test_how_far_a_log_was_begun_is_read_from_its_file(opened: Home, tmp_path: Path) -> None:
    opened.first.log.append(access()).result(LIMIT)
    assert begun(opened.first.folder / "log.db") == (4, opened.first.log.entry(0))
    assert begun(tmp_path / "new.db") == (0, None)


@pytest.mark.parametrize("size", [2, 3, 4])
def test_what_is_committed_is_seen_once_its_head_is(opened: Home, size: int) -> None:
    """The readers' connection may see a commit before its caller hears of it."""
    log = opened.first.log
    log.append(access(statement=b"d" * 32)).result(LIMIT)
    log.head = replace(log.head, checkpoint=replace(log.head.checkpoint, size=size))
    assert log.answered(b"d" * 32) == (2 if size > 2 else None)
    assert (log.opening(2) is None) == (size == 2)


@pytest.mark.parametrize(
    "word", ["BEGIN", "INSERT INTO entries", "INSERT INTO nodes", "INSERT INTO checkpoints", "COMMIT"]
)
@pytest.mark.parametrize("persist", [False, True])
def test_a_failed_write_is_told_to_nobody_as_done_and_shuts_the_log(opened: Home, word: str, persist: bool) -> None:
    log = opened.first.log
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
    opened.first.log = reopen(opened)


def test_a_full_disk_loses_nothing_that_was_acknowledged(opened: Home) -> None:
    log = opened.first.log
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
    opened.first.log = reopen(opened)


def test_a_bit_that_flips_on_the_way_to_the_disk_is_never_signed(opened: Home) -> None:
    log = opened.first.log

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
    opened.first.log = reopen(opened)


@pytest.mark.parametrize(
    "damage",
    [
        "UPDATE nodes SET hash = x'" + "00" * 32 + "' WHERE level = 2 AND pos = 0",
        "UPDATE entries SET data = replace(data, 'research', 'policy__') WHERE idx = 2",
        "DELETE FROM entries WHERE idx = 3",
        "DELETE FROM checkpoints WHERE size = 4",
        "DELETE FROM checkpoints",
        "DELETE FROM entries",
    ],
)
def test_a_damaged_log_is_not_continued(opened: Home, damage: str) -> None:
    opened.first.log.append(access()).result()
    opened.first.log.close()
    db = sqlite3.connect(opened.first.folder / "log.db")
    with db:
        db.execute(damage)
    db.close()
    try:
        log = reopen(opened)
    except CommonsError:
        opened.first.log = Log(opened.path / "none.db", opened.keys.log(0), b"")
        return
    with pytest.raises(StorageFailed):
        log.append(access()).result()
    opened.first.log = log


def test_an_old_copy_of_a_log_that_meets_its_own_future_stops_and_for_good_where_it_is_proven(opened: Home) -> None:
    log, path = opened.first.log, opened.first.folder / "log.db"
    copy = sqlite3.connect(opened.path / "old.db")
    with copy:
        log._db.backup(copy)
    copy.close()
    old = log.size
    newer = log.append(access()).result().head.note
    lead = log.lead(old, log.head)
    log.close()
    for leftover in opened.first.folder.glob("log.db-*"):
        leftover.unlink()
    os.replace(opened.path / "old.db", path)
    log = reopen(opened)
    told = list[tuple[bytes, str]]()
    log.watch(stored=lambda: None, outran=lambda head, by: told.append((head, by)))
    with pytest.raises(Stale, match="behind by the word of ben") as caught:
        log.compare(newer, "ben")
    assert newer.decode() in caught.value.evidence
    assert told == [(newer, "ben")]
    with pytest.raises(Stale, match="behind by the word of ben"):
        log.append(access()).result()
    assert log.waive(log.size + 2)  # its owner goes on without
    assert log.compare(newer, "ben") == log.size + 2
    with pytest.raises(Stale, match="ben has shown"):
        log.compare(newer, "ben", lead)
    log.waived = 0
    with pytest.raises(Stale, match="ben has shown"):  # whoever comes with less takes nothing back
        log.compare(newer, "eve")
    assert not log.waive(log.size + 2)
    log.close()
    log = reopen(opened)  # what is proven is remembered
    with pytest.raises(Stale, match="2 more than"):
        log.append(access()).result()
    assert not log.waive(99)
    log.close()
    opened.first.log = reopen(opened)


def test_a_head_of_ours_that_we_lead_to_is_fine_and_a_strangers_is_not(opened: Home) -> None:
    log = opened.first.log
    older = log.head.note
    log.append(access()).result()
    log.compare(older)
    forged = checkpoint.sign(log.head.checkpoint, opened.keys.identity)
    with pytest.raises(CommonsError):
        log.compare(forged)
    assert log.broken is None


def test_erasing_overwrites_on_disk_and_leaves_the_same_persons_other_entries(opened: Home) -> None:
    log = opened.first.log
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
    raw = b"".join(p.read_bytes() for p in opened.first.folder.glob("log.db*"))
    assert sealed not in raw
    assert key not in raw
    check(log)


def test_closing_commits_what_was_waiting(opened: Home) -> None:
    log = opened.first.log
    futures = [log.append(access(bytes([n]))) for n in range(30)]
    log.close()
    assert all(future.done() and not future.exception() for future in futures)
    opened.first.log = reopen(opened)
    assert opened.first.log.size == 62
    assert opened.first.log.state == reopened_state(opened)


def reopened_state(opened: Home) -> Any:
    second = reopen(opened)
    state = second.state
    second.close()
    return state


def test_the_log_of_another_key_is_not_opened(opened: Home) -> None:
    with pytest.raises(Conflict):
        Log.open(opened.first.folder / "log.db", opened.keys.log(1), opened.keys.local("openings"))


def test_a_proof_out_of_a_damaged_tree_is_not_given_away(opened: Home) -> None:
    log = opened.first.log
    log.append(access()).result()
    log.prove(2, log.head)
    log._db.execute("UPDATE nodes SET hash = ? WHERE level = 1 AND pos = 0", (bytes(32),))
    with pytest.raises(StorageFailed, match="damaged"):
        log.prove(2, log.head)
    with pytest.raises(StorageFailed, match="damaged"):
        log.append(access()).result()


def test_what_is_withheld_is_not_opened_and_is_again_once_it_is_not(opened: Home) -> None:
    log = opened.first.log
    first, second = [log.append(access()).result(LIMIT).first for _ in range(2)]
    log.withhold(lambda index: "it is too old" if index == first else "")
    with pytest.raises(Refused, match=f"what entry {first} hides is withheld: it is too old"):
        log.opening(first)
    assert log.opening(second) is not None
    log.withhold(lambda index: "")
    assert log.opening(first) is not None


def test_whoever_admits_is_asked_of_what_is_added_and_of_nothing_else(opened: Home) -> None:
    log, asked = opened.first.log, list[int]()

    def admit(records: Sequence[Record], now: int) -> None:
        asked.append(len(records))
        if len(asked) == 2:
            raise Conflict("not now")

    log.admit(admit)
    log.append(access()).result(LIMIT)
    assert log.append(lambda _state, _index, _now: []).result(LIMIT).head == log.head
    with pytest.raises(Conflict, match="not now"):
        log.append(access()).result(LIMIT)
    assert (asked, log.size, log.state.size) == ([2, 2], 4, 4)


# -- group commit and the order of effects ------------------------------------------------------------------------


def test_many_writers_share_few_commits_and_each_checkpoint_is_one_of_them(opened: Home) -> None:
    log, said = opened.first.log, []
    log._db.set_trace_callback(lambda text: said.append(text) if text.startswith("COMMIT") else None)
    futures: list[Future[Any]] = []

    def write(n: int) -> None:
        futures.extend([log.append(access(bytes([n, m]))) for m in range(40)])

    with stalled(log):
        writers = [threading.Thread(target=write, args=(n,)) for n in range(8)]
        for writer in writers:
            writer.start()
        for writer in writers:
            writer.join()
    assert sorted(future.result(10).first for future in futures) == list(range(2, 642, 2))
    assert len(said) == 1  # 320 drafts, 640 entries
    assert {future.result().head.note for future in futures} == {log.head.note}
    (signed,) = log._reads.execute("SELECT count(*) FROM checkpoints").fetchone()
    assert signed == 3  # charter, publish, and this
    check(log)


def test_a_batch_has_a_limit_and_the_rest_comes_next(opened: Home) -> None:
    log = opened.first.log

    def one(state: Any, index: int, now: int) -> list[Record]:
        return [record(Redaction(type=REDACTION, time=now, entries=(0,), reason="x"))]

    with stalled(log):
        futures = [log.append(one) for _ in range(BATCH + 10)]
    sizes = [future.result(10).head.checkpoint.size for future in futures]
    assert [sizes.count(size) for size in sorted(set(sizes))] == [BATCH, 10]


class Gated(Faulty):
    """Stops before COMMIT until it is let go."""

    def __init__(self, db: sqlite3.Connection) -> None:
        super().__init__(db, "never", False)
        self.there, self.go = threading.Event(), threading.Event()

    def execute(self, sql: str, *args: Any) -> Any:
        if sql == "COMMIT":
            self.there.set()
            assert self.go.wait(LIMIT)
        return self._db.execute(sql, *args)


def test_nobody_sees_or_is_told_what_is_not_committed(opened: Home) -> None:
    log, head = opened.first.log, opened.first.log.head
    gate = Gated(log._db)
    log._db = gate  # type: ignore[assignment]
    future = log.append(access(statement=b"d" * 32))
    assert gate.there.wait(LIMIT)
    assert not future.done()
    assert (log.size, log.head) == (2, head)
    assert list(log.entries(0, 10)) == list(log.entries(0, 2))
    assert log.answered(b"d" * 32) is None
    assert log.opening(2) is None
    with pytest.raises(StorageFailed):
        log.read(0, 2)
    with pytest.raises(Pending):  # folded, and not durable: no key
        log.granted(2, log.state.time)
    gate.go.set()
    assert future.result(10).head == log.head
    assert (log.size, log.answered(b"d" * 32)) == (4, 2)
    assert log.opening(2) is not None
    assert log.granted(2, log.state.time).decision == 3


def test_one_who_leaves_before_the_commit_leaves_nothing_and_the_committer_lives(opened: Home) -> None:
    log = opened.first.log
    with stalled(log):
        futures = [log.append(access(bytes([n]))) for n in range(3)]
        assert futures[1].cancel()
    assert [futures[0].result(10).first, futures[2].result(10).first] == [2, 4]
    with pytest.raises(CancelledError):
        futures[1].result()
    assert log.size == 6
    gate = Gated(log._db)
    log._db = gate  # type: ignore[assignment]
    late = log.append(access(b"late"))
    assert gate.there.wait(LIMIT)
    assert not late.cancel()  # it is being written
    gate.go.set()
    assert late.result(10).first == 6
    assert log.append(access(b"next")).result(10).first == 8
    check(log)


async def test_a_caller_that_is_cancelled_does_not_stop_the_log(opened: Home) -> None:
    import asyncio

    log = opened.first.log
    with stalled(log):
        task = asyncio.create_task(Registrar(opened.first)._append(access(b"gone")))
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
    assert log.append(access(b"here")).result(10).first == 2


def test_a_closed_log_answers_at_once_that_it_is_closed(opened: Home) -> None:
    opened.first.log.close()
    with pytest.raises(StorageFailed, match="closed"):
        opened.first.log.append(access()).result(1)
    opened.first.log.close()


def test_a_bug_in_the_fold_shuts_the_log_and_its_count_stays_right(opened: Home) -> None:
    log = opened.first.log
    with pytest.raises(Internal):
        log.append(lambda state, index, now: [Record(entry=object(), data=b"x")]).result(10)  # type: ignore[arg-type]
    assert log.state.size == 2
    with pytest.raises(Internal, match="half way"):
        log.append(access()).result(10)
    log.close()
    opened.first.log = reopen(opened)
    assert opened.first.log.append(access()).result(10).first == 2


def test_a_draft_refused_half_way_shuts_the_log_and_what_came_before_it_stays(opened: Home) -> None:
    log = opened.first.log

    def half(state: Any, index: int, now: int) -> list[Record]:
        request, _ = access()(state, index, now)
        wrong = Decision(
            type=DECISION, time=now, request=index, outcome="grant", reason="x", basis=0, expires=None, statement=None
        )
        return [request, record(wrong)]

    with stalled(log):
        futures = [log.append(draft) for draft in (access(b"1"), half, access(b"2"))]
    assert futures[0].result(10).first == 2
    with pytest.raises(Untrue):
        futures[1].result(10)
    with pytest.raises(Internal):
        futures[2].result(10)
    log.close()
    opened.first.log = reopen(opened)
    assert opened.first.log.size == 4
    check(opened.first.log)


def test_an_error_that_everybody_is_told_does_not_grow(opened: Home) -> None:
    log = opened.first.log
    log._db = Faulty(log._db, "COMMIT", False)  # type: ignore[assignment]
    for _ in range(100):
        with pytest.raises(StorageFailed) as caught:
            log.append(access()).result(10)
        with pytest.raises(StorageFailed):
            log.granted(2, 0)
    depth, trace = 0, caught.value.__traceback__
    while trace is not None:
        depth, trace = depth + 1, trace.tb_next
    assert depth < 20


@pytest.mark.parametrize(
    "word", ["INSERT INTO openings", "INSERT INTO subjects", "INSERT INTO statements", "SELECT data FROM entries"]
)
@pytest.mark.parametrize("persist", [False, True])
def test_a_failed_write_of_the_private_side_fails_the_whole_entry(opened: Home, word: str, persist: bool) -> None:
    log = opened.first.log
    log._db = log._openings._db = Faulty(log._db, word, persist)  # type: ignore[assignment]
    with pytest.raises(StorageFailed):
        log.append(access(statement=b"d" * 32)).result(10)
    log.close()
    again = opened.first.log = reopen(opened)
    assert (again.size, again.answered(b"d" * 32), again.opening(2)) == (2, None, None)
    for table in ("openings", "subjects", "statements"):
        assert again._reads.execute(f"SELECT count(*) FROM {table}").fetchone() == (0,)
    check(again)


def test_an_append_killed_anywhere_is_there_whole_or_not_at_all(opened: Home, tmp_path: Path) -> None:
    opened.first.log.close()
    sizes, step = [], 0
    while True:
        step += 1
        at = tmp_path / str(step)
        at.mkdir()
        shutil.copy(opened.first.folder / "log.db", at / "log.db")

        def work(at: Path = at, step: int = step) -> None:
            die_at(step)
            log = Log.open(at / "log.db", opened.keys.log(0), opened.keys.local("openings"))
            log.append(access(statement=b"d" * 32)).result(10)
            log.close()

        code = in_child(work)
        with closing(Log.open(at / "log.db", opened.keys.log(0), opened.keys.local("openings"))) as log:
            sizes.append(log.size)
            assert log.answered(b"d" * 32) == (2 if log.size == 4 else None)
            assert (log.opening(2) is not None) == (log.size == 4)
            check(log)
        if code == 0:
            break
    assert set(sizes) == {2, 4}
    assert sizes == sorted(sizes)
    opened.first.log = reopen(opened)


# -- disks --------------------------------------------------------------------------------------------------------


@pytest.fixture
def little_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of 1 MiB."""
    disk = tmp_path / "disk"
    disk.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=1m,mode=700", "tmpfs", str(disk)]
    if os.geteuid() != 0 or shutil.which("mount") is None or subprocess.run(mount, capture_output=True).returncode:
        pytest.skip("no disk can be mounted here")
    try:
        yield disk
    finally:
        subprocess.run(["umount", "-l", str(disk)], check=True)


def make_log(path: Path) -> tuple[Log, Keys]:
    keys = Keys(bytes(32))
    signed = envelope.sign(CHARTER, home.personal("x", "members", 1)(keys), keys.identity)
    opened = envelope.open(CHARTER, Charter, signed)
    return Log.create(path, opened, keys.log(0), b""), keys


def note_of(size: int) -> Any:
    def draft(state: Any, index: int, now: int) -> list[Record]:
        return [record(Redaction(type=REDACTION, time=now, entries=(0,), reason="x" * size))]

    return draft


def test_a_disk_that_fills_up_loses_nothing_and_goes_on_when_there_is_space(little_disk: Path) -> None:
    log, keys = make_log(little_disk / "log.db")
    (little_disk / "ballast").write_bytes(bytes(400 << 10))
    done = 1
    while (error := log.append(note_of(60)).exception(10)) is None and done < 20_000:
        done += 1
    assert done > 5
    assert isinstance(error, StorageFailed)
    with pytest.raises(StorageFailed):
        log.append(note_of(1)).result(10)
    log.close()
    (little_disk / "ballast").unlink()
    with closing(Log.open(little_disk / "log.db", keys.log(0), b"")) as again:
        assert again.size == done
        check(again)
        again.append(note_of(60)).result(10)


def test_a_disk_that_turns_read_only_loses_nothing(little_disk: Path) -> None:
    log, keys = make_log(little_disk / "log.db")
    log.append(note_of(1)).result(10)
    log._db.execute("PRAGMA wal_autocheckpoint=1")
    for connection in (log._db, log._reads):
        connection.execute("PRAGMA query_only=ON")
    with pytest.raises(StorageFailed, match="cannot use log"):
        log.append(note_of(2)).result(10)
    log.close()
    subprocess.run(["mount", "-o", "remount,ro", str(little_disk)], check=True)
    with closing(Log.open(little_disk / "log.db", keys.log(0), b"")) as read:
        assert read.size == 2
        with pytest.raises(StorageFailed, match="cannot be written"):
            read.append(note_of(2)).result(10)
    subprocess.run(["mount", "-o", "remount,rw", str(little_disk)], check=True)
    with closing(Log.open(little_disk / "log.db", keys.log(0), b"")) as again:
        assert again.size == 2
        again.append(note_of(2)).result(10)


def test_what_is_no_database_is_told_as_a_failing_disk(opened: Home) -> None:
    opened.first.log.close()
    (opened.first.folder / "log.db").write_bytes(os.urandom(9000))
    with pytest.raises(StorageFailed):
        reopen(opened)


# -- damage: found on open, or before something is signed or given away -------------------------------------------


def flipped(data: bytes, at: int) -> bytes:
    return data[: at // 8] + bytes([data[at // 8] ^ (1 << at % 8)]) + data[at // 8 + 1 :]


def damage(opened: Home, select: str, update: str, at: int) -> None:
    """Close the log and flip bit `at` of one stored value."""
    opened.first.log.close()
    with closing(sqlite3.connect(opened.first.folder / "log.db")) as db:
        ((value,),) = db.execute(select).fetchall()
        db.execute(update, (flipped(value, at % (8 * len(value))),))
        db.commit()


@pytest.mark.parametrize("index", [0, 1, 2, 3])
def test_any_bit_that_flips_in_an_entry_is_found_on_open(opened: Home, index: int) -> None:
    opened.first.log.append(access()).result(10)
    whole = opened.first.log.entry(index)
    for at in range(0, 8 * len(whole), 61):
        damage(
            opened,
            f"SELECT data FROM entries WHERE idx = {index}",
            f"UPDATE entries SET data = ? WHERE idx = {index}",
            at,
        )
        try:
            opened.first.log = reopen(opened)
        except CommonsError as error:
            opened.first.log, told = Log(opened.path / "none.db", opened.keys.log(0), b""), error
        else:
            told = opened.first.log.append(access()).exception(10)  # type: ignore[assignment]
            assert f"entries {index}:" in told.message
        assert isinstance(told, StorageFailed)
        assert "damaged" in told.message
        opened.first.log.close()
        with closing(sqlite3.connect(opened.first.folder / "log.db")) as db:
            db.execute("UPDATE entries SET data = ? WHERE idx = ?", (whole, index))
            db.commit()
    opened.first.log = reopen(opened)
    assert opened.first.log.broken is None


@pytest.mark.parametrize("at", [0, 100, 600, 1000])
def test_any_bit_that_flips_in_the_newest_checkpoint_is_found_on_open(opened: Home, at: int) -> None:
    damage(opened, "SELECT note FROM checkpoints WHERE size = 2", "UPDATE checkpoints SET note = ? WHERE size = 2", at)
    with pytest.raises(StorageFailed, match="damaged: checkpoints 2: "):
        reopen(opened)


@pytest.mark.parametrize(("level", "pos"), [(0, 4), (2, 0), (1, 0), (0, 1)])
def test_a_bit_that_flips_in_the_tree_is_found_on_open(opened: Home, level: int, pos: int) -> None:
    opened.first.log.append(access()).result(10)
    opened.first.log.append(note_of(1)).result(10)  # five entries: the edge is (2, 0) and (0, 4)
    damage(
        opened,
        f"SELECT hash FROM nodes WHERE level = {level} AND pos = {pos}",
        f"UPDATE nodes SET hash = ? WHERE level = {level} AND pos = {pos}",
        77,
    )
    log = opened.first.log = reopen(opened)
    assert [(each.table, each.row) for each in log.damage] == [("nodes", f"({level}, {pos})")]
    with pytest.raises(StorageFailed, match=r"nodes \(\d, \d\)"):
        log.append(access()).result(10)


@pytest.mark.parametrize(("level", "pos"), [(1, 0), (0, 1)])
def test_a_bit_that_flips_in_the_tree_of_an_open_log_is_found_before_a_proof_is_given(
    opened: Home, level: int, pos: int
) -> None:
    log = opened.first.log
    log.append(access()).result(10)
    log.append(note_of(1)).result(10)
    value = flipped(log.read(level, pos), 77)
    log._db.execute("UPDATE nodes SET hash = ? WHERE level = ? AND pos = ?", (value, level, pos))
    told = []
    for index in range(log.size):
        try:
            log.prove(index, log.head)
        except StorageFailed as error:
            told.append(error)
    assert told
    with pytest.raises(StorageFailed, match="damaged"):
        log.append(access()).result(10)


@pytest.mark.parametrize("size", [255, 256, 257, 511, 512, 513])
def test_a_log_of_any_length_is_read_whole_when_it_is_opened_and_goes_on(opened: Home, size: int) -> None:
    """It is read 256 entries at once: state, tree and size are the same as those of the log that was closed."""
    log = opened.first.log
    with stalled(log):
        futures = [log.append(access(subject=f"bob {n}")) for n in range(size - log.size, 1, -2)]
        futures += [log.append(note_of(1))] if size % 2 else []
    futures[-1].result(LIMIT)
    assert (log.size, before := log.head) == (size, log.head)
    accesses = log.state.accesses
    log.close()
    log = opened.first.log = reopen(opened)
    assert (log.size, log.state.size, log.head, log.broken) == (size, size, before, None)
    assert log.state.accesses == accesses
    log.append(access()).result(LIMIT)
    check(log)
    assert log.lead(size, log.head)


def test_a_lost_entry_of_a_long_log_is_told_as_damage(opened: Home) -> None:
    log = opened.first.log
    with stalled(log):
        futures = [log.append(note_of(1)) for _ in range(700)]
    assert futures[-1].result(10).head.checkpoint.size == 702
    log.close()
    with closing(sqlite3.connect(opened.first.folder / "log.db")) as db:
        db.execute("DELETE FROM entries WHERE idx = 3")
        db.commit()
    with pytest.raises(StorageFailed, match="damaged"):
        reopen(opened)


def test_a_damaged_opening_is_told_and_the_entry_stays_provable(opened: Home) -> None:
    opened.first.log.append(access()).result(10)
    damage(opened, "SELECT sealed FROM openings WHERE idx = 2", "UPDATE openings SET sealed = ? WHERE idx = 2", 300)
    log = opened.first.log = reopen(opened)
    with pytest.raises(StorageFailed, match="opening of entry 2 is damaged"):
        log.opening(2)
    log.prove(2, log.head)


def test_a_consistency_proof_out_of_a_damaged_tree_is_not_given_away(opened: Home) -> None:
    """It would show the requester two histories, and this node as a liar."""
    log = opened.first.log
    for n in range(5):
        log.append(note_of(n)).result(10)
    assert len(log.lead(3, log.head)) > 0
    assert log.lead(0, log.head) == log.lead(log.size, log.head) == log.lead(log.size + 1, log.head) == ()
    last = (bytes(32), log.size - 1)
    log._db.execute("UPDATE nodes SET hash = ? WHERE level = 0 AND pos = ?", last)
    assert (log.lead(log.size, log.head), log.broken) == ((), None)  # from all there is nothing leads anywhere
    log._db.execute("UPDATE nodes SET hash = ? WHERE level = 0 AND pos = 3", (bytes(32),))
    with pytest.raises(StorageFailed, match="damaged"):
        log.lead(3, log.head)
    with pytest.raises(StorageFailed, match="damaged"):
        log.append(access()).result(10)


@pytest.mark.parametrize("more", [-1, 0, 1])
def test_an_alarm_tells_a_log_that_is_behind_from_one_with_two_histories(opened: Home, more: int) -> None:
    log = opened.first.log
    said = checkpoint.Checkpoint(origin=log.origin, size=log.size + more, root=bytes(32))
    theirs = checkpoint.sign(said, opened.keys.log(0))
    assert type(alarmed(log.head, theirs)) is (Stale if more > 0 else StorageFailed)
    for proven in (True, False):
        told = outrun(log.head, theirs, "eve", proven)
        assert ("by the word of eve" in told.message) == ("--go-on" in told.hint) == (not proven)


# -- rolled back and forked -----------------------------------------------------------------------------------------


def test_two_histories_of_one_log_know_each_other_by_their_heads(opened: Home, tmp_path: Path) -> None:
    opened.first.log.close()
    shutil.copy(opened.first.folder / "log.db", tmp_path / "fork.db")
    log = opened.first.log = reopen(opened)
    with closing(Log.open(tmp_path / "fork.db", opened.keys.log(0), opened.keys.local("openings"))) as fork:
        ours, theirs = (one.append(access(word)).result(10).head.note for one, word in ((log, b"a"), (fork, b"b")))
        for one, other in ((log, theirs), (fork, ours)):
            with pytest.raises(StorageFailed, match="forked") as caught:
                one.compare(other)
            assert set(caught.value.evidence) == {ours.decode(), theirs.decode()}
            with pytest.raises(StorageFailed, match="forked"):
                one.append(access()).result(10)


def test_an_alarm_that_the_disk_does_not_take_shuts_the_log_all_the_same(opened: Home, tmp_path: Path) -> None:
    opened.first.log.close()
    shutil.copy(opened.first.folder / "log.db", tmp_path / "old.db")
    with closing(Log.open(tmp_path / "old.db", opened.keys.log(0), opened.keys.local("openings"))) as future:
        newer = future.append(access(b"a")).result(10).head.note
    log = opened.first.log = reopen(opened)
    log.append(access(b"b")).result(10)
    log._reads.execute("PRAGMA query_only=ON")
    with pytest.raises(StorageFailed, match="rolled back"):
        log.compare(newer)
    with pytest.raises(StorageFailed, match="rolled back"):
        log.append(access()).result(10)
    log._reads.execute("PRAGMA query_only=OFF")
    for _ in range(5):  # whoever asks again adds nothing
        with pytest.raises(StorageFailed, match="rolled back"):
            log.compare(newer)
    assert log._reads.execute("SELECT count(*) FROM alarms").fetchone() == (1,)


@pytest.fixture
def newer(opened: Home, tmp_path: Path) -> tuple[bytes, tuple[bytes, ...]]:
    """A head of two entries more than there are here, and what leads to it."""
    opened.first.log.close()
    shutil.copy(opened.first.folder / "log.db", tmp_path / "old.db")
    with closing(Log.open(tmp_path / "old.db", opened.keys.log(0), opened.keys.local("openings"))) as future:
        old = future.size
        head = future.append(access(b"a")).result(LIMIT).head
        lead = future.lead(old, head)
    opened.first.log = reopen(opened)
    return head.note, lead


def test_what_is_proven_takes_the_place_of_somebodys_word(opened: Home, newer: tuple[bytes, tuple[bytes, ...]]) -> None:
    log, (head, lead) = opened.first.log, newer
    with pytest.raises(Stale, match="behind by the word of eve"):
        log.compare(head, "eve")
    with pytest.raises(Stale, match="ben has shown"):
        log.compare(head, "ben", lead)
    assert not log.waive(99)


def test_a_log_that_is_shut_already_says_why_whatever_it_is_shown(
    opened: Home, newer: tuple[bytes, tuple[bytes, ...]]
) -> None:
    log, (head, lead) = opened.first.log, newer
    log.broken = StorageFailed("the disk is full")
    for shown in ((), lead):
        with pytest.raises(StorageFailed, match="the disk is full"):
            log.compare(head, "eve", shown)
        assert not log.waive(99)
    with pytest.raises(StorageFailed, match="the disk is full"):
        log.append(access()).result(LIMIT)
    log.broken = None


def test_a_head_of_a_log_that_ends_where_it_does_here_proves_it_forked_and_an_empty_one_nothing(opened: Home) -> None:
    log, keys = opened.first.log, opened.keys
    empty = checkpoint.Checkpoint(origin=log.origin, size=0, root=merkle.EMPTY)
    assert log.compare(checkpoint.sign(empty, keys.log(0))) == 0
    assert log.compare(log.head.note) == log.size
    lie = checkpoint.Checkpoint(origin=log.origin, size=log.size, root=bytes(32))
    log.waived = 99  # whatever its owner goes on without: this is no newer head
    with pytest.raises(StorageFailed, match="rolled back or forked"):
        log.compare(checkpoint.sign(lie, keys.log(0)))


def test_no_key_is_released_before_the_decision_is_durable(opened: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    log = opened.first.log
    log.append(access()).result(LIMIT)
    whole, now = log.head, log.state.time
    assert log.granted(2, now).decision == 3
    with monkeypatch.context() as patch:
        patch.setattr(log, "head", replace(whole, checkpoint=replace(whole.checkpoint, size=3)))
        with pytest.raises(Pending, match="is being written"):
            log.granted(2, now)


# -- erasing ----------------------------------------------------------------------------------------------------------


def erase(*targets: int) -> Any:
    def draft(state: Any, index: int, now: int) -> list[Record]:
        leaf = Redaction(type=REDACTION, time=now, entries=targets, reason="requested")
        return [Record(entry=leaf, data=codec.encode(leaf), erases=targets)]

    return draft


def raw(folder: Path) -> bytes:
    return b"".join(path.read_bytes() for path in folder.glob("log.db*"))


def secrets_of(log: Log, *indices: int) -> list[bytes]:
    rows = [
        log._reads.execute("SELECT sealed, key FROM openings JOIN subjects USING (subject) WHERE idx = ?", (i,))
        for i in indices
    ]
    return [bytes(value) for row in rows for value in row.fetchone()]


def test_many_are_erased_out_of_a_large_log_without_a_trace(opened: Home) -> None:
    log = opened.first.log
    with stalled(log):
        futures = [log.append(access(os.urandom(50 + 40 * (n % 60)), f"subject {n % 90}")) for n in range(300)]
    assert futures[-1].result(10).first == 600
    gone = [future.result().first for future in futures[::7]]
    hidden = secrets_of(log, *gone)
    assert all(secret in raw(opened.first.folder) for secret in hidden)
    log.append(erase(*gone[:20])).result(10)
    with stalled(log):
        several = [log.append(erase(target)) for target in gone[20:]]
    for future in several:
        future.result(10)
    left = raw(opened.first.folder)
    assert not any(secret in left or secret[-24:] in left for secret in hidden)
    kept = [future.result().first for future in futures if future.result().first not in gone]
    assert all(log.opening(index) is not None for index in kept)
    assert all(log.opening(index) is None for index in gone)
    check(log)


def test_what_a_crash_after_an_erasure_leaves_in_the_wal_is_gone_after_the_next_start(
    opened: Home, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = opened.first.log
    log.append(access(b"FIRST", "bob")).result(10)
    hidden = secrets_of(log, 2)
    monkeypatch.setattr(sql, "forget", lambda db: None)
    log.append(erase(2)).result(10)
    monkeypatch.undo()
    for path in opened.first.folder.glob("log.db*"):
        shutil.copy(path, tmp_path / path.name)
    assert all(secret in raw(tmp_path) for secret in hidden)
    with closing(Log.open(tmp_path / "log.db", opened.keys.log(0), opened.keys.local("openings"))) as again:
        assert not any(secret in raw(tmp_path) for secret in hidden)
        assert again.state.redacted == {2: 4}


def test_an_erasure_that_somebody_elses_reading_holds_up_is_not_called_done(opened: Home) -> None:
    log = opened.first.log
    log.append(access(b"FIRST", "bob")).result(10)
    hidden = secrets_of(log, 2)
    log._db.execute("PRAGMA busy_timeout=20")
    with closing(sqlite3.connect(opened.first.folder / "log.db", isolation_level=None)) as other:
        other.execute("BEGIN")
        other.execute("SELECT count(*) FROM entries").fetchone()
        with pytest.raises(StorageFailed, match="still in the WAL"):
            log.append(erase(2)).result(10)
        other.execute("ROLLBACK")
    log.close()
    opened.first.log = reopen(opened)
    assert opened.first.log.state.redacted == {2: 4}
    assert not any(secret in raw(opened.first.folder) for secret in hidden)


def test_entries_are_dated_in_order_whatever_the_clock_does(opened: Home) -> None:
    log, first = opened.first.log, opened.first.log.state.time
    log._clock = lambda: first - 5000.0
    log.append(access()).result(10)
    assert log.state.time == first
    log._clock = time.time
    log.append(access(b"2")).result(10)
    opened.first.log.close()
    opened.first.log = reopen(opened)
    assert opened.first.log.size == 6


# -- a log that somebody else began -----------------------------------------------------------------------------------


def handed_over() -> tuple[Keeper, list[Record], Signer]:
    """A log whose members chose bob to keep it, with an entry that is none in it; and what he signs with."""
    log = Keeper(members=(BOB.identity.peer,))
    log.add(b"no entry")
    signer = log.hand_over()
    read = [entries.Unknown(type="") if data == b"no entry" else entries.decode(data) for data in log.data]
    return log, [Record(entry=entry, data=data) for entry, data in zip(read, log.data, strict=True)], signer


def test_a_log_that_somebody_else_began_goes_on_under_the_key_of_who_keeps_it_now(tmp_path: Path) -> None:
    """What its first keeper logged against the rules keeps nobody from it; the same by who keeps it now does."""
    before, records, signer = handed_over()
    Log.adopt(tmp_path / "log.db", records, signer, b"")
    with closing(Log.open(tmp_path / "log.db", signer, b"")) as log:
        assert list(log.entries(0, log.size)) == before.data
        assert (log.key.public, log.state.keeper.public) == (signer.public, signer.public)
        log.append(note_of(1)).result(LIMIT)
        check(log)
        log._store(log.size, [Record(entry=records[1].entry, data=b"no entry")])
    with pytest.raises(StorageFailed, match=f"damaged: entry {len(before.data) + 1} cannot be read"):
        Log.open(tmp_path / "log.db", signer, b"")


def test_a_log_is_taken_over_from_its_charter_on_and_up_to_what_gives_the_right_to_it(tmp_path: Path) -> None:
    before, records, signer = handed_over()
    others = [records[2], record(Redaction(type=REDACTION, time=1, entries=(0,), reason="x"))]  # signed, and not
    for first in others:
        with pytest.raises(Malformed, match="begins with a charter"):
            Log.adopt(tmp_path / "log.db", [first, *records[1:]], signer, b"")
    stolen = Succession(commons=before.commons, head=before.head(len(records) - 1), time=before.clock)
    last = envelope.open(SUCCESSION, Succession, envelope.sign(SUCCESSION, stolen, EVE.identity))
    for key in (signer, ALICE.log(0), EVE.log(0, before.commons)):
        with pytest.raises(Refused, match="chosen"):
            Log.adopt(tmp_path / "log.db", [*records[:-1], record(last)], key, b"")
    with pytest.raises(StorageFailed, match="has no entries"):
        Log.open(tmp_path / "log.db", signer, b"")


def test_a_head_by_who_kept_a_log_before_shuts_it_for_nobody(tmp_path: Path) -> None:
    """Up to the entry that handed it over, that key could sign whatever it likes; beyond it, it signs nothing."""
    before, records, signer = handed_over()
    Log.adopt(tmp_path / "log.db", records, signer, b"")
    since = len(records) - 1
    with closing(Log.open(tmp_path / "log.db", signer, b"")) as log:
        for size in (1, since - 1, since):
            lie = checkpoint.Checkpoint(origin=log.origin, size=size, root=bytes(32))
            assert log.compare(before.head(size)) == size
            with pytest.raises(Conflict, match="keeps it no more"):
                log.compare(checkpoint.sign(lie, ALICE.log(0)))
        log.append(note_of(1)).result(LIMIT)
        lie = checkpoint.Checkpoint(origin=log.origin, size=since + 1, root=bytes(32))
        with pytest.raises(Untrue):
            log.compare(checkpoint.sign(lie, ALICE.log(0)))
        with pytest.raises(StorageFailed, match="forked"):
            log.compare(checkpoint.sign(lie, signer))


def test_an_open_log_is_examined_whole(opened: Home) -> None:
    log = opened.first.log
    with stalled(log):
        futures = [log.append(note_of(1)) for _ in range(600)]
    futures[-1].result(LIMIT)
    assert list(log.examine()) == []
    for row in (3, 599):
        whole = log.entry(row)
        log._db.execute("UPDATE entries SET data = ? WHERE idx = ?", (flipped(whole, 99), row))
        assert [(each.table, each.row) for each in log.examine()] == [("entries", str(row))]
        log._db.execute("UPDATE entries SET data = ? WHERE idx = ?", (whole, row))
    log._db.execute("DELETE FROM entries WHERE idx = 300")
    assert list(log.examine()) != []


def test_a_log_that_begins_with_a_charter_by_no_member_is_told_as_damaged(tmp_path: Path) -> None:
    said = home.personal("x", "members", 1)(ALICE)
    charter = envelope.open(CHARTER, Charter, envelope.sign(CHARTER, said, EVE.identity))
    with closing(Log(tmp_path / "log.db", ALICE.log(0), b"")) as log:
        log._begin((), None, charter)
        log._store(0, [record(charter)])
    with pytest.raises(StorageFailed, match="damaged: checkpoints 1: the log has no charter"):
        Log.open(tmp_path / "log.db", ALICE.log(0), b"")


@pytest.mark.parametrize("first", [record(entries.Stamp(type=entries.STAMP, time=1, head=b"x")), handed_over()[1][2]])
def test_a_log_that_begins_with_no_charter_is_told_as_damaged(tmp_path: Path, first: Record) -> None:
    """Signed by somebody, or by nobody."""
    before, records, _ = handed_over()
    with closing(Log(tmp_path / "log.db", ALICE.log(0), b"")) as log:
        log._begin((), None, entries.decode(before.data[0]))  # type: ignore[arg-type]
        log._store(0, [first, *records[1:]])
    with pytest.raises(StorageFailed, match="entry 0 is no charter"):
        Log.open(tmp_path / "log.db", ALICE.log(0), b"")
