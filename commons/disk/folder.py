"""The files somebody wants to publish: found, named, and read so that a change meanwhile does not go unseen.

Regular files only; links are followed only when told to. What nobody means to give away is left out, and told; a home
is never gone into. Knows nothing of packs.
"""

from __future__ import annotations

import mimetypes
import os
import stat
import sys
import unicodedata
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from commons.core.dataset import names
from commons.disk import ignored, private
from commons.disk.ignored import Rules
from commons.errors import CommonsError, Conflict, Malformed, NotFound, Refused, StorageFailed, refusal

_TYPES = mimetypes.MimeTypes()  # its built-in table, whatever this machine has in /etc/mime.types
_ENCODED = {"gzip": "application/gzip", "bzip2": "application/x-bzip2", "xz": "application/x-xz"}
UNKNOWN = "application/octet-stream"
_KINDS = {stat.S_IFSOCK: "a socket", stat.S_IFIFO: "a pipe", stat.S_IFCHR: "a device", stat.S_IFBLK: "a device"}
_ROOM = 300  # characters for the names in one note
_FOLLOW = "pass --follow-links to publish what links lead to"


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """A regular file as it was found: `path` is its name in the dataset (NFC), `name` its name on disk below `root`."""

    root: str
    name: str
    path: str
    media_type: str
    size: int
    mtime: int  # nanoseconds
    inode: int
    follow: bool

    @property
    def place(self) -> str:
        """The path on disk."""
        return os.path.join(self.root, self.name)


@dataclass(frozen=True, slots=True, kw_only=True)
class Aside:
    """What nobody means to give away, and why: a file, or a folder ("…/") of so many `files`."""

    path: str
    why: str
    files: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class FolderListing:
    """The files of a folder: the `sources`, sorted by name as bytes; what is `left` out; what was `asked` for all the
    same; and what of the sources a dataset cannot carry (`lost`), a sentence each."""

    sources: tuple[Source, ...]
    left: tuple[Aside, ...]
    asked: tuple[Aside, ...]
    lost: tuple[str, ...]


def scan(path: Path, follow_links: bool = False, hidden: bool = False) -> FolderListing:
    """The files in folder `path`, or the file `path`; with `hidden` those too that are left out by their names.

    Refused for anything of a home, below or above; Malformed for names no dataset may hold and for what is no regular
    file, all of them at once; NotFound, StorageFailed if unreadable.
    """
    place = os.path.abspath(path)
    private.check_outside(place)
    found = _look(place, follow_links)
    if private.is_own(os.path.realpath(place), found):
        raise private.home_at(os.path.dirname(place))
    folder = stat.S_ISDIR(found.st_mode)
    if not hidden:
        _check_meant(place, folder)
    walk = _Walk(place if folder else os.path.dirname(place), follow_links, hidden)
    if folder:
        walk.enter("", ((found.st_dev, found.st_ino),), Rules(), None)
    else:
        walk.take(os.path.basename(place), found)
    sources = sorted(walk.sources, key=lambda source: source.path)  # by code points, which is by UTF-8 bytes
    faults = names.faults((source.path, source.name) for source in sources)
    _raise([*walk.faults, *([names.refusal(faults, names.LONG)] if faults else [])], len(walk.faults) + len(faults))
    return FolderListing(
        sources=tuple(sources), left=tuple(walk.left), asked=tuple(walk.asked), lost=tuple(walk.lost())
    )


def _check_meant(place: str, folder: bool) -> None:
    """Refused for a single file that is left out in a folder, and below a folder of secrets."""
    above, name = os.path.split(place)
    why = "" if folder else private.why(name, False)
    why = private.parted(above if not folder else place) or ("" if why == private.HIDDEN else why)
    if why:
        raise Refused(f"{place} is not published unless asked: {why}", hint="--hidden asks for it")


def _raise(faults: Sequence[CommonsError], count: int) -> None:
    if len(faults) < 2:
        for fault in faults:
            raise fault
        return
    kind = StorageFailed if all(isinstance(fault, StorageFailed) for fault in faults) else Malformed
    told = names.listed([fault.message for fault in faults], names.LONG, "; ")
    hints = dict.fromkeys(fault.hint for fault in faults if fault.hint)
    raise kind(f"{count} files cannot be published: {told}", hint="; ".join(hints))


def head(source: Source, most: int) -> bytes:
    """The first bytes of `source`, at most `most`; enough of them to look at, not to trust."""
    fd = _open(source)
    try:
        return os.read(fd, most)
    except OSError as error:
        raise _unreadable(source.place, error) from error
    finally:
        os.close(fd)


@contextmanager
def reading(source: Source) -> Iterator[int]:
    """A descriptor to read `source` from; Conflict, at the latest on leaving, if it is not as `scan` found it."""
    fd = _open(source)
    try:
        _check(source, fd)
        yield fd
        _check(source, fd)
    finally:
        os.close(fd)


def _open(source: Source) -> int:
    flags = os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK | (0 if source.follow else os.O_NOFOLLOW)
    try:
        return os.open(source.place, flags)
    except FileNotFoundError as error:
        raise _changed(source) from error
    except OSError as error:
        raise _unreadable(source.place, error) from error


def fill(source: Source, fd: int, view: memoryview) -> None:
    """Nothing: fills `view` from `fd`; Conflict if `source` ends before."""
    while view:
        try:
            count = os.readv(fd, [view])
        except OSError as error:
            raise _unreadable(source.place, error) from error
        if not count:
            raise _changed(source)
        view = view[count:]


def media_type(path: str) -> str:
    """The media type that the ending of `path` stands for; that of the compression where it is compressed.

    >>> media_type("rivers.csv"), media_type("rivers.csv.gz")
    ('text/csv', 'application/gzip')
    """
    kind, encoding = _TYPES.guess_type(path.rpartition("/")[2])
    return sys.intern(_ENCODED.get(encoding, UNKNOWN) if encoding else kind or UNKNOWN)


class _Walk:
    """One way through a folder, and what was met on it."""

    def __init__(self, root: str, follow: bool, hidden: bool) -> None:
        self.root, self.follow, self.hidden = root, follow, hidden
        self.sources, self.faults = list[Source](), list[CommonsError]()
        self.left, self.asked = list[Aside](), list[Aside]()
        self.empty, self.programs, self.marked, self.linked = list[str](), list[str](), list[str](), list[str]()
        self.inodes: dict[tuple[int, int], str] = {}
        self.twins = list[str]()

    def enter(self, folder: str, above: tuple[tuple[int, int], ...], rules: Rules, out: Aside | None) -> int:
        """How many files lie below `folder`, after they were taken, or left out for the reason of `out`. `above` are
        the folders we are in, by device and inode, this one included."""
        place = os.path.join(self.root, folder)
        try:
            with os.scandir(place) as entries:
                inside = sorted(entry.name for entry in entries)
        except OSError as error:
            if out is None:
                self.faults.append(_unreadable(place, error))
            return 0
        if out is None and ignored.FILE in inside:
            rules = self._ruled(folder, rules)
        count = sum(self._meet(f"{folder}/{name}" if folder else name, above, rules, out, inside) for name in inside)
        if out is None and not count and folder:
            self.empty.append(folder)
        return count

    def _ruled(self, folder: str, rules: Rules) -> Rules:
        name = f"{folder}/{ignored.FILE}" if folder else ignored.FILE
        place = os.path.join(self.root, name)
        data = head(_source(self.root, name, _look(place, self.follow), self.follow), ignored.LIMIT + 1)
        return rules.also(f"{folder}/" if folder else "", data, place)

    def _meet(
        self, name: str, above: tuple[tuple[int, int], ...], rules: Rules, out: Aside | None, beside: Sequence[str]
    ) -> int:
        place = os.path.join(self.root, name)
        try:
            here = os.lstat(place)
            if private.is_own(place, here):
                raise private.home_at(os.path.dirname(place))
            folder = stat.S_ISDIR(here.st_mode)
            link = stat.S_ISLNK(here.st_mode)
            if out is None and not (out := self._aside(name, folder, rules, beside)) and link:
                here, folder = self._through(place, name)
                out = self._behind(place, name, folder)
            if out is not None:
                return self._leave(name, here, above, rules, out)
            if folder:
                return self._below(name, here, above, rules)
            self.take(name, here)
        except (Malformed, StorageFailed) as error:
            if out is not None:
                return 0
            self.faults.append(error)
        except OSError as error:  # it went away
            if out is None:
                self.faults.append(_unreadable(place, error))
            return 0
        return 1

    def _aside(self, name: str, folder: bool, rules: Rules, beside: Sequence[str]) -> Aside | None:
        """Why it is left out by its name; None for what is published."""
        path, last = f"{name}/" if folder else name, name.rpartition("/")[2]
        if rules.above and rules.hit(path):
            return Aside(path=path, why=f"named in {ignored.FILE}")
        why = private.why(last, folder)
        if folder and last == "openings" and "checkpoint" in beside:
            why = private.OPENINGS
        return self._unless_asked(path, why)

    def _behind(self, place: str, name: str, folder: bool) -> Aside | None:
        """The same for what a link leads to, whose name is another."""
        target = os.path.realpath(place)
        why = private.parted(target if folder else os.path.dirname(target))
        if not folder and (last := private.why(os.path.basename(target), False)) != private.HIDDEN:
            why = why or last
        return self._unless_asked(f"{name}/" if folder else name, why)

    def _unless_asked(self, path: str, why: str) -> Aside | None:
        if not why:
            return None
        aside = Aside(path=path, why=why)
        if not self.hidden:
            return aside
        self.asked.append(aside)
        return None

    def _leave(
        self, name: str, found: os.stat_result, above: tuple[tuple[int, int], ...], rules: Rules, out: Aside
    ) -> int:
        """Leave it out; a folder is looked through all the same, for homes, but no link in it is followed."""
        files = 1
        if stat.S_ISDIR(found.st_mode) and not os.path.islink(os.path.join(self.root, name)):
            files = self.enter(name, above, rules, out)
        if out.path.rstrip("/") != name:
            return files
        self.left.append(Aside(path=out.path, why=out.why, files=files))
        return 0

    def _through(self, place: str, name: str) -> tuple[os.stat_result, bool]:
        """What a link leads to: nothing of a home. Malformed unless links are followed."""
        found = _look(place, self.follow)
        target = os.path.realpath(place)
        private.check_outside(target)
        if private.is_own(target, found):
            raise private.home_at(os.path.dirname(target))
        self.linked.append(name)
        return found, stat.S_ISDIR(found.st_mode)

    def _below(self, name: str, found: os.stat_result, above: tuple[tuple[int, int], ...], rules: Rules) -> int:
        here = (found.st_dev, found.st_ino)
        if here in above:
            raise Malformed(f"a link leads back to a folder it is in: {os.path.join(self.root, name)}")
        if len(name) > names.PATH:
            raise Malformed(f"a path over {names.PATH} bytes: {os.path.join(self.root, name)[:200]}…")
        return self.enter(name, (*above, here), rules, None)

    def take(self, name: str, found: os.stat_result) -> None:
        _check_regular(os.path.join(self.root, name), found)
        self.sources.append(_source(self.root, name, found, self.follow))
        if found.st_mode & 0o111:
            self.programs.append(name)
        if found.st_nlink > 1 and self.inodes.setdefault((found.st_dev, found.st_ino), name) != name:
            self.twins.append(name)
        if _marked(os.path.join(self.root, name)):
            self.marked.append(name)

    def lost(self) -> Iterator[str]:
        """What a dataset cannot carry of what was found."""
        above = {folder.rpartition("/")[0] for folder in self.empty}
        empty = sorted(folder for folder in self.empty if folder not in above)
        renamed = [source.path for source in self.sources if source.path != source.name]
        for what, paths in (
            ("empty folders", empty),
            ("the executable bit", self.programs),
            ("links; what they lead to is, in their place", self.linked),
            ("hard links; each name is a file of its own", self.twins),
            ("extended attributes and access lists", self.marked),
            ("the decomposed form of names, which are spelt in NFC", renamed),
        ):
            if paths:
                yield f"not carried: {what} ({names.listed(paths, _ROOM)})"
        if self.sources:
            yield "not carried: times of change, owners and permissions"


def _look(place: str, follow: bool) -> os.stat_result:
    try:
        found = os.stat(place, follow_symlinks=follow)
    except OSError as error:
        if follow and os.path.islink(place):
            raise Malformed(f"a link that leads nowhere, or in a circle: {place}") from error
        if isinstance(error, FileNotFoundError | NotADirectoryError):
            raise NotFound(f"no such file or folder: {place}") from error
        raise _unreadable(place, error) from error
    if stat.S_ISLNK(found.st_mode):
        raise Malformed(f"a symbolic link: {place}", hint=_FOLLOW)
    if not stat.S_ISDIR(found.st_mode):
        _check_regular(place, found)
    return found


def _check_regular(place: str, found: os.stat_result) -> None:
    if not stat.S_ISREG(found.st_mode):
        kind = _KINDS.get(stat.S_IFMT(found.st_mode), "no file")
        raise Malformed(f"{kind}, not a regular file: {place}", hint="move it out of the folder")


def _marked(place: str) -> bool:
    """Whether more is written beside the file's name than its mode: by users, or as an access list."""
    try:
        return any(name.startswith(("user.", "system.posix_acl")) for name in os.listxattr(place))
    except OSError:
        return False


def _source(root: str, name: str, found: os.stat_result, follow: bool) -> Source:
    path = unicodedata.normalize("NFC", name)
    path = name if path == name else path  # one string, not two, for each of 100,000 names
    place = os.path.join(root, name)
    if not os.access(place, os.R_OK):
        raise StorageFailed(f"cannot read {place}: permission denied")
    return Source(
        root=root,
        name=name,
        path=path,
        media_type=media_type(path),
        size=found.st_size,
        mtime=found.st_mtime_ns,
        inode=found.st_ino,
        follow=follow,
    )


def _check(source: Source, fd: int) -> None:
    now = os.fstat(fd)
    if (now.st_size, now.st_mtime_ns, now.st_ino) != (source.size, source.mtime, source.inode):
        raise _changed(source)


def _changed(source: Source) -> CommonsError:
    return Conflict(f"changed while it was being read: {source.place}", hint="publish again when nothing writes to it")


def _unreadable(place: str, error: OSError) -> CommonsError:
    return StorageFailed(f"cannot read {place}: {refusal(error)}")
