"""A name that is taken stays who has it."""

from __future__ import annotations

import ctypes
import errno
import os
from pathlib import Path
from typing import Any

import pytest

from commons.disk import naming

WAYS = ("link", "renameat2", "look")


@pytest.fixture(params=WAYS)
def way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: Any, **__: Any) -> None:
        raise OSError(errno.EPERM, "Operation not permitted")

    if request.param != "link":
        monkeypatch.setattr(os, "link", refuse)
    if request.param == "look":
        monkeypatch.setattr(ctypes, "CDLL", lambda *_, **__: object())


def test_a_free_name_is_given(tmp_path: Path, way: None) -> None:
    (tmp_path / "new").write_text("new")
    naming.give(str(tmp_path / "new"), str(tmp_path / "name"))
    assert {p.name: p.read_text() for p in tmp_path.iterdir()} == {"name": "new"}


def test_a_name_below_a_descriptor_is_given(tmp_path: Path, way: None) -> None:
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
    (tmp_path / "one/new").write_text("new")
    one, two = (os.open(tmp_path / name, os.O_RDONLY) for name in ("one", "two"))
    naming.give("new", "näme", one, two)
    os.close(one)
    os.close(two)
    assert (tmp_path / "two/näme").read_text() == "new"
    assert not (tmp_path / "one/new").exists()


@pytest.mark.parametrize("what", ["file", "folder", "link", "dangling"])
def test_a_taken_name_stays_whose_it_is(tmp_path: Path, way: None, what: str) -> None:
    name = tmp_path / "name"
    (tmp_path / "new").write_text("new")
    (tmp_path / "other").write_text("other")
    if what == "file":
        name.write_text("mine")
    elif what == "folder":
        name.mkdir()
    else:
        name.symlink_to(tmp_path / ("other" if what == "link" else "gone"))
    before = os.lstat(name)
    with pytest.raises(FileExistsError):
        naming.give(str(tmp_path / "new"), str(name))
    assert os.lstat(name) == before
    assert (tmp_path / "new").read_text() == "new"
    assert (tmp_path / "other").read_text() == "other"


def test_what_is_not_there_gets_no_name(tmp_path: Path, way: None) -> None:
    with pytest.raises(FileNotFoundError):
        naming.give(str(tmp_path / "new"), str(tmp_path / "name"))
