"""The node's resources, as one aiohttp application that every door opens to.

What a caller may do depends on the door it came in by, never on a header: a peer's id is proved by its stream, the
plain door is anonymous and gets public bytes only. The owner's loopback door is `control`'s.
"""

from __future__ import annotations

import asyncio
import logging
import weakref
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Protocol

import aiohttp
from aiohttp import web
from aiohttp.abc import AbstractStreamWriter
from aiohttp.http import HttpProcessingError

from commons.core import listing, witness
from commons.core.ids import PeerId, check_cid
from commons.errors import CommonsError, Internal, Malformed, NotFound, Refused, TimedOut, TooLarge, TooMany

log = logging.getLogger(__name__)
server_log = logging.getLogger(
    f"{__name__}.server"
)  # for aiohttp; bytes that are no request are not worth a line of it
server_log.addFilter(lambda line: not (line.exc_info and isinstance(line.exc_info[1], HttpProcessingError)))

BODY = 128 << 10  # bytes of a request's body
AT_WORK = 16  # requests of one peer under way
AT_THE_PLAIN_DOOR = 256  # requests of all its callers together
SENDING = 900.0  # seconds for one answer from a pack
BINARY = "application/octet-stream"
FOREVER = {"Cache-Control": "public, max-age=31536000, immutable"}


@dataclass(frozen=True, slots=True)
class Caller:
    """Who is at the other end of a connection. `peer` is None where nobody is authenticated."""

    door: Literal["peer", "plain"]
    peer: PeerId | None = None


class Site(Protocol):
    """What the node gives to the network. Each raises a CommonsError."""

    @property
    def bids(self) -> Bids: ...
    def name(self) -> bytes: ...
    def checkpoint(self, commons: str) -> bytes: ...
    def cosigned(self, commons: str) -> bytes: ...
    def tile(self, commons: str, path: str) -> bytes: ...
    def openings(self, commons: str, bundle: str, reader: PeerId | None) -> bytes: ...
    def consistency(self, commons: str, old: int, new: int) -> bytes: ...
    def notice(self, commons: str, dataset: str) -> bytes: ...
    async def submit(self, commons: str, body: bytes) -> bytes: ...
    def check_publisher(self, commons: str, peer: PeerId | None) -> None: ...
    async def publish(self, commons: str, body: bytes) -> bytes: ...
    def release(self, commons: str, body: bytes) -> bytes: ...
    def manifest(self, cid: str) -> bytes: ...
    def pack(self, root: bytes) -> Path: ...
    def pieces(self, root: bytes) -> bytes: ...
    async def add_checkpoint(self, body: bytes) -> bytes: ...
    def monitored(self, log: str) -> bytes: ...
    def submitted(self, log: str) -> bytes: ...


class Bids(Protocol):
    """An offer to keep a log, and the ballots on it. Each raises a CommonsError."""

    def shown(self, commons: str) -> bytes: ...
    def take(self, commons: str, statement: bytes) -> bytes: ...


class Keeper(Protocol):
    """A custodian's answers, to peers only."""

    def announce(self, commons: str) -> bytes: ...
    async def deposit(self, commons: str, body: bytes) -> bytes: ...
    async def hand(self, commons: str, body: bytes, caller: str | None) -> bytes: ...


Post = Callable[[str, bytes, str | None], Awaitable[bytes]]  # (commons, body, the peer who sends it) -> the answer


class Pack(web.FileResponse):
    """Sent once, by whoever prepares it first, and in bounded time."""

    _sent = False

    async def prepare(self, request: web.BaseRequest) -> AbstractStreamWriter | None:
        if self._sent:
            return None
        self._sent = True
        async with asyncio.timeout(SENDING):
            return await super().prepare(request)


class Doors:
    """Remembers which caller each connection belongs to: told by the door, before a byte is read."""

    def __init__(self) -> None:
        self._callers: weakref.WeakKeyDictionary[object, Caller] = weakref.WeakKeyDictionary()

    def tag(self, caller: Caller) -> Callable[[object], None]:
        return lambda handler: self._callers.__setitem__(handler, caller)

    def caller(self, request: web.Request) -> Caller:
        try:
            return self._callers[request.protocol]
        except (KeyError, TypeError):  # aiohttp's own protocols are no weak keys
            raise Refused("this connection came in by no door") from None


Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


def application(
    site: Site, doors: Doors, keeper: Keeper | None = None, posts: Mapping[str, Post] | None = None
) -> web.Application:  # fmt: skip
    """The routes that peers and plain callers see; `posts` are resources of a commons that peers alone may post to."""
    at_work: dict[Caller, int] = {}

    @web.middleware
    async def guard(request: web.Request, handler: Handler) -> web.StreamResponse:
        """One place where errors become status codes, and where a caller's share of the node ends."""
        caller = None
        try:
            caller = doors.caller(request)
            most = AT_WORK if caller.door == "peer" else AT_THE_PLAIN_DOOR
            if at_work.get(caller, 0) >= most:
                caller = None
                raise TooMany(f"more than {most} requests at once", hint="wait for the first ones")
            at_work[caller] = at_work.get(caller, 0) + 1
            return await handler(request)
        except CommonsError as error:
            return web.json_response(error.as_dict(), status=error.status)
        except TimeoutError:
            late = TimedOut("the request took too long")
            return web.json_response(late.as_dict(), status=late.status)
        except web.HTTPException as answer:
            if answer.status < 400:
                raise
            kind = TooLarge if answer.status == 413 else NotFound
            told = kind(f"{answer.reason}: {request.path[:200]}")
            return web.json_response(told.as_dict(), status=told.status)
        except Exception:
            log.exception("%s %s failed", request.method, request.path[:200])
            return web.json_response(Internal("the node failed at this request").as_dict(), status=500)
        finally:
            if caller is not None:
                at_work[caller] -= 1
                if not at_work[caller]:
                    del at_work[caller]

    def reading(
        get: Callable[[web.Request], bytes], headers: dict[str, str] | None = None, kind: str = BINARY
    ) -> Handler:
        async def answer(request: web.Request) -> web.StreamResponse:
            return web.Response(body=get(request), content_type=kind, headers=headers)

        return answer

    def private(caller: Caller) -> None:
        if caller.door == "plain":
            raise Refused(
                "this door gives sealed packs, manifests and public tiles only",
                hint="use the node's libp2p address, /ip4/…/p2p/…",
            )

    async def entries(request: web.Request) -> web.StreamResponse:
        private(doors.caller(request))
        return web.Response(body=await site.submit(request.match_info["commons"], await _body(request)))

    async def publications(request: web.Request) -> web.StreamResponse:
        caller, commons = doors.caller(request), request.match_info["commons"]
        private(caller)
        site.check_publisher(commons, caller.peer)
        return web.Response(body=await site.publish(commons, await _body(request, listing.LIMIT)))

    async def release(request: web.Request) -> web.StreamResponse:
        private(doors.caller(request))
        return web.Response(body=site.release(request.match_info["commons"], await _body(request)))

    async def openings(request: web.Request) -> web.StreamResponse:
        caller = doors.caller(request)
        private(caller)
        return web.Response(
            body=site.openings(request.match_info["commons"], request.match_info["bundle"], caller.peer)
        )

    async def bid(request: web.Request) -> web.StreamResponse:
        private(doors.caller(request))
        return web.Response(body=site.bids.shown(request.match_info["commons"]))

    async def ballot(request: web.Request) -> web.StreamResponse:
        private(doors.caller(request))
        return web.Response(body=site.bids.take(request.match_info["commons"], await _body(request)))

    def keeping(request: web.Request) -> tuple[Keeper, str, Caller]:
        caller = doors.caller(request)
        private(caller)
        if keeper is None:
            raise NotFound("this node keeps no shares")
        return keeper, request.match_info["commons"], caller

    async def custody_key(request: web.Request) -> web.StreamResponse:
        kept, commons, _ = keeping(request)
        return web.Response(body=kept.announce(commons))

    async def deposits(request: web.Request) -> web.StreamResponse:
        kept, commons, _ = keeping(request)
        return web.Response(body=await kept.deposit(commons, await _body(request)))

    async def shares(request: web.Request) -> web.StreamResponse:
        kept, commons, caller = keeping(request)
        return web.Response(body=await kept.hand(commons, await _body(request), caller.peer))

    def posting(take: Post) -> Handler:
        async def answer(request: web.Request) -> web.StreamResponse:
            private(caller := doors.caller(request))
            return web.Response(body=await take(request.match_info["commons"], await _body(request), caller.peer))

        return answer

    async def add_checkpoint(request: web.Request) -> web.StreamResponse:
        """Open to everybody: what counts is the log's signature. Its statuses are those of C2SP tlog-witness."""
        try:
            return web.Response(body=await site.add_checkpoint(await _body(request)), content_type="text/plain")
        except witness.Behind as behind:
            return web.Response(body=behind.body, status=409, content_type=witness.SIZE)
        except witness.Ahead as error:
            return web.json_response(error.as_dict(), status=400)

    async def pack(request: web.Request) -> web.StreamResponse:
        answer = Pack(site.pack(_root(request)), chunk_size=256 << 10, headers={**FOREVER, "Content-Type": BINARY})
        await answer.prepare(request)  # sent here, so that it counts as this caller's work
        return answer

    app = web.Application(middlewares=[guard], client_max_size=BODY)
    commons = "/{commons:baf[a-z2-7]+}"
    app.add_routes([
        web.get("/.well-known/libp2p/protocols", _protocols),
        web.get("/commons", reading(lambda _: site.name(), kind="text/plain")),
        web.get("/manifests/{cid}", reading(lambda r: site.manifest(check_cid(r.match_info["cid"])), FOREVER)),
        web.get("/packs/{root}", pack),
        web.get("/packs/{root}/pieces", reading(lambda r: site.pieces(_root(r)), FOREVER)),
        web.get(commons + "/checkpoint", reading(
            lambda r: site.checkpoint(r.match_info["commons"]), {"Cache-Control": "max-age=1"}, "text/plain")),
        web.get(commons + "/cosigned", reading(
            lambda r: site.cosigned(r.match_info["commons"]), {"Cache-Control": "max-age=1"}, "text/plain")),
        web.post("/add-checkpoint", add_checkpoint),
        web.get("/monitoring/{log:[0-9a-f]{64}}/checkpoint", reading(
            lambda r: site.monitored(r.match_info["log"]), {"Cache-Control": "max-age=1"}, "text/plain")),
        web.get("/monitoring/{log:[0-9a-f]{64}}/submitted", reading(
            lambda r: site.submitted(r.match_info["log"]), {"Cache-Control": "max-age=1"})),
        web.get(commons + "/tile/{path:.+}", reading(
            lambda r: site.tile(r.match_info["commons"], f"tile/{r.match_info['path']}"), FOREVER)),
        web.get(commons + "/consistency/{old:[0-9]{1,18}}/{new:[0-9]{1,18}}", reading(
            lambda r: site.consistency(r.match_info["commons"], int(r.match_info["old"]), int(r.match_info["new"])))),
        web.get(commons + "/notices/{cid}", reading(
            lambda r: site.notice(r.match_info["commons"], check_cid(r.match_info["cid"])))),
        web.get(commons + "/openings/{bundle:.+}", openings),
        web.post(commons + "/entries", entries),
        web.post(commons + "/publications", publications),
        web.post(commons + "/release", release),
        web.get(commons + "/succession", bid),
        web.post(commons + "/succession", ballot),
        web.get(commons + "/custody-key", custody_key),
        web.post(commons + "/deposits", deposits),
        web.post(commons + "/shares", shares),
        *(web.post(f"{commons}/{name}", posting(take)) for name, take in (posts or {}).items()),
    ])  # fmt: skip
    return app


async def _protocols(_: web.Request) -> web.StreamResponse:
    """libp2p's HTTP spec: which application protocols are where."""
    return web.json_response({"/commons/1": {"path": "/"}})


async def _body(request: web.Request, most: int = BODY) -> bytes:
    """At most `most` bytes, which may be more than the application takes elsewhere. TooLarge, Malformed."""
    if request.content_length is not None and request.content_length > most:
        raise web.HTTPRequestEntityTooLarge(most, request.content_length)
    body = bytearray()
    try:
        async for chunk in request.content.iter_any():
            body += chunk
            if len(body) > most:
                raise web.HTTPRequestEntityTooLarge(most, len(body))
        return bytes(body)
    except (ConnectionError, aiohttp.ClientError, HttpProcessingError) as error:
        raise Malformed("the request broke off") from error


def _root(request: web.Request) -> bytes:
    try:
        root = bytes.fromhex(request.match_info["root"])
    except ValueError:
        root = b""
    if len(root) != 32 or root.hex() != request.match_info["root"]:
        raise Malformed("a pack's name is its root, 64 hex digits")
    return root
