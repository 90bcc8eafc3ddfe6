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
from collections.abc import Collection, Iterator
from dataclasses import dataclass

from commons.core import ids
from commons.core.note import Verifier, parse_vkey
from commons.errors import Malformed, TooLarge

LIMIT = 64 << 10  # bytes of a policy
MOST = 256  # lines of each kind
DEPTH = 16  # groups within groups


@dataclass(frozen=True, slots=True, kw_only=True)
class Log:
    key: Verifier
    url: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Witness:
    name: str
    key: Verifier
    url: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Member:
    name: str
    peer: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """Met when `need` of `members` (names of witnesses, members or groups) are."""

    name: str
    need: int
    members: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """`quorum` is the name that must be met; None asks for nobody."""

    logs: tuple[Log, ...] = ()
    witnesses: tuple[Witness, ...] = ()
    members: tuple[Member, ...] = ()
    groups: tuple[Group, ...] = ()
    quorum: str | None = None

    def met(self, present: Collection[str]) -> bool:
        """Whether the names that are `present` fulfil the quorum. Names that nobody knows count for nothing."""
        return self.quorum is None or self.holds(self.quorum, present)

    def holds(self, name: str, present: Collection[str]) -> bool:
        """Whether witness, member or group `name` is fulfilled."""
        groups = {group.name: group for group in self.groups}

        def held(name: str) -> bool:
            group = groups.get(name)
            if group is None:
                return name in present
            return sum(map(held, group.members)) >= group.need

        return held(name)

    def open(self, absent: Collection[str]) -> bool:
        """Whether the quorum can still be met when these names never will be present."""
        return self.met({name for name in self.leaves() if name not in absent})

    def missing(self, present: Collection[str]) -> str:
        """What the quorum still lacks, in words; "" when it is met."""
        return "" if self.quorum is None else self._lacks(self.quorum, present)

    def _lacks(self, name: str, present: Collection[str]) -> str:
        if self.holds(name, present):
            return ""
        group = next((group for group in self.groups if group.name == name), None)
        if group is None:
            return name
        lacking = [text for member in group.members if (text := self._lacks(member, present))]
        short = group.need - (len(group.members) - len(lacking))
        if short == len(lacking):
            return " and ".join(lacking)
        return f"{short} of ({', '.join(lacking)})"

    def leaves(self) -> tuple[str, ...]:
        """The witnesses and members that the quorum asks, in the order they are defined."""
        asked = set(self._below(self.quorum)) if self.quorum else set()
        names = [witness.name for witness in self.witnesses] + [member.name for member in self.members]
        return tuple(name for name in names if name in asked)

    def _below(self, name: str) -> Iterator[str]:
        groups, names = {group.name: group for group in self.groups}, [name]
        while names:
            name = names.pop()
            if name in groups:
                names += groups[name].members
            else:
                yield name

    def __str__(self) -> str:
        """In the grammar; `parse` gives the same Policy."""
        lines = [f"log {each.key.vkey}{f' {each.url}' if each.url else ''}" for each in self.logs]
        lines += [f"witness {w.name} {w.key.vkey}{f' {w.url}' if w.url else ''}" for w in self.witnesses]
        lines += [f"member {each.name} {each.peer}" for each in self.members]
        for group in self.groups:
            need = "all" if group.need == len(group.members) else "any" if group.need == 1 else str(group.need)
            lines.append(f"group {group.name} {need} {' '.join(group.members)}")
        return "\n".join([*lines, f"quorum {self.quorum or 'none'}"]) + "\n"


def parse(text: str, people: int = MOST) -> Policy:
    """Malformed, with the line, for what is no policy; TooLarge. At most so many `people` may be members."""
    if len(text) > LIMIT + people * 300:
        raise TooLarge(f"a policy of {len(text)} characters is too long")
    reader = _Reader(people)
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
    def __init__(self, people: int) -> None:
        self.people = people
        self.logs: list[Log] = []
        self.witnesses: list[Witness] = []
        self.members: list[Member] = []
        self.groups: list[Group] = []
        self.depth: dict[str, int] = {}  # of each name defined
        self.used: set[str] = set()  # as a member of a group
        self.keys: set[bytes] = set()
        self.quorum: list[str] = []

    def take(self, words: list[str]) -> None:
        match words:
            case ["log", vkey, *url] if len(url) < 2:
                self.logs.append(Log(key=self._key(vkey), url=url[0] if url else None))
            case ["witness", name, vkey, *url] if len(url) < 2:
                self.witnesses.append(Witness(name=self._new(name), key=self._key(vkey), url=url[0] if url else None))
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
        if max(len(self.logs), len(self.witnesses), len(self.groups)) > MOST or len(self.members) > self.people:
            raise Malformed(f"more than {MOST} lines of a kind, or {self.people} members")

    def _group(self, name: str, need: str, members: list[str]) -> None:
        for member in members:
            if member not in self.depth:
                raise Malformed(f"{member[:40]!r} is not defined before this line")
            if member in self.used:
                raise Malformed(f"{member[:40]!r} is in a group already, and can be in one only")
            self.used.add(member)
        depth = 1 + max(self.depth[member] for member in members)
        if depth > DEPTH:
            raise Malformed(f"groups within groups, more than {DEPTH} deep")
        if need in ("all", "any"):
            count = len(members) if need == "all" else 1
        elif re.fullmatch(r"[1-9][0-9]{0,6}", need, re.ASCII) and int(need) <= len(members):
            count = int(need)
        else:
            raise Malformed(f"{need[:20]!r} of {len(members)}: write all, any or a number from 1 to {len(members)}")
        self.groups.append(Group(name=self._new(name, depth), need=count, members=tuple(members)))

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
            logs=tuple(self.logs), witnesses=tuple(self.witnesses), members=tuple(self.members),
            groups=tuple(self.groups), quorum=None if name == "none" else name,
        )  # fmt: skip
