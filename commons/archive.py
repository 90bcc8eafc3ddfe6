"""A log as files, read back: what `export` wrote, and whatever else somebody calls an exported log.

Knows nothing of what the parts mean: who reads them, verifies them.
"""

from __future__ import annotations

import os
import stat
import zipfile
from collections.abc import Awaitable, Callable
from pathlib import Path

from commons.errors import Malformed, NotFound

Read = Callable[[str], Awaitable[bytes]]  # "checkpoint", "tile/…", "openings/…": bytes, or NotFound
PART = 64 << 20  # bytes of one file of a log: more than 256 entries of 64 KiB


def files(path: Path) -> Read:
    """A log exported to a folder or to one .zip file. NotFound for what is not in it; no network.

    Somebody else packed it: a part may be a pipe, a device or a bomb, so none is read beyond `PART` bytes."""

    async def read(name: str) -> bytes:
        try:
            data = _from_folder(path / name) if path.is_dir() else _from_zip(path, name)
        except (KeyError, FileNotFoundError) as error:
            raise NotFound(f"{path} has no {name}", hint="is it a complete export of a log?") from error
        except Exception as error:  # of the disk, of zipfile and of zlib, each with kinds of its own
            raise Malformed(
                f"{path} is no exported log: {name}: {error}", hint="commons log export FILE.zip makes one"
            ) from error
        if len(data) > PART:
            raise Malformed(f"{name} in {path} is larger than any part of a log")
        return data

    return read


def _from_folder(path: Path) -> bytes:
    with open(os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC), "rb") as file:
        if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
            raise OSError("not a file")
        return file.read(PART + 1)


def _from_zip(path: Path, name: str) -> bytes:
    with zipfile.ZipFile(path) as archive, archive.open(name) as part:
        if archive.getinfo(name).compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
            raise NotImplementedError("a compression that cannot be bounded")
        return part.read(PART + 1)
