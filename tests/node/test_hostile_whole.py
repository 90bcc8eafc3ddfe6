"""Features that meet: what was found by living a co-operative's whole life from the command line."""

from __future__ import annotations

from pathlib import Path

import pytest
from aiohttp import web

from commons.custody.client import standing
from commons.errors import Conflict, NotFound, Refused, SplitView, Unreachable, Untrue
from commons.log import files
from commons.node import control
from tests.conftest import Start
from tests.datasets.test_holder import CHARTER
from tests.keeper import custodians
from tests.log.test_forks import other_history


async def test_a_row_of_which_only_the_receipt_was_erased_says_by_which_entry(
    start: Start, folder: Path, tmp_path: Path
) -> None:
    coop, reader = await start("coop"), await start("reader")
    await reader.fetch(await coop.publish(folder), tmp_path / "copy", coop.address)
    (before,) = (await coop.desk.audit())["rows"]
    erased = await coop.desk.erase(entry=before["receipt"])
    for source in (None, coop.address):
        audited = await (coop if source is None else reader).desk.audit(source=source)
        assert audited["faults"] == []
        (row,) = audited["rows"]
        assert (row["who"], row["state"]) == (reader.peer, f"redacted by entry {erased['entry']}")


async def test_who_votes_is_told_what_would_be_so(start: Start, folder: Path, tmp_path: Path) -> None:
    coop, ben = await start("coop", charter=CHARTER), await start("ben")
    await ben.desk.join(text=(await coop.desk.invite(college="workers"))["invitation"], linked=True)
    reference = await coop.publish(folder, access="approval")
    keepers = f"member ben {ben.peer}\ngroup keepers 1 ben\nquorum keepers\n"
    amended = CHARTER.replace('readers = "members"', 'readers = "public"')
    await coop.desk.propose(action="change-custodians", file=keepers)
    await coop.desk.propose(action="change-custodians", file="")
    await coop.desk.propose(action="amend-charter", file=amended)
    await coop.desk.propose(action="set-rule", dataset=reference, access="acknowledge")
    means = [each["means"] for each in (await ben.desk.community())["proposals"]]
    assert means[:3] == [
        [f"member ben {ben.peer}", "group keepers 1 ben", "quorum keepers"],
        ["nobody: the registrar keeps the keys"],
        ["no longer: openings are read by: members", "openings are read by: public"],
    ]
    assert means[3][0].endswith(", version 1")


async def test_what_was_dropped_already_frees_nothing(start: Start, folder: Path) -> None:
    coop = await start("coop")
    reference = await coop.publish(folder)
    freed = [(await coop.desk.drop(dataset=reference))["freed_bytes"] for _ in range(2)]
    assert freed[0] > freed[1] == 0


def test_one_custodian_is_told_of_in_the_singular() -> None:
    alone = custodians(1, 1)
    assert standing(alone, alone.leaves()).warning.startswith("1 of 1 custodian is reachable; without c0 nobody")
    assert standing(alone, []).warning.startswith("0 of 1 custodian is reachable, and nobody")
    assert standing(custodians(3, 2), ["c0"]).warning.startswith("1 of 3 custodians is reachable, and nobody")


async def test_a_node_that_stops_amid_a_command_is_no_bug_of_ours() -> None:
    async def stopping(request: web.Request) -> web.StreamResponse:
        answer = web.StreamResponse()
        await answer.prepare(request)
        await answer.write(b'{"done": 1, "of": 2}\n')
        assert request.transport is not None
        request.transport.close()
        return answer

    app = web.Application()
    app.router.add_post("/verbs/fetch", stopping)
    runner = web.AppRunner(app)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        steps: list[tuple[int, int]] = []
        with pytest.raises(Unreachable, match="stopped before it was done"):
            await control._ask(
                f"http://127.0.0.1:{runner.addresses[0][1]}", "token", "fetch", {}, lambda *step: steps.append(step)
            )
        assert steps == [(1, 2)]
    finally:
        await runner.cleanup()


async def test_where_a_fork_is_known_nothing_is_published_decided_or_passed_on(start: Start, folder: Path) -> None:
    coop, ben = await start("coop", charter=CHARTER), await start("ben")
    await ben.desk.join(text=(await coop.desk.invite(college="workers"))["invitation"], linked=True)
    name, log = coop.home.first.commons, coop.home.first.log.key.vkey
    alone = f"member ben {ben.peer}\ngroup keepers 1 ben\nquorum keepers\n"
    both = f"member coop {coop.peer}\n" + alone.replace("1 ben", "2 ben coop")
    for party, other in ((coop, ben), (ben, coop)):
        await party.desk.peers(add=other.address)
        await party.desk.keep(named=name)
    for text in (alone, both):
        opened = await coop.desk.propose(action="change-custodians", file=text)
        await ben.desk.vote(proposal=opened["proposal"], choice="yes", named=name)
        if text == alone:
            await ben.publish(folder, named=name)
    waits = await coop.desk.propose(action="change-custodians", file="")
    before, sealed = coop.home.first.log.size, len(list((ben.home.path / "packs").iterdir()))
    ben.home.shelf.put_fork(log, (coop.home.first.log.head.note.decode(), other_history(coop).decode()))
    for verb in (
        lambda: ben.publish(folder, named=name, access="public"),
        lambda: ben.desk.vote(proposal=waits["proposal"], choice="yes", named=name),
        lambda: ben.desk.propose(action="change-custodians", file="", named=name),
        lambda: ben.desk.pass_on(named=name),
    ):
        with pytest.raises(SplitView) as caught:
            await verb()
        assert len(caught.value.evidence) == 2
    assert coop.home.first.log.size == before
    assert len(list((ben.home.path / "packs").iterdir())) == sealed
    await ben.desk.forget_fork(log=log)
    assert len((await ben.desk.pass_on(named=name))["passed"]) == 1


async def test_a_member_keeps_a_copy_of_the_log_that_an_audit_of_the_copy_bears_out(
    start: Start, folder: Path, tmp_path: Path
) -> None:
    coop, ben = await start("coop", charter=CHARTER), await start("ben")
    await ben.desk.join(text=(await coop.desk.invite(college="workers"))["invitation"], linked=True)
    await ben.fetch(await coop.publish(folder), tmp_path / "copy", coop.address)
    for name in ("log.zip", "log"):
        copy = tmp_path / name
        told = await ben.desk.export_log(path=str(copy), openings=True, source=coop.address)
        assert (told["entries"], told["faults"]) == (coop.home.first.log.size, [])
        (row,) = (await ben.desk.audit(source=str(copy)))["rows"]
        assert (row["who"], row["state"]) == (ben.peer, "verified")
    with pytest.raises(Conflict, match="exists already"):
        await ben.desk.export_log(path=str(tmp_path / "log.zip"), source=coop.address)


async def test_a_copy_has_the_head_that_members_can_go_on_from(start: Start, folder: Path, tmp_path: Path) -> None:
    coop = await start("coop")
    older = coop.home.first.log.head.note
    await coop.publish(folder)
    site, name, both = (
        coop.node.site,
        coop.home.first.commons,
        {"cosigned": older, "checkpoint": coop.home.first.log.head.note},
    )
    for path, heads in (("a", both), ("b", {**both, "cosigned": both["checkpoint"]})):
        files.write(lambda part, heads=heads: heads.get(part) or site.tile(name, part), tmp_path / path, False)
    assert (tmp_path / "a" / "cosigned").read_bytes() == older
    assert not (tmp_path / "b" / "cosigned").exists()  # it is the newest


async def test_a_copy_of_what_contradicts_the_trusted_head_is_not_kept(start: Start, tmp_path: Path) -> None:
    coop, ben = await start("coop"), await start("ben")
    copy = tmp_path / "log.zip"
    with pytest.raises((NotFound, Untrue, Refused)):
        await ben.desk.export_log(path=str(copy), source=coop.address, commons=ben.home.first.commons)
    assert ben.home.shelf.advance(coop.home.first.log.key.vkey, None, other_history(coop))
    with pytest.raises(SplitView):
        await ben.desk.export_log(path=str(copy), source=coop.address)
    assert not copy.exists()
    assert list(ben.home.shelf.forks()) == [coop.home.first.log.key.vkey]
