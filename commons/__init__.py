"""commons: share datasets peer to peer under their licence, and account for who was given the key.

`commons.create(home)` makes a home, `commons.restore(file, home, …)` makes one of a backup. `async with
commons.open(home) as node:` gives the verbs of a home to a program, `commons.connect(home)` to a notebook. See
docs/python.md. Importing this loads nothing else.
"""

from commons.version import __version__

TYPE_CHECKING = False  # as typing has it, whose import takes longer than all of this
if TYPE_CHECKING:
    from commons.session import connect, create, open, restore

__all__ = ["__version__", "connect", "create", "open", "restore"]


def __getattr__(name: str) -> object:
    if name not in ("connect", "create", "open", "restore"):
        raise AttributeError(f"module 'commons' has no attribute {name!r}")
    from commons import session

    return getattr(session, name)
