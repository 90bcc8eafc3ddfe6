"""Keys of curves: none can be made."""

from fastecdsa import absent


class PEMEncoder:
    """Named by libp2p as an argument."""


def gen_private_key(*args: object, **named: object) -> int:
    raise absent("keys.gen_private_key")


def export_key(*args: object, **named: object) -> str:
    raise absent("keys.export_key")


def get_public_key(*args: object, **named: object) -> object:
    raise absent("keys.get_public_key")
