"""A py-libp2p host with its sharp edges off: one guard, one function, which says what a peer could do without it.

Written against the private names of libp2p 0.8.1 and pinned to it; `tests/net/test_guards.py` runs each attack with and
without its guard. Imports libp2p (a second, 85 MB): only the swarm's thread imports this. Knows nothing of HTTP.
"""

from __future__ import annotations

import contextlib
import logging
import socket
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

import trio
from libp2p import new_host
from libp2p.connection_types import ConnectionType
from libp2p.crypto.ed25519 import create_new_key_pair
from libp2p.crypto.x25519 import create_new_key_pair as new_x25519
from libp2p.io.exceptions import ConnectionClosedError
from libp2p.network.config import ConnectionConfig
from libp2p.network.connection import swarm_connection
from libp2p.rcmgr import ResourceLimits, new_resource_manager
from libp2p.rcmgr.connection_limits import ConnectionLimits
from libp2p.security.noise.transport import PROTOCOL_ID as NOISE
from libp2p.security.noise.transport import Transport as Noise
from libp2p.stream_muxer.yamux.yamux import PROTOCOL_ID as YAMUX
from libp2p.stream_muxer.yamux.yamux import Yamux, YamuxStream
from multiaddr import Multiaddr  # type: ignore[import-untyped]

from commons.net import causes, crowd
from commons.net.descriptors import Places

CONNECTIONS_PER_PEER = 4
STREAMS_PER_PEER = 32
WINDOW = 2 << 20  # bytes a peer may have under way on one stream: a range of 1 MiB never waits for an update
UNREAD_PER_CONNECTION = 80 << 20  # more than an honest peer's windows can add up to
UNREAD_IN_ALL = 256 << 20
FRAME_SECONDS = 20.0  # for one frame (64 KiB) to leave
UPGRADE_SECONDS = 10.0  # for Noise and Yamux to be agreed on
NEGOTIATE_SECONDS = 10.0  # for a stream's protocol
SILENT_SECONDS = (60, 300)  # until the kernel asks whether somebody is still there: whom we dialled, who came in
ASKED = (15, 45)  # seconds between two times that it asks, and in all, until the connection is over

USUAL = Places()
UNBOUNDED = 1 << 40  # libp2p's own count of what it has goes wrong when a handshake is cancelled: ours is the crowd's
_stock_update = YamuxStream._auto_tune_and_send_window_update


def build(seed: bytes, listen: Sequence[Multiaddr], places: Places | None = None) -> Any:
    """A host for the identity of `seed` (32 bytes), all guards on; run it with `host.run(listen_addrs=listen)`."""
    pair, places = create_new_key_pair(seed), places or USUAL
    connections = 2 * places.connections  # as many as come in we may have dialled
    host = new_host(
        key_pair=pair,
        listen_addrs=list(listen),
        sec_opt=security(pair),
        muxer_opt={YAMUX: Yamux},
        resource_manager=new_resource_manager(
            limits=ResourceLimits(max_connections=UNBOUNDED, max_streams=UNBOUNDED),
            connection_limits=ConnectionLimits(max_established_per_peer=CONNECTIONS_PER_PEER),
            enable_graceful_degradation=False,  # it lowers its own limits under pressure
            enable_circuit_breaker=False,
        ),
        connection_config=ConnectionConfig(
            max_connections=connections,
            high_watermark=connections,
            min_connections=0,
            low_watermark=0,
            inbound_upgrade_timeout=UPGRADE_SECONDS,
            outbound_upgrade_timeout=UPGRADE_SECONDS,
            inbound_stream_protocol_negotiation_timeout=NEGOTIATE_SECONDS,
        ),
        disable_identify_address_discovery=True,
    )
    network = host.get_network()
    network.retry_config.max_retries = 0  # the caller has other addresses to try
    guard_muxer(network)
    guard_slots(network)
    guard_places(network, places.connections)
    guard_handlers(network, places.streams)
    guard_silence(network)
    stay_passive(host)
    tame_logging()
    return host


def security(pair: Any) -> dict[Any, Any]:
    """What a host of libp2p secures connections with: Noise and nothing else. By default plaintext is accepted too,
    where anyone can pose as anyone."""
    return {NOISE: Noise(pair, noise_privkey=new_x25519().private_key)}


def guard_muxer(network: Any) -> None:
    """Nothing: makes every connection use our Yamux. (The muxer option cannot: `new_conn` names the class itself.)"""
    muxer = network.upgrader.muxer_multistream

    async def new_conn(conn: Any, peer_id: Any) -> Any:
        protocol, _ = await muxer._selector.select(conn, conn.is_initiator, muxer.negotiate_timeout)
        mux = GuardedYamux(conn, peer_id, is_initiator=conn.is_initiator)
        mux.network = network
        return muxer._annotate_connection(mux, conn, protocol)

    muxer.new_conn = new_conn
    YamuxStream._auto_tune_and_send_window_update = fixed_window


class GuardedYamux(Yamux):  # type: ignore[misc]
    """A Yamux that no peer can fill without end, and no cancelled or stuck writer can break."""

    network: Any = None
    heard = 0.0  # trio's clock, at the last data frame

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.place = Incoming("", lambda: None)  # another, where it came in

    async def _measure_rtt_loop(self) -> None:
        """Nothing: stock asks each peer how far away it is, twice a minute, for windows that ours do not have."""

    async def _read_data_body(self, length: int) -> bytes:
        refuse_flood(self, length)
        self.heard = trio.current_time()
        body: bytes = await super()._read_data_body(length)
        return body

    async def _write_frame(self, data: bytes) -> None:
        """Half a frame, or a Noise nonce spent on nothing, ends the connection: a frame begun is a frame sent.

        Waiting for one's turn can be cancelled. The time-out is for a peer that stopped reading its socket.
        """
        async with self._write_lock:
            with shielded(FRAME_SECONDS) as scope:
                await self.secured_conn.write(data)
        if scope.cancelled_caught:
            self.event_shutting_down.set()
            await cut(self)
            raise ConnectionClosedError("the peer does not read")
        await trio.lowlevel.checkpoint()


def unread(mux: Any) -> int:
    """How many bytes have come on a connection's streams that nobody has read yet."""
    return sum(map(len, mux.stream_buffers.values()))


def refuse_flood(mux: Any, length: int) -> None:
    """Nothing; an error, by which stock closes the connection, for a frame of `length` bytes where too much waits
    unread: stock itself buffers whatever comes."""
    mine = unread(mux) + length
    if mine > UNREAD_PER_CONNECTION:
        raise trio.TooSlowError("the peer ignores its receive windows")
    if mine > WINDOW and mine + sum(unread(c.muxed_conn) for c in mux.network.get_connections()) > UNREAD_IN_ALL:
        raise trio.TooSlowError("the peers together hold too much memory")


async def fixed_window(stream: Any, *, bytes_read: int = 0) -> None:
    """Nothing: gives a stream a window of WINDOW bytes, refilled at the half: stock sends an update for every read, and
    grows to 16 MiB.

    A writer with a shut window looks again only every 10 ms, so a window that shuts in mid-range halves the speed."""
    if not isinstance(stream.conn, GuardedYamux):
        await _stock_update(stream, bytes_read=bytes_read)
        return
    credit = WINDOW - stream.recv_window - len(stream.conn.stream_buffers.get(stream.stream_id, b""))
    if credit >= WINDOW // 2:
        stream.recv_window += credit
        await stream.send_window_update(credit)


def shielded(seconds: float) -> trio.CancelScope:
    """A scope of so many seconds that a cancellation from outside does not cut short."""
    return trio.CancelScope(deadline=trio.current_time() + seconds, shield=True)


async def cut(mux: Any) -> None:
    """Nothing: closes the socket under a connection, without a word to the peer: it wakes whoever waits on it."""
    with trio.CancelScope(shield=True):
        await mux.secured_conn.close()


class _Gone(Exception):
    """Tells libp2p's accept loop that the connection is over; it catches everything."""


class Incoming:
    """A `crowd.Guest`: a connection or a stream that came in. What it sends is no reason to keep it, only that some of
    an answer was taken. `busy` once it is one: until then it goes first, but for its first moment."""

    busy = False

    def __init__(self, source: str, leave: Callable[[], None]) -> None:
        self.source, self.leave, self.since = source, leave, trio.current_time()


def served(stream: Any) -> None:
    """Nothing: notes that some of an answer was taken."""
    now = trio.current_time()
    for place in (stream.muxed_conn.place, getattr(stream, "place", None)):
        if place is not None:
            place.since = now


def guard_places(network: Any, most: int) -> None:
    """Nothing: gives whoever comes in a place, be it that of somebody who only sits there. Stock refuses every newcomer
    while its slots are held, by TCP connections that never say a word as well as by peers that never ask for anything.
    """
    handle, room = network._handle_inbound_connection, crowd.Crowd(most)
    network._inbound_limiter = trio.CapacityLimiter(100 * most)  # it would refuse newcomers: never the one that decides

    async def admitted(raw: Any, address: Any) -> None:
        scope = trio.CancelScope()
        raw.place = place = Incoming(crowd.source(remote(raw.stream.socket)), scope.cancel)
        room.enter(place, place.since)
        try:
            with scope:
                await handle(raw, address)
        finally:
            room.left(place)

    network._handle_inbound_connection = admitted


def remote(tcp: Any) -> Any:
    """The address at the other end of a socket; None when it has gone. libp2p's own way to ask knows IPv4 only."""
    try:
        return tcp.getpeername()
    except OSError:
        return None


def guard_slots(network: Any) -> None:
    """Nothing: gives an inbound slot back when its connection ends. Stock keeps all of them, and is deaf once they are
    spent."""
    upgrade = network.upgrade_inbound_raw_conn

    async def upgrade_and_wait(raw_conn: Any, address: Any) -> Any:
        mux = await upgrade(raw_conn, address)
        mux.place = getattr(raw_conn.stream, "place", mux.place)
        mux.place.busy = True
        if raw_conn.get_connection_type() is ConnectionType.DIRECT:
            await mux.event_closed.wait()
            raise _Gone
        return mux

    network.upgrade_inbound_raw_conn = upgrade_and_wait


def guard_handlers(network: Any, most: int) -> None:
    """Nothing: lets no error escape a stream handler, where it would end the host, all its connections and its thread.

    Also covers the negotiation before it (stock: a protocol name that is not UTF-8 is enough). A peer has so many
    streams at once; where all together have `most`, a new one gets the place of one that was long not served. A stream
    that its handler left open is reset."""
    handle, at_work, room = network.common_stream_handler, Counter[Any](), crowd.Crowd(most)

    async def guarded(stream: Any) -> None:
        peer = stream.muxed_conn.peer_id
        scope = trio.CancelScope()
        stream.place = place = Incoming(stream.muxed_conn.place.source, scope.cancel)
        at_work[peer] += 1
        try:
            if at_work[peer] <= STREAMS_PER_PEER:
                room.enter(place, place.since)
                with scope:
                    await handle(stream)
            if await stream.is_operational():
                await stream.reset()
        except Exception as error:
            logging.getLogger(__name__).debug("a stream of %s ended: %s", peer, causes.why(error))
            with contextlib.suppress(Exception):
                await stream.reset()
        finally:
            room.left(place)
            at_work[peer] -= 1
            if not at_work[peer]:
                del at_work[peer]

    network.set_stream_handler(guarded)


def guard_silence(network: Any) -> None:
    """Nothing: has the kernel ask, where nothing was said for a while, whether the other end is still there. That keeps
    a router from forgetting a connection, at a hundredth of the bytes of a word of ours, and ends one whose other end
    has vanished: stock holds it for good, and so nobody dials again."""
    handle, upgrade = network._handle_inbound_connection, network.upgrade_outbound_raw_conn

    async def came_in(raw: Any, address: Any) -> None:
        ask_when_silent(raw.stream.socket, SILENT_SECONDS[1])
        await handle(raw, address)

    async def dialled(raw_conn: Any, peer_id: Any, scope: Any = None) -> Any:
        ask_when_silent(raw_conn.stream.stream.socket, SILENT_SECONDS[0])
        return await upgrade(raw_conn, peer_id, scope)

    network._handle_inbound_connection, network.upgrade_outbound_raw_conn = came_in, dialled


def ask_when_silent(tcp: Any, seconds: int) -> None:
    """Nothing: see `guard_silence`. What was sent and is not taken ends a connection in the same time: while something
    is under way the kernel does not ask, and tries for a quarter of an hour."""
    values = {
        socket.TCP_KEEPIDLE: seconds,
        socket.TCP_KEEPINTVL: ASKED[0],
        socket.TCP_USER_TIMEOUT: 1000 * (seconds + ASKED[1]),
    }
    with contextlib.suppress(OSError):  # it has gone meanwhile
        tcp.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        for option, value in values.items():
            tcp.setsockopt(socket.IPPROTO_TCP, option, value)


def stay_passive(host: Any) -> None:
    """Nothing: keeps a host from dialling and asking anybody by itself. Stock dials every peer it ever heard of, and
    identifies each connection.

    Nor is anybody remembered who left: it is by dialling that stock would forget them, minted keys and all."""
    connector = host.get_network().auto_connector
    connector.maybe_connect, connector.record_disconnect = trio.lowlevel.checkpoint, lambda peer_id: None
    host._schedule_identify = lambda peer_id, *, reason: None


def tame_logging() -> None:
    """Nothing: keeps libp2p's warnings, most of which remote peers write, out of the standard error, and libp2p out of
    the root logger."""
    for name, logger in [*logging.root.manager.loggerDict.items()]:  # other threads may name one meanwhile
        if isinstance(logger, logging.Logger) and name.partition(".")[0] == "libp2p":
            logger.handlers.clear()
            logger.setLevel(logging.NOTSET)
            logger.propagate = True
    logging.getLogger("libp2p").setLevel(logging.CRITICAL)
    swarm_connection.logging = logging.getLogger("libp2p.connection")  # it calls logging.debug(): basicConfig()
