"""Patterns of an ignore file, which came with the folder, maybe from a stranger: read as git reads them, and soon."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pathspec import GitIgnoreSpec

from commons.disk.ignored import LIMIT, LINES, Rules
from commons.errors import Malformed, TooLarge
from tests.conftest import ends

PLACE = "a/.commonsignore"


def hit(patterns: str, path: str) -> bool:
    return Rules().also("", patterns.encode(), PLACE).hit(path)


@given(st.text("ab*/?", min_size=1, max_size=12), st.text("ab/", min_size=1, max_size=14))
def test_a_pattern_covers_what_it_covers_elsewhere(pattern: str, path: str) -> None:
    with contextlib.suppress(Malformed):
        found = hit(pattern, path)
        assert found == bool(GitIgnoreSpec.from_lines([pattern], backend="simple").check_file(path).include)


@given(
    st.lists(st.sampled_from(["**", "*", "a", "a*", "*a", "a*b", "*a*b*", "b"]), min_size=1, max_size=7),
    st.lists(st.sampled_from(["a", "b", "ab", "aab", "ba", "bab"]), min_size=1, max_size=8),
)
def test_wildcards_of_several_folders_cover_what_they_cover_elsewhere(pattern: list[str], path: list[str]) -> None:
    with contextlib.suppress(Malformed):
        line, whole = "/".join(pattern), "/".join(path)
        stock = GitIgnoreSpec.from_lines([line], backend="simple")
        for each in (whole, f"{whole}/"):
            assert hit(line, each) == bool(stock.check_file(each).include)


@given(st.binary(max_size=60) | st.text("a*[]!-^\\#/{}()|?&~.z \n", max_size=40).map(str.encode))
def test_any_ignore_file_is_read_or_refused_in_words(data: bytes) -> None:
    with contextlib.suppress(Malformed):
        assert Rules().also("a/", data, PLACE).hit("a/b[c].csv") in (True, False)


@pytest.mark.parametrize(
    "pattern",
    ["*a" * 30 + "b", "**/a/" * 40 + "b", "a/**/" * 40 + "b", "**/*a*a*a/" * 20 + "b", "*" * 5000 + "b",
     "?*" * 100 + "b", "[a-z]*" * 40 + "b"],
)  # fmt: skip
def test_a_pattern_made_to_run_away_does_not(pattern: str) -> None:
    with ends():
        for path in ("a" * 250, "a/" * 500 + "a", "/".join(["a" * 250] * 8)):
            assert not hit(pattern, path)


@pytest.mark.parametrize("pattern", ["[z-a]", "a\n*.csv\n[b--a].txt", "\\"])
def test_a_range_that_is_none_is_told_with_its_line(pattern: str) -> None:
    with pytest.raises(Malformed, match=rf"line {pattern.count(chr(10)) + 1}: .* is no pattern"):
        hit(pattern, "a")


@pytest.mark.filterwarnings("error")
def test_a_library_warns_nobody_of_what_stands_in_brackets() -> None:
    assert not hit("[[:alpha:]]\n[a||b]c\n[&&&]d", "e")


@pytest.mark.parametrize("data", [b"x" * (LIMIT + 1), b"x\n" * (LINES + 1)])
def test_an_ignore_file_over_a_limit_is_refused_unread(data: bytes) -> None:
    with ends(), pytest.raises(TooLarge, match=PLACE):
        Rules().also("", data, PLACE)
