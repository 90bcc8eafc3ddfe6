"""Everything that can go wrong, sorted by what the caller can do about it.

One number per kind: it is the process's exit code, and 400 + the number is the HTTP status on the wire. A message says
what happened; `hint` says what to do next. Foreign exceptions are translated into these where they enter, once.

    CommonsError
    +- Refused           3   the access rule, or the door you came in by, says no
    +- NotFound          4   no such home, dataset, entry, peer or file
    +- Conflict          9   it exists already, or contradicts what exists
    +- Gone             10   it was erased or withdrawn, or has expired
    +- TooLarge         13   over a limit that is stated
    +- Malformed        22   bytes or words that do not follow the format
    +- Busy             23   another process holds this home
    +- Pending          25   logged; a person still has to decide, or witnesses to sign
    +- Outdated         26   rules are in force there that this version does not know: upgrade
    +- Unacknowledged   28   the licence terms were not acknowledged by name
    +- TooMany          29   over a rate limit; later is fine
    +- Undated          62   a clock is in doubt: by it nothing is dated, erased or released
    +- Internal        100   a bug of ours
    +- Untrue          102   a signature, proof or hash does not verify; or an audit found faulty entries
    |  +- SplitView    109   one log, two histories; the error carries both signed heads
    +- Unreachable     103   no peer answered
    +- TimedOut        104   a peer stalled
    +- StorageFailed   107   the disk refused; nothing was acknowledged
    +- Stale           116   the log is older than others have seen it, or may be; nothing was written

Exit code 2 is click's: the command line itself was wrong.
"""

from __future__ import annotations

import errno
import re
from typing import Any, ClassVar

# What a terminal obeys, what turns the direction of writing, and what no eye sees and no word needs. Joiners (U+200C,
# U+200D, U+2060), which words and emoji need, and marks of direction are none of these.
_OBEYED = re.compile(
    "[\x00-\x09\x0b-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff\u202a-\u202e\u2066-\u206f"
    "\u200b\u2061-\u2064\ufeff\ufff9-\ufffb\ufffe\uffff\U000e0000-\U000e00ff]"
)

_WORD = 300  # characters of one word; a path or a reference is seldom longer
_LONG = re.compile(rf"\S{{{_WORD},}}")


class CommonsError(Exception):
    """Abstract; raise one of the kinds below. `number` is the exit code, `status` the wire's."""

    number: ClassVar[int]

    def __init__(self, message: str, *, hint: str = "", evidence: tuple[str, ...] = ()) -> None:
        message = shorten(message)
        super().__init__(message)
        self.message, self.hint, self.evidence = message, hint, evidence

    @property
    def status(self) -> int:
        return 400 + self.number

    def as_dict(self) -> dict[str, Any]:
        """The wire's and `--json`'s form."""
        return {"error": self.number, "message": self.message, "hint": self.hint, "evidence": list(self.evidence)}


class Refused(CommonsError):
    number = 3


class NotFound(CommonsError):
    number = 4


class Conflict(CommonsError):
    number = 9


class Gone(CommonsError):
    number = 10


class TooLarge(CommonsError):
    number = 13


class Malformed(CommonsError):
    number = 22


class Busy(CommonsError):
    number = 23


class Pending(CommonsError):
    number = 25


class Outdated(CommonsError):
    number = 26


class Unacknowledged(CommonsError):
    number = 28


class TooMany(CommonsError):
    """`after` is how many seconds later it may be repeated: the wire's Retry-After."""

    number = 29

    def __init__(self, message: str, *, hint: str = "", evidence: tuple[str, ...] = (), after: float = 1.0) -> None:
        super().__init__(message, hint=hint, evidence=evidence)
        self.after = after


class Undated(CommonsError):
    number = 62


class Internal(CommonsError):
    number = 100


class Untrue(CommonsError):
    number = 102


class SplitView(Untrue):
    """`evidence` holds the two signed heads (and what shows that they contradict)."""

    number = 109


class Unreachable(CommonsError):
    number = 103


class TimedOut(CommonsError):
    number = 104


class StorageFailed(CommonsError):
    number = 107


class Stale(CommonsError):
    number = 116


KINDS: dict[int, type[CommonsError]] = {
    kind.number: kind
    for kind in (
        Refused, NotFound, Conflict, Gone, TooLarge, Malformed, Busy, Pending, Outdated, Unacknowledged, TooMany,
        Undated, Internal, Untrue, SplitView, Unreachable, TimedOut, StorageFailed, Stale,
    )
}  # fmt: skip


_REFUSALS = {
    errno.EPERM: "permission denied",
    errno.EACCES: "permission denied",
    errno.ENOENT: "no such file or folder",
    errno.ENOTDIR: "a part of its path is no folder",
    errno.EISDIR: "it is a folder",
    errno.EEXIST: "it exists already",
    errno.ENOTEMPTY: "it is not empty",
    errno.ENAMETOOLONG: "a name is too long",
    errno.ELOOP: "its links lead in a circle",
    errno.ENOSPC: "disk full",
    errno.EDQUOT: "disk full (quota reached)",
    errno.EROFS: "the disk is read-only",
    errno.EIO: "the disk reports an error",
    errno.ESTALE: "it is no longer on its server",
    errno.EXDEV: "it is on another disk",
    errno.EFBIG: "too large for this disk",
    errno.ENXIO: "no such device",
    errno.ENODEV: "no such device",
    errno.EBUSY: "it is in use",
    errno.EINVAL: "not possible here",
    errno.EOPNOTSUPP: "not possible here",
    errno.EMFILE: "too many files are open",
    errno.ENFILE: "too many files are open",
    errno.ENOMEM: "this machine has no memory left",
    errno.EADDRINUSE: "another program listens there",
    errno.EADDRNOTAVAIL: "this machine has no such address",
    errno.ECONNREFUSED: "nothing listens there",
    errno.ENETUNREACH: "no way leads there",
    errno.EHOSTUNREACH: "no way leads there",
    errno.ETIMEDOUT: "no answer in time",
    **dict.fromkeys((errno.ECONNRESET, errno.EPIPE, errno.ECONNABORTED), "it broke off"),
}


def refusal(error: OSError) -> str:
    """Why the system refuses something, as a part of a sentence; what there are no words for by its name."""
    if (said := _REFUSALS.get(error.errno or 0)) is not None:
        return said
    name = errno.errorcode.get(error.errno or 0)
    return f"error {name} of the system" if name else "it does not say why"


def from_dict(told: object) -> CommonsError:
    """The error a peer or our own node told us of; an unknown number becomes Internal."""
    if not isinstance(told, dict):
        return Internal("the other side failed and did not say how")
    number, evidence = told.get("error"), told.get("evidence")
    kind = KINDS.get(number, Internal) if isinstance(number, int) else Internal
    return kind(
        _tame(told.get("message", ""), 2000),
        hint=_tame(told.get("hint", ""), 2000),
        evidence=tuple(_tame(e, 20_000) for e in evidence[:4]) if isinstance(evidence, list) else (),
    )


def shorten(message: str) -> str:
    """A message without the rest of words that are too long to be read: it repeats what somebody typed."""
    return _LONG.sub(lambda word: f"{word[0][:_WORD]}…", message)


def tame(text: str, instead: str = "") -> str:
    """Words of somebody else's, without what a terminal would obey; lines stay lines."""
    return _OBEYED.sub(instead, text)


def _tame(text: object, most: int) -> str:
    """What is no text says nothing."""
    return tame(text[:most]) if isinstance(text, str) else ""
