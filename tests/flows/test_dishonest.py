"""The flows against peers that lie: the right error, nothing unverified under a final name, the log unharmed."""

from __future__ import annotations

import asyncio
import os
import re
from dataclasses import replace
from pathlib import Path

import pytest
from aiohttp import web

from commons.core import codec, entries, envelope, release
from commons.core.answer import Answer, Submission
from commons.core.entries import Asked, Received
from commons.core.keys import Keys, Signer
from commons.core.manifest import open as open_manifest
from commons.errors import (
    CommonsError,
    Conflict,
    Malformed,
    NotFound,
    Refused,
    SplitView,
    TimedOut,
    TooLarge,
    TooMany,
    Unreachable,
    Untrue,
)  # fmt: skip
from commons.net import client
from tests import dishonest
from tests.conftest import Party, Start

# -- who serves bytes --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("lie", "error"),
    [
        (dishonest.ShowsAnotherManifest, Malformed), (dishonest.FlipsABitOfTheManifest, Malformed),
        (dishonest.FlipsABitOfEveryPiece, Untrue), (dishonest.CutsThePackShort, CommonsError),
        (dishonest.InventsThePieces, Untrue), (dishonest.SwapsPacks, CommonsError),
    ],
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
    assert not [p for p in (bob.home.path / "packs").iterdir() if re.fullmatch("[0-9a-f]{64}", p.name)] or lie in (
        dishonest.CutsThePackShort, dishonest.SwapsPacks,
    )  # fmt: skip
    await bob.fetch(reference, tmp_path / "copy", mirror.address, alice.address)
    assert (tmp_path / "copy" / "big.bin").read_bytes() == (folder / "big.bin").read_bytes()


async def test_a_liar_is_asked_no_more_after_its_first_lies(start: Start, folder: Path) -> None:
    (folder / "big.bin").write_bytes(os.urandom(20 << 20))
    dishonest.FlipsABitOfEveryPiece.asked = 0
    alice, mirror, bob = await start("alice"), await start("m", lie=dishonest.FlipsABitOfEveryPiece), await start("bob")
    reference = await alice.publish(folder)
    await mirror.desk.mirror(dataset=reference, sources=[alice.address])
    await bob.desk.mirror(dataset=reference, sources=[mirror.address, alice.address])
    assert dishonest.FlipsABitOfEveryPiece.asked < 12  # of 20 pieces and more: what its lanes had under way


class Server:
    """A plain HTTP server that answers every request in its own way."""

    def __init__(self, answer: web.Application) -> None:
        self.runner = web.AppRunner(answer, shutdown_timeout=0.1)

    async def __aenter__(self) -> str:
        await self.runner.setup()
        await web.TCPSite(self.runner, "127.0.0.1", 0).start()
        return f"http://127.0.0.1:{self.runner.addresses[0][1]}"

    async def __aexit__(self, *_: object) -> None:
        await self.runner.cleanup()


async def stalls(request: web.Request) -> web.StreamResponse:
    await asyncio.sleep(60)
    return web.Response()


async def stalls_half_way(request: web.Request) -> web.StreamResponse:
    answer = web.StreamResponse(headers={"Content-Length": "1000"})
    await answer.prepare(request)
    await answer.write(b"x" * 10)
    await asyncio.sleep(60)
    return answer


async def sends_for_ever(request: web.Request) -> web.StreamResponse:
    answer = web.StreamResponse()
    answer.enable_chunked_encoding()
    await answer.prepare(request)
    while True:
        await answer.write(bytes(1 << 16))


async def hangs_up(request: web.Request) -> web.StreamResponse:
    answer = web.StreamResponse(headers={"Content-Length": "1000"})
    await answer.prepare(request)
    await answer.write(b"x" * 10)
    assert request.transport
    request.transport.abort()
    return answer


async def redirects(request: web.Request) -> web.StreamResponse:
    raise web.HTTPFound("http://127.0.0.1:1/elsewhere")


async def boasts(request: web.Request) -> web.StreamResponse:
    return web.Response(body=bytes(5 << 20))


async def ignores_ranges(request: web.Request) -> web.StreamResponse:
    return web.Response(body=bytes(64))


async def zips(request: web.Request) -> web.StreamResponse:
    return web.Response(body=b"\x1f\x8b not really", headers={"Content-Encoding": "gzip"})


async def curses(request: web.Request) -> web.StreamResponse:
    told = {"error": 0, "message": "\x1b[2Jall is well " + "x" * 9000, "hint": 7, "evidence": {"no": "list"}}
    return web.json_response(told, status=418)


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (stalls, TimedOut), (stalls_half_way, TimedOut), (sends_for_ever, TooLarge), (hangs_up, Unreachable),
        (redirects, Unreachable), (boasts, TooLarge), (zips, Malformed), (curses, CommonsError),
    ],
)  # fmt: skip
async def test_a_server_that_misbehaves_gets_its_own_error(
    start: Start, folder: Path, monkeypatch: pytest.MonkeyPatch, answer: object, error: type[CommonsError]
) -> None:
    monkeypatch.setattr(client, "STALL", 0.5)
    alice, bob = await start("alice"), await start("bob", listen=())
    reference = await alice.publish(folder)
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", answer)  # type: ignore[arg-type]
    async with Server(app) as url:
        with pytest.raises(error) as caught:
            await bob.desk.show(dataset=reference, sources=[url])
        assert "\x1b" not in caught.value.message
        assert len(caught.value.message) < 4000


async def test_a_server_that_ignores_ranges_is_refused(start: Start) -> None:
    bob = await start("bob", listen=())
    app = web.Application()
    app.router.add_get("/{path:.*}", ignores_ranges)
    async with Server(app) as url:
        with pytest.raises(Untrue, match="ranges"):
            await bob.node.net.get(url, "/x", limit=64, span=(0, 64))


# -- who keeps the log -------------------------------------------------------------------------------------------------


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


async def test_a_second_history_is_evidence_with_both_heads(start: Start, folder: Path, tmp_path: Path) -> None:
    alice, bob = await start("alice", lie=dishonest.ForgetsWhatItSigned), await start("bob")
    first = await alice.publish(folder)
    with pytest.raises(SplitView) as caught:  # the request's answer is honest, the receipt's is not
        await bob.fetch(first, tmp_path / "one", alice.address)
    assert len(caught.value.evidence) == 2
    for head in caught.value.evidence:
        assert head.startswith(f"commons/{alice.home.commons}\n")


# -- who asks ----------------------------------------------------------------------------------------------------------


class Asker:
    """Somebody with a key and no scruples, talking to alice's registrar directly."""

    def __init__(self, alice: Party, reference: str, seed: bytes = bytes(32)) -> None:
        self.alice, self.keys = alice, Keys(seed)
        self.cid = reference.removeprefix("commons:")
        self.manifest = open_manifest(alice.node.site.manifest(self.cid)).value

    def asked(self, **lies: object) -> Asked:
        said = Asked(
            commons=self.alice.home.commons, dataset=self.cid, terms=self.manifest.terms.digest(), epoch=0,
            purpose="research", details=None, hpke=release.public_of(bytes(31) + b"\1"), nonce=os.urandom(32),
            time=int(self.alice.node.registrar._clock()),
        )  # fmt: skip
        return replace(said, **lies)  # type: ignore[arg-type]

    def submission(self, said: object, signer: Signer | None = None, kind: str = entries.REQUEST) -> bytes:
        statement = envelope.sign(kind, said, signer or self.keys.identity)
        return codec.encode(Submission(statement=statement, details=None, head=b""))

    async def send(self, body: bytes) -> Answer:
        return codec.decode(Answer, await self.alice.node.registrar.submit(body))


@pytest.fixture
async def asker(start: Start, folder: Path) -> Asker:
    alice = await start("alice")
    return Asker(alice, await alice.publish(folder))


async def test_the_same_statement_a_hundred_times_at_once_is_one_entry(asker: Asker) -> None:
    body = asker.submission(asker.asked())
    answers = await asyncio.gather(*(asker.send(body) for _ in range(100)))
    assert {answer.shown[0].index for answer in answers} == {2}
    assert asker.alice.home.log.size == 4


async def test_a_statement_signed_by_somebody_else_is_untrue(asker: Asker) -> None:
    honest = codec.decode(envelope.Envelope, codec.decode(Submission, asker.submission(asker.asked())).statement)
    forged = codec.encode(replace(honest, signer=asker.alice.peer))
    with pytest.raises(Untrue, match="signature"):
        await asker.send(codec.encode(Submission(statement=forged, details=None, head=b"")))
    assert asker.alice.home.log.size == 2


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
    assert asker.alice.home.log.size == 2


async def test_a_request_for_another_commons_or_dataset_is_not_found(asker: Asker, start: Start) -> None:
    bob = await start("bob")
    for lies in ({"commons": bob.home.commons}, {"dataset": bob.home.commons}):
        with pytest.raises(NotFound):
            await asker.send(asker.submission(asker.asked(**lies)))


async def test_a_key_needs_its_own_request_first(asker: Asker) -> None:
    statement = codec.decode(Submission, asker.submission(asker.asked())).statement
    with pytest.raises(NotFound):
        asker.alice.node.registrar.release(statement)
    await asker.send(codec.encode(Submission(statement=statement, details=None, head=b"")))
    assert asker.alice.node.registrar.release(statement)
    with pytest.raises(CommonsError):
        asker.alice.node.registrar.release(statement[:-1])


async def test_a_receipt_comes_after_its_request_and_from_its_requester(asker: Asker) -> None:
    said = Received(commons=asker.alice.home.commons, request=2, dataset=asker.cid, files=3, size=3, time=0)
    with pytest.raises(NotFound):
        await asker.send(asker.submission(said, kind=entries.RECEIPT))
    await asker.send(asker.submission(asker.asked()))
    with pytest.raises(Refused):
        await asker.send(asker.submission(said, Signer(b"\5" * 32), entries.RECEIPT))
    for _ in range(2):
        await asker.send(asker.submission(said, kind=entries.RECEIPT))
    assert asker.alice.home.log.size == 5
    with pytest.raises(Conflict):
        await asker.send(asker.submission(replace(said, files=4), kind=entries.RECEIPT))


async def test_unknown_keys_cannot_flood_the_log(asker: Asker) -> None:
    refused = 0
    for n in range(400):
        signer = Signer(n.to_bytes(32, "big"))
        try:
            await asker.send(asker.submission(asker.asked(), signer))
        except TooMany:
            refused += 1
    assert refused >= 150
    assert asker.alice.home.log.size <= 2 + 2 * 250
    assert (await asker.alice.desk.status())["limited"] == refused


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
            await eve.node.net.post(asker.alice.address, f"/{asker.alice.home.commons}/{path}", body, limit=1000)
    with pytest.raises(TooLarge):
        await eve.node.net.post(asker.alice.address, f"/{asker.alice.home.commons}/entries", bytes(1 << 20), limit=1000)
    await asker.send(asker.submission(asker.asked()))
