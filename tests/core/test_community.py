"""Colleges, proposals and ballots: what passes when, what is refused, and that the log alone decides."""

from __future__ import annotations

import copy
import hashlib
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from commons.core.crypto import codec, envelope, ids
from commons.core.crypto.keys import Signer
from commons.core.dataset.rule import Rule, as_wide
from commons.core.dataset.terms import DAY
from commons.core.state import entries, proposals
from commons.core.state.charter import CHARTER, Charter, College, Power, check_livable
from commons.core.state.community import Ballot
from commons.core.state.entries import Decision, Publish, Request
from commons.core.state.fold import State
from commons.core.state.proposals import Join, Proposal, Vote
from commons.errors import CommonsError, Conflict, Gone, Malformed, NotFound, Pending, Refused, Untrue
from tests.rows import examples

ANA, BEN, CLEO, DORA, EMIL, EVE = (Signer(bytes([n]) * 32) for n in range(1, 7))
DOUBLE = "group w majority *workers\ngroup u any *users\ngroup both all w u\nquorum both\n"
WORKERS = "group w majority *workers\nquorum w\n"
SERIES = bytes(16)


def college(name: str, *members: Signer) -> College:
    return College(name=name, members=tuple(sorted(member.peer for member in members)))


def charter_of(**lies: Any) -> Charter:
    said: dict[str, Any] = {
        "name": "River watch", "purpose": "To know our rivers", "time": 1,
        "colleges": (college("users", DORA, EMIL), college("workers", ANA, BEN, CLEO)),
        "powers": (Power(action="admit", rule=WORKERS, days=7), Power(action="amend-charter", rule=DOUBLE, days=14)),
        "registrar": ANA.peer, "log_key": bytes(32), "next_key": bytes(32), "readers": "members",
        "retention_days": None, "witnesses": "", "custodians": "", "ratchets": (),
    }  # fmt: skip
    return Charter(**{**said, **lies})


class Log:
    """A log in the making: entries one after the other, each dated a second after the one before."""

    def __init__(self, **charter: Any) -> None:
        self.state, self.time = State(), 1
        founded = envelope.sign(CHARTER, charter_of(**charter), ANA)
        self.state.apply(entries.decode(founded))
        self.commons = ids.cid(founded)

    def add(self, kind: str, value: Any, signer: Signer) -> int:
        self.state.apply(entries.decode(envelope.sign(kind, value, signer)))
        return self.state.size - 1

    def tick(self, seconds: int = 1) -> int:
        self.time += seconds
        return self.time

    def propose(self, signer: Signer, action: str, **what: Any) -> int:
        said = Proposal(commons=self.commons, action=action, time=self.tick(), nonce=bytes(16), **what)
        return self.add(proposals.PROPOSAL, said, signer)

    def vote(self, signer: Signer, proposal: int, choice: str = "yes", **lies: Any) -> int:
        assert self.state.community is not None
        known = self.state.community.ballots.get(proposal)
        digest = known.digest if known else hashlib.sha256(b"%d" % proposal).digest()
        said = {"commons": self.commons, "proposal": digest, "choice": choice, "reason": "", "time": self.tick()}
        return self.add(proposals.VOTE, Vote(**{**said, **lies}), signer)

    def join(self, signer: Signer, invitation: int, token: Signer, commons: str | None = None) -> int:
        proof = proposals.take(commons or self.commons, token, signer.peer)
        said = Join(commons=self.commons, invitation=invitation, proof=proof, time=self.tick())
        return self.add(proposals.JOIN, said, signer)

    def publish(self, rule: Rule, version: int = 1, purposes: tuple[str, ...] = ()) -> str:
        cid = ids.cid(bytes([version]))
        epoch = self.state.epoch_for(SERIES, bytes(32), rule)
        said = Publish(
            commons=self.commons, time=self.tick(), manifest=cid, series=SERIES, version=version, title="t",
            licence="CC0-1.0", terms=bytes(32), rule=rule, purposes=purposes, grant_days=None, epoch=epoch,
        )  # fmt: skip
        self.add(entries.PUBLISH, said, ANA)
        return cid

    def request(self, dataset: str) -> int:
        leaf = Request(
            type=entries.REQUEST, time=self.tick(), dataset=dataset, terms=bytes(32),
            epoch=self.state.datasets[dataset].entry.epoch, purpose="research", requester=bytes(32),
            statement=bytes(32), details=None,
        )  # fmt: skip
        self.state.apply(entries.decode(codec.encode(leaf)))
        return self.state.size - 1

    def decide(self, request: int, outcome: str, reason: str = "voted", expires: int | None = None) -> None:
        basis = self.state.datasets[self.state.accesses[request].entry.dataset].basis
        leaf = Decision(
            type=entries.DECISION, time=self.tick(), request=request, outcome=outcome, reason=reason, basis=basis,
            expires=expires, statement=None,
        )  # fmt: skip
        self.state.apply(entries.decode(codec.encode(leaf)))

    def ballot(self, index: int) -> Ballot:
        assert self.state.community is not None
        return self.state.community.ballot(index)

    @property
    def colleges(self) -> dict[str, tuple[str, ...]]:
        assert self.state.community is not None
        return self.state.community.colleges


# -- ballots ----------------------------------------------------------------------------------------------------------


def test_a_proposal_passes_at_the_ballot_that_fulfils_its_rule() -> None:
    log = Log()
    admitted = log.propose(ANA, "admit", college="workers", peer=EVE.peer)
    assert (log.ballot(admitted).standing, log.ballot(admitted).deadline) == ("open", log.time + 7 * DAY)
    last = log.vote(CLEO, admitted)
    assert (log.ballot(admitted).standing, log.ballot(admitted).closed) == ("passed", last)
    assert EVE.peer in log.colleges["workers"]


def test_all_workers_and_no_user_is_not_enough() -> None:
    log = Log()
    amended = log.propose(ANA, "amend-charter", charter=charter_of(name="Water watch"))
    log.vote(BEN, amended)
    log.vote(CLEO, amended)
    community = log.state.community
    assert community is not None
    assert log.ballot(amended).standing == "open"
    assert community.missing(log.ballot(amended)) == "1 of users"
    assert community.silent(log.ballot(amended)) == sorted([DORA.peer, EMIL.peer])
    log.vote(EMIL, amended)
    assert log.ballot(amended).standing == "passed"
    assert community.charter.name == "Water watch"


def test_a_proposal_is_rejected_when_its_rule_cannot_be_fulfilled_any_more() -> None:
    log = Log()
    admitted = log.propose(ANA, "admit", college="users", peer=EVE.peer)
    log.vote(BEN, admitted, "no")
    assert log.ballot(admitted).standing == "open"
    log.vote(CLEO, admitted, "abstain")
    assert log.ballot(admitted).standing == "rejected"
    with pytest.raises(Gone, match="rejected at entry"):
        log.vote(DORA, admitted)
    assert EVE.peer not in log.colleges["users"]


@pytest.mark.parametrize(
    ("cast", "kind"),
    [
        (lambda log, p: log.vote(ANA, p), Conflict),  # who proposed has voted
        (lambda log, p: [log.vote(DORA, p), log.vote(DORA, p, "no")], Conflict),
        (lambda log, p: log.vote(EVE, p), Refused),
        (lambda log, p: log.vote(BEN, p + 1), NotFound),
        (lambda log, p: log.vote(BEN, 0), NotFound),
        (lambda log, p: log.vote(BEN, p, commons=ids.cid(b"another commons")), Conflict),
        (lambda log, p: [log.tick(15 * DAY), log.vote(BEN, p)], Gone),
        (lambda log, p: log.propose(EVE, "admit", college="workers", peer=EVE.peer), Refused),
        (lambda log, p: log.propose(ANA, "admit", college="elders", peer=EVE.peer), NotFound),
        (lambda log, p: log.propose(ANA, "admit", college="workers", peer=BEN.peer), Conflict),
        (lambda log, p: log.propose(ANA, "expel", college="workers", peer=EVE.peer), NotFound),
        (lambda log, p: log.propose(ANA, "withdraw", dataset=ids.cid(b"none")), NotFound),
        (lambda log, p: log.propose(ANA, "set-rule", series=bytes(16), rule=Rule(kind="vote")), NotFound),
        (lambda log, p: log.propose(ANA, "grant", target=0), NotFound),
        (lambda log, p: log.propose(ANA, "close-invitation", target=p), Conflict),
    ],
)  # fmt: skip
def test_what_nobody_may_do_is_refused_and_changes_nothing(cast: Any, kind: type[CommonsError]) -> None:
    log = Log()
    proposal = log.propose(ANA, "amend-charter", charter=charter_of(name="Water watch"))
    before = copy.deepcopy(log.state)
    with pytest.raises(kind):
        cast(log, proposal)
    ballot = log.ballot(proposal)
    assert (log.colleges, ballot.standing in ("open", "expired")) == (before.community.colleges, True)  # type: ignore[union-attr]
    assert set(ballot.votes) <= {ANA.peer, DORA.peer}


def test_a_ballot_keeps_its_reason() -> None:
    log = Log()
    admitted = log.propose(ANA, "admit", college="workers", peer=EVE.peer)
    log.vote(DORA, admitted, "no", reason="Nobody knows her")
    log.vote(BEN, admitted)
    assert log.ballot(admitted).votes == {ANA.peer: "yes", DORA.peer: "no", BEN.peer: "yes"}
    assert log.ballot(admitted).reasons == {DORA.peer: "Nobody knows her"}


def test_who_is_in_two_colleges_counts_once_in_each() -> None:
    both = "group b 3 *users *workers\nquorum b\n"
    log = Log(
        colleges=(college("users", ANA, DORA), college("workers", ANA, BEN, CLEO)),
        powers=(Power(action="amend-charter", rule=both, days=7),),
    )
    admitted = log.propose(ANA, "admit", college="users", peer=EVE.peer)
    assert log.ballot(admitted).standing == "open"
    log.vote(DORA, admitted)
    assert log.ballot(admitted).standing == "passed"


def test_a_former_member_votes_no_more_and_their_ballot_counts_no_more() -> None:
    log = Log()
    admitted = log.propose(BEN, "admit", college="users", peer=EVE.peer)
    expelled = log.propose(ANA, "expel", college="workers", peer=BEN.peer)
    for signer in (CLEO, DORA):
        log.vote(signer, expelled)
    assert log.ballot(expelled).standing == "passed"
    with pytest.raises(Refused):
        log.vote(BEN, log.propose(ANA, "admit", college="workers", peer=EMIL.peer))
    log.vote(CLEO, admitted)  # one of two, and Ben's yes is none any more
    assert log.ballot(admitted).standing == "open"


def test_two_proposals_that_conflict_are_not_both_done() -> None:
    log = Log()
    first = log.propose(ANA, "admit", college="workers", peer=EVE.peer)
    second = log.propose(BEN, "admit", college="workers", peer=EVE.peer)
    log.vote(BEN, first)
    log.vote(CLEO, second)
    assert log.ballot(first).standing == "passed"
    log.vote(ANA, second)
    assert (log.ballot(second).standing, "already" in log.ballot(second).why) == ("void", True)


def test_a_member_proposes_what_others_decide() -> None:
    log = Log()
    admitted = log.propose(DORA, "admit", college="workers", peer=EVE.peer)
    for signer in (ANA, BEN):
        assert log.ballot(admitted).standing == "open"
        log.vote(signer, admitted)
    assert log.ballot(admitted).standing == "passed"


def test_what_the_members_decided_about_a_request_hides_nobody_and_an_opened_identity_decides_nothing() -> None:
    log = Log(powers=(Power(action="amend-charter", rule=WORKERS, days=7),))
    request = log.request(log.publish(Rule(kind="vote")))
    log.vote(BEN, log.propose(ANA, "grant", target=request))
    shown = log.vote(BEN, log.propose(ANA, "open-identity", target=request))
    assert log.state.community is not None
    assert log.state.community.shown == {request: shown}
    assert log.state.community.unsettled == {request}
    log.decide(request, "grant")
    assert log.state.community.unsettled == set()
    with pytest.raises(Conflict, match=f"was opened at entry {shown}"):
        log.propose(ANA, "open-identity", target=request)
    log.vote(BEN, log.propose(ANA, "revoke", target=request))
    assert log.state.community.verdicts[request] == ("revoke", None)


def test_what_is_no_invitation_is_not_taken_whatever_came_of_it() -> None:
    for ballots in ((), (BEN, CLEO)):
        log = Log()
        opened = log.propose(ANA, "admit", college="workers", peer=EVE.peer)
        for signer in ballots[:1]:
            log.vote(signer, opened)
        with pytest.raises(NotFound, match="no invitation that holds"):
            log.join(DORA, opened, Signer(b"t" * 32))
    log = Log()
    refused = log.propose(ANA, "admit", college="workers", key=Signer(b"t" * 32).public, expires=log.time + DAY)
    for signer in (BEN, CLEO):
        log.vote(signer, refused, "no")
    with pytest.raises(NotFound, match="no invitation that holds"):
        log.join(DORA, refused, Signer(b"t" * 32))


def test_the_members_choose_who_keeps_their_keys() -> None:
    log = Log(powers=(Power(action="amend-charter", rule=WORKERS, days=7),))
    chosen = f"member ana {ANA.peer}\nquorum ana\n"
    log.vote(BEN, log.propose(ANA, "change-custodians", custodians=chosen))
    assert log.state.community is not None
    assert log.state.community.custodians == str(log.state.custodian_policy) == chosen
    assert Log().state.custodian_policy is None
    assert State().custodian_policy is None


def test_a_community_is_like_another_of_the_same_entries_and_like_nothing_else() -> None:
    one, other = Log().state.community, Log().state.community
    assert one == other
    log = Log()
    log.propose(ANA, "admit", college="workers", peer=EVE.peer)
    assert log.state.community != one
    assert one != "a community"


# -- charters ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "rule",
    ["group w 4 *workers\nquorum w", "group w any *elders\nquorum w", "quorum none", "", "quorum w",
     "group w all *workers *workers\nquorum w", "group w majority\nquorum w", "group w\nquorum w"],
)  # fmt: skip
def test_a_charter_that_locks_itself_out_is_refused_when_it_is_written(rule: str) -> None:
    powers = (Power(action="amend-charter", rule=rule, days=7),)
    with pytest.raises(Malformed, match=r"ever decide|asks nobody"):
        Log(powers=powers)
    with pytest.raises(Malformed, match=r"ever decide|asks nobody"):
        Log().propose(ANA, "amend-charter", charter=charter_of(powers=powers))


@pytest.mark.parametrize("need", ["any", "all", "majority", "2"])
def test_a_rule_that_asks_an_empty_college_says_so(need: str) -> None:
    powers = (Power(action="amend-charter", rule=f"group e {need} *elders\nquorum e\n", days=7),)
    with pytest.raises(Malformed, match="nobody is in elders yet") as caught:
        Log(powers=powers, colleges=(college("elders"), college("workers", ANA)))
    assert "invite" in caught.value.hint


def test_nobody_is_expelled_whom_the_rules_need() -> None:
    three = (Power(action="amend-charter", rule="group w 3 *workers\nquorum w", days=7),)
    log = Log(powers=three)
    with pytest.raises(Malformed, match="ever decide"):
        log.propose(ANA, "expel", college="workers", peer=BEN.peer)
    with pytest.raises(Conflict, match="registrar"):
        Log().propose(BEN, "expel", college="workers", peer=ANA.peer)


def test_a_registrar_revokes_nothing_in_the_members_name() -> None:
    log = Log()
    request = log.request(log.publish(Rule(kind="acknowledge")))
    log.decide(request, "grant", "acknowledged")
    with pytest.raises(Refused, match="have not decided to revoke"):
        log.decide(request, "revoke")
    log.state.size -= 1
    opened = log.propose(ANA, "revoke", target=request)
    log.vote(BEN, opened)
    log.vote(DORA, opened)
    log.decide(request, "revoke")
    assert log.state.accesses[request].outcome == "revoke"
    with pytest.raises(Conflict):
        log.decide(request, "revoke")


def test_where_members_decide_what_is_published_nothing_else_enters() -> None:
    powers = (Power(action="amend-charter", rule=DOUBLE, days=14), Power(action="publish", rule=WORKERS, days=7))
    log = Log(powers=powers)
    with pytest.raises(Refused, match="have not decided about"):
        log.publish(Rule(kind="acknowledge"))
    log.state.size -= 1
    opened = log.propose(BEN, "publish", dataset=ids.cid(bytes([1])))
    with pytest.raises(Refused):
        log.publish(Rule(kind="acknowledge"))
    log.state.size -= 1
    log.vote(CLEO, opened)
    cid = log.publish(Rule(kind="acknowledge"))
    assert log.state.published(cid).publisher == ANA.peer
    with pytest.raises(Conflict, match="published already"):
        log.propose(BEN, "publish", dataset=cid)
    log.state.size -= 1
    with pytest.raises(Refused):  # the next version is another dataset
        log.publish(Rule(kind="acknowledge"), version=2)


def test_a_ballot_names_a_proposal() -> None:
    with pytest.raises(Malformed, match="names a proposal by a digest of 32 bytes"):
        Vote(commons=ids.cid(b"x"), proposal=bytes(31), choice="yes", reason="", time=1)


def test_a_charter_without_powers_asks_everybody() -> None:
    log = Log(powers=())
    admitted = log.propose(ANA, "admit", college="users", peer=EVE.peer)
    for signer in (BEN, CLEO, DORA):
        log.vote(signer, admitted)
    assert log.ballot(admitted).standing == "open"
    log.vote(EMIL, admitted)
    assert log.ballot(admitted).standing == "passed"


@pytest.mark.parametrize(
    ("lies", "why"),
    [
        ({"registrar": BEN.peer}, "keeps the registrar"), ({"log_key": b"\1" * 32}, "keys of the log"),
        ({"readers": "owner"}, "readers only be widened"), ({"ratchets": ()}, "never taken back"),
    ],
)  # fmt: skip
def test_a_ratchet_only_opens_and_an_amendment_takes_no_log(lies: dict[str, Any], why: str) -> None:
    held = {"ratchets": ("access", "readers")}
    log = Log(**held)
    with pytest.raises(Refused, match=why):
        log.propose(ANA, "amend-charter", charter=charter_of(**{**held, **lies}))
    log.propose(ANA, "amend-charter", charter=charter_of(**held, readers="public"))
    log.publish(Rule(kind="members"))
    with pytest.raises(Refused, match="only be widened"):
        log.propose(ANA, "set-rule", series=SERIES, rule=Rule(kind="vote"))
    log.propose(ANA, "set-rule", series=SERIES, rule=Rule(kind="acknowledge"))


def test_an_amendment_keeps_who_has_joined_meanwhile() -> None:
    log = Log()
    new = charter_of(colleges=(college("elders", DORA), college("workers", ANA, BEN, CLEO)), powers=())
    amended = log.propose(ANA, "amend-charter", charter=new)
    admitted = log.propose(ANA, "admit", college="workers", peer=EVE.peer)
    log.vote(BEN, admitted)
    for signer in (BEN, CLEO, DORA):
        log.vote(signer, amended)
    assert log.ballot(amended).standing == "passed"
    assert {name: len(peers) for name, peers in log.colleges.items()} == {"elders": 1, "workers": 4}


# -- invitations ------------------------------------------------------------------------------------------------------

TOKEN = Signer(b"t" * 32)


def invited(log: Log, token: Signer = TOKEN, lasts: int = DAY) -> int:
    index = log.propose(ANA, "admit", college="users", key=token.public, expires=log.time + lasts)
    log.vote(BEN, index)
    return index


def test_an_invitation_is_taken_once_by_whoever_holds_it() -> None:
    log = Log()
    invitation = invited(log)
    entry = log.join(EVE, invitation, TOKEN)
    assert EVE.peer in log.colleges["users"]
    assert log.ballot(invitation).taken == entry
    with pytest.raises(Gone):
        log.join(Signer(b"z" * 32), invitation, TOKEN)


@pytest.mark.parametrize(
    ("join", "kind"),
    [
        (lambda log, i: log.join(EVE, i, EVE), Malformed),  # without the token
        (lambda log, i: log.join(EVE, i, TOKEN, commons=ids.cid(b"another")), Malformed),  # taken elsewhere
        (lambda log, i: [log.tick(2 * DAY), log.join(EVE, i, TOKEN)], Gone),
        (lambda log, i: log.join(DORA, i, TOKEN), Conflict),
        (lambda log, i: log.join(EVE, 0, TOKEN), NotFound),
        (lambda log, i: log.join(EVE, log.propose(ANA, "admit", college="users", peer=EVE.peer), TOKEN), NotFound),
        (lambda log, i: [log.vote(BEN, log.propose(ANA, "close-invitation", target=i)) or 0, log.vote(CLEO, i + 2),
                         log.vote(DORA, i + 2), log.join(EVE, i, TOKEN)], Gone),
    ],
)  # fmt: skip
def test_an_invitation_that_does_not_hold_admits_nobody(join: Any, kind: type[CommonsError]) -> None:
    log = Log()
    invitation = invited(log)
    with pytest.raises(kind):
        join(log, invitation)
    assert EVE.peer not in log.colleges["users"]


def test_an_invitation_is_closed_while_nobody_has_taken_it_and_once() -> None:
    for joined in (True, False):
        log = Log()
        invitation = invited(log)
        if joined:
            log.join(EVE, invitation, TOKEN)
        else:
            closed = log.propose(ANA, "close-invitation", target=invitation)
            for signer in (BEN, DORA):
                log.vote(signer, closed)
            assert log.ballot(invitation).taken == log.ballot(closed).closed
        with pytest.raises(Conflict, match="no invitation that could be closed"):
            log.propose(ANA, "close-invitation", target=invitation)


def test_an_invitation_that_was_not_decided_is_none() -> None:
    log = Log()
    index = log.propose(ANA, "admit", college="users", key=TOKEN.public, expires=log.time + DAY)
    with pytest.raises(Pending, match="have still to decide"):
        log.join(EVE, index, TOKEN)


# -- access by vote ---------------------------------------------------------------------------------------------------


def test_a_key_is_granted_by_the_ballots_and_by_nothing_else() -> None:
    log = Log(powers=(Power(action="amend-charter", rule=DOUBLE, days=14), Power(action="grant", rule=WORKERS, days=7)))
    asked = log.request(log.publish(Rule(kind="vote")))
    with pytest.raises(Refused, match="not decided so"):
        log.decide(asked, "grant")
    granted = log.propose(ANA, "grant", target=asked)
    with pytest.raises(Refused):
        log.decide(asked, "grant")
    log.vote(BEN, granted)
    for outcome, reason in (("refuse", "voted"), ("grant", "approved"), ("grant", "acknowledged")):
        with pytest.raises(Refused):
            log.decide(asked, outcome, reason)
    log.decide(asked, "grant")
    assert log.state.accesses[asked].outcome == "grant"
    with pytest.raises(Conflict):
        log.propose(ANA, "refuse", target=asked)


def test_one_of_the_college_a_rule_names_decides_alone_and_nobody_else_does() -> None:
    log = Log()
    asked = log.request(log.publish(Rule(kind="vote", college="users")))
    with pytest.raises(Refused, match="not among those who decide"):
        log.propose(ANA, "grant", target=asked)
    log.propose(DORA, "refuse", target=asked)
    log.decide(asked, "refuse")
    assert log.state.accesses[asked].outcome == "refuse"


def test_a_grant_that_ends_ends_when_the_members_said() -> None:
    for sooner, fits in ((None, False), (-1, False), (0, True), (1, True), (DAY // 2, True)):
        log = Log()
        asked = log.request(log.publish(Rule(kind="vote", college="users")))
        ends = log.time + DAY
        log.propose(DORA, "grant", target=asked, expires=ends)
        expires = None if sooner is None else ends - sooner
        if fits:
            log.decide(asked, "grant", expires=expires)
            assert log.state.accesses[asked].expires == expires
        else:
            with pytest.raises(Refused):
                log.decide(asked, "grant", expires=expires)


@pytest.mark.parametrize(
    ("allowed", "outcome", "reason", "fits"),
    [(("policy",), "refuse", "purpose", True), (("policy",), "grant", "purpose", False),
     (("policy",), "refuse", "approved", False), (("policy",), "refuse", "voted", False),
     (("policy", "research"), "refuse", "purpose", False), ((), "refuse", "purpose", False)],
)  # fmt: skip
def test_without_ballots_nothing_is_refused_but_a_purpose_outside_the_terms(
    allowed: tuple[str, ...], outcome: str, reason: str, fits: bool
) -> None:
    log = Log()
    asked = log.request(log.publish(Rule(kind="vote"), purposes=allowed))
    if fits:
        log.decide(asked, outcome, reason)
        assert log.state.accesses[asked].outcome == outcome
    else:
        with pytest.raises(Refused, match="have not decided so"):
            log.decide(asked, outcome, reason)


def test_a_rule_that_was_voted_holds_for_later_requests_and_makes_a_new_epoch() -> None:
    log = Log()
    dataset = log.publish(Rule(kind="acknowledge"))
    early = log.request(dataset)
    changed = log.propose(ANA, "set-rule", series=SERIES, rule=Rule(kind="members"))
    for signer in (BEN, DORA):
        log.vote(signer, changed)
    known = log.state.datasets[dataset]
    assert (known.rule.kind, known.entry.rule.kind) == ("members", "acknowledge")
    assert known.basis == log.ballot(changed).closed
    with pytest.raises(Untrue, match="rests on entry"):
        log.state.apply(Decision(
            type=entries.DECISION, time=log.tick(), request=early, outcome="grant", reason="acknowledged",
            basis=known.index, expires=None, statement=None,
        ))  # fmt: skip
    assert log.state.epoch_for(SERIES, bytes(32), Rule(kind="acknowledge")) == 1


def test_a_dataset_its_community_withdrew_is_asked_for_no_more() -> None:
    log = Log()
    dataset = log.publish(Rule(kind="acknowledge"))
    gone = log.propose(ANA, "withdraw", dataset=dataset)
    for signer in (BEN, DORA):
        log.vote(signer, gone)
    with pytest.raises(Gone, match="withdrawn"):
        log.request(dataset)


def test_a_withdrawal_is_of_every_version_under_the_same_key_and_the_next_has_another() -> None:
    log = Log()
    first, second = log.publish(Rule(kind="acknowledge")), log.publish(Rule(kind="acknowledge"), version=2)
    gone = log.propose(ANA, "withdraw", dataset=second)
    for signer in (BEN, DORA):
        log.vote(signer, gone)
    for dataset in (first, second):
        with pytest.raises(Gone, match="withdrawn"):
            log.request(dataset)
        with pytest.raises(Conflict, match="already"):
            log.propose(ANA, "withdraw", dataset=dataset)
    third = log.publish(Rule(kind="acknowledge"), version=3)
    assert log.state.datasets[third].entry.epoch == 1
    log.request(third)


def test_an_identity_is_opened_by_decision_of_the_members() -> None:
    log = Log()
    asked = log.request(log.publish(Rule(kind="acknowledge")))
    opened = log.propose(ANA, "open-identity", target=asked)
    assert log.state.community is not None
    assert asked not in log.state.community.shown
    for signer in (BEN, DORA):
        log.vote(signer, opened)
    assert log.state.community.shown[asked] == log.ballot(opened).closed


def test_an_identity_that_is_open_is_not_opened_again() -> None:
    log = Log()
    asked = log.request(log.publish(Rule(kind="acknowledge")))
    opened, late = (log.propose(ANA, "open-identity", target=asked) for _ in range(2))
    for signer in (BEN, DORA):
        log.vote(signer, opened)
    with pytest.raises(Conflict, match=f"opened at entry {log.ballot(opened).closed}"):
        log.propose(ANA, "open-identity", target=asked)
    log.vote(BEN, late)
    log.vote(DORA, late)
    assert log.ballot(late).standing == "void"


# -- rules of later versions ------------------------------------------------------------------------------------------

NARROW_TO_WIDE = (
    Rule(kind="allow-list", peers=(ANA.peer,)), Rule(kind="approval"), Rule(kind="vote", college="users"),
    Rule(kind="vote"), Rule(kind="members", college="users"), Rule(kind="members"), Rule(kind="acknowledge"),
)  # fmt: skip


def test_a_ratchet_orders_rules_by_kind_and_college() -> None:
    for at, before in enumerate(NARROW_TO_WIDE):
        assert [as_wide(rule, before) for rule in NARROW_TO_WIDE] == [n >= at for n in range(len(NARROW_TO_WIDE))]
    for kind in ("members", "vote"):
        users, workers = Rule(kind=kind, college="users"), Rule(kind=kind, college="workers")
        assert not as_wide(users, workers)
        assert not as_wide(workers, users)
    both = Rule(kind="allow-list", peers=tuple(sorted((ANA.peer, BEN.peer))))
    assert as_wide(both, NARROW_TO_WIDE[0])
    assert not as_wide(NARROW_TO_WIDE[0], both)


@pytest.mark.parametrize("rule", NARROW_TO_WIDE[:-2])
def test_neither_a_vote_nor_a_new_version_goes_around_a_ratchet(rule: Rule) -> None:
    log = Log(ratchets=("access",))
    log.publish(Rule(kind="members"))
    before = copy.deepcopy(log.state)
    with pytest.raises(Refused, match="only be widened"):
        log.propose(ANA, "set-rule", series=SERIES, rule=rule)
    with pytest.raises(Refused, match="only be widened"):
        log.publish(rule, 2)
    assert log.state.series == before.series
    log.publish(Rule(kind="acknowledge"), 2)
    with pytest.raises(Refused, match="only be widened"):
        log.publish(Rule(kind="members"), 3)


def test_a_version_after_a_vote_carries_the_rule_that_was_voted() -> None:
    log = Log()
    log.publish(Rule(kind="acknowledge"))
    log.publish(Rule(kind="approval"), 2)  # nothing was voted, and no ratchet holds
    changed = log.propose(ANA, "set-rule", series=SERIES, rule=Rule(kind="members", college="users"))
    for signer in (BEN, DORA):
        log.vote(signer, changed)
    for kind in ("approval", "acknowledge", "public", "members"):
        with pytest.raises(Conflict, match="have set the rule members of users") as caught:
            log.publish(Rule(kind=kind), 3)
        assert "--access members --college users" in caught.value.hint
    log.publish(Rule(kind="members", college="users"), 3)
    assert log.state.epochs[SERIES] == 2
    with pytest.raises(Conflict):
        log.publish(Rule(kind="acknowledge"), 4)


def test_a_rule_that_was_voted_holds_for_all_versions_under_the_same_key() -> None:
    log = Log()
    first = log.publish(Rule(kind="approval"))
    second, third = (log.publish(Rule(kind="acknowledge"), n) for n in (2, 3))
    changed = log.propose(ANA, "set-rule", series=SERIES, rule=Rule(kind="members"))
    for signer in (BEN, DORA):
        log.vote(signer, changed)
    rules = [log.state.datasets[cid].rule.kind for cid in (first, second, third)]
    assert rules == ["approval", "members", "members"]


@pytest.mark.parametrize("kind", ["vote", "members"])
def test_a_rule_names_a_college_that_there_is(kind: str) -> None:
    log = Log()
    with pytest.raises(NotFound, match="'elders'") as caught:
        log.publish(Rule(kind=kind, college="elders"))
    assert caught.value.hint == "there are users, workers"
    log.publish(Rule(kind=kind, college="users"))


# -- any log ----------------------------------------------------------------------------------------------------------

PEOPLE = [ANA, BEN, CLEO, DORA, EMIL, EVE]
people = st.sampled_from(PEOPLE)


class AnyCommunity(RuleBasedStateMachine):
    """Random entries, most of them refused. The fold depends on nothing but those that were taken, in their order."""

    @initialize()
    def found(self) -> None:
        self.log = Log()
        self.taken: list[Any] = [entries.decode(envelope.sign(CHARTER, charter_of(), ANA))]
        self.log.publish(Rule(kind="vote"))

    def attempt(self, call: Any) -> None:
        before = copy.deepcopy(self.log.state)
        try:
            call()
        except CommonsError:
            self.log.state.size = before.size
            expired = [b for b in before.community.ballots.values() if b.standing == "open"]  # type: ignore[union-attr]
            for ballot in expired:  # time has passed for them, whoever noticed it
                standing = self.log.ballot(ballot.index).standing
                before.community.ballots[ballot.index] = replace(ballot, standing=standing)  # type: ignore[union-attr]
            assert self.log.state == before

    @rule(
        who=people, action=st.sampled_from(["admit", "expel"]), whom=people, name=st.sampled_from(["users", "workers"])
    )
    def membership(self, who: Signer, action: str, whom: Signer, name: str) -> None:
        self.attempt(lambda: self.log.propose(who, action, college=name, peer=whom.peer))

    @rule(who=people, index=st.integers(0, 40), choice=st.sampled_from(proposals.CHOICES))
    def ballot(self, who: Signer, index: int, choice: str) -> None:
        self.attempt(lambda: self.log.vote(who, index, choice))

    @rule(who=people, asked=st.integers(0, 40), action=st.sampled_from(["grant", "refuse"]))
    def access(self, who: Signer, asked: int, action: str) -> None:
        self.attempt(lambda: self.log.propose(who, action, target=asked))

    @rule()
    def request(self) -> None:
        self.attempt(lambda: self.log.request(ids.cid(bytes([1]))))

    @rule(request=st.integers(0, 40), outcome=st.sampled_from(["grant", "refuse"]))
    def decide(self, request: int, outcome: str) -> None:
        if request in self.log.state.accesses:
            self.attempt(lambda: self.log.decide(request, outcome))

    @rule(days=st.integers(1, 20))
    def wait(self, days: int) -> None:
        self.log.tick(days * DAY)

    @invariant()
    def there_is_always_somebody_who_can_decide(self) -> None:
        community = self.log.state.community
        assert community is not None
        check_livable(community.charter.powers, community.colleges)
        assert community.charter.registrar in community.members

    @invariant()
    def no_key_was_granted_without_its_ballots(self) -> None:
        community = self.log.state.community
        assert community is not None
        for access in self.log.state.accesses.values():
            if access.outcome != "pending":
                assert community.verdicts[access.index][0] == access.outcome


TestAnyCommunity = AnyCommunity.TestCase
TestAnyCommunity.settings = settings(max_examples=examples(40), stateful_step_count=30, deadline=None)


def test_a_commons_begins_with_its_registrar_among_its_members() -> None:
    for colleges in ((), charter_of().colleges[:1]):
        with pytest.raises((Malformed, Refused), match="member"):
            Log(colleges=colleges)
