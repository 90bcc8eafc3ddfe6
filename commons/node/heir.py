"""The owner's verbs when a log changes hands: offer to keep it, vote on somebody's offer, take it over."""

from __future__ import annotations

import time
from hashlib import sha256

from commons.community import transfer, voting
from commons.community.transfer import Copy
from commons.community.voting import Seat
from commons.core.crypto import envelope, ids
from commons.core.dataset import manifest
from commons.core.state import proposals
from commons.core.state.fold import State
from commons.core.state.proposals import Proposal, Vote
from commons.errors import CommonsError, Conflict, Pending, Refused, SplitView, TimedOut, Unreachable, Untrue
from commons.log import evidence
from commons.node.council import Council
from commons.node.ledger import Told, checked
from commons.node.local import own


class Heir(Council):
    """Over one node, that of who takes over or that of who votes."""

    async def take_over(self, *, source: str | None = None, named: str | None = None, anew: bool = False) -> Told:
        """Do what is next: offer to keep the log, or tell what the offer lacks, or, once the members have chosen this
        home, write the log that goes on. `source` shows the log, if its registrar does not; `anew` renews the offer.

        The order: the log is read and verified up to the head it goes on from; the ballots are folded; only then it is
        written, and put in the old one's place when this home is opened next. A crash before that changes nothing.
        """
        seat, me = self._seat(named), self.home.keys.identity.peer
        copied = await self._copied(seat, source)
        community = copied.state.founded
        wrong: list[str] = []
        if me not in community.members:
            raise Refused(f"{me} is no member of this commons, and a member keeps its log")
        transfer.check_free(self.home, seat.commons)
        if community.heir is None or community.heir.peer != me:
            newest = copied.newest.community
            if newest is not None and newest.heir is not None and newest.heir.peer == me:
                raise Pending("you are chosen, and no head that says so is witnessed yet", hint="repeat this later")
            if not seat.sources:
                raise Conflict(
                    "this home keeps that log",
                    hint="another community's, which you have joined, is named with --in; for this one, `commons "
                    "community propose change-registrar` first",
                )
            proposal = self._bid(seat, copied.state, anew)
            wrong = transfer.add(copied, [proposal, *transfer.Bids(self.home).ballots(proposal)])
            if community.heir is None or community.heir.peer != me:
                return {"taken": False, "wrong": wrong, **self._offered(copied.state, proposal)}
        if seat.sources:
            await transfer.check_newest(self.net, copied)
        else:  # what goes on from an old copy under another key leaves out as much
            await self.node.resuming.check()
        before = self.home.log.broken
        self.home.log.broken = transfer.SHUT  # what would be added from here on, the next log would not have
        try:
            size = transfer.build(self.home, seat.commons, copied)
        except BaseException:
            self.home.log.broken = before
            raise
        return {
            "taken": True, "wrong": wrong, "commons": seat.commons, "entries": size,
            "base": copied.base.checkpoint.size, "datasets": len(copied.state.datasets),
            "manifests": await self._manifests(seat, copied.state), "requests": len(copied.state.accesses),
            "known": sum(index in copied.hidden for index in copied.state.accesses),
        }  # fmt: skip

    async def _copied(self, seat: Seat, source: str | None) -> Copy:
        if not seat.sources:
            return await transfer.copy(own(self.node.site, seat.commons), seat.commons, b"")
        read, _ = await self._log_at(source or seat.sources[0], seat.commons)
        trusted = self.home.shelf.head(seat.key.vkey) or b""
        try:
            with evidence.recording(self.home, seat.key.vkey):
                return await transfer.copy(read, seat.commons, trusted)
        except SplitView:
            raise
        except Untrue:  # it may end before what was seen here: then its witnesses have to have signed it
            copied = await transfer.copy(read, seat.commons, b"")
            if not trusted or not copied.state.charter or not copied.state.charter.witnesses:
                raise
            return copied

    def _bid(self, seat: Seat, state: State, anew: bool) -> bytes:
        """The signed proposal of this home to keep that log, as it is collecting ballots."""
        found = self.home.shelf.bid(seat.commons)
        if found is not None and not anew:
            return found[0]
        said = transfer.offer(self.home.keys, seat.commons, state, own=False)
        proposal = voting.sign(self.home, proposals.PROPOSAL, said)
        self.home.shelf.put_bid(seat.commons, proposal, sorted(state.community.members if state.community else ()))
        return proposal

    def _offered(self, state: State, proposal: bytes) -> Told:
        told = self._told(state, everything=True)
        digest = sha256(proposal).digest()
        ballots = state.community.ballots.values() if state.community else ()
        index = next((each.index for each in ballots if each.digest == digest), None)
        found = next((each for each in told["proposals"] if each["proposal"] == index), None)
        return {"commons": told["commons"], "outcome": found, "addresses": self._given(lan=True)}

    async def _manifests(self, seat: Seat, state: State) -> int:
        """Fetch what the datasets of the log are described by, from where it was kept, as far as that answers."""
        count, sources = 0, seat.sources[:1]
        for cid in state.datasets:
            if self.home.shelf.manifest(cid) is None and sources:
                try:
                    data = await self.net.get(sources[0], f"/manifests/{cid}", limit=manifest.LIMIT)
                    if ids.cid(data) == cid:
                        manifest.open(data)
                        self.home.shelf.put_manifest(ids.check_cid(cid), data, "seen", served=True)
                except (Unreachable, TimedOut):
                    sources = ()  # it is not asked for each of the others
                except CommonsError:
                    pass  # it has not this one
            count += self.home.shelf.manifest(cid) is not None
        return count

    async def vote_at(self, *, address: str, choice: str, reason: str = "", named: str | None = None) -> Told:
        """Vote on the offer of the peer at `address` to keep a log whose registrar does not answer."""
        (at,) = checked([address])
        seat = self._seat(named)
        proposal = await self.net.get(at, f"/{seat.commons}/succession", limit=transfer.LIMIT)
        said = envelope.open(proposals.PROPOSAL, Proposal, proposal, transfer.LIMIT)
        if (said.value.commons, said.value.action, said.value.peer) != (seat.commons, "change-registrar", said.signer):
            raise Untrue("what is offered there is not to keep the log of this commons")
        ballot = voting.sign(self.home, proposals.VOTE, Vote(
            commons=seat.commons, proposal=sha256(proposal).digest(), choice=choice, reason=reason,
            time=int(time.time()),
        ))  # fmt: skip
        if await self.net.post(at, f"/{seat.commons}/succession", ballot, limit=64) != sha256(ballot).digest():
            raise Untrue("it kept something else than this ballot")
        return {"commons": seat.commons, "registrar": said.signer, "choice": choice}
