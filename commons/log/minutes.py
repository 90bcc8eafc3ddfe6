"""The minutes of a community, from a log that was verified: who proposed, voted and joined, what came of it, who has
kept the log and the keys.

A row is an entry that the fold took; what it refused is among the audit's faults, and has no effect to tell.
"""

from __future__ import annotations

from typing import Any

from commons.core.crypto.envelope import Opened
from commons.core.state.charter import Charter
from commons.core.state.community import Community
from commons.core.state.entries import Stamp
from commons.core.state.proposals import Join, LaterRules, Proposal, Vote
from commons.core.tlog import checkpoint, note
from commons.log import wording
from commons.log.judge import Governed, Report

Told = dict[str, Any]


def signers(report: Report) -> set[str]:
    """The peer ids of all who signed an entry by which the community is governed."""
    return {each.entry.signer for each in report.governed if isinstance(each.entry, Opened)}


def told(report: Report, who: str | None, since: int | None, until: int | None, now: int) -> Told:
    """The minutes, as plain values: the charter in force, its members by college, who kept the log and the keys since
    when, and one row for each entry.

    `who`, `since` and `until` leave out the rows of others and of other times; None keeps all. A row's `outcome` is
    what became of a proposal.
    """
    community = report.state.founded
    numbers = {ballot.digest: ballot.index for ballot in community.ballots.values()}
    rows = [_row(community, numbers, each, now) for each in report.governed]
    return {
        "charter": wording.lines(community.charter),
        "colleges": {name: list(peers) for name, peers in community.colleges.items()},
        "registrars": [
            {
                "entry": each.since,
                "peer": each.registrar,
                "from": each.base.size if each.base else None,
                "key": note.Verifier(name=report.log.name, public=each.key).vkey,
            }
            for each in community.tenures
        ],
        "heir": community.heir.peer if community.heir else None,
        "custodians": _custodians(report, community),
        "rows": [
            row
            for row in rows
            if (who is None or row["who"] == who)
            and (since is None or row["time"] >= since)
            and (until is None or row["time"] < until)
        ],
    }


def _custodians(report: Report, community: Community) -> list[Told]:
    """The founders' choice, and each that passed, by the entry at which it did."""
    founding = next(each.entry.value for each in report.governed if isinstance(each.entry, Opened))
    first = founding.custodians if isinstance(founding, Charter) else ""
    later = [
        (ballot.closed, ballot.entry.custodians or "")
        for ballot in community.ballots.values()
        if ballot.entry.action == "change-custodians" and ballot.standing == "passed" and ballot.closed is not None
    ]
    return [{"entry": entry, "policy": text.splitlines()} for entry, text in [(0, first), *sorted(later)]]


def _row(community: Community, numbers: dict[bytes, int], governed: Governed, now: int) -> Told:
    index, entry = governed.index, governed.entry
    made: Told = {
        "entry": index,
        "who": None,
        "proposal": None,
        "outcome": "",
        "closed": None,
        "words": "",
        "why": "",
        "means": governed.means,
    }
    if isinstance(entry, Stamp):
        head = checkpoint.parse(note.peek(entry.head))
        return made | {"time": entry.time, "kind": "stamp", "what": f"witnesses saw the first {head.size} entries"}
    value = entry.value
    made |= {"time": value.time, "who": entry.signer}
    if isinstance(value, Charter):
        return made | {"kind": "charter", "what": f"founds {value.name}"}
    if isinstance(value, Proposal | LaterRules):
        ballot = community.ballots[index]
        said = ballot.entry
        return made | {
            "kind": "proposal",
            "proposal": index,
            "what": f"{said.action}, {wording.about(said)}",
            "outcome": wording.stands(ballot, now),
            "closed": ballot.closed,
            "words": said.words,
            "why": ballot.why,
        }
    if isinstance(value, Vote):
        number = numbers[value.proposal]
        return made | {
            "kind": "ballot",
            "proposal": number,
            "what": f"{value.choice} to proposal {number}",
            "words": value.reason,
        }
    if isinstance(value, Join):
        college = community.ballots[value.invitation].entry.college
        return made | {
            "kind": "join",
            "proposal": value.invitation,
            "what": f"joins {college}, by invitation {value.invitation}",
        }
    size = checkpoint.parse(note.peek(value.head)).size
    return made | {"kind": "succession", "what": f"keeps the log from here on, from a head of {size} entries"}
