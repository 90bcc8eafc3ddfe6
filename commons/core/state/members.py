"""Who is in which college. Knows nothing of charters, rules or entries."""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from collections.abc import Collection, Iterable

from commons.core.state.charter import Colleges


class Members:
    """`colleges` holds the members of each, sorted; somebody may be in several."""

    def __init__(self, colleges: Colleges) -> None:
        self.colleges: Colleges = {}
        self._where: dict[str, tuple[str, ...]] = {}  # the colleges of each member
        self._arrange(colleges)

    @property
    def members(self) -> Collection[str]:
        return self._where.keys()

    def colleges_of(self, peer: str) -> tuple[str, ...]:
        return self._where.get(peer, ())

    def _arrange(self, colleges: Colleges) -> None:
        """Let these be the colleges from now on."""
        for name in {*self.colleges, *colleges}:
            before, after = self.colleges.get(name, ()), colleges.get(name, ())
            if before is not after:
                for peer in {*before} - {*after}:
                    left = tuple(each for each in self._where[peer] if each != name)
                    self._where.pop(peer) if not left else self._where.update({peer: left})
                for peer in {*after} - {*before}:
                    self._where[peer] = tuple(sorted((*self._where.get(peer, ()), name)))
        self.colleges = colleges

    def _tally(self, peers: Iterable[str]) -> dict[str, int]:
        """How many of these are in each college by now."""
        return Counter(college for peer in peers for college in self.colleges_of(peer))

    def _enter(self, college: str, peer: str) -> None:
        peers = self.colleges[college]
        at = bisect_left(peers, peer)
        self.colleges = {**self.colleges, college: (*peers[:at], peer, *peers[at:])}
        self._where[peer] = tuple(sorted((*self.colleges_of(peer), college)))

    def _without(self, college: str, peer: str) -> Colleges:
        return {**self.colleges, college: tuple(each for each in self.colleges[college] if each != peer)}
