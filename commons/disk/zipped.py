"""One .zip that anybody packed, its files read by name: each bounded, none read that shares bytes with another."""

from __future__ import annotations

import os
import stat
import weakref
import zipfile
from pathlib import Path

from commons.errors import Malformed, NotFound

_HEAD = 30  # bytes before a name, at least
_PLAIN = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
_BESIDE = "__MACOSX/"


def open_plain(path: Path) -> int:
    """A descriptor to read a file from; OSError for a pipe, a device or a folder, none of which is waited for."""
    fd = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    if not stat.S_ISREG(os.fstat(fd).st_mode):
        os.close(fd)
        raise OSError("not a file")
    return fd


class Zipped:
    """A .zip that somebody made, opened once, so that what is read is what was looked at.

    `top` names a file that the wanted folder holds: whoever unpacked and packed it again may have put others around it.
    Malformed where a name stands twice, or files share bytes; BadZipFile for what is no .zip; what the disk raises,
    and, for a part that cannot be read, `zipfile`.
    """

    def __init__(self, path: Path, top: str) -> None:
        file = os.fdopen(open_plain(path), "rb")
        weakref.finalize(self, file.close)
        try:
            self._file = zipfile.ZipFile(file)
        except Exception as error:  # of zipfile, struct and codecs, each with kinds of its own
            raise zipfile.BadZipFile(f"{path} is no .zip that can be read") from error
        self._rows: dict[str, zipfile.ZipInfo] = {}
        end = 0
        for row in sorted(self._file.infolist(), key=lambda row: row.header_offset):
            if row.header_offset < end:
                raise Malformed(f"{row.filename[:80]!r} in {path} shares bytes with another file of it")
            end = row.header_offset + _HEAD + row.compress_size
            name = row.filename.replace("\\", "/").removeprefix("./")
            if name in self._rows:
                raise Malformed(f"{name[:80]!r} stands twice in {path}")
            self._rows[name] = row
        tops = [name.removesuffix(top) for name in self._rows if f"/{name}".endswith(f"/{top}")]
        tops = [each for each in tops if not each.startswith(_BESIDE)]
        if len(tops) > 1 and "" not in tops:
            raise Malformed(f"{path} holds {len(tops)} of them, in {', '.join(sorted(tops)[:4])}", hint="unpack one")
        self._below = "" if "" in tops or not tops else tops[0]

    def names(self) -> list[str]:
        """The names of all files, as `read` takes them; whole of what lies around the wanted folder."""
        return [name.removeprefix(self._below) for name in self._rows if not name.endswith("/")]

    def read(self, name: str, most: int) -> bytes:
        """The bytes of a file, at most one more than `most`. NotFound."""
        row = self._rows.get(self._below + name)
        if row is None:
            raise NotFound(f"there is no {name}")
        if row.compress_type not in _PLAIN:
            raise Malformed(f"{name} is packed in a way that cannot be bounded", hint="pack it again as a plain .zip")
        with self._file.open(row) as part:
            return part.read(most + 1)
