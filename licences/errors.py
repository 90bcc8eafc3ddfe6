"""What can go wrong when a licence is named. Three kinds, by what the caller does next: correct, choose, or state anew.

    LicenceError
    +- UnknownLicence     no licence is called that; `suggestions` are near misses, never used by themselves
    +- AmbiguousLicence   it names several; the caller must choose one of `candidates`
    +- InvalidLicence     a licence of one's own, or an expression of several, that is not well formed

Messages quote foreign text with control characters escaped, so that they are safe on a terminal.
"""

from __future__ import annotations

_SHOWN = 80  # characters of a foreign text that a message repeats
_LISTED = 8  # candidates that a message repeats


class LicenceError(Exception):
    """Abstract; one of the kinds below is raised."""


class UnknownLicence(LicenceError, LookupError):
    """`text` is no licence this library knows; `reason` says why, `suggestions` are ids of near misses."""

    def __init__(self, text: str, reason: str, suggestions: tuple[str, ...] = ()) -> None:
        super().__init__(f"unknown licence {text[:_SHOWN]!r}: {reason}")
        self.text, self.reason, self.suggestions = text, reason, suggestions


class AmbiguousLicence(LicenceError, LookupError):
    """`text` could be any of `candidates` (ids, newest first); guessing would change what is allowed."""

    def __init__(self, text: str, candidates: tuple[str, ...]) -> None:
        rest = f" and {len(candidates) - _LISTED} more" if len(candidates) > _LISTED else ""
        super().__init__(
            f"{text[:_SHOWN]!r} does not say which licence or version: it may be any of "
            f"{', '.join(candidates[:_LISTED])}{rest}"
        )
        self.text, self.candidates = text, candidates


class InvalidLicence(LicenceError, ValueError):
    """A licence of one's own lacks an id, a name or its full text; or an expression does not follow SPDX's grammar."""
