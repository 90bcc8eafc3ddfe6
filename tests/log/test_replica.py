"""Following a log whose keeper changes: under another key, with all that was trusted before still in it."""

from __future__ import annotations

import asyncio
import itertools
import random
from collections.abc import Awaitable, Callable, Iterator
from contextlib import closing, suppress
from pathlib import Path

import pytest

from commons.core.tlog import checkpoint, merkle
from commons.core.tlog.checkpoint import Checkpoint
from commons.core.tlog.note import Verifier
from commons.core.tlog.tiles import WIDTH
from commons.disk.folded import Misfolded
from commons.disk.history import Damaged, History
from commons.disk.shelf import Shelf
from commons.errors import CommonsError, Conflict, Malformed, NotFound, Pending, SplitView, Untrue
from commons.log.evidence import Nowhere, Remembered
from commons.log.replica import Followed, Replica
from commons.log.verified import Verified, bound
from tests.crash_driver import die_at, in_child
from tests.keeper import ALICE, BOB, EVE, Keeper, followed


def handed_over(log: Keeper) -> Verifier:
    """Bob keeps the log from now on: under which key."""
    log.signer = log.hand_over()
    return Verifier(name=log.log.name, public=log.signer.public)


@pytest.fixture
def shelf(tmp_path: Path) -> Iterator[Shelf]:
    with closing(Shelf(tmp_path / "shelf.db")) as made:
        yield made


@pytest.fixture
def log() -> Keeper:
    made = Keeper(members=(BOB.identity.peer,))
    made.publish()
    return made


@pytest.mark.parametrize("restarted", [False, True])
async def test_a_log_that_was_handed_over_is_read_from_its_beginning_under_its_new_key(
    log: Keeper, shelf: Shelf, restarted: bool
) -> None:
    follower = followed(log.read, log.commons, shelf)
    await follower.follow()
    key = handed_over(log)
    if restarted:
        follower = followed(log.read, log.commons, shelf)
    for _ in range(2):
        head = await follower.follow()
        assert (head.note, follower.replica.log, follower.replica.verified.faults) == (log.head(), key, 0)
        assert follower.replica.state.founded.charter.registrar == BOB.identity.peer
        assert shelf.head(key.vkey) == log.head()
        log.publish(series=len(log.data).to_bytes(16, "big"))


async def test_a_fork_under_an_earlier_key_is_kept_and_stops_nobody_who_stands_on_the_later(
    log: Keeper, shelf: Shelf
) -> None:
    follower, kept = followed(log.read, log.commons, shelf), list(log.data)
    log.ask(EVE, log.publish(series=bytes(16)))
    before = await follower.follow()
    log.data = kept
    key = handed_over(log)
    old = before.checkpoint
    assert (await follower.follow()).note == log.head() == shelf.head(key.vkey)
    ((vkey, heads),) = shelf.forks().items()
    assert (vkey, heads[0]) == (Verifier(name=old.origin, public=ALICE.log(0).public).vkey, before.note.decode())
    log.publish(series=bytes(16))
    assert (await follower.follow()).note == log.head()


async def test_a_log_goes_on_from_what_it_holds(log: Keeper, shelf: Shelf) -> None:
    """Who keeps it now signs another past before the head that was handed over."""
    key, true = handed_over(log), log.data[1]
    follower = followed(log.read, log.commons, shelf)
    log.clock -= len(log.data)
    log.publish(series=bytes(16))
    log.data[1] = log.data.pop()
    with pytest.raises(Untrue):
        await follower.follow()
    assert (follower.replica.size, follower.replica.state.size, shelf.head(key.vkey)) == (0, 0, None)
    log.data[1] = true
    assert (await follower.follow()).note == log.head()


async def test_a_log_that_is_handed_over_while_it_is_read_is_read_again(log: Keeper, shelf: Shelf) -> None:
    """It shows a head by the new key, then what the old one signed."""
    heads = list[bytes]()

    async def read(path: str) -> bytes:
        return heads.pop(0) if path == "checkpoint" and heads else await log.read(path)

    follower, old = followed(read, log.commons, shelf), log.signer
    await follower.follow()
    data = list(log.data)
    handed_over(log)
    heads.append(log.head())
    new, log.signer, log.data = (log.signer, log.data), old, data
    with pytest.raises(Conflict, match="handed over at this moment"):
        await follower.follow()
    log.signer, log.data = new
    assert (await follower.follow()).note == log.head()


@pytest.mark.parametrize("begun", [False, True])
async def test_entries_that_have_not_the_root_that_is_signed_are_not_taken(
    log: Keeper, shelf: Shelf, begun: bool
) -> None:
    """Whoever shows them: it is no second history."""
    lies = False

    async def read(path: str) -> bytes:
        data = await log.read(path)
        return data[:-1] + bytes([data[-1] ^ 1]) if lies and path.startswith("tile/entries/00") else data

    follower = followed(read, log.commons, shelf)
    if begun:
        await follower.follow()
    size, lies = follower.replica.state.size, True
    log.publish(series=bytes(16))
    with pytest.raises(Untrue, match="do not have the root that the checkpoint signs") as told:
        await follower.follow()
    assert (type(told.value), follower.replica.state.size, shelf.forks()) == (Untrue, size, {})


async def test_a_log_that_grew_from_another_past_than_was_read_is_a_fork(log: Keeper, shelf: Shelf) -> None:
    log.ask(EVE, log.publish(series=bytes(16)))
    log.decide()
    follower, kept = followed(log.read, log.commons, shelf), list(log.data)
    before = await follower.follow()
    log.data = [*kept[:-2], kept[-1], kept[-2], kept[-1]]
    with pytest.raises(SplitView) as told:
        await follower.follow()
    assert told.value.evidence[:2] == (before.note.decode(), log.head().decode())
    assert [*shelf.forks()] == [log.log.vkey]


async def test_two_heads_of_one_size_are_a_fork_whatever_else_is_shown(log: Keeper, shelf: Shelf) -> None:
    first = followed(log.read, log.commons, shelf)
    before = await first.follow()
    log.data[-1] = log.data[0]

    async def read(path: str) -> bytes:
        if path != "checkpoint":
            raise NotFound(path)
        return await log.read(path)

    again = followed(read, log.commons, shelf, first.replica.history)
    with pytest.raises(SplitView, match="does not contain the 2 entries it signed before"):
        await again.follow()
    assert shelf.forks() == {log.log.vkey: (before.note.decode(), log.head().decode())}


@pytest.mark.parametrize("size", [WIDTH - 1, WIDTH, WIDTH + 1])
@pytest.mark.parametrize("true", [True, False])
async def test_what_was_trusted_before_a_restart_is_looked_for_wherever_it_ends(
    log: Keeper, shelf: Shelf, size: int, true: bool
) -> None:
    """At the end of a bundle of entries, too."""

    def add(count: int, kind: int) -> None:
        for n in range(count):
            log.add(b"\x81\xa4type\xa7%d/%05d" % (kind, n))

    add(size - len(log.data), 1)
    await followed(log.read, log.commons, shelf).follow()
    if not true:
        log.data[-2:] = [log.data[-1], log.data[-2]]
    add(9, 2)
    again = followed(log.read, log.commons, shelf)
    if true:
        assert (await again.follow()).checkpoint.size == size + 9
    else:
        with pytest.raises(SplitView):
            await again.follow()


async def test_a_log_that_goes_back_to_what_was_read_of_it_is_seen_by_what_another_command_read(
    log: Keeper, shelf: Shelf
) -> None:
    follower, kept = followed(log.read, log.commons, shelf), list(log.data)
    await follower.follow()
    log.publish(series=bytes(16))
    await followed(log.read, log.commons, shelf).follow()
    log.data = kept
    with pytest.raises(Untrue, match="3 were verified here before"):
        await follower.follow()


async def test_what_is_trusted_already_is_not_written_again_after_a_restart(
    log: Keeper, shelf: Shelf, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A home that cannot be written can be read."""
    await followed(log.read, log.commons, shelf).follow()
    monkeypatch.setattr(shelf, "advance", None)
    again = followed(log.read, log.commons, shelf)
    assert (await again.follow()).note == log.head()
    assert again.replica.state.size == 2


async def test_of_two_commands_that_read_a_log_at_once_the_slower_one_is_told(log: Keeper, shelf: Shelf) -> None:
    others = list[Followed]()

    async def read(path: str) -> bytes:
        if others and path.startswith("tile/"):
            log.publish(series=bytes([1]) * 16)
            await others.pop().follow()
        return await log.read(path)

    follower = followed(read, log.commons, shelf)
    await follower.follow()
    log.publish(series=bytes(16))
    others.append(followed(log.read, log.commons, shelf))
    with pytest.raises(Conflict, match="another command read this log"):
        await follower.follow()
    assert (await follower.follow()).note == shelf.head(log.log.vkey) == log.head()


# -- heads that others show --------------------------------------------------------------------------------------------


async def test_what_was_not_read_yet_contains_nothing(log: Keeper, shelf: Shelf) -> None:
    kept = followed(log.read, log.commons, shelf).replica
    with pytest.raises(Untrue, match="nothing of this log was read yet"):
        await kept.contains(log.head())
    assert await kept.update(log.read) is kept.head
    await kept.contains(log.head())
    log.publish(series=bytes(16))
    with pytest.raises(Pending, match="newer than what this log shows here"):
        await kept.contains(log.head())


async def test_a_head_by_who_kept_the_log_before_proves_nothing_against_it(log: Keeper, shelf: Shelf) -> None:
    """Up to where it was handed over: they can sign what they like. From there on it is who keeps it now."""
    log.ask(EVE, log.publish(series=bytes(16)))
    old, key = log.signer, handed_over(log)
    since = len(log.data) - 1
    for n in range(9):
        log.publish(series=bytes([n + 1]) * 16)
    follower = followed(log.read, log.commons, shelf)
    await follower.follow()
    for size in range(1, since + 2):
        signer = old if size <= since else log.signer
        lie = Checkpoint(origin=log.log.name, size=size, root=bytes(32))
        true = Checkpoint(origin=log.log.name, size=size, root=merkle.root(size, log.reader(size)))
        await follower.replica.contains(checkpoint.sign(true, signer))
        with pytest.raises(Untrue if size <= since else SplitView):
            await follower.replica.contains(checkpoint.sign(lie, signer))
        assert [*shelf.forks()] == [key.vkey] * (size > since)


@pytest.mark.parametrize("size", [31, 33, 64 * 32, 64 * 32 + 1, 65 * 32])
async def test_a_proof_is_a_few_whole_hashes(log: Keeper, shelf: Shelf, size: int) -> None:
    """Where entries have not the root that is signed, and the log is asked to show that its head continues ours."""
    false = False

    async def read(path: str) -> bytes:
        data = bytes(size) if path.startswith("consistency/") else await log.read(path)
        return data[:-1] + bytes([data[-1] ^ 1]) if false and path.startswith("tile/entries/") else data

    follower = followed(read, log.commons, shelf)
    await follower.follow()
    log.publish(series=bytes(16))
    false = True
    with pytest.raises(Untrue if size == 64 * 32 else Malformed, match="too long" if size == 64 * 32 else "at most 64"):
        await follower.follow()
    assert shelf.forks() == {}


# -- what is kept of it ------------------------------------------------------------------------------------------------


def counted(log: Keeper) -> tuple[Callable[[str], Awaitable[bytes]], list[str]]:
    asked = list[str]()

    async def read(path: str) -> bytes:
        asked.append(path)
        return await log.read(path)

    return read, asked


async def test_after_a_restart_no_entry_is_read_twice(log: Keeper, shelf: Shelf, tmp_path: Path) -> None:
    for n in range(2 * WIDTH):
        log.add(b"\x81\xa4type\xa61/%04d" % n)
    read, asked = counted(log)
    with closing(History.open(tmp_path / "replica.db")) as kept:
        before = Replica(log.commons, kept, Remembered(shelf))
        await before.update(read)
        accesses, rest = dict(before.state.accesses), before.state.rest()
    asked.clear()
    with closing(History.open(tmp_path / "replica.db")) as kept:
        again = Replica(log.commons, kept, Remembered(shelf))
        assert await again.update(read) == before.head
        assert (asked, again.state.rest(), again.state.accesses) == (["checkpoint"], rest, accesses)
        log.publish(series=bytes(16))
        await again.update(read)
        assert asked[1:] == ["checkpoint", f"tile/entries/002.p/{len(log.data) % WIDTH}"]
        await again.update(read)
        assert asked[3:] == ["checkpoint"]
        assert [*kept.entries(0, len(log.data))] == log.data


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.rest
async def test_a_copy_in_which_bits_have_flipped_is_read_again_and_accuses_nobody(
    log: Keeper, shelf: Shelf, tmp_path: Path, seed: int
) -> None:
    """25 flips each, anywhere in the file; and the file cut short, empty, or of another commons."""
    log.ask(EVE, log.publish(series=bytes(16)))
    log.decide()
    for n in range(40):
        log.add(b"\x81\xa4type\xa61/%04d" % n)
    path, chance = tmp_path / "replica.db", random.Random(seed)
    with closing(History.open(path)) as kept:
        true = Replica(log.commons, kept, Remembered(shelf))
        await true.update(log.read)
        accesses = dict(true.state.accesses)
    whole, heads = path.read_bytes(), [log.head(n) for n in range(1, len(log.data) + 1)]
    other = Keeper(members=(EVE.identity.peer,))
    with closing(History.open(tmp_path / "other.db")) as kept:
        await Replica(other.commons, kept, Nowhere()).update(other.read)
    spoilt = [b"", whole[: len(whole) // 2], whole[:100], (tmp_path / "other.db").read_bytes()]
    for _ in range(25):
        bit = chance.randrange(len(whole) * 8)
        spoilt.append(whole[: bit // 8] + bytes([whole[bit // 8] ^ 1 << bit % 8]) + whole[bit // 8 + 1 :])
    log.publish(series=bytes(15) + b"\1")
    for data in spoilt:
        for each in tmp_path.glob("replica.db*"):
            each.unlink()
        path.write_bytes(data)
        with closing(History.open(path)) as kept:
            again = Replica(log.commons, kept, Remembered(shelf))
            assert (await again.update(log.read)).note == log.head()
            with suppress(Damaged):  # it is found where entries are read
                await again.replay(Verified())
            await again.update(log.read)
            with suppress(Misfolded):  # or where it is asked what they make true
                assert again.state.accesses == accesses
            head = await again.update(log.read)
            assert (head.note, [*kept.entries(0, again.size)]) == (log.head(), log.data)
            assert again.state.accesses == accesses
            for each in heads:
                await again.contains(each)
        assert shelf.forks() == {}


def test_a_kill_at_any_write_leaves_what_was_verified_before_or_after_and_it_goes_on(
    log: Keeper, tmp_path: Path
) -> None:
    heads, sizes = [log.head()], set[int]()
    path = tmp_path / "replica.db"

    async def update() -> int:
        with closing(Shelf(tmp_path / "shelf.db")) as shelf, closing(History.open(path)) as kept:
            seen = Replica(log.commons, kept, Remembered(shelf))
            await seen.update(log.read)
            return seen.size

    asyncio.run(update())
    for each in (path, tmp_path / "shelf.db"):
        each.rename(each.with_suffix(".kept"))
    log.publish(series=bytes(16))
    heads.append(log.head())
    for step in itertools.count(1):
        for each in (path, tmp_path / "shelf.db"):
            for stale in tmp_path.glob(f"{each.name}*"):
                stale.unlink()
            each.write_bytes(each.with_suffix(".kept").read_bytes())

        def work(step: int = step) -> None:
            die_at(step)
            asyncio.run(update())

        code = in_child(work)
        with closing(Shelf(tmp_path / "shelf.db")) as shelf, closing(History.open(path)) as kept:
            assert kept.head in heads
            assert [*kept.entries(0, kept.size)] == log.data[: kept.size]
            record = kept.fold.load()
            assert record is not None
            assert record.of == bound(kept)  # and what they fold to with them
            assert heads.index(shelf.head(log.log.vkey) or b"") <= heads.index(
                kept.head
            )  # the entries first, then trust
            sizes.add(kept.size)
        assert asyncio.run(update()) == len(log.data)
        if code == 0:
            break
    assert sizes == {2, 3}


async def test_a_log_without_an_end_is_read_no_further_than_its_head(log: Keeper, shelf: Shelf) -> None:
    read, asked = counted(log)
    endless = Checkpoint(origin=log.log.name, size=1 << 60, root=bytes(32))

    async def lying(path: str) -> bytes:
        return checkpoint.sign(endless, EVE.log(0)) if path == "checkpoint" else await read(path)

    with pytest.raises(CommonsError):
        await followed(lying, log.commons, shelf).follow()
    assert len(asked) <= 2
