"""A log changes hands among people who do not mean well, at bad moments, and more than once. Real nodes."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from commons import cosigning, obtain
from commons.core import checkpoint
from commons.errors import Conflict
from tests.conftest import Party
from tests.flows.test_succession import Found, Village, chosen, settle


@pytest.fixture
async def village(tmp_path: Path) -> AsyncIterator[Village]:
    made = Village(tmp_path)
    yield made
    for name in list(made.nodes):
        await made.stop(name)


@pytest.fixture(autouse=True)
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cosigning, "FIRST", 0.05)
    monkeypatch.setattr(cosigning, "LONGEST", 0.2)
    monkeypatch.setattr(obtain, "WAITS", (0.05, 0.1, 0.2))


@pytest.fixture
def found(village: Village) -> Found:
    return settle(village)


async def taken_over(village: Village, seats: dict[str, Party], by: str) -> Party:
    """Whoever was chosen, at home again with the log."""
    assert (await seats[by].desk.take_over())["taken"]
    seats[by] = await village.restart(by)
    return seats[by]


async def test_the_old_registrar_shuts_nobodys_log_by_signing_another_past(village: Village, found: Found) -> None:
    seats = await found("ben", "cleo")
    coop, commons = seats["coop"], seats["coop"].home.commons
    await chosen(seats, "ben", "cleo")
    ben = await taken_over(village, seats, "ben")
    for size in (1, 3, coop.home.log.size):
        lie = checkpoint.Checkpoint(origin=coop.home.log.origin, size=size, root=bytes(32))
        head = checkpoint.sign(lie, coop.home.keys.log(0))
        with pytest.raises(Conflict, match="by a key that keeps it no more"):
            ben.home.log.compare(head)
        assert ben.home.log.broken is None
    await seats["cleo"].desk.follow(source=ben.address)
    assert ben.home.commons == commons
