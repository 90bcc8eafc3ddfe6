"""Sealed packs to files: decrypted, verified, then named. Nothing unverified stands under a final name.

Every step below the folder is taken by descriptor and no link is followed, so nothing is written outside it; what
somebody made there meanwhile is not overwritten. Knows no network: the packs are in the store.

Power loss: a file over 1 MiB is synced before it gets its name, small ones by one sync of the system for each batch,
and another comes before `unpack` returns. So what has its name has its bytes.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import stat
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing, suppress
from pathlib import Path

from commons.core.dataset import contents
from commons.core.dataset.contents import Contents, File, PackEntry
from commons.core.dataset.manifest import Manifest
from commons.core.dataset.pack import SEGMENT
from commons.disk import naming, packs, space
from commons.disk.packs import Store
from commons.disk.pipeline import OpenPacks, Unlocked
from commons.errors import Busy, Conflict, Untrue

STAGING = ".commons:unpacking"  # a name no dataset may hold

_MOVED = "let the folder alone until the command has ended, then repeat it"
_AHEAD = 4  # segments read and opened before they are asked for
_BATCH_BYTES, _BATCH_FILES = 256 << 20, 4096  # what a kill can cost, and be written again
_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_READ = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
_NEW = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC


def read_contents(
    store: Store, entry: PackEntry, secret: bytes, series: bytes, most: int = contents.LIMIT, files: int | None = None
) -> Contents:
    """The contents table in the pack `entry`, of at most `most` bytes and of so many `files`, if that is known:
    NotFound, Untrue, Malformed, TooLarge."""
    with closing(Unlocked(store, entry, secret, series)) as pack:
        return contents.decode(pack.whole(most), files)


def contents_of(store: Store, value: Manifest, secret: bytes) -> Contents:
    """The contents table of a dataset, which holds what its manifest promises: NotFound, Untrue, Malformed, TooLarge.
    The promise bounds its size before it is opened, and its rows are counted before one is made."""
    found = read_contents(store, value.contents, secret, value.series, value.table_room(), value.files)
    value.check_contents(found)
    return found


def unpack(
    contents: Contents,
    store: Store,
    keys: Callable[[int], bytes],
    series: bytes,
    dest: Path,
    progress: Callable[[int], None] = lambda more: None,
    *,
    replace: bool = False,
) -> None:
    """Nothing, once the files are written below `dest`; `keys` gives an epoch's secret. Files that stand there as they
    should are kept.

    Conflict, before anything is written, for a name taken by something else, unless `replace`; and for one that is
    taken, or a folder that is moved, while it unpacks: what stands there stays. Untrue for a byte that is not the
    publisher's, NotFound for a pack not in the store, Busy while another process unpacks here, StorageFailed, also for
    a disk with too little space. `progress` is told of bytes as they are done, and may raise to stop.
    """
    with packs.door(f"make the folder {dest}"):
        dest.mkdir(parents=True, exist_ok=True)
    with packs.door(f"unpack into {dest}"), closing(_Ground(dest)) as ground:
        todo, needed = list[File](), 0
        for file in contents.files:
            if (state := ground.state(file)) is None or (replace and not state):
                todo.append(file)
                needed += file.size if state is None else 0
            elif not state:
                raise ground.taken(file)
            else:
                progress(file.size)
        largest = max((file.size for file in todo), default=0)  # stands beside what it replaces until it has its name
        space.check((dest, max(needed, min(sum(file.size for file in todo), _BATCH_BYTES + largest))))
        todo.sort(key=lambda file: [(run.pack, run.first, run.offset) for run in file.runs[:1]])
        with closing(OpenPacks(contents, store, keys, series)) as shelf, closing(_Segments(shelf, todo)) as segments:
            ground.stage()
            batch, held = list[File](), 0
            for file in todo:
                ground.write(file, str(len(batch)), segments)
                batch.append(file)
                held += file.size
                progress(file.size)
                if held >= _BATCH_BYTES or len(batch) >= _BATCH_FILES:
                    ground.place(batch, replace)
                    batch, held = [], 0
            ground.place(batch, replace)
        if todo:
            os.sync()
        ground.check(todo)


def verify(dest: Path, contents: Contents) -> tuple[str, ...]:
    """The paths which are missing below `dest` or do not hold their bytes; empty if all is well. Links are wrong."""
    if not dest.is_dir():
        return tuple([file.path for file in contents.files])
    wrong = []
    with packs.door(f"read {dest}"), closing(_Ground(dest)) as ground:
        for file in contents.files:
            try:
                right = ground.state(file)
            except Conflict:  # a link, or no folder, on the way
                right = False
            if not right:
                wrong.append(file.path)
    return tuple(wrong)


class _Segments:
    """The plaintexts that `files` need, in their order, opened ahead by two threads."""

    def __init__(self, shelf: OpenPacks, files: Sequence[File]) -> None:
        self._shelf, self._plan = shelf, _plan(files)
        self._threads = ThreadPoolExecutor(2)
        self._coming: deque[tuple[tuple[int, int], Future[bytes]]] = deque()
        self._place, self._plain = (-1, -1), b""

    def get(self, place: tuple[int, int]) -> bytes:
        """The segment at `place` (pack, number): the one asked for last, or the next of the plan."""
        if place != self._place:
            while len(self._coming) < _AHEAD and (ahead := next(self._plan, None)):
                self._coming.append((ahead, self._threads.submit(self._shelf.read, *ahead)))
            self._place, coming = self._coming.popleft()
            assert self._place == place
            self._plain = coming.result()
        return self._plain

    def close(self) -> None:
        self._threads.shutdown(cancel_futures=True)


def _plan(files: Sequence[File]) -> Iterator[tuple[int, int]]:
    last = None
    for file in files:
        for place in _places(file):
            if place != last:
                yield place
            last = place


def _places(file: File) -> Iterator[tuple[int, int]]:
    for run in file.runs:
        for number in range(run.first, run.first + run.count):
            yield run.pack, number


class _Ground:
    """The folder that receives the files. For one thread."""

    def __init__(self, dest: Path) -> None:
        self._dest = dest
        self._root = os.open(dest, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        self._staging, self._staged = -1, False
        self._buffer = memoryview(bytearray(SEGMENT))
        self._last: tuple[str, int] | None = None  # the folder used last: files come sorted, or nearly

    def close(self) -> None:
        """Also removes the staging folder with what failed in it, if it was ours."""
        if self._staged:
            with suppress(OSError):
                self._wipe()
                os.rmdir(STAGING, dir_fd=self._root)
        for fd in {self._root, self._staging, self._last[1] if self._last else -1} - {-1}:
            os.close(fd)

    def state(self, file: File) -> bool | None:
        """True if `file` stands here as it should, False if something else does, None if nothing."""
        folder, _, name = file.path.rpartition("/")
        at = self._folder(folder, make=False)
        if at is None:
            return None
        try:
            found = os.stat(name, dir_fd=at, follow_symlinks=False)
        except FileNotFoundError:
            return None
        if not stat.S_ISREG(found.st_mode) or found.st_size != file.size:
            return False
        fd = os.open(name, _READ, dir_fd=at)
        try:
            return self._digest(fd) == file.sha256
        finally:
            os.close(fd)

    def stage(self) -> None:
        """A folder for what is not verified yet, empty, and ours while the descriptor is open."""
        self._staging = self._step(self._root, STAGING, make=True)
        try:
            fcntl.flock(self._staging, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise Busy(f"another process is unpacking into {self._dest}") from error
        self._staged = True
        self._wipe()

    def _wipe(self) -> None:
        for name in os.listdir(self._staging):
            os.unlink(name, dir_fd=self._staging)

    def write(self, file: File, name: str, segments: _Segments) -> None:
        """`file`, verified, under `name` in the staging folder; Untrue."""
        fd = os.open(name, _NEW, 0o644, dir_fd=self._staging)  # never executable
        try:
            whole, at = hashlib.sha256(), 0
            for place in _places(file):
                start = file.runs[0].offset if at == 0 else 0
                part = memoryview(segments.get(place))[start : start + min(SEGMENT, file.size - at)]
                whole.update(part)
                packs.write(fd, part, at)
                at += len(part)
            if at != file.size or whole.digest() != file.sha256:
                raise Untrue(f"{file.path!r} is not the file its publisher described")
            if file.size > SEGMENT:
                os.fsync(fd)
        finally:
            os.close(fd)

    def place(self, batch: Sequence[File], replace: bool) -> None:
        """Give the staged files their names; Conflict where one has come to be another's. A crash before leaves them
        staged, and the next `unpack` starts the batch again; in the middle, some have their names and are kept."""
        if any(file.size <= SEGMENT for file in batch):
            os.sync()
        self._forget()
        for name, file in enumerate(batch):
            folder, _, last = file.path.rpartition("/")
            at = self._folder(folder, make=True)
            if replace:
                os.rename(str(name), last, src_dir_fd=self._staging, dst_dir_fd=at)
                continue
            try:
                naming.give(str(name), last, self._staging, at)
            except FileExistsError as error:
                if not self.state(file):
                    raise self.taken(file) from error

    def check(self, files: Sequence[File]) -> None:
        """Conflict unless `files`, which were placed, still stand where they belong, as far as can be seen without
        reading them again: somebody may have moved a folder while they were written."""
        self._forget()
        here, there = os.fstat(self._root), os.stat(self._dest)
        if (here.st_dev, here.st_ino) != (there.st_dev, there.st_ino):
            raise Conflict(f"{self._dest} was put in another's place while it was written", hint=_MOVED)
        for file in files:
            folder, _, last = file.path.rpartition("/")
            at = self._folder(folder, make=False)
            try:
                found = None if at is None else os.stat(last, dir_fd=at, follow_symlinks=False)
            except FileNotFoundError:
                found = None
            if found is None or not stat.S_ISREG(found.st_mode) or found.st_size != file.size:
                raise Conflict(f"{os.path.join(self._dest, file.path)} was moved while it was written", hint=_MOVED)

    def taken(self, file: File) -> Conflict:
        return Conflict(
            f"{os.path.join(self._dest, file.path)} exists and is another file",
            hint="choose an empty folder, move the file away, or overwrite with --replace",
        )

    def _forget(self) -> None:
        """The folder used last may not be at its path any more."""
        if self._last:
            os.close(self._last[1])
        self._last = None

    def _digest(self, fd: int) -> bytes:
        whole = hashlib.sha256()
        while count := os.readv(fd, [self._buffer]):
            whole.update(self._buffer[:count])
        return whole.digest()

    def _folder(self, path: str, make: bool) -> int | None:
        """A descriptor of the folder `path`, ours to close; None if it is not there."""
        if not path:
            return self._root
        if self._last and self._last[0] == path:
            return self._last[1]
        fd = os.dup(self._root)
        for part in path.split("/"):
            try:
                below = self._step(fd, part, make)
            except FileNotFoundError:
                return None
            finally:
                os.close(fd)
            fd = below
        if self._last:
            os.close(self._last[1])
        self._last = (path, fd)
        return fd

    def _step(self, fd: int, part: str, make: bool) -> int:
        if make:
            with suppress(FileExistsError):
                os.mkdir(part, 0o755, dir_fd=fd)
        try:
            return os.open(part, _FOLDER, dir_fd=fd)
        except OSError as error:
            if isinstance(error, FileNotFoundError):
                raise
            raise Conflict(f"{part!r} below {self._dest} is a link or no folder: nothing is written there") from error
