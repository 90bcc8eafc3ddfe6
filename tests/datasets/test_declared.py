"""The licence that is shown is the licence that was given: whatever names it, and however many name others."""

from __future__ import annotations

import contextlib
import json
import re
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, replace
from itertools import combinations
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pytest
from hypothesis import given
from hypothesis import strategies as st

import licences
from commons.core.crypto.envelope import Opened
from commons.core.dataset.manifest import Manifest
from commons.datasets import describe, prepare
from commons.datasets.prepare import Prepared
from commons.disk import packer
from commons.disk.packs import Store
from commons.errors import Conflict, Malformed
from commons.metadata import croissant, datapackage, dcat, licensing, reuse, rocrate
from commons.metadata.description import DescribedFile, Description
from licences import compat
from tests.datasets.test_licences import write

IDS = ("CC0-1.0", "CC-BY-4.0", "CC-BY-NC-4.0", "CC-BY-SA-4.0", "CC-BY-ND-4.0", "CC-BY-3.0-FR", "ODbL-1.0", "MIT")
JOINT = ("CC-BY-4.0 AND MIT", "CC0-1.0 OR MIT")
FILES = ("plot.py", "a.csv", "sub/b.csv", "sub/no te.md", "c%20d.bin", "Größe.txt")
WAYS = ("header", "sidecar", "reuse", "datapackage", "croissant", "ro-crate")
WHOLES = ("option", "datapackage", "croissant", "ro-crate")
HEADED = (".py", ".md", ".txt")  # files that can have one


@dataclass(frozen=True)
class Case:
    """By file: the way in which its licence is named, and the licence; and the same for the whole, as far as named."""

    files: Mapping[str, tuple[str, str] | None]
    option: str | None
    whole: tuple[str, str] | None  # by metadata

    @property
    def chosen(self) -> str | None:
        return self.option or (self.whole and self.whole[1]) or None

    @property
    def declared(self) -> dict[str, str]:
        """What each file is under."""
        return {path: own[1] if own else self.chosen or "" for path, own in self.files.items()}


@st.composite
def cases(draw: st.DrawFn) -> Case:
    licence = st.sampled_from((*IDS, *JOINT))
    files: dict[str, tuple[str, str] | None] = {}
    for path in draw(st.lists(st.sampled_from(FILES), min_size=1, unique=True)):
        ways = [way for way in WAYS if way != "header" or path.endswith(HEADED)]
        files[path] = draw(st.none() | st.tuples(st.sampled_from(ways), licence))
    whole = draw(st.none() | st.tuples(st.sampled_from(WHOLES[1:]), licence))
    option = draw(st.none() | licence)
    return Case(files=files, option=option, whole=whole)


def lay(folder: Path, case: Case) -> None:
    """The folder of which each file's licence is said in its way."""
    tables: dict[str, list[tuple[str, str]]] = {way: [] for way in WAYS}
    for path, own in case.files.items():
        text = "# nothing\n"
        if own and own[0] == "header":
            text = f"# SPDX-License-Identifier: {own[1]}\n"
        elif own and own[0] == "sidecar":
            write(folder, f"{path}.license", f"SPDX-License-Identifier: {own[1]}\n")
        elif own:
            tables[own[0]].append((path, own[1]))
        write(folder, path, text)
    whole = dict([case.whole]) if case.whole else {}
    if tables["reuse"]:
        rows = [f"[[annotations]]\npath = {json.dumps(p)}\nSPDX-License-Identifier = {json.dumps(licence)}\n"
                for p, licence in tables["reuse"]]  # fmt: skip
        write(folder, "REUSE.toml", "version = 1\n" + "".join(rows))
    if tables["datapackage"] or "datapackage" in whole:
        named = {"licenses": [{"name": whole["datapackage"]}]} if "datapackage" in whole else {}
        rows = [{"name": "x", "path": p, "licenses": [{"name": licence}]} for p, licence in tables["datapackage"]]
        write(folder, "datapackage.json", {"name": "x", "resources": rows, **named})
    if tables["croissant"] or "croissant" in whole:
        said: dict[str, Any] = {"license": whole["croissant"]} if "croissant" in whole else {}
        said["distribution"] = [
            {"@type": "cr:FileObject", "contentUrl": p, "license": licence} for p, licence in tables["croissant"]
        ]
        write(folder, "croissant.json", {"@context": "https://schema.org/", "@type": "Dataset", **said})
    if tables["ro-crate"] or "ro-crate" in whole:
        crate: list[dict[str, Any]] = [
            {"@id": "ro-crate-metadata.json", "@type": "CreativeWork", "about": {"@id": "./"}},
            {"@id": "./", "@type": "Dataset", "hasPart": [{"@id": rocrate._id(p)} for p, _ in tables["ro-crate"]]}
            | ({"license": whole["ro-crate"]} if "ro-crate" in whole else {}),
            *({"@id": rocrate._id(p), "@type": "File", "license": licence} for p, licence in tables["ro-crate"]),
        ]
        write(folder, "ro-crate-metadata.json", {"@context": "https://w3id.org/ro/crate/1.1/context", "@graph": crate})


def prepared(folder: Path, case: Case, **words: Any) -> Prepared:
    said = {"title": "T", "creators": ["Ana"], "licence": case.option, **words}
    return prepare.prepare(prepare.from_words(path=str(folder), **said))


def apart(expression: str) -> set[str]:
    return set(licensing.members(expression))


def described(ready: Prepared, store: Path) -> Description:
    """As a reader with the key would have it, from the contents table that is sealed."""
    packs = Store(store)
    sealed = packer.pack(
        ready.sources, secret=bytes(32), series=bytes(16), epoch=0, store=packs, rights=ready.rights
    ).contents
    value = object.__new__(Manifest)
    for name, each in {"title": "T", "description": "D", "keywords": (), "identifier": None, "created": 0,
                       "version": 1, "terms": ready.terms}.items():  # fmt: skip
        object.__setattr__(value, name, each)
    said = describe.description(Opened(value=value, signer="peer", data=b"x"), sealed)
    texts = {id: f"text of {id}" for id in licences.parse(said.licence or "").ids if id != "CC0-1.0"}
    texts |= {id: f"text of {id}" for id, _ in said.licences}
    return replace(said, texts=tuple((texts | dict(said.texts)).items()))


def of(said: Description, files: Mapping[str, DescribedFile], path: str) -> set[str]:
    """The licence of one file, by its own or the whole's."""
    return apart((path in files and files[path].licence) or said.licence or "")


def exported(said: Description) -> dict[str, dict[str, set[str]]]:
    """By format, what each of our exports says of each file, read back."""
    found: dict[str, dict[str, set[str]]] = {}
    paths = [entry.path for entry in said.files]
    for form, read in {"datapackage": datapackage.read, "croissant": croissant.read, "ro-crate": rocrate.read,
                       "dcat": dcat.read}.items():  # fmt: skip
        (text,) = describe.write(form, said).values()
        again = read(text.decode())
        files = {entry.path: entry for entry in again.files}
        found[form] = {path: of(again, files, path) for path in paths}
    written = describe.write("reuse", said)
    folder = dict.fromkeys(paths, b"") | written
    rights = reuse.rights(folder, folder.__getitem__)
    found["reuse"] = {path: apart(each.licence) for path, each in rights.items() if path in paths}
    info = describe.write("bagit", said)["bag-info.txt"].decode().replace("\n  ", " ")
    own = dict(re.findall(r"^File-License: (\S+) (.+)$", info, re.M))
    own = {unquote(path).removeprefix("data/"): licence for path, licence in own.items()}
    found["bagit"] = {path: apart(own.get(path, said.licence or "")) for path in paths}
    return found


@given(case=cases())
def test_terms_name_every_licence_and_every_file_keeps_its_own_in_every_export(case: Case) -> None:
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place, "d")
        lay(folder, case)
        declared = case.declared
        if not all(declared.values()):
            with pytest.raises(Malformed, match="no licence was named"):
                prepared(folder, case, collection=True)
            return
        members = {each for licence in declared.values() for each in apart(licence)}
        alone = all(own and own[0] == "header" for own in case.files.values()) and not case.whole
        idle = case.option is not None and alone and not members.issuperset(apart(case.option))
        if idle:
            with pytest.raises(Conflict, match=r"--licence .* would hold for no file"):
                prepared(folder, case, collection=True)
            return
        ready = prepared(folder, case, collection=True)
        assert apart(ready.terms.licence) == members | (apart(case.chosen) if case.chosen else set())
        assert {each.id for each in ready.terms.licences} >= {
            id for licence in declared.values() for id in licences.parse(licence).ids
        }
        said = described(ready, Path(place, "packs"))
        wanted = {path: {licences.parse(each).spdx for each in apart(licence)} for path, licence in declared.items()}
        wanted = {path: {each for spdx in spdxs for each in apart(spdx)} for path, spdxs in wanted.items()}
        for form, files in exported(said).items():
            for path, licence in wanted.items():
                if not reuse.is_about(path):
                    assert files[path] == licence, (form, path)


@given(case=cases())
def test_no_pair_of_licences_that_cannot_be_mixed_goes_unseen(case: Case) -> None:
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        lay(folder, case)
        if not all(case.declared.values()):
            return
        members = {each for licence in case.declared.values() for each in apart(licence)}
        members |= apart(case.chosen) if case.chosen else set()
        worst = [
            (a, b) for a, b in combinations(sorted(members), 2)
            if compat.can_remix(licences.parse(a), licences.parse(b)).answer == "no"
        ]  # fmt: skip
        idle = case.option and all(own and own[0] == "header" for own in case.files.values())
        if worst:
            with pytest.raises(Conflict, match=r"would hold for no file|cannot be mixed"):
                prepared(folder, case)
        else:
            with contextlib.suppress(Conflict) if idle else contextlib.nullcontext():
                prepared(folder, case)


def test_the_harm_that_was_done(tmp_path: Path) -> None:
    """One file under CC0 by its header, the data under NC by its `.license`: it went out under CC0 alone."""
    case = Case(
        files={"plot.py": ("header", "CC0-1.0"), "a.csv": ("sidecar", "CC-BY-NC-4.0")},
        option="CC-BY-NC-4.0",
        whole=None,
    )
    lay(tmp_path, case)
    ready = prepared(tmp_path, case)
    assert ready.terms.licence == "CC-BY-NC-4.0 AND CC0-1.0"
    assert (ready.rights["plot.py"].licence, ready.rights["a.csv"].licence) == ("CC0-1.0", "CC-BY-NC-4.0")


def test_a_package_licence_is_dropped_by_no_resource_that_names_another(tmp_path: Path) -> None:
    case = Case(
        files={"a.csv": ("datapackage", "CC-BY-NC-4.0"), "sub/b.csv": ("datapackage", "CC0-1.0")}, option=None,
        whole=("datapackage", "CC-BY-NC-4.0"),
    )  # fmt: skip
    lay(tmp_path, case)
    assert prepared(tmp_path, case).terms.licence == "CC-BY-NC-4.0 AND CC0-1.0"
    only = replace(case, files={"a.csv": ("datapackage", "CC0-1.0")})
    write(tmp_path, "datapackage.json", "{}")
    (tmp_path / "sub" / "b.csv").unlink()
    lay(tmp_path, only)
    assert prepared(tmp_path, only).terms.licence == "CC-BY-NC-4.0 AND CC0-1.0"  # which describes itself, and no other


def test_an_option_that_holds_for_no_file_says_what_the_files_name(tmp_path: Path) -> None:
    case = Case(files={"plot.py": ("header", "CC0-1.0")}, option="CC-BY-4.0", whole=None)
    lay(tmp_path, case)
    with pytest.raises(Conflict, match=r"every one names its own, plot.py CC0-1.0") as caught:
        prepared(tmp_path, case)
    assert "leave --licence out" in caught.value.hint
    write(tmp_path, "REUSE.toml", "version = 1\n")
    ready = prepared(tmp_path, case)
    assert ready.terms.licence == "CC-BY-4.0 AND CC0-1.0"
    assert "CC-BY-4.0 holds for REUSE.toml only: all data names its own licence" in ready.notices
    row = '[[annotations]]\npath = "datapackage.json"\nSPDX-FileCopyrightText = "2020 Ana"\n'  # whose, and no licence
    write(tmp_path, "REUSE.toml", f"version = 1\n{row}")
    write(tmp_path, "datapackage.json", "{}")
    told = "CC-BY-4.0 holds for REUSE.toml and 1 more only: all data names its own licence"
    assert told in prepared(tmp_path, case).notices
    write(tmp_path, "more.bin", "x")
    assert prepared(tmp_path, case).terms.licence == "CC-BY-4.0 AND CC0-1.0"


@pytest.mark.parametrize(
    ("one", "other", "told"),
    [
        ("ODbL-1.0", "CC-BY-4.0", True),
        ("ODC-By-1.0", "CC-BY-4.0", False),
        ("CC0-1.0", "CC-BY-4.0", False),
        ("CC-BY-SA-4.0", "CC-BY-NC-4.0", True),
    ],
)
def test_licences_of_data_and_of_works_with_it_are_told_to_stay_apart(
    tmp_path: Path, one: str, other: str, told: bool
) -> None:
    """And a condition that both can keep together is nothing to tell."""
    case = Case(files={"a.csv": ("sidecar", one), "sub/b.csv": ("sidecar", other)}, option=None, whole=None)
    lay(tmp_path, case)
    found = [each for each in prepared(tmp_path, case, collection=True).notices if "stay side by side" in each]
    assert len(found) == told


def test_what_is_about_other_files_alone_has_no_data_that_names_a_licence(tmp_path: Path) -> None:
    write(tmp_path, "datapackage.json", "{}")
    ready = prepared(tmp_path, Case(files={}, option="CC-BY-4.0", whole=None))
    assert ready.terms.licence == "CC-BY-4.0"
    assert not any("names its own licence" in each for each in ready.notices)


def test_one_expression_that_nobody_could_use_as_a_mixture_is_asked_about(tmp_path: Path) -> None:
    case = Case(files={"a.csv": None}, option="CC-BY-SA-4.0 AND CC-BY-NC-4.0", whole=None)
    lay(tmp_path, case)
    with pytest.raises(Conflict, match="cannot be mixed"):
        prepared(tmp_path, case)
    assert prepared(tmp_path, case, collection=True).terms.licence == case.option
