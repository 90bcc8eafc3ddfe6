"""What this node vouches for as a witness: the keys of each log it cosigns, and the last head of it that it cosigned.

One SQLite file. A head is never forgotten, not even when its log is removed: whoever forgets signs a second history.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from commons.core.tlog import checkpoint, cosignature, note
from commons.core.tlog.checkpoint import Checkpoint, Signed
from commons.core.tlog.note import Verifier, parse_vkey
from commons.disk import sql
from commons.disk.damage import Check, Unread
from commons.errors import CommonsError, StorageFailed

SCHEMA = """
CREATE TABLE IF NOT EXISTS logs(vkey TEXT PRIMARY KEY, origin TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS heads(
    origin TEXT PRIMARY KEY, size INTEGER NOT NULL, root BLOB NOT NULL, time INTEGER NOT NULL, line BLOB NOT NULL,
    note BLOB NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS forks(origin TEXT PRIMARY KEY, ours TEXT NOT NULL, theirs TEXT NOT NULL) WITHOUT ROWID;
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """The last head that this node cosigned of a log: `head.note` with our signature, which alone is `line`, made at
    `time`."""

    head: Signed
    time: int
    line: bytes


Step = Callable[[Seen | None], Seen]  # from the last head to the next; raises a CommonsError to change nothing


class Witnessed:
    """The table of logs that this node cosigns, and of the last head of each that it cosigned. From any thread."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._db = sql.connect(path, SCHEMA)
        self._lock = threading.Lock()
        self.unread = Unread(path.name, self._db, {**_CHECKS, "heads": self._check})
        self.broken: CommonsError | None = None

    def close(self) -> None:
        """Nothing: closes the file."""
        with self._lock:  # a thread may be writing still, whose task was cancelled
            self._db.close()

    # -- whose heads ------------------------------------------------------------------------------------------------

    def add(self, key: Verifier) -> None:
        """Nothing: cosigns the log with this key from now on. Several keys of one origin may be there: a log that
        changes its key signs with both for a while."""
        with self._lock, sql.door(self._path):
            self._db.execute("INSERT OR IGNORE INTO logs VALUES(?, ?)", (key.vkey, key.name))

    def remove(self, name: str) -> bool:
        """Whether there was such a key: one is dropped by its vkey, or all of an origin."""
        with self._lock, sql.door(self._path):
            said = "DELETE FROM logs WHERE vkey = ? OR origin = ? RETURNING 1"
            return bool(self._db.execute(said, (name, name)).fetchall())

    def keys(self, origin: str) -> tuple[Verifier, ...]:
        """The keys of a log that is cosigned here, by its origin."""
        with self._lock, sql.door(self._path):
            rows = self.unread.rows("logs", "WHERE origin = ?", origin)
        found = [self.unread.read("logs", vkey, lambda: parse_vkey(vkey)) for vkey, _ in rows]  # noqa: B023
        return tuple(key for key in found if key is not None)

    def origins(self) -> list[str]:
        """The origins of all logs that were ever cosigned here, or are to be."""
        with self._lock, sql.door(self._path):
            found = {origin for _, origin in self.unread.rows("logs")}
            return sorted(found | {origin for origin, *_ in self.unread.rows("heads")})

    def _check(self, origin: str, *row: Any) -> None:
        """Raises for a stored head that is none, or is not signed as its log's keys, where they are known, sign."""
        data = _head(origin, *row).head.note
        if keys := [parse_vkey(vkey) for vkey, _ in self.unread.rows("logs", "WHERE origin = ?", origin, check=_log)]:
            note.open(note.only(data, keys), keys)

    # -- heads ------------------------------------------------------------------------------------------------------

    def last(self, origin: str) -> Seen | None:
        """The last head cosigned of a log; None if there was none. StorageFailed where it is damaged: whoever forgets
        it signs a second history."""
        with self._lock, sql.door(self._path):
            return self._last(origin)

    def _last(self, origin: str) -> Seen | None:
        row = self.unread.one("heads", "WHERE origin = ?", origin, check=_head)
        return None if row is None else _head(*row)

    def step(self, origin: str, work: Step) -> Seen:
        """The head that is the last one now: what `work` makes of the last, compared and stored in one transaction.
        Durable when this returns: only then may the signature leave the node.

        A crash before COMMIT returns leaves the old head, and a signature that nobody was given, or the new one: then
        who asks again from the old size is told the new one, and gets the same head signed. A COMMIT that fails may
        have persisted or not: nothing is signed any more until the file is opened anew.
        """
        with self._lock, sql.door(self._path):
            if self.broken is not None:
                raise self.broken.with_traceback(None)
            self._db.execute("BEGIN IMMEDIATE")
            try:
                last = self._last(origin)
                seen = work(last)
                if seen == last:
                    self._db.execute("ROLLBACK")
                    return seen
                at = seen.head.checkpoint
                self._db.execute(
                    "INSERT OR REPLACE INTO heads VALUES(?, ?, ?, ?, ?, ?)",
                    (origin, at.size, at.root, seen.time, seen.line, seen.head.note),
                )
            except BaseException:
                self._db.execute("ROLLBACK")
                raise
            try:
                self._db.execute("COMMIT")
            except BaseException as error:
                self.broken = StorageFailed(
                    f"what this witness signs cannot be stored: {sql.why(error)}",
                    hint="mend the disk, then restart the node",
                )
                if self._db.in_transaction:
                    self._db.execute("ROLLBACK")
                raise self.broken from error
        return seen

    def keep(self, origin: str, ours: str, theirs: str) -> None:
        """Nothing: keeps evidence that a log signed two histories; the first found stays."""
        with self._lock, sql.door(self._path):
            self._db.execute("INSERT OR IGNORE INTO forks VALUES(?, ?, ?)", (origin, ours, theirs))

    def fork(self, origin: str) -> tuple[str, str] | None:
        """The two heads by which a log proved to have two histories; None where none are known."""
        with self._lock, sql.door(self._path):
            rows = self.unread.rows("forks", "WHERE origin = ?", origin)
        return next(((ours, theirs) for _, ours, theirs in rows), None)


def _head(origin: str, size: int, root: bytes, time: int, line: bytes, data: bytes) -> Seen:
    said = cosignature.head_of(note.peek(data))
    if said != Checkpoint(origin=origin, size=size, root=root):
        raise StorageFailed("it is not the head that its note says", hint=sql.MEND)
    return Seen(head=Signed(checkpoint=said, note=data), time=time, line=line)


def _log(vkey: str, origin: str) -> None:
    if parse_vkey(vkey).name != origin:
        raise StorageFailed("its key is of another log", hint=sql.MEND)


_CHECKS: dict[str, Check] = {
    "logs": _log,
    "forks": lambda origin, *heads: [checkpoint.parse(note.peek(each.encode())) for each in heads],
}
