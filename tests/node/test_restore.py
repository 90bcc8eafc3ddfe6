"""A home in one file and back: from a node that is killed at it, and from a backup older than what others saw."""

from __future__ import annotations

import asyncio
import os
import random
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from commons.core.crypto import codec
from commons.core.dataset.terms import DAY
from commons.core.state import entries
from commons.disk import backup, home, moved, sql, vault
from commons.disk.home import Home
from commons.disk.vault import Writer
from commons.errors import Busy, CommonsError, Conflict, Malformed, NotFound, Refused, Stale, Untrue
from commons.node import restore as room
from commons.node import resuming
from commons.node.node import Node
from commons.node.verbs.shapes import told
from commons.progress import untold
from commons.session import RestoreResult
from tests.cli.test_cli import Commons
from tests.conftest import CHARTER, LIMIT, Desk, Found, Party, Village, chosen, log_folder, until
from tests.crash_driver import die_at, in_child
from tests.node.test_restores import goes_on, node_until_killed, of_every_role
from tests.rows import few, one_in

WORDS = "correct horse battery staple"


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(vault, "LOG_N", 10)


def restored(file: Path, to: Path, *sources: str, words: str = WORDS) -> dict[str, Any]:
    return asyncio.run(room.restore(file, words, to, sources, untold))


async def back(village: Village, name: str, file: Path, *sources: str) -> dict[str, Any]:
    """The home in the place of the one that was lost, out of its backup."""
    if name in village.nodes:
        await village.stop(name)
    (village.path / name).rename(village.path / f"{name}.lost.{len(list(village.path.iterdir()))}")
    made = await room.restore(file, WORDS, village.path / name, sources, untold)
    told(RestoreResult, **made)  # nothing else is in it, and nothing lacks
    return made


def beside(folder: Path) -> list[str]:
    return sorted(each.name for each in folder.iterdir() if each.name.startswith("."))


# -- what is in it -----------------------------------------------------------------------------------------------------


async def test_a_home_of_every_role_comes_back_from_a_running_node(
    village: Village, folder: Path, tmp_path: Path
) -> None:
    coop, ben, reference, _ = await of_every_role(village, folder, tmp_path)
    before = await coop.desk.audit()
    told = await coop.desk.backup(path=str(tmp_path / "coop.backup"), passphrase=WORDS, packs=True)
    assert (tmp_path / "coop.backup").stat().st_mode & 0o777 == 0o600
    assert (told["entries"], told["packs"], told["delete_by"]) == (coop.home.first.log.size, True, None)
    for secret in (b"SQLite format", b"coop.example", coop.peer.encode(), (village.path / "coop/seed").read_bytes()):
        assert secret not in (tmp_path / "coop.backup").read_bytes()
    found = await back(village, "coop", tmp_path / "coop.backup")
    assert (found["entries"], found["shut"], found["withheld"], found["packs_missing"]) == (told["entries"], "", "", 0)
    coop = await village.start("coop")
    assert await coop.desk.audit() == before
    await goes_on(village, coop, ben, reference, folder, tmp_path)
    names = {each.name for each in (village.path / "coop").iterdir()}
    lost = next(village.path.glob("coop.lost.*"))
    assert {each.name for each in lost.iterdir()} - names <= {"control", "lock"}


async def test_while_it_is_copied_the_log_is_still_and_what_it_has_the_shelf_has(
    village: Village, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ana = await village.start("ana")
    honest, order, waiting = sql.snapshot, list[str](), list[Any]()

    def snapshot(path: Path, work: Path) -> int:
        order.append(path.name)
        assert ana.home.first.log.writing.locked()
        if path.name == "cosigned.db":  # from here on somebody publishes, as fast as it goes
            waiting.append(asyncio.run_coroutine_threadsafe(ana.publish(folder), loop))
        return honest(path, work)

    loop = asyncio.get_running_loop()
    monkeypatch.setattr(sql, "snapshot", snapshot)
    size = ana.home.first.log.size
    await ana.desk.backup(path=str(tmp_path / "a.backup"), passphrase=WORDS)
    await asyncio.wrap_future(waiting[0])  # it was taken when the pause was over
    assert ana.home.first.log.size == size + 1
    assert order.index("cosigned.db") < order.index("log.db") < order.index("shelf.db") < order.index("notes.db")
    assert (await back(village, "ana", tmp_path / "a.backup"))["entries"] == size


async def test_a_backup_takes_nobodys_place_and_its_passphrase_is_long(village: Village, tmp_path: Path) -> None:
    ana = await village.start("ana")
    (tmp_path / "mine").write_text("mine")
    with pytest.raises(Conflict, match="exists already"):
        await ana.desk.backup(path=str(tmp_path / "mine"), passphrase=WORDS)
    with pytest.raises(Malformed, match="at least 12"):
        await ana.desk.backup(path=str(tmp_path / "new"), passphrase="too short")
    with pytest.raises(NotFound):
        await ana.desk.backup(path=str(tmp_path / "no" / "new"), passphrase=WORDS)
    for inside in ("log.db.bak.db", "mine", "packs/mine"):
        with pytest.raises(Refused, match="would be lost with it"):
            await ana.desk.backup(path=str(ana.home.path / inside), passphrase=WORDS)
    assert (tmp_path / "mine").read_text() == "mine"
    assert not (tmp_path / "new").exists()
    assert not beside(tmp_path)
    assert not beside(ana.home.path)


def test_every_file_that_a_home_may_have_is_named_or_is_of_the_moment(make_home: Callable[[str], Path]) -> None:
    path = make_home("ana")
    with Home(path):
        there = {each.name for each in path.iterdir()}
    kept = {name.rstrip("/") for name, (_, lost) in home.FILES.items() if lost}
    named = {*backup.DATABASES, *(pattern.partition("/")[0] for pattern in (*backup.PLAIN, backup.PACKS))}
    logs = {*backup.LOGS, *(each.removeprefix("*/").replace("*", "") for each in backup.BESIDE)}
    beside = {name.removeprefix("commons/ID/") for name in kept if name.startswith("commons/ID/")}
    assert {name for name in kept - named if not name.startswith("commons/ID/")} == {"commons", "identities"}
    assert beside == logs - {"cosigned.before.db"}
    named |= {"commons"}
    assert there - named <= {"lock", "control"} | {f"{name}{end}" for name in named for end in ("-wal", "-shm")}


# -- killed ------------------------------------------------------------------------------------------------------------


def made(folder: Path) -> tuple[Path, Path]:
    """A home with a dataset and a request, and its backup."""
    (folder / "data").mkdir()
    (folder / "data" / "rivers.csv").write_text("river,km\n")
    path = folder / "ana"
    home.create(path, home.personal("ana", "members", int(time.time())), {})
    with Home(path) as opened:
        asyncio.run(_published(opened, folder))
        backup.write(opened, folder / "ana.backup", WORDS, True, untold)
    return path, folder / "ana.backup"


async def _published(opened: Home, folder: Path) -> None:
    async with Node(opened) as node:
        await Desk(node).publish(path=str(folder / "data"), title="Rivers", licence="CC0-1.0")


def audited(path: Path) -> dict[str, Any]:
    async def go() -> dict[str, Any]:
        with Home(path) as opened:
            async with Node(opened) as node:
                return await Desk(node).audit()

    return asyncio.run(go())


@one_in(9)
def test_a_backup_killed_anywhere_leaves_the_home_as_it_was_and_nothing_under_its_name(
    tmp_path: Path, every: int
) -> None:
    path, _ = made(tmp_path)
    before, named = audited(path), list[bool]()
    for step in range(1, 99, every):
        out = tmp_path / f"out{step}"
        out.mkdir()

        def work(out: Path = out, step: int = step) -> None:
            with Home(path) as opened:
                die_at(step, also=((sql, "snapshot"), (os, "unlink"), (Writer, "_seal")))
                backup.write(opened, out / "b", WORDS, True, untold)

        code = in_child(work)
        named.append((out / "b").exists())
        found = audited(path)
        found.pop("alone", "")  # for root, between the copying of the log and its note: whoever may know is asked again
        assert found == before
        assert not beside(path)  # the next that opened it has swept
        if named[-1]:
            restored(out / "b", out / "home")
            assert audited(out / "home")["root"] == before["root"]
        if code == 0:
            break
        assert code == -signal.SIGKILL
    assert named == sorted(named)
    assert named.count(True) * every > 1
    assert named.count(False) * every > 10


@one_in(9)
def test_a_restore_killed_anywhere_is_repeated_and_no_half_home_has_a_name(tmp_path: Path, every: int) -> None:
    path, file = made(tmp_path)
    before, named = audited(path), list[bool]()
    for step in range(1, 999, 2 * every):
        out = tmp_path / f"out{step}"
        out.mkdir()

        def work(out: Path = out, step: int = step) -> None:
            die_at(step)
            restored(file, out / "home")

        code = in_child(work)
        named.append((out / "home").exists())
        if not named[-1]:
            restored(file, out / "home")
            assert beside(out) == []
        assert audited(out / "home")["root"] == before["root"]
        shutil.rmtree(out)
        if code == 0:
            break
        assert code == -signal.SIGKILL
    assert named == sorted(named)
    assert named.count(False) * every > 10


@pytest.mark.rest
def test_a_node_that_is_killed_while_it_backs_up_loses_nothing(tmp_path: Path) -> None:
    commons = Commons(tmp_path)
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "noise.bin").write_bytes(random.Random(3).randbytes(32 << 20))
    (tmp_path / "words").write_text(WORDS)
    commons.json("ana", "init")
    commons.json("ana", "publish", "data", "--title", "Noise", "--licence", "CC0-1.0")
    before = commons.json("ana", "audit")
    words = ("backup", "ana.backup", "--packs", "--passphrase-file", "words")
    with node_until_killed(commons, "ana"):
        asking = subprocess.Popen(
            [sys.executable, "-P", "-m", "commons.cli", "--home", "ana", *words],
            cwd=tmp_path, env=commons.env, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        )  # fmt: skip

        def in_the_middle() -> bool:
            assert asking.poll() is None
            return any(each.stat().st_size > 1 << 20 for each in tmp_path.glob(".ana.backup.*/whole"))

        asyncio.run(until(in_the_middle))
    _, said = asking.communicate(timeout=LIMIT)
    assert asking.returncode
    assert "Traceback" not in said
    assert not (tmp_path / "ana.backup").exists()
    found = commons.json("ana", "audit")
    found.pop("alone", "")  # killed, and for root as above
    assert found == before
    assert not beside(tmp_path / "ana")
    assert commons.json("ana", *words)["entries"] == before["entries"]
    (tmp_path / "ana").rename(tmp_path / "burnt")
    commons.json("ana", "restore", "ana.backup", "--passphrase-file", "-", typed=f"{WORDS}\nmore\n")
    found = commons.json("ana", "audit")
    assert "nobody is known who could say" in found.pop("alone")
    assert found == before
    assert commons.json("ana", "status")["unfinished"] == []


# -- openings of others' logs that were kept ---------------------------------------------------------------------------


@pytest.mark.parametrize("there", few([True, False], 2))
async def test_what_a_backup_keeps_of_others_logs_is_destroyed_where_they_have_erased_it_since(
    village: Village, found: Found, folder: Path, tmp_path: Path, there: bool
) -> None:
    """When the home is made of it, if their registrar is there; else by the first command that reads their log."""
    seats = await found("ben", charter=f"retention_days = 30\n{CHARTER}")
    coop, ben = seats["coop"], seats["ben"]
    reference, address = await coop.publish(folder), coop.address
    for name in ("eve", "dan"):
        await (await village.start(name)).fetch(reference, tmp_path / name, address)
    first, second = coop.home.first.log.state.accesses
    assert (await ben.desk.backup(path=str(tmp_path / "before.backup"), passphrase=WORDS))["delete_by"] is None
    told = await ben.desk.audit(source=coop.address, keep=True)
    written = await ben.desk.backup(path=str(tmp_path / "ben.backup"), passphrase=WORDS)
    assert written["delete_by"] == (told["rows"][0]["time"] + 30 * DAY) // DAY * DAY
    place = Path("commons") / coop.home.first.commons / "replica.db"
    before = openings_in(ben.home.path / place)
    erased = (await coop.desk.erase(entry=first))["erased"]
    if not there:
        await village.stop("coop")
    told = await back(village, "ben", tmp_path / "ben.backup")
    (kept,) = told["kept"]
    gone = {index for index in before if index in erased}
    assert gone
    assert kept["commons"] == coop.home.first.commons
    assert (kept["heard"], kept["erased"]) == (there, len(gone) if there else 0)
    assert kept["openings"] == len(before) - kept["erased"]

    def still() -> set[int]:
        """Of which of them there are bytes anywhere in the home."""
        raw = b"".join(each.read_bytes() for each in (village.path / "ben").rglob("*") if each.is_file())
        return {index for index, data in before.items() if data in raw}

    assert still() == (before.keys() - gone if there else before.keys())
    ben = await village.start("ben")
    if not there:
        await village.start("coop", listen=(address.partition("/p2p/")[0],))
    told = await ben.desk.audit(source=address)
    assert [row["state"].split()[0] for row in told["rows"]] == ["redacted", "verified"]
    assert told["rows"][0]["earlier"] == "verified"
    await village.stop("ben")
    assert still() == {*openings_in(village.path / "ben" / place)} == before.keys() - gone
    assert second in before


def openings_in(path: Path) -> dict[int, bytes]:
    """What is kept of each entry, sealed, by another reader."""
    with closing(sqlite3.connect(path)) as db:
        return dict(db.execute("SELECT idx, sealed FROM openings").fetchall())


# -- older than what others saw ----------------------------------------------------------------------------------------


async def lived(village: Village, folder: Path, tmp_path: Path, seed: int) -> tuple[Party, Party, Path, set[int]]:
    """A registrar with requests, its backup, and some more entries: more requests, and of the older ones some erased.
    Which of those that are in the backup."""
    dice = random.Random(seed)
    coop, ben = await village.start("coop", f"retention_days = 30\n{CHARTER}"), await village.start("ben")
    await ben.desk.join(text=(await coop.desk.invite(college="workers"))["invitation"], linked=True)
    await coop.desk.peers(add=ben.address)
    for n in range(2):
        await ben.fetch(await coop.publish(folder, title=f"old {n}"), tmp_path / f"old{n}", coop.address)
    await coop.desk.backup(path=str(tmp_path / "coop.backup"), passphrase=WORDS)
    old = [*coop.home.first.log.state.accesses]
    for n in range(dice.randint(0, 2)):
        await ben.fetch(await coop.publish(folder, title=f"new {n}"), tmp_path / f"new{n}", coop.address)
    gone = set[int]()
    for index in dice.sample(old, dice.randint(1, 2)):
        gone |= {*(await coop.desk.erase(entry=index))["erased"]}
    return coop, ben, tmp_path / "coop.backup", gone


def names(party: Party) -> dict[int, object]:
    """Whoever is named by what this home opens, by the entry; None where nothing is opened."""
    found: dict[int, object] = {}
    for index in party.home.first.log.state.accesses:
        try:
            shown = party.home.first.log.opening(index)
        except Refused:
            shown = None
        found[index] = entries.requester(shown) if shown is not None else None
    return found


@pytest.mark.parametrize("seed", few([1, 2, 3], 3))
async def test_a_name_that_was_erased_since_stays_erased(
    village: Village, folder: Path, tmp_path: Path, seed: int
) -> None:
    coop, ben, file, gone = await lived(village, folder, tmp_path, seed)
    assert coop.home.first.restored.withheld() == frozenset()
    before = await coop.desk.audit()
    await coop.desk.export_log(path=str(tmp_path / "log.zip"))
    await room.restore(file, WORDS, tmp_path / "kept", (), untold)  # by who is not told what was erased
    with sql.connect(log_folder(tmp_path / "kept") / "log.db", "") as db:
        sealed = [data for index, data in db.execute("SELECT idx, sealed FROM openings") if index in gone]
    told = await back(village, "coop", file, str(tmp_path / "log.zip"))
    assert (set(told["erased"]), told["withheld"]) == (gone, "")
    assert f"{before['entries'] - told['entries']} more than the {told['entries']} here" in told["shut"]
    for name, there in (("kept", True), ("coop", False)):
        raw = b"".join(each.read_bytes() for each in log_folder(village.path / name).glob("log.db*"))
        assert [each in raw for each in sealed] == [there] * len(gone)
    with sql.connect(log_folder(village.path / "coop") / "log.db", "") as db:
        assert {index for (index,) in db.execute("SELECT idx FROM openings")}.isdisjoint(gone)
    coop = await village.start("coop")
    assert names(coop) == {i: None if i in gone else ben.peer for i in coop.home.first.log.state.accesses}
    after = await coop.desk.audit()
    assert after["faults"] == []
    states = {row["entry"]: row["state"] for row in after["rows"]}
    assert states == {i: "no opening given" if i in gone else "verified" for i in coop.home.first.log.state.accesses}
    with pytest.raises(Stale):
        await coop.publish(folder, title="another")
    with pytest.raises(Stale):
        await coop.desk.go_on()  # it is proven to be old


async def test_who_has_seen_more_and_not_what_keeps_all_of_it_closed(
    village: Village, folder: Path, tmp_path: Path
) -> None:
    coop, ben, file, _ = await lived(village, folder, tmp_path, 4)
    await ben.fetch(await coop.publish(folder, title="last"), tmp_path / "last", coop.address)  # and sees its head
    told = await back(village, "coop", file)
    assert ben.peer in told["shut"]
    assert told["erased"] == []
    assert "what was erased since is not known here" in told["withheld"]
    coop = await village.start("coop")
    assert set(names(coop).values()) == {None}
    audited = await coop.desk.audit()
    assert (audited["faults"], {row["state"] for row in audited["rows"]}) == ([], {"no opening given"})
    rows = (await coop.desk.requests(everything=True))["requests"]
    assert all(row["who"] is None and "withheld" in row["damaged"] for row in rows)
    exported = await coop.desk.export_log(path=str(tmp_path / "all.zip"), openings=True)
    assert exported["damaged"] == []
    assert ben.peer.encode() not in (tmp_path / "all.zip").read_bytes()
    with pytest.raises(Stale):
        await coop.publish(folder, title="another")
    await coop.desk.go_on()  # its owner's word
    assert set(names(coop).values()) == {ben.peer}


async def test_where_nobody_answers_it_is_open_until_the_day_by_which_the_backup_had_to_be_deleted(
    village: Village, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(room, "SILENCE", 0.5)
    monkeypatch.setattr(resuming, "SILENCE", 0.5)
    monkeypatch.setattr(resuming, "AGAIN", 0.05)
    coop, ben = await village.start("coop", f"retention_days = 30\n{CHARTER}"), await village.start("ben")
    await ben.desk.join(text=(await coop.desk.invite(college="workers"))["invitation"], linked=True)
    await coop.desk.peers(add=ben.address)
    await ben.fetch(await coop.publish(folder), tmp_path / "copy", coop.address)
    (access,) = coop.home.first.log.state.accesses.values()
    told = await coop.desk.backup(path=str(tmp_path / "b"), passphrase=WORDS)
    assert told["delete_by"] == (access.entry.time + 30 * DAY) // DAY * DAY
    day = time.strftime("%Y-%m-%d", time.gmtime(told["delete_by"]))
    assert f"\ndelete-by {day}\n".encode() in (tmp_path / "b").read_bytes()
    size = coop.home.first.log.size
    await village.stop("ben")
    found = await back(village, "coop", tmp_path / "b")
    assert (found["heard"], found["withheld"], found["overdue"], found["shut"]) == ([], "", False, "")
    coop = await village.start("coop")
    assert set(names(coop).values()) == {ben.peer}
    assert coop.home.first.log.size == size
    later = told["delete_by"] + 60
    monkeypatch.setattr(coop.home.first.restored, "_clock", lambda: later)
    assert set(names(coop).values()) == {None}
    assert (await coop.desk.audit())["faults"] == []
    monkeypatch.setattr(
        coop.home.first.restored, "_clock", lambda: 0
    )  # a clock that is set back opens what log time lets
    assert set(names(coop).values()) == {ben.peer}
    monkeypatch.setattr(coop.home.first.restored, "_clock", lambda: later)
    ben = await village.start("ben")
    await coop.desk.peers(add=ben.address)
    await until(lambda: coop.home.first.resumption.free)
    if later < access.entry.time + 30 * DAY:
        assert set(names(coop).values()) == {ben.peer}  # somebody said that it is the newest
    monkeypatch.setattr(coop.home.first.restored, "_clock", lambda: access.entry.time + 30 * DAY)
    assert set(names(coop).values()) == {None}  # and that the charter keeps no longer


async def test_a_peer_with_nothing_newer_is_named_and_opens_it(found: Found, village: Village, tmp_path: Path) -> None:
    seats = await found("ben")
    await seats["coop"].desk.backup(path=str(tmp_path / "b"), passphrase=WORDS)
    told = await back(village, "coop", tmp_path / "b")
    assert (seats["ben"].peer in told["heard"], told["shut"], told["withheld"]) == (True, "", "")


async def test_a_log_that_another_keeps_by_now_is_shut_and_what_they_erased_is_destroyed(
    found: Found, village: Village, folder: Path, tmp_path: Path
) -> None:
    seats = await found("ben")
    await seats["ben"].fetch(await seats["coop"].publish(folder), tmp_path / "copy", seats["coop"].address)
    await seats["coop"].desk.backup(path=str(tmp_path / "b"), passphrase=WORDS)
    (asked,) = seats["coop"].home.first.log.state.accesses
    await chosen(seats, "ben", "coop")
    await seats["ben"].desk.take_over()
    ben = await village.restart("ben")
    await ben.desk.erase(entry=asked)
    await village.stop("coop")
    told = await back(village, "coop", tmp_path / "b", ben.address)
    assert asked in told["erased"]
    assert f"{ben.peer} keeps this log by now" in told["shut"]
    coop = await village.start("coop")
    assert names(coop) == {asked: None}


async def test_a_source_that_is_of_another_log_or_forged_is_named_and_changes_nothing(
    found: Found, village: Village, folder: Path, tmp_path: Path
) -> None:
    seats = await found("ben")
    await seats["ben"].publish(folder)
    await seats["coop"].desk.backup(path=str(tmp_path / "b"), passphrase=WORDS)
    await seats["ben"].desk.export_log(path=str(tmp_path / "other.zip"))
    (tmp_path / "none.zip").write_bytes(b"none")
    others = [str(tmp_path / "other.zip"), str(tmp_path / "none.zip"), str(tmp_path / "nowhere")]
    told = await back(village, "coop", tmp_path / "b", *others)
    assert [each["source"] for each in told["failed"]][:3] == others
    assert (told["shut"], told["erased"], told["withheld"]) == ("", [], "")


# -- what is refused ---------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Path:
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(vault, "LOG_N", 10)
        return made(tmp_path_factory.mktemp("small"))[1]


def refused(data: bytes, folder: Path, kind: type[CommonsError], words: str = WORDS) -> CommonsError:
    (folder / "b").write_bytes(data)
    with pytest.raises(kind) as told:
        restored(folder / "b", folder / "home", words=words)
    assert sorted(each.name for each in folder.iterdir()) == ["b"]  # nothing lost, nothing left behind
    return told.value


def test_a_wrong_passphrase_and_a_damaged_file_leave_nothing(small: Path, tmp_path: Path) -> None:
    whole, dice = small.read_bytes(), random.Random(7)
    refused(whole, tmp_path, Refused, "correct horse battery stapler")
    refused(whole.replace(b"backup/v1", b"backup/v2", 1), tmp_path, Conflict)
    for _ in range(100):
        at = dice.randrange(len(whole))
        refused(whole[:at] + bytes([whole[at] ^ 1 << dice.randrange(8)]) + whole[at + 1 :], tmp_path, CommonsError)
        refused(whole[: dice.randrange(len(whole))], tmp_path, CommonsError)


def resealed(tmp_path: Path, small: Path, change: Callable[[backup.Inventory], backup.Inventory]) -> bytes:
    """The same backup, with another table of contents."""
    with small.open("rb") as file:
        reader = vault.Reader(file, WORDS)
        contents = codec.decode(backup.Inventory, reader.read(int.from_bytes(reader.read(4), "big")))
        data = reader.read(sum(each.size for each in contents.files))
    table = codec.encode(change(contents))
    with (tmp_path / "again").open("wb") as file:
        writer = Writer(file, WORDS, reader.cover)
        writer.write(len(table).to_bytes(4, "big") + table + data)
        writer.finish()
    again = (tmp_path / "again").read_bytes()
    (tmp_path / "again").unlink()
    return again


def renamed(old: str, new: str) -> Callable[[backup.Inventory], backup.Inventory]:
    def change(contents: backup.Inventory) -> backup.Inventory:
        files = [replace(each, name=new) if each.name == old else each for each in contents.files]
        return replace(contents, files=tuple(files))

    return change


def test_contents_that_are_no_home_leave_nothing(small: Path, tmp_path: Path) -> None:
    def later(contents: backup.Inventory) -> backup.Inventory:
        return replace(contents, schema=moved.SCHEMA + 1)

    assert "later version" in refused(resealed(tmp_path, small, later), tmp_path, Conflict).message
    for name in ("../seed", "/etc/passwd", "packs/x", "control", "seed", "proofs/../../x"):
        refused(resealed(tmp_path, small, renamed("pleas.db", name)), tmp_path, Malformed)
    assert "lacks" in refused(resealed(tmp_path, small, renamed("seed", "proofs/seed")), tmp_path, Malformed).message
    mixed = resealed(tmp_path, small, lambda contents: replace(contents, head=b"another"))
    assert "does not hold the log" in refused(mixed, tmp_path, Untrue).message


def test_a_home_that_is_there_stays_and_an_empty_folder_becomes_one(small: Path, tmp_path: Path) -> None:
    for kind in ("file", "folder", "link"):
        place = tmp_path / kind
        if kind == "file":
            place.write_text("mine")
        elif kind == "folder":
            (place / "mine").mkdir(parents=True)
        else:
            place.symlink_to(tmp_path / "nowhere")
        with pytest.raises(Conflict, match="is there, and is no empty folder"):
            restored(small, place)
        assert place.is_symlink() or place.exists()
    with pytest.raises(NotFound, match="there is no folder"):
        restored(small, tmp_path / "no" / "home")
    with pytest.raises(NotFound):
        restored(tmp_path / "nothing", tmp_path / "home")
    with backup.Place(tmp_path / "empty"), pytest.raises(Busy):
        restored(small, tmp_path / "empty")
    (tmp_path / "empty").mkdir()
    restored(small, tmp_path / "empty")
    assert audited(tmp_path / "empty")["faults"] == []
    assert beside(tmp_path) == []
