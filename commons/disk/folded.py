"""The fold of a log as it is stored beside its entries: tables in pages, and a record of what stands in no table.

SQLite does not see that a bit of a row has flipped, and a row that is gone is no error to it. So neighbouring rows
stand in one page, the digests of pages in a directory, and those of directories in the record, which holds its own:
what is read is what was written, or Misfolded. It knows nothing of what the rows and the record say.
"""

from __future__ import annotations

import hashlib
import threading
import zlib
from collections import OrderedDict
from collections.abc import Iterator, MutableMapping, MutableSet
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from commons.core.crypto import codec
from commons.core.state.tables import Order
from commons.disk import sql
from commons.errors import Conflict, Malformed, StorageFailed

SCHEMA = """
CREATE TABLE IF NOT EXISTS folds(one INTEGER PRIMARY KEY CHECK (one = 0), data BLOB NOT NULL);
CREATE TABLE IF NOT EXISTS pages(name TEXT, number INTEGER, data BLOB NOT NULL, PRIMARY KEY(name, number));
"""
ROWS = 5  # bits: a page holds the rows of so many neighbouring numbers
SPREAD = 10  # bits: into so many pages are spread the rows whose keys are no numbers
WIDE = 8  # bits: a directory holds the digests of so many pages
DIGEST = 16  # bytes of SHA-256: they are to find damage, not malice
KEPT = 256  # pages of one table that stay in memory once they were read
SEEN = 1024  # and values, as they are asked for
_NONE = bytes(DIGEST)


class Misfolded(StorageFailed):
    """What is stored of a fold is not what was stored. The entries are what counts: it is made again from them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FoldRecord:
    """`said` is what stands in no table, and `of` names the entries that it was folded from, and how. Of each directory
    the name of its table, its number and its digest; and of each table the number of its rows."""

    of: bytes
    said: bytes
    directories: tuple[tuple[str, int, bytes], ...]
    counts: dict[str, int]


class Stored:
    """The tables of one fold, in a database that somebody else opened, and whose transactions are theirs: what is
    changed is in memory until `flush` or `save`. From any thread. It is `damaged` once it was Misfolded, `gone` when
    another has its place, `changed` since the last transaction."""

    def __init__(self, path: Path, db: sql.Connection, damaged: bool = False) -> None:
        self._path, self._db = path, db
        self.lock = threading.RLock()
        self._counts: dict[str, int] = {}
        self._digests: dict[tuple[str, int], bytes] = {}  # of directories
        self._directories: dict[tuple[str, int], bytearray] = {}
        self._entered: set[tuple[str, int]] = set()
        self._tables: dict[str, Rows] = {}
        self.damaged, self.gone, self.changed = damaged, False, False

    # -- tables ----------------------------------------------------------------------------------------------------

    def rows(self, name: str, kind: Any, order: Order | None = None) -> MutableMapping[Any, Any]:
        assert name not in self._tables, name
        self._tables[name] = made = Rows(self, name, kind, order, self._counts.get(name, 0))
        return made

    def names(self, name: str) -> MutableSet[Any]:
        return Names(self.rows(name, int))

    # -- all of it -------------------------------------------------------------------------------------------------

    def load(self) -> FoldRecord | None:
        """The record that is stored; None without one, or where it is damaged. Before any table is asked for."""
        with self._door():
            if self._db.execute("SELECT 1 FROM sqlite_schema WHERE name = 'folds'").fetchone() is None:
                return None  # by an older version, and in a home that cannot be written
            row = self._db.execute("SELECT data FROM folds").fetchone()
        if row is None or not isinstance(row[0], bytes) or _digest(row[0][DIGEST:]) != row[0][:DIGEST]:
            return None
        try:
            record: FoldRecord = codec.restored(FoldRecord, row[0][DIGEST:])
        except Malformed:
            return None
        self._counts = record.counts
        self._digests = {(name, number): digest for name, number, digest in record.directories}
        return record

    def flush(self, most: int = 0) -> None:
        """Write what was changed, if that is more than so many pages."""
        with self.lock:
            if sum(len(each.changed) for each in self._tables.values()) > most:
                for each in self._tables.values():
                    each.flush()

    def save(self, of: bytes, said: bytes) -> None:
        """Write all that was changed, and the record over it."""
        with self.lock:
            self.flush()
            for name, number in sorted(self._entered):
                page = bytes(self._directories[name, number])
                self._put(f"{name}/", number, page)
                self._digests[name, number] = _digest(page)
            self._entered.clear()
            record = FoldRecord(
                of=of,
                said=said,
                directories=tuple((name, number, digest) for (name, number), digest in sorted(self._digests.items())),
                counts={name: len(each) for name, each in self._tables.items()},
            )
            data = codec.encode(record)
            with self._door():
                self._db.execute("INSERT OR REPLACE INTO folds VALUES(0, ?)", (_digest(data) + data,))

    def read_all(self) -> None:
        """Nothing: reads each page of each table that was asked for. Misfolded where one is damaged."""
        for name in self._tables:
            for number in self.numbers(name):
                self.read(name, number)

    # -- pages -----------------------------------------------------------------------------------------------------

    def read(self, name: str, number: int) -> bytes | None:
        """A page as it was written; None for one that was not."""
        place, at = (name, number >> WIDE), (number & (1 << WIDE) - 1) * DIGEST
        if place not in self._directories and place not in self._digests:
            return None
        digest = bytes(self._directory(*place)[at : at + DIGEST])
        return None if digest == _NONE else self._get(name, number, digest)

    def write(self, name: str, number: int, data: bytes) -> None:
        place, at = (name, number >> WIDE), (number & (1 << WIDE) - 1) * DIGEST
        self._directory(*place)[at : at + DIGEST] = _digest(data)
        self._entered.add(place)
        self._put(name, number, data)

    def numbers(self, name: str) -> Iterator[int]:
        """Of the pages of a table that were written, in their order."""
        there = {n for each, n in (*self._directories, *self._digests) if each == name}
        for place in sorted(there):
            directory = self._directory(name, place)
            for n in range(1 << WIDE):
                if directory[n * DIGEST : (n + 1) * DIGEST] != _NONE:
                    yield (place << WIDE) + n

    def _directory(self, name: str, number: int) -> bytearray:
        if (name, number) not in self._directories:
            digest = self._digests.get((name, number))
            data = bytes(DIGEST << WIDE) if digest is None else self._get(f"{name}/", number, digest)
            self._directories[name, number] = bytearray(data)
        return self._directories[name, number]

    def _get(self, name: str, number: int, digest: bytes) -> bytes:
        self.check_there()
        with self._door():
            row = self._db.execute("SELECT data FROM pages WHERE (name, number) = (?, ?)", (name, number)).fetchone()
        if row is None or not isinstance(row[0], bytes) or _digest(row[0]) != digest:
            self.damaged = True
            raise misfolded(self._path, f"page {number} of {name.removesuffix('/')}")
        return row[0]

    def _put(self, name: str, number: int, data: bytes) -> None:
        self.check_there()
        self.changed = True
        with self._door():
            self._db.execute("INSERT OR REPLACE INTO pages VALUES(?, ?, ?)", (name, number, data))

    def check_there(self) -> None:
        """Conflict where another has its place."""
        if self.gone:
            raise Conflict("this log was read again meanwhile", hint="repeat this")

    @contextmanager
    def _door(self) -> Iterator[None]:
        try:
            with sql.door(self._path):
                yield
        except StorageFailed as error:
            if sql.is_damaged(error.__cause__):
                self.damaged = True
                raise misfolded(self._path, "the database") from error
            raise


class Rows(MutableMapping[Any, Any]):
    """One table. It holds the pages that were changed, and some of those that were read: rows as they are written,
    plain ones by themselves."""

    def __init__(self, stored: Stored, name: str, kind: Any, order: Order | None, count: int) -> None:
        self._stored, self._name, self._kind, self._order = stored, name, kind, order
        self._plain = kind in (int, str, bytes)
        self._pages: OrderedDict[int, dict[Any, Any]] = OrderedDict()
        self._seen: dict[Any, Any] = {}
        self._put: dict[Any, Any] = {}  # changed, and in no page yet
        self._count = count
        self.changed: set[int] = set()

    def __getitem__(self, key: Any) -> Any:
        with self._stored.lock:
            if key in self._put:
                return self._put[key]
            if key not in self._seen:
                self._stored.check_there()
                row = self._page(_number(key))[key]
                if len(self._seen) >= SEEN:
                    self._seen.clear()
                self._seen[key] = row if self._plain else codec.restored(self._kind, row)
            return self._seen[key]

    def __contains__(self, key: object) -> bool:
        with self._stored.lock:
            return key in self._put or key in self._seen or key in self._page(_number(key))

    def __setitem__(self, key: Any, value: Any) -> None:
        with self._stored.lock:
            if key not in self._put:
                page = self._page(number := _number(key))
                self._count += key not in page
                self._seen.pop(key, None)
                self.changed.add(number)
            self._put[key] = value
            self._stored.changed = True

    def __delitem__(self, key: Any) -> None:
        with self._stored.lock:
            page = self._page(number := _number(key))
            if key not in self._put and key not in page:
                raise KeyError(key)
            self._put.pop(key, None)
            page.pop(key, None)
            self._seen.pop(key, None)
            self._count -= 1
            self.changed.add(number)
            self._stored.changed = True

    def __len__(self) -> int:
        return self._count

    def __iter__(self) -> Iterator[Any]:
        """Page by page, but where they have an order of their own."""
        with self._stored.lock:
            there = {number: list[Any]() for number in sorted({*self._stored.numbers(self._name), *self.changed})}
            for key in self._put:
                there[_number(key)].append(key)
        found = (key for number, more in there.items() for key in self._keys(number, more))
        return found if self._order is None else iter(sorted(found, key=self._rank))

    def _rank(self, key: Any) -> Any:
        assert self._order is not None
        return self._order(self[key])

    def _keys(self, number: int, more: list[Any]) -> list[Any]:
        with self._stored.lock:
            return sorted({*self._page(number), *more})

    def _page(self, number: int) -> dict[Any, Any]:
        page = self._pages.get(number)
        if page is None:
            data = self._stored.read(self._name, number)
            page = self._pages[number] = dict(codec.raw(data, len(data))) if data is not None else {}
            self._leave(number)
        else:
            self._pages.move_to_end(number)
        return page

    def _leave(self, but: int) -> None:
        """Those that were not used for longest leave memory, up to one that was changed."""
        while len(self._pages) > KEPT and (oldest := next(iter(self._pages))) not in self.changed and oldest != but:
            del self._pages[oldest]

    def flush(self) -> None:
        """Write the pages that were changed."""
        for key, value in self._put.items():
            self._pages[_number(key)][key] = value if self._plain else codec.encode(value)
        self._put.clear()
        for number in sorted(self.changed):
            self._stored.write(self._name, number, codec.plain(sorted(self._pages[number].items())))
        self.changed.clear()
        self._leave(-1)


class Names(MutableSet[Any]):
    """A table of keys alone."""

    def __init__(self, rows: MutableMapping[Any, Any]) -> None:
        self._rows = rows

    def __contains__(self, key: object) -> bool:
        return key in self._rows

    def __iter__(self) -> Iterator[Any]:
        return iter(self._rows)

    def __len__(self) -> int:
        return len(self._rows)

    def add(self, key: Any) -> None:
        if key not in self._rows:
            self._rows[key] = 1

    def discard(self, key: Any) -> None:
        self._rows.pop(key, None)


def _number(key: object) -> int:
    """Of the page in which a row stands: neighbouring numbers in one, other keys spread."""
    if isinstance(key, int):
        return key >> ROWS
    data = key.encode() if isinstance(key, str) else key
    assert isinstance(data, bytes)
    return zlib.crc32(data) >> 32 - SPREAD


def _digest(data: bytes) -> bytes:
    return hashlib.sha256(data).digest()[:DIGEST]


def misfolded(path: Path, what: str) -> Misfolded:
    return Misfolded(
        f"what was made of a log in {path.name} is damaged: {what}",
        hint="repeat this: it is made again from the entries",
    )
