"""What shuts a log of this home, as the errors that whoever uses it is told: it is an old copy, forked, or damaged.

Knows nothing of how that is found out: `disk.log` does, and stays shut by it.
"""

from __future__ import annotations

from commons.core.tlog import checkpoint, note
from commons.core.tlog.checkpoint import Signed
from commons.errors import CommonsError, Stale, StorageFailed


def rolled_back(ours: Signed, theirs: bytes) -> CommonsError:
    return StorageFailed(
        f"this log was rolled back or forked: its {ours.checkpoint.size} entries do not lead to a head that it signed",
        hint="restore the newest backup of this home; never continue an old copy of a log",
        evidence=(ours.note.decode(), theirs.decode("utf-8", "replace")),
    )


def outrun(ours: Signed, theirs: bytes, by: str, proven: bool = True) -> CommonsError:
    """The error for a head of ours with more entries than there are here. Without the entries that lead to it, it may
    be by who stole the log's key; then it is for the owner to say."""
    here, size = ours.checkpoint.size, checkpoint.parse(note.peek(theirs)).size
    more = f"{size - here} more than the {here} here"
    shown = f"{by} has shown a head with {size} entries that this log signed, {more}"
    return Stale(
        f"this log is behind, and nothing is written: {shown}"
        if proven
        else f"this log is behind by the word of {by}, and nothing is written: a head of {size} entries, {more}",
        hint="restore the newest backup of this home; never continue an old copy of a log"
        if proven
        else "restore the newest backup of this home. If there is none, --go-on goes on from here, and whoever has "
        "seen more of this log will refuse it",
        evidence=(ours.note.decode(), theirs.decode()),
    )


def alarmed(ours: Signed, theirs: bytes) -> CommonsError:
    """The error for a head of ours that this log is proven not to contain, as it was stored when it was shown."""
    if checkpoint.parse(note.peek(theirs)).size > ours.checkpoint.size:
        return outrun(ours, theirs, "somebody")
    return rolled_back(ours, theirs)


def damaged(what: str) -> StorageFailed:
    return StorageFailed(
        f"the log is damaged: {what}",
        hint="keep this home as it is, and restore a backup into another one; until then nothing is added to the log; "
        "`commons audit` and `commons log export` still read it",
    )
