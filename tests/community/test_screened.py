"""A charter with the power `publish`: the members decide about each dataset before it enters their log."""

from __future__ import annotations

from pathlib import Path

import pytest

from commons.access import listing
from commons.core.crypto import envelope, ids
from commons.core.dataset import manifest
from commons.core.dataset.reference import parse
from commons.core.state import entries
from commons.core.state.entries import Publish
from commons.errors import Conflict, Pending, Refused
from tests.conftest import Start
from tests.custody.test_keepers import CHARTER, found

SCREENED = (
    CHARTER
    + """
[powers.publish]
rule = "group w majority *workers\\nquorum w"
days = 7
"""
)


async def test_what_members_publish_waits_for_the_members(start: Start, folder: Path, tmp_path: Path) -> None:
    seats = await found(start, charter=SCREENED)
    coop, ana, ben, asker = seats["coop"], seats["ana"], seats["ben"], await start("asker")
    for each in (coop, ben):
        await ana.desk.peers(add=each.address)
    for _ in range(2):  # the same words and files: nothing is sealed twice
        with pytest.raises(Pending, match="waits for the members") as caught:
            await ana.publish(folder, named=coop.home.first.commons)
    cid = caught.value.message.split("as ")[1].split(",")[0]
    assert f"propose publish --dataset commons:{cid}" in caught.value.hint
    dataset = manifest.open(ana.home.shelf.manifest(cid) or b"")
    said = listing.entry(dataset.value, parse(f"commons:{cid}").cid, dataset.value.created)
    lie = envelope.open(entries.PUBLISH, Publish, envelope.sign(entries.PUBLISH, said, ana.home.keys.identity))
    with pytest.raises(Refused, match="have not decided"):  # the fold, and so every auditor's
        coop.home.first.log.state.apply(lie)
    coop.home.first.log.state.size -= 1
    opened = await ana.desk.propose(action="publish", dataset=f"commons:{cid}")
    assert (opened["outcome"]["standing"], opened["outcome"]["words"]) == (
        "open", "Rivers, version 1, CC-BY-4.0, access acknowledge"
    )  # fmt: skip
    assert (await ben.desk.vote(proposal=opened["proposal"], choice="yes"))["outcome"]["standing"] == "passed"
    told = await ana.desk.publish(
        path=str(folder), title="Rivers", licence="CC-BY-4.0", creators=["Ana"], named=coop.home.first.commons
    )
    assert (told["cid"], told["again"]) == (cid, True)
    reference = str((await ana.desk.refer(dataset=told["reference"], lan=True))["reference"])
    await asker.fetch(reference, tmp_path / "copy", coop.address, ana.address, ben.address)
    assert (await asker.desk.audit(source=coop.address))["faults"] == []
    with pytest.raises(Conflict, match="published already"):
        await ben.desk.propose(action="publish", dataset=f"commons:{cid}")


async def test_the_registrar_publishes_no_more_than_the_members_decided(start: Start, folder: Path) -> None:
    seats = await found(start, charter=SCREENED)
    coop, ana = seats["coop"], seats["ana"]
    words = {"path": str(folder), "title": "Rivers", "licence": "CC-BY-4.0", "creators": ["Ana"]}
    with pytest.raises(Pending) as caught:
        await coop.desk.publish(**words)
    cid = caught.value.message.split("as ")[1].split(",")[0]
    opened = await coop.desk.propose(action="publish", dataset=f"commons:{cid}")
    with pytest.raises(Pending):
        await coop.desk.publish(**words)
    await ana.desk.vote(proposal=opened["proposal"], choice="yes")
    assert (await coop.desk.publish(**words))["cid"] == cid
    assert (await coop.desk.publish(**words))["entry"] == coop.home.first.log.state.published(cid).index


async def test_without_that_power_there_is_nothing_to_decide(start: Start) -> None:
    seats = await found(start)
    with pytest.raises(Conflict, match="any member publishes here"):
        await seats["coop"].desk.propose(action="publish", dataset=f"commons:{ids.cid(b'a manifest')}")
