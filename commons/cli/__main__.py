"""Where `commons` begins. It has a word for Ctrl-C, and for a library that is not there, before it imports anything."""

import sys
import threading
import warnings


def main() -> None:
    """The command line, to the end of the process."""
    try:
        from commons.cli import stop

        with stop.AtOnce():
            sys.unraisablehook, threading.excepthook = stop.unraisable, stop.in_thread
            if not sys.warnoptions:
                warnings.simplefilter("ignore")  # of libraries, for who works on them
            from commons.cli import commands
        try:
            commands.main()
        finally:
            stop.ended()
    except KeyboardInterrupt:
        from commons.cli import stop

        stop.now()
    except ImportError as error:
        from commons.cli import stop

        stop.lacking(error.name or "a library")


if __name__ == "__main__":
    main()
