"""The fold: every rule of the log, and that rights come from nothing but its entries."""

from __future__ import annotations

import copy
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from commons.core.crypto import envelope, ids
from commons.core.crypto.keys import Signer
from commons.core.dataset.rule import Rule
from commons.core.state import entries
from commons.core.state.charter import College
from commons.core.state.entries import (
    CHARTER,
    DECISION,
    DROPPED,
    PUBLISH,
    RECEIPT,
    REDACTION,
    REQUEST,
    Charter,
    Decision,
    Dropped,
    Publish,
    Receipt,
    Redaction,
    Request,
    Unknown,
)
from commons.core.state.fold import State
from commons.errors import CommonsError, Conflict, Gone, Malformed, NotFound, Pending, Refused, Untrue
from tests.rows import over

ALICE, EVE = Signer(b"\1" * 32), Signer(b"\2" * 32)
FREE, ASKED = Rule(kind="acknowledge"), Rule(kind="approval")


def charter(signer: Signer = ALICE, **lies: Any) -> Any:
    said = {
        "name": "c", "purpose": "", "time": 1, "colleges": (College(name="members", members=(ALICE.peer,)),),
        "powers": (), "registrar": ALICE.peer, "log_key": bytes(32), "next_key": bytes(32), "readers": "members",
        "retention_days": None, "witnesses": "", "custodians": "", "ratchets": (),
    }  # fmt: skip
    return envelope.open(CHARTER, Charter, envelope.sign(CHARTER, Charter(**{**said, **lies}), signer))


COMMONS = ids.cid(charter().data)


def publish(version: int = 1, signer: Signer = ALICE, series: int = 0, **lies: Any) -> Any:
    said = {
        "commons": COMMONS, "time": 2, "manifest": ids.cid(bytes([series, version])), "series": bytes([series] * 16),
        "version": version, "title": "t", "licence": "CC0-1.0", "terms": bytes(32), "rule": FREE, "purposes": (),
        "grant_days": None, "epoch": 0,
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


@over(
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
        ((charter(time=603),), publish(), Untrue),
        ((charter(),), publish(commons=ids.cid(b"another")), Conflict),
        ((charter(), publish()), publish(), Conflict),
        ((charter(), publish()), publish(3), Conflict),
        ((charter(), publish()), publish(2, rule=ASKED), Conflict),
        ((charter(), publish()), publish(2, terms=b"\1" * 32), Conflict),
        ((charter(), publish()), request(2), NotFound),
        ((charter(), publish()), request(terms=b"\1" * 32), Conflict),
        ((charter(), publish()), request(epoch=1), Conflict),
        ((charter(), publish()), request(terms=b"\1" * 32, epoch=1), Conflict),
        ((charter(), publish()), request(time=1), Untrue),
        ((charter(), publish()), publish(2, terms=b"\1" * 32, epoch=2), Conflict),
        ((charter(), publish()), publish(2, epoch=1), Conflict),
        ((charter(), publish()), publish(1, series=1, manifest=ids.cid(bytes([0, 1]))), Conflict),
        ((charter(), publish(), publish(series=1)), publish(3, series=1), Conflict),
        ((charter(), publish()), decision(1), NotFound),
        ((charter(), publish()), decision(2), NotFound),
        ((charter(), publish()), decision(-1), NotFound),
        ((charter(), publish()), receipt(2), NotFound),
        ((charter(), publish(), request()), decision(3), NotFound),
        ((charter(), publish(), request()), decision(2, reason="voted"), Refused),
        ((charter(), publish(), request(), decision(2)), decision(2, "revoke", reason="voted"), Refused),
        ((charter(), publish(), request()), decision(2, basis=0), Untrue),
        ((charter(), publish(), request()), decision(2, basis=2), Untrue),
        ((charter(), publish(), request()), decision(2, basis=-1), Untrue),
        ((charter(), publish(), publish(series=1), request(series=1)), decision(3), Untrue),
        ((charter(), publish(), request()), decision(2, time=2), Untrue),
        ((charter(), publish(), request(), decision(2)), decision(2, "refuse"), Conflict),
        ((charter(), publish(), request(), decision(2, "refuse")), decision(2, "revoke"), Conflict),
        ((charter(), publish(), request(), decision(2), decision(2, "revoke")), decision(2, "revoke"), Conflict),
        ((charter(), publish(), request(), decision(2), decision(2, "revoke")), decision(2), Conflict),
        ((charter(), publish(), request()), decision(2, "revoke"), Conflict),
        ((charter(), publish(), request(), decision(2)), decision(2), Conflict),
        ((charter(), publish(), request(), decision(2, "refuse")), decision(2, "grant"), Conflict),
        ((charter(), publish(), request(), decision(2, "refuse")), receipt(2), NotFound),
        ((charter(), publish(), request()), receipt(2), NotFound),
        ((charter(), publish(), request(), decision(2), receipt(2)), receipt(2), Conflict),
        ((charter(), publish()), redaction(1, 2), NotFound),
        ((charter(), publish()), redaction(-1), NotFound),
        ((charter(), publish()), redaction(2), NotFound),
        ((charter(), publish()), redaction(0, 2**63), NotFound),
        ((charter(),), charter(time=0), Malformed),
        ((), charter(time=-1), Untrue),
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
    both = charter(colleges=(College(name="members", members=tuple(sorted((ALICE.peer, EVE.peer)))),))
    here = ids.cid(both.data)
    with pytest.raises(Refused):
        fold(both, publish(commons=here), publish(2, EVE, commons=here))
    assert fold(both, publish(commons=here), publish(2, commons=here)).epochs[bytes(16)] == 0
    asked = publish(2, rule=ASKED, epoch=1, commons=here)
    assert fold(both, publish(commons=here), asked).epochs[bytes(16)] == 1


def test_any_member_publishes_by_a_clock_that_may_be_late_and_in_one_commons_only() -> None:
    both = charter(time=1000, colleges=(College(name="members", members=tuple(sorted((ALICE.peer, EVE.peer)))),))
    here = ids.cid(both.data)
    state = fold(both, publish(signer=EVE, commons=here, time=400))
    assert (state.published(ids.cid(bytes([0, 1]))).publisher, state.time) == (EVE.peer, 1000)
    with pytest.raises(Untrue, match="dated before"):
        fold(both, publish(signer=EVE, commons=here, time=399))
    with pytest.raises(Conflict, match="another commons"):
        fold(both, publish(signer=EVE, time=1000))


def test_what_the_fold_would_say_of_a_publication_can_be_asked_before() -> None:
    state = fold(charter(), publish())
    before = copy.deepcopy(state)
    for wrong, error in ((publish(), Conflict), (publish(2, EVE), Refused), (publish(3), Conflict)):
        with pytest.raises(error):
            state.check_publish(wrong.signer, wrong.value)
    state.check_publish(ALICE.peer, publish(2).value)
    assert state == before
    with pytest.raises(Refused, match="no member of this commons"):
        State().check_publish(ALICE.peer, publish().value)


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
    nobodys = fold(charter(), publish(), request())
    nobodys.accesses[2] = replace(nobodys.access(2), outcome="grant")  # without an entry that says so
    with pytest.raises(Pending):
        nobodys.granted(2, now=10)


def test_a_grant_is_revoked_for_the_key_it_gave_and_no_other() -> None:
    state = fold(
        charter(), publish(), request(), decision(2), publish(2, rule=ASKED, epoch=1, time=5),
        publish(3, rule=FREE, epoch=2, time=5), decision(2, "revoke", time=6),
    )  # fmt: skip
    assert state.epochs[bytes(16)] == 2  # who was revoked has epoch 0, and the newest is two further
    state.apply(request(3, epoch=2, time=6))
    state.apply(decision(7, basis=5, time=6))
    state.apply(decision(7, "revoke", basis=5, time=6))
    assert state.epoch_for(bytes(16), bytes(32), FREE) == 3
    assert state.epoch_for(bytes(16), bytes(32), ASKED) == 3
    assert state.epoch_for(b"\1" * 16, bytes(32), ASKED) == 0


def test_an_older_version_goes_on_under_its_own_rule() -> None:
    state = fold(charter(), publish(), publish(2, rule=ASKED, epoch=1))
    state.apply(request(1))
    state.apply(decision(3, basis=1))
    assert state.granted(3, now=10)
    with pytest.raises(Conflict):
        state.apply(request(2, epoch=0, time=9))


def test_another_peer_on_the_list_is_another_rule() -> None:
    few, more = Rule(kind="allow-list", peers=(ALICE.peer,)), sorted((ALICE.peer, EVE.peer))
    state = fold(charter(), publish(rule=few))
    assert state.epoch_for(bytes(16), bytes(32), few) == 0
    assert state.epoch_for(bytes(16), bytes(32), Rule(kind="allow-list", peers=tuple(more))) == 1


def test_a_receipt_counts_for_a_grant_that_was_revoked_since() -> None:
    state = fold(charter(), publish(), request(), decision(2), decision(2, "revoke"), receipt(2))
    assert state.access(2).receipt == 5
    with pytest.raises(Refused):
        state.granted(2, now=10)


def test_what_was_erased_stays_erased_by_the_first_who_said_so() -> None:
    state = fold(charter(), publish(), request(), redaction(2), redaction(2, 2, 1, 0))
    assert state.redacted == {2: 3, 1: 4, 0: 4}
    with pytest.raises(Gone):  # before it is said that it waits
        state.granted(2, now=10)
    state.apply(decision(2, time=5))
    with pytest.raises(Gone):
        state.granted(2, now=10)
    assert fold(charter(), publish(), redaction()).redacted == {}


def test_a_grant_ends_when_it_says_whatever_number_that_is() -> None:
    for expires in (-1, 0, 10):
        with pytest.raises(Gone):
            fold(charter(), publish(), request(), decision(2, expires=expires)).granted(2, now=10)
    assert fold(charter(), publish(), request(), decision(2, expires=2**64 - 1)).granted(2, now=2**63)


def test_after_a_date_far_away_nothing_is_dated_before_it() -> None:
    state = fold(charter(), publish(time=2**63))
    with pytest.raises(Untrue):
        state.apply(request(time=2**63 - 1))
    state.apply(Unknown(type="x"))
    state.apply(request(time=2**63))
    assert (state.time, state.size) == (2**63, 5)


def test_what_is_not_there_is_not_found() -> None:
    state = fold(charter(), publish(), request())
    assert state.published(ids.cid(bytes([0, 1]))).publisher == ALICE.peer
    assert state.access(2).index == 2
    for index in (-1, 0, 1, 3):
        with pytest.raises(NotFound):
            state.access(index)
    with pytest.raises(NotFound):
        state.published(ids.cid(b"else"))


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
        assert all(self.state.epochs[series] >= epoch for series, epoch in before.epochs.items())
        assert self.state.time >= before.time

    @rule(
        version=st.integers(1, 4),
        series=st.integers(0, 1),
        epoch=st.integers(0, 3),
        asked=st.booleans(),
        eve=st.booleans(),
    )
    def publishes(self, version: int, series: int, epoch: int, asked: bool, eve: bool) -> None:
        self.offer(publish(
            version, EVE if eve else ALICE, series, epoch=epoch, rule=ASKED if asked else FREE, time=self.state.time,
        ))  # fmt: skip

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

    @rule(on=st.integers(0, 20))
    def drops_what_nobody_withdrew(self, on: int) -> None:
        size = len(self.log)
        self.offer(Dropped(type=DROPPED, time=self.state.time, request=on, statement=bytes(32)))
        assert len(self.log) == size

    @rule(erased=st.lists(st.integers(-1, 20), max_size=3))
    def redacts(self, erased: list[int]) -> None:
        self.offer(Redaction(type=REDACTION, time=self.state.time, entries=tuple(erased), reason="r"))

    @rule(on=st.integers(-1, 20), basis=st.integers(-1, 20))
    def decides_on_another_basis(self, on: int, basis: int) -> None:
        known = self.state.accesses.get(on)
        size = len(self.log)
        self.offer(decision(on, basis=basis, time=self.state.time))
        assert len(self.log) == size or (known and basis == self.state.datasets[known.entry.dataset].index)

    @rule(version=st.integers(1, 4), series=st.integers(0, 1), epoch=st.integers(0, 3))
    def asks_under_other_terms(self, version: int, series: int, epoch: int) -> None:
        size = len(self.log)
        self.offer(request(version, series, epoch=epoch, terms=b"\1" * 32, time=self.state.time))
        assert len(self.log) == size

    @rule(entry=st.sampled_from([charter(), charter(EVE), Unknown(type="x")]))
    def begins_again_or_says_what_nobody_knows(self, entry: Any) -> None:
        before = copy.deepcopy(self.state)
        self.offer(entry)
        size, attested = self.state.size, self.state.attested  # what nobody knows is the registrar's word all the same
        self.state.size, self.state.attested = before.size, before.attested
        assert self.state == before
        self.state.size, self.state.attested = size, attested

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
