"""Shares on their way to a requester, and the secret they make. Pure: how one is decided about is
`commons.custody.custodian`'s.

    Claim        a requester's: "here is my request, and the log's answer to it"
    Released     a custodian's: "I gave my share to this requester, because of these entries of the log"

HPKE's `info` binds a share to all that its release says. Holding a `Given` means it was verified.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, replace

from commons.core.crypto import envelope, ids
from commons.core.crypto.envelope import Opened
from commons.core.crypto.keys import Signer
from commons.core.state.entries import Asked
from commons.custody import shares, sharing
from commons.custody.sharing import Sharing, VerifiedDeposit, digest
from commons.errors import Malformed, Untrue

RELEASED = "commons/release-share/v1"
LIMIT = 1 << 20  # bytes of all that one custodian gives
CLAIM_LIMIT = 128 << 10  # bytes of what a requester sends


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """What a requester shows a custodian: their signed statement and the registrar's Answer, both in exact bytes; the
    head, with its cosignatures, under which enough witnesses saw both entries (where none are asked for, the answer's);
    and the digest of the publisher's sharing of which they want shares."""

    statement: bytes
    answer: bytes
    witnessed: bytes
    sharing: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Released:
    """A custodian's signed word that it gave the share of `name` to `requester`. `request` and `decision` are entries
    of the log, `shown` the checkpoint under which the witnesses saw them, `head` the newest that the signer had
    verified. `sharing` is the digest of the sharing."""

    commons: str
    dataset: str
    epoch: int
    sharing: bytes
    name: str
    requester: str
    request: int
    decision: int
    shown: bytes
    head: bytes
    time: int
    sealed: bytes

    def __post_init__(self) -> None:
        ids.digest_of(self.commons, "commons")
        ids.digest_of(self.dataset)
        ids.public_key(self.requester)
        if len(self.sharing) != 32 or min(self.epoch, self.request, self.decision) < 0:
            raise Malformed("release: a digest has 32 bytes, epochs and entries count from 0")


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """One share for a requester: the signed Released, and the sharings below the publisher's that lead to it."""

    released: bytes
    below: tuple[bytes, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Handover:
    """All that one custodian gives a requester of a secret: one share, or one of each former custodian who passed
    theirs on."""

    parts: tuple[Part, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Given:
    """A share that a requester got, verified: what `name` was given in the last sharing of the `line`."""

    line: tuple[Opened[Sharing], ...]
    name: str
    share: bytes
    released: Opened[Released]


def release(
    taken: VerifiedDeposit,
    said: Opened[Asked],
    signer: Signer,
    *,
    request: int,
    decision: int,
    shown: bytes,
    head: bytes,
    time: int,
) -> bytes:
    """The signed Released, in exact bytes, with the share encrypted to the statement's key. It verifies nothing: that
    is `custodian`'s part."""
    bare = Released(
        commons=said.value.commons,
        dataset=said.value.dataset,
        epoch=said.value.epoch,
        sharing=digest(taken.sharing),
        name=taken.name,
        requester=said.signer,
        request=request,
        decision=decision,
        shown=shown,
        head=head,
        time=time,
        sealed=b"",
    )
    return envelope.sign(RELEASED, replace(bare, sealed=sharing.seal(taken.share, said.value.hpke, bare)), signer)


def open_released(data: bytes) -> Opened[Released]:
    """The Released in `data`, its signature verified."""
    return envelope.open(RELEASED, Released, data, LIMIT)


def receive(
    part: Part, peer: str, root: Opened[Sharing], said: Opened[Asked], request: int, decision: int, seed: bytes
) -> Given:
    """The share that custodian `peer` gave of the secret of `root`. Malformed or Untrue unless they signed it for
    exactly this request and decision, and it is the share committed to: another dataset's fails here as any other."""
    line = sharing.open_line((root.data, *part.below))
    newest = line[-1].value
    got = open_released(part.released)
    value = got.value
    if got.signer != peer or newest.peer(value.name) != peer:
        raise Untrue(f"this was not signed by custodian {peer}")
    if (value.sharing, value.commons, value.dataset, value.epoch, value.requester, value.request, value.decision) != (
        digest(line[-1]),
        said.value.commons,
        said.value.dataset,
        said.value.epoch,
        said.signer,
        request,
        decision,
    ):
        raise Untrue(f"custodian {value.name} gave a share for something else than was asked for")
    share = sharing.unseal(value.sealed, seed, replace(value, sealed=b""))
    return Given(line=line, name=value.name, share=newest.check(value.name, share), released=got)


def suffices(root: Opened[Sharing], given: Collection[Given]) -> bool:
    """Whether there are enough shares, should none of their sharings be false."""
    return root.value.parsed().met(_names((root.data,), given))


def missing(root: Opened[Sharing], given: Collection[Given]) -> str:
    """Whose shares are still to come, in words."""
    return root.value.parsed().missing(_names((root.data,), given))


def _names(line: tuple[bytes, ...], given: Collection[Given]) -> set[str]:
    """Of the sharing at the end of `line`, those whose share is there, or can be joined from its parts."""
    names = {each.name for each in given if _path(each) == line}
    for child in _children(line, given):
        if child.value.parsed().met(_names((*line, child.data), given)):
            names.add(child.value.part)
    return names


def assemble(root: Opened[Sharing], given: Collection[Given]) -> tuple[bytes | None, frozenset[str]]:
    """The secret, or None where there are too few shares; and the peers whose sharing proved false.

    A sharing is false where each of its parts is as its signer committed to, and together they are not what the signer
    was given. If that is the publisher, they never shared what the commitment in their own sharing says.
    """
    liars = set[str]()
    return _assemble((root.data,), root, given, liars), frozenset(liars)


def _assemble(
    line: tuple[bytes, ...], sharing: Opened[Sharing], given: Collection[Given], liars: set[str]
) -> bytes | None:
    value = sharing.value
    parts = {each.name: each.share for each in given if _path(each) == line}
    for child in _children(line, given):
        if child.value.part not in parts:
            part = _assemble((*line, child.data), child, given, liars)
            if part is not None:
                parts[child.value.part] = part
    rule = value.parsed()
    if not rule.met(parts):
        return None
    joined = shares.join(parts, rule)
    if shares.commitment(joined, "secret" if value.parent is None else "share") != value.mark:
        liars.add(sharing.signer)
        return None
    return joined


def _path(given: Given) -> tuple[bytes, ...]:
    return tuple(each.data for each in given.line)


def _children(line: Sequence[bytes], given: Iterable[Given]) -> list[Opened[Sharing]]:
    """The sharings of shares in the last of `line` that something is given of, each once."""
    deep = len(line)
    found = {
        each.line[deep].data: each.line[deep] for each in given if len(each.line) > deep and _path(each)[:deep] == line
    }
    return list(found.values())
