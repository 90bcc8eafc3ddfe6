"""The owner's door: a node on loopback that its own command line talks to, and how a command finds it.

POST /verbs/NAME, JSON in, lines of JSON out: {"done": …, "of": …} while it runs, then {"told": …}, which
docs/control.schema.json describes, or an error. Guarded by a token in a file only the owner can read, and by Host and
Origin, so that no web page can reach it.
"""

from __future__ import annotations

import asyncio
import hmac
import json
import logging
import secrets
import signal
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any, Self

import aiohttp
from aiohttp import web

from commons.disk import journal, sql
from commons.disk.home import Home, held_by_node
from commons.disk.settings import write_secret
from commons.errors import Busy, CommonsError, Internal, Malformed, Refused, StorageFailed, Unreachable, from_dict
from commons.net import descriptors
from commons.net.connector import IDLE_SECONDS, LINGER_SECONDS, listen, tagged, watched
from commons.net.crowd import Crowd
from commons.node import desk
from commons.node.api import body_of, failure, server_log
from commons.node.node import Node
from commons.node.verbs.context import Context
from commons.node.verbs.shapes import plain
from commons.progress import Progress, untold

log = logging.getLogger(__name__)
LINE = 256 << 20  # bytes of one line of an answer
EVERY = 0.1  # seconds between two lines of progress
PAUSE = 0.1  # seconds between two tries to open a home that somebody holds
STARTING, OTHERS = 600, 50  # tries while a node holds it that has no door yet, and while another command does
BODY = 1 << 20  # bytes of a verb's arguments
PLACES = 64  # connections to this door: other users of this machine may knock, too
_STOPPED, _AGAIN = "the node on this home stopped before it was done", "start it again, and repeat the command"


@asynccontextmanager
async def door(node: Node) -> AsyncIterator[str]:
    """Open the owner's door on a free loopback port, and leave its address and token in the home while it is open."""
    token, path = secrets.token_urlsafe(32), node.home.path / "control"
    app = web.Application()
    app.router.add_post("/verbs/{verb}", lambda request: _verb(node, token, request))
    runner = web.AppRunner(
        app, access_log=None, handle_signals=False, shutdown_timeout=0.5, keepalive_timeout=IDLE_SECONDS,
        lingering_time=LINGER_SECONDS, logger=server_log,
    )  # fmt: skip
    await runner.setup()
    try:
        assert runner.server is not None
        async with watched(runner.server):
            server = await listen(tagged(runner.server, lambda handler: None, Crowd(PLACES)), "127.0.0.1", 0)
            try:
                url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
                write_secret(path, json.dumps({"url": url, "token": token}) + "\n")
                yield url
            finally:
                server.close()
    finally:
        path.unlink(missing_ok=True)
        await runner.cleanup()


def _check(token: str, request: web.Request) -> None:
    given = request.headers.get("Authorization", "").removeprefix("Bearer ")
    sock = request.transport.get_extra_info("sockname") if request.transport else None
    if sock is None or request.headers.get("Host") != f"127.0.0.1:{sock[1]}" or "Origin" in request.headers:
        raise Refused("this door is for the owner's own programs on this machine")
    if not hmac.compare_digest(given.encode("utf-8", "surrogateescape"), token.encode()):
        raise Refused("this door needs the token in the home's file `control`")


async def _verb(node: Node, token: str, request: web.Request) -> web.StreamResponse:
    try:
        _check(token, request)
        words = json.loads(await body_of(request, BODY))
        if not isinstance(words, dict):
            raise Malformed("the arguments of a verb are a JSON object")
    except CommonsError as error:
        return failure(error)
    except (ValueError, RecursionError):
        return failure(Malformed("the arguments of a verb are JSON"))
    answer = web.StreamResponse(headers={"Content-Type": "application/x-ndjson"})
    await answer.prepare(request)
    loop, steps = asyncio.get_running_loop(), _Steps()

    def progress(done: int, whole: int) -> None:
        if steps.over:  # a thread that packs or verifies knows of no cancellation: here it ends
            raise Unreachable("nobody waits for this any more")
        loop.call_soon_threadsafe(steps.set, done, whole)

    work = asyncio.ensure_future(_told(Context.of(node, progress), request.match_info["verb"], words))
    try:
        while not work.done():
            await asyncio.wait([work], timeout=EVERY)
            if (step := steps.take()) is not None:
                await answer.write(json.dumps({"done": step[0], "of": step[1]}).encode() + b"\n")
        await answer.write(json.dumps(work.result()).encode() + b"\n")
        await answer.write_eof()
    except ConnectionError:
        log.info("the command that asked for %s went away", request.match_info["verb"])
    finally:
        steps.over = True
        work.cancel()
    return answer


async def _told(c: Context, verb: str, words: dict[str, Any]) -> dict[str, Any]:
    try:
        reply = await desk.call(c, verb, words)
        return {"told": plain(reply.result), **({"alone": reply.alone} if reply.alone else {})}
    except CommonsError as error:
        log.info("command %s failed error=%d", verb[:40], error.number)
        return error.as_dict()
    except Exception as error:
        log.exception("command %s failed", verb[:40])
        return Internal(f"{verb} failed: {journal.place(error)}", hint="the node's own output says more").as_dict()


class _Steps:
    """The newest progress, told once; `over` when nobody will listen to more."""

    def __init__(self) -> None:
        self.over = False
        self._step: tuple[int, int] | None = None

    def set(self, done: int, whole: int) -> None:
        self._step = (done, whole)

    def take(self) -> tuple[int, int] | None:
        step, self._step = self._step, None
        return step


async def serve(path: Path, at: tuple[str, ...], http: str | None, ready: Callable[[Node], None]) -> None:
    """Run a node on the home at `path` until SIGINT or SIGTERM. `ready` is called once every door is open."""
    descriptors.lift()
    stop, loop = asyncio.Event(), asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    with await _home_for_a_node(path, stop) as home:
        async with Node(home, at, http) as node, door(node):
            ready(node)
            await stop.wait()


async def _home_for_a_node(path: Path, stop: asyncio.Event) -> Home:
    """The home at `path`, once the command that is at work on it is done; Busy where a node holds it, or for long."""
    for left in reversed(range(OTHERS)):
        try:
            return Home(path, node=True)
        except Busy:
            if held_by_node(path) or not left or stop.is_set():
                raise
        await asyncio.sleep(PAUSE)
    raise AssertionError("the last try returns or raises")


async def run(path: Path, verb: str, words: Mapping[str, Any], progress: Progress) -> dict[str, Any]:
    """What one verb on the home at `path` tells, as JSON has it. See `Owner`."""
    async with Owner(path) as owner:
        return await owner.told(verb, words, progress)


class Owner:
    """The verbs on the home at `path`: by the node that runs on it, or by one of our own. The home is opened when the
    first verb finds no node, and closed with this; where it is `shared`, the owner's door is opened with it, so that
    other commands on this home are done by it meanwhile. Use `async with`, in one loop.

    A node that starts or stops at this moment is waited for, and for a shorter time another command; then Busy.
    """

    def __init__(self, path: Path, shared: bool = False) -> None:
        self._path, self._shared = path, shared
        self._node: Node | None = None
        self._opened, self._opening = AsyncExitStack(), asyncio.Lock()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        self._node = None
        await self._opened.aclose()

    @property
    def holds(self) -> bool:
        """Whether the home was opened here."""
        return self._node is not None

    async def told(self, verb: str, words: Mapping[str, Any], progress: Progress = untold) -> dict[str, Any]:
        """What a verb tells, as JSON has it."""
        found = await self._said(verb, words, progress)
        return found.as_dict() if isinstance(found, desk.Reply) else found

    async def call(self, verb: str, words: Mapping[str, Any], progress: Progress = untold) -> desk.Reply:
        """What a verb tells, in its types."""
        found = await self._said(verb, words, progress)
        return found if isinstance(found, desk.Reply) else desk.reply(verb, found)

    async def _said(self, verb: str, words: Mapping[str, Any], progress: Progress) -> desk.Reply | dict[str, Any]:
        tries = 0
        while True:
            try:
                node = await self._our_own()
            except Busy:
                found = _running(self._path)
                if found is not None and (told := await _ask(*found, verb, words, progress)) is not None:
                    return told
                tries += 1
                if tries >= (STARTING if held_by_node(self._path) else OTHERS):
                    raise
                await asyncio.sleep(PAUSE)
            else:
                return await _by(node, verb, words, progress)

    async def _our_own(self) -> Node:
        """Our own node, opened if need be. Busy where somebody else holds the home."""
        async with self._opening:
            if self._node is None:
                async with AsyncExitStack() as opened:
                    home = opened.enter_context(Home(self._path, node=self._shared and not sql.frozen(self._path)))
                    node = await opened.enter_async_context(Node(home))
                    if self._shared and not home.frozen:
                        await opened.enter_async_context(door(node))
                    self._opened, self._node = opened.pop_all(), node
            return self._node


async def _by(node: Node, verb: str, words: Mapping[str, Any], progress: Progress) -> desk.Reply:
    """What our own node tells. Where nobody waits for it any more, a thread that packs or verifies ends, too."""
    waits = True

    def step(done: int, whole: int) -> None:
        if not waits:
            raise StorageFailed("the command was stopped")
        progress(done, whole)

    try:
        return await desk.call(Context.of(node, step), verb, words)
    finally:
        waits = False


def _running(path: Path) -> tuple[str, str] | None:
    try:
        found = json.loads((path / "control").read_text())
        return str(found["url"]), str(found["token"])
    except (OSError, ValueError, KeyError, TypeError):
        return None


async def _ask(url: str, token: str, verb: str, words: Mapping[str, Any], progress: Progress) -> dict[str, Any] | None:
    """What the node at `url` tells; None where none answers. An error is the verb's own, and is not tried again."""
    timeout = aiohttp.ClientTimeout(total=None, sock_connect=2)
    try:
        async with (
            aiohttp.ClientSession(timeout=timeout, read_bufsize=LINE) as session,
            session.post(
                f"{url}/verbs/{verb}", json=dict(words), headers={"Authorization": f"Bearer {token}"}
            ) as answer,
        ):
            async for line in answer.content:
                step = json.loads(line)
                if "told" in step:
                    return {**step["told"], **({"alone": step["alone"]} if "alone" in step else {})}
                if "error" in step:
                    raise from_dict(step)
                progress(int(step["done"]), int(step["of"]))
    except aiohttp.ClientConnectorError:
        return None
    except (aiohttp.ClientPayloadError, aiohttp.ServerDisconnectedError, aiohttp.ClientOSError) as error:
        raise Unreachable(_STOPPED, hint=_AGAIN) from error
    except (aiohttp.ClientError, ValueError, TypeError, KeyError) as error:
        raise Internal("the node on this home broke off", hint="its own output says more") from error
    raise Unreachable(_STOPPED, hint=_AGAIN)
