"""Rate limits by token bucket, for those who ask. Time comes in as an argument; memory is bounded."""

from __future__ import annotations

from collections import OrderedDict

from commons.errors import TooMany

KEYS = 10_000  # buckets remembered; the least recently used is forgotten


def over(wait: float) -> TooMany:
    """The error for somebody who has to wait so many seconds."""
    return TooMany("too many requests", hint=f"wait {int(wait) + 1} s, then repeat", after=int(wait) + 1)


class Buckets:
    """Token buckets, one for each key: `burst` tokens at most, filled again with `rate` tokens a second."""

    def __init__(self, rate: float, burst: float) -> None:
        self._rate, self._burst = rate, burst
        self._buckets: OrderedDict[str, tuple[float, float]] = OrderedDict()
        self.denied = 0

    def take(self, key: str, now: float, cost: float = 1.0) -> float:
        """0.0 if `key` may go on at that cost, which is then taken; else the seconds until it may.

        >>> buckets = Buckets(rate=1.0, burst=2.0)
        >>> [buckets.take("ana", now=0.0) for _ in range(3)]
        [0.0, 0.0, 1.0]
        """
        tokens, since = self._buckets.pop(key, (self._burst, now))
        tokens = min(self._burst, tokens + max(0.0, now - since) * self._rate)
        allowed = tokens >= cost
        self._buckets[key] = (tokens - cost if allowed else tokens, now)
        if len(self._buckets) > KEYS:
            self._buckets.popitem(last=False)
        if allowed:
            return 0.0
        self.denied += 1
        return (cost - tokens) / self._rate


class Allowance:
    """The work that this node does for those who ask, in `node.api`'s units of a quarter of a millisecond: nobody gets
    more than a quarter of a core for long, and no address more than half of one, whatever number of keys it has."""

    def __init__(self) -> None:
        self.each = Buckets(rate=1_000, burst=10_000)
        self.sources = Buckets(rate=2_000, burst=40_000)

    def spend(self, who: str, source: str, cost: int, now: float) -> float:
        """0.0 if they may go on at that cost, else the seconds until they may."""
        return self.each.take(who, now, cost) or self.sources.take(source or who, now, cost)
