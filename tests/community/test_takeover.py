"""What a log can go on with: all up to the head that its witnesses signed, and beyond it what members signed."""

from __future__ import annotations

import asyncio
import errno
import os
import sqlite3
import time
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import replace
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from commons.community import transfer
from commons.core.crypto import codec, envelope
from commons.core.crypto.keys import GENERATIONS, Keys
from commons.core.dataset.rule import Rule
from commons.core.state import proposals
from commons.core.state.fold import State
from commons.core.state.proposals import Proposal, Vote
from commons.core.state.transfer import Tenure
from commons.core.tlog import cosignature
from commons.disk.home import Home
from commons.disk.log import Log
from commons.disk.notes import Notes
from commons.errors import Conflict, Malformed, NotFound, Pending, Refused, StorageFailed, Untrue
from commons.log.files import Read
from tests.conftest import MakeHome
from tests.core.test_time import KEYS, TWO, Watched
from tests.crash_driver import die_at, in_child
from tests.keeper import ALICE, BOB, EVE, Keeper

MEMBERS = ("offer", "vote", "vote again", "stranger votes")  # what who votes or offers signs, faulty or not
KINDS = (*MEMBERS, "ask", "publish", "decide")


def shown(log: Keeper, cosigned: bytes | None) -> Read:
    """The log as its keeper's door or an export shows it, with all openings."""

    async def read(path: str) -> bytes:
        if path == "cosigned":
            if cosigned is None:
                raise NotFound(path)
            return cosigned
        if path.startswith("openings/"):
            return codec.encode([[index, data] for index, data in sorted(log.openings.items())])
        return await log.read(path)

    return read


def copied(log: Keeper, cosigned: bytes | None) -> transfer.Copy:
    return asyncio.run(transfer.copy(shown(log, cosigned), log.commons, b""))


class Case:
    """A log with a request in it, an offer to keep it, and what comes after."""

    def __init__(self, witnesses: str = TWO) -> None:
        self.watched = Watched(witnesses)
        self.log = self.watched.log
        self.dataset = self.log.publish()
        self.log.ask(BOB, self.dataset)
        self.log.decide()
        self.offers = 0
        self.opened = self.offer()

    def offer(self) -> int:
        keys = [BOB.log(n, self.log.commons).public for n in (0, 1)]
        self.offers += 1
        said = Proposal(
            commons=self.log.commons, action="change-registrar", time=self.log.clock,
            nonce=self.offers.to_bytes(16, "big"), peer=BOB.identity.peer, log_key=keys[0],
            next_key=sha256(keys[1]).digest(),
        )  # fmt: skip
        return self.log.add(envelope.sign(proposals.PROPOSAL, said, BOB.identity))

    def add(self, kind: str) -> int:
        log = self.log
        if kind == "offer":
            return self.offer()
        if kind == "ask":
            log.ask(EVE, self.dataset)
            return log.last
        if kind == "publish":  # by its keeper, who is a member too, and against no rule
            log.publish(series=len(log.data).to_bytes(16, "big"))
            return len(log.data) - 1
        if kind == "decide":
            log.ask(EVE, self.dataset)
            return log.decide() - 1
        if kind == "vote again":
            return log.vote(BOB, self.opened, "no")  # who offers has voted for it by that
        if kind == "stranger votes":
            return log.vote(EVE, self.opened)
        return log.vote(ALICE, self.opened)


@given(st.lists(st.sampled_from(KINDS), max_size=5), st.integers(0, 2))
def test_beyond_the_witnessed_head_only_what_members_signed_goes_on_and_nothing_after_what_they_did_not(
    kinds: list[str], covered: int
) -> None:
    """Whatever stands there, and however much of it the witnesses saw: nothing rests on a registrar's word."""
    case = Case()
    base, head = len(case.log.data), case.watched.head(3, 3, None)
    members = set[int]()
    for n, kind in enumerate(kinds):
        at = len(case.log.data)
        case.add(kind)
        members |= {at} if kind in MEMBERS else set()
        if n < covered:  # the witnesses signed this as well
            base, head = len(case.log.data), case.watched.head(3, 3, None)
    state = State()
    faulty = {n for n, data in enumerate(case.log.data) if state.take(data) is not None}
    rest = range(base, len(case.log.data))
    goes_on = next((n for n in rest if n not in members or n in faulty), len(case.log.data))
    found = copied(case.log, head)
    assert found.base.checkpoint.size == base
    assert found.data == case.log.data[:goes_on]
    assert found.state.size == goes_on
    assert found.hidden == {n: data for n, data in case.log.openings.items() if n < base and n not in faulty}


def test_an_opening_that_is_damaged_where_the_log_was_kept_is_none(bob: Home) -> None:
    case = Chosen(bob)
    said = case.log.ask(BOB, case.log.publish())
    case.log.openings[2] = b""  # so its keeper's door says it
    case.log.ask(EVE, said.value.dataset)
    found = case.copied(ALICE, EVE)
    assert [*found.hidden] == [3]
    assert case.build(found) == len(case.log.data) + 1


def test_what_is_added_to_a_copy_follows_what_it_goes_on_with() -> None:
    """The last ballot, collected apart, decides; the new log numbers its entries without a gap."""
    case = Case()
    head = case.watched.head(3, 3, None)
    for kind in ("offer", "ask", "offer"):
        case.add(kind)
    found = copied(case.log, head)
    said = proposals.Vote(
        commons=case.log.commons, proposal=sha256(case.log.data[case.opened]).digest(), choice="yes",
        reason="", time=case.log.clock,
    )  # fmt: skip
    ballot = envelope.sign(proposals.VOTE, said, ALICE.identity)
    size = len(found.data)
    assert size == head_size(head) + 1
    assert transfer.add(found, [case.log.data[case.opened], ballot]) != []  # the proposal is in it already
    assert found.data[size:] == [ballot]
    assert found.state.size == size + 1
    community = found.state.community
    assert community is not None
    assert community.heir is not None
    assert community.heir.peer == BOB.identity.peer


def test_nobody_goes_on_from_a_head_that_is_not_of_the_log_that_is_shown() -> None:
    """The old registrar and the witnesses signed both: what was witnessed is another history."""
    case, other = Case(), Case()
    other.log.data = [*case.log.data[:-1], other.log.data[-2]]
    other.log.commons, other.log.log = case.log.commons, case.log.log
    with pytest.raises(Untrue, match="is not of this log") as told:
        copied(case.log, other.watched.head(3, 3, None))
    assert len(told.value.evidence) == 2


def test_nobody_goes_on_from_a_head_that_too_few_signed_or_that_is_ahead_of_what_is_shown() -> None:
    case = Case()
    few, many = case.watched.head(3), case.watched.head(3, 3, None)
    for cosigned in (None, few):
        with pytest.raises(Pending, match="no head of this log is witnessed"):
            copied(case.log, cosigned)
    assert copied(case.log, many).base.checkpoint.size == len(case.log.data)
    case.log.data.pop()
    with pytest.raises(Pending, match="no head of this log is witnessed"):
        copied(case.log, many)
    assert copied(case.log, case.watched.head(3, 3, None)).base.checkpoint.size == len(case.log.data)


def head_size(head: bytes) -> int:
    return int(head.split(b"\n")[1])


# -- the offer, and the ballots on it ----------------------------------------------------------------------------------


@pytest.mark.parametrize("used", [0, 1, GENERATIONS - 2, GENERATIONS - 1])
@pytest.mark.parametrize("own", [True, False])
@pytest.mark.parametrize("here", [True, False])
def test_who_offers_to_keep_a_log_names_a_key_that_it_never_had_and_the_next_one(
    own: bool, here: bool, used: int
) -> None:
    """The first that is left, of those it began with where it keeps the log, else of those for others' logs."""
    log = Keeper(members=(BOB.identity.peer,))
    keys = ALICE if here else BOB
    chain = [keys.log(n, "" if own and here else log.commons) for n in range(GENERATIONS)]
    state, _ = log.fold()
    assert state.community is not None
    state.community.tenures += [Tenure(since=9, registrar="", key=each.public) for each in chain[:used]]
    state.community.tenures.append(state.community.tenures[0])  # who keeps it is who kept it first
    first = max(used, int(own and here))  # alice's first key signs it
    if first == GENERATIONS - 1:
        with pytest.raises(Conflict, match="under all of its keys"):
            transfer.offer(keys, log.commons, state, own)
        return
    said = transfer.offer(keys, log.commons, state, own)
    assert (said.action, said.commons, said.peer) == ("change-registrar", log.commons, keys.identity.peer)
    assert said.log_key == chain[first].public
    assert said.next_key == sha256(chain[first + 1].public).digest()


@pytest.fixture
def bob(make_home: MakeHome) -> Iterator[Home]:
    with Home(make_home("bob")) as home:
        yield home


class Chosen:
    """A log that is dated now, and its members' choice of who keeps it; bob is one of them."""

    def __init__(self, bob: Home, key: bytes | None = None, heir: str | None = None) -> None:
        self.bob, self.log = bob, Keeper(members=(bob.keys.identity.peer, EVE.identity.peer))
        self.log.clock = int(time.time())
        own = [bob.keys.log(n, self.log.commons).public for n in (0, 1)]
        self.said = Proposal(
            commons=self.log.commons, action="change-registrar", time=self.log.clock, nonce=bytes(16),
            peer=heir or bob.keys.identity.peer, log_key=key or own[0], next_key=sha256(own[1]).digest(),
        )  # fmt: skip
        signer = bob.keys.identity if heir is None else EVE.identity
        self.proposal = envelope.sign(proposals.PROPOSAL, self.said, signer)

    def ballot(self, by: Keys, **lie: Any) -> bytes:
        digest = sha256(self.proposal).digest()
        said = Vote(commons=self.log.commons, proposal=digest, choice="yes", reason="", time=int(time.time()))
        return envelope.sign(proposals.VOTE, replace(said, **lie), by.identity)

    def copied(self, *voters: Keys) -> transfer.Copy:
        opened = self.log.add(self.proposal)
        for each in voters:
            self.log.vote(each, opened)
        return copied(self.log, None)

    def build(self, found: transfer.Copy) -> int:
        records, signer = transfer.build(self.bob, self.log.commons, found)
        self.bob.rewrite(self.log.commons, records, signer)
        return len(records)

    @property
    def folder(self) -> Path:
        return self.bob.folder(self.log.commons)


def test_one_ballot_of_each_member_on_this_offer_is_kept(bob: Home) -> None:
    case, bids = Chosen(bob), transfer.Bids(bob)
    commons, members = case.log.commons, list[str]([ALICE.identity.peer, EVE.identity.peer])
    with pytest.raises(NotFound, match="has not offered"):
        bids.shown(commons)
    with pytest.raises(NotFound, match="has not offered"):
        bids.take(commons, case.ballot(ALICE))
    bob.shelf.put_bid(commons, case.proposal, members)
    assert bids.shown(commons) == case.proposal
    late = int(time.time())
    for wrong, kind, why in (
        (case.ballot(ALICE, proposal=bytes(32)), Malformed, "another proposal"),
        (case.ballot(ALICE, commons=bob.first.commons), Malformed, "another proposal"),
        (case.ballot(BOB), Refused, "cannot vote"),
        (case.ballot(ALICE, time=late + 3600), Malformed, "it is dated"),
        (case.ballot(ALICE, time=late - 3600), Malformed, "it is dated"),
        (case.proposal, Malformed, "expected a"),
    ):
        with pytest.raises(kind, match=why):
            bids.take(commons, wrong)
    assert bids.ballots(case.proposal) == []
    said = case.ballot(ALICE)
    for _ in range(2):  # an answer that was lost is given again
        assert bids.take(commons, said) == sha256(said).digest()
    with pytest.raises(Conflict, match="voted on this already"):
        bids.take(commons, case.ballot(ALICE, choice="no"))
    assert bids.ballots(case.proposal) == [said]


# -- writing it --------------------------------------------------------------------------------------------------------


def test_only_whom_the_members_chose_writes_the_log_that_goes_on_and_under_the_key_they_chose(bob: Home) -> None:
    for case, voters, why in (
        (Chosen(bob), (ALICE,), "have not chosen this home"),  # everybody has to agree
        (Chosen(bob, heir=EVE.identity.peer), (ALICE, bob.keys), "have not chosen this home"),
        (Chosen(bob, key=BOB.log(0).public), (ALICE, EVE), "a key that this home does not have"),
    ):
        with pytest.raises(Refused, match=why):
            case.build(case.copied(*voters))
    assert [*bob.kept] == [bob.first.commons]
    case = Chosen(bob)
    found = case.copied(ALICE, EVE)
    case.folder.mkdir(parents=True)
    for name in ("log.work.db", "log.work.db-wal"):
        (case.folder / name).write_bytes(b"left by a crash")
    assert case.build(found) == len(case.log.data) + 1
    for _ in range(2):
        log = bob.kept[case.log.commons].log
        assert (list(log.entries(0, log.size - 1)), log.broken) == (case.log.data, None)
        assert bob.first.log.broken is None
        case.build(found)  # the same one again
    assert sorted(each.name for each in case.folder.glob("log.before*.db")) == ["log.before.2.db", "log.before.db"]


def test_what_is_known_of_a_log_goes_with_it(bob: Home) -> None:
    """By whom entries are that hide it, and which statement made which: whoever sends it again is answered, and not
    entered once more. Of a statement that stands in it twice, the first counts."""
    case = Chosen(bob)
    log = case.log
    said = log.ask(BOB, log.publish(Rule(kind="approval")))
    asked = log.last
    decided = log.decide(reason="approved", steward=ALICE.identity)
    log.add(case.proposal)
    found = case.copied(ALICE, EVE)
    case.build(found)
    taken = bob.kept[log.commons].log
    signed = {sha256(each).digest(): n for n, each in enumerate(log.data) if b"commons/vote/v1" in each[:99]}
    signed |= {sha256(case.proposal).digest(): log.data.index(case.proposal), sha256(said.data).digest(): asked}
    rows = dict(taken._reads.execute("SELECT digest, idx FROM statements").fetchall())
    assert rows == signed
    opening = taken.opening(decided)
    assert opening is not None
    assert opening.get("statement") is not None
    subjects = dict(taken._reads.execute("SELECT idx, subject FROM openings").fetchall())
    assert set(subjects) == {asked, decided}
    assert len(set(subjects.values())) == 1


def test_a_disk_that_gives_the_new_log_no_name_is_named(bob: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    case = Chosen(bob)

    def refuses(*_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patch:
        patch.setattr(os, "replace", refuses)
        with pytest.raises(StorageFailed, match=r"disk full: could not write "):
            case.build(case.copied(ALICE, EVE))
    assert (case.log.commons in bob.kept, (case.folder / "log.db").exists()) == (False, False)


@pytest.mark.rest
def test_a_log_that_is_kept_again_takes_the_place_of_the_older_one_wherever_a_process_is_killed(bob: Home) -> None:
    """Always one of them is there, whole, and nothing of the older one is lost."""
    case = Chosen(bob)
    found, commons, path = case.copied(ALICE, EVE), case.log.commons, bob.path
    case.build(found)
    older = bob.kept[commons].log.head.note
    bob.kept[commons].cosigned.put(1, older, {})
    records, signer = transfer.build(bob, commons, found)
    bob.close()
    for step in range(1, 60):

        def work(step: int = step) -> None:
            with Home(path) as home:
                die_at(step, also=((os, "link"), (os, "unlink")))
                home.rewrite(commons, records, signer)

        code = in_child(work)
        with Home(path) as home:
            assert (home.kept[commons].log.size, home.kept[commons].log.broken) == (len(records), None)
            with closing(Notes(home.folder(commons) / "notes.db")) as notes:
                assert notes.unread.all() == []
        if code == 0:
            break
    assert code == 0
    assert step > 4
    aside = [each.read_bytes() for each in path.glob(f"commons/{commons}/*.before*.db")]
    assert len({*aside}) > 1
    with closing(Log.open(path / "commons" / commons / "log.before.db", signer, b"")) as before:
        assert before.head.note == older


@pytest.mark.parametrize("emptied", [False, True])
def test_a_new_log_of_which_part_is_in_its_journal_gets_no_name(
    bob: Home, monkeypatch: pytest.MonkeyPatch, emptied: bool
) -> None:
    """Another program reads it while it is written; a journal with nothing in it holds up nobody."""
    case, true = Chosen(bob), Log.adopt

    def watched(path: Path, *words: Any) -> None:
        reader.append(sqlite3.connect(path))
        reader[0].execute("PRAGMA journal_mode=WAL")
        reader[0].execute("SELECT count(*) FROM sqlite_master").fetchone()
        true(path, *words)
        if emptied:
            reader[0].execute("PRAGMA wal_checkpoint(TRUNCATE)")

    reader: list[sqlite3.Connection] = []
    found = case.copied(ALICE, EVE)
    monkeypatch.setattr(Log, "adopt", watched)
    if emptied:
        case.build(found)
    else:
        with pytest.raises(StorageFailed, match="still in its journal"):
            case.build(found)
    assert (case.log.commons in bob.kept, (case.folder / "log.db").exists()) == (emptied, emptied)
    reader[0].close()


# -- what the witnesses have signed since ------------------------------------------------------------------------------


class Doors:
    """Where witnesses show what they signed last."""

    def __init__(self, origin: str, heads: Sequence[bytes | None]) -> None:
        self.origin, self.heads, self.asked = origin, heads, set[str]()

    async def get(self, source: str, path: str, *, limit: int, span: tuple[int, int] | None = None) -> bytes:
        assert path == cosignature.monitored(self.origin)
        self.asked.add(source)
        found = self.heads[int(source.removeprefix("http://w"))]
        if found is None:
            raise NotFound(path)
        return found

    async def post(self, source: str, path: str, body: bytes, *, limit: int) -> bytes:
        raise NotFound(path)


SEEN = ("nothing", "less", "as much", "members' too", "more", "another past", "no head")


@given(st.lists(st.sampled_from(SEEN), min_size=3, max_size=3), st.booleans())
def test_nothing_goes_on_that_so_many_witnesses_will_not_sign_that_the_others_are_no_quorum(
    seen: list[str], hidden: bool
) -> None:
    """Two of three are asked for, so one alone holds up nobody; one without an address is not asked."""
    case = Case("\n".join([
        *(f"witness w{n} {key.vkey}{'' if hidden and n == 2 else f' http://w{n}/'}" for n, key in enumerate(KEYS)),
        "group two 2 w0 w1 w2", "quorum two", "",
    ]))  # fmt: skip
    log = case.log
    head = case.watched.head(3, 3, 3)
    offered = case.add("offer")
    copy = copied(log, head)
    assert len(copy.data) == offered + 1
    case.add("ask")
    other = Keeper()
    other.log, other.signer, other.data = log.log, log.signer, [*log.data[:-2], log.data[-1]]
    shows = {
        "nothing": None, "less": log.head(2), "as much": log.head(offered), "members' too": log.head(offered + 1),
        "more": log.head(), "another past": other.head(), "no head": b"no head",
    }  # fmt: skip
    doors = Doors(log.log.name, [shows[each] for each in seen])
    away = [n for n, each in enumerate(seen) if each in ("more", "another past") and not (hidden and n == 2)]
    if len(away) > 1:
        with pytest.raises(Conflict, match=" and ".join(f"w{n}" for n in away) + " signed more of this log"):
            asyncio.run(transfer.check_newest(doors, copy))
    else:
        asyncio.run(transfer.check_newest(doors, copy))
    assert doors.asked == {f"http://w{n}" for n in range(2 if hidden else 3)}
