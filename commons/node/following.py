"""The logs of others that this node keeps a copy of: read on, now and then, so that every member has the whole log.

A copy is fresh when it is needed: for a ballot, for the keeping of shares, for going on with a log whose registrar
vanished. What is polled is one small head; entries are read when there are more. A peer that shows a newer head has it
read at once, and heads are compared with peers more often: see `witness.gossip`.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import random
import time
from collections.abc import Callable

from commons.core.dataset.address import is_peer, peer_of
from commons.disk.home import Home
from commons.errors import CommonsError, SplitView
from commons.log import registrars, replica
from commons.log.files import shown_at
from commons.net.network import Network
from commons.rounds import Rounds

log = logging.getLogger(__name__)
FIRST, EVERY = 60.0, 1800.0  # seconds until a running node reads on, and between two times; each times 0.75 to 1.25
LOOK = 30.0  # seconds until a community that was joined meanwhile is noticed
PATIENCE = 300.0  # seconds for one log
SOURCES = 4  # that are asked for one log, one after the other


class Following:
    """One identity's part in it. `clock` gives seconds that only grow; a running node starts its
    `rounds`."""

    def __init__(self, home: Home, net: Network, clock: Callable[[], float] = time.monotonic) -> None:
        self.home, self._net, self._clock = home, net, clock
        self._due: dict[str, float] = {}  # by commons
        self.rounds = Rounds(log, self.round, otherwise=LOOK)

    def newer(self, commons: str) -> None:
        """Nothing: somebody has shown a head of that log that is newer than the copy here. It is read at once."""
        if commons in self._due:
            self._due[commons] = float("-inf")
            self.rounds.wake.set()

    def followed(self) -> dict[str, list[str]]:
        """The logs that others keep and this home has a copy of, and where each may be read: at whom the members
        have chosen to keep it, and at its registrar."""
        found: dict[str, list[str]] = {}
        for commons, _, sources in self.home.shelf.seats():
            if commons not in self.home.kept or self.home.kept[commons].left:
                found[commons] = [*filter(None, sources)]
        for commons, kept in self.home.kept.items():
            heir = kept.log.state.community.heir if kept.log.state.community else None
            if kept.left or (heir is not None and heir.peer != kept.me):
                found.setdefault(commons, [])
        for commons, sources in found.items():
            peers = self._keepers(commons)
            known = [each for each in self.home.shelf.known() if is_peer(each) and peer_of(each) in peers]
            found[commons] = [*dict.fromkeys((*known, *sources))]
        return found

    def _keepers(self, commons: str) -> set[str]:
        """Who keeps a log by now, or is about to."""
        peers = set[str]()
        with contextlib.suppress(CommonsError):  # damaged, which `status` says
            if (known := self.home.shelf.keeper(commons)) is not None:
                peers.add(known[1])
        own, there = self.home.kept.get(commons), replica.of(self.home, commons)
        for state in (own.log.state if own is not None else None, there.state if there.size else None):
            heir = state.community.heir if state is not None and state.community is not None else None
            if heir is not None and heir.peer is not None:
                peers.add(heir.peer)
        return peers

    async def read(self, commons: str, sources: list[str]) -> bool:
        """Whether the copy of a log is as new as one of these shows it. What proves a fork is kept; a log that was
        handed over is read from its new registrar from now on."""
        if (key := self._key(commons)) is None:  # it was left meanwhile
            return False
        kept = replica.of(self.home, commons)
        for source in sources[:SOURCES]:
            try:
                async with asyncio.timeout(PATIENCE):
                    await kept.update(shown_at(self._net, source, commons))
                registrars.learn(self.home, kept, key, source)
            except SplitView:
                log.warning("a log has signed two histories, and is trusted no more: %s", commons)
                return False
            except (CommonsError, TimeoutError):  # it is away, or shows something else: the next
                continue
            return True
        return False

    def _key(self, commons: str) -> bytes | None:
        """Under which key this home knows a log to be kept: where it takes part, else as it kept it itself."""
        own = self.home.kept.get(commons)
        seats = {each: key for each, key, _ in self.home.shelf.seats()}
        return seats.get(commons, own.log.key.public if own is not None else None)

    async def round(self) -> float:
        """Read those whose time has come; the seconds until the next look."""
        now, found = self._clock(), self.followed()
        self._due = {commons: self._due.get(commons, now + _spread(FIRST)) for commons in found}
        for commons in [each for each, due in self._due.items() if due <= now]:
            self._due[commons] = self._clock() + _spread(EVERY)
            if await self.read(commons, found[commons]):
                log.debug("read on: %s", commons)
        return min([LOOK, *(due - self._clock() for due in self._due.values())])


def _spread(seconds: float) -> float:
    return seconds * random.uniform(0.75, 1.25)
