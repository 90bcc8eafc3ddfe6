"""The history of one log as it was verified here: its entries, the tree over them, and the head that signs them.

One SQLite file for each log that somebody else keeps, or a temporary one that is gone when it is closed. It knows
nothing of what an entry says or who may sign: that is `log.replica`'s, the one that writes it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from commons.core.tlog import checkpoint, merkle, note
from commons.disk import journal, sql
from commons.errors import StorageFailed, Untrue

SCHEMA = """
CREATE TABLE IF NOT EXISTS entries(idx INTEGER PRIMARY KEY, data BLOB NOT NULL);
CREATE TABLE IF NOT EXISTS nodes(level INTEGER, pos INTEGER, hash BLOB NOT NULL, PRIMARY KEY(level, pos)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS heads(one INTEGER PRIMARY KEY CHECK (one = 0), note BLOB NOT NULL);
"""
CHUNK = 256  # entries read at once
_DATA = "SELECT data FROM entries WHERE idx >= ? AND idx < ? ORDER BY idx"


class Damaged(StorageFailed):
    """What is stored of a log is not what was verified: it can be read and verified again."""


class History:
    """`size` entries under `head`, a signed note, empty where there are none. What is read was committed, but inside
    `changing`. From one thread. Its file, and the folder that is in, are made when something is stored."""

    def __init__(self, path: Path | None = None) -> None:
        self._path, self._stored = path or Path("a temporary copy"), path is not None
        self._opened: sql.Connection | None = None
        self.size, self.head, self._edge = 0, b"", tuple[bytes, ...]()
        if self._stored and self._path.exists():
            self._load()

    @property
    def _db(self) -> sql.Connection:
        if self._opened is None:
            with self._door():
                if self._stored:
                    self._path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
                self._opened = sql.connect(self._path, SCHEMA) if self._stored else sql.temporary(SCHEMA)
        return self._opened

    @classmethod
    def open(cls, path: Path) -> History:
        """What is stored there. What is damaged was somebody else's all along: it is removed, and read again."""
        try:
            return cls(path)
        except Damaged as error:
            journal.log.warning("%s; it is read again", error.message)
            _remove(path)
            return cls(path)

    def renew(self) -> None:
        """Nothing is here any more: the file is begun anew."""
        self.close()
        self._opened = None
        if self._stored:
            _remove(self._path)
        self.size, self.head, self._edge = 0, b"", ()

    def mend(self) -> None:
        """Grow the tree anew over the entries that are here. Damaged where they are not what the head signs."""
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
    def _door(self) -> Iterator[None]:
        try:
            with sql.door(self._path):
                yield
        except StorageFailed as error:
            if sql.is_damaged(error.__cause__):
                raise _damaged(self._path, "it is no whole database") from error
            raise

    def close(self) -> None:
        if self._opened is not None:
            self._opened.close()

    def _load(self) -> None:
        with self._door():
            row = self._db.execute("SELECT note FROM heads").fetchone()
        self.head = b"" if row is None else sql.blob(row[0], "the head of a log")
        self.size = checkpoint.parse(note.peek(self.head)).size if self.head else 0
        self._edge = merkle.read_edge(self.size, self.read)
        if self.head and merkle.edge_root(self._edge) != checkpoint.parse(note.peek(self.head)).root:
            raise _damaged(self._path, "its tree is not that of its head")

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
        """One transaction around `clear`, `add` and `sign`: all of it is durable when this ends, nothing of it after an
        error or a crash."""
        before = (self.size, self.head, self._edge)
        with self._door():
            self._db.execute("BEGIN IMMEDIATE")
        try:
            yield
            with self._door():
                self._db.execute("COMMIT")
        except BaseException:
            self.size, self.head, self._edge = before
            if self._db.in_transaction:
                self._db.execute("ROLLBACK")
            raise

    def clear(self) -> None:
        self.size, self.head, self._edge = 0, b"", ()
        with self._door():
            for table in ("entries", "nodes", "heads"):
                self._db.execute(f"DELETE FROM {table}")

    def add(self, batch: Sequence[bytes]) -> None:
        """Append entries, and grow the tree over them."""
        nodes, edge = merkle.grow(self.size, self._edge, [merkle.leaf(data) for data in batch])
        with self._door():
            self._db.executemany("INSERT INTO entries VALUES(?, ?)", enumerate(batch, self.size))
            self._db.executemany("INSERT INTO nodes VALUES(?, ?, ?)", nodes)
        self.size, self._edge = self.size + len(batch), edge

    def sign(self, head: bytes) -> None:
        """The note of the head that signs what is here; whose it is, was checked."""
        with self._door():
            self._db.execute("INSERT OR REPLACE INTO heads VALUES(0, ?)", (head,))
        self.head = head


def _remove(path: Path) -> None:
    for each in (path, *path.parent.glob(f"{path.name}-*")):
        each.unlink(missing_ok=True)


def _damaged(path: Path, what: str) -> Damaged:
    return Damaged(
        f"the copy of a log in {path.name} is damaged: {what}",
        hint=f"remove {path}: the log is read and verified again from where it is kept",
    )
