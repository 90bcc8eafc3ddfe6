"""What others wrote about data stops nobody who says what holds, and is told truly: what was taken, what was not."""

from __future__ import annotations

import json
import unicodedata
from pathlib import Path
from typing import Any

import pytest

from commons.datasets import prepare
from commons.datasets.prepare import Prepared
from commons.errors import Conflict, Malformed, NotFound, TooLarge
from tests.conftest import ends
from tests.datasets.test_hostile_metadata import prepared
from tests.datasets.test_licences import write

BY = "https://creativecommons.org/licenses/by/4.0/"
SA = "https://creativecommons.org/licenses/by-sa/4.0/"
ZERO = "https://creativecommons.org/publicdomain/zero/1.0/"
OPEN = "info:eu-repo/semantics/openAccess"


def package(*resources: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"name": "x", "title": "X", "resources": list(resources), **more}


def resource(path: str, **more: Any) -> dict[str, Any]:
    return {"name": "x", "path": path, **more}


def datacite(*rights: dict[str, str], **more: Any) -> dict[str, Any]:
    return {"titles": [{"title": "X"}], "creators": [{"name": "Ana"}], "rightsList": list(rights), **more}


def crate(**root: Any) -> dict[str, Any]:
    entities = root.pop("entities", [])
    return {"@context": "https://w3id.org/ro/crate/1.1/context", "@graph": [
        {"@id": "ro-crate-metadata.json", "@type": "CreativeWork", "about": {"@id": "./"}},
        {"@id": "./", "@type": "Dataset", **root}, *entities,
    ]}  # fmt: skip


def record(rights: str, more: str = "") -> str:
    """A DataCite record in XML."""
    listed = f"<titles><title>X</title></titles><rightsList>{rights}</rightsList>{more}"
    return f'<resource xmlns="http://datacite.org/schema/kernel-4">{listed}</resource>'


def bare(folder: Path, **words: Any) -> Prepared:
    """With nothing said but what `words` say."""
    return prepared(folder, **{"licence": None, "title": None, **words})


BROKEN: dict[str, tuple[str, Any]] = {
    "no JSON": ("datapackage.json", "{"),
    "a game": ("datapackage.json", {"title": "a game", "resources": "none"}),
    "NaN": ("datapackage.json", '{"title": "X", "resources": [], "mean": NaN}'),
    "a list": ("croissant.json", "[]"),
    "an empty file": ("croissant.json", ""),
    "two datasets": ("croissant.json", [{"@type": "Dataset"}, {"@type": "Dataset"}]),
    "a catalogue": ("dcat.jsonld", [{"@type": "dcat:Dataset"}, {"@type": "dcat:Dataset"}]),
    "no crate": ("ro-crate-metadata.json", {"@graph": []}),
    "no record": ("datacite.json", {"a": 1}),
    "no title": ("dataset-metadata.json", {"a": 1}),
    "no such record": (".zenodo.json", {"a": 1}),
    "latin-1": ("CITATION.cff", b"cff-version: 1.2.0\ntitle: Fran\xe7ais\n"),
    "a bomb": ("CITATION.cff", "a: &a [x, x]\n" + "".join(
        f"{b}: &{b} [*{a}, *{a}]\n" for a, b in zip("abcdefghijklmnopqrst", "bcdefghijklmnopqrstu", strict=True)
    )),
    "a key twice": ("README.md", "---\nlicense: cc-by-4.0\nlicense: mit\n---\n"),
    "contradictory rights": ("datacite.json", datacite({"rightsIdentifier": "cc-by-4.0", "rightsUri": SA})),
    "a licence of another kind": ("README.md", "---\nlicense: {a: b}\n---\n"),
    "free text": ("datapackage.json", package(licenses=[{"title": "varies by column"}])),
    "free text of a file": ("datapackage.json", package(resource("rivers.csv", licenses=[{"name": "other-open"}]))),
    "a vague licence": ("datapackage.json", package(licenses=[{"name": "cc-by"}])),
    "a licence and its address": ("datapackage.json", package(licenses=[{"name": "CC-BY-4.0", "path": SA}])),
    "a file's licence and its address": (
        "datapackage.json", package(resource("rivers.csv", licenses=[{"name": "CC-BY-4.0", "path": SA}]))
    ),
    "a bomb in XML": ("datacite.xml", '<!DOCTYPE a [<!ENTITY a "aa"><!ENTITY b "&a;&a;">]><resource>&b;</resource>'),
    "XML of something else": ("datacite.xml", "<html/>"),
    "another's licence in XML": ("datacite.xml", record("<rights>varies by column</rights>")),
    "nobody may use it": ("package.json", {"name": "x", "license": "UNLICENSED"}),
    "a vague licence of a package": ("package.json", {"name": "x", "license": "BSD"}),
    "a file that is not there": ("package.json", {"name": "x", "license": "SEE LICENSE IN nowhere.txt"}),
    "two licences of a package": ("package.json", {"license": "MIT", "licenses": [{"type": "ISC"}]}),
    "a header": ("plot.py", "# SPDX-License-Identifier: all mine\n"),
    "a sidecar": ("rivers.csv.license", "SPDX-License-Identifier: MIT AND\n"),
    "a table": ("REUSE.toml", "version = 2"),
    "a table of another encoding": ("REUSE.toml", b"version = 1\n# \xff"),
    "an old table": (".reuse/dep5", "Format: x\n"),
    "half an origin": ("croissant.json", {"@type": "Dataset", "isBasedOn": {"@id": "commons:nonsense", "name": "x"}}),
}  # fmt: skip


def put(folder: Path, name: str, value: Any) -> None:
    write(folder, name, "")
    data = value if isinstance(value, bytes) else (value if isinstance(value, str) else json.dumps(value)).encode()
    (folder / name).write_bytes(data)


@pytest.mark.parametrize("kind", BROKEN)
def test_what_cannot_be_read_is_a_note_where_the_licence_was_said(folder: Path, kind: str) -> None:
    name, value = BROKEN[kind]
    put(folder, name, value)
    with ends(20):
        ready = prepared(folder, licence="CC-BY-4.0", creators=["Ana"])
    assert ready.terms.licence == "CC-BY-4.0"
    told = "\n".join([*ready.notices, *map(str, ready.passed)])
    assert name in told


@pytest.mark.parametrize("kind", BROKEN)
def test_and_where_nothing_was_said_the_error_names_the_file_and_what_to_do(folder: Path, kind: str) -> None:
    name, value = BROKEN[kind]
    put(folder, name, value)
    with pytest.raises((Malformed, TooLarge, Conflict)) as caught:
        bare(folder, title="T", creators=["Ana"])
    assert name in caught.value.message
    assert "--licence" in caught.value.hint
    for asked in ("rename", "mend", "leave it out of the folder", "write it out"):
        assert asked not in caught.value.hint


@pytest.mark.parametrize("kind", BROKEN)
def test_a_file_that_is_passed_over_says_nothing(folder: Path, kind: str) -> None:
    name, value = BROKEN[kind]
    put(folder, name, value)
    if name == "README.md":
        write(folder, "CITATION.cff", "cff-version: 1.2.0\nlicense: CC0-1.0\n")
    else:
        write(folder, "README.md", "---\nlicense: cc0-1.0\n---\n")
    ready = bare(folder, title="T", ignore_metadata=[name])
    assert ready.terms.licence == "CC0-1.0"
    assert any(each.file == name and "as you said" in each.why for each in ready.passed)


def test_only_a_file_that_is_there_is_passed_over(folder: Path) -> None:
    with pytest.raises(NotFound, match=r"no datapackage.json whose metadata"):
        prepared(folder, ignore_metadata=["datapackage.json"])
    write(folder, "datapackage.json", package(licenses=[{"name": "MIT"}]))
    assert prepared(folder, ignore_metadata=["./datapackage.json"]).taken == {}


SMALL: dict[str, tuple[str, Any, str]] = {  # field by field: what else the file says is taken
    "keywords": ("datapackage.json", package(title="X", keywords={"a": "b"}), "keywords"),
    "a title": ("datapackage.json", package(title=5, keywords=["a"]), "title"),
    "a creator": (".zenodo.json", {"title": "X", "license": "cc0-1.0", "creators": [1]}, "creators"),
    "bytes": ("datapackage.json", package(resource("rivers.csv", bytes="9")), "files"),
    "a digest": ("datapackage.json", package(resource("rivers.csv", hash="sha256:00")), "files"),
    "up and out": ("datapackage.json", package(resource("../raw/data.csv")), "files"),
    "absolute": ("datapackage.json", package(resource("/etc/passwd")), "files"),
    "no text": ("datapackage.json", package({"name": "x", "path": 5}), "files"),
    "resources that are none": ("datapackage.json", package(*["none"]), "files"),  # type: ignore[arg-type]
    "out of a crate": ("ro-crate-metadata.json", crate(
        name="X", hasPart={"@id": "../up.csv"}, entities=[{"@id": "../up.csv", "@type": "File"}]), "files"),
    "out of Croissant": ("croissant.json", {
        "@type": "Dataset", "name": "X", "distribution": {"contentUrl": "../up.csv"}}, "files"),
    "a digest in Croissant": ("croissant.json", {
        "@type": "Dataset", "name": "X", "distribution": {"contentUrl": "rivers.csv", "sha256": "zz"}}, "files"),
}  # fmt: skip


@pytest.mark.parametrize("kind", SMALL)
def test_one_field_that_cannot_be_read_costs_only_itself_and_never_the_publishing(folder: Path, kind: str) -> None:
    name, value, field = SMALL[kind]
    put(folder, name, value)
    write(folder, "README.md", "---\nlicense: cc0-1.0\npretty_name: Y\n---\n")
    ready = bare(folder)
    assert ready.terms.title == ("Y" if field == "title" else "X")
    assert [(each.file, each.field) for each in ready.passed if each.field == field] == [(name, field)]
    assert any(note.startswith(f"{name}: {field} passed over: ") for note in ready.notices)


def test_one_resource_in_free_text_stops_no_other(folder: Path) -> None:
    for n in range(73):
        write(folder, f"{n}.csv", "a\n")
    rows = [resource(f"{n}.csv", licenses=[{"name": "other-open" if n == 5 else "CC0-1.0"}]) for n in range(73)]
    write(folder, "datapackage.json", package(*rows))
    ready = prepared(folder, licence="CC-BY-4.0", creators=["Ana"])
    assert (ready.rights["5.csv"].licence, ready.rights["6.csv"].licence) == ("CC-BY-4.0", "CC0-1.0")
    assert ready.terms.licence == "CC-BY-4.0 AND CC0-1.0"


# -- what is told -----------------------------------------------------------------------------------------------------


def test_what_is_taken_and_passed_over_is_told_for_each_field(folder: Path) -> None:
    write(folder, "datapackage.json", package(
        description="D", licenses=[{"name": "CC0-1.0"}], keywords=["a"], version="1.2.0", temporal="2020",
        contributors=[{"title": "Bo"}],
    ))  # fmt: skip
    write(folder, "CITATION.cff", "cff-version: 1.2.0\ntitle: Y\nauthors: [{name: Cy}]\nreferences: [{title: z}]\n")
    told = prepare.checked({"path": str(folder), "title": "Mine", "licence": "CC-BY-4.0", "creators": ["Ana"]})
    assert told["taken"] == {"description": "datapackage.json", "keywords": "datapackage.json"}
    passed = {(each["file"], each["field"]): each["why"] for each in told["passed_over"]}
    assert passed == {
        ("datapackage.json", "title"): "you said otherwise", ("CITATION.cff", "title"): "you said otherwise",
        ("datapackage.json", "creators"): "you said otherwise", ("CITATION.cff", "creators"): "you said otherwise",
        ("datapackage.json", "licence"): "you said otherwise",
    }  # fmt: skip
    assert told["not_carried"] == {"datapackage.json": ["temporal", "version: 1.2.0"], "CITATION.cff": ["references"]}
    told = prepare.checked({"path": str(folder)})
    assert told["taken"]["title"] == "datapackage.json"
    assert {(each["file"], each["field"]): each["why"] for each in told["passed_over"]} == {
        ("CITATION.cff", "title"): "datapackage.json says otherwise",
        ("CITATION.cff", "creators"): "datapackage.json says otherwise",
    }


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("datacite.json", datacite({"rights": "Open Access", "rightsUri": OPEN}, {"rightsIdentifier": "cc-by-4.0"})),
        ("datacite.json", datacite({"rightsUri": "http://purl.org/coar/access_right/c_abf2"}, {"rightsUri": BY})),
        ("dcat.jsonld", {"@type": "dcat:Dataset", "dct:license": [
            {"@id": "http://publications.europa.eu/resource/authority/access-right/PUBLIC"}, {"@id": BY}]}),
        ("croissant.json", {"@type": "Dataset", "license": [OPEN, BY]}),
        ("datapackage.json", package(licenses=[{"name": "open access"}, {"name": "CC-BY-4.0"}])),
        (".zenodo.json", {"title": "X", "license": OPEN}),
        ("README.md", "---\nlicense: [open-access, cc-by-4.0]\n---\n"),
        ("CITATION.cff", f"cff-version: 1.2.0\nlicense: CC-BY-4.0\nlicense-url: {OPEN}\n"),
        ("dataset_description.json", {"Name": "X", "BIDSVersion": "1.8.0", "License": "Open Access"}),
    ],
)  # fmt: skip
def test_a_right_of_access_is_no_licence(folder: Path, name: str, value: Any) -> None:
    write(folder, name, value)
    only = name in (".zenodo.json", "dataset_description.json")
    if only:
        with pytest.raises(Malformed, match="no licence was named"):
            bare(folder, title="T", creators=["Ana"])
    ready = bare(folder, title="T", creators=["Ana"], licence="CC-BY-4.0" if only else None)
    assert ready.terms.licence == "CC-BY-4.0"
    assert any(each.file == name and "is no licence" in each.why for each in ready.passed)


def test_a_bids_dataset_is_read(folder: Path) -> None:
    write(folder, "dataset_description.json", {
        "Name": "Faces", "BIDSVersion": "1.8.0", "License": "CC0", "Authors": ["Ana Diaz", "Bo"],
        "HowToAcknowledge": "Cite the paper.", "DatasetDOI": "doi:10.18112/openneuro.ds000117.v1.0.6",
        "Funding": ["A grant"], "ReferencesAndLinks": ["https://example.org"], "Acknowledgements": "Thanks",
        "SourceDatasets": [{"URL": "https://example.org/raw"}, {"DOI": "10.5281/zenodo.1"}], "Keywords": ["faces"],
    })  # fmt: skip
    ready = bare(folder)
    assert (ready.terms.title, ready.terms.licence, ready.terms.credit_line) == ("Faces", "CC0-1.0", "Cite the paper.")
    assert [each.name for each in ready.terms.creators] == ["Ana Diaz", "Bo"]
    assert ready.said.identifier == "https://doi.org/10.18112/openneuro.ds000117.v1.0.6"
    assert (ready.terms.source_url, ready.said.keywords) == ("https://example.org/raw", ("faces",))
    assert ready.gathered.left["dataset_description.json"] == (
        "Funding", "ReferencesAndLinks", "Acknowledgements", "SourceDatasets: https://doi.org/10.5281/zenodo.1"
    )  # fmt: skip
    write(folder, "dataset_description.json", {"tables": []})  # another's file of that name
    assert prepared(folder).taken == {}


@pytest.mark.parametrize(
    "said",
    [
        {"license": "ODC-BY-1.0"}, {"license": {"type": "odc-by", "url": "http://opendatacommons.org/licenses/by/1.0/"}},
        {"licenses": [{"id": "odc-by-1.0", "url": "http://opendatacommons.org/licenses/by/1.0/"}]},
        {"licenses": ["ODC-By-1.0"]}, {"licenses": {"type": "ODC-BY-1.0"}}, {"licences": [{"name": "ODC-By-1.0"}]},
        {"licenses": [{"url": "http://opendatacommons.org/licenses/by/1.0/"}]},
    ],
)  # fmt: skip
@pytest.mark.parametrize(
    "signed",
    [
        {"author": "Ana Diaz <ana@example.org> (https://ana.example)"},
        {"author": {"name": "Ana Diaz", "web": "https://ana.example"}},
        {"contributors": [{"name": "Ana Diaz", "web": "https://ana.example", "role": "author"}]},
        {"contributors": ["Ana Diaz (https://ana.example)"]}, {"authors": [{"title": "Ana Diaz", "path": "https://ana.example"}]},
    ],
)  # fmt: skip
def test_every_edition_of_data_package_is_read(folder: Path, said: dict[str, Any], signed: dict[str, Any]) -> None:
    sources = [{"name": "A bank", "web": "https://bank.example"}, {"title": "A book"}]
    write(folder, "datapackage.json", package(resource("rivers.csv"), sources=sources, **said, **signed))
    ready = bare(folder)
    assert ready.terms.licence == "ODC-By-1.0"
    assert [(each.name, each.url) for each in ready.terms.creators] == [("Ana Diaz", "https://ana.example")]
    assert ready.terms.source_url == "https://bank.example"
    assert ready.gathered.left["datapackage.json"] == ("sources: A book",)


TERMS = "Ask the keepers of the river first.\n"


@pytest.mark.parametrize(
    ("name", "value", "id"),
    [
        ("README.md", "---\nlicense: other\n---\n", "LicenseRef-other"),
        ("README.md", "---\nlicense: other\nlicense_name: river terms\nlicense_link: LICENSE\n---\n",
         "LicenseRef-river-terms"),
        ("README.md", "---\nlicense: other\nlicense_name: river\n"
         "license_link: https://huggingface.co/datasets/x/y/blob/main/LICENSE\n---\n", "LicenseRef-river"),
        ("dataset-metadata.json", {"title": "X", "licenses": [{"name": "other"}]}, "LicenseRef-other"),
        ("datapackage.json", package(licenses=[{"name": "river", "path": "LICENSE"}]), "LicenseRef-river"),
        ("datapackage.json", package(licenses=[{"title": "River terms", "path": "./LICENSE"}]),
         "LicenseRef-River-terms"),
        ("ro-crate-metadata.json", crate(license={"@id": "LICENSE"}, entities=[
            {"@id": "LICENSE", "@type": ["File", "CreativeWork"], "name": "River terms"}]), "LicenseRef-River-terms"),
        ("ro-crate-metadata.json", crate(license={"@id": "#l"}, entities=[
            {"@id": "#l", "@type": "CreativeWork", "name": "River", "text": TERMS}]), "LicenseRef-River"),
        ("croissant.json", {"@type": "Dataset", "license": {
            "@type": "CreativeWork", "name": "River", "text": TERMS}}, "LicenseRef-River"),
        ("dataset_description.json", {"Name": "X", "BIDSVersion": "1", "License": "other"}, "LicenseRef-other"),
        ("package.json", {"license": "SEE LICENSE IN LICENSE"}, "LicenseRef-SEE-LICENSE-IN-LICENSE"),
        ("package.json", {"licenses": [{"type": "see licence"}]}, "LicenseRef-see-licence"),
    ],
)  # fmt: skip
def test_a_licence_of_ones_own_with_its_text_is_a_reference_to_it(folder: Path, name: str, value: Any, id: str) -> None:
    write(folder, name, value)
    if '"text"' not in json.dumps(value):
        with pytest.raises(Malformed, match=f"{name}: "):
            bare(folder, title="T")
        write(folder, "LICENSE", TERMS)
    ready = bare(folder, title="T")
    assert ready.terms.licence == id
    assert [(each.id, each.text) for each in ready.terms.licences] == [(id, TERMS)]


def test_two_licences_of_one_file_are_an_error_or_are_both_kept(folder: Path) -> None:
    write(folder, "plot.py", "# SPDX-License-Identifier: CC0-1.0\n")
    write(folder, "datapackage.json", package(resource("plot.py", licenses=[{"name": "CC-BY-NC-4.0"}])))
    with pytest.raises(Conflict, match=r"two licences of plot.py: it says CC0-1.0 itself, datapackage.json") as caught:
        bare(folder)
    assert "--ignore-metadata plot.py" in caught.value.hint
    ready = prepared(folder, licence="CC-BY-4.0", creators=["Ana"])
    assert ready.rights["plot.py"].licence == "CC0-1.0 AND CC-BY-NC-4.0"
    assert any("both are kept" in note for note in ready.notices)
    for ignored, own in (("plot.py", "CC-BY-NC-4.0"), ("datapackage.json", "CC0-1.0")):
        ready = prepared(folder, licence="CC-BY-4.0", creators=["Ana"], ignore_metadata=[ignored])
        assert ready.rights["plot.py"].licence == own
    write(folder, "datapackage.json", package(resource("plot.py", licenses=[{"name": "cc-by"}])))
    write(folder, "plot.py", "# SPDX-License-Identifier: CC-BY-4.0\n")  # of which the package says less
    write(folder, "README.md", "---\nlicense: cc-by-4.0\n---\n")
    assert bare(folder, creators=["Ana"]).terms.licence == "CC-BY-4.0"


def test_a_mark_at_the_beginning_and_utf_16_are_read(folder: Path) -> None:
    text = json.dumps(package(licenses=[{"name": "CC0-1.0"}]))
    for encoding in ("utf-8-sig", "utf-16"):
        (folder / "datapackage.json").write_bytes(text.encode(encoding))
        assert bare(folder).terms.licence == "CC0-1.0"


# -- names ------------------------------------------------------------------------------------------------------------

NAME = "café à l'eau 100%.csv"
DECOMPOSED = unicodedata.normalize("NFD", NAME)
QUOTED = "caf%C3%A9%20%C3%A0%20l'eau%20100%25.csv"


def _reuse(path: str) -> Any:
    return f'version = 1\n[[annotations]]\npath = {json.dumps(path)}\nSPDX-License-Identifier = "CC-BY-4.0"\n'


FORMS: dict[str, Any] = {
    "datapackage.json": lambda path: package(resource(path, licenses=[{"name": "CC-BY-4.0"}])),
    "croissant.json": lambda path: {"@type": "Dataset", "distribution": {"contentUrl": path, "license": BY}},
    "ro-crate-metadata.json": lambda path: crate(
        hasPart={"@id": path}, entities=[{"@id": path, "@type": "File", "license": BY}]
    ),
    "dcat.jsonld": lambda path: {"@type": "dcat:Dataset", "dct:license": ZERO, "dcat:distribution": {
        "dcat:downloadURL": {"@id": path}, "dct:license": {"@id": BY}}},
    "REUSE.toml": _reuse,
}  # fmt: skip
SPELT = [NAME, DECOMPOSED, f"./{NAME}", f"././{DECOMPOSED}", QUOTED, f"./{QUOTED}", NAME.upper(), f"x/../{NAME}"]


@pytest.mark.parametrize("on_disk", [NAME, DECOMPOSED])
@pytest.mark.parametrize("spelt", SPELT)
@pytest.mark.parametrize("form", FORMS)
def test_a_declared_path_is_compared_as_names_are(tmp_path: Path, form: str, spelt: str, on_disk: str) -> None:
    folder = tmp_path / "d"
    write(folder, on_disk, "a\n")
    write(folder, form, FORMS[form](spelt))
    write(folder, "other.csv", "a\n")
    ready = prepared(folder, creators=["Ana"])
    assert ready.rights[NAME].licence == "CC-BY-4.0", ready.notices
    assert ready.terms.licence == "CC0-1.0 AND CC-BY-4.0"
    assert not any("not there" in note or "covers no" in note for note in ready.notices)


@pytest.mark.parametrize("spelt", ["sub\\a b.csv", "sub/./a b.csv", "sub//a b.csv", "sub/x/../a b.csv", "SUB/A B.CSV"])
@pytest.mark.parametrize("form", FORMS)
def test_detours_and_the_names_of_another_system_are_followed(tmp_path: Path, form: str, spelt: str) -> None:
    folder = tmp_path / "d"
    write(folder, "sub/a b.csv", "a\n")
    write(folder, "other.csv", "a\n")
    write(folder, form, FORMS[form](spelt))
    assert prepared(folder, creators=["Ana"]).rights["sub/a b.csv"].licence == "CC-BY-4.0"


@pytest.mark.parametrize(
    ("glob", "covered"),
    [
        (f"{DECOMPOSED[:6]}*", True), ("./*.csv", True), ("**/*.csv", True), ("./**", True), ("*.CSV", True),
        (f"caf{DECOMPOSED[3:5]}**", True), ("*.tsv", False), ("sub/**", False), (r"caf\é*", True), ("caf%C3%A9*", True),
    ],
)  # fmt: skip
def test_wildcards_cover_names_in_whatever_form(tmp_path: Path, glob: str, covered: bool) -> None:
    folder = tmp_path / "d"
    write(folder, DECOMPOSED, "a\n")
    write(folder, "other.bin", "a\n")
    write(folder, "REUSE.toml", _reuse(glob))
    ready = prepared(folder, creators=["Ana"])
    assert (NAME in ready.rights and ready.rights[NAME].licence == "CC-BY-4.0") is covered
    said = json.loads(json.dumps(unicodedata.normalize("NFC", glob.removeprefix("./"))))
    assert any("covers no file" in note and said in note for note in ready.notices) is not covered


def test_a_name_that_is_spelt_exactly_is_meant_before_its_like(tmp_path: Path) -> None:
    folder = tmp_path / "d"
    write(folder, "a%20b.csv", "a\n")
    write(folder, "a b.csv", "a\n")
    for form in FORMS:
        write(folder, form, FORMS[form]("a%20b.csv"))
        wanted = "a b.csv" if form in ("ro-crate-metadata.json", "dcat.jsonld") else "a%20b.csv"
        rights = prepared(folder, creators=["Ana"]).rights
        assert [path for path in ("a b.csv", "a%20b.csv") if rights[path].licence == "CC-BY-4.0"] == [wanted]
        (folder / form).unlink()


def test_annotations_that_cover_no_file_are_one_note(folder: Path) -> None:
    rows = [f'[[annotations]]\npath = ["gone{n}.csv", "rivers.csv"]\n' for n in range(9)]
    write(folder, "REUSE.toml", "version = 1\n" + 'SPDX-License-Identifier = "CC0-1.0"\n'.join([*rows, ""]))
    told = "REUSE.toml has annotations of 9 paths that cover no file, 'gone0.csv' among them"
    assert prepared(folder).notices == (told,)


def test_a_sidecar_is_found_in_whatever_form_it_is_spelt(tmp_path: Path) -> None:
    folder = tmp_path / "d"
    write(folder, NAME, "a\n")
    write(folder, f"{DECOMPOSED}.license", "SPDX-License-Identifier: CC-BY-4.0\n")
    ready = prepare.prepare(prepare.from_words(path=str(folder), title="T", creators=["Ana"]))
    assert ready.terms.licence == "CC-BY-4.0"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("bag-info.txt", "Source-Organization: X\nExternal-Description: Rivers. All\n  Rights Reserved.\n"),
        ("bag-info.txt", "Rights: All Rights Reserved\n"),
        ("README.md", "# Rivers\n\nAll rights reserved.\n"), ("readme.rst", "Tous droits réservés\n"),
        ("datapackage.json", package(description="(c) X, all rights reserved")),
        ("datapackage.json", package(licenses=[{"title": "All rights reserved"}])),
        ("croissant.json", {"@type": "Dataset", "copyrightNotice": "© X. All rights reserved"}),
        ("datacite.json", datacite({"rights": "All rights reserved"})),
        ("plot.py", "# Copyright 2020 X. All rights reserved.\n"),
        ("broken/../CITATION.cff", "[All rights reserved"),
    ],
)  # fmt: skip
def test_what_reserves_all_rights_goes_out_under_a_free_licence_with_a_warning(
    folder: Path, name: str, value: Any
) -> None:
    (folder / "broken").mkdir(exist_ok=True)
    write(folder, name, value)
    (folder / "broken").rmdir()
    ready = prepared(folder, licence="CC-BY-4.0", creators=["Ana"])
    assert "RIGHTS_RESERVED" in {each.code for each in ready.findings}
