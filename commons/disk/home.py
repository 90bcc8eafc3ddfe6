"""A node's folder: where each thing lies (`FILES`), who holds it, and the seed everything secret is derived from.

Nothing in here is ever deleted to make room for a new home or a new log: what is in the way is named, and stays.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import re
import secrets
from collections.abc import Callable, Sequence
from contextlib import ExitStack, closing
from dataclasses import replace
from functools import partial
from itertools import chain, count
from pathlib import Path
from typing import Any

from commons.core.crypto import envelope, ids
from commons.core.crypto.keys import Keys
from commons.core.state import transfer
from commons.core.state.charter import CHARTER, Charter, College
from commons.core.state.transfer import Tenure
from commons.disk import sql
from commons.disk.complaints import Pleas
from commons.disk.cosigned import Cosigned
from commons.disk.damage import Damage, Unread
from commons.disk.dating import Dating
from commons.disk.deposits import Deposits
from commons.disk.history import History
from commons.disk.log import Log, begun
from commons.disk.notes import Notes
from commons.disk.packs import Store, sync
from commons.disk.restored import Restored
from commons.disk.resumption import Resumption
from commons.disk.shelf import Shelf
from commons.disk.witnessed import Witnessed
from commons.errors import Busy, Conflict, Malformed, NotFound, StorageFailed, refusal

Found = Callable[[Keys], Charter]  # who founds a commons knows its keys only when there is a seed

FILES = {  # name: (what it is, what is lost without it; "" for what no backup needs)
    "seed": (
        "32 bytes in hex, from which your identity and the keys of your datasets are derived: who has it is you",
        "nobody new is ever given the key of what you published; you are somebody else",
    ),
    "config.json": (
        "settings",
        "what is in the folder is no home: write `{}` into a new one, and announce your addresses again",
    ),
    "log.db": (
        "your commons' log, and the openings: who asked for what",
        "who asked for what, under which terms, is gone; your references lead nowhere",
    ),
    "shelf.db": (
        "manifests, your own requests and the keys you were given, the heads you trust, the peers you know",
        "manifests of your datasets, keys that others gave you, your communities, the peers you know",
    ),
    "packs/": (
        "sealed packs, each under its root",
        "your datasets, sealed: nobody can fetch them, unless a mirror has them; publish them again from the files",
    ),
    "deposits.db": (
        "shares of other people's keys that you keep as a custodian, and which of them you gave to whom",
        "keys whose shares you keep, if too many custodians lose theirs: nobody else has your share",
    ),
    "proofs/": (
        "for each of your requests a C2SP tlog-proof and the entry it proves",
        "your evidence of what you were allowed",
    ),
    "witness.db": (
        "the last head this node cosigned of each log it is a witness for: never forgotten",
        "what you vouch for as a witness: restored from an old copy, you could sign a second history of somebody's log",
    ),
    "cosigned.db": ("what witnesses signed of your own log's heads", "signatures of witnesses, which they give again"),
    "pleas.db": (
        "requests handed to this node as a witness: who asked for what, forgotten after 30 days",
        "requests handed in to you as a witness, and not delivered yet",
    ),
    "notes.db": (
        "what you said about your log beside it, and when",
        "what you said about your log beside it, such as that it goes on after a restore",
    ),
    "commons/": (
        "what this home has verified of the logs that others keep, a folder for each; and, sealed, the openings "
        "that `commons audit --keep` keeps",
        "what others have to show again; nobody can go on from your copy of a log whose registrar vanished",
    ),
    "log.next.db": ("a log that you take over, until the next start", "a log that waits to be taken over"),
    "log.before.db": (
        "a log that this home kept before it took over another; the next ones are log.before.2.db and so on",
        "logs put aside",
    ),
    "lock": ("who uses the home", ""),
    "control": ("the running node's own door, for its owner's commands", ""),
}

_BEGUN = ("seed", "seed.new", "lock", "log.db", "log.db-journal", "log.db-wal", "log.db-shm", "config.json.new",
          "notes.db", "notes.db-wal", "notes.db-shm")  # fmt: skip
_HOMES = re.compile(
    r"seed|config\.json|(log|shelf|deposits|pleas|cosigned|witness|notes)(\.[a-z0-9.]+)?\.db.*|packs|proofs|commons"
)

_NOT_OURS = {"lost+found"}  # at the top of a disk
SCHEMA = 0  # of the databases here: see `sql.version`

_NODE = b"node\n"  # in the lock


class Home:
    """An opened home, whose lock this process holds. Use `with`."""

    def __init__(self, path: Path, node: bool = False) -> None:
        """NotFound unless `path` was made by `create`; Busy while another process holds it. Whether a `node` does is
        said in the lock, from before it is opened: see `held_by_node`. One that cannot be written is opened `frozen`:
        all of it can be read, nothing is written there, and its log is `broken`; StorageFailed for a node."""
        if not (path / "config.json").is_file():
            raise NotFound(f"there is no home at {path}", hint="make one with `commons init`, or name one with --home")
        self.path, self.frozen = path, sql.frozen(path)
        if self.frozen and node:
            raise sql.unwritable(path)
        self.next: str | None = None  # the commons whose log waits in log.next.db
        with ExitStack() as opened:  # closed again, the lock last, if one of them cannot be opened
            opened.callback(os.close, _hold_to_read(path) if self.frozen else _hold(path, node))
            _check_version(path)  # before a byte is changed
            self.notes = Notes(path / "notes.db")
            opened.callback(lambda: self.notes.close())
            self.resumption = Resumption(path, self.notes)
            opened.callback(lambda: self.resumption.left())
            _take_over(path)
            self.keys = Keys(_read_seed(path / "seed"))
            self.config = read_config(path)
            self.shelf = Shelf(path / "shelf.db")
            opened.callback(lambda: self.shelf.close())
            self.witnessed, self.cosigned = Witnessed(path / "witness.db"), Cosigned(path / "cosigned.db")
            opened.callback(lambda: self.witnessed.close())
            opened.callback(lambda: self.cosigned.close())
            self.log = Log.open(
                path / "log.db",
                self.keys.log(0),
                self.keys.local("openings"),
                later=lambda commons: chain(*self.keys.chains(commons)),
            )
            opened.callback(lambda: self.log.close())
            self.resumption.watch(self.log)
            self.restored = Restored(self.log, self.notes, self.resumption)
            self.dating = Dating(self.log, self.notes)
            self.check_keeper()
            if self.frozen:
                self.log.shut(sql.unwritable(path))
            self.deposits = Deposits(path / "deposits.db")
            opened.callback(lambda: self.deposits.close())
            self.pleas = Pleas(path / "pleas.db")
            opened.callback(lambda: self.pleas.close())
            self.replicas: dict[str, Any] = {}  # by commons, what `log.replica` made of their histories
            self._histories: dict[str, History] = {}
            opened.callback(self._forget)
            self.packs = Store(path / "packs")
            if not self.frozen:
                self.packs.clean()
                for left in path.glob(f"{sql.SNAPSHOT}*"):
                    left.unlink(missing_ok=True)
            self._opened = opened.pop_all()

    def history(self, commons: str) -> History:
        """What this home has verified of a log that somebody else keeps; a home that is `frozen` forgets it again."""
        if commons not in self._histories:
            self._histories[commons] = self._history(commons)
        return self._histories[commons]

    def _forget(self) -> None:
        for each in self._histories.values():
            each.close()

    def _history(self, commons: str) -> History:
        if self.frozen:
            return History()
        place = self.path / "commons" / ids.check_commons(commons) / "replica.db"
        return History.open(place, self.keys.local("openings"))

    def __enter__(self) -> Home:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        self._opened.close()

    def damage(self) -> list[Damage]:
        """The rows of this home that are damaged: of the log as it was opened, and of all that is stored beside it."""
        for each in self._unread():
            with sql.door(self.path / each.file):
                each.look()
        log = self.log
        for head in self.cosigned.heads:
            opens = partial(transfer.open_head, head.note, log.origin, log.state.tenures)
            self.cosigned.unread.read("heads", str(head.size), opens)
        return [*log.damage, *(found for each in self._unread() for found in each.all())]

    def _unread(self) -> tuple[Unread, ...]:
        stores = (self.shelf, self.witnessed, self.cosigned, self.deposits, self.pleas, self.notes)
        return tuple(each.unread for each in stores)

    def learn_keeper(self, commons: str, tenures: Sequence[Tenure]) -> None:
        """Nothing: remembers who keeps a log by now, and did before, as its fold says."""
        self.shelf.put_keeper(commons, tenures[-1].key, tenures[-1].registrar, (each.registrar for each in tenures))
        self.check_keeper()

    def check_keeper(self) -> None:
        """Nothing: shuts the log if this home knows that somebody keeps it under a later key, so that nothing is added
        to what they have left behind."""
        try:
            kept = self.shelf.keeper(self.commons)
        except StorageFailed as error:  # it was somebody, and nobody knows any more who
            self.log.shut(error)
            return
        if kept is not None and kept[0] not in {t.key for t in self.log.state.tenures}:
            self.log.shut(Conflict(f"{kept[1]} keeps this log by now", hint="name its community with --in"))

    def check_here(self) -> None:
        """Nothing; Conflict where what this log does not say yet is for somebody else to say by now."""
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
        "registrar": keys.identity.peer,
        "log_key": keys.log(0).public,
        "next_key": hashlib.sha256(keys.log(1).public).digest(),
    }


def _take_over(path: Path) -> None:
    """Let the log that waits in `log.next.db`, whole and durable, be this home's; the one before is put aside as
    `log.before.db`, and one that was put aside earlier as `log.before.2.db` and so on. A crash in here leaves them all,
    some under their new names: the next start goes on."""
    if not (path / "log.next.db").exists():
        return
    if sql.frozen(path):
        raise StorageFailed(
            f"a log that was taken over waits in {path}, and takes its place when this home is opened for writing",
            hint="open it once where it can be written, or read a copy of it",
        )
    if (path / "log.db").exists():  # else a crash came behind the last of these
        if (path / "log.before.db").exists():
            free = next(n for n in count(2) if not (path / f"log.before.{n}.db").exists())
            _rename(path, "before.db", f"before.{free}.db")
        _rename(path, "db", "before.db")
    os.replace(path / "log.next.db", path / "log.db")


def _rename(path: Path, old: str, new: str) -> None:
    for name in ("cosigned", "log"):  # the log last: once it has its new name, all of it has
        for suffix in ("-wal", "-shm", ""):  # the database last: without its journal it would be older than it is
            if (path / f"{name}.{old}{suffix}").exists():
                os.replace(path / f"{name}.{old}{suffix}", path / f"{name}.{new}{suffix}")


def create(path: Path, found: Found, config: dict[str, Any]) -> None:
    """Nothing: makes a home with the commons that `found` charters. Conflict if there is one, or part of one; deletes
    nothing.

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
            _begin(path, keys, found(keys))
            (path / "packs").mkdir(exist_ok=True)
            (path / "proofs").mkdir(exist_ok=True)
            write_config(path, config)
        finally:
            os.close(lock)
    except OSError as error:
        raise StorageFailed(f"cannot make a home at {path}: {refusal(error)}", hint="choose another --home") from error


def _begin(path: Path, keys: Keys, charter: Charter) -> None:
    """A log that begins with this charter, the one that a crash left behind included. Conflict for any other log."""
    local = keys.local("openings")
    known = begun(path / "log.db") if (path / "log.db").exists() else (0, None)
    if known[1] is None:
        signed = envelope.open(CHARTER, Charter, envelope.sign(CHARTER, charter, keys.identity))
        Log.create(path / "log.db", signed, keys.log(0), local).close()
        with closing(Notes(path / "notes.db")) as notes:
            Resumption(path, notes).made(path / "log.db")
        return
    there = Log.open(path / "log.db", keys.log(0), local, later=lambda commons: chain(*keys.chains(commons)))
    try:
        if there.size != 1 or replace(charter, time=there.state.time) != there.state.charter:
            named = there.state.charter.name if there.state.charter else ""
            raise Conflict(
                f"there is a log in {path} already, {named!r} with {there.size} entries, and no settings beside it",
                hint=f"nothing was touched: to go on with it, restore config.json, or write {{}} into "
                f"{path / 'config.json'}; for a new commons name another --home",
            )
    finally:
        there.close()


def _check_version(path: Path) -> None:
    """Conflict for a home that a later version of this program wrote: nobody here knows what its tables mean."""
    if later := sorted(each.name for each in path.glob("*.db") if each.is_file() and sql.version(each) > SCHEMA):
        raise Conflict(
            f"the home {path} was written by a later version of commons ({', '.join(later)})",
            hint="nothing was touched: update commons, then repeat the command",
        )


def _check_free(path: Path) -> None:
    """Conflict unless `path` holds nothing, or only what a `create` that was cut short leaves there."""
    if (path / "seed").exists() and (path / "config.json").exists():
        raise Conflict(f"there is a home at {path} already", hint="use it, or name another one with --home")
    names = {child.name for child in path.iterdir()} - _NOT_OURS
    bare = {name for name in ("packs", "proofs") if (path / name).is_dir() and not any((path / name).iterdir())}
    logs = {name for name in names if name.startswith("log.db")}
    if names - bare <= {*_BEGUN} and (not logs or {"seed", "log.db"} <= names):
        return
    parts = sorted(name for name in names - bare if _HOMES.fullmatch(name))
    if parts:
        lacking = " and ".join(name for name in ("seed", "log.db", "config.json") if name not in names) or "nothing"
        raise Conflict(
            f"{path} is not empty: it holds {', '.join(parts[:8])} of a home, and lacks {lacking}",
            hint="nothing was touched: restore what is missing from the backup; a new home starts in an empty folder",
        )
    raise Conflict(f"{path} is not empty", hint="a home starts as a new or an empty folder")


def write_secret(path: Path, text: str) -> None:
    """Nothing: writes a file whole or not at all, mode 0600 from the first byte, durable when it returns. A crash may
    leave PATH.new."""
    new = path.with_name(path.name + ".new")
    try:
        fd = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(fd, "w") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        os.rename(new, path)
        sync(path.parent)
    except OSError as error:
        raise StorageFailed(
            f"cannot write {path}: {refusal(error)}", hint="check free space and permissions"
        ) from error


def read_config(path: Path) -> dict[str, Any]:
    try:
        config = json.loads((path / "config.json").read_text())
    except json.JSONDecodeError as error:
        raise _no_config(path, f"it is no JSON at line {error.lineno}, column {error.colno}") from error
    except (ValueError, RecursionError) as error:
        raise _no_config(path, "it is no JSON in UTF-8") from error
    except OSError as error:
        raise _no_config(path, refusal(error)) from error
    if not isinstance(config, dict):
        raise _no_config(path, "it is no JSON object")
    return config


def _no_config(path: Path, why: str) -> Malformed:
    return Malformed(f"{path / 'config.json'} cannot be read: {why}", hint="mend it, or write {} into it")


def write_config(path: Path, config: dict[str, Any]) -> None:
    write_secret(path / "config.json", json.dumps(config, indent=2) + "\n")


def held_by_node(path: Path) -> bool:
    """Whether it is a node that holds this home, where somebody does: one that runs, starts or stops."""
    try:
        return (path / "lock").read_bytes() == _NODE
    except OSError:
        return False


def _hold(path: Path, node: bool = False) -> int:
    try:
        lock = os.open(path / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise StorageFailed(f"cannot write in {path}: {refusal(error)}", hint="check its permissions") from error
    _take(lock, path)
    try:
        os.ftruncate(lock, 0)  # what the last one left
        os.pwrite(lock, _NODE if node else b"", 0)
    except OSError as error:
        os.close(lock)
        raise StorageFailed(f"cannot write in {path}: {refusal(error)}", hint="check free space") from error
    return lock


def _hold_to_read(path: Path) -> int:
    """Of a home that cannot be written: somebody else may write it still, by another mount. One that never had a lock,
    as a backup without it, is held by nobody."""
    lock = path / "lock"
    with sql.door(lock):
        held = os.open(lock if lock.exists() else path, os.O_RDONLY | os.O_CLOEXEC)
    _take(held, path)
    return held


def _take(lock: int, path: Path) -> None:
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        os.close(lock)
        raise Busy(f"another process uses the home {path}", hint="stop the node that runs on it, or wait") from error


def _read_seed(path: Path) -> bytes:
    try:
        if path.stat().st_mode & 0o077:
            raise Malformed(f"{path} can be read by others", hint=f"chmod 600 {path}")
        seed = bytes.fromhex(path.read_text().strip())
        if len(seed) != 32:
            raise ValueError("not 32 bytes")
    except (OSError, ValueError) as error:
        why = f": {refusal(error)}" if isinstance(error, OSError) else ""
        raise Malformed(f"{path} is not a seed of 64 hex digits{why}", hint="restore it from its backup") from error
    return seed
