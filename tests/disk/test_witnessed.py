"""What a witness keeps: compared and stored in one step, durable before it is said, never forgotten."""

from __future__ import annotations

import os
import sqlite3
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from commons.core.crypto.keys import Signer
from commons.core.tlog import cosignature, note
from commons.core.tlog.checkpoint import Signed
from commons.core.tlog.cosignature import AddCheckpoint, Behind
from commons.core.tlog.note import COSIGNATURE, Verifier
from commons.disk.cosigned import Cosigned
from commons.disk.witnessed import Seen, Witnessed
from commons.errors import CommonsError, Malformed, StorageFailed
from tests.core.test_cosignature import LOG, Log
from tests.crash_driver import die_at, in_child, told

OURS = Signer(b"o" * 32)
KEY = Verifier(name="commons-witness/test", type=COSIGNATURE, public=OURS.public)


@pytest.fixture
def kept(tmp_path: Path) -> Iterator[Witnessed]:
    opened = Witnessed(tmp_path / "witness.db")
    yield opened
    opened.close()


def step(request: AddCheckpoint, time: int = 1) -> Callable[[Seen | None], Seen]:
    def work(last: Seen | None) -> Seen:
        head = cosignature.check(request, [LOG], last.head if last else None)
        line = note.cosign(note.peek(head.note), KEY.name, OURS, time)
        return Seen(head=Signed(checkpoint=head.checkpoint, note=note.add(head.note, line)), time=time, line=line)

    return work


def test_the_last_head_is_there_when_the_file_is_opened_again(kept: Witnessed, tmp_path: Path) -> None:
    kept.add(LOG)
    kept.step(LOG.name, step(Log(3).asks(0)))
    seen = kept.step(LOG.name, step(Log(7).asks(3), time=9))
    kept.close()
    again = Witnessed(tmp_path / "witness.db")
    assert again.last(LOG.name) == seen
    assert again.keys(LOG.name) == (LOG,)
    assert note.open(seen.head.note, [LOG, KEY]).signatures[1].time == 9
    again.close()


def test_what_is_refused_changes_nothing(kept: Witnessed) -> None:
    seen = kept.step(LOG.name, step(Log(7).asks(0)))
    for asked in (Log(9).asks(3), Log(9, fork=2).asks(7), Log(6).asks(0)):
        with pytest.raises(CommonsError):
            kept.step(LOG.name, step(asked))
    with pytest.raises(ZeroDivisionError):
        kept.step(LOG.name, lambda _: 1 // 0)  # type: ignore[arg-type,return-value]
    assert kept.last(LOG.name) == seen
    kept.step(LOG.name, step(Log(8).asks(7)))


def test_a_log_that_was_removed_is_not_forgotten(kept: Witnessed) -> None:
    kept.add(LOG)
    seen = kept.step(LOG.name, step(Log(7).asks(0)))
    assert kept.remove(LOG.name)
    assert not kept.remove(LOG.name)
    assert kept.keys(LOG.name) == ()
    kept.add(LOG)
    assert kept.last(LOG.name) == seen
    with pytest.raises(Behind):
        kept.step(LOG.name, step(Log(7, fork=2).asks(0)))


def test_one_key_of_several_is_removed_by_its_own_name(kept: Witnessed) -> None:
    new = Verifier(name=LOG.name, public=Signer(b"n" * 32).public)
    kept.add(LOG)
    kept.add(new)
    kept.add(new)
    assert kept.remove(LOG.vkey)
    assert kept.keys(LOG.name) == (new,)


def test_the_first_fork_found_is_the_one_kept(kept: Witnessed) -> None:
    assert kept.fork(LOG.name) is None
    kept.keep(LOG.name, "ours", "theirs")
    kept.keep(LOG.name, "x", "y")
    assert kept.fork(LOG.name) == ("ours", "theirs")


def test_of_two_heads_from_one_size_only_one_is_signed(kept: Witnessed) -> None:
    """Each round forks twice at the same size, from many threads: one of all of them wins."""
    size = 0
    for _ in range(10):
        start, requests = threading.Barrier(8), []
        for n in range(8):
            log = Log(size + 3) if n % 2 else Log(size + 2)
            requests.append(log.asks(size))

        def ask(request: AddCheckpoint, start: threading.Barrier = start) -> int | None:
            start.wait()
            try:
                return kept.step(LOG.name, step(request)).head.checkpoint.size
            except (Behind, Malformed):
                return None

        with ThreadPoolExecutor(8) as pool:
            signed = [got for got in pool.map(ask, requests) if got is not None]
        last = kept.last(LOG.name)
        assert last is not None
        assert signed == [last.head.checkpoint.size]
        size = signed[0]


def test_two_processes_do_not_sign_two_heads(kept: Witnessed, tmp_path: Path) -> None:
    """The home's lock forbids it; the transaction would hold all the same."""
    other = Witnessed(tmp_path / "witness.db")
    kept.step(LOG.name, step(Log(3).asks(0)))
    with pytest.raises(Behind):
        other.step(LOG.name, step(Log(5, fork=1).asks(0)))
    other.close()


def test_killed_at_any_step_what_was_said_is_stored(tmp_path: Path) -> None:
    """kill -9 before each write and each fsync: a signature that left the node is in its file, whatever came after."""
    for at in count(1):
        folder = tmp_path / str(at)
        folder.mkdir()

        def work(folder: Path = folder, at: int = at) -> None:
            die_at(at)
            kept = Witnessed(folder / "witness.db")
            for old, new in ((0, 3), (3, 7), (7, 9)):
                seen = kept.step(LOG.name, step(Log(new).asks(old)))
                with (folder / "told").open("a") as file:
                    file.write(f"{seen.head.checkpoint.size}\n")

        code = in_child(work)
        again = Witnessed(folder / "witness.db")
        last = again.last(LOG.name)
        size = last.head.checkpoint.size if last else 0
        said = [int(line) for line in told(folder / "told")]
        assert size >= max(said, default=0), at
        for lie in (Log(size + 1, fork=0).asks(old) for old in said):
            with pytest.raises((Behind, Malformed)):
                again.step(LOG.name, step(lie))
        again.step(LOG.name, step(Log(12).asks(size)))  # and it goes on
        again.close()
        if code == 0:
            assert at > 3
            return
        assert code == -9


class Failing(sqlite3.Connection):
    """A disk that refuses one COMMIT, having stored it or not."""

    stores = False

    def execute(self, said: str, *args: Any) -> sqlite3.Cursor:
        if said == "COMMIT":
            if type(self).stores:
                super().execute(said)
            raise sqlite3.OperationalError("disk I/O error")
        return super().execute(said, *args)


@pytest.mark.parametrize("stores", [True, False])
def test_after_a_failed_commit_nothing_is_signed_until_it_is_opened_anew(tmp_path: Path, stores: bool) -> None:
    path = tmp_path / "witness.db"
    kept = Witnessed(path)
    kept.step(LOG.name, step(Log(3).asks(0)))
    Failing.stores = stores
    kept._db.close()
    kept._db = kept.unread._db = sqlite3.connect(path, factory=Failing, isolation_level=None, check_same_thread=False)
    for old in (3, 3, 7):
        with pytest.raises(StorageFailed, match="cannot be stored"):
            kept.step(LOG.name, step(Log(7).asks(old)))
    kept.close()
    again = Witnessed(path)
    last = again.last(LOG.name)
    assert last is not None
    assert last.head.checkpoint.size == (7 if stores else 3)
    again.step(LOG.name, step(Log(7).asks(last.head.checkpoint.size)))
    again.close()


def test_it_is_durable_and_nobody_elses_to_read(tmp_path: Path) -> None:
    kept = Witnessed(tmp_path / "witness.db")
    assert kept._db.execute("PRAGMA synchronous").fetchone() == (2,)
    assert os.stat(tmp_path / "witness.db").st_mode & 0o077 == 0
    kept.close()


# -- what was signed of our own heads ----------------------------------------------------------------------------------


def cosigned_by(data: bytes, name: str) -> dict[str, bytes]:
    signer = Signer(name.encode().ljust(32))
    line = note.cosign(note.peek(data), name, signer, 1)
    return {Verifier(name=name, type=COSIGNATURE, public=signer.public).vkey: line}


def test_lines_of_one_head_are_never_anothers(tmp_path: Path) -> None:
    ours = Cosigned(tmp_path / "cosigned.db")
    three, another, seven = Log(3).note, Log(3, fork=1).note, Log(7).note
    one, two, of_seven, other = (
        cosigned_by(data, name) for data, name in ((three, "w1"), (three, "w2"), (seven, "w1"), (another, "w1"))
    )
    ours.put(3, three, one)
    ours.put(3, three, two)
    ours.put(7, seven, of_seven)
    assert [(head.size, dict(head.lines)) for head in ours.heads] == [(7, of_seven), (3, one | two)]
    ours.put(3, another, other)
    assert dict(ours.heads[1].lines) == other
    ours.close()
    again = Cosigned(tmp_path / "cosigned.db")
    assert [(head.size, head.note, dict(head.lines)) for head in again.heads] == [
        (7, seven, of_seven),
        (3, another, other),
    ]
    again.prune({3, 9})
    assert [head.size for head in again.heads] == [7]
    again.close()


def test_a_disk_that_refuses_leaves_what_was_there(tmp_path: Path) -> None:
    ours = Cosigned(tmp_path / "cosigned.db")
    ours.put(3, b"three", {"w1": b"one"})
    ours._db.execute("PRAGMA query_only = ON")
    with pytest.raises(StorageFailed):
        ours.put(7, b"seven", {"w1": b"seven"})
    assert [head.size for head in ours.heads] == [3]
    ours.close()
