"""Export the log as static files: C2SP tlog-tiles that any web server can host and any tool can verify, or one .zip."""

from __future__ import annotations

import os
import shutil
import tempfile
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from commons.core import note, tiles
from commons.core.checkpoint import parse
from commons.disk.home import Home
from commons.errors import Conflict, StorageFailed
from commons.site import Shown


def export(home: Home, site: Shown, path: Path, openings: bool) -> dict[str, Any]:
    """Whole or not at all: written beside `path`, then renamed. Conflict if `path` exists."""
    if path.exists():
        raise Conflict(f"{path} exists already", hint="name a new folder, or a new file that ends in .zip")
    size = 0
    try:
        work = Path(tempfile.mkdtemp(prefix=f".{path.name}.", dir=path.parent))
        try:
            target = work / "log"
            if path.suffix == ".zip":
                with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
                    for name, data in _parts(home, site, openings):
                        archive.writestr(zipfile.ZipInfo(name), data, zipfile.ZIP_DEFLATED)
                        size += len(data)
            else:
                for name, data in _parts(home, site, openings):
                    file = target / name
                    file.parent.mkdir(parents=True, exist_ok=True)
                    file.write_bytes(data)
                    size += len(data)
            os.rename(target, path)
        finally:
            shutil.rmtree(work, ignore_errors=True)
    except OSError as error:
        raise StorageFailed(
            f"cannot export to {path}: {error.strerror}", hint="check free space and permissions"
        ) from error
    return {"path": str(path), "entries": home.log.size, "bytes": size, "openings": openings}


def _parts(home: Home, site: Shown, openings: bool) -> Iterator[tuple[str, bytes]]:
    """The checkpoint first: what is appended meanwhile is not part of this export."""
    head = site.checkpoint(home.commons)
    size = parse(note.peek(head)).size
    yield "checkpoint", head
    for part in tiles.layout(size):
        yield part.path, site.tile(home.commons, part.path)
        if openings and isinstance(part, tiles.Bundle):
            name = part.path.removeprefix("tile/entries/")
            yield f"openings/{name}", site.openings(home.commons, name, None)
