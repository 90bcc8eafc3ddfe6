"""Forks: a log that signed two histories. Both heads are kept, and nothing of that log is used any more here until its
members have explained it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from commons.disk.home import Home
from commons.disk.shelf import Shelf
from commons.errors import NotFound, SplitView


@contextmanager
def recording(home: Home, log: str) -> Iterator[None]:
    """If it turns out that the log with this vkey forked, the proof is durable before it is told."""
    try:
        yield
    except SplitView as error:
        if len(error.evidence) == 2:
            home.shelf.put_fork(log, error.evidence)
        raise


@contextmanager
def watching(home: Home, log: str) -> Iterator[None]:
    """Around everything that trusts a log: SplitView if it is known to have forked."""
    check_whole(home.shelf, log)
    with recording(home, log):
        yield


def check_whole(shelf: Shelf, log: str) -> None:
    """SplitView, with both heads, if the log with this vkey is known to have forked."""
    if known := shelf.forks().get(log):
        raise SplitView(
            "this log is known to have signed two histories", evidence=known,
            hint="ask its members; once they have explained it, `commons log forget-fork` trusts it again",
        )  # fmt: skip


def forget(home: Home, log: str) -> None:
    """Trust a log again, from the next head on that it shows: the one remembered is forgotten too. NotFound."""
    if log not in home.shelf.forks() and home.shelf.head(log) is None:
        raise NotFound("no fork of this log is known here", hint="`commons status` lists the known ones")
    home.shelf.drop_fork(log)
