"""Who made it, from what, under what: the words of terms and of files that attribution and licences need.

A licence is written as an SPDX expression ("CC-BY-4.0 AND LicenseRef-Ours"). What it means is the package `licences`'
knowledge; here it is only well formed.
"""

from __future__ import annotations

import datetime
import hashlib
import re
from dataclasses import dataclass

from commons.core.crypto import ids
from commons.errors import Malformed

_EXPRESSION = re.compile(r"[A-Za-z0-9.+():-]+(?: [A-Za-z0-9.+():-]+)*")
_OPERATORS = frozenset({"AND", "OR", "WITH"})
_ADDRESS = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:[!-~\u00a1-\ud7ff\ue000-\U0010ffff]+")
NOTICES = 20_000  # characters of a file's copyright notices
_LINES = 2000  # characters of a short text: a name, a title, an address, a copyright notice
_PAGES = 1 << 20  # characters of a long one


@dataclass(frozen=True, slots=True, kw_only=True)
class Creator:
    """Whom to credit. `url` says who it is: an ORCID, a ROR, a web page."""

    name: str
    url: str | None = None
    organisation: bool = False

    def __post_init__(self) -> None:
        line("a creator's name", self.name)
        check_url("a creator's address", self.url)


@dataclass(frozen=True, slots=True, kw_only=True)
class LicenceText:
    """One licence of an expression: its `url` ("" where none is known), the SHA-256 of its text where that is known,
    and the whole text of a LicenseRef, which stands nowhere else."""

    id: str
    url: str
    sha256: bytes | None
    text: str | None

    def __post_init__(self) -> None:
        if not re.fullmatch(r"[A-Za-z0-9.+-]{1,120}", self.id):
            raise Malformed(f"not a licence id: {self.id[:80]!r}")
        if len(self.url) > _LINES or len(self.text or "") > _PAGES or len(self.sha256 or bytes(32)) != 32:
            raise Malformed(f"{self.id}: its address or text is too long, or its digest none")
        if self.id.startswith("LicenseRef-") != (self.text is not None):
            raise Malformed("a LicenseRef carries its whole text, and only a LicenseRef does")
        if self.text is not None and self.sha256 != hashlib.sha256(self.text.encode()).digest():
            raise Malformed("the licence text is not the one its digest names")


@dataclass(frozen=True, slots=True, kw_only=True)
class Label:
    """What a community asks of whoever meets its heritage (a Local Contexts label or notice): no licence, never
    dropped, its words kept as they are."""

    name: str
    text: str

    def __post_init__(self) -> None:
        line("a label's name", self.name)
        if not self.text.strip() or len(self.text) > _PAGES:
            raise Malformed("a label has a text, of at most a million characters")


@dataclass(frozen=True, slots=True, kw_only=True)
class Origin:
    """A dataset this one was made from: the CID of its manifest, its licence, and its own credit, kept whole."""

    manifest: str
    title: str
    licence: str
    credit: str

    def __post_init__(self) -> None:
        ids.digest_of(self.manifest)
        line("an origin's title", self.title)
        check_expression(self.licence)
        if len(self.credit) > _PAGES:
            raise Malformed("an origin's credit is too long")


@dataclass(frozen=True, slots=True, kw_only=True)
class Rights:
    """What a file says of itself, where that differs from the dataset: an SPDX expression, or "" for the dataset's
    own; and its copyright notices, one a line."""

    licence: str
    copyright: str

    def __post_init__(self) -> None:
        if self.licence:
            check_expression(self.licence)
        if len(self.copyright) > NOTICES:
            raise Malformed("the copyright notices of a file are too long")


def line(what: str, text: str) -> str:
    """Malformed unless `text` is one line that says something."""
    if not text.strip() or len(text) > _LINES or "\n" in text or "\0" in text:
        raise Malformed(f"{what} is one line of 1 to {_LINES} characters: {text[:60]!r}")
    return text


def check_url(what: str, url: str | None) -> None:
    """Malformed unless None or an absolute address without blanks. Which schemes are followed, the reader decides."""
    if url is not None and (len(url) > _LINES or not _ADDRESS.fullmatch(url)):
        raise Malformed(f"{what} is an absolute address, like https://orcid.org/0000-0002-1825-0097: {url[:80]!r}")


def check_date(date: str | None) -> None:
    """Malformed unless None or a day, "2026-11-24"."""
    if date is None:
        return
    try:
        datetime.date.fromisoformat(date)
        known = re.fullmatch(r"\d{4}-\d{2}-\d{2}", date, re.ASCII)
    except ValueError:
        known = None
    if known is None:
        raise Malformed(f"not a day: {date[:40]!r}", hint="write 2026-11-24")


def check_expression(expression: str) -> str:
    """Malformed unless it looks like an SPDX expression."""
    if len(expression) > _LINES or not _EXPRESSION.fullmatch(expression):
        raise Malformed(f"not a licence expression: {expression[:80]!r}")
    return expression


def licence_ids(expression: str) -> tuple[str, ...]:
    """The ids of an expression, sorted, each once; what follows WITH is none."""
    words = re.findall(r"[A-Za-z0-9.+:-]+", check_expression(expression))
    after = zip(["", *words], words, strict=False)
    return tuple(sorted({word for before, word in after if before != "WITH" and word not in _OPERATORS}))
