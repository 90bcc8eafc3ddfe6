"""Token buckets: what passes, when more does, and that neither keys nor clocks of strangers cost us anything."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from commons.net import limits
from commons.net.limits import Buckets


def test_a_burst_passes_and_the_next_one_waits() -> None:
    buckets = Buckets(rate=0.5, burst=3)
    assert [buckets.take("a", 100.0) for _ in range(3)] == [0.0, 0.0, 0.0]
    assert buckets.take("a", 100.0) == 2.0
    assert buckets.denied == 1


def test_after_the_time_told_one_passes_and_no_more() -> None:
    buckets = Buckets(rate=0.5, burst=1)
    buckets.take("a", 0.0)
    wait = buckets.take("a", 0.5)
    assert wait == 1.5
    assert buckets.take("a", 0.5 + wait) == 0.0
    assert buckets.take("a", 0.5 + wait) == 2.0


def test_a_bucket_never_holds_more_than_its_burst() -> None:
    buckets = Buckets(rate=10, burst=2)
    buckets.take("a", 0.0)
    assert [buckets.take("a", 1e9) > 0 for _ in range(4)] == [False, False, True, True]


def test_one_key_costs_another_nothing() -> None:
    buckets = Buckets(rate=1, burst=1)
    buckets.take("a", 0.0)
    assert buckets.take("a", 0.0) > 0
    assert buckets.take("b", 0.0) == 0.0
    assert buckets.take("", 0.0) == 0.0


def test_asking_again_while_refused_does_not_put_the_end_off() -> None:
    buckets = Buckets(rate=1, burst=1)
    buckets.take("a", 0.0)
    for tenth in range(1, 10):
        assert buckets.take("a", tenth / 10) == pytest.approx(1 - tenth / 10)
    assert buckets.take("a", 1.0001) == 0.0
    assert buckets.denied == 9


def test_a_clock_that_goes_back_gives_nothing_and_takes_nothing() -> None:
    buckets = Buckets(rate=1, burst=2)
    buckets.take("a", 1000.0)
    assert buckets.take("a", 10.0) == 0.0
    assert buckets.take("a", 10.0) == 1.0
    assert buckets.take("a", 11.0) == 0.0  # counts from the clock as it is now, not from the time it once told


def test_a_clock_swung_to_and_fro_fills_no_bucket_faster_than_its_steps_forward() -> None:
    buckets = Buckets(rate=1, burst=1)
    buckets.take("a", 100.0)
    passed = sum(buckets.take("a", 100.0 - 0.25 * (n % 2)) == 0.0 for n in range(16))
    assert passed <= 2


def test_memory_is_bounded_and_the_least_recently_used_is_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "KEYS", 3)
    buckets = Buckets(rate=0.001, burst=1)
    for key in "abca":  # `a` is used again, so that `b` is the oldest
        buckets.take(key, 0.0)
    buckets.take("d", 0.0)
    assert len(buckets._buckets) == 3
    assert [buckets.take(key, 0.0) == 0.0 for key in "acd"] == [False, False, False]
    assert buckets.take("b", 0.0) == 0.0


def test_a_flood_of_keys_stays_in_the_bound() -> None:
    buckets = Buckets(rate=1, burst=1)
    for n in range(limits.KEYS + 500):
        buckets.take(str(n), 0.0)
    assert len(buckets._buckets) == limits.KEYS
    assert buckets.denied == 0


@given(
    st.floats(0.01, 100), st.integers(1, 50), st.lists(st.floats(0, 10, allow_nan=False), min_size=1, max_size=60)
)  # fmt: skip
def test_never_more_pass_than_burst_and_time_allow(rate: float, burst: int, steps: list[float]) -> None:
    buckets, now, passed = Buckets(rate=rate, burst=burst), 0.0, 0
    for step in steps:
        now += step
        wait = buckets.take("a", now)
        assert 0.0 <= wait <= 1 / rate + 1e-6
        passed += wait == 0.0
    assert passed <= burst + now * rate + 1e-6
    assert passed + buckets.denied == len(steps)
