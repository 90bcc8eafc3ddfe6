"""The type of a point on a curve; there is none of it."""

from fastecdsa import absent


class Point:
    def __init__(self, *args: object, **named: object) -> None:
        raise absent("Point")
