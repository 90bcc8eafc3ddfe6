"""Which files their owner leaves out by an ignore file: `.commonsignore`, as `.gitignore` is written, in any folder."""

from __future__ import annotations

import re
import unicodedata
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

from pathspec import GitIgnoreSpec
from pathspec.patterns.gitignore.spec import GitIgnoreSpecPattern

from commons.errors import Malformed, TooLarge

FILE = ".commonsignore"
LIMIT, LINES = 1 << 20, 10_000  # bytes of one, and patterns
_FORM = "it is text in UTF-8, a pattern a line, as in .gitignore"


@dataclass(frozen=True, slots=True)
class Rules:
    """The ignore rules that hold in a folder: its own and those of the folders above, the topmost first, each with the
    folder whose paths it is about: "", or "a/b/"."""

    above: tuple[tuple[str, GitIgnoreSpec], ...] = ()

    def also(self, folder: str, data: bytes, place: str) -> Rules:
        """These rules and those of the ignore file of `folder`, whose bytes are `data`. Malformed, TooLarge."""
        if len(data) > LIMIT:
            raise TooLarge(f"{place} is larger than {LIMIT >> 20} MiB", hint="ignore whole folders, or by wildcards")
        try:
            lines = unicodedata.normalize("NFC", data.decode("utf-8-sig")).splitlines()
        except UnicodeDecodeError as error:
            raise Malformed(f"{place} is not in UTF-8", hint=_FORM) from error
        if len(lines) > LINES:
            raise TooLarge(f"{place} has more than {LINES} lines", hint="ignore whole folders, or by wildcards")
        try:
            return Rules((*self.above, (folder, _spec(lines))))
        except (ValueError, re.error, RecursionError, OverflowError) as error:
            wrong = next(number for number, line in enumerate(lines, 1) if not _is_pattern(line))
            raise Malformed(f"{place}, line {wrong}: {lines[wrong - 1][:60]!r} is no pattern", hint=_FORM) from error

    def hit(self, path: str) -> bool:
        """Whether `path`, a folder's with "/" at its end, is left out: what the closest file says holds."""
        path = unicodedata.normalize("NFC", path)
        for folder, spec in reversed(self.above):
            said = spec.check_file(path.removeprefix(folder)).include
            if said is not None:
                return said
        return False


def _is_pattern(line: str) -> bool:
    try:
        _spec([line])
    except (ValueError, re.error, RecursionError, OverflowError):
        return False
    return True


class _Pattern(GitIgnoreSpecPattern):
    """One line, as `pathspec` reads it, but what lies before a wildcard is matched where it first can be, once and for
    all, so that no pattern runs away: what a later place would leave to the wildcard is less."""

    @staticmethod
    def _translate_segment_glob(pattern: str, range_error: Literal["literal", "raise"]) -> str:
        whole = GitIgnoreSpecPattern._translate_segment_glob(pattern, range_error)
        first, *others = whole.split(_ANY)
        if not others:
            return whole
        return first + "".join(f"(?>[^/]*?{each})" for each in others[:-1] if each) + _ANY + others[-1]

    @classmethod
    def pattern_to_regex(cls, pattern: Any) -> tuple[Any, bool | None]:
        regex, include = super().pattern_to_regex(pattern)
        first, *others = (regex or "").split(_INSIDE)
        if not others:
            return regex, include
        if first.startswith(_ABOVE):
            first = f"^(?>(?:.+?/)??{first.removeprefix(_ABOVE)}(?=/))"
        return first + "".join(f"(?>(?:/.+?)??{each}(?=/))" for each in others[:-1]) + _INSIDE + others[-1], include


_ANY, _INSIDE, _ABOVE = "[^/]*", "(?:/.+)?", "^(?:.+/)?"  # as `pathspec` writes "*", and "**" inside and in front


def _spec(lines: Sequence[str]) -> GitIgnoreSpec:
    with warnings.catch_warnings(action="ignore"):  # of `re`, about characters in brackets
        return GitIgnoreSpec.from_lines(lines, _Pattern, backend="simple")
