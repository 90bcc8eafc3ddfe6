"""What a community writes about itself, what an amendment of it may change, and how its rules are read. Public.

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
from commons.core.state.actions import ACTIONS
from commons.core.tlog import policy
from commons.core.tlog.policy import Policy
from commons.errors import Malformed, Refused

CHARTER = "commons/charter/v1"
READERS = ("owner", "members", "public")  # each sees more than the one before
RATCHETS = ("readers", "access")  # what can only be widened
WORDS = 2000  # characters of free text

_NAME = re.compile(r"[a-z][a-z0-9-]{0,31}")
_ATOM = re.compile(r"\*([a-z][a-z0-9-]{0,31})")

Colleges = dict[str, tuple[str, ...]]  # members by college, sorted


@dataclass(frozen=True, slots=True, kw_only=True)
class College:
    """A group of members with a name ("farmers"), which rules count. Its members are peer ids, sorted, each once."""

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
        """The peer ids of all its members, sorted, each once."""
        return tuple(sorted({peer for college in self.colleges for peer in college.members}))

    def listed(self) -> Colleges:
        """Its members by college."""
        return {college.name: college.members for college in self.colleges}


def check_founding(charter: Charter) -> Charter:
    """The charter itself. Malformed unless a commons can begin with it: its registrar is a member, and everything can
    be decided."""
    if charter.registrar not in charter.members:
        raise Malformed("charter: its registrar is a member")
    check_livable(charter.powers, charter.listed())
    return charter


def custodians(text: str) -> Policy | None:
    """The policy that a text is, which names who keeps the keys of a community; None where nobody was chosen.
    Malformed."""
    asked = policy.parse(text) if text else Policy()
    return asked if asked.quorum is not None else None


def check_custodians(text: str) -> None:
    """Nothing; Malformed unless keys can be shared by the policy that a text is. "" asks nobody."""
    if (asked := custodians(text)) is not None:
        asked.custodians()


def custodians_digest(text: str) -> bytes | None:
    """The SHA-256 of a custodians' policy, by which a publish entry names it; None where it asks nobody."""
    asked = custodians(text)
    return None if asked is None else hashlib.sha256(str(asked).encode()).digest()


def expand(rule: str, colleges: Colleges) -> Policy:
    r"""The policy that a rule is with these colleges, each a crowd of its size. Malformed for a rule that is none, or
    that asks for more people than there are.

    >>> policy = expand("group most majority *workers\nquorum most", {"workers": ("anna", "ben", "cleo")})
    >>> policy.met((), {"workers": 1}), policy.met((), {"workers": 2})
    (False, True)
    """
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
    """Nothing; Malformed for a charter that locks itself out: one by which something could never be decided."""
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


def check_amendment(old: Charter, new: Charter, custodians: str, colleges: Colleges) -> None:
    """Nothing; Refused where `new` may not take the place of `old` in a community with these custodians, and with these
    `colleges` after it, because it changes what has a vote of its own or was promised; Malformed where it locks the
    community out."""
    if (new.registrar, new.log_key, new.next_key, new.time) != (old.registrar, old.log_key, old.next_key, old.time):
        raise Refused("an amendment keeps the registrar, the keys of the log and the day it began")
    if new.custodians != custodians:
        raise Refused("an amendment keeps the custodians", hint="propose change-custodians")
    if all(new.registrar not in peers for peers in colleges.values()):
        raise Refused("the registrar keeps the log, and stays a member")
    if set(old.ratchets) - set(new.ratchets):
        raise Refused("a ratchet is never taken back")
    order = READERS
    if "readers" in old.ratchets and order.index(new.readers) < order.index(old.readers):
        raise Refused("the charter lets the circle of readers only be widened")
    check_livable(new.powers, colleges)
