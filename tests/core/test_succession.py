"""A log that changes hands, in the fold alone: what registrar, heir and members can do to it, and what they cannot."""

from __future__ import annotations

import hashlib
from itertools import pairwise

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import initialize, invariant, rule

from commons.core.crypto import codec, envelope
from commons.core.crypto.keys import Keys, Signer
from commons.core.dataset.rule import Rule
from commons.core.dataset.terms import DAY
from commons.core.state import entries
from commons.core.state.community import Community
from commons.core.state.entries import STAMP, Stamp
from commons.core.state.proposals import PROPOSAL, Proposal
from commons.core.state.transfer import SUCCESSION, Succession
from commons.core.tlog import checkpoint, note
from commons.core.tlog.note import Verifier
from commons.errors import Refused
from tests.core.test_community import ANA, PEOPLE, AnyCommunity, Log, people
from tests.keeper import ALICE, BOB, Keeper
from tests.rows import examples


class Handed:
    """A log of two members, Alice who keeps it and Bob who is to."""

    def __init__(self) -> None:
        self.log = Keeper(members=(BOB.identity.peer,))

    def offer(self, of: Keys, by: Keys | None = None, n: int = 0) -> int:
        keys = [of.log(at, self.log.commons).public for at in (n, n + 1)]
        said = Proposal(
            commons=self.log.commons, action="change-registrar", time=self.log.clock, nonce=bytes(15) + bytes([n]),
            peer=of.identity.peer, log_key=keys[0], next_key=hashlib.sha256(keys[1]).digest(),
        )  # fmt: skip
        return self.log.add(envelope.sign(PROPOSAL, said, (by or of).identity))

    def choose(self) -> int:
        opened = self.offer(BOB)
        self.log.vote(ALICE, opened)
        return opened

    def succeed(self, head: bytes | None = None) -> int:
        said = Succession(commons=self.log.commons, head=head or self.log.head(), time=self.log.clock)
        index = self.log.add(envelope.sign(SUCCESSION, said, BOB.identity))
        self.log.signer = BOB.log(0, self.log.commons)
        return index


def test_a_log_changes_hands() -> None:
    case = Handed()
    case.choose()
    case.succeed()
    state, wrong = case.log.fold()
    assert wrong == []
    assert state.charter is not None
    assert (state.charter.registrar, state.keeper.public) == (BOB.identity.peer, case.log.signer.public)


def test_a_stamp_in_a_log_without_witnesses_is_a_fault_and_ends_nobodys_reading() -> None:
    case = Handed()
    case.log.add(codec.encode(Stamp(type=STAMP, time=case.log.clock, head=case.log.head())))
    _, (wrong,) = case.log.fold()
    assert isinstance(wrong, Refused)


def test_a_registrar_that_dates_far_ahead_ends_no_log() -> None:
    case = Handed()
    now, case.log.clock = case.log.clock, case.log.clock + 3650 * DAY
    case.log.publish()
    case.log.clock = now
    case.choose()
    case.succeed()
    state, wrong = case.log.fold()
    assert (wrong, state.keeper.public) == ([], case.log.signer.public)
    assert state.time < now + DAY
    early = Handed()
    early.choose()
    early.log.clock -= 30  # before those who chose had signed
    early.succeed()
    assert len(early.log.fold()[1]) == 1


def test_who_is_expelled_is_no_heir_any_more() -> None:
    case = Handed()
    case.choose()
    opened = case.log.propose("expel", college="members", peer=BOB.identity.peer)
    case.log.vote(BOB, opened)
    case.log.publish()  # nobody is waited for
    state, wrong = case.log.fold()
    assert (wrong, len(state.datasets)) == ([], 1)
    assert state.community is not None
    assert state.community.heir is None


def test_while_an_heir_is_awaited_the_registrar_adds_nothing_not_even_what_nobody_knows() -> None:
    case = Handed()
    case.choose()
    case.log.add(b"\x81\xa4type\xa1x")
    assert len(case.log.fold()[1]) == 1


def test_nobody_offers_that_somebody_else_keeps_the_log_under_a_key_that_is_not_theirs() -> None:
    case = Handed()
    case.offer(BOB, by=ALICE)
    _, (wrong,) = case.log.fold()
    assert isinstance(wrong, Refused)
    assert "offers it" in wrong.message


# -- any log that changes hands, with and without witnesses ------------------------------------------------------------


WITNESS = Signer(b"w" * 32)
SEES = Verifier(name="w.example", type=note.COSIGNATURE, public=WITNESS.public)


def key(who: Signer, n: int) -> Signer:
    """The keys under which somebody would keep the log."""
    return Signer(hashlib.sha256(b"%d" % n + who.public).digest())


class AnyHands(AnyCommunity):
    """Offers, successions and stamps among all the rest, most of them refused."""

    @initialize(witnessed=st.booleans())
    def found(self, witnessed: bool = False) -> None:
        asked = f"witness w {SEES.vkey}\nquorum w\n" if witnessed else ""
        self.log = Log(
            witnesses=asked, log_key=key(ANA, 0).public, next_key=hashlib.sha256(key(ANA, 1).public).digest()
        )
        self.log.publish(Rule(kind="vote"))

    @property
    def community(self) -> Community:
        assert self.log.state.community is not None
        return self.log.state.community

    def head(self, size: int, dated: int) -> bytes:
        """By who kept the log at that size; the fold does not know the root."""
        last = next(each for each in reversed(self.community.tenures) if each.since < max(size, 1))
        signer = next(key(who, n) for who in PEOPLE for n in range(4) if key(who, n).public == last.key)
        said = checkpoint.Checkpoint(origin=f"commons/{self.log.commons}", size=size, root=bytes(32))
        return note.add(checkpoint.sign(said, signer), note.cosign(said.text(), SEES.name, WITNESS, dated))

    @rule(who=people, n=st.integers(0, 2))
    def offer(self, who: Signer, n: int) -> None:
        following = hashlib.sha256(key(who, n + 1).public).digest()
        self.attempt(lambda: self.log.propose(
            who, "change-registrar", peer=who.peer, log_key=key(who, n).public, next_key=following
        ))  # fmt: skip

    @rule(choice=st.sampled_from(["yes", "yes", "yes", "no"]), who=people)
    def ballot_on_the_newest(self, who: Signer, choice: str) -> None:
        self.attempt(lambda: self.log.vote(who, max(self.community.ballots, default=0), choice))

    @rule(who=people, back=st.integers(-1, 6))
    def succeed(self, who: Signer, back: int) -> None:
        head = self.head(max(1, self.log.state.size - back), self.log.time)
        said = Succession(commons=self.log.commons, head=head, time=self.log.tick())
        self.attempt(lambda: self.log.add(SUCCESSION, said, who))

    @rule(back=st.integers(-1, 3), late=st.integers(-1, 15))
    def stamp(self, back: int, late: int) -> None:
        head = self.head(max(1, self.log.state.size - back), max(0, self.log.time + late * DAY))
        said = Stamp(type=STAMP, time=self.log.tick(), head=head)
        self.attempt(lambda: self.log.state.apply(entries.decode(codec.encode(said))))

    @invariant()
    def each_key_is_of_one_tenure_and_each_tenure_goes_on_from_what_was_witnessed(self) -> None:
        tenures, state = self.community.tenures, self.log.state
        assert len({each.key for each in tenures}) == len(tenures)
        for before, after in pairwise(tenures):
            assert after.base is not None
            assert before.since < after.base.size <= after.since < state.size
        assert (tenures[-1].registrar, tenures[-1].key) == (
            self.community.charter.registrar, self.community.charter.log_key,
        )  # fmt: skip

    @invariant()
    def while_somebody_is_to_take_it_over_nobody_else_adds_to_it(self) -> None:
        if self.community.heir is not None:
            assert self.log.state.attested <= max(
                each.closed or 0 for each in self.community.ballots.values() if each.entry == self.community.heir
            )  # fmt: skip

    @invariant()
    def what_is_counted_waits_for_witnesses_that_there_are(self) -> None:
        for ballot in self.community.counted.values():
            assert self.community.charter.witnesses
            assert (ballot.standing, ballot.closed) == ("counted", None)


TestAnyHands = AnyHands.TestCase
TestAnyHands.settings = settings(max_examples=examples(40), stateful_step_count=30, deadline=None)
