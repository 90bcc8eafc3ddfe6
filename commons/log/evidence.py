"""Forks: a log that signed two histories. Both heads are kept, and nothing of that log is used any more here until its
members have explained it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Protocol

from commons.core.tlog import checkpoint, note
from commons.core.tlog.note import Verifier
from commons.disk.home import Home
from commons.disk.shelf import Shelf
from commons.errors import CommonsError, Malformed, NotFound, SplitView, StorageFailed, TooLarge, Untrue

PROOF = 65  # hashes that lead from one head to another, the root of the first before them


@contextmanager
def recording(home: Home, log: str) -> Iterator[None]:
    """A context in which nothing that proves a fork of the log with this vkey is lost: what was found out here, and
    what an error of others carries, is durable before it is told. Then it is told, whatever else went wrong."""
    try:
        yield
    except SplitView as error:
        if len(error.evidence) >= 2:
            home.shelf.put_fork(log, error.evidence[:2], _lead(error.evidence))
        raise
    except CommonsError as error:
        if keep(home.shelf, note.parse_vkey(log), error.evidence) and not isinstance(error, StorageFailed):
            raise _known(home.shelf, log, f": {error.message}") from error  # but for our own log, which shut
        raise


def keep(shelf: Shelf, key: Verifier, evidence: Sequence[str]) -> bool:
    """Whether what somebody shows of the log with this key, two heads and what comes with them, proves that it forked:
    then that is kept, durable. Each head is verified here: that somebody shows it counts for nothing."""
    found = proves(key, evidence)
    if found is not None:
        shelf.put_fork(key.vkey, *found)
    return found is not None


def proves(key: Verifier, evidence: Sequence[str]) -> tuple[tuple[str, str], bytes] | None:
    """The two heads of a log with this key, the older first, and what leads from one to the other, if they prove that
    it forked; else None."""
    if len(evidence) < 2:
        return None
    try:
        heads = [checkpoint.open(note.only(text.encode(), [key]), key) for text in evidence[:2]]
        old, new = sorted(heads, key=lambda head: head.checkpoint.size)
        lead = _lead(evidence)
        if not checkpoint.contradicts(old.checkpoint, new.checkpoint, _hashes(lead)):
            return None
    except (Malformed, TooLarge, Untrue, ValueError):
        return None
    return (old.note.decode(), new.note.decode()), lead


class Trust(Protocol):
    """What a replica asks and tells of what is trusted beside it: heads by the keys of logs, and forks."""

    def head(self, key: Verifier) -> bytes: ...
    def advance(self, key: Verifier, old: bytes, new: bytes) -> bool: ...
    def check_whole(self, key: Verifier) -> None: ...
    def keep(self, key: Verifier, heads: Sequence[str]) -> bool: ...


class Remembered:
    """What this home trusts, in its shelf: durable when a call returns. Unless it is to `learn`, no head is trusted
    that was not before; forks are kept all the same."""

    def __init__(self, shelf: Shelf, learn: bool = True) -> None:
        self._shelf, self._learn = shelf, learn

    def head(self, key: Verifier) -> bytes:
        return self._shelf.head(key.vkey) or b""

    def advance(self, key: Verifier, old: bytes, new: bytes) -> bool:
        return not self._learn or self._shelf.advance(key.vkey, old or None, new)

    def check_whole(self, key: Verifier) -> None:
        check_whole(self._shelf, key.vkey)

    def keep(self, key: Verifier, heads: Sequence[str]) -> bool:
        return keep(self._shelf, key, heads)


class Nowhere:
    """For who remembers nothing but one head, `trusted`, and that only if it is by the log's key; or not even that."""

    def __init__(self, trusted: bytes = b"") -> None:
        self._trusted = trusted

    def head(self, key: Verifier) -> bytes:
        try:
            return checkpoint.open(self._trusted, key).note if self._trusted else b""
        except Untrue:
            return b""

    def advance(self, _key: Verifier, _old: bytes, _new: bytes) -> bool:
        return True

    def check_whole(self, _key: Verifier) -> None:
        return None

    def keep(self, key: Verifier, heads: Sequence[str]) -> bool:
        return proves(key, heads) is not None


def shown(lead: Sequence[bytes]) -> tuple[str, ...]:
    """The hashes that lead from one head to the other, as they stand behind the heads in an error's evidence; nothing
    where there are none."""
    return ("\n".join(map(note.encode64, lead)),) if lead else ()


def _hashes(lead: bytes) -> list[bytes]:
    return [lead[at : at + 32] for at in range(0, len(lead), 32)]


def _lead(evidence: Sequence[str]) -> bytes:
    """What leads from one head to the other, in the evidence of an error; empty where it holds none. Malformed."""
    lines = evidence[2].split("\n")[:PROOF] if len(evidence) > 2 else []
    found = b"".join(note.decode64(line) for line in lines)
    if len(found) % 32:
        raise Malformed("a consistency proof is of hashes of 32 bytes")
    return found


@contextmanager
def watching(home: Home, log: str) -> Iterator[None]:
    """A context around everything that trusts a log: SplitView if the log is known to have forked; what proves within
    it that the log forked is kept, as `recording` does."""
    check_whole(home.shelf, log)
    with recording(home, log):
        yield


def check_whole(shelf: Shelf, log: str) -> None:
    """Nothing; SplitView, with both heads, if the log with this vkey is known to have forked."""
    if log in shelf.forks():
        raise _known(shelf, log)


def _known(shelf: Shelf, log: str, more: str = "") -> SplitView:
    return SplitView(
        f"this log is known to have signed two histories{more}",
        hint="ask its members; once they have explained it, `commons log forget-fork` trusts it again",
        evidence=(*shelf.forks()[log], *shown(_hashes(shelf.lead(log)))),
    )


def forget(home: Home, log: str) -> None:
    """Nothing: the home trusts a log again, from the next head on that it shows; the one remembered is forgotten too.
    NotFound where no fork of it is kept."""
    if not home.shelf.drop_fork(log):
        raise NotFound("no fork of this log is known here", hint="`commons status` lists the known ones")
