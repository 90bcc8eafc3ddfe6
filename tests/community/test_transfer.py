"""A registrar is replaced, by vote in its own log, or apart from it when it does not answer. Real nodes."""

from __future__ import annotations

import time
from dataclasses import replace
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from commons.community import transfer, voting
from commons.core.crypto import envelope
from commons.core.state import charter, entries, proposals
from commons.core.state.proposals import Vote
from commons.core.state.transfer import SUCCESSION, Succession
from commons.core.tlog import note, proof
from commons.disk.log import Log
from commons.disk.records import record
from commons.errors import CommonsError, Conflict, Malformed, NotFound, Pending, Refused, SplitView, Untrue
from commons.node.verbs.context import log_at
from commons.witness import cosigning
from tests.conftest import CHARTER, Found, Party, Village, chosen, decided, until

pytestmark = pytest.mark.usefixtures("impatient")


# -- with the registrar ------------------------------------------------------------------------------------------------


async def test_the_log_goes_on_elsewhere_and_every_old_proof_holds(
    village: Village, found: Found, folder: Path, tmp_path: Path
) -> None:
    seats = await found("ben", "cleo")
    coop, ben, cleo = seats["coop"], seats["ben"], seats["cleo"]
    reference = await coop.publish(folder)
    await cleo.fetch(reference, tmp_path / "cleo", coop.address)
    kept = next((cleo.home.path / "proofs").glob("*.tlog-proof")).read_bytes()
    old, key = coop.home.first.log.head, coop.home.first.log.key
    await chosen(seats, "ben", "cleo")
    told = await cleo.desk.community()
    assert (told["registrar"], told["heir"]) == (coop.peer, ben.peer)
    with pytest.raises(Conflict, match="have chosen"):  # from here on the old one takes nothing
        await coop.publish(folder, title="More")
    done = await ben.desk.take_over()
    assert done["taken"]
    assert ben.home.first.commons == coop.home.first.commons  # without a restart
    assert sorted(each.log.size for each in ben.home.kept.values()) == [1, ben.home.first.log.size]
    ben = await village.restart("ben")
    assert ben.home.first.commons == coop.home.first.commons
    assert ben.home.first.log.compare(old.note) == old.checkpoint.size  # the old head is of the new log, by the old key
    opened = proof.parse(kept)
    proof.check(opened, ben.home.first.log.entry(opened.index), key)
    told = await cleo.desk.follow(source=ben.address)
    assert (told["registrar"], told["heir"]) == (ben.peer, None)
    audited = await cleo.desk.audit(source=ben.address)
    assert audited["faults"] == []
    own = await ben.desk.audit()
    assert (own["faults"], own["rows"][0]["who"]) == ([], cleo.peer)  # what the old log hid was taken along
    # the community goes on: a ballot, a dataset, a request
    stranger = await village.start("stranger")
    second = await ben.publish(folder, title="Lakes")
    await stranger.fetch(second, tmp_path / "stranger", ben.address)
    admitted = await cleo.desk.propose(action="admit", college="workers", peer=stranger.peer)
    assert admitted["outcome"]["standing"] == "passed"
    assert (await cleo.desk.audit(source=ben.address))["faults"] == []


async def test_who_waited_and_who_was_granted_are_served_by_who_keeps_the_log_then(
    village: Village, found: Found, folder: Path, tmp_path: Path
) -> None:
    """The old registrar is gone. What requests hide was for the members to read, so the new one has it: it answers for
    the persons who asked, as themselves."""
    seats = await found("ben", "cleo", "dora")
    coop, ben, cleo, dora = (seats[name] for name in ("coop", "ben", "cleo", "dora"))
    assert coop.home.first.log.state.founded.charter.readers == "members"
    members = "".join(f"member {name} {seats[name].peer}\n" for name in ("ben", "cleo", "dora"))
    policy = f"{members}group keepers 2 ben cleo dora\nquorum keepers\n"
    await coop.desk.propose(action="change-custodians", file=policy)
    for each in (ben, cleo, dora):
        await each.desk.keep()
    approved = await coop.publish(folder, access="approval", title="Lakes")
    await coop.publish(folder)
    waits, granted = await village.start("waits"), await village.start("granted")
    with pytest.raises(Pending):
        await waits.fetch(approved, tmp_path / "no", coop.address, details="for the flood map")
    for cid in coop.home.first.log.state.datasets:
        await ben.desk.mirror(dataset=f"commons:{cid}", sources=[coop.address])
    cids = [*coop.home.first.log.state.datasets]
    await village.stop("cleo")
    await village.stop("dora")
    with pytest.raises(CommonsError):  # it is granted; too few custodians are there to give the key
        await granted.fetch(f"commons:{cids[1]}", tmp_path / "no", coop.address, ben.address)
    cleo, dora = await village.start("cleo"), await village.start("dora")
    await chosen({**seats, "cleo": cleo, "dora": dora}, "ben", "cleo", "dora")
    accesses = coop.home.first.log.state.accesses
    first, second = accesses
    assert [(each.outcome, each.receipt) for each in accesses.values()] == [("pending", None), ("grant", None)]
    assert (await ben.desk.take_over())["taken"]
    await village.stop("coop")
    ben = await village.restart("ben")
    (desk,) = (await ben.desk.requests())["requests"]
    assert (desk["request"], desk["who"], desk["details"]) == (first, waits.peer, "for the flood map")
    await ben.desk.decide(request=first, outcome="grant", reason="welcome")
    where = (ben.address, cleo.address, dora.address)
    for each in (cleo, dora):
        await each.desk.follow(source=ben.address)
    for who, cid in ((waits, cids[0]), (granted, cids[1])):
        got = await who.fetch(f"commons:{cid}", tmp_path / who.peer, *where, details="for the flood map")
        assert (tmp_path / who.peer / "rivers.csv").read_bytes() == (folder / "rivers.csv").read_bytes()
        assert got["request"] in (first, second)
    told = await ben.desk.audit()
    assert told["faults"] == []
    rows = [
        (row["entry"], row["who"], row["decision"], row["receipt"] is not None, row["state"]) for row in told["rows"]
    ]
    assert rows == [(first, waits.peer, "grant", True, "verified"), (second, granted.peer, "grant", True, "verified")]


async def test_the_registrar_changes_its_key_to_the_one_it_committed_to(village: Village, found: Found) -> None:
    seats = await found("ben")
    coop, before = seats["coop"], seats["coop"].home.first.log.key
    await chosen(seats, "coop", "ben")
    assert (await coop.desk.take_over())["taken"]
    coop = await village.restart("coop")
    assert coop.home.first.log.key != before
    assert (
        sha256(coop.home.first.log.key.public).digest()
        == envelope.open(charter.CHARTER, charter.Charter, coop.home.first.log.entry(0)).value.next_key
    )
    told = await seats["ben"].desk.follow(source=coop.address)
    assert told["registrar"] == coop.peer
    assert (await seats["ben"].desk.audit(source=coop.address))["faults"] == []
    coop = await village.restart("coop")
    assert (await coop.desk.audit())["faults"] == []


# -- without it --------------------------------------------------------------------------------------------------------


async def test_a_registrar_that_disappears_is_replaced_from_the_last_cosigned_head(
    village: Village, found: Found, folder: Path, tmp_path: Path
) -> None:
    """Custodians keep the keys, a witness the head, an export the log: with them the members need nobody's leave."""
    witness = await village.start("witness", http="127.0.0.1:0")
    seats = await found("ben", "cleo", "dora", witness=witness)
    coop, ben, cleo, dora = (seats[name] for name in ("coop", "ben", "cleo", "dora"))
    members = "".join(f"member {name} {seats[name].peer}\n" for name in ("ben", "cleo", "dora"))
    await coop.desk.propose(
        action="change-custodians", file=f"{members}group keepers 2 ben cleo dora\nquorum keepers\n"
    )
    await decided(coop)
    for each in (ben, cleo, dora):
        await each.desk.keep()
    await coop.publish(folder)
    cid = next(iter(coop.home.first.log.state.datasets))
    reference = str((await coop.desk.refer(dataset=f"commons:{cid}", lan=True))["reference"])
    await until(lambda: cosigning.standing(coop.home.first)["covered"] == coop.home.first.log.size)
    await coop.desk.export_log(path=str(tmp_path / "log.zip"), openings=True)
    await ben.desk.mirror(dataset=reference, sources=[coop.address])
    await village.stop("coop")

    offered = await ben.desk.take_over(source=str(tmp_path / "log.zip"))
    assert not offered["taken"]
    assert offered["outcome"]["missing"] == "2 of workers"
    await cleo.desk.vote_at(address=ben.address, choice="yes")
    with pytest.raises(Conflict, match="has voted"):
        await cleo.desk.vote_at(address=ben.address, choice="no")
    assert not (await ben.desk.take_over(source=str(tmp_path / "log.zip")))["taken"]
    await dora.desk.vote_at(address=ben.address, choice="yes", reason="Coop is gone")
    assert (await ben.desk.take_over(source=str(tmp_path / "log.zip")))["taken"]
    ben = await village.restart("ben")
    for each in (cleo, dora):
        await each.desk.follow(source=ben.address)
    asker = await village.start("asker")
    with pytest.raises(Pending):  # no witness has seen the new key's heads yet
        await asker.fetch(f"commons:{cid}", tmp_path / "asker", ben.address, cleo.address, dora.address)
    witness.node.site.witness.add(ben.home.first.log.key.vkey)
    await until(lambda: cosigning.standing(ben.home.first)["covered"] == ben.home.first.log.size)
    await ben.desk.peers(add=cleo.address)
    await asker.fetch(f"commons:{cid}", tmp_path / "asker", ben.address, cleo.address, dora.address)
    assert (tmp_path / "asker" / "rivers.csv").read_bytes() == (folder / "rivers.csv").read_bytes()
    audited = await asker.desk.audit(source=ben.address, commons=ben.commons)
    assert (audited["faults"], len(audited["rows"])) == ([], 1)
    # the old one comes back, and nobody follows it: the witness has signed another history
    coop = await village.start("coop")
    await coop.desk.propose(action="admit", college="workers", peer=asker.peer)
    with pytest.raises(Conflict, match="before that head"):  # what it signs now shuts nobody's log
        ben.home.first.log.compare(coop.home.first.log.head.note)
    assert ben.home.first.log.broken is None
    with pytest.raises((SplitView, Untrue)):
        await cleo.desk.follow(source=coop.address)


async def test_from_a_head_that_no_witness_signed_nobody_goes_on(
    village: Village, found: Found, tmp_path: Path
) -> None:
    key = note.Verifier(name="w", type=note.COSIGNATURE, public=bytes(range(32))).vkey
    away = f'witnesses = """\nwitness w {key} http://127.0.0.1:9\nquorum w\n"""\n'
    seats = await found(charter=away + CHARTER)
    await chosen(seats, "coop")  # this needs no witnesses, lest nobody could do without them any more
    with pytest.raises(Pending, match="no head of this log is witnessed"):
        await seats["coop"].desk.take_over()


async def test_ballots_that_are_no_members_or_on_another_offer_do_not_count(village: Village, found: Found) -> None:
    seats = await found("ben", "cleo")
    ben, cleo, stranger = seats["ben"], seats["cleo"], await village.start("stranger")
    commons = seats["coop"].home.first.commons
    with pytest.raises(NotFound, match="has not offered"):
        await cleo.desk.vote_at(address=ben.address, choice="yes")
    await ben.desk.take_over()
    proposal = ben.node.site.bids.shown(commons)
    said = Vote(
        commons=commons, proposal=sha256(proposal).digest(), choice="yes", reason="", time=int(time.time())
    )  # fmt: skip

    def ballot(by: Party, **lie: Any) -> bytes:
        return voting.sign(by.home, proposals.VOTE, replace(said, **lie))

    true = ballot(cleo)
    for wrong, error in (
        (ballot(stranger), Refused), (ballot(cleo, proposal=bytes(32)), Malformed),
        (true[:-1] + bytes([true[-1] ^ 1]), Untrue), (b"x", Malformed),
    ):  # fmt: skip
        with pytest.raises(error):
            await cleo.node.net.post(ben.address, f"/{commons}/succession", wrong, limit=100)
    assert ben.home.shelf.ballots(sha256(proposal).digest()) == []
    for each in (cleo, seats["coop"]):
        await each.desk.vote_at(address=ben.address, choice="no")
    told = await ben.desk.take_over()
    assert (told["taken"], told["outcome"]["standing"]) == (False, "rejected")
    renewed = await ben.desk.take_over(anew=True)
    assert renewed["outcome"]["standing"] == "open"


# -- a successor that lies ---------------------------------------------------------------------------------------------


async def test_a_successor_that_rewrites_what_was_is_found_out_by_who_never_saw_it(
    village: Village, found: Found, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seats = await found("ben", "cleo")
    await seats["coop"].publish(folder)
    await chosen(seats, "ben", "cleo")
    true = transfer._records

    def other(copied: transfer.Copy) -> Any:
        """Without the dataset's entry, in whose place another stands."""
        for each in true(copied):
            if isinstance(each.entry, envelope.Opened) and isinstance(each.entry.value, entries.Publish):
                lie = envelope.sign(
                    entries.PUBLISH, replace(each.entry.value, title="Seas"), seats["coop"].home.keys.identity
                )
                each = replace(each, entry=entries.decode(lie), data=lie)
            yield each

    monkeypatch.setattr(transfer, "_records", other)
    assert (await seats["ben"].desk.take_over())["taken"]
    ben, newcomer = await village.restart("ben"), await village.start("newcomer")
    with pytest.raises(Untrue, match="they are others"):
        await newcomer.desk.audit(source=ben.address, commons=ben.commons)
    with pytest.raises(CommonsError):
        await seats["cleo"].desk.follow(source=ben.address)


async def test_nobody_takes_a_log_over_whom_the_members_have_not_chosen(village: Village, found: Found) -> None:
    seats = await found("ben", "cleo")
    coop, cleo = seats["coop"], seats["cleo"]
    await chosen(seats, "ben")
    copied = await transfer.copy(
        (await log_at(cleo.desk.context, coop.address, coop.commons))[0], coop.home.first.commons, b""
    )
    with pytest.raises(Refused, match="not chosen"):
        transfer.build(cleo.home, coop.home.first.commons, copied)
    said = Succession(commons=coop.home.first.commons, head=coop.home.first.log.head.note, time=int(time.time()))
    lie = envelope.open(SUCCESSION, Succession, envelope.sign(SUCCESSION, said, cleo.home.keys.identity))
    with pytest.raises(Refused, match="not chosen"):
        Log.adopt(
            cleo.home.path / "lie.db", [*transfer._records(copied), record(lie)], cleo.home.keys.log(0), bytes(32)
        )
