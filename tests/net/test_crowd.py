"""Who gets a place where there are no more, told without a socket; and how many places there are."""

from __future__ import annotations

import resource
import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from commons.net.crowd import FRESH, Crowd, source
from commons.net.descriptors import KEPT, Places, lift, limit
from tests.conftest import LIMIT


class Guest:
    def __init__(self, source: str, since: float = 0.0, busy: bool = False) -> None:
        self.source, self.since, self.busy, self.gone = source, since, busy, False

    def leave(self) -> None:
        self.gone = True


def room(*guests: Guest, places: int = 16) -> Crowd:
    made = Crowd(places)
    for guest in guests:
        made.enter(guest, 100.0)
    return made


def test_whoever_comes_is_let_in_and_there_are_never_more_than_places() -> None:
    made = room()
    for n in range(1000):
        guest = Guest(f"10.0.{n % 3}.{n % 250}", since=100.0 + n)
        made.enter(guest, 100.0 + n)
        assert not guest.gone
        assert len(made) <= 16


def test_a_source_that_holds_more_than_its_share_goes_first_whatever_it_does() -> None:
    greedy = [Guest("10.0.0.1", since=99.0, busy=True) for _ in range(12)]
    others = [Guest(f"10.0.0.{n}") for n in range(2, 6)]
    made = room(*greedy, *others)
    for n in range(6):
        made.enter(Guest(f"10.0.1.{n}", since=100.0), 100.0)
    assert sum(guest.gone for guest in greedy) == 6
    assert not any(guest.gone for guest in others)


def test_minted_keys_of_one_address_do_not_drive_out_who_has_few() -> None:
    friend = Guest("10.9.9.9", since=1.0)
    made = room(friend)
    for n in range(500):
        made.enter(Guest("10.0.0.1", since=200.0 + n), 200.0 + n)
    assert not friend.gone


def test_among_equals_who_waits_for_nothing_goes_first_and_then_who_was_served_longest_ago() -> None:
    idle, working, older = Guest("a", since=5.0), Guest("b", busy=True), Guest("c", since=1.0)
    made = room(idle, working, older, places=3)
    made.enter(Guest("d", since=100.0), 100.0)
    assert (idle.gone, working.gone, older.gone) == (False, False, True)
    made.enter(Guest("e", since=100.0), 100.0)
    assert (idle.gone, working.gone) == (True, False)


def test_a_newcomer_has_a_moment_to_say_what_they_want() -> None:
    slow = [Guest("a", since=1.0, busy=True) for _ in range(4)]
    newcomer = Guest("a", since=100.0)
    made = room(*slow[:3], newcomer, places=4)
    made.enter(Guest("a", since=100.5), 100.0 + FRESH / 2)
    assert not newcomer.gone
    assert any(guest.gone for guest in slow)


@given(st.lists(st.tuples(st.sampled_from("abc"), st.booleans(), st.booleans()), max_size=80), st.integers(1, 20))
def test_the_count_of_each_source_is_that_of_its_guests(steps: list[tuple[str, bool, bool]], places: int) -> None:
    made, inside = Crowd(places), list[Guest]()
    for n, (name, busy, leaves) in enumerate(steps):
        if leaves and inside:
            guest = inside[n % len(inside)]
            made.left(guest)
            made.left(guest)  # who was sent away says so again
            guest.gone = True
        else:
            guest = Guest(name, float(n), busy)
            made.enter(guest, float(n))
            inside.append(guest)
        inside = [guest for guest in inside if not guest.gone]
        assert len(made) == len(inside) <= places
        assert sum(made._sources.values()) == len(inside)


@pytest.mark.parametrize(
    ("address", "told"),
    [
        (("192.0.2.7", 4001), "192.0.2.7"), (("::ffff:192.0.2.7", 4001, 0, 0), "192.0.2.7"),
        (("2001:db8:1:2:3:4:5:6", 1, 0, 0), "2001:db8:1:2::/64"), (("2001:db8:1:2::1", 1, 0, 0), "2001:db8:1:2::/64"),
        (("fe80::1%eth0", 1, 0, 2), "fe80::/64"), ("", ""), (None, ""), ((), ""), (("nonsense", 1), ""),
    ],
)  # fmt: skip
def test_an_ipv4_address_and_an_ipv6_network_are_one_source(address: object, told: str) -> None:
    assert source(address) == told  # type: ignore[arg-type]


@pytest.mark.parametrize("most", [256, 1024, 4096, 20_000, 1 << 20])
def test_strangers_together_leave_the_home_its_descriptors(most: int) -> None:
    places = Places.within(most)
    assert places.connections + 3 * places.streams + 2 * places.plain <= most - KEPT
    assert min(places.connections, places.streams, places.plain) >= 4
    assert places == Places() or most < 4096


def test_two_hundred_peers_keep_their_connections_where_there_are_a_thousand_descriptors() -> None:
    """With a third as many, each that came back drove out another in the middle of its handshake."""
    assert Places.within(1024).connections >= 200


def test_a_process_takes_all_the_descriptors_that_the_system_allows_it() -> None:
    code = (
        "import resource, sys; from commons.net import descriptors\n"
        "resource.setrlimit(resource.RLIMIT_NOFILE, (300, 700))\n"
        "descriptors.lift(); print(descriptors.limit(), *resource.getrlimit(resource.RLIMIT_NOFILE))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=LIMIT)
    assert done.stdout.split() == ["700", "700", "700"]
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    lift()
    assert limit() >= before[0]
