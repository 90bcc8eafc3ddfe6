"""Whether a clock may date a log and erase from it, and by which time a grant's end is judged. Of the times that it is
given alone: what is one clock's error must not become an entry, an erasure or a key that is given away.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from commons.core.dataset.terms import DAY

QUIET = 30 * DAY  # past the last entry, with nobody to ask: beyond it, a clock stands for nothing by itself
APART = 600  # seconds past the median of others
AHEAD = DAY  # of a log, from when on it is called dated ahead


@dataclass(frozen=True, slots=True, kw_only=True)
class Word:
    """The owner's word that the clock was right when it said `time`: the last entry was then dated `logged`, and the
    clock was `past` the median of others by so many seconds. It holds for `QUIET` seconds of that clock, and for that
    gap."""

    time: int
    logged: int
    past: int = 0

    def holds(self, now: int) -> bool:
        """Whether the word still holds when that clock says `now`."""
        return self.time <= now <= self.time + QUIET


@dataclass(frozen=True, slots=True, kw_only=True)
class Doubt:
    """The clock is `past` seconds past the time `than`: of the last entry, or the median of witnesses or members."""

    whose: Literal["entry", "witnesses", "members"]
    than: int
    past: int


def median(times: Sequence[int]) -> int:
    """The time in the middle; of two there the earlier, since whoever waits loses less than whoever goes on.

    >>> median([30, 10, 20]), median([40, 10, 20, 30])
    (20, 20)
    """
    return sorted(times)[(len(times) - 1) // 2]


def doubt(
    now: int, logged: int, witnesses: Sequence[int] = (), members: Sequence[int] = (), word: Word | None = None
) -> Doubt | None:
    """Why nothing may be dated or erased at `now` by this clock; None where it may. `witnesses` and `members` are
    what their clocks say by now: where a witness says anything, members say nothing."""
    if word is not None and not word.holds(now):
        word = None
    if others := witnesses or members:
        past = now - (than := median(others))
        said = word.past if word else 0
        whose: Literal["witnesses", "members"] = "witnesses" if witnesses else "members"
        return Doubt(whose=whose, than=than, past=past) if past > max(said, 0) + APART else None
    if now - logged > QUIET and word is None:
        return Doubt(whose="entry", than=logged, past=now - logged)
    return None


def ahead(logged: int, now: int, stamp: int | None = None) -> int:
    """By how many seconds a log is dated past the clock of who looks, or past when the witnesses saw it (`stamp`), if
    that is more than a day; else 0.

    >>> ahead(logged=300_000, now=100_000), ahead(logged=150_000, now=100_000)
    (200000, 0)
    """
    past = logged - (now if stamp is None else min(now, stamp))
    return past if past > AHEAD else 0


def judged(now: int, logged: int, stamp: int | None = None, word: Word | None = None) -> tuple[int, bool]:
    """The time by which a grant's end is judged, the later of the clock and the log's; and whether that is sure. Log
    time counts up to a day past when the witnesses last saw it (`stamp`). Without them, where the log is more than a
    day ahead of the clock, it is not sure, unless the owner said that the clock is right."""
    if stamp is not None:
        return max(now, min(logged, stamp + DAY)), True
    if logged - now <= AHEAD:
        return max(now, logged), True
    if word is not None and word.holds(now) and logged <= word.logged:
        return now, True
    return logged, False
