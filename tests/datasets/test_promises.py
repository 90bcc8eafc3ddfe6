"""What a stranger's manifest promises is what comes, and it overwrites nothing that is not its own."""

from __future__ import annotations

import hashlib
import re
import threading
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from commons.core.crypto import ids
from commons.core.dataset import contents
from commons.core.dataset.contents import Contents, File, PackEntry, Run
from commons.core.dataset.manifest import Manifest, PackRef
from commons.core.dataset.pack import SEGMENT
from commons.datasets import export as exporting
from commons.datasets import fetch
from commons.datasets import publish as publishing
from commons.disk import packer, space, unpacker
from commons.errors import CommonsError, Conflict, StorageFailed, TooLarge, Untrue
from tests.conftest import Party, Start
from tests.rows import few

PROMISES: dict[str, Callable[[Manifest], dict[str, Any]]] = {
    "fewer-files": lambda m: {"files": m.files - 1},
    "more-files": lambda m: {"files": m.files + 1},
    "fewer-bytes": lambda m: {"size": m.size - 1},
    "more-bytes": lambda m: {"size": m.size + 1},
    "nothing": lambda m: {"files": 0, "size": 0},
    "no-packs": lambda m: {"packs": ()},
    "a-pack-more": lambda m: {"packs": (*m.packs, PackRef(root=m.contents.root[::-1], size=100))},
    "a-larger-pack": lambda m: {"packs": (replace(m.packs[0], size=m.packs[0].size + 1),)},
}


def files_in(place: Path) -> list[Path]:
    return [path for path in place.rglob("*") if path.is_file()] if place.exists() else []


@pytest.mark.parametrize("promise", PROMISES)
@pytest.mark.parametrize("verb", few(["fetch", "export", "describe"], 3))
async def test_a_manifest_that_promises_something_else_than_its_table_has_brings_nothing(
    start: Start, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, promise: str, verb: str
) -> None:
    eve, bob = await start("eve"), await start("bob")

    def lying(**words: Any) -> Manifest:
        honest = Manifest(**words)
        return replace(honest, **PROMISES[promise](honest))

    monkeypatch.setattr(publishing, "Manifest", lying)
    reference = await eve.publish(folder, access="public")
    copy = tmp_path / "copy"
    come = {
        "fetch": lambda: bob.fetch(reference, copy, eve.address),
        "export": lambda: bob.desk.export(dataset=reference, dest=str(copy), sources=[eve.address]),
        "describe": lambda: bob.desk.describe(dataset=reference, form="datapackage", sources=[eve.address]),
    }[verb]
    with pytest.raises(CommonsError) as caught:
        await come()
    assert isinstance(caught.value, Untrue | TooLarge)
    assert files_in(copy) == []


def repeating(times: int) -> Callable[..., Contents]:
    """A table in which one file is one segment, over and over."""
    whole = hashlib.sha256()
    for _ in range(times):
        whole.update(bytes(SEGMENT))

    def table(files: list[File], older: Sequence[PackEntry], new: PackEntry, rights: Any) -> Contents:
        runs = (Run(pack=0, first=0, count=1, offset=0),) * times
        return Contents(
            packs=(new,), files=(replace(files[0], size=times * SEGMENT, sha256=whole.digest(), runs=runs),)
        )

    return table


async def test_a_segment_named_again_counts_again(
    start: Start, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    eve, bob = await start("eve"), await start("bob")
    (tmp_path / "zeros").write_bytes(bytes(SEGMENT))
    monkeypatch.setattr(packer, "_table", repeating(64))
    monkeypatch.setattr(publishing, "Manifest", lambda **words: Manifest(**{**words, "files": 1, "size": SEGMENT}))
    reference = await eve.publish(tmp_path / "zeros")
    with pytest.raises(Untrue, match="promises 1 of 1048576"):
        await bob.fetch(reference, tmp_path / "copy", eve.address)
    assert files_in(tmp_path / "copy") == []


async def test_what_is_promised_and_true_comes_however_often_a_segment_is_named(
    start: Start, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    eve, bob = await start("eve"), await start("bob")
    (tmp_path / "zeros").write_bytes(bytes(SEGMENT))
    with monkeypatch.context() as patch:
        patch.setattr(packer, "_table", repeating(8))
        reference = await eve.publish(tmp_path / "zeros")
    await bob.fetch(reference, tmp_path / "copy", eve.address)
    assert (tmp_path / "copy/zeros").read_bytes() == bytes(8 * SEGMENT)


async def test_a_second_version_that_repeats_files_of_the_first_comes(start: Start, tmp_path: Path) -> None:
    ana, bob = await start("ana"), await start("bob")
    data = tmp_path / "data"
    data.mkdir()
    (data / "one").write_bytes(bytes(3 * SEGMENT) + b"end")
    (data / "small").write_bytes(b"small")
    first = await ana.publish(data)
    for name in ("two", "three"):
        (data / name).write_bytes((data / "one").read_bytes())
    (data / "small2").write_bytes(b"small")
    second = await ana.publish(data, update=first)
    await bob.fetch(second, tmp_path / "copy", ana.address)
    assert {p.name: p.read_bytes() for p in files_in(tmp_path / "copy") if "ATTR" not in p.name} == {
        p.name: p.read_bytes() for p in files_in(data)
    }


async def test_a_table_larger_than_its_files_can_have_is_refused_before_it_is_asked_for_and_nothing_is_signed(
    start: Start, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    eve, bob = await start("eve"), await start("bob")
    monkeypatch.setattr(contents, "encode", lambda table: bytes(40 * SEGMENT))
    monkeypatch.setattr(publishing, "Manifest", lambda **words: Manifest(**{**words, "files": 1, "size": 32}))
    reference = await eve.publish(folder)
    with pytest.raises(TooLarge, match="larger than one of 1 files can be"):
        await bob.fetch(reference, tmp_path / "copy", eve.address)
    assert bob.home.shelf.asks() == []
    assert eve.home.first.log.state.accesses == {}
    assert list(bob.home.packs.folder.iterdir()) == []


async def test_a_table_that_unpacks_to_more_than_its_promise_leaves_room_for_is_not_decoded(
    start: Start, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    eve, bob = await start("eve"), await start("bob")
    monkeypatch.setattr(contents, "encode", lambda table: bytes(SEGMENT))
    monkeypatch.setattr(publishing, "Manifest", lambda **words: Manifest(**{**words, "files": 1, "size": 32}))
    reference = await eve.publish(folder)
    decoded: list[int] = []
    monkeypatch.setattr(contents, "decode", lambda data, files=None: decoded.append(len(data)))
    with pytest.raises(TooLarge):
        await bob.fetch(reference, tmp_path / "copy", eve.address)
    assert decoded == []


@pytest.mark.parametrize("verb", ["fetch", "mirror"])
async def test_a_dataset_that_the_disk_cannot_hold_is_refused_before_anything_is_asked_for(
    start: Start, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, verb: str
) -> None:
    ana, bob = await start("ana"), await start("bob")
    reference = await ana.publish(folder)
    shown = await bob.desk.show(dataset=reference, sources=[ana.address])
    needed = shown["sealed_bytes"] + (shown["bytes"] if verb == "fetch" else 0)
    come = {
        "fetch": lambda: bob.fetch(reference, tmp_path / "copy", ana.address),
        "mirror": lambda: bob.desk.mirror(dataset=reference, sources=[ana.address]),
    }[verb]
    monkeypatch.setattr(space, "free", lambda path: needed - 1)
    with pytest.raises(StorageFailed, match="disk full"):
        await come()
    assert (bob.home.shelf.asks(), ana.home.first.log.state.accesses) == ([], {})
    assert list(bob.home.packs.folder.iterdir()) == []
    monkeypatch.setattr(space, "free", lambda path: needed)
    await come()


@pytest.mark.parametrize("what", ["file", "dangling"])
async def test_a_destination_that_is_no_folder_is_refused_before_anything_is_signed(
    start: Start, folder: Path, tmp_path: Path, what: str
) -> None:
    ana, bob = await start("ana"), await start("bob")
    reference = await ana.publish(folder)
    copy = tmp_path / "copy"
    copy.write_text("mine") if what == "file" else copy.symlink_to(tmp_path / "gone")
    with pytest.raises(Conflict, match="is a file and no folder"):
        await bob.fetch(reference, copy, ana.address)
    assert bob.home.shelf.asks() == []
    assert not (tmp_path / "gone").exists()


# -- two datasets, one folder ----------------------------------------------------------------------------------------


async def two(ana: Party, tmp_path: Path) -> tuple[str, str]:
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        (tmp_path / name / f"{name}.csv").write_text(name)
    return (
        await ana.publish(tmp_path / "one", title="川", creators=["Ana"]),
        await ana.publish(tmp_path / "two", title="海", creators=["Zoe"]),
    )


def test_no_two_datasets_have_one_folder_unless_somebody_names_it() -> None:
    one, two = ids.check_cid(ids.cid(b"1")), ids.check_cid(ids.cid(b"2"))
    assert fetch.slug("川", one) != fetch.slug("海", two)
    assert fetch.slug("Rivers", one) != fetch.slug("Rivers", two)
    assert fetch.slug("Rivers of the West!", one) == fetch.slug("Rivers of the West!", one)
    for title in ("川", "Rivers", "../../etc", "con", "a" * 300, "\u202e", "-"):
        assert re.fullmatch("[a-z0-9]+(-[a-z0-9]+)*", fetch.slug(title, one))
        assert len(fetch.slug(title, one)) < 80


@pytest.mark.parametrize("replace", [False, True])
async def test_two_datasets_in_one_folder_each_have_their_credit(start: Start, tmp_path: Path, replace: bool) -> None:
    ana, bob = await start("ana"), await start("bob")
    references, out = await two(ana, tmp_path), tmp_path / "out"
    told = [await bob.fetch(each, out, ana.address, replace=replace) for each in references]
    assert told[0]["credit"] == "ATTRIBUTION.txt" != told[1]["credit"]
    for each, creator, cid in zip(told, ("Ana", "Zoe"), references, strict=True):
        text = (out / each["credit"]).read_text()
        assert creator in text
        assert cid.partition("?")[0] in text
    again = [await bob.fetch(each, out, ana.address, replace=replace) for each in references]
    assert [each["credit"] for each in again] == [each["credit"] for each in told]
    assert len(files_in(out)) == 4


@pytest.mark.parametrize("replace", [False, True])
@pytest.mark.parametrize("what", ["file", "folder", "link", "dangling"])
async def test_a_file_of_ones_own_that_is_called_like_a_credit_stays(
    start: Start, folder: Path, tmp_path: Path, what: str, replace: bool
) -> None:
    ana, bob = await start("ana"), await start("bob")
    reference, out = await ana.publish(folder), tmp_path / "out"
    out.mkdir()
    own, victim = out / "ATTRIBUTION.txt", tmp_path / "victim"
    victim.write_text("thanks to my mother")
    if what == "file":
        own.write_text("thanks to my mother")
    elif what == "folder":
        own.mkdir()
    else:
        own.symlink_to(victim if what == "link" else tmp_path / "gone")
    before = (own.lstat().st_ino, own.lstat().st_mtime_ns)
    told = await bob.fetch(reference, out, ana.address, replace=replace)
    assert (own.lstat().st_ino, own.lstat().st_mtime_ns) == before
    assert told["credit"] != "ATTRIBUTION.txt"
    assert "Ana" in (out / told["credit"]).read_text()
    assert victim.read_text() == "thanks to my mother"
    assert not (tmp_path / "gone").exists()


async def test_a_later_version_takes_the_place_of_its_earlier_credit_only_when_it_may_replace(
    start: Start, folder: Path, tmp_path: Path
) -> None:
    ana, bob = await start("ana"), await start("bob")
    out, first = tmp_path / "out", await ana.publish(folder)
    await bob.fetch(first, out, ana.address)
    (folder / "more").write_text("more")
    second = await ana.publish(folder, update=first, creators=["Zoe"])
    earlier = (out / "ATTRIBUTION.txt").read_text()
    beside = await bob.fetch(second, out, ana.address)
    assert (out / "ATTRIBUTION.txt").read_text() == earlier
    (out / beside["credit"]).unlink()
    assert (await bob.fetch(second, out, ana.address, replace=True))["credit"] == "ATTRIBUTION.txt"
    assert "Zoe" in (out / "ATTRIBUTION.txt").read_text()


async def test_a_dataset_with_every_name_a_credit_has_is_credited_beside_them(start: Start, tmp_path: Path) -> None:
    ana, bob = await start("ana"), await start("bob")
    data = tmp_path / "data"
    data.mkdir()
    (data / "ATTRIBUTION.txt").write_text("theirs")
    (data / "ATTRIBUTION.commons.txt").write_text("theirs")
    told = await bob.fetch(await ana.publish(data), tmp_path / "out", ana.address)
    assert (tmp_path / "out/ATTRIBUTION.txt").read_text() == "theirs"
    assert "Ana" in (tmp_path / "out" / told["credit"]).read_text()


async def test_a_fetch_that_was_stopped_goes_on_in_the_same_folder(
    start: Start, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ana, bob = await start("ana"), await start("bob")
    reference, out = await ana.publish(folder), tmp_path / "out"
    monkeypatch.setattr(unpacker, "_BATCH_FILES", 1)
    with monkeypatch.context() as patch:
        stop = threading.Event()

        def place(self: Any, batch: Any, replace: bool, real: Any = unpacker._Ground.place) -> None:
            if stop.is_set():
                raise StorageFailed("disk full")
            stop.set()
            real(self, batch, replace)

        patch.setattr(unpacker._Ground, "place", place)
        with pytest.raises(StorageFailed):
            await bob.fetch(reference, out, ana.address)
    (half,) = files_in(out)
    before = half.stat()
    await bob.fetch(reference, out, ana.address)
    assert half.stat() == before
    assert len(files_in(out)) == 4


@pytest.mark.parametrize("taken", ["file", "folder", "link"])
async def test_what_is_made_while_a_dataset_is_exported_stays(
    start: Start, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, taken: str
) -> None:
    ana, dest, write = await start("ana"), tmp_path / "exported", exporting._write
    reference = await ana.publish(folder)

    def slowly(*words: Any) -> list[str]:
        done = write(*words)
        {"file": dest.touch, "folder": dest.mkdir, "link": lambda: dest.symlink_to("nowhere")}[taken]()
        return done

    monkeypatch.setattr(exporting, "_write", slowly)
    with pytest.raises(Conflict, match="exists already"):
        await ana.desk.export(dataset=reference, dest=str(dest))
    assert {"file": dest.is_file, "folder": dest.is_dir, "link": dest.is_symlink}[taken]()
    assert not files_in(dest)
    assert not [path for path in tmp_path.iterdir() if path.name.startswith(".exported")]
