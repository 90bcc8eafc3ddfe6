"""Every guard of the host, against its attack; and the same attack with the guard taken off, which must succeed.

When an upgrade of libp2p makes one of the latter fail, its guard can go.
"""

from __future__ import annotations

import gc
import logging
import os
import socket
import struct
import subprocess
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
import trio
from libp2p import new_host
from libp2p.crypto.ed25519 import create_new_key_pair
from libp2p.peer.id import ID
from libp2p.peer.peerinfo import info_from_p2p_addr
from libp2p.security.insecure.transport import PLAINTEXT_PROTOCOL_ID, InsecureTransport
from libp2p.stream_muxer.yamux.yamux import Yamux
from multiaddr import Multiaddr  # type: ignore[import-untyped]
from trio.lowlevel import current_statistics
from trio.testing import wait_all_tasks_blocked

from commons.net import host as house
from commons.net.descriptors import Places
from tests.conftest import LIMIT

ROOT = Path(__file__).resolve().parents[2]
LISTEN = Multiaddr("/ip4/127.0.0.1/tcp/0")
BLOCK = bytes(65536)
SOON = LIMIT / 4  # seconds that are waited out only where something hangs


@asynccontextmanager
async def running(host: Any = None) -> AsyncIterator[Any]:
    host = host or house.build(os.urandom(32), [LISTEN])
    async with host.run(listen_addrs=[LISTEN]):
        yield host
        for connection in host.get_network().get_connections():
            await house.cut(connection.muxed_conn)


def stock() -> Any:
    pair = create_new_key_pair(os.urandom(32))
    return new_host(key_pair=pair, sec_opt=house.security(pair), listen_addrs=[LISTEN])


async def connect(client: Any, server: Any) -> Any:
    info = info_from_p2p_addr(server.get_addrs()[0])
    with trio.fail_after(LIMIT):
        return await client.get_network().dial_addr(info.addrs[0], info.peer_id)


async def echo(stream: Any) -> None:
    await stream.write(await stream.read(100))
    await stream.close()


async def sink(stream: Any) -> None:
    while await stream.read(65536):
        pass


async def works(client: Any, server: Any) -> bool:
    """Whether an echo comes back over the connection there is."""
    with suppress(Exception), trio.fail_after(SOON):
        stream = await client.new_stream(server.get_id(), ["/echo"])
        await stream.write(b"x")
        return bool(await stream.read(9) == b"x")
    return False


def run(scenario: Callable[[], Awaitable[Any]], seconds: float = LIMIT) -> Any:
    async def bounded() -> Any:
        with trio.fail_after(seconds):
            return await scenario()

    return trio.run(bounded)


Patch = pytest.MonkeyPatch


# ---- who is there


async def seconds_until_asked() -> list[int]:
    """After how much silence the kernel asks whether the other end is there, of who dialled and who was dialled; 0 for
    never."""
    async with running() as server, running() as client:
        dialled = (await connect(client, server)).muxed_conn
        (came,) = server.get_network().get_connections()
        tcp = [
            each.secured_conn.conn.read_writer.read_write_closer.stream.stream.socket
            for each in (dialled, came.muxed_conn)
        ]
        return [
            each.getsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE)
            * each.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE)
            for each in tcp
        ]


def test_a_connection_is_asked_after_when_nothing_is_said() -> None:
    assert run(seconds_until_asked) == [*house.SILENT_SECONDS]


def test_stock_never_asks(monkeypatch: Patch) -> None:
    monkeypatch.setattr(house, "guard_silence", lambda network: None)
    assert run(seconds_until_asked) == [0, 0]


async def identity_taken() -> bool:
    """Whether somebody who knows a victim's public key only is taken for the victim."""
    mine, victim = create_new_key_pair(os.urandom(32)), create_new_key_pair(os.urandom(32))

    class Forged:
        def get_public_key(self) -> Any:
            return victim.public_key

    plain = InsecureTransport(mine)
    plain.local_private_key = Forged()
    seen = trio.Event()

    async def handler(stream: Any) -> None:
        if stream.muxed_conn.peer_id == ID.from_pubkey(victim.public_key):
            seen.set()

    async with running() as server:
        server.set_stream_handler("/echo", handler)
        attacker = new_host(key_pair=mine, sec_opt={PLAINTEXT_PROTOCOL_ID: plain})
        async with attacker.run(listen_addrs=[]):
            with suppress(Exception):
                await connect(attacker, server)
                await attacker.new_stream(server.get_id(), ["/echo"])
                with trio.move_on_after(SOON):
                    await seen.wait()
    return seen.is_set()


def test_nobody_can_pose_as_another() -> None:
    assert not run(identity_taken)


def test_without_noise_only_anybody_can(monkeypatch: Patch) -> None:
    guarded = house.security
    monkeypatch.setattr(
        house, "security", lambda pair: {**guarded(pair), PLAINTEXT_PROTOCOL_ID: InsecureTransport(pair)}
    )
    assert run(identity_taken)


async def says_something() -> bool:
    """Whether a connection over which nothing is asked is measured nevertheless: stock begins after half a second."""
    async with running() as server, running() as client:
        mux = (await connect(client, server)).muxed_conn
        with trio.move_on_after(1.5):
            while not mux.rtt():
                await trio.sleep(0.05)
        return bool(mux.rtt())


def test_nothing_is_said_over_a_connection_without_a_question() -> None:
    assert not run(says_something)


def test_stock_measures_it_twice_a_minute(monkeypatch: Patch) -> None:
    monkeypatch.setattr(house.GuardedYamux, "_measure_rtt_loop", Yamux._measure_rtt_loop)
    assert run(says_something)


# ---- inbound slots


async def cycles_until_deaf(cycles: int) -> int | None:
    """After how many inbound connections, all but a few ended, the host accepts no more; None: it still does."""
    clients = [house.build(os.urandom(32), []) for _ in range(cycles // 40 + 4)]  # there is a rate limit for each peer
    async with running() as server, trio.open_nursery() as nursery:
        for client in clients:
            await nursery.start(live, client)
        deaf = None
        for n in range(cycles):
            try:
                connection = await connect(clients[n % len(clients)], server)
            except Exception:
                deaf = n
                break
            await house.cut(connection.muxed_conn)
            while len(server.get_network().get_connections()) > 7:
                await trio.sleep(0.001)
        nursery.cancel_scope.cancel()
    return deaf


async def live(host: Any, *, task_status: Any) -> None:
    async with host.run(listen_addrs=[]):
        task_status.started()
        await trio.sleep_forever()


@pytest.mark.rest
def test_three_hundred_and_ten_connections_leave_the_host_listening() -> None:
    assert run(lambda: cycles_until_deaf(310)) is None


@pytest.mark.rest
def test_without_slots_given_back_it_goes_deaf(monkeypatch: Patch) -> None:
    monkeypatch.setattr(house, "USUAL", Places(connections=20))
    assert run(lambda: cycles_until_deaf(45)) is None
    monkeypatch.setattr(house, "guard_slots", lambda network: None)
    monkeypatch.setattr(house, "guard_places", lambda network, most: None)
    assert run(lambda: cycles_until_deaf(45)) == 40


# ---- writers


async def cancelled_writes_survived(count: int) -> int:
    async with running() as server, running() as client:
        server.set_stream_handler("/echo", echo)
        server.set_stream_handler("/sink", sink)
        await connect(client, server)
        for n in range(count):
            with suppress(Exception):
                stream = await client.new_stream(server.get_id(), ["/sink"])
                with trio.move_on_after(n % 20 / 1000):
                    while True:
                        await stream.write(BLOCK)
                await stream.reset()
            if not await works(client, server):
                return n
        return count


def test_cancelled_writes_leave_the_connection_whole() -> None:
    assert run(lambda: cancelled_writes_survived(40)) == 40


def test_without_whole_frames_a_cancelled_write_breaks_it(monkeypatch: Patch) -> None:
    monkeypatch.setattr(house.GuardedYamux, "_write_frame", Yamux._write_frame)
    assert run(lambda: cancelled_writes_survived(40)) < 40


async def writer_let_go(seconds: float) -> bool:
    """Whether writing to a peer who reads nothing from its socket ends by itself."""
    async with running() as server, running() as client:
        mux = (await connect(client, server)).muxed_conn
        peer = server.get_network().get_connections()[0].muxed_conn

        async def stir() -> None:
            await wait_all_tasks_blocked()
            await mux._write_frame(struct.pack("!BBHII", 0, 2, 1, 0, 1))  # a ping, which its reader leaves the lock for

        async with trio.open_nursery() as nursery:
            nursery.start_soon(stir)
            await peer.secured_conn.conn.read_writer.read_write_closer.stream.read_lock.acquire()  # it stops reading
        with trio.move_on_after(seconds), suppress(Exception):
            while not mux.event_closed.is_set():
                await mux._write_frame(struct.pack("!BBHII", 0, 0, 0, 99, len(BLOCK)) + BLOCK)
        return bool(mux.event_closed.is_set() or mux.event_shutting_down.is_set())


def test_a_peer_that_reads_nothing_is_let_go(monkeypatch: Patch) -> None:
    monkeypatch.setattr(house, "FRAME_SECONDS", 1.0)
    assert run(lambda: writer_let_go(SOON))


def test_without_a_time_for_each_frame_it_holds_the_writer(monkeypatch: Patch) -> None:
    monkeypatch.setattr(house.GuardedYamux, "_write_frame", Yamux._write_frame)
    assert not run(lambda: writer_let_go(2))


# ---- memory


def unread(server: Any) -> int:
    return sum(house.unread(each.muxed_conn) for each in server.get_network().get_connections())


async def flood(mib: int, streams: int = 1) -> int:
    """MiB which the server holds of streams that nobody reads."""
    release = trio.Event()

    async def wait(stream: Any) -> None:
        await release.wait()

    async with running() as server, running() as client:
        server.set_stream_handler("/wait", wait)
        mux = (await connect(client, server)).muxed_conn
        ids = []
        for _ in range(streams):
            ids.append((await client.new_stream(server.get_id(), ["/wait"])).muxed_stream.stream_id)
        with suppress(Exception):
            for n in range(mib << 4):
                at = ids[n % len(ids)]
                await mux._write_frame(struct.pack("!BBHII", 0, 0, 0, at, len(BLOCK)) + BLOCK)
        while (held := unread(server)) < mib << 20 and server.get_network().get_connections():
            await trio.sleep(0.01)
        release.set()
        return held >> 20


def test_a_flood_is_cut_off(monkeypatch: Patch) -> None:
    monkeypatch.setattr(house, "UNREAD_PER_CONNECTION", 4 << 20)
    assert run(lambda: flood(16)) == 0


def test_a_flood_by_many_is_cut_off(monkeypatch: Patch) -> None:
    monkeypatch.setattr(house, "UNREAD_IN_ALL", 4 << 20)
    assert run(lambda: flood(16, streams=4)) == 0


def test_without_the_refusal_a_flood_is_held_in_memory(monkeypatch: Patch) -> None:
    monkeypatch.setattr(house, "UNREAD_PER_CONNECTION", 4 << 20)
    monkeypatch.setattr(house, "refuse_flood", lambda mux, length: None)
    assert run(lambda: flood(16)) == 16


def test_the_limit_is_above_what_honest_windows_add_up_to() -> None:
    assert (house.STREAMS_PER_PEER + 6) * house.WINDOW <= house.UNREAD_PER_CONNECTION


# ---- handlers


async def failing(stream: Any) -> None:
    raise ZeroDivisionError("a bug of ours")


async def survives_a_bug() -> bool:
    async with running() as server, running() as client:
        server.set_stream_handler("/echo", echo)
        server.set_stream_handler("/bug", failing)
        await connect(client, server)
        stream = await client.new_stream(server.get_id(), ["/bug"])
        with trio.move_on_after(SOON) as waited, suppress(Exception):
            await stream.read(1)
        return not waited.cancelled_caught and await works(client, server)


async def survives_a_name_that_is_no_text() -> bool:
    async with running() as server, running() as client:
        server.set_stream_handler("/echo", echo)
        stream = await (await connect(client, server)).new_stream()
        await stream.write(b"\x13/multistream/1.0.0\n\x03\xff\xff\n")
        with suppress(Exception), trio.move_on_after(SOON):
            while await stream.read(100):
                pass
        return await works(client, server)


@pytest.mark.parametrize("scenario", [survives_a_bug, survives_a_name_that_is_no_text])
def test_an_exception_ends_its_stream_only(scenario: Callable[[], Awaitable[bool]]) -> None:
    assert run(scenario)


@pytest.mark.parametrize(
    ("scenario", "kind"),
    [(survives_a_bug, ZeroDivisionError), (survives_a_name_that_is_no_text, UnicodeDecodeError)],
)
def test_without_the_catch_all_it_ends_the_host(
    scenario: Callable[[], Awaitable[bool]], kind: type[Exception], monkeypatch: Patch
) -> None:
    monkeypatch.setattr(house, "guard_handlers", lambda network, most: None)
    with pytest.raises(BaseExceptionGroup) as caught:
        run(scenario)
    assert caught.value.subgroup(kind)


async def streams_held(count: int) -> int:
    """How many of one peer's streams are served at the same time."""
    release, held = trio.Event(), []

    async def wait(stream: Any) -> None:
        held.append(stream)
        await release.wait()

    async with running() as server, running() as client:
        server.set_stream_handler("/wait", wait)
        await connect(client, server)
        for _ in range(count):
            with suppress(Exception):
                await client.new_stream(server.get_id(), ["/wait"])
        await wait_all_tasks_blocked()
        release.set()
        return len(held)


def test_streams_of_one_peer_are_capped(monkeypatch: Patch) -> None:
    monkeypatch.setattr(house, "STREAMS_PER_PEER", 5)
    assert run(lambda: streams_held(8)) == 5


def test_without_the_cap_a_peer_takes_what_it_wants(monkeypatch: Patch) -> None:
    monkeypatch.setattr(house, "STREAMS_PER_PEER", 5)
    monkeypatch.setattr(house, "guard_handlers", lambda network, most: None)
    assert run(lambda: streams_held(8)) == 8


# ---- places


async def newcomers_served(held: int, streams: bool) -> int:
    """How many of three newcomers are served while minted keys hold, from one address, every place there is: by
    connections on which nothing is asked, or by streams."""
    keys = [house.build(os.urandom(32), []) for _ in range(held)]
    served = 0
    async with running() as server, trio.open_nursery() as nursery:
        server.set_stream_handler("/echo", echo)
        for key in keys:
            await nursery.start(live, key)
            with suppress(Exception):
                connection = await connect(key, server)
                if streams:
                    await connection.new_stream()  # and never a word on it
        for _ in range(3):
            newcomer = house.build(os.urandom(32), [])
            await nursery.start(live, newcomer)
            with suppress(Exception):
                await connect(newcomer, server)
                served += await works(newcomer, server)
        nursery.cancel_scope.cancel()
    return served


async def mute_held(held: int, places: int) -> bool:
    """Whether a newcomer is served while TCP connections hold every place that never say a word."""
    ended = []

    async def sit(port: int, *, task_status: Any) -> None:
        async with await trio.open_tcp_stream("127.0.0.1", port) as mute:
            task_status.started()
            while await mute.receive_some(100):
                pass
            ended.append(mute)

    async with running() as server, running() as newcomer, trio.open_nursery() as nursery:
        server.set_stream_handler("/echo", echo)
        for _ in range(held):
            await nursery.start(sit, int(server.get_addrs()[0].value_for_protocol("tcp")))
        while len(ended) < held - places:
            await trio.sleep(0.01)
        with suppress(Exception):
            await connect(newcomer, server)
        told = await works(newcomer, server)
        nursery.cancel_scope.cancel()
    return told


def without_places(network: Any, most: int) -> None:
    """As libp2p itself does it: as many as there are, and nobody more."""
    network._inbound_limiter = trio.CapacityLimiter(most)


def test_connections_of_minted_keys_keep_nobody_out(monkeypatch: Patch) -> None:
    monkeypatch.setattr(house, "USUAL", Places(connections=8))
    assert run(lambda: newcomers_served(12, streams=False)) == 3


def test_streams_of_minted_keys_keep_nobody_out(monkeypatch: Patch) -> None:
    monkeypatch.setattr(house, "USUAL", Places(streams=8))
    assert run(lambda: newcomers_served(12, streams=True)) == 3


def test_connections_that_never_say_a_word_keep_nobody_out(monkeypatch: Patch) -> None:
    monkeypatch.setattr(house, "USUAL", Places(connections=8))
    assert run(lambda: mute_held(40, 8))


def test_without_places_they_do(monkeypatch: Patch) -> None:
    monkeypatch.setattr(house, "USUAL", Places(connections=8))
    monkeypatch.setattr(house, "guard_places", without_places)
    assert not run(lambda: mute_held(9, 8))
    assert run(lambda: newcomers_served(8, streams=False)) == 0


async def counts_after(evicted: int) -> tuple[int, int]:
    """What libp2p counts as there when everybody has been sent away or has left: slots, and connections."""
    async with running() as server, trio.open_nursery() as nursery:
        network, port = server.get_network(), int(server.get_addrs()[0].value_for_protocol("tcp"))
        for _ in range(evicted):
            key = house.build(os.urandom(32), [])
            await nursery.start(live, key)
            with suppress(Exception):
                await connect(key, server)
            async with await trio.open_tcp_stream("127.0.0.1", port):
                await trio.sleep(0.01)
            left = key.get_network().get_connections()
        for connection in left:
            await house.cut(connection.muxed_conn)
        for connection in network.get_connections():
            await house.cut(connection.muxed_conn)
        with trio.move_on_after(SOON):
            while network.get_connections() or network._inbound_limiter.borrowed_tokens:
                await trio.sleep(0.02)
        nursery.cancel_scope.cancel()
        return network._inbound_limiter.borrowed_tokens, len(network.get_connections())


def test_who_is_sent_away_is_counted_no_more(monkeypatch: Patch) -> None:
    monkeypatch.setattr(house, "USUAL", Places(connections=4))
    monkeypatch.setattr(house, "UPGRADE_SECONDS", 2.0)
    assert run(lambda: counts_after(12)) == (0, 0)


# ---- what we do by ourselves


async def dialled_a_stranger(seconds: float) -> bool:
    """Whether a peer merely heard of is dialled by itself."""
    async with running() as stranger, running() as host:
        info, network = info_from_p2p_addr(stranger.get_addrs()[0]), host.get_network()
        host.get_peerstore().add_addrs(info.peer_id, info.addrs, 120)
        await network.auto_connector.maybe_connect()
        with trio.move_on_after(seconds):
            while not network.get_connections(info.peer_id):
                await trio.sleep(0.01)
        return bool(network.get_connections(info.peer_id))


def test_strangers_are_not_dialled() -> None:
    assert not run(lambda: dialled_a_stranger(0.5))


def test_without_passivity_they_are(monkeypatch: Patch) -> None:
    monkeypatch.setattr(house, "stay_passive", lambda host: None)
    assert run(lambda: dialled_a_stranger(SOON))


async def visit(host: Any) -> str:
    visitor = house.build(os.urandom(32), [])
    async with visitor.run(listen_addrs=[]):
        connection = await connect(visitor, host)
        await house.cut(connection.muxed_conn)
        return str(visitor.get_id())


async def remembered(visitors: int) -> int:
    """How many of those who came, each with a key of their own, and left are in memory when no task is at work for
    any of them."""
    with pytest.MonkeyPatch.context() as patch:
        # Where the collector meets a socket that a test before this one left open, pytest keeps the warning for later,
        # and with it the frame that ran just then: a visitor's, at times.
        patch.setattr(sys, "unraisablehook", lambda told: None)
        return await counted(visitors)


async def counted(visitors: int) -> int:
    async with running() as host:
        await wait_all_tasks_blocked()
        alone = current_statistics().tasks_living
        gone = {await visit(host) for _ in range(visitors)}
        while current_statistics().tasks_living > alone:
            await trio.sleep(0.01)
        gc.collect()
        return len(gone & {str(each) for each in gc.get_objects() if type(each) is ID})


def test_who_has_left_is_forgotten() -> None:
    assert run(lambda: remembered(20)) == 0


@pytest.mark.rest
def test_without_passivity_everybody_who_ever_came_is_remembered(monkeypatch: Patch) -> None:
    """For stock's own dialling, which forgets some; without it nobody would be."""

    def only_not_dialling(host: Any) -> None:
        host.get_network().auto_connector.maybe_connect = trio.lowlevel.checkpoint

    monkeypatch.setattr(house, "stay_passive", only_not_dialling)
    assert run(lambda: remembered(20)) == 20


# ---- others


async def carried(server: Any, client: Any) -> int:
    async def send(stream: Any) -> None:
        for _ in range(48):
            await stream.write(BLOCK)
        await stream.close()

    async with running(server), running(client):
        server.set_stream_handler("/send", send)
        await connect(client, server)
        stream, got = await client.new_stream(server.get_id(), ["/send"]), 0
        with suppress(Exception):
            while data := await stream.read(65536):
                got += len(data)
        return got


@pytest.mark.parametrize("ours", ["server", "client"])
def test_a_stock_host_and_ours_understand_each_other(ours: str) -> None:
    guarded = house.build(os.urandom(32), [LISTEN])
    hosts = (guarded, stock()) if ours == "server" else (stock(), guarded)
    assert run(lambda: carried(*hosts)) == 3 << 20


NOISY = """
import asyncio, logging, os
{patch}
from commons.net.swarm import Swarm
async def main():
    a = Swarm(os.urandom(32), ["/ip4/127.0.0.1/tcp/0"], lambda peer, sock: sock.close())
    await a.start()
    b = Swarm(os.urandom(32), [], lambda peer, sock: sock.close())
    await b.start()
    (await b.dial(a.peer, a.addresses)).close()
    await b.stop()
    await a.stop()
    print(len(logging.root.handlers))
asyncio.run(main())
"""


@pytest.mark.rest
def test_libp2p_writes_to_no_terminal_whatever_its_variables_say() -> None:
    """Nor does it configure the root logger, which, left alone, it does."""
    untamed = "import commons.net.host; commons.net.host.tame_logging = lambda: None"
    outputs = []
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", NOISY.format(patch=patch)],
            cwd=ROOT,
            env={**os.environ, "LIBP2P_DEBUG": debug},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for patch, debug in (("", "DEBUG"), (untamed, ""))
    ]
    for process in processes:
        outputs.append(process.communicate(timeout=LIMIT))
    assert outputs[0] == ("0\n", "")
    assert outputs[1][0] == "1\n"


def test_a_logger_that_another_thread_names_meanwhile_stops_no_node() -> None:
    """Where a second node starts in the same process, or a module is imported by another thread."""
    told = logging.getLogger("libp2p.named.first")

    named = []

    def set_level(level: int) -> None:
        named.append(logging.getLogger(f"libp2p.named.meanwhile.{os.urandom(8).hex()}"))

    told.setLevel = set_level  # type: ignore[method-assign]
    try:
        house.tame_logging()
    finally:
        del told.setLevel
    assert named
