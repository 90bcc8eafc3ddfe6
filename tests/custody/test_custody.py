"""Shared custody whole: custodians that follow a log and decide by themselves, a requester who gathers, and the lies.

Everything is real but the line between them: `Inside` calls a custodian's functions where a node would post to it.
"""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Awaitable, Callable
from contextlib import ExitStack, closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from commons.core.crypto import codec, envelope, hpke, ids
from commons.core.crypto.envelope import Opened
from commons.core.crypto.keys import Signer
from commons.core.dataset import manifest, pack
from commons.core.dataset.reference import parse
from commons.core.dataset.rule import Rule
from commons.core.dataset.terms import DAY
from commons.core.state.clock import Word
from commons.core.state.entries import Asked
from commons.core.tlog import note, policy
from commons.core.tlog.policy import Policy
from commons.custody import client as keeping
from commons.custody import handover, shares
from commons.custody import sharing as custody
from commons.custody.client import GatheredShares, gather, standing
from commons.custody.custodian import Custodian, check_release, pass_on
from commons.custody.handover import Claim, Handover, Part
from commons.custody.misconduct import accuse, judge
from commons.custody.sharing import Sharing
from commons.disk.deposits import Deposits
from commons.disk.shelf import Shelf
from commons.errors import (
    CommonsError,
    Conflict,
    Gone,
    Malformed,
    NotFound,
    Pending,
    Refused,
    SplitView,
    StorageFailed,
    TimedOut,
    TooMany,
    Undated,
    Unreachable,
    Untrue,
)
from commons.log.answer import Answer, Checked, Submission
from commons.log.answer import check as check_answer
from commons.log.replica import Followed
from commons.net.limits import Buckets
from tests.conftest import LIMIT
from tests.crash_driver import in_child
from tests.keeper import ALICE, BOB, EVE, KEEPERS, SERIES, T0, TERMS, Keeper, custodians, followed

SECRET = ALICE.epoch(SERIES, 0)
Hand = Callable[[str, bytes, str | None], Awaitable[bytes]]


def peer(n: int) -> str:
    return KEEPERS[n].identity.peer


def only(data: bytes) -> Part:
    (part,) = codec.decode(Handover, data).parts
    return part


class Inside:
    """The line between a party and the custodians, in one process. `caller` is who a node's stream would have proved;
    `lies` take a custodian's place."""

    def __init__(self, town: Town, caller: str | None = None, lies: dict[str, Hand] | None = None) -> None:
        self.town, self.caller, self.lies, self.asked = town, caller, lies or {}, list[str]()

    async def get(self, source: str, path: str, *, limit: int, span: tuple[int, int] | None = None) -> bytes:
        if source not in self.town.custodians or source in self.lies:
            raise Unreachable(f"{source} is away")
        return self.town.custodians[source].announce(path.split("/")[1])

    async def post(self, source: str, path: str, body: bytes, *, limit: int) -> bytes:
        _, commons, what = path.split("/")
        self.asked.append(source)
        if source in self.lies:
            return await self.lies[source](commons, body, self.caller)
        if source not in self.town.custodians:
            raise Unreachable(f"{source} is away")
        custodian = self.town.custodians[source]
        await asyncio.sleep(0)
        if what == "deposits":
            return await custodian.deposit(commons, body)
        return await custodian.hand(commons, body, self.caller)


class Town:
    """A log, and custodians who each follow it by their own reading."""

    def __init__(self, folder: Path, stack: ExitStack, rule: Policy, **charter: Any) -> None:
        self.log, self.rule = Keeper(**charter), rule
        self.custodians: dict[str, Custodian] = {}
        self.followers: dict[str, Followed] = {}
        self.shelves: dict[str, Shelf] = {}
        self.folder = folder
        for n, name in enumerate(rule.leaves()):
            shelf = self.shelves[name] = stack.enter_context(closing(Shelf(folder / f"{name}.shelf")))
            deposits = stack.enter_context(closing(Deposits(folder / f"{name}.deposits")))
            self.followers[name] = followed(self.log.read, self.log.commons, shelf)
            self.custodians[name] = Custodian(
                KEEPERS[n], deposits, {self.log.commons: self.followers[name]}, lambda: self.log.clock
            )
        self.sources = {KEEPERS[n].identity.peer: [name] for n, name in enumerate(rule.leaves())}

    async def entrust(self, access: Rule | None = None, **words: Any) -> Opened[Sharing]:
        bound = custody.binding(TERMS, access or Rule(kind="acknowledge"))
        said = {"commons": self.log.commons, "series": SERIES, "epoch": 0, "bound": bound, **words}
        rule = said.pop("rule", self.rule)
        return custody.open_sharing(await keeping.entrust(Inside(self), ALICE, self.sources, rule, **said))

    async def gather(
        self, said: Opened[Asked], sharing: Opened[Sharing], given: tuple[bytes, Checked] | None = None,
        patience: float = LIMIT, lies: dict[str, Hand] | None = None, caller: str | None = None,
    ) -> GatheredShares:  # fmt: skip
        data, checked = given or self.log.granted(said)
        return await gather(
            Inside(self, caller, lies), self.sources, sharing, said, data, checked, checked.head.note,
            BOB.hpke_seed(said.value.nonce), patience,
        )  # fmt: skip

    def claim(
        self, said: Opened[Asked], sharing: Opened[Sharing], given: bytes | None = None, witnessed: bytes | None = None
    ) -> bytes:  # fmt: skip
        data = given if given is not None else self.log.granted(said)[0]
        if witnessed is None:
            try:
                witnessed = codec.decode(Answer, data).head
            except CommonsError:  # a lie
                witnessed = self.log.head()
        return codec.encode(
            Claim(statement=said.data, answer=data, witnessed=witnessed, sharing=custody.digest(sharing))
        )  # fmt: skip

    async def hand(self, claim: bytes, name: str = "c0", caller: str | None = None) -> bytes:
        return await self.custodians[name].hand(self.log.commons, claim, caller)

    def everything_given(self) -> int:
        return sum(len(custodian.deposits.releases()) for custodian in self.custodians.values())


Built = tuple[Town, Opened[Sharing], Opened[Asked]]


@pytest.fixture
def build(tmp_path: Path) -> Any:
    with ExitStack() as stack:
        yield lambda rule=None, **charter: Town(tmp_path, stack, rule or custodians(3, 2), **charter)


@pytest.fixture
async def town(build: Any) -> Built:
    """Three custodians of whom two suffice; Bob asked and was granted."""
    made = build()
    dataset = made.log.publish()
    sharing = await made.entrust()
    said = made.log.ask(BOB, dataset)
    made.log.decide()
    return made, sharing, said


async def test_a_requester_gets_the_key_from_custodians_and_the_publisher_is_not_asked(town: Built) -> None:
    made, sharing, said = town
    custody.check_sharing(
        sharing, ALICE.identity.peer, made.log.commons, SERIES, 0, TERMS, Rule(kind="acknowledge")
    )  # fmt: skip
    got = await made.gather(said, sharing)
    assert got.secret == SECRET
    assert len(got.given) >= 2
    for (each,) in got.given.values():
        released = each.released
        assert accuse(released.data, made.log.charter, [made.log.shown(n) for n in range(4)]) == ""
        assert judge(released.data, made.log.data) == ""
        assert (released.value.request, released.value.decision, released.value.requester) == (2, 3, BOB.identity.peer)
    assert made.everything_given() >= 2


async def test_a_damaged_deposit_withholds_no_other_of_the_same_secret(town: Built) -> None:
    made, sharing, said = town
    deposits = made.custodians["c0"].deposits
    (kept,) = deposits.of(made.log.commons)
    other = replace(kept, sharing=bytes(32), data=kept.data[:-9] + bytes([kept.data[-9] ^ 1]) + kept.data[-8:])
    deposits.put(other)
    claim = made.claim(said, sharing)
    assert only(await made.hand(claim)).below == ()
    assert [(each.table, each.row) for each in deposits.unread.all()] == [("c0.deposits deposits", bytes(32).hex())]
    assert await pass_on(Inside(made), made.custodians["c0"], made.sources, made.log.commons, LIMIT) == []
    deposits._db.execute("UPDATE deposits SET data = ?", (other.data,))
    with pytest.raises(StorageFailed, match="is damaged"):
        await made.hand(claim)
    assert (await made.gather(said, sharing)).secret == SECRET  # the others suffice


async def test_two_colleges_must_both_give(build: Any) -> None:
    people = "\n".join(f"member c{n} {KEEPERS[n].identity.peer}" for n in range(4))
    rule = policy.parse(f"{people}\ngroup w 2 c0 c1 c2\ngroup u any c3\ngroup both all w u\nquorum both")
    made = build(rule)
    dataset = made.log.publish()
    sharing = await made.entrust()
    said = made.log.ask(BOB, dataset)
    made.log.decide()
    assert (await made.gather(said, sharing)).secret == SECRET

    async def away(commons: str, body: bytes, caller: str | None) -> bytes:
        raise Unreachable("away")

    assert (await made.gather(said, sharing, lies={"c1": away})).secret == SECRET
    with pytest.raises(Unreachable, match="c3 missing"):
        await made.gather(said, sharing, lies={"c3": away})


# -- custodians that lie ----------------------------------------------------------------------------------------------


def liar(town: Built, name: str, share: bytes | None = None, **lies: Any) -> Hand:
    """Signs what an honest custodian would, but for these fields, and seals another share."""
    made, _, said = town

    async def hand(commons: str, body: bytes, caller: str | None) -> bytes:
        keys = made.custodians[name].keys
        (part,) = codec.decode(Handover, await made.custodians[name].hand(commons, body, caller)).parts
        value = replace(handover.open_released(part.released).value, **lies)
        if share is not None:
            value = replace(value, sealed=custody.seal(share, said.value.hpke, replace(value, sealed=b"")))
        lie = replace(part, released=envelope.sign(handover.RELEASED, value, keys.identity))
        return codec.encode(Handover(parts=(lie,)))

    return hand


async def test_a_wrong_share_is_known_at_once_and_its_giver_by_name(town: Built) -> None:
    made, sharing, said = town
    got = await made.gather(said, sharing, lies={"c0": liar(town, "c0", os.urandom(32))})
    assert (got.secret, got.liars, set(got.given)) == (SECRET, (peer(0),), {peer(1), peer(2)})


async def test_another_datasets_share_is_a_wrong_share(town: Built) -> None:
    made, sharing, said = town
    other = await made.entrust(series=bytes(16), epoch=0)
    kept = made.custodians["c1"].deposits.kept(custody.digest(other))
    assert kept is not None
    share = custody.take(kept.data, KEEPERS[1].identity.peer, KEEPERS[1].custody()).share
    for lies in ({}, {"sharing": custody.digest(other)}, {"dataset": made.log.commons}):
        got = await made.gather(said, sharing, lies={"c1": liar(town, "c1", share, **lies)})
        assert (got.secret, got.liars) == (SECRET, (peer(1),))


async def test_custodians_that_give_nothing_give_an_error_or_garbage_cost_nothing(town: Built) -> None:
    made, sharing, said = town

    async def empty(commons: str, body: bytes, caller: str | None) -> bytes:
        return b""

    async def refuses(commons: str, body: bytes, caller: str | None) -> bytes:
        raise Refused("no")

    async def garbage(commons: str, body: bytes, caller: str | None) -> bytes:
        return os.urandom(300)

    async def anothers(commons: str, body: bytes, caller: str | None) -> bytes:
        return await made.custodians["c1"].hand(commons, body, caller)

    for lie, named in ((empty, True), (refuses, False), (garbage, True), (anothers, True)):
        got = await made.gather(said, sharing, lies={"c0": lie})
        assert got.secret == SECRET
        assert (got.liars == (peer(0),)) == named


async def test_a_silent_custodian_is_not_waited_for_when_others_suffice(town: Built) -> None:
    made, sharing, said = town
    ended = []

    async def hangs(commons: str, body: bytes, caller: str | None) -> bytes:
        try:
            await asyncio.sleep(3600)
        finally:
            ended.append(True)
        return b""

    got = await made.gather(said, sharing, lies={"c0": hangs}, patience=3600)
    assert got.secret == SECRET
    assert ended == [True]
    with pytest.raises(TimedOut, match=r"12D3\w+: it did not answer within 0.05 s"):
        await made.gather(said, sharing, lies={"c0": hangs, "c1": hangs, "c2": hangs}, patience=0.05)


async def test_too_few_right_shares_give_no_key_and_everybodys_reason(town: Built) -> None:
    made, sharing, said = town
    wrong = {name: liar(town, name, os.urandom(32)) for name in ("c0", "c2")}
    with pytest.raises(Untrue, match=r"the share of c[02] is not the one.*the share of c[02]"):
        await made.gather(said, sharing, lies=wrong)
    with pytest.raises(Unreachable, match="no source is known for a custodian"):
        await gather(
            Inside(made), {peer(0): ["c0"], peer(1): []}, sharing, said, *made.log.granted(said), made.log.head(),
            BOB.hpke_seed(said.value.nonce),
        )  # fmt: skip


async def test_a_key_that_its_publisher_shared_falsely_names_the_publisher(
    build: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every share is as it was committed to, and together they are not the secret that was promised."""
    made = build()
    dataset = made.log.publish()
    true = shares.commitment
    with monkeypatch.context() as patch:  # of the publisher alone
        patch.setattr(shares, "commitment", lambda value, what: true(bytes(32) if what == "secret" else value, what))
        sharing = await made.entrust()
    said = made.log.ask(BOB, dataset)
    made.log.decide()
    with pytest.raises(Untrue, match=f"shared falsely by {ALICE.identity.peer}"):
        await made.gather(said, sharing)


async def test_a_requester_asks_many_at_once(build: Any) -> None:
    made = build(custodians(16, 9))
    dataset = made.log.publish()
    sharing = await made.entrust()
    said = made.log.ask(BOB, dataset)
    made.log.decide()

    together = asyncio.Barrier(9)  # as many as are needed: nobody answers until nine were asked

    def waits(name: str) -> Hand:
        async def hand(commons: str, body: bytes, caller: str | None) -> bytes:
            await together.wait()
            return await made.custodians[name].hand(commons, body, caller)

        return hand

    got = await made.gather(said, sharing, lies={name: waits(name) for name in made.custodians}, patience=3600)
    assert got.secret == SECRET


@pytest.mark.parametrize(
    ("count", "need", "there", "first"),
    [(8, 2, 8, 8), (9, 2, 9, 3), (9, 9, 9, 11), (16, 9, 16, 11), (12, 10, 9, 9), (12, 10, 11, 12)],
)
def test_as_many_custodians_are_asked_at_first_as_suffice_and_some_more(
    count: int, need: int, there: int, first: int
) -> None:
    """All of a few; and all where those who are there do not suffice, whom others may have come after."""
    rule = custodians(count, need)
    data, _ = Keeper().deposit(SECRET, rule, os.urandom)
    peers = [peer(n) for n in range(there)]
    order, at_first = keeping._order(custody.open_sharing(data).value, [*peers])
    assert (sorted(order), at_first) == (sorted(peers), first)


@pytest.mark.parametrize("hedge", [3600.0, 0.01])
async def test_for_each_that_fails_one_more_is_asked_and_all_where_nobody_is_left_or_nothing_comes(
    monkeypatch: pytest.MonkeyPatch, hedge: float
) -> None:
    monkeypatch.setattr(keeping, "HEDGE", hedge)
    asked, going = list[str](), asyncio.Event()

    async def ask(who: str, source: str) -> str:
        asked.append(who)
        if who in "ax":
            raise Refused("no")
        if who == "b" or (who == "c" and hedge < 1):
            await going.wait()
        return who

    sources = {each: [each] for each in "abcdexy"}
    found, failed = await keeping._all(sources, "abcde", ask, LIMIT, lambda found: bool(found), 2)
    if hedge > 1:
        assert (asked, [*found], [*failed]) == (["a", "b", "c"], ["c"], ["a"])
    else:
        assert (sorted(asked), [*failed]) == (["a", "b", "c", "d", "e"], ["a"])
    asked.clear()
    found, failed = await keeping._all(sources, "xdy", ask, LIMIT, at_first=1)
    assert (asked, sorted(found), [*failed]) == (["x", "d", "y"], ["d", "y"], ["x"])


@pytest.mark.parametrize("missing", ["nobody", "refusing", "silent"])
async def test_of_many_custodians_no_more_are_asked_than_are_needed(
    build: Any, missing: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(keeping, "HEDGE", 0.05)
    made = build(custodians(16, 9))
    dataset = made.log.publish()
    sharing = await made.entrust()
    said = made.log.ask(BOB, dataset)
    made.log.decide()

    async def gives_none(*_: object) -> bytes:
        if missing == "refusing":
            raise Unreachable("it is away")
        await asyncio.sleep(60)
        return b""

    lies: dict[str, Hand] = {} if missing == "nobody" else {f"c{n}": gives_none for n in range(7)}
    net, (data, checked) = Inside(made, None, lies), made.log.granted(said)
    head, seed = checked.head.note, BOB.hpke_seed(said.value.nonce)
    got = await gather(net, made.sources, sharing, said, data, checked, head, seed)
    assert got.secret == SECRET
    assert 9 <= len(set(net.asked)) <= (11 if missing == "nobody" else 16)
    assert len(got.given) >= 9


async def test_one_custodian_short_of_the_quorum_colludes_in_vain(build: Any) -> None:
    made = build(custodians(5, 3))
    made.log.publish()
    sharing = await made.entrust()
    stolen = {}
    for n in (0, 1):
        kept = made.custodians[f"c{n}"].deposits.kept(custody.digest(sharing))
        stolen[f"c{n}"] = custody.take(kept.data, KEEPERS[n].identity.peer, KEEPERS[n].custody()).share
    with pytest.raises(Refused):
        shares.join(stolen, made.rule)
    for _ in range(20):  # that no number of tries helps is a property of the scheme: see tests.core.test_shares
        guess = shares.join({**stolen, "c2": os.urandom(32)}, made.rule)
        assert shares.commitment(guess, "secret") != sharing.value.mark


# -- requesters that lie ----------------------------------------------------------------------------------------------


async def test_who_replays_anothers_proof_gets_nothing(town: Built) -> None:
    made, sharing, said = town
    proof, checked = made.log.granted(said)
    eve = made.log.ask(EVE, said.value.dataset, log=False)
    with pytest.raises(Untrue, match="not the one that was signed"):  # Bob's proof for Eve's statement
        await made.hand(made.claim(eve, sharing, proof))
    with pytest.raises(Refused, match="who signed the request"):  # Bob's proof and statement from Eve's node
        await made.hand(made.claim(said, sharing, proof), caller=EVE.identity.peer)
    unknown = await made.hand(made.claim(said, sharing, proof))  # where nobody knows the caller: a share for Bob
    with pytest.raises(Untrue, match="not sealed to this key"):
        handover.receive(
            only(unknown), peer(0), sharing, said, checked.request, checked.decision or 0,
            EVE.hpke_seed(said.value.nonce),
        )  # fmt: skip
    forged = envelope.sign("commons/request/v1", replace(said.value, hpke=eve.value.hpke), EVE.identity)
    with pytest.raises(Untrue):  # Bob's statement with Eve's key, signed by Eve
        await made.hand(made.claim(envelope.open("commons/request/v1", Asked, forged), sharing, proof))


async def test_a_proof_that_was_touched_is_no_proof(town: Built) -> None:
    made, sharing, said = town
    proof, _ = made.log.granted(said)
    good = codec.decode(Answer, proof)
    first, last = good.shown
    other = Keeper()
    lies = [
        replace(good, shown=(first,)), replace(good, shown=(last, first)), replace(good, shown=()),
        replace(good, shown=(replace(first, opening=None), last)), replace(good, shown=(replace(first, index=1), last)),
        replace(good, shown=(first, replace(last, entry=made.log.data[1]))), replace(good, head=other.head()),
        replace(good, shown=(replace(first, proof=()), last)), replace(good, head=b""),
    ]  # fmt: skip
    for lie in lies:
        with pytest.raises(CommonsError):
            await made.hand(made.claim(said, sharing, codec.encode(lie)))
    for wrong in (b"", proof[:-1], b"\xc0"):
        with pytest.raises(CommonsError):
            await made.hand(made.claim(said, sharing, wrong))
    assert made.everything_given() == 0


async def test_a_request_without_a_grant_gets_nothing(town: Built) -> None:
    made, sharing, said = town
    eve = made.log.ask(EVE, said.value.dataset)
    request = made.log.last
    with pytest.raises(Pending):
        await made.hand(made.claim(eve, sharing, made.log.answer(request, None)))
    with pytest.raises(Untrue, match="not on this request"):  # with the decision over Bob's
        await made.hand(made.claim(eve, sharing, made.log.answer(request, 3)))
    made.log.decide("refuse", "purpose")
    with pytest.raises(Refused, match="refused at entry"):
        await made.hand(made.claim(eve, sharing))
    assert made.everything_given() == 0


async def test_a_share_is_asked_for_in_its_own_commons_and_of_who_has_it(town: Built) -> None:
    made, sharing, said = town
    claim = made.claim(said, sharing)
    with pytest.raises(Refused):
        await made.custodians["c0"].hand(ids.cid(b"other"), claim, None)
    with pytest.raises(NotFound):
        await made.hand(codec.encode(replace(codec.decode(Claim, claim), sharing=bytes(32))))
    with pytest.raises(NotFound):
        made.custodians["c0"].announce(ids.cid(b"other"))
    with pytest.raises(Malformed):
        await made.hand(claim[:-1])


# -- what the custodian sees for itself ---------------------------------------------------------------------------


async def test_a_revocation_that_the_requester_does_not_show_is_seen(town: Built) -> None:
    made, sharing, said = town
    claim = made.claim(said, sharing)
    given = await made.hand(claim)
    made.log.revoke(2)
    with pytest.raises(Refused, match="revoked at entry 4"):
        await made.hand(claim)
    with pytest.raises(Refused, match="revoked"):
        await made.hand(claim, "c1")
    assert made.everything_given() == 1
    assert judge(only(given).released, made.log.data[:4]) == ""


async def test_a_second_grant_that_the_fold_does_not_know_opens_nothing(town: Built) -> None:
    made, sharing, said = town
    made.log.decide()  # on the same request
    with pytest.raises(Pending, match="the decision in force"):
        await made.hand(made.claim(said, sharing, made.log.answer(2, 4)))
    assert (await made.gather(said, sharing)).secret == SECRET
    assert made.followers["c0"].replica.verified.faults == 1


async def test_an_erased_request_gets_nothing(town: Built) -> None:
    made, sharing, said = town
    claim = made.claim(said, sharing)
    made.log.redact(2, 3)
    with pytest.raises(Gone, match="erased at entry 4"):
        await made.hand(claim)


async def test_a_dataset_that_its_community_withdrew_is_not_given(town: Built) -> None:
    made, sharing, said = town
    claim = made.claim(said, sharing)
    made.log.propose("withdraw", dataset=said.value.dataset)
    with pytest.raises(Gone, match="withdrawn by its community at entry 4"):
        await made.hand(claim)


async def test_a_grant_that_was_revoked_and_given_to_a_new_request_is_not_the_old_ones(town: Built) -> None:
    made, sharing, said = town
    old = made.log.granted(said)[0]
    made.log.revoke(2)
    again = made.log.ask(BOB, said.value.dataset)
    made.log.decide()
    for claim in (made.claim(said, sharing, old), made.claim(said, sharing, made.log.answer(2, 4))):
        with pytest.raises(Refused, match="revoked"):
            await made.hand(claim)
    with pytest.raises(Untrue):
        await made.hand(made.claim(said, sharing, made.log.answer(2, 6)))
    assert (await made.gather(again, sharing)).secret == SECRET


async def ending(build: Any) -> Any:
    """Custodians, and a claim that they answer, under a grant that ends 1000 s after T0."""
    made = build()
    dataset = made.log.publish()
    sharing = await made.entrust()
    said = made.log.ask(BOB, dataset)
    made.log.decide(expires=T0 + 1000)
    claim = made.claim(said, sharing)
    await made.hand(claim)
    return made, claim


async def test_an_expired_grant_gets_nothing_by_the_custodians_own_clock(build: Any) -> None:
    made, claim = await ending(build)
    made.log.clock = T0 + 999
    await made.hand(claim)
    made.log.clock = T0 + 1000
    with pytest.raises(Gone, match="expired"):
        await made.hand(claim)


async def test_a_custodians_clock_that_is_set_back_opens_nothing(build: Any) -> None:
    made, claim = await ending(build)
    made.log.clock = T0 + 1000
    made.log.publish(series=b"7" * len(SERIES))
    made.log.clock = T0 + 500
    with pytest.raises(Gone, match="expired"):
        await made.hand(claim)


async def test_without_witnesses_a_log_dated_ahead_releases_nothing_until_the_custodians_owner_has_said(
    build: Any,
) -> None:
    made = build()
    dataset = made.log.publish()
    sharing = await made.entrust()
    said = made.log.ask(BOB, dataset)
    made.log.decide(expires=T0 + 900 * DAY)
    claim, now = made.claim(said, sharing), made.log.clock
    made.log.clock = T0 + 700 * DAY
    made.log.publish(series=b"7" * len(SERIES))
    made.log.clock = now
    with pytest.raises(Undated, match="no key is released"):
        await made.hand(claim)
    for each in made.custodians.values():
        each._word = lambda commons: Word(time=now, logged=T0 + 800 * DAY)
    await made.hand(claim)


@pytest.mark.parametrize(
    ("access", "grant", "why"),
    [
        (Rule(kind="allow-list", peers=(EVE.identity.peer,)), {"reason": "listed"}, "the rule says refuse"),
        (Rule(kind="allow-list", peers=(EVE.identity.peer,)), {"reason": "acknowledged"}, "the rule says refuse"),
        (Rule(kind="members"), {"reason": "member"}, "the rule says refuse"),
        (Rule(kind="approval"), {"reason": "approved"}, "the rule says pending"),
        (Rule(kind="approval"), {"reason": "approved", "steward": EVE.identity}, "steward"),
        (Rule(kind="vote"), {"reason": "voted"}, "waits for a decision"),
        (Rule(kind="acknowledge"), {"days": 3}, "longer than the 3 days"),
        (Rule(kind="acknowledge"), {"days": 3, "expires": T0 + 4 * 86_400}, "longer than the 3 days"),
    ],
)
async def test_a_registrar_that_grants_against_the_rule_gets_nobody_a_share(
    build: Any, access: Rule, grant: dict[str, Any], why: str
) -> None:
    made = build()
    words = dict(grant)
    dataset = made.log.publish(access, days=words.pop("days", None))
    sharing = await made.entrust(access)
    said = made.log.ask(BOB, dataset)
    made.log.decide(**words)
    with pytest.raises(CommonsError, match=why):
        await made.hand(made.claim(said, sharing, made.log.answer(2, 3)))
    assert made.everything_given() == 0


async def test_a_steward_who_signed_opens_the_way(build: Any) -> None:
    made = build()
    access = Rule(kind="approval")
    dataset = made.log.publish(access)
    sharing = await made.entrust(access)
    said = made.log.ask(BOB, dataset)
    made.log.decide(reason="approved", steward=ALICE.identity)
    assert (await made.gather(said, sharing)).secret == SECRET


async def test_a_share_kept_for_another_rule_or_epoch_is_not_given(build: Any) -> None:
    made = build()
    dataset = made.log.publish()
    said = made.log.ask(BOB, dataset)
    made.log.decide()
    for words in ({"access": Rule(kind="approval")}, {"epoch": 1}, {"series": bytes(16)}):
        sharing = await made.entrust(**words)
        with pytest.raises(Untrue, match="another dataset, another epoch, or under another rule"):
            await made.hand(made.claim(said, sharing))


async def test_a_head_that_too_few_witnesses_signed_gets_nobody_a_share(build: Any) -> None:
    witnesses = {name: Signer(name.encode().ljust(32)) for name in ("w1", "w2")}
    lines = [
        f"witness {name} {note.Verifier(name=name, type=note.COSIGNATURE, public=key.public).vkey}"
        for name, key in witnesses.items()
    ]
    charter = "\n".join([*lines, "group both all w1 w2", "quorum both"])
    made = build(witnesses=charter)
    dataset = made.log.publish()
    sharing = await made.entrust()
    said = made.log.ask(BOB, dataset)
    made.log.decide()
    with pytest.raises(Refused, match="w1 and w2 missing"):
        await made.hand(made.claim(said, sharing))
    made.log.cosigners = [("w1", witnesses["w1"])]
    with pytest.raises(Refused, match="w2 missing"):
        await made.hand(made.claim(said, sharing))
    made.log.cosigners = [("w1", witnesses["w1"]), ("w2", Signer(b"not w2".ljust(32)))]
    with pytest.raises(CommonsError):
        await made.hand(made.claim(said, sharing))
    made.log.cosigners = list(witnesses.items())
    assert (await made.gather(said, sharing)).secret == SECRET
    # An answer's own head is too new to be cosigned: they sign a later one, or one that does not reach so far.
    answer = made.log.answer(2, 3)
    later, earlier = made.log.head(), made.log.head(3)
    made.log.cosigners = []
    bare = made.log.answer(2, 3)
    assert answer != bare
    assert await made.hand(made.claim(said, sharing, bare, later))
    with pytest.raises(Refused, match="w1 and w2 missing"):
        await made.hand(made.claim(said, sharing, answer, made.log.head()))
    with pytest.raises(Pending, match="have not seen the decision"):
        await made.hand(made.claim(said, sharing, bare, earlier))
    fork = Keeper(witnesses=charter)
    fork.cosigners = list(witnesses.items())
    fork.data = [*made.log.data, made.log.data[-1]]
    with pytest.raises(Pending, match="newer"):
        await made.hand(made.claim(said, sharing, bare, fork.head()))
    made.log.add(made.log.data[-2])
    with pytest.raises(SplitView):  # witnesses who cosigned another history
        await made.hand(made.claim(said, sharing, bare, fork.head()))


async def test_nothing_is_released_by_a_log_that_was_not_read_or_under_a_rule_that_was_not(town: Built) -> None:
    made, sharing, said = town
    claim = made.claim(said, sharing)
    await made.hand(claim, "c1")
    one, seen = made.custodians["c0"], made.followers["c0"].replica
    (kept,) = one.deposits.under(custody.digest(sharing))
    answer = codec.decode(Answer, made.log.granted(said)[0])
    unread = followed(made.log.read, "", made.shelves["c0"]).replica
    with pytest.raises(Untrue, match="has no charter"):
        check_release(said, answer, made.log.head(), one.take(kept.data), unread, made.log.clock)
    await made.followers["c0"].follow()
    seen.verified.grounds[2] = replace(seen.verified.grounds[2], rule=Rule(kind="vote"))
    with pytest.raises(Untrue, match="by the rule the members decide"):
        await made.hand(claim)
    seen.verified.grounds.clear()
    with pytest.raises(Untrue, match="rests on no rule"):
        await made.hand(claim)


# -- what the log shows to a custodian --------------------------------------------------------------------------------


async def test_a_log_that_shows_two_histories_gets_nobody_a_share(town: Built) -> None:
    made, sharing, said = town
    await made.followers["c0"].follow()
    kept = list(made.log.data)
    made.log.revoke(2)
    await made.followers["c0"].follow()
    made.log.data = [*kept, kept[-1]]  # at the same size, another entry
    claim = made.claim(said, sharing)
    with pytest.raises(SplitView) as caught:
        await made.hand(claim)
    assert len(caught.value.evidence) == 2
    made.log.data = [*kept, kept[-1], kept[-1]]  # and where it has grown since
    with pytest.raises(SplitView) as caught:
        await made.hand(claim)
    assert len(caught.value.evidence) == 2
    assert made.everything_given() == 0


async def test_a_log_that_goes_back_gets_nobody_a_share_even_after_a_restart(town: Built) -> None:
    made, sharing, said = town
    claim = made.claim(said, sharing)
    kept = list(made.log.data)
    made.log.revoke(2)
    await made.followers["c0"].follow()
    made.log.data = kept
    with pytest.raises(Untrue, match="5 were verified here before"):
        await made.hand(claim)
    again = followed(made.log.read, made.log.commons, made.shelves["c0"])
    made.custodians["c0"].logs = {made.log.commons: again}
    with pytest.raises(Untrue, match="5 were verified here before"):
        await made.hand(claim)
    made.log.data = [*kept, kept[-1], kept[-1]]  # another history, longer than what was seen before the restart
    with pytest.raises(SplitView):
        await made.hand(claim)
    assert again.replica.state.size == 0


async def test_a_proof_under_a_head_of_another_history_gets_nothing(town: Built) -> None:
    made, sharing, said = town
    fork = Keeper()
    fork.data, fork.openings = [*made.log.data[:2], *made.log.data[2:]], dict(made.log.openings)
    eve = fork.ask(EVE, said.value.dataset)
    fork.decide()
    made.log.ask(BOB, said.value.dataset)  # meanwhile, in what the custodians see
    made.log.decide()
    twin = fork.granted(eve)[0]
    kept = list(fork.data)
    fork.add(fork.data[-1])
    with pytest.raises(Pending, match="newer"):
        await made.hand(made.claim(eve, sharing, fork.answer(4, 5)))
    fork.data = kept
    with pytest.raises(SplitView) as caught:
        await made.hand(made.claim(eve, sharing, twin))
    assert len(caught.value.evidence) == 2
    with pytest.raises(SplitView):  # beside a head that is right
        await made.hand(made.claim(eve, sharing, twin, made.log.head()), "c1")
    with pytest.raises(SplitView, match="known to have signed two histories"):  # whoever asks, from now on
        await made.hand(made.claim(said, sharing, made.log.answer(2, 3)))
    shelf, vkey = made.shelves["c0"], made.log.log.vkey
    assert shelf.forks()[vkey] == caught.value.evidence
    assert made.everything_given() == 0
    shelf.drop_fork(vkey)  # its members have explained it
    await made.hand(made.claim(said, sharing, made.log.answer(2, 3)))


async def test_whoever_gives_a_false_proof_convicts_nobody(town: Built) -> None:
    made, _, _ = town
    read, shelf = made.log.read, made.shelves["c2"]

    async def falsely(path: str) -> bytes:
        data = await read(path)
        if path.startswith("tile/entries/"):
            return data[:-1] + bytes([data[-1] ^ 1])
        return bytes(64) if path.startswith("consistency/") else data

    follower = followed(read, made.log.commons, shelf)
    await follower.follow()
    made.log.revoke(2)
    with pytest.raises(Untrue, match="contradicts what it signed") as caught:
        await follower.replica.update(falsely)
    assert not isinstance(caught.value, SplitView)
    assert len(caught.value.evidence) == 3  # both heads, and the proof that is false
    assert shelf.forks() == {}


async def test_entries_that_do_not_belong_under_the_head_are_not_taken(town: Built) -> None:
    made, _, _ = town
    follower = followed(made.log.read, made.log.commons, made.shelves["c2"])
    read = made.log.read

    async def lies(path: str) -> bytes:
        data = await read(path)
        return data[:-1] + bytes([data[-1] ^ 1]) if path.startswith("tile/entries/") else data

    await follower.follow()
    made.log.revoke(2)
    with pytest.raises(CommonsError):
        await follower.replica.update(lies)
    state = follower.replica.state
    assert (state.size, state.accesses[2].outcome) == (4, "grant")
    await follower.follow()
    state = follower.replica.state
    assert (state.size, state.accesses[2].outcome) == (5, "revoke")


async def test_a_long_log_is_followed_in_parts(town: Built) -> None:
    made, sharing, said = town
    claim = made.claim(said, sharing)
    paths: list[str] = []
    read = made.log.read

    async def counted(path: str) -> bytes:
        paths.append(path)
        return await read(path)

    for name in ("c0", "c1"):
        made.custodians[name].logs = {made.log.commons: replace(made.followers[name], read=counted)}
    await made.hand(claim)
    for n in range(600):
        made.log.add(b"\x81\xa4type\xa7other/%d" % (n % 10))
    paths.clear()
    await made.hand(claim)
    bundles = [path for path in paths if path.startswith("tile/entries/")]
    assert bundles == ["tile/entries/000", "tile/entries/001", "tile/entries/002.p/92"]
    made.log.add(b"\x81\xa4type\xa7other/x")
    paths.clear()
    await made.hand(claim)
    assert [path for path in paths if path.startswith("tile/")] == ["tile/entries/002.p/93"]
    assert made.followers["c0"].replica.verified.faults == 0


# -- deposits ---------------------------------------------------------------------------------------------------------


async def test_a_share_is_kept_for_a_member_who_publishes_and_for_nobody_else(build: Any) -> None:
    made = build(members=(BOB.identity.peer,))
    made.log.publish()
    one = made.custodians["c0"]
    words: dict[str, Any] = {"commons": made.log.commons, "epoch": 0, "bound": bytes(32), "rule": made.rule}
    keys = made.log.keys(made.rule)
    for who, series in ((EVE, SERIES), (EVE, bytes(16)), (BOB, SERIES)):  # Bob is a member, the series is Alice's
        _, deposits = custody.deposit(SECRET, keys, who.identity, os.urandom, series=series, **words)
        with pytest.raises(Refused, match="who publishes"):
            await one.deposit(made.log.commons, deposits["c0"])
    _, deposits = custody.deposit(SECRET, keys, ALICE.identity, os.urandom, series=bytes(16), **words)
    with pytest.raises(Untrue):
        await one.deposit(made.log.commons, deposits["c1"])
    with pytest.raises(Malformed):
        await one.deposit(ids.cid(b"other"), deposits["c0"])
    digest = await one.deposit(made.log.commons, deposits["c0"])
    assert await one.deposit(made.log.commons, deposits["c0"]) == digest


async def test_a_key_is_shared_anew_by_its_publisher_and_generations_do_not_mix(town: Built) -> None:
    made, sharing, said = town
    newer = await made.entrust(generation=1)
    assert (await made.gather(said, newer)).secret == SECRET
    assert (await made.gather(said, sharing)).secret == SECRET
    for custodian in made.custodians.values():
        assert custodian.deposits.drop(custody.digest(sharing))
    assert (await made.gather(said, newer)).secret == SECRET
    with pytest.raises(NotFound):
        await made.gather(said, sharing)


async def test_of_series_that_are_in_no_log_so_many_keys_of_one_publisher_are_kept(
    build: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One that is kept already, or was published since, is none more."""
    monkeypatch.setattr("commons.custody.custodian.UNBEGUN", 2)
    made, series = build(), [bytes([n]) * 16 for n in range(4)]
    for each, generation in ((0, 0), (1, 0), (0, 1)):
        await made.entrust(series=series[each], generation=generation)
    with pytest.raises(Conflict, match="of which nothing was ever published"):
        await made.entrust(series=series[2])
    made.log.publish(series=series[0])
    await made.entrust(series=series[2])
    with pytest.raises(Conflict, match="of which nothing was ever published"):
        await made.entrust(series=series[3])
    await made.entrust(series=series[0], generation=2)


async def test_the_key_of_the_next_version_is_kept_and_of_none_after_it(build: Any) -> None:
    made = build()
    for epoch in (0, 1):
        with pytest.raises(Refused, match=f"will need key epoch {epoch + 1} yet"):
            await made.entrust(epoch=epoch + 1)
        await made.entrust(epoch=epoch)
        made.log.publish(epoch=epoch)


async def test_a_publisher_learns_who_did_not_keep_a_share(build: Any) -> None:
    made = build()
    made.log.publish()
    del made.custodians["c1"]
    with pytest.raises(Unreachable, match="no key is known of 12D3"):
        await made.entrust()


async def test_a_custodian_that_confirms_another_sharing_has_kept_nothing(build: Any) -> None:
    made = build()
    made.log.publish()

    class Confirms(Inside):
        async def post(self, source: str, path: str, body: bytes, *, limit: int) -> bytes:
            done = await super().post(source, path, body, limit=limit)
            return bytes(32) if source == "c1" else done

    words: dict[str, Any] = {"commons": made.log.commons, "series": SERIES, "epoch": 0, "bound": bytes(32)}
    with pytest.raises(Untrue, match=f"no share was kept by {peer(1)}: it kept something else"):
        await keeping.entrust(Confirms(made), ALICE, made.sources, made.rule, **words)


async def test_custodians_are_those_whom_the_community_voted(build: Any) -> None:
    made = build(custodians=str(custodians(3, 2)))
    dataset = made.log.publish()
    with pytest.raises(Refused, match="other custodians"):
        await made.entrust(rule=custodians(3, 3))
    sharing = await made.entrust()
    said = made.log.ask(BOB, dataset)
    made.log.decide()
    claim = made.claim(said, sharing)
    await made.hand(claim)
    made.log.propose("change-custodians", custodians=str(custodians(2, 2)))
    await made.hand(claim, "c1")
    with pytest.raises(Refused, match="no custodian of this commons any more"):
        await made.hand(claim, "c2")


async def test_custodians_pass_their_shares_on_to_those_who_were_voted(build: Any) -> None:
    made = build(custodians(5, 3), custodians=str(custodians(3, 2)))
    dataset = made.log.publish()
    sharing = await made.entrust(rule=custodians(3, 2))
    said = made.log.ask(BOB, dataset)
    made.log.decide()
    given = made.log.granted(said)
    net = Inside(made)
    for name in ("c0", "c1"):
        assert await pass_on(net, made.custodians[name], made.sources, made.log.commons) == []
    after = [f"member d{n} {peer(n)}" for n in (2, 3, 4)]
    voted = policy.parse("\n".join([*after, "group g 2 d2 d3 d4", "quorum g"]))
    with pytest.raises(NotFound):
        await made.hand(made.claim(said, sharing, given[0]), "c3")
    made.log.propose("change-custodians", custodians=str(voted))
    for name in ("c0", "c1"):
        done = await pass_on(net, made.custodians[name], made.sources, made.log.commons)
        assert done == [custody.digest(sharing)]
        with pytest.raises(Refused, match="no custodian of this commons any more"):
            await made.hand(made.claim(said, sharing, given[0]), name)
        assert made.custodians[name].deposits.drop(done[0])
    assert made.custodians["c3"].deposits.under(custody.digest(sharing))
    new = {each: made.sources[each] for each in (peer(3), peer(4))}
    got = await gather(net, new, sharing, said, *given, given[1].head.note, BOB.hpke_seed(said.value.nonce))
    assert (got.secret, got.liars) == (SECRET, ())
    with pytest.raises(NotFound):
        await made.hand(made.claim(said, sharing, given[0]), "c0")
    for each in (each for parts in got.given.values() for each in parts):
        assert judge(each.released.data, made.log.data) == ""


async def test_what_somebody_shared_who_is_a_member_no_more_is_passed_on_and_nothing_else_of_theirs_is_kept(
    build: Any,
) -> None:
    made = build(custodians(3, 2), custodians=str(custodians(3, 2)))
    made.log.publish()
    await made.entrust()
    voted = custodians(2, 2)
    made.log.propose("change-custodians", custodians=str(voted))
    for each in made.followers.values():
        await each.follow()
        each.replica.state.founded.people.arrange({"members": ()})
    done = await pass_on(Inside(made), made.custodians["c2"], made.sources, made.log.commons)
    assert len(done) == 1
    with pytest.raises(Refused, match="who publishes"):
        await made.entrust(rule=voted)


async def test_what_was_passed_on_is_passed_on_again_only_where_that_is_asked(build: Any) -> None:
    made = build(custodians(3, 2), custodians=str(custodians(3, 2)))
    made.log.publish()
    sharing = await made.entrust()
    made.log.propose("change-custodians", custodians=str(custodians(2, 2)))
    for again, done in ((False, 1), (False, 0), (True, 1)):
        passed = await pass_on(Inside(made), made.custodians["c2"], made.sources, made.log.commons, again=again)
        assert passed == [custody.digest(sharing)] * done


async def test_what_the_ballots_granted_is_given(build: Any) -> None:
    made = build()
    dataset = made.log.publish(access := Rule(kind="vote"))
    sharing = await made.entrust(access)
    said = made.log.ask(BOB, dataset)
    made.log.propose("grant", target=made.log.last)
    made.log.decide(reason="voted")
    given = made.log.answer(2, 4)
    assert only(await made.hand(made.claim(said, sharing, given))).below == ()


async def test_what_nothing_was_published_of_is_passed_on_for_a_member_only(build: Any) -> None:
    made = build(custodians(3, 2), custodians=str(custodians(3, 2)))
    await made.entrust()
    made.log.propose("change-custodians", custodians=str(custodians(2, 2)))
    for each in made.followers.values():
        await each.follow()
        each.replica.state.founded.people.arrange({"members": ()})
    with pytest.raises(Refused, match="who publishes"):
        await pass_on(Inside(made), made.custodians["c2"], made.sources, made.log.commons)


@pytest.mark.parametrize("which", ["each", "everyone"])
async def test_what_is_asked_of_a_custodian_is_limited_for_each_and_for_all(town: Built, which: str) -> None:
    made, _, _ = town
    one = made.custodians["c0"]
    setattr(one, which, Buckets(rate=0.001, burst=1))
    one._limit("bob")
    with pytest.raises(TooMany):
        one._limit("bob")
    if which == "each":
        one._limit("eve")
    else:
        with pytest.raises(TooMany):
            one._limit("eve")


async def test_a_commons_that_names_nobody_leaves_it_to_its_publishers(build: Any) -> None:
    made = build(custodians="quorum none")
    dataset = made.log.publish()
    sharing = await made.entrust()
    said = made.log.ask(BOB, dataset)
    made.log.decide()
    assert (await made.gather(said, sharing)).secret == SECRET


async def test_nobody_passes_on_to_others_than_those_who_were_voted(town: Built) -> None:
    made, _, _ = town
    mine = made.custodians["c0"].take(made.custodians["c0"].deposits.of(made.log.commons)[0].data)
    _, deposits = custody.pass_on(mine, made.log.keys(made.rule), KEEPERS[0].identity, os.urandom, made.rule)
    with pytest.raises(Refused, match="voted"):
        await made.custodians["c1"].deposit(made.log.commons, deposits["c1"])
    assert await pass_on(Inside(made), made.custodians["c0"], made.sources, made.log.commons) == []


# -- crashes ----------------------------------------------------------------------------------------------------------


async def test_the_same_claim_gets_the_same_bytes_and_one_record(town: Built) -> None:
    made, sharing, said = town
    claim = made.claim(said, sharing)
    first, *others = await asyncio.gather(*(made.hand(claim) for _ in range(8)))
    assert set(others) == {first}
    assert await made.hand(claim) == first
    assert made.everything_given() == 1


async def test_a_kill_between_record_and_answer_leaves_a_record_and_the_same_answer(
    town: Built, monkeypatch: pytest.MonkeyPatch
) -> None:
    made, sharing, said = town
    claim = made.claim(said, sharing)
    record = Deposits.record

    def work() -> None:
        def dies(self: Deposits, gave: Any) -> bytes:
            record(Deposits(made.folder / "c0.deposits"), gave)  # a connection of its own: the child was forked
            os._exit(9)

        monkeypatch.setattr(Deposits, "record", dies)
        asyncio.new_event_loop().run_until_complete(made.hand(claim))

    assert await asyncio.to_thread(in_child, work) == 9
    (left,) = made.custodians["c0"].deposits.releases()
    assert only(await made.hand(claim)).released == left.data
    assert judge(left.data, made.log.data) == ""


async def test_a_release_that_cannot_be_recorded_is_not_spoken(town: Built, monkeypatch: pytest.MonkeyPatch) -> None:
    made, sharing, said = town

    def full(self: Deposits, gave: Any) -> bytes:
        raise OSError("disk full")

    monkeypatch.setattr(Deposits, "record", full)
    with pytest.raises(OSError, match="disk full"):
        await made.hand(made.claim(said, sharing))


# -- who is there -----------------------------------------------------------------------------------------------------


def test_the_status_says_when_the_key_is_lost_and_when_one_more_would_lose_it() -> None:
    rule = custodians(5, 3)
    assert standing(rule, rule.leaves()).warning == ""
    assert standing(rule, ["c0", "c1", "c2", "c3", "stranger"]).warning == ""
    last = standing(rule, ["c0", "c2", "c4"])
    assert (last.critical, last.missing) == (("c0", "c2", "c4"), "")
    assert last.warning.startswith("3 of 5 custodians are reachable; without c0 or c2 or c4")
    lost = standing(rule, ["c0", "c2"])
    assert (lost.critical, lost.missing) == ((), "1 of (c1, c3, c4)")
    assert "nobody can get this key" in lost.warning
    people = "\n".join(f"member c{n} {KEEPERS[n].identity.peer}" for n in range(4))
    two = policy.parse(f"{people}\ngroup w any c0 c1\ngroup u any c2 c3\ngroup both all w u\nquorum both")
    assert standing(two, two.leaves()).warning == ""
    assert standing(two, ["c0", "c1", "c3"]).critical == ("c3",)


async def test_who_is_reachable_is_who_says_so_by_their_own_signature(town: Built) -> None:
    made, _, _ = town
    net = Inside(made)
    assert (await keeping.reach(net, made.sources, made.rule, made.log.commons)).reachable == ("c0", "c1", "c2")
    away = Inside(made, lies={"c1": made.custodians["c1"].hand})
    gone = await keeping.reach(away, made.sources, made.rule, made.log.commons)
    assert (gone.reachable, gone.critical) == (("c0", "c2"), ("c0", "c2"))
    posing = {**made.sources, peer(2): ["c0"]}
    assert (await keeping.reach(net, posing, made.rule, made.log.commons)).reachable == ("c0", "c1")


# -- a real registrar ------------------------------------------------------------------------------------------------


async def test_custodians_follow_a_real_log_and_the_key_opens_a_real_dataset(
    start: Any, folder: Path, tmp_path: Path
) -> None:
    alice = await start("alice", listen=())
    reference = parse(await alice.publish(folder))
    site, commons = alice.node.site, alice.home.first.commons
    dataset = manifest.open(site.manifest(reference.cid)).value

    async def read(path: str) -> bytes:
        if path == "checkpoint":
            return bytes(site.checkpoint(commons))
        if path.startswith("consistency/"):
            return bytes(site.consistency(commons, *map(int, path.split("/")[1:])))
        return bytes(site.tile(commons, path))

    nonce = os.urandom(32)
    statement = envelope.sign("commons/request/v1", Asked(
        commons=commons, dataset=reference.cid, terms=dataset.terms.digest(), epoch=dataset.epoch, purpose="research",
        details=None, hpke=hpke.public_of(BOB.hpke_seed(nonce)), nonce=nonce, time=int(time.time()),
    ), BOB.identity)  # fmt: skip
    said = envelope.open("commons/request/v1", Asked, statement)
    answer = await site.submit(commons, codec.encode(Submission(statement=statement, details=None, head=b"")))
    log = note.Verifier(name=f"commons/{commons}", public=dataset.log_key)
    checked = check_answer(codec.decode(Answer, answer), said, log, b"", dataset.registrar)
    answer_head = checked.head.note
    with ExitStack() as stack:
        town = Town(tmp_path, stack, custodians(3, 2))
        for name, custodian in town.custodians.items():
            shelf = stack.enter_context(closing(Shelf(tmp_path / f"{name}.real")))
            custodian.logs, custodian._clock = {commons: followed(read, commons, shelf)}, time.time
        bound = custody.binding(dataset.terms.digest(), dataset.rule)
        data = await keeping.entrust(
            Inside(town), alice.home.keys, town.sources, town.rule, commons=commons, series=dataset.series,
            epoch=dataset.epoch, bound=bound,
        )  # fmt: skip
        root = custody.open_sharing(data)
        custody.check_sharing(
            root, alice.peer, commons, dataset.series, dataset.epoch, dataset.terms.digest(), dataset.rule
        )  # fmt: skip
        got = await gather(Inside(town), town.sources, root, said, answer, checked, answer_head, BOB.hpke_seed(nonce))
        sealed = site.pack(dataset.contents.root).read_bytes()
        assert pack.unlock(got.secret, dataset.series, sealed[: pack.HEADER])  # it fits the pack's own commitment
        (part, *_) = [each for parts in got.given.values() for each in parts]
        entries = list(alice.home.first.log.entries(0, alice.home.first.log.size))
        assert judge(part.released.data, entries) == accuse(part.released.data, entries[0]) == ""
        await alice.node.at().registrar.decide(checked.request, "revoke", "no more")
        with pytest.raises(Refused, match="revoked"):
            await gather(Inside(town), town.sources, root, said, answer, checked, answer_head, BOB.hpke_seed(nonce))
