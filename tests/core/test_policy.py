"""Nested thresholds: C2SP's grammar and its refusals, and the evaluator against counting by hand."""

from __future__ import annotations

import itertools
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from commons.core.crypto import ids
from commons.core.crypto.keys import Signer
from commons.core.tlog import note, policy
from commons.core.tlog.note import Verifier
from commons.core.tlog.policy import Policy
from commons.errors import CommonsError, Malformed, TooLarge


def vkey(name: str, type: int = note.COSIGNATURE) -> str:
    return Verifier(name=name, type=type, public=Signer(name.ljust(32).encode()[:32]).public).vkey


def peer(name: str) -> str:
    return ids.peer_id(Signer(name.ljust(32).encode()[:32]).public)


TWO_LEVELS = f"""# two groups of witnesses
log {vkey("log.example", note.ED25519)} https://log.example/
witness X1 {vkey("x1")}
witness X2 {vkey("x2")}\thttps://x2.example/
witness X3 {vkey("x3")}

group X 2 X1 X2 X3
witness Y1 {vkey("y1")}
  witness Y2 {vkey("y2")}
group Y any Y1 Y2
group both all X Y
quorum both
"""
COLLEGES = "".join(f"member {name} {peer(name)}\n" for name in ("ana", "ben", "carla", "dora", "emil"))
DOUBLE = (
    COLLEGES + "group workers 2 ana ben carla\ngroup users any dora emil\ngroup each all workers users\nquorum each\n"
)


def test_the_grammar_of_the_specification_is_read() -> None:
    read = policy.parse(TWO_LEVELS)
    assert [(w.name, w.url) for w in read.witnesses][:2] == [("X1", None), ("X2", "https://x2.example/")]
    assert [(g.name, g.need, g.members) for g in read.groups] == [
        ("X", 2, ("X1", "X2", "X3")), ("Y", 1, ("Y1", "Y2")), ("both", 2, ("X", "Y"))
    ]  # fmt: skip
    assert (read.quorum, read.logs[0].key.name) == ("both", "log.example")
    assert policy.parse(str(read)) == read
    assert policy.parse("quorum none\n") == Policy()


def test_all_workers_and_no_user_is_not_enough() -> None:
    rule = policy.parse(DOUBLE)
    assert not rule.met({"ana", "ben", "carla"})
    assert not rule.met({"ana", "dora", "emil"})
    assert rule.met({"ana", "carla", "emil"})
    assert rule.missing({"ana", "ben", "carla"}) == "1 of (dora, emil)"
    assert rule.missing({"ana"}) == "1 of (ben, carla) and 1 of (dora, emil)"
    assert rule.missing(set()) == "2 of (ana, ben, carla) and 1 of (dora, emil)"
    assert rule.missing({"ana", "ben", "dora"}) == ""
    assert rule.leaves() == ("ana", "ben", "carla", "dora", "emil")


def test_a_crowd_is_counted_and_not_named() -> None:
    rule = policy.parse(COLLEGES + "group w 3 *workers:4\ngroup u any dora *users:2\ngroup each all w u\nquorum each\n")
    assert not rule.met({"dora"}, {"workers": 2})
    assert rule.met({"dora"}, {"workers": 3})
    assert rule.met((), {"workers": 9, "users": 1})
    assert rule.open({"dora"}, {"workers": 1, "users": 1})
    assert not rule.open({"dora"}, {"workers": 2})
    assert not rule.open({"dora"}, {"users": 2})
    assert rule.missing((), {"workers": 1}) == "2 of workers and 1 of (dora, users)"
    both = policy.parse(COLLEGES + "group u all dora *users:2\nquorum u\n")
    assert both.missing((), {"users": 2}) == "1 of dora"  # and not of users, who are all there
    assert (rule.crowds(), rule.leaves()) == ({"workers": 4, "users": 2}, ("dora",))
    assert policy.parse(str(rule)) == rule
    for bad in ("group w 5 *workers:4\nquorum w", "group w all *workers:0\nquorum w",
                "group w all *a:1\ngroup v all w *a:1\nquorum v"):  # fmt: skip
        with pytest.raises(Malformed):
            policy.parse(bad)


def test_a_decision_that_can_no_longer_be_reached_is_closed() -> None:
    rule = policy.parse(DOUBLE)
    assert rule.open(set())
    assert rule.open({"ana", "dora"})
    assert not rule.open({"ana", "ben"})
    assert not rule.open({"dora", "emil"})


def test_nobody_is_asked_where_the_quorum_is_none() -> None:
    nobody = policy.parse(COLLEGES + "quorum none")
    assert nobody.met(())
    assert nobody.open(["ana"])
    assert (nobody.missing(()), nobody.leaves()) == ("", ())


def test_one_name_alone_may_be_the_quorum_and_strangers_count_for_nothing() -> None:
    rule = policy.parse(COLLEGES + "quorum ana")
    assert rule.met(["ana"])
    assert not rule.met(["ben", "eve", ""])
    assert (rule.leaves(), rule.missing([])) == (("ana",), "ana")


W = f"witness a {vkey('a')}\nwitness b {vkey('b')}\n"


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "exactly one"), ("quorum none\nquorum none", "exactly one"), (W, "exactly one"),
        ("quorum a", "not defined"), (W + "group g 3 a b\nquorum g", "from 1 to 2"),
        (W + "group g 0 a b\nquorum g", "from 1 to 2"), (W + "group g 01 a b\nquorum g", "from 1 to 2"),
        (W + "group g +1 a b\nquorum g", "from 1 to 2"), (W + "group g ٢ a b\nquorum g", "from 1 to 2"),
        (W + "group g ALL a b\nquorum g", "from 1 to 2"), (W + "group g all\nquorum g", "not a line"),
        (W + "group g all a c\nquorum g", "'c' is not defined"),
        (W + "group g all a a\nquorum g", "in a group already"),
        (W + "group g all a\ngroup h all a b\nquorum h", "in a group already"),
        (W + "group g all g\nquorum g", "'g' is not defined"),
        (W + "group a all b\nquorum a", "'a' is taken"),
        (W + f"witness a {vkey('c')}\nquorum a", "'a' is taken"), (f"witness none {vkey('c')}\nquorum none", "taken"),
        (W + f"witness c {vkey('a')}\nquorum a", "twice"), ("witness a b\nquorum none", "not a verifier key"),
        ("witness a\nquorum none", "not a line"), (f"log {vkey('a')} x y\nquorum none", "not a line"),
        (f"witness c {vkey('c')} x y\nquorum none", "not a line"),
        ("member ana ana\nquorum none", "line 1"), ("quorum\n", "not a line"), ("quorum none extra", "not a line"),
        ("vote yes\nquorum none", "not a line"), (W + "group\u00a0g all a b\nquorum none", "not a line"),
    ],
)  # fmt: skip
def test_what_is_no_policy_is_refused_with_its_line(text: str, why: str) -> None:
    with pytest.raises(Malformed, match=why):
        policy.parse(text)


def test_a_policy_is_bounded() -> None:
    with pytest.raises(TooLarge):
        policy.parse("#" * (policy.LIMIT + 1))
    many = "".join(f"member m{n} {peer(str(n))}\n" for n in range(policy.MOST + 1))
    with pytest.raises(Malformed, match="more than 256"):
        policy.parse(many + "quorum none")
    deep = COLLEGES + "group g0 all ana\n" + "".join(f"group g{n} all g{n - 1}\n" for n in range(1, 17))
    with pytest.raises(Malformed, match="deep"):
        policy.parse(deep + "quorum none")
    last = "\nquorum none"
    assert policy.parse("#" * (policy.LIMIT - len(last)) + last) == Policy()
    assert len(policy.parse(many[: many.rindex("member")] + "quorum none").members) == policy.MOST
    assert len(policy.parse(deep[: deep.rindex("group")] + "quorum none").groups) == policy.DEPTH


@given(st.text(max_size=300))
def test_any_text_is_a_policy_or_an_error_of_ours(text: str) -> None:
    for given_text in (text, COLLEGES + text + "\nquorum none", f"group {text}\nquorum none"):
        with suppress(CommonsError):
            assert policy.parse(str(policy.parse(given_text))) == policy.parse(given_text)


NAMES = ("ana", "ben", "carla", "dora", "emil")


@st.composite
def policies(draw: st.DrawFn) -> Policy:
    """A random tree of groups over five people."""
    roots, lines = draw(st.permutations(NAMES)), []
    for number in itertools.count():
        size = draw(st.integers(1, len(roots)))
        taken, roots = roots[:size], roots[size:]
        lines.append(f"group g{number} {draw(st.integers(1, size))} {' '.join(taken)}")
        roots = [*roots, f"g{number}"]
        if len(roots) == 1 or number > 5:
            break
    return policy.parse(COLLEGES + "\n".join(lines) + f"\nquorum {roots[-1]}")


@given(policies(), st.sets(st.sampled_from(NAMES)), st.sampled_from(NAMES))
def test_more_people_never_undo_a_decision_and_what_is_missing_completes_it(
    rule: Policy, present: set[str], one: str
) -> None:
    assert rule.met(present) <= rule.met(present | {one})
    assert rule.met(present) == (rule.missing(present) == "")
    assert rule.open(present) == any(
        rule.met(some) for n in range(6) for some in itertools.combinations(set(NAMES) - present, n)
    )
    assert rule.met(NAMES)
    assert policy.parse(str(rule)) == rule
