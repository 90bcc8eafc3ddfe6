"""The files of an exported log: each compared with the log that was verified, or named as unchecked."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from commons.core.state import transfer
from commons.core.tlog import merkle, tiles
from commons.core.tlog.tiles import Bundle, Tile
from commons.errors import CommonsError
from commons.log.files import Read, bundles
from commons.log.judge import Report


async def check(read: Read, names: Iterable[str], report: Report) -> dict[str, Any]:
    """The files of an export, compared: how many were `checked`, which are `damaged` and why, which are `missing` from
    a whole export, and which are no part of a log (`unchecked`).

    The audit that made the `report` has checked entries and openings; here the hash tiles, and the head beside the
    newest, are compared with the tree of those entries.
    """
    size, given = report.head.checkpoint.size, set(names)
    layout = {each.path: each for each in tiles.layout(size)}
    beside = {f"openings/{path.removeprefix('tile/entries/')}" for path, each in layout.items() if _is_bundle(each)}
    whole = {"checkpoint", *layout, *(beside if given & beside else ())}
    damaged: list[dict[str, str]] = []
    tree = await _Hashes.of(read, size)
    for path, each in layout.items():
        if isinstance(each, Tile) and path in given:
            try:
                wrong = "" if await read(path) == tree.tile(each) else "its hashes are not those of the entries"
            except CommonsError as error:
                wrong = error.message
            if wrong:
                damaged.append({"file": path, "what": wrong})
    if "cosigned" in given:
        try:
            head = transfer.open_head(await read("cosigned"), report.log.name, report.state.tenures).checkpoint
            if head.size > size or head.root != merkle.root(head.size, tree.read):
                damaged.append({"file": "cosigned", "what": "it is not a head of this log"})
        except CommonsError as error:
            damaged.append({"file": "cosigned", "what": error.message})
    known = whole | {"cosigned"}
    return {
        "checked": len(given & known),
        "damaged": damaged,
        "missing": sorted(whole - given),
        "unchecked": sorted(given - known),
    }


def _is_bundle(each: Bundle | Tile) -> bool:
    return isinstance(each, Bundle)


class _Hashes:
    """The tree of the entries: its leaves, and of each 256 of one level the hash that is in a tile of the next."""

    def __init__(self) -> None:
        self._levels: list[list[bytes]] = [[]]

    @classmethod
    async def of(cls, read: Read, size: int) -> _Hashes:
        made = cls()
        async for _, batch in bundles(read, size):
            made._levels[0] += [merkle.leaf(data) for data in batch]
        while len(below := made._levels[-1]) >= tiles.WIDTH:
            full = len(below) // tiles.WIDTH * tiles.WIDTH
            starts = range(0, full, tiles.WIDTH)
            made._levels.append([merkle.root_of(below[at : at + tiles.WIDTH]) for at in starts])
        return made

    def tile(self, tile: Tile) -> bytes:
        first = tile.index * tiles.WIDTH
        return b"".join(self._levels[tile.level][first : first + tile.width])

    def read(self, level: int, pos: int) -> bytes:
        """merkle.Reader."""
        up, count = level // 8, 1 << level % 8
        return merkle.root_of(self._levels[up][pos * count : (pos + 1) * count])
