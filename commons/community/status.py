"""How a community stands, from the fold of its log alone: members, open proposals, and what its gate-keepers did."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from commons.core.state import proposals
from commons.core.state.ballot import Ballot
from commons.core.state.community import Community
from commons.core.state.entries import Publish
from commons.core.state.fold import Access, State
from commons.core.tlog import cosignature
from commons.errors import Malformed, Outdated
from commons.log import wording

Told = dict[str, Any]


def told(state: State, me: str, now: int, everything: bool = False, faults: int = 0) -> Told:
    """A community as plain values: who is in it, who decides what, what is open, what it lacks, and how many entries of
    its log are faulty."""
    community, charter = state.founded, state.founded.charter
    ballots = [*community.ballots.values()] if everything else community.waiting()
    return {
        "commons": state.commons,
        "name": charter.name,
        "purpose": charter.purpose,
        "registrar": charter.registrar,
        "heir": community.heir.peer if community.heir else None,
        "readers": charter.readers,
        "colleges": {name: list(peers) for name, peers in community.colleges.items()},
        "mine": list(community.colleges_of(me)),
        "powers": [{"action": p.action, "rule": p.rule, "days": p.days} for p in charter.powers],
        "ratchets": list(charter.ratchets),
        "retention_days": charter.retention_days,
        "proposals": [_ballot(state, community, ballot, me, now) for ballot in ballots],
        "withdrawn": dict(community.withdrawn),
        "faults": faults,
        "rules": state.rules,
        "outdated": outdated(state),
    }


def outdated(state: State) -> str:
    """Why nothing is judged here any more, with what to do; "" where it is."""
    try:
        state.check_known()
    except Outdated as error:
        return f"{error.message}: {error.hint}"
    return ""


def proposal(state: State, me: str, now: int, index: int) -> Told:
    """One proposal as plain values."""
    return _ballot(state, state.founded, state.founded.ballot(index), me, now)


def _ballot(state: State, community: Community, ballot: Ballot, me: str, now: int) -> Told:
    standing = wording.stands(ballot, now)
    try:
        missing, silent = community.missing(ballot), community.silent(ballot)
    except Malformed as error:
        missing, silent = error.message, []
    return {
        "proposal": ballot.index, "action": ballot.entry.action, "about": wording.about(ballot.entry),
        "means": wording.means(state, ballot.entry, ballot.number), "rules": ballot.number,
        "words": ballot.entry.words, "proposer": ballot.proposer, "standing": standing, "closed": ballot.closed,
        "why": ballot.why, "deadline": ballot.deadline, "taken": ballot.taken,
        "ballots": [{"peer": peer, "choice": choice, "reason": ballot.reasons.get(peer, "")}
                    for peer, choice in ballot.votes.items()],
        **{choice: len(ballot.who(choice)) for choice in proposals.CHOICES}, "mine": ballot.votes.get(me),
        "witnesses": _unstamped(community) if standing == "counted" else "",
        "missing": missing if standing == "open" else "", "silent": silent if standing == "open" else [],
    }  # fmt: skip


def _unstamped(community: Community) -> str:
    """Of whom a stamp is waited for: those whom the charter names, enough of whom have to say that they saw it."""
    return cosignature.quorum(community.charter.witnesses).missing(())


def statistics(state: State, since: int | None, until: int | None) -> list[Told]:
    """What registrar and stewards did, a row for each dataset: requests, how many were granted, how fast, and why
    others were not."""
    rows: dict[str, _Counted] = {}
    for access in state.accesses.values():
        if (since is None or access.entry.time >= since) and (until is None or access.entry.time < until):
            rows.setdefault(access.entry.dataset, _Counted()).take(access)
    return [_row(state.datasets[dataset].entry, dataset, counted) for dataset, counted in rows.items()]


@dataclass(slots=True)
class _Counted:
    """What became of the requests for one dataset."""

    requests: int = 0
    granted: int = 0
    waited: list[int] = field(default_factory=list)
    reasons: Counter[str] = field(default_factory=Counter)

    def take(self, access: Access) -> None:
        self.requests += 1
        self.granted += access.outcome in ("grant", "revoke")
        if access.outcome != "pending":
            self.reasons[access.reason] += 1
            if access.decided is not None:
                self.waited.append(access.decided - access.entry.time)


def _row(said: Publish, dataset: str, counted: _Counted) -> Told:
    answered, waited = counted.reasons.total(), sorted(counted.waited)
    return {
        "title": said.title,
        "version": said.version,
        "dataset": dataset,
        "requests": counted.requests,
        "granted": counted.granted,
        "refused": answered - counted.granted,
        "waiting": counted.requests - answered,
        "median_seconds": waited[len(waited) // 2] if waited else None,
        "reasons": dict(counted.reasons),
    }
