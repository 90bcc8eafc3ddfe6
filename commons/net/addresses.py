"""Multiaddrs: read, stripped of their peer, tried before listening. Imports `multiaddr`, part of libp2p's load.

multiformats.io/multiaddr. Knows no network but the local port.
"""

from __future__ import annotations

import socket
from collections.abc import Sequence
from typing import Any

from multiaddr import Multiaddr  # type: ignore[import-untyped]

from commons.core.crypto.ids import PeerId
from commons.errors import Conflict, Malformed, Unreachable, refusal

NAMES = 4  # addresses that are dialled of one name


def parse(address: str) -> Multiaddr:
    """The multiaddr that a text is; Malformed."""
    try:
        return Multiaddr(address)
    except Exception as error:
        raise Malformed(f"not a multiaddr: {address[:200]!r}", hint="like /ip4/127.0.0.1/tcp/4001") from error


def bare(address: str, peer: PeerId) -> Multiaddr:
    """The address without its `/p2p/` end, which must name `peer`; libp2p adds and proves that by itself. Malformed."""
    head, _, named = address.partition("/p2p/")
    if named and named != peer:
        raise Unreachable(f"it names {named}")
    return parse(head)


def named(address: Multiaddr) -> tuple[str, int, socket.AddressFamily] | None:
    """The name, port and family of an address that has to be looked up before it is dialled; None for others."""
    kind = next(iter(address.protocols())).name
    family = {"dns": socket.AF_UNSPEC, "dns4": socket.AF_INET, "dns6": socket.AF_INET6}.get(kind)
    if family is None:
        return None
    return address.value_for_protocol(kind), int(address.value_for_protocol("tcp")), family


def found(answers: Sequence[Any]) -> list[Multiaddr]:
    """What `getaddrinfo` answered, as addresses to dial."""
    rows = [(family, where) for family, _, _, _, where in answers if family in (socket.AF_INET, socket.AF_INET6)]
    return [
        parse(f"/ip{4 if family == socket.AF_INET else 6}/{where[0]}/tcp/{where[1]}")
        for family, where in rows
        if "%" not in where[0] and where[0] not in ("0.0.0.0", "::")
    ][:NAMES]


def probe(address: Multiaddr) -> None:
    """Nothing; Conflict when another process listens there: libp2p would share the port with it (SO_REUSEPORT),
    silently."""
    names = [protocol.name for protocol in address.protocols()]
    if names not in (["ip4", "tcp"], ["ip6", "tcp"]):
        raise Malformed(f"cannot listen on {address}", hint="only on /ip4/…/tcp/… and /ip6/…/tcp/…")
    with socket.socket(socket.AF_INET if names[0] == "ip4" else socket.AF_INET6) as test:
        test.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            test.bind((address.value_for_protocol(names[0]), int(address.value_for_protocol("tcp"))))
            test.listen(1)
        except OSError as error:
            raise Conflict(f"cannot listen on {address}: {refusal(error)}") from error
