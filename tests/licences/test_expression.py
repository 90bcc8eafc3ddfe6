"""Expressions of several licences: one spelling each, bounded, and wrong ones refused with what is wrong in them."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

import licences
from licences import AmbiguousLicence, Expression, InvalidLicence, LicenceError, UnknownLicence, parse

EVERY = (*licences.ids(), *licences.ports(), *licences.others())


@pytest.mark.parametrize(
    ("text", "canonical", "ids"),
    [
        ("cc-by-4.0", "CC-BY-4.0", "CC-BY-4.0"),
        ("  CC BY 4.0\n", "CC-BY-4.0", "CC-BY-4.0"),
        ("https://creativecommons.org/licenses/by/4.0/deed.fr", "CC-BY-4.0", "CC-BY-4.0"),
        ("Attribution 4.0 International (CC BY 4.0)", "CC-BY-4.0", "CC-BY-4.0"),
        ("CC BY-SA 2.0 England and Wales", "CC-BY-SA-2.0-UK", "CC-BY-SA-2.0-UK"),
        ("Open Data Commons Public Domain Dedication and License", "PDDL-1.0", "PDDL-1.0"),
        ("(((CC0-1.0)))", "CC0-1.0", "CC0-1.0"),
        ("cc-by-4.0 and (odbl-1.0 OR LicenseRef-Ours)", "CC-BY-4.0 AND (ODbL-1.0 OR LicenseRef-Ours)",
         "CC-BY-4.0 ODbL-1.0 LicenseRef-Ours"),
        ("cc0 or cc-by-4.0 and odbl", "CC0-1.0 OR CC-BY-4.0 AND ODbL-1.0", "CC0-1.0 CC-BY-4.0 ODbL-1.0"),
        ("cc0 or (cc-by-4.0 and odbl)", "CC0-1.0 OR CC-BY-4.0 AND ODbL-1.0", "CC0-1.0 CC-BY-4.0 ODbL-1.0"),
        ("(cc0 or cc-by-4.0) and odbl", "(CC0-1.0 OR CC-BY-4.0) AND ODbL-1.0", "CC0-1.0 CC-BY-4.0 ODbL-1.0"),
        ("cc0 and (cc-by-4.0 and (odbl and cc0))", "CC0-1.0 AND CC-BY-4.0 AND ODbL-1.0", "CC0-1.0 CC-BY-4.0 ODbL-1.0"),
        ("CC BY 4.0 AND ODbL 1.0", "CC-BY-4.0 AND ODbL-1.0", "CC-BY-4.0 ODbL-1.0"),
        ("cc0 OR cc0", "CC0-1.0", "CC0-1.0"), ("cc0 AND (cc0 OR cc0)", "CC0-1.0", "CC0-1.0"),
        ("http://creativecommons.org/licenses/by/4.0 AND\tpddl", "CC-BY-4.0 AND PDDL-1.0", "CC-BY-4.0 PDDL-1.0"),
        ("mit or apache-2.0", "MIT OR Apache-2.0", "MIT Apache-2.0"),
        ("GPL-2.0-only with Classpath-exception-2.0", "GPL-2.0-only WITH Classpath-exception-2.0", "GPL-2.0-only"),
        ("CC BY 3.0 France AND LicenseRef-CC-BY-3.0-FR", "CC-BY-3.0-FR", "CC-BY-3.0-FR"),
        ("licenseref-Ours-1.0", "LicenseRef-Ours-1.0", "LicenseRef-Ours-1.0"),
        ("cc-by-sa-4.0 with KiCad-libraries-exception", "CC-BY-SA-4.0 WITH KiCad-libraries-exception", "CC-BY-SA-4.0"),
        ("LicenseRef-A with AdditionRef-b or LicenseRef-A", "LicenseRef-A WITH AdditionRef-b OR LicenseRef-A",
         "LicenseRef-A"),
    ],
)  # fmt: skip
def test_what_people_write_has_one_spelling(text: str, canonical: str, ids: str) -> None:
    found = parse(text)
    assert (str(found), found.ids) == (canonical, tuple(ids.split()))
    assert parse(canonical) == found
    assert hash(parse(canonical)) == hash(found)


def test_exceptions_are_carried_and_can_be_seen() -> None:
    found = parse("cc-by-sa-4.0 WITH KiCad-1.0 AND (cc0 OR cc-by-sa-4.0)")
    assert found.exceptions == (("CC-BY-SA-4.0", "KiCad-1.0"),)
    assert found.ids == ("CC-BY-SA-4.0", "CC0-1.0")
    assert parse("cc0").exceptions == ()


def test_ports_have_a_spelling_that_spdx_reads() -> None:
    found = parse("(cc-by-3.0-fr or mit) and LicenseRef-x and cc-by-3.0-de WITH y")
    assert str(found) == "(CC-BY-3.0-FR OR MIT) AND LicenseRef-x AND CC-BY-3.0-DE WITH y"
    assert found.spdx == "(LicenseRef-CC-BY-3.0-FR OR MIT) AND LicenseRef-x AND CC-BY-3.0-DE WITH y"
    assert parse(found.spdx) == found


def test_alternatives_list_what_applies_together() -> None:
    assert parse("cc0").alternatives() == (("CC0-1.0",),)
    assert parse("cc0 and odbl").alternatives() == (("CC0-1.0", "ODbL-1.0"),)
    assert parse("(cc0 or odbl) and (pddl or cc0)").alternatives() == (
        ("CC0-1.0", "PDDL-1.0"), ("CC0-1.0",), ("ODbL-1.0", "PDDL-1.0"), ("ODbL-1.0", "CC0-1.0"),
    )  # fmt: skip
    assert parse("odbl or cc0 and pddl").alternatives() == (("ODbL-1.0",), ("CC0-1.0", "PDDL-1.0"))


@pytest.mark.parametrize(
    "text",
    [
        "(cc0", "cc0)", ")cc0(", "()", "cc0 AND ()", "cc0 AND", "AND cc0", "OR", "cc0 AND OR odbl", "cc0 OR",
        "cc0 (odbl)", "(cc0) odbl", "(cc0) (odbl)", "cc0 WITH", "cc0 WITH AND", "WITH x", "cc0 WITH a b",
        "cc0 WITH a_b", "(cc0 OR odbl) WITH x", "cc0 WITH (x)", "LicenseRef-", "LicenseRef-a_b", "LicenseRef-é",
        "LicenseRef-a b", "cc0 AND LicenseRef-a/b", "(" * 17 + "cc0" + ")" * 17, "x" * 2001,
        " AND ".join(f"(LicenseRef-{n}a OR LicenseRef-{n}b)" for n in range(7)),
        " OR ".join(f"LicenseRef-{n}" for n in range(65)),
    ],
)  # fmt: skip
def test_what_is_no_expression_is_refused(text: str) -> None:
    with pytest.raises(InvalidLicence) as caught:
        parse(text)
    assert str(caught.value).isprintable()
    assert len(str(caught.value)) < 400


@pytest.mark.parametrize(
    ("text", "operand"),
    [
        ("cc0 AND nonsense", "nonsense"), ("cc-byy-4.0", "cc-byy-4.0"), ("(cc0 OR CC BY 9.0)", "CC BY 9.0"),
        ("DocumentRef-a:LicenseRef-b", "DocumentRef-a:LicenseRef-b"), ("", ""), ("none", "none"),
        ("cc0 OR NOASSERTION", "NOASSERTION"), ("CC-BY-4.0+", "CC-BY-4.0+"),
        ("cc0 AND CC-BY-3.0-XX", "CC-BY-3.0-XX"),
    ],
)  # fmt: skip
def test_an_unknown_part_is_named(text: str, operand: str) -> None:
    with pytest.raises(UnknownLicence) as caught:
        parse(text)
    assert caught.value.text == operand


def test_a_part_without_its_version_is_refused_with_the_versions() -> None:
    with pytest.raises(AmbiguousLicence) as caught:
        parse("MIT OR GPL-3.0")
    assert caught.value.candidates == ("GPL-3.0-only", "GPL-3.0-or-later")
    for text in ("cc-by", "odbl AND cc-by", "(cc-by)"):
        with pytest.raises(AmbiguousLicence) as caught:
            parse(text)
        assert caught.value.candidates[0] == "CC-BY-4.0"
    with pytest.raises(UnknownLicence, match="more than one address"):
        licences.resolve("https://creativecommons.org/licenses/by/4.0/? AND MIT")


WORDS = ["(", ")", " AND ", " or ", " With ", "cc0", "CC-BY-4.0", "odbl", "LicenseRef-x", " ", "cc-by", "\x00", "é",
         "/", "https://", "creativecommons.org/licenses/by/4.0", "and wales", "+", "none"]  # fmt: skip


@given(st.one_of(st.text(max_size=80), st.lists(st.sampled_from(WORDS), max_size=40).map("".join)))
def test_no_text_raises_anything_but_our_errors(text: str) -> None:
    with contextlib.suppress(LicenceError):
        found = parse(text)
        assert parse(str(found)) == found
        assert len(found.alternatives()) <= 64


def test_the_longest_and_deepest_texts_are_no_trouble() -> None:
    for text in ("(" * 2000, "(" * 1000 + ")" * 1000, "cc0 AND " * 250, "cc0 " * 500, "( " * 900 + "cc0"):
        with pytest.raises(LicenceError):
            parse(text)
    assert parse("(" * 16 + "odbl" + ")" * 16) == parse("odbl")


leaves = st.builds(
    lambda id, exception: f"{id} WITH {exception}" if exception else id,
    st.one_of(st.sampled_from(EVERY), st.from_regex(r"LicenseRef-[A-Za-z0-9.-]{1,9}", fullmatch=True)),
    st.none()
    | st.from_regex(r"[A-Za-z0-9.-]{1,9}", fullmatch=True).filter(lambda e: e.upper() not in ("AND", "OR", "WITH")),
)
texts = st.recursive(
    leaves,
    lambda inner: st.tuples(inner, st.sampled_from(["AND", "or"]), inner).map(lambda t: f"({t[0]}) {t[1]} ({t[2]})"),
    max_leaves=8,
)  # fmt: skip


@given(texts)
def test_every_expression_comes_back_from_its_own_spelling(text: str) -> None:
    with contextlib.suppress(InvalidLicence):  # more than 64 alternatives
        found = parse(text)
        assert parse(str(found)) == found
        assert set(found.ids) == {id for way in found.alternatives() for id in way}
        assert isinstance(found, Expression)
        assert found.op == "" or len(found.parts) > 1
