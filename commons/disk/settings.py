"""A home's settings, and how a small secret file is written: whole or not at all."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

from commons.disk.packs import sync
from commons.errors import Malformed, StorageFailed, refusal

FIRST = "commons"  # the id of the commons that a home was made with
FOR = "for"  # the id of the commons of others that an identity was made for
NAMES = "names"  # what the owner calls commons, by their ids


def write_secret(path: Path, text: str) -> None:
    """Nothing: writes a file whole or not at all, mode 0600 from the first byte, durable when it returns. A crash may
    leave PATH.new."""
    new = path.with_name(path.name + ".new")
    try:
        fd = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(fd, "w") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        os.rename(new, path)
        sync(path.parent)
    except OSError as error:
        raise StorageFailed(
            f"cannot write {path}: {refusal(error)}", hint="check free space and permissions"
        ) from error


def read_config(path: Path) -> dict[str, Any]:
    try:
        config = json.loads((path / "config.json").read_text())
    except json.JSONDecodeError as error:
        raise _no_config(path, f"it is no JSON at line {error.lineno}, column {error.colno}") from error
    except (ValueError, RecursionError) as error:
        raise _no_config(path, "it is no JSON in UTF-8") from error
    except OSError as error:
        raise _no_config(path, refusal(error)) from error
    if not isinstance(config, dict):
        raise _no_config(path, "it is no JSON object")
    return config


def _no_config(path: Path, why: str) -> Malformed:
    return Malformed(f"{path / 'config.json'} cannot be read: {why}", hint="mend it, or write {} into it")


def write_config(path: Path, config: dict[str, Any]) -> None:
    write_secret(path / "config.json", json.dumps(config, indent=2) + "\n")
