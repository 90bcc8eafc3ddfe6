"""A node: an opened home, its registrar, its doors and its way to others, joined. Opens them, waits, closes them.

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

from commons.access import retention
from commons.access.registrar import Registrar
from commons.community import voting
from commons.core.crypto.ids import PeerId
from commons.core.dataset import address
from commons.custody.custodian import Custodian
from commons.custody.followed import Logs
from commons.datasets.holder import Minding
from commons.disk.home import Home
from commons.errors import Conflict, Undated, Unreachable
from commons.net import descriptors, interfaces
from commons.net.client import Client, Listeners
from commons.net.connector import IDLE_SECONDS, LINGER_SECONDS, listen, serve, tagged, watched
from commons.net.crowd import Crowd
from commons.net.limits import Allowance
from commons.net.swarm import Swarm
from commons.node import api
from commons.node.clocks import Clocks
from commons.node.contact import Contact
from commons.node.local import own
from commons.node.resuming import Resuming
from commons.node.site import Site
from commons.witness.complaints import Complaints
from commons.witness.cosigning import Cosigning
from commons.witness.gossip import Gossip


class Node:
    """Use `async with`. `listen` holds multiaddrs to listen on, `http` a HOST:PORT of the plain door, or none; see
    `core.dataset.address` for how else they may be written."""

    def __init__(self, home: Home, listen: tuple[str, ...] = (), http: str | None = None) -> None:
        self.home, self._http = home, address.binding(http) if http else None
        self._listen = tuple(address.listening(each, home.keys.identity.peer) for each in listen)
        self.registrar = Registrar(home)
        self.site = Site(home, self.registrar)
        self._doors = api.Doors()
        self._swarm: Swarm | None = None
        self._starting = asyncio.Lock()
        self.carrying = asyncio.Lock()  # one verb at a time brings or removes packs
        self._joining: set[asyncio.Task[None]] = set()
        self._forgetting: asyncio.Task[None] | None = None
        self._places = descriptors.Places.within(descriptors.limit())
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
                dated=lambda source, said: self.clocks.heard(source, said),
            ),
        )
        self.cosigning = Cosigning(self.home, self.net, partial(voting.stamp, self.home.log))
        self.minding = Minding(self.home, self.net, self.carrying)
        self.gossip = Gossip(self.home, self.net)
        self.resuming = Resuming(self.home, self.net, self.gossip)
        self.clocks = Clocks(self.home, self.net)
        self.contact = Contact(self.home, self.net)
        self.unlogged = Complaints(self.home, self.net, self.gossip.registrars)
        posts = api.Posts(heads=self.gossip.meet, submitted=self.unlogged.take)
        logs = Logs(self.home, self.net, own(self.site, self.home.commons))
        self.custodian = Custodian(self.home.keys, self.home.deposits, logs, word=self.home.dating.word)
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
            if self.home.log.broken is None and self.home.resumption.free:  # what is shut can still be read
                with suppress(Undated):  # it waits for a clock that is right, or its owner's word
                    await voting.settle(self.home.log)
            if self._listen or self._http:  # a command that opens the home for a moment leaves this to the node
                self.resuming.start()
                self.clocks.start()
                self.cosigning.start()
                self.minding.start()
                self.gossip.start()
                if self._listen:  # who lets no peer in is reached by none
                    self.contact.start()
                self.unlogged.start()
                forgetting = retention.daily(self.registrar, self.home.log.clock)
                self._forgetting = asyncio.get_running_loop().create_task(forgetting)
        except BaseException:
            await self.__aexit__(None, None, None)
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._forgetting is not None:
            self._forgetting.cancel()
        await self.resuming.stop()
        self.clocks.stop()
        await self.minding.stop()
        await self.cosigning.stop()
        await self.contact.stop()
        await self.gossip.stop()
        await self.unlogged.stop()
        await self.net.close()
        if self._plain is not None:
            self._plain.close()
        await self._watching.aclose()
        await self._runner.cleanup()
        for task in self._joining:
            task.cancel()
        if self._swarm is not None:
            await self._swarm.stop()

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
