"""Whose word decides about a dataset: the keeper that its manifest names, or who can show to have followed them."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from commons.core.dataset.manifest import Manifest
from commons.core.tlog import checkpoint
from commons.core.tlog.checkpoint import Checkpoint
from commons.disk.home import Home
from commons.errors import (
    CommonsError,
    Conflict,
    Gone,
    NotFound,
    Pending,
    Refused,
    SplitView,
    TimedOut,
    TooMany,
    Unreachable,
    Untrue,
)
from commons.log import registrars, replica
from commons.log.registrars import Incumbent as Keeping
from commons.net.network import HERE
from tests import keeper
from tests.conftest import MakeHome
from tests.keeper import ALICE, BOB, EVE
from tests.vectors.generate import MANIFEST


def at(who: Any) -> str:
    return f"/ip4/127.0.0.1/tcp/4001/p2p/{who.identity.peer}"


class Doors:
    """The network: what is shown at each source, by somebody who says that it is the log `said`."""

    def __init__(self) -> None:
        self.logs: dict[str, keeper.Keeper] = {}
        self.said: dict[str, str] = {}
        self.asked: list[str] = []

    async def get(self, source: str, path: str, *, limit: int, span: tuple[int, int] | None = None) -> bytes:
        self.asked.append(source)
        if source not in self.logs:
            raise Unreachable(f"{source} is away")
        if path == "/commons":
            return self.said.get(source, self.logs[source].commons).encode() + b"\n"
        return await self.logs[source].read(path.split("/", 2)[2])

    async def post(self, source: str, path: str, body: bytes, *, limit: int) -> bytes:
        raise NotFound(path)


class Case:
    """Alice's log, in which bob is a member; dora's home reads it. `value` is of a dataset in it."""

    def __init__(self, home: Home) -> None:
        self.home, self.doors = home, Doors()
        self.log = keeper.Keeper(members=(BOB.identity.peer,))
        self.doors.logs[at(ALICE)] = self.log
        self.value = replace(
            MANIFEST, commons=self.log.commons, log_key=self.log.signer.public, registrar=ALICE.identity.peer
        )  # fmt: skip

    def hand_over(self) -> keeper.Keeper:
        """The log as bob goes on with it."""
        log = keeper.Keeper(members=(BOB.identity.peer,))
        log.signer = log.hand_over()
        return log

    def find(self, *sources: str, same: bool = False) -> Keeping | None:
        return asyncio.run(registrars.find(self.home, self.doors, sources, self.value, same))

    def trusts(self, head: bytes) -> None:
        self.home.shelf.advance(self.log.log.vkey, None, head)


@pytest.fixture
def case(make_home: MakeHome) -> Iterator[Case]:
    with Home(make_home("dora")) as home:
        yield Case(home)


# -- as far as this home knows -----------------------------------------------------------------------------------------


def test_who_keeps_a_log_is_as_the_manifest_says_or_as_was_verified_since(case: Case) -> None:
    found = registrars.known(case.home, case.value)
    assert (found.peer, found.log, found.here) == (ALICE.identity.peer, case.log.log, False)
    assert found.stewards == {ALICE.identity.peer}
    key = BOB.log(0, case.log.commons).public
    case.home.shelf.put_keeper(case.log.commons, key, BOB.identity.peer, [EVE.identity.peer])
    found = registrars.known(case.home, case.value)
    assert (found.peer, found.log.public, found.here) == (BOB.identity.peer, key, False)
    assert found.stewards == {ALICE.identity.peer, BOB.identity.peer, EVE.identity.peer}


@pytest.mark.parametrize("commons", [True, False])
@pytest.mark.parametrize("key", [True, False])
def test_a_log_is_this_homes_where_commons_and_key_are_both_its_own(case: Case, commons: bool, key: bool) -> None:
    """A manifest may name somebody's commons, or somebody's key: not both, but by who has them."""
    home, value = case.home, case.value
    value = replace(value, commons=home.first.commons) if commons else value
    value = replace(value, log_key=home.first.log.key.public) if key else value
    found = registrars.known(home, value)
    assert (found.here, found.peer == home.keys.identity.peer) == (commons and key, commons and key)
    assert found.log.public == value.log_key
    assert asyncio.run(registrars.fold(home, case.doors, [], value)) == (
        home.first.log.state if commons and key else None
    )


def test_a_keepers_addresses_are_those_that_end_in_its_name(case: Case) -> None:
    found = registrars.known(case.home, case.value)
    door = f"https://rivers.example/p2p/{ALICE.identity.peer}"  # nobody has shown there who they are
    sources = [at(BOB), door, at(ALICE), at(ALICE).replace("4001", "4002")]
    assert registrars.addresses(found, sources) == sources[2:]
    assert registrars.addresses(replace(found, here=True), sources) == [HERE]
    with pytest.raises(Unreachable, match=f"no address is known of {ALICE.identity.peer}"):
        registrars.addresses(found, sources[:2])


@pytest.mark.parametrize("kind", [Unreachable, TimedOut, Refused, TooMany, Gone, Untrue])
@pytest.mark.parametrize("hint", ["", "ask again"])
def test_who_gets_no_answer_is_told_what_can_be_done(kind: type[CommonsError], hint: str) -> None:
    with pytest.raises(kind) as told, registrars.recourse("then"):
        raise kind("no", hint=hint)
    silent = kind in (Unreachable, TimedOut, Refused, TooMany)
    assert told.value.hint == ("; ".join(filter(None, [hint, "then"])) if silent else hint)


# -- who took it over since --------------------------------------------------------------------------------------------


def test_who_took_a_log_over_is_believed_by_all_of_it_and_remembered(case: Case) -> None:
    case.trusts(case.log.head())
    case.doors.logs[at(BOB)] = case.hand_over()
    found = case.find("https://rivers.example", at(ALICE), at(EVE), at(BOB))
    assert found is not None
    assert (found.peer, found.log.public) == (BOB.identity.peer, BOB.log(0, case.log.commons).public)
    assert found.stewards == {ALICE.identity.peer, BOB.identity.peer}
    assert registrars.known(case.home, case.value) == found
    assert at(BOB) in case.home.shelf.known()
    assert case.home.shelf.head(found.log.vkey) == case.doors.logs[at(BOB)].head()
    assert at(ALICE) not in case.doors.asked  # who keeps it by now, as far as was known, is not asked who does
    assert case.find(at(BOB)) is None  # nobody since


@pytest.mark.parametrize("lie", [
    "another commons", "at another's address", "faulty", "the same log", "begins elsewhere",
    "a shorter past", "garbled", "at a door",
])  # fmt: skip
def test_who_only_says_so_is_not_believed(case: Case, lie: str) -> None:
    case.trusts(case.log.head())
    later = case.hand_over()
    source = at(BOB)
    if lie == "another commons":
        later = keeper.Keeper(members=(EVE.identity.peer,))
    elif lie == "at another's address":
        source = at(EVE)
    elif lie == "at a door":
        source = f"https://rivers.example/p2p/{BOB.identity.peer}"
    elif lie == "faulty":
        later.add(b"no entry")
    elif lie == "the same log":
        later = case.log
    elif lie == "begins elsewhere":
        case.value = replace(case.value, log_key=EVE.log(0).public)  # whose log nobody took over
    elif lie == "a shorter past":
        case.log.publish()
        for _ in range(9):
            case.log.publish(series=len(case.log.data).to_bytes(16, "big"))
        case.home.shelf.advance(case.log.log.vkey, case.home.shelf.head(case.log.log.vkey), case.log.head())
    else:
        later.data[1] = later.data[0]
        later.reader(len(later.data))
        later.signer = EVE.log(0)
    case.doors.logs[source] = later
    before = case.home.shelf.known()
    assert case.find(source) is None
    assert registrars.known(case.home, case.value).peer == ALICE.identity.peer
    assert case.home.shelf.known() == before


def test_a_keeper_that_changed_its_key_is_found_where_that_is_asked(case: Case) -> None:
    case.trusts(case.log.head())
    case.doors.logs[at(BOB)] = log = case.hand_over()
    assert case.find(at(BOB)) is not None
    log.signer = log.hand_over(1)
    assert case.find(at(BOB)) is None
    found = case.find(at(BOB), same=True)
    assert found is not None
    assert (found.peer, found.log.public) == (BOB.identity.peer, BOB.log(1, log.commons).public)


def test_who_keeps_a_log_is_learnt_only_where_it_was_kept_under_the_key_that_is_known(case: Case) -> None:
    case.trusts(case.log.head())
    case.doors.logs[at(BOB)] = case.hand_over()
    assert case.find(at(BOB)) is not None
    kept, shelf, commons = replica.of(case.home, case.log.commons), case.home.shelf, case.log.commons
    with pytest.raises(Untrue, match="another key than the invitation named"):
        registrars.learn(case.home, kept, EVE.log(0).public, at(BOB))
    assert shelf.seats() == []
    registrars.learn(case.home, kept, case.log.log.public, at(BOB))
    learnt = [(commons, BOB.log(0, commons).public, [at(BOB)])]
    assert shelf.seats() == learnt
    registrars.learn(case.home, kept, kept.log.public, at(EVE))  # who shows it is no reason to ask there
    assert shelf.seats() == learnt


@pytest.mark.parametrize("signed", [True, False])
def test_a_past_that_contradicts_what_was_trusted_is_a_fork_and_stops_nobody_who_stands_on_a_later_key(
    case: Case, signed: bool
) -> None:
    case.log.publish()
    lie = Checkpoint(origin=case.log.log.name, size=2, root=bytes(32))
    case.trusts(checkpoint.sign(lie, case.log.signer))
    later = case.hand_over()
    if signed:  # by alice's own key, at the size that is trusted
        later = keeper.Keeper(members=(BOB.identity.peer,))
        later.publish()
    case.doors.logs[at(BOB)] = later
    if signed:
        with pytest.raises(SplitView):
            case.find(at(BOB))
    else:
        assert case.find(at(BOB)) is not None
    assert [*case.home.shelf.forks()] == [case.log.log.vkey]


# -- whoever answers ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", [Unreachable, TimedOut, Refused, Conflict, Gone, Pending])
@pytest.mark.parametrize("followed", [True, False])
def test_where_the_keeper_known_here_does_not_answer_who_followed_is_asked(
    case: Case, kind: type[CommonsError], followed: bool
) -> None:
    case.trusts(case.log.head())
    if followed:
        case.doors.logs[at(BOB)] = case.hand_over()
    asked = list[str]()

    async def ask(who: Keeping) -> str:
        asked.append(who.peer)
        if who.peer == ALICE.identity.peer:
            raise kind("no")
        return "yes"

    def answers() -> str:
        return asyncio.run(registrars.asked(case.home, case.doors, [at(BOB)], case.value, ask))

    if followed and kind not in (Gone, Pending):
        assert (answers(), asked) == ("yes", [ALICE.identity.peer, BOB.identity.peer])
    else:
        with pytest.raises(kind, match="no"):
            answers()
        assert asked == [ALICE.identity.peer]


def test_what_a_log_made_true_is_read_where_its_keeper_shows_it(case: Case) -> None:
    case.log.publish()

    def fold(*sources: str, value: Manifest = case.value) -> Any:
        return asyncio.run(registrars.fold(case.home, case.doors, sources, value))

    second = at(ALICE).replace("4001", "4002")
    state = fold(second, at(ALICE))  # the first is away
    assert (state.size, state.commons) == (2, case.log.commons)
    assert fold(at(BOB), second) is None
    case.doors.logs[at(BOB)] = case.log
    assert fold(at(BOB)) is None  # who does not keep it is not asked
