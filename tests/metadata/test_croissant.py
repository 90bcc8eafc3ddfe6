"""Croissant: what is carried, what other people's files say, and what the validator of MLCommons says of ours."""

from __future__ import annotations

import importlib
import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from commons.core.crypto import ids
from commons.core.dataset.rights import Creator, Label
from commons.errors import Malformed
from commons.metadata import croissant
from commons.metadata.description import DescribedFile, Description
from tests.conftest import LIMIT
from tests.metadata.samples import BY, FULL, MIXED, ODBL, OURS, OURS_TEXT, PLAIN, SAMPLES, TABLE, described, write_files

COLUMNS = {TABLE: ("river", "length_km")}
ROWS = f"{TABLE}#rows"
CHOICE = "CC-BY-4.0 OR (LicenseRef-Ours AND ODbL-1.0)"


def tell(**words: Any) -> Description:
    """What is read of a bare Dataset with these properties."""
    return croissant.read(json.dumps({"@context": "https://schema.org/", "@type": "Dataset", **words}))


# there and back


@pytest.mark.parametrize("name", SAMPLES)
def test_what_it_carries_comes_back(name: str) -> None:
    d = described(SAMPLES[name])
    read = croissant.read(croissant.write(d).decode())
    assert {f: getattr(read, f) for f in croissant.CARRIES} == {f: getattr(d, f) for f in croissant.CARRIES}


@pytest.mark.parametrize("expression", [CHOICE, "GPL-2.0-only WITH Classpath-exception-2.0", "CC-BY-4.0 AND ODbL-1.0"])
def test_an_expression_of_several_licences_comes_back_exactly(expression: str) -> None:
    read = croissant.read(croissant.write(replace(FULL, licence=expression)).decode())
    assert read.licence == expression


def test_the_text_of_a_licence_of_ones_own_goes_along() -> None:
    d = replace(FULL, licence=CHOICE, licences=(BY, (OURS, ""), ODBL), texts=MIXED.texts)
    assert croissant.read(croissant.write(d).decode()).texts == ((OURS, OURS_TEXT),)


@pytest.mark.parametrize("words", [("one",), ("one, two",), ("one, two", "three"), ()])
def test_keywords_come_back_whole(words: tuple[str, ...]) -> None:
    assert croissant.read(croissant.write(replace(FULL, keywords=words)).decode()).keywords == words


def test_creators_with_one_address_stay_two() -> None:
    two = (Creator(name="Ana", url="https://example.org/"), Creator(name="Bo", url="https://example.org/"))
    assert croissant.read(croissant.write(replace(FULL, creators=two)).decode()).creators == two


def test_the_reference_is_no_identifier_and_no_source() -> None:
    read = croissant.read(croissant.write(replace(FULL, identifier=None, source_url=None)).decode())
    assert (read.identifier, read.source_url, read.reference) == (None, None, FULL.reference)


@pytest.mark.parametrize("field", ["title", "description", "creators", "licence", "published"])
def test_what_croissant_requires_is_asked_for(field: str) -> None:
    with pytest.raises(Malformed, match=field):
        croissant.write(replace(FULL, **{field: () if field == "creators" else None}))


def test_an_address_and_digests_are_asked_for() -> None:
    with pytest.raises(Malformed, match="address"):
        croissant.write(replace(FULL, source_url=None, reference=None))
    with pytest.raises(Malformed, match="SHA-256"):
        croissant.write(replace(FULL, files=(DescribedFile(path="a.csv"),)))


@pytest.mark.parametrize("columns", [(), ("a", "a"), ("a", " ")])
def test_columns_that_names_do_not_tell_apart_make_no_rows(columns: tuple[str, ...]) -> None:
    assert "recordSet" not in json.loads(croissant.write(FULL, {TABLE: columns}))


# what others write


def test_a_dataset_of_a_web_page_is_read() -> None:
    read = tell(
        name={"@language": "en", "@value": "Rivers"},
        creator=[
            {"@type": "Person", "@id": "https://orcid.org/0000-0002-1825-0097", "name": "Ana", "url": "https://a.example"},
            {"@type": "GovernmentOrganization", "name": "Instituto", "url": "no address"},
            {"givenName": "Bo", "familyName": "Lind"},
            "Cy",
        ],
        license=["https://creativecommons.org/licenses/by/4.0/"],
        identifier=["internal-7", {"@type": "PropertyValue", "propertyID": "doi", "value": "10.5281/zenodo.7"}],
        keywords="rivers, length ,",
        datePublished="2024-11-24T12:00:00+01:00",
        dateModified="2024",
        version="1.2.0",
        publisher={"@type": "Organization", "name": "The keepers"},
        usageInfo=["https://example.org/policy", {"@type": "CreativeWork", "name": "TK A", "text": "Name us."}],
        isBasedOn="https://example.org/older",
        distribution=[
            {"@type": "DataDownload", "contentUrl": "https://example.org/rivers.csv", "contentSize": "3 kB"},
            {"contentUrl": "./rivers.csv", "contentSize": "2.1 kB", "encodingFormat": "text/csv"},
        ],
    )  # fmt: skip
    assert read == Description(
        title="Rivers",
        creators=(
            Creator(name="Ana", url="https://orcid.org/0000-0002-1825-0097"),
            Creator(name="Instituto", organisation=True),
            Creator(name="Bo Lind"),
            Creator(name="Cy"),
        ),
        licence="https://creativecommons.org/licenses/by/4.0/",
        keywords=("rivers", "length"),
        identifier="10.5281/zenodo.7",
        published="2024-11-24",
        publisher="The keepers",
        labels=(Label(name="TK A", text="Name us."),),
        files=(DescribedFile(path="rivers.csv", media_type="text/csv"),),
    )


def test_a_croissant_of_others_tells_of_its_files() -> None:
    files = [
        {"@type": "cr:FileObject", "@id": "z", "contentUrl": "data.zip", "md5": "900150983cd24fb0d6963f7d28e17f72"},
        {"@type": "cr:FileObject", "@id": "i", "contentUrl": "in.csv", "containedIn": {"@id": "z"}},
        {"@type": "cr:FileSet", "@id": "s", "includes": "*.csv", "containedIn": {"@id": "z"}},
    ]
    context = {"@vocab": "https://schema.org/", "cr": "http://mlcommons.org/croissant/", "md5": "cr:md5"}
    text = json.dumps({"@context": context, "@type": "sc:Dataset", "sc:name": "D", "distribution": files})
    assert croissant.read(text).files == (
        DescribedFile(path="data.zip", md5=bytes.fromhex("900150983cd24fb0d6963f7d28e17f72")),
    )


def test_a_dataset_within_a_page_or_a_graph_is_found() -> None:
    inner = {"@type": "Dataset", "name": "Rivers"}
    assert croissant.read(json.dumps({"@type": "WebPage", "mainEntity": inner})).title == "Rivers"
    assert croissant.read(json.dumps({"@graph": [{"@type": "WebSite"}, inner]})).title == "Rivers"
    assert croissant.read(json.dumps([inner])).title == "Rivers"


@pytest.mark.parametrize("document", [{}, {"@type": "Person"}, [{"@type": "Dataset"}, {"@type": "Dataset"}]])
def test_no_dataset_or_two_are_malformed(document: Any) -> None:
    with pytest.raises(Malformed, match="one is wanted"):
        croissant.read(json.dumps(document))


@pytest.mark.parametrize("place", ["../up.csv", "/etc/passwd", "C:\\x", "a\0b"])
def test_a_file_outside_the_folder_is_malformed(place: str) -> None:
    with pytest.raises(Malformed):
        tell(distribution={"contentUrl": place})


def test_a_file_told_of_in_two_ways_is_malformed() -> None:
    with pytest.raises(Malformed, match="twice"):
        tell(distribution=[{"contentUrl": "a.csv", "contentSize": "1 B"}, {"contentUrl": "./a.csv"}])


def test_an_origin_that_says_half_is_malformed_and_is_not_dropped() -> None:
    with pytest.raises(Malformed, match="origin"):
        tell(isBasedOn={"@id": f"commons:{ids.cid(b'a')}"})
    with pytest.raises(Malformed, match="dataset id"):
        tell(isBasedOn={"@id": "commons:nonsense", "name": "x", "license": "CC0-1.0"})


# the validator


def run(*words: str, folder: Path) -> tuple[int, str]:
    """The exit code and all the words of `mlcroissant`."""
    importlib.import_module("mlcroissant")
    script = "from mlcroissant.scripts.cli import main; main()"
    environment = {**os.environ, "CROISSANT_CACHE": str(folder / "cache"), "PYTHONWARNINGS": "ignore"}
    done = subprocess.run(
        [sys.executable, "-c", script, *words],
        cwd=folder, env=environment, capture_output=True, text=True, timeout=LIMIT, check=False,
    )  # fmt: skip
    return done.returncode, done.stdout + done.stderr


def place(folder: Path, d: Description) -> Path:
    write_files(folder, d)
    (folder / croissant.FILE).write_bytes(croissant.write(d, COLUMNS))
    return folder


@pytest.mark.validators
@pytest.mark.parametrize(
    "d",
    [
        FULL,
        described(PLAIN),
        MIXED,
        replace(FULL, licence=CHOICE, licences=(BY, (OURS, ""), ODBL), texts=MIXED.texts, keywords=("a, b",)),
    ],
)
def test_the_validator_finds_no_fault_and_warns_of_nothing(tmp_path: Path, d: Description) -> None:
    code, said = run("validate", "--jsonld", croissant.FILE, folder=place(tmp_path, d))
    assert (code, "WARNING" in said, "warning" in said) == (0, False, False), said
    assert "Done" in said


@pytest.mark.validators
def test_the_validator_reads_what_we_wrote(tmp_path: Path) -> None:
    mlc = importlib.import_module("mlcroissant")
    metadata = mlc.Dataset(place(tmp_path, FULL) / croissant.FILE).metadata
    assert (metadata.name, metadata.version, metadata.url) == (FULL.title, "3.0.0", FULL.source_url)
    assert [each.name for each in metadata.creators] == ["Ana Martins", "Instituto da Água"]
    assert [each.url for each in metadata.license] == [BY[1]]
    assert {each.content_url for each in metadata.file_objects} == {each.path for each in FULL.files}


@pytest.mark.validators
@pytest.mark.parametrize("without", ["sha256", "@type", "contentUrl"])
def test_the_validator_finds_what_is_missing(tmp_path: Path, without: str) -> None:
    place(tmp_path, FULL)
    document = json.loads(croissant.write(FULL))
    del (document if without == "@type" else document["distribution"][0])[without]
    (tmp_path / croissant.FILE).write_text(json.dumps(document))
    assert run("validate", "--jsonld", croissant.FILE, folder=tmp_path)[0] == 1


@pytest.mark.validators
def test_the_validator_warns_of_a_missing_licence_which_we_refuse(tmp_path: Path) -> None:
    document = json.loads(croissant.write(FULL))
    del document["license"]
    (tmp_path / croissant.FILE).write_text(json.dumps(document))
    code, said = run("validate", "--jsonld", croissant.FILE, folder=tmp_path)
    assert code == 0
    assert "license" in said


@pytest.mark.validators
def test_rows_load_and_a_flipped_byte_is_found(tmp_path: Path) -> None:
    place(tmp_path, FULL)
    load = ("load", "--jsonld", croissant.FILE, "--record_set", ROWS, "--num_records", "-1")
    code, said = run(*load, folder=tmp_path)
    assert code == 0, said
    assert "Tejo" in said
    data = bytearray((tmp_path / TABLE).read_bytes())
    data[-2] ^= 1
    (tmp_path / TABLE).write_bytes(data)
    code, said = run(*load, folder=tmp_path)
    assert code != 0
    assert "not identical" in said
