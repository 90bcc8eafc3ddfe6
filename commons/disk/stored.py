"""The log as it stands on disk, read: committed entries, the tree over them, openings, proofs. Writes nothing.

Every read is of what a COMMIT has made durable. A proof is checked before it is given away.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from pathlib import Path

from commons.core.state.opening import Opening
from commons.core.tlog import checkpoint, merkle, note
from commons.core.tlog.checkpoint import Signed
from commons.disk import sql
from commons.disk.damage import Damage
from commons.disk.openings import SCHEMA as OPENINGS
from commons.disk.openings import Openings
from commons.errors import CommonsError, Stale, StorageFailed, Untrue

SCHEMA = (
    """
CREATE TABLE IF NOT EXISTS entries(idx INTEGER PRIMARY KEY, data BLOB NOT NULL);
CREATE TABLE IF NOT EXISTS nodes(level INTEGER, pos INTEGER, hash BLOB NOT NULL, PRIMARY KEY(level, pos)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS checkpoints(size INTEGER PRIMARY KEY, note BLOB NOT NULL);
CREATE TABLE IF NOT EXISTS statements(digest BLOB PRIMARY KEY, idx INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS alarms(note BLOB NOT NULL);
"""
    + OPENINGS
)


class Stored:
    """`head` is the newest durable checkpoint; `broken` says why the log is shut, if it is; `told` is called, by the
    committer's thread, after each new head, and must be quick; so is `stored`, before anybody hears of it.

    `outran` is told of a head of ours with more entries than there are here, and who showed it; `waived` is how many
    entries such a head has at most that the owner goes on without."""

    head: Signed
    told: Callable[[], None] = staticmethod(lambda: None)
    stored: Callable[[], None] = staticmethod(lambda: None)
    outran: Callable[[bytes, str], None] = staticmethod(lambda head, by: None)
    waived = 0
    broken: CommonsError | None = None
    damage: Sequence[Damage] = ()  # found when it was opened

    def __init__(self, path: Path, local: bytes) -> None:
        self._path = path
        self._db = sql.connect(path, SCHEMA)
        self._reads = sql.connect(path, "")
        self._reading = threading.Lock()
        self._openings = Openings(self._db, local)

    @property
    def size(self) -> int:
        return self.head.checkpoint.size

    def read(self, level: int, pos: int) -> bytes:
        """merkle.Reader over the stored tree."""
        with self._reading, sql.door(self._path):
            row = self._reads.execute("SELECT hash FROM nodes WHERE level = ? AND pos = ?", (level, pos)).fetchone()
        if row is None:
            raise StorageFailed(f"the log has lost the hash ({level}, {pos})", hint="restore a backup of this home")
        return sql.blob(row[0], f"the hash ({level}, {pos}) of the log")

    def entries(self, first: int, last: int) -> Iterator[bytes]:
        """The exact bytes of entries first … last-1."""
        for start in range(first, last, 256):
            with self._reading, sql.door(self._path):
                rows = self._reads.execute(
                    "SELECT idx, data FROM entries WHERE idx >= ? AND idx < ? ORDER BY idx",
                    (start, min(start + 256, last)),
                ).fetchall()
            yield from (sql.blob(data, f"entry {index} of the log") for index, data in rows)

    def entry(self, index: int) -> bytes:
        return next(self.entries(index, index + 1))

    def lead(self, old: int, head: Signed) -> tuple[bytes, ...]:
        """The consistency proof from our first `old` entries, checked: out of a damaged tree it would accuse us."""
        new = head.checkpoint
        if old >= new.size:
            return ()
        hashes = merkle.prove_consistency(old, new.size, self.read)
        try:
            merkle.check_consistency(old, new.size, merkle.root(old, self.read), new.root, hashes)
        except Untrue as error:
            self.broken = damaged(f"its tree does not lead from {old} to {new.size} entries")
            raise self.broken from error
        return hashes

    def answered(self, statement: bytes) -> int | None:
        """The index of the durable entry that this statement (its SHA-256) made, if it did."""
        with self._reading, sql.door(self._path):
            row = self._reads.execute("SELECT idx FROM statements WHERE digest = ?", (statement,)).fetchone()
        return int(row[0]) if row is not None and row[0] < self.size else None

    def prove(self, index: int, head: Signed) -> tuple[bytes, ...]:
        """The inclusion proof of one entry under `head`, checked: a damaged tree is our fault, not the asker's."""
        at = head.checkpoint
        hashes = merkle.prove_inclusion(index, at.size, self.read)
        try:
            merkle.check_inclusion(index, at.size, merkle.leaf(self.entry(index)), at.root, hashes)
        except Untrue as error:
            self.broken = damaged(f"entry {index} is not where its tree says")
            raise self.broken from error
        return hashes

    def opening(self, index: int, of: str | None = None) -> Opening | None:
        """What entry `index` hides, or None where it hides nothing, or nothing about the person `of`, or was erased."""
        with self._reading, sql.door(self._path):
            return self._openings.get(index, self._reads, of) if index < self.size else None


def begun(path: Path) -> tuple[int, bytes | None]:
    """How many entries the file of a log holds, and the first of them: none where a crash came before the charter."""
    db = sql.connect(path, SCHEMA)
    with closing(db), sql.door(path):
        (size,) = db.execute("SELECT count(*) FROM entries").fetchone()
        row = db.execute("SELECT data FROM entries WHERE idx = 0").fetchone()
    return size, None if row is None else sql.blob(row[0], f"the charter in {path.name}")


def rolled_back(ours: Signed, theirs: bytes) -> CommonsError:
    return StorageFailed(
        f"this log was rolled back or forked: its {ours.checkpoint.size} entries do not lead to a head that it signed",
        hint="restore the newest backup of this home; never continue an old copy of a log",
        evidence=(ours.note.decode(), theirs.decode("utf-8", "replace")),
    )


def outrun(ours: Signed, theirs: bytes, by: str, proven: bool = True) -> CommonsError:
    """For a head of ours with more entries than there are here. Without the entries that lead to it, it may be by who
    stole the log's key; then it is for the owner to say."""
    here, size = ours.checkpoint.size, checkpoint.parse(note.peek(theirs)).size
    more = f"{size - here} more than the {here} here"
    shown = f"{by} has shown a head with {size} entries that this log signed, {more}"
    return Stale(
        f"this log is behind, and nothing is written: {shown}" if proven
        else f"this log is behind by the word of {by}, and nothing is written: a head of {size} entries, {more}",
        hint="restore the newest backup of this home; never continue an old copy of a log" if proven
        else "restore the newest backup of this home. If there is none, --go-on goes on from here, and whoever has "
        "seen more of this log will refuse it",
        evidence=(ours.note.decode(), theirs.decode()),
    )  # fmt: skip


def alarmed(ours: Signed, theirs: bytes) -> CommonsError:
    """For a head of ours that this log is proven not to contain, as it was stored when it was shown."""
    if checkpoint.parse(note.peek(theirs)).size > ours.checkpoint.size:
        return outrun(ours, theirs, "somebody")
    return rolled_back(ours, theirs)


def damaged(what: str) -> StorageFailed:
    return StorageFailed(
        f"the log is damaged: {what}",
        hint="keep this home as it is, and restore a backup into another one; until then nothing is added to the log; "
        "`commons audit` and `commons log export` still read it",
    )
