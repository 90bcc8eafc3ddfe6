"""Shares on their way: to the custodian they are for and to nobody else, and on to the requester of one grant."""

from __future__ import annotations

import os
from dataclasses import replace
from typing import Any

import msgpack
import pytest

from commons.core.crypto import codec, envelope, hpke
from commons.core.crypto.envelope import Opened
from commons.core.dataset.rule import Rule
from commons.core.state import entries
from commons.core.state.entries import Asked
from commons.custody import handover, shares
from commons.custody import sharing as custody
from commons.custody.handover import Part, Released
from commons.custody.sharing import Deposit, Sharing, VerifiedDeposit
from commons.errors import CommonsError, Malformed, Untrue
from tests.keeper import ALICE, BOB, EVE, KEEPERS, SERIES, TERMS, Keeper, custodians

SECRET = bytes(range(32))
RULE = custodians(3, 2)
ACCESS = Rule(kind="acknowledge")
WORLD = Keeper()
DATASET = WORLD.publish()
SAID = WORLD.ask(BOB, DATASET)
GRANT = WORLD.decide()
SHARING, DEPOSITS = WORLD.deposit(SECRET, RULE, os.urandom)
OPENED = custody.open_sharing(SHARING)
SEED = BOB.hpke_seed(SAID.value.nonce)


def taken(n: int = 0) -> VerifiedDeposit:
    return custody.take(DEPOSITS[f"c{n}"], KEEPERS[n].identity.peer, KEEPERS[n].custody())


def given(n: int = 0, said: Opened[Asked] = SAID, **words: Any) -> bytes:
    said_words = {"request": 2, "decision": GRANT, "shown": WORLD.head(), "head": WORLD.head(), "time": WORLD.clock}
    return handover.release(taken(n), said, KEEPERS[n].identity, **{**said_words, **words})


def received(data: bytes, n: int = 0, sharing: Opened[Sharing] = OPENED, said: Opened[Asked] = SAID) -> bytes:
    part = Part(released=data, below=())
    return handover.receive(part, KEEPERS[n].identity.peer, sharing, said, 2, GRANT, SEED).share


def signed_anew(data: bytes, keys: Any, **lies: Any) -> bytes:
    value = handover.open_released(data).value
    return envelope.sign(handover.RELEASED, replace(value, **lies), keys.identity)


def test_a_secret_goes_from_publisher_by_custodians_to_requester() -> None:
    parts = {f"c{n}": received(given(n), n) for n in (0, 2)}
    assert shares.join(parts, RULE) == SECRET
    assert shares.commitment(SECRET, "secret") == OPENED.value.mark


def test_a_sharing_is_of_one_epoch_one_publisher_and_one_rule() -> None:
    right = (ALICE.identity.peer, WORLD.commons, SERIES, 0, TERMS, ACCESS)
    custody.check_sharing(OPENED, *right)
    for at, wrong in enumerate((EVE.identity.peer, DATASET, bytes(16), 1, bytes(32), Rule(kind="approval"))):
        with pytest.raises(Untrue):
            custody.check_sharing(OPENED, *right[:at], wrong, *right[at + 1 :])  # type: ignore[arg-type]


# -- custody keys -----------------------------------------------------------------------------------------------------


def test_a_custody_key_is_its_peers_own_word_for_one_commons() -> None:
    key = hpke.public_of(KEEPERS[0].custody())
    peer = KEEPERS[0].identity.peer
    data = custody.announce(WORLD.commons, key, KEEPERS[0].identity)
    assert custody.open_key(data, WORLD.commons, peer).value.hpke == key
    for wrong in ((DATASET, peer), (WORLD.commons, EVE.identity.peer)):
        with pytest.raises(Untrue):
            custody.open_key(data, *wrong)
    claims = custody.CustodyKey(commons=WORLD.commons, peer=peer, hpke=hpke.public_of(EVE.custody()))
    with pytest.raises(Untrue):  # somebody else's key under the custodian's name
        custody.open_key(envelope.sign(custody.CUSTODY_KEY, claims, EVE.identity), WORLD.commons, peer)
    with pytest.raises(Malformed):
        custody.CustodyKey(commons=WORLD.commons, peer=peer, hpke=key[1:])


def test_the_custody_key_serves_nothing_else() -> None:
    keys = KEEPERS[0]
    assert len({keys.custody(), keys.identity_seed, keys.log(0), keys.local("custody"), keys.hpke_seed(bytes(32))}) == 5


def test_nobody_is_left_out_and_nobody_is_mistaken() -> None:
    keys = dict(WORLD.keys(RULE))
    words: dict[str, Any] = {"commons": WORLD.commons, "series": SERIES, "epoch": 0, "bound": bytes(32), "rule": RULE}
    for wrong in ({**keys, "c1": keys["c0"]}, {name: keys[name] for name in ("c0", "c1")}):
        with pytest.raises(Malformed, match="custodian c"):
            custody.deposit(SECRET, wrong, ALICE.identity, os.urandom, **words)
    weak = replace(keys["c0"].value, hpke=bytes(32))
    with pytest.raises(Malformed, match="cannot be used"):
        custody.deposit(
            SECRET, {**keys, "c0": replace(keys["c0"], value=weak)}, ALICE.identity, os.urandom, **words
        )  # fmt: skip


# -- deposits ---------------------------------------------------------------------------------------------------------


def test_a_deposit_is_for_one_custodian() -> None:
    for n, data in ((1, DEPOSITS["c0"]), (0, DEPOSITS["c1"])):
        with pytest.raises(Untrue):
            custody.take(data, KEEPERS[n].identity.peer, KEEPERS[n].custody())
    with pytest.raises(Untrue):
        custody.take(DEPOSITS["c0"], KEEPERS[0].identity.peer, KEEPERS[1].custody())


def test_a_deposit_is_by_who_signed_the_sharing_and_holds_the_share_it_commits_to() -> None:
    bare = envelope.open(custody.DEPOSIT, Deposit, DEPOSITS["c0"]).value
    other, others = WORLD.deposit(SECRET, RULE, os.urandom)
    elsewhere = envelope.open(custody.DEPOSIT, Deposit, others["c0"]).value
    lies = [
        (envelope.sign(custody.DEPOSIT, bare, EVE.identity), "somebody else"),
        (envelope.sign(custody.DEPOSIT, replace(bare, sharing=other), ALICE.identity), "not sealed"),
        (envelope.sign(custody.DEPOSIT, replace(bare, sealed=elsewhere.sealed), ALICE.identity), "not sealed"),
        (envelope.sign(custody.DEPOSIT, replace(bare, sealed=bare.sealed[1:]), ALICE.identity), "80 bytes"),
        (envelope.sign(custody.DEPOSIT, replace(bare, name="c1"), ALICE.identity), "somebody else"),
    ]
    for data, why in lies:
        with pytest.raises(Untrue, match=why):
            custody.take(data, KEEPERS[0].identity.peer, KEEPERS[0].custody())


def test_a_publisher_cannot_give_another_share_than_it_committed_to() -> None:
    info = custody._Placed(sharing=custody.digest(OPENED), name="c0", custodian=KEEPERS[0].identity.peer)
    sealed = custody.seal(os.urandom(32), hpke.public_of(KEEPERS[0].custody()), info)
    bare = Deposit(above=(), sharing=SHARING, name="c0", sealed=sealed)
    with pytest.raises(Untrue, match="not the one"):
        custody.take(
            envelope.sign(custody.DEPOSIT, bare, ALICE.identity), KEEPERS[0].identity.peer, KEEPERS[0].custody()
        )


@pytest.mark.parametrize(
    "lies",
    [
        {"series": bytes(15)}, {"bound": bytes(31)}, {"mark": b""}, {"epoch": -1}, {"generation": -1},
        {"policy": str(custodians(4, 2))}, {"policy": OPENED.value.policy + "\n"}, {"policy": "quorum none\n"},
        {"shares": ()}, {"shares": OPENED.value.shares[::-1]}, {"shares": OPENED.value.shares[:2]},
        {"shares": (*OPENED.value.shares[:2], replace(OPENED.value.shares[2], mark=b""))}, {"commons": "b"},
        {"parent": bytes(32)}, {"part": "c0"}, {"parent": bytes(31), "part": "c0"},
    ],
)  # fmt: skip
def test_a_sharing_that_contradicts_itself_is_refused(lies: dict[str, Any]) -> None:
    with pytest.raises(Malformed):
        replace(OPENED.value, **lies)


def test_a_sharing_among_sixty_four_fits_into_a_message() -> None:
    _, deposits = WORLD.deposit(SECRET, custodians(64, 33), os.urandom)
    assert all(len(data) < custody.LIMIT // 5 for data in deposits.values())


# -- custodians who go ------------------------------------------------------------------------------------------------

NEXT = custodians(5, 3)
KEYS = WORLD.keys(NEXT)


def passed(n: int, **lies: Any) -> tuple[bytes, dict[str, bytes]]:
    """What custodian n of the first three gives to the five, with a share of its own making where it lies."""
    mine = replace(taken(n), **lies)
    return custody.pass_on(mine, KEYS, KEEPERS[n].identity, os.urandom, NEXT)


def test_a_custodian_passes_its_share_on_in_parts() -> None:
    sharing, deposits = passed(0)
    parts = {}
    for n in (1, 3, 4):
        got = custody.take(deposits[f"c{n}"], KEEPERS[n].identity.peer, KEEPERS[n].custody())
        assert [each.data for each in got.line] == [SHARING, sharing]
        parts[got.name] = got.share
    assert shares.join(parts, NEXT) == taken(0).share


def test_only_who_holds_a_share_passes_it_on_and_only_that_one() -> None:
    sharing, _ = passed(0)
    value = custody.open_sharing(sharing).value
    lies = [
        envelope.sign(custody.SHARING, value, EVE.identity),
        envelope.sign(custody.SHARING, replace(value, part="c1"), KEEPERS[0].identity),
        envelope.sign(custody.SHARING, replace(value, mark=bytes(32)), KEEPERS[0].identity),
        envelope.sign(custody.SHARING, replace(value, parent=bytes(32)), KEEPERS[0].identity),
        envelope.sign(custody.SHARING, replace(value, epoch=1), KEEPERS[0].identity),
        envelope.sign(custody.SHARING, replace(value, generation=0), KEEPERS[0].identity),
        envelope.sign(custody.SHARING, replace(value, bound=bytes(32)), KEEPERS[0].identity),
        passed(0, share=os.urandom(32))[0], SHARING,
    ]  # fmt: skip
    assert len(custody.open_line((SHARING, sharing))) == 2
    for lie in lies:
        with pytest.raises((Untrue, Malformed)):
            custody.open_line((SHARING, lie))
    for line in ((), (sharing,), (SHARING, *[sharing] * 4)):
        with pytest.raises((Untrue, Malformed)):
            custody.open_line(line)


def test_a_share_is_passed_on_and_on_until_that_gets_too_deep() -> None:
    holder, at, rule = taken(0), 0, custodians(1, 1)
    for _ in range(custody.DEPTH - 1):
        _, deposits = custody.pass_on(holder, WORLD.keys(rule), KEEPERS[at].identity, os.urandom, rule)
        holder = custody.take(deposits["c0"], KEEPERS[0].identity.peer, KEEPERS[0].custody())
    assert holder.share == taken(0).share
    _, deposits = custody.pass_on(holder, WORLD.keys(rule), KEEPERS[at].identity, os.urandom, rule)
    with pytest.raises(Malformed, match="deep"):
        custody.take(deposits["c0"], KEEPERS[0].identity.peer, KEEPERS[0].custody())


def given_on(n: int, *of: tuple[int, dict[str, bytes]]) -> list[handover.Given]:
    """What new custodian n gives: its part of the share of each old custodian who passed theirs on."""
    found = []
    for _, deposits in of:
        got = custody.take(deposits[f"c{n}"], KEEPERS[n].identity.peer, KEEPERS[n].custody())
        data = handover.release(
            got, SAID, KEEPERS[n].identity, request=2, decision=GRANT, shown=b"", head=b"", time=WORLD.clock
        )  # fmt: skip
        part = Part(released=data, below=tuple(each.data for each in got.line[1:]))
        found.append(handover.receive(part, KEEPERS[n].identity.peer, OPENED, SAID, 2, GRANT, SEED))
    return found


def test_what_was_passed_on_of_one_share_is_no_part_of_another() -> None:
    one, alone = custodians(1, 1), WORLD.keys(custodians(1, 1))
    first, second = (0, passed(0)[1]), (2, passed(2)[1])
    holder = custody.take(second[1]["c1"], KEEPERS[1].identity.peer, KEEPERS[1].custody())
    further = (1, custody.pass_on(holder, alone, KEEPERS[1].identity, os.urandom, one)[1])
    given = [*(each for n in (0, 4) for each in given_on(n, first, second)), *given_on(0, further)]
    assert not handover.suffices(OPENED, given)
    assert handover.assemble(OPENED, given) == (None, frozenset())
    given += given_on(3, first)
    assert handover.suffices(OPENED, given)
    assert handover.assemble(OPENED, given) == (SECRET, frozenset())


def test_new_custodians_give_what_two_old_ones_passed_on() -> None:
    old = [(n, passed(n)[1]) for n in (0, 2)]
    given = [each for n in (0, 1, 4) for each in given_on(n, *old)]
    assert handover.suffices(OPENED, given)
    assert handover.assemble(OPENED, given) == (SECRET, frozenset())
    few = [each for n in (0, 1) for each in given_on(n, *old)]
    assert not handover.suffices(OPENED, few)
    assert handover.assemble(OPENED, few) == (None, frozenset())
    assert handover.missing(OPENED, few) == "2 of (c0, c1, c2)"
    one = [each for n in (0, 1, 4) for each in given_on(n, old[0])]
    assert handover.missing(OPENED, one) == "1 of (c1, c2)"
    part = Part(released=given_one(), below=())
    with_old = [*one, handover.receive(part, KEEPERS[1].identity.peer, OPENED, SAID, 2, GRANT, SEED)]
    assert handover.assemble(OPENED, with_old) == (SECRET, frozenset())


def given_one() -> bytes:
    return given(1)


def test_an_old_custodian_who_passed_on_something_else_is_named() -> None:
    """Their signed sharing says which share it is of; its parts are as it says, and together they are another."""
    right = {n: passed(n)[1] for n in (0, 2)}
    parts = shares.split(os.urandom(32), NEXT, os.urandom)
    value = custody.open_sharing(passed(1)[0]).value
    marks = tuple(custody.Mark(name=name, mark=shares.commitment(parts[name], "share")) for name in parts)
    sharing = envelope.sign(custody.SHARING, replace(value, shares=marks), KEEPERS[1].identity)
    digest, false = custody.digest(custody.open_sharing(sharing)), {}
    for n in range(5):
        info = custody._Placed(sharing=digest, name=f"c{n}", custodian=KEEPERS[n].identity.peer)
        sealed = custody.seal(parts[f"c{n}"], hpke.public_of(KEEPERS[n].custody()), info)
        bare = Deposit(above=(SHARING,), sharing=sharing, name=f"c{n}", sealed=sealed)
        false[f"c{n}"] = envelope.sign(custody.DEPOSIT, bare, KEEPERS[1].identity)
    given = [each for n in (0, 1, 2) for each in given_on(n, (0, right[0]), (1, false))]
    assert handover.suffices(OPENED, given)
    assert handover.assemble(OPENED, given) == (None, frozenset([KEEPERS[1].identity.peer]))
    given += [each for n in (0, 1, 2) for each in given_on(n, (2, right[2]))]
    assert handover.assemble(OPENED, given) == (SECRET, frozenset([KEEPERS[1].identity.peer]))


def test_a_publisher_who_shared_another_secret_is_named() -> None:
    value = replace(OPENED.value, mark=shares.commitment(bytes(32), "secret"))
    root = custody.open_sharing(envelope.sign(custody.SHARING, value, ALICE.identity))
    given = []
    for n in (0, 1):
        mine = replace(taken(n), line=(root,))
        data = handover.release(
            mine, SAID, KEEPERS[n].identity, request=2, decision=GRANT, shown=b"", head=b"", time=0
        )  # fmt: skip
        part = Part(released=data, below=())
        given.append(handover.receive(part, KEEPERS[n].identity.peer, root, SAID, 2, GRANT, SEED))
    assert handover.assemble(root, given) == (None, frozenset([ALICE.identity.peer]))


# -- releases ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "lies",
    [
        {"commons": DATASET}, {"dataset": WORLD.commons}, {"epoch": 1}, {"sharing": bytes(32)}, {"name": "c1"},
        {"requester": EVE.identity.peer}, {"request": 1}, {"decision": GRANT + 1}, {"shown": b"x"}, {"head": b"x"},
        {"time": 0}, {"sealed": bytes(80)}, {"sealed": b""},
    ],
)  # fmt: skip
def test_a_share_is_bound_to_everything_its_release_says(lies: dict[str, Any]) -> None:
    with pytest.raises(Untrue):
        received(signed_anew(given(), KEEPERS[0], **lies))


def test_only_the_custodian_itself_signs_for_it() -> None:
    with pytest.raises(Untrue, match="not signed by custodian 12D3"):
        received(signed_anew(given(), EVE))
    with pytest.raises(Untrue, match="not signed"):
        received(given(0), 1)


def test_nobody_gives_what_was_another_custodians() -> None:
    shared = replace(taken(1), name="c1")  # c0 has it from c1
    data = handover.release(
        shared, SAID, KEEPERS[0].identity, request=2, decision=GRANT, shown=b"", head=b"", time=WORLD.clock
    )  # fmt: skip
    for n in (0, 1):
        with pytest.raises(Untrue, match="not signed by"):
            received(data, n)


def test_a_release_opens_for_one_request_only() -> None:
    again, part, peer = WORLD.ask(BOB, DATASET, log=False), Part(released=given(), below=()), KEEPERS[0].identity.peer
    with pytest.raises(Untrue):  # another request of the same person, with another key
        handover.receive(part, peer, OPENED, again, 2, GRANT, BOB.hpke_seed(again.value.nonce))
    with pytest.raises(Untrue):  # somebody who took the line's bytes
        handover.receive(part, peer, OPENED, SAID, 2, GRANT, EVE.hpke_seed(SAID.value.nonce))


def test_a_wrong_share_and_another_datasets_share_are_the_custodians_lie() -> None:
    value = handover.open_released(given()).value
    other_sharing, other_deposits = WORLD.deposit(os.urandom(32), RULE, os.urandom, series=bytes(16))
    other = custody.take(other_deposits["c0"], KEEPERS[0].identity.peer, KEEPERS[0].custody()).share
    for lie in (os.urandom(32), other, taken(1).share):
        sealed = custody.seal(lie, SAID.value.hpke, replace(value, sealed=b""))
        with pytest.raises(Untrue, match="share of c0 is not the one"):
            received(signed_anew(given(), KEEPERS[0], sealed=sealed))
    assert custody.open_sharing(other_sharing).value.mark != OPENED.value.mark


def test_what_is_broken_is_refused_as_such() -> None:
    data = given()
    for wrong in (b"", data[:-1], data + b"\0", SHARING, DEPOSITS["c0"], msgpack.packb({"type": handover.RELEASED})):
        with pytest.raises(CommonsError):
            received(wrong)
    low = replace(SAID, value=replace(SAID.value, hpke=bytes(32)))
    with pytest.raises(Malformed, match="HPKE"):
        given(said=low)


def test_the_words_of_the_formats() -> None:
    kinds = {custody.CUSTODY_KEY, custody.SHARING, custody.DEPOSIT, handover.RELEASED}
    assert len(kinds | {entries.REQUEST, entries.DECISION, entries.RECEIPT, "commons/release/v1"}) == 8
    assert list(msgpack.unpackb(codec.encode(handover.open_released(given()).value))) == list(Released.__slots__)


def test_a_share_is_taken_from_the_custodian_who_signed_for_it_and_under_no_other_name() -> None:
    honest = given(0)
    for data in (
        signed_anew(honest, EVE),  # a stranger's word
        signed_anew(honest, KEEPERS[1]),  # another custodian's, for c0's share
        signed_anew(honest, KEEPERS[0], name="c1"),  # c0's own, under the name of c1
    ):
        with pytest.raises(Untrue, match="this was not signed by custodian"):
            received(data)


def test_a_share_that_was_given_for_another_request_is_not_taken() -> None:
    """Each of these is a custodian's honest word, sealed to the same key, about something else."""
    other = custody.open_sharing(WORLD.deposit(SECRET, RULE, os.urandom)[0])
    for data, sharing in (
        (given(0, request=1), OPENED), (given(0, decision=GRANT + 1), OPENED), (given(0), other),
        (given(0, said=replace(SAID, signer=EVE.identity.peer)), OPENED),
    ):  # fmt: skip
        with pytest.raises(Untrue, match="for something else than was asked for"):
            received(data, sharing=sharing)
    assert received(given(0))
