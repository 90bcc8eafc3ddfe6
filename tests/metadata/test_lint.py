"""The linter: each contradiction has its code, and words that contradict nothing have none."""

from __future__ import annotations

from typing import Any

import pytest

from commons.core.dataset.rights import Creator
from commons.core.dataset.rule import Rule
from commons.core.dataset.terms import Terms
from commons.metadata import licensing
from commons.metadata.lint import CODES, lint

OPEN, APPROVED = Rule(kind="acknowledge"), Rule(kind="approval")
OURS = "LicenseRef-Ours"


def terms(licence: str, **words: Any) -> Terms:
    said: dict[str, Any] = {
        "title": "Rivers", "creators": (Creator(name="Ana"),), "copyright": "© Ana", "credit_line": None,
        "source_url": "https://rivers.example", "updated": None, "labels": (), "origins": (), "changes": None,
        "conditions": None, "purposes": (), "grant_days": None,
    }  # fmt: skip
    return Terms(licence=licence, licences=licensing.described(licence, {OURS: "Ask first."}), **{**said, **words})


def codes(licence: str, rule: Rule = OPEN, description: str = "", **words: Any) -> set[str]:
    return {finding.code for finding in lint(terms(licence, **words), rule, description)}


@pytest.mark.parametrize("licence", ["CC-BY-4.0", "CC0-1.0", "CC-BY-SA-4.0", "ODbL-1.0", "PDDL-1.0", OURS])
def test_a_dataset_without_contradictions_has_no_warning(licence: str) -> None:
    assert codes(licence, description="Lengths of rivers, in km.") == set()


@pytest.mark.parametrize(
    "conditions",
    ["Do not redistribute.", "You may not share this with others", "must not be passed on", "No redistribution",
     "without redistribution", "Never re-share it", "confidential", "Ne pas redistribuer", "you shall not copy it",
     "Interdiction de partager"],
)  # fmt: skip
def test_a_condition_that_forbids_what_the_licence_allows(conditions: str) -> None:
    assert codes("CC-BY-4.0", conditions=conditions) == {"DOWNSTREAM_RESTRICTION"}
    assert codes(OURS, conditions=conditions) == set()


@pytest.mark.parametrize("conditions", ["Tell us what you find.", "Please share alike.", "Redistribute it widely!"])
def test_any_other_condition_beside_a_licence_binds_nobody(conditions: str) -> None:
    assert codes("CC-BY-4.0", conditions=conditions) == {"CONDITIONS_BESIDE_LICENCE"}


@pytest.mark.parametrize(
    ("description", "warned"),
    [
        ("Please remix and improve it.", True), ("Feel free to translate", True), ("Build on it!", True),
        ("Do not modify.", False), ("Never to be adapted", False), ("Lengths of rivers", False), ("", False),
    ],
)  # fmt: skip
def test_no_derivatives_with_derivatives_invited(description: str, warned: bool) -> None:
    assert ("ND_INVITES_DERIVATIVES" in codes("CC-BY-ND-4.0", description=description)) is warned
    assert "ND_INVITES_DERIVATIVES" not in codes("CC-BY-4.0", description=description)


def test_non_commercial_with_a_commercial_purpose_granted() -> None:
    assert "NC_GRANTS_COMMERCIAL" in codes("CC-BY-NC-4.0", purposes=("product", "research"))
    assert "NC_GRANTS_COMMERCIAL" not in codes("CC-BY-NC-4.0", purposes=("research",))
    assert "NC_GRANTS_COMMERCIAL" not in codes("CC-BY-4.0", purposes=("product",))


def test_a_governed_rule_on_a_licence_that_lets_copies_be_passed_on() -> None:
    found = lint(terms("CC-BY-4.0"), APPROVED)
    assert [(f.code, f.text) for f in found] == [
        ("GOVERNED_ACCESS", "the log counts first copies; CC BY 4.0 lets recipients pass them on")
    ]
    assert codes(OURS, APPROVED) == set()
    assert codes("CC-BY-4.0", Rule(kind="public")) == set()


def test_what_an_old_version_asks_to_be_kept() -> None:
    assert codes("CC-BY-3.0") == {"DB_RIGHTS_NOT_LICENSED"}
    bare = lint(terms("CC-BY-3.0", copyright=None, source_url=None), OPEN)
    assert {f.code: f.todo for f in bare}["INCOMPLETE_CREDIT"] == "add --copyright and --source-url"


@pytest.mark.parametrize(
    ("licence", "code"),
    [
        ("CC-BY-NC-4.0", "NC_ND_ON_DATA"), ("CC-BY-ND-4.0", "NC_ND_ON_DATA"), ("CC-PDM-1.0", "MARK_NOT_LICENCE"),
        ("CC-SA-1.0", "RETIRED"), ("CC-BY-2.0", "DB_RIGHTS_NOT_LICENSED"),
    ],
)  # fmt: skip
def test_what_a_licence_brings_with_it(licence: str, code: str) -> None:
    assert code in codes(licence)


def test_every_licence_of_an_expression_is_looked_at_and_codes_are_known() -> None:
    found = lint(terms("CC-BY-4.0 AND CC-BY-NC-4.0", conditions="Do not share.", purposes=("product",)), APPROVED)
    assert {f.code for f in found} == {
        "DOWNSTREAM_RESTRICTION", "NC_GRANTS_COMMERCIAL", "NC_ND_ON_DATA", "GOVERNED_ACCESS"
    }  # fmt: skip
    assert [list(CODES).index(f.code) for f in found] == sorted(list(CODES).index(f.code) for f in found)
    assert all(f.text and f.todo and str(f).count(f.code) == 1 for f in found)


@pytest.mark.parametrize(
    "text",
    ["© 2020 Ana. All Rights Reserved.", "all rights are reserved", "Tous droits réservés", "Alle Rechte vorbehalten.",
     "Todos los derechos reservados", "Todos os direitos reservados", "Tutti i diritti riservati",
     "No part of this dataset may be reproduced", "External-Description: Rivers. All\r\n  Rights Reserved",
     '{"rights": "Tous droits r\\u00e9serv\\u00e9s"}'],
)  # fmt: skip
def test_words_that_reserve_all_rights_beside_a_licence_that_gives_them(text: str) -> None:
    assert "RIGHTS_RESERVED" in codes("CC-BY-4.0", description=text)
    assert "RIGHTS_RESERVED" in codes("CC0-1.0", copyright=" ".join(text.split()))
    found = lint(terms("CC-BY-4.0"), OPEN, "", {"bag-info.txt": text})
    assert [each.text.partition(" reserves")[0] for each in found if each.code == "RIGHTS_RESERVED"] == ["bag-info.txt"]
    assert codes(OURS, description=text) == set()


@pytest.mark.parametrize(
    "text",
    ["Some rights reserved", "All rights to the river", "© 2020 Ana",
     "Copyright (c) 2020. All rights reserved. Redistribution and use in source and binary forms"],
)  # fmt: skip
def test_words_that_reserve_nothing(text: str) -> None:
    assert codes("CC-BY-4.0", description=text) == set()
