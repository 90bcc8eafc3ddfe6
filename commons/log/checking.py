"""What is stored of a log, compared with its entries: each hash, the head, and each row of what they fold to."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, fields, is_dataclass
from itertools import chain
from typing import Any, Literal

from commons.core.crypto import codec
from commons.core.state import transfer
from commons.core.state.fold import State
from commons.core.tlog import checkpoint, note
from commons.core.tlog.checkpoint import Signed
from commons.disk.damage import Damage
from commons.disk.folded import Misfolded, Stored
from commons.disk.history import Damaged, History
from commons.errors import CommonsError
from commons.log import verified
from commons.log.verified import Verified

Remedy = Literal["", "mended", "folded again", "read again"]
NOTHING = "nothing"
SHOWN = 200  # characters of a row


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """The first row that is not what the entries make true: about which `entry`, if it is about one; the `row`, by its
    table and its key; what is `stored`, and what it `should` be."""

    entry: int | None
    row: str
    stored: str
    should: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckedHistory:
    """What was found of a log of so many `entries`: what of them, of their tree and of the head is `damaged`, which row
    of the fold `differs`, and what is done about it."""

    entries: int
    damaged: tuple[Damage, ...]
    differs: Difference | None
    remedy: Remedy


async def check(history: History) -> CheckedHistory:
    """What is stored in a history, against its entries. Nothing is changed, but a damaged tree over whole entries."""
    if not history.head:
        return CheckedHistory(entries=0, damaged=(), differs=None, remedy="")
    size, damaged = history.size, await asyncio.to_thread(_examined, history)
    if damaged:
        try:
            history.mend()
        except CommonsError:
            return CheckedHistory(entries=size, damaged=damaged, differs=None, remedy="read again")
        if any(each.table != "nodes" for each in damaged):
            return CheckedHistory(entries=size, damaged=damaged, differs=None, remedy="read again")
    whole = Verified()
    try:
        for start, batch in history.batches(0, size):
            await whole.take(start, batch)
            await asyncio.sleep(0)  # the node goes on meanwhile
        _open(history.head, whole.state)
    except CommonsError as error:
        told = damaged or (Damage(table="entries", row="", what=error.message),)
        return CheckedHistory(entries=size, damaged=told, differs=None, remedy="read again")
    differs = await asyncio.to_thread(_fold, history, whole) if history.keeps else None
    remedy: Remedy = "folded again" if differs else "mended" if damaged else ""
    return CheckedHistory(entries=size, damaged=damaged, differs=differs, remedy=remedy)


def _examined(history: History) -> tuple[Damage, ...]:
    """Of entries, tree and head; whether the head's signature holds is seen by the fold alone."""
    said = checkpoint.parse(note.peek(history.head))
    try:
        return tuple(history.examine(said.origin, _parsed))
    except Damaged as error:
        return (Damage(table="entries", row="", what=error.message),)


def _parsed(head: bytes) -> Signed:
    return Signed(checkpoint=checkpoint.parse(note.peek(head)), note=head)


def _open(head: bytes, state: State) -> None:
    state.check_head(transfer.open_head(head, state.keeper.name, state.tenures).checkpoint)


def _fold(history: History, whole: Verified) -> Difference | None:
    tables = history.aside()
    record = tables.load()
    if record is None or record.of != verified.bound(history):
        stored = "nothing that can be read" if record is None else "made of other entries, or by another version"
        return Difference(entry=None, row="record", stored=stored, should=f"made of these {history.size} entries")
    try:
        there = Verified.restored(record.said, tables)
    except CommonsError as error:
        return Difference(entry=None, row="record", stored=error.message, should="what this version writes")
    return _rest(record.said, whole.rest()) or compare(_tables(there), _tables(whole)) or _pages(tables)


def _rest(stored: bytes, should: bytes) -> Difference | None:
    """The first of what stands in no table."""
    if stored == should:
        return None
    for name, there, wanted in _parts("", codec.raw(stored, len(stored)), codec.raw(should, len(should))):
        return Difference(entry=None, row=f"record, {name}", stored=_shown(there), should=_shown(wanted))
    return Difference(entry=None, row="record", stored=stored.hex()[:SHOWN], should=should.hex()[:SHOWN])


def _parts(name: str, stored: Any, should: Any) -> Iterator[tuple[str, Any, Any]]:
    if isinstance(stored, dict) and isinstance(should, dict):
        for key in should:
            yield from _parts(f"{name}.{key}".lstrip("."), stored.get(key), should[key])
    elif stored != should:
        yield name, stored, should


def _tables(made: Verified) -> dict[str, Mapping[Any, Any]]:
    """All tables of a fold, by their names; of sets, each key is there with nothing."""
    state, community = made.state, made.state.community
    found: dict[str, Any] = {name: getattr(state, name) for name in (
        "accesses", "datasets", "series", "epochs", "tally", "redacted", "governed",
    )}  # fmt: skip
    found["grounds"] = made.grounds
    if community is not None:
        found |= {name: getattr(community, name) for name in (
            "ballots", "rules", "approved", "withdrawn", "verdicts", "shown",
        )}  # fmt: skip
    return {name: each if isinstance(each, Mapping) else _Keys(each) for name, each in found.items()}


class _Keys(Mapping[Any, str]):
    """A set as a table."""

    def __init__(self, keys: Any) -> None:
        self._keys = keys

    def __getitem__(self, key: Any) -> str:
        if key not in self._keys:
            raise KeyError(key)
        return "there"

    def __iter__(self) -> Iterator[Any]:
        return iter(self._keys)

    def __len__(self) -> int:
        return len(self._keys)


def compare(stored: Mapping[str, Mapping[Any, Any]], should: Mapping[str, Mapping[Any, Any]]) -> Difference | None:
    """The difference about the earliest entry, of tables by name; else the first of those that are about none."""
    found = chain.from_iterable(_differences(name, stored[name], should[name]) for name in should)
    return min(found, key=lambda each: (each.entry is None, each.entry or 0), default=None)


def _differences(name: str, stored: Mapping[Any, Any], should: Mapping[Any, Any]) -> Iterator[Difference]:
    """The first rows of a table that differ: one that should be there, and one that should not."""
    for key, value in should.items():
        there: Any = NOTHING
        try:
            with suppress(KeyError):
                there = stored[key]
        except CommonsError as error:
            there = error.message
        if there != value:
            yield _different(name, key, there, value)
            break
    with suppress(Misfolded):
        for key in stored:
            if key not in should:
                yield _different(name, key, stored[key], NOTHING)
                break


def _different(name: str, key: Any, stored: Any, should: Any) -> Difference:
    about = key if isinstance(key, int) else getattr(should, "index", getattr(stored, "index", None))
    row = f"{name} {key.hex() if isinstance(key, bytes) else key}"
    if is_dataclass(stored) and type(stored) is type(should):
        names = [each.name for each in fields(stored) if getattr(stored, each.name) != getattr(should, each.name)]
        there, wanted = (", ".join(f"{n} {_shown(getattr(each, n))}" for n in names) for each in (stored, should))
        return Difference(entry=about, row=row, stored=there[:SHOWN], should=wanted[:SHOWN])
    return Difference(
        entry=about if isinstance(about, int) else None, row=row, stored=_shown(stored), should=_shown(should)
    )


def _shown(value: Any) -> str:
    return (value.hex() if isinstance(value, bytes) else str(value))[:SHOWN]


def _pages(tables: Stored) -> Difference | None:
    """The first page that is damaged, of what is only there to be fast."""
    try:
        tables.read_all()
    except Misfolded as error:
        return Difference(entry=None, row="page", stored=error.message, should="what was written")
    return None


def of_state(stored: State, should: State) -> Difference | None:
    """The same of a fold that is in memory alone."""
    there, wanted = Verified.of(stored), Verified.of(should)
    return _rest(there.rest(), wanted.rest()) or compare(_tables(there), _tables(wanted))
