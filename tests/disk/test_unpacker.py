"""From packs to files: only what is verified gets a name, and no name leads outside."""

from __future__ import annotations

import errno
import fcntl
import hashlib
import os
import random
import signal
import stat
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import wait
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from commons.core.dataset import contents as table
from commons.core.dataset import pack
from commons.core.dataset.contents import Contents, PackEntry
from commons.core.dataset.pack import HEADER, SEGMENT
from commons.disk import folder, packer, space, unpacker
from commons.disk.packer import Packed
from commons.disk.packs import Store
from commons.disk.pipeline import OpenPacks
from commons.errors import Busy, CommonsError, Conflict, Internal, Malformed, NotFound, StorageFailed, Untrue
from tests.conftest import held

HERE = Path(__file__).parents[2]
SERIES = bytes(range(16))
NOISE = random.Random(5).randbytes(3 * SEGMENT + 999)
FILES = {"a/empty": b"", "a/large": NOISE, "a/small": b"small", "b/été/deep": b"x" * 70_000, "top": b"top"}


def secret(epoch: int) -> bytes:
    return hashlib.sha256(b"epoch %d" % epoch).digest()


def packed(place: Path, files: dict[str, bytes]) -> tuple[Store, Packed]:
    for path, data in files.items():
        (place / "in" / path).parent.mkdir(parents=True, exist_ok=True)
        (place / "in" / path).write_bytes(data)
    store, sources = Store(place / "store"), folder.scan(place / "in").sources
    return store, packer.pack(sources, secret=secret(0), series=SERIES, epoch=0, store=store)


def out(place: Path) -> dict[str, bytes]:
    return {str(p.relative_to(place)): p.read_bytes() for p in place.rglob("*") if p.is_file()}


def unpack(store: Store, result: Packed, dest: Path, **more: Any) -> None:
    unpacker.unpack(result.contents, store, more.pop("keys", secret), SERIES, dest, **more)


def test_the_files_come_back_and_nothing_else(tmp_path: Path) -> None:
    store, result = packed(tmp_path, FILES)
    heard: list[int] = []
    unpack(store, result, tmp_path / "new/out", progress=heard.append)
    assert out(tmp_path / "new/out") == FILES
    assert sum(heard) == sum(map(len, FILES.values()))
    assert sorted(os.listdir(tmp_path / "new/out")) == ["a", "b", "top"]
    assert unpacker.verify(tmp_path / "new/out", result.contents) == ()


def test_no_file_is_executable(tmp_path: Path) -> None:
    store, result = packed(tmp_path, FILES)
    unpack(store, result, tmp_path / "out")
    assert not any((tmp_path / "out" / path).stat().st_mode & 0o111 for path in FILES)


def test_verify_names_what_is_wrong(tmp_path: Path) -> None:
    store, result = packed(tmp_path, FILES)
    dest = tmp_path / "out"
    assert unpacker.verify(dest, result.contents) == tuple(sorted(FILES))
    assert not dest.exists()
    unpack(store, result, dest)
    (dest / "top").write_bytes(b"tip")
    (dest / "a/small").unlink()
    (dest / "a/small").symlink_to(tmp_path / "in/a/small")
    (dest / "b").rename(tmp_path / "b")
    (dest / "b").symlink_to(tmp_path / "b")
    with open(dest / "a/large", "r+b") as file:
        file.seek(SEGMENT)
        file.write(bytes([NOISE[SEGMENT] ^ 1]))
    assert unpacker.verify(dest, result.contents) == ("a/large", "a/small", "b/été/deep", "top")


def test_what_stands_already_is_kept_and_the_rest_comes(tmp_path: Path) -> None:
    store, result = packed(tmp_path, FILES)
    dest = tmp_path / "out"
    unpack(store, result, dest)
    before = (dest / "a/large").stat()
    (dest / "top").unlink()
    (dest / "mine").write_bytes(b"not of the dataset")
    unpack(store, result, dest)
    after = (dest / "a/large").stat()  # it was read, so when that was may differ
    assert (after.st_ino, after.st_mtime_ns, after.st_size) == (before.st_ino, before.st_mtime_ns, before.st_size)
    assert out(dest) == FILES | {"mine": b"not of the dataset"}
    for entry in result.packs:
        store.remove(entry.root)
    unpack(store, result, dest)  # nothing is needed


@pytest.mark.parametrize("what", ["edited", "folder", "link", "pipe", "link-above", "file-above"])
def test_a_name_that_is_taken_is_not_overwritten(tmp_path: Path, what: str) -> None:
    store, result = packed(tmp_path, FILES)
    dest, victim = tmp_path / "out", tmp_path / "victim"
    (dest / "a").mkdir(parents=True)
    victim.mkdir()
    (victim / "small").write_bytes(b"mine")
    if what == "edited":
        (dest / "a/small").write_bytes(b"mine!")
    elif what == "folder":
        (dest / "a/small").mkdir()
    elif what == "link":
        (dest / "a/small").symlink_to(victim / "small")
    elif what == "pipe":
        os.mkfifo(dest / "a/small")
    else:
        (dest / "a").rmdir()
        (dest / "a").symlink_to(victim) if what == "link-above" else (dest / "a").write_bytes(b"mine")
    before = sorted(p.relative_to(dest) for p in dest.rglob("*"))
    with pytest.raises(Conflict):
        unpack(store, result, dest)
    assert sorted(p.relative_to(dest) for p in dest.rglob("*")) == before
    assert out(victim) == {"small": b"mine"}


@pytest.mark.parametrize("what", ["edited", "link", "pipe"])
def test_replace_puts_the_file_there_and_touches_nothing_behind_a_link(tmp_path: Path, what: str) -> None:
    store, result = packed(tmp_path, FILES)
    dest, victim = tmp_path / "out", tmp_path / "victim"
    (dest / "a").mkdir(parents=True)
    victim.write_bytes(b"mine")
    if what == "edited":
        (dest / "a/small").write_bytes(b"edited")
    elif what == "link":
        (dest / "a/small").symlink_to(victim)
    else:
        os.mkfifo(dest / "a/small")
    unpack(store, result, dest, replace=True)
    assert out(dest) == FILES
    assert not (dest / "a/small").is_symlink()
    assert victim.read_bytes() == b"mine"


@pytest.mark.parametrize("path", ["a", "b", "b/été"])
def test_a_link_planted_while_it_unpacks_is_not_followed(tmp_path: Path, path: str) -> None:
    store, result = packed(tmp_path, FILES)
    dest, victim = tmp_path / "out", tmp_path / "victim"
    victim.mkdir()

    def plant(done: int) -> None:
        if not (dest / path).is_symlink():
            (dest / path).parent.mkdir(exist_ok=True)
            (dest / path).symlink_to(victim)

    with pytest.raises(Conflict, match="a link or no folder"):
        unpack(store, result, dest, progress=plant)
    assert out(victim) == {}


def test_a_link_in_the_place_of_the_staging_folder_is_not_followed(tmp_path: Path) -> None:
    store, result = packed(tmp_path, FILES)
    (tmp_path / "victim").mkdir()
    (tmp_path / "victim/0").write_bytes(b"mine")
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / unpacker.STAGING).symlink_to(tmp_path / "victim")
    with pytest.raises(Conflict):
        unpack(store, result, tmp_path / "out")
    assert out(tmp_path / "victim") == {"0": b"mine"}


def test_the_staging_folder_has_a_name_no_dataset_may_hold() -> None:
    with pytest.raises(Malformed):
        table.names.check(unpacker.STAGING)


def test_two_do_not_unpack_into_one_folder(tmp_path: Path) -> None:
    store, result = packed(tmp_path, FILES)
    (tmp_path / "out" / unpacker.STAGING).mkdir(parents=True)
    fd = os.open(tmp_path / "out" / unpacker.STAGING, os.O_RDONLY)
    fcntl.flock(fd, fcntl.LOCK_EX)
    with pytest.raises(Busy):
        unpack(store, result, tmp_path / "out")
    os.close(fd)
    unpack(store, result, tmp_path / "out")


def test_the_wrong_epoch_or_series_opens_nothing(tmp_path: Path) -> None:
    store, result = packed(tmp_path, FILES)
    with pytest.raises(Untrue, match="does not open this pack"):
        unpack(store, result, tmp_path / "out", keys=lambda epoch: secret(epoch + 1))
    with pytest.raises(Untrue, match="does not open this pack"):
        unpacker.unpack(result.contents, store, secret, bytes(16), tmp_path / "out")
    with pytest.raises(Untrue, match="does not open this pack"):
        unpacker.read_contents(store, result.contents_pack, secret(1), SERIES)
    assert out(tmp_path / "out") == {}


def test_a_missing_pack_is_not_found(tmp_path: Path) -> None:
    store, result = packed(tmp_path, FILES)
    store.remove(result.packs[0].root)
    with pytest.raises(NotFound):
        unpack(store, result, tmp_path / "out")
    store.remove(result.contents_pack.root)
    with pytest.raises(NotFound):
        unpacker.read_contents(store, result.contents_pack, secret(0), SERIES)


def spoil(path: Path, change: Callable[[bytearray], None]) -> None:
    data = bytearray(path.read_bytes())
    change(data)
    path.write_bytes(data)


def only_right(dest: Path) -> None:
    assert out(dest).items() <= FILES.items()


@pytest.mark.parametrize("part", [0, 20, 50, HEADER, HEADER + 1, HEADER + SEGMENT, -1, -17, None])
def test_a_bit_turned_anywhere_in_a_pack_is_found(tmp_path: Path, part: int | None) -> None:
    store, result = packed(tmp_path, FILES)
    for entry in (result.packs[0], result.contents_pack):
        at = part if part is not None else random.Random(entry.size).randrange(entry.size)
        spoil(store.path(entry.root), lambda data, at=at: data.__setitem__(at % len(data), data[at % len(data)] ^ 4))
    with pytest.raises((Untrue, Malformed)):
        unpack(store, result, tmp_path / "out")
    only_right(tmp_path / "out")
    with pytest.raises((Untrue, Malformed)):
        unpacker.read_contents(store, result.contents_pack, secret(0), SERIES)


@pytest.mark.parametrize("cut", [1, 18, SEGMENT])
def test_a_truncated_pack_is_found(tmp_path: Path, cut: int) -> None:
    store, result = packed(tmp_path, FILES)
    os.truncate(store.path(result.packs[0].root), result.packs[0].size - cut)
    os.truncate(store.path(result.contents_pack.root), result.contents_pack.size - 1)
    with pytest.raises(Untrue):
        unpack(store, result, tmp_path / "out")
    with pytest.raises(Untrue):
        unpacker.read_contents(store, result.contents_pack, secret(0), SERIES)
    only_right(tmp_path / "out")


def test_swapped_segments_are_found(tmp_path: Path) -> None:
    store, result = packed(tmp_path, {"large": NOISE[: 2 * SEGMENT]})
    first, second = result.packs[0].segments
    assert first == second

    def swap(data: bytearray) -> None:
        data[HEADER:] = data[HEADER + first :] + data[HEADER : HEADER + first]

    spoil(store.path(result.packs[0].root), swap)
    with pytest.raises(Untrue):
        unpack(store, result, tmp_path / "out")
    assert out(tmp_path / "out") == {}


def test_swapped_packs_are_found(tmp_path: Path) -> None:
    store, one = packed(tmp_path / "1", {"large": NOISE[:SEGMENT]})
    _, two = packed(tmp_path / "2", {"large": NOISE[-SEGMENT:]})
    other = Store(tmp_path / "2/store")
    for mine, theirs in ((one.packs[0], two.packs[0]), (one.contents_pack, two.contents_pack)):
        store.path(mine.root).write_bytes(other.path(theirs.root).read_bytes())
    with pytest.raises(Untrue, match="not the file its publisher described"):
        unpack(store, one, tmp_path / "out")  # the key fits, the sizes too: the hash of the file does not
    with pytest.raises(Untrue):
        unpacker.read_contents(store, one.contents_pack, secret(0), SERIES)
    assert out(tmp_path / "out") == {}


def lying(contents: Contents, path: str, **change: Any) -> Contents:
    files = tuple(replace(file, **change) if file.path == path else file for file in contents.files)
    return replace(contents, files=files)


@pytest.mark.parametrize(
    "change",
    [{"sha256": bytes(32)}, {"size": 4}, {"size": 6}, {"size": SEGMENT - 200}],
    ids=["other-hash", "cut", "one-more", "beyond-the-segment"],
)
def test_a_table_that_lies_of_a_file_is_found(tmp_path: Path, change: dict[str, Any]) -> None:
    store, result = packed(tmp_path, FILES)
    contents = lying(result.contents, "a/small", **change)
    with pytest.raises(Untrue, match="a/small"):
        unpacker.unpack(contents, store, secret, SERIES, tmp_path / "out")
    only_right(tmp_path / "out")


def test_a_table_that_promises_more_bytes_than_there_are_is_found(tmp_path: Path) -> None:
    store, result = packed(tmp_path, {"a": b"four"})
    with pytest.raises(Untrue):  # though the hash is right
        unpacker.unpack(lying(result.contents, "a", size=5), store, secret, SERIES, tmp_path / "out")
    assert out(tmp_path / "out") == {}


def test_a_table_whose_slices_are_short_is_found(tmp_path: Path) -> None:
    store, result = packed(tmp_path, {"b": NOISE[:100], "large": NOISE[: 2 * SEGMENT]})
    large = result.contents.files[1]
    assert large.runs[0].first == 0
    short = table.Run(pack=0, first=2, count=1, offset=0)  # the bundle of small files, 100 bytes long
    runs = (short, replace(large.runs[0], count=1))
    contents = lying(result.contents, "large", runs=runs)
    with pytest.raises(Untrue, match="large"):
        unpacker.unpack(contents, store, secret, SERIES, tmp_path / "out")


def test_a_contents_pack_that_holds_something_else_is_refused(tmp_path: Path) -> None:
    store, result = packed(tmp_path, {"a": b"not a table"})
    with pytest.raises(Malformed, match="not a contents table"):
        unpacker.read_contents(store, result.packs[0], secret(0), SERIES)


def test_an_entry_that_lies_of_its_pack_is_refused(tmp_path: Path) -> None:
    store, result = packed(tmp_path, FILES)
    entry = result.contents_pack
    for segments in ((entry.segments[0] + 1,), (entry.segments[0] - 18, 18)):
        wrong = PackEntry(root=entry.root, size=pack.HEADER + sum(segments), epoch=0, segments=segments)
        with pytest.raises(CommonsError):
            unpacker.read_contents(store, wrong, secret(0), SERIES)


def test_progress_may_stop_it_and_it_goes_on_later(tmp_path: Path) -> None:
    store, result = packed(tmp_path, FILES)

    def stop(done: int) -> None:
        raise Internal("enough")

    with pytest.raises(Internal):
        unpack(store, result, tmp_path / "out", progress=stop)
    unpack(store, result, tmp_path / "out")
    assert out(tmp_path / "out") == FILES


@pytest.mark.parametrize("persisted", [False, True], ids=["not-persisted", "persisted"])
@pytest.mark.parametrize(
    ("name", "number", "word"),
    [("pwrite", errno.ENOSPC, "disk full"), ("fsync", errno.EIO, "reports an error"),
     ("link", errno.EROFS, "read-only"), ("mkdir", errno.ENOSPC, "disk full")],
)  # fmt: skip
@pytest.mark.parametrize("at", [0, 1, 2])
def test_a_disk_that_refuses_is_named_and_only_whole_files_have_names(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, number: int, word: str, at: int, persisted: bool
) -> None:
    store, result = packed(tmp_path, FILES | {"second": NOISE[9:], "third": NOISE[99:]})
    files = FILES | {"second": NOISE[9:], "third": NOISE[99:]}
    real, calls = getattr(os, name), 0
    (tmp_path / "out").mkdir()

    def call(*args: Any, **more: Any) -> Any:
        nonlocal calls
        calls += 1
        if calls <= at:
            return real(*args, **more)
        if persisted:
            real(*args, **more)
        raise OSError(number, os.strerror(number))

    with monkeypatch.context() as patch:
        patch.setattr(os, name, call)
        with pytest.raises(StorageFailed, match=word):
            unpack(store, result, tmp_path / "out")
    assert out(tmp_path / "out").items() <= files.items()
    unpack(store, result, tmp_path / "out")
    assert out(tmp_path / "out") == files


def test_a_killed_unpacking_leaves_only_verified_files_and_goes_on(tmp_path: Path) -> None:
    files = {f"{i % 3}/{i:02d}": NOISE[i : i + (2 * SEGMENT if i % 4 == 0 else 5000)] for i in range(40)}
    store, result = packed(tmp_path, files)
    script = """
import hashlib, sys
from pathlib import Path
from commons.disk import folder, packer, space, unpacker
from commons.disk.packs import Store
place = Path(sys.argv[1])
store = Store(place / "store")
unpacker._BATCH_FILES = 7
entry = eval(sys.argv[2], vars(unpacker))
secret = hashlib.sha256(b"epoch 0").digest()
contents = unpacker.read_contents(store, entry, secret, bytes(range(16)))
def slow(done):
    print("going", flush=True)
    sys.stdin.readline()
unpacker.unpack(contents, store, lambda epoch: secret, bytes(range(16)), place / "out", slow)
"""
    stood = 0
    for lines in (2, 11, 12):
        arguments = [sys.executable, "-c", script, str(tmp_path), repr(result.contents_pack)]
        child = subprocess.Popen(arguments, stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=HERE, bufsize=0)
        assert child.stdin is not None
        assert child.stdout is not None
        for n in range(lines):
            if n:
                child.stdin.write(b"go\n")
            assert child.stdout.readline() == b"going\n"
        child.send_signal(signal.SIGKILL)
        child.communicate()
        stands = {k: v for k, v in out(tmp_path / "out").items() if not k.startswith(unpacker.STAGING)}
        assert stands.items() <= files.items()
        assert stood <= len(stands) < len(files)
        stood = len(stands)
    assert stood
    unpack(store, result, tmp_path / "out")
    assert out(tmp_path / "out") == files
    assert stat.S_ISDIR(os.stat(tmp_path / "out/0").st_mode)
    assert not (tmp_path / "out" / unpacker.STAGING).exists()


@pytest.mark.parametrize("links", [True, False], ids=["hard-links", "none"])
def test_a_file_made_while_it_unpacks_stays(tmp_path: Path, links: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    store, result = packed(tmp_path, FILES)
    if not links:  # FAT has none, and tells it so
        monkeypatch.setattr(os, "link", no_links)

    def make(done: int) -> None:
        (tmp_path / "out/top").write_bytes(b"mine")

    with pytest.raises(Conflict, match="top exists and is another file"):
        unpack(store, result, tmp_path / "out", progress=make)
    assert (tmp_path / "out/top").read_bytes() == b"mine"
    assert not (tmp_path / "out" / unpacker.STAGING).exists()
    (tmp_path / "out/top").unlink()
    unpack(store, result, tmp_path / "out")
    assert out(tmp_path / "out") == FILES


def no_links(*_: Any, **__: Any) -> None:
    raise OSError(errno.EPERM, "Operation not permitted")


def test_the_same_file_made_while_it_unpacks_is_as_good(tmp_path: Path) -> None:
    store, result = packed(tmp_path, FILES)
    unpack(store, result, tmp_path / "out", progress=lambda done: (tmp_path / "out/top").write_bytes(b"top") and None)
    assert out(tmp_path / "out") == FILES


@pytest.mark.parametrize("what", ["dangling", "folder", "pipe"])
def test_whatever_is_made_while_it_unpacks_stays(tmp_path: Path, what: str) -> None:
    store, result = packed(tmp_path, FILES)
    top = tmp_path / "out/top"

    def make(done: int) -> None:
        if not os.path.lexists(top):
            top.symlink_to(tmp_path / "gone") if what == "dangling" else top.mkdir() if what == "folder" else os.mkfifo(
                top
            )

    with pytest.raises(Conflict, match="top exists and is another file"):
        unpack(store, result, tmp_path / "out", progress=make)
    assert os.path.lexists(top)
    assert not (tmp_path / "gone").exists()


@pytest.mark.parametrize("what", ["a", "."])
def test_a_folder_moved_away_while_it_unpacks_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, what: str
) -> None:
    store, result = packed(tmp_path, FILES)
    monkeypatch.setattr(unpacker, "_BATCH_FILES", 1)

    def move(done: int) -> None:
        if (tmp_path / "out/a/small").exists() and not (tmp_path / "moved").exists():
            (tmp_path / "out" / what).rename(tmp_path / "moved")
            if what == ".":
                (tmp_path / "out").mkdir()

    (tmp_path / "out").mkdir()
    with pytest.raises(Conflict, match="while it was written"):
        unpack(store, result, tmp_path / "out", progress=move)


@pytest.mark.parametrize(("path", "what"), [("a/empty", "pipe"), ("a/small", "more"), ("a/small", "nothing")])
def test_what_was_written_and_became_something_else_meanwhile_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, path: str, what: str
) -> None:
    store, result = packed(tmp_path, FILES)
    monkeypatch.setattr(unpacker, "_BATCH_FILES", 1)
    place, done = tmp_path / "out" / path, list[int]()

    def change(_: int) -> None:
        if place.exists() and not done:
            done.append(1)
            if what == "more":
                place.write_bytes(b"smaller")
            else:
                place.unlink()
            if what == "pipe":
                os.mkfifo(place)

    with pytest.raises(Conflict, match=f"{path} was moved while it was written"):
        unpack(store, result, tmp_path / "out", progress=change)


@pytest.mark.parametrize("batch", [1, 1 << 40])
def test_a_disk_with_too_little_space_is_seen_before_a_byte_is_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, batch: int
) -> None:
    """What is not there yet needs its room, however little of it is written at once."""
    store, result = packed(tmp_path, FILES)
    monkeypatch.setattr(unpacker, "_BATCH_BYTES", batch)
    whole = sum(map(len, FILES.values()))
    monkeypatch.setattr(space, "free", lambda path: whole - 1)
    with pytest.raises(StorageFailed, match="disk full") as caught:
        unpack(store, result, tmp_path / "out")
    assert "free" in caught.value.hint
    assert list((tmp_path / "out").iterdir()) == []
    monkeypatch.setattr(space, "free", lambda path: whole)
    unpack(store, result, tmp_path / "out")
    monkeypatch.setattr(space, "free", lambda path: 0)
    unpack(store, result, tmp_path / "out")  # nothing is missing
    (tmp_path / "out/top").unlink()
    monkeypatch.setattr(space, "free", lambda path: 3)
    unpack(store, result, tmp_path / "out")  # of what is half there, the rest counts


def test_what_stands_as_it_should_is_not_written_again_when_others_are_replaced(tmp_path: Path) -> None:
    store, result = packed(tmp_path, FILES)
    unpack(store, result, tmp_path / "out")
    before = (tmp_path / "out/a/large").stat()
    (tmp_path / "out/top").write_bytes(b"other")
    unpack(store, result, tmp_path / "out", replace=True)
    after = (tmp_path / "out/a/large").stat()
    assert (after.st_ino, after.st_mtime_ns) == (before.st_ino, before.st_mtime_ns)
    assert out(tmp_path / "out") == FILES


def test_what_is_replaced_needs_no_room_twice_but_for_a_batch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store, result = packed(tmp_path, FILES)
    unpack(store, result, tmp_path / "out")
    (tmp_path / "out/a/large").write_bytes(b"other")
    (tmp_path / "out/top").write_bytes(b"tip")
    monkeypatch.setattr(unpacker, "_BATCH_BYTES", 100)
    monkeypatch.setattr(space, "free", lambda path: len(NOISE) + 2)
    with pytest.raises(StorageFailed):
        unpack(store, result, tmp_path / "out", replace=True)
    monkeypatch.setattr(space, "free", lambda path: len(NOISE) + 100)
    unpack(store, result, tmp_path / "out", replace=True)
    assert out(tmp_path / "out") == FILES


def test_what_has_its_name_is_on_the_disk_when_unpack_returns(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The system is told to write what it holds back after the last name was given; and not where nothing was."""
    store, result = packed(tmp_path, FILES)
    seen: list[set[str]] = []
    sync = os.sync
    monkeypatch.setattr(os, "sync", lambda: (seen.append({*out(tmp_path / "out")}), sync()))
    unpack(store, result, tmp_path / "out")
    assert seen[-1] == {*FILES}
    assert seen[0].isdisjoint(FILES)  # and before the first name is given
    seen.clear()
    unpack(store, result, tmp_path / "out")
    assert seen == []


@pytest.mark.parametrize(("files", "size", "named"), [(2, 1 << 40, [0, 0, 2, 2, 4]), (99, 10, [0, 0, 2, 2, 4])])
def test_files_are_named_in_batches_of_so_many_files_or_bytes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, files: int, size: int, named: list[int]
) -> None:
    """A batch is full at its bound: what a kill can cost is no more."""
    monkeypatch.setattr(unpacker, "_BATCH_FILES", files)
    monkeypatch.setattr(unpacker, "_BATCH_BYTES", size)
    store, result = packed(tmp_path, {f"{n}": b"%05d" % n for n in range(5)})
    seen: list[int] = []
    unpack(
        store,
        result,
        tmp_path / "out",
        progress=lambda _: seen.append(sum(n in out(tmp_path / "out") for n in "01234")),
    )
    assert seen == named
    assert len(out(tmp_path / "out")) == 5


# -- what is read ahead, and held --------------------------------------------------------------------------------------


class Recorded:
    """A shelf that says which segments were read."""

    def __init__(self, shelf: OpenPacks) -> None:
        self._shelf, self.read_of = shelf, list[tuple[int, int]]()

    def read(self, index: int, number: int) -> bytes:
        self.read_of.append((index, number))
        return self._shelf.read(index, number)


def test_of_a_large_file_a_few_segments_are_opened_ahead_each_once(tmp_path: Path) -> None:
    """However large it is: what is held in memory is bounded."""
    data = random.Random(6).randbytes(9 * SEGMENT)
    store, result = packed(tmp_path, {"large": data})
    with closing(OpenPacks(result.contents, store, secret, SERIES)) as shelf:
        recorded = Recorded(shelf)
        segments = unpacker._Segments(recorded, result.contents.files)  # type: ignore[arg-type]
        for number in range(9):
            for _ in range(2):
                assert segments.get((0, number)) == data[number * SEGMENT : (number + 1) * SEGMENT]
            wait([coming for _, coming in segments._coming])
            ahead = min(9, number + unpacker._AHEAD)
            assert sorted(recorded.read_of) == [(0, each) for each in range(ahead)]
        segments.close()


def test_a_pipe_in_the_place_of_an_empty_file_is_no_file(tmp_path: Path) -> None:
    """Both have no bytes."""
    store, result = packed(tmp_path, FILES)
    unpack(store, result, tmp_path / "out")
    (tmp_path / "out/a/empty").unlink()
    os.mkfifo(tmp_path / "out/a/empty")
    assert unpacker.verify(tmp_path / "out", result.contents) == ("a/empty",)
    with pytest.raises(Conflict, match="a/empty exists and is another file"):
        unpack(store, result, tmp_path / "out")


def test_what_stands_there_with_another_size_is_not_read_to_see_that_it_is_another(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, result = packed(tmp_path, {"large": NOISE})
    (tmp_path / "out").mkdir()
    with open(tmp_path / "out/large", "wb") as file:
        file.truncate(1 << 40)

    def readv(*_: Any) -> int:
        raise AssertionError("it was read")

    monkeypatch.setattr(os, "readv", readv)
    assert unpacker.verify(tmp_path / "out", result.contents) == ("large",)


@pytest.mark.parametrize(("size", "alone"), [(SEGMENT - 1, False), (SEGMENT, False), (SEGMENT + 1, True)])
def test_every_file_is_on_the_disk_before_it_has_its_name_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, size: int, alone: bool
) -> None:
    """A large one by itself, small ones with all that the system holds back."""
    store, result = packed(tmp_path, {"file": NOISE[:size]})
    happened = list[str]()
    for name in ("fsync", "sync", "link"):
        real = getattr(os, name)

        def call(*words: Any, name: str = name, real: Any = real, **more: Any) -> Any:
            happened.append(name)
            return real(*words, **more)

        monkeypatch.setattr(os, name, call)
    unpack(store, result, tmp_path / "out")
    assert happened == ["fsync" if alone else "sync", "link", "sync"]


@pytest.mark.parametrize("fails", [False, True])
def test_no_descriptor_and_no_thread_stays_behind(tmp_path: Path, fails: bool) -> None:
    store, result = packed(tmp_path, FILES)

    before = held()
    for replace_it in (False, True):
        if fails:
            with pytest.raises(Untrue):
                unpack(store, result, tmp_path / "out", keys=lambda epoch: secret(1), replace=replace_it)
        else:
            unpack(store, result, tmp_path / "out", replace=replace_it)
        assert held() <= before
    assert (unpacker.verify(tmp_path / "out", result.contents) == ()) == (not fails)
    assert held() <= before
