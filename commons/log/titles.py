"""A dataset by what people call it: its reference, the beginning of its id, its title or a part of that.

Knows only what it is given: a home's manifests, or a log's fold. Of versions under one title the newest is meant.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from commons.core.dataset import reference
from commons.core.dataset.reference import Reference
from commons.core.state.fold import State
from commons.disk.home import Home
from commons.errors import Conflict, Malformed, NotFound

SHORTEST = 8  # characters of an id: those before are the same in all
SHOWN = 5  # candidates in a message


@dataclass(frozen=True, slots=True, kw_only=True)
class Titled:
    """One version of a dataset, and what people call it."""

    cid: str
    title: str
    version: int
    series: bytes


def of_home(home: Home) -> list[Titled]:
    """The datasets whose manifests this home has."""
    values = [(cid, opened.value) for cid, opened, _, _ in home.shelf.manifests()]
    return [Titled(cid=cid, title=v.title, version=v.version, series=v.series) for cid, v in values]


def of_log(state: State) -> list[Titled]:
    """The datasets that a log has published, from its fold."""
    return [
        Titled(cid=cid, title=known.entry.title, version=known.entry.version, series=known.entry.series)
        for cid, known in state.datasets.items()
    ]


def matching(text: str, known: Sequence[Titled]) -> list[Titled]:
    """The datasets that `text` names. The first of these that fits any decides: reference, beginning of the id, title,
    beginning of the title, a part of it. Malformed for a broken reference.

    >>> known = [Titled(cid="bafy1", title="River lengths", version=1, series=b"")]
    >>> [each.cid for each in matching("river", known)]
    ['bafy1']
    """
    said = text.strip()
    if said.startswith("commons:") and ("," in said or "?" in said):
        said = reference.parse(said).cid
    said = said.removeprefix("commons:").strip()
    if not said:
        return []
    if len(said) >= SHORTEST and (found := [each for each in known if each.cid.startswith(said)]):
        return found
    word = said.casefold()
    for fits in (str.__eq__, str.startswith, str.__contains__):
        if found := [each for each in known if fits(each.title.casefold(), word)]:
            return found
    return []


def find(text: str, listed: Callable[[], Sequence[Titled]]) -> Reference:
    """The reference of the one dataset that `text` names. A whole reference or id need not be known here. Conflict,
    with the candidates, where several fit; NotFound, with similar titles, where none does; Malformed for a broken
    reference."""
    try:
        return reference.parse(text)
    except Malformed:
        known = listed()
        if (text.strip().startswith("commons:") or "://" in text) and not matching(text, known):
            raise
    newest: dict[bytes, Titled] = {}
    for each in matching(text, known):
        if each.series not in newest or newest[each.series].version < each.version:
            newest[each.series] = each
    if not newest:
        raise NotFound(
            f"no dataset known here is called {text[:80]!r}{near(text, known)}",
            hint="`commons list` shows those of this home; a reference (commons:…) names any other",
        )
    if len(newest) > 1:
        raise Conflict(
            f"{text[:80]!r} can be {_told([*newest.values()])}", hint="name it by its id, or enough of its beginning"
        )
    (only,) = newest.values()
    return reference.parse(only.cid)


def near(text: str, known: Sequence[Titled]) -> str:
    """The datasets whose titles look like `text`, in a bracket for the end of a sentence; "" where none does."""
    close = difflib.get_close_matches(text.casefold(), {each.title.casefold() for each in known}, SHOWN, 0.5)
    found = {each.title: each for each in known if each.title.casefold() in close}
    return f" (near: {_told([*found.values()])})" if found else ""


def _told(found: Sequence[Titled]) -> str:
    more = f" and {len(found) - SHOWN} more" if len(found) > SHOWN else ""
    return ", ".join(f"{each.title!r} v{each.version} ({each.cid})" for each in found[:SHOWN]) + more
