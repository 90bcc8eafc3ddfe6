"""Credits as people paste them, word for word; and what strangers put into a title does no harm in any of the forms."""

from __future__ import annotations

import json
import re
from html.parser import HTMLParser
from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

import licences
from licences import Work, attribution, escape
from licences.attribution import Format, lineage
from licences.escape import address

FORMATS = get_args(Format)
PENGUINS = Work(
    title="Palmer Penguins", creators=("Allison Horst", "Alison Hill", "Kristen Gorman"),
    licence=licences.get("CC0-1.0"), source_url="https://allisonhorst.github.io/palmerpenguins/",
)  # fmt: skip
RIVERS = Work(
    title="Rivers", creators=("Ana", "Ben & Co"), licence=licences.get("CC-BY-SA-4.0"),
    source_url="https://data.example/rivers?a=1&b=2", copyright="© 2026 Ana",
    credit_line="With thanks to the wardens\n  of *all* rivers", ancestors=(PENGUINS,),
)  # fmt: skip
SPITEFUL = (
    '"><script>alert(1)</script>', "</p><img src=x onerror=alert(1)>", "] (javascript:alert(1)) [",
    "![x](http://evil)",
    "`code` *bold* _x_ # head", "}, author = {Mallory", "\\input{/etc/passwd}", "\\write18{rm -rf}",
    "100% $x$ #1 ~ ^ & _",
    "\x1b[2J\x1b]0;owned\x07", "line\nbreak\r\nagain", "\u202egnp.exe", "a\u2066b\u2069", "\x00", "\ud800", "\u2028",
    "{{{", "}}}", "<!-- ", "]]>", "and and and", "@misc{x,", "http://evil.example/\" onclick=\"x", "|table|", "1. list",
)  # fmt: skip


def test_a_dedication_as_text() -> None:
    assert attribution(PENGUINS) == (
        '"Palmer Penguins" by Allison Horst, Alison Hill and Kristen Gorman is dedicated to the public domain under'
        " CC0 1.0 (https://creativecommons.org/publicdomain/zero/1.0/). Source: https://allisonhorst.github.io/palmerpenguins/."
    )


def test_a_licence_with_changes_credit_line_and_ancestor_as_text() -> None:
    assert attribution(RIVERS, modified="units converted") == (
        '"Rivers" by Ana and Ben & Co is licensed under CC BY-SA 4.0'
        " (https://creativecommons.org/licenses/by-sa/4.0/). © 2026 Ana. Source: https://data.example/rivers?a=1&b=2."
        " Changes: units converted. No warranties are given.\n"
        "With thanks to the wardens\n  of *all* rivers\n"
        f"Based on:\n{attribution(PENGUINS)}"
    )


def test_markdown() -> None:
    assert attribution(RIVERS, "markdown", "units converted") == (
        r"[Rivers](<https://data.example/rivers?a=1&b=2>) by Ana and Ben \& Co is licensed under"
        r" [CC BY\-SA 4\.0](<https://creativecommons.org/licenses/by-sa/4.0/>). © 2026 Ana\."
        " Changes: units converted\\. No warranties are given.\\\n"
        "With thanks to the wardens\\\n"
        r"of \*all\* rivers"
        "\n\nBased on:\n\n"
        "* [Palmer Penguins](<https://allisonhorst.github.io/palmerpenguins/>) by Allison Horst, Alison Hill and"
        r" Kristen Gorman is dedicated to the public domain under"
        r" [CC0 1\.0](<https://creativecommons.org/publicdomain/zero/1.0/>)."
    )


def test_html_with_rdfa() -> None:
    plain = Work(
        title="Rivers & more", creators=("Ana",), licence=licences.get("CC-BY-4.0"), source_url="https://r.example/"
    )
    assert attribution(plain, "html", "cut <to> size") == (
        '<p xmlns:cc="http://creativecommons.org/ns#" xmlns:dct="http://purl.org/dc/terms/" about="https://r.example/">'
        '<a rel="cc:attributionURL" href="https://r.example/"><span property="dct:title">Rivers &amp; more</span></a>'
        ' by <span property="cc:attributionName">Ana</span> is licensed under'
        ' <a rel="license" href="https://creativecommons.org/licenses/by/4.0/">CC BY 4.0</a>.'
        " Changes: cut &lt;to&gt; size. No warranties are given.</p>"
    )


def test_bibtex() -> None:
    assert attribution(RIVERS, "bibtex") == (
        "@misc{ana-rivers,\n"
        "  title = {{Rivers}},\n"
        "  author = {{Ana} and {Ben \\& Co}},\n"
        "  url = {https://data.example/rivers?a=1&b=2},\n"
        "  note = {Is licensed under CC BY-SA 4.0, https://creativecommons.org/licenses/by-sa/4.0/. © 2026 Ana."
        " With thanks to the wardens of *all* rivers}\n"
        "}\n\n"
        "@misc{horst-palmer-penguins-1,\n"
        "  title = {{Palmer Penguins}},\n"
        "  author = {{Allison Horst} and {Alison Hill} and {Kristen Gorman}},\n"
        "  url = {https://allisonhorst.github.io/palmerpenguins/},\n"
        "  note = {Is dedicated to the public domain under CC0 1.0,"
        " https://creativecommons.org/publicdomain/zero/1.0/.}\n"
        "}"
    )


def test_json_keeps_every_field_as_it_is() -> None:
    told = json.loads(attribution(RIVERS, "json", "units converted"))
    assert told["licence"] == {
        "id": "CC-BY-SA-4.0", "spdx": "CC-BY-SA-4.0",
        "name": "Creative Commons Attribution-ShareAlike 4.0 International",
        "url": "https://creativecommons.org/licenses/by-sa/4.0/",
    }  # fmt: skip
    assert (told["creators"], told["modified"]) == (["Ana", "Ben & Co"], "units converted")
    assert told["credit_line"] == RIVERS.credit_line
    assert told["ancestors"][0]["title"] == "Palmer Penguins"
    assert told["text"] == attribution(RIVERS, modified="units converted")


def test_the_other_kinds_have_verbs_of_their_own() -> None:
    mark = Work(title="Old map", creators=(), licence=licences.get("CC-PDM-1.0"))
    assert attribution(mark) == (
        '"Old map" is marked with Public Domain Mark 1.0 (https://creativecommons.org/publicdomain/mark/1.0/).'
    )
    mit = Work(title="Tool", creators=("Ana",), licence=licences.get("MIT"))
    assert attribution(mit) == '"Tool" by Ana is licensed under MIT (https://spdx.org/licenses/MIT.html).'
    own = Work(title="", creators=("Ana",), licence=licences.custom("LicenseRef-Ours", "Our terms", "Be kind."))
    assert attribution(own) == "This work by Ana is shared under the terms of Our terms."


def test_the_date_of_the_last_update_is_told_in_every_form() -> None:
    """The Licence Ouverte asks for the source and the date of its last update."""
    etalab = licences.get("etalab-2.0")
    assert etalab.asks() == ("creators", "updated")
    assert Work(title="", creators=("INSEE",), licence=etalab).missing() == ("updated",)
    work = Work(
        title="Communes", creators=("INSEE",), licence=etalab, source_url="https://insee.example/", updated="2026-01-02"
    )
    assert work.missing() == ()
    where = "https://www.etalab.gouv.fr/wp-content/uploads/2018/11/open-licence.pdf"
    assert attribution(work, modified="cut") == (
        f'"Communes" by INSEE is licensed under Licence Ouverte 2.0 ({where}). Source: https://insee.example/.'
        " Last update: 2026-01-02. Changes: cut. No warranties are given."
    )
    assert r" Last update: 2026\-01\-02\. No warranties" in attribution(work, "markdown")
    assert "</a>. Last update: 2026-01-02. No warranties" in attribution(work, "html")
    assert " Last update: 2026-01-02.}" in attribution(work, "bibtex")
    assert json.loads(attribution(work, "json"))["updated"] == "2026-01-02"


def test_a_credit_line_is_kept_verbatim() -> None:
    line = "This site uses the EDICT and KANJIDIC dictionary files.\nThese files are the property of the EDRDG."
    work = Work(title="EDICT", creators=("EDRDG",), licence=licences.get("CC-BY-SA-3.0"), credit_line=line)
    assert attribution(work).endswith(f"\n{line}")
    assert line.split("\n")[1] in attribution(work, "html")
    assert json.loads(attribution(work, "json"))["credit_line"] == line


def test_what_the_licence_asks_and_the_work_lacks_is_named() -> None:
    by, zero = licences.get("CC-BY-4.0"), licences.get("CC0-1.0")
    assert Work(title="", creators=(), licence=by).missing() == ("creators", "title")
    assert Work(title="x", creators=("Ana",), licence=by).missing() == ()
    assert Work(title="", creators=(), licence=zero).missing() == ()


def test_ancestors_are_listed_nearest_first_once_and_not_without_end() -> None:
    mother = Work(title="b", creators=(), licence=PENGUINS.licence, ancestors=(PENGUINS,))
    child = Work(title="c", creators=(), licence=PENGUINS.licence, ancestors=(mother, PENGUINS))
    assert [work.title for work in lineage(child)] == ["b", "Palmer Penguins"]
    work = PENGUINS
    for n in range(5000):
        work = Work(title=str(n), creators=(), licence=PENGUINS.licence, ancestors=(work,))
    assert len(list(lineage(work))) == 100
    assert attribution(work, "html")


def test_a_form_nobody_defined_is_a_bug() -> None:
    with pytest.raises(ValueError, match="no such format"):
        attribution(PENGUINS, "pdf")  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("given_", "kept"),
    [
        ("https://a.example/x?y=1#z", "https://a.example/x?y=1#z"), ("HTTP://a.example", "HTTP://a.example"),
        ("doi:10.5281/zenodo.3960218", "https://doi.org/10.5281/zenodo.3960218"),
        ("10.5281/zenodo.3960218", "https://doi.org/10.5281/zenodo.3960218"),
        ("https://a.example/é", "https://a.example/%C3%A9"), ('https://a.example/">', "https://a.example/%22%3E"),
        ("https://a.example/(x)[y]{z}\\", "https://a.example/%28x%29%5By%5D%7Bz%7D%5C"),
        ("javascript:alert(1)", None), ("data:text/html,x", None), ("file:///etc/passwd", None), ("//a.example", None),
        ("https://", None), ("https:///x", None), ("https://a.example/a b", None), ("java\nscript:x", None), ("", None),
        (None, None),
    ],
)  # fmt: skip
def test_only_web_addresses_and_dois_become_links(given_: str | None, kept: str | None) -> None:
    assert address(given_) == kept


class Seen(HTMLParser):
    """Tags and attributes of a page, and whether it nests properly."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag != "br":
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def harmless(work: Work, modified: str) -> None:
    """No form lets a field out of its place."""
    page = Seen()
    page.feed(attribution(work, "html", modified))
    assert page.open == []
    for tag, attributes in page.tags:
        assert tag in ("p", "a", "span", "br", "ul", "li")
        assert set(attributes) <= {"xmlns:cc", "xmlns:dct", "about", "rel", "property", "href"}
        assert attributes.get("href", "https://")[:4] in ("http", "HTTP")  # type: ignore[index]
    for fmt in FORMATS:
        told = attribution(work, fmt, modified)
        assert escape.verbatim(told).strip("\n") == told.strip("\n"), fmt
        told.encode()
    bibtex = attribution(work, "bibtex", modified)
    assert bibtex.count("{") == bibtex.count("}")
    assert bibtex.count("@misc{") == 1 + len(work.ancestors)
    assert len(re.findall(r"^  \w+ = \{", bibtex, re.MULTILINE)) == len(re.findall(r"^  ", bibtex, re.MULTILINE))
    for command in re.findall(r"\\[a-zA-Z]+", bibtex):
        assert command in (r"\textbackslash", r"\textbraceleft", r"\textbraceright", r"\textasciitilde",
                           r"\textasciicircum")  # fmt: skip
    markdown = attribution(work, "markdown", modified)
    links = re.findall(r"(?<!\\)\]\(<([^>]*)>\)", markdown)
    assert all(link.lower().startswith(("https://", "http://")) for link in links)
    assert len(links) <= 2 * (1 + len(work.ancestors))
    unescaped = re.sub(r"\(<[^>]*>\)", "", re.sub(r"\\[^\n]", "", markdown))
    assert not re.search(r"[<`!#]", unescaped)


@pytest.mark.parametrize("spite", SPITEFUL)
def test_spiteful_words_do_no_harm_in_any_field(spite: str) -> None:
    own = licences.custom("LicenseRef-Ours", "Ours", "text", url=spite)
    for licence in (licences.get("CC-BY-4.0"), own):
        mother = Work(title=spite, creators=(spite,), licence=licence)
        work = Work(
            title=spite, creators=(spite, spite), licence=licence, source_url=spite, copyright=spite, credit_line=spite,
            ancestors=(mother,), updated=spite,
        )  # fmt: skip
        harmless(work, spite)
        told = json.loads(attribution(work, "json", spite))
        assert (told["title"], told["credit_line"], told["modified"]) == (spite,) * 3
        assert [each["creators"] for each in (told, *told["ancestors"])] == [[spite, spite], [spite]]


fields = st.text(max_size=30)


@given(fields, st.lists(fields, max_size=3), fields, fields, fields, fields)
def test_no_words_at_all_do_harm(
    title: str, creators: list[str], url: str, copyright: str, credit: str, modified: str
) -> None:
    work = Work(
        title=title, creators=tuple(creators), licence=licences.get("CC-BY-4.0"), source_url=url or None,
        copyright=copyright or None, credit_line=credit or None, updated=modified or None,
    )  # fmt: skip
    harmless(work, modified)
    told = json.loads(attribution(work, "json", modified))
    assert (told["title"], told["creators"], told["modified"]) == (title, creators, modified)
    assert [told[name] or "" for name in ("source_url", "copyright", "credit_line")] == [url, copyright, credit]
