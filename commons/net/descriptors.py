"""How many files and sockets this process may have open, and who may have how many of them.

A process without one left cannot accept, open a pack or read its log. So strangers get places, whose number is made
from the limit, and the home and its owner's door keep what is left over.
"""

from __future__ import annotations

import resource
from dataclasses import dataclass

KEPT = 160  # for the home's databases, the owner's door, our own calls to others, and what is accepted in one go
ALL = 1 << 16  # where the system names no limit


@dataclass(frozen=True, slots=True)
class Places:
    """How many may be here at once: peers' connections, their streams, callers at the plain door."""

    connections: int = 300  # a descriptor each
    streams: int = 512  # three: both ends of what joins it to HTTP, and a pack
    plain: int = 512  # two: itself, and a pack

    @staticmethod
    def within(limit: int) -> Places:
        """The places for which `limit` descriptors are enough, up to the usual numbers. Connections come first, with a
        third of the descriptors: a peer that has lost its stream opens another, and without its connection has to shake
        hands again.

        >>> Places.within(300)
        Places(connections=46, streams=18, plain=18)
        """
        usual, free = Places(), max(0, limit - KEPT)
        connections = max(4, min(usual.connections, free // 3))
        part = min(1.0, max(0, free - connections) / (3 * usual.streams + 2 * usual.plain))
        return Places(connections, *(max(4, int(part * n)) for n in (usual.streams, usual.plain)))


def limit() -> int:
    """How many descriptors this process may have open now."""
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return ALL if soft == resource.RLIM_INFINITY else soft


def lift() -> None:
    """Nothing: takes all that the system allows this process; most start with a part of it."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = ALL if hard == resource.RLIM_INFINITY else hard
    if wanted > limit():
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
