"""Whether a clock may date a log, by what was heard of others' clocks and what the owner said: without nodes."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from commons.core.dataset.terms import DAY
from commons.core.state.clock import AHEAD, APART, QUIET, Word
from commons.disk import dating
from commons.disk.dating import AGAIN, FRESH, Dating
from commons.disk.notes import Notes
from commons.errors import Undated
from tests.core.test_time import KEYS, Watched
from tests.keeper import ALICE, BOB, KEEPERS

URLS = [f"https://w{n}.example" for n in range(3)]
ASKED = "\n".join([
    f"witness w0 {KEYS[0].vkey} {URLS[0]}/", f"witness w1 {KEYS[1].vkey} {URLS[1]}", f"witness w2 {KEYS[2].vkey}",
    "group two 2 w0 w1 w2", "quorum two", "",
])  # fmt: skip
HALF = ASKED.replace("group two 2 w0 w1 w2", "group two 2 w0 w2")  # of whom one is not asked for


def at(who: Any, port: int = 1) -> str:
    return f"/ip4/127.0.0.1/tcp/{port}/p2p/{who.identity.peer}"


class Case:
    """A log of alice's, in which bob is a member, its clock, and seconds that only grow."""

    def __init__(self, notes: Notes, witnesses: str = "") -> None:
        self.watched = Watched(witnesses)
        self.log = self.watched.log
        self.state, _ = self.log.fold()
        self.now, self.elapsed, self.asked = self.state.time + 1, 1000.0, 0
        admits: list[Any] = []
        part = SimpleNamespace(
            state=self.state, clock=lambda: float(self.now), admit=admits.append, origin=self.log.log.name
        )
        self.dating = Dating(part, notes, lambda: self.elapsed)  # type: ignore[arg-type]
        self.dating.asks(self._ask)
        (self.admit,) = admits
        self.answers = dict[str, int]()

    def _ask(self) -> None:
        self.asked += 1
        for source, said in self.answers.items():
            self.dating.heard(source, said)


@pytest.fixture
def notes(tmp_path: Path) -> Iterator[Notes]:
    with closing(Notes(tmp_path / "notes.db")) as made:
        yield made


def test_those_count_who_are_members_or_are_asked_to_witness_and_can_be_asked(notes: Notes) -> None:
    case = Case(notes, ASKED)
    assert case.dating.members() == {*case.state.founded.members} - {ALICE.identity.peer} == {BOB.identity.peer}
    assert case.dating.witnesses() == {f"{URLS[0]}/", URLS[1]}
    assert Case(notes, HALF).dating.witnesses() == {f"{URLS[0]}/"}
    assert Case(notes).dating.witnesses() == set()
    bare = Case(notes)
    bare.state.community = None
    assert (bare.dating.members(), bare.dating.witnesses()) == (set(), set())


def test_what_a_clock_said_goes_on_and_is_forgotten_after_an_hour(notes: Notes) -> None:
    case = Case(notes, ASKED)
    for source, said in ((URLS[0], 100), (f"{URLS[1]}/", 200), (at(BOB), 300), (at(BOB, 2), 400),
                         (at(KEEPERS[0]), 500), (URLS[2], 600), ("https://eve.example", 700)):  # fmt: skip
        case.dating.heard(source, said)
    assert [sorted(each) for each in case.dating.others()] == [[100, 200], [400]]  # the last of it, and no stranger's
    case.elapsed += FRESH
    assert [sorted(each) for each in case.dating.others()] == [[100 + FRESH, 200 + FRESH], [400 + FRESH]]
    case.elapsed += 0.5
    assert case.dating.others() == ([], [])


@pytest.mark.parametrize("quiet", [APART, APART + 1])
@pytest.mark.parametrize("heard", ["nobody", "witness", "member"])
@pytest.mark.parametrize("witnesses", [ASKED, ""])
def test_others_are_asked_where_the_log_was_quiet_and_of_those_who_count_nobody_was_heard(
    notes: Notes, witnesses: str, heard: str, quiet: int
) -> None:
    """Witnesses where there are any, else members; and not again at once where they do not answer."""
    case = Case(notes, witnesses)
    case.now = case.state.time + quiet
    if heard != "nobody":
        case.dating.heard(URLS[0] if heard == "witness" else at(BOB), case.now)
    wanted = quiet > APART and heard != ("witness" if witnesses else "member")
    case.admit([], 0)
    assert case.asked == wanted
    case.elapsed += AGAIN
    case.admit([], 0)
    assert case.asked == wanted
    case.elapsed += 0.5
    case.admit([], 0)
    assert case.asked == 2 * wanted


def test_nobody_is_asked_before_a_log_begins_or_where_there_is_nobody(notes: Notes) -> None:
    case = Case(notes)
    case.now = case.state.time + QUIET
    case.state.community = None  # alone
    case.admit([], 0)
    assert case.asked == 0
    case.now += 9
    with pytest.raises(Undated):
        case.admit([], 0)
    case.state.size = 0
    case.admit([], 0)
    assert case.asked == 0


def test_what_is_answered_decides_at_once(notes: Notes) -> None:
    case = Case(notes)
    case.now = case.state.time + 9 * DAY
    case.answers[at(BOB)] = case.now - APART - 1
    with pytest.raises(Undated, match="by the members' clocks it is"):
        case.admit([], 0)
    case.dating.heard(at(BOB), case.now - APART)
    case.admit([], 0)
    case.dating.check(case.now, case.state.time)
    case.dating._heard.clear()
    for logged, doubted in ((None, False), (case.now - QUIET, False), (case.now - QUIET - 1, True)):
        assert (case.dating.doubt(case.now, logged) is not None) == doubted
    with pytest.raises(Undated, match="the last entry is of"):
        case.dating.check(case.now, case.now - QUIET - 1)


def test_the_owners_last_word_is_about_one_log_and_says_by_how_much_others_were_behind(notes: Notes) -> None:
    case = Case(notes, ASKED)
    commons, other = case.log.commons, Watched("").log.fold()[0]
    assert case.dating.word() is None
    case.dating.right(case.now)
    assert case.dating.word() == Word(time=case.now, logged=case.state.time, past=0)
    case.dating.heard(at(BOB), case.now - 50)
    case.dating.right(case.now)
    assert case.dating.word() == Word(time=case.now, logged=case.state.time, past=50)
    case.dating.heard(URLS[0], case.now - 70)
    case.dating.right(case.now)
    dating.give(notes, other, case.now + 1)  # to whose members and witnesses those do not belong
    assert case.dating.word() == Word(time=case.now, logged=case.state.time, past=70)
    assert other.commons is not None
    assert dating.word(notes, other.commons) == Word(time=case.now + 1, logged=other.time, past=0)
    assert dating.word(notes, "another") is None
    assert dating.word(notes, str(commons)) == case.dating.word()


def test_people_are_told_what_the_clocks_say_and_what_is_in_doubt(notes: Notes) -> None:
    case = Case(notes, ASKED)
    told = case.dating.told()
    assert told == {"clock": case.now, "log": case.state.time, "ahead": 0, "doubt": "", "witnesses": None,
                    "members": None, "right": None, "next": ""}  # fmt: skip
    case.dating.heard(URLS[0], case.now - 9 * DAY)
    case.dating.heard(at(BOB), case.now - 8 * DAY)
    told = case.dating.told()
    assert (told["witnesses"], told["members"]) == (case.now - 9 * DAY, case.now - 8 * DAY)
    assert "by the witnesses' clocks it is" in told["doubt"]
    assert told["next"] == dating.HINT
    case.dating.right(case.now)
    told = case.dating.told()
    assert (told["right"], told["doubt"], told["next"]) == (case.now, "", "")
    case.now += QUIET + 1  # the word was for as long
    assert case.dating.told()["right"] is None
    case.now = case.state.time - AHEAD - 1
    assert case.dating.told()["ahead"] == AHEAD + 1


# -- by when the end of a grant is judged ------------------------------------------------------------------------------


def test_witnesses_have_seen_a_log_when_enough_of_them_have_signed_one_of_its_heads(notes: Notes) -> None:
    case = Case(notes, ASKED)
    heads = [case.watched.head(50, 40), case.watched.head(9, None, 70), case.watched.head(None, 99), b"no head"]
    assert dating.stamp(case.state, heads[:1]) == 50
    assert dating.stamp(case.state, heads) == 70
    assert dating.stamp(case.state, heads[2:]) is None
    assert dating.stamp(case.state, []) is None
    assert dating.stamp(Case(notes).state, heads) is None


@pytest.mark.parametrize("ahead", [AHEAD, AHEAD + 1])
@pytest.mark.parametrize("left", [None, 0, 1])
def test_a_grant_with_an_end_is_not_judged_by_a_clock_that_is_far_behind_its_log(
    notes: Notes, ahead: int, left: int | None
) -> None:
    """But where it has ended by that clock, too, or where the owner has said that the clock is right."""
    case = Case(notes)
    log, now = case.log, case.now
    log.ask(BOB, log.publish())
    log.decide(expires=None if left is None else now + left)
    state, wrong = log.fold()
    assert wrong == []
    state.time = now + ahead
    doubted = ahead > AHEAD and left == 1
    if doubted:
        with pytest.raises(Undated, match="no key is released under a grant with an end"):
            dating.judged(state, now, [], log.last, None)
    else:
        assert dating.judged(state, now, [], log.last, None) == state.time
    said = Word(time=now, logged=state.time)
    assert dating.judged(state, now, [], log.last, said) == (now if ahead > AHEAD else state.time)
    assert dating.judged(state, now, [], 99, None) == state.time  # of no request


@pytest.mark.parametrize("boot", [True, False])
def test_seconds_go_on_while_the_machine_sleeps_where_it_can_say_so(
    monkeypatch: pytest.MonkeyPatch, boot: bool
) -> None:
    with monkeypatch.context() as patch:
        if not boot:
            patch.delattr(time, "CLOCK_BOOTTIME", raising=False)
        patch.setattr(time, "clock_gettime", lambda clock: 2.0)
        patch.setattr(time, "monotonic", lambda: 1.0)
        found = dating.elapsed()
    assert found == (2.0 if boot else 1.0)


@pytest.mark.parametrize("seconds", [0, 1_900_000_000, 10**30, -(10**30)])
def test_a_time_that_no_calendar_has_is_still_told(seconds: int) -> None:
    assert ("UTC" in dating.clock_of(seconds)) == (abs(seconds) < 10**30)
