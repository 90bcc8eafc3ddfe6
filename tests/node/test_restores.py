"""Homes that come back from a backup: what has to be in it, and what an old copy of a log is kept from."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from commons.disk.home import FILES
from commons.errors import Stale
from tests.cli.test_cli import ANY, Commons
from tests.conftest import CHARTER, Party, Village


def backed_up() -> list[str]:
    """The names in the table of what to back up: docs/home.md is made of it."""
    return [name for name, (_, lost) in FILES.items() if lost]


def restore(home: Path, to: Path) -> None:
    """What docs/home.md names, and nothing else, copied into an empty folder."""
    to.mkdir(mode=0o700)
    for name in backed_up():
        if (home / name).is_dir():
            shutil.copytree(home / name, to / name.rstrip("/"))
        elif (home / name).exists():
            shutil.copy(home / name, to / name)


async def of_every_role(village: Village, folder: Path, tmp_path: Path) -> tuple[Party, Party, str, str]:
    """A registrar that is a witness and a custodian too, and ben, whose data it has; a reference by each of them."""
    coop, ben = await village.start("coop", CHARTER), await village.start("ben")
    await coop.desk.announce(addresses=["https://coop.example"])
    await coop.desk.keep()
    ben.node.site.witness.add(coop.home.first.log.key.vkey)
    coop.node.site.witness.add(ben.home.first.log.key.vkey)
    body = b"old 0\n\n" + ben.home.first.log.head.note
    await ben.node.net.post(coop.address, "/add-checkpoint", body, limit=9999)
    await coop.desk.propose(action="change-custodians", file=f"member coop {coop.peer}\ngroup all 1 coop\nquorum all\n")
    reference = await coop.publish(folder)
    theirs = await ben.publish(folder, title="Of Ben's")
    await ben.fetch(reference, tmp_path / "first", coop.address)
    await coop.fetch(theirs, tmp_path / "theirs", ben.address)
    return coop, ben, reference, theirs


async def goes_on(village: Village, coop: Party, ben: Party, reference: str, folder: Path, tmp_path: Path) -> None:
    """That registrar came back: its data, log, shares, evidence and settings are all there."""
    assert coop.home.config["announce"] == ["https://coop.example"]
    assert coop.home.witnessed.last(ben.home.first.log.origin) is not None
    assert len(coop.home.deposits.of(coop.home.first.commons)) == 1
    assert list((coop.home.path / "proofs").glob("*.tlog-proof"))
    cleo = await village.start("cleo")
    await cleo.fetch(reference, tmp_path / "second", coop.address)
    assert (tmp_path / "second" / "rivers.csv").read_bytes() == (folder / "rivers.csv").read_bytes()


async def test_what_the_docs_say_to_back_up_is_enough_to_go_on(village: Village, folder: Path, tmp_path: Path) -> None:
    coop, ben, reference, theirs = await of_every_role(village, folder, tmp_path)
    await village.stop("coop")
    path = village.path / "coop"
    for name in ("seed", "commons", "shelf.db", "deposits.db", "witness.db", "packs", "proofs"):
        assert name in [each.rstrip("/") for each in backed_up()]
    lost = {p.name for p in path.iterdir() if not p.name.endswith("-shm")} - {n.rstrip("/") for n in backed_up()}
    assert lost <= {"lock", "control"}
    path.rename(tmp_path / "burnt")
    restore(tmp_path / "burnt", path)
    coop = await village.start("coop")
    assert coop.home.first.log.broken is None
    await goes_on(village, coop, ben, reference, folder, tmp_path)
    shutil.rmtree(tmp_path / "theirs")
    await village.stop("ben")
    await coop.fetch(theirs, tmp_path / "theirs")  # from its own packs, with the key it was given
    assert (await coop.desk.audit())["faults"] == []


# -- in processes of their own ----------------------------------------------------------------------------------------


@pytest.fixture
def commons(tmp_path: Path) -> Commons:
    (tmp_path / "rivers").mkdir()
    (tmp_path / "rivers" / "lengths.csv").write_text("river,km\nLoire,1006\n")
    return Commons(tmp_path)


def publish(title: str) -> tuple[str, ...]:
    return ("publish", "rivers", "--title", title, "--licence", "CC0-1.0")


@contextmanager
def node_until_killed(commons: Commons, home: str, *words: str) -> Iterator[dict[str, Any]]:
    """A node, and what it said when it was ready; SIGKILL ends it."""
    process = subprocess.Popen(
        [sys.executable, "-P", "-m", "commons.cli", "--json", "--home", home, "node", "--listen", ANY, *words],
        cwd=commons.folder, env=commons.env, text=True, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    assert process.stdout is not None
    try:
        yield json.loads(process.stdout.readline())
    finally:
        process.kill()
        process.wait()
        process.stdout.close()


def put_back(commons: Commons, home: str) -> None:
    """The backup in the place of the home."""
    shutil.rmtree(commons.folder / home)
    shutil.copytree(commons.folder / f"{home}.backup", commons.folder / home)


def back_up(commons: Commons, home: str) -> None:
    shutil.copytree(commons.folder / home, commons.folder / f"{home}.backup")


@pytest.mark.rest
def test_an_old_copy_whose_node_was_killed_is_refused_while_a_requester_runs(commons: Commons) -> None:
    ben = commons.json("ben", "init")["peer"]
    commons.json("ana", "init")
    with node_until_killed(commons, "ben") as requester:
        commons.json("ana", "peer", "add", requester["addresses"][0])
        reference = commons.json("ana", *publish("Rivers"))["reference"]
        back_up(commons, "ana")
        with node_until_killed(commons, "ana") as registrar:
            at = registrar["addresses"][0]
            commons.json("ben", "fetch", reference, "copy", "--from", at, "--acknowledge", "CC0-1.0")
            newest = commons.json("ana", "status")["entries"]
        put_back(commons, "ana")
        with node_until_killed(commons, "ana"):
            told = commons.json("ana", *publish("Lakes"), fails=Stale.number)
            status = commons.json("ana", "status")
            here = status["entries"]
            assert here < newest
            assert f"head of {newest} entries, {newest - here} more than the {here} here" in told["message"]
            assert ben in told["message"]
            assert "behind" in status["log"]
        told = commons.json("ana", *publish("Lakes"), fails=Stale.number)  # by a command alone, too
        assert f"{newest - here} more" in told["message"]
    assert commons.json("ana", "audit")["entries"] == here


@pytest.mark.rest
def test_with_members_away_the_owners_word_is_noted_once_for_each_command_and_shown(commons: Commons) -> None:
    (commons.folder / "charter.toml").write_text(CHARTER)
    commons.json("coop", "community", "new", "charter.toml")
    commons.json("ben", "init")
    with node_until_killed(commons, "coop"):
        invitation = commons.json("coop", "community", "invite", "workers", "--lan")["invitation"]
        commons.json("ben", "community", "join", typed=invitation)
    back_up(commons, "coop")
    put_back(commons, "coop")
    told = commons.json("coop", *publish("Rivers"), fails=Stale.number)
    assert "no member says" in told["message"]
    assert "--go-on" in told["hint"]
    size = commons.json("coop", "status")["entries"]
    published = commons.json("coop", *publish("Rivers"), "--go-on")
    (word,) = commons.json("coop", "status")["resumed"]["words"]
    assert (word["size"], word["over"]) == (size, 0)
    shown = commons.run("--home", "coop", "status").stdout
    assert f"the log goes on from {size} entries" in shown
    commons.json("coop", "fetch", published["reference"], "--go-on")  # two steps: its terms, then the data
    assert len(commons.json("coop", "status")["resumed"]["words"]) == 2


@pytest.mark.rest
def test_alone_the_command_or_the_node_that_goes_on_says_so_once(commons: Commons) -> None:
    commons.json("ana", "init")
    assert "alone" not in commons.json("ana", *publish("Rivers"))
    back_up(commons, "ana")
    put_back(commons, "ana")
    told = commons.json("ana", *publish("Lakes"))["alone"]
    assert "nobody is known who could say" in told
    assert "alone" not in commons.json("ana", *publish("Ponds"))
    put_back(commons, "ana")
    done = commons.run("--home", "ana", *publish("Lakes"))
    assert f"Warning: {told}." in done.stderr
    assert done.returncode == 0
    assert "Warning" not in commons.run("--home", "ana", "list").stderr
    put_back(commons, "ana")
    commons.fails(4, "--home", "ana", "drop", "0" * 8)
    assert f"Warning: {told}." in commons.run("--home", "ana", "list").stderr  # what failed could not say it
    put_back(commons, "ana")
    with node_until_killed(commons, "ana") as ready:
        assert ready["alone"] == told
        assert "alone" not in commons.json("ana", *publish("Lakes"))
    with node_until_killed(commons, "ana") as ready:  # killed, and nothing but this program had the file
        assert ready["alone"] == ""
