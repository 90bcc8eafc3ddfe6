"""Peers that lie, each named by its lie. None is used outside the tests.

Behind a real node's doors, before anybody asks:    node.site = FlipsABitOfTheManifest(node.site)
A web server of its own:                            async with Server(stalls) as url:
A server that does not even speak HTTP well:        async with Raw(*RAW["stops short of its length"]) as url:
Somebody who asks, with a key and no scruples:      await Asker(alice, reference).send(body)
A registrar that exports a log of its own making:   Forger(home).write(folder)
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import zlib
from collections.abc import Awaitable, Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgpack
from aiohttp import web

from commons.access import listing, release
from commons.core.crypto import codec, envelope, hpke, ids
from commons.core.crypto.ids import PeerId as PeerId
from commons.core.crypto.keys import Keys, Signer
from commons.core.dataset.manifest import TYPE as MANIFEST
from commons.core.dataset.manifest import open as open_manifest
from commons.core.state import entries
from commons.core.state.entries import Asked
from commons.core.state.opening import decode as opening_of
from commons.core.tlog import checkpoint, merkle, tiles
from commons.disk.home import Home
from commons.errors import NotFound, Refused, SplitView, StorageFailed
from commons.log.answer import Answer, ProvenEntry, Submission
from commons.node.site import Site as Honest

# -- mirrors ---------------------------------------------------------------------------------------------------------


class Liar:
    """Honest in everything it does not lie about."""

    def __init__(self, honest: Honest) -> None:
        self.honest = honest

    def __getattr__(self, name: str) -> Any:
        return getattr(self.honest, name)


class ShowsAnotherManifest(Liar):
    def manifest(self, cid: str) -> bytes:
        return next(kept.data for other, kept, _, _ in self.honest.home.shelf.manifests() if other != cid)


class FlipsABitOfTheManifest(Liar):
    def manifest(self, cid: str) -> bytes:
        data = bytearray(self.honest.manifest(cid))
        data[len(data) // 2] ^= 1
        return bytes(data)


class FlipsABitOfEveryPiece(Liar):
    asked = 0

    def pack(self, root: bytes) -> Path:
        type(self).asked += 1
        path = self.honest.pack(root)
        lie = path.with_suffix(".lie")
        data = bytearray(path.read_bytes())
        for n in range(0, len(data), 1 << 19):
            data[n] ^= 1
        lie.write_bytes(data)
        return lie


class CutsThePackShort(Liar):
    def pack(self, root: bytes) -> Path:
        path = self.honest.pack(root)
        lie = path.with_suffix(".short")
        lie.write_bytes(path.read_bytes()[:-10])
        return lie


class InventsThePieces(Liar):
    def pieces(self, root: bytes) -> bytes:
        return os.urandom(len(self.honest.pieces(root)))


class SwapsPacks(Liar):
    """Gives one pack of a dataset for another."""

    def pack(self, root: bytes) -> Path:
        folder = self.honest.home.packs.path(root).parent
        return next(path for path in folder.iterdir() if path.name != root.hex() and not path.suffix)


class BlamesYourDisk(Liar):
    """Speaks of a failure that would be the asker's own, so that the asker gives up on everybody."""

    def pack(self, root: bytes) -> Path:
        raise StorageFailed("cannot write the pack: no space left on device")


class CriesWolf(Liar):
    """Reports a split view, with evidence of its own making."""

    def manifest(self, cid: str) -> bytes:
        raise SplitView("one log, two histories", evidence=("head one", "head two"))


class CallsItsLogAnothers(Liar):
    """Keeps a log of its own, and shows it under the name of another commons."""

    def __init__(self, honest: Honest, commons: str) -> None:
        super().__init__(honest)
        self.commons = commons

    def names(self, caller: str | None) -> bytes:
        return self.commons.encode()

    def checkpoint(self, commons: str) -> bytes:
        return self.honest.checkpoint(self.honest.home.first.commons)

    def tile(self, commons: str, path: str) -> bytes:
        return self.honest.tile(self.honest.home.first.commons, path)


# -- registrars ------------------------------------------------------------------------------------------------------


class Registrar(Liar):
    """Lies about the log: `twist` changes the honest answer."""

    def twist(self, answer: Answer) -> Answer:
        raise NotImplementedError

    async def submit(self, commons: str, body: bytes) -> bytes:
        answer = codec.decode(Answer, await self.honest.submit(commons, body))
        return codec.encode(self.twist(answer))

    def sign(self, shown: list[tuple[bytes, bytes | None]], before: int = 2) -> Answer:
        """A log of this registrar's own making: its first entries, then what it shows, under its true key."""
        log = self.honest.home.first.log
        data = [*log.entries(0, before), *(entry for entry, _ in shown)]
        tree: dict[tuple[int, int], bytes] = {}
        nodes, edge = merkle.grow(0, (), [merkle.leaf(entry) for entry in data])
        tree.update({(level, pos): value for level, pos, value in nodes})
        head = checkpoint.Checkpoint(origin=log.origin, size=len(data), root=merkle.edge_root(edge))

        def read(level: int, pos: int) -> bytes:
            return tree[level, pos]

        return Answer(
            shown=tuple(
                ProvenEntry(index=n, entry=entry, opening=opened, proof=merkle.prove_inclusion(n, len(data), read))
                for n, (entry, opened) in enumerate(shown, before)
            ),
            head=checkpoint.sign(head, log._signer),
            consistency=(),
        )


class SignsWithAnotherKey(Registrar):
    def twist(self, answer: Answer) -> Answer:
        head = checkpoint.open(answer.head, self.honest.home.first.log.key).checkpoint
        return replace(answer, head=checkpoint.sign(head, Signer(bytes(32))))


class ShowsNoDecision(Registrar):
    """A key would be given although the log says nothing."""

    def twist(self, answer: Answer) -> Answer:
        return replace(answer, shown=answer.shown[:1])

    def release(self, commons: str, body: bytes) -> bytes:
        raise AssertionError("the key was asked for without a decision")


class ForgesTheProof(Registrar):
    def twist(self, answer: Answer) -> Answer:
        last = answer.shown[-1]
        return replace(
            answer, shown=(*answer.shown[:-1], replace(last, proof=tuple(os.urandom(32) for _ in last.proof)))
        )


class LogsAnotherPurpose(Registrar):
    def twist(self, answer: Answer) -> Answer:
        request = entries.decode(answer.shown[0].entry)
        assert isinstance(request, entries.Request)
        lie = codec.encode(replace(request, purpose="product"))
        return self.sign([(lie, answer.shown[0].opening), *((s.entry, s.opening) for s in answer.shown[1:])])


class LogsSomebodyElse(Registrar):
    def twist(self, answer: Answer) -> Answer:
        request, opened = entries.decode(answer.shown[0].entry), opening_of(answer.shown[0].opening or b"")
        assert isinstance(request, entries.Request)
        hidden, opening = entries.hide(
            lambda: bytes(32), requester=self.honest.home.keys.identity.peer.encode(),
            statement=opened.get("statement") or b"",
        )  # fmt: skip
        lie = codec.encode(replace(request, **hidden))
        return self.sign([(lie, codec.encode(opening)), *((s.entry, s.opening) for s in answer.shown[1:])])


class DecidesAnotherRequest(Registrar):
    def twist(self, answer: Answer) -> Answer:
        decision = entries.decode(answer.shown[1].entry)
        assert isinstance(decision, entries.Decision)
        lie = codec.encode(replace(decision, request=0))
        return self.sign([(answer.shown[0].entry, answer.shown[0].opening), (lie, None)])


class ForgetsWhatItSigned(Registrar):
    """From the second answer on it shows a shorter, other history."""

    answers = 0

    def twist(self, answer: Answer) -> Answer:
        self.answers += 1
        return answer if self.answers == 1 else self.sign([(s.entry, s.opening) for s in answer.shown], before=1)


class AnswersForSomebodyElse(Registrar):
    """Gives everybody the answer that the first one got."""

    first: Answer | None = None
    shown: bytes = b""

    def twist(self, answer: Answer) -> Answer:
        self.first = self.first or answer
        return self.first

    def listed(self, commons: str, dataset: str, head: bytes) -> bytes:  # as long ago, so that the answer continues it
        self.shown = self.shown or self.honest.listed(commons, dataset, head)
        return self.shown


class DatesItselfBack(Registrar):
    """Its entries are older than those in front of them."""

    def twist(self, answer: Answer) -> Answer:
        shown = [(codec.encode(replace(entries.decode(s.entry), time=1)), s.opening) for s in answer.shown]  # type: ignore[type-var]
        return self.sign(shown)


class ShowsTooMuch(Registrar):
    def twist(self, answer: Answer) -> Answer:
        return replace(answer, shown=answer.shown * 200)


class ShowsNothing(Registrar):
    def twist(self, answer: Answer) -> Answer:
        return replace(answer, shown=())


class AnswersGarbage(Registrar):
    async def submit(self, commons: str, body: bytes) -> bytes:
        return b"\x93" * 4000


class StallsAtTheReceipt(Registrar):
    async def submit(self, commons: str, body: bytes) -> bytes:
        if b"commons/receipt/v1" in body:
            await asyncio.sleep(60)
        return await self.honest.submit(commons, body)


class GivesNotices(Liar):
    """Of a withdrawal that never was, or of another one: `about` makes the signed bytes from commons and dataset."""

    def __init__(self, honest: Honest, about: Callable[[Any, str, str], bytes]) -> None:
        super().__init__(honest)
        self.about = about

    def notice(self, commons: str, dataset: str) -> bytes:
        return self.about(self.honest, commons, dataset)


class ShowsAnotherDropping(Registrar):
    """Logs what a holder says, and shows them another entry for it."""

    def twist(self, answer: Answer) -> Answer:
        kind = entries.decode(answer.shown[0].entry)
        if not isinstance(kind, entries.Dropped):
            return answer
        leaf = codec.encode(replace(kind, request=kind.request + 1))
        return replace(answer, shown=(replace(answer.shown[0], entry=leaf),))


class GivesTheKeyUnlogged(Liar):
    """Would hand out the key although nothing is in the log."""

    asked_for_the_key = False

    async def submit(self, commons: str, body: bytes) -> bytes:
        raise Refused("no entry for you, but here is the key")

    def release(self, commons: str, body: bytes) -> bytes:
        type(self).asked_for_the_key = True
        return bytes(80)


class LogsAndGivesNoKey(Liar):
    def release(self, commons: str, body: bytes) -> bytes:
        raise NotFound("this request is not in the log")


class GrantsThenDenies(Liar):
    def release(self, commons: str, body: bytes) -> bytes:
        raise Refused("I never said so")


class SealsTheKeyToItself(Liar):
    def release(self, commons: str, body: bytes) -> bytes:
        return release.seal(
            bytes(32), hpke.public_of(bytes(31) + b"\1"),
            release.Bound(commons=commons, dataset="", epoch=0, requester="", request=0, decision=0),
        )  # fmt: skip


class GivesAnotherKey(Liar):
    """Sealed as it should be, but not the key of the dataset: the pack's key commitment finds it."""

    def release(self, commons: str, body: bytes) -> bytes:
        keys = self.honest.home.keys
        true = keys.epoch
        keys.epoch = lambda series, epoch: b"\7" * 32  # type: ignore[method-assign]
        try:
            return self.honest.release(commons, body)
        finally:
            keys.epoch = true  # type: ignore[method-assign]


Lie = Callable[[Honest], Liar]


# -- servers ---------------------------------------------------------------------------------------------------------

Answering = Callable[[web.Request], Awaitable[web.StreamResponse]]


class Server:
    """A web server on loopback that answers every request in its own way; `asked` are the paths."""

    def __init__(self, answer: Answering) -> None:
        self.asked: list[str] = []

        async def note(request: web.Request) -> web.StreamResponse:
            self.asked.append(request.path)
            return await answer(request)

        app = web.Application()
        app.router.add_route("*", "/{path:.*}", note)
        self.runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)

    async def __aenter__(self) -> str:
        await self.runner.setup()
        await web.TCPSite(self.runner, "127.0.0.1", 0).start()
        return f"http://127.0.0.1:{self.runner.addresses[0][1]}"

    async def __aexit__(self, *_: object) -> None:
        await self.runner.cleanup()


async def stalls(request: web.Request) -> web.StreamResponse:
    await asyncio.sleep(60)
    return web.Response()


async def stalls_half_way(request: web.Request) -> web.StreamResponse:
    answer = web.StreamResponse(headers={"Content-Length": "1000"})
    await answer.prepare(request)
    await answer.write(b"x" * 10)
    await asyncio.sleep(60)
    return answer


async def sends_for_ever(request: web.Request) -> web.StreamResponse:
    answer = web.StreamResponse()
    answer.enable_chunked_encoding()
    await answer.prepare(request)
    while True:
        await answer.write(bytes(1 << 16))


async def hangs_up(request: web.Request) -> web.StreamResponse:
    answer = web.StreamResponse(headers={"Content-Length": "1000"})
    await answer.prepare(request)
    await answer.write(b"x" * 10)
    assert request.transport
    request.transport.abort()
    return answer


async def redirects(request: web.Request) -> web.StreamResponse:
    raise web.HTTPFound("http://127.0.0.1:1/elsewhere")


async def sends_more_than_is_taken(request: web.Request) -> web.StreamResponse:
    return web.Response(body=bytes(5 << 20))


async def ignores_ranges(request: web.Request) -> web.StreamResponse:
    return web.Response(body=bytes(64))


async def sends_a_bomb(request: web.Request) -> web.StreamResponse:
    packer = zlib.compressobj(9, wbits=31)
    bomb = packer.compress(bytes(64 << 20)) + packer.flush()
    return web.Response(body=bomb, headers={"Content-Encoding": "gzip"})


async def sends_zeros(request: web.Request) -> web.StreamResponse:
    """The right length, and nothing else right."""
    start, _, end = request.headers.get("Range", "bytes=0-31").removeprefix("bytes=").partition("-")
    return web.Response(status=206, body=bytes(int(end) - int(start) + 1))


async def curses(request: web.Request) -> web.StreamResponse:
    told = {"error": 0, "message": "\x1b[2Jall is well " + "x" * 9000, "hint": 7, "evidence": {"no": "list"}}
    return web.json_response(told, status=418)


async def nests_its_error(request: web.Request) -> web.StreamResponse:
    return web.Response(status=404, body=b'{"error": 4, "message": ' + b"[" * 60_000)


async def says_its_error_at_length(request: web.Request) -> web.StreamResponse:
    return web.Response(status=500, body=bytes(1 << 20))


async def says_success_is_an_error(request: web.Request) -> web.StreamResponse:
    return web.json_response({"error": 3, "message": "refused"}, status=200)


class Raw:
    """A TCP server: whatever is asked, it sends `answer`, then `more` again and again, then hangs up unless `holds`."""

    def __init__(self, answer: bytes, more: bytes = b"", every: float = 0.0, holds: bool = False) -> None:
        self.answer, self.more, self.every, self.holds = answer, more, every, holds
        self.jobs: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> str:
        self.server = await asyncio.start_server(self._speak, "127.0.0.1", 0)
        return f"http://127.0.0.1:{self.server.sockets[0].getsockname()[1]}"

    async def __aexit__(self, *_: object) -> None:
        self.server.close()
        for job in self.jobs:
            job.cancel()
        await asyncio.gather(*self.jobs, return_exceptions=True)

    async def _speak(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        job = asyncio.current_task()
        assert job
        self.jobs.add(job)
        with contextlib.suppress(OSError, asyncio.IncompleteReadError):
            await reader.readuntil(b"\r\n\r\n")
            writer.write(self.answer)
            while self.more:
                writer.write(self.more)
                await writer.drain()
                await asyncio.sleep(self.every)
            await writer.drain()
            if self.holds:
                await reader.read()
        writer.close()


_OK = b"HTTP/1.1 200 OK\r\n"
RAW: dict[str, tuple[Any, ...]] = {
    "stops short of its length": (_OK + b"Content-Length: 100\r\n\r\nten bytes.",),
    "never says its length": (_OK + b"\r\nall there is, believe me",),
    "states a negative length": (_OK + b"Content-Length: -5\r\n\r\n12345",),
    "states two lengths": (_OK + b"Content-Length: 2\r\nContent-Length: 5\r\n\r\n12345",),
    "states a length of twenty digits": (_OK + b"Content-Length: 99999999999999999999\r\n\r\n1",),
    "states an absurd chunk": (_OK + b"Transfer-Encoding: chunked\r\n\r\nfffffffffffffffff\r\nx",),
    "breaks off in a chunk": (_OK + b"Transfer-Encoding: chunked\r\n\r\n5\r\n12",),
    "speaks another protocol": (b"SSH-2.0-OpenSSH_9.9\r\n",),
    "says nothing": (b"",),
    "sends headers for ever": (_OK, b"X-Header: " + b"x" * 4000 + b"\r\n"),
    "sends one header for ever": (_OK + b"X-Header: ", b"x" * 65536),
    "says to go on for ever": (b"", b"HTTP/1.1 100 Continue\r\n\r\n", 0.01),
    "drips": (_OK + b"Content-Length: 1000\r\n\r\n", b"x", 0.05),
    "drips its headers": (_OK, b"X: y\r\n", 0.05),
    "says that there is nothing": (b"HTTP/1.1 204 No Content\r\n\r\n",),
    "switches the protocol": (b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: Upgrade\r\n\r\nhi",),
}


# -- requesters ------------------------------------------------------------------------------------------------------


class Asker:
    """Somebody with a key and no scruples, talking to a registrar directly. `party` has its home and node."""

    def __init__(self, party: Any, reference: str, seed: bytes = bytes(32)) -> None:
        self.party, self.registrar, self.keys = party, party.node.at().registrar, Keys(seed)
        self.cid = reference.partition("?")[0].removeprefix("commons:")
        self.manifest = open_manifest(party.home.shelf.manifest(self.cid)).value

    def asked(self, **lies: object) -> Asked:
        said = Asked(
            commons=self.party.home.first.commons, dataset=self.cid, terms=self.manifest.terms.digest(),
            epoch=self.manifest.epoch, purpose="research", details=None, hpke=hpke.public_of(bytes(31) + b"\1"),
            nonce=os.urandom(32), time=int(self.registrar.clock()),
        )  # fmt: skip
        return replace(said, **lies)  # type: ignore[arg-type]

    def statement(self, said: object, signer: Signer | None = None, kind: str = entries.REQUEST) -> bytes:
        return envelope.sign(kind, said, signer or self.keys.identity)

    def submission(self, said: object, signer: Signer | None = None, kind: str = entries.REQUEST) -> bytes:
        return wrapped(self.statement(said, signer, kind))

    async def send(self, body: bytes) -> Answer:
        return codec.decode(Answer, await self.registrar.submit(body))

    async def ask(self, **lies: object) -> int:
        """The index of the request's entry."""
        return (await self.send(self.submission(self.asked(**lies)))).shown[0].index


def wrapped(statement: bytes) -> bytes:
    return codec.encode(Submission(statement=statement, details=None, head=b""))


# -- publishers that name another's commons ---------------------------------------------------------------------------


class NamesAnothersCommons(Liar):
    """Shows a log of its own making as that of a commons it is no member of: `data` are its entries, `signer` signs its
    heads. Whatever somebody sends to it is in `got`."""

    def __init__(self, honest: Honest) -> None:
        super().__init__(honest)
        self.commons, self.data, self.signer = "", list[bytes](), honest.home.keys.log(0)
        self.got: list[bytes] = []

    def publish(self, charter: bytes, reference: str, **lies: Any) -> str:
        """A reference to what its home has published, as if in the commons of `charter`."""
        cid = reference.partition(",")[0].removeprefix("commons:")
        home = self.honest.home
        value = replace(open_manifest(home.shelf.manifest(cid)).value, **lies)
        self.commons = value.commons
        data = envelope.sign(MANIFEST, value, home.keys.identity)
        name = ids.cid(data)
        home.shelf.put_manifest(name, data, "mirrored", served=True)
        entry = listing.entry(value, name, value.created)
        self.data += [charter, envelope.sign(entries.PUBLISH, entry, home.keys.identity)]
        return reference.replace(cid, name)

    def names(self, caller: str | None) -> bytes:
        return self.commons.encode()

    def _tree(self) -> tuple[merkle.Reader, bytes]:
        nodes, edge = merkle.grow(0, (), [merkle.leaf(data) for data in self.data])
        tree = {(level, position): value for level, position, value in nodes}
        head = checkpoint.Checkpoint(
            origin=f"commons/{self.commons}", size=len(self.data), root=merkle.edge_root(edge)
        )  # fmt: skip
        return lambda level, position: tree[level, position], checkpoint.sign(head, self.signer)

    def checkpoint(self, commons: str) -> bytes:
        return self._tree()[1]

    def tile(self, commons: str, path: str) -> bytes:
        part = tiles.parse(path)
        return tiles.bundle(self.data[: part.width])

    def listed(self, commons: str, dataset: str, head: bytes) -> bytes:
        read, signed = self._tree()
        last = len(self.data) - 1
        proof = merkle.prove_inclusion(last, len(self.data), read)
        shown = ProvenEntry(index=last, entry=self.data[last], opening=None, proof=proof)
        return codec.encode(Answer(shown=(shown,), head=signed, consistency=()))

    async def submit(self, commons: str, body: bytes) -> bytes:
        self.got.append(body)
        raise NotFound("thank you")

    def release(self, commons: str, body: bytes) -> bytes:
        self.got.append(body)
        raise NotFound("thank you")


# -- registrars that export ------------------------------------------------------------------------------------------


class Forger:
    """Signs whatever it likes: begins with the true log of `home`, which is then changed, and wholly signed anew."""

    def __init__(self, home: Home) -> None:
        self.home, self.keys = home, home.keys
        self.entries = [*home.first.log.entries(0, home.first.log.size)]
        self.openings = {
            n: codec.encode(value)
            for n in range(home.first.log.size)
            if (value := home.first.log.opening(n)) is not None
        }

    def change(self, index: int, **lies: object) -> None:
        """Fields of an access entry, the commitments among them."""
        entry: Any = entries.decode(self.entries[index])
        self.entries[index] = codec.encode(replace(entry, **lies))

    def hide(self, index: int, **private: bytes) -> None:
        """Other private fields, with commitments that fit them."""
        hidden, opening = entries.hide(lambda: os.urandom(32), **private)
        self.change(index, **hidden)
        self.openings[index] = codec.encode(opening)

    def private(self, index: int, name: str) -> bytes:
        return opening_of(self.openings[index]).get(name) or b""

    def swap(self, one: int, other: int) -> None:
        e, o = self.entries, self.openings
        e[one], e[other] = e[other], e[one]
        swapped = {one: o.pop(other, None), other: o.pop(one, None)}
        o.update({n: value for n, value in swapped.items() if value is not None})

    def omit(self, index: int) -> None:
        del self.entries[index]
        self.openings = {n - (n > index): value for n, value in self.openings.items() if n != index}

    def head(self) -> bytes:
        _, edge = merkle.grow(0, (), [merkle.leaf(data) for data in self.entries])
        head = checkpoint.Checkpoint(
            origin=self.home.first.log.origin, size=len(self.entries), root=merkle.edge_root(edge)
        )  # fmt: skip
        return checkpoint.sign(head, self.keys.log(0))

    def write(self, folder: Path, *, openings: bool = True) -> Path:
        self._file(folder / "checkpoint", self.head())
        for start in range(0, len(self.entries), tiles.WIDTH):
            part = self.entries[start : start + tiles.WIDTH]
            name = tiles.Bundle(index=start // tiles.WIDTH, width=len(part)).path
            self._file(folder / name, tiles.bundle(part))
            if openings:
                shown = [(n, self.openings[n]) for n in range(start, start + len(part)) if n in self.openings]
                self._file(folder / "openings" / name.removeprefix("tile/entries/"), msgpack.packb(shown))
        return folder

    def _file(self, path: Path, data: bytes) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
