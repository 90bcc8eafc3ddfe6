"""A log changes hands among people who do not mean well, at bad moments, and more than once. Real nodes."""

from __future__ import annotations

import sqlite3
import time
from dataclasses import replace
from hashlib import sha256
from pathlib import Path

import msgpack
import pytest

from commons.access import receipt
from commons.community import transfer, voting
from commons.community.voting import Seat
from commons.core.crypto import envelope
from commons.core.dataset import manifest
from commons.core.dataset.reference import parse
from commons.core.dataset.terms import DAY
from commons.core.state import entries, proposals
from commons.core.state.entries import DECISION, Decision
from commons.core.state.fold import State
from commons.core.state.proposals import Vote
from commons.core.state.transfer import SUCCESSION, Succession
from commons.core.tlog import checkpoint
from commons.disk.log import Log
from commons.disk.records import Record, record
from commons.disk.shelf import Shelf
from commons.errors import Conflict, Malformed, Pending, Refused, StorageFailed
from commons.log import audit
from commons.node import local
from commons.node.verbs import community
from commons.node.verbs.context import Context
from commons.witness import cosigning
from tests.conftest import CHARTER, Found, Party, Village, chosen, decided, until
from tests.keeper import EVE, Keeper, followed
from tests.rows import few

pytestmark = pytest.mark.usefixtures("impatient")


async def taken_over(village: Village, seats: dict[str, Party], by: str) -> Party:
    """Whoever was chosen, at home again with the log."""
    assert (await seats[by].desk.take_over())["taken"]
    seats[by] = await village.restart(by)
    return seats[by]


async def test_the_old_registrar_shuts_nobodys_log_by_signing_another_past(village: Village, found: Found) -> None:
    seats = await found("ben", "cleo")
    coop, commons = seats["coop"], seats["coop"].home.first.commons
    await chosen(seats, "ben", "cleo")
    ben = await taken_over(village, seats, "ben")
    for size in (1, 3, coop.home.first.log.size):
        lie = checkpoint.Checkpoint(origin=coop.home.first.log.origin, size=size, root=bytes(32))
        head = checkpoint.sign(lie, coop.home.keys.log(0))
        with pytest.raises(Conflict, match="by a key that keeps it no more"):
            ben.home.first.log.compare(head)
        assert ben.home.first.log.broken is None
    await seats["cleo"].desk.follow(source=ben.address)
    assert ben.home.first.commons == commons


async def test_a_ballot_dated_ahead_does_not_put_the_log_ahead_of_everybodys_clock(
    village: Village, found: Found
) -> None:
    """Entries are never dated before the ones in front of them: nobody's request could be logged for a month."""
    seats = await found("ben", "cleo")
    coop, ben, cleo = seats["coop"], seats["ben"], seats["cleo"]
    commons = coop.home.first.commons
    await ben.desk.take_over()
    said = Vote(
        commons=commons, proposal=sha256(ben.node.site.bids.shown(commons)).digest(), choice="yes", reason="",
        time=int(time.time()) + 20 * DAY,
    )  # fmt: skip
    lie = voting.sign(cleo.home, proposals.VOTE, said)
    with pytest.raises(Malformed, match="clock"):
        await cleo.node.net.post(ben.address, f"/{commons}/succession", lie, limit=100)
    await cleo.desk.vote_at(address=ben.address, choice="yes")
    await coop.desk.vote_at(address=ben.address, choice="yes")
    assert (await ben.desk.take_over())["taken"]
    ben = await village.restart("ben")
    assert ben.home.first.log.state.time <= time.time() + 1


async def test_a_ballot_by_a_slow_clock_counts(village: Village, found: Found) -> None:
    seats = await found("ben", "cleo")
    ben, cleo, commons = seats["ben"], seats["cleo"], seats["coop"].home.first.commons
    await ben.desk.take_over()
    said = Vote(
        commons=commons, proposal=sha256(ben.node.site.bids.shown(commons)).digest(), choice="yes", reason="",
        time=int(time.time()) - 60,
    )  # fmt: skip
    ballot = voting.sign(cleo.home, proposals.VOTE, said)
    await cleo.node.net.post(ben.address, f"/{commons}/succession", ballot, limit=100)
    told = await ben.desk.take_over()
    assert (told["taken"], told["wrong"]) == (True, [])


@pytest.mark.rest
async def test_who_took_a_log_over_can_change_its_key_and_give_it_back(village: Village, found: Found) -> None:
    """Three more changes: Ben's own key, then the log back to the first registrar, then that one's own key."""
    seats = await found("ben", "cleo")
    cleo = seats["cleo"]
    await chosen(seats, "ben", "cleo")
    ben = await taken_over(village, seats, "ben")
    await seats["cleo"].desk.follow(source=ben.address)
    keys = [each.key for each in ben.home.first.log.state.tenures]
    await chosen(seats, "ben", "cleo")
    ben = await taken_over(village, seats, "ben")
    assert ben.home.first.log.key.public not in keys
    assert (await cleo.desk.follow(source=ben.address))["registrar"] == ben.peer
    coop = seats["coop"]
    await coop.desk.follow(source=ben.address)
    await chosen(seats, "coop", "cleo")
    coop = await taken_over(village, seats, "coop")
    assert (await cleo.desk.follow(source=coop.address))["registrar"] == coop.peer
    await chosen(seats, "coop", "cleo")
    coop = await taken_over(village, seats, "coop")
    assert (await cleo.desk.follow(source=coop.address))["registrar"] == coop.peer
    assert len(coop.home.first.log.state.tenures) == 5
    assert (await cleo.desk.audit(source=coop.address))["faults"] == []


async def test_a_registrar_that_was_replaced_while_it_was_away_goes_on_as_a_member(
    village: Village, found: Found, folder: Path, tmp_path: Path
) -> None:
    seats = await found("ben", "cleo")
    coop, ben, cleo, commons = seats["coop"], seats["ben"], seats["cleo"], seats["coop"].home.first.commons
    reference = await coop.publish(folder)
    await coop.desk.export_log(path=str(tmp_path / "log.zip"), openings=True)
    await village.stop("coop")
    await ben.desk.take_over(source=str(tmp_path / "log.zip"))
    await cleo.desk.vote_at(address=ben.address, choice="yes")
    assert (await ben.desk.take_over(source=str(tmp_path / "log.zip")))["taken"]
    ben = await village.restart("ben")
    coop = await village.start("coop")
    told = await coop.desk.follow(source=ben.address)
    assert told["registrar"] == ben.peer
    for _ in range(2):
        with pytest.raises(Conflict, match="keeps this log by now"):  # it adds nothing to the history that was left
            await coop.publish(folder, title="Seas")
        assert (await coop.desk.community(named=commons))["registrar"] == ben.peer
        assert (await coop.desk.community())["registrar"] == ben.peer
        assert (await coop.desk.status())["peer"] == coop.peer
        coop = await village.restart("coop")
    opened = await coop.desk.propose(action="expel", college="workers", peer=cleo.peer)
    assert ben.home.first.log.state.community is not None
    assert ben.home.first.log.state.community.ballots[opened["proposal"]].proposer == coop.peer
    lakes = await ben.publish(folder, title="Lakes")
    await coop.fetch(lakes, tmp_path / "lakes", ben.address)
    assert (tmp_path / "lakes" / "rivers.csv").exists()
    assert reference


async def test_ballots_that_were_witnessed_before_a_crash_are_stamped_after_it(
    village: Village, found: Found, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And not by the next head, which may come when their time is over."""
    witness = await village.start("witness", http="127.0.0.1:0")
    seats = await found(witness=witness)
    coop = seats["coop"]
    with monkeypatch.context() as patch:

        async def killed(self: cosigning.Cosigning) -> None: ...

        patch.setattr(cosigning.Cosigning, "_stamp", killed)
        opened = await coop.desk.propose(action="admit", college="workers", peer=witness.peer)
        await until(lambda: cosigning.standing(coop.home.first)["covered"] == coop.home.first.log.size)
        await village.stop("coop")
    coop = await village.start("coop")
    await decided(coop)
    assert coop.home.first.log.state.community is not None
    assert coop.home.first.log.state.community.ballots[opened["proposal"]].standing == "passed"


@pytest.mark.parametrize("gone", few([False, True], 2))
async def test_what_is_owed_to_the_old_registrar_goes_to_the_new_one(
    village: Village, found: Found, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, gone: bool
) -> None:
    """A receipt, and the word that what was withdrawn is dropped, by somebody who never heard of the change. The old
    registrar may answer, as one that keeps the log no more, or be gone."""
    seats = await found("ben", "cleo")
    coop, reader = seats["coop"], await village.start("reader")
    reference = await coop.publish(folder)
    with monkeypatch.context() as patch:

        async def away(*_: object) -> dict[str, str]:
            return {"receipt": "owed"}

        patch.setattr(receipt, "deliver", away)
        await reader.fetch(reference, tmp_path / "reader", coop.address)
    await chosen(seats, "ben", "cleo")
    (ask,) = reader.home.shelf.asks()
    value = manifest.open(reader.home.shelf.manifest(ask.dataset) or b"").value
    told = await receipt.deliver(reader.home, reader.node.net, [coop.address], value, ask)
    assert told["receipt"] == "owed"  # it waits for the new one
    ben = await taken_over(village, seats, "ben")
    if gone:
        await village.stop("coop")
    await reader.desk.peers(add=ben.address)
    await reader.desk.status()
    assert [each.outcome for each in reader.home.shelf.asks()] == ["receipted"]
    assert ben.address in reader.node.gossip.registrars(
        ben.home.first.commons
    )  # who proves that two of its heads agree
    await seats["cleo"].desk.follow(source=ben.address)
    opened = await ben.desk.propose(action="withdraw", dataset=reference)
    await seats["cleo"].desk.vote(proposal=opened["proposal"], choice="yes")
    (became,) = (await reader.desk.status())["withdrawn"]
    assert (became["dropped"], became["owed"], became["why"]) == (True, False, "")
    assert ben.home.first.log.state.tally[ask.dataset] == (1, 1)


async def test_a_copy_that_shows_other_openings_the_second_time_gives_none_of_them(
    village: Village, found: Found, folder: Path, tmp_path: Path
) -> None:
    """Nor does it give what was erased."""
    seats = await found("ben", "cleo")
    coop, cleo = seats["coop"], seats["cleo"]
    reference = await coop.publish(folder)
    await cleo.fetch(reference, tmp_path / "cleo", coop.address)
    (row,) = (await coop.desk.audit())["rows"]
    true = local.own(coop.node.site, coop.home.first.commons)
    kept = await true("openings/000.p/" + str(coop.home.first.log.size))
    await coop.desk.erase(entry=row["entry"])
    reads = 0

    async def lying(path: str) -> bytes:
        nonlocal reads
        if path.startswith("openings/"):
            reads += 1
            return kept if reads == 1 else msgpack.packb([[row["entry"], b"\x81\xa6fields\x90"]])
        return await true(path)

    copied = await transfer.copy(lying, coop.home.first.commons, b"")
    assert row["entry"] not in copied.hidden
    assert copied.hidden == {}


async def test_a_statement_that_was_logged_twice_keeps_nobody_from_taking_over(
    village: Village, found: Found, folder: Path, tmp_path: Path
) -> None:
    seats = await found("ben", "cleo")
    coop, cleo = seats["coop"], seats["cleo"]
    reference = await coop.publish(folder)
    await cleo.fetch(reference, tmp_path / "cleo", coop.address)
    log, (row,) = coop.home.first.log, (await coop.desk.audit())["rows"]
    again = log.opening(row["entry"])
    assert again is not None
    twice = entries.decode(log.entry(row["entry"]))
    assert isinstance(twice, entries.Request)
    log.append(lambda _state, _index, now: [record(replace(twice, time=now), again, cleo.peer)]).result()
    assert (await coop.desk.audit())["faults"] == []
    await chosen(seats, "ben", "cleo")
    ben = await taken_over(village, seats, "ben")
    statement = again.get("statement")
    assert statement is not None
    assert ben.home.first.log.answered(sha256(statement).digest()) == row["entry"]


async def test_who_has_not_all_manifests_can_change_the_key_of_the_log(
    village: Village, found: Found, folder: Path
) -> None:
    seats = await found("ben", "cleo")
    await seats["coop"].publish(folder)
    await chosen(seats, "ben", "cleo")
    seats["ben"].home.shelf.put_seat(seats["coop"].home.first.commons, seats["coop"].home.first.log.key.public, [
        seats["coop"].address, "/ip4/127.0.0.1/tcp/9/p2p/" + seats["cleo"].peer])  # fmt: skip

    async def nothing(c: Context, seat: Seat, state: State) -> int:
        return 0

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(community, "_manifests", nothing)  # the old one could not be reached
        ben = await taken_over(village, seats, "ben")
    await seats["cleo"].desk.follow(source=ben.address)
    await chosen(seats, "ben", "cleo")
    told = await ben.desk.take_over()
    assert (told["taken"], told["datasets"], told["manifests"]) == (True, 1, 0)


@pytest.mark.rest
async def test_a_home_takes_over_several_logs_and_keeps_its_own(
    village: Village, found: Found, folder: Path, tmp_path: Path
) -> None:
    seats = await found("ben", "cleo")
    other = await village.start("other", CHARTER)
    ben, cleo = seats["ben"], seats["cleo"]
    mine, both = ben.commons, (seats["coop"].commons, other.commons)
    await ben.publish(folder)  # in a log of his own
    for each in (ben, cleo):
        await each.desk.join(text=(await other.desk.invite(college="workers"))["invitation"], linked=True)
    for commons in both:
        opened = await ben.desk.propose(action="change-registrar", named=commons)
        await cleo.desk.vote(proposal=opened["proposal"], choice="yes", named=commons)
    for commons in both:
        assert (await ben.desk.take_over(named=commons))["taken"]
    for _ in range(2):
        assert ({*ben.home.kept}, ben.commons) == ({mine, *both}, mine)
        assert [each.log.broken for each in ben.home.kept.values()] == [None] * 3
        for commons in both:
            told = await cleo.desk.follow(source=ben.address, commons=commons)
            assert (told["registrar"], told["faults"]) == (ben.peer, 0)
        ben = await village.restart("ben")
    again = await ben.publish(folder, title="Lakes", named=both[1])
    assert parse(again).cid in ben.home.kept[both[1]].log.state.datasets
    assert {each["commons"] for each in (await ben.desk.status())["others"]} == {*both}


async def test_a_log_that_is_not_whole_in_its_file_takes_nothings_place(
    village: Village, found: Found, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Somebody, a backup for example, reads the new file while it is written: part of it stays in its journal."""
    seats = await found("ben", "cleo")
    await chosen(seats, "ben", "cleo")
    ben, true = seats["ben"], Log.adopt

    def watched(path: Path, *words: object) -> None:
        sqlite3.connect(path).execute("PRAGMA journal_mode=WAL").close()
        reader = sqlite3.connect(path, check_same_thread=False)
        reader.execute("BEGIN")
        reader.execute("SELECT count(*) FROM sqlite_master").fetchone()
        readers.append(reader)
        true(path, *words)  # type: ignore[arg-type]

    readers: list[sqlite3.Connection] = []
    with monkeypatch.context() as patch:
        patch.setattr(Log, "adopt", watched)
        with pytest.raises(StorageFailed, match="another program"):
            await ben.desk.take_over()
    for each in readers:
        each.close()
    assert seats["coop"].commons not in ben.home.kept
    assert ben.home.first.log.broken is None
    assert (await ben.desk.take_over())["taken"]
    ben = await village.restart("ben")
    assert ben.home.first.commons == seats["coop"].home.first.commons


@pytest.mark.parametrize("gone", [False, True])
@pytest.mark.rest
async def test_what_one_registrar_approved_holds_under_the_next(
    village: Village, found: Found, folder: Path, tmp_path: Path, gone: bool
) -> None:
    """The one who approved still answers, under the last head of its own, or is gone."""
    seats = await found("ben", "cleo", "dora")
    coop, cleo, dora = seats["coop"], seats["cleo"], seats["dora"]
    reader = await village.start("reader")
    await coop.desk.propose(action="change-custodians", file=f"member dora {dora.peer}\nquorum dora\n")
    await dora.desk.keep()
    reference = await coop.publish(folder, access="approval")
    await chosen(seats, "ben", "cleo", "dora")
    ben = await taken_over(village, seats, "ben")
    for each in (coop, cleo, dora):
        await each.desk.follow(source=ben.address)
    sources = [coop.address, ben.address, dora.address]
    with pytest.raises(Pending):
        await reader.fetch(reference, tmp_path / "reader", *sources)
    (asked,) = (await ben.desk.requests())["requests"]
    await ben.desk.decide(request=asked["request"], outcome="grant", reason="Welcome")
    await chosen(seats, "cleo", "coop", "dora")
    cleo = await taken_over(village, seats, "cleo")
    await dora.desk.follow(source=cleo.address)
    if gone:
        await village.stop("ben")
    await reader.fetch(reference, tmp_path / "reader", *sources, cleo.address)
    assert (tmp_path / "reader" / "rivers.csv").exists()


async def test_a_registrar_that_logs_what_breaks_the_rules_keeps_nobody_from_replacing_it(
    village: Village, found: Found, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seats = await found("ben", "cleo")
    coop, ben, cleo = seats["coop"], seats["ben"], seats["cleo"]
    wrong = Decision(
        type=DECISION, time=int(time.time()), request=7, outcome="grant", reason="member", basis=0, expires=None,
        statement=None,
    )  # fmt: skip
    with monkeypatch.context() as patch:
        patch.setattr(State, "apply", lambda self, _: setattr(self, "size", self.size + 1))
        coop.home.first.log.append(lambda _state, _index, _now: [record(wrong)]).result()
        broken = Record(entry=wrong, data=b"\x81\xa4type\x01")  # this is no entry at all
        coop.home.first.log.append(lambda _state, _index, _now: [broken]).result()
    assert (await cleo.desk.community())["faults"] == 2
    await chosen(seats, "ben", "cleo")
    assert (await ben.desk.take_over())["taken"]
    ben = await village.restart("ben")
    assert (await cleo.desk.follow(source=ben.address))["registrar"] == ben.peer
    assert len((await cleo.desk.audit(source=ben.address))["faults"]) == 2  # they stay, and are named
    reference = await ben.publish(folder)
    await cleo.fetch(reference, tmp_path / "copy", ben.address)
    assert (await village.restart("ben")).home.first.log.broken is None


async def test_nobody_goes_on_from_less_than_the_witnesses_signed(
    village: Village, found: Found, tmp_path: Path
) -> None:
    """They would never sign a head of it, so no key would ever be given."""
    witness = await village.start("witness", http="127.0.0.1:0")
    seats = await found("ben", "cleo", witness=witness)
    coop, ben, cleo = seats["coop"], seats["ben"], seats["cleo"]
    old, new = str(tmp_path / "old.zip"), str(tmp_path / "new.zip")
    for path in (old, new):
        await until(lambda: cosigning.standing(coop.home.first)["covered"] == coop.home.first.log.size)
        await coop.desk.export_log(path=path, openings=True)
        await coop.desk.propose(action="admit", college="workers", peer=EVE.identity.peer) if path == old else None
        await decided(coop)
    await village.stop("coop")
    await ben.desk.take_over(source=old)
    await cleo.desk.vote_at(address=ben.address, choice="yes")
    with pytest.raises(Conflict, match="w signed more of this log"):
        await ben.desk.take_over(source=old)
    assert coop.commons not in ben.home.kept
    told = await ben.desk.take_over(source=new)  # Eve is a worker in it, so a third has to agree
    assert told["outcome"]["missing"] == "1 of workers"


async def test_who_is_no_member_takes_nothing_over(village: Village, found: Found) -> None:
    seats = await found("ben")
    stranger = await village.start("stranger")
    await stranger.desk.follow(source=seats["coop"].address, commons=seats["coop"].commons)
    with pytest.raises(Refused, match="no member"):
        await stranger.desk.take_over()


async def test_a_journal_of_a_log_put_aside_before_is_not_left_to_the_next_one(village: Village, found: Found) -> None:
    """SQLite would replay it into a file that it is not of."""
    seats = await found("ben")
    await chosen(seats, "coop", "ben")
    coop = await taken_over(village, seats, "coop")
    stale = coop.home.first.folder / "log.before.2.db-wal"
    stale.write_bytes(b"left by a crash")
    await seats["ben"].desk.follow(source=coop.address)
    await chosen(seats, "coop", "ben")
    coop = await taken_over(village, seats, "coop")
    assert not stale.exists()


@pytest.mark.parametrize("signed", [True, False])
async def test_a_succession_that_breaks_the_rules_stops_nobody_who_follows_the_log(
    tmp_path: Path, signed: bool
) -> None:
    """It is in the log, as other faults may be, and gives no right."""
    log, shelf = Keeper(), Shelf(tmp_path / "shelf.db")
    head = checkpoint.Checkpoint(origin=log.log.name, size=1, root=bytes(32))
    said = Succession(commons=log.commons, head=checkpoint.sign(head, EVE.log(0)), time=log.clock)
    entry = envelope.sign(SUCCESSION, said, EVE.identity)
    log.add(entry if signed else entry[:-1] + bytes([entry[-1] ^ 1]))
    dataset = log.publish()
    follower = followed(log.read, log.commons, shelf)
    try:
        await follower.follow()
        assert follower.replica.verified.faults == 1
        assert dataset in follower.replica.state.datasets
    finally:
        shelf.close()


async def test_what_was_taken_over_is_exported_erased_and_audited_as_before(
    village: Village, found: Found, folder: Path, tmp_path: Path
) -> None:
    seats = await found("ben", "cleo")
    coop, cleo = seats["coop"], seats["cleo"]
    reference = await coop.publish(folder)
    more = await coop.publish(folder, title="Lakes")
    for n, each in enumerate((reference, more)):
        await cleo.fetch(each, tmp_path / f"cleo{n}", coop.address)
    await chosen(seats, "ben", "cleo")
    ben = await taken_over(village, seats, "ben")
    first, second = (await ben.desk.audit())["rows"]
    assert [first["who"], second["who"]] == [cleo.peer, cleo.peer]
    await ben.desk.erase(entry=first["entry"])
    ben = await village.restart("ben")
    told = await ben.desk.audit()
    assert (told["faults"], [row["who"] for row in told["rows"]]) == ([], [None, cleo.peer])
    await ben.desk.export_log(path=str(tmp_path / "after.zip"), openings=True)
    told = await audit.offline(str(tmp_path / "after.zip"), ben.home.first.commons, None, None, None, None)
    assert (told["faults"], [row["who"] for row in told["rows"]]) == ([], [None, cleo.peer])
    assert b"commons/request/v1" not in b"".join(
        each.read_bytes() for each in ben.home.path.glob("log.db-wal")
    )  # what was erased is in no journal
