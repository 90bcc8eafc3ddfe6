"""Proofs to keep: Go's bytes, strict reading, and what does not verify."""

from __future__ import annotations

import base64
import json
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from commons import errors
from commons.core.tlog import merkle, note, proof
from commons.core.tlog.proof import Proof
from commons.errors import CommonsError, Malformed, TooLarge, Untrue

VECTORS = json.loads((Path(__file__).parents[1] / "vectors" / "tlog.json").read_text())
BAD = json.loads((Path(__file__).parents[1] / "vectors" / "tlog_bad.json").read_text())

LOG = note.parse_vkey(VECTORS["vkey"])
WITNESS = note.parse_vkey(VECTORS["witness_vkey"])
NOTE = VECTORS["checkpoint_size7_cosigned"].encode()
DATA = VECTORS["tlog_proof_index3_size7"].encode()
HASHES = tuple(map(base64.b64decode, VECTORS["inclusion"][1]["proof"]))
THREE = Proof(index=3, hashes=HASHES, note=NOTE)


def test_go_writes_the_same_proof() -> None:
    assert THREE.encode() == DATA
    assert proof.parse(DATA) == THREE


def test_a_proof_that_verifies_gives_the_signed_checkpoint() -> None:
    signed = proof.check(proof.parse(DATA), b"entry 3", LOG, [WITNESS])
    assert (signed.checkpoint.size, signed.note) == (7, NOTE)
    assert signed.cosignatures == (note.Signature(verifier=WITNESS, time=VECTORS["witness_time"]),)


def test_another_entry_or_another_place_is_untrue() -> None:
    with pytest.raises(Untrue, match="does not hold this as entry 3"):
        proof.check(THREE, b"entry 4", LOG)
    for index in (0, 1, 2, 4, 5, 6, 7, 2**62):
        with pytest.raises(Untrue):
            proof.check(replace(THREE, index=index), b"entry 3", LOG)


def test_a_proof_from_another_log_is_untrue() -> None:
    with pytest.raises(Untrue):
        proof.check(THREE, b"entry 3", note.Verifier(name="other.example/log", public=LOG.public), [WITNESS])


def test_extra_data_are_carried_and_prove_nothing() -> None:
    more = replace(THREE, extra=b"salt")
    assert more.encode() == DATA.replace(b"\nindex", b"\nextra c2FsdA==\nindex")
    assert proof.parse(more.encode()) == more
    assert proof.check(more, b"entry 3", LOG) == proof.check(THREE, b"entry 3", LOG)


def test_a_proof_that_cannot_be_is_refused() -> None:
    for wrong in (
        {"index": -1},
        {"index": 2**63},
        {"hashes": (b"short",)},
        {"hashes": HASHES[:1] * 64},
        {"extra": b""},
    ):
        with pytest.raises(Malformed):
            replace(THREE, **wrong)


def test_a_proof_has_as_many_hashes_as_the_largest_log_and_any_index_in_it() -> None:
    for fits in ({"hashes": HASHES[:1] * 63}, {"index": 2**63 - 1}, {"index": 0}):
        assert proof.parse(replace(THREE, **fits).encode()) == replace(THREE, **fits)


def test_a_proof_says_the_index_of_its_entry() -> None:
    for lines in ([], ["extra AA=="], ["extra AA==", "extra AA=="], ["AA=="]):
        with pytest.raises(Malformed, match="does not say the index"):
            proof.parse("\n".join(["c2sp.org/tlog-proof@v1", *lines, "", ""]).encode() + NOTE)


def test_a_log_of_one_entry_needs_no_hashes() -> None:
    alone = Proof(index=0, hashes=(), note=NOTE)
    assert proof.parse(alone.encode()) == alone


def test_a_proof_over_the_limit_is_too_large() -> None:
    with pytest.raises(TooLarge):
        proof.parse(DATA + b"\n" * note.LIMIT)
    full = DATA + b"\n" * (note.LIMIT - len(DATA))
    assert proof.parse(full).encode() == full


def vectors() -> list[object]:
    return [pytest.param(each, id=each["name"].replace(" ", "-")) for each in BAD if each["kind"] == "proof"]


@pytest.mark.parametrize("vector", vectors())
def test_a_bad_proof_is_refused(vector: dict[str, str]) -> None:
    data = bytes.fromhex(vector["hex"]) if "hex" in vector else vector["text"].encode()
    with pytest.raises(getattr(errors, vector["error"]), match=vector["message"]):
        proof.check(proof.parse(data), b"entry 3", LOG, [WITNESS])


def test_no_flipped_bit_changes_what_a_proof_says() -> None:
    whole = proof.check(THREE, b"entry 3", LOG, [WITNESS])
    passed = 0
    for at in range(len(DATA)):
        for bit in range(8):
            touched = bytearray(DATA)
            touched[at] ^= 1 << bit
            try:
                told = proof.parse(bytes(touched))
                signed = proof.check(told, b"entry 3", LOG, [WITNESS])
            except CommonsError:
                continue
            passed += 1
            assert (told.index, signed.checkpoint) == (3, whole.checkpoint)
            assert signed.cosignatures == ()  # the bit was in the witness's name or key id: a line by nobody known
    assert passed < 8 * len("witness.example/w1 abcdef")


@given(
    st.integers(0, 2**63 - 1),
    st.lists(st.binary(min_size=32, max_size=32), max_size=63),
    st.binary(),
    st.none() | st.binary(min_size=1),
)
def test_a_proof_is_read_as_it_was_written(index: int, hashes: list[bytes], data: bytes, extra: bytes | None) -> None:
    made = Proof(index=index, hashes=tuple(hashes), note=data, extra=extra)
    assert proof.parse(made.encode()) == made


PARTS = [b"c2sp.org/tlog-proof@v1", b"index 3", b"index +3", b"extra ", b"extra AA==", b"", merkle.EMPTY, NOTE]


@given(st.one_of(st.binary(), st.lists(st.sampled_from(PARTS), max_size=8).map(b"\n".join)))
def test_no_bytes_from_outside_raise_anything_else(data: bytes) -> None:
    try:
        made = proof.parse(data)
        assert made.encode() == data
        proof.check(made, b"entry 3", LOG)
    except CommonsError:
        pass


def test_a_proof_without_a_blank_line_has_no_checkpoint() -> None:
    head = DATA.partition(b"\n\n")[0]
    for data in (head, head + b"\n", b"c2sp.org/tlog-proof@v1\nindex 3"):
        with pytest.raises(Malformed, match="no blank line"):
            proof.parse(data)
