"""From files to packs: everything comes back, little is sealed twice, and what fails leaves no name behind."""

from __future__ import annotations

import errno
import hashlib
import os
import random
import signal
import subprocess
import sys
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from commons.core.dataset import pack, pieces
from commons.core.dataset.contents import Contents, File
from commons.core.dataset.pack import HEADER, OVERHEAD, SEGMENT
from commons.disk import folder, packer, pipeline, unpacker
from commons.disk.packer import Packed
from commons.disk.packs import Store
from commons.disk.pipeline import Unlocked
from commons.errors import Conflict, Internal, StorageFailed
from tests.conftest import held
from tests.rows import examples

HERE = Path(__file__).parents[2]
SERIES = bytes(range(16))
NOISE = random.Random(3).randbytes(6 * SEGMENT)


def secret(epoch: int) -> bytes:
    return hashlib.sha256(b"epoch %d" % epoch).digest()


def made(root: Path, files: dict[str, bytes]) -> Path:
    for path, data in files.items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_bytes(data)
    return root


def packed(store: Store, root: Path, previous: Contents | None = None, epoch: int = 0, **more: Any) -> Packed:
    return packer.pack(
        folder.scan(root).sources,
        secret=secret(epoch),
        series=SERIES,
        epoch=epoch,
        store=store,
        previous=previous,
        old_secret=more.pop("old_secret", secret),
        **more,
    )


def plain(store: Store, contents: Contents, file: File) -> bytes:
    """The file's bytes, as the format says they are found, without the unpacker."""
    out = b""
    for run in file.runs:
        entry = contents.packs[run.pack]
        opened = Unlocked(store, entry, secret(entry.epoch), SERIES)
        out += b"".join(opened.read(n) for n in range(run.first, run.first + run.count))[run.offset :]
        opened.close()
    return out[: file.size]


def check(store: Store, result: Packed, files: dict[str, bytes]) -> None:
    assert {file.path: file.size for file in result.contents.files} == {path: len(data) for path, data in files.items()}
    for file in result.contents.files:
        assert file.sha256 == hashlib.sha256(files[file.path]).digest()
        assert plain(store, result.contents, file) == files[file.path]
    for entry in (*result.packs, result.contents_pack):
        data, hasher = store.path(entry.root).read_bytes(), pieces.Hasher()
        hasher.update(data)
        assert (hasher.finish().root, len(data)) == (entry.root, entry.size)
    read = unpacker.read_contents(store, result.contents_pack, secret(result.contents_pack.epoch), SERIES)
    assert read == result.contents


SIZES = [0, 1, 100, SEGMENT - 1, SEGMENT, SEGMENT + 1, 2 * SEGMENT, 2 * SEGMENT + 7, 3 * SEGMENT]


def test_files_of_every_size_come_back(tmp_path: Path) -> None:
    files = {f"a/{size}": NOISE[:size] for size in SIZES} | {f"b/{size}": bytes(size) for size in SIZES} | {"é": b"x"}
    heard: list[int] = []
    store = Store(tmp_path / "store")
    result = packed(store, made(tmp_path / "in", files), progress=heard.append)
    check(store, result, files)
    total = sum(map(len, files.values()))
    assert (sum(heard), result.bytes_read, result.bytes_reused) == (total, total, 0)
    assert result.packs == (result.new,)


trees = st.dictionaries(
    st.from_regex(r"[a-c]{1,2}(/[d-eé]{1,2}){0,2}", fullmatch=True),
    st.builds(
        lambda size, kind, at: (NOISE[at:] if kind else b"north,%d\n" % at * SEGMENT)[:size],
        st.one_of(st.sampled_from(SIZES), st.integers(0, 3000)),
        st.booleans(),
        st.integers(0, SEGMENT),
    ),
    max_size=8,
).filter(lambda tree: not any(a != b and b.startswith(a + "/") for a in tree for b in tree))


@settings(deadline=None, max_examples=examples(25))
@given(trees, trees)
def test_any_tree_comes_back_and_so_does_its_next_version(
    tmp_path_factory: pytest.TempPathFactory, first: dict[str, bytes], second: dict[str, bytes]
) -> None:
    place = tmp_path_factory.mktemp("any")
    store = Store(place / "store")
    (place / "1").mkdir()
    (place / "2").mkdir()
    one = packed(store, made(place / "1", first))
    check(store, one, first)
    second = dict(list(first.items())[:3]) | second
    try:
        made(place / "2", second)
    except OSError:  # a file of the first tree is a folder of the second
        return
    two = packed(store, place / "2", one.contents, epoch=1)
    check(store, two, second)
    unpacker.unpack(two.contents, store, secret, SERIES, place / "out")
    assert unpacker.verify(place / "out", two.contents) == ()
    for path, data in second.items():
        assert (place / "out" / path).read_bytes() == data


def test_the_same_folder_again_writes_no_new_pack(tmp_path: Path) -> None:
    files = {f"{size}": NOISE[:size] for size in SIZES}
    store, root = Store(tmp_path / "store"), made(tmp_path / "in", files)
    one = packed(store, root)
    two = packed(store, root, one.contents, epoch=1)
    assert two.new is None
    assert two.contents == one.contents
    assert two.bytes_reused == two.bytes_read == sum(SIZES)
    check(store, two, files)


def test_unchanged_files_need_neither_their_old_packs_nor_keys(tmp_path: Path) -> None:
    files = {f"{size}": NOISE[:size] for size in SIZES}
    root = made(tmp_path / "in", files)
    one = packed(Store(tmp_path / "store"), root)
    two = packed(Store(tmp_path / "elsewhere"), root, one.contents, epoch=1, old_secret=None)
    assert two.new is None
    assert two.contents == one.contents


def test_a_moved_file_is_not_sealed_again(tmp_path: Path) -> None:
    store = Store(tmp_path / "store")
    one = packed(store, made(tmp_path / "1", {"small": b"abc", "large": NOISE[: 2 * SEGMENT + 5]}))
    files = {"x/moved": b"abc", "x/large": NOISE[: 2 * SEGMENT + 5]}
    two = packed(store, made(tmp_path / "2", files), one.contents)
    assert two.new is None
    check(store, two, files)


def test_a_large_file_that_changed_keeps_its_unchanged_slices(tmp_path: Path) -> None:
    store = Store(tmp_path / "store")
    data = NOISE[: 4 * SEGMENT + 100]
    one = packed(store, made(tmp_path / "1", {"a": data}))
    changed = data[: 2 * SEGMENT + 50] + b"!" + data[2 * SEGMENT + 51 :]
    two = packed(store, made(tmp_path / "2", {"a": changed}), one.contents, epoch=1)
    assert two.new is not None
    assert len(two.new.segments) == 1
    assert [(run.pack, run.first, run.count) for run in two.contents.files[0].runs] == [(0, 0, 2), (1, 0, 1), (0, 3, 2)]
    assert two.bytes_reused == len(changed) - SEGMENT
    check(store, two, {"a": changed})
    grown = changed + NOISE[:SEGMENT]
    three = packed(store, made(tmp_path / "3", {"a": grown}), two.contents, epoch=2)
    assert three.new is not None
    assert len(three.new.segments) == 2  # the last slice was short, and is now whole
    check(store, three, {"a": grown})
    assert {entry.epoch for entry in three.packs} == {0, 1, 2}


def test_runs_of_two_packs_are_not_joined_because_their_numbers_are(tmp_path: Path) -> None:
    store, data = Store(tmp_path / "store"), NOISE[: 3 * SEGMENT]
    one = packed(store, made(tmp_path / "1", {"b": data}))
    files = {"a": NOISE[3 * SEGMENT : 5 * SEGMENT], "b": data[:-1] + b"!"}  # b's new slice is number 2 in both packs
    two = packed(store, made(tmp_path / "2", files), one.contents)
    assert [(run.pack, run.first, run.count) for run in two.contents.files[1].runs] == [(0, 0, 2), (1, 2, 1)]
    check(store, two, files)


def test_without_the_old_pack_a_changed_file_is_sealed_whole(tmp_path: Path) -> None:
    data = NOISE[: 2 * SEGMENT]
    one = packed(Store(tmp_path / "store"), made(tmp_path / "1", {"a": data}))
    store = Store(tmp_path / "elsewhere")
    two = packed(store, made(tmp_path / "2", {"a": data[:-1] + b"!"}), one.contents)
    assert two.bytes_reused == 0
    check(store, two, {"a": data[:-1] + b"!"})


def test_packs_no_file_refers_to_are_dropped_from_the_table(tmp_path: Path) -> None:
    store = Store(tmp_path / "store")
    one = packed(store, made(tmp_path / "1", {"a": b"a"}))
    two = packed(store, made(tmp_path / "2", {"a": b"a", "b": b"b"}), one.contents)
    three = packed(store, made(tmp_path / "3", {"b": b"b", "c": b"c"}), two.contents)
    assert two.new is not None
    assert three.packs == (two.new, three.new)
    check(store, three, {"b": b"b", "c": b"c"})


def test_a_dataset_of_many_packs_needs_few_open_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pipeline, "_OPEN", 5)  # one more than are read at once
    store, files, contents = Store(tmp_path / "store"), dict[str, bytes](), None
    for version in range(9):
        files[f"{version}"] = NOISE[version : version + 50]
        contents = packed(store, made(tmp_path / "in", files), contents, epoch=version).contents
    assert contents is not None
    assert len(contents.packs) == 9
    before = held()
    unpacker.unpack(contents, store, secret, SERIES, tmp_path / "out")
    assert unpacker.verify(tmp_path / "out", contents) == ()
    assert held() <= before


def test_small_files_share_segments_and_no_salt_is_used_twice(tmp_path: Path) -> None:
    salts: list[bytes] = []

    def salt(size: int) -> bytes:
        salts.append(os.urandom(size))
        return salts[-1]

    store = Store(tmp_path / "store")
    files = {f"{i:04d}": NOISE[i : i + 3000] for i in range(700)}
    result = packed(store, made(tmp_path / "in", files), salt=salt)
    assert result.new is not None
    assert len(result.new.segments) == 3
    check(store, result, files)
    heads = [store.path(entry.root).read_bytes()[:HEADER] for entry in (result.new, result.contents_pack)]
    assert [head[16:40] for head in heads] == salts
    assert [len(salt) for salt in salts] == [pack.SALT, pack.SALT]


def test_nothing_but_ciphertext_is_stored(tmp_path: Path) -> None:
    store = Store(tmp_path / "store")
    marker = NOISE[:32]
    packed(store, made(tmp_path / "in", {f"the-name-{marker.hex()}": marker * 9}))
    for path in (tmp_path / "store").iterdir():
        assert marker not in path.read_bytes()
        assert marker.hex().encode() not in path.read_bytes()


def test_an_empty_folder_is_a_dataset_of_no_files(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    store = Store(tmp_path / "store")
    result = packed(store, tmp_path / "in")
    assert (result.new, result.packs, result.contents.files) == (None, (), ())
    check(store, result, {})


def test_a_sealed_pack_costs_seventeen_bytes_for_a_mebibyte(tmp_path: Path) -> None:
    result = packed(Store(tmp_path / "store"), made(tmp_path / "in", {"a": NOISE[: 3 * SEGMENT]}))
    assert result.new is not None
    assert result.new.size == HEADER + 3 * (SEGMENT + OVERHEAD)


@pytest.mark.parametrize("size", [10, 3 * SEGMENT], ids=["small", "large"])
def test_a_file_that_changes_while_it_is_packed_stops_everything(tmp_path: Path, size: int) -> None:
    root = made(tmp_path / "in", {"a": NOISE[:size], "b": NOISE[:size]})

    def change(done: int) -> None:
        with open(root / "b", "ab") as file:
            file.write(b"more")

    with pytest.raises(Conflict, match=r"changed while it was being read: .*/b"):
        packed(Store(tmp_path / "store"), root, progress=change)
    assert list((tmp_path / "store").iterdir()) == []


def test_progress_may_stop_it(tmp_path: Path) -> None:
    def stop(done: int) -> None:
        raise Internal("enough")

    with pytest.raises(Internal, match="enough"):
        packed(Store(tmp_path / "store"), made(tmp_path / "in", {"a": NOISE}), progress=stop)
    assert list((tmp_path / "store").iterdir()) == []


@pytest.mark.parametrize("persisted", [False, True], ids=["not-persisted", "persisted"])
@pytest.mark.parametrize("at", [0, 1, 4])
@pytest.mark.parametrize(
    ("name", "number", "word"),
    [("pwrite", errno.ENOSPC, "disk full"), ("pwrite", errno.EIO, "reports an error"), ("fsync", errno.EIO, "reports"),
     ("fsync", errno.ENOSPC, "disk full"), ("open", errno.EROFS, "read-only")],
)  # fmt: skip
def test_a_disk_that_refuses_is_named_and_leaves_nothing_half_done(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, number: int, word: str, at: int, persisted: bool
) -> None:
    root = made(tmp_path / "in", {"a": NOISE, "b": b"b" * 100})
    store, real, calls = Store(tmp_path / "store"), getattr(os, name), 0
    total = 3 if name == "open" else 5  # at least so many calls does it take when nothing fails

    def call(*args: Any, **more: Any) -> Any:
        nonlocal calls
        if name == "open" and not args[1] & os.O_CREAT:
            return real(*args, **more)
        calls += 1
        if calls <= at:
            return real(*args, **more)
        if persisted and name != "open":
            real(*args, **more)
        raise OSError(number, os.strerror(number))

    sources = folder.scan(root).sources
    with monkeypatch.context() as patch:
        patch.setattr(os, name, call)
        with pytest.raises(StorageFailed, match=word) if at < total else nullcontext():
            packer.pack(sources, secret=secret(0), series=SERIES, epoch=0, store=store)
    for path in (tmp_path / "store").iterdir():  # at most the data pack, whole
        assert path.suffix in ("", ".layer")
        if not path.suffix:
            hasher = pieces.Hasher()
            hasher.update(path.read_bytes())
            assert hasher.finish().root.hex() == path.name
    check(store, packed(store, root), {"a": NOISE, "b": b"b" * 100})


def test_a_disk_that_refuses_the_last_bytes_is_heard(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root, store, real = made(tmp_path / "in", {"a": b"a"}), Store(tmp_path / "store"), os.pwrite

    def call(fd: int, data: bytes, at: int) -> int:
        if at:
            raise OSError(errno.ENOSPC, "No space left on device")
        return real(fd, data, at)

    monkeypatch.setattr(os, "pwrite", call)
    with pytest.raises(StorageFailed, match="disk full"):
        packed(store, root)
    assert list((tmp_path / "store").iterdir()) == []


def test_a_killed_packing_leaves_no_pack_and_is_done_again(tmp_path: Path) -> None:
    files = {"a": NOISE, "b": NOISE[:100], "c": NOISE[SEGMENT:]}
    made(tmp_path / "in", files)
    script = """
import sys
from pathlib import Path
from commons.disk import folder, packer
from commons.disk.packs import Store
place = Path(sys.argv[1])
def slow(done):
    print("going", flush=True)
    sys.stdin.readline()
packer.pack(folder.scan(place / "in").sources, secret=bytes(32), series=bytes(16), epoch=0,
            store=Store(place / "store"), progress=slow)
"""
    for lines in (1, 4, 9):
        arguments = [sys.executable, "-c", script, str(tmp_path)]
        child = subprocess.Popen(arguments, stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=HERE, bufsize=0)
        assert child.stdin is not None
        assert child.stdout is not None
        for n in range(lines):
            if n:
                child.stdin.write(b"go\n")
            assert child.stdout.readline() == b"going\n"
        child.send_signal(signal.SIGKILL)
        child.communicate()
        assert [path.suffix for path in (tmp_path / "store").iterdir()] == [".tmp"]
        Store(tmp_path / "store").clean()
    store = Store(tmp_path / "store")
    assert list((tmp_path / "store").iterdir()) == []
    check(store, packed(store, tmp_path / "in"), files)
