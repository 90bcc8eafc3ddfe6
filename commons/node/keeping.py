"""A log that this node keeps, at work: its registrar, its witnesses, whether it is the newest, its clock."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from functools import partial

from commons.access import retention
from commons.access.registrar import Registrar
from commons.community import voting
from commons.disk.kept import Kept
from commons.errors import CommonsError, Undated
from commons.net.network import Network
from commons.node.clocks import Clocks
from commons.node.resuming import Resuming
from commons.witness.cosigning import Cosigning
from commons.witness.gossip import Gossip


class Keeping:
    """One log's part of a node. Made in its loop; `stop` it there."""

    def __init__(self, kept: Kept, net: Network, gossip: Gossip) -> None:
        self.kept, self.registrar = kept, Registrar(kept)
        self.cosigning = Cosigning(kept, net, partial(voting.stamp, kept.log))
        self.resuming = Resuming(kept, net, gossip)
        self.clocks = Clocks(kept, net)
        self._forgetting: asyncio.Task[None] | None = None

    async def settle(self) -> None:
        """Nothing: logs what ballots have decided, if a crash came before that was done."""
        if self.kept.log.broken is None and self.kept.resumption.free:  # what is shut can still be read
            with suppress(Undated):  # it waits for a clock that is right, or its owner's word
                await voting.settle(self.kept.log)

    def start(self) -> None:
        """What a running node does by itself; a command that opens the home for a moment leaves it to the node."""
        self.resuming.start()
        self.clocks.start()
        self.cosigning.start()
        forgetting = retention.daily(self.registrar, self.kept.log.clock)
        self._forgetting = asyncio.get_running_loop().create_task(forgetting)

    async def stop(self) -> None:
        if self._forgetting is not None:
            self._forgetting.cancel()
            with suppress(asyncio.CancelledError, CommonsError):
                await self._forgetting
        await self.resuming.stop()
        self.clocks.stop()
        await self.cosigning.stop()
