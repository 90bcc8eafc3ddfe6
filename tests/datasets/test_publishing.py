"""Members publish in the log of a community that another node keeps: real nodes, custodians, and what goes wrong."""

from __future__ import annotations

import asyncio
import shutil
import signal
import time
from dataclasses import replace
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from commons.access import listing
from commons.access.listing import Offer
from commons.access.registrar import Registrar
from commons.community.charter import founding
from commons.core.crypto import codec, envelope
from commons.core.crypto.envelope import Opened
from commons.core.crypto.ids import cid
from commons.core.crypto.keys import Signer
from commons.core.dataset import manifest
from commons.core.dataset.manifest import Manifest
from commons.core.dataset.reference import parse
from commons.core.state import entries
from commons.core.state.entries import Publish
from commons.disk import home
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
    Unreachable,
    Untrue,
)
from commons.log.answer import Answer
from commons.node.node import Node
from tests.conftest import Desk, Party, Start
from tests.crash_driver import Inside, die_at, in_child
from tests.custody.test_keepers import away, found
from tests.rows import few, one_in

Seats = dict[str, Party]


async def known(seats: Seats) -> None:
    """Each knows where the others are."""
    for party in seats.values():
        for other in seats.values():
            await party.desk.peers(add=other.address)


@pytest.fixture
async def seats(start: Start) -> Seats:
    made = await found(start)
    await known(made)
    return made


async def publish(seats: Seats, folder: Path, who: str = "ana", **words: Any) -> str:
    """In the community's log, by a member who does not keep it; a reference with addresses on this machine too."""
    party = seats[who]
    reference = await party.publish(folder, named=seats["coop"].home.first.commons, **words)
    return str((await party.desk.refer(dataset=reference, lan=True))["reference"])


def published(coop: Party) -> int:
    return len(coop.home.first.log.state.datasets)


def value_of(party: Party, reference: str) -> Opened[Manifest]:
    data = party.home.shelf.manifest(parse(reference).cid)
    assert data is not None
    return manifest.open(data)


async def test_what_a_member_publishes_a_stranger_fetches_with_a_key_from_the_custodians(
    seats: Seats, start: Start, folder: Path, tmp_path: Path
) -> None:
    coop, ana, asker = seats["coop"], seats["ana"], await start("asker")
    reference = await publish(seats, folder)
    assert {address.rpartition("/")[2] for address in parse(reference).peers} == {p.peer for p in seats.values()}
    (said,) = coop.home.first.log.state.datasets.values()
    assert (said.publisher, said.entry.commons) == (ana.peer, coop.home.first.commons)
    assert ana.home.first.log.size == 1  # nothing in her own log
    assert coop.node.site.manifest(parse(reference).cid) == ana.node.site.manifest(parse(reference).cid)
    told = await asker.fetch(reference, tmp_path / "copy")
    assert (tmp_path / "copy" / "rivers.csv").read_bytes() == (folder / "rivers.csv").read_bytes()
    assert told["receipt"] == "logged"
    assert len(list((asker.home.path / "proofs").glob("*.release"))) >= 2
    audited = await asker.desk.audit(source=coop.address)
    assert (audited["faults"], [row["receipt"] is not None for row in audited["rows"]]) == ([], [True])
    assert (await seats["ben"].desk.audit(source=coop.address))["rows"][0]["who"] == asker.peer
    listed = (await ana.desk.datasets())["datasets"]
    assert [(row["role"], row["served"]) for row in listed] == [("published", True)]
    await ana.fetch(reference, tmp_path / "own")  # her own, for which nobody is asked
    assert len(coop.home.first.log.state.accesses) == 1


async def test_the_registrars_home_fetches_and_serves_what_a_member_published(
    seats: Seats, start: Start, folder: Path, tmp_path: Path
) -> None:
    coop, asker = seats["coop"], await start("asker")
    reference = await publish(seats, folder)
    await coop.fetch(reference, tmp_path / "copy")
    assert (await coop.desk.datasets())["datasets"][0]["role"] == "fetched"
    coop_only = str((await coop.desk.refer(dataset=reference, lan=True))["reference"])
    await seats["ana"].desk.drop(dataset=reference)
    await asker.fetch(coop_only, tmp_path / "other")
    assert (tmp_path / "other" / "rivers.csv").is_file()


async def test_the_next_version_is_the_members_too_and_nobody_elses(
    seats: Seats, start: Start, folder: Path, tmp_path: Path
) -> None:
    coop, asker = seats["coop"], await start("asker")
    first = await publish(seats, folder)
    with pytest.raises(NotFound, match="not published from this home"):
        await publish(seats, folder, "ben", update=first)
    await seats["ben"].desk.show(dataset=first)
    with pytest.raises(Refused, match="continued by who began it"):
        await publish(seats, folder, "ben", update=first)
    with pytest.raises(NotFound, match="was not published from this home in"):
        await seats["ana"].publish(folder, update=first)  # in her own log
    (folder / "more.csv").write_text("a,b\n")
    told = await seats["ana"].desk.publish(
        path=str(folder), title="Rivers", licence="CC-BY-4.0", creators=["Ana"], update=first,
        named=coop.home.first.commons,
    )  # fmt: skip
    assert (told["version"], told["reused_bytes"] > 0) == (2, True)
    second = str((await seats["ana"].desk.refer(dataset=told["reference"], lan=True))["reference"])
    assert value_of(seats["ana"], first).value.custody == value_of(seats["ana"], second).value.custody
    await asker.fetch(second, tmp_path / "copy")
    assert (tmp_path / "copy" / "more.csv").is_file()


async def test_requests_for_it_are_decided_revoked_withdrawn_and_put_under_another_rule_as_any(
    seats: Seats, start: Start, folder: Path, tmp_path: Path
) -> None:
    coop, asker, other = seats["coop"], await start("asker"), await start("other")
    reference = await publish(seats, folder, access="approval")
    with pytest.raises(Pending):
        await asker.fetch(reference, tmp_path / "copy")
    (row,) = (await coop.desk.requests())["requests"]
    await coop.desk.decide(request=row["request"], outcome="grant", reason="known to us")
    await asker.fetch(reference, tmp_path / "copy")
    await coop.desk.decide(request=row["request"], outcome="revoke", reason="no more")
    changed = await coop.desk.propose(action="set-rule", dataset=reference, access="members")
    for name in ("ana", "ben"):
        if (await coop.desk.community())["proposals"]:
            await seats[name].desk.vote(proposal=changed["proposal"], choice="yes")
    with pytest.raises(Refused, match="not-member"):
        await other.fetch(reference, tmp_path / "other")
    with pytest.raises(Conflict, match="have set the rule members"):
        await publish(seats, folder, access="approval", update=reference)
    second = await publish(seats, folder, access="members", update=reference)
    assert value_of(seats["ana"], second).value.epoch == 1
    await seats["ben"].fetch(second, tmp_path / "ben")
    await coop.desk.propose(action="withdraw", dataset=second)
    with pytest.raises(Gone, match="withdrawn"):
        await coop.fetch(second, tmp_path / "coop")
    assert (await other.desk.audit(source=coop.address))["faults"] == []


async def test_without_custodians_only_what_is_public_can_be_published_by_members(
    start: Start, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from tests.custody.test_keepers import CHARTER

    coop, ana, asker = await start("coop", charter=CHARTER), await start("ana"), await start("asker")
    await ana.desk.join(text=(await coop.desk.invite(college="workers"))["invitation"], linked=True)
    with monkeypatch.context() as patch:
        patch.setattr("commons.disk.packer.pack", lambda *_, **__: pytest.fail("it was sealed"))
        with pytest.raises(Conflict, match="no custodians") as caught:
            await ana.publish(folder, named=coop.home.first.commons)
        assert "change-custodians" in caught.value.hint
    reference = await publish({"coop": coop, "ana": ana}, folder, access="public")
    await asker.fetch(reference, tmp_path / "copy")
    assert (tmp_path / "copy" / "rivers.csv").is_file()
    with pytest.raises(NotFound, match="takes no part"):
        await asker.publish(folder, named=coop.home.first.commons)
    with monkeypatch.context() as patch:  # a registrar that takes it all the same has no key to give
        patch.setattr("commons.datasets.contribute.check_kept", lambda *_: None)
        keyless = await publish({"coop": coop, "ana": ana}, folder)
    with pytest.raises(Refused, match="does not have the key of this dataset"):
        await asker.fetch(keyless, tmp_path / "no")
    policy = f"member coop {coop.peer}\nquorum coop\n"  # who trusts the registrar alone says so
    changed = await coop.desk.propose(action="change-custodians", file=policy)
    assert changed["outcome"]["standing"] == "passed"
    await coop.desk.keep()
    kept = await publish({"coop": coop, "ana": ana}, folder, title="Lakes")
    await asker.fetch(kept, tmp_path / "kept")
    own = await ana.publish(folder)  # without a word of a community, her own log
    assert parse(own).cid in ana.home.first.log.state.datasets


async def test_who_is_no_member_publishes_nothing(
    seats: Seats, start: Start, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    coop, eve = seats["coop"], await start("eve")
    await eve.desk.follow(source=coop.address, commons=coop.commons)
    monkeypatch.setattr("commons.disk.packer.pack", lambda *_, **__: pytest.fail("it was sealed"))
    with pytest.raises(Refused, match="no member"):
        await eve.publish(folder, named=coop.home.first.commons, access="public")
    with pytest.raises(Refused, match="no member"):  # before anything is read of what she sends
        await eve.desk.net.post(coop.address, f"/{coop.home.first.commons}/publications", bytes(1 << 20), limit=4096)
    assert published(coop) == 0


# -- what a registrar does not take ------------------------------------------------------------------------------------


async def offered(seats: Seats, folder: Path, monkeypatch: pytest.MonkeyPatch, **words: Any) -> Opened[Manifest]:
    """A manifest that Ana has signed, and that no registrar has seen."""
    with monkeypatch.context() as patch:
        patch.setattr("commons.datasets.contribute.receive", away)
        with pytest.raises(Unreachable, match="sealed and signed"):
            await publish(seats, folder, **words)
    ((_, opened, role, served),) = seats["ana"].home.shelf.manifests()
    assert (role, served) == ("published", False)
    return opened


def offer(
    signer: Signer, said: Publish, data: bytes, head: bytes = b""
) -> bytes:  # fmt: skip
    return codec.encode(Offer(statement=envelope.sign(entries.PUBLISH, said, signer), manifest=data, head=head))


async def test_an_entry_that_says_other_things_than_the_manifest_is_refused(
    seats: Seats, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    dataset = await offered(seats, folder, monkeypatch, purposes=["research"], grant_days=30)
    coop, keys, ben = seats["coop"], seats["ana"].home.keys, seats["ben"].home.keys.identity
    value, name, size = dataset.value, cid(dataset.data), coop.home.first.log.size
    said = listing.entry(value, name, int(time.time()))
    send = coop.node.site.publish
    lies: list[tuple[dict[str, Any], type[CommonsError]]] = [
        ({"series": bytes(16)}, Untrue), ({"version": 2}, Untrue), ({"title": "Lakes"}, Untrue),
        ({"licence": "CC0-1.0"}, Untrue), ({"terms": bytes(32)}, Untrue),
        ({"rule": replace(value.rule, kind="members")}, Untrue), ({"purposes": ()}, Untrue),
        ({"grant_days": None}, Untrue), ({"epoch": 1}, Untrue), ({"custodians": None}, Untrue),
        ({"custodians": bytes(32)}, Untrue), ({"manifest": cid(b"another")}, Untrue),
        ({"commons": seats["ana"].home.first.commons}, NotFound), ({"time": said.time - 700}, Malformed),
        ({"time": said.time + 60}, Malformed),
    ]  # fmt: skip
    for lie, kind in lies:
        with pytest.raises(kind):
            await send(coop.home.first.commons, offer(keys.identity, replace(said, **lie), dataset.data))
    with pytest.raises(Untrue, match="somebody else"):  # Ana's manifest, under Ben's name
        await send(coop.home.first.commons, offer(ben, said, dataset.data))
    for lie in ({"registrar": ben.peer}, {"log_key": bytes(32)}, {"custody": None}, {"series": bytes(16)}):
        other = manifest.sign(replace(value, **lie), keys.identity)
        entry = listing.entry(replace(value, **lie), cid(other), said.time)
        with pytest.raises((Untrue, Conflict)):
            await send(coop.home.first.commons, offer(keys.identity, entry, other))
    with pytest.raises(Malformed):
        await send(coop.home.first.commons, b"nonsense")
    assert coop.home.first.log.size == size
    assert coop.home.shelf.manifest(name) is None  # nothing is kept of what is refused
    answer = codec.decode(
        Answer, await send(coop.home.first.commons, offer(keys.identity, said, dataset.data)), 1 << 20
    )
    assert answer.shown[0].index == size
    redated = replace(said, time=said.time + 1)
    again = codec.decode(
        Answer, await send(coop.home.first.commons, offer(keys.identity, redated, dataset.data)), 1 << 20
    )
    assert (again.shown[0].index, coop.home.first.log.size) == (size, size + 1)  # a manifest makes one entry


async def test_an_entry_is_not_replayed_into_another_commons(
    seats: Seats, start: Start, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from tests.custody.test_keepers import CHARTER

    other, ana = await start("other", charter=CHARTER), seats["ana"]
    await ana.desk.join(text=(await other.desk.invite(college="workers"))["invitation"], linked=True)
    dataset = await offered(seats, folder, monkeypatch, access="public")
    said = listing.entry(dataset.value, cid(dataset.data), int(time.time()))
    body = offer(ana.home.keys.identity, said, dataset.data)
    with pytest.raises(NotFound):
        await ana.desk.net.post(other.address, f"/{other.home.first.commons}/publications", body, limit=4096)
    with pytest.raises(NotFound):
        await ana.desk.net.post(other.address, f"/{seats['coop'].home.first.commons}/publications", body, limit=4096)
    entry = envelope.open(entries.PUBLISH, Publish, codec.decode(Offer, body, listing.LIMIT).statement)
    with pytest.raises(Conflict, match="another commons"):  # whatever its registrar does: the fold
        other.home.first.log.state.apply(entry)
    other.home.first.log.state.size -= 1


async def test_what_is_too_large_is_refused_by_who_sends_and_by_who_takes(
    seats: Seats, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    coop, ana, size = seats["coop"], seats["ana"], seats["coop"].home.first.log.size
    path = f"/{coop.home.first.commons}/publications"
    with pytest.raises(TooLarge):
        await ana.desk.net.post(coop.address, path, bytes(listing.LIMIT + 1), limit=4096)
    with pytest.raises(Malformed):  # it is read, and is none
        await ana.desk.net.post(coop.address, path, bytes(listing.LIMIT), limit=4096)
    with monkeypatch.context() as patch:
        patch.setattr(manifest, "LIMIT", 1000)
        with pytest.raises(TooLarge, match="at most 1000") as caught:
            await publish(seats, folder)
        assert "several datasets" in caught.value.hint
    assert coop.home.first.log.size == size


async def test_a_manifest_larger_than_other_requests_goes_through(seats: Seats, folder: Path) -> None:
    (folder / "LICENCE").write_text("All that is here may be read. " * 20_000)
    text = (folder / "LICENCE").read_text()
    reference = await publish(seats, folder, licence="LicenseRef-river", licence_texts=[f"LicenseRef-river={text}"])
    assert len(seats["coop"].node.site.manifest(parse(reference).cid)) > 500_000


async def test_offers_are_limited_as_other_requests_are(
    seats: Seats, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    coop = seats["coop"]
    monkeypatch.setattr(coop.node.at().registrar.each, "take", lambda *_: 5.0)
    with pytest.raises(TooMany):
        await publish(seats, folder)
    assert published(coop) == 0


# -- crashes, and a registrar that is away -----------------------------------------------------------------------------


async def test_a_registrar_that_is_away_is_named_and_the_same_command_goes_on(
    seats: Seats, folder: Path, tmp_path: Path, start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    coop, ana = seats["coop"], seats["ana"]
    dataset = await offered(seats, folder, monkeypatch)
    with pytest.raises(NotFound):
        ana.node.site.manifest(cid(dataset.data))  # not shown before it is in the log
    kept = {name: len(party.home.deposits.of(coop.home.first.commons)) for name, party in seats.items()}
    with monkeypatch.context() as patch:
        patch.setattr("commons.disk.packer.pack", lambda *_, **__: pytest.fail("it was sealed again"))
        reference = await publish(seats, folder)
        again = await publish(seats, folder)
    assert parse(reference).cid == parse(again).cid == cid(dataset.data)
    assert {name: len(p.home.deposits.of(coop.home.first.commons)) for name, p in seats.items()} == kept
    assert published(coop) == 1
    await (await start("asker")).fetch(reference, tmp_path / "copy")
    (folder / "more.csv").write_text("a,b\n")  # other files are another dataset
    assert parse(await publish(seats, folder)).cid != cid(dataset.data)
    assert published(coop) == 2


async def test_a_registrar_that_cannot_be_reached_is_told_before_anything_is_sealed(
    seats: Seats, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    coop, ana = seats["coop"], seats["ana"]
    monkeypatch.setattr("commons.disk.packer.pack", lambda *_, **__: pytest.fail("it was sealed"))
    await coop.node.__aexit__(None, None, None)
    with pytest.raises(Unreachable):
        await ana.publish(folder, named=coop.home.first.commons)


def crash(*_: object, **__: object) -> Any:
    raise KeyboardInterrupt


@pytest.mark.parametrize("where", few(["begin", "enter", "lost", "advance", "serve"], 2))
async def test_after_a_crash_between_any_two_steps_the_same_command_makes_one_entry(
    seats: Seats, folder: Path, tmp_path: Path, start: Start, monkeypatch: pytest.MonkeyPatch, where: str
) -> None:
    from commons.datasets import contribute as module

    coop, ana = seats["coop"], seats["ana"]
    with monkeypatch.context() as patch:
        if where == "begin":
            patch.setattr(module.Abroad, "begin", crash)
        elif where == "enter":
            patch.setattr(module.Abroad, "enter", crash)
        elif where == "lost":  # the entry is durable, and its answer never comes
            real = module.receive

            async def lost(registrar: Registrar, body: bytes) -> bytes:
                await real(registrar, body)
                raise Unreachable("the line broke")

            patch.setattr(module, "receive", lost)
        elif where == "advance":
            patch.setattr("commons.log.submit.advance", lambda *words: crash() if words[2] != words[3] else None)
        else:
            put = ana.home.shelf.put_manifest
            patch.setattr(
                ana.home.shelf,
                "put_manifest",
                lambda *a, served, **k: crash() if served else put(*a, served=served, **k),
            )
        with pytest.raises((KeyboardInterrupt, Unreachable)):
            await publish(seats, folder)
    assert not any(served for *_, served in ana.home.shelf.manifests())
    reference = await publish(seats, folder)
    assert published(coop) == 1
    await (await start("asker")).fetch(reference, tmp_path / "copy")
    assert (await ana.desk.audit(source=coop.address))["faults"] == []


async def test_what_was_decided_meanwhile_has_it_sealed_anew(
    seats: Seats, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    coop = seats["coop"]
    stale = await offered(seats, folder, monkeypatch)
    await coop.desk.propose(action="change-custodians", file=f"member ben {seats['ben'].peer}\nquorum ben\n")
    reference = await publish(seats, folder)
    assert parse(reference).cid != cid(stale.data)
    assert list(coop.home.first.log.state.datasets) == [parse(reference).cid]


async def test_a_registrar_whose_disk_keeps_no_manifest_logs_none(
    seats: Seats, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    coop, size = seats["coop"], seats["coop"].home.first.log.size

    def full(*_: object) -> None:
        raise StorageFailed("the disk is full")

    with monkeypatch.context() as patch:
        patch.setattr(coop.home.shelf, "note_manifest", full)
        with pytest.raises(CommonsError, match="disk is full"):
            await publish(seats, folder)
    assert coop.home.first.log.size == size
    await publish(seats, folder)
    with monkeypatch.context() as patch:
        patch.setattr(coop.home.first.log, "_store", full)
        with pytest.raises(CommonsError):
            await publish(seats, folder, title="Another")
    others = [name for name, *_ in coop.home.shelf.manifests() if name not in coop.home.first.log.state.datasets]
    for name in others:  # a manifest that no entry names is shown to nobody
        with pytest.raises(NotFound):
            coop.node.site.manifest(name)


async def test_an_answer_that_shows_something_else_is_not_believed(
    seats: Seats, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    coop, ana = seats["coop"], seats["ana"]
    registrar = coop.node.at().registrar

    async def another(_: Registrar, body: bytes) -> bytes:
        return registrar._one(1, 0)

    async def unlogged(_: Registrar, body: bytes) -> bytes:
        told = codec.decode(Answer, registrar._one(1, 0))
        given = codec.decode(Offer, body, listing.LIMIT)
        return codec.encode(replace(told, shown=(replace(told.shown[0], entry=given.statement),)))

    for lie in (another, unlogged):
        with monkeypatch.context() as patch:
            patch.setattr("commons.datasets.contribute.receive", lie)
            with pytest.raises((Untrue, Malformed)):
                await publish(seats, folder)
        assert not any(served for *_, served in ana.home.shelf.manifests())
    await publish(seats, folder)
    assert published(coop) == 1


async def test_who_dropped_the_packs_is_told_and_publishes_nothing_empty(
    seats: Seats, folder: Path, tmp_path: Path
) -> None:
    ana, ben = seats["ana"], seats["ben"]
    reference = await publish(seats, folder)
    await ben.fetch(reference, tmp_path / "ben")
    await ana.desk.drop(dataset=reference)
    with pytest.raises(Conflict, match="were dropped here") as caught:
        await publish(seats, folder)
    assert "commons mirror" in caught.value.hint
    await ana.desk.mirror(dataset=reference, sources=[ben.address])
    assert parse(await publish(seats, folder)).cid == parse(reference).cid
    assert published(seats["coop"]) == 1


# -- killed -----------------------------------------------------------------------------------------------------------


class Line(Inside):
    """Of a member to the registrar, in one process."""

    async def get(self, source: str, path: str, *, limit: int, span: tuple[int, int] | None = None) -> bytes:
        _, commons, what = path.split("/", 2)
        if what == "checkpoint":
            return self.steward.site.checkpoint(commons)
        if what.startswith("openings"):
            raise Refused("not for you")
        return await super().get(source, path, limit=limit, span=span)

    async def post(self, source: str, path: str, body: bytes, *, limit: int) -> bytes:
        _, commons, _ = path.split("/")
        return await self.steward.site.publish(commons, body)


def member_publishes(folder: Path) -> str:
    """Both homes opened, and one dataset published by the member in the other's log: its reference."""

    async def go() -> str:
        with Home(folder / "coop") as coop, Home(folder / "ana") as ana:
            coop.first.resumption.free = True  # by its owner's word: a copy, or a kill right after an entry, needs one
            async with Node(coop) as a, Node(ana) as b:
                address = f"/ip4/127.0.0.1/tcp/1/p2p/{coop.keys.identity.peer}"
                ana.shelf.put_seat(coop.first.commons, coop.first.log.key.public, [address])
                desk = Desk(b)
                desk.net = Line(a)  # type: ignore[assignment]
                told = await desk.publish(
                    path=str(folder / "data"), title="Small", licence="CC0-1.0", access="public",
                    named=coop.first.commons,
                )  # fmt: skip
                return str(told["cid"])

    return asyncio.run(go())


@one_in(9)
def test_killed_at_any_step_the_same_command_makes_one_entry_with_its_manifest(tmp_path: Path, every: int) -> None:
    original = tmp_path / "original"
    (original / "data").mkdir(parents=True)
    (original / "data" / "a.txt").write_text("small\n")
    home.create(original / "ana", home.personal("ana", "members", int(time.time())), {})
    with Home(original / "ana") as ana:
        peer = ana.keys.identity.peer
    text = f'name = "Small"\n[colleges]\nworkers = ["me", "{peer}"]\n'
    home.create(original / "coop", founding(text, int(time.time())), {})
    entered = []
    for step in count(1, every):
        folder = tmp_path / str(step)
        shutil.copytree(original, folder)

        def work(folder: Path = folder, step: int = step) -> None:
            die_at(step)
            (folder / "told").write_text(member_publishes(folder))

        code = in_child(work)
        with Home(folder / "coop") as coop:
            entered.append(len(coop.first.log.state.datasets))
            assert all(coop.shelf.manifest(cid) is not None for cid in coop.first.log.state.datasets)
        named = member_publishes(folder)
        assert (folder / "told").read_text() in ("", named) if (folder / "told").exists() else True
        with Home(folder / "coop") as coop, Home(folder / "ana") as ana:
            assert list(coop.first.log.state.datasets) == [named]
            assert coop.shelf.manifest(named) == ana.shelf.manifest(named, served=True) is not None
        shutil.rmtree(folder)
        if code == 0:
            break
        assert code == -signal.SIGKILL
    assert entered == sorted(entered)
    assert entered.count(1) * every > 2  # kills between the registrar's commit and the member's last step
    assert entered.count(0) * every > 8
