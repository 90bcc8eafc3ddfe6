"""Sealed files under their root: kept, served, adopted when whole, resumed when not.

A file under a root's name has that root: it was hashed before it got the name. Knows no key.
"""

from __future__ import annotations

import errno
import fcntl
import os
import secrets
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from commons.core.dataset import pieces
from commons.core.dataset.manifest import PackRef
from commons.core.dataset.pieces import Buffer, PieceTree
from commons.errors import Busy, Conflict, NotFound, StorageFailed, Untrue, refusal


@contextmanager
def door(doing: str) -> Iterator[None]:
    """A context in which the disk's refusals become ours. `doing` completes 'could not ...'."""
    try:
        yield
    except OSError as error:
        hint = "free some space, then try again" if error.errno in (errno.ENOSPC, errno.EDQUOT) else ""
        raise StorageFailed(f"{refusal(error)}: could not {doing}", hint=hint) from error


def write(fd: int, data: Buffer, at: int) -> None:
    """Nothing: writes all of `data`, at byte `at`; the system may take it in parts."""
    view = memoryview(data)
    while view:
        count = os.pwrite(fd, view, at)
        view, at = view[count:], at + count


class Store:
    """The packs in one folder: `<root>`, its piece layer `<root>.layer`; unfinished `<root>.part` and `*.tmp`."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        with door(f"make the folder {folder}"):
            folder.mkdir(parents=True, exist_ok=True)

    def path(self, root: bytes) -> Path:
        """Where the pack with this root lies, or would lie."""
        return self.folder / root.hex()

    def has(self, root: bytes) -> bool:
        """Whether the pack with this root is here."""
        return self.path(root).is_file()

    def size(self, root: bytes) -> int:
        """How many bytes a pack has; NotFound."""
        try:
            return self.path(root).stat().st_size
        except OSError as error:
            raise _absent(root) from error

    def lacking(self, wanted: Iterable[PackRef]) -> int:
        """How many bytes of the disk these packs will still take; what of them was begun is there already."""
        return sum(max(ref.size - self._begun(ref.root), 0) for ref in wanted if not self.has(ref.root))

    def _begun(self, root: bytes) -> int:
        try:
            return self.part(root).stat().st_blocks * 512
        except OSError:
            return 0

    def layer(self, root: bytes) -> bytes:
        """The hashes of a pack's pieces, checked against its root; NotFound, Untrue if the disk changed them."""
        size = self.size(root)
        if size <= pieces.PIECE:
            return root
        try:
            layer = self._layer(root).read_bytes()
        except OSError as error:
            raise _absent(root) from error
        pieces.check_layer(root, size, layer)
        return layer

    def open(self, root: bytes) -> int:
        """A descriptor to read the pack from, the caller's to close; NotFound."""
        try:
            return os.open(self.path(root), os.O_RDONLY | os.O_CLOEXEC)
        except OSError as error:
            raise _absent(root) from error

    def temp(self) -> Path:
        """A new name to write to, for `adopt` to take in or `clean` to sweep out."""
        return self.folder / f"{secrets.token_hex(8)}.tmp"

    def adopt(self, temp: Path, tree: PieceTree) -> Path:
        """The path of a pack: the whole file `temp` of this folder, whose tree was computed from its bytes, has its
        root's name now."""
        with door(f"keep the pack {tree.root.hex()}"):
            # 1. The bytes. A crash here leaves *.tmp (swept out) or *.part (verified again when resumed). A sync that
            #    failed is not tried again: the system may have dropped the pages and call the next one a success.
            try:
                sync(temp)
            except OSError:
                temp.unlink(missing_ok=True)
                raise
            # 2. The layer, durable with its name. A crash here leaves it without a pack: swept out.
            if tree.size > pieces.PIECE:
                _replace(self._layer(tree.root), tree.layer, self.temp())
                sync(self.folder)
            # 3. The name, then the folder. Whoever sees the name sees whole bytes with their layer; a crash here
            #    leaves the pack under its name or as in 2, and nobody was told yet that it is kept.
            path = temp.rename(self.path(tree.root))
            sync(self.folder)
        return path

    def remove(self, root: bytes) -> None:
        """Nothing: deletes the pack, then its layer and what was fetched of it; does nothing if it is not there."""
        with door(f"remove the pack {root.hex()}"):
            for path in (self.path(root), self._layer(root), self.part(root)):
                path.unlink(missing_ok=True)
            sync(self.folder)

    def clean(self) -> None:
        """Nothing: sweeps out what crashes left. Only while nobody writes here: the home's lock sees to that."""
        with door(f"clean the folder {self.folder}"):
            for path in self.folder.iterdir():
                if path.suffix == ".tmp" or (path.suffix == ".layer" and not path.with_suffix("").exists()):
                    path.unlink()

    def part(self, root: bytes) -> Path:
        """Where a pack with this root lies while it is fetched."""
        return self.folder / f"{root.hex()}.part"

    def _layer(self, root: bytes) -> Path:
        return self.folder / f"{root.hex()}.layer"


class Partial:
    """A pack on its way in, piece by piece, from any thread. The file is its own memory: what hashes right is there."""

    def __init__(self, store: Store, root: bytes, size: int, layer: bytes) -> None:
        """Untrue if `layer` is not `root`'s, Busy if another Partial has this root."""
        pieces.check_layer(root, size, layer)
        self._store, self._tree = store, PieceTree(root=root, size=size, layer=layer)
        self._have = bytearray(pieces.piece_count(size))
        self._path = store.part(root)
        self._lock = threading.Lock()
        with door(f"open {self._path}"):
            self._fd = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o644)
            try:
                fcntl.flock(self._fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
                os.ftruncate(self._fd, size)
                self._verify()
            except BlockingIOError as error:
                os.close(self._fd)
                raise Busy(f"the pack {root.hex()} is already being fetched") from error
            except BaseException:
                os.close(self._fd)
                raise

    def missing(self) -> tuple[int, ...]:
        """The numbers of the pieces still to come. What an earlier process wrote was verified when this one opened the
        file."""
        return tuple([index for index, have in enumerate(self._have) if not have])

    def write(self, index: int, data: Buffer) -> None:
        """Nothing: writes a piece; Untrue, and nothing written, unless `data` is piece `index`."""
        start, end = pieces.piece_range(index, self._tree.size)
        if len(data) != end - start or pieces.piece_hash(data, self._tree.size) != self._hash(index):
            raise Untrue(f"piece {index} of {self._tree.root.hex()} is not what was asked for")
        with door(f"write the pack {self._tree.root.hex()}"):
            write(self._fd, data, start)
        self._have[index] = 1

    def finish(self) -> Path:
        """The path of the pack, whole and handed to the store; Conflict while pieces are missing."""
        if not all(self._have):
            raise Conflict(f"{self._have.count(0)} pieces of {self._tree.root.hex()} are still missing")
        path = self._store.adopt(self._path, self._tree)
        self.close()
        return path

    def close(self) -> None:
        """Nothing: lets go of the file; what was written stays for the next Partial of this root."""
        with self._lock:
            fd, self._fd = self._fd, -1
        if fd >= 0:
            os.close(fd)

    def _hash(self, index: int) -> bytes:
        return self._tree.layer[index * 32 : index * 32 + 32]

    def _verify(self) -> None:
        buffer = memoryview(bytearray(pieces.PIECE))
        at, size = 0, self._tree.size
        while at < size:
            try:
                data = os.lseek(self._fd, at, os.SEEK_DATA)  # over a hole, which no piece of ciphertext is
            except OSError as error:
                if error.errno == errno.ENXIO:  # holes to the end
                    return
                data = at  # a disk that cannot tell
            index = data // pieces.PIECE
            start, at = pieces.piece_range(index, size)
            piece = buffer[: os.preadv(self._fd, [buffer[: at - start]], start)]
            self._have[index] = pieces.piece_hash(piece, size) == self._hash(index)


def _absent(root: bytes) -> NotFound:
    return NotFound(f"this store does not have the pack {root.hex()}")


def _replace(path: Path, data: bytes, draft: Path) -> None:
    fd = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o644)
    try:
        write(fd, data, 0)
        os.fsync(fd)
        os.rename(draft, path)
    except OSError:
        draft.unlink(missing_ok=True)
        raise
    finally:
        os.close(fd)


def sync(path: Path) -> None:
    """What was written in a file, or which names a folder has, is durable when it returns."""
    fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(fd)
    finally:
        with suppress(OSError):
            os.close(fd)
