"""The owner's verbs over a log, and the logs that a custodian follows: each where it is read from, without sockets."""

from __future__ import annotations

import asyncio
import sqlite3
import time
from contextlib import closing
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from commons.core.crypto import ids
from commons.core.dataset import reference
from commons.core.dataset.terms import DAY
from commons.core.state.entries import REDACTION, Redaction
from commons.custody import followed
from commons.custody.followed import Logs
from commons.disk.records import record
from commons.errors import CommonsError, Malformed, NotFound, Pending, StorageFailed, Unreachable
from commons.log import audit
from commons.net.network import HERE
from commons.node import local
from commons.node.local import Near
from commons.node.verbs import status
from commons.node.verbs.context import announced, checked, given
from tests.conftest import Party, Start
from tests.dishonest import Asker
from tests.disk.test_log import flipped
from tests.keeper import EVE, KEEPERS, custodians

OTHER = ids.cid(b"other")


@pytest.fixture
async def alice(start: Start, folder: Path) -> Party:
    """Her log holds a dataset, a request and its grant."""
    party: Party = await start("alice", listen=())
    await Asker(party, await party.publish(folder)).ask()
    return party


# -- the owner's verbs -------------------------------------------------------------------------------------------------


async def test_a_log_is_named_by_who_keeps_it_or_where_it_lies(alice: Party, tmp_path: Path) -> None:
    with pytest.raises(NotFound, match="this home does not keep the log of"):
        await alice.desk.audit(commons=OTHER)
    with pytest.raises(NotFound, match="no commons called 'rivers'"):
        await alice.desk.audit(commons="rivers")
    with pytest.raises(NotFound, match="there is no "):
        await alice.desk.audit(source=str(tmp_path / "none"))
    for commons in (None, alice.home.first.commons):
        assert (await alice.desk.audit(commons=commons))["entries"] == 4
    shelf, key = alice.home.shelf, alice.home.first.log.key
    assert shelf.head(key.vkey) is None  # one's own log is not taken on trust
    path = str(tmp_path / "log")
    told = await alice.desk.export_log(path=path)
    assert (told["entries"], told["faults"], told["damaged"]) == (4, [], [])
    for commons in (None, alice.home.first.commons):
        assert (await alice.desk.audit(source=path, commons=commons))["entries"] == 4
    assert shelf.head(key.vkey) == alice.home.first.log.head.note
    with pytest.raises(CommonsError):
        await alice.desk.audit(source=path, commons=OTHER)


async def test_a_log_is_read_at_a_door_or_at_the_address_of_static_files(
    alice: Party, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A peer is asked whose log it keeps; a URL first whether the log's files lie right there."""
    site, commons, asked = alice.node.site, alice.home.first.commons, list[str]()

    async def get(source: str, path: str, *, limit: int, span: tuple[int, int] | None = None) -> bytes:
        asked.append(path)
        if path == "/commons":
            return commons.encode() + b"\n"
        if path.startswith(f"/{commons}/"):
            if "static" in source or "/openings/" in path:
                raise NotFound(path)
            return await local.own(site, commons)(path.removeprefix(f"/{commons}/"))
        if "static" not in source or "/openings/" in path:
            raise NotFound(path)
        return await local.own(site, commons)(path[1:])

    monkeypatch.setattr(alice.node.net, "get", get)
    peer = f"/ip4/127.0.0.1/tcp/1/p2p/{EVE.identity.peer}"
    for source, named, first in (
        (peer, None, "/commons"),
        (peer, commons, f"/{commons}/checkpoint"),
        ("https://door.example", None, "/checkpoint"),
        ("https://static.example/log", commons, "/checkpoint"),
    ):
        asked.clear()
        assert (await alice.desk.audit(source=source, commons=named))["entries"] == 4
        assert asked[0] == first
    assert "/commons" not in asked


async def test_an_entry_that_is_damaged_in_the_file_ends_the_audit(alice: Party) -> None:
    """What it says of itself is not what was signed."""
    with closing(sqlite3.connect(alice.home.first.folder / "log.db")) as db:
        db.execute("UPDATE entries SET data = ? WHERE idx = 2", (flipped(alice.home.first.log.entry(2), 99),))
        db.commit()
    with pytest.raises(StorageFailed, match="damaged: entries 2"):
        await alice.desk.audit()


async def test_the_words_by_which_a_log_went_on_are_told_of_ones_own_log_alone(alice: Party, tmp_path: Path) -> None:
    alice.home.first.resumption.word(alice.home.first.log.head, 9, [])
    await alice.desk.export_log(path=str(tmp_path / "log"))
    for source, over in ((None, [9]), (str(tmp_path / "log"), [])):
        assert [each["over"] for each in (await alice.desk.audit(source=source))["words"]] == over


async def test_a_log_that_grows_while_its_owner_audits_it_is_told_whole_and_not_taken_on_trust(
    alice: Party, monkeypatch: pytest.MonkeyPatch
) -> None:
    log, true = alice.home.first.log, audit.audit

    async def meanwhile(*words: Any, **more: Any) -> Any:
        said = Redaction(type=REDACTION, time=log.state.time, entries=(), reason="x")
        await asyncio.wrap_future(log.append(lambda _state, _index, _now: [record(said)]))
        return await true(*words, **more)

    monkeypatch.setattr(audit, "audit", meanwhile)
    assert (await alice.desk.audit())["entries"] == 5
    assert alice.home.shelf.head(log.key.vkey) is None


def test_no_source_is_none() -> None:
    assert checked([]) == []


async def test_the_desk_shows_what_waits_and_all_of_it_where_that_is_asked(alice: Party, folder: Path) -> None:
    assert (await alice.desk.requests())["requests"] == []
    (row,) = (await alice.desk.requests(everything=True))["requests"]
    assert (row["request"], row["outcome"], row["details"], row["damaged"]) == (2, "grant", None, "")
    assert row["who"] is not None
    await alice.desk.erase(entry=2)
    (row,) = (await alice.desk.requests(everything=True))["requests"]
    assert (row["who"], row["details"], row["damaged"]) == (None, None, "")
    waits = await Asker(alice, await alice.publish(folder, title="Seas", access="approval")).ask()
    assert [row["request"] for row in (await alice.desk.requests())["requests"]] == [waits]
    assert [row["request"] for row in (await alice.desk.requests(everything=True))["requests"]] == [2, waits]
    for outcome in ("pending", "", "voted"):
        with pytest.raises(Malformed, match="outcome is 'grant' or"):
            await alice.desk.decide(request=2, outcome=outcome)


async def test_the_clock_of_a_log_is_that_of_its_own_home_or_of_one_it_keeps_shares_for(alice: Party) -> None:
    now = int(time.time())
    with pytest.raises(NotFound, match="keeps no shares for"):
        await alice.desk.date(commons=OTHER)
    for commons in (None, alice.home.first.commons):
        assert now <= (await alice.desk.date(commons=commons))["clock"] <= time.time()
    followed.keep(alice.home, alice.home.first.commons)
    follower = alice.node.custodian.logs[alice.home.first.commons].replica
    told = await status.date_of(alice.desk.context, alice.home.first.commons, False)
    assert (told.log, told.right) == (follower.state.time, None)
    told = await status.date_of(alice.desk.context, alice.home.first.commons, True)
    assert told.right is not None
    alice.home.first.log._clock = lambda: time.time() + 400 * DAY  # it was said of another day
    assert (await status.date_of(alice.desk.context, alice.home.first.commons, False)).right is None


async def test_only_ones_own_addresses_that_can_be_dialled_are_announced(alice: Party) -> None:
    mine, hers = (f"/ip4/203.0.113.7/tcp/4001/p2p/{peer}" for peer in (alice.peer, EVE.identity.peer))
    wild = f"/ip4/0.0.0.0/tcp/4001/p2p/{alice.peer}"
    alice.home.config["announce"] = [mine, hers, wild, "https://rivers.example"]
    assert announced(alice.desk.context) == [mine, "https://rivers.example"]
    assert given(alice.desk.context, lan=True) == [mine, "https://rivers.example"]


async def test_a_peer_is_forgotten_by_its_address_in_any_spelling_or_by_its_name(alice: Party) -> None:
    hers = [f"/ip4/203.0.113.7/tcp/{port}/p2p/{EVE.identity.peer}" for port in (1, 2)]
    door = f"https://rivers.example/p2p/{EVE.identity.peer}"  # where nobody has shown who they are
    other = f"/ip4/203.0.113.7/tcp/3/p2p/{KEEPERS[0].identity.peer}"
    for each in (*hers, door, other):
        await alice.desk.peers(add=each)
    known = {*hers, door, other}
    assert {*(await alice.desk.peers())["peers"]} == known
    for wrong in (KEEPERS[1].identity.peer, other.replace("/tcp/3", "/tcp/4")):
        with pytest.raises(CommonsError):
            await alice.desk.peers(remove=wrong)
    for said, gone in ((f" {EVE.identity.peer} ", {*hers}), (other, {other}), (f"{door}/", {door})):
        known -= gone
        assert {*(await alice.desk.peers(remove=said))["peers"]} == known
    with pytest.raises(NotFound, match="is not remembered"):
        await alice.desk.peers(remove=other)
    alice.home.shelf.add_peer("rivers, somewhere")  # as an older version let pass
    assert (await alice.desk.peers(remove="rivers, somewhere"))["peers"] == []


async def test_a_node_announces_a_few_addresses_of_its_own(alice: Party) -> None:
    own = [f"/ip4/203.0.113.7/tcp/{port}/p2p/{alice.peer}" for port in range(1, reference.PARTS + 1)]
    for wrong, why in (
        ([own[0].replace(alice.peer, EVE.identity.peer)], "another node's address"),
        ([*own, "https://rivers.example"], f"at most {reference.PARTS} addresses"),
    ):
        with pytest.raises(Malformed, match=why):
            await alice.desk.announce(addresses=wrong)
    assert "announce" not in alice.home.config or alice.home.config["announce"] == []
    for addresses in (own, ["https://rivers.example", own[0]]):
        assert (await alice.desk.announce(addresses=addresses)) == {"announce": addresses, "warnings": []}
        assert alice.home.config["announce"] == addresses


async def test_a_status_gives_registrars_who_are_away_no_more_than_their_time(
    alice: Party, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = list[str]()

    async def hangs() -> None:
        asked.append("round")
        await asyncio.sleep(3600)

    monkeypatch.setattr(status, "FOLLOW_UP", 0.05)
    monkeypatch.setattr(alice.node.gossip, "round", hangs)
    told = await alice.desk.status()
    assert (told["entries"], told["waiting"], told["log"], told["next"]) == (4, 0, "writable", "")
    assert told["name"] == "alice's commons"
    assert asked == ["round"]
    alice.home.frozen = True
    assert (await alice.desk.status())["entries"] == 4
    assert asked == ["round"]
    alice.home.first.log.broken = StorageFailed("it is full", hint="make room")
    told = await alice.desk.status()
    assert (told["log"], told["next"]) == ("it is full", "make room")


async def test_a_status_asks_again_after_what_waits_and_hands_in_the_receipts_that_are_owed(
    alice: Party, start: Start, folder: Path, tmp_path: Path
) -> None:
    steward, bob = await start("steward"), await start("bob", listen=())
    reference = await steward.publish(folder, access="approval")
    for n in (1, 2):
        with pytest.raises(Pending):
            await bob.fetch(reference, tmp_path / f"copy{n}", steward.address)

    async def mine() -> list[str]:
        return [row["outcome"] for row in (await bob.desk.status())["my_requests"]]

    assert await mine() == ["pending"]
    (request,) = [row["request"] for row in (await steward.desk.requests())["requests"]]
    await steward.desk.decide(request=request, outcome="grant", reason="welcome")
    assert await mine() == ["grant"]
    await bob.fetch(reference, tmp_path / "copy", steward.address)
    assert await mine() == ["receipted"]
    (ask,), size = bob.home.shelf.asks(), steward.home.first.log.size
    bob.home.shelf.put_ask(replace(ask, outcome="fetched"))
    assert (await mine(), steward.home.first.log.size) == (["receipted"], size)  # which is one receipt, however often
    bob.home.shelf.put_ask(replace(ask, outcome="fetched"))
    bob.home.shelf._db.execute("DELETE FROM manifests")
    assert await mine() == ["fetched"]  # of what is here no more


# -- where a log is read -----------------------------------------------------------------------------------------------


class Doors:
    """What was asked of the network, of a site and of a custodian."""

    def __init__(self, name: str) -> None:
        self.name = name

    async def get(self, source: str, path: str, *, limit: int, span: tuple[int, int] | None = None) -> bytes:
        if source.startswith("away"):
            raise Unreachable(source)
        return f"{self.name} get {source} {path}".encode()

    async def post(self, source: str, path: str, body: bytes, *, limit: int) -> bytes:
        return f"{self.name} post {source} {path}".encode()

    def _said(self, what: str) -> Any:
        def say(*words: Any) -> bytes:
            return " ".join([self.name, what, *(str(each) for each in words)]).encode()

        return say

    def _waited(self, what: str) -> Any:
        async def say(*words: Any) -> bytes:
            return bytes(self._said(what)(*words))

        return say

    def __getattr__(self, what: str) -> Any:
        return self._waited(what) if what in ("submit", "deposit", "hand") else self._said(what)


async def test_this_nodes_own_custodian_and_log_are_reached_without_the_network() -> None:
    near = Near(Doors("net"), Doors("custodian"), Doors("site"), "me")  # type: ignore[arg-type]
    for path, said in {
        "custody-key": "custodian announce c", "cosigned": "site cosigned c", "checkpoint": "site checkpoint c",
        "openings/000": "site openings c 000 None", "consistency/3/7": "site consistency c 3 7",
        "tile/0/000": "site tile c tile/0/000",
    }.items():  # fmt: skip
        assert (await near.get(HERE, f"/c/{path}", limit=9)).decode() == said
        assert (await near.get("peer", f"/c/{path}", limit=9)).decode() == f"net get peer /c/{path}"
    for path, said in {
        "datasets/d": "site listed c d b'x'", "deposits": "custodian deposit c b'x'", "entries": "site submit c b'x'",
        "release": "site release c b'x'", "shares": "custodian hand c b'x' me",
    }.items():  # fmt: skip
        assert (await near.post(HERE, f"/c/{path}", b"x", limit=9)).decode() == said
        assert (await near.post("peer", f"/c/{path}", b"x", limit=9)).decode() == f"net post peer /c/{path}"
    assert (await local.own(Doors("site"), "c")("cosigned")).decode() == "site cosigned c"  # type: ignore[arg-type]


async def test_only_the_logs_that_shares_are_kept_for_are_followed_and_where_their_keeper_is(alice: Party) -> None:
    home = alice.home
    logs = Logs(home, Doors("net"), partial(local.own, alice.node.site))
    assert (len(logs), list(logs), OTHER in logs) == (0, [], False)
    with pytest.raises(KeyError):
        logs[home.first.commons]
    assert followed.keep(home, OTHER) == [OTHER]
    assert (
        followed.keep(home, home.first.commons)
        == followed.keep(home, home.first.commons)
        == sorted([OTHER, home.first.commons])
    )
    assert (len(logs), sorted(logs)) == (2, sorted([OTHER, home.first.commons]))
    with pytest.raises(NotFound, match="takes no part in"):
        logs[OTHER]
    home.shelf.put_seat(ids.cid(b"a third"), EVE.log(0).public, ["third"])
    with pytest.raises(NotFound, match="takes no part in"):
        logs[OTHER]
    home.shelf.put_seat(OTHER, EVE.log(0).public, ["away", "near"])
    assert logs[OTHER] is logs[OTHER]
    assert (await logs[OTHER].read("checkpoint")).decode() == f"net get near /{OTHER}/checkpoint"
    await logs[home.first.commons].follow()
    assert logs[home.first.commons].replica.state.size == 4


def test_custodians_are_reached_at_the_addresses_that_end_in_their_names() -> None:
    rule, names = custodians(3, 2), [each.identity.peer for each in KEEPERS[:4]]
    known = [f"/ip4/127.0.0.1/tcp/{n}/p2p/{names[at]}" for n, at in enumerate((0, 1, 1, 3))]
    found = followed.addresses(rule, [*known, f"https://rivers.example/p2p/{names[2]}"], names[3])
    assert found == {names[0]: [known[0]], names[1]: known[1:3], names[2]: []}
    assert followed.addresses(rule, known, names[1])[names[1]] == [HERE]
