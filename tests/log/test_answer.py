"""The requester's check of a registrar's answer, lie by lie. (Flows against real nodes are in other rooms.)"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import msgpack
import pytest

from commons.core.crypto import codec, envelope, ids
from commons.core.crypto.envelope import Opened
from commons.core.crypto.keys import Signer
from commons.core.state import entries, opening
from commons.core.state.entries import (
    DECISION,
    DROPPED,
    RECEIPT,
    REQUEST,
    Asked,
    Decided,
    Decision,
    Dropped,
    Receipt,
    Received,
    Request,
)
from commons.core.state.notice import Dropping
from commons.core.tlog import checkpoint, merkle, note, proof
from commons.errors import CommonsError, Malformed, SplitView, Untrue
from commons.log import answer
from commons.log.answer import Answer, ProvenEntry

LOG, BOB, ALICE, EVE = (Signer(bytes([n]) * 32) for n in (1, 2, 3, 4))
COMMONS = ids.cid(b"charter")
KEY = note.Verifier(name=f"commons/{COMMONS}", public=LOG.public)


def salt() -> bytes:
    return b"\5" * 32


def asked(**lies: Any) -> Opened[Asked]:
    said = {
        "commons": COMMONS, "dataset": ids.cid(b"d"), "terms": bytes(32), "epoch": 0, "purpose": "research",
        "details": None, "hpke": bytes(32), "nonce": bytes(32), "time": 1,
    }  # fmt: skip
    return envelope.open(REQUEST, Asked, envelope.sign(REQUEST, Asked(**{**said, **lies}), BOB))


def log(data: list[bytes], first: int, openings: list[bytes | None], old: int = 0, signer: Signer = LOG) -> Answer:
    """The answer of a log of `data`, showing its entries from `first` on."""
    nodes, edge = merkle.grow(0, (), [merkle.leaf(entry) for entry in data])
    tree = {(level, pos): value for level, pos, value in nodes}

    def read(level: int, pos: int) -> bytes:
        return tree[level, pos]

    size = len(data)
    head = checkpoint.sign(checkpoint.Checkpoint(origin=KEY.name, size=size, root=merkle.edge_root(edge)), signer)
    return Answer(
        shown=tuple(
            ProvenEntry(index=n, entry=data[n], opening=hidden, proof=merkle.prove_inclusion(n, size, read))
            for n, hidden in enumerate(openings, first)
        ),
        head=head,
        consistency=merkle.prove_consistency(old, size, read) if 0 < old < size else (),
    )


def entry(said: Opened[Asked], **lies: Any) -> tuple[bytes, bytes]:
    leaf, shown = entries.request(said, None, time=2, salt=salt)
    return codec.encode(replace(leaf, **lies)), codec.encode(shown)


def decide(request: int = 1, statement: bytes | None = None, **lies: Any) -> bytes:
    said = {
        "type": DECISION, "time": 3, "request": request, "outcome": "grant", "reason": "acknowledged", "basis": 0,
        "expires": None, "statement": statement,
    }  # fmt: skip
    return codec.encode(Decision(**{**said, **lies}))


def signed(signer: Signer = ALICE, **lies: Any) -> tuple[bytes, bytes]:
    """A steward's decision: its leaf and opening."""
    said = {"commons": COMMONS, "request": 1, "outcome": "grant", "reason": "welcome", "expires": None, "time": 3}
    statement = envelope.sign(DECISION, Decided(**{**said, **lies}), signer)  # type: ignore[arg-type]
    hidden, shown = entries.hide(salt, statement=statement)
    return decide(statement=hidden["statement"], reason="approved"), codec.encode(shown)


def check(given: Answer, said: Opened[Asked] | None = None, old: bytes = b"") -> answer.Checked:
    return answer.check(given, said or asked(), KEY, old, {ALICE.peer})


def honest() -> tuple[list[bytes], list[bytes | None]]:
    leaf, shown = entry(asked())
    return [b"charter", leaf, decide()], [shown, None]


def test_an_honest_answer_is_a_grant_with_a_proof_that_stands_alone() -> None:
    data, shown = honest()
    got = check(log(data, 1, shown))
    assert (got.request, got.decision, got.outcome) == (1, 2, "grant")
    assert proof.check(proof.parse(got.proof), got.entry, KEY).checkpoint.size == 3
    assert check(log(data[:2], 1, shown[:1])).outcome == "pending"


def test_a_steward_signs_their_decision_and_nobody_else_may() -> None:
    leaf, shown = entry(asked())
    decision, words = signed()
    assert check(log([b"c", leaf, decision], 1, [shown, words])).words == "welcome"
    for wrong in (
        signed(EVE),
        signed(outcome="refuse"),
        signed(request=7),
        signed(expires=9),
        signed(commons=ids.cid(b"x")),
    ):
        with pytest.raises(Untrue, match="steward"):
            check(log([b"c", leaf, wrong[0]], 1, [shown, wrong[1]]))
    with pytest.raises(Untrue, match="who decided"):
        check(log([b"c", leaf, decision], 1, [shown, None]))
    with pytest.raises(Untrue):
        check(log([b"c", leaf, decision], 1, [shown, signed(reason="else")[1]]))


def _twisted() -> list[tuple[str, Callable[[Answer], Answer]]]:
    def last(given: Answer, **lies: Any) -> Answer:
        return replace(given, shown=(given.shown[0], replace(given.shown[1], **lies)))

    def first(given: Answer, **lies: Any) -> Answer:
        return replace(given, shown=(replace(given.shown[0], **lies), given.shown[1]))

    return [
        ("nothing shown", lambda a: replace(a, shown=())),
        ("three shown", lambda a: replace(a, shown=(*a.shown, a.shown[1]))),
        ("only the decision", lambda a: replace(a, shown=a.shown[1:])),
        ("the request twice", lambda a: replace(a, shown=(a.shown[0], a.shown[0]))),
        ("turned round", lambda a: replace(a, shown=a.shown[::-1])),
        ("no opening", lambda a: first(a, opening=None)),
        ("a proof too short", lambda a: last(a, proof=a.shown[1].proof[:-1])),
        ("a proof too long", lambda a: last(a, proof=(*a.shown[1].proof, bytes(32)))),
        ("a proof of zeros", lambda a: last(a, proof=tuple(bytes(32) for _ in a.shown[1].proof))),
        ("another index", lambda a: last(a, index=1)),
        ("an index past the end", lambda a: last(a, index=3)),
        ("a negative index", lambda a: last(a, index=-1)),
        ("another entry", lambda a: last(a, entry=decide(outcome="refuse"))),
        ("a note cut short", lambda a: replace(a, head=a.head[:-9])),
        ("no note", lambda a: replace(a, head=b"")),
    ]


@pytest.mark.parametrize(("lie", "twist"), _twisted(), ids=[name for name, _ in _twisted()])
def test_a_twisted_answer_is_refused(lie: str, twist: Callable[[Answer], Answer]) -> None:
    data, shown = honest()
    with pytest.raises(CommonsError):
        check(twist(log(data, 1, shown)))


@pytest.mark.parametrize(
    "lies",
    [{"purpose": "product"}, {"terms": b"\1" * 32}, {"epoch": 1}, {"dataset": ids.cid(b"other")}, {"details": salt()}],
)
def test_a_logged_request_that_says_something_else_is_refused(lies: dict[str, Any]) -> None:
    leaf, shown = entry(asked(), **lies)
    with pytest.raises(Untrue):
        check(log([b"c", leaf, decide()], 1, [shown, None]))


def test_a_request_dated_otherwise_than_its_requester_signed_is_refused() -> None:
    said = asked(time=10_000)
    for time, fine in ((10_000 + answer.SKEW, True), (10_001 + answer.SKEW, False), (9_000, False)):
        leaf, shown = entries.request(said, None, time=time, salt=salt)
        given = log([b"c", codec.encode(leaf), decide()], 1, [codec.encode(shown), None])
        if fine:
            assert check(given, said).outcome == "grant"
        else:
            with pytest.raises(Untrue, match="dates"):
                check(given, said)


def test_a_decision_that_was_there_before_its_request_is_refused() -> None:
    leaf, shown = entry(asked())
    given = log([b"c", decide(request=2), leaf], 1, [None, shown])
    with pytest.raises(Untrue, match="not on this request"):
        check(replace(given, shown=given.shown[::-1]))


@pytest.mark.parametrize(
    "lies",
    [{"type": "commons/decision/v2"}, {"outcome": "pending"}, {"request": 2}, {"request": 0}, {"request": True},
     {"reason": ""}, {"statement": b"x"}, {"expires": 1.5}, {"extra": 1}],
    ids=str,
)  # fmt: skip
def test_a_decision_that_is_none_is_refused(lies: dict[str, Any]) -> None:
    data, shown = honest()
    wrong = msgpack.packb({**msgpack.unpackb(data[2]), **lies})
    with pytest.raises((Untrue, Malformed)):
        check(log([*data[:2], wrong], 1, shown))


def test_an_opening_of_another_request_or_with_a_word_more_is_refused() -> None:
    data, shown = honest()
    other = asked(nonce=b"\7" * 32)
    whole = opening.decode(shown[0] or b"")
    more = replace(whole, fields=(*whole.fields, opening.Field(name="note", salt=salt(), value=b"")))
    fewer = replace(whole, fields=whole.fields[:1])
    for lie in (entry(other)[1], codec.encode(more), codec.encode(fewer), codec.encode(replace(whole, fields=())), b""):
        with pytest.raises((Untrue, Malformed)):
            check(log(data, 1, [lie, None]))


def test_the_head_is_of_this_log_and_by_its_key() -> None:
    data, shown = honest()
    given = log(data, 1, shown)
    head = checkpoint.open(given.head, KEY).checkpoint
    elsewhere = replace(head, origin=f"commons/{ids.cid(b'other')}")
    for lie in (
        checkpoint.sign(elsewhere, LOG),
        checkpoint.sign(head, EVE),
        checkpoint.sign(replace(head, root=b"\1" * 32), LOG),
        checkpoint.sign(replace(head, size=4), LOG),
        checkpoint.sign(replace(head, size=2), LOG),
    ):
        with pytest.raises(Untrue):
            check(replace(given, head=lie))


def test_a_log_by_a_key_that_everybody_has_says_nothing() -> None:
    weak = replace(KEY, public=b"\1" + bytes(31))
    data, shown = honest()
    given = log(data, 1, shown)
    text = note.peek(given.head)
    signature = note.encode64(weak.id + b"\1" + bytes(63))
    forged = replace(given, head=f"{text}\n\N{EM DASH} {weak.name} {signature}\n".encode())
    with pytest.raises(Untrue, match="not by"):
        answer.check(forged, asked(), weak, b"", {ALICE.peer})


def test_a_proof_of_consistency_is_neither_left_out_nor_lengthened() -> None:
    data, shown = honest()
    old, given = log(data[:2], 0, []).head, log(data, 1, shown, old=2)
    assert check(given, old=old).outcome == "grant"
    for lie in ((), (*given.consistency, bytes(32)), given.consistency[:-1], given.consistency[::-1] * 2):
        with pytest.raises(Untrue, match="does not show") as caught:  # a broken proof proves nothing against the log
            check(replace(given, consistency=lie), old=old)
        assert type(caught.value) is Untrue
    with pytest.raises(Malformed):
        check(replace(given, consistency=(b"short",)), old=old)
    with pytest.raises(Untrue, match="does not show"):
        check(replace(given, consistency=(bytes(32),)), old=given.head)
    assert check(log(data, 1, shown), old=given.head).outcome == "grant"


def test_a_head_of_somebody_else_is_never_held_against_this_log() -> None:
    data, shown = honest()
    for old in (log(data[:1], 0, [], signer=EVE).head, b"no note"):
        with pytest.raises((Untrue, Malformed)) as caught:
            check(log(data, 1, shown, old=1), old=old)
        assert not isinstance(caught.value, SplitView)


def test_another_statement_requester_key_or_request_is_refused() -> None:
    data, shown = honest()
    with pytest.raises(Untrue):
        check(log(data, 1, shown), asked(nonce=b"\7" * 32))
    with pytest.raises(CommonsError):
        check(log(data, 1, shown, signer=EVE))
    with pytest.raises(Untrue, match="not on this request"):
        check(log([*data[:2], decide(request=0)], 1, shown))
    said = asked()
    hidden, lie = entries.hide(salt, requester=EVE.peer.encode(), statement=said.data)
    leaf = entries.decode(data[1])
    assert isinstance(leaf, Request)
    with pytest.raises(Untrue, match="not the one that was signed"):
        check(log([b"c", codec.encode(replace(leaf, **hidden)), decide()], 1, [codec.encode(lie), None]))


def test_a_log_that_grew_extends_the_trusted_head() -> None:
    data, shown = honest()
    old = log(data[:1], 0, []).head
    assert check(log(data, 1, shown, old=1), old=old).outcome == "grant"
    with pytest.raises(Untrue, match="does not show"):
        check(log(data, 1, shown), old=log([b"x"], 0, []).head)


@pytest.mark.parametrize(("size", "proven"), [(1, False), (2, False), (3, True), (4, False)])
def test_a_log_that_forked_or_shrank_is_refused_with_both_heads(size: int, proven: bool) -> None:
    """Proven at one size, or where a proof leads to the new root from another old one; not by fewer entries alone."""
    data, shown = honest()
    old = log([b"other", *data[1:], b"more"][:size], 0, []).head
    given = log(data, 1, shown, old=size)
    with pytest.raises(SplitView if proven else Untrue) as caught:
        check(given, old=old)
    assert (isinstance(caught.value, SplitView), caught.value.evidence) == (proven, (old.decode(), given.head.decode()))


def test_a_receipt_is_checked_like_a_request() -> None:
    said = envelope.open(RECEIPT, Received, envelope.sign(RECEIPT, Received(
        commons=COMMONS, request=1, dataset=ids.cid(b"d"), files=1, size=1, time=1), BOB))  # fmt: skip
    hidden, shown = entries.hide(salt, statement=said.data)
    leaf = Receipt(type=RECEIPT, time=4, request=1, files=1, size=1, **hidden)
    data = [*honest()[0], codec.encode(leaf)]
    given = log(data, 3, [codec.encode(shown)])
    assert answer.check_receipt(given, said, KEY, b"").checkpoint.size == 4
    other = envelope.open(RECEIPT, Received, envelope.sign(RECEIPT, replace(said.value, files=2), BOB))
    for wrong, of in (
        (given, other), (replace(given, shown=()), said), (log(data, 3, [None]), said),
        (log(honest()[0], 2, [codec.encode(shown)]), said),
    ):  # fmt: skip
        with pytest.raises(Untrue):
            answer.check_receipt(wrong, of, KEY, b"")
    assert opening.decode(codec.encode(shown)).get("statement") == said.data


@pytest.mark.parametrize("lies", [{"request": 2}, {"files": 2}, {"size": 0}], ids=str)
def test_a_logged_receipt_that_says_something_else_is_refused(lies: dict[str, Any]) -> None:
    said = envelope.open(RECEIPT, Received, envelope.sign(RECEIPT, Received(
        commons=COMMONS, request=1, dataset=ids.cid(b"d"), files=1, size=1, time=1), BOB))  # fmt: skip
    hidden, shown = entries.hide(salt, statement=said.data)
    leaf = replace(Receipt(type=RECEIPT, time=4, request=1, files=1, size=1, **hidden), **lies)
    with pytest.raises(Untrue):
        answer.check_receipt(log([*honest()[0], codec.encode(leaf)], 3, [codec.encode(shown)]), said, KEY, b"")


def test_a_receipt_comes_under_a_head_that_extends_the_trusted_one() -> None:
    said = envelope.open(RECEIPT, Received, envelope.sign(RECEIPT, Received(
        commons=COMMONS, request=1, dataset=ids.cid(b"d"), files=1, size=1, time=1), BOB))  # fmt: skip
    hidden, shown = entries.hide(salt, statement=said.data)
    data = [*honest()[0], codec.encode(Receipt(type=RECEIPT, time=4, request=1, files=1, size=1, **hidden))]
    given, old = log(data, 3, [codec.encode(shown)], old=3), log(data[:3], 0, []).head
    assert answer.check_receipt(given, said, KEY, old).checkpoint.size == 4
    with pytest.raises(SplitView):
        answer.check_receipt(given, said, KEY, log([b"other", *data[1:3]], 0, []).head)
    for lie in (replace(given, head=log(data, 3, [], signer=EVE).head), replace(given, shown=given.shown * 2),
                replace(given, shown=(replace(given.shown[0], index=2),)),
                replace(given, shown=(replace(given.shown[0], proof=()),))):  # fmt: skip
        with pytest.raises(Untrue):
            answer.check_receipt(lie, said, KEY, old)


def test_what_was_sent_as_an_entry_stands_in_the_log_itself_and_alone() -> None:
    data = [b"charter", b"first", b"second", b"third"]
    assert answer.check_entry(log(data, 2, [None]), b"second", KEY, b"").checkpoint.size == 4
    for given, statement in (
        (log(data, 2, [None]), b"first"), (log(data, 2, [None]), b""), (log(data, 2, [None, None]), b"second"),
        (replace(log(data, 2, [None]), shown=()), b"second"),
    ):  # fmt: skip
        with pytest.raises(Untrue, match="does not show what was sent"):
            answer.check_entry(given, statement, KEY, b"")
    elsewhere = replace(log(data, 2, [None]).shown[0], index=1)
    with pytest.raises(Untrue):
        answer.check_entry(replace(log(data, 2, [None]), shown=(elsewhere,)), b"second", KEY, b"")


def test_an_entry_of_another_kind_proves_nothing_whatever_is_hidden_in_it() -> None:
    request, _ = entry(asked())
    decision, words = signed()
    with pytest.raises(Untrue, match="does not show the request"):
        check(log([b"charter", decision], 1, [words]))
    received = envelope.open(RECEIPT, Received, envelope.sign(RECEIPT, Received(
        commons=COMMONS, request=1, dataset=ids.cid(b"d"), files=1, size=1, time=1), BOB))  # fmt: skip
    dropping = Dropping(commons=COMMONS, dataset=ids.cid(b"d"), request=1, entry=2, time=1)
    dropped = envelope.open(DROPPED, Dropping, envelope.sign(DROPPED, dropping, BOB))
    for check_it, said, other in (
        (answer.check_receipt, received, Dropped(type=DROPPED, time=4, request=1, statement=bytes(32))),
        (answer.check_dropped, dropped, Receipt(type=RECEIPT, time=4, request=1, files=1, size=1, statement=bytes(32))),
    ):
        hidden, shown = entries.hide(salt, statement=said.data)
        lie = log([b"charter", request, codec.encode(replace(other, **hidden))], 2, [codec.encode(shown)])
        with pytest.raises(Untrue, match="is not"):
            check_it(lie, said, KEY, b"")  # type: ignore[operator]
        with pytest.raises(Untrue, match="does not show the"):
            check_it(log([b"charter", decision], 1, [words]), said, KEY, b"")  # type: ignore[operator]


def test_a_log_that_shows_less_than_it_showed_before_is_told_by_both_sizes() -> None:
    data = [b"charter", b"first", b"second"]
    newer, older = log(data, 0, []), log(data[:2], 0, [])
    with pytest.raises(Untrue, match="shows 2 entries, and showed 3 before") as told:
        answer.extend(newer.head, older.head, (), KEY)
    assert told.value.evidence == (newer.head.decode(), older.head.decode())
