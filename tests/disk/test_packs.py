"""The store and the partial file: what disks refuse, what crashes leave, what liars send."""

from __future__ import annotations

import errno
import os
import random
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from commons.core.dataset import pieces
from commons.core.dataset.pieces import PIECE, PieceTree
from commons.disk.packs import Partial, Store
from commons.errors import Busy, Conflict, Malformed, NotFound, StorageFailed, Untrue
from tests.rows import examples

DATA = random.Random(7).randbytes(4 * PIECE + 12_345)
HERE = Path(__file__).parents[2]


def tree_of(data: bytes) -> PieceTree:
    hasher = pieces.Hasher()
    hasher.update(data)
    return hasher.finish()


TREE = tree_of(DATA)
SMALL = tree_of(DATA[:100])


def piece(index: int, data: bytes = DATA) -> bytes:
    start, end = pieces.piece_range(index, len(data))
    return data[start:end]


def kept(store: Store, data: bytes) -> bytes:
    temp = store.temp()
    temp.write_bytes(data)
    tree = tree_of(data)
    store.adopt(temp, tree)
    return tree.root


def names(tmp_path: Path) -> set[str]:
    return {path.name.removeprefix(TREE.root.hex()) for path in tmp_path.iterdir()}


@pytest.mark.parametrize("size", [1, 100, PIECE, PIECE + 1, len(DATA)])
def test_a_pack_is_kept_under_its_root(tmp_path: Path, size: int) -> None:
    store, data = Store(tmp_path / "new/store"), DATA[:size]
    tree = tree_of(data)
    assert not store.has(tree.root)
    root = kept(store, data)
    assert store.has(root)
    assert store.path(root).read_bytes() == data
    assert store.size(root) == size
    assert store.layer(root) == tree.layer
    assert kept(store, data) == root  # once more
    fd = store.open(root)
    assert os.pread(fd, 9, 0) == data[:9]
    os.close(fd)
    store.remove(root)
    store.remove(root)
    assert list((tmp_path / "new/store").iterdir()) == []


def test_what_is_not_kept_is_not_found(tmp_path: Path) -> None:
    store = Store(tmp_path)
    for ask in (store.size, store.layer, store.open):
        with pytest.raises(NotFound):
            ask(TREE.root)


def test_a_layer_the_disk_changed_is_not_handed_out(tmp_path: Path) -> None:
    store = Store(tmp_path)
    path = tmp_path / f"{kept(store, DATA).hex()}.layer"
    path.write_bytes(bytes(32) + path.read_bytes()[32:])
    with pytest.raises(Untrue):
        store.layer(TREE.root)


def test_clean_sweeps_out_what_crashes_leave_and_nothing_else(tmp_path: Path) -> None:
    store = Store(tmp_path)
    kept(store, DATA)
    partial = Partial(store, SMALL.root, SMALL.size, SMALL.layer)
    partial.close()
    before = names(tmp_path)
    store.temp().write_bytes(b"half")
    (tmp_path / f"{bytes(32).hex()}.layer").write_bytes(b"x")
    store.clean()
    assert names(tmp_path) == before


class Failing:
    """`os.NAME`, which fails from call `at` on, after doing its work or without."""

    def __init__(self, patch: pytest.MonkeyPatch, name: str, number: int, at: int, persisted: bool) -> None:
        self.calls, real = 0, getattr(os, name)

        def call(*args: Any, **more: Any) -> Any:
            self.calls += 1
            if self.calls <= at:
                return real(*args, **more)
            if persisted:
                real(*args, **more)
            raise OSError(number, os.strerror(number))

        patch.setattr(os, name, call)


WORDS = {errno.ENOSPC: "disk full", errno.EROFS: "read-only", errno.EIO: "reports an error"}


@pytest.mark.parametrize("persisted", [False, True], ids=["not-persisted", "persisted"])
@pytest.mark.parametrize("at", [0, 1, 2, 3])
@pytest.mark.parametrize("number", list(WORDS), ids=errno.errorcode.get)
def test_a_sync_that_fails_keeps_all_or_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int, at: int, persisted: bool
) -> None:
    store = Store(tmp_path)
    temp = store.temp()
    temp.write_bytes(DATA)
    with monkeypatch.context() as patch:
        Failing(patch, "fsync", number, at, persisted)
        with pytest.raises(StorageFailed, match=WORDS[number]):
            store.adopt(temp, TREE)
    if at == 0:
        assert not temp.exists()  # its pages may be gone: it is not tried again
    if store.has(TREE.root):
        assert store.path(TREE.root).read_bytes() == DATA
        assert store.layer(TREE.root) == TREE.layer
    store.clean()
    assert names(tmp_path) in (set(), {"", ".layer"})
    kept(store, DATA)


@pytest.mark.parametrize("persisted", [False, True], ids=["not-persisted", "persisted"])
@pytest.mark.parametrize("name", ["pwrite", "rename"])
def test_a_layer_that_cannot_be_written_keeps_no_pack(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, persisted: bool
) -> None:
    store = Store(tmp_path)
    temp = store.temp()
    temp.write_bytes(DATA)
    with monkeypatch.context() as patch:
        Failing(patch, name, errno.ENOSPC, 0, persisted)
        with pytest.raises(StorageFailed, match="disk full") as caught:
            store.adopt(temp, TREE)
    assert "free some space" in caught.value.hint
    assert not store.has(TREE.root)
    store.adopt(temp, TREE)
    assert names(tmp_path) == {"", ".layer"}


def fetching(store: Store, data: bytes = DATA) -> Partial:
    tree = tree_of(data)
    return Partial(store, tree.root, tree.size, tree.layer)


@settings(deadline=None, max_examples=examples(25))
@given(st.integers(1, len(DATA)), st.randoms(use_true_random=False))
def test_pieces_come_in_any_order_over_any_number_of_lives(
    tmp_path_factory: pytest.TempPathFactory, size: int, chance: random.Random
) -> None:
    store, data = Store(tmp_path_factory.mktemp("store")), DATA[:size]
    order = list(range(pieces.piece_count(size)))
    chance.shuffle(order)
    partial = fetching(store, data)
    for count, index in enumerate(order):
        assert partial.missing() == tuple(sorted(order[count:]))
        with pytest.raises(Conflict):
            partial.finish()
        partial.write(index, piece(index, data))
        if chance.random() < 0.5:
            partial.close()
            partial = fetching(store, data)
    assert partial.missing() == ()
    assert partial.finish().read_bytes() == data
    assert store.layer(tree_of(data).root) == tree_of(data).layer


@pytest.mark.parametrize(
    "lie",
    [
        lambda data: data[:-1],
        lambda data: data + b"\0",
        lambda data: b"",
        lambda data: piece(2),
        lambda data: bytes([data[0] ^ 1]) + data[1:],
        lambda data: data[:-1] + bytes([data[-1] ^ 128]),
    ],
    ids=["short", "long", "nothing", "another-piece", "first-bit", "last-bit"],
)
def test_a_piece_that_lies_is_refused_and_not_written(tmp_path: Path, lie: Callable[[bytes], bytes]) -> None:
    store = Store(tmp_path)
    partial = fetching(store)
    with pytest.raises(Untrue):
        partial.write(1, lie(piece(1)))
    with pytest.raises(Malformed):
        partial.write(5, piece(1))
    assert partial.missing() == (0, 1, 2, 3, 4)
    assert not any(store.part(TREE.root).read_bytes())
    partial.close()


def test_a_layer_that_lies_starts_nothing(tmp_path: Path) -> None:
    with pytest.raises(Untrue):
        Partial(Store(tmp_path), TREE.root, TREE.size, TREE.layer[32:] + TREE.layer[:32])
    assert list(tmp_path.iterdir()) == []


def test_what_the_disk_changed_is_missing_again(tmp_path: Path) -> None:
    store = Store(tmp_path)
    partial = fetching(store)
    for index in (0, 1, 4):
        partial.write(index, piece(index))
    partial.close()
    with open(store.part(TREE.root), "r+b") as file:
        file.seek(PIECE + 77)
        file.write(b"?")
    again = fetching(store)
    assert again.missing() == (1, 2, 3)
    again.close()
    store.part(TREE.root).write_bytes(DATA + b"more")
    again = fetching(store)
    assert again.missing() == ()
    assert again.finish().read_bytes() == DATA


def test_two_do_not_fetch_into_one_file(tmp_path: Path) -> None:
    first = fetching(Store(tmp_path))
    with pytest.raises(Busy):
        fetching(Store(tmp_path))
    first.close()
    first.close()
    fetching(Store(tmp_path)).close()


def test_a_link_in_the_place_of_the_partial_file_is_not_followed(tmp_path: Path) -> None:
    store = Store(tmp_path / "store")
    (tmp_path / "victim").write_bytes(b"mine")
    store.part(TREE.root).symlink_to(tmp_path / "victim")
    with pytest.raises(StorageFailed):
        fetching(store)
    assert (tmp_path / "victim").read_bytes() == b"mine"


def test_threads_write_side_by_side(tmp_path: Path) -> None:
    partial = fetching(Store(tmp_path))
    threads = [threading.Thread(target=partial.write, args=(i, piece(i))) for i in range(5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert partial.finish().read_bytes() == DATA


@pytest.mark.parametrize("persisted", [False, True], ids=["not-persisted", "persisted"])
@pytest.mark.parametrize("number", list(WORDS), ids=errno.errorcode.get)
def test_a_piece_the_disk_refuses_is_still_missing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int, persisted: bool
) -> None:
    store = Store(tmp_path)
    partial = fetching(store)
    partial.write(0, piece(0))
    with monkeypatch.context() as patch:
        Failing(patch, "pwrite", number, 0, persisted)
        with pytest.raises(StorageFailed, match=WORDS[number]):
            partial.write(1, piece(1))
    assert partial.missing() == (1, 2, 3, 4)
    for index in partial.missing():
        partial.write(index, piece(index))
    assert partial.finish().read_bytes() == DATA


def test_a_disk_that_takes_a_piece_in_parts_gets_all_of_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = os.pwrite
    monkeypatch.setattr(os, "pwrite", lambda fd, data, at: real(fd, data[:100_000], at))
    partial = fetching(Store(tmp_path))
    for index in range(5):
        partial.write(index, piece(index))
    assert partial.finish().read_bytes() == DATA


def test_a_disk_that_cannot_tell_holes_is_read_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = Store(tmp_path)
    partial = fetching(store)
    partial.write(3, piece(3))
    partial.close()

    def refuse(fd: int, at: int, how: int) -> int:
        raise OSError(errno.EINVAL, "Invalid argument")

    monkeypatch.setattr(os, "lseek", refuse)
    partial = fetching(store)
    assert partial.missing() == (0, 1, 2, 4)
    partial.close()


def test_a_killed_fetch_goes_on_where_it_was(tmp_path: Path) -> None:
    (tmp_path / "data").write_bytes(DATA)
    script = """
import sys, time
from pathlib import Path
from commons.core.dataset import pieces
from commons.disk.packs import Partial, Store
place = Path(sys.argv[1])
data = (place / "data").read_bytes()
hasher = pieces.Hasher(); hasher.update(data); tree = hasher.finish()
partial = Partial(Store(place / "store"), tree.root, tree.size, tree.layer)
for index in (4, 1, 2):
    start, end = pieces.piece_range(index, len(data))
    partial.write(index, data[start:end])
print("written", flush=True)
time.sleep(60)
"""
    child = subprocess.Popen([sys.executable, "-c", script, str(tmp_path)], stdout=subprocess.PIPE, cwd=HERE)
    assert child.stdout is not None
    assert child.stdout.readline() == b"written\n"
    child.send_signal(signal.SIGKILL)
    child.communicate()
    store = Store(tmp_path / "store")
    store.clean()
    partial = fetching(store)
    assert partial.missing() == (0, 3)
    for index in (0, 3):
        partial.write(index, piece(index))
    assert partial.finish().read_bytes() == DATA
