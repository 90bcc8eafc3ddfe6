"""Answering requests: the registrar's side of "no key without a log entry", and the steward's desk.

submit: verify, commit, then speak. release: only for a durable grant. Knows nothing of how a request came in.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import time
from collections.abc import Callable
from typing import Any

from commons.access import release
from commons.community import voting
from commons.core.crypto import codec, envelope
from commons.core.crypto.envelope import Opened
from commons.core.crypto.ids import PeerId
from commons.core.dataset import manifest, rule
from commons.core.state import entries, notice
from commons.core.state.entries import Asked, Decided, Decision, Dropped, Publish, Receipt, Received, Redaction
from commons.core.state.fold import State
from commons.core.state.notice import Dropping
from commons.core.state.opening import SALT, Opening
from commons.core.tlog.checkpoint import Signed
from commons.disk import dating
from commons.disk.kept import Kept
from commons.disk.records import Appended, Draft, Record, record
from commons.errors import (
    CommonsError,
    Conflict,
    Gone,
    Malformed,
    NotFound,
    Pending,
    Refused,
    StorageFailed,
    TooLarge,
    TooMany,
)
from commons.log import audit
from commons.log.answer import SKEW, Answer, ProvenEntry, Submission
from commons.net.limits import Buckets, over
from commons.witness import cosigning


def _salt() -> bytes:
    return os.urandom(SALT)


class Registrar:
    """A log that this home keeps, open to requests. `clock` gives seconds since 1970."""

    def __init__(self, kept: Kept, clock: Callable[[], float] = time.time) -> None:
        self.kept, self.log, self.clock = kept, kept.log, clock
        self.each = Buckets(rate=0.5, burst=60)  # by requester
        self.newcomers = Buckets(rate=2, burst=200)  # all keys this node has not met yet, together
        self.everyone = Buckets(rate=20, burst=500)  # whoever asks, together
        self._met: set[str] = set()

    @property
    def denied(self) -> int:
        """Requests over a limit since the node started, none of them logged."""
        return self.each.denied + self.newcomers.denied + self.everyone.denied

    # -- what peers send --------------------------------------------------------------------------------------------

    async def submit(self, body: bytes) -> bytes:
        """An Answer, for a Submission: both in exact bytes. The same statement again gets its answer again, and no
        second entry.

        The order: the signature and what it says; the head its sender knows (are we rolled back?); the rates; one
        durable batch of request and decision; only then the answer. A crash before the commit leaves nothing, one after
        it leaves entries that the same statement, sent again, finds.
        """
        submission = codec.decode(Submission, body, 128 << 10)
        kind = codec.decode(envelope.Envelope, submission.statement).type
        if kind == entries.RECEIPT:
            return await self._receive(envelope.open(kind, Received, submission.statement), submission.head)
        if kind == entries.DROPPED:
            return await self._receive(envelope.open(kind, Dropping, submission.statement), submission.head)
        if kind in voting.KINDS:
            known = self._check(self.kept.commons, submission.head, "a member")
            return self._one(await self.govern(submission.statement), known)
        said = envelope.open(entries.REQUEST, Asked, submission.statement)
        digest = entries.statement_digest(said.data)
        known = self._check(said.value.commons, submission.head, said.signer)
        if (index := self.log.answered(digest)) is None:
            published = self.log.state.published(said.value.dataset)
            if published.entry.rule.kind == "public":
                raise Conflict("this dataset is public: its key is in the manifest, and nobody is asked")
            if abs(self.clock() - said.value.time) > SKEW:
                raise Malformed(
                    f"the request is dated {said.value.time}, this node's clock says {int(self.clock())}",
                    hint=f"set your clock right: it may be off by {SKEW} s at most",
                )
            index = await self._once(said.signer, digest, self._ask(said, submission, digest))
        return self._answer(index, known)

    def _ask(self, said: Opened[Asked], submission: Submission, digest: bytes) -> Draft:
        def draft(state: State, index: int, now: int) -> list[Record]:
            if abs(now - said.value.time) > SKEW:  # a member's clock has dated the log ahead of ours
                raise TooMany(f"the log is dated {now} by now, and this request {said.value.time}", hint="wait a while")
            leaf, opening = entries.request(said, submission.details, time=now, salt=_salt)
            published = state.published(said.value.dataset)
            colleges = state.founded.colleges_of(said.signer)
            verdict = rule.decide(published.rule, said.signer, published.entry.purposes, said.value.purpose, colleges)
            records = [record(leaf, opening, said.signer, digest)]
            if verdict.outcome != "pending":
                expires = entries.until(verdict.outcome, now, published.entry.grant_days)
                records.append(
                    record(_decision(now, index, verdict.outcome, verdict.reason, published.basis, expires, None))
                )
            return records

        return draft

    async def _receive(self, said: Opened[Received] | Opened[Dropping], head: bytes) -> bytes:
        """A receipt, or the word that what was withdrawn is dropped. Both are signed by who made the request."""
        digest = entries.statement_digest(said.data)
        known = self._check(said.value.commons, head, said.signer)
        if (index := self.log.answered(digest)) is None:
            access = self.log.state.access(said.value.request)
            asked = self.log.opening(access.index)
            if asked is None:
                raise Gone(f"request {access.index} was erased")
            if entries.requester(asked) != said.signer or access.entry.dataset != said.value.dataset:
                raise Refused("a receipt or a drop is signed by who made the request, for what was requested")

            def draft(state: State, index: int, now: int) -> list[Record]:
                hidden, opening = entries.hide(_salt, statement=said.data)
                return [record(_returned(said.value, state, now, hidden["statement"]), opening, said.signer, digest)]

            index = await self._once(said.signer, digest, draft)
        return self._one(index, known)

    async def govern(self, statement: bytes) -> int:
        """The index of the entry that a member's proposal, ballot or joining makes; then what the ballots decided by
        it. A crash between the two leaves a decision to log: the next such entry, or the node's start, logs it."""
        who, digest, new = voting.taken(self.log, self.kept.commons, statement, self.clock())
        index = self.log.answered(digest)
        if index is None:
            index = await self._once(who, digest, lambda _state, _index, _now: [new])
        await voting.settle(self.log)
        return index

    async def enlist(self, said: Opened[Publish], head: bytes, draft: Draft) -> bytes:
        """An Answer that shows the entry of a dataset that a member publishes; `draft` makes it unless it is there. The
        order: the rates; the entry durable; only then the answer."""
        known = self._check(said.value.commons, head)
        self._limit(said.signer)
        await self._append(draft)
        return self._one(self.log.state.published(said.value.manifest).index, known)

    def listed(self, dataset: str, head: bytes) -> bytes:
        """An Answer that shows the entry by which this log lists a dataset, for whoever is about to ask for it; `head`
        as in a Submission. NotFound; Conflict where somebody else keeps this log by now."""
        known = self._check(self.kept.commons, head)
        index = self.log.state.published(dataset).index
        if index >= self.log.head.checkpoint.size:  # commit, then speak
            raise NotFound(f"{dataset} is not published in this commons yet", hint="repeat it a little later")
        self.kept.check_here()
        return self._one(index, known)

    def _one(self, index: int, known: int) -> bytes:
        """An Answer that shows one entry."""
        head = self.log.head
        shown = self._show(index, head)
        return codec.encode(Answer(shown=(shown,), head=head.note, consistency=self.log.lead(known, head)))

    def release(self, body: bytes) -> bytes:
        """The epoch secret, encrypted to the requester's key. `body` is the requester's signed statement in exact
        bytes, whose request must stand granted in the log, durable and not ended. NotFound, Pending, Refused or Gone
        otherwise."""
        said = envelope.open(entries.REQUEST, Asked, body)
        index = self.log.answered(entries.statement_digest(said.data))
        if index is None:
            raise NotFound("this request is not in the log", hint="submit it first")
        access = self.log.granted(index, self._judged(index))
        decision = access.decision if access.decision is not None else self.log.size  # which nobody has cosigned
        cosigning.demand(self.kept, decision)
        published = self.log.state.published(access.entry.dataset)
        if published.publisher != self.kept.keys.identity.peer:
            raise Refused(
                f"this node does not have the key of this dataset, which {published.publisher} has published",
                hint="its custodians keep it; where it has none, its publisher can publish it again",
            )
        if self._entrusted(access.entry.dataset):
            raise Refused("custodians keep the key of this dataset", hint="ask them: a newer version of commons does")
        self.log.state.check_still(access, said.signer)
        bound = release.Bound(
            commons=said.value.commons,
            dataset=said.value.dataset,
            epoch=said.value.epoch,
            requester=said.signer,
            request=index,
            decision=decision,
        )
        secret = self.kept.keys.epoch(published.entry.series, published.entry.epoch)
        return release.seal(secret, said.value.hpke, bound)

    def _judged(self, index: int) -> int:
        """By when the end of the grant of a request is judged: a clock that was set back opens nothing."""
        covering, word = cosigning.covering(self.kept), self.kept.dating.word()
        return dating.judged(self.log.state, int(self.clock()), [covering] if covering else [], index, word)

    def _entrusted(self, dataset: str) -> bool:
        data = self.kept.shelf.manifest(dataset)
        if data is None:  # only it says whether custodians keep the key
            raise StorageFailed("its manifest is gone here: without it no key is given", hint="restore shelf.db")
        return manifest.open(data).value.custody is not None

    # -- the steward's desk -----------------------------------------------------------------------------------------

    async def decide(self, request: int, outcome: str, reason: str, expires: int | None = None) -> dict[str, Any]:
        """What was logged, as plain values: the steward's signed decision to grant, refuse or revoke. Conflict if the
        request is not in a state for it."""
        if len(reason) > entries.DETAILS_LIMIT:
            raise TooLarge(f"a reason has at most {entries.DETAILS_LIMIT} characters")
        self.log.state.check_known()  # before anything is signed
        now = int(self.clock())
        if expires is not None and expires <= now:
            raise Malformed("the grant would have expired already", hint="name a later day with --until")
        days = self.log.state.published(self.log.state.access(request).entry.dataset).entry.grant_days
        expires = entries.until(outcome, now, days, expires)
        code = entries.SIGNED[outcome]
        statement = envelope.sign(
            entries.DECISION,
            Decided(
                commons=self.kept.commons, request=request, outcome=outcome, reason=reason, expires=expires, time=now
            ),
            self.kept.keys.identity,
        )

        def draft(state: State, index: int, now: int) -> list[Record]:
            access = state.access(request)
            if request in state.redacted:
                raise Gone(f"request {request} was erased, so nobody is there to answer")
            published = state.published(access.entry.dataset)
            asked = self._asked(request)
            hidden, opening = entries.hide(_salt, statement=statement)
            leaf = _decision(now, request, outcome, code, published.basis, expires, hidden["statement"])
            return [record(leaf, opening, entries.requester(asked) if asked else "")]

        done = await self._append(draft)
        asked = self.log.state.published(self.log.state.access(request).entry.dataset).rule
        return {
            "entry": done.first,
            "request": request,
            "outcome": outcome,
            "expires": expires,
            "access": str(asked),
            "automatic": asked.kind not in ("approval", "vote"),
        }

    async def erase(self, index: int, reason: str) -> dict[str, Any]:
        """What was erased, as plain values: the openings of an entry and of all that answers it are destroyed, and an
        entry says so. Proofs stay valid. First it is stored, without the person, what is found of it; a crash behind
        that leaves only that."""

        def draft(state: State, _index: int, now: int) -> list[Record]:
            if not 0 <= index < self.log.size:
                raise NotFound(f"there is no entry {index}")
            if index in state.redacted:
                raise Gone(f"entry {index} was erased already, see entry {state.redacted[index]}")
            targets = self._about(state, index)
            leaf = Redaction(type=entries.REDACTION, time=now, entries=targets, reason=reason)
            return [Record(entry=leaf, data=codec.encode(leaf), erases=targets)]

        with contextlib.suppress(CommonsError):  # what cannot be judged is erased all the same
            await asyncio.to_thread(audit.before_erasing, self.log, index)
        done = await self._append(draft)
        redaction = entries.decode(self.log.entry(done.first))
        erased = list(redaction.entries) if isinstance(redaction, Redaction) else []
        return {"entry": done.first, "erased": erased}

    def _about(self, state: State, index: int) -> tuple[int, ...]:
        entry = entries.decode(self.log.entry(index))
        if not entries.commitments(entry):
            raise Conflict(f"entry {index} hides nothing that could be erased", hint="only access entries do")
        if index not in state.accesses:
            return (index,)
        answers = (
            n
            for n, data in enumerate(self.log.entries(index, self.log.size), index)
            if n not in state.redacted and _answers(entries.decode(data), n, index)
        )
        return tuple(answers)

    def _asked(self, request: int) -> Opening | None:
        """What a request hides; None too where it is damaged: it can still be answered, and erased."""
        with contextlib.suppress(StorageFailed):
            return self.log.opening(request)
        return None

    # -- inside -----------------------------------------------------------------------------------------------------

    async def _once(self, who: PeerId, digest: bytes, draft: Draft) -> int:
        """The index of the entry that a statement makes, within its sender's rates; the same one if it comes twice."""
        self._limit(who)
        await self._append(
            lambda state, index, now: [] if self.log.known(digest) is not None else draft(state, index, now)
        )
        index = self.log.answered(digest)
        if index is None:
            raise NotFound("what was sent is not in the log")
        return index

    async def _append(self, draft: Draft) -> Appended:
        return await asyncio.wrap_future(self.log.append(draft))

    def _check(self, commons: str, head: bytes, by: str = "somebody") -> int:
        """The size of the head its sender trusts, 0 without one. NotFound for another commons; see `Log.compare`."""
        if commons != self.kept.commons:
            raise NotFound(f"this node keeps the log of {self.kept.commons}, not of {commons}")
        return self.log.compare(head, by) if head else 0

    def _limit(self, who: PeerId) -> None:
        now = self.clock()
        wait = self.each.take(who, now)
        if not wait and who not in self._met:
            wait = self.newcomers.take("all", now)
            if not wait and len(self._met) < 100_000:
                self._met.add(who)
        wait = wait or self.everyone.take("all", now)
        if wait:
            raise over(wait)

    def _answer(self, index: int, known: int) -> bytes:
        access, head = self.log.state.access(index), self.log.head
        size, decision = head.checkpoint.size, access.decision
        if decision is None:
            self.kept.check_here()
        if index >= size:
            raise Pending("the request is being written", hint="repeat it")
        shown = [self._show(index, head)]
        if decision is not None and decision < size:
            shown.append(self._show(decision, head))
        return codec.encode(Answer(shown=tuple(shown), head=head.note, consistency=self.log.lead(known, head)))

    def _show(self, index: int, head: Signed) -> ProvenEntry:
        opening = self.log.opening(index)
        return ProvenEntry(
            index=index,
            entry=self.log.entry(index),
            opening=None if opening is None else codec.encode(opening),
            proof=self.log.prove(index, head),
        )


def _decision(
    now: int, request: int, outcome: str, reason: str, basis: int, expires: int | None, statement: bytes | None
) -> Decision:
    return Decision(
        type=entries.DECISION,
        time=now,
        request=request,
        outcome=outcome,
        reason=reason,
        basis=basis,
        expires=expires,
        statement=statement,
    )


def _returned(said: Received | Dropping, state: State, now: int, statement: bytes) -> Receipt | Dropped:
    if isinstance(said, Received):
        return Receipt(
            type=entries.RECEIPT, time=now, request=said.request, files=said.files, size=said.size, statement=statement
        )
    notice.check(said, state)
    return Dropped(type=entries.DROPPED, time=now, request=said.request, statement=statement)


def _answers(entry: entries.Entry, n: int, request: int) -> bool:
    return n == request or (
        isinstance(entry, Decision | Receipt | Dropped)
        and entry.request == request
        and bool(entries.commitments(entry))
    )
