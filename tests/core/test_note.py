"""Signed notes: Go's bytes, round trips, and what is refused."""

from __future__ import annotations

import contextlib
import json
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from commons import errors
from commons.core.crypto.keys import Signer
from commons.core.tlog import note
from commons.errors import CommonsError, Malformed, TooLarge, Untrue

VECTORS = json.loads((Path(__file__).parents[1] / "vectors" / "tlog.json").read_text())
BAD = json.loads((Path(__file__).parents[1] / "vectors" / "tlog_bad.json").read_text())

LOG = note.parse_vkey(VECTORS["vkey"])
WITNESS = note.parse_vkey(VECTORS["witness_vkey"])
TIME = VECTORS["witness_time"]
LOG_KEY = Signer(bytes.fromhex(VECTORS["seed_hex"]))
WITNESS_KEY = Signer(bytes.fromhex(VECTORS["witness_seed_hex"]))
EVE_KEY = Signer(b"e" * 32)
NOTE = VECTORS["checkpoint_size7_cosigned"].encode()
TEXT = NOTE.decode().rpartition("\n\n")[0] + "\n"

names = st.text(st.characters(exclude_categories=["Cs", "Zs", "Zl", "Zp", "Cc"]), min_size=1).filter(
    lambda name: "+" not in name and not any(c.isspace() for c in name)
)
texts = st.text(st.characters(exclude_categories=["Cs", "Cc"], include_characters="\n")).map(lambda text: text + "\n")


def bad(kind: str) -> list[object]:
    return [pytest.param(each, id=each["name"].replace(" ", "-")) for each in BAD if each["kind"] == kind]


def data_of(vector: dict[str, str]) -> bytes:
    return bytes.fromhex(vector["hex"]) if "hex" in vector else vector["text"].encode()


def test_go_prints_the_same_keys() -> None:
    log = note.Verifier(name="node.example/access-log", public=LOG_KEY.public)
    witness = note.Verifier(name="witness.example/w1", type=note.COSIGNATURE, public=WITNESS_KEY.public)
    assert (log, witness) == (LOG, WITNESS)
    assert (log.vkey, witness.vkey) == (VECTORS["vkey"], VECTORS["witness_vkey"])
    assert log.id.hex() == "9ea40f07"


def test_go_signs_the_same_note() -> None:
    signed = note.sign(TEXT, LOG.name, LOG_KEY)
    assert note.add(signed, note.cosign(TEXT, WITNESS.name, WITNESS_KEY, TIME)) == NOTE


def test_an_opened_note_tells_who_signed_and_when() -> None:
    opened = note.open(NOTE, (LOG, WITNESS))
    assert opened.text == TEXT
    assert opened.signatures == (note.Signature(verifier=LOG), note.Signature(verifier=WITNESS, time=TIME))


def test_lines_by_unknown_keys_are_ignored() -> None:
    eve = note.line(TEXT, "eve.example", EVE_KEY)
    namesake = note.line(TEXT, LOG.name, EVE_KEY)
    assert note.open(note.add(NOTE, eve, namesake), (LOG,)).signatures == (note.Signature(verifier=LOG),)
    assert note.open(NOTE, (WITNESS,)).signatures == (note.Signature(verifier=WITNESS, time=TIME),)


def test_a_note_by_nobody_we_know_is_untrue() -> None:
    with pytest.raises(Untrue, match="known here"):
        note.open(NOTE, ())
    with pytest.raises(Untrue, match="known here"):
        note.open(NOTE, (note.Verifier(name=LOG.name, public=EVE_KEY.public),))


@pytest.mark.parametrize("verifier", [LOG, WITNESS], ids=["signature", "cosignature"])
@pytest.mark.parametrize("signature", [b"x", b"x" * 64, b"x" * 72, b"x" * 200])
def test_one_failing_line_of_a_known_key_spoils_the_note(verifier: note.Verifier, signature: bytes) -> None:
    signed = note.sign(TEXT, "eve.example", EVE_KEY)
    forged = f"— {verifier.name} {note.encode64(verifier.id + signature)}\n".encode()
    known = (note.Verifier(name="eve.example", public=EVE_KEY.public), verifier)
    with pytest.raises(Untrue, match=verifier.name):
        note.open(note.add(signed, forged), known)
    with pytest.raises(Untrue, match=verifier.name):
        note.open(NOTE + forged, known)


def test_a_note_cosigned_under_another_time_is_untrue() -> None:
    line = note.cosign(TEXT, WITNESS.name, WITNESS_KEY, TIME)
    data = bytearray(note.decode64(line.decode().split(" ")[2].rstrip("\n")))
    data[11] ^= 1
    later = f"— {WITNESS.name} {note.encode64(bytes(data))}\n".encode()
    with pytest.raises(Untrue):
        note.open(note.add(NOTE, later), (LOG, WITNESS))


def test_a_plain_signature_is_no_cosignature() -> None:
    plain = note.Verifier(name=WITNESS.name, public=WITNESS.public)
    with pytest.raises(Untrue):
        note.open(note.sign(TEXT, WITNESS.name, WITNESS_KEY), (WITNESS,))
    assert note.open(note.sign(TEXT, WITNESS.name, WITNESS_KEY), (plain,)).signatures[0].time is None


def test_repeated_lines_of_one_key_count_once() -> None:
    repeated = NOTE + note.cosign(TEXT, WITNESS.name, WITNESS_KEY, TIME + 1)
    assert note.open(repeated, (LOG, WITNESS)) == note.open(NOTE, (LOG, WITNESS, WITNESS))


def test_an_added_line_takes_the_place_of_an_earlier_one_by_the_same_key() -> None:
    later = note.cosign(TEXT, WITNESS.name, WITNESS_KEY, TIME + 60)
    again = note.add(NOTE, later)
    assert len(again) == len(NOTE)
    assert note.open(again, (WITNESS,)).signatures[0].time == TIME + 60
    assert note.add(NOTE, note.cosign(TEXT, WITNESS.name, WITNESS_KEY, TIME)) == NOTE


def test_a_key_and_its_successor_both_sign() -> None:
    successor = note.Verifier(name=LOG.name, public=EVE_KEY.public)
    both = note.add(NOTE, note.line(TEXT, LOG.name, EVE_KEY))
    assert len(note.open(both, (LOG, successor)).signatures) == 2
    assert note.open(both, (successor,)).text == TEXT


@pytest.mark.parametrize(
    "lines", [b"", b"\n", b"hello\n", NOTE, b"more text\n\n" + note.line(TEXT, "eve.example", EVE_KEY)]
)
def test_only_signature_lines_can_be_added(lines: bytes) -> None:
    with pytest.raises(Malformed):
        note.add(NOTE, lines)


def test_a_hundred_lines_are_read_and_one_more_is_not() -> None:
    more = [note.line(TEXT, f"eve.example/{i}", EVE_KEY) for i in range(99)]
    full = note.add(NOTE, *more[:98])
    assert note.open(full, (LOG, WITNESS)) == note.open(NOTE, (LOG, WITNESS))
    with pytest.raises(TooLarge):
        note.add(full, more[98])
    with pytest.raises(TooLarge):
        note.open(full + more[98], (LOG, WITNESS))
    with pytest.raises(TooLarge):
        note.open(b"x" * (note.LIMIT + 1), (LOG,))


def test_signature_lines_without_a_text_and_its_blank_line_are_no_note() -> None:
    line = note.line(TEXT, "eve.example", EVE_KEY)
    for data in (line, b"\n" + line, TEXT.encode() + line, (TEXT.encode() + b"\n" + line)[:-1]):
        with pytest.raises(Malformed, match="blank line and lines of signatures"):
            note.peek(data)


def test_a_note_is_read_up_to_its_limit_and_a_signature_of_one_byte_is_one() -> None:
    last = f"\n— x {note.encode64(bytes(5))}\n".encode()
    full = b"x" * (note.LIMIT - len(last) - 1) + b"\n" + last
    assert len(note.peek(full).encode()) == len(full) - len(last)
    with pytest.raises(TooLarge):
        note.peek(b"x" + full)
    with pytest.raises(Malformed, match="not a signature line"):
        note.peek(f"x\n\n— x {note.encode64(bytes(4))}\n".encode())


def test_text_with_blank_lines_is_split_at_the_last_one() -> None:
    text = "a\n\n— b c\n\n"
    opened = note.open(note.sign(text, LOG.name, LOG_KEY), (LOG,))
    assert opened.text == text == note.peek(note.sign(text, LOG.name, LOG_KEY))


def test_two_keys_that_share_a_name_and_an_id_are_not_guessed_between() -> None:
    twins = [note.Verifier(name="eve.example", public=n.to_bytes(32, "big")) for n in (46348, 73839)]
    with pytest.raises(Malformed, match="share one id"):
        note.open(NOTE, (LOG, *twins))


@pytest.mark.parametrize("text", ["", "no newline", "a\r\n", "a\tb\n", "a\0\n", "\ud800\n"])
def test_text_that_cannot_be_a_note_is_a_bug_of_ours(text: str) -> None:
    with pytest.raises(ValueError):
        note.sign(text, LOG.name, LOG_KEY)
    with pytest.raises(ValueError):
        note.cosign(text, WITNESS.name, WITNESS_KEY, TIME)


@pytest.mark.parametrize("name", ["", "a b", "a+b", "a\u00a0b", "a\u2028b", "a\nb", "a\x01b", "a\udc80"])
def test_a_name_that_would_break_the_line_is_refused(name: str) -> None:
    with pytest.raises(Malformed):
        note.Verifier(name=name, public=LOG.public)
    with pytest.raises(Malformed):
        note.sign(TEXT, name, LOG_KEY)


def test_half_a_character_stands_in_no_name() -> None:
    assert note.check_name("a\ud7ff\ue000")
    for half in (0xD800, 0xDBFF, 0xDC00, 0xDFFF):
        with pytest.raises(Malformed):
            note.check_name(f"a{chr(half)}")


@pytest.mark.parametrize("vector", bad("vkey"))
def test_a_bad_key_is_refused(vector: dict[str, str]) -> None:
    with pytest.raises(getattr(errors, vector["error"]), match=vector["message"]):
        note.parse_vkey(vector["text"])


@pytest.mark.parametrize("vector", bad("note"))
def test_a_bad_note_is_refused(vector: dict[str, str]) -> None:
    with pytest.raises(getattr(errors, vector["error"]), match=vector["message"]):
        note.open(data_of(vector), (LOG, WITNESS))


def test_no_flipped_bit_changes_what_a_note_says() -> None:
    whole = note.open(NOTE, (LOG, WITNESS))
    for at in range(len(NOTE)):
        for bit in range(8):
            touched = bytearray(NOTE)
            touched[at] ^= 1 << bit
            try:
                opened = note.open(bytes(touched), (LOG, WITNESS))
            except CommonsError:
                continue
            assert opened.text == whole.text
            assert set(opened.signatures) < set(whole.signatures)  # the other line is by nobody known


@given(st.integers(0, len(NOTE) - 1), st.integers(0, 255), st.sampled_from(["put", "cut", "insert"]))
def test_no_changed_byte_changes_what_a_note_says(at: int, byte: int, how: str) -> None:
    touched = NOTE[:at] + (b"" if how == "cut" else bytes([byte])) + NOTE[at + (how != "insert") :]
    try:
        opened = note.open(touched, (LOG, WITNESS))
    except CommonsError:
        return
    assert opened.text == TEXT


@given(texts, names, st.integers(0, 2**64 - 1))
def test_what_was_signed_is_what_is_opened(text: str, name: str, time: int) -> None:
    log = note.Verifier(name=name, public=LOG_KEY.public)
    witness = note.Verifier(name=name, type=note.COSIGNATURE, public=WITNESS_KEY.public)
    signed = note.add(note.sign(text, name, LOG_KEY), note.cosign(text, name, WITNESS_KEY, time))
    opened = note.open(signed, (log, witness))
    assert opened.text == text
    assert opened.signatures == (note.Signature(verifier=log), note.Signature(verifier=witness, time=time))


@given(names, st.sampled_from([note.ED25519, note.COSIGNATURE]), st.binary(min_size=32, max_size=32))
def test_a_key_is_read_as_it_was_printed(name: str, kind: int, public: bytes) -> None:
    verifier = note.Verifier(name=name, type=kind, public=public)
    assert note.parse_vkey(verifier.vkey) == verifier


@example(NOTE)
@example(NOTE.rpartition(b"\n\n")[2])
@given(st.one_of(st.binary(), st.binary().map(lambda data: TEXT.encode() + b"\n\xe2\x80\x94 " + data + b"\n")))
def test_no_bytes_from_outside_raise_anything_else(data: bytes) -> None:
    with contextlib.suppress(CommonsError):
        assert note.open(data, (LOG, WITNESS)).text == TEXT  # nobody else's words are signed
    with contextlib.suppress(CommonsError):
        assert note.peek(note.add(NOTE, data)) == TEXT
    with contextlib.suppress(CommonsError):
        assert note.peek(note.add(data, note.line(TEXT, "eve", EVE_KEY))) == note.peek(data)
    with pytest.raises(CommonsError):
        note.add(data, NOTE)  # a whole note is no line


@given(st.one_of(st.text(st.characters()), st.text(st.characters()).map(lambda end: "name+00000000+" + end)))
def test_no_key_from_outside_raises_anything_else(text: str) -> None:
    with contextlib.suppress(CommonsError):
        assert note.parse_vkey(text).vkey == text


def test_of_a_note_only_the_lines_of_known_keys_are_kept_and_one_there_has_to_be() -> None:
    known, other = Signer(b"k" * 32), Signer(b"o" * 32)
    key, wrong = (note.Verifier(name="log", public=each.public) for each in (known, other))
    by_known = note.sign("text\n", "log", known)
    both = note.add(by_known, note.line("text\n", "log", other))
    assert note.only(both, [key]) == by_known
    assert note.only(both, [key, wrong]) == both
    for verifiers in ([], [wrong], [note.Verifier(name="log2", public=known.public)]):
        with pytest.raises(Malformed, match="no line of this note is by a key"):
            note.only(by_known, verifiers)
