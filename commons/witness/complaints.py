"""The witness of requests that a registrar does not take: keep them, deliver them, and publish what is not logged.

A registrar that refuses, delays or disappears leaves no trace in its own log. Whoever signed a request hands it to a
witness of that log, which says so in public if no entry comes of it. Names nobody: digests, datasets, times.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import Callable
from dataclasses import replace

from commons.core.crypto import codec, envelope
from commons.core.crypto.envelope import Opened
from commons.core.state import complaint, entries
from commons.core.state.complaint import Submitted, Taken, Waiting
from commons.core.state.entries import Asked
from commons.core.tlog import checkpoint, cosignature, note
from commons.core.tlog.note import Verifier
from commons.disk.complaints import Plea
from commons.disk.dating import elapsed
from commons.disk.home import Home
from commons.errors import CommonsError, Internal, Malformed, NotFound, Refused, TimedOut, Untrue
from commons.log import answer, evidence, replica
from commons.log.answer import SKEW, Answer, Checked, Submission
from commons.net.limits import Buckets, over
from commons.net.network import Network, evidence_in, first
from commons.rounds import Rounds

log = logging.getLogger(__name__)
AFTER = SKEW  # seconds after which it is published: by then an honest registrar has logged it, or never will
KEEP = 30 * 86_400  # seconds that it is kept
ANSWER = 32 << 10  # bytes of a registrar's answer
ROUND = 30.0  # seconds for one delivery
FIRST, LONGEST = 2.0, 3600.0  # seconds until the next, twice as many each time
APART = 3600.0  # seconds between two readings of the clock that both call a request too old
AT_ONCE = 8
STANDING = "standby"  # the setting


class Complaints:
    """The requests that were handed to this home as a witness, or as a member who stands by, because a registrar does
    not take them: kept, delivered, published. None is decided here.

    `registrars` gives addresses of who keeps the log of a commons; `clock` seconds since 1970, `elapsed` seconds that
    no clock's setting changes. A running node starts its `rounds`.
    """

    def __init__(
        self,
        home: Home,
        net: Network,
        registrars: Callable[[str], list[str]],
        clock: Callable[[], float] = time.time,
        elapsed: Callable[[], float] = elapsed,
    ) -> None:
        self.home, self.kept, self._net, self._registrars = home, home.pleas, net, registrars
        self._clock, self._elapsed = clock, elapsed
        self._read: tuple[float, float] | None = None  # what the clock said, and when
        self.each = Buckets(rate=0.05, burst=10)  # by who signed it
        self.everyone = Buckets(rate=1, burst=100)
        self._next: dict[bytes, tuple[int, float]] = {}  # statement -> times it failed, when to try again
        self.rounds = Rounds(log, self._round, otherwise=LONGEST)

    # -- what requesters send -----------------------------------------------------------------------------------------

    async def take(self, commons: str, body: bytes, caller: str | None) -> bytes:
        """The Taken that answers a Handed (`body`), both in exact bytes: `POST /{commons}/submitted`. The same
        statement again gets the same words, and the registrar's answer once there is one.

        NotFound for a log that is not cosigned here, Refused for somebody else's statement, Malformed for one that no
        registrar could log any more, TooMany. The order: rates; signature; whose log; then one durable row; only then
        the answer, and only then the registrar. A crash before the row is there leaves nothing; one after it leaves
        what the same statement, sent again, finds, and what is delivered at the next start.
        """
        now = self._clock()
        if wait := self.each.take(caller or "", now) or self.everyone.take("all", now):
            raise over(wait)
        handed, said = complaint.open_handed(body)
        if said.value.commons != commons or caller != said.signer:
            raise Refused("a request is handed in by who signed it, and for the commons it was signed for")
        if not keys_of(self.home, commons):
            raise NotFound(
                f"this witness does not cosign the log commons/{commons}", hint="ask another witness of that log"
            )
        digest = entries.statement_digest(handed.statement)
        kept = self.kept.get(digest) or self._keep(said, digest, body, int(now))
        self.rounds.wake.set()
        return codec.encode(Taken(acknowledged=kept.acknowledged, answer=kept.answer))

    def _keep(self, said: Opened[Asked], digest: bytes, body: bytes, now: int) -> Plea:
        if abs(now - said.value.time) > SKEW:
            raise Malformed(
                f"the request is dated {said.value.time}, this witness's clock says {now}",
                hint=f"a registrar takes it within {SKEW} s: make a new one",
            )
        commons, dataset = said.value.commons, said.value.dataset
        last, there = self.home.witnessed.last(f"commons/{commons}"), replica.of(self.home, commons)
        size = last.head.checkpoint.size if last else there.size
        words = Submitted(commons=commons, dataset=dataset, statement=digest, time=now, size=size)
        signed = envelope.sign(complaint.SUBMITTED, words, self.home.keys.identity)
        return self.kept.put(
            Plea(
                statement=digest,
                commons=commons,
                dataset=dataset,
                signer=said.signer,
                time=now,
                size=size,
                body=body,
                acknowledged=signed,
            )
        )

    # -- delivering ---------------------------------------------------------------------------------------------------

    async def deliver(self, kept: Plea) -> int:
        """The index of the entry that a statement has in its log, once it was handed to the registrar, verified, and
        stored with the answer. Raises what the registrar said, or that its answer does not hold."""
        handed, said = complaint.open_handed(kept.body)
        path = f"/{kept.commons}/entries"

        async def ask(source: str) -> tuple[bytes, Checked]:
            wrong: CommonsError = Untrue("this witness cosigns that log no more")
            for key in keys_of(self.home, kept.commons):
                old = self._last(key)
                body = codec.encode(Submission(statement=handed.statement, details=handed.details, head=old))
                got = await self._net.post(source, path, body, limit=ANSWER)
                try:
                    with evidence.recording(self.home, key.vkey):
                        return got, check_logged(codec.decode(Answer, got, ANSWER), said, key, old)
                except (Untrue, Malformed) as error:  # by another key of this log, perhaps
                    wrong = Untrue(error.message, hint=error.hint, evidence=evidence_in((wrong, error)))
            raise wrong  # and the next is asked: whoever kept the log before keeps nobody from who does now

        sources = list(dict.fromkeys([*handed.sources, *self._registrars(kept.commons)]))[: 2 * complaint.SOURCES]
        got, checked = await first(sources, "an answer to the request", ask)
        self.kept.logged(kept.statement, checked.request, got)
        return checked.request

    def _last(self, key: Verifier) -> bytes:
        """The last head cosigned, or read, under this key's signature alone; empty if it is under another's."""
        seen, there = self.home.witnessed.last(key.name), replica.of(self.home, key.name.removeprefix("commons/"))
        if seen is None and there.size and there.log == key:
            return there.head.note
        with contextlib.suppress(Malformed, Untrue):
            if seen is not None:
                return checkpoint.open(note.only(seen.head.note, [key]), key).note
        return b""

    async def _round(self) -> float:
        """Try those whose time has come, some at once; the seconds until the next one's."""
        now = self._clock()
        self._forget(now)
        waiting = self.kept.waiting()
        self._next = {each.statement: self._next.get(each.statement, (0, 0.0)) for each in waiting}
        due = [each for each in waiting if self._next[each.statement][1] <= now]
        due.sort(key=lambda each: self._next[each.statement])  # those that failed least: none is kept waiting by others
        await asyncio.gather(*map(self._try, due[:AT_ONCE]))
        return max(0.0, min((at for _, at in self._next.values()), default=now + LONGEST) - self._clock())

    def _forget(self, now: float) -> None:
        """Delete what was handed in too long ago by two readings of the clock, an hour apart, where nobody whose clock
        counts says that it is ahead: one that is wrong at a start deletes nothing."""
        at = self._elapsed()
        earlier, then = self._read = self._read or (now, at)
        if at - then < APART:
            return
        self._read = now, at
        doubts = [each.dating.doubt(int(now)) for each in self.home.kept.values()]
        if all(each is None or each.whose == "entry" for each in doubts):  # of a log that is quiet it may well be right
            self.kept.forget(int(min(now, earlier)) - KEEP)

    async def _try(self, kept: Plea) -> None:
        failed, _ = self._next[kept.statement]
        now = self._clock()
        self._next[kept.statement] = (failed + 1, now + min(FIRST * 2 ** min(failed, 16), LONGEST))
        try:
            async with asyncio.timeout(ROUND):
                await self.deliver(kept)
            del self._next[kept.statement]
        except TimeoutError:
            self.kept.tried(kept.statement, int(now), TimedOut.__name__.lower())
        except CommonsError as error:
            self.kept.tried(kept.statement, int(now), type(error).__name__.lower())
        except Exception:  # not even a bug ends the worker: others wait
            self.kept.tried(kept.statement, int(now), Internal.__name__.lower())


def standing_by(home: Home) -> list[str]:
    """The communities for whose registrar this home takes requests, as a witness does, while nobody else answers."""
    return list(home.config.get(STANDING, []))


def keys_of(home: Home, commons: str) -> list[Verifier]:
    """The keys of a log for which requests are taken here: as it was cosigned; or as its copy here has it, where this
    home stands by. None where it does neither."""
    there = replica.of(home, commons)
    copied = [there.log] if commons in standing_by(home) and there.size else []
    return [*dict.fromkeys((*home.witnessed.keys(f"commons/{commons}"), *copied))]


def published(home: Home, name: str, now: int) -> bytes:
    """The signed Unlogged of the log whose origin has this SHA-256 (hex): `GET /monitoring/{name}/submitted`. NotFound
    for a log that was never cosigned here, and for which this home does not stand by."""
    for origin in (*home.witnessed.origins(), *(f"commons/{each}" for each in standing_by(home))):
        if cosignature.monitored(origin) == f"/monitoring/{name}/checkpoint" and origin.startswith("commons/"):
            commons = origin.removeprefix("commons/")
            rows = tuple(
                Waiting(
                    statement=each.statement,
                    dataset=each.dataset,
                    time=each.time,
                    size=each.size,
                    tried=each.tried,
                    said=each.said,
                )
                for each in home.pleas.waiting(commons)
                if each.time + AFTER <= now
            )
            words = complaint.Unlogged(commons=commons, time=now, after=AFTER, waiting=rows)
            return envelope.sign(complaint.UNLOGGED, words, home.keys.identity)
    raise NotFound("this witness cosigns no such log")


def check_logged(given: Answer, said: Opened[Asked], log: Verifier, old: bytes) -> Checked:
    """The verified answer: the log holds the request, whatever was decided on it. The witness does not judge the
    decision, which the requester does (`answer.check`)."""
    return answer.check(replace(given, shown=given.shown[:1]), said, log, old, ())
