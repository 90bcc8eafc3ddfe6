"""A log that a home keeps, in a folder of its own: the log, what witnesses signed of it, what was noted beside it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import ExitStack, closing
from functools import partial
from itertools import chain, count
from pathlib import Path

from commons.core.crypto import envelope, ids
from commons.core.crypto.envelope import Opened
from commons.core.crypto.keys import Keys, Signer
from commons.core.state import entries, transfer
from commons.core.state.charter import CHARTER, Charter
from commons.disk import packs, sql
from commons.disk.cosigned import Cosigned
from commons.disk.damage import Damage, Unread
from commons.disk.dating import Dating
from commons.disk.log import Log, begun
from commons.disk.notes import Notes
from commons.disk.records import Record
from commons.disk.restored import Restored
from commons.disk.resumption import Resumption
from commons.disk.shelf import Shelf
from commons.errors import Conflict, StorageFailed

LOG, COSIGNED, NOTES = "log.db", "cosigned.db", "notes.db"  # in the folder


class Kept:
    """An opened log of this home's, under one of its `keys`. `close` it at the end.

    Beside the `log`: `cosigned`, `notes`, whether it may go on (`resumption`) and be dated (`dating`), and what of it a
    home that was restored does not open (`restored`). It is shut where the `shelf` knows that somebody keeps it by now.
    """

    def __init__(self, folder: Path, keys: Keys, shelf: Shelf) -> None:
        """StorageFailed for what cannot be read; Conflict for a log that none of these keys signs."""
        self.folder, self.keys, self.shelf = folder, keys, shelf
        with ExitStack() as opened:
            self.notes = Notes(folder / NOTES)
            opened.callback(self.notes.close)
            self.resumption = Resumption(folder, self.notes)
            opened.callback(self.resumption.left)
            self.cosigned = Cosigned(folder / COSIGNED)
            opened.callback(self.cosigned.close)
            self.log = opened_log(folder / LOG, keys)
            opened.callback(self.log.close)
            self.resumption.watch(self.log)
            self.restored = Restored(self.log, self.notes, self.resumption)
            self.dating = Dating(self.log, self.notes)
            self.check_keeper()
            if sql.frozen(folder):
                self.log.shut(sql.unwritable(folder))
            self._opened = opened.pop_all()

    def close(self) -> None:
        self._opened.close()

    @property
    def commons(self) -> str:
        """The id of its commons: the CID of the charter."""
        return self.log.origin.partition("/")[2]

    @property
    def me(self) -> str:
        """The peer id under which this home keeps it."""
        return self.keys.identity.peer

    @property
    def used(self) -> bool:
        """Whether there is more in it than a commons of one in which nothing was done yet, as a home begins with."""
        return self.log.size > 1 or not self.personal

    @property
    def personal(self) -> bool:
        """Whether it is that of a commons of one, in which nobody decides anything with others."""
        community = self.log.state.community
        return community is None or (len(community.members) == 1 and not community.charter.powers)

    def damage(self) -> list[Damage]:
        """The rows that are damaged: of the log as it was opened, and of what is stored beside it."""
        for each in self.unread():
            with sql.door(self.folder / each.file):
                each.look()
        for head in self.cosigned.heads:
            opens = partial(transfer.open_head, head.note, self.log.origin, self.log.state.tenures)
            self.cosigned.unread.read("heads", str(head.size), opens)
        return [*self.log.damage, *(found for each in self.unread() for found in each.all())]

    def unread(self) -> tuple[Unread, ...]:
        return (self.cosigned.unread, self.notes.unread)

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

    @property
    def left(self) -> bool:
        """Whether somebody else keeps this log by now, as far as is known here."""
        return isinstance(self.log.broken, Conflict)

    def check_here(self) -> None:
        """Nothing; Conflict where what this log does not say yet is for somebody else to say by now."""
        heir = self.log.state.community.heir if self.log.state.community else None
        if heir is not None and heir.peer != self.me:
            raise Conflict(f"the members have chosen {heir.peer} to keep this log", hint="ask there")
        if isinstance(self.log.broken, Conflict):
            raise self.log.broken.with_traceback(None)


def opened_log(path: Path, keys: Keys) -> Log:
    """The log at `path`, which one of these keys signs: see `Log.open`."""
    later = partial(_later, keys)
    return Log.open(path, keys.log(0), keys.local("openings"), later=later)


def _later(keys: Keys, commons: str) -> chain[Signer]:
    return chain(*keys.chains(commons))


def begin(folder: Path, keys: Keys, charter: Charter) -> Opened[Charter]:
    """The signed charter with which a log begins in that folder, once it is durable. A crash leaves a log without a
    charter, or with this one: begin again."""
    signed = envelope.open(CHARTER, Charter, envelope.sign(CHARTER, charter, keys.identity))
    Log.create(folder / LOG, signed, keys.log(0), keys.local("openings")).close()
    with closing(Notes(folder / NOTES)) as notes:
        Resumption(folder, notes).made()
    return signed


def write(folder: Path, records: list[Record], signer: Signer, keys: Keys) -> None:
    """Nothing: the log in that folder is from now on the one of these records, which `signer` goes on with; what was
    kept there before is put aside as log.before.db, log.before.2.db and so on. Must not be open.

    Written whole beside it, then renamed. A crash leaves the log as it was, or this one; a second name of the log as
    it was, which the next call uses; and, before that, what witnesses signed of it put aside: they give it again.
    """
    work = folder / "log.work.db"
    for leftover in folder.glob("log.work.db*"):  # of earlier tries, which nobody was shown
        leftover.unlink()
    Log.adopt(work, records, signer, keys.local("openings"))
    for path in (work, folder / LOG):
        check_whole(path)
    with packs.door(f"write {folder / LOG}"):
        if (folder / LOG).exists():
            aside = _aside(folder)
            if (folder / COSIGNED).exists():
                os.replace(folder / COSIGNED, folder / aside.replace("log", "cosigned"))
            if not (folder / aside).exists():
                for left in ("-wal", "-shm"):  # SQLite would replay it into a file that it is not of
                    (folder / f"{aside}{left}").unlink(missing_ok=True)
                os.link(folder / LOG, folder / aside)
        os.replace(work, folder / LOG)
        packs.sync(folder)
    with closing(Notes(folder / NOTES)) as notes:
        Resumption(folder, notes).made()


def check_whole(log: Path) -> None:
    """Nothing; StorageFailed where not all of a log is in its one file, which cannot be renamed then."""
    if (journal := log.with_name(f"{log.name}-wal")).exists() and journal.stat().st_size:
        raise StorageFailed(
            f"part of {log.name} is still in its journal, because another program reads it",
            hint="end that program, and repeat this command",
        )


def befores() -> Iterator[str]:
    """The names under which logs are put aside, one after the other, without end."""
    yield "log.before.db"
    yield from (f"log.before.{n}.db" for n in count(2))


def _aside(folder: Path) -> str:
    """The name under which the log in the folder is put aside: one that a crash has left it, or a free one."""
    taken = ((name, folder / name) for name in befores())
    return next(name for name, path in taken if not path.exists() or os.path.samefile(path, folder / LOG))


def commons_of(path: Path) -> str:
    """The id of the commons whose log is in the file at `path`, by its first entry. StorageFailed where it has none."""
    _, first = begun(path)
    opened = entries.decode(first) if first is not None else None
    if not isinstance(opened, Opened):
        raise StorageFailed(f"{path.name} has no charter: it is not whole", hint=sql.MEND)
    return ids.cid(opened.data)
