"""Entries: what each may say, what it hides, and that nothing passes for another kind."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import msgpack
import pytest

from commons.core.crypto import codec, envelope, ids
from commons.core.crypto.envelope import Opened
from commons.core.state import entries, opening
from commons.core.state.entries import Asked, Decided, Received, Unknown
from commons.core.state.notice import Dropping
from commons.core.state.opening import Field, Opening
from commons.core.tlog import tiles
from commons.errors import CommonsError, Malformed, TooLarge, Untrue
from tests.rows import over
from tests.vectors.generate import (
    ALICE,
    ASKED,
    ASKED_BYTES,
    BOB,
    CHARTER,
    CHARTER_BYTES,
    COMMONS,
    DECIDED,
    DECISION,
    DETAILS,
    DROPPED,
    DROPPING,
    ENCODED,
    EVE,
    MANIFEST_BYTES,
    OPENING,
    PUBLISH,
    RECEIPT,
    RECEIVED,
    REDACTION,
    REQUEST,
    RULE,
    TIME,
    salt,
)

SAID = envelope.open(entries.REQUEST, Asked, ASKED_BYTES)


def taken() -> bytes:
    return salt(99)


# -- reading ----------------------------------------------------------------------------------------------------------


def test_an_entry_is_read_as_what_it_is() -> None:
    charter, publish = entries.decode(ENCODED["charter"]), entries.decode(ENCODED["publish"])
    assert isinstance(charter, Opened)
    assert isinstance(publish, Opened)
    assert (charter.value, charter.signer, charter.data) == (CHARTER, ALICE.peer, CHARTER_BYTES)
    assert (publish.value, publish.signer) == (PUBLISH, ALICE.peer)
    leaves = [entries.decode(ENCODED[name]) for name in ("request", "decision", "receipt", "dropped", "redaction")]
    assert leaves == [REQUEST, DECISION, RECEIPT, DROPPED, REDACTION]


def test_an_entry_is_dated_by_the_registrar() -> None:
    for value in (REQUEST, DECISION, RECEIPT, DROPPED, REDACTION, entries.decode(CHARTER_BYTES)):
        assert (entries.time_of(value) or 0) >= TIME
    assert entries.time_of(Unknown(type="commons/later/v9")) is None


@pytest.mark.parametrize("data", [b"", b"\xc0", b"\x90", b"\x80", b"\xa1x", b"\x81\xa4type\x01", b"\x81\xa4type\xc0"])
def test_what_has_no_type_is_no_entry(data: bytes) -> None:
    with pytest.raises(Malformed):
        entries.decode(data)


@pytest.mark.parametrize(
    "kind", ["", "x", "commons/request/v2", "commons/request/v1 ", "Commons/Request/v1", "\x1b[2J"]
)
def test_an_entry_of_a_later_type_is_kept_and_not_guessed(kind: str) -> None:
    assert entries.decode(msgpack.packb({"type": kind, "grant": [1, 2.5]})) == Unknown(type=kind)
    assert entries.decode(msgpack.packb({**msgpack.unpackb(ENCODED["request"]), "type": kind})) == Unknown(type=kind)


def test_of_a_long_type_only_its_beginning_is_kept() -> None:
    assert entries.decode(msgpack.packb({"type": "x" * 60_000})) == Unknown(type="x" * 80)


def test_an_entry_is_no_longer_than_a_bundle_can_hold() -> None:
    most = msgpack.packb({"type": "x", "y": bytes(tiles.ENTRY_LIMIT - 13)})
    assert len(most) == tiles.ENTRY_LIMIT == 65_535
    assert entries.decode(most) == Unknown(type="x")
    with pytest.raises(TooLarge):
        entries.decode(most + b"\0")


@pytest.mark.parametrize(
    "kind",
    [
        entries.CHARTER,
        entries.PUBLISH,
        entries.REQUEST,
        entries.DECISION,
        entries.RECEIPT,
        entries.DROPPED,
        entries.REDACTION,
    ],
)
def test_no_kind_passes_for_another(kind: str) -> None:
    statements = ("asked", "decided", "received", "dropping")
    for name in ("charter", "publish", "request", "decision", "receipt", "dropped", "redaction", *statements):
        shape = msgpack.unpackb(ENCODED[name])
        if shape["type"] != kind or name in statements:
            with pytest.raises((Malformed, Untrue)):
                entries.decode(msgpack.packb({**shape, "type": kind}))


def test_a_statement_is_no_entry_and_an_entry_no_statement() -> None:
    for name in ("asked", "decided", "received", "dropping"):
        with pytest.raises(Malformed):
            entries.decode(ENCODED[name])
    for name, kind, of in (
        ("request", entries.REQUEST, Asked), ("decision", entries.DECISION, Decided),
        ("receipt", entries.RECEIPT, Received), ("dropped", entries.DROPPED, Dropping),
    ):  # fmt: skip
        with pytest.raises(Malformed):
            envelope.open(kind, of, ENCODED[name])  # type: ignore[arg-type]


def test_a_statement_of_one_kind_is_none_of_another() -> None:
    for value in (DECIDED, RECEIVED, ASKED, DROPPING):
        for kind, of in (
            (entries.REQUEST, Asked), (entries.DECISION, Decided), (entries.RECEIPT, Received),
            (entries.DROPPED, Dropping),
        ):  # fmt: skip
            if not isinstance(value, of):
                with pytest.raises(Malformed):
                    envelope.open(kind, of, envelope.sign(kind, value, BOB))


def test_governance_that_is_signed_by_nobody_is_untrue() -> None:
    shape = msgpack.unpackb(ENCODED["publish"])
    for lie in ({"signer": EVE.peer}, {"signature": bytes(64)}, {"signature": b""}):
        with pytest.raises(Untrue):
            entries.decode(msgpack.packb({**shape, **lie}))
    assert isinstance(entries.decode(msgpack.packb({**msgpack.unpackb(MANIFEST_BYTES)})), Unknown)


# -- what they may say ------------------------------------------------------------------------------------------------


@over(
    ("value", "lies"),
    [
        (CHARTER, {"name": ""}), (CHARTER, {"name": "n" * 201}),
        (CHARTER, {"colleges": CHARTER.colleges[::-1]}),
        (CHARTER, {"registrar": ""}), (CHARTER, {"registrar": COMMONS}), (CHARTER, {"retention_days": 0}),
        (CHARTER, {"powers": CHARTER.powers[::-1]}), (CHARTER, {"ratchets": ("access", "access")}),
        (CHARTER, {"log_key": bytes(31)}), (CHARTER, {"next_key": bytes(33)}),
        (CHARTER, {"readers": ""}), (CHARTER, {"readers": "nobody"}),
        (PUBLISH, {"manifest": ""}), (PUBLISH, {"series": bytes(15)}), (PUBLISH, {"terms": bytes(31)}),
        (PUBLISH, {"version": 0}), (PUBLISH, {"epoch": -1}), (PUBLISH, {"grant_days": 0}),
        (PUBLISH, {"grant_days": -1}), (PUBLISH, {"grant_days": 10**18}), (PUBLISH, {"purposes": ("fun",)}),
        (PUBLISH, {"purposes": ("research", "")}),
        (ASKED, {"commons": ""}), (ASKED, {"dataset": BOB.peer}), (ASKED, {"terms": b""}), (ASKED, {"purpose": ""}),
        (ASKED, {"hpke": bytes(31)}), (ASKED, {"nonce": bytes(33)}), (ASKED, {"details": bytes(31)}),
        (REQUEST, {"dataset": "Bob Smith"}), (REQUEST, {"terms": bytes(31)}), (REQUEST, {"epoch": -1}),
        (REQUEST, {"purpose": "for Bob Smith, +44 1632 960000"}), (REQUEST, {"requester": BOB.peer.encode()}),
        (REQUEST, {"requester": b""}), (REQUEST, {"statement": ASKED_BYTES}), (REQUEST, {"details": b"a map"}),
        (REQUEST, {"details": b""}),
        (DECISION, {"outcome": "pending"}), (DECISION, {"outcome": ""}), (DECISION, {"reason": ""}),
        (DECISION, {"reason": "r" * 65}), (DECISION, {"statement": b"because Bob"}), (DECISION, {"statement": b""}),
        (RECEIPT, {"files": -1}), (RECEIPT, {"size": -1}), (RECEIPT, {"statement": b""}),
        (RECEIPT, {"statement": bytes(33)}),
    ],
    ids=lambda it: str(it) if isinstance(it, dict) else type(it).__name__,
)  # fmt: skip
def test_what_no_entry_may_say_cannot_be_held(value: Any, lies: dict[str, Any]) -> None:
    with pytest.raises(Malformed) as caught:
        replace(value, **lies)
    assert len(caught.value.message) < 300


def test_the_shortest_and_the_longest_words_are_possible() -> None:
    for length in (1, 200):
        assert len(replace(CHARTER, name="n" * length).name) == length
    for length in (1, 64):
        assert len(replace(DECISION, reason="r" * length).reason) == length
    assert replace(RECEIPT, files=0, size=0).size == replace(REQUEST, epoch=0).epoch == 0
    for days in (1, 36_500):
        assert replace(PUBLISH, grant_days=days).grant_days == days


def test_what_is_optional_may_be_left_out() -> None:
    assert replace(REQUEST, details=None).details is None
    assert replace(DECISION, statement=None, expires=None).statement is None
    assert replace(PUBLISH, grant_days=None, purposes=()).grant_days is None
    assert replace(ASKED, details=None).details is None


def test_one_sees_only_the_commitments_of_access_entries() -> None:
    assert set(entries.commitments(REQUEST)) == {"requester", "statement", "details"}
    assert set(entries.commitments(replace(REQUEST, details=None))) == {"requester", "statement"}
    assert set(entries.commitments(DECISION)) == set(entries.commitments(RECEIPT)) == {"statement"}
    for open_ in (replace(DECISION, statement=None), REDACTION, Unknown(type="x"), entries.decode(CHARTER_BYTES)):
        assert entries.commitments(open_) == {}


# -- making a request -------------------------------------------------------------------------------------------------


def test_a_request_says_what_its_statement_says_and_hides_who_and_what_for() -> None:
    leaf, shown = entries.request(SAID, DETAILS, time=7, salt=taken)
    assert (leaf.time, leaf.dataset, leaf.terms, leaf.epoch, leaf.purpose, leaf.details) == (
        7, ASKED.dataset, ASKED.terms, ASKED.epoch, ASKED.purpose, ASKED.details,
    )  # fmt: skip
    opening.check(shown, entries.commitments(leaf))
    assert (shown.get("requester"), shown.get("statement"), shown.get("details")) == (
        BOB.peer.encode(), ASKED_BYTES, DETAILS.value,
    )  # fmt: skip
    for word in (BOB.peer.encode(), DETAILS.value, ASKED_BYTES, ASKED.nonce, ASKED.hpke):
        assert word not in codec.encode(leaf)


def test_each_hidden_field_takes_a_salt_of_its_own() -> None:
    salts = iter([salt(1), salt(2)])
    leaf, shown = entries.request(SAID, DETAILS, time=7, salt=lambda: next(salts))
    assert [field.salt for field in shown.fields] == [salt(1), salt(2), DETAILS.salt]
    assert len({leaf.requester, leaf.statement, leaf.details}) == 3


def test_details_are_those_that_were_signed_or_none() -> None:
    bare = envelope.open(
        entries.REQUEST, Asked, envelope.sign(entries.REQUEST, replace(ASKED, details=None), BOB)
    )  # fmt: skip
    assert entries.request(bare, None, time=1, salt=taken)[0].details is None
    for said, details in ((bare, DETAILS), (SAID, None), (SAID, replace(DETAILS, value=b"")),
                          (SAID, replace(DETAILS, name="other")),
                          (SAID, Field(name="details", salt=salt(0), value=DETAILS.value))):  # fmt: skip
        with pytest.raises(Malformed):
            entries.request(said, details, time=1, salt=taken)


def test_details_are_short() -> None:
    for size, fine in ((8000, True), (8001, False)):
        details = Field(name="details", salt=salt(3), value=b"d" * size)
        value = replace(ASKED, details=opening.commit("details", details.salt, details.value))
        said = envelope.open(entries.REQUEST, Asked, envelope.sign(entries.REQUEST, value, BOB))
        if fine:
            assert entries.request(said, details, time=1, salt=taken)[1].get("details") == details.value
        else:
            with pytest.raises(Malformed, match="2000"):
                entries.request(said, details, time=1, salt=taken)


def test_an_opening_names_its_requester_by_a_peer_id() -> None:
    assert entries.requester(OPENING) == BOB.peer
    for value in (b"", b"bob", b"\xff\xfe", BOB.peer.encode() + b" ", ids.cid(b"").encode()):
        with pytest.raises(Malformed):
            entries.requester(Opening(fields=(Field(name="requester", salt=salt(0), value=value),)))
    with pytest.raises(Malformed, match="no requester"):
        entries.requester(Opening(fields=()))


def test_one_statement_is_one_request_to_the_byte() -> None:
    again = envelope.sign(entries.REQUEST, replace(ASKED, nonce=salt(8)), BOB)
    assert entries.statement_digest(ASKED_BYTES) != entries.statement_digest(again)
    assert ids.cid_of_digest(entries.statement_digest(ASKED_BYTES)) == ids.cid(ASKED_BYTES)


def test_every_entry_of_ours_stays_what_it_is_through_the_log() -> None:
    for value in (REQUEST, DECISION, RECEIPT, REDACTION, replace(REQUEST, details=None)):
        assert entries.decode(codec.encode(value)) == value
    for rule in (RULE, replace(RULE, kind="approval", peers=())):
        data = envelope.sign(entries.PUBLISH, replace(PUBLISH, rule=rule), BOB)
        entry = entries.decode(data)
        assert isinstance(entry, Opened)
        assert isinstance(entry.value, entries.Publish)
        assert (entry.value.rule, entry.signer) == (rule, BOB.peer)


def test_a_refusal_says_what_is_wrong_and_prints() -> None:
    for data in (b"\x81\xa4type\xb2commons/request/v1", ENCODED["request"][:-1], ENCODED["charter"] + b"\0"):
        with pytest.raises(CommonsError) as caught:
            entries.decode(data)
        assert caught.value.message.isprintable()
