"""Where `commons` begins. It has a word for Ctrl-C before it imports anything that takes time."""

import sys


def main() -> None:
    """The command line, to the end of the process."""
    try:
        from commons.cli import stop

        with stop.AtOnce():
            sys.unraisablehook = stop.unraisable
            from commons.cli import commands
        try:
            commands.main()
        finally:
            stop.ended()
    except KeyboardInterrupt:
        from commons.cli import stop

        stop.now()


if __name__ == "__main__":
    main()
