"""The package's own files: which there are, and how they are read. One whose name begins with "_" holds a table."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from importlib.resources.abc import Traversable


def room(name: str) -> Traversable:
    """A folder of this package, as installed: `data` or `texts`."""
    from importlib.resources import files  # several milliseconds: only when a file is wanted

    return files("licences") / name


def table(name: str) -> dict[str, Any]:
    """What `data/NAME.json` holds."""
    import json

    found: dict[str, Any] = json.loads((room("data") / f"{name}.json").read_text("utf-8"))
    return found


@cache
def ids() -> tuple[str, ...]:
    """The ids of the licences that have a file here, sorted. Reads a folder, no file."""
    names = (f.name for f in room("data").iterdir())
    return tuple(sorted(name.removesuffix(".json") for name in names if name.endswith(".json") and name[0] != "_"))


def shipped_text(id: str) -> str:
    """What `texts/ID.txt` holds, with its own line ends."""
    return (room("texts") / f"{id}.txt").read_bytes().decode()
