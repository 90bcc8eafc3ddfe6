"""Files to sealed packs, in one pass and bounded memory. What an earlier version holds already is not sealed again.

This is the reading room, one thread, the caller's; `pipeline.PackWriter` has the others. Knows nothing of manifests.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field, replace

from commons.core.dataset import contents
from commons.core.dataset.contents import Contents, File, PackEntry, Run
from commons.core.dataset.pack import SEGMENT
from commons.core.dataset.rights import Rights
from commons.disk import folder
from commons.disk.folder import Source
from commons.disk.packs import Store
from commons.disk.pipeline import OpenPacks, PackWriter, Slot
from commons.errors import NotFound


@dataclass(frozen=True, slots=True, kw_only=True)
class Packed:
    """What a version consists of: its packs and files. `new` is its own pack, if it needed one; bytes are of the
    sources' plaintext."""

    contents: Contents
    new: PackEntry | None
    contents_pack: PackEntry
    bytes_read: int
    bytes_reused: int

    @property
    def packs(self) -> tuple[PackEntry, ...]:
        """Every pack a reader needs, older ones included, but for the contents table's own."""
        return self.contents.packs


def pack(
    sources: Sequence[Source],
    *,
    secret: bytes,
    series: bytes,
    epoch: int,
    store: Store,
    salt: Callable[[int], bytes] = os.urandom,
    previous: Contents | None = None,
    old_secret: Callable[[int], bytes] | None = None,
    rights: Mapping[str, Rights] | None = None,
    progress: Callable[[int], None] = lambda more: None,
) -> Packed:
    """The packs and files of a version, once `sources` are sealed under `secret`, the secret of `epoch` (32 bytes),
    into `store`.

    What stands in `previous` is referred to; of a large file that changed, its unchanged slices of 1 MiB are too, if
    `old_secret` (of an epoch) is given and `store` holds their packs. `rights` by path, where a file has its own.
    `progress` is told of bytes as they are done, and may raise to stop. Conflict if a source changes meanwhile;
    StorageFailed.
    """
    older = previous or Contents(packs=(), files=())
    with (
        closing(PackWriter(store, secret, series, epoch, salt)) as line,
        closing(_Old(older, store, series, old_secret)) as old,
    ):
        work = _Work(line=line, old=old, progress=progress)
        for source in sources:
            with folder.reading(source) as fd:
                (work.small if source.size <= SEGMENT else work.large)(source, fd)
        work.flush()
        # 1. The data pack takes its name. A crash before leaves *.tmp, swept out; after, a pack nothing refers to:
        #    packing again makes another, under another salt.
        new = line.finish()
    table = _table(work.files, older.packs, new, rights or {})
    # 2. The table that refers to it. The caller signs and speaks only once it has both.
    with closing(PackWriter(store, secret, series, epoch, salt)) as line:
        own = _seal(contents.encode(table), line)
    return Packed(contents=table, new=new, contents_pack=own, bytes_read=work.read, bytes_reused=work.reused)


def _seal(data: bytes, line: PackWriter) -> PackEntry:
    for start in range(0, len(data), SEGMENT):
        part = data[start : start + SEGMENT]
        slot = line.slot()
        slot.plain[: len(part)] = part
        line.put(slot, len(part))
    entry = line.finish()
    assert entry is not None  # no table encodes to nothing
    return entry


def _table(
    files: list[File], older: tuple[PackEntry, ...], new: PackEntry | None, rights: Mapping[str, Rights]
) -> Contents:
    """The files sorted, the packs without those no file refers to any more, the runs renumbered to match."""
    files.sort(key=lambda file: file.path)
    entries = (*older, *((new,) if new else ()))
    used = sorted({run.pack for file in files for run in file.runs})
    if len(used) < len(entries):
        index = {before: after for after, before in enumerate(used)}
        for i, file in enumerate(files):
            files[i] = replace(file, runs=tuple([replace(run, pack=index[run.pack]) for run in file.runs]))
    listed = sorted(
        {rights[file.path] for file in files if file.path in rights}, key=lambda r: (r.licence, r.copyright)
    )
    if listed:
        number = {each: n for n, each in enumerate(listed, start=1)}
        for i, file in enumerate(files):
            if file.path in rights:
                files[i] = replace(file, rights=number[rights[file.path]])
    return Contents(packs=tuple([entries[i] for i in used]), files=tuple(files), rights=tuple(listed))


@dataclass(slots=True, kw_only=True)
class _Work:
    """What was read so far. `bundle` gathers small files for one segment; they join `files` when it is put."""

    line: PackWriter
    old: _Old
    progress: Callable[[int], None]
    files: list[File] = field(default_factory=list)
    read: int = 0
    reused: int = 0
    bundle: Slot | None = None
    held: int = 0  # bytes in the bundle
    members: list[tuple[Source, bytes, int]] = field(default_factory=list)  # source, sha256, offset

    def small(self, source: Source, fd: int) -> None:
        if self.held + source.size > SEGMENT:
            self.flush()
        if self.bundle is None:
            self.bundle = self.line.slot()
        view = self.bundle.plain[self.held : self.held + source.size]
        folder.fill(source, fd, view)
        digest = hashlib.sha256(view).digest()
        runs = self.old.runs(digest, source.size)
        if runs is None and source.size:
            self.members.append((source, digest, self.held))
            self.held += source.size
        else:
            self._add(source, digest, runs or (), source.size)
        self._done(source.size)

    def flush(self) -> None:
        if self.bundle is not None and self.held:
            number = self.line.put(self.bundle, self.held)
            self.bundle = None
            for source, digest, offset in self.members:
                run = Run(pack=self.old.count, first=number, count=1, offset=offset)
                self._add(source, digest, (run,), 0)
            self.held, self.members = 0, []

    def large(self, source: Source, fd: int) -> None:
        if source.size in self.old.sizes:  # perhaps unchanged: to hash costs less than to compare or to seal
            digest = self._digest(source, fd)
            runs = self.old.runs(digest, source.size)
            if runs is not None:
                self._add(source, digest, runs, source.size)
                self._done(source.size)
                return
            os.lseek(fd, 0, os.SEEK_SET)
        slices = self.old.slices(source)
        whole, found, reused = hashlib.sha256(), list[Run](), 0
        for start in range(0, source.size, SEGMENT):
            slot = self.line.slot()
            view = slot.plain[: min(SEGMENT, source.size - start)]
            folder.fill(source, fd, view)
            whole.update(view)
            same = slices(start // SEGMENT, view)
            if same:
                self.line.back(slot)
                reused += len(view)
            pack_index, number = same or (self.old.count, self.line.put(slot, len(view)))
            last = found[-1] if found else None
            if last and last.pack == pack_index and last.first + last.count == number:
                found[-1] = replace(last, count=last.count + 1)
            else:
                found.append(Run(pack=pack_index, first=number, count=1, offset=0))
            self._done(len(view))
        self._add(source, whole.digest(), tuple(found), reused)

    def _digest(self, source: Source, fd: int) -> bytes:
        slot, whole = self.line.slot(), hashlib.sha256()
        for start in range(0, source.size, SEGMENT):
            view = slot.plain[: min(SEGMENT, source.size - start)]
            folder.fill(source, fd, view)
            whole.update(view)
        self.line.back(slot)
        return whole.digest()

    def _add(self, source: Source, digest: bytes, runs: tuple[Run, ...], reused: int) -> None:
        self.reused += reused
        self.files.append(
            File(path=source.path, size=source.size, sha256=digest, media_type=source.media_type, runs=runs)
        )

    def _done(self, size: int) -> None:
        self.read += size
        self.progress(size)


class _Old:
    """What the version before holds: `count` packs, files by hash, and, to compare with, slices by path."""

    def __init__(self, previous: Contents, store: Store, series: bytes, secret: Callable[[int], bytes] | None) -> None:
        self.count = len(previous.packs)
        self._files = {file.sha256: file for file in previous.files}
        self._large = {file.path: file for file in previous.files if file.size > SEGMENT}
        self.sizes = {file.size for file in self._large.values()}
        self._shelf = OpenPacks(previous, store, secret, series) if secret else None

    def runs(self, digest: bytes, size: int) -> tuple[Run, ...] | None:
        """Where the file of this hash is already."""
        file = self._files.get(digest)
        return file.runs if file and file.size == size else None

    def slices(self, source: Source) -> Callable[[int, memoryview], tuple[int, int] | None]:
        """A function from slice number and bytes to the pack and segment where this path had the same slice before."""
        file, shelf = self._large.get(source.path), self._shelf
        runs = file.runs if file else ()
        places = [(run.pack, number) for run in runs for number in range(run.first, run.first + run.count)]

        def same(index: int, view: memoryview) -> tuple[int, int] | None:
            if shelf is None or index >= len(places):
                return None
            try:
                plain = shelf.read(*places[index])
            except NotFound:  # the pack is not here any more: the slice is sealed anew
                return None
            return places[index] if plain == view else None

        return same

    def close(self) -> None:
        if self._shelf:
            self._shelf.close()
