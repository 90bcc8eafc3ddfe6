"""Receipts: what was fetched and verified, signed, owed to the log, and delivered when its registrar can be reached."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

from commons.core.crypto import codec, envelope
from commons.core.crypto.envelope import Opened
from commons.core.dataset.manifest import Manifest
from commons.core.state import entries
from commons.core.state.entries import Received
from commons.core.tlog.checkpoint import Signed
from commons.core.tlog.note import Verifier
from commons.disk.home import Home
from commons.disk.shelf import OwnRequest
from commons.errors import CommonsError, Conflict, TimedOut, TooMany, Unreachable
from commons.log import answer, registrars
from commons.log.answer import Answer, Submission
from commons.log.registrars import Incumbent
from commons.log.submit import check_rules, exchange
from commons.net.network import Network


async def owe(
    home: Home, net: Network, sources: Sequence[str], dataset: Opened[Manifest], ask: OwnRequest
) -> dict[str, Any]:
    """What became of the receipt for a dataset that was fetched, as plain values: {"receipt": "logged", "entry": 5}, or
    {"receipt": "owed", "why": …}. It is signed and stored, then sent; what cannot be delivered now stays owed."""
    value = dataset.value
    if ask.receipt is None and ask.request is not None:
        check_rules(home, registrars.known(home, value).log)
        said = Received(
            commons=value.commons,
            request=ask.request,
            dataset=ask.dataset,
            files=value.files,
            size=value.size,
            time=int(time.time()),
        )
        ask = replace(ask, receipt=envelope.sign(entries.RECEIPT, said, home.keys.identity), outcome="fetched")
        home.shelf.put_ask(ask)
    elif ask.outcome == "receipted" or ask.receipt is None:
        return {"receipt": "none is owed"}
    return await deliver(home, net, sources, value, ask)


async def deliver(home: Home, net: Network, sources: Sequence[str], value: Manifest, ask: OwnRequest) -> dict[str, Any]:
    """What became of a receipt that is owed, as `owe` says it: sent to the log now, or still owed because nobody
    answers."""
    said = envelope.open(entries.RECEIPT, Received, ask.receipt or b"")

    def check(shown: Answer, log: Verifier, old: bytes) -> Signed:
        return answer.check_receipt(shown, said, log, old)

    try:
        index = await hand_in(home, net, sources, value, said.data, check)
    except CommonsError as error:
        if isinstance(error, (Unreachable, TimedOut, TooMany, Conflict)):  # the files are here; the next command tries
            return {"receipt": "owed", "why": error.message}
        raise
    home.shelf.put_ask(replace(ask, outcome="receipted"))
    return {"receipt": "logged", "entry": index}


async def hand_in(
    home: Home,
    net: Network,
    sources: Sequence[str],
    value: Manifest,
    statement: bytes,
    check: Callable[[Answer, Verifier, bytes], Signed],
) -> int:
    """The index of the entry that a signed statement about a request made in its log. `check` verifies what comes back;
    then its head is trusted."""

    async def hand(registrar: Incumbent) -> int:
        _, got = await exchange(
            home,
            net,
            registrar.log,
            registrar.among(sources),
            f"/{value.commons}/entries",
            what="an answer to the receipt",
            body=lambda head: codec.encode(Submission(statement=statement, details=None, head=head)),
            check=lambda shown, head: check(shown, registrar.log, head),
        )
        return got.shown[0].index

    return await registrars.asked(home, net, sources, value, hand)
