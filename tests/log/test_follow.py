"""Following a log whose keeper changes: under another key, with all that was trusted before still in it."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from commons.core.crypto import envelope
from commons.core.state import charter
from commons.core.state.charter import Proposal
from commons.core.state.transfer import SUCCESSION, Succession
from commons.core.tlog.note import Verifier
from commons.disk.shelf import Shelf
from commons.errors import Conflict, Untrue
from commons.log.follow import Follower
from tests.keeper import ALICE, BOB, EVE, Keeper


def handed_over(log: Keeper) -> Verifier:
    """Bob keeps the log from now on: under which key."""
    keys = [BOB.log(n, log.commons) for n in (0, 1)]
    said = Proposal(
        commons=log.commons, action="change-registrar", time=log.clock, nonce=bytes(16), peer=BOB.identity.peer,
        log_key=keys[0].public, next_key=hashlib.sha256(keys[1].public).digest(),
    )  # fmt: skip
    log.vote(ALICE, log.add(envelope.sign(charter.PROPOSAL, said, BOB.identity)))
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
