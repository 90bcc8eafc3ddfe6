"""The history of one log as it was verified here: its entries, the tree over them, the head that signs them, and what
they fold to.

One SQLite file for each log that somebody else keeps, or a temporary one that is gone when it is closed. Beside the
entries lie verdicts on them, and openings, where this home's owner keeps some. It knows nothing of what an entry says
or who may sign: that is `log.replica`'s, the one that writes it.
"""

from __future__ import annotations

import os
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager, suppress
from dataclasses import replace
from pathlib import Path

from commons.core.state.opening import Opening
from commons.core.tlog import checkpoint, merkle, note, tiles
from commons.disk import damage, folded, journal, openings, sql, verdicts
from commons.disk.damage import Damage, TreeCheck
from commons.disk.folded import Stored
from commons.disk.openings import Openings
from commons.disk.verdicts import RowVerdict, Verdicts, Word
from commons.errors import StorageFailed, Untrue

SCHEMA = (
    """
CREATE TABLE IF NOT EXISTS entries(idx INTEGER PRIMARY KEY, data BLOB NOT NULL);
CREATE TABLE IF NOT EXISTS nodes(level INTEGER, pos INTEGER, hash BLOB NOT NULL, PRIMARY KEY(level, pos)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS heads(one INTEGER PRIMARY KEY CHECK (one = 0), note BLOB NOT NULL);
"""
    + openings.SCHEMA
    + verdicts.SCHEMA
    + folded.SCHEMA
)
_TABLES = (
    "idx, data FROM entries",
    "level, pos, hash FROM nodes",
    "one, note FROM heads",
    "idx, subject, sealed FROM openings",
    "subject, key FROM subjects",
    "size, root FROM judged",
    "idx, size, word FROM verdicts",
    "one, data FROM folds",
    "name, number, data FROM pages",
)
CHUNK = 256  # entries read at once
_DATA = "SELECT data FROM entries WHERE idx >= ? AND idx < ? ORDER BY idx"


class Damaged(StorageFailed):
    """What is stored of a log is not what was verified: it is removed, and can be read and verified again."""


class History:
    """`size` entries under `head`, a signed note, empty where there are none. What is read was committed, but inside
    `changing`. From one thread. Its file, and the folder that is in, are made when something is stored. `local` is the
    home's secret under which it calls those whom openings are about."""

    def __init__(self, path: Path | None = None, local: bytes = b"") -> None:
        self._path, self._stored, self._local = path or Path("a temporary copy"), path is not None, local
        self._opened: sql.Connection | None = None
        self._erased = False  # something was, and may still be in the WAL
        self._fold: Stored | None = None
        self._misfolded = False
        self.size, self.head, self._edge = 0, b"", tuple[bytes, ...]()
        if self._stored and self._path.exists():
            try:
                self._load()
            except BaseException:
                self.close()
                raise

    @property
    def _db(self) -> sql.Connection:
        if self._opened is None:
            with self._door(begins=True):
                if self._stored:
                    self._path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
                self._opened = sql.connect(self._path, SCHEMA) if self._stored else sql.temporary(SCHEMA)
        return self._opened

    @property
    def keeps(self) -> bool:
        """Whether what its entries fold to can be kept here: not of a temporary copy, nor where nothing can be
        written."""
        return self._stored and not sql.frozen(self._path.parent)

    @property
    def fold(self) -> Stored:
        """What is stored of that. Another one after `refold` and `unfold`, and after `changing` has failed where it was
        changed; the one before is gone."""
        if self._fold is None:
            self._fold = Stored(self._path, self._db, self._misfolded)
        return self._fold

    def aside(self) -> Stored:
        """The same once more, to look at: the one in use stays."""
        return Stored(self._path, self._db)

    def refold(self) -> Stored:
        """What is stored of it, anew."""
        self._leave_fold()
        return self.fold

    def unfold(self) -> None:
        """Nothing is stored of the fold any more."""
        self._leave_fold()
        self._misfolded = False
        with self._door():
            for table in ("folds", "pages"):
                self._db.execute(f"DELETE FROM {table}")

    def _leave_fold(self) -> None:
        if self._fold is not None:
            self._fold.gone, self._misfolded = True, self._misfolded or self._fold.damaged
        self._fold = None

    @classmethod
    def open(cls, path: Path, local: bytes = b"") -> History:
        """What is stored there. What is damaged was somebody else's all along: it is removed, and read again."""
        try:
            return cls(path, local)
        except Damaged as error:
            journal.log.warning("%s; it is read again", error.message)
            _remove(path)
            return cls(path, local)

    def renew(self) -> None:
        """Nothing: removes all that is here; the file is begun anew."""
        self.close()
        self._opened, self._misfolded = None, False
        if self._stored:
            _remove(self._path)
        self.size, self.head, self._edge, self._erased = 0, b"", (), False

    def mend(self) -> None:
        """Nothing: grows the tree anew over the entries here. Damaged where they are not what the head signs."""
        size, root = self.size, checkpoint.parse(note.peek(self.head)).root
        with self.changing():
            with self._door():
                self._db.execute("DELETE FROM nodes")
            edge = tuple[bytes, ...]()
            for start in range(0, size, CHUNK):
                with self._door():
                    rows = self._db.execute(_DATA, (start, min(start + CHUNK, size))).fetchall()
                    nodes, edge = merkle.grow(start, edge, [merkle.leaf(bytes(data)) for (data,) in rows])
                    self._db.executemany("INSERT INTO nodes VALUES(?, ?, ?)", nodes)
            if merkle.edge_root(edge) != root:
                raise _damaged(self._path, "its entries are not those of its head")
            self._edge = edge

    @contextmanager
    def _door(self, begins: bool = False) -> Iterator[None]:
        """Errors as ours; when a file is opened (`begins`), tables that are not as they are made are damage, too."""
        try:
            with sql.door(self._path):
                yield
        except StorageFailed as error:
            if sql.is_damaged(error.__cause__) or (begins and sql.is_other(error.__cause__)):
                raise _damaged(self._path, "it is no whole database") from error
            raise

    def close(self) -> None:
        """Nothing: closes the file."""
        self._leave_fold()
        if self._opened is not None:
            self._opened.close()

    def _load(self) -> None:
        with self._door(begins=True):
            for each in _TABLES:
                self._db.execute(f"SELECT {each} LIMIT 0")
        with self._door():
            sql.forget(self._db)  # a crash may have come between an erasure and this
            row = self._db.execute("SELECT note FROM heads").fetchone()
        self.head = b"" if row is None else sql.blob(row[0], "the head of a log")
        self.size = checkpoint.parse(note.peek(self.head)).size if self.head else 0
        self._edge = merkle.read_edge(self.size, self.read)
        if self.head and merkle.edge_root(self._edge) != checkpoint.parse(note.peek(self.head)).root:
            raise _damaged(self._path, "its tree is not that of its head")

    def examine(self, origin: str, open_head: damage.Open) -> list[Damage]:
        """What is damaged in entries, tree and head, all of them read again. `open_head` opens a head of this log."""
        with closing(sql.connect(self._path, "")) as db, self._door():
            db.execute("CREATE TEMP TABLE checkpoints(size INTEGER PRIMARY KEY, note BLOB)")
            db.execute("CREATE TEMP TABLE alarms(note BLOB)")
            db.execute("INSERT INTO temp.checkpoints VALUES(?, ?)", (self.size, self.head))

            def leaves(first: int, last: int) -> list[bytes]:
                rows = db.execute(_DATA, (first, last)).fetchall()
                if len(rows) != last - first:
                    raise _damaged(self._path, f"an entry from {first} on is gone")
                return [merkle.leaf(data if isinstance(data, bytes) else b"") for (data,) in rows]

            tree = TreeCheck(db, origin)
            while tree.size < self.size:
                tree.take(leaves(tree.size, min(tree.size + tiles.WIDTH, self.size)))
            found = damage.find(db, tree, leaves, open_head, -1)
            return [replace(each, table="heads", row="") if each.table == "checkpoints" else each for each in found]

    def read(self, level: int, pos: int) -> bytes:
        """The hash (32 bytes) of a complete subtree: a merkle.Reader."""
        with self._door():
            row = self._db.execute("SELECT hash FROM nodes WHERE (level, pos) = (?, ?)", (level, pos)).fetchone()
        if row is None or not isinstance(row[0], bytes):
            raise _damaged(self._path, f"the hash ({level}, {pos}) is gone")
        return row[0]

    def root(self, size: int) -> bytes:
        """The root (32 bytes) of the first `size` entries, seen to lead to the root of all: a damaged tree accuses
        nobody."""
        whole = merkle.edge_root(self._edge)
        if size == self.size:
            return whole
        found = merkle.root(size, self.read)
        try:
            merkle.check_consistency(size, self.size, found, whole, self.proof(size, self.size))
        except Untrue as error:
            raise _damaged(self._path, f"its tree does not lead from {size} to {self.size} entries") from error
        return found

    def proof(self, old: int, new: int) -> tuple[bytes, ...]:
        """The consistency proof from the first `old` entries to the first `new`, hashes of 32 bytes."""
        return merkle.prove_consistency(old, new, self.read) if 0 < old < new else ()

    def lead(self, old: int, new: int) -> tuple[bytes, ...]:
        """What shows how the first `new` entries begin with the first `old`: the consistency proof, the root of the old
        ones in front of it where it does not hold that. As `checkpoint.contradicts` takes it."""
        proof = self.proof(old, new)
        return (self.root(old), *proof) if proof and old.bit_count() == 1 else proof

    def entries(self, first: int, last: int) -> Iterator[bytes]:
        """The exact bytes of entries first … last-1, as `batches` gives them."""
        for _, batch in self.batches(first, last):
            yield from batch

    def batches(self, first: int, last: int) -> Iterator[tuple[int, list[bytes]]]:
        """The exact bytes of entries first … last-1, up to 256 at a time, each time with the number of the first of
        them, and each compared with its leaf. Damaged for one that is not what was verified."""
        said = "SELECT data, hash FROM entries JOIN nodes ON level = 0 AND pos = idx WHERE idx >= ? AND idx < ? " \
               "ORDER BY idx"  # fmt: skip
        for start in range(first, last, CHUNK):
            with self._door():
                rows = self._db.execute(said, (start, min(start + CHUNK, last))).fetchall()
            if len(rows) != min(CHUNK, last - start):
                raise _damaged(self._path, f"an entry from {start} on is gone")
            for n, (data, leaf) in enumerate(rows, start):
                if not isinstance(data, bytes) or merkle.leaf(data) != leaf:
                    raise _damaged(self._path, f"entry {n} is not what was verified")
            yield start, [data for data, _ in rows]

    @contextmanager
    def changing(self) -> Iterator[None]:
        """A context of one transaction around `clear`, `unfold`, `add`, `sign` and what `fold` saves: all of it is
        durable when this ends, nothing of it after an error or a crash."""
        before = (self.size, self.head, self._edge)
        with self._door():
            self._db.execute("BEGIN IMMEDIATE")
        try:
            yield
            with self._door():
                self._db.execute("COMMIT")
            if self._fold is not None:
                self._fold.changed = False
        except BaseException:
            self.size, self.head, self._edge = before
            if self._fold is not None and self._fold.changed:
                self._leave_fold()
            if self._db.in_transaction:
                self._db.execute("ROLLBACK")
            raise

    def clear(self) -> None:
        """Nothing: removes all entries. Openings and verdicts stay: whoever clears knows what becomes of them."""
        self.unfold()
        self.size, self.head, self._edge = 0, b"", ()
        with self._door():
            for table in ("entries", "nodes", "heads"):
                self._db.execute(f"DELETE FROM {table}")

    def add(self, batch: Sequence[bytes]) -> None:
        """Nothing: appends entries, and grows the tree over them."""
        nodes, edge = merkle.grow(self.size, self._edge, [merkle.leaf(data) for data in batch])
        with self._door():
            self._db.executemany("INSERT INTO entries VALUES(?, ?)", enumerate(batch, self.size))
            self._db.executemany("INSERT INTO nodes VALUES(?, ?, ?)", nodes)
        self.size, self._edge = self.size + len(batch), edge

    def sign(self, head: bytes) -> None:
        """Nothing: stores the note of the head that signs what is here; whose it is, was checked."""
        with self._door():
            self._db.execute("INSERT OR REPLACE INTO heads VALUES(0, ?)", (head,))
        self.head = head

    # -- openings that are kept here, each under its subject's key, and verdicts ---------------------------------------

    def kept(self) -> frozenset[int]:
        """The entries whose openings are kept here."""
        if self.size == 0:
            return frozenset()
        with self._door():
            return frozenset(index for (index,) in self._db.execute("SELECT idx FROM openings"))

    def opening(self, index: int) -> Opening | None:
        """The opening of an entry, if it is kept here; what it reveals is for the reader to compare with the entry.
        StorageFailed for one that is damaged."""
        with self._door():
            return Openings(self._db, self._local).get(index, self._db)

    def keep(self, index: int, subject: str, value: Opening) -> None:
        """Nothing: keeps the opening of an entry, about this person."""
        with self._door():
            Openings(self._db, self._local).put(index, subject, value)

    def erase(self, indices: Collection[int]) -> frozenset[int]:
        """Which of these entries' openings were kept here, and are destroyed now, with the key of each person who is in
        no other. `forget` follows the transaction."""
        gone = frozenset(index for index in self.kept() if index in indices)
        if gone:
            with self._door():
                Openings(self._db, self._local).erase(sorted(gone))
            self._erased = True
        return gone

    def forget(self) -> None:
        """Nothing of what was erased is in the WAL any more. StorageFailed while another program reads this file."""
        if self._erased:
            with self._door():
                sql.forget(self._db)
            self._erased = False

    def verdicts(self) -> dict[int, RowVerdict]:
        """What was found here of requests, by their entries, as far as it is about the entries that are here."""
        if self.size == 0:
            return {}
        with self._door():
            rows = Verdicts(self._db).rows()
        return verdicts.true(rows, self.size, self.root)

    def judge(self, size: int, found: Mapping[int, Word]) -> None:
        """Nothing: keeps what was found of requests, by their entries, when there were so many."""
        with self._door():
            Verdicts(self._db).put(size, self.root(size), found)


def _remove(path: Path) -> None:
    """The files of a database are gone, overwritten as far as the disk lets us: openings may be in them."""
    for each in (path, *path.parent.glob(f"{path.name}-*")):
        with suppress(OSError):
            _overwrite(each)
        each.unlink(missing_ok=True)


def _overwrite(path: Path) -> None:
    fd = os.open(path, os.O_WRONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
    try:
        left = os.fstat(fd).st_size
        while left > 0:
            left -= os.write(fd, bytes(min(left, 1 << 20)))
        os.fsync(fd)
    finally:
        os.close(fd)


def _damaged(path: Path, what: str) -> Damaged:
    return Damaged(
        f"the copy of a log in {path.name} is damaged: {what}",
        hint="repeat this: the log is read and verified again from where it is kept",
    )
