"""What stands in the log. Governance entries are whole signed envelopes; access entries are leaves of public fields and
commitments, whose private fields (who, their signed statement, free text) live in openings.

`decode` is total: every entry is one of the kinds below or `Unknown`, and a broken one raises Malformed or Untrue.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from commons.core.crypto import codec, envelope, ids
from commons.core.crypto.envelope import Opened
from commons.core.crypto.ids import PeerId
from commons.core.dataset.rule import Rule
from commons.core.dataset.terms import DAY, check_days, check_purpose
from commons.core.state.charter import CHARTER, Charter
from commons.core.state.opening import Field, Opening, commit
from commons.core.state.proposals import JOIN, PROPOSAL, RULES, VOTE, Join, LaterRules, Proposal, Vote
from commons.core.state.transfer import SUCCESSION, Succession
from commons.core.tlog import note, tiles
from commons.errors import Malformed, Untrue

PUBLISH = "commons/publish/v1"
REQUEST, DECISION = "commons/request/v1", "commons/decision/v1"
RECEIPT, REDACTION = "commons/receipt/v1", "commons/redaction/v1"
STAMP = "commons/stamp/v1"
DROPPED = "commons/dropped/v1"
DETAILS_LIMIT = 2000  # characters of free text
SIGNED = {"grant": "approved", "refuse": "refused", "revoke": "revoked"}  # the code of a decision that a steward signed


# -- governance: signed by members, public ---------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Publish:
    """A version of a dataset enters `commons`, and no other. `terms` is the digest of its terms, `custodians` that of
    the policy by which its key is shared; None where the registrar keeps it."""

    commons: str
    time: int
    manifest: str
    series: bytes
    version: int
    title: str
    licence: str
    terms: bytes
    rule: Rule
    purposes: tuple[str, ...]
    grant_days: int | None
    epoch: int
    custodians: bytes | None = None

    def __post_init__(self) -> None:
        ids.digest_of(self.commons, "commons")
        ids.digest_of(self.manifest)
        if self.custodians is not None and len(self.custodians) != 32:
            raise Malformed("publish: custodians are named by a digest of 32 bytes")
        if len(self.series) != 16 or len(self.terms) != 32 or self.version < 1 or self.epoch < 0:
            raise Malformed("publish: a series has 16 bytes, a terms digest 32, versions count from 1")
        check_days(self.grant_days)
        for code in self.purposes:
            check_purpose(code)


# -- statements: signed by a requester or a steward, private ----------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """A requester's signed statement. `details` commits to the free text, `hpke` is an X25519 public key."""

    commons: str
    dataset: str
    terms: bytes
    epoch: int
    purpose: str
    details: bytes | None
    hpke: bytes
    nonce: bytes
    time: int

    def __post_init__(self) -> None:
        ids.digest_of(self.commons, "commons")
        ids.digest_of(self.dataset)
        check_purpose(self.purpose)
        if not len(self.terms) == len(self.hpke) == len(self.nonce) == 32 or len(self.details or bytes(32)) != 32:
            raise Malformed("request: digests, keys and nonces have 32 bytes")


@dataclass(frozen=True, slots=True, kw_only=True)
class Decided:
    """A steward's signed decision over the request at index `request`."""

    commons: str
    request: int
    outcome: str
    reason: str
    expires: int | None
    time: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Received:
    """A requester's signed receipt: what they fetched and verified."""

    commons: str
    request: int
    dataset: str
    files: int
    size: int
    time: int


# -- access: leaves ---------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """The public part of a request: which `dataset` under which `terms` (SHA-256), its key's `epoch`, for which
    `purpose`. Who asked, what they signed, and why in their words are commitments of 32 bytes."""

    type: str
    time: int
    dataset: str
    terms: bytes
    epoch: int
    purpose: str
    requester: bytes
    statement: bytes
    details: bytes | None

    def __post_init__(self) -> None:
        ids.digest_of(self.dataset)
        check_purpose(self.purpose)
        if len(self.terms) != 32 or self.epoch < 0:
            raise Malformed("request: a terms digest has 32 bytes, epochs count from 0")
        _check_commitments(self.requester, self.statement, self.details)


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """`outcome` is grant, refuse or revoke; `basis` the index of the publish entry whose rule was applied; `statement`
    commits to the steward's signed decision, None where the rule decided by itself."""

    type: str
    time: int
    request: int
    outcome: str
    reason: str
    basis: int
    expires: int | None
    statement: bytes | None

    def __post_init__(self) -> None:
        if self.outcome not in ("grant", "refuse", "revoke") or not 0 < len(self.reason) <= 64:
            raise Malformed(f"not a decision: {self.outcome[:20]!r}, {self.reason[:80]!r}")
        _check_commitments(self.statement)

    def check_end(self, days: int | None) -> None:
        """Untrue for a grant that lasts longer than the `days` of the terms; None is for ever."""
        if (
            days is not None
            and self.outcome == "grant"
            and (self.expires is None or self.expires > self.time + days * DAY)
        ):
            raise Untrue(f"the grant lasts longer than the {days} days of the terms")


@dataclass(frozen=True, slots=True, kw_only=True)
class Receipt:
    """The public part of a receipt for what `request` brought: how many files, and bytes. `statement` commits to the
    signed receipt."""

    type: str
    time: int
    request: int
    files: int
    size: int
    statement: bytes

    def __post_init__(self) -> None:
        if self.files < 0 or self.size < 0:
            raise Malformed("receipt: counts cannot be negative")
        _check_commitments(self.statement)


@dataclass(frozen=True, slots=True, kw_only=True)
class Dropped:
    """A holder's word that what they fetched by `request` is dropped; `statement` commits to a signed
    `notice.Dropping`."""

    type: str
    time: int
    request: int
    statement: bytes

    def __post_init__(self) -> None:
        _check_commitments(self.statement)


@dataclass(frozen=True, slots=True, kw_only=True)
class Redaction:
    """The openings of `entries` were destroyed, on whose wish `reason` says as a code."""

    type: str
    time: int
    entries: tuple[int, ...]
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Stamp:
    """`head`, an earlier head of this log, with cosignatures that say when the witnesses saw it."""

    type: str
    time: int
    head: bytes

    def __post_init__(self) -> None:
        if not 0 < len(self.head) <= note.LIMIT:
            raise Malformed("a stamp carries a head")


@dataclass(frozen=True, slots=True, kw_only=True)
class Unknown:
    """An entry of a type this version does not know: kept and flagged, never guessed."""

    type: str


Leaf = Request | Decision | Receipt | Dropped | Redaction | Stamp
Governance = (
    Opened[Charter]
    | Opened[Publish]
    | Opened[Proposal]
    | Opened[LaterRules]
    | Opened[Vote]
    | Opened[Join]
    | Opened[Succession]
)
Entry = Governance | Leaf | Unknown

_GOVERNANCE: Mapping[str, type[Any]] = {
    CHARTER: Charter,
    PUBLISH: Publish,
    PROPOSAL: Proposal,
    RULES: LaterRules,
    VOTE: Vote,
    JOIN: Join,
    SUCCESSION: Succession,
}
_ACCESS: Mapping[str, type[Any]] = {
    REQUEST: Request,
    DECISION: Decision,
    RECEIPT: Receipt,
    DROPPED: Dropped,
    REDACTION: Redaction,
    STAMP: Stamp,
}
_PRIVATE: Mapping[type[Any], tuple[str, ...]] = {
    Request: ("requester", "statement", "details"),
    Decision: ("statement",),
    Receipt: ("statement",),
    Dropped: ("statement",),
}


def _check_commitments(*hidden: bytes | None) -> None:
    """What is no digest would be a private field in the clear, and for good."""
    if any(one is not None and len(one) != 32 for one in hidden):
        raise Malformed("an entry commits to each private field by 32 bytes")


def decode(data: bytes) -> Entry:
    """The entry that these bytes of a log are, governance or access; Unknown for a type that is not known. Malformed,
    or Untrue where a signature fails."""
    shape = codec.raw(data, tiles.ENTRY_LIMIT)
    kind = shape.get("type") if isinstance(shape, dict) else None
    if not isinstance(kind, str):
        raise Malformed("a log entry without a type")
    if kind in _GOVERNANCE:
        return envelope.open(kind, _GOVERNANCE[kind], data)
    if kind in _ACCESS:
        return codec.decode(_ACCESS[kind], data)  # type: ignore[no-any-return]
    return Unknown(type=kind[:80])


def commitments(leaf: Entry) -> dict[str, bytes]:
    """The private fields this entry commits to; empty for a governance entry."""
    names = _PRIVATE.get(type(leaf), ())
    return {name: value for name in names if (value := getattr(leaf, name)) is not None}


def time_of(entry: Entry) -> int | None:
    """Seconds since 1970 by the registrar's clock; None for an unknown entry."""
    value = entry.value if isinstance(entry, Opened) else entry
    return None if isinstance(value, Unknown) else value.time


def hide(salt: Callable[[], bytes], **private: bytes) -> tuple[dict[str, bytes], Opening]:
    """Commitments to the private fields, and the opening that reveals them."""
    fields = tuple(Field(name=name, salt=salt(), value=value) for name, value in private.items())
    return {f.name: commit(f.name, f.salt, f.value) for f in fields}, Opening(fields=fields)


def request(
    said: Opened[Asked], details: Field | None, *, time: int, salt: Callable[[], bytes]
) -> tuple[Request, Opening]:
    """The leaf and opening of a verified statement. Its free text keeps the requester's own salt and commitment."""
    if (details is None) != (said.value.details is None) or (
        details is not None
        and (details.name != "details" or commit("details", details.salt, details.value) != said.value.details)
    ):
        raise Malformed("the request's details are not those its signature covers")
    if details is not None and len(details.value) > 4 * DETAILS_LIMIT:
        raise Malformed(f"the request's details are over {DETAILS_LIMIT} characters")
    hidden, opening = hide(salt, requester=said.signer.encode(), statement=said.data)
    leaf = Request(
        type=REQUEST,
        time=time,
        dataset=said.value.dataset,
        terms=said.value.terms,
        epoch=said.value.epoch,
        purpose=said.value.purpose,
        details=said.value.details,
        **hidden,
    )
    return leaf, Opening(fields=(*opening.fields, *((details,) if details else ())))


def until(outcome: str, now: int, days: int | None, wanted: int | None = None) -> int | None:
    """When a decision's grant ends: what the terms say, or what is `wanted` if that is sooner. None is never.

    >>> until("grant", 1_000, days=2), until("grant", 1_000, days=None)
    (173800, None)
    """
    if outcome != "grant":
        return None
    return min((end for end in (wanted, None if days is None else now + days * DAY) if end is not None), default=None)


def requester(opening: Opening) -> PeerId:
    """The peer id of who asked, by the opening of their request. Malformed where it names none."""
    value = opening.get("requester")
    if value is None:
        raise Malformed("the opening names no requester")
    return ids.check_peer(value.decode("ascii", "replace"))


def statement_digest(data: bytes) -> bytes:
    """The SHA-256 of the exact bytes of a signed statement: two requests with the same are one."""
    return hashlib.sha256(data).digest()
