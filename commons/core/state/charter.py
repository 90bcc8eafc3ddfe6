"""What a community writes about itself: its charter, proposals, ballots and joinings. Signed by members, public.

A rule is a text in the grammar of `policy` in which `*college` stands for the college's members at the time of asking,
and `majority` for more than half of a group:

    group w majority *workers
    group u any *users
    group both all w u
    quorum both
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass

from commons.core.crypto import ids
from commons.core.crypto.keys import Signer, verify
from commons.core.dataset.rule import Rule
from commons.core.tlog import policy
from commons.core.tlog.policy import Policy
from commons.errors import Malformed

CHARTER, PROPOSAL = "commons/charter/v1", "commons/proposal/v1"
VOTE, JOIN = "commons/vote/v1", "commons/join/v1"
READERS = ("owner", "members", "public")  # each sees more than the one before
CHOICES = ("yes", "no", "abstain")
RATCHETS = ("readers", "access")  # what can only be widened
WORDS = 2000  # characters of free text

# What members decide together, and which fields a proposal for it has.
ACTIONS = {
    "admit": "take somebody into a college, or whoever holds an invitation's key",
    "expel": "take somebody out of a college",
    "close-invitation": "end an invitation that nobody has taken yet",
    "set-rule": "change who may have the key of a dataset",
    "grant": "give somebody the key they asked for",
    "refuse": "refuse somebody the key they asked for",
    "revoke": "end a grant, whoever gave it",
    "publish": "take a dataset into the log, where the charter has this power; else any member publishes",
    "withdraw": "ask everybody to drop a dataset",
    "open-identity": "show the members who made a request",
    "change-custodians": "change who keeps the shares of keys",
    "change-registrar": "have somebody else keep the log",
    "amend-charter": "change the charter",
}

_NAME = re.compile(r"[a-z][a-z0-9-]{0,31}")
_ATOM = re.compile(r"\*([a-z][a-z0-9-]{0,31})")

Colleges = dict[str, tuple[str, ...]]  # members by college, sorted


@dataclass(frozen=True, slots=True, kw_only=True)
class College:
    name: str
    members: tuple[str, ...]

    def __post_init__(self) -> None:
        if not _NAME.fullmatch(self.name):
            raise Malformed(f"a college is called by small letters, digits and hyphens, not {self.name[:40]!r}")
        if list(self.members) != sorted({ids.check_peer(peer) for peer in self.members}):
            raise Malformed(f"the members of {self.name} are sorted, each once")


@dataclass(frozen=True, slots=True, kw_only=True)
class Power:
    """Who decides about `action`, and for how many days a proposal stays open."""

    action: str
    rule: str
    days: int

    def __post_init__(self) -> None:
        if self.action not in ACTIONS:
            raise Malformed(f"not something to decide: {self.action[:40]!r}", hint=f"one of {', '.join(ACTIONS)}")
        if not 1 <= self.days <= 366:
            raise Malformed(f"{self.action}: a proposal stays open for 1 to 366 days")


@dataclass(frozen=True, slots=True, kw_only=True)
class Charter:
    """The first entry. `next_key` is the SHA-256 of the log's next public key; `readers` may see openings; `witnesses`
    and `custodians` are policies ("" for none). What has no power is decided as `amend-charter` is, and that, where
    nothing is said, by everybody together. In an amendment, a college that is there already has no members."""

    name: str
    purpose: str
    time: int
    colleges: tuple[College, ...]
    powers: tuple[Power, ...]
    registrar: str
    log_key: bytes
    next_key: bytes
    readers: str
    retention_days: int | None
    witnesses: str
    custodians: str
    ratchets: tuple[str, ...]

    def __post_init__(self) -> None:
        ids.public_key(self.registrar)
        if len(self.log_key) != 32 or len(self.next_key) != 32 or self.readers not in READERS:
            raise Malformed("charter: keys have 32 bytes, readers are owner, members or public")
        if not 0 < len(self.name) <= 200 or len(self.purpose) > WORDS:
            raise Malformed("charter: it has a name of at most 200 characters, and a purpose of at most 2000")
        for what, names in (("college", [c.name for c in self.colleges]), ("power", [p.action for p in self.powers])):
            if list(names) != sorted(set(names)):
                raise Malformed(f"charter: each {what} once, sorted by name")
        if list(self.ratchets) != sorted(set(self.ratchets)) or set(self.ratchets) - set(RATCHETS):
            raise Malformed(f"charter: ratchets are {' or '.join(RATCHETS)}, each once")
        if self.retention_days is not None and not 1 <= self.retention_days <= 36_500:
            raise Malformed("charter: openings are kept for 1 to 36500 days, or without end")
        for text in (self.witnesses, self.custodians):
            if text:
                policy.parse(text)
        check_custodians(self.custodians)

    @property
    def members(self) -> tuple[str, ...]:
        return tuple(sorted({peer for college in self.colleges for peer in college.members}))

    def listed(self) -> Colleges:
        return {college.name: college.members for college in self.colleges}


def check_founding(charter: Charter) -> Charter:
    """Malformed unless a commons can begin with it: its registrar is a member, and everything can be decided."""
    if charter.registrar not in charter.members:
        raise Malformed("charter: its registrar is a member")
    check_livable(charter.powers, charter.listed())
    return charter


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
        if said not in _SHAPES[self.action]:
            shapes = " or ".join(", ".join(sorted(shape)) for shape in _SHAPES[self.action])
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
_SHAPES: dict[str, tuple[set[str], ...]] = {
    "admit": ({"college", "peer"}, {"college", "key", "expires"}), "expel": ({"college", "peer"},),
    "close-invitation": ({"target"},), "set-rule": ({"series", "rule"},), "grant": ({"target"}, {"target", "expires"}),
    "refuse": ({"target"},), "revoke": ({"target"},), "publish": ({"dataset"},), "withdraw": ({"dataset"},),
    "open-identity": ({"target"},),
    "change-custodians": ({"custodians"},), "amend-charter": ({"charter"},),
    "change-registrar": ({"peer", "log_key", "next_key"},),
}  # fmt: skip


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


def custodians(text: str) -> Policy | None:
    """Who keeps the keys of a community, by the text of a policy; None where nobody was chosen. Malformed."""
    asked = policy.parse(text) if text else Policy()
    return asked if asked.quorum is not None else None


def check_custodians(text: str) -> None:
    """Malformed unless keys can be shared by this policy. "" for none."""
    if (asked := custodians(text)) is not None:
        asked.custodians()


def custodians_digest(text: str) -> bytes | None:
    """How a publish entry names the custodians of this policy; None where it asks nobody."""
    asked = custodians(text)
    return None if asked is None else hashlib.sha256(str(asked).encode()).digest()


def taking(commons: str, key: bytes, peer: str) -> bytes:
    """What an invitation's key signs for the one who takes it."""
    return b"commons/invitation/v1\n%s\n%s\n%s\n" % (commons.encode(), key.hex().encode(), peer.encode())


def take(commons: str, token: Signer, peer: str) -> bytes:
    return token.sign(taking(commons, token.public, peer))


def check_taking(join: Join, key: bytes, peer: str) -> None:
    """Malformed unless whoever joins holds the invitation's key."""
    if not verify(key, join.proof, taking(join.commons, key, peer)):
        raise Malformed("this invitation was made for another key, or is taken by another peer")


def expand(rule: str, colleges: Colleges) -> Policy:
    """The policy that a rule is with these colleges, each a crowd of its size. Malformed for a rule that is none, or
    that asks for more people than there are."""
    lines = []
    for line in rule.split("\n"):
        words = line.split()
        if words[:1] == ["group"] and words[3:]:
            whole = 0
            for at, word in enumerate(words[3:], start=3):
                atom = _ATOM.fullmatch(word)
                if atom is None and "*" in word:
                    raise Malformed(f"not a college: {word[:40]!r}", hint="write * and its name")
                if atom is None:
                    whole += 1
                elif atom[1] not in colleges:
                    raise Malformed(f"no college is called {atom[1]!r}")
                else:
                    words[at] = f"{word}:{len(colleges[atom[1]])}"
                    whole += len(colleges[atom[1]])
            if words[2] == "majority":
                words[2] = str(whole // 2 + 1)
            line = " ".join(words)
        lines.append(line)
    return policy.parse("\n".join(lines))


def everybody(colleges: Colleges) -> str:
    """The rule of a commons whose charter states none: all members of all colleges together."""
    filled = [f"*{name}" for name in sorted(colleges) if colleges[name]]
    return f"group everybody all {' '.join(filled)}\nquorum everybody\n"


def rule_of(powers: tuple[Power, ...], action: str, colleges: Colleges) -> tuple[str, int]:
    """The rule and the days for `action`: its own, else those of `amend-charter`, else everybody's."""
    known = {power.action: power for power in powers}
    power = known.get(action) or known.get("amend-charter")
    return (power.rule, power.days) if power else (everybody(colleges), 30)


def check_livable(powers: tuple[Power, ...], colleges: Colleges) -> None:
    """Malformed where a decision could never be reached: a charter that locks itself out."""
    for action in ACTIONS:
        rule, _ = rule_of(powers, action, colleges)
        try:
            reachable = expand(rule, colleges)
        except Malformed as error:
            raise Malformed(
                f"nobody could ever decide to {action}: {error.message}",
                hint=error.hint or "change the rule, or the colleges",
            ) from error
        if reachable.quorum is None:
            raise Malformed(f"the rule of {action} asks nobody", hint="name who decides after `quorum`")
        if reachable.leaves():
            raise Malformed(f"nobody could ever decide to {action}: a rule asks colleges, as *NAME, and only them")
