"""What of a fold grows with its log stands in tables: dicts and sets in memory, or rows that are kept elsewhere.

A fold puts a whole value in the place of another and never changes one, so that who keeps rows sees each change.
"""

from __future__ import annotations

from collections.abc import Callable, MutableMapping, MutableSet
from typing import Any, Protocol

Order = Callable[[Any], Any]


class Tables(Protocol):
    """Where a fold keeps its tables. Each is asked for once, by its name, and empty at first."""

    def rows(self, name: str, kind: Any, order: Order | None = None) -> MutableMapping[Any, Any]:
        """Values of a `kind` (a type that the codec writes) by key (an int, text or bytes). Where it is not remembered
        how it was filled, they come in the `order` of the values, else in that of the keys."""

    def names(self, name: str) -> MutableSet[Any]:
        """Keys alone."""


class InMemory:
    """Tables that are gone with who uses them."""

    def rows(self, name: str, kind: Any, order: Order | None = None) -> MutableMapping[Any, Any]:
        return {}

    def names(self, name: str) -> MutableSet[Any]:
        return set()


MEMORY = InMemory()
