"""The verbs of the log: requests and decisions, erasure, export, audit."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any, Literal

from commons.core.dataset import address
from commons.core.state import entries
from commons.core.state.fold import State
from commons.disk import alarm, damage, naming, private, resumption, sql
from commons.disk.damage import Damage
from commons.disk.kept import Kept
from commons.disk.log import Log
from commons.errors import Conflict, NotFound, Refused, StorageFailed
from commons.log import audit as auditing
from commons.log import checking, evidence, exported, files, replica
from commons.log.checking import Difference
from commons.log.evidence import Nowhere, Remembered
from commons.log.files import Read
from commons.log.judge import Report
from commons.log.submit import advance
from commons.node.verbs.context import Context, log_at, seat
from commons.node.verbs.registry import verb
from commons.node.verbs.shapes import Source, Spot, result, told, unsaid


@result
class RequestShown:
    """A request, as its registrar sees it."""

    commons: Annotated[str, "in whose log"]
    request: Annotated[int, "its entry, by which it is answered"]
    time: Annotated[int, "when it was logged"]
    who: Annotated[str | None, "the peer id of the requester; none where it was erased or is damaged"]
    dataset: Annotated[str, "the dataset's id"]
    title: Annotated[str, "what that is called"]
    purpose: Annotated[str, "a code"]
    details: Annotated[str | None, "what for, in their own words"]
    outcome: Annotated[str, "pending, grant, refuse or revoke"]
    reason: Annotated[str, "why; a code, or the steward's words"]
    expires: Annotated[int | None, "when the grant ends"]
    ended: Annotated[int | None, "when the grant ended, if it did"]
    access: Annotated[str, "the rule that holds for it"]
    voted: Annotated[bool, "members decide about it"]
    damaged: Annotated[str, "what is wrong with its details here; empty where nothing is"]


@result
class RequestsResult:
    """The steward's desk."""

    requests: Annotated[tuple[RequestShown, ...], "in the log's order"]


@result
class DecideResult:
    """A decision that is in the log."""

    entry: Annotated[int, "of the decision"]
    request: Annotated[int, "which request"]
    outcome: Annotated[Literal["grant", "refuse", "revoke"], "what was decided"]
    expires: Annotated[int | None, "when the grant ends"]
    access: Annotated[str, "the rule of the dataset by now"]
    automatic: Annotated[bool, "that rule grants a new request by itself"]


@result
class EraseResult:
    """Details that were destroyed."""

    entry: Annotated[int, "the redaction, which says so"]
    erased: Annotated[tuple[int, ...], "the entries whose details are gone"]


@result
class FaultShown:
    """An entry of a log that its rules do not allow."""

    entry: Annotated[int, "which"]
    what: Annotated[str, "what is wrong with it"]


@result
class ExportLogResult:
    """A log that was written as files."""

    path: Annotated[str, "the folder, or the .zip"]
    bytes: Annotated[int, "of all files"]
    openings: Annotated[bool, "with who asked for what"]
    entries: Annotated[int, "how many"]
    faults: Annotated[tuple[FaultShown, ...], "of a log from elsewhere"]
    damaged: Annotated[tuple[int, ...], "entries whose details are damaged, and empty in what was written"]


@result
class DatasetLogged:
    """A dataset that a log lists."""

    cid: Annotated[str, "its id"]
    title: Annotated[str, "what it is called"]
    version: Annotated[int, "of its series"]
    licence: Annotated[str, "its licence"]
    access: Annotated[str, "the rule for who is given the key, by now"]
    epoch: Annotated[int, "of its key"]
    entry: Annotated[int, "its entry"]
    publisher: Annotated[str, "the peer id that signed it"]


@result
class AccessRow:
    """A row of an audit: a request, and what became of it."""

    entry: Annotated[int, "of the request"]
    time: Annotated[int, "when it was logged"]
    who: Annotated[str | None, "the requester's peer id; none where no opening shows it"]
    dataset: Annotated[str, "the dataset's id"]
    title: Annotated[str, "what that is called"]
    version: Annotated[int, "of its series"]
    licence: Annotated[str, "its licence"]
    purpose: Annotated[str, "a code"]
    details: Annotated[str | None, "what for, in their own words"]
    decision: Annotated[str, "pending, grant, refuse or revoke"]
    reason: Annotated[str, "why"]
    decided: Annotated[int | None, "when"]
    decision_entry: Annotated[int | None, "by which entry"]
    expires: Annotated[int | None, "when the grant ends"]
    receipt: Annotated[int | None, "the entry that says it was fetched"]
    dropped: Annotated[int | None, "the entry that says it was dropped"]
    state: Annotated[str, "verified, redacted by entry N, no opening given, or what is wrong"]
    earlier: Annotated[Literal["verified", "faulty"] | None, "what this home found, while all of it was shown"]
    earlier_at: Annotated[int | None, "at which entry of the log that was"]
    ended: Annotated[int | None, "when the grant ended, if it did"]


@result
class LogDates:
    """When the last entry of a log is of."""

    log: Annotated[int, "its time"]
    ahead: Annotated[int | None, "seconds by which that is later than it can be"]
    witnessed: Annotated[int | None, "when the witnesses saw the head"]


@result
class UnknownEntry:
    """An entry of a type that this version does not know."""

    entry: Annotated[int, "which"]
    type: Annotated[str, "what it calls itself"]


@result
class WordGiven:
    """The owner's word that a log goes on."""

    time: Annotated[int, "when it was given"]
    size: Annotated[int, "how many entries there were"]
    over: Annotated[int, "how many entries somebody had shown; 0 where nobody showed more"]
    silent: Annotated[tuple[str, ...], "who did not answer"]


@result
class DamageShown:
    """A row of this home's files that cannot be read."""

    table: Annotated[str, "of which table"]
    row: Annotated[str, "which row"]
    what: Annotated[str, "what is wrong with it"]


@result
class FileDamaged:
    """A file of an exported log that is not what it should be."""

    file: Annotated[str, "its path"]
    what: Annotated[str, "what is wrong with it"]


@result
class ExportedFiles:
    """The files of an exported log."""

    checked: Annotated[int, "how many"]
    damaged: Annotated[tuple[FileDamaged, ...], "each, and why"]
    missing: Annotated[tuple[str, ...], "of a whole export"]
    unchecked: Annotated[tuple[str, ...], "no part of a log"]


@result
class RegistrarTenure:
    """Who kept a log, from an entry on."""

    entry: Annotated[int, "from which on"]
    peer: Annotated[str, "who"]
    from_: Annotated[int | None, "the entries of the head it goes on from; none for the first"]
    key: Annotated[str, "under which key, as a vkey"]


@result
class CustodiansChosen:
    """Who keeps shares of keys, from an entry on."""

    entry: Annotated[int, "from which on"]
    policy: Annotated[tuple[str, ...], "the lines of the policy; none for nobody"]


@result
class MinutesRow:
    """A row of the minutes: an entry by which a community governs itself."""

    entry: Annotated[int, "which"]
    who: Annotated[str | None, "who signed it"]
    proposal: Annotated[int | None, "the proposal it belongs to"]
    outcome: Annotated[str, "what became of a proposal"]
    closed: Annotated[int | None, "the entry that closed it"]
    words: Annotated[str, "why, as it was said"]
    why: Annotated[str, "a proposal that passed had no effect"]
    means: Annotated[tuple[str, ...], "what would be so, in plain lines"]
    time: Annotated[int, "when"]
    kind: Annotated[str, "charter, proposal, ballot, join, stamp or succession"]
    what: Annotated[str, "in a line"]


@result
class Minutes:
    """How a community governed itself."""

    charter: Annotated[tuple[str, ...], "the one in force, in plain lines"]
    colleges: Annotated[Mapping[str, tuple[str, ...]], "peer ids of the members, by college"]
    registrars: Annotated[tuple[RegistrarTenure, ...], "who kept the log"]
    heir: Annotated[str | None, "who was chosen, and has not taken it over"]
    custodians: Annotated[tuple[CustodiansChosen, ...], "who kept shares of keys"]
    rows: Annotated[tuple[MinutesRow, ...], "in the log's order"]


@result
class KeptOpenings:
    """Who asked for what, as this home was shown it and keeps it."""

    openings: Annotated[int, "how many are kept by now"]
    added: Annotated[int, "by this audit"]
    retention_days: Annotated[int | None, "after which the charter has each erased; none for never"]


@result
class AuditResult:
    """A log that was verified, and who accessed what by it."""

    commons: Annotated[str, "its id"]
    name: Annotated[str, "what it is called"]
    entries: Annotated[int, "how many"]
    root: Annotated[str, "of its tree, hex"]
    head: Annotated[str, "the signed head"]
    last: Annotated[int, "the time of the last entry"]
    witnesses: Annotated[tuple[str, ...], "names of those whose signatures the head has"]
    unwitnessed: Annotated[str, "who is missing for the charter's quorum"]
    fork: Annotated[tuple[str, ...], "two signed heads that contradict each other, where there are"]
    words: Annotated[tuple[WordGiven, ...], "of this home's log: its owner's"]
    dated: Annotated[LogDates, "the last entry"]
    datasets: Annotated[tuple[DatasetLogged, ...], "what it lists"]
    rows: Annotated[tuple[AccessRow, ...], "requests, in the log's order, as far as they were asked for"]
    faults: Annotated[tuple[FaultShown, ...], "entries that its rules do not allow"]
    unknown: Annotated[tuple[UnknownEntry, ...], "entries that this version cannot judge"]
    rules: Annotated[int, "the number of those by which the next entry is judged"]
    unjudged: Annotated[int | None, "the first of the entries that go by rules which this version does not know"]
    governance: Annotated[Minutes | None, "where it was asked for"] = unsaid("governance")
    unmatched: Annotated[tuple[str, ...], "a sentence for a filter that is nowhere in the log"]
    filtered: Annotated[bool, "not all rows were asked for"]
    damaged: Annotated[tuple[DamageShown, ...], "of this home's own log"]
    kept: Annotated[KeptOpenings | None, "openings of this log that this home keeps, if any"] = unsaid("kept")
    files: Annotated[ExportedFiles | None, "where it was read from files"] = unsaid("files")


@result
class RowDiffers:
    """A row of what a log's entries make true that is not what they make true."""

    entry: Annotated[int | None, "about which entry, if it is about one"]
    row: Annotated[str, "which row of which table"]
    stored: Annotated[str, "what stands there"]
    should: Annotated[str, "what should stand there"]


@result
class CheckedLog:
    """A log whose entries were all read, hashed and folded again."""

    commons: Annotated[str, "whose"]
    own: Annotated[bool, "this home keeps it"]
    entries: Annotated[int, "how many"]
    damaged: Annotated[tuple[DamageShown, ...], "of its entries, tree and heads"]
    differs: Annotated[RowDiffers | None, "the first row of what they make true that differs"]
    remedy: Annotated[str, "what is done about it: mended, folded again or read again; empty for nothing"]


@result
class CheckLogResult:
    """What is stored of logs here, compared with their entries."""

    logs: Annotated[tuple[CheckedLog, ...], "this home's own first"]


@result
class ForgetForkResult:
    """A log that is trusted again."""

    log: Annotated[str, "its vkey"]


@result
class DropKeptResult:
    """Openings that were kept, and are destroyed."""

    commons: Annotated[str, "of the log of this commons"]
    dropped: Annotated[int, "how many"]


@verb("log", reads=True)
async def requests(c: Context, *, everything: bool = False, named: str | None = None) -> RequestsResult:
    """The steward's desk: who asks for what, and what was decided; with `everything` decided ones too. Of all logs that
    this home keeps, or of the one that is `named`."""
    every = [kept for each in c.every() for kept in each.home.kept.values()]
    logs = every if named is None else [c.home.log_of(named)]
    return told(RequestsResult, requests=[row for kept in logs for row in _desk(kept, everything)])


def _desk(kept: Kept, everything: bool) -> list[dict[str, Any]]:
    state, rows = kept.log.state, list[dict[str, Any]]()
    for access in [*state.accesses.values()]:
        if access.outcome != "pending" and not everything:
            continue
        damaged, shown = "", None
        try:
            shown = kept.log.opening(access.index)
        except (Refused, StorageFailed) as error:  # this one alone: the others can be answered
            damaged = error.message
        details = shown.get("details") if shown else None
        rows.append(
            {
                "commons": kept.commons,
                "request": access.index,
                "time": access.entry.time,
                "who": entries.requester(shown) if shown else None,
                "dataset": access.entry.dataset,
                "title": state.datasets[access.entry.dataset].entry.title,
                "purpose": access.entry.purpose,
                "details": details.decode("utf-8", "replace") if details else None,
                "outcome": access.outcome,
                "reason": access.reason,
                "expires": access.expires,
                "ended": auditing.ended(access.outcome, access.expires, time.time()),
                "access": str(state.rule(access.index)),
                "voted": state.rule(access.index).kind == "vote",
                "damaged": damaged,
            }
        )
    return rows


@verb("log")
async def decide(
    c: Context,
    *,
    request: int,
    outcome: Literal["grant", "refuse", "revoke"],
    reason: str = "",
    expires: int | None = None,
    named: str | None = None,
) -> DecideResult:
    """The steward's decision on a request, which has its number from its entry; a grant may end at `expires`."""
    return told(DecideResult, **await c.node.at(named).registrar.decide(request, outcome, reason, expires))


@verb("log")
async def erase(c: Context, *, entry: int, reason: str = "requested", named: str | None = None) -> EraseResult:
    """Which entries' personal details are destroyed: one's, and those of what answers it. `reason` is a word for the
    log."""
    return told(EraseResult, **await c.node.at(named).registrar.erase(entry, reason))


@verb("log", reads=True)
async def export_log(
    c: Context, *, path: Spot, openings: bool = False, source: Source | None = None, commons: str | None = None
) -> ExportLogResult:
    """A log, this home's or one that is kept elsewhere, as files. What another gave is verified before it gets its
    name, and deleted where it is no log, or contradicts what is trusted; with faulty entries it stays: it is
    evidence."""
    read, commons = await log_at(c, source, commons)
    loop = asyncio.get_running_loop()

    async def get(name: str) -> bytes:
        return await read(name)

    def part(name: str) -> bytes:
        return asyncio.run_coroutine_threadsafe(get(name), loop).result()

    target, faults, damaged = Path(path), tuple[FaultShown, ...](), tuple[int, ...]()
    private.check_room(target)
    with naming.drafting(target) as draft:
        packed = target.suffix == ".zip"
        size = await asyncio.to_thread(files.write, part, draft, openings, packed)
        held = c.home.log_of(commons).log.size if source is None else 0
        if source is not None:
            audited = await audit(c, source=draft, commons=commons)
            held, faults = audited.entries, audited.faults
        if openings:
            damaged = tuple(await auditing.damaged(files.files(draft)))
    return ExportLogResult(
        path=os.fspath(path), bytes=size, openings=openings, entries=held, faults=faults, damaged=damaged
    )


@verb("log", reads=True)
async def audit(
    c: Context,
    *,
    source: Source | None = None,
    commons: str | None = None,
    who: str | None = None,
    dataset: str | None = None,
    since: int | None = None,
    until: int | None = None,
    governance: bool = False,
    keep: bool = False,
) -> AuditResult:
    """Who accessed what, by a log that was verified, and whose head is remembered; with `governance`, who decided what,
    too. The openings are used and gone, unless they are to be kept (`keep`) in the home of who takes part in that
    commons: encrypted, until the log erases them or `drop_kept` does."""
    if keep and source is None:
        raise _own()
    read, commons = await log_at(c, source, commons)
    packed = source is not None and not address.is_like(os.fspath(source))  # what was exported lies in files
    own = c.home.log_of(commons) if source is None else None
    found = await asyncio.to_thread(own.log.examine) if own is not None else []
    if any(each.table == "entries" for each in found):  # what it says itself is not what was signed
        raise alarm.damaged(damage.told(found))
    if own is not None:
        with evidence.recording(c.home, own.log.key.vkey):
            report = await auditing.audit(
                read,
                Nowhere(own.log.head.note),
                commons,
                c.progress,
                complete=True,
                withheld=own.restored.withheld(),
                earlier=own.log.verdicts(),
            )
        if report.found and not c.home.frozen:
            own.log.judge(report.head.checkpoint.size, report.found)
    else:
        report = await _audited(c, read, commons, packed, keep)
    found_in = auditing.told(report, who, dataset, since, until, governance)
    words = resumption.words(own.resumption.words()) if own is not None else []
    listed = await exported.check(read, files.names(Path(source)), report) if packed and source else None
    return told(
        AuditResult,
        **{
            **found_in,
            "fork": list(c.home.shelf.forks().get(report.log.vkey, ())),
            "words": words,
            "damaged": [each.as_dict() for each in found],
            **({"files": listed} if listed is not None else {}),
        },
    )


async def _audited(c: Context, read: Read, commons: str | None, packed: bool, keep: bool) -> Report:
    """Of a log that others show: by the replica of a community that this home takes part in, which reads what is new;
    else by one that is gone afterwards, and leaves what is trusted."""
    here = not packed and commons in {each for each, _, _ in c.home.shelf.seats()}
    if keep:
        _check_keeps(c, str(commons), here)
    if here:
        return await auditing.of_replica(read, replica.of(c.home, str(commons)), c.progress, keep)
    report = await auditing.audit(read, Remembered(c.home.shelf, learn=False), commons, c.progress)
    if not report.faults:
        advance(c.home, report.log.vkey, c.home.shelf.head(report.log.vkey) or b"", report.head.note)
    return report


def _own() -> Conflict:
    return Conflict(
        "this home keeps that log itself, with its openings",
        hint="leave out --keep, or name the log of somebody else that you take part in",
    )


def _check_keeps(c: Context, commons: str, here: bool) -> None:
    """Nothing, where what is kept would be destroyed when its log erases it: the log is followed here, and can be."""
    if commons in c.home.kept:
        raise _own()
    if not here:
        raise Refused(
            "openings are kept of a community that this home takes part in, read at a node: of another log, or of a "
            "file, nobody here would hear what is erased",
            hint="`commons community follow ADDRESS`, or `commons log export FILE --openings --from ADDRESS`",
        )
    if c.home.frozen:
        raise sql.unwritable(c.home.path)


@verb("log")
async def drop_kept(c: Context, *, named: str | None = None) -> DropKeptResult:
    """Openings of a community's log that this home keeps are destroyed, and how many there were. What was found with
    them stays."""
    at = seat(c, named)
    if not at.sources:
        raise Conflict("this home keeps that log itself, with its openings", hint="`commons log erase N` erases of it")
    return DropKeptResult(commons=at.commons, dropped=await replica.of(c.home, at.commons).drop_kept())


@verb("log", reads=True)
async def check_log(c: Context, *, named: str | None = None) -> CheckLogResult:
    """The logs that this home keeps and those that it follows, or the one that is `named`, each against its entries,
    which are all read, hashed and folded again. Of one that is followed, what is damaged is made again, or read again
    from where it is kept."""
    logs = [
        checked
        for each in (c.every() if named is None else [c])
        for checked in [*await _check_own(each, named), *await _check_followed(each, named)]
    ]
    if named is not None and not logs:
        raise NotFound(f"this home follows no log of {named}", hint="leave out --in: all are checked")
    return CheckLogResult(logs=tuple(logs))


async def _check_own(c: Context, named: str | None) -> list[CheckedLog]:
    logs = []
    for commons, kept in c.home.kept.items():
        if named in (None, commons):
            found = await asyncio.to_thread(kept.log.examine)
            whole = not any(each.table == "entries" for each in found)
            differs = await asyncio.to_thread(_folded, kept.log) if whole else None
            logs.append(_checked(commons, True, kept.log.size, found, differs, ""))
    return logs


async def _check_followed(c: Context, named: str | None) -> list[CheckedLog]:
    known = {each for each, _, _ in c.home.shelf.seats()} | {*c.home.config.get("custody", [])}
    logs = []
    for commons in sorted(known - {*c.home.kept}):
        if named in (None, commons):
            checked = await replica.of(c.home, commons).check()
            logs.append(_checked(commons, False, checked.entries, checked.damaged, checked.differs, checked.remedy))
    return logs


def _folded(own: Log) -> Difference | None:
    """What is in memory of this home's log, against a fold of its entries. Nothing is added while they are compared."""
    whole = State()
    for data in own.entries(0, own.size):
        whole.take(data)
    with own.writing:
        for data in own.entries(whole.size, own.size):
            whole.take(data)
        return checking.of_state(own.state, whole) if own.state.size == whole.size else None


def _checked(
    commons: str, own: bool, entries: int, found: Sequence[Damage], differs: Difference | None, remedy: str
) -> CheckedLog:
    return told(
        CheckedLog, commons=commons, own=own, entries=entries, damaged=[each.as_dict() for each in found],
        differs=asdict(differs) if differs else None, remedy=remedy,
    )  # fmt: skip


@verb("log")
async def forget_fork(c: Context, *, log: str) -> ForgetForkResult:
    """Which log is trusted again, though its key signed two histories."""
    evidence.forget(c.home, log)
    return ForgetForkResult(log=log)
