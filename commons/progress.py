"""How far a verb has come, told to whoever waits."""

from __future__ import annotations

from collections.abc import Callable

Progress = Callable[[int, int], None]  # done, of how many: bytes, or entries. May be called from any thread


def meter(progress: Progress, whole: int) -> Callable[[int], None]:
    """Takes amounts as they are done, adds them up, and tells `progress` of the sum."""
    done = 0

    def more(amount: int) -> None:
        nonlocal done
        done += amount
        progress(done, whole)

    return more


def untold(done: int, whole: int) -> None:
    """The progress that nobody waits for."""
