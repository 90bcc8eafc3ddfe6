"""The node as a client: one session, over libp2p streams to peers and over plain TCP to HTTP doors.

Foreign exceptions end here. What comes back is unverified bytes of at most the size asked for.
"""

from __future__ import annotations

import asyncio
import io
import json
import math
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

import aiohttp

from commons.core.crypto.ids import PeerId
from commons.core.dataset.address import peer_of
from commons.core.tlog import cosignature
from commons.errors import (
    KINDS,
    Busy,
    CommonsError,
    Internal,
    Malformed,
    NotFound,
    SplitView,
    Stale,
    StorageFailed,
    TimedOut,
    TooLarge,
    TooMany,
    Undated,
    Unreachable,
    Untrue,
    from_dict,
)
from commons.net.causes import why
from commons.net.connector import Connector, url_of
from commons.net.swarm import Swarm
from commons.version import __version__

ERROR_LIMIT = 64 << 10  # bytes of an error's answer
LARGE = 1 << 20  # bytes of a body from which on aiohttp wants a file, to write it piece by piece
STALL = 20.0  # seconds without a byte
WHOLE = 120.0  # seconds for one answer, and for more than that
SLOWEST = 16 << 10  # bytes a second: a line slower than this gets no piece through
TRICKLE = 2 << 10  # bytes a second: whoever sends less over STALL seconds holds us up
PATIENCE, AWHILE = 4, 10.0  # times, and seconds each, that a read waits when it is told to
CONNECT = 15.0
OURS_ALONE = (
    Busy,
    Internal,
    SplitView,
    StorageFailed,
    Stale,
    Undated,
)  # of our disk, our proofs, our bugs: no peer's word makes them so


@dataclass(frozen=True, slots=True, kw_only=True)
class Listeners:
    """Who is told what the client meets, at once and in the loop: `met` of the source of each exchange that succeeded,
    `dated` of the source and the `Date` of each answer, `shown` of the two heads of one log that came with an error."""

    met: Callable[[str], None] = lambda source: None
    dated: Callable[[str, str], None] = lambda source, said: None
    shown: Callable[[Sequence[str]], None] = lambda evidence: None


class Client:
    """The node's way out: fulfils `network.Network`. `swarm` starts libp2p at the first peer that is asked."""

    def __init__(self, swarm: Callable[[], Awaitable[Swarm]], listeners: Listeners = Listeners()) -> None:
        self._addresses: dict[PeerId, dict[str, None]] = {}
        self._listeners = listeners
        self._session = aiohttp.ClientSession(
            connector=Connector(swarm, lambda peer: list(self._addresses.get(peer, ())), limit_per_host=6),
            headers={"User-Agent": f"commons/{__version__}", "Accept-Encoding": "identity"},
            auto_decompress=False,
            read_bufsize=1 << 20,
            cookie_jar=aiohttp.DummyCookieJar(),
        )

    async def close(self) -> None:
        """Nothing: ends what is under way; libp2p, if it was started, is stopped by whoever started it."""
        await self._session.close()

    async def get(self, source: str, path: str, *, limit: int, span: tuple[int, int] | None = None) -> bytes:
        """What `Network.get` says."""
        headers = {} if span is None else {"Range": f"bytes={span[0]}-{span[1] - 1}"}
        seconds = WHOLE if span is None else WHOLE + (span[1] - span[0]) / SLOWEST
        data = await self._patiently(lambda: self._ask("GET", source, path, None, limit, headers, seconds))
        if span is not None and len(data) != span[1] - span[0]:
            raise Untrue(f"{source} sent {len(data)} bytes of the {span[1] - span[0]} asked for")
        return data

    async def _patiently(self, ask: Callable[[], Awaitable[bytes]]) -> bytes:
        """Whoever is asked too much says when they will answer again."""
        for _ in range(PATIENCE):
            try:
                return await ask()
            except TooMany as error:
                if error.after > AWHILE:
                    raise
                await asyncio.sleep(error.after)
        return await ask()

    async def post(self, source: str, path: str, body: bytes, *, limit: int) -> bytes:
        """What `Network.post` says."""
        return await self._ask("POST", source, path, body, limit, {}, WHOLE)

    async def _ask(
        self,
        method: str,
        source: str,
        path: str,
        body: bytes | None,
        limit: int,
        headers: dict[str, str],
        seconds: float,
    ) -> bytes:
        if self._session.closed:
            raise Unreachable("this node is stopping")
        try:
            async with self._session.request(
                method,
                self._url(source, path),
                data=io.BytesIO(body) if body and len(body) > LARGE else body,
                headers=headers,
                allow_redirects=False,
                timeout=aiohttp.ClientTimeout(total=seconds, sock_read=STALL, sock_connect=CONNECT),
            ) as answer:
                self._listeners.dated(source, answer.headers.get("Date", ""))
                if answer.status not in (200, 206):
                    error = await _failure(answer, source)
                    if len(error.evidence) >= 2:
                        self._listeners.shown(error.evidence)
                    raise error
                if "Range" in headers and answer.status != 206:
                    raise Untrue(f"{source} does not serve ranges", hint="use another source")
                data = await _read(answer, limit, source)
                self._listeners.met(source)
                return data
        except CommonsError:
            raise
        except TimeoutError as error:
            raise TimedOut(f"{source} stalled", hint="try again, or use another source") from error
        except (aiohttp.ClientError, OSError, ValueError, asyncio.IncompleteReadError) as error:
            raise Unreachable(
                f"{source}: {why(error)}", hint="check that the node runs and its address is current"
            ) from error

    def _url(self, source: str, path: str) -> str:
        if not source.startswith("/"):
            return source + path
        peer = peer_of(source)
        self._addresses.setdefault(peer, {})[source] = None
        return url_of(peer, path)


async def _read(answer: aiohttp.ClientResponse, limit: int, source: str) -> bytes:
    """The whole body. The end of a stream is not taken for completeness: aiohttp holds it to its stated length."""
    if (answer.content_length or 0) > limit:
        raise TooLarge(f"{source} would send {answer.content_length} bytes, at most {limit} are taken")
    if answer.content_length is None and answer.headers.get("Transfer-Encoding") != "chunked":
        raise Untrue(f"{source} does not say how long its answer is")
    chunks, size, clock = [], 0, asyncio.get_running_loop().time
    since, until_then = clock(), 0
    async for chunk in answer.content.iter_any():
        chunks.append(chunk)
        size += len(chunk)
        if (now := clock()) - since > STALL:
            if size - until_then < TRICKLE * (now - since):
                raise TimeoutError
            since, until_then = now, size
        if size > limit:
            answer.close()
            raise TooLarge(f"{source} sends more than the {limit} bytes that are taken")
    return b"".join(chunks)


async def _failure(answer: aiohttp.ClientResponse, source: str) -> CommonsError:
    """What the other side said went wrong, as our own error; who said it is part of the message."""
    try:
        body = await _read(answer, ERROR_LIMIT, source)
        if answer.status == 409 and answer.content_type == cosignature.SIZE:
            return cosignature.Behind.parse(body)
        told = json.loads(body)
        error = from_dict(told) if isinstance(told, dict) and "error" in told else None
    except (ValueError, RecursionError, TooLarge, Untrue, Malformed):  # a web server's own page, or nonsense
        error = None
    if error is None and answer.status == 404:
        return NotFound(f"{source} has no such resource")
    if error is None and answer.status in (409, 422):  # what witnesses of other makers say, in words of their own
        return KINDS[answer.status - 400](f"{source} answered with status {answer.status}")
    if error is None:
        return Unreachable(f"{source} answered with status {answer.status}", hint="is it a commons node?")
    kind = Unreachable if isinstance(error, OURS_ALONE) else type(error)
    told = kind(f"{source}: {error.message}", hint=error.hint, evidence=error.evidence)
    if isinstance(told, TooMany):
        after = answer.headers.get("Retry-After", "")
        told.after = float(after) if after.isascii() and after.isdigit() else math.inf
    return told
