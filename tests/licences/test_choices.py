"""Expressions combine: AND means all of them, OR the best way to choose; a target has to be allowed in every part."""

from __future__ import annotations

import pytest

import licences
from licences.compat import adaptation_licences, can_collect, can_remix
from tests.conftest import ends
from tests.licences.test_compat import codes


@pytest.mark.parametrize(
    ("source", "to", "answer"),
    [
        ("CC-BY-4.0 AND CC0-1.0", "CC-BY-4.0", "yes"),
        ("CC-BY-4.0 AND CC-BY-SA-4.0", "CC-BY-4.0", "no"),
        ("CC-BY-4.0 AND CC-BY-ND-4.0", None, "no"),
        ("CC-BY-4.0 OR CC-BY-ND-4.0", None, "yes"),
        ("CC-BY-SA-4.0 OR ODbL-1.0", "ODbL-1.0", "yes"),
        ("CC-BY-SA-4.0 OR ODbL-1.0", "CC-BY-SA-4.0", "yes"),
        ("CC-BY-SA-4.0 OR ODbL-1.0", "CC-BY-SA-4.0 OR ODbL-1.0", "yes"),  # each recipient's choice was open to us too
        ("CC-BY-SA-4.0 OR ODbL-1.0", "CC-BY-SA-4.0 AND ODbL-1.0", "conditional"),
        ("CC-BY-SA-4.0 OR LAL-1.3", "CC-BY-SA-4.0 AND CC-BY-4.0", "no"),
        ("CC-BY-4.0", "CC-BY-4.0 AND CC-BY-NC-4.0", "yes"),
        ("CC-BY-SA-4.0", "CC-BY-SA-4.0 OR CC-BY-4.0", "no"),
        ("CC-BY-SA-4.0", "CC-BY-SA-4.0 AND CC-BY-4.0", "no"),
        ("CC-BY-NC-4.0", "CC-BY-NC-4.0 OR CC-BY-4.0", "conditional"),
        ("CC-BY-ND-4.0 OR LicenseRef-Ours", None, "unknown"),
        ("CC-BY-4.0 OR LicenseRef-Ours", "CC-BY-SA-4.0", "yes"),
        ("CC-BY-4.0 AND LicenseRef-Ours", "CC-BY-SA-4.0", "unknown"),
        ("CC-BY-4.0", "CC-BY-4.0 OR LicenseRef-Ours", "unknown"),
        ("CC-BY-SA-4.0 WITH KiCad-exception", "CC-BY-SA-4.0", "yes"),
        ("CC-BY-SA-4.0 WITH KiCad-exception", "CC-BY-4.0", "no"),  # the exception may allow it: it is not read
    ],
)
def test_expressions_answer(source: str, to: str | None, answer: str) -> None:
    verdict = adaptation_licences([source], to)
    assert verdict.answer == answer
    assert verdict.ok or verdict.reasons
    other = None if to is None else licences.parse(to)
    assert adaptation_licences([licences.parse(source)], other) == verdict


def test_a_choice_offers_what_any_of_its_licences_allows() -> None:
    verdict = can_remix("CC-BY-SA-4.0 OR ODbL-1.0", "CC0-1.0")
    assert {"CC-BY-SA-4.0", "ODbL-1.0"} <= set(verdict.allowed)
    refused = adaptation_licences(["CC-BY-SA-4.0 OR GPL-3.0-only"], "CC-BY-4.0")
    assert (refused.answer, codes(refused)) == ("no", {"SHAREALIKE_CONFLICT"})
    assert {"CC-BY-SA-4.0", "GPL-3.0-only"} <= set(refused.allowed)
    made = adaptation_licences(["CC-BY-SA-4.0 OR ODbL-1.0"], "CC-BY-4.0")
    assert (made.answer, codes(made)) == ("conditional", {"PRODUCED_WORK"})


def test_a_choice_is_made_once_for_all_that_holds_together() -> None:
    assert can_remix("CC-BY-SA-4.0 OR CC-BY-NC-4.0", "CC-BY-NC-SA-4.0").ok
    assert can_remix("CC-BY-SA-4.0 OR LAL-1.3", "CC-BY-NC-SA-4.0").answer == "no"


def test_collections_of_expressions() -> None:
    assert can_collect(["CC-BY-NC-4.0 OR CC-BY-SA-4.0"], commercial=True).ok
    assert can_collect(["CC-BY-NC-4.0 AND CC-BY-SA-4.0"], commercial=True).answer == "no"
    assert can_collect(["CC-BY-4.0 AND LicenseRef-Ours"]).answer == "unknown"
    assert can_collect(["CC-BY-4.0 OR LicenseRef-Ours"]).ok


def test_too_many_choices_are_not_looked_at() -> None:
    choice = " OR ".join(f"LicenseRef-{n}" for n in range(9))
    for verdict in (
        can_remix(choice, choice),
        can_collect([choice, choice]),
        adaptation_licences([choice] * 9, "CC0-1.0"),
    ):
        assert (verdict.answer, codes(verdict)) == ("unknown", {"TOO_MANY_CHOICES"})
    assert can_remix(choice).answer == "unknown"


def test_what_strangers_write_is_answered_soon() -> None:
    """An expression of two thousand characters, with as many choices as are allowed, on both sides."""
    ports = licences.ports()
    choice = " AND ".join(f"({a} OR {b})" for a, b in zip(ports[:6], ports[300:306], strict=True))
    many = " AND ".join(ports[100:180])
    for source, to in ((f"{choice} AND {many}", choice), (many, many), (choice, choice), (many, choice)):
        with ends(30):
            for verdict in (adaptation_licences([source], to), can_remix(source), can_collect([source])):
                assert len(verdict.reasons) <= 80


@pytest.mark.parametrize("text", ["CC-BY", "nonsense", "CC-BY-4.0 AND", "(CC0-1.0", "CC-BY-4.0 OR cc-by", ""])
def test_a_text_that_is_neither_id_nor_expression_is_unknown(text: str) -> None:
    for call in (lambda: can_remix(text), lambda: can_collect([text]), lambda: adaptation_licences(["CC0-1.0"], text)):
        with pytest.raises(licences.UnknownLicence):
            call()
