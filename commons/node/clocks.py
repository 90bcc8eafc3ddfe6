"""What time it is by the clocks of others: each answer over the network is dated, and the witnesses and members of this
home's log are asked when an entry would be dated by this machine's clock alone.

A peer's answer comes over a connection that proves who it is; a witness's as far as its URL does. See `disk.dating`.
"""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Coroutine
from email.utils import parsedate_to_datetime
from typing import Any

from commons.community import voting
from commons.core.dataset.address import is_peer, peer_of
from commons.core.tlog import cosignature
from commons.disk.kept import Kept
from commons.errors import CommonsError
from commons.net.network import Network

EVERY = 60.0  # seconds until a clock that is in doubt is compared again
PATIENCE = 8.0  # seconds that they have to answer
MOST = 16  # members that are asked


class Clocks:
    """The part in it of one log that this home keeps. Made in the node's loop; `stop` it there."""

    def __init__(self, kept: Kept, net: Network) -> None:
        self.kept, self._net, self._loop = kept, net, asyncio.get_running_loop()
        self._waiting: set[threading.Event] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        kept.dating.asks(self._ask)

    def start(self) -> None:
        """While the clock is in doubt, ask again and again, and do what waited once it no longer is."""
        self._do(self._watch())

    def stop(self) -> None:
        self.kept.dating.asks(lambda: None)
        for task in [*self._tasks]:
            task.cancel()
        for done in [*self._waiting]:
            done.set()

    def heard(self, source: str, said: str) -> None:
        """Told by the client of the `Date` of each answer."""
        with contextlib.suppress(ValueError, TypeError, OverflowError):  # who does not say it, or says nonsense
            self.kept.dating.heard(source, int(parsedate_to_datetime(said).timestamp()))

    def _ask(self) -> None:
        """Have them asked, and wait for it. By the committer's thread, which holds up no reader."""
        done = threading.Event()
        self._waiting.add(done)
        with contextlib.suppress(RuntimeError):  # the loop was closed this very moment
            self._loop.call_soon_threadsafe(self._begin, done)
            done.wait(PATIENCE + 2)
        self._waiting.discard(done)

    def _begin(self, done: threading.Event) -> None:
        self._do(self.round()).add_done_callback(lambda task: done.set())

    def _do(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = self._loop.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    async def _watch(self) -> None:
        dating, log, waits = self.kept.dating, self.kept.log, False
        while True:
            if dating.doubt(int(log.clock())) is not None:
                waits = True
                await self.round()
            if waits and dating.doubt(int(log.clock())) is None and log.broken is None:
                with contextlib.suppress(CommonsError):  # it is in doubt again, or an old copy
                    await voting.settle(log)
                    waits = False
            await asyncio.sleep(EVERY)

    async def check(self) -> None:
        """Undated where it is known now that an entry would not be dated: before the work for it is done."""
        dating, now = self.kept.dating, int(self.kept.log.clock())
        if dating.doubt(now) is not None:
            await self.round()
            dating.check(now)

    async def round(self) -> None:
        """Ask the witnesses, and where there are none the members that this home knows an address of."""
        dating, found = self.kept.dating, dict[str, str]()
        for source in self.kept.shelf.known():
            if is_peer(source) and peer_of(source) in dating.members():
                found.setdefault(peer_of(source), source)
        asked = [(url.rstrip("/"), cosignature.monitored(self.kept.log.origin)) for url in sorted(dating.witnesses())]
        asked += [(source, "/commons") for source in [*found.values()][:MOST]]
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(PATIENCE):
                await asyncio.gather(*(self._say(source, path) for source, path in asked))

    async def _say(self, source: str, path: str) -> None:
        with contextlib.suppress(CommonsError):  # whatever it says, it has said when
            await self._net.get(source, path, limit=64 << 10)
