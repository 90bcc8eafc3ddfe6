"""The contents table of a dataset: which files, and where in which packs their bytes are. Sealed as a pack of its own.

A file of at most 1 MiB lies whole in one segment, beside others; a larger one is cut into segments of its own, of
exactly 1 MiB but for the last. A file's bytes are its runs' plaintext from `offset`, joined, cut at `size`.

On the wire: msgpack arrays in the order of the fields, [format, packs, rights, files], sorted as stated; a map for
each of 100,000 files would take six times the memory. Decoded, checked, encoded again, compared.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import msgpack

from commons.core.crypto import codec
from commons.core.dataset import names
from commons.core.dataset.pack import HEADER, OVERHEAD, SEGMENT
from commons.core.dataset.rights import Rights
from commons.errors import Malformed, TooLarge, Untrue

FORMAT = "commons/contents/v1"
LIMIT = 256 << 20  # bytes of an encoded table

_ROW, _RUN, _PACK, _LENGTH = 1280, 40, 64, 5  # bytes that a file, a run, a pack and a segment's length can take
_RIGHTS = 2000 + 4 * 20_000 + 16  # those of a file: see `rights.Rights`

_MEDIA_TYPE = re.compile(r"[a-z0-9!#$&^_.+-]{1,63}/[a-z0-9!#$&^_.+-]{1,63}")
_MOST = 1 << 62  # bytes of a file, and any other number here

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """A part of a file: `count` segments of `packs[pack]` from number `first` on; `offset` bytes into the first one's
    plaintext."""

    pack: int
    first: int
    count: int
    offset: int


@dataclass(frozen=True, slots=True, kw_only=True)
class File:
    """One file: `sha256` (32 bytes) of its `size` bytes. No runs for an empty one. `rights`: 0 for the dataset's own,
    else n for the n-th of the table."""

    path: str
    size: int
    sha256: bytes
    media_type: str
    runs: tuple[Run, ...]
    rights: int = 0

    def __post_init__(self) -> None:
        if not 0 <= self.size < _MOST or len(self.sha256) != 32 or not _MEDIA_TYPE.fullmatch(self.media_type):
            raise Malformed(f"the size, hash or media type of {self.path[:200]!r} is none")
        room = 0
        for run in self.runs:
            if run.count < 1 or run.first < 0 or not 0 <= run.offset < SEGMENT:
                raise Malformed(f"a run of {self.path[:200]!r} is none")
            room += run.count
        offset = self.runs[0].offset if self.runs else 0
        if room != -(-(offset + self.size) // SEGMENT) or (offset and room > 1):
            raise Malformed(f"the runs of {self.path[:200]!r} do not hold its {self.size} bytes")
        if any(run.offset for run in self.runs[1:]) or (self.runs and not self.size):
            raise Malformed(f"the runs of {self.path[:200]!r} do not join")


@dataclass(frozen=True, slots=True, kw_only=True)
class PackEntry:
    """A pack: its `root` (32 bytes, BEP 52), size in bytes, key epoch, and the stored length of each segment."""

    root: bytes
    size: int
    epoch: int
    segments: tuple[int, ...]

    def __post_init__(self) -> None:
        if len(self.root) != 32 or not 0 <= self.epoch < _MOST:
            raise Malformed("the root or the epoch of a pack is none")
        if not self.segments or min(self.segments) <= OVERHEAD or max(self.segments) > SEGMENT + OVERHEAD:
            raise Malformed(f"the segments of pack {self.root.hex()} are none")
        if self.size != HEADER + sum(self.segments):
            raise Malformed(f"the segments of pack {self.root.hex()} do not add up to its {self.size} bytes")


@dataclass(frozen=True, slots=True, kw_only=True)
class Contents:
    """A contents table: the packs; the rights that differ from the dataset's, sorted, each once and none for nothing;
    and the files, sorted by path as UTF-8 bytes."""

    packs: tuple[PackEntry, ...]
    files: tuple[File, ...]
    rights: tuple[Rights, ...] = ()

    def __post_init__(self) -> None:
        paths = [file.path for file in self.files]
        names.check_all(paths)
        if paths != sorted(paths):
            raise Malformed("the files are not sorted")
        if len({entry.root for entry in self.packs}) != len(self.packs):
            raise Malformed("a pack is listed twice")
        used = bytearray(len(self.packs))
        for file in self.files:
            for run in file.runs:
                if not 0 <= run.pack < len(used) or run.first + run.count > len(self.packs[run.pack].segments):
                    raise Malformed(f"a run of {file.path[:200]!r} is in no pack")
                used[run.pack] = 1
        if not all(used):
            raise Malformed("a pack is listed that no file needs")
        if {file.rights for file in self.files} - {0} != set(range(1, len(self.rights) + 1)):
            raise Malformed("a file has rights that are not listed, or rights are listed that no file has")
        said = [(each.licence, each.copyright) for each in self.rights]
        if said != sorted(set(said)) or ("", "") in said:
            raise Malformed("the rights are not sorted, or listed twice")

    def rights_of(self, file: File) -> Rights | None:
        """What the file says of itself; None where the dataset's terms hold alone."""
        return self.rights[file.rights - 1] if file.rights else None


def encode(contents: Contents) -> bytes:
    """The only spelling of `contents`; TooLarge over 256 MiB."""
    out = msgpack.Packer(autoreset=False)
    out.pack_array_header(4)
    out.pack(FORMAT)
    out.pack_array_header(len(contents.packs))
    for entry in contents.packs:
        out.pack((entry.root, entry.size, entry.epoch, entry.segments))
    out.pack([(each.licence, each.copyright) for each in contents.rights])
    out.pack_array_header(len(contents.files))
    for file in contents.files:
        runs = [(run.pack, run.first, run.count, run.offset) for run in file.runs]
        out.pack((file.path, file.size, file.sha256, file.media_type, runs, file.rights))
    data: bytes = out.bytes()
    return _bounded(data)


def most(files: int, size: int, packs: Sequence[int]) -> int:
    """The bytes that a table of so many files can have at most, which hold `size` bytes and lie in packs of these
    sizes. A run is no shorter than a segment, and a stored segment has more than its overhead."""
    lengths = sum((each - HEADER) // (OVERHEAD + 1) for each in packs)
    return min(
        LIMIT, 64 + files * (_ROW + _RIGHTS) + (files + size // SEGMENT) * _RUN + len(packs) * _PACK + lengths * _LENGTH
    )


def decode(data: bytes, files: int | None = None) -> Contents:
    """The one Contents whose encoding is exactly `data`; Malformed or TooLarge otherwise. Untrue, before a row is read,
    where it does not list the number of `files` that was promised."""
    rows, promised = codec.scalars(_bounded(data)), files
    try:
        _array(rows, 4)
        if rows.unpack() != FORMAT:
            raise Malformed("not a contents table, or of a later version")
        packs = tuple([_pack(rows) for _ in range(rows.read_array_header())])
        rights = tuple([_rights(rows) for _ in range(rows.read_array_header())])
        listed = rows.read_array_header()
        if promised is not None and listed != promised:
            raise Untrue(f"the contents table lists {listed} files, and {promised} were promised")
        found = tuple([_file(rows) for _ in range(listed)])
    except (Malformed, Untrue):
        raise
    except Exception as error:  # msgpack raises its own kinds, ValueError and UnicodeDecodeError
        raise Malformed("not a contents table: it is cut, or made otherwise") from error
    contents = Contents(packs=packs, files=found, rights=rights)
    if encode(contents) != data:
        raise Malformed("not a contents table in its only spelling")
    return contents


def _pack(rows: Any) -> PackEntry:
    _array(rows, 4)
    root, size, epoch = _one(rows, bytes), _one(rows, int), _one(rows, int)
    segments = tuple([_one(rows, int) for _ in range(rows.read_array_header())])
    return PackEntry(root=root, size=size, epoch=epoch, segments=segments)


def _rights(rows: Any) -> Rights:
    _array(rows, 2)
    return Rights(licence=_one(rows, str), copyright=_one(rows, str))


def _file(rows: Any) -> File:
    _array(rows, 6)
    path, size, sha256, media_type = _one(rows, str), _one(rows, int), _one(rows, bytes), _one(rows, str)
    runs = tuple([_run(rows) for _ in range(rows.read_array_header())])
    rights = _one(rows, int)
    return File(path=path, size=size, sha256=sha256, media_type=sys.intern(media_type), runs=runs, rights=rights)


def _run(rows: Any) -> Run:
    _array(rows, 4)
    return Run(pack=_one(rows, int), first=_one(rows, int), count=_one(rows, int), offset=_one(rows, int))


def _array(rows: Any, length: int) -> None:
    if rows.read_array_header() != length:
        raise Malformed("a row of the contents table has too few or too many fields")


def _one(rows: Any, kind: type[T]) -> T:
    value = rows.unpack()
    if type(value) is not kind:
        raise Malformed(f"the contents table has {str(value)[:80]!r} where a {kind.__name__} belongs")
    return value


def _bounded(data: bytes) -> bytes:
    if len(data) > LIMIT:
        raise TooLarge(f"a contents table of {len(data)} bytes is over the limit of {LIMIT}")
    return data
