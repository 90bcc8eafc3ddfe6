"""The terms: what a licence has to carry, what a digest covers, and that they are acknowledged by name."""

from __future__ import annotations

import hashlib
from dataclasses import fields, replace
from typing import Any

import pytest

from commons.core.crypto import codec, ids
from commons.core.dataset import rights, terms
from commons.core.dataset.rights import Creator, Label, LicenceText, Origin
from commons.core.dataset.terms import Terms
from commons.errors import Malformed, Refused, Unacknowledged

BY = LicenceText(id="CC-BY-4.0", url="https://creativecommons.org/licenses/by/4.0/", sha256=None, text=None)
ZERO = replace(BY, id="CC0-1.0", url="")
ANA = Creator(name="Ana")
FREE = Terms(
    licence="CC-BY-4.0", licences=(BY,), title="Rivers", creators=(ANA,), copyright=None, credit_line=None,
    source_url=None, updated=None, labels=(), origins=(), changes=None, conditions=None, purposes=(), grant_days=None,
)  # fmt: skip
TEXT = "Ask first.\n"
OURS = LicenceText(id="LicenseRef-Own", url="", sha256=hashlib.sha256(TEXT.encode()).digest(), text=TEXT)
OWN = replace(FREE, licence="LicenseRef-Own", licences=(OURS,))


def test_a_digest_covers_every_word_of_the_terms() -> None:
    other: dict[str, Any] = {
        "licence": "CC-BY-4.0 WITH x", "licences": (replace(BY, url=""),), "title": "Lakes", "creators": (),
        "copyright": "©", "credit_line": "", "source_url": "x", "updated": "2026-01-01",
        "labels": (Label(name="TK", text="Ask."),),
        "origins": (Origin(manifest=ids.cid(b"x"), title="t", licence="CC0-1.0", credit=""),), "changes": "",
        "conditions": "", "purposes": ("policy",), "grant_days": 1,
    }  # fmt: skip
    assert {*other} == {field.name for field in fields(Terms)}
    digests = {FREE.digest(), OWN.digest(), *(replace(FREE, **{name: value}).digest() for name, value in other.items())}
    assert len(digests) == len(other) + 2
    assert FREE.digest() == hashlib.sha256(codec.encode(FREE)).digest()


def test_nobody_s_creators_run_into_each_other() -> None:
    a, b, ab = (replace(ANA, name=name) for name in ("a", "b", "ab"))
    assert replace(FREE, creators=(a, b)).digest() != replace(FREE, creators=(ab,)).digest()
    assert replace(FREE, creators=(a,)).digest() != replace(FREE, creators=(replace(a, organisation=True),)).digest()
    assert replace(FREE, copyright="x").digest() != replace(FREE, credit_line="x").digest()
    assert replace(FREE, copyright="").digest() != FREE.digest()


@pytest.mark.parametrize(
    "lies",
    [{"text": None}, {"sha256": None}, {"text": "Ask nobody.\n"}, {"id": "CC0-1.0"}, {"sha256": bytes(32)},
     {"id": "licenseref-own"}, {"text": TEXT.rstrip()}],
)  # fmt: skip
def test_a_licence_of_one_s_own_carries_exactly_its_text(lies: dict[str, Any]) -> None:
    with pytest.raises(Malformed):
        replace(OURS, **lies)


@pytest.mark.parametrize("licences", [(), (ZERO,), (BY, ZERO), (BY, BY), (OURS,)])
def test_the_licences_described_are_those_of_the_expression(licences: tuple[LicenceText, ...]) -> None:
    with pytest.raises(Malformed, match="other licences"):
        replace(FREE, licences=licences)


def test_an_expression_names_several_licences_sorted_and_what_follows_with_is_none() -> None:
    both = replace(FREE, licence="CC0-1.0 OR (CC-BY-4.0 WITH Some-exception)", licences=(BY, ZERO))
    assert [each.id for each in both.licences] == ["CC-BY-4.0", "CC0-1.0"]
    terms.acknowledge(both, " cc0-1.0 or  (CC-BY-4.0 with some-exception)")
    with pytest.raises(Unacknowledged) as caught:
        terms.acknowledge(both, "CC-BY-4.0")
    assert '--acknowledge "CC0-1.0 OR (CC-BY-4.0 WITH Some-exception)"' in caught.value.hint


@pytest.mark.parametrize("licence", ["", " ", "CC  BY", " CC0-1.0", "é", "a\n", "\x1b[2J", "a" * 2001, "a\x7f"])
def test_an_expression_is_short_and_prints(licence: str) -> None:
    assert rights.check_expression("a" * 2000)
    with pytest.raises(Malformed, match="not a licence expression"):
        rights.check_expression("a" * 2001)
    with pytest.raises(Malformed, match="expression"):
        replace(FREE, licence=licence)


@pytest.mark.parametrize("day", ["", "2026", "2026-13-01", "20260101", "2026-W01-1", "2026-01-01T00:00", "٢٠٢٦-01-01"])
def test_an_update_has_a_day(day: str) -> None:
    assert replace(FREE, updated="2024-02-29").updated == "2024-02-29"
    with pytest.raises(Malformed, match="not a day"):
        replace(FREE, updated=day)


@pytest.mark.parametrize("url", ["", "ana", "orcid.org/0", "https:", "https://a b", "https://a\n", "x" * 2001,
                                 f"https://{'x' * 1993}"])  # fmt: skip
def test_a_creators_address_is_absolute(url: str) -> None:
    assert replace(ANA, url="https://orcid.org/0000-0002-1825-0097").url
    assert replace(ANA, url="https://" + "x" * 1992).url
    with pytest.raises(Malformed, match="absolute address"):
        replace(ANA, url=url)


@pytest.mark.parametrize("name", ["", " ", "a\nb", "a\0", "a" * 2001])
def test_a_name_is_a_line(name: str) -> None:
    for said in (ANA, Label(name="TK", text="Ask.")):
        assert replace(said, name="a" * 2000).name
        with pytest.raises(Malformed, match="one line"):
            replace(said, name=name)


def test_grants_last_from_a_day_to_a_hundred_years_or_for_ever() -> None:
    for days in (None, 1, 36_500):
        assert replace(FREE, grant_days=days).grant_days == days
    for days in (0, -1, 36_501, 10**18):
        with pytest.raises(Malformed):
            replace(FREE, grant_days=days)


@pytest.mark.parametrize("code", [*terms.PURPOSES, "DUO:0000042", "DUO:9999999"])
def test_a_purpose_is_a_code(code: str) -> None:
    assert terms.check_purpose(code) == code
    assert replace(FREE, purposes=(code,)).purposes == (code,)


@pytest.mark.parametrize(
    "code",
    ["", "Research", "research ", "any", "DUO:", "DUO:42", "DUO:00000042", "duo:0000042", "DUO:000004x", "DUO:x000042",
     "DUO:00000-2", "DUO:000004²", "DUO:000004٢", "XYZ:0000042", "a\x1b[2J"],
)  # fmt: skip
def test_a_purpose_in_other_words_is_malformed(code: str) -> None:
    for read in (terms.check_purpose, lambda code: replace(FREE, purposes=("policy", code))):
        with pytest.raises(Malformed) as caught:
            read(code)
        assert "research" in caught.value.hint
        assert len(caught.value.message) < 100
        assert "\x1b" not in caught.value.message


@pytest.mark.parametrize("named", ["CC-BY-4.0", "cc-by-4.0", " CC-BY-4.0\n"])
def test_terms_are_acknowledged_by_the_licence_s_name(named: str) -> None:
    terms.acknowledge(FREE, named)
    with pytest.raises(Unacknowledged, match="under another"):  # and no others are by it
        terms.acknowledge(OWN, named)


@pytest.mark.parametrize("named", [None, "", " ", "yes", "y", "CC-BY", "CC-BY-4.0 ", "CC-BY-SA-4.0", "CC-BY-4.0 CC0"])
def test_nothing_else_acknowledges_them(named: str | None) -> None:
    if named is not None and named.strip() == FREE.licence:
        terms.acknowledge(FREE, named)
        return
    with pytest.raises(Unacknowledged) as caught:
        terms.acknowledge(FREE, named)
    assert ("were not acknowledged" if named is None else f"you acknowledged {named!r}") in caught.value.message
    assert "--acknowledge CC-BY-4.0" in caught.value.hint
    assert BY.url in caught.value.hint


def test_terms_without_an_address_are_those_above() -> None:
    with pytest.raises(Unacknowledged) as caught:
        terms.acknowledge(replace(FREE, licences=(replace(BY, url=""),)), None)
    assert "(above)" in caught.value.hint


def test_a_purpose_that_the_terms_do_not_allow_is_refused_before_anything_is_sent() -> None:
    for allowed in ((), ("research",), ("education", "research")):
        terms.check_allowed(replace(FREE, purposes=allowed), "research")  # where none is named, any is allowed
    with pytest.raises(Refused, match="do not allow the purpose 'policy'"):
        terms.check_allowed(replace(FREE, purposes=("education", "research")), "policy")
