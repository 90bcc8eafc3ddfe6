"""The verbs of communities: take part, propose, vote, see how things stand, and keep a log that changes hands."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from hashlib import sha256
from typing import Annotated, Any, Literal

from commons.community import charter, invitation, status, transfer, voting
from commons.community.transfer import Copy
from commons.community.voting import Seat
from commons.core.crypto import envelope, ids
from commons.core.dataset import address, manifest
from commons.core.dataset.rule import Rule
from commons.core.state import proposals
from commons.core.state.community import Community
from commons.core.state.fold import State
from commons.core.state.proposals import Proposal, Vote
from commons.core.tlog.note import Verifier
from commons.errors import (
    CommonsError,
    Conflict,
    Pending,
    Refused,
    SplitView,
    TimedOut,
    Unreachable,
    Untrue,
)
from commons.log import audit, evidence, replica, titles
from commons.log.evidence import Nowhere
from commons.log.files import Read
from commons.node.local import own
from commons.node.verbs import context
from commons.node.verbs.context import Context, Folded, checked, given, is_elsewhere, log_at, read, seat
from commons.node.verbs.registry import verb
from commons.node.verbs.shapes import Source, result, told

Choice = Literal["yes", "no", "abstain"]


@result
class PowerShown:
    """Who decides about something."""

    action: Annotated[str, "what is decided"]
    rule: Annotated[str, "the text of the rule"]
    days: Annotated[int, "a proposal stays open"]


@result
class BallotCast:
    """One ballot."""

    peer: Annotated[str, "whose"]
    choice: Annotated[Choice, "what was chosen"]
    reason: Annotated[str, "why, as it was said"]


@result
class ProposalShown:
    """A proposal, and how it stands."""

    proposal: Annotated[int, "its entry, by which it is voted"]
    action: Annotated[str, "what is proposed"]
    about: Annotated[str, "about what, in a line"]
    means: Annotated[tuple[str, ...], "what would be so, in plain lines"]
    rules: Annotated[int | None, "the number of the rules that would come into force with it"]
    words: Annotated[str, "why, as its proposer said"]
    proposer: Annotated[str, "who proposed it"]
    standing: Annotated[str, "open, counted (it waits for witnesses), passed, rejected or expired"]
    closed: Annotated[int | None, "the entry that closed it"]
    why: Annotated[str, "it passed and had no effect"]
    deadline: Annotated[int, "until when ballots count"]
    taken: Annotated[int | None, "of an invitation: the entry of who joined"]
    ballots: Annotated[tuple[BallotCast, ...], "each"]
    yes: Annotated[int, "how many"]
    no: Annotated[int, "how many"]
    abstain: Annotated[int, "how many"]
    mine: Annotated[str | None, "this home's own choice"]
    witnesses: Annotated[str, "who is waited for, where it is counted"]
    missing: Annotated[str, "what it lacks, where it is open"]
    silent: Annotated[tuple[str, ...], "who has not voted, where it is open"]


@result
class CommunityResult:
    """How a community stands."""

    commons: Annotated[str, "its id"]
    name: Annotated[str, "what it is called"]
    purpose: Annotated[str, "what it is for"]
    registrar: Annotated[str, "who keeps its log"]
    heir: Annotated[str | None, "who was chosen, and has not taken the log over"]
    readers: Annotated[Literal["owner", "members", "public"], "who may read who asked for what"]
    colleges: Annotated[Mapping[str, tuple[str, ...]], "peer ids of the members, by college"]
    mine: Annotated[tuple[str, ...], "the colleges that this home is in"]
    powers: Annotated[tuple[PowerShown, ...], "who decides what"]
    ratchets: Annotated[tuple[str, ...], "what can only be made wider"]
    retention_days: Annotated[int | None, "after which it is forgotten who asked for what"]
    proposals: Annotated[tuple[ProposalShown, ...], "open ones; all where that was asked for"]
    withdrawn: Annotated[Mapping[str, int], "datasets, and the entry of each withdrawal"]
    faults: Annotated[int, "entries of the log that its rules do not allow"]
    rules: Annotated[int, "the number of those by which the next entry is judged"]
    outdated: Annotated[str, "why nothing is judged here any more, and what to do; empty where it is"]


@result
class InviteResult:
    """A proposal to admit somebody, and their invitation."""

    proposal: Annotated[int, "its entry"]
    invitation: Annotated[str, "for one person, in private"]
    reach: Annotated[str, "from where it can be taken"]
    outcome: Annotated[ProposalShown, "how the proposal stands"]


@result
class ProposeResult:
    """A proposal that is in the log."""

    proposal: Annotated[int, "its entry"]
    outcome: Annotated[ProposalShown, "how it stands"]


@result
class VoteResult:
    """A ballot that is in the log."""

    entry: Annotated[int, "of the ballot"]
    outcome: Annotated[ProposalShown, "how the proposal stands"]


@result
class VoteAtResult:
    """A ballot that the one who would keep a log has."""

    commons: Annotated[str, "whose log"]
    registrar: Annotated[str, "who would keep it"]
    choice: Annotated[Choice, "what was chosen"]


@result
class OfferResult:
    """This home offers to keep a log, and is not chosen yet."""

    taken: Annotated[Literal[False], "the log was not taken over"]
    wrong: Annotated[tuple[str, ...], "ballots that did not count, and why"]
    commons: Annotated[str, "whose log"]
    outcome: Annotated[ProposalShown | None, "how the offer stands"]
    addresses: Annotated[tuple[str, ...], "at which members vote"]


@result
class TakeOverResult:
    """This home keeps the log from now on."""

    taken: Annotated[Literal[True], "the log was taken over"]
    wrong: Annotated[tuple[str, ...], "ballots that did not count, and why"]
    commons: Annotated[str, "whose log"]
    entries: Annotated[int, "that it has now"]
    base: Annotated[int, "entries of the head it goes on from"]
    datasets: Annotated[int, "that it lists"]
    manifests: Annotated[int, "how many of them are described here"]
    requests: Annotated[int, "in it"]
    known: Annotated[int, "requests whose requester is known here"]


@result
class DatasetStatistics:
    """What the keepers of the gate did about one dataset."""

    title: Annotated[str, "what it is called"]
    version: Annotated[int, "of its series"]
    dataset: Annotated[str, "its id"]
    requests: Annotated[int, "how many"]
    granted: Annotated[int, "how many"]
    refused: Annotated[int, "how many"]
    waiting: Annotated[int, "how many"]
    median_seconds: Annotated[int | None, "from a request to its answer"]
    reasons: Annotated[Mapping[str, int], "how often each was given"]


@result
class StatisticsResult:
    """What the keepers of the gate did."""

    commons: Annotated[str, "by whose log"]
    datasets: Annotated[tuple[DatasetStatistics, ...], "those that were asked for"]


def _shown(c: Context, found: Folded, everything: bool = False) -> CommunityResult:
    me = c.home.keys.identity.peer
    return told(CommunityResult, **status.told(found.state, me, int(time.time()), everything, found.faults))


async def send(c: Context, at: Seat, kind: str, value: voting.Said) -> int:
    """The entry of what is signed and sent to the registrar, which may be this home."""
    if at.sources:
        return await voting.send(c.home, c.net, at, kind, value)
    return await c.node.at(at.commons).registrar.govern(voting.sign(c.home, kind, value))


async def _outcome(c: Context, at: Seat, proposal: int) -> ProposalShown:
    state = (await read(c, at)).state
    return told(ProposalShown, **status.proposal(state, c.home.keys.identity.peer, int(time.time()), proposal))


@verb("community", reads=True)
async def community(c: Context, *, named: str | None = None, everything: bool = False) -> CommunityResult:
    """How a community stands: members, powers, open proposals and what they lack; with `everything`, closed ones."""
    return _shown(c, await read(c, seat(c, named)), everything)


@verb("community")
async def invite(
    c: Context, *, college: str, days: int = 14, words: str = "", lan: bool = False, named: str | None = None
) -> InviteResult:
    """A proposal to admit whoever holds a new invitation, and the invitation. Without an address it could not be taken:
    it names what strangers can reach, and with `lan`, or where there is no such address, what is near."""
    at = seat(c, named)
    said, token = voting.invite(at, college, days, words)
    index = await send(c, at, proposals.PROPOSAL, said)
    kept = [each for each in at.sources if not address.is_wild(each)]
    reach = address.nearest(kept, lan) or address.nearest(kept, True) if kept else given(c, lan) or given(c, True)
    made = invitation.Invitation(
        commons=at.commons, proposal=index, token=token, log_key=at.key.public, sources=tuple(reach)
    )
    return InviteResult(
        proposal=index, invitation=str(made), reach=address.reach(reach), outcome=await _outcome(c, at, index)
    )


@verb("community")
async def follow(c: Context, *, source: str, commons: str | None = None) -> CommunityResult:
    """The community whose log the node at `source` keeps, in which this home takes part from now on, or which it only
    watches. It is remembered once all of the log is verified, from the charter on, whose id is the community's name."""
    (at,) = checked([source])
    expected = ids.check_commons(commons) if commons else None
    log, commons = await log_at(c, at, expected)
    key = await audit.log_of(log, commons) if commons is None else await _key(c, log, commons)
    cid = ids.check_cid(key.name.removeprefix("commons/"), "commons")
    if not is_elsewhere(c, cid, key.public):
        raise Conflict("this home keeps the log of that community itself", hint="nothing to do")
    known = {each: (before, sources) for each, before, sources in c.home.shelf.seats()}
    before, sources = known.get(cid, (key.public, []))
    if (own := c.home.kept.get(cid)) is not None and (cid not in known or not is_elsewhere(c, cid, before)):
        before = own.log.key.public
    found = await read(c, Seat(commons=cid, key=Verifier(name=key.name, public=before), sources=(at,)))
    others = [each for each in sources if each != at] if before == key.public else []
    c.home.shelf.put_seat(cid, key.public, [at, *others])
    return _shown(c, found)


async def _key(c: Context, log: Read, commons: str) -> Verifier:
    """The key under which a log is kept by now, as all of it bears out: it is in this home from then on."""
    kept = replica.of(c.home, commons)
    await kept.update(log, c.progress)
    return kept.log


@verb("community")
async def propose(
    c: Context,
    *,
    action: str,
    college: str | None = None,
    peer: str | None = None,
    dataset: str | None = None,
    access: str | None = None,
    of: str | None = None,
    target: int | None = None,
    expires: int | None = None,
    file: str | None = None,
    words: str = "",
    named: str | None = None,
) -> ProposeResult:
    """A proposal, on which its proposer has voted yes. See `core.state.actions` for what each action needs: `access`
    and `of` are a rule's kind and college, `target` an entry, `file` the text of a charter or of a policy."""
    said = {
        "college": college,
        "peer": peer,
        "dataset": dataset,
        "access": access,
        "of": of,
        "entry": target,
        "until": expires,
        "file": file,
    }
    voting.check_words(action, access, {name for name, value in said.items() if value is not None})
    at = seat(c, named)
    kept: dict[str, Any] = {"college": college, "peer": peer, "target": target, "expires": expires}
    what: dict[str, Any] = {name: value for name, value in kept.items() if value is not None}
    if action == "set-rule":
        state = (await read(c, at)).state
        cid = titles.find(dataset or "", lambda: titles.of_log(state)).cid
        what |= {"series": state.published(cid).entry.series, "rule": Rule(kind=access or "", college=of)}
    elif dataset is not None:
        what["dataset"] = str(context.meant(c, dataset).cid)
    if action == "publish" and not words:  # nobody can look it up in the log yet
        data = c.home.shelf.manifest(what["dataset"])
        value = manifest.open(data).value if data is not None else None
        words = f"{value.title}, version {value.version}, {value.terms.licence}, access {value.rule}" if value else ""
    number: int | None = None
    if file is not None and action == "amend-charter":
        founded = (await read(c, at)).state.founded
        what["charter"], number = charter.amended(file, founded), charter.number(file, founded)
    elif file is not None:
        what["custodians"] = file
    if action == "change-registrar":  # whoever proposes it offers to do it: only they have the key
        made = transfer.offer(c.home.keys, at.commons, (await read(c, at)).state, own=not at.sources)
        made = replace(made, words=words)
    else:
        made = voting.proposal(at.commons, action, words=words, **what)
    index = await send(c, at, *voting.spoken(made, number))
    return ProposeResult(proposal=index, outcome=await _outcome(c, at, index))


@verb("community")
async def vote(c: Context, *, proposal: int, choice: Choice, reason: str = "", named: str | None = None) -> VoteResult:
    """The ballot's entry, and what becomes of the proposal by it."""
    state = (await read(c, seat(c, named))).state
    state.check_known()  # a proposal that cannot be judged here is none to this home
    ballot = state.founded.ballot(proposal)
    at = seat(c, named)  # read again: the log may have changed hands
    said = Vote(commons=at.commons, proposal=ballot.digest, choice=choice, reason=reason, time=int(time.time()))
    index = await send(c, at, proposals.VOTE, said)
    return VoteResult(entry=index, outcome=await _outcome(c, at, proposal))


@verb("community", reads=True)
async def statistics(
    c: Context,
    *,
    source: Source | None = None,
    named: str | None = None,
    since: int | None = None,
    until: int | None = None,
) -> StatisticsResult:
    """What the keepers of the gate did, from a log: its own, a community's, or any that is named."""
    if source is None:
        state = (await read(c, seat(c, named))).state
    else:
        log, commons = await log_at(c, source, None)
        with replica.passing(commons, Nowhere()) as seen:
            await seen.update(log, c.progress)
        state = seen.state
    return told(StatisticsResult, commons=state.commons, datasets=status.statistics(state, since, until))


# -- a log that changes hands -----------------------------------------------------------------------------------------


@verb("community")
async def take_over(
    c: Context, *, source: Source | None = None, named: str | None = None, anew: bool = False
) -> OfferResult | TakeOverResult:
    """What was done of a take-over: this home offers to keep the log, or tells what its offer lacks, or, once the
    members have chosen it, writes the log that goes on. `source` shows the log, if its registrar does not; `anew`
    renews the offer.

    The order: the log is read and verified up to the head it goes on from; the ballots are folded; only then it is
    written, and takes its place in this home. A crash before that changes nothing.
    """
    at, me = seat(c, named), c.home.keys.identity.peer
    copied = await _copied(c, at, source)
    community = copied.state.founded
    wrong: list[str] = []
    if me not in community.members:
        raise Refused(f"{me} is no member of this commons, and a member keeps its log")
    if not _is_heir(community, me):
        if _is_heir(copied.newest.community, me):
            raise Pending("you are chosen, and no head that says so is witnessed yet", hint="repeat this later")
        if not at.sources:
            raise Conflict(
                "this home keeps that log",
                hint="another community's, which you have joined, is named with --in; for this one, `commons "
                "community propose change-registrar` first",
            )
        proposal = _bid(c, at, copied.state, anew)
        wrong = transfer.add(copied, [proposal, *transfer.Bids(c.home).ballots(proposal)])
        if not _is_heir(community, me):
            return _offered(c, copied.state, proposal, wrong)
    if at.sources:
        await transfer.check_newest(c.net, copied)
    else:  # what goes on from an old copy under another key leaves out as much
        await c.node.at(at.commons).resuming.check()
    records, signer = transfer.build(c.home, at.commons, copied)
    await c.node.rewrite(at.commons, records, signer)
    return TakeOverResult(
        taken=True,
        wrong=tuple(wrong),
        commons=at.commons,
        entries=len(records),
        base=copied.base.checkpoint.size,
        datasets=len(copied.state.datasets),
        manifests=await _manifests(c, at, copied.state),
        requests=len(copied.state.accesses),
        known=sum(index in copied.hidden for index in copied.state.accesses),
    )


def _is_heir(community: Community | None, peer: str) -> bool:
    return community is not None and community.heir is not None and community.heir.peer == peer


async def _copied(c: Context, at: Seat, source: Source | None) -> Copy:
    if not at.sources:
        return await transfer.copy(own(c.node.site, at.commons), at.commons, b"")
    log, _ = await log_at(c, source or at.sources[0], at.commons)
    trusted = c.home.shelf.head(at.key.vkey) or b""
    try:
        with evidence.recording(c.home, at.key.vkey):
            return await transfer.copy(log, at.commons, trusted)
    except SplitView:
        raise
    except Untrue:  # it may end before what was seen here: then its witnesses have to have signed it
        copied = await transfer.copy(log, at.commons, b"")
        if not trusted or not copied.state.charter or not copied.state.charter.witnesses:
            raise
        return copied


def _bid(c: Context, at: Seat, state: State, anew: bool) -> bytes:
    """The signed proposal of this home to keep that log, as it is collecting ballots."""
    found = c.home.shelf.bid(at.commons)
    if found is not None and not anew:
        return found[0]
    said = transfer.offer(c.home.keys, at.commons, state, own=False)
    proposal = voting.sign(c.home, proposals.PROPOSAL, said)
    c.home.shelf.put_bid(at.commons, proposal, sorted(state.community.members if state.community else ()))
    return proposal


def _offered(c: Context, state: State, proposal: bytes, wrong: Sequence[str]) -> OfferResult:
    shown = _shown(c, Folded(state), everything=True)
    digest = sha256(proposal).digest()
    ballots = state.community.ballots.values() if state.community else ()
    index = next((each.index for each in ballots if each.digest == digest), None)
    found = next((each for each in shown.proposals if each.proposal == index), None)
    return OfferResult(
        taken=False, wrong=tuple(wrong), commons=shown.commons, outcome=found, addresses=tuple(given(c, lan=True))
    )


async def _manifests(c: Context, at: Seat, state: State) -> int:
    """Fetch what the datasets of the log are described by, from where it was kept, as far as that answers."""
    count, sources = 0, at.sources[:1]
    for cid in state.datasets:
        if c.home.shelf.manifest(cid) is None and sources:
            try:
                data = await c.net.get(sources[0], f"/manifests/{cid}", limit=manifest.LIMIT)
                if ids.cid(data) == cid:
                    manifest.open(data)
                    c.home.shelf.put_manifest(ids.check_cid(cid), data, "seen", served=True)
            except (Unreachable, TimedOut):
                sources = ()  # it is not asked for each of the others
            except CommonsError:
                pass  # it has not this one
        count += c.home.shelf.manifest(cid) is not None
    return count


@verb("community")
async def vote_at(
    c: Context, *, address: str, choice: Choice, reason: str = "", named: str | None = None
) -> VoteAtResult:
    """Whose offer to keep a log, whose registrar does not answer, was voted on: that of the peer at `address`."""
    (at,) = checked([address])
    commons = seat(c, named).commons
    proposal = await c.net.get(at, f"/{commons}/succession", limit=transfer.LIMIT)
    said = envelope.open(proposals.PROPOSAL, Proposal, proposal, transfer.LIMIT)
    if (said.value.commons, said.value.action, said.value.peer) != (commons, "change-registrar", said.signer):
        raise Untrue("what is offered there is not to keep the log of this commons")
    ballot = voting.sign(
        c.home,
        proposals.VOTE,
        Vote(
            commons=commons,
            proposal=sha256(proposal).digest(),
            choice=choice,
            reason=reason,
            time=int(time.time()),
        ),
    )
    if await c.net.post(at, f"/{commons}/succession", ballot, limit=64) != sha256(ballot).digest():
        raise Untrue("it kept something else than this ballot")
    return VoteAtResult(commons=commons, registrar=said.signer, choice=choice)
