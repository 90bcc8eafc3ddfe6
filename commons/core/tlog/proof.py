"""A proof to keep: that an entry is in a log, in one text file that needs nothing else but the public keys.

C2SP tlog-proof. `Proof.encode` and `parse` are a pair; a parsed proof proves nothing until `check`.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from commons.core.tlog import checkpoint, merkle
from commons.core.tlog.checkpoint import Signed
from commons.core.tlog.note import LIMIT, Verifier, decode64, encode64
from commons.errors import Malformed, TooLarge

_MAGIC = "c2sp.org/tlog-proof@v1"
_HASHES = 63  # a log has fewer than 2**63 entries


@dataclass(frozen=True, slots=True, kw_only=True)
class Proof:
    """A proof that entry `index` is in a log: its siblings, the leaf's first, and the log's signed checkpoint. `extra`
    is text that nobody vouches for."""

    index: int
    hashes: tuple[bytes, ...]
    note: bytes
    extra: bytes | None = None

    def __post_init__(self) -> None:
        if not 0 <= self.index < checkpoint.SIZE_LIMIT:
            raise Malformed(f"a log cannot have an entry {self.index}")
        if len(self.hashes) > _HASHES or any(len(one) != 32 for one in self.hashes):
            raise Malformed(f"a proof has at most {_HASHES} hashes of 32 bytes")
        if self.extra == b"":
            raise Malformed("the extra data of a proof are left out, not empty")

    def encode(self) -> bytes:
        """The text of a C2SP tlog-proof."""
        lines = [_MAGIC, f"index {self.index}", *map(encode64, self.hashes)]
        if self.extra is not None:
            lines.insert(1, f"extra {encode64(self.extra)}")
        return "\n".join([*lines, "", ""]).encode() + self.note


def parse(data: bytes) -> Proof:
    """The one proof whose `encode()` is exactly `data`; Malformed or TooLarge. The note is not looked into."""
    if len(data) > LIMIT:
        raise TooLarge(f"proof of {len(data)} bytes is over the limit of {LIMIT}")
    head, blank, note = data.partition(b"\n\n")
    try:
        magic, *lines = head.decode("ascii").split("\n")
    except UnicodeDecodeError as error:
        raise Malformed("not a log proof: its head is not ASCII") from error
    if magic != _MAGIC:
        raise Malformed(f"not a log proof: it does not begin with {_MAGIC}")
    extra = decode64(lines.pop(0).removeprefix("extra ")) if lines and lines[0].startswith("extra ") else None
    if not lines or not lines[0].startswith("index "):
        raise Malformed("not a log proof: it does not say the index of the entry")
    if not blank:
        raise Malformed("not a log proof: no blank line and no checkpoint after it")
    index = checkpoint.number(lines[0].removeprefix("index "))
    return Proof(index=index, hashes=tuple(map(decode64, lines[1:])), note=note, extra=extra)


def check(proof: Proof, entry: bytes, log: Verifier, witnesses: Iterable[Verifier] = ()) -> Signed:
    """The verified checkpoint of the log that holds `entry` (its exact bytes) at `proof.index`.

    Untrue if a signature or the proof does not verify; Malformed or TooLarge if the note is no checkpoint.
    """
    signed = checkpoint.open(proof.note, log, witnesses)
    head = signed.checkpoint
    merkle.check_inclusion(proof.index, head.size, merkle.leaf(entry), head.root, proof.hashes)
    return signed
