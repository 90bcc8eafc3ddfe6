"""A withdrawal, told to those who hold the data: the registrar's signed notice, and what a holder says back.

A notice asks. That somebody dropped their copy is their word, signed; no log can show that nothing was kept.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from commons.core.crypto import envelope, ids
from commons.core.crypto.keys import Signer
from commons.core.state.fold import State
from commons.errors import Conflict, Malformed, Untrue

NOTICE = "commons/notice/v1"
LIMIT = 4096  # bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Notice:
    """`dataset` was withdrawn by the log entry `entry`. Of the `holders` that the log knows (requests with a receipt)
    `dropped` said that they dropped it; both as of `time`, and of all versions that this entry withdrew."""

    commons: str
    dataset: str
    entry: int
    time: int
    holders: int
    dropped: int

    def __post_init__(self) -> None:
        ids.digest_of(self.commons, "commons")
        ids.digest_of(self.dataset)
        if self.entry < 1 or self.time < 0 or not 0 <= self.dropped <= self.holders:
            raise Malformed("notice: an entry after the charter withdraws, and no more drop than hold")


@dataclass(frozen=True, slots=True, kw_only=True)
class Dropping:
    """A requester's signed statement: what was fetched by the request at index `request` is dropped here, since entry
    `entry` withdrew it."""

    commons: str
    request: int
    dataset: str
    entry: int
    time: int

    def __post_init__(self) -> None:
        ids.digest_of(self.commons, "commons")
        ids.digest_of(self.dataset)


def sign(notice: Notice, registrar: Signer) -> bytes:
    """The notice in a signed envelope of at most `LIMIT` bytes."""
    return envelope.sign(NOTICE, notice, registrar)


def open(data: bytes, commons: str, dataset: str, registrars: Collection[str]) -> Notice:
    """The notice that one of those who kept the log (peer ids) signed about this dataset. Untrue or Malformed."""
    said = envelope.open(NOTICE, Notice, data)
    if said.signer not in registrars:
        raise Untrue(f"the notice was signed by {said.signer}, and not by the registrar, {', '.join(registrars)}")
    if (said.value.commons, said.value.dataset) != (commons, dataset):
        raise Untrue(f"the notice is about {said.value.dataset} of {said.value.commons}, which was not asked for")
    return said.value


def of(state: State, dataset: str, time: int) -> Notice | None:
    """The notice that a dataset was withdrawn, as the log says by now; None where it is not."""
    gone = dict(state.community.withdrawn) if state.community else {}
    if dataset not in gone:
        return None
    together = [state.tally.get(each, (0, 0)) for each, entry in gone.items() if entry == gone[dataset]]
    return Notice(
        commons=state.commons or "",
        dataset=dataset,
        entry=gone[dataset],
        time=time,
        holders=sum(held for held, _ in together),
        dropped=sum(dropped for _, dropped in together),
    )


def check(said: Dropping, state: State) -> None:
    """Nothing; NotFound or Conflict unless a statement names a request of this log, and the entry that withdrew its
    dataset."""
    access = state.access(said.request)
    if access.entry.dataset != said.dataset:
        raise Conflict(f"request {said.request} is for {access.entry.dataset}, another dataset")
    gone = state.community.withdrawn.get(said.dataset) if state.community else None
    if gone != said.entry:
        what = "is not withdrawn" if gone is None else f"was withdrawn at entry {gone}"
        raise Conflict(f"{said.dataset} {what}, and this names entry {said.entry}", hint="ask for the notice again")
