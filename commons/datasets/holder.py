"""Withdrawals, on the side of who holds the data: notices asked for, applied here, and answered in the log.

It is what this software does when its owner lets it; another may keep everything, and no log would show it. Files that
were unpacked somewhere are the owner's, and are not touched.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import random
import time
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from commons.access import receipt, request
from commons.core.crypto import envelope
from commons.core.crypto.ids import Cid
from commons.core.dataset import manifest
from commons.core.dataset.manifest import Manifest
from commons.core.state import entries, notice
from commons.core.state.notice import Dropping
from commons.core.tlog.checkpoint import Signed
from commons.core.tlog.note import Verifier
from commons.datasets import fetch
from commons.disk.home import Home
from commons.disk.shelf import Withdrawal
from commons.errors import CommonsError, Gone, NotFound, Refused, TimedOut, Unreachable
from commons.log import answer, registrars, withdrawal
from commons.log.submit import check_rules
from commons.net.network import Network
from commons.rounds import Rounds

log = logging.getLogger(__name__)
HOUR = 3600.0  # seconds between two rounds, half of it more or less

Held = dict[Cid, Manifest]


def held(home: Home) -> Held:
    """The datasets of other commons that this home has data or a key of, and was not yet told to drop."""
    keys = {ask.dataset for ask in home.shelf.asks() if ask.secret is not None}
    told, found = home.shelf.withdrawals(), Held()
    for cid, opened, role, _ in home.shelf.manifests():
        if (role != "seen" or cid in keys) and cid not in told and opened.value.commons not in home.kept:
            found[cid] = opened.value
    return found


async def mind(home: Home, net: Network, carrying: asyncio.Lock) -> None:
    """Nothing, after one round: what a crash left is finished, registrars are asked whether what is held here was
    withdrawn, that is applied, and the log is told. What fails is tried again by the next round. `carrying` is held
    while packs are removed."""
    for row in home.shelf.withdrawals().values():
        if not row.applied:
            async with carrying:
                drop(home, row)
    about = dict[str, Held]()
    for cid, value in held(home).items():
        about.setdefault(value.commons, Held())[cid] = value
    waiting = (_value(home, row) for row in home.shelf.withdrawals().values() if row.owed)
    every = {*about, *(value.commons for value in waiting if value is not None)}
    done = await asyncio.gather(
        *(_mind(home, net, carrying, commons, about.get(commons, {})) for commons in every), return_exceptions=True
    )
    for error in done:  # one commons does not keep the others waiting
        if error is not None:
            raise error


async def _mind(home: Home, net: Network, carrying: asyncio.Lock, commons: str, about: Held) -> None:
    """The round of one commons."""
    for cid, value in about.items():
        try:
            found = await withdrawal.ask(home, net, withdrawal.sources_of(home, value), value, cid)
        except (Unreachable, TimedOut):
            break  # nobody there can be asked about the others either
        except CommonsError:
            continue  # a lie is no notice
        if found is not None:
            async with carrying:
                apply(home, cid, value, *found)
    for row in home.shelf.withdrawals().values():
        said = _value(home, row)
        if row.owed and row.applied and said is not None and said.commons == commons:
            with contextlib.suppress(CommonsError):  # it stays owed, and status shows it
                await tell(home, net, withdrawal.sources_of(home, said), said, row)


def apply(home: Home, dataset: Cid, value: Manifest, data: bytes, said: notice.Notice) -> None:
    """Nothing: takes a verified notice (`data`, its exact bytes), once. First it is made durable that the dataset is
    withdrawn, and which request the log waits to hear about; only then it is dropped (`drop`). A crash in between
    leaves that to the next round."""
    if dataset in home.shelf.withdrawals():  # another round was faster, and has forgotten what was asked here
        return
    ask = request.held(home, value)
    mine = ask if ask is not None and ask.dataset == dataset else None
    given = mine is not None and (mine.secret is not None or mine.outcome in ("grant", "fetched", "receipted"))
    given = given and not _own(home, dataset)  # whose packs stay, so that nothing of the kind could be said
    row = Withdrawal(
        dataset=dataset, notice=data, entry=said.entry, request=mine.request if mine is not None and given else None
    )
    home.shelf.put_withdrawal(row)
    drop(home, row)


def drop(home: Home, row: Withdrawal) -> None:
    """Nothing: stops serving a withdrawn dataset, then deletes the packs that no other dataset here needs, then the
    key, then notes that it is done. A crash anywhere leaves the row as it was, and all of it is done again. Packs of
    one's own publications stay: new versions are made from them."""
    data = home.shelf.manifest(row.dataset)
    if data is not None:
        value, cid = manifest.open(data).value, Cid(row.dataset)
        home.shelf.put_manifest(cid, data, "seen", served=False)
        if not _own(home, cid):
            fetch.remove(home, cid, value.sealed(), always=True)
        ask = request.held(home, value)
        if ask is not None and ask.dataset == cid:
            over = ask.outcome if ask.outcome == "fetched" else "withdrawn"  # a receipt that is owed stays owed
            home.shelf.put_ask(replace(ask, secret=None, outcome=over, reason=f"at entry {row.entry}"))
            home.shelf.forget()
    home.shelf.put_withdrawal(replace(row, applied=True))


async def tell(home: Home, net: Network, sources: Sequence[str], value: Manifest, row: Withdrawal) -> None:
    """Nothing: signs that a dataset was dropped, once no version under its key is held here any more, and has it
    logged. The statement is stored before it is sent, so that a crash sends the same one again, which makes one
    entry."""
    key, asked, rows = (value.commons, value.series, value.epoch), row.request, home.shelf.withdrawals().values()
    if asked is None or any((v.commons, v.series, v.epoch) == key for v in held(home).values()):
        return
    if not all(each.applied for each in rows):  # a disk refused: the next round finishes that first
        return
    try:
        await _pay(home, net, sources, value)
        row = home.shelf.withdrawals()[row.dataset]  # another round may have signed it meanwhile
        if row.statement is None:
            check_rules(home, registrars.known(home, value).log)
            said = Dropping(
                commons=value.commons, request=asked, dataset=row.dataset, entry=row.entry, time=int(time.time())
            )
            row = replace(row, statement=envelope.sign(entries.DROPPED, said, home.keys.identity))
            home.shelf.put_withdrawal(row)
        opened = envelope.open(entries.DROPPED, Dropping, row.statement or b"")

        def check(shown: answer.Answer, log: Verifier, old: bytes) -> Signed:
            return answer.check_dropped(shown, opened, log, old)

        index = await receipt.hand_in(home, net, sources, value, opened.data, check)
        home.shelf.put_withdrawal(replace(row, logged=index))
    except (Gone, NotFound, Refused) as error:  # erased meanwhile: nobody waits for it
        home.shelf.put_withdrawal(replace(row, why=error.message[:200]))


async def _pay(home: Home, net: Network, sources: Sequence[str], value: Manifest) -> None:
    """The receipt that may still be owed, before the word that what it is for was dropped. Unreachable if it stays
    owed."""
    ask = request.held(home, value)
    if ask is None or ask.outcome == "withdrawn":
        return
    if ask.outcome == "fetched":
        told = await receipt.deliver(home, net, sources, value, ask)
        if told["receipt"] == "owed":
            raise Unreachable(told["why"])
    home.shelf.put_ask(replace(ask, outcome="withdrawn"))


def _value(home: Home, row: Withdrawal) -> Manifest | None:
    data = home.shelf.manifest(row.dataset)
    return manifest.open(data).value if data is not None else None


def _own(home: Home, dataset: str) -> bool:
    """Whether it was published from here, in another's commons."""
    return home.shelf.role(dataset) == "published"


def told(home: Home) -> list[dict[str, Any]]:
    """The datasets that this home held and that were withdrawn, and what became of each here."""
    return [
        {
            "dataset": row.dataset,
            "entry": row.entry,
            "title": value.title if (value := _value(home, row)) else "",
            "dropped": row.applied and not _own(home, row.dataset),
            "applied": row.applied,
            "request": row.request,
            "logged": row.logged,
            "owed": row.owed,
            "why": row.why,
        }
        for row in home.shelf.withdrawals().values()
    ]


class Minding:
    """The `rounds` (`mind`) of a running node: at its start, every hour or so, and whenever they are woken."""

    def __init__(self, home: Home, net: Network, carrying: asyncio.Lock) -> None:
        self._home, self._net, self._carrying = home, net, carrying
        self.rounds = Rounds(log, self._round, otherwise=HOUR)

    async def _round(self) -> float:
        await mind(self._home, self._net, self._carrying)
        return HOUR * random.uniform(0.5, 1.5)  # not everybody at once
