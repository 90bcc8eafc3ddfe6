"""A clock that runs ahead dates nothing, erases nothing and gives no key away: real processes, each with a clock of its
own, and real nodes that say what time it is."""

from __future__ import annotations

import asyncio
import json
import os
import pty
import subprocess
import time
from contextlib import AsyncExitStack
from dataclasses import replace
from email.utils import formatdate
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from aiohttp import web

from commons.access import request, retention
from commons.community import transfer, voting
from commons.core.crypto.keys import Signer
from commons.core.dataset.terms import DAY
from commons.core.tlog.note import COSIGNATURE, Verifier
from commons.disk import home
from commons.disk.home import Home
from commons.disk.log import Log
from commons.errors import Gone, NotFound, Undated
from commons.node import clocks
from tests.cli.test_cli import environment
from tests.conftest import LIMIT, Found, Party, Start, Village, chosen, until
from tests.dishonest import Answering, Server
from tests.forked import program
from tests.witness.test_witness import make, policy, row, run, settled

YEARS = 2 * 365 * DAY


def command(ahead: float, where: Path, *words: str) -> subprocess.CompletedProcess[str]:
    """One command in a process whose clock is `ahead` by so many seconds."""
    return subprocess.run(
        [program(), "--json", "--home", str(where), *words], capture_output=True, text=True, timeout=LIMIT,
        env=environment(where.parent, AHEAD=str(ahead)), check=False,
    )  # fmt: skip


def told(done: subprocess.CompletedProcess[str]) -> dict[str, Any]:
    assert done.returncode == 0, done.stderr
    return dict(json.loads(done.stdout))


def entries_of(where: Path) -> int:
    with Home(where) as opened:
        return opened.first.log.size


@pytest.fixture
def kept(tmp_path: Path, folder: Path) -> Path:
    """A home that keeps for thirty days who asked, with a dataset."""
    where = tmp_path / "kept"
    found = home.personal("kept", "members", int(time.time()))
    home.create(where, lambda keys: replace(found(keys), retention_days=30), {})
    told(command(0, where, "publish", str(folder), "--title", "T", "--licence", "CC0-1.0"))
    return where


def test_a_process_two_years_ahead_adds_nothing_and_says_what_to_do(kept: Path, folder: Path) -> None:
    size, packs = entries_of(kept), len([*(kept / "packs").iterdir()])
    done = command(YEARS, kept, "publish", str(folder), "--title", "U", "--licence", "CC0-1.0")
    assert done.returncode == Undated.number
    said = json.loads(done.stdout or done.stderr)
    assert "the last entry is of" in said["message"]
    assert "commons log date --right" in said["hint"]
    assert entries_of(kept) == size
    assert len([*(kept / "packs").iterdir()]) == packs, "nothing is sealed for an entry that is not made"
    told(command(0, kept, "publish", str(folder), "--title", "U", "--licence", "CC0-1.0"))
    assert entries_of(kept) == size + 1


async def test_a_node_that_starts_two_years_ahead_erases_nothing(start: Start, kept: Path, tmp_path: Path) -> None:
    asker = await start("asker")
    with Home(kept) as opened:
        cid = next(iter(opened.first.log.state.datasets))
    size = entries_of(kept)
    async with run(kept) as steward:
        await asker.desk.fetch(dataset=f"commons:{cid}", dest=str(tmp_path / "copy"), sources=[steward.address],
                               acknowledge="CC0-1.0", purpose="research")  # fmt: skip
        await until(lambda: steward.home.first.log.size >= size + 3)  # asked, granted, received
        size = steward.home.first.log.size
    node = await asyncio.create_subprocess_exec(
        program(), "--home", str(kept), "node", "--listen", "/ip4/127.0.0.1/tcp/0", stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL, env=environment(kept.parent, AHEAD=str(YEARS)),
    )  # fmt: skip
    assert node.stdout is not None
    try:
        async with asyncio.timeout(LIMIT):
            await node.stdout.readline()
        status = told(await asyncio.to_thread(command, YEARS, kept, "status"))
        assert "the last entry is of" in status["dated"]["doubt"]
        assert status["entries"] == size
    finally:
        node.terminate()
        await node.wait()
    assert entries_of(kept) == size
    audited = told(await asyncio.to_thread(command, 0, kept, "audit"))
    assert [each["state"] for each in audited["rows"]] == ["verified"]
    status = told(await asyncio.to_thread(command, 0, kept, "status"))
    assert (status["dated"]["doubt"], status["dated"]["ahead"]) == ("", 0)


def test_by_its_owners_word_a_log_that_was_quiet_goes_on(kept: Path, folder: Path) -> None:
    publish = ("publish", str(folder), "--licence", "CC0-1.0", "--title")
    later = 200 * DAY
    assert command(later, kept, *publish, "U").returncode == Undated.number
    assert told(command(later, kept, "log", "date"))["right"] is None
    assert told(command(later, kept, "log", "date", "--right"))["doubt"] == ""
    told(command(later, kept, *publish, "U"))
    told(command(later + 20 * DAY, kept, *publish, "V"))
    assert command(later + YEARS, kept, *publish, "W").returncode == Undated.number, "the word was for that gap"


def test_a_log_that_is_dated_ahead_says_so(kept: Path, folder: Path, tmp_path: Path) -> None:
    told(command(YEARS, kept, "log", "date", "--right"))
    told(command(YEARS, kept, "publish", str(folder), "--title", "U", "--licence", "CC0-1.0"))
    assert told(command(0, kept, "status"))["dated"]["ahead"] > YEARS - DAY
    told(command(0, kept, "log", "export", str(tmp_path / "log.zip")))
    for source in ([], [str(tmp_path / "log.zip")]):
        assert told(command(0, kept, "audit", *source))["dated"]["ahead"] > YEARS - DAY
        assert told(command(YEARS, kept, "audit", *source))["dated"]["ahead"] == 0


@pytest.mark.long
@pytest.mark.parametrize(("said", "added"), [(b"y\n", 1), (b"n\n", 0), (b"\n", 0)])
def test_on_a_terminal_the_owner_is_asked(kept: Path, folder: Path, said: bytes, added: int) -> None:
    size, (ours, theirs) = entries_of(kept), pty.openpty()
    try:
        os.write(ours, said)
        done = subprocess.run(
            [program(), "--home", str(kept), "publish", str(folder), "--title", "U", "--licence", "CC0-1.0"],
            stdin=theirs, stdout=subprocess.DEVNULL, stderr=theirs, timeout=LIMIT,
            env=environment(kept.parent, AHEAD=str(200 * DAY)), check=False,
        )  # fmt: skip
        assert b"Is this clock right? [y/N]" in os.read(ours, 1 << 16)
    finally:
        os.close(ours)
        os.close(theirs)
    assert done.returncode == (0 if added else Undated.number)
    assert entries_of(kept) == size + added


# -- others' clocks ----------------------------------------------------------------------------------------------------


async def test_a_member_says_that_it_is_not_so_late(found: Found, folder: Path) -> None:
    seats = await found("ben")
    coop, ben = seats["coop"], seats["ben"]
    coop.home.shelf.add_peer(ben.address)
    coop.home.first.log._clock = lambda: time.time() + 1200
    size = coop.home.first.log.size
    with pytest.raises(Undated, match="members' clocks"):
        await coop.publish(folder)
    assert coop.home.first.log.size == size
    coop.home.first.log._clock = lambda: time.time() + 500
    await coop.publish(folder)


async def test_strangers_count_for_nothing(start: Start, folder: Path) -> None:
    """They say that it is two years later, as this clock does; or that it is not, and hold nothing up."""
    ana, eve = await start("ana"), await start("eve")
    await ana.publish(folder)
    ana.home.shelf.add_peer(eve.address)
    await ana.node.net.get(eve.address, "/commons", limit=200)
    ana.home.first.dating.heard(eve.address, int(time.time() + YEARS))
    assert ana.home.first.dating.others() == ([], [])
    ana.home.first.log._clock = lambda: time.time() + YEARS
    with pytest.raises(Undated, match="the last entry"):
        await ana.publish(folder, title="Again")
    ana.home.first.log._clock = lambda: time.time() + 20 * DAY
    await ana.publish(folder, title="Again")


async def test_ten_minutes_past_the_witnesses_wait(start: Start, tmp_path: Path, folder: Path) -> None:
    wim = await start("wim", http="127.0.0.1:0")
    where = make(tmp_path / "watched", policy(1, row(wim)))
    async with run(where) as ana:
        wim.node.site.witness.add(ana.home.first.log.key.vkey)
        await ana.publish(folder)
        await settled(ana)
        assert len(ana.home.first.dating.others()[0]) == 1
        ana.home.first.log._clock = lambda: time.time() + 601 + 5
        size = ana.home.first.log.size
        with pytest.raises(Undated, match="witnesses' clocks"):
            await ana.publish(folder, title="Again")
        with pytest.raises(Undated):
            await retention.forget(ana.node.at().registrar, time.time() + 700)
        assert ana.home.first.log.size == size
        told = await ana.desk.date(right=True)
        assert told["doubt"] == ""
        await ana.publish(folder, title="Again")


@pytest.mark.parametrize(("lie", "ahead", "goes"), [(YEARS, 1200, False), (-YEARS, 0, True), (YEARS, 0, True)])
async def test_one_of_three_witnesses_may_lie_about_the_time(
    tmp_path: Path, folder: Path, lie: int, ahead: int, goes: bool
) -> None:
    """Its clock alone lets nothing pass, and holds nothing up."""

    def says(by: int) -> Answering:
        async def answer(request: web.Request) -> web.StreamResponse:
            return web.Response(status=404, headers={"Date": formatdate(time.time() + by, usegmt=True)})

        return answer

    async with AsyncExitStack() as stack:
        doors = [await stack.enter_async_context(Server(says(by))) for by in (lie, 0, 0)]
        keys = [
            Verifier(name=f"w{n}.example", type=COSIGNATURE, public=Signer(bytes([n]) * 32).public) for n in range(3)
        ]
        where = make(tmp_path / "watched", policy(2, *zip(keys, doors, strict=True)))
        ana = await stack.enter_async_context(run(where))
        await ana.node.at().clocks.round()
        assert len(ana.home.first.dating.others()[0]) == 3
        ana.home.first.resumption.free = True  # that it is the newest copy is not what is asked here
        ana.home.first.log._clock = lambda: time.time() + ahead
        if goes:
            await ana.publish(folder)
        else:
            with pytest.raises(Undated, match="witnesses' clocks"):
                await ana.publish(folder)


async def test_a_member_that_lies_is_one_of_several(found: Found, folder: Path) -> None:
    seats = await found("ben", "cleo", "dora")
    coop = seats["coop"]
    coop.home.first.log._clock = lambda: time.time() + 3600
    for name, lie in (("ben", 3600), ("cleo", 0), ("dora", 0)):
        coop.home.first.dating.heard(seats[name].address, int(time.time()) + lie)
    with pytest.raises(Undated):
        await coop.publish(folder)
    coop.home.first.log._clock = time.time
    for name, lie in (("ben", -YEARS), ("cleo", 0), ("dora", 0)):
        coop.home.first.dating.heard(seats[name].address, int(time.time()) + lie)
    await coop.publish(folder)


async def test_a_node_whose_clock_is_mended_goes_on_by_itself(
    village: Village, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What the ballots have decided meanwhile is logged, with nobody's word."""
    monkeypatch.setattr(clocks, "EVERY", 0.05)
    coop = await village.start("coop")
    settled, settle = list[int](), voting.settle

    async def told(log: Log) -> None:
        await settle(log)
        settled.append(log.size)

    monkeypatch.setattr(voting, "settle", told)
    asked = asyncio.Event()

    async def ask() -> None:
        asked.set()

    monkeypatch.setattr(coop.node.at().clocks, "round", ask)
    coop.home.first.log._clock = lambda: time.time() + YEARS
    async with asyncio.timeout(LIMIT):
        await asked.wait()
    assert settled == []
    coop.home.first.log._clock = time.time
    await until(lambda: settled)


async def test_who_takes_a_log_over_by_a_clock_alone_dates_nothing_ahead(
    found: Found, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The entry by which a log changes hands is dated by the clock of whom the members chose."""
    seats = await found("ben")
    await chosen(seats, "ben", "coop")
    ben, now = seats["ben"], time.time()
    monkeypatch.setattr(transfer, "time", SimpleNamespace(time=lambda: now + YEARS))
    with pytest.raises(Undated):
        await ben.desk.take_over()
    assert not (ben.home.path / "log.next.db").exists()
    monkeypatch.setattr(transfer, "time", time)
    assert (await ben.desk.take_over())["taken"]


async def test_an_answer_without_a_date_or_with_a_silly_one_says_nothing(found: Found) -> None:
    seats = await found("ben")
    coop, ben = seats["coop"], seats["ben"]
    coop.home.first.dating._heard.clear()
    for said in ("", "yesterday", "Mon, 99 Jan 99999 00:00:00 GMT", "\x00"):
        coop.node.at().clocks.heard(ben.address, said)
    assert coop.home.first.dating.others() == ([], [])


# -- releasing ---------------------------------------------------------------------------------------------------------


async def test_a_clock_that_is_set_back_opens_nothing(start: Start, folder: Path, tmp_path: Path) -> None:
    ana, ben = await start("ana"), await start("ben")
    reference = await ana.publish(folder, grant_days=1)
    statement = await asked(ben, ana, reference, tmp_path)
    assert ana.node.at().registrar.release(statement)
    now = time.time()
    ana.home.first.log._clock = lambda: now + DAY
    await ana.publish(folder, title="Later")
    ana.node.at().registrar.clock = lambda: now - 5 * DAY + 1
    with pytest.raises(Undated, match="grant with an end"):
        ana.node.at().registrar.release(statement)
    ana.node.at().registrar.clock = lambda: now + 60
    with pytest.raises(Gone, match="expired"):
        ana.node.at().registrar.release(statement)


async def test_a_custodians_owner_says_that_the_clock_is_right_about_a_log_dated_ahead(
    found: Found, folder: Path
) -> None:
    seats = await found("ben")
    coop, ben = seats["coop"], seats["ben"]
    commons = coop.home.first.commons
    with pytest.raises(NotFound, match="keeps no shares"):
        await ben.desk.date(commons=commons, right=True)
    await ben.desk.keep(named=commons)
    coop.home.first.log._clock = lambda: time.time() + 9 * DAY
    coop.home.shelf.add_peer(ben.address)
    assert "members' clocks" not in (await coop.desk.date(right=True))["doubt"]
    await coop.publish(folder)
    told = await ben.desk.date(commons=commons)
    assert (told["ahead"] > 8 * DAY, told["right"]) == (True, None)
    assert ben.home.word(commons) is None
    told = await ben.desk.date(commons=commons, right=True)
    word = ben.home.word(commons)
    assert word is not None
    assert (word.logged, told["right"]) == (coop.home.first.log.state.time, word.time)
    assert ben.home.word(ben.home.first.commons) is None, "it is about that log alone"


async def asked(who: Party, of: Party, reference: str, tmp_path: Path) -> bytes:
    await who.fetch(reference, tmp_path / "copy", of.address)
    return request.said_in(next(iter(who.home.shelf.asks()))).data
