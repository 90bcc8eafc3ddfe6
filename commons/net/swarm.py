"""The node's place among peers: libp2p in a thread of its own (trio), joined to this event loop by sockets.

A stream to or from a peer is a plain socket here, and the peer id that comes with it is proved by Noise. Importing this
costs nothing: libp2p is loaded by `start`. Read sockets promptly: see `joints` for what 5 s without reading costs.
"""

from __future__ import annotations

import asyncio
import functools
import logging
import os
import socket
import threading
import weakref
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from commons.core.crypto.ids import PeerId
from commons.core.crypto.keys import Signer
from commons.errors import CommonsError, Conflict, Internal, Unreachable
from commons.net.descriptors import Places

if TYPE_CHECKING:
    from commons.net.joints import Engine

log = logging.getLogger(__name__)


class Swarm:
    """The node's libp2p, as asyncio sees it. `listen` holds multiaddrs (`/ip4/…/tcp/…`), or none; `on_stream(peer,
    socket)` is called on the event loop."""

    peer: PeerId
    addresses: tuple[str, ...] = ()  # with ports and /p2p/, once started
    closed: asyncio.Future[BaseException | None]  # since `start`; its result is what ended the thread, or None

    def __init__(
        self,
        identity_seed: bytes,
        listen: Sequence[str],
        on_stream: Callable[[PeerId, socket.socket], None],
        places: Places | None = None,
    ) -> None:
        self.peer = Signer(identity_seed).peer
        self._seed, self._listen, self._on_stream = identity_seed, tuple(listen), on_stream
        self._places = places or Places()
        self._sources: weakref.WeakKeyDictionary[socket.socket, str] = weakref.WeakKeyDictionary()
        self._pending: set[asyncio.Future[socket.socket]] = set()
        self._thread: threading.Thread | None = None
        self._engine: Engine | None = None

    async def start(self) -> None:
        """Nothing, when all of `listen` is listened on; Conflict when that cannot be, Malformed for no such address."""
        if self._thread is not None:
            raise Conflict("the network is running already")
        self._loop = asyncio.get_running_loop()
        self._ready: asyncio.Future[tuple[str, ...]] = self._loop.create_future()
        self.closed = self._loop.create_future()
        self._quit = threading.Event()
        self._thread = threading.Thread(target=self._run, name="libp2p", daemon=True)
        self._thread.start()
        try:
            self.addresses = await self._ready
        except BaseException:
            await self.stop()
            raise

    async def stop(self) -> None:
        """Nothing: closes everything, streams in flight included; their sockets see an end. Under 2 s; a no-op when
        stopped."""
        if self._thread is None:
            return
        self._quit.set()
        if self._engine is not None:
            self._engine.wake()
        await asyncio.wait([self.closed])
        if self._thread is not None:
            self._thread.join()
        self._thread, self._engine, self.addresses = None, None, ()

    def source(self, sock: socket.socket) -> str:
        """Where a stream that `on_stream` was given came from: see `crowd.source`."""
        return self._sources.get(sock, "")

    def connected(self, peer: PeerId) -> bool:
        """Whether there is a connection to `peer` now: as the kernel knows, which asks where nothing is said."""
        return self._engine is not None and not self.closed.done() and self._engine.connected(peer)

    async def dial(self, peer: PeerId, addresses: Sequence[str]) -> socket.socket:
        """A new stream to `peer`, as a non-blocking socket; over the live connection, else over one of `addresses`.

        Unreachable names each address and why it failed; TimedOut: the peer is connected but stalls.
        """
        if self._engine is None or self.closed.done():
            raise Unreachable("this node's network is not running")
        future: asyncio.Future[socket.socket] = self._loop.create_future()
        self._pending.add(future)
        future.add_done_callback(self._pending.discard)
        cancel = self._engine.dial(peer, tuple(addresses), functools.partial(self._post, _settle, future))
        try:
            return await future
        except asyncio.CancelledError:
            cancel()
            if not future.cancelled() and future.exception() is None:
                future.result().close()  # it came in the same turn as the cancellation
            raise

    def _run(self) -> None:
        """The thread."""
        error: BaseException | None = None
        try:
            os.environ.pop("LIBP2P_DEBUG", None)  # read at import, it would open log files and print
            import trio

            from commons.net.joints import Engine

            self._engine = Engine(
                self._seed,
                self._listen,
                self._places,
                self._quit,
                lambda peer, source, sock: self._post(self._accepted, peer, source, sock),
            )
            trio.run(self._engine.run, lambda addresses: self._post(_settle, self._ready, addresses, None))
        except BaseException as caught:
            error = caught
        self._post(self._ended, error)

    def _post(self, function: Callable[..., object], *args: object) -> bool:
        """Call on the event loop, from the thread; False when the loop is closed and nobody waits any more."""
        try:
            self._loop.call_soon_threadsafe(function, *args)
        except RuntimeError:
            return False
        return True

    def _accepted(self, peer: PeerId, source: str, sock: socket.socket) -> None:
        self._sources[sock] = source
        try:
            self._on_stream(peer, sock)
        except Exception:
            log.exception("a stream of %s was refused by its own door", peer)
            sock.close()

    def _ended(self, error: BaseException | None) -> None:
        if error is not None and not isinstance(error, CommonsError):
            log.error("the libp2p thread ended", exc_info=error)
            told: CommonsError = Internal(f"the libp2p thread ended: {type(error).__name__}")
            told.__cause__ = error
        else:
            told = error or Unreachable("the network has stopped")
        for future in [*self._pending]:
            _settle(future, None, Unreachable("the network has stopped"))
        _settle(self._ready, None, told)
        if not self._ready.cancelled():
            self._ready.exception()  # never "was never retrieved"
        _settle(self.closed, error, None)


def _settle(future: asyncio.Future[Any], result: object, error: Exception | None) -> None:
    if future.done():
        if isinstance(result, socket.socket):
            result.close()
    elif error is not None:
        future.set_exception(error)
    else:
        future.set_result(result)
