"""SQLite as this house uses it: durable, erasing, one writer; its errors translated at this door.

WAL with synchronous=FULL: COMMIT returns after the fsync. secure_delete and a truncated WAL: erased means overwritten.
"""

from __future__ import annotations

import os
import sqlite3
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager, suppress
from pathlib import Path
from typing import Any

from commons.errors import StorageFailed, refusal

Connection = sqlite3.Connection
SNAPSHOT = ".snapshot-"  # how the names of copies begin, as long as they have one
_DAMAGED = (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)
_WHY = {
    sqlite3.SQLITE_FULL: "disk full",
    sqlite3.SQLITE_IOERR: "the disk reports an error",
    sqlite3.SQLITE_BUSY: "another program uses it",
    sqlite3.SQLITE_LOCKED: "another program uses it",
    sqlite3.SQLITE_READONLY: "it cannot be written",
    sqlite3.SQLITE_CANTOPEN: "it cannot be opened",
    sqlite3.SQLITE_PERM: "its permissions forbid it",
    sqlite3.SQLITE_NOMEM: "this machine has no memory left",
}
# Threads share a connection. From Python 3.13 on its cache would give two of them one prepared statement, which loses
# the row of one or ends in "bad parameter or other API misuse"; without it each has its own, and SQLite takes turns.
_SHARED: dict[str, Any] = {"isolation_level": None, "check_same_thread": False, "timeout": 10, "cached_statements": 0}
MEND = 'keep this home as it is and restore a backup into another one: docs/home.md, "Backing up and restoring"'


@contextmanager
def door(path: Path) -> Iterator[None]:
    """A context in which SQLite's and the disk's refusals become StorageFailed."""
    try:
        yield
    except (sqlite3.Error, OSError, UnicodeDecodeError) as error:
        if is_damaged(error):
            raise StorageFailed(f"{path.name} is damaged: it is no whole database", hint=MEND) from error
        if frozen(path.parent):
            raise unwritable(path.parent) from error
        raise StorageFailed(
            f"cannot use {path.name}: {why(error)}", hint=f"check free space and permissions of {path.parent}"
        ) from error


def why(error: BaseException) -> str:
    """What a refusal of SQLite's or of the disk's means, as a part of a sentence."""
    if isinstance(error, OSError):
        return refusal(error)
    return _WHY.get((getattr(error, "sqlite_errorcode", None) or 0) & 0xFF, "what is in it is not what belongs there")


def frozen(folder: Path) -> bool:
    """Whether a folder that is there cannot be written: its disk is read-only, or its permissions say so."""
    return folder.is_dir() and not os.access(folder, os.W_OK | os.X_OK)


def unwritable(folder: Path) -> StorageFailed:
    """The error for a home that can only be read."""
    return StorageFailed(
        f"{folder} cannot be written, and is only read here",
        hint="mount it for writing or change its permissions, or do this in another home",
    )


def connect(path: Path, schema: str) -> sqlite3.Connection:
    """An open database with `schema` in it. Statements commit by themselves unless inside BEGIN … COMMIT. In a folder
    that is `frozen` it is only read."""
    if frozen(path.parent):
        return _read_only(path, schema)
    with door(path), ExitStack() as undo:
        # 0600 before SQLite sees it, as its WAL takes the same mode. Only a new file is opened here: closing one that
        # another connection of this process uses would drop that connection's locks.
        with suppress(FileExistsError):
            os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))
        path.chmod(0o600)
        db: Connection = sqlite3.connect(path, **_SHARED)
        undo.callback(db.close)
        db.text_factory = _text
        db.execute("PRAGMA journal_mode=WAL")
        db.execute("PRAGMA synchronous=FULL")
        db.execute("PRAGMA secure_delete=ON")
        db.executescript(f"BEGIN; {schema}; COMMIT")  # whole or not at all, and waits for the disk once
        undo.pop_all()
        return db


def temporary(schema: str) -> sqlite3.Connection:
    """An open database that nobody else sees: it is in memory while it is small, and gone when it is closed."""
    db: Connection = sqlite3.connect("", **_SHARED)
    db.execute("PRAGMA journal_mode=MEMORY")
    db.execute("PRAGMA synchronous=OFF")
    db.executescript(schema)
    return db


def _read_only(path: Path, schema: str) -> sqlite3.Connection:
    """Read without writing so much as a lock, so only while nobody else writes: the home's lock sees to that. One that
    is not there is empty. What a crash left in the WAL is read with the index beside it, which cannot be made here."""
    wal, index = path.with_name(f"{path.name}-wal"), path.with_name(f"{path.name}-shm")
    with door(path), ExitStack() as undo:
        unfinished = wal.exists() and wal.stat().st_size > 0
        if unfinished and not index.exists():
            raise StorageFailed(
                f"{path.name} was not closed: to read {wal.name}, {index.name} is needed, and cannot be made here",
                hint=f"copy the whole of {path.parent} to where it can be written (`cp -a`), and read the copy",
            )
        how = "mode=ro" if unfinished else "mode=ro&immutable=1"
        name = f"{path.absolute().as_uri()}?{how}" if path.exists() else ":memory:"
        db: Connection = sqlite3.connect(name, uri=True, **_SHARED)
        undo.callback(db.close)
        db.text_factory = _text
        if not path.exists():
            db.executescript(schema)
        db.execute("PRAGMA query_only=ON")
        db.execute("SELECT count(*) FROM sqlite_schema").fetchone()  # a file that is no database is told here
        undo.pop_all()
        return db


def snapshot(path: Path, work: Path) -> int:
    """A descriptor to read a copy of a database from, as its last COMMIT left it, whatever others do with it meanwhile;
    the caller's to close. The copy has no name any more: whatever ends this process, nothing is left of it but, for a
    moment, an empty file in `work` that is called .snapshot-…"""
    with door(path):
        copy, name = tempfile.mkstemp(prefix=SNAPSHOT, dir=work)  # 0600
        try:
            with closing(sqlite3.connect(path, **_SHARED)) as source, closing(sqlite3.connect(name, **_SHARED)) as to:
                to.execute("PRAGMA journal_mode=MEMORY")
                to.execute("SELECT count(*) FROM sqlite_schema").fetchone()  # has opened it
                os.unlink(name)
                source.backup(to)
        except BaseException:
            os.close(copy)
            with suppress(FileNotFoundError):
                os.unlink(name)
            raise
        return copy


def scan(db: Connection, table: str, where: str, values: Sequence[object], keys: str) -> tuple[list[Any], list[int]]:
    """The rows of `table` that a WHERE chooses, whole, in the order of their `keys`; and which rows of it, counted in
    that order from 1, are so damaged that SQLite does not read them: then each of the others is read by itself."""
    try:
        return db.execute(f"SELECT * FROM {table} {where} ORDER BY {keys}", values).fetchall(), []
    except sqlite3.DatabaseError as error:
        if not is_damaged(error):
            raise
    found, lost = list[Any](), list[int]()
    for n in range(db.execute(f"SELECT count(*) FROM {table}").fetchone()[0]):
        try:
            one = f"SELECT * FROM {table} ORDER BY {keys} LIMIT 1 OFFSET {n}"
            found += db.execute(f"SELECT * FROM ({one}) {where}", values).fetchall()
        except sqlite3.DatabaseError as error:
            if not is_damaged(error):
                raise
            lost.append(n + 1)
    return found, lost


def is_damaged(error: BaseException | None) -> bool:
    """Whether an error says that a file is no whole database; one whose very words cannot be read quotes its schema."""
    return isinstance(error, UnicodeDecodeError) or (getattr(error, "sqlite_errorcode", None) or 0) & 0xFF in _DAMAGED


def is_other(error: BaseException | None) -> bool:
    """Whether a statement does not fit the tables that are there."""
    return getattr(error, "sqlite_errorcode", None) == sqlite3.SQLITE_ERROR


def blob(value: object, what: str) -> bytes:
    """A stored value that is bytes; StorageFailed for what a damaged row has in place of them."""
    if not isinstance(value, bytes):
        raise StorageFailed(f"{what} is damaged: no bytes are stored", hint=MEND)
    return value


def _text(data: bytes) -> str:
    """Whatever is there: one damaged row must not keep all others from being read."""
    return data.decode("utf-8", "replace")


def version(path: Path) -> int:
    """The version of the schema (SQLite's user_version) that a file's header tells, read without opening a database; 0
    for what is none. A later version of this program counts up where an older one must not write."""
    with door(path), open(path, "rb") as file:
        head = file.read(64)
    return int.from_bytes(head[60:64], "big") if head.startswith(b"SQLite format 3\0") and len(head) == 64 else 0


def columns(path: Path) -> frozenset[str]:
    """The columns in somebody's SQLite file, each as "table.column", read without writing so much as a lock; none if it
    is no such file."""
    said = "SELECT t.name || '.' || c.name FROM sqlite_schema t, pragma_table_info(t.name) c WHERE t.type = 'table'"
    try:
        with closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro&immutable=1", uri=True)) as db:
            return frozenset(name for (name,) in db.execute(said))
    except (sqlite3.Error, ValueError):
        return frozenset()


def forget(db: sqlite3.Connection) -> None:
    """Nothing: after deletes, copies the WAL back and cuts it to nothing, so that no old page is left in it.

    A crash before that leaves the old pages in the WAL: whoever opens the database to write forgets again."""
    if db.execute("PRAGMA query_only").fetchone()[0]:
        return
    (busy, *_) = db.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
    if busy:
        raise StorageFailed(
            "what was erased is still in the WAL, because another program reads this database",
            hint="end that program, then open this home again",
        )
