"""A log as static files: hashes in tiles of 256, entries in bundles of 256. Paths, bytes, and hashes back out of tiles.

C2SP tlog-tiles, height 8. Knows nothing of where files lie and trusts none of them: whoever reads hashes out of tiles
checks the result against a root.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import TypeVar

from commons.core.tlog import merkle
from commons.errors import Malformed, NotFound, TooLarge

WIDTH = 256  # hashes of a full tile, entries of a full bundle
ENTRY_LIMIT = 65_535  # bytes of one entry
CHECKPOINT = "checkpoint"  # the path of the newest signed checkpoint

Fetch = Callable[[str], bytes]  # a path to the bytes of the file; NotFound if there is none

_PATH = re.compile(r"tile/(entries|[0-9]{1,2})/((?:x[0-9]{3}/){0,6}[0-9]{3})(?:\.p/([0-9]{1,3}))?")
_CACHE = 256  # tiles a reader keeps: 2 MiB


@dataclass(frozen=True, slots=True, kw_only=True)
class Tile:
    """The first `width` of the 256 hashes numbered from `256 * index` at tree level `8 * level`."""

    level: int
    index: int
    width: int = WIDTH

    def __post_init__(self) -> None:
        if not (0 <= self.level < 64 and 0 <= self.index < 1 << 63 and 0 < self.width <= WIDTH):
            raise ValueError(f"no such tile: level {self.level}, index {self.index}, width {self.width}")

    @property
    def path(self) -> str:
        """The path of this tile below a log's URL, as C2SP tlog-tiles has it."""
        return f"tile/{self.level}/{_numbered(self.index, self.width)}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Bundle:
    """The first `width` of the 256 entries numbered from `256 * index`."""

    index: int
    width: int = WIDTH

    def __post_init__(self) -> None:
        if not (0 <= self.index < 1 << 63 and 0 < self.width <= WIDTH):
            raise ValueError(f"no such bundle: index {self.index}, width {self.width}")

    @property
    def path(self) -> str:
        """The path of this bundle below a log's URL, as C2SP tlog-tiles has it."""
        return f"tile/entries/{_numbered(self.index, self.width)}"


_Named = TypeVar("_Named", Tile, Bundle)


def parse(path: str) -> Tile | Bundle:
    """The one tile or bundle whose `path` is exactly this; Malformed otherwise. Whether it exists is for `widest`."""
    match = _PATH.fullmatch(path)
    try:
        if match is None:
            raise ValueError(path)
        level, index, width = match[1], int(match[2].replace("x", "").replace("/", "")), int(match[3] or WIDTH)
        entries = level == "entries"
        named = Bundle(index=index, width=width) if entries else Tile(level=int(level), index=index, width=width)
    except ValueError as error:
        raise Malformed(f"not the path of a tile: {path[:120]!r}") from error
    if named.path != path:
        raise Malformed(f"not the path of a tile in its only spelling: {path[:120]!r}")
    return named


def widest(level: int, index: int, size: int) -> int:
    """How many hashes, 0 to 256, tile `index` at `level` has in a log of `size` entries; of a bundle, level 0."""
    return min(max((size >> 8 * level) - WIDTH * index, 0), WIDTH)


def layout(size: int) -> Iterator[Tile | Bundle]:
    """Every tile and bundle of a log of `size` entries, each at its widest: what an export holds.

    >>> [each.path for each in layout(300)]
    ['tile/entries/000', 'tile/entries/001.p/44', 'tile/0/000', 'tile/0/001.p/44', 'tile/1/000.p/1']
    """
    for index in range(-(-size // WIDTH)):
        yield Bundle(index=index, width=widest(0, index, size))
    level = 0
    while count := size >> 8 * level:
        for index in range(-(-count // WIDTH)):
            yield Tile(level=level, index=index, width=widest(level, index, size))
        level += 1


def tile_bytes(tile: Tile, read: merkle.Reader) -> bytes:
    """The bytes of a tile: its hashes, one after another."""
    first = WIDTH * tile.index
    return b"".join([read(8 * tile.level, position) for position in range(first, first + tile.width)])


def check_entry(entry: bytes) -> bytes:
    """`entry` itself; TooLarge if a bundle cannot hold it."""
    if len(entry) > ENTRY_LIMIT:
        raise TooLarge(f"entry of {len(entry)} bytes is over the limit of {ENTRY_LIMIT}")
    return entry


def bundle(entries: Sequence[bytes]) -> bytes:
    """The bytes of 1 to 256 entries; TooLarge if one is over 65,535 bytes."""
    if not 0 < len(entries) <= WIDTH:
        raise ValueError(f"a bundle holds 1 to {WIDTH} entries")
    return b"".join([len(check_entry(entry)).to_bytes(2, "big") + entry for entry in entries])


def unbundle(data: bytes, width: int) -> tuple[bytes, ...]:
    """The entries in the bytes of a bundle; Malformed unless `data` is exactly `width` entries."""
    entries: list[bytes] = []
    at = 0
    for _ in range(width):
        start = at + 2
        at = start + int.from_bytes(data[at:start], "big")
        if at > len(data):
            raise Malformed(f"the bundle ends within entry {len(entries)} of {width}")
        entries.append(data[start:at])
    if at != len(data):
        raise Malformed(f"the bundle goes on after {width} entries")
    return tuple(entries)


def read_entries(index: int, size: int, fetch: Fetch) -> tuple[bytes, ...]:
    """The entries, unverified, of bundle `index` of a log of `size` entries. Malformed, or what `fetch` raises."""
    wanted = Bundle(index=index, width=widest(0, index, size))
    got, data = _fetch(wanted, Bundle(index=index), fetch)
    return unbundle(data, got.width)[: wanted.width]


def reader(size: int, fetch: Fetch) -> merkle.Reader:
    """Hashes, unverified, of a log of `size` entries, out of its tiles. Malformed, or what `fetch` raises.

    Asks only for tiles that the size implies, and each about once. Check what you make of it against the root.
    """

    @lru_cache(maxsize=_CACHE)
    def load(level: int, index: int) -> bytes:
        wanted = Tile(level=level, index=index, width=widest(level, index, size))
        got, data = _fetch(wanted, Tile(level=level, index=index), fetch)
        if len(data) != 32 * got.width:
            raise Malformed(f"{got.path} has {len(data)} bytes and not {32 * got.width}")
        return data[: 32 * wanted.width]

    def read(level: int, position: int) -> bytes:
        if (position + 1) << level > size:
            raise ValueError(f"no complete subtree {position} at level {level} in a log of {size} entries")
        up, count = level // 8, 1 << level % 8
        first = position * count
        data, at = load(up, first // WIDTH), 32 * (first % WIDTH)
        _, edge = merkle.grow(0, (), [data[i : i + 32] for i in range(at, at + 32 * count, 32)])
        return edge[0]

    return read


def _fetch(wanted: _Named, full: _Named, fetch: Fetch) -> tuple[_Named, bytes]:
    """A log may drop a partial file once the full one exists: then that one, to be cut."""
    try:
        return wanted, fetch(wanted.path)
    except NotFound:
        if wanted == full:
            raise
        return full, fetch(full.path)


def _numbered(index: int, width: int) -> str:
    text = f"{index % 1000:03d}"
    while index := index // 1000:
        text = f"x{index % 1000:03d}/{text}"
    return text if width == WIDTH else f"{text}.p/{width}"
