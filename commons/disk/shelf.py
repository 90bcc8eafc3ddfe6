"""What a node keeps for itself: manifests, its own requests and their keys, the heads it trusts, the peers it knows.

Not the log: nothing here gives anyone a right. One SQLite file, mode 0600.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path

from commons.core.crypto import envelope, ids
from commons.core.crypto.envelope import Opened
from commons.core.crypto.ids import Cid
from commons.core.dataset import address, manifest
from commons.core.dataset.manifest import Manifest
from commons.core.state import notice, proposals
from commons.core.state.notice import Notice
from commons.core.state.proposals import Proposal, Vote
from commons.core.tlog import checkpoint, note
from commons.core.tlog.note import Verifier, parse_vkey
from commons.disk import sql
from commons.disk.damage import Check, Row, Unread
from commons.errors import StorageFailed

SCHEMA = """
CREATE TABLE IF NOT EXISTS manifests(
    cid TEXT PRIMARY KEY, data BLOB NOT NULL, role TEXT NOT NULL, served INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS asks(
    log TEXT, series BLOB, epoch INTEGER, terms BLOB, dataset TEXT NOT NULL, submission BLOB NOT NULL,
    request INTEGER, outcome TEXT NOT NULL, reason TEXT NOT NULL, secret BLOB, receipt BLOB,
    PRIMARY KEY(log, series, epoch, terms)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS withdrawals(
    dataset TEXT PRIMARY KEY, notice BLOB NOT NULL, entry INTEGER NOT NULL, request INTEGER, applied INTEGER NOT NULL,
    statement BLOB, logged INTEGER, why TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS heads(log TEXT PRIMARY KEY, note BLOB NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS seats(commons TEXT PRIMARY KEY, key BLOB NOT NULL, sources TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS forks(log TEXT PRIMARY KEY, one TEXT NOT NULL, other TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS keepers(commons TEXT PRIMARY KEY, key BLOB NOT NULL, peer TEXT NOT NULL,
    before TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS bids(commons TEXT PRIMARY KEY, proposal BLOB NOT NULL, members TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS ballots(
    proposal BLOB, peer TEXT, vote BLOB NOT NULL, PRIMARY KEY(proposal, peer)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS leads(log TEXT PRIMARY KEY, proof BLOB NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS offers(
    commons TEXT, said BLOB, cid TEXT NOT NULL, PRIMARY KEY(commons, said)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS peers(address TEXT PRIMARY KEY) WITHOUT ROWID;
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class OwnRequest:
    """A request of this home's own: stored before it is sent, so that a crash or a second fetch repeats it instead of
    making another. `log` is the vkey of the log it went to. `secret` is the epoch secret once released; `receipt` what
    is still owed to the log, signed."""

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


@dataclass(frozen=True, slots=True, kw_only=True)
class Withdrawal:
    """A dataset of this home that its community withdrew by log entry `entry`, and what is still to be done about it.
    `notice` is the registrar's, signed; `applied` says that the data is dropped here; `request` is the one that the log
    waits to hear about, None for nothing to tell; `statement` that word, signed; `logged` its entry, or None with the
    reason `why` it will never be one."""

    dataset: str
    notice: bytes
    entry: int
    request: int | None = None
    applied: bool = False
    statement: bytes | None = None
    logged: int | None = None
    why: str = ""

    @property
    def owed(self) -> bool:
        """Whether something is left to do."""
        return not self.applied or (self.request is not None and self.logged is None and not self.why)


class Shelf:
    """The tables of what this node knows: manifests, its own requests and their keys, heads it trusts, peers. `edition`
    grows with every change of what is served."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._db = sql.connect(path, SCHEMA)
        self.unread = Unread(path.name, self._db, _CHECKS)
        self.edition = 0  # grows with every change of what is served
        self.trusted = 0  # grows with every log whose head is trusted for the first time

    def close(self) -> None:
        """Nothing: closes the file."""
        self._db.close()

    # -- manifests: role is "published", "fetched", "mirrored" or "seen" --------------------------------------------

    def put_manifest(self, cid: Cid, data: bytes, role: str, served: bool) -> None:
        """Nothing: keeps a manifest, durable, with this home's role, and whether it is served."""
        self.edition += 1
        with sql.door(self._path):
            self._db.execute(
                "INSERT INTO manifests VALUES(?, ?, ?, ?) ON CONFLICT(cid) DO UPDATE SET served = excluded.served, "
                "data = excluded.data, role = CASE role WHEN 'published' THEN role ELSE excluded.role END",
                (cid, data, role, served),
            )

    def note_manifest(self, cid: Cid, data: bytes) -> None:
        """Nothing: keeps a manifest that others are asked about; what is here already keeps its role. Durable when it
        returns."""
        self.edition += 1
        said = "INSERT INTO manifests VALUES(?, ?, 'seen', 0) ON CONFLICT(cid) DO UPDATE SET data = excluded.data"
        with sql.door(self._path):
            self._db.execute(said, (cid, data))

    def manifest(self, cid: str, served: bool = False) -> bytes | None:
        """The exact bytes of a manifest, if they are here and are what the id says; with `served`, only if this node
        shows it to others. None otherwise."""
        with sql.door(self._path):
            row = self._db.execute("SELECT data FROM manifests WHERE cid = ? AND served >= ?", (cid, served)).fetchone()
        return None if row is None else self.unread.read("manifests", cid, lambda: _exact(cid, row[0]))

    def role(self, cid: str) -> str | None:
        """What this home has to do with a dataset, in a word; None where it does not know it."""
        with sql.door(self._path):
            row = self._db.execute("SELECT role FROM manifests WHERE cid = ?", (cid,)).fetchone()
        return None if row is None else row[0]

    def manifests(self) -> list[tuple[Cid, Opened[Manifest], str, bool]]:
        """The manifests that can be read, opened, each with its id, its role and whether it is served."""
        found = []
        for cid, data, role, served in self._rows("manifests"):
            opened = self.unread.read("manifests", cid, lambda: manifest.open(_exact(cid, data)))  # noqa: B023
            if opened is not None:
                found.append((Cid(cid), opened, role, bool(served)))
        return found

    # -- my requests ------------------------------------------------------------------------------------------------

    def put_ask(self, ask: OwnRequest) -> None:
        """Nothing: keeps a request of this home, durable, in place of the one before for the same key."""
        with sql.door(self._path):
            self._db.execute(
                "INSERT OR REPLACE INTO asks VALUES(?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
                (ask.log, ask.series, ask.epoch, ask.terms, ask.dataset, ask.submission, ask.request, ask.outcome,
                 ask.reason, ask.secret, ask.receipt),
            )  # fmt: skip

    def ask(self, log: str, series: bytes, epoch: int, terms: bytes) -> OwnRequest | None:
        """This home's request to a log for the key of a series and epoch under these terms (digest); None if it made
        none."""
        return next(
            (a for a in self.asks() if (a.log, a.series, a.epoch, a.terms) == (log, series, epoch, terms)), None
        )

    def asks(self) -> list[OwnRequest]:
        """All requests of this home."""
        found = [OwnRequest(**dict(zip(OwnRequest.__slots__, row, strict=True))) for row in self._rows("asks")]
        return sorted(found, key=lambda each: (each.log, -1 if each.request is None else each.request))

    # -- withdrawals ------------------------------------------------------------------------------------------------

    def put_withdrawal(self, new: Withdrawal) -> None:
        """Nothing: keeps what is known of a withdrawal, durable, in place of what was."""
        with sql.door(self._path):
            self._db.execute(
                "INSERT OR REPLACE INTO withdrawals VALUES(?, ?, ?, ?, ?, ?, ?, ?)",
                (new.dataset, new.notice, new.entry, new.request, new.applied, new.statement, new.logged, new.why),
            )

    def forget(self) -> None:
        """Nothing: overwrites what was taken out of this file, a key for example, in its write-ahead log too."""
        with sql.door(self._path):
            sql.forget(self._db)

    def withdrawals(self) -> dict[str, Withdrawal]:
        """What was withdrawn of what this home held, by dataset."""
        rows = self._rows("withdrawals")
        found = [Withdrawal(**dict(zip(Withdrawal.__slots__, row, strict=True))) for row in rows]
        return {each.dataset: replace(each, applied=bool(each.applied)) for each in found}

    # -- heads: the last checkpoint verified of each log --------------------------------------------------------------

    def head(self, log: str) -> bytes | None:
        """The head of a log that this home trusts, by the log's vkey; None without one. StorageFailed where it is
        damaged: whoever forgets a head trusts another history."""
        found = self._one("heads", "log", log)
        return None if found is None else found[1]

    def advance(self, log: str, old: bytes | None, new: bytes) -> bool:
        """Whether `old` was still the head: then the `new` one, which was proven consistent with it, has taken its
        place."""
        with sql.door(self._path):
            if old is None:
                done = self._db.execute("INSERT OR IGNORE INTO heads VALUES(?, ?) RETURNING 1", (log, new)).fetchall()
                self.trusted += 1
            else:
                said = "UPDATE heads SET note = ? WHERE log = ? AND note = ? RETURNING 1"
                done = self._db.execute(said, (new, log, old)).fetchall()
        return bool(done)  # and not rowcount, which another thread's statement may have changed

    def logs(self) -> list[Verifier]:
        """The keys of the logs of which a head is trusted, or that were asked."""
        found = []
        for table in ("heads", "asks"):
            for log in dict.fromkeys(row[0] for row in self._rows(table)):
                found.append(self.unread.read(f"{table}.log", log, lambda: parse_vkey(log)))  # noqa: B023
        return [*dict.fromkeys(key for key in found if key is not None)]

    # -- forks: logs that signed two histories, and both signed heads ------------------------------------------------

    def put_fork(self, log: str, heads: tuple[str, ...], lead: bytes = b"") -> None:
        """Nothing: keeps the proof that a log forked, durable when this returns; the first one found stays. `lead` is
        the consistency proof that leads to one head from another root than the other's: none is needed where both are
        of one size. A crash before the heads are stored leaves a lead that nobody reads."""
        with sql.door(self._path):
            if lead and log not in self.forks():
                self._db.execute("INSERT OR REPLACE INTO leads VALUES(?, ?)", (log, lead))
            self._db.execute("INSERT OR IGNORE INTO forks VALUES(?, ?, ?)", (log, *heads))

    def forks(self) -> dict[str, tuple[str, ...]]:
        """The two heads of each log that is known to have forked, by its vkey. A damaged row is a fork all the same."""
        self._rows("forks")
        with sql.door(self._path):
            rows, _ = sql.scan(self._db, "forks", "", (), "log")
        return {str(log): (str(one), str(other)) for log, one, other in rows}

    def lead(self, log: str) -> bytes:
        """What shows that the two heads of a fork contradict each other; empty where they do so by themselves."""
        return next((proof for _, proof in self._rows("leads", "WHERE log = ?", log)), b"")

    def drop_fork(self, log: str) -> bool:
        """Whether anything was known of this log: the head, the fork and what proves it are forgotten."""
        gone = []
        with sql.door(self._path):
            for table in ("leads", "heads", "forks"):
                gone += self._db.execute(f"DELETE FROM {table} WHERE log = ? RETURNING 1", (log,)).fetchall()
        return bool(gone)

    # -- seats: the communities this node takes part in, the key of each one's log, and where its registrar is ------

    def put_seat(self, commons: str, key: bytes, sources: list[str]) -> None:
        """Nothing: remembers a community that this home takes part in, durable."""
        with sql.door(self._path):
            self._db.execute("INSERT OR REPLACE INTO seats VALUES(?, ?, ?)", (commons, key, "\n".join(sources)))

    def drop_seat(self, commons: str) -> None:
        with sql.door(self._path):
            self._db.execute("DELETE FROM seats WHERE commons = ?", (commons,))

    def seats(self) -> list[tuple[str, bytes, list[str]]]:
        """The communities this home takes part in: id, the log's key (32 bytes), and where its registrar is reached."""
        found = []
        for commons, key, sources in self._rows("seats"):
            if self.unread.read("seats", commons, lambda: _key(commons, key)) is not None:  # noqa: B023
                found.append((commons, key, sources.split("\n")))
        return found

    # -- keepers: who keeps a log since its registrar was replaced, as far as this home has verified it ----------------

    def put_keeper(self, commons: str, key: bytes, peer: str, before: Iterable[str] = ()) -> None:
        """Nothing: remembers who keeps the log of a commons by now, durable."""
        with sql.door(self._path):
            row = (commons, key, peer, " ".join(before))
            self._db.execute("INSERT OR REPLACE INTO keepers VALUES(?, ?, ?, ?)", row)

    def keeper(self, commons: str) -> tuple[bytes, str, list[str]] | None:
        """Who has taken over the log of a commons: the log's key (32 bytes), the peer who keeps it, and those who kept
        it before. None where it is as its charter says."""
        row = self._one("keepers", "commons", commons)
        return None if row is None else (row[1], row[2], row[3].split())

    # -- bids: to keep a log whose registrar does not answer, the members who may vote, and their ballots --------------

    def put_bid(self, commons: str, proposal: bytes, members: list[str]) -> None:
        """Nothing: keeps this home's offer to keep a log, durable."""
        with sql.door(self._path):
            self._db.execute("INSERT OR REPLACE INTO bids VALUES(?, ?, ?)", (commons, proposal, " ".join(members)))

    def bid(self, commons: str) -> tuple[bytes, list[str]] | None:
        """This home's signed offer to keep the log of a commons, and the members whose ballots count; None without
        one."""
        rows = self._rows("bids", "WHERE commons = ?", commons)
        return next(((proposal, members.split()) for _, proposal, members in rows), None)

    def put_ballot(self, proposal: bytes, peer: str, vote: bytes) -> bytes:
        """The ballot of this member that is kept: the first."""
        with sql.door(self._path):
            self.unread.renew("ballots", "WHERE (proposal, peer) = (?, ?)", proposal, peer)
            self._db.execute("INSERT OR IGNORE INTO ballots VALUES(?, ?, ?)", (proposal, peer, vote))
            said = "SELECT vote FROM ballots WHERE (proposal, peer) = (?, ?)"
            (kept,) = self._db.execute(said, (proposal, peer)).fetchone()
        return bytes(kept)

    def ballots(self, proposal: bytes) -> list[bytes]:
        """The signed ballots on a proposal (digest), in exact bytes."""
        return [vote for _, _, vote in self._rows("ballots", "WHERE proposal = ?", proposal)]

    # -- offers: what was signed here for communities' logs, by what its publisher said (SHA-256) ---------------------

    def put_offer(self, commons: str, said: bytes, cid: Cid) -> None:
        """Nothing: remembers which manifest was made of these words and files, durable."""
        with sql.door(self._path):
            self._db.execute("INSERT OR REPLACE INTO offers VALUES(?, ?, ?)", (commons, said, cid))

    def offer(self, commons: str, said: bytes) -> str | None:
        """The CID of the manifest that was made of the same words and files for this commons."""
        rows = self._rows("offers", "WHERE (commons, said) = (?, ?)", commons, said)
        return next((cid for _, _, cid in rows), None)

    # -- peers ------------------------------------------------------------------------------------------------------

    def add_peer(self, known: str) -> None:
        """Nothing: remembers an address, durable."""
        with sql.door(self._path):
            self._db.execute("INSERT OR IGNORE INTO peers VALUES(?)", (known,))

    def remove_peer(self, known: str) -> None:
        """Nothing: forgets an address."""
        with sql.door(self._path):
            self._db.execute("DELETE FROM peers WHERE address = ?", (known,))

    def known(self) -> list[str]:
        """The addresses at which this home may ask: those of the registrars of its communities, then of the peers it
        remembers."""
        seats = (source for _, _, sources in self.seats() for source in sources)
        return [each for each in dict.fromkeys((*seats, *self.peers())) if each and not address.is_wild(each)]

    def peers(self) -> list[str]:
        """The addresses of the peers that this home remembers."""
        return [known for (known,) in self._rows("peers")]

    def _rows(self, table: str, where: str = "", *values: object) -> list[Row]:
        with sql.door(self._path):
            return self.unread.rows(table, where, *values)

    def _one(self, table: str, by: str, value: str) -> Row | None:
        with sql.door(self._path):
            return self.unread.one(table, f"WHERE {by} = ?", value)


def _notice(dataset: str, data: bytes, entry: int, *_: object) -> None:
    said = envelope.open(notice.NOTICE, Notice, data).value
    if (said.dataset, said.entry) != (dataset, entry):
        raise StorageFailed("its notice is about something else", hint=sql.MEND)


def _lead(_log: str, proof: bytes) -> None:
    if not proof or len(proof) % 32:
        raise StorageFailed("no hashes are stored", hint=sql.MEND)


def _key(commons: str, key: bytes, *_: object) -> Verifier:
    return Verifier(name=f"commons/{ids.check_commons(commons)}", public=key)


_CHECKS: dict[str, Check] = {
    "manifests": lambda cid, data, *_: manifest.open(_exact(cid, data)),
    "asks": lambda log, *_: parse_vkey(log),
    "withdrawals": _notice,
    "heads": lambda log, data: checkpoint.open(data, parse_vkey(log)),
    "seats": _key,
    "forks": lambda log, *heads: [parse_vkey(log), *(checkpoint.parse(note.peek(each.encode())) for each in heads)],
    "keepers": lambda commons, key, peer, before: [_key(commons, key), *map(ids.check_peer, (peer, *before.split()))],
    "bids": lambda commons, data, _: envelope.open(proposals.PROPOSAL, Proposal, data),
    "ballots": lambda _, peer, data: envelope.open(proposals.VOTE, Vote, data),
    "leads": _lead,
    "offers": lambda commons, _, cid: [ids.check_cid(cid), ids.check_commons(commons)],
}


def _exact(cid: str, data: object) -> bytes:
    """A stored manifest; StorageFailed unless it has this id."""
    if ids.cid(found := sql.blob(data, "it")) != cid:
        raise StorageFailed("it is not the manifest of this id", hint=sql.MEND)
    return found
