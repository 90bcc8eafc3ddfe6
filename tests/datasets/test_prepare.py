"""What is said of a folder before anything is sealed: that there is nothing in it, and what its sources allow."""

from __future__ import annotations

import json
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given
from hypothesis import strategies as st

from commons.core.crypto import ids
from commons.core.dataset.rights import Origin
from commons.datasets import prepare
from commons.errors import Conflict, Malformed, NotFound

FOLDERS = st.lists(st.sampled_from(["a", "a/b", "a/b/c", "d"]), unique=True)
HIDDEN = st.lists(st.sampled_from([".git/config", ".env", "a/.DS_Store", "d/.hidden"]), unique=True)


@given(FOLDERS, HIDDEN)
def test_nothing_is_published_out_of_a_folder_without_a_file_whatever_else_is_in_it(
    folders: list[str], hidden: list[str]
) -> None:
    """The hint says whether there is something that was left out."""
    with TemporaryDirectory() as place:
        top = Path(place) / "data"
        top.mkdir()
        for each in folders:
            (top / each).mkdir(parents=True, exist_ok=True)
        for each in hidden:
            (top / each).parent.mkdir(parents=True, exist_ok=True)
            (top / each).write_text("x")
        words = {"path": str(top), "title": "T", "licence": "CC0-1.0"}
        with pytest.raises(NotFound, match="holds no file") as told:
            prepare.prepare(prepare.from_words(**words))
        assert ("--hidden" in told.value.hint) == ("but what is left out" in told.value.message) == bool(hidden)
        (top / "one.txt").write_text("x")
        assert [each.path for each in prepare.prepare(prepare.from_words(**words)).sources] == ["one.txt"]


def test_a_licence_is_named_and_a_text_is_of_one_that_is(tmp_path: Path) -> None:
    (tmp_path / "one.csv").write_text("x\n")
    with pytest.raises(Malformed, match=r"no licence was named$"):
        prepare.prepare(prepare.from_words(path=str(tmp_path), title="T"))
    (tmp_path / "own.csv").write_text("x\n")
    (tmp_path / "own.csv.license").write_text("SPDX-License-Identifier: CC0-1.0\n")
    with pytest.raises(Malformed, match=r"no licence was named for one\.csv$") as told:
        prepare.prepare(prepare.from_words(path=str(tmp_path), title="T"))
    assert told.value.hint.startswith("--licence names that of everything")
    (tmp_path / "one.csv.license").write_text("SPDX-FileCopyrightText: 2020 Ana\n")  # whose, and no licence
    with pytest.raises(Malformed, match=r"no licence was named for one\.csv$"):
        prepare.prepare(prepare.from_words(path=str(tmp_path), title="T"))
    words = {"path": str(tmp_path), "title": "T", "licence": "CC0-1.0"}
    with pytest.raises(Malformed, match="the licence does not name LicenseRef-x"):
        prepare.prepare(prepare.from_words(**words, licence_texts=["LicenseRef-x=Do as you like."]))


def test_a_licence_of_somebodys_own_without_its_text_is_told_with_the_file_that_names_it(tmp_path: Path) -> None:
    (tmp_path / "one.csv").write_text("x\n")
    (tmp_path / "one.csv.license").write_text("SPDX-License-Identifier: LicenseRef-river\n")
    (tmp_path / "two.csv").write_text("x\n")
    (tmp_path / "two.csv.license").write_text("SPDX-License-Identifier: CC0-1.0\n")
    words = {"path": str(tmp_path), "title": "T"}
    with pytest.raises(Malformed, match=r"one\.csv is under LicenseRef-river, a licence of somebody's own"):
        prepare.prepare(prepare.from_words(**words))
    (tmp_path / "LICENSES").mkdir()
    (tmp_path / "LICENSES/LicenseRef-river.txt").write_text("As the folder says.")
    for said, text in (([], "As the folder says."), (["LicenseRef-river=As I say."], "As I say.")):
        ready = prepare.prepare(prepare.from_words(**words, licence_texts=said))
        assert ready.said.licence_texts == (("LicenseRef-river", text),)
    (tmp_path / "one.csv.license").write_text("SPDX-License-Identifier: LicenseRef-river OR CC-BY-4.0\n")
    assert prepare.prepare(prepare.from_words(**words, creators=["Ana"])).rights["one.csv"].licence != ""


def test_a_file_that_names_the_datasets_own_copyright_keeps_its_licence(tmp_path: Path) -> None:
    """What a file says as the dataset does is not said again, and nothing else of it is lost."""
    for name, said in {
        "same.csv": "SPDX-FileCopyrightText: 2020 Ana\n", "own.csv": "SPDX-License-Identifier: CC0-1.0\n",
        "both.csv": "SPDX-FileCopyrightText: 2020 Ana\nSPDX-License-Identifier: CC0-1.0\n",
        "other.csv": "SPDX-FileCopyrightText: 2020 Ben\n",
    }.items():  # fmt: skip
        (tmp_path / name).write_text("x\n")
        (tmp_path / f"{name}.license").write_text(said)
    words = {"path": str(tmp_path), "title": "T", "licence": "CC-BY-4.0", "creators": ["Ana"]}
    copyright = prepare.prepare(prepare.from_words(**words)).rights["same.csv"].copyright
    ready = prepare.prepare(prepare.from_words(**words, copyright=copyright))
    licences = {path: ready.rights[path].licence for path in ("same.csv", "own.csv", "both.csv", "other.csv")}
    assert licences == {"same.csv": "CC-BY-4.0", "own.csv": "CC0-1.0", "both.csv": "CC0-1.0", "other.csv": "CC-BY-4.0"}
    assert ready.rights["same.csv"].copyright == ready.rights["both.csv"].copyright == ""
    assert "Ben" in ready.rights["other.csv"].copyright
    for name in ("own.csv", "both.csv"):
        (tmp_path / name).unlink()
        (tmp_path / f"{name}.license").unlink()
    assert [*prepare.prepare(prepare.from_words(**words, copyright=copyright)).rights] == ["other.csv"]


def test_words_of_the_folder_are_taken_where_there_are_none_and_labels_are_added(tmp_path: Path) -> None:
    (tmp_path / "one.csv").write_text("x\n")
    usage = [{"@type": "CreativeWork", "name": "TK", "text": "Ask the elders."}]
    said = {"@context": "https://schema.org/", "@type": "Dataset", "name": "Theirs", "description": "Theirs",
            "usageInfo": usage}  # fmt: skip
    (tmp_path / "croissant.json").write_text(json.dumps(said))
    words = {"path": str(tmp_path), "licence": "CC0-1.0"}
    ready = prepare.prepare(prepare.from_words(**words))
    assert (ready.said.title, ready.said.description) == ("Theirs", None)  # the title again says nothing
    assert ready.taken == {"title": "croissant.json", "labels": "croissant.json"}
    ready = prepare.prepare(prepare.from_words(**words, title="Mine", labels=["BC=Ask us."]))
    assert (ready.said.title, ready.said.description) == ("Mine", "Theirs")
    assert [each.name for each in ready.said.labels] == ["BC", "TK"]
    assert ready.taken == {"description": "croissant.json", "labels": "croissant.json"}


def origin(licence: str) -> Origin:
    return Origin(manifest=ids.cid(b"rivers"), title="Rivers", licence=licence, credit="")


@pytest.mark.parametrize(
    ("of", "licence", "said"),
    [
        (["CC0-1.0"], "CC-BY-4.0", []),
        (["CC-BY-4.0"], "CC-BY-4.0", []),
        (["CC0-1.0", "CC-BY-4.0"], "CC-BY-SA-4.0", []),
        (["CC-BY-SA-4.0"], "GPL-3.0-only", []),
        (["No-such-1.0"], "CC-BY-4.0", ["not known here"]),
        (["CC0-1.0", "No-such-1.0"], "CC-BY-4.0", ["not known here"]),
        (["LicenseRef-x"], "CC-BY-4.0", ["based on Rivers: LicenseRef-x"]),
        (["ODbL-1.0"], "CC-BY-4.0", ["based on Rivers: ODbL"]),
        (["ODbL-1.0", "No-such-1.0"], "CC-BY-4.0", ["not known here", "based on Rivers, Rivers: ODbL"]),
    ],
)
def test_what_the_sources_allow_is_published_without_a_word_and_what_is_open_is_said(
    of: list[str], licence: str, said: list[str]
) -> None:
    found = prepare.check_origins([origin(each) for each in of], licence)
    assert len(found) == len(said)
    for told, part in zip(found, said, strict=True):
        assert part in told


@pytest.mark.parametrize(
    ("of", "clause", "ways"), [("CC-BY-SA-4.0", "(s.3(b)(1))", True), ("CC-BY-ND-4.0", "(s.2(a)(1)(B))", False)]
)
def test_what_no_source_allows_is_refused_with_the_clause_and_the_ways_out(of: str, clause: str, ways: bool) -> None:
    with pytest.raises(Conflict, match=r"CC-BY-4\.0 is impossible for what is based on Rivers") as told:
        prepare.check_origins([origin(of)], "CC-BY-4.0")
    assert told.value.message.endswith(clause)
    assert told.value.hint.startswith("possible: CC-BY-SA-4.0" if ways else "use it unchanged in a collection")
    (asked,) = prepare.check_origins([origin("LicenseRef-x")], "CC-BY-4.0")
    assert not asked.endswith(")")  # no clause says it


def test_what_a_licence_asks_for_is_named_before_anything_is_sealed(tmp_path: Path) -> None:
    (tmp_path / "one.csv").write_text("x\n")
    words = {"path": str(tmp_path), "title": "T", "licence": "CC-BY-4.0"}
    with pytest.raises(Malformed, match=r"CC-BY-4\.0 asks for attribution, so creators must be named") as told:
        prepare.prepare(prepare.from_words(**words))
    assert told.value.hint == "--creator …"
    with pytest.raises(Malformed, match="a dataset has a title") as told:
        prepare.prepare(prepare.from_words(**words | {"title": None, "licence": "CC0-1.0"}))
    assert told.value.hint == "--title …"
    made = words | {"creators": ["Ana"], "origins": (origin("CC-BY-4.0"),)}
    with pytest.raises(Malformed, match="asks that changes be marked"):
        prepare.prepare(prepare.from_words(**made))
    assert prepare.prepare(prepare.from_words(**made, changes="All of it.")).terms.changes == "All of it."
    assert prepare.prepare(prepare.from_words(**made | {"origins": (origin("CC0-1.0"),)})).terms.changes is None


def test_what_is_made_from_others_is_judged_by_what_its_files_name_where_nothing_is_named_for_all(
    tmp_path: Path,
) -> None:
    (tmp_path / "one.csv").write_text("x\n")
    for licence in ("CC-BY-SA-4.0", "CC-BY-4.0"):
        (tmp_path / "one.csv.license").write_text(f"SPDX-License-Identifier: {licence}\n")
        said = prepare.from_words(
            path=str(tmp_path), title="T", creators=["Ana"], changes="All of it.", origins=(origin("CC-BY-SA-4.0"),)
        )
        if licence == "CC-BY-SA-4.0":
            assert prepare.prepare(said).terms.licence == licence
        else:
            with pytest.raises(Conflict, match=f"{licence} is impossible for what is based on"):
                prepare.prepare(said)
    (tmp_path / "two.csv").write_text("x\n")  # which names none, and so is under that of the whole
    said = prepare.from_words(
        path=str(tmp_path), title="T", creators=["Ana"], changes="All of it.", origins=(origin("CC-BY-SA-4.0"),),
        licence="CC-BY-SA-4.0",
    )  # fmt: skip
    (tmp_path / "one.csv.license").write_text("SPDX-License-Identifier: CC0-1.0\n")
    assert prepare.prepare(said).terms.licence == "CC-BY-SA-4.0 AND CC0-1.0"
