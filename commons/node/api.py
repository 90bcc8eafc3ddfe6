"""The node's resources, as one aiohttp application that every door opens to.

What a caller may do depends on the door it came in by, never on a header: a peer's id is proved by its stream, the
plain door is anonymous and gets public bytes only. The owner's loopback door is `control`'s.
"""

from __future__ import annotations

import asyncio
import logging
import math
import weakref
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import IO, Any, Literal

import aiohttp
from aiohttp import web
from aiohttp.abc import AbstractStreamWriter
from aiohttp.http import HttpProcessingError

from commons.access import listing
from commons.core.crypto.ids import PeerId, check_cid
from commons.core.tlog import cosignature
from commons.custody.custodian import Custodian
from commons.errors import CommonsError, Internal, Malformed, NotFound, Refused, TimedOut, TooLarge, TooMany
from commons.net import connector, crowd
from commons.node.site import Site

log = logging.getLogger(__name__)
server_log = logging.getLogger(
    f"{__name__}.server"
)  # for aiohttp; bytes that are no request are not worth a line of it
server_log.addFilter(lambda line: not (line.exc_info and isinstance(line.exc_info[1], HttpProcessingError)))

BODY = 128 << 10  # bytes of a request's body
AT_WORK = 16  # requests of one caller that are being answered
BODY_SECONDS = 20.0  # for a body, and for more than that
SLOWEST = 16 << 10  # bytes a second: more slowly nobody uploads or takes a pack
SLICE = 1 << 20  # bytes of a pack that are sent in one go, in so many seconds:
SLICE_SECONDS = SLICE / SLOWEST
BINARY, TEXT = "application/octet-stream", "text/plain"
FOREVER = "public, max-age=31536000, immutable"  # named by its hash
SOON = "public, max-age=1"  # it grows
LATER = "public, max-age=3600"
NEVER = "no-store"


@dataclass(frozen=True, slots=True)
class Caller:
    """Who is at the other end of a connection. `peer` is None where nobody is authenticated; `source`, see `crowd`."""

    door: Literal["peer", "plain"]
    peer: PeerId | None = None
    source: str = ""

    @property
    def name(self) -> str:
        return self.peer or f"{self.door} {self.source}"


Post = Callable[[str, bytes, str | None], Awaitable[bytes]]  # (commons, body, the peer who sends it) -> the answer


@dataclass(frozen=True, slots=True, kw_only=True)
class Posts:
    """Who takes what peers alone may post, by the last word of its path; what nobody takes is not there."""

    heads: Post | None = None
    submitted: Post | None = None


Spend = Callable[[Caller, int], float]  # (who, what it costs) -> 0.0, or the seconds until they may


@dataclass(frozen=True, slots=True)
class Call:
    """One request: the words of its path, who asks, what they sent."""

    words: Mapping[str, str]
    caller: Caller
    body: bytes

    @property
    def commons(self) -> str:
        return self.words["commons"]


@dataclass(frozen=True, slots=True)
class Resource:
    """One row of the table: what there is, who may have it, what it costs, how long anybody may keep the answer.

    A cost of 1 is about a quarter of a millisecond of this node's work. `first` is asked before a body is read.
    """

    method: Literal["GET", "POST"]
    path: str
    answer: Callable[[Call], bytes | Path | Awaitable[bytes]]
    cost: int = 1
    kind: str = BINARY
    cache: str = NEVER
    plain: bool = False
    most: int = BODY
    first: Callable[[Call], None] = lambda ask: None


class Pack(web.FileResponse):
    """Sent in slices, each in bounded time: who does not take what they asked for is cut off."""

    async def _sendfile(self, request: web.BaseRequest, fobj: IO[Any], offset: int, count: int) -> AbstractStreamWriter:
        writer = await web.StreamResponse.prepare(self, request)
        assert writer is not None
        loop, end = asyncio.get_running_loop(), offset + count
        for at in range(offset, end, SLICE):
            if request.transport is None:
                raise ConnectionResetError("the caller left")
            try:
                async with asyncio.timeout(SLICE_SECONDS) as limit:
                    if isinstance(request.protocol, connector.Handler):
                        request.protocol.sending = limit
                    await loop.sendfile(request.transport, fobj, at, min(SLICE, end - at))
            except (TimeoutError, RuntimeError, OSError) as error:  # RuntimeError: the transport is closing
                if request.transport is not None:
                    request.transport.abort()
                raise ConnectionResetError("the caller left, or takes nothing") from error
            finally:
                if isinstance(request.protocol, connector.Handler):
                    request.protocol.sending = None
        await web.StreamResponse.write_eof(self)
        return writer


class Doors:
    """Remembers which caller each connection belongs to: told by the door, before a byte is read."""

    def __init__(self) -> None:
        self._callers: weakref.WeakKeyDictionary[object, Caller] = weakref.WeakKeyDictionary()

    def tag(self, caller: Caller) -> Callable[[object], None]:
        return lambda handler: self._callers.__setitem__(handler, caller)

    def caller(self, request: web.Request) -> Caller:
        try:
            caller = self._callers[request.protocol]
        except (KeyError, TypeError):  # aiohttp's own protocols are no weak keys
            raise Refused("this connection came in by no door") from None
        if caller.door == "plain" and request.transport is not None:
            return replace(caller, source=crowd.source(request.transport.get_extra_info("peername")))
        return caller


Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


def resources(site: Site, custodian: Custodian | None = None, posts: Posts = Posts()) -> list[Resource]:
    """The table of what peers and plain callers see."""

    def kept() -> Custodian:
        if custodian is None:
            raise NotFound("this node keeps no shares")
        return custodian

    def posting(take: Post) -> Callable[[Call], Awaitable[bytes]]:
        return lambda ask: take(ask.commons, ask.body, ask.caller.peer)

    def of(path: str) -> str:
        return "/{commons:baf[a-z2-7]+}/" + path

    log, n = "/monitoring/{log:[0-9a-f]{64}}/", "[0-9]{1,18}"
    return [
        Resource("GET", "/.well-known/libp2p/protocols", lambda _: PROTOCOLS, 1, "application/json", LATER, plain=True),
        Resource("GET", "/commons", lambda ask: site.names(ask.caller.peer), 1, TEXT, plain=True),
        Resource("GET", "/manifests/{cid}", lambda ask: site.manifest(check_cid(ask.words["cid"])),
                 2, BINARY, FOREVER, plain=True),
        Resource("GET", "/packs/{root}", lambda ask: site.pack(_root(ask)), 4, BINARY, FOREVER, plain=True),
        Resource("GET", "/packs/{root}/pieces", lambda ask: site.pieces(_root(ask)), 8, BINARY, FOREVER, plain=True),
        Resource("GET", of("checkpoint"), lambda ask: site.checkpoint(ask.commons), 1, TEXT, SOON, plain=True),
        Resource("GET", of("cosigned"), lambda ask: site.cosigned(ask.commons), 2, TEXT, SOON, plain=True),
        Resource("GET", of("tile/{path:.+}"), lambda ask: site.tile(ask.commons, f"tile/{ask.words['path']}"),
                 16, BINARY, FOREVER, plain=True),
        Resource("GET", of(f"consistency/{{old:{n}}}/{{new:{n}}}"),
                 lambda ask: site.consistency(ask.commons, int(ask.words["old"]), int(ask.words["new"])),
                 16, BINARY, LATER, plain=True),
        Resource("GET", of("notices/{cid}"), lambda ask: site.notice(ask.commons, check_cid(ask.words["cid"])),
                 4, BINARY, SOON, plain=True),
        Resource("POST", "/add-checkpoint", lambda ask: site.add_checkpoint(ask.body), 16, TEXT, plain=True),
        Resource("GET", log + "checkpoint", lambda ask: site.monitored(ask.words["log"]), 2, TEXT, SOON, plain=True),
        Resource("GET", log + "submitted", lambda ask: site.submitted(ask.words["log"]), 4, BINARY, SOON, plain=True),
        Resource("GET", of("openings/{bundle:.+}"),
                 lambda ask: site.openings(ask.commons, ask.words["bundle"], ask.caller.peer), 32),
        Resource("POST", of("datasets/{cid}"),
                 lambda ask: site.listed(ask.commons, check_cid(ask.words["cid"]), ask.body), 16),
        Resource("POST", of("entries"), lambda ask: site.submit(ask.commons, ask.body), 16),
        Resource("POST", of("publications"), lambda ask: site.publish(ask.commons, ask.body), 32, most=listing.LIMIT,
                 first=lambda ask: site.check_publisher(ask.commons, ask.caller.peer)),
        Resource("POST", of("release"), lambda ask: site.release(ask.commons, ask.body), 16),
        Resource("GET", of("succession"), lambda ask: site.bids.shown(ask.commons), 4),
        Resource("POST", of("succession"), lambda ask: site.bids.take(ask.commons, ask.body), 16),
        Resource("GET", of("custody-key"), lambda ask: kept().announce(ask.commons)),
        Resource("POST", of("deposits"), lambda ask: kept().deposit(ask.commons, ask.body), 16),
        Resource("POST", of("shares"), lambda ask: kept().hand(ask.commons, ask.body, ask.caller.peer), 16),
        *(Resource("POST", of(name), posting(take), 16) for name, take in (
            ("heads", posts.heads), ("submitted", posts.submitted)) if take is not None),
    ]  # fmt: skip


def application(
    site: Site,
    doors: Doors,
    custodian: Custodian | None = None,
    posts: Posts = Posts(),
    spend: Spend = lambda caller, cost: 0.0,
) -> web.Application:
    """The table's routes. Nothing is done for a caller before all of their request is here and paid for."""
    at_work: Counter[Caller] = Counter()

    @web.middleware
    async def guard(request: web.Request, handler: Handler) -> web.StreamResponse:
        """One place where errors become status codes."""
        try:
            return await handler(request)
        except CommonsError as error:
            log.debug("refused %s %s error=%d", request.method, request.path[:200], error.number)
            return failure(error)
        except TimeoutError:
            return failure(TimedOut("the request took too long"))
        except ConnectionError:  # the caller left: nobody hears this
            return failure(Malformed("the request broke off"))
        except web.HTTPException as answer:
            if answer.status < 400:
                raise
            what = f"{request.method} {request.path[:200]}"
            if answer.status == 413:
                return failure(TooLarge(f"larger than is taken here: {what}"))
            return failure(NotFound(f"nothing here answers {what}"))
        except Exception:
            log.exception("%s %s failed", request.method, request.path[:200])
            return failure(Internal("the node failed at this request"))

    def routed(row: Resource) -> Handler:
        async def answer(request: web.Request) -> web.StreamResponse:
            ask = Call(request.match_info, doors.caller(request), b"")
            if ask.caller.door == "plain" and not row.plain:
                raise Refused(
                    "this door gives sealed packs, manifests and public tiles only",
                    hint="use the node's libp2p address, /ip4/…/p2p/…",
                )
            if row.method == "POST":
                row.first(ask)
                ask = replace(ask, body=await body_of(request, row.most))
            if wait := spend(ask.caller, row.cost):
                raise TooMany("too many requests", hint=f"wait {math.ceil(wait)} s, then repeat", after=wait)
            if at_work[ask.caller] >= AT_WORK:
                raise TooMany(f"more than {AT_WORK} requests at once", hint="wait for the first ones")
            at_work[ask.caller] += 1
            try:
                told = row.answer(ask)
                if isinstance(told, Awaitable):
                    told = await told
            finally:
                at_work[ask.caller] -= 1
                if not at_work[ask.caller]:
                    del at_work[ask.caller]
            log.debug("served %s %s to %s", request.method, request.path[:200], ask.caller.name)
            headers = {"Cache-Control": row.cache, "Content-Type": row.kind}
            return Pack(told, headers=headers) if isinstance(told, Path) else web.Response(body=told, headers=headers)

        return answer

    async def prepared(request: web.Request, answer: web.StreamResponse) -> None:
        """What went wrong, in whatever way, is kept by no cache."""
        if answer.status >= 400:
            answer.headers["Cache-Control"] = NEVER

    app = web.Application(middlewares=[guard], client_max_size=BODY)
    app.on_response_prepare.append(prepared)
    add = {"GET": web.get, "POST": web.post}
    app.add_routes([add[row.method](row.path, routed(row)) for row in resources(site, custodian, posts)])
    return app


PROTOCOLS = b'{"/commons/1": {"path": "/"}}'  # libp2p's HTTP spec: which application protocols are where


def failure(error: CommonsError) -> web.Response:
    """An error's answer. What a witness says to a log has the statuses of C2SP tlog-witness."""
    if isinstance(error, cosignature.Behind):
        return web.Response(body=error.body, status=409, content_type=cosignature.SIZE)
    answer = web.json_response(error.as_dict(), status=400 if isinstance(error, cosignature.Ahead) else error.status)
    answer.headers["Cache-Control"] = NEVER
    if isinstance(error, TooMany):
        answer.headers["Retry-After"] = str(math.ceil(error.after))
    return answer


async def body_of(request: web.Request, most: int = BODY) -> bytes:
    """At most `most` bytes, which may be more than the application takes elsewhere. TooLarge, Malformed."""
    if request.content_length is not None and request.content_length > most:
        raise web.HTTPRequestEntityTooLarge(most, request.content_length)
    body = bytearray()
    try:
        async with asyncio.timeout(BODY_SECONDS + (request.content_length or most) / SLOWEST):
            async for chunk in request.content.iter_any():
                body += chunk
                if len(body) > most:
                    raise web.HTTPRequestEntityTooLarge(most, len(body))
        return bytes(body)
    except TimeoutError as error:
        raise TimedOut("the rest of the request did not come") from error
    except (ConnectionError, aiohttp.ClientError, HttpProcessingError, web.RequestPayloadError, RuntimeError) as error:
        raise Malformed("the request broke off") from error  # RuntimeError: aiohttp's, of a connection that is closed


def _root(ask: Call) -> bytes:
    try:
        root = bytes.fromhex(ask.words["root"])
    except ValueError:
        root = b""
    if len(root) != 32 or root.hex() != ask.words["root"]:
        raise Malformed("a pack's name is its root, 64 hex digits")
    return root
