"""This machine's own addresses: what stands behind an address that stands for all of them."""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Iterable

_ANY = {"0.0.0.0": socket.AF_INET, "::": socket.AF_INET6}
_HERE = {socket.AF_INET: "127.0.0.1", socket.AF_INET6: "::1"}


def behind(host: str) -> list[str]:
    """The hosts that others can dial where a node listens on `host`: itself, or those of the interfaces that are up;
    where there are none, this machine's own."""
    family = _ANY.get(host)
    if family is None:
        return [host]
    return _up(family) or [_HERE[family]]


def spelt_out(addresses: Iterable[str]) -> tuple[str, ...]:
    """Multiaddrs that are listened on, `/ip4|ip6/HOST/…`, as others can dial them."""
    found = []
    for address in addresses:
        _, kind, host, *rest = address.split("/")
        found += ["/".join(("", kind, each, *rest)) for each in behind(host)]
    return tuple(dict.fromkeys(found))


def _up(family: socket.AddressFamily) -> list[str]:
    import psutil  # type: ignore[import-untyped]  # not before a node listens

    states, found = psutil.net_if_stats(), []
    for name, addresses in psutil.net_if_addrs().items():
        if name in states and not states[name].isup:
            continue
        for each in addresses:
            if each.family == family and "%" not in each.address:  # a zone means nothing elsewhere
                host = ipaddress.ip_address(each.address)
                if not (host.is_loopback or host.is_unspecified or (host.version == 6 and host.is_link_local)):
                    found.append(str(host))
    return found
