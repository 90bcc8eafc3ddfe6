"""A file that only a passphrase opens: whatever is done to it, it is opened whole or not at all."""

from __future__ import annotations

import io
import random
import re
from functools import lru_cache
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from commons.core.dataset import pack
from commons.disk import vault
from commons.disk.vault import Cover, Reader, Writer
from commons.errors import CommonsError, Conflict, Malformed, Refused, Untrue

PAGE = Path(__file__).parents[2] / "docs" / "backup.md"
COVER = Cover(made=1_795_965_600, delete_by=1_798_502_400, log_n=10, salt=bytes(range(16)))
WORDS = "correct horse battery staple"


@pytest.fixture(autouse=True, scope="module")
def one_scrypt() -> object:
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(vault, "_secret", lru_cache(vault._secret))
        yield


def sealed(plain: bytes, words: str = WORDS, cover: Cover = COVER) -> bytes:
    file = io.BytesIO()
    writer = Writer(file, words, cover, bytes(24))
    for at in range(0, len(plain), 700_000):
        writer.write(plain[at : at + 700_000])
    writer.finish()
    return file.getvalue()


def opened(data: bytes, size: int, words: str = WORDS) -> bytes:
    reader = Reader(io.BytesIO(data), words)
    plain = b"".join(reader.read(min(500_000, size - at)) for at in range(0, size, 500_000))
    reader.finish()
    return plain


PLAIN = random.Random(1).randbytes(2 * pack.SEGMENT + 5)
WHOLE = sealed(PLAIN)
STARTS = [len(COVER.text()) + pack.HEADER + n * (4 + pack.SEGMENT + pack.OVERHEAD) for n in range(3)]


@pytest.mark.parametrize("size", [1, pack.SEGMENT - 1, pack.SEGMENT, pack.SEGMENT + 1, 2 * pack.SEGMENT])
def test_what_is_sealed_is_opened(size: int) -> None:
    assert opened(sealed(PLAIN[:size]), size) == PLAIN[:size]


def test_the_head_is_read_without_a_passphrase_and_the_rest_is_not() -> None:
    assert vault.cover_of(io.BytesIO(WHOLE)) == COVER
    assert WHOLE.startswith(b"commons-backup/v1\nmade 2026-11-29T15:20:00Z\ndelete-by 2026-12-29\nscrypt 10 8 1 000102")
    assert PLAIN[:32] not in WHOLE
    with pytest.raises(Refused, match="this passphrase does not open"):
        opened(WHOLE, len(PLAIN), WORDS + " ")


def test_however_an_accent_was_typed_it_is_the_same_passphrase() -> None:
    assert opened(sealed(b"x", "caf\u00e9 au lait chaud"), 1, "cafe\u0301 au lait chaud") == b"x"


def test_the_vector_of_the_page_is_made_again_and_opened() -> None:
    vector = bytes.fromhex("".join(re.findall(r"^    ([0-9a-f]+)$", PAGE.read_text(), re.MULTILINE)))
    assert sealed(b"what is in it") == COVER.text() + vector
    assert opened(COVER.text() + vector, 13) == b"what is in it"


@given(st.integers(0, len(WHOLE) * 8 - 1) | st.sampled_from([8 * at + bit for at in STARTS for bit in range(32)]))
def test_a_bit_that_is_turned_anywhere_is_found(bit: int) -> None:
    damaged = bytearray(WHOLE)
    damaged[bit // 8] ^= 1 << bit % 8
    with pytest.raises(CommonsError) as told:
        opened(bytes(damaged), len(PLAIN))
    assert isinstance(told.value, Untrue | Refused | Malformed | Conflict)


@given(st.integers(0, len(WHOLE) - 1) | st.sampled_from([*STARTS, STARTS[1] + 4, len(COVER.text())]))
def test_one_that_is_cut_off_anywhere_is_found(size: int) -> None:
    with pytest.raises(CommonsError):
        opened(WHOLE[:size], len(PLAIN))


def test_parts_are_neither_moved_nor_repeated_nor_added() -> None:
    cover, one, two, three = (WHOLE[a:b] for a, b in zip([0, *STARTS], [*STARTS, len(WHOLE)], strict=True))
    for parts in ((cover, two, one, three), (cover, one, three), (cover, one, two, three, three), (cover, three)):
        with pytest.raises(Untrue, match="this backup is damaged"):
            opened(b"".join(parts), len(PLAIN))
    with pytest.raises(Untrue, match="more in it"):
        opened(WHOLE, len(PLAIN) - 1)
    with pytest.raises(Untrue, match="less in it"):
        opened(WHOLE, len(PLAIN) + 1)


def test_the_cover_of_one_is_not_put_before_another() -> None:
    later = Cover(made=COVER.made, delete_by=None, log_n=10, salt=COVER.salt)
    with pytest.raises(Refused):
        opened(later.text() + WHOLE[len(COVER.text()) :], len(PLAIN))


@pytest.mark.parametrize(
    ("old", "new", "kind", "says"),
    [
        (b"backup/v1", b"backup/v2", Conflict, "later version"),
        (b"commons-backup/v1", b"commons-cellar/v1", Malformed, "no backup"),
        (b"2026-12-29", b"2026-13-29", Malformed, "no date"),
        (b"scrypt 10", b"scrypt 21", Malformed, "MiB"),
        (b"scrypt 10", b"scrypt 99", Malformed, "MiB"),
        (b"10 8 1", b"10 8 9", Malformed, "no backup"),
        (b"\n\n", b"\nmore\n\n", Malformed, "no backup"),
    ],
)
def test_a_head_that_is_none_is_named(old: bytes, new: bytes, kind: type[CommonsError], says: str) -> None:
    with pytest.raises(kind, match=says):
        opened(WHOLE.replace(old, new, 1), len(PLAIN))
    for data in (b"", b"\n\n", b"x" * 5000, bytes(5000)):
        with pytest.raises(Malformed, match="no backup"):
            opened(data, 1)
