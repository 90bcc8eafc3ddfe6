"""The files somebody wants to publish: found, named, and read so that a change meanwhile does not go unseen.

Regular files only; links are followed only when told to. Knows nothing of packs.
"""

from __future__ import annotations

import mimetypes
import os
import stat
import sys
import unicodedata
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from commons.core import names
from commons.errors import CommonsError, Conflict, Malformed, NotFound, StorageFailed

_TYPES = mimetypes.MimeTypes()  # its built-in table, whatever this machine has in /etc/mime.types
_ENCODED = {"gzip": "application/gzip", "bzip2": "application/x-bzip2", "xz": "application/x-xz"}
UNKNOWN = "application/octet-stream"
_KINDS = {stat.S_IFSOCK: "a socket", stat.S_IFIFO: "a pipe", stat.S_IFCHR: "a device", stat.S_IFBLK: "a device"}
_FOLLOW = "pass --follow-links to publish what links lead to"


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """A regular file as it was found: `path` is its name in the dataset (NFC), `name` its name on disk below `root`."""

    root: str
    name: str
    path: str
    media_type: str
    size: int
    mtime: int  # nanoseconds
    inode: int
    follow: bool

    @property
    def place(self) -> str:
        return os.path.join(self.root, self.name)


def scan(path: Path, follow_links: bool = False) -> tuple[Source, ...]:
    """The files in folder `path`, or the file `path`, sorted by name as bytes.

    Malformed for a name no dataset may hold and for what is no regular file, NotFound, StorageFailed if unreadable.
    """
    place = os.path.abspath(path)
    found = _look(place, follow_links)
    if stat.S_ISDIR(found.st_mode):
        sources = list(_walk(place, "", ((found.st_dev, found.st_ino),), follow_links))
    else:
        root, name = os.path.split(place)
        sources = [_source(root, name, found, follow_links)]
    sources.sort(key=lambda source: source.path)  # by code points, which is by UTF-8 bytes
    names.check_all(source.path for source in sources)
    return tuple(sources)


def head(source: Source, most: int) -> bytes:
    """The first bytes of `source`, at most `most`; enough of them to look at, not to trust."""
    fd = _open(source)
    try:
        return os.read(fd, most)
    except OSError as error:
        raise _unreadable(source.place, error) from error
    finally:
        os.close(fd)


@contextmanager
def reading(source: Source) -> Iterator[int]:
    """A descriptor to read `source` from; Conflict, at the latest on leaving, if it is not as `scan` found it."""
    fd = _open(source)
    try:
        _check(source, fd)
        yield fd
        _check(source, fd)
    finally:
        os.close(fd)


def _open(source: Source) -> int:
    flags = os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK | (0 if source.follow else os.O_NOFOLLOW)
    try:
        return os.open(source.place, flags)
    except FileNotFoundError as error:
        raise _changed(source) from error
    except OSError as error:
        raise _unreadable(source.place, error) from error


def fill(source: Source, fd: int, view: memoryview) -> None:
    """Fill `view` from `fd`; Conflict if `source` ends before."""
    while view:
        try:
            count = os.readv(fd, [view])
        except OSError as error:
            raise _unreadable(source.place, error) from error
        if not count:
            raise _changed(source)
        view = view[count:]


def media_type(path: str) -> str:
    """What the ending of `path` says of its content; the encoding's type where it is compressed."""
    kind, encoding = _TYPES.guess_type(path.rpartition("/")[2])
    return sys.intern(_ENCODED.get(encoding, UNKNOWN) if encoding else kind or UNKNOWN)


def _walk(root: str, folder: str, above: tuple[tuple[int, int], ...], follow: bool) -> Iterator[Source]:
    """The files below `folder`; `above` are the folders we are in, by device and inode, itself included."""
    place = os.path.join(root, folder)
    try:
        with os.scandir(place) as entries:
            inside = [entry.name for entry in entries]
    except OSError as error:
        raise _unreadable(place, error) from error
    for name in inside:
        found = _look(os.path.join(place, name), follow)
        name = f"{folder}/{name}" if folder else name
        if not stat.S_ISDIR(found.st_mode):
            yield _source(root, name, found, follow)
            continue
        here = (found.st_dev, found.st_ino)
        if here in above:
            raise Malformed(f"a link leads back to a folder it is in: {os.path.join(root, name)}")
        if len(name) > names.PATH:
            raise Malformed(f"a path over {names.PATH} bytes: {os.path.join(root, name)[:200]}…")
        yield from _walk(root, name, (*above, here), follow)


def _look(place: str, follow: bool) -> os.stat_result:
    try:
        found = os.stat(place, follow_symlinks=follow)
    except OSError as error:
        if follow and os.path.islink(place):
            raise Malformed(f"a link that leads nowhere, or in a circle: {place}") from error
        if isinstance(error, FileNotFoundError | NotADirectoryError):
            raise NotFound(f"no such file or folder: {place}") from error
        raise _unreadable(place, error) from error
    if stat.S_ISLNK(found.st_mode):
        raise Malformed(f"a symbolic link: {place}", hint=_FOLLOW)
    if not stat.S_ISDIR(found.st_mode) and not stat.S_ISREG(found.st_mode):
        kind = _KINDS.get(stat.S_IFMT(found.st_mode), "no file")
        raise Malformed(f"{kind}, not a regular file: {place}", hint="move it out of the folder")
    return found


def _source(root: str, name: str, found: os.stat_result, follow: bool) -> Source:
    path = unicodedata.normalize("NFC", name)
    path = name if path == name else path  # one string, not two, for each of 100,000 names
    place = os.path.join(root, name)
    if not os.access(place, os.R_OK):
        raise StorageFailed(f"cannot read {place}: permission denied")
    return Source(
        root=root, name=name, path=path, media_type=media_type(path), size=found.st_size, mtime=found.st_mtime_ns,
        inode=found.st_ino, follow=follow,
    )  # fmt: skip


def _check(source: Source, fd: int) -> None:
    now = os.fstat(fd)
    if (now.st_size, now.st_mtime_ns, now.st_ino) != (source.size, source.mtime, source.inode):
        raise _changed(source)


def _changed(source: Source) -> CommonsError:
    return Conflict(f"changed while it was being read: {source.place}", hint="publish again when nothing writes to it")


def _unreadable(place: str, error: OSError) -> CommonsError:
    return StorageFailed(f"cannot read {place}: {(error.strerror or 'unknown error').lower()}")
