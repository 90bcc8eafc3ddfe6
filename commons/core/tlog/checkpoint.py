"""The head of a log, signed: whose log, how many entries, which root. Knows nothing of how the root came about.

C2SP tlog-checkpoint; the one extension line that there may be is `rules N`. The key's name is the log's origin. `sign`
and `open` are the pair. Holding a `Signed` means the log's signature, and each cosignature named in it, was verified.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from commons.core.crypto import keys
from commons.core.tlog import merkle, note
from commons.core.tlog.note import Signature, Verifier
from commons.errors import Malformed, Untrue

RULES = 9999  # the last number of rules
SIZE_LIMIT = 1 << 63  # entries of a log: below it, as elsewhere a size is a signed 64-bit integer


@dataclass(frozen=True, slots=True, kw_only=True)
class Checkpoint:
    """The first `size` entries of the log `origin` have this `root` (32 bytes). Malformed if that cannot be. What comes
    after them is judged by the rules with the number `rules`; two heads are the same by their tree alone."""

    origin: str
    size: int
    root: bytes
    rules: int = field(default=1, compare=False)

    def __post_init__(self) -> None:
        note.check_name(self.origin)
        if not 0 <= self.size < SIZE_LIMIT:
            raise Malformed(f"a log cannot have {self.size} entries")
        if len(self.root) != 32:
            raise Malformed("the root of a log is 32 bytes")
        if self.size == 0 and self.root != merkle.EMPTY:
            raise Malformed("the root of a log without entries is wrong")
        if not 1 <= self.rules <= RULES:
            raise Malformed(f"there are no rules {self.rules}")

    def text(self) -> str:
        """The text that is signed, as C2SP tlog-checkpoint has it."""
        line = f"rules {self.rules}\n" if self.rules > 1 else ""
        return f"{self.origin}\n{self.size}\n{note.encode64(self.root)}\n{line}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Signed:
    """A verified checkpoint: `note` are the exact bytes, `cosignatures` those by the witnesses it was opened with."""

    checkpoint: Checkpoint
    note: bytes
    cosignatures: tuple[Signature, ...] = ()


def parse(text: str) -> Checkpoint:
    """The one checkpoint whose `text()` is exactly `text`; Malformed otherwise."""
    lines = text.split("\n")
    later = re.fullmatch(r"rules ([1-9][0-9]{0,3})", lines[3], re.ASCII) if len(lines) == 5 else None
    if len(lines) not in (4, 5) or lines[-1] or (len(lines) == 5 and (later is None or later[1] == "1")):
        raise Malformed(
            "a checkpoint is three lines: origin, size and root; `rules N` follows where they are later ones"
        )
    rules = int(later[1]) if later else 1
    return Checkpoint(origin=lines[0], size=number(lines[1]), root=note.decode64(lines[2]), rules=rules)


def number(text: str) -> int:
    """A size or index in its only spelling: decimal digits, no sign, no leading zero. Malformed otherwise."""
    if not (text.isascii() and text.isdigit() and len(text) <= 19) or str(int(text)) != text:
        raise Malformed(f"not a number: {text[:80]!r}")
    return int(text)


def sign(checkpoint: Checkpoint, signer: keys.Signer) -> bytes:
    """The signed note. Whoever signs must never have signed another root of this origin and size."""
    return note.sign(checkpoint.text(), checkpoint.origin, signer)


def open(data: bytes, log: Verifier, witnesses: Iterable[Verifier] = ()) -> Signed:
    """Verify the note, then parse it. Untrue unless `log` signed it, and for its own origin; Malformed or TooLarge.

    A witness that did not sign is no error: how many are enough is for the policy to say.
    """
    opened = note.open(data, (log, *witnesses))
    if all(signature.verifier != log for signature in opened.signatures):
        raise Untrue(f"this checkpoint is not signed by {log.name}")
    checkpoint = parse(opened.text)
    if checkpoint.origin != log.name:
        raise Untrue(f"this checkpoint is of {checkpoint.origin[:80]!r}, signed by {log.name}")
    others = tuple(signature for signature in opened.signatures if signature.verifier != log)
    return Signed(checkpoint=checkpoint, note=data, cosignatures=others)


def contradicts(old: Checkpoint, new: Checkpoint, proof: Sequence[bytes]) -> bool:
    """Whether it is shown, and not only claimed, that the new head does not contain the old one: at one size two roots,
    or a proof that leads to the new root from another old one. (If the old size is a power of two, a proof does not
    hold the old root, and shows nothing unless that other root is put in front of it: the hash that the new tree has
    there, which the proof binds to the new root.)"""
    if old.size == new.size:
        return old.root != new.root
    if old.size == 0 or not proof:
        return False
    fn, sn, top, steps = old.size - 1, new.size - 1, proof[0], proof[1:]
    if old.size.bit_count() == 1:
        proof, steps = steps, ()
    while fn & 1:
        fn, sn = fn >> 1, sn >> 1
    for step in steps:
        if fn & 1 or fn == sn:
            top = merkle.node(step, top)
            while fn and not fn & 1:
                fn, sn = fn >> 1, sn >> 1
        fn, sn = fn >> 1, sn >> 1
    try:
        merkle.check_consistency(old.size, new.size, top, new.root, proof)
    except Untrue:
        return False
    return top != old.root
