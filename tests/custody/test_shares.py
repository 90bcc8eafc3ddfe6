"""Shares: what meets the policy gives the secret, what does not leaves every secret possible, and liars are named."""

from __future__ import annotations

import os
from collections.abc import Mapping

import pytest
from Crypto.Protocol.SecretSharing import Shamir
from hypothesis import assume, given
from hypothesis import strategies as st

from commons.core.tlog import policy
from commons.core.tlog.policy import Policy
from commons.custody import shares
from commons.custody.shares import commitment, join, merge, split
from commons.errors import Malformed, Refused, Untrue
from tests.core.test_policy import COLLEGES, NAMES, W, peer, policies

SECRET = bytes(range(32))
MARK = commitment(SECRET, "secret")
THREE = policy.parse(COLLEGES + "group g 3 ana ben carla dora emil\nquorum g")


def some(of: Mapping[str, bytes], *names: str) -> dict[str, bytes]:
    return {name: of[name] for name in names}


@given(policies(), st.binary(min_size=32, max_size=32), st.sets(st.sampled_from(NAMES)))
def test_whoever_meets_the_policy_has_the_secret_and_nobody_else(
    rule: Policy, secret: bytes, present: set[str]
) -> None:
    parts = split(secret, rule, os.urandom)
    assert set(parts) == set(rule.leaves())
    assert all(len(part) == 32 for part in parts.values())
    theirs = {name: part for name, part in parts.items() if name in present}
    if rule.met(present):
        assert join(theirs, rule) == secret
    else:
        with pytest.raises(Refused, match="still to come"):
            join(theirs, rule)


def point(known: list[tuple[int, bytes]], at: int) -> bytes:
    """The value at `at` of the one polynomial through these points, as shares are: two halves. Moved by XOR so that
    `at` becomes 0, which is where pycryptodome reads a polynomial."""
    halves = [[(x ^ at, y[n : n + 16]) for x, y in known] for n in (0, 16)]
    return b"".join(Shamir.combine(half, ssss=False) for half in halves)


def imagine(rule: Policy, name: str, secret: bytes, known: Mapping[str, bytes]) -> dict[str, bytes]:
    """Shares for everybody below `name` that agree with the `known` ones, which do not suffice, and give `secret`."""
    group = next((group for group in rule.groups if group.name == name), None)
    if group is None:
        return {name: secret}
    fixed = {n: shares._join(rule, member, known) for n, member in enumerate(group.members, 1)}
    there = [(n, value) for n, value in fixed.items() if value is not None]
    free = [n for n, value in fixed.items() if value is None]
    made: dict[int, bytes] = {}
    if group.need == 1:
        made = dict.fromkeys(free, secret)
    elif group.need == len(group.members):
        made = {n: os.urandom(32) for n in free[1:]}
        made[free[0]] = merge([secret, *made.values(), *(value for _, value in there)])
    else:
        points = [(0, secret), *there]
        for n in free:
            made[n] = os.urandom(32) if len(points) < group.need else point(points, n)
            if len(points) < group.need:
                points.append((n, made[n]))
    result = {}
    for n, member in enumerate(group.members, 1):
        below = policy.Policy(members=rule.members, groups=rule.groups, quorum=member).leaves()
        if n in made:
            result.update(imagine(rule, member, made[n], known))
        else:
            result.update({each: known[each] for each in below if each in known})
    return result


@given(policies(), st.sets(st.sampled_from(NAMES)), st.binary(min_size=32, max_size=32))
def test_too_few_shares_leave_every_secret_as_possible_as_before(
    rule: Policy, present: set[str], any_secret: bytes
) -> None:
    assume(not rule.met(present))
    parts = split(SECRET, rule, os.urandom)
    theirs = {name: part for name, part in parts.items() if name in present}
    world = imagine(rule, rule.quorum or "", any_secret, theirs)
    assert {name: world[name] for name in theirs} == theirs
    assert join(world, rule) == any_secret


def test_k_minus_one_colluding_custodians_fit_every_secret() -> None:
    parts = split(SECRET, THREE, os.urandom)
    two = [(1, parts["ana"]), (4, parts["dora"])]
    for secret in (bytes(32), b"\xff" * 32, os.urandom(32)):
        assert join({**some(parts, "ana", "dora"), "emil": point([(0, secret), *two], 5)}, THREE) == secret


def test_shares_of_one_secret_have_nothing_in_common() -> None:
    one, other = split(SECRET, THREE, os.urandom), split(SECRET, THREE, os.urandom)
    assert len({*one.values(), *other.values(), SECRET}) == 11


@pytest.mark.parametrize("names", [("ana", "ben", "carla"), ("emil", "carla", "ana"), ("ben", "dora", "emil")])
def test_shares_of_two_splits_do_not_mix(names: tuple[str, str, str]) -> None:
    one, other = split(SECRET, THREE, os.urandom), split(SECRET, THREE, os.urandom)
    assert join({**some(one, *names[:2]), **some(other, names[2])}, THREE) != SECRET


def test_the_first_shares_that_suffice_count_and_no_later_ones() -> None:
    for need in range(1, 5):
        rule = policy.parse(COLLEGES + f"group g {need} ana ben carla dora emil\nquorum g")
        parts = split(SECRET, rule, os.urandom)
        for place, name in enumerate(parts):
            assert (join({**parts, name: bytes(32)}, rule) == SECRET) == (place >= need)


@pytest.mark.parametrize("wrong", [b"", bytes(31), bytes(33), bytes(64)])
def test_what_is_no_share_is_refused_by_its_holders_name(wrong: bytes) -> None:
    parts = split(SECRET, THREE, os.urandom)
    with pytest.raises(Untrue, match="ben"):
        join({**parts, "ben": wrong}, THREE)
    with pytest.raises(Untrue, match="mallory"):
        join({**parts, "mallory": bytes(32)}, THREE)


def test_a_secret_of_another_length_is_not_split() -> None:
    with pytest.raises(ValueError, match="32"):
        split(bytes(16), THREE, os.urandom)


@pytest.mark.parametrize(
    "text",
    [
        COLLEGES + "quorum none",
        W + "quorum a",
        COLLEGES + "group g 2 ana *users:5\nquorum g",
        f"member a {peer('a')}\nmember b {peer('a')}\ngroup g all a b\nquorum g",
    ],
)
def test_custody_needs_custodians_each_of_them_once(text: str) -> None:
    with pytest.raises(Malformed):
        split(SECRET, policy.parse(text), os.urandom)


# -- wrong shares ---------------------------------------------------------------------------------------------------


@given(policies(), st.sampled_from(NAMES), st.integers(0, 255))
def test_a_wrong_share_gives_another_secret_which_the_commitment_shows(rule: Policy, liar: str, bit: int) -> None:
    parts = split(SECRET, rule, os.urandom)
    assume(liar in parts)
    wrong = bytearray(parts[liar])
    wrong[bit // 8] ^= 1 << bit % 8
    told = {**parts, liar: bytes(wrong)}
    assert shares.commitment(bytes(wrong), "share") != shares.commitment(parts[liar], "share")
    joined = join(told, rule)
    assert (commitment(joined, "secret") == MARK) == (joined == SECRET)
    if not rule.met([name for name in parts if name != liar]):  # then it was needed
        assert joined != SECRET


def test_a_commitment_says_what_it_is_of() -> None:
    assert len({commitment(SECRET, "secret"), commitment(SECRET, "share"), SECRET}) == 3
