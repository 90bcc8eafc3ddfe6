"""What a home that came back from a backup does not open: names that may have been erased since, or have to be by now.

A backup knows nothing of what was erased after it. What a newer copy of the log says of that was done when the home
was restored; where somebody is known to have more of the log than was shown, or nobody could be asked and the day is
past by which the backup had to be deleted, nothing is opened. What the charter keeps no longer is not opened either,
until it is erased by an entry. Nothing of this is in what the log signs.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

from commons.core.dataset.terms import DAY
from commons.core.state import entries
from commons.core.state.fold import State
from commons.core.tlog import checkpoint, note
from commons.disk.log import Log
from commons.disk.notes import Notes
from commons.disk.resumption import Resumption
from commons.errors import CommonsError, Stale

RESTORED = "restored"  # the mark


class Restored:
    """One home's part in it; of a home that was never restored it withholds nothing. `gone` are the entries whose
    openings were destroyed by what a newer copy of the log said."""

    def __init__(self, log: Log, notes: Notes, resumption: Resumption, clock: Callable[[], float] = time.time) -> None:
        self._log, self._notes, self._resumption, self._clock = log, notes, resumption, clock
        mark = notes.marked(RESTORED)
        self._delete_by, self._seen = 0, 0
        self.gone: frozenset[int] = frozenset()
        self.here = mark is not None or notes.unread.any("marks")  # perhaps that one is damaged
        if mark is not None:
            self._delete_by, self._seen = mark.said["by"], mark.said["seen"]
            self.gone = frozenset(mark.said["gone"])
        elif self.here:
            self._delete_by = 1
        if self.here:
            log.withhold(self.why)

    def note(self, delete_by: int | None, seen: int, gone: Sequence[int]) -> None:
        """That this home was made from a backup that had to be deleted by that day; how many entries a newer copy of
        its log had whose redactions were followed, and which openings here these destroyed."""
        destroyed = frozenset({*self.gone, *gone})
        said = {"by": delete_by or 0, "seen": seen, "gone": sorted(destroyed)}
        self._notes.mark(RESTORED, int(self._clock()), **said)
        self.here, self._delete_by, self._seen, self.gone = True, delete_by or 0, seen, destroyed
        self._log.withhold(self.why)

    def shut(self) -> str:
        """Why nothing at all is opened; empty where something may be."""
        broken, now = self._log.broken, self._now()
        if isinstance(broken, CommonsError) and len(broken.evidence) == 2 and self._more(broken) > self._seen:
            return "somebody has more of this log than this backup, and what was erased since is not known here"
        if not self._resumption.free and 0 < self._delete_by <= now:
            return "its backup had to be deleted by now, and nobody has said yet that it is the newest"
        return ""

    def why(self, index: int) -> str:
        """Why what an entry hides is not opened; empty for what may be, and for what hides nothing."""
        entry = entries.decode(self._log.entry(index)) if index < self._log.size else None
        if entry is None or not entries.commitments(entry) or index in self._log.state.redacted:
            return ""
        if said := self.shut():
            return said
        due = due_at(self._log.state, getattr(entry, "request", index))
        return "" if due is None or self._now() < due else "the charter keeps it no longer, and it is erased soon"

    def withheld(self) -> frozenset[int]:
        """The entries whose openings are not here, or not opened, though no entry of this log says so."""
        if not self.here:
            return frozenset()
        return self.gone | {index for index in range(self._log.size) if self.why(index)}

    def _now(self) -> float:
        return max(self._clock(), self._log.state.time)  # a clock that is set back opens nothing

    def _more(self, broken: CommonsError) -> float:
        """How many entries others have; more than any where they contradict what is here."""
        if not isinstance(broken, Stale):
            return float("inf")
        return checkpoint.parse(note.peek(broken.evidence[1].encode())).size


def due_at(state: State, request: int) -> int | None:
    """When the charter has a request, and what answers it, erased; None for never."""
    days = state.charter.retention_days if state.charter else None
    access = state.accesses.get(request)
    return None if days is None or access is None else access.entry.time + days * DAY
