"""The root of a file as BitTorrent v2 has it (BEP 52): SHA-256, leaves of 16 KiB, pieces of 1 MiB.

So any v2 client can carry a pack. Hashes only: knows nothing of files, of packs or of who asks.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TypeAlias

from commons.errors import Malformed, Untrue

BLOCK = 1 << 14  # bytes under one leaf
PIECE = 1 << 20  # bytes of one unit of transfer and verification

Buffer: TypeAlias = bytes | bytearray | memoryview

_LEAVES = PIECE // BLOCK
_HASH = 32
_sha256 = hashlib.sha256


@dataclass(frozen=True, slots=True, kw_only=True)
class PieceTree:
    """The piece tree of a file of `size` bytes: its `root` (32 bytes), and its `layer`, the hashes of its pieces one
    after another."""

    root: bytes
    size: int
    layer: bytes


class Hasher:
    """Makes a PieceTree: `update` with the file's bytes in order, cut anywhere, then `finish`. For one thread."""

    def __init__(self) -> None:
        self._size = 0
        self._leaves: list[bytes] = []  # of the piece at hand
        self._layer = bytearray()
        self._part = _sha256()  # of the leaf at hand

    def update(self, data: Buffer) -> None:
        view = memoryview(data)
        size = len(view)
        at = min(-self._size % BLOCK, size)  # what the leaf at hand still lacks
        if at:
            self._part.update(view[:at])
            if (self._size + at) % BLOCK == 0:
                self._leaf(self._part.digest())
                self._part = _sha256()
        whole = at + (size - at) // BLOCK * BLOCK
        for start in range(at, whole, BLOCK):
            self._leaf(_sha256(view[start : start + BLOCK]).digest())
        if whole < size:
            self._part.update(view[whole:])
        self._size += size

    def finish(self) -> PieceTree:
        """The PieceTree of all bytes so far. Malformed for no bytes at all: BEP 52 gives an empty file no root."""
        leaves = [*self._leaves, self._part.digest()] if self._size % BLOCK else self._leaves
        if self._size <= PIECE:
            root = bytes(self._layer) or _small(leaves)
            return PieceTree(root=root, size=self._size, layer=root)
        layer = bytes(self._layer) + (_piece(leaves) if leaves else b"")
        return PieceTree(root=_over(layer), size=self._size, layer=layer)

    def _leaf(self, digest: bytes) -> None:
        self._leaves.append(digest)
        if len(self._leaves) == _LEAVES:
            self._layer += _top(self._leaves)
            self._leaves = []


def piece_hash(data: Buffer, whole_size: int) -> bytes:
    """The hash of one piece, whose bytes are `data`, of a file of `whole_size` bytes."""
    view = memoryview(data)
    leaves = [_sha256(view[start : start + BLOCK]).digest() for start in range(0, len(view), BLOCK)]
    return _small(leaves) if whole_size <= PIECE else _piece(leaves)


def check_layer(root: bytes, size: int, layer: bytes) -> None:
    """Untrue unless `layer` is the piece layer of the file of `size` bytes whose root is `root`."""
    if len(layer) != piece_count(size) * _HASH:
        raise Untrue(f"{len(layer)} bytes of piece hashes do not fit a file of {size} bytes")
    if size == 0 or (layer if size <= PIECE else _over(layer)) != root:
        raise Untrue(f"the piece hashes do not add up to the root {root.hex()}")
    if layer[-_HASH:] == _EMPTY:  # a root does not say its size, and this is how a longer one would be claimed
        raise Untrue(f"a file of {size} bytes with the root {root.hex()} would end in what only pads it")


def piece_count(size: int) -> int:
    """How many pieces a file of `size` bytes has."""
    return -(-size // PIECE)


def piece_range(index: int, size: int) -> tuple[int, int]:
    """Where piece `index` of a file of `size` bytes starts and where it ends (exclusive); Malformed if it has none.

    >>> piece_range(2, 3_000_000)
    (2097152, 3000000)
    """
    if not 0 <= index < piece_count(size):
        raise Malformed(f"there is no piece {index} in a file of {size} bytes")
    return index * PIECE, min((index + 1) * PIECE, size)


def _top(hashes: list[bytes]) -> bytes:
    """The top of the binary tree over `hashes`, a power of two of them."""
    while len(hashes) > 1:
        hashes = [_sha256(hashes[i] + hashes[i + 1]).digest() for i in range(0, len(hashes), 2)]
    return hashes[0]


def _padded(hashes: list[bytes], pad: bytes) -> list[bytes]:
    return hashes + [pad] * ((1 << (len(hashes) - 1).bit_length()) - len(hashes))


def _small(leaves: list[bytes]) -> bytes:
    """The root of a file of at most one piece: padded to the next power of two only."""
    if not leaves:
        raise Malformed("an empty file has no root")
    return _top(_padded(leaves, bytes(_HASH)))


def _piece(leaves: list[bytes]) -> bytes:
    """The hash of one of several pieces: always over 64 leaves."""
    return _top(leaves + [bytes(_HASH)] * (_LEAVES - len(leaves)))


_EMPTY = _piece([])  # what stands for a piece beyond the end of the file


def _over(layer: bytes) -> bytes:
    return _top(_padded([layer[i : i + _HASH] for i in range(0, len(layer), _HASH)], _EMPTY))
