"""From what a caller names as a source or a target to the licences it means: one, several together, or a choice.

Knows expressions; combines nothing (that is `compat`).
"""

from __future__ import annotations

from collections.abc import Iterable
from itertools import product
from math import prod
from typing import Final

from licences.catalogue import get
from licences.errors import AmbiguousLicence, InvalidLicence, UnknownLicence
from licences.expression import Expression, parse
from licences.licence import Adaptation, Licence

Source = Licence | str | Expression
Together = tuple[Licence, ...]  # licences that hold at the same time, each once

_MOST: Final = 64  # ways to choose that are looked at


def choices(source: Source) -> tuple[Together, ...]:
    """The alternatives that `source` leaves, each the licences that hold together in it. A text is an exact id or an
    expression; UnknownLicence if it is neither. A LicenseRef in an expression becomes a licence without a text, of
    which nothing is known.

    >>> [[each.id for each in way] for way in choices("MIT OR (CC0-1.0 AND ODbL-1.0)")]
    [['MIT'], ['CC0-1.0', 'ODbL-1.0']]
    """
    if isinstance(source, Licence):
        return ((source,),)
    if isinstance(source, str):
        try:
            return ((get(source),),)
        except (UnknownLicence, AmbiguousLicence):
            source = _read(source)
    return tuple(tuple(_licence(id) for id in way) for way in source.alternatives())


def ways(sources: Iterable[Source]) -> list[Together] | None:
    """The licences that would hold together in one work made from all sources: one item for each way to choose where
    sources leave a choice, alike ones once. None where there are more than 64 ways. ValueError without a source.

    >>> [sorted(each.id for each in way) for way in ways(["CC0-1.0", "MIT OR CC-BY-4.0"]) or ()]
    [['CC0-1.0', 'MIT'], ['CC-BY-4.0', 'CC0-1.0']]
    """
    given = [choices(source) for source in sources]
    if not given:
        raise ValueError("at least one source is needed")
    if prod(len(each) for each in given) > _MOST:
        return None
    every = ({licence.id: licence for way in found for licence in way} for found in product(*given))
    return list({frozenset(way): tuple(way.values()) for way in every}.values())


def _read(text: str) -> Expression:
    try:
        return parse(text)
    except AmbiguousLicence as error:
        raise UnknownLicence(text, "it does not say which version, or which licence", error.candidates) from error
    except InvalidLicence as error:
        raise UnknownLicence(text, "no id of a licence, and no expression of such ids") from error


def _licence(id: str) -> Licence:
    if not id.startswith("LicenseRef-"):
        return get(id)
    return Licence(
        id=id, name=id, short=id, kind="custom", family="custom", adaptation=Adaptation(share=False, private=False)
    )
