"""A node under attack, a process of its own with the usual 1,024 descriptors: each test says who is served meanwhile.

Nothing is timed: what is held is held while the others ask, and every answer has the one generous limit.
"""

from __future__ import annotations

import asyncio
import json
import os
import resource
import socket
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import AsyncExitStack, suppress
from pathlib import Path
from typing import Any

import pytest

from commons.core.crypto.ids import PeerId
from commons.disk import home
from commons.errors import CommonsError, Unreachable
from commons.net import connector, descriptors
from commons.net.client import Client
from commons.net.swarm import Swarm
from commons.node import api, control
from commons.node import node as nodes
from tests.conftest import ANY, LIMIT, Party, Start, until
from tests.rows import few

ROOT = Path(__file__).resolve().parents[2]
USUAL = 1024  # descriptors, hard and soft
MANY = 1090  # connections


class Attacked:
    """A running node, who owns it, and what it told."""

    def __init__(self, path: Path) -> None:
        self.home, self.errors = path / "ana", path / "errors"
        home.create(self.home, home.personal("ana", "members", int(time.time())), {})
        self.process = subprocess.Popen(
            [sys.executable, "cli.py", "--home", str(self.home), "--json", "node", "--listen", ANY,
             "--http", "127.0.0.1:0"],
            cwd=ROOT, stdout=subprocess.PIPE, stderr=self.errors.open("wb"), text=True,
            preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (USUAL, USUAL)),
        )  # fmt: skip
        assert self.process.stdout is not None
        told = json.loads(self.process.stdout.readline())
        self.address, self.door, self.commons = told["addresses"][0], told["door"], told["commons"]
        self.plain = ("127.0.0.1", int(self.door.rpartition(":")[2]))
        self.streams = ("127.0.0.1", int(self.address.split("/")[4]))
        owner = json.loads((self.home / "control").read_text())["url"]
        self.owner = ("127.0.0.1", int(owner.rpartition(":")[2]))
        data = path / "data"
        data.mkdir()
        (data / "random.bin").write_bytes(os.urandom(9 << 20))
        words = {"path": str(data), "title": "Rivers", "licence": "CC0-1.0", "creators": ["Ana"]}
        asyncio.run(control.run(self.home, "publish", words, lambda done, whole: None))
        self.pack = max((self.home / "packs").rglob("*"), key=lambda each: each.stat().st_size).name

    def descriptors(self) -> int:
        return len(os.listdir(f"/proc/{self.process.pid}/fd"))

    async def serves_everybody(self) -> None:
        """A stranger at the plain door, a newcomer among the peers, the owner: reads, and what opens files."""
        async with asyncio.timeout(LIMIT):
            async with Stranger() as stranger:
                for path in ("/commons", f"/{self.commons}/checkpoint"):
                    assert await stranger.net.get(self.door, path, limit=16 << 20)
                while not await self._pack(stranger):  # who is slow makes room for others, and comes again
                    pass
                got = await stranger.net.get(self.address, f"/{self.commons}/tile/entries/000.p/2", limit=1 << 20)
                assert got
            for verb in ("status", "audit"):
                await control.run(self.home, verb, {}, lambda done, whole: None)
        assert self.descriptors() < USUAL

    async def _pack(self, stranger: Any) -> bytes:
        try:
            return await stranger.net.get(self.door, f"/packs/{self.pack}", limit=16 << 20)
        except Unreachable:
            return b""

    def stop(self) -> None:
        self.process.terminate()
        self.process.communicate(timeout=LIMIT)


class Stranger:
    """A peer with a key made for the occasion."""

    async def __aenter__(self) -> Stranger:
        self.swarm = Swarm(os.urandom(32), [], lambda peer, sock: sock.close())
        await self.swarm.start()

        async def swarm() -> Swarm:
            return self.swarm

        self.net = Client(swarm)
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.net.close()
        await self.swarm.stop()


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Attacked]:
    descriptors.lift()  # the attacker needs some, too
    made = Attacked(tmp_path_factory.mktemp("attacked"))
    yield made
    made.stop()


Hold = Callable[[Attacked, AsyncExitStack], Awaitable[None]]


async def connected(at: tuple[str, int], stack: AsyncExitStack, *said: bytes) -> socket.socket | None:
    """A connection that has said so much; None where it was cut off at once."""
    sock = socket.socket()
    stack.callback(sock.close)
    sock.setblocking(False)
    with suppress(OSError):
        await asyncio.get_running_loop().sock_connect(sock, at)
        for each in said:
            await asyncio.get_running_loop().sock_sendall(sock, each)
        return sock
    return None


def saying(door: str, count: int, *said: str) -> Hold:
    async def hold(node: Attacked, stack: AsyncExitStack) -> None:
        words = [each.format(pack=node.pack, commons=node.commons).encode("latin-1") for each in said]
        await asyncio.gather(*(connected(getattr(node, door), stack, *words) for _ in range(count)))

    return hold


async def seventeen_keys(node: Attacked, stack: AsyncExitStack) -> None:
    """As many streams each as a peer may have, and nothing said on any: together more than there is place for."""

    async def dial(stranger: Stranger) -> None:
        with suppress(CommonsError):
            stack.enter_context(await stranger.swarm.dial(PeerId(node.address.rpartition("/")[2]), [node.address]))

    for _ in range(17):
        stranger = await stack.enter_async_context(Stranger())
        await dial(stranger)
        await asyncio.gather(*(dial(stranger) for _ in range(31)))


POST = "POST /add-checkpoint HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\nold 0\n"
ATTACKS: dict[str, Hold] = {
    "silent connections at the plain door": saying("plain", MANY),
    "silent connections where peers come in": saying("streams", MANY),
    "silent connections at the owner's own door": saying("owner", MANY),
    "half of a handshake": saying("streams", MANY, "\x13/multistream/1.0.0\n\x07/noise\n"),
    "half-sent heads": saying("plain", 600, "GET /commons HTTP/1.1\r\nHost: x\r\nX-A: "),
    "half-sent bodies": saying("plain", 256, POST),
    "more half-sent bodies than there are places": saying("plain", 700, POST),
    "answers that nobody takes": saying("plain", 600, "GET /packs/{pack} HTTP/1.1\r\nHost: x\r\n\r\n"),
    "many requests one after another, and no answer taken": saying(
        "plain", 300, "GET /{commons}/tile/entries/000.p/2 HTTP/1.1\r\nHost: x\r\n\r\n" * 30
    ),
    "connections kept alive": saying("plain", 600, "GET /commons HTTP/1.1\r\nHost: x\r\n\r\n"),
    "half-sent heads at the owner's own door": saying("owner", 300, "POST /verbs/status HTTP/1.1\r\nHost: x"),
    "minted keys that hold every stream": seventeen_keys,
}


@pytest.mark.parametrize("attack", few(ATTACKS, 5))
async def test_everybody_is_served_while_somebody_holds(node: Attacked, attack: str) -> None:
    async with AsyncExitStack() as stack:
        await ATTACKS[attack](node, stack)
        await node.serves_everybody()
        await node.serves_everybody()


async def test_nobody_is_kept_out_by_who_comes_back_as_often_as_they_are_sent_away(node: Attacked) -> None:
    async with AsyncExitStack() as stack:

        async def again() -> None:
            while True:
                async with AsyncExitStack() as held:
                    await saying("plain", 50, "GET /commons HTTP/1.1\r\nHost: x\r\nX-A: ")(node, held)
                    await saying("streams", 50)(node, held)
                    await asyncio.sleep(0.02)

        for _ in range(4):
            task = asyncio.create_task(again())
            stack.callback(task.cancel)
        await node.serves_everybody()


RUDE = (
    "\x16\x03\x01\x00\xa5\x01\x00\x00\xa1\x03\x03", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "\0" * 200, "GET\r\n\r\n",
    "GET / HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n", "GET /commons HTTP/1.1\r\nHost: x\r\n\r\n" * 40,
    "POST /add-checkpoint HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\nold", POST + "\0" * 994, POST,
    "POST /add-checkpoint HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
    "POST /add-checkpoint HTTP/1.1\r\nHost: x\r\nExpect: 42-miracles\r\nContent-Length: 1\r\n\r\n",
    "GET /packs/{pack} HTTP/1.1\r\nHost: x\r\n\r\n",
    "GET /packs/{pack} HTTP/1.1\r\nHost: x\r\nRange: bytes=1-2000000\r\n\r\n",
    "GET /{commons}/openings/000 HTTP/1.1\r\nHost: x\r\n\r\n", "CONNECT a:1 HTTP/1.1\r\nHost: x\r\n\r\n",
    "GET / HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\nxxxx",
)  # fmt: skip


@pytest.mark.rest
async def test_what_callers_do_wrong_is_no_line_in_the_owners_log(node: Attacked) -> None:
    """Nonsense, hanging up in mid-request and in mid-answer, at each door, politely and not: the last test of all."""
    async with AsyncExitStack() as stack:
        for door in ("plain", "streams", "owner"):
            for said in RUDE:
                words = said.format(pack=node.pack, commons=node.commons).encode("latin-1")
                for abrupt in (False, True):
                    sock = await connected(getattr(node, door), stack, words)
                    if sock is not None and abrupt:
                        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, bytes([1, 0, 0, 0, 0, 0, 0, 0]))
                    if sock is not None:
                        sock.close()
        async with Stranger() as stranger:
            peer = PeerId(node.address.rpartition("/")[2])
            for said in RUDE:
                with await stranger.swarm.dial(peer, [node.address]) as sock, suppress(OSError):
                    words = said.format(pack=node.pack, commons=node.commons).encode("latin-1")
                    await asyncio.get_running_loop().sock_sendall(sock, words)
        await node.serves_everybody()
        for _ in range(3):
            await connected(node.plain, stack, f"GET /packs/{node.pack} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
        await asyncio.to_thread(node.stop)  # in mid-answer
    lines = node.errors.read_text().splitlines()
    assert [line.split()[1:3] for line in lines] == [["INFO", "published"]]  # what the owner did, and nothing else


# -- how long anybody may take ---------------------------------------------------------------------------------------


@pytest.fixture
async def hurried(start: Start, folder: Path, monkeypatch: pytest.MonkeyPatch) -> Party:
    """A node in this process whose every time is short, but for those that a test makes long."""
    for module, name, value in (
        (connector, "HEAD_SECONDS", 0.3), (connector, "TAKE_SECONDS", 0.3), (connector, "LOOK_SECONDS", 0.05),
        (nodes, "LINGER_SECONDS", 0.1), (api, "BODY_SECONDS", 0.3), (api, "SLICE_SECONDS", 0.3),
    ):  # fmt: skip
        monkeypatch.setattr(module, name, value)
    (folder / "random.bin").write_bytes(os.urandom(24 << 20))
    party = await start("ana", http="127.0.0.1:0")
    await party.publish(folder)
    return party


async def said_until_cut(party: Party, first: str, more: bytes = b"") -> bytes:
    """What comes back for `first`, then `more` again and again, until the node has had enough. Of an answer, next to
    nothing is taken before that."""
    server, loop, told = party.node._runner.server, asyncio.get_running_loop(), b""
    assert server is not None
    async with asyncio.timeout(LIMIT), AsyncExitStack() as stack:
        sock = await connected(("127.0.0.1", int(str(party.node.door).rpartition(":")[2])), stack, first.encode())
        assert sock is not None
        await until(lambda: server.connections)
        while server.connections:
            with suppress(BlockingIOError, ConnectionError):
                told += sock.recv(100)
            with suppress(ConnectionError):
                if more:
                    await loop.sock_sendall(sock, more)
            await asyncio.sleep(0.02)
        with suppress(ConnectionError):
            while part := await loop.sock_recv(sock, 1 << 20):
                told += part
        return told


async def test_a_head_that_comes_byte_by_byte_is_cut_off(hurried: Party) -> None:
    assert await said_until_cut(hurried, "GET /commons HTTP/1.1\r\nHost: x\r\nX-A: ", b"x") == b""


async def test_a_head_that_stops_is_cut_off(hurried: Party) -> None:
    assert await said_until_cut(hurried, "GET /comm") == b""


@pytest.mark.parametrize("head", ["Content-Length: 100000", "Transfer-Encoding: chunked"])
@pytest.mark.parametrize("more", [b"", b"1\r\nx\r\n"])
async def test_a_body_that_does_not_come_is_answered_and_cut_off(
    hurried: Party, head: str, more: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(api, "SLOWEST", 1 << 20)
    told = await said_until_cut(hurried, f"POST /add-checkpoint HTTP/1.1\r\nHost: x\r\n{head}\r\n\r\n", more)
    assert told.startswith(b"HTTP/1.1 504 ")
    assert b"no-store" in told


async def test_an_answer_that_is_taken_too_slowly_is_cut_off(hurried: Party) -> None:
    pack = max(hurried.home.packs.path(bytes(32)).parent.iterdir(), key=lambda each: each.stat().st_size)
    told = await said_until_cut(hurried, f"GET /packs/{pack.name} HTTP/1.1\r\nHost: x\r\n\r\n")
    assert len(told) < pack.stat().st_size


async def test_who_only_asks_and_never_listens_is_cut_off(hurried: Party, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hurried.node.site, "names", lambda caller: bytes(8 << 20))
    told = await said_until_cut(hurried, "GET /commons HTTP/1.1\r\nHost: x\r\n\r\n")
    assert len(told) < 8 << 20


async def test_what_nobody_takes_fills_no_memory(hurried: Party, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connector, "TAKE_SECONDS", 2 * LIMIT)  # by that alone, all of it waits until the test fails
    monkeypatch.setattr(connector, "UNTAKEN", 20 << 20)
    asked = list[int]()
    monkeypatch.setattr(hurried.node.site, "names", lambda caller: asked.append(1) or bytes(8 << 20))
    at = ("127.0.0.1", int(str(hurried.node.door).rpartition(":")[2]))
    async with AsyncExitStack() as stack:
        for _ in range(12):
            await connected(at, stack, b"GET /commons HTTP/1.1\r\nHost: x\r\n\r\n")
        server = hurried.node._runner.server
        assert server is not None
        await until(lambda: len(asked) == 12)
        await until(lambda: 0 < sum(each.untaken for each in server.connections) < 20 << 20)  # type: ignore[attr-defined]


async def test_who_takes_a_long_answer_steadily_gets_all_of_it(hurried: Party, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connector, "TAKE_SECONDS", 1.0)
    monkeypatch.setattr(api, "SLICE_SECONDS", 1.0)
    pack = max(hurried.home.packs.path(bytes(32)).parent.iterdir(), key=lambda each: each.stat().st_size)
    size, got = pack.stat().st_size, 0
    reader, writer = await asyncio.open_connection(
        "127.0.0.1", int(str(hurried.node.door).rpartition(":")[2]), limit=1 << 16
    )  # fmt: skip
    writer.write(f"GET /packs/{pack.name} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode())
    await reader.readuntil(b"\r\n\r\n")
    async with asyncio.timeout(LIMIT):
        while part := await reader.read(1 << 19):
            got += len(part)
            await asyncio.sleep(0.03)  # longer in all than any one time that is short here
    assert got == size
    writer.close()


async def test_a_caller_who_left_leaves_no_file_open(hurried: Party, monkeypatch: pytest.MonkeyPatch) -> None:
    """asyncio would let a pack on its way wait for a socket that we closed ourselves."""
    monkeypatch.setattr(api, "SLICE_SECONDS", LIMIT)
    pack = max(hurried.home.packs.path(bytes(32)).parent.iterdir(), key=lambda each: each.stat().st_size)

    def open_packs() -> int:
        links = [Path(f"/proc/self/fd/{each}") for each in os.listdir("/proc/self/fd")]
        return sum(os.path.realpath(each) == str(pack) for each in links)

    at = ("127.0.0.1", int(str(hurried.node.door).rpartition(":")[2]))
    async with AsyncExitStack() as stack:
        for _ in range(5):
            await connected(at, stack, f"GET /packs/{pack.name} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
        await until(lambda: open_packs() == 5)
        server = hurried.node._runner.server
        assert server is not None
        for each in server.connections:
            each.leave()  # type: ignore[attr-defined]
        await until(lambda: open_packs() == 0)


async def test_a_connection_that_says_nothing_is_closed(
    start: Start, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("commons.node.node.IDLE_SECONDS", 0.3)
    party: Any = await start("ana", http="127.0.0.1:0")
    assert await said_until_cut(party, "") == b""
    assert await said_until_cut(party, "GET /commons HTTP/1.1\r\nHost: x\r\n\r\n") != b""
    assert caplog.records == []
