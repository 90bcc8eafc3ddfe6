"""Who asked for what, in the home of a member who may read it: for the moment, or kept and destroyed when it is
erased."""

from __future__ import annotations

import asyncio
import itertools
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import click.testing
import pytest

from commons.cli.log import tell_audit
from commons.core.crypto import codec
from commons.core.crypto.keys import Keys
from commons.core.dataset.terms import DAY
from commons.core.state.entries import Request
from commons.core.tlog import checkpoint, note
from commons.disk.history import History
from commons.disk.shelf import Shelf
from commons.disk.verdicts import RowVerdict
from commons.errors import Conflict, NotFound, Refused, Untrue
from commons.log import audit
from commons.log.evidence import Remembered
from commons.log.files import Read
from commons.log.judge import Report
from commons.log.replica import Replica
from commons.progress import untold
from tests.conftest import CHARTER, Found, Party, Village
from tests.crash_driver import die_at, in_child
from tests.keeper import BOB, EVE, Keeper

LOCAL = b"a secret of this home"


@pytest.fixture
def log() -> Keeper:
    """Entry 2: Eve asks, and is granted it by entry 3. Entry 4: Bob asks, and is granted it by entry 5."""
    made = Keeper(members=(BOB.identity.peer,))
    dataset = made.publish()
    for who in (EVE, BOB):
        made.ask(who, dataset)
        made.decide()
    return made


def shown(log: Keeper, openings: bool = True) -> Read:
    """The log as its registrar's door shows it to who may see openings, or may not."""

    async def read(path: str) -> bytes:
        if not path.startswith("openings/"):
            return await log.read(path)
        if not openings:
            raise NotFound(path)
        return codec.encode([[index, data] for index, data in sorted(log.openings.items())])

    return read


class Member:
    """A home's part in it: a replica in a file, and what is trusted."""

    def __init__(self, path: Path) -> None:
        self.shelf, self.history = Shelf(path / "shelf.db"), History.open(path / "replica.db", LOCAL)
        self.replica = Replica(None, self.history, Remembered(self.shelf))

    def __enter__(self) -> Member:
        return self

    def __exit__(self, *_: object) -> None:
        self.history.close()
        self.shelf.close()

    async def audit(self, log: Keeper, keep: bool = False, openings: bool = True) -> Report:
        return await audit.of_replica(shown(log, openings), self.replica, untold, keep)


@pytest.fixture
def member(tmp_path: Path) -> Iterator[Member]:
    with Member(tmp_path) as made:
        yield made


def rows(report: Report) -> list[tuple[Any, ...]]:
    return [(row["entry"], row["who"], row["state"], row["earlier"], row["earlier_at"]) for row in report.rows]


def names(who: Keys) -> tuple[bytes, ...]:
    """What names a person."""
    return who.identity.peer.encode(), who.identity.public


def raw(folder: Path) -> bytes:
    """Every byte of every file."""
    return b"".join(each.read_bytes() for each in sorted(folder.rglob("*")) if each.is_file())


def sealed(path: Path) -> dict[int, tuple[bytes, bytes]]:
    """What is kept of each entry, and the key that opens it, by another reader."""
    with closing(sqlite3.connect(path)) as db:
        said = "SELECT idx, sealed, key FROM openings JOIN subjects USING (subject)"
        return {index: (data, key) for index, data, key in db.execute(said)}


EVES, BOBS = (2, EVE.identity.peer, "verified", None, None), (4, BOB.identity.peer, "verified", None, None)


async def test_of_who_asked_an_audit_leaves_nothing_but_what_it_found(
    log: Keeper, member: Member, tmp_path: Path
) -> None:
    assert rows(await member.audit(log)) == [EVES, BOBS]
    assert member.history.kept() == frozenset()
    assert member.history.verdicts() == {2: RowVerdict("verified", 6), 4: RowVerdict("verified", 6)}
    assert not any(each in raw(tmp_path) for each in names(EVE))
    log.redact(2)
    del log.openings[2]
    for _ in range(2):  # it is not found anew
        report = await member.audit(log)
        assert rows(report) == [(2, None, "redacted by entry 6", "verified", 5), BOBS]
        assert report.faults == []


async def test_what_is_not_shown_any_more_was_found_before(log: Keeper, member: Member) -> None:
    await member.audit(log)
    assert rows(await member.audit(log, openings=False)) == [
        (2, None, "no opening given", "verified", 5), (4, None, "no opening given", "verified", 5)
    ]  # fmt: skip


async def test_what_was_never_shown_was_never_found(log: Keeper, member: Member) -> None:
    report = await member.audit(log, openings=False)
    assert rows(report) == [(2, None, "no opening given", None, None), (4, None, "no opening given", None, None)]
    log.redact(2)
    assert rows(await member.audit(log, openings=False))[0] == (2, None, "redacted by entry 6", None, None)


async def test_a_fault_that_an_opening_showed_is_not_forgotten_with_it(log: Keeper, member: Member) -> None:
    """The registrar enters another purpose than its requester signed, and erases what shows it."""
    log.ask(EVE, log.publish(series=bytes(16)))
    log.data[-1] = codec.encode(replace(codec.decode(Request, log.data[-1]), purpose="education"))
    index = len(log.data) - 1
    assert rows(await member.audit(log))[-1][2].startswith(
        f"faulty: entry {index}: the requester signed something else"
    )
    log.redact(index)
    told = rows(await member.audit(log, openings=False))[-1]
    assert told == (index, None, f"redacted by entry {index + 1}", "faulty", index)


async def test_a_verdict_goes_with_a_row_that_has_grown_and_says_how_far_it_went(log: Keeper, member: Member) -> None:
    await member.audit(log)
    log.revoke(4)
    assert rows(await member.audit(log))[1] == BOBS
    assert member.history.verdicts() == {2: RowVerdict("verified", 6), 4: RowVerdict("verified", 7)}
    log.openings.pop(4)
    assert rows(await member.audit(log))[1] == (4, None, "no opening given", "verified", 6)


async def test_a_verdict_is_on_the_entries_it_was_found_of_and_a_damaged_one_is_none(
    log: Keeper, member: Member
) -> None:
    await member.audit(log)
    db = member.history._db
    for harm in ("UPDATE judged SET root = zeroblob(32)", "UPDATE judged SET root = 7", "DELETE FROM judged",
                 "UPDATE verdicts SET word = 'perfect'", "UPDATE verdicts SET size = 'x'",
                 "UPDATE verdicts SET idx = idx + 100", "UPDATE judged SET size = 7"):  # fmt: skip
        db.execute("BEGIN")
        db.execute(harm)
        assert member.history.verdicts() == {}, harm
        db.execute("ROLLBACK")
    assert len(member.history.verdicts()) == 2


# -- kept --------------------------------------------------------------------------------------------------------------


async def test_what_is_kept_is_sealed_for_each_person_and_used_where_the_source_shows_nothing(
    log: Keeper, member: Member, tmp_path: Path
) -> None:
    report = await member.audit(log, keep=True)
    assert (report.kept, report.added) == ({2, 4}, 2)
    kept = sealed(tmp_path / "replica.db")
    assert [*kept] == [2, 4]
    assert len({key for _, key in kept.values()}) == 2
    assert not any(each in raw(tmp_path) for each in names(EVE))
    report = await member.audit(log, openings=False)
    assert rows(report) == [EVES, BOBS]
    assert (report.kept, report.added) == ({2, 4}, 0)
    assert sealed(tmp_path / "replica.db") == kept


async def test_of_a_kept_opening_that_is_damaged_nothing_is_said(log: Keeper, member: Member) -> None:
    await member.audit(log, keep=True)
    member.history._db.execute("UPDATE openings SET sealed = zeroblob(99) WHERE idx = 2")
    assert rows(await member.audit(log, openings=False)) == [(2, None, "no opening given", "verified", 5), BOBS]


async def test_a_redaction_destroys_what_is_kept_and_the_key_of_who_is_in_nothing_else(
    log: Keeper, member: Member, tmp_path: Path
) -> None:
    log.ask(EVE, log.publish(series=bytes(16)))
    await member.audit(log, keep=True)
    before = sealed(tmp_path / "replica.db")
    log.redact(2, 4)
    await member.replica.update(shown(log))  # as any command that reads the log
    after = sealed(tmp_path / "replica.db")
    assert [*after] == [7]
    with closing(sqlite3.connect(tmp_path / "replica.db")) as db:
        assert db.execute("SELECT count(*) FROM subjects").fetchone() == (1,)
    everything = raw(tmp_path)
    for data, key in before.values():
        assert data not in everything
        assert key not in everything
    assert rows(await member.audit(log, openings=False)) == [
        (2, None, "redacted by entry 8", "verified", 7), (4, None, "redacted by entry 8", "verified", 7),
        (7, EVE.identity.peer, "verified", None, None),
    ]  # fmt: skip


async def test_what_was_erased_is_not_kept_by_who_was_shown_it_before(log: Keeper, member: Member) -> None:
    """A registrar that goes on showing it, or a reader that was slow."""
    log.redact(2)
    report = await member.audit(log, keep=True)
    assert (report.kept, report.added) == ({4}, 1)


async def test_a_redaction_that_the_rules_refuse_destroys_nothing(log: Keeper, member: Member) -> None:
    await member.audit(log, keep=True)
    log.clock -= 100
    log.redact(2)
    assert (await member.audit(log, openings=False)).kept == {2, 4}


async def test_dropped_is_what_was_kept_and_what_was_found_stays(log: Keeper, member: Member, tmp_path: Path) -> None:
    assert await member.replica.drop_kept() == 0
    await member.audit(log, keep=True)
    before = sealed(tmp_path / "replica.db")
    assert await member.replica.drop_kept() == 2
    assert not any(each in raw(tmp_path) for both in before.values() for each in both)
    assert rows(await member.audit(log, openings=False))[0] == (2, None, "no opening given", "verified", 5)


async def test_what_the_charter_keeps_no_longer_is_opened_by_nobody_and_goes_with_the_logs_own_clock(
    member: Member,
) -> None:
    """Though its registrar has not erased it."""
    log = Keeper(days=30)
    log.ask(EVE, log.publish())
    log.decide()
    (row,) = (await member.audit(log, keep=True)).rows
    due = row["time"] + 30 * DAY
    assert await member.replica.kept_until() == due
    assert member.replica.opening(2, due) is not None
    assert member.replica.opening(2, due + 1) is None
    assert rows(await member.audit(log, openings=False)) == [(2, None, "no opening given", "verified", 3)]
    log.clock = due
    log.publish(series=bytes(16))
    assert (await member.audit(log, openings=False)).kept == {2}
    log.publish(series=bytes(15) + b"\1")
    report = await member.audit(log, keep=True)  # shown by who should have erased it
    assert (report.kept, report.added) == (frozenset(), 0)
    assert await member.replica.kept_until() is None


def test_a_kill_at_any_write_leaves_nothing_of_what_is_erased_once_the_replica_is_open_again(
    log: Keeper, tmp_path: Path
) -> None:
    """And never a log that says so beside what it erased."""
    home, now = tmp_path / "home", tmp_path / "now"
    home.mkdir()

    async def act(path: Path, keep: bool) -> None:
        with Member(path) as member:
            if keep:
                await member.audit(log, keep=True)
            else:
                await member.replica.update(shown(log))

    asyncio.run(act(home, True))
    before = sealed(home / "replica.db")
    log.redact(2)
    taken, killed = list[bool](), 0
    for step in itertools.count(1):
        shutil.copytree(home, now)

        def work(step: int = step) -> None:
            die_at(step)
            asyncio.run(act(now, False))

        code = in_child(work)
        with Member(now) as member:  # nobody has asked it for anything yet
            taken.append(member.history.size == len(log.data))
            assert member.history.kept() == ({4} if taken[-1] else {2, 4})
            there = raw(now)
            assert [each in there for each in before[2]] == [not taken[-1]] * 2
            assert all(each in there for each in before[4])
            assert member.history.verdicts()[2] == RowVerdict("verified", 6)
        asyncio.run(act(now, False))
        assert not any(each in raw(now) for each in before[2])
        shutil.rmtree(now)
        if code == 0:
            break
        killed += 1
    assert taken == sorted(taken)
    assert {*taken[:-1]} == {False, True}
    assert killed > 5


# -- when more was folded than is stored, and when the log changes hands ----------------------------------------------


async def test_a_head_that_denies_its_entries_leaves_what_was_known_and_what_is_kept(
    log: Keeper, member: Member
) -> None:
    """Its number of the rules is not that of its entries, which is seen once they are folded."""
    await member.audit(log, keep=True)
    state, head, lies = member.replica.state, member.replica.head, True
    log.redact(2)

    async def read(path: str) -> bytes:
        if path == "checkpoint" and lies:
            said = checkpoint.open(log.head(), log.log).checkpoint
            return checkpoint.sign(replace(said, rules=2), log.signer)
        return await shown(log)(path)

    with pytest.raises(Untrue):
        await member.replica.update(read)
    assert (member.replica.head, member.history.size) == (head, 6)
    assert (member.replica.state.size, member.replica.state.redacted) == (state.size - 1, {})
    assert member.history.kept() == {2, 4}
    lies = False
    await member.replica.update(read)
    assert member.history.kept() == {4}


@pytest.mark.parametrize("lost", [0, 2])
async def test_of_a_log_that_changes_hands_what_it_goes_on_from_stays_kept(
    log: Keeper, member: Member, lost: int
) -> None:
    """And what it leaves out, or has erased, does not."""
    await member.audit(log, keep=True)
    del log.data[len(log.data) - lost :]
    log.signer = log.hand_over()
    log.redact(2)
    await member.replica.update(shown(log))
    assert member.replica.state.founded.charter.registrar == BOB.identity.peer
    assert member.history.kept() == (frozenset() if lost else {4})
    assert [*member.history.verdicts()] == ([] if lost else [2, 4])


# -- whole homes -------------------------------------------------------------------------------------------------------

WORDS = "for the flood map of Ahrweiler"


async def asked(
    village: Village, found: Found, folder: Path, tmp_path: Path, charter: str = CHARTER
) -> dict[str, Party]:
    """A community of coop, which keeps its log, and ben; and eve, a stranger who asked for a dataset and has it."""
    seats = await found("ben", charter=charter)
    seats["eve"] = await village.start("eve")
    await seats["eve"].fetch(
        await seats["coop"].publish(folder), tmp_path / "got", seats["coop"].address, details=WORDS
    )  # fmt: skip
    return seats


def of_eve(eve: Party) -> tuple[bytes, ...]:
    public = eve.home.keys.identity.public
    return eve.peer.encode(), public, public.hex().encode(), note.encode64(public).encode(), WORDS.encode()


async def test_no_byte_of_a_members_home_names_who_asked_after_an_audit(
    village: Village, found: Found, folder: Path, tmp_path: Path
) -> None:
    seats = await asked(village, found, folder, tmp_path)
    coop, eve, ben = seats["coop"], seats["eve"], seats["ben"]
    (row,) = (await ben.desk.audit(source=coop.address))["rows"]
    assert (row["who"], row["details"], row["state"], row["earlier"]) == (eve.peer, WORDS, "verified", None)
    assert all(each in raw(village.path / "eve") for each in (eve.peer.encode(), WORDS.encode()))

    def nowhere() -> None:
        there = raw(village.path / "ben")
        assert coop.peer.encode() in there
        assert not [each for each in of_eve(eve) if each in there]

    nowhere()
    await village.stop("ben")
    nowhere()
    for path in (village.path / "ben").rglob("*.db"):
        with closing(sqlite3.connect(path)) as db:
            db.execute("VACUUM")
    nowhere()
    ben = await village.start("ben")
    nowhere()
    own = eve.home.shelf.asks(), raw(village.path / "eve" / "proofs")
    erased = await coop.desk.erase(entry=row["entry"])
    at = row["entry"] if row["receipt"] is None else row["receipt"]
    told = await ben.desk.audit(source=coop.address)
    assert told["faults"] == []
    assert "kept" not in told
    (row,) = told["rows"]
    assert (row["who"], row["details"], row["state"]) == (None, None, f"redacted by entry {erased['entry']}")
    assert (row["earlier"], row["earlier_at"]) == ("verified", max(at, row["decision_entry"]))
    assert "(verified here at entry" in answers_of(told)
    nowhere()
    await eve.desk.status()
    assert (eve.home.shelf.asks(), raw(village.path / "eve" / "proofs")) == own  # which is hers


def answers_of(told: dict[str, Any]) -> str:
    """What the command line says of it."""
    runner = click.testing.CliRunner()
    with runner.isolation() as streams:
        tell_audit(told)
        return streams[0].getvalue().decode()


async def test_what_is_kept_is_told_dropped_and_destroyed_by_any_command_that_reads_the_log(
    village: Village, found: Found, folder: Path, tmp_path: Path
) -> None:
    seats = await asked(village, found, folder, tmp_path, f"retention_days = 30\n{CHARTER}")
    coop, eve, ben = seats["coop"], seats["eve"], seats["ben"]
    told = await ben.desk.audit(source=coop.address, keep=True)
    assert told["kept"]["retention_days"] == 30
    assert told["kept"]["openings"] == told["kept"]["added"] > 0
    said = answers_of(told)
    assert "personal data of others" in said
    assert "after 30 days" in said
    assert not [each for each in of_eve(eve) if each in raw(village.path / "ben")]
    place = village.path / "ben" / "commons" / coop.home.first.commons / "replica.db"
    before = sealed(place)
    assert len(before) == told["kept"]["openings"]
    assert (await ben.desk.status())["kept"] == {coop.home.first.commons: len(before)}
    (row,) = told["rows"]
    await coop.desk.erase(entry=row["entry"])
    await ben.desk.community(named=coop.home.first.commons)
    there = raw(village.path / "ben")
    assert not [each for both in before.values() for each in both if each in there]
    (row,) = (await ben.desk.audit(source=coop.address))["rows"]
    assert row["earlier"] == "verified"
    assert (await ben.desk.drop_kept())["dropped"] == 0
    assert (await ben.desk.status())["kept"] == {}


async def test_where_nothing_would_be_destroyed_nothing_is_kept(
    village: Village, found: Found, folder: Path, tmp_path: Path
) -> None:
    seats = await asked(village, found, folder, tmp_path)
    coop, eve, ben = seats["coop"], seats["eve"], seats["ben"]
    await coop.desk.export_log(path=str(tmp_path / "log.zip"), openings=True)
    for who, words, kind in (
        (coop, {}, Conflict), (ben, {}, Conflict),
        (ben, {"source": str(tmp_path / "log.zip")}, Refused), (eve, {"source": coop.address}, Refused),
    ):  # fmt: skip
        with pytest.raises(kind):
            await who.desk.audit(keep=True, **words)
    with pytest.raises(Conflict, match="keeps that log itself"):
        await coop.desk.drop_kept()
