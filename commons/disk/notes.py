"""What the owner and this program noted beside the log: when, of what kind, and what.

Not the log: nothing in here is signed, and nothing of it gives anyone a right. One SQLite file, mode 0600.
"""

from __future__ import annotations

import json
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from commons.disk import sql
from commons.disk.damage import Unread
from commons.errors import StorageFailed

SCHEMA = """
CREATE TABLE IF NOT EXISTS notes(
    id INTEGER PRIMARY KEY, kind TEXT NOT NULL, time INTEGER NOT NULL, said TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS marks(kind TEXT PRIMARY KEY, time INTEGER NOT NULL, said TEXT NOT NULL) WITHOUT ROWID;
"""


@dataclass(frozen=True, slots=True)
class Noted:
    """One note: what was `said`, plain JSON values, and at what `time` by this machine's clock, in seconds since
    1970."""

    kind: str
    time: int
    said: dict[str, Any]


# What is said in notes and marks of a kind; a row that says something else is damaged.
SAID: dict[str, dict[str, type]] = {
    "resumed": {"how": str, "who": list, "files": list},
    "restored": {"by": int, "seen": int, "gone": list},
    "ahead": {"head": str, "by": str},
    "go-on": {"size": int, "head": str, "over": int, "silent": list},
    "clock": {"commons": str, "logged": int, "size": int, "past": int},
}


def _mark(kind: str, time: int, said: str) -> Noted:
    found = json.loads(said)
    if not isinstance(found, dict) or any(
        not isinstance(found.get(name), of) for name, of in SAID.get(kind, {}).items()
    ):
        raise StorageFailed("it does not say what is noted there", hint=sql.MEND)
    return Noted(kind, time, found)


def _note(_: int, kind: str, time: int, said: str) -> Noted:
    return _mark(kind, time, said)


class Notes:
    """The notes beside a log: they are added and stay, the newest last; of each kind of mark there is one. From any
    thread."""

    def __init__(self, path: Path) -> None:
        self._path, self._lock = path, threading.Lock()
        self._db = sql.connect(path, SCHEMA)
        self.unread = Unread(path.name, self._db, {"notes": _note, "marks": _mark})

    def close(self) -> None:
        with self._lock:
            self._db.close()

    def add(self, kind: str, time: int, **said: Any) -> None:
        """Nothing: adds a note, durable when it returns."""
        with self._lock, sql.door(self._path):
            self._db.execute("PRAGMA synchronous=FULL")
            self._db.execute("INSERT INTO notes(kind, time, said) VALUES(?, ?, ?)", (kind, time, json.dumps(said)))

    def of(self, kind: str) -> list[Noted]:
        """The notes of one kind, the oldest first."""
        with self._lock, sql.door(self._path):
            rows = self.unread.rows("notes", "WHERE kind = ?", kind, check=_note)
        return [_note(*row) for row in rows]

    def mark(self, kind: str, time: int, **said: Any) -> None:
        """Nothing: puts a mark in place of the last one of its kind. A loss of power may undo it, a crash of this
        program does not."""
        with self._lock, sql.door(self._path):
            self._db.execute("PRAGMA synchronous=NORMAL")
            self._db.execute("INSERT OR REPLACE INTO marks VALUES(?, ?, ?)", (kind, time, json.dumps(said)))

    def marked(self, kind: str) -> Noted | None:
        """The mark of this kind; None without one."""
        with self._lock, sql.door(self._path):
            rows = self.unread.rows("marks", "WHERE kind = ?", kind, check=_mark)
        return next((_mark(*row) for row in rows), None)

    def unmark(self, kind: str) -> None:
        """Nothing: removes the mark of this kind."""
        with self._lock, sql.door(self._path):
            self._db.execute("PRAGMA synchronous=FULL")
            self._db.execute("DELETE FROM marks WHERE kind = ?", (kind,))
