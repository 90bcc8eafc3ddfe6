"""Openings: a commitment hides and binds, and an opening shows exactly what was committed to."""

from __future__ import annotations

import hashlib
from dataclasses import replace

import pytest

from commons.core.crypto import codec
from commons.core.state import opening
from commons.core.state.opening import Field, Opening
from commons.errors import Malformed, Untrue

WHO = Field(name="requester", salt=b"\1" * 32, value=b"bob")
WHAT = Field(name="details", salt=b"\2" * 32, value=b"a map")
BOTH = Opening(fields=(WHO, WHAT))
COMMITTED = {field.name: opening.commit(field.name, field.salt, field.value) for field in BOTH.fields}


def test_a_commitment_is_the_hash_that_the_protocol_says() -> None:
    said = b"commons/commit/v1\x00\x00\x09requester" + b"\1" * 32 + b"bob"
    assert COMMITTED["requester"] == hashlib.sha256(said).digest()


def test_the_same_words_under_another_salt_look_like_any_others() -> None:
    assert opening.commit("details", b"\1" * 32, b"a map") != COMMITTED["details"]


def test_a_name_too_long_for_its_length_is_never_committed_to() -> None:
    assert opening.commit("é" * 32, bytes(32), b"") != opening.commit("é" * 31, bytes(32), "é".encode())


def test_an_opening_that_fits_is_read_by_name() -> None:
    opening.check(BOTH, COMMITTED)
    opening.check(Opening(fields=(WHAT, WHO)), COMMITTED)
    assert (BOTH.get("details"), BOTH.salt("details")) == (b"a map", WHAT.salt)
    assert BOTH.get("statement") is None
    assert BOTH.salt("statement") is None
    opening.check(Opening(fields=()), {})


@pytest.mark.parametrize(
    "fields",
    [
        (), (WHO,), (WHO, WHAT, WHAT), (WHO, WHO), (WHO, WHAT, replace(WHO, value=b"eve")),
        (replace(WHO, value=b"eve"), WHO, WHAT), (WHO, WHAT, Field(name="x", salt=bytes(32), value=b"")),
        (WHO, replace(WHAT, name="Details")), (WHO, replace(WHAT, name="details ")), (WHO, replace(WHAT, value=b"")),
        (WHO, replace(WHAT, value=b"a map\0")), (WHO, replace(WHAT, salt=b"\1" * 32)),
        (replace(WHO, name="details"), replace(WHAT, name="requester")),
        (replace(WHO, value=WHAT.value), replace(WHAT, value=WHO.value)),
    ],
    ids=["nothing", "one left out", "one twice", "the other twice", "a second requester", "another requester first",
         "one too many", "another name", "a longer name", "emptied", "a byte more", "another salt", "names exchanged",
         "values exchanged"],
)  # fmt: skip
def test_an_opening_that_does_not_fit_is_untrue(fields: tuple[Field, ...]) -> None:
    with pytest.raises(Untrue):
        opening.check(Opening(fields=fields), COMMITTED)


def test_words_cannot_be_moved_between_salt_and_value() -> None:
    for lie in (replace(WHO, salt=b"\1" * 31, value=b"\1bob"), replace(WHO, salt=b"\1" * 32 + b"b", value=b"ob")):
        with pytest.raises(Malformed):
            opening.check(Opening(fields=(lie, WHAT)), COMMITTED)
        with pytest.raises(Malformed):
            opening.decode(codec.encode(Opening(fields=(lie, WHAT))))


def test_an_opening_commits_to_nothing_that_the_entry_does_not() -> None:
    for committed in ({}, {"requester": COMMITTED["requester"]}, {**COMMITTED, "statement": bytes(32)},
                      {**COMMITTED, "details": b""}, {**COMMITTED, "details": COMMITTED["requester"]}):  # fmt: skip
        with pytest.raises(Untrue):
            opening.check(BOTH, committed)


def test_an_opening_is_read_as_it_was_written() -> None:
    assert opening.decode(codec.encode(BOTH)) == BOTH
    assert opening.decode(codec.encode(Opening(fields=()))) == Opening(fields=())
    for wrong in (replace(WHO, name=""), replace(WHO, name="n" * 65), replace(WHO, salt=b"")):
        with pytest.raises(Malformed):
            opening.decode(codec.encode(Opening(fields=(WHAT, wrong))))
    for name in ("n", "n" * 64):
        assert opening.decode(codec.encode(Opening(fields=(replace(WHO, name=name),)))).get(name) == WHO.value
