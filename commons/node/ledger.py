"""The owner's verbs over the log: status, requests and decisions, erasure, export, audit."""

from __future__ import annotations

import asyncio
import contextlib
import time
from pathlib import Path
from typing import Any

from commons.access import anchor, receipt, request
from commons.community import voting
from commons.core.crypto import ids
from commons.core.dataset import address, manifest
from commons.core.dataset.address import is_peer
from commons.core.dataset.reference import Reference
from commons.core.state import clock, entries
from commons.datasets import holder
from commons.disk import damage, naming, private, resumption
from commons.disk.log import damaged
from commons.disk.shelf import OwnRequest
from commons.errors import CommonsError, Malformed, NotFound, StorageFailed
from commons.log import audit, evidence, exported, files, titles
from commons.log.files import Read
from commons.log.submit import advance
from commons.node.local import Near, own
from commons.node.node import Node
from commons.progress import Progress
from commons.witness import cosigning

FOLLOW_UP = 10.0  # seconds that `status` gives to registrars who may be away

Told = dict[str, Any]


def checked(sources: list[str] | None) -> list[str]:
    """Addresses and doors in their one spelling; Malformed for what is neither."""
    return list(dict.fromkeys(address.read(each) for each in sources or ()))


class Ledger:
    """Over one node. `progress(done, whole)` may be called from any thread."""

    def __init__(self, node: Node, progress: Progress = lambda done, whole: None) -> None:
        self.node, self.home, self.net, self.progress = node, node.home, node.net, progress

    def _named(self, text: str) -> Reference:
        """A dataset as somebody names it: a reference, or of those this home knows the id's beginning or the title."""
        return titles.find(text, lambda: [*titles.of_home(self.home), *titles.of_log(self.home.log.state)])

    def _near(self) -> Near:
        return Near(self.net, self.node.custodian, self.node.site, self.home.keys.identity.peer)

    def _announced(self) -> list[str]:
        """What the owner announces; not what an older version let pass: nobody's address, or somebody else's."""
        me = self.home.keys.identity.peer
        kept = [each for each in self.home.config.get("announce", []) if not address.is_wild(each)]
        return [each for each in kept if not is_peer(each) or address.peer_of(each) == me]

    def _given(self, lan: bool) -> list[str]:
        """This node's addresses that others are given: the announced ones, and those it listens on."""
        return list(dict.fromkeys([*self._announced(), *address.nearest(self.node.addresses, lan)]))

    async def status(self) -> Told:
        """What this home is and holds. Asks again after requests that wait, delivers receipts still owed, drops what
        was withdrawn, and compares heads with the peers it knows; nothing of this where no answer could be kept."""
        if not self.home.frozen:
            await self._catch_up()
        log, state = self.home.log, self.home.log.state
        return {
            "peer": self.home.keys.identity.peer, "home": str(self.home.path), "commons": self.home.commons,
            "name": state.charter.name if state.charter else "", "entries": log.size, "addresses": list(
                self.node.addresses), "door": self.node.door, "doors": list(self.node.doors),
            "announced": self._announced(), "datasets": len(state.datasets),
            "waiting": sum(access.outcome == "pending" for access in [*state.accesses.values()]),
            "limited": self.node.registrar.denied,
            "log": log.broken.message if log.broken else self.node.resuming.why() or "writable",
            "next": log.broken.hint if log.broken else "", "resumed": self.home.resumption.told(),
            "dated": self.home.dating.told(),
            "damaged": [each.as_dict() for each in self._damage()], "witnessed": cosigning.standing(self.home),
            "forks": self.home.shelf.forks(), "withdrawn": holder.told(self.home),
            "my_requests": [
                {"dataset": ask.dataset, "log": ask.log, "request": ask.request, "outcome": ask.outcome,
                 "reason": ask.reason, "key": ask.secret is not None}
                for ask in self.home.shelf.asks()
            ],
        }  # fmt: skip

    async def _catch_up(self) -> None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(FOLLOW_UP):
                await asyncio.gather(self._follow_ups(), self.node.gossip.round())
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(FOLLOW_UP):
                await holder.mind(self.home, self.net, self.node.carrying)

    def _damage(self) -> list[damage.Damage]:
        """The rows here that cannot be read, of those that anything is done with."""
        self.node.gossip.known()
        for ask in self.home.shelf.asks():
            request.readable(self.home, ask)
        for commons in self.node.custodian.logs:
            for kept in self.home.deposits.of(commons):
                self.node.custodian.taken(kept)
        return self.home.damage()

    async def go_on(self) -> Told:
        """The owner's word that the log goes on, where those who were asked do not say so. See `resuming`."""
        return await self.node.resuming.go_on()

    async def date(self, *, right: bool = False, commons: str | None = None) -> Told:
        """What the clocks say; with `right` the owner's word that this one is, for this log or that of a commons for
        which this home keeps shares."""
        dating, now = self.home.dating, int(self.home.log.clock())
        if commons not in (None, self.home.commons):
            return await self._date_of(ids.check_commons(str(commons)), right)
        await self.node.clocks.round()
        if right:
            dating.right(self.home.log.state, now)
            await voting.settle(self.home.log)
        return dating.told()

    async def _date_of(self, commons: str, right: bool) -> Told:
        kept = self.node.custodian.logs.get(commons)
        if kept is None:
            raise NotFound(f"this home keeps no shares for {commons}", hint="name a commons that it is a custodian of")
        await kept.follow()
        now, dating = int(self.home.log.clock()), self.home.dating
        if right:
            dating.right(kept.state, now)
        word = dating.word(commons)
        return {
            "clock": now, "log": kept.state.time, "ahead": clock.ahead(kept.state.time, now), "doubt": "", "next": "",
            "witnesses": None, "members": None, "right": word.time if word and word.holds(now) else None,
        }  # fmt: skip

    async def _follow_ups(self) -> None:
        for ask in self.home.shelf.asks():
            if ask.outcome in ("pending", "fetched"):
                await self._follow_up(ask)

    async def _follow_up(self, ask: OwnRequest) -> None:
        data = self.home.shelf.manifest(ask.dataset)
        if data is None:
            return
        dataset, peers = manifest.open(data), self.home.shelf.known()
        with contextlib.suppress(CommonsError):  # it stays as it is, and status shows it
            if ask.outcome == "pending":
                listed = await anchor.check(self.home, self._near(), peers, dataset)
                await request.resubmit(self.home, self._near(), peers, listed, ask)
            else:
                await receipt.deliver(self.home, self._near(), peers, dataset.value, ask)

    async def requests(self, *, everything: bool = False) -> Told:
        """The desk: who asks for what, and what was decided."""
        state, rows = self.home.log.state, []
        for access in [*state.accesses.values()]:
            if access.outcome != "pending" and not everything:
                continue
            damaged, shown = "", None
            try:
                shown = self.home.log.opening(access.index)
            except StorageFailed as error:  # this one alone: the others can be answered
                damaged = error.message
            details = shown.get("details") if shown else None
            rows.append({
                "request": access.index, "time": access.entry.time, "who": entries.requester(shown) if shown else None,
                "dataset": access.entry.dataset, "title": state.datasets[access.entry.dataset].entry.title,
                "purpose": access.entry.purpose, "details": details.decode("utf-8", "replace") if details else None,
                "outcome": access.outcome, "reason": access.reason, "expires": access.expires,
                "ended": audit.ended(access.outcome, access.expires, time.time()),
                "access": str(state.rule(access.index)), "voted": state.rule(access.index).kind == "vote",
                "damaged": damaged,
            })  # fmt: skip
        return {"requests": rows}

    async def decide(self, *, request: int, outcome: str, reason: str = "", expires: int | None = None) -> Told:
        if outcome not in ("grant", "refuse", "revoke"):
            raise Malformed(f"not an outcome: {outcome[:20]!r}")
        return await self.node.registrar.decide(request, outcome, reason, expires)

    async def erase(self, *, entry: int, reason: str = "requested") -> Told:
        return await self.node.registrar.erase(entry, reason)

    async def export_log(
        self, *, path: str, openings: bool = False, source: str | None = None, commons: str | None = None
    ) -> Told:  # fmt: skip
        """A log, this home's or one that is kept elsewhere, as files. What another gave is verified before it gets
        its name, and deleted where it is no log, or contradicts what is trusted; with faulty entries it stays: it is
        evidence."""
        read, commons = await self._log_at(source, commons)
        loop = asyncio.get_running_loop()

        async def get(name: str) -> bytes:
            return await read(name)

        def part(name: str) -> bytes:
            return asyncio.run_coroutine_threadsafe(get(name), loop).result()

        target, faults, damaged = Path(path), list[Told](), list[int]()
        private.check_room(target)
        with naming.drafting(target) as draft:
            packed = target.suffix == ".zip"
            size = await asyncio.to_thread(files.write, part, draft, openings, packed)
            held = self.home.log.size
            if source is not None:
                audited = await self.audit(source=str(draft), commons=commons)
                held, faults = audited["entries"], audited["faults"]
            if openings:
                damaged = await audit.damaged(files.files(draft))
        return {
            "path": path, "bytes": size, "openings": openings, "entries": held, "faults": faults, "damaged": damaged,
        }  # fmt: skip

    async def audit(
        self, *, source: str | None = None, commons: str | None = None, who: str | None = None,
        dataset: str | None = None, since: int | None = None, until: int | None = None, governance: bool = False,
    ) -> Told:  # fmt: skip
        """Verify a log, remember its head, and tell who accessed what; with `governance`, who decided what too."""
        read, commons = await self._log_at(source, commons)
        packed = source is not None and not address.is_like(source)  # what was exported lies in files
        found = await asyncio.to_thread(self.home.log.examine) if source is None else []
        if any(each.table == "entries" for each in found):  # what it says itself is not what was signed
            raise damaged(damage.told(found))
        log = await audit.log_of(read, commons)
        trusted = self.home.log.head.note if source is None else self.home.shelf.head(log.vkey) or b""
        with evidence.recording(self.home, log.vkey):
            report = await audit.audit(read, trusted, commons, self.progress, complete=source is None)
        if source is not None and not report.faults:
            advance(self.home, log.vkey, trusted, report.head.note)
        told = audit.told(report, who, dataset, since, until, governance)
        words = resumption.words(self.home.resumption.words()) if source is None else []
        return {
            **told,
            "fork": list(self.home.shelf.forks().get(log.vkey, ())),
            "words": words,
            "damaged": [each.as_dict() for each in found],
            **({"files": await exported.check(read, files.names(Path(source)), report)} if packed and source else {}),
        }

    async def forget_fork(self, *, log: str) -> Told:
        evidence.forget(self.home, log)
        return {"log": log}

    async def _log_at(self, source: str | None, commons: str | None) -> tuple[Read, str | None]:
        commons = commons and ids.check_commons(commons)
        if source is None:
            if commons not in (None, self.home.commons):
                raise NotFound(
                    f"this home keeps the log of {self.home.commons}", hint="say where the other one is kept"
                )
            return own(self.node.site, self.home.commons), self.home.commons
        if not address.is_like(source):
            if not Path(source).exists():
                raise NotFound(
                    f"there is no {source}", hint="name a folder, a .zip, a peer's address or an http(s) URL"
                )
            return files.files(Path(source)), commons
        base, net = checked([source])[0], self.net
        prefix = ""
        if is_peer(base) or not await self._static(base):
            commons = commons or await self._commons_at(base)
            prefix = f"/{commons}"

        async def remote(path: str) -> bytes:
            return await net.get(base, f"{prefix}/{path}", limit=files.most(path))

        return remote, commons

    async def _static(self, base: str) -> bool:
        """Whether a log's static files lie at this URL itself; else a node may be there."""
        try:
            await self.net.get(base, "/checkpoint", limit=64 << 10)
        except NotFound:
            return False
        return True

    async def _commons_at(self, source: str) -> str:
        """Whose log this source keeps: it says so itself, and the charter must bear it out."""
        said = (await self.net.get(source, "/commons", limit=200)).decode("ascii", "replace").strip()
        return ids.check_cid(said, "commons")
