"""Keeping in contact: a running node holds one connection to each peer it has to do with, and is reached over it.

A peer opens its streams over whatever connection there is, whoever dialled it. So a node behind a router that lets
nobody in is reached by those to whom it keeps one: the registrars of its communities, custodians, mirrors. Nothing is
said over one that is there: the kernel sees to it that routers remember it, and that it ends when the other end does.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import random
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from commons.core.crypto.ids import PeerId
from commons.core.dataset.address import is_peer, peer_of
from commons.custody import sharing
from commons.disk.home import Home
from commons.errors import CommonsError, StorageFailed, TimedOut, Unreachable
from commons.log import registrars
from commons.net.network import Network, first
from commons.rounds import Rounds

log = logging.getLogger(__name__)
MOST = 32  # peers
AT_ONCE = 8  # of them are spoken to
AGAIN = 60.0  # seconds between two words to a peer that ends each connection
FIRST, LONGEST = 5.0, 900.0  # seconds until a peer that was away is tried again, and at most
LOOK = 10.0  # seconds until a connection that has ended is noticed, or a peer that was remembered meanwhile
PATIENCE = 30.0  # seconds for one word


@dataclass(slots=True)
class _Tie:
    due: float = float("-inf")
    failed: int = 0


class Contact:
    """One home's part in it. `connected` says whether there is a connection to a peer, `clock` gives seconds that only
    grow; a running node starts its `rounds`."""

    def __init__(
        self,
        home: Home,
        net: Network,
        connected: Callable[[PeerId], bool],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.home, self._net, self._connected, self._clock = home, net, connected, clock
        self.ties: dict[str, _Tie] = {}  # by peer id
        self.rounds = Rounds(log, self.round, otherwise=LOOK, first=FIRST)
        self._named: tuple[tuple[int, int], frozenset[str]] = ((-1, -1), frozenset())

    def wanted(self) -> dict[str, list[str]]:
        """The peers to be in contact with, and their addresses: registrars and custodians first, then whom this home
        remembers, mirrors among them."""
        found: dict[str, list[str]] = {}
        for source in self.home.shelf.known():
            if is_peer(source) and peer_of(source) != self.home.keys.identity.peer:
                found.setdefault(peer_of(source), []).append(source)
        seated = {peer_of(s) for _, _, sources in self.home.shelf.seats() for s in sources if is_peer(s)}
        first_of_all = seated | self._appointed()
        return dict(sorted(found.items(), key=lambda each: each[0] not in first_of_all)[:MOST])

    def _appointed(self) -> frozenset[str]:
        """Who keeps the logs of the datasets here, or shares of their keys. Each manifest is opened once."""
        shelf, logs = self.home.shelf, [each.log for each in self.home.kept.values()]
        edition = (shelf.edition, sum(log.size for log in logs))
        if self._named[0] != edition:
            policies, peers = [log.state.custodian_policy for log in logs], set[str]()
            for _, opened, role, _ in shelf.manifests():
                if role != "seen":
                    value = opened.value
                    with contextlib.suppress(StorageFailed):  # damaged, which `status` says
                        peers.add(registrars.known(self.home, value).peer)
                    if value.custody is not None:
                        policies.append(sharing.open_sharing(value.custody).value.parsed())
            peers |= {member.peer for policy in policies if policy for member in policy.members}
            self._named = (edition, frozenset(peers))
        return self._named[1]

    async def round(self) -> float:
        """Speak to those who are not connected and whose time has come; the seconds until the next look."""
        wanted = self.wanted()
        self.ties = {peer: self.ties.get(peer, _Tie()) for peer in wanted}
        now, away = self._clock(), dict[str, _Tie]()
        for peer, tie in self.ties.items():
            if self._connected(PeerId(peer)):
                tie.failed = 0
            else:
                away[peer] = tie
        due = sorted((peer for peer, tie in away.items() if tie.due <= now), key=lambda peer: away[peer].failed)
        slots = asyncio.Semaphore(AT_ONCE)

        async def one(peer: str) -> None:
            async with slots:
                await self._speak(self.ties[peer], wanted[peer])

        await asyncio.gather(*map(one, due))
        return min([LOOK, *(tie.due - self._clock() for tie in away.values())])

    async def _speak(self, tie: _Tie, sources: Iterable[str]) -> None:
        """One small question, which makes a connection: to the first address that answers."""
        try:
            async with asyncio.timeout(PATIENCE):
                await first(list(sources), "a word", lambda at: self._net.get(at, "/commons", limit=200))
            tie.failed = 0
        except (Unreachable, TimedOut, TimeoutError):
            tie.failed += 1
            log.debug("contact: nobody answers, %d times by now", tie.failed)
        except CommonsError:  # it is there, and says something else
            tie.failed = 0
        pause = min(FIRST * 2 ** min(tie.failed - 1, 16), LONGEST) if tie.failed else AGAIN
        tie.due = self._clock() + pause * random.uniform(0.75, 1.25)
