"""Bounded YAML, and that no reader of metadata raises anything but Malformed or TooLarge, whatever it is given."""

from __future__ import annotations

import contextlib
import dataclasses
import itertools
import json
import random
import tracemalloc
from collections.abc import Callable
from typing import Any

import pytest
import yaml
from hypothesis import example, given
from hypothesis import strategies as st

from commons.community import charter
from commons.core.dataset.rights import Rights
from commons.errors import Malformed, TooLarge
from commons.metadata import bagit, bids, card, citation, comments, datacite, datapackage, reuse, texts, zenodo
from commons.metadata.description import Description
from commons.metadata.reading import Heard
from tests.conftest import ends
from tests.metadata.samples import FULL, HOSTILE, MIXED
from tests.rows import few

# -- YAML --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("a: 2024-11-24", {"a": "2024-11-24"}),
        ("a: 1.10", {"a": "1.10"}),
        ("a: 12", {"a": 12}),
        ("a: 012", {"a": "012"}),
        ("a: 1:30", {"a": "1:30"}),
        ("a: no", {"a": "no"}),
        ("a: true", {"a": True}),
        ("a:", {"a": None}),
        ("a: '12'", {"a": "12"}),
        ("<<: {b: 1}", {"<<": {"b": 1}}),
        ("a: =", {"a": "="}),
        ("[a, b]", ["a", "b"]),
        ("", None),
        ("a: 99999999999999999999999999", {"a": "99999999999999999999999999"}),
    ],
)
def test_plain_scalars_are_text_or_whole_numbers(text: str, value: object) -> None:
    assert texts.load_yaml(text) == value


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("a: *x", "line 1: an alias of nothing, \\*x"),
        ("a: 1\nb: 2\na: 3", "line 3: the key 'a' stands twice"),
        ("{a: 1, a: 2}", "twice"),
        ("? [a, b]\n: c", "a key that is no text"),
        ("a: [" * 70, "nested deeper than 64"),
        ("[" * 100_000, "nested deeper than 64"),
        ("a: b: c", "not YAML: wrong at line 1, column 5"),
        ("a: 1\n---\nb: 2", "not YAML"),
        ('a: "\x1b[2J"', "not YAML"),
        ('a: "\\U00110000"', "not YAML"),
        ("\ud800", "not YAML"),
        ("a: `b`\n\tc", "not YAML"),
    ],
)
def test_what_only_an_attacker_needs_is_refused(text: str, why: str) -> None:
    with pytest.raises(Malformed, match=why):
        texts.load_yaml(text)


def test_a_bomb_is_refused_before_it_goes_off() -> None:
    letters = "abcdefghijklmnopqrstuvwxyz"
    bomb = "a: &a [x, x]\n" + "".join(f"{b}: &{b} [*{a}, *{a}]\n" for a, b in itertools.pairwise(letters))
    with pytest.raises(TooLarge, match="values"):
        texts.load_yaml(bomb)
    deep = "a0: &a0 [x]\n" + "".join(f"a{n + 1}: &a{n + 1} [*a{n}]\n" for n in range(80))
    with pytest.raises(Malformed, match="deeper"):
        texts.load_yaml(deep)
    with pytest.raises(Malformed, match="holds itself"):
        texts.load_yaml("a: &a [*a]")


def test_an_alias_stands_for_what_it_names_and_a_tag_makes_nothing() -> None:
    assert texts.load_yaml("a: &x [n, m]\nb: *x\nc: {d: *x}") == {
        "a": ["n", "m"],
        "b": ["n", "m"],
        "c": {"d": ["n", "m"]},
    }
    assert texts.load_yaml("a: &x 1\nb: *x\nc: &x 2\nd: *x") == {"a": 1, "b": 1, "c": 2, "d": 2}
    assert texts.load_yaml("a: !!python/object/apply:os.system [ls]") == {"a": ["ls"]}
    assert texts.load_yaml("a: !!binary aGk=\nb: !!str 2020\nc: !mine {d: 1}") == {
        "a": "aGk=",
        "b": "2020",
        "c": {"d": 1},
    }


@pytest.mark.rest
def test_what_is_large_is_too_large() -> None:
    with pytest.raises(TooLarge):
        texts.load_yaml("a: " + "x" * texts.YAML_LIMIT)
    with pytest.raises(TooLarge):
        texts.load_yaml("- 1\n" * 150_000)


def test_the_full_sample_says_everything() -> None:
    assert [each.name for each in dataclasses.fields(FULL) if not getattr(FULL, each.name)] == []


YAML = st.recursive(
    st.none() | st.booleans() | st.integers(0, 10**6) | st.text() | st.sampled_from(HOSTILE),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)


@given(YAML)
@example("\x85 \u2028 \u202e \ufeff \x9b")
def test_what_is_written_as_yaml_is_read_again(value: object) -> None:
    try:
        written = texts.dump_yaml({"a": value, "b": value})
    except Malformed:
        return
    assert texts.load_yaml(written.decode()) == {"a": value, "b": value} == yaml.safe_load(written)


@example("a: [1.10, ~, 012, -3]\n'12': {b: true}")
@given(st.text() | st.text("-: \n\t[]{}&*!|>'\"%@`#,?ab~0<="))
def test_no_text_breaks_the_loader(text: str) -> None:
    try:
        value = texts.load_yaml(text)
        written = texts.dump_yaml(value)
    except (Malformed, TooLarge):
        return
    assert texts.load_yaml(written.decode()) == value


# -- words -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("expression", "split"),
    [
        ("CC-BY-4.0", ["CC-BY-4.0"]),
        ("CC-BY-4.0 AND LicenseRef-Ours", ["CC-BY-4.0", "LicenseRef-Ours"]),
        ("CC-BY-4.0 OR ODbL-1.0", ["CC-BY-4.0 OR ODbL-1.0"]),
        ("A AND B OR C", ["A AND B OR C"]),
        ("A AND (B OR C)", ["A", "B OR C"]),
        ("(A OR B) AND (C OR D)", ["A OR B", "C OR D"]),
        ("A AND (B OR (C AND D))", ["A", "(B OR (C AND D))"]),
        ("A WITH X AND B", ["A WITH X", "B"]),
    ],
)
def test_an_expression_falls_into_what_holds_together(expression: str, split: list[str]) -> None:
    assert texts.parts(expression) == split
    assert texts.joined(split) == expression


def test_of_two_spellings_of_a_licence_the_one_that_is_understood_is_taken() -> None:
    by = "https://creativecommons.org/licenses/by/4.0/"
    assert texts.licence("x", "cc-by-4.0", by) == "CC-BY-4.0"
    assert texts.licence("x", "cc-by", by) == by
    assert texts.licence("x", "cc-by", None) == "cc-by"
    assert texts.licence("x", None, " ") is None
    with pytest.raises(Malformed, match=r"both CC-BY-4.0 and CC-BY-SA-4.0"):
        texts.licence("x", "CC-BY-SA-4.0", by)


@pytest.mark.parametrize(
    ("said", "day"),
    [
        ("2024-11-24", "2024-11-24"),
        ("2024-11-24T10:00:00Z", "2024-11-24"),
        ("2024", None),
        ("2024-11-245", None),
        ("2024-13-01", None),
        ("", None),
        (None, None),
    ],
)
def test_a_day_is_read_or_left(said: object, day: str | None) -> None:
    assert texts.day("x", said) == day


def test_dois_are_known_in_all_their_spellings() -> None:
    for text in (
        "10.5281/zenodo.1",
        "doi:10.5281/zenodo.1",
        "https://doi.org/10.5281/zenodo.1",
        "http://dx.doi.org/10.5281/zenodo.1",
    ):
        assert texts.doi(text) == "10.5281/zenodo.1"
    for none in (None, "", "10.5/x", "https://example.org/10.5281/zenodo.1", "10.5281/a b"):
        assert texts.doi(none) is None


# -- every reader, with anything ---------------------------------------------------------------------------------------

READERS: dict[str, Callable[[str, Heard | None], Any]] = {
    "datapackage": datapackage.read,
    "datacite": datacite.read,
    "citation": citation.read,
    "zenodo": zenodo.read,
    "kaggle": zenodo.read_kaggle,
    "card": lambda text, heard: card.read(f"---\n{text}\n---\n", heard),
    "bids": bids.read,
    "bag-info": bagit.read_info,
}
NONE = ("card", "bids")  # read None where a file of this name is another's


def read_or_refused(name: str, text: str) -> None:
    """By who listens, as publishing does, and by who does not."""
    for heard in (None, Heard()):
        with contextlib.suppress(Malformed, TooLarge):
            read = READERS[name](text, heard)
            assert isinstance(read, Description) or (name in NONE and read is None)


KEYS = [
    "title",
    "name",
    "description",
    "licenses",
    "license",
    "path",
    "url",
    "contributors",
    "creators",
    "authors",
    "roles",
    "role",
    "sources",
    "created",
    "keywords",
    "homepage",
    "id",
    "version",
    "resources",
    "bytes",
    "hash",
    "mediatype",
    "data",
    "titles",
    "publisher",
    "dates",
    "date",
    "dateType",
    "rightsList",
    "rights",
    "rightsUri",
    "rightsIdentifier",
    "subjects",
    "relatedIdentifiers",
    "relatedIdentifier",
    "relationType",
    "identifiers",
    "nameIdentifiers",
    "doi",
    "nameIdentifier",
    "cff-version",
    "orcid",
    "given-names",
    "family-names",
    "license-url",
    "tags",
    "license_link",
    "pretty_name",
    "subtitle",
    "attributes",
    "value",
    "upload_type",
    "related_identifiers",
    "relation",
    "identifier",
    "descriptions",
    "subject",
    "message",
    "label",
]
WORDS = [
    "x",
    "../up",
    "a/b.csv",
    "sha256:00",
    "cc-by",
    "CC-BY-4.0",
    "10.5281/x",
    "https://a.b/c",
    "commons:bafk",
    "2024-11-24",
    "IsDerivedFrom",
    "isDerivedFrom",
    "Issued",
    "author",
    "publisher",
    "other",
    "AND",
    "OR",
    "WITH",
    "(",
    ")",
    "1",
]
SCALARS = (
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False)
    | st.sampled_from(["", " ", "A AND", "md5:" + "0" * 32, *WORDS, *HOSTILE])
)  # fmt: skip
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(KEYS), inner, max_size=6),
    max_leaves=20,
)
FOUND = st.dictionaries(st.sampled_from(KEYS), VALUES, max_size=12)


@pytest.mark.parametrize("name", READERS)
@given(found=FOUND)
def test_any_json_is_read_or_refused(name: str, found: dict[str, Any]) -> None:
    full = {"resources": [], "titles": [{"title": "x"}], "cff-version": "1.2.0", "title": "x", "Name": "x", **found}
    for value in (found, full):
        read_or_refused(name, json.dumps(value))


@pytest.mark.parametrize("name", READERS)
@given(text=st.text())
@example(text="[" * 100_000)
@example(text='{"a":' * 50_000)
@example(text="null")
@example(text="\ud800")
@example(text='{"title": "\\ud800", "titles": [{"title": "\\ud800"}], "resources": [], "cff-version": 1}')
def test_any_text_is_read_or_refused(name: str, text: str) -> None:
    read_or_refused(name, text)


BIG = {
    "numbers": '{"title": "T", "Name": "T", "resources": [' + "0," * 60_000 + "0]}",
    "texts": '{"title": "T", "Name": "T", "keywords": [' + '"ab",' * 40_000 + '"a"]}',
    "keys": '{"title": "T", "Name": "T"' + "".join(f',"{n}": {n}' for n in range(20_000)) + "}",
    "long numbers": '{"title": "T", "Name": "T", "creators": [' + ("9" * 4000 + ",") * 40 + "0]}",
    "numbers beyond all": '{"title": "T", "Name": "T", "version": 1e999, "resources": [{"path": "a", "bytes": 1e999}]}',
    "faults": '{"title": "T", "Name": "T", "Authors": [' + "[5]," * 10_000 + '5], "resources": ['
    + ",".join(f'{{"path": "../{n}"}}' for n in range(5_000)) + "]}",
    "names": '{"title": "T", "Name": "T", "license": "' + "a AND " * 20_000 + 'b", "resources": []}',
}  # fmt: skip


@pytest.mark.parametrize("big", BIG)
@pytest.mark.parametrize("name", ["datapackage", "zenodo", "kaggle", "bids"])
@pytest.mark.rest
def test_what_is_read_takes_memory_in_proportion(name: str, big: str) -> None:
    tracemalloc.start()
    with ends(), contextlib.suppress(Malformed, TooLarge):
        READERS[name](BIG[big], Heard())
    most = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert most < 60 * len(BIG[big]) + 1_000_000


YAMLS = {
    "values": "keywords: [" + "a," * 3_000 + "a]",
    "maps": "keywords: [" + "{}," * 3_000 + "a]",
    "aliases of a long text": f"x: &x {'y' * 100_000}\nauthors:\n"
    + "".join(f"- {{family-names: *x, given-names: a{n}}}\n" for n in range(200)),
    "aliases of a list": "x: &x [" + "a," * 300 + "a]\nkeywords:\n" + "- *x\n" * 90,
    "comments": "#" * 100_000 + "\n" + "# a\n" * 20_000,
    "anchors": "".join(f"a{n}: &a{n} {n}\n" for n in range(1_000)),
}


@pytest.mark.parametrize("name", few(YAMLS, 3))
def test_yaml_takes_memory_in_proportion(name: str) -> None:
    text = f"cff-version: 1.2.0\ntitle: T\n{YAMLS[name]}"
    tracemalloc.start()
    with ends(), contextlib.suppress(Malformed, TooLarge):
        citation.read(text, Heard())
    most = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert most < 600 * len(text) + 1_000_000


WRITTEN: dict[str, tuple[bytes, Callable[[str], Any]]] = {
    "datapackage": (datapackage.write(MIXED), datapackage.read),
    "datacite": (datacite.write(MIXED), datacite.read),
    "citation": (citation.write(MIXED), citation.read),
    "zenodo": (zenodo.write(FULL), zenodo.read),
    "REUSE.toml": (reuse.write(MIXED)["REUSE.toml"], reuse.toml),
    "manifest": (bagit.write(MIXED.files, MIXED)["manifest-sha256.txt"], bagit.read),
    "header": (
        b"# SPDX-FileCopyrightText: 2024 Ana\n# SPDX-License-Identifier: MIT\n",
        lambda t: reuse.header(t.encode()),
    ),
}


@pytest.mark.parametrize("name", WRITTEN)
@given(seed=st.integers(0, 2**32))
def test_a_document_that_was_damaged_is_read_or_refused(name: str, seed: int) -> None:
    data, read = WRITTEN[name]
    chance, damaged = random.Random(seed), bytearray(data)
    for _ in range(chance.randint(1, 6)):
        at = chance.randrange(len(damaged))
        match chance.randrange(3):
            case 0:
                damaged[at] = chance.choice(b'"{}[],:\\\n -0aZ*/')
            case 1:
                del damaged[at : at + chance.randint(1, 40)]
            case _:
                damaged[at:at] = damaged[at : at + chance.randint(1, 200)]
        if not damaged:
            return
    whole = read(data.decode())
    with contextlib.suppress(Malformed, TooLarge):
        found = read(damaged.decode(errors="replace"))
        assert isinstance(found, type(whole)) or (name, found) == ("header", None)


PLACES = ["a.csv", "REUSE.toml", "b/REUSE.toml", "b/c.txt", "b/c.txt.license", "LICENSES/X.txt"]
INSIDE = [b"version = 1\n", b"SPDX-License-Identifier: MIT", b"\xff\xfe\0", b"\xff\xfe\0\0\1", b"Copyright \xa9 x"]


@given(st.dictionaries(st.sampled_from(PLACES), st.binary(max_size=80) | st.sampled_from(INSIDE)))
def test_any_folder_is_read_or_refused(folder: dict[str, bytes]) -> None:
    for heard in (None, Heard()):
        with contextlib.suppress(Malformed, TooLarge):
            found = reuse.rights(folder, folder.__getitem__, heard)
            assert all(isinstance(each, Rights) for each in found.values())


PIECES = [
    "# ", "/*", "*/", "<!--", "-->", "\n", "SPDX-License-Identifier: MIT", "Copyright 2020 Ana", '"""', "©", "\r", "\0",
    "SPDX-SnippetBegin", "REUSE-IgnoreStart", "```", "<meta ",
]  # fmt: skip


@given(
    st.sampled_from(["a.py", "a.svg", "a.md", "a.csv", "a", "Makefile", "a.PO"]),
    st.lists(
        st.sampled_from(PIECES) | st.text(max_size=9),
        max_size=20,
    ),
)  # fmt: skip
def test_the_beginning_of_any_file_is_read_or_refused(path: str, pieces: list[str]) -> None:
    with contextlib.suppress(Malformed):
        said = comments.own(path, "".join(pieces)).encode("utf-8", "surrogatepass")
        assert isinstance(reuse.header(said), Rights | None)


# -- TOML --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "bomb",
    ["a" + ".a" * 200_000 + " = 1", "[a" + ".a" * 200_000 + "]", "a = {b" + '."\\""' * 100_000 + " = 1}",
     "a = " + "[" * 100_000, "a = " + "{a = " * 100_000],
    ids=["key", "table", "quoted", "lists", "tables"],
)  # fmt: skip
@pytest.mark.parametrize("read", [reuse.toml, charter.read])
def test_toml_that_is_small_on_paper_takes_neither_time_nor_memory(read: Callable[[str], Any], bomb: str) -> None:
    tracemalloc.start()
    with ends(10), pytest.raises(Malformed, match="no TOML"):
        read(bomb)
    most = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert most < 20 * len(bomb) + 1_000_000
