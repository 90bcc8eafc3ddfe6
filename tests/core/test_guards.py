"""What the fold refuses, and what it lets through that stands right beside it: for each guard the pair of both."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from itertools import combinations

import pytest

from commons.core.crypto import codec, envelope, ids
from commons.core.crypto.keys import Signer
from commons.core.dataset.rule import Rule
from commons.core.dataset.terms import DAY
from commons.core.state import proposals
from commons.core.state.charter import CHARTER, Charter, Power
from commons.core.state.community import OPEN
from commons.core.state.entries import STAMP, Stamp
from commons.core.state.proposals import Proposal
from commons.core.state.transfer import SUCCESSION, Succession, Tenure, check_head, quorum_at, signer_of
from commons.core.tlog import checkpoint, note
from commons.core.tlog.note import COSIGNATURE, LIMIT, Verifier
from commons.errors import CommonsError, Conflict, Gone, Malformed, NotFound, Refused, Untrue
from tests.core.test_community import ANA, BEN, CLEO, EVE, WORKERS, Log
from tests.core.test_succession import Handed
from tests.core.test_time import KEYS, SIGNERS, TWO
from tests.keeper import ALICE, BOB, Keeper, custodians

LOG_KEY = Signer(b"l" * 32)
LOG = Verifier(name="commons/log.example", public=LOG_KEY.public)


def refused(case: Handed | Keeper) -> CommonsError:
    """What is wrong with the log's only faulty entry."""
    _, (wrong,) = (case.log if isinstance(case, Handed) else case).fold()
    return wrong


# -- a log that changes hands ------------------------------------------------------------------------------------------


def head(size: int, *witnesses: int) -> bytes:
    said = checkpoint.Checkpoint(origin=LOG.name, size=size, root=bytes(32))
    bare = checkpoint.sign(said, LOG_KEY)
    lines = [note.cosign(said.text(), KEYS[n].name, SIGNERS[n], 7) for n in witnesses]
    return note.add(bare, *lines) if lines else bare


def said(data: bytes) -> Succession:
    return Succession(commons=Keeper().commons, head=data, time=1)


@pytest.mark.parametrize("count", range(4))
def test_a_log_goes_on_from_a_head_that_as_many_witnesses_signed_as_its_charter_asks(count: int) -> None:
    """Every choice of witnesses: two of three are asked for."""
    for chosen in combinations(range(3), count):
        if count >= 2:
            assert check_head(said(head(5, *chosen)), LOG, [(0, TWO)], 1, 9).size == 5
        else:
            with pytest.raises(Refused, match="goes on from is not witnessed"):
                check_head(said(head(5, *chosen)), LOG, [(0, TWO)], 1, 9)


def test_the_head_has_at_least_and_at_most_so_many_entries() -> None:
    for size, fits in ((3, False), (4, True), (6, True), (7, False)):
        if fits:
            assert check_head(said(head(size)), LOG, [(0, "")], 4, 6).size == size
        else:
            with pytest.raises(Untrue, match="not of 4 to 6"):
                check_head(said(head(size)), LOG, [(0, "")], 4, 6)


def test_what_is_asked_of_a_head_is_what_stood_in_the_log_that_it_is_of() -> None:
    """An amendment at entry 3 is in a tree of four entries, and in none of three."""
    asked = [(0, ""), (3, TWO)]
    assert quorum_at(asked, 0).quorum is None
    assert quorum_at(asked, 3).quorum is None
    assert quorum_at(asked, 4).quorum is not None
    tenures = [Tenure(since=0, registrar="a", key=b"1" * 32), Tenure(since=3, registrar="b", key=b"2" * 32)]
    assert [signer_of("o", tenures, size).public[:1] for size in (0, 1, 3, 4)] == [b"1", b"1", b"1", b"2"]


def test_a_succession_carries_a_head_and_no_more_than_a_note_holds() -> None:
    assert said(bytes(LIMIT)).head == bytes(LIMIT)
    for data in (b"", bytes(LIMIT + 1)):
        with pytest.raises(Malformed, match="carries the head"):
            said(data)


def test_a_registrar_goes_on_under_no_other_key_than_the_one_committed_to() -> None:
    """The founding charter commits to `next_key`; whoever has the log's key alone can offer any other."""
    keys = [ALICE.log(n, None) for n in range(3)]
    log = Keeper(members=(BOB.identity.peer,))
    charter = envelope.open(CHARTER, Charter, log.charter).value
    charter = replace(charter, next_key=hashlib.sha256(keys[1].public).digest())

    def offer(n: int, key: bytes) -> Proposal:
        return Proposal(
            commons=log.commons, action="change-registrar", time=log.clock, nonce=bytes([n]) * 16,
            peer=ALICE.identity.peer, log_key=key, next_key=hashlib.sha256(keys[2].public).digest(),
        )  # fmt: skip

    log.data = [envelope.sign(CHARTER, charter, ALICE.identity)]
    log.commons = ids.cid(log.data[0])
    log.add(envelope.sign(proposals.PROPOSAL, offer(1, keys[2].public), ALICE.identity))
    wrong = refused(log)
    assert isinstance(wrong, Refused)
    assert "committed to another key" in wrong.message
    log.data.pop()
    log.add(envelope.sign(proposals.PROPOSAL, offer(2, keys[0].public), ALICE.identity))
    assert "had that key already" in refused(log).message
    log.data.pop()
    log.add(envelope.sign(proposals.PROPOSAL, offer(3, keys[1].public), ALICE.identity))
    assert log.fold()[1] == []


def test_who_is_no_member_keeps_no_log_and_who_was_not_chosen_takes_none_over() -> None:
    case = Handed()
    case.choose()
    lie = Succession(commons=case.log.commons, head=case.log.head(), time=case.log.clock)
    case.log.add(envelope.sign(SUCCESSION, lie, ALICE.identity))
    assert "have not chosen" in refused(case).message
    case = Handed()
    case.succeed()  # nobody was chosen at all
    assert "have not chosen" in refused(case).message


def test_a_succession_is_not_dated_before_the_last_of_those_who_chose_had_signed() -> None:
    """By their own clocks, whatever the proposal's: a ballot moves it on, and none moves it back."""
    for later, dated, fits in ((20, 19, False), (20, 20, True), (-5, -1, False), (-5, 0, True)):
        case = Handed()
        offered = case.log.clock
        opened = case.offer(BOB)
        case.log.clock = max(offered, offered + later)
        digest = hashlib.sha256(case.log.data[opened]).digest()
        ballot = proposals.Vote(
            commons=case.log.commons, proposal=digest, choice="yes", reason="", time=offered + later
        )  # fmt: skip
        case.log.add(envelope.sign(proposals.VOTE, ballot, ALICE.identity))
        case.log.clock = offered + dated
        case.succeed()
        assert (case.log.fold()[1] == []) == fits, (later, dated)


# -- requests ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("action", ["grant", "refuse"])
@pytest.mark.parametrize(
    "rule", [Rule(kind="acknowledge"), Rule(kind="members"), Rule(kind="approval"), Rule(kind="vote")], ids=str
)
def test_members_decide_by_ballot_about_nothing_but_what_waits_for_their_vote(rule: Rule, action: str) -> None:
    powers = tuple(Power(action=each, rule=WORKERS, days=7) for each in ("amend-charter", "grant", "refuse"))
    log = Log(powers=powers)
    request = log.request(log.publish(rule))
    if rule.kind == "vote":
        log.propose(ANA, action, target=request)
        log.vote(BEN, log.state.size - 1)
        log.decide(request, action)
        with pytest.raises(Conflict, match="decided already"):
            log.propose(ANA, action, target=request)
    else:
        with pytest.raises(Conflict, match="not for the members to decide"):
            log.propose(ANA, action, target=request)


def test_what_was_not_granted_is_not_revoked_and_what_was_erased_is_not_shown() -> None:
    log = Log()
    request = log.request(log.publish(Rule(kind="vote")))
    with pytest.raises(Conflict, match="nothing to revoke"):
        log.propose(ANA, "revoke", target=request)
    with pytest.raises(NotFound, match="no request"):
        log.propose(ANA, "revoke", target=request + 1)
    keeper = Keeper()
    keeper.ask(BOB, keeper.publish())
    keeper.decide()
    keeper.redact(keeper.last)
    state, _ = keeper.fold()
    for action in ("open-identity", "revoke"):
        with pytest.raises(Gone, match="was erased at entry 4"):
            state.check_target(action, keeper.last)


# -- ballots -----------------------------------------------------------------------------------------------------------


def test_a_member_has_so_many_proposals_open_and_those_that_ended_count_no_more() -> None:
    log = Log()
    people = [Signer(hashlib.sha256(b"%d" % n).digest()).peer for n in range(OPEN + 1)]
    opened = [log.propose(ANA, "admit", college="workers", peer=peer) for peer in people[:OPEN]]
    with pytest.raises(Conflict, match=f"{OPEN} proposals open"):
        log.propose(ANA, "admit", college="workers", peer=people[OPEN])
    log.propose(BEN, "admit", college="workers", peer=people[OPEN])  # another member's are another's
    log.time = log.ballot(opened[0]).deadline - 1
    with pytest.raises(Conflict):  # in its last second it is open
        log.propose(ANA, "admit", college="workers", peer=EVE.peer)
    log.propose(ANA, "admit", college="workers", peer=EVE.peer)  # a second later it is not
    assert log.ballot(opened[0]).standing == "expired"


def test_a_ballot_in_the_last_second_counts_and_one_a_second_later_does_not() -> None:
    for late, counts in ((0, True), (1, False)):
        log = Log()
        opened = log.propose(ANA, "admit", college="workers", peer=EVE.peer)
        log.time = log.ballot(opened).deadline + late - 1
        if counts:
            log.vote(BEN, opened)
            assert log.ballot(opened).standing == "passed"
        else:
            with pytest.raises(Gone, match="expired"):
                log.vote(BEN, opened)


def test_an_invitation_holds_until_its_end_and_not_at_it() -> None:
    token = Signer(b"t" * 32)
    for late, holds in ((-1, True), (0, False)):
        log = Log()
        ends = log.time + 3 * DAY
        opened = log.propose(ANA, "admit", college="workers", key=token.public, expires=ends)
        log.vote(CLEO, opened)
        log.time = ends + late - 1
        if holds:
            log.join(EVE, opened, token)
            assert EVE.peer in log.colleges["workers"]
        else:
            with pytest.raises(Gone, match="has expired"):
                log.join(EVE, opened, token)


def test_a_witness_of_another_log_is_no_witness_of_this_one() -> None:
    other = Verifier(name="w0.example", type=COSIGNATURE, public=Signer(b"x" * 32).public)
    assert other not in KEYS
    asked = f"witness w0 {other.vkey}\nquorum w0\n"
    with pytest.raises(Refused, match="not witnessed"):
        check_head(said(head(5, 0, 1, 2)), LOG, [(0, asked)], 1, 9)


# -- entries that others have answered already -------------------------------------------------------------------------


def test_what_the_members_have_decided_they_do_not_decide_again_before_it_is_logged() -> None:
    powers = tuple(Power(action=each, rule=WORKERS, days=7) for each in ("amend-charter", "grant", "refuse", "revoke"))
    log = Log(powers=powers)
    request = log.request(log.publish(Rule(kind="vote")))
    log.vote(BEN, log.propose(ANA, "grant", target=request))
    for action in ("grant", "refuse"):
        with pytest.raises(Conflict, match="have decided about request"):
            log.propose(ANA, action, target=request)
    log.decide(request, "grant")
    log.vote(BEN, log.propose(ANA, "revoke", target=request))
    with pytest.raises(Conflict, match="have decided about request"):
        log.propose(ANA, "revoke", target=request)


def test_members_decide_about_a_dataset_only_where_they_decide_about_each() -> None:
    log, dataset = Log(), ids.cid(b"offered")
    with pytest.raises(Conflict, match="any member publishes here, so there is nothing"):
        log.propose(ANA, "publish", dataset=dataset)
    log = Log(powers=tuple(Power(action=each, rule=WORKERS, days=7) for each in ("amend-charter", "publish")))
    log.vote(BEN, log.propose(ANA, "publish", dataset=dataset))
    with pytest.raises(Conflict, match="may be published already, so there is nothing"):
        log.propose(ANA, "publish", dataset=dataset)


def test_an_invitation_to_a_college_that_is_gone_holds_no_more() -> None:
    token = Signer(b"t" * 32)
    for gone in (False, True):
        log = Log()
        opened = log.propose(ANA, "admit", college="users", key=token.public, expires=log.time + 3 * DAY)
        log.vote(BEN, opened)
        assert log.state.community is not None
        assert log.ballot(opened).standing == "passed"
        if gone:
            del log.state.community.colleges["users"]
            with pytest.raises(Gone, match="no college users any more"):
                log.join(EVE, opened, token)
        else:
            log.join(EVE, opened, token)
            assert EVE.peer in log.colleges["users"]


def test_one_statement_makes_one_entry() -> None:
    for again in ("proposal", "ballot"):
        log = Keeper(members=(BOB.identity.peer,))
        opened = log.propose("admit", college="members", peer=EVE.peer)
        log.data.append(log.data[opened]) if again == "proposal" else log.add(log.data[log.vote(BOB, opened)])
        assert "in the log already" in refused(log).message


def test_nothing_governs_a_log_whose_charter_is_none() -> None:
    """Its signer is no member of it: every entry after it is faulty, and none ends the reading."""
    log = Keeper()
    charter = envelope.open(CHARTER, Charter, log.charter).value
    log.data = [envelope.sign(CHARTER, charter, BOB.identity)]
    log.propose("admit", college="members", peer=EVE.peer)
    log.publish()
    log.data.append(codec.encode(Stamp(type=STAMP, time=log.clock, head=log.head())))
    log.add(envelope.sign(SUCCESSION, Succession(commons=log.commons, head=log.head(), time=log.clock), BOB.identity))
    state, wrong = log.fold()
    assert state.community is None
    assert ["no charter in front" in each.message for each in wrong] == [False, True, True, True, True]


def test_a_version_names_the_custodians_whom_the_members_have_chosen() -> None:
    chosen = str(custodians(3, 2))
    public = Rule(kind="public")  # whose key is printed, and kept by nobody
    for named, rule, fits in (
        (chosen, None, True), ("", None, False), (str(custodians(3, 3)), None, False),
        ("", public, True), (chosen, public, False),
    ):  # fmt: skip
        log = Keeper(custodians=chosen)
        log.custodians = named
        log.publish(rule)
        if fits:
            assert log.fold()[1] == []
        else:
            assert "not kept by those whom the members have chosen" in refused(log).message


def test_who_was_expelled_meanwhile_is_not_chosen_to_keep_the_log() -> None:
    for expelled in (False, True):
        log = Log(powers=(Power(action="amend-charter", rule=WORKERS, days=7),))
        said = {"peer": BEN.peer, "log_key": Signer(b"n" * 32).public, "next_key": bytes(32)}
        opened = log.propose(BEN, "change-registrar", **said)
        if expelled:
            log.vote(CLEO, log.propose(ANA, "expel", college="workers", peer=BEN.peer))
        log.vote(CLEO, opened)
        if expelled:
            log.vote(ANA, opened)
        assert log.state.community is not None
        assert (log.state.community.heir is None) == expelled
        assert log.ballot(opened).standing == ("void" if expelled else "passed")
        assert ("keeps the log, and is a member" in log.ballot(opened).why) == expelled


def test_what_is_no_proposal_is_called_so() -> None:
    log = Log()
    for index, told in ((0, "entry 0 is no proposal"), (7, "entry 7 is no proposal"), (-1, "no such proposal")):
        with pytest.raises(NotFound, match=told):
            log.ballot(index)
