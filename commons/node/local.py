"""This home among those that can be asked: its own log, its own custodian, read and asked as any other is."""

from __future__ import annotations

from commons.custody.custodian import Custodian
from commons.log.files import Read
from commons.net.network import HERE, Network
from commons.node.site import Site


def own(site: Site, commons: str) -> Read:
    """This home's own log, read as any other, openings included."""

    async def read(path: str) -> bytes:
        kind, _, rest = path.partition("/")
        if kind == "checkpoint":
            return site.checkpoint(commons)
        if kind == "cosigned":
            return site.cosigned(commons)
        if kind == "openings":
            return site.openings(commons, rest, None)
        if kind == "consistency":
            old, _, new = rest.partition("/")
            return site.consistency(commons, int(old), int(new))
        return site.tile(commons, path)

    return read


class Near:
    """The network, in which this node's own custodian and the log it keeps have an address too."""

    def __init__(self, net: Network, custodian: Custodian, site: Site, me: str) -> None:
        self._net, self._custodian, self._site, self._me = net, custodian, site, me

    async def get(self, source: str, path: str, *, limit: int, span: tuple[int, int] | None = None) -> bytes:
        if source != HERE:
            return await self._net.get(source, path, limit=limit, span=span)
        _, commons, what = path.split("/", 2)
        if what == "custody-key":
            return self._custodian.announce(commons)
        return self._site.cosigned(commons) if what == "cosigned" else await own(self._site, commons)(what)

    async def post(self, source: str, path: str, body: bytes, *, limit: int) -> bytes:
        if source != HERE:
            return await self._net.post(source, path, body, limit=limit)
        _, commons, what = path.split("/", 2)
        if what.startswith("datasets/"):
            return self._site.listed(commons, what.partition("/")[2], body)
        if what == "deposits":
            return await self._custodian.deposit(commons, body)
        if what == "entries":
            return await self._site.submit(commons, body)
        if what == "release":
            return self._site.release(commons, body)
        return await self._custodian.hand(commons, body, self._me)
