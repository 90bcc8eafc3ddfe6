"""Folders that say odd or hostile things of themselves, and manifests that claim too much: an error or a safe answer,
soon, and never a publication that is stopped by what is no metadata."""

from __future__ import annotations

import contextlib
import hashlib
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

import licences
from commons.core.crypto.envelope import Opened
from commons.core.dataset import manifest
from commons.core.dataset.reference import parse
from commons.core.dataset.rights import Creator, Label, LicenceText, Origin, licence_ids
from commons.core.dataset.terms import Terms
from commons.datasets import describe, prepare
from commons.datasets.prepare import Prepared
from commons.errors import Conflict, Malformed, NotFound, TooLarge
from commons.metadata import FORMATS, credit, gather, library
from commons.metadata.description import DescribedFile, Description
from tests.conftest import Start, ends
from tests.datasets.test_licences import DATAPACKAGE, TEXT, alone, told, value_of, write

HUGGING_FACE = {
    "@context": {"@language": "en", "@vocab": "https://schema.org/", "cr": "http://mlcommons.org/croissant/"},
    "@type": "sc:Dataset", "name": "glue", "description": "Dataset Card", "conformsTo": "http://mlcommons.org/croissant/1.1",
    "license": "https://choosealicense.com/licenses/cc-by-4.0/", "url": "https://huggingface.co/datasets/x/glue",
    "creator": {"@type": "Person", "name": "x", "url": "https://huggingface.co/x"},
    "distribution": [
        {"@type": "cr:FileObject", "@id": "repo", "contentUrl": "https://huggingface.co/datasets/x/glue/tree/main",
         "encodingFormat": "git+https", "sha256": "https://github.com/mlcommons/croissant/issues/80"},
    ],
}  # fmt: skip
_CC = re.compile(r"CC-BY(-NC|-ND|-NC-ND|-NC-SA)?-\d.\d")
CLOSED = sorted(each for each in licences.ids() if _CC.fullmatch(each))  # to what is made from CC BY-SA


def prepared(folder: Path, **words: Any) -> Prepared:
    return prepare.prepare(prepare.from_words(path=str(folder), **{"title": "T", "licence": "CC0-1.0", **words}))


def terms(licence: str, origins: tuple[Origin, ...] = ()) -> Terms:
    listed = tuple(LicenceText(id=id, url="", sha256=None, text=None) for id in licence_ids(licence))
    return Terms(
        licence=licence, licences=listed, title="T", creators=(), copyright=None, credit_line=None, source_url=None,
        updated=None, labels=(), origins=origins, changes=None, conditions=None, purposes=(), grant_days=None,
    )  # fmt: skip


# -- folders ----------------------------------------------------------------------------------------------------------


def test_croissant_as_hugging_face_writes_it(folder: Path) -> None:
    write(folder, "croissant.json", HUGGING_FACE)
    ready = prepared(folder, licence=None, title=None)
    assert (ready.terms.licence, ready.terms.title, ready.terms.creators[0].name) == ("CC-BY-4.0", "glue", "x")


@pytest.mark.parametrize(
    "readme",
    [
        "---\nSome prose: with colons, and `code`\n---\nmore", "---\n\t* list: [unclosed\n---\n", "# Fran\xe7ais",
        "\n" * (17 << 20), "---\nno end: of it\n" * 3,
    ],
)  # fmt: skip
def test_a_readme_that_is_no_card_stops_nobody(folder: Path, readme: str) -> None:
    (folder / "README.md").write_bytes(readme.encode("latin-1"))
    assert prepared(folder).gathered.taken == ()


def test_a_broken_card_is_an_error_that_names_it_once(folder: Path) -> None:
    (folder / "README.md").write_bytes(b"---\nlicense: [unclosed\n---\n")
    with pytest.raises(Malformed, match=r"\AREADME.md: not YAML"):
        prepared(folder, licence=None)
    assert prepared(folder).notices[0].startswith("README.md: passed over: not YAML")
    (folder / "README.md").write_bytes("---\nlicense: cc0-1.0\n---\nFran\xe7ais".encode("latin-1"))
    with pytest.raises(Malformed, match=r"\AREADME.md: not UTF-8"):
        prepared(folder, licence=None)
    assert prepared(folder).notices[0].startswith("README.md: passed over: not UTF-8")


def test_keywords_are_taken_once_and_too_many_are_told_with_their_file(folder: Path) -> None:
    write(folder, "datapackage.json", DATAPACKAGE | {"keywords": ["a", "a", "b"]})
    assert prepared(folder).said.keywords == ("a", "b")
    write(folder, "datapackage.json", DATAPACKAGE | {"keywords": [*map(str, range(103)), "x" * 101]})
    ready = prepared(folder)
    assert ready.said.keywords == tuple(map(str, range(100)))
    told = [each.why for each in ready.passed if (each.file, each.field) == ("datapackage.json", "keywords")]
    assert told[0] == "a dataset has at most 100 keywords, each once, of 1 to 100 characters"
    assert told[1:] == ["3 more than the 100 that a dataset has"]
    assert prepared(folder, keywords=["mine"]).said.keywords == ("mine",)
    write(folder, "README.md", "---\ntags: [2020, rivers]\n---\n")
    (folder / "datapackage.json").unlink()
    assert prepared(folder).said.keywords == ("2020", "rivers")


def test_files_that_all_name_their_licence_need_no_other_for_what_describes_them(folder: Path) -> None:
    paths = [path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()]
    rows = [{"name": "x", "path": path, "licenses": [{"name": "PDDL-1.0"}]} for path in paths]
    write(folder, "datapackage.json", {"name": "x", "title": "T", "resources": rows})
    assert prepared(folder, licence=None, title=None).terms.licence == "PDDL-1.0"


def test_a_licence_that_metadata_gives_one_file_is_named_with_both(folder: Path) -> None:
    rows = [{"name": "x", "path": "rivers.csv", "licenses": [{"name": "LICENSE"}]}]
    write(folder, "datapackage.json", {"name": "x", "title": "T", "resources": rows})
    with pytest.raises(Malformed, match=r"datapackage.json, of rivers.csv: unknown licence"):
        prepared(folder, licence=None)
    ready = prepared(folder)
    assert ready.terms.licence == "CC0-1.0"
    assert "datapackage.json: licence of rivers.csv passed over: unknown licence" in ready.notices[0]


@pytest.mark.rest
def test_many_files_that_are_not_there_are_one_notice(folder: Path) -> None:
    rows = [{"name": "x", "path": f"gone/{n}"} for n in range(50_000)]
    write(folder, "datapackage.json", {"name": "x", "title": "T", "resources": rows})
    assert prepared(folder).notices == ("datapackage.json lists 50000 files that are not there, gone/0 among them",)


NAMED = {"name": "Ana"}
ODD = {"name": ["Ben"]}


@pytest.mark.parametrize(
    ("file", "record"),
    [
        ("datapackage.json", {"title": "T", "resources": [], "contributors": [{"title": "Ana"}, 5, {"title": []}]}),
        ("datapackage.json", {"name": "T", "resources": [], "author": "Ana", "authors": [{"name": 5}]}),
        ("dataset_description.json", {"Name": "T", "BIDSVersion": "1.9.0", "Authors": [NAMED, ODD]}),
        ("dataset_description.json", {"Name": "T", "BIDSVersion": "1.9.0", "Authors": "Ana"}),
        (".zenodo.json", {"title": "T", "creators": ["Ana", ODD]}),
        (".zenodo.json", {"title": "T", "creators": [{"given-names": "Ana"}, 5]}),
        ("datacite.json", {"titles": [{"title": "T"}], "creators": [NAMED, "", ODD]}),
        ("CITATION.cff", "cff-version: 1.2.0\ntitle: T\nauthors:\n- given-names: Ana\n- name: [Ben]\n"),
        ("CITATION.cff", "cff-version: 1.2.0\ntitle: T\nauthors: Ana\n"),
        ("croissant.json", {"@type": "Dataset", "name": "T", "creator": ["Ana", {"name": "x" * 5000}]}),
        ("dcat.jsonld", {"@type": "dcat:Dataset", "dct:title": "T",
                         "dct:creator": [{"foaf:name": "Ana"}, {"foaf:name": "x" * 5000}]}),
    ],
)  # fmt: skip
def test_an_author_who_cannot_be_taken_costs_no_other_their_credit(folder: Path, file: str, record: Any) -> None:
    write(folder, file, record)
    ready = prepared(folder, title=None)
    assert (ready.terms.title, [creator.name for creator in ready.terms.creators]) == ("T", ["Ana"])
    assert ready.taken["creators"] == file


@pytest.mark.parametrize(
    ("file", "record"),
    [
        ("datapackage.json", {"name": "T", "resources": [], "keywords": "rivers; springs"}),
        ("dataset_description.json", {"Name": "T", "BIDSVersion": "1.9.0", "Keywords": ["rivers", [], "springs"]}),
        (".zenodo.json", {"title": "T", "keywords": "rivers, springs"}),
        ("dataset-metadata.json", {"title": "T", "keywords": ["rivers", "springs", None]}),
        ("datacite.json", {"titles": [{"title": "T"}], "subjects": ["rivers", {"subject": "springs"}, 5]}),
        ("CITATION.cff", "cff-version: 1.2.0\ntitle: T\nkeywords: rivers, springs\n"),
        ("README.md", "---\npretty_name: T\ntags: [rivers, true, springs]\n---\n"),
    ],
)  # fmt: skip
def test_keywords_are_read_one_by_one_from_a_list_or_a_text(folder: Path, file: str, record: Any) -> None:
    write(folder, file, record)
    assert prepared(folder, title=None).said.keywords == ("rivers", "springs")


@pytest.mark.rest
def test_many_faults_of_one_file_are_read_soon_and_told_in_few_lines(folder: Path) -> None:
    rows = [{"name": "x", "path": f"../{n}"} for n in range(30_000)]
    write(folder, "datapackage.json", {"name": "x", "title": "T", "resources": rows})
    with ends():
        notices = prepared(folder).notices
    assert len(notices) == 20
    assert notices[-1] == "datapackage.json: files passed over: 29981 more that are wrong"
    rows = [{"name": "x", "path": f"{n}.csv", "licenses": [{"name": "O-By"}]} for n in range(50)]
    for row in rows:
        write(folder, str(row["path"]), "a\n")
    write(folder, "datapackage.json", {"name": "x", "title": "T", "resources": rows})
    (notice,) = prepared(folder).notices
    assert notice.startswith("datapackage.json: licence of 0.csv and 49 more passed over: unknown licence 'O-By'")


@pytest.mark.parametrize("field", ["name", "description"])
def test_words_that_no_manifest_holds_are_passed_over_and_the_others_taken(folder: Path, field: str) -> None:
    record = {"@type": "Dataset", "name": "Rivers", "description": "Long ones", "creator": "Ana", field: "x" * 30_000}
    write(folder, "croissant.json", record)
    write(folder, "datapackage.json", {"name": "springs", "resources": [], "description": "Cold ones"})
    ready = prepared(folder, title=None)
    title, description = ("springs", "Long ones") if field == "name" else ("Rivers", "Cold ones")
    assert (ready.terms.title, ready.said.description, ready.terms.creators[0].name) == (title, description, "Ana")
    passed = {(each.file, each.field): each.why for each in ready.passed}
    assert "at most 20000" in passed["croissant.json", {"name": "title"}.get(field, field)]


def test_notices_of_a_file_that_no_table_holds_are_passed_over(folder: Path) -> None:
    node = {"@type": "FileObject", "contentUrl": "rivers.csv", "copyrightNotice": "©\n" * 15_000}
    write(folder, "croissant.json", {"@type": "Dataset", "name": "T", "distribution": [node]})
    ready = prepared(folder)
    assert dict(ready.rights) == {}
    assert "croissant.json: files passed over: rivers.csv: its copyright notices have more than" in ready.notices[0]


def test_a_licence_whose_text_is_nowhere_is_named_with_a_file_and_the_ways_out(folder: Path) -> None:
    table = 'version = 1\n[[annotations]]\npath = "*.csv"\nSPDX-License-Identifier = "LicenseRef-Valley"\n'
    write(folder, "REUSE.toml", table)
    with pytest.raises(Malformed, match=r"\Arivers.csv is under LicenseRef-Valley") as caught:
        prepared(folder)
    assert "--ignore-metadata" in caught.value.hint
    assert prepared(folder, ignore_metadata=["REUSE.toml"]).terms.licence == "CC0-1.0"
    ready = prepared(folder, licence_texts=[f"LicenseRef-Valley={TEXT}"])
    assert ready.terms.licence == "CC0-1.0 AND LicenseRef-Valley"


def test_a_licence_in_prose_is_quoted_as_it_stands_and_the_hint_names_its_file(folder: Path) -> None:
    prose = "Made available under the rules of the valley and its springs, which ask for nothing."
    write(folder, "dataset_description.json", {"Name": "T", "BIDSVersion": "1.9.0", "License": prose})
    with pytest.raises(Malformed) as caught:
        prepared(folder, licence=None)
    assert "--ignore-metadata dataset_description.json passes over it" in caught.value.hint
    assert f"licence: as you said; dataset_description.json says {prose}" in prepared(folder).notices


def test_the_same_in_another_spelling_is_no_difference(folder: Path) -> None:
    write(folder, "datapackage.json", DATAPACKAGE | {"id": "10.5281/zenodo.1"})
    same = {field: DATAPACKAGE[field] for field in ("title", "description", "keywords")}
    write(folder, ".zenodo.json", same | {"license": "cc-by-4.0", "doi": "10.5281/zenodo.1"})
    notices = [each for each in prepared(folder, licence="CC BY 4.0").notices if "not there" not in each]
    assert notices == []


def test_a_tag_that_the_first_64_kib_cut_is_read_whole_or_not_at_all(folder: Path) -> None:
    write(folder, "long.txt", "SPDX-License-Identifier: CC0-1.0\n" * 2000)
    assert prepared(folder).terms.licence == "CC0-1.0"


@pytest.mark.rest
def test_a_long_table_of_reuse_is_read_to_its_end_and_a_hostile_one_refused(folder: Path) -> None:
    end = '\n[[annotations]]\npath = "**"\nSPDX-License-Identifier = "PDDL-1.0"\n'
    write(folder, "REUSE.toml", f"version = 1\n#{'x' * (2 << 20)}{end}")
    assert prepared(folder, licence=None).terms.licence == "PDDL-1.0"
    (folder / "REUSE.toml").write_text("version = 1\n" + end.replace("**", "**/*a*b*c*d*e*f*") * 10_000)
    for n in range(300):
        (folder / f"{'ab' * 60}{n}").touch()
    with pytest.raises(TooLarge, match="wildcards"):
        prepared(folder)


def test_hundreds_of_licences_are_refused_before_every_pair_is_judged(folder: Path) -> None:
    for n, id in enumerate(library.licences.others()):
        write(folder, f"{n}.txt", f"SPDX-License-Identifier: {id}\n")
    with ends(), pytest.raises(Malformed, match="at most 2000 characters"):
        prepared(folder)


def test_what_describes_the_dataset_is_not_searched_for_rights_of_its_own(folder: Path) -> None:
    write(folder, "croissant.json", {"@type": "Dataset", "name": "T", "copyrightNotice": "© 2026 Ana"})
    write(folder, "ATTRIBUTION.txt", '"T" by Ana. © 2026 Ana. Source: x\n')
    write(folder, "rivers.txt", "© 2026 Ana\n")
    ready = prepared(folder)
    assert (ready.terms.copyright, dict(ready.rights)) == ("© 2026 Ana", {})


@pytest.mark.parametrize(
    "words",
    [
        {"creators": ["\udcff"]}, {"conditions": "\udcff"}, {"copyright": "\udcff"}, {"credit_line": "\udcff"},
        {"source_url": "http://x/\udcff"}, {"changes": "\udcff"}, {"identifier": "http://x/\udcff"},
        {"labels": ["\udcff=x"]}, {"labels": ["x=\udcff"]}, {"title": "\udcff"}, {"keywords": ["\udcff"]},
        {"licence": "LicenseRef-X", "licence_texts": ["\udcff"]}, {"source_url": "a box in the cellar"},
        {"licence": "LicenseRef-X", "licence_texts": ["LicenseRef-X= "]},
    ],
)  # fmt: skip
def test_what_no_manifest_can_hold_is_refused_before_sealing(folder: Path, words: dict[str, Any]) -> None:
    with pytest.raises(Malformed):
        prepared(folder, **words)


# -- texts of licences ------------------------------------------------------------------------------------------------


async def test_our_croissant_gives_back_the_text_of_an_own_licence(start: Start, folder: Path, tmp_path: Path) -> None:
    alice = await alone(start)
    found = await told(alice, folder, title="T", licence="CC-BY-4.0 AND LicenseRef-Valley", creators=["Ana"],
                       licence_texts=[f"LicenseRef-Valley={TEXT}"], copyright="© 2026 Ana")  # fmt: skip
    for form in (["croissant"], ["ro-crate"], ["croissant", "ro-crate", "reuse"]):
        out = tmp_path / "-".join(form)
        await alice.desk.export(dataset=found["reference"], dest=str(out), formats=form)
        again = prepare.prepare(prepare.Publication(path=out))
        assert again.terms.licences == value_of(alice, found["reference"]).terms.licences
        assert dict(again.rights) == {}
    write(out, "LICENSES/LicenseRef-Valley.txt", "Other words.\n")
    with pytest.raises(Conflict, match="two texts of LicenseRef-Valley"):
        prepare.prepare(prepare.Publication(path=out))


async def test_what_a_format_demands_is_said_before_the_work(
    start: Start, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    alice = await alone(start)
    found = await told(alice, folder, title="T", licence="CC0-1.0")
    monkeypatch.setattr("commons.datasets.export.fetch.fetch", None)
    for form in ("croissant", "datacite", "citation"):
        with pytest.raises(Malformed, match="creators"):
            await alice.desk.export(dataset=found["reference"], dest=str(tmp_path / "out"), formats=[form])
    assert not (tmp_path / "out").exists()


# -- manifests that claim too much ------------------------------------------------------------------------------------


def test_a_claim_that_is_too_long_is_not_judged() -> None:
    cid = "bafkreiekffp7g4otxgrigfmkazarafwxqjipjiwqg5vqzsmiihj4rg4kha"
    many = tuple(Origin(manifest=cid, title="t", licence="CC-BY-SA-4.0", credit="c") for _ in range(20_000))
    mine = " AND ".join(library.licences.others()[:100])
    with ends():
        assert prepare.impossible(terms(mine, many)) is None
        assert "impossible" in (prepare.impossible(terms("CC0-1.0", many)) or "")


@pytest.mark.parametrize("over", [0, 1])
@pytest.mark.parametrize("which", ["origins", "licences"])
def test_a_claim_is_judged_up_to_so_many_licences_of_its_own_and_of_its_sources(which: str, over: int) -> None:
    cid = "bafkreiekffp7g4otxgrigfmkazarafwxqjipjiwqg5vqzsmiihj4rg4kha"
    count = prepare._JUDGED + over
    of = ["CC-BY-SA-4.0", *(f"LicenseRef-{n}" for n in range(1, count if which == "origins" else 1))]
    mine = " AND ".join(CLOSED[: count if which == "licences" else 1])
    claim = terms(mine, tuple(Origin(manifest=cid, title="t", licence=each, credit="") for each in of))
    assert max(len(claim.licences), len(claim.origins)) == count
    assert ("impossible" in (prepare.impossible(claim) or "")) == (not over)
    assert prepare.impossible(terms(mine)) is None


@pytest.mark.parametrize("licence", ["Foo-1.0", "cc by", "Nonsense (", "AND", "MIT )"])
def test_an_origin_under_a_licence_that_is_none_is_told_and_not_reasoned_about(folder: Path, licence: str) -> None:
    cid = "bafkreiekffp7g4otxgrigfmkazarafwxqjipjiwqg5vqzsmiihj4rg4kha"
    origin = {"@id": f"commons:{cid}", "name": "Springs", "license": licence, "creditText": "Springs by Ben"}
    write(folder, "croissant.json", {"@type": "Dataset", "name": "T", "isBasedOn": origin})
    assert prepared(folder).notices == (f"based on Springs: {licence} is not known here: ask its licensor",)
    odd = Origin(manifest=cid, title="Springs", licence=licence, credit="")
    known = Origin(manifest=cid, title="Wells", licence="CC-BY-SA-4.0", credit="")
    with pytest.raises(Conflict, match="impossible"):
        prepare.check_origins((odd, known), "CC0-1.0")
    assert "impossible" in (prepare.impossible(terms("CC0-1.0", (odd, known))) or "")


def test_terms_without_any_licence_are_none() -> None:
    for expression in ("AND", "AND AND", "(OR)"):
        with pytest.raises(Malformed, match="no licence"):
            terms(expression)


@pytest.mark.parametrize(
    "licence", ["Z" * 120, "CC-BY-9.9 AND Nobody-knows+", "MIT WITH " + "x" * 1900, "(" * 900 + "MIT"]
)
async def test_what_a_manifest_claims_is_described_whatever_it_claims(start: Start, folder: Path, licence: str) -> None:
    alice = await alone(start)
    honest = manifest.open(alice.node.site.manifest(parse((await told(alice, folder, title="T", licence="CC0-1.0"))[
        "reference"]).cid))  # fmt: skip
    spite = "\x1b[2J\u202e</script>\"\\{}'%0a"
    claimed = replace(
        terms(licence), source_url=spite, copyright=spite, credit_line=spite, changes=spite, conditions=spite,
        creators=(Creator(name=spite),), labels=(Label(name=spite, text=spite),),
    )  # fmt: skip
    value = replace(honest.value, terms=claimed, created=10**17)
    lying = Opened(value=value, signer=honest.signer, data=honest.data)
    said = describe.description(lying, None)
    assert (said.source_url, said.published) == (None, None)
    assert "\x1b" not in credit.line(claimed)
    for form in FORMATS:
        for each in (
            said,
            replace(said, published="2026-01-01", files=(DescribedFile(path="a b%.csv", sha256=bytes(32)),)),
        ):
            with contextlib.suppress(Malformed):
                written = b"".join(describe.write(form, each).values()).decode()
                assert not {"\x1b", "\u202e"} & set(written)


def test_two_metadata_files_with_two_texts_of_one_licence_contradict_each_other() -> None:
    a, b = (Description(texts=(("LicenseRef-X", text),)) for text in ("one", "two"))
    with pytest.raises(Conflict, match="two texts of LicenseRef-X: in a and in b"):
        gather.merge([("a", a), ("b", b)])
    assert gather.merge([("a", a), ("b", a)]).said.texts == a.texts


# -- questions --------------------------------------------------------------------------------------------------------


def test_questions_that_make_no_sense_get_no_answer() -> None:
    with pytest.raises(Malformed, match="collection"):
        library.combined(["CC-BY-NC-4.0"], to="CC0-1.0", collection=True)
    with pytest.raises(Malformed, match="collection"):
        library.combined(["CC-BY-NC-4.0"], commercial=True)
    with pytest.raises(NotFound, match="text of MIT"):
        library.shown("MIT", text=True)
    assert hashlib.sha256(library.shown("CC0-1.0", text=True)["text"].encode()).digest()
