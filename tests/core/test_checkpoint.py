"""Signed heads of a log: Go's bytes, strict reading, and whose signature counts."""

from __future__ import annotations

import base64
import contextlib
import json
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from commons import errors
from commons.core.crypto.keys import Signer
from commons.core.tlog import checkpoint, merkle, note
from commons.core.tlog.checkpoint import Checkpoint
from commons.errors import CommonsError, Malformed, Untrue
from tests.conftest import ends

VECTORS = json.loads((Path(__file__).parents[1] / "vectors" / "tlog.json").read_text())
BAD = json.loads((Path(__file__).parents[1] / "vectors" / "tlog_bad.json").read_text())

LOG = note.parse_vkey(VECTORS["vkey"])
WITNESS = note.parse_vkey(VECTORS["witness_vkey"])
TIME = VECTORS["witness_time"]
LOG_KEY = Signer(bytes.fromhex(VECTORS["seed_hex"]))
WITNESS_KEY = Signer(bytes.fromhex(VECTORS["witness_seed_hex"]))
EVE_KEY = Signer(b"e" * 32)
NOTE = VECTORS["checkpoint_size7_cosigned"].encode()
ROOT = base64.b64decode(next(each["root"] for each in VECTORS["roots"] if each["size"] == 7))
SEVEN = Checkpoint(origin=LOG.name, size=7, root=ROOT)


def test_go_signs_the_same_checkpoint() -> None:
    signed = checkpoint.sign(SEVEN, LOG_KEY)
    assert NOTE.startswith(signed)
    assert note.add(signed, note.cosign(SEVEN.text(), WITNESS.name, WITNESS_KEY, TIME)) == NOTE


def test_an_opened_checkpoint_carries_its_bytes_and_cosignatures() -> None:
    signed = checkpoint.open(NOTE, LOG, [WITNESS])
    assert (signed.checkpoint, signed.note) == (SEVEN, NOTE)
    assert signed.cosignatures == (note.Signature(verifier=WITNESS, time=TIME),)


def test_a_witness_that_did_not_sign_is_no_error() -> None:
    signed = checkpoint.open(checkpoint.sign(SEVEN, LOG_KEY), LOG, [WITNESS])
    assert signed.cosignatures == ()
    assert checkpoint.open(NOTE, LOG).cosignatures == ()


def test_a_log_named_as_its_own_witness_does_not_count() -> None:
    assert checkpoint.open(NOTE, LOG, [LOG]).cosignatures == ()


def test_witnesses_alone_do_not_make_a_checkpoint() -> None:
    with pytest.raises(Untrue, match=r"not signed by node\.example"):
        checkpoint.open(NOTE, note.Verifier(name=LOG.name, public=EVE_KEY.public), [WITNESS])


def test_a_key_speaks_for_no_origin_but_its_own() -> None:
    stolen = Checkpoint(origin="other.example/log", size=7, root=ROOT)
    with pytest.raises(Untrue, match=r"other\.example/log"):
        checkpoint.open(note.sign(stolen.text(), LOG.name, LOG_KEY), LOG)


def test_a_log_without_entries_has_one_root() -> None:
    empty = Checkpoint(origin=LOG.name, size=0, root=merkle.EMPTY)
    assert checkpoint.open(checkpoint.sign(empty, LOG_KEY), LOG).checkpoint == empty
    with pytest.raises(Malformed, match="without entries"):
        Checkpoint(origin=LOG.name, size=0, root=ROOT)


def test_a_checkpoint_is_three_lines_and_nothing_of_others_after_them() -> None:
    text = SEVEN.text()
    assert checkpoint.parse(text) == SEVEN
    for wrong in (text[:-1], text + "x", text + "\n", "\n" + text, text.partition("\n")[2]):
        with pytest.raises(Malformed, match="three lines"):
            checkpoint.parse(wrong)


def test_later_rules_are_a_fourth_line_and_no_part_of_the_tree() -> None:
    later = replace(SEVEN, rules=2)
    assert later.text() == SEVEN.text() + "rules 2\n"
    assert checkpoint.parse(later.text()).rules == 2
    assert checkpoint.open(checkpoint.sign(later, LOG_KEY), LOG).checkpoint.rules == 2
    assert later == SEVEN
    assert not checkpoint.contradicts(SEVEN, later, ())
    for number in (0, -1, checkpoint.RULES + 1):
        with pytest.raises(Malformed, match="no rules"):
            replace(SEVEN, rules=number)


@pytest.mark.parametrize("size", [-1, checkpoint.SIZE_LIMIT, 10**30])
def test_a_size_that_no_log_can_have_is_refused(size: int) -> None:
    with pytest.raises(Malformed):
        Checkpoint(origin=LOG.name, size=size, root=ROOT)


def vectors() -> list[object]:
    return [pytest.param(each, id=each["name"].replace(" ", "-")) for each in BAD if each["kind"] == "checkpoint"]


@pytest.mark.parametrize("vector", vectors())
def test_a_bad_checkpoint_is_refused_however_well_signed(vector: dict[str, str]) -> None:
    kind = getattr(errors, vector["error"])
    with pytest.raises(kind, match=vector["message"]):
        checkpoint.parse(vector["text"])
    with pytest.raises(kind, match=vector["message"]):
        checkpoint.open(note.sign(vector["text"], LOG.name, LOG_KEY), LOG)


@given(st.integers(0, 2**63 - 1), st.binary(min_size=32, max_size=32), st.integers(1, checkpoint.RULES))
def test_what_was_signed_is_what_is_opened(size: int, root: bytes, number: int) -> None:
    head = Checkpoint(origin=LOG.name, size=size, root=root if size else merkle.EMPTY, rules=number)
    assert checkpoint.parse(head.text()) == head
    assert checkpoint.parse(head.text()).rules == number
    assert checkpoint.open(checkpoint.sign(head, LOG_KEY), LOG).checkpoint == head


@given(st.one_of(st.text(st.characters()), st.lists(st.text(st.characters()), max_size=5).map("\n".join)))
def test_no_text_from_outside_raises_anything_else(text: str) -> None:
    with contextlib.suppress(CommonsError):
        assert checkpoint.parse(text).text() == text


@given(st.integers(0, len(SEVEN.text()) - 1), st.characters())
def test_no_changed_character_has_a_second_spelling(at: int, character: str) -> None:
    text = SEVEN.text()[:at] + character + SEVEN.text()[at + 1 :]
    with contextlib.suppress(CommonsError):
        assert checkpoint.parse(text).text() == text


@pytest.mark.parametrize(
    "text", ["", "+7", "-7", "07", "7 ", " 7", "1_0", "٧", "²", "7.0", "0x7", "9" * 20, "9" * 5000]
)
def test_a_number_has_one_spelling(text: str) -> None:
    with pytest.raises(Malformed):
        checkpoint.number(text)
    assert checkpoint.number("7") == 7
    assert checkpoint.number("0") == 0


def grown(history: bytes, size: int) -> tuple[merkle.Reader, bytes]:
    """The hashes and the root of a log whose every entry names its history."""
    nodes, edge = merkle.grow(0, (), [merkle.leaf(b"%s %d" % (history, n)) for n in range(size)])
    tree = {(level, position): value for level, position, value in nodes}
    return lambda level, position: tree[level, position], merkle.edge_root(edge)


def test_a_log_without_entries_contradicts_nothing_whatever_the_proof() -> None:
    empty = Checkpoint(origin=LOG.name, size=0, root=merkle.EMPTY)
    for proof in ((), (ROOT,), (ROOT, ROOT)):
        with ends(1):
            assert not checkpoint.contradicts(empty, SEVEN, proof)


def test_a_proof_convicts_a_log_of_two_histories_at_every_size_and_never_of_one() -> None:
    for new in range(2, 36):
        read, root = grown(b"true", new)
        after = Checkpoint(origin="log", size=new, root=root)
        for old in range(1, new):
            proof = merkle.prove_consistency(old, new, read)
            known = merkle.root(old, read)
            shown = (known, *proof) if old.bit_count() == 1 else tuple(proof)
            before = Checkpoint(origin="log", size=old, root=known)
            other = Checkpoint(origin="log", size=old, root=grown(b"other", old)[1])
            assert checkpoint.contradicts(other, after, shown)
            for innocent in (shown, tuple(proof), (), (other.root, *proof), (bytes(32), *shown), (*shown, bytes(32))):
                assert not checkpoint.contradicts(before, after, innocent)
            for lie in ((), (other.root, *proof), shown[:-1], (*shown, bytes(32)), (bytes(32), *shown[1:])):
                assert not checkpoint.contradicts(other, after, lie)
