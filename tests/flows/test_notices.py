"""Withdrawals between real nodes: a notice reaches who holds the data, they drop it, say so, and the log has it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from commons import notices
from commons.core import entries, manifest, notice
from commons.core.keys import Signer
from commons.core.notice import Dropping
from commons.core.reference import parse
from commons.disk.home import Home
from commons.errors import Conflict, Gone, NotFound, Refused, Unreachable, Untrue
from commons.node import Node
from tests.conftest import ANY, Party, Start, until
from tests.dishonest import Asker, Liar

Withdraw = Callable[[str], Awaitable[int]]
EVE = Signer(b"\xee" * 32)


async def withdraw(coop: Party, *voters: Party, of: str) -> int:
    """By the members' vote; the entry that withdrew it."""
    opened = await coop.desk.propose(action="withdraw", dataset=of, words="Somebody asked")
    for voter in voters:
        await voter.desk.vote(proposal=opened["proposal"], choice="yes")
    assert coop.home.log.state.community is not None
    return coop.home.log.state.community.withdrawn[parse(of).cid]


def kept(party: Party) -> list[Path]:
    """The sealed files in this home."""
    return sorted((party.home.path / "packs").iterdir())


async def shown(party: Party, reference: str, *sources: str) -> Any:
    return (await party.desk.show(dataset=reference, sources=list(sources)))["withdrawn"]


CHARTER = """
name = "River watch"
readers = "members"
[colleges]
workers = ["me"]
[powers.admit]
rule = "group w any *workers\\nquorum w"
[powers.amend-charter]
rule = "group w majority *workers\\nquorum w"
"""


async def test_what_is_withdrawn_by_vote_is_dropped_by_its_holder_and_the_log_says_so(
    start: Start, folder: Path, tmp_path: Path
) -> None:
    coop, ben, reader = await start("coop", charter=CHARTER), await start("ben"), await start("reader")
    await ben.desk.join(text=(await coop.desk.invite(college="workers"))["invitation"])
    reference = await coop.publish(folder)
    await reader.fetch(reference, tmp_path / "copy", coop.address)
    assert await shown(reader, reference) is None
    entry = await withdraw(coop, ben, of=reference)
    assert await shown(coop, reference) == {"entry": entry, "holders": 1, "dropped": 0}
    told = await reader.desk.status()
    (became,) = told["withdrawn"]
    assert (became["entry"], became["dropped"], became["owed"]) == (entry, True, False)
    assert (told["my_requests"][0]["key"], told["my_requests"][0]["outcome"]) == (False, "withdrawn")
    assert kept(reader) == []
    assert (tmp_path / "copy" / "rivers.csv").read_bytes() == (folder / "rivers.csv").read_bytes()  # the user's own
    for party, where in ((coop, ()), (reader, ()), (ben, (coop.address,))):
        assert await shown(party, reference, *where) == {"entry": entry, "holders": 1, "dropped": 1}
    for source in (None, coop.address):
        party = coop if source is None else ben
        audited = await party.desk.audit(source=source)
        assert audited["faults"] == []
        (row,) = audited["rows"]
        assert (row["dropped"], row["state"]) == (became["logged"], "verified")
    assert isinstance(entries.decode(coop.home.log.entry(became["logged"])), entries.Dropped)
    size = coop.home.log.size
    assert (await reader.desk.status())["withdrawn"] == [became]  # and again: nothing is left to do
    assert coop.home.log.size == size
    with pytest.raises(Gone, match=f"withdrawn by its community at entry {entry}"):
        await reader.fetch(reference, tmp_path / "again", coop.address)
    with pytest.raises(Gone, match="withdrawn"):
        await reader.desk.mirror(dataset=reference, sources=[coop.address])
    assert (await reader.desk.datasets())["datasets"] == []
    assert (await coop.desk.datasets())["datasets"][0]["withdrawn"] == entry
