"""This node as a custodian: for which communities it keeps shares, the logs it follows for that, and itself among
others when a key is shared."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence

from commons.archive import Read, most
from commons.core.address import is_peer, peer_of
from commons.core.policy import Policy
from commons.custodian import Custodian
from commons.disk.home import Home, write_config
from commons.errors import NotFound
from commons.follow import Follower
from commons.site import Shown
from commons.sources import HERE, Network, first


def own(site: Shown, commons: str) -> Read:
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


def remote(net: Network, sources: Callable[[], Sequence[str]], commons: str) -> Read:
    """The log at whichever of the addresses, asked for anew each time, answers first."""

    async def read(path: str) -> bytes:
        return await first(
            sources(), f"{path} of {commons}", lambda source: net.get(source, f"/{commons}/{path}", limit=most(path))
        )

    return read


class Logs(Mapping[str, Follower]):
    """The logs this node follows because it agreed to keep shares for them."""

    def __init__(self, home: Home, net: Network, site: Shown) -> None:
        self._home, self._net, self._site = home, net, site
        self._followed: dict[str, Follower] = {}

    def __getitem__(self, commons: str) -> Follower:
        if commons not in self._kept():
            raise KeyError(commons)
        if commons not in self._followed:
            read = self._read(commons)
            self._followed[commons] = Follower(read, commons, self._home.shelf)
        return self._followed[commons]

    def __iter__(self) -> Iterator[str]:
        return iter(self._kept())

    def __len__(self) -> int:
        return len(self._kept())

    def _kept(self) -> list[str]:
        return list(self._home.config.get("custody", []))

    def _read(self, commons: str) -> Read:
        if commons == self._home.commons:
            return own(self._site, commons)

        def sources() -> list[str]:
            return [each for seat, _, known in self._home.shelf.seats() if seat == commons for each in known]

        if not sources():
            raise NotFound(f"this home takes no part in {commons}", hint="`commons community join` takes an invitation")
        return remote(self._net, sources, commons)


def keep(home: Home, commons: str) -> list[str]:
    """Agree to keep shares for a community; those this home keeps shares for."""
    kept = sorted({*home.config.get("custody", []), commons})
    home.config["custody"] = kept
    write_config(home.path, home.config)
    return kept


def addresses(policy: Policy, known: Sequence[str], me: str) -> dict[str, list[str]]:
    """Where the custodians of a policy are reached, by peer id, of the addresses that are `known`."""
    found: dict[str, list[str]] = {member.peer: [] for member in policy.members}
    for address in known:
        if is_peer(address) and (peer := peer_of(address)) in found:
            found[peer].append(address)
    if me in found:
        found[me] = [HERE]
    return found


class Near:
    """The network, in which this node's own custodian and the log it keeps have an address too."""

    def __init__(self, net: Network, custodian: Custodian, site: Shown, me: str) -> None:
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
