"""Work that a running node does by itself, a round of it again and again, until it is stopped."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable

from commons.errors import CommonsError

LEAST = 0.1  # seconds between two rounds, whatever they say


class Rounds:
    """The rounds of one kind of work; `log` is told of one that fails. `start` and `stop` them in one loop.

    `each` is one round, and gives the seconds until the next; after one that failed it is `otherwise`, and until the
    first of all `first`. Whoever sets `wake` has the next at once.
    """

    def __init__(
        self, log: logging.Logger, each: Callable[[], Awaitable[float]], otherwise: float, first: float = 0.0
    ) -> None:
        self._log, self._each, self._otherwise, self._first = log, each, otherwise, first
        self.wake = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    @property
    def running(self) -> bool:
        """Whether they were started."""
        return self._task is not None

    def start(self) -> None:
        """Nothing: the rounds begin."""
        self._task = asyncio.get_running_loop().create_task(self._run())

    async def stop(self) -> None:
        """Nothing: there is no round any more when this returns; one that was going on was cut short."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def _run(self) -> None:
        name, pause = self._log.name.rpartition(".")[2], self._first
        while True:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(max(pause, LEAST)):
                    await self.wake.wait()
            self.wake.clear()
            pause = self._otherwise
            try:
                pause = await self._each()
            except CommonsError as error:  # a disk may be better in a while
                self._log.warning("%s error=%d", name, error.number)
            except Exception:  # not even a bug ends this
                self._log.exception(name)
