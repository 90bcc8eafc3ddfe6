"""What a leaf hides: one salted commitment in the log for each private field, and the opening that reveals it.

The log never holds the value, so destroying an opening erases it and leaves every proof standing.
"""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Mapping
from dataclasses import dataclass

from commons.core.crypto import codec
from commons.errors import Malformed, Untrue

SALT = 32  # bytes, random, one for each field


@dataclass(frozen=True, slots=True, kw_only=True)
class Field:
    """One private field: its `name` ("requester"), its value, and the random 32 bytes that keep the commitment from
    being guessed."""

    name: str
    salt: bytes
    value: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Opening:
    """The private fields of one entry, in the order of the leaf's commitments."""

    fields: tuple[Field, ...]

    def get(self, name: str) -> bytes | None:
        """The value of a field; None where the opening has no such field."""
        return next((field.value for field in self.fields if field.name == name), None)

    def salt(self, name: str) -> bytes | None:
        """The salt of a field; None where the opening has no such field."""
        return next((field.salt for field in self.fields if field.name == name), None)


def commit(name: str, salt: bytes, value: bytes) -> bytes:
    """The commitment to a field, 32 bytes: SHA-256("commons/commit/v1" 0x00 u16(len name) name salt value), in
    docs/protocol.md. Malformed unless the salt has 32 bytes.

    >>> commit("requester", bytes(32), b"ana").hex()[:16]
    'e99683c01264ae88'
    """
    if len(salt) != SALT:
        raise Malformed(f"the salt of {name!r} has {len(salt)} bytes, not {SALT}")
    label = name.encode()
    return hashlib.sha256(b"commons/commit/v1\0" + struct.pack(">H", len(label)) + label + salt + value).digest()


def decode(data: bytes) -> Opening:
    """The opening that these bytes are. Malformed."""
    opening = codec.decode(Opening, data)
    for field in opening.fields:
        if len(field.salt) != SALT or not 0 < len(field.name) <= 64:
            raise Malformed(f"a hidden field has a short name and a salt of {SALT} bytes, not {len(field.salt)}")
    return opening


def check(opening: Opening, commitments: Mapping[str, bytes]) -> None:
    """Nothing; Untrue unless the opening reveals exactly `commitments` (field name to 32 bytes)."""
    names = [field.name for field in opening.fields]
    if sorted(names) != sorted(commitments):
        raise Untrue(f"the opening shows {names}, the entry commits to {sorted(commitments)}")
    for field in opening.fields:
        if commit(field.name, field.salt, field.value) != commitments[field.name]:
            raise Untrue(f"the opening's {field.name!r} is not what the entry commits to")
