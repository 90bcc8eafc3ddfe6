"""The number of the rules that a commons goes by: 1 from its charter on, and later ones that its members put in force.

Whoever meets a number that it does not know judges nothing there: it releases, signs, votes and cosigns nothing, and
goes on carrying and showing.
"""

from __future__ import annotations

from commons.errors import Outdated

FIRST = 1  # what every charter begins with
KNOWN: frozenset[int] = frozenset({1})  # those that this version judges by


def check(number: int, known: frozenset[int] | None = None) -> None:
    """Nothing; Outdated unless the rules of this number are `known`: to this version, where nothing else is said."""
    if number not in (KNOWN if known is None else known):
        raise Outdated(
            f"this commons goes by rules {number}, and this version of commons knows no later ones than "
            f"{max(KNOWN if known is None else known)}: it releases, signs, votes and cosigns nothing there",
            hint="upgrade commons, and repeat this; until then this node goes on carrying and showing",
        )
