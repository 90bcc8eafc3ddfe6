"""Sealed packs from several sources at once: every piece verified before it is kept, resumed wherever it stopped.

A source that lies is dropped at once, one that fails after a few tries; what it owed goes back to the others.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Iterable, Sequence

from commons.core.dataset import pieces
from commons.core.dataset.address import is_peer
from commons.core.dataset.manifest import PackRef
from commons.disk import space
from commons.disk.packs import Partial, Store
from commons.errors import CommonsError, StorageFailed, Untrue
from commons.net.network import Network, first, sum_up

TRIES = 3  # failures in a row before a source is dropped
LANES = {"peer": 4, "door": 3}  # requests under way at each source
PIECES = {"peer": 1, "door": 8}  # pieces of one request; more from a peer would not be read at once, see net.joints
LAYER_LIMIT = 64 << 20  # bytes of a piece layer: packs up to 2 TiB


async def packs(
    store: Store, net: Network, sources: Sequence[str], wanted: Sequence[PackRef], verified: Callable[[int], None]
) -> None:
    """Nothing, once all of `wanted` is in the store. `verified` is told of bytes as they prove true, those on disk
    already included.

    Untrue, Unreachable, TimedOut, StorageFailed; whatever was verified stays, and the next call goes on from there.
    """
    space.check((store.folder, store.lacking(wanted)))
    order = list(dict.fromkeys(sources))
    for ref in wanted:
        if store.has(ref.root):
            verified(ref.size)
            continue

        async def layer_from(source: str, ref: PackRef = ref) -> bytes:
            try:
                layer = await net.get(source, f"/packs/{ref.root.hex()}/pieces", limit=LAYER_LIMIT)
                pieces.check_layer(ref.root, ref.size, layer)
            except CommonsError:
                _last(order, [source])
                raise
            return layer

        layer = await first(list(order), f"pack {ref.root.hex()[:16]}…", layer_from)
        partial = await asyncio.to_thread(Partial, store, ref.root, ref.size, layer)
        try:
            missing = partial.missing()
            spans = (pieces.piece_range(i, ref.size) for i in missing)
            verified(ref.size - sum(end - start for start, end in spans))
            swarm = _Swarm(net, ref, partial, missing, verified)
            await swarm.run(order)
            _last(order, swarm.dropped)
            await asyncio.to_thread(partial.finish)
        finally:
            partial.close()


def _last(order: list[str], failed: Iterable[str]) -> None:
    """Whoever failed is asked last from now on."""
    order.sort(key=set(failed).__contains__)


class _Swarm:
    """The pieces of one pack that are still missing, and the lanes that bring them."""

    def __init__(
        self, net: Network, ref: PackRef, partial: Partial, missing: Sequence[int], verified: Callable[[int], None]
    ) -> None:
        self.net, self.ref, self.partial, self.verified = net, ref, partial, verified
        self.todo = deque(missing)
        self.left = len(missing)
        self.failures: dict[str, int] = {}
        self.dropped: dict[str, CommonsError] = {}
        self.changed = asyncio.Condition()

    async def run(self, sources: Sequence[str]) -> None:
        """Plain doors first: the same bytes, verified the same way, at a fraction of a stream's cost to both sides."""
        for group in ([s for s in sources if not is_peer(s)], [s for s in sources if is_peer(s)]):
            if self.left:
                await self._all(group)
        if self.left:
            raise sum_up(f"{self.left} pieces of pack {self.ref.root.hex()[:16]}…", [*self.dropped.items()])

    async def _all(self, sources: Sequence[str]) -> None:
        try:
            async with asyncio.TaskGroup() as group:
                for source in sources:
                    for _ in range(LANES[_kind(source)]):
                        group.create_task(self._lane(source))
        except BaseExceptionGroup as several:
            raise several.exceptions[0] from several

    async def _lane(self, source: str) -> None:
        most = PIECES[_kind(source)]
        while (run := await self._take(source, most)) is not None:
            kept: list[int] = []
            try:
                start, end = pieces.piece_range(run[0], self.ref.size)[0], pieces.piece_range(run[-1], self.ref.size)[1]
                data = await self.net.get(source, f"/packs/{self.ref.root.hex()}", limit=end - start, span=(start, end))
                await asyncio.to_thread(self._keep, run, start, memoryview(data), kept)
                self.failures[source] = 0
            except CommonsError as error:
                self.failures[source] = self.failures.get(source, 0) + 1
                if isinstance(error, Untrue) or self.failures[source] >= TRIES:
                    self.dropped[source] = error
                if isinstance(error, StorageFailed):  # our own disk: no other source can help
                    raise
            finally:
                async with self.changed:
                    self.todo.extendleft(reversed(run[len(kept) :]))
                    self.left -= len(kept)
                    self.changed.notify_all()

    def _keep(self, run: Sequence[int], start: int, data: memoryview, kept: list[int]) -> None:
        for index in run:
            first, last = pieces.piece_range(index, self.ref.size)
            self.partial.write(index, data[first - start : last - start])
            kept.append(index)
            self.verified(last - first)

    async def _take(self, source: str, most: int) -> list[int] | None:
        """The next pieces in a row for this source; None when nothing is left for it to do."""
        async with self.changed:
            await self.changed.wait_for(lambda: self.todo or not self.left or source in self.dropped)
            if not self.left or source in self.dropped:
                return None
            run = [self.todo.popleft()]
            while len(run) < most and self.todo and self.todo[0] == run[-1] + 1:
                run.append(self.todo.popleft())
            return run


def _kind(source: str) -> str:
    return "peer" if is_peer(source) else "door"
