"""What is appended to a log: entries with what they hide, drafted by who knows the state they are to follow."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from commons.core.crypto import codec
from commons.core.crypto.envelope import Opened
from commons.core.state.entries import Entry
from commons.core.state.fold import State
from commons.core.state.opening import Opening
from commons.core.tlog.checkpoint import Signed


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """One entry to append: its value and exact bytes; what it hides, and about whom; which statement it answers
    (SHA-256); the entries whose openings it destroys."""

    entry: Entry
    data: bytes
    opening: Opening | None = None
    subject: str = ""
    statement: bytes | None = None
    erases: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Appended:
    """What an append made durable: the first index of a draft's records, and the checkpoint that covers them."""

    first: int
    head: Signed


Draft = Callable[[State, int, int], Sequence[Record]]  # (state, next index, time) -> records; may raise a CommonsError


def record(entry: Entry, opening: Opening | None = None, subject: str = "", statement: bytes | None = None) -> Record:
    """The record of an entry, with its exact bytes."""
    data = entry.data if isinstance(entry, Opened) else codec.encode(entry)
    return Record(entry=entry, data=data, opening=opening, subject=subject, statement=statement)
