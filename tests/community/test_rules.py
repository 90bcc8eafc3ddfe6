"""Two versions in one commons that goes over to later rules: the newer in this process, which is told that it knows
them, and the older as it is installed, in processes of its own."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from commons.community import voting
from commons.community.charter import founding
from commons.core.crypto import envelope
from commons.core.crypto.keys import Signer
from commons.core.dataset.reference import parse
from commons.core.state import proposals, rules
from commons.core.tlog import checkpoint, cosignature, note
from commons.core.tlog.checkpoint import Checkpoint
from commons.errors import CommonsError, Malformed, Outdated, Pending, Refused, Unreachable
from tests.cli.test_cli import Commons
from tests.conftest import ANY, CHARTER, Party, Village

LATER = f"rules = 2\n{CHARTER}"


@pytest.fixture
def newer(monkeypatch: pytest.MonkeyPatch) -> None:
    """This process knows rules that no version does yet: judged as the first are, but for their number."""
    monkeypatch.setattr(rules, "KNOWN", frozenset({1, 2}))


class Older(Commons):
    """Ben's home, and the program that is installed."""

    async def tell(self, *words: str, home: str = "ben", fails: int = 0, typed: str = "") -> dict[str, Any]:
        return await asyncio.to_thread(partial(self.json, home, *words, fails=fails, typed=typed))

    async def outdated(self, *words: str, home: str = "ben") -> None:
        told = await self.tell(*words, home=home, fails=26)
        assert told["error"] == 26, told
        assert "rules 2" in told["message"], told
        assert "upgrade" in told["hint"], told


def line(party: Party) -> bool:
    """Whether its newest head names rules 2."""
    text = note.peek(party.home.first.log.head.note)
    assert checkpoint.parse(text).rules == party.home.first.log.state.rules
    return text.endswith("\nrules 2\n")


async def over(coop: Party, *voters: Party) -> int:
    """The members go over to rules 2: the proposal."""
    made = await coop.desk.propose(action="amend-charter", file=LATER)
    for each in voters:
        await each.desk.vote(proposal=made["proposal"], choice="yes")
    return int(made["proposal"])


@pytest.mark.rest
async def test_the_older_fails_closed_and_the_newer_goes_on(
    newer: None, village: Village, folder: Path, tmp_path: Path
) -> None:
    coop = await village.start("coop", CHARTER)
    ana, asker, later = [await village.start(name) for name in ("ana", "asker", "later")]
    old = Older(tmp_path)
    await old.tell("init")
    for home in ("ana", "ben"):
        invited = (await coop.desk.invite(college="workers", lan=True))["invitation"]
        if home == "ana":
            await ana.desk.join(text=invited, linked=True)
        else:
            await old.tell("community", "join", "--linked", typed=f"{invited}\n")
    for party in (coop, ana):
        await party.desk.keep()
    await old.tell("custody", "keep")
    node = old.node("ben", "--listen", ANY)
    ready = await asyncio.to_thread(node.__enter__)
    try:
        await two_versions(coop, ana, asker, later, old, str(ready["addresses"][0]), folder, tmp_path)
    finally:
        await asyncio.to_thread(node.__exit__, None, None, None)


async def two_versions(
    coop: Party, ana: Party, asker: Party, later: Party, old: Older, ben: str, folder: Path, tmp_path: Path
) -> None:
    for address in (ana.address, ben):
        await coop.desk.peers(add=address)
    peers = {"coop": coop.peer, "ana": ana.peer, "ben": ben.rpartition("/")[2]}
    members = "".join(f"member {name} {peer}\n" for name, peer in peers.items())
    policy = f"{members}group keepers 2 {' '.join(peers)}\nquorum keepers\n"
    chosen = await coop.desk.propose(action="change-custodians", file=policy)
    assert chosen["outcome"]["standing"] == "passed"
    await coop.publish(folder)
    told = await coop.desk.refer(dataset="Rivers", lan=True)
    reference, cid = str(told["reference"]), parse(str(told["reference"])).cid
    await old.tell("mirror", reference)

    # -- before it passes, everybody sees the proposal; nobody is kept from anything
    made = await coop.desk.propose(action="amend-charter", file=f"custodians = '''{policy}'''\n{LATER}")
    (open_,) = (await old.tell("community", "status"))["proposals"]
    assert (open_["rules"], open_["means"][0]) == (2, "rules 2 in place of rules 1, and never back")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ana.node.custodian, "hand", away)
        await asker.fetch(reference, tmp_path / "first", ben)  # with the share of the older
    assert not line(coop)
    await ana.desk.vote(proposal=made["proposal"], choice="yes")
    assert line(coop)
    assert (await ana.desk.community())["rules"] == 2

    # -- the older releases, signs and votes nothing, and says why
    other = await coop.desk.propose(action="admit", college="workers", peer=asker.peer)
    assert other["outcome"]["standing"] == "passed"
    await old.outdated("community", "propose", "admit", "--college", "workers", "--peer", peers["ana"])
    await old.outdated("community", "vote", str(other["proposal"]), "no")
    await old.outdated("community", "invite", "workers")
    await old.outdated("custody", "pass-on")
    size = coop.home.first.log.size
    await old.outdated("fetch", reference, str(tmp_path / "ben"), "--acknowledge", "CC-BY-4.0")
    assert coop.home.first.log.size == size
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ana.node.custodian, "hand", away)
        with pytest.raises(CommonsError, match="too few custodians") as caught:
            await later.fetch(reference, tmp_path / "second", ben)
    assert "rules 2" in f"{caught.value.message} {caught.value.hint}"

    # -- it goes on carrying and showing
    status = await old.tell("community", "status")
    assert (status["rules"], status["proposals"]) == (2, [])
    assert "upgrade" in status["outdated"]
    assert (await old.tell("show", reference))["cid"] == cid
    audited = await old.tell("audit", coop.address, fails=26)
    assert (audited["rules"], audited["faults"]) == (2, [])
    assert audited["unjudged"] == coop.home.first.log.state.founded.numbers[1][0] + 1
    await old.tell("log", "export", str(tmp_path / "log.zip"), "--from", coop.address)
    assert (tmp_path / "log.zip").exists()
    assert await asker.node.net.get(ben, f"/manifests/{cid}", limit=1 << 20)

    # -- the newer goes on
    third = await later.fetch(reference, tmp_path / "third")  # with the shares of the others
    assert third["receipt"] == "logged"
    audited = await ana.desk.audit(source=coop.address)
    assert (audited["faults"], audited["unjudged"], audited["rules"]) == ([], None, 2)


async def away(*_: object) -> bytes:
    raise Unreachable("this custodian is away")


async def test_a_registrar_of_the_older_version_takes_no_part_in_what_it_does_not_know(
    village: Village, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its owner alone decides, in a commons of one; another version comes to its home, and goes again."""
    coop, asker, old = await village.start("coop"), await village.start("asker"), Older(tmp_path)
    reference = await coop.publish(folder, access="approval")
    with pytest.raises(Pending):
        await asker.fetch(reference, tmp_path / "no", coop.address)
    (asked,) = coop.home.first.log.state.accesses
    charter = 'rules = 2\nname = "Mine"\n[colleges]\nmembers = ["me"]\n'
    with pytest.raises(Outdated, match="rules 2"):
        await coop.desk.propose(action="amend-charter", file=charter)
    made = proposal(coop)
    with pytest.raises(Outdated, match="rules 2"):  # nor from another's program
        await coop.node.at().registrar.govern(envelope.sign(proposals.RULES, made, coop.home.keys.identity))
    size = coop.home.first.log.size
    monkeypatch.setattr(rules, "KNOWN", frozenset({1, 2}))
    coop.home.first.log.state.known = rules.KNOWN
    told = await coop.desk.propose(action="amend-charter", file=charter)
    assert (told["outcome"]["standing"], coop.home.first.log.size) == ("passed", size + 1)
    assert line(coop)
    with pytest.raises(Refused, match="never goes back to rules 1"):
        await coop.desk.propose(action="amend-charter", file=charter.replace("rules = 2", "rules = 1"))
    await village.stop("coop")
    coop = await village.start("coop")
    assert coop.home.first.log.broken is None
    cid = await coop.publish(folder, title="Brooks")
    await village.stop("coop")

    status = await old.tell("status", home="coop")
    assert "rules 2" in status["log"]
    assert "upgrade" in status["next"]
    await old.outdated("publish", str(folder), "--title", "Bays", "--licence", "CC0-1.0", home="coop")
    await old.outdated("community", "propose", "withdraw", "--dataset", reference, home="coop")
    await old.outdated("approve", str(asked), home="coop")
    await old.outdated("log", "erase", str(asked), "--reason", "asked", "--yes", home="coop")
    audited = await old.tell("audit", home="coop", fails=26)
    assert (audited["unjudged"], audited["entries"], audited["faults"]) == (size + 1, size + 2, [])
    await old.tell("log", "export", str(tmp_path / "log.zip"), home="coop")
    assert (await old.tell("show", cid, home="coop"))["title"] == "Brooks"
    monkeypatch.setattr(rules, "KNOWN", frozenset({1}))
    coop, other = await village.start("coop"), await village.start("other")
    with pytest.raises(Outdated, match="rules 2"):
        await other.fetch(reference, tmp_path / "no", coop.address)
    assert other.home.shelf.asks() == []  # nothing was signed
    assert coop.home.first.log.size == size + 2


def proposal(party: Party) -> proposals.LaterRules:
    """To put rules 2 in force, as this version would not sign it."""
    charter = party.home.first.log.state.founded.charter
    empty = tuple(replace(each, members=()) for each in charter.colleges)
    made = voting.proposal(party.home.first.commons, "amend-charter", charter=replace(charter, colleges=empty))
    return proposals.LaterRules(rules=2, proposal=made)


def test_a_commons_begins_with_the_first_rules() -> None:
    with pytest.raises(Malformed, match="begins with rules 1"):
        founding(LATER, 1)
    founding(LATER.replace("rules = 2", "rules = 1"), 1)


async def test_a_witness_signs_no_head_of_a_commons_by_rules_that_it_does_not_know(village: Village) -> None:
    witness = (await village.start("witness")).node.site.witness
    log = Signer(b"l" * 32)

    def request(origin: str, number: int) -> bytes:
        head = Checkpoint(origin=origin, size=1, root=bytes(32), rules=number)
        return cosignature.AddCheckpoint(old=0, proof=(), note=checkpoint.sign(head, log)).encode()

    for origin in (ours := "commons/bafkreia", "node.example/log"):
        witness.add(note.Verifier(name=origin, public=log.public).vkey)
    with pytest.raises(Outdated, match="rules 2"):
        witness.add_checkpoint(request(ours, 2))
    assert witness.add_checkpoint(request("node.example/log", 2))  # what others mean by it is theirs
    assert witness.add_checkpoint(request(ours, 1))
    assert [each["size"] for each in witness.change()["logs"]] == [1, 1]  # both are read back
