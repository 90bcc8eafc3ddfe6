"""Names of things: CIDv1 for content, libp2p peer ids for people's keys. Text forms and back, one spelling only.

CIDv1: multiformats.io/cid; base32 lower case, sha2-256. Peer id: libp2p specs, peer-ids; Ed25519, identity multihash.
"""

from __future__ import annotations

import base64
import hashlib
from typing import NewType

from commons.errors import Malformed

Cid = NewType("Cid", str)  # "bafkrei...", of the exact stored bytes
PeerId = NewType("PeerId", str)  # "12D3KooW..."

_RAW = bytes.fromhex("01551220")  # CIDv1, raw, sha2-256, 32 bytes
_PREFIX = bytes.fromhex("002408011220")  # identity multihash, 36 bytes; protobuf: type 1 (Ed25519), 32 bytes
_B58 = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"


def cid(data: bytes) -> Cid:
    r"""The CID of `data`: `sha256sum` and this name the same bytes.

    >>> cid(b"hello\n")
    'bafkreicysg23kiwv34eg2d7qweipxwosdo2py4ldv42nbauguluen5v6am'
    """
    return cid_of_digest(hashlib.sha256(data).digest())


def cid_of_digest(digest: bytes) -> Cid:
    """The CID of the bytes whose SHA-256 (32 bytes) is `digest`."""
    return Cid("b" + base64.b32encode(_RAW + digest).decode().rstrip("=").lower())


def digest_of(text: str, of: str = "dataset") -> bytes:
    """The SHA-256 (32 bytes) inside a CID; Malformed unless it is a CIDv1 of ours in its only spelling."""
    try:
        data = base64.b32decode(text[1:].upper() + "=" * (-len(text[1:]) % 8)) if text.startswith("b") else b""
    except ValueError:
        data = b""
    if len(data) != 36 or cid_of_digest(data[4:]) != text:
        raise Malformed(f"not a {of} id: {text[:80]!r}", hint="ids look like bafkrei… (59 characters)")
    return data[4:]


def check_cid(text: str, of: str = "dataset") -> Cid:
    """An id `of` a dataset or a commons, as it is; Malformed."""
    digest_of(text, of)
    return Cid(text)


def check_commons(text: str) -> Cid:
    """The id of a commons, which may stand behind "commons:"; Malformed."""
    return check_cid(text.removeprefix("commons:"), "commons")


def peer_id(public: bytes) -> PeerId:
    """The libp2p peer id of an Ed25519 public key (32 bytes)."""
    raw = _PREFIX + public
    n, text = int.from_bytes(raw, "big"), ""
    while n:
        n, r = divmod(n, 58)
        text = _B58[r] + text
    return PeerId("1" * (len(raw) - len(raw.lstrip(b"\0"))) + text)


def public_key(peer: str) -> bytes:
    """The Ed25519 public key (32 bytes) inside a peer id; Malformed otherwise."""
    n = 0
    try:
        if len(peer) > 64:
            raise ValueError
        for character in peer:
            n = n * 58 + _B58.index(character)
        raw = n.to_bytes(38, "big")
    except (ValueError, OverflowError):
        raw = b""
    if peer_id(raw[6:]) != peer:
        raise Malformed(f"not an Ed25519 peer id: {peer[:80]!r}", hint="peer ids look like 12D3KooW… (52 characters)")
    return raw[6:]


def check_peer(text: str) -> PeerId:
    """`text` itself, if it is a peer id in its only spelling; Malformed."""
    public_key(text)
    return PeerId(text)


def peer_host(peer: PeerId) -> str:
    """A peer id as a DNS label of lower case (base32 of the key), for URLs, which fold case."""
    return "p" + base64.b32encode(public_key(peer)).decode().rstrip("=").lower()


def peer_of_host(label: str) -> PeerId:
    """The peer id that `peer_host` made a label of; Malformed otherwise."""
    try:
        public = base64.b32decode(label[1:].upper() + "=" * (-len(label[1:]) % 8))
    except ValueError:
        public = b""
    if len(public) != 32 or peer_host(peer_id(public)) != label:
        raise Malformed(f"not a peer's host name: {label[:80]!r}")
    return peer_id(public)
