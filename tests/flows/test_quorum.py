"""The requester's side of the quorum, against every head that witnesses may have signed."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from commons import quorum
from commons.core.answer import Checked
from commons.errors import NotFound, Pending, Untrue
from tests.core.test_time import TWO, Watched
from tests.keeper import BOB
from tests.vectors.generate import MANIFEST


class Door:
    """A plain door in memory that shows one log and, of all heads, the one that is to be `cosigned`."""

    def __init__(self, watched: Watched, cosigned: bytes | None) -> None:
        self._log, self._cosigned = watched.log, cosigned

    async def get(self, source: str, path: str, *, limit: int, span: tuple[int, int] | None = None) -> bytes:
        path = path.removeprefix(f"/{self._log.commons}/")
        if path != "cosigned":
            return await self._log.read(path)
        if self._cosigned is None:
            raise NotFound(path)
        return self._cosigned

    async def post(self, source: str, path: str, body: bytes, *, limit: int) -> bytes:
        raise NotFound(path)


class Case:
    """A log whose charter asks for two witnesses of three; a request at `index`, granted by the entry after it."""

    def __init__(self, witnesses: str = TWO) -> None:
        self.watched = Watched(witnesses)
        log = self.watched.log
        said = log.ask(BOB, log.publish())
        self.granted = log.decide()
        self.index = log.last
        _, self.checked = log.granted(said)
        for _ in range(3):
            log.publish()
        self.value = replace(MANIFEST, commons=log.commons)

    def check(self, cosigned: bytes | None, checked: Checked | None = None) -> bytes:
        door, log = Door(self.watched, cosigned), self.watched.log.log
        return asyncio.run(quorum.check(door, "door", self.value, log, checked or self.checked))

    def shown(self, cosigned: bytes | None, checked: Checked | None = None) -> bytes:
        door, log = Door(self.watched, cosigned), self.watched.log.log
        return asyncio.run(quorum.shown(door, "door", self.value, log, checked or self.checked))


def test_no_key_is_used_before_witnesses_have_seen_the_entry_that_grants_it() -> None:
    """At every size, the one that ends right before the decision among them."""
    case = Case()
    for size in range(1, len(case.watched.log.data) + 1):
        head = case.watched.head(3, 3, None, size=size)
        if size > case.granted:
            assert case.check(head) == case.shown(head) == head
        else:
            told = f"signed {size} entries, and not yet entry {case.granted}"
            with pytest.raises(Untrue, match=told):
                case.check(head)
            with pytest.raises(Pending, match=told):
                case.shown(head)


def test_a_request_without_a_decision_has_to_be_seen_itself() -> None:
    case = Case()
    waits = replace(case.checked, decision=None)
    for size in (case.index, case.index + 1):
        head = case.watched.head(3, 3, None, size=size)
        if size > case.index:
            assert case.shown(head, waits) == head
        else:
            with pytest.raises(Pending, match=f"not yet entry {case.index}"):
                case.shown(head, waits)
