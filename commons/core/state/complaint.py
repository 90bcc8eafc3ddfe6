"""A request handed to a witness, because the registrar does not take it: what the witness says of it, and publishes.

    Handed       a requester's: "here is my signed request; this is where its registrar may be"
    Submitted    the witness's, signed: "this was handed to me then", by the digest of the statement
    Unlogged     the witness's, signed: "of these I have seen no entry, so long after they were handed in"

The last one names nobody: digests, datasets, times. Pure: how a witness keeps them and hands them on is
`commons.witness.complaints`'s.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from commons.core.crypto import codec, envelope, ids
from commons.core.crypto.envelope import Opened
from commons.core.dataset import address
from commons.core.state import entries, opening
from commons.core.state.entries import Asked
from commons.core.state.opening import Field
from commons.core.tlog import cosignature
from commons.errors import Malformed

SUBMITTED, UNLOGGED = "commons/submitted/v1", "commons/unlogged/v1"
LIMIT = 16 << 10  # bytes of what is handed in
SOURCES = 4  # addresses of a registrar

_CODE = re.compile(r"[a-z]{0,32}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Handed:
    """A request as it is handed to a witness: `statement` is a signed Asked, `details` the free text it commits to,
    `sources` multiaddrs of the registrar."""

    statement: bytes
    details: Field | None
    sources: tuple[str, ...]

    def __post_init__(self) -> None:
        if len(self.sources) > SOURCES:
            raise Malformed(f"at most {SOURCES} addresses of a registrar are taken")
        for source in self.sources:
            if address.peer(source) != source:
                raise Malformed(f"not the one spelling of an address: {source[:120]!r}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Submitted:
    """`statement` (SHA-256) was handed in at `time`, when the last head its signer had cosigned of that log had `size`
    entries."""

    commons: str
    dataset: str
    statement: bytes
    time: int
    size: int

    def __post_init__(self) -> None:
        ids.digest_of(self.commons, "commons")
        ids.digest_of(self.dataset)
        _check(self.statement, self.time, self.size)


@dataclass(frozen=True, slots=True, kw_only=True)
class Taken:
    """What who hands in gets: the signed Submitted, and the registrar's Answer, in exact bytes, once there is one."""

    acknowledged: bytes
    answer: bytes | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Waiting:
    """A request that a witness was handed: as in Submitted, and when the registrar was last tried (None: not yet) and
    what it said, a code."""

    statement: bytes
    dataset: str
    time: int
    size: int
    tried: int | None
    said: str

    def __post_init__(self) -> None:
        ids.digest_of(self.dataset)
        _check(self.statement, self.time, self.size, self.tried or 0)
        if not _CODE.fullmatch(self.said):
            raise Malformed("what a registrar said is told by a short code")


@dataclass(frozen=True, slots=True, kw_only=True)
class Unlogged:
    """What of the log of `commons` was handed in more than `after` seconds before `time` and is in no head that the
    signer was shown."""

    commons: str
    time: int
    after: int
    waiting: tuple[Waiting, ...]

    def __post_init__(self) -> None:
        ids.digest_of(self.commons, "commons")
        if min(self.time, self.after) < 0:
            raise Malformed("times are counts of seconds")


def _check(statement: bytes, *counts: int) -> None:
    if len(statement) != 32 or min(counts) < 0:
        raise Malformed("a digest has 32 bytes; times and sizes are counts")


def open_handed(body: bytes) -> tuple[Handed, Opened[Asked]]:
    """What was handed in, and its statement, verified. Malformed, Untrue or TooLarge; Malformed too where the details
    are not those that the statement commits to: no registrar would take them."""
    handed = codec.decode(Handed, body, LIMIT)
    said = envelope.open(entries.REQUEST, Asked, handed.statement)
    free = handed.details
    if (None if free is None else opening.commit(free.name, free.salt, free.value)) != said.value.details:
        raise Malformed("the details are not those that the request commits to")
    return handed, said


def path(origin: str) -> str:
    """The path under which a witness publishes what it was handed for the log `origin` and has seen in no head."""
    return cosignature.monitored(origin).removesuffix("checkpoint") + "submitted"
