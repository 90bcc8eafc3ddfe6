"""A log that changes hands, in the fold alone: what registrar, heir and members can do to it, and what they cannot."""

from __future__ import annotations

import hashlib

from commons.core import codec, entries, envelope
from commons.core.entries import STAMP, Stamp
from commons.core.governance import PROPOSAL, Proposal
from commons.core.keys import Keys
from commons.core.state import State
from commons.core.succession import SUCCESSION, Succession
from commons.errors import CommonsError, Refused
from tests.keeper import ALICE, BOB, Keeper


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

    def fold(self) -> tuple[State, list[CommonsError]]:
        state, wrong = State(), []
        for index, data in enumerate(self.log.data):
            try:
                state.apply(entries.decode(data))
            except CommonsError as error:
                wrong.append(error)
                state.size = index + 1
        return state, wrong


def test_a_log_changes_hands() -> None:
    case = Handed()
    case.choose()
    case.succeed()
    state, wrong = case.fold()
    assert wrong == []
    assert state.charter is not None
    assert (state.charter.registrar, state.keeper.public) == (BOB.identity.peer, case.log.signer.public)


def test_a_stamp_in_a_log_without_witnesses_is_a_fault_and_ends_nobodys_reading() -> None:
    case = Handed()
    case.log.add(codec.encode(Stamp(type=STAMP, time=case.log.clock, head=case.log.head())))
    _, (wrong,) = case.fold()
    assert isinstance(wrong, Refused)


def test_nobody_offers_that_somebody_else_keeps_the_log_under_a_key_that_is_not_theirs() -> None:
    case = Handed()
    case.offer(BOB, by=ALICE)
    _, (wrong,) = case.fold()
    assert isinstance(wrong, Refused)
    assert "offers it" in wrong.message
