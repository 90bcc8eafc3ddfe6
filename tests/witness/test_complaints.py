"""A registrar that refuses, delays or disappears: a witness takes the request, delivers it, and tells what is not
logged."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from commons.core.crypto import codec, envelope, hpke, ids
from commons.core.crypto.keys import Keys
from commons.core.dataset.reference import parse
from commons.core.state import complaint, entries
from commons.core.state.complaint import Handed, Submitted, Taken, Unlogged, Waiting
from commons.core.state.entries import Asked
from commons.core.state.opening import Field, commit
from commons.disk import complaints as pleas
from commons.disk import home
from commons.disk.home import Home
from commons.errors import (
    CommonsError,
    Conflict,
    Malformed,
    NotFound,
    Refused,
    TooLarge,
    TooMany,
    Unacknowledged,
    Unreachable,
    Untrue,
)
from commons.log.answer import Answer, Submission
from commons.node.node import Node
from commons.witness import complaints
from tests import dishonest
from tests.conftest import CHARTER, MakeHome, Party, Start, Village, until
from tests.crash_driver import die_at, in_child, told
from tests.dishonest import Asker, Liar
from tests.test_docs import free_port


@pytest.fixture(autouse=True)
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(complaints, "AFTER", 0)
    monkeypatch.setattr(complaints, "FIRST", 0.1)
    monkeypatch.setattr(complaints, "LONGEST", 0.5)


class Nobody:
    """A network in which nobody answers."""

    async def get(self, source: str, path: str, *, limit: int, span: tuple[int, int] | None = None) -> bytes:
        raise Unreachable(source)

    async def post(self, source: str, path: str, body: bytes, *, limit: int) -> bytes:
        raise Unreachable(source)


NOBODY = Nobody()


class Refuses(Liar):
    async def submit(self, commons: str, body: bytes) -> bytes:
        raise Refused("not you")


def stated(asker: Asker, **lies: Any) -> bytes:
    """A signed request for the dataset, as its requester makes it."""
    return asker.statement(asker.asked(**lies))


def handed(statement: bytes, details: Field | None = None, *sources: str) -> bytes:
    return codec.encode(Handed(statement=statement, details=details, sources=sources))


async def listed(by: Party, of: Party) -> list[dict[str, Any]]:
    """What the witness publishes, as anybody reads it."""
    told = await of.desk.unlogged(sources=[by.address], commons=of.home.first.commons)
    return [row for each in told["witnesses"] for row in each["requests"]]


# -- the whole way ---------------------------------------------------------------------------------------------------


async def test_a_request_is_told_as_not_logged_until_its_registrar_is_back_and_then_is_logged_once(
    start: Start, make_home: MakeHome, folder: Path, tmp_path: Path
) -> None:
    bob, wim, eve = await start("bob"), await start("wim"), await start("eve")
    path, listen = make_home("alice"), (f"/ip4/127.0.0.1/tcp/{free_port()}",)
    with Home(path) as opened:
        async with Node(opened, listen) as node:
            alice = Party(node)
            address, commons = alice.address, opened.first.commons
            reference = await alice.publish(folder)
            wim.node.site.witness.add(opened.first.log.key.vkey)
            await bob.desk.show(dataset=reference, sources=[address])
    with pytest.raises(Unreachable) as away:
        await bob.fetch(reference, tmp_path / "copy", address, details="for my thesis")
    assert "commons witness submit" in away.value.hint
    assert bob.home.shelf.asks() == []
    first = await bob.desk.hand_in(
        dataset=reference, witness=wim.address, sources=[address], acknowledge="CC-BY-4.0", details="for my thesis"
    )  # fmt: skip
    said = await bob.desk.hand_in(dataset=reference, witness=wim.address, sources=[address])
    assert (said["entry"], said["witness"]) == (None, wim.peer)
    assert (first.pop("listed"), bool(first.pop("unlisted")), first) == (None, True, said)
    (kept,) = (bob.home.path / "proofs").glob("*.submitted")
    words = envelope.open(complaint.SUBMITTED, Submitted, bytes.fromhex(kept.read_text()))
    assert (words.signer, words.value.statement.hex()) == (wim.peer, said["statement"])
    await until(lambda: [each.said for each in wim.home.pleas.waiting()] == ["unreachable"])
    (row,) = (await eve.desk.unlogged(sources=[wim.address], commons=commons))["witnesses"][0]["requests"]
    assert (row["statement"], row["dataset"], row["mine"]) == (said["statement"], parse(reference).cid, False)
    assert (row["said"], row["size"]) == ("unreachable", 0)
    assert (await bob.desk.unlogged(sources=[wim.address]))["witnesses"][0]["requests"][0]["mine"]
    assert (await wim.desk.unlogged())["witnesses"][-1]["requests"][0]["statement"] == said["statement"]
    with Home(path) as opened:
        async with Node(opened, listen) as node:
            alice = Party(node)
            await until(lambda: not wim.home.pleas.waiting())
            assert await listed(wim, alice) == []
            (access,) = alice.home.first.log.state.accesses.values()
            again = await bob.desk.hand_in(dataset=reference, witness=wim.address)
            assert (again["entry"], again["outcome"]) == (access.index, "grant")
            with pytest.raises(Conflict, match="in the log already"):
                await bob.desk.hand_in(dataset=reference, witness=wim.address)
            await bob.fetch(reference, tmp_path / "copy", address)
            assert list(alice.home.first.log.state.accesses) == [access.index]
            assert (await alice.desk.audit())["rows"][0]["details"] == "for my thesis"


async def test_a_registrar_that_refuses_outside_its_log_is_told_of(start: Start, folder: Path, tmp_path: Path) -> None:
    alice, bob, wim = await start("alice", lie=Refuses), await start("bob"), await start("wim")
    reference = await alice.publish(folder)
    wim.node.site.witness.add(alice.home.first.log.key.vkey)
    with pytest.raises(Refused, match="not you") as refused:
        await bob.fetch(reference, tmp_path / "copy", alice.address)
    assert "commons witness submit" in refused.value.hint
    await bob.desk.hand_in(dataset=reference, witness=wim.address, sources=[alice.address])
    await until(lambda: [each.said for each in wim.home.pleas.waiting()] == ["refused"])
    assert [row["said"] for row in await listed(wim, alice)] == ["refused"]


@pytest.mark.parametrize(
    "lie", ["SignsWithAnotherKey", "LogsSomebodyElse", "LogsAnotherPurpose", "ShowsNothing", "AnswersGarbage"],
)  # fmt: skip
async def test_a_registrar_that_only_says_that_it_logged_is_not_believed(
    start: Start, folder: Path, tmp_path: Path, lie: str
) -> None:
    alice, bob, wim = await start("alice", lie=getattr(dishonest, lie)), await start("bob"), await start("wim")
    reference = await alice.publish(folder)
    wim.node.site.witness.add(alice.home.first.log.key.vkey)
    with pytest.raises(CommonsError):
        await bob.fetch(reference, tmp_path / "copy", alice.address)
    await bob.desk.hand_in(dataset=reference, witness=wim.address, sources=[alice.address])
    await until(lambda: [each.said for each in wim.home.pleas.waiting()] in (["untrue"], ["malformed"]))
    assert len(await listed(wim, alice)) == 1


async def test_what_is_not_yet_late_is_not_published(
    start: Start, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(complaints, "AFTER", 600)
    alice, bob, wim = await start("alice", lie=Refuses), await start("bob"), await start("wim")
    reference = await alice.publish(folder)
    wim.node.site.witness.add(alice.home.first.log.key.vkey)
    with pytest.raises(Refused):
        await bob.fetch(reference, tmp_path / "copy", alice.address)
    await bob.desk.hand_in(dataset=reference, witness=wim.address, sources=[alice.address])
    assert await listed(wim, alice) == []
    name = complaint.path(alice.home.first.log.origin).split("/")[2]
    late = complaints.published(wim.home, name, int(time.time()) + 601)
    assert len(envelope.open(complaint.UNLOGGED, Unlogged, late).value.waiting) == 1


async def test_what_is_old_by_two_readings_of_the_clock_is_forgotten(start: Start, folder: Path) -> None:
    alice, bob, wim = await start("alice"), await start("bob"), await start("wim", listen=())
    wim.node.site.witness.add(alice.home.first.log.key.vkey)
    asker = Asker(alice, await alice.publish(folder))
    asker.keys = bob.home.keys
    body = handed(stated(asker))
    await wim.node.unlogged.take(alice.home.first.commons, body, bob.peer)
    digest, keeper = entries.statement_digest(codec.decode(Handed, body).statement), wim.node.unlogged
    past, hours = complaints.KEEP + 10, 0.0
    keeper._clock, keeper._elapsed = lambda: time.time() + past + hours * 3600, lambda: hours * 3600
    keeper._read = None  # as at a start, whose clock is ahead
    for hours in (0.0, 0.9):  # noqa: B007
        await keeper._round()
        assert [each.statement for each in wim.home.pleas.waiting()] == [digest]
    past, hours = 0, 1.0  # it was set right
    await keeper._round()
    past, hours = complaints.KEEP + 10, 2.0  # and is ahead again
    await keeper._round()
    assert [each.statement for each in wim.home.pleas.waiting()] == [digest]
    hours = 3.0
    await keeper._round()
    assert wim.home.pleas.waiting() == []
    assert digest not in (wim.home.path / "pleas.db").read_bytes()


async def test_others_clocks_keep_what_one_that_is_ahead_calls_old(
    start: Start, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    alice, wim = await start("alice"), await start("wim", listen=())
    wim.node.site.witness.add(alice.home.first.log.key.vkey)
    asker = Asker(alice, await alice.publish(folder))
    await wim.node.unlogged.take(alice.home.first.commons, handed(stated(asker)), asker.keys.identity.peer)
    keeper, hours = wim.node.unlogged, 0
    keeper._clock, keeper._elapsed = lambda: time.time() + complaints.KEEP + 10, lambda: hours * 3600.0
    keeper._read = None
    says: list[int] = [int(time.time())]
    monkeypatch.setattr(wim.home.first.dating, "others", lambda: (says, []))
    for hours in range(3):  # noqa: B007
        await keeper._round()
    assert len(wim.home.pleas.waiting()) == 1
    says.clear()
    for hours in range(3, 6):  # noqa: B007
        await keeper._round()
    assert wim.home.pleas.waiting() == []


async def test_a_request_that_grew_too_old_is_made_anew_with_the_terms_acknowledged(
    start: Start, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    alice, bob, wim = await start("alice", lie=Refuses), await start("bob"), await start("wim")
    reference = await alice.publish(folder)
    wim.node.site.witness.add(alice.home.first.log.key.vkey)
    with pytest.raises(Unacknowledged) as proven:
        await bob.desk.hand_in(dataset=reference, witness=wim.address, sources=[alice.address])
    assert "nobody has shown" not in proven.value.message
    with pytest.raises(Refused):
        await bob.fetch(reference, tmp_path / "copy", alice.address, details="for my thesis")
    (before,) = bob.home.shelf.asks()
    later = time.time() + 3600
    monkeypatch.setattr(time, "time", lambda: later)
    wim.node.unlogged._clock = lambda: later
    with pytest.raises(Unacknowledged):
        await bob.desk.hand_in(dataset=reference, witness=wim.address)
    assert bob.home.shelf.asks() == [before]
    await bob.desk.hand_in(dataset=reference, witness=wim.address, acknowledge="CC-BY-4.0")
    (after,) = bob.home.shelf.asks()
    details = codec.decode(Submission, after.submission).details
    assert details is not None
    assert (after.submission != before.submission, details.value) == (True, b"for my thesis")


# -- those who lie -----------------------------------------------------------------------------------------------------


async def test_what_no_registrar_could_log_is_not_taken_and_nothing_of_it_is_kept(start: Start, folder: Path) -> None:
    alice, bob, eve = await start("alice"), await start("bob"), await start("eve")
    wim = await start("wim", http="127.0.0.1:0")
    reference = await alice.publish(folder)
    asker = Asker(alice, reference)
    asker.keys, commons = bob.home.keys, alice.home.first.commons
    good, post = stated(asker), bob.node.net.post

    async def hand(body: bytes, by: Party = bob, to: str = commons) -> bytes:
        return bytes(await by.node.net.post(wim.address, f"/{to}/submitted", body, limit=99_999))

    with pytest.raises(NotFound, match="does not cosign"):
        await hand(handed(good))
    wim.node.site.witness.add(alice.home.first.log.key.vkey)
    free = Field(name="details", salt=bytes(32), value=b"for my thesis")
    lies: list[tuple[bytes, type[CommonsError]]] = [
        (b"", Malformed),
        (b"\x93" * 400, Malformed),
        (handed(good[:-1] + bytes([good[-1] ^ 1])), Untrue),
        (handed(stated(asker, time=int(time.time()) - 900)), Malformed),
        (handed(good, free), Malformed),
        (handed(stated(asker, details=commit(free.name, free.salt, free.value))), Malformed),
        (handed(asker.statement(asker.asked(), eve.home.keys.identity)), Refused),
        (handed(stated(asker, commons=eve.home.first.commons)), Refused),
        (handed(good, None) + bytes(20_000), TooLarge),
        (bytes(200 << 10), TooLarge),
        (codec.encode(Handed(statement=good, details=None, sources=())).replace(b"sources", b"Sources"), Malformed),
    ]
    for body, kind in lies:
        wim.node.unlogged.each._buckets.clear()
        with pytest.raises(kind):
            await hand(body)
    with pytest.raises(Refused):
        await hand(handed(good), by=eve)  # who has a copy of what bob signed
    with pytest.raises(Refused, match="door"):
        await post(wim.node.door or "", f"/{commons}/submitted", handed(good), limit=99_999)
    assert wim.home.pleas.waiting() == []
    assert codec.decode(Taken, await hand(handed(good))).answer is None
    assert len(wim.home.pleas.waiting()) == 1


def test_a_registrar_has_few_addresses_and_they_are_peers() -> None:
    for sources in (("http://example.org",), ("/ip4/1.2.3.4/tcp/1",), ("here",)):
        with pytest.raises(Malformed):
            Handed(statement=b"", details=None, sources=sources)
    with pytest.raises(Malformed, match="at most 4"):
        Handed(statement=b"", details=None, sources=("/ip4/1.2.3.4/tcp/1/p2p/x",) * 5)


async def test_floods_are_bounded_for_each_requester_each_log_and_in_all(
    start: Start, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    alice, wim = await start("alice", listen=()), await start("wim", listen=())
    wim.node.site.witness.add(alice.home.first.log.key.vkey)
    asker, taking = Asker(alice, await alice.publish(folder)), wim.node.unlogged

    async def hand(n: int) -> bytes:
        asker.keys = Keys(n.to_bytes(32, "big"))
        return await taking.take(alice.home.first.commons, handed(stated(asker)), asker.keys.identity.peer)

    for _ in range(pleas.EACH):
        await hand(0)
    with pytest.raises(TooMany, match=f"at most {pleas.EACH} of one requester"):
        await hand(0)
    monkeypatch.setattr(pleas, "LOG", 10)
    for n in range(1, 7):
        await hand(n)
    with pytest.raises(TooMany, match="10 of one log"):
        await hand(7)
    monkeypatch.setattr(pleas, "LOG", 999)
    monkeypatch.setattr(pleas, "ALL", 10)
    with pytest.raises(TooMany):
        await hand(8)
    assert len(wim.home.pleas.waiting()) == 10
    for _ in range(200):  # and whoever sends the same again and again
        try:
            await hand(9)
        except TooMany as error:
            last = error
    assert last.message == "too many requests"


async def test_a_witness_that_signs_for_something_else_is_not_believed(
    start: Start, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    alice, bob, wim = await start("alice", lie=Refuses), await start("bob"), await start("wim")
    reference = await alice.publish(folder)
    wim.node.site.witness.add(alice.home.first.log.key.vkey)
    with pytest.raises(Refused):
        await bob.fetch(reference, tmp_path / "copy", alice.address)
    post = bob.node.net.post
    words = Submitted(
        commons=alice.home.first.commons,
        dataset=parse(reference).cid,
        statement=bytes(32),
        time=int(time.time()),
        size=0,
    )
    (ask,) = bob.home.shelf.asks()
    digest = entries.statement_digest(codec.decode(Submission, ask.submission).statement)
    for lie, signer in (
        (words, wim.home.keys.identity), (replace(words, statement=digest), alice.home.keys.identity),
        (replace(words, statement=digest, time=0), wim.home.keys.identity),
        (replace(words, statement=digest, commons=bob.home.first.commons), wim.home.keys.identity),
    ):  # fmt: skip
        said = codec.encode(Taken(acknowledged=envelope.sign(complaint.SUBMITTED, lie, signer), answer=None))

        async def lies(source: str, path: str, body: bytes, *, limit: int, said: bytes = said) -> bytes:
            return said if path.endswith("/submitted") else await post(source, path, body, limit=limit)

        monkeypatch.setattr(bob.node.net, "post", lies)
        with pytest.raises(Untrue, match="something else"):
            await bob.desk.hand_in(dataset=reference, witness=wim.address)
    assert list((bob.home.path / "proofs").glob("*.submitted")) == []


async def test_a_list_of_another_witness_or_log_is_not_believed(start: Start) -> None:
    alice, bob, wim = await start("alice"), await start("bob"), await start("wim")
    for each in (bob, wim):
        each.node.site.witness.add(alice.home.first.log.key.vkey)
    bobs = bob.node.site.submitted(complaint.path(alice.home.first.log.origin).split("/")[2])
    wim.node.site.submitted = lambda log: bobs
    with pytest.raises(Untrue, match="another witness"):
        await alice.desk.unlogged(sources=[wim.address], commons=alice.home.first.commons)
    assert (await alice.desk.unlogged(sources=[bob.address]))["witnesses"][0]["requests"] == []
    with pytest.raises(Malformed):
        Waiting(statement=bytes(32), dataset=alice.home.first.commons, time=1, size=0, tried=None, said="\x1b[2J")


# -- crashes -----------------------------------------------------------------------------------------------------------


def test_a_witness_killed_anywhere_has_kept_what_it_acknowledged(tmp_path: Path) -> None:
    """kill -9 at each step between opening the home and saying so; then the same request again."""
    wim = tmp_path / "wim"
    home.create(wim, home.personal("wim", "members", int(time.time())), {})
    with Home(wim) as opened:
        commons = opened.first.commons
        opened.witnessed.add(opened.first.log.key)  # a log as good as any other to sign for

    def take(opened: Home, body: bytes, peer: str) -> bytes:
        answer = asyncio.run(complaints.Complaints(opened, NOBODY, lambda _: []).take(commons, body, peer))
        return codec.decode(Taken, answer).acknowledged

    stored, code = list[bool](), -signal.SIGKILL
    while code == -signal.SIGKILL:
        step = len(stored) + 1
        keys = Keys(step.to_bytes(32, "big"))  # another requester each time
        asked = Asked(
            commons=commons, dataset=commons, terms=bytes(32), epoch=0, purpose="research", details=None,
            hpke=hpke.public_of(keys.custody()), nonce=bytes(32), time=int(time.time()),
        )  # fmt: skip
        statement = envelope.sign(entries.REQUEST, asked, keys.identity)
        body, peer = handed(statement), keys.identity.peer

        def work(step: int = step, body: bytes = body, peer: str = peer) -> None:
            die_at(step)
            with Home(wim) as opened:
                acknowledged = take(opened, body, peer)
                (tmp_path / "told").write_text(f"{acknowledged.hex()}\n")
                os._exit(0)

        code = in_child(work)
        with Home(wim) as opened:
            kept = opened.pleas.get(entries.statement_digest(statement))
            stored.append(kept is not None)
            again = take(opened, body, peer)
        assert kept is None or kept.acknowledged == again
    assert code == 0
    assert told(tmp_path / "told") == [again.hex()]  # whoever was told something is told the same
    assert stored == sorted(stored)
    assert (stored[0], stored[-1]) == (False, True)


async def test_what_waited_when_a_witness_stopped_is_delivered_when_it_starts(
    start: Start, make_home: MakeHome, folder: Path
) -> None:
    alice, bob = await start("alice"), await start("bob", listen=())
    path = make_home("wim")
    asker = Asker(alice, await alice.publish(folder))
    asker.keys = bob.home.keys
    with Home(path) as opened:
        async with Node(opened) as node:
            node.site.witness.add(alice.home.first.log.key.vkey)
            await node.unlogged.take(alice.home.first.commons, handed(stated(asker), None, alice.address), bob.peer)
    assert alice.home.first.log.state.accesses == {}
    with Home(path) as opened:
        async with Node(opened, ("/ip4/127.0.0.1/tcp/0",)):
            await until(lambda: not opened.pleas.waiting())
    (access,) = alice.home.first.log.state.accesses.values()
    assert access.outcome == "grant"


def test_a_logged_request_is_not_told_of_as_waiting(tmp_path: Path) -> None:
    kept, commons = pleas.Pleas(tmp_path / "pleas.db"), ids.cid(b"c")
    one = pleas.Plea(
        statement=entries.statement_digest(b"s"), commons=commons, dataset=ids.cid(b"d"), time=5, size=0,
        signer=Keys(bytes(32)).identity.peer, body=handed(b"s"), acknowledged=b"a",
    )  # fmt: skip
    assert kept.put(one) == one
    assert kept.put(replace(one, acknowledged=b"another")) == one
    kept._db.execute("UPDATE pleas SET body = 'no bytes'")  # damaged, and handed in again
    assert (kept.waiting(), [each.row for each in kept.unread.all()]) == ([], [one.statement.hex()])
    assert kept.put(one) == one
    assert kept.unread.all() == []
    kept.tried(one.statement, 9, "refused")
    assert kept.waiting(commons) == [replace(one, tried=9, said="refused")]
    assert kept.waiting("other") == []
    kept.logged(one.statement, 7, codec.encode(Answer(shown=(), head=b"", consistency=())))
    assert kept.waiting() == []
    assert (found := kept.get(one.statement)) is not None
    assert found.entry == 7
    kept.close()


# -- members who stand by ----------------------------------------------------------------------------------------------


async def test_a_member_who_stands_by_takes_requests_while_the_registrar_is_away_and_decides_none(
    village: Village, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    coop, ben, eve = [await village.start(*each) for each in (("coop", CHARTER), ("ben",), ("eve",))]
    invited = (await coop.desk.invite(college="workers", lan=True))["invitation"]
    await ben.desk.join(text=invited)
    commons, listen = coop.commons, (coop.address.partition("/p2p/")[0],)
    reference = await coop.publish(folder, access="approval")
    await eve.desk.show(dataset=reference, sources=[coop.address])
    stands = ben.node.of(commons)
    words = {"dataset": reference, "witness": stands.addresses[0], "sources": [coop.address]}
    with pytest.raises(NotFound, match="does not cosign"):
        await eve.desk.hand_in(**words, acknowledge="CC-BY-4.0")
    assert (await ben.desk.stand_by())["commons"] == [commons]
    await village.stop("coop")
    told = await eve.desk.hand_in(**words)
    assert (told["entry"], told["witness"]) == (None, stands.home.keys.identity.peer)
    (row,) = (await eve.desk.unlogged(sources=[stands.addresses[0]], commons=commons))["witnesses"][0]["requests"]
    assert (row["statement"], row["mine"]) == (told["statement"], True)
    assert row["size"] == stands.home.replicas[commons].size  # by its copy, which has no such entry
    (shown,) = (await ben.desk.status())["others"]
    assert shown["stands_by"]
    coop = await village.start("coop", listen=listen)
    await until(lambda: not stands.home.pleas.waiting())
    (access,) = coop.home.first.log.state.accesses.values()
    assert access.outcome == "pending"  # for who keeps the log to decide
    with monkeypatch.context() as custodian:
        custodian.setattr(stands.home.deposits, "of", lambda commons: ["a share"])
        with pytest.raises(Conflict, match="1 shares of keys"):
            await ben.desk.forget(named=commons)
    assert (await ben.desk.status())["others"][0]["stands_by"]  # what was refused has changed nothing
    assert (await ben.desk.stand_by(stop=True))["commons"] == []
    with pytest.raises(Conflict, match="keeps that log"):
        await coop.desk.stand_by()
    with pytest.raises(NotFound, match="does not cosign"):
        await (await village.start("late")).desk.hand_in(**words, acknowledge="CC-BY-4.0")
