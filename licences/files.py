"""Where the package's own files lie, and how they are read. A file whose name begins with "_" holds a table."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from importlib.resources.abc import Traversable


def room(name: str) -> Traversable:
    from importlib.resources import files  # several milliseconds: only when a file is wanted

    return files("licences") / name


def table(name: str) -> dict[str, Any]:
    """What `data/NAME.json` holds."""
    import json

    found: dict[str, Any] = json.loads((room("data") / f"{name}.json").read_text("utf-8"))
    return found
