"""When a log has changed hands: whoever reads it sees that it is the same one."""

from __future__ import annotations

from collections.abc import Sequence

from commons.core.state import transfer
from commons.core.state.fold import State
from commons.core.tlog import merkle
from commons.core.tlog.checkpoint import Checkpoint, Signed
from commons.errors import Untrue
from commons.log.files import Read, bundles


async def check(read: Read, state: State, head: bytes) -> Signed:
    """The head of the log of which `state` is the fold. Untrue unless it is signed by who keeps it, for the rules in
    force, and each head that it was handed over at is one of this very log."""
    opened = transfer.open_head(head, state.keeper.name, state.tenures)
    state.check_head(opened.checkpoint)
    await check_bases(read, [each.base for each in state.tenures if each.base], opened.checkpoint.size)
    return opened


async def check_bases(read: Read, handed: Sequence[Checkpoint], size: int) -> None:
    """Untrue where somebody who took over this log of `size` entries has put others in the place of those before: they
    are read again, once, for the heads that it was `handed` over at."""
    left, at = sorted(handed, key=lambda base: base.size), 0
    edge: tuple[bytes, ...] = ()
    if not left:
        return
    async for start, batch in bundles(read, size):
        hashes = [merkle.leaf(data) for data in batch]
        while left and left[0].size <= start + len(batch):
            base = left.pop(0)
            _, edge = merkle.grow(at, edge, hashes[at - start : base.size - start])
            at = base.size
            if merkle.edge_root(edge) != base.root:
                raise _rewritten(base)
        if not left:
            return
        _, edge = merkle.grow(at, edge, hashes[at - start :])
        at = start + len(batch)
    raise _rewritten(left[0])


def _rewritten(base: Checkpoint) -> Untrue:
    return Untrue(
        f"this log goes on from a head of {base.size} entries, and they are others",
        hint="who took it over has rewritten it: get it elsewhere, and show both to its members",
    )
