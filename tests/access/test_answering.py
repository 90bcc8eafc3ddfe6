"""The registrar's side, asked directly: what each of its guards keeps out, and where exactly each begins."""

from __future__ import annotations

import asyncio
import os
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from commons.access import release, retention
from commons.access.registrar import Registrar
from commons.community import voting
from commons.community.voting import AHEAD, Seat
from commons.core.crypto import codec, envelope, ids
from commons.core.crypto.keys import Signer
from commons.core.dataset import manifest
from commons.core.dataset.rule import Rule
from commons.core.dataset.terms import DAY
from commons.core.state import entries, opening, proposals
from commons.core.state.actions import ACTIONS
from commons.core.state.entries import Received
from commons.core.state.proposals import Proposal
from commons.core.tlog import note
from commons.core.tlog.note import Verifier
from commons.disk.home import Home
from commons.errors import (
    CommonsError,
    Conflict,
    Gone,
    Malformed,
    NotFound,
    Pending,
    Refused,
    StorageFailed,
    TooLarge,
    TooMany,
)
from commons.log.answer import SKEW, Answer
from commons.net.limits import Buckets
from tests.conftest import MakeHome, Party, Start, until
from tests.core.test_time import Watched
from tests.dishonest import Asker, wrapped
from tests.keeper import BOB, EVE, Keeper, custodians
from tests.witness.test_witness import KEY2, SECOND, make, policy


@pytest.fixture
async def alice(start: Start) -> Party:
    return await start("alice", listen=())  # type: ignore[no-any-return]


async def asking(alice: Party, folder: Path, **words: Any) -> Asker:
    return Asker(alice, await alice.publish(folder, **words))


def received(asker: Asker, request: int, **lies: Any) -> Received:
    said = Received(
        commons=asker.party.home.first.commons,
        request=request,
        dataset=asker.cid,
        files=3,
        size=3,
        time=int(time.time()),
    )
    return replace(said, **lies)


# -- requests ----------------------------------------------------------------------------------------------------------


async def test_a_log_answers_for_its_own_commons_and_gives_keys_for_requests_that_are_in_it(
    alice: Party, folder: Path
) -> None:
    asker = await asking(alice, folder)
    with pytest.raises(NotFound, match="keeps the log of"):
        await asker.ask(commons=ids.cid(b"other"))
    with pytest.raises(NotFound, match="this request is not in the log"):
        asker.registrar.release(asker.statement(asker.asked()))
    assert alice.home.first.log.size == 2


async def test_for_what_is_public_nobody_is_asked_and_nothing_is_logged(alice: Party, folder: Path) -> None:
    asker = await asking(alice, folder, access="public")
    with pytest.raises(Conflict, match="is public"):
        await asker.ask()
    assert alice.home.first.log.size == 2


@pytest.mark.parametrize("late", [-SKEW - 1, -SKEW, SKEW, SKEW + 1])
async def test_a_requesters_clock_may_be_off_by_so_many_seconds_and_no_more(
    alice: Party, folder: Path, late: int
) -> None:
    asker = await asking(alice, folder)
    now = int(time.time()) + 5  # later than anything in the log
    asker.registrar.clock = lambda: float(now)
    alice.home.first.log._clock = lambda: float(now)
    if abs(late) > SKEW:
        with pytest.raises(Malformed, match="the request is dated"):
            await asker.ask(time=now + late)
    else:
        assert await asker.ask(time=now + late) == 2
    assert alice.home.first.log.size == (2 if abs(late) > SKEW else 4)


@pytest.mark.parametrize("ahead", [SKEW, SKEW + 1])
async def test_a_request_by_who_is_behind_a_log_dated_ahead_waits(alice: Party, folder: Path, ahead: int) -> None:
    asker = await asking(alice, folder)
    now = int(time.time()) + 5
    asker.registrar.clock = lambda: float(now)
    alice.home.first.log._clock = lambda: float(now + ahead)
    if ahead > SKEW:
        with pytest.raises(TooMany, match=f"the log is dated {now + ahead} by now"):
            await asker.ask(time=now)
    else:
        await asker.ask(time=now)
    assert alice.home.first.log.size == (2 if ahead > SKEW else 4)


async def test_a_receipt_is_for_what_was_requested_and_for_nothing_that_was_erased(alice: Party, folder: Path) -> None:
    asker = await asking(alice, folder)
    other = Asker(alice, await alice.publish(folder, title="Other"))
    request = await asker.ask()
    with pytest.raises(Refused, match="signed by who made the request"):
        await asker.send(asker.submission(received(asker, request, dataset=other.cid), kind=entries.RECEIPT))
    with pytest.raises(Refused, match="signed by who made the request"):
        await asker.send(asker.submission(received(asker, request), EVE.identity, entries.RECEIPT))
    await asker.registrar.erase(request, "requested")
    size = alice.home.first.log.size
    with pytest.raises(Gone, match="was erased"):
        await asker.send(asker.submission(received(asker, request), kind=entries.RECEIPT))
    assert alice.home.first.log.size == size


async def test_what_the_disk_does_not_hold_yet_is_shown_to_nobody(alice: Party, folder: Path) -> None:
    """The fold runs ahead of the commit: `head` is what is durable."""
    log, before = alice.home.first.log, alice.home.first.log.head
    asker = await asking(alice, folder)
    registrar, published = asker.registrar, log.head
    log.head = before
    with pytest.raises(NotFound, match="not published in this commons yet"):
        registrar.listed(asker.cid, b"")
    log.head = published
    assert codec.decode(Answer, registrar.listed(asker.cid, b"")).shown[0].index == 1
    statement = asker.statement(asker.asked())
    await asker.send(wrapped(statement))
    decided = log.head
    log.head = published
    with pytest.raises(Pending, match="is being written"):
        registrar._answer(2, 0)
    log.head = decided
    assert [each.index for each in codec.decode(Answer, registrar._answer(2, 0)).shown] == [2, 3]
    assert registrar.release(statement)
    with pytest.raises(NotFound, match="not in the log"):
        await registrar._once(asker.keys.identity.peer, bytes(32), lambda _state, _index, _now: [])


async def test_a_registrar_gives_no_key_that_is_not_its_own_or_that_custodians_keep(alice: Party, folder: Path) -> None:
    asker = await asking(alice, folder)
    statement, state = asker.statement(asker.asked()), alice.home.first.log.state
    await asker.send(wrapped(statement))
    bound = release.Bound(
        commons=alice.home.first.commons, dataset=asker.cid, epoch=0, requester=asker.keys.identity.peer, request=2,
        decision=3,
    )  # fmt: skip
    sealed = asker.registrar.release(statement)  # for exactly this request and decision
    assert release.open(sealed, bytes(31) + b"\1", bound) == alice.home.keys.epoch(asker.manifest.series, 0)
    there = state.datasets[ids.check_cid(asker.cid)]
    state.datasets[ids.check_cid(asker.cid)] = replace(there, publisher=EVE.identity.peer)
    with pytest.raises(Refused, match="does not have the key"):
        asker.registrar.release(statement)
    sharing, _ = Keeper().deposit(bytes(32), custodians(3, 2), os.urandom)
    data = manifest.sign(replace(asker.manifest, custody=sharing), alice.home.keys.identity)
    asker.cid = cid = ids.cid(data)
    state.datasets[cid] = replace(there, entry=replace(there.entry, manifest=cid))
    statement = asker.statement(asker.asked())
    await asker.send(wrapped(statement))
    with pytest.raises(StorageFailed, match="its manifest is gone here"):
        asker.registrar.release(statement)
    alice.home.shelf.put_manifest(cid, data, "published", served=True)
    with pytest.raises(Refused, match="custodians keep the key"):
        asker.registrar.release(statement)


async def test_where_somebody_else_keeps_the_log_by_now_only_what_was_decided_is_answered(
    alice: Party, folder: Path
) -> None:
    asker, waits = await asking(alice, folder), await asking(alice, folder, title="Seas", access="approval")
    decided, pending = (each.statement(each.asked()) for each in (asker, waits))
    for statement in (decided, pending):
        await asker.send(wrapped(statement))
    erased = asker.statement(asker.asked())
    index = (await asker.send(wrapped(erased))).shown[0].index
    assert (await asker.registrar.erase(index, "requested"))["erased"] == [index]  # what hides something
    alice.home.shelf.put_keeper(alice.home.first.commons, BOB.log(0).public, BOB.identity.peer)
    alice.home.first.check_keeper()
    first, last = (await asker.send(wrapped(decided))).shown
    assert opening.decode(first.opening or b"").get("statement") == decided
    assert last.opening is None
    with pytest.raises(Conflict, match="keeps this log by now"):
        await asker.send(wrapped(pending))
    with pytest.raises(Conflict, match="keeps this log by now"):
        asker.registrar.listed(asker.cid, b"")
    assert [each.opening for each in (await asker.send(wrapped(erased))).shown] == [None, None]


@pytest.mark.parametrize("size", [3, 4])
async def test_an_answer_shows_a_decision_that_is_durable(alice: Party, folder: Path, size: int) -> None:
    asker = await asking(alice, folder, access="approval")
    await asker.ask()
    waiting = alice.home.first.log.head
    await asker.registrar.decide(2, "grant", "")
    if size == 3:
        alice.home.first.log.head = waiting
    shown = codec.decode(Answer, asker.registrar._answer(2, 0)).shown
    assert [each.index for each in shown] == list(range(2, size))


# -- who asks too much -------------------------------------------------------------------------------------------------


async def test_of_those_it_has_met_a_node_remembers_so_many(alice: Party) -> None:
    registrar = alice.node.at().registrar
    registrar._met = {str(n) for n in range(99_999)}
    for name, count in (("one", 100_000), ("more", 100_000)):
        registrar._limit(ids.PeerId(name))
        assert len(registrar._met) == count
    assert ("one" in registrar._met, "more" in registrar._met) == (True, False)


@pytest.mark.parametrize("which", ["each", "newcomers", "everyone"])
async def test_each_limit_holds_by_itself(alice: Party, which: str) -> None:
    registrar = alice.node.at().registrar
    registrar.clock = lambda: 1000.0
    setattr(registrar, which, Buckets(rate=0.001, burst=2))
    known, new = ids.PeerId("known"), [ids.PeerId(f"new {n}") for n in range(3)]
    for who in (known, new[0]):
        registrar._limit(who)
    if which == "each":
        registrar._limit(known)
    limited = {"each": [known], "newcomers": new[1:], "everyone": [known, *new[1:]]}[which]
    for who in (known, *new[1:], *limited):  # who is limited once has not been met by that
        if who in limited:
            with pytest.raises(TooMany):
                registrar._limit(who)
        else:
            registrar._limit(who)
    assert registrar.denied == 2 * len(limited)
    if which == "each":
        registrar._met.clear()
        with pytest.raises(TooMany):  # newcomers' room is nobody's who asks too often
            registrar._limit(known)


@pytest.mark.parametrize("watched", [True, False])
def test_by_what_witnesses_saw_last_and_the_owner_said_the_end_of_a_grant_is_judged(
    tmp_path: Path, watched: bool
) -> None:
    """The log is dated ten days ahead of this node's clock."""
    path = make(tmp_path / "watched", policy(1, (KEY2, "http://127.0.0.1:1")) if watched else "")
    with Home(path) as home:
        now, state = 1_900_000_000, home.first.log.state
        registrar = Registrar(home.first, lambda: now + 0.5)
        state.time = now + 10 * DAY
        assert registrar._judged(7) == state.time
        head = home.first.log.head
        line = note.cosign(head.checkpoint.text(), KEY2.name, SECOND, now + 60)
        home.first.cosigned.put(head.checkpoint.size, head.note, {KEY2.vkey: line})
        assert registrar._judged(7) == (now + 60 + DAY if watched else state.time)
        home.first.dating.right(now)
        assert registrar._judged(7) == (now + 60 + DAY if watched else now)


# -- the steward's desk ------------------------------------------------------------------------------------------------


async def test_a_grant_ends_after_it_begins_and_is_given_to_somebody_with_a_reason_of_some_length(
    alice: Party, folder: Path
) -> None:
    asker = await asking(alice, folder, access="approval")
    registrar, now = asker.registrar, int(time.time()) + 5
    registrar.clock = lambda: float(now)
    alice.home.first.log._clock = lambda: float(now)
    asked = [await asker.ask(time=now) for _ in range(3)]
    for expires in (now - 1, now):
        with pytest.raises(Malformed, match="would have expired already"):
            await registrar.decide(asked[0], "grant", "", expires)
    with pytest.raises(TooLarge, match="a reason has at most"):
        await registrar.decide(asked[0], "grant", "x" * (entries.DETAILS_LIMIT + 1))
    assert alice.home.first.log.size == 5
    assert (await registrar.decide(asked[0], "grant", "x" * entries.DETAILS_LIMIT, now + 1))["expires"] == now + 1
    await registrar.erase(asked[1], "requested")
    with pytest.raises(Gone, match="nobody is there to answer"):
        await registrar.decide(asked[1], "grant", "")
    for outcome in ("", "pending", "withdraw"):
        with pytest.raises(Malformed, match="outcome is 'grant' or"):
            await alice.desk.decide(request=asked[2], outcome=outcome)
    assert alice.home.first.log.state.access(asked[2]).outcome == "pending"


async def test_only_what_hides_something_is_erased_and_once_with_all_that_answers_it(
    alice: Party, folder: Path
) -> None:
    asker = await asking(alice, folder, access="approval")
    registrar, log = asker.registrar, alice.home.first.log
    first, second = await asker.ask(), await asker.ask()
    for request in (first, second):
        await registrar.decide(request, "grant", "welcome")
    await asker.send(asker.submission(received(asker, first), kind=entries.RECEIPT))
    size = log.size
    for index in (-1, size, size + 1):
        with pytest.raises(NotFound, match=f"there is no entry {index}"):
            await registrar.erase(index, "requested")
    for index in (0, 1):
        with pytest.raises(Conflict, match="hides nothing"):
            await registrar.erase(index, "requested")
    assert log.size == size
    of = asker.keys.identity.peer  # whatever is known of one person is found by who that is
    assert [log.opening(n, of=of) is not None for n in (first, 4, size - 1)] == [True] * 3
    receipt = size - 1
    assert (await registrar.erase(receipt, "requested"))["erased"] == [receipt]
    assert (await registrar.erase(first, "requested"))["erased"] == [first, 4]
    for index in (receipt, first, 4):
        with pytest.raises(Gone, match=f"entry {index} was erased already"):
            await registrar.erase(index, "requested")
    assert [log.opening(index) is None for index in (first, 4, receipt, second, 5)] == [True] * 3 + [False] * 2


async def test_a_request_whose_opening_is_damaged_is_answered_all_the_same(alice: Party, folder: Path) -> None:
    asker = await asking(alice, folder, access="approval")
    request = await asker.ask()
    with alice.home.first.log._db as db:
        db.execute("UPDATE openings SET sealed = substr(sealed, 2)")
    assert (await asker.registrar.decide(request, "grant", "welcome"))["entry"] == 3
    assert (await asker.registrar.erase(request, "requested"))["erased"] == [2, 3]


# -- retention ---------------------------------------------------------------------------------------------------------

KEPT = 'name = "Rivers"\nretention_days = 3\n[colleges]\nworkers = ["me"]\n'


async def test_a_request_is_forgotten_after_so_many_days_and_one_that_cannot_be_keeps_no_other(
    start: Start, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    alice = await start("alice", listen=(), charter=KEPT)
    asker = await asking(alice, folder)
    registrar, state = asker.registrar, alice.home.first.log.state
    first = await asker.ask()
    second = await asker.ask()
    last = max(state.access(each).entry.time for each in (first, second)) + 3 * DAY
    assert retention.due(state, state.access(first).entry.time + 3 * DAY) == []
    assert retention.due(state, last + 0.5) == [first, second]
    monkeypatch.setattr(alice.home.first.dating, "check", lambda now: None)  # three days later, and nobody in doubt
    erase = Registrar.erase

    async def fails(self: Registrar, index: int, reason: str) -> dict[str, Any]:
        if index == first:
            raise StorageFailed("no space left")
        return await erase(self, index, reason)

    with monkeypatch.context() as patch:
        patch.setattr(Registrar, "erase", fails)
        with pytest.raises(StorageFailed, match="no space left"):
            await retention.forget(registrar, last + 1)
    assert retention.due(state, last + 1) == [first]
    assert await retention.forget(registrar, last + 1) == [first]
    assert await retention.forget(registrar, last + 1) == []
    bare = await start("bare", listen=())
    assert retention.due(bare.home.first.log.state, last + 1) == []


async def test_what_is_due_is_looked_at_again_after_each_pause(alice: Party) -> None:
    looked = list[float]()

    def clock() -> float:
        looked.append(time.time())
        return looked[-1]

    task = asyncio.create_task(retention.daily(alice.node.at().registrar, clock, 0.001))
    await until(lambda: len(looked) > 3)
    task.cancel()


# -- what members sign -------------------------------------------------------------------------------------------------


async def test_a_members_statement_makes_one_entry_and_then_what_the_ballots_decided(
    start: Start, folder: Path
) -> None:
    alice = await start("alice", listen=(), charter=KEPT)
    asker = await asking(alice, folder, access="vote")
    registrar, log, me = asker.registrar, alice.home.first.log, alice.home.keys.identity
    request = await asker.ask()
    said = voting.proposal(log.origin.removeprefix("commons/"), "grant", target=request)
    statement = voting.sign(alice.home, proposals.PROPOSAL, said)
    for _ in range(2):
        assert await registrar.govern(statement) == 3
        assert (log.size, log.state.access(request).outcome) == (5, "grant")
    shown = codec.decode(Answer, await registrar.submit(wrapped(statement))).shown
    assert [(each.index, each.entry) for each in shown] == [(3, statement)]
    with pytest.raises(Refused):
        await registrar.govern(envelope.sign(proposals.PROPOSAL, replace(said, nonce=b"n" * 16), EVE.identity))
    assert me.peer in log.state.founded.members


# -- what members date -------------------------------------------------------------------------------------------------


@given(st.integers(-SKEW - 5, AHEAD + 5))
@example(-SKEW)
@example(-SKEW + 1)
@example(AHEAD)
@example(AHEAD + 1)
def test_what_a_member_dates_is_late_by_less_than_this_and_early_by_hardly_anything(off: int) -> None:
    now = 1_800_000_000
    if -SKEW < off <= AHEAD:
        voting.check_date(now + off, now)
    else:
        with pytest.raises(Malformed, match=f"it is dated {now + off}"):
            voting.check_date(now + off, now)


def test_a_log_takes_from_others_what_they_say_in_its_own_commons_and_in_time(make_home: MakeHome) -> None:
    with Home(make_home("alice")) as home:
        now = int(time.time())

        def signed(commons: str, at: int = now) -> bytes:
            said = Proposal(commons=commons, action="admit", college="members", peer=BOB.identity.peer, time=at,
                            nonce=bytes(16))  # fmt: skip
            return envelope.sign(proposals.PROPOSAL, said, home.keys.identity)

        good = signed(home.first.commons)
        who, digest, new = voting.taken(home.first.log, home.first.commons, good, now)
        assert (who, new.data, new.statement) == (home.keys.identity.peer, good, digest)
        charter = home.first.log.entry(0)
        for wrong, kind, why in (
            (charter, Malformed, "not something a log takes"),
            (signed(ids.cid(b"other")), NotFound, "keeps the log of"),
            (signed(home.first.commons, now + 999), Malformed, "it is dated"),
        ):
            with pytest.raises(kind, match=why):
                voting.taken(home.first.log, home.first.commons, wrong, now)
        home.first.log.append(lambda _state, _index, _now: [new]).result()
        assert (
            voting.taken(home.first.log, home.first.commons, good, now + 9999)[1] == digest
        )  # its answer, again, whenever


@pytest.mark.parametrize("action", [*ACTIONS, "wait"])
def test_a_proposal_is_made_of_all_that_it_needs_and_of_nothing_else(action: str) -> None:
    needed = [*(ACTIONS[action].needs if action in ACTIONS else ())]
    if action == "wait":
        with pytest.raises(Malformed, match="not something to decide"):
            voting.check_words(action, None, [])
        return
    voting.check_words(action, "members" if "access" in needed else None, needed)
    for more in ("of", "until", "peer", "file", "entry"):
        if more in (*needed, *ACTIONS[action].takes):
            voting.check_words(action, "members", {*needed, more})
        else:
            with pytest.raises(Malformed, match=f"takes no --{more}"):
                voting.check_words(action, "members", {*needed, more})
    for each in needed:
        with pytest.raises(Malformed, match=f"needs --{each}") as told:
            voting.check_words(action, "members", [other for other in needed if other != each])
        assert ("community invite" in told.value.hint) == (action == "admit")


@pytest.mark.parametrize("access", [*voting.VOTABLE, "public", "allow-list", None])
def test_only_what_people_can_decide_about_is_voted_as_a_rule(access: str | None) -> None:
    if access in voting.VOTABLE:
        voting.check_words("set-rule", access, ["dataset", "access"])
    else:
        with pytest.raises(Malformed, match="not a rule that can be voted"):
            voting.check_words("set-rule", access, ["dataset", "access"])


@pytest.mark.parametrize("days", [0, 1, 366, 367])
def test_an_invitation_is_for_a_day_to_a_year(days: int) -> None:
    if days in (0, 367):
        with pytest.raises(Malformed, match=f"1 to 366 days, not {days}"):
            voting.invite(seat(1), "workers", days, "")
        return
    now = int(time.time())
    said, token = voting.invite(seat(1), "workers", days, "")
    assert (said.college, said.key) == ("workers", Signer(token).public)
    assert said.expires is not None
    assert now <= said.expires - days * DAY <= time.time()


def test_what_ballots_decided_is_logged_once_as_long_as_it_is_due() -> None:
    """A revocation of what was granted, and a grant or a refusal of what waits; nothing of what was erased."""
    log = Keeper()
    dataset = log.publish(Rule(kind="vote"), days=30)
    for _ in range(3):
        log.ask(BOB, dataset)
    log.propose("grant", target=2)
    log.propose("refuse", target=3)
    log.propose("grant", target=4)
    log.redact(4)
    state, wrong = log.fold()
    assert wrong == []
    made = [new.entry for new in voting.settled(state, 0, log.clock)]
    assert [(each.request, each.outcome, each.reason, each.basis) for each in made] == [  # type: ignore[union-attr]
        (2, "grant", "voted", 1), (3, "refuse", "voted", 1)
    ]  # fmt: skip
    assert [each.expires for each in made] == [log.clock + 30 * DAY, None]  # type: ignore[union-attr]
    for each in made:
        log.add(codec.encode(each))
    state, wrong = log.fold()
    assert (wrong, voting.settled(state, 0, log.clock)) == ([], [])
    log.propose("revoke", target=2)
    state, _ = log.fold()
    (last,) = voting.settled(state, 0, log.clock)
    assert (last.entry.request, last.entry.outcome) == (2, "revoke")  # type: ignore[union-attr]
    log.revoke(2)  # by a steward, before the log had it
    state, wrong = log.fold()
    assert (wrong, voting.settled(state, 0, log.clock)) == ([], [])
    log.data.pop()
    state, _ = log.fold()
    state.founded.heir = Proposal(
        commons=log.commons, action="change-registrar", time=1, nonce=bytes(16), peer=BOB.identity.peer,
        log_key=bytes(32), next_key=bytes(32),
    )  # fmt: skip
    assert voting.settled(state, 0, log.clock) == []  # it is for whom they chose to log it


def test_of_two_decisions_on_one_request_that_the_members_made_the_first_is_logged() -> None:
    """A draft of both would be refused by the fold, for ever."""
    log = Keeper(members=(BOB.identity.peer,))
    log.ask(EVE, log.publish(Rule(kind="vote")))
    opened = [log.propose(each, target=log.last) for each in ("grant", "refuse")]
    for each, logged in zip(opened, ("grant", None), strict=True):
        log.vote(BOB, each)
        state, wrong = log.fold()
        assert wrong == []
        made = voting.settled(state, 0, log.clock)
        assert [new.entry.outcome for new in made] == [logged] * bool(logged)  # type: ignore[union-attr]
        for new in made:
            log.add(new.data)


def test_a_stamp_is_logged_where_ballots_that_count_wait_for_a_head_of_that_size() -> None:
    case = Watched()
    opened = case.admit()
    state, _ = case.log.fold()
    met = state.founded.counted[opened].met
    assert met is not None
    for size in (met - 1, met, met + 1):
        stamped = voting.stamped(b"head", size)(state, 0, 9)
        assert [each.entry for each in stamped] == (
            [entries.Stamp(type=entries.STAMP, time=9, head=b"head")] if met < size else []
        )
    assert voting.stamped(b"head", 99)(Keeper().fold()[0], 0, 9) == []


def seat(n: int) -> Seat:
    public = Signer(bytes([n]) * 32).public
    return Seat(commons=ids.cid(public), key=Verifier(name=f"commons/{ids.cid(public)}", public=public))


def test_the_community_that_is_meant_is_named_where_there_are_several() -> None:
    own, one, other = seat(0), seat(1), seat(2)
    assert voting.seat_of([], None, own) == own
    with pytest.raises(NotFound, match="takes part in no commons"):
        voting.seat_of([], None, None)
    with pytest.raises(NotFound, match="takes no part in"):
        voting.seat_of([], own.commons, None)
    assert voting.seat_of([one], None, None) == one
    assert voting.seat_of([one], None, own) == one
    with pytest.raises(Malformed, match="several communities"):
        voting.seat_of([one, other], None, own)
    for each in (own, one, other):
        for named in (each.commons, f"commons:{each.commons}"):
            assert voting.seat_of([one, other], named, own) == each
    with pytest.raises(NotFound, match="takes no part in"):
        voting.seat_of([one, other], seat(3).commons, own)
    with pytest.raises(CommonsError):
        voting.seat_of([one], "rivers", own)
