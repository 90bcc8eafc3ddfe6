"""A signed release as evidence: each way of giving without the log's leave convicts, and no evidence convicts who kept
the rules."""

from __future__ import annotations

import os
from dataclasses import replace
from typing import Any

import pytest

from commons.core.crypto import envelope, ids
from commons.core.crypto.envelope import Opened
from commons.core.dataset.rule import Rule
from commons.core.state import entries
from commons.core.state.entries import Asked
from commons.core.state.transfer import Tenure
from commons.core.tlog import checkpoint, merkle
from commons.custody import handover, sharing
from commons.custody.handover import Released
from commons.custody.misconduct import accuse, judge
from commons.errors import CommonsError, Malformed, Outdated, Untrue
from commons.log.answer import ProvenEntry
from tests.keeper import ALICE, BOB, EVE, KEEPERS, Keeper, custodians

RULE = custodians(2, 2)
MALLORY = KEEPERS[0]  # a custodian


class Case:
    """A log of charter, publish, Bob's request and its grant, Eve's request, which waits; and what Mallory signs."""

    def __init__(self, members: tuple[str, ...] = (), rule: Rule | None = None, **grant: Any) -> None:
        self.log = Keeper(members=members)
        self.dataset = self.log.publish(rule)
        self.bob = self.log.ask(BOB, self.dataset)
        self.log.decide(**grant)
        self.eve = self.log.ask(EVE, self.dataset)
        _, deposits = self.log.deposit(bytes(32), RULE, os.urandom)
        self.taken = sharing.take(deposits["c0"], MALLORY.identity.peer, MALLORY.custody())

    def release(self, said: Opened[Asked] | None = None, request: int = 2, decision: int = 3, **words: Any) -> bytes:
        told = {"shown": self.log.head(), "head": self.log.head(), "time": self.log.clock, **words}
        return handover.release(
            self.taken, said or self.bob, MALLORY.identity, request=request, decision=decision, **told
        )  # fmt: skip

    @property
    def kept(self) -> list[Tenure]:
        return [Tenure(since=0, registrar=ALICE.identity.peer, key=self.log.signer.public)]

    def everything(self) -> list[ProvenEntry]:
        return [self.log.shown(n) for n in range(len(self.log.data))]

    def verdicts(self, release: bytes) -> tuple[str, str]:
        return accuse(release, self.log.charter, self.everything(), self.kept), judge(release, self.log.data)


def lied(data: bytes, **lies: Any) -> bytes:
    value = replace(handover.open_released(data).value, **lies)
    return envelope.sign(handover.RELEASED, value, MALLORY.identity)


def test_nothing_convicts_who_kept_the_rules() -> None:
    case = Case()
    release = case.release()
    assert case.verdicts(release) == ("", "")
    case.log.revoke(2)  # later, under a head that the release could not know
    case.log.redact(2)
    case.log.add(b"\x81\xa4type\xa1x")
    size = 5
    then = [case.log.shown(n, size) for n in range(size)]
    assert accuse(release, case.log.charter, then) == ""
    assert judge(release, case.log.data[:size]) == ""


def test_a_release_of_what_the_members_withdrew_convicts() -> None:
    case = Case()
    before = case.release()
    case.log.propose("withdraw", dataset=case.dataset)
    assert "withdrawn by its community at entry 5" in judge(case.release(), case.log.data)
    assert judge(before, case.log.data[:5]) == ""


def test_a_release_to_who_was_expelled_convicts() -> None:
    case = Case(members=(BOB.identity.peer,), rule=Rule(kind="members"), reason="member")
    before = case.release()
    assert judge(before, case.log.data) == ""
    index = case.log.propose("expel", college="members", peer=BOB.identity.peer)
    assert judge(case.release(), case.log.data) == ""  # proposed only
    case.log.vote(BOB, index)
    assert "you are none any more" in judge(case.release(), case.log.data)
    assert judge(before, case.log.data[:5]) == ""


@pytest.mark.parametrize("more", range(5, 8))
def test_evidence_from_another_size_of_the_log_is_refused(more: int) -> None:
    case = Case()
    release = case.release()
    case.log.revoke(2)
    case.log.redact(2)
    case.log.ask(BOB, case.dataset)
    with pytest.raises(Untrue):
        accuse(release, case.log.charter, [case.log.shown(n, more + 1) for n in range(more)])
    with pytest.raises(Untrue):
        judge(release, case.log.data[: more + 1])


def test_false_evidence_is_refused() -> None:
    case = Case()
    release, true = case.release(), case.log.shown(2)
    lies = [
        replace(true, entry=case.log.data[4]), replace(true, index=3), replace(true, proof=true.proof[1:]),
        replace(true, index=99), replace(true, proof=()), replace(case.log.shown(4), index=2),
    ]  # fmt: skip
    for lie in lies:
        with pytest.raises(CommonsError):
            accuse(release, case.log.charter, [lie])
    with pytest.raises(Untrue):  # an opening of somebody else's request
        accuse(release, case.log.charter, [replace(true, opening=case.log.openings[4])])
    with pytest.raises(Untrue, match="charter"):
        accuse(release, Keeper(members=(BOB.identity.peer,)).charter)
    for data in case.log.data[1:3]:  # another statement, and an entry that nobody signed
        for about in (case.log.commons, ids.cid(data)):
            with pytest.raises(Untrue, match="not the charter of the commons"):
                accuse(lied(release, commons=about), data)


def test_a_release_for_a_request_that_is_not_in_the_log_convicts() -> None:
    case = Case()
    unlogged = case.log.ask(EVE, case.dataset, log=False)
    for words in ({"request": 5, "decision": 6}, {"request": 2, "decision": 5}, {"request": 3, "decision": 2},
                  {"request": 3, "decision": 3}):  # fmt: skip
        both = case.verdicts(case.release(unlogged, **words))
        assert all(verdict.startswith("it rests on entry") for verdict in both)


def test_a_release_for_somebody_elses_request_convicts() -> None:
    case = Case()
    unlogged = case.log.ask(EVE, case.dataset, log=False)
    told, _ = case.verdicts(case.release(unlogged))  # who asked is no public field: the opening shows it
    assert told == "request 2 was made by somebody else"
    assert accuse(case.release(unlogged), case.log.charter, [replace(case.log.shown(2), opening=None)]) == ""


def test_a_release_without_a_grant_convicts() -> None:
    case = Case()
    assert case.verdicts(case.release(case.eve, request=2, decision=4)) == (
        "request 2 was made by somebody else", "request 2 was decided by entry 3, not 4",
    )  # fmt: skip
    nothing = accuse(case.release(decision=4), case.log.charter, [case.log.shown(4)])
    assert nothing == "entry 4 grants nothing to request 2"
    case.log.decide("refuse", "purpose", request=4)
    told = case.verdicts(case.release(case.eve, request=4, decision=5))
    assert told[0] == "entry 5 grants nothing to request 4"
    assert "refused at entry 5" in told[1]
    assert case.verdicts(case.release(case.eve, request=4, decision=3))[0] != ""


def test_a_release_of_another_dataset_convicts() -> None:
    case = Case()
    told = case.verdicts(lied(case.release(), dataset=case.log.commons))
    assert told == ("entry 2 asks for nothing of this dataset", "request 2 asked for another dataset")
    assert case.verdicts(lied(case.release(), epoch=1)) == told
    assert case.verdicts(lied(case.release(), request=1))[0] != ""


def test_a_release_after_the_grant_expired_convicts() -> None:
    case = Case(expires=Keeper().clock + 50)
    assert case.verdicts(case.release()) == ("", "")
    ends = entries.decode(case.log.data[3]).expires  # type: ignore[union-attr]
    assert case.verdicts(case.release(time=ends - 1)) == ("", "")
    for time in (ends, ends + 50):
        told = case.verdicts(case.release(time=time))
        assert told[0] == "the grant at entry 3 had expired"
        assert "expired" in told[1]


def test_a_release_after_a_revocation_convicts_by_the_whole_log() -> None:
    case = Case()
    case.log.revoke(2)
    told = case.verdicts(case.release())
    assert "revoked at entry 5" in told[1]


def test_a_release_after_an_erasure_convicts_by_the_whole_log() -> None:
    case = Case()
    case.log.redact(2, 3)
    assert "erased at entry 5" in case.verdicts(case.release())[1]


def test_a_broken_revocation_that_the_log_shows_convicts_nobody() -> None:
    case = Case()
    case.log.decide(
        "revoke", "revoked", request=2, basis=0, steward=ALICE.identity
    )  # rests on nothing: no right, no end
    assert case.verdicts(case.release()) == ("", "")


def test_an_invented_head_convicts() -> None:
    case = Case()
    true = checkpoint.open(case.log.head(), case.log.log).checkpoint
    invented = checkpoint.sign(replace(true, root=merkle.leaf(b"mine")), MALLORY.identity)
    assert "never signed" in accuse(case.release(head=b""), case.log.charter)
    longer = checkpoint.sign(replace(true, size=true.size + 1), case.log.signer)
    with pytest.raises(Untrue, match="not the entries under the head"):
        judge(case.release(head=longer), case.log.data)
    with pytest.raises(Untrue, match="not the entries under the head"):
        judge(case.release(), [*case.log.data[:4], case.log.data[3]])
    for words in ({"head": invented}, {"shown": invented}, {"head": b""}, {"shown": b"\xff"}):
        assert case.verdicts(case.release(**words)) == ("it rests on a head that the log never signed",) * 2


def test_two_heads_that_contradict_each_other_convict() -> None:
    case = Case()
    older = case.log.head(4)
    assert case.verdicts(case.release(shown=older)) == ("", "")
    true = checkpoint.open(case.log.head(), case.log.log).checkpoint
    forked = checkpoint.sign(replace(true, root=merkle.leaf(b"fork")), case.log.signer)
    for words in ({"shown": case.log.head(), "head": older}, {"shown": forked}):
        assert "contradict" in case.verdicts(case.release(**words))[0]


def test_a_release_is_signed_and_says_by_whom() -> None:
    case = Case()
    assert handover.open_released(case.release()).signer == MALLORY.identity.peer
    data = bytearray(case.release())
    data[200] ^= 1
    for wrong in (bytes(data), b"", case.log.charter):
        with pytest.raises((Malformed, Untrue)):
            accuse(wrong, case.log.charter)


def test_the_fields_that_convict_are_all_there() -> None:
    assert {"request", "decision", "shown", "head", "time", "requester", "dataset"} <= set(Released.__slots__)


def test_a_custodian_that_relied_on_the_old_registrar_is_not_convicted_by_those_who_went_on_without_it() -> None:
    """The log went on from before the head that this custodian was shown, under another key, and is longer by now."""
    case = Case(members=(BOB.identity.peer,))
    release, charter = case.release(), case.log.charter
    heir = BOB.log(0, case.log.commons)
    base = checkpoint.open(case.log.head(3), case.log.log).checkpoint
    tenures = [
        Tenure(since=0, registrar=ALICE.identity.peer, key=case.log.signer.public),
        Tenure(since=4, registrar=BOB.identity.peer, key=heir.public, base=base),
    ]
    assert accuse(release, charter, case.everything(), tenures) == ""
    invented = checkpoint.sign(base, MALLORY.identity)
    assert "never signed" in accuse(case.release(head=invented), charter, (), tenures)


def test_a_head_by_a_later_key_convicts_nobody_by_the_charter_alone() -> None:
    case = Case()
    later = checkpoint.sign(checkpoint.open(case.log.head(), case.log.log).checkpoint, BOB.log(0, case.log.commons))
    with pytest.raises(Untrue, match="another key"):
        accuse(case.release(head=later), case.log.charter)
    base = checkpoint.open(case.log.head(4), case.log.log).checkpoint
    key = BOB.log(0, case.log.commons).public
    kept = [*case.kept, Tenure(since=4, registrar=BOB.identity.peer, key=key, base=base)]
    assert accuse(case.release(head=later), case.log.charter, case.everything(), kept) == ""


def test_who_does_not_know_the_rules_convicts_nobody_by_them() -> None:
    case = Case()
    later = replace(checkpoint.open(case.log.head(), case.log.log).checkpoint, rules=2)
    signed = checkpoint.sign(later, case.log.signer)
    for words in ({"head": signed}, {"shown": signed}):
        release = case.release(**words)
        with pytest.raises(Outdated, match="rules 2"):
            accuse(release, case.log.charter, case.everything(), case.kept)
        with pytest.raises(Outdated, match="rules 2"):
            judge(release, case.log.data)
