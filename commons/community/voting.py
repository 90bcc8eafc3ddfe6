"""Governing together: what members sign is sent to the registrar, and taken into the log if the rules allow it.

Nobody closes a vote: everybody computes from the log what passed.
"""

from __future__ import annotations

import asyncio
import os
import secrets
import time
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any

from commons.community.invitation import Invitation
from commons.core.crypto import codec, envelope, ids
from commons.core.crypto.ids import PeerId
from commons.core.crypto.keys import Signer
from commons.core.dataset.terms import DAY
from commons.core.state import entries, proposals, rules
from commons.core.state.actions import ACTIONS
from commons.core.state.entries import Decision, Stamp
from commons.core.state.fold import State
from commons.core.state.proposals import Join, LaterRules, Proposal, Vote
from commons.core.tlog import checkpoint, note
from commons.core.tlog.note import LIMIT, Verifier
from commons.disk.home import Home
from commons.disk.log import Log
from commons.disk.records import Draft, Record, record
from commons.errors import Malformed, NotFound
from commons.log import answer
from commons.log.answer import SKEW, Submission
from commons.log.submit import check_rules, exchange
from commons.net.network import Network, first

AHEAD = 10  # seconds that a member's clock may be early: nobody holds up the others

Said = Proposal | LaterRules | Vote | Join
KINDS: dict[str, type[Any]] = {
    proposals.PROPOSAL: Proposal, proposals.RULES: LaterRules, proposals.VOTE: Vote, proposals.JOIN: Join
}  # fmt: skip


# -- the registrar's side ---------------------------------------------------------------------------------------------


def taken(log: Log, commons: str, statement: bytes, now: float) -> tuple[PeerId, bytes, Record]:
    """What the registrar makes of a member's signed proposal, ballot or joining: its signer, its digest, and the record
    for the log. Malformed, NotFound."""
    kind = codec.decode(envelope.Envelope, statement).type
    if kind not in KINDS:
        raise Malformed(f"not something a log takes from others: {kind[:40]!r}")
    said = envelope.open(kind, KINDS[kind], statement)
    if said.value.commons != commons:
        raise NotFound(f"this node keeps the log of {commons}, not of {said.value.commons}")
    digest = entries.statement_digest(statement)
    if log.answered(digest) is None:
        check_date(said.value.time, now)
    return said.signer, digest, record(said, statement=digest)


def check_date(dated: int, now: float) -> None:
    """Nothing; Malformed for what a member dates otherwise than this node's clock allows: the log could not go back."""
    if not -SKEW < dated - now <= AHEAD:
        raise Malformed(
            f"it is dated {dated}, this node's clock says {int(now)}",
            hint=f"set your clock right: it may be {SKEW} s late, and {AHEAD} s early",
        )


async def stamp(log: Log, head: bytes, size: int) -> None:
    """Nothing: logs when the witnesses saw the ballots that wait for it, by a head of `size` entries that they signed;
    then what the ballots decided by it."""
    await asyncio.wrap_future(log.append(stamped(head, size)))
    await settle(log)


def settled(state: State, _index: int, now: int) -> list[Record]:
    """The decisions that ballots have made and the log does not have yet, as records: a draft for `Log.append`."""
    community = state.founded
    if community.heir is not None:
        return []
    found = []
    for asked in sorted(community.unsettled - state.redacted.keys()):
        outcome, expires = community.verdicts[asked]
        published = state.datasets[state.access(asked).entry.dataset]
        leaf = Decision(
            type=entries.DECISION,
            time=now,
            request=asked,
            outcome=outcome,
            reason="voted",
            basis=published.basis,
            expires=entries.until(outcome, now, published.entry.grant_days, expires),
            statement=None,
        )
        found.append(record(leaf))
    return found


def stamped(head: bytes, size: int) -> Draft:
    """A draft for `Log.append`: the stamp of a head with `size` entries, if ballots in it wait for one."""

    def draft(state: State, _index: int, now: int) -> list[Record]:
        community = state.founded
        waiting = () if community.heir else community.counted.values()
        if all((each.met or 0) >= size for each in waiting):
            return []
        return [record(Stamp(type=entries.STAMP, time=now, head=head))]

    return draft


async def settle(log: Log) -> None:
    """Nothing: logs what the ballots have decided, if the log does not have it yet."""
    await asyncio.wrap_future(log.append(settled))


# -- a member's side --------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Seat:
    """A community this home takes part in: whose log (`key`), and where its registrar is reached; nowhere if here."""

    commons: str
    key: Verifier
    sources: tuple[str, ...] = ()


def seat_of(seats: Sequence[Seat], named: str | None, own: Seat | None) -> Seat:
    """The community that is meant: the one `named` by its id, else the only one this home takes part in, else its
    own."""
    if named is not None:
        cid = ids.check_commons(named)
        found = next((seat for seat in (*seats, own) if seat is not None and seat.commons == cid), None)
        if found is None:
            raise NotFound(f"this home takes no part in {cid}", hint="`commons community join` takes an invitation")
        return found
    if len(seats) > 1:
        raise Malformed("this home takes part in several communities", hint="name one with --in ID")
    if seats:
        return seats[0]
    if own is None:
        raise NotFound("this identity takes part in no commons any more", hint="name one with --in ID")
    return own


VOTABLE = ("acknowledge", "members", "approval", "vote")  # rules that can be proposed in words


def check_words(action: str, access: str | None, said: Collection[str]) -> None:
    """Nothing; Malformed, with the option that is missing or too many, unless a proposal to `action` can be made of the
    options that were `said`."""
    if action not in ACTIONS:
        raise Malformed(f"not something to decide: {action[:40]!r}", hint=f"one of {', '.join(ACTIONS)}")
    needed = ACTIONS[action].needs
    missing = [f"--{name}" for name in needed if name not in said]
    if missing:
        hint = "`commons community invite` admits whoever holds an invitation" if action == "admit" else ""
        raise Malformed(f"a proposal to {action} needs {' and '.join(missing)}", hint=hint)
    if more := sorted(set(said) - {*needed, *ACTIONS[action].takes}):
        raise Malformed(f"a proposal to {action} takes no --{more[0]}")
    if action == "set-rule" and access not in VOTABLE:
        raise Malformed(f"not a rule that can be voted: {str(access)[:40]!r}", hint=f"--access {', '.join(VOTABLE)}")


def proposal(commons: str, action: str, **what: Any) -> Proposal:
    """A new proposal to `action`, dated now, not signed yet."""
    return Proposal(commons=commons, action=action, time=int(time.time()), nonce=secrets.token_bytes(16), **what)


def invite(seat: Seat, college: str, days: int, words: str) -> tuple[Proposal, bytes]:
    """The proposal to admit whoever holds the token, and the token. Malformed for what could never be taken."""
    if not 1 <= days <= 366:
        raise Malformed(f"an invitation can be taken for 1 to 366 days, not {days}", hint="--days 14")
    token = os.urandom(32)
    said = proposal(
        seat.commons,
        "admit",
        college=college,
        key=Signer(token).public,
        expires=int(time.time()) + days * DAY,
        words=words,
    )
    return said, token


def joining(home: Home, invitation: Invitation) -> Join:
    """A new joining by an invitation, dated now, not signed yet."""
    proof = proposals.take(invitation.commons, Signer(invitation.token), home.keys.identity.peer)
    return Join(commons=invitation.commons, invitation=invitation.proposal, proof=proof, time=int(time.time()))


def spoken(made: Proposal, number: int | None) -> tuple[str, Proposal | LaterRules]:
    """What a member signs to propose it, with the rules of a number or without, and its type. Outdated for rules that
    this version does not know: whoever asks for them has to go by them."""
    if number is None:
        return proposals.PROPOSAL, made
    rules.check(number)
    return proposals.RULES, LaterRules(rules=number, proposal=made)


def sign(home: Home, kind: str, value: Said) -> bytes:
    """A proposal, ballot or joining, signed by this home's identity: exact bytes. Outdated where that log goes by rules
    that are not known here, as far as this home has read it."""
    if (own := home.kept.get(value.commons)) is not None:
        own.log.state.check_known()
    for commons, key, _ in home.shelf.seats():
        if commons == value.commons:
            check_rules(home, Verifier(name=f"commons/{commons}", public=key))
    return envelope.sign(kind, value, home.keys.identity)


async def send(home: Home, net: Network, seat: Seat, kind: str, value: Said) -> int:
    """The index of the entry, once it was signed and sent, and the log is seen to have exactly that. What was refused
    is in no log. Outdated, and nothing is signed, where the log's newest head names rules that are not known here."""
    shown = await first(
        seat.sources, "its newest head", lambda source: net.get(source, f"/{seat.commons}/checkpoint", limit=LIMIT)
    )  # fmt: skip
    rules.check(checkpoint.parse(note.peek(shown)).rules)
    statement = sign(home, kind, value)
    _, got = await exchange(
        home,
        net,
        seat.key,
        seat.sources,
        f"/{seat.commons}/entries",
        body=lambda head: codec.encode(Submission(statement=statement, details=None, head=head)),
        check=lambda shown, head: answer.check_entry(shown, statement, seat.key, head),
    )
    return got.shown[0].index
