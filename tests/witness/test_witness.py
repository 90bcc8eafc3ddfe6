"""Witnesses: our node cosigns logs of any maker, ours is cosigned by any maker's witness, and no key leaves without a
quorum. The liars stand below the honest ones."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import json
import os
import shutil
import subprocess
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from commons.community import voting
from commons.core.crypto import envelope
from commons.core.crypto.keys import Signer
from commons.core.state.proposals import PROPOSAL, Proposal
from commons.core.tlog import checkpoint, cosignature, note
from commons.core.tlog.note import COSIGNATURE, Verifier
from commons.disk import home
from commons.disk.home import Home
from commons.disk.records import record
from commons.errors import CommonsError, Pending, Stale, Untrue
from commons.net import client
from commons.node.node import Node
from commons.witness import cosigning
from commons.witness.cosigning import Cosigner, Cosigning
from tests.cli.test_cli import Commons
from tests.conftest import ANY, Party, Start, log_folder, until
from tests.core.test_cosignature import GO_WITNESS, LOG, LOG_KEY, NOTE, VECTORS, Log
from tests.dishonest import Answering, Server, sends_for_ever, sends_zeros, stalls

pytestmark = pytest.mark.usefixtures("impatient")

GO_KEY = Signer(bytes.fromhex(VECTORS["witness_seed_hex"]))
SECOND = Signer(b"2" * 32)
KEY2 = Verifier(name="w2.example", type=COSIGNATURE, public=SECOND.public)


# -- the cast --------------------------------------------------------------------------------------------------------


class Stranger:
    """A witness of another maker, written from the specification alone, for one log, under the vectors' witness key."""

    def __init__(self, signer: Signer = GO_KEY, key: Verifier = GO_WITNESS) -> None:
        self.size, self.text, self.asked, self.signer, self.key = 0, "", 0, signer, key

    async def __call__(self, asked: web.Request) -> web.StreamResponse:
        self.asked += 1
        if asked.method == "GET":
            return web.Response(status=404)
        old, _, rest = (await asked.read()).partition(b"\n")
        self.text = (rest[rest.index(b"\n\n") + 2 :] if not rest.startswith(b"\n") else rest[1:]).decode()
        self.text = self.text.partition("\n\n")[0] + "\n"
        if int(old.split()[1]) != self.size:
            return web.Response(status=409, body=b"%d\n" % self.size, content_type="text/x.tlog.size")
        self.size = int(self.text.split("\n")[1])
        return web.Response(body=self.line(self.text))

    def line(self, text: str) -> bytes:
        return note.cosign(text, self.key.name, self.signer, int(time.time()))


def policy(need: int, *rows: tuple[Verifier, str]) -> str:
    names = [f"w{n}" for n in range(1, len(rows) + 1)]
    lines = [f"witness {name} {key.vkey} {url}" for name, (key, url) in zip(names, rows, strict=True)]
    return "\n".join([*lines, f"group g {need} {' '.join(names)}", "quorum g"]) + "\n"


def make(path: Path, witnesses: str) -> Path:
    """A home whose charter asks for these witnesses."""
    found = home.personal("watched", "members", int(time.time()))
    home.create(path, lambda keys: replace(found(keys), witnesses=witnesses), {})
    return path


@asynccontextmanager
async def run(path: Path, **words: Any) -> AsyncIterator[Party]:
    with Home(path) as opened:
        async with Node(opened, **{"listen": (ANY,), **words}) as node:
            yield Party(node)


def covered(party: Party) -> int:
    found = cosigning.covering(party.home.first)
    return checkpoint.open(found, party.home.first.log.key).checkpoint.size if found else 0


async def settled(party: Party) -> None:
    await until(lambda: covered(party) == party.home.first.log.size)


@pytest.fixture
async def three(start: Start) -> list[Party]:
    """Three nodes that are witnesses: two by their HTTP door, the third by libp2p."""
    doors = ["127.0.0.1:0", "127.0.0.1:0", None]
    return [await start(f"witness{n}", http=door, listen=(ANY,)) for n, door in enumerate(doors)]


def row(party: Party) -> tuple[Verifier, str]:
    return party.node.site.witness.key, party.node.door or party.address


def trust(witnesses: list[Party], party: Party) -> None:
    for each in witnesses:
        each.node.site.witness.add(party.home.first.log.key.vkey)


def third_party(data: bytes, entry: bytes, keys: list[Verifier]) -> set[str]:
    """Whose signatures a C2SP tlog-proof of this entry carries, read by the specifications alone."""
    head, _, kept = data.decode().partition("\n\n")
    magic, index, *hashes = head.split("\n")
    assert magic == "c2sp.org/tlog-proof@v1"
    text, _, lines = kept.rpartition("\n\n")
    _, size, root = text.split("\n")[:3]
    at, last, top = int(index.removeprefix("index ")), int(size) - 1, hashlib.sha256(b"\0" + entry).digest()
    for each in map(base64.b64decode, hashes):  # RFC 9162, 2.1.3.2
        left = at & 1 or at == last
        top = hashlib.sha256(b"\1" + (each + top if left else top + each)).digest()
        while left and at and not at & 1:
            at, last = at >> 1, last >> 1
        at, last = at >> 1, last >> 1
    assert (last, top) == (0, base64.b64decode(root))
    found = set()
    for line in lines.splitlines():
        _, name, value = line.split(" ")
        signature = base64.b64decode(value)[4:]
        (key,) = [each for each in keys if each.name == name]
        said = f"{text}\n".encode()
        if key.type == COSIGNATURE:
            time_, signature = int.from_bytes(signature[:8], "big"), signature[8:]
            said = f"cosignature/v1\ntime {time_}\n".encode() + said
        Ed25519PublicKey.from_public_bytes(key.public).verify(signature, said)
        found.add(name)
    return found


# -- the whole way ---------------------------------------------------------------------------------------------------


async def test_a_key_is_released_under_a_head_that_enough_witnesses_signed(
    three: list[Party], start: Start, folder: Path, tmp_path: Path
) -> None:
    asked = policy(3, *map(row, three))
    bob = await start("bob", listen=())
    async with run(make(tmp_path / "alice", asked), http="127.0.0.1:0") as alice:
        trust(three, alice)
        reference = await alice.publish(folder)
        told = await bob.fetch(reference, tmp_path / "copy", alice.address)
        assert told["files"] == 3
        proofs = bob.home.path / "proofs"
        (kept,), (entry,) = proofs.glob("*.tlog-proof"), proofs.glob("*.entry")
        keys = [alice.home.first.log.key, *(row(each)[0] for each in three)]
        signers = third_party(kept.read_bytes(), bytes.fromhex(entry.read_text()), keys)
        assert signers == {key.name for key in keys}  # the charter's quorum, and the log
        with pytest.raises(AssertionError):
            third_party(kept.read_bytes(), b"another entry", keys)
        await settled(alice)
        for path in ("checkpoint", "cosigned"):  # served with it, at the plain door too
            data = await bob.node.net.get(alice.node.door, f"/{alice.home.first.commons}/{path}", limit=9999)
            signed, present = cosignature.open(data, alice.home.first.log.key, cosignature.quorum(asked))
            assert (signed.checkpoint, present) == (alice.home.first.log.head.checkpoint, {"w1", "w2", "w3"})
        told = await alice.desk.witness()
        assert (told["own"]["covered"], told["own"]["missing"]) == (alice.home.first.log.size, "")
        assert [at["problem"] for at in told["own"]["asked"]] == ["", "", ""]
    async with run(tmp_path / "alice", listen=()) as alice:  # and it is still there after a restart
        assert covered(alice) == alice.home.first.log.size


@pytest.mark.rest
async def test_below_the_quorum_no_key_is_given_and_when_they_are_back_the_same_command_gets_it(
    three: list[Party], start: Start, folder: Path, tmp_path: Path
) -> None:
    strangers = [Stranger(), Stranger(SECOND, KEY2)]
    away = [True]

    def door(stranger: Stranger) -> Answering:
        async def answer(asked: web.Request) -> web.StreamResponse:
            return web.Response(status=503) if away[0] else await stranger(asked)

        return answer

    bob = await start("bob", listen=())
    async with AsyncExitStack() as stack:
        urls = [await stack.enter_async_context(Server(door(each))) for each in strangers]
        asked = policy(2, row(three[0]), *((each.key, url) for each, url in zip(strangers, urls, strict=True)))
        alice = await stack.enter_async_context(run(make(tmp_path / "alice", asked)))
        trust(three[:1], alice)
        reference = await alice.publish(folder)
        for _ in range(2):
            with pytest.raises(Pending, match=r"waits for witnesses: 1 of \(w2, w3\)") as pending:
                await bob.fetch(reference, tmp_path / "copy", alice.address)
            assert pending.value.number == 25
        assert bob.home.shelf.asks()[0].secret is None
        assert not (tmp_path / "copy").exists()
        assert alice.home.first.log.size == 4  # one request and its decision, however often it was tried
        assert "503" in next(at.problem for at in alice.node.at().cosigning.asked.values() if "w2" in at.keys.values())
        away[0] = False
        assert (await bob.fetch(reference, tmp_path / "copy", alice.address))["files"] == 3


async def test_a_registrar_that_gives_the_key_without_its_witnesses_gets_no_use_of_it(
    start: Start, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cosigning, "demand", lambda *_: None)
    bob = await start("bob", listen=())
    asked = policy(1, (GO_WITNESS, "http://127.0.0.1:1"))
    async with run(make(tmp_path / "alice", asked)) as alice:
        reference = await alice.publish(folder)
        with pytest.raises(Untrue, match="w1 did not sign"):
            await bob.fetch(reference, tmp_path / "copy", alice.address)
        (ask,) = bob.home.shelf.asks()
        assert ask.secret is None
        # an older head that they did sign holds no later entry
        line = note.cosign(alice.home.first.log.head.checkpoint.text(), GO_WITNESS.name, GO_KEY, 1)
        alice.home.first.cosigned.put(
            alice.home.first.log.size, alice.home.first.log.head.note, {GO_WITNESS.vkey: line}
        )
        (tmp_path / "more").mkdir()
        (tmp_path / "more" / "x").write_text("x")
        second = await alice.publish(tmp_path / "more")
        with pytest.raises(Untrue, match="not yet entry"):
            await bob.fetch(second, tmp_path / "copy2", alice.address)
        assert (await bob.fetch(reference, tmp_path / "copy", alice.address))["files"] == 3  # that head held this one


async def test_a_registrar_that_shows_another_charter_or_another_history_is_found_out(
    start: Start, folder: Path, tmp_path: Path
) -> None:
    stranger, bob = Stranger(), await start("bob", listen=())
    async with (
        Server(stranger) as url,
        run(make(tmp_path / "alice", policy(1, (GO_WITNESS, url)))) as alice,
        run(make(tmp_path / "eve", "")) as eve,
    ):
        reference = await alice.publish(folder)
        honest = alice.node.site.tile
        alice.node.site.tile = lambda commons, path: eve.node.site.tile(eve.home.first.commons, path)  # type: ignore[method-assign]
        with pytest.raises(Untrue, match="charter shown is not that"):
            await bob.fetch(reference, tmp_path / "copy", alice.address)
        alice.node.site.tile = honest  # type: ignore[method-assign]
        await settled(alice)

        def another_history(_commons: str) -> bytes:
            forged = checkpoint.sign(
                replace(alice.home.first.log.head.checkpoint, root=b"\7" * 32), alice.home.keys.log(0)
            )
            return note.add(forged, stranger.line(note.peek(forged)))

        alice.node.site.cosigned = another_history  # type: ignore[method-assign]
        with pytest.raises(Untrue, match="contradicts") as split:
            await bob.fetch(reference, tmp_path / "copy", alice.address)
        assert split.value.number == 109
        assert bob.home.shelf.asks()[0].secret is None


async def test_when_members_choose_other_witnesses_the_log_itself_says_so(
    start: Start, folder: Path, tmp_path: Path
) -> None:
    stranger, bob = Stranger(), await start("bob", listen=())
    async with Server(stranger) as url, run(make(tmp_path / "alice", policy(1, (LOG_AS_WITNESS, url)))) as alice:
        reference = await alice.publish(folder)
        with pytest.raises(Pending):
            await bob.fetch(reference, tmp_path / "copy", alice.address)
        charter = alice.home.first.log.state.charter
        assert charter is not None
        said = Proposal(
            commons=alice.home.first.commons, action="amend-charter", time=int(time.time()), nonce=bytes(16),
            charter=replace(charter, witnesses=policy(1, (GO_WITNESS, url))),
        )  # fmt: skip
        signed = envelope.open(PROPOSAL, Proposal, envelope.sign(PROPOSAL, said, alice.home.keys.identity))
        alice.home.first.log.append(lambda *_: [record(signed)]).result()
        assert (await bob.fetch(reference, tmp_path / "copy", alice.address))["files"] == 3


LOG_AS_WITNESS = Verifier(name="gone.example", type=COSIGNATURE, public=Signer(b"g" * 32).public)


# -- a witness for others --------------------------------------------------------------------------------------------


async def test_a_log_made_by_go_is_cosigned_at_the_plain_door_with_the_statuses_of_the_specification(
    start: Start,
) -> None:
    alice = await start("alice", listen=(), http="127.0.0.1:0")
    ours = alice.node.site.witness
    async with aiohttp.ClientSession(alice.node.door) as session:

        async def post(body: bytes) -> tuple[int, str, bytes]:
            async with session.post("/add-checkpoint", data=body) as answer:
                return answer.status, answer.content_type, await answer.read()

        first = cosignature.AddCheckpoint(old=0, proof=(), note=NOTE).encode()
        assert (await post(first))[0] == 404
        await alice.desk.witness(add=VECTORS["vkey"])
        async with session.get(cosignature.monitored(LOG.name)) as answer:
            assert answer.status == 404
        status, _, line = await post(first)
        assert status == 200
        assert line.endswith(b"\n")
        cosigned = note.add(NOTE, line)
        assert {each.verifier for each in note.open(cosigned, [LOG, GO_WITNESS, ours.key]).signatures} == {
            LOG, GO_WITNESS, ours.key,
        }  # fmt: skip
        assert await post(first) == (409, "text/x.tlog.size", b"7\n")
        assert (await post(Log(7).asks(7).encode()))[0] == 200  # the same head again, and nothing else has changed
        assert (await post(replace(Log(7).asks(7), old=8).encode()))[0] == 400
        assert (await post(replace(Log(9).asks(7), note=note.sign(Log(9).head.text(), LOG.name, GO_KEY)).encode()))[
            0
        ] == 403
        assert (await post(Log(9, fork=2).asks(7).encode()))[0] == 422
        assert (await post(replace(Log(9).asks(7), proof=()).encode()))[0] == 422
        assert (await post(b"old 7\n\nnonsense"))[0] == 422
        assert (await post(bytes(200 << 10)))[0] == 413
        assert (await post(Log(300).asks(7).encode()))[0] == 200
        async with session.get(cosignature.monitored(LOG.name)) as answer:
            shown = await answer.read()
        assert {each.verifier for each in note.open(shown, [LOG, ours.key]).signatures} == {LOG, ours.key}
        assert note.peek(shown) == Log(300).head.text()
    told = await alice.desk.witness()
    (row,) = told["logs"]
    assert (row["origin"], row["size"]) == (LOG.name, 300)
    assert row["fork"] == [*map(str, (row["fork"][0], Log(9, fork=2).note.decode()))]  # the evidence, both heads
    assert note.peek(row["fork"][0].encode()) == Log(7).head.text()
    assert told["vkey"].startswith(f"commons-witness/{alice.peer}+")


async def test_a_peer_may_ask_it_too_and_of_two_at_once_one_wins(start: Start) -> None:
    alice, bob = await start("alice"), await start("bob", listen=())
    alice.node.site.witness.add(LOG.vkey)

    async def ask(log: Log) -> int:
        try:
            await bob.node.net.post(alice.address, "/add-checkpoint", log.asks(0).encode(), limit=9999)
        except cosignature.Behind:
            return 0
        return log.head.size

    got = await asyncio.gather(ask(Log(7)), ask(Log(8)), ask(Log(7, fork=1)), ask(Log(8, fork=1)))
    assert sorted(map(bool, got)) == [False, False, False, True]


async def test_its_time_never_goes_back_and_a_flood_of_the_same_costs_one_write_a_second(start: Start) -> None:
    alice = await start("alice", listen=())
    ours, now = alice.node.site.witness, [1000.0]
    ours._clock = lambda: now[0]
    ours.add(LOG.vkey)

    def time_of(line: bytes) -> int:
        (by,) = (each for each in note.open(note.add(NOTE, line), [LOG, ours.key]).signatures if each.time is not None)
        return by.time or 0

    first = ours.add_checkpoint(Log(7).asks(0).encode())
    changes = alice.home.witnessed._db.total_changes
    for _ in range(50):
        assert ours.add_checkpoint(Log(7).asks(7).encode()) == first
    assert alice.home.witnessed._db.total_changes == changes
    now[0] = 900.0
    assert time_of(ours.add_checkpoint(Log(7).asks(7).encode())) == 1000
    now[0] = 1001.0
    assert time_of(ours.add_checkpoint(Log(7).asks(7).encode())) == 1001
    extended = note.sign(note.peek(Log(7).note) + "other words\n", LOG.name, LOG_KEY)
    line = ours.add_checkpoint(cosignature.AddCheckpoint(old=7, proof=(), note=extended).encode())
    note.open(note.add(extended, line), [ours.key])  # it signed these words, not those of a moment ago


def test_the_commands(tmp_path: Path) -> None:
    typed = Commons(tmp_path)

    def commons(*words: str) -> subprocess.CompletedProcess[str]:
        return typed.run("--home", "ana", *words)

    assert commons("init").returncode == 0
    key = commons("witness", "key").stdout.strip()
    assert note.parse_vkey(key).type == COSIGNATURE
    assert "Cosigned" not in commons("witness", "list").stdout
    assert LOG.name in commons("witness", "add", LOG.vkey).stdout
    assert LOG.name in commons("witness", "list").stdout
    assert commons("witness", "add", key).returncode == 22
    assert commons("witness", "add", "nonsense").returncode == 22
    told = json.loads(commons("--json", "witness", "list").stdout)
    assert [each["origin"] for each in told["logs"]] == [LOG.name]
    assert commons("witness", "remove", LOG.name).returncode == 0
    assert commons("witness", "remove", LOG.name).returncode == 4


# -- never in the way ------------------------------------------------------------------------------------------------


def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody who asks a witness gives it up."""
    for module, name in ((cosigning, "ROUND"), (client, "STALL"), (client, "WHOLE")):
        monkeypatch.setattr(module, name, 3600)


async def test_an_append_waits_for_no_witness_and_a_slow_one_is_sent_few_heads(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    patient(monkeypatch)
    stranger, gate = Stranger(), asyncio.Event()

    async def slow(asked: web.Request) -> web.StreamResponse:
        await gate.wait()
        return await stranger(asked)

    server = Server(slow)
    async with server as url, run(make(tmp_path / "alice", policy(1, (GO_WITNESS, url)))) as alice:
        for n in range(30):
            (folder / "empty").write_text(str(n))
            await alice.publish(folder, title=f"number {n}")
        assert (alice.home.first.log.size, covered(alice)) == (31, 0)
        gate.set()
        await settled(alice)
        assert server.asked.count("/add-checkpoint") <= 3
        await until(lambda: len(alice.home.first.cosigned.heads) == 1)  # a larger head contains the smaller ones


async def test_under_steady_appends_two_witnesses_of_different_speed_still_sign_the_same_heads(
    folder: Path, tmp_path: Path
) -> None:
    fast, slow = Stranger(), Stranger(SECOND, KEY2)

    async def slowly(asked: web.Request) -> web.StreamResponse:
        await asyncio.sleep(0.03)
        return await slow(asked)

    async with Server(fast) as one, Server(slowly) as two:
        path = make(tmp_path / "alice", policy(2, (GO_WITNESS, one), (slow.key, two)))
        async with run(path) as alice:
            reached = {0}
            for n in range(1000):
                await alice.publish(folder, title=f"number {n}")
                await asyncio.sleep(0.007)
                reached.add(covered(alice))
                if len(reached) > 4:
                    break
            assert len(reached) > 4  # while the log went on growing
            await settled(alice)


async def test_a_witness_that_hangs_does_not_hold_up_the_others(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    patient(monkeypatch)
    hanging = Server(stalls)
    async with Server(Stranger()) as one, hanging as two:
        path = make(tmp_path / "alice", policy(1, (GO_WITNESS, one), (KEY2, two)))
        async with run(path) as alice:
            await until(lambda: "/add-checkpoint" in hanging.asked)
            for n in range(5):
                await alice.publish(folder, title=f"number {n}")
                await settled(alice)
                assert covered(alice) == alice.home.first.log.size == n + 2
            assert hanging.asked.count("/add-checkpoint") == 1  # and hangs on the first question still


# -- witnesses that lie ----------------------------------------------------------------------------------------------


def lying(change: Callable[[Stranger, str], bytes]) -> Callable[[Stranger], Answering]:
    """Answers any request with what `change` makes of the checkpoint's text."""

    def door(stranger: Stranger) -> Answering:
        async def answer(asked: web.Request) -> web.StreamResponse:
            honest = await stranger(asked)
            return web.Response(body=change(stranger, stranger.text)) if honest.status == 200 else honest

        return answer

    return door


def plain(answer: Answering) -> Callable[[Stranger], Answering]:
    return lambda _: answer


async def names_sizes_in_turn(asked: web.Request) -> web.StreamResponse:
    old = int((await asked.read()).split()[1])
    return web.Response(status=409, body=b"%d\n" % (1 if old == 0 else 0), content_type="text/x.tlog.size")


async def claims_more(asked: web.Request) -> web.StreamResponse:
    if asked.method == "GET":
        return web.Response(body=Log(9).note)  # the head of another log
    return web.Response(status=409, body=b"845\n", content_type="text/x.tlog.size")


async def speaks_of_a_fork(asked: web.Request) -> web.StreamResponse:
    return web.Response(status=422 if asked.method == "POST" else 404, body=b"inconsistent")


async def says_nonsense_for_a_size(asked: web.Request) -> web.StreamResponse:
    return web.Response(status=409, body=b"-1\n", content_type="text/x.tlog.size")


other_log = Log(9).head.text()
LIES: dict[str, tuple[Callable[[Stranger], Answering], str]] = {
    "by another key": (lying(lambda s, text: note.cosign(text, s.key.name, LOG_KEY, 1)), "no signature"),
    "under another name": (lying(lambda s, text: note.cosign(text, "w9.example", s.signer, 1)), "no signature"),
    "a bit turned": (lying(lambda s, text: s.line(text)[:-8] + b"AAAAAA=\n"), "no signature"),
    "of another log": (lying(lambda s, text: s.line(other_log)), "no signature"),
    "of an older head": (lying(lambda s, text: s.line(text.replace("\n1\n", "\n0\n"))), "no signature"),
    "a plain signature": (lying(lambda s, text: note.line(text, s.key.name, s.signer)), "no signature"),
    "nothing": (lying(lambda s, text: b""), "no signature"),
    "garbage": (lying(lambda s, text: os.urandom(4000)), "no signature"),
    "a whole note": (lying(lambda s, text: NOTE), "no signature"),
    "zeros": (plain(sends_zeros), "no signature"),
    "sizes in turn": (plain(names_sizes_in_turn), "another size each time"),
    "nonsense for a size": (plain(says_nonsense_for_a_size), "409"),
    "a size above ours": (plain(claims_more), "845 entries of this log.* not believed"),
    "a fork it cannot show": (plain(speaks_of_a_fork), "not believed"),
    "no end": (plain(sends_for_ever), "more than|would send"),
    "nobody there": (plain(stalls), "stalled"),
}


@pytest.mark.parametrize("lie", LIES)
async def test_a_witness_that_lies_is_told_of_and_nothing_of_it_is_kept(
    lie: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    door, said = LIES[lie]
    if said == "stalled":
        monkeypatch.setattr(cosigning, "ROUND", 0.5)
    async with Server(door(Stranger())) as url:
        path = make(tmp_path / "alice", policy(1, (GO_WITNESS, url)))
        async with run(path, listen=()) as alice:
            ours = Cosigning(alice.home.first, alice.node.net, partial(voting.stamp, alice.home.first.log))
            with pytest.raises(CommonsError, match=said):
                await ours.ask(Cosigner(url, {GO_WITNESS: "w1"}), alice.home.first.log.head)
            assert alice.home.first.cosigned.heads == ()
            assert covered(alice) == 0
            assert alice.home.first.log.broken is None
            with pytest.raises(Pending, match="waits for witnesses: w1"):
                cosigning.demand(alice.home.first, 0)


async def test_a_good_line_among_bad_ones_is_kept_and_no_other(tmp_path: Path) -> None:
    def mixed(stranger: Stranger, text: str) -> bytes:
        failing = note.cosign("x\n", KEY2.name, SECOND, 1)
        unknown = note.cosign(text, "w9.example", Signer(b"9" * 32), 1)
        return b"nonsense\n" + failing + stranger.line(text) + unknown + note.sign(text, LOG.name, LOG_KEY)

    async with (
        Server(lying(mixed)(Stranger())) as url,
        run(make(tmp_path / "alice", policy(2, (GO_WITNESS, url), (KEY2, url)))) as alice,
    ):
        await until(lambda: alice.home.first.cosigned.heads)
        (head,) = alice.home.first.cosigned.heads
        assert set(head.lines) == {GO_WITNESS.vkey}
        with pytest.raises(Pending, match="w2"):
            cosigning.demand(alice.home.first, 0)
        note.open(alice.node.site.checkpoint(alice.home.first.commons), [alice.home.first.log.key, GO_WITNESS, KEY2])


async def test_signatures_under_two_heads_do_not_add_up(tmp_path: Path) -> None:
    dead = "http://127.0.0.1:1"
    async with run(make(tmp_path / "alice", policy(2, (GO_WITNESS, dead), (KEY2, dead)))) as alice:
        kept, log = alice.home.first.cosigned, alice.home.first.log
        text, size, data = log.head.checkpoint.text(), log.size, log.head.note
        kept.put(size, data, {GO_WITNESS.vkey: note.cosign(text, GO_WITNESS.name, GO_KEY, 1)})
        (tmp_path / "data").mkdir()
        (tmp_path / "data" / "x").write_text("x")
        await alice.publish(tmp_path / "data")
        line = note.cosign(log.head.checkpoint.text(), KEY2.name, SECOND, 1)
        kept.put(log.size, log.head.note, {KEY2.vkey: line})
        with pytest.raises(Pending, match=r"w1|w2"):
            cosigning.demand(alice.home.first, 0)
        kept.put(log.size, log.head.note, {GO_WITNESS.vkey: kept.heads[1].lines[GO_WITNESS.vkey]})  # of the other head
        with pytest.raises(Pending):
            cosigning.demand(alice.home.first, 0)
        kept.put(size, data, {KEY2.vkey: note.cosign(text, KEY2.name, SECOND, 1)})
        cosigning.demand(alice.home.first, 0)
        with pytest.raises(Pending, match="entry 1 of the log"):
            cosigning.demand(alice.home.first, 1)


# -- a log that was rolled back --------------------------------------------------------------------------------------


async def test_an_old_copy_of_a_log_is_told_by_its_witness_and_stops(
    three: list[Party], folder: Path, tmp_path: Path
) -> None:
    path = make(tmp_path / "alice", policy(1, row(three[0])))
    async with run(path) as alice:
        trust(three[:1], alice)
    shutil.copytree(path, tmp_path / "old")
    async with run(path) as alice:
        await alice.publish(folder)
        await settled(alice)
    async with run(tmp_path / "old") as alice:
        await until(lambda: alice.home.first.log.broken is not None)
        with pytest.raises(Stale, match="a head of 2 entries, 1 more than the 1 here") as broken:
            await alice.publish(folder, title="a second history")
        assert len(broken.value.evidence) == 2
    async with run(tmp_path / "old", listen=()) as alice:
        assert alice.home.first.log.broken is not None
    assert three[0].node.site.witness.change()["logs"][0]["fork"] is None


async def test_a_log_that_forked_is_refused_by_its_witness_and_shuts_when_it_is_shown_its_own_head(
    three: list[Party], folder: Path, tmp_path: Path
) -> None:
    path = make(tmp_path / "alice", policy(1, row(three[0])))
    async with run(path, listen=()):
        pass
    shutil.copytree(path, tmp_path / "fork")
    async with run(path) as alice:
        trust(three[:1], alice)
        await alice.publish(folder)
        await settled(alice)
    async with run(tmp_path / "fork", listen=()) as alice:  # nobody is asked: it grows to the same size unwarned
        alice.home.first.resumption.free = True
        await alice.publish(folder, title="a second history")
        assert alice.home.first.log.broken is None
        alice.node.at().cosigning.start()  # that alone: a whole node first asks for the head, and may send none itself
        await until(lambda: alice.home.first.log.broken is not None)
    fork = three[0].node.site.witness.change()["logs"][0]["fork"]
    assert fork is not None
    assert {note.peek(each.encode()).split("\n")[1] for each in fork} == {"2"}


async def test_lines_stored_for_heads_the_log_does_not_have_shut_it(folder: Path, tmp_path: Path) -> None:
    """log.db restored from an old backup beside the newest cosigned.db."""
    stranger = Stranger()
    async with Server(stranger) as url:
        path = make(tmp_path / "alice", policy(1, (GO_WITNESS, url)))
        (tmp_path / "backup").mkdir()  # not above what is published: that would be a home, and refused
        shutil.copy(log_folder(path) / "log.db", tmp_path / "backup" / "log.db")
        async with run(path) as alice:
            await alice.publish(folder)
            await settled(alice)
        shutil.copy(tmp_path / "backup" / "log.db", log_folder(path) / "log.db")
        for leftover in ("log.db-wal", "log.db-shm"):
            (log_folder(path) / leftover).unlink(missing_ok=True)
        async with run(path) as alice:
            assert alice.home.first.log.broken is not None
