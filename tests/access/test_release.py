"""Released keys and epochs: sealed for one grant, and a newer secret opens the older ones and never the reverse."""

from __future__ import annotations

import pytest

from commons.access import release
from commons.access.release import Bound
from commons.core.crypto import codec, hpke
from commons.errors import Untrue
from tests.vectors.generate import BOB, BOUND, COMMONS, DATASET, SERIES, salt

SEED, SECRETS = salt(50), [salt(60 + n) for n in range(5)]
TO = hpke.public_of(SEED)
UNLOCKS = tuple(release.lock(SECRETS[n + 1], SECRETS[n], SERIES, n) for n in range(4))


def test_a_key_is_bound_to_its_grant_in_the_words_of_the_protocol() -> None:
    fields = (
        b"\x87\xa4type\xb2commons/release/v1\xa7commons\xd9\x3b" + COMMONS.encode() + b"\xa7dataset\xd9\x3b"
        + DATASET.encode() + b"\xa5epoch\x01\xa9requester\xd9\x34" + BOB.peer.encode()
        + b"\xa7request\x02\xa8decision\x03"
    )  # fmt: skip
    assert codec.encode(BOUND) == fields


def test_two_seals_of_one_secret_have_nothing_in_common() -> None:
    one, other = release.seal(SECRETS[0], TO, BOUND), release.seal(SECRETS[0], TO, BOUND)
    assert (len(one), len(other)) == (80, 80)
    assert one[:32] != other[:32]
    assert one[32:] != other[32:]
    assert release.open(one, SEED, BOUND) == release.open(other, SEED, BOUND) == SECRETS[0]


@pytest.mark.parametrize("size", [0, 16, 31, 33, 64])
def test_a_secret_of_another_length_is_no_secret(size: int) -> None:
    with pytest.raises(Untrue, match="length"):
        release.open(release.seal(bytes(size), TO, BOUND), SEED, BOUND)


def test_what_is_cut_from_two_seals_opens_nothing() -> None:
    one, other = release.seal(SECRETS[0], TO, BOUND), release.seal(SECRETS[1], TO, BOUND)
    for wrong in (one[:32] + other[32:], one[:-1], one + b"\0", one[32:], b"", bytes(80)):
        with pytest.raises(Untrue):
            release.open(wrong, SEED, BOUND)


def test_a_grant_of_another_type_opens_nothing() -> None:
    named = Bound(
        type="commons/release/v2", commons=COMMONS, dataset=DATASET, epoch=1, requester=BOB.peer, request=2, decision=3
    )
    with pytest.raises(Untrue):
        release.open(release.seal(SECRETS[0], TO, named), SEED, BOUND)


def test_a_secret_opens_every_older_epoch() -> None:
    for epoch in range(5):
        found = release.chain(SECRETS[epoch], epoch, UNLOCKS[:epoch], SERIES)
        assert found == dict(enumerate(SECRETS[: epoch + 1]))


def test_a_secret_opens_no_newer_epoch() -> None:
    for older in range(4):
        with pytest.raises(Untrue):
            release.chain(SECRETS[older], 4, UNLOCKS, SERIES)
        with pytest.raises(Untrue):
            release.unlock(SECRETS[older], UNLOCKS[older], SERIES, older)


@pytest.mark.parametrize("at", range(4))
def test_one_false_unlock_is_found_and_named(at: int) -> None:
    for lie in (bytes(48), UNLOCKS[at - 1], release.lock(SECRETS[at + 1], SECRETS[at], SERIES, at + 1),
                release.lock(SECRETS[at + 1], SECRETS[at], bytes(16), at), UNLOCKS[at][:-1], b""):  # fmt: skip
        with pytest.raises(Untrue, match=f"epoch {at}"):
            release.chain(SECRETS[4], 4, (*UNLOCKS[:at], lie, *UNLOCKS[at + 1 :]), SERIES)


def test_a_thousand_epochs_are_opened_soon() -> None:
    secrets = [n.to_bytes(32, "big") for n in range(1001)]
    unlocks = tuple(release.lock(secrets[n + 1], secrets[n], SERIES, n) for n in range(1000))
    assert release.chain(secrets[1000], 1000, unlocks, SERIES)[0] == secrets[0]
