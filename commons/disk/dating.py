"""Whether this home's clock may date its log and erase from it: what the clocks of others say, and its owner's word.

The one gate is on the way of every entry, and of every erasure, which makes one. Others' clocks are those of the
witnesses in the charter, else of the other members: nobody else's count. The word is noted beside the log.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Any

from commons.core.dataset.address import is_peer, peer_of
from commons.core.state import clock, transfer
from commons.core.state.clock import Doubt, Word
from commons.core.state.fold import State
from commons.core.tlog import cosignature
from commons.core.tlog.policy import Policy
from commons.disk.log import Log
from commons.disk.notes import Notes
from commons.disk.records import Record
from commons.errors import CommonsError, Undated

WORD = "clock"  # the notes of the owner's word
FRESH = 3600.0  # seconds that what somebody's clock said is counted on from
AGAIN = 60.0  # seconds until others are asked again, where none answered
HINT = "set the clock right, if it is wrong; if it is right, the owner of this log says so: `commons log date --right`"


def word(notes: Notes, commons: str) -> Word | None:
    """The owner's last word, noted beside the log of this commons, that the clock was right; None without one."""
    found = [each for each in notes.of(WORD) if each.said["commons"] == commons]
    if not found:
        return None
    return Word(time=found[-1].time, logged=found[-1].said["logged"], past=found[-1].said["past"])


def give(notes: Notes, state: State, now: int, past: int = 0) -> None:
    """Nothing: notes, durably, the owner's word that the clock, which says `now`, is right about a log in that state;
    it is `past` seconds ahead of the others'."""
    notes.add(WORD, now, commons=state.commons, logged=state.time, size=state.size, past=past)


def elapsed() -> float:
    """Seconds that no clock's setting changes, and that go on while the machine sleeps, where it can say so."""
    boot = getattr(time, "CLOCK_BOOTTIME", None)
    return time.monotonic() if boot is None else time.clock_gettime(boot)


class Dating:
    """Whether one home's clock may date its log and erase from it."""

    def __init__(self, log: Log, notes: Notes, elapsed: Callable[[], float] = elapsed) -> None:
        self._log, self._notes, self._elapsed = log, notes, elapsed
        self._heard: dict[str, tuple[int, float]] = {}  # what a clock said, and when
        self._asked = float("-inf")
        self._ask: Callable[[], None] = lambda: None
        log.admit(self._admit)

    def asks(self, ask: Callable[[], None]) -> None:
        """Nothing: from now on `ask` has those whose clocks count say what time it is; it is called by the committer's
        thread, and may wait for them."""
        self._ask = ask

    # -- others' clocks -----------------------------------------------------------------------------------------------

    def members(self) -> set[str]:
        """The peer ids of the other members, by the log."""
        community = self._log.state.community
        return set(community.members) - {community.tenures[-1].registrar} if community else set()

    def witnesses(self) -> set[str]:
        """The addresses of the witnesses whose word the charter asks for."""
        asked = policy_of(self._log.state)
        named = set(asked.leaves()) if asked.quorum is not None else set[str]()
        return {each.url for each in asked.witnesses if each.url and each.name in named}

    def heard(self, source: str, said: int) -> None:
        """Nothing: notes what somebody's clock says now. What strangers say is not kept."""
        who = _name(source)
        if who in self.members() or who in map(_name, self.witnesses()):
            self._heard[who] = (said, self._elapsed())

    def others(self) -> tuple[list[int], list[int]]:
        """What the clocks of witnesses, and those of members, say by now, as far as they were heard lately."""
        now = self._elapsed()
        says = {who: int(said + now - at) for who, (said, at) in [*self._heard.items()] if now - at <= FRESH}
        witnesses = {*map(_name, self.witnesses())}
        return [says[who] for who in witnesses & says.keys()], [says[who] for who in self.members() & says.keys()]

    # -- the gate -----------------------------------------------------------------------------------------------------

    def _admit(self, records: Sequence[Record], _now: int) -> None:
        """Undated where nothing may be added by this clock. By the committer's thread."""
        state, now = self._log.state, int(self._log.clock())
        if not state.size:
            return
        witnesses, members = self.others()
        unheard = not witnesses if self.witnesses() else not members and bool(self.members())
        if unheard and now - state.time > clock.APART and self._elapsed() - self._asked > AGAIN:
            self._ask()
            self._asked = self._elapsed()
        self.check(now)

    def check(self, now: int, logged: int | None = None) -> None:
        """Nothing; Undated where nothing may be dated or erased by a clock that says `now`. `logged` is the date of the
        last entry of another log, if that is to be dated."""
        if (found := self.doubt(now, logged)) is not None:
            raise Undated(f"{told(found, now)}: nothing is dated or erased by it", hint=HINT)

    def doubt(self, now: int, logged: int | None = None) -> Doubt | None:
        """Why nothing may be dated or erased by a clock that says `now`; None where it may."""
        last = self._log.state.time if logged is None else logged
        return clock.doubt(now, last, *self.others(), self.word())

    # -- the owner's word ---------------------------------------------------------------------------------------------

    @property
    def _commons(self) -> str:
        return self._log.origin.partition("/")[2]

    def word(self) -> Word | None:
        """The owner's last word about this log that the clock was right; None without one."""
        return word(self._notes, self._commons)

    def right(self, now: int) -> None:
        """Nothing: notes the owner's word that the clock, which says `now`, is right. Durable before anything is done
        by it."""
        others = next(filter(None, self.others()), [])
        give(self._notes, self._log.state, now, now - clock.median(others) if others else 0)

    def told(self) -> dict[str, Any]:
        """What people are told of the clock, as plain values: what it says, the last entry's date, by how much the log
        is ahead of it, and what is in doubt."""
        now, logged = int(self._log.clock()), self._log.state.time
        found, (witnesses, members) = self.doubt(now), self.others()
        word = self.word()
        return {
            "clock": now,
            "log": logged,
            "ahead": clock.ahead(logged, now),
            "doubt": told(found, now) if found else "",
            "witnesses": clock.median(witnesses) if witnesses else None,
            "members": clock.median(members) if members else None,
            "right": word.time if word and word.holds(now) else None,
            "next": HINT if found else "",
        }


# -- releasing --------------------------------------------------------------------------------------------------------


def policy_of(state: State) -> Policy:
    """The policy of the charter in force: which witnesses' clocks count."""
    return cosignature.quorum(state.charter.witnesses if state.charter else "")


def stamp(state: State, heads: Sequence[bytes]) -> int | None:
    """The time at which the witnesses last saw one of these heads of a log, by their quorum's clocks; None where they
    did not."""
    asked, found = policy_of(state), list[int]()
    for each in heads if asked.quorum is not None else ():
        try:
            signed, _ = cosignature.open(each, transfer.signer(each, f"commons/{state.commons}", state.tenures), asked)
            found.append(cosignature.seen(signed, asked)[0])
        except CommonsError:  # too few signed that one
            continue
    return max(found, default=None)


def judged(state: State, now: int, heads: Sequence[bytes], index: int, word: Word | None) -> int:
    """The time by which the end of the grant of request `index` is judged. Undated where it is in doubt: see
    `core.state.clock`; a grant without an end does not ask."""
    at, sure = clock.judged(now, state.time, stamp(state, heads), word)
    access = state.accesses.get(index)
    if not sure and access is not None and access.expires is not None and now < access.expires:
        raise Undated(
            f"the log is dated {clock_of(state.time)}, the clock here says {clock_of(now)}: no key is released under a "
            "grant with an end",
            hint="set the clock right, if it is wrong; if the log is, who runs this node says so: "
            "`commons log date --right`",
        )
    return at


def _name(source: str) -> str:
    return peer_of(source) if is_peer(source) else source.rstrip("/")


def told(found: Doubt, now: int) -> str:
    """A doubt about the clock as a sentence."""
    whose = {
        "entry": "the last entry is of",
        "witnesses": "by the witnesses' clocks it is",
        "members": "by the members' clocks it is",
    }[found.whose]
    return f"this clock says {clock_of(now)}, and {whose} {clock_of(found.than)}"


def clock_of(seconds: int) -> str:
    """A time in seconds since 1970, as people read it (UTC)."""
    try:
        return datetime.fromtimestamp(seconds, UTC).strftime("%d %B %Y, %H:%M UTC")
    except (ValueError, OverflowError, OSError):  # a time that somebody made up
        return f"{seconds} s after 1970"
