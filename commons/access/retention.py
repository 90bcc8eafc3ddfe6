"""Retention: a charter may say for how many days it is kept who asked for what. What is older is erased, as by hand.

Erases from this log and nowhere else: what readers have copied stays with them.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Callable

from commons.access.registrar import Registrar
from commons.core.dataset.terms import DAY
from commons.core.state.fold import State
from commons.disk import restored
from commons.errors import CommonsError, Stale, Undated

DOUBT = 3600.0  # seconds until a clock that was in doubt, or a log that had to wait, is looked at again


def due(state: State, now: float) -> list[int]:
    """The requests that were made more days ago than the charter keeps them, and are not erased yet."""
    dated = [(index, restored.due_at(state, index)) for index in [*state.accesses]]
    return [index for index, due in dated if due is not None and due < now and index not in state.redacted]


async def forget(registrar: Registrar, now: float) -> list[int]:
    """The requests that were erased because they are due, each with all that answers it. A crash leaves the rest to the
    next time, and one that cannot be erased keeps none of the others. Undated, and nothing is erased, where the clock
    that says `now` is in doubt: see `disk.dating`."""
    registrar.kept.dating.check(int(now))
    found = due(registrar.log.state, now)
    failed: list[CommonsError] = []
    for index in found:
        try:
            await registrar.erase(index, "retention")
        except CommonsError as error:
            failed.append(error)
    if failed:
        raise failed[0]
    return found


async def daily(registrar: Registrar, clock: Callable[[], float] = time.time, pause: float = DAY) -> None:
    """Never: erases what is due now and once a day from then on; once an hour while the clock is in doubt, or the log
    waits for an answer."""
    while True:
        wait = pause
        with contextlib.suppress(CommonsError):  # a shut log, a clock in doubt, a faster erasure by hand
            try:
                await forget(registrar, clock())
            except (Stale, Undated):
                wait = min(pause, DOUBT)
        await asyncio.sleep(wait)
