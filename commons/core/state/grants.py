"""What the fold remembers of one dataset that was published, and of one request for its key."""

from __future__ import annotations

from dataclasses import dataclass

from commons.core.dataset.rule import Rule
from commons.core.state.entries import Publish, Request


@dataclass(frozen=True, slots=True, kw_only=True)
class Published:
    """`rule` is in force by the entry `basis`: the publish entry itself, or what the members decided since."""

    index: int
    publisher: str
    entry: Publish
    rule: Rule
    basis: int


@dataclass(slots=True, kw_only=True)
class Access:
    """One request and what became of it. `decision`, the last one, `receipt` and `dropped` are entry indices."""

    index: int
    entry: Request
    decision: int | None = None
    outcome: str = "pending"
    reason: str = ""
    expires: int | None = None
    decided: int | None = None
    receipt: int | None = None
    dropped: int | None = None
