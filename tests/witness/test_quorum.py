"""The requester's side of the quorum, against every head that witnesses may have signed."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from commons.core.crypto import codec, envelope, ids
from commons.core.state import proposals
from commons.core.state.charter import CHARTER, Charter
from commons.core.state.entries import STAMP, Stamp
from commons.core.tlog import checkpoint, proof, tiles
from commons.disk.history import History
from commons.errors import CommonsError, NotFound, Pending, Untrue
from commons.log.answer import Checked
from commons.log.evidence import Nowhere
from commons.log.replica import Replica
from commons.witness import quorum
from tests.core.test_time import KEYS, TWO, Watched
from tests.keeper import BOB
from tests.vectors import generate
from tests.vectors.generate import MANIFEST


class Door:
    """A plain door in memory that shows one log and, of all heads, the one that is to be `cosigned`; a liar's, with
    the last of its entries once more, where it shows them all."""

    def __init__(self, watched: Watched, cosigned: bytes | None, lies: bool, first: bytes) -> None:
        self._log, self._cosigned, self._lies, self._first = watched.log, cosigned, lies, first

    async def get(self, source: str, path: str, *, limit: int, span: tuple[int, int] | None = None) -> bytes:
        path = path.removeprefix(f"/{self._log.commons}/")
        if path != "cosigned":
            part = None if path.startswith("consistency/") else tiles.parse(path)
            if isinstance(part, tiles.Tile):
                return tiles.tile_bytes(part, self._log.reader(len(self._log.data)))
            data = await self._log.read(path)
            if self._first and path.endswith(".p/1"):
                return tiles.bundle([self._first])
            if self._lies and path.startswith("tile/entries/") and not path.endswith(".p/1"):
                shown = tiles.unbundle(data, len(self._log.data))
                return tiles.bundle([*shown[:-2], shown[-1], shown[-1]])
            return data
        if self._cosigned is None:
            raise NotFound(path)
        return self._cosigned

    async def post(self, source: str, path: str, body: bytes, *, limit: int) -> bytes:
        raise NotFound(path)


class Case:
    """A log whose charter asks for two witnesses of three; a request at `index`, granted by the entry after it."""

    def __init__(self, witnesses: str = TWO) -> None:
        self.watched = Watched(witnesses)
        log = self.watched.log
        dataset = log.publish()
        said = log.ask(BOB, dataset)
        self.granted = log.decide()
        self.index = log.last
        _, self.checked = log.granted(said)
        for _ in range(3):
            log.ask(BOB, dataset)
        self.lies, self.first = False, b""
        self.value = replace(MANIFEST, commons=log.commons)

    def kept(self) -> Replica:
        return Replica(self.watched.log.commons, History(), Nowhere())

    def check(self, cosigned: bytes | None, checked: Checked | None = None) -> bytes:
        door, log = Door(self.watched, cosigned, self.lies, self.first), self.watched.log.log
        return asyncio.run(quorum.check(self.kept(), door, "door", self.value, log, checked or self.checked))

    def shown(self, cosigned: bytes | None, checked: Checked | None = None) -> bytes:
        door, log = Door(self.watched, cosigned, self.lies, self.first), self.watched.log.log
        return asyncio.run(quorum.shown(self.kept(), door, "door", self.value, log, checked or self.checked))

    def proven(self, checked: Checked, head: bytes) -> bytes:
        door, log = Door(self.watched, None, self.lies, self.first), self.watched.log.log
        return asyncio.run(quorum.proven(door, "door", self.value, log, checked, head))


def test_no_key_is_used_before_witnesses_have_seen_the_entry_that_grants_it() -> None:
    """At every size, the one that ends right before the decision among them."""
    case = Case()
    for size in range(1, len(case.watched.log.data) + 1):
        head = case.watched.head(3, 3, None, size=size)
        if size > case.granted:
            assert case.check(head) == case.shown(head) == head
        else:
            told = f"signed {size} entries, and not yet entry {case.granted}"
            with pytest.raises(Untrue, match=told):
                case.check(head)
            with pytest.raises(Pending, match=told):
                case.shown(head)


def test_a_request_without_a_decision_has_to_be_seen_itself() -> None:
    case = Case()
    waits = replace(case.checked, decision=None)
    for size in (case.index, case.index + 1):
        head = case.watched.head(3, 3, None, size=size)
        if size > case.index:
            assert case.shown(head, waits) == head
        else:
            with pytest.raises(Pending, match=f"not yet entry {case.index}"):
                case.shown(head, waits)


def test_a_head_without_its_quorum_is_not_used_whoever_signed_it() -> None:
    case = Case()
    for times in ((None, None, None), (3,), (None, None, 3)):
        head = case.watched.head(*times)
        for ask in (case.check, case.shown):
            with pytest.raises(Untrue, match="not witnessed as its charter asks"):
                ask(head)
    with pytest.raises(Untrue, match="not witnessed as its charter asks"):
        case.check(None)
    with pytest.raises(Pending, match="no head of this log is signed by enough witnesses yet"):
        case.shown(None)


def test_whom_the_members_chose_since_is_enough_and_the_log_has_to_bear_it_out() -> None:
    one = f"witness w0 {KEYS[0].vkey}\nquorum w0\n"
    for chosen in (False, True):
        case = Case()
        log = case.watched.log
        if chosen:
            charter = envelope.open(CHARTER, Charter, log.charter).value
            colleges = tuple(replace(each, members=()) for each in charter.colleges)
            said = replace(charter, witnesses=one, colleges=colleges)
            log.vote(BOB, log.propose("amend-charter", charter=said))
            case.watched.stamp(log.clock, log.clock, None)
            assert case.watched.community().charter.witnesses == one
        head = case.watched.head(3)
        if chosen:
            assert case.check(head) == case.shown(head) == head
            case.lies = True
            with pytest.raises(Untrue, match="do not have the root"):
                case.check(head)
        else:
            with pytest.raises(Untrue, match="not witnessed"):
                case.check(head)


def test_the_charter_is_the_one_that_the_dataset_names_and_is_one() -> None:
    case = Case()
    head, log = case.watched.head(3, 3, None), case.watched.log
    ballot = envelope.sign(proposals.VOTE, generate.BALLOT, BOB.identity)
    log.data[0] = log.data[1]
    with pytest.raises(Untrue, match="not that of this dataset's commons"):
        case.check(head)
    for first in (codec.encode(Stamp(type=STAMP, time=1, head=b"x")), ballot):
        log.data[0] = first
        case.value = replace(case.value, commons=ids.cid(first))
        log.commons = case.value.commons
        with pytest.raises(Untrue, match="does not begin with a charter"):
            case.check(head)


def test_a_commons_that_asks_for_no_witnesses_needs_none() -> None:
    case = Case(witnesses="")
    assert case.check(None) == case.checked.head.note


def test_a_witnessed_head_that_is_of_another_history_is_told_with_both() -> None:
    case = Case()
    log = case.watched.log
    log.data[2] = log.data[1]
    head = case.watched.head(3, 3, None, size=len(log.data))
    with pytest.raises(CommonsError) as told:
        case.check(head)
    assert len(told.value.evidence) >= 2


def test_a_log_whose_first_entry_is_another_charter_tells_nobody_whom_its_members_chose() -> None:
    """Its keeper signed a tree of others under this log's name, and shows the true charter where it is asked for."""
    case = Case()
    log = case.watched.log
    other = Watched(f"witness w0 {KEYS[0].vkey}\nquorum w0\n").log.charter
    case.first, log.data[0] = log.data[0], other
    case.checked = replace(case.checked, head=checkpoint.open(log.head(), log.log))
    with pytest.raises(Untrue, match="its charter is that of"):
        case.check(case.watched.head(3))


@pytest.mark.parametrize("decided", [True, False])
def test_the_proof_that_is_kept_is_of_the_last_entry_of_the_answer_under_the_head_that_is_witnessed(
    decided: bool,
) -> None:
    """The decision where there is one, else the request; whatever the witnesses signed after it."""
    case = Case()
    log = case.watched.log
    index = case.granted if decided else case.index
    checked = case.checked if decided else replace(case.checked, decision=None, entry=log.data[case.index])
    head = case.watched.head(3, 3, None)
    made = proof.parse(case.proven(checked, head))
    assert (made.index, made.note) == (index, head)
    assert proof.check(made, log.data[index], log.log, KEYS).checkpoint.size == len(log.data)
    with pytest.raises(Untrue):
        case.proven(replace(checked, entry=log.data[1]), head)
