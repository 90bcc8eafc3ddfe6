"""File names: what may be written to any disk, and what may not, each with its reason."""

from __future__ import annotations

import unicodedata
from pathlib import PurePosixPath, PureWindowsPath

import pytest
from hypothesis import given
from hypothesis import strategies as st

from commons.core import names
from commons.errors import Malformed

FINE = [
    "a", "a/b/c.csv", ".hidden", "a b", "données/été.csv", "数据/文件.parquet", "-rf", "~", "nullable.txt", "com10",
    "console",
    "a..b", "...a", "x/COMET", "👩‍👩‍👧.png", "a" * 255, "é" * 127, "/".join(["a" * 100] * 10), "%41",
    "a#b", "$(x)", "a;b",
]  # fmt: skip

WRONG = [
    ("", "part ''"), ("/etc/passwd", "not relative"), ("a//b", "part ''"), ("a/", "part ''"), (".", "part '.'"),
    ("..", "part '..'"), ("a/../b", "part '..'"), ("./a", "part '.'"), ("a/..", "part '..'"),
    ("a\\b", "forbid"), ("..\\a", "forbid"), ("c:a", "forbid"), ("a:stream", "forbid"), ('a"b', "forbid"),
    ("a?", "forbid"), ("a*", "forbid"), ("a<b", "forbid"), ("a>b", "forbid"), ("a|b", "forbid"),
    ("a\0b", "control"), ("a\nb", "control"), ("\x1b[2J", "control"), ("a\x7f", "control"), ("a\x85", "control"),
    ("a\u2028b", "control"), ("photo\u202egpj.exe", "direction"), ("a\u2066b", "direction"),
    ("a.", "ends in '.'"), ("a /b", "ends in ' '"), ("a/b.", "ends in '.'"), ("a...", "ends in '.'"),
    ("CON", "device"), ("con", "device"), ("a/NUL.txt", "device"), ("nul .txt", "device"), ("COM1", "device"),
    ("com¹.log", "device"), ("LPT9/x", "device"), ("lpt³", "device"), ("Aux.tar.gz", "device"), ("CONIN$", "device"),
    ("e\u0301", "NFC"), ("\u212b", "NFC"), ("\ud800", "Unicode"), ("a\udcff", "Unicode"),
    ("a" * 256, "255"), ("é" * 128, "255"), ("/".join(["a" * 100] * 11), "1024"),
]  # fmt: skip


@pytest.mark.parametrize("path", FINE)
def test_an_ordinary_name_is_itself(path: str) -> None:
    assert names.check(path) == path


@pytest.mark.parametrize(("path", "why"), WRONG)
def test_a_name_that_some_disk_would_misread_is_refused_and_the_reason_given(path: str, why: str) -> None:
    with pytest.raises(Malformed) as caught:
        names.check(path)
    assert why in caught.value.message
    caught.value.message.encode()  # can be printed
    assert not any(unicodedata.category(character) == "Cc" for character in caught.value.message)


@given(st.text(max_size=40))
def test_what_passes_stays_inside_on_every_system(path: str) -> None:
    try:
        names.check(path)
    except Malformed:
        return
    for pure in (PurePosixPath(path), PureWindowsPath(path)):
        assert not pure.is_absolute()
        assert not pure.drive
        assert ".." not in pure.parts
        assert list(pure.parts) == path.split("/")
    assert not PureWindowsPath(path).is_reserved()


def test_different_names_stand_side_by_side() -> None:
    paths = ["a", "b/a", "b/c", "B/d", "c/a/b", "straße2"]
    names.check_all(paths)
    for path in paths:  # and none was overlooked
        with pytest.raises(Malformed, match="same"):
            names.check_all([*paths, path.upper()])


@pytest.mark.parametrize(
    ("paths", "why"),
    [
        (["a", "a"], "same"),
        (["README", "readme"], "same"),
        (["é/A", "É/a"], "same"),
        (["strasse", "straße"], "same"),
        (["ΣΑΣ", "σας"], "same"),
        (["a", "a/b"], "folder"),
        (["a/b/c", "a/b"], "folder"),
        (["A", "a/b"], "folder"),
        (["x", "../x"], "part '..'"),
    ],
)
def test_names_that_would_meet_on_some_disk_are_refused(paths: list[str], why: str) -> None:
    with pytest.raises(Malformed, match=why):
        names.check_all(paths)
    with pytest.raises(Malformed, match=why):
        names.check_all(reversed(paths))
