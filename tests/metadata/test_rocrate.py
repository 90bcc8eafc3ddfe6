"""RO-Crate: what is carried, crates of others, and what rocrate-validator says of ours, offline."""

from __future__ import annotations

import importlib
import json
import shutil
import subprocess
import sys
from dataclasses import replace
from typing import Any

import pytest

from commons.core.dataset.rights import Creator
from commons.errors import Malformed
from commons.metadata import rocrate
from commons.metadata.description import DescribedFile, Description
from tests.conftest import LIMIT
from tests.metadata import crate_cache
from tests.metadata.samples import BY, FULL, MIXED, NOTE, ODBL, OURS, OURS_TEXT, PLAIN, SAMPLES, described, write_files

CHOICE = replace(
    FULL, licence="CC-BY-4.0 OR (LicenseRef-Ours AND ODbL-1.0)", licences=(BY, (OURS, ""), ODBL), texts=MIXED.texts,
    keywords=("a, b",), identifier="10.5281/zenodo.1234567", origins=(),
)  # fmt: skip


def crate(*entities: dict[str, Any], version: str = "1.1", **root: Any) -> str:
    """A crate as others write it."""
    profile = f"https://w3id.org/ro/crate/{version}"
    descriptor = {
        "@type": "CreativeWork", "@id": rocrate.FILE, "conformsTo": {"@id": profile}, "about": {"@id": "./"},
    }  # fmt: skip
    dataset = {"@id": "./", "@type": "Dataset", **root}
    return json.dumps({"@context": f"{profile}/context", "@graph": [descriptor, dataset, *entities]})


# there and back


@pytest.mark.parametrize("d", [*map(described, SAMPLES.values()), CHOICE])
def test_what_it_carries_comes_back(d: Description) -> None:
    read = rocrate.read(rocrate.write(d).decode())
    assert {f: getattr(read, f) for f in rocrate.CARRIES} == {f: getattr(d, f) for f in rocrate.CARRIES}


def test_the_text_of_a_licence_of_ones_own_goes_along() -> None:
    assert rocrate.read(rocrate.write(CHOICE).decode()).texts == ((OURS, OURS_TEXT),)


def test_entities_with_one_address_stay_apart() -> None:
    same = tuple(Creator(name=name, url=BY[1]) for name in ("Ana", "Bo"))
    read = rocrate.read(rocrate.write(replace(FULL, creators=same)).decode())
    assert (read.creators, read.licence) == (same, FULL.licence)


def test_every_entity_has_an_id_of_its_own_and_is_named() -> None:
    document = json.loads(rocrate.write(MIXED))
    entities = {each["@id"]: each for each in document["@graph"]}
    assert len(entities) == len(document["@graph"])
    named = {
        inner["@id"]
        for each in entities.values()
        for value in each.values()
        for inner in (value if isinstance(value, list) else [value])
        if isinstance(inner, dict)
    }
    assert named - set(entities) == {"https://w3id.org/ro/crate/1.3"}
    assert set(entities) - named == {rocrate.FILE}


def test_a_licence_that_many_files_share_is_one_entity() -> None:
    files = tuple(replace(each, licence="ODbL-1.0") for each in FULL.files)
    document = json.loads(rocrate.write(replace(FULL, files=files)))
    assert sum(each.get("identifier") == "ODbL-1.0" for each in document["@graph"]) == 1


def test_a_crate_does_not_list_itself() -> None:
    files = (DescribedFile(path=rocrate.FILE, size=3), DescribedFile(path=f"older/{rocrate.FILE}", size=4))
    assert rocrate.read(rocrate.write(replace(FULL, files=files)).decode()).files == files[1:]


@pytest.mark.parametrize("field", ["title", "description", "licence", "published"])
def test_what_a_crate_must_have_is_asked_for(field: str) -> None:
    with pytest.raises(Malformed, match=field):
        rocrate.write(replace(FULL, **{field: None}))


# crates of others


@pytest.mark.parametrize("version", ["1.1", "1.2", "1.3"])
def test_a_crate_of_others_is_read(version: str) -> None:
    text = crate(
        {"@id": "https://creativecommons.org/licenses/by/4.0/", "@type": "CreativeWork", "name": "CC BY 4.0"},
        {"@id": "https://orcid.org/0000-0002-1825-0097", "@type": "Person", "name": "Ana", "url": "https://a.example"},
        {"@id": "#bo", "@type": "Person", "name": "Bo"},
        {"@id": "data/", "@type": "Dataset", "hasPart": [{"@id": "data/a%20b.csv"}, {"@id": "./"}, {"@id": "data/"}]},
        {
            "@id": "data/a%20b.csv", "@type": ["File", "SoftwareSourceCode"], "contentSize": "12",
            "encodingFormat": ["text/csv", {"@id": "https://www.nationalarchives.gov.uk/PRONOM/x-fmt/18"}],
        },
        {"@id": "https://example.org/far.csv", "@type": "File"},
        {"@id": "#sample", "@type": "RepositoryObject"},
        {"@id": "unlisted.csv", "@type": "File"},
        name="Rivers", datePublished="2024-11-24T00:00:00Z",
        license={"@id": "https://creativecommons.org/licenses/by/4.0/"},
        author=[{"@id": "https://orcid.org/0000-0002-1825-0097"}, {"@id": "#bo"}],
        creator={"@id": "#bo"},
        identifier="https://doi.org/10.5281/zenodo.7",
        hasPart=[{"@id": "data/"}, {"@id": "https://example.org/far.csv"}, {"@id": "#sample"}],
        version=version,
    )  # fmt: skip
    assert rocrate.read(text) == Description(
        title="Rivers",
        creators=(Creator(name="Bo"), Creator(name="Ana", url="https://orcid.org/0000-0002-1825-0097")),
        licence="https://creativecommons.org/licenses/by/4.0/",
        published="2024-11-24",
        identifier="https://doi.org/10.5281/zenodo.7",
        files=(DescribedFile(path="data/a b.csv", size=12, media_type="text/csv"),),
    )


def test_the_root_is_what_the_descriptor_is_about() -> None:
    text = json.dumps(
        {
            "@context": "https://w3id.org/ro/crate/1.2/context",
            "@graph": [
                {"@id": "./", "@type": "Dataset", "name": "no"},
                {"@id": "https://example.org/crate/ro-crate-metadata.json", "about": {"@id": "https://example.org/crate/"}},
                {"@id": "https://example.org/crate/", "@type": "Dataset", "name": "yes"},
            ],
        }
    )  # fmt: skip
    read = rocrate.read(text)
    assert (read.title, read.identifier) == ("yes", "https://example.org/crate/")


@pytest.mark.parametrize(
    "document",
    [
        {},
        {"@type": "Dataset", "name": "no crate"},
        {"@graph": [{"@id": "./", "@type": "Dataset"}]},
        {"@graph": [{"@id": rocrate.FILE, "about": {"@id": "./"}}]},
        {"@graph": [{"@id": rocrate.FILE, "about": {"@id": "./"}}, {"@id": "./", "@type": "Person"}]},
        {"@graph": {"@id": rocrate.FILE, "about": "nothing"}},
    ],
)
def test_what_has_no_root_is_no_crate(document: dict[str, Any]) -> None:
    with pytest.raises(Malformed, match="no RO-Crate"):
        rocrate.read(json.dumps(document))


@pytest.mark.parametrize(
    "id", ["../up.csv", "%2e%2e/up.csv", "/etc/passwd", "file:///etc/passwd", "C:/x", "a%00b", "%ff"]
)
def test_a_file_outside_the_crate_is_malformed(id: str) -> None:
    with pytest.raises(Malformed):
        rocrate.read(crate({"@id": id, "@type": "File"}, hasPart={"@id": id}))


def test_two_roots_under_one_id_contradict_each_other_in_sight() -> None:
    read = rocrate.read(crate({"@id": "./", "@type": "Dataset", "license": "CC0-1.0"}, license="CC-BY-4.0"))
    assert read.licence == "CC-BY-4.0 AND CC0-1.0"


def test_a_reference_alone_is_no_identifier() -> None:
    read = rocrate.read(rocrate.write(described(PLAIN)).decode())
    assert (read.identifier, read.reference, read.source_url) == (None, PLAIN.reference, None)


# the validator


@pytest.fixture(scope="session")
def verdicts(tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[int, str]]:
    """From a crate's name to the validator's exit code and report. They are slow to ask, so all are asked at once."""
    for package in ("rocrate_validator", "rocrate", "requests_cache"):
        importlib.import_module(package)
    room = tmp_path_factory.mktemp("crates")
    crate_cache.seed(room / "cache")
    crates = {"full": FULL, "mixed": MIXED, "choice": CHOICE, "bare": FULL}
    asked = {}
    for name, d in crates.items():
        folder = room / name
        folder.mkdir()
        write_files(folder, d)
        document = json.loads(rocrate.write(d))
        if name == "bare":
            (folder / NOTE).unlink()
            del document["@graph"][1]["license"], document["@graph"][1]["datePublished"]
        (folder / rocrate.FILE).write_text(json.dumps(document))
        shutil.copy(room / "cache.sqlite", room / f"{name}-cache.sqlite")
        script = "from rocrate_validator.cli import cli; cli()"
        asked[name] = subprocess.Popen(
            [
                sys.executable, "-W", "ignore", "-c", script, "-y", "validate", "--offline",
                "--cache-path", str(room / f"{name}-cache"), "-f", "json",
                "-o", str(room / f"{name}.json"), str(folder),
            ],
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, cwd=room,
        )  # fmt: skip
    told = {}
    for name, process in asked.items():
        try:
            said, _ = process.communicate(timeout=LIMIT)
        finally:
            process.kill()
        report = room / f"{name}.json"
        told[name] = process.returncode, report.read_text() if report.exists() else said
    return told


@pytest.mark.validators
@pytest.mark.parametrize("name", ["full", "mixed", "choice"])
def test_the_validator_finds_no_fault(verdicts: dict[str, tuple[int, str]], name: str) -> None:
    code, report = verdicts[name]
    assert code == 0, report
    verdict = json.loads(report)
    assert (verdict["passed"], verdict["issues"]) == (True, [])
    assert verdict["skipped_checks"] <= 3, "checks were left out: was the context found?"


@pytest.mark.validators
@pytest.mark.parametrize("missing", ["`license`", "`datePublished`", "Flüsse"])
def test_the_validator_finds_what_is_missing(verdicts: dict[str, tuple[int, str]], missing: str) -> None:
    code, report = verdicts["bare"]
    assert code == 1, report
    assert [each for each in json.loads(report)["issues"] if missing in str(each.get("message"))]
