"""The bounded reader of JSON-LD: what it refuses, how it understands names, and that it never asks a network."""

from __future__ import annotations

import contextlib
import copy
import json
import random
import socket
import tracemalloc
from collections.abc import Callable
from types import ModuleType
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from commons.core.crypto import ids
from commons.errors import Malformed, TooLarge
from commons.metadata import croissant, dcat, jsonld, rocrate
from commons.metadata.description import LIMIT, Description
from commons.metadata.reading import Heard
from tests.conftest import ends
from tests.metadata.samples import FULL, HOSTILE, MIXED
from tests.rows import examples

FORMATS: list[ModuleType] = [croissant, rocrate, dcat]
ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)
TERMS = [
    "@id", "@type", "@value", "@list", "@graph", "@language", "@context", "@vocab", "name", "license", "identifier",
    "url", "creator", "author", "distribution", "hasPart", "contentUrl", "sha256", "contentSize", "isBasedOn", "about",
    "usageInfo", "keywords", "version", "dcat:distribution", "dct:license", "spdx:checksum", "prov:wasDerivedFrom",
]  # fmt: skip
WORDS = [
    "./", "../up", "C:\\x", "a\0b", "Dataset", "dcat:Dataset", "cr:FileObject", "File", "commons:bafy", "CC-BY-4.0",
    "ro-crate-metadata.json", "https://example.org/a", "#x", "_:b0", "12 kB", "%ff", "data/x.csv", "en", "2024-02-31",
]  # fmt: skip
LIKELY = st.recursive(
    st.sampled_from(WORDS) | st.integers(-1, 3) | st.none() | st.booleans() | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(TERMS), inner, max_size=5),
    max_leaves=20,
)


def mutate(document: Any, dice: random.Random, value: Any) -> Any:
    """`document` with `value` in one place, or without that place."""
    document = copy.deepcopy(document)
    place = document
    while True:
        keys = list(place) if isinstance(place, dict) else list(range(len(place)))
        key = dice.choice(keys)
        inner = place[key]
        if not isinstance(inner, (dict, list)) or not inner or dice.random() < 0.25:
            break
        place = inner
    if dice.random() < 0.2:
        del place[key]
    else:
        place[key] = value
    return document


def never_asks(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("a socket was opened")

    monkeypatch.setattr(socket, "socket", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)


# what is no JSON, or too much of it


@pytest.mark.parametrize(
    "text",
    [
        "", "{", "[]", '"a"', "null", "{'a': 1}", '{"a": 1,}', '{"a": 1} {}', '{"a": NaN}', '{"a": -Infinity}',
        '{"a": "\\ud800"}', '{"\\udfff": 1}', '{"a": "\ud800"}', '{"a": "line\nbreak"}', '{"a": ' + "9" * 5000 + "}",
    ],
)  # fmt: skip
def test_what_is_no_json_object_is_malformed(text: str) -> None:
    with pytest.raises(Malformed):
        jsonld.load(text)


def test_a_key_that_stands_twice_is_named() -> None:
    with pytest.raises(Malformed, match="'license' twice"):
        jsonld.load('{"a": {"license": "CC0-1.0", "license": "CC-BY-4.0"}}')


def test_a_byte_order_mark_is_no_fault() -> None:
    assert jsonld.load('\ufeff{"a": 1}') == {"a": 1}


def test_a_pair_of_surrogates_is_one_character() -> None:
    assert jsonld.load('{"a": "\\ud83c\\udf0a"}') == {"a": "🌊"}


@pytest.mark.parametrize("opening", ["[", '{"a":', '[{"a":'])
def test_deep_nesting_is_refused_at_once(opening: str) -> None:
    with ends():
        with pytest.raises((Malformed, TooLarge)):
            jsonld.load(opening * (1_000_000 // len(opening)))
        with pytest.raises(Malformed):
            jsonld.load('{"a":' + opening * 20_000)


def test_nesting_ends_at_the_bound() -> None:
    assert jsonld.load('{"a":' * jsonld.DEEP + "1" + "}" * jsonld.DEEP)
    with pytest.raises(Malformed, match="deep"):
        jsonld.load('{"a":' * (jsonld.DEEP + 1) + "1" + "}" * (jsonld.DEEP + 1))
    with pytest.raises(Malformed, match="deep"):
        jsonld.load('{"a":' + "[" * 500 + "]" * 500 + "}")


def test_more_than_the_limit_is_too_large() -> None:
    with pytest.raises(TooLarge):
        jsonld.load('{"a": "' + "x" * LIMIT + '"}')
    with pytest.raises(TooLarge):
        jsonld.load('{"a": [' + "[]," * jsonld.MANY + "0]}")


@pytest.mark.rest
def test_nodes_that_name_each_other_too_often_are_not_read() -> None:
    heavy = {"@id": "https://example.org/l", "hasPart": [{"identifier": str(n)} for n in range(2000)]}
    files = [{"@type": "FileObject", "contentUrl": f"{n}.csv", "license": {"@id": heavy["@id"]}} for n in range(20_000)]
    text = json.dumps({"@type": "Dataset", "license": heavy, "distribution": files})
    with ends(), pytest.raises(TooLarge):
        croissant.read(text)


def test_long_names_of_licences_that_many_files_share_fill_no_memory() -> None:
    long = [{"@id": f"#{letter}", "identifier": letter * 1_000_000} for letter in "ab"]
    named = [{"@id": each["@id"]} for each in long]
    files = [{"@type": "FileObject", "contentUrl": f"{n}.csv", "license": named} for n in range(200)]
    text = json.dumps({"@graph": [{"@type": "Dataset", "name": "T", "distribution": files}, *long]})
    tracemalloc.start()
    heard = Heard()
    with ends():
        assert croissant.read(text, heard).title == "T"
    most = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert most < 8 * len(text)
    assert {fault.field for fault in heard.faults} == {"licence"}


def test_a_long_meaning_in_a_context_fills_no_memory() -> None:
    keys = {f"p:{n}": 1 for n in range(1000)}
    graph = jsonld.Graph(json.dumps({"@context": {"p": "https://example.org/" + "x" * 1_000_000}, **keys}))
    assert sum(map(len, graph.tops[0])) < 100_000


# names


@pytest.mark.parametrize(
    ("context", "key"),
    [
        (None, "name"),
        (None, "schema:name"),
        (None, "sc:name"),
        (None, "https://schema.org/name"),
        (None, "http://schema.org/name"),
        ("https://schema.org/", "name"),
        (["https://schema.org/", {"other": "https://example.org/"}], "name"),
        ({"@vocab": "http://schema.org/"}, "name"),
        ({"s": "http://schema.org/"}, "s:name"),
        ({"s": "schema:"}, "s:name"),
        ({"title": "schema:name"}, "title"),
        ({"title": {"@id": "http://schema.org/name"}}, "title"),
    ],
)
def test_a_term_is_known_by_its_name(context: Any, key: str) -> None:
    graph = jsonld.Graph(json.dumps({"@context": context, key: "Rivers"}))
    assert jsonld.said(graph.tops[0], "name") == "Rivers"


@pytest.mark.parametrize(
    ("context", "key"),
    [
        ({"name": "https://example.org/elsewhere"}, "name"),
        ({"@vocab": "https://example.org/"}, "name"),
        ({"a": "b", "b": "a"}, "a"),
        (None, "example:name"),
    ],
)
def test_what_the_file_says_a_term_means_counts(context: Any, key: str) -> None:
    graph = jsonld.Graph(json.dumps({"@context": context, key: "Rivers"}))
    assert jsonld.said(graph.tops[0], "name") is None


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("Rivers", "Rivers"),
        ({"@value": "Rivers"}, "Rivers"),
        ([{"@value": "Flüsse", "@language": "de"}, {"@value": "Rivers", "@language": "en-GB"}], "Rivers"),
        ({"de": "Flüsse", "en": "Rivers"}, "Rivers"),
        ({"de": "Flüsse"}, "Flüsse"),
        ({"@list": ["", "Rivers"]}, "Rivers"),
        (7, None),
        ({"@id": "https://example.org/"}, None),
        ([], None),
    ],
)
def test_a_text_is_found_in_its_spellings(value: Any, text: str | None) -> None:
    assert jsonld.said(jsonld.Graph(json.dumps({"name": value})).tops[0], "name") == text


@pytest.mark.parametrize(
    ("told", "day"),
    [
        ("2024-11-24", "2024-11-24"),
        ("2024-11-24T10:00:00Z", "2024-11-24"),
        ("2024", None),
        ("2024-11", None),
        ("2024-02-31", None),
        ("yesterday at noon", None),
        (None, None),
    ],
)
def test_a_time_is_cut_to_its_day(told: str | None, day: str | None) -> None:
    assert jsonld.day(told) == day


@pytest.mark.parametrize(
    ("told", "size"),
    [
        (1234, 1234), ("1234", 1234), ("1234 B", 1234), ("1234B", 1234), ("7 bytes", 7), ("12 kB", None),
        ("4.698 MB", None), (-1, None), (True, None), (1.5, None), ("١٢", None), ([], None), (10**30, None),
    ],
)  # fmt: skip
def test_only_exact_bytes_are_a_size(told: Any, size: int | None) -> None:
    assert jsonld.size([told]) == size


@pytest.mark.parametrize(
    "text", ["https://example.org/a.csv", "ftp://example.org/a", "//example.org/a", "#a", "s3://b/c"]
)
def test_what_lies_elsewhere_is_no_file_of_the_folder(text: str) -> None:
    assert jsonld.path(text) is None


@pytest.mark.parametrize(
    "text",
    [
        "../up.csv", "a/../../up.csv", "/etc/passwd", "C:/x", "c:\\x", "\\\\host\\x", "a\0b", "", "./", "a//b",
        "file:///etc/passwd", "%2e%2e/up.csv", "a/%2e%2e/%2e%2e/up", "%2Fetc/passwd", "a%00b", "%ff", "C%3A/x",
    ],
)  # fmt: skip
def test_a_path_that_leads_out_of_the_folder_is_malformed(text: str) -> None:
    with pytest.raises(Malformed):
        jsonld.path(text, encoded=True)


def test_a_path_is_decoded_only_where_it_was_encoded() -> None:
    assert jsonld.path("./a%20b.csv") == "a%20b.csv"
    assert jsonld.path("./a%20b.csv", encoded=True) == "a b.csv"


@pytest.mark.parametrize("value", ["zz" * 32, "ab" * 31, "ab", 7, ["ab" * 32, "cd" * 32], {"@id": "x"}])
def test_a_digest_that_is_none_is_malformed(value: Any) -> None:
    with pytest.raises(Malformed):
        jsonld.digest("a.csv", value if isinstance(value, list) else [value], 32)


def test_a_digest_may_be_in_base_64() -> None:
    assert jsonld.digest("a", ["ungWv48Bz+pBQUDeXa4iI7ADYaOWF3qctBD/YfIAFa0="], 32) == bytes.fromhex(
        "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    )


# licences


@pytest.mark.parametrize(
    ("value", "licence"),
    [
        ("CC-BY-4.0", "CC-BY-4.0"),
        ("CC BY 4.0", "CC BY 4.0"),
        ({"@id": "https://creativecommons.org/licenses/by/4.0/"}, "https://creativecommons.org/licenses/by/4.0/"),
        ({"url": "https://example.org/l", "name": "Ours"}, "https://example.org/l"),
        ({"@id": "#l", "name": "CC0"}, "CC0"),
        ({"@id": "https://example.org/l", "identifier": "CC-BY-4.0"}, "CC-BY-4.0"),
        (["CC-BY-4.0", "CC-BY-4.0"], "CC-BY-4.0"),
        (["CC-BY-4.0", "https://example.org/l"], "CC-BY-4.0 AND https://example.org/l"),
        (["CC-BY-4.0", {"@id": "#other"}], "CC-BY-4.0 AND CC0-1.0"),
        ("", None),
        (None, None),
    ],
)
def test_a_licence_is_read_as_it_is_spelt(value: Any, licence: str | None) -> None:
    other = {"@id": "#other", "@type": "CreativeWork", "identifier": "CC0-1.0"}
    assert croissant.read(json.dumps({"@type": "Dataset", "license": value, "mentions": other})).licence == licence


@pytest.mark.parametrize(
    "value", [7, True, {}, {"@type": "CreativeWork"}, ["CC BY 4.0", "CC-BY-4.0"], [["  ", "A b"], "c"]]
)
def test_a_licence_that_names_nothing_or_too_much_is_malformed(value: Any) -> None:
    with pytest.raises(Malformed, match="licence"):
        croissant.read(json.dumps({"@type": "Dataset", "license": value}))


# all three formats


def test_no_context_is_ever_fetched(monkeypatch: pytest.MonkeyPatch) -> None:
    never_asks(monkeypatch)
    far = ["http://192.0.2.1/context.jsonld", {"@import": "http://192.0.2.1/more"}, "file:///etc/passwd"]
    for each in FORMATS:
        document = json.loads(each.write(FULL))
        document["@context"] = [*far, document["@context"]]
        assert each.read(json.dumps(document)).title == FULL.title


@pytest.mark.parametrize("each", FORMATS)
@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_texts_come_back_as_they_were(each: ModuleType, text: str) -> None:
    hostile = Description(
        title=text, description=text, creators=FULL.creators, licence="CC-BY-4.0", copyright=text, credit_line=text,
        published="2024-11-24", conditions=text, keywords=(text, "other"), reference=FULL.reference, publisher="p",
    )  # fmt: skip
    written = each.write(hostile)
    read = each.read(written.decode())
    for field in each.CARRIES - {"licences"}:
        assert getattr(read, field) == getattr(hostile, field), field
    assert not set("<>\x1b\x7f\u202e\u2066\u2028\x85") & set(written.decode())


@pytest.mark.parametrize("each", FORMATS)
def test_half_a_character_is_not_written(each: ModuleType) -> None:
    broken = Description(
        title="\ud800", description="x", creators=FULL.creators, licence="CC0-1.0", published="2024-11-24",
        reference=f"commons:{ids.cid(b'')}",
    )  # fmt: skip
    with pytest.raises(Malformed):
        each.write(broken)


@pytest.mark.parametrize("each", FORMATS)
@settings(max_examples=examples(150), deadline=None)
@given(value=ANYTHING | LIKELY)
def test_reading_anything_is_malformed_or_a_description(each: ModuleType, value: Any) -> None:
    assert isinstance(_told(each.read, json.dumps(value)), Description | Malformed | TooLarge)


@pytest.mark.parametrize("each", FORMATS)
@settings(max_examples=examples(200), deadline=None)
@given(seed=st.integers(0, 2**32), value=LIKELY | ANYTHING)
def test_reading_a_damaged_file_is_malformed_or_a_description(each: ModuleType, seed: int, value: Any) -> None:
    dice = random.Random(seed)
    document = json.loads(each.write(dice.choice([FULL, MIXED])))
    told = _told(each.read, json.dumps(mutate(document, dice, value)))
    assert isinstance(told, Description | Malformed | TooLarge)


@pytest.mark.parametrize("each", FORMATS)
@settings(max_examples=examples(60), deadline=None)
@given(text=st.text())
def test_reading_any_text_is_malformed(each: ModuleType, text: str) -> None:
    with pytest.raises(Malformed):
        each.read(text)


def _told(read: Callable[..., Description], text: str) -> object:
    """What is told to who listens, as publishing does; who does not is told as much or less."""
    try:
        found = read(text, Heard())
    except (Malformed, TooLarge) as error:
        with pytest.raises((Malformed, TooLarge)):
            read(text)
        return error
    with contextlib.suppress(Malformed, TooLarge):
        assert isinstance(read(text), Description)
    return found
