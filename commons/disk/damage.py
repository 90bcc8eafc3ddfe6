"""What is damaged in a stored log, and where: its tree and its heads against what follows from its entries.

Reads alone. The entries are the log: under the newest signed head they say each hash and each root there has to be.
Where they are damaged themselves, the stored hashes that lead to that head say which of them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from itertools import product
from typing import Any, TypeVar

from commons.core.tlog import checkpoint, merkle, note, tiles
from commons.core.tlog.checkpoint import Checkpoint, Signed
from commons.disk import sql
from commons.errors import CommonsError, StorageFailed

T = TypeVar("T")

TOLD = 1000  # damaged rows that are named; more are counted
SIGNED = 4096  # of the newest heads have their signatures checked at each start, all of them by an audit

Open = Callable[[bytes], Signed]  # a head by who kept the log at its size, verified
Leaves = Callable[[int, int], list[bytes]]  # the hashes of the stored entries first … last-1

_NOTES = {
    "checkpoints": "SELECT size, note FROM checkpoints ORDER BY size DESC LIMIT ?",
    "alarms": "SELECT rowid, note FROM alarms LIMIT ?",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Damage:
    """One damaged place: `row` of `table` is not what it has to be; `row` is empty where it is more than one."""

    table: str
    row: str
    what: str

    def __str__(self) -> str:
        return f"{f'{self.table} {self.row}'.strip()}: {self.what}"

    def as_dict(self) -> dict[str, str]:
        """The same in plain values."""
        return {"table": self.table, "row": self.row, "what": self.what}


def told(found: Sequence[Damage]) -> str:
    """What is damaged, in one line: the first places."""
    return "; ".join(map(str, found[:5])) + (f"; and {len(found) - 5} more" if len(found) > 5 else "")


Check = Callable[..., object]  # of a row's values, in the order of its columns; raises for what is damaged
Row = tuple[Any, ...]
Found = dict[tuple[str, str], Damage]  # by table and row


class Unread:
    """The rows of one file that could not be read and were passed over: no damaged row ends what is done with all
    others. `checks` are those of tables whose rows say more than their types."""

    def __init__(self, file: str, db: sql.Connection, checks: Mapping[str, Check] | None = None) -> None:
        self.file, self._db, self._checks = file, db, checks or {}
        self._stored, self._found = Found(), Found()
        self._columns: dict[str, list[tuple[str, type, int, int]]] = {}  # name, type, whether filled, which of the key

    def rows(self, table: str, where: str = "", *values: object, check: Check = lambda *row: None) -> list[Row]:
        """The rows of `table` that can be read, whole, in the order of their keys. Which those are is said by the types
        of its columns, and by `check`."""
        if table not in self._columns:
            told = self._db.execute(f"PRAGMA table_info({table})").fetchall()
            self._columns[table] = [(name, _TYPES[kind], filled or key, key) for _, name, kind, filled, _, key in told]
        columns = self._columns[table]
        keys = ", ".join(name for _, name in sorted((key, name) for name, _, _, key in columns if key))
        found, lost = sql.scan(self._db, table, where, values, keys)

        def read(row: Row) -> Row:
            for value, (name, kind, filled, _) in zip(row, columns, strict=True):
                if not isinstance(value, kind) and (filled or value is not None):
                    raise StorageFailed(f"its {name} is no such value as is stored there", hint=sql.MEND)
            check(*row)
            return row

        for number in lost:
            self._note(self._stored, table, f"number {number}", "it cannot be read")
        named = [
            (row, ", ".join(_said(value) for value, (*_, key) in zip(row, columns, strict=True) if key))
            for row in found
        ]
        good = [self._read(self._stored, table, name, partial(read, row)) for row, name in named]
        return [row for row in good if row is not None]

    def one(self, table: str, where: str, value: str, check: Check = lambda *row: None) -> Row | None:
        """The row that a WHERE chooses by a key; None without one. StorageFailed where it is damaged: for what must not
        be forgotten."""
        if found := self.rows(table, where, value, check=check):
            return found[0]
        if self._db.execute(f"SELECT 1 FROM {table} {where}", (value,)).fetchone() is not None:
            raise StorageFailed(f"what {self.file} says in {table} of {value} is damaged", hint=sql.MEND)
        return None

    def renew(self, table: str, where: str, *values: object, check: Check = lambda *row: None) -> None:
        """Nothing: deletes the row of this key where it is damaged, before one is stored that stays if it is there."""
        there = self._db.execute(f"SELECT 1 FROM {table} {where}", values).fetchone() is not None
        if there and not self.rows(table, where, *values, check=check):
            self._db.execute(f"DELETE FROM {table} {where}", values)

    def look(self) -> None:
        """Nothing: reads all of the file, so that whatever is stored there and damaged is known then, and nothing
        else."""
        self._stored.clear()
        for (table,) in self._db.execute("SELECT name FROM sqlite_schema WHERE type = 'table'").fetchall():
            self.rows(table, check=self._checks.get(table, lambda *row: None))

    def read(self, table: str, row: str, read: Callable[[], T]) -> T | None:
        """What `read` gives of a stored row; None where the row is damaged, and that is remembered until it can be read
        again."""
        return self._read(self._found, table, row, read)

    def all(self) -> list[Damage]:
        """All damage that was met in this file."""
        return [*({**self._stored, **self._found}).values()]

    def any(self, table: str) -> bool:
        """Whether damage was met in this table."""
        return any(name == table for name, _ in (*self._stored, *self._found))

    def _read(self, into: Found, table: str, row: str, read: Callable[[], T]) -> T | None:
        try:
            value = read()
        except (CommonsError, ValueError, LookupError, TypeError) as error:
            self._note(into, table, row, error.message if isinstance(error, CommonsError) else "it is something else")
            return None
        into.pop((table, row), None)
        return value

    def _note(self, into: Found, table: str, row: str, what: str) -> None:
        into[table, row] = Damage(table=f"{self.file} {table}", row=row, what=what)


_TYPES: dict[str, type] = {"TEXT": str, "BLOB": bytes, "INTEGER": int}


def _said(key: object) -> str:
    return key.hex() if isinstance(key, bytes) else str(key)


class TreeCheck:
    """The stored tree of a log, compared with what follows from its leaves, which come in their order."""

    def __init__(self, db: sql.Connection, origin: str) -> None:
        self._db, self.origin = db, origin
        self.size, self.edge = 0, tuple[bytes, ...]()
        self.found: list[Damage] = []

    @property
    def root(self) -> bytes:
        """The root over the leaves taken so far (32 bytes)."""
        return merkle.edge_root(self.edge)

    def take(self, leaves: Sequence[bytes]) -> None:
        """Nothing: takes the next leaves, and notes which stored hashes do not follow from them."""
        start, end = self.size, self.size + len(leaves)
        heads = self._db.execute(
            "SELECT size, note FROM checkpoints WHERE size > ? AND size <= ? ORDER BY size", (start, end)
        ).fetchall()
        grown = []
        for size, data in [*sorted(heads, key=lambda row: int(row[0])), (end, None)]:
            done, self.edge = merkle.grow(self.size, self.edge, leaves[self.size - start : size - start])
            grown += done
            self.size = size
            if data is not None:
                self._head(size, data)
        self._compare(grown)

    def _head(self, size: int, data: object) -> None:
        wanted = Checkpoint(origin=self.origin, size=size, root=self.root)
        with suppress(CommonsError):
            if isinstance(data, bytes) and checkpoint.parse(note.peek(data)) == wanted:
                return
        self._note("checkpoints", str(size), "it is not the head of the entries in front of it")

    def _compare(self, grown: Iterable[tuple[int, int, bytes]]) -> None:
        levels: dict[int, dict[int, bytes]] = {}
        for level, pos, value in grown:
            levels.setdefault(level, {})[pos] = value
        for level, wanted in levels.items():
            stored = dict(
                self._db.execute(
                    "SELECT pos, hash FROM nodes WHERE level = ? AND pos BETWEEN ? AND ?",
                    (level, min(wanted), max(wanted)),
                ).fetchall()
            )
            if stored != wanted:
                for pos, value in wanted.items():
                    if stored.get(pos) != value:
                        what = "it is missing" if pos not in stored else "it is not the hash of what is below it"
                        self._note("nodes", f"({level}, {pos})", what)

    def _note(self, table: str, row: str, what: str) -> None:
        if len(self.found) < TOLD:
            self.found.append(Damage(table=table, row=row, what=what))


def find(db: sql.Connection, tree: TreeCheck, leaves: Leaves, open_head: Open, newest: int) -> list[Damage]:
    """What is damaged in the log whose entries have all been given to `tree`. The signatures of so many of the `newest`
    heads are checked, of all with -1; none where an entry is damaged, which may say who had to sign."""
    found, signed = tree.found, _newest(db, tree.size)
    if signed is not None and signed.size != tree.size:
        what = f"{tree.size} can be read, and the newest head that is stored is of {signed.size}"
        found = [*found, Damage(table="entries", row="", what=what)]
    elif signed is not None and signed.root != tree.root:
        found = _entries(db, leaves, signed) or found
    if all(each.table != "entries" for each in found):
        found = [*found, *_notes(db, open_head, newest)]
    once = {(each.table, each.row): each for each in reversed([*found, *_beyond(db)])}
    return [*reversed(once.values()), *structure(db)]


def _newest(db: sql.Connection, size: int) -> Checkpoint | None:
    """What the newest head of at most so many entries says, unverified."""
    row = db.execute("SELECT note FROM checkpoints WHERE size <= ? ORDER BY size DESC LIMIT 1", (size,)).fetchone()
    try:
        return None if row is None else checkpoint.parse(note.peek(sql.blob(row[0], "the head")))
    except CommonsError:
        return None


def structure(db: sql.Connection) -> list[Damage]:
    """The damage that SQLite itself finds in the file."""
    rows = [" ".join(str(row[0]).split()) for row in db.execute("PRAGMA integrity_check(20)").fetchall()]
    return [Damage(table="the file", row="", what=row) for row in rows if row != "ok"]


def _entries(db: sql.Connection, leaves: Leaves, head: Checkpoint) -> list[Damage]:
    """Which entries are damaged: those whose stored hash leads to the signed root, while their own does not."""
    wrong: dict[int, bytes] = {}
    for start in range(0, head.size, tiles.WIDTH):
        wrong |= _doubtful(db, start, leaves(start, min(start + tiles.WIDTH, head.size)))
    if not wrong:  # then the head is
        return []
    tree = TreeCheck(db, head.origin)
    for start in range(0, head.size, tiles.WIDTH):
        hashes = enumerate(leaves(start, min(start + tiles.WIDTH, head.size)), start)
        tree.take([wrong.get(index, value) for index, value in hashes])
    sure = tree.root == head.root
    what = "it is not the entry that was signed" if sure else "it, or its hash, is not what was signed"
    found = [Damage(table="entries", row=str(index), what=what) for index in [*wrong][:TOLD]]
    return [*found, *tree.found]


def _doubtful(db: sql.Connection, start: int, leaves: Sequence[bytes]) -> dict[int, bytes]:
    """The stored hashes of those entries that have another, unless the node above says that the hash is damaged."""
    last = start + len(leaves)
    stored = _hashes(db, 0, start, last)
    above = _hashes(db, 1, start >> 1, last + 1 >> 1)
    found: dict[int, bytes] = {}
    for left in range(start, last, 2):
        pair = [index for index in (left, left + 1) if index < last]
        own = [leaves[index - start] for index in pair]
        kept = [stored.get(index, value) for index, value in zip(pair, own, strict=True)]
        if own == kept:
            continue
        best = kept
        if len(pair) == 2:
            fit = (both for both in product(*zip(kept, own, strict=True)) if merkle.node(*both) == above.get(left >> 1))
            best = list(next(fit, tuple(kept)))
        found |= {index: is_ for index, is_, was in zip(pair, best, own, strict=True) if is_ != was}
    return found


def _hashes(db: sql.Connection, level: int, first: int, last: int) -> dict[int, bytes]:
    rows = db.execute("SELECT pos, hash FROM nodes WHERE level = ? AND pos >= ? AND pos < ?", (level, first, last))
    return {pos: value for pos, value in rows.fetchall() if isinstance(value, bytes)}


def _notes(db: sql.Connection, open_head: Open, newest: int) -> Iterator[Damage]:
    for table, query in _NOTES.items():
        for row, data in db.execute(query, (newest,)):
            try:
                open_head(sql.blob(data, "the head"))
            except CommonsError as error:
                yield Damage(table=table, row=str(row), what=error.message)


def _beyond(db: sql.Connection) -> Iterator[Damage]:
    """Rows that belong to no entry."""
    rows = db.execute(
        "SELECT 'nodes', '(' || level || ', ' || pos || ')' FROM nodes, (SELECT count(*) AS size FROM entries) WHERE "
        "typeof(level) != 'integer' OR typeof(pos) != 'integer' OR level < 0 OR level > 62 OR pos < 0 OR "
        "pos >= size >> level UNION ALL "
        "SELECT 'checkpoints', size FROM checkpoints WHERE size < 1 OR size > (SELECT count(*) FROM entries) LIMIT ?",
        (TOLD,),
    )
    for table, row in rows.fetchall():
        yield Damage(table=table, row=str(row), what="there is no such row in a log of this size")
