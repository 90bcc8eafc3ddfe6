"""Who may have a dataset's key: the access rule, and its decision over one request. Pure; fails closed.

public: the key is printed in the manifest and nobody is asked. acknowledge: anyone who signs that they saw the terms.
allow-list: the peers named. approval: a person decides.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from commons.core.ids import check_peer
from commons.errors import Malformed

Outcome = Literal["grant", "refuse", "pending"]
KINDS = ("public", "acknowledge", "allow-list", "approval")


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """`peers` is the list of an allow-list, sorted; empty for every other kind."""

    kind: str
    peers: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise Malformed(f"not an access rule: {self.kind[:40]!r}", hint=f"use one of {', '.join(KINDS)}")
        if (self.kind == "allow-list") != bool(self.peers):
            raise Malformed("an allow-list names at least one peer, and no other rule names any", hint="--allow PEER")
        if list(self.peers) != sorted({check_peer(peer) for peer in self.peers}):
            raise Malformed("the peers of an allow-list are sorted, each once")

    def __str__(self) -> str:
        return f"{self.kind} ({len(self.peers)} peers)" if self.peers else self.kind


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    outcome: Outcome
    reason: str  # a short code, public in the log


def decide(rule: Rule, requester: str, allowed: tuple[str, ...], purpose: str) -> Verdict:
    """What the rule says to this requester, who signed the exact terms. No `allowed` purposes means any."""
    if allowed and purpose not in allowed:
        return Verdict(outcome="refuse", reason="purpose")
    if rule.kind == "acknowledge":
        return Verdict(outcome="grant", reason="acknowledged")
    if rule.kind == "allow-list":
        if requester in rule.peers:
            return Verdict(outcome="grant", reason="listed")
        return Verdict(outcome="refuse", reason="not-listed")
    if rule.kind == "approval":
        return Verdict(outcome="pending", reason="approval")
    return Verdict(outcome="refuse", reason="public")  # nobody is asked: the key is in the manifest
