"""A log in memory, kept by real functions and no node: what a custodian follows, and what a dishonest keeper can do.

keeper = Keeper(custodians=3); dataset = keeper.publish(); said = keeper.ask(BOB, dataset); keeper.decide(said)
"""

from __future__ import annotations

import hashlib
import itertools
from collections.abc import Callable, Mapping
from typing import Any

from commons.core.crypto import codec, envelope, hpke, ids
from commons.core.crypto.envelope import Opened
from commons.core.crypto.keys import Keys, Signer
from commons.core.dataset.rule import Rule
from commons.core.state import entries
from commons.core.state.charter import CHARTER, Charter, College, custodians_digest
from commons.core.state.entries import Asked, Decided, Decision, Publish, Redaction
from commons.core.state.fold import State
from commons.core.state.opening import SALT
from commons.core.state.proposals import PROPOSAL, VOTE, Proposal, Vote
from commons.core.state.transfer import SUCCESSION, Succession
from commons.core.tlog import checkpoint, merkle, note, policy, tiles
from commons.core.tlog.policy import Policy
from commons.custody import sharing
from commons.custody.sharing import CustodyKey
from commons.disk.history import History
from commons.disk.shelf import Shelf
from commons.errors import CommonsError, NotFound
from commons.log.answer import Answer, Checked, ProvenEntry
from commons.log.answer import check as check_answer
from commons.log.evidence import Remembered
from commons.log.files import Read
from commons.log.replica import Followed, Replica

ALICE = Keys(b"alice".ljust(32))  # publishes, and keeps the log
BOB, EVE = Keys(b"bob".ljust(32)), Keys(b"eve".ljust(32))
KEEPERS = tuple(Keys(f"custodian {n}".encode().ljust(32)) for n in range(64))
SERIES, TERMS = bytes(range(16)), hashlib.sha256(b"terms").digest()
T0 = 1_767_225_600
NONCES = (n.to_bytes(32, "big") for n in itertools.count(1))


def custodians(count: int, need: int | str) -> Policy:
    """`need` of so many, called c0, c1, …"""
    lines = [f"member c{n} {KEEPERS[n].identity.peer}" for n in range(count)]
    group = f"group g {need} {' '.join(f'c{n}' for n in range(count))}"
    return policy.parse("\n".join([*lines, group, "quorum g"]))


class Keeper:
    """`clock` is the time of the next entry, and of whoever looks."""

    def __init__(
        self, witnesses: str = "", custodians: str = "", members: tuple[str, ...] = (), days: int | None = None
    ) -> None:
        self.signer, self.clock, self.custodians = ALICE.log(0), T0, custodians
        charter = Charter(
            name="Rivers", purpose="", time=T0, powers=(), registrar=ALICE.identity.peer, log_key=self.signer.public,
            colleges=(College(name="members", members=tuple(sorted({ALICE.identity.peer, *members}))),),
            next_key=bytes(32), readers="members", retention_days=days, witnesses=witnesses, custodians=custodians,
            ratchets=(),
        )  # fmt: skip
        self.charter = envelope.sign(CHARTER, charter, ALICE.identity)
        self.commons = ids.cid(self.charter)
        self.log = note.Verifier(name=f"commons/{self.commons}", public=self.signer.public)
        self.data = [self.charter]
        self.openings: dict[int, bytes] = {}
        self.last = 0  # the newest request
        self.cosigners: list[tuple[str, Signer]] = []

    # -- entries ------------------------------------------------------------------------------------------------------

    def add(self, data: bytes) -> int:
        self.data.append(data)
        self.clock += 1
        return len(self.data) - 1

    def publish(self, rule: Rule | None = None, series: bytes = SERIES, days: int | None = None, epoch: int = 0) -> str:
        dataset = ids.cid(b"%s %d %d" % (series, epoch, len(self.data)))
        self.add(envelope.sign(entries.PUBLISH, Publish(
            commons=self.commons, time=self.clock, manifest=dataset, series=series, version=1, title="Rivers",
            licence="CC0-1.0", terms=TERMS, rule=rule or Rule(kind="acknowledge"), purposes=(), grant_days=days,
            epoch=epoch, custodians=custodians_digest(self.custodians),
        ), ALICE.identity))  # fmt: skip
        return dataset

    def ask(self, who: Keys, dataset: str, log: bool = True, epoch: int = 0) -> Opened[Asked]:
        nonce = next(NONCES)
        statement = envelope.sign(entries.REQUEST, Asked(
            commons=self.commons, dataset=dataset, terms=TERMS, epoch=epoch, purpose="research", details=None,
            hpke=hpke.public_of(who.hpke_seed(nonce)), nonce=nonce, time=self.clock,
        ), who.identity)  # fmt: skip
        said = envelope.open(entries.REQUEST, Asked, statement)
        if log:
            leaf, hidden = entries.request(said, None, time=self.clock, salt=self.salt)
            self.last = self.add(codec.encode(leaf))
            self.openings[self.last] = codec.encode(hidden)
        return said

    def decide(self, outcome: str = "grant", reason: str = "acknowledged", **words: Any) -> int:
        """On the last request, by the rule unless a `steward` signs."""
        request = words.pop("request", self.last)
        steward: Signer | None = words.pop("steward", None)
        expires = words.pop("expires", None)
        hidden: dict[str, bytes] = {"statement": None}  # type: ignore[dict-item]
        opening = None
        if steward is not None:
            said = Decided(commons=self.commons, request=request, outcome=outcome, reason="so", expires=expires,
                           time=self.clock)  # fmt: skip
            hidden, opening = entries.hide(self.salt, statement=envelope.sign(entries.DECISION, said, steward))
        index = self.add(codec.encode(Decision(
            type=entries.DECISION, time=self.clock, request=request, outcome=outcome, reason=reason,
            basis=words.pop("basis", 1), expires=expires, statement=hidden["statement"],
        )))  # fmt: skip
        if opening is not None:
            self.openings[index] = codec.encode(opening)
        return index

    def propose(self, action: str, **what: Any) -> int:
        """By the registrar: passed at once in a commons of one."""
        nonce = len(self.data).to_bytes(16, "big")
        said = Proposal(commons=self.commons, action=action, time=self.clock, nonce=nonce, **what)
        return self.add(envelope.sign(PROPOSAL, said, ALICE.identity))

    def vote(self, who: Keys, proposal: int, choice: str = "yes") -> int:
        digest = hashlib.sha256(self.data[proposal]).digest()
        said = Vote(commons=self.commons, proposal=digest, choice=choice, reason="", time=self.clock)
        return self.add(envelope.sign(VOTE, said, who.identity))

    def revoke(self, request: int) -> int:
        return self.decide("revoke", "revoked", request=request, steward=ALICE.identity)

    def redact(self, *targets: int) -> int:
        return self.add(codec.encode(
            Redaction(type=entries.REDACTION, time=self.clock, entries=targets, reason="erased")
        ))  # fmt: skip

    def hand_over(self, n: int = 0) -> Signer:
        """Bob keeps the log from now on, under the n-th of his keys: with what he signs, once it is `signer`."""
        signer, following = (BOB.log(each, self.commons) for each in (n, n + 1))
        said = Proposal(
            commons=self.commons, action="change-registrar", time=self.clock, nonce=bytes(16), peer=BOB.identity.peer,
            log_key=signer.public, next_key=hashlib.sha256(following.public).digest(),
        )  # fmt: skip
        self.vote(ALICE, self.add(envelope.sign(PROPOSAL, said, BOB.identity)))
        taken = Succession(commons=self.commons, head=self.head(), time=self.clock)
        self.add(envelope.sign(SUCCESSION, taken, BOB.identity))
        return signer

    def fold(self) -> tuple[State, list[CommonsError]]:
        """What the log makes true, and what is wrong with entries of it."""
        state = State()
        return state, [error for data in self.data if (error := state.take(data)) is not None]

    def salt(self) -> bytes:
        return hashlib.sha256(b"%d" % len(self.data)).digest()[:SALT]

    # -- the tree -----------------------------------------------------------------------------------------------------

    def reader(self, size: int) -> merkle.Reader:
        nodes, _ = merkle.grow(0, (), [merkle.leaf(data) for data in self.data[:size]])
        tree = {(level, position): value for level, position, value in nodes}
        return lambda level, position: tree[level, position]

    def head(self, size: int | None = None) -> bytes:
        size = len(self.data) if size is None else size
        root = merkle.root(size, self.reader(size))
        head = checkpoint.Checkpoint(origin=self.log.name, size=size, root=root)
        signed = checkpoint.sign(head, self.signer)
        if not self.cosigners:
            return signed
        return note.add(signed, *(note.cosign(head.text(), name, key, self.clock) for name, key in self.cosigners))

    def shown(self, index: int, size: int | None = None) -> ProvenEntry:
        size = len(self.data) if size is None else size
        proof = merkle.prove_inclusion(index, size, self.reader(size))
        return ProvenEntry(index=index, entry=self.data[index], opening=self.openings.get(index), proof=proof)

    def answer(self, request: int, decision: int | None, size: int | None = None) -> bytes:
        places = [request] if decision is None else [request, decision]
        shown = tuple(self.shown(place, size) for place in places)
        return codec.encode(Answer(shown=shown, head=self.head(size), consistency=()))

    def granted(self, said: Opened[Asked]) -> tuple[bytes, Checked]:
        """The answer to the last request, granted by the entry after it, and what its requester makes of it."""
        data = self.answer(self.last, self.last + 1)
        return data, check_answer(codec.decode(Answer, data), said, self.log, b"", {ALICE.identity.peer})

    async def read(self, path: str) -> bytes:
        """As a follower reads it: `archive.Read`."""
        if path == "checkpoint":
            return self.head()
        if path.startswith("consistency/"):
            old, new = map(int, path.split("/")[1:])
            return b"".join(merkle.prove_consistency(old, new, self.reader(new)))
        part = tiles.parse(path)
        if not isinstance(part, tiles.Bundle):
            raise NotFound(path)
        first = part.index * tiles.WIDTH
        return tiles.bundle(self.data[first : first + part.width])

    # -- shares -------------------------------------------------------------------------------------------------------

    def keys(self, rule: Policy) -> Mapping[str, Opened[CustodyKey]]:
        found = {}
        for member in rule.members:
            who = next(each for each in KEEPERS if each.identity.peer == member.peer)
            data = sharing.announce(self.commons, hpke.public_of(who.custody()), who.identity)
            found[member.name] = sharing.open_key(data, self.commons, member.peer)
        return found

    def deposit(
        self, secret: bytes, rule: Policy, chance: Callable[[int], bytes], access: Rule | None = None, **words: Any
    ) -> tuple[bytes, dict[str, bytes]]:
        said = {"commons": self.commons, "series": SERIES, "epoch": 0,
                "bound": sharing.binding(TERMS, access or Rule(kind="acknowledge"))}  # fmt: skip
        return sharing.deposit(secret, self.keys(rule), ALICE.identity, chance, rule=rule, **{**said, **words})


def followed(read: Read, commons: str, shelf: Shelf, history: History | None = None) -> Followed:
    """A log as somebody follows it who remembers in `shelf` what they trust."""
    return Followed(Replica(commons, history or History(), Remembered(shelf)), read)
