"""Credit: title, author, source, licence (TASL), in words that can be pasted. Every field is made harmless to print.

A licensor's own credit line is kept as it is: some licences ask for just that wording.
"""

from __future__ import annotations

from dataclasses import dataclass

from licences.licence import Licence


@dataclass(frozen=True, slots=True, kw_only=True)
class Work:
    """What is credited. Empty fields are left out."""

    title: str
    creators: tuple[str, ...]
    licence: Licence
    source_url: str | None = None
    copyright: str | None = None
    credit_line: str | None = None


def attribution(work: Work, modified: str | None = None) -> str:
    """One paragraph of plain text. `modified` says what was changed."""
    licence = work.licence
    verb = {"licence": "is licensed under", "dedication": "is dedicated to the public domain under",
            "mark": "is marked with", "custom": "is shared under"}[licence.kind]  # fmt: skip
    by = f" by {', '.join(map(_line, work.creators))}" if work.creators else ""
    where = f" ({_line(licence.url)})" if licence.url else ""
    parts = [f'"{_line(work.title)}"{by} {verb} {_line(licence.short)}{where}.']
    if work.copyright:
        parts.append(f"{_line(work.copyright)}.".replace("..", "."))
    if work.source_url:
        parts.append(f"Source: {_line(work.source_url)}.")
    if modified:
        parts.append(f"Changes: {_line(modified)}.")
    if work.credit_line:
        parts.append(_line(work.credit_line))
    if licence.kind == "licence":
        parts.append("No warranties are given.")
    return " ".join(parts)


def _line(text: str) -> str:
    """One line without control characters."""
    return " ".join("".join(c if c.isprintable() else " " for c in text).split())
