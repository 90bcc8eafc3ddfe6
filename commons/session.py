"""The verbs of a home for Python programs: `open` for those with an event loop, `connect` for those without, or for
notebooks, which have one of their own.

Both talk to the node that runs on the home, as the command line does, or open the home themselves for as long as they
are used; other commands on it go through them meanwhile. See docs/python.md, and docs/api.md for every verb.
"""

from __future__ import annotations

import asyncio
import atexit
import functools
import inspect
import os
import threading
import warnings
from collections.abc import AsyncIterator, Callable, Coroutine, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Concatenate, Generic, ParamSpec, Protocol, Self, TypeVar, overload

from commons.errors import Conflict, Unreachable
from commons.node.control import Owner
from commons.node.desk import found
from commons.node.verbs import community, custody, data, log, witness
from commons.node.verbs import status as own
from commons.node.verbs.context import Context
from commons.node.verbs.shapes import Source, Spot
from commons.progress import Progress, untold

P = ParamSpec("P")
R = TypeVar("R")
_OPENED: dict[Path, list[tuple[asyncio.AbstractEventLoop, Owner]]] = {}  # in this process, by home
W = TypeVar("W")  # how verbs are run: Later or Now
W_co = TypeVar("W_co", covariant=True)


class Later:
    """Verbs that are awaited, in the loop in which the home was opened."""

    def __init__(self, owner: Owner, progress: Progress) -> None:
        self._owner, self._progress = owner, progress

    async def run(self, verb: str, words: Mapping[str, Any]) -> Any:
        reply = await self._owner.call(verb, spelt(verb, words), self._progress)
        if reply.alone:
            warnings.warn(reply.alone, stacklevel=2)
        return reply.result


class Now:
    """Verbs that return when they are done: a thread with a loop of its own does them, so that it does not matter
    whether the caller's thread has one."""

    def __init__(self, home: Path, progress: Progress) -> None:
        self._home, self._loop = home.absolute(), asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="commons", daemon=True)
        self._thread.start()
        self._owner = Owner(home, shared=True)
        self._later = Later(self._owner, progress)
        atexit.register(self.close)

    def run(self, verb: str, words: Mapping[str, Any]) -> Any:
        if self._loop.is_closed():
            raise Unreachable("this connection was closed", hint="commons.connect(home) makes a new one")
        here = asyncio._get_running_loop()
        if any(loop is here and owner.holds for loop, owner in _OPENED.get(self._home, ())):
            raise Conflict("this loop has that home open, and would wait for itself", hint="await the verbs of its own")
        return self._wait(self._later.run(verb, words))

    def close(self) -> None:
        """The home is closed, if it was opened here. A second time does nothing."""
        atexit.unregister(self.close)
        if not self._loop.is_closed():
            self._wait(self._owner.__aexit__())
            self._loop.call_soon_threadsafe(self._loop.stop)
            self._thread.join()
            self._loop.close()

    def _wait(self, work: Coroutine[Any, Any, R]) -> R:
        done = asyncio.run_coroutine_threadsafe(work, self._loop)
        try:
            return done.result()
        except BaseException:  # of the verb, which is over; or a KeyboardInterrupt here, which ends it
            done.cancel()
            raise


class Holding(Protocol[W_co]):
    """What a verb is a method of."""

    @property
    def _way(self) -> W_co: ...


class Method(Generic[P, R]):
    """A verb as a method: of the same words, and the same result, which is awaited or not as its holder is used."""

    def __init__(self, function: Callable[Concatenate[Context, P], Coroutine[Any, Any, R]]) -> None:
        self.function = function

    @overload
    def __get__(self, held: None, kind: Any) -> Self: ...
    @overload
    def __get__(self, held: Holding[Later], kind: Any) -> Callable[P, Coroutine[Any, Any, R]]: ...
    @overload
    def __get__(self, held: Holding[Now], kind: Any) -> Callable[P, R]: ...
    def __get__(self, held: Any, kind: Any) -> Any:
        if held is None:
            return self
        signature = inspect.signature(self.function)
        words = [*signature.parameters.values()][1:]

        @functools.wraps(self.function)
        def called(**said: Any) -> Any:
            return held._way.run(self.function.__name__, said)

        called.__signature__ = signature.replace(parameters=words)  # type: ignore[attr-defined]
        return called


class DatasetVerbs(Generic[W]):
    """Publish, look, fetch, export, carry."""

    def __init__(self, way: W) -> None:
        self._way = way

    publish, plan = Method(data.publish), Method(data.plan)
    list = Method(data.datasets)
    show, describe = Method(data.show), Method(data.describe)
    refer = Method(data.refer)
    fetch, export = Method(data.fetch), Method(data.export)
    mirror, drop = Method(data.mirror), Method(data.drop)


class LogVerbs(Generic[W]):
    """Answer requests, audit, export, erase."""

    def __init__(self, way: W) -> None:
        self._way = way

    requests, decide = Method(log.requests), Method(log.decide)
    erase = Method(log.erase)
    audit, export = Method(log.audit), Method(log.export_log)
    forget_fork = Method(log.forget_fork)
    drop_kept = Method(log.drop_kept)


class CommunityVerbs(Generic[W]):
    """Take part, propose, vote, see how things stand."""

    def __init__(self, way: W) -> None:
        self._way = way

    status = Method(community.community)
    invite, join, follow = Method(community.invite), Method(community.join), Method(community.follow)
    propose, vote, vote_at = Method(community.propose), Method(community.vote), Method(community.vote_at)
    take_over = Method(community.take_over)
    statistics = Method(community.statistics)


class CustodyVerbs(Generic[W]):
    """Keep shares of keys, and see who does."""

    def __init__(self, way: W) -> None:
        self._way = way

    keep, status, pass_on = Method(custody.keep), Method(custody.custody), Method(custody.pass_on)
    convict = Method(custody.convict)


class WitnessVerbs(Generic[W]):
    """Cosign logs, and hand requests to those who do."""

    def __init__(self, way: W) -> None:
        self._way = way

    logs = Method(witness.witness)
    submit, submitted = Method(witness.hand_in), Method(witness.unlogged)


class Session(Generic[W]):
    """One home, and what its owner can do with it."""

    def __init__(self, way: W) -> None:
        self._way = way
        self.datasets, self.log = DatasetVerbs(way), LogVerbs(way)
        self.community, self.custody, self.witness = CommunityVerbs(way), CustodyVerbs(way), WitnessVerbs(way)

    status = Method(own.status)
    peers, announce = Method(own.peers), Method(own.announce)
    date, go_on = Method(own.date), Method(own.go_on)
    backup = Method(own.backup)

    def __enter__(self: Session[Now]) -> Session[Now]:
        return self

    def __exit__(self: Session[Now], *_: object) -> None:
        self.close()

    def close(self: Session[Now]) -> None:
        """The home is closed, if it was opened here."""
        self._way.close()


@asynccontextmanager
async def open(home: Spot, *, progress: Progress = untold) -> AsyncIterator[Session[Later]]:
    """The verbs of the home in that folder, to be awaited. `progress(done, whole)` is told how far a verb has come, and
    may be called from any thread. NotFound at the first verb where there is no home."""
    path, loop = Path(home).absolute(), asyncio.get_running_loop()
    async with Owner(path, shared=True) as owner:
        _OPENED.setdefault(path, []).append((loop, owner))
        try:
            yield Session(Later(owner, progress))
        finally:
            _OPENED[path].remove((loop, owner))


def connect(home: Spot, *, progress: Progress = untold) -> Session[Now]:
    """The verbs of the home in that folder, each of which returns when it is done, also within a running event loop.
    Use `with`, or `close` it; else it is closed when Python ends."""
    return Session(Now(Path(home), progress))


def spelt(verb: str, words: Mapping[str, Any]) -> dict[str, Any]:
    """The words as a node in another folder understands them: whole paths, in text. A source that is text names a file
    or a folder where there is one."""
    kinds = {name: each.kind for name, each in found(verb).words.items()}

    def one(name: str, value: Any) -> Any:
        if isinstance(value, os.PathLike):
            return os.path.abspath(os.fspath(value))
        there = kinds.get(name) == Spot or (kinds.get(name) in (Source, Source | None) and os.path.exists(value or ""))
        return os.path.abspath(value) if isinstance(value, str) and there else value

    return {name: one(name, value) for name, value in words.items()}
