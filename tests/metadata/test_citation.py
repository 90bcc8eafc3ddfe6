"""Citation files: what is written is what `cffconvert` accepts, and what others write is read."""

from __future__ import annotations

import importlib
import importlib.resources
import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import yaml

import licences
from commons.core.dataset.rights import Creator
from commons.errors import Malformed
from commons.metadata import citation, texts
from commons.metadata.description import Description
from tests.conftest import LIMIT
from tests.metadata.samples import ANA, FULL, HOSTILE, LINES, MIXED, PLAIN, SAMPLES


def accepted(folder: Path, data: bytes) -> bool:
    importlib.import_module("cffconvert")
    (folder / citation.FILE).write_bytes(data)
    script = Path(sys.executable).parent / "cffconvert"
    run = subprocess.run([script, "--validate"], cwd=folder, capture_output=True, timeout=LIMIT, check=False)
    return run.returncode == 0


@pytest.mark.parametrize("sample", SAMPLES)
def test_what_it_carries_comes_back(sample: str) -> None:
    d = SAMPLES[sample]
    back = citation.read(citation.write(d).decode())
    assert {f: getattr(back, f) for f in citation.CARRIES} == {f: getattr(d, f) for f in citation.CARRIES}


@pytest.mark.validators
def test_cffconvert_accepts_it_hostile_words_and_all(tmp_path: Path) -> None:
    creators = tuple(Creator(name=text, url="https://example.org/x") for text in LINES)
    hostile = replace(FULL, title="".join(HOSTILE), description="".join(HOSTILE), creators=creators, keywords=HOSTILE)
    assert accepted(tmp_path, citation.write(hostile))
    assert accepted(tmp_path, citation.write(MIXED))
    choice = replace(PLAIN, licence="CC-BY-4.0 OR ODbL-1.0", identifier="urn:nbn:de:x", source_url="ipfs://x/y")
    assert accepted(tmp_path, citation.write(choice))


@pytest.mark.validators
def test_cffconvert_refuses_it_without_authors_and_with_a_licence_of_our_own(tmp_path: Path) -> None:
    written = texts.load_yaml(citation.write(FULL).decode())
    assert not accepted(tmp_path, texts.dump_yaml({key: value for key, value in written.items() if key != "authors"}))
    assert not accepted(tmp_path, texts.dump_yaml(written | {"license": "LicenseRef-Ours"}))


@pytest.mark.validators
def test_only_ids_that_the_schema_has_are_written_as_license() -> None:
    importlib.import_module("cffconvert")
    schema = json.loads((importlib.resources.files("cffconvert") / "schemas/1.2.0/schema.json").read_text())
    listed = set(schema["definitions"]["license-enum"]["enum"])
    for id in licences.ids():
        written = yaml.safe_load(
            citation.write(replace(PLAIN, licence=id, licences=((id, licences.get(id).url or ""),)))
        )
        assert written.get("license") == (id if id in listed else None), id
        assert "license" in written or "license-url" in written or id in written["message"]


@pytest.mark.parametrize(
    ("licence", "back"),
    [
        ("CC-BY-4.0", "CC-BY-4.0"),
        ("CC-BY-4.0 OR ODbL-1.0", "CC-BY-4.0 OR ODbL-1.0"),
        ("CC-BY-4.0 AND LicenseRef-Ours", None),
        ("LicenseRef-Ours", "https://example.org/ours"),
        ("CC-BY-SA-4.0 WITH KiCad-libraries-exception", None),
    ],
)
def test_a_choice_is_a_list_and_what_holds_together_is_only_told(licence: str, back: str | None) -> None:
    d = replace(PLAIN, licence=licence, licences=(("LicenseRef-Ours", "https://example.org/ours"),))
    written = citation.write(d)
    assert citation.read(written.decode()).licence == back
    assert licence in written.decode() or back != "LicenseRef-Ours"


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_words_stay_words(text: str) -> None:
    d = replace(FULL, title=text, description=text, keywords=(text,))
    back = citation.read(citation.write(d).decode())
    assert (back.title, back.description, back.keywords, back.licence) == (text, text, (text,), FULL.licence)


def test_what_it_demands_is_named() -> None:
    with pytest.raises(Malformed, match="needs title"):
        citation.write(replace(FULL, title=None))
    with pytest.raises(Malformed, match="needs creators"):
        citation.write(replace(FULL, creators=()))


def test_a_file_of_somebody_else_is_read() -> None:
    text = """\
cff-version: 1.1.0
message: cite me
title: Main
type: dataset
authors:
  - given-names: Ana
    family-names: Martins
    orcid: https://orcid.org/0000-0002-1825-0097
  - given-names: Vincent
    name-particle: van
    family-names: Gogh
    name-suffix: Jr.
  - name: The keepers
    website: https://example.org
  - alias: bo
date-released: 2024-11-24
version: 1.10
doi: 10.5281/zenodo.7
license: [cc-by-4.0, ODbL-1.0]
repository-code: https://example.org/code
identifiers: [{type: swh, value: "swh:1:rev:x"}]
"""
    assert citation.read(text) == Description(
        title="Main",
        published="2024-11-24",
        identifier="https://doi.org/10.5281/zenodo.7",
        source_url="https://example.org/code",
        licence="CC-BY-4.0 OR ODbL-1.0",
        creators=(
            ANA,
            Creator(name="Vincent van Gogh Jr."),
            Creator(name="The keepers", url="https://example.org", organisation=True),
            Creator(name="bo"),
        ),
    )


@pytest.mark.parametrize(
    "text", ["", "[]", "a: 1", "cff-version: 1.2.0\nauthors: [1]", "cff-version: 1.2.0\ntitle: [x]", "{"]
)
def test_what_is_no_citation_file_is_refused(text: str) -> None:
    with pytest.raises(Malformed):
        citation.read(text)
