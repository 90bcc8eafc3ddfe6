"""The tree of a log: hashes of entries in, roots and proofs out. Knows nothing of entries, signatures or storage.

RFC 6962 section 2.1 and RFC 9162 section 2.1. `prove_…` and `check_…` are the pairs; a check returns, or raises Untrue.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Sequence
from itertools import repeat

from commons.errors import Malformed, Untrue

Reader = Callable[
    [int, int], bytes
]  # (level, position): the hash over leaves [position << level, position + 1 << level)

PROOF = 64 * 32  # bytes of a consistency proof, at most
EMPTY = hashlib.sha256(b"").digest()  # the root of a log without entries

_sha256 = hashlib.sha256


def leaf(data: bytes) -> bytes:
    """The hash (32 bytes) of one entry."""
    return _sha256(b"\0" + data).digest()


def node(left: bytes, right: bytes) -> bytes:
    """The hash (32 bytes) of an inner node with these two children."""
    return _sha256(b"\1" + left + right).digest()


def root(size: int, read: Reader) -> bytes:
    """The root (32 bytes) of the first `size` entries; at most log2(size) + 1 reads."""
    return edge_root(read_edge(size, read))


def read_edge(size: int, read: Reader) -> tuple[bytes, ...]:
    """The hashes of the complete subtrees that make up a tree of `size` entries, the largest and leftmost first."""
    return tuple(read(level, position) for level, position in _subtrees(0, size))


def edge_root(edge: Sequence[bytes]) -> bytes:
    """The root of the tree with this right edge (see `read_edge`); EMPTY if there is none."""
    if not edge:
        return EMPTY
    top = edge[-1]
    for left in edge[-2::-1]:
        top = node(left, top)
    return top


def root_of(leaves: Sequence[bytes]) -> bytes:
    """The root of a tree of these leaves (hashes made by `leaf`), and of nothing else."""
    return edge_root(grow(0, (), leaves)[1])


def grow(
    size: int, edge: Sequence[bytes], leaves: Sequence[bytes]
) -> tuple[list[tuple[int, int, bytes]], tuple[bytes, ...]]:
    """The nodes that become complete when `leaves` (hashes made by `leaf`) are appended to a tree of `size` entries
    with this right `edge`, and the new edge; without a read.

    The nodes are (level, position, hash), the leaves among them, level by level from the left. One node hash per leaf,
    give or take the edge.
    """
    if size < 0 or len(edge) != size.bit_count():
        raise ValueError(f"a tree of {size} entries has no edge of {len(edge)} hashes")
    waiting = list(edge)
    done: list[tuple[int, int, bytes]] = []
    left_over: list[bytes] = []
    row, start, level = list(leaves), size, 0
    while row or start:
        done += zip(repeat(level), range(start, start + len(row)), row)
        if start & 1:
            row.insert(0, waiting.pop())
        if len(row) & 1:
            left_over.append(row.pop())
        pairs = iter(row)
        row = [_sha256(b"\1" + left + right).digest() for left, right in zip(pairs, pairs, strict=True)]
        start >>= 1
        level += 1
    return done, tuple(reversed(left_over))


def prove_inclusion(index: int, size: int, read: Reader) -> tuple[bytes, ...]:
    """The proof that entry `index` is in the tree of `size` entries: its siblings, the leaf's first (RFC 9162
    2.1.3)."""
    if not 0 <= index < size:
        raise ValueError(f"no entry {index} in a tree of {size}")
    low, high, proof = 0, size, []
    while high - low > 1:
        middle = low + _split(high - low)
        if index < middle:
            proof.append(_range(middle, high, read))
            high = middle
        else:
            proof.append(_range(low, middle, read))
            low = middle
    return tuple(reversed(proof))


def prove_consistency(old: int, new: int, read: Reader) -> tuple[bytes, ...]:
    """The proof that the tree of `new` entries begins with the tree of `old` (RFC 9162 2.1.4). Empty from 0, and if
    equal."""
    if not 0 <= old <= new:
        raise ValueError(f"a tree of {new} entries does not begin with one of {old}")
    if old == 0:
        return ()
    low, high, proof = 0, new, []
    while high != old:
        middle = low + _split(high - low)
        if old <= middle:
            proof.append(_range(middle, high, read))
            high = middle
        else:
            proof.append(_range(low, middle, read))
            low = middle
    if low:  # otherwise the remaining subtree is the old tree itself, and its root is known to whoever checks
        proof.append(_range(low, high, read))
    return tuple(reversed(proof))


def hashes(data: bytes) -> tuple[bytes, ...]:
    """The hashes of a consistency proof as it is sent, 32 bytes each, one after another. Malformed."""
    if len(data) % 32 or len(data) > PROOF:
        raise Malformed("a consistency proof is at most 64 hashes of 32 bytes")
    return tuple(data[at : at + 32] for at in range(0, len(data), 32))


def check_inclusion(index: int, size: int, leaf_hash: bytes, root: bytes, proof: Sequence[bytes]) -> None:
    """Nothing; Untrue unless `proof` shows that entry `index` of the tree with `root` has `leaf_hash` (RFC 9162
    2.1.3.2)."""
    _check_hashes(leaf_hash, root, *proof)
    if not 0 <= index < size:
        raise Untrue(f"there is no entry {index} in a log of {size} entries")
    fn, sn, top = index, size - 1, leaf_hash
    for sibling in proof:
        if sn == 0:
            raise Untrue(f"the inclusion proof of entry {index} of {size} is too long")
        if fn & 1 or fn == sn:
            top = node(sibling, top)
            while fn and not fn & 1:
                fn, sn = fn >> 1, sn >> 1
        else:
            top = node(top, sibling)
        fn, sn = fn >> 1, sn >> 1
    if sn:
        raise Untrue(f"the inclusion proof of entry {index} of {size} is too short")
    if top != root:
        raise Untrue(f"the log's root of {size} entries does not hold this as entry {index}")


def check_consistency(old: int, new: int, old_root: bytes, new_root: bytes, proof: Sequence[bytes]) -> None:
    """Nothing; Untrue unless `proof` shows that the tree with `new_root` begins with that with `old_root` (RFC 9162
    2.1.4.2)."""
    _check_hashes(old_root, new_root, *proof)
    if not 0 <= old <= new:
        raise Untrue(f"a log of {new} entries cannot follow one of {old}")
    for size, claimed in ((old, old_root), (new, new_root)):
        if size == 0 and claimed != EMPTY:
            raise Untrue("the root of a log without entries is wrong")
    if old in (0, new):
        if proof:
            raise Untrue(f"the consistency proof from {old} to {new} is too long: it must be empty")
        if old == new and old_root != new_root:
            raise Untrue(f"two different roots at one size, {old}")
        return
    steps = list(proof) if old & (old - 1) else [old_root, *proof]
    if not steps:
        raise Untrue(f"the consistency proof from {old} to {new} is too short")
    fn, sn = old - 1, new - 1
    while fn & 1:
        fn, sn = fn >> 1, sn >> 1
    old_top = new_top = steps[0]
    for step in steps[1:]:
        if sn == 0:
            raise Untrue(f"the consistency proof from {old} to {new} is too long")
        if fn & 1 or fn == sn:
            old_top, new_top = node(step, old_top), node(step, new_top)
            while fn and not fn & 1:
                fn, sn = fn >> 1, sn >> 1
        else:
            new_top = node(new_top, step)
        fn, sn = fn >> 1, sn >> 1
    if sn:
        raise Untrue(f"the consistency proof from {old} to {new} is too short")
    if old_top != old_root or new_top != new_root:
        raise Untrue(f"the log's {new} entries do not begin with the {old} of the older root")


def _check_hashes(*hashes: bytes) -> None:
    if any(len(one) != 32 for one in hashes):
        raise Malformed("a hash is 32 bytes")


def _split(size: int) -> int:
    """The largest power of two below `size`, which is at least 2."""
    return 1 << ((size - 1).bit_length() - 1)


def _subtrees(low: int, high: int) -> Iterator[tuple[int, int]]:
    """(level, position) of the complete subtrees of leaves [low, high), where `low` is aligned for the largest."""
    while low < high:
        level = (high - low).bit_length() - 1
        yield level, low >> level
        low += 1 << level


def _range(low: int, high: int, read: Reader) -> bytes:
    return edge_root([read(level, position) for level, position in _subtrees(low, high)])
