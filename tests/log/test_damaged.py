"""A damaged row of a home is one row: it ends nothing that is done with all others, and is told by table and row."""

from __future__ import annotations

import contextlib
import shutil
import sqlite3
import subprocess
import time
from contextlib import closing
from dataclasses import replace
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from commons.community import transfer
from commons.core.crypto import codec, envelope, ids
from commons.core.crypto.keys import Signer
from commons.core.dataset.reference import parse
from commons.core.state import entries, notice, proposals
from commons.core.state.complaint import Handed
from commons.core.state.entries import Asked
from commons.core.state.notice import Notice
from commons.core.state.proposals import Vote
from commons.core.tlog import checkpoint, note
from commons.core.tlog.note import Verifier
from commons.datasets import holder
from commons.disk.complaints import Plea
from commons.disk.deposits import Gave, KeptShare
from commons.disk.home import Home
from commons.disk.shelf import Withdrawal
from commons.disk.witnessed import Seen
from commons.errors import NotFound, StorageFailed, Untrue
from commons.log import titles
from tests.cli.test_cli import ANY, Commons
from tests.conftest import LIMIT, MakeHome, Party, Start, log_folder
from tests.disk.test_log import flipped
from tests.forked import program
from tests.rows import few


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
    assert set(holder.held(bob.home)) == {other}
    assert [each.cid for each in titles.of_home(bob.home)] == [other]
    assert alice.address in bob.node.gossip.registrars(alice.home.first.commons)
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
    row = flip(bob.home.shelf._db, table, "log", f"log = '{alice.home.first.log.key.vkey}'")
    assert adam.home.first.log.key in bob.node.gossip.known()
    assert (f"shelf.db {table}.log", row) in await damaged(bob)
    await bob.desk.unlogged()


async def test_a_damaged_key_of_a_log_that_is_cosigned_ends_no_cosigning_of_others(start: Start) -> None:
    alice, adam, wim = await start("alice"), await start("adam"), await start("wim")
    for each in (alice, adam):
        wim.node.site.witness.add(each.home.first.log.key.vkey)
    row = flip(wim.home.witnessed._db, "logs", "vkey", f"vkey = '{alice.home.first.log.key.vkey}'")
    assert adam.home.first.log.key in wim.node.gossip.known()
    assert await damaged(wim) == [("witness.db logs", row)]
    assert wim.home.witnessed.keys(adam.home.first.log.origin) == (adam.home.first.log.key,)


async def test_a_damaged_request_hides_no_other_and_is_made_anew(start: Start, folder: Path, tmp_path: Path) -> None:
    alice, adam, bob = await start("alice"), await start("adam"), await start("bob")
    one, two = await alice.publish(folder), await adam.publish(folder)
    for each, reference in ((alice, one), (adam, two)):
        await bob.fetch(reference, tmp_path / each.peer, each.address)
    before = await bob.desk.unlogged()
    log = alice.home.first.log.key.vkey
    flip(bob.home.shelf._db, "asks", "submission", f"log = '{log}'")
    assert await bob.desk.unlogged() == before
    assert await damaged(bob) == [("shelf.db asks", parse(one).cid)]
    again = await bob.fetch(one, tmp_path / "again", alice.address)  # its key is here
    assert len(alice.home.first.log.state.accesses) == 1
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
    with closing(sqlite3.connect(log_folder(ana.folder / "ana") / "log.db", isolation_level=None)) as db:
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
    with closing(sqlite3.connect(log_folder(ana.folder / "ana") / "log.db")) as db:
        index = db.execute("SELECT idx FROM openings").fetchone()[0]
    done = ana.run("--home", "ana", "log", "export", "copy", "--openings")
    assert done.returncode == StorageFailed.number
    assert f"the openings of 1 entry are damaged, and empty in what was written: {index}" in done.stderr
    assert (ana.folder / "copy" / "checkpoint").is_file()
    told = ana.json("ana", "log", "export", "copy.zip", "--openings", fails=StorageFailed.number)
    assert told["damaged"] == [index]
    assert ana.json("ana", "log", "export", "plain")["damaged"] == []


# -- what is stored beside the log, by commands and a node -------------------------------------------------------------

NOW = int(time.time())


class Stored:
    """The homes of Ana, whose files hold a row or two of everything, and of Ben, of whom they speak."""

    def __init__(self, make_home: MakeHome) -> None:
        self.path, cid = make_home("ana"), ids.cid(b"a dataset")
        with Home(make_home("ben")) as ben, Home(self.path) as ana:
            ana.first.dating.right(NOW)
            ana.first.resumption.word(ana.first.log.head, 0, ["somebody"])
            signer, key = ana.keys.witness(), ben.first.log.key
            for name in ("one", "two"):
                by = Signer(name.encode().ljust(32))
                line = note.cosign(note.peek(ana.first.log.head.note), name, by, NOW)
                witness = Verifier(name=name, type=note.COSIGNATURE, public=by.public)
                ana.first.cosigned.put(1, ana.first.log.head.note, {witness.vkey: line})
            ana.witnessed.add(key)
            line = note.cosign(note.peek(ben.first.log.head.note), "w", signer, NOW)
            ana.witnessed.step(key.name, lambda _: Seen(head=ben.first.log.head, time=NOW, line=line))
            shelf, me = ana.shelf, ben.keys.identity
            shelf.advance(key.vkey, None, ben.first.log.head.note)
            shelf.put_seat(ben.first.commons, key.public, ["/ip4/127.0.0.1/tcp/9/p2p/" + me.peer])
            shelf.put_keeper(ben.first.commons, key.public, me.peer, [me.peer])
            shelf.add_peer("/ip4/127.0.0.1/tcp/8/p2p/" + me.peer)
            told = Notice(commons=ben.first.commons, dataset=cid, entry=1, time=NOW, holders=0, dropped=0)
            shelf.put_withdrawal(Withdrawal(dataset=cid, notice=notice.sign(told, me), entry=1, applied=True))
            offered = transfer.offer(ana.keys, ben.first.commons, ben.first.log.state, own=False)
            proposal = envelope.sign(proposals.PROPOSAL, offered, ana.keys.identity)
            shelf.put_bid(ben.first.commons, proposal, [me.peer])
            digest = sha256(proposal).digest()
            vote = Vote(commons=ben.first.commons, proposal=digest, choice="yes", reason="", time=NOW)
            shelf.put_ballot(digest, me.peer, envelope.sign(proposals.VOTE, vote, me))
            other = checkpoint.sign(replace(ben.first.log.head.checkpoint, root=bytes(32)), ben.keys.log(0))
            shelf.put_fork(ben.first.log.key.vkey, (ben.first.log.head.note.decode(), other.decode()), bytes(64))
            ana.witnessed.keep(key.name, ben.first.log.head.note.decode(), other.decode())
            shelf.put_offer(ben.first.commons, bytes(32), cid)
            asked = Asked(
                commons=ben.first.commons, dataset=cid, terms=bytes(32), epoch=0, purpose="research", details=None,
                hpke=bytes(32), nonce=bytes(32), time=NOW,
            )  # fmt: skip
            statement = envelope.sign(entries.REQUEST, asked, me)
            ana.pleas.put(Plea(
                statement=entries.statement_digest(statement), commons=ben.first.commons, dataset=cid, signer=me.peer,
                time=NOW, size=1, body=codec.encode(Handed(statement=statement, details=None, sources=())),
                acknowledged=b"signed",
            ))  # fmt: skip
            ana.deposits.put(KeptShare(
                sharing=bytes(32), root=bytes(32), commons=ben.first.commons, series=bytes(16), epoch=0, signer=me.peer,
                data=b"a deposit",
            ))  # fmt: skip
            ana.deposits.record(Gave(
                statement=bytes(32), decision=1, sharing=bytes(32), commons=ben.first.commons, dataset=cid,
                requester=me.peer, request=1, time=NOW, data=b"a release",
            ))  # fmt: skip
            ana.deposits.put_passed(bytes(32), "group g any a")


BESIDE = [
    ("pleas.db", "pleas", "body"), ("pleas.db", "pleas", "statement"), ("pleas.db", "pleas", "said"),
    ("shelf.db", "withdrawals", "notice"), ("shelf.db", "withdrawals", "dataset"), ("shelf.db", "bids", "proposal"),
    ("shelf.db", "ballots", "vote"), ("shelf.db", "keepers", "peer"), ("shelf.db", "keepers", "commons"),
    ("shelf.db", "heads", "note"), ("shelf.db", "heads", "log"), ("shelf.db", "seats", "commons"),
    ("shelf.db", "forks", "one"), ("shelf.db", "offers", "cid"), ("witness.db", "heads", "note"),
    ("witness.db", "heads", "root"), ("witness.db", "logs", "vkey"), ("cosigned.db", "heads", "note"),
    ("cosigned.db", "lines", "line"), ("notes.db", "notes", "said"), ("notes.db", "marks", "said"),
]  # fmt: skip
TYPES = [
    ("pleas.db", "pleas", "time"), ("shelf.db", "withdrawals", "entry"), ("shelf.db", "bids", "members"),
    ("shelf.db", "ballots", "vote"), ("shelf.db", "keepers", "key"), ("shelf.db", "heads", "note"),
    ("shelf.db", "seats", "sources"), ("shelf.db", "leads", "proof"), ("shelf.db", "forks", "other"),
    ("shelf.db", "peers", "address"), ("witness.db", "heads", "size"), ("witness.db", "forks", "ours"),
    ("cosigned.db", "heads", "note"), ("cosigned.db", "lines", "line"), ("notes.db", "notes", "time"),
    ("notes.db", "marks", "said"), ("deposits.db", "deposits", "data"), ("deposits.db", "releases", "data"),
]  # fmt: skip


COMMANDS = (
    "status",
    "audit",
    "requests",
    "list",
    "witness list",
    "witness submitted",
    "custody status --in {}",
    "community status --in {}",
    "log date",
    "peer list",
    "log export out",
    "publish d --title D --licence CC0-1.0",
)


def mangle(home: Path, file: str, table: str, column: str, how: str) -> None:
    place = log_folder(home) if file in ("cosigned.db", "notes.db") else home
    with closing(sqlite3.connect(place / file, isolation_level=None)) as db:
        if how == "a bit":
            flip(db, table, column)
        else:
            db.execute(f"UPDATE {table} SET {column} = CASE typeof({column}) WHEN 'blob' THEN 'x' ELSE x'ff' END")


@pytest.mark.parametrize("how", few(["a bit", "a type"], 2))
def test_damaged_rows_beside_the_log_are_named_and_end_nothing(make_home: MakeHome, tmp_path: Path, how: str) -> None:
    """Each in a copy of the home of its own, closed while its file changes; then all of them in one."""
    Stored(make_home)
    commons, rows = Commons(tmp_path), BESIDE if how == "a bit" else TYPES
    (tmp_path / "d").mkdir()
    (tmp_path / "d" / "x.csv").write_text("1")
    shutil.copytree(tmp_path / "ana", tmp_path / "all")
    for n, (file, table, column) in enumerate(rows):
        shutil.copytree(tmp_path / "ana", tmp_path / f"ana-{n}")
        mangle(tmp_path / f"ana-{n}", file, table, column, how)
        with contextlib.suppress(TypeError):  # a value in the same row has gone before
            mangle(tmp_path / "all", file, table, column, how)
        damaged = [each["table"] for each in commons.json(f"ana-{n}", "status")["damaged"]]
        assert f"{file} {table}" in damaged, (table, column, damaged)
        assert all(each.startswith(file) for each in damaged), (table, column, damaged)
    told = commons.json("all", "status")
    named = {f"{file} {table}" for file, table, _ in rows} - {"notes.db marks"}  # which are made anew
    assert {each["table"] for each in told["damaged"]} >= named
    for words in COMMANDS:
        done = commons.run("--home", "all", *words.format(told["commons"]).split())
        assert done.returncode == 0, (words, done.stdout, done.stderr)
    with commons.node("all", "--listen", ANY):
        assert commons.json("all", "status")["damaged"]
        assert "No request waits" in commons.run("--home", "all", "requests").stdout
        assert commons.run("--home", "all", "audit").returncode == 0
    done = commons.run("--home", "all", "status")
    assert all(f"DAMAGED     {each}" in done.stdout for each in named), done.stdout


def test_who_keeps_a_log_by_now_is_not_forgotten_where_the_row_is_damaged(make_home: MakeHome, tmp_path: Path) -> None:
    """Else this home would go on with a log that somebody took over."""
    commons = Commons(tmp_path)
    with Home(make_home("ana")) as ana:
        ana.shelf.put_keeper(ana.first.commons, bytes(32), ana.keys.identity.peer, [])
    mangle(tmp_path / "ana", "shelf.db", "keepers", "key", "a type")
    told = commons.json("ana", "status")
    assert [(each["table"], each["row"]) for each in told["damaged"]] == [("shelf.db keepers", told["commons"])]
    assert commons.run("--home", "ana", "audit").returncode == 0
    (tmp_path / "x.csv").write_text("1")
    done = commons.run("--home", "ana", "publish", "x.csv", "--title", "X", "--licence", "CC0-1.0")
    assert done.returncode == StorageFailed.number, done.stderr
    assert "shelf.db says in keepers" in done.stderr
