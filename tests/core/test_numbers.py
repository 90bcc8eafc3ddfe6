"""Rules have a number: a later one is in force from the entry on at which it passes, and never back; whoever does not
know it judges nothing from there on."""

from __future__ import annotations

import contextlib
import copy
from typing import Any

import msgpack
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from commons.core.crypto import codec, envelope
from commons.core.crypto.keys import Signer
from commons.core.dataset.rule import Rule
from commons.core.state import entries, proposals, rules
from commons.core.state.charter import CHARTER, College, Power
from commons.core.state.community import OPEN
from commons.core.state.entries import Entry, Unknown
from commons.core.state.fold import State
from commons.core.state.proposals import LaterRules, Proposal, Vote
from commons.core.tlog import checkpoint
from commons.core.tlog.checkpoint import Checkpoint
from commons.errors import CommonsError, Conflict, Malformed, Outdated, Refused, Untrue
from tests.core.test_community import ANA, BEN, CLEO, EVE, WORKERS, Log, charter_of
from tests.rows import examples
from tests.vectors import generate

ALL = frozenset(range(1, 10))
EASY = (Power(action="amend-charter", rule=WORKERS, days=14),)
NEXT = charter_of(name="Water watch", powers=EASY)


class Numbered(Log):
    """A log whose workers go over to later rules, judged by all of them; `older` and `released` read along: the one
    knows the first rules only, the other no numbers at all."""

    def __init__(self) -> None:
        super().__init__(powers=EASY)
        self.state.known = ALL
        self.older, self.released = copy.deepcopy(self.state), copy.deepcopy(self.state)
        self.older.known = self.released.known = frozenset({1})

    def add(self, kind: str, value: Any, signer: Signer) -> int:
        entry = entries.decode(envelope.sign(kind, value, signer))
        later = isinstance(value, LaterRules)
        community = self.state.founded
        passes_over = isinstance(value, Vote) and community.number_of(value.proposal) is not None
        self.state.apply(entry)
        self.follow(self.older, entry)
        if passes_over:  # a ballot on what it does not see is a fault
            self.released.size += 1
        else:
            self.follow(self.released, Unknown(type=kind) if later else entry)
        return self.state.size - 1

    def follow(self, state: State, entry: Entry) -> None:
        with contextlib.suppress(Outdated):
            state.apply(entry)

    def later(self, signer: Signer, number: int, **what: Any) -> int:
        said = Proposal(
            commons=self.commons, action="amend-charter", time=self.tick(), nonce=bytes(16), **{"charter": NEXT, **what}
        )
        return self.add(proposals.RULES, LaterRules(rules=number, proposal=said), signer)


def passed(log: Numbered, number: int) -> int:
    """The entry at which they come into force."""
    made = log.later(ANA, number)
    last = log.vote(BEN, made)
    assert log.ballot(made).standing == "passed"
    return last


def test_later_rules_are_in_force_from_the_entry_on_at_which_they_pass() -> None:
    log = Numbered()
    assert (log.state.rules, log.state.rules_at(1)) == (1, 1)
    made = log.later(ANA, 2)
    assert (log.state.rules, log.ballot(made).standing, log.ballot(made).number) == (1, "open", 2)
    last = log.vote(BEN, made)
    assert log.state.rules == 2
    assert [log.state.rules_at(size) for size in (0, 1, last, last + 1, last + 9)] == [1, 1, 1, 2, 2]
    assert log.state.founded.charter.name == "Water watch"
    log.propose(ANA, "admit", college="workers", peer=EVE.peer)  # and the log goes on
    assert log.state.judged == log.state.size == last + 2


def test_who_does_not_know_them_judges_nothing_from_there_on() -> None:
    log = Numbered()
    last = passed(log, 2)
    before = copy.deepcopy(log.older)
    assert (before.rules, before.judged, before.size) == (2, last + 1, last + 1)
    assert before.founded.charter.name == "Water watch"  # the entry itself is judged by the rules in front of it
    log.propose(BEN, "admit", college="workers", peer=EVE.peer)
    assert (log.older.judged, log.older.size) == (last + 1, last + 2)
    before.size = log.older.size
    assert log.older == before
    with pytest.raises(Outdated, match="rules 2") as caught:
        log.older.granted(0, 0)
    assert "upgrade" in caught.value.hint
    data = envelope.sign(proposals.VOTE, generate.BALLOT, ANA)
    assert isinstance(log.older.take(data), Outdated)
    assert log.older.size == last + 3


def test_a_grant_is_none_where_the_rules_are_not_known() -> None:
    log = Log(powers=EASY)
    log.state.known = ALL
    asked = log.request(log.publish(Rule(kind="acknowledge")))
    log.decide(asked, "grant", reason="acknowledged")
    assert log.state.granted(asked, log.time).outcome == "grant"
    said = Proposal(commons=log.commons, action="amend-charter", time=log.tick(), nonce=bytes(16), charter=NEXT)
    made = log.add(proposals.RULES, LaterRules(rules=2, proposal=said), ANA)
    log.vote(CLEO, made)
    assert log.state.granted(asked, log.time).outcome == "grant"
    log.state.known = frozenset({1})
    with pytest.raises(Outdated):
        log.state.granted(asked, log.time)


def test_rules_are_never_taken_back() -> None:
    log = Numbered()
    passed(log, 3)
    for number in (2, 3):
        with pytest.raises(Refused, match="never taken back: this commons goes by rules 3"):
            log.later(ANA, number)
        log.state.size -= 1
    assert log.state.rules == 3
    passed(log, 4)
    assert [number for _, number in log.state.founded.numbers] == [1, 3, 4]


def test_of_two_proposals_the_later_rules_stay() -> None:
    log = Numbered()
    two, three = log.later(ANA, 2), log.later(BEN, 3)
    log.vote(CLEO, three)
    log.vote(CLEO, two)
    assert (log.ballot(three).standing, log.ballot(two).standing) == ("passed", "void")
    assert "never taken back" in log.ballot(two).why
    assert log.state.rules == 3


def test_an_amendment_without_a_number_leaves_the_rules() -> None:
    log = Numbered()
    passed(log, 2)
    made = log.propose(ANA, "amend-charter", charter=charter_of(name="Brooks", powers=EASY))
    log.vote(BEN, made)
    assert (log.ballot(made).standing, log.state.rules) == ("passed", 2)


def test_who_is_no_member_and_what_amends_nothing_puts_no_rules_in_force() -> None:
    log = Numbered()
    with pytest.raises(Refused, match="no member"):
        log.later(EVE, 2)
    said = Proposal(commons=log.commons, action="expel", time=1, nonce=bytes(16), college="workers", peer=BEN.peer)
    with pytest.raises(Malformed, match="with an amendment"):
        LaterRules(rules=2, proposal=said)


@pytest.mark.parametrize("number", [0, 1, -1, checkpoint.RULES + 1])
def test_a_number_is_a_later_one(number: int) -> None:
    said = Proposal(
        commons=Numbered().commons, action="amend-charter", time=1, nonce=bytes(16), charter=NEXT
    )  # fmt: skip
    with pytest.raises(Malformed, match="not a number of later rules"):
        LaterRules(rules=number, proposal=said)


def test_a_registrar_takes_nothing_about_rules_that_it_does_not_know() -> None:
    log = Numbered()
    made = log.later(ANA, 2)
    said = Proposal(commons=log.commons, action="amend-charter", time=1, nonce=bytes(16), charter=NEXT)
    ballot = Vote(commons=log.commons, proposal=log.ballot(made).digest, choice="yes", reason="", time=log.tick())
    about = [(proposals.RULES, LaterRules(rules=2, proposal=said)), (proposals.VOTE, ballot)]
    for kind, value in about:
        entry = entries.decode(envelope.sign(kind, value, BEN))
        log.state.check_known(entry)
        with pytest.raises(Outdated, match="rules 2"):
            log.older.check_known(entry)
    log.older.check_known(entries.decode(envelope.sign(proposals.PROPOSAL, said, BEN)))


def test_a_head_names_the_rules_in_force_after_its_entries() -> None:
    log = Numbered()
    last = passed(log, 2)

    def head(size: int, number: int) -> Checkpoint:
        return Checkpoint(origin=f"commons/{log.commons}", size=size, root=bytes(32), rules=number)

    for state in (log.state, log.older):
        state.check_head(head(last, 1))
        state.check_head(head(last + 1, 2))
        for size, number in ((last, 2), (last + 1, 1), (last + 1, 3)):
            with pytest.raises(Untrue, match=f"head of {size} entries for rules {number}"):
                state.check_head(head(size, number))
    passed(log, 5)
    log.older.check_head(head(log.older.size, 5))  # what it did not judge it does not accuse
    with pytest.raises(Untrue):
        log.state.check_head(head(log.state.size, 2))


def test_what_this_version_knows_is_the_first() -> None:
    assert frozenset({1}) == rules.KNOWN
    rules.check(1)
    with pytest.raises(Outdated, match="goes by rules 2"):
        rules.check(2)


FORMS = ("charter", "publish", "proposal", "vote", "join", "succession", "rules")


@given(st.sampled_from(FORMS), st.text(min_size=1, max_size=12), st.none() | st.integers() | st.text(max_size=9))
def test_no_form_of_the_first_rules_takes_another_field(name: str, field: str, value: Any) -> None:
    kind, said, signer = generate.SIGNED[name]
    fields = msgpack.unpackb(codec.encode(said))
    if field in fields or (isinstance(value, int) and not -(2**63) <= value < 2**64):
        return
    payload = msgpack.packb({**fields, field: value})
    signed = envelope.Envelope(
        type=kind, payload=payload, signer=signer.peer, signature=signer.sign(envelope.pae(kind, payload))
    )
    with pytest.raises(Malformed):
        entries.decode(codec.encode(signed))


@pytest.mark.parametrize("number", [2, checkpoint.RULES])
def test_any_later_number_can_be_put_in_force(number: int) -> None:
    log = Numbered()
    log.state.known = frozenset({1, number})
    passed(log, number)
    assert log.state.rules == Checkpoint(origin="x", size=1, root=bytes(32), rules=number).rules == number


def test_neither_it_nor_a_ballot_on_it_ends_another_proposal_or_moves_the_time() -> None:
    log = Numbered()
    other = log.propose(ANA, "admit", college="workers", peer=EVE.peer)
    log.tick(15 * 86400)  # the other is over, and nothing has said so yet
    before = log.state.time
    made = log.later(BEN, 2)
    assert (log.ballot(other).standing, log.state.time) == ("open", before)
    log.vote(CLEO, made, "no")
    assert (log.ballot(other).standing, log.state.time) == ("open", before)
    third = log.propose(ANA, "admit", college="users", peer=EVE.peer)
    assert (log.ballot(other).standing, log.state.time) == ("expired", log.time)
    log.vote(BEN, third)


def test_an_open_one_counts_only_among_its_like() -> None:
    log = Numbered()
    for _ in range(OPEN):
        log.propose(ANA, "admit", college="workers", peer=Signer(log.time.to_bytes(32, "big")).peer)
    for number in range(2, 2 + OPEN):
        log.later(ANA, number)
    with pytest.raises(Conflict, match="50 proposals open"):
        log.later(ANA, 60)
    log.state.size -= 1
    with pytest.raises(Conflict, match="50 proposals open"):
        log.propose(ANA, "admit", college="workers", peer=EVE.peer)


def test_a_ballot_in_a_log_without_a_charter_is_about_no_rules() -> None:
    state = State()
    charter = envelope.sign(CHARTER, charter_of(), EVE)
    assert isinstance(state.take(charter), Refused)  # by no member: then there is none
    assert isinstance(state.take(envelope.sign(proposals.VOTE, generate.BALLOT, ANA)), Malformed)
    assert (state.rules, state.judged) == (1, 2)


# -- any log ----------------------------------------------------------------------------------------------------------

WORKING = st.sampled_from([ANA, BEN, CLEO])


class AnyNumbers(RuleBasedStateMachine):
    """Proposals of both kinds and ballots on them, read by three: who knows all rules, who knows the first, and who
    knows of no numbers. As long as the first are in force they see the same; from then on the older stands still."""

    @initialize()
    def found(self) -> None:
        self.log = Numbered()
        self.still: State | None = None

    def attempt(self, call: Any) -> None:
        size, number = self.log.state.size, self.log.state.rules
        try:
            call()
        except CommonsError:
            self.log.state.size = size  # nobody else was told of it
        assert self.log.state.rules >= number
        if self.log.state.rules > 1 and self.still is None:
            self.still = copy.deepcopy(self.log.older)

    @rule(who=WORKING, number=st.integers(1, 5), name=st.sampled_from("abc"))
    def later(self, who: Signer, number: int, name: str) -> None:
        self.attempt(lambda: self.log.later(who, number, charter=charter_of(name=name, powers=EASY)))

    @rule(who=WORKING, name=st.sampled_from("abc"))
    def amend(self, who: Signer, name: str) -> None:
        changed = charter_of(name=name, powers=EASY)
        self.attempt(lambda: self.log.propose(who, "amend-charter", charter=changed))

    @rule(who=WORKING, whom=st.sampled_from([BEN, CLEO, EVE]), action=st.sampled_from(["admit", "expel"]))
    def membership(self, who: Signer, whom: Signer, action: str) -> None:
        self.attempt(lambda: self.log.propose(who, action, college="workers", peer=whom.peer))

    @rule(who=WORKING, index=st.integers(0, 30), choice=st.sampled_from(proposals.CHOICES))
    def ballot(self, who: Signer, index: int, choice: str) -> None:
        self.attempt(lambda: self.log.vote(who, index, choice))

    @rule(days=st.integers(1, 10))
    def wait(self, days: int) -> None:
        self.log.tick(days * 86400)

    @invariant()
    def the_number_only_grows(self) -> None:
        numbers = self.log.state.founded.numbers
        assert numbers == sorted(set(numbers))
        assert numbers[0] == (0, 1)
        assert [n for _, n in numbers] == sorted({n for _, n in numbers})

    @invariant()
    def who_knows_the_first_judges_as_long_as_they_are_in_force(self) -> None:
        if self.still is None:
            assert told(self.log.older) == told(self.log.state)
        else:
            assert told(self.log.older) == told(self.still)
            assert self.log.older.judged == self.log.state.founded.numbers[1][0] + 1

    @invariant()
    def who_knows_of_no_numbers_sees_all_else_alike(self) -> None:
        if self.still is None:
            ours, theirs = told(self.log.state), told(self.log.released)
            for each in (ours, theirs):
                each["ballots"] = {i: ballot for i, ballot in each["ballots"].items() if ballot.number is None}
                each.pop("governed")
            assert ours == theirs


def told(state: State) -> dict[str, Any]:
    """What was judged."""
    community = state.founded
    made = {name: value for name, value in vars(community).items() if not name.startswith("_") and name != "people"}
    return copy.deepcopy({**made, "colleges": community.colleges, "time": state.time, "attested": state.attested,
                          "governed": state.governed, "datasets": state.datasets})  # fmt: skip


TestAnyNumbers = AnyNumbers.TestCase
TestAnyNumbers.settings = settings(max_examples=examples(40), stateful_step_count=30, deadline=None)


def test_a_college_may_stay_as_it_is() -> None:
    """An amendment that brings later rules keeps the members, as any does."""
    log = Numbered()
    empty = charter_of(colleges=(College(name="users", members=()), College(name="workers", members=())), powers=EASY)
    made = log.later(ANA, 2, charter=empty)
    log.vote(BEN, made)
    assert (log.ballot(made).standing, len(log.colleges["workers"]), log.state.rules) == ("passed", 3, 2)
