"""What witnesses signed of this node's own log: their lines under its heads.

A file of its own: it is written while the log commits, and neither waits for the other. What is lost with it can be
asked for again; what is read from it is verified again.
"""

from __future__ import annotations

import threading
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from commons.core.tlog import checkpoint, note
from commons.core.tlog.note import parse_vkey
from commons.disk import sql
from commons.disk.damage import Unread
from commons.errors import StorageFailed

SCHEMA = """
CREATE TABLE IF NOT EXISTS heads(size INTEGER PRIMARY KEY, note BLOB NOT NULL);
CREATE TABLE IF NOT EXISTS lines(size INTEGER, vkey TEXT, line BLOB NOT NULL, PRIMARY KEY(size, vkey)) WITHOUT ROWID;
"""


def _head(size: int, data: bytes) -> None:
    if checkpoint.parse(note.peek(data)).size != size:
        raise StorageFailed("it is a head of another size", hint=sql.MEND)


@dataclass(frozen=True, slots=True)
class Head:
    """A signed head of this home's log, and the line that each witness signed under it, by the witness's vkey."""

    size: int
    note: bytes
    lines: Mapping[str, bytes] = field(default_factory=dict)


class Cosigned:
    """What witnesses signed of this home's log, newest first: read from memory, written from any thread. `edition`
    grows with every change."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._db = sql.connect(path, SCHEMA)
        self._lock = threading.Lock()
        self.unread = Unread(path.name, self._db, {"heads": _head, "lines": self._check})
        self.edition = 0
        with sql.door(path):
            rows = self.unread.rows("heads", check=_head)
            lines: dict[int, dict[str, bytes]] = {}
            for size, vkey, line in self.unread.rows("lines", check=self._check):
                lines.setdefault(size, {})[vkey] = line
        self.heads: tuple[Head, ...] = tuple(
            Head(size, data, lines.get(size, {})) for size, data in sorted(rows, reverse=True)
        )

    def _check(self, size: int, vkey: str, line: bytes) -> None:
        """Raises for a line that does not verify. Those that no head is stored for, nobody reads."""
        row = self._db.execute("SELECT note FROM heads WHERE size = ?", (size,)).fetchone()
        if row is not None:
            key = parse_vkey(vkey)
            note.open(note.only(note.add(sql.blob(row[0], "the head"), line), [key]), [key])

    def close(self) -> None:
        with self._lock:  # a thread may be writing still, whose task was cancelled
            self._db.close()

    def put(self, size: int, note: bytes, lines: Mapping[str, bytes]) -> None:
        """Nothing: keeps verified lines under the head `note`; durable when this returns. A crash before leaves none of
        them. Lines under another note of this size are dropped: what was said of one head is never said of another."""
        with self._lock:
            known = {head.size: head for head in self.heads}
            old = known.get(size)
            kept = dict(old.lines) if old is not None and old.note == note else {}
            new = Head(size, note, {**kept, **lines})
            with sql.door(self._path):
                self._db.execute("BEGIN IMMEDIATE")
                try:
                    self._db.execute("DELETE FROM lines WHERE size = ?", (size,))
                    self._db.execute("INSERT OR REPLACE INTO heads VALUES(?, ?)", (size, note))
                    rows = [(size, vkey, line) for vkey, line in new.lines.items()]
                    self._db.executemany("INSERT INTO lines VALUES(?, ?, ?)", rows)
                    self._db.execute("COMMIT")
                except BaseException:
                    if self._db.in_transaction:
                        self._db.execute("ROLLBACK")
                    raise
            self._set({**known, size: new})

    def prune(self, sizes: Collection[int]) -> None:
        """Nothing: forgets the heads of these sizes. A crash half way leaves lines without a head, which nobody
        reads."""
        if sizes:
            with self._lock:
                with sql.door(self._path):
                    self._db.executemany("DELETE FROM heads WHERE size = ?", [(size,) for size in sizes])
                    self._db.executemany("DELETE FROM lines WHERE size = ?", [(size,) for size in sizes])
                self._set({head.size: head for head in self.heads if head.size not in sizes})

    def _set(self, known: Mapping[int, Head]) -> None:
        self.heads = tuple(known[size] for size in sorted(known, reverse=True))
        self.edition += 1
