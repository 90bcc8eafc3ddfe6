"""Receipts: what was fetched and verified, signed, owed to the log, and delivered when its registrar can be reached."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from commons import forks
from commons.core import answer, codec, entries, envelope
from commons.core.answer import Answer, Submission
from commons.core.entries import Received
from commons.core.envelope import Opened
from commons.core.manifest import Manifest
from commons.disk.home import Home
from commons.disk.shelf import Ask
from commons.errors import CommonsError, Conflict, TimedOut, TooMany, Unreachable
from commons.request import ANSWER_LIMIT, advance, registrars_of, verifier
from commons.sources import Network, first


async def owe(
    home: Home, net: Network, sources: Sequence[str], dataset: Opened[Manifest], ask: Ask
) -> dict[str, Any]:  # fmt: skip
    """Owe the log a signed receipt, then pay it. What cannot be delivered now stays owed."""
    value = dataset.value
    if ask.receipt is None and ask.request is not None:
        said = Received(
            commons=value.commons, request=ask.request, dataset=ask.dataset, files=value.files, size=value.size,
            time=int(time.time()),
        )  # fmt: skip
        ask = replace(ask, receipt=envelope.sign(entries.RECEIPT, said, home.keys.identity), outcome="fetched")
        home.shelf.put_ask(ask)
    elif ask.outcome == "receipted" or ask.receipt is None:
        return {"receipt": "none is owed"}
    return await deliver(home, net, sources, value, ask)


async def deliver(home: Home, net: Network, sources: Sequence[str], value: Manifest, ask: Ask) -> dict[str, Any]:
    statement = ask.receipt or b""
    said = envelope.open(entries.RECEIPT, Received, statement)
    log = verifier(value)
    old = home.shelf.head(log.vkey) or b""
    body = codec.encode(Submission(statement=statement, details=None, head=old))
    registrars = registrars_of(sources, value, home.keys.identity.peer)

    async def send(source: str) -> bytes:
        return await net.post(source, f"/{value.commons}/entries", body, limit=ANSWER_LIMIT)

    try:
        with forks.watching(home, log.vkey):
            got = await first(registrars, "an answer to the receipt", send)
            shown = codec.decode(Answer, got, ANSWER_LIMIT)
            head = answer.check_receipt(shown, said, log, old)
        advance(home, log.vkey, old, head.note)
    except CommonsError as error:
        if isinstance(error, (Unreachable, TimedOut, TooMany, Conflict)):  # the files are here; the next command tries
            return {"receipt": "owed", "why": error.message}
        raise
    home.shelf.put_ask(replace(ask, outcome="receipted"))
    return {"receipt": "logged", "entry": shown.shown[0].index}
