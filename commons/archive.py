"""A log as static files, C2SP tlog-tiles that any web server can host and any tool can verify, or as one .zip: written,
and read back, whatever somebody calls an exported log. Who reads the parts, verifies them.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import stat
import tempfile
import zipfile
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from commons.core import note, tiles
from commons.core.checkpoint import parse
from commons.disk import private
from commons.errors import Conflict, Malformed, NotFound, StorageFailed

Read = Callable[[str], Awaitable[bytes]]  # "checkpoint", "tile/…", "openings/…": bytes, or NotFound
Part = Callable[[str], bytes]  # the same, in a thread of its own
PART = 64 << 20  # bytes of one file of a log: more than 256 entries of 64 KiB


def write(part: Part, path: Path, openings: bool) -> dict[str, Any]:
    """A log, as `part` gives it, unverified. Whole or not at all: written beside `path`, then renamed. Conflict if
    `path` exists. With `openings` it says who asked for what, and is for its owner's eyes: 0600, in folders of 0700."""
    private.check_room(path)
    if path.exists():
        raise Conflict(f"{path} exists already", hint="name a new folder, or a new file that ends in .zip")
    size = 0
    try:
        work = Path(tempfile.mkdtemp(prefix=f".{path.name}.", dir=path.parent))
        try:
            target = work / "log"
            if path.suffix == ".zip":
                with os.fdopen(_new(target, openings), "wb") as whole, zipfile.ZipFile(whole, "w") as archive:
                    for name, data in _parts(part, openings):
                        archive.writestr(zipfile.ZipInfo(name), data, zipfile.ZIP_DEFLATED)
                        size += len(data)
            else:
                for name, data in _parts(part, openings):
                    file = target / name
                    _folders(target, file.parent, openings)
                    with os.fdopen(_new(file, openings), "wb") as whole:
                        whole.write(data)
                    size += len(data)
            os.rename(target, path)
        finally:
            shutil.rmtree(work, ignore_errors=True)
    except OSError as error:
        raise StorageFailed(
            f"cannot export to {path}: {error.strerror}", hint="check free space and permissions"
        ) from error
    return {"path": str(path), "bytes": size, "openings": openings}


def _new(path: Path, secret: bool) -> int:
    return os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600 if secret else 0o644)


def _folders(top: Path, folder: Path, secret: bool) -> None:
    for each in reversed([folder, *(above for above in folder.parents if above.is_relative_to(top))]):
        each.mkdir(exist_ok=True, mode=0o700 if secret else 0o755)


def _parts(part: Part, openings: bool) -> Iterator[tuple[str, bytes]]:
    """The heads first: what is appended meanwhile is not part of this export."""
    cosigned = b""
    with contextlib.suppress(NotFound):
        cosigned = part("cosigned")
    head = part("checkpoint")
    size = parse(note.peek(head)).size
    yield "checkpoint", head
    if cosigned not in (b"", head):  # the newest waits for its witnesses: from here members can go on
        yield "cosigned", cosigned
    for tile in tiles.layout(size):
        yield tile.path, part(tile.path)
        if openings and isinstance(tile, tiles.Bundle):
            name = f"openings/{tile.path.removeprefix('tile/entries/')}"
            yield name, part(name)


def remove(path: Path) -> None:
    """What `write` made."""
    if path.is_dir():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)


async def bundles(read: Read, size: int) -> AsyncIterator[tuple[int, Sequence[bytes]]]:
    """The entries of a log of `size`, up to 256 at once, and the number of the first of them; unverified."""
    for index in range(-(-size // tiles.WIDTH)):
        bundle = tiles.Bundle(index=index, width=tiles.widest(0, index, size))
        yield index * tiles.WIDTH, tiles.unbundle(await read(bundle.path), bundle.width)


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
