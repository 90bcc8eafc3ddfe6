"""A node: an opened home, the logs it keeps, its doors and its way to others, joined. Opens them, waits, closes them.

Without doors it is what a command uses that finds no node running: the same home and verbs, and nobody can come in.
"""

from __future__ import annotations

import asyncio
import socket
from contextlib import AsyncExitStack, suppress
from functools import partial
from types import TracebackType
from typing import Self

from aiohttp import web

from commons.core.crypto.ids import PeerId
from commons.core.crypto.keys import Signer
from commons.core.dataset import address
from commons.custody.custodian import Custodian
from commons.custody.followed import Logs
from commons.datasets.holder import Minding
from commons.disk.home import Found, Home
from commons.disk.records import Record
from commons.errors import Conflict, Unreachable
from commons.net import descriptors, interfaces
from commons.net.client import Client, Listeners
from commons.net.connector import IDLE_SECONDS, LINGER_SECONDS, listen, serve, tagged, watched
from commons.net.crowd import Crowd
from commons.net.limits import Allowance
from commons.net.swarm import Swarm
from commons.node import api
from commons.node.contact import Contact
from commons.node.following import Following
from commons.node.keeping import Keeping
from commons.node.local import own
from commons.node.site import Site
from commons.witness.complaints import Complaints
from commons.witness.gossip import Gossip


class Node:
    """Use `async with`. `listen` holds multiaddrs to listen on, `http` a HOST:PORT of the plain door, or none; see
    `core.dataset.address` for how else they may be written."""

    def __init__(
        self, home: Home, listen: tuple[str, ...] = (), http: str | None = None, above: Node | None = None
    ) -> None:
        self.above = above  # the node of whose home this is an identity
        self.home, self._http = home, address.binding(http) if http else None
        self._listen = tuple(address.listening(each, home.keys.identity.peer) for each in listen)
        self.keeping: dict[str, Keeping] = {}  # by commons, the logs that are kept here
        self.identities: dict[int, Node] = {}  # each a node of its own: by the number of the identity
        self.site = Site(home, self.keeping)
        self._doors = api.Doors()
        self._swarm: Swarm | None = None
        self._starting = asyncio.Lock()
        self.carrying = asyncio.Lock()  # one verb at a time brings or removes packs
        self._joining: set[asyncio.Task[None]] = set()
        sharing = 1 + len((above or self).home.identities)
        self._places = descriptors.Places.within(descriptors.limit() // sharing)
        self._watching = AsyncExitStack()
        self._plain: asyncio.Server | None = None

    @property
    def addresses(self) -> tuple[str, ...]:
        """Where peers can dial this node by now, as far as this machine can say."""
        return interfaces.spelt_out(self._swarm.addresses) if self._swarm is not None else ()

    @property
    def doors(self) -> tuple[str, ...]:
        """The URLs of the plain door; none without one."""
        if self._plain is None or self._http is None:
            return ()
        port = self._plain.sockets[0].getsockname()[1] if self._plain.sockets else self._http[1]
        hosts = interfaces.behind(self._http[0])
        return tuple(f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}" for host in hosts)

    @property
    def door(self) -> str | None:
        return next(iter(self.doors), None)

    async def __aenter__(self) -> Self:
        self.net = Client(
            self._start,
            Listeners(
                met=lambda source: self.gossip.met(source),
                shown=lambda evidence: self.gossip.shown(evidence),
                dated=self._dated,
            ),
        )
        self.minding = Minding(self.home, self.net, self.carrying)
        self.following = Following(self.home, self.net)
        self.gossip = Gossip(self.home, self.net, agreed=self._agreed, newer=self.following.newer)
        for kept in self.home.kept.values():
            self.keeping[kept.commons] = Keeping(kept, self.net, self.gossip)
        self.contact = Contact(self.home, self.net, self.connected)
        self.unlogged = Complaints(self.home, self.net, self.gossip.registrars)
        posts = api.Posts(heads=self.gossip.meet, submitted=self.unlogged.take)
        logs = Logs(self.home, self.net, partial(own, self.site))
        self.custodian = Custodian(self.home.keys, self.home.deposits, logs, word=self.home.word)
        reading, clock = Allowance(), asyncio.get_running_loop().time
        app = api.application(
            self.site,
            self._doors,
            self.custodian,
            posts,
            lambda caller, cost: reading.spend(caller.name, caller.source, cost, clock()),
        )
        self._runner = web.AppRunner(
            app,
            access_log=None,
            handle_signals=False,
            shutdown_timeout=0.5,
            keepalive_timeout=IDLE_SECONDS,
            lingering_time=LINGER_SECONDS,
            logger=api.server_log,
        )
        try:
            await self._runner.setup()
            assert self._runner.server is not None
            await self._watching.enter_async_context(watched(self._runner.server))
            if self._listen:
                await self._start()
            if self._http:
                await self._open_plain_door(*self._http)
            for number, home in self.home.identities.items():
                await self._run_identity(number, home)
            for each in self.keeping.values():
                await each.settle()
            if self._runs:  # a command that opens the home for a moment leaves this to the node
                for each in self.keeping.values():
                    each.start()
                self.minding.rounds.start()
                self.gossip.rounds.start()
                self.following.rounds.start()
                if self._listen:  # who lets no peer in is reached by none
                    self.contact.rounds.start()
                self.unlogged.rounds.start()
        except BaseException:
            await self.__aexit__(None, None, None)
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for node in self.identities.values():
            await node.__aexit__(None, None, None)
        for each in self.keeping.values():
            await each.stop()
        for rounds in (self.minding.rounds, self.contact.rounds, self.following.rounds, self.unlogged.rounds):
            await rounds.stop()
        await self.gossip.stop()
        await self.net.close()
        if self._plain is not None:
            self._plain.close()
        await self._watching.aclose()
        await self._runner.cleanup()
        for task in self._joining:
            task.cancel()
        if self._swarm is not None:
            await self._swarm.stop()

    # -- identities ---------------------------------------------------------------------------------------------------

    async def _run_identity(self, number: int, home: Home) -> Node:
        """The node of an identity, which has a host of its own: nobody who is connected to it learns of another."""
        node = Node(home, tuple(_beside(each, number) for each in self._listen), above=self)
        self.identities[number] = await node.__aenter__()
        return node

    async def unlink(self, commons: str | None = None, found: Found | None = None) -> Node:
        """The node of a new identity of this home: see `Home.unlink`."""
        home = await asyncio.to_thread(self.home.unlink, commons, found)
        number = int(home.path.name)
        return self.identities.get(number) or await self._run_identity(number, home)

    async def forget(self, commons: str) -> None:
        """Nothing: see `Home.forget`."""
        for number, node in [*self.identities.items()]:
            if node.home.concerns(commons):
                self.identities.pop(number)
                await node.__aexit__(None, None, None)
        if (keeping := self.keeping.pop(commons, None)) is not None:
            await keeping.stop()
        await asyncio.to_thread(self.home.forget, commons)

    def every(self) -> list[Node]:
        """This node, and those of its identities."""
        return [self, *self.identities.values()]

    def of(self, commons: str) -> Node:
        """The node of the identity that has to do with a commons; this one where none has."""
        return next((each for each in self.every() if each.home.concerns(commons)), self)

    @property
    def _runs(self) -> bool:
        """Whether this is a node that others may reach, and no command that opened the home for a moment."""
        return bool(self._listen or self._http) or (self.above is not None and self.above._runs)

    def at(self, commons: str | None = None) -> Keeping:
        """The log of a commons that is kept here, at work; that of the one the home was made with, where none is
        named. NotFound where it is not kept here."""
        return self.keeping[self.home.log_of(commons).commons]

    async def rewrite(self, commons: str, records: list[Record], signer: Signer) -> None:
        """Nothing: this home keeps the log of a commons from now on, as these records begin it; the node goes on with
        it. What it kept of that log before is put aside. What raises leaves the log that is there."""
        if (old := self.keeping.pop(commons, None)) is not None:
            await old.stop()
        try:
            await asyncio.to_thread(self.home.rewrite, commons, records, signer)
        finally:
            if (kept := self.home.kept.get(commons)) is not None:
                self.keeping[commons] = Keeping(kept, self.net, self.gossip)
                await self.keeping[commons].settle()
                if self._runs:
                    self.keeping[commons].start()

    def _dated(self, source: str, said: str) -> None:
        for each in self.keeping.values():
            each.clocks.heard(source, said)

    def _agreed(self, commons: str, by: str) -> None:
        if commons in self.keeping:
            self.keeping[commons].resuming.heard(by)

    async def _start(self) -> Swarm:
        """libp2p, when it is first needed."""
        async with self._starting:
            if self._swarm is None:
                swarm = Swarm(
                    self.home.keys.identity_seed,
                    self._listen,
                    lambda peer, sock: self._stream(peer, sock, swarm.source(sock)),
                    self._places,
                )
                await swarm.start()
                self._swarm = swarm
            return self._swarm

    def connected(self, peer: PeerId) -> bool:
        """Whether there is a connection to a peer now, whoever dialled it."""
        return self._swarm is not None and self._swarm.connected(peer)

    def _stream(self, peer: PeerId, sock: socket.socket, source: str) -> None:
        """A stream came in: the peer id is bound to the connection before a byte of it is read."""
        server = self._runner.server
        if server is None:
            sock.close()
            return
        tag = self._doors.tag(api.Caller("peer", peer, source))
        task = asyncio.get_running_loop().create_task(serve(server, sock, tag))
        self._joining.add(task)
        task.add_done_callback(self._joined)

    def _joined(self, task: asyncio.Task[None]) -> None:
        self._joining.discard(task)
        if not task.cancelled():
            task.exception()  # the stream was gone before it was taken

    async def _open_plain_door(self, host: str, port: int) -> None:
        if (server := self._runner.server) is None:
            raise Unreachable("the plain door cannot be opened: the node is stopping")
        factory = tagged(server, self._doors.tag(api.Caller("plain")), Crowd(self._places.plain))
        try:
            self._plain = await listen(factory, host, port)
        except Conflict as error:
            raise Conflict(error.message, hint="choose another --http HOST:PORT") from error


def _beside(listen: str, number: int) -> str:
    """Where an identity listens: so many ports above the node's own, that it is found again; on any that is free where
    that one is taken, or the node's own is any."""
    head, _, port = listen.rpartition("/")
    _, kind, host, *_ = head.split("/")
    at = int(port) + number
    if port != "0" and at < 1 << 16:
        with socket.socket(socket.AF_INET6 if kind == "ip6" else socket.AF_INET) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            with suppress(OSError):
                probe.bind((host, at))
                return f"{head}/{at}"
    return f"{head}/0"
