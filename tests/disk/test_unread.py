"""One damaged row of any table beside the log: all others are read, and it is named, whichever of its bytes flips."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from commons.disk import complaints, cosigned, deposits, notes, shelf, sql, witnessed
from commons.disk.damage import Unread

SCHEMAS = {
    each.__name__.rpartition(".")[2]: each.SCHEMA for each in (shelf, witnessed, cosigned, notes, complaints, deposits)
}
TABLES = [
    (room, table)
    for room, schema in SCHEMAS.items()
    for table in (line.split("(")[0].split()[-1] for line in schema.split("\n") if line.startswith("CREATE TABLE"))
]
VALUES: dict[str, Callable[[int, int], Any]] = {
    "TEXT": lambda row, column: f"row {row} text {column:02}",
    "BLOB": lambda row, column: b"row %d bytes %02d" % (row, column),
    "INTEGER": lambda row, column: 1000 * row + column,
}


@pytest.mark.parametrize(("room", "table"), TABLES)
def test_a_byte_that_flips_in_a_row_costs_no_other(tmp_path: Path, room: str, table: str) -> None:
    path = tmp_path / "one.db"
    with closing(sql.connect(path, SCHEMAS[room])) as db:
        columns = [row[1:3] for row in db.execute(f"PRAGMA table_info({table})")]
        rows = [tuple(VALUES[kind](n, at) for at, (_, kind) in enumerate(columns)) for n in (1, 3, 2)]
        for row in rows:  # the one between them is written last: nothing of the others is below it in the page
            db.execute(f"INSERT INTO {table} VALUES({', '.join('?' * len(columns))})", row)
        sql.forget(db)
    one, three, two = rows
    data = path.read_bytes()
    first = next(at for at, (_, kind) in enumerate(columns) if kind != "INTEGER")
    raw = two[first] if isinstance(two[first], bytes) else two[first].encode()
    numbers = sum(1 if n == 0 and "WITHOUT" not in _statement(room, table) else 2 for n in range(first))
    own = first and "WITHOUT" not in _statement(room, table)  # an integer key that stands in front of the record
    begin = data.index(raw) - numbers + bool(own) - (1 + len(columns)) - 1 - 2 * bool(own)
    end = max(data.index(v if isinstance(v, bytes) else v.encode()) + len(v) for v in two if isinstance(v, str | bytes))
    passed = 0
    for at in range(begin, end):
        path.write_bytes(data[:at] + bytes([data[at] ^ 1 << at % 8]) + data[at + 1 :])
        with closing(sql.connect(path, "")) as db:
            unread = Unread("one.db", db)
            found = unread.rows(table)
            others = [row for row in found if row in (one, three)]
            assert others == [one, three], (at - begin, found, unread.all())
            assert found != [one, two, three], at
            if len(found) == 2:
                passed += 1
                assert unread.any(table), at
                assert all(str(each).startswith(f"one.db {table}") for each in unread.all())
    assert passed or all(kind != "BLOB" for _, kind in columns[1:])


def _statement(room: str, table: str) -> str:
    return next(each for each in SCHEMAS[room].split(";") if f" {table}(" in each)


def test_a_row_without_a_value_that_belongs_there_is_named_and_forgotten_once_it_is_whole(tmp_path: Path) -> None:
    with closing(
        sql.connect(tmp_path / "one.db", "CREATE TABLE t(k TEXT PRIMARY KEY, v BLOB NOT NULL, n INTEGER)")
    ) as db:
        db.executemany("INSERT INTO t VALUES(?, ?, ?)", [("a", b"1", None), ("b", "1", 1), ("c", b"2", "x")])
        unread = Unread("one.db", db)
        assert unread.rows("t") == [("a", b"1", None)]
        assert [(each.table, each.row) for each in unread.all()] == [("one.db t", "b"), ("one.db t", "c")]
        db.execute("UPDATE t SET v = x'31', n = 1")
        assert len(unread.rows("t", "WHERE k = ?", "b")) == 1
        assert [each.row for each in unread.all()] == ["c"]
        unread.look()
        assert unread.all() == []


def test_what_is_no_damage_is_no_row_that_is_passed_over(tmp_path: Path) -> None:
    db = sql.connect(tmp_path / "one.db", "CREATE TABLE t(k TEXT PRIMARY KEY)")
    with closing(db), pytest.raises(sqlite3.OperationalError):
        Unread("one.db", db).rows("t", "WHERE nothing = 1")
