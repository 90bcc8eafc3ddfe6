"""XML of others: read within bounds, or refused for what it is."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from commons.errors import Malformed, TooLarge
from commons.metadata import markup
from tests.conftest import ends

BILLION = "".join(f'<!ENTITY l{n} "{f"&l{n - 1};" * 10}">' for n in range(1, 12))


@pytest.mark.parametrize(
    ("text", "why"),
    [
        (f'<!DOCTYPE a [<!ENTITY l0 "lol">{BILLION}]><a>&l11;</a>', "document type"),
        ('<!DOCTYPE a [<!ENTITY x SYSTEM "file:///etc/passwd">]><a>&x;</a>', "document type"),
        ('<!DOCTYPE a SYSTEM "http://127.0.0.1:9/x.dtd"><a/>', "document type"),
        ("<a>" * (markup.LIMIT // 3), "deeper than 64"),
        ("<a>" * 65 + "</a>" * 65, "deeper than 64"),
        ("<a>" + "<b/>" * 100_000 + "</a>", "more than 100000 elements"),
        ("<a>" + " " * markup.LIMIT + "</a>", "more than 4 MiB"),
        ("<a>&unknown;</a>", "wrong at line 1, column 4"),
        ("<a>\n<b></a>", "wrong at line 2, column 6"),
        ("<a/><b/>", "wrong at line 1, column 5"),
        ("<a>\0</a>", "wrong at"),
        ("", "wrong at"),
        ("no XML", "wrong at"),
        ("<a>\ud800</a>", "not valid Unicode"),
    ],
    ids=lambda text: text[:20],
)
def test_hostile_xml_is_an_error_soon(text: str, why: str) -> None:
    with ends(), pytest.raises((Malformed, TooLarge), match=why):
        markup.load(text)


def test_sixty_four_elements_in_each_other_and_an_encoding_that_is_not_so_are_read() -> None:
    assert markup.load("<a>" * 64 + "</a>" * 64).inner[0].name == "a"
    assert markup.load('<?xml version="1.0" encoding="latin-1"?><a>\u00fc</a>').words() == "\u00fc"


def test_words_are_all_text_in_it_and_attributes_of_another_namespace_are_left_out() -> None:
    found = markup.load('<a xmlns:x="urn:x" x:b="1" c="2">one<br/>two <i>and <![CDATA[<three>]]></i><!-- no --></a>')
    assert (found.words(), found.attributes) == ("one\ntwo and <three>", {"c": "2"})


@given(st.text(alphabet='<>/&;!"=ab \n[]-?\u00e9', max_size=60))
def test_whatever_is_written_is_read_or_malformed(text: str) -> None:
    try:
        found = markup.load(text).name
    except Malformed:
        found = "none"
    assert found
