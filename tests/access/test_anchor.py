"""A manifest names a commons, and whoever fetches sees that this commons knows of it before they sign anything."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from commons.access import request
from commons.core.crypto import envelope, ids
from commons.core.dataset.reference import parse
from commons.core.state import entries
from commons.core.state.entries import Publish
from commons.core.state.transfer import SUCCESSION, Succession
from commons.core.tlog.proof import parse as parse_proof
from commons.errors import Malformed, NotFound, Refused, Unacknowledged, Unreachable, Untrue
from commons.log.answer import Checked
from tests.conftest import Found, MakeHome, Party, Start, Village, chosen
from tests.dishonest import Liar, NamesAnothersCommons
from tests.forked import program


def own_key(eve: Party, ana: Party) -> tuple[bytes, dict[str, Any]]:
    """Ana's charter, and behind it a log under Eve's key."""
    return ana.home.first.log.entry(0), {}


def own_charter(eve: Party, ana: Party) -> tuple[bytes, dict[str, Any]]:
    return eve.home.first.log.entry(0), {}


def own_registrar(eve: Party, ana: Party) -> tuple[bytes, dict[str, Any]]:
    """Ana's charter and key, but it is Eve who would answer."""
    return ana.home.first.log.entry(0), {"log_key": ana.home.first.log.key.public}


WAYS: dict[str, tuple[Callable[[Party, Party], tuple[bytes, dict[str, Any]]], str]] = {
    "own-key": (own_key, "names commons .* beside a log key or a registrar that are not that commons'"),
    "own-charter": (own_charter, "the charter shown is not that of this dataset's commons"),
    "own-registrar": (own_registrar, "names commons .* beside a log key or a registrar that are not that commons'"),
}


@pytest.mark.parametrize("way", WAYS)
async def test_who_names_anothers_commons_gets_no_request(start: Start, folder: Path, tmp_path: Path, way: str) -> None:
    eve, ana, bob = await start("eve", lie=NamesAnothersCommons), await start("ana"), await start("bob")
    charter, lies = WAYS[way][0](eve, ana)
    reference = eve.node.site.publish(charter, await eve.publish(folder), commons=ana.home.first.commons, **lies)
    with pytest.raises(Untrue, match=WAYS[way][1]) as caught:
        await bob.fetch(reference, tmp_path / "copy", eve.address)
    assert "nothing was signed" in caught.value.hint or way == "own-charter"
    assert (eve.node.site.got, bob.home.shelf.asks(), [*(bob.home.path / "proofs").iterdir()]) == ([], [], [])
    assert not (tmp_path / "copy").exists()
    shown = await bob.desk.show(dataset=reference, sources=[eve.address])
    assert (shown["listed"], shown["unlisted"]) == (None, caught.value.message)
    assert ana.home.first.log.size == 1


async def test_who_claims_to_have_taken_a_log_over_is_judged_by_all_of_it(
    start: Start, folder: Path, tmp_path: Path
) -> None:
    eve, ana, bob = await start("eve", lie=NamesAnothersCommons), await start("ana"), await start("bob")
    site, commons = eve.node.site, ana.home.first.commons
    reference = site.publish(ana.home.first.log.entry(0), await eve.publish(folder), commons=commons)
    said = Succession(commons=commons, head=ana.home.first.log.head.note, time=ana.home.first.log.state.time)
    site.data.insert(1, envelope.sign(SUCCESSION, said, eve.home.keys.identity))
    with pytest.raises(Untrue, match="names commons"):
        await bob.fetch(reference, tmp_path / "copy", eve.address)
    assert (site.got, bob.home.shelf.asks()) == ([], [])


class ShowsAnotherEntry(Liar):
    """The entry of another dataset of the same log."""

    def listed(self, commons: str, dataset: str, head: bytes) -> bytes:
        other = next(cid for cid in self.honest.home.first.log.state.datasets if cid != dataset)
        return bytes(self.honest.listed(commons, other, head))


class ShowsTheCharter(Liar):
    def listed(self, commons: str, dataset: str, head: bytes) -> bytes:
        return bytes(self.honest._at(commons).registrar._one(0, 0))


class ListsNothing(Liar):
    """As a node does that is older than this."""

    def listed(self, commons: str, dataset: str, head: bytes) -> bytes:
        raise NotFound("Not Found")


@pytest.mark.parametrize(
    ("lie", "kind", "what"),
    [
        (ShowsAnotherEntry, Untrue, "the entry and the manifest do not agree: manifest, series, title"),
        (ShowsTheCharter, Untrue, "does not list a dataset"),
        (ListsNothing, NotFound, "it is not shown that commons .* lists this dataset"),
    ],
)
async def test_a_log_that_does_not_show_the_dataset_gets_no_request(
    start: Start, folder: Path, tmp_path: Path, lie: Callable[[Any], Any], kind: type[Exception], what: str
) -> None:
    alice, bob = await start("alice", lie=lie), await start("bob")
    await alice.publish(folder, title="Lakes")
    (folder / "more").write_text("more")
    reference = await alice.publish(folder)
    with pytest.raises(kind, match=what):
        await bob.fetch(reference, tmp_path / "copy", alice.address)
    assert (alice.home.first.log.size, bob.home.shelf.asks()) == (3, [])


class Declines(Liar):
    def listed(self, commons: str, dataset: str, head: bytes) -> bytes:
        raise Refused("not to you")


async def test_where_the_registrar_does_not_say_nothing_is_signed_but_on_its_owners_command(
    start: Start, folder: Path, tmp_path: Path
) -> None:
    alice, bob, wim = await start("alice", lie=Declines), await start("bob"), await start("wim")
    reference = await alice.publish(folder)
    wim.node.site.witness.add(alice.home.first.log.key.vkey)
    with pytest.raises(Refused, match="not to you") as caught:
        await bob.fetch(reference, tmp_path / "copy", alice.address)
    assert "nothing was signed" in caught.value.hint
    assert "commons witness submit" in caught.value.hint
    assert (bob.home.shelf.asks(), [*(bob.home.path / "proofs").iterdir()]) == ([], [])
    words = {"dataset": reference, "witness": wim.address, "sources": [alice.address]}
    with pytest.raises(Unacknowledged, match=r"nobody has shown that .* lists it: .*not to you"):
        await bob.desk.hand_in(**words)
    with pytest.raises(Malformed, match="not a purpose code"):
        await bob.desk.hand_in(**words, acknowledge="CC-BY-4.0", purpose="whatever")
    assert (bob.home.shelf.asks(), wim.home.pleas.waiting()) == ([], [])
    told = await bob.desk.hand_in(**words, acknowledge="CC-BY-4.0", purpose="research", details="lakes")
    assert (told["listed"], told["entry"], "not to you" in told["unlisted"]) == (None, None, True)
    (ask,) = bob.home.shelf.asks()
    assert request.words(ask) == ("research", "lakes")
    assert len(wim.home.pleas.waiting()) == 1
    again = await bob.desk.hand_in(**words, purpose="teaching")
    assert again["statement"] == told["statement"]
    assert "words given now were not sent" in again["unsent"]


@pytest.mark.parametrize("lie", [ShowsAnotherEntry, ListsNothing])
async def test_what_is_shown_not_to_be_listed_is_signed_on_no_command(
    start: Start, folder: Path, lie: Callable[[Any], Any]
) -> None:
    alice, bob, wim = await start("alice", lie=lie), await start("bob"), await start("wim")
    await alice.publish(folder, title="Lakes")
    (folder / "more").write_text("more")
    reference = await alice.publish(folder)
    wim.node.site.witness.add(alice.home.first.log.key.vkey)
    with pytest.raises((Untrue, NotFound)):
        await bob.desk.hand_in(
            dataset=reference, witness=wim.address, sources=[alice.address], acknowledge="CC-BY-4.0"
        )  # fmt: skip
    assert (bob.home.shelf.asks(), wim.home.pleas.waiting()) == ([], [])


async def test_the_command_says_what_is_wrong_and_ends_as_untrue(
    start: Start, make_home: MakeHome, folder: Path, tmp_path: Path
) -> None:
    eve, ana, home = await start("eve", lie=NamesAnothersCommons), await start("ana"), make_home("bob")
    reference = eve.node.site.publish(
        ana.home.first.log.entry(0), await eve.publish(folder), commons=ana.home.first.commons
    )

    async def run(*words: str) -> tuple[int | None, str]:
        command = (program(), "--home", str(home), *words, "--from", eve.address)
        process = await asyncio.create_subprocess_exec(
            *command, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT
        )  # fmt: skip
        said, _ = await process.communicate()
        return process.returncode, said.decode()

    code, said = await run("show", reference)
    assert code == 0
    assert f"it names {ana.home.first.commons}, and nobody has shown that this commons lists it" in said
    code, said = await run("fetch", reference, str(tmp_path / "copy"), "--acknowledge", "CC-BY-4.0")
    assert code == Untrue.number
    assert f"the manifest names commons {ana.home.first.commons} beside a log key" in said
    assert "Traceback" not in said
    assert not eve.node.site.got


async def test_public_data_that_names_anothers_commons_is_told_as_such(
    start: Start, folder: Path, tmp_path: Path
) -> None:
    eve, ana, bob = await start("eve", lie=NamesAnothersCommons), await start("ana"), await start("bob")
    public = await eve.publish(folder, access="public")
    reference = eve.node.site.publish(ana.home.first.log.entry(0), public, commons=ana.home.first.commons)
    told = await bob.fetch(reference, tmp_path / "copy", eve.address)
    assert (told["commons"], told["listed"]) == (ana.home.first.commons, None)
    assert "are not that commons'" in told["unlisted"]
    true = await bob.fetch(public, tmp_path / "true", eve.address)
    assert true["listed"] is None  # her own log she shows to nobody any more
    honest = await ana.publish(folder, access="public")
    assert (await bob.fetch(honest, tmp_path / "anas", ana.address))["listed"] == 1


# -- honest ------------------------------------------------------------------------------------------------------------


async def test_what_is_fetched_is_listed_and_its_proof_is_of_a_log_that_knows_it(
    start: Start, folder: Path, tmp_path: Path
) -> None:
    alice, bob, mia = await start("alice"), await start("bob"), await start("mia")
    reference = await alice.publish(folder)
    await mia.desk.mirror(dataset=reference, sources=[alice.address])
    referred = (await mia.desk.refer(dataset=reference))["reference"]
    assert (await alice.desk.show(dataset=reference))["listed"] == 1
    assert (await bob.desk.show(dataset=referred, sources=[alice.address]))["listed"] == 1
    await bob.fetch(referred, tmp_path / "copy", mia.address, alice.address)
    kept = parse_proof(next((bob.home.path / "proofs").glob("*.tlog-proof")).read_bytes())
    listed = entries.decode(alice.home.first.log.entry(1))
    assert isinstance(listed, envelope.Opened)
    assert isinstance(listed.value, Publish)
    assert listed.value.manifest == parse(reference).cid
    assert kept.note.decode().startswith(f"commons/{listed.value.commons}\n")


async def test_where_the_registrar_is_away_a_mirrors_reference_says_that_nothing_is_shown(
    start: Start, village: Village, folder: Path, tmp_path: Path
) -> None:
    alice, bob, mia = await village.start("alice"), await start("bob"), await start("mia")
    reference = await alice.publish(folder)
    await mia.desk.mirror(dataset=reference, sources=[alice.address])
    referred = (await mia.desk.refer(dataset=reference))["reference"]
    await village.stop("alice")
    shown = await bob.desk.show(dataset=referred, sources=[mia.address])
    assert shown["listed"] is None
    assert alice.peer in shown["unlisted"]
    with pytest.raises(Unreachable):
        await bob.fetch(referred, tmp_path / "copy", mia.address)
    assert bob.home.shelf.asks() == []


@pytest.mark.usefixtures("impatient")
async def test_after_a_log_changed_hands_its_old_and_its_new_datasets_are_listed(
    village: Village, found: Found, folder: Path, tmp_path: Path
) -> None:
    seats = await found("ben", "cleo")
    coop, ben = seats["coop"], seats["ben"]
    old = await coop.publish(folder, access="public")
    await chosen(seats, "ben", "cleo")
    await ben.desk.take_over()
    ben = await village.restart("ben")
    stranger, other = await village.start("stranger"), await village.start("other")
    new = await ben.publish(folder, title="Lakes")
    assert (await stranger.fetch(new, tmp_path / "new", ben.address))["request"]
    assert stranger.home.shelf.keeper(ben.home.first.commons)[:2] == (ben.home.first.log.key.public, ben.peer)
    await village.stop("coop")
    await other.desk.mirror(dataset=old, sources=[(await village.start("coop")).address])
    assert (await other.desk.show(dataset=old, sources=[ben.address]))["listed"] == ben.home.first.log.state.published(
        parse(old).cid
    ).index


@pytest.mark.usefixtures("impatient")
async def test_after_its_registrar_changed_the_key_old_references_hold(
    village: Village, found: Found, folder: Path, tmp_path: Path
) -> None:
    seats = await found("ben")
    coop = seats["coop"]
    old = await coop.publish(folder)
    await chosen(seats, "coop", "ben")
    await coop.desk.take_over()
    coop = await village.restart("coop")
    new = await coop.publish(folder, title="Lakes")
    for n, reference in enumerate((old, new)):
        stranger = await village.start(f"stranger{n}")
        assert (await stranger.fetch(reference, tmp_path / f"copy{n}", coop.address))["request"]


async def test_a_dataset_whose_id_begins_like_anothers_does_not_take_the_place_of_its_proof(
    start: Start, folder: Path, tmp_path: Path
) -> None:
    """Sixteen characters of an id are few enough to be sought for."""
    alice, bob = await start("alice"), await start("bob")
    reference = await alice.publish(folder)
    await bob.fetch(reference, tmp_path / "copy", alice.address)
    cid, kept = parse(reference).cid, bob.home.path / "proofs"
    before = {path: path.read_bytes() for path in kept.iterdir()}
    decision = (bob.home.shelf.asks()[0].request or 0) + 1
    other = Checked(
        request=decision, decision=None, outcome="pending", reason="", words="", expires=None,
        head=alice.home.first.log.head, proof=b"of another log", entry=b"",
    )  # fmt: skip
    request.keep_proof(bob.home, cid[:16] + ids.cid(b"sought")[16:], other)
    assert {path: path.read_bytes() for path in before} == before
    assert len([*kept.iterdir()]) == len(before) + 2
