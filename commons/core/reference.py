"""What people paste to each other: commons:<cid>, with optional peer addresses and plain HTTP doors.

commons:bafkrei…?peer=/ip4/203.0.113.7/tcp/4001/p2p/12D3KooW…&http=https://data.example
"""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass
from urllib.parse import parse_qsl, quote, urlsplit

from commons.core import ids
from commons.core.ids import Cid, PeerId
from commons.errors import Malformed

PARTS = 16  # addresses in one reference
_LABEL = r"[A-Za-z0-9_](?:[A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?"
_HOST = re.compile(rf"(?=.{{1,253}}\Z){_LABEL}(?:\.{_LABEL})*\.?")
_URL = re.compile(r"[A-Za-z0-9:/._~%!$&'()*+,;=@\[\]-]{1,2048}")  # RFC 3986, without query, fragment


@dataclass(frozen=True, slots=True, kw_only=True)
class Reference:
    cid: Cid
    peers: tuple[str, ...] = ()  # multiaddrs that end in /p2p/PEER
    doors: tuple[str, ...] = ()  # http(s) URLs

    def __str__(self) -> str:
        hints = [f"peer={quote(p, safe='/:')}" for p in self.peers] + [
            f"http={quote(u, safe='/:')}" for u in self.doors
        ]
        return f"commons:{self.cid}" + ("?" + "&".join(hints) if hints else "")


def parse(text: str) -> Reference:
    """A reference or a bare CID; Malformed otherwise."""
    text = text.strip()
    body, _, query = text.removeprefix("commons:").partition("?")
    try:
        hints = parse_qsl(query, keep_blank_values=True, strict_parsing=True, max_num_fields=PARTS) if query else []
    except ValueError as error:
        raise Malformed(f"the reference's address part is broken: {query[:80]!r}") from error
    for name, _value in hints:
        if name not in ("peer", "http"):
            raise Malformed(f"unknown part {name[:20]!r} in the reference", hint="a newer version may understand it")
    return Reference(
        cid=ids.check_cid(body),
        peers=tuple(check_address(value) for name, value in hints if name == "peer"),
        doors=tuple(check_door(value) for name, value in hints if name == "http"),
    )


def check_address(text: str) -> str:
    """A multiaddr over TCP that ends in /p2p/PEER; Malformed otherwise. Spelling is checked, nothing is dialled."""
    parts = text.split("/")
    try:
        head, kind, host, tcp, port, p2p, peer = parts
        if head or tcp != "tcp" or p2p != "p2p" or not 0 < int(port) < 65536 or str(int(port)) != port:
            raise ValueError(text)
        if kind in ("ip4", "ip6"):
            if ipaddress.ip_address(host).version != int(kind[2]) or "%" in host:  # a zone means nothing elsewhere
                raise ValueError(text)
        elif kind not in ("dns", "dns4", "dns6") or not _HOST.fullmatch(host):
            raise ValueError(text)
    except ValueError as error:
        raise Malformed(
            f"not a peer address: {text[:120]!r}", hint="it looks like /ip4/203.0.113.7/tcp/4001/p2p/12D3KooW…"
        ) from error
    ids.public_key(peer)
    return text


def peer_of(address: str) -> PeerId:
    return PeerId(address.rpartition("/")[2])


def check_door(text: str) -> str:
    """An http(s) URL without user, query or fragment, no slash at its end; Malformed otherwise."""
    try:
        parts = urlsplit(text)
        valid = (
            parts.scheme in ("http", "https") and parts.hostname and "@" not in parts.netloc and _URL.fullmatch(text)
        )
        _ = parts.port
    except ValueError:
        valid = False
    if not valid:
        raise Malformed(f"not an HTTP address: {text[:120]!r}", hint="it looks like https://data.example")
    return text.rstrip("/")


def is_public(address: str) -> bool:
    """Whether a multiaddr is one that strangers can reach, and that says nothing of a home network."""
    _, kind, host, *_ = address.split("/")
    return kind.startswith("dns") or ipaddress.ip_address(host).is_global
