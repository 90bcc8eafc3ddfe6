"""Withdrawals between real nodes: a notice reaches who holds the data, they drop it, say so, and the log has it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from commons.core.crypto import envelope
from commons.core.crypto.ids import cid
from commons.core.crypto.keys import Signer
from commons.core.dataset import manifest
from commons.core.dataset.reference import parse
from commons.core.state import entries, notice
from commons.core.state.entries import Received
from commons.core.state.notice import Dropping
from commons.datasets import holder
from commons.disk.home import Home
from commons.errors import Conflict, Gone, NotFound, Pending, Refused, Untrue
from commons.log import withdrawal
from commons.node.node import Node
from tests.conftest import ANY, MakeHome, Party, Start, until
from tests.dishonest import Asker, Forger, GivesNotices, ShowsAnotherDropping

EVE = Signer(b"\xee" * 32)
CHARTER = """
name = "River watch"
readers = "members"
[colleges]
workers = ["me"]
[powers.admit]
rule = "group w any *workers\\nquorum w"
[powers.amend-charter]
rule = "group w majority *workers\\nquorum w"
"""


async def withdraw(coop: Party, *voters: Party, of: str) -> int:
    """By the members' vote; the entry that withdrew it."""
    opened = await coop.desk.propose(action="withdraw", dataset=of, words="Somebody asked")
    for voter in voters:
        await voter.desk.vote(proposal=opened["proposal"], choice="yes")
    assert coop.home.first.log.state.community is not None
    return coop.home.first.log.state.community.withdrawn[parse(of).cid]


def kept(home: Home) -> list[Path]:
    """The sealed files in a home."""
    return sorted((home.path / "packs").iterdir())


def dropped(coop: Party) -> list[entries.Dropped]:
    log = coop.home.first.log
    return [entry for data in log.entries(0, log.size) if isinstance(entry := entries.decode(data), entries.Dropped)]


async def shown(party: Party, reference: str, *sources: str) -> Any:
    return (await party.desk.show(dataset=reference, sources=list(sources)))["withdrawn"]


async def test_what_is_withdrawn_by_vote_is_dropped_by_its_holder_and_the_log_says_so(
    start: Start, folder: Path, tmp_path: Path
) -> None:
    coop, ben, reader = await start("coop", charter=CHARTER), await start("ben"), await start("reader")
    await ben.desk.join(text=(await coop.desk.invite(college="workers"))["invitation"], linked=True)
    reference = await coop.publish(folder)
    await reader.fetch(reference, tmp_path / "copy", coop.address)
    assert await shown(reader, reference) is None
    entry = await withdraw(coop, ben, of=reference)
    assert await shown(coop, reference) == {"entry": entry, "holders": 1, "dropped": 0}
    told = await reader.desk.status()
    (became,) = told["withdrawn"]
    assert (became["entry"], became["dropped"], became["owed"]) == (entry, True, False)
    assert (told["my_requests"][0]["key"], told["my_requests"][0]["outcome"]) == (False, "withdrawn")
    assert kept(reader.home) == []
    assert (tmp_path / "copy" / "rivers.csv").read_bytes() == (folder / "rivers.csv").read_bytes()  # the user's own
    for party, where in ((coop, ()), (reader, ()), (ben, (coop.address,))):
        assert await shown(party, reference, *where) == {"entry": entry, "holders": 1, "dropped": 1}
    for source in (None, coop.address):
        party = coop if source is None else ben
        audited = await party.desk.audit(source=source)
        assert audited["faults"] == []
        (row,) = audited["rows"]
        assert (row["dropped"], row["state"]) == (became["logged"], "verified")
    assert isinstance(entries.decode(coop.home.first.log.entry(became["logged"])), entries.Dropped)
    size = coop.home.first.log.size
    assert (await reader.desk.status())["withdrawn"] == [became]  # and again: nothing is left to do
    assert coop.home.first.log.size == size
    with pytest.raises(Gone, match=f"withdrawn by its community at entry {entry}"):
        await reader.fetch(reference, tmp_path / "again", coop.address)
    with pytest.raises(Gone, match="withdrawn"):
        await reader.desk.mirror(dataset=reference, sources=[coop.address])
    with pytest.raises(Gone, match="withdrawn"):  # nor does anybody sign a request for it
        await ben.fetch(reference, tmp_path / "ben", coop.address)
    assert ben.home.shelf.asks() == []
    assert (await reader.desk.datasets())["datasets"] == []
    assert (await coop.desk.datasets())["datasets"][0]["withdrawn"] == entry


async def test_a_blind_mirror_drops_and_has_nothing_to_sign(start: Start, folder: Path, tmp_path: Path) -> None:
    coop, mirror, reader = await start("coop", http="127.0.0.1:0"), await start("mirror"), await start("reader")
    reference = await coop.publish(folder)
    await mirror.desk.mirror(dataset=reference, sources=[coop.node.door])  # the only address it knows of anybody
    assert kept(mirror.home) != []
    entry, size = await withdraw(coop, of=reference), coop.home.first.log.size
    (became,) = (await mirror.desk.status())["withdrawn"]
    assert (became["entry"], became["dropped"], became["request"], became["owed"]) == (entry, True, None, False)
    assert kept(mirror.home) == []
    assert coop.home.first.log.size == size
    assert await shown(coop, reference) == {"entry": entry, "holders": 0, "dropped": 0}
    with pytest.raises(NotFound):
        mirror.node.site.manifest(parse(reference).cid)
    # the registrar's own node shows the packs no more; the manifest, by which one learns of it, it does
    assert kept(coop.home) != []
    with pytest.raises(NotFound, match="does not carry pack"):
        coop.node.site.pack(manifest.open(coop.node.site.manifest(parse(reference).cid)).value.contents.root)
    with pytest.raises(Gone, match="withdrawn by its community"):
        await reader.desk.mirror(dataset=reference, sources=[coop.address])
    with pytest.raises(Gone, match="withdrawn by its community"):
        await reader.fetch(reference, tmp_path / "copy", coop.address)


async def test_what_is_public_is_dropped_too_and_fetched_no_more(start: Start, folder: Path, tmp_path: Path) -> None:
    coop, reader, late = await start("coop"), await start("reader"), await start("late")
    reference = await coop.publish(folder, access="public")
    await reader.fetch(reference, tmp_path / "copy", coop.address, acknowledge=None)
    await withdraw(coop, of=reference)
    with pytest.raises(Gone, match="withdrawn"):  # though the key is printed, and the reader carries it still
        await late.fetch(reference, tmp_path / "late", coop.address, reader.address, acknowledge=None)
    assert kept(late.home) == []
    assert (await reader.desk.status())["withdrawn"][0]["dropped"]
    assert kept(reader.home) == []
    for form in (None, "croissant"):
        with pytest.raises(Gone, match="withdrawn"):
            await (reader.desk.describe(dataset=reference, form=form) if form else
                   reader.desk.export(dataset=reference, dest=str(tmp_path / "export")))  # fmt: skip


async def test_a_request_that_waits_for_what_was_withdrawn_waits_no_more(
    start: Start, folder: Path, tmp_path: Path
) -> None:
    coop, reader = await start("coop"), await start("reader")
    reference = await coop.publish(folder, access="approval")
    with pytest.raises(Pending):
        await reader.fetch(reference, tmp_path / "copy", coop.address)
    await withdraw(coop, of=reference)
    with pytest.raises(Gone, match="withdrawn by its community"):
        await reader.fetch(reference, tmp_path / "copy", coop.address)


async def test_who_was_away_learns_of_it_at_the_next_start_or_in_the_next_hour(
    start: Start, make_home: MakeHome, folder: Path, tmp_path: Path
) -> None:
    coop, path = await start("coop"), make_home("reader")
    first = await coop.publish(folder)
    (folder / "rivers.csv").write_text("other\n")
    second = await coop.publish(folder, title="Lakes")
    with Home(path) as home:
        async with Node(home) as node:
            reader = Party(node)
            await reader.fetch(first, tmp_path / "first", coop.address)
            await reader.fetch(second, tmp_path / "second", coop.address)
    await withdraw(coop, of=first)
    with Home(path) as home:
        async with Node(home) as node:  # a command that opens the home for a moment leaves it to the node
            assert not node.minding.rounds.running
        assert home.shelf.withdrawals() == {}
        async with Node(home, (ANY,)) as node:
            await until(lambda: len(dropped(coop)) == 1)
            assert {*home.shelf.withdrawals()} == {parse(first).cid}
            assert [cid for cid, _, _, served in home.shelf.manifests() if served] == [parse(second).cid]
            await withdraw(coop, of=second)
            node.minding.rounds.wake.set()
            await until(lambda: len(dropped(coop)) == 2)
    assert kept(home) == []
    assert (await coop.desk.audit())["faults"] == []


async def test_what_somebody_published_in_another_commons_is_served_no_more_and_stays_theirs(
    start: Start, folder: Path, tmp_path: Path
) -> None:
    coop, author = await start("coop"), await start("author")
    reference = await coop.publish(folder)
    await author.fetch(reference, tmp_path / "copy", coop.address)
    cid_, data = parse(reference).cid, author.home.shelf.manifest(parse(reference).cid)
    assert data is not None
    author.home.shelf.put_manifest(cid_, data, "published", served=True)
    before = kept(author.home)
    await withdraw(coop, of=reference)
    (row,) = (await author.desk.status())["withdrawn"]
    assert (row["applied"], row["dropped"], row["owed"], row["request"]) == (True, False, False, None)
    assert dropped(coop) == []
    assert kept(author.home) == before  # its packs: the next version is made from them
    with pytest.raises(NotFound):
        author.node.site.pack(manifest.open(data).value.contents.root)


async def test_versions_under_one_key_go_together_and_what_another_dataset_needs_stays(
    start: Start, folder: Path, tmp_path: Path
) -> None:
    coop, reader = await start("coop"), await start("reader")
    first = await coop.publish(folder)
    (folder / "more.csv").write_text("lake\n" * 100)
    second = await coop.publish(folder, update=first)
    (folder / "even more.csv").write_text("sea\n" * 100)
    other = await coop.publish(folder, update=second, access="members", creators=["Ana"], title="Rivers")
    for n, reference in enumerate((first, second)):
        await reader.fetch(reference, tmp_path / str(n), coop.address)
    await reader.desk.mirror(dataset=other, sources=[coop.address])
    entry = await withdraw(coop, of=second)
    assert {row["entry"] for row in (await reader.desk.status())["withdrawn"]} == {entry}
    assert {row["dataset"] for row in (await reader.desk.status())["withdrawn"]} == {
        parse(first).cid, parse(second).cid
    }  # fmt: skip
    data = reader.home.shelf.manifest(parse(other).cid)
    assert data is not None
    needed = {ref.root.hex() for ref in manifest.open(data).value.sealed()}
    assert {path.stem for path in kept(reader.home)} == needed
    assert len(dropped(coop)) == 1  # one request, for both of them
    for each in (first, second):
        assert await shown(coop, each) == {"entry": entry, "holders": 1, "dropped": 1}
    assert await shown(coop, other) is None


async def test_two_rounds_at_once_say_it_once(start: Start, folder: Path, tmp_path: Path) -> None:
    coop, reader = await start("coop"), await start("reader")
    reference = await coop.publish(folder)
    await reader.fetch(reference, tmp_path / "copy", coop.address)
    await withdraw(coop, of=reference)
    await asyncio.gather(*(holder.mind(reader.home, reader.node.net, reader.node.carrying) for _ in range(4)))
    (row,) = (await reader.desk.status())["withdrawn"]
    assert (row["owed"], len(dropped(coop))) == (False, 1)
    assert row["logged"] is not None
    about, data = parse(reference).cid, reader.home.shelf.manifest(parse(reference).cid)
    assert data is not None
    value = manifest.open(data).value
    found = await withdrawal.ask(reader.home, reader.node.net, [coop.address], value, about)
    assert found is not None
    holder.apply(reader.home, about, value, *found)  # a round that asked before, and comes late
    assert (await reader.desk.status())["withdrawn"] == [row]


async def test_a_receipt_that_is_owed_comes_before_the_word_that_it_was_dropped(
    start: Start, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    coop, reader = await start("coop"), await start("reader")
    reference = await coop.publish(folder)

    async def away(*_: object, **__: object) -> int:
        raise Conflict("somebody was faster")

    with monkeypatch.context() as patch:
        patch.setattr("commons.access.receipt.hand_in", away)
        assert (await reader.fetch(reference, tmp_path / "copy", coop.address))["receipt"] == "owed"
        await withdraw(coop, of=reference)
        (row,) = (await reader.desk.status())["withdrawn"]
        assert (row["dropped"], row["owed"]) == (True, True)
    assert (await reader.desk.status())["withdrawn"][0]["owed"] is False
    (access,) = coop.home.first.log.state.accesses.values()
    assert access.receipt is not None
    assert access.dropped == access.receipt + 1
    assert await shown(coop, reference) == {"entry": access.receipt - 1, "holders": 1, "dropped": 1}


async def test_whoever_was_told_passes_the_notice_on_while_the_registrar_is_away(
    start: Start, make_home: MakeHome, folder: Path, tmp_path: Path
) -> None:
    path, reader, mirror = make_home("coop", charter=CHARTER), await start("reader"), await start("mirror")
    with Home(path) as home:
        async with Node(home, (ANY,)) as node:
            coop = Party(node)
            reference = await coop.publish(folder)
            await reader.fetch(reference, tmp_path / "copy", coop.address)
            await mirror.desk.mirror(dataset=reference, sources=[reader.address, coop.address])
            entry = await withdraw(coop, of=reference)
            assert (await reader.desk.status())["withdrawn"][0]["owed"] is False
    mirror.home.shelf.add_peer(reader.address)
    assert (await mirror.desk.status())["withdrawn"][0]["entry"] == entry
    assert kept(mirror.home) == []
    assert (await shown(mirror, reference))["entry"] == entry
    with pytest.raises(NotFound):
        reader.node.site.notice(reader.home.first.commons, parse(reference).cid)


# -- those who lie ----------------------------------------------------------------------------------------------------


def said(site: Any, commons: str, dataset: str, **lies: Any) -> notice.Notice:
    true = {"commons": commons, "dataset": dataset, "entry": 4, "time": int(time.time()), "holders": 1, "dropped": 0}
    return notice.Notice(**{**true, **lies})


NOTICES: dict[str, Callable[[Any, str, str], bytes]] = {
    "signed by somebody else": lambda site, c, d: notice.sign(said(site, c, d), EVE),
    "about another dataset": lambda site, c, d: notice.sign(said(site, c, cid(b"x")), site.home.keys.identity),
    "of another commons": lambda site, c, d: notice.sign(
        replace(said(site, c, d), commons=cid(b"x")), site.home.keys.identity
    ),
    "signed as something else": lambda site, c, d: envelope.sign(
        "commons/other/v1", said(site, c, d), site.home.keys.identity
    ),
    "garbage": lambda site, c, d: b"\xc1" * 40,
    "too long": lambda site, c, d: bytes(notice.LIMIT + 1),
}


@pytest.mark.parametrize("lie", NOTICES)
async def test_a_notice_that_the_registrar_did_not_sign_for_this_dataset_drops_nothing(
    start: Start, folder: Path, tmp_path: Path, lie: str
) -> None:
    coop = await start("coop", lie=lambda site: GivesNotices(site, NOTICES[lie]))
    reader = await start("reader")
    reference = await coop.publish(folder)
    await reader.fetch(reference, tmp_path / "copy", coop.address)
    before = kept(reader.home)
    told = await reader.desk.status()
    assert (told["withdrawn"], told["my_requests"][0]["key"]) == ([], True)
    assert kept(reader.home) == before
    assert await shown(reader, reference) is None
    await reader.desk.describe(dataset=reference, form="croissant")


async def test_a_registrar_that_logs_another_word_than_was_signed_is_not_believed(
    start: Start, folder: Path, tmp_path: Path
) -> None:
    twisted = [False]

    class Later(ShowsAnotherDropping):
        async def submit(self, commons: str, body: bytes) -> bytes:
            if entries.DROPPED.encode() not in body:
                return await self.honest.submit(commons, body)
            twisted[0] = True
            return await super().submit(commons, body)

    coop, reader = await start("coop", lie=Later), await start("reader")
    reference = await coop.publish(folder)
    await reader.fetch(reference, tmp_path / "copy", coop.address)
    await withdraw(coop, of=reference)
    (row,) = (await reader.desk.status())["withdrawn"]
    assert twisted == [True]
    assert (row["dropped"], row["logged"], row["owed"]) == (True, None, True)


@pytest.fixture
async def asked(start: Start, folder: Path) -> tuple[Party, Asker, str, int]:
    """Somebody who fetched by hand: the commons, who asked, the reference, and the index of their request."""
    coop = await start("coop", listen=())
    reference = await coop.publish(folder)
    asker = Asker(coop, reference, b"\1" * 32)
    index = await asker.ask()
    received = Received(commons=coop.home.first.commons, request=index, dataset=asker.cid, files=3, size=9, time=0)
    await asker.send(asker.submission(received, kind=entries.RECEIPT))
    return coop, asker, reference, index


def dropping(asker: Asker, index: int, at: int, **lies: Any) -> Dropping:
    true = {"commons": asker.party.home.first.commons, "request": index, "dataset": asker.cid, "entry": at, "time": 0}
    return Dropping(**{**true, **lies})


async def test_a_word_that_it_was_dropped_is_taken_once_from_who_asked_and_after_the_withdrawal(
    asked: tuple[Party, Asker, str, int],
) -> None:
    coop, asker, reference, index = asked
    with pytest.raises(Conflict, match="is not withdrawn"):
        await asker.send(asker.submission(dropping(asker, index, 4), kind=entries.DROPPED))
    entry = await withdraw(coop, of=reference)
    size = coop.home.first.log.size
    for lie, signer, kind in (
        ({}, EVE, Refused), ({"commons": cid(b"x")}, None, NotFound), ({"request": 99}, None, NotFound),
        ({"dataset": cid(b"x")}, None, Refused), ({"entry": entry - 1}, None, Conflict),
    ):  # fmt: skip
        with pytest.raises(kind):
            await asker.send(asker.submission(dropping(asker, index, entry, **lie), signer, kind=entries.DROPPED))
    body = asker.submission(dropping(asker, index, entry), kind=entries.DROPPED)
    broken = body.replace(asker.keys.identity.peer.encode(), EVE.peer.encode())
    with pytest.raises(Untrue):
        await asker.send(broken)
    assert coop.home.first.log.size == size
    first, again = await asker.send(body), await asker.send(body)
    assert first.shown[0].index == again.shown[0].index == size
    with pytest.raises(Conflict, match="has its dropped entry already"):
        await asker.send(asker.submission(dropping(asker, index, entry, time=9), kind=entries.DROPPED))
    assert coop.home.first.log.size == size + 1
    assert await shown(coop, reference) == {"entry": entry, "holders": 1, "dropped": 1}


async def test_erasing_a_request_erases_the_word_that_it_was_dropped(asked: tuple[Party, Asker, str, int]) -> None:
    coop, asker, reference, index = asked
    entry = await withdraw(coop, of=reference)
    body = asker.submission(dropping(asker, index, entry), kind=entries.DROPPED)
    logged = (await asker.send(body)).shown[0].index
    assert coop.home.first.log.opening(logged) is not None
    erased = await coop.desk.erase(entry=index)
    assert logged in erased["erased"]
    assert coop.home.first.log.opening(logged) is None
    audited = await coop.desk.audit()
    assert (audited["faults"], audited["rows"][0]["dropped"]) == ([], logged)
    assert audited["rows"][0]["state"].startswith("redacted")
    assert await shown(coop, reference) == {"entry": entry, "holders": 1, "dropped": 1}  # the count stays


async def test_whose_request_was_erased_drops_and_owes_nothing(start: Start, folder: Path, tmp_path: Path) -> None:
    coop, reader = await start("coop"), await start("reader")
    reference = await coop.publish(folder)
    told = await reader.fetch(reference, tmp_path / "copy", coop.address)
    await coop.desk.erase(entry=told["request"])
    await withdraw(coop, of=reference)
    (row,) = (await reader.desk.status())["withdrawn"]
    assert (row["dropped"], row["logged"], row["owed"]) == (True, None, False)
    assert "erased" in row["why"]
    assert kept(reader.home) == []


async def test_an_audit_finds_a_word_that_the_requester_did_not_sign(
    asked: tuple[Party, Asker, str, int], tmp_path: Path
) -> None:
    coop, asker, reference, index = asked
    entry = await withdraw(coop, of=reference)
    body = asker.submission(dropping(asker, index, entry), kind=entries.DROPPED)
    logged = (await asker.send(body)).shown[0].index
    for lie, signer, what in (
        ({}, EVE, "somebody else"), ({"entry": entry - 1}, asker.keys.identity, "names entry"),
        ({"dataset": cid(b"x")}, asker.keys.identity, "another dataset"),
        ({"commons": cid(b"x")}, asker.keys.identity, "something else"),
        ({"request": index + 1}, asker.keys.identity, "something else"),
    ):  # fmt: skip
        forger = Forger(coop.home)
        forger.hide(logged, statement=asker.statement(dropping(asker, index, entry, **lie), signer, entries.DROPPED))
        told = await coop.desk.audit(source=str(forger.write(tmp_path / f"{what} {lie}"[:20].strip())))
        assert [fault["entry"] for fault in told["faults"]] == [logged]
        assert what in told["faults"][0]["what"]
        assert told["rows"][0]["state"].startswith(f"faulty: entry {logged}")
    forger = Forger(coop.home)
    forger.swap(entry, logged)
    told = await coop.desk.audit(source=str(forger.write(tmp_path / "before")))
    assert "not withdrawn" in {fault["entry"]: fault["what"] for fault in told["faults"]}[entry]


async def test_what_is_not_withdrawn_has_no_notice(start: Start, folder: Path) -> None:
    coop, eve = await start("coop", http="127.0.0.1:0"), await start("eve")
    reference = await coop.publish(folder)
    about = parse(reference).cid
    net, path = eve.node.net, f"/{coop.home.first.commons}/notices/{about}"
    for source in (coop.address, coop.node.door):
        with pytest.raises(NotFound, match="not withdrawn"):
            await net.get(source, path, limit=notice.LIMIT)
    entry = await withdraw(coop, of=reference)
    for source in (coop.address, coop.node.door):
        data = await net.get(source, path, limit=notice.LIMIT)
        assert notice.open(data, coop.home.first.commons, about, {coop.peer}).entry == entry
    with pytest.raises(NotFound):
        await net.get(coop.address, f"/{eve.home.first.commons}/notices/{about}", limit=notice.LIMIT)
    assert holder.held(eve.home) == {}
