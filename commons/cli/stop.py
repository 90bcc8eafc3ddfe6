"""Ctrl-C where no KeyboardInterrupt can be raised: the process ends at once, with the word and the code of every stop.

Who imports a library may not get it: it is caught in there, made another error, or lost in a callback, of which Python
prints the trace. So it is where a command ends. Nothing is at stake then. Imports nothing that takes time.
"""

from __future__ import annotations

import os
import signal
import sys

CODE, WORD = 130, "stopped"  # of a command that was stopped from the keyboard


def now(*_: object) -> None:
    """The end of this process."""
    if "--json" in sys.argv:
        told = f'{{"error": {CODE}, "message": "{WORD}", "hint": "", "evidence": []}}\n'
    else:
        told = f"commons: {WORD}\n"
    try:
        os.write(1 if told[0] == "{" else 2, told.encode())
    finally:  # whether or not anybody takes it
        os._exit(CODE)


class AtOnce:
    """`with AtOnce():` around imports. Where Ctrl-C is ignored, or already means something else, it stays so; and so in
    other threads than the first, where no signal arrives."""

    def __enter__(self) -> None:
        self._changed = False
        if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
            try:
                signal.signal(signal.SIGINT, now)
                self._changed = True
            except ValueError:
                pass

    def __exit__(self, *_: object) -> None:
        if self._changed:
            signal.signal(signal.SIGINT, signal.default_int_handler)


def unraisable(lost: sys.UnraisableHookArgs) -> None:
    """In place of Python's own hook: a KeyboardInterrupt that was raised where nobody can catch it is not lost."""
    if isinstance(lost.exc_value, KeyboardInterrupt):
        now()
    sys.__unraisablehook__(lost)


def ended() -> None:
    """At the end of a command, whose work is done and told: Ctrl-C ends what Python still has to clear away."""
    if signal.getsignal(signal.SIGINT) != signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.SIG_DFL)
