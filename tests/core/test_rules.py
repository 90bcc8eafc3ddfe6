"""Access rules: who gets which answer, and that whatever is not said is refused."""

from __future__ import annotations

import pytest

from commons.core.crypto import ids
from commons.core.dataset import rule as rules
from commons.core.dataset.rule import KINDS, Rule, Ruling
from commons.errors import Malformed, Refused

ALICE, BOB, EVE = sorted(ids.peer_id(bytes([n]) * 32) for n in (1, 2, 3))
LIST = Rule(kind="allow-list", peers=(ALICE, BOB))


@pytest.mark.parametrize(
    ("rule", "who", "outcome", "reason"),
    [
        (Rule(kind="acknowledge"), EVE, "grant", "acknowledged"),
        (Rule(kind="approval"), ALICE, "pending", "approval"),
        (Rule(kind="public"), ALICE, "refuse", "public"),
        (LIST, ALICE, "grant", "listed"),
        (LIST, BOB, "grant", "listed"),
        (LIST, EVE, "refuse", "not-listed"),
        (LIST, "", "refuse", "not-listed"),
        (LIST, ALICE[:-1], "refuse", "not-listed"),
    ],
)
def test_a_rule_answers_by_itself(rule: Rule, who: str, outcome: str, reason: str) -> None:
    assert rules.decide(rule, who, (), "research") == Ruling(outcome=outcome, reason=reason)  # type: ignore[arg-type]
    assert rules.decide(rule, who, ("policy", "research"), "research").outcome == outcome


@pytest.mark.parametrize("kind", KINDS)
def test_a_purpose_outside_the_terms_is_refused_under_every_rule(kind: str) -> None:
    rule = LIST if kind == "allow-list" else Rule(kind=kind)
    for purpose in ("product", "unstated", "", "Research", "resear"):
        assert rules.decide(rule, ALICE, ("research",), purpose) == Ruling(outcome="refuse", reason="purpose")


@pytest.mark.parametrize("kind", KINDS)
def test_a_verdict_is_one_that_a_decision_can_carry(kind: str) -> None:
    rule = LIST if kind == "allow-list" else Rule(kind=kind)
    verdict = rules.decide(rule, EVE, (), "research")
    assert verdict.outcome in ("grant", "refuse", "pending")
    assert 0 < len(verdict.reason) <= 64


@pytest.mark.parametrize(
    ("kind", "peers"),
    [
        ("", ()), ("everyone", ()), ("Public", ()), ("members", (ALICE,)), ("vote", (ALICE,)), ("public", (ALICE,)),
        ("acknowledge", (ALICE,)), ("approval", (ALICE,)), ("allow-list", ()), ("allow-list", (BOB, ALICE)),
        ("allow-list", (ALICE, ALICE)), ("allow-list", ("alice",)), ("allow-list", ("",)),
        ("allow-list", (ALICE + " ",)), ("allow-list", (ALICE, "é" * 10_000)), ("a\x1b[2J", ()),
    ],
)  # fmt: skip
def test_what_is_no_rule_cannot_be_held(kind: str, peers: tuple[str, ...]) -> None:
    with pytest.raises(Malformed) as caught:
        Rule(kind=kind, peers=peers)
    assert "\x1b" not in caught.value.message
    assert len(caught.value.message) < 200


@pytest.mark.parametrize(
    ("college", "in_them", "outcome"),
    [(None, ("users",), "grant"), (None, (), "refuse"), ("users", ("users",), "grant"),
     ("users", ("workers",), "refuse"), ("users", (), "refuse")],
)  # fmt: skip
def test_members_are_given_what_members_have(college: str | None, in_them: tuple[str, ...], outcome: str) -> None:
    rule = Rule(kind="members", college=college)
    assert rules.decide(rule, EVE, (), "research", in_them).outcome == outcome
    if outcome == "grant":
        rules.check_member(rule, in_them)
    else:
        with pytest.raises(Refused, match=f"for members{f' of {college}' if college else ''}, and you are none"):
            rules.check_member(rule, in_them)


@pytest.mark.parametrize(
    ("kind", "college"), [("approval", "users"), ("acknowledge", "x"), ("vote", ""), ("members", "m" * 33)]
)
def test_a_college_stands_where_it_means_something(kind: str, college: str) -> None:
    with pytest.raises(Malformed, match="college"):
        Rule(kind=kind, college=college)


def test_a_rule_is_told_in_a_word_and_how_many_it_names() -> None:
    assert [str(Rule(kind=kind)) for kind in KINDS if kind != "allow-list"] == list(KINDS[1:])
    assert str(Rule(kind="vote", college="ethics")) == "vote of ethics"
    assert str(LIST) == "allow-list (2 peers)"
