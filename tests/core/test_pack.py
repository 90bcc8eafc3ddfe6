"""Sealed segments: the stored vectors, the format written out a second time, and every bit turned."""

from __future__ import annotations

import hashlib
import hmac
import json
import random
import tracemalloc
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
import zstandard
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from hypothesis import given, settings
from hypothesis import strategies as st

from commons import errors
from commons.core.dataset import pack
from commons.core.dataset.pack import HEADER, OVERHEAD, SEGMENT
from commons.errors import CommonsError, Malformed, Untrue
from tests.conftest import ends

VECTORS = json.loads((Path(__file__).parents[1] / "vectors" / "pack.json").read_text())
SECRET, SERIES, SALT = (bytes.fromhex(VECTORS[name]) for name in ("secret", "series", "salt"))
HEAD, KEY = pack.header(SECRET, SERIES, SALT)


def hkdf(secret: bytes, salt: bytes, info: bytes, length: int) -> bytes:
    """RFC 5869, written out."""
    inner, out, last = hmac.digest(salt, secret, "sha256"), b"", b""
    for i in range(1, -(-length // 32) + 1):
        last = hmac.digest(inner, last + info + bytes([i]), "sha256")
        out += last
    return out[:length]


def test_the_header_and_key_follow_the_format() -> None:
    material = hkdf(SECRET, SALT, b"commons/pack/v1/" + SERIES.hex().encode(), 76)
    assert material.hex() == VECTORS["material"]
    assert b"commons-pack/v1\n" + SALT + material[44:] == HEAD == bytes.fromhex(VECTORS["header"])
    assert len(HEAD) == HEADER == 72
    assert KEY.base == material[32:44]
    for vector in VECTORS["segments"]:
        number, stored = vector["number"], bytes.fromhex(vector["stored"])
        nonce = bytes(a ^ b for a, b in zip(material[32:44], number.to_bytes(12, "big"), strict=True))
        body = AESGCM(material[:32]).decrypt(nonce, stored[1:], number.to_bytes(8, "big") + stored[:1])
        plain = zstandard.ZstdDecompressor().decompress(body) if stored[0] else body
        assert plain.hex() == vector["plain"]


@pytest.mark.parametrize("vector", VECTORS["segments"], ids=lambda vector: vector["name"])
def test_the_stored_segments_open_and_seal_again(vector: dict[str, Any]) -> None:
    plain, stored = bytes.fromhex(vector["plain"]), bytes.fromhex(vector["stored"])
    key = pack.unlock(SECRET, SERIES, HEAD)
    assert pack.open(key, vector["number"], stored) == plain
    again = pack.seal(key, vector["number"], plain)
    assert again[0] == stored[0]
    assert again == stored or stored[0] == 1  # zstd's versions differ
    assert pack.open(key, vector["number"], again) == plain


@pytest.mark.parametrize("vector", VECTORS["bad_headers"], ids=lambda vector: vector["name"])
def test_a_header_that_lies_unlocks_nothing(vector: dict[str, Any]) -> None:
    secret, series, head = (bytes.fromhex(vector[name]) for name in ("secret", "series", "header"))
    with pytest.raises(getattr(errors, vector["error"])):
        pack.unlock(secret, series, head)


@pytest.mark.parametrize("vector", VECTORS["bad_segments"], ids=lambda vector: vector["name"])
def test_a_segment_that_lies_is_refused(vector: dict[str, Any]) -> None:
    with pytest.raises(getattr(errors, vector["error"])):
        pack.open(KEY, vector["number"], bytes.fromhex(vector["stored"]))


def test_the_wrong_key_is_named() -> None:
    with pytest.raises(Untrue, match="this key does not open this pack"):
        pack.unlock(bytes(32), SERIES, HEAD)


def test_a_bit_turned_anywhere_is_found() -> None:
    stored = bytearray(pack.seal(KEY, 3, b"a row of a table\n" * 9))
    for bit in range(8 * len(stored)):
        stored[bit // 8] ^= 1 << bit % 8
        with pytest.raises(CommonsError):
            pack.open(KEY, 3, stored)
        stored[bit // 8] ^= 1 << bit % 8
    for bit in range(8 * HEADER):
        head = bytearray(HEAD)
        head[bit // 8] ^= 1 << bit % 8
        with pytest.raises(CommonsError):
            pack.unlock(SECRET, SERIES, bytes(head))


@settings(deadline=None)
@given(st.binary(min_size=1, max_size=3000), st.integers(1, 400), st.integers(0, 2**64 - 1))
def test_what_is_sealed_opens_and_only_under_its_number(some: bytes, times: int, number: int) -> None:
    plain = (some * times)[:SEGMENT]
    stored = pack.seal(KEY, number, plain)
    assert len(stored) <= len(plain) + OVERHEAD
    assert pack.open(KEY, number, stored) == plain
    with pytest.raises(Untrue):
        pack.open(KEY, number ^ 1, stored)


@settings(deadline=None)
@given(st.binary(max_size=200))
def test_random_bytes_are_refused_in_words(stored: bytes) -> None:
    with pytest.raises((Untrue, Malformed)):
        pack.open(KEY, 0, stored)
    with pytest.raises((Untrue, Malformed)):
        pack.unlock(SECRET, SERIES, stored)


@settings(deadline=None)
@given(st.binary(max_size=200), st.booleans())
def test_a_publisher_who_seals_rubbish_is_refused_in_words(body: bytes, magic: bool) -> None:
    stored = sealed((b"\x28\xb5\x2f\xfd" if magic else b"") + body)
    with suppress(Malformed):
        assert 0 < len(pack.open(KEY, 0, stored)) <= SEGMENT


def test_text_is_compressed_and_noise_is_not() -> None:
    text = b"".join(b"%d,%d,north\n" % (i, i * i) for i in range(50_000))[:SEGMENT]
    noise = random.Random(1).randbytes(SEGMENT)
    assert len(pack.seal(KEY, 0, text)) < SEGMENT // 2
    assert len(pack.seal(KEY, 0, noise)) == SEGMENT + OVERHEAD
    assert pack.open(KEY, 0, pack.seal(KEY, 0, noise)) == noise
    assert len(pack.seal(KEY, 0, noise[: SEGMENT // 2] + text[: SEGMENT // 2])) < SEGMENT * 4 // 5


def test_a_segment_is_compressed_only_where_that_is_shorter() -> None:
    kinds = set()
    for size in range(1, 64):
        packed = zstandard.ZstdCompressor(level=pack._LEVEL).compress(b"a" * size)
        stored = pack.seal(KEY, 0, b"a" * size)
        assert stored[0] == (len(packed) < size)
        kinds.add((len(packed) > size) - (len(packed) < size))
    assert kinds == {-1, 0, 1}


def test_a_long_segment_whose_samples_do_not_shrink_by_more_than_a_64th_is_not_compressed() -> None:
    whole = 4 * pack._SAMPLE
    noise, zstd, lengths = random.Random(1).randbytes(whole), zstandard.ZstdCompressor(level=pack._LEVEL), set()
    for zeros in range(200, 400):
        sample, plain = noise[zeros:] + bytes(zeros), bytearray(SEGMENT)
        length = len(zstd.compress(sample)) - (whole - whole // 64)
        if length in (-1, 0) and length not in lengths:
            for place in range(4):
                start = place * (SEGMENT - pack._SAMPLE) // 3
                plain[start : start + pack._SAMPLE] = sample[place * pack._SAMPLE :][: pack._SAMPLE]
            assert (len(pack.seal(KEY, 0, plain)) == SEGMENT + OVERHEAD) == (length >= 0)
            lengths.add(length)
    assert lengths == {-1, 0}


def test_an_empty_segment_however_well_sealed_is_none() -> None:
    for codec, body in ((0, b""), (1, zstandard.ZstdCompressor().compress(b""))):
        with pytest.raises(Malformed):
            pack.open(KEY, 0, bytes([codec]) + KEY.aead.encrypt(KEY.base, body, bytes(8) + bytes([codec])))


def test_a_full_segment_of_zeros_is_no_bomb() -> None:
    assert pack.open(KEY, 0, pack.seal(KEY, 0, bytes(SEGMENT))) == bytes(SEGMENT)


def test_a_bomb_costs_nothing() -> None:
    stored = sealed(zstandard.ZstdCompressor(level=3).compress(bytes(256 << 20)))
    tracemalloc.start()
    try:
        with pytest.raises(Malformed):
            pack.open(KEY, 0, stored)
        _, most = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert most < 3 * SEGMENT


def sealed(body: bytes) -> bytes:
    """A segment whose publisher says that `body` is compressed."""
    return b"\1" + KEY.aead.encrypt(KEY.base, body, bytes(8) + b"\1")


def frame(promised: int, *blocks: bytes, window: int | None = None, dictionary: int | None = None) -> bytes:
    """A frame of zstd (RFC 8878) that promises so many bytes, whatever its blocks hold."""
    single = 0 if window is not None else 0x20
    head = bytes([0x80 | single | (3 if dictionary is not None else 0)])
    head += b"" if window is None else bytes([window])
    head += b"" if dictionary is None else dictionary.to_bytes(4, "little")
    return b"\x28\xb5\x2f\xfd" + head + promised.to_bytes(4, "little") + b"".join(blocks)


def block(kind: int, size: int, data: bytes, last: bool) -> bytes:
    """Kind 0 is raw, 1 one byte repeated, 2 compressed."""
    return (int(last) | kind << 1 | size << 3).to_bytes(3, "little") + data


HALF = SEGMENT // 2
ZEROS = [block(1, 128 << 10, b"\0", last) for last in (False, True)]
FRAMES = {
    "gives more than it promises": frame(10, block(0, 1000, bytes(1000), True)),
    "gives less than it promises": frame(SEGMENT, block(0, 10, bytes(10), True)),
    "promises much and gives nothing": frame(SEGMENT),
    "promises nothing": frame(0, block(0, 0, b"", True)),
    "promises a gigabyte": frame(1 << 30, *ZEROS[:1] * 8191, ZEROS[1]),
    "promises ten bytes and gives a gigabyte": frame(10, *ZEROS[:1] * 8191, ZEROS[1]),
    "promises a segment and gives a gigabyte": frame(SEGMENT, *ZEROS[:1] * 8191, ZEROS[1]),
    "does not say what it holds": zstandard.ZstdCompressor(write_content_size=False).compress(bytes(1000)),
    "wants a window of two terabytes": frame(1000, block(2, 1000, bytes(1000), True), window=31 << 3),
    "has a block of no kind": frame(10, block(3, 10, bytes(10), True)),
    "has a block of noise": frame(1000, block(2, 100, random.Random(5).randbytes(100), True)),
    "wants a dictionary": frame(10, block(2, 10, bytes(10), True), dictionary=7),
    "was made with a dictionary": zstandard.ZstdCompressor(
        dict_data=zstandard.ZstdCompressionDict(b"rivers and springs " * 50)
    ).compress(b"rivers and springs " * 9),
    "is followed by another": zstandard.compress(bytes(HALF)) * 2,
    "is followed by a thousand": zstandard.compress(bytes(HALF)) * 1000,
    "is followed by a byte": zstandard.compress(bytes(HALF)) + b"\0",
    "is to be skipped": b"\x50\x2a\x4d\x18" + (1000).to_bytes(4, "little") + bytes(1000),
    "comes after one to be skipped": b"\x50\x2a\x4d\x18\4\0\0\0abcd" + zstandard.compress(bytes(HALF)),
    "has another checksum": zstandard.ZstdCompressor(write_checksum=True).compress(bytes(HALF))[:-1] + b"x",
    "is of the first format": b"\x1e\xb5\x2f\xfd" + bytes(100),
    "is cut": zstandard.compress(random.Random(6).randbytes(1000))[:-1],
    "is nothing": b"\x28\xb5\x2f\xfd",
}


@pytest.mark.parametrize("name", FRAMES)
def test_a_frame_that_lies_is_refused_in_words_and_costs_at_most_a_segment(name: str) -> None:
    stored = sealed(FRAMES[name])
    tracemalloc.start()
    try:
        with ends(), pytest.raises(Malformed, match="segment 0"):
            pack.open(KEY, 0, stored)
        _, most = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert most < 2 * SEGMENT + 2 * len(stored)


def test_a_frame_that_keeps_its_promise_is_opened_whatever_made_it() -> None:
    for body in (frame(1000, block(0, 1000, bytes(1000), True)), frame(128 << 10, ZEROS[1])):
        assert set(pack.open(KEY, 0, sealed(body))) == {0}


@settings(deadline=None)
@given(st.integers(0, 2**32 - 1), st.lists(st.tuples(st.integers(0, 3), st.integers(0, 2**17), st.binary(max_size=9))))
def test_any_frame_is_opened_within_a_segment_or_refused(promised: int, blocks: list[tuple[int, int, bytes]]) -> None:
    body = frame(promised, *[block(*each, last=n == len(blocks) - 1) for n, each in enumerate(blocks)])
    with suppress(Malformed):
        assert len(pack.open(KEY, 0, sealed(body))) == promised <= SEGMENT


@pytest.mark.parametrize("plain", [b"", bytes(SEGMENT + 1)], ids=["empty", "too-long"])
def test_a_segment_of_no_lawful_size_is_a_bug_of_ours(plain: bytes) -> None:
    with pytest.raises(ValueError, match="1 MiB"):
        pack.seal(KEY, 0, plain)


def test_threads_share_a_key() -> None:
    plains = [hashlib.sha256(b"%d" % i).digest() * (1 + i % 900) for i in range(400)]
    with ThreadPoolExecutor(8) as threads:
        stored = list(threads.map(lambda i: pack.seal(KEY, i, plains[i]), range(400)))
        assert list(threads.map(lambda i: pack.open(KEY, i, stored[i]), range(400))) == plains
    assert stored == [pack.seal(KEY, i, plain) for i, plain in enumerate(plains)]


@pytest.mark.parametrize(("secret", "salt"), [(31, 24), (33, 24), (0, 24), (32, 23), (32, 25), (32, 0)])
def test_a_pack_is_begun_with_a_whole_secret_and_a_whole_salt(secret: int, salt: int) -> None:
    assert len(pack.header(bytes(32), bytes(16), bytes(24))[0]) == HEADER
    with pytest.raises(ValueError, match="an epoch secret is 32 bytes, a salt 24"):
        pack.header(bytes(secret), bytes(16), bytes(salt))
