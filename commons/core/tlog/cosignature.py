"""A witness says of a log that it only ever grew: what it is sent, what it checks, and whose word is enough.

C2SP tlog-witness (`add-checkpoint`), tlog-cosignature, and the quorum of a tlog-policy. `encode` and `parse` are the
pair; `check` is the whole of what a witness promises. Knows nothing of where the last head is kept.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

from commons.core.tlog import checkpoint, merkle, note, policy
from commons.core.tlog.checkpoint import Checkpoint, Signed
from commons.core.tlog.note import Verifier
from commons.core.tlog.policy import Policy
from commons.errors import Conflict, Malformed, Refused, Untrue

PROOF = 63  # hashes of a consistency proof
SIZE = "text/x.tlog.size"  # the media type of what `Behind.body` holds
NONE = "this witness has cosigned no head of that log"  # what it says who has; any other 404 says nothing


class Behind(Conflict):
    """The proof begins at another size than the witness has cosigned last, which is `size`."""

    def __init__(self, size: int) -> None:
        super().__init__(f"the last head cosigned of this log has {size} entries", hint="prove from there")
        self.size = size

    @property
    def body(self) -> bytes:
        return b"%d\n" % self.size

    @classmethod
    def parse(cls, body: bytes) -> Behind:
        """The error whose `body` this is; Malformed."""
        text = body.decode("ascii", "replace")
        if not text.endswith("\n"):
            raise Malformed("the size of a log is a number and a newline")
        return cls(checkpoint.number(text[:-1]))


class Ahead(Malformed):
    """The proof begins behind the end of the log: the one mistake whose status on the wire is 400."""


class Forked(Malformed):
    """The log signed two histories. `evidence` holds the head cosigned last and the one that contradicts it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AddCheckpoint:
    """The body of C2SP `add-checkpoint`: the wish to have `note`, the signed checkpoint of any log, cosigned; `proof`
    leads to it from size `old`."""

    old: int
    proof: tuple[bytes, ...]
    note: bytes

    def encode(self) -> bytes:
        """The body in exact bytes, as C2SP writes it."""
        lines = [f"old {self.old}", *map(note.encode64, self.proof), "", ""]
        return "\n".join(lines).encode() + self.note


def parse(body: bytes) -> AddCheckpoint:
    """The request in `body`, in its only spelling; Malformed otherwise. Nothing in it is verified."""
    head, blank, rest = body.partition(b"\n\n")
    lines = head.decode("ascii", "replace").split("\n")
    if not blank or not lines[0].startswith("old "):
        raise Malformed("a request to a witness is a line `old SIZE`, a proof, a blank line and a checkpoint")
    if len(lines) > 1 + PROOF:
        raise Malformed(f"the proof has {len(lines) - 1} hashes, at most {PROOF} are possible")
    proof = tuple(note.decode64(line) for line in lines[1:])
    if any(len(each) != 32 for each in proof):
        raise Malformed("a hash is 32 bytes")
    return AddCheckpoint(old=checkpoint.number(lines[0][4:]), proof=proof, note=rest)


def origin(data: bytes) -> str:
    """The origin of the log that a note claims to be of, unverified: to learn by whose keys to open it. Malformed."""
    return note.check_name(note.peek(data).split("\n")[0])


def head_of(text: str) -> Checkpoint:
    """The checkpoint that a log of any maker signed: extension lines may follow, which a witness signs unread, but for
    the one of a commons that says by which rules it goes."""
    lines = text.split("\n")
    if len(lines) < 4 or lines[-1] or not all(lines[:-1]):
        raise Malformed("a checkpoint is three lines, origin, size and root, and perhaps others that are not empty")
    read = 4 if lines[0].startswith("commons/") and lines[3].startswith("rules ") else 3
    return checkpoint.parse("\n".join([*lines[:read], ""]))


def check(request: AddCheckpoint, keys: Sequence[Verifier], last: Signed | None) -> Signed:
    """The head that may be cosigned: signed by one of the log's `keys`, and it contains the `last` one that was.

    In the order of the specification: Refused without a trusted signature, or with one that fails; Ahead; Behind, of
    the size to prove from; Malformed where the proof fails, Forked where what was sent proves two histories.
    """
    try:
        opened = note.open(request.note, keys)
    except Untrue as error:
        raise Refused(f"not signed by a key that is trusted for this log: {error.message}") from error
    head = head_of(opened.text)
    if any(signature.verifier.name != head.origin for signature in opened.signatures):
        raise Refused("signed by the key of another log")
    if request.old > head.size:
        raise Ahead(f"a proof from {request.old} entries to {head.size} leads backwards")
    before = last.checkpoint if last else Checkpoint(origin=head.origin, size=0, root=merkle.EMPTY)
    if request.old != before.size:
        raise Behind(before.size)
    try:
        merkle.check_consistency(before.size, head.size, before.root, head.root, request.proof)
    except Untrue as error:
        if last is not None and checkpoint.contradicts(before, head, request.proof):
            raise Forked(
                f"this log has signed two histories: {error.message}",
                hint="both heads are kept: they prove it",
                evidence=(last.note.decode(), request.note.decode()),
            ) from error
        raise Malformed(f"the proof fails: {error.message}", hint="nothing was cosigned") from error
    return Signed(checkpoint=head, note=request.note)


# -- whose word is enough ----------------------------------------------------------------------------------------------


def quorum(text: str) -> Policy:
    """The policy in a charter's field `witnesses`; "" asks for nobody. Malformed."""
    return policy.parse(text) if text else Policy()


def open(data: bytes, log: Verifier, asked: Policy) -> tuple[Signed, frozenset[str]]:
    """A head of our kind, and the names of the policy's witnesses that signed it too. As `checkpoint.open`."""
    names = {witness.key: witness.name for witness in asked.witnesses}
    signed = checkpoint.open(data, log, names)
    return signed, frozenset(names[each.verifier] for each in signed.cosignatures)


def seen(signed: Signed, asked: Policy) -> tuple[int, int]:
    """When a head was seen by as many as the policy asks for, by their own clocks: the time by which the last of them
    had, and the least that as many of them say it was. Refused where too few signed it, or it asks for nobody."""
    if asked.quorum is None:
        raise Refused("this log asks for no witnesses, so nobody's clock stands for anything in it")
    names = {witness.key: witness.name for witness in asked.witnesses}
    times = {names[each.verifier]: each.time or 0 for each in signed.cosignatures}
    if not asked.met(times):
        raise Refused(f"the head is not cosigned by enough witnesses: {asked.missing(times)} missing")
    met = (at for at in sorted(times.values()) if asked.met([name for name, time in times.items() if time <= at]))
    late = (at for at in sorted(times.values()) if asked.met([name for name, time in times.items() if time >= at]))
    return next(met), max(late)


def monitored(of: str) -> str:
    """The path, under a witness's URL, of the last head it cosigned of the log `of`."""
    return f"/monitoring/{hashlib.sha256(of.encode()).hexdigest()}/checkpoint"
