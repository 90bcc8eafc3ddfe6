"""Whether a home's log may go on: its file as this program left it, who was asked, and what its owner said.

A log that came back from a backup looks like any other, and would sign a second history under the same key. So nothing
is added before somebody who may have seen more of it was asked; their answer stands for a day, while nothing but this
program has touched the file. Kept beside the log, see `disk.notes`: nothing of it is in what the log signs.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

from commons.core.dataset.terms import DAY
from commons.core.tlog import checkpoint, note
from commons.core.tlog.checkpoint import Signed
from commons.disk.log import Log
from commons.disk.notes import Noted, Notes
from commons.disk.records import Record
from commons.errors import CommonsError, Stale

RESUMED, AHEAD, WORD = "resumed", "ahead", "go-on"  # two marks, and the notes of the owner's word


class Resumption:
    """Whether a home's log may go on: made before the log's file is opened, which touches it. `free` says that entries
    are added without asking; `unmoved` that the file is as this program left it."""

    def __init__(self, folder: Path, notes: Notes, clock: Callable[[], float] = time.time) -> None:
        self._path, self._notes, self._clock = folder / "log.db", notes, clock
        self.last = notes.marked(RESUMED)
        self.unmoved = self.last is not None and self.last.said["files"] == files(self._path)
        self.free = self.unmoved and self.last is not None and 0 <= clock() - self.last.time <= DAY
        self._ask: Callable[[], None] = nobody
        self._watching, self._noting = False, threading.Lock()

    def watch(self, log: Log) -> None:
        """Nothing: from here on the log adds only what is admitted here. A head that somebody showed before, and that
        it still does not lead to, keeps it shut, unless its owner has said to go on without."""
        self._watching = True
        log.admit(self._admit)
        log.watch(self.left, self._outran, max((each.said["over"] for each in self.words()), default=0))
        ahead = self._notes.marked(AHEAD)
        if self._notes.unread.any("marks"):  # perhaps that one
            self.free = False
        if ahead is not None:
            try:
                log.compare(ahead.said["head"].encode(), ahead.said["by"])
                self._notes.unmark(AHEAD)  # a newer copy was restored, or its owner went on
            except CommonsError:
                pass  # the log is shut, and says why
        self.left()

    def asks(self, ask: Callable[[], None]) -> None:
        """Nothing: before entries are added without an answer `ask` is called, by the committer's thread: it sees to
        one, and raises why there is none."""
        self._ask = ask

    def _admit(self, records: Sequence[Record], now: int) -> None:
        if not self.free:
            self._ask()

    def _outran(self, head: bytes, by: str) -> None:
        if checkpoint.parse(note.peek(head)).size > self.ahead():
            self._notes.mark(AHEAD, int(self._clock()), head=head.decode(), by=by)

    def ahead(self) -> int:
        """How many entries the head has that keeps the log shut by somebody's word; 0 without one."""
        found = self._notes.marked(AHEAD)
        return 0 if found is None else checkpoint.parse(note.peek(found.said["head"].encode())).size

    # -- what is noted ------------------------------------------------------------------------------------------------

    def resumed(self, how: str, who: Sequence[str] = ()) -> None:
        """Nothing: entries are added from now on. A crash before it is noted leaves a log that asks again."""
        owed = how == "alone" and not self.unmoved  # its owner is to be told so
        with suppress(CommonsError, OSError), self._noting:
            self._note(Noted(RESUMED, int(self._clock()), {"how": how, "who": [*who], "owed": owed}))
        self.free = True

    def owed(self) -> list[str] | None:
        """Who was silent when the log went on alone, once: whoever calls this tells the owner. None where nothing
        has to be told."""
        with self._noting:
            last = self.last
            if not self.unmoved or last is None or not last.said.get("owed"):
                return None
            with suppress(CommonsError, OSError):  # else it is told again
                self._note(replace(last, said={**last.said, "owed": False}))
        return [*last.said["who"]]

    def word(self, head: Signed, over: int, silent: Sequence[str]) -> None:
        """Nothing: notes the owner's word to go on from `head`, though somebody showed one of `over` entries, or nobody
        answered. Durable before anything is added by it."""
        now = int(self._clock())
        self._notes.add(WORD, now, size=head.checkpoint.size, head=head.note.decode(), over=over, silent=[*silent])
        self._notes.unmark(AHEAD)
        self.resumed("word", silent)

    def words(self) -> list[Noted]:
        """The owner's words that the log goes on, the oldest first."""
        return self._notes.of(WORD)

    def left(self) -> None:
        """Nothing: called after each change of the file that this program made. What cannot be noted is asked again."""
        with self._noting:
            if self._watching and self.unmoved and self.last is not None:
                with suppress(CommonsError, OSError):
                    self._note(self.last)

    def made(self) -> None:
        """Nothing: notes that the log's file was written a moment ago from all there is."""
        self._notes.mark(RESUMED, int(self._clock()), how="made", who=[], files=files(self._path))

    def moved(self) -> None:
        """Nothing: the log's file was moved by this program, as it was: what was known of it still holds."""
        if self.last is not None:
            self._note(self.last)

    def _note(self, last: Noted) -> None:
        self.last, self.unmoved = last, True
        self._notes.mark(RESUMED, last.time, **{**last.said, "files": files(self._path)})

    def told(self) -> dict[str, Any]:
        """How the log came to go on, and the owner's words, as plain values for people."""
        last = self.last if self.unmoved else None
        return {
            "free": self.free,
            "time": last.time if last else None,
            "how": last.said["how"] if last else "",
            "who": last.said["who"] if last else [],
            "words": words(self.words()),
        }


def words(found: Sequence[Noted]) -> list[dict[str, Any]]:
    """The owner's words as they are told: when, after how many entries, over a head of how many, and who was silent."""
    return [{"time": each.time, **{name: each.said[name] for name in ("size", "over", "silent")}} for each in found]


def files(path: Path) -> list[list[int] | None]:
    """Marks that tell a log's file and its journal from any others: a copy that is put in their place has another inode
    or another time of its last change, which nobody can set."""
    found: list[list[int] | None] = []
    for name in (path, path.with_name(path.name + "-wal")):
        try:
            at = os.stat(name)
            found.append([at.st_ino, at.st_size, at.st_mtime_ns, at.st_ctime_ns])
        except FileNotFoundError:
            found.append(None)
    return found


def nobody() -> None:
    raise Stale(
        "nobody was asked yet whether this log is the newest there is", hint="start the node, or repeat the command"
    )
