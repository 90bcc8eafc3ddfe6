"""A signed message: DSSE v1 (pre-authentication encoding over type and payload), carried as msgpack.

`sign` and `open` are the pair. Holding an `Opened` means its signature was verified and its payload decoded strictly.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Generic, TypeVar

from commons.core.crypto import codec, keys
from commons.core.crypto.ids import PeerId, public_key
from commons.errors import Malformed, Untrue

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Envelope:
    """What is stored and sent. `type` is "commons/NOUN/v1"; `signature` is 64 bytes by `signer` over the PAE."""

    type: str
    payload: bytes
    signer: str
    signature: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Opened(Generic[T]):
    """A verified message: `value` was signed by `signer`; `data` are the exact bytes."""

    value: T
    signer: PeerId
    data: bytes


def pae(kind: str, payload: bytes) -> bytes:
    """DSSE v1: "DSSEv1" SP len(type) SP type SP len(payload) SP payload, lengths in ASCII decimal bytes."""
    name = kind.encode()
    return b"DSSEv1 %d %s %d %s" % (len(name), name, len(payload), payload)


def sign(kind: str, value: object, signer: keys.Signer) -> bytes:
    """The envelope in exact bytes: `value` encoded under the type `kind`, signed."""
    payload = codec.encode(value)
    return codec.encode(
        Envelope(type=kind, payload=payload, signer=signer.peer, signature=signer.sign(pae(kind, payload)))
    )


def open(kind: str, of: type[T], data: bytes, limit: int = codec.LIMIT) -> Opened[T]:
    """The verified message in `data`: the signature is checked, then the payload is decoded. Malformed if it is not
    such a message, Untrue if the signature is not its signer's."""
    envelope = codec.decode(Envelope, data, limit)
    if envelope.type != kind:
        raise Malformed(f"expected a {kind}, got a {envelope.type[:80]!r}")
    if not keys.verify(public_key(envelope.signer), envelope.signature, pae(kind, envelope.payload)):
        raise Untrue(f"the signature on this {kind} is not by {envelope.signer}")
    return Opened(value=codec.decode(of, envelope.payload, limit), signer=PeerId(envelope.signer), data=data)
