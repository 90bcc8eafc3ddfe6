"""Who together may decide: nested thresholds, in the grammar of C2SP tlog-policy. One parser and one evaluator for
votes, for the quorum of witnesses and for the custody of keys.

    log VKEY [URL]              a log whose heads are accepted
    witness NAME VKEY [URL]     a cosigner
    member NAME PEER            a person; the one line that tlog-policy does not have
    group NAME all|any|K MEMBER…
    quorum NAME|none

A name is defined before it is used, and is in one group at most. Whoever holds a Policy holds a well-formed one.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass

from commons.core.crypto import ids
from commons.core.tlog.note import Verifier, parse_vkey
from commons.errors import Malformed, TooLarge

LIMIT = 64 << 10  # bytes of a policy
MOST = 256  # lines of each kind
DEPTH = 16  # groups within groups
_CROWD = re.compile(r"\*([a-z][a-z0-9-]{0,31}):([0-9]{1,7})", re.ASCII)  # never in a file: see `governance.expand`

Tally = Mapping[str, int]  # how many of each crowd
EMPTY: Tally = {}


@dataclass(frozen=True, slots=True, kw_only=True)
class PolicyLog:
    key: Verifier
    url: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class PolicyWitness:
    name: str
    key: Verifier
    url: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Member:
    name: str
    peer: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """Met when `need` of `members` (names of witnesses, members or groups) are. `crowds` are more of them, that are
    counted and not named: (name, how many)."""

    name: str
    need: int
    members: tuple[str, ...]
    crowds: tuple[tuple[str, int], ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """`quorum` is the name that must be met; None asks for nobody."""

    logs: tuple[PolicyLog, ...] = ()
    witnesses: tuple[PolicyWitness, ...] = ()
    members: tuple[Member, ...] = ()
    groups: tuple[Group, ...] = ()
    quorum: str | None = None

    def met(self, present: Collection[str], tally: Tally = EMPTY) -> bool:
        """Whether the names that are `present`, and so many of each crowd, fulfil the quorum. Names that nobody knows
        count for nothing."""
        return self.quorum is None or self.holds(self.quorum, present, tally)

    def holds(self, name: str, present: Collection[str], tally: Tally = EMPTY) -> bool:
        """Whether witness, member or group `name` is fulfilled."""
        groups = {group.name: group for group in self.groups}

        def held(name: str) -> bool:
            group = groups.get(name)
            if group is None:
                return name in present
            counted = sum(min(tally.get(crowd, 0), size) for crowd, size in group.crowds)
            return sum(map(held, group.members)) + counted >= group.need

        return held(name)

    def custodians(self) -> dict[str, str]:
        """Custodians by name, to their peers. Malformed unless somebody is asked, each is a person, and none twice."""
        peers = {member.name: member.peer for member in self.members}
        leaves = self.leaves()
        if not leaves or self.crowds() or any(name not in peers for name in leaves):
            raise Malformed("custodians are members of a quorum", hint="member NAME PEER, group …, quorum NAME")
        found = {name: peers[name] for name in leaves}
        if len(set(found.values())) != len(found):
            raise Malformed("a custodian is named twice, and would hold two shares")
        return found

    def open(self, absent: Collection[str], gone: Tally = EMPTY) -> bool:
        """Whether the quorum can still be met when these names, and so many of each crowd, never will be present."""
        present = {name for name in self.leaves() if name not in absent}
        return self.met(present, {crowd: size - gone.get(crowd, 0) for crowd, size in self.crowds().items()})

    def missing(self, present: Collection[str], tally: Tally = EMPTY) -> str:
        """What the quorum still lacks, in words; "" when it is met."""
        return "" if self.quorum is None else self._lacks(self.quorum, present, tally)

    def _lacks(self, name: str, present: Collection[str], tally: Tally) -> str:
        if self.holds(name, present, tally):
            return ""
        group = next((group for group in self.groups if group.name == name), None)
        if group is None:
            return name
        lacking = [text for member in group.members if (text := self._lacks(member, present, tally))]
        counted = sum(min(tally.get(crowd, 0), size) for crowd, size in group.crowds)
        short = group.need - (len(group.members) - len(lacking)) - counted
        if short == len(lacking) and not group.crowds:
            return " and ".join(lacking)
        crowds = [crowd for crowd, size in group.crowds if tally.get(crowd, 0) < size]
        among = ", ".join([*lacking, *crowds])
        return f"{short} of {among}" if len(lacking) + len(crowds) == 1 else f"{short} of ({among})"

    def crowds(self) -> dict[str, int]:
        """The crowds that the quorum asks, and their sizes."""
        asked = set(self._below(self.quorum, groups=True)) if self.quorum else set()
        return {crowd: size for group in self.groups if group.name in asked for crowd, size in group.crowds}

    def leaves(self) -> tuple[str, ...]:
        """The witnesses and members that the quorum asks, in the order they are defined."""
        asked = set(self._below(self.quorum)) if self.quorum else set()
        names = [witness.name for witness in self.witnesses] + [member.name for member in self.members]
        return tuple(name for name in names if name in asked)

    def _below(self, name: str, groups: bool = False) -> Iterator[str]:
        """The leaves under a name, or the groups."""
        known, names = {group.name: group for group in self.groups}, [name]
        while names:
            name = names.pop()
            if name in known:
                names += known[name].members
            if (name in known) == groups:
                yield name

    def __str__(self) -> str:
        """In the grammar; `parse` gives the same Policy."""
        lines = [f"log {each.key.vkey}{f' {each.url}' if each.url else ''}" for each in self.logs]
        lines += [f"witness {w.name} {w.key.vkey}{f' {w.url}' if w.url else ''}" for w in self.witnesses]
        lines += [f"member {each.name} {each.peer}" for each in self.members]
        for group in self.groups:
            size = len(group.members) + sum(size for _, size in group.crowds)
            need = "all" if group.need == size else "any" if group.need == 1 else str(group.need)
            crowds = [f"*{crowd}:{size}" for crowd, size in group.crowds]
            lines.append(f"group {group.name} {need} {' '.join([*group.members, *crowds])}")
        return "\n".join([*lines, f"quorum {self.quorum or 'none'}"]) + "\n"


def parse(text: str) -> Policy:
    """Malformed, with the line, for what is no policy; TooLarge."""
    if len(text) > LIMIT:
        raise TooLarge(f"a policy of {len(text)} characters is over the limit of {LIMIT}")
    reader = _Reader()
    for number, line in enumerate(text.split("\n"), start=1):
        words = re.split(r"[ \t]+", line.strip(" \t\r"))
        if words == [""] or words[0].startswith("#"):
            continue
        try:
            reader.take(words)
        except Malformed as error:
            raise Malformed(f"line {number} of the policy: {error.message}", hint=error.hint) from error
    return reader.done()


class _Reader:
    def __init__(self) -> None:
        self.logs: list[PolicyLog] = []
        self.witnesses: list[PolicyWitness] = []
        self.members: list[Member] = []
        self.groups: list[Group] = []
        self.depth: dict[str, int] = {}  # of each name defined
        self.used: set[str] = set()  # as a member of a group
        self.crowds: set[str] = set()
        self.keys: set[bytes] = set()
        self.quorum: list[str] = []

    def take(self, words: list[str]) -> None:
        match words:
            case ["log", vkey, *url] if len(url) < 2:
                self.logs.append(PolicyLog(key=self._key(vkey), url=url[0] if url else None))
            case ["witness", name, vkey, *url] if len(url) < 2:
                self.witnesses.append(
                    PolicyWitness(name=self._new(name), key=self._key(vkey), url=url[0] if url else None)
                )
            case ["member", name, peer]:
                self.members.append(Member(name=self._new(name), peer=ids.check_peer(peer)))
            case ["group", name, need, *members] if members:
                self._group(name, need, members)
            case ["quorum", name]:
                if name != "none" and name not in self.depth:
                    raise Malformed(f"{name[:40]!r} is not defined before this line")
                self.quorum.append(name)
            case _:
                raise Malformed(f"not a line of a policy: {' '.join(words)[:60]!r}", hint="log, witness, group, quorum")
        if max(len(self.logs), len(self.witnesses), len(self.members), len(self.groups)) > MOST:
            raise Malformed(f"more than {MOST} lines of a kind")

    def _group(self, name: str, need: str, members: list[str]) -> None:
        found = [_CROWD.fullmatch(member) for member in members]
        crowds = tuple((each[1], int(each[2])) for each in found if each)
        members = [member for member, crowd in zip(members, found, strict=True) if not crowd]
        for crowd, _ in crowds:
            if crowd in self.crowds:
                raise Malformed(f"{crowd!r} is in a group already, and can be in one only")
            self.crowds.add(crowd)
        for member in members:
            if member not in self.depth:
                raise Malformed(f"{member[:40]!r} is not defined before this line")
            if member in self.used:
                raise Malformed(f"{member[:40]!r} is in a group already, and can be in one only")
            self.used.add(member)
        depth = 1 + max((self.depth[member] for member in members), default=0)
        if depth > DEPTH:
            raise Malformed(f"groups within groups, more than {DEPTH} deep")
        whole = len(members) + sum(size for _, size in crowds)
        if not whole:
            names = " or ".join(crowd for crowd, _ in crowds)
            raise Malformed(f"nobody is in {names} yet", hint="invite somebody first, and ask them in a rule then")
        if need in ("all", "any"):
            count = whole if need == "all" else 1
        elif re.fullmatch(r"[1-9][0-9]{0,6}", need, re.ASCII) and int(need) <= whole:
            count = int(need)
        else:
            raise Malformed(f"{need[:20]!r} of {whole}: write all, any or a number from 1 to {whole}")
        self.groups.append(Group(name=self._new(name, depth), need=count, members=tuple(members), crowds=crowds))

    def _new(self, name: str, depth: int = 0) -> str:
        if name == "none" or name in self.depth:
            raise Malformed(f"the name {name[:40]!r} is taken")
        self.depth[name] = depth
        return name

    def _key(self, vkey: str) -> Verifier:
        key = parse_vkey(vkey)
        if key.public in self.keys:
            raise Malformed(f"the key of {key.name[:40]!r} is there twice")
        self.keys.add(key.public)
        return key

    def done(self) -> Policy:
        if len(self.quorum) != 1:
            raise Malformed("a policy has exactly one line `quorum`", hint="quorum NAME, or quorum none")
        name = self.quorum[0]
        return Policy(
            logs=tuple(self.logs),
            witnesses=tuple(self.witnesses),
            members=tuple(self.members),
            groups=tuple(self.groups),
            quorum=None if name == "none" else name,
        )
