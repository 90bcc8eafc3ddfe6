"""Signed notes: text for people, with lines of signatures under it. Knows nothing of logs or of what the text says.

C2SP signed-note; Ed25519 keys of types 0x01, and 0x04 (C2SP tlog-cosignature), whose signatures carry their time.
`sign` and `open` are the pair. Holding an `OpenedNote` means each signature named in it was verified.
"""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Iterable
from dataclasses import dataclass

from commons.core.crypto import keys
from commons.errors import Malformed, TooLarge, Untrue

ED25519 = 0x01
COSIGNATURE = 0x04

LIMIT = 1 << 20  # bytes of a note
LINES = 100  # signature lines of a note

_CONTROL = re.compile(rb"[\x00-\x09\x0b-\x1f]")


@dataclass(frozen=True, slots=True, kw_only=True)
class Verifier:
    """A public key (32 bytes) and the name it signs under; printed and parsed as a C2SP vkey; or Malformed."""

    name: str
    type: int = ED25519
    public: bytes

    def __post_init__(self) -> None:
        check_name(self.name)
        if self.type not in (ED25519, COSIGNATURE):
            raise Malformed(f"key type {self.type:#04x} of {self.name[:80]!r} is not one that can be checked here")
        if len(self.public) != 32:
            raise Malformed(f"the key of {self.name[:80]!r} is not 32 bytes")

    @property
    def id(self) -> bytes:
        """4 bytes, a hint which key a signature line is by."""
        return hashlib.sha256(b"%s\n%c%s" % (self.name.encode(), self.type, self.public)).digest()[:4]

    @property
    def vkey(self) -> str:
        return f"{self.name}+{self.id.hex()}+{encode64(bytes([self.type]) + self.public)}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Signature:
    """That `verifier` signed; `time` (seconds since 1970) is what a cosigner claims, None for a plain signature."""

    verifier: Verifier
    time: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenedNote:
    """A note of which every signature by a known key was verified, and at least one there was."""

    text: str
    signatures: tuple[Signature, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Line:
    name: str
    id: bytes
    signature: bytes

    def encode(self) -> bytes:
        return f"\N{EM DASH} {self.name} {encode64(self.id + self.signature)}\n".encode()


def parse_vkey(text: str) -> Verifier:
    """The inverse of `Verifier.vkey`; Malformed unless in its only spelling."""
    parts = text.split("+", 2)  # base64 holds `+`, a name and a key id do not
    data = decode64(parts[2]) if len(parts) == 3 else b""
    if not data:
        raise Malformed(f"not a verifier key: {text[:80]!r}", hint="they look like NAME+1234abcd+BASE64")
    verifier = Verifier(name=parts[0], type=data[0], public=data[1:])
    if verifier.vkey != text:
        raise Malformed(f"the key id in {text[:80]!r} is not that of its name and key")
    return verifier


def check_name(name: str) -> str:
    """`name` itself; Malformed unless it may stand in a signature line."""
    bad = not name or any(c.isspace() or c < " " or c == "+" or "\ud800" <= c <= "\udfff" for c in name)
    if bad:
        raise Malformed(f"not a key name: {name[:80]!r}", hint="a name has no spaces and no `+`")
    return name


def sign(text: str, name: str, signer: keys.Signer) -> bytes:
    """A note of `text`, which ends in a newline and holds no other control character, with one signature."""
    return _join(text, line(text, name, signer))


def line(text: str, name: str, signer: keys.Signer) -> bytes:
    """One more signature under `text`, to `add`: so a key and its successor can both sign."""
    verifier = Verifier(name=name, public=signer.public)
    return _Line(name=name, id=verifier.id, signature=signer.sign(_check_text(text))).encode()


def cosign(text: str, name: str, signer: keys.Signer, time: int) -> bytes:
    """The line by which a witness says: at `time` (seconds since 1970) I saw this, and nothing that contradicts it."""
    verifier = Verifier(name=name, type=COSIGNATURE, public=signer.public)
    signature = time.to_bytes(8, "big") + signer.sign(_cosigned(time, _check_text(text)))
    return _Line(name=name, id=verifier.id, signature=signature).encode()


def add(data: bytes, *lines: bytes) -> bytes:
    """The note `data` with signature `lines` added; a line takes the place of an earlier one by the same key.

    Verifies nothing. Lines from outside: `add`, then `open` with the sender's key, then use. Malformed or TooLarge.
    """
    text, old = _split(data)
    again, new = _split(_join(text, *lines))
    if again != text:
        raise Malformed("a blank line among the signature lines")
    merged = {(one.name, one.id): one for one in (*old, *new)}
    if len(merged) > LINES:
        raise TooLarge(f"a note has at most {LINES} signature lines")
    return _join(text, *(one.encode() for one in merged.values()))


def only(data: bytes, verifiers: Iterable[Verifier]) -> bytes:
    """The note without the lines of others than `verifiers`. Verifies nothing: `open` it
    first. Malformed if none is left."""
    known = {(verifier.name, verifier.id) for verifier in verifiers}
    text, lines = _split(data)
    kept = [one.encode() for one in lines if (one.name, one.id) in known]
    if not kept:
        raise Malformed("no line of this note is by a key that is known here")
    return _join(text, *kept)


def peek(data: bytes) -> str:
    """The text of a note, unverified: only to learn by whose key to open it. Malformed or TooLarge."""
    return _split(data)[0]


def open(data: bytes, verifiers: Iterable[Verifier]) -> OpenedNote:
    """Verify all signatures by `verifiers`; lines by others are ignored, of repeated lines of one key the first counts.

    Malformed or TooLarge if it is not a note; Untrue if a line by a known key fails, or no line is by a known key.
    """
    known: dict[tuple[str, bytes], Verifier] = {}
    for verifier in verifiers:
        if known.setdefault((verifier.name, verifier.id), verifier) != verifier:
            raise Malformed(f"two keys of {verifier.name[:80]!r} share one id, {verifier.id.hex()}")
    text, lines = _split(data)
    message = text.encode()
    found: dict[Verifier, Signature] = {}
    for one in lines:
        by = known.get((one.name, one.id))
        if by is not None:
            found.setdefault(by, _check(by, one.signature, message))
    if not found:
        raise Untrue("no signature on this note is by a key that is known here")
    return OpenedNote(text=text, signatures=tuple(found.values()))


def encode64(data: bytes) -> str:
    return base64.b64encode(data).decode()


def decode64(text: str) -> bytes:
    """Base64 with padding (RFC 4648 section 4), in its only spelling; Malformed otherwise."""
    try:
        data = base64.b64decode(text, validate=True)
    except ValueError as error:
        raise Malformed(f"not base64: {text[:80]!r}") from error
    if encode64(data) != text:
        raise Malformed(f"not base64 in its only spelling: {text[:80]!r}")
    return data


def _check(verifier: Verifier, signature: bytes, message: bytes) -> Signature:
    time = None
    if verifier.type == COSIGNATURE:
        time, signature = int.from_bytes(signature[:8], "big"), signature[8:]
        message = _cosigned(time, message)
    if not keys.verify(verifier.public, signature, message):
        raise Untrue(f"the signature on this note is not by {verifier.name}, whose key it names")
    return Signature(verifier=verifier, time=time)


def _cosigned(time: int, message: bytes) -> bytes:
    return b"cosignature/v1\ntime %d\n%s" % (time, message)


def _check_text(text: str) -> bytes:
    data = text.encode()
    if not text.endswith("\n") or _CONTROL.search(data):
        raise ValueError("the text of a note ends in a newline and holds no other control character")
    return data


def _join(text: str, *lines: bytes) -> bytes:
    return b"\n".join((text.encode(), b"".join(lines)))


def _split(data: bytes) -> tuple[str, list[_Line]]:
    """At the last blank line: the text may hold others."""
    if len(data) > LIMIT:
        raise TooLarge(f"note of {len(data)} bytes is over the limit of {LIMIT}")
    if _CONTROL.search(data):
        raise Malformed("a note holds no control character but the newline")
    try:
        whole = data.decode()
    except UnicodeDecodeError as error:
        raise Malformed("a note is UTF-8 text") from error
    text, blank, rest = whole.rpartition("\n\n")
    if not blank or not rest.endswith("\n"):
        raise Malformed("a note ends with a blank line and lines of signatures")
    rows = rest[:-1].split("\n")
    if len(rows) > LINES:
        raise TooLarge(f"note with {len(rows)} signature lines is over the limit of {LINES}")
    return text + "\n", [_parse_line(row) for row in rows]


def _parse_line(row: str) -> _Line:
    dash, name, text = (*row.split(" ", 2), "", "")[:3]
    data = decode64(text) if dash == "\N{EM DASH}" else b""
    if len(data) < 5:
        raise Malformed(f"not a signature line: {row[:80]!r}")
    return _Line(name=check_name(name), id=data[:4], signature=data[4:])
