"""The fold: every rule of the log, and that rights come from nothing but its entries."""

from __future__ import annotations

import copy
from typing import Any

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from commons.core import entries, envelope, ids
from commons.core.entries import (
    CHARTER,
    DECISION,
    PUBLISH,
    RECEIPT,
    REDACTION,
    REQUEST,
    Charter,
    Decision,
    Publish,
    Receipt,
    Redaction,
    Request,
    Unknown,
)  # fmt: skip
from commons.core.keys import Signer
from commons.core.rules import Rule
from commons.core.state import State
from commons.errors import CommonsError, Conflict, Gone, Malformed, NotFound, Pending, Refused, Untrue

ALICE, EVE = Signer(b"\1" * 32), Signer(b"\2" * 32)
FREE, ASKED = Rule(kind="acknowledge"), Rule(kind="approval")


def charter(signer: Signer = ALICE, **lies: Any) -> Any:
    said = {
        "name": "c", "time": 1, "members": (ALICE.peer,), "registrar": ALICE.peer, "log_key": bytes(32),
        "next_key": bytes(32), "readers": "members",
    }  # fmt: skip
    return envelope.open(CHARTER, Charter, envelope.sign(CHARTER, Charter(**{**said, **lies}), signer))


def publish(version: int = 1, signer: Signer = ALICE, series: int = 0, **lies: Any) -> Any:
    said = {
        "time": 2, "manifest": ids.cid(bytes([series, version])), "series": bytes([series] * 16), "version": version,
        "title": "t", "licence": "CC0-1.0", "terms": bytes(32), "rule": FREE, "purposes": (), "grant_days": None,
        "epoch": 0,
    }  # fmt: skip
    return envelope.open(PUBLISH, Publish, envelope.sign(PUBLISH, Publish(**{**said, **lies}), signer))


def request(version: int = 1, series: int = 0, **lies: Any) -> Request:
    said = {
        "type": REQUEST, "time": 3, "dataset": ids.cid(bytes([series, version])), "terms": bytes(32), "epoch": 0,
        "purpose": "research", "requester": bytes(32), "statement": bytes(32), "details": None,
    }  # fmt: skip
    return Request(**{**said, **lies})


def decision(on: int, outcome: str = "grant", **lies: Any) -> Decision:
    said = {
        "type": DECISION, "time": 4, "request": on, "outcome": outcome, "reason": "x", "basis": 1, "expires": None,
        "statement": None,
    }  # fmt: skip
    return Decision(**{**said, **lies})


def receipt(on: int) -> Receipt:
    return Receipt(type=RECEIPT, time=5, request=on, files=1, size=1, statement=bytes(32))


def redaction(*targets: int) -> Redaction:
    return Redaction(type=REDACTION, time=5, entries=targets, reason="requested")


def fold(*steps: Any) -> State:
    state = State()
    for step in steps:
        state.apply(step)
    return state


def test_a_request_its_grant_and_its_receipt_are_one_access() -> None:
    state = fold(charter(), publish(), request(), decision(2), receipt(2))
    access = state.granted(2, now=10)
    assert (access.outcome, access.decision, access.receipt) == ("grant", 3, 4)


@pytest.mark.parametrize(
    ("steps", "wrong", "error"),
    [
        ((), publish(), Malformed),
        ((), Unknown(type="x"), Malformed),
        ((), charter(EVE), Refused),
        ((charter(),), charter(), Malformed),
        ((charter(),), publish(signer=EVE), Refused),
        ((charter(),), publish(2), Conflict),
        ((charter(),), publish(epoch=1), Conflict),
        ((charter(),), publish(epoch=10**9), Conflict),
        ((charter(time=9),), publish(), Untrue),
        ((charter(), publish()), publish(), Conflict),
        ((charter(), publish()), publish(3), Conflict),
        ((charter(), publish()), publish(2, rule=ASKED), Conflict),
        ((charter(), publish()), publish(2, terms=b"\1" * 32), Conflict),
        ((charter(), publish()), request(2), NotFound),
        ((charter(), publish()), request(terms=b"\1" * 32), Conflict),
        ((charter(), publish()), request(epoch=1), Conflict),
        ((charter(), publish()), decision(1), NotFound),
        ((charter(), publish(), request()), decision(2, basis=0), Untrue),
        ((charter(), publish(), request()), decision(2, "revoke"), Conflict),
        ((charter(), publish(), request(), decision(2)), decision(2), Conflict),
        ((charter(), publish(), request(), decision(2, "refuse")), decision(2, "grant"), Conflict),
        ((charter(), publish(), request(), decision(2, "refuse")), receipt(2), NotFound),
        ((charter(), publish(), request()), receipt(2), NotFound),
        ((charter(), publish(), request(), decision(2), receipt(2)), receipt(2), Conflict),
        ((charter(), publish()), redaction(1, 2), NotFound),
        ((charter(), publish()), redaction(-1), NotFound),
    ],
)
def test_an_entry_that_breaks_a_rule_changes_nothing_but_the_size(
    steps: tuple[Any, ...], wrong: Any, error: type[CommonsError]
) -> None:
    state = fold(*steps)
    before = copy.deepcopy(state)
    with pytest.raises(error):
        state.apply(wrong)
    assert state.size == before.size + 1
    state.size -= 1
    assert state == before


def test_a_series_is_continued_by_who_began_it_and_under_its_next_epoch() -> None:
    both = charter(members=(ALICE.peer, EVE.peer))
    with pytest.raises(Refused):
        fold(both, publish(), publish(2, EVE))
    assert fold(both, publish(), publish(2)).epochs[bytes(16)] == 0
    assert fold(both, publish(), publish(2, rule=ASKED, epoch=1)).epochs[bytes(16)] == 1


def test_a_revocation_needs_a_new_key_for_the_next_version() -> None:
    state = fold(charter(), publish(), request(), decision(2), decision(2, "revoke"))
    with pytest.raises(Refused, match="revoked"):
        state.granted(2, now=10)
    assert state.epoch_for(bytes(16), bytes(32), FREE) == 1
    with pytest.raises(Conflict):
        state.apply(publish(2, time=6))
    state.apply(publish(2, time=6, epoch=1))


def test_only_a_grant_that_stands_is_granted() -> None:
    with pytest.raises(NotFound):
        fold(charter()).granted(2, now=10)
    with pytest.raises(Pending):
        fold(charter(), publish(), request()).granted(2, now=10)
    with pytest.raises(Refused):
        fold(charter(), publish(), request(), decision(2, "refuse")).granted(2, now=10)
    timed = fold(charter(), publish(), request(), decision(2, expires=20))
    assert timed.granted(2, now=19)
    with pytest.raises(Gone):
        timed.granted(2, now=20)
    with pytest.raises(Gone):
        fold(charter(), publish(), request(), decision(2), redaction(2)).granted(2, now=10)


class AnyLog(RuleBasedStateMachine):
    """Random entries, valid or not. A registrar keeps the valid ones; an auditor folds what it kept."""

    @initialize()
    def begin(self) -> None:
        self.state, self.log = State(), []
        self.offer(charter())

    def offer(self, entry: Any) -> None:
        before = copy.deepcopy(self.state)
        try:
            self.state.apply(entry)
            self.log.append(entry)
        except CommonsError:
            self.state.size = before.size
            assert self.state == before

    @rule(
        version=st.integers(1, 4),
        series=st.integers(0, 1),
        epoch=st.integers(0, 3),
        asked=st.booleans(),
        eve=st.booleans(),
    )
    def publishes(self, version: int, series: int, epoch: int, asked: bool, eve: bool) -> None:
        before = dict(self.state.epochs)
        self.offer(publish(
            version, EVE if eve else ALICE, series, epoch=epoch, rule=ASKED if asked else FREE, time=self.state.time,
        ))  # fmt: skip
        assert all(self.state.epochs[s] >= e for s, e in before.items())

    @rule(version=st.integers(1, 4), series=st.integers(0, 1), epoch=st.integers(0, 3))
    def requests(self, version: int, series: int, epoch: int) -> None:
        self.offer(request(version, series, epoch=epoch, time=self.state.time))

    @rule(
        on=st.integers(0, 20),
        outcome=st.sampled_from(["grant", "refuse", "revoke"]),
        expires=st.none() | st.integers(0, 9),
    )
    def decides(self, on: int, outcome: str, expires: int | None) -> None:
        known = self.state.accesses.get(on)
        basis = self.state.datasets[known.entry.dataset].index if known else 1
        self.offer(decision(on, outcome, basis=basis, expires=expires, time=self.state.time))

    @rule(on=st.integers(0, 20))
    def receives(self, on: int) -> None:
        self.offer(Receipt(type=RECEIPT, time=self.state.time, request=on, files=1, size=1, statement=bytes(32)))

    @rule(erased=st.lists(st.integers(-1, 20), max_size=3))
    def redacts(self, erased: list[int]) -> None:
        self.offer(Redaction(type=REDACTION, time=self.state.time, entries=tuple(erased), reason="r"))

    @rule(back=st.integers(1, 3))
    def backdates(self, back: int) -> None:
        if self.state.time > 1:
            size = len(self.log)
            self.offer(request(time=self.state.time - back))
            assert len(self.log) == size

    @invariant()
    def nothing_counts_but_the_log(self) -> None:
        if hasattr(self, "log"):
            assert fold(*self.log) == self.state

    @invariant()
    def a_key_is_granted_only_by_a_standing_grant(self) -> None:
        for index, access in self.state.accesses.items() if hasattr(self, "state") else ():
            for now in (0, 5, 10):
                try:
                    self.state.granted(index, now)
                    granted = True
                except CommonsError:
                    granted = False
                last = [e for e in self.log if isinstance(e, Decision) and e.request == index]
                stands = bool(last) and last[-1].outcome == "grant" and index not in self.state.redacted
                in_time = stands and (last[-1].expires is None or now < last[-1].expires)
                assert granted == in_time
                assert access.entry is self.log[index]


TestAnyLog = AnyLog.TestCase


def test_unknown_entries_are_kept_and_count_for_nothing() -> None:
    state = fold(charter(), Unknown(type="commons/later/v9"), publish())
    assert state.size == 3
    assert entries.time_of(Unknown(type="x")) is None
