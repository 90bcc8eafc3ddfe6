"""How near HTTP over a joined stream comes to a bare py-libp2p stream. Two processes, loopback; prints a table.

Run it from the checkout: `python bench/swarm.py [--mib 256]`. Under a minute. The bare stream, of the same run, is the
limit; the guarded one is the same with our host's windows.
"""

from __future__ import annotations

import argparse
import asyncio
import logging
import os
import socket
import statistics
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from aiohttp import ClientSession, web

from commons.core.crypto.ids import PeerId
from commons.net.connector import Connector, serve, url_of
from commons.net.swarm import Swarm

MIB = 1 << 20
LISTEN = "/ip4/127.0.0.1/tcp/0"
BARE = "/bench/bare/1"
PEERS: dict[Any, PeerId] = {}


def row(name: str, value: str) -> None:
    print(f"{name:<58}{value:>22}", flush=True)


async def http_server() -> None:
    blob = memoryview(os.urandom(MIB))

    async def piece(request: web.Request) -> web.StreamResponse:
        start = request.http_range.start or 0
        stop = request.http_range.stop or start + MIB
        answer = web.StreamResponse(status=206, headers={"Content-Length": str(stop - start)})
        await answer.prepare(request)
        await answer.write(blob[: stop - start])
        return answer

    async def small(request: web.Request) -> web.Response:
        return web.Response(text="ok")

    app = web.Application()
    app.router.add_get("/piece", piece)
    app.router.add_get("/small", small)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    assert runner.server is not None
    server, jobs = runner.server, set()

    def on_stream(peer: PeerId, sock: socket.socket) -> None:
        job = asyncio.ensure_future(serve(server, sock, lambda handler: None))
        jobs.add(job)
        job.add_done_callback(jobs.discard)

    swarm = Swarm(os.urandom(32), [LISTEN], on_stream)
    await swarm.start()
    print(swarm.addresses[0], flush=True)
    await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)
    await swarm.stop()
    await runner.cleanup()


def bare_host(guarded: bool) -> Any:
    from libp2p import new_host
    from libp2p.crypto.ed25519 import create_new_key_pair
    from multiaddr import Multiaddr  # type: ignore[import-untyped]

    from commons.net import host

    if guarded:
        return host.build(os.urandom(32), [Multiaddr(LISTEN)])
    pair = create_new_key_pair(os.urandom(32))
    return new_host(key_pair=pair, sec_opt=host.security(pair), listen_addrs=[Multiaddr(LISTEN)])


async def bare_server(guarded: bool) -> None:
    import trio
    from multiaddr import Multiaddr

    host = bare_host(guarded)

    async def send(stream: Any) -> None:
        count, block = int.from_bytes(await stream.read(8), "big"), os.urandom(MIB)
        for _ in range(count):
            await stream.write(block)
        await stream.close()

    host.set_stream_handler(BARE, send)
    async with host.run(listen_addrs=[Multiaddr(LISTEN)]):
        print(host.get_addrs()[0], flush=True)
        await trio.to_thread.run_sync(sys.stdin.read)


async def bare_client(address: str, mib: int, guarded: bool) -> float:
    import trio
    from libp2p.network.stream.exceptions import StreamEOF
    from libp2p.peer.peerinfo import info_from_p2p_addr
    from multiaddr import Multiaddr

    host, info = bare_host(guarded), info_from_p2p_addr(Multiaddr(address))
    async with host.run(listen_addrs=[]):
        await host.get_network().dial_addr(info.addrs[0], info.peer_id)
        stream = await host.new_stream(info.peer_id, [BARE])
        began, got = time.perf_counter(), 0
        with trio.fail_after(60):
            await stream.write(mib.to_bytes(8, "big"))
            while got < mib * MIB:
                try:
                    got += len(await stream.read(65536))
                except StreamEOF:
                    break
        assert got == mib * MIB
        return mib * MIB / (time.perf_counter() - began) / 1e6


async def http_client(address: str, mib: int) -> None:
    peer = PeerId(address.rpartition("/")[2])
    swarm = Swarm(os.urandom(32), [], lambda peer, sock: sock.close())
    await swarm.start()

    async def given() -> Swarm:
        return swarm

    def session(**options: Any) -> ClientSession:
        return ClientSession(connector=Connector(given, lambda peer: [address], **options))

    async def get(client: ClientSession, path: str, **headers: str) -> int:
        got = 0
        async with client.get(url_of(peer, path), headers=headers) as answer:
            async for part in answer.content.iter_any():
                got += len(part)
        return got

    async with session() as client:
        await get(client, "/small")
        for streams in (1, 4):
            todo = iter(range(mib))

            async def worker(todo: Any = todo) -> None:
                for n in todo:
                    assert await get(client, "/piece", Range=f"bytes={n * MIB}-{(n + 1) * MIB - 1}") == MIB

            began = time.perf_counter()
            await asyncio.gather(*(worker() for _ in range(streams)))
            row(
                f"HTTP ranges of 1 MiB, {streams} stream(s)",
                f"{mib * MIB / (time.perf_counter() - began) / 1e6:.0f} MB/s",
            )
        await latency("small GET, kept-alive stream", lambda: get(client, "/small"))
    async with session(force_close=True, keepalive_timeout=None) as client:
        await latency("small GET, fresh stream", lambda: get(client, "/small"))
    await swarm.stop()


async def latency(name: str, request: Callable[[], Awaitable[object]], count: int = 300) -> None:
    taken = []
    for _ in range(count):
        began = time.perf_counter()
        await request()
        taken.append(1e3 * (time.perf_counter() - began))
    row(name, f"{statistics.median(taken):.1f} / {sorted(taken)[-count // 100]:.1f} ms")


def with_server(role: str, use: Callable[[str], None]) -> None:
    process = subprocess.Popen(
        [sys.executable, __file__, "--role", role], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    use(process.stdout.readline().strip())
    process.communicate("", timeout=10)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--mib", type=int, default=256, help="how much to move in each test")
    parser.add_argument("--role", choices=["http", "bare", "guarded"], help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.role == "http":
        return asyncio.run(http_server())
    import trio

    if given.role:
        return trio.run(bare_server, given.role == "guarded")
    logging.getLogger("libp2p").addHandler(logging.NullHandler())
    for role in ("bare", "guarded"):
        with_server(
            role,
            lambda address, role=role: row(  # type: ignore[misc]
                f"{role} py-libp2p stream", f"{trio.run(bare_client, address, given.mib, role == 'guarded'):.0f} MB/s"
            ),
        )
    with_server("http", lambda address: asyncio.run(http_client(address, given.mib)))
    return None


if __name__ == "__main__":
    main()
