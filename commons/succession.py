"""When a log has changed hands: whoever reads it sees that it is the same one."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence

from commons.archive import Read
from commons.core import merkle, succession, tiles
from commons.core.checkpoint import Checkpoint, Signed
from commons.core.state import State
from commons.errors import Untrue


async def check(read: Read, state: State, head: bytes) -> Signed:
    """The head of the log of which `state` is the fold. Untrue unless it is signed by who keeps it, and each head that
    it was handed over at is one of this very log."""
    opened = succession.open_head(head, state.keeper.name, state.tenures)
    await check_bases(read, [each.base for each in state.tenures if each.base], opened.checkpoint.size)
    return opened


async def check_bases(read: Read, handed: Sequence[Checkpoint], size: int) -> None:
    """Untrue where somebody who took over this log of `size` entries has put others in the place of those before: they
    are read again for each head that it was `handed` over at."""
    for base in handed:
        if await _root_at(read, base.size, size) != base.root:
            raise Untrue(
                f"this log goes on from a head of {base.size} entries, and they are others",
                hint="who took it over has rewritten it: get it elsewhere, and show both to its members",
            )


async def _root_at(read: Read, size: int, whole: int) -> bytes:
    edge: tuple[bytes, ...] = ()
    async for start, batch in each_bundle(read, whole):
        if start >= size:
            break
        _, edge = merkle.grow(start, edge, [merkle.leaf(data) for data in batch[: size - start]])
    return merkle.edge_root(edge)


async def each_bundle(read: Read, size: int) -> AsyncIterator[tuple[int, Sequence[bytes]]]:
    """The entries of a log of `size`, up to 256 at once, and the number of the first of them."""
    for index in range(-(-size // tiles.WIDTH)):
        bundle = tiles.Bundle(index=index, width=tiles.widest(0, index, size))
        yield index * tiles.WIDTH, tiles.unbundle(await read(bundle.path), bundle.width)
