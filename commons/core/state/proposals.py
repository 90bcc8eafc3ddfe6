"""What members sign on the way to a decision: proposals, ballots, and joinings by an invitation. Public."""

from __future__ import annotations

from dataclasses import dataclass

from commons.core.crypto import ids
from commons.core.crypto.keys import Signer, verify
from commons.core.dataset.rule import Rule
from commons.core.state import rules
from commons.core.state.actions import ACTIONS
from commons.core.state.charter import WORDS, Charter, check_custodians
from commons.core.tlog import checkpoint
from commons.errors import Malformed

PROPOSAL, VOTE, JOIN = "commons/proposal/v1", "commons/vote/v1", "commons/join/v1"
RULES = "commons/rules/v1"
CHOICES = ("yes", "no", "abstain")


@dataclass(frozen=True, slots=True, kw_only=True)
class Proposal:
    """A wish to `action`; whoever proposes has voted yes. Which of the other fields stand there depends on the action:
    admit: college, and peer or an invitation's `key` (32 bytes) and `expires`; expel: college, peer; set-rule: series,
    rule; grant, refuse, revoke, open-identity: target (a request); close-invitation: target (a proposal); publish,
    withdraw: dataset; change-custodians: custodians; amend-charter: charter; change-registrar: peer, and the keys
    (`log_key`, 32 bytes, and the SHA-256 of the next) under which that peer will keep the log."""

    commons: str
    action: str
    time: int
    nonce: bytes
    words: str = ""
    college: str | None = None
    peer: str | None = None
    key: bytes | None = None
    expires: int | None = None
    target: int | None = None
    dataset: str | None = None
    series: bytes | None = None
    rule: Rule | None = None
    custodians: str | None = None
    charter: Charter | None = None
    log_key: bytes | None = None
    next_key: bytes | None = None

    def __post_init__(self) -> None:
        ids.digest_of(self.commons, "commons")
        if self.action not in ACTIONS or len(self.nonce) != 16 or len(self.words) > WORDS:
            raise Malformed(f"not a proposal: {self.action[:40]!r}", hint=f"one of {', '.join(ACTIONS)}")
        said = {name for name in _FIELDS if getattr(self, name) is not None}
        if said not in ACTIONS[self.action].shapes:
            shapes = " or ".join(", ".join(sorted(shape)) for shape in ACTIONS[self.action].shapes)
            raise Malformed(f"a proposal to {self.action} names {shapes}, and nothing else")
        if self.peer is not None:
            ids.check_peer(self.peer)
        if any(key is not None and len(key) != 32 for key in (self.key, self.log_key, self.next_key)):
            raise Malformed("the key of an invitation or of a log has 32 bytes")
        if self.series is not None and len(self.series) != 16:
            raise Malformed("a series has 16 bytes")
        if self.dataset is not None:
            ids.digest_of(self.dataset)
        if self.rule is not None and self.rule.kind == "public":
            raise Malformed("a rule that is voted cannot print a key into a manifest", hint="publish it as public")
        check_custodians(self.custodians or "")


_FIELDS = ("college", "peer", "key", "expires", "target", "dataset", "series", "rule", "custodians", "charter",
           "log_key", "next_key")  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class LaterRules:
    """A proposal to amend the charter by which the commons also goes over to the rules of a later number. What these
    bring stands in no form yet: it is written, counted and judged by those in force before it."""

    rules: int
    proposal: Proposal

    def __post_init__(self) -> None:
        if not rules.FIRST < self.rules <= checkpoint.RULES:
            raise Malformed(f"not a number of later rules: {self.rules}")
        if self.proposal.action != "amend-charter":
            raise Malformed("later rules come with an amendment of the charter")

    @property
    def commons(self) -> str:
        """The commons that the proposal is made in."""
        return self.proposal.commons

    @property
    def time(self) -> int:
        """When the proposal was made, in seconds since 1970."""
        return self.proposal.time


@dataclass(frozen=True, slots=True, kw_only=True)
class Vote:
    """A ballot on the proposal whose signed bytes have the SHA-256 `proposal`, wherever that stands, and on no other.
    Public to all who read the log, and cast once."""

    commons: str
    proposal: bytes
    choice: str
    reason: str
    time: int

    def __post_init__(self) -> None:
        ids.digest_of(self.commons, "commons")
        if len(self.proposal) != 32:
            raise Malformed("a ballot names a proposal by a digest of 32 bytes")
        if self.choice not in CHOICES or len(self.reason) > WORDS:
            raise Malformed(f"not a ballot: {self.choice[:20]!r}", hint=f"vote {', '.join(CHOICES)}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Join:
    """Whoever signs takes the invitation at index `invitation`; `proof` is the invitation key's signature (64 bytes)
    over this community, this invitation and this peer, so that it serves nobody who only read it."""

    commons: str
    invitation: int
    proof: bytes
    time: int

    def __post_init__(self) -> None:
        ids.digest_of(self.commons, "commons")
        if len(self.proof) != 64 or self.invitation < 0:
            raise Malformed("a joining has a proof of 64 bytes")


def taking(commons: str, key: bytes, peer: str) -> bytes:
    """The bytes that an invitation's key signs for the peer who takes it."""
    return b"commons/invitation/v1\n%s\n%s\n%s\n" % (commons.encode(), key.hex().encode(), peer.encode())


def take(commons: str, token: Signer, peer: str) -> bytes:
    """The invitation key's signature (64 bytes) over who takes it, which a Join carries as `proof`."""
    return token.sign(taking(commons, token.public, peer))


def check_taking(join: Join, key: bytes, peer: str) -> None:
    """Nothing; Malformed unless whoever joins holds the invitation's key."""
    if not verify(key, join.proof, taking(join.commons, key, peer)):
        raise Malformed("this invitation was made for another key, or is taken by another peer")
