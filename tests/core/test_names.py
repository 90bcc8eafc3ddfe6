"""File names: what may be written to any disk, and what may not, each with its reason."""

from __future__ import annotations

import unicodedata
from pathlib import PurePosixPath, PureWindowsPath

import pytest
from hypothesis import given
from hypothesis import strategies as st

from commons.core.dataset import names
from commons.errors import Malformed
from tests.rows import over

FINE = [
    "a", "a/b/c.csv", ".hidden", "a b", "données/été.csv", "数据/文件.parquet", "-rf", "~", "nullable.txt", "com10",
    "console",
    "a..b", "...a", "x/COMET", "👩‍👩‍👧.png", "a" * 255, "é" * 127, "/".join(["a" * 204] * 5), "%41",
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
    ("a" * 256, "255"), ("é" * 128, "255"), ("/".join(["a" * 204] * 4 + ["a" * 205]), "1024"),
]  # fmt: skip


@over("path", FINE)
def test_an_ordinary_name_is_itself(path: str) -> None:
    assert names.check(path) == path


@over(("path", "why"), WRONG)
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
    paths = ["a", "ab", "b/a", "b/c", "B/d", "c/a/b", "straße2"]
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


def test_a_file_that_is_also_a_folder_is_told_with_the_first_that_is_in_it() -> None:
    for paths in (["a", "a/b/c", "a/b/d", "a/e"], ["a/b/c", "a/e", "a"]):
        with pytest.raises(Malformed, match="'a' is also a folder, of 'a/b/c'"):
            names.check_all(paths)


def test_two_that_look_alike_are_told_apart_by_their_characters() -> None:
    with pytest.raises(Malformed, match=r"'a' and 'A' are the same") as plain:
        names.check_all(["a", "A"])
    assert "that is" not in plain.value.message
    with pytest.raises(Malformed, match=r"\(that is '\\xe9' and '\\xc9'\) are the same"):
        names.check_all(["é", "É"])


def test_all_that_is_wrong_is_told_each_fault_once_as_far_as_there_is_room() -> None:
    one = [("'a.'", "ends")]
    assert names.refusal(one, 99).message == "file name 'a.' ends"
    assert names.refusal([("'a' and 'A'", names._SAME)], 99).message.startswith("file names 'a' and 'A' ")
    told = names.refusal([*one, ("'b.'", "ends"), ("'?'", "is forbidden"), ("'a' and 'A'", names._SAME),
                          ("'b' and 'B'", names._SAME)], 999).message  # fmt: skip
    assert told == (
        f"5 file names are refused: each of 'a.', 'b.' ends; '?' is forbidden; 'a' and 'A', 'b' and 'B' {names._SAME}"
    )
    many = names.refusal([(f"{letter * 30}{n}", f"is {letter}") for letter in "abcdefghijkl" for n in (1, 2)], 400)
    assert many.message.endswith("is g and 5 more")
    assert many.message.startswith(f"24 file names are refused: each of {'a' * 30}1 and 1 more is a; ")


def test_words_are_listed_as_far_as_they_fit_and_the_first_always() -> None:
    words = ["abc", "de", "f"]
    listed = [names.listed(words, most) for most in (0, 3, 6, 7, 9, 10)]
    assert listed == ["abc and 2 more"] * 3 + ["abc, de and 1 more"] * 2 + ["abc, de, f"]
    assert names.listed(["abc"], 0) == "abc"
    assert names.listed(words, 9, ";") == "abc;de;f"
    assert names.listed([], 0) == ""
