"""What a custodian keeps: the shares given to it, each sealed as it came, and whom it gave one of them, and why.

One SQLite file, mode 0600. What was released is recorded before it is spoken of: a crash in between leaves a record of
something nobody got, never the reverse.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from commons.disk import sql
from commons.disk.damage import Unread
from commons.errors import Conflict

MOST = 32  # sharings of one key by one peer

SCHEMA = """
CREATE TABLE IF NOT EXISTS deposits(
    sharing BLOB PRIMARY KEY, root BLOB NOT NULL, commons TEXT NOT NULL, series BLOB NOT NULL, epoch INTEGER NOT NULL,
    signer TEXT NOT NULL, data BLOB NOT NULL) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS deposits_root ON deposits(root);
CREATE INDEX IF NOT EXISTS deposits_of ON deposits(commons, series, epoch, signer);
CREATE TABLE IF NOT EXISTS releases(
    statement BLOB, decision INTEGER, sharing BLOB, commons TEXT NOT NULL, dataset TEXT NOT NULL,
    requester TEXT NOT NULL, request INTEGER NOT NULL, time INTEGER NOT NULL, data BLOB NOT NULL,
    PRIMARY KEY(statement, decision, sharing)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS passed(sharing BLOB, policy TEXT, PRIMARY KEY(sharing, policy)) WITHOUT ROWID;
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class KeptShare:
    """A deposit that is kept: its exact bytes, and what it is a share of. `sharing` is the digest of the sharing,
    `root` that of the publisher's, which is the same one or leads to it."""

    sharing: bytes
    root: bytes
    commons: str
    series: bytes
    epoch: int
    signer: str
    data: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Gave:
    """A share that was given: the release's exact bytes, and for which signed statement (by digest) and which
    decision."""

    statement: bytes
    decision: int
    sharing: bytes
    commons: str
    dataset: str
    requester: str
    request: int
    time: int
    data: bytes


class Deposits:
    """The table of shares that this home keeps for others, and of those that it gave."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._db = sql.connect(path, SCHEMA)
        self.unread = Unread(path.name, self._db)
        with sql.door(path):
            sql.forget(self._db)  # what a crash kept `drop` from forgetting

    def close(self) -> None:
        """Nothing: closes the file."""
        self._db.close()

    def put(self, kept: KeptShare) -> None:
        """Nothing: keeps a deposit, durable when it returns. The same again is no error; Conflict for more than `MOST`
        of one key by one peer."""
        with sql.door(self._path):
            self.unread.renew("deposits", "WHERE sharing = ?", kept.sharing)
            self._db.execute(
                "INSERT OR IGNORE INTO deposits SELECT ?, ?, ?, ?, ?, ?, ? WHERE (SELECT count(*) FROM deposits "
                "WHERE (commons, series, epoch, signer) = (?, ?, ?, ?)) < ?",
                (kept.sharing, kept.root, kept.commons, kept.series, kept.epoch, kept.signer, kept.data,
                 kept.commons, kept.series, kept.epoch, kept.signer, MOST),
            )  # fmt: skip
        if self.kept(kept.sharing) is None:
            raise Conflict(
                f"{MOST} shares of this key by {kept.signer} are kept here already",
                hint="ask the custodian to drop the older ones",
            )

    def kept(self, sharing: bytes) -> KeptShare | None:
        """The deposit of this sharing (digest); None without one."""
        return next(iter(self._kept("sharing", sharing)), None)

    def under(self, root: bytes) -> list[KeptShare]:
        """All deposits of one secret, by the digest of the sharing of its publisher (`root`)."""
        return self._kept("root", root)

    def of(self, commons: str) -> list[KeptShare]:
        """All deposits for one commons."""
        return self._kept("commons", commons)

    def series(self, commons: str, signer: str) -> set[bytes]:
        """The series of whose keys `signer` has given shares to this home, in one commons."""
        with sql.door(self._path):
            rows = self._db.execute(
                "SELECT DISTINCT series FROM deposits WHERE commons = ? AND signer = ?", (commons, signer)
            )
            return {series for (series,) in rows}

    def _kept(self, by: str, value: str | bytes) -> list[KeptShare]:
        with sql.door(self._path):
            rows = self.unread.rows("deposits", f"WHERE {by} = ?", value)
        return [KeptShare(**dict(zip(KeptShare.__slots__, row, strict=True))) for row in rows]

    def drop(self, sharing: bytes) -> bool:
        """Whether there was such a share: it is forgotten, since others keep it by now."""
        with sql.door(self._path):
            gone = self._db.execute("DELETE FROM deposits WHERE sharing = ? RETURNING 1", (sharing,)).fetchall()
            sql.forget(self._db)
        return bool(gone)

    def put_passed(self, sharing: bytes, policy: str) -> None:
        """Nothing: notes that a share was shared among the custodians of `policy`, each of whom has kept theirs."""
        with sql.door(self._path):
            self._db.execute("INSERT OR IGNORE INTO passed VALUES(?, ?)", (sharing, policy))

    def passed(self, sharing: bytes, policy: str) -> bool:
        """Whether this share was shared among the custodians of `policy`."""
        with sql.door(self._path):
            said = "SELECT 1 FROM passed WHERE (sharing, policy) = (?, ?)"
            return self._db.execute(said, (sharing, policy)).fetchone() is not None

    def record(self, gave: Gave) -> bytes:
        """The bytes that may now be sent: the release is durable when this returns. Recorded twice, the first one's
        bytes are sent again."""
        with sql.door(self._path):
            self._db.execute(
                "INSERT OR IGNORE INTO releases VALUES(?, ?, ?, ?, ?, ?, ?, ?, ?)",
                (
                    gave.statement,
                    gave.decision,
                    gave.sharing,
                    gave.commons,
                    gave.dataset,
                    gave.requester,
                    gave.request,
                    gave.time,
                    gave.data,
                ),
            )
        again = self.gave(gave.statement, gave.decision, gave.sharing)
        return gave.data if again is None else again.data

    def gave(self, statement: bytes, decision: int, sharing: bytes) -> Gave | None:
        """What was given for this statement, decision and sharing; None if nothing was."""
        with sql.door(self._path):
            said = "WHERE (statement, decision, sharing) = (?, ?, ?)"
            rows = self.unread.rows("releases", said, statement, decision, sharing)
        return next((Gave(**dict(zip(Gave.__slots__, row, strict=True))) for row in rows), None)

    def releases(self) -> list[Gave]:
        """Everything this custodian gave, oldest first."""
        with sql.door(self._path):
            rows = self.unread.rows("releases")
        found = [Gave(**dict(zip(Gave.__slots__, row, strict=True))) for row in rows]
        return sorted(found, key=lambda each: (each.time, each.request))
