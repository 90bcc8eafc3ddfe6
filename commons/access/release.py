"""The dataset's key on its way to a requester, and across epochs.

HPKE's `info` binds commons, dataset, epoch, requester and log entries: a key sealed for one grant opens nothing else.
"""

from __future__ import annotations

from dataclasses import dataclass

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from commons.core.crypto import hpke, keys
from commons.errors import Untrue


@dataclass(frozen=True, slots=True, kw_only=True)
class Bound:
    """Whom and what a released key is bound to; `request` and `decision` are indices in the commons' log."""

    type: str = "commons/release/v1"
    commons: str
    dataset: str
    epoch: int
    requester: str
    request: int
    decision: int


def seal(secret: bytes, to: bytes, bound: Bound) -> bytes:
    """The epoch secret (32 bytes), encrypted for the holder of the X25519 key `to`; Malformed if `to` is no usable
    key."""
    return hpke.seal(secret, to, bound, "the request's HPKE key cannot be used")


def open(sealed: bytes, seed: bytes, bound: Bound) -> bytes:
    """The epoch secret that `seal` encrypted; Untrue unless that was to this key, for exactly this grant."""
    secret = hpke.open(sealed, seed, bound, "the released key was not sealed to this request")
    if len(secret) != 32:
        raise Untrue("the released key has a wrong length")
    return secret


def lock(newer: bytes, older: bytes, series: bytes, epoch: int) -> bytes:
    """The secret of `epoch`, encrypted under the secret of the epoch after it. Each wrapping key is used once, so its
    nonce is zero."""
    return AESGCM(_wrapping(newer, series, epoch)).encrypt(bytes(12), older, b"")


def unlock(newer: bytes, locked: bytes, series: bytes, epoch: int) -> bytes:
    """The secret of `epoch` that `lock` encrypted; Untrue unless `newer` is the secret of the epoch after it."""
    try:
        return AESGCM(_wrapping(newer, series, epoch)).decrypt(bytes(12), locked, b"")
    except InvalidTag as error:
        raise Untrue(f"the unlock of key epoch {epoch} does not fit this key") from error


def chain(secret: bytes, epoch: int, unlocks: tuple[bytes, ...], series: bytes) -> dict[int, bytes]:
    """The secrets of `epoch` and of every epoch before it, by epoch; `unlocks[n]` is that of epoch n, locked under the
    next."""
    secrets = {epoch: secret}
    for older in reversed(range(epoch)):
        secrets[older] = unlock(secrets[older + 1], unlocks[older], series, older)
    return secrets


def _wrapping(newer: bytes, series: bytes, epoch: int) -> bytes:
    return keys.derive(newer, f"unlock/v1/{series.hex()}/{epoch}")
