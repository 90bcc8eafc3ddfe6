"""Notices and what holders say back: who may sign them, what they may be about, and what the fold counts."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from commons.core.crypto import envelope, ids
from commons.core.crypto.codec import encode
from commons.core.crypto.keys import Signer
from commons.core.state import entries, notice, proposals
from commons.core.state.entries import DROPPED, Dropped, Redaction
from commons.core.state.fold import State
from commons.core.state.notice import Dropping, Notice
from commons.core.state.proposals import Proposal
from commons.core.tlog import merkle
from commons.core.tlog.checkpoint import Checkpoint
from commons.core.tlog.checkpoint import sign as sign_head
from commons.core.tlog.note import Verifier
from commons.errors import Conflict, Malformed, NotFound, Untrue
from commons.log import answer
from commons.log.answer import Answer, ProvenEntry
from tests.core.test_state import ALICE, EVE, charter, decision, fold, publish, receipt, request

COMMONS = ids.cid(charter().data)
FIRST, SECOND, OTHER = (ids.cid(bytes(pair)) for pair in ((0, 1), (0, 2), (1, 1)))
NOTICE = Notice(commons=COMMONS, dataset=FIRST, entry=5, time=9, holders=2, dropped=1)


def withdraw(dataset: str, nonce: int = 0) -> Any:
    said = Proposal(commons=COMMONS, action="withdraw", time=9, nonce=bytes([nonce]) * 16, words="", dataset=dataset)
    return envelope.open(proposals.PROPOSAL, Proposal, envelope.sign(proposals.PROPOSAL, said, ALICE))


def dropped(on: int, time: int = 9) -> Dropped:
    return Dropped(type=DROPPED, time=time, request=on, statement=bytes(32))


def held() -> State:
    """Two versions under one key and another dataset; requests 4 and 6 of the versions and 8 of the other."""
    return fold(
        charter(), publish(), publish(2), publish(1, series=1, rule=publish().value.rule),
        request(time=5), decision(4, time=5), request(2, time=5), decision(6, basis=2, time=5),
        request(1, 1, time=5), decision(8, basis=3, time=5),
        *(receipt(each) for each in (4, 6, 8)),
    )  # fmt: skip


# -- the signed notice ------------------------------------------------------------------------------------------------


def test_a_notice_is_the_registrars_about_what_was_asked() -> None:
    data = notice.sign(NOTICE, ALICE)
    assert len(data) <= notice.LIMIT
    assert notice.open(data, COMMONS, FIRST, {ALICE.peer}) == NOTICE
    for signed, commons, dataset, registrar in (
        (notice.sign(NOTICE, EVE), COMMONS, FIRST, ALICE.peer), (data, COMMONS, FIRST, EVE.peer),
        (data, COMMONS, SECOND, ALICE.peer), (data, FIRST, FIRST, ALICE.peer),
        (data[:-1] + bytes([data[-1] ^ 1]), COMMONS, FIRST, ALICE.peer),
    ):  # fmt: skip
        with pytest.raises((Untrue, Malformed)):
            notice.open(signed, commons, dataset, {registrar})
    for kind in (DROPPED, "commons/notice/v2"):
        with pytest.raises(Malformed):
            notice.open(envelope.sign(kind, NOTICE, ALICE), COMMONS, FIRST, {ALICE.peer})


@pytest.mark.parametrize(
    "lie", [{"dropped": 3}, {"dropped": -1}, {"holders": 0}, {"entry": 0}, {"entry": -1}, {"time": -1},
            {"dataset": "x"}, {"commons": ""}], ids=str,
)  # fmt: skip
def test_a_notice_that_cannot_be_is_none(lie: dict[str, Any]) -> None:
    with pytest.raises(Malformed):
        replace(NOTICE, **lie)


# -- the fold ---------------------------------------------------------------------------------------------------------


def test_nobody_drops_what_is_not_withdrawn_nor_twice_nor_without_a_grant() -> None:
    state = held()
    with pytest.raises(Conflict, match="not withdrawn"):
        state.apply(dropped(4))
    state.apply(request(time=5))
    waiting = state.size - 1
    state.apply(withdraw(FIRST))
    for on, error in ((waiting, NotFound), (1, NotFound), (99, NotFound), (8, Conflict)):
        with pytest.raises(error):
            state.apply(dropped(on))
    state.apply(dropped(4))
    assert state.accesses[4].dropped == state.size - 1
    with pytest.raises(Conflict, match="already"):
        state.apply(dropped(4))
    with pytest.raises(Untrue, match="dated before"):
        state.apply(dropped(6, time=1))


def test_the_share_is_of_all_holders_of_what_one_entry_withdrew() -> None:
    state = held()
    assert notice.of(state, FIRST, 9) is None
    state.apply(withdraw(SECOND))
    entry = state.size - 1
    told = notice.of(state, FIRST, 10)
    assert told == Notice(commons=COMMONS, dataset=FIRST, entry=entry, time=10, holders=2, dropped=0)
    state.apply(dropped(6))
    for each in (FIRST, SECOND):
        seen = notice.of(state, each, 10)
        assert seen is not None
        assert (seen.entry, seen.holders, seen.dropped) == (entry, 2, 1)
    state.apply(withdraw(OTHER, 1))
    seen = notice.of(state, OTHER, 10)
    assert seen is not None
    assert (seen.holders, seen.dropped) == (1, 0)
    assert notice.of(State(), FIRST, 1) is None


def test_who_says_it_without_a_receipt_is_counted_when_the_receipt_comes() -> None:
    state = fold(charter(), publish(), request(), decision(2), withdraw(FIRST))
    state.apply(dropped(2))
    assert state.tally[FIRST] == (0, 0)
    state.apply(replace(receipt(2), time=9))
    assert state.tally[FIRST] == (1, 1)


def test_a_revoked_holder_may_say_it_too_and_an_erased_one_still_counts() -> None:
    state = held()
    state.apply(decision(4, "revoke", time=5))
    state.apply(withdraw(FIRST))
    state.apply(dropped(4))
    state.apply(Redaction(type=entries.REDACTION, time=9, entries=(4,), reason="requested"))
    seen = notice.of(state, FIRST, 10)
    assert seen is not None
    assert (seen.holders, seen.dropped) == (2, 1)


def test_a_statement_is_about_a_request_for_that_dataset_and_the_entry_that_withdrew_it() -> None:
    state = held()
    state.apply(withdraw(FIRST))
    said = Dropping(commons=COMMONS, request=4, dataset=FIRST, entry=state.size - 1, time=9)
    notice.check(said, state)
    gone = f"was withdrawn at entry {said.entry}, and this names entry 1"
    for lie, error, told in (
        ({"request": 5}, NotFound, "no request 5"), ({"request": 6}, Conflict, "another dataset"),
        ({"entry": 1}, Conflict, gone), ({"request": 8, "dataset": OTHER}, Conflict, "is not withdrawn"),
    ):  # fmt: skip
        with pytest.raises(error, match=told):
            notice.check(replace(said, **lie), state)  # type: ignore[arg-type]


# -- the holder's check of the answer ---------------------------------------------------------------------------------

SIGNER = Signer(b"\3" * 32)
KEY = Verifier(name="commons/x", public=SIGNER.public)


def logged(leaf: Any, opening: Any) -> Answer:
    """A log of two entries, the second of which is shown."""
    data = [b"first", encode(leaf)]
    root = merkle.node(merkle.leaf(data[0]), merkle.leaf(data[1]))
    head = sign_head(Checkpoint(origin=KEY.name, size=2, root=root), SIGNER)
    seen = ProvenEntry(index=1, entry=data[1], opening=opening and encode(opening), proof=(merkle.leaf(data[0]),))
    return Answer(shown=(seen,), head=head, consistency=())


def test_the_log_holds_exactly_what_the_holder_signed() -> None:
    said = envelope.open(DROPPED, Dropping, envelope.sign(
        DROPPED, Dropping(commons=COMMONS, request=4, dataset=FIRST, entry=5, time=9), EVE))  # fmt: skip
    hidden, opening = entries.hide(lambda: bytes(32), statement=said.data)
    leaf = Dropped(type=DROPPED, time=10, request=4, **hidden)
    given = logged(leaf, opening)
    assert answer.check_dropped(given, said, KEY, b"").checkpoint.size == 2
    other, shown = entries.hide(lambda: bytes(32), statement=b"another")
    for lie in (
        logged(replace(leaf, request=5), opening), logged(leaf, None), logged(replace(leaf, **other), shown),
        logged(replace(receipt(4), **hidden), opening), replace(given, shown=()),
        replace(given, shown=given.shown * 2), replace(given, shown=(replace(given.shown[0], proof=()),)),
    ):  # fmt: skip
        with pytest.raises(Untrue):
            answer.check_dropped(lie, said, KEY, b"")
    with pytest.raises(Untrue):
        answer.check_dropped(given, said, Verifier(name=KEY.name, public=EVE.public), b"")
