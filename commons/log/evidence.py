"""Forks: a log that signed two histories. Both heads are kept, and nothing of that log is used any more here until its
members have explained it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from commons.core.tlog import checkpoint, note
from commons.core.tlog.note import Verifier
from commons.disk.home import Home
from commons.disk.shelf import Shelf
from commons.errors import CommonsError, Malformed, NotFound, SplitView, StorageFailed, TooLarge, Untrue

PROOF = 65  # hashes that lead from one head to another, the root of the first before them


@contextmanager
def recording(home: Home, log: str) -> Iterator[None]:
    """If it turns out that the log with this vkey forked, the proof is durable before it is told: what was found out
    here, and what an error of others carries, where that proves it. Then it is told, whatever else went wrong."""
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
    """Keep what somebody shows of the log with this key, two heads and what comes with them, if it proves that the log
    forked; whether it does. Each head is verified here: that somebody shows it counts for nothing. Durable."""
    if len(evidence) < 2:
        return False
    try:
        heads = [checkpoint.open(note.only(text.encode(), [key]), key) for text in evidence[:2]]
        old, new = sorted(heads, key=lambda head: head.checkpoint.size)
        lead = _lead(evidence)
        if not checkpoint.contradicts(old.checkpoint, new.checkpoint, _hashes(lead)):
            return False
    except (Malformed, TooLarge, Untrue, ValueError):
        return False
    shelf.put_fork(key.vkey, (old.note.decode(), new.note.decode()), lead)
    return True


def signed(key: Verifier, evidence: Sequence[str]) -> bool:
    """Whether the log with this key signed both heads."""
    try:
        return len([checkpoint.open(note.only(text.encode(), [key]), key) for text in evidence[:2]]) == 2
    except (Malformed, TooLarge, Untrue):
        return False


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
