"""The command line, for `python -m cli` in a checkout. What is installed begins in `commons.cli`."""

from commons.cli import main

if __name__ == "__main__":
    main()
