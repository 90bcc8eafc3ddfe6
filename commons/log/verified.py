"""What the entries of a log make true, once they were verified: the fold of a replica, in memory or stored."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, MutableMapping, Sequence
from dataclasses import dataclass

from commons.core.crypto import codec
from commons.core.dataset.rule import Rule
from commons.core.state import entries, rules
from commons.core.state.charter import Colleges
from commons.core.state.entries import Decision
from commons.core.state.fold import State, StateRest
from commons.core.state.tables import MEMORY, Tables
from commons.disk import journal
from commons.disk.folded import Stored
from commons.disk.history import History
from commons.errors import CommonsError, StorageFailed

FORMAT = 1  # of what is stored of a fold: one up where the fold makes something else of the same entries, or keeps it
# in another form. What is stored under another number is made again


@dataclass(frozen=True, slots=True, kw_only=True)
class Grounds:
    """What was in force when a request was decided: the rule, and who was in which college."""

    rule: Rule
    colleges: Colleges

    def colleges_of(self, peer: str) -> tuple[str, ...]:
        return tuple(name for name, peers in sorted(self.colleges.items()) if peer in peers)


class GroundsByRequest(MutableMapping[int, Grounds]):
    """The grounds of decisions by their requests. Most share theirs, which are kept once."""

    def __init__(self, tables: Tables) -> None:
        self._which: MutableMapping[int, bytes] = tables.rows("grounds", bytes)
        self._held: MutableMapping[bytes, Grounds] = tables.rows("held", Grounds)
        self._known: dict[Rule, tuple[Colleges, bytes]] = {}

    def __getitem__(self, request: int) -> Grounds:
        return self._held[self._which[request]]

    def __contains__(self, request: object) -> bool:
        return request in self._which

    def __setitem__(self, request: int, grounds: Grounds) -> None:
        colleges, digest = self._known.get(grounds.rule, ({}, b""))
        if colleges is not grounds.colleges:
            digest = hashlib.sha256(codec.encode(grounds)).digest()
            self._known[grounds.rule] = grounds.colleges, digest
            if digest not in self._held:
                self._held[digest] = grounds
        self._which[request] = digest

    def __delitem__(self, request: int) -> None:
        del self._which[request]

    def __iter__(self) -> Iterator[int]:
        return iter(self._which)

    def __len__(self) -> int:
        return len(self._which)


@dataclass(frozen=True, slots=True, kw_only=True)
class VerifiedRest:
    """What of it stands in no table."""

    state: StateRest
    faults: int


class Verified:
    """The `state` by now; the `grounds` of each decision, by its request; and how many entries break the rules: they
    are in the log, and give no right."""

    def __init__(self, tables: Tables = MEMORY) -> None:
        self._start(State(tables=tables), 0)

    def _start(self, state: State, faults: int) -> None:
        self.state, self.faults = state, faults
        self.grounds: MutableMapping[int, Grounds] = GroundsByRequest(state.tables)

    @classmethod
    def of(cls, state: State) -> Verified:
        """One of a fold of the same entries, without its grounds and faults."""
        made = cls.__new__(cls)
        made.state, made.faults, made.grounds = state, 0, {}
        return made

    @classmethod
    def restored(cls, said: bytes, tables: Tables) -> Verified:
        """The one of which `said` is the rest, and these are the tables. Malformed where it has another form by now."""
        rest: VerifiedRest = codec.restored(VerifiedRest, said)
        made = cls.__new__(cls)
        made._start(State.restored(rest.state, tables), rest.faults)
        return made

    def rest(self) -> bytes:
        """What of it stands in no table."""
        return codec.encode(VerifiedRest(state=self.state.rest(), faults=self.faults))

    async def take(self, start: int, batch: Sequence[bytes]) -> None:
        for index, data in enumerate(batch, start):
            try:
                entry = entries.decode(data)
                self.state.apply(entry)
            except StorageFailed:  # of where its tables are: no fault of the entry
                raise
            except CommonsError:
                self.faults += 1
                self.state.size = index + 1
                continue
            if isinstance(entry, Decision):
                known = self.state.datasets[self.state.accesses[entry.request].entry.dataset]
                self.grounds[entry.request] = Grounds(rule=known.rule, colleges=self.state.founded.colleges)


def bound(history: History) -> bytes:
    """What names the entries that were folded, by their number and the root of their tree, and how: by which format,
    and by which rules."""
    root = history.root(history.size)
    return codec.encode({"format": FORMAT, "rules": sorted(rules.KNOWN), "size": history.size, "root": root})


def save(history: History, folded: object) -> None:
    """Store a fold with the entries of this history, inside the transaction that stores them."""
    if isinstance(folded, Verified) and isinstance(folded.state.tables, Stored):
        folded.state.tables.save(bound(history), folded.rest())


def stored(history: History) -> Verified | None:
    """The fold that was stored with them; None where it is damaged, or of other entries, other rules, another
    format."""
    if not history.keeps or history.fold.damaged:
        return None
    tables = history.refold()
    record = tables.load()
    if record is None or record.of != bound(history):
        journal.log.info("what is stored of a log is folded again")
        return None
    try:
        return Verified.restored(record.said, tables)
    except CommonsError as error:
        journal.log.warning("what was made of a log is made again: %s", error.message)
        return None
