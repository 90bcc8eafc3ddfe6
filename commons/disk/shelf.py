"""What a node keeps for itself: manifests, its own requests and their keys, the heads it trusts, the peers it knows.

Not the log: nothing here gives anyone a right. One SQLite file, mode 0600.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from commons.core.ids import Cid
from commons.disk import sql

SCHEMA = """
CREATE TABLE IF NOT EXISTS manifests(
    cid TEXT PRIMARY KEY, data BLOB NOT NULL, role TEXT NOT NULL, served INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS asks(
    log TEXT, series BLOB, epoch INTEGER, terms BLOB, dataset TEXT NOT NULL, submission BLOB NOT NULL,
    request INTEGER, outcome TEXT NOT NULL, reason TEXT NOT NULL, secret BLOB, receipt BLOB,
    PRIMARY KEY(log, series, epoch, terms)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS heads(log TEXT PRIMARY KEY, note BLOB NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS seats(commons TEXT PRIMARY KEY, key BLOB NOT NULL, sources TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS forks(log TEXT PRIMARY KEY, one TEXT NOT NULL, other TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS offers(
    commons TEXT, said BLOB, cid TEXT NOT NULL, PRIMARY KEY(commons, said)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS peers(address TEXT PRIMARY KEY) WITHOUT ROWID;
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ask:
    """A request of mine: stored before it is sent, so that a crash or a second fetch repeats it instead of making
    another. `log` is the vkey of the log it went to. `secret` is the epoch secret once released; `receipt` what is
    still owed to the log, signed."""

    log: str
    series: bytes
    epoch: int
    terms: bytes
    dataset: str
    submission: bytes
    request: int | None = None
    outcome: str = "unsent"
    reason: str = ""
    secret: bytes | None = None
    receipt: bytes | None = None


class Shelf:
    def __init__(self, path: Path) -> None:
        self._path = path
        self._db = sql.connect(path, SCHEMA)
        self.edition = 0  # grows with every change of what is served

    def close(self) -> None:
        self._db.close()

    # -- manifests: role is "published", "fetched", "mirrored" or "seen" --------------------------------------------

    def put_manifest(self, cid: Cid, data: bytes, role: str, served: bool) -> None:
        self.edition += 1
        with sql.door(self._path):
            self._db.execute(
                "INSERT INTO manifests VALUES(?, ?, ?, ?) ON CONFLICT(cid) DO UPDATE SET served = excluded.served, "
                "role = CASE role WHEN 'published' THEN role ELSE excluded.role END",
                (cid, data, role, served),
            )

    def note_manifest(self, cid: Cid, data: bytes) -> None:
        """Keep a manifest that others are asked about; what is here already stays as it is. Durable when it returns."""
        with sql.door(self._path):
            self._db.execute("INSERT OR IGNORE INTO manifests VALUES(?, ?, 'seen', 0)", (cid, data))

    def manifest(self, cid: str, served: bool = False) -> bytes | None:
        """Its exact bytes; with `served`, only if this node shows it to others."""
        with sql.door(self._path):
            row = self._db.execute("SELECT data FROM manifests WHERE cid = ? AND served >= ?", (cid, served)).fetchone()
        return None if row is None else row[0]

    def manifests(self) -> list[tuple[Cid, bytes, str, bool]]:
        with sql.door(self._path):
            rows = self._db.execute("SELECT cid, data, role, served FROM manifests ORDER BY cid").fetchall()
        return [(Cid(cid), data, role, bool(served)) for cid, data, role, served in rows]

    # -- my requests ------------------------------------------------------------------------------------------------

    def put_ask(self, ask: Ask) -> None:
        with sql.door(self._path):
            self._db.execute(
                "INSERT OR REPLACE INTO asks VALUES(?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
                (ask.log, ask.series, ask.epoch, ask.terms, ask.dataset, ask.submission, ask.request, ask.outcome,
                 ask.reason, ask.secret, ask.receipt),
            )  # fmt: skip

    def ask(self, log: str, series: bytes, epoch: int, terms: bytes) -> Ask | None:
        return next(
            (a for a in self.asks() if (a.log, a.series, a.epoch, a.terms) == (log, series, epoch, terms)), None
        )

    def asks(self) -> list[Ask]:
        with sql.door(self._path):
            rows = self._db.execute(
                "SELECT log, series, epoch, terms, dataset, submission, request, outcome, reason, secret, receipt "
                "FROM asks ORDER BY log, request"
            ).fetchall()
        names = Ask.__slots__
        return [Ask(**dict(zip(names, row, strict=True))) for row in rows]

    # -- heads: the last checkpoint verified of each log --------------------------------------------------------------

    def head(self, log: str) -> bytes | None:
        with sql.door(self._path):
            row = self._db.execute("SELECT note FROM heads WHERE log = ?", (log,)).fetchone()
        return None if row is None else row[0]

    def advance(self, log: str, old: bytes | None, new: bytes) -> bool:
        """Compare and swap: whether `old` was still the head. The new one was proven consistent with `old`."""
        with sql.door(self._path):
            if old is None:
                done = self._db.execute("INSERT OR IGNORE INTO heads VALUES(?, ?) RETURNING 1", (log, new)).fetchall()
            else:
                said = "UPDATE heads SET note = ? WHERE log = ? AND note = ? RETURNING 1"
                done = self._db.execute(said, (new, log, old)).fetchall()
        return bool(done)  # and not rowcount, which another thread's statement may have changed

    # -- forks: logs that signed two histories, and both signed heads ------------------------------------------------

    def put_fork(self, log: str, heads: tuple[str, ...]) -> None:
        with sql.door(self._path):
            self._db.execute("INSERT OR IGNORE INTO forks VALUES(?, ?, ?)", (log, *heads))

    def forks(self) -> dict[str, tuple[str, ...]]:
        with sql.door(self._path):
            return {log: (one, other) for log, one, other in self._db.execute("SELECT * FROM forks ORDER BY log")}

    def drop_fork(self, log: str) -> None:
        with sql.door(self._path):
            self._db.execute("DELETE FROM heads WHERE log = ?", (log,))
            self._db.execute("DELETE FROM forks WHERE log = ?", (log,))

    # -- seats: the communities this node takes part in, the key of each one's log, and where its registrar is ------

    def put_seat(self, commons: str, key: bytes, sources: list[str]) -> None:
        with sql.door(self._path):
            self._db.execute("INSERT OR REPLACE INTO seats VALUES(?, ?, ?)", (commons, key, "\n".join(sources)))

    def seats(self) -> list[tuple[str, bytes, list[str]]]:
        with sql.door(self._path):
            rows = self._db.execute("SELECT commons, key, sources FROM seats ORDER BY commons").fetchall()
        return [(commons, key, sources.split("\n")) for commons, key, sources in rows]

    # -- offers: what was signed here for communities' logs, by what its publisher said (SHA-256) ---------------------

    def put_offer(self, commons: str, said: bytes, cid: Cid) -> None:
        with sql.door(self._path):
            self._db.execute("INSERT OR REPLACE INTO offers VALUES(?, ?, ?)", (commons, said, cid))

    def offer(self, commons: str, said: bytes) -> str | None:
        """The CID of the manifest that was made of the same words and files for this commons."""
        with sql.door(self._path):
            row = self._db.execute("SELECT cid FROM offers WHERE (commons, said) = (?, ?)", (commons, said)).fetchone()
        return None if row is None else row[0]

    # -- peers ------------------------------------------------------------------------------------------------------

    def add_peer(self, address: str) -> None:
        with sql.door(self._path):
            self._db.execute("INSERT OR IGNORE INTO peers VALUES(?)", (address,))

    def peers(self) -> list[str]:
        with sql.door(self._path):
            return [address for (address,) in self._db.execute("SELECT address FROM peers ORDER BY address")]
