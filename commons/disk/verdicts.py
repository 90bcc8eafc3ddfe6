"""What audits found here of a log's requests, without the person: it stays when what a request hides is erased.

A verdict says what a request, and what answered it, was found to be when the log had so many entries. It is bound to
them by their root: whoever reads it compares that with the log. Runs inside its caller's transactions.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from commons.disk import sql

SCHEMA = """
CREATE TABLE IF NOT EXISTS judged(size INTEGER PRIMARY KEY, root BLOB NOT NULL);
CREATE TABLE IF NOT EXISTS verdicts(idx INTEGER PRIMARY KEY, size INTEGER NOT NULL, word TEXT NOT NULL);
"""
Word = Literal["verified", "faulty"]
WORDS: tuple[Word, ...] = ("verified", "faulty")


@dataclass(frozen=True, slots=True)
class RowVerdict:
    """What a request, and what answered it, was found to be with all that they hide, in a log of `size` entries."""

    word: Word
    size: int


class Verdicts:
    """The tables of verdicts, in the file of the log that they are about."""

    def __init__(self, db: sql.Connection) -> None:
        self._db = db

    def put(self, size: int, root: bytes, found: Mapping[int, Word]) -> None:
        """Nothing: keeps what was found of requests, by their entries, in a log of `size` entries with that root."""
        if found:
            self._db.execute("INSERT OR REPLACE INTO judged VALUES(?, ?)", (size, root))
            rows = [(index, size, word) for index, word in found.items()]
            self._db.executemany("INSERT OR REPLACE INTO verdicts VALUES(?, ?, ?)", rows)

    def rows(self) -> list[tuple[Any, ...]]:
        """As they are stored: for `true`."""
        said = "SELECT idx, v.size, word, root FROM verdicts v JOIN judged USING (size)"
        return self._db.execute(said).fetchall()


def true(rows: Iterable[tuple[Any, ...]], whole: int, root: Callable[[int], bytes]) -> dict[int, RowVerdict]:
    """By the entry of each request; `root` says what the root of the first entries is, of `whole` that there are. What
    was found of other entries, or is damaged, is not there."""
    same, found = dict[tuple[int, bytes], bool](), dict[int, RowVerdict]()
    for index, size, word, stored in rows:
        if not isinstance(size, int) or not isinstance(stored, bytes) or word not in WORDS:
            continue
        if (size, stored) not in same:
            same[size, stored] = 0 < size <= whole and root(size) == stored
        if same[size, stored] and 0 <= index < size:
            found[index] = RowVerdict(word, size)
    return found
