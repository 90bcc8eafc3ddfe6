"""The owner's verbs in communities: take part, propose, vote, and see how things stand."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from commons.community import charter, invitation, transfer, voting
from commons.community import status as standing
from commons.community.voting import Seat
from commons.core.crypto import ids
from commons.core.dataset import address, manifest
from commons.core.dataset.rule import Rule
from commons.core.dataset.terms import Terms
from commons.core.state import proposals
from commons.core.state.fold import State
from commons.core.state.proposals import Join, Proposal, Vote
from commons.core.tlog.note import Verifier
from commons.core.tlog.policy import Policy
from commons.custody import client, custodian, followed
from commons.custody import sharing as shared
from commons.errors import Conflict, Malformed, TimedOut, Unreachable, Untrue
from commons.log import audit, evidence, registrars, titles
from commons.log.submit import advance
from commons.net.network import HERE
from commons.node.ledger import Ledger, Told, checked


class Council(Ledger):
    """Over one node, whose own log may be a community's; else the registrar is asked. `faults` counts those of the
    log that was read last."""

    faults = 0

    def _own(self) -> Seat:
        return Seat(commons=self.home.commons, key=self.home.log.key)

    def _seat(self, named: str | None) -> Seat:
        seats = [
            Seat(commons=commons, key=Verifier(name=f"commons/{commons}", public=key), sources=tuple(sources))
            for commons, key, sources in self.home.shelf.seats()
            if commons != self.home.commons or self._is_later(key)
        ]
        return voting.seat_of(seats, named, self._own())

    def _is_later(self, key: bytes) -> bool:
        """Whether somebody keeps this home's log under this key since this home did."""
        return key not in {each.key for each in self.home.log.state.tenures}

    async def _state(self, seat: Seat) -> State:
        """The fold of a community's log: this home's, or read anew from its registrar and verified."""
        if not seat.sources:
            return self.home.log.state
        try:
            read, commons = await self._log_at(seat.sources[0], seat.commons)
        except (Unreachable, TimedOut) as error:
            also = "if another keeps this log by now: `commons community follow ADDRESS`"
            error.hint = f"{error.hint}; {also}" if error.hint else also
            raise
        trusted = self.home.shelf.head(seat.key.vkey) or b""
        with evidence.recording(self.home, seat.key.vkey):
            report = await audit.audit(read, trusted, commons, self.progress)
        self.faults = len(report.faults)  # they give no right, and are no reason to keep members from deciding
        community = report.state.community
        if community is None or seat.key.public not in [each.key for each in community.tenures]:
            raise Untrue("this log is signed by another key than the invitation named")
        if report.log != seat.key:  # it has changed hands: only who kept it before is asked no more
            self.home.shelf.put_seat(seat.commons, report.log.public, [seat.sources[0]])
            self.home.learn_keeper(seat.commons, community.tenures)
            trusted = self.home.shelf.head(report.log.vkey) or b""
        advance(self.home, report.log.vkey, trusted, report.head.note)
        return report.state

    async def _send(self, seat: Seat, kind: str, value: Proposal | Vote | Join) -> int:
        if seat.sources:
            return await voting.send(self.home, self.net, seat, kind, value)
        return await self.node.registrar.govern(voting.sign(self.home, kind, value))

    async def community(self, *, named: str | None = None, everything: bool = False) -> Told:
        """How a community stands: members, powers, open proposals and what they lack."""
        state = await self._state(self._seat(named))
        return self._told(state, everything)

    def _told(self, state: State, everything: bool = False) -> Told:
        return standing.told(state, self.home.keys.identity.peer, int(time.time()), everything, self.faults)

    async def invite(
        self, *, college: str, days: int = 14, words: str = "", lan: bool = False, named: str | None = None
    ) -> Told:  # fmt: skip
        """Propose to admit whoever holds a new invitation, and give it out. Without an address it could not be taken:
        it names what strangers can reach, and with `lan`, or where there is no such address, what is near."""
        seat = self._seat(named)
        said, token = voting.invite(seat, college, days, words)
        index = await self._send(seat, proposals.PROPOSAL, said)
        kept = [each for each in seat.sources if not address.is_wild(each)]
        reach = (
            address.nearest(kept, lan) or address.nearest(kept, True) if kept else self._given(lan) or self._given(True)
        )
        made = invitation.Invitation(
            commons=seat.commons, proposal=index, token=token, log_key=seat.key.public, sources=tuple(reach)
        )
        told = await self._outcome(seat, index)
        return {"proposal": index, "invitation": str(made), "reach": address.reach(reach), **told}

    async def join(self, *, text: str) -> Told:
        """Take an invitation, and remember the community."""
        taken = invitation.parse(text)
        reach = checked([each for each in taken.sources if not address.is_wild(each)])
        if not reach:
            raise Malformed(
                "the invitation names no address that can be dialled", hint="ask for one made while the node runs"
            )
        key = Verifier(name=f"commons/{taken.commons}", public=taken.log_key)
        seat = Seat(commons=taken.commons, key=key, sources=tuple(reach))
        index = await self._send(seat, proposals.JOIN, voting.joining(self.home, taken))
        self.home.shelf.put_seat(seat.commons, key.public, list(seat.sources))
        return {"entry": index, "commons": seat.commons}

    async def follow(self, *, source: str, commons: str | None = None) -> Told:
        """Take part in, or only watch, the community whose log the node at `source` keeps. It is remembered once all of
        the log is verified, from the charter on, whose id is the community's name."""
        (at,) = checked([source])
        expected = ids.check_commons(commons) if commons else None
        read, commons = await self._log_at(at, expected)
        key = await audit.log_of(read, commons)
        cid = ids.check_cid(key.name.removeprefix("commons/"), "commons")
        if cid == self.home.commons and not self._is_later(key.public):
            raise Conflict("this home keeps the log of that community itself", hint="nothing to do")
        known = {seat: (before, sources) for seat, before, sources in self.home.shelf.seats()}
        before, sources = known.get(cid, (key.public, []))
        if cid == self.home.commons and (cid not in known or not self._is_later(before)):
            before = self.home.log.key.public
        state = await self._state(Seat(commons=cid, key=Verifier(name=key.name, public=before), sources=(at,)))
        others = [each for each in sources if each != at] if before == key.public else []
        self.home.shelf.put_seat(cid, key.public, [at, *others])
        return self._told(state)

    async def propose(
        self, *, action: str, named: str | None = None, dataset: str | None = None, access: str | None = None,
        of: str | None = None, file: str | None = None, **what: Any,
    ) -> Told:  # fmt: skip
        what = {name: value for name, value in what.items() if value is not None}
        named_options = {"dataset": dataset, "access": access, "of": of, "file": file}
        said = {name for name, value in named_options.items() if value is not None}
        options = {"target": "entry", "expires": "until"}
        voting.check_words(action, access, said | {options.get(name, name) for name in what if name != "words"})
        seat = self._seat(named)
        if action == "set-rule":
            state = await self._state(seat)
            cid = titles.find(dataset or "", lambda: titles.of_log(state)).cid
            what |= {"series": state.published(cid).entry.series, "rule": Rule(kind=access or "", college=of)}
        elif dataset is not None:
            what["dataset"] = str(self._named(dataset).cid)
        if action == "publish" and not what.get("words"):  # nobody can look it up in the log yet
            data = self.home.shelf.manifest(what["dataset"])
            value = manifest.open(data).value if data is not None else None
            what["words"] = (
                f"{value.title}, version {value.version}, {value.terms.licence}, access {value.rule}" if value else ""
            )
        if file is not None and action == "amend-charter":
            what["charter"] = charter.amended(file, (await self._state(seat)).founded)
        elif file is not None:
            what["custodians"] = file
        if action == "change-registrar":  # whoever proposes it offers to do it: only they have the key
            transfer.check_free(self.home, seat.commons)  # told now, not when the members have voted
            made = transfer.offer(self.home.keys, seat.commons, await self._state(seat), own=not seat.sources)
            made = replace(made, words=what.get("words", ""))
        else:
            made = voting.proposal(seat.commons, action, **what)
        index = await self._send(seat, proposals.PROPOSAL, made)
        return {"proposal": index, **await self._outcome(seat, index)}

    async def vote(self, *, proposal: int, choice: str, reason: str = "", named: str | None = None) -> Told:
        seat = self._seat(named)
        ballot = (await self._state(seat)).founded.ballot(proposal)
        seat = self._seat(named)  # the log may have changed hands
        said = Vote(
            commons=seat.commons, proposal=ballot.digest, choice=choice, reason=reason, time=int(time.time())
        )  # fmt: skip
        index = await self._send(seat, proposals.VOTE, said)
        return {"entry": index, **await self._outcome(seat, proposal)}

    async def _outcome(self, seat: Seat, proposal: int) -> Told:
        told = self._told(await self._state(seat), everything=True)
        return {"outcome": next(each for each in told["proposals"] if each["proposal"] == proposal)}

    # -- custody ------------------------------------------------------------------------------------------------------

    async def keep(self, *, named: str | None = None) -> Told:
        """Agree to keep shares of keys for a community."""
        return {"commons": followed.keep(self.home, self._seat(named).commons)}

    async def status(self) -> Told:
        """What this home is and holds, and whether its keys can be had from those who keep them."""
        told, kept = await asyncio.gather(super().status(), self._custody(self._own()))
        return {**told, "custody": kept}

    async def custody(self, *, named: str | None = None) -> Told:
        """Who keeps the shares of a community's keys, who of them is there, and whether that is enough."""
        return await self._custody(self._seat(named))

    async def _custody(self, seat: Seat) -> Told:
        state = await self._state(seat)
        policy = state.custodian_policy
        keeps = self.home.config.get("custody", [])
        if policy is None:
            return {"commons": seat.commons, "custodians": [], "warning": "", "keeps": keeps}
        known = self._custodians(policy, seat.sources)
        found = await client.reach(self._near(), known, policy, seat.commons)
        return {
            "commons": seat.commons, "warning": found.warning, "keeps": keeps,
            "custodians": [{"name": m.name, "peer": m.peer, "reachable": m.name in found.reachable,
                            "known": bool(known[m.peer]), "unready": m.name in found.unready} for m in policy.members],
        }  # fmt: skip

    async def pass_on(self, *, again: bool = False, named: str | None = None) -> Told:
        """Share what this home keeps of a community's keys among the custodians chosen since."""
        seat = self._seat(named)
        state = await self._state(seat)
        if (policy := state.custodian_policy) is None:
            raise Conflict(
                "this community has no custodians to whom shares could be passed on",
                hint="`commons community propose change-custodians --file FILE` first",
            )
        kept = {each.sharing: each for each in self.home.deposits.of(seat.commons)}
        sources = self._custodians(policy, seat.sources)
        done = await custodian.pass_on(self._near(), self.node.custodian, sources, seat.commons, again=again)
        rows = [{"series": kept[each].series.hex(), "epoch": kept[each].epoch, "titles": sorted({
                    known.entry.title for known in state.datasets.values()
                    if (known.entry.series, known.entry.epoch) == (kept[each].series, kept[each].epoch)
                })} for each in done]  # fmt: skip
        return {"commons": seat.commons, "to": [member.name for member in policy.members], "kept": len(kept),
                "passed": rows}  # fmt: skip

    def _custodians(self, policy: Policy, more: Sequence[str] = ()) -> dict[str, list[str]]:
        return followed.addresses(policy, [*more, *self.home.shelf.known()], self.home.keys.identity.peer)

    async def entrust(
        self, state: State, seat: Seat, series: bytes, epoch: int, terms: Terms, rule: Rule, before: bytes | None
    ) -> bytes | None:
        """The sharing of a key that custodians keep; None where the community has none. A version under the same key
        keeps the sharing of the one before, as long as its custodians are the same."""
        policy = state.custodian_policy
        if policy is None or rule.kind == "public":
            return None
        bound, generation = shared.binding(terms.digest(), rule), 0
        if before is not None:
            old = shared.open_sharing(before).value
            if (old.epoch, old.bound, old.policy) == (epoch, bound, str(policy)):
                return before
            generation = old.generation + 1
        return await client.entrust(
            self._near(), self.home.keys, self._custodians(policy, seat.sources), policy, commons=seat.commons,
            series=series, epoch=epoch, bound=bound, generation=generation,
        )  # fmt: skip

    def registrars_of(self, cid: str) -> list[str]:
        """Addresses of who answers requests for a dataset, as far as this home knows them; none for itself."""
        data = self.home.shelf.manifest(cid)
        if data is None:
            return []
        value = manifest.open(data).value
        return [a for a in registrars.known(self.home, value).among(self.home.shelf.known()) if a != HERE]

    def custodians_of(self, cid: str) -> list[str]:
        """Addresses of those who keep the key of a dataset, as far as this home knows them."""
        data = self.home.shelf.manifest(cid)
        value = manifest.open(data).value if data is not None else None
        if value is None or value.custody is None:
            return []
        found = self._custodians(shared.open_sharing(value.custody).value.parsed())
        now = self.home.log.state.custodian_policy if value.commons == self.home.commons else None
        if now is not None:  # and those who came after them
            found |= self._custodians(now)
        return [known for each in found.values() for known in each if known != HERE]

    async def statistics(
        self, *, source: str | None = None, named: str | None = None, since: int | None = None, until: int | None = None
    ) -> Told:
        """What the keepers of the gate did, from a log: its own, a community's, or any that is named."""
        if source is None:
            state = await self._state(self._seat(named))
        else:
            read, commons = await self._log_at(source if not Path(source).exists() else str(Path(source)), None)
            state = (await audit.audit(read, b"", commons, self.progress)).state
        return {"commons": state.commons, "datasets": standing.statistics(state, since, until)}
