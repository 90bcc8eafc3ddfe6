"""A damaged row of a home is one row: it ends nothing that is done with all others, and is told by table and row."""

from __future__ import annotations

import sqlite3
import subprocess
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from commons import notices, titles
from commons.core.reference import parse
from commons.errors import NotFound, StorageFailed, Untrue
from tests.conftest import LIMIT, Party, Start
from tests.disk.test_log import flipped
from tests.forked import program
from tests.test_cli import Commons


def flip(db: sqlite3.Connection, table: str, column: str, where: str = "1 = 1") -> str:
    """One bit in the middle of a value in the first such row; the row's key."""
    key, value = db.execute(f"SELECT *, {column} FROM {table} WHERE {where}").fetchone()[:: len(columns(db, table))]
    new = flipped(value, 4 * len(value)) if isinstance(value, bytes) else f"{value[:-9]}~{value[-8:]}"
    db.execute(f"UPDATE {table} SET {column} = ? WHERE {column} = ?", (new, value))
    return str(new if columns(db, table)[0] == column else key)


def columns(db: sqlite3.Connection, table: str) -> list[str]:
    return [row[1] for row in db.execute(f"PRAGMA table_info({table})")]


async def damaged(of: Party) -> list[tuple[str, str]]:
    return [(each["table"], each["row"]) for each in (await of.desk.status())["damaged"]]


# -- the shelf ---------------------------------------------------------------------------------------------------------


async def test_a_damaged_manifest_ends_neither_serving_nor_gossip_and_comes_again(
    start: Start, folder: Path, tmp_path: Path
) -> None:
    alice, bob, cleo = await start("alice"), await start("bob"), await start("cleo")
    one = await alice.publish(folder, title="Lakes")
    (folder / "more").write_text("more")
    two = await alice.publish(folder, title="Rivers")
    for n, reference in enumerate((one, two)):
        await bob.fetch(reference, tmp_path / f"copy{n}", alice.address)
    cid, other = parse(one).cid, parse(two).cid
    assert await damaged(bob) == []
    flip(bob.home.shelf._db, "manifests", "data", f"cid = '{cid}'")
    bob.home.shelf.edition += 1  # what was read of it before is read again
    assert [each["cid"] for each in (await bob.desk.datasets())["datasets"]] == [other]
    assert await damaged(bob) == [("shelf.db manifests", cid)]
    assert set(notices.held(bob.home)) == {other}
    assert [each.cid for each in titles.of_home(bob.home)] == [other]
    assert alice.address in bob.node.gossip.keepers(alice.home.commons)
    assert alice.peer in bob.node.contact.wanted()
    with pytest.raises(NotFound):
        bob.node.site.manifest(cid)
    await cleo.desk.mirror(dataset=two, sources=[bob.address])
    assert (await bob.desk.drop(dataset=two))["freed_bytes"] == 0  # which packs the damaged one needs, nobody knows
    shown = await bob.desk.show(dataset=one, sources=[alice.address])
    assert shown["title"] == "Lakes"
    assert (bob.home.shelf.role(cid), await damaged(bob)) == ("fetched", [])
    assert bob.node.site.manifest(cid) == alice.node.site.manifest(cid)


@pytest.mark.parametrize("table", ["heads", "asks"])
async def test_a_damaged_key_of_a_log_ends_no_comparison_of_others(
    start: Start, folder: Path, tmp_path: Path, table: str
) -> None:
    alice, adam, bob = await start("alice"), await start("adam"), await start("bob")
    for each in (alice, adam):
        await bob.fetch(await each.publish(folder), tmp_path / each.peer, each.address)
    row = flip(bob.home.shelf._db, table, "log", f"log = '{alice.home.log.key.vkey}'")
    assert adam.home.log.key in bob.node.gossip.known()
    assert (f"shelf.db {table}.log", row) in await damaged(bob)
    await bob.desk.unlogged()


async def test_a_damaged_key_of_a_log_that_is_cosigned_ends_no_cosigning_of_others(start: Start) -> None:
    alice, adam, wim = await start("alice"), await start("adam"), await start("wim")
    for each in (alice, adam):
        wim.node.site.witness.add(each.home.log.key.vkey)
    row = flip(wim.home.witnessed._db, "logs", "vkey", f"vkey = '{alice.home.log.key.vkey}'")
    assert adam.home.log.key in wim.node.gossip.known()
    assert await damaged(wim) == [("witness.db logs", row)]
    assert wim.home.witnessed.keys(adam.home.log.origin) == (adam.home.log.key,)


async def test_a_damaged_request_hides_no_other_and_is_made_anew(start: Start, folder: Path, tmp_path: Path) -> None:
    alice, adam, bob = await start("alice"), await start("adam"), await start("bob")
    one, two = await alice.publish(folder), await adam.publish(folder)
    for each, reference in ((alice, one), (adam, two)):
        await bob.fetch(reference, tmp_path / each.peer, each.address)
    before = await bob.desk.unlogged()
    log = alice.home.log.key.vkey
    flip(bob.home.shelf._db, "asks", "submission", f"log = '{log}'")
    assert await bob.desk.unlogged() == before
    assert await damaged(bob) == [("shelf.db asks", parse(one).cid)]
    again = await bob.fetch(one, tmp_path / "again", alice.address)  # its key is here
    assert len(alice.home.log.state.accesses) == 1
    bob.home.shelf._db.execute("UPDATE asks SET secret = NULL, outcome = 'pending' WHERE log = ?", (log,))
    anew = await bob.fetch(one, tmp_path / "anew", alice.address)
    assert (anew["request"] > again["request"], await damaged(bob)) == (True, [])


# -- the log, by commands ----------------------------------------------------------------------------------------------


@pytest.fixture
def ana(tmp_path: Path, folder: Path) -> Commons:
    made = Commons(tmp_path)
    made.json("ana", "init", "--name", "River watch")
    made.json("ana", "publish", str(folder), "--licence", "CC0-1.0", "--title", "Rivers")
    return made


def mar(ana: Commons, table: str, column: str, where: str = "1 = 1") -> None:
    with closing(sqlite3.connect(ana.folder / "ana" / "log.db", isolation_level=None)) as db:
        flip(db, table, column, where)


@pytest.mark.parametrize(
    ("table", "column", "where", "row"),
    [("nodes", "hash", "(level, pos) = (0, 1)", "(0, 1)"), ("checkpoints", "note", "size = 1", "1")],
)
def test_a_bit_that_flips_in_a_log_is_told_by_the_commands_with_its_table_and_row(
    ana: Commons, table: str, column: str, where: str, row: str
) -> None:
    mar(ana, table, column, where)
    done = ana.run("--home", "ana", "audit")
    assert done.returncode == StorageFailed.number
    assert f"DAMAGED here: {table} {row}: " in done.stdout
    assert "1 rows of this home's log.db are damaged" in done.stderr
    assert "Traceback" not in done.stderr
    told: dict[str, Any] = ana.json("ana", "audit", fails=StorageFailed.number)
    assert [(each["table"], each["row"]) for each in told["damaged"]] == [(table, row)]
    done = ana.run("--home", "ana", "status")
    assert done.returncode == 0
    assert f"DAMAGED     {table} {row}: " in done.stdout
    process = subprocess.Popen(
        [program(), "--home", "ana", "node"], cwd=ana.folder, env=ana.env, text=True, stdout=subprocess.PIPE,
        stdin=subprocess.DEVNULL,
    )  # fmt: skip
    assert process.stdout is not None
    try:
        said = iter(process.stdout.readline, "")
        assert any(line.startswith(f"Warning: the log is damaged: {table} {row}: ") for line in said)
        process.terminate()
        assert process.wait(LIMIT) == 0
    finally:
        process.kill()
        process.wait()
        process.stdout.close()


def test_an_audit_of_files_with_a_damaged_tile_has_its_code(ana: Commons) -> None:
    ana.json("ana", "log", "export", "copy")
    done = ana.run("--home", "ana", "audit", "copy")
    assert done.returncode == 0, done.stderr
    tile = next(each for each in (ana.folder / "copy" / "tile" / "0").rglob("*") if each.is_file())
    tile.write_bytes(flipped(tile.read_bytes(), 9))
    done = ana.run("--home", "ana", "audit", "copy")
    assert done.returncode == Untrue.number
    assert f"DAMAGED file {tile.relative_to(ana.folder / 'copy')}: " in done.stdout
    told = ana.json("ana", "audit", "copy", fails=Untrue.number)
    assert [each["file"] for each in told["files"]["damaged"]] == [str(tile.relative_to(ana.folder / "copy"))]


def test_an_export_with_a_damaged_opening_says_so_and_is_no_success(ana: Commons) -> None:
    ana.json("ben", "init")
    with ana.node("ana"):
        reference = ana.json("ana", "refer", "Rivers", "--lan")["reference"]
        ana.json("ben", "fetch", reference, "rivers", "--acknowledge", "CC0-1.0")
    ana.json("ana", "log", "export", "whole", "--openings")
    mar(ana, "openings", "sealed")
    with closing(sqlite3.connect(ana.folder / "ana" / "log.db")) as db:
        index = db.execute("SELECT idx FROM openings").fetchone()[0]
    done = ana.run("--home", "ana", "log", "export", "copy", "--openings")
    assert done.returncode == StorageFailed.number
    assert f"the openings of 1 entry are damaged, and empty in what was written: {index}" in done.stderr
    assert (ana.folder / "copy" / "checkpoint").is_file()
    told = ana.json("ana", "log", "export", "copy.zip", "--openings", fails=StorageFailed.number)
    assert told["damaged"] == [index]
    assert ana.json("ana", "log", "export", "plain")["damaged"] == []
