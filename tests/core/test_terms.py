"""The terms: what a licence has to carry, what a digest covers, and that they are acknowledged by name."""

from __future__ import annotations

import hashlib
from dataclasses import fields, replace
from typing import Any

import pytest

from commons.core import codec, terms
from commons.core.terms import Terms
from commons.errors import Malformed, Unacknowledged

FREE = Terms(
    licence="CC-BY-4.0", licence_url="https://creativecommons.org/licenses/by/4.0/", licence_sha256=None,
    licence_text=None, title="Rivers", creators=("Ana",), copyright=None, credit_line=None, source_url=None,
    conditions=None, purposes=(), grant_days=None,
)  # fmt: skip
TEXT = "Ask first.\n"
OWN = replace(FREE, licence="LicenseRef-Own", licence_text=TEXT, licence_sha256=hashlib.sha256(TEXT.encode()).digest())


def test_a_digest_covers_every_word_of_the_terms() -> None:
    other: dict[str, Any] = {
        "licence": "CC-BY-SA-4.0", "licence_url": "", "licence_sha256": bytes(32), "title": "Lakes", "creators": (),
        "copyright": "©", "credit_line": "", "source_url": "x", "conditions": "", "purposes": ("policy",),
        "grant_days": 1,
    }  # fmt: skip
    assert {*other, "licence_text"} == {field.name for field in fields(Terms)}
    digests = {FREE.digest(), OWN.digest(), *(replace(FREE, **{name: value}).digest() for name, value in other.items())}
    assert len(digests) == len(other) + 2
    assert FREE.digest() == hashlib.sha256(codec.encode(FREE)).digest()


def test_nobody_s_creators_run_into_each_other() -> None:
    assert replace(FREE, creators=("a", "b")).digest() != replace(FREE, creators=("ab",)).digest()
    assert replace(FREE, copyright="x").digest() != replace(FREE, credit_line="x").digest()
    assert replace(FREE, copyright="").digest() != FREE.digest()


@pytest.mark.parametrize(
    "lies",
    [{"licence_text": None}, {"licence_sha256": None}, {"licence_text": "Ask nobody.\n"}, {"licence": "CC0-1.0"},
     {"licence_sha256": bytes(32)}, {"licence": "licenseref-own"}, {"licence_text": TEXT.rstrip()}],
)  # fmt: skip
def test_a_licence_of_one_s_own_carries_exactly_its_text(lies: dict[str, Any]) -> None:
    with pytest.raises(Malformed):
        replace(OWN, **lies)


@pytest.mark.parametrize("licence", ["", " ", "CC BY", "é", "a\n", "\x1b[2J", "a" * 101, "a\x7f"])
def test_a_licence_id_is_short_and_prints(licence: str) -> None:
    with pytest.raises(Malformed):
        replace(FREE, licence=licence)
    assert replace(FREE, licence="a" * 100).licence


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
     "DUO:00000-2", "DUO:000004²", "DUO:000004٢", "a\x1b[2J"],
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


@pytest.mark.parametrize("named", [None, "", " ", "yes", "y", "CC-BY", "CC-BY-4.0 ", "CC-BY-SA-4.0", "CC-BY-4.0 CC0"])
def test_nothing_else_acknowledges_them(named: str | None) -> None:
    if named is not None and named.strip() == FREE.licence:
        terms.acknowledge(FREE, named)
        return
    with pytest.raises(Unacknowledged) as caught:
        terms.acknowledge(FREE, named)
    assert ("were not acknowledged" if named is None else f"you acknowledged {named!r}") in caught.value.message
    assert "--acknowledge CC-BY-4.0" in caught.value.hint
    assert FREE.licence_url in caught.value.hint


def test_terms_without_an_address_are_those_above() -> None:
    with pytest.raises(Unacknowledged) as caught:
        terms.acknowledge(replace(FREE, licence_url=""), None)
    assert "(above)" in caught.value.hint
