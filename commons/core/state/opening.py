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
    name: str
    salt: bytes
    value: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Opening:
    """The private fields of one entry, in the order of the leaf's commitments."""

    fields: tuple[Field, ...]

    def get(self, name: str) -> bytes | None:
        return next((field.value for field in self.fields if field.name == name), None)

    def salt(self, name: str) -> bytes | None:
        return next((field.salt for field in self.fields if field.name == name), None)


def commit(name: str, salt: bytes, value: bytes) -> bytes:
    """SHA-256("commons/commit/v1" 0x00 u16(len name) name salt value), 32 bytes."""
    if len(salt) != SALT:
        raise Malformed(f"the salt of {name!r} has {len(salt)} bytes, not {SALT}")
    label = name.encode()
    return hashlib.sha256(b"commons/commit/v1\0" + struct.pack(">H", len(label)) + label + salt + value).digest()


def decode(data: bytes) -> Opening:
    opening = codec.decode(Opening, data)
    for field in opening.fields:
        if len(field.salt) != SALT or not 0 < len(field.name) <= 64:
            raise Malformed(f"a hidden field has a short name and a salt of {SALT} bytes, not {len(field.salt)}")
    return opening


def check(opening: Opening, commitments: Mapping[str, bytes]) -> None:
    """Untrue unless the opening reveals exactly `commitments` (field name to 32 bytes)."""
    names = [field.name for field in opening.fields]
    if sorted(names) != sorted(commitments):
        raise Untrue(f"the opening shows {names}, the entry commits to {sorted(commitments)}")
    for field in opening.fields:
        if commit(field.name, field.salt, field.value) != commitments[field.name]:
            raise Untrue(f"the opening's {field.name!r} is not what the entry commits to")
