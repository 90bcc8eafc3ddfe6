"""Which files their owner leaves out by an ignore file: `.commonsignore`, as `.gitignore` is written, in any folder."""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass

from pathspec import GitIgnoreSpec

from commons.errors import Malformed, TooLarge

FILE = ".commonsignore"
LIMIT = 1 << 20  # bytes of one
_FORM = "it is text in UTF-8, a pattern a line, as in .gitignore"


@dataclass(frozen=True, slots=True)
class Rules:
    """Those of the folders above, the topmost first, each with the folder whose paths it is about: "", or "a/b/"."""

    above: tuple[tuple[str, GitIgnoreSpec], ...] = ()

    def also(self, folder: str, data: bytes, place: str) -> Rules:
        """With those of the ignore file of `folder`, whose bytes are `data`. Malformed, TooLarge."""
        if len(data) > LIMIT:
            raise TooLarge(f"{place} is larger than {LIMIT >> 20} MiB", hint="ignore whole folders, or by wildcards")
        try:
            lines = unicodedata.normalize("NFC", data.decode("utf-8-sig")).splitlines()
        except UnicodeDecodeError as error:
            raise Malformed(f"{place} is not in UTF-8", hint=_FORM) from error
        try:
            return Rules((*self.above, (folder, GitIgnoreSpec.from_lines(lines))))
        except ValueError as error:
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
        GitIgnoreSpec.from_lines([line])
    except ValueError:
        return False
    return True
