"""A dataset is named by its id, the beginning of it, or its title."""

from __future__ import annotations

import pytest

from commons.core.crypto import ids
from commons.errors import Conflict, Malformed, NotFound
from commons.log import titles
from commons.log.titles import Titled


def titled(title: str, version: int = 1, series: bytes = b"") -> Titled:
    cid = ids.cid(f"{title} {version}".encode())
    return Titled(cid=cid, title=title, version=version, series=series or title.encode())


FIRST, SECOND = titled("River lengths", 1), titled("River lengths", 2)
RIVERS, WAGES = titled("Rivers"), titled("Löhne in Genf")
KNOWN = [FIRST, SECOND, RIVERS, WAGES]


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("River lengths", SECOND), ("river LENGTHS", SECOND), ("rivers", RIVERS), ("length", SECOND),
        (" genf ", WAGES), (WAGES.cid[:20], WAGES), (f"commons:{FIRST.cid[:20]}", FIRST), (FIRST.cid, FIRST),
        (f"commons:{FIRST.cid}", FIRST),
    ],
)  # fmt: skip
def test_what_people_call_it_is_enough(text: str, found: Titled) -> None:
    assert titles.find(text, lambda: KNOWN).cid == found.cid


def test_a_whole_reference_needs_not_be_known() -> None:
    assert titles.find(RIVERS.cid, list).cid == RIVERS.cid


def test_several_are_listed_and_none_is_chosen() -> None:
    with pytest.raises(Conflict) as said:
        titles.find("river", lambda: KNOWN)
    assert RIVERS.cid in said.value.message
    assert SECOND.cid in said.value.message
    assert FIRST.cid not in said.value.message  # an older version of the same
    with pytest.raises(Conflict):
        titles.find("x", lambda: [titled("x", series=b"1"), titled("x", 2, series=b"2")])


def test_one_that_is_none_shows_what_is_near() -> None:
    with pytest.raises(NotFound, match=r"near: .*'Rivers' v1"):
        titles.find("Rivres", lambda: KNOWN)
    with pytest.raises(NotFound, match=r"'zzz'$"):
        titles.find("zzz", lambda: KNOWN)


@pytest.mark.parametrize("text", ["", "  ", "baf", "bafkrei"])
def test_what_all_ids_begin_with_names_none(text: str) -> None:
    with pytest.raises(NotFound):
        titles.find(text, lambda: KNOWN)


def test_a_broken_reference_is_told_as_one() -> None:
    with pytest.raises(Malformed):
        titles.find("commons:bafkrei,", lambda: KNOWN)


def test_a_part_of_a_title_names_every_version_in_a_filter() -> None:
    assert titles.matching("lengths", KNOWN) == [FIRST, SECOND]
    assert titles.matching("nosuch", KNOWN) == []
