"""Keeping in contact: to whom a node holds a connection, how often it tries, and that it is reached over it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from commons.core.crypto import ids
from commons.core.dataset.address import peer_of
from commons.errors import Unreachable
from commons.node import contact
from commons.node.contact import Contact
from tests.conftest import Found, Start, until

GONE = [f"/ip4/127.0.0.1/tcp/9/p2p/{ids.peer_id(bytes([n]) * 32)}" for n in range(40)]


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


async def test_a_node_is_reached_by_whom_it_keeps_a_connection_to_though_nobody_can_dial_it(
    start: Start, folder: Path, tmp_path: Path
) -> None:
    hidden, mirror = await start("hidden"), await start("mirror")
    reference = await hidden.publish(folder)
    undialled = f"/ip4/127.0.0.1/tcp/9/p2p/{hidden.peer}"
    with pytest.raises(Unreachable):
        await mirror.desk.show(dataset=reference, sources=[undialled])
    await hidden.desk.peers(add=mirror.address)
    await hidden.node.contact.round()
    assert (await mirror.desk.mirror(dataset=reference, sources=[undialled]))["title"] == "Rivers"
    await mirror.fetch(reference, tmp_path / "copy", undialled)


async def test_registrars_and_custodians_come_first_and_there_are_not_more_than_a_node_can_hold(found: Found) -> None:
    seats = await found("ben")
    ben, coop = seats["ben"], seats["coop"]
    for address in GONE:
        ben.home.shelf.add_peer(address)
    ben.home.shelf.add_peer(f"/dns/coop.example/tcp/4001/p2p/{coop.peer}")
    ben.home.shelf.add_peer(f"/ip4/127.0.0.1/tcp/9/p2p/{ben.peer}")
    ben.home.shelf.add_peer("http://a.example")
    wanted = ben.node.contact.wanted()
    assert len(wanted) == contact.MOST
    assert next(iter(wanted)) == coop.peer
    assert len(wanted[coop.peer]) == 2
    assert ben.peer not in wanted


async def test_who_is_away_is_tried_less_and_less_and_who_is_forgotten_no_more(start: Start) -> None:
    ana, ben = await start("ana"), await start("ben")
    clock = Clock()
    kept = Contact(ana.home, ana.node.net, lambda peer: False, clock)
    (gone,), there = GONE[:1], ben.address
    for address in (gone, there):
        await ana.desk.peers(add=address)
    pauses = []
    for _ in range(12):
        assert await kept.round() <= contact.LOOK
        tie = kept.ties[peer_of(gone)]
        pauses.append(tie.due - clock.now)
        assert kept.ties[peer_of(there)].failed == 0
        clock.now = tie.due
    assert [tie.failed for tie in kept.ties.values()].count(12) == 1
    assert pauses[0] < 1.25 * contact.FIRST
    assert all(pause <= 1.25 * contact.LONGEST for pause in pauses)
    assert pauses[-1] > contact.LONGEST / 2
    await ana.desk.peers(remove=gone)
    await kept.round()
    assert list(kept.ties) == [ben.peer]


async def test_nothing_is_said_over_a_connection_that_is_there_and_one_that_ended_is_made_again(start: Start) -> None:
    ana, ben = await start("ana"), await start("ben")
    await ana.desk.peers(add=ben.address)
    said: list[str] = []

    class Counted:
        async def get(self, source: str, path: str, **more: Any) -> bytes:
            said.append(source)
            return await ana.node.net.get(source, path, **more)

        post = ana.node.net.post

    clock, address = Clock(), ben.address
    kept = Contact(ana.home, Counted(), ana.node.connected, clock)
    assert not ana.node.connected(ben.peer)
    await kept.round()
    assert said == [address]
    assert ana.node.connected(ben.peer)
    for _ in range(10):
        clock.now += contact.LONGEST
        await kept.round()
    assert said == [address]
    await ben.node.__aexit__(None, None, None)
    await until(lambda: not ana.node.connected(ben.peer))
    assert await kept.round() <= contact.FIRST * 1.25
    assert said == [address] * 2
    assert kept.ties[ben.peer].failed == 1


async def test_a_node_that_lets_nobody_in_keeps_no_connection(start: Start) -> None:
    assert (await start("ana", listen=(), http="127.0.0.1:0")).node.contact.rounds.running is False
    assert (await start("ben")).node.contact.rounds.running
