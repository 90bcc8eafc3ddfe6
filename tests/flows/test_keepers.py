"""Shared custody between real nodes: no key without enough custodians, each of whom reads the log by itself."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from commons.core import codec, handover, manifest
from commons.core.answer import Submission
from commons.core.reference import parse
from commons.errors import CommonsError, Gone, Pending, Refused, Unacknowledged, Unreachable
from tests.conftest import Party, Start

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


async def found(start: Start, *, keeping: tuple[str, ...] = ("coop", "ana", "ben")) -> dict[str, Party]:
    """A co-operative whose keys are kept by two of three; those `keeping` have agreed to."""
    seats = {"coop": await start("coop", charter=CHARTER)}
    coop = seats["coop"]
    for name in ("ana", "ben"):
        seats[name] = await start(name)
        await seats[name].desk.join(text=(await coop.desk.invite(college="workers"))["invitation"])
        await coop.desk.peers(add=seats[name].address)
    members = "".join(f"member {name} {party.peer}\n" for name, party in seats.items())
    policy = f"{members}group keepers 2 {' '.join(seats)}\nquorum keepers\n"
    told = await coop.desk.propose(action="change-custodians", file=policy)
    assert told["outcome"]["standing"] == "passed"
    for name in keeping:
        await seats[name].desk.keep()
    return seats


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
        coop.node.registrar.release(codec.decode(Submission, ask.submission).statement)
    audited = await asker.desk.audit(source=coop.address)
    assert audited["faults"] == []


async def test_with_one_custodian_away_the_key_is_given_and_with_two_it_is_not(
    start: Start, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seats = await found(start)
    coop, asker = seats["coop"], await start("asker")
    reference = await publish(coop, folder)

    async def away(*_: object) -> bytes:
        raise Unreachable("this custodian is away")

    monkeypatch.setattr(seats["ben"].node.custodian, "hand", away)
    with monkeypatch.context() as patch:
        patch.setattr(seats["ana"].node.custodian, "hand", away)
        with pytest.raises(CommonsError, match="too few custodians") as caught:
            await asker.fetch(reference, tmp_path / "copy")
        assert isinstance(caught.value, Unreachable)
        assert not (tmp_path / "copy").exists()
    await asker.fetch(reference, tmp_path / "copy")  # Ana is back: the same request, no new entry
    assert len(coop.home.log.state.accesses) == 1


async def test_publishing_waits_for_every_custodian_and_leaves_nothing_otherwise(start: Start, folder: Path) -> None:
    seats = await found(start, keeping=("coop", "ana"))
    coop, size = seats["coop"], seats["coop"].home.log.size
    with pytest.raises(CommonsError, match="no key is known of"):
        await coop.publish(folder)
    assert coop.home.log.size == size
    told = await coop.desk.custody()
    assert [each["reachable"] for each in told["custodians"]] == [True, True, False]
    assert "the data would be lost" in told["warning"]
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
    asked = max(coop.home.log.state.accesses)
    await coop.desk.decide(request=asked, outcome="grant", reason="known to us")
    await asker.fetch(restricted, tmp_path / "copy")
    other = await start("other")
    with pytest.raises(Pending):
        await other.fetch(restricted, tmp_path / "other")
    withdrawn = await coop.desk.propose(action="withdraw", dataset=restricted)
    assert withdrawn["outcome"]["standing"] == "passed"
    with pytest.raises((Gone, Pending)):
        await other.fetch(restricted, tmp_path / "other")
