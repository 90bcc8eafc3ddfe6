"""Shared custody between real nodes: no key without enough custodians, each of whom reads the log by itself."""

from __future__ import annotations

import asyncio
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from commons.access import obtain
from commons.cli.custody import tell_custody
from commons.cli.node import tell_status
from commons.core.crypto import codec, envelope
from commons.core.crypto.keys import Signer
from commons.core.dataset import manifest
from commons.core.dataset.reference import parse
from commons.custody import handover
from commons.errors import (
    CommonsError,
    Gone,
    Malformed,
    NotFound,
    Pending,
    Refused,
    StorageFailed,
    Unacknowledged,
    Unreachable,
)
from commons.log.answer import Submission
from commons.node import control
from commons.witness import cosigning
from tests.cli.test_cli import Commons
from tests.conftest import Party, Start, decided
from tests.rows import few

CHARTER = """
name = "Health together"
[colleges]
workers = ["me"]
[powers.admit]
rule = "group w any *workers\\nquorum w"
[powers.change-custodians]
rule = "group w any *workers\\nquorum w"
[powers.withdraw]
rule = "group w any *workers\\nquorum w"
[powers.amend-charter]
rule = "group w majority *workers\\nquorum w"
"""


async def found(
    start: Start,
    *,
    keeping: tuple[str, ...] = ("coop", "ana", "ben"),
    charter: str = CHARTER,
    witness: Party | None = None,
) -> dict[str, Party]:
    """A co-operative whose keys are kept by two of three; those `keeping` have agreed to."""
    seats = {"coop": await start("coop", charter=charter)}
    coop = seats["coop"]
    if witness is not None:
        witness.node.site.witness.add(coop.home.first.log.key.vkey)
    for name in ("ana", "ben"):
        seats[name] = await start(name)
        invited = await coop.desk.invite(college="workers")
        await decided(coop)
        await seats[name].desk.join(text=invited["invitation"], linked=True)
        await coop.desk.peers(add=seats[name].address)
    members = "".join(f"member {name} {party.peer}\n" for name, party in seats.items())
    policy = f"{members}group keepers 2 {' '.join(seats)}\nquorum keepers\n"
    told = await coop.desk.propose(action="change-custodians", file=policy)
    await decided(coop)
    assert coop.home.first.log.state.community.ballots[told["proposal"]].standing == "passed"
    for name in keeping:
        await seats[name].desk.keep()
    return seats


async def away(*_: object) -> bytes:
    raise Unreachable("this custodian is away")


async def publish(coop: Party, folder: Path, **words: Any) -> str:
    """A reference that also carries the addresses of custodians on this machine."""
    reference = await coop.publish(folder, **words)
    return str((await coop.desk.refer(dataset=reference, lan=True))["reference"])


async def test_two_of_three_custodians_give_the_key_and_the_registrar_alone_does_not(
    start: Start, folder: Path, tmp_path: Path
) -> None:
    seats = await found(start)
    coop, asker = seats["coop"], await start("asker")
    reference = await publish(coop, folder)
    value = manifest.open(coop.node.site.manifest(parse(reference).cid)).value
    assert value.custody is not None
    with pytest.raises(Unacknowledged):
        await asker.desk.fetch(dataset=reference, dest=str(tmp_path / "no"))
    await asker.fetch(reference, tmp_path / "copy")
    assert (tmp_path / "copy" / "rivers.csv").read_bytes() == (folder / "rivers.csv").read_bytes()
    kept = list((asker.home.path / "proofs").glob("*.release"))
    assert len(kept) >= 2
    said = [handover.open_released(bytes.fromhex(path.read_text())) for path in kept]
    assert {each.signer for each in said} <= {party.peer for party in seats.values()}
    assert all(each.value.requester == asker.peer for each in said)
    (ask,) = asker.home.shelf.asks()
    with pytest.raises(Refused, match="custodians keep the key"):
        coop.node.at().registrar.release(codec.decode(Submission, ask.submission).statement)
    audited = await asker.desk.audit(source=coop.address)
    assert audited["faults"] == []


async def test_a_release_that_the_log_bears_out_convicts_nobody_and_one_against_it_its_signer(
    start: Start, folder: Path, tmp_path: Path
) -> None:
    seats = await found(start)
    coop, asker = seats["coop"], await start("asker")
    await asker.fetch(await publish(coop, folder), tmp_path / "copy")
    released = [path.read_text() for path in (asker.home.path / "proofs").glob("*.release")]
    for text in released:
        for party, source in ((asker, coop.address), (coop, None)):
            told = await party.desk.convict(release=text, source=source)
            assert (told["convicted"], told["what"]) == (False, "")
    true = handover.open_released(bytes.fromhex(released[0]))
    liar = next(party for party in seats.values() if party.peer == true.signer)
    lie = replace(true.value, request=1, decision=2)
    text = envelope.sign(handover.RELEASED, lie, liar.home.keys.identity).hex()
    for party, source in ((asker, coop.address), (coop, None)):
        told = await party.desk.convict(release=text, source=source)
        assert (told["convicted"], told["custodian"]) == (True, liar.peer)
    await coop.desk.export_log(path=str(tmp_path / "log.zip"))
    (tmp_path / "lie").write_text(text)
    typed = ("--json", "--home", str(asker.home.path), "custody", "convict", "lie", "--from", "log.zip")
    async with control.door(asker.node):  # the node is in another folder than who types
        done = await asyncio.to_thread(Commons(tmp_path).run, *typed)
    assert (done.returncode, json.loads(done.stdout)["custodian"]) == (0, liar.peer), done.stderr
    for wrong in ("", "so", released[0][:-4]):
        with pytest.raises(Malformed):
            await coop.desk.convict(release=wrong)


async def test_with_one_custodian_away_the_key_is_given_and_with_two_it_is_not(
    start: Start, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seats = await found(start)
    coop, asker = seats["coop"], await start("asker")
    reference = await publish(coop, folder)

    monkeypatch.setattr(seats["ben"].node.custodian, "hand", away)
    with monkeypatch.context() as patch:
        patch.setattr(seats["ana"].node.custodian, "hand", away)
        with pytest.raises(CommonsError, match="too few custodians") as caught:
            await asker.fetch(reference, tmp_path / "copy")
        assert isinstance(caught.value, Unreachable)
        assert not (tmp_path / "copy").exists()
    await asker.fetch(reference, tmp_path / "copy")  # Ana is back: the same request, no new entry
    assert len(coop.home.first.log.state.accesses) == 1


async def test_a_custodian_that_cannot_be_asked_is_told_as_it_is(
    start: Start, capsys: pytest.CaptureFixture[str]
) -> None:
    seats = await found(start, keeping=("coop",))
    coop, ana = seats["coop"], seats["ana"]
    silent, unknown = (Signer(bytes([n]) * 32).peer for n in (1, 2))
    named = {"coop": coop.peer, "ana": ana.peer, "silent": silent, "unknown": unknown}
    members = "".join(f"member {name} {peer}\n" for name, peer in named.items())
    await coop.desk.propose(
        action="change-custodians", file=f"{members}group keepers 1 {' '.join(named)}\nquorum keepers\n"
    )
    await coop.desk.peers(add=f"/ip4/127.0.0.1/tcp/9/p2p/{silent}")
    words = {
        "ana": "answers, and has not agreed to keep shares (`commons custody keep`)",
        "silent": "does not answer",
        "unknown": "no address known",
    }
    capsys.readouterr()
    tell_custody(await coop.desk.custody())
    rows = capsys.readouterr().out.splitlines()
    assert rows[:4] == [
        f"{name:<11} {peer}  {words.get(name, 'reachable')}" for name, peer in named.items()
    ]  # fmt: skip
    assert any("`commons peer add ADDRESS`" in row for row in rows)
    tell_status(await coop.desk.status())
    rows = capsys.readouterr().out.splitlines()
    begins = rows.index("Custody     1 of 4 custodians reachable")
    assert rows[begins + 1 : begins + 4] == [f"            {name}: {what}" for name, what in words.items()]
    await ana.desk.keep()
    assert [each["unready"] for each in (await coop.desk.custody())["custodians"]] == [False] * 4


async def test_publishing_waits_for_every_custodian_and_leaves_nothing_otherwise(start: Start, folder: Path) -> None:
    seats = await found(start, keeping=("coop", "ana"))
    coop, size = seats["coop"], seats["coop"].home.first.log.size
    with pytest.raises(CommonsError, match="no key is known of"):
        await coop.publish(folder)
    assert coop.home.first.log.size == size
    told = await coop.desk.custody()
    assert [each["reachable"] for each in told["custodians"]] == [True, True, False]
    assert "the data would be lost" in told["warning"]
    assert (await coop.desk.status())["custody"] == told
    await seats["ben"].desk.keep()
    assert (await coop.desk.custody())["warning"] == ""
    first = await coop.publish(folder)
    second = await coop.publish(folder, update=first)
    kept = [manifest.open(coop.node.site.manifest(parse(each).cid)).value.custody for each in (first, second)]
    assert kept[0] == kept[1]  # the same key: nothing to share anew


async def test_custodians_do_not_follow_a_registrar_that_grants_against_the_log(
    start: Start, folder: Path, tmp_path: Path
) -> None:
    seats = await found(start)
    coop, asker = seats["coop"], await start("asker")
    reference = await publish(coop, folder, access="members")
    with pytest.raises(Refused, match="not-member"):
        await asker.fetch(reference, tmp_path / "copy")
    restricted = await publish(coop, folder, access="approval")
    with pytest.raises(Pending):
        await asker.fetch(restricted, tmp_path / "copy")
    asked = max(coop.home.first.log.state.accesses)
    await coop.desk.decide(request=asked, outcome="grant", reason="known to us")
    await asker.fetch(restricted, tmp_path / "copy")
    other = await start("other")
    with pytest.raises(Pending):
        await other.fetch(restricted, tmp_path / "other")
    withdrawn = await coop.desk.propose(action="withdraw", dataset=restricted)
    assert withdrawn["outcome"]["standing"] == "passed"
    with pytest.raises((Gone, Pending)):
        await other.fetch(restricted, tmp_path / "other")


# -- witnesses ---------------------------------------------------------------------------------------------------------


def witnessed(by: Party) -> str:
    """The charter, with one witness."""
    row = f"witness w {by.node.site.witness.key.vkey} {by.address}\\nquorum w\\n"
    return CHARTER.replace("[colleges]", f'witnesses = "{row}"\n[colleges]')


@pytest.mark.parametrize("amended", few([False, True], 2))
async def test_custodians_wait_for_the_witnesses_and_the_same_command_goes_on(
    start: Start, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, amended: bool
) -> None:
    monkeypatch.setattr(cosigning, "LONGEST", 0.2)
    monkeypatch.setattr(obtain, "WAITS", (0.1, 0.1))
    other = await start("witness")
    words = {} if amended else {"charter": witnessed(other), "witness": other}
    seats = await found(start, **words)
    coop, asker = seats["coop"], await start("asker")
    if amended:
        opened = await coop.desk.propose(action="amend-charter", file=witnessed(other))
        await seats["ana"].desk.vote(proposal=opened["proposal"], choice="yes")
    else:
        other.node.site.witness.remove(coop.home.first.log.key.name)
    reference = await publish(coop, folder)
    with pytest.raises(Pending):
        await asker.fetch(reference, tmp_path / "copy")
    other.node.site.witness.add(coop.home.first.log.key.vkey)
    monkeypatch.setattr(obtain, "WAITS", (0.2,) * 20)
    await asker.fetch(reference, tmp_path / "copy")
    assert len(coop.home.first.log.state.accesses) == 1


# -- who is asked ------------------------------------------------------------------------------------------------------


async def test_what_single_custodians_say_ends_no_grant(start: Start, folder: Path, tmp_path: Path) -> None:
    seats = await found(start)
    coop, asker = seats["coop"], await start("asker")
    reference = await publish(coop, folder, access="approval")
    with pytest.raises(Pending):
        await asker.fetch(reference, tmp_path / "copy")
    await coop.desk.decide(request=max(coop.home.first.log.state.accesses), outcome="grant", reason="known to us")
    kept = {}
    for name, party in seats.items():  # a disk that was lost
        kept[name] = party.home.deposits.of(coop.home.first.commons)
        for each in kept[name]:
            party.home.deposits.drop(each.sharing)
    with pytest.raises(NotFound, match="no share of this secret"):
        await asker.fetch(reference, tmp_path / "copy")
    for name in ("ana", "ben"):
        for each in kept[name]:
            seats[name].home.deposits.put(each)
    await asker.fetch(reference, tmp_path / "copy")  # nobody has to decide again
    assert len(coop.home.first.log.state.accesses) == 1


async def test_a_custodian_gets_a_key_with_its_own_share(
    start: Start, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seats = await found(start)
    reference = await publish(seats["coop"], folder)

    monkeypatch.setattr(seats["coop"].node.custodian, "hand", away)
    ben = seats["ben"]
    await ben.fetch(reference, tmp_path / "copy")
    assert (tmp_path / "copy" / "rivers.csv").read_bytes() == (folder / "rivers.csv").read_bytes()
    kept = [bytes.fromhex(path.read_text()) for path in (ben.home.path / "proofs").glob("*.release")]
    assert {handover.open_released(data).signer for data in kept} == {seats["ana"].peer, ben.peer}


async def test_without_an_address_of_custodians_it_is_said_whose_is_missing(
    start: Start, folder: Path, tmp_path: Path
) -> None:
    seats = await found(start)
    coop, asker = seats["coop"], await start("asker")
    reference = f"commons:{parse(await publish(coop, folder)).cid}"
    with pytest.raises(Unreachable, match=seats["ana"].peer) as caught:
        await asker.fetch(reference, tmp_path / "copy", coop.address)
    assert "--from ADDRESS" in caught.value.hint
    await asker.fetch(reference, tmp_path / "copy", coop.address, seats["ana"].address)
    assert len(coop.home.first.log.state.accesses) == 1


async def test_when_custodians_change_the_next_version_is_kept_by_the_new_ones(
    start: Start, folder: Path, tmp_path: Path
) -> None:
    seats = await found(start)
    coop, asker, late = seats["coop"], await start("asker"), await start("late")
    first = await publish(coop, folder)
    await asker.fetch(first, tmp_path / "asker")
    policy = f"member ben {seats['ben'].peer}\nquorum ben\n"
    await coop.desk.propose(action="change-custodians", file=policy)
    with pytest.raises(Refused, match="no custodian of this commons any more"):
        await late.fetch(first, tmp_path / "late")
    second = await publish(coop, folder, update=first)
    await late.fetch(second, tmp_path / "late")
    described = await late.desk.describe(dataset=second, form="croissant")
    assert described["files"]
    told = await late.desk.export(dataset=second, dest=str(tmp_path / "bag"), formats=["bagit"])
    assert told["files"] == 3


async def test_a_manifest_that_is_lost_opens_no_way_around_the_custodians(
    start: Start, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seats = await found(start)
    coop, asker = seats["coop"], await start("asker")
    await asker.fetch(await publish(coop, folder), tmp_path / "copy")
    (ask,) = asker.home.shelf.asks()
    monkeypatch.setattr(type(coop.home.shelf), "manifest", lambda *_, **__: None)
    with pytest.raises(StorageFailed, match="manifest is gone"):
        coop.node.at().registrar.release(codec.decode(Submission, ask.submission).statement)


async def test_a_key_that_custodians_keep_is_not_one_that_the_registrar_gave_alone(start: Start, folder: Path) -> None:
    seats = await found(start)
    coop = seats["coop"]
    community = coop.home.first.log.state.community
    kept = community.custodians if community else ""
    await coop.desk.propose(action="change-custodians", file="quorum none\n")
    first = await publish(coop, folder)
    await coop.desk.propose(action="change-custodians", file=kept)
    second = await publish(coop, folder, update=first)
    values = [manifest.open(coop.node.site.manifest(parse(each).cid)).value for each in (first, second)]
    assert [value.custody is None for value in values] == [True, False]
    assert values[0].epoch < values[1].epoch
