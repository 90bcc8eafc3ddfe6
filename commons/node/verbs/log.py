"""The verbs of the log: requests and decisions, erasure, export, audit."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path
from typing import Literal

from commons.core.dataset import address
from commons.core.state import entries
from commons.disk import damage, naming, private, resumption
from commons.disk.history import History
from commons.disk.log import damaged as shut
from commons.errors import StorageFailed
from commons.log import audit as auditing
from commons.log import evidence, exported, files, replica
from commons.log.evidence import Remembered
from commons.log.files import Read
from commons.log.judge import Report
from commons.log.replica import Replica
from commons.log.submit import advance
from commons.node.verbs.context import Context, Told, log_at
from commons.node.verbs.registry import verb


@verb("log", reads=True)
async def requests(c: Context, *, everything: bool = False) -> Told:
    """The steward's desk: who asks for what, and what was decided; with `everything` decided ones too."""
    state, rows = c.home.log.state, []
    for access in [*state.accesses.values()]:
        if access.outcome != "pending" and not everything:
            continue
        damaged, shown = "", None
        try:
            shown = c.home.log.opening(access.index)
        except StorageFailed as error:  # this one alone: the others can be answered
            damaged = error.message
        details = shown.get("details") if shown else None
        rows.append({
            "request": access.index, "time": access.entry.time, "who": entries.requester(shown) if shown else None,
            "dataset": access.entry.dataset, "title": state.datasets[access.entry.dataset].entry.title,
            "purpose": access.entry.purpose, "details": details.decode("utf-8", "replace") if details else None,
            "outcome": access.outcome, "reason": access.reason, "expires": access.expires,
            "ended": auditing.ended(access.outcome, access.expires, time.time()),
            "access": str(state.rule(access.index)), "voted": state.rule(access.index).kind == "vote",
            "damaged": damaged,
        })  # fmt: skip
    return {"requests": rows}


@verb("log")
async def decide(
    c: Context, *, request: int, outcome: Literal["grant", "refuse", "revoke"], reason: str = "",
    expires: int | None = None,
) -> Told:  # fmt: skip
    """The steward's decision on a request, which has its number from its entry; a grant may end at `expires`."""
    return await c.node.registrar.decide(request, outcome, reason, expires)


@verb("log")
async def erase(c: Context, *, entry: int, reason: str = "requested") -> Told:
    """The entries whose personal details are destroyed: one, and those that answer it."""
    return await c.node.registrar.erase(entry, reason)


@verb("log", reads=True)
async def export_log(
    c: Context, *, path: str, openings: bool = False, source: str | None = None, commons: str | None = None
) -> Told:  # fmt: skip
    """A log, this home's or one that is kept elsewhere, as files. What another gave is verified before it gets its
    name, and deleted where it is no log, or contradicts what is trusted; with faulty entries it stays: it is
    evidence."""
    read, commons = await log_at(c, source, commons)
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
        held = c.home.log.size
        if source is not None:
            audited = await audit(c, source=str(draft), commons=commons)
            held, faults = audited["entries"], audited["faults"]
        if openings:
            damaged = await auditing.damaged(files.files(draft))
    return {
        "path": path, "bytes": size, "openings": openings, "entries": held, "faults": faults, "damaged": damaged,
    }  # fmt: skip


@verb("log", reads=True)
async def audit(
    c: Context, *, source: str | None = None, commons: str | None = None, who: str | None = None,
    dataset: str | None = None, since: int | None = None, until: int | None = None, governance: bool = False,
) -> Told:  # fmt: skip
    """Who accessed what, by a log that was verified, and whose head is remembered; with `governance`, who decided what,
    too."""
    read, commons = await log_at(c, source, commons)
    packed = source is not None and not address.is_like(source)  # what was exported lies in files
    found = await asyncio.to_thread(c.home.log.examine) if source is None else []
    if any(each.table == "entries" for each in found):  # what it says itself is not what was signed
        raise shut(damage.told(found))
    if source is None:
        with evidence.recording(c.home, c.home.log.key.vkey):
            report = await auditing.audit(read, c.home.log.head.note, commons, c.progress, complete=True)
    else:
        report = await _audited(c, read, commons, packed)
    told = auditing.told(report, who, dataset, since, until, governance)
    words = resumption.words(c.home.resumption.words()) if source is None else []
    return {
        **told,
        "fork": list(c.home.shelf.forks().get(report.log.vkey, ())),
        "words": words,
        "damaged": [each.as_dict() for each in found],
        **({"files": await exported.check(read, files.names(Path(source)), report)} if packed and source else {}),
    }


async def _audited(c: Context, read: Read, commons: str | None, packed: bool) -> Report:
    """Of a log that others show: by the replica of a community that this home takes part in, which reads what is new;
    else by one that is gone afterwards, and leaves what is trusted."""
    if not packed and commons in {each for each, _, _ in c.home.shelf.seats()}:
        return await auditing.audit(read, b"", commons, c.progress, kept=replica.of(c.home, str(commons)))
    seen = Replica(commons, History(), Remembered(c.home.shelf, learn=False))
    try:
        report = await auditing.audit(read, b"", commons, c.progress, kept=seen)
    finally:
        seen.history.close()
    if not report.faults:
        advance(c.home, report.log.vkey, c.home.shelf.head(report.log.vkey) or b"", report.head.note)
    return report


@verb("log")
async def forget_fork(c: Context, *, log: str) -> Told:
    """The log of that key is trusted again."""
    evidence.forget(c.home, log)
    return {"log": log}
