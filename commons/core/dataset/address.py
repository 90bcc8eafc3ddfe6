"""Where a node is reached, as people write it: one grammar, one spelling kept, one set of words for what is missing.

    /ip4/203.0.113.7/tcp/4001/p2p/12D3KooW…      a peer: ip4, ip6, dns, dns4, dns6; also 203.0.113.7:4001/p2p/12D3KooW…
    https://data.example                         a plain HTTP door

Nobody is asked who is at an address that does not say so: whoever answered would be believed.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable
from dataclasses import dataclass
from urllib.parse import unquote, urlsplit

from commons.core.crypto import ids
from commons.core.crypto.ids import PeerId
from commons.errors import Malformed

KINDS = ("ip4", "ip6", "dns", "dns4", "dns6")
SHOWN = "`commons status` there shows it whole"
_LABEL = r"[A-Za-z0-9_](?:[A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?"
_HOST = re.compile(rf"(?=.{{1,253}}\Z){_LABEL}(?:\.{_LABEL})*\.?")
_URL = re.compile(r"[A-Za-z0-9:/._~%!$&'()*+,;=@\[\]-]{1,2048}")  # RFC 3986, without query, fragment
_PLACE = re.compile(r"(?:\[([^\[\]/]*)\]|([^\[\]:/]*))(?::([^:/]*))?")  # HOST:PORT
_PEER = re.compile(r"(?:12D3KooW|Qm)[1-9A-HJ-NP-Za-km-z]{40,}")
_NUMBERS = re.compile(
    r"(?:0[xX][0-9a-fA-F]+|[0-9]+)(?:\.(?:0[xX][0-9a-fA-F]*|[0-9]*))*"
)  # what a resolver takes for ip4

_MEANT = re.compile(r"[^A-Za-z0-9:/._-]")  # what may mean something in the middle of a word: to sh, bash, zsh or fish


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """A host and a TCP port, and who is there: "" where nobody is named."""

    kind: str
    host: str
    port: int
    peer: str

    def __str__(self) -> str:
        return f"/{self.kind}/{self.host}/tcp/{self.port}" + (f"/p2p/{self.peer}" if self.peer else "")


# -- what people write -------------------------------------------------------------------------------------------------


def read(text: str) -> str:
    """The address of a peer or a door in its one spelling; Malformed, with what is missing or wrong.

    >>> read("HTTP://Example.org:80/")
    'http://example.org:80'
    """
    return door(text) if "://" in text else peer(text)


def peer(text: str) -> str:
    """The address of a peer: `/KIND/HOST/tcp/PORT/p2p/PEER`. Malformed."""
    said = text.strip()
    if "://" in said:
        raise Malformed(
            f"not a peer address: {_cut(text)}: it is a plain HTTP door", hint=f"a peer's ends in /p2p/PEER: {SHOWN}"
        )
    found = _place(text)
    if not found.peer:
        raise Malformed(
            f"{_cut(text)} does not say whose address it is",
            hint=f"a peer's ends in /p2p/PEER: {found}/p2p/…, and {SHOWN}; an HTTP door begins with http:// or https://",
        )
    _check_dialable(found, text)
    return str(found)


def door(text: str) -> str:
    """An http(s) URL without user, query or fragment, no slash at its end. Malformed."""
    said = text.strip()
    try:
        parts = urlsplit(said)
        host, port = parts.hostname or "", parts.port
    except ValueError as error:
        raise _wrong(text, "it is not a URL") from error
    if parts.scheme not in ("http", "https"):
        raise _wrong(text, f"{parts.scheme[:20]!r} is not spoken here, only http and https")
    if "@" in parts.netloc or "?" in said or "#" in said:
        raise _wrong(text, "an HTTP door has no user, no query and no fragment")
    if not host or port == 0 or not _URL.fullmatch(said):
        raise _wrong(text, "it is not the URL of a door")
    kind = "ip6" if ":" in host else "ip4" if _NUMBERS.fullmatch(host) else "dns"
    host = _host(kind, host, text)
    _check_dialable(Endpoint(kind=kind, host=host, port=port or 1, peer=""), text)
    where = f"[{host}]" if kind == "ip6" else host
    return f"{parts.scheme}://{where}{f':{port}' if port is not None else ''}{parts.path}".rstrip("/")


def listening(text: str, me: str) -> str:
    """Where a node of peer id `me` is to listen, `/ip4|ip6/HOST/tcp/PORT`: HOST may stand for all, and PORT be 0."""
    found = _place(text, any_port=True)
    if found.kind.startswith("dns"):
        raise _wrong(
            text, "a node listens on addresses of its own machine, not on a name", "like /ip4/0.0.0.0/tcp/4001"
        )
    if found.peer and found.peer != me:
        raise _wrong(text, f"this node is not {found.peer}, but {me}")
    return str(Endpoint(kind=found.kind, host=found.host, port=found.port, peer=""))


def binding(text: str) -> tuple[str, int]:
    """The host and port of a plain door that is to be opened here: `HOST:PORT`, also as a URL or a multiaddr."""
    said = text.strip()
    if said.lower().startswith("https://"):
        raise _wrong(
            text, "this door speaks plain HTTP", "--http HOST:PORT, and a server that speaks TLS in front of it"
        )
    if said.lower().startswith("http://"):
        said = said[7:]
    found = _place(said, any_port=True)
    if found.peer:
        raise _wrong(text, "a plain door has no peer id", "--http HOST:PORT, for example 0.0.0.0:8080")
    return found.host, found.port


def is_like(text: str) -> bool:
    """Whether somebody means an address by it, and not the name of a file."""
    said = text.strip()
    return (
        "://" in said
        or said.split("/")[1:2] in [[kind] for kind in KINDS]
        or "/p2p/" in said
        or _PEER.fullmatch(said) is not None
        or re.fullmatch(r"(\[[^\]/]*\]|[^:/]+):[0-9]+/?", said) is not None
    )


# -- what is given to others -------------------------------------------------------------------------------------------


def peer_of(address: str) -> PeerId:
    """The peer id at the end of a peer's address."""
    return PeerId(address.rpartition("/")[2])


def is_peer(source: str) -> bool:
    """Whether a source is a peer's address, and not a plain HTTP door."""
    return source.startswith("/")


def is_public(address: str) -> bool:
    """Whether an address is one that strangers can reach, and that says nothing of a home network."""
    kind, host = _host_of(address)
    return not is_loopback(address) if kind.startswith("dns") else ipaddress.ip_address(host).is_global


def is_loopback(address: str) -> bool:
    """Whether an address is dialled on the very machine where it is read."""
    kind, host = _host_of(address)
    if kind.startswith("dns"):
        return host.rstrip(".") == "localhost" or host.rstrip(".").endswith(".localhost")
    found = ipaddress.ip_address(host)
    return (getattr(found, "ipv4_mapped", None) or found).is_loopback


def is_wild(address: str) -> bool:
    """Whether an address stands for all those of a machine: nobody can dial it, though older versions gave it out."""
    try:
        return _is_any(_host_of(address)[1])
    except ValueError:  # a name
        return False


def nearest(addresses: Iterable[str], lan: bool) -> list[str]:
    """Of the addresses of one machine those to give to others: what strangers can reach, with `lan` also what its own
    network can; what it alone can, only where there is nothing else and `lan` is wanted."""
    every = list(dict.fromkeys(addresses))
    outside = [each for each in every if not is_loopback(each)]
    return (outside or every) if lan else [each for each in outside if is_public(each)]


def reach(addresses: Iterable[str]) -> str:
    """From where at least one of these can be dialled: anywhere, this network, this machine, or nowhere.

    >>> reach(["/ip4/127.0.0.1/tcp/4001", "/ip4/192.168.0.2/tcp/4001"])
    'this network'
    """
    every = list(addresses)
    if any(map(is_public, every)):
        return "anywhere"
    if not all(map(is_loopback, every)):
        return "this network"
    return "this machine" if every else "nowhere"


def quoted(address: str) -> str:
    """An address as part of one word that a shell takes as it is."""
    return _MEANT.sub(lambda found: "".join(f"%{byte:02X}" for byte in found[0].encode()), address)


def unquoted(text: str) -> str:
    """The address that `quoted` wrote so; Malformed."""
    try:
        return unquote(text, errors="strict")
    except UnicodeDecodeError as error:
        raise _wrong(text, "it is not text") from error


# -- the grammar -------------------------------------------------------------------------------------------------------


def _place(text: str, any_port: bool = False) -> Endpoint:
    said = text.strip().rstrip("/")
    if not said:
        raise _wrong(text, "it is empty")
    if said.startswith(("commons:", "commons-invitation:")):
        raise _wrong(text, "it is a reference or an invitation, and here an address belongs")
    if not said.startswith("/"):
        return _short(text, said, any_port)
    _, kind, *rest = said.split("/")
    if kind == "p2p":
        raise _wrong(text, "it says who, but not where", f"a peer's address begins with host and port, and {SHOWN}")
    if kind in ("ip6zone", "unix", "dnsaddr"):
        raise _wrong(text, f"/{kind} is not understood here, only {', '.join(KINDS)}")
    if kind not in KINDS:
        raise _wrong(text, f"it begins with none of {', '.join(f'/{each}' for each in KINDS)}")
    if not rest or not rest[0]:
        raise _wrong(text, "it names no host")
    if rest[1:2] and rest[1] != "tcp":
        raise _wrong(text, f"after the host comes /tcp/PORT, and not /{rest[1][:20]}", "only TCP is spoken here")
    if len(rest) < 3:
        raise _wrong(text, "it names no port")
    return Endpoint(
        kind=kind,
        host=_host(kind, rest[0].strip("[]") if kind == "ip6" else rest[0], text),
        port=_port(rest[2], text, any_port),
        peer=_who(rest[3:], text),
    )


def _short(text: str, said: str, any_port: bool) -> Endpoint:
    """HOST:PORT, with or without /p2p/PEER behind it."""
    if said.split("/")[0] in KINDS:
        raise _wrong(text, "a slash is missing before it", f"/{said}"[:120])
    if _PEER.fullmatch(said):
        raise _wrong(text, "it says who, but not where", f"a peer's address begins with host and port, and {SHOWN}")
    where, *rest = said.split("/")
    if ":" in where and _is_ip(where):
        raise _wrong(text, "it names no port", "with one, IPv6 is written in brackets: [2001:db8::1]:4001")
    found = _PLACE.fullmatch(where)
    if found is None:
        raise _wrong(text, "it is neither host and port nor a multiaddr")
    six, host, port = found.groups()
    if not (six or host):
        raise _wrong(text, "it names no host")
    if port is None:
        raise _wrong(text, "it names no port")
    kind = "ip6" if six is not None else "ip4" if _NUMBERS.fullmatch(host) else "dns"
    return Endpoint(
        kind=kind, host=_host(kind, six or host, text), port=_port(port, text, any_port), peer=_who(rest, text)
    )


def _host(kind: str, host: str, text: str) -> str:
    if kind.startswith("dns"):
        if not _HOST.fullmatch(host):
            raise _wrong(text, "that is no host name", "a name in another script is written as its xn--… form")
        if _NUMBERS.fullmatch(host):
            raise _wrong(text, f"{host} is a number, and no name", "/ip4/… or /ip6/…")
        return host.lower()
    if "%" in host:
        raise _wrong(text, "a zone (after the %) means nothing elsewhere")
    try:
        found = ipaddress.ip_address(host)
    except ValueError as error:
        raise _wrong(text, f"{host[:60]!r} is no IP address") from error
    if found.version != int(kind[2]):
        raise _wrong(text, f"{found} is of IPv{found.version}, and belongs after /ip{found.version}/")
    return str(found)


def _port(port: str, text: str, any_port: bool) -> int:
    if not re.fullmatch(r"0|[1-9][0-9]{0,4}", port, re.ASCII) or int(port) > 65535:
        raise _wrong(text, f"{port[:20]!r} is no port")
    if port == "0" and not any_port:
        raise _wrong(text, "port 0 stands for any that is free", f"a running node listens on one, and {SHOWN}")
    return int(port)


def _who(rest: list[str], text: str) -> str:
    match rest:
        case [] | ["p2p"] | ["ipfs"]:
            return ""
        case ["p2p" | "ipfs", who]:  # the latter is what it was called before
            return ids.check_peer(who)
        case ["http" | "https" | "tls", *_]:
            raise _wrong(text, "an HTTP door is written as a URL", "like https://data.example")
        case ["p2p" | "ipfs", _, "p2p-circuit", *_]:
            raise _wrong(text, "relays (/p2p-circuit) are not used here")
        case _:
            raise _wrong(text, f"after the port comes /p2p/PEER, and not /{rest[0][:20]}", "only TCP is spoken here")


def _check_dialable(found: Endpoint, text: str) -> None:
    """Malformed for what stands for no one machine, or for another one to each who reads it."""
    if found.kind.startswith("dns"):
        return
    host = ipaddress.ip_address(found.host)
    if _is_any(found.host):
        raise _wrong(
            text,
            f"{host} stands for all addresses of a machine, and nobody can dial it",
            "give one of them: `commons status` shows those that others can dial",
        )
    if host.is_multicast or found.host == "255.255.255.255":
        raise _wrong(text, f"{host} is not one machine's address")
    if host.version == 6 and host.is_link_local:
        raise _wrong(text, f"{host} (link-local) means nothing elsewhere", "give another address of that machine")


def _is_any(host: str) -> bool:
    found = ipaddress.ip_address(host)
    return (getattr(found, "ipv4_mapped", None) or found) in ipaddress.ip_network(
        "0.0.0.0/8" if getattr(found, "ipv4_mapped", None) or found.version == 4 else "::/128"
    )


def _is_ip(host: str) -> bool:
    try:
        ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        return False
    return True


def _host_of(address: str) -> tuple[str, str]:
    """Kind and host of an address that was read once. ValueError for others."""
    if is_peer(address):
        _, kind, host, *_ = address.split("/")
        return kind, host
    host = urlsplit(address).hostname or ""
    return ("ip" if _is_ip(host) else "dns"), host


def _cut(text: str) -> str:
    return repr(text[:120])


def _wrong(text: str, what: str, hint: str = "") -> Malformed:
    like = (
        "a peer's address looks like /ip4/203.0.113.7/tcp/4001/p2p/12D3KooW…, an HTTP door's like https://data.example"
    )
    return Malformed(f"not an address: {_cut(text)}: {what}", hint=hint or like)
