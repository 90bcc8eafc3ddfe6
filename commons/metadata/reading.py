"""How a text of others is read: every field by itself, so that one that cannot be taken costs only itself.

Who listens hears of the faults; where nobody does, the first one is raised. Knows no format.
"""

from __future__ import annotations

import posixpath
import re
import unicodedata
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any, TypeVar

from commons.core.dataset import names
from commons.errors import Malformed, TooLarge
from commons.metadata.description import DescribedFile, Description

T = TypeVar("T")
U = TypeVar("U")

_NAME = 60  # characters of a key that are repeated


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """What a text says and nobody can take: of which `field` ("" for the whole text), and why."""

    field: str
    why: str


@dataclass(slots=True)
class Heard:
    """What a reader tells beside the description: the faults; `left`, what else the text says, by its own names, and
    nothing here has a place for; `written`, for a licence as it is spelt, the file that holds its text ("": whichever
    licence file is there); `notes`, what is worth a look."""

    faults: dict[Fault, None] = field(default_factory=dict)
    left: dict[str, None] = field(default_factory=dict)
    written: dict[str, str] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)


class Reading:
    """One text of somebody else's as it is read, field by field. Where somebody has `heard` to be told faults in, a
    fault costs its own field; else the first one is raised."""

    def __init__(self, heard: Heard | None) -> None:
        self.strict = heard is None
        self.heard = heard or Heard()

    def take(self, field: str, read: Callable[[], T], otherwise: U, of: str = "") -> T | U:
        """What `read` says of `field`; `otherwise` where it cannot be taken. `of` names the part that it is about."""
        try:
            return read()
        except (Malformed, TooLarge) as error:
            if self.strict:
                raise
            self.fault(field, f"{of}: {error.message}" if of else error.message)
            return otherwise

    def fault(self, field: str, why: str) -> None:
        """Nothing: tells a fault; nobody is stopped by it."""
        self.heard.faults[Fault(field=field, why=why)] = None

    def several(self, field: str, items: Iterable[T], read: Callable[[T], Iterable[U]]) -> tuple[U, ...]:
        """What `read` says of each of `items`, without those that cannot be taken."""
        found: list[U] = []
        for item in items:
            found += self.take(field, partial(_all, read, item), list[U]())
        return tuple(found)

    def place(self, path: Any, check: Callable[[Any], T]) -> T:
        """What `check` makes of the path of a file. Where faults are heard, a path with backslashes or with detours
        inside the folder is first made straight, instead of being refused."""
        try:
            return check(path)
        except Malformed:
            if self.strict or not isinstance(path, str) or (other := straight(path)) == path:
                raise
            return check(other)

    def leave(self, record: Mapping[Any, Any], *taken: str) -> None:
        """Nothing: remembers which of the keys of `record` say something and are none of those `taken`."""
        for key, value in record.items():
            if key not in taken and value not in (None, "", [], {}) and isinstance(key, str):
                self.heard.left[key[:_NAME]] = None

    def described(self, **fields: Callable[[], Any]) -> Description:
        """The description of `fields`, each read by itself."""
        found: dict[str, Any] = {}
        for name, read in fields.items():
            value = self.take(name, read, None)
            if value is not None:
                found[name] = value
        return Description(**found)


def straight(path: str) -> str:
    """A declared path as a dataset spells one: NFC, "/" between its parts, without "." and detours. One that leads out
    of the folder still does.

    >>> straight("./data\\\\maps/../rivers.csv"), straight("../rivers.csv")
    ('data/rivers.csv', '../rivers.csv')
    """
    plain = unicodedata.normalize("NFC", path).replace("\\", "/")
    return plain if re.match(r"/|[A-Za-z]:|~", plain) else posixpath.normpath(plain)


def spellings(path: str) -> tuple[str, ...]:
    """How a file may be called on disk that a text calls `path`: as written, without detours, percent-decoded, or
    encoded; the likeliest first, each folded as names are."""
    from urllib.parse import quote, unquote

    try:
        other = unquote(path, errors="strict")
    except UnicodeDecodeError:
        other = path
    return tuple(
        dict.fromkeys(names.fold(each) for each in (path, straight(path), other, straight(other), quote(path)))
    )


def alike(entries: Iterable[DescribedFile], reading: Reading) -> tuple[DescribedFile, ...]:
    """The entries, each file once. Malformed where a file is told of in two ways; where faults are heard, the first way
    is taken."""
    known: dict[str, DescribedFile] = {}
    for each in entries:
        first = known.setdefault(each.path, each)
        if first != each:
            field = "files" if first.licence == each.licence else "licence"
            reading.take(field, partial(_twice, each), None)
    return tuple(known.values())


def _all(read: Callable[[T], Iterable[U]], item: T) -> list[U]:
    return list(read(item))


def _twice(entry: DescribedFile) -> None:
    raise Malformed(f"{entry.path[:200]!r} is listed twice, and not alike", hint="keep one of the two")
