"""Comparing heads without a node: what a log's registrar is asked, who is talked to and when, and what is no proof."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import replace

import pytest

from commons.core.crypto import ids
from commons.core.dataset import manifest
from commons.core.state.entries import REDACTION, Redaction
from commons.core.tlog import checkpoint, merkle, tiles
from commons.core.tlog.checkpoint import Checkpoint
from commons.disk.home import Home
from commons.disk.records import record
from commons.disk.witnessed import Seen
from commons.errors import (
    CommonsError,
    Malformed,
    NotFound,
    SplitView,
    Stale,
    StorageFailed,
    TimedOut,
    TooLarge,
    TooMany,
    Unreachable,
)
from commons.net.limits import Buckets
from commons.witness import gossip
from commons.witness.gossip import Gossip
from tests.conftest import LIMIT, MakeHome, until
from tests.keeper import BOB, EVE, KEEPERS, Keeper
from tests.vectors.generate import MANIFEST
from tests.witness.test_gossip import padded

LONG = 600  # entries
TREE = merkle.grow(0, (), [merkle.leaf(b"entry %d" % n) for n in range(LONG)])[0]
NODES = {(level, position): value for level, position, value in TREE}


def read(level: int, position: int) -> bytes:
    return NODES[level, position]


def at(n: int) -> str:
    return f"/ip4/127.0.0.1/tcp/4001/p2p/{KEEPERS[n].identity.peer}"


class Doors:
    """The network: what every source `gets` for a path, and what it `posts` back."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, str]] = []
        self.gets: Callable[[str], Awaitable[bytes]] = self._keeper
        self.posts: Callable[[str], Awaitable[bytes]] = self._silent

    async def _keeper(self, path: str) -> bytes:
        """As a log's true keeper has it."""
        if path.startswith("consistency/"):
            old, new = map(int, path.split("/")[1:])
            return b"".join(merkle.prove_consistency(old, new, read))
        part = tiles.parse(path)
        assert isinstance(part, tiles.Tile)
        return tiles.tile_bytes(part, read)

    async def _silent(self, path: str) -> bytes:
        return b""

    async def get(self, source: str, path: str, *, limit: int, span: tuple[int, int] | None = None) -> bytes:
        self.asked.append((source, path))
        return await self.gets(path.split("/", 2)[2])

    async def post(self, source: str, path: str, body: bytes, *, limit: int) -> bytes:
        self.asked.append((source, path))
        return await self.posts(path.split("/", 2)[2])


@pytest.fixture
def bob(make_home: MakeHome) -> Iterator[Home]:
    with Home(make_home("bob")) as home:
        yield home


class Met:
    """Bob's part, with a clock; and a log that he takes part in."""

    def __init__(self, bob: Home) -> None:
        self.bob, self.doors, self.now, self.log = bob, Doors(), 1000.0, Keeper()
        self.gossip = Gossip(bob, self.doors, lambda: self.now)
        bob.shelf.put_seat(self.log.commons, self.log.signer.public, [at(0)])

    def head(self, size: int, root: bytes | None = None) -> bytes:
        said = Checkpoint(origin=self.log.log.name, size=size, root=root or merkle.root(size, read))
        return checkpoint.sign(said, self.log.signer)

    def trusts(self, size: int) -> None:
        self.bob.shelf.advance(self.log.log.vkey, self.bob.shelf.head(self.log.log.vkey), self.head(size))

    async def compare(self, size: int, root: bytes | None = None) -> None:
        await self.gossip.compare(self.log.log, checkpoint.open(self.head(size, root), self.log.log))

    def forks(self) -> int:
        return len(self.bob.shelf.forks())


@pytest.fixture
def met(bob: Home) -> Met:
    return Met(bob)


# -- what a keeper proves ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("old", [1, 2, 3, 4, 127, 128, 129, 255, 256, 257, 511, 512, 513, LONG - 1])
async def test_the_proof_that_a_keeper_gives_tells_one_history_from_two_at_every_size(met: Met, old: int) -> None:
    """Where the old tree is a whole power of two, the proof does not hold its root: that comes with a tile."""
    met.trusts(old)
    await met.compare(LONG)
    assert met.forks() == 0
    await met.compare(LONG, bytes(32))  # whose keeper proves nothing for a root that it does not have
    assert met.forks() == 0
    other = Met(met.bob)
    other.bob.shelf.drop_fork(other.log.log.vkey)
    lie = checkpoint.open(met.head(old, bytes(32)), met.log.log)
    assert met.bob.shelf.advance(met.log.log.vkey, met.bob.shelf.head(met.log.log.vkey), met.head(LONG))
    with pytest.raises(SplitView):
        await met.gossip.compare(met.log.log, lie)
    assert met.forks() == 1


async def test_from_nothing_every_log_goes_on_and_nobody_is_asked(met: Met) -> None:
    assert await met.gossip._lead(met.log.log, 0, LONG) == ()
    await met.compare(3)  # bob knows no head of it
    met.trusts(3)
    await met.compare(3)  # and the same one proves nothing
    assert (met.doors.asked, met.forks()) == ([], 0)
    with pytest.raises(SplitView):
        await met.compare(3, bytes(32))
    assert (met.doors.asked, met.forks()) == ([], 1)
    with pytest.raises(SplitView):  # known before
        await met.compare(3)


@pytest.mark.parametrize("how", ["garbage", "too long", "away", "hangs"])
async def test_a_keeper_that_proves_nothing_leaves_it_open_and_is_not_waited_for(
    met: Met, monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    monkeypatch.setattr(gossip, "PROVING", 0.05 if how == "hangs" else LIMIT)

    async def gives(path: str) -> bytes:
        if how == "away":
            raise Unreachable("away")
        if how == "hangs":
            await asyncio.sleep(3600)
        return bytes(33) if how == "garbage" else bytes(32 * 65)

    met.doors.gets = gives
    met.trusts(3)
    await met.compare(LONG, bytes(32))
    assert met.forks() == 0
    kind = {"away": Unreachable, "hangs": NotFound}.get(how, Malformed)
    with pytest.raises(kind):
        await met.gossip._lead(met.log.log, 3, LONG)


@pytest.mark.parametrize("count", [0, 1, 64])
def test_a_proof_is_a_few_whole_hashes(count: int) -> None:
    data = bytes(range(256)) * (count // 8 + 1)
    assert merkle.hashes(data[: 32 * count]) == tuple(data[n : n + 32] for n in range(0, 32 * count, 32))
    for wrong in (32 * count + 1, 32 * 65, 32 * 128):
        with pytest.raises(Malformed, match="at most 64 hashes"):
            merkle.hashes(bytes(wrong))


async def test_three_of_those_who_keep_a_log_are_asked_and_nobody_else(met: Met) -> None:
    commons, shelf = met.log.commons, met.bob.shelf
    shelf.put_seat(commons, met.log.signer.public, [at(n) for n in range(5)])
    shelf.put_seat(Keeper(members=(EVE.identity.peer,)).commons, BOB.log(0).public, [at(9)])  # another's
    shelf.put_keeper(commons, met.log.signer.public, KEEPERS[6].identity.peer)
    for known in (at(6), at(7), at(0), f"https://rivers.example/p2p/{KEEPERS[6].identity.peer}"):
        shelf.add_peer(known)
    assert met.gossip.registrars(commons) == [*(at(n) for n in range(5)), at(6)]
    assert met.gossip.registrars("another") == []

    async def away(path: str) -> bytes:
        raise Unreachable("away")

    met.doors.gets = away
    met.trusts(3)
    await met.compare(LONG)
    asked = {source for source, _ in met.doors.asked}
    assert len(asked) == 3
    assert asked <= {at(n) for n in (*range(5), 6)}


@pytest.mark.parametrize("size", [1, 2, 3, 4, 5, 9])
async def test_a_head_that_contradicts_ones_own_log_is_kept_with_its_proof(met: Met, size: int) -> None:
    """One of more entries than there are proves nothing: it shuts the log by somebody's word."""
    log = met.bob.first.log
    for _ in range(4):
        said = Redaction(type=REDACTION, time=log.state.time, entries=(0,), reason="x")
        log.append(lambda _state, _index, _now, said=said: [record(said)]).result(LIMIT)  # type: ignore[misc]
    lie = Checkpoint(origin=log.origin, size=size, root=b"\7" * 32)
    head = checkpoint.open(checkpoint.sign(lie, met.bob.keys.log(0)), log.key)
    with pytest.raises(Stale if size > 5 else StorageFailed):
        await met.gossip.compare(log.key, head, "eve")
    assert met.forks() == (size <= 5)


def answers(*told: bytes | CommonsError) -> Callable[[str], Awaitable[bytes]]:
    """What a peer says, the last of it for ever."""
    left = [*told]

    async def say(path: str) -> bytes:
        said = left.pop(0) if len(left) > 1 else left[0]
        if isinstance(said, CommonsError):
            raise said
        return said

    return say


async def test_what_a_peer_answers_or_is_accused_with_is_verified_and_compared(met: Met) -> None:
    met.gossip.known = lambda: [met.log.log]  # type: ignore[method-assign]
    lie, true = met.head(3, bytes(32)), met.head(3)
    for said, forks in (
        (b"", 0), (true, 0), (b"nonsense", 0), (Unreachable("no", evidence=(lie.decode(),)), 0),
        (Unreachable("no", evidence=(true.decode(), true.decode())), 0), (lie, 1),
        (Unreachable("no", evidence=(true.decode(), lie.decode())), 1),
        (Unreachable("no", evidence=(lie.decode(), true.decode(), "and more")), 1),
    ):  # fmt: skip
        met.trusts(3)
        met.doors.posts = answers(said)
        met.gossip._due.clear()
        await met.gossip.talk(at(0))
        assert met.forks() == forks, said
        met.bob.shelf.drop_fork(met.log.log.vkey)  # and what was trusted of it


@pytest.mark.parametrize("how", ["answered", "accused", "shown"])
async def test_what_contradicts_ones_own_log_shuts_it_whoever_shows_it(met: Met, how: str) -> None:
    log = met.bob.first.log
    lie = checkpoint.sign(Checkpoint(origin=log.origin, size=1, root=bytes(32)), met.bob.keys.log(0))
    both = (log.head.note.decode(), lie.decode())
    if how == "shown":
        met.gossip.shown(both)
        await asyncio.gather(*met.gossip._tasks, return_exceptions=True)
    else:
        met.doors.posts = answers(lie if how == "answered" else Unreachable("no", evidence=both))
        await met.gossip.talk(at(0))
    assert log.broken is not None
    assert met.forks() == 1


def test_who_answers_for_a_log_is_read_from_the_manifests_that_are_here(met: Met) -> None:
    commons = met.log.commons
    met.bob.shelf.put_seat(commons, met.log.signer.public, [])
    for n in (1, 2):
        met.bob.shelf.add_peer(at(n))
    for n in (1, 2):
        assert {*met.gossip.registrars(commons)} == {at(each) for each in range(1, n)}
        value = replace(MANIFEST, commons=commons, registrar=KEEPERS[n].identity.peer)
        data = manifest.sign(value, EVE.identity)
        met.bob.shelf.put_manifest(ids.cid(data), data, "seen", served=True)
    assert {*met.gossip.registrars(commons)} == {at(1), at(2)}


async def test_rounds_go_on_until_they_are_stopped_and_what_fails_in_them_is_nobodys_noise(met: Met) -> None:
    noise = list[object]()
    asyncio.get_running_loop().set_exception_handler(lambda _loop, told: noise.append(told))

    async def fails() -> None:
        raise StorageFailed("a disk that refuses")

    met.gossip.rounds.start()
    for n in (1, 2):
        met.gossip.rounds.wake.set()
        await until(lambda n=n: met.gossip.finished == n)  # type: ignore[misc]
    met.gossip._do(fails())
    await asyncio.sleep(0)
    await met.gossip.stop()
    await asyncio.sleep(0)
    gc.collect()
    assert (noise, met.gossip._tasks) == ([], set())


# -- who is talked to, and when ----------------------------------------------------------------------------------------


async def test_whoever_was_met_is_talked_to_once_in_a_while_or_when_there_is_news(met: Met) -> None:
    told = list[str]()

    async def talk(source: str) -> None:
        told.append(source)

    met.gossip.talk = talk  # type: ignore[method-assign]

    async def meets(*sources: str) -> int:
        before = len(told)
        for source in sources:
            met.gossip.met(source)
        await asyncio.gather(*met.gossip._tasks)
        return len(told) - before

    assert await meets(f"https://rivers.example/p2p/{KEEPERS[0].identity.peer}") == 0
    assert await meets(at(0)) == 1
    assert await meets(at(0), at(1)) == 1  # the other one
    met.now += gossip.AGAIN - 1
    assert await meets(at(0)) == 0
    met.now += 1
    assert await meets(at(0), at(0)) == 1
    met.trusts(3)
    assert await meets(at(0), at(0)) == 1
    assert told == [at(0), at(1), at(0), at(0)]


async def test_so_many_are_talked_to_at_once(met: Met) -> None:
    asked, going = list[str](), asyncio.Event()

    async def talk(source: str) -> None:
        asked.append(source)
        await going.wait()

    async def judge(*_: object) -> None:
        asked.append("evidence")
        await going.wait()

    met.gossip.talk, met.gossip._judge = talk, judge  # type: ignore[method-assign, assignment]
    met.trusts(3)
    evidence = [met.head(3).decode(), met.head(4).decode()]
    for n in range(gossip.TALKS - 1):
        met.gossip.met(at(n))
    met.gossip.shown(evidence)
    for n in range(gossip.TALKS, gossip.TALKS + 3):
        met.gossip.met(at(n))
        met.gossip.shown(evidence)
    await asyncio.sleep(0)
    assert asked == [*(at(n) for n in range(gossip.TALKS - 1)), "evidence"]
    tasks = [*met.gossip._tasks]
    going.set()
    await asyncio.gather(*tasks)
    await asyncio.sleep(0)
    assert met.gossip._tasks == set()
    met.gossip.met(at(gossip.TALKS))  # whoever was left out has not been met
    await asyncio.sleep(0)
    assert asked[-1] == at(gossip.TALKS)
    await met.gossip.stop()


async def test_evidence_of_logs_that_are_not_known_or_that_none_has_signed_is_not_looked_at(met: Met) -> None:
    judged = list[object]()

    async def judge(*words: object) -> None:
        judged.append(words[0])

    met.gossip._judge = judge  # type: ignore[method-assign, assignment]
    other = Met(met.bob)
    other.log = Keeper(members=(EVE.identity.peer,))
    good, garbled = met.head(3).decode(), met.head(3).decode()[:-9] + "AAAAAAA=\n"
    for evidence in ([other.head(3).decode()] * 2, [good, garbled], [good, "x" * 9999], ["", ""]):
        met.gossip.shown(evidence)
    await asyncio.sleep(0)
    assert judged == []
    met.gossip.shown([good, met.head(4).decode(), "and its proof"])
    await asyncio.sleep(0)
    assert judged == [met.log.log]
    met.gossip.shown([met.head(4, bytes(32)).decode(), met.head(4).decode()])
    await asyncio.sleep(0)
    assert (met.forks(), len(judged)) == (1, 1)  # kept at once


async def test_a_round_talks_with_some_of_the_peers_that_are_known_and_not_with_itself(
    met: Met, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gossip, "PEERS", 3)
    told = list[str]()

    async def talk(source: str) -> None:
        told.append(source)

    met.gossip.talk = talk  # type: ignore[method-assign]
    me = f"/ip4/127.0.0.1/tcp/4001/p2p/{met.bob.keys.identity.peer}"
    for known in (me, f"https://rivers.example/p2p/{EVE.identity.peer}", at(1), at(1).replace("4001", "4002")):
        met.bob.shelf.add_peer(known)
    await met.gossip.round()
    assert {each.rpartition("/")[2] for each in told} == {KEEPERS[n].identity.peer for n in (0, 1)}
    assert (len(told), met.gossip.finished) == (2, 1)
    for n in range(2, 9):
        met.bob.shelf.add_peer(at(n))
    told.clear()
    await met.gossip.round()
    assert (len(set(told)), met.gossip.finished) == (3, 2)


def test_what_is_remembered_of_peers_has_a_limit_and_the_oldest_goes(met: Met, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gossip, "REMEMBERED", 3)
    for n, key in enumerate("abacad"):
        met.gossip._remember(met.gossip._turns, key, str(n))
    assert [*met.gossip._turns] == ["c", "a", "d"]
    assert met.gossip._turns["a"] == "4"


async def test_what_a_peer_answers_decides_when_it_is_told_again(met: Met) -> None:
    """One that knows nothing of a log is left alone for longer; one that is away is not asked of another log now."""
    met.trusts(3)
    own = f"/{met.bob.first.commons}/heads"
    hers = f"/{met.log.commons}/heads"

    async def unknown(path: str) -> bytes:
        raise NotFound("no such log")

    async def away(path: str) -> bytes:
        raise TimedOut("away")

    async def talks(posts: Callable[[str], Awaitable[bytes]]) -> list[str]:
        met.doors.posts = posts
        before = len(met.doors.asked)
        await met.gossip.talk(at(0))
        return sorted(path for _, path in met.doors.asked[before:])

    assert await talks(unknown) == sorted([own, hers])
    met.now += gossip.AGAIN
    assert await talks(unknown) == []
    met.now += gossip.SILENT - gossip.AGAIN
    assert len(await talks(away)) == 1


# -- what others send --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("which", ["each", "everyone"])
async def test_heads_are_taken_from_each_and_from_everyone_at_a_rate(met: Met, which: str) -> None:
    met.trusts(3)
    setattr(met.gossip, which, Buckets(rate=0.001, burst=1))
    head = met.head(3)
    assert await met.gossip.meet(met.log.commons, head, EVE.identity.peer) == head
    with pytest.raises(TooMany):
        await met.gossip.meet(met.log.commons, head, EVE.identity.peer)
    if which == "each":
        assert await met.gossip.meet(met.log.commons, head, None) == head
    with pytest.raises(TooMany):
        await met.gossip.meet(met.log.commons, head, None)


@pytest.mark.parametrize("over", [0, 1])
async def test_a_head_on_its_way_has_at_most_so_many_bytes(met: Met, over: int) -> None:
    met.trusts(3)
    head = padded(met.head(3), gossip.HEAD + over)
    judged = list[object]()

    async def judge(*words: object) -> None:
        judged.append(words)

    met.gossip._judge = judge  # type: ignore[method-assign, assignment]
    met.gossip.shown([head.decode(), met.head(4).decode()])
    await asyncio.sleep(0)
    assert len(judged) == 1 - over
    if over:
        with pytest.raises(TooLarge):
            await met.gossip.meet(met.log.commons, head, None)
        with pytest.raises(Malformed, match="at most"):
            gossip._opened(head, [met.log.log])
    else:
        assert await met.gossip.meet(met.log.commons, head, None) == met.head(3)


async def test_the_head_of_a_log_is_given_without_the_lines_of_others_and_only_by_its_own_key(met: Met) -> None:
    met.trusts(3)
    found = met.gossip.head(met.log.log)
    assert found is not None
    assert found.note == met.head(3)
    assert met.gossip.head(Keeper(members=(EVE.identity.peer,)).log) is None
    own = met.gossip.head(met.bob.first.log.key)
    assert own is met.bob.first.log.head
    heard = list[str]()
    met.gossip._agreed = lambda commons, by: heard.append(f"{by} of {commons}")
    assert (
        await met.gossip.meet(met.bob.first.commons, met.bob.first.log.head.note, "eve") == met.bob.first.log.head.note
    )
    assert heard == [f"eve of {met.bob.first.commons}"]
    with pytest.raises(NotFound, match="knows no log"):
        await met.gossip.meet("another", met.head(3), None)
    with pytest.raises(CommonsError):
        await met.gossip.meet(met.log.commons, met.bob.first.log.head.note, None)


async def test_what_was_read_of_a_log_goes_before_what_was_cosigned_of_it_and_neither_is_replaced_by_damage(
    met: Met,
) -> None:
    shelf, witnessed, log = met.bob.shelf, met.bob.witnessed, met.log.log

    def found() -> bytes | None:
        head = met.gossip.head(log)
        return None if head is None else head.note

    assert found() is None
    witnessed.add(log)
    assert found() is None
    seen = checkpoint.open(met.head(2), log)
    witnessed.step(log.name, lambda _: Seen(head=seen, time=1, line=b"line"))
    assert found() == met.head(2)
    met.trusts(3)
    assert found() == met.head(3)
    with shelf._db as db:
        db.execute("UPDATE heads SET note = substr(note, 2)")
    assert found() is None  # not the older one
