"""File names inside a dataset: one spelling, safe to write on any system. Checked where they are parsed.

Paths are relative and '/'-separated. Knows nothing of any disk: what passes here may be written, nothing else may.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Sequence

from commons.errors import Malformed

PART = 255  # UTF-8 bytes of one part
PATH = 1024  # UTF-8 bytes of the whole
LONG = 20_000  # characters in which many names are told to who can rename them
_SHORT = 1500  # and to anybody else

_SAME = "are the same on some systems"
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
    """Malformed, telling them all, if paths break a rule, or if two could not stand side by side on a disk that folds
    case."""
    if found := faults((path, path) for path in paths):
        raise refusal(found, _SHORT)


def faults(paths: Iterable[tuple[str, str]]) -> list[tuple[str, str]]:
    """The faults of paths, each given with its spelling on disk: (which, what is wrong with it). Two that look alike
    are told apart."""
    found: list[tuple[str, str]] = []
    files: dict[str, tuple[str, str]] = {}
    folders: dict[str, str] = {}
    for path, spelt in paths:
        if fault := _fault(path):
            found.append((repr(path[:200]), fault))
            continue
        folded = fold(path)
        if folded in files:
            found.append((_apart(files[folded][1], spelt), _SAME))
            continue
        files[folded] = path, spelt
        end = folded.rfind("/")
        while end > 0 and folded[:end] not in folders:
            folders[folded[:end]] = path
            end = folded.rfind("/", 0, end)
    both = sorted(files.keys() & folders.keys())
    return found + [(repr(files[each][0][:200]), f"is also a folder, of {folders[each][:200]!r}") for each in both]


def refusal(found: Sequence[tuple[str, str]], most: int) -> Malformed:
    """The error that tells all faults, as far as they fit into `most` characters."""
    if len(found) == 1:
        which, what = found[0]
        return Malformed(f"file name{'s' * (what == _SAME)} {which} {what}", hint="rename the file")
    kinds: dict[str, list[str]] = {}
    for which, what in found:
        kinds.setdefault(what, []).append(which)
    room = most // min(len(kinds), 10)
    told = [
        f"{listed(which, room)} {what}" if len(which) == 1 or what == _SAME else f"each of {listed(which, room)} {what}"
        for what, which in kinds.items()
    ]
    return Malformed(f"{len(found)} file names are refused: {listed(told, most, '; ')}", hint="rename the files")


def listed(words: Sequence[str], most: int, by: str = ", ") -> str:
    """As many of `words` as fit into `most` characters, the first at least, and how many more there are."""
    size = -len(by)
    for count, word in enumerate(words):
        size += len(by) + len(word)
        if size > most and count:
            return f"{by.join(words[:count])} and {len(words) - count} more"
    return by.join(words)


def _apart(one: str, other: str) -> str:
    """Two names, and by which characters they differ where the eye does not see it."""
    both = f"{one[:200]!r} and {other[:200]!r}"
    return both if both.isascii() else f"{both} (that is {one[:200]!a} and {other[:200]!a})"


def fold(path: str) -> str:
    """What two names have in common that would be one file on some disk: the same text for both.

    >>> fold("Straße/MAP.csv")
    'strasse/map.csv'
    """
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
        if len(part.encode()) > PART:
            return f"has a part over {PART} bytes"
        if _DEVICE.match(part):
            return f"has the part {part!r}, a device on some systems"
    return ""
