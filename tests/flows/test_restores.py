"""Homes that come back from a backup: what has to be in it, and what an old copy of a log is kept from."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

from tests.flows.conftest import CHARTER, Village

README = Path(__file__).parents[2] / "README.md"


def backed_up() -> list[str]:
    """The names that README's list of what to back up has, its short forms written out."""
    text = README.read_text().partition("| to back up | without it |")[2].partition("\n\n")[0]
    return [name for row in text.splitlines()[2:] for name in re.findall(r"`([^`]+)`", row.split("|")[1])]


def restore(home: Path, to: Path) -> None:
    """What README names, and nothing else, copied into an empty folder."""
    to.mkdir(mode=0o700)
    for name in backed_up():
        if (home / name).is_dir():
            shutil.copytree(home / name, to / name.rstrip("/"))
        elif (home / name).exists():
            shutil.copy(home / name, to / name)


async def test_what_the_readme_says_to_back_up_is_enough_to_go_on(
    village: Village, folder: Path, tmp_path: Path
) -> None:
    """A registrar that is a witness and a custodian too: its data, log, shares, evidence and settings are all there."""
    coop, ben = await village.start("coop", CHARTER), await village.start("ben")
    await coop.desk.announce(addresses=["https://coop.example"])
    await coop.desk.keep()
    ben.node.site.witness.add(coop.home.log.key.vkey)
    coop.node.site.witness.add(ben.home.log.key.vkey)
    body = b"old 0\n\n" + ben.home.log.head.note
    await ben.node.net.post(coop.address, "/add-checkpoint", body, limit=9999)
    await coop.desk.propose(action="change-custodians", file=f"member coop {coop.peer}\ngroup all 1 coop\nquorum all\n")
    reference = await coop.publish(folder)
    theirs = await ben.publish(folder, title="Of Ben's")
    await ben.fetch(reference, tmp_path / "first", coop.address)
    await coop.fetch(theirs, tmp_path / "theirs", ben.address)
    await village.stop("coop")
    path = village.path / "coop"
    for name in ("seed", "log.db", "shelf.db", "deposits.db", "witness.db", "packs", "proofs"):
        assert name in [each.rstrip("/") for each in backed_up()]
    lost = {p.name for p in path.iterdir() if not p.name.endswith("-shm")} - {n.rstrip("/") for n in backed_up()}
    assert lost <= {"lock", "control"}
    path.rename(tmp_path / "burnt")
    restore(tmp_path / "burnt", path)
    coop, cleo = await village.start("coop"), await village.start("cleo")
    assert coop.home.log.broken is None
    assert coop.home.config["announce"] == ["https://coop.example"]
    assert coop.home.witnessed.last(ben.home.log.origin) is not None
    assert len(coop.home.deposits.of(coop.home.commons)) == 1
    assert list((path / "proofs").glob("*.tlog-proof"))
    await cleo.fetch(reference, tmp_path / "second", coop.address)
    assert (tmp_path / "second" / "rivers.csv").read_bytes() == (folder / "rivers.csv").read_bytes()
    shutil.rmtree(tmp_path / "theirs")
    await village.stop("ben")
    await coop.fetch(theirs, tmp_path / "theirs")  # from its own packs, with the key it was given
    assert (await coop.desk.audit())["faults"] == []
