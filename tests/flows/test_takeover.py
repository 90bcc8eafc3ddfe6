"""What a log can go on with: all up to the head that its witnesses signed, and beyond it what members signed."""

from __future__ import annotations

import asyncio
import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from commons import takeover
from commons.archive import Read
from commons.core import codec, envelope, governance
from commons.core.governance import Proposal
from commons.core.state import State
from commons.errors import NotFound, Pending, Untrue
from tests.core.test_time import Watched
from tests.keeper import ALICE, BOB, EVE, Keeper

MEMBERS = ("offer", "vote", "vote again", "stranger votes")  # what who votes or offers signs, faulty or not
KINDS = (*MEMBERS, "ask", "publish", "decide")


def shown(log: Keeper, cosigned: bytes | None) -> Read:
    """The log as its keeper's door or an export shows it, with all openings."""

    async def read(path: str) -> bytes:
        if path == "cosigned":
            if cosigned is None:
                raise NotFound(path)
            return cosigned
        if path.startswith("openings/"):
            return codec.encode([[index, data] for index, data in sorted(log.openings.items())])
        return await log.read(path)

    return read


def copied(log: Keeper, cosigned: bytes | None) -> takeover.Copy:
    return asyncio.run(takeover.copy(shown(log, cosigned), log.commons, b""))


class Case:
    """A log with a request in it, an offer to keep it, and what comes after."""

    def __init__(self) -> None:
        self.watched = Watched()
        self.log = self.watched.log
        self.dataset = self.log.publish()
        self.log.ask(BOB, self.dataset)
        self.log.decide()
        self.offers = 0
        self.opened = self.offer()

    def offer(self) -> int:
        keys = [BOB.log(n, self.log.commons).public for n in (0, 1)]
        self.offers += 1
        said = Proposal(
            commons=self.log.commons, action="change-registrar", time=self.log.clock,
            nonce=self.offers.to_bytes(16, "big"), peer=BOB.identity.peer, log_key=keys[0],
            next_key=hashlib.sha256(keys[1]).digest(),
        )  # fmt: skip
        return self.log.add(envelope.sign(governance.PROPOSAL, said, BOB.identity))

    def add(self, kind: str) -> int:
        log = self.log
        if kind == "offer":
            return self.offer()
        if kind == "ask":
            log.ask(EVE, self.dataset)
            return log.last
        if kind == "publish":
            log.publish()
            return len(log.data) - 1
        if kind == "decide":
            log.ask(EVE, self.dataset)
            return log.decide() - 1
        if kind == "vote again":
            return log.vote(BOB, self.opened, "no")  # who offers has voted for it by that
        if kind == "stranger votes":
            return log.vote(EVE, self.opened)
        return log.vote(ALICE, self.opened)


@given(st.lists(st.sampled_from(KINDS), max_size=5), st.integers(0, 2))
def test_beyond_the_witnessed_head_only_what_members_signed_goes_on_and_nothing_after_what_they_did_not(
    kinds: list[str], covered: int
) -> None:
    """Whatever stands there, and however much of it the witnesses saw: nothing rests on a registrar's word."""
    case = Case()
    base, head = len(case.log.data), case.watched.head(3, 3, None)
    members = set[int]()
    for n, kind in enumerate(kinds):
        at = len(case.log.data)
        case.add(kind)
        members |= {at} if kind in MEMBERS else set()
        if n < covered:  # the witnesses signed this as well
            base, head = len(case.log.data), case.watched.head(3, 3, None)
    state = State()
    faulty = {n for n, data in enumerate(case.log.data) if state.take(data) is not None}
    rest = range(base, len(case.log.data))
    goes_on = next((n for n in rest if n not in members or n in faulty), len(case.log.data))
    found = copied(case.log, head)
    assert found.base.checkpoint.size == base
    assert found.data == case.log.data[:goes_on]
    assert found.state.size == goes_on
    assert found.hidden == {n: data for n, data in case.log.openings.items() if n < base and n not in faulty}


def test_what_is_added_to_a_copy_follows_what_it_goes_on_with() -> None:
    """The last ballot, collected apart, decides; the new log numbers its entries without a gap."""
    case = Case()
    head = case.watched.head(3, 3, None)
    for kind in ("offer", "ask", "offer"):
        case.add(kind)
    found = copied(case.log, head)
    said = governance.Vote(
        commons=case.log.commons, proposal=hashlib.sha256(case.log.data[case.opened]).digest(), choice="yes",
        reason="", time=case.log.clock,
    )  # fmt: skip
    ballot = envelope.sign(governance.VOTE, said, ALICE.identity)
    size = len(found.data)
    assert size == head_size(head) + 1
    assert takeover.add(found, [case.log.data[case.opened], ballot]) != []  # the proposal is in it already
    assert found.data[size:] == [ballot]
    assert found.state.size == size + 1
    community = found.state.community
    assert community is not None
    assert community.heir is not None
    assert community.heir.peer == BOB.identity.peer


def test_nobody_goes_on_from_a_head_that_is_not_of_the_log_that_is_shown() -> None:
    """The old registrar and the witnesses signed both: what was witnessed is another history."""
    case, other = Case(), Case()
    other.log.data = [*case.log.data[:-1], other.log.data[-2]]
    other.log.commons, other.log.log = case.log.commons, case.log.log
    with pytest.raises(Untrue, match="is not of this log") as told:
        copied(case.log, other.watched.head(3, 3, None))
    assert len(told.value.evidence) == 2


def test_nobody_goes_on_from_a_head_that_too_few_signed_or_that_is_ahead_of_what_is_shown() -> None:
    case = Case()
    few, many = case.watched.head(3), case.watched.head(3, 3, None)
    for cosigned in (None, few):
        with pytest.raises(Pending, match="no head of this log is witnessed"):
            copied(case.log, cosigned)
    assert copied(case.log, many).base.checkpoint.size == len(case.log.data)
    case.log.data.pop()
    with pytest.raises(Pending, match="no head of this log is witnessed"):
        copied(case.log, many)
    assert copied(case.log, case.watched.head(3, 3, None)).base.checkpoint.size == len(case.log.data)


def head_size(head: bytes) -> int:
    return int(head.split(b"\n")[1])
