"""A home in one file, written while it is in use, and read back whole or not at all. See docs/backup.md.

In the vault (`disk.vault`): the length of a `Inventory` (u32), the `Inventory`, then the bytes of its files, one after
the other. Nothing here asks anybody whether what is read back is the newest there is: `node.restore` does.
"""

from __future__ import annotations

import fcntl
import os
import re
import shutil
import stat
import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from commons.core.crypto import codec
from commons.core.dataset.terms import DAY
from commons.core.state.fold import State
from commons.core.tlog.checkpoint import Signed
from commons.disk import naming, packs, private, space, sql, vault
from commons.disk.home import Home
from commons.disk.moved import SCHEMA
from commons.disk.restored import due_at
from commons.disk.vault import Cover, Reader, Writer
from commons.errors import Busy, Conflict, Malformed, NotFound, StorageFailed, refusal
from commons.progress import Progress

AT_ONCE = 1 << 20  # bytes read and written at once
Part = tuple[str, int, int | bytes | Path]  # its name, its size, and a descriptor, or what it is, or where
LIMIT = 64 << 20  # bytes of a Inventory
WORDS = 12  # characters of a passphrase, at least

# What of a home is copied, and in which order: `_parts` says why in this one.
LOGS = ("cosigned.db", "log.db")
DATABASES = ("shelf.db", "deposits.db", "witness.db", "pleas.db")
BESIDE = ("*/replica.db", "*/cosigned.before*.db", "*/log.before*.db", "*/notes.db")
PLAIN = ("seed", "config.json", "proofs/*")
PACKS = "packs/*"
_LOG = r"(log|cosigned)(\.before(\.\d+)?)?\.db|notes\.db"
_NAME = re.compile(
    rf"seed|(identities/\d{{1,3}}/)?(config\.json|{'|'.join(map(re.escape, DATABASES))}"
    rf"|commons/[a-z0-9]{{50,70}}/({_LOG}|replica\.db)"
    r"|proofs/[A-Za-z0-9_-][A-Za-z0-9._-]{0,200}|packs/[0-9a-f]{64}(\.layer)?)"
    rf"|{_LOG}|log\.next\.db"  # of a home before schema 1
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Item:
    """One file of a backup: its path in the home, and its size."""

    name: str
    size: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Inventory:
    """What is in a backup: the `schema` of its databases, whose log it has and how much of it, whether packs are in it,
    and its files in their order."""

    schema: int
    commons: str
    entries: int
    head: bytes
    packs: bool
    files: tuple[Item, ...]


# -- writing -----------------------------------------------------------------------------------------------------------


def write(
    home: Home, path: Path, passphrase: str, with_packs: bool, progress: Progress, until: int | None = None
) -> dict[str, Any]:
    """Write the backup; what is in it, in plain values. `until` is when the first of what this home keeps of others'
    logs has to be erased. Conflict for a file that is there, Malformed for a short passphrase.

    It gets its name when it is whole and durable: a crash before leaves what nobody can open, in a folder beside it
    whose name begins with a dot.
    """
    if len(passphrase) < WORDS:
        raise Malformed(
            f"a passphrase has at least {WORDS} characters, this one {len(passphrase)}",
            hint="take five words that nobody would guess: whoever opens the file is you",
        )
    private.check_apart(path)
    now = int(time.time())
    with ExitStack() as opened, naming.drafting(path) as draft:
        parts, log = _parts(home, with_packs, opened)
        inventory = Inventory(
            schema=SCHEMA, commons=home.first.commons, entries=log.checkpoint.size, head=log.note, packs=with_packs,
            files=tuple(Item(name=name, size=size) for name, size, _ in parts),
        )  # fmt: skip
        cover = Cover(made=now, delete_by=delete_by(home, now, until), log_n=vault.LOG_N, salt=os.urandom(16))
        whole, done = sum(size for _, size, _ in parts), 0
        with packs.door(f"write {path}"):
            space.check((path.parent, whole + whole // 50))
            fd = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
            with os.fdopen(fd, "wb") as file:
                writer, table = Writer(file, passphrase, cover), codec.encode(inventory)
                writer.write(len(table).to_bytes(4, "big") + table)
                for name, size, source in parts:
                    for data in _read(name, size, source):
                        writer.write(data)
                        progress(done := done + len(data), whole)
                writer.finish()
                file.flush()
                os.fsync(file.fileno())
    with packs.door(f"keep {path}"):
        packs.sync(path.parent)
    return {**told(cover, inventory), "path": str(path), "bytes": path.stat().st_size}


def _parts(home: Home, with_packs: bool, opened: ExitStack) -> tuple[list[Part], Signed]:
    """The files, with descriptors that `opened` closes; and the head of the first log that is in them.

    The order holds the backup together, as these files speak of each other. While the logs are still nothing is
    appended to them, and nothing erased from them; the other files go on. In that pause:

    1. of each cosigned.db, and only then log.db: heads that the log does not have would show the restored log as an old
       copy, and shut it for good. The log is one file: entries, openings and heads are of one moment.
    2. shelf.db and deposits.db not before the log: a manifest and the shares of a key are stored before the entry that
       publishes them. Of an older shelf, entries would name datasets that nobody can describe any more. A newer one has
       at most what was not published yet, as a crash leaves it, too.
    3. each notes.db last: its mark of how the log goes on is of this very file, so a restored log asks again anyhow.

    After it: what never changes under its name, proofs and packs, which are stored before anything speaks of them. A
    pack dropped meanwhile is missing, as it would be in the home.

    A crash leaves an empty file in the home, which the next that opens it sweeps out: a copy has no name.
    """

    place, found = home.path, list[Part]()

    def keep(name: str, fd: int) -> None:
        opened.callback(os.close, fd)
        found.append((name, os.fstat(fd).st_size, fd))

    with ExitStack() as still:
        every = home.every()
        logs = [kept for each in every for kept in each.kept.values()]
        for kept in logs:
            still.enter_context(kept.log.writing)
        for path in (kept.folder / name for kept in logs for name in LOGS):
            keep(str(path.relative_to(place)), sql.snapshot(path, place))
        for path in (each.path / name for each in every for name in DATABASES):
            keep(str(path.relative_to(place)), sql.snapshot(path, place))
        for kept in logs:  # for root, SQLite gives a journal that is opened its owner again
            kept.resumption.left()  # its times have changed
        for pattern in BESIDE:
            for path in sorted(path for each in every for path in (each.path / "commons").glob(pattern)):
                keep(str(path.relative_to(place)), sql.snapshot(path, place))
        log = home.first.log.head
    with packs.door(f"read {place}"):
        for path in sorted(path for each in every for pattern in PLAIN for path in each.path.glob(pattern)):
            if not path.name.endswith(".new"):  # what a crash left
                found.append((str(path.relative_to(place)), len(data := path.read_bytes()), data))
        for path in sorted(path for each in every for path in each.path.glob(PACKS)) if with_packs else ():
            if _NAME.fullmatch(name := str(path.relative_to(place))):  # no part of one, nor what a crash left
                found.append((name, path.stat().st_size, path))
    return found, log


def _read(name: str, size: int, source: int | bytes | Path) -> Iterator[bytes]:
    if isinstance(source, bytes):
        yield source
        return
    fd = os.open(source, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW) if isinstance(source, Path) else source
    try:
        at = 0
        while at < size:
            if not (data := os.pread(fd, min(AT_ONCE, size - at), at)):
                raise StorageFailed(f"{name} became shorter while it was read", hint="repeat the command")
            yield data
            at += len(data)
    finally:
        if isinstance(source, Path):
            os.close(fd)


def delete_by(home: Home, now: int, until: int | None = None) -> int | None:
    """The beginning of the day on which the first of what a backup holds has to be erased, as the charters say, and
    those of others' logs (`until`); of one that holds no request yet, the day on which one of now would have to be.
    None where nothing ever has to."""
    due = [until, *(_due(kept.log.state, now) for each in home.every() for kept in each.kept.values())]
    known = [each for each in due if each is not None]
    return max(now, min(known)) // DAY * DAY if known else None


def _due(state: State, now: int) -> int | None:
    """When the first of what is held of one log has to be erased, or what one of now would ask for."""
    days = state.charter.retention_days if state.charter else None
    if days is None:
        return None
    held = [due_at(state, index) for index in [*state.accesses] if index not in state.redacted]
    return min((each for each in held if each is not None), default=now + days * DAY)


def told(cover: Cover, inventory: Inventory) -> dict[str, Any]:
    """What is said of a backup, in plain values."""
    return {
        "made": cover.made, "delete_by": cover.delete_by, "commons": inventory.commons, "entries": inventory.entries,
        "packs": inventory.packs, "files": len(inventory.files),
    }  # fmt: skip


# -- reading -----------------------------------------------------------------------------------------------------------


def unpack(file: BinaryIO, passphrase: str, folder: Path, progress: Progress) -> tuple[Cover, Inventory]:
    """Write the files of a backup into a new `folder`, durable when it returns, each verified and the whole complete;
    what raises leaves there what is no home yet. Refused for a wrong passphrase, Malformed, Untrue; Conflict for a
    later version."""
    reader = Reader(file, passphrase)
    size = int.from_bytes(reader.read(4), "big")
    if size > LIMIT:
        raise vault.damaged("its inventory is longer than any")
    try:
        inventory = codec.decode(Inventory, reader.read(size), LIMIT)
    except Malformed as error:
        raise Conflict(
            "this backup says what is in it in another way", hint="update commons, and repeat this"
        ) from error
    if inventory.schema > SCHEMA:
        raise Conflict("this backup was made by a later version of commons", hint="update commons, and repeat this")
    names = [each.name for each in inventory.files]
    if len({*names}) != len(names) or not all(_NAME.fullmatch(name) for name in names):
        raise Malformed("this backup names a file that no home has", hint="update commons, and repeat this")
    logs = {f"commons/{inventory.commons}/{name}" for name in ("log.db", "notes.db")}
    needed = {"seed", "config.json", "shelf.db", *(logs if inventory.schema else ("log.db", "notes.db"))}
    if lacking := needed - {*names}:
        raise Malformed(f"this backup lacks {' and '.join(sorted(lacking))}", hint="take another one")
    whole, done = sum(each.size for each in inventory.files), 0
    space.check((folder, whole))
    with packs.door(f"write {folder}"):
        for place in (folder, folder / "packs", folder / "proofs"):
            place.mkdir(mode=0o700)
        for each in inventory.files:
            for place in reversed((folder / each.name).parents):
                if place.is_relative_to(folder):
                    place.mkdir(mode=0o700, exist_ok=True)
            mode = 0o644 if re.search(r"(^|/)packs/", each.name) else 0o600
            fd = os.open(folder / each.name, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, mode)
            with os.fdopen(fd, "wb") as to:
                for start in range(0, each.size, AT_ONCE):
                    to.write(data := reader.read(min(AT_ONCE, each.size - start)))
                    progress(done := done + len(data), whole)
                to.flush()
                os.fsync(to.fileno())
        reader.finish()
        for place in (each for each in folder.rglob("*") if each.is_dir()):
            packs.sync(place)
        packs.sync(folder)
    return reader.cover, inventory


class Place:
    """Where a home is made, to be called `path` once it is whole: `work`, a folder beside it that nobody else makes one
    in at the same time. Use `with`; what was not given its name is deleted, and so is what a crash left there."""

    def __init__(self, path: Path) -> None:
        """Conflict unless `path` is an empty folder, or nothing; NotFound without a folder to make it in."""
        self.path, self.work = path, path.parent / f".{path.name}.restoring"
        self._check_free()

    def _check_free(self) -> None:
        if not self.path.parent.is_dir():
            raise NotFound(f"there is no folder {self.path.parent}", hint="make it first")
        with packs.door(f"look into {self.path}"):
            there = os.path.lexists(self.path)
            if there and (not stat.S_ISDIR(os.lstat(self.path).st_mode) or any(self.path.iterdir())):
                raise Conflict(
                    f"{self.path} is there, and is no empty folder",
                    hint="nothing of it was touched: name another with --home, or move it away first",
                )

    def __enter__(self) -> Place:
        with packs.door(f"write beside {self.path}"):
            self.work.mkdir(mode=0o700, exist_ok=True)
            self._lock = os.open(self.work, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
            try:
                fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError as error:
                os.close(self._lock)
                raise Busy(f"another process restores a home to {self.path}", hint="wait for it") from error
            shutil.rmtree(self.folder, ignore_errors=True)
        return self

    def __exit__(self, *_: object) -> None:
        shutil.rmtree(self.work, ignore_errors=True)
        os.close(self._lock)

    @property
    def folder(self) -> Path:
        """The folder in which the home is made."""
        return self.work / "home"

    def give(self) -> None:
        """Nothing: the whole home has its name, durable when this returns. Conflict, and nothing changed, where
        something stands there by now. A crash leaves it under its old name, which the next restore deletes, or under
        the new one."""
        try:
            packs.sync(self.folder)
            os.rename(self.folder, self.path)  # in the place of an empty folder, too, and of nothing else
            packs.sync(self.path.parent)
        except OSError as error:
            self._check_free()
            raise StorageFailed(
                f"cannot make a home at {self.path}: {refusal(error)}", hint="choose another --home"
            ) from error
