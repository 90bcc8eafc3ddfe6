"""The private side of the log: openings, each encrypted under its subject's key, beside the entries they belong to.

Erasing destroys the opening and the subject's key; what else is known of the subject is sealed again under a new one.
Runs inside the log's transactions and knows nothing of them.
"""

from __future__ import annotations

import hashlib
import os
import sqlite3
from collections.abc import Iterable
from contextlib import suppress

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from commons.core.crypto import codec
from commons.core.state import opening
from commons.core.state.opening import Opening
from commons.disk import sql
from commons.errors import StorageFailed

SCHEMA = """
CREATE TABLE IF NOT EXISTS openings(idx INTEGER PRIMARY KEY, subject BLOB NOT NULL, sealed BLOB NOT NULL);
CREATE INDEX IF NOT EXISTS openings_subject ON openings(subject);
CREATE TABLE IF NOT EXISTS subjects(subject BLOB PRIMARY KEY, key BLOB NOT NULL) WITHOUT ROWID;
"""


class Openings:
    """The table of openings in a log's file, each encrypted under its subject's key."""

    def __init__(self, db: sqlite3.Connection, local: bytes) -> None:
        self._db, self._local = db, local

    def put(self, index: int, subject: str, value: Opening) -> None:
        """Nothing: stores the opening of an entry, under the key of its subject, within the caller's transaction."""
        name = self._name(subject)
        row = self._db.execute("SELECT key FROM subjects WHERE subject = ?", (name,)).fetchone()
        key = row[0] if row else self._new_key(name)
        self._put(index, name, key, codec.encode(value))

    def get(self, index: int, db: sqlite3.Connection, of: str | None = None) -> Opening | None:
        """The opening of one entry, read through `db`, or None where there is none (any more), or none about the person
        `of`, if somebody is named: that is known without opening it. StorageFailed for one that is damaged."""
        row = db.execute(
            "SELECT subject, sealed, key FROM openings LEFT JOIN subjects USING (subject) WHERE idx = ?", (index,)
        ).fetchone()
        if row is None or (of is not None and row[0] != self._name(of)):
            return None
        return opening.decode(_unseal(index, row[2], row[1]))

    def erase(self, indices: Iterable[int]) -> None:
        """Nothing: destroys the openings of these entries, whatever they are, within the caller's transaction. What
        else is known of the same person and is damaged stays so: one row keeps no other from being erased."""
        for index in indices:
            row = self._db.execute(
                "SELECT subject, key FROM openings LEFT JOIN subjects USING (subject) WHERE idx = ?", (index,)
            ).fetchone()
            if row is None:
                continue
            name, old = row
            self._db.execute("DELETE FROM openings WHERE idx = ?", (index,))
            self._db.execute("DELETE FROM subjects WHERE subject = ?", (name,))
            rest = self._db.execute("SELECT idx, sealed FROM openings WHERE subject = ?", (name,)).fetchall()
            key = self._new_key(name) if rest else b""
            for other, sealed in rest:
                with suppress(StorageFailed):
                    plain = _unseal(other, old, sealed)
                    self._db.execute("DELETE FROM openings WHERE idx = ?", (other,))
                    self._put(other, name, key, plain)

    def _name(self, subject: str) -> bytes:
        return hashlib.sha256(self._local + subject.encode()).digest()[:16]

    def _new_key(self, name: bytes) -> bytes:
        key = os.urandom(32)
        self._db.execute("INSERT INTO subjects VALUES(?, ?)", (name, key))
        return key

    def _put(self, index: int, name: bytes, key: bytes, plain: bytes) -> None:
        nonce = os.urandom(12)
        sealed = nonce + AESGCM(key).encrypt(nonce, plain, index.to_bytes(8, "big"))
        self._db.execute("INSERT INTO openings VALUES(?, ?, ?)", (index, name, sealed))


def _unseal(index: int, key: object, sealed: object) -> bytes:
    try:
        data = sql.blob(sealed, "it")
        return AESGCM(sql.blob(key, "its key")).decrypt(data[:12], data[12:], index.to_bytes(8, "big"))
    except (InvalidTag, ValueError, OverflowError, StorageFailed) as error:  # a key or nonce of no such length, too
        raise StorageFailed(f"the opening of entry {index} is damaged", hint=sql.MEND) from error
