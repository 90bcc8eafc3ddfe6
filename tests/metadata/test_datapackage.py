"""Data Packages: what is written is what `frictionless` accepts, and what others write is read."""

from __future__ import annotations

import gzip
import hashlib
import importlib
import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

import licences
from commons.core.dataset.rights import Creator
from commons.errors import Malformed
from commons.metadata import datapackage
from commons.metadata.description import DescribedFile, Description
from tests.conftest import LIMIT
from tests.metadata.samples import FULL, HOSTILE, LINES, MIXED, PLAIN, SAMPLES, TABLE, write_files


def validate(folder: Path) -> tuple[int, dict[str, Any]]:
    """Exit code and report of frictionless."""
    importlib.import_module("frictionless")
    run = subprocess.run(
        [sys.executable, "-m", "frictionless", "validate", datapackage.FILE, "--json"],
        cwd=folder, capture_output=True, text=True, timeout=LIMIT, check=False,
    )  # fmt: skip
    return run.returncode, json.loads(run.stdout)


def package(**said: Any) -> Description:
    return datapackage.read(json.dumps({"resources": [], **said}))


def resource(**said: Any) -> tuple[DescribedFile, ...]:
    return package(resources=[{"name": "x", **said}]).files


@pytest.mark.parametrize("sample", SAMPLES)
def test_what_it_carries_comes_back(sample: str) -> None:
    d = SAMPLES[sample]
    back = datapackage.read(datapackage.write(d).decode())
    assert {f: getattr(back, f) for f in datapackage.CARRIES} == {f: getattr(d, f) for f in datapackage.CARRIES}


@pytest.mark.validators
def test_frictionless_accepts_it_and_finds_a_flipped_byte(tmp_path: Path) -> None:
    packed = gzip.compress(b"a,b\n1,2,3\n", mtime=0)
    ragged = DescribedFile(
        path="tables [1] & 100%/ragged.csv.gz", size=len(packed), sha256=hashlib.sha256(packed).digest()
    )
    d = replace(MIXED, title="".join(HOSTILE), files=(*MIXED.files, ragged))
    write_files(tmp_path, MIXED)
    (tmp_path / ragged.path).parent.mkdir()
    (tmp_path / ragged.path).write_bytes(packed)
    (tmp_path / datapackage.FILE).write_bytes(datapackage.write(d))
    code, report = validate(tmp_path)
    assert (code, report["valid"], report["errors"], report["warnings"]) == (0, True, [], [])
    assert [task["warnings"] for task in report["tasks"]] == [[]] * 4

    table = bytearray((tmp_path / TABLE).read_bytes())
    table[3] ^= 1
    (tmp_path / TABLE).write_bytes(table)
    code, report = validate(tmp_path)
    assert code == 1
    assert [error["type"] for task in report["tasks"] for error in task["errors"]] == ["hash-count"]


@pytest.mark.validators
def test_a_licence_without_name_and_address_is_refused_by_frictionless(tmp_path: Path) -> None:
    write_files(tmp_path, PLAIN)
    written = json.loads(datapackage.write(PLAIN))
    written["licenses"] = [{"title": "Free"}]
    (tmp_path / datapackage.FILE).write_text(json.dumps(written))
    assert validate(tmp_path)[0] == 1


def test_a_package_has_files() -> None:
    with pytest.raises(Malformed, match="at least one file"):
        datapackage.write(replace(FULL, files=()))


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_words_stay_words(text: str) -> None:
    d = replace(FULL, title=text, description=text, keywords=(text,), publisher=None)
    back = datapackage.read(datapackage.write(d).decode())
    assert (back.title, back.description, back.keywords, back.licence) == (text, text, (text,), FULL.licence)


@pytest.mark.parametrize("text", LINES)
def test_hostile_names_stay_names(text: str) -> None:
    d = replace(FULL, creators=(Creator(name=text),))
    assert datapackage.read(datapackage.write(d).decode()).creators == d.creators


def test_names_of_resources_are_told_apart() -> None:
    files = tuple(
        DescribedFile(path=path)
        for path in ("a b.txt", "a-b.txt", "a_b.txt", "A b.txt", "a-b.txt-2", "河.txt", "川.txt")
    )
    names = [row["name"] for row in json.loads(datapackage.write(replace(PLAIN, files=files)))["resources"]]
    assert names == ["a-b.txt", "a-b.txt-2", "a_b.txt", "a-b.txt-3", "a-b.txt-2-2", "txt", "txt-2"]


@pytest.mark.parametrize(
    "licence",
    ["CC-BY-4.0 OR ODbL-1.0", "CC-BY-4.0 AND (ODbL-1.0 OR MIT)", "CC-BY-SA-4.0 WITH KiCad-libraries-exception AND MIT"],
)
def test_choices_and_exceptions_come_back(licence: str) -> None:
    assert datapackage.read(datapackage.write(replace(PLAIN, licence=licence)).decode()).licence == licence


def test_version_1_is_read() -> None:
    d = package(
        profile="data-package", name="x", title="T", version="2", created="1985-04-12T23:20:50.52Z",
        licenses=[{"name": "ODC-PDDL-1.0", "path": "http://opendatacommons.org/licenses/pddl/", "title": "PDDL"}],
        contributors=[
            {"title": "Jo", "role": "author", "path": "http://a.b/c", "email": "x"}, {"title": "W", "role": "wrangler"},
            {"title": "P", "role": "publisher"},
        ],
        sources=[{"title": "World Bank", "path": "http://data.worldbank.org"}], homepage="http://home.example",
    )  # fmt: skip
    assert d == Description(
        title="T", version=2, published="1985-04-12", licence="ODC-PDDL-1.0", publisher="P",
        creators=(Creator(name="Jo", url="http://a.b/c"),), source_url="http://data.worldbank.org",
        identifier="http://home.example",
    )  # fmt: skip


def test_who_only_contributed_is_credited_where_nobody_made_it() -> None:
    d = package(contributors=[{"title": "Jo"}, {"givenName": "A", "familyName": "B", "roles": ["contributor"]}])
    assert [creator.name for creator in d.creators] == ["Jo", "A B"]
    assert package(contributors=[{"email": "nobody@example.org"}]).creators == ()


def test_remote_and_inline_data_are_no_files_and_parts_have_no_hash() -> None:
    assert resource(path="https://example.org/x.csv") == resource(data=[1]) == resource(path=["http://a.b/c"]) == ()
    assert resource(path=["a.csv", "b.csv"], bytes=9, hash="0" * 32) == (
        DescribedFile(path="a.csv"),
        DescribedFile(path="b.csv"),
    )
    assert resource(path=["a.csv"], bytes=9) == (DescribedFile(path="a.csv", size=9),)
    assert resource(url="./a.csv") == (DescribedFile(path="a.csv"),)
    assert resource(path="Flu\u0308sse.csv") == (DescribedFile(path="Fl\u00fcsse.csv"),)


def test_a_name_with_or_in_it_does_not_loosen_what_stands_beside_it() -> None:
    zero = "https://creativecommons.org/publicdomain/zero/1.0/"
    d = package(licenses=[{"name": "CC-BY-NC-4.0"}, {"name": f"mit or {zero}"}, {"name": "X) OR (CC0-1.0"}])
    assert d.licence == f"CC-BY-NC-4.0 AND (mit or {zero}) AND X) OR (CC0-1.0"
    with pytest.raises(licences.InvalidLicence):
        licences.parse(d.licence)


@pytest.mark.parametrize(
    ("hash", "sha256", "md5"),
    [
        ("sha256:" + "aB" * 32, b"\xab" * 32, None),
        ("md5:" + "ab" * 16, None, b"\xab" * 16),
        ("AB" * 16, None, b"\xab" * 16),
        ("sha1:" + "ab" * 20, None, None),
        ("sha512:zz", None, None),
        (None, None, None),
    ],
)
def test_digests_are_read(hash: str | None, sha256: bytes | None, md5: bytes | None) -> None:
    assert resource(path="a", hash=hash) == (DescribedFile(path="a", sha256=sha256, md5=md5),)


@pytest.mark.parametrize(
    "said",
    [
        {"path": "../a"},
        {"path": "/etc/passwd"},
        {"path": "a\\b"},
        {"path": "a/./b"},
        {"path": ["a", "~/../b"]},
        {"path": 5},
        {"path": " "},
        {"path": "file:a"},
        {"path": "a", "hash": "sha256:00"},
        {"path": "a", "hash": "00"},
        {"path": "a", "hash": 5},
        {"path": "a", "bytes": "9"},
        {"path": "a", "bytes": -1},
        {"path": "a", "bytes": True},
        {"path": "a", "licenses": [{"name": "CC-BY-4.0", "path": "https://creativecommons.org/licenses/by-sa/4.0/"}]},
    ],
)
def test_a_resource_that_lies_or_leads_out_is_refused(said: dict[str, Any]) -> None:
    with pytest.raises(Malformed):
        resource(**said)


@pytest.mark.parametrize(
    "text", ["[]", "{}", '{"resources": {}}', '{"resources": [1]}', '{"resources": [], "title": 5}', "resources: []"]
)
def test_what_is_no_package_is_refused(text: str) -> None:
    with pytest.raises(Malformed):
        datapackage.read(text)
