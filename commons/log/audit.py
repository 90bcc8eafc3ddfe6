"""Audit: recompute a log from its bytes, wherever they come from: who accessed what, and did the rules allow it.

Needs no network, no key and no trust in who gave the bytes: the charter's id is the anchor. Nothing is guessed: a row
is verified, redacted, without opening, damaged, or faulty.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Collection, Mapping, Sequence
from contextlib import closing, nullcontext
from pathlib import Path
from typing import Any

from commons.core.crypto import codec, ids
from commons.core.state import clock, entries
from commons.core.state.fold import State
from commons.core.tlog import checkpoint, cosignature, note, tiles
from commons.core.tlog.checkpoint import Signed
from commons.core.tlog.policy import Policy
from commons.disk.history import Damaged, History
from commons.disk.log import Log
from commons.disk.verdicts import RowVerdict
from commons.errors import Malformed, NotFound, Refused, StorageFailed
from commons.log import exported, minutes, titles
from commons.log.evidence import Nowhere, Trust
from commons.log.files import Read, files, names
from commons.log.judge import Judge, Report
from commons.log.replica import Replica, passing
from commons.progress import Progress


async def audit(
    read: Read, trust: Trust, expected: str | None, progress: Progress, *, complete: bool = False,
    withheld: Collection[int] = (), history: History | None = None, earlier: Mapping[int, RowVerdict] | None = None,
) -> Report:  # fmt: skip
    """A Report of a log that was verified whole. Untrue or Malformed where the log itself does not hold; SplitView,
    with both heads, if it contradicts what is trusted. Faults of single entries go into the report.

    From a `complete` source an opening may be missing only where a redaction entry says so, or where it is `withheld`
    there. What was verified stays in `history`, if one is given. `earlier` is what was found here before.
    """
    judging = _Judging(read)
    with closing(History()) if history is None else nullcontext(history) as stored:
        head = await Replica(expected, stored, trust, judging).update(read, progress)
    return judging.report(head, complete, withheld, earlier or {})


def before_erasing(log: Log, index: int) -> None:
    """Nothing: what is found of the request that an entry of this home's log is, or answers, is stored, without the
    person, if it is not yet: what it hides is about to go. In a thread: all of the log is judged for it."""
    if not 0 <= index < log.size:
        return
    request = getattr(entries.decode(log.entry(index)), "request", index)
    access, earlier = log.state.accesses.get(request), log.verdicts()
    if access is None or (request in earlier and access.last < earlier[request].size):
        return
    judge, size = Judge(Report(state=State())), log.size
    for at, data in enumerate(log.entries(0, size)):
        hidden: bytes | None = b""  # as of one that is damaged
        with contextlib.suppress(StorageFailed):
            hidden = _opened(log, at)
        judge.take(at, data, hidden)
    log.judge(size, judge.found(earlier))


def _opened(log: Log, index: int) -> bytes | None:
    try:
        found = log.opening(index)
    except Refused:  # it is withheld
        return None
    return None if found is None else codec.encode(found)


async def of_replica(read: Read, kept: Replica, progress: Progress, keep: bool = False) -> Report:
    """The same of a log of which a replica is kept: only entries that are new are read, and openings. These are used
    and gone: what stays here is what was found of each request, without the person, unless they are to be kept
    (`keep`). One that the source does not show is the one that is kept, if any is."""
    judging, head = _Judging(read, kept), await kept.update(read, progress)
    try:
        await kept.replay(judging)
    except Damaged:  # and is read again
        judging, head = _Judging(read, kept), await kept.update(read, progress)
        await kept.replay(judging)
    report = judging.report(head, False, (), kept.history.verdicts())
    report.added = await kept.judged(head, report.found, judging.judge.openings() if keep else {})
    report.kept = kept.history.kept()
    return report


class _Judging:
    """A replica's fold that judges each entry by its opening, as far as the source shows it, or it is kept here."""

    def __init__(self, read: Read, kept: Replica | None = None) -> None:
        self._read, self._kept, self.judge = read, kept, Judge(Report(state=State()))

    @property
    def state(self) -> State:
        return self.judge.state

    async def take(self, start: int, batch: Sequence[bytes]) -> None:
        hidden = await openings(self._read, start, len(batch))
        for index in sorted(self._kept.history.kept() - hidden.keys()) if self._kept is not None else ():
            if start <= index < start + len(batch) and (known := self._known(index)) is not None:
                hidden[index] = known
        for index, data in enumerate(batch, start):
            self.judge.take(index, data, hidden.get(index))

    def _known(self, index: int) -> bytes | None:
        """The opening that is kept here; None for one that is damaged: what is not shown is not guessed."""
        with contextlib.suppress(StorageFailed):
            found = self._kept.opening(index, time.time()) if self._kept is not None else None
            return None if found is None else codec.encode(found)
        return None

    def report(
        self, head: Signed, complete: bool, withheld: Collection[int], earlier: Mapping[int, RowVerdict]
    ) -> Report:
        """What was found, under the head that signs all of it."""
        report = self.judge.report
        report.found = self.judge.found(earlier)
        self.judge.complain(complete, withheld)
        report.head, report.rows = head, self.judge.rows(earlier)
        return report


async def log_of(read: Read, expected: str | None) -> note.Verifier:
    """The key under which the log that `read` gives is kept now, as all of it bears out. Untrue for any other."""
    with passing(expected, Nowhere()) as seen:
        await seen.update(read)
        return seen.log


async def openings(read: Read, start: int, width: int) -> dict[int, bytes]:
    """The openings of the entries from `start` on, as far as they are shown, by index; unverified. Empty for what is
    damaged, which all of them are where the list is none."""
    bundle = tiles.Bundle(index=start // tiles.WIDTH, width=width)
    lost = dict.fromkeys(range(start, start + width), b"")
    try:
        data = await read(f"openings/{bundle.path.removeprefix('tile/entries/')}")
    except (NotFound, Refused):
        return {}
    except Malformed:
        return lost
    rows, found = codec.scalars(data), dict[int, bytes]()
    try:
        for _ in range(rows.read_array_header()):
            length, index, value = rows.read_array_header(), rows.unpack(), rows.unpack()
            if (length, type(index), type(value)) != (2, int, bytes):
                raise ValueError("a row is none")
            found[index] = value
        if rows.tell() != len(data):
            raise ValueError("something follows")
    except Exception:  # msgpack raises its own kinds, ValueError and UnicodeDecodeError
        return lost
    return found


async def damaged(read: Read) -> list[int]:
    """The numbers of the entries whose openings are damaged where the log is stored, and so are empty in what is
    read."""
    size = checkpoint.parse(note.peek(await read(tiles.CHECKPOINT))).size
    found = [await openings(read, at, min(tiles.WIDTH, size - at)) for at in range(0, size, tiles.WIDTH)]
    return [index for each in found for index, value in sorted(each.items()) if not value]


def told(
    report: Report, who: str | None, dataset: str | None, since: int | None, until: int | None, governance: bool = False
) -> dict[str, Any]:  # fmt: skip
    """An audit as plain values: verdict, head, faults, and a row for each request.

    `who`, `dataset` (what people call it, see `titles`), `since` and `until` leave out the rows of others; None keeps
    all. `unmatched` has a sentence for a person or a dataset that is nowhere in the log. With `governance`, how it was
    decided is there too: see `minutes`.
    """
    here, asked = titles.of_log(report.state), {row["who"] for row in report.rows} - {None}
    if governance:
        asked |= minutes.signers(report)
    wanted = titles.matching(dataset, here) if dataset is not None else []
    unmatched = []
    if who is not None and who not in asked:
        hidden = " (of some requests it does not show who made them)" if _hidden(report) else ""
        did = "asked for or signed" if governance else "asked for"
        unmatched.append(f"nobody with the peer id {who[:80]!r} {did} anything in this log{hidden}")
    if dataset is not None and not wanted:
        unmatched.append(f"no dataset in this log is called {dataset[:80]!r}{titles.near(dataset, here)}")
    cids = {each.cid for each in wanted}
    rows = [
        row for row in report.rows
        if (who is None or row["who"] == who) and (dataset is None or row["dataset"] in cids)
        and (since is None or row["time"] >= since) and (until is None or row["time"] < until)
    ]  # fmt: skip
    governed = {"governance": minutes.told(report, who, since, until, int(time.time()))} if governance else {}
    filtered = (who, dataset, since, until) != (None,) * 4
    return {**_told(report, rows), **governed, "unmatched": unmatched, "filtered": filtered}


def _hidden(report: Report) -> bool:
    return any(row["who"] is None for row in report.rows)


def _told(report: Report, rows: list[dict[str, Any]]) -> dict[str, Any]:
    charter, now = report.state.charter, time.time()
    for row in rows:
        row["ended"] = ended(row["decision"], row["expires"], now)
    asked = cosignature.quorum(charter.witnesses if charter else "")
    head, signed = cosignature.open(report.head.note, report.log, asked)
    return {
        "commons": report.state.commons, "name": charter.name if charter else "", "entries": report.state.size,
        "root": report.head.checkpoint.root.hex(), "head": report.head.note.decode(),
        "last": report.state.time, "witnesses": sorted(signed), "unwitnessed": asked.missing(signed), "fork": [],
        "words": [], "dated": _dated(report.state.time, head, asked),
        "datasets": [
            {"cid": cid, "title": p.entry.title, "version": p.entry.version, "licence": p.entry.licence,
             "access": str(p.rule), "epoch": p.entry.epoch, "entry": p.index, "publisher": p.publisher}
            for cid, p in report.state.datasets.items()
        ],
        "rows": rows, "faults": [{"entry": index, "what": what} for index, what in report.faults],
        "unknown": [{"entry": index, "type": kind} for index, kind in report.unknown],
        "rules": report.state.rules, "unjudged": report.unjudged, **_kept(report),
    }  # fmt: skip


def _kept(report: Report) -> dict[str, Any]:
    """How many openings of this log this home keeps; nothing where none are."""
    if not report.kept:
        return {}
    days = report.state.charter.retention_days if report.state.charter else None
    return {"kept": {"openings": len(report.kept), "added": report.added, "retention_days": days}}


def _dated(logged: int, head: Signed, asked: Policy) -> dict[str, int | None]:
    """When the last entry is of, and by how much that is ahead: of this clock, or of when its witnesses saw it."""
    stamp = None
    with contextlib.suppress(Refused):  # nobody is asked for, or too few signed
        stamp, _ = cosignature.seen(head, asked)
    return {"log": logged, "ahead": clock.ahead(logged, int(time.time()), stamp), "witnessed": stamp}


async def offline(
    source: str,
    commons: str | None,
    who: str | None,
    dataset: str | None,
    since: int | None,
    until: int | None,
    governance: bool = False,
) -> dict[str, Any]:
    """An audit of exported files, as `told` says it, by somebody without a home: no head is remembered, none
    compared."""
    read = files(Path(source))
    report = await audit(read, Nowhere(), commons and ids.check_commons(commons), lambda done, whole: None)
    said = told(report, who, dataset, since, until, governance)
    return {**said, "files": await exported.check(read, names(Path(source)), report)}


def ended(outcome: str, expires: int | None, now: float) -> int | None:
    """The time at which a grant ended; None for one that goes on, and for what is no grant."""
    return expires if outcome == "grant" and expires is not None and expires <= now else None
