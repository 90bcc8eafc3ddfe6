"""What requesters handed to this node as a witness, because a registrar did not take it: stored before it is answered.

One SQLite file, mode 0600: it says who asks for what. What is old is forgotten, and overwritten.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from commons.core.crypto import codec, ids
from commons.core.state import complaint, entries
from commons.disk import sql
from commons.disk.damage import Unread
from commons.errors import StorageFailed, TooMany

EACH, LOG, ALL = 4, 512, 4096  # not logged yet of one signer in one log, of one log; and of all, logged or not

SCHEMA = """
CREATE TABLE IF NOT EXISTS pleas(
    statement BLOB PRIMARY KEY, commons TEXT NOT NULL, dataset TEXT NOT NULL, signer TEXT NOT NULL,
    time INTEGER NOT NULL, size INTEGER NOT NULL, body BLOB NOT NULL, acknowledged BLOB NOT NULL,
    tried INTEGER, said TEXT NOT NULL, entry INTEGER, answer BLOB) WITHOUT ROWID;
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Plea:
    """A request that was handed to this node as a witness. `body` as it came and `acknowledged` as it was answered, in
    exact bytes; `statement` is the SHA-256 of what was signed. Once the log holds the request, `entry` is its index and
    `answer` the registrar's."""

    statement: bytes
    commons: str
    dataset: str
    signer: str
    time: int
    size: int
    body: bytes
    acknowledged: bytes
    tried: int | None = None
    said: str = ""
    entry: int | None = None
    answer: bytes | None = None


def _check(*row: Any) -> None:
    """Raises for one that could be neither delivered nor published."""
    kept = Plea(**dict(zip(Plea.__slots__, row, strict=True)))
    handed = codec.decode(complaint.Handed, kept.body, complaint.LIMIT)
    if entries.statement_digest(handed.statement) != kept.statement:
        raise StorageFailed("it is not the request that was handed in", hint=sql.MEND)
    ids.check_commons(kept.commons)
    ids.check_peer(kept.signer)
    complaint.Waiting(
        statement=kept.statement, dataset=kept.dataset, time=kept.time, size=kept.size, tried=kept.tried, said=kept.said
    )


class Pleas:
    """The table of requests that were handed to this node as a witness."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._db = sql.connect(path, SCHEMA)
        self.unread = Unread(path.name, self._db, {"pleas": _check})
        with sql.door(path):
            sql.forget(self._db)  # what a crash kept `forget` from overwriting

    def close(self) -> None:
        """Nothing: closes the file."""
        self._db.close()

    def put(self, plea: Plea) -> Plea:
        """The row that is kept of a statement, durable: the first one stays. TooMany over a limit."""
        values = tuple(getattr(plea, name) for name in Plea.__slots__)
        waits = "SELECT count(*) FROM pleas WHERE entry IS NULL AND commons = ?"
        with sql.door(self._path):
            self.unread.renew("pleas", "WHERE statement = ?", plea.statement, check=_check)
            self._db.execute(
                f"INSERT OR IGNORE INTO pleas SELECT {', '.join('?' * len(values))} WHERE ({waits} AND signer = ?) < ? "
                f"AND ({waits}) < ? AND (SELECT count(*) FROM pleas) < ?",
                (*values, plea.commons, plea.signer, EACH, plea.commons, LOG, ALL),
            )
        if (kept := self.get(plea.statement)) is None:
            raise TooMany(
                f"too many requests that are in no log wait here: at most {EACH} of one requester, {LOG} of one log",
                hint="hand it to another witness",
            )
        return kept

    def get(self, statement: bytes) -> Plea | None:
        """What was handed in with this statement (SHA-256); None if nothing was."""
        return next(iter(self._read("WHERE statement = ?", statement)), None)

    def waiting(self, commons: str | None = None) -> list[Plea]:
        """The requests that are in no log as far as this node knows, of one commons or of all; oldest first."""
        found = self._read("WHERE entry IS NULL AND commons = ifnull(?, commons)", commons)
        return sorted(found, key=lambda each: (each.time, each.statement))

    def tried(self, statement: bytes, time: int, said: str) -> None:
        """Nothing: notes when the registrar was asked last, and the kind of what it said."""
        with sql.door(self._path):
            self._db.execute("UPDATE pleas SET tried = ?, said = ? WHERE statement = ?", (time, said, statement))

    def logged(self, statement: bytes, entry: int, answer: bytes) -> None:
        """Nothing: notes that the log was seen to hold the request, at `entry`."""
        with sql.door(self._path):
            self._db.execute("UPDATE pleas SET entry = ?, answer = ? WHERE statement = ?", (entry, answer, statement))

    def forget(self, before: int) -> None:
        """Nothing: deletes and overwrites what was handed in before that time."""
        with sql.door(self._path):
            if self._db.execute("DELETE FROM pleas WHERE time < ? RETURNING 1", (before,)).fetchall():
                sql.forget(self._db)

    def _read(self, where: str, value: object) -> list[Plea]:
        with sql.door(self._path):
            rows = self.unread.rows("pleas", where, value, check=_check)
        return [Plea(**dict(zip(Plea.__slots__, row, strict=True))) for row in rows]
