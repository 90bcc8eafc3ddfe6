"""aiohttp's two ends of a stream: `http://<peer_host>.libp2p/` for clients, a tagged connection for the server.

Importing this does not load libp2p; nor does using it, before the first `.libp2p` URL.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Awaitable, Callable, Sequence
from typing import TYPE_CHECKING, Any

import aiohttp
from aiohttp import web

from commons.core.ids import PeerId, peer_host, peer_of_host
from commons.errors import Malformed
from commons.net.swarm import Swarm

if TYPE_CHECKING:
    from aiohttp.client_proto import ResponseHandler
    from aiohttp.client_reqrep import ClientRequest
    from aiohttp.tracing import Trace

SUFFIX = ".libp2p"


def url_of(peer: PeerId, path: str = "/") -> str:
    return f"http://{peer_host(peer)}{SUFFIX}{path}"


class Connector(aiohttp.TCPConnector):
    """Streams for `.libp2p` hosts, plain TCP for all others. Keeps a few connections per host, and reuses them.

    `swarm` is awaited at the first `.libp2p` URL; `addresses_of(peer)` gives the multiaddrs to try when the peer is not
    connected. A request may raise `dial`'s Unreachable and TimedOut besides aiohttp's own errors.
    """

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
    """aiohttp's, which has slots only, with room for a tag: attributes can be set, and it can be a weak key."""


def tagged(server: web.Server, tag: Callable[[Handler], None]) -> Callable[[], Handler]:
    """A protocol factory. `tag` sees each handler before any byte is read: requests have it as `request.protocol`."""

    def factory() -> Handler:
        handler = Handler(server, loop=asyncio.get_running_loop(), **server._kwargs)
        tag(handler)
        return handler

    return factory


async def serve(server: web.Server, sock: socket.socket, tag: Callable[[Handler], None]) -> None:
    """Hand an accepted stream to an aiohttp server (`AppRunner.server`); see `tagged`."""
    try:
        await asyncio.get_running_loop().connect_accepted_socket(tagged(server, tag), sock)
    except BaseException:
        sock.close()
        raise
