"""What is noted beside the log: notes stay, of marks there is one, and what is asked first may keep an entry out."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest

from commons.disk.home import Home
from commons.disk.notes import Noted, Notes
from commons.disk.records import Record
from commons.errors import Conflict
from tests.conftest import MakeHome


def test_notes_stay_in_their_order_and_of_marks_there_is_one(tmp_path: Path) -> None:
    notes = Notes(tmp_path / "notes.db")
    notes.add("word", 5, size=3)
    notes.add("other", 6)
    notes.add("word", 4, size=9)
    notes.mark("state", 7, head="a")
    notes.mark("state", 8, head="b")
    notes.close()
    notes = Notes(tmp_path / "notes.db")
    assert notes.of("word") == [Noted("word", 5, {"size": 3}), Noted("word", 4, {"size": 9})]
    assert notes.marked("state") == Noted("state", 8, {"head": "b"})
    assert notes.marked("word") is None
    assert notes.of("state") == []
    notes.unmark("state")
    assert notes.marked("state") is None
    notes.close()
    assert stat.S_IMODE((tmp_path / "notes.db").stat().st_mode) == 0o600


def test_nothing_is_added_that_is_not_admitted(make_home: MakeHome) -> None:
    """The one place on the way of every entry; a draft that adds nothing needs no leave."""
    with Home(make_home("ana")) as home:
        asked: list[int] = []

        def admit(records: object, now: int) -> None:
            asked.append(now)
            raise Conflict("not now")

        def draft(*_: object) -> list[Record]:
            return [Record(data=home.first.log.entry(0), entry=object())]  # type: ignore[arg-type]

        home.first.log.admit(admit)
        with pytest.raises(Conflict, match="not now"):
            home.first.log.append(draft).result()
        assert home.first.log.append(lambda *_: []).result().head == home.first.log.head
        assert len(asked) == 1
        assert home.first.log.size == 1
        assert home.first.log.state.size == 1
        assert home.first.log.broken is None
