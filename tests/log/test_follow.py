"""Following a log whose keeper changes: under another key, with all that was trusted before still in it."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from commons.core.crypto import envelope
from commons.core.state import proposals
from commons.core.state.proposals import Proposal
from commons.core.state.transfer import SUCCESSION, Succession
from commons.core.tlog import checkpoint, merkle
from commons.core.tlog.checkpoint import Checkpoint
from commons.core.tlog.note import Verifier
from commons.core.tlog.tiles import WIDTH
from commons.disk.shelf import Shelf
from commons.errors import Conflict, Malformed, NotFound, Pending, SplitView, Untrue
from commons.log.follow import Follower
from tests.keeper import ALICE, BOB, EVE, Keeper


def handed_over(log: Keeper) -> Verifier:
    """Bob keeps the log from now on: under which key."""
    keys = [BOB.log(n, log.commons) for n in (0, 1)]
    said = Proposal(
        commons=log.commons, action="change-registrar", time=log.clock, nonce=bytes(16), peer=BOB.identity.peer,
        log_key=keys[0].public, next_key=hashlib.sha256(keys[1].public).digest(),
    )  # fmt: skip
    log.vote(ALICE, log.add(envelope.sign(proposals.PROPOSAL, said, BOB.identity)))
    taken = Succession(commons=log.commons, head=log.head(), time=log.clock)
    log.add(envelope.sign(SUCCESSION, taken, BOB.identity))
    log.signer = keys[0]
    return Verifier(name=log.log.name, public=keys[0].public)


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
    follower = Follower(log.read, log.commons, shelf)
    await follower.follow()
    key = handed_over(log)
    if restarted:
        follower = Follower(log.read, log.commons, shelf)
    for _ in range(2):
        head = await follower.follow()
        assert (head.note, follower.log, follower.faults) == (log.head(), key, 0)
        assert follower.state.founded.charter.registrar == BOB.identity.peer
        assert shelf.head(key.vkey) == log.head()
        log.publish(series=len(log.data).to_bytes(16, "big"))


async def test_who_was_handed_a_log_and_leaves_out_what_was_trusted_of_it_is_not_followed(
    log: Keeper, shelf: Shelf
) -> None:
    follower, kept = Follower(log.read, log.commons, shelf), list(log.data)
    log.ask(EVE, log.publish(series=bytes(16)))
    before = await follower.follow()
    log.data = kept
    key = handed_over(log)
    with pytest.raises(Untrue):
        await follower.follow()
    assert (follower.head, shelf.head(log.log.vkey), shelf.head(key.vkey)) == (before, before.note, None)


async def test_a_log_goes_on_from_what_it_holds(log: Keeper, shelf: Shelf) -> None:
    """Who keeps it now signs another past before the head that was handed over."""
    key, true = handed_over(log), log.data[1]
    follower = Follower(log.read, log.commons, shelf)
    follower.log = key
    log.clock -= len(log.data)
    log.publish(series=bytes(16))
    log.data[1] = log.data.pop()
    with pytest.raises(Untrue):
        await follower.follow()
    assert (follower.head, follower.state.size, shelf.head(key.vkey)) == (None, 0, None)
    log.data[1] = true
    assert (await follower.follow()).note == log.head()


async def test_a_log_that_is_handed_over_while_it_is_read_is_read_again(log: Keeper, shelf: Shelf) -> None:
    """It shows a head by the new key, then what the old one signed."""
    heads = list[bytes]()

    async def read(path: str) -> bytes:
        return heads.pop(0) if path == "checkpoint" and heads else await log.read(path)

    follower, old = Follower(read, log.commons, shelf), log.signer
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

    follower = Follower(read, log.commons, shelf)
    if begun:
        await follower.follow()
    follower.log = log.log
    size, lies = follower.state.size, True
    log.publish(series=bytes(16))
    with pytest.raises(Untrue, match="do not have the root that the log signs") as told:
        await follower.follow()
    assert (type(told.value), follower.state.size, shelf.forks()) == (Untrue, size, {})


async def test_a_log_that_grew_from_another_past_than_was_read_is_a_fork(log: Keeper, shelf: Shelf) -> None:
    log.ask(EVE, log.publish(series=bytes(16)))
    log.decide()
    follower, kept = Follower(log.read, log.commons, shelf), list(log.data)
    before = await follower.follow()
    log.data = [*kept[:-2], kept[-1], kept[-2], kept[-1]]
    with pytest.raises(SplitView) as told:
        await follower.follow()
    assert told.value.evidence[:2] == (before.note.decode(), log.head().decode())
    assert [*shelf.forks()] == [log.log.vkey]


async def test_two_heads_of_one_size_are_a_fork_whatever_else_is_shown(log: Keeper, shelf: Shelf) -> None:
    before = await Follower(log.read, log.commons, shelf).follow()
    log.data[-1] = log.data[0]

    async def read(path: str) -> bytes:
        if path != "checkpoint":
            raise NotFound(path)
        return await log.read(path)

    again = Follower(read, log.commons, shelf)
    again.log = log.log
    with pytest.raises(SplitView, match="showed 2 entries before, and now shows 2 others"):
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
    await Follower(log.read, log.commons, shelf).follow()
    if not true:
        log.data[-2:] = [log.data[-1], log.data[-2]]
    add(9, 2)
    again = Follower(log.read, log.commons, shelf)
    if true:
        assert (await again.follow()).checkpoint.size == size + 9
    else:
        with pytest.raises(SplitView):
            await again.follow()


async def test_a_log_that_goes_back_to_what_was_read_of_it_is_seen_by_what_another_command_read(
    log: Keeper, shelf: Shelf
) -> None:
    follower, kept = Follower(log.read, log.commons, shelf), list(log.data)
    await follower.follow()
    log.publish(series=bytes(16))
    await Follower(log.read, log.commons, shelf).follow()
    log.data = kept
    with pytest.raises(Untrue, match="showed 3 entries before"):
        await follower.follow()


async def test_what_is_trusted_already_is_not_written_again_after_a_restart(
    log: Keeper, shelf: Shelf, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A home that cannot be written can be read."""
    await Follower(log.read, log.commons, shelf).follow()
    monkeypatch.setattr(shelf, "advance", None)
    again = Follower(log.read, log.commons, shelf)
    assert (await again.follow()).note == log.head()
    assert again.state.size == 2


async def test_of_two_commands_that_read_a_log_at_once_the_slower_one_is_told(log: Keeper, shelf: Shelf) -> None:
    others = list[Follower]()

    async def read(path: str) -> bytes:
        if others and path.startswith("tile/"):
            log.publish(series=bytes([1]) * 16)
            await others.pop().follow()
        return await log.read(path)

    follower = Follower(read, log.commons, shelf)
    await follower.follow()
    log.publish(series=bytes(16))
    others.append(Follower(log.read, log.commons, shelf))
    with pytest.raises(Conflict, match="another command read this log"):
        await follower.follow()
    assert (await follower.follow()).note == shelf.head(log.log.vkey) == log.head()


# -- heads that others show --------------------------------------------------------------------------------------------


async def test_what_was_not_read_yet_contains_nothing(log: Keeper, shelf: Shelf) -> None:
    follower = Follower(log.read, log.commons, shelf)
    for key in (None, log.log):
        follower.log = key
        with pytest.raises(Untrue, match="nothing of this log was read yet"):
            follower.known()
        with pytest.raises(Untrue, match="nothing of this log was read yet"):
            await follower.contains(log.head())
    head = await follower.follow()
    assert follower.known() is head
    await follower.contains(log.head())
    log.publish(series=bytes(16))
    with pytest.raises(Pending, match="newer than what this log shows here"):
        await follower.contains(log.head())


async def test_a_head_by_who_kept_the_log_before_proves_nothing_against_it(log: Keeper, shelf: Shelf) -> None:
    """Up to where it was handed over: they can sign what they like. From there on it is who keeps it now."""
    log.ask(EVE, log.publish(series=bytes(16)))
    old, key = log.signer, handed_over(log)
    since = len(log.data) - 1
    for n in range(9):
        log.publish(series=bytes([n + 1]) * 16)
    follower = Follower(log.read, log.commons, shelf)
    await follower.follow()
    for size in range(1, since + 2):
        signer = old if size <= since else log.signer
        lie = Checkpoint(origin=log.log.name, size=size, root=bytes(32))
        true = Checkpoint(origin=log.log.name, size=size, root=merkle.root(size, log.reader(size)))
        await follower.contains(checkpoint.sign(true, signer))
        with pytest.raises(Untrue if size <= since else SplitView):
            await follower.contains(checkpoint.sign(lie, signer))
        assert [*shelf.forks()] == [key.vkey] * (size > since)


@pytest.mark.parametrize("size", [31, 33, 64 * 32, 64 * 32 + 1, 65 * 32])
async def test_a_proof_is_a_few_whole_hashes(log: Keeper, shelf: Shelf, size: int) -> None:
    async def read(path: str) -> bytes:
        return bytes(size) if path.startswith("consistency/") else await log.read(path)

    follower, before = Follower(read, log.commons, shelf), log.head()
    log.ask(EVE, log.publish(series=bytes(16)))
    await follower.follow()
    with pytest.raises(Untrue if size == 64 * 32 else Malformed, match="too long" if size == 64 * 32 else "at most 64"):
        await follower.contains(before)
