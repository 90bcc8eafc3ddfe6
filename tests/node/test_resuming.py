"""A home that comes back from a backup writes nothing before it knows that its log is no old copy, as far as it can."""

from __future__ import annotations

import asyncio
import os
import shutil
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, closing
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from commons.access import retention
from commons.access.registrar import Registrar
from commons.core.crypto.keys import Signer
from commons.core.dataset.terms import DAY
from commons.core.tlog import checkpoint, cosignature, merkle
from commons.disk.home import Home
from commons.disk.log import Log
from commons.disk.notes import Notes
from commons.disk.resumption import Resumption
from commons.errors import NotFound, Stale
from commons.node import desk, resuming
from commons.node.node import Node
from commons.node.resuming import Sighting, judge
from commons.witness import cosigning
from commons.witness.gossip import Gossip
from tests.conftest import ANY, CHARTER, Found, Party, Village, chosen, log_folder, until
from tests.dishonest import Liar

# -- the judgement -----------------------------------------------------------------------------------------------------

WORDS = st.lists(
    st.builds(
        Sighting, who=st.sampled_from("abc"), role=st.sampled_from(["witness", "member", "peer"]),
        size=st.none() | st.integers(0, 9), proven=st.booleans(),
    )
)  # fmt: skip


@given(st.integers(1, 8), WORDS, st.integers(0, 2), st.integers(0, 2), st.integers(0, 9))
def test_nothing_goes_on_over_a_larger_head_nor_without_who_has_to_answer(
    size: int, words: list[Sighting], members: int, witnesses: int, waived: int
) -> None:
    said = judge(size, words, members=members, witnesses=witnesses, waived=waived)
    ahead = [w for w in words if (w.size or 0) > size and (w.proven or (w.size or 0) > waived)]
    assert (said.behind in ahead) if ahead else said.behind is None
    if said.go:
        assert not ahead
        who = [w for w in words if w.size is not None and w.size <= size]
        if witnesses:
            assert any(w.role == "witness" for w in who)
        elif members:
            assert who
    else:
        assert ahead or witnesses or members


# -- flows -------------------------------------------------------------------------------------------------------------


def copied(village: Village, name: str, to: Path) -> Callable[[], None]:
    """What puts this very copy of a home back in its place."""
    shutil.copytree(village.path / name, to)

    def back() -> None:
        shutil.rmtree(village.path / name)
        shutil.copytree(to, village.path / name)

    return back


async def refused(party: Party, folder: Path, match: str) -> Stale:
    size = party.home.first.log.size
    with pytest.raises(Stale, match=match) as told:
        await party.publish(folder, title="another")
    assert party.home.first.log.size == size
    return told.value


async def test_an_old_copy_is_told_by_who_has_seen_more_writes_nothing_and_still_serves(
    village: Village, folder: Path, tmp_path: Path
) -> None:
    ana, ben = await village.start("ana"), await village.start("ben")
    first = await ana.publish(folder)
    await ana.desk.peers(add=ben.address)
    await village.stop("ana")
    back = copied(village, "ana", tmp_path / "backup")
    ana = await village.start("ana")
    await ben.fetch(first, tmp_path / "fetched", ana.address)  # a request, a decision, a receipt
    newest = ana.home.first.log.size
    await village.stop("ana")
    back()
    ana = await village.start("ana")
    size = ana.home.first.log.size
    told = await refused(ana, folder, f"by the word of {ben.peer}.*head of {newest} entries, {newest - size} more")
    assert len(told.evidence) == 2
    assert "--go-on" in told.hint
    status = await ana.desk.status()
    assert status["log"].startswith("this log is behind by the word of")
    assert (await ana.desk.audit())["faults"] == []
    (cid,) = ana.home.first.log.state.datasets
    assert await ben.node.net.get(ana.address, f"/manifests/{cid}", limit=1 << 20)
    await village.stop("ben")
    ana = await village.restart("ana")  # the word outlives the start, and who gave it
    await refused(ana, folder, "by the word of")
    shown = await ana.desk.go_on()
    (word,) = shown["words"]
    assert (word["size"], word["over"]) == (size, newest)
    await ana.publish(folder, title="another")
    assert (await ana.desk.status())["resumed"]["words"] == [word]
    assert (await ana.desk.audit())["words"] == [word]


@pytest.fixture
def heads(monkeypatch: pytest.MonkeyPatch) -> dict[str, bytes]:
    """What peers show instead of the head they trust, by their id."""
    shown: dict[str, bytes] = {}
    honest = Gossip.meet

    async def meet(self: Gossip, commons: str, body: bytes, caller: str | None) -> bytes:
        found = shown.get(self.home.keys.identity.peer)
        return found if found is not None else await honest(self, commons, body, caller)

    monkeypatch.setattr(Gossip, "meet", meet)
    return shown


def touch(village: Village, name: str) -> None:
    """Another program has had the log's file in its hands."""
    os.utime(log_folder(village.path / name) / "log.db")


@pytest.mark.parametrize("forged", [True, False])
async def test_a_forged_head_counts_for_nothing_and_a_signed_one_without_entries_does_not_shut_for_good(
    village: Village, folder: Path, heads: dict[str, bytes], forged: bool
) -> None:
    ana, eve = await village.start("ana"), await village.start("eve")
    await ana.desk.peers(add=eve.address)
    head = checkpoint.Checkpoint(origin=ana.home.first.log.origin, size=50, root=bytes(32))
    heads[eve.peer] = checkpoint.sign(head, Signer(bytes(32)) if forged else ana.home.first.log._signer)
    await village.stop("ana")
    touch(village, "ana")
    ana = await village.start("ana")
    if forged:
        words = {"path": str(folder), "title": "Rivers", "licence": "CC-BY-4.0", "creators": ["Ana"]}
        said = await desk.call(ana.desk.context, "publish", words)
        assert ana.home.first.resumption.told()["how"] == "alone"
        assert "nobody says (1 asked, no answer)" in said.alone
        assert not (await desk.call(ana.desk.context, "status", {})).alone
        return
    await refused(ana, folder, f"by the word of {eve.peer}.*head of 50 entries, 49 more than the 1 here")
    await ana.desk.go_on()
    await ana.publish(folder)
    assert ana.home.first.log.broken is None
    ana = await village.restart("ana")  # she is asked again, and her word was taken into account
    await ana.publish(folder, title="another")


class HasMore(Liar):
    """Keeps a newer copy of somebody's log, and shows how it goes on."""

    newer: Log

    def consistency(self, commons: str, old: int, new: int) -> bytes:
        return b"".join(merkle.prove_consistency(old, new, self.newer.read))


async def test_a_head_with_what_leads_to_it_is_proven_and_no_word_lets_an_old_copy_go_on(
    village: Village, folder: Path, tmp_path: Path, heads: dict[str, bytes]
) -> None:
    ana, eve = await village.start("ana"), await village.start("eve")
    await ana.desk.peers(add=eve.address)
    await village.stop("ana")
    back = copied(village, "ana", tmp_path / "backup")
    ana = await village.start("ana", listen=())
    await ana.publish(folder)
    await ana.publish(folder, title="second")
    await village.stop("ana")
    keys = ana.home.keys
    shutil.copy(log_folder(village.path / "ana") / "log.db", tmp_path / "newest.db")
    HasMore.newer = Log.open(tmp_path / "newest.db", keys.log(0), keys.local("openings"))
    try:
        back()
        heads[eve.peer] = HasMore.newer.head.note
        await village.stop("eve")
        with Home(village.path / "eve") as opened:
            node = Node(opened, (ANY,))
            node.site = HasMore(node.site)  # type: ignore[assignment]
            async with node:
                with Home(village.path / "ana") as mine:
                    for old in mine.shelf.peers():
                        mine.shelf.remove_peer(old)
                    mine.shelf.add_peer(node.addresses[0])
                ana = await village.start("ana")
                await ana.node.at().resuming.settled.wait()  # before that, a head may have come without its proof
                told = await refused(ana, folder, f"{eve.peer} has shown a head with 3 entries.*2 more than the 1 here")
                assert "--go-on" not in told.hint
                with pytest.raises(Stale, match="2 more than the 1 here"):
                    await ana.desk.go_on()
        ana = await village.restart("ana")
        await refused(ana, folder, "this log is behind")
    finally:
        HasMore.newer.close()


async def test_with_members_away_the_owner_is_asked_and_one_who_comes_is_enough(
    found: Found, village: Village, folder: Path
) -> None:
    seats = await found("ben")
    await village.stop("ben")
    await village.stop("coop")
    touch(village, "coop")
    coop = await village.start("coop")
    told = await refused(coop, folder, "no member says whether this log is the newest there is .1 asked, no answer")
    assert "--go-on" in told.hint
    ben = await village.start("ben")
    await ben.node.gossip.talk(coop.address)  # he comes by himself
    await coop.publish(folder)
    assert coop.home.first.resumption.told()["who"] == [ben.peer]
    assert seats["ben"].peer == ben.peer
    await village.stop("ben")
    await village.stop("coop")
    touch(village, "coop")
    coop = await village.start("coop")
    await refused(coop, folder, "no member says")
    (word,) = (await coop.desk.go_on())["words"]
    assert (word["size"], word["over"], word["silent"]) == (coop.home.first.log.size, 0, [ben.peer])
    await coop.publish(folder, title="by the owner's word")
    assert (await coop.desk.status())["resumed"]["words"] == [word]


async def test_an_answer_stands_for_a_day_while_nothing_but_this_program_touches_the_file(
    found: Found, village: Village, folder: Path, tmp_path: Path
) -> None:
    await found("ben")
    await village.stop("ben")
    coop = await village.restart("coop")  # nobody is there, and nobody is needed
    await coop.publish(folder)
    coop = await village.restart("coop")
    await coop.publish(folder, title="after its own commits")
    await village.stop("coop")
    shutil.copy(log_folder(village.path / "coop") / "log.db", tmp_path / "old.db")
    coop = await village.start("coop", listen=())
    await coop.publish(folder, title="later")
    await village.stop("coop")
    log = log_folder(village.path / "coop") / "log.db"
    newest = log.read_bytes()
    shutil.copy(tmp_path / "old.db", log)  # into the very same file
    coop = await village.start("coop", listen=())
    await refused(coop, folder, "no member says")
    await village.stop("coop")
    log.write_bytes(newest)
    coop = await village.start("coop", listen=())
    await coop.desk.go_on()
    await village.stop("coop")
    later = time.time() + 86_500
    with closing(Notes(log_folder(village.path / "coop") / "notes.db")) as notes:
        assert Resumption(log_folder(village.path / "coop"), notes).free
        found_later = Resumption(log_folder(village.path / "coop"), notes, lambda: later)
        assert found_later.unmoved
        assert not found_later.free


async def test_alone_it_goes_on_and_says_so_once(
    village: Village, folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    ana = await village.start("ana")
    assert not caplog.records
    await village.stop("ana")
    touch(village, "ana")
    ana = await village.start("ana")
    await ana.publish(folder)
    assert [each.message for each in caplog.records if each.name == "commons.node.resuming"] == [resuming.alone(0)]
    caplog.clear()
    ana = await village.restart("ana")
    assert not [each for each in caplog.records if each.name == "commons.node.resuming"]
    told = (await ana.desk.status())["resumed"]
    assert (told["how"], told["who"]) == ("alone", [])


async def no_such_resource(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.readuntil(b"\r\n\r\n")
    writer.write(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
    await writer.drain()
    writer.close()


@asynccontextmanager
async def started(village: Village, name: str, http: str) -> AsyncIterator[Party]:
    yield await village.start(name, http=http)
    await village.stop(name)


async def test_a_witness_that_says_to_have_signed_none_lets_a_log_go_on(village: Village, folder: Path) -> None:
    wim = await village.start("wim", http="127.0.0.1:0")
    charter = CHARTER.partition("[colleges]")
    policy = f"witness wim {wim.node.site.witness.key.vkey} {wim.node.door}\\nquorum wim\\n"
    coop = await village.start("coop", f'{charter[0]}witnesses = "{policy}"\n{charter[1]}{charter[2]}')
    await village.stop("coop")
    touch(village, "coop")
    coop = await village.start("coop")
    await coop.publish(folder)
    assert coop.home.first.resumption.told()["who"] == ["wim"]


async def test_with_witnesses_it_waits_for_one(
    village: Village, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(resuming, "AGAIN", 0.05)
    wim = await village.start("wim", http="127.0.0.1:0")
    port = wim.node.door.rpartition(":")[2] if wim.node.door else ""
    charter = CHARTER.partition("[colleges]")
    policy = f"witness wim {wim.node.site.witness.key.vkey} {wim.node.door}\\nquorum wim\\n"
    text = f'{charter[0]}witnesses = "{policy}"\n{charter[1]}{charter[2]}'
    coop = await village.start("coop", text)
    wim.node.site.witness.add(coop.home.first.log.key.vkey)
    await coop.publish(folder)
    await until(lambda: not cosigning.standing(coop.home.first)["missing"])
    await village.stop("wim")
    await village.stop("coop")
    touch(village, "coop")
    async with await asyncio.start_server(no_such_resource, "127.0.0.1", int(port)):  # of another make: it says nothing
        coop = await village.start("coop")
        await refused(coop, folder, "none of its witnesses has said yet")
        with pytest.raises(NotFound):
            await coop.node.net.get(f"http://127.0.0.1:{port}", cosignature.monitored(coop.log.origin), limit=99)
    (village.path / "wim" / "witness.db").rename(tmp_path / "lost.db")
    async with started(village, "wim", f"127.0.0.1:{port}") as wim:  # it lost what it signed, and cannot say
        with pytest.raises(NotFound, match=cosignature.NONE):
            wim.node.site.monitored(coop.home.first.log.origin)
        assert not (await coop.node.at().resuming.round()).go
    (village.path / "wim" / "witness.db").unlink()
    (tmp_path / "lost.db").rename(village.path / "wim" / "witness.db")
    wim = await village.start("wim", http=f"127.0.0.1:{port}")
    await until(lambda: coop.home.first.resumption.free)
    await coop.publish(folder, title="another")
    assert coop.home.first.resumption.told()["who"] == ["wim"]


async def test_what_may_not_be_erased_yet_is_erased_soon_after_the_log_goes_on(
    village: Village, found: Found, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seats, later = await found("ben", charter=f"retention_days = 30\n{CHARTER}"), time.time() + 31 * DAY
    await seats["ben"].fetch(await seats["coop"].publish(folder), tmp_path / "copy", seats["coop"].address)
    await village.stop("ben")
    await village.stop("coop")
    touch(village, "coop")
    coop = await village.start("coop")
    coop.home.first.dating.right(int(later))
    refused_once, honest = asyncio.Event(), retention.forget

    async def forget(registrar: Registrar, now: float) -> list[int]:
        try:
            return await honest(registrar, now)
        except Stale:
            refused_once.set()
            raise

    monkeypatch.setattr(retention, "forget", forget)
    monkeypatch.setattr(retention, "DOUBT", 0.05)
    running = asyncio.create_task(retention.daily(coop.node.at().registrar, lambda: later))
    await refused_once.wait()
    assert not coop.home.first.log.state.redacted
    ben = await village.start("ben")
    await ben.node.gossip.talk(coop.address)
    await until(lambda: bool(coop.home.first.log.state.redacted))
    running.cancel()


async def test_an_old_copy_does_not_go_on_under_another_key_either(found: Found, village: Village) -> None:
    seats = await found("ben")
    await chosen(seats, "coop", "ben")
    await village.stop("ben")
    await village.stop("coop")
    touch(village, "coop")
    coop = await village.start("coop")
    with pytest.raises(Stale, match="no member says"):
        await coop.desk.take_over()
    assert coop.home.first.log.broken is None
    await coop.desk.go_on()
    assert (await coop.desk.take_over())["taken"]


async def test_a_kill_between_the_answer_and_the_note_of_it_asks_again(
    found: Found, village: Village, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seats = await found("ben")
    assert seats["ben"].peer
    await village.stop("coop")
    touch(village, "coop")
    with monkeypatch.context() as killed:

        def dies(*_: object) -> None:
            raise OSError("killed here")

        killed.setattr(Resumption, "_note", dies)
        coop = await village.start("coop")
        await coop.publish(folder)  # ben has answered, and it could not be noted
        await village.stop("coop")
    await village.stop("ben")
    coop = await village.start("coop")
    await refused(coop, folder, "no member says")
