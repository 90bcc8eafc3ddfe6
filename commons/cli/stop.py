"""Ends of the process before, and beside, what ends a command: Ctrl-C where no KeyboardInterrupt can be raised, and a
library that is not there. Imports nothing that takes time.

Who imports a library may not get a KeyboardInterrupt: it is caught in there, made another error, or lost in a callback,
of which Python prints the trace. So the process ends at once, with the word and the code of every stop, and so it is
where a command ends. Nothing is at stake then.
"""

from __future__ import annotations

import os
import signal
import sys
import threading

CODE, WORD = 130, "stopped"  # of a command that was stopped from the keyboard
LACKING = "{} is not installed here, or not as commons needs it"
REINSTALL = "install commons again, as its README says; it needs Python 3.11 or later"


def now(*_: object) -> None:
    """The end of this process."""
    _end(CODE, WORD, "")


def lacking(part: str) -> None:
    """The end of this process where `part`, a library, is not there, or is another than was installed with commons."""
    _end(4, LACKING.format(part), REINSTALL)


def _end(code: int, message: str, hint: str) -> None:
    if "--json" in sys.argv:
        told = f'{{"error": {code}, "message": "{message}", "hint": "{hint}", "evidence": []}}\n'
    else:
        told = f"commons: {message}\n" + (f"commons: hint: {hint}\n" if hint else "")
    try:
        os.write(1 if told[0] == "{" else 2, told.encode())
    finally:  # whether or not anybody takes it
        os._exit(code)


class AtOnce:
    """A context for imports, in which Ctrl-C ends the process at once. Where Ctrl-C is ignored, or already means
    something else, it stays so; and so in other threads than the first, where no signal arrives."""

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
    """In place of Python's own hook: a KeyboardInterrupt that was raised where nobody can catch it is not lost. Any
    other error there is told in a line, and with its trace to who asks for warnings."""
    if isinstance(lost.exc_value, KeyboardInterrupt):
        now()
    if sys.warnoptions:
        sys.__unraisablehook__(lost)
    else:
        _went_on(lost.exc_type)


def in_thread(lost: threading.ExceptHookArgs) -> None:
    """In place of Python's own hook: an error that ended a thread is told in a line, as above."""
    if sys.warnoptions:
        threading.__excepthook__(lost)
    elif lost.exc_type is not SystemExit:
        _went_on(lost.exc_type)


def _went_on(kind: type[BaseException]) -> None:
    told = f"commons: a bug of ours, after which it went on: {kind.__name__}\n"
    os.write(2, f"{told}commons: hint: please report it, with what you typed and your version\n".encode())


def ended() -> None:
    """Nothing: from now on, when a command's work is done and told, Ctrl-C ends what Python still has to clear away."""
    if signal.getsignal(signal.SIGINT) != signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.SIG_DFL)
