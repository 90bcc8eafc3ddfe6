"""Audit: recompute a log from its bytes, wherever they come from: who accessed what, and did the rules allow it.

Needs no network, no key and no trust in who gave the bytes: the charter's id is the anchor. Nothing is guessed: a row
is verified, redacted, without opening, or faulty.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from commons.archive import Read, files
from commons.core import checkpoint, codec, entries, envelope, ids, merkle, note, opening, reference, rules, tiles
from commons.core.answer import SKEW
from commons.core.checkpoint import Signed
from commons.core.entries import Asked, Decided, Decision, Entry, Receipt, Received, Request, Unknown
from commons.core.envelope import Opened
from commons.core.governance import Charter
from commons.core.opening import Opening
from commons.core.state import State
from commons.core.terms import DAY
from commons.errors import CommonsError, Malformed, NotFound, Refused, SplitView, Untrue
from commons.progress import Progress


@dataclass(slots=True)
class Report:
    """What an audit found. `rows` has one dict for each request, `faults` (index, what is wrong)."""

    state: State
    head: Signed
    rows: list[dict[str, Any]] = field(default_factory=list)
    faults: list[tuple[int, str]] = field(default_factory=list)
    unknown: list[tuple[int, str]] = field(default_factory=list)  # entries of a later version: kept, not judged


async def audit(
    read: Read, trusted: bytes, expected: str | None, progress: Progress, *, complete: bool = False
) -> Report:
    """Verify everything. Untrue or Malformed where the log itself does not hold; SplitView, with both heads, if it
    contradicts `trusted` (a checkpoint note, or empty); faults of single entries go into the report. From a `complete`
    source an opening may be missing only where a redaction entry says so."""
    head, charter = await _head(read, expected)
    size, before = head.checkpoint.size, _trusted(trusted, head, charter)
    if before is not None and before.size > size:
        raise Untrue(
            f"this log ends after {size} entries; {before.size} were verified here before",
            hint="it is an old copy, or its keeper went back to one: get a newer one",
            evidence=(trusted.decode(), head.note.decode()),
        )
    report = Report(state=State(), head=head)
    edge: tuple[bytes, ...] = ()
    seen = {0: merkle.EMPTY}
    judge = _Judge(report)
    for start in range(0, size, tiles.WIDTH):
        width = min(tiles.WIDTH, size - start)
        bundle = tiles.Bundle(index=start // tiles.WIDTH, width=width)
        batch = tiles.unbundle(await read(bundle.path), width)
        hidden = await _openings(read, bundle)
        if before is not None and start < before.size <= start + width:
            cut = before.size - start
            _, edge = merkle.grow(start, edge, [merkle.leaf(data) for data in batch[:cut]])
            seen[before.size] = merkle.edge_root(edge)
            _, edge = merkle.grow(before.size, edge, [merkle.leaf(data) for data in batch[cut:]])
        else:
            _, edge = merkle.grow(start, edge, [merkle.leaf(data) for data in batch])
        for index, data in enumerate(batch, start):
            judge.take(index, data, hidden.get(index))
        progress(start + width, size)
    if merkle.edge_root(edge) != head.checkpoint.root:
        raise Untrue(f"the {size} entries do not have the root that the checkpoint signs", hint="get them elsewhere")
    if before is not None and seen.get(before.size) != before.root:
        raise SplitView(
            f"this log of {size} entries does not contain the {before.size} entries it signed before",
            hint="keep both heads: they prove it. Show them to the members of this commons",
            evidence=(trusted.decode(), head.note.decode()),
        )
    if complete:
        judge.complain()
    report.rows = judge.rows()
    return report


async def _head(read: Read, expected: str | None) -> tuple[Signed, Opened[Charter]]:
    """The signed head, by the key of the charter that the log's own name commits to."""
    signed = await read("checkpoint")
    claimed = checkpoint.parse(note.peek(signed))
    if claimed.size < 1:
        raise Untrue("the log is empty: it has not even a charter")
    first = tiles.Bundle(index=0, width=min(tiles.WIDTH, claimed.size))
    charter = entries.decode(tiles.unbundle(await read(first.path), first.width)[0])
    if not isinstance(charter, Opened) or not isinstance(charter.value, Charter):
        raise Untrue("the log does not begin with a charter")
    commons = ids.cid(charter.data)
    if claimed.origin != f"commons/{commons}":
        raise Untrue(f"the log calls itself {claimed.origin}, its charter is that of {commons}")
    if expected is not None and expected != commons:
        raise Untrue(f"this is the log of {commons}, not of {expected}")
    key = note.Verifier(name=claimed.origin, public=charter.value.log_key)
    return checkpoint.open(signed, key), charter


async def log_of(read: Read, expected: str | None) -> note.Verifier:
    """The key of the log that `read` gives; Untrue if its charter does not bear it out."""
    signed, charter = await _head(read, expected)
    return note.Verifier(name=signed.checkpoint.origin, public=charter.value.log_key)


def _trusted(trusted: bytes, head: Signed, charter: Opened[Charter]) -> checkpoint.Checkpoint | None:
    if not trusted:
        return None
    key = note.Verifier(name=head.checkpoint.origin, public=charter.value.log_key)
    return checkpoint.open(trusted, key).checkpoint


async def _openings(read: Read, bundle: tiles.Bundle) -> dict[int, bytes]:
    try:
        data = await read(f"openings/{bundle.path.removeprefix('tile/entries/')}")
    except (NotFound, Refused):
        return {}
    rows, found = codec.scalars(data), dict[int, bytes]()
    try:
        for _ in range(rows.read_array_header()):
            length, index, value = rows.read_array_header(), rows.unpack(), rows.unpack()
            if (length, type(index), type(value)) != (2, int, bytes):
                raise ValueError("a row is none")
            found[index] = value
        if rows.tell() != len(data):
            raise ValueError("something follows")
    except Exception as error:  # msgpack raises its own kinds, ValueError and UnicodeDecodeError
        raise Malformed(f"the openings beside {bundle.path} are no list of (index, opening): {error}") from error
    return found


class _Judge:
    """Folds the entries, checks each against its opening and the rules in force, and keeps what is to be told."""

    def __init__(self, report: Report) -> None:
        self.report, self.state = report, report.state
        self.opened: dict[int, Opening] = {}
        self.missing: set[int] = set()
        self.wrong: dict[int, str] = {}

    def take(self, index: int, data: bytes, hidden: bytes | None) -> None:
        try:
            entry = entries.decode(data)
        except CommonsError as error:
            self.state.size += 1
            self._fault(index, error.message)
            return
        try:
            self.state.apply(entry)
            if isinstance(entry, Unknown):
                self.report.unknown.append((index, entry.type))
            self._check(index, entry, hidden)
        except CommonsError as error:
            self._fault(index, error.message)

    def _fault(self, index: int, what: str) -> None:
        self.wrong[index] = what
        self.report.faults.append((index, what))

    def _check(self, index: int, entry: Entry, hidden: bytes | None) -> None:
        wanted = entries.commitments(entry)
        if isinstance(entry, Decision) and entry.statement is None:
            self._automatic(entry)
        if not wanted:
            return
        if hidden is None:
            self.missing.add(index)
            if isinstance(entry, Decision) and entry.outcome == "grant":
                self._limits(entry)
            return
        shown = opening.decode(hidden)
        opening.check(shown, wanted)
        statement = shown.get("statement") or b""
        if isinstance(entry, Request):
            self._request(entry, shown, envelope.open(entries.REQUEST, Asked, statement))
        elif isinstance(entry, Decision):
            self._decision(entry, envelope.open(entries.DECISION, Decided, statement))
        elif isinstance(entry, Receipt):
            self._receipt(entry, envelope.open(entries.RECEIPT, Received, statement))
        self.opened[index] = shown

    def _request(self, entry: Request, shown: Opening, said: Opened[Asked]) -> None:
        same = (said.value.dataset, said.value.terms, said.value.epoch, said.value.purpose, said.value.details)
        if same != (entry.dataset, entry.terms, entry.epoch, entry.purpose, entry.details):
            raise Untrue("the requester signed something else than the entry says")
        if said.value.commons != self.state.commons or entries.requester(shown) != said.signer:
            raise Untrue("the request was signed by somebody else, or for another commons")
        if abs(entry.time - said.value.time) > SKEW:
            raise Untrue("the log dates the request otherwise than who signed it")

    def _automatic(self, entry: Decision) -> None:
        """A decision without a steward's signature must be the one that the rule itself makes."""
        access = self.state.accesses[entry.request]
        published, community = self.state.datasets[access.entry.dataset], self.state.community
        asked = self.opened.get(entry.request)
        if entry.outcome == "revoke":
            raise Untrue("a revocation that nobody signed")
        if entry.reason == "voted":  # the fold has compared it with the ballots
            self._limits(entry)
            return
        # where it is not shown who asked: a stranger, one of the list, or a member
        whoever = ["", *published.rule.peers[:1], *sorted(community.members if community else ())]
        verdicts = [
            rules.decide(
                published.rule, who, published.entry.purposes, access.entry.purpose,
                community.colleges_of(who) if community else (),
            )
            for who in (whoever if asked is None else [entries.requester(asked)])
        ]  # fmt: skip
        if all((verdict.outcome, verdict.reason) != (entry.outcome, entry.reason) for verdict in verdicts):
            raise Untrue(
                f"decided {entry.outcome} ({entry.reason}); the rule says {verdicts[0].outcome} ({verdicts[0].reason})"
            )
        self._limits(entry)

    def _limits(self, entry: Decision) -> None:
        days = self.state.datasets[self.state.accesses[entry.request].entry.dataset].entry.grant_days
        if days is not None and entry.outcome == "grant" and not (
            entry.expires is not None and entry.expires <= entry.time + days * DAY
        ):  # fmt: skip
            raise Untrue(f"the grant lasts longer than the {days} days of the terms")

    def _decision(self, entry: Decision, said: Opened[Decided]) -> None:
        charter = self.state.charter
        published = self.state.datasets[self.state.accesses[entry.request].entry.dataset]
        if charter is None or said.signer not in (charter.registrar, published.publisher):
            raise Untrue(f"{said.signer} decided, and is not the steward of this dataset")
        if (said.value.commons, said.value.request, said.value.outcome, said.value.expires) != (
            self.state.commons, entry.request, entry.outcome, entry.expires,
        ):  # fmt: skip
            raise Untrue("the steward signed another decision than the entry says")
        self._limits(entry)

    def _receipt(self, entry: Receipt, said: Opened[Received]) -> None:
        asked = self.opened.get(entry.request)
        if asked is not None and entries.requester(asked) != said.signer:
            raise Untrue("the receipt was signed by somebody else than the requester")
        if (said.value.commons, said.value.request, said.value.files, said.value.size) != (
            self.state.commons, entry.request, entry.files, entry.size,
        ):  # fmt: skip
            raise Untrue("the requester signed another receipt than the entry says")

    def complain(self) -> None:
        for index in sorted(self.missing - set(self.state.redacted)):
            self._fault(index, "its opening is missing, and no redaction entry says why")

    def rows(self) -> list[dict[str, Any]]:
        """One for each request, in the log's order."""
        out = []
        for access in self.state.accesses.values():
            published = self.state.datasets[access.entry.dataset].entry
            shown = self.opened.get(access.index)
            details = shown.get("details") if shown else None
            out.append({
                "entry": access.index, "time": access.entry.time, "who": entries.requester(shown) if shown else None,
                "dataset": access.entry.dataset, "title": published.title, "version": published.version,
                "licence": published.licence, "purpose": access.entry.purpose,
                "details": details.decode("utf-8", "replace") if details is not None else None,
                "decision": access.outcome, "reason": access.reason, "decided": access.decided,
                "decision_entry": access.decision, "expires": access.expires, "receipt": access.receipt,
                "state": self._standing(access.index, access.decision, access.receipt),
            })  # fmt: skip
        return out

    def _standing(self, index: int, *others: int | None) -> str:
        for n in (index, *others):
            if n is not None and n in self.wrong:
                return f"faulty: entry {n}: {self.wrong[n]}"
        if index in self.state.redacted:
            return f"redacted by entry {self.state.redacted[index]}"
        return "no opening given" if self.missing & {index, *others} else "verified"


def dataset_of(text: str | None) -> str | None:
    """The id inside a reference; any other text is a part of a title."""
    return reference.parse(text).cid if text and text.startswith(("commons:", "baf")) else text


def select(
    rows: list[dict[str, Any]], who: str | None, dataset: str | None, since: int | None, until: int | None
) -> list[dict[str, Any]]:
    """The rows of one person, one dataset (its CID or a part of its title) and a time, each None for all."""
    return [
        row for row in rows
        if (who is None or row["who"] == who)
        and (dataset is None or row["dataset"] == dataset or dataset.lower() in row["title"].lower())
        and (since is None or row["time"] >= since) and (until is None or row["time"] < until)
    ]  # fmt: skip


def as_dict(report: Report, rows: list[dict[str, Any]]) -> dict[str, Any]:
    charter = report.state.charter
    return {
        "commons": report.state.commons, "name": charter.name if charter else "", "entries": report.state.size,
        "root": report.head.checkpoint.root.hex(), "head": report.head.note.decode(),
        "datasets": [
            {"cid": cid, "title": p.entry.title, "version": p.entry.version, "licence": p.entry.licence,
             "access": str(p.rule), "epoch": p.entry.epoch, "entry": p.index, "publisher": p.publisher}
            for cid, p in report.state.datasets.items()
        ],
        "rows": rows, "faults": [{"entry": index, "what": what} for index, what in report.faults],
        "unknown": [{"entry": index, "type": kind} for index, kind in report.unknown],
    }  # fmt: skip


async def offline(
    source: str, commons: str | None, who: str | None, dataset: str | None, since: int | None, until: int | None
) -> dict[str, Any]:
    """An audit of exported files by somebody without a home: no head is remembered, none compared."""
    report = await audit(files(Path(source)), b"", commons, lambda done, whole: None)
    return as_dict(report, select(report.rows, who, dataset_of(dataset), since, until))
