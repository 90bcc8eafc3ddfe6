"""Every other licence that SPDX names, of which this library knows the name and nothing else; and the ids it withdrew.

One table, read when a licence is asked for that has no file of its own.
"""

from __future__ import annotations

from functools import cache
from typing import Any

from licences.errors import AmbiguousLicence, UnknownLicence
from licences.files import table
from licences.licence import Adaptation, Licence, Plain


@cache
def _table() -> dict[str, Any]:
    return table("_spdx")


def names() -> dict[str, str]:
    """SPDX's name by id."""
    found: dict[str, str] = _table()["licences"]
    return found


def withdrawn() -> dict[str, tuple[str, ...]]:
    """What to write in the place of an id that SPDX withdrew: ids, or expressions with an exception; () if nothing."""
    return {id: tuple(successors) for id, successors in _table()["withdrawn"].items()}


@cache
def by_lower() -> dict[str, str]:
    """The ids that SPDX has, and those that it withdrew, by their lower case."""
    return {id.lower(): id for id in (*names(), *_table()["withdrawn"])}


def named(text: str, word: str) -> str | None:
    """The id that `word` is in lower case; None where it is none. For one that SPDX withdrew: AmbiguousLicence with the
    ids that followed it, or UnknownLicence where that is no single licence, either of them about `text`."""
    id = by_lower().get(word)
    successors = withdrawn().get(id or "")
    if successors is None:
        return id
    if not successors or any(" " in each for each in successors):
        instead = f": write {successors[0]}" if successors else ""
        raise UnknownLicence(text, f"SPDX withdrew this id{instead}", successors)
    raise AmbiguousLicence(text, successors)


def licence(id: str) -> Licence | None:
    """The licence of exactly this id, without terms; None where SPDX names none, or no longer."""
    name = names().get(id)
    if name is None:
        return None
    url = f"https://spdx.org/licenses/{id}.html"
    return Licence(
        id=id,
        name=name,
        name_fr=name,
        short=id,
        url=url,
        legalcode=url,
        spdx=id,
        kind="other",
        family="other",
        adaptation=Adaptation(share=False, private=False),
        sentences=Plain((), (f"read the text of {id} at {url}: this library knows its name and not its terms",), ()),
    )
