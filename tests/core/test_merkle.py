"""The tree, against the recursive definitions of RFC 6962, against Go's numbers, and against liars."""

from __future__ import annotations

import base64
import json
from functools import cache
from pathlib import Path

import pymerkle
import pytest
from hypothesis import given
from hypothesis import strategies as st

from commons import errors
from commons.core.tlog import merkle
from commons.errors import CommonsError, Malformed, Untrue

VECTORS = json.loads((Path(__file__).parents[1] / "vectors" / "tlog.json").read_text())
BAD = json.loads((Path(__file__).parents[1] / "vectors" / "tlog_bad.json").read_text())
MOST = 80

un64 = base64.b64decode


def entry(index: int) -> bytes:
    return b"entry %d" % index


@cache
def mth(low: int, high: int) -> bytes:
    """RFC 6962 2.1: MTH(D[low:high]), as written there."""
    if high - low < 2:
        return merkle.leaf(entry(low)) if high > low else merkle.EMPTY
    middle = low + split(high - low)
    return merkle.node(mth(low, middle), mth(middle, high))


def split(size: int) -> int:
    k = 1
    while k * 2 < size:
        k *= 2
    return k


def path(m: int, low: int, high: int) -> list[bytes]:
    """RFC 6962 2.1.1: PATH(m, D[low:high])."""
    if high - low == 1:
        return []
    k = split(high - low)
    if m < k:
        return [*path(m, low, low + k), mth(low + k, high)]
    return [*path(m - k, low + k, high), mth(low, low + k)]


def subproof(m: int, low: int, high: int, whole: bool) -> list[bytes]:
    """RFC 6962 2.1.2: SUBPROOF(m, D[low:high], b)."""
    if m == high - low:
        return [] if whole else [mth(low, high)]
    k = split(high - low)
    if m <= k:
        return [*subproof(m, low, low + k, whole), mth(low + k, high)]
    return [*subproof(m - k, low + k, high, False), mth(low, low + k)]


def read(level: int, position: int) -> bytes:
    return mth(position << level, (position + 1) << level)


def grown(size: int, batch: int) -> tuple[dict[tuple[int, int], bytes], tuple[bytes, ...]]:
    nodes: dict[tuple[int, int], bytes] = {}
    edge: tuple[bytes, ...] = ()
    for start in range(0, size, batch):
        leaves = [merkle.leaf(entry(i)) for i in range(start, min(start + batch, size))]
        new, edge = merkle.grow(start, edge, leaves)
        for level, position, value in new:
            assert (level, position) not in nodes
            nodes[level, position] = value
    return nodes, edge


NODES, _ = grown(1000, 1000)


def stored(level: int, position: int) -> bytes:
    return NODES[level, position]


def flipped(value: bytes, bit: int = 0) -> bytes:
    return bytes([value[0] ^ 1 << bit, *value[1:]])


def test_go_computed_the_same_roots() -> None:
    sizes = {each["size"]: un64(each["root"]) for each in VECTORS["roots"]}
    edge: tuple[bytes, ...] = ()
    at = 0
    for size, root in sorted(sizes.items()):
        _, edge = merkle.grow(at, edge, [merkle.leaf(entry(i)) for i in range(at, size)])
        at = size
        assert merkle.edge_root(edge) == root
        if size <= 1000:
            assert merkle.root(size, stored) == root
    assert at == 70000


@pytest.mark.parametrize("vector", VECTORS["inclusion"], ids=lambda v: f"{v['index']}-of-{v['size']}")
def test_go_computed_the_same_inclusion_proofs(vector: dict[str, object]) -> None:
    index, size, leaf = vector["index"], vector["size"], un64(vector["leaf_hash"])
    proof = tuple(map(un64, vector["proof"]))
    assert leaf == merkle.leaf(entry(index))
    assert merkle.prove_inclusion(index, size, stored) == proof
    merkle.check_inclusion(index, size, leaf, merkle.root(size, stored), proof)


@pytest.mark.parametrize("vector", VECTORS["consistency"], ids=lambda v: f"{v['old']}-to-{v['new']}")
def test_go_computed_the_same_consistency_proofs(vector: dict[str, object]) -> None:
    old, new = vector["old"], vector["new"]
    proof = tuple(map(un64, vector["proof"]))
    assert merkle.prove_consistency(old, new, stored) == proof
    merkle.check_consistency(old, new, merkle.root(old, stored), merkle.root(new, stored), proof)


def test_every_root_of_a_small_tree_is_that_of_the_rfc() -> None:
    for size in range(MOST + 1):
        assert merkle.root(size, read) == mth(0, size)


def test_every_entry_of_every_small_tree_is_proved_and_no_other() -> None:
    for size in range(1, MOST + 1):
        root = mth(0, size)
        for index in range(size):
            proof = merkle.prove_inclusion(index, size, read)
            assert list(proof) == path(index, 0, size)
            merkle.check_inclusion(index, size, read(0, index), root, proof)
            for other in (index - 1, index + 1, index ^ 1):
                with pytest.raises(Untrue):
                    merkle.check_inclusion(other, size, read(0, index), root, proof)


def test_every_small_tree_is_proved_to_begin_with_every_smaller_one() -> None:
    for new in range(MOST + 1):
        for old in range(new + 1):
            proof = merkle.prove_consistency(old, new, read)
            assert list(proof) == (subproof(old, 0, new, True) if old else [])
            merkle.check_consistency(old, new, mth(0, old), mth(0, new), proof)
            if 0 < old < new:
                with pytest.raises(Untrue):
                    merkle.check_consistency(old, new, flipped(mth(0, old)), mth(0, new), proof)
                with pytest.raises(Untrue):
                    merkle.check_consistency(old, new, mth(0, old), flipped(mth(0, new)), proof)


def test_an_inclusion_proof_that_was_touched_is_refused() -> None:
    for size in range(1, 40):
        root = mth(0, size)
        for index in range(size):
            leaf, proof = read(0, index), list(path(index, 0, size))
            for lie in touched(proof):
                with pytest.raises(Untrue):
                    merkle.check_inclusion(index, size, leaf, root, lie)
            with pytest.raises(Untrue):
                merkle.check_inclusion(index, size, flipped(leaf), root, proof)


def test_a_consistency_proof_that_was_touched_is_refused() -> None:
    for new in range(1, 40):
        for old in range(1, new + 1):
            for lie in touched(subproof(old, 0, new, True)):
                with pytest.raises(Untrue):
                    merkle.check_consistency(old, new, mth(0, old), mth(0, new), lie)


def bad(kind: str) -> list[object]:
    return [pytest.param(each, id=each["name"].replace(" ", "-")) for each in BAD if each["kind"] == kind]


@pytest.mark.parametrize("vector", bad("inclusion"))
def test_a_bad_inclusion_proof_is_refused(vector: dict[str, object]) -> None:
    leaf, root, proof = un64(vector["leaf_hash"]), un64(vector["root"]), [un64(each) for each in vector["proof"]]
    with pytest.raises(getattr(errors, vector["error"]), match=vector["message"]):
        merkle.check_inclusion(vector["index"], vector["size"], leaf, root, proof)


@pytest.mark.parametrize("vector", bad("consistency"))
def test_a_bad_consistency_proof_is_refused(vector: dict[str, object]) -> None:
    old, new, proof = un64(vector["old_root"]), un64(vector["new_root"]), [un64(each) for each in vector["proof"]]
    with pytest.raises(getattr(errors, vector["error"]), match=vector["message"]):
        merkle.check_consistency(vector["old"], vector["new"], old, new, proof)


def touched(proof: list[bytes]) -> list[list[bytes]]:
    lies = [[*proof, mth(0, 1)], [mth(0, 1), *proof], [*proof, *proof[-1:]]]
    lies += [proof[:i] + proof[i + 1 :] for i in range(len(proof))]
    lies += [[*proof[:i], flipped(proof[i]), *proof[i + 1 :]] for i in range(len(proof))]
    if len(proof) > 1:
        lies.append(proof[::-1])
    return [lie for lie in lies if lie != proof]


@pytest.mark.parametrize("batch", [1, 2, 3, 7, 64, 100, 257])
def test_a_tree_grows_the_same_in_batches_of_any_size(batch: int) -> None:
    nodes, edge = grown(300, batch)
    assert nodes == grown(300, 300)[0]
    assert nodes.keys() == {(level, i) for level in range(9) for i in range(300 >> level)}
    assert edge == merkle.read_edge(300, stored)
    assert merkle.edge_root(edge) == mth(0, 300)


@given(st.integers(0, 300), st.integers(0, 300))
def test_what_grows_is_what_the_definition_says(size: int, more: int) -> None:
    leaves = [read(0, i) for i in range(size, size + more)]
    new, edge = merkle.grow(size, merkle.read_edge(size, stored), leaves)
    assert edge == merkle.read_edge(size + more, stored)
    assert {(level, position): value for level, position, value in new} == {
        at: value for at, value in NODES.items() if size < (at[1] + 1) << at[0] <= size + more
    }


def test_an_edge_of_another_size_is_a_bug_of_ours() -> None:
    with pytest.raises(ValueError):
        merkle.grow(3, (merkle.EMPTY,), [])
    with pytest.raises(ValueError):
        merkle.prove_inclusion(3, 3, read)
    with pytest.raises(ValueError):
        merkle.prove_consistency(4, 3, read)
    with pytest.raises(ValueError, match="no edge"):
        merkle.grow(-1, (merkle.EMPTY,), [])


def test_sizes_and_indexes_from_outside_that_make_no_sense_are_untrue() -> None:
    one = mth(0, 1)
    for index, size in ((0, 0), (1, 1), (-1, 1), (5, -1)):
        with pytest.raises(Untrue):
            merkle.check_inclusion(index, size, one, one, ())
    for old, new in ((2, 1), (-1, 1), (-2, -1)):
        with pytest.raises(Untrue):
            merkle.check_consistency(old, new, one, one, ())


def test_an_empty_log_has_one_root_and_every_log_begins_with_it() -> None:
    merkle.check_consistency(0, 7, merkle.EMPTY, mth(0, 7), ())
    merkle.check_consistency(0, 0, merkle.EMPTY, merkle.EMPTY, ())
    with pytest.raises(Untrue, match="without entries"):
        merkle.check_consistency(0, 7, mth(0, 1), mth(0, 7), ())
    with pytest.raises(Untrue, match="must be empty"):
        merkle.check_consistency(0, 7, merkle.EMPTY, mth(0, 7), (mth(0, 1),))


def test_two_roots_at_one_size_are_told_apart() -> None:
    with pytest.raises(Untrue, match="two different roots"):
        merkle.check_consistency(7, 7, mth(0, 7), mth(0, 6), ())


def test_a_hash_of_another_length_is_malformed() -> None:
    with pytest.raises(Malformed):
        merkle.check_inclusion(0, 2, mth(0, 1), mth(0, 2), (mth(1, 2)[:31],))
    with pytest.raises(Malformed):
        merkle.check_consistency(1, 2, mth(0, 1) + b"\0", mth(0, 2), (mth(1, 2),))


@given(st.integers(-2, 2**70), st.integers(-2, 2**70), st.lists(st.binary(min_size=31, max_size=33), max_size=70))
def test_no_proof_from_outside_raises_anything_else(a: int, b: int, proof: list[bytes]) -> None:
    for check in (merkle.check_inclusion, merkle.check_consistency):
        try:
            check(a, b, mth(0, 1), mth(0, 2), proof)
        except CommonsError:
            continue
        assert (a, b, proof) in [(0, 2, [mth(1, 2)]), (1, 2, [mth(1, 2)])]


def test_another_implementation_finds_the_same_roots_and_proofs() -> None:
    tree = pymerkle.InmemoryTree(algorithm="sha256")
    for size in range(1, MOST + 1):
        tree.append_entry(entry(size - 1))
        assert tree.get_state() == mth(0, size)
        assert tree.prove_inclusion(size, size).path[1:] == list(merkle.prove_inclusion(size - 1, size, read))


@given(st.integers(-2, 9), st.integers(-2, 9))
def test_no_tree_begins_with_a_larger_one(old: int, new: int) -> None:
    """Whoever asks for such a proof has made a mistake, and reads no hash."""
    nodes, _ = merkle.grow(0, (), [merkle.leaf(bytes([n])) for n in range(9)])
    tree = {(level, position): value for level, position, value in nodes}
    if 0 <= old <= new:
        assert isinstance(merkle.prove_consistency(old, new, lambda level, at: tree[level, at]), tuple)
    else:
        with pytest.raises(ValueError, match="does not begin with one"):
            merkle.prove_consistency(old, new, lambda level, at: tree[level, at])
