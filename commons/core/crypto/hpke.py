"""HPKE (RFC 9180), one message to one key: X25519, HKDF-SHA256, AES-256-GCM. `info` is what the message is bound to."""

from __future__ import annotations

from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.hpke import AEAD, KDF, KEM, Suite

from commons.core.crypto import codec
from commons.errors import Malformed, Untrue

_SUITE = Suite(KEM.X25519, KDF.HKDF_SHA256, AEAD.AES_256_GCM)


def public_of(seed: bytes) -> bytes:
    """The X25519 public key (32 bytes) of a private one."""
    return X25519PrivateKey.from_private_bytes(seed).public_key().public_bytes_raw()


def seal(message: bytes, to: bytes, info: object, wrong: str) -> bytes:
    """`message`, encrypted for the holder of the X25519 key `to`; Malformed, in the words `wrong`, if that is no usable
    key."""
    bound = codec.encode(info)
    try:
        return _SUITE.encrypt(message, X25519PublicKey.from_public_bytes(to), info=bound)
    except Exception as error:  # a low-order point: ValueError or an OpenSSL error
        raise Malformed(wrong) from error


def open(sealed: bytes, seed: bytes, info: object, wrong: str) -> bytes:
    """The message that `seal` encrypted; Untrue, in the words `wrong`, unless it was to this key and for exactly this
    `info`."""
    bound = codec.encode(info)
    try:
        return _SUITE.decrypt(sealed, X25519PrivateKey.from_private_bytes(seed), info=bound)
    except Exception as error:
        raise Untrue(wrong) from error
