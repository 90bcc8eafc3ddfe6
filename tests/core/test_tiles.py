"""Tiles and bundles: Go's paths and bytes, strict reading, and proofs out of files nobody vouches for."""

from __future__ import annotations

import base64
import contextlib
import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from commons import errors
from commons.core.tlog import merkle, tiles
from commons.core.tlog.tiles import Bundle, Tile
from commons.errors import CommonsError, Malformed, NotFound, TooLarge, Untrue

VECTORS = json.loads((Path(__file__).parents[1] / "vectors" / "tlog.json").read_text())
BAD = json.loads((Path(__file__).parents[1] / "vectors" / "tlog_bad.json").read_text())

SIZE = 70000
LEAVES = [merkle.leaf(b"entry %d" % i) for i in range(SIZE)]
NODES = {(level, position): value for level, position, value in merkle.grow(0, (), LEAVES)[0]}
ROOT = base64.b64decode(next(each["root"] for each in VECTORS["roots"] if each["size"] == SIZE))


def read(level: int, position: int) -> bytes:
    return NODES[level, position]


def entries(bundle: Bundle) -> list[bytes]:
    return [b"entry %d" % i for i in range(256 * bundle.index, 256 * bundle.index + bundle.width)]


def contents(named: Tile | Bundle) -> bytes:
    return tiles.tile_bytes(named, read) if isinstance(named, Tile) else tiles.bundle(entries(named))


def export(size: int) -> dict[str, bytes]:
    return {named.path: contents(named) for named in tiles.layout(size)}


class Shelf:
    """Files of a log, and a note of what was asked for."""

    def __init__(self, files: dict[str, bytes]) -> None:
        self.files, self.asked = files, []

    def fetch(self, path: str) -> bytes:
        self.asked.append(path)
        if path not in self.files:
            raise NotFound(path)
        return self.files[path]


def bad(kind: str) -> list[object]:
    return [pytest.param(each, id=each["name"].replace(" ", "-")) for each in BAD if each["kind"] == kind]


@pytest.mark.parametrize("path", VECTORS["paths"])
def test_go_prints_the_same_paths(path: str) -> None:
    assert tiles.parse(path).path == path


def test_a_path_tells_level_index_and_width() -> None:
    assert tiles.parse("tile/0/273.p/112") == Tile(level=0, index=273, width=112)
    assert tiles.parse("tile/entries/x001/x234/067") == Bundle(index=1234067)


def test_go_writes_the_same_tile_and_bundle() -> None:
    assert contents(Tile(level=0, index=0, width=7)).hex() == VECTORS["tile_0_000.p_7_hex"]
    data = bytes.fromhex(VECTORS["bundle_size7_hex"])
    assert contents(Bundle(index=0, width=7)) == data
    assert list(tiles.unbundle(data, 7)) == entries(Bundle(index=0, width=7))


def test_a_log_of_70000_has_the_files_the_specification_lists() -> None:
    paths = [named.path for named in tiles.layout(SIZE) if isinstance(named, Tile)]
    assert paths == [
        *(f"tile/0/{i:03d}" for i in range(273)), "tile/0/273.p/112", "tile/1/000", "tile/1/001.p/17", "tile/2/000.p/1",
    ]  # fmt: skip
    bundles = [named.path for named in tiles.layout(SIZE) if isinstance(named, Bundle)]
    assert bundles == [*(f"tile/entries/{i:03d}" for i in range(273)), "tile/entries/273.p/112"]


def test_a_log_of_256_has_full_tiles_and_none_that_is_empty() -> None:
    assert [named.path for named in tiles.layout(256)] == ["tile/entries/000", "tile/0/000", "tile/1/000.p/1"]
    assert list(tiles.layout(0)) == []
    assert [tiles.widest(0, i, 300) for i in range(3)] == [256, 44, 0]
    assert tiles.widest(63, 0, 300) == 0


@pytest.mark.parametrize("size", [1, 7, 255, 256, 257, 1000, 65535, 65536, 65537, SIZE])
def test_proofs_come_out_of_tiles_as_out_of_the_tree(size: int) -> None:
    shelf = Shelf({named.path: contents(named) for named in tiles.layout(size) if isinstance(named, Tile)})
    static = tiles.reader(size, shelf.fetch)
    root = merkle.root(size, read)
    assert merkle.root(size, static) == root
    for index in {0, 1, size // 3, size // 2, size - 1}:
        if index < size:
            assert merkle.prove_inclusion(index, size, static) == merkle.prove_inclusion(index, size, read)
            assert merkle.prove_consistency(index, size, static) == merkle.prove_consistency(index, size, read)
    assert len(shelf.asked) == len(set(shelf.asked))


def test_every_hash_of_a_small_log_is_found_in_a_tile() -> None:
    static = tiles.reader(1000, Shelf(export(1000)).fetch)
    for level in range(10):
        for position in range(1000 >> level):
            assert static(level, position) == read(level, position)
        with pytest.raises(ValueError):
            static(level, 1000 >> level)


def test_a_partial_tile_that_was_dropped_is_cut_out_of_the_full_one() -> None:
    shelf = Shelf(export(1024) | {"tile/1/000.p/3": contents(Tile(level=1, index=0, width=3))})
    static = tiles.reader(1000, shelf.fetch)
    assert merkle.root(1000, static) == merkle.root(1000, read)
    assert "tile/0/003.p/232" in shelf.asked
    assert list(tiles.read_entries(3, 1000, shelf.fetch)) == [b"entry %d" % i for i in range(768, 1000)]


def test_a_tile_that_is_nowhere_is_not_found() -> None:
    for path in ("tile/0/001", "tile/0/003.p/232"):
        files = export(1000)
        del files[path]
        with pytest.raises(NotFound):
            merkle.prove_inclusion(999 if "232" in path else 300, 1000, tiles.reader(1000, Shelf(files).fetch))
    with pytest.raises(NotFound):
        tiles.read_entries(0, 1000, Shelf({}).fetch)


@pytest.mark.parametrize("length", [0, 31, 8191, 8193])
def test_a_tile_of_another_length_is_malformed(length: int) -> None:
    static = tiles.reader(1000, lambda _: bytes(length))
    with pytest.raises(Malformed, match="bytes and not"):
        merkle.root(1000, static)


def test_a_tile_that_lies_makes_a_proof_that_does_not_verify() -> None:
    files = export(1000)
    files["tile/0/000"] = files["tile/0/000"][:-1] + b"!"
    proof = merkle.prove_inclusion(254, 1000, tiles.reader(1000, Shelf(files).fetch))
    with pytest.raises(Untrue):
        merkle.check_inclusion(254, 1000, LEAVES[254], merkle.root(1000, read), proof)


def test_the_entries_of_all_bundles_make_the_root() -> None:
    shelf = Shelf({named.path: contents(named) for named in tiles.layout(SIZE) if isinstance(named, Bundle)})
    size, edge = 0, ()
    for index in range(274):
        leaves = [merkle.leaf(entry) for entry in tiles.read_entries(index, SIZE, shelf.fetch)]
        _, edge = merkle.grow(size, edge, leaves)
        size += len(leaves)
    assert (size, merkle.edge_root(edge)) == (SIZE, ROOT)


def test_the_longest_entry_fits_and_one_byte_more_does_not() -> None:
    longest = b"x" * 65535
    assert tiles.unbundle(tiles.bundle([longest, b""]), 2) == (longest, b"")
    with pytest.raises(TooLarge, match="65536 bytes is over the limit of 65535"):
        tiles.bundle([longest + b"x"])


def test_a_tile_or_bundle_that_cannot_be_is_a_bug_of_ours() -> None:
    last = 2**63 - 1
    assert (Tile(level=63, index=last).index, Bundle(index=last).index) == (last, last)
    for level, index, width in ((64, 0, 1), (-1, 0, 1), (0, -1, 1), (0, 2**63, 1), (0, 0, 0), (0, 0, 257)):
        with pytest.raises(ValueError):
            Tile(level=level, index=index, width=width)
    for index in (-1, 2**63):
        with pytest.raises(ValueError):
            Bundle(index=index)
    for width in (0, 257):
        with pytest.raises(ValueError):
            Bundle(index=0, width=width)
        with pytest.raises(ValueError):
            tiles.bundle([b""] * width)


@pytest.mark.parametrize("vector", bad("path"))
def test_a_bad_path_is_refused(vector: dict[str, str]) -> None:
    with pytest.raises(getattr(errors, vector["error"]), match=vector["message"]):
        tiles.parse(vector["text"])


@pytest.mark.parametrize("vector", bad("bundle"))
def test_a_bad_bundle_is_refused(vector: dict[str, str]) -> None:
    with pytest.raises(getattr(errors, vector["error"]), match=vector["message"]):
        tiles.unbundle(bytes.fromhex(vector["hex"]), 7)


@given(st.integers(-1, 63), st.integers(0, 2**63 - 1), st.integers(1, 256))
def test_a_path_is_read_as_it_was_printed(level: int, index: int, width: int) -> None:
    named = Bundle(index=index, width=width) if level < 0 else Tile(level=level, index=index, width=width)
    assert tiles.parse(named.path) == named


PARTS = ["tile/", "entries/", "0", "1", "x", "/", "000", "x001/", "234", ".p/", "256", "७", "-", "\n"]


@given(st.one_of(st.text(st.characters()), st.lists(st.sampled_from(PARTS), max_size=12).map("".join)))
def test_no_path_from_outside_raises_anything_else(path: str) -> None:
    with contextlib.suppress(CommonsError):
        assert tiles.parse(path).path == path


@given(st.lists(st.binary(max_size=40), min_size=1, max_size=256))
def test_a_bundle_is_read_as_it_was_written(some: list[bytes]) -> None:
    assert list(tiles.unbundle(tiles.bundle(some), len(some))) == some


@given(st.binary(max_size=200), st.integers(1, 256))
def test_no_bundle_from_outside_raises_anything_else(data: bytes, width: int) -> None:
    with contextlib.suppress(CommonsError):
        assert tiles.bundle(tiles.unbundle(data, width)) == data


@given(st.data())
def test_no_changed_byte_of_a_bundle_passes_for_the_same_entries(data: st.DataObject) -> None:
    whole = bytes.fromhex(VECTORS["bundle_size7_hex"])
    at, by = data.draw(st.integers(0, len(whole) - 1)), data.draw(st.integers(1, 255))
    touched = whole[:at] + bytes([whole[at] ^ by]) + whole[at + 1 :]
    try:
        got = tiles.unbundle(touched, 7)
    except CommonsError:
        return
    assert tiles.bundle(got) == touched
    _, edge = merkle.grow(0, (), [merkle.leaf(entry) for entry in got])
    assert merkle.edge_root(edge) != merkle.root(7, read)
