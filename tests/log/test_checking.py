"""What is stored of a log, against its entries: the first record that differs, and what becomes of it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import click.testing
import pytest

from commons.cli.log import tell_checked
from commons.core.state.fold import State
from commons.disk import sql
from commons.disk.history import History
from commons.disk.shelf import Shelf
from commons.errors import NotFound
from commons.log import verified
from commons.log.checking import CheckedHistory, Difference
from commons.log.evidence import Remembered
from commons.log.replica import Replica
from tests.conftest import Found, Village, log_folder
from tests.keeper import Keeper
from tests.log.test_folded import many, told


@pytest.fixture
def shelf(tmp_path: Path) -> Iterator[Shelf]:
    with closing(Shelf(tmp_path / "shelf.db")) as made:
        yield made


async def checked(
    log: Keeper, shelf: Shelf, path: Path, harm: Callable[[Path], None], tamper: Callable[[State], None] | None = None
) -> CheckedHistory:
    """What is found after some harm to the file; afterwards all is there as it should be, with nobody accused."""
    with closing(History.open(path)) as kept:
        seen = Replica(log.commons, kept, Remembered(shelf))
        await seen.update(log.read)
        true = told(seen.verified)
        if tamper is not None:
            with kept.changing():
                tamper(seen.state)
                verified.save(kept, seen.verified)
    harm(path)
    with closing(History.open(path)) as kept:
        seen = Replica(log.commons, kept, Remembered(shelf))
        found = await seen.check()
        again = await seen.check()
        assert (again.damaged, again.differs, again.remedy) == ((), None, "")
        assert (await seen.update(log.read)).note == log.head()
        assert told(seen.verified) == true
        assert (await seen.check()).entries == len(log.data)
    assert shelf.forks() == {}
    return found


def harmed(said: str, *values: object) -> Callable[[Path], None]:
    def harm(path: Path) -> None:
        with closing(sql.connect(path, "")) as db:
            assert db.execute(said, values).rowcount > 0

    return harm


async def test_what_is_as_it_should_be_is_said_to_be(shelf: Shelf, tmp_path: Path) -> None:
    log = many()
    found = await checked(log, shelf, tmp_path / "replica.db", lambda path: None)
    assert found == CheckedHistory(entries=len(log.data), damaged=(), differs=None, remedy="")


async def test_the_first_row_that_is_not_what_the_entries_make_true_is_shown(shelf: Shelf, tmp_path: Path) -> None:
    """However well it is stored: the digests are right."""

    def tamper(state: State) -> None:
        for index in sorted(state.accesses)[3:9]:
            state.accesses[index] = replace(state.accesses[index], outcome="refuse", reason="never")
        state.founded.shown[99] = 7

    log = many()
    found = await checked(log, shelf, tmp_path / "replica.db", lambda path: None, tamper)
    index = sorted(log.fold()[0].accesses)[3]
    assert found.differs == Difference(
        entry=index, row=f"accesses {index}", stored="outcome refuse, reason never",
        should="outcome grant, reason acknowledged",
    )  # fmt: skip
    assert (found.damaged, found.remedy) == ((), "folded again")


async def test_a_row_that_should_not_be_there_and_one_that_should_are_shown(shelf: Shelf, tmp_path: Path) -> None:
    log = many()
    redacted = log.fold()[0].redacted
    first, free = min(redacted), min({*range(99)} - redacted.keys())

    def add(state: State) -> None:
        state.redacted[free] = 2

    def take(state: State) -> None:
        del state.redacted[min(state.redacted)]

    for n, (tamper, entry) in enumerate(((add, free), (take, first))):
        with closing(Shelf(tmp_path / f"{n}.shelf.db")) as each:
            found = await checked(log, each, tmp_path / f"{n}.db", lambda path: None, tamper)
        assert found.differs is not None
        assert (found.differs.entry, found.differs.row) == (entry, f"redacted {entry}")
        assert "nothing" in (found.differs.stored, found.differs.should)


@pytest.mark.parametrize(
    ("said", "row", "entry"),
    [
        ("UPDATE pages SET data = x'00' WHERE name = 'accesses' AND number = 1", "accesses", True),
        ("DELETE FROM pages WHERE name = 'grounds' AND number = 0", "grounds", True),
        ("UPDATE pages SET data = x'00' WHERE name = 'proposals'", "page", False),
        ("UPDATE pages SET data = x'00' WHERE name = 'accesses/'", "accesses", True),
        ("UPDATE folds SET data = x'00'", "record", False),
        ("DELETE FROM folds", "record", False),
    ],
)
async def test_a_damaged_page_or_record_is_found_and_made_again(
    said: str, row: str, entry: bool, shelf: Shelf, tmp_path: Path
) -> None:
    found = await checked(many(), shelf, tmp_path / "replica.db", harmed(said))
    assert found.differs is not None
    assert (found.differs.row.split()[0], found.differs.entry is not None, found.remedy) == (row, entry, "folded again")


async def test_a_damaged_entry_is_named_and_read_again_and_a_damaged_tree_is_grown_again(
    shelf: Shelf, tmp_path: Path
) -> None:
    log = many()
    found = await checked(log, shelf, tmp_path / "a.db", harmed("UPDATE entries SET data = x'81' WHERE idx = 9"))
    assert [(each.table, each.row) for each in found.damaged] == [("entries", "9")]
    assert found.remedy == "read again"
    with closing(Shelf(tmp_path / "b.shelf.db")) as each:
        harm = harmed("UPDATE nodes SET hash = ? WHERE (level, pos) = (1, 4)", bytes(32))
        found = await checked(log, each, tmp_path / "b.db", harm)
    assert [(each.table, each.row) for each in found.damaged] == [("nodes", "(1, 4)"), ("nodes", "(2, 2)")][:1]
    assert found.remedy == "mended"


async def test_a_home_checks_its_own_log_and_those_it_follows(
    village: Village, found: Found, folder: Path, tmp_path: Path
) -> None:
    seats = await found("ben")
    coop, ben = seats["coop"], seats["ben"]
    reference = await coop.publish(folder)
    await ben.fetch(reference, tmp_path / "got", coop.address)
    await ben.desk.community(named=coop.home.first.commons)
    own, followed = (await ben.desk.check_log())["logs"]
    assert [(each["own"], each["differs"], each["damaged"], each["remedy"]) for each in (own, followed)] == [
        (True, None, [], ""), (False, None, [], ""),
    ]  # fmt: skip
    assert (followed["commons"], followed["entries"]) == (coop.home.first.commons, coop.home.first.log.size)
    await village.stop("ben")
    place = village.path / "ben" / "commons" / coop.home.first.commons / "replica.db"
    harmed("UPDATE pages SET data = x'00' WHERE name = 'accesses'")(place)
    ben = await village.start("ben")
    said = await ben.desk.check_log(named=coop.home.first.commons)
    (followed,) = said["logs"]
    (index,) = coop.home.first.log.state.accesses
    assert (followed["differs"]["entry"], followed["remedy"]) == (index, "folded again")
    text = spoken(said)
    assert f"DAMAGED: the first row that differs about entry {index}: accesses {index}" in text
    assert "was made again from the entries" in text
    assert "is what its entries make true" in spoken(await ben.desk.check_log())
    with pytest.raises(NotFound):
        await ben.desk.check_log(named=(await village.start("eve")).home.first.commons)


async def test_damage_of_this_homes_own_log_is_shown_and_nothing_of_it_is_changed(
    village: Village, found: Found, folder: Path, tmp_path: Path
) -> None:
    coop = (await found())["coop"]
    await coop.publish(folder)
    (cid,) = coop.home.first.log.state.datasets
    listed = coop.home.first.log.state.datasets[cid]
    coop.home.first.log.state.datasets[cid] = replace(listed, publisher="nobody")
    (own,) = (await coop.desk.check_log())["logs"]
    assert own["differs"] == {
        "entry": listed.index, "row": f"datasets {cid}", "stored": "publisher nobody",
        "should": f"publisher {coop.peer}",
    }  # fmt: skip
    coop.home.first.log.state.datasets[cid] = listed
    harmed("UPDATE nodes SET hash = ? WHERE (level, pos) = (1, 0)", bytes(32))(
        log_folder(village.path / "coop") / "log.db"
    )
    (own,) = (await coop.desk.check_log())["logs"]
    assert [(each["table"], each["row"]) for each in own["damaged"]] == [("nodes", "(1, 0)")]
    assert (own["differs"], own["remedy"]) == (None, "")


def spoken(said: dict[str, object]) -> str:
    @click.command()
    def told() -> None:
        tell_checked(said)

    return click.testing.CliRunner().invoke(told, catch_exceptions=False).output
