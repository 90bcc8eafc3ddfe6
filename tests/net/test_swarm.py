"""Real swarms on loopback, with a real aiohttp application behind them."""

from __future__ import annotations

import asyncio
import contextlib
import io
import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Sequence
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp import web

from commons.core.crypto.ids import PeerId, peer_host
from commons.core.crypto.keys import Signer
from commons.errors import Conflict, Malformed, Unreachable
from commons.net.connector import Connector, Handler, serve, url_of
from commons.net.swarm import Swarm
from tests.conftest import LIMIT, until

ROOT = Path(__file__).resolve().parents[2]
LISTEN = "/ip4/127.0.0.1/tcp/0"
BODY = os.urandom(3 << 20)
NOBODY = Signer(bytes(32)).peer


class Node:
    """A swarm and the application behind it; `streams` are the peers whose streams came in, in order."""

    def __init__(self, seed: bytes | None = None, listen: Sequence[str] = (LISTEN,)) -> None:
        self.swarm = Swarm(seed or os.urandom(32), listen, self.on_stream)
        self.streams: list[PeerId] = []
        self.jobs: set[asyncio.Future[None]] = set()
        self.busy = asyncio.Semaphore(0)  # released by each request which then does not end
        app = web.Application(client_max_size=8 << 20)
        app.add_routes(
            [
                web.get("/who", self.who),
                web.get("/body", self.body),
                web.post("/echo", self.echo),
                web.get("/never", self.never),
                web.get("/endless", self.endless),
            ]
        )
        self.runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)

    def on_stream(self, peer: PeerId, sock: socket.socket) -> None:
        def tag(handler: Handler) -> None:
            handler.caller = peer  # type: ignore[attr-defined]

        self.streams.append(peer)
        assert self.runner.server is not None
        job = asyncio.ensure_future(serve(self.runner.server, sock, tag))
        self.jobs.add(job)
        job.add_done_callback(self.jobs.discard)

    async def who(self, request: web.Request) -> web.Response:
        return web.Response(text=f"{request.protocol.caller} {request.query_string}")  # type: ignore[attr-defined]

    async def body(self, request: web.Request) -> web.Response:
        part = BODY[request.http_range]
        return web.Response(status=206 if len(part) < len(BODY) else 200, body=io.BytesIO(part))

    async def echo(self, request: web.Request) -> web.Response:
        return web.Response(body=io.BytesIO(await request.read()))

    async def never(self, request: web.Request) -> web.Response:
        self.busy.release()
        await asyncio.sleep(3600)
        return web.Response()

    async def endless(self, request: web.Request) -> web.StreamResponse:
        answer = web.StreamResponse()
        await answer.prepare(request)
        while True:
            await answer.write(bytes(65536))


@contextlib.asynccontextmanager
async def running(*args: Any, **options: Any) -> AsyncIterator[Node]:
    node = Node(*args, **options)
    await node.runner.setup()
    try:
        await node.swarm.start()
        yield node
    finally:
        await node.swarm.stop()
        await node.runner.cleanup()


@pytest.fixture
async def alice() -> AsyncIterator[Node]:
    async with running() as node:
        yield node


@pytest.fixture
async def bob() -> AsyncIterator[Node]:
    async with running(listen=()) as node:
        yield node


def session(node: Node, addresses: Callable[[PeerId], Sequence[str]], **options: Any) -> aiohttp.ClientSession:
    async def swarm() -> Swarm:
        return node.swarm

    return aiohttp.ClientSession(
        connector=Connector(swarm, addresses, **options), timeout=aiohttp.ClientTimeout(total=LIMIT)
    )


@pytest.fixture
async def web_of_bob(alice: Node, bob: Node) -> AsyncIterator[aiohttp.ClientSession]:
    async with session(bob, lambda peer: alice.swarm.addresses) as client:
        yield client


async def text(client: aiohttp.ClientSession, peer: PeerId, path: str) -> str:
    async with client.get(url_of(peer, path)) as answer:
        return await answer.text()


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


# ---- requests


async def test_bodies_come_whole_both_ways(alice: Node, web_of_bob: aiohttp.ClientSession) -> None:
    async with web_of_bob.get(url_of(alice.swarm.peer, "/body")) as answer:
        assert await answer.read() == BODY
    async with web_of_bob.post(url_of(alice.swarm.peer, "/echo"), data=io.BytesIO(BODY)) as answer:
        assert await answer.read() == BODY


async def test_ranges(alice: Node, web_of_bob: aiohttp.ClientSession) -> None:
    for start in range(0, len(BODY), 1 << 20):
        stop = start + (1 << 20)
        headers = {"Range": f"bytes={start}-{stop - 1}"}
        async with web_of_bob.get(url_of(alice.swarm.peer, "/body"), headers=headers) as answer:
            assert answer.status == 206
            assert await answer.read() == BODY[start:stop]


async def test_a_request_carries_the_proved_id_of_its_caller(
    alice: Node, bob: Node, web_of_bob: aiohttp.ClientSession
) -> None:
    assert await text(web_of_bob, alice.swarm.peer, "/who") == f"{bob.swarm.peer} "


async def test_kept_alive_streams_are_used_again(alice: Node, web_of_bob: aiohttp.ClientSession) -> None:
    for _ in range(30):
        await text(web_of_bob, alice.swarm.peer, "/who")
    assert len(alice.streams) == 1


async def test_a_hundred_requests_at_once_share_a_few_streams(
    alice: Node, bob: Node, web_of_bob: aiohttp.ClientSession
) -> None:
    answers = await asyncio.gather(*(text(web_of_bob, alice.swarm.peer, f"/who?{n}") for n in range(100)))
    assert answers == [f"{bob.swarm.peer} {n}" for n in range(100)]
    assert 1 <= len(alice.streams) <= 6
    assert connections(bob) == 1


async def test_whoever_was_dialled_can_call_back_over_the_same_connection(
    alice: Node, bob: Node, web_of_bob: aiohttp.ClientSession
) -> None:
    await text(web_of_bob, alice.swarm.peer, "/who")
    async with session(alice, lambda peer: ()) as client:  # bob listens nowhere
        assert await text(client, bob.swarm.peer, "/who") == f"{alice.swarm.peer} "


async def test_other_hosts_go_by_tcp_and_start_no_swarm() -> None:
    async def swarm() -> Swarm:
        raise AssertionError("started")

    async def hello(request: web.BaseRequest) -> web.Response:
        return web.Response(text="plain")

    runner = web.ServerRunner(web.Server(hello))
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", port := free_port()).start()
    async with aiohttp.ClientSession(connector=Connector(swarm, lambda peer: ())) as client:
        async with client.get(f"http://127.0.0.1:{port}/") as answer:
            assert await answer.text() == "plain"
        with pytest.raises(Malformed):
            await client.get(f"https://{peer_host(NOBODY)}.libp2p/")
        with pytest.raises(Malformed):
            await client.get("http://nonsense.libp2p/")
    await runner.cleanup()


# ---- failures


@pytest.mark.rest
async def test_a_server_killed_in_mid_answer_is_an_error_and_not_waited_for(bob: Node) -> None:
    code = (
        "import asyncio, os, sys; sys.path[:0] = ['.', 'tests/net']; from test_swarm import running\n"
        "async def main():\n async with running() as node: print(node.swarm.addresses[0], flush=True); "
        "await asyncio.sleep(60)\nasyncio.run(main())"
    )
    process = subprocess.Popen([sys.executable, "-c", code], cwd=ROOT, stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        address = (await asyncio.to_thread(process.stdout.readline)).strip()
        peer = PeerId(address.rpartition("/")[2])
        async with session(bob, lambda peer: [address]) as client, client.get(url_of(peer, "/endless")) as answer:
            await answer.content.readexactly(1 << 20)
            process.send_signal(signal.SIGKILL)
            with pytest.raises(aiohttp.ClientError):  # a time-out is none of these
                await answer.content.read()
    finally:
        process.kill()
        process.communicate()


async def test_a_cancelled_client_leaves_the_connection_usable(
    alice: Node, bob: Node, web_of_bob: aiohttp.ClientSession
) -> None:
    async def download() -> None:
        async with web_of_bob.get(url_of(alice.swarm.peer, "/endless")) as answer:
            while await answer.content.readany():
                pass

    for n in range(15):
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(download(), n * 0.007)
    assert await text(web_of_bob, alice.swarm.peer, "/who") == f"{bob.swarm.peer} "
    assert connections(bob) == 1


@pytest.mark.parametrize("who", ["alice", "bob"])
async def test_stop_in_the_middle_of_everything(
    alice: Node, bob: Node, who: str, request: pytest.FixtureRequest
) -> None:
    async def drain() -> None:
        async with client.get(url_of(alice.swarm.peer, "/endless")) as answer:
            while await answer.content.readany():
                pass

    async with session(bob, lambda peer: alice.swarm.addresses, limit_per_host=30) as client:
        jobs: list[asyncio.Future[Any]] = [
            asyncio.ensure_future(text(client, alice.swarm.peer, "/never")) for _ in range(20)
        ]
        jobs.append(asyncio.ensure_future(drain()))
        for _ in range(20):
            await asyncio.wait_for(alice.busy.acquire(), LIMIT)
        await (alice if who == "alice" else bob).swarm.stop()
        results = await asyncio.wait_for(asyncio.gather(*jobs, return_exceptions=True), LIMIT)
        assert all(isinstance(r, aiohttp.ClientError | Unreachable) for r in results), results


@contextlib.asynccontextmanager
async def proxied(node: Node) -> AsyncIterator[tuple[str, asyncio.Event]]:
    """An address of `node` behind a proxy, and the event which makes that forward no more, without a word."""
    frozen, writers = asyncio.Event(), []
    port = int(node.swarm.addresses[0].split("/")[4])

    async def forward(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writers.append(writer)
        while not frozen.is_set() and (data := await reader.read(65536)) and not frozen.is_set():
            writer.write(data)

    async def proxy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        far_reader, far_writer = await asyncio.open_connection("127.0.0.1", port, limit=65536)
        await asyncio.gather(forward(reader, far_writer), forward(far_reader, writer))

    async with await asyncio.start_server(proxy, "127.0.0.1", 0, limit=65536) as server:
        yield f"/ip4/127.0.0.1/tcp/{server.sockets[0].getsockname()[1]}", frozen
        for writer in writers:
            writer.transport.abort()


async def test_stop_does_not_wait_for_a_peer_that_reads_nothing(alice: Node, bob: Node) -> None:
    async with proxied(alice) as (address, frozen):
        with await bob.swarm.dial(alice.swarm.peer, [address]) as sock:
            frozen.set()
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(asyncio.get_running_loop().sock_sendall(sock, bytes(32 << 20)), 0.5)
            await asyncio.wait_for(bob.swarm.stop(), LIMIT)


async def test_a_connection_that_died_without_a_word_is_replaced(
    alice: Node, bob: Node, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with proxied(alice) as (address, frozen):
        (await bob.swarm.dial(alice.swarm.peer, [address])).close()
        frozen.set()
        monkeypatch.setattr("commons.net.joints.OPEN_SECONDS", 2.0)
        async with session(bob, lambda peer: alice.swarm.addresses) as client:
            assert await text(client, alice.swarm.peer, "/who") == f"{bob.swarm.peer} "


async def test_an_address_in_use_is_a_conflict(alice: Node) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        for address in (
            f"/ip4/127.0.0.1/tcp/{taken.getsockname()[1]}",
            alice.swarm.addresses[0].partition("/p2p/")[0],  # a socket which would share its port
            "/ip4/192.0.2.1/tcp/0",
        ):
            other = Node(listen=[LISTEN, address])
            with pytest.raises(Conflict, match=address):
                await other.swarm.start()
    with pytest.raises(Malformed):
        await Node(listen=["127.0.0.1:4001"]).swarm.start()
    with pytest.raises(Malformed):
        await Node(listen=["/ip4/127.0.0.1/udp/4001/quic-v1"]).swarm.start()


async def test_an_unreachable_peer_says_which_addresses_were_tried_and_why_each_failed(bob: Node) -> None:
    dead, other = f"/ip4/127.0.0.1/tcp/{free_port()}", f"/ip4/127.0.0.1/tcp/9/p2p/{bob.swarm.peer}"
    for _ in range(2):  # and no negative cache makes the second one say less
        with pytest.raises(Unreachable) as caught:
            await bob.swarm.dial(NOBODY, [dead, other, "nonsense", "/ip4/127.0.0.1/udp/1"])
        said = str(caught.value)
        assert NOBODY in said
        assert re.search(f"{dead}: nothing listens there", said)
        assert f"{other}: it names {bob.swarm.peer}" in said
        assert "nonsense: not a multiaddr" in said
    with pytest.raises(Unreachable, match="no address known"):
        await bob.swarm.dial(NOBODY, [])
    with pytest.raises(Unreachable, match="itself"):
        await bob.swarm.dial(bob.swarm.peer, [])
    with pytest.raises(Malformed):
        await bob.swarm.dial(PeerId("nobody"), [])


async def test_a_stalled_address_does_not_hide_the_next(
    alice: Node, bob: Node, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("commons.net.joints.DIAL_SECONDS", 0.3)
    with socket.socket() as mute:
        mute.bind(("127.0.0.1", 0))
        mute.listen()
        stalled = f"/ip4/127.0.0.1/tcp/{mute.getsockname()[1]}"
        with pytest.raises(Unreachable, match="no answer in"):
            await bob.swarm.dial(alice.swarm.peer, [stalled])
        mute.accept()[0].close()
        mute.setblocking(False)
        dialled = asyncio.create_task(bob.swarm.dial(alice.swarm.peer, [stalled, *alice.swarm.addresses]))
        with (await asyncio.get_running_loop().sock_accept(mute))[0]:
            monkeypatch.setattr("commons.net.joints.DIAL_SECONDS", LIMIT)  # for the next one
            (await dialled).close()


async def test_a_peer_other_than_the_one_asked_for_is_refused(alice: Node, bob: Node) -> None:
    address = alice.swarm.addresses[0].partition("/p2p/")[0]
    with pytest.raises(Unreachable, match=address):
        await bob.swarm.dial(NOBODY, [address])
    assert alice.streams == []


async def test_a_peer_that_restarts_is_dialled_again(bob: Node) -> None:
    seed, port = os.urandom(32), free_port()
    async with session(bob, lambda peer: [f"/ip4/127.0.0.1/tcp/{port}"]) as client:
        for _ in range(3):
            async with running(seed, [f"/ip4/127.0.0.1/tcp/{port}"]) as carol:
                assert await text(client, carol.swarm.peer, "/who") == f"{bob.swarm.peer} "


async def test_a_swarm_can_start_again_and_says_when_it_is_not_running(alice: Node, bob: Node) -> None:
    with pytest.raises(Conflict):
        await bob.swarm.start()
    await bob.swarm.stop()
    await bob.swarm.stop()
    assert bob.swarm.closed.result() is None
    with pytest.raises(Unreachable, match="not running"):
        await bob.swarm.dial(alice.swarm.peer, alice.swarm.addresses)
    await bob.swarm.start()
    (await bob.swarm.dial(alice.swarm.peer, alice.swarm.addresses)).close()


async def test_the_death_of_the_thread_is_told(alice: Node, bob: Node, caplog: pytest.LogCaptureFixture) -> None:
    def bug() -> None:
        raise ZeroDivisionError

    sock = await bob.swarm.dial(alice.swarm.peer, alice.swarm.addresses)
    assert bob.swarm._engine is not None
    bob.swarm._engine._soon(bug)
    assert await asyncio.wait_for(asyncio.shield(bob.swarm.closed), LIMIT) is not None
    assert await asyncio.wait_for(asyncio.get_running_loop().sock_recv(sock, 1), LIMIT) == b""
    with pytest.raises(Unreachable):
        await bob.swarm.dial(alice.swarm.peer, alice.swarm.addresses)
    sock.close()


async def test_a_start_that_is_cancelled_leaves_no_thread() -> None:
    node = Node()
    start = asyncio.ensure_future(node.swarm.start())
    await asyncio.sleep(0)
    start.cancel()
    with pytest.raises(asyncio.CancelledError):
        await start
    assert node.swarm._thread is None


async def test_a_cancelled_dial_leaks_nothing(alice: Node, bob: Node) -> None:
    (await bob.swarm.dial(alice.swarm.peer, alice.swarm.addresses)).close()
    with socket.socket() as mute:
        mute.bind(("127.0.0.1", 0))
        mute.listen()
        before = descriptors()
        for n in range(20):
            peer = alice.swarm.peer if n % 2 else NOBODY
            with contextlib.suppress(TimeoutError):
                sock = await asyncio.wait_for(
                    bob.swarm.dial(peer, [f"/ip4/127.0.0.1/tcp/{mute.getsockname()[1]}"]), n / 2000
                )
                sock.close()
        await until(lambda: descriptors() <= before + 2 * len(alice.runner.server.connections))  # type: ignore[union-attr]
        await until(lambda: descriptors() <= before)
    assert not bob.swarm._pending


# ---- streams, without HTTP


@contextlib.asynccontextmanager
async def raw_pair() -> AsyncIterator[tuple[socket.socket, socket.socket]]:
    """A stream's two ends: who dialled, who accepted."""
    accepted: asyncio.Queue[socket.socket] = asyncio.Queue()
    server = Swarm(os.urandom(32), [LISTEN], lambda peer, sock: accepted.put_nowait(sock))
    client = Swarm(os.urandom(32), [], lambda peer, sock: sock.close())
    await server.start()
    await client.start()
    try:
        near = await client.dial(server.peer, server.addresses)
        far = await asyncio.wait_for(accepted.get(), LIMIT)
        with near, far:
            yield near, far
    finally:
        await client.stop()
        await server.stop()


async def read_all(sock: socket.socket) -> bytes:
    data = b""
    async with asyncio.timeout(LIMIT):
        while part := await asyncio.get_running_loop().sock_recv(sock, 1 << 20):
            data += part
    return data


async def test_each_way_is_closed_by_itself() -> None:
    loop = asyncio.get_running_loop()
    async with raw_pair() as (near, far):
        await loop.sock_sendall(near, b"question")
        near.shutdown(socket.SHUT_WR)
        assert await read_all(far) == b"question"
        await loop.sock_sendall(far, b"answer")
        far.shutdown(socket.SHUT_WR)
        assert await read_all(near) == b"answer"


async def test_an_answer_overtakes_the_upload_it_refuses() -> None:
    loop = asyncio.get_running_loop()
    async with raw_pair() as (near, far):
        upload = asyncio.ensure_future(loop.sock_sendall(near, bytes(8 << 20)))
        assert await loop.sock_recv(far, 10)
        await loop.sock_sendall(far, b"too large")
        far.close()
        assert await asyncio.wait_for(loop.sock_recv(near, 100), LIMIT) == b"too large"
        upload.cancel()
        await asyncio.wait([upload])


async def test_a_client_that_leaves_stops_the_sender() -> None:
    loop = asyncio.get_running_loop()
    async with raw_pair() as (near, far):

        async def send() -> None:
            while True:
                await loop.sock_sendall(far, bytes(65536))

        sender = asyncio.ensure_future(send())
        await loop.sock_recv(near, 65536)
        near.close()
        with pytest.raises(ConnectionError):
            await asyncio.wait_for(sender, LIMIT)


async def test_a_stream_without_a_byte_is_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("commons.net.joints.IDLE_SECONDS", 0.3)
    async with raw_pair() as (near, far):
        assert await read_all(near) == await read_all(far) == b""


async def test_a_door_that_fails_closes_its_stream(alice: Node, bob: Node, caplog: pytest.LogCaptureFixture) -> None:
    def shut(peer: PeerId, sock: socket.socket) -> None:
        raise ZeroDivisionError

    alice.swarm._on_stream = shut
    with await bob.swarm.dial(alice.swarm.peer, alice.swarm.addresses) as sock:
        assert await read_all(sock) == b""
    assert "ZeroDivisionError" in caplog.text


# ---- the process


def test_importing_loads_neither_libp2p_nor_trio() -> None:
    code = (
        "import sys, commons.net.swarm, commons.net.connector\n"
        "sys.exit(bool({'libp2p', 'trio', 'multiaddr'} & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=False, timeout=LIMIT).returncode == 0


def descriptors() -> int:
    return len(os.listdir("/proc/self/fd"))


def connections(node: Node) -> int:
    assert node.swarm._engine is not None
    return len(node.swarm._engine.network.get_connections())
