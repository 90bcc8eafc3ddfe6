"""The client alone, against servers that fail in every way: foreign failures become ours, bytes stay bounded."""

from __future__ import annotations

import asyncio
import contextlib
import json
import tracemalloc
from collections.abc import AsyncIterator

import pytest
from aiohttp import web

from commons.core.crypto.keys import Signer
from commons.errors import (
    KINDS,
    CommonsError,
    Malformed,
    NotFound,
    Refused,
    TimedOut,
    TooLarge,
    TooMany,
    Unreachable,
    Untrue,
)
from commons.net import client
from commons.net.client import Client
from commons.net.swarm import Swarm
from tests import dishonest
from tests.conftest import LIMIT
from tests.dishonest import RAW, Raw, Server

PEER = Signer(bytes(32)).peer


async def no_swarm() -> Swarm:
    raise Unreachable("this test has no libp2p")


@pytest.fixture
async def net() -> AsyncIterator[Client]:
    one = Client(no_swarm)
    yield one
    await one.close()


@pytest.fixture
def hurried(monkeypatch: pytest.MonkeyPatch) -> None:
    """For whom waiting in vain is what is tested."""
    monkeypatch.setattr(client, "STALL", 0.4)
    monkeypatch.setattr(client, "WHOLE", 1.2)


@pytest.mark.usefixtures("hurried")
@pytest.mark.parametrize("lie", RAW)
async def test_a_server_that_breaks_the_protocol_is_unreachable_or_late(net: Client, lie: str) -> None:
    async with Raw(*RAW[lie]) as url:
        tracemalloc.start()
        try:
            with pytest.raises((Unreachable, TimedOut, Untrue, TooLarge)) as caught:
                await asyncio.wait_for(net.get(url, "/manifests/x", limit=1000), LIMIT)
            _, most = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
    assert most < 48 << 20  # whatever was sent
    assert caught.value.message.isprintable()
    assert len(caught.value.message) < 3000


@pytest.mark.parametrize(
    ("lie", "error"),
    [
        (dishonest.stalls, TimedOut), (dishonest.stalls_half_way, TimedOut), (dishonest.sends_for_ever, TooLarge),
        (dishonest.hangs_up, Unreachable), (dishonest.redirects, Unreachable),
        (dishonest.sends_more_than_is_taken, TooLarge), (dishonest.curses, Unreachable),
        (dishonest.nests_its_error, NotFound), (dishonest.says_its_error_at_length, Unreachable),
    ],
)  # fmt: skip
async def test_a_server_that_lies_gets_its_own_error(
    net: Client, lie: dishonest.Answering, error: type[CommonsError], request: pytest.FixtureRequest
) -> None:
    if error is TimedOut:
        request.getfixturevalue("hurried")
    async with Server(lie) as url:
        with pytest.raises(error) as caught:
            await net.get(url, "/x", limit=1000)
        with pytest.raises(error):
            await net.post(url, "/x", b"body", limit=1000)
    assert "\x1b" not in caught.value.message + caught.value.hint
    assert len(caught.value.message) < 3000


@pytest.mark.parametrize("stated", [True, False])
async def test_a_source_that_sends_a_byte_now_and_then_is_given_up(
    net: Client, stated: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each byte comes before it would be late, and the whole of it before the end of days."""
    monkeypatch.setattr(client, "STALL", 0.4)

    async def trickles(request: web.Request) -> web.StreamResponse:
        answer = web.StreamResponse(headers={"Content-Length": "100000"} if stated else {})
        await answer.prepare(request)
        while True:
            await answer.write(b"x")
            await asyncio.sleep(0.05)

    async with Server(trickles) as url:
        with pytest.raises(TimedOut, match="stalled"):
            await asyncio.wait_for(net.get(url, "/packs/x", limit=1 << 20), LIMIT)


async def test_who_is_slow_and_steady_is_heard_to_the_end(net: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client, "STALL", 1.0)

    async def steady(request: web.Request) -> web.StreamResponse:
        answer = web.StreamResponse(headers={"Content-Length": "100000"})
        await answer.prepare(request)
        for _ in range(20):
            await answer.write(bytes(5000))
            await asyncio.sleep(0.06)  # longer in all than the one time that is short here
        return answer

    async with Server(steady) as url:
        assert len(await net.get(url, "/packs/x", limit=1 << 20)) == 100_000


async def test_a_read_that_is_told_to_wait_waits_and_a_write_is_never_repeated(net: Client) -> None:
    left = 2

    async def busy(request: web.Request) -> web.StreamResponse:
        nonlocal left
        left -= 1
        if left < 0:
            return web.Response(body=b"now")
        headers = {"Retry-After": "0" if request.path == "/soon" else "3600"} if request.path != "/never" else {}
        return web.json_response(TooMany("too many requests").as_dict(), status=429, headers=headers)

    async with Server(busy) as url:
        assert await net.get(url, "/soon", limit=10) == b"now"
        for method, path in (("get", "/hours"), ("get", "/never"), ("post", "/soon")):
            left = 1
            with pytest.raises(TooMany):
                await (net.get(url, path, limit=10) if method == "get" else net.post(url, path, b"", limit=10))
            assert left == 0


async def test_a_bomb_is_never_unpacked(net: Client) -> None:
    async with Server(dishonest.sends_a_bomb) as url:
        assert (await net.get(url, "/x", limit=1 << 20))[:2] == b"\x1f\x8b"
        with pytest.raises(TooLarge):
            await net.get(url, "/x", limit=1000)


async def test_no_redirect_is_followed(net: Client) -> None:
    async with Server(dishonest.ignores_ranges) as other:

        async def to_the_other(request: web.Request) -> web.StreamResponse:
            raise web.HTTPTemporaryRedirect(other + "/elsewhere")

        async with Server(to_the_other) as url:
            for ask in (net.get(url, "/x", limit=100), net.post(url, "/x", b"", limit=100)):
                with pytest.raises(Unreachable, match="307"):
                    await ask


async def test_a_span_is_exactly_that_long_and_a_range(net: Client) -> None:
    async with Server(dishonest.sends_zeros) as url:
        assert await net.get(url, "/x", limit=10, span=(5, 15)) == bytes(10)
    async with Server(dishonest.ignores_ranges) as url:
        with pytest.raises(Untrue, match="ranges"):
            await net.get(url, "/x", limit=64, span=(0, 64))

    async def short(request: web.Request) -> web.StreamResponse:
        return web.Response(status=206, body=b"x")

    async with Server(short) as url:
        with pytest.raises(Untrue, match="1 bytes of the 10"):
            await net.get(url, "/x", limit=10, span=(0, 10))


async def test_the_limit_is_the_last_byte_that_is_taken(net: Client) -> None:
    async with Server(dishonest.ignores_ranges) as url:  # it sends 64 bytes
        assert len(await net.get(url, "/x", limit=64)) == 64
        with pytest.raises(TooLarge):
            await net.get(url, "/x", limit=63)


@pytest.mark.parametrize("number", sorted(KINDS))
async def test_what_a_peer_says_went_wrong_is_told_as_its_word(net: Client, number: int) -> None:
    async def fails(request: web.Request) -> web.StreamResponse:
        told = {"error": number, "message": "so it is", "hint": "do this", "evidence": ["one", "two"]}
        return web.json_response(told, status=400 + number)

    async with Server(fails) as url:
        with pytest.raises(CommonsError) as caught:
            await net.get(url, "/x", limit=100)
    kind = KINDS[number]
    # A peer's word is no proof of two histories, and its disk and its bugs are not ours.
    assert type(caught.value) is (Unreachable if kind in client.OURS_ALONE else kind)
    assert caught.value.message == f"{url}: so it is"
    assert (caught.value.hint, caught.value.evidence) == ("do this", ("one", "two"))


@pytest.mark.parametrize("error", [0, 200, -1, 2**70, True, 1.5, None, "3", [], {"error": 3}])
async def test_an_error_number_that_means_nothing_is_unreachable(net: Client, error: object) -> None:
    async def fails(request: web.Request) -> web.StreamResponse:
        return web.Response(status=404, body=json.dumps({"error": error, "message": ["\x1b[31m"] * 3}).encode())

    async with Server(fails) as url:
        with pytest.raises(Unreachable) as caught:
            await net.get(url, "/x", limit=100)
    assert "\x1b" not in caught.value.message


@pytest.mark.parametrize(
    ("body", "status", "error"),
    [
        (b"", 404, NotFound), (b"<html>", 404, NotFound), (b"[1]", 404, NotFound), (b'"error"', 404, NotFound),
        (b"{}", 404, NotFound), (b"\xff\xfe", 404, NotFound), (b"9" * 60_000, 404, NotFound),
        (b"[" * 60_000, 404, NotFound), (b'{"error":' * 7_000, 404, NotFound), (b'{"error": NaN}', 404, Unreachable),
        (b'{"error": 1e999}', 404, Unreachable), (b'{"error": 4, "error": 4}', 404, NotFound),
        (b'{"error": 4, "message": "\\ud800", "hint": "\\udfff"}', 404, NotFound),
        (b"", 403, Unreachable), (b"<html>", 502, Unreachable), (b"", 300, Unreachable), (b"", 201, Unreachable),
        (b"", 304, Unreachable), (b"", 599, Unreachable),
    ],
)  # fmt: skip
async def test_a_stranger_that_is_no_commons_node_is_told_apart(
    net: Client, body: bytes, status: int, error: type[CommonsError]
) -> None:
    async def answers(request: web.Request) -> web.StreamResponse:
        return web.Response(status=status, body=body)

    async with Server(answers) as url:
        with pytest.raises(error) as caught:
            await net.get(url, "/x", limit=100)
    assert 0 < len(str(caught.value).encode()) < 1000


async def test_what_follows_an_answer_is_not_taken_for_the_next_one(net: Client) -> None:
    planted = b"HTTP/1.1 200 OK\r\nContent-Length: 7\r\n\r\nplanted"
    async with Raw(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\ntrue" + planted, holds=True) as url:
        for _ in range(3):
            with contextlib.suppress(Unreachable):  # the connection was given up, as it should
                assert await net.get(url, "/x", limit=100) == b"true"


async def test_no_cookie_comes_back(net: Client) -> None:
    seen: list[str] = []

    async def marks(request: web.Request) -> web.StreamResponse:
        seen.append(request.headers.get("Cookie", ""))
        return web.Response(body=b"x", headers={"Set-Cookie": "who=you; Path=/", "Content-Type": "text/plain"})

    async with Server(marks) as url:
        named = url.replace("127.0.0.1", "localhost")  # aiohttp keeps no cookies of bare addresses
        for _ in range(2):
            await net.get(named, "/x", limit=100)
    assert seen == ["", ""]


async def test_what_is_not_there_is_unreachable(net: Client) -> None:
    async with Raw(b"") as url:
        pass
    with pytest.raises(Unreachable):
        await net.get(url, "/x", limit=1)
    with pytest.raises(Unreachable, match="no libp2p"):
        await net.get(f"/ip4/127.0.0.1/tcp/1/p2p/{PEER}", "/x", limit=1)


LONG = f"http://{'a' * 300}"


@pytest.mark.parametrize(
    "source", ["http://", "http://[::1", "http://x:99999", "ftp://x", "http://\x00", "http://a b", LONG]
)  # fmt: skip
async def test_an_address_that_is_none_is_our_own_error(net: Client, source: str) -> None:
    with pytest.raises((Unreachable, Malformed, TimedOut)):
        await asyncio.wait_for(net.get(source, "/x", limit=1), LIMIT)


async def test_a_door_cannot_name_a_peers_stream_by_a_made_up_host(net: Client) -> None:
    with pytest.raises((Malformed, Unreachable)):
        await net.get("http://127.libp2p", "/x", limit=1)


async def test_a_closed_client_says_so(net: Client) -> None:
    await net.close()
    with pytest.raises(CommonsError):
        await net.get("http://127.0.0.1:1", "/x", limit=1)


async def test_refused_is_refused(net: Client) -> None:
    async def door(request: web.Request) -> web.StreamResponse:
        return web.json_response(Refused("no", hint="go").as_dict(), status=403)

    async with Server(door) as url:
        with pytest.raises(Refused, match="no"):
            await net.post(url, "/x", bytes(1000), limit=10)
