"""Every route by every door, asked byte by byte: what is given, what is refused, and what no request can break."""

from __future__ import annotations

import asyncio
import json
import logging
import os
import re
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import msgpack
import pytest
from aiohttp import web

from commons.access.registrar import Registrar
from commons.core.crypto.ids import PeerId, cid
from commons.core.crypto.keys import Signer
from commons.disk import openings
from commons.disk.home import Home
from commons.errors import Internal, Malformed, NotFound, Refused, TooLarge, TooMany
from commons.net.connector import listen, tagged
from commons.net.limits import Allowance, Buckets
from commons.node import api
from commons.node.node import Node
from commons.node.site import Site
from tests.conftest import LIMIT, MakeHome, Party
from tests.dishonest import Asker, Liar

ANNA, BEN = Signer(b"\1" * 32).peer, Signer(b"\2" * 32).peer


class Got:
    """One answer: `told` is its error's number."""

    def __init__(self, data: bytes) -> None:
        head, _, self.body = data.partition(b"\r\n\r\n")
        first, *lines = head.decode().split("\r\n")
        self.status = int(first.split()[1])
        self.headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in lines)}

    @property
    def told(self) -> int:
        return int(json.loads(self.body)["error"])


class Door:
    """One listener of the application, for one caller; what is sent to it is written here byte by byte."""

    def __init__(self, port: int) -> None:
        self.port = port

    async def raw(self, data: bytes) -> bytes:
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        try:
            writer.write(data)
            async with asyncio.timeout(LIMIT):
                head = await reader.readuntil(b"\r\n\r\n")
                length = re.search(rb"(?i)content-length: ([0-9]+)", head)
                if length is None or data.startswith(b"HEAD "):
                    return head + await reader.read()
                return head + await reader.readexactly(int(length[1]))
        finally:
            writer.close()

    async def ask(self, method: str, path: str, body: bytes = b"", **headers: str) -> Got:
        lines = [f"{method} {path} HTTP/1.1", "Host: x", "Connection: close"]
        lines += [f"{name}: {value}" for name, value in headers.items()]
        if body or method == "POST":
            lines.append(f"Content-Length: {len(body)}")
        return Got(await self.raw("\r\n".join([*lines, "", ""]).encode("latin-1") + body))

    async def get(self, path: str, **headers: str) -> Got:
        return await self.ask("GET", path, **headers)


class House:
    """A home with a dataset, and the application over its site: by the plain door, and as any peer."""

    def __init__(self, party: Party, reference: str) -> None:
        self.party, self.home, self.asker = party, party.home, Asker(party, reference)
        self.commons, self.cid = party.home.first.commons, self.asker.cid
        self.root = self.asker.manifest.packs[0].root
        self.pack = party.home.packs.path(self.root).read_bytes()
        self.doors = api.Doors()
        self.stack = AsyncExitStack()

    async def open(self, caller: api.Caller | None, site: api.Site | None = None) -> Door:
        app = api.application(site or self.party.node.site, self.doors)
        runner = web.AppRunner(app, access_log=None, handle_signals=False, shutdown_timeout=0.1, logger=api.server_log)
        await runner.setup()
        self.stack.push_async_callback(runner.cleanup)
        assert runner.server
        factory: Callable[[], Any] = runner.server
        if caller is not None:
            factory = tagged(runner.server, self.doors.tag(caller))
        server = await asyncio.get_running_loop().create_server(factory, "127.0.0.1", 0)
        self.stack.callback(server.close)
        return Door(server.sockets[0].getsockname()[1])

    async def plain(self) -> Door:
        return await self.open(api.Caller("plain"))

    async def peer(self, peer: PeerId = ANNA) -> Door:
        return await self.open(api.Caller("peer", peer))

    def paths(self) -> list[str]:
        """Every resource that anybody may read."""
        return [
            "/.well-known/libp2p/protocols", "/commons", f"/manifests/{self.cid}", f"/packs/{self.root.hex()}",
            f"/packs/{self.root.hex()}/pieces", f"/{self.commons}/checkpoint", f"/{self.commons}/tile/entries/000.p/2",
            f"/{self.commons}/tile/0/000.p/2", f"/{self.commons}/consistency/1/2", f"/{self.commons}/cosigned",
        ]  # fmt: skip


@pytest.fixture
async def house(make_home: MakeHome, tmp_path: Path) -> AsyncIterator[House]:
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "random.bin").write_bytes(os.urandom(70_000))
    with Home(make_home("alice")) as home:
        async with Node(home) as node:
            party = Party(node)
            made = House(party, await party.publish(tmp_path / "data"))
            async with made.stack:
                yield made


# -- doors -----------------------------------------------------------------------------------------------------------


async def test_what_is_public_is_the_same_by_every_door(house: House) -> None:
    plain, peer = await house.plain(), await house.peer()
    for path in house.paths():
        one, other = await plain.get(path), await peer.get(path)
        assert (one.status, other.status) == (200, 200), path
        assert one.body == other.body != b"", path
    assert json.loads((await plain.get("/.well-known/libp2p/protocols")).body) == {"/commons/1": {"path": "/"}}
    assert (await plain.get(f"/manifests/{house.cid}")).headers["cache-control"].endswith("immutable")


async def test_the_plain_door_takes_no_request_and_shows_no_opening(house: House) -> None:
    await house.asker.ask()
    door, size = await house.plain(), house.home.first.log.size
    statement = house.asker.submission(house.asker.asked())
    for path in ("entries", "release", "publications"):
        for body in (b"", statement, bytes(api.BODY * 4)):
            got = await door.ask("POST", f"/{house.commons}/{path}", body)
            assert (got.status, got.told) == (403, Refused.number)
    got = await door.get(f"/{house.commons}/openings/000.p/4")
    assert (got.status, got.told) == (403, Refused.number)
    assert house.home.first.log.size == size


async def test_a_connection_that_came_in_by_no_door_gets_nothing(house: House) -> None:
    door = await house.open(None)
    for path in house.paths():
        assert (await door.get(path)).told == Refused.number, path


async def test_no_header_makes_a_caller_somebody_else(house: House) -> None:
    door = await house.plain()
    lies = {
        "X-Peer": house.party.peer, "X-Forwarded-For": "127.0.0.1", "Peer-Id": house.party.peer,
        "Authorization": "Bearer x", "X-HTTP-Method-Override": "POST", "Forwarded": "for=127.0.0.1",
    }  # fmt: skip
    got = await door.get(f"/{house.commons}/openings/000.p/2", **lies)
    assert got.told == Refused.number


@pytest.mark.parametrize("readers", ["owner", "members", "public"])
async def test_openings_show_each_reader_what_the_charter_says(
    make_home: MakeHome, tmp_path: Path, readers: str
) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "a.txt").write_text("a")
    with Home(make_home("alice", readers)) as home:
        async with Node(home) as node:
            party = Party(node)
            made = House(party, await party.publish(tmp_path / "data"))
            async with made.stack:
                anna, ben = Asker(party, f"commons:{made.cid}", b"\1" * 32), made.asker
                assert await anna.ask() == 2
                assert await ben.ask() == 4
                peers = {"anna": anna.keys.identity.peer, "owner": party.peer, "stranger": BEN}
                seen = {}
                for name, peer in peers.items():
                    got = await (await made.peer(PeerId(peer))).get(f"/{made.commons}/openings/000.p/6")
                    seen[name] = [index for index, _ in msgpack.unpackb(got.body)]
    everything = [2, 4]
    assert seen["owner"] == everything
    assert seen["anna"] == (everything if readers == "public" else [2])
    assert seen["stranger"] == (everything if readers == "public" else [])


# -- paths and verbs -------------------------------------------------------------------------------------------------


async def test_no_other_verb_does_anything(house: House) -> None:
    door, size = await house.peer(), house.home.first.log.size
    for method in ("PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "CONNECT", "BREW", "POST"):
        for path in (*house.paths(), f"/{house.commons}/openings/000.p/2"):
            got = await door.ask(method, path)
            assert 400 <= got.status < 500, (method, path)
            assert b"Traceback" not in got.body, (method, path)
    assert house.home.first.log.size == size


async def test_entries_and_release_are_only_posted_to(house: House) -> None:
    door = await house.peer()
    for path in ("entries", "release"):
        for method in ("GET", "HEAD", "PUT"):
            assert (await door.ask(method, f"/{house.commons}/{path}")).status == 404


async def test_head_is_get_without_its_body(house: House) -> None:
    door = await house.plain()
    for path in house.paths():
        head, got = await door.ask("HEAD", path), await door.get(path)
        assert (head.status, head.body) == (200, b""), path
        assert head.headers["content-length"] == str(len(got.body)), path


async def test_every_other_commons_is_unknown(house: House) -> None:
    other = cid(b"another charter")
    door = await house.peer()
    for path in ("checkpoint", "tile/entries/000.p/2", "consistency/1/2", "openings/000.p/2"):
        assert (await door.get(f"/{other}/{path}")).told == NotFound.number, path
    for path in ("entries", "release"):
        assert (await door.ask("POST", f"/{other}/{path}", b"x")).told == NotFound.number, path


TRICKS = [
    "/packs/../config.json", "/packs/%2e%2e%2fseed", "/packs/..%2f..%2fseed", "/packs/....//seed", "/packs//seed",
    "/packs/{root}/../../seed", "/packs/{root}%00", "/packs/{root}.layer", "/packs/{ROOT}", "/packs/0{root}",
    "/packs/{root}/pieces/../../../seed", "/packs/" + "g" * 64, "/packs/" + "0" * 63, "/packs/" + "０" * 3,
    "/packs/{root}/", "/packs/%20{root}", "/manifests/../seed", "/manifests/{cid}%00", "/manifests/{CID}",
    "/manifests/{cid}/", "/manifests/", "/manifests/b", "/manifests/bafk", "/manifests/" + "b" * 7000,
    "/{commons}/tile/../../seed", "/{commons}/tile/entries/%2e%2e/seed", "/{commons}/tile/entries/000.p/0",
    "/{commons}/tile/entries/000.p/257", "/{commons}/tile/entries/000.p/999", "/{commons}/tile/entries/000.p/02",
    "/{commons}/tile/entries/000", "/{commons}/tile/entries/001.p/1", "/{commons}/tile/0/000.p/3",
    "/{commons}/tile/64/000", "/{commons}/tile/99/000.p/1", "/{commons}/tile/00/000.p/1", "/{commons}/tile/-1/000",
    "/{commons}/tile/0/x999/x999/x999/x999/x999/x999/999", "/{commons}/tile/0/x000/000.p/2", "/{commons}/tile/0/0",
    "/{commons}/tile/0/٠٠٠", "/{commons}/tile/entries/000.p/2%0a", "/{commons}/tile/entries/000.p/2/",
    "/{commons}/tile/", "/{commons}/openings/../checkpoint", "/{commons}/openings/x",
    "/{commons}/openings/%2e%2e%2f0%2f000.p/2", "/{commons}/openings/000.p/3%00", "/{commons}/openings/",
    "/{commons}/consistency/2/1", "/{commons}/consistency/-1/2", "/{commons}/consistency/1/999999999999999999",
    "/{commons}/consistency/1/9999999999999999999999", "/{commons}/consistency/1/3", "/{commons}/consistency/a/b",
    "/{COMMONS}/checkpoint", "/baf/checkpoint", "/../../etc/passwd", "//etc/passwd", "/control", "/seed", "/",
    "/verbs/status", "/{commons}", "/{commons}/", "/{commons}/log.db", "/commons/", "/%", "/%zz", "/%ff%fe",
    "/commons;x", "/packs/{root};x", "http://evil.example/seed", "/.well-known/libp2p/../../seed",
]  # fmt: skip


async def test_a_path_with_a_trick_in_it_leads_nowhere(house: House) -> None:
    door = await house.peer()
    known = {"root": house.root.hex(), "cid": house.cid, "commons": house.commons}
    seed = (house.home.path / "seed").read_bytes().strip()
    for trick in TRICKS:
        path = trick
        for name, value in known.items():
            path = path.replace(f"{{{name}}}", value).replace(f"{{{name.upper()}}}", value.upper())
        got = await door.get(path.encode().decode("latin-1"))
        assert 400 <= got.status < 500, path
        for secret in (seed, b"Traceback", str(house.home.path).encode()):  # no path of this machine is told
            assert secret not in got.body, path


# -- ranges ----------------------------------------------------------------------------------------------------------


async def test_a_range_of_a_pack_is_exactly_that(house: House) -> None:
    door = await house.plain()
    for asked, part in {
        "bytes=0-0": slice(0, 1), "bytes=10-19": slice(10, 20), "bytes=-5": slice(-5, None),
        "bytes=100-": slice(100, None), "bytes=0-999999999999": slice(0, None), "bytes=-999999999": slice(0, None),
    }.items():  # fmt: skip
        got = await door.get(f"/packs/{house.root.hex()}", Range=asked)
        assert got.status == 206, asked
        assert got.body == house.pack[part], asked
        assert got.headers["content-range"].endswith(f"/{len(house.pack)}"), asked


async def test_a_range_that_is_none_gives_no_wrong_bytes(house: House) -> None:
    door = await house.plain()
    for asked in ("bytes=999999999-", "bytes=5-2", "bytes=0-1,5-6", "lines=1-2", "bytes=", "bytes=-", "x" * 99):
        got = await door.get(f"/packs/{house.root.hex()}", Range=asked)
        assert got.status in (200, 416), asked
        assert got.body == house.pack if got.status == 200 else got.body in (b"", b"0\r\n\r\n"), asked


async def test_a_dataset_that_is_dropped_is_not_served(house: House) -> None:
    door = await house.plain()
    await house.party.desk.drop(dataset=house.cid)
    for path in (f"/packs/{house.root.hex()}", f"/packs/{house.root.hex()}/pieces"):
        assert (await door.get(path)).told == NotFound.number


# -- bodies and headers ----------------------------------------------------------------------------------------------


async def test_a_body_over_the_limit_is_refused_whether_stated_or_chunked(house: House) -> None:
    door = await house.peer()
    for path in ("entries", "release"):
        got = await door.ask("POST", f"/{house.commons}/{path}", bytes(api.BODY + 1))
        assert (got.status, got.told) == (413, TooLarge.number)
        head = f"POST /{house.commons}/{path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n"
        stated = Got(await door.raw((head + f"Content-Length: {10**15}\r\n\r\n").encode()))
        assert (stated.status, stated.told) == (413, TooLarge.number)  # before a byte of it came
        chunk = f"{1 << 16:x}\r\n".encode() + bytes(1 << 16) + b"\r\n"
        chunked = Got(await door.raw((head + "Transfer-Encoding: chunked\r\n\r\n").encode() + chunk * 3 + b"0\r\n\r\n"))
        assert (chunked.status, chunked.told) == (413, TooLarge.number)


@pytest.mark.parametrize("packing", ["gzip", "deflate", "br"])
async def test_a_packed_body_is_no_bomb(house: House, packing: str) -> None:
    import zlib

    packer = zlib.compressobj(9, wbits=31 if packing == "gzip" else 15)
    bomb = packer.compress(bytes(20 << 20)) + packer.flush()
    got = await (await house.peer()).ask(
        "POST", f"/{house.commons}/entries", bomb, **{"Content-Encoding": packing}
    )  # fmt: skip
    assert 400 <= got.status < 500
    assert (await (await house.peer()).get("/commons")).status == 200


NONSENSE = [
    b"GET / HTTP/1.1\r\nHost: x\r\nX: " + b"x" * 20_000 + b"\r\n\r\n",
    b"GET /" + b"x" * 20_000 + b" HTTP/1.1\r\nHost: x\r\n\r\n",
    b"GET / HTTP/1.1\r\n" + b"X: y\r\n" * 5000 + b"\r\n",
    b"GET / HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    b"GET /\x00 HTTP/1.1\r\nHost: x\r\n\r\n", b"\r\n\r\n\r\nnonsense\r\n\r\n", b"GET / HTTP/9.9\r\n\r\n",
    b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", b"\x16\x03\x01\x00\xa5\x01\x00\x00\xa1\x03\x03" + bytes(150),
    b"GET / HTTP/1.1\r\nHost: x\r\nBad Header\r\n\r\n", b"GET / HTTP/1.1\r\nHost: x\r\n folded: y\r\n\r\n",
]  # fmt: skip


async def test_what_is_no_request_is_answered_and_forgotten(house: House) -> None:
    door = await house.plain()
    for data in NONSENSE:
        answer = await door.raw(data)
        assert answer.startswith((b"HTTP/1.1 4", b"HTTP/1.0 4")), data[:80]
        assert b"Traceback" not in answer, data[:80]
        assert len(answer) < 20_000, data[:80]
        assert (await door.get("/commons")).status == 200, data[:80]


async def test_a_body_that_breaks_off_is_nobodys_bug(house: House, caplog: pytest.LogCaptureFixture) -> None:
    door = await house.peer()
    head = f"POST /{house.commons}/entries HTTP/1.1\r\nHost: x\r\n"
    for body in ("Content-Length: 100\r\n\r\nten bytes.", "Transfer-Encoding: chunked\r\n\r\n5\r\n12"):
        _, writer = await asyncio.open_connection("127.0.0.1", door.port)
        writer.write((head + body).encode())
        await writer.drain()
        assert (await door.get("/commons")).status == 200  # by now the first bytes are read
        writer.transport.abort()
    got = Got(await door.raw((head + "Transfer-Encoding: chunked\r\n\r\nzz\r\n").encode()))
    assert 400 <= got.status < 500
    assert (await door.get("/commons")).status == 200
    assert [record.message for record in caplog.records if record.levelno >= logging.ERROR] == []


# -- load and bugs ---------------------------------------------------------------------------------------------------


class Waits(Liar):
    """Answers a submission only once the test lets it."""

    def __init__(self, honest: Site) -> None:
        super().__init__(honest)
        self.begun, self.go = asyncio.Semaphore(0), asyncio.Event()

    async def submit(self, commons: str, body: bytes) -> bytes:
        self.begun.release()
        await self.go.wait()
        return b"done"


async def test_one_peer_has_its_share_of_the_node_and_not_more(house: House) -> None:
    site = Waits(house.party.node.site)
    anna = await house.open(api.Caller("peer", ANNA), site)  # type: ignore[arg-type]
    path = f"/{house.commons}/entries"
    waiting = [asyncio.create_task(anna.ask("POST", path, b"x")) for _ in range(api.AT_WORK)]
    for _ in waiting:
        await site.begun.acquire()
    for got in (await anna.ask("POST", path, b"x"), await anna.get("/commons")):
        assert (got.status, got.told) == (429, TooMany.number)
    site.go.set()
    assert {(await task).status for task in waiting} == {200}
    assert (await anna.get("/commons")).status == 200


async def test_a_busy_peer_takes_nothing_from_another(house: House) -> None:
    site = Waits(house.party.node.site)
    app = api.application(site, house.doors)  # type: ignore[arg-type]
    runner = web.AppRunner(app, access_log=None, handle_signals=False, shutdown_timeout=0.1, logger=api.server_log)
    await runner.setup()
    house.stack.push_async_callback(runner.cleanup)
    assert runner.server
    ports = []
    for peer in (ANNA, BEN):
        factory = tagged(runner.server, house.doors.tag(api.Caller("peer", peer)))
        server = await asyncio.get_running_loop().create_server(factory, "127.0.0.1", 0)
        house.stack.callback(server.close)
        ports.append(Door(server.sockets[0].getsockname()[1]))
    anna, ben = ports
    waiting = [
        asyncio.create_task(anna.ask("POST", f"/{house.commons}/entries", b"x")) for _ in range(api.AT_WORK)
    ]  # fmt: skip
    for _ in waiting:
        await site.begun.acquire()
    assert (await anna.get("/commons")).status == 429
    assert (await ben.get("/commons")).status == 200
    site.go.set()
    await asyncio.gather(*waiting)


class Breaks(Liar):
    def names(self, caller: PeerId | None) -> bytes:
        raise ZeroDivisionError("secret: /home/alice/seed")

    def checkpoint(self, commons: str) -> bytes:
        raise ValueError("\x1b[2J")

    async def submit(self, commons: str, body: bytes) -> bytes:
        raise KeyError("secret")

    def release(self, commons: str, body: bytes) -> bytes:
        raise TimeoutError

    def openings(self, commons: str, bundle: str, reader: PeerId | None) -> bytes:
        raise RecursionError("secret")


async def test_a_bug_of_ours_is_told_as_one_and_the_node_goes_on(
    house: House, caplog: pytest.LogCaptureFixture
) -> None:
    door = await house.open(api.Caller("peer", ANNA), Breaks(house.party.node.site))  # type: ignore[arg-type]
    asks: list[Callable[[], Awaitable[Got]]] = [
        lambda: door.get("/commons"), lambda: door.get(f"/{house.commons}/checkpoint"),
        lambda: door.get(f"/{house.commons}/openings/000.p/2"),
        lambda: door.ask("POST", f"/{house.commons}/entries", b"x"),
    ]  # fmt: skip
    for _ in range(api.AT_WORK + 1):  # the share of the caller is given back each time
        for ask in asks:
            got = await ask()
            assert (got.status, got.told) == (500, Internal.number)
            assert b"secret" not in got.body
            assert b"Traceback" not in got.body
    assert (await door.ask("POST", f"/{house.commons}/release", b"x")).status == 504
    assert (await door.get(f"/manifests/{house.cid}")).status == 200
    assert any("failed" in record.message for record in caplog.records)  # the owner is told


async def test_garbage_in_a_body_is_malformed(house: House) -> None:
    door = await house.peer()
    for path in ("entries", "release"):
        for body in (b"", b"\xc1", b"\x80", b"\x93" * 3000, b"\xdf\xff\xff\xff\xff", b"\xc7\x0c\xff" + bytes(12)):
            got = await door.ask("POST", f"/{house.commons}/{path}", body)
            assert (got.status, got.told) == (422, Malformed.number)


async def test_a_registrar_alone_needs_no_node(make_home: MakeHome) -> None:
    with Home(make_home("alone")) as home:
        registrar, commons = Registrar(home.first), home.first.commons
        with pytest.raises(NotFound, match="is not published"):
            registrar.listed(commons, home.first.log.head.note)


# -- the table -------------------------------------------------------------------------------------------------------

KEPT = {
    "/.well-known/libp2p/protocols": (api.LATER, "application/json"), "/commons": (api.NEVER, api.TEXT),
    "/manifests/{cid}": (api.FOREVER, api.BINARY), "/packs/{root}": (api.FOREVER, api.BINARY),
    "/packs/{root}/pieces": (api.FOREVER, api.BINARY), "/{commons}/checkpoint": (api.SOON, api.TEXT),
    "/{commons}/cosigned": (api.SOON, api.TEXT), "/{commons}/tile/entries/000.p/2": (api.FOREVER, api.BINARY),
    "/{commons}/consistency/1/2": (api.LATER, api.BINARY), "/{commons}/openings/000.p/2": (api.NEVER, api.BINARY),
}  # fmt: skip


async def test_what_is_given_says_what_it_is_and_how_long_it_may_be_kept(house: House) -> None:
    door = await house.peer()
    for pattern, (cache, kind) in KEPT.items():
        path = pattern.format(root=house.root.hex(), cid=house.cid, commons=house.commons)
        for method in ("GET", "HEAD"):
            got = await door.ask(method, path)
            assert got.status == 200, path
            assert got.headers["cache-control"] == cache, path
            assert got.headers["content-type"].partition(";")[0] == kind, path
    got = await door.get(f"/packs/{house.root.hex()}", Range="bytes=0-9")
    assert (got.status, got.headers["cache-control"]) == (206, api.FOREVER)


async def test_every_row_of_the_table_is_guarded_alike(house: House) -> None:
    """Whatever goes wrong at any of them is JSON that says so, and is kept by no cache."""
    words = {"cid": cid(b"nothing"), "root": "0" * 64, "commons": cid(b"no commons"), "path": "entries/000",
             "log": "0" * 64, "old": "1", "new": "2", "bundle": "000"}  # fmt: skip
    plain, peer = await house.plain(), await house.peer()
    rows = api.resources(house.party.node.site)
    assert len({(row.method, row.path) for row in rows}) == len(rows) > 20
    for row in rows:
        if row.path in ("/commons", "/.well-known/libp2p/protocols"):
            continue
        path = re.sub(r"\{(\w+)(:(?:[^{}]|\{[^{}]*\})*)?\}", lambda found: words[found[1]], row.path)
        for door in (plain, peer):
            got = await door.ask(row.method, path, b"x" * 10 if row.method == "POST" else b"")
            assert 400 <= got.status < 500, path
            assert got.headers["cache-control"] == "no-store", path
            assert got.headers["content-type"].startswith("application/json"), path
            assert got.told
            if door is plain and not row.plain:
                assert got.status == 403, path
    for method, path in (("GET", "/nothing"), ("PUT", "/commons"), ("POST", f"/manifests/{house.cid}")):
        got = await plain.ask(method, path)
        assert (got.headers["cache-control"], got.told) == ("no-store", NotFound.number), path


async def test_an_error_of_a_pack_is_kept_by_no_cache(house: House) -> None:
    door, path = await house.plain(), f"/packs/{house.root.hex()}"
    got = await door.get(path, Range="bytes=999999999-")
    assert (got.status, got.headers["cache-control"]) == (416, "no-store")
    moved = house.home.packs.path(house.root).rename(house.home.path / "elsewhere")
    got = await door.get(path)
    assert (got.status, got.headers["cache-control"]) == (404, "no-store")
    moved.rename(house.home.packs.path(house.root))
    assert (await door.get(path)).status == 200


# -- what asking costs -----------------------------------------------------------------------------------------------


async def bounded(house: House, caller: api.Caller, reading: Allowance) -> Door:
    """A door whose callers pay; time stands still."""
    app = api.application(
        house.party.node.site, house.doors,
        spend=lambda caller, cost: reading.spend(caller.name, caller.source, cost, 0.0),
    )  # fmt: skip
    runner = web.AppRunner(app, access_log=None, handle_signals=False, shutdown_timeout=0.1, logger=api.server_log)
    await runner.setup()
    house.stack.push_async_callback(runner.cleanup)
    assert runner.server
    server = await listen(tagged(runner.server, house.doors.tag(caller)), "127.0.0.1", 0)
    house.stack.callback(server.close)
    return Door(server.sockets[0].getsockname()[1])


def small(each: float, sources: float) -> Allowance:
    reading = Allowance()
    reading.each, reading.sources = Buckets(each / 10, each), Buckets(sources / 10, sources)
    return reading


async def test_who_asks_too_much_is_told_when_to_come_back_and_nobody_else_is(house: House) -> None:
    reading = small(100, 10_000)
    anna = await bounded(house, api.Caller("peer", ANNA, "192.0.2.1"), reading)
    ben = await bounded(house, api.Caller("peer", BEN, "192.0.2.2"), reading)
    path = f"/{house.commons}/tile/entries/000.p/2"
    answers = [await anna.get(path) for _ in range(8)]
    assert [got.status for got in answers] == [200] * 6 + [429] * 2
    assert answers[-1].told == TooMany.number
    assert int(answers[-1].headers["retry-after"]) >= 1
    assert answers[-1].headers["cache-control"] == "no-store"
    assert (await ben.get(path)).status == 200


async def test_the_more_work_a_read_is_the_fewer_there_are_of_it(house: House) -> None:
    given = {}
    for path in ("/commons", f"/{house.commons}/consistency/1/2", f"/{house.commons}/openings/000.p/2"):
        door = await bounded(house, api.Caller("peer", ANNA, "192.0.2.1"), small(64, 10_000))
        given[path] = [(await door.get(path)).status for _ in range(70)].count(200)
    assert list(given.values()) == [64, 4, 2]


async def test_minted_keys_of_one_address_share_what_it_has(house: House) -> None:
    reading, path = small(100, 200), f"/{house.commons}/tile/entries/000.p/2"
    statuses = []
    for n in range(10):
        minted = api.Caller("peer", Signer(bytes([n]) * 32).peer, "192.0.2.1")
        statuses += [(await (await bounded(house, minted, reading)).get(path)).status for _ in range(2)]
    assert statuses == [200] * 12 + [429] * 8
    other = await bounded(house, api.Caller("peer", BEN, "192.0.2.2"), reading)
    assert (await other.get(path)).status == 200


async def test_nothing_is_decrypted_for_who_may_not_read_it(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    anna, ben = Asker(house.party, f"commons:{house.cid}", b"\1" * 32), house.asker
    await anna.ask()
    await ben.ask()
    opened: list[int] = []
    unseal = openings._unseal
    monkeypatch.setattr(openings, "_unseal", lambda index, *rest: opened.append(index) or unseal(index, *rest))
    for peer, seen in ((PeerId(Signer(b"\7" * 32).peer), []), (PeerId(anna.keys.identity.peer), [2])):
        got = await (await house.peer(peer)).get(f"/{house.commons}/openings/000.p/6")
        assert [index for index, _ in msgpack.unpackb(got.body)] == opened == seen
        opened.clear()
