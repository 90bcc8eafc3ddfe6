"""Keys from one seed: identity, log, next log, witness, HPKE and the datasets' epoch secrets. One key, one use.

HKDF-SHA256 (RFC 5869) with a label for each; Ed25519 (RFC 8032); X25519 for HPKE. Knows nothing of files.
"""

from __future__ import annotations

from collections.abc import Iterator

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from commons.core.crypto.ids import PeerId, peer_id

GENERATIONS = 16  # keys that one log may have by one registrar


def derive(secret: bytes, label: str, length: int = 32, salt: bytes | None = None) -> bytes:
    """HKDF-SHA256 of `secret`; `label` says the use and is never shared by two uses."""
    return HKDF(algorithm=SHA256(), length=length, salt=salt, info=b"commons/" + label.encode()).derive(secret)


class Signer:
    """An Ed25519 private key. `public` is 32 bytes."""

    def __init__(self, seed: bytes) -> None:
        self._key = Ed25519PrivateKey.from_private_bytes(seed)
        self.public: bytes = self._key.public_key().public_bytes_raw()

    def sign(self, message: bytes) -> bytes:
        """The signature (64 bytes) over `message`."""
        return self._key.sign(message)

    @property
    def peer(self) -> PeerId:
        """The peer id of this key."""
        return peer_id(self.public)


# The points of small order, in all spellings: under such a key one signature fits many messages, and anybody makes it.
_P = 2**255 - 19
_ORDER_8 = 0x05FC536D880238B13933C6D305ACDFD5F098EFF289F4C345B027B2C28F95E826
_WEAK = frozenset(
    (y | sign << 255).to_bytes(32, "little")
    for y in (0, 1, _ORDER_8, _P - _ORDER_8, _P - 1, _P, _P + 1)
    for sign in (0, 1)
)


def verify(public: bytes, signature: bytes, message: bytes) -> bool:
    """Whether `signature` (64 bytes) is by `public` (32 bytes) over `message`. Never raises on bad input."""
    if public in _WEAK:
        return False
    try:
        Ed25519PublicKey.from_public_bytes(public).verify(signature, message)
    except (InvalidSignature, ValueError):
        return False
    return True


class Keys:
    """All keys of one node, from its 32-byte seed. The seed is the backup: nothing else is secret."""

    def __init__(self, seed: bytes) -> None:
        if len(seed) != 32:
            raise ValueError("a seed is 32 bytes")
        self._seed = seed
        self.identity_seed = derive(seed, "identity/v1")
        self.identity = Signer(self.identity_seed)

    def unlinked(self, number: int) -> Keys:
        """The keys of another identity of the same seed: nobody without it can tell that both are one person's."""
        return Keys(derive(self._seed, f"unlinked/v1/{number}"))

    def log(self, generation: int, commons: str = "") -> Signer:
        """The log's signing key; generation n+1 is committed to while n signs. `commons` names a log that others began:
        a key of its own, for one key signs one log."""
        return Signer(derive(self._seed, f"log/v1/{commons}/{generation}" if commons else f"log/v1/{generation}"))

    def chains(self, commons: str) -> tuple[Iterator[Signer], Iterator[Signer]]:
        """The keys under which this home keeps a log, one after the other: if it began it, and if it took it over."""
        return (self.log(n) for n in range(GENERATIONS)), (self.log(n, commons) for n in range(GENERATIONS))

    def witness(self) -> Signer:
        """The key this node cosigns the heads of others' logs with."""
        return Signer(derive(self._seed, "witness/v1"))

    def epoch(self, series: bytes, epoch: int) -> bytes:
        """The 32-byte secret of one key epoch of a series: derived, so no crash can lose it."""
        return derive(self._seed, f"epoch/v1/{series.hex()}/{epoch}")

    def hpke_seed(self, nonce: bytes) -> bytes:
        """X25519 private key of one request, fresh for each nonce."""
        return derive(self._seed, f"hpke/v1/{nonce.hex()}")

    def custody(self) -> bytes:
        """X25519 private key to which shares of other people's secrets are sealed."""
        return derive(self._seed, "custody/v1")

    def local(self, use: str) -> bytes:
        """A secret for this node's own use on its own disk."""
        return derive(self._seed, f"local/v1/{use}")
