"""Secrets in other people's hands: what a publisher gives to custodians, and they to those who come after them.

    CustodyKey   a custodian's: "I keep shares for this commons, seal them to this key"
    Sharing      the publisher's, public: which secret is shared how, with a commitment to it and to each share
    Deposit      the publisher's: one share, sealed to its custodian

When custodians change, the old ones share their shares among the new ones, each by a Sharing of their own under the
publisher's: nobody sees the secret, and every part of a part has its commitment. HPKE's `info` binds a share to all
that its statement says. Holding a `VerifiedDeposit` means it was verified.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise
from types import MappingProxyType

from commons.core.crypto import codec, envelope, hpke, ids
from commons.core.crypto.envelope import Opened
from commons.core.crypto.keys import Signer
from commons.core.dataset.rule import Rule
from commons.core.tlog import policy
from commons.core.tlog.policy import Policy
from commons.custody import shares
from commons.errors import Malformed, Untrue

CUSTODY_KEY, SHARING = "commons/custody-key/v1", "commons/sharing/v1"
DEPOSIT = "commons/deposit/v1"
LIMIT = 96 << 10  # bytes of a sharing, and of the deposit that carries it: a body has 128 KiB
SEALED = 80  # bytes: HPKE's encapsulated key, the share and a tag
DEPTH = 4  # sharings of shares of shares: after that the publisher shares the key anew


@dataclass(frozen=True, slots=True, kw_only=True)
class CustodyKey:
    """What a custodian signs once: `peer` keeps shares for `commons`, and they are encrypted to the X25519 key
    `hpke`."""

    commons: str
    peer: str
    hpke: bytes

    def __post_init__(self) -> None:
        ids.digest_of(self.commons, "commons")
        ids.public_key(self.peer)
        if len(self.hpke) != 32:
            raise Malformed("a custody key has 32 bytes")


@dataclass(frozen=True, slots=True, kw_only=True)
class Mark:
    """A custodian's name in the policy, and the commitment to their share."""

    name: str
    mark: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Sharing:
    """The secret of one epoch of a series, shared by `policy` (its text). `bound` is `binding` of what the epoch stands
    for; `mark` commits to the secret, `shares` to each share, in the policy's order. Each time it is shared anew is a
    `generation`: shares of two of them do not mix. Where it is not the secret itself that is shared, but the share of
    custodian `part`, `parent` is the digest of the sharing in which they have it."""

    commons: str
    series: bytes
    epoch: int
    generation: int
    parent: bytes | None
    part: str
    bound: bytes
    policy: str
    mark: bytes
    shares: tuple[Mark, ...]

    def __post_init__(self) -> None:
        ids.digest_of(self.commons, "commons")
        if len(self.series) != 16 or not len(self.bound) == len(self.mark) == 32:
            raise Malformed("sharing: a series has 16 bytes, digests and commitments 32")
        if self.epoch < 0 or self.generation < 0:
            raise Malformed("sharing: epochs and generations count from 0")
        if (self.parent is None) != (self.part == "") or len(self.parent or bytes(32)) != 32:
            raise Malformed("sharing: it is of the secret, or of one custodian's share")
        if tuple(each.name for each in self.shares) != tuple(self.peers()) or str(self.parsed()) != self.policy:
            raise Malformed("sharing: a share for each custodian of the policy, in its order and its only spelling")
        if any(len(each.mark) != 32 for each in self.shares):
            raise Malformed("sharing: a commitment has 32 bytes")

    def parsed(self) -> Policy:
        """The policy by which the secret was shared."""
        return _parse(self.policy)[0]

    def peers(self) -> Mapping[str, str]:
        """The peer ids of the custodians, by their names."""
        return _parse(self.policy)[1]

    def peer(self, name: str) -> str:
        """The peer id of a custodian. Malformed for somebody who is none here."""
        found = self.peers().get(name)
        if found is None:
            raise Malformed(f"no custodian is called {name[:40]!r}")
        return found

    def check(self, name: str, share: bytes) -> bytes:
        """`share` itself; Untrue unless it is the one that the publisher gave to custodian `name`."""
        if Mark(name=name, mark=shares.commitment(share, "share")) not in self.shares:
            raise Untrue(f"the share of {name[:40]} is not the one that was given to them")
        return share


@dataclass(frozen=True, slots=True, kw_only=True)
class Deposit:
    """What a custodian is sent. `sharing` are the exact bytes of the signed Sharing, `above` those of the ones it is a
    part of, the publisher's first; `sealed` is the encrypted share of custodian `name`."""

    above: tuple[bytes, ...]
    sharing: bytes
    name: str
    sealed: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class VerifiedDeposit:
    """A deposit that was verified: `share` is that of custodian `name`, in the `sharing` that ends the `line`. The
    first of the line is the publisher's (`root`)."""

    line: tuple[Opened[Sharing], ...]
    name: str
    share: bytes

    @property
    def sharing(self) -> Opened[Sharing]:
        """The sharing in which this share was given."""
        return self.line[-1]

    @property
    def root(self) -> Opened[Sharing]:
        """The publisher's sharing, from which all others come."""
        return self.line[0]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Placed:
    """What the share in a deposit is bound to: through the sharing's digest also commons, series, epoch and rule."""

    type: str = DEPOSIT
    sharing: bytes
    name: str
    custodian: str


@dataclass(frozen=True, slots=True, kw_only=True)
class _Bound:
    type: str = "commons/custody-binding/v1"
    terms: bytes
    rule: Rule


def binding(terms: bytes, rule: Rule) -> bytes:
    """What an epoch stands for, in 32 bytes: the terms (by digest) and the rule it was published under."""
    return hashlib.sha256(codec.encode(_Bound(terms=terms, rule=rule))).digest()


@lru_cache(maxsize=64)
def _parse(text: str) -> tuple[Policy, Mapping[str, str]]:
    rule = policy.parse(text)
    return rule, MappingProxyType(rule.custodians())


def digest(sharing: Opened[Sharing]) -> bytes:
    """SHA-256 of a signed sharing, by which manifests and deposits name it."""
    return hashlib.sha256(sharing.data).digest()


# -- custodian: I keep shares ----------------------------------------------------------------------------------------


def announce(commons: str, hpke: bytes, signer: Signer) -> bytes:
    """The signed CustodyKey. Whoever signs one agrees to keep shares for that commons."""
    return envelope.sign(CUSTODY_KEY, CustodyKey(commons=commons, peer=signer.peer, hpke=hpke), signer)


def open_key(data: bytes, commons: str, peer: str) -> Opened[CustodyKey]:
    """The custody key in `data`. Untrue unless `peer` itself signed it, and for this commons."""
    said = envelope.open(CUSTODY_KEY, CustodyKey, data, LIMIT)
    if said.signer != said.value.peer or (said.value.commons, said.value.peer) != (commons, peer):
        raise Untrue(f"this is not the custody key of {peer} in this commons")
    return said


# -- publisher: keep this --------------------------------------------------------------------------------------------


def deposit(
    secret: bytes,
    keys: Mapping[str, Opened[CustodyKey]],
    signer: Signer,
    chance: Callable[[int], bytes],
    *,
    commons: str,
    series: bytes,
    epoch: int,
    bound: bytes,
    rule: Policy,
    generation: int = 0,
    of: VerifiedDeposit | None = None,
) -> tuple[bytes, dict[str, bytes]]:
    """The signed sharing, and for each custodian's name their signed deposit. `keys` are by name, as `open_key` gave
    them. Malformed where one is missing, or somebody else's: nobody would have that share. `of`: see `pass_on`."""
    parts = shares.split(secret, rule, chance)
    made = Sharing(
        commons=commons,
        series=series,
        epoch=epoch,
        generation=generation,
        parent=digest(of.sharing) if of else None,
        part=of.name if of else "",
        bound=bound,
        policy=str(rule),
        mark=shares.commitment(secret, "share" if of else "secret"),
        shares=tuple(Mark(name=name, mark=shares.commitment(parts[name], "share")) for name in rule.custodians()),
    )
    sharing, placed = envelope.sign(SHARING, made, signer), {}
    above = tuple(each.data for each in of.line) if of else ()
    for name, peer in made.peers().items():
        if name not in keys or (keys[name].value.peer, keys[name].value.commons) != (peer, commons):
            raise Malformed(f"no key of custodian {name} is known", hint="they announce it at GET /COMMONS/custody-key")
        info = _Placed(sharing=hashlib.sha256(sharing).digest(), name=name, custodian=peer)
        sealed = seal(parts[name], keys[name].value.hpke, info)
        placed[name] = envelope.sign(DEPOSIT, Deposit(above=above, sharing=sharing, name=name, sealed=sealed), signer)
    return sharing, placed


def pass_on(
    taken: VerifiedDeposit,
    keys: Mapping[str, Opened[CustodyKey]],
    signer: Signer,
    chance: Callable[[int], bytes],
    rule: Policy,
) -> tuple[bytes, dict[str, bytes]]:
    """The signed sharing of a custodian's own share among those who come after it, and for each of their names a
    deposit: as `deposit` does for the publisher."""
    of = taken.sharing.value
    return deposit(
        taken.share,
        keys,
        signer,
        chance,
        commons=of.commons,
        series=of.series,
        epoch=of.epoch,
        bound=of.bound,
        rule=rule,
        generation=of.generation + 1,
        of=taken,
    )


def open_sharing(data: bytes) -> Opened[Sharing]:
    """The sharing in `data`, its signature verified."""
    return envelope.open(SHARING, Sharing, data, LIMIT)


def open_line(data: Sequence[bytes]) -> tuple[Opened[Sharing], ...]:
    """The sharings in `data`, verified: each shares a share that was given in the one before it, and is signed by who
    holds that share. Malformed or Untrue otherwise."""
    if not 0 < len(data) <= DEPTH:
        raise Malformed(f"shares of shares are 1 to {DEPTH} deep")
    line = tuple(open_sharing(each) for each in data)
    if line[0].value.parent is not None:
        raise Untrue("the first sharing is not of the secret itself")
    for parent, child in pairwise(line):
        over, under = parent.value, child.value
        if (under.parent, child.signer) != (digest(parent), over.peer(under.part)):
            raise Untrue("a sharing is not by who holds the share that it shares")
        if Mark(name=under.part, mark=under.mark) not in over.shares or (
            under.commons,
            under.series,
            under.epoch,
            under.bound,
            under.generation,
        ) != (over.commons, over.series, over.epoch, over.bound, over.generation + 1):
            raise Untrue("a sharing is not of the share that its holder was given")
    return line


def check_sharing(
    sharing: Opened[Sharing], publisher: str, commons: str, series: bytes, epoch: int, terms: bytes, rule: Rule
) -> None:
    """Nothing; Untrue unless `publisher` shared the secret of exactly this epoch, under these terms (digest) and this
    rule."""
    said = sharing.value
    if sharing.signer != publisher:
        raise Untrue("the sharing was signed by somebody else than the dataset's publisher")
    if (said.commons, said.series, said.epoch, said.bound) != (commons, series, epoch, binding(terms, rule)):
        raise Untrue("the sharing is of another dataset, another epoch, or under another rule")


def take(data: bytes, peer: str, seed: bytes) -> VerifiedDeposit:
    """The custodian's share out of a deposit for `peer`, whose custody key has this private `seed`. Untrue or Malformed
    unless one publisher signed both, it is for this peer, and it is the share that the sharing commits to."""
    said = envelope.open(DEPOSIT, Deposit, data, LIMIT)
    line = open_line((*said.value.above, said.value.sharing))
    sharing = line[-1]
    if sharing.signer != said.signer or sharing.value.peer(said.value.name) != peer:
        raise Untrue("this deposit is for somebody else, or by somebody else than the sharing")
    info = _Placed(sharing=digest(sharing), name=said.value.name, custodian=peer)
    share = sharing.value.check(said.value.name, unseal(said.value.sealed, seed, info))
    return VerifiedDeposit(line=line, name=said.value.name, share=share)


# -- a share under way -------------------------------------------------------------------------------------------------


def seal(share: bytes, to: bytes, info: object) -> bytes:
    """A share for the holder of the X25519 key `to`, bound to `info`; Malformed if `to` is no usable key."""
    return hpke.seal(share, to, info, "the HPKE key cannot be used")


def unseal(sealed: bytes, seed: bytes, info: object) -> bytes:
    """The share that `seal` encrypted; Untrue unless that was to this key and for exactly this `info`."""
    if len(sealed) != SEALED:
        raise Untrue(f"a sealed share has {SEALED} bytes, not {len(sealed)}")
    return hpke.open(sealed, seed, info, "the share was not sealed to this key and for this purpose")
