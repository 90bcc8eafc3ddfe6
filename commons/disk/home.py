"""A node's folder: where each thing lies, who holds it, and the seed everything secret is derived from.

seed        the backup: 32 bytes in hex, mode 0600          lock       held by whoever uses the home
log.db      the commons' log (disk.log)                      shelf.db   manifests, my requests, heads, peers
packs/      sealed packs by their root (disk.packs)          proofs/    one .tlog-proof for each access of mine
witness.db  heads of others' logs that we cosigned           cosigned.db  what witnesses signed of our own
config.json the node's settings                              control    the running node's loopback door, mode 0600
log.next.db a log taken over, until the next start           log.before.db  the log before that
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import secrets
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from itertools import chain
from pathlib import Path
from typing import Any

from commons.core import envelope
from commons.core.governance import CHARTER, Charter, College
from commons.core.keys import Keys
from commons.core.succession import Tenure
from commons.disk.cosigned import Cosigned
from commons.disk.deposits import Deposits
from commons.disk.log import Log
from commons.disk.packs import Store
from commons.disk.pleas import Pleas
from commons.disk.shelf import Shelf
from commons.disk.witnessed import Witnessed
from commons.errors import Busy, Conflict, Malformed, NotFound, StorageFailed

Found = Callable[[Keys], Charter]  # who founds a commons knows its keys only when there is a seed

_BEGUN = ("seed", "seed.new", "lock", "log.db", "log.db-journal", "log.db-wal", "log.db-shm", "config.json.new")


class Home:
    """An opened home: this process holds its lock. Use `with`."""

    def __init__(self, path: Path) -> None:
        """NotFound unless `path` was made by `create`; Busy while another process holds it."""
        if not (path / "config.json").is_file():
            raise NotFound(f"there is no home at {path}", hint="make one with `commons init`, or name one with --home")
        self.path = path
        self.next: str | None = None  # the commons whose log waits in log.next.db
        with ExitStack() as opened:  # closed again, the lock last, if one of them cannot be opened
            opened.callback(os.close, _hold(path))
            _take_over(path)
            self.keys = Keys(_read_seed(path / "seed"))
            self.config = read_config(path)
            self.shelf = Shelf(path / "shelf.db")
            opened.callback(lambda: self.shelf.close())
            self.witnessed, self.cosigned = Witnessed(path / "witness.db"), Cosigned(path / "cosigned.db")
            opened.callback(lambda: self.witnessed.close())
            opened.callback(lambda: self.cosigned.close())
            self.log = Log.open(
                path / "log.db", self.keys.log(0), self.keys.local("openings"),
                later=lambda commons: chain(*self.keys.chains(commons)),
            )  # fmt: skip
            opened.callback(lambda: self.log.close())
            self.check_keeper()
            self.deposits = Deposits(path / "deposits.db")
            opened.callback(lambda: self.deposits.close())
            self.pleas = Pleas(path / "pleas.db")
            opened.callback(lambda: self.pleas.close())
            self.packs = Store(path / "packs")
            self.packs.clean()
            self._opened = opened.pop_all()

    def __enter__(self) -> Home:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        self._opened.close()

    def learn_keeper(self, commons: str, tenures: Sequence[Tenure]) -> None:
        """Remember who keeps a log by now, and did before, as its fold says."""
        self.shelf.put_keeper(commons, tenures[-1].key, tenures[-1].registrar, (each.registrar for each in tenures))
        self.check_keeper()

    def check_keeper(self) -> None:
        """Shut the log if it is known here that somebody keeps it under a later key: nothing is added to what they have
        left behind."""
        kept = self.shelf.keeper(self.commons)
        if kept is not None and self.log.broken is None and kept[0] not in {t.key for t in self.log.state.tenures}:
            self.log.broken = Conflict(f"{kept[1]} keeps this log by now", hint="name its community with --in")

    def check_here(self) -> None:
        """Conflict where what this log does not say yet is for somebody else to say by now."""
        heir = self.log.state.community.heir if self.log.state.community else None
        if heir is not None and heir.peer != self.keys.identity.peer:
            raise Conflict(f"the members have chosen {heir.peer} to keep this log", hint="ask there")
        if isinstance(self.log.broken, Conflict):
            raise self.log.broken.with_traceback(None)

    @property
    def commons(self) -> str:
        """The id of the commons whose log this home keeps: its charter's CID."""
        return self.log.origin.partition("/")[2]


def personal(name: str, readers: str, now: int) -> Found:
    """The charter of a commons of one."""
    return lambda keys: Charter(
        name=name, purpose="", time=now, colleges=(College(name="members", members=(keys.identity.peer,)),), powers=(),
        readers=readers, retention_days=None, witnesses="", custodians="", ratchets=(), **keeper(keys),
    )  # fmt: skip


def keeper(keys: Keys) -> dict[str, Any]:
    """The fields of a charter that say who keeps the log, with which key now and which one next."""
    return {
        "registrar": keys.identity.peer, "log_key": keys.log(0).public,
        "next_key": hashlib.sha256(keys.log(1).public).digest(),
    }  # fmt: skip


def _take_over(path: Path) -> None:
    """Let the log that waits in `log.next.db`, whole and durable, be this home's; the one before is put aside. A crash
    in here leaves both files, some of them under their new names: the next start goes on."""
    if not (path / "log.next.db").exists():
        return
    for name in ("log.db", "cosigned.db"):
        for suffix in ("-wal", "-shm", ""):  # the database last: without its journal it would be older than it is
            if (path / (name + suffix)).exists():
                os.replace(path / (name + suffix), path / (name.replace(".db", ".before.db") + suffix))
    os.replace(path / "log.next.db", path / "log.db")


def create(path: Path, found: Found, config: dict[str, Any]) -> None:
    """A new home with the commons that `found` charters. Conflict if there is one.

    The settings are written last: a crash before that leaves no home, and the same call makes it, with the same seed.
    """
    try:
        path.mkdir(parents=True, exist_ok=True, mode=0o700)
        _check_free(path)  # before so much as a lock is left in a folder that is not ours
        lock = _hold(path)
        try:
            _check_free(path)  # another process may have made it meanwhile
            if not (path / "seed").exists():
                write_secret(path / "seed", secrets.token_bytes(32).hex() + "\n")
            keys = Keys(_read_seed(path / "seed"))
            for leftover in path.glob("log.db*"):
                leftover.unlink()
            charter = found(keys)
            signed = envelope.open(CHARTER, Charter, envelope.sign(CHARTER, charter, keys.identity))
            Log.create(path / "log.db", signed, keys.log(0), keys.local("openings")).close()
            (path / "packs").mkdir(exist_ok=True)
            (path / "proofs").mkdir(exist_ok=True)
            write_config(path, config)
        finally:
            os.close(lock)
    except OSError as error:
        raise StorageFailed(f"cannot make a home at {path}: {error.strerror}", hint="choose another --home") from error


def _check_free(path: Path) -> None:
    """Conflict unless `path` holds nothing, or only what a `create` that was cut short leaves there."""
    if (path / "seed").exists() and (path / "config.json").exists():
        raise Conflict(f"there is a home at {path} already", hint="use it, or name another one with --home")
    for child in path.iterdir():
        bare = child.name in ("packs", "proofs") and child.is_dir() and not any(child.iterdir())
        if child.name not in _BEGUN and not bare:
            raise Conflict(f"{path} is not empty", hint="a home starts as a new or an empty folder")


def write_secret(path: Path, text: str) -> None:
    """Whole or not at all, mode 0600 from the first byte, durable when it returns. A crash may leave PATH.new."""
    new = path.with_name(path.name + ".new")
    try:
        fd = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(fd, "w") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        os.rename(new, path)
        folder = os.open(path.parent, os.O_RDONLY | os.O_CLOEXEC)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
    except OSError as error:
        raise StorageFailed(
            f"cannot write {path}: {error.strerror}", hint="check free space and permissions"
        ) from error


def read_config(path: Path) -> dict[str, Any]:
    try:
        config = json.loads((path / "config.json").read_text())
        if not isinstance(config, dict):
            raise ValueError("not an object")
    except (OSError, ValueError) as error:
        raise Malformed(
            f"{path / 'config.json'} cannot be read: {error}", hint="mend it, or write {} into it"
        ) from error
    return config


def write_config(path: Path, config: dict[str, Any]) -> None:
    write_secret(path / "config.json", json.dumps(config, indent=2) + "\n")


def _hold(path: Path) -> int:
    try:
        lock = os.open(path / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise StorageFailed(f"cannot write in {path}: {error.strerror}", hint="check its permissions") from error
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        os.close(lock)
        raise Busy(f"another process uses the home {path}", hint="stop the node that runs on it, or wait") from error
    return lock


def _read_seed(path: Path) -> bytes:
    try:
        if path.stat().st_mode & 0o077:
            raise Malformed(f"{path} can be read by others", hint=f"chmod 600 {path}")
        seed = bytes.fromhex(path.read_text().strip())
        if len(seed) != 32:
            raise ValueError("not 32 bytes")
    except (OSError, ValueError) as error:
        raise Malformed(f"{path} is not a seed of 64 hex digits: {error}", hint="restore it from its backup") from error
    return seed
