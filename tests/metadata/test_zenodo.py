"""Zenodo's and Kaggle's metadata."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from commons.core.dataset.rights import Creator
from commons.errors import Malformed
from commons.metadata import zenodo
from commons.metadata.description import Description
from commons.metadata.reading import Heard
from tests.conftest import ends
from tests.metadata.samples import ANA, FULL, HOSTILE, MIXED, PLAIN


@pytest.mark.parametrize("d", [FULL, PLAIN])
def test_what_it_carries_comes_back(d: Description) -> None:
    back = zenodo.read(zenodo.write(d).decode())
    assert {f: getattr(back, f) for f in zenodo.CARRIES} == {f: getattr(d, f) for f in zenodo.CARRIES}


def test_what_is_written_is_in_zenodos_words() -> None:
    written = json.loads(zenodo.write(FULL))
    assert written["license"] == "cc-by-4.0"
    assert written["creators"] == [
        {"name": "Ana Martins", "orcid": "0000-0002-1825-0097"},
        {"name": "Instituto da Água"},
    ]
    assert (written["upload_type"], written["access_right"]) == ("dataset", "restricted")
    assert json.loads(zenodo.write(PLAIN))["access_right"] == "open"


def test_several_licences_are_refused() -> None:
    with pytest.raises(Malformed, match="one licence"):
        zenodo.write(MIXED)
    with pytest.raises(Malformed, match="needs creators"):
        zenodo.write(replace(FULL, creators=()))


@given(st.text(st.characters(codec="utf-8"), min_size=1).filter(str.strip))
def test_any_description_comes_back_and_says_nothing_as_html(text: str) -> None:
    written = zenodo.write(replace(FULL, description=text))
    assert zenodo.read(written.decode()).description == text
    assert "<" not in json.loads(written)["description"].replace("<br>", "")


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_words_stay_words(text: str) -> None:
    back = zenodo.read(zenodo.write(replace(FULL, title=text, description=text, conditions=text)).decode())
    assert (back.title, back.description, back.conditions) == (text, text, text)


@pytest.mark.parametrize(
    ("markup", "text"),
    [
        ("<p>One\n  two</p>\n\n<p>Three&nbsp;&amp; <b>four</b></p>", "One   two\n\nThree\u00a0& four"),
        ("<ul><li>a</li><li>b</li></ul>", "a\nb"),
        ("a<br/>b", "a\nb"),
        ("x<script>alert('<p>')</script>y<style>p{}</style >z", "xyz"),
        ("x<script>never closed <p>", "x"),
        ("a <!-- <p> secret --> b<!-- open", "a  b"),
        ("1 < 2 and 3 > 2", "1 < 2 and 3 > 2"),
        ("<!DOCTYPE html><?php x ?>ok", "ok"),
        ("<a href='javascript:x' title=\"<\">link</a>", '<">link'),
        ("&lt;script&gt;", "<script>"),
        ("<p></p>", ""),
        ("<img src=x onerror=alert(1)", ""),
    ],
)
def test_html_becomes_text(markup: str, text: str) -> None:
    assert zenodo.plain(markup) == text


@pytest.mark.parametrize(
    "piece", ["<", "<!--", "<a ", "<script>", "</script", "<p>", "&", "<!", "<style><", "]]>", "&#"]
)
def test_no_html_takes_long(piece: str) -> None:
    with ends():
        zenodo.plain(piece * 100_000)


def test_a_record_of_somebody_else_is_read() -> None:
    record = {
        "title": "T", "upload_type": "dataset", "license": {"id": "CC-BY-4.0"}, "version": "1.0.1",
        "creators": [{"name": "Martins, Ana", "orcid": "0000-0002-1825-0097"}, {"affiliation": "Y"}],
        "related_identifiers": [{"identifier": "10.5281/zenodo.9", "relation": "isDerivedFrom"}],
        "publication_date": "2024-11-24",
    }  # fmt: skip
    assert zenodo.read(json.dumps(record)) == Description(
        title="T", licence="CC-BY-4.0", creators=(Creator(name="Martins, Ana", url=ANA.url),),
        source_url="https://doi.org/10.5281/zenodo.9", published="2024-11-24",
    )  # fmt: skip


def test_kaggle_is_read() -> None:
    record = {
        "title": "T", "id": "ana/t", "subtitle": "S", "licenses": [{"name": "CC0-1.0"}], "keywords": ["a", "b"],
        "resources": [{"path": "../x"}],
    }  # fmt: skip
    assert zenodo.read_kaggle(json.dumps(record)) == Description(
        title="T", description="S", licence="CC0-1.0", keywords=("a", "b")
    )
    with pytest.raises(Malformed):
        zenodo.read_kaggle("{}")


@pytest.mark.parametrize(
    "text", ["[]", "{}", '{"title": 5}', '{"title": "x", "creators": [1]}', '{"title": "x", "license": 4}']
)
def test_what_is_no_metadata_is_refused(text: str) -> None:
    with pytest.raises(Malformed):
        zenodo.read(text)


def test_related_identifiers_beside_the_source_are_named_as_not_carried() -> None:
    rows = [
        {"relation": "isSupplementTo", "identifier": "10.5281/zenodo.1"},
        {"relation": "isDerivedFrom", "identifier": "https://doi.org/10.5281/zenodo.2"},
        {"relation": "isDerivedFrom", "identifier": "10.5281/zenodo.3"},
    ]
    heard = Heard()
    found = zenodo.read(json.dumps({"title": "X", "related_identifiers": rows}), heard)
    assert found.source_url == "https://doi.org/10.5281/zenodo.2"
    assert list(heard.left) == [
        "related_identifiers: isSupplementTo 10.5281/zenodo.1", "related_identifiers: isDerivedFrom 10.5281/zenodo.3",
    ]  # fmt: skip


@pytest.mark.parametrize("text", ["open access", "Public", "restricted", "info:eu-repo/semantics/openAccess"])
def test_who_may_see_it_is_no_condition(text: str) -> None:
    heard = Heard()
    found = zenodo.read(json.dumps({"title": "X", "access_conditions": text}), heard)
    assert found.conditions is None
    assert [fault.field for fault in heard.faults] == ["access"]
    said = f"to members: {text}"
    assert zenodo.read(json.dumps({"title": "X", "access_conditions": said})).conditions == said
