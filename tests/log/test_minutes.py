"""The minutes of a community, read back from a file by somebody who has nothing else. Real nodes."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import pytest

from commons.cli.community import tell_community
from commons.community import voting
from commons.core.crypto import envelope
from commons.core.state.fold import State
from commons.core.state.proposals import VOTE, Vote
from commons.disk.records import record
from commons.log.audit import offline
from tests.conftest import CHARTER, Found, Village, chosen, until

pytestmark = pytest.mark.usefixtures("impatient")


async def read(path: Path, who: str | None = None, since: int | None = None, last: int | None = None) -> dict[str, Any]:
    return await offline(str(path), None, who, None, since, last, True)


async def test_a_file_tells_who_decided_what_and_who_kept_the_log_and_the_keys(
    village: Village, found: Found, tmp_path: Path
) -> None:
    seats = await found("ben", "cleo")
    coop, ben, cleo = (seats[name] for name in ("coop", "ben", "cleo"))
    began = int(time.time())
    shut = (await ben.desk.propose(action="amend-charter", file=CHARTER.replace("River", "Sea"), words="Sea"))[
        "proposal"
    ]
    await coop.desk.vote(proposal=shut, choice="no", reason="We measure rivers")
    await cleo.desk.vote(proposal=shut, choice="no")
    wider = CHARTER.replace("[colleges]", 'purpose = "To know our rivers"\n[colleges]')
    done = (await coop.desk.propose(action="amend-charter", file=wider))["proposal"]
    await cleo.desk.vote(proposal=done, choice="yes", reason="At last")
    keepers = f"member ben {ben.peer}\nquorum ben\n"
    kept = (await cleo.desk.propose(action="change-custodians", file=keepers))["proposal"]
    heir = await chosen(seats, "ben", "cleo")
    assert (await ben.desk.take_over())["taken"]
    ben = await village.restart("ben")
    await ben.desk.export_log(path=str(tmp_path / "log.zip"), openings=False)

    told = await read(tmp_path / "log.zip")
    assert (told["faults"], told["commons"], told["entries"]) == ([], coop.home.first.commons, ben.home.first.log.size)
    minutes = told["governance"]
    kinds = [(row["kind"], row["who"]) for row in minutes["rows"]]
    assert kinds == [
        ("charter", coop.peer),
        ("proposal", coop.peer), ("join", ben.peer), ("proposal", coop.peer), ("join", cleo.peer),
        ("proposal", ben.peer), ("ballot", coop.peer), ("ballot", cleo.peer),
        ("proposal", coop.peer), ("ballot", cleo.peer),
        ("proposal", cleo.peer),
        ("proposal", ben.peer), ("ballot", cleo.peer), ("succession", ben.peer),
    ]  # fmt: skip
    assert [row["entry"] for row in minutes["rows"]] == list(range(14))
    rows = {row["entry"]: row for row in minutes["rows"]}
    assert (rows[shut]["outcome"], rows[shut]["closed"], rows[shut]["words"]) == ("rejected", shut + 2, "Sea")
    assert rows[shut]["means"] == ["no longer: name: River watch", "name: Sea watch"]
    assert (rows[shut + 1]["what"], rows[shut + 1]["words"]) == (f"no to proposal {shut}", "We measure rivers")
    assert (rows[done]["outcome"], rows[done]["closed"]) == ("passed", done + 1)
    assert rows[done]["means"] == ["no longer: purpose: ", "purpose: To know our rivers"]  # as it stood in front of it
    assert (rows[kept]["outcome"], rows[kept]["closed"]) == ("passed", kept)
    assert (rows[heir]["outcome"], rows[heir]["proposal"]) == ("passed", heir)
    assert rows[2]["what"] == "joins workers, by invitation 1"
    assert "purpose: To know our rivers" in minutes["charter"]
    assert set(minutes["colleges"]["workers"]) == {coop.peer, ben.peer, cleo.peer}
    assert [(each["entry"], each["peer"], each["from"]) for each in minutes["registrars"]] == [
        (0, coop.peer, None), (13, ben.peer, 13),
    ]  # fmt: skip
    assert minutes["custodians"] == [
        {"entry": 0, "policy": []}, {"entry": kept, "policy": keepers.splitlines()},
    ]  # fmt: skip
    assert minutes["heir"] is None

    # the same from the node that keeps the log, and from its owner's own home
    for each in (cleo.desk.audit(source=ben.address, governance=True), ben.desk.audit(governance=True)):
        assert (await each)["governance"] == minutes
    hers = await read(tmp_path / "log.zip", who=cleo.peer)
    assert {row["who"] for row in hers["governance"]["rows"]} == {cleo.peer}
    assert hers["unmatched"] == []  # she asked for no data, and signed
    assert (await read(tmp_path / "log.zip", who=(await village.start("eve")).peer))["unmatched"]
    assert [row["entry"] for row in (await read(tmp_path / "log.zip", last=began))["governance"]["rows"]] == [
        row["entry"] for row in minutes["rows"] if row["time"] < began
    ]
    assert (await read(tmp_path / "log.zip", since=int(time.time()) + 60))["governance"]["rows"] == []
    assert "governance" not in await cleo.desk.audit(source=ben.address)


async def test_a_ballot_that_does_not_count_is_a_fault_and_not_in_the_minutes(
    found: Found, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The registrar logs a second ballot of a member, against the rules, and so would have the proposal pass."""
    seats = await found("ben", "cleo")
    coop, ben, cleo = (seats[name] for name in ("coop", "ben", "cleo"))
    text = CHARTER.replace("River", "Sea")
    asked = (await ben.desk.propose(action="amend-charter", file=text))["proposal"]
    await cleo.desk.vote(proposal=asked, choice="no")
    digest = coop.home.first.log.state.founded.ballot(asked).digest
    said = Vote(commons=coop.home.first.commons, proposal=digest, choice="yes", reason="", time=int(time.time()))
    again = envelope.open(VOTE, Vote, voting.sign(cleo.home, VOTE, said))
    with monkeypatch.context() as patch:
        patch.setattr(State, "apply", lambda self, _: setattr(self, "size", self.size + 1))
        coop.home.first.log.append(lambda _state, _index, _now: [record(again)]).result()
    await coop.desk.export_log(path=str(tmp_path / "log"), openings=True)
    told = await read(tmp_path / "log")
    assert [(fault["entry"], "has voted" in fault["what"]) for fault in told["faults"]] == [(asked + 2, True)]
    rows = {row["entry"]: row for row in told["governance"]["rows"]}
    assert asked + 2 not in rows
    assert rows[asked]["outcome"] == "open"
    assert "name: River watch" in told["governance"]["charter"]


async def test_a_decision_that_witnesses_saw_is_closed_by_their_stamp(
    village: Village, found: Found, capsys: pytest.CaptureFixture[str]
) -> None:
    witness = await village.start("witness", http="127.0.0.1:0")
    seats = await found("ben", witness=witness)
    coop = seats["coop"]
    await village.stop("witness")
    waits = (await coop.desk.propose(action="admit", college="workers", peer=witness.peer))["proposal"]
    assert waits in coop.home.first.log.state.founded.counted
    await until(lambda: coop.home.first.log.size == coop.home.first.log.state.size)
    rows = {row["entry"]: row for row in (await coop.desk.audit(governance=True))["governance"]["rows"]}
    assert (rows[waits]["outcome"], rows[waits]["closed"]) == ("counted", None)
    assert rows[rows[1]["closed"]]["kind"] == "stamp"  # the invitation of Ben
    (status,) = (await seats["ben"].desk.community())["proposals"]
    assert (status["proposal"], status["standing"], status["missing"]) == (waits, "counted", "")
    assert status["witnesses"] == "w"
    capsys.readouterr()
    tell_community(await seats["ben"].desk.community())
    said = capsys.readouterr().out
    assert f"Proposal {waits}: admit, " in said
    assert "waits for witnesses who have seen them in time: w." in said
    assert "Nobody has to vote. Waiting for witnesses: 1 proposal." in said
    assert "No proposal is open" not in said
