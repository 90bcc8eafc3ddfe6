"""Whether a community withdrew a dataset: what its registrar signs about it, and what is known of that here.

Signed notices may come from anybody; what counts is the registrar's signature. What a holder then does is `notices`.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Awaitable, Callable, Sequence
from typing import TypeVar

from commons.core.dataset import manifest
from commons.core.dataset.manifest import Manifest
from commons.core.state import notice
from commons.core.state.notice import Notice
from commons.disk.home import Home
from commons.errors import CommonsError, Gone, NotFound, TimedOut, Unreachable
from commons.log import registrars
from commons.log.registrars import Incumbent
from commons.net.network import Network, first, sum_up

T = TypeVar("T")

ASKING = 5.0  # seconds for what is told beside something else


def shown(home: Home, commons: str, dataset: str) -> bytes:
    """The registrar's signed notice that a dataset was withdrawn: made now for this home's own log, as it was received
    for another commons. NotFound where the dataset is not withdrawn, or this home does not know that it is."""
    if (own := home.kept.get(commons)) is None:
        known = home.shelf.withdrawals().get(dataset)
        data = home.shelf.manifest(dataset) if known is not None else None
        if known is None or data is None or manifest.open(data).value.commons != commons:
            raise NotFound(f"this node knows of no withdrawal of {dataset}", hint="ask the registrar of its commons")
        return known.notice
    said = notice.of(own.log.state, dataset, int(time.time()))
    if said is None:
        own.check_here()
    if said is None or said.entry >= own.log.size:  # commit, then speak
        raise NotFound(f"{dataset} is not withdrawn from this commons")
    own.log.state.check_known()
    return notice.sign(said, own.keys.identity)


def sources_of(home: Home, value: Manifest) -> list[str]:
    """The addresses at which this home may hear about a dataset's commons."""
    seats = (each for commons, _, known in home.shelf.seats() if commons == value.commons for each in known)
    return [*dict.fromkeys((*filter(None, seats), *home.shelf.known()))]


def remember(home: Home, sources: Sequence[str], given: Sequence[str], value: Manifest) -> None:
    """Nothing: keeps the addresses of the registrar, who asks for things to be dropped; where none is known, of those
    who gave the data, and may pass the notice on."""
    for source in registrars.known(home, value).among(sources) or given:
        home.shelf.add_peer(source)


async def ask(
    home: Home, net: Network, sources: Sequence[str], value: Manifest, dataset: str
) -> tuple[bytes, Notice] | None:
    """The signed notice about a dataset, in exact bytes and verified; None where it is not withdrawn, or nobody reached
    knows that it is. The registrar is asked first; others only where it is away or its address unknown. Unreachable,
    Untrue …"""

    registrar = registrars.known(home, value)

    async def get(source: str) -> tuple[bytes, Notice]:
        data = await net.get(source, f"/{value.commons}/notices/{dataset}", limit=notice.LIMIT)
        return data, notice.open(data, value.commons, dataset, registrar.stewards)

    async def about(found: Incumbent) -> tuple[bytes, Notice]:
        nonlocal registrar
        registrar = found
        return await first(registrar.among(sources), "a notice of the registrar", get)

    try:
        try:
            return await registrars.asked(home, net, sources, value, about)
        except (Unreachable, TimedOut):
            others = [source for source in sources if source not in registrar.among(sources)]
            if not others:
                raise
            return await _heard(others, get)
    except NotFound:
        return None


async def _heard(sources: Sequence[str], get: Callable[[str], Awaitable[T]]) -> T | None:
    """What the first of these gives; None where one of them was reached, and knows of nothing."""
    asked, failed = False, list[tuple[str, CommonsError]]()
    for source in sources:
        try:
            return await get(source)
        except NotFound:
            asked = True
        except CommonsError as error:
            failed.append((source, error))
    if not asked:
        raise sum_up("a notice", failed)
    return None


async def known(home: Home, net: Network, sources: Sequence[str], value: Manifest, dataset: str) -> Notice | None:
    """The notice about a dataset, as far as it can be had in some seconds: from this home's own log, from its
    registrar, or as it was received last. None where the dataset is not withdrawn, or nobody could be asked."""
    if (own := home.kept.get(value.commons)) is not None:
        return notice.of(own.log.state, dataset, int(time.time()))
    with contextlib.suppress(CommonsError, TimeoutError):
        async with asyncio.timeout(ASKING):
            if (found := await ask(home, net, sources, value, dataset)) is not None:
                return found[1]
    kept = home.shelf.withdrawals().get(dataset)
    if kept is None:
        return None
    return notice.open(kept.notice, value.commons, dataset, registrars.known(home, value).stewards)


def check_here(home: Home, dataset: str) -> None:
    """Nothing; Gone where this home was told that a dataset of another commons is withdrawn."""
    if (kept := home.shelf.withdrawals().get(dataset)) is not None:
        raise gone(dataset, kept.entry)


async def check(home: Home, net: Network, sources: Sequence[str], value: Manifest, dataset: str) -> None:
    """Nothing; Gone where a dataset of another commons is withdrawn, as far as can be learnt in some seconds."""
    if value.commons not in home.kept and (found := await known(home, net, sources, value, dataset)) is not None:
        raise gone(dataset, found.entry)


def gone(dataset: str, entry: int) -> Gone:
    """The error for whoever asks for a dataset that its community withdrew."""
    return Gone(
        f"{dataset} was withdrawn by its community at entry {entry}",
        hint="nothing of it is brought here any more; `commons show` tells more",
    )
