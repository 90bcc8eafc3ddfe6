"""Who is in a room of so many places, and who has to go when one more comes in. Knows no socket and no clock.

Nobody is turned away because others sit still: a newcomer gets the place of whoever uses theirs least. An address is
one source, whatever number of keys it makes; so is an IPv6 /64, which is what one customer gets.
"""

from __future__ import annotations

import ipaddress
from collections import Counter
from collections.abc import Sequence
from heapq import nsmallest
from typing import Protocol

FAIR = 8  # a source that holds more than one place in so many goes first
TOGETHER = 32  # one place in so many is freed at once, so that a flood is not sorted for each of its connections
FRESH = 1.0  # seconds for who has just come in


class Guest(Protocol):
    """Somebody who has a place. `since` is when something was last done for them, or they came in; `busy`, whether
    something is being done."""

    source: str

    @property
    def busy(self) -> bool:
        """Whether something is being done for them."""

    @property
    def since(self) -> float:
        """When something was last done for them, or they came in."""

    def leave(self) -> None:
        """Nothing: gives the place back, at once."""


class Crowd:
    """Who is here, at most `places`. When a place is needed, first goes who is of a source that holds more than its
    share; of these, and of the others, who waits for nothing of ours; of these, whoever was served longest ago."""

    def __init__(self, places: int) -> None:
        self.places = places
        self._guests: dict[int, Guest] = {}
        self._sources: Counter[str] = Counter()

    def __len__(self) -> int:
        return len(self._guests)

    def enter(self, guest: Guest, now: float) -> None:
        """Nothing: lets a guest in; whoever has to go for that has been told to `leave` when it returns."""
        if len(self._guests) >= self.places:
            fair = self.places // FAIR

            def worth(other: Guest) -> tuple[bool, bool, float]:
                return self._sources[other.source] <= fair, other.busy or now - other.since < FRESH, other.since

            for other in nsmallest(1 + self.places // TOGETHER, self._guests.values(), key=worth):
                self.left(other)
                other.leave()
        self._guests[id(guest)] = guest
        self._sources[guest.source] += 1

    def left(self, guest: Guest) -> None:
        """Nothing: notes that a guest has gone."""
        if self._guests.pop(id(guest), None) is not None:
            self._sources[guest.source] -= 1
            if not self._sources[guest.source]:
                del self._sources[guest.source]


def source(address: Sequence[object] | str | None) -> str:
    """The source of a socket's address (`getpeername`): an IPv4 address, an IPv6 /64, or "" where there is neither.

    >>> source(("192.0.2.7", 4001)), source(("2001:db8:1:2:3:4:5:6", 4001, 0, 0))
    ('192.0.2.7', '2001:db8:1:2::/64')
    """
    try:
        ip = ipaddress.ip_address(str(address[0]).partition("%")[0] if address else "")
    except ValueError:
        return ""
    if isinstance(ip, ipaddress.IPv6Address):
        if ip.ipv4_mapped is None:
            return str(ipaddress.ip_network((ip, 64), strict=False))
        ip = ip.ipv4_mapped
    return str(ip)
