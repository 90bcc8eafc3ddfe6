"""A log as static files, C2SP tlog-tiles that any web server can host and any tool can verify, or as one .zip: written,
and read back, whatever somebody calls an exported log. Who reads the parts, verifies them.
"""

from __future__ import annotations

import contextlib
import os
import zipfile
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from pathlib import Path

from commons.core.tlog import note, tiles
from commons.core.tlog.checkpoint import parse
from commons.disk.zipped import Zipped, open_plain
from commons.errors import Malformed, NotFound
from commons.net.network import Network, first

Read = Callable[[str], Awaitable[bytes]]  # "checkpoint", "tile/…", "openings/…": bytes, or NotFound
Part = Callable[[str], bytes]  # the same, in a thread of its own
PART = 64 << 20  # bytes of one file of a log: more than 256 entries of 64 KiB


def write(part: Part, place: Path, openings: bool, packed: bool | None = None) -> int:
    """How many bytes were written: a log, as `part` gives it and unverified, into a new folder `place`, or into one
    .zip file if it is to be `packed`, or is called so. With `openings` it says who asked for what, and is for its
    owner's eyes: 0600, in folders of 0700."""
    size = 0
    if place.suffix == ".zip" if packed is None else packed:
        with os.fdopen(_new(place, openings), "wb") as whole, zipfile.ZipFile(whole, "w") as archive:
            for name, data in _parts(part, openings):
                archive.writestr(zipfile.ZipInfo(name), data, zipfile.ZIP_DEFLATED)
                size += len(data)
        return size
    for name, data in _parts(part, openings):
        _folders(place, (place / name).parent, openings)
        with os.fdopen(_new(place / name, openings), "wb") as whole:
            whole.write(data)
        size += len(data)
    return size


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


async def bundles(read: Read, size: int) -> AsyncIterator[tuple[int, Sequence[bytes]]]:
    """The entries of a log of `size`, up to 256 at a time, each time with the number of the first of them;
    unverified."""
    for index in range(-(-size // tiles.WIDTH)):
        bundle = tiles.Bundle(index=index, width=tiles.widest(0, index, size))
        yield index * tiles.WIDTH, tiles.unbundle(await read(bundle.path), bundle.width)


def most(name: str) -> int:
    """How many bytes a part of a log has at most, by its name."""
    if name in (tiles.CHECKPOINT, "cosigned"):
        return note.LIMIT
    if name.startswith("tile/entries/"):
        return tiles.WIDTH * (tiles.ENTRY_LIMIT + 2)
    return 32 * tiles.WIDTH if name.startswith("tile/") else PART


def shown_at(net: Network, source: str, commons: str | None) -> Read:
    """A log as it is shown at one address: that of a commons; None where its static files lie at the URL itself."""
    place = "" if commons is None else f"/{commons}"

    async def read(path: str) -> bytes:
        return await net.get(source, f"{place}/{path}", limit=most(path))

    return read


def remote(net: Network, sources: Callable[[], Sequence[str]], commons: str) -> Read:
    """A log as it is shown at whichever of these addresses, asked for anew each time, answers first."""

    async def read(path: str) -> bytes:
        return await first(sources(), f"{path} of {commons}", lambda source: shown_at(net, source, commons)(path))

    return read


def files(path: Path) -> Read:
    """A log exported to a folder or to one .zip file, or what somebody packed again, in a folder more. NotFound for
    what is not in it; no network.

    Somebody else packed it: a part may be a pipe, a device or a bomb, so none is read beyond what a log has there."""
    opened: list[Zipped] = []

    def part(name: str) -> bytes:
        if path.is_dir():
            return _from_folder(_top(path) / name, most(name))
        if not opened:
            opened.append(Zipped(path, tiles.CHECKPOINT))
        return opened[0].read(name, most(name))

    async def read(name: str) -> bytes:
        try:
            data = part(name)
        except (NotFound, FileNotFoundError) as error:
            raise NotFound(f"{path} has no {name}", hint="is it a complete export of a log?") from error
        except Malformed:
            raise
        except Exception as error:  # of the disk, of zipfile and of zlib, each with kinds of its own
            raise Malformed(
                f"{path} is no exported log: its part {name} cannot be read",
                hint="commons log export FILE.zip makes one",
            ) from error
        if len(data) > most(name):
            raise Malformed(f"{name} in {path} is larger than that part of any log")
        return data

    return read


def names(path: Path) -> list[str]:
    """The names of the files that an export has, as `files` reads them, and of what else lies beside them."""
    try:
        if not path.is_dir():
            return Zipped(path, tiles.CHECKPOINT).names()
        top = _top(path)
        return [(Path(folder) / name).relative_to(top).as_posix() for folder, _, each in os.walk(top) for name in each]
    except (OSError, zipfile.BadZipFile) as error:
        raise Malformed(f"{path} is no exported log", hint="commons log export FILE.zip makes one") from error


def _top(path: Path) -> Path:
    """The folder that holds the log: this one, or the only one in it that does."""
    if os.path.lexists(path / tiles.CHECKPOINT):
        return path
    found = [each for each in path.iterdir() if (each / tiles.CHECKPOINT).is_file()]
    return found[0] if len(found) == 1 else path


def _from_folder(path: Path, most: int) -> bytes:
    with open(open_plain(path), "rb") as file:
        return file.read(most + 1)
