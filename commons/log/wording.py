"""Proposals and charters in plain lines, for who is to vote, and for the minutes."""

from __future__ import annotations

from commons.core.state.actions import ACTIONS
from commons.core.state.ballot import Ballot
from commons.core.state.charter import Charter
from commons.core.state.fold import State
from commons.core.state.proposals import Proposal


def stands(ballot: Ballot, now: int) -> str:
    """What has become of a proposal by now, in a word. The log closes no proposal that is only late: this says
    "expired" of it all the same."""
    return "expired" if ballot.standing == "open" and now > ballot.deadline else ballot.standing


def about(said: Proposal) -> str:
    """What a proposal is about, in a line."""
    return ACTIONS[said.action].line.format(
        peer=said.peer or "whoever holds the invitation",
        college=said.college,
        target=said.target,
        dataset=said.dataset,
        series=(said.series or b"").hex(),
        rule=said.rule,
        charter=said.charter.name if said.charter is not None else "",
    )


def means(state: State, said: Proposal, number: int | None = None) -> list[str]:
    """What would be true if the proposal passed, in lines that whoever votes can read; of an amended charter only what
    differs from the one in force, and the `number` of the rules that come with it."""
    if said.action == "change-custodians":
        return (said.custodians or "").splitlines() or ["nobody: the registrar keeps the keys"]
    if said.charter is not None:
        new, old = lines(said.charter), lines(state.founded.charter)
        later = [f"rules {number} in place of rules {state.rules}, and never back"] if number is not None else []
        return [
            *later,
            *(f"no longer: {line}" for line in old if line not in new),
            *(line for line in new if line not in old),
        ]
    dataset = state.series.get(said.series) if said.series is not None else said.dataset
    if said.target is not None and said.target in state.accesses:
        dataset = state.accesses[said.target].entry.dataset
    found = state.datasets.get(dataset) if dataset is not None else None
    return [f"{found.entry.title!r}, version {found.entry.version}"] if found else []


def lines(charter: Charter) -> list[str]:
    """A charter in plain words, without the members of its colleges."""
    rules = [
        f"{p.action}, within {p.days} days: {'; '.join(p.rule.split(chr(10))).strip('; ')}" for p in charter.powers
    ]
    return [
        f"name: {charter.name}",
        f"purpose: {charter.purpose}",
        f"registrar: {charter.registrar}",
        f"openings are read by: {charter.readers}",
        f"days until a request is forgotten: {charter.retention_days or 'no end'}",
        f"only wider: {', '.join(charter.ratchets) or 'nothing'}",
        f"colleges: {', '.join(each.name for each in charter.colleges)}",
        *rules,
        f"witnesses: {'; '.join(charter.witnesses.splitlines()) or 'none'}",
        f"custodians: {'; '.join(charter.custodians.splitlines()) or 'none'}",
    ]
