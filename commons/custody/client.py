"""Keys kept together: a publisher entrusts shares to custodians, who pass them on to others; a requester gathers enough
of them; anybody asks how many are there.

All custodians are asked at once. Who gave a wrong share is known at once and by name, for the publisher committed to
each of them; how a custodian decides is `custodian`'s.
"""

from __future__ import annotations

import asyncio
import hashlib
import random
import secrets
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TypeVar

from commons.core.crypto import codec
from commons.core.crypto.envelope import Opened
from commons.core.crypto.keys import Keys
from commons.core.state.entries import Asked
from commons.core.tlog.policy import Policy
from commons.custody import handover, sharing
from commons.custody.handover import Claim, Given, Handover
from commons.custody.sharing import CustodyKey, Sharing
from commons.errors import CommonsError, Malformed, NotFound, TimedOut, Unreachable, Untrue
from commons.log.answer import Checked
from commons.net.network import Network, evidence_in, first

T = TypeVar("T")
Sources = Mapping[str, Sequence[str]]  # custodians, by peer id, to their addresses

PATIENCE = 20.0  # seconds for one custodian's answer
FEW = 8  # custodians that are all asked at once; of more, at first as many as are needed
HEDGE = 0.5  # seconds without an answer after which the others are asked too


# -- who gives away --------------------------------------------------------------------------------------------------


async def entrust(
    net: Network, keys: Keys, sources: Sources, rule: Policy, *, commons: str, series: bytes, epoch: int, bound: bytes,
    generation: int = 0, patience: float = PATIENCE,
) -> bytes:  # fmt: skip
    """The signed sharing, once every custodian of `rule` has kept their share of the epoch's secret; the error says who
    did not. Repeat it with the next generation."""
    known = await keys_of(net, sources, rule, commons, patience)
    shared, deposits = sharing.deposit(
        keys.epoch(series, epoch), known, keys.identity, secrets.token_bytes, commons=commons, series=series,
        epoch=epoch, bound=bound, rule=rule, generation=generation,
    )  # fmt: skip
    await place(net, sources, rule, commons, shared, deposits, patience)
    return shared


async def keys_of(
    net: Network, sources: Sources, rule: Policy, commons: str, patience: float
) -> dict[str, Opened[CustodyKey]]:
    """The custody key of each custodian, by name; an error says who gave none."""
    peers = rule.custodians()

    async def ask(peer: str, source: str) -> Opened[CustodyKey]:
        return sharing.open_key(await net.get(source, f"/{commons}/custody-key", limit=4096), commons, peer)

    found, failed = await _all(sources, list(peers.values()), ask, patience)
    if failed:
        raise _lacking("no key is known of", failed)
    return {name: found[peer] for name, peer in peers.items()}


async def place(
    net: Network,
    sources: Sources,
    rule: Policy,
    commons: str,
    sharing: bytes,
    deposits: Mapping[str, bytes],
    patience: float,
) -> None:
    """Nothing, once each custodian has kept their deposit, durably; the error says who did not."""
    names = {peer: name for name, peer in rule.custodians().items()}

    async def give(peer: str, source: str) -> None:
        got = await net.post(source, f"/{commons}/deposits", deposits[names[peer]], limit=4096)
        if got != hashlib.sha256(sharing).digest():
            raise Untrue("it kept something else")

    _, failed = await _all(sources, list(names), give, patience)
    if failed:
        raise _lacking("no share was kept by", failed)


# -- the requester ---------------------------------------------------------------------------------------------------


@dataclass(slots=True, kw_only=True)
class GatheredShares:
    """A secret that was gathered; the shares that were given, by the custodian's peer id; and why others had given none
    by then."""

    secret: bytes
    given: dict[str, tuple[Given, ...]]
    failed: dict[str, CommonsError]
    liars: tuple[str, ...]  # who sent what was not their share, or not for this request, or shared falsely


async def gather(
    net: Network, sources: Sources, root: Opened[Sharing], said: Opened[Asked], given: bytes, checked: Checked,
    witnessed: bytes, seed: bytes, patience: float = PATIENCE,
) -> GatheredShares:  # fmt: skip
    """The secret, as soon as enough custodians gave their shares. `given` are the bytes of the registrar's Answer that
    was `checked`, `witnessed` the head that `quorum.check` found, `seed` the private key of the statement; `root`, the
    publisher's sharing, was compared with the manifest. `sources` holds whoever may have shares: its custodians, and
    those who came after them.

    All are asked at once; of more than `FEW`, those needed and some more, chosen by chance, and others as soon as one
    of them fails, or nothing came for `HEDGE`. A silent one costs `patience` at most, a lying one nothing. Where too
    few gave theirs, the error is of the kind that all of them gave, else Unreachable, with each one's reason.
    """
    claim = Claim(statement=said.data, answer=given, witnessed=witnessed, sharing=sharing.digest(root))
    body = codec.encode(claim)
    secret, false = None, frozenset[str]()

    async def ask(peer: str, source: str) -> tuple[Given, ...]:
        got = await net.post(source, f"/{root.value.commons}/shares", body, limit=handover.LIMIT)
        parts = codec.decode(Handover, got, handover.LIMIT).parts
        return tuple(
            handover.receive(part, peer, root, said, checked.request, checked.decision or 0, seed) for part in parts
        )

    def enough(found: Mapping[str, tuple[Given, ...]]) -> bool:
        nonlocal secret, false
        there = [each for parts in found.values() for each in parts]
        if handover.suffices(root, there):
            secret, false = handover.assemble(root, there)
        return secret is not None

    order, first_of_all = _order(root.value, list(sources))
    found, failed = await _all(sources, order, ask, patience, enough, first_of_all)
    liars = false | {peer for peer, error in failed.items() if isinstance(error, Untrue | Malformed)}
    if secret is None:
        there = [each for parts in found.values() for each in parts]
        if false:
            raise Untrue(f"the key was shared falsely by {', '.join(sorted(false))}", hint="ask its publisher")
        raise _lacking(f"too few custodians gave their shares ({handover.missing(root, there)} missing):", failed)
    return GatheredShares(secret=secret, given=found, failed=failed, liars=tuple(sorted(liars)))


def _order(sharing: Sharing, peers: list[str]) -> tuple[list[str], int]:
    """The custodians in the order of asking, by chance, and how many of them to ask at first."""
    random.shuffle(peers)
    names, rule = {peer: name for name, peer in sharing.peers().items()}, sharing.parsed()
    chosen = [peer for peer in peers if peer in names]
    if len(peers) <= FEW or not rule.met([names[peer] for peer in chosen]):
        return peers, len(peers)
    for peer in [*chosen]:  # whoever is not needed, leaves
        rest = [each for each in chosen if each != peer]
        if rule.met([names[each] for each in rest]):
            chosen = rest
    others = [peer for peer in peers if peer not in chosen]
    return [*chosen, *others], len(chosen) + 1 + len(chosen) // 8


# -- who is there ----------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """How a shared key stands. `reachable` custodians answer; `missing` says in words whom they lack; without one of
    the `critical` ones the rest would not suffice; the `unready` answer, and have not agreed to keep shares."""

    reachable: tuple[str, ...]
    custodians: int
    missing: str
    critical: tuple[str, ...]
    unready: tuple[str, ...] = ()

    @property
    def warning(self) -> str:
        """The sentence by which `commons status` warns; "" where no loss is near."""
        there, whole = len(self.reachable), self.custodians
        count = f"{there} of {whole} custodian{'s' * (whole != 1)} {'is' if 1 in (there, whole) else 'are'} reachable"
        if self.missing:
            return f"{count}, and nobody can get this key: {self.missing} missing"
        if self.critical:
            return (
                f"{count}; without {' or '.join(self.critical)} nobody could get this key, and the data would be lost"
            )
        return ""


def standing(rule: Policy, reachable: Collection[str]) -> Standing:
    """How a key stands that is shared by `rule`, if these are the custodians who can be reached."""
    there = tuple(name for name in rule.leaves() if name in reachable)
    critical = tuple(name for name in there if not rule.met(set(there) - {name})) if rule.met(there) else ()
    return Standing(reachable=there, custodians=len(rule.leaves()), missing=rule.missing(there), critical=critical)


async def reach(net: Network, sources: Sources, rule: Policy, commons: str, patience: float = PATIENCE) -> Standing:
    """How a shared key stands now: which of the custodians answer, and say by a signature that they keep shares for
    this commons."""
    peers = rule.custodians()

    async def ask(peer: str, source: str) -> object:
        return sharing.open_key(await net.get(source, f"/{commons}/custody-key", limit=4096), commons, peer)

    found, failed = await _all(sources, list(peers.values()), ask, patience)
    unready = tuple(name for name, peer in peers.items() if isinstance(failed.get(peer), NotFound))
    return replace(standing(rule, [name for name, peer in peers.items() if peer in found]), unready=unready)


# -- all at once -----------------------------------------------------------------------------------------------------


async def _all(
    sources: Sources,
    peers: Sequence[str],
    ask: Callable[[str, str], Awaitable[T]],
    patience: float,
    enough: Callable[[Mapping[str, T]], bool] = lambda found: False,
    at_first: int | None = None,
) -> tuple[dict[str, T], dict[str, CommonsError]]:
    """What each of `peers` answered, or why not; until all have, or it is `enough`. Nobody is waited for longer than
    `patience`, and what is under way when it ends is cancelled. Only so many are asked `at_first`: one more for each
    that fails, and all of them when nothing came for `HEDGE`."""
    found, failed = dict[str, T](), dict[str, CommonsError]()

    async def one(peer: str) -> None:
        try:
            async with asyncio.timeout(patience):
                found[peer] = await first(sources.get(peer, ()), "a custodian", lambda source: ask(peer, source))
        except TimeoutError:
            failed[peer] = TimedOut(f"it did not answer within {patience:g} s")
        except CommonsError as error:
            failed[peer] = error

    waiting = list(peers[at_first:]) if at_first is not None else []
    pending = {asyncio.create_task(one(peer)) for peer in peers[: len(peers) - len(waiting)]}
    try:
        while not enough(found) and pending:
            wrong = len(failed)
            done, pending = await asyncio.wait(
                pending, timeout=HEDGE if waiting else None, return_when=asyncio.FIRST_COMPLETED
            )
            for task in done:
                task.result()
            more = len(failed) - wrong if done and pending else len(waiting)
            pending |= {asyncio.create_task(one(peer)) for peer in waiting[:more]}
            waiting = waiting[more:]
    finally:
        for task in pending:
            task.cancel()
        await asyncio.gather(*pending, return_exceptions=True)
    return found, failed


def _lacking(what: str, failed: Mapping[str, CommonsError]) -> CommonsError:
    """One error for what several custodians said: of the kind they agree on, else Unreachable."""
    said = "; ".join(f"{peer}: {error.message}" for peer, error in sorted(failed.items()))
    kinds = {type(error) for error in failed.values()}
    kind = next(iter(kinds)) if len(kinds) == 1 else Unreachable
    hints = [error.hint for error in failed.values() if error.hint]
    return kind(f"{what} {said or 'nobody'}", hint=hints[0] if hints else "", evidence=evidence_in(failed.values()))
