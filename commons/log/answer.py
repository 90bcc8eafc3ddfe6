"""What a requester sends to a log and gets back, and the check that stands before any key is used.

`check` is the requester's side of "no key without a log entry": leaf, opening, proofs, the signed checkpoint and its
consistency with the last one this requester trusted. No network, no clock.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from commons.core.crypto import envelope
from commons.core.crypto.envelope import Opened
from commons.core.state import entries, opening, rules
from commons.core.state.entries import Asked, Decided, Decision, Dropped, Receipt, Received, Request
from commons.core.state.notice import Dropping
from commons.core.state.opening import Field
from commons.core.tlog import checkpoint, merkle, proof
from commons.core.tlog.checkpoint import Checkpoint, Signed
from commons.core.tlog.note import Verifier
from commons.errors import SplitView, Untrue

SKEW = 600  # seconds between the requester's clock and the registrar's


@dataclass(frozen=True, slots=True, kw_only=True)
class Submission:
    """What somebody sends to a registrar. `statement` is a signed Asked, Received, Dropping, Proposal, Vote or Join in
    exact bytes; `details` the free text that an Asked commits to, else None; `head` the last checkpoint of this log
    that the sender trusts, or empty."""

    statement: bytes
    details: Field | None
    head: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class ProvenEntry:
    """One entry of the log with its inclusion proof, and its opening where the reader may see it."""

    index: int
    entry: bytes
    opening: bytes | None
    proof: tuple[bytes, ...]

    def check(self, head: Checkpoint) -> None:
        """Nothing, where the entry stands at its place in the log with this head; Untrue otherwise."""
        merkle.check_inclusion(self.index, head.size, merkle.leaf(self.entry), head.root, self.proof)


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What a registrar sends back. `shown` holds the request, then the decision on it if there is one, both under the
    checkpoint `head`; `consistency` proves that this head contains the one of the Submission."""

    shown: tuple[ProvenEntry, ...]
    head: bytes
    consistency: tuple[bytes, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Checked:
    """An Answer that was verified. `outcome` is grant, refuse, revoke or pending; `words` are the steward's reason;
    `proof` is the tlog-proof of the last entry that was shown."""

    request: int
    decision: int | None
    outcome: str
    reason: str
    words: str
    expires: int | None
    head: Signed
    proof: bytes
    entry: bytes


def check(answer: Answer, said: Opened[Asked], log: Verifier, old: bytes, stewards: Collection[str]) -> Checked:
    """The verified answer: the log holds exactly the request `said`, and the decision that the answer shows. Untrue,
    Malformed or SplitView otherwise. A decision that no rule made by itself must carry the signature of one of the
    `stewards`."""
    head = extend(old, answer.head, answer.consistency, log)
    if not 1 <= len(answer.shown) <= 2:
        raise Untrue("the answer shows neither a request nor its decision")
    first, last = answer.shown[0], answer.shown[-1]
    for shown in answer.shown:
        shown.check(head.checkpoint)
    request = entries.decode(first.entry)
    if not isinstance(request, Request) or first.opening is None:
        raise Untrue("the answer does not show the request")
    opened = opening.decode(first.opening)
    opening.check(opened, entries.commitments(request))
    if opened.get("statement") != said.data or opened.get("requester") != said.signer.encode():
        raise Untrue("the log's request is not the one that was signed")
    if (request.dataset, request.terms, request.epoch, request.purpose, request.details) != (
        said.value.dataset,
        said.value.terms,
        said.value.epoch,
        said.value.purpose,
        said.value.details,
    ):
        raise Untrue("the log's request says other things than the statement in it")
    if abs(request.time - said.value.time) > SKEW:
        raise Untrue("the log dates the request otherwise than who signed it")
    outcome, reason, words, expires, decided = "pending", "", "", None, None
    if len(answer.shown) == 2:
        decision = entries.decode(last.entry)
        if not isinstance(decision, Decision) or decision.request != first.index or last.index <= first.index:
            raise Untrue("the answer's decision is not on this request")
        outcome, reason, expires, decided = decision.outcome, decision.reason, decision.expires, last.index
        if decision.statement is not None:
            words = _signed_words(decision, last.opening, said.value.commons, stewards)
    return Checked(
        request=first.index,
        decision=decided,
        outcome=outcome,
        reason=reason,
        words=words,
        expires=expires,
        head=head,
        proof=proof.Proof(index=last.index, hashes=last.proof, note=head.note).encode(),
        entry=last.entry,
    )


def _signed_words(decision: Decision, hidden: bytes | None, commons: str, stewards: Collection[str]) -> str:
    """The reason a steward signed, in their own words."""
    if hidden is None:
        raise Untrue("the answer does not show who decided")
    opened = opening.decode(hidden)
    opening.check(opened, entries.commitments(decision))
    said = envelope.open(entries.DECISION, Decided, opened.get("statement") or b"")
    value = said.value
    if said.signer not in stewards or (value.commons, value.request, value.outcome, value.expires) != (
        commons,
        decision.request,
        decision.outcome,
        decision.expires,
    ):
        raise Untrue("the decision is not the one that the steward signed")
    return value.reason


def extend(old: bytes, new: bytes, consistency: tuple[bytes, ...], log: Verifier) -> Signed:
    """The new head, verified and proven to contain the `old` one (empty where none is trusted yet). SplitView where the
    two heads prove that the log has two histories; Untrue, with both heads, where it is only not shown that it has
    one; Outdated for a head by rules that are not known here, under which nothing is believed."""
    head = checkpoint.open(new, log)
    if old:
        _check_continues(old, head, consistency, log)
    rules.check(head.checkpoint.rules)
    return head


def _check_continues(old: bytes, head: Signed, consistency: tuple[bytes, ...], log: Verifier) -> None:
    new = head.note
    before = checkpoint.open(old, log).checkpoint
    after = head.checkpoint
    try:
        if before.size > after.size:
            raise Untrue(f"the log shows {after.size} entries, and showed {before.size} before")
        merkle.check_consistency(before.size, after.size, before.root, after.root, consistency)
    except Untrue as error:
        if checkpoint.contradicts(before, after, consistency):
            raise SplitView(
                f"this log contradicts what it signed before: {error.message}",
                hint="keep both heads: they prove it. Trust no key of this log until its members have explained it",
                evidence=(old.decode(), new.decode()),
            ) from error
        raise Untrue(
            f"this log does not show that it continues what it signed before: {error.message}",
            hint="it may be an old copy, or a second history: compare both heads with other members",
            evidence=(old.decode(), new.decode()),
        ) from error


def check_entry(answer: Answer, statement: bytes, log: Verifier, old: bytes) -> Signed:
    """The verified head of a log in which `statement` stands as an entry. Untrue, Malformed or SplitView otherwise."""
    head = extend(old, answer.head, answer.consistency, log)
    if len(answer.shown) != 1 or answer.shown[0].entry != statement:
        raise Untrue("the answer does not show what was sent")
    shown = answer.shown[0]
    shown.check(head.checkpoint)
    return head


def check_receipt(answer: Answer, said: Opened[Received], log: Verifier, old: bytes) -> Signed:
    """The verified head of a log that holds this receipt. Untrue, Malformed or SplitView otherwise."""
    head, receipt = _returned(answer, said.data, log, old, "receipt")
    wanted = (said.value.request, said.value.files, said.value.size)
    if not isinstance(receipt, Receipt) or (receipt.request, receipt.files, receipt.size) != wanted:
        raise Untrue("the log's receipt is not the one that was signed")
    return head


def check_dropped(answer: Answer, said: Opened[Dropping], log: Verifier, old: bytes) -> Signed:
    """The verified head of a log that holds this holder's word that they dropped a dataset. Untrue, Malformed or
    SplitView otherwise."""
    head, dropped = _returned(answer, said.data, log, old, "statement")
    if not isinstance(dropped, Dropped) or dropped.request != said.value.request:
        raise Untrue("the log's entry is not what the holder signed")
    return head


def _returned(
    answer: Answer, statement: bytes, log: Verifier, old: bytes, what: str
) -> tuple[Signed, Receipt | Dropped]:
    """The head, and under it the one entry that hides exactly `statement`."""
    head = extend(old, answer.head, answer.consistency, log)
    if len(answer.shown) != 1:
        raise Untrue(f"the answer does not show the {what}")
    shown = answer.shown[0]
    shown.check(head.checkpoint)
    leaf = entries.decode(shown.entry)
    if not isinstance(leaf, Receipt | Dropped) or shown.opening is None:
        raise Untrue(f"the answer does not show the {what}")
    opened = opening.decode(shown.opening)
    opening.check(opened, entries.commitments(leaf))
    if opened.get("statement") != statement:
        raise Untrue(f"the log's {what} is not the one that was signed")
    return head, leaf
