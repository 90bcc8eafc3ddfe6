"""aiohttp's two ends of a stream: `http://<peer_host>.libp2p/` for clients, a tagged connection for the server, which
nobody holds by saying nothing, or half of something, or by taking no answer.

Importing this does not load libp2p; nor does using it, before the first `.libp2p` URL.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from typing import TYPE_CHECKING, Any

import aiohttp
from aiohttp import web
from aiohttp.http import HttpProcessingError

from commons.core.crypto.ids import PeerId, peer_host, peer_of_host
from commons.errors import Conflict, Malformed
from commons.net import causes, crowd
from commons.net.swarm import Swarm

if TYPE_CHECKING:
    from aiohttp.client_proto import ResponseHandler
    from aiohttp.client_reqrep import ClientRequest
    from aiohttp.tracing import Trace

SUFFIX = ".libp2p"
IDLE_SECONDS = 90.0  # for a request to begin
HEAD_SECONDS = 15.0  # for its head, once it has begun
LINGER_SECONDS = 3.0  # for a body that was refused to end
TAKE_SECONDS = 30.0  # for an answer that waits in memory to shrink by
TAKEN = 256 << 10  # bytes, or to be gone
UNTAKEN = 128 << 20  # bytes of answers to all together that may wait in memory
LOOK_SECONDS = 1.0  # between two looks at who is there
AT_ONCE = 32  # connections accepted in one turn of the loop
WAITING = 1024  # connections that the kernel holds for us


def url_of(peer: PeerId, path: str = "/") -> str:
    """The URL of a path at a peer, for aiohttp."""
    return f"http://{peer_host(peer)}{SUFFIX}{path}"


class Connector(aiohttp.TCPConnector):
    """aiohttp's way to connect: by a libp2p stream to `.libp2p` hosts, by plain TCP to all others. Keeps a few
    connections per host, and reuses them.

    `swarm` is awaited at the first `.libp2p` URL; `addresses_of(peer)` gives the multiaddrs to try when the peer is not
    connected. A request may raise `dial`'s Unreachable and TimedOut besides aiohttp's own errors."""

    def __init__(
        self,
        swarm: Callable[[], Awaitable[Swarm]],
        addresses_of: Callable[[PeerId], Sequence[str]],
        *,
        limit_per_host: int = 6,
        keepalive_timeout: float | None = 60.0,
        **options: Any,
    ) -> None:
        super().__init__(limit_per_host=limit_per_host, keepalive_timeout=keepalive_timeout, **options)
        self._swarm, self._addresses_of = swarm, addresses_of

    async def _create_connection(
        self, req: ClientRequest, traces: list[Trace], timeout: aiohttp.ClientTimeout
    ) -> ResponseHandler:
        host = req.url.raw_host or ""
        if not host.endswith(SUFFIX):
            return await super()._create_connection(req, traces, timeout)
        if req.url.scheme != "http":
            raise Malformed(f"{req.url.scheme}://…{SUFFIX}: the stream is encrypted by itself", hint="use http://")
        peer = peer_of_host(host.removesuffix(SUFFIX))
        swarm = await self._swarm()
        sock = await swarm.dial(peer, self._addresses_of(peer))
        try:
            _, protocol = await self._loop.create_connection(self._factory, sock=sock)
        except BaseException:
            sock.close()
            raise
        return protocol


class Handler(web.RequestHandler):
    """aiohttp's, which has slots only, with room for a tag: attributes can be set, and it can be a weak key.

    Is a `crowd.Guest`: `busy` while a whole request is being answered. What is no request is answered and not logged.
    """

    source = ""
    room: crowd.Crowd | None = None
    sending: asyncio.Timeout | None = None  # around what goes from a file straight into the socket
    _begun: float | None = None  # when the first byte came of a head that is not whole yet
    _waits = (0.0, 0)  # since when so many bytes of an answer wait in memory

    @property
    def busy(self) -> bool:
        """Whether a whole request is being answered."""
        request = self._current_request
        return not self._idle and (request is None or request.content.is_eof())

    @property
    def since(self) -> float:
        """When the last answer was given, or the connection made."""
        return self._next_keepalive_close_time - self._keepalive_timeout

    def leave(self) -> None:
        """Nothing: gives the place back; the rest of an answer is not sent."""
        if self.sending is None and self.transport is not None:
            self.transport.abort()
        self._stop_sending()

    def force_close(self) -> None:
        """Nothing: closes the connection, once a file that is being sent has ended."""
        if self.sending is None:
            super().force_close()
        self._force_close = True
        self._stop_sending()

    def _stop_sending(self) -> None:
        """Whoever sends a file then ends the connection: closed under it, asyncio would leave the file open and
        complain of itself."""
        if self.sending is not None:
            self.sending.reschedule(self._loop.time())
            self.sending = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        if self.room is not None:
            self.source = crowd.source(transport.get_extra_info("peername"))
            self.room.enter(self, self._loop.time())

    def connection_lost(self, exc: BaseException | None) -> None:
        if self.room is not None:
            self.room.left(self)
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        if data and self._begun is None:
            self._begun = self._loop.time()
        super().data_received(data)
        if not self._idle or self._messages:
            self._begun = None

    def look(self, now: float) -> None:
        """Nothing: ends a connection whose head does not come, or whose answer is not taken. aiohttp ends one that is
        idle."""
        left, waiting = self.untaken, self._waits[1]
        if not left or left <= waiting - TAKEN or left > waiting:
            self._waits = now, left
        late = self._idle and self._begun is not None and now - self._begun > HEAD_SECONDS
        if late or (left and now - self._waits[0] > TAKE_SECONDS):
            self.leave()

    @property
    def untaken(self) -> int:
        """How many bytes of answers wait in memory for the other side to take them."""
        return self.transport.get_write_buffer_size() if self.transport is not None else 0

    @property
    def _idle(self) -> bool:
        return self._waiter is not None and not self._waiter.done()

    def handle_error(
        self, request: web.BaseRequest, status: int = 500, exc: BaseException | None = None, message: str | None = None
    ) -> web.StreamResponse:
        """The answer to what is no HTTP request, which is not logged; that of aiohttp where code of ours failed."""
        if not isinstance(exc, HttpProcessingError):
            return super().handle_error(request, status, exc, message)
        told = Malformed(f"this is no HTTP request: {(message or type(exc).__name__)[:200]}")
        answer = web.json_response(told.as_dict(), status=status, headers={"Cache-Control": "no-store"})
        answer.force_close()
        return answer


@contextlib.asynccontextmanager
async def watched(server: web.Server) -> AsyncIterator[None]:
    """A context in which all who are connected are looked at again and again: see `Handler.look`, and `UNTAKEN`."""

    async def watch() -> None:
        loop = asyncio.get_running_loop()
        while True:
            await asyncio.sleep(LOOK_SECONDS)
            there = [handler for handler in server.connections if isinstance(handler, Handler)]
            for handler in there:
                handler.look(loop.time())
            held = sum(handler.untaken for handler in there)
            for handler in sorted(there, key=lambda handler: -handler.untaken) if held > UNTAKEN else ():
                if held > UNTAKEN:
                    held -= handler.untaken
                    handler.leave()

    task = asyncio.create_task(watch())
    try:
        yield
    finally:
        task.cancel()


def tagged(
    server: web.Server, tag: Callable[[Handler], None], room: crowd.Crowd | None = None
) -> Callable[[], Handler]:
    """A protocol factory for a server. `tag` sees each handler before any byte is read: requests have it as
    `request.protocol`."""

    def factory() -> Handler:
        handler = Handler(server, loop=asyncio.get_running_loop(), **server._kwargs)
        handler.room = room
        tag(handler)
        return handler

    return factory


async def serve(server: web.Server, sock: socket.socket, tag: Callable[[Handler], None]) -> None:
    """Nothing: hands an accepted stream to an aiohttp server (`AppRunner.server`); see `tagged`."""
    try:
        await asyncio.get_running_loop().connect_accepted_socket(tagged(server, tag), sock)
    except BaseException:
        sock.close()
        raise


async def listen(factory: Callable[[], Handler], host: str, port: int) -> asyncio.Server:
    """A TCP server that accepts a few at a time: each costs a descriptor before anybody can say no to it. Conflict
    where somebody listens there."""
    try:
        server = await asyncio.get_running_loop().create_server(factory, host, port, backlog=AT_ONCE)
        for each in server.sockets:
            with socket.fromfd(each.fileno(), each.family, each.type) as same:
                same.listen(WAITING)
    except OSError as error:
        raise Conflict(f"cannot listen on {host}, port {port}: {causes.why(error)}") from error
    return server
