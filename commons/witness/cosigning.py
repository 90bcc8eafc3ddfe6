"""Having this node's log witnessed: its heads are sent to the witnesses of the charter, and what they sign is kept.

Never on the path of an append: one worker for each witness sends the newest head when it is done with the last one.
Who releases keys demands the charter's quorum here; see `demand`.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

from commons.core.tlog import checkpoint, cosignature, note
from commons.core.tlog.checkpoint import Signed
from commons.core.tlog.cosignature import Behind
from commons.core.tlog.note import Verifier
from commons.core.tlog.policy import Policy
from commons.disk.cosigned import Head
from commons.disk.kept import Kept
from commons.disk.log import Log
from commons.errors import CommonsError, Conflict, Malformed, Pending, TimedOut, Undated, Untrue
from commons.net.network import Network

ANSWER = 64 << 10  # bytes of a witness's answer
ROUND = 20.0  # seconds that one witness has for one answer
Stamping = Callable[[bytes, int], Awaitable[None]]  # logs when witnesses saw the first so many entries: by this head

FIRST, LONGEST = 0.5, 30.0  # seconds until a witness that failed is asked again, and at most
RECENT = 16  # heads of which lines are kept while no quorum is met
TRIES = 3  # sizes that a witness may name before it has answered


# -- which heads are covered -------------------------------------------------------------------------------------------


def policy_of(log: Log) -> Policy:
    """The policy of the charter in force: whose cosignatures it asks for."""
    return cosignature.quorum(log.state.charter.witnesses if log.state.charter else "")


def signed(kept: Kept, head: Signed) -> bytes:
    """A head of this home's log as a note, with the cosignatures that were stored under it."""
    return _joined(_stored(kept, head))


def covering(kept: Kept) -> bytes | None:
    """The newest head that meets the charter's quorum, with its cosignatures; without a quorum the newest of all."""
    asked = policy_of(kept.log)
    if asked.quorum is None:
        return signed(kept, kept.log.head)
    return next((_joined(head) for head in kept.cosigned.heads if asked.met(_present(kept.log, head, asked))), None)


def _covered(kept: Kept) -> int:
    """How many entries the newest covering head holds."""
    found = covering(kept)
    return checkpoint.open(found, kept.log.key).checkpoint.size if found else 0


def demand(kept: Kept, index: int) -> None:
    """Nothing; Pending, naming who is missing, unless one head that holds entry `index` meets the charter's quorum.
    Signatures under several heads do not add up."""
    asked = policy_of(kept.log)
    if asked.quorum is None:
        return
    best: frozenset[str] = frozenset()
    for head in kept.cosigned.heads:
        if head.size <= index:
            break
        present = _present(kept.log, head, asked)
        if asked.met(present):
            return
        best = max(best, present, key=len)
    raise Pending(
        f"entry {index} of the log waits for witnesses: {asked.missing(best)}",
        hint="no key is released before they have signed; repeat the same command later",
    )


def _stored(kept: Kept, head: Signed) -> Head:
    bare = Head(head.checkpoint.size, head.note)
    return next((each for each in kept.cosigned.heads if each.note == head.note), bare)


def _joined(head: Head) -> bytes:
    return note.add(head.note, *head.lines.values()) if head.lines else head.note


def _present(log: Log, head: Head, asked: Policy) -> frozenset[str]:
    """The witnesses of `asked` that signed this head; nobody where what is stored does not verify."""
    wanted = {each.key.vkey for each in asked.witnesses}
    lines = [line for vkey, line in head.lines.items() if vkey in wanted]
    try:
        opened, present = cosignature.open(note.add(head.note, *lines) if lines else head.note, log.key, asked)
    except CommonsError:
        return frozenset()
    return present if opened.checkpoint.size == head.size else frozenset()


# -- asking ------------------------------------------------------------------------------------------------------------


@dataclass(slots=True)
class Cosigner:
    """A witness of this home's log: its URL and its keys, by the names that the policy gives them.

    `size` is the size of its last head, as far as we know: a proof for it begins there. `signed` is the size of the
    last head of which we hold its signature; `problem` what went wrong since. While `away` nobody waits for it.
    """

    url: str
    keys: dict[Verifier, str]
    size: int = 0
    signed: int = 0
    time: float | None = None
    problem: str = ""
    away: bool = False
    wake: asyncio.Event = field(default_factory=asyncio.Event)


class Cosigning:
    """The part of a running node that has its log's heads cosigned: one worker a witness, all on one `target` at a
    time, since a quorum is of one head. `start` and `stop` it in its loop."""

    def __init__(self, kept: Kept, net: Network, stamp: Stamping, clock: Callable[[], float] = time.time) -> None:
        self.kept, self.log, self.net, self._stamp_at, self._clock = kept, kept.log, net, stamp, clock
        self.asked: dict[str, Cosigner] = {}
        self.target = kept.log.head
        self._workers: list[asyncio.Task[None]] = []
        self._policy: Policy | None = None
        self._main: asyncio.Task[None] | None = None

    def start(self) -> None:
        loop, wake = asyncio.get_running_loop(), asyncio.Event()

        def told() -> None:  # by the committer's thread
            with contextlib.suppress(RuntimeError):  # the loop was closed this very moment
                loop.call_soon_threadsafe(wake.set)

        self.log.tell(told)
        if self.kept.cosigned.heads:  # what others signed must be in our log: else this home is an old copy
            with contextlib.suppress(CommonsError):
                self.log.compare(self.kept.cosigned.heads[0].note, "this home's cosigned.db")
        self._main = loop.create_task(self._run(wake))

    async def stop(self) -> None:
        self.log.tell(lambda: None)
        tasks = [*self._workers, *([self._main] if self._main else [])]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _run(self, wake: asyncio.Event) -> None:
        while True:
            wake.clear()
            policy = policy_of(self.log)
            if policy != self._policy:
                self._hire(policy)
            self._advance()
            await wake.wait()

    def _hire(self, policy: Policy) -> None:
        """One worker for each URL, though several keys may sign there."""
        for task in self._workers:
            task.cancel()
        self._policy, self.asked, self.target = policy, {}, self.log.head
        for each in policy.witnesses:
            if each.url is not None and each.name in policy.leaves():
                url = each.url.rstrip("/")
                self.asked.setdefault(url, Cosigner(url, {})).keys[each.key] = each.name
        for at in self.asked.values():
            signed_by = (h.size for h in self.kept.cosigned.heads if any(key.vkey in h.lines for key in at.keys))
            at.size = at.signed = max(signed_by, default=0)
        self._workers = [asyncio.ensure_future(self._work(at)) for at in self.asked.values()]

    def _advance(self) -> None:
        """Turn to the newest head once the last target has its quorum, or nobody is left who may sign it."""
        size, asked = self.target.checkpoint.size, self._policy or Policy()
        if self.target is not self.log.head and (
            all(at.away or at.signed >= size for at in self.asked.values())
            or asked.met(_present(self.log, _stored(self.kept, self.target), asked))
        ):
            self.target = self.log.head
            for at in self.asked.values():
                at.wake.set()

    async def _work(self, at: Cosigner) -> None:
        """Have the target signed, and wait for the next. After a failure wait longer and longer: a witness that is away
        costs little, and one that is back is found within `LONGEST` seconds."""
        failed = 0
        while True:
            try:
                if self.log.broken is None and at.signed < self.target.checkpoint.size:
                    at.away = False
                    await self.ask(at, self.target)
                    failed, at.problem = 0, ""
                    self._advance()
                await self._stamp()  # also for what was signed before this node was started
            except Exception as error:  # not even a bug ends a worker: no key would be released any more
                at.problem = (
                    error.message if isinstance(error, CommonsError) else f"a bug of ours: {type(error).__name__}"
                )
                at.away = True
                self._advance()
                await asyncio.sleep(min(FIRST * 2**failed, LONGEST))
                failed = min(failed + 1, 10)
                continue
            if self.log.broken is not None or at.signed >= self.target.checkpoint.size:
                await at.wake.wait()
                at.wake.clear()

    async def _stamp(self) -> None:
        """Log when the witnesses saw the ballots that wait for it: by that they take effect, or were too late."""
        community = self.log.state.community
        if self.log.broken is not None or community is None or not community.counted:
            return
        if (head := covering(self.kept)) is None:
            return
        size = checkpoint.open(head, self.log.key).checkpoint.size
        with contextlib.suppress(Undated):  # no fault of the witness's; it waits for a clock that is right
            await self._stamp_at(head, size)

    async def ask(self, at: Cosigner, head: Signed) -> None:
        """Nothing: one witness has signed one head, and what it signed was verified and kept. Raises what went
        wrong."""
        for _ in range(TRIES):
            old = at.size if at.size <= head.checkpoint.size else 0
            body = cosignature.AddCheckpoint(old=old, proof=self.log.lead(old, head), note=head.note).encode()
            try:
                async with asyncio.timeout(ROUND):
                    got = await self.net.post(at.url, "/add-checkpoint", body, limit=ANSWER)
            except TimeoutError as error:
                raise TimedOut(f"{at.url} stalled") from error
            except Behind as behind:
                if behind.size > self.log.size:
                    await self._accused(at, f"has signed {behind.size} entries of this log, which has {self.log.size}")
                at.size = behind.size
                continue
            except (Malformed, Conflict) as error:  # it has another history, or says so
                await self._accused(at, f"says: {error.message}")
                raise
            lines = self._verified(at, head, got)
            await asyncio.to_thread(self._keep, head, lines)
            at.size = at.signed = head.checkpoint.size
            at.time = self._clock()
            return
        raise Conflict(f"{at.url} names another size each time it is asked")

    def _verified(self, at: Cosigner, head: Signed, got: bytes) -> dict[str, bytes]:
        """The lines by this witness's keys under this very head. Untrue where one is missing or fails, without any."""
        lines: dict[str, bytes] = {}
        for row in got.split(b"\n")[: note.LINES]:
            with contextlib.suppress(CommonsError):  # a line of another key, of another head, or none at all
                line = row + b"\n"
                opened = checkpoint.open(note.add(head.note, line), self.log.key, at.keys)
                lines.update({each.verifier.vkey: line for each in opened.cosignatures})
        if not lines:
            raise Untrue(f"{at.url} sent no signature of this head by a key that the charter names")
        return lines

    def _keep(self, head: Signed, lines: dict[str, bytes]) -> None:
        self.kept.cosigned.put(head.checkpoint.size, head.note, lines)
        sizes = [each.size for each in self.kept.cosigned.heads]
        least = _covered(self.kept)
        self.kept.cosigned.prune({*(each for each in sizes if each < least), *sizes[RECENT:]} - {least})

    async def _accused(self, at: Cosigner, claim: str) -> None:
        """A witness contradicts our log. It is believed only if it shows a head that we signed and do not lead to: then
        the log shuts, StorageFailed or Stale. Otherwise its word changes nothing, and Untrue tells of it."""
        try:
            shown = await self.net.get(at.url, cosignature.monitored(self.log.origin), limit=note.LIMIT)
            ours = note.only(shown, [self.log.key])
            checkpoint.open(ours, self.log.key)
        except CommonsError as error:
            raise Untrue(f"{at.url} {claim}; it shows no head that we signed, and is not believed") from error
        self.log.compare(ours, at.url)
        raise Untrue(f"{at.url} {claim}; the head it shows is in our log, and it is not believed")

    # -- what is told -------------------------------------------------------------------------------------------------

    def told(self) -> dict[str, Any]:
        """How far this log is witnessed, as `standing` says it, and for each witness what it signed and what went
        wrong."""
        return {
            **standing(self.kept),
            "asked": [
                {
                    "url": at.url,
                    "names": list(at.keys.values()),
                    "size": at.signed,
                    "time": at.time,
                    "problem": at.problem,
                }
                for at in self.asked.values()
            ],
        }


def standing(kept: Kept) -> dict[str, Any]:
    """How far this log is witnessed, as plain values: `covered` of its `entries` are under a quorum, and `missing` says
    who has not signed the newest head."""
    asked, head = policy_of(kept.log), kept.log.head
    return {
        "vkey": kept.log.key.vkey,
        "quorum": asked.quorum is not None,
        "entries": head.checkpoint.size,
        "covered": _covered(kept),
        "missing": asked.missing(_present(kept.log, _stored(kept, head), asked)),
    }
