"""Keeping shares of other people's keys: taking them in, and giving one out on nobody's word.

A custodian follows the log itself, and checks proof, quorum, decision, rule, expiry and revocation before its share
leaves. It signs what it gave and why: without the log's leave, that signature convicts it (`custody.misconduct`).
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Mapping

from commons.core.crypto import codec, envelope, hpke
from commons.core.crypto.envelope import Opened
from commons.core.crypto.keys import Keys
from commons.core.dataset import rule
from commons.core.state import entries, transfer
from commons.core.state.clock import Word
from commons.core.state.entries import Asked, Decision
from commons.core.state.fold import Published
from commons.core.tlog import cosignature
from commons.core.tlog.checkpoint import Signed
from commons.core.tlog.note import Verifier
from commons.core.tlog.policy import Policy
from commons.custody import handover, sharing
from commons.custody.client import PATIENCE, Sources, keys_of, place
from commons.custody.handover import CLAIM_LIMIT, Claim, Handover, Part
from commons.custody.sharing import VerifiedDeposit
from commons.disk import dating
from commons.disk.deposits import Deposits, Gave, KeptShare
from commons.errors import Conflict, Malformed, NotFound, Pending, Refused, StorageFailed, Untrue
from commons.log import answer
from commons.log.answer import Answer, Checked
from commons.log.replica import Followed, Replica
from commons.net.limits import Buckets, over
from commons.net.network import Network

UNBEGUN = 256  # series by one peer that are in no log: somebody fills our disk, or publishing fails again and again


class Custodian:
    """A custodian: it keeps shares for the commons in `logs`, each of which it reads itself. `clock` gives seconds
    since 1970, `word` what the owner said of the clock and a log."""

    def __init__(
        self,
        keys: Keys,
        deposits: Deposits,
        logs: Mapping[str, Followed],
        clock: Callable[[], float] = time.time,
        word: Callable[[str], Word | None] = lambda commons: None,
    ) -> None:
        self._word = word
        self.keys, self.deposits, self.logs, self._clock = keys, deposits, logs, clock
        self.each = Buckets(rate=0.5, burst=120)  # by who signed what is asked: each time the log is read anew
        self.everyone = Buckets(rate=20, burst=500)

    def announce(self, commons: str) -> bytes:
        """The signed custody key of this node: `GET /{commons}/custody-key`. NotFound for a commons that it keeps no
        shares for."""
        self._log(commons)
        return sharing.announce(commons, hpke.public_of(self.keys.custody()), self.keys.identity)

    async def deposit(self, commons: str, body: bytes) -> bytes:
        """The digest of a sharing, once this node's share is on the disk: `POST /{commons}/deposits`.

        Refused unless it is of a member's secret, or for a series that is known, of its publisher's; and by the policy
        that the commons has voted, if it has. A custodian who goes passes on a share of theirs in the same way.
        """
        taken = self.take(body)
        shared, publisher = taken.sharing.value, taken.root.signer
        if shared.commons != commons:
            raise Malformed("this share is of another commons' dataset")
        seen = self._log(commons).replica
        self._limit(taken.sharing.signer)
        voted = await self.custodians(commons)
        state = seen.state
        begun = state.series.get(shared.series)
        passed = begun is not None and len(taken.line) > 1  # its publisher may be no member any more
        if (publisher not in state.founded.members and not passed) or (
            begun and state.datasets[begun].publisher != publisher
        ):
            raise Refused("a share is deposited by who publishes the dataset")
        if len(taken.line) > 1 and voted is None:
            raise Refused("custodians pass on their shares where their commons has voted for others")
        if voted is not None and str(voted) != shared.policy:
            raise Refused("this commons has other custodians", hint="share the key as its charter says")
        if shared.epoch > state.epochs.get(shared.series, -1) + 1:
            raise Refused(f"no version of this series will need key epoch {shared.epoch} yet")
        if not begun:
            waiting = self.deposits.series(commons, taken.sharing.signer) - state.series.keys() - {shared.series}
            if len(waiting) >= UNBEGUN:
                raise Conflict(
                    f"{len(waiting)} keys by {taken.sharing.signer} are kept here of which nothing was ever published",
                    hint="ask the custodian to drop them",
                )
        digest = sharing.digest(taken.sharing)
        self.deposits.put(KeptShare(
            sharing=digest, root=sharing.digest(taken.root), commons=commons, series=shared.series,
            epoch=shared.epoch, signer=taken.sharing.signer, data=body,
        ))  # fmt: skip
        return digest

    async def hand(self, commons: str, body: bytes, caller: str | None) -> bytes:
        """A Handover, for a Claim (`body`), both in exact bytes: `POST /{commons}/shares`. `caller` is the peer at the
        other end, if known.

        The order: read the log anew; check everything; record each release; only then speak. A crash before the record
        leaves nothing; one after it leaves a release that nobody got, and the same claim, sent again, gets those bytes.
        """
        claim = codec.decode(Claim, body, CLAIM_LIMIT)
        said = envelope.open(entries.REQUEST, Asked, claim.statement)
        if said.value.commons != commons or caller not in (None, said.signer):
            raise Refused("a share is asked for by who signed the request, and of the commons it was signed for")
        followed = self._log(commons)
        seen = followed.replica
        self._limit(said.signer)
        await followed.follow()
        given = codec.decode(Answer, claim.answer, CLAIM_LIMIT)
        for note in {given.head, claim.witnessed}:
            await seen.contains(note)
        # From here on nothing waits, so that what is checked, what is named and what is in force are one state.
        head = seen.head
        kept = self.deposits.under(claim.sharing)
        deposits = [taken for each in kept if (taken := self.taken(each)) is not None]
        if kept and not deposits:
            raise StorageFailed("what this node keeps of this secret is damaged", hint="ask the other custodians")
        if not deposits:
            raise NotFound("no share of this secret was given to this node", hint="ask the other custodians")
        now, parts = int(self._clock()), []
        for taken in deposits:
            checked = check_release(said, given, claim.witnessed, taken, seen, now, self._word(commons))
            below = tuple(each.data for each in taken.line[1:])
            released = self._give(taken, said, checked, claim.witnessed, head, now)
            parts.append(Part(released=released, below=below))
        return codec.encode(Handover(parts=tuple(parts)))

    def _give(
        self, taken: VerifiedDeposit, said: Opened[Asked], checked: Checked, shown: bytes, head: Signed, now: int
    ) -> bytes:
        statement, decision = entries.statement_digest(said.data), checked.decision or 0
        data = handover.release(
            taken,
            said,
            self.keys.identity,
            request=checked.request,
            decision=decision,
            shown=shown,
            head=head.note,
            time=now,
        )
        return self.deposits.record(Gave(
            statement=statement, decision=decision, sharing=sharing.digest(taken.sharing),
            commons=said.value.commons, dataset=said.value.dataset, requester=said.signer, request=checked.request,
            time=now, data=data,
        ))  # fmt: skip

    async def custodians(self, commons: str) -> Policy | None:
        """The policy of those whom the commons has voted to keep its keys, by its newest head; None where it leaves
        that to publishers. Outdated where it goes by rules that are not known here."""
        seen = self._log(commons)
        await seen.follow()
        seen.replica.state.check_known()
        return seen.replica.state.custodian_policy

    def take(self, data: bytes) -> VerifiedDeposit:
        """The share in a deposit for this node, verified."""
        return sharing.take(data, self.keys.identity.peer, self.keys.custody())

    def taken(self, kept: KeptShare) -> VerifiedDeposit | None:
        """The share in a deposit that is kept here; None where it is damaged: it withholds no other."""
        return self.deposits.unread.read("deposits", kept.sharing.hex(), lambda: self.take(kept.data))

    def _limit(self, who: str) -> None:
        now = self._clock()
        if wait := self.each.take(who, now) or self.everyone.take("all", now):
            raise over(wait)

    def _log(self, commons: str) -> Followed:
        if commons not in self.logs:
            raise NotFound(f"this node keeps no shares for {commons[:80]}")
        self.logs[commons].replica.state.check_known()
        return self.logs[commons]


def check_release(
    said: Opened[Asked],
    given: Answer,
    witnessed: bytes,
    taken: VerifiedDeposit,
    seen: Replica,
    now: int,
    word: Word | None = None,
) -> Checked:
    """The verified answer, if this share may go to who signed `said`, at `now` or the log's time if that is later, by
    the log as this custodian has `seen` it itself.

    The answer's head and the one `witnessed` must be ones that this log contains: `Replica.contains`. Everything else
    is checked here, and everything fails closed: Untrue, Malformed, Refused, Pending, Gone or NotFound.
    """
    state, log = seen.state, seen.log
    state.check_known()
    given_by, shown_by = (transfer.signer(each, log.name, state.tenures) for each in (given.head, witnessed))
    checked = answer.check(given, said, given_by, b"", [each.registrar for each in state.tenures])
    check_quorum(witnessed, shown_by, state.founded.charter.witnesses, checked)
    heads = [witnessed, seen.head.note]  # whoever claims may show an old one
    at = dating.judged(state, now, heads, checked.request, word)
    access = state.granted(checked.request, at)
    request, decision = access.entry, entries.decode(given.shown[-1].entry)
    if not isinstance(decision, Decision) or (checked.decision, decision.outcome) != (access.decision, "grant"):
        raise Pending("the answer does not show the decision in force", hint="fetch again: it brings the newest answer")
    published = state.published(request.dataset)
    _check_rule(said, decision, published, seen)
    state.check_still(access, said.signer)
    entry = published.entry
    sharing.check_sharing(
        taken.root, published.publisher, said.value.commons, entry.series, entry.epoch, entry.terms, entry.rule
    )
    voted = state.custodian_policy
    if voted is not None and taken.sharing.value.peer(taken.name) not in voted.custodians().values():
        raise Refused("this node is no custodian of this commons any more", hint="ask those who are")
    return checked


def _check_rule(said: Opened[Asked], decision: Decision, published: Published, seen: Replica) -> None:
    """A decision that nobody signed is the one of the rule in force, or of the ballots, which the fold has compared."""
    grounds = seen.verified.grounds.get(decision.request)
    if grounds is None:
        raise Untrue("the decision rests on no rule that was in force")
    decision.check_end(published.entry.grant_days)
    if grounds.rule.kind == "vote" and decision.reason != "voted":  # nobody's signature stands for the ballots
        raise Untrue(f"granted ({decision.reason}); by the rule the members decide")
    if decision.statement is not None or grounds.rule.kind == "vote":
        return
    verdict = rule.decide(
        grounds.rule, said.signer, published.entry.purposes, said.value.purpose, grounds.colleges_of(said.signer)
    )
    if (verdict.outcome, verdict.reason) != (decision.outcome, decision.reason):
        raise Untrue(f"granted ({decision.reason}); the rule says {verdict.outcome} ({verdict.reason})")


def check_quorum(head: bytes, log: Verifier, witnesses: str, checked: Checked) -> None:
    """Nothing; Refused unless as many as the policy (its text, "" for none) asks for have cosigned the head; Pending
    where it ends before the entries of the answer."""
    asked = cosignature.quorum(witnesses)
    opened, present = cosignature.open(head, log, asked)
    if not asked.met(present):
        raise Refused(
            f"the head is not cosigned by enough witnesses: {asked.missing(present)} missing",
            hint="ask the registrar again in a while",
        )
    if opened.checkpoint.size <= max(checked.request, checked.decision or 0):
        raise Pending("the witnesses have not seen the decision yet", hint="fetch again in a while")


async def pass_on(
    net: Network, custodian: Custodian, sources: Sources, commons: str, patience: float = PATIENCE, again: bool = False
) -> list[bytes]:
    """The digests of this custodian's own sharings that may be dropped, once enough others have done the same: each of
    its shares was shared among those whom the commons has voted since. Empty where there is nothing to do.

    One after the other, each recorded once all of them have kept theirs: a crash, or one who is away, leaves the rest
    to a repetition. `again` does what was recorded once more, for those who lost it.
    """
    voted = await custodian.custodians(commons)
    if voted is None:
        return []
    done = []
    for kept in custodian.deposits.of(commons):
        taken = custodian.taken(kept)
        if taken is None:
            continue
        if taken.sharing.value.policy == str(voted) or (
            custodian.deposits.passed(kept.sharing, str(voted)) and not again
        ):
            continue
        known = await keys_of(net, sources, voted, commons, patience)
        shared, deposits = sharing.pass_on(taken, known, custodian.keys.identity, secrets.token_bytes, voted)
        await place(net, sources, voted, commons, shared, deposits, patience)
        custodian.deposits.put_passed(kept.sharing, str(voted))
        done.append(kept.sharing)
    return done
