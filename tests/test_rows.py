"""A test over rows tells of each row for which it fails."""

from __future__ import annotations

import pytest

from tests.rows import over


def test_every_row_that_is_wrong_is_told_with_what_it_is() -> None:
    @over(("number", "word"), [(1, "one"), (2, "zwei"), (3, "three"), (4, "vier")])
    def short(number: int, word: str) -> None:
        """Its own words."""
        if number == 2:
            assert len(word) < 4, word
        with pytest.raises(KeyError):
            {"vier": 4}[word]

    with pytest.raises(BaseExceptionGroup, match="2 of 4 rows") as caught:
        short()
    assert [type(each).__name__ for each in caught.value.exceptions] == ["AssertionError", "Failed"]
    assert [each.__notes__ for each in caught.value.exceptions] == [["for 2, 'zwei'"], ["for 4, 'vier'"]]
    assert (short.__name__, short.__doc__) == ("short", "Its own words.")


def test_a_test_over_no_rows_cannot_pass() -> None:
    with pytest.raises(AssertionError):
        over("row", [])(lambda row: None)()
