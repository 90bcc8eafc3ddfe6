"""A home that an older version made, moved to where this one looks: each log in the folder of its commons.

SCHEMA 0 had one log, beside the seed: log.db, with cosigned.db and notes.db; one that was taken over waited in
log.next.db for the next start, and the ones before were put aside as log.before.db. SCHEMA 1 has `commons/ID/`.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

from commons.core.crypto.keys import Keys
from commons.disk import dating, kept, packs, sql
from commons.disk.notes import Notes
from commons.disk.resumption import RESUMED, Resumption, files
from commons.disk.settings import FIRST, FOR, write_config
from commons.errors import StorageFailed

SCHEMA = 1  # of the databases of a home: see `sql.version`
_OLD = re.compile(r"log(\.next|\.before(\.\d+)?)?\.db")
_NEXT = "next"  # the mark of the log that waited


def to_here(path: Path, keys: Keys, config: dict[str, Any]) -> str:
    """The id of the commons that the home at `path` was made with, once all of it is where this version looks; empty
    where none of its logs says so. Moves files by their names alone. StorageFailed where they cannot be moved.

    A crash leaves what the next call goes on with. The order: what an older version refuses to open; the logs that were
    put aside; which commons the home opens with; what lies beside its log; that log last, as it says that this is an
    older home.
    """
    old = sorted(each for each in path.glob("log*.db") if _OLD.fullmatch(each.name))
    if old:
        if sql.frozen(path):
            raise StorageFailed(
                f"the home in {path} was made by an older version, and has to be opened once where it can be written",
                hint=f"copy all of it (`cp -a {path} …`), and use the copy",
            )
        with packs.door(f"move the logs in {path}"):
            _move(path, old, config)
    said = config.get(FIRST) or ("" if FOR in config else next(_begun(path, keys), ""))
    return str(said)


def _begun(path: Path, keys: Keys) -> Iterator[str]:
    """The commons that this home began, of which the settings do not say so any more."""
    for log in sorted((path / "commons").glob(f"*/{kept.LOG}")):
        with closing(kept.opened_log(log, keys)) as found:
            if found.state.tenures and found.state.tenures[0].key == keys.log(0).public:
                yield found.origin.partition("/")[2]


def number(path: Path) -> None:
    """Nothing: an older version refuses to open the home from now on."""
    for each in {path / "shelf.db", *path.glob("*.db")}:
        with closing(sql.connect(each, "")) as db, sql.door(each):
            db.execute(f"PRAGMA user_version={SCHEMA}")


def _move(path: Path, old: list[Path], config: dict[str, Any]) -> None:
    for leftover in path.glob("log.work.db*"):  # of a take-over that was cut short: it is done anew
        leftover.unlink()
    unmoved = _unmoved(path)  # before anything is touched
    for each in old:
        _settle(each)
    of = {each.name: kept.commons_of(each) for each in old}
    last = "log.next.db" if "log.next.db" in of else "log.db"
    config[FIRST] = of[last] if last in of else config.get(FIRST, "")
    for commons in {*of.values()}:
        (path / "commons" / commons).mkdir(mode=0o700, parents=True, exist_ok=True)
    number(path)
    for name, commons in of.items():
        if name != last:
            _aside(path, name, path / "commons" / commons, commons == config[FIRST])
    write_config(path, config)
    if last in of:
        _follow(path, last, path / "commons" / of[last], unmoved)


def _unmoved(path: Path) -> bool:
    """Whether the log that the home opens with is as this program left it."""
    if not (path / kept.NOTES).exists():
        return False
    name, kind = ("log.next.db", _NEXT) if (path / "log.next.db").exists() else ("log.db", RESUMED)
    with closing(Notes(path / kept.NOTES)) as notes:
        mark = notes.marked(kind)
    return mark is not None and mark.said.get("files") == files(path / name)


def _settle(log: Path) -> None:
    """Nothing: all of a log is in its one file."""
    with closing(sql.connect(log, "")) as db, sql.door(log):
        db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    kept.check_whole(log)


def _aside(path: Path, name: str, folder: Path, same: bool) -> None:
    """A log that is not the one the home opens with: of another commons it is that one's; else one that was put
    aside."""
    if name == "log.db" and same:
        there = {each.name for each in (*path.glob("log.before*.db"), *folder.glob("log.before*.db"))}
        to = next(name for name in kept.befores() if name not in there)
    else:
        to = name if same or (folder / kept.LOG).exists() else kept.LOG
    for each in (name.replace("log", "cosigned"), name):
        if (path / each).exists():
            os.rename(path / each, folder / (to if each == name else to.replace("log", "cosigned")))
    packs.sync(folder)


def _follow(path: Path, name: str, folder: Path, unmoved: bool) -> None:
    """The log that the home opens with, and what lies beside it. What was known of how it goes on stands."""
    at = next((each for each in (folder / kept.NOTES, path / kept.NOTES) if each.exists()), None)
    if at is not None:
        with closing(Notes(at)) as notes:
            if name == "log.next.db" and (mark := notes.marked(_NEXT)) is not None:
                notes.mark(RESUMED, mark.time, **mark.said)
            for word in notes.of(dating.WORD):  # about logs that others keep
                there = path / "commons" / str(word.said["commons"])
                if there != folder:
                    there.mkdir(mode=0o700, parents=True, exist_ok=True)
                    with closing(Notes(there / kept.NOTES)) as beside:
                        if word not in beside.of(dating.WORD):
                            beside.add(dating.WORD, word.time, **word.said)
    if name == "log.db" and (path / kept.COSIGNED).exists():
        os.rename(path / kept.COSIGNED, folder / kept.COSIGNED)
    if (path / kept.NOTES).exists():
        os.rename(path / kept.NOTES, folder / kept.NOTES)
    packs.sync(folder)
    os.rename(path / name, folder / kept.LOG)
    packs.sync(folder)
    packs.sync(path)
    if unmoved:
        with closing(Notes(folder / kept.NOTES)) as notes, suppress(StorageFailed):  # else it asks again
            Resumption(folder, notes).moved()
