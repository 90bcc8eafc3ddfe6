"""The command line, for `python -m cli` in a checkout. What is installed begins in `commons.cli.__main__`."""

from commons.cli.__main__ import main

if __name__ == "__main__":
    main()
