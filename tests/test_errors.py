"""One number for each kind of error; what others tell us of theirs is words, never orders to a terminal."""

from __future__ import annotations

import inspect
import json
import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from commons import errors
from commons.errors import KINDS, CommonsError, Conflict, Internal, SplitView, Untrue, from_dict

CLASSES = [
    kind
    for _, kind in inspect.getmembers(errors, inspect.isclass)
    if issubclass(kind, CommonsError) and kind is not CommonsError
]
anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters(exclude_categories=[])),
    lambda inner: (
        st.lists(inner, max_size=5)
        | st.dictionaries(st.sampled_from(["error", "message", "hint", "evidence", "x"]), inner)
    ),
    max_leaves=12,
)


def test_every_kind_has_a_number_of_its_own() -> None:
    assert set(KINDS.values()) == set(CLASSES)
    assert len(KINDS) == len(CLASSES) == 19
    assert all(kind.number == number for number, kind in KINDS.items())


def test_no_number_is_success_or_that_of_a_wrong_command_line_and_all_are_exit_codes() -> None:
    assert not {0, 1, 2} & KINDS.keys()
    assert all(0 < number < 126 for number in KINDS)  # from 126 on a shell speaks of its own troubles


def test_the_numbers_are_those_that_the_module_tells() -> None:
    told = {name: int(number) for name, number in re.findall(r"\+- (\w+) +(\d+)", errors.__doc__ or "")}
    assert told == {kind.__name__: kind.number for kind in CLASSES}


@pytest.mark.parametrize("kind", CLASSES)
def test_the_exit_code_is_the_status_less_400_and_the_status_one_http_knows_how_to_carry(
    kind: type[CommonsError],
) -> None:
    problem = kind("what happened")
    assert problem.status - 400 == problem.number == kind.number
    assert 400 <= problem.status < 600


@pytest.mark.parametrize("kind", CLASSES)
def test_an_error_told_over_the_wire_is_the_same_error(kind: type[CommonsError]) -> None:
    problem = kind("it’s broken\nin two lines", hint="mend it: é", evidence=("— head one\n", "head two"))
    back = from_dict(json.loads(json.dumps(problem.as_dict())))
    assert type(back) is kind
    assert back.as_dict() == problem.as_dict()
    assert str(back) == back.message == "it’s broken\nin two lines"


def test_a_split_view_is_caught_as_untrue() -> None:
    assert issubclass(SplitView, Untrue)
    assert SplitView("x").number != Untrue("x").number


@pytest.mark.parametrize(
    "told", [None, [], "x", 3, {}, {"error": None}, {"error": "9"}, {"error": 9.0}, {"error": [9]}, {"error": 2},
             {"error": -1}, {"error": 10**400}, {"error": True}, {"error": 409}],
)  # fmt: skip
def test_what_is_no_error_of_ours_is_internal(told: object) -> None:
    assert type(from_dict(told)) is Internal


@pytest.mark.parametrize("evidence", [None, "text", 3, {"a": 1}, [None], [[["x"]]], ["a"] * 100])
def test_evidence_is_a_few_texts_whatever_was_sent(evidence: object) -> None:
    back = from_dict({"error": 9, "message": "m", "evidence": evidence})
    assert isinstance(back, Conflict)
    assert len(back.evidence) <= 4
    assert all(type(piece) is str for piece in back.evidence)


def test_no_word_of_others_moves_a_terminal_or_turns_the_writing() -> None:
    bad = "\x1b[2J\x1b]0;owned\x07\r\b\x9b31m\x7f\0\u202eexe.txt\u2066\u200b\ud800\t"
    back = from_dict({"error": 9, "message": bad, "hint": bad, "evidence": [bad + "\nline"]})
    for text in (back.message, back.hint, *back.evidence):
        assert re.search(r"[\x00-\x09\x0b-\x1f\x7f-\x9f\u200b\u202a-\u202e\u2066-\u2069\ud800-\udfff]", text) is None
    assert back.message == "[2J]0;owned31mexe.txt"
    assert back.evidence[0].endswith("\nline")


def test_what_others_say_is_cut_to_length() -> None:
    back = from_dict({"error": 9, "message": "m " * 10**6, "hint": "h" * 10**6, "evidence": ["e" * 10**6] * 9})
    assert (len(back.message), len(back.hint), [len(e) for e in back.evidence]) == (2000, 2000, [20_000] * 4)


def test_nesting_and_numbers_of_others_are_words_too() -> None:
    deep: Any = []
    for _ in range(100_000):
        deep = [deep]
    for strange in (deep, 10**5000, {"a": deep}, float("nan"), b"\x1b", None):
        back = from_dict({"error": 9, "message": strange, "hint": strange, "evidence": [strange]})
        assert type(back) is Conflict


@given(anything)
def test_whatever_is_told_becomes_an_error_that_prints(told: object) -> None:
    back = from_dict(told)
    assert isinstance(back, CommonsError)
    assert back.number in KINDS
    back.message.encode()
    assert from_dict(back.as_dict()).as_dict() == back.as_dict()
