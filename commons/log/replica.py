"""One log as this node knows it and trusts it: the one reader of logs.

Member, requester, custodian, heir, mirror and auditor read a log through its replica. What it holds was verified:
entries that lead from what was known before to a head by who keeps the log, and the state that they fold to. A log that
forked is read no more; both heads are kept.
"""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from typing import Protocol

from commons.core.crypto import ids
from commons.core.crypto.envelope import Opened
from commons.core.state import entries, transfer
from commons.core.state.charter import Charter
from commons.core.state.fold import State
from commons.core.state.opening import Opening
from commons.core.state.tables import MEMORY
from commons.core.state.transfer import SUCCESSION, Succession, Tenure
from commons.core.tlog import checkpoint, merkle, note, tiles
from commons.core.tlog.checkpoint import Checkpoint, Signed
from commons.core.tlog.note import Verifier
from commons.disk import journal
from commons.disk.folded import Misfolded, Stored
from commons.disk.history import Damaged, History
from commons.disk.home import Home
from commons.disk.restored import due_at
from commons.disk.verdicts import Word
from commons.errors import CommonsError, Conflict, Malformed, Pending, SplitView, Untrue
from commons.log import checking, evidence, verified
from commons.log.checking import CheckedHistory
from commons.log.evidence import Trust
from commons.log.files import Read
from commons.log.verified import Verified
from commons.progress import Progress

PAGES = 1024  # of its fold are changed in memory before they are written


class Fold(Protocol):
    """What entries that were verified are given to, in their order."""

    @property
    def state(self) -> State: ...

    async def take(self, start: int, batch: Sequence[bytes]) -> None: ...


class _HandedOver(Exception):
    """Among the entries that were read, one may hand the log over."""


class Replica:
    """The log of `commons` (None: of whichever the first source shows). What it says is what was verified when the last
    `update` returned. From one event loop."""

    def __init__(self, commons: str | None, history: History, trust: Trust, fold: Fold | None = None) -> None:
        self.commons, self.history = commons, history
        self._trust, self._one = trust, asyncio.Lock()
        self._given = fold
        self._verified: Fold = fold or Verified()
        self._head: Signed | None = None
        self._before: bytes | None = None  # what was trusted when the source was asked

    # -- what is known -------------------------------------------------------------------------------------------------

    @property
    def size(self) -> int:
        """How many entries were verified."""
        return self._head.checkpoint.size if self._head is not None else 0

    @property
    def head(self) -> Signed:
        """The head under which everything was verified. Untrue before the first `update`."""
        if self._head is None:
            raise Untrue("nothing of this log was read yet")
        return self._head

    @property
    def state(self) -> State:
        return self._verified.state

    @property
    def verified(self) -> Verified:
        """State, grounds and faults. Not of a replica whose fold is somebody else's."""
        assert isinstance(self._verified, Verified)
        return self._verified

    @property
    def log(self) -> Verifier:
        """The key under which the log is kept by now. Untrue before the first `update`."""
        return self.state.keeper

    async def open(self) -> None:
        """What is stored, if anything is: with the fold that was stored with it, where that is of these very entries
        and whole; else they are folded again. What is damaged is forgotten, and read again by the next `update`."""
        async with self._one:
            await self._open()

    async def _open(self) -> None:
        if not self.history.head or (self._head is not None and self._stands()):
            return
        try:
            await self._load()
            if self._erased(self.state):  # by rules that an older version did not know
                with self.history.changing():
                    self.history.erase(self._erased(self.state))
                self.history.forget()
        except (Damaged, Malformed, Untrue) as error:
            journal.log.warning("a copy of a log is read again: %s", error.message)
            self._forget()

    def _stands(self) -> bool:
        """Whether the fold in use is the one that is stored, and no damage of it was met."""
        tables = self.state.tables
        return not isinstance(tables, Stored) or not (tables.damaged or tables.gone)

    async def _load(self) -> None:
        folded = (None if self._given else verified.stored(self.history)) or await self._folded()
        head = transfer.open_head(self.history.head, folded.state.keeper.name, folded.state.tenures)
        folded.state.check_head(head.checkpoint)
        if self.commons not in (None, folded.state.commons):
            raise Untrue("it is the log of another commons")
        self._verified, self._head = folded, head

    async def _folded(self) -> Fold:
        """The fold of all that is stored, kept with it, in one transaction: a crash leaves what was there."""
        if self._given is not None or not self.history.keeps:
            folded = self._given or Verified()
            await self._take(folded, 0, self.history.size)
            return folded
        with self.history.changing():
            self.history.unfold()
            kept = Verified(self.history.fold)
            await self._take(kept, 0, self.history.size)
            verified.save(self.history, kept)
        return kept

    def _fresh(self) -> Fold:
        """One that has taken nothing yet. It is stored with the entries that it is given."""
        return self._given or Verified(self.history.fold if self.history.keeps else MEMORY)

    async def check(self) -> CheckedHistory:
        """What is stored here, against the entries, which are all read, hashed and folded again: the first row that is
        not what it should be. What is damaged is made again from them; where they are damaged themselves, all of it
        is forgotten, and read again by the next `update`."""
        async with self._one:
            checked = await checking.check(self.history)
            if checked.remedy == "read again":
                self._forget()
            elif checked.remedy == "folded again":
                self.history.unfold()
            await self._open()
            return checked

    async def contains(self, shown: bytes) -> None:
        """SplitView, with both heads, unless this log contains the head in the note `shown`, by whoever kept it then.
        Pending where that one is newer, Untrue where the log did not sign it."""
        head = self.head
        other = transfer.open_head(shown, self.log.name, self.state.tenures)
        if other.checkpoint.size > head.checkpoint.size:
            raise Pending("that head is newer than what this log shows here", hint="repeat it a little later")
        self.state.check_head(other.checkpoint)
        self._check_whole()
        with self._forgetting():
            try:
                root = self.history.root(other.checkpoint.size)
            except Damaged:
                self.history.mend()
                root = self.history.root(other.checkpoint.size)
        if root == other.checkpoint.root:
            return
        if other.checkpoint.size <= self.state.tenures[-1].since:
            raise Untrue("the log does not contain a head that was signed by who kept it before")
        raise self._forked(self.log, other, head, self.history.lead(other.checkpoint.size, head.checkpoint.size))

    # -- the one way to grow -------------------------------------------------------------------------------------------

    async def update(self, read: Read, progress: Progress = lambda done, whole: None) -> Signed:
        """The newest head that `read` shows, with everything under it verified, durable and folded.

        Untrue, Malformed or SplitView (with both heads) where the log does not hold, or shows less than it did; then
        nothing was taken. Evidence of a fork is durable before SplitView is raised, and stops this replica. The order:

        1. no fork of the log is known here
        2. the head that is shown; its entries from what is known on; the root over them all is the one it signs
        3. whose head it is: who keeps the log by these very entries, and who came before them went on from it
        4. what was trusted before, here or by an answer, lies within
        5. the fold, without a pause; and in one transaction entries, tree, head and what they fold to, and openings
           that are kept here and that the log has erased by now, or has to by its own clock, are gone, with their keys.
           A crash before that leaves what was known before, and the fold of it: there is never one of other entries
        6. what was erased is gone from the write-ahead log, too. A crash before that leaves it there, where whoever
           opens this replica cuts it off before anything is read
        7. the head is trusted from now on. A crash before that leaves the older head trusted, which the log still
           contains
        """
        await self.open()
        try:
            try:
                return await self._update(read, progress)
            except Misfolded as error:  # found only now
                journal.log.warning("%s; it is made again", error.message)
                await self.open()
                return await self._update(read, progress)
        except Damaged as error:
            journal.log.warning("%s; it is read again", error.message)
            self._forget()
            return await self._update(read, progress)

    @contextmanager
    def _forgetting(self) -> Iterator[None]:
        """What turns out to be damaged while it is read is forgotten, and read again by the next `update`."""
        try:
            yield
        except Damaged:
            self._forget()
            raise

    def _forget(self) -> None:
        self.history.renew()
        self._head, self._verified = None, self._given or Verified()

    async def _update(self, read: Read, progress: Progress) -> Signed:
        async with self._one:
            self._check_whole()
            self.history.forget()
            self._before = self._trust.head(self.log) if self._head is not None else None
            shown = await read(tiles.CHECKPOINT)
            claimed = checkpoint.parse(note.peek(shown))
            if claimed.size < 1:
                raise Untrue("the log is empty: it has not even a charter")
            if self._head is None:
                await self._begin(read, shown, claimed, progress)
            elif shown == self._head.note and self._trusts(self._head):
                return self._head
            else:
                try:
                    new = checkpoint.open(shown, self.log)
                except Untrue:
                    await self._adopt(read, shown, progress)
                else:
                    await self._extend(read, new, progress)
            self.history.forget()
            self._trust_head()
            return self.head

    async def _begin(self, read: Read, shown: bytes, claimed: Checkpoint, progress: Progress) -> None:
        """Everything, where nothing is known but what was trusted."""
        with self.history.changing():
            self.history.clear()
            self.history.erase(self.history.kept())
            await self._entries(read, claimed, progress)
            if self.history.root(claimed.size) != claimed.root:
                raise _rootless(claimed)
            folded = self._fresh()
            head = await self._all(folded, shown)
            self._check_bases(folded.state.tenures)
            self._check_trusted(head, folded.state)
            self.history.sign(shown)
            verified.save(self.history, folded)
        self._verified, self._head = folded, head

    async def _extend(self, read: Read, new: Signed, progress: Progress) -> None:
        """What is new, under the key that is known."""
        old, at = self.head, self.size
        if new.checkpoint.size <= at:
            self._check_older(old, new)
        try:
            with self.history.changing():
                handed = await self._entries(read, new.checkpoint, progress)
                if self.history.root(new.checkpoint.size) != new.checkpoint.root:
                    await self._check_lead(read, old, new)
                    raise _rootless(new.checkpoint)
                if handed:
                    raise _HandedOver
                self._check_trusted(new, self.state)
                self.history.sign(new.note)
                await self._take(self._verified, at, new.checkpoint.size)
                self.state.check_head(new.checkpoint)
                self.history.erase(self._erased(self.state))
                verified.save(self.history, self._verified)
        except _HandedOver:  # who keeps it is told by the entries alone, which are read anew
            await self._adopt(read, new.note, progress)
            return
        except BaseException:
            if self.state.size != at or not self._stands():  # more was folded than is stored
                self._head, self._verified = None, self._given or Verified()
                await self._open()
            raise
        self._head = new

    async def _adopt(self, read: Read, shown: bytes, progress: Progress) -> None:
        """A log that is kept under another key by now: all of it is read anew, has to bear out that its members chose
        so, and takes the place of what is here. Where who kept it before signed something else than what it goes on
        from, both heads are kept, and stop nobody who stands on the later key."""
        with passing(self.commons, evidence.Nowhere(), self._given) as fresh:
            await fresh.update(read, progress)
            head, state = fresh.head, fresh.state
            if self.log.public not in [each.key for each in state.tenures]:
                raise Untrue("this log is kept under a key that who kept it before did not hand over to")
            if state.tenures[-1].key == self.log.public:
                raise Conflict("the log was handed over at this moment", hint="repeat this")
            self._check_handed(fresh)
            fresh._trust = self._trust
            fresh._check_trusted(head, state)
            stays = self._common(fresh)
            with self.history.changing():
                self.history.erase({n for n in self.history.kept() if n >= stays})
                self.history.clear()
                for _, batch in fresh.history.batches(0, head.checkpoint.size):
                    self.history.add(batch)
                self.history.erase(self._erased(state))
                self.history.sign(head.note)
                folded = fresh._verified
                if self._given is None and self.history.keeps:
                    folded = self._fresh()
                    await self._take(folded, 0, head.checkpoint.size)
                    verified.save(self.history, folded)
            self._verified, self._head = folded, head

    def _common(self, fresh: Replica) -> int:
        """How many entries of what was known here go on in the log that takes its place; 0 where others begin it."""
        at = [each.key for each in fresh.state.tenures].index(self.log.public)
        base = fresh.state.tenures[at + 1].base
        size = min(self.size, base.size if base is not None else 0)
        return size if size and self.history.root(size) == fresh.history.root(size) else 0

    async def _entries(self, read: Read, claimed: Checkpoint, progress: Progress) -> bool:
        """Store the entries from what is here up to `claimed`; whether one of them may hand the log over."""
        handed = False
        while self.history.size < claimed.size:
            index, within = divmod(self.history.size, tiles.WIDTH)
            bundle = tiles.Bundle(index=index, width=tiles.widest(0, index, claimed.size))
            batch = tiles.unbundle(await read(bundle.path), bundle.width)[within:]
            if self.history.size == 0:
                self._check_charter(batch[0], claimed)
            handed = handed or any(SUCCESSION.encode() in data[:128] for data in batch)
            self.history.add(batch)
            progress(self.history.size, claimed.size)
        return handed

    def entries(self, first: int, last: int) -> Iterator[bytes]:
        """The exact bytes of entries first … last-1. Damaged where they are not what was verified."""
        with self._forgetting():
            yield from self.history.entries(first, last)

    async def replay(self, fold: Fold) -> None:
        """Give all that was verified to another fold. Damaged where it is not what was verified."""
        with self._forgetting():
            await self._take(fold, 0, self.size)

    async def judged(self, head: Signed, found: Mapping[int, Word], kept: Mapping[int, tuple[str, Opening]]) -> int:
        """How many openings are kept here, that were not before, of those given (each of an entry, with the peer id of
        whom it is about); but of what is erased by now none. With them is stored what was `found` of requests under
        that head: durable together. Conflict where the log goes on from another head by now."""
        async with self._one:
            size = head.checkpoint.size
            if size > self.size or self.history.root(size) != head.checkpoint.root:
                raise Conflict("this log was handed over while it was judged", hint="repeat this")
            before = self.history.kept()
            new = sorted(kept.keys() - before - self.state.redacted.keys())
            if found or new:
                with self._forgetting(), self.history.changing():
                    self.history.judge(size, found)
                    for index in new:
                        self.history.keep(index, *kept[index])
                    self.history.erase(self._erased(self.state))
                self.history.forget()
            return len(self.history.kept() - before)

    def opening(self, index: int, now: float) -> Opening | None:
        """The opening of an entry, if it is kept here, and the charter keeps it still. StorageFailed for a damaged
        one."""
        with self._forgetting():
            due = self._due(self.state, (index,))
        return None if due.get(index, now) < now else self.history.opening(index)

    async def kept_until(self) -> int | None:
        """When the charter has the first of the openings that are kept here erased; None for never."""
        if not self.history.kept():
            return None
        await self.open()
        with self._forgetting():
            return min(self._due(self.state, self.history.kept()).values(), default=None)

    def _due(self, state: State, indices: Collection[int]) -> dict[int, int]:
        """When the charter has what these entries hide erased, as far as it says a day."""
        if state.charter is None or state.charter.retention_days is None:
            return {}
        about = {n: getattr(entries.decode(next(self.history.entries(n, n + 1))), "request", n) for n in indices}
        due = {n: due_at(state, request) for n, request in about.items()}
        return {n: at for n, at in due.items() if at is not None}

    def _erased(self, state: State) -> frozenset[int]:
        """Which of the openings that are kept here the log has erased, or has to by the date of its last entry."""
        kept = self.history.kept()
        return frozenset(
            (kept & state.redacted.keys()) | {n for n, at in self._due(state, kept).items() if at < state.time}
        )

    async def drop_kept(self) -> int:
        """How many openings were kept here: they are destroyed, with their keys."""
        await self.open()
        async with self._one:
            with self.history.changing():
                gone = self.history.erase(self.history.kept())
            self.history.forget()
            return len(gone)

    async def _all(self, folded: Fold, shown: bytes) -> Signed:
        """The head in the note `shown` over all that is stored, by who keeps the log by these very entries."""
        await self._take(folded, 0, self.history.size)
        head = transfer.open_head(shown, folded.state.keeper.name, folded.state.tenures)
        folded.state.check_head(head.checkpoint)
        return head

    async def _take(self, folded: Fold, first: int, last: int) -> None:
        for start, batch in self.history.batches(first, last):
            await folded.take(start, batch)
            if isinstance(folded.state.tables, Stored):
                folded.state.tables.flush(PAGES)

    # -- what has to hold ----------------------------------------------------------------------------------------------

    def _check_charter(self, first: bytes, claimed: Checkpoint) -> None:
        """Untrue unless the log begins with the charter that its name commits to."""
        opened = entries.decode(first)
        if not isinstance(opened, Opened) or not isinstance(opened.value, Charter):
            raise Untrue("the log does not begin with a charter")
        commons = ids.cid(opened.data)
        if claimed.origin != f"commons/{commons}":
            raise Untrue(f"the log calls itself {claimed.origin}, its charter is that of {commons}")
        if self.commons is not None and self.commons != commons:
            raise Untrue(f"this is the log of {commons}, not of {self.commons}")
        self.commons = commons

    def _check_whole(self) -> None:
        if self._head is not None:
            self._trust.check_whole(self.log)

    def _check_bases(self, tenures: Sequence[Tenure]) -> None:
        """Untrue where somebody who took over this log has put others in the place of the entries before."""
        for base in (each.base for each in tenures if each.base is not None):
            if self.history.root(base.size) != base.root:
                raise Untrue(
                    f"this log goes on from a head of {base.size} entries, and they are others",
                    hint="who took it over has rewritten it: get it elsewhere, and show both to its members",
                )

    def _check_trusted(self, new: Signed, state: State) -> None:
        """SplitView, or Untrue for less than was shown before, unless what was trusted under the key of now lies within
        the entries that are here; of earlier keys a fork is kept, and stops nobody."""
        for at, tenure in enumerate(state.tenures):
            key = Verifier(name=new.checkpoint.origin, public=tenure.key)
            found = self._trust.head(key)
            if not found:
                continue
            old = checkpoint.open(found, key)
            if at + 1 < len(state.tenures):
                self._check_earlier(key, old, state, at, self.history)
            elif old.checkpoint.size > new.checkpoint.size:
                if self._before is not None and found != self._before:
                    raise _at_once()
                raise _less(old, new)
            elif self.history.root(old.checkpoint.size) != old.checkpoint.root:
                raise self._forked(key, old, new, self.history.lead(old.checkpoint.size, new.checkpoint.size))

    def _check_handed(self, fresh: Replica) -> None:
        """What was verified here, against what whoever kept it then went on from."""
        key = self.log
        at = [each.key for each in fresh.state.tenures].index(key.public)
        self._check_earlier(key, self.head, fresh.state, at, fresh.history, self.history)

    def _check_earlier(
        self, key: Verifier, old: Signed, state: State, at: int, now: History, before: History | None = None
    ) -> None:
        """A head by an earlier key, of tenure `at`, against the log of `now`: where both contradict each other,
        they are kept, and stop nobody who stands on the later key. Untrue where the log leaves out what was verified
        here, and no witnesses have signed what it went on from."""
        later, size = state.tenures[at + 1], old.checkpoint.size
        assert later.base is not None
        base, lead = later.base, tuple[bytes, ...]()
        if size <= base.size:
            if now.root(size) == old.checkpoint.root:
                return
            lead = now.lead(size, base.size)
        elif before is not None and before.root(base.size) != base.root:
            lead = before.lead(base.size, size)
        elif transfer.quorum_at(state.founded.quorums, base.size).quorum is None:
            raise Untrue(
                f"who took over this log leaves out {size - base.size} entries that were verified here, and no witness "
                "has signed what it goes on from",
                hint="ask the members which of the two they stand by",
            )
        else:
            return
        handed = entries.decode(next(now.entries(later.since, later.since + 1)))
        if isinstance(handed, Opened) and isinstance(handed.value, Succession):
            self._trust.keep(key, (old.note.decode(), handed.value.head.decode(), *evidence.shown(lead)))

    def _check_older(self, old: Signed, new: Signed) -> None:
        """For a head that is not newer than what is known. A later signature under the same head is welcome."""
        if new.checkpoint == old.checkpoint:
            return
        if self.history.root(new.checkpoint.size) != new.checkpoint.root:
            lead = self.history.lead(new.checkpoint.size, old.checkpoint.size)
            raise self._forked(self.log, *((new, old) if lead else (old, new)), lead)
        raise _less(old, new)

    async def _check_lead(self, read: Read, old: Signed, new: Signed) -> None:
        """What was verified before, continued, is not what is signed now: SplitView unless the log proves that `new`
        continues `old`, and it is the entries that are wrong."""
        sizes = old.checkpoint.size, new.checkpoint.size
        data = await read(f"consistency/{sizes[0]}/{sizes[1]}") if sizes[0] != sizes[1] else b""
        lead = merkle.hashes(data)
        try:
            merkle.check_consistency(*sizes, old.checkpoint.root, new.checkpoint.root, lead)
        except Untrue as error:
            raise self._forked(
                self.log, old, new, lead, f"this log contradicts what it signed: {error.message}"
            ) from error

    def _forked(self, key: Verifier, old: Signed, new: Signed, lead: tuple[bytes, ...], what: str = "") -> CommonsError:
        """Both heads are kept if they prove a fork, and do not only seem to."""
        heads = (old.note.decode(), new.note.decode(), *evidence.shown(lead))
        kind = SplitView if self._trust.keep(key, heads) else Untrue
        return kind(
            what or f"this log of {new.checkpoint.size} entries does not contain the {old.checkpoint.size} entries it "
            "signed before",
            hint="keep both heads: they prove it. Show them to the members of this commons" if kind is SplitView
            else "whoever shows it here gave a false proof: get it elsewhere",
            evidence=heads,
        )  # fmt: skip

    # -- trust ---------------------------------------------------------------------------------------------------------

    def _trusts(self, head: Signed) -> bool:
        return self._trust.head(self.log) == head.note

    def _trust_head(self) -> None:
        head, known = self.head, self._trust.head(self.log)
        if head.note != known and not self._trust.advance(self.log, known, head.note):
            raise _at_once()


@contextmanager
def passing(commons: str | None, trust: Trust, fold: Fold | None = None) -> Iterator[Replica]:
    """A replica that is gone afterwards."""
    with closing(History()) as history:
        yield Replica(commons, history, trust, fold)


@dataclass(frozen=True, slots=True)
class Followed:
    """A replica, and where it is read."""

    replica: Replica
    read: Read

    async def follow(self) -> Signed:
        """The newest head there, with everything under it verified. See `Replica.update`."""
        return await self.replica.update(self.read)


def _rootless(claimed: Checkpoint) -> Untrue:
    return Untrue(
        f"the {claimed.size} entries do not have the root that the checkpoint signs", hint="get them elsewhere"
    )


def _at_once() -> Conflict:
    return Conflict("another command read this log at this moment", hint="repeat this one")


def _less(old: Signed, new: Signed) -> Untrue:
    return Untrue(
        f"this log ends after {new.checkpoint.size} entries; {old.checkpoint.size} were verified here before",
        hint="it is an old copy, or its keeper went back to one: get a newer one",
        evidence=(old.note.decode(), new.note.decode()),
    )


def of(home: Home, commons: str) -> Replica:
    """The replica of a log, kept in this home's folder for that commons."""
    if commons not in home.replicas:
        own = home.kept.get(commons)  # is stored as such, while nobody else goes on with it
        history = History() if own is not None and not own.left else home.history(commons)
        home.replicas[commons] = Replica(commons, history, evidence.Remembered(home.shelf))
    found: Replica = home.replicas[commons]
    return found
