"""A pack on disk with its key: written by a line of threads, read segment by segment.

Segments and their numbers only: knows nothing of the files in them.
"""

from __future__ import annotations

import os
import threading
from collections import OrderedDict
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from itertools import accumulate
from pathlib import Path
from queue import SimpleQueue

from commons.core.dataset import pack, pieces
from commons.core.dataset.contents import Contents, PackEntry
from commons.core.dataset.pack import PackKey
from commons.disk import packs
from commons.disk.packs import Store
from commons.errors import TooLarge, Untrue

_SEALERS = 2  # threads that compress and seal
_SLOTS = 8  # segments on the way at once, each with 2 MiB of buffers
_OPEN = 64  # packs held open at once, of however many a version refers to


@dataclass(frozen=True, slots=True, kw_only=True)
class Slot:
    """Room for one segment: the caller fills `plain`, 1 MiB."""

    plain: memoryview
    sealed: bytearray


class PackWriter:
    """A pack being made: `put` a filled slot, and it is sealed by two threads, then written by one and hashed by one.

    A slot is taken before it is filled and comes back when it is written: so slots bound the memory, and no segment can
    overtake another into a deadlock. The first failure is raised by the next `slot`, or by `finish`.
    """

    def __init__(self, store: Store, secret: bytes, series: bytes, epoch: int, salt: Callable[[int], bytes]) -> None:
        self._store, self._secret, self._series, self._epoch, self._salt = store, secret, series, epoch, salt
        self._slots: SimpleQueue[Slot] = SimpleQueue()
        for _ in range(_SLOTS):
            sealed = bytearray(pack.SEGMENT + pack.OVERHEAD)
            self._slots.put(Slot(plain=memoryview(bytearray(pack.SEGMENT)), sealed=sealed))
        self._sealers, self._writer = ThreadPoolExecutor(_SEALERS), ThreadPoolExecutor(1)
        self._hashing = ThreadPoolExecutor(1)
        self._hasher, self._segments, self._at = pieces.Hasher(), list[int](), 0
        self._count, self._fd = 0, -1
        self._temp: Path | None = None
        self._key: PackKey | None = None
        self._failure: BaseException | None = None

    def slot(self) -> Slot:
        """A free slot, once there is one. Raises what failed in a thread."""
        slot = self._slots.get()
        if self._failure:
            raise self._failure
        return slot

    def back(self, slot: Slot) -> None:
        """Nothing: takes a slot back that is not needed after all."""
        self._slots.put(slot)

    def put(self, slot: Slot, size: int) -> int:
        """The number of the segment whose plaintext is the first `size` bytes of `slot`."""
        key = self._key or self._begin()
        number, self._count = self._count, self._count + 1
        sealed = self._sealers.submit(pack.seal_into, key, number, slot.plain[:size], slot.sealed)
        self._writer.submit(self._write, slot, sealed)
        return number

    def finish(self) -> PackEntry | None:
        """The pack, now in the store; None, and nothing was written, if nothing was put."""
        self._writer.shutdown()
        if self._failure:
            raise self._failure
        if self._temp is None:
            return None
        tree = self._hasher.finish()
        self._store.adopt(self._temp, tree)
        return PackEntry(root=tree.root, size=tree.size, epoch=self._epoch, segments=tuple(self._segments))

    def close(self) -> None:
        """Nothing: stops the threads and removes what was not finished."""
        self._sealers.shutdown()
        self._writer.shutdown()
        self._hashing.shutdown()
        if self._fd >= 0:
            os.close(self._fd)
        if self._temp is not None:
            self._temp.unlink(missing_ok=True)

    def _begin(self) -> PackKey:
        header, key = pack.header(self._secret, self._series, self._salt(pack.SALT))
        temp = self._store.temp()
        with packs.door("begin a pack"):
            self._fd = os.open(temp, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o644)
        self._temp, self._key = temp, key
        self._append(header)
        return key

    def _append(self, data: pieces.Buffer) -> None:
        hashed = self._hashing.submit(self._hasher.update, data)
        with packs.door("write a pack"):
            packs.write(self._fd, data, self._at)
        hashed.result()
        self._at += len(data)

    def _write(self, slot: Slot, sealed: Future[int]) -> None:
        try:
            length = sealed.result()
            if self._failure is None:
                self._append(memoryview(slot.sealed)[:length])
                self._segments.append(length)
        except BaseException as error:  # handed to the caller's thread, whatever it is
            self._failure = self._failure or error
        finally:
            self._slots.put(slot)


class Unlocked:
    """A pack of the store, opened with its key. From any thread; the caller closes it."""

    def __init__(self, store: Store, entry: PackEntry, secret: bytes, series: bytes) -> None:
        """NotFound; Untrue if the pack is not as `entry` says or `secret` does not open it."""
        self._entry = entry
        self._starts = list(accumulate(entry.segments, initial=pack.HEADER))
        if store.size(entry.root) != entry.size:
            raise Untrue(f"the pack {entry.root.hex()} has not the {entry.size} bytes it should")
        self._fd = store.open(entry.root)
        try:
            self._key = pack.unlock(secret, series, self._bytes(0, pack.HEADER))
        except BaseException:
            self.close()
            raise

    def read(self, number: int) -> bytes:
        """The plaintext of segment `number`."""
        return pack.open(self._key, number, self._bytes(self._starts[number], self._entry.segments[number]))

    def whole(self, limit: int) -> bytes:
        """All segments joined, once the pack was hashed against its root; TooLarge over `limit` bytes."""
        hasher, plain = pieces.Hasher(), bytearray()
        hasher.update(self._bytes(0, pack.HEADER))
        for number, length in enumerate(self._entry.segments):
            stored = self._bytes(self._starts[number], length)
            hasher.update(stored)
            plain += pack.open(self._key, number, stored)
            if len(plain) > limit:
                raise TooLarge(f"the pack {self._entry.root.hex()} holds over {limit} bytes")
        if hasher.finish().root != self._entry.root:
            raise Untrue(f"the pack {self._entry.root.hex()} was changed")
        return bytes(plain)

    def close(self) -> None:
        """Nothing: closes the pack."""
        os.close(self._fd)

    def _bytes(self, start: int, length: int) -> bytes:
        with packs.door(f"read the pack {self._entry.root.hex()}"):
            data = os.pread(self._fd, length, start)
        if len(data) != length:
            raise Untrue(f"the pack {self._entry.root.hex()} is cut short")
        return data


class OpenPacks:
    """The packs of one version, each unlocked when first read from. Reads are from any thread."""

    def __init__(self, contents: Contents, store: Store, secret: Callable[[int], bytes], series: bytes) -> None:
        self._packs, self._store, self._secret, self._series = contents.packs, store, secret, series
        self._open: OrderedDict[int, Unlocked] = OrderedDict()
        self._lock = threading.Lock()

    def read(self, index: int, number: int) -> bytes:
        """Segment `number` of pack `index`: NotFound, Untrue, Malformed."""
        with self._lock:
            opened = self._open.get(index) or self._unlock(index)
            self._open.move_to_end(index)
        return opened.read(number)

    def close(self) -> None:
        """Nothing: closes the packs that were opened."""
        for opened in self._open.values():
            opened.close()

    def _unlock(self, index: int) -> Unlocked:
        entry = self._packs[index]
        self._open[index] = opened = Unlocked(self._store, entry, self._secret(entry.epoch), self._series)
        if len(self._open) > _OPEN:  # the one longest unused, so not in use: reads at once must stay fewer than _OPEN
            self._open.popitem(last=False)[1].close()
        return opened
