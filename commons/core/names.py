"""File names inside a dataset: one spelling, safe to write on any system. Checked where they are parsed.

Paths are relative and '/'-separated. Knows nothing of any disk: what passes here may be written, nothing else may.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable

from commons.errors import Malformed

PART = 255  # UTF-8 bytes of one part
PATH = 1024  # UTF-8 bytes of the whole

_CONTROL = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029]")
_DIRECTION = re.compile("[\u202a-\u202e\u2066-\u2069]")  # they make "exe.txt" of "txt.exe" to the eye
_FORBIDDEN = re.compile(r'[\\:<>"|?*]')
_DEVICE = re.compile(r"(?:con|prn|aux|nul|clock\$|conin\$|conout\$|(?:com|lpt)[0-9¹²³]) *(?:\.|$)", re.IGNORECASE)


def check(path: str) -> str:
    """`path` itself, if it may be the path of a file; Malformed says which rule it breaks."""
    fault = _fault(path)
    if fault:
        raise Malformed(f"file name {path[:200]!r} {fault}", hint="rename the file")
    return path


def check_all(paths: Iterable[str]) -> None:
    """Malformed if one path breaks a rule, or if two could not stand side by side on a disk that folds case."""
    files: dict[str, str] = {}
    folders: dict[str, str] = {}
    for path in paths:
        check(path)
        folded = _fold(path)
        if folded in files:
            raise Malformed(f"file names {files[folded][:200]!r} and {path[:200]!r} are the same on some systems")
        files[folded] = path
        end = folded.rfind("/")
        while end > 0 and folded[:end] not in folders:
            folders[folded[:end]] = path
            end = folded.rfind("/", 0, end)
    for folded in files.keys() & folders.keys():
        raise Malformed(f"file name {files[folded][:200]!r} is also a folder, of {folders[folded][:200]!r}")


def _fold(path: str) -> str:
    return path.lower() if path.isascii() else unicodedata.normalize("NFC", path.casefold())


def _fault(path: str) -> str:
    try:
        size = len(path.encode())
    except UnicodeEncodeError:
        return "is not valid Unicode"
    if size > PATH:
        return f"is over {PATH} bytes"
    if not unicodedata.is_normalized("NFC", path):
        return "is not in Unicode's normal form NFC"
    if found := _CONTROL.search(path):
        return f"holds the control character {found[0]!a}"
    if found := _DIRECTION.search(path):
        return f"holds {found[0]!a}, which turns the direction of writing"
    if found := _FORBIDDEN.search(path):
        return f"holds {found[0]!r}, which some systems forbid"
    if path.startswith("/"):
        return "is not relative"
    for part in path.split("/"):
        if part in ("", ".", ".."):
            return f"has the part {part!r}"
        if part[-1] in ". ":
            return f"has a part that ends in {part[-1]!r}"
        if len(part) * 4 > PART and len(part.encode()) > PART:
            return f"has a part over {PART} bytes"
        if _DEVICE.match(part):
            return f"has the part {part!r}, a device on some systems"
    return ""
