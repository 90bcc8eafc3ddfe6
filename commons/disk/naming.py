"""A finished file gets its name, and takes nobody else's: what came to stand there meanwhile stays."""

from __future__ import annotations

import ctypes
import errno
import os

_NO_LINKS = (errno.EPERM, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK, errno.EINVAL)  # FAT, some network disks
_NOREPLACE = 1  # RENAME_NOREPLACE of Linux


def give(place: str, name: str, from_folder: int | None = None, to_folder: int | None = None) -> None:
    """Let the file at `place` be called `name`, each below a folder's descriptor if one is given. FileExistsError, and
    nothing changed, where something has that name, a link that leads nowhere included. A crash in here leaves the file
    under its old name, or under both."""
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
