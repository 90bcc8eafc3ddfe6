"""What leaves a home, and what does not: through running nodes and the command line."""

from __future__ import annotations

import os
import stat
import zipfile
from pathlib import Path
from typing import Any

import pytest

from commons.datasets import prepare
from commons.disk.home import Home
from commons.errors import CommonsError, NotFound, Refused
from tests.conftest import Start

WORDS = {"title": "Rivers", "licence": "CC0-1.0"}


async def test_a_running_node_publishes_no_home_not_even_its_own(start: Start, tmp_path: Path) -> None:
    alice, bob = await start("d/alice"), await start("d/deep/bob")
    (tmp_path / "d" / "x.csv").write_text("1\n")
    (tmp_path / "links").mkdir()
    (tmp_path / "links" / "all").symlink_to(bob.home.path.parent)
    for path in (tmp_path / "d", tmp_path / "d" / "deep", alice.home.path, bob.home.path / "packs", tmp_path / "links"):
        with pytest.raises(Refused, match="is a home"):
            await alice.desk.publish(path=str(path), follow_links=True, hidden=True, **WORDS)
    assert (await alice.desk.datasets())["datasets"] == []
    assert alice.home.first.log.size == 1


async def test_the_seed_of_this_home_is_known_whatever_it_is_called(start: Start, tmp_path: Path) -> None:
    alice = await start("alice", listen=())
    (tmp_path / "d").mkdir()
    (tmp_path / "d" / "table.txt").write_bytes((alice.home.path / "seed").read_bytes())
    (tmp_path / "d" / "digest.txt").write_text("0" * 64)
    for verb in ("plan", "publish"):
        with pytest.raises(Refused, match=r"table\.txt is the seed of this home"):
            await alice.desk.call(verb, {"path": str(tmp_path / "d"), **WORDS})


async def test_a_dry_run_tells_every_file_and_seals_nothing(start: Start, folder: Path) -> None:
    alice = await start("alice", listen=())
    (folder / ".env").write_text("K=1\n")
    (folder / "gone").mkdir()
    told = await alice.desk.plan(path=str(folder), **WORDS)
    assert [each["path"] for each in told["listed"]] == ["empty", "notes/lisez-moi é.txt", "rivers.csv"]
    assert [(each["path"], each["files"]) for each in told["left_out"]] == [(".env", 1)]
    assert any("empty folders (gone)" in notice for notice in told["notices"])
    assert alice.home.first.log.size == 1
    assert list((alice.home.path / "packs").iterdir()) == []
    assert "reference" not in told


async def test_a_dry_run_finds_what_publishing_would_refuse(start: Start, folder: Path) -> None:
    alice, bob = await start("alice", listen=()), await start("bob", listen=())
    first = await alice.publish(folder)
    await alice.publish(folder, update=first)
    for who, says in ((alice, "has a newer version"), (bob, "was not published from this home")):
        with pytest.raises(CommonsError, match=says):
            await who.desk.plan(path=str(folder), update=first, **WORDS)


async def test_who_updates_is_told_what_the_version_before_has_and_this_one_leaves_out(
    start: Start, folder: Path
) -> None:
    alice = await start("alice", listen=())
    (folder / ".git").mkdir()
    for name in (".env", ".git/config", ".gitignore"):
        (folder / name).write_text("x\n")
    before = await alice.publish(folder, hidden=True)  # as older versions did, unasked
    (folder / ".ssh").mkdir()
    (folder / ".ssh" / "id").write_text("new\n")
    for verb in ("plan", "publish"):
        told = await alice.desk.call(verb, {"path": str(folder), "update": before, **WORDS})
        (said,) = [notice for notice in told["notices"] if notice.startswith("version 1 has")]
        assert said.endswith("who holds that version holds it: .env, .git/config, .gitignore")


def test_a_folder_of_which_all_is_left_out_says_so(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("K=1\n")
    with pytest.raises(NotFound, match=r"no file but what is left out: \.env") as caught:
        prepare.prepare(prepare.Publication(path=tmp_path, title="T", licence="CC0-1.0"))
    assert "--hidden" in caught.value.hint


def test_hidden_metadata_is_read_and_published(tmp_path: Path) -> None:
    (tmp_path / "x.csv").write_text("1\n")
    (tmp_path / ".zenodo.json").write_text('{"title": "Wells", "license": "cc-zero", "creators": [{"name": "Ana"}]}')
    ready = prepare.prepare(prepare.Publication(path=tmp_path))
    assert ready.terms.title == "Wells"
    assert [source.path for source in ready.sources] == [".zenodo.json", "x.csv"]


# -- what comes in does not get under a home's own names


@pytest.mark.parametrize("name", ["log.next.db", "Seed", "control", "packs/00", "shelf.db-wal"])
async def test_no_dataset_puts_its_files_in_the_place_of_a_homes_own(start: Start, tmp_path: Path, name: str) -> None:
    eve, ben = await start("eve"), await start("ben", listen=())
    (tmp_path / "d" / name).parent.mkdir(parents=True)
    (tmp_path / "d" / name).write_text("taken over\n")
    reference = await eve.publish(tmp_path / "d")
    before = sorted(os.listdir(ben.home.path))
    for dest in (ben.home.path, ben.home.path / "packs"):
        with pytest.raises(Refused, match="is for the home there"):
            await ben.fetch(reference, dest, eve.address, replace=True)
    assert sorted(os.listdir(ben.home.path)) == before
    with pytest.raises(Refused, match="is for the home there"):
        await ben.desk.export(dataset=reference, dest=str(ben.home.path / "control"))
    with pytest.raises(Refused, match="is for the home there"):
        await ben.desk.export_log(path=str(ben.home.path / "log.next.db"))
    await ben.fetch(reference, tmp_path / "copy", eve.address)


# -- openings are personal data


def modes(path: Path) -> set[int]:
    return {stat.S_IMODE(each.stat().st_mode) for each in (path, *path.rglob("*")) if each.is_file()}


@pytest.mark.parametrize("mask", [0o000, 0o022])
async def test_an_export_with_openings_is_for_its_owner_alone(start: Start, tmp_path: Path, mask: int) -> None:
    alice = await start("alice", listen=())
    before = os.umask(mask)
    try:
        for openings in (True, False):
            told: dict[str, Any] = {"openings": openings}
            await alice.desk.export_log(path=str(tmp_path / f"{openings}"), **told)
            await alice.desk.export_log(path=str(tmp_path / f"{openings}.zip"), **told)
    finally:
        os.umask(before)
    assert modes(tmp_path / "True") == modes(tmp_path / "True.zip") == {0o600}
    assert stat.S_IMODE((tmp_path / "True").stat().st_mode) == 0o700
    assert stat.S_IMODE((tmp_path / "True" / "openings").stat().st_mode) == 0o700
    assert modes(tmp_path / "False") == modes(tmp_path / "False.zip") == {0o666 & ~mask & 0o644}
    with zipfile.ZipFile(tmp_path / "True.zip") as archive:
        assert {name.partition("/")[0] for name in archive.namelist()} == {"checkpoint", "tile", "openings"}


def test_no_file_of_a_home_can_be_read_by_others(make_home: Any) -> None:
    path = make_home("alice")
    with Home(path):
        assert modes(path) == {0o600}
