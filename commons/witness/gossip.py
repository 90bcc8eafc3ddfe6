"""Comparing checkpoints with those this node talks to, so that its own readers find out a log with two
histories.

Two members who were each shown another history of one log see nothing alone. When they talk, each shows the last head
that it trusts; what contradicts is kept, and that log is used no more here: see `log.evidence`. Nothing that is heard
ever takes the place of a head that this node read itself: only the reading of a log advances what is trusted.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import random
import time
from bisect import bisect_right
from collections import OrderedDict
from collections.abc import Callable, Coroutine, Sequence
from typing import Any

from commons.core.dataset.address import is_peer, peer_of
from commons.core.tlog import checkpoint, merkle, note, tiles
from commons.core.tlog.checkpoint import Signed
from commons.core.tlog.note import Verifier
from commons.disk.home import Home
from commons.disk.kept import Kept
from commons.errors import CommonsError, Malformed, NotFound, SplitView, Stale, StorageFailed, TooLarge, Untrue
from commons.log import evidence
from commons.net.limits import Buckets, over
from commons.net.network import Network, first
from commons.rounds import Rounds

log = logging.getLogger(__name__)
HEAD = 4096  # bytes of a head on its way: a log's signature alone, no cosignatures
AGAIN = 600.0  # seconds until one peer is told of one log again
SILENT = 6 * 3600.0  # seconds until a peer is told again of a log that it does not know
FIRST, EVERY = 10.0, 600.0  # seconds until a running node asks around, and between two times; each times 0.5 to 1.5
PEERS, LOGS = 16, 32  # of one round, and told to one peer
PATIENCE = 20.0  # seconds for all that is said with one peer
PROVING = 8.0  # seconds for a log's registrar to prove that two heads agree
TALKS = 8  # with peers at once, that a verb has just talked to
REMEMBERED = 10_000  # pairs of peer and log


class Gossip:
    """The part of a running node that compares heads of logs with other nodes, to find out logs with two histories.

    `clock` gives seconds that only grow; `agreed` is told of who showed a head that a log kept here holds, and of which
    commons that is; `newer`, of which commons somebody showed a newer head than this home trusts. A running node
    starts its `rounds`; `stop` it in its loop.
    """

    def __init__(
        self,
        home: Home,
        net: Network,
        clock: Callable[[], float] = time.monotonic,
        agreed: Callable[[str, str], None] = lambda commons, by: None,
        newer: Callable[[str], None] = lambda commons: None,
    ) -> None:
        self.home, self._net, self._clock, self._agreed, self._newer = home, net, clock, agreed, newer
        self.each = Buckets(rate=0.1, burst=2 * LOGS)  # by peer
        self.everyone = Buckets(rate=5, burst=500)
        self.rounds = Rounds(log, self._ask_around, otherwise=EVERY, first=FIRST * random.uniform(0.5, 1.5))
        self.finished = 0  # rounds
        self._due: OrderedDict[tuple[str, str], float] = OrderedDict()  # (peer, log) -> when to tell it again
        self._turns: OrderedDict[str, str] = OrderedDict()  # peer -> the log it was told of last
        self._met: OrderedDict[str, tuple[int, float]] = OrderedDict()  # peer -> heads known then, when to talk again
        self._registrars: tuple[int, dict[str, set[str]]] = (-1, {})  # of the manifests here, by commons
        self._tasks: set[asyncio.Task[None]] = set()

    # -- what others ask ----------------------------------------------------------------------------------------------

    async def meet(self, commons: str, body: bytes, caller: str | None) -> bytes:
        """This home's head of a log, for the caller's: `POST /{commons}/heads`. Empty where this home trusts none.

        SplitView, with both heads and what shows that they contradict, if the log forked: the proof is durable before
        it is told. Untrue for a head that the log did not sign, NotFound for a log that is not known here, and then
        nothing is stored. The order: rates; signature; comparison, its proof kept; only then the answer.
        """
        now = self._clock()
        if wait := self.each.take(caller or "", now) or self.everyone.take("all", now):
            raise over(wait)
        if len(body) > HEAD:
            raise TooLarge(f"a head has at most {HEAD} bytes, this one {len(body)}")
        keys = [key for key in self.known() if key.name == f"commons/{commons}"]
        if not keys:
            raise NotFound(f"this node knows no log of {commons}")
        key, theirs = _opened(body, keys)
        await self.compare(key, theirs, caller or "somebody")
        ours = self.head(key)
        if caller is not None and ours is not None and ours.checkpoint == theirs.checkpoint:
            self._remember(self._due, (caller, key.vkey), now + AGAIN)  # neither has anything to show the other
        return ours.note if ours else b""

    # -- comparing ----------------------------------------------------------------------------------------------------

    def known(self) -> list[Verifier]:
        """The keys of the logs this node has to do with: its own, its communities', those it asked, read or
        witnesses."""
        shelf, witnessed = self.home.shelf, self.home.witnessed
        keys = [kept.log.key for kept in self.home.kept.values()]
        for commons, public, _ in shelf.seats():
            with contextlib.suppress(Malformed):
                keys.append(Verifier(name=f"commons/{commons}", public=public))
        keys += shelf.logs()
        keys += [key for origin in witnessed.origins() for key in witnessed.keys(origin)]
        return [key for key in dict.fromkeys(keys) if key.name.startswith("commons/")]

    def head(self, key: Verifier) -> Signed | None:
        """The head of a log that this node trusts, under the log's signature alone; None without one."""
        if (own := self._own(key)) is not None:
            return own.log.head
        data: bytes | None = None
        with contextlib.suppress(StorageFailed):  # damaged: this log's is not compared, and `status` says why
            data = self.home.shelf.head(key.vkey)
            if data is None and (seen := self.home.witnessed.last(key.name)) is not None:
                data = seen.head.note
        if data is None:
            return None
        with contextlib.suppress(Malformed, Untrue):  # a witness may have signed extension lines, or by another key
            return checkpoint.open(note.only(data, [key]), key)
        return None

    async def compare(self, key: Verifier, theirs: Signed, by: str = "somebody") -> None:
        """Nothing; SplitView if the log with this key is shown to have signed two histories: known before, or proven
        now by this head. StorageFailed if it is this home's own log: then that is shut first. What cannot be shown
        stays open, and is no error: the registrar may be away, or hide."""
        if (own := self._own(key)) is not None:
            self.compare_own(own, theirs, by)
            self._agreed(own.commons, by)
            return
        evidence.check_whole(self.home.shelf, key.vkey)
        ours = self.head(key)
        if ours is None:
            return
        old, new = sorted((ours, theirs), key=lambda head: head.checkpoint.size)
        lead: tuple[bytes, ...] = ()
        if old.checkpoint.size != new.checkpoint.size:
            try:
                lead = await self._lead(key, old.checkpoint.size, new.checkpoint.size)
            except CommonsError:
                return
        self._conclude(key, old, new, lead)
        if new is theirs:
            self._newer(key.name.removeprefix("commons/"))

    def _own(self, key: Verifier) -> Kept | None:
        """The log with this key, where this home keeps it."""
        return next((kept for kept in self.home.kept.values() if kept.log.key == key), None)

    def compare_own(self, kept: Kept, theirs: Signed, by: str) -> None:
        """Nothing; StorageFailed where a log that this home keeps contradicts that head, the proof kept; Stale where it
        has less."""
        log, head = kept.log, kept.log.head
        try:
            log.compare(theirs.note, by)
        except StorageFailed:
            size = theirs.checkpoint.size
            if size <= head.checkpoint.size:  # else the log was shut before
                lead = [merkle.root(size, log.read)] if size.bit_count() == 1 else []  # see `checkpoint.contradicts`
                with contextlib.suppress(SplitView):
                    self._conclude(log.key, theirs, head, [*lead, *log.lead(size, head)])
            raise

    def _conclude(self, key: Verifier, old: Signed, new: Signed, lead: Sequence[bytes]) -> None:
        """SplitView if these heads are proven to contradict each other, the proof kept first. A crash before it is kept
        leaves nothing: the next who is met proves it again."""
        if checkpoint.contradicts(old.checkpoint, new.checkpoint, lead):
            self.home.shelf.put_fork(key.vkey, (old.note.decode(), new.note.decode()), b"".join(lead))
            evidence.check_whole(self.home.shelf, key.vkey)

    async def _lead(self, key: Verifier, old: int, new: int) -> tuple[bytes, ...]:
        """The hashes that lead from one size to the other, as the log's registrar says: they prove something, or
        nothing. Where the old size is a power of two, in front of them the root that the registrar's tree had then."""
        commons = key.name.removeprefix("commons/")
        registrars = self.registrars(commons)
        random.shuffle(registrars)  # three are asked: others the next time
        level, odd = divmod(old.bit_length() - 1, 8)

        async def ask(source: str) -> tuple[bytes, ...]:
            shown = await self._net.get(source, f"/{commons}/consistency/{old}/{new}", limit=merkle.PROOF)
            lead = merkle.hashes(shown)
            if old.bit_count() != 1:
                return lead
            tile = tiles.Tile(level=level, index=0, width=tiles.widest(level, 0, new))
            data = await self._net.get(source, f"/{commons}/{tile.path}", limit=32 * tiles.WIDTH)
            _, edge = merkle.grow(0, (), [data[at : at + 32] for at in range(0, 32 << odd, 32)])
            return (edge[0], *lead)

        try:
            async with asyncio.timeout(PROVING):
                return await first(registrars[:3], f"a consistency proof of {commons}", ask) if old else ()
        except TimeoutError as error:
            raise NotFound("the log's registrar does not answer") from error

    def registrars(self, commons: str) -> list[str]:
        """The addresses, known here, of whoever keeps the log of a commons."""
        shelf = self.home.shelf
        if self._registrars[0] != shelf.edition:  # each manifest is opened once, not for each who asks
            found: dict[str, set[str]] = {}
            for _, opened, _, _ in shelf.manifests():
                found.setdefault(opened.value.commons, set()).add(opened.value.registrar)
            self._registrars = (shelf.edition, found)
        registrars = set(self._registrars[1].get(commons, ()))
        with contextlib.suppress(StorageFailed):  # damaged, which `status` says
            if (kept := shelf.keeper(commons)) is not None:
                registrars.add(kept[1])
        seats = [source for seat, _, sources in shelf.seats() if seat == commons for source in sources if source]
        return list(dict.fromkeys([*seats, *(a for a in shelf.known() if is_peer(a) and peer_of(a) in registrars)]))

    # -- asking -------------------------------------------------------------------------------------------------------

    async def talk(self, source: str) -> None:
        """Nothing: compares with one peer the heads of the logs that both may know, `LOGS` of them, each once in
        `AGAIN` seconds, and the next time those that come after. Raises nothing that the other side could cause."""
        peer, told = peer_of(source), 0
        with contextlib.suppress(TimeoutError, CommonsError):
            async with asyncio.timeout(PATIENCE):
                for key in self._round(peer):
                    due = self._clock() >= self._due.get((peer, key.vkey), float("-inf"))
                    if due and (ours := self.head(key)) is not None:
                        self._remember(self._turns, peer, key.vkey)
                        await self._tell(source, peer, key, ours)
                        if (told := told + 1) == LOGS:
                            return

    def _round(self, peer: str) -> list[Verifier]:
        """All logs, from that which comes after the last one that this peer was told of: whatever becomes of one, the
        others have their turn before it has another."""
        keys, last = sorted(self.known(), key=lambda key: key.vkey), self._turns.get(peer, "")
        at = bisect_right(keys, last, key=lambda key: key.vkey)
        return [*keys[at:], *keys[:at]]

    async def _tell(self, source: str, peer: str, key: Verifier, ours: Signed) -> None:
        self._remember(self._due, (peer, key.vkey), self._clock() + AGAIN)
        try:
            commons = key.name.removeprefix("commons/")
            got = await self._net.post(source, f"/{commons}/heads", ours.note, limit=HEAD)
        except NotFound:
            self._remember(self._due, (peer, key.vkey), self._clock() + SILENT)
        except CommonsError as error:
            if len(error.evidence) < 2:
                raise  # nobody is there, or it does not want to talk
            await self._judge(key, error.evidence, peer)
        else:
            if got:
                await self._judge(key, (got.decode("utf-8", "replace"),), peer)

    async def _judge(self, key: Verifier, shown: Sequence[str], by: str = "somebody") -> None:
        """What a peer shows of a log, one head or two and a proof, each verified here. What it says about it counts for
        nothing."""
        with contextlib.suppress(Malformed, Untrue, StorageFailed, Stale):  # kept where proven; nothing where not
            heads = [_opened(text.encode(), [key])[1] for text in shown[:2]]
            if self._own(key) is None and evidence.keep(self.home.shelf, key, shown):
                return
            for head in heads:
                await self.compare(key, head, by)

    def met(self, source: str) -> None:
        """Nothing: the client calls it after each exchange that succeeded, and the comparison goes on in the
        background."""
        if not is_peer(source):
            return
        peer, edition = peer_of(source), self.home.shelf.trusted
        known, until = self._met.get(peer, (-1, 0.0))
        if len(self._tasks) < TALKS and (edition != known or self._clock() >= until):
            self._remember(self._met, peer, (edition, self._clock() + AGAIN))
            self._do(self.talk(source))

    def shown(self, shown: Sequence[str]) -> None:
        """Nothing: the client calls it with the evidence that an error carries, about whatever log. What proves a fork
        is kept before anybody sums that error up, and the rest is compared in the background."""
        for key in self.known():
            if self._own(key) is None and evidence.keep(self.home.shelf, key, shown):
                return
        for key in self.known():
            with contextlib.suppress(Malformed, Untrue, TooLarge):
                for text in shown[:2]:
                    _opened(text.encode(), [key])
                if len(self._tasks) < TALKS:
                    self._do(self._judge(key, shown))
                return

    async def round(self) -> None:
        """Nothing: compares with some of the peers this home knows: those that communities name, and those it was told
        of."""
        shelf = self.home.shelf
        peers: dict[str, str] = {}
        for source in shelf.known():
            if is_peer(source):
                peers.setdefault(peer_of(source), source)
        peers.pop(self.home.keys.identity.peer, None)
        chosen = random.sample(sorted(peers.values()), min(PEERS, len(peers)))
        await asyncio.gather(*map(self.talk, chosen))
        log.debug("gossip: heads compared with %d peers", len(chosen))
        self.finished += 1

    # -- a running node -----------------------------------------------------------------------------------------------

    async def _ask_around(self) -> float:
        await self.round()
        return EVERY * random.uniform(0.5, 1.5)

    async def stop(self) -> None:
        await self.rounds.stop()
        tasks = [*self._tasks]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _do(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._done)

    def _done(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled():
            task.exception()  # a disk that refuses is told to whoever needs it

    def _remember(self, what: OrderedDict[Any, Any], key: object, value: object) -> None:
        what[key] = value
        what.move_to_end(key)
        if len(what) > REMEMBERED:
            what.popitem(last=False)


def _opened(data: bytes, keys: Sequence[Verifier]) -> tuple[Verifier, Signed]:
    """A head by one of these keys, without the lines of others. Untrue, Malformed."""
    if len(data) > HEAD:
        raise Malformed(f"a head has at most {HEAD} bytes")
    for key in keys:
        with contextlib.suppress(Untrue, Malformed):
            return key, checkpoint.open(note.only(data, [key]), key)
    raise Untrue("this head is not signed by a key that is known here for that log")
