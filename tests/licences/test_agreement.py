"""`licence show`, `licence compat` and `publish --based-on` say the same of every pair of licences."""

from __future__ import annotations

import pytest

import licences
from commons.core.crypto import ids
from commons.core.dataset.rights import Origin
from commons.datasets import prepare
from commons.errors import Conflict
from commons.metadata import library
from licences.compat import adaptation_licences
from tests.rows import over

EVERY = licences.ids()


def origin(id: str) -> Origin:
    return Origin(manifest=ids.cid(b"rivers"), title="Rivers", licence=id, credit="Rivers, by Ana")


@over("id", EVERY)
def test_showing_combining_and_publishing_agree(id: str) -> None:
    adapt = library.shown(id)["allows"]["adapt"]["answer"]
    for to in EVERY:
        told = library.combined([id], to)
        assert told["answer"] == adaptation_licences([id], to).answer
        if told["answer"] == "no":
            with pytest.raises(Conflict):
                prepare.check_origins((origin(id),), to)
        else:
            asked = prepare.check_origins((origin(id),), to)
            assert bool(asked) == (told["answer"] != "yes"), (id, to)
        if adapt == "no":
            assert told["answer"] == "no"


def test_what_was_made_from_open_street_map_may_be_published_with_its_notice() -> None:
    (asked,) = prepare.check_origins((origin("ODbL-1.0"),), "CC-BY-4.0")
    assert "s.4.5(b)" in asked
    assert "no changed version" not in asked


@pytest.mark.parametrize("to", ["CC-BY-4.0", "CC-BY-SA-4.0", "MIT"])
def test_files_under_a_database_licence_and_another_stay_side_by_side(to: str) -> None:
    where = {"ODbL-1.0": "roads.csv", to: "notes.csv"}
    (notice,) = prepare._mixture(["ODbL-1.0", to], where, collection=False)
    assert "side by side" in notice
