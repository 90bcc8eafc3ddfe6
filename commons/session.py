"""A home for Python programs: `create` makes one, `restore` makes one of a backup, and its verbs are had by `open` in a
program with an event loop, by `connect` in one without, or in a notebook, which has one of its own.

The two talk to the node that runs on the home, as the command line does, or open the home themselves for as long as
they are used; other commands on it go through them meanwhile. See docs/python.md, and docs/api.md for every verb.
"""

from __future__ import annotations

import asyncio
import atexit
import functools
import inspect
import os
import threading
import time
import warnings
from collections.abc import AsyncIterator, Callable, Coroutine, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Annotated, Any, Concatenate, Generic, Literal, ParamSpec, Protocol, Self, TypeVar, overload

import commons.disk.home
import commons.node.restore
import commons.node.verbs.status
from commons.community.charter import founding
from commons.errors import Conflict, Malformed, Unreachable
from commons.node.control import Owner
from commons.node.desk import found
from commons.node.verbs import community, custody, data, log, membership, witness
from commons.node.verbs.context import Context
from commons.node.verbs.log import DamageShown
from commons.node.verbs.shapes import Source, Spot, result, told
from commons.progress import Progress, untold

P = ParamSpec("P")
R = TypeVar("R")
_OPENED: dict[Path, list[tuple[asyncio.AbstractEventLoop, Owner]]] = {}  # in this process, by home
W = TypeVar("W")  # how verbs are run: Later or Now
W_co = TypeVar("W_co", covariant=True)


# -- a home ------------------------------------------------------------------------------------------------------------

Readers = Literal["owner", "members", "public"]
ALONE = "a commons of one"  # the name of a commons that nobody named


@result
class CreateResult:
    """A home that was made."""

    home: Annotated[str, "its folder"]
    peer: Annotated[str, "its peer id"]
    commons: Annotated[str, "the commons whose log it keeps"]
    name: Annotated[str, "of that commons"]


@overload
def create(home: Spot, *, name: str = ..., readers: Readers = ...) -> CreateResult: ...
@overload
def create(home: Spot, *, charter: str) -> CreateResult: ...
def create(
    home: Spot, *, name: str | None = None, readers: Readers | None = None, charter: str | None = None
) -> CreateResult:
    """The home that was made in that folder: an identity, and a commons with its log. The commons is of one, with a
    name, and `readers` who may see who asked for what ("members" unless said); or it is what a `charter` says (TOML,
    see docs/communities.md). Conflict where anything is in that folder; Malformed for what no charter may say."""
    path, now = Path(home).absolute(), int(time.time())
    if charter is None:
        founded = commons.disk.home.personal(ALONE if name is None else name, readers or "members", now)
    elif name is not None or readers is not None:
        raise Malformed("a charter says the name and the readers itself", hint="leave out one or the other")
    else:
        founded = founding(charter, now)
    commons.disk.home.create(path, founded, {})
    with commons.disk.home.Home(path) as made:
        named = made.first.log.state.charter
        return CreateResult(
            home=str(path),
            peer=made.keys.identity.peer,
            commons=made.first.commons,
            name=named.name if named else "",
        )


@result
class Unasked:
    """Who was asked for a newer log, in vain."""

    source: Annotated[str, "its address, or the exported log"]
    message: Annotated[str, "why"]


@result
class KeptAgain:
    """What became of the openings of somebody else's log that were in a backup."""

    commons: Annotated[str, "whose log it is"]
    openings: Annotated[int, "that are kept still"]
    erased: Annotated[int, "that this log has erased since, and that are destroyed here, too"]
    heard: Annotated[bool, "somebody showed that log"]


@result
class LogRestored:
    """Another log that a home keeps, as it came out of a backup, and what others said of it."""

    commons: Annotated[str, "whose log it is"]
    name: Annotated[str, "of the commons"]
    heard: Annotated[tuple[str, ...], "who has nothing newer of it"]
    failed: Annotated[tuple[Unasked, ...], "who did not answer, or not truly"]
    seen: Annotated[int, "the size of the longest that was shown"]
    erased: Annotated[tuple[int, ...], "the entries whose details were destroyed since, and are here, too"]
    withheld: Annotated[str, "why no details are opened; empty where some may be"]
    shut: Annotated[str, "why it is not continued; empty where it may be"]
    next: Annotated[str, "what to do then"]


@result
class RestoreResult:
    """A home that was made of a backup, and what others said of its log."""

    made: Annotated[int, "when the backup was made"]
    delete_by: Annotated[int | None, "when the day begins by which it must be deleted; nothing where no day is set"]
    commons: Annotated[str, "the commons whose log is in it"]
    entries: Annotated[int, "of that log"]
    packs: Annotated[bool, "with the sealed data"]
    files: Annotated[int, "how many are in it"]
    name: Annotated[str, "of the commons"]
    heard: Annotated[tuple[str, ...], "who has nothing newer of this log"]
    failed: Annotated[tuple[Unasked, ...], "who did not answer, or not truly"]
    seen: Annotated[int, "the size of the longest log that was shown"]
    erased: Annotated[tuple[int, ...], "the entries whose details were destroyed since, and are here, too"]
    withheld: Annotated[str, "why no details are opened; empty where some may be"]
    shut: Annotated[str, "why the log is not continued; empty where it may be"]
    next: Annotated[str, "what to do then"]
    packs_missing: Annotated[int, "packs of datasets that this home serves"]
    damaged: Annotated[tuple[DamageShown, ...], "rows that cannot be read"]
    kept: Annotated[tuple[KeptAgain, ...], "of each log of which openings are kept here"]
    others: Annotated[tuple[LogRestored, ...], "every other log that this home keeps"]
    home: Annotated[str, "its folder"]
    overdue: Annotated[bool, "this backup had to be deleted by now"]


async def restore(
    file: Spot, home: Spot, *, passphrase: str, sources: Sequence[Source] = (), progress: Progress = untold
) -> RestoreResult:
    """The home that was made in that folder, which must not be there yet, of the backup in `file`, and what others
    said of its log: those whom it knows, and the `sources` (addresses, exported logs). Nothing is written to the log.
    Refused for a wrong passphrase, NotFound without the file, Conflict where the folder is; see docs/backup.md."""
    if isinstance(sources, str):
        raise Malformed("sources is no list", hint="put it into brackets")
    asked = [os.path.abspath(each) if not isinstance(each, str) or os.path.exists(each) else each for each in sources]
    made = await commons.node.restore.restore(Path(file), passphrase, Path(home).absolute(), asked, progress)
    return told(RestoreResult, **made)


# -- its verbs ---------------------------------------------------------------------------------------------------------


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
    drop_kept, check = Method(log.drop_kept), Method(log.check_log)


class CommunityVerbs(Generic[W]):
    """Take part, propose, vote, see how things stand."""

    def __init__(self, way: W) -> None:
        self._way = way

    status = Method(community.community)
    begin, rename = Method(membership.begin), Method(membership.rename)
    invite, join, follow = Method(community.invite), Method(membership.join), Method(community.follow)
    stand_by, leave, forget = Method(membership.stand_by), Method(membership.leave), Method(membership.forget)
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

    status = Method(commons.node.verbs.status.status)
    peers, announce = Method(commons.node.verbs.status.peers), Method(commons.node.verbs.status.announce)
    date, go_on = Method(commons.node.verbs.status.date), Method(commons.node.verbs.status.go_on)
    backup = Method(commons.node.verbs.status.backup)

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
