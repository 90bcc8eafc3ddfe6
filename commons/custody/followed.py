"""This node as a custodian: for which communities it keeps shares, the logs it follows for that, and itself among
others when a key is shared."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence

from commons.core.dataset.address import is_peer, peer_of
from commons.core.tlog.policy import Policy
from commons.disk.home import Home
from commons.errors import NotFound
from commons.log import replica
from commons.log.files import Read, remote
from commons.log.replica import Followed
from commons.net.network import HERE, Network


class Logs(Mapping[str, Followed]):
    """The logs that this node reads because it agreed to keep shares for their communities."""

    def __init__(self, home: Home, net: Network, own: Callable[[str], Read]) -> None:
        self._home, self._net, self._own = home, net, own
        self._followed: dict[str, Followed] = {}

    def __getitem__(self, commons: str) -> Followed:
        if commons not in self._kept():
            raise KeyError(commons)
        if commons not in self._followed:
            read = self._read(commons)
            self._followed[commons] = Followed(replica.of(self._home, commons), read)
        return self._followed[commons]

    def __iter__(self) -> Iterator[str]:
        return iter(self._kept())

    def __len__(self) -> int:
        return len(self._kept())

    def _kept(self) -> list[str]:
        return list(self._home.config.get("custody", []))

    def _read(self, commons: str) -> Read:
        if commons in self._home.kept:
            return self._own(commons)

        def sources() -> list[str]:
            return [each for seat, _, known in self._home.shelf.seats() if seat == commons for each in known]

        if not sources():
            raise NotFound(f"this home takes no part in {commons}", hint="`commons community join` takes an invitation")
        return remote(self._net, sources, commons)


def keep(home: Home, commons: str) -> list[str]:
    """The communities that this home keeps shares for by now, once it has agreed to this one."""
    kept = sorted({*home.config.get("custody", []), commons})
    home.put_setting("custody", kept)
    return kept


def addresses(policy: Policy, known: Sequence[str], me: str) -> dict[str, list[str]]:
    """The addresses of the custodians of a policy, by peer id, of those that are `known`."""
    found: dict[str, list[str]] = {member.peer: [] for member in policy.members}
    for address in known:
        if is_peer(address) and (peer := peer_of(address)) in found:
            found[peer].append(address)
    if me in found:
        found[me] = [HERE]
    return found
