"""npm's package.json, as packages of data have it."""

from __future__ import annotations

import json
from typing import Any

import pytest

from commons.core.dataset.rights import Creator
from commons.errors import Malformed
from commons.metadata import npm
from commons.metadata.description import Description
from commons.metadata.reading import Heard


def read(heard: Heard | None = None, **package: Any) -> Description:
    found = npm.read(json.dumps({"name": "rivers", **package}), heard)
    assert found is not None
    return found


def test_a_package_of_data_is_read_and_the_rest_is_named() -> None:
    heard = Heard()
    found = read(
        heard, name="@keepers/rivers", version="2024.11.2", description="Lengths of rivers.", keywords=["rivers", "km"],
        license="CC-BY-4.0", author="Ana Diaz <ana@example.org> (https://ana.example)",
        contributors=[{"name": "Bo", "email": "bo@example.org", "url": "https://bo.example"}, "Ana Diaz (https://ana.example)"],
        repository={"type": "git", "url": "git+https://github.com/keepers/rivers.git"}, private=True,
        homepage="https://rivers.example", bugs={"url": "https://x.example"}, maintainers=["Cy"],
        main="index.js", scripts={"test": "true"}, dependencies={"x": "1"},
    )  # fmt: skip
    assert found == Description(
        title="@keepers/rivers", description="Lengths of rivers.", licence="CC-BY-4.0", keywords=("rivers", "km"),
        creators=(Creator(name="Ana Diaz", url="https://ana.example"), Creator(name="Bo", url="https://bo.example")),
        source_url="https://github.com/keepers/rivers",
    )  # fmt: skip
    assert list(heard.left) == [
        "private", "bugs", "maintainers", "version: 2024.11.2", "homepage: https://rivers.example",
    ]  # fmt: skip
    assert heard.faults == {}


@pytest.mark.parametrize(
    ("said", "licence"),
    [
        ({"license": "ODbL-1.0"}, "ODbL-1.0"),
        ({"license": "(MIT OR CC0-1.0)"}, "(MIT OR CC0-1.0)"),
        ({"licence": "MIT"}, "MIT"),
        ({"license": {"type": "MIT", "url": "https://github.com/x/y/blob/main/LICENSE"}}, "MIT"),
        ({"license": {"url": "https://creativecommons.org/licenses/by/4.0/"}},
         "https://creativecommons.org/licenses/by/4.0/"),
        ({"licenses": [{"type": "MIT", "url": "x"}, {"type": "Apache-2.0"}]}, "MIT OR Apache-2.0"),
        ({"licenses": ["MIT"]}, "MIT"),
        ({"licenses": {"type": "MIT"}}, "MIT"),
        ({"license": "(MIT OR ISC)", "licenses": [{"type": "ISC"}, {"type": "MIT"}]}, "(MIT OR ISC)"),
        ({"license": "river terms", "licenses": ["river terms"]}, "river terms"),
        ({"license": "", "licenses": []}, None),
        ({}, None),
    ],
)  # fmt: skip
def test_every_way_to_name_a_licence(said: dict[str, Any], licence: str | None) -> None:
    assert read(**said).licence == licence


@pytest.mark.parametrize(
    "said",
    [
        {"license": "UNLICENSED"}, {"license": {"type": "UNLICENSED"}}, {"licenses": ["MIT", "UNLICENSED"]},
        {"license": "MIT", "licenses": [{"type": "ISC"}]}, {"license": 5}, {"license": [5]},
        {"license": {"type": "MIT", "url": "https://creativecommons.org/licenses/by/4.0/"}},
    ],
)  # fmt: skip
def test_what_grants_nothing_or_contradicts_itself_is_no_licence(said: dict[str, Any]) -> None:
    with pytest.raises(Malformed):
        read(**said)
    heard = Heard()
    assert read(heard, **said).licence is None
    assert [fault.field for fault in heard.faults] == ["licence"]


@pytest.mark.parametrize(
    ("said", "file"),
    [
        ("SEE LICENSE IN terms/RIVER.txt", "terms/RIVER.txt"),
        ("see licence in <LICENSE>", "LICENSE"),
        ("SEE LICENSE", ""),
    ],
)
def test_a_licence_in_a_file_is_sought_there(said: str, file: str) -> None:
    heard = Heard()
    assert read(heard, license=said).licence == said
    assert heard.written == {said: file}


@pytest.mark.parametrize(
    ("repository", "address"),
    [
        ("keepers/rivers", "https://github.com/keepers/rivers"),
        ("github:keepers/rivers", "https://github.com/keepers/rivers"),
        ("gitlab:keepers/rivers", "https://gitlab.com/keepers/rivers"),
        ("bitbucket:keepers/rivers", "https://bitbucket.org/keepers/rivers"),
        ("git://github.com/keepers/rivers.git", "https://github.com/keepers/rivers"),
        ({"url": "https://git.example/rivers.git"}, "https://git.example/rivers"),
        ("gist:11081aaa281", None), ("git@github.com:keepers/rivers.git", None), ({}, None), ("", None),
    ],
)  # fmt: skip
def test_a_repository_in_any_of_its_forms(repository: Any, address: str | None) -> None:
    assert read(repository=repository).source_url == address


def test_the_home_page_is_the_source_where_no_repository_is_named() -> None:
    heard = Heard()
    assert read(heard, homepage="https://rivers.example", private=False).source_url == "https://rivers.example"
    assert heard.left == {}
    assert (
        read(heard, repository="a/b", homepage="https://github.com/a/b#readme").source_url == "https://github.com/a/b"
    )
    assert heard.left == {}


def test_a_configuration_of_that_name_says_nothing() -> None:
    assert npm.read('{"type": "module", "private": true, "scripts": {}}') is None
    with pytest.raises(Malformed):
        npm.read("[]")


def test_an_odd_author_costs_no_other_their_credit() -> None:
    heard = Heard()
    assert [each.name for each in read(heard, author=5, contributors=["Bo"]).creators] == ["Bo"]
    assert [fault.field for fault in heard.faults] == ["creators"]
