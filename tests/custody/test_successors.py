"""Custodians that change by vote, between real nodes: shares passed on, and requesters who learn of it from the log."""

from __future__ import annotations

from pathlib import Path

import pytest

from commons.core.dataset.reference import parse
from commons.core.tlog.policy import parse as policy
from commons.errors import CommonsError, Conflict, Refused, Unreachable
from tests.conftest import Party, Start
from tests.custody.test_keepers import away, found, publish
from tests.datasets.test_publishing import known
from tests.datasets.test_publishing import publish as publish_in

Seats = dict[str, Party]


async def replace(seats: Seats, dora: Party, *keepers: str) -> str:
    """The members choose Dora in place of Ben; the policy."""
    coop = seats["coop"]
    await dora.desk.join(text=(await coop.desk.invite(college="workers"))["invitation"], linked=True)
    seats["dora"] = dora
    await known(seats)
    names = keepers or ("coop", "ana", "dora")
    members = "".join(f"member {name} {seats[name].peer}\n" for name in names)
    text = f"{members}group keepers 2 {' '.join(names)}\nquorum keepers\n"
    told = await coop.desk.propose(action="change-custodians", file=text)
    assert told["outcome"]["standing"] == "passed"
    await dora.desk.keep()
    return str(policy(text))


@pytest.mark.rest
async def test_after_a_change_the_new_custodians_give_a_key_that_the_old_ones_passed_on(
    start: Start, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seats = await found(start)
    await known(seats)
    coop, ben = seats["coop"], seats["ben"]
    reference = await publish(coop, folder)
    members = await publish_in(seats, folder, "ana", title="Lakes")
    for party in seats.values():  # nothing has changed: nothing to do
        assert (await party.desk.pass_on())["passed"] == []
    await replace(seats, await start("dora"))
    asker, late = await start("asker"), await start("late")
    for party in seats.values():
        await late.desk.peers(add=party.address)
        await asker.desk.peers(add=party.address)
    monkeypatch.setattr(coop.node.custodian, "hand", away)
    with pytest.raises(CommonsError, match="other custodians were chosen since") as caught:
        await asker.fetch(reference, tmp_path / "asker")
    assert "custody pass-on" in caught.value.hint
    for name in ("coop", "ana", "ben"):
        told = await seats[name].desk.pass_on(named=coop.home.first.commons)
        assert sorted(title for row in told["passed"] for title in row["titles"]) == ["Lakes", "Rivers"]
        assert told["to"] == ["coop", "ana", "dora"]
        assert (await seats[name].desk.pass_on())["passed"] == []  # once is enough
    await ben.node.__aexit__(None, None, None)  # he has gone for good
    await asker.fetch(reference, tmp_path / "asker")  # the same request
    await late.fetch(members, tmp_path / "late")
    for copy in ("asker", "late"):
        assert (tmp_path / copy / "rivers.csv").read_bytes() == (folder / "rivers.csv").read_bytes()
    assert len(coop.home.first.log.state.accesses) == 2
    assert (await late.desk.audit(source=coop.address))["faults"] == []
    assert seats["dora"].address in parse((await coop.desk.refer(dataset=reference, lan=True))["reference"]).peers


async def test_the_log_is_read_for_other_custodians_only_where_those_of_the_sharing_do_not_suffice(
    start: Start, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seats = await found(start)
    reference = await publish(seats["coop"], folder)
    asker, other = await start("asker"), await start("other")
    with monkeypatch.context() as patch:
        patch.setattr("commons.custody.successors.addresses", lambda *_: pytest.fail("it was read"))
        await asker.fetch(reference, tmp_path / "asker")
    for name in ("ana", "ben"):
        monkeypatch.setattr(seats[name].node.custodian, "hand", away)
    with pytest.raises(Unreachable, match="is away") as caught:  # nobody was replaced: the same error as ever
        await other.fetch(reference, tmp_path / "other")
    assert "chosen since" not in caught.value.message


async def test_passing_on_waits_for_everybody_and_goes_on_where_it_stopped(
    start: Start, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seats = await found(start)
    coop, ana = seats["coop"], seats["ana"]
    await known(seats)
    for title in ("Rivers", "Lakes"):
        await publish(coop, folder, title=title)
    dora = await start("dora")
    await replace(seats, dora)
    real, done = dora.node.custodian.deposit, list[bytes]()

    async def once(commons: str, body: bytes) -> bytes:
        if done:
            raise Unreachable("this custodian is away")
        done.append(body)
        return await real(commons, body)

    with monkeypatch.context() as patch:
        patch.setattr(dora.node.custodian, "deposit", once)
        with pytest.raises(Unreachable, match="no share was kept by"):
            await ana.desk.pass_on()
    assert len((await ana.desk.pass_on())["passed"]) == 1
    assert len((await ana.desk.pass_on(again=True))["passed"]) == 2


async def test_there_is_nothing_to_pass_on_without_custodians(start: Start) -> None:
    alone = await start("alone")
    with pytest.raises(Conflict, match="no custodians"):
        await alone.desk.pass_on()


async def test_who_was_replaced_gives_nothing_and_who_came_has_nothing_of_its_own(
    start: Start, folder: Path, tmp_path: Path
) -> None:
    seats = await found(start)
    await known(seats)
    coop, asker = seats["coop"], await start("asker")
    reference = await publish(coop, folder)
    await replace(seats, await start("dora"))
    with pytest.raises(Unreachable, match="no custodian of this commons any more"):
        await asker.fetch(f"commons:{parse(reference).cid}", tmp_path / "copy", coop.address, seats["ben"].address)
    await seats["ben"].desk.pass_on()  # one of three is not enough: Coop and Ana still have theirs, and give them
    await asker.fetch(reference, tmp_path / "copy", *(party.address for party in seats.values()))


async def test_what_somebody_published_who_was_expelled_since_is_passed_on_too(
    start: Start, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seats = await found(start)
    await known(seats)
    coop, asker = seats["coop"], await start("asker")
    reference = await publish_in(seats, folder, "ana")
    await replace(seats, await start("dora"), "coop", "ben", "dora")
    gone = await coop.desk.propose(action="expel", college="workers", peer=seats["ana"].peer)
    for name in ("ben", "dora"):
        await seats[name].desk.vote(proposal=gone["proposal"], choice="yes")
    with pytest.raises(Refused, match="no member"):
        await publish_in(seats, folder, "ana", title="Lakes")
    for name in ("ana", "ben"):  # who was expelled may still pass on what she kept
        assert len((await seats[name].desk.pass_on())["passed"]) == 1
    monkeypatch.setattr(coop.node.custodian, "hand", away)
    await asker.fetch(reference, tmp_path / "copy", *(party.address for party in seats.values()))
    assert (tmp_path / "copy" / "rivers.csv").is_file()
