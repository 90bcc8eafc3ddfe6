"""A secret in many hands: split so that whoever together meets a policy has it, and whoever does not has nothing of it.

A group of all is split by XOR, K of n by Shamir's scheme over GF(2^128), a group of any by copies; groups nest. A share
is 32 bytes: at which point of which polynomial it lies, its member's place in the policy says.

The coefficients of Shamir's polynomials are pycryptodome's own, from the operating system, as HPKE's keys are.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping

from Crypto.Protocol.SecretSharing import Shamir

from commons.core.crypto import keys
from commons.core.tlog.policy import Policy
from commons.errors import Refused, Untrue

SIZE = 32  # bytes of a secret and of each of its shares

_HALF = 16  # pycryptodome shares 16 bytes: a secret is two of them at the same point


def commitment(secret: bytes, use: str) -> bytes:
    """A commitment (32 bytes): it shows which secret, or which share, is meant, and nothing else of it, since that is
    drawn from all 2^256."""
    return keys.derive(secret, f"custody/{use}/v1")


def split(secret: bytes, policy: Policy, chance: Callable[[int], bytes]) -> dict[str, bytes]:
    """The share of each custodian. `chance(n)` gives n random bytes."""
    policy.custodians()
    if len(secret) != SIZE:
        raise ValueError(f"a secret has {SIZE} bytes")
    return dict(_split(policy, policy.quorum or "", secret, chance))


def _split(policy: Policy, name: str, secret: bytes, chance: Callable[[int], bytes]) -> Iterator[tuple[str, bytes]]:
    members = _members(policy, name)
    if members is None:
        yield name, secret
        return
    need, below = members
    if need == 1:
        parts = [secret] * len(below)
    elif need == len(below):
        parts = [chance(SIZE) for _ in below[1:]]
        parts.append(merge([secret, *parts]))
    else:
        halves = [Shamir.split(need, len(below), secret[at : at + _HALF], ssss=False) for at in (0, _HALF)]
        parts = [low + high for (_, low), (_, high) in zip(*halves, strict=True)]
    for member, part in zip(below, parts, strict=True):
        yield from _split(policy, member, part, chance)


def join(shares: Mapping[str, bytes], policy: Policy) -> bytes:
    """The secret, by the first shares that suffice in the policy's order. Refused where they do not suffice; Untrue for
    what is no share. That it is the right secret, only its commitment shows."""
    peers = policy.custodians()
    for name, share in shares.items():
        if name not in peers or len(share) != SIZE:
            raise Untrue(f"{name[:40]!r} gave no share of this secret")
    secret = _join(policy, policy.quorum or "", shares)
    if secret is None:
        raise Refused(f"too few shares: {policy.missing(shares)} still to come", hint="try again when more are there")
    return secret


def _join(policy: Policy, name: str, shares: Mapping[str, bytes]) -> bytes | None:
    members = _members(policy, name)
    if members is None:
        return shares.get(name)
    need, below = members
    found: list[tuple[int, bytes]] = []
    for place, member in enumerate(below, start=1):
        if len(found) < need and (part := _join(policy, member, shares)) is not None:
            found.append((place, part))
    if len(found) < need:
        return None
    if need == len(below):
        return merge(part for _, part in found)
    halves = [[(place, part[at : at + _HALF]) for place, part in found] for at in (0, _HALF)]
    return b"".join(Shamir.combine(half, ssss=False) for half in halves)


def merge(parts: Iterable[bytes]) -> bytes:
    """The XOR of parts of 32 bytes each."""
    total = 0
    for part in parts:
        total ^= int.from_bytes(part, "big")
    return total.to_bytes(SIZE, "big")


def _members(policy: Policy, name: str) -> tuple[int, tuple[str, ...]] | None:
    """Of a group, how many are needed of whom; None for a custodian."""
    group = next((group for group in policy.groups if group.name == name), None)
    return None if group is None else (group.need, group.members)
