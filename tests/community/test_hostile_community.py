"""A community whose registrar, members, custodians or strangers do what they can: none of them gains anything."""

from __future__ import annotations

import itertools
import os
import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import replace
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from commons.community.voting import AHEAD
from commons.core.crypto import codec, envelope
from commons.core.dataset.rule import Rule
from commons.core.state import entries
from commons.core.state.charter import Charter, College, Power, check_custodians, check_livable
from commons.core.state.community import Community
from commons.core.state.entries import Request
from commons.core.state.fold import State
from commons.core.state.proposals import PROPOSAL, VOTE, Proposal, Vote
from commons.custody import custodian
from commons.disk.log import Log
from commons.disk.records import Draft, Record, record
from commons.errors import CommonsError, Conflict, Malformed, Pending, Refused, TooMany
from commons.log.answer import SKEW, Submission
from tests.conftest import LIMIT, Start
from tests.custody.test_custody import Town
from tests.disk.test_log import stalled
from tests.keeper import ALICE, BOB, EVE, T0, Keeper, custodians

TWO = f"""
name = "Two"
[colleges]
workers = ["me", "{BOB.identity.peer}"]
[powers.admit]
days = 1
rule = "group w all *workers\\nquorum w"
"""


@pytest.fixture
def build(tmp_path: Path) -> Iterator[Any]:
    with ExitStack() as stack:
        yield lambda rule=None, **charter: Town(tmp_path, stack, rule or custodians(3, 2), **charter)


def fold(log: Keeper) -> tuple[State, list[int]]:
    """The state, and the entries at fault."""
    state, faults = State(), []
    for index, data in enumerate(log.data):
        try:
            state.apply(entries.decode(data))
        except CommonsError:
            faults.append(index)
    return state, faults


def fold_of(log: Log) -> list[CommonsError]:
    """What is wrong with the entries of a log that is kept here."""
    state = State()
    return [told for data in log.entries(0, log.size) if (told := state.take(data)) is not None]


def community(state: State) -> Community:
    assert state.community is not None
    return state.community


# -- the registrar ----------------------------------------------------------------------------------------------------


async def test_a_registrar_that_calls_a_grant_purpose_does_not_get_around_the_ballots(build: Any) -> None:
    made = build(members=(BOB.identity.peer,))
    access = Rule(kind="vote")
    dataset = made.log.publish(access)
    sharing = await made.entrust(access)
    said = made.log.ask(EVE, dataset)
    made.log.decide(reason="purpose", steward=ALICE.identity)
    with pytest.raises(CommonsError):
        await made.hand(made.claim(said, sharing, made.log.answer(2, 3)))
    assert made.everything_given() == 0


@pytest.mark.parametrize(
    ("access", "grant"),
    [
        (Rule(kind="vote"), {"reason": "purpose", "steward": ALICE.identity}),
        (Rule(kind="approval"), {"reason": "voted"}),
        (Rule(kind="members"), {"reason": "voted"}),
    ],
)
def test_a_word_in_a_decision_does_not_replace_the_ballots(access: Rule, grant: dict[str, Any]) -> None:
    log = Keeper(members=(BOB.identity.peer,))
    log.ask(EVE, log.publish(access))
    at = log.decide(**grant)
    assert fold(log)[1] == [at]


def test_what_was_decided_by_ballots_is_not_decided_the_other_way_before_it_is_logged() -> None:
    log = Keeper(members=(BOB.identity.peer,))
    log.ask(EVE, log.publish(Rule(kind="vote")))
    grant, refuse = log.propose("grant", target=2), log.propose("refuse", target=2)
    log.vote(BOB, grant)
    log.vote(BOB, refuse)
    state, _ = fold(log)
    assert community(state).verdicts[2][0] == "grant"
    assert community(state).ballots[refuse].standing == "void"


def test_one_signed_proposal_makes_one_proposal() -> None:
    log = Keeper()
    admit = log.propose("admit", college="members", peer=BOB.identity.peer)
    log.clock -= 1
    log.vote(BOB, log.propose("expel", college="members", peer=BOB.identity.peer))
    log.add(log.data[admit])  # the registrar, again and in the same second
    assert BOB.identity.peer not in community(fold(log)[0]).members


# -- an entry that is refused changes nothing --------------------------------------------------------------------------


def test_an_entry_that_is_refused_ends_no_vote() -> None:
    log = Keeper(members=(BOB.identity.peer,))
    opened = log.propose("admit", college="members", peer=EVE.identity.peer)
    state, _ = fold(log)
    assert community(state).ballots[opened].standing == "open"
    digest = sha256(log.data[opened]).digest()
    late = Vote(commons=log.commons, proposal=digest, choice="yes", reason="", time=T0 + 40 * 86_400)
    with pytest.raises(Refused):
        state.apply(entries.decode(envelope.sign(VOTE, late, EVE.identity)))
    assert community(state).ballots[opened].standing == "open"


async def test_a_stranger_closes_no_vote_early(start: Start) -> None:
    """The live node must agree with whoever reads its log."""
    coop = await start("coop", charter=TWO)
    opened = (await coop.desk.propose(action="admit", college="workers", peer=EVE.identity.peer))["proposal"]
    state = coop.home.first.log.state
    ballot = community(state).ballots[opened]
    coop.node.at().registrar.clock = coop.home.first.log._clock = lambda: ballot.deadline - 300.0
    said = Vote(
        commons=coop.home.first.commons, proposal=ballot.digest, choice="yes", reason="", time=ballot.deadline + 200
    )
    for lie in (said, replace(said, time=ballot.deadline - 295)):
        with pytest.raises((Refused, Malformed)):
            await coop.node.at().registrar.govern(envelope.sign(VOTE, lie, EVE.identity))
    yes = replace(said, time=ballot.deadline - 300)
    await coop.node.at().registrar.govern(envelope.sign(VOTE, yes, BOB.identity))
    assert community(state).ballots[opened].standing == "passed"


# -- time --------------------------------------------------------------------------------------------------------------


async def test_a_member_whose_clock_is_ahead_holds_up_nobody(start: Start) -> None:
    coop = await start("coop", charter=TWO)
    said = Proposal(
        commons=coop.commons, action="admit", time=int(time.time()) + 590, nonce=bytes(16), college="workers",
        peer=EVE.identity.peer,
    )  # fmt: skip
    with pytest.raises(Malformed, match="it is dated"):
        await coop.node.at().registrar.govern(envelope.sign(PROPOSAL, said, BOB.identity))
    early = replace(said, time=int(time.time()) + 8)
    await coop.node.at().registrar.govern(envelope.sign(PROPOSAL, early, BOB.identity))
    assert (await coop.desk.vote(proposal=1, choice="yes"))["outcome"]["standing"] == "passed"


async def test_whoever_shares_a_commit_with_what_is_dated_ahead_is_dated_after_it(start: Start, folder: Path) -> None:
    """Every order of a ballot dated ahead, one dated back, and what the registrar dates, in one commit each."""
    coop = await start("coop", charter=TWO)
    log, me = coop.home.first.log, coop.home.keys.identity
    clock = [float(log.state.time)]
    log._clock = lambda: clock[0]
    await coop.publish(folder)
    ((dataset, published),) = log.state.datasets.items()

    def proposed(ahead: int) -> Draft:
        said = Proposal(
            commons=coop.home.first.commons, action="admit", time=int(clock[0]) + ahead, nonce=os.urandom(16),
            college="workers", peer=EVE.identity.peer,
        )  # fmt: skip
        return lambda state, index, now: [record(envelope.open(PROPOSAL, Proposal, envelope.sign(PROPOSAL, said, me)))]

    def asked(state: State, index: int, now: int) -> list[Record]:
        hidden, opening = entries.hide(lambda: os.urandom(32), requester=b"eve", statement=b"x")
        leaf = Request(
            type=entries.REQUEST, time=now, dataset=dataset, terms=published.entry.terms, epoch=0, purpose="research",
            details=None, **hidden,
        )  # fmt: skip
        return [record(leaf, opening, "eve")]

    for order in itertools.permutations((AHEAD, -SKEW, None, None)):
        clock[0] += 3  # less than what the last was ahead
        with stalled(log):
            waiting = [log.append(asked if ahead is None else proposed(ahead)) for ahead in order]
        assert len({each.result(LIMIT).head.checkpoint.size for each in waiting}) == 1  # one commit
    dated = [entries.decode(data) for data in log.entries(0, log.size)]
    times = [each.time for each in dated if isinstance(each, Request)]
    assert len(times) == 48
    assert times == sorted(times)
    assert (await coop.desk.audit())["entries"] == log.size
    assert fold_of(log) == []


async def test_a_member_whose_clock_is_behind_the_log_takes_part(start: Start) -> None:
    coop = await start("coop", charter=TWO)
    opened = (await coop.desk.propose(action="admit", college="workers", peer=EVE.identity.peer))["proposal"]
    digest = community(coop.home.first.log.state).ballots[opened].digest
    slow = Vote(commons=coop.home.first.commons, proposal=digest, choice="yes", reason="", time=int(time.time()) - 300)
    await coop.node.at().registrar.govern(envelope.sign(VOTE, slow, BOB.identity))
    assert community(coop.home.first.log.state).ballots[opened].standing == "passed"
    with pytest.raises(Malformed, match="it is dated"):
        await coop.node.at().registrar.govern(envelope.sign(VOTE, replace(slow, time=slow.time - 400), BOB.identity))


# -- rules that nobody can fulfil -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "rule",
    [
        f"member ana {ALICE.identity.peer}\nquorum ana\n",
        "group g any *nobody:5\nquorum g\n",
        "group g 3 *members:9\nquorum g\n",
    ],
)
def test_a_rule_that_no_college_can_fulfil_is_refused_when_it_is_written(rule: str) -> None:
    powers = (Power(action="amend-charter", rule=rule, days=3),)
    with pytest.raises(Malformed):
        check_livable(powers, {"members": (ALICE.identity.peer,)})


@pytest.mark.parametrize(
    "text",
    [
        f"member a {BOB.identity.peer}\nmember b {BOB.identity.peer}\ngroup g all a b\nquorum g\n",
        f"member a {BOB.identity.peer}\ngroup g 2 a *x:3\nquorum g\n",
    ],
)
def test_custodians_that_cannot_be_are_refused_when_they_are_proposed(text: str) -> None:
    with pytest.raises(Malformed):
        check_custodians(text)


def test_an_amendment_leaves_the_registrar_a_member() -> None:
    log = Keeper(members=(BOB.identity.peer,))
    (charter,) = [entries.decode(log.data[0]).value]  # type: ignore[union-attr]
    assert isinstance(charter, Charter)
    new = replace(charter, colleges=(College(name="others", members=(BOB.identity.peer,)),))
    at = log.propose("amend-charter", charter=new)
    log.vote(BOB, at)
    assert ALICE.identity.peer in community(fold(log)[0]).members


# -- members who are none any more ------------------------------------------------------------------------------------


async def test_custodians_give_a_key_for_members_to_nobody_who_was_expelled(build: Any) -> None:
    made = build(members=(EVE.identity.peer,))
    access = Rule(kind="members")
    dataset = made.log.publish(access)
    sharing = await made.entrust(access)
    said = made.log.ask(EVE, dataset)
    made.log.decide(reason="member")
    claim = made.claim(said, sharing)
    await made.hand(claim)
    expel = made.log.propose("expel", college="members", peer=EVE.identity.peer)
    made.log.vote(EVE, expel)
    with pytest.raises(Refused, match="for members"):
        await made.hand(claim, "c1")


async def test_a_key_for_one_college_is_given_to_nobody_who_left_it_for_another(
    start: Start, folder: Path, tmp_path: Path
) -> None:
    charter = """
name = "Ethics"
[colleges]
ethics = ["me"]
workers = ["me"]
[powers.amend-charter]
rule = "group w any *workers\\nquorum w"
"""
    coop, eve = await start("coop", charter=charter), await start("eve")
    for college in ("ethics", "workers"):
        await coop.desk.propose(action="admit", college=college, peer=eve.peer)
    reference = await coop.publish(folder, access="members", college="ethics")
    await eve.fetch(reference, tmp_path / "copy", coop.address)
    (ask,) = eve.home.shelf.asks()
    statement = codec.decode(Submission, ask.submission).statement
    coop.node.at().registrar.release(statement)
    await coop.desk.propose(action="expel", college="ethics", peer=eve.peer)
    with pytest.raises(Refused, match="for members"):
        coop.node.at().registrar.release(statement)


# -- who fills up a custodian -----------------------------------------------------------------------------------------


async def test_a_member_fills_no_custodian_with_keys_of_nothing(build: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(custodian, "UNBEGUN", 3)
    made = build()
    for n in range(3):
        await made.entrust(series=bytes([n] * 16))
    with pytest.raises(Conflict, match="nothing was ever published"):
        await made.entrust(series=bytes([3] * 16))
    await made.entrust(series=bytes(16), generation=1)  # one of them, once more
    made.log.publish(series=bytes(16))
    await made.entrust(series=bytes([3] * 16))
    for epoch in (2, 1 << 63):
        with pytest.raises(Refused, match="key epoch"):
            await made.entrust(series=bytes(16), epoch=epoch)


async def test_who_asks_on_and_on_does_not_make_a_custodian_read_the_log_on_and_on(build: Any) -> None:
    made = build()
    dataset = made.log.publish()
    sharing = await made.entrust()
    said = made.log.ask(EVE, dataset)
    claim = made.claim(said, sharing, made.log.answer(2, None))
    for _ in range(120):
        with pytest.raises(Pending):
            await made.hand(claim)
    with pytest.raises(TooMany):
        await made.hand(claim)
    made.log.clock += 60
    with pytest.raises(Pending):
        await made.hand(claim)
