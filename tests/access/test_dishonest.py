"""The flows against peers that lie: the right error, nothing unverified under a final name, the log unharmed."""

from __future__ import annotations

import asyncio
import os
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from commons.access import registrar
from commons.core.crypto import codec, envelope
from commons.core.crypto.keys import Signer
from commons.core.dataset.contents import Contents
from commons.core.state import entries
from commons.core.state.entries import Decided, Received
from commons.core.state.opening import Field
from commons.disk import packer
from commons.disk.packs import Partial
from commons.errors import (
    CommonsError,
    Conflict,
    Malformed,
    NotFound,
    Refused,
    StorageFailed,
    TimedOut,
    TooLarge,
    TooMany,
    Unreachable,
    Untrue,
)
from commons.log.answer import Submission
from commons.net import client
from commons.net.limits import KEYS, Buckets
from tests import dishonest
from tests.conftest import Start
from tests.dishonest import RAW, Asker, Raw, Server, wrapped
from tests.rows import few


def named(home: Path) -> list[Path]:
    """Packs under their final names, liars' own files aside."""
    return [path for path in (home / "packs").iterdir() if re.fullmatch("[0-9a-f]{64}", path.name)]


# -- who serves bytes ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("lie", "error"),
    few([
        (dishonest.ShowsAnotherManifest, Untrue), (dishonest.FlipsABitOfTheManifest, Untrue),
        (dishonest.FlipsABitOfEveryPiece, Untrue), (dishonest.CutsThePackShort, CommonsError),
        (dishonest.InventsThePieces, Untrue), (dishonest.SwapsPacks, CommonsError),
        (dishonest.BlamesYourDisk, Unreachable), (dishonest.CriesWolf, Unreachable),
    ], 4),
)  # fmt: skip
async def test_a_mirror_that_lies_is_found_and_an_honest_one_finishes(
    start: Start, folder: Path, tmp_path: Path, lie: dishonest.Lie, error: type[CommonsError]
) -> None:
    (folder / "big.bin").write_bytes(os.urandom(3 << 20))
    alice, mirror, bob = await start("alice"), await start("mirror", lie=lie), await start("bob")
    other = await alice.publish(folder / "rivers.csv", title="Other")
    reference = await alice.publish(folder)
    for each in (reference, other):
        await mirror.desk.mirror(dataset=each, sources=[alice.address])
    with pytest.raises(error):
        await bob.desk.mirror(dataset=reference, sources=[mirror.address])
    assert {path.name for path in named(bob.home.path)} <= {path.name for path in named(alice.home.path)}
    for path in named(bob.home.path):
        assert path.read_bytes() == alice.home.packs.path(bytes.fromhex(path.name)).read_bytes()
    await bob.fetch(reference, tmp_path / "copy", mirror.address, alice.address)
    assert (tmp_path / "copy" / "big.bin").read_bytes() == (folder / "big.bin").read_bytes()


@pytest.mark.rest
async def test_a_liar_is_asked_no_more_after_its_first_lies(start: Start, folder: Path) -> None:
    (folder / "big.bin").write_bytes(os.urandom(20 << 20))
    dishonest.FlipsABitOfEveryPiece.asked = 0
    alice, mirror, bob = await start("alice"), await start("m", lie=dishonest.FlipsABitOfEveryPiece), await start("bob")
    reference = await alice.publish(folder)
    await mirror.desk.mirror(dataset=reference, sources=[alice.address])
    await bob.desk.mirror(dataset=reference, sources=[mirror.address, alice.address])
    assert dishonest.FlipsABitOfEveryPiece.asked < 12  # of 20 pieces and more: what its lanes had under way


DOORS = {
    "sends zeros": dishonest.sends_zeros, "ignores ranges": dishonest.ignores_ranges, "stalls": dishonest.stalls,
    "stalls half way": dishonest.stalls_half_way, "hangs up": dishonest.hangs_up,
    "sends a bomb": dishonest.sends_a_bomb, "sends for ever": dishonest.sends_for_ever,
    "nests its error": dishonest.nests_its_error,
}  # fmt: skip


@pytest.mark.parametrize("lie", few([*DOORS, "speaks another protocol", "drips"], 4))
async def test_a_door_that_lies_is_found_and_an_honest_peer_finishes(
    start: Start, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, lie: str
) -> None:
    monkeypatch.setattr(client, "STALL", 0.2)
    monkeypatch.setattr(client, "WHOLE", 5.0 if lie in DOORS else 0.5)
    (folder / "big.bin").write_bytes(os.urandom(2 << 20))
    alice, bob = await start("alice"), await start("bob")
    reference = await alice.publish(folder)
    server = Server(DOORS[lie]) if lie in DOORS else Raw(*RAW[lie])
    async with server as url:
        with pytest.raises(CommonsError):
            await bob.desk.mirror(dataset=reference, sources=[url])
        assert named(bob.home.path) == []
        monkeypatch.setattr(client, "STALL", 1.5)  # time for who is honest, whatever else the machine does
        monkeypatch.setattr(client, "WHOLE", 6)
        await bob.fetch(reference, tmp_path / "copy", url, alice.address)
    assert (tmp_path / "copy" / "big.bin").read_bytes() == (folder / "big.bin").read_bytes()
    assert not list((tmp_path / "copy").glob(".*"))
    assert (await alice.desk.audit())["faults"] == []


async def test_a_peers_word_of_a_split_view_is_no_evidence(start: Start, folder: Path) -> None:
    alice, bob = await start("alice", lie=dishonest.CriesWolf), await start("bob")
    with pytest.raises(Unreachable, match="two histories"):
        await bob.desk.show(dataset=await alice.publish(folder), sources=[alice.address])


# -- who keeps the log -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "lie",
    [
        dishonest.SignsWithAnotherKey, dishonest.ForgesTheProof, dishonest.LogsAnotherPurpose,
        dishonest.LogsSomebodyElse, dishonest.DecidesAnotherRequest, dishonest.SealsTheKeyToItself,
    ],
)  # fmt: skip
async def test_a_registrar_that_lies_gives_no_usable_key(
    start: Start, folder: Path, tmp_path: Path, lie: dishonest.Lie
) -> None:
    alice, bob = await start("alice", lie=lie), await start("bob")
    reference = await alice.publish(folder)
    with pytest.raises(Untrue):
        await bob.fetch(reference, tmp_path / "copy", alice.address)
    assert not (tmp_path / "copy").exists()
    assert all(ask.secret is None for ask in bob.home.shelf.asks())


async def test_an_answer_that_is_none_gives_no_key(start: Start, folder: Path, tmp_path: Path) -> None:
    alice, bob = await start("alice", lie=dishonest.AnswersGarbage), await start("bob")
    with pytest.raises(Malformed):
        await bob.fetch(await alice.publish(folder), tmp_path / "copy", alice.address)
    assert not (tmp_path / "copy").exists()


async def test_the_answer_to_somebody_elses_request_is_untrue(start: Start, folder: Path, tmp_path: Path) -> None:
    alice = await start("alice", lie=dishonest.AnswersForSomebodyElse)
    reference = await alice.publish(folder)
    with pytest.raises(Untrue):  # the first gets a true answer, and then the same one to its receipt
        await (await start("bob")).fetch(reference, tmp_path / "for-bob", alice.address)
    with pytest.raises(Untrue, match="not the one that was signed"):
        await (await start("carol")).fetch(reference, tmp_path / "for-carol", alice.address)
    assert not (tmp_path / "for-carol").exists()


async def test_no_key_is_taken_without_an_entry(start: Start, folder: Path, tmp_path: Path) -> None:
    dishonest.GivesTheKeyUnlogged.asked_for_the_key = False
    alice, bob = await start("alice", lie=dishonest.GivesTheKeyUnlogged), await start("bob")
    with pytest.raises(Refused, match="no entry"):
        await bob.fetch(await alice.publish(folder), tmp_path / "copy", alice.address)
    assert not dishonest.GivesTheKeyUnlogged.asked_for_the_key
    assert not (tmp_path / "copy").exists()


@pytest.mark.parametrize(
    ("lie", "error"), [(dishonest.LogsAndGivesNoKey, NotFound), (dishonest.GrantsThenDenies, Refused)]
)  # fmt: skip
async def test_a_registrar_that_keeps_the_key_leaves_the_requester_with_a_proof(
    start: Start, folder: Path, tmp_path: Path, lie: dishonest.Lie, error: type[CommonsError]
) -> None:
    alice, bob = await start("alice", lie=lie), await start("bob")
    with pytest.raises(error):
        await bob.fetch(await alice.publish(folder), tmp_path / "copy", alice.address)
    assert not (tmp_path / "copy").exists()
    assert len(list((bob.home.path / "proofs").glob("*.tlog-proof"))) == 1  # granted, says the log


async def test_a_registrar_that_stalls_at_the_receipt_takes_nothing_back(
    start: Start, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(client, "STALL", 3)  # time for what is answered
    alice, bob = await start("alice", lie=dishonest.StallsAtTheReceipt), await start("bob")
    reference = await alice.publish(folder)
    try:
        told = await bob.fetch(reference, tmp_path / "copy", alice.address)
        assert told["receipt"] == "owed"
    except TimedOut:
        pass
    assert (tmp_path / "copy" / "rivers.csv").read_bytes() == (folder / "rivers.csv").read_bytes()
    (ask,) = bob.home.shelf.asks()
    assert ask.receipt is not None  # still owed


async def test_a_key_is_not_asked_for_while_the_log_shows_no_decision(
    start: Start, folder: Path, tmp_path: Path
) -> None:
    alice, bob = await start("alice", lie=dishonest.ShowsNoDecision), await start("bob")
    with pytest.raises(CommonsError, match="waits for a person"):
        await bob.fetch(await alice.publish(folder), tmp_path / "copy", alice.address)


async def test_a_key_that_is_not_the_datasets_opens_nothing(start: Start, folder: Path, tmp_path: Path) -> None:
    alice, bob = await start("alice", lie=dishonest.GivesAnotherKey), await start("bob")
    with pytest.raises(Untrue, match="key"):
        await bob.fetch(await alice.publish(folder), tmp_path / "copy", alice.address)
    assert not (tmp_path / "copy").exists()


async def test_a_log_that_forgets_what_it_signed_is_refused_with_both_heads(
    start: Start, folder: Path, tmp_path: Path
) -> None:
    alice, bob = await start("alice", lie=dishonest.ForgetsWhatItSigned), await start("bob")
    first = await alice.publish(folder)
    with pytest.raises(Untrue, match="does not show") as caught:  # the request's answer is honest, the receipt's is not
        await bob.fetch(first, tmp_path / "one", alice.address)
    assert len(caught.value.evidence) == 2
    for head in caught.value.evidence:
        assert head.startswith(f"commons/{alice.home.first.commons}\n")


# -- who asks --------------------------------------------------------------------------------------------------------


@pytest.fixture
async def asker(start: Start, folder: Path) -> Asker:
    alice = await start("alice")
    return Asker(alice, await alice.publish(folder))


async def test_the_same_statement_a_hundred_times_at_once_is_one_entry(asker: Asker) -> None:
    body = asker.submission(asker.asked())
    answers = await asyncio.gather(*(asker.send(body) for _ in range(100)))
    assert {answer.shown[0].index for answer in answers} == {2}
    assert asker.party.home.first.log.size == 4


async def test_a_statement_signed_by_somebody_else_is_untrue(asker: Asker) -> None:
    honest = codec.decode(envelope.Envelope, codec.decode(Submission, asker.submission(asker.asked())).statement)
    forged = codec.encode(replace(honest, signer=asker.party.peer))
    with pytest.raises(Untrue, match="signature"):
        await asker.send(wrapped(forged))
    assert asker.party.home.first.log.size == 2


@pytest.mark.parametrize(
    ("lies", "error"),
    [
        ({"time": 1}, Malformed), ({"time": 2**40}, Malformed), ({"terms": bytes(32)}, Conflict),
        ({"epoch": 5}, Conflict),
    ],
)  # fmt: skip
async def test_a_request_that_says_something_wrong_is_not_logged(
    asker: Asker, lies: dict[str, object], error: type[CommonsError]
) -> None:
    with pytest.raises(error):
        await asker.send(asker.submission(asker.asked(**lies)))
    assert asker.party.home.first.log.size == 2


async def test_a_request_for_another_commons_or_dataset_is_not_found(asker: Asker, start: Start) -> None:
    bob = await start("bob")
    for lies in ({"commons": bob.home.first.commons}, {"dataset": bob.home.first.commons}):
        with pytest.raises(NotFound):
            await asker.send(asker.submission(asker.asked(**lies)))


async def test_a_key_needs_its_own_request_first(asker: Asker) -> None:
    statement = codec.decode(Submission, asker.submission(asker.asked())).statement
    with pytest.raises(NotFound):
        asker.registrar.release(statement)
    await asker.send(wrapped(statement))
    assert asker.registrar.release(statement)
    with pytest.raises(CommonsError):
        asker.registrar.release(statement[:-1])


async def test_a_receipt_comes_after_its_request_and_from_its_requester(asker: Asker) -> None:
    said = Received(commons=asker.party.home.first.commons, request=2, dataset=asker.cid, files=3, size=3, time=0)
    with pytest.raises(NotFound):
        await asker.send(asker.submission(said, kind=entries.RECEIPT))
    await asker.send(asker.submission(asker.asked()))
    with pytest.raises(Refused):
        await asker.send(asker.submission(said, Signer(b"\5" * 32), entries.RECEIPT))
    for _ in range(2):
        await asker.send(asker.submission(said, kind=entries.RECEIPT))
    assert asker.party.home.first.log.size == 5
    with pytest.raises(Conflict):
        await asker.send(asker.submission(replace(said, files=4), kind=entries.RECEIPT))


@pytest.mark.rest
async def test_ten_thousand_unknown_keys_cannot_flood_the_log(asker: Asker) -> None:
    now = asker.registrar.clock()
    asker.registrar.clock = lambda: now  # no time passes, so no bucket fills again
    refused = 0
    for n in range(2000):
        try:
            await asker.send(asker.submission(asker.asked(), Signer(n.to_bytes(32, "big"))))
        except TooMany:
            refused += 1
    for n in range(8000):  # their signatures would verify, and cost the test most of its time
        with pytest.raises(TooMany):
            asker.registrar._limit(dishonest.PeerId(f"peer {n}"))
    assert refused == 2000 - 200
    assert asker.party.home.first.log.size == 2 + 2 * 200
    assert (await asker.party.desk.status())["limited"] == refused + 8000
    assert len(asker.registrar.each._buckets) <= KEYS
    assert len(asker.registrar._met) == 200
    now += 10  # and whoever comes later is let in
    await asker.send(asker.submission(asker.asked(), Signer(b"\xfe" * 32)))


def test_buckets_remember_so_many_and_no_more() -> None:
    buckets = Buckets(rate=1, burst=2)
    for n in range(3 * KEYS):
        assert buckets.take(str(n), 0.0) == 0.0
    assert len(buckets._buckets) == KEYS
    waits = [buckets.take("x", now) for now in (0, 0, 0, 0.5, 1, 1, -99)]
    assert [wait > 0 for wait in waits] == [False, False, True, True, False, True, True]


async def test_one_key_cannot_flood_the_log(asker: Asker) -> None:
    results = [await _try(asker) for _ in range(90)]
    assert results.count(False) >= 20


async def _try(asker: Asker) -> bool:
    try:
        await asker.send(asker.submission(asker.asked()))
    except TooMany:
        return False
    return True


@pytest.mark.parametrize("body", [b"", b"\xc1", b"\x80", bytes(1000), b"\x93" * 3000, b"\xd9\xff" * 100])
async def test_garbage_gets_an_error_and_the_node_goes_on(asker: Asker, start: Start, body: bytes) -> None:
    eve = await start("eve")
    for path in ("entries", "release"):
        with pytest.raises(Malformed):
            await eve.node.net.post(asker.party.address, f"/{asker.party.home.first.commons}/{path}", body, limit=1000)
    with pytest.raises(TooLarge):
        await eve.node.net.post(
            asker.party.address, f"/{asker.party.home.first.commons}/entries", bytes(1 << 20), limit=1000
        )
    await asker.send(asker.submission(asker.asked()))


async def test_a_statement_without_a_signature_is_untrue(asker: Asker) -> None:
    honest = codec.decode(envelope.Envelope, asker.statement(asker.asked()))
    for signature in (b"", bytes(64), honest.signature[:-1], honest.signature + b"\0", honest.signature[::-1]):
        with pytest.raises(Untrue):
            await asker.send(wrapped(codec.encode(replace(honest, signature=signature))))
    with pytest.raises(Malformed):
        await asker.send(wrapped(codec.encode(replace(honest, signer="nobody"))))
    assert asker.party.home.first.log.size == 2


async def test_a_statement_of_another_kind_is_no_request(asker: Asker) -> None:
    said = Decided(
        commons=asker.party.home.first.commons,
        request=2,
        outcome="grant",
        reason="",
        expires=None,
        time=asker.asked().time,
    )
    bodies = [
        asker.submission(said, kind=entries.DECISION), asker.submission(said),
        asker.submission(asker.asked(), kind=entries.RECEIPT), asker.submission(asker.asked(), kind=entries.PUBLISH),
        asker.submission(asker.asked(), kind="commons/unheard-of/v1"), wrapped(b""), asker.statement(asker.asked()),
    ]  # fmt: skip
    for body in bodies:
        with pytest.raises(Malformed):
            await asker.send(body)
    assert asker.party.home.first.log.size == 2


async def test_a_replayed_statement_makes_no_entry_and_opens_nothing_for_the_thief(asker: Asker, start: Start) -> None:
    """Eve has carol's signed statement: she learns what she knew, and a key that only carol can open."""
    statement, eve = asker.statement(asker.asked()), await start("eve")
    await asker.send(wrapped(statement))
    size, commons = asker.party.home.first.log.size, asker.party.home.first.commons
    await eve.node.net.post(asker.party.address, f"/{commons}/entries", wrapped(statement), limit=1 << 20)
    sealed = await eve.node.net.post(asker.party.address, f"/{commons}/release", statement, limit=4096)
    assert asker.party.home.first.log.size == size
    secret = asker.party.home.keys.epoch(asker.manifest.series, 0)
    assert secret not in sealed
    (row,) = (await asker.party.desk.audit())["rows"]
    assert row["who"] == asker.keys.identity.peer


async def test_details_are_those_that_were_signed_for(asker: Asker) -> None:
    free = Field(name="details", salt=bytes(32), value=b"why")
    statement = asker.statement(asker.asked())
    for details in (free, replace(free, name="requester"), replace(free, salt=b"")):
        with pytest.raises(Malformed):
            await asker.send(codec.encode(Submission(statement=statement, details=details, head=b"")))
    assert asker.party.home.first.log.size == 2


async def test_a_head_that_the_log_never_signed_is_untrue_and_shuts_nothing(asker: Asker, start: Start) -> None:
    bob = await start("bob")
    forged = dishonest.Forger(asker.party.home)
    forged.keys = bob.home.keys
    for head in (bob.home.first.log.head.note, forged.head(), b"nonsense", b"\n" * 5000):
        submission = Submission(statement=asker.statement(asker.asked()), details=None, head=head)
        with pytest.raises((Untrue, Malformed)):
            await asker.send(codec.encode(submission))
    assert (await asker.party.desk.status())["log"] == "writable"
    await asker.ask()


async def test_an_hpke_key_that_is_none_gets_no_key_and_breaks_nothing(asker: Asker) -> None:
    statement = asker.statement(asker.asked(hpke=bytes(32)))
    await asker.send(wrapped(statement))
    with pytest.raises(Malformed, match="HPKE"):
        asker.registrar.release(statement)
    assert (await asker.party.desk.audit())["faults"] == []


async def test_a_purpose_outside_the_list_is_refused_and_that_is_logged(start: Start, folder: Path) -> None:
    alice = await start("alice")
    asker = Asker(alice, await alice.publish(folder, purposes=["education"]))
    statement = asker.statement(asker.asked(purpose="product"))
    await asker.send(wrapped(statement))
    with pytest.raises(Refused, match="purpose"):
        asker.registrar.release(statement)
    (row,) = (await alice.desk.audit())["rows"]
    assert (row["decision"], row["state"]) == ("refuse", "verified")


async def test_a_purpose_that_is_no_code_is_malformed(asker: Asker) -> None:
    said = asker.asked()
    object.__setattr__(said, "purpose", "\x1b[2Jmy own words")
    with pytest.raises(Malformed):
        await asker.send(asker.submission(said))
    assert asker.party.home.first.log.size == 2


@pytest.mark.parametrize("lies", [{"request": -1}, {"request": 2**63}, {"request": 0}, {"dataset": "", "request": 2}])
async def test_a_receipt_for_nothing_is_not_logged(asker: Asker, lies: dict[str, object]) -> None:
    await asker.ask()
    said = Received(commons=asker.party.home.first.commons, request=2, dataset=asker.cid, files=3, size=3, time=0)
    with pytest.raises((NotFound, Refused)):
        await asker.send(asker.submission(replace(said, **lies), kind=entries.RECEIPT))  # type: ignore[arg-type]
    assert asker.party.home.first.log.size == 4


async def test_a_liars_numbers_in_a_receipt_break_no_audit(asker: Asker) -> None:
    await asker.ask()
    said = Received(
        commons=asker.party.home.first.commons, request=2, dataset=asker.cid, files=-(2**63), size=0, time=0
    )
    with pytest.raises(Malformed, match="negative"):
        await asker.send(asker.submission(said, kind=entries.RECEIPT))
    assert asker.party.home.first.log.size == 4
    said = replace(said, files=2**63, size=2**64 - 1, time=2**64 - 1)
    await asker.send(asker.submission(said, kind=entries.RECEIPT))
    told = await asker.party.desk.audit()
    assert told["faults"] == []
    assert told["rows"][0]["receipt"] == 4


async def test_a_liar_among_many_leaves_an_exact_log(asker: Asker, start: Start) -> None:
    """Honest and dishonest requesters at once: every honest one has its entry, no other entry is there."""
    honest = [asker.submission(asker.asked(), Signer(bytes([n]) * 32)) for n in range(1, 11)]
    bent = bytearray(honest[0])
    bent[-5] ^= 1
    lies = [
        asker.submission(asker.asked(time=5)), asker.submission(asker.asked(epoch=9)), bytes(bent), b"", b"\xc1",
        asker.submission(asker.asked(terms=bytes(32))), asker.submission(asker.asked(dataset=asker.party.commons)),
    ]  # fmt: skip
    results = await asyncio.gather(*(asker.send(body) for body in [*lies, *honest, *lies]), return_exceptions=True)
    failed = [result for result in results if isinstance(result, BaseException)]
    assert len(failed) == 2 * len(lies)
    assert all(isinstance(error, CommonsError) for error in failed), failed
    assert asker.party.home.first.log.size == 2 + 2 * len(honest)
    told = await asker.party.desk.audit()
    assert told["faults"] == []
    assert {row["who"] for row in told["rows"]} == {Signer(bytes([n]) * 32).peer for n in range(1, 11)}


async def test_a_clock_may_be_off_by_ten_minutes_and_no_more(asker: Asker) -> None:
    now = asker.asked().time
    asker.registrar.clock = lambda: now
    for off in (registrar.SKEW + 1, -registrar.SKEW - 1, 10**9, -now):
        with pytest.raises(Malformed, match="clock"):
            await asker.send(asker.submission(asker.asked(time=now + off)))
    for off in (registrar.SKEW, -registrar.SKEW):
        await asker.send(asker.submission(asker.asked(time=now + off)))
    assert asker.party.home.first.log.size == 6


async def test_a_key_that_opened_nothing_is_forgotten_and_asked_for_again(
    start: Start, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    alice, bob = await start("alice"), await start("bob")
    reference = await alice.publish(folder)
    with monkeypatch.context() as lie:
        lie.setattr(alice.home.keys, "epoch", lambda series, epoch: b"\7" * 32)
        with pytest.raises(Untrue, match="key"):
            await bob.fetch(reference, tmp_path / "copy", alice.address)
    await bob.fetch(reference, tmp_path / "copy", alice.address)
    assert (tmp_path / "copy" / "rivers.csv").read_bytes() == (folder / "rivers.csv").read_bytes()
    assert alice.home.first.log.size == 5  # one request, its decision, its receipt


async def test_our_own_full_disk_is_not_blamed_on_a_peer(
    start: Start, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    alice, bob = await start("alice"), await start("bob")
    reference = await alice.publish(folder)

    def full(*_: object) -> None:
        raise StorageFailed("disk full")

    monkeypatch.setattr(Partial, "write", full)
    with pytest.raises(StorageFailed, match="disk full"):
        await bob.desk.mirror(dataset=reference, sources=[alice.address])


async def test_contents_of_an_epoch_that_the_manifest_does_not_have_are_untrue(
    start: Start, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    alice, bob = await start("alice"), await start("bob")
    table = packer._table

    def later(*words: Any) -> Contents:
        made = table(*words)
        return Contents(packs=tuple(replace(pack, epoch=7) for pack in made.packs), files=made.files)

    monkeypatch.setattr(packer, "_table", later)
    reference = await alice.publish(folder)
    with pytest.raises(Untrue, match="key epoch 7"):
        await bob.fetch(reference, tmp_path / "copy", alice.address)
