"""A pack: segments of at most 1 MiB, compressed where that helps, each sealed by AES-256-GCM under one key.

After C2SP chunked-encryption, with larger chunks, compressed; the contents table, not a short last chunk, says where
a pack ends. The header commits to the key. Knows nothing of files, nor of where the salt comes from.

    magic 16 "commons-pack/v1\\n" | salt 24 | key commitment 32 | segments
    segment = codec 1 (0 as it is, 1 zstd) | ciphertext | tag 16
    key 32 | base nonce 12 | commitment 32 = HKDF-SHA256(epoch secret, salt, "commons/pack/v1/" + series in hex)
    nonce = base XOR number (in the last 8 bytes, big-endian); associated data = number (8 bytes) | codec
"""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from hmac import compare_digest

import zstandard
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from commons.core.crypto import keys
from commons.core.dataset.pieces import Buffer
from commons.errors import Malformed, Untrue

MAGIC = b"commons-pack/v1\n"
SALT = 24  # bytes
HEADER = 72  # bytes: magic, salt, commitment
SEGMENT = 1 << 20  # bytes of plaintext in one segment, at most
OVERHEAD = 17  # bytes a stored segment has beyond its plaintext, at most: codec and tag

_RAW, _ZSTD = 0, 1
_LEVEL = 1  # level 3 saves a tenth more and takes twice as long
_SAMPLE = 4096  # bytes, four times over a segment
_local = threading.local()  # a compressor serves one thread at a time


@dataclass(frozen=True, slots=True, kw_only=True)
class PackKey:
    """What seals and opens the segments of one pack, in any thread. Holding it means its commitment was checked."""

    aead: AESGCM = field(repr=False)
    base: bytes = field(repr=False)  # 12 bytes


def header(secret: bytes, series: bytes, salt: bytes) -> tuple[bytes, PackKey]:
    """The first 72 bytes of a pack, and its key, from the epoch's secret (32 bytes). Never use a salt twice."""
    if len(secret) != 32 or len(salt) != SALT:
        raise ValueError("an epoch secret is 32 bytes, a salt 24")
    material = keys.derive(secret, "pack/v1/" + series.hex(), 76, salt)
    return MAGIC + salt + material[44:], PackKey(aead=AESGCM(material[:32]), base=material[32:44])


def unlock(secret: bytes, series: bytes, head: bytes) -> PackKey:
    """The key of the pack that begins with `head`; Malformed if it is no pack, Untrue if `secret` is not its secret."""
    if len(head) != HEADER or not head.startswith(MAGIC):
        raise Malformed("not a pack, or of a later version")
    ours, key = header(secret, series, head[len(MAGIC) : len(MAGIC) + SALT])
    if not compare_digest(ours, head):
        raise Untrue("this key does not open this pack")
    return key


def seal(key: PackKey, number: int, plain: Buffer) -> bytes:
    """Segment `number`, encrypted, as it is stored. Never seal two segments of one pack under one number."""
    out = bytearray(len(plain) + OVERHEAD)
    return bytes(memoryview(out)[: seal_into(key, number, plain, out)])


def seal_into(key: PackKey, number: int, plain: Buffer, out: bytearray) -> int:
    """The stored length of a segment that was sealed, as `seal` does, into `out`, which has 17 bytes more than
    `plain`."""
    if not 0 < len(plain) <= SEGMENT:
        raise ValueError("a segment holds 1 byte to 1 MiB")
    codec, body = _RAW, plain
    if _seems_compressible(plain):
        packed = _compressor().compress(plain)
        if len(packed) < len(plain) - len(plain) // 64:
            codec, body = _ZSTD, packed
    end = len(body) + OVERHEAD
    out[0] = codec
    key.aead.encrypt_into(_nonce(key, number), body, _bound(number, codec), memoryview(out)[1:end])
    return end


def open(key: PackKey, number: int, stored: Buffer) -> bytes:
    """The plaintext of segment `number`. Untrue unless it was sealed so; Malformed if it then breaks the format."""
    if not OVERHEAD < len(stored) <= SEGMENT + OVERHEAD or stored[0] not in (_RAW, _ZSTD):
        raise Malformed(f"segment {number} is not a segment")
    try:
        body = key.aead.decrypt(_nonce(key, number), memoryview(stored)[1:], _bound(number, stored[0]))
    except InvalidTag as error:
        raise Untrue(f"segment {number} was changed, or belongs elsewhere") from error
    return body if stored[0] == _RAW else _decompress(number, body)


def _decompress(number: int, body: bytes) -> bytes:
    # The library bounds its output by what the frame says of itself, whatever else it is told: so ask the frame first.
    try:
        size = zstandard.get_frame_parameters(body).content_size
        if not 0 < size <= SEGMENT:
            raise Malformed(f"segment {number} would unpack to over {SEGMENT} bytes, or does not say its size")
        plain = _decompressor().decompress(body, max_output_size=SEGMENT, allow_extra_data=False)
    except zstandard.ZstdError as error:
        raise Malformed(f"segment {number} is not compressed as it says") from error
    return plain


def _seems_compressible(plain: Buffer) -> bool:
    """Whether four samples shrink: 10 microseconds spent to save a millisecond on what is random or compressed."""
    size = len(plain)
    if size <= 4 * _SAMPLE:
        return True
    view = memoryview(plain)
    starts = [i * (size - _SAMPLE) // 3 for i in range(4)]
    sample = b"".join([view[start : start + _SAMPLE] for start in starts])
    return len(_compressor().compress(sample)) < len(sample) - len(sample) // 64


def _nonce(key: PackKey, number: int) -> bytes:
    return key.base[:4] + (int.from_bytes(key.base[4:], "big") ^ number).to_bytes(8, "big")


def _bound(number: int, codec: int) -> bytes:
    return number.to_bytes(8, "big") + bytes((codec,))


def _compressor() -> zstandard.ZstdCompressor:
    found: zstandard.ZstdCompressor | None = getattr(_local, "compressor", None)
    if found is None:
        found = _local.compressor = zstandard.ZstdCompressor(level=_LEVEL)
    return found


def _decompressor() -> zstandard.ZstdDecompressor:
    found: zstandard.ZstdDecompressor | None = getattr(_local, "decompressor", None)
    if found is None:
        found = _local.decompressor = zstandard.ZstdDecompressor()
    return found
