"""Free space, looked at before somebody else's bytes fill it. Knows nothing of what they are."""

from __future__ import annotations

import os
from pathlib import Path

from commons.disk import packs
from commons.errors import StorageFailed

_UNITS = ("B", "kB", "MB", "GB", "TB", "PB")


def check(*needs: tuple[Path, int]) -> None:
    """Nothing; StorageFailed unless each path has so many bytes free on its disk, together with the others on the same
    one. A path need not exist yet. A disk that does not tell is taken to have enough."""
    wanted: dict[int, tuple[Path, int]] = {}
    with packs.door("look at free space"):
        for path, size in needs:
            if size > 0:
                place = next(each for each in (path.absolute(), *path.absolute().parents) if each.exists())
                known, before = wanted.get(place.stat().st_dev, (place, 0))
                wanted[place.stat().st_dev] = (known, before + size)
    for place, size in wanted.values():
        left = free(place)
        if left is not None and size > left:
            raise StorageFailed(
                f"disk full: {_amount(size)} are needed, and {_amount(left)} are free where {place} is",
                hint="free some space there, or name a folder on another disk",
            )


def free(path: Path) -> int | None:
    """How many bytes this user may still fill where `path` is; None where the disk does not tell."""
    try:
        found = os.statvfs(path)
    except OSError:
        return None
    return found.f_bavail * found.f_frsize if found.f_blocks else None


def _amount(size: int) -> str:
    shown, unit = float(size), 0
    while shown >= 1000 and unit < len(_UNITS) - 1:
        shown, unit = shown / 1000, unit + 1
    return f"{shown:.1f} {_UNITS[unit]}" if unit else f"{size} B"
