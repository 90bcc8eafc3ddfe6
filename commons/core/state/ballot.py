"""A proposal on its way: who has voted what, until when, by which rule, and what came of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, Protocol

from commons.core.dataset.rule import Rule
from commons.core.state.proposals import Proposal

Standing = Literal["open", "counted", "passed", "rejected", "expired", "void"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Ballot:
    """A proposal at entry `index`, `digest` the SHA-256 of its bytes, and what became of it. `closed` is the entry that
    decided it; `why` says what made it void. It is `counted`, at entry `met`, when it has its votes and the witnesses
    have still to say that they were there in time."""

    index: int
    digest: bytes
    proposer: str
    entry: Proposal
    number: int | None = None  # of the rules that come into force with it
    rule: str
    deadline: int
    dated: int  # the latest day, by their own clocks, on which its members signed
    votes: Mapping[str, str] = field(default_factory=dict)  # choice by peer
    reasons: Mapping[str, str] = field(default_factory=dict)  # by peer, of those who gave one
    standing: Standing = "open"
    closed: int | None = None
    met: int | None = None
    why: str = ""
    taken: int | None = None  # of an invitation: the entry of who joined

    def who(self, choice: str) -> set[str]:
        """The members who chose `choice`: "yes", "no" or "abstain"."""
        return {peer for peer, chosen in self.votes.items() if chosen == choice}


class World(Protocol):
    """What a proposal may be about, and only the rest of the fold knows: datasets and requests. `fold.State` is one."""

    def rule(self, request: int) -> Rule:
        """The rule in force for the dataset of a request."""

    def rule_of_series(self, series: bytes) -> Rule:
        """The rule in force for a series of versions. NotFound where none is published."""

    def check_target(self, action: str, request: int) -> None:
        """Nothing; NotFound, Conflict or Refused where `action` cannot be done to a request."""

    def published(self, cid: str) -> object:
        """The dataset with this CID; NotFound unless it is in this commons."""

    def check_new(self, cid: str) -> None:
        """Nothing; Conflict where a dataset is published already."""
