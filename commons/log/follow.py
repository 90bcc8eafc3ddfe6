"""Following a log from afar: its entries read once, verified against its signed heads, folded as they come.

What a custodian stands on when it decides for itself. The state is in memory, the last head on the shelf: after a start
the log is read again from its beginning, and must contain that head.
"""

from __future__ import annotations

import asyncio
import contextlib
import copy
from collections.abc import Sequence
from dataclasses import dataclass

from commons.core.dataset.rule import Rule
from commons.core.state import entries, transfer
from commons.core.state.charter import Colleges
from commons.core.state.entries import Decision
from commons.core.state.fold import State
from commons.core.state.transfer import SUCCESSION
from commons.core.tlog import checkpoint, merkle, tiles
from commons.core.tlog.checkpoint import Checkpoint, Signed
from commons.core.tlog.note import Verifier
from commons.disk.shelf import Shelf
from commons.errors import CommonsError, Conflict, Malformed, Pending, SplitView, Untrue
from commons.log import evidence
from commons.log.audit import audit, log_of
from commons.log.files import Read
from commons.log.transfer import check_bases


@dataclass(frozen=True, slots=True, kw_only=True)
class Grounds:
    """What was in force when a request was decided: the rule, and who was in which college."""

    rule: Rule
    colleges: Colleges

    def colleges_of(self, peer: str) -> tuple[str, ...]:
        return tuple(name for name, peers in sorted(self.colleges.items()) if peer in peers)


class Follower:
    """One log. `state`, `head` and `grounds` (by request) are what was verified by the last `follow` that returned."""

    def __init__(self, read: Read, commons: str, shelf: Shelf) -> None:
        self.commons = commons
        self._read, self._shelf = read, shelf
        self.log: Verifier | None = None
        self._one = asyncio.Lock()
        self._begin()

    def _begin(self) -> None:
        self.head: Signed | None = None
        self.state = State()
        self.grounds: dict[int, Grounds] = {}
        self.faults = 0  # entries that break the rules: they are in the log, and give no right
        self._edge: tuple[bytes, ...] = ()

    async def follow(self) -> Signed:
        """The newest head, with everything under it verified and folded.

        Untrue, Malformed or SplitView (with both heads) where the log does not hold, or shows less than it did; then
        nothing was taken. The order: head, entries, root, the trusted head within them; only then the fold, without a
        pause; then the shelf. A crash before the last step leaves the older head, which the log still contains.

        A proven fork is kept on the shelf, and nothing is read any more until it is forgotten there: see `forks`.
        """
        async with self._one:
            if self.log is None:
                self.log = await log_of(self._read, self.commons)
            evidence.check_whole(self._shelf, self.log.vkey)
            shown = await self._read("checkpoint")
            try:
                new = checkpoint.open(shown, self.log)
            except Untrue:
                shown = await self._hand_over(self.log)
                new = checkpoint.open(shown, self.log)
            trusted = self._shelf.head(self.log.vkey) or b""
            if not trusted:  # nothing was read yet, or a fork was forgotten, and the old history with it
                self._begin()
            if self.head is not None and new.checkpoint == self.head.checkpoint and trusted == self.head.note:
                return self.head
            size = self.head.checkpoint.size if self.head else 0
            self._check_growth(new, trusted, self.log)
            batch, edge = await self._entries(size, new, trusted, self.log)
            await check_bases(self._read, self._handed(batch), new.checkpoint.size)
            for data in batch:
                self._take(data)
            try:
                self.state.check_head(new.checkpoint)
            except Untrue:
                self._begin()
                raise
            self._edge, self.head = edge, new
            if new.note != trusted and not self._shelf.advance(self.log.vkey, trusted or None, new.note):
                raise Conflict("another command read this log at this moment", hint="repeat this one")
            return new

    def _handed(self, batch: Sequence[bytes]) -> list[Checkpoint]:
        """The heads that the log goes on from, if these entries hand it over: tried on another state, for a succession
        that breaks the rules is a fault like others."""
        if not any(SUCCESSION.encode() in data[:128] for data in batch):
            return []
        tried = copy.deepcopy(self.state)
        for data in batch:
            tried.take(data)
        return [each.base for each in tried.tenures if each.base]

    async def _hand_over(self, before: Verifier) -> bytes:
        """The head of a log that is kept under another key by now: all of it has to bear out that its members chose so,
        and it has to contain what was trusted here. It is read from its beginning then."""
        trusted = self._shelf.head(before.vkey) or b""
        report = await audit(self._read, trusted, self.commons, lambda done, whole: None)
        if report.log.vkey == before.vkey:
            raise Conflict("the log was handed over at this moment", hint="repeat this")
        self.log = report.log
        self._begin()
        return report.head.note

    def _keep(self, log: Verifier, before: Checkpoint, old: bytes, new: Signed, lead: tuple[bytes, ...]) -> bool:
        """Both heads, if they prove a fork and do not only seem to; whether they do."""
        proven = checkpoint.contradicts(before, new.checkpoint, lead)
        if proven:
            self._shelf.put_fork(log.vkey, (old.decode(), new.note.decode()), b"".join(lead))
        return proven

    def _check_growth(self, new: Signed, trusted: bytes, log: Verifier) -> None:
        for old in (trusted, self.head.note if self.head else b""):
            before = checkpoint.open(old, log).checkpoint if old else None
            if before is None or before.size < new.checkpoint.size or before == new.checkpoint:
                continue
            kind = Untrue if before.size > new.checkpoint.size else SplitView
            if kind is SplitView:
                self._keep(log, before, old, new, ())
            raise kind(
                f"this log showed {before.size} entries before, and now shows {new.checkpoint.size} others",
                hint="its keeper went back to an old copy, or shows several logs to several people: keep both heads",
                evidence=(old.decode(), new.note.decode()),
            )

    async def _entries(
        self, size: int, new: Signed, trusted: bytes, log: Verifier
    ) -> tuple[list[bytes], tuple[bytes, ...]]:
        """The entries from `size` on, verified to lead from what is known here, and from `trusted`, to `new`."""
        before = checkpoint.open(trusted, log).checkpoint if trusted else None
        edge, found = self._edge, list[bytes]()
        while size + len(found) < new.checkpoint.size:
            at = size + len(found)
            index = at // tiles.WIDTH
            bundle = tiles.Bundle(index=index, width=tiles.widest(0, index, new.checkpoint.size))
            batch = tiles.unbundle(await self._read(bundle.path), bundle.width)[at - index * tiles.WIDTH :]
            cut = before.size - at if before is not None and at < before.size <= at + len(batch) else 0
            if cut:
                _, edge = merkle.grow(at, edge, [merkle.leaf(data) for data in batch[:cut]])
                await self._check_known(merkle.edge_root(edge), trusted, new, log)
            _, edge = merkle.grow(at + cut, edge, [merkle.leaf(data) for data in batch[cut:]])
            found += batch
        if merkle.edge_root(edge) != new.checkpoint.root:
            if self.head is not None:  # what was verified before, continued, is not what is signed now
                await self._confirm(log, self.head, new)
            raise Untrue("the entries do not have the root that the log signs", hint="get them elsewhere")
        return found, edge

    async def _check_known(self, root: bytes, trusted: bytes, new: Signed, log: Verifier) -> None:
        before = checkpoint.open(trusted, log).checkpoint
        if root != before.root:
            with contextlib.suppress(CommonsError):
                self._keep(log, before, trusted, new, await self._lead(before.size, new.checkpoint.size))
            raise SplitView(
                "this log does not contain what it signed before",
                hint="keep both heads: they prove it. Show them to the members of this commons",
                evidence=(trusted.decode(), new.note.decode()),
            )

    async def _confirm(self, log: Verifier, old: Signed, new: Signed) -> None:
        """SplitView unless the log proves that `new` continues `old`."""
        lead = await self._lead(old.checkpoint.size, new.checkpoint.size)
        self._check_lead(log, old, new, lead)

    def known(self) -> Signed:
        """The head under which everything was verified. Untrue before the first `follow`."""
        return self._read_under()[1]

    def _read_under(self) -> tuple[Verifier, Signed]:
        if self.log is None or self.head is None:
            raise Untrue("nothing of this log was read yet")
        return self.log, self.head

    async def contains(self, note: bytes) -> None:
        """SplitView, with both heads, unless the log that was followed contains the head in `note`, by whoever kept it
        then. Pending where that one is newer, Untrue where the log did not sign it."""
        log, head = self._read_under()
        other = transfer.open_head(note, log.name, self.state.tenures)
        if other.checkpoint.size > head.checkpoint.size:
            raise Pending("that head is newer than what this log shows here", hint="repeat it a little later")
        self.state.check_head(other.checkpoint)
        evidence.check_whole(self._shelf, log.vkey)
        lead = await self._lead(other.checkpoint.size, head.checkpoint.size)
        if other.checkpoint.size > self.state.tenures[-1].since:
            self._check_lead(log, other, head, lead)
        else:  # whoever kept the log before can sign what they like: it proves nothing against it
            a, b = other.checkpoint, head.checkpoint
            merkle.check_consistency(a.size, b.size, a.root, b.root, lead)

    async def _lead(self, old: int, new: int) -> tuple[bytes, ...]:
        if old == new:
            return ()
        data = await self._read(f"consistency/{old}/{new}")
        if len(data) % 32 or len(data) > 64 * 32:
            raise Malformed("a consistency proof is at most 64 hashes of 32 bytes")
        return tuple(data[at : at + 32] for at in range(0, len(data), 32))

    def _check_lead(self, log: Verifier, old: Signed, new: Signed, lead: tuple[bytes, ...]) -> None:
        before, after = old.checkpoint, new.checkpoint
        try:
            merkle.check_consistency(before.size, after.size, before.root, after.root, lead)
        except Untrue as error:
            kind = SplitView if self._keep(log, before, old.note, new, lead) else Untrue
            raise kind(
                f"this log contradicts what it signed: {error.message}",
                hint="keep both heads. Either the log has two histories, or whoever shows it here gave a false proof",
                evidence=(old.note.decode(), new.note.decode(), *evidence.shown(lead)),
            ) from error

    def _take(self, data: bytes) -> None:
        index = self.state.size
        try:
            entry = entries.decode(data)
            self.state.apply(entry)
            if isinstance(entry, Decision):
                known = self.state.datasets[self.state.accesses[entry.request].entry.dataset]
                self.grounds[entry.request] = Grounds(rule=known.rule, colleges=self.state.founded.colleges)
        except CommonsError:
            self.faults += 1
            self.state.size = index + 1
