"""What a witness is sent and checks: Go's bytes, a status for each lie, a fork shown and not only claimed."""

from __future__ import annotations

import contextlib
import json
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from commons.core.crypto.keys import Signer
from commons.core.tlog import checkpoint, cosignature, merkle, note
from commons.core.tlog.checkpoint import Checkpoint, Signed
from commons.core.tlog.cosignature import AddCheckpoint, Ahead, Behind, Forked
from commons.core.tlog.note import COSIGNATURE, Verifier
from commons.errors import CommonsError, Conflict, Malformed, Refused, Untrue

VECTORS = json.loads((Path(__file__).parents[1] / "vectors" / "tlog.json").read_text())
LOG, GO_WITNESS = note.parse_vkey(VECTORS["vkey"]), note.parse_vkey(VECTORS["witness_vkey"])
LOG_KEY, EVE = Signer(bytes.fromhex(VECTORS["seed_hex"])), Signer(b"e" * 32)
NOTE = VECTORS["checkpoint_size7_cosigned"].encode()
SEVEN = note.only(NOTE, [LOG])
SIZES = (1, 2, 3, 4, 5, 6, 7, 8, 9, 255, 256, 257, 300)


class Log:
    """The vectors' log, `entry 0`, `entry 1`, …; with `fork` it tells another story from that entry on."""

    def __init__(self, size: int, fork: int | None = None) -> None:
        told = [b"entry %d" % n if fork is None or n < fork else b"lie %d" % n for n in range(size)]
        nodes, edge = merkle.grow(0, (), [merkle.leaf(entry) for entry in told])
        self.nodes = {(level, pos): value for level, pos, value in nodes}
        self.head = Checkpoint(origin=LOG.name, size=size, root=merkle.edge_root(edge))
        self.note = checkpoint.sign(self.head, LOG_KEY)

    @property
    def signed(self) -> Signed:
        return Signed(checkpoint=self.head, note=self.note)

    def read(self, level: int, pos: int) -> bytes:
        return self.nodes[level, pos]

    def asks(self, old: int) -> AddCheckpoint:
        return AddCheckpoint(old=old, proof=merkle.prove_consistency(old, self.head.size, self.read), note=self.note)


def check(request: AddCheckpoint, last: Log | None = None) -> Signed:
    return cosignature.check(request, [LOG], last.signed if last else None)


# -- the request -----------------------------------------------------------------------------------------------------


def test_a_request_is_written_as_the_specification_shows_it() -> None:
    asked = Log(8).asks(6)
    lines = asked.encode().decode().split("\n")
    assert lines[0] == "old 6"
    proof = next(each["proof"] for each in VECTORS["consistency"] if (each["old"], each["new"]) == (6, 8))
    assert lines[1:4] == proof
    assert lines[4:7] == ["", LOG.name, "8"]
    assert cosignature.parse(asked.encode()) == asked


@pytest.mark.parametrize("body", [
    b"", b"\n\n", b"old\n\nx", b"old 7\nx", b"old 07\n\nx", b"old +7\n\nx", b"old -1\n\nx", b"old  7\n\nx",
    b"old 7 \n\nx", b"OLD 7\n\nx", b"old 7\r\n\r\nx", b"old 7\nnot base64!\n\nx", b"old 7\nAAAA\n\nx",
    b"old 99999999999999999999\n\nx", b"old \xff\n\nx", b" old 7\n\nx", b"old 7\n" + b"A" * 43 + b"B\n\nx",
    b"7\n\nx", b"old 7",
    b"old 0\n" + 64 * (b"A" * 43 + b"=\n") + b"\nx",
])  # fmt: skip
def test_a_request_has_one_spelling(body: bytes) -> None:
    with pytest.raises(Malformed):
        cosignature.parse(body)


@given(st.binary(max_size=300))
def test_no_bytes_break_the_parser(data: bytes) -> None:
    for body in (data, b"old 3\n" + data, b"old 3\n\n" + data):
        with contextlib.suppress(CommonsError):
            parsed = cosignature.parse(body)
            assert parsed.encode() == body
            cosignature.check(parsed, [LOG], None)


def test_sixty_three_hashes_are_taken_and_one_more_is_not() -> None:
    full = AddCheckpoint(old=1, proof=(bytes(32),) * 63, note=SEVEN)
    assert cosignature.parse(full.encode()) == full
    with pytest.raises(Malformed, match="at most 63"):
        cosignature.parse(replace(full, proof=(bytes(32),) * 64).encode())


# -- what is checked -------------------------------------------------------------------------------------------------


def test_a_checkpoint_that_go_made_is_cosigned_and_go_would_verify_the_line() -> None:
    head = check(AddCheckpoint(old=0, proof=(), note=NOTE))
    assert head.checkpoint == Log(7).head
    ours = Signer(bytes.fromhex(VECTORS["witness_seed_hex"]))
    line = note.cosign(note.peek(NOTE), GO_WITNESS.name, ours, VECTORS["witness_time"])
    assert SEVEN + line == NOTE  # the very bytes that Go's witness made


@pytest.mark.parametrize("new", SIZES)
def test_every_growth_is_cosigned_and_no_other_proof_is_taken(new: int) -> None:
    log = Log(new)
    for old in (size for size in SIZES if size <= new):
        asked = log.asks(old)
        assert check(asked, Log(old)).checkpoint == log.head
        for touched in ((*asked.proof, bytes(32)), asked.proof[:-1], tuple(b"\1" * 32 for _ in asked.proof)):
            if touched != asked.proof:
                with pytest.raises(Malformed):
                    check(replace(asked, proof=touched), Log(old))
    assert check(log.asks(0)).checkpoint == log.head


def test_an_extension_line_is_cosigned_unread_and_an_empty_one_is_no_checkpoint() -> None:
    text = Log(7).head.text() + "an extension of theirs\n"
    assert check(AddCheckpoint(old=0, proof=(), note=note.sign(text, LOG.name, LOG_KEY))).checkpoint.size == 7
    for bad in (Log(7).head.text() + "\nx\n", "x\n7\n", f"{LOG.name}\n07\n{text.split()[2]}\n"):
        with pytest.raises((Malformed, Refused)):
            check(AddCheckpoint(old=0, proof=(), note=note.sign(bad, LOG.name, LOG_KEY)))


def test_a_text_of_fewer_lines_than_three_or_with_an_unfinished_one_is_no_checkpoint() -> None:
    head = Log(7).head
    assert cosignature.head_of(head.text()) == cosignature.head_of(head.text() + "theirs\n") == head
    lines = head.text().split("\n")
    for bad in ("", "\n".join([*lines[:2], ""]), head.text()[:-1], head.text() + "theirs", head.text() + "\ntheirs\n"):
        with pytest.raises(Malformed, match="perhaps others that are not empty"):
            cosignature.head_of(bad)


def test_without_a_trusted_signature_it_is_refused() -> None:
    by_eve = note.sign(note.peek(SEVEN), LOG.name, EVE)
    failing = SEVEN.replace(b"nqQPBxB35OFD", b"nqQPBxB35OFE")
    for data in (by_eve, failing, note.sign(note.peek(SEVEN), "eve", EVE)):
        with pytest.raises(Refused):
            check(AddCheckpoint(old=0, proof=(), note=data))
    assert check(
        AddCheckpoint(old=0, proof=(), note=note.add(SEVEN, by_eve.rpartition(b"\n\n")[2]))
    )  # others are ignored


def test_a_key_signs_for_its_own_log_only() -> None:
    other = Checkpoint(origin="another.example", size=7, root=Log(7).head.root)
    with pytest.raises(Refused, match="another log"):
        check(AddCheckpoint(old=0, proof=(), note=note.sign(other.text(), LOG.name, LOG_KEY)))


def test_a_log_may_change_its_key_and_sign_with_either() -> None:
    new = Verifier(name=LOG.name, public=EVE.public)
    for data in (SEVEN, note.sign(note.peek(SEVEN), LOG.name, EVE)):
        assert cosignature.check(AddCheckpoint(old=0, proof=(), note=data), [LOG, new], None).checkpoint.size == 7


def test_the_order_is_that_of_the_specification() -> None:
    asked = Log(7).asks(3)
    with pytest.raises(Ahead):
        check(replace(asked, old=8), Log(3))
    with pytest.raises(Behind) as behind:
        check(replace(asked, old=2, proof=(bytes(32),)), Log(3))  # the size is told before the proof is looked at
    assert (behind.value.size, behind.value.body) == (3, b"3\n")
    with pytest.raises(Behind) as behind:
        check(asked)
    assert behind.value.body == b"0\n"
    with pytest.raises(Behind):  # of its own size a proof leads nowhere, and not backwards
        check(replace(asked, old=7), Log(3))
    with pytest.raises(Malformed):
        check(replace(Log(7).asks(0), proof=(bytes(32),)))
    with pytest.raises(Refused):
        check(replace(asked, old=8, note=note.sign(note.peek(SEVEN), LOG.name, EVE)), Log(3))


def test_an_empty_log_has_one_root() -> None:
    assert check(AddCheckpoint(old=0, proof=(), note=Log(0).note)).checkpoint.size == 0
    text = f"{LOG.name}\n0\n{note.encode64(bytes(32))}\n"
    with pytest.raises(Malformed):
        check(AddCheckpoint(old=0, proof=(), note=note.sign(text, LOG.name, LOG_KEY)))


@pytest.mark.parametrize(("old", "new"), [(7, 7), (3, 8), (6, 9), (7, 300), (255, 257)])
def test_a_fork_that_is_shown_carries_both_heads(old: int, new: int) -> None:
    lie = Log(new, fork=1)
    with pytest.raises(Forked) as forked:
        check(lie.asks(old), Log(old))
    assert forked.value.evidence == (Log(old).note.decode(), lie.note.decode())
    assert forked.value.status == 422


@pytest.mark.parametrize(("old", "new"), [(4, 9), (256, 300)])
def test_a_fork_after_a_power_of_two_is_refused_and_not_shown(old: int, new: int) -> None:
    with pytest.raises(Malformed) as refused:
        check(Log(new, fork=1).asks(old), Log(old))
    assert not isinstance(refused.value, Forked)


def test_a_wrong_proof_of_an_honest_log_accuses_nobody() -> None:
    asked = Log(9).asks(6)
    for lie in (asked.proof[::-1], (bytes(32), *asked.proof[1:]), Log(9, fork=8).asks(6).proof, ()):
        with pytest.raises(Malformed) as refused:
            check(replace(asked, proof=lie), Log(6))
        assert not isinstance(refused.value, Forked), lie


def test_a_size_on_the_wire_has_one_spelling() -> None:
    assert Behind.parse(b"812\n").size == 812
    for body in (b"812", b"0812\n", b" 812\n", b"812\n\n", b"-1\n", b"", b"\xff\n", b"9" * 30 + b"\n"):
        with pytest.raises(Malformed):
            Behind.parse(body)
    assert issubclass(Behind, Conflict)


# -- whose word is enough --------------------------------------------------------------------------------------------


def test_the_quorum_counts_verified_cosignatures_by_name() -> None:
    other = Signer(b"w" * 32)
    second = Verifier(name="w2.example", type=COSIGNATURE, public=other.public)
    asked = cosignature.quorum(
        f"witness first {GO_WITNESS.vkey} https://w1.example\nwitness second {second.vkey}\n"
        "group two all first second\nquorum two\n"
    )
    signed, present = cosignature.open(NOTE, LOG, asked)
    assert (signed.checkpoint.size, present) == (7, {"first"})
    assert not asked.met(present)
    assert asked.missing(present) == "second"
    both = note.add(NOTE, note.cosign(note.peek(NOTE), second.name, other, 1))
    assert asked.met(cosignature.open(both, LOG, asked)[1])
    with pytest.raises(Untrue):  # a line of a known key that fails spoils the note
        cosignature.open(note.add(NOTE, note.cosign("another text\n", second.name, other, 1)), LOG, asked)


def test_no_policy_asks_for_nobody() -> None:
    assert cosignature.quorum("").met(())
    assert cosignature.open(SEVEN, LOG, cosignature.quorum(""))[1] == frozenset()
