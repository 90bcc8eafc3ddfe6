"""One clock's error becomes no entry, no erasure, and no key that is given away."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from commons.core.dataset.terms import DAY
from commons.core.state.clock import APART, QUIET, Word, ahead, doubt, judged, median

T0 = 1_750_000_000
TIMES = st.integers(T0 - 900 * DAY, T0 + 900 * DAY)
CLOCKS = st.lists(TIMES, max_size=7)
WORDS = st.none() | st.builds(Word, time=TIMES, logged=TIMES, past=st.integers(-900 * DAY, 900 * DAY))


def test_thirty_days_past_the_last_entry_with_nobody_to_ask_wait() -> None:
    assert doubt(T0 + QUIET, T0) is None
    found = doubt(T0 + QUIET + 1, T0)
    assert found is not None
    assert (found.whose, found.than, found.past) == ("entry", T0, QUIET + 1)


def test_ten_minutes_past_the_median_wait_however_young_the_last_entry_is() -> None:
    assert doubt(T0 + APART, T0, [T0]) is None
    for logged, said, whose in ((T0 + APART, ([T0], ()), "witnesses"), (T0, ((), [T0]), "members")):
        found = doubt(T0 + APART + 1, logged, *said)
        assert found is not None
        assert (found.whose, found.than, found.past) == (whose, T0, APART + 1)


def test_where_somebody_says_that_it_is_today_a_log_that_was_quiet_for_years_goes_on() -> None:
    assert doubt(T0 + 1000 * DAY, T0, [T0 + 1000 * DAY]) is None
    assert doubt(T0 + 1000 * DAY, T0, (), [T0 + 1000 * DAY]) is None


def test_members_say_nothing_beside_a_witness() -> None:
    assert doubt(T0 + DAY, T0, [T0], [T0 + DAY] * 5) is not None
    assert doubt(T0, T0, [T0], [T0 - DAY] * 5) is None


def test_of_two_the_earlier_counts() -> None:
    assert (median([T0 + 9, T0]), median([T0]), median([T0, T0 + 9, T0 + 10])) == (T0, T0, T0 + 9)


def test_a_clock_that_is_late_dates_nothing_ahead() -> None:
    assert doubt(T0 - 900 * DAY, T0, [T0], [T0]) is None


@given(now=TIMES, logged=TIMES, honest=st.lists(st.integers(-60, 60), min_size=2, max_size=5), lies=TIMES)
def test_one_liar_among_three_lets_nothing_pass_and_holds_nothing_up(
    now: int, logged: int, honest: list[int], lies: int
) -> None:
    clocks = [*(T0 + each for each in honest), lies]
    if now > T0 + APART + 60:
        assert doubt(now, logged, clocks) is not None
    if now <= T0 - 60 + APART and len(honest) > 2:
        assert doubt(now, logged, clocks) is None


@given(now=TIMES, later=st.integers(0, 900 * DAY), logged=TIMES, witnesses=CLOCKS, members=CLOCKS)
def test_who_waits_at_one_time_waits_at_every_later_one(
    now: int, later: int, logged: int, witnesses: list[int], members: list[int]
) -> None:
    if doubt(now, logged, witnesses, members) is not None:
        assert doubt(now + later, logged, witnesses, members) is not None


@given(now=TIMES, logged=TIMES, witnesses=CLOCKS, members=CLOCKS)
def test_the_owners_word_lets_that_very_moment_pass(
    now: int, logged: int, witnesses: list[int], members: list[int]
) -> None:
    others = witnesses or members
    word = Word(time=now, logged=logged, past=now - median(others) if others else 0)
    assert doubt(now, logged, witnesses, members, word) is None


@given(now=TIMES, logged=TIMES, witnesses=CLOCKS, members=CLOCKS, word=WORDS)
def test_a_word_ends_and_never_makes_a_doubt(
    now: int, logged: int, witnesses: list[int], members: list[int], word: Word | None
) -> None:
    found, without = doubt(now, logged, witnesses, members, word), doubt(now, logged, witnesses, members)
    assert without is not None or found is None
    if word is not None and not word.time <= now <= word.time + QUIET:
        assert found == without


def test_a_word_holds_from_its_own_second_to_the_last_of_thirty_days() -> None:
    word = Word(time=T0, logged=T0)
    held = [word.holds(T0 + past) for past in (-1, 0, QUIET, QUIET + 1)]
    assert held == [False, True, True, False]


def test_a_word_that_does_not_hold_says_nothing() -> None:
    for now in (T0 - 1, T0 + QUIET + 1):
        word = Word(time=T0, logged=T0, past=DAY)
        assert doubt(now, now - QUIET - 1, word=word) is not None
        assert doubt(now, now, [now - DAY], word=word) is not None
        assert doubt(now, now, (), [now - DAY], word=word) is not None
    assert doubt(T0, T0 - QUIET - 1, word=word) is None
    assert doubt(T0, T0, [T0 - DAY], word=word) is None


def test_a_word_for_one_gap_is_none_for_a_larger_one() -> None:
    word = Word(time=T0 + 3600, logged=T0, past=3600)
    assert doubt(T0 + 3660, T0, [T0], word=word) is None
    assert doubt(T0 + 3600 + APART + 1, T0, [T0], word=word) is not None
    assert doubt(T0 + DAY, T0, [T0], word=Word(time=T0, logged=T0)) is not None


# -- by when a grant's end is judged -----------------------------------------------------------------------------------


@given(now=TIMES, logged=TIMES, stamp=st.none() | TIMES, word=WORDS)
def test_a_grants_end_is_judged_by_no_earlier_time_than_the_clocks(
    now: int, logged: int, stamp: int | None, word: Word | None
) -> None:
    at, _ = judged(now, logged, stamp, word)
    assert now <= at <= max(now, logged)


@given(logged=TIMES, back=st.integers(0, 900 * DAY), end=st.integers(1, 900 * DAY), stamp=st.none() | TIMES)
def test_a_clock_set_back_opens_nothing(logged: int, back: int, end: int, stamp: int | None) -> None:
    """A grant that had ended by the log's time, as far as it counts: no earlier clock releases it."""
    if stamp is not None and logged > stamp + DAY:
        return
    at, sure = judged(logged - back, logged, stamp)
    assert not sure or at >= logged


def test_log_time_counts_up_to_a_day_past_the_witnesses() -> None:
    assert judged(T0, T0 + 700 * DAY, T0 + 60) == (T0 + 60 + DAY, True)
    assert judged(T0, T0 + DAY, T0 + 60) == (T0 + DAY, True)
    assert judged(T0 + 9 * DAY, T0 + 700 * DAY, T0) == (T0 + 9 * DAY, True)


def test_without_witnesses_a_log_more_than_a_day_ahead_is_for_its_owner_to_say() -> None:
    assert judged(T0, T0 + DAY) == (T0 + DAY, True)
    assert judged(T0, T0 + DAY + 1) == (T0 + DAY + 1, False)
    word = Word(time=T0 - 5, logged=T0 + DAY + 1)
    assert judged(T0, T0 + DAY + 1, word=word) == (T0, True)
    assert judged(T0, T0 + DAY + 2, word=word) == (T0 + DAY + 2, False), "it is further ahead by now"
    assert judged(T0 - 6, T0 + DAY + 1, word=word)[1] is False, "the clock was set back since"


def test_a_log_is_dated_ahead_by_who_looks_or_by_its_witnesses() -> None:
    assert ahead(T0 + DAY, T0) == 0
    assert ahead(T0 + DAY + 1, T0) == DAY + 1
    assert ahead(T0 + 3 * DAY, T0 + 9 * DAY) == 0
    assert ahead(T0 + 3 * DAY, T0 + 9 * DAY, T0) == 3 * DAY
