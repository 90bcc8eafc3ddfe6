"""The trio side of the swarm: dials peers, and joins every `/http/1.1` stream to one end of a socketpair.

Runs in the swarm's thread and imports libp2p. Knows nothing of HTTP or asyncio: sockets and callbacks go out, no more.

Back-pressure is the kernel's and Yamux's, with one limit of libp2p's own: a writer whose window stays shut for 5 s
gives up and resets its stream. So whoever reads a socket too slowly for 5 s and a few MiB loses that stream: ask for
bulk in ranges (1 MiB) that are taken at once. The end of a stream never means that what came was complete.
"""

from __future__ import annotations

import contextlib
import logging
import select
import socket
import threading
import weakref
from collections.abc import Callable, Sequence
from typing import Any

import trio
from libp2p.network.stream.exceptions import StreamEOF
from libp2p.peer.id import ID
from libp2p.protocol_muxer.multiselect_communicator import MultiselectCommunicator

from commons.core.crypto.ids import PeerId, check_peer
from commons.errors import CommonsError, Conflict, TimedOut, Unreachable
from commons.net import causes
from commons.net.addresses import bare, found, named, parse, probe
from commons.net.descriptors import Places
from commons.net.host import build, cut, fixed_window, served, shielded

PROTOCOL = "/http/1.1"
CHUNK = 4 * 65507  # bytes moved at a time
FRAME = 65507  # and with Yamux's header (12) and Noise's tag (16), one Noise message of 65535; a byte more makes it two
BUFFER = 256 << 10  # of each end of a socketpair; more brings no speed
DIAL_SECONDS = 8.0  # for each address
OPEN_SECONDS = 8.0  # for a stream on a live connection
WRITE_SECONDS = 30.0  # for one chunk
IDLE_SECONDS = 120.0  # without a byte either way
LINGER_SECONDS = 2.0  # for a peer to stop sending to a server that has hung up
STOP_SECONDS = 0.7

log = logging.getLogger(__name__)
Done = Callable[[socket.socket | None, Exception | None], bool]


class Engine:
    """One host of libp2p in its thread, made and run there; any other may call `dial`, `connected` and `wake`."""

    def __init__(
        self,
        seed: bytes,
        listen: Sequence[str],
        places: Places,
        quit: threading.Event,
        accept: Callable[[PeerId, str, socket.socket], bool],
    ) -> None:
        self.listen = [parse(address) for address in dict.fromkeys(listen)]
        self.host = build(seed, self.listen, places)
        self.peer = PeerId(str(self.host.get_id()))
        self.network = self.host.get_network()
        self.quit, self.accept = quit, accept
        self._locks: weakref.WeakValueDictionary[str, trio.Lock] = weakref.WeakValueDictionary()
        self._token: trio.lowlevel.TrioToken | None = None

    async def run(self, ready: Callable[[tuple[str, ...]], object]) -> None:
        """Nothing: listens, says so to `ready`, and serves until `quit` is set. Conflict when an address cannot be
        listened on."""
        self._stopping = trio.Event()
        self._token = trio.lowlevel.current_trio_token()
        for address in self.listen:
            probe(address)
        self.host.set_stream_handler(PROTOCOL, self._inbound)
        async with self.host.run(listen_addrs=self.listen), trio.open_nursery() as self._nursery:
            deaf = [str(a) for a in self.listen if str(a) not in self.network.listeners]  # libp2p itself keeps silent
            if not deaf and not self.quit.is_set():
                ready(tuple(str(a) for a in self.host.get_addrs()))
                await self._stopping.wait()
            await self._close()
            self._nursery.cancel_scope.cancel()
        if deaf:
            raise Conflict(f"cannot listen on {', '.join(deaf)}")

    def wake(self) -> None:
        """Nothing: tells the thread to stop."""
        self._soon(lambda: self._stopping.set())

    def dial(self, peer: PeerId, addresses: Sequence[str], done: Done) -> Callable[[], None]:
        """What cancels the dial that was begun here, which ends in `done(socket, None)` or `done(None, error)`."""
        scope = trio.CancelScope()

        async def job() -> None:
            result: socket.socket | None = None
            error: Exception | None = Unreachable("the network is stopping")
            try:
                with scope:
                    stream = await self._open(peer, addresses)
                    ours, result = pair()
                    error = None
                    self._nursery.start_soon(Joint(stream, ours, dialled=True).run)
            except Exception as caught:
                error = caught
            finally:
                if not done(result, error) and result is not None:
                    result.close()

        def start() -> None:
            try:
                self._nursery.start_soon(job)
            except RuntimeError:  # an error out of here would end trio
                done(None, Unreachable("the network is stopping"))

        if not self._soon(start):
            done(None, Unreachable("the network has stopped"))

        def cancel() -> None:
            self._soon(scope.cancel)

        return cancel

    def connected(self, peer: PeerId) -> bool:
        """Whether a peer has a connection to this host, whoever dialled it."""
        return any(map(usable, self.network.get_connections(ID.from_string(peer))))

    def _soon(self, function: Callable[[], object]) -> bool:
        try:
            if self._token is not None:
                self._token.run_sync_soon(function)
        except trio.RunFinishedError:
            return False
        return self._token is not None

    async def _inbound(self, stream: Any) -> None:
        peer = check_peer(str(stream.muxed_conn.peer_id))  # proved by Noise; keys other than Ed25519 end here
        ours, theirs = pair()
        if not self.accept(peer, stream.muxed_conn.place.source, theirs):
            theirs.close()
        await Joint(stream, ours, dialled=False).run()

    async def _open(self, peer: PeerId, addresses: Sequence[str]) -> Any:
        target, lock = ID.from_string(check_peer(peer)), self._locks.get(peer) or trio.Lock()
        self._locks[peer] = lock
        if peer == self.peer:
            raise Unreachable(f"{peer} is this node itself")
        for _ in range(3):  # a connection may prove dead when used
            async with lock:
                live = [c for c in self.network.get_connections(target) if usable(c)]
                connection = live[0] if live else await self._connect(peer, target, addresses)
            since = trio.current_time()
            try:
                with trio.fail_after(OPEN_SECONDS):
                    return await self._stream(connection)
            except trio.TooSlowError:
                if connection.muxed_conn.heard > since:
                    raise TimedOut(f"{peer} opened no stream in {OPEN_SECONDS:.0f} s: it is overloaded") from None
                await cut(connection.muxed_conn)  # the other end is gone without a word
            except Exception as error:
                if usable(connection):
                    raise Unreachable(f"{peer} refused a stream: {causes.why(error)}") from error
        raise Unreachable(f"{peer} closes every connection at once")

    async def _stream(self, connection: Any) -> Any:
        stream = await connection.new_stream()
        try:
            await self.host.multiselect_client.select_one_of([PROTOCOL], MultiselectCommunicator(stream), 60)
        except BaseException:
            with shielded(1):
                await stream.reset()
            raise
        return stream

    async def _connect(self, peer: PeerId, target: Any, addresses: Sequence[str]) -> Any:
        tried = []
        self.network.unblock_peer(target)
        for address in dict.fromkeys(addresses):
            try:
                with trio.fail_after(DIAL_SECONDS):
                    connection = await self._dial(bare(address, peer), target)
                if connection.muxed_conn.peer_id == target:
                    return connection
                why = "another peer answered"
            except trio.TooSlowError:
                why = f"no answer in {DIAL_SECONDS:.0f} s"
            except CommonsError as error:
                why = error.message
            except Exception as error:
                why = causes.why(error)
            tried.append(f"{address}: {why}")
        raise Unreachable(
            f"cannot reach {peer}: {'; '.join(tried) or 'no address known'}",
            hint="check that the peer is running and that its address is current",
        )

    async def _dial(self, address: Any, target: Any) -> Any:
        """A connection to an address, whose name is looked up as this machine does it; libp2p would ask the DNS alone,
        which knows nothing of the machine's own names."""
        log.debug("dials %s", address)
        if (name := named(address)) is None:
            return await self.network.dial_addr(address, target)
        host, port, family = name
        try:
            places = found(await trio.socket.getaddrinfo(host, port, family=family, type=socket.SOCK_STREAM))
        except OSError as error:
            raise Unreachable(f"the name {host} is not known") from error
        why: Exception = Unreachable(f"the name {host} stands for no address")
        for place in places:
            try:
                return await self.network.dial_addr(place, target)
            except Exception as error:
                why = error
        raise why

    async def _close(self) -> None:
        """Leaving `host.run()` alone leaves sockets open. A peer that does not read is not waited for."""
        connections = self.network.get_connections()
        for listener in [*self.network.listeners.values()]:
            await listener.close()
        async with trio.open_nursery() as closing:
            for connection in connections:
                closing.start_soon(close_quietly, connection)
            with trio.move_on_after(STOP_SECONDS):
                while closing.child_tasks:
                    await trio.sleep(0.02)
            for connection in connections:
                await cut(connection.muxed_conn)
            closing.cancel_scope.cancel()


class Joint:
    """One stream and one socket, joined by two pumps. Half-closes each way; anything else resets the one and closes the
    other."""

    def __init__(self, stream: Any, ours: socket.socket, *, dialled: bool) -> None:
        self.stream, self.socket, self.dialled = (
            stream,
            trio.SocketStream(trio.socket.from_stdlib_socket(ours)),
            dialled,
        )
        self.idle = trio.CancelScope(deadline=trio.current_time() + IDLE_SECONDS)
        self.heard_all = self.hung_up = False

    async def run(self) -> None:
        """Nothing, once both ways have ended."""
        clean = False
        try:
            with self.idle:
                await fixed_window(self.stream.muxed_stream)  # Yamux begins with 256 KiB: widen it before the bulk
                async with trio.open_nursery() as pumps:
                    pumps.start_soon(self._pump_in)
                    pumps.start_soon(self._pump_out)
                clean = True
        except Exception as error:
            log.debug("a stream of %s broke: %s", self.stream.muxed_conn.peer_id, causes.why(error))
        finally:
            self.socket.socket.close()
            with shielded(LINGER_SECONDS), contextlib.suppress(Exception):
                await (self.stream.close() if clean else self.stream.reset())

    async def _pump_in(self) -> None:
        while data := await self._read():
            self.idle.deadline = trio.current_time() + IDLE_SECONDS
            if not self.hung_up:
                try:
                    with trio.fail_after(WRITE_SECONDS):
                        await self.socket.send_all(data)
                except trio.BrokenResourceError:
                    if self.dialled:
                        raise
                    self.hung_up = True  # a server that has answered early: its answer is still on its way
        if not self.hung_up:
            await self.socket.send_eof()
        self.heard_all = True

    async def _read(self) -> bytes:
        """The next bytes; b"" at the peer's half-close; ConnectionError when it is rather a reset."""
        try:
            data: bytes = await self.stream.read(CHUNK)
        except StreamEOF:
            data = b""
        mux = self.stream.muxed_stream
        if not data and (mux.reset_received or mux.conn.event_shutting_down.is_set()):
            raise ConnectionError("reset by the peer")
        return data

    async def _pump_out(self) -> None:
        with contextlib.suppress(trio.BrokenResourceError):  # closed with bytes unread
            while data := await self.socket.receive_some(CHUNK):
                self.idle.deadline = trio.current_time() + IDLE_SECONDS
                with trio.fail_after(WRITE_SECONDS):
                    for at in range(0, len(data), FRAME):
                        await self.stream.write(bytes(data[at : at + FRAME]))
                served(self.stream)
        if closed(self.socket.socket) and not self.heard_all:
            if self.dialled:
                raise ConnectionError("the reader left")  # stops a sender at once
            self.hung_up = True
        await self.stream.close_write()
        if self.hung_up:  # a reset would overtake the answer: wait for the peer's end first
            self.idle.deadline = trio.current_time() + LINGER_SECONDS


def pair() -> tuple[socket.socket, socket.socket]:
    """Two connected sockets, neither of which blocks."""
    ours, theirs = socket.socketpair()
    for end in (ours, theirs):
        end.setblocking(False)
        end.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, BUFFER)
    return ours, theirs


def closed(ours: Any) -> bool:
    """Whether the other end is closed, and not only shut for writing."""
    poll = select.poll()
    poll.register(ours.fileno(), 0)
    return bool(poll.poll(0))


def usable(connection: Any) -> bool:
    """Whether a connection can still carry a new stream."""
    return not connection.is_closed and not connection.muxed_conn.event_shutting_down.is_set()


async def close_quietly(connection: Any) -> None:
    """Nothing: closes a connection, whatever it answers."""
    with contextlib.suppress(Exception):
        await connection.close()
