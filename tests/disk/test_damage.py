"""Any bit of a stored log that flips is found when it is opened, and where it is is said. Each run draws its own bits:
COMMONS_SEED repeats those of an earlier one."""

from __future__ import annotations

import os
import random
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from commons.disk.damage import Damage
from commons.disk.home import Home
from commons.errors import StorageFailed
from tests.conftest import log_folder
from tests.disk.test_log import access, flipped, note_of, opened, reopen, stalled

__all__ = ["opened"]  # a fixture

flips = pytest.mark.parametrize("flips", [10, pytest.param(100, marks=pytest.mark.long)])
TABLES = {
    "entries": "SELECT idx, data FROM entries",
    "nodes": "SELECT level, pos, hash FROM nodes",
    "checkpoints": "SELECT size, note FROM checkpoints",
}


@pytest.fixture
def chance() -> random.Random:
    seed = os.environ.get("COMMONS_SEED") or str(random.SystemRandom().getrandbits(64))
    print(f"COMMONS_SEED={seed}")  # pytest shows it where the test fails
    return random.Random(seed)


@pytest.fixture
def closed(opened: Home) -> Home:
    """A home whose log of 351 entries, some committed one by one and some together, is closed."""
    log = opened.first.log
    for n in range(60):
        log.append(access(bytes([n]), f"person {n % 7}", bytes([n]) * 32)).result()
    with stalled(log):
        futures = [log.append(note_of(1)) for _ in range(200)]
    futures[-1].result()
    for _ in range(29):
        log.append(note_of(1)).result()
    assert log.size == 351
    log.close()
    return opened


def examined(home: Home) -> tuple[str, list[Damage]]:
    """What is said when the log is opened, and which rows are named where it can be. Nothing is added to it then."""
    try:
        log = reopen(home)
    except StorageFailed as error:
        return error.message, []
    told, found = "", list(log.damage)
    if log.broken is not None:
        told = log.broken.message
        assert isinstance(log.append(access()).exception(), StorageFailed)
    log.close()
    return told, found


@flips
@pytest.mark.parametrize(
    ("table", "column"),
    [("entries", "data"), ("nodes", "hash"), ("nodes", "pos"), ("checkpoints", "note"), ("checkpoints", "size")],
)
def test_any_bit_that_flips_in_a_row_is_found_and_located(
    closed: Home, chance: random.Random, flips: int, table: str, column: str
) -> None:
    keys = {"entries": ("idx",), "nodes": ("level", "pos"), "checkpoints": ("size",)}[table]
    with closing(sqlite3.connect(log_folder(closed.path) / "log.db", isolation_level=None)) as db:
        rows = db.execute(f"SELECT {', '.join(keys)}, {column} FROM {table}").fetchall()
        missed, done = [], 0
        while done < flips:
            row = chance.choice(rows)
            key, value, at = row[: len(keys)], row[-1], chance.getrandbits(32)
            where = " AND ".join(f"{name} = ?" for name in keys)
            new = flipped(value, at % (8 * len(value))) if isinstance(value, bytes) else value ^ 1 << at % 40
            try:
                db.execute(f"UPDATE {table} SET {column} = ? WHERE {where}", (new, *key))
            except sqlite3.IntegrityError:
                continue  # another row has this key: such a bit leaves two, see the next test
            done += 1
            told, found = examined(closed)
            name = str(key[0]) if len(key) == 1 else f"({key[0]}, {key[1]})"
            moved = str(new) if len(key) == 1 else f"({key[0]}, {new})"
            named = {(each.table, each.row) for each in found}
            wanted = {(table, name)} if column not in keys else {(table, name), (table, moved), ("entries", "")}
            if (
                f"{table} {name}:" not in told
                and f"entry {name}" not in told
                and not named & wanted - {("entries", "")}
            ):
                missed.append((key, at, told))
            assert named <= wanted, (key, at, told)  # and nothing else is accused
            back = (value, *(new if each == column else old for each, old in zip(keys, key, strict=True)))
            db.execute(f"UPDATE {table} SET {column} = ? WHERE {where}", back)
    assert missed == []
    assert examined(closed) == ("", [])


def content(path: Path) -> Any:
    """The rows of the log, or None where they cannot all be read."""
    try:
        with closing(sqlite3.connect(f"file:{path}?mode=ro&immutable=1", uri=True)) as db:
            db.text_factory = bytes
            return {name: sorted(db.execute(query).fetchall(), key=repr) for name, query in TABLES.items()}
    except (sqlite3.Error, UnicodeDecodeError):  # what SQLite says quotes what is there
        return None


def test_a_schema_that_is_not_even_text_is_damage_and_no_bug(closed: Home) -> None:
    path = log_folder(closed.path) / "log.db"
    whole = path.read_bytes()
    path.write_bytes(whole.replace(b"CREATE TABLE nodes", b"CREATE TABL\xc1 nodes"))
    assert path.read_bytes() != whole
    assert examined(closed) == ("log.db is damaged: it is no whole database", [])


@flips
def test_any_bit_of_the_file_that_changes_what_is_stored_is_found(
    closed: Home, chance: random.Random, flips: int
) -> None:
    path = log_folder(closed.path) / "log.db"
    whole, stored = path.read_bytes(), content(path)
    copy = log_folder(closed.path) / "copy.db"
    missed, done = [], 0
    while done < flips:
        at = chance.randrange(8 * len(whole))
        copy.write_bytes(flipped(whole, at))
        now = content(copy)
        if now == stored:
            continue  # a free page, the private side, or what is between two rows
        done += 1
        path.write_bytes(copy.read_bytes())
        told, found = examined(closed)
        if not told:
            missed.append(at)
        if found and now is not None:
            rows = {
                (table, str(row[0]) if len(row) == 2 else f"({row[0]}, {row[1]})")
                for table in TABLES
                for row in set(now[table]) ^ set(stored[table])
            }
            assert any((each.table, each.row) in rows or each.table == "the file" for each in found), (at, told)
        for leftover in log_folder(closed.path).glob("log.db-*"):
            leftover.unlink()
    assert missed == []
    path.write_bytes(whole)
    assert examined(closed) == ("", [])
