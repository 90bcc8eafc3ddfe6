"""The communities of the stories: their charters found a commons, and their data is what the scripts beside it make.

That the pages themselves run is in test_docs.py.
"""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from commons import examples
from commons.community import charter
from commons.core.crypto.keys import Keys
from commons.core.state.charter import Charter, check_livable, expand, rule_of
from commons.core.state.community import Community
from commons.errors import Malformed

HOUSE = Path(__file__).parents[1]
STORIES = ("health", "housing", "rides")
NOW = 1_793_491_200


def text(name: str, file: str) -> str:
    return (examples.path(name) / file).read_text("utf-8")


def founded(told: str) -> Charter:
    return charter.founding(told, NOW)(Keys(bytes(32)))


@pytest.mark.parametrize("name", STORIES)
def test_its_charter_founds_a_commons(name: str) -> None:
    said = founded(text(name, "charter.toml"))
    assert [college.members for college in said.colleges if college.members] == [(said.registrar,)]
    assert len(said.colleges) == 2
    assert said.purpose


@pytest.mark.parametrize("name", STORIES)
def test_its_page_quotes_the_charter_as_it_is(name: str) -> None:
    page = (HOUSE / "docs" / "stories" / f"{name}.md").read_text("utf-8")
    files = "\n".join(path.read_text("utf-8") for path in sorted(examples.path(name).glob("*.toml")))
    quoted = re.findall(r"^```(?:toml)?\n((?:group|[a-z]+ =).*?)^```", page, re.DOTALL | re.MULTILINE)
    assert quoted
    for part in "\n\n".join(quoted).split("\n\n"):
        assert part.strip() in files


def test_health_closes_identities_and_housing_access_only_widens() -> None:
    assert founded(text("health", "charter.toml")).readers == "owner"
    assert founded(text("housing", "charter.toml")).ratchets == ("access",)


def test_rides_asks_riders_as_soon_as_there_is_one() -> None:
    begun, later = founded(text("rides", "charter.toml")), text("rides", "amendment.toml")
    with pytest.raises(Malformed, match="nobody could ever decide"):
        founded(later.replace("drivers = []", 'drivers = ["me"]'))
    amended = charter.amended(later, Community(begun))
    colleges = {"drivers": (begun.registrar, "dario", "dina"), "riders": ("rosa",)}
    check_livable(amended.powers, colleges)
    grant, _ = rule_of(amended.powers, "grant", colleges)
    rule = expand(grant, colleges)
    assert rule.met((), {"drivers": 2, "riders": 1})
    assert rule.missing((), {"drivers": 3}) == "1 of riders"
    assert rule.missing((), {"riders": 1}) == "2 of drivers"


@pytest.mark.parametrize("name", STORIES)
def test_its_data_is_what_the_script_makes(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    script = re.search(r"^```python\n(.*?)^```", text(name, "SOURCE.md"), re.DOTALL | re.MULTILINE)
    assert script
    exec(script[1], {})
    assert {path.name for path in tmp_path.iterdir()} == {path.name for path in examples.path(name).glob("*.csv")}
    for made in tmp_path.iterdir():
        assert made.read_bytes() == (examples.path(name) / made.name).read_bytes()
