"""Judging a log entry by entry: each opening, signature and decision against the rules in force at that entry.

Nothing is guessed: a row is verified, redacted, without opening, damaged (its opening is not what the entry commits to,
whoever or whatever changed it), or faulty.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from itertools import islice
from typing import Any, cast

from commons.core.crypto import envelope
from commons.core.crypto.envelope import Opened
from commons.core.dataset import rule
from commons.core.state import entries, notice, opening
from commons.core.state.charter import Charter
from commons.core.state.entries import (
    Asked,
    Decided,
    Decision,
    Dropped,
    Entry,
    Publish,
    Receipt,
    Received,
    Request,
    Stamp,
    Unknown,
)
from commons.core.state.fold import State
from commons.core.state.notice import Dropping
from commons.core.state.opening import Opening
from commons.core.state.proposals import Join, LaterRules, Proposal, Vote
from commons.core.state.transfer import Succession
from commons.core.tlog.checkpoint import Signed
from commons.core.tlog.note import Verifier
from commons.disk.verdicts import WORDS, RowVerdict, Word
from commons.errors import CommonsError, Untrue
from commons.log import wording
from commons.log.answer import SKEW


@dataclass(frozen=True, slots=True)
class Governed:
    """An entry by which a community is governed; a proposal has with it, in words, what it would have meant when it was
    made."""

    index: int
    entry: (
        Opened[Charter] | Opened[Proposal] | Opened[LaterRules] | Opened[Vote] | Opened[Join] | Opened[Succession]
        | Stamp
    )  # fmt: skip
    means: list[str]


@dataclass(slots=True)
class Report:
    """What an audit found. `rows` has one dict for each request, `faults` (index, what is wrong)."""

    state: State
    head: Signed = field(init=False)
    rows: list[dict[str, Any]] = field(default_factory=list)
    faults: list[tuple[int, str]] = field(default_factory=list)
    unknown: list[tuple[int, str]] = field(default_factory=list)  # entries of a later version: kept, not judged
    unjudged: int | None = None  # the first of those that go by rules which this version does not know
    governed: list[Governed] = field(default_factory=list)  # those the fold took, in its order
    found: dict[int, Word] = field(default_factory=dict)  # of requests, what was not known of them here before
    kept: frozenset[int] = frozenset()  # the entries whose openings are kept here by now
    added: int = 0  # how many of them were not before

    @property
    def log(self) -> Verifier:
        """The key of the log that was audited, as of its last entry."""
        return self.state.keeper


class Judge:
    """The judgement of one log, entry by entry: each is folded, its opening and its decision are checked against the
    rules in force at that entry, and what is to be told is kept in a Report."""

    def __init__(self, report: Report) -> None:
        self.report, self.state = report, report.state
        self.opened: dict[int, Opening] = {}
        self.about: dict[int, int] = {}  # of what was opened, the request it belongs to
        self.missing: set[int] = set()
        self.damaged: dict[int, str] = {}
        self.wrong: dict[int, str] = {}

    def take(self, index: int, data: bytes, hidden: bytes | None) -> None:
        """Nothing: judges the next entry, `data`, and its opening, `hidden`. What is wrong with it becomes a fault of
        the report; behind rules that are not known here it is not judged."""
        if self.state.rules not in self.state.known:
            self.report.unjudged = index if self.report.unjudged is None else self.report.unjudged
            self.state.size += 1
            return
        try:
            entry = entries.decode(data)
        except CommonsError as error:
            self.state.size += 1
            self._fault(index, error.message)
            return
        try:
            means = self._means(entry)  # as it stood in front of it
            self.state.apply(entry)
            if isinstance(entry, Stamp) or (isinstance(entry, Opened) and not isinstance(entry.value, Publish)):
                self.report.governed.append(Governed(index, entry, means))
            if isinstance(entry, Unknown):
                self.report.unknown.append((index, entry.type))
            self._check(index, entry, hidden)
        except CommonsError as error:
            self._fault(index, error.message)

    def _means(self, entry: Entry) -> list[str]:
        if not isinstance(entry, Opened) or self.state.community is None:
            return []
        if isinstance(entry.value, LaterRules):
            return wording.means(self.state, entry.value.proposal, entry.value.rules)
        return wording.means(self.state, entry.value) if isinstance(entry.value, Proposal) else []

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
        try:
            shown = opening.decode(hidden)
            opening.check(shown, wanted)
        except CommonsError as error:
            self.damaged[index] = f"its opening is damaged: {error.message}"
            if isinstance(entry, Decision) and entry.outcome == "grant":
                self._limits(entry)
            return
        statement = shown.get("statement") or b""
        if isinstance(entry, Request):
            self._request(entry, shown, envelope.open(entries.REQUEST, Asked, statement))
        elif isinstance(entry, Decision):
            self._decision(entry, envelope.open(entries.DECISION, Decided, statement))
        elif isinstance(entry, Receipt):
            self._receipt(entry, envelope.open(entries.RECEIPT, Received, statement))
        elif isinstance(entry, Dropped):
            self._dropped(entry, envelope.open(entries.DROPPED, Dropping, statement))
        self.opened[index], self.about[index] = shown, getattr(entry, "request", index)

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
        if entry.outcome == "revoke" and entry.reason != "voted":
            raise Untrue("a revocation that nobody signed")
        if entry.reason == "voted":  # the fold has compared it with the ballots
            self._limits(entry)
            return
        if asked is not None:
            whoever: list[str] = [entries.requester(asked)]
        else:  # it is not shown who asked: a stranger, one of the list, or a member, each as good as any other
            college = published.rule.college
            inside = (community.colleges.get(college, ()) if college else community.members) if community else ()
            whoever = ["", *published.rule.peers[:1], *islice(inside, 1)]
        verdicts = [
            rule.decide(
                published.rule,
                who,
                published.entry.purposes,
                access.entry.purpose,
                community.colleges_of(who) if community else (),
            )
            for who in whoever
        ]
        if all((verdict.outcome, verdict.reason) != (entry.outcome, entry.reason) for verdict in verdicts):
            raise Untrue(
                f"decided {entry.outcome} ({entry.reason}); the rule says {verdicts[0].outcome} ({verdicts[0].reason})"
            )
        self._limits(entry)

    def _limits(self, entry: Decision) -> None:
        days = self.state.datasets[self.state.accesses[entry.request].entry.dataset].entry.grant_days
        entry.check_end(days)

    def _decision(self, entry: Decision, said: Opened[Decided]) -> None:
        charter = self.state.charter
        published = self.state.datasets[self.state.accesses[entry.request].entry.dataset]
        if charter is None or said.signer not in (charter.registrar, published.publisher):
            raise Untrue(f"{said.signer} decided, and is not the steward of this dataset")
        if (said.value.commons, said.value.request, said.value.outcome, said.value.expires) != (
            self.state.commons,
            entry.request,
            entry.outcome,
            entry.expires,
        ) or entry.reason != entries.SIGNED[entry.outcome]:
            raise Untrue("the steward signed another decision than the entry says")
        self._limits(entry)

    def _receipt(self, entry: Receipt, said: Opened[Received]) -> None:
        self._requester(entry.request, said.signer, "the receipt")
        if (said.value.commons, said.value.request, said.value.files, said.value.size) != (
            self.state.commons,
            entry.request,
            entry.files,
            entry.size,
        ):
            raise Untrue("the requester signed another receipt than the entry says")

    def _dropped(self, entry: Dropped, said: Opened[Dropping]) -> None:
        self._requester(entry.request, said.signer, "the word that it was dropped")
        if (said.value.commons, said.value.request) != (self.state.commons, entry.request):
            raise Untrue("the requester signed something else than the entry says")
        notice.check(said.value, self.state)

    def _requester(self, request: int, signer: str, what: str) -> None:
        asked = self.opened.get(request)
        if asked is not None and entries.requester(asked) != signer:
            raise Untrue(f"{what} was signed by somebody else than the requester")

    def complain(self, complete: bool, withheld: Collection[int] = ()) -> None:
        """Nothing: openings that are damaged become faults; in a `complete` log also those that are missing and not
        `withheld`. Erased ones are neither."""
        for index, what in self.damaged.items():
            if index not in self.state.redacted:
                self._fault(index, what)
        if not complete:
            return
        since = self.state.community.tenures[-1].since if self.state.community else 0
        for index in sorted(self.missing - {*self.state.redacted, *withheld}):
            if index < since:  # whoever kept the log before may have taken them along
                continue
            self._fault(index, "its opening is missing, and no redaction entry says why")

    def rows(self, earlier: Mapping[int, RowVerdict]) -> list[dict[str, Any]]:
        """One row for each request, in the log's order; with what was found of it here `earlier`, where not all that it
        hides is shown now."""
        out = []
        for access in self.state.accesses.values():
            published = self.state.datasets[access.entry.dataset].entry
            shown = self.opened.get(access.index)
            details = shown.get("details") if shown else None
            state = self._standing(access.index, access.decision, access.receipt, access.dropped)
            before = None if state.partition(":")[0] in WORDS else earlier.get(access.index)
            out.append({
                "entry": access.index, "time": access.entry.time, "who": entries.requester(shown) if shown else None,
                "dataset": access.entry.dataset, "title": published.title, "version": published.version,
                "licence": published.licence, "purpose": access.entry.purpose,
                "details": details.decode("utf-8", "replace") if details is not None else None,
                "decision": access.outcome, "reason": access.reason, "decided": access.decided,
                "decision_entry": access.decision, "expires": access.expires, "receipt": access.receipt,
                "dropped": access.dropped, "state": state, "earlier": before.word if before else None,
                "earlier_at": before.size - 1 if before else None,
            })  # fmt: skip
        return out

    def found(self, earlier: Mapping[int, RowVerdict]) -> dict[int, Word]:
        """What was found of each request of which all is shown, and is not told so by what was found `earlier`: by its
        entry, and without the person."""
        found = dict[int, Word]()
        for access in self.state.accesses.values():
            word = self._standing(access.index, access.decision, access.receipt, access.dropped).partition(":")[0]
            before = earlier.get(access.index)
            known = before is not None and before.word == word and access.last < before.size
            if not known and (word == "faulty" or (word == "verified" and access.index in self.opened)):
                found[access.index] = cast(Word, word)
        return found

    def openings(self) -> dict[int, tuple[str, Opening]]:
        """What was shown of what entries hide, and holds: by the entry, with the peer id of the requester whom it is
        about, empty where that is not shown."""
        asked = {n: entries.requester(self.opened[n]) for n in {*self.about.values()} & self.opened.keys()}
        return {index: (asked.get(self.about[index], ""), shown) for index, shown in self.opened.items()}

    def _standing(self, index: int, *others: int | None) -> str:
        for n in (index, *others):
            if n is not None and n in self.wrong:
                return f"{'damaged' if n in self.damaged else 'faulty'}: entry {n}: {self.wrong[n]}"
        redacted, lacking = self.state.redacted, {*self.missing, *self.damaged} & {index, *others}
        if index not in redacted and lacking - set(redacted):
            return "no opening given"
        gone = index if index in redacted else min(lacking, default=None)
        return "verified" if gone is None else f"redacted by entry {redacted[gone]}"
