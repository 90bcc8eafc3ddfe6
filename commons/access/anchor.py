"""A dataset and the commons that it names, held together before anybody signs anything: a manifest can name any
commons, beside a log key of its publisher's own making.

The id of a commons is the CID of its charter, which names the key of its log; where the members have chosen another
registrar since, the log itself bears that out. That log has to list the dataset.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from commons.access import listing
from commons.core.crypto import ids
from commons.core.crypto.envelope import Opened
from commons.core.dataset.manifest import Manifest
from commons.core.state import entries
from commons.core.state.entries import Publish
from commons.core.tlog.checkpoint import Signed
from commons.core.tlog.note import Verifier
from commons.disk.home import Home
from commons.errors import CommonsError, NotFound, SplitView, Untrue
from commons.log import answer, registrars, replica
from commons.log.answer import Answer
from commons.log.files import shown_at
from commons.log.registrars import Incumbent
from commons.log.submit import exchange
from commons.net.network import Network, first
from commons.witness import quorum

ASKING = 5.0  # seconds for what is told beside something else
ELSEWHERE = "nothing was signed or sent; ask who gave you the reference, or the members of that commons"


@dataclass(frozen=True, slots=True, kw_only=True)
class Listed:
    """A dataset that was verified, and that the log of its commons lists: at `entry`, under the key that is that
    log's."""

    dataset: Opened[Manifest]
    entry: int


async def check(home: Home, net: Network, sources: Sequence[str], dataset: Opened[Manifest]) -> Listed:
    """The dataset as the commons that its manifest names lists it. Untrue or NotFound where it does not; Unreachable,
    TimedOut, Refused, TooMany where who keeps that log does not say; SplitView.

    The order: whose key it is; then what that log lists, under a head that continues the one trusted here, which is
    trusted from then on. A crash anywhere leaves nothing that is not so.
    """

    async def ask(keeper: Incumbent) -> Listed:
        at, value = registrars.addresses(keeper, sources), dataset.value
        if not _known(home, value, keeper):
            await first(at, "the charter of its commons", lambda source: _bind(home, net, source, value, keeper))
        path = f"/{value.commons}/datasets/{ids.cid(dataset.data)}"
        try:
            _, got = await exchange(
                home,
                net,
                keeper.log,
                at,
                path,
                what="a proof that its commons lists this dataset",
                body=lambda head: head,
                check=lambda shown, head: _listed(shown, dataset, keeper.log, head),
            )
        except NotFound as error:
            raise NotFound(
                f"it is not shown that commons {value.commons} lists this dataset: {error.message}",
                hint=f"{ELSEWHERE}. A node older than 0.2.0 shows it to nobody: its owner has to update it",
            ) from error
        return Listed(dataset=dataset, entry=got.shown[0].index)

    try:
        return await registrars.asked(home, net, sources, dataset.value, ask)
    except SplitView:
        raise
    except Untrue:  # or it is true under another key, which this log's members gave it since
        if await registrars.find(home, net, sources, dataset.value, same=True) is None:
            raise
        return await registrars.asked(home, net, sources, dataset.value, ask)


async def told(home: Home, net: Network, sources: Sequence[str], dataset: Opened[Manifest]) -> dict[str, Any]:
    """What can be said in some seconds of whether its commons lists a dataset, as plain values: `listed`, the entry or
    None, and `unlisted`, why nobody knows."""
    try:
        return await heard(home, net, sources, dataset)
    except CommonsError as error:
        return {"listed": None, "unlisted": error.message}


async def heard(home: Home, net: Network, sources: Sequence[str], dataset: Opened[Manifest]) -> dict[str, Any]:
    """What `told` says, unless somebody shows that the commons does not list the dataset: then Untrue, NotFound or
    SplitView."""
    try:
        async with asyncio.timeout(ASKING):
            return {"listed": (await check(home, net, sources, dataset)).entry, "unlisted": ""}
    except registrars.SILENT as error:
        return {"listed": None, "unlisted": error.message}
    except TimeoutError:
        return {"listed": None, "unlisted": "who keeps its log does not answer"}


def _known(home: Home, value: Manifest, keeper: Incumbent) -> bool:
    """Whether this home has seen before whose key it is: it keeps that log, or has read of another registrar in it."""
    return keeper.here or home.shelf.keeper(value.commons) is not None


async def _bind(home: Home, net: Network, source: str, value: Manifest, keeper: Incumbent) -> None:
    """Untrue unless the log is kept under this key, by this peer: as the charter says, or all of the log since."""
    charter = await quorum.charter(net, source, value)
    if (charter.log_key, charter.registrar) == (keeper.log.public, keeper.peer):
        return
    kept = replica.of(home, value.commons)
    try:
        await kept.update(shown_at(net, source, value.commons))
    except SplitView:
        raise
    except Untrue as error:
        raise _stranger(value, error.message) from error
    tenures = kept.state.tenures
    if (keeper.log.public, keeper.peer) != (tenures[-1].key, tenures[-1].registrar):
        raise _stranger(value, "neither its charter nor its log names that key")
    home.learn_keeper(value.commons, tenures)


def _stranger(value: Manifest, why: str) -> Untrue:
    return Untrue(
        f"the manifest names commons {value.commons} beside a log key or a registrar that are not that commons': {why}",
        hint=ELSEWHERE,
    )


def _listed(shown: Answer, dataset: Opened[Manifest], log: Verifier, old: bytes) -> Signed:
    """The head of a log that lists exactly this dataset. Untrue, Malformed, SplitView."""
    head = answer.extend(old, shown.head, shown.consistency, log)
    if len(shown.shown) != 1:
        raise Untrue("the answer does not show the entry that lists the dataset")
    shown.shown[0].check(head.checkpoint)
    entry = entries.decode(shown.shown[0].entry)
    if not isinstance(entry, Opened) or not isinstance(entry.value, Publish):
        raise Untrue("what the answer shows does not list a dataset", hint=ELSEWHERE)
    listing.check(entry, dataset)
    return head
