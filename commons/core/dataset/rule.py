"""Who may have a dataset's key: the access rule, and its decision over one request. Pure; fails closed.

public: the key is printed in the manifest and nobody is asked. acknowledge: anyone who signs that they saw the terms.
members: whoever is in the commons, or in one college. allow-list: the peers named. approval: the steward decides.
vote: the members decide, as the charter has it; where a college is named, any one of that college.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Literal

from commons.core.crypto.ids import check_peer
from commons.errors import Malformed, Refused

Outcome = Literal["grant", "refuse", "pending"]
KINDS = ("allow-list", "approval", "vote", "members", "acknowledge", "public")  # each wider than the one before


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """An access rule. `peers` is the list of an allow-list, sorted; empty for every other kind. `college` for members
    and vote."""

    kind: str
    peers: tuple[str, ...] = ()
    college: str | None = None

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise Malformed(f"not an access rule: {self.kind[:40]!r}", hint=f"use one of {', '.join(KINDS)}")
        if (self.kind == "allow-list") != bool(self.peers):
            raise Malformed("an allow-list names at least one peer, and no other rule names any", hint="--allow PEER")
        if list(self.peers) != sorted({check_peer(peer) for peer in self.peers}):
            raise Malformed("the peers of an allow-list are sorted, each once")
        if self.college is not None and (self.kind not in ("members", "vote") or not 0 < len(self.college) <= 32):
            raise Malformed("a college stands in the rules `members` and `vote` only", hint="--college NAME")

    @property
    def spoken(self) -> str:
        """As the options of the command line say it."""
        words = [f"--access {self.kind}", *(f"--allow {peer}" for peer in self.peers)]
        return " ".join([*words, f"--college {self.college}"] if self.college else words)

    def __str__(self) -> str:
        if self.peers:
            return f"{self.kind} ({len(self.peers)} peers)"
        return f"{self.kind} of {self.college}" if self.college else self.kind


def as_wide(rule: Rule, before: Rule) -> bool:
    """Whether a rule is at least as wide as the one before it: of a wider kind; or of the same, with nobody left off
    the list, and in all colleges or in the same one. Between two colleges neither is wider."""
    if rule.kind != before.kind:
        return KINDS.index(rule.kind) > KINDS.index(before.kind)
    return rule.college in (None, before.college) and set(rule.peers) >= set(before.peers)


def check_member(rule: Rule, colleges: Collection[str]) -> None:
    """Nothing; Refused where the rule is for members, and who is in these colleges by now is not one of them."""
    if not (rule.college in colleges if rule.college else colleges):
        whose = f" of {rule.college}" if rule.college else ""
        raise Refused(f"this dataset is for members{whose}, and you are none any more")


@dataclass(frozen=True, slots=True, kw_only=True)
class Ruling:
    """What a rule says of one request: grant, refuse, or that a person has to decide."""

    outcome: Outcome
    reason: str  # a short code, public in the log


def decide(
    rule: Rule, requester: str, allowed: tuple[str, ...], purpose: str, colleges: Collection[str] = ()
) -> Ruling:
    """What the rule says to this requester, who is in these `colleges` and signed the exact terms. No `allowed`
    purposes means any."""
    if allowed and purpose not in allowed:
        return Ruling(outcome="refuse", reason="purpose")
    if rule.kind == "acknowledge":
        return Ruling(outcome="grant", reason="acknowledged")
    if rule.kind == "members":
        if rule.college in colleges if rule.college else colleges:
            return Ruling(outcome="grant", reason="member")
        return Ruling(outcome="refuse", reason="not-member")
    if rule.kind == "allow-list":
        if requester in rule.peers:
            return Ruling(outcome="grant", reason="listed")
        return Ruling(outcome="refuse", reason="not-listed")
    if rule.kind in ("approval", "vote"):
        return Ruling(outcome="pending", reason=rule.kind)
    return Ruling(outcome="refuse", reason="public")  # nobody is asked: the key is in the manifest
