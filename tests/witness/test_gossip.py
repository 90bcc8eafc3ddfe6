"""Members compare heads when they talk: a keeper that shows two histories is found out by those it showed them to."""

from __future__ import annotations

import asyncio
import os
import shutil
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from commons.core.crypto.ids import cid
from commons.core.crypto.keys import Signer
from commons.core.dataset.reference import parse
from commons.core.tlog import checkpoint, note
from commons.core.tlog.checkpoint import Checkpoint
from commons.core.tlog.note import Verifier
from commons.disk.home import Home
from commons.errors import CommonsError, NotFound, SplitView, StorageFailed, TooLarge, TooMany, Unreachable, Untrue
from commons.node.node import Node
from commons.witness import gossip
from commons.witness.gossip import Gossip
from tests.conftest import ANY, LIMIT, MakeHome, Party, Start, until
from tests.custody import test_keepers as keepers
from tests.rows import few


def signed(alice: Party, size: int, root: bytes = b"\7" * 32) -> bytes:
    """A head of alice's log that her own copy of it does not lead to."""
    lie = Checkpoint(origin=alice.home.first.log.origin, size=size, root=root)
    return checkpoint.sign(lie, alice.home.keys.log(0))


class Faces:
    """One keeper with two histories: the same home twice, each face shown to somebody else."""

    def __init__(self, one: Party, other: Party, common: str) -> None:
        self.one, self.other, self.common = one, other, common
        self.vkey = one.home.first.log.key.vkey


@pytest.fixture
async def faces(make_home: MakeHome, folder: Path, tmp_path: Path) -> AsyncIterator[Faces]:
    """Both have published one dataset in common, and each another one of its own: three entries."""
    path = make_home("alice")
    async with AsyncExitStack() as stack:
        with Home(path) as opened:
            async with Node(opened) as node:
                common = await Party(node).publish(folder, title="In common")
        shutil.copytree(path, tmp_path / "fork")
        both = []
        for place, title in ((path, "For bob"), (tmp_path / "fork", "For carol")):
            home = stack.enter_context(Home(place))
            both.append(Party(await stack.enter_async_context(Node(home, (ANY,)))))
            await both[-1].publish(folder, title=title)
        yield Faces(*both, parse(common).cid)


async def read(reader: Party, face: Party) -> None:
    """The whole log, verified and found right; and where it is kept is remembered."""
    assert (await reader.desk.audit(source=face.address))["faults"] == []
    await reader.desk.peers(add=face.address)


def forked(party: Party, vkey: str) -> tuple[str, ...]:
    return party.home.shelf.forks().get(vkey, ())


# -- two histories ---------------------------------------------------------------------------------------------------


async def test_two_who_were_shown_two_histories_find_out_when_one_carries_data_of_the_other(
    faces: Faces, start: Start, tmp_path: Path
) -> None:
    bob, carol = await start("bob"), await start("carol")
    await read(bob, faces.one)
    await read(carol, faces.other)
    await carol.desk.mirror(dataset=faces.common, sources=[faces.other.address])
    assert (forked(bob, faces.vkey), forked(carol, faces.vkey)) == ((), ())  # neither sees it alone
    told = await bob.desk.mirror(dataset=faces.common, sources=[carol.address])
    assert told["cid"] == faces.common
    await until(lambda: forked(bob, faces.vkey) and forked(carol, faces.vkey))
    for party in (bob, carol):
        one, other = (
            checkpoint.open(each.encode(), faces.one.home.first.log.key) for each in forked(party, faces.vkey)
        )
        assert one.checkpoint.size == other.checkpoint.size == 3
        assert one.checkpoint.root != other.checkpoint.root
        assert list((await party.desk.status())["forks"]) == [faces.vkey]
        with pytest.raises(SplitView, match="two histories"):
            await party.fetch(faces.common, tmp_path / "copy", faces.one.address)
    told = await bob.desk.audit(source=faces.one.address)
    assert told["fork"] == [*forked(bob, faces.vkey)]
    await bob.desk.forget_fork(log=faces.vkey)
    await bob.fetch(faces.common, tmp_path / "copy", faces.one.address)


@pytest.mark.parametrize("asks", ["the one with less", "the one with more"])
@pytest.mark.parametrize("less", [3, 4])  # a proof from a power of two does not hold the old root
async def test_histories_of_different_lengths_are_told_apart_by_what_their_keeper_proves(
    faces: Faces, start: Start, folder: Path, asks: str, less: int
) -> None:
    bob, carol = await start("bob"), await start("carol")
    if less == 4:
        await faces.one.publish(folder, title="One more for bob")
        await faces.other.publish(folder, title="One more for carol, too")
    await faces.other.publish(folder, title="One more for carol")
    await read(bob, faces.one)
    await read(carol, faces.other)
    await bob.desk.mirror(dataset=faces.common, sources=[faces.one.address])  # who answers for this log is known now
    await carol.desk.mirror(dataset=faces.common, sources=[faces.other.address])
    one, other = (bob, carol) if asks == "the one with less" else (carol, bob)
    await one.node.gossip.talk(other.address)
    if asks == "the one with more":  # bob's keeper proves nothing to him: he learns of it when he talks next
        assert (forked(bob, faces.vkey), bool(forked(carol, faces.vkey))) == ((), True)
        await bob.node.gossip.talk(carol.address)
    sizes = []
    for party in (bob, carol):
        heads = [checkpoint.open(each.encode(), faces.one.home.first.log.key) for each in forked(party, faces.vkey)]
        sizes.append([head.checkpoint.size for head in heads])
        assert party.home.shelf.lead(faces.vkey)
    assert sizes == [[less, less + 1]] * 2


async def test_a_keeper_that_cannot_be_asked_leaves_it_open(faces: Faces, start: Start, folder: Path) -> None:
    bob, carol = await start("bob"), await start("carol")
    await faces.other.publish(folder, title="One more for carol")
    for party, face in ((bob, faces.one), (carol, faces.other)):
        assert (await party.desk.audit(source=face.address))["faults"] == []  # and its address is forgotten
    await bob.node.gossip.talk(carol.address)
    await carol.node.gossip.talk(bob.address)
    assert (forked(bob, faces.vkey), forked(carol, faces.vkey)) == ((), ())
    before = [party.home.shelf.head(faces.vkey) for party in (bob, carol)]
    assert before[0] != before[1]  # what was heard took no place


async def test_who_saw_more_of_one_history_is_no_fork_and_changes_no_trust(start: Start, folder: Path) -> None:
    alice, bob, carol = await start("alice"), await start("bob"), await start("carol")
    await alice.publish(folder, title="One")
    await read(bob, alice)
    await alice.publish(folder, title="Two")
    await read(carol, alice)
    vkey, head = alice.home.first.log.key.vkey, bob.home.shelf.head(alice.home.first.log.key.vkey)
    await bob.node.gossip.talk(carol.address)
    await carol.node.gossip.talk(bob.address)
    assert (forked(bob, vkey), forked(carol, vkey), bob.home.shelf.head(vkey)) == ((), (), head)


# -- releases stop -----------------------------------------------------------------------------------------------------


async def test_a_custodian_that_learned_of_two_histories_gives_no_share(
    start: Start, folder: Path, tmp_path: Path
) -> None:
    seats = await keepers.found(start)
    coop, asker, dave = seats["coop"], await start("asker"), await start("dave")
    reference = await keepers.publish(coop, folder)
    await asker.fetch(reference, tmp_path / "before")
    vkey = coop.home.first.log.key.vkey
    for name in ("ana", "ben"):
        seen = checkpoint.open(seats[name].home.shelf.head(vkey) or b"", coop.home.first.log.key)
        dave.home.shelf.drop_fork(vkey)
        assert dave.home.shelf.advance(vkey, None, signed(coop, seen.checkpoint.size))
        dave.node.gossip._due.clear()
        await dave.node.gossip.talk(seats[name].address)
        assert len(forked(seats[name], vkey)) == 2
    late = await start("late")
    with pytest.raises(CommonsError, match="two histories"):
        await late.fetch(reference, tmp_path / "after")
    assert not (tmp_path / "after").exists()
    given = [each for name in ("ana", "ben") for each in seats[name].home.deposits.releases()]
    assert {each.requester for each in given} == {asker.peer}


@pytest.mark.parametrize("size", [2, 3, 5])
async def test_a_registrar_that_is_shown_its_own_other_history_shuts_its_log_and_releases_nothing(
    start: Start, folder: Path, tmp_path: Path, size: int
) -> None:
    alice, bob, eve = await start("alice"), await start("bob"), await start("eve")
    reference = await alice.publish(folder)
    await bob.fetch(reference, tmp_path / "bob", alice.address)
    lie = signed(alice, size)
    with pytest.raises(Unreachable, match="rolled back or forked") as told:
        await eve.node.net.post(alice.address, f"/{alice.home.first.commons}/heads", lie, limit=9999)
    assert lie.decode() in told.value.evidence
    assert alice.home.first.log.broken is not None
    assert forked(alice, alice.home.first.log.key.vkey)[0] == lie.decode()
    assert len((await alice.desk.audit())["fork"]) == 2
    with pytest.raises(CommonsError, match="rolled back or forked"):
        await eve.fetch(reference, tmp_path / "eve", alice.address)
    if size == 5:  # of one size the two heads alone prove it, and whoever is told keeps them
        assert len(forked(eve, alice.home.first.log.key.vkey)) == 2
    with pytest.raises(StorageFailed):
        await alice.publish(folder, title="another")


async def test_a_head_from_its_own_future_shuts_a_log_and_is_not_called_a_fork(start: Start) -> None:
    alice, eve = await start("alice"), await start("eve")
    eve.home.shelf.advance(alice.home.first.log.key.vkey, None, signed(alice, 9))
    await eve.node.gossip.talk(alice.address)
    assert alice.home.first.log.broken is not None
    assert forked(alice, alice.home.first.log.key.vkey) == ()


async def test_a_witness_that_learned_of_two_histories_signs_for_neither(start: Start) -> None:
    alice, wim, eve = await start("alice"), await start("wim"), await start("eve")
    wim.node.site.witness.add(alice.home.first.log.key.vkey)
    body = b"old 0\n\n" + alice.home.first.log.head.note
    await alice.node.net.post(wim.address, "/add-checkpoint", body, limit=9999)
    with pytest.raises(Unreachable, match="two histories"):
        await eve.node.net.post(wim.address, f"/{alice.home.first.commons}/heads", signed(alice, 1), limit=9999)
    with pytest.raises(CommonsError, match="two histories"):
        await alice.node.net.post(wim.address, "/add-checkpoint", body.replace(b"old 0", b"old 1"), limit=9999)


# -- those who lie -----------------------------------------------------------------------------------------------------


def garbled(head: bytes) -> bytes:
    return head[:-8] + b"AAAAAA=\n"


async def test_nothing_that_a_liar_sends_is_stored(start: Start, folder: Path) -> None:
    alice, bob, eve = await start("alice"), await start("bob"), await start("eve")
    await alice.publish(folder)
    await read(bob, alice)
    origin, key, true = alice.home.first.log.origin, alice.home.first.log.key, alice.home.first.log.head.note
    other = Checkpoint(origin=origin, size=2, root=bytes(32))
    sent: list[tuple[bytes, type[CommonsError], str]] = [
        (b"", Untrue, alice.home.first.commons),
        (b"nonsense", Untrue, alice.home.first.commons),
        (os.urandom(2000), Untrue, alice.home.first.commons),
        (garbled(signed(alice, 2)), Untrue, alice.home.first.commons),
        (checkpoint.sign(other, Signer(b"e" * 32)), Untrue, alice.home.first.commons),  # by her own key
        (eve.home.first.log.head.note, Untrue, alice.home.first.commons),  # of her own log
        (
            note.sign("another\n2\n" + "A" * 43 + "=\n", origin, alice.home.keys.log(0)),
            Untrue,
            alice.home.first.commons,
        ),
        (signed(alice, 2) + b"x" * 5000, TooLarge, alice.home.first.commons),
        (bytes(200 << 10), TooLarge, alice.home.first.commons),
        (eve.home.first.log.head.note, NotFound, eve.home.first.commons),  # which bob never heard of
    ]
    before = (bob.home.shelf.logs(), bob.home.shelf.head(key.vkey))
    for body, kind, commons in sent:
        with pytest.raises(kind):
            await eve.node.net.post(bob.address, f"/{commons}/heads", body, limit=9999)
    assert (bob.home.shelf.logs(), bob.home.shelf.head(key.vkey)) == before
    assert bob.home.shelf.forks() == {}
    assert await eve.node.net.post(bob.address, f"/{alice.home.first.commons}/heads", true, limit=9999) == true


@pytest.mark.parametrize("over", [-1, 0, 1])
async def test_a_head_on_its_way_has_at_most_so_many_bytes_whoever_shows_it(
    start: Start, monkeypatch: pytest.MonkeyPatch, over: int
) -> None:
    """Lines of others take room in it; at the limit it is read, and a byte beyond it nothing is made of it: as what is
    sent, as what is answered, and as evidence."""
    alice, bob = await start("alice"), await start("bob")
    key = another(1)[0]
    shown = padded(head_of(1, 3, b"\7" * 32), gossip.HEAD + over)
    assert len(shown) == gossip.HEAD + over

    async def answers(*_: object, **__: object) -> bytes:
        return shown

    async def accuses(*_: object, **__: object) -> bytes:
        raise Unreachable("one log, two histories", evidence=(shown.decode(), head_of(1, 3).decode()))

    for post in (answers, accuses):
        bob.home.shelf.advance(key.vkey, None, head_of(1, 3))
        monkeypatch.setattr(bob.node.net, "post", post)
        bob.node.gossip._due.clear()
        await bob.node.gossip.talk(alice.address)
        assert bool(forked(bob, key.vkey)) == (over <= 0)
        bob.home.shelf.drop_fork(key.vkey)
    bob.home.shelf.advance(key.vkey, None, head_of(1, 3))
    with pytest.raises(TooLarge if over > 0 else SplitView):
        await bob.node.gossip.meet(key.name[8:], shown, alice.peer)


def padded(head: bytes, size: int) -> bytes:
    """The head, of so many bytes with a line of somebody unknown."""
    room = size - len(head) - len(b"\xe2\x80\x94  \n")
    name = "n" * (room % 4 or 4)
    return head + f"\N{EM DASH} {name} ".encode() + b"A" * (room - len(name)) + b"\n"


async def test_of_a_log_that_is_only_known_by_name_no_head_is_given_and_none_is_taken(start: Start) -> None:
    alice, bob = await start("alice"), await start("bob")
    key, signer = another(1)
    bob.home.shelf.put_seat(key.name.removeprefix("commons/"), signer.public, [])
    for root in (bytes(32), b"\7" * 32):
        assert await bob.node.gossip.meet(key.name[8:], head_of(1, 3, root), alice.peer) == b""
    assert (bob.node.gossip.head(key), forked(bob, key.vkey)) == (None, ())


async def test_an_accusation_counts_only_with_heads_that_the_log_signed(
    start: Start, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    alice, bob = await start("alice"), await start("bob")
    await alice.publish(folder)
    await read(bob, alice)
    true = alice.home.first.log.head.note.decode()
    for evidence in (("one", "other"), (true, garbled(signed(alice, 2)).decode()), (true, true), (true, true, "AAAA")):

        async def accuse(*_: object, evidence: tuple[str, ...] = evidence, **__: object) -> bytes:
            raise Unreachable("one log, two histories", evidence=evidence)

        monkeypatch.setattr(bob.node.net, "post", accuse)
        bob.node.gossip._due.clear()
        await bob.node.gossip.talk(alice.address)
        assert bob.home.shelf.forks() == {}
    await bob.node.gossip._judge(alice.home.first.log.key, (true, signed(alice, 2).decode()))
    assert len(bob.home.shelf.forks()) == 1


async def test_one_peer_cannot_make_a_node_compare_without_end(start: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    alice, bob = await start("alice"), await start("bob")
    alice.node.gossip._clock = lambda: 1000.0
    path, head = f"/{alice.home.first.commons}/heads", alice.home.first.log.head.note
    monkeypatch.setattr(bob.node.gossip, "met", lambda source: None)
    for _ in range(2 * gossip.LOGS):
        assert await bob.node.net.post(alice.address, path, head, limit=9999) == head
    with pytest.raises(TooMany):
        await bob.node.net.post(alice.address, path, head, limit=9999)


# -- when they talk ----------------------------------------------------------------------------------------------------


async def test_each_log_is_told_to_each_peer_once_in_a_while(
    start: Start, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    alice, bob = await start("alice"), await start("bob")
    now, told = [1000.0], list[str]()
    bob.node.gossip._clock = lambda: now[0]
    post = bob.node.net.post

    async def counted(source: str, path: str, body: bytes, *, limit: int) -> bytes:
        told.append(path)
        return await post(source, path, body, limit=limit)

    monkeypatch.setattr(bob.node.net, "post", counted)
    await alice.publish(folder)
    await read(bob, alice)
    for _ in range(3):
        await bob.node.gossip.talk(alice.address)
    await asyncio.gather(*bob.node.gossip._tasks)  # what reading her log began, whose answer may be on its way still
    own, hers = f"/{bob.home.first.commons}/heads", f"/{alice.home.first.commons}/heads"
    assert sorted(told) == sorted([own, hers])
    now[0] += gossip.AGAIN
    await bob.node.gossip.talk(alice.address)
    assert sorted(told) == sorted([own, hers, hers])  # she does not know his
    now[0] += gossip.SILENT
    await bob.node.gossip.talk(alice.address)
    assert told.count(own) == 2


def another(n: int) -> tuple[Verifier, Signer]:
    """The key of one of many logs that somebody keeps."""
    signer = Signer(n.to_bytes(32, "big"))
    return Verifier(name=f"commons/{cid(signer.public)}", public=signer.public), signer


def head_of(n: int, size: int, root: bytes = bytes(32)) -> bytes:
    key, signer = another(n)
    return checkpoint.sign(Checkpoint(origin=key.name, size=size, root=root), signer)


class Counted:
    """Two nodes, a clock for both, and which logs the first has told the second of, in order."""

    def __init__(self, bob: Party, alice: Party, monkeypatch: pytest.MonkeyPatch) -> None:
        self.bob, self.alice, self.told, self.now = bob, alice, list[str](), 1000.0
        for party in (bob, alice):
            party.node.gossip._clock = lambda: self.now
            monkeypatch.setattr(party.node.gossip, "met", lambda source: None)
        post = bob.node.net.post

        async def counted(source: str, path: str, body: bytes, *, limit: int) -> bytes:
            self.told.append(path.split("/")[1])
            return await post(source, path, body, limit=limit)

        monkeypatch.setattr(bob.node.net, "post", counted)

    async def talk(self) -> list[str]:
        """The logs told this time."""
        before = len(self.told)
        await self.bob.node.gossip.talk(self.alice.address)
        self.now += gossip.AGAIN
        return self.told[before:]


async def test_who_has_come_and_shown_the_very_head_that_is_here_is_not_told_it_again(
    start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    alice, bob = await start("alice"), await start("bob")
    counted = Counted(bob, alice, monkeypatch)
    for party in (alice, bob):
        assert party.home.shelf.advance(another(0)[0].vkey, None, head_of(0, 3))
    commons = another(0)[0].name.removeprefix("commons/")
    await alice.node.gossip.talk(bob.address)
    assert commons not in await counted.talk()
    assert commons in await counted.talk()  # once it is time again
    assert bob.home.shelf.advance(another(0)[0].vkey, head_of(0, 3), head_of(0, 4))
    await alice.node.gossip.talk(bob.address)
    assert commons in await counted.talk()  # hers is another, and perhaps he has what shows that they contradict


@pytest.mark.parametrize("logs", few([31, 32, 33, 100], 2))
async def test_all_logs_have_their_turn_whatever_their_number(
    start: Start, monkeypatch: pytest.MonkeyPatch, logs: int
) -> None:
    alice, bob = await start("alice"), await start("bob")
    counted = Counted(bob, alice, monkeypatch)
    for n in range(logs):
        assert bob.home.shelf.advance(another(n)[0].vkey, None, head_of(n, 3))
        assert alice.home.shelf.advance(another(n)[0].vkey, None, head_of(n, 3, b"\7" * 32))  # each has two histories
    rounds = -(-(logs + 1) // gossip.LOGS)  # and bob's own
    for _ in range(rounds):
        assert len(await counted.talk()) <= gossip.LOGS
    assert set(counted.told[: logs + 1]) == {bob.home.first.commons, *(another(n)[0].name[8:] for n in range(logs))}
    for party in (alice, bob):
        assert len(party.home.shelf.forks()) == logs


async def test_neither_a_busy_log_nor_one_without_a_head_takes_the_turn_of_others(
    start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    alice, bob = await start("alice"), await start("bob")
    counted = Counted(bob, alice, monkeypatch)
    busy = min(range(100), key=lambda n: another(n)[0].vkey)  # the first in the round, in front of all others
    for n in range(100):
        assert bob.home.shelf.advance(another(n)[0].vkey, None, head_of(n, 1))
    for n in range(100, 140):
        bob.home.shelf.put_seat(another(n)[0].name[8:], another(n)[1].public, [])  # nothing is known of it yet
    monkeypatch.setattr(gossip, "AGAIN", 0.0)  # whatever was told may be told again at once
    monkeypatch.setattr(gossip, "SILENT", 0.0)
    for size in range(2, 6):
        assert bob.home.shelf.advance(another(busy)[0].vkey, head_of(busy, size - 1), head_of(busy, size))
        counted.now += 600
        assert len(await counted.talk()) == gossip.LOGS
    assert {another(n)[0].name[8:] for n in range(100)} <= set(counted.told)
    assert max(map(counted.told.count, counted.told)) == 2  # 128 turns for 101 logs


async def test_a_running_node_asks_around_by_itself(start: Start, folder: Path) -> None:
    alice, bob = await start("alice"), await start("bob")
    await alice.publish(folder)
    await read(bob, alice)
    vkey = alice.home.first.log.key.vkey
    dave = await start("dave")
    assert dave.home.shelf.advance(vkey, None, signed(alice, 2))
    await bob.desk.peers(add=dave.address)
    assert bob.node.gossip.finished == 0
    bob.node.gossip._due.clear()
    bob.node.gossip.rounds.wake.set()
    await until(lambda: bob.node.gossip.finished)
    assert (len(forked(bob, vkey)), len(forked(dave, vkey))) == (2, 2)


async def test_the_status_compares_with_the_peers_that_are_known(start: Start, folder: Path) -> None:
    alice, bob, dave = await start("alice"), await start("bob", listen=()), await start("dave")
    await alice.publish(folder)
    await read(bob, alice)
    vkey = alice.home.first.log.key.vkey
    assert dave.home.shelf.advance(vkey, None, signed(alice, 2))
    await bob.desk.peers(add=dave.address)
    assert list((await bob.desk.status())["forks"]) == [vkey]


async def test_a_peer_that_stalls_when_heads_are_compared_delays_and_fails_no_verb(
    start: Start, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = asyncio.Event()

    async def stalls(*_: object) -> bytes:
        asked.set()
        await asyncio.sleep(3600)
        return b""

    monkeypatch.setattr(Gossip, "meet", stalls)
    alice, bob = await start("alice"), await start("bob")
    reference = await alice.publish(folder)
    async with asyncio.timeout(LIMIT):
        told = await bob.fetch(reference, tmp_path / "copy", alice.address)
        await asked.wait()
    assert (told["files"], told["receipt"]) == (3, "logged")
