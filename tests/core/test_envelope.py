"""Envelopes: DSSE's own example, what a signature covers, and in which order things are checked."""

from __future__ import annotations

from dataclasses import replace

import pytest

from commons.core.crypto import codec, envelope, ids
from commons.core.crypto.envelope import Envelope
from commons.core.crypto.keys import Signer
from commons.core.dataset.rule import Rule
from commons.errors import Malformed, TooLarge, Untrue

KIND = "commons/rule/v1"
RULE, OTHER = Rule(kind="approval"), Rule(kind="public")
ALICE, EVE = Signer(b"\1" * 32), Signer(b"\2" * 32)
SIGNED = envelope.sign(KIND, RULE, ALICE)


def shape(data: bytes = SIGNED) -> Envelope:
    return codec.decode(Envelope, data)


def opened(**lies: object) -> envelope.Opened[Rule]:
    return envelope.open(KIND, Rule, codec.encode(replace(shape(), **lies)))  # type: ignore[arg-type]


def test_what_is_signed_is_encoded_as_dsse_says() -> None:
    body = "DSSEv1 29 http://example.com/HelloWorld 11 hello world"
    assert envelope.pae("http://example.com/HelloWorld", b"hello world") == body.encode()
    assert envelope.pae("é", b"\0") == b"DSSEv1 2 \xc3\xa9 1 \0"
    assert envelope.pae("", b"") == b"DSSEv1 0  0 "


def test_type_and_payload_cannot_be_cut_elsewhere() -> None:
    assert envelope.pae("a", b"b 1 c") != envelope.pae("a 5 b", b"c")
    assert envelope.pae("a ", b"b") != envelope.pae("a", b" b")


def test_holding_it_means_it_was_verified() -> None:
    assert opened() == envelope.Opened(value=RULE, signer=ALICE.peer, data=SIGNED)
    assert envelope.sign(KIND, RULE, ALICE) == SIGNED  # the same words are the same bytes


def test_a_signature_under_other_words_type_or_name_is_untrue() -> None:
    theirs = shape(envelope.sign(KIND, OTHER, ALICE))
    for lie in (
        {"payload": theirs.payload},
        {"signature": theirs.signature},
        {"signature": shape(envelope.sign(KIND, RULE, EVE)).signature},
        {"signature": shape(envelope.sign(KIND + "x", RULE, ALICE)).signature},
        {"signature": ALICE.sign(shape().payload)},
        {"signer": EVE.peer},
        {"signature": shape().signature + b"\0"},
    ):
        with pytest.raises(Untrue):
            opened(**lie)


def test_the_signer_has_one_spelling() -> None:
    for name in ("", ALICE.peer + " ", "1" + ALICE.peer, ids.peer_host(ALICE.peer), ALICE.peer.lower(), "x" * 10_000):
        with pytest.raises(Malformed):
            opened(signer=name)


def test_a_signer_that_everybody_could_be_has_signed_nothing() -> None:
    nobody = ids.peer_id(b"\1" + bytes(31))  # the neutral point: this one signature would fit whatever is said
    for rule in (RULE, OTHER):
        with pytest.raises(Untrue):
            opened(signer=nobody, payload=codec.encode(rule), signature=b"\1" + bytes(63))


def test_the_type_comes_first_then_the_signature_and_only_then_what_it_says() -> None:
    with pytest.raises(Malformed, match=r"expected a commons/rule/v1, got a 'commons/x\\x1b"):
        opened(type="commons/x\x1b", payload=b"", signature=b"")
    with pytest.raises(Untrue):
        opened(payload=b"\xc1")
    garbage = {"payload": b"\xc1", "signature": ALICE.sign(envelope.pae(KIND, b"\xc1"))}
    with pytest.raises(Malformed, match="msgpack"):
        opened(**garbage)


def test_what_is_well_signed_is_still_read_strictly() -> None:
    for payload in (
        codec.encode(RULE) + b"\0",
        b"\x83" + codec.encode(RULE)[1:] + b"\xa1x\xc0",
        codec.encode(shape()),
        b"\x82\xa4kind\xa3all\xa5peers\x90",
    ):
        with pytest.raises(Malformed):
            opened(payload=payload, signature=ALICE.sign(envelope.pae(KIND, payload)))


def test_a_limit_is_for_the_whole() -> None:
    assert envelope.open(KIND, Rule, SIGNED, len(SIGNED)).value == RULE
    with pytest.raises(TooLarge):
        envelope.open(KIND, Rule, SIGNED, len(SIGNED) - 1)
