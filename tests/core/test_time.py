"""Deadlines by the witnesses' clocks: a decision takes effect when they have seen its ballots in time."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import replace

import pytest

from commons.core.crypto import codec, envelope
from commons.core.crypto.keys import Signer
from commons.core.dataset.terms import DAY
from commons.core.state import entries, proposals
from commons.core.state.community import Community
from commons.core.state.entries import STAMP, Stamp
from commons.core.state.transfer import SUCCESSION, Succession
from commons.core.tlog import checkpoint, cosignature, note
from commons.core.tlog.checkpoint import Signed
from commons.core.tlog.note import COSIGNATURE, Verifier
from commons.errors import Gone, Malformed, Pending, Refused, Untrue
from tests.keeper import ALICE, BOB, EVE, Keeper

SIGNERS = [Signer(hashlib.sha256(b"witness %d" % n).digest()) for n in range(3)]
KEYS = [Verifier(name=f"w{n}.example", type=COSIGNATURE, public=each.public) for n, each in enumerate(SIGNERS)]
TWO = "\n".join([*(f"witness w{n} {key.vkey}" for n, key in enumerate(KEYS)), "group two 2 w0 w1 w2", "quorum two", ""])


class Watched:
    """A log of two members, whose witnesses sign when they are told to."""

    def __init__(self, witnesses: str = TWO) -> None:
        self.log = Keeper(witnesses=witnesses, members=(BOB.identity.peer,))

    def head(self, *times: int | None, size: int | None = None) -> bytes:
        """With a cosignature by each witness at its time; None does not sign."""
        bare = self.log.head(size)
        lines = [
            note.cosign(note.peek(bare), KEYS[n].name, SIGNERS[n], at) for n, at in enumerate(times) if at is not None
        ]
        return note.add(bare, *lines) if lines else bare

    def stamp(self, *times: int | None, size: int | None = None) -> int:
        return self.add(Stamp(type=STAMP, time=self.log.clock, head=self.head(*times, size=size)))

    def add(self, stamp: Stamp) -> int:
        return self.log.add(codec.encode(stamp))

    def admit(self, who: str = "") -> int:
        """Proposed, and voted by both members."""
        opened = self.log.propose("admit", college="members", peer=who or EVE.identity.peer)
        self.log.vote(BOB, opened)
        return opened

    def community(self) -> Community:
        state, wrong = self.log.fold()
        assert wrong == []
        assert state.community is not None
        return state.community

    def standing(self, proposal: int) -> str:
        return self.community().ballots[proposal].standing


def test_a_decision_takes_effect_when_the_witnesses_have_seen_its_votes() -> None:
    case = Watched()
    opened = case.admit()
    assert case.standing(opened) == "counted"
    assert EVE.identity.peer not in case.community().members
    state, _ = case.log.fold()
    case.log.vote(BOB, opened)
    late = entries.decode(case.log.data.pop())
    with pytest.raises(Gone, match="counted"):  # it has its votes
        state.apply(late)
    at = case.stamp(case.log.clock, case.log.clock + 5, None)
    assert (case.standing(opened), case.community().ballots[opened].closed) == ("passed", at)
    assert EVE.identity.peer in case.community().members


def test_without_witnesses_it_takes_effect_at_once() -> None:
    case = Watched(witnesses="")
    assert case.standing(case.admit()) == "passed"


def test_votes_that_a_registrar_dates_back_are_found_by_the_witnesses_clocks() -> None:
    """The entries say that both votes came in time; no witness had seen the last one by then."""
    case = Watched()
    opened = case.admit()
    deadline = case.community().ballots[opened].deadline
    case.stamp(deadline - 5, deadline + 1, deadline + 2)  # one had, and two were asked for
    assert case.standing(opened) == "expired"
    assert "witnesses saw its votes" in case.community().ballots[opened].why
    assert EVE.identity.peer not in case.community().members


def test_in_the_last_second_is_in_time() -> None:
    case = Watched()
    opened = case.admit()
    deadline = case.community().ballots[opened].deadline
    case.stamp(deadline, None, deadline)
    assert case.standing(opened) == "passed"


def test_an_open_proposal_ends_when_enough_witnesses_say_that_it_is_late() -> None:
    case = Watched()
    opened = case.log.propose("admit", college="members", peer=EVE.identity.peer)
    deadline = case.community().ballots[opened].deadline
    case.stamp(deadline + DAY, deadline, deadline)  # one clock that runs ahead ends nothing
    assert case.standing(opened) == "open"
    case.stamp(deadline + 1, deadline + 1, deadline)
    assert case.standing(opened) == "expired"


def test_a_stamp_of_a_head_before_the_votes_says_nothing_of_them() -> None:
    case = Watched()
    opened = case.admit()
    case.stamp(case.log.clock, case.log.clock, None, size=opened + 1)  # without Bob's
    assert case.standing(opened) == "counted"


@pytest.mark.parametrize("times", [(None, None, None), (1, None, None)])
def test_a_stamp_by_too_few_witnesses_is_none(times: Sequence[int | None]) -> None:
    case = Watched()
    case.admit()
    case.stamp(*times)
    _, (wrong,) = case.log.fold()
    assert isinstance(wrong, Refused)
    assert "not cosigned by enough" in wrong.message


def test_a_stamp_of_anything_else_is_none() -> None:
    case = Watched()
    case.admit()
    now = case.log.clock
    other = Watched()
    other.log.propose("admit", college="members", peer=EVE.identity.peer)
    true = case.head(now, now, None)
    for head in (
        b"nonsense", other.head(now, now, None).replace(b"commons/", b"other/", 1),
        true.replace(b"\n3\n", b"\n2\n", 1), true + b"\n",
    ):  # fmt: skip
        lie = Stamp(type=STAMP, time=now, head=head)
        case.add(lie)
        state, wrong = case.log.fold()
        assert [type(each) for each in wrong] in ([Malformed], [Untrue])
        assert state.community is not None
        assert state.community.counted
        case.log.data.pop()
    longer = Watched()
    longer.log.data, longer.log.clock = list(case.log.data), now
    longer.log.propose("admit", college="members", peer=ALICE.identity.peer)
    case.add(Stamp(type=STAMP, time=now, head=longer.head(now, now, None)))  # of an entry that is not there yet
    _, (late,) = case.log.fold()
    assert isinstance(late, Untrue)


def test_an_invitation_is_taken_when_its_witnesses_have_seen_that_it_passed() -> None:
    case = Watched()
    opened = case.log.propose("admit", college="members", key=Signer(b"t" * 32).public, expires=case.log.clock + DAY)
    case.log.vote(BOB, opened)
    community = case.community()
    proof = proposals.take(case.log.commons, Signer(b"t" * 32), EVE.identity.peer)
    said = proposals.Join(commons=case.log.commons, invitation=opened, proof=proof, time=case.log.clock)
    with pytest.raises(Pending, match="waits for the witnesses"):
        community.join(9, EVE.identity.peer, said, case.log.clock)


def test_what_witnesses_that_are_gone_must_not_hold_up_needs_none() -> None:
    case = Watched()
    community = case.community()
    amended = replace(community.charter, witnesses="", colleges=tuple(
        replace(each, members=()) for each in community.charter.colleges))  # fmt: skip
    opened = case.log.propose("amend-charter", charter=amended)
    case.log.vote(BOB, opened)
    assert case.standing(opened) == "passed"
    assert case.community().charter.witnesses == ""
    assert case.standing(case.log.propose("admit", college="members", peer=EVE.identity.peer)) == "open"


def test_what_waits_for_witnesses_takes_effect_when_the_members_do_without_them() -> None:
    case = Watched()
    waiting = case.admit()
    community = case.community()
    amended = replace(community.charter, witnesses="", colleges=tuple(
        replace(each, members=()) for each in community.charter.colleges))  # fmt: skip
    opened = case.log.propose("amend-charter", charter=amended)
    assert case.standing(waiting) == "counted"
    case.log.vote(BOB, opened)
    assert case.standing(waiting) == "passed"
    assert EVE.identity.peer in case.community().members


def test_a_log_goes_on_from_a_head_by_the_witnesses_of_its_day() -> None:
    """The members chose witnesses that there are not; the last head that anybody signed is from before that."""
    case = Watched()
    base = case.head(case.log.clock, case.log.clock, None)
    community = case.community()
    gone = Verifier(name="gone.example", type=COSIGNATURE, public=Signer(b"g" * 32).public)
    amended = replace(community.charter, witnesses=f"witness gone {gone.vkey}\nquorum gone\n", colleges=tuple(
        replace(each, members=()) for each in community.charter.colleges))  # fmt: skip
    case.log.vote(BOB, case.log.propose("amend-charter", charter=amended))
    keys = [BOB.log(n, case.log.commons).public for n in (0, 1)]
    said = proposals.Proposal(
        commons=case.log.commons, action="change-registrar", time=case.log.clock, nonce=bytes(16),
        peer=BOB.identity.peer, log_key=keys[0], next_key=hashlib.sha256(keys[1]).digest(),
    )  # fmt: skip
    opened = case.log.add(envelope.sign(proposals.PROPOSAL, said, BOB.identity))
    case.log.vote(ALICE, opened)
    taken = Succession(commons=case.log.commons, head=base, time=case.log.clock)
    case.log.add(envelope.sign(SUCCESSION, taken, BOB.identity))
    state, wrong = case.log.fold()
    assert (wrong, state.keeper.public) == ([], keys[0])


def test_of_two_decisions_about_one_thing_the_first_stamped_holds() -> None:
    case = Watched()
    first, second = case.admit(), case.admit()
    assert (case.standing(first), case.standing(second)) == ("counted", "counted")
    case.stamp(case.log.clock, case.log.clock, None)
    assert (case.standing(first), case.standing(second)) == ("passed", "void")


def test_when_a_head_was_seen() -> None:
    log = Verifier(name="log.example", public=Signer(b"l" * 32).public)
    head = checkpoint.Checkpoint(origin="log.example", size=1, root=bytes(32))
    asked = cosignature.quorum(TWO)
    bare = checkpoint.sign(head, Signer(b"l" * 32))

    def seen(*times: int) -> tuple[int, int]:
        lines = [note.cosign(head.text(), KEYS[n].name, SIGNERS[n], at) for n, at in enumerate(times)]
        signed, _ = cosignature.open(note.add(bare, *lines) if lines else bare, log, asked)
        assert isinstance(signed, Signed)
        return cosignature.seen(signed, asked)

    assert seen(10, 20, 30) == (20, 20)
    assert seen(30, 10) == (30, 10)
    assert seen(7, 7, 7) == (7, 7)
    with pytest.raises(Refused, match="enough"):
        seen(10)


def test_what_needs_no_witnesses_is_not_ended_by_their_clocks() -> None:
    case = Watched()
    community = case.community()
    amended = replace(community.charter, witnesses="", colleges=tuple(
        replace(each, members=()) for each in community.charter.colleges))  # fmt: skip
    opened = case.log.propose("amend-charter", charter=amended)
    late = case.community().ballots[opened].deadline + 1
    case.stamp(late, late, late)
    assert case.standing(opened) == "open"
    case.log.vote(BOB, opened)
    assert case.standing(opened) == "passed"
