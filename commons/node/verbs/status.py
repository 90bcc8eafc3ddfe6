"""The verbs of the node itself: how it stands, whom it knows, what it announces, and its owner's word."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

import commons.disk.backup
from commons.access import anchor, receipt, request
from commons.community import voting
from commons.core.crypto import ids
from commons.core.dataset import address, manifest, reference
from commons.core.dataset.address import is_peer
from commons.core.state import clock
from commons.datasets import holder
from commons.disk import damage
from commons.disk.kept import Kept
from commons.disk.shelf import OwnRequest
from commons.errors import CommonsError, Malformed, NotFound, StorageFailed
from commons.log import replica
from commons.node.verbs.context import Context, announced, checked, is_elsewhere, own_seat
from commons.node.verbs.custody import CustodyResult, reached
from commons.node.verbs.data import held
from commons.node.verbs.log import DamageShown, WordGiven
from commons.node.verbs.registry import verb
from commons.node.verbs.shapes import Spot, plain, result, told
from commons.witness import complaints, cosigning


@result
class GoOnResult:
    """How this home's log came to go on after it was opened."""

    free: Annotated[bool, "entries may be added"]
    time: Annotated[int | None, "when it was found out"]
    how: Annotated[str, "answered, alone, made or by word; empty where it was not asked"]
    who: Annotated[tuple[str, ...], "who answered, or did not"]
    words: Annotated[tuple[WordGiven, ...], "its owner's"]


@result
class BackupResult:
    """A home in one file."""

    path: Annotated[str, "the file"]
    bytes: Annotated[int, "its size"]
    made: Annotated[int, "when it was made"]
    delete_by: Annotated[int | None, "when the day begins by which it must be deleted; nothing where no day is set"]
    commons: Annotated[str, "the commons whose log is in it"]
    entries: Annotated[int, "of that log"]
    packs: Annotated[bool, "with the sealed data"]
    files: Annotated[int, "of the home, in it"]


@result
class DateResult:
    """What the clocks say."""

    clock: Annotated[int, "this machine's"]
    log: Annotated[int, "the last entry"]
    ahead: Annotated[int | None, "seconds by which that is ahead"]
    doubt: Annotated[str, "why nothing is dated by this clock; empty where it is"]
    witnesses: Annotated[int | None, "the median of their clocks"]
    members: Annotated[int | None, "the median of their clocks"]
    right: Annotated[int | None, "when the owner said that this clock is right, while that stands"]
    next: Annotated[str, "what to do about a doubt"]


@result
class WitnessCoverage:
    """How far this home's log is witnessed."""

    vkey: Annotated[str, "the log's key"]
    quorum: Annotated[bool, "the charter asks for witnesses"]
    entries: Annotated[int, "of the newest head"]
    covered: Annotated[int, "entries of the newest head that enough have signed"]
    missing: Annotated[str, "who is missing from the newest head"]


@result
class WithdrawalHeld:
    """A dataset that was withdrawn, and that this home held."""

    dataset: Annotated[str, "the dataset's id"]
    entry: Annotated[int, "of the withdrawal"]
    title: Annotated[str, "what it is called; empty where nobody knows any more"]
    dropped: Annotated[bool, "its packs are deleted here"]
    applied: Annotated[bool, "it is served here no longer"]
    request: Annotated[int | None, "the request by which it came here"]
    logged: Annotated[int | None, "the entry that says it was dropped here"]
    owed: Annotated[bool, "the log is still to be told"]
    why: Annotated[str, "it could not be told"]


@result
class RequestMade:
    """A request that this home made."""

    dataset: Annotated[str, "the dataset's id"]
    log: Annotated[str, "the key of the log, as a vkey"]
    request: Annotated[int | None, "its entry, once it is logged"]
    outcome: Annotated[str, "unsent, pending, grant, refuse, fetched or receipted"]
    reason: Annotated[str, "why"]
    key: Annotated[bool, "the dataset's key is here"]


@result
class Unfinished:
    """A dataset that is not whole here."""

    cid: Annotated[str, "its id"]
    title: Annotated[str, "what it is called"]
    packs: Annotated[Literal["begun", "incomplete"], "how much of it is here"]
    packs_missing: Annotated[int, "how many packs are not here"]


@result
class CommonsShown:
    """A commons that this home has to do with."""

    commons: Annotated[str, "its id"]
    name: Annotated[str, "what it is called; empty where its log was not read yet"]
    role: Annotated[Literal["registrar", "member", "follower"], "this home's part: it keeps the log, takes part, looks"]
    registrar: Annotated[str, "the peer id of who keeps the log, as far as is known here"]
    peer: Annotated[str, "the peer id under which this home takes part"]
    entries: Annotated[int, "of the log, that are here"]
    waiting: Annotated[int, "requests that wait for the steward, where this home keeps the log"]
    log: Annotated[str, "writable, or why nothing is added here"]
    next: Annotated[str, "what to do then"]
    stands_by: Annotated[bool, "this home takes requests while its registrar is away"]
    linked: Annotated[bool, "whoever sees this part and another of this home's sees that they are one peer's"]
    addresses: Annotated[tuple[str, ...], "where that peer can be dialled now"]


@result
class StatusResult:
    """What this home is and holds."""

    peer: Annotated[str, "its peer id"]
    home: Annotated[str, "its folder"]
    commons: Annotated[str, "the commons whose log it keeps"]
    name: Annotated[str, "what that is called"]
    entries: Annotated[int, "of the log"]
    addresses: Annotated[tuple[str, ...], "where peers can dial this node now"]
    door: Annotated[str | None, "the first URL of its plain door"]
    doors: Annotated[tuple[str, ...], "all of them"]
    announced: Annotated[tuple[str, ...], "what references of this node carry"]
    datasets: Annotated[int, "that the log lists"]
    waiting: Annotated[int, "requests that wait for the steward"]
    limited: Annotated[int, "requests that came too fast, and were not logged"]
    log: Annotated[str, "writable, or why it is not"]
    next: Annotated[str, "what to do then"]
    others: Annotated[tuple[CommonsShown, ...], "every other commons that this home has to do with"]
    resumed: Annotated[GoOnResult, "how the log came to go on"]
    dated: Annotated[DateResult, "what the clocks say"]
    damaged: Annotated[tuple[DamageShown, ...], "rows here that cannot be read"]
    witnessed: Annotated[WitnessCoverage, "this home's log"]
    forks: Annotated[Mapping[str, tuple[str, ...]], "logs that signed two histories: both heads, by the key"]
    kept: Annotated[Mapping[str, int], "openings that are kept here of others' logs: how many, by the commons"]
    withdrawn: Annotated[tuple[WithdrawalHeld, ...], "of what this home held"]
    my_requests: Annotated[tuple[RequestMade, ...], "by this home"]
    custody: Annotated[CustodyResult, "of this home's keys"]
    unfinished: Annotated[tuple[Unfinished, ...], "datasets"]


@result
class PeersResult:
    """The addresses that are remembered."""

    peers: Annotated[tuple[str, ...], "multiaddrs and URLs"]


@result
class AnnounceResult:
    """What references of this node carry from now on."""

    announce: Annotated[tuple[str, ...], "addresses"]
    warnings: Annotated[tuple[str, ...], "about some of them"]


FOLLOW_UP = 10.0  # seconds that `status` gives to registrars who may be away


@verb("node", reads=True)
async def status(c: Context) -> StatusResult:
    """What this home is and holds, which datasets are not whole in it, and whether its keys can be had from those who
    keep them. Asks again after requests that wait, delivers receipts still owed, drops what was withdrawn, and compares
    heads with the peers it knows; nothing of this where no answer could be kept."""
    here, kept = await asyncio.gather(_home(c), reached(c, own_seat(c)))
    names = ("cid", "title", "packs", "packs_missing")
    rows = [row for each in c.every() for row in held(each)]
    lacking = [{name: getattr(row, name) for name in names} for row in rows if row.packs in ("begun", "incomplete")]
    return told(StatusResult, **here, custody=plain(kept), unfinished=lacking)


async def _home(c: Context) -> dict[str, Any]:
    if not c.home.frozen:
        await asyncio.gather(*map(_catch_up, c.every()))
    first, keeping = c.home.first, c.node.at()
    log, state = first.log, first.log.state
    return {
        "peer": c.home.keys.identity.peer,
        "home": str(c.home.path),
        "commons": first.commons,
        "name": state.charter.name if state.charter else "",
        "entries": log.size,
        "addresses": list(c.node.addresses),
        "door": c.node.door,
        "doors": list(c.node.doors),
        "announced": announced(c),
        "datasets": len(state.datasets),
        "waiting": _waiting(first),
        "limited": sum(each.registrar.denied for node in c.node.every() for each in node.keeping.values()),
        "log": log.broken.message if log.broken else keeping.resuming.why() or "writable",
        "next": log.broken.hint if log.broken else "",
        "others": plain(await _others(c)),
        "resumed": first.resumption.told(),
        "dated": first.dating.told(),
        "damaged": [found.as_dict() for each in c.every() for found in _damage(each)],
        "witnessed": cosigning.standing(first),
        "forks": {key: heads for each in c.every() for key, heads in each.home.shelf.forks().items()},
        "kept": {
            seat: kept for each in c.every() for seat, _, _ in each.home.shelf.seats() if (kept := _kept(each, seat))
        },
        "withdrawn": [row for each in c.every() for row in holder.told(each.home)],
        "my_requests": [
            {
                "dataset": ask.dataset,
                "log": ask.log,
                "request": ask.request,
                "outcome": ask.outcome,
                "reason": ask.reason,
                "key": ask.secret is not None,
            }
            for each in c.every()
            for ask in each.home.shelf.asks()
        ],
    }


def _kept(c: Context, commons: str) -> int:
    return 0 if commons in c.home.kept else len(c.home.history(commons).kept())


def _waiting(kept: Kept) -> int:
    return sum(access.outcome == "pending" for access in [*kept.log.state.accesses.values()])


async def _others(c: Context) -> tuple[CommonsShown, ...]:
    """Every commons but the one that this home was made with."""
    rows = [row for each in c.every() for row in await _parts(each)]
    peers = Counter(row["peer"] for row in rows)
    first = c.home.first.commons
    return tuple(CommonsShown(**row, linked=peers[row["peer"]] > 1) for row in rows if row["commons"] != first)


async def _parts(c: Context) -> list[dict[str, Any]]:
    """The commons that one identity has to do with."""
    me, rows = c.home.keys.identity.peer, dict[str, dict[str, Any]]()

    def part(commons: str, name: str, entries: int, **more: Any) -> dict[str, Any]:
        bare = {"waiting": 0, "log": "others keep it", "next": "", "peer": me, "addresses": c.node.addresses}
        stands = commons in complaints.standing_by(c.home)
        return {**bare, "commons": commons, "name": name, "entries": entries, "stands_by": stands, **more}

    for each, kept in c.home.kept.items():
        state, broken = kept.log.state, kept.log.broken
        rows[each] = part(
            each,
            state.charter.name if state.charter else "",
            kept.log.size,
            role="registrar",
            registrar=me,
            waiting=_waiting(kept),
            log=broken.message if broken else c.node.at(each).resuming.why() or "writable",
            next=broken.hint if broken else "",
        )
    for each, key, _ in c.home.shelf.seats():
        if is_elsewhere(c, each, key):
            there, known = replica.of(c.home, each), None
            with contextlib.suppress(StorageFailed):  # damaged, which is told by itself
                known = c.home.shelf.keeper(each)
            await there.open()
            charter = there.state.charter if there.size else None
            mine = each in rows or bool(charter and me in there.state.founded.members)
            rows[each] = part(
                each,
                charter.name if charter else "",
                there.size,
                role="member" if mine else "follower",
                registrar=known[1] if known else charter.registrar if charter else "",
            )
    return [*rows.values()]


async def _catch_up(c: Context) -> None:
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(FOLLOW_UP):
            await asyncio.gather(_follow_ups(c), c.node.gossip.round())
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(FOLLOW_UP):
            await holder.mind(c.home, c.net, c.node.carrying)


def _damage(c: Context) -> list[damage.Damage]:
    """The rows here that cannot be read, of those that anything is done with."""
    c.node.gossip.known()
    for ask in c.home.shelf.asks():
        request.readable(c.home, ask)
    for each in c.node.custodian.logs:
        for kept in c.home.deposits.of(each):
            c.node.custodian.taken(kept)
    return c.home.damage()


async def _follow_ups(c: Context) -> None:
    for ask in c.home.shelf.asks():
        if ask.outcome in ("pending", "fetched"):
            await _follow_up(c, ask)


async def _follow_up(c: Context, ask: OwnRequest) -> None:
    data = c.home.shelf.manifest(ask.dataset)
    if data is None:
        return
    dataset, peers = manifest.open(data), c.home.shelf.known()
    with contextlib.suppress(CommonsError):  # it stays as it is, and status shows it
        if ask.outcome == "pending":
            listed = await anchor.check(c.home, c.near, peers, dataset)
            await request.resubmit(c.home, c.near, peers, listed, ask)
        else:
            await receipt.deliver(c.home, c.near, peers, dataset.value, ask)


@verb("node")
async def backup(c: Context, *, path: Spot, passphrase: str, packs: bool = False) -> BackupResult:
    """What is in the file at `path`, which is this home's backup now, with its sealed `packs` if they are asked for.
    Only the passphrase opens it; on the day that it names it has to be deleted. See docs/backup.md."""
    logs = [replica.of(each, commons) for each in c.home.every() for commons, _, _ in each.shelf.seats()]
    kept = [await log.kept_until() for log in logs]
    until = min((each for each in kept if each is not None), default=None)
    made = await asyncio.to_thread(commons.disk.backup.write, c.home, Path(path), passphrase, packs, c.progress, until)
    return told(BackupResult, **made)


@verb("node")
async def go_on(c: Context, *, named: str | None = None) -> GoOnResult:
    """How a log of this home's goes on, that of the commons it was made with where none is `named`: by its owner's
    word, where nobody who was asked says that it is the newest copy."""
    return told(GoOnResult, **await c.node.at(named).resuming.go_on())


@verb("node", reads=True)
async def date(c: Context, *, right: bool = False, commons: str | None = None) -> DateResult:
    """What the clocks say; with `right` the owner's word that this one is, for a log that this home keeps or that of a
    commons for which it keeps shares."""
    if commons is not None and ids.check_commons(commons) not in c.home.kept:
        return await date_of(c, commons, right)
    at = c.node.at(commons)
    await at.clocks.round()
    if right:
        at.kept.dating.right(int(at.kept.log.clock()))
        await voting.settle(at.kept.log)
    return told(DateResult, **at.kept.dating.told())


async def date_of(c: Context, commons: str, right: bool) -> DateResult:
    """The same of the log of a commons for which this home keeps shares."""
    kept = c.node.custodian.logs.get(commons)
    if kept is None:
        raise NotFound(f"this home keeps no shares for {commons}", hint="name a commons that it is a custodian of")
    await kept.follow()
    state = kept.replica.state
    now = int(c.home.first.log.clock() if c.home.begins else time.time())
    if right:
        c.home.give_word(state, now)
    word = c.home.word(commons)
    return DateResult(
        clock=now,
        log=state.time,
        ahead=clock.ahead(state.time, now),
        doubt="",
        next="",
        witnesses=None,
        members=None,
        right=word.time if word and word.holds(now) else None,
    )


@verb("node", reads=True)
async def peers(
    c: Context, *, add: str | None = None, remove: str | None = None, named: str | None = None
) -> PeersResult:
    """The addresses remembered, after adding or removing one; a peer's id removes all that are known of it. Each
    identity remembers its own: with `named` that by which this home takes part there."""
    if add is not None:
        c.home.shelf.add_peer(address.read(add))
    if remove is not None:
        known, said = c.home.shelf.peers(), remove.strip()
        gone = [each for each in known if said == each or (is_peer(each) and said == address.peer_of(each))]
        if not gone and (same := address.read(said)) in known:
            gone = [same]
        if not gone:
            raise NotFound(f"{said[:200]} is not remembered", hint="`commons peer list` shows who is")
        for each in gone:
            c.home.shelf.remove_peer(each)
    return PeersResult(peers=tuple(c.home.shelf.peers()))


@verb("node")
async def announce(c: Context, *, addresses: Sequence[str], named: str | None = None) -> AnnounceResult:
    """The addresses that references of this node carry from now on; those of the identity by which it takes part in the
    community that is `named`. Malformed for those of another node."""
    own, me = checked(addresses), c.home.keys.identity.peer
    for each in own:
        if is_peer(each) and address.peer_of(each) != me:
            raise Malformed(f"{each} is another node's address", hint=f"this node is {me}")
    if len(own) > reference.PARTS:
        raise Malformed(f"a reference has at most {reference.PARTS} addresses, these are {len(own)}")
    c.home.put_setting("announce", own)
    near = [f"{each} is dialled on the very machine where it is read" for each in own if address.is_loopback(each)]
    return AnnounceResult(announce=tuple(own), warnings=tuple(near))
