"""Replacing the registrar: a member offers to keep the log, the others vote, and the log goes on in that member's home.

As long as the old registrar does its work, proposal and ballots are entries like all others. When it does not, the one
who offers collects them (`Bid`); they count in the log that goes on, wherever they stand in it. What it goes on from is
the last head that the charter's witnesses have signed: see `core.state.transfer`.
"""

from __future__ import annotations

import asyncio
import contextlib
import secrets
import time
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from hashlib import sha256
from itertools import chain

from commons.community import voting
from commons.core.crypto import envelope
from commons.core.crypto.envelope import Opened
from commons.core.crypto.keys import Keys, Signer
from commons.core.state import charter, entries, opening, proposals, transfer
from commons.core.state.entries import Entry, Unknown
from commons.core.state.fold import State
from commons.core.state.opening import Opening
from commons.core.state.proposals import Join, Proposal, Vote
from commons.core.state.transfer import SUCCESSION, Succession, quorum_at
from commons.core.tlog import checkpoint, cosignature, merkle, note
from commons.core.tlog.checkpoint import Signed
from commons.core.tlog.note import Verifier
from commons.disk.history import History
from commons.disk.home import Home
from commons.disk.records import Record, record
from commons.errors import CommonsError, Conflict, Malformed, NotFound, Pending, Refused, Untrue
from commons.log import audit
from commons.log.evidence import Nowhere
from commons.log.files import Read
from commons.net.network import Network

LIMIT = 64 << 10  # bytes of a proposal or ballot
ASKING = 5.0  # seconds for a witness to show what it signed last


# -- the offer ---------------------------------------------------------------------------------------------------------


def offer(keys: Keys, commons: str, state: State, own: bool) -> Proposal:
    """A proposal, not signed yet: this home offers to keep the log, under keys of its own that the log never had. `own`
    if it keeps it already: then the next key is the one it has committed to."""
    used = {each.key for each in state.founded.tenures}
    began, others = map(list, keys.chains(commons))
    keyed = began if own and state.keeper.public in {each.public for each in began} else others
    at = next((n for n, each in enumerate(keyed[:-1]) if each.public not in used), None)
    if at is None:
        raise Conflict("this home has kept that log under all of its keys", hint="let another member keep it")
    return Proposal(
        commons=commons, action="change-registrar", time=int(time.time()), nonce=secrets.token_bytes(16),
        peer=keys.identity.peer, log_key=keyed[at].public, next_key=sha256(keyed[at + 1].public).digest(),
    )  # fmt: skip


class Bids:
    """What this home collects for its own offer to keep a log: the ballots of members, one each."""

    def __init__(self, home: Home) -> None:
        self._shelf = home.shelf

    def shown(self, commons: str) -> bytes:
        """The signed proposal, in exact bytes; NotFound where this node has made no offer to keep that log."""
        found = self._shelf.bid(commons)
        if found is None:
            raise NotFound("this node has not offered to keep that log")
        return found[0]

    def take(self, commons: str, statement: bytes) -> bytes:
        """The digest of a member's ballot on the offer, once the ballot is durable. Malformed, Refused, Conflict,
        NotFound."""
        proposal, members = self._shelf.bid(commons) or (b"", [])
        self.shown(commons)
        said = envelope.open(proposals.VOTE, Vote, statement, LIMIT)
        if (said.value.commons, said.value.proposal) != (commons, sha256(proposal).digest()):
            raise Malformed("this ballot is on another proposal", hint="vote again: the offer may have been renewed")
        if said.signer not in members:
            raise Refused(f"{said.signer} is no member of this commons and cannot vote in it")
        voting.check_date(said.value.time, time.time())
        if self._shelf.put_ballot(sha256(proposal).digest(), said.signer, statement) != statement:
            raise Conflict(f"{said.signer} has voted on this already", hint="a ballot is cast once")
        return sha256(statement).digest()

    def ballots(self, proposal: bytes) -> list[bytes]:
        """The signed ballots on a signed proposal, all in exact bytes."""
        return self._shelf.ballots(sha256(proposal).digest())


# -- the log that goes on ----------------------------------------------------------------------------------------------


@dataclass(slots=True)
class Copy:
    """A log as somebody shows it, verified up to the head it can go on from. `hidden` are the openings that were shown
    and fit their entries."""

    base: Signed
    state: State
    data: list[bytes]
    hidden: dict[int, bytes]
    newest: State  # of all that they show


async def copy(read: Read, commons: str, trusted: bytes) -> Copy:
    """A log that was read and verified: up to the last head that its witnesses have signed, and beyond it what members
    have signed themselves. Untrue, Malformed, SplitView; Pending where no head is witnessed as the charter asks."""
    shown: dict[str, bytes | CommonsError] = {}

    async def once(path: str) -> bytes:
        """What was audited is what is taken, whatever is shown, or not shown, by now."""
        if path not in shown:
            try:
                shown[path] = await read(path)
            except (NotFound, Refused) as error:
                shown[path] = error
        found = shown[path]
        if isinstance(found, CommonsError):
            raise found.with_traceback(None)
        return found

    with closing(History()) as seen:
        report = await audit.audit(once, Nowhere(trusted), commons, lambda done, whole: None, history=seen)
        base = await _base(once, report.state, report.log, report.head)
        data, hidden, size = list[bytes](), dict[int, bytes](), base.checkpoint.size
        whole = report.head.checkpoint.size
        for start, batch in seen.batches(0, whole):
            data += batch
            hidden |= await audit.openings(once, start, len(batch))
        if seen.root(size) != base.checkpoint.root:
            raise Untrue("the head that its witnesses have signed is not of this log", evidence=(
                base.note.decode(), report.head.note.decode()))  # fmt: skip
    state, kept = State(), list[bytes]()
    for index, each in enumerate(data):
        entry = _read(each)
        members = isinstance(entry, Opened) and isinstance(entry.value, Proposal | Vote | Join)
        if index >= size and (not members or state.take(each) is not None):
            state.size = index
            break
        if index < size:
            state.take(each)  # what is faulty gives no right, and keeps nobody from going on
        kept.append(each)
    left = {*report.state.redacted, *(index for index, _ in report.faults), *range(size, whole)}
    return Copy(base, state, kept, {index: each for index, each in hidden.items() if index not in left}, report.state)


def _read(data: bytes) -> Entry:
    try:
        return entries.decode(data)
    except CommonsError:  # an entry of an earlier registrar that is none
        return Unknown(type="")


async def _base(read: Read, state: State, log: Verifier, newest: Signed) -> Signed:
    shown = [newest.note]
    with contextlib.suppress(NotFound):
        shown.append(await read("cosigned"))
    for data in shown:  # the newest first
        size = checkpoint.parse(note.peek(data)).size
        asked = quorum_at(state.founded.quorums, size)
        opened, present = cosignature.open(data, log, asked)
        if asked.met(present) and size <= newest.checkpoint.size:
            return opened
    raise Pending(
        "no head of this log is witnessed as its charter asks, so nobody can go on from it",
        hint="get the log from somebody who has its cosigned head: an export, a mirror, its registrar",
    )


def add(copied: Copy, statements: Sequence[bytes]) -> list[str]:
    """What was wrong with ballots that do not count, a sentence each. The proposal and its ballots (`statements`),
    which were collected apart from the log, are added to the copy, the earliest ballot first. One by a slow clock may
    be dated before its proposal."""
    opened = [(entries.decode(each), each) for each in statements]
    dated = sorted(opened[1:], key=lambda each: entries.time_of(each[0]) or 0)
    wrong = []
    for entry, data in [*opened[:1], *dated]:
        try:
            copied.state.apply(entry)
            copied.data.append(data)
        except CommonsError as error:
            copied.state.size = len(copied.data)
            wrong.append(error.message)
    return wrong


async def check_newest(net: Network, copied: Copy) -> None:
    """Nothing; Conflict where witnesses show that they signed what would not go on, and the others are no quorum: they
    would not sign what leaves it out. A witness that does not answer shows nothing."""
    community, origin = copied.state.founded, copied.state.keeper.name
    asked = quorum_at(community.quorums, copied.base.checkpoint.size)
    hashes = [merkle.leaf(data) for data in copied.data]

    async def left_out(name: str, url: str) -> str:
        with contextlib.suppress(CommonsError, TimeoutError):
            async with asyncio.timeout(ASKING):
                data = await net.get(url.rstrip("/"), cosignature.monitored(origin), limit=note.LIMIT)
            seen = transfer.open_head(data, origin, copied.state.tenures).checkpoint
            return name if merkle.root_of(hashes[: seen.size]) != seen.root else ""  # as of what is larger
        return ""

    urls = [(each.name, each.url) for each in asked.witnesses if each.url is not None]
    away = [name for name in await asyncio.gather(*(left_out(name, url) for name, url in urls)) if name]
    if not asked.open(away):
        raise Conflict(
            f"it would go on from {copied.base.checkpoint.size} entries; {' and '.join(away)} signed more of this log, "
            "and would not sign what leaves that out",
            hint="get a newer copy of the log",
        )


def build(home: Home, commons: str, copied: Copy) -> tuple[list[Record], Signer]:
    """The log that goes on, up to the entry by which this home keeps it, and the key under which it does. Refused where
    the members have not chosen this home; Undated where its clock is in doubt."""
    copied.state.check_known()
    community = copied.state.founded
    heir = community.heir
    if heir is None or heir.peer != home.keys.identity.peer:
        raise Refused("the members have not chosen this home to keep the log")
    signer = _signer(home.keys, commons, heir.log_key or b"")
    now = int(time.time())
    for kept in home.kept.values():
        kept.dating.check(now, community.chosen)
    said = Succession(commons=commons, head=copied.base.note, time=max(now, community.chosen))
    last = envelope.open(SUCCESSION, Succession, envelope.sign(SUCCESSION, said, home.keys.identity))
    return [*_records(copied), record(last)], signer


def _signer(keys: Keys, commons: str, public: bytes) -> Signer:
    found = next((each for each in chain(*keys.chains(commons)) if each.public == public), None)
    if found is None:
        raise Refused(
            "the members chose a key that this home does not have", hint="is its seed the one that made the offer?"
        )
    return found


def _records(copied: Copy) -> Iterator[Record]:
    """Entries as they were, with what is known of what they hide and of which statement made them."""
    who: dict[int, str] = {}
    made: set[bytes | None] = {None}
    for index, data in enumerate(copied.data):
        entry = _read(data)
        hidden = copied.hidden.get(index) if entries.commitments(entry) else None  # of others it was not audited
        shown = opening.decode(hidden) if hidden is not None else None
        about = getattr(entry, "request", index)
        if shown is not None and (named := shown.get("requester")) is not None:
            who[index] = named.decode("ascii", "replace")
        statement = _statement(entry, shown, data)
        first = None if statement in made else statement  # a log may hold one twice, and the first of them answers
        made.add(statement)
        yield Record(entry=entry, data=data, opening=shown, subject=who.get(about, ""), statement=first)


def _statement(entry: Entry, shown: Opening | None, data: bytes) -> bytes | None:
    """The digest by which whoever sends it again finds it: of a member's entry, a request or a receipt."""
    if isinstance(entry, Opened):
        return None if isinstance(entry.value, charter.Charter | entries.Publish) else sha256(data).digest()
    said = shown.get("statement") if shown is not None else None
    return None if said is None or isinstance(entry, entries.Decision) else sha256(said).digest()
