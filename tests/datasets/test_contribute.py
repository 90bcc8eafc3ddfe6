"""Publishing in the log of a community, without nodes: what its registrar takes, and what a member believes of it."""

from __future__ import annotations

import asyncio
import shutil
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from commons.access import listing
from commons.access.listing import Offer
from commons.access.registrar import Registrar
from commons.community.charter import founding
from commons.community.voting import Seat
from commons.core.crypto import codec, envelope, ids
from commons.core.crypto.envelope import Opened
from commons.core.crypto.keys import Signer
from commons.core.dataset import manifest
from commons.core.dataset.manifest import Manifest
from commons.core.dataset.rule import Rule
from commons.core.state import entries
from commons.core.state.fold import Published
from commons.core.tlog import checkpoint
from commons.core.tlog.checkpoint import Checkpoint
from commons.datasets import contribute, prepare
from commons.datasets import publish as publishing
from commons.disk import home
from commons.disk.home import Home
from commons.errors import (
    CommonsError,
    Conflict,
    Malformed,
    NotFound,
    Refused,
    SplitView,
    TimedOut,
    Unreachable,
    Untrue,
)
from commons.log.answer import Answer
from tests.conftest import MakeHome
from tests.keeper import EVE, Keeper, custodians

CHARTER = 'name = "Rivers"\n[colleges]\nworkers = ["me", "{ana}"]\n'


class Two:
    """Coop's home keeps the log of a community; Ana's is that of a member. `answer` makes what coop says a lie."""

    def __init__(self, coop: Home, ana: Home, folder: Path) -> None:
        self.coop, self.ana, self.folder, self.sent = coop, ana, folder, 0
        self.registrar = Registrar(coop.first)
        self.seat = Seat(commons=coop.first.commons, key=coop.first.log.key, sources=("coop",))
        self.place = contribute.Abroad(ana, self, self.seat, coop.first.log.state)

    async def get(self, source: str, path: str, *, limit: int, span: tuple[int, int] | None = None) -> bytes:
        raise NotFound(path)

    async def post(self, source: str, path: str, body: bytes, *, limit: int) -> bytes:
        self.sent += 1
        return await self.answer(body)

    async def answer(self, body: bytes) -> bytes:
        return await contribute.receive(self.registrar, body)

    def said(self, **words: Any) -> prepare.Publication:
        words = {"title": "Rivers", "licence": "CC0-1.0", "creators": ["Ana"], "access": "public", **words}
        return prepare.from_words(path=str(self.folder), **words)

    async def publish(self, **words: Any) -> dict[str, Any]:
        return await publishing.publish(self.ana, self.said(**words), lambda done, whole: None, self.place)

    def begun(self, **words: Any) -> Opened[Manifest] | None:
        return self.place.begun(prepare.prepare(self.said(**words)))


@pytest.fixture
def two(make_home: MakeHome, tmp_path: Path, folder: Path) -> Iterator[Two]:
    with Home(make_home("ana")) as ana:
        charter = CHARTER.format(ana=ana.keys.identity.peer)
        home.create(tmp_path / "coop", founding(charter, int(time.time())), {})
        with Home(tmp_path / "coop") as coop:
            yield Two(coop, ana, folder)


# -- what is refused before anything is sealed ------------------------------------------------------------------------


async def test_who_is_no_member_or_offers_what_nobody_could_give_a_key_for_seals_nothing(two: Two) -> None:
    with pytest.raises(Conflict, match="has chosen no custodians"):
        await two.publish(access="acknowledge")
    hers = Seat(commons=two.ana.first.commons, key=two.ana.first.log.key, sources=("ana",))
    abroad = contribute.Abroad(two.coop, two, hers, two.ana.first.log.state)
    with pytest.raises(Refused, match="no member of this commons and cannot publish"):
        abroad.begun(prepare.prepare(two.said()))
    heads = [checkpoint.sign(Checkpoint(origin=two.seat.key.name, size=1, root=bytes([n] * 32)), two.coop.keys.log(0))
             for n in (1, 2)]  # fmt: skip
    two.ana.shelf.put_fork(two.seat.key.vkey, (heads[0].decode(), heads[1].decode()))
    with pytest.raises(SplitView):
        await two.publish()
    assert (two.sent, list((two.ana.path / "packs").iterdir()), two.ana.shelf.manifests()) == (0, [], [])
    two.ana.shelf.drop_fork(two.seat.key.vkey)
    assert (await two.publish())["entry"] == 1


def test_a_key_is_given_by_custodians_or_is_public() -> None:
    state, _ = Keeper().fold()
    with pytest.raises(Conflict, match="has chosen no custodians"):
        contribute.check_kept(state, Rule(kind="acknowledge"))
    contribute.check_kept(state, Rule(kind="public"))
    state, _ = Keeper(custodians=str(custodians(3, 2))).fold()
    contribute.check_kept(state, Rule(kind="acknowledge"))


# -- what goes on, and what begins anew -------------------------------------------------------------------------------


async def test_the_same_words_about_the_same_files_go_on_where_they_were(two: Two) -> None:
    """Sealed and not in the log: as it is, if the log would still take it. In it: as it is, if its packs are here."""
    assert two.begun() is None

    async def away(body: bytes) -> bytes:
        raise Unreachable("coop is away")

    honest, two.answer = two.answer, away  # type: ignore[method-assign]
    with pytest.raises(Unreachable, match="sealed and signed, and not known to be in the log: coop is away"):
        await two.publish()
    waiting = two.begun()
    assert waiting is not None
    two.place.registrar, kept = EVE.identity.peer, two.place.registrar
    assert two.begun() is None  # who keeps it by now is another, whom its manifest does not name
    two.place.registrar = kept
    two.answer = honest  # type: ignore[method-assign]
    told = await two.publish()
    assert (told["cid"], told["again"], told["entry"]) == (ids.cid(waiting.data), True, 1)
    sent = two.sent
    assert (await two.publish())["entry"] == 1
    assert two.sent == sent  # nothing is sent of what the log has
    assert two.begun(title="Seas") is None
    with two.ana.shelf._db as db:
        db.execute("UPDATE manifests SET cid = cid || 'x'")
        assert two.begun() is None  # its manifest is lost, and it is sealed anew
        db.execute("UPDATE manifests SET cid = rtrim(cid, 'x')")
    packs = two.ana.path / "packs"
    shutil.move(packs, two.ana.path / "elsewhere")
    packs.mkdir()
    with pytest.raises(Conflict, match="their packs were dropped here"):
        two.begun()
    state = two.coop.first.log.state
    assert state.community is not None
    state.community.withdrawn[told["cid"]] = 1
    assert two.begun() is None  # what the members withdrew is published as another


# -- what a member believes -------------------------------------------------------------------------------------------


async def test_only_an_answer_that_shows_exactly_what_was_signed_is_believed(two: Two) -> None:
    honest = two.answer

    async def shows_it_twice(body: bytes) -> bytes:
        told = codec.decode(Answer, await honest(body))
        return codec.encode(replace(told, shown=told.shown * 2))

    async def shows_nothing(body: bytes) -> bytes:
        return codec.encode(replace(codec.decode(Answer, await honest(body)), shown=()))

    def shows_another(signer: Signer, **lie: Any) -> Any:
        async def answer(body: bytes) -> bytes:
            told = codec.decode(Answer, await honest(body))
            said = envelope.open(entries.PUBLISH, entries.Publish, told.shown[0].entry).value
            other = envelope.sign(entries.PUBLISH, replace(said, **lie), signer)
            return codec.encode(replace(told, shown=(replace(told.shown[0], entry=other),)))

        return answer

    ana = two.ana.keys.identity
    for n, (lie, why) in enumerate((
        (shows_it_twice, "does not show what was sent"),
        (shows_nothing, "does not show what was sent"),
        (shows_another(ana, title="Seas"), "another entry of this dataset"),
        (shows_another(EVE.identity), "another entry of this dataset"),
        (shows_another(ana, time=1), ""),  # dated otherwise, and not in the log
    )):  # fmt: skip
        two.answer = lie  # type: ignore[method-assign]
        with pytest.raises(Untrue, match=why or None):
            await two.publish(title=f"Rivers {n}")


@pytest.mark.parametrize("kind", [Unreachable, TimedOut])
async def test_an_answer_that_is_lost_says_that_the_same_command_goes_on(two: Two, kind: type[CommonsError]) -> None:
    honest = two.answer

    async def lost(body: bytes) -> bytes:
        await honest(body)
        raise kind("the line broke")

    two.answer = lost  # type: ignore[method-assign]
    with pytest.raises(kind, match="not known to be in the log: the line broke") as told:
        await two.publish()
    assert "repeat the same command" in told.value.hint
    two.answer = honest  # type: ignore[method-assign]
    assert (await two.publish())["entry"] == 1
    assert two.coop.first.log.size == 2


# -- what a registrar takes -------------------------------------------------------------------------------------------


async def test_an_offer_is_of_this_commons_now_and_about_a_manifest_that_names_its_log(two: Two) -> None:
    value, ana, now = await offered(two), two.ana.keys.identity, int(time.time())

    def given(lie: dict[str, Any], **words: Any) -> Offer:
        data = manifest.sign(replace(value, **lie), ana)
        said = replace(listing.entry(replace(value, **lie), ids.cid(data), now), **words)
        return Offer(statement=envelope.sign(entries.PUBLISH, said, ana), manifest=data, head=b"")

    size = two.coop.first.log.size
    for wrong, kind, why in (
        (given({}, commons=two.ana.first.commons), NotFound, "keeps the log of"),
        (given({}, time=now + 60), Malformed, "it is dated"),
        (given({}, manifest=ids.cid(b"another")), Untrue, "are not the manifest"),
        (given({}, title="Seas"), Untrue, "do not agree"),
        (given({"registrar": ana.peer}), Untrue, "names another log"),
        (given({"log_key": bytes(32)}), Untrue, "names another log"),
        (given({"rule": Rule(kind="acknowledge"), "key": None}), Conflict, "has chosen no custodians"),
    ):
        with pytest.raises(kind, match=why):
            contribute.taken(two.coop.first, wrong, now)
    good = given({})
    for _ in range(2):  # a manifest makes one entry
        _, draft = contribute.taken(two.coop.first, good, now)
        await asyncio.wrap_future(two.coop.first.log.append(draft))
        assert two.coop.first.log.size == size + 1
    (listed,) = two.coop.first.log.state.datasets
    assert two.coop.shelf.manifest(listed) == good.manifest
    there = two.coop.first.log.state.datasets[listed]
    assert isinstance(there, Published)
    two.coop.first.log.state.datasets[listed] = replace(there, publisher=EVE.identity.peer)
    with pytest.raises(Conflict):  # somebody else's entry is not hers
        await asyncio.wrap_future(two.coop.first.log.append(draft))


async def offered(two: Two) -> Manifest:
    """A manifest that no log has."""

    async def away(body: bytes) -> bytes:
        raise Unreachable("away")

    honest, two.answer = two.answer, away  # type: ignore[method-assign]
    with pytest.raises(Unreachable):
        await two.publish()
    two.answer = honest  # type: ignore[method-assign]
    ((_, opened, _, _),) = two.ana.shelf.manifests()
    return opened.value
