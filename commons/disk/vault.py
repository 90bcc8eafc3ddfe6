"""A file that only a passphrase opens: a cover that everybody can read, then segments sealed as those of a pack are.

    commons-backup/v1
    made 2026-11-29T16:00:00Z
    delete-by 2026-12-29            or "never"
    scrypt 17 8 1 SALT              log2 N, r, p, and 16 random bytes in hex

The cover ends with an empty line. Then the header of a pack (72 bytes) whose secret is scrypt of the passphrase and
whose series is the SHA-256 of the cover, and its segments, each after its length (u32). Segment n is sealed under the
number 2n, the last one under 2n + 1: so nothing can be cut off, moved or added. Knows nothing of what is in it.
"""

from __future__ import annotations

import hashlib
import os
import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import BinaryIO

from cryptography.hazmat.primitives.kdf.scrypt import Scrypt

from commons.core.dataset import pack
from commons.errors import Conflict, Malformed, Refused, Untrue

MAGIC = "commons-backup/v1"
LOG_N = 17  # 128 MiB, and less than half a second
MOST = 20  # of a file that is opened: 1 GiB
MOST_COVER = 512  # bytes of a cover, at most
_COVER = re.compile(
    r"commons-backup/v1\nmade (\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ)\ndelete-by (\d{4}-\d\d-\d\d|never)\n"
    r"scrypt ([1-9]\d?) 8 1 ([0-9a-f]{32})\n\n"
)
_TIME, _DAY = "%Y-%m-%dT%H:%M:%SZ", "%Y-%m-%d"


@dataclass(frozen=True, slots=True, kw_only=True)
class Cover:
    """What everybody can read: when the file was made, and the beginning of the day by which it has to be deleted, in
    seconds since 1970, None for no such day; what is needed beside the passphrase."""

    made: int
    delete_by: int | None
    log_n: int
    salt: bytes

    def text(self) -> bytes:
        """The lines of text at the beginning of the file."""
        day = "never" if self.delete_by is None else datetime.fromtimestamp(self.delete_by, UTC).strftime(_DAY)
        made = datetime.fromtimestamp(self.made, UTC).strftime(_TIME)
        return f"{MAGIC}\nmade {made}\ndelete-by {day}\nscrypt {self.log_n} 8 1 {self.salt.hex()}\n\n".encode()


def cover_of(file: BinaryIO) -> Cover:
    """The cover of a file, which is left behind it. Malformed, and Conflict for one of a later version."""
    text = b""
    while not text.endswith(b"\n\n") and len(text) < MOST_COVER and (line := file.readline(MOST_COVER)):
        text += line
    found = _COVER.fullmatch(text.decode("ascii", "replace"))
    if found is None:
        began, version = text.partition(b"\n")[0].decode("ascii", "replace"), MAGIC.rpartition("v")[0]
        if began != MAGIC and re.fullmatch(re.escape(version) + r"v\d{1,6}", began):
            raise Conflict(f"this backup is of a later version ({began})", hint="update commons, and repeat this")
        raise Malformed("this is no backup of commons, or its cover is damaged", hint="`commons backup` makes one")
    made, day, log_n, salt = found.groups()
    try:
        cover = Cover(
            made=_seconds(made, _TIME), delete_by=None if day == "never" else _seconds(day, _DAY), log_n=int(log_n),
            salt=bytes.fromhex(salt),
        )  # fmt: skip
    except ValueError as error:
        raise Malformed("the cover of this backup is damaged: it names no date", hint="take another copy") from error
    if cover.log_n > MOST:
        raise Malformed(f"opening this backup would take over {1 << MOST - 10} MiB", hint="take another copy of it")
    return cover


def _seconds(text: str, form: str) -> int:
    return int(datetime.strptime(text, form).replace(tzinfo=UTC).timestamp())


def _secret(passphrase: str, cover: Cover) -> bytes:
    """32 bytes. However an accent was typed, it is the same passphrase."""
    words = unicodedata.normalize("NFC", passphrase).encode("utf-8", "surrogateescape")
    return Scrypt(salt=cover.salt, length=32, n=1 << cover.log_n, r=8, p=1).derive(words)


def _series(cover: Cover) -> bytes:
    return hashlib.sha256(cover.text()).digest()


class Writer:
    """Seals what is written, and ends it when `finish` is called. A file that was not finished is opened by nobody."""

    def __init__(self, file: BinaryIO, passphrase: str, cover: Cover, salt: bytes | None = None) -> None:
        """`salt` (24 bytes) is random but in the vector of a test."""
        self._file, self._held, self._count = file, bytearray(), 0
        start, self._key = pack.header(_secret(passphrase, cover), _series(cover), salt or os.urandom(pack.SALT))
        file.write(cover.text() + start)

    def write(self, data: bytes) -> None:
        """Nothing: seals more bytes, and writes them when there is a whole piece."""
        self._held += data
        while len(self._held) > pack.SEGMENT:  # the last one has to be known as that
            self._seal(self._held[: pack.SEGMENT], last=False)
            del self._held[: pack.SEGMENT]

    def finish(self) -> None:
        """Nothing: writes the last piece, which says that it is the last."""
        self._seal(self._held, last=True)

    def _seal(self, plain: bytearray, last: bool) -> None:
        stored = pack.seal(self._key, 2 * self._count + last, plain)
        self._file.write(len(stored).to_bytes(4, "big") + stored)
        self._count += 1


class Reader:
    """What a passphrase opens: holding it means that the passphrase is the one. What is read was verified."""

    def __init__(self, file: BinaryIO, passphrase: str) -> None:
        """Malformed, Conflict; Refused for a wrong passphrase."""
        self.cover = cover_of(file)
        self._file, self._held, self._count = file, bytearray(), 0
        try:
            start = file.read(pack.HEADER)
            self._key = pack.unlock(_secret(passphrase, self.cover), _series(self.cover), start)
        except Untrue as error:
            raise Refused(
                "this passphrase does not open this backup", hint="type it again, or take another copy of the file"
            ) from error
        except Malformed as error:
            raise damaged("it ends, or changes, behind its cover") from error
        self._segments = self._read()

    def read(self, size: int) -> bytes:
        """So many bytes. Untrue where the file is damaged, or has less."""
        while len(self._held) < size:
            segment = next(self._segments, None)
            if segment is None:
                raise damaged("there is less in it than it says")
            self._held += segment
        found = bytes(self._held[:size])
        del self._held[:size]
        return found

    def finish(self) -> None:
        """Nothing; Untrue unless all of it was read."""
        if self._held or next(self._segments, None) is not None:
            raise damaged("there is more in it than it says")

    def _read(self) -> Iterator[bytes]:
        length = self._file.read(4)
        while True:
            if (size := int.from_bytes(length, "big")) > pack.SEGMENT + pack.OVERHEAD:
                raise damaged(f"its part {self._count} is longer than one can be")
            stored = self._file.read(size)
            if len(stored) < size:
                raise damaged(f"its part {self._count} is cut off")
            following = self._file.read(4)
            try:
                plain = pack.open(self._key, 2 * self._count + (not following), stored)
            except (Malformed, Untrue) as error:
                raise damaged(f"its part {self._count} does not verify, or is cut off") from error
            yield plain
            if not following:
                return
            length, self._count = following, self._count + 1


def damaged(what: str) -> Untrue:
    """The error for a backup that is not as it was written."""
    return Untrue(f"this backup is damaged: {what}", hint="nothing of it was used: take another copy")
