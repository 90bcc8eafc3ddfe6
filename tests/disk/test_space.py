"""Free space is looked at where it will be filled."""

from __future__ import annotations

import os
from pathlib import Path
from types import SimpleNamespace

import pytest

from commons.core.dataset.manifest import PackRef
from commons.disk import space
from commons.disk.packs import Partial, Store
from commons.errors import StorageFailed
from tests.disk.test_packs import DATA, TREE, kept, piece


def test_a_path_that_is_to_be_made_lies_on_the_disk_above_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[Path] = []
    monkeypatch.setattr(space, "free", lambda path: asked.append(path) or 10)
    space.check((tmp_path / "a/b/c", 10))
    assert asked == [tmp_path]


def test_needs_on_one_disk_are_added_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(space, "free", lambda path: 3 << 30)
    space.check((tmp_path / "one", 2 << 30), (tmp_path / "two", 1 << 30))
    with pytest.raises(StorageFailed, match=r"3\.8 GB are needed, and 3\.2 GB are free"):
        space.check((tmp_path / "one", 2 << 30), (tmp_path / "two", 3 << 29))


def test_needs_on_two_disks_are_not_added_up(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(space, "free", lambda path: 10)
    space.check((tmp_path, 10), (Path("/proc"), 10))


def test_nothing_needs_no_space(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(space, "free", lambda path: -1)
    space.check((tmp_path, 0))


def test_a_disk_that_does_not_tell_is_taken_to_have_enough(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "statvfs", lambda path: SimpleNamespace(f_bavail=0, f_frsize=4096, f_blocks=0))
    assert space.free(tmp_path) is None
    space.check((tmp_path, 1 << 60))


def test_this_disk_tells_what_a_user_may_fill(tmp_path: Path) -> None:
    found = os.statvfs(tmp_path)
    free = space.free(tmp_path)
    assert free is not None
    assert 0 <= free <= found.f_blocks * found.f_frsize


def test_packs_that_are_here_or_begun_need_less(tmp_path: Path) -> None:
    store, ref = Store(tmp_path), PackRef(root=TREE.root, size=TREE.size)
    other = PackRef(root=bytes(32), size=1 << 50)
    assert store.lacking([ref, other]) == TREE.size + (1 << 50)
    partial = Partial(store, TREE.root, TREE.size, TREE.layer)
    assert store.lacking([ref]) == TREE.size  # a hole is no byte
    partial.write(0, piece(0))
    partial.close()
    assert store.lacking([ref]) < TREE.size
    kept(store, DATA)
    assert store.lacking([ref]) == 0
