"""A log changes hands: its members have chosen another registrar, and that one goes on from the last head that counts.

The first entry under the new key is the Succession. It carries the head of the one before, signed and witnessed, that
the log goes on from. What stands between that head and the Succession, members have signed themselves, so that nothing
rests on the new registrar's word. From there on the new key alone signs; older heads and proofs stay valid.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from commons.core.crypto import ids
from commons.core.tlog import checkpoint, cosignature, note
from commons.core.tlog.checkpoint import Checkpoint, Signed
from commons.core.tlog.note import Verifier
from commons.core.tlog.policy import Policy
from commons.errors import Malformed, Refused, Untrue

SUCCESSION = "commons/succession/v1"


@dataclass(frozen=True, slots=True, kw_only=True)
class Succession:
    """The first entry under a new key: the new registrar takes the log over. `head` is the note of the head before it,
    with the cosignatures under it."""

    commons: str
    head: bytes
    time: int

    def __post_init__(self) -> None:
        ids.digest_of(self.commons, "commons")
        if not 0 < len(self.head) <= note.LIMIT:
            raise Malformed("a succession carries the head that it goes on from")


@dataclass(frozen=True, slots=True, kw_only=True)
class Tenure:
    """`registrar` keeps the log under `key` (32 bytes) from entry `since` on, which goes on from `base`; the founder's
    goes on from nothing."""

    since: int
    registrar: str
    key: bytes
    base: Checkpoint | None = None


def quorum_at(quorums: Sequence[tuple[int, str]], size: int) -> Policy:
    """The policy that says whose cosignatures a head of so many entries needs, by the charter as it stood then."""
    return cosignature.quorum(next(text for since, text in reversed(quorums) if since < max(size, 1)))


def check_head(
    said: Succession, log: Verifier, quorums: Sequence[tuple[int, str]], least: int, most: int
) -> Checkpoint:
    """The checkpoint that a succession goes on from: signed by `log`, cosigned as the charter asked when it had so many
    entries, of at least `least` and at most `most` entries. Untrue, Malformed, Refused."""
    asked = quorum_at(quorums, checkpoint.parse(note.peek(said.head)).size)
    head, present = cosignature.open(said.head, log, asked)
    if not least <= head.checkpoint.size <= most:
        raise Untrue(f"the log goes on from a head of {head.checkpoint.size} entries, not of {least} to {most}")
    if not asked.met(present):
        raise Refused(f"the head that the log goes on from is not witnessed: {asked.missing(present)} did not sign")
    return head.checkpoint


def signer_of(origin: str, tenures: Sequence[Tenure], size: int) -> Verifier:
    """The key that signs a head of so many entries: that of whoever keeps the log then."""
    last = next(each for each in reversed(tenures) if each.since < max(size, 1))
    return Verifier(name=origin, public=last.key)


def open_head(data: bytes, origin: str, tenures: Sequence[Tenure]) -> Signed:
    """The head, signed by whoever kept the log at its size. Untrue for one by anybody else, Malformed, TooLarge."""
    return checkpoint.open(data, signer(data, origin, tenures))


def signer(data: bytes, origin: str, tenures: Sequence[Tenure]) -> Verifier:
    """The key that should have signed this head, which is not verified here. Malformed."""
    return signer_of(origin, tenures, checkpoint.parse(note.peek(data)).size)
