"""One error for what several sources did: each is named, nothing that one proves is lost, nobody away is hidden."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from commons.core.crypto import ids
from commons.custody import client, successors
from commons.errors import (
    CommonsError,
    Gone,
    Malformed,
    NotFound,
    Pending,
    Refused,
    SplitView,
    StorageFailed,
    TimedOut,
    TooMany,
    Unreachable,
    Untrue,
)
from commons.net import network

A, B = ids.peer_id(bytes(32)), ids.peer_id(bytes([1]) * 32)
ANA, ANA_AT_HOME = f"/ip4/1.2.3.4/tcp/1/p2p/{A}", f"/ip4/10.0.0.1/tcp/1/p2p/{A}"
BEN, DOOR = f"/ip4/1.2.3.5/tcp/1/p2p/{B}", "http://a.example"
HEADS = ("one head", "another head")


async def asked(told: Mapping[str, CommonsError]) -> CommonsError:
    async def ask(source: str) -> None:
        raise told[source]

    with pytest.raises(CommonsError) as caught:
        await network.first([*told], "the thing", ask)
    return caught.value


AWAY, SLOW, NONE = Unreachable("nobody is there"), TimedOut("it stalled"), NotFound("it has none")


@pytest.mark.parametrize(
    ("told", "kind"),
    [({ANA: AWAY, BEN: NONE}, Unreachable), ({ANA: NONE, BEN: AWAY}, Unreachable),
     ({ANA: SLOW, DOOR: NONE}, Unreachable),
     ({ANA: NONE, BEN: NONE}, NotFound), ({ANA: AWAY, BEN: SLOW}, Unreachable), ({ANA: SLOW, BEN: SLOW}, TimedOut),
     ({ANA: AWAY, ANA_AT_HOME: NONE}, NotFound),  # it is one peer, and it was asked
     ({ANA: AWAY, ANA_AT_HOME: NONE, BEN: AWAY}, Unreachable),
     ({ANA: AWAY, ANA_AT_HOME: Refused("no")}, Refused), ({ANA: Gone("it was"), BEN: NONE, DOOR: AWAY}, Gone),
     ({ANA: Pending("wait"), BEN: AWAY}, Pending), ({ANA: Pending("wait"), BEN: Refused("no")}, Unreachable),
     ({ANA: Untrue("a lie"), BEN: AWAY, DOOR: NONE}, Untrue), ({ANA: Untrue("a lie"), BEN: Refused("no")}, Untrue),
     ({ANA: TooMany("later"), BEN: NONE}, TooMany), ({ANA: Malformed("what"), BEN: AWAY}, Malformed)],
)  # fmt: skip
async def test_each_source_is_named_with_what_it_did(told: dict[str, CommonsError], kind: type[CommonsError]) -> None:
    error = await asked(told)
    assert type(error) is kind
    for source, each in told.items():
        assert f"{source}: {each.message}" in error.message


@pytest.mark.parametrize("proof", [SplitView, Unreachable, Untrue])
async def test_evidence_survives_whatever_the_others_said(proof: type[CommonsError]) -> None:
    shown = proof("two heads", evidence=HEADS)
    for other in (AWAY, SLOW, NONE, Refused("no"), Pending("wait"), Untrue("a lie")):
        for told in ({ANA: shown, BEN: other}, {BEN: other, ANA: shown}, {ANA: shown}):
            assert (await asked(told)).evidence == HEADS
            assert network.sum_up("the thing", [*told.items()]).evidence == HEADS
            assert client._lacking("too few:", dict(told)).evidence == HEADS
        with pytest.raises(CommonsError) as caught, successors.after(shown):
            raise other
        assert isinstance(caught.value, Pending) or caught.value.evidence == HEADS
        if not isinstance(other, Pending):
            with pytest.raises(CommonsError) as caught, successors.after(other):
                raise shown
            assert caught.value.evidence == HEADS


def test_what_proves_two_histories_goes_before_what_only_looks_like_it() -> None:
    seeming = Unreachable("an old copy, perhaps", evidence=("old", "new"))
    proven = SplitView("two histories", evidence=HEADS)
    error = network.sum_up("the thing", [(ANA, seeming), (BEN, proven), (DOOR, AWAY)])
    assert (type(error), error.evidence) == (SplitView, HEADS)


@pytest.mark.parametrize("kind", [SplitView, StorageFailed])
async def test_what_no_other_source_can_mend_is_told_at_once(kind: type[CommonsError]) -> None:
    tried = list[str]()

    async def ask(source: str) -> None:
        tried.append(source)
        raise kind("found here")

    with pytest.raises(kind):
        await network.first([ANA, BEN], "the thing", ask)
    assert tried == [ANA]


async def test_where_nobody_is_known_it_says_how_to_name_somebody() -> None:
    assert "--from ADDRESS" in (await asked({})).hint
