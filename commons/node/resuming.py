"""A log that is opened again may be an old copy: before its first entry, whoever may have seen more of it is asked.

Peers show the last head that they trust, witnesses the last one that they cosigned. Only what the log's key signed
counts. `judge` says what follows from the answers; the rest asks for them, once for all who wait.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import threading
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

from commons.community import voting
from commons.core.dataset.address import is_peer, peer_of
from commons.core.state import transfer
from commons.core.tlog import checkpoint, cosignature, merkle, note
from commons.core.tlog.checkpoint import Signed
from commons.disk import journal
from commons.disk.kept import Kept
from commons.errors import CommonsError, Internal, NotFound, Stale, StorageFailed
from commons.net.network import Network
from commons.witness import cosigning
from commons.witness.gossip import Gossip

SILENCE = 10.0  # seconds until who has not answered is silent
AGAIN, LONGEST = 5.0, 300.0  # seconds until a running node that has no answer asks again, and at most
PEERS, AT_ONCE = 48, 16  # that are asked, members first
log = logging.getLogger(__name__)

Role = Literal["witness", "member", "peer"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Sighting:
    """What one of those who were asked holds of the log: the `size` of a head that its key signed; None for no head,
    and no answer. `proven` says that entries were shown to lead there from ours."""

    who: str
    role: Role
    size: int | None = None
    proven: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Clearance:
    """`go` or not: by whose answer, or who was silent (`who`), `how` it goes on, as it is noted; else `why` not, and
    what to do. `behind` is the word of who has seen most, where somebody has seen more."""

    go: bool
    who: tuple[str, ...] = ()
    how: str = ""
    why: str = ""
    hint: str = ""
    behind: Sighting | None = None


def judge(size: int, words: Sequence[Sighting], *, members: int, witnesses: int, waived: int = 0) -> Clearance:
    """Whether a log of `size` entries may go on, with so many members besides its owner, and so many witnesses to ask.

    A larger head keeps it from that, whoever shows it, unless the owner goes on without what heads of up to `waived`
    entries have; one that is here, too, lets it. Where nobody shows any, it waits for a witness, if it has some, as no
    key leaves without them; else for its owner, if it has members; and alone it goes on.
    """
    ahead = [w for w in words if w.size is not None and w.size > size and (w.proven or w.size > waived)]
    if ahead:
        return Clearance(go=False, behind=max(ahead, key=lambda w: (w.proven, w.size or 0)))
    heard = [w.who for w in words if w.size is not None and w.size <= size and (w.role == "witness" or not witnesses)]
    if heard:
        return Clearance(go=True, how="answered", who=tuple(heard))
    silent = tuple(w.who for w in words if w.size is None)
    if witnesses:
        return Clearance(
            go=False,
            who=silent,
            why="none of its witnesses has said yet whether this log is the newest there is: nothing is written before",
            hint="repeat this when one answers; --go-on goes on without them, where they "
            "are gone for good and you know that this home is no old copy",
        )
    if members:
        asked = f"{len(silent)} asked, no answer" if silent else "no address of theirs is known"
        return Clearance(
            go=False,
            who=silent,
            why=f"no member says whether this log is the newest there is ({asked}): nothing is written",
            hint="repeat this while a member's node runs; --go-on goes on without, where you know that this "
            "home is no old copy",
        )
    return Clearance(go=True, how="alone", who=silent)


def alone(silent: int) -> str:
    """What its owner is told of a log that goes on by nobody's answer, so many having given none."""
    nobody = f"nobody says ({silent} asked, no answer)" if silent else "nobody is known who could say"
    return (
        f"this log's file was restored, or had by another program, and {nobody} whether it is the newest copy: the log "
        "goes on. An old copy of a log must not be continued"
    )


@dataclass(frozen=True, slots=True)
class Held:
    """A head that somebody holds, and the hashes that they say lead to it from ours."""

    word: Sighting
    head: Signed | None = None
    lead: tuple[bytes, ...] = ()


class Resuming:
    """The part in it of one log that this home keeps. Made in the node's loop; `start` asks in the background, else the
    first entry does."""

    def __init__(self, kept: Kept, net: Network, gossip: Gossip) -> None:
        self.kept, self._net, self._gossip, self._loop = kept, net, gossip, asyncio.get_running_loop()
        self.settled = asyncio.Event()  # there is a verdict
        self._told = threading.Event()  # the same, for the committer
        self._refused: CommonsError | None = None
        self._asking: asyncio.Task[None] | None = None
        self._stays = False
        noted = kept.resumption
        noted.asks(self._ask)
        if noted.free and noted.last is not None and (noted.last.said["how"], noted.last.said["who"]) == ("alone", []):
            noted.free = not self._known()  # somebody is known since
        if not noted.free and kept.log.broken is None and not self._known():
            self._take(judge(kept.log.size, (), members=0, witnesses=0))  # nobody is waited for

    # -- the committer's side -----------------------------------------------------------------------------------------

    def _ask(self) -> None:
        """Wait for the verdict, and raise it where it is no. By the committer's thread, which holds up no reader."""
        with contextlib.suppress(RuntimeError):  # the loop was closed this very moment
            self._loop.call_soon_threadsafe(self._begin)
        self._told.wait()
        if self._refused is not None and not self.kept.resumption.free:
            raise self._refused.with_traceback(None)

    def _begin(self) -> None:
        if self._asking is None and not self._told.is_set():
            self._asking = self._loop.create_task(self._run())

    async def check(self) -> None:
        """The same for who adds nothing to this log, and writes one that goes on from it. Stale where it may not."""
        if isinstance(self.kept.log.broken, Stale):
            raise self.kept.log.broken.with_traceback(None)
        if not self.kept.resumption.free:
            self._begin()
            await self.settled.wait()
            if self._refused is not None and not self.kept.resumption.free:
                raise self._refused.with_traceback(None)

    # -- a node's side ------------------------------------------------------------------------------------------------

    def start(self) -> None:
        """Ask in the background, and go on asking while the answer is no. Also where an answer stands: who has seen
        more says so, and the log is shut."""
        self._stays = True
        if self._known() and self.kept.log.broken is None:
            self._begin()

    async def stop(self) -> None:
        self._refuse(StorageFailed("the node is stopping", hint="repeat the command"))
        if self._asking is not None:
            self._asking.cancel()
            await asyncio.gather(self._asking, return_exceptions=True)

    async def _run(self) -> None:
        pause = AGAIN
        while True:
            try:
                self._take(await self.round())
                if self.kept.resumption.free:
                    await voting.settle(self.kept.log)
            except Exception as error:  # not even a bug leaves the committer waiting
                bug = f"nobody could be asked: {journal.place(error)}"
                self._refuse(error if isinstance(error, CommonsError) else Internal(bug))
            if not self._stays or self.kept.resumption.free or self.kept.log.broken is not None:
                return
            await asyncio.sleep(pause)
            pause = min(pause * 2, LONGEST)

    def _take(self, verdict: Clearance) -> None:
        noted = self.kept.resumption
        if verdict.go:
            if verdict.how == "alone" and not noted.unmoved:
                log.warning(alone(len(verdict.who)))
            noted.resumed(verdict.how, verdict.who)
            self._set()
        elif verdict.behind is None:
            self._refuse(Stale(verdict.why, hint=verdict.hint))

    def _refuse(self, error: CommonsError) -> None:
        self._refused = error
        self._set()

    def _set(self) -> None:
        self._told.set()
        self.settled.set()

    def why(self) -> str:
        """Why nothing is added now, as far as it is known; "" where it is, or nobody was asked."""
        return self._refused.message if self._refused is not None and not self.kept.resumption.free else ""

    def owed(self) -> str:
        """What the owner was not told yet by a command or a node; "" for nothing. Whoever calls this tells it."""
        return alone(len(who)) if (who := self.kept.resumption.owed()) is not None else ""

    def heard(self, who: str) -> None:
        """Somebody came by themself, and showed a head that is here."""
        if not self.kept.resumption.free and self.kept.log.broken is None:
            members, witnesses = self.members(), len(self._witnesses())
            word = Sighting(who=who, role="member" if who in members else "peer", size=0)
            verdict = judge(self.kept.log.size, [word], members=len(members), witnesses=witnesses)
            if verdict.go:
                self._take(verdict)

    async def go_on(self) -> dict[str, Any]:
        """The owner's word, after everybody was asked once more: what is proven to be an old copy is none the less one.
        Noted, durably, before anything is added by it."""
        noted, book = self.kept.resumption, self.kept.log
        try:
            verdict = await self.round()
        except Stale:
            verdict = Clearance(go=False)
        if verdict.go:
            self._take(verdict)
        elif isinstance(book.broken, Stale | None) and book.waive(over := noted.ahead()):
            noted.word(book.head, over, verdict.who)
            self._set()
        elif book.broken is not None:
            raise book.broken.with_traceback(None)
        return noted.told()

    # -- asking -------------------------------------------------------------------------------------------------------

    def members(self) -> set[str]:
        """Who else is a member, by the log."""
        community = self.kept.log.state.community
        return {*(community.members if community else ())} - {self.kept.keys.identity.peer}

    def _witnesses(self) -> dict[str, str]:
        """The URLs of the charter's witnesses, and the name of one at each."""
        asked = cosigning.policy_of(self.kept.log)
        named = set(asked.leaves()) if asked.quorum is not None else set()
        return {each.url.rstrip("/"): each.name for each in asked.witnesses if each.url and each.name in named}

    def _peers(self) -> dict[str, list[str]]:
        """Whom this home knows, and where: members first."""
        found: dict[str, list[str]] = {}
        for source in self.kept.shelf.known():
            if is_peer(source) and peer_of(source) != self.kept.keys.identity.peer:
                found.setdefault(peer_of(source), []).append(source)
        members = self.members()
        return dict(sorted(found.items(), key=lambda each: each[0] not in members)[:PEERS])

    def _known(self) -> bool:
        return bool(self.members() or self._witnesses() or self._peers())

    async def round(self) -> Clearance:
        """Ask everybody, for `SILENCE` seconds at most. A head that we do not lead to shuts the log, and is raised; see
        `Log.compare`."""
        members, slots, words = self.members(), asyncio.Semaphore(AT_ONCE), dict[Sighting, Held | None]()

        async def ask(word: Sighting, sources: Sequence[str]) -> None:
            words[word] = None
            async with slots:
                for source in sources:
                    with contextlib.suppress(CommonsError):
                        held = await self._held(word, source)
                        if held is not None:
                            del words[word]
                            words[held.word] = held
                            return

        asked = [
            *(ask(Sighting(who=name, role="witness"), [url]) for url, name in self._witnesses().items()),
            *(
                ask(Sighting(who=peer, role="member" if peer in members else "peer"), at)
                for peer, at in self._peers().items()
            ),
        ]
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(SILENCE):
                await asyncio.gather(*asked)
        if (mine := self._signed_here()) is not None:
            words[mine.word] = mine
        book = self.kept.log
        verdict = judge(book.size, [*words], members=len(members), witnesses=len(self._witnesses()), waived=book.waived)
        if verdict.behind is not None and (best := words[verdict.behind]) is not None and best.head is not None:
            book.compare(best.head.note, best.word.who, best.lead)
        if book.broken is not None:
            raise book.broken.with_traceback(None)
        return verdict

    async def _held(self, word: Sighting, source: str) -> Held | None:
        """What is held at `source`; None for nothing that this log signed. What contradicts it shuts it at once."""
        ours, path = self.kept.log.head, f"/{self.kept.commons}/"
        if word.role == "witness":
            try:
                got = await self._net.get(source, cosignature.monitored(self.kept.log.origin), limit=note.LIMIT)
            except NotFound as error:  # it has cosigned no head of this log; or has no such resource, and says nothing
                none = error.message.endswith(cosignature.NONE) and not self._has_signed(word.who)
                return Held(replace(word, size=0)) if none else None
        else:
            got = await self._net.post(source, path + "heads", ours.note, limit=note.LIMIT)
        if not got:
            return None
        theirs = self._opened(got)
        if (size := theirs.checkpoint.size) <= ours.checkpoint.size:
            self._gossip.compare_own(self.kept, theirs, word.who)
            return Held(replace(word, size=size), theirs)
        lead: tuple[bytes, ...] = ()
        with contextlib.suppress(CommonsError):  # who has only the head says so
            found = await self._net.get(source, f"{path}consistency/{ours.checkpoint.size}/{size}", limit=merkle.PROOF)
            lead = merkle.hashes(found)
        return Held(replace(word, size=size, proven=self.kept.log.leads(theirs.checkpoint, lead)), theirs, lead)

    def _opened(self, data: bytes) -> Signed:
        """A head of this log, by whoever kept it at its size, without the lines of others. Untrue, Malformed."""
        log, tenures = self.kept.log, self.kept.log.state.tenures
        key = transfer.signer(data, log.origin, tenures)
        return checkpoint.open(note.only(data, [key]), key)

    def _has_signed(self, name: str) -> bool:
        """Whether this home keeps a line of that witness: what it has lost since, it cannot answer for."""
        keys = {each.key.vkey for each in cosigning.policy_of(self.kept.log).witnesses if each.name == name}
        return any(keys & each.lines.keys() for each in self.kept.cosigned.heads)

    def _signed_here(self) -> Held | None:
        """What witnesses signed, as this home keeps it in another file, where that has more than the log."""
        for each in self.kept.cosigned.heads[:1]:
            with contextlib.suppress(CommonsError):
                theirs = self._opened(each.note)
                if theirs.checkpoint.size > self.kept.log.size:
                    return Held(
                        Sighting(who="this home's cosigned.db", role="peer", size=theirs.checkpoint.size), theirs
                    )
        return None
