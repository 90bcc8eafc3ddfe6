"""A finished file gets its name, and takes nobody else's: what came to stand there meanwhile stays."""

from __future__ import annotations

import ctypes
import errno
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from commons.errors import Conflict, NotFound, StorageFailed, refusal

_NO_LINKS = (errno.EPERM, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK, errno.EINVAL)  # FAT, some network disks
_NOREPLACE = 1  # RENAME_NOREPLACE of Linux


@contextmanager
def drafting(path: Path) -> Iterator[Path]:
    """A context that gives a path to write to. What is written there is called `path` at the end, if nothing is raised
    and nobody has taken that name meanwhile: then it stays theirs. Conflict, NotFound without a folder to write in,
    StorageFailed. A crash leaves a folder beside it whose name begins with a dot."""
    if not path.parent.is_dir():
        raise NotFound(f"there is no folder {path.parent}", hint="make it first")
    if os.path.lexists(path):
        raise _taken(path)
    try:
        work = Path(tempfile.mkdtemp(prefix=f".{path.name}.", dir=path.parent))
        try:
            yield work / "whole"
            give(str(work / "whole"), str(path))
        finally:
            shutil.rmtree(work, ignore_errors=True)
    except FileExistsError as error:
        raise _taken(path) from error
    except OSError as error:
        raise StorageFailed(
            f"cannot write {path}: {refusal(error)}", hint="check free space and permissions"
        ) from error


def _taken(path: Path) -> Conflict:
    return Conflict(f"{path} exists already", hint="nothing of it was touched: name another")


def give(place: str, name: str, from_folder: int | None = None, to_folder: int | None = None) -> None:
    """Nothing: the file at `place` is called `name`, each below a folder's descriptor if one is given. FileExistsError,
    and nothing changed, where something has that name, a link that leads nowhere included. A crash in here leaves the
    file under its old name, or under both."""
    try:
        os.link(place, name, src_dir_fd=from_folder, dst_dir_fd=to_folder, follow_symlinks=False)
    except OSError as error:
        if error.errno not in _NO_LINKS:
            raise
        _rename(place, name, from_folder, to_folder)
    else:
        os.unlink(place, dir_fd=from_folder)


def _rename(place: str, name: str, from_folder: int | None, to_folder: int | None) -> None:
    """On a disk without hard links: by the system's own call, or where it has none, by a look before the leap."""
    call = getattr(ctypes.CDLL(None, use_errno=True), "renameat2", None)
    here = [-100 if each is None else each for each in (from_folder, to_folder)]  # AT_FDCWD
    if call is not None and call(here[0], os.fsencode(place), here[1], os.fsencode(name), _NOREPLACE) == 0:
        return
    number = ctypes.get_errno() if call is not None else errno.ENOSYS
    if number not in (errno.ENOSYS, errno.EINVAL):
        raise OSError(number, os.strerror(number), name)
    try:
        os.stat(name, dir_fd=to_folder, follow_symlinks=False)
    except FileNotFoundError:
        os.rename(place, name, src_dir_fd=from_folder, dst_dir_fd=to_folder)
    else:
        raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), name)
