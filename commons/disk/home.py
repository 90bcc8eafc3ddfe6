"""A node's folder: where each thing lies (`FILES`), who holds it, and the seed everything secret is derived from.

Nothing in here is ever deleted to make room for a new home or a new log: what is in the way is named, and stays.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import re
import secrets
import shutil
from collections.abc import Callable, Sequence
from contextlib import ExitStack, closing
from dataclasses import replace
from pathlib import Path
from typing import Any

from commons.core.crypto import ids
from commons.core.crypto.keys import Keys, Signer
from commons.core.state.charter import Charter, College
from commons.core.state.clock import Word
from commons.core.state.fold import State
from commons.core.state.transfer import Tenure
from commons.disk import dating, kept, moved, packs, sql
from commons.disk.complaints import Pleas
from commons.disk.damage import Damage, Unread
from commons.disk.deposits import Deposits
from commons.disk.history import History
from commons.disk.kept import Kept
from commons.disk.log import begun
from commons.disk.notes import Notes
from commons.disk.packs import Store, sync
from commons.disk.records import Record
from commons.disk.settings import FIRST, FOR, read_config, write_config, write_secret
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
        "settings, and which commons this home was made with",
        "what is in the folder is no home: write `{}` into a new one, and announce your addresses again",
    ),
    "commons/": ("a folder for each commons, named by its id, with what follows", "all of what follows"),
    "commons/ID/log.db": (
        "a log that this home keeps, and the openings: who asked for what",
        "who asked for what, under which terms, is gone; your references lead nowhere",
    ),
    "commons/ID/cosigned.db": ("what witnesses signed of that log's heads", "signatures, which witnesses give again"),
    "commons/ID/notes.db": (
        "what you said about a log beside it, and when",
        "what you said about a log beside it, such as that it goes on after a restore",
    ),
    "commons/ID/replica.db": (
        "what this home has verified of a log that others keep; and, sealed, the openings that `commons audit --keep` "
        "keeps",
        "what others have to show again; nobody can go on from your copy of a log whose registrar vanished",
    ),
    "commons/ID/log.before.db": (
        "the log as this home kept it before somebody else did, once it keeps it again; the next ones are "
        "log.before.2.db and so on, and cosigned.before.db beside them",
        "logs put aside",
    ),
    "identities/": (
        "a folder for each identity under which you take part in a community, named by its number: in it lie the same "
        "files as here, but for the seed, from which its keys are derived",
        "your part in those communities, and all of it that such a home would lose",
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
    "pleas.db": (
        "requests handed to this node as a witness: who asked for what, forgotten after 30 days",
        "requests handed in to you as a witness, and not delivered yet",
    ),
    "lock": ("who uses the home", ""),
    "control": ("the running node's own door, for its owner's commands", ""),
}

_BEGUN = ("seed", "seed.new", "lock", "config.json.new", "commons")  # what a `create` that was cut short leaves
_NEW = "new"  # the folder of a commons whose charter is not signed yet, in commons/
_HOMES = re.compile(
    r"seed|config\.json|(log|shelf|deposits|pleas|cosigned|witness|notes)(\.[a-z0-9.]+)?\.db.*|packs|proofs|commons|identities"
)

_NOT_OURS = {"lost+found"}  # at the top of a disk
IDENTITIES = 256  # of a home

_NODE = b"node\n"  # in the lock


class Home:
    """An opened home, whose lock this process holds. Use `with`.

    `kept` are the logs that it keeps, by commons; `first` is that of the commons it was made with. `identities` are
    homes in it, by number, each under keys of its own, and `unlinked`: nothing in one of them is in another, so that
    nobody who sees two of them can tell that they are one person's.
    """

    def __init__(self, path: Path, node: bool = False, above: Home | None = None) -> None:
        """NotFound unless `path` was made by `create`; Busy while another process holds it. Whether a `node` does is
        said in the lock, from before it is opened: see `held_by_node`. One that cannot be written is opened `frozen`:
        all of it can be read, nothing is written there, and its logs are shut; StorageFailed for a node. One of an
        older version is moved to where this one looks for it: see `disk.moved`. `above` is the home of which this is an
        identity, which holds the lock."""
        if not (path / "config.json").is_file():
            raise NotFound(f"there is no home at {path}", hint="make one with `commons init`, or name one with --home")
        self.path, self.unlinked = path, above is not None
        self.frozen: bool = sql.frozen(path) or (above is not None and above.frozen)
        if self.frozen and node:
            raise sql.unwritable(path)
        with ExitStack() as opened:  # closed again, the lock last, if one of them cannot be opened
            if above is None:
                opened.callback(os.close, _hold_to_read(path) if self.frozen else _hold(path, node))
            _check_version(path)  # before a byte is changed
            own = Keys(_read_seed(path / "seed")) if above is None else above.keys.unlinked(int(path.name))
            self.keys: Keys = own
            self._first = moved.to_here(path, self.keys, read_config(path))
            self.config = read_config(path)
            self.shelf = Shelf(path / "shelf.db")
            opened.callback(lambda: self.shelf.close())
            if not self.frozen and sql.version(path / "shelf.db") < moved.SCHEMA:
                moved.number(path)
            self.witnessed = Witnessed(path / "witness.db")
            opened.callback(lambda: self.witnessed.close())
            self.kept: dict[str, Kept] = {}
            opened.callback(self._close_kept)
            for folder in sorted(log.parent for log in (path / "commons").glob(f"*/{kept.LOG}")):
                if folder.name != _NEW:
                    self._open_kept(folder)
            self.deposits = Deposits(path / "deposits.db")
            opened.callback(lambda: self.deposits.close())
            self.pleas = Pleas(path / "pleas.db")
            opened.callback(lambda: self.pleas.close())
            self.replicas: dict[str, Any] = {}  # by commons, what `log.replica` made of their histories
            self._histories: dict[str, History] = {}
            opened.callback(self._forget)
            if above is not None and not self.frozen:  # a backup without sealed data has no such folder
                with packs.door(f"write in {path}"):
                    (path / "packs").mkdir(exist_ok=True)
            self.packs = Store(path / "packs")
            self.identities: dict[int, Home] = {}
            opened.callback(self._close_identities)
            for each in sorted(path.glob("identities/*/config.json")) if above is None else ():
                self._open_identity(each.parent)
            if not self.frozen:
                self.packs.clean()
                for left in path.glob(f"{sql.SNAPSHOT}*"):
                    left.unlink(missing_ok=True)
            self._opened = opened.pop_all()

    def _open_identity(self, folder: Path) -> Home:
        found = Home(folder, above=self)
        self.identities[int(folder.name)] = found
        return found

    def _close_identities(self) -> None:
        for each in self.identities.values():
            each.close()

    def every(self) -> list[Home]:
        """This home, and its identities."""
        return [self, *self.identities.values()]

    def unlink(self, commons: str | None = None, found: Found | None = None) -> Home:
        """A new identity: to take part in a commons of others, or with the one that `found` charters. One that was
        made to take part in that commons before is used again, and for no other. A crash leaves a folder that nothing
        is done with."""
        if self.frozen:
            raise sql.unwritable(self.path)
        for each in self.identities.values():
            if commons is not None and each.config.get(FOR) == commons:
                return each
        every = self.path / "identities"
        with packs.door(f"write in {self.path}"):
            every.mkdir(mode=0o700, exist_ok=True)
            number = 1 + max((int(each.name) for each in every.iterdir() if each.name.isdecimal()), default=0)
            if number > IDENTITIES:
                raise Conflict(f"a home has at most {IDENTITIES} identities", hint="make another with --home")
            (folder := every / str(number)).mkdir(mode=0o700)
            keys = self.keys.unlinked(number)
            config = {FOR: commons} if found is None else {FIRST: _begin(folder, keys, found(keys))}
            for name in ("packs", "proofs", "commons"):
                (folder / name).mkdir(mode=0o700, exist_ok=True)
        write_config(folder, config)
        with packs.door(f"write in {self.path}"):
            sync(every)
        return self._open_identity(folder)

    def forget(self, commons: str) -> None:
        """Nothing: deletes what this home has of a commons, but for datasets and requests; of an identity all, where it
        has to do with no other. Must not keep its log any more. A crash leaves part of it, which the next call
        deletes."""
        for number, each in [*self.identities.items()]:
            if each.concerns(commons):
                self.identities.pop(number).close()
                _delete(each.path)
                return
        self.part(commons)
        if (old := self.kept.pop(commons, None)) is not None:
            old.close()
        _delete(self.folder(commons))

    def part(self, commons: str) -> None:
        """Nothing: this home takes part in a commons no more. Its copy of the log is deleted; what it asked for and was
        given stays."""
        self.shelf.drop_seat(commons)
        self.replicas.pop(commons, None)
        if (history := self._histories.pop(commons, None)) is not None:
            history.close()
        if commons not in self.kept:
            _delete(self.folder(commons))

    def concerns(self, commons: str) -> bool:
        """Whether this home keeps the log of a commons, takes part in it, or was made an identity for it."""
        seats = {each for each, _, _ in self.shelf.seats()}
        return commons in self.kept or commons in seats or self.config.get(FOR) == commons

    def _open_kept(self, folder: Path) -> Kept:
        found = Kept(folder, self.keys, self.shelf)
        if self.frozen:
            found.log.shut(sql.unwritable(self.path))
        self.kept[found.commons] = found
        return found

    def _close_kept(self) -> None:
        for each in self.kept.values():
            each.close()

    def put_setting(self, name: str, value: Any) -> None:
        """Nothing: a setting has this value from now on, durably. One that could not be written is as it was."""
        config = {**self.config, name: value}
        write_config(self.path, config)
        self.config = config

    def folder(self, commons: str) -> Path:
        """Where everything about a commons lies in this home."""
        return self.path / "commons" / ids.check_commons(commons)

    @property
    def begins(self) -> bool:
        """Whether this home was made with a commons of its own: an identity by which somebody takes part elsewhere was
        not."""
        return bool(self._first) or FOR not in self.config

    @property
    def first(self) -> Kept:
        """The log of the commons that this home was made with. StorageFailed where it is gone; NotFound where there
        never was one."""
        if not self.begins:
            raise NotFound("this identity keeps no log of its own", hint="name a commons with --in")
        if self._first not in self.kept:
            raise StorageFailed(f"the log of {self._first or 'its commons'} is not in this home", hint=sql.MEND)
        return self.kept[self._first]

    def log_of(self, commons: str | None = None) -> Kept:
        """The log of a commons, or of the one that this home was made with, which this home keeps. NotFound where it
        does not."""
        if commons is None:
            return self.first
        if (found := self.kept.get(ids.check_commons(commons))) is None:
            raise NotFound(
                f"this home does not keep the log of {commons}",
                hint="say where the other one is kept; `commons status` tells which logs are here",
            )
        return found

    def rewrite(self, commons: str, records: list[Record], signer: Signer) -> Kept:
        """The log of a commons that this home keeps from now on, under the key of `signer`: as `kept.write` makes it.
        It is the one that is meant where none is named, unless this home has something in a log of its own. A crash
        before that is said leaves a log that is named."""
        if (old := self.kept.pop(commons, None)) is not None:
            old.close()
        folder = self.folder(commons)
        try:
            with packs.door(f"write in {self.path}"):
                folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            kept.write(folder, records, signer, self.keys)
        finally:
            if (folder / kept.LOG).exists():
                self._open_kept(folder)
        if self._first not in self.kept or not self.kept[self._first].used:
            self.put_setting(FIRST, commons)
            self._first = commons
        return self.kept[commons]

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
        return History.open(self.folder(commons) / "replica.db", self.keys.local("openings"))

    def word(self, commons: str) -> Word | None:
        """The owner's last word about a log, kept here or elsewhere, that the clock was right; None without one."""
        if commons in self.kept:
            return self.kept[commons].dating.word()
        if not (path := self.folder(commons) / kept.NOTES).exists():
            return None
        with closing(Notes(path)) as notes:
            return dating.word(notes, commons)

    def give_word(self, state: State, now: int) -> None:
        """Nothing: notes the owner's word that the clock, which says `now`, is right about a log that others keep."""
        folder = self.folder(str(state.commons))
        with packs.door(f"write in {self.path}"):
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        with closing(Notes(folder / kept.NOTES)) as notes:
            dating.give(notes, state, now)

    def __enter__(self) -> Home:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        self._opened.close()

    def damage(self) -> list[Damage]:
        """The rows of this home that are damaged: of the logs as they were opened, and of all that is stored beside
        them."""
        for each in self._unread():
            with sql.door(self.path / each.file):
                each.look()
        logs = [found for each in self.kept.values() for found in each.damage()]
        return [*logs, *(found for each in self._unread() for found in each.all())]

    def _unread(self) -> tuple[Unread, ...]:
        return tuple(each.unread for each in (self.shelf, self.witnessed, self.deposits, self.pleas))

    def learn_keeper(self, commons: str, tenures: Sequence[Tenure]) -> None:
        """Nothing: remembers who keeps a log by now, and did before, as its fold says."""
        self.shelf.put_keeper(commons, tenures[-1].key, tenures[-1].registrar, (each.registrar for each in tenures))
        if commons in self.kept:
            self.kept[commons].check_keeper()


def _delete(folder: Path) -> None:
    """Nothing: deletes a folder and all in it, its settings first: without them it is no home."""
    with packs.door(f"delete {folder}"):
        (folder / "config.json").unlink(missing_ok=True)
        if folder.exists():
            shutil.rmtree(folder)
            sync(folder.parent)


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
            commons = _begin(path, keys, found(keys))
            (path / "packs").mkdir(exist_ok=True)
            (path / "proofs").mkdir(exist_ok=True)
            write_config(path, {**config, FIRST: commons})
        finally:
            os.close(lock)
    except OSError as error:
        raise StorageFailed(f"cannot make a home at {path}: {refusal(error)}", hint="choose another --home") from error


def _begin(path: Path, keys: Keys, charter: Charter) -> str:
    """The id of the commons that begins with this charter, in its folder; of the one that a crash left behind, if it
    is the same. Conflict for any other log."""
    every, new = path / "commons", path / "commons" / _NEW
    every.mkdir(mode=0o700, exist_ok=True)
    left = [log.parent for log in every.glob(f"*/{kept.LOG}") if begun(log)[1] is not None]
    if left:
        commons = _left_behind(path, left, keys, charter)
    else:
        new.mkdir(mode=0o700, exist_ok=True)
        commons = ids.cid(kept.begin(new, keys, charter).data)
    if new.exists():
        new.rename(every / commons)
        sync(every)
    return commons


def _left_behind(path: Path, left: Sequence[Path], keys: Keys, charter: Charter) -> str:
    """The id of the commons that a crash left behind in one folder. Conflict unless it begins with this charter."""
    with closing(kept.opened_log(left[0] / kept.LOG, keys)) as there:
        if len(left) > 1 or there.size != 1 or replace(charter, time=there.state.time) != there.state.charter:
            named = there.state.charter.name if there.state.charter else ""
            raise Conflict(
                f"there is a log in {path} already, {named!r} with {there.size} entries, and no settings beside it",
                hint=f"nothing was touched: to go on with it, restore config.json, or write {{}} into "
                f"{path / 'config.json'}; for a new commons name another --home",
            )
        return there.origin.partition("/")[2]


def _check_version(path: Path) -> None:
    """Conflict for a home that a later version of this program wrote: nobody here knows what its tables mean."""
    if later := sorted(each.name for each in path.glob("*.db") if each.is_file() and sql.version(each) > moved.SCHEMA):
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
    logs = [*(path / "commons").iterdir()] if (path / "commons").is_dir() else []
    starts = all(each.name == _NEW or (each / kept.LOG).is_file() for each in logs)
    if names - bare <= {*_BEGUN} and (not logs or ("seed" in names and starts)):
        return
    parts = sorted(name for name in names - bare if _HOMES.fullmatch(name))
    if parts:
        lacking = " and ".join(name for name in ("seed", "commons", "config.json") if name not in names) or "nothing"
        raise Conflict(
            f"{path} is not empty: it holds {', '.join(parts[:8])} of a home, and lacks {lacking}",
            hint="nothing was touched: restore what is missing from the backup; a new home starts in an empty folder",
        )
    raise Conflict(f"{path} is not empty", hint="a home starts as a new or an empty folder")


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
