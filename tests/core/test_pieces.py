"""BEP 52 roots, against libtorrent's numbers, against the definition written out, and against liars."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from commons.core.dataset import pieces
from commons.core.dataset.pieces import BLOCK, PIECE, PieceTree
from commons.errors import Malformed, Untrue
from tests.rows import examples

VECTORS = json.loads((Path(__file__).parents[1] / "vectors" / "bep52.json").read_text())
MOST = max(vector["size"] for vector in VECTORS["good"])
DATA = b"".join([hashlib.sha256(b"commons/bep52/%d" % i).digest() for i in range(-(-MOST // 32))])


def tree(data: bytes, step: int = 1 << 20) -> PieceTree:
    hasher = pieces.Hasher()
    for start in range(0, len(data), step):
        hasher.update(data[start : start + step])
    return hasher.finish()


def root_by_definition(data: bytes) -> bytes:
    """All leaves of the file, padded with zeros to a power of two, and for a large file to whole pieces first."""
    leaves = [hashlib.sha256(data[i : i + BLOCK]).digest() for i in range(0, len(data), BLOCK)]
    while len(leaves) & (len(leaves) - 1):
        leaves.append(bytes(32))
    while len(leaves) > 1:
        leaves = [hashlib.sha256(leaves[i] + leaves[i + 1]).digest() for i in range(0, len(leaves), 2)]
    return leaves[0]


@pytest.mark.parametrize("vector", VECTORS["good"], ids=lambda vector: str(vector["size"]))
def test_libtorrent_finds_the_same_root_and_layer(vector: dict[str, Any]) -> None:
    size, root, layer = vector["size"], bytes.fromhex(vector["root"]), bytes.fromhex(vector["layer"])
    assert tree(DATA[:size]) == PieceTree(root=root, size=size, layer=layer)
    pieces.check_layer(root, size, layer)
    ranges = [pieces.piece_range(i, size) for i in range(pieces.piece_count(size))]
    assert b"".join(pieces.piece_hash(DATA[start:end], size) for start, end in ranges) == layer
    assert ranges[0][0] == 0
    assert ranges[-1][1] == size


@pytest.mark.parametrize("vector", VECTORS["bad"], ids=lambda vector: vector["name"])
def test_a_layer_that_lies_is_refused(vector: dict[str, Any]) -> None:
    with pytest.raises(Untrue):
        pieces.check_layer(bytes.fromhex(vector["root"]), vector["size"], bytes.fromhex(vector["layer"]))


@settings(deadline=None, max_examples=examples(40))
@given(st.integers(1, MOST))
def test_the_root_is_the_one_of_the_definition(size: int) -> None:
    assert tree(DATA[:size]).root == root_by_definition(DATA[:size])


@settings(deadline=None, max_examples=examples(40))
@given(st.integers(1, 2 * PIECE + 5), st.lists(st.integers(0, PIECE), max_size=12))
def test_where_the_bytes_are_cut_does_not_matter(size: int, cuts: list[int]) -> None:
    hasher, at = pieces.Hasher(), 0
    for cut in cuts:
        hasher.update(memoryview(DATA)[at : min(at + cut, size)])
        at = min(at + cut, size)
    hasher.update(DATA[at:size])
    assert hasher.finish() == tree(DATA[:size])


def test_one_bit_anywhere_changes_the_root() -> None:
    data = bytearray(DATA[: PIECE + 3 * BLOCK + 5])
    root = tree(bytes(data)).root
    for bit in [0, 7, 8 * BLOCK, 8 * PIECE, 8 * len(data) - 1]:
        data[bit // 8] ^= 1 << bit % 8
        assert tree(bytes(data)).root != root
        data[bit // 8] ^= 1 << bit % 8
    for other in (bytes(data[:-1]), bytes(data) + b"\0"):
        assert tree(other).root != root


def test_an_empty_file_has_no_root() -> None:
    with pytest.raises(Malformed):
        pieces.Hasher().finish()


@pytest.mark.parametrize(("index", "size"), [(-1, 5), (1, 5), (1, PIECE), (0, 0), (3, 3 * PIECE)])
def test_there_is_no_piece_beyond_the_end(index: int, size: int) -> None:
    with pytest.raises(Malformed):
        pieces.piece_range(index, size)


def test_a_layer_has_a_hash_for_each_piece_and_none_for_no_bytes() -> None:
    for size in (1, PIECE, PIECE + 1, 3 * PIECE):
        made = tree(DATA[:1] * size)
        pieces.check_layer(made.root, size, made.layer)
        for layer in (b"", made.layer[:-1], made.layer + b"x", made.layer + made.layer[-32:], made.layer[:-32]):
            with pytest.raises(Untrue, match="do not fit a file"):
                pieces.check_layer(made.root, size, layer)
    for root in (b"", bytes(32)):
        with pytest.raises(Untrue, match="do not add up"):
            pieces.check_layer(root, 0, b"")
