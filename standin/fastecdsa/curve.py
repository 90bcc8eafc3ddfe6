"""The curves, by name only."""

from fastecdsa import absent


class Curve:
    """The type of a curve; there is none of it."""

    def __init__(self, *args: object, **named: object) -> None:
        raise absent("Curve")


def __getattr__(name: str) -> Curve:
    if name.startswith("__"):
        raise AttributeError(name)
    raise absent(f"curve.{name}")
