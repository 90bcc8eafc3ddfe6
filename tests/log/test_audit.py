"""The audit against registrars that lie in what they export, and against files that are no log at all."""

from __future__ import annotations

import csv
import io
import json
import os
import random
import shutil
import struct
import time
import tracemalloc
import warnings
import zipfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import click.testing
import msgpack
import pytest

from commons.cli import commands, show
from commons.cli.log import tell_audit
from commons.core.crypto import codec, envelope
from commons.core.crypto.ids import cid
from commons.core.crypto.keys import Keys, Signer
from commons.core.state import entries
from commons.core.state.charter import College
from commons.core.state.entries import Charter, Decided, Publish, Received
from commons.core.tlog import tiles
from commons.disk.verdicts import RowVerdict
from commons.errors import CommonsError, Conflict, Malformed, NotFound, SplitView, Untrue
from commons.log import files as archive
from commons.log.audit import offline
from commons.log.files import PART
from tests.conftest import MakeHome, Party, Start
from tests.dishonest import Asker, Forger
from tests.disk.test_log import note_of, stalled

EVE = Signer(b"\xee" * 32)
DAY = 86_400
# The true log: see `party`.
CHARTER, OPEN, APPROVED, LISTED, ASKED, GRANTED, RECEIVED, WAITED, DECIDED, LISTED_ASKED, LISTED_GRANTED = range(11)
LAST = LISTED_GRANTED + 1


@pytest.fixture
async def party(start: Start, folder: Path) -> Party:
    """A commons in which something happened: one dataset for anyone (for 30 days), one by approval, one by a list."""
    alice = await start("alice", listen=())
    anna, ben = b"\1" * 32, b"\2" * 32
    asker = Asker(alice, await alice.publish(folder, grant_days=30, purposes=["research"]), anna)
    second = Asker(alice, await alice.publish(folder, access="approval", title="Second"), ben)
    third = Asker(
        alice, await alice.publish(folder, access="allow-list", allow=[asker.keys.identity.peer], title="=1+1"), anna
    )
    assert await asker.ask() == ASKED
    said = Received(commons=alice.home.first.commons, request=ASKED, dataset=asker.cid, files=3, size=9, time=0)
    await asker.send(asker.submission(said, kind=entries.RECEIPT))
    assert await second.ask() == WAITED
    await alice.desk.decide(request=WAITED, outcome="grant", reason="welcome")
    assert await third.ask() == LISTED_ASKED
    assert alice.home.first.log.size == LAST
    return alice


async def audited(source: Path, commons: str | None = None, **only: Any) -> dict[str, Any]:
    wanted = {"who": None, "dataset": None, "since": None, "until": None, **only}
    return await offline(str(source), commons, **wanted)


async def test_the_true_log_is_verified_whole(party: Party, tmp_path: Path) -> None:
    told = await audited(Forger(party.home).write(tmp_path / "log"))
    assert told["faults"] == []
    assert [row["state"] for row in told["rows"]] == ["verified"] * 3
    assert [row["decision"] for row in told["rows"]] == ["grant"] * 3


# -- entries that lie: the lie, the entries that are faulty, and what is said of the first of them


def reorders(f: Forger) -> None:
    f.swap(ASKED, GRANTED)


def puts_the_receipt_first(f: Forger) -> None:
    f.swap(GRANTED, RECEIVED)


def dates_a_request_back(f: Forger) -> None:
    f.change(WAITED, time=1)


def dates_a_decision_back(f: Forger) -> None:
    f.change(DECIDED, time=1)


def grants_what_waits_for_a_person(f: Forger) -> None:
    f.change(DECIDED, statement=None, reason="acknowledged")
    del f.openings[DECIDED]


def refuses_without_a_reason(f: Forger) -> None:
    f.change(GRANTED, outcome="refuse", reason="purpose", expires=None)


def grants_for_longer(f: Forger) -> None:
    f.change(GRANTED, expires=int(time.time()) + 31 * DAY)


def grants_for_ever(f: Forger) -> None:
    f.change(GRANTED, expires=None)


def revokes_unsigned(f: Forger) -> None:
    entry: Any = entries.decode(f.entries[GRANTED])
    f.entries.append(codec.encode(replace(entry, outcome="revoke", expires=None, time=int(time.time()) + 5)))


def lets_a_stranger_decide(f: Forger) -> None:
    said = envelope.open(entries.DECISION, Decided, f.private(DECIDED, "statement")).value
    f.hide(DECIDED, statement=envelope.sign(entries.DECISION, said, EVE))


def turns_the_stewards_word(f: Forger) -> None:
    said = envelope.open(entries.DECISION, Decided, f.private(DECIDED, "statement")).value
    f.hide(DECIDED, statement=envelope.sign(entries.DECISION, replace(said, outcome="refuse"), f.keys.identity))


def moves_the_stewards_word(f: Forger) -> None:
    f.change(DECIDED, request=LISTED_ASKED)
    f.swap(DECIDED, LISTED_ASKED)
    f.change(LISTED_ASKED, request=DECIDED, basis=LISTED)


def changes_a_purpose(f: Forger) -> None:
    f.change(WAITED, purpose="product")


def invents_a_requester(f: Forger) -> None:
    f.hide(ASKED, requester=EVE.peer.encode(), statement=f.private(ASKED, "statement"))


def signs_for_somebody(f: Forger) -> None:
    said = codec.decode(envelope.Envelope, f.private(ASKED, "statement"))
    forged = codec.encode(replace(said, signature=EVE.sign(b"x")))
    f.hide(ASKED, requester=said.signer.encode(), statement=forged)


def names_no_peer(f: Forger) -> None:
    f.hide(ASKED, requester=b"\xff\x1b[2J", statement=f.private(ASKED, "statement"))


def gives_the_list_to_a_stranger(f: Forger) -> None:
    said = envelope.open(entries.REQUEST, entries.Asked, f.private(LISTED_ASKED, "statement")).value
    f.hide(LISTED_ASKED, requester=EVE.peer.encode(), statement=envelope.sign(entries.REQUEST, said, EVE))


def receives_for_somebody(f: Forger) -> None:
    said = envelope.open(entries.RECEIPT, Received, f.private(RECEIVED, "statement")).value
    f.hide(RECEIVED, statement=envelope.sign(entries.RECEIPT, said, EVE))


def counts_otherwise(f: Forger) -> None:
    f.change(RECEIVED, size=1)


def swaps_two_openings(f: Forger) -> None:
    f.openings[ASKED], f.openings[WAITED] = f.openings[WAITED], f.openings[ASKED]


def gives_a_broken_opening(f: Forger) -> None:
    f.openings[ASKED] = b"\xc1" + f.openings[ASKED]


def publishes_as_a_stranger(f: Forger) -> None:
    said = envelope.open(entries.PUBLISH, Publish, f.entries[OPEN]).value
    lie = replace(said, series=bytes(16), manifest=cid(b"x"), time=int(time.time()) + 5)
    f.entries.append(envelope.sign(entries.PUBLISH, lie, EVE))


def forges_the_publishers_signature(f: Forger) -> None:
    f.entries[OPEN] = codec.encode(
        replace(codec.decode(envelope.Envelope, f.entries[OPEN]), signature=bytes(64))
    )  # fmt: skip


def writes_a_second_charter(f: Forger) -> None:
    f.entries.append(f.entries[CHARTER])


def writes_garbage(f: Forger) -> None:
    f.entries.append(b"\xc1\xc1")


def writes_nothing(f: Forger) -> None:
    f.entries.append(b"")


def asks_for_what_is_not_there(f: Forger) -> None:
    f.change(WAITED, dataset=cid(b"nowhere"))


def decides_on_other_terms(f: Forger) -> None:
    f.change(GRANTED, basis=APPROVED)


def decides_twice(f: Forger) -> None:
    entry: Any = entries.decode(f.entries[GRANTED])
    f.entries.append(codec.encode(replace(entry, time=int(time.time()) + 5)))


def erases_the_future(f: Forger) -> None:
    lie = entries.Redaction(type=entries.REDACTION, time=int(time.time()) + 5, entries=(LAST + 9,), reason="x")
    f.entries.append(codec.encode(lie))


LIES: list[tuple[Callable[[Forger], None], set[int], str]] = [
    (reorders, {ASKED, RECEIVED}, "no request"), (puts_the_receipt_first, {GRANTED}, "no granted request"),
    (dates_a_request_back, {WAITED, DECIDED}, "dated before"), (dates_a_decision_back, {DECIDED}, "dated before"),
    (grants_what_waits_for_a_person, {DECIDED}, "the rule says pending"),
    (refuses_without_a_reason, {GRANTED, RECEIVED}, "the rule says grant"),
    (grants_for_longer, {GRANTED}, "longer than"), (grants_for_ever, {GRANTED}, "longer than"),
    (revokes_unsigned, {LAST}, "nobody signed"),
    (lets_a_stranger_decide, {DECIDED}, "not the steward"), (turns_the_stewards_word, {DECIDED}, "another decision"),
    (moves_the_stewards_word, {LISTED_ASKED}, ""), (changes_a_purpose, {WAITED}, "signed something else"),
    (invents_a_requester, {ASKED}, "signed by somebody else"), (signs_for_somebody, {ASKED}, "signature"),
    (names_no_peer, {ASKED}, "not an Ed25519 peer id"), (gives_the_list_to_a_stranger, {LISTED_GRANTED}, "not-listed"),
    (receives_for_somebody, {RECEIVED}, "somebody else"), (counts_otherwise, {RECEIVED}, "another receipt"),
    (swaps_two_openings, {ASKED, WAITED}, "not what the entry commits to"),
    (gives_a_broken_opening, {ASKED}, "msgpack"), (writes_nothing, {LAST}, "msgpack"),
    (publishes_as_a_stranger, {LAST}, "no member"), (forges_the_publishers_signature, {OPEN}, "signature"),
    (writes_a_second_charter, {LAST}, "charter"), (writes_garbage, {LAST}, "msgpack"),
    (asks_for_what_is_not_there, {WAITED, DECIDED}, "not published"),
    (decides_on_other_terms, {GRANTED, RECEIVED}, "rests on entry"), (decides_twice, {LAST}, "was decided"),
    (erases_the_future, {LAST}, "to erase"),
]  # fmt: skip


@pytest.mark.parametrize(("lie", "where", "said"), LIES, ids=[lie.__name__ for lie, _, _ in LIES])
async def test_a_registrar_that_lies_is_found_at_that_entry(
    party: Party, tmp_path: Path, lie: Callable[[Forger], None], where: set[int], said: str
) -> None:
    forger = Forger(party.home)
    lie(forger)
    told = await audited(forger.write(tmp_path / "log"))
    found = {fault["entry"]: fault["what"] for fault in told["faults"]}
    assert where <= set(found), found
    assert said in found[min(where)], found
    if lie not in (forges_the_publishers_signature, reorders, moves_the_stewards_word):  # on which others rest
        assert where == set(found), found
    for row in told["rows"]:
        touched = {row["entry"], row["decision_entry"], row["receipt"]} & set(found)
        assert row["state"].startswith(("faulty", "damaged")) if touched else row["state"] == "verified"
        if row["entry"] in found:
            assert row["who"] is None  # nobody is named for what nobody was shown to have signed
    json.dumps(told)


async def test_an_entry_left_out_shows_in_those_that_answer_it(party: Party, tmp_path: Path) -> None:
    for index in range(ASKED, LAST):
        forger = Forger(party.home)
        forger.omit(index)
        told = await audited(forger.write(tmp_path / str(index)))
        clean = index == LISTED_GRANTED  # the last one: only a remembered head can tell
        assert (told["faults"] == []) == clean, index
    forger = Forger(party.home)
    forger.omit(CHARTER)
    with pytest.raises(Untrue, match="begin with a charter"):
        await audited(forger.write(tmp_path / "no-charter"))


async def test_without_openings_what_can_be_checked_is_checked(party: Party, tmp_path: Path) -> None:
    true = Forger(party.home)
    told = await audited(true.write(tmp_path / "true", openings=False))
    assert told["faults"] == []
    assert {row["state"] for row in told["rows"]} == {"no opening given"}
    assert {row["who"] for row in told["rows"]} == {None}
    for n, lie in enumerate((grants_what_waits_for_a_person, grants_for_longer, dates_a_request_back, decides_twice)):
        forger = Forger(party.home)
        lie(forger)
        assert (await audited(forger.write(tmp_path / str(n), openings=False)))["faults"] != [], lie
    listed = Forger(party.home)
    listed.change(LISTED_GRANTED, reason="acknowledged")  # which an allow-list never says, whoever asked
    assert (await audited(listed.write(tmp_path / "listed", openings=False)))["faults"] != []


async def test_a_missing_opening_is_a_fault_only_where_nothing_explains_it(party: Party) -> None:
    await party.desk.erase(entry=ASKED)
    told = await party.desk.audit()
    assert told["faults"] == []
    row = told["rows"][0]
    assert (row["state"], row["earlier"], row["earlier_at"]) == (f"redacted by entry {LAST}", "verified", LAST - 1)
    party.home.first.log._db.execute("DELETE FROM openings WHERE idx = ?", (WAITED,))  # by hand, and nothing says why
    (fault,) = (await party.desk.audit())["faults"]
    assert fault == {"entry": WAITED, "what": "its opening is missing, and no redaction entry says why"}


@pytest.mark.parametrize("asked", [True, False])
async def test_before_its_keeper_erases_what_a_row_hides_it_is_stored_what_was_found_of_it(
    party: Party, asked: bool
) -> None:
    """By an audit, if there was one; and of a row that had a damaged opening nothing."""
    log = party.home.first.log
    if asked:
        await party.desk.audit()
        assert log.verdicts() == {index: RowVerdict("verified", LAST) for index in (ASKED, WAITED, LISTED_ASKED)}
        await party.desk.decide(request=WAITED, outcome="revoke", reason="gone")
    log._db.execute("UPDATE openings SET sealed = zeroblob(99) WHERE idx = ?", (LISTED_ASKED,))
    before = log.size
    for index in (WAITED, ASKED, LISTED_ASKED):
        await party.desk.erase(entry=index)
    found = {ASKED: LAST if asked else before, WAITED: before}
    kept = {LISTED_ASKED: LAST} if asked else {}  # while it was whole
    assert {index: each.size for index, each in log.verdicts().items()} == {**found, **kept}
    told = await party.desk.audit()
    assert told["faults"] == []
    assert [(row["who"], row["earlier"]) for row in told["rows"]] == [
        (None, "verified"), (None, "verified"), (None, "verified" if asked else None)
    ]  # fmt: skip
    raw = b"".join(each.read_bytes() for each in party.home.path.glob("log.db*"))
    assert not [word for word in (Keys(b"\2" * 32).identity.peer, "welcome") if word.encode() in raw]


@pytest.mark.parametrize("harm", ["its bytes", "its key", "no key", "no bytes"])
async def test_a_damaged_opening_is_one_row_and_ends_nothing(party: Party, tmp_path: Path, harm: str) -> None:
    db = party.home.first.log._db
    of = f"WHERE subject = (SELECT subject FROM openings WHERE idx = {WAITED})"
    if harm == "its bytes":
        ((sealed,),) = db.execute("SELECT sealed FROM openings WHERE idx = ?", (WAITED,)).fetchall()
        db.execute("UPDATE openings SET sealed = ? WHERE idx = ?", (sealed[:-1] + bytes([sealed[-1] ^ 1]), WAITED))
    elif harm == "no bytes":
        db.execute("UPDATE openings SET sealed = 7 WHERE idx = ?", (WAITED,))
    elif harm == "its key":
        db.execute(f"UPDATE subjects SET key = substr(key, 2) {of}")
    else:
        db.execute(f"DELETE FROM subjects {of}")
    told = await party.desk.audit()
    assert WAITED in {fault["entry"] for fault in told["faults"]}
    assert all("its opening is damaged" in fault["what"] for fault in told["faults"])
    states = {row["entry"]: row["state"] for row in told["rows"]}
    assert states.pop(WAITED).startswith(f"damaged: entry {WAITED}")
    assert set(states.values()) == {"verified"}
    rows = {row["request"]: row for row in (await party.desk.requests(everything=True))["requests"]}
    assert [bool(rows[index]["damaged"]) for index in (ASKED, WAITED, LISTED_ASKED)] == [False, True, False]
    assert (await party.desk.status())["log"] == "writable"
    exported = await party.desk.export_log(path=str(tmp_path / "export"), openings=True)
    assert exported["bytes"] > 0
    assert WAITED in exported["damaged"]
    assert (await party.desk.export_log(path=str(tmp_path / "bare")))["damaged"] == []
    again = await audited(tmp_path / "export")  # by whoever is given it
    assert [row["state"].split(":")[0] for row in again["rows"]] == ["verified", "damaged", "verified"]
    assert (await party.desk.decide(request=WAITED, outcome="revoke", reason="gone"))["entry"] == LAST
    erased = await party.desk.erase(entry=WAITED)  # and it is no reason not to erase it
    assert WAITED in erased["erased"]
    assert (await party.desk.audit())["faults"] == []


async def test_a_damaged_opening_keeps_nobody_elses_from_being_erased(party: Party) -> None:
    db = party.home.first.log._db
    db.execute("UPDATE openings SET sealed = zeroblob(90) WHERE idx = ?", (LISTED_ASKED,))  # of the same person
    await party.desk.erase(entry=ASKED)
    assert party.home.first.log.broken is None
    states = [row["state"].split(" ")[0] for row in (await party.desk.audit())["rows"]]
    assert states == ["redacted", "verified", "damaged:"]


@pytest.mark.parametrize("packed", [False, True])
async def test_every_file_of_an_export_is_checked_or_named(party: Party, tmp_path: Path, packed: bool) -> None:
    log = party.home.first.log
    with stalled(log):  # so many that the tree has tiles of two levels
        futures = [log.append(note_of(1)) for _ in range(600)]
    assert futures[-1].result().head.checkpoint.size == LAST + 600
    whole = tmp_path / "whole"
    await party.desk.export_log(path=str(whole), openings=True)

    async def files() -> dict[str, Any]:
        source = zipped(whole, tmp_path / "again.zip") if packed else whole
        told = (await audited(source))["files"]
        assert (await party.desk.audit(source=str(source)))["files"] == told
        return dict(told)

    every = sorted(path for path in whole.rglob("*") if path.is_file())
    assert await files() == {"checked": len(every), "damaged": [], "missing": [], "unchecked": []}
    tiled = [path for path in every if path.relative_to(whole).parts[:2] in (("tile", "0"), ("tile", "1"))]
    assert {path.relative_to(whole).parts[1] for path in tiled} == {"0", "1"}
    for path in tiled:
        name, data = path.relative_to(whole).as_posix(), path.read_bytes()
        path.write_bytes(data[:-1] + bytes([data[-1] ^ 1]))
        assert [each["file"] for each in (await files())["damaged"]] == [name]
        path.unlink()
        assert (await files())["missing"] == [name]
        path.write_bytes(data)
    (whole / "cosigned").write_bytes((whole / "checkpoint").read_bytes().replace(b"\n6", b"\n5", 1))
    assert [each["file"] for each in (await files())["damaged"]] == ["cosigned"]
    (whole / "cosigned").unlink()
    (whole / "tile" / "notes.txt").write_text("not of a log")
    assert (await files())["unchecked"] == ["tile/notes.txt"]


async def test_a_damaged_bundle_of_openings_is_damaged_rows_and_no_end(party: Party, tmp_path: Path) -> None:
    path = Forger(party.home).write(tmp_path / "log")
    (file,) = (path / "openings").rglob("*.p/*")
    data = file.read_bytes()
    for bent in (b"", b"\xc1" + data[1:], data[: len(data) // 2]):
        file.write_bytes(bent)
        told = await audited(path)
        assert told["faults"]
        assert {row["state"].split(" ")[0] for row in told["rows"]} == {"damaged:"}
        assert all("damaged" in fault["what"] for fault in told["faults"])


async def test_times_and_amounts_that_no_calendar_has_are_still_printed(
    party: Party, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    forger = Forger(party.home)
    for index in (LISTED_ASKED, LISTED_GRANTED):
        forger.change(index, time=2**64 - 1)
    forger.change(LISTED_GRANTED, expires=2**64 - 1)
    told = await audited(forger.write(tmp_path / "log"))
    tell_audit(told)
    show.as_csv(told["rows"])
    show.as_json(told)
    assert "18446744073709551615" in capsys.readouterr().out


# -- names that lie


async def test_a_log_of_another_commons_is_not_taken_for_this_one(party: Party, start: Start, tmp_path: Path) -> None:
    other = await start("other", listen=())
    path = Forger(party.home).write(tmp_path / "log")
    await audited(path, party.home.first.commons)
    with pytest.raises(Untrue, match="not of"):
        await audited(path, other.home.first.commons)
    with pytest.raises(Malformed, match="not a commons id: 'nonsense'"):
        await audited(path, "nonsense")
    forger = Forger(party.home)
    forger.entries[CHARTER] = other.home.first.log.entry(0)  # under this log's name and key
    with pytest.raises(Untrue, match="calls itself"):
        await audited(forger.write(tmp_path / "charter"))
    forger = Forger(party.home)
    forger.keys = other.home.keys  # signed by a key that the charter does not name
    with pytest.raises(Untrue):
        await audited(forger.write(tmp_path / "key"))


async def test_a_charter_that_its_founder_did_not_sign_is_none(party: Party, tmp_path: Path) -> None:
    forger = Forger(party.home)
    said = envelope.open(entries.CHARTER, Charter, forger.entries[CHARTER]).value
    forger.entries[CHARTER] = envelope.sign(
        entries.CHARTER,
        replace(said, colleges=(College(name="members", members=tuple(sorted((EVE.peer, party.peer)))),)),
        EVE,
    )
    with pytest.raises(Untrue, match="calls itself"):  # another charter is another commons
        await audited(forger.write(tmp_path / "log"))


# -- files that lie


async def test_no_flipped_byte_passes(party: Party, tmp_path: Path) -> None:
    path = Forger(party.home).write(tmp_path / "log")
    true, chance = await audited(path), random.Random(7)
    for file in sorted(p for p in path.rglob("*") if p.is_file()):
        data = file.read_bytes()
        for at in {0, 1, len(data) - 1, *(chance.randrange(len(data)) for _ in range(25))}:
            bent = bytearray(data)
            bent[at] ^= 1 << chance.randrange(8)
            file.write_bytes(bent)
            try:
                told = await audited(path)
            except CommonsError:
                continue
            assert told["faults"] or (file.name == "checkpoint" and told == true), (file.name, at)
        for cut in (data[:-1], data + b"\0", b"", data * 2):
            file.write_bytes(cut)
            try:
                told = await audited(path)
            except CommonsError:
                continue
            assert told["faults"], (file.name, len(cut))
        file.write_bytes(data)


@pytest.mark.parametrize(
    "openings",
    [
        msgpack.packb([[4, 4_000_000_000]]), msgpack.packb([["4", b"x"]]), msgpack.packb({4: b"x"}), msgpack.packb(7),
        msgpack.packb([[4, b"x", b"y"]]), msgpack.packb([4]), msgpack.packb([[True, b"x"]]), b"\xdd\xff\xff\xff\xff",
        b"\x91" * 4000, b"", msgpack.packb([[4.0, b"x"]]), msgpack.packb([[4, "text"]]),
    ],
)  # fmt: skip
async def test_openings_of_another_shape_are_damaged_rows_and_reserve_nothing(
    party: Party, tmp_path: Path, openings: bytes
) -> None:
    path = Forger(party.home).write(tmp_path / "log")
    (file,) = (path / "openings").rglob("*.p/*")
    file.write_bytes(openings)
    told = await audited(path)
    assert {fault["what"].partition(":")[0] for fault in told["faults"]} == {"its opening is damaged"}
    assert {row["state"].partition(":")[0] for row in told["rows"]} == {"damaged"}


async def test_a_checkpoint_of_more_entries_than_there_are_is_not_believed(party: Party, tmp_path: Path) -> None:
    forger = Forger(party.home)
    path = forger.write(tmp_path / "log")
    forger.entries += [forger.entries[-1]] * 300
    (path / "checkpoint").write_bytes(forger.head())
    with pytest.raises(NotFound):
        await audited(path)
    forger.entries = forger.entries[:1]
    (path / "checkpoint").write_bytes(forger.head())
    with pytest.raises(NotFound):
        await audited(path)
    (path / "checkpoint").write_bytes(b"")
    with pytest.raises(CommonsError):
        await audited(path)


async def test_a_folder_of_pipes_devices_and_links_is_read_no_further(party: Party, tmp_path: Path) -> None:
    path = Forger(party.home).write(tmp_path / "log")
    bundle = path / tiles.Bundle(index=0, width=LAST).path
    for plant in (os.mkfifo, lambda p: p.symlink_to("/dev/zero"), Path.mkdir, lambda p: p.symlink_to(p), _huge):
        for file in (path / "checkpoint", bundle):
            data = file.read_bytes()
            file.unlink()
            plant(file)
            with pytest.raises(CommonsError):
                await audited(path)
            if file.is_dir() and not file.is_symlink():
                file.rmdir()
            else:
                file.unlink()
            file.write_bytes(data)
    assert (await audited(path))["faults"] == []


def _huge(path: Path) -> None:
    with path.open("wb") as file:
        file.truncate(1 << 40)  # a hole


def zipped(folder: Path, path: Path, **how: Any) -> Path:
    with zipfile.ZipFile(path, "w", **{"compression": zipfile.ZIP_DEFLATED, **how}) as archive:
        for file in sorted(p for p in folder.rglob("*") if p.is_file()):
            archive.write(file, str(file.relative_to(folder)))
    return path


async def test_a_zip_cut_or_bent_anywhere_is_our_own_error(party: Party, tmp_path: Path) -> None:
    path = zipped(Forger(party.home).write(tmp_path / "log"), tmp_path / "log.zip")
    assert (await audited(path))["faults"] == []
    data, chance = path.read_bytes(), random.Random(3)
    clean = 0
    for n in range(200):
        bent = bytearray(data)
        bent[chance.randrange(len(data))] ^= 1 << chance.randrange(8)
        path.write_bytes(data[: chance.randrange(len(data))] if n % 4 == 0 else bent)
        try:
            clean += (await audited(path))["faults"] == []
        except CommonsError:
            continue
    assert clean < 100  # dates, modes and the parts nobody reads


async def test_a_zip_bomb_costs_nothing(party: Party, tmp_path: Path) -> None:
    folder = Forger(party.home).write(tmp_path / "log")
    with (folder / "checkpoint").open("wb") as file:
        file.truncate(80 << 20)
    for name, how in (("deflated", {}), ("bzip2", {"compression": zipfile.ZIP_BZIP2})):
        path = zipped(folder, tmp_path / f"{name}.zip", **how)
        assert path.stat().st_size < 1 << 20
        with pytest.raises(Malformed):
            await audited(path)
        data = bytearray(path.read_bytes())  # and now it lies about its size: ten bytes, it says
        for mark, at in ((b"PK\1\2", 24), (b"PK\3\4", 22)):
            start = data.index(mark)
            struct.pack_into("<I", data, start + at, 10)
        path.write_bytes(data)
        with pytest.raises(Malformed):
            await audited(path)


async def test_a_zip_of_another_kind_is_malformed(party: Party, tmp_path: Path) -> None:
    folder = Forger(party.home).write(tmp_path / "log")
    path = zipped(folder, tmp_path / "lzma.zip", compression=zipfile.ZIP_LZMA)
    with pytest.raises(Malformed, match="bounded"):
        await audited(path)
    (tmp_path / "text.zip").write_text("no zip at all")
    with pytest.raises(Malformed):
        await audited(tmp_path / "text.zip")
    with zipfile.ZipFile(tmp_path / "empty.zip", "w"):
        pass
    for missing in (tmp_path / "empty.zip", tmp_path / "nowhere.zip"):
        with pytest.raises(NotFound):
            await audited(missing)


def packed(folder: Path, path: Path, *names: str) -> Path:
    """Each file of the folder under each of these: "log/" is a folder around it."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as made, warnings.catch_warnings(action="ignore"):
        for name in names:
            for file in sorted(p for p in folder.rglob("*") if p.is_file()):
                made.write(file, name + str(file.relative_to(folder)))
    return path


@pytest.mark.parametrize("names", [("log/",), ("a/b/",), ("log/", "__MACOSX/log/"), ("", "copy/"), ("./",), ("log\\",)])
async def test_a_log_that_was_packed_again_is_read(party: Party, tmp_path: Path, names: tuple[str, ...]) -> None:
    folder = Forger(party.home).write(tmp_path / "inner" / "log")
    assert (await audited(packed(folder, tmp_path / "again.zip", *names)))["faults"] == []
    assert (await audited(tmp_path / "inner"))["faults"] == []  # unpacked, in a folder more


async def test_a_zip_of_two_logs_or_with_a_name_twice_is_malformed(party: Party, tmp_path: Path) -> None:
    folder = Forger(party.home).write(tmp_path / "log")
    with pytest.raises(Malformed, match="holds 2 of them, in one/, two/"):
        await audited(packed(folder, tmp_path / "two.zip", "one/", "two/"))
    with pytest.raises(Malformed, match="stands twice"):
        await audited(packed(folder, tmp_path / "twice.zip", "", ""))


async def test_files_of_a_zip_that_share_bytes_are_not_read(party: Party, tmp_path: Path) -> None:
    """One kernel of zeros, named by a thousand entries, is how a small zip becomes a large one."""
    path = zipped(Forger(party.home).write(tmp_path / "log"), tmp_path / "log.zip")
    with zipfile.ZipFile(path) as made:
        first, second = sorted(made.infolist(), key=lambda row: row.header_offset)[:2]
        start, there = made.start_dir, struct.pack("<I", second.header_offset)
    data = bytearray(path.read_bytes())
    at = data.index(there, data.index(second.filename.encode(), start) - 4)
    struct.pack_into("<I", data, at, first.header_offset)
    path.write_bytes(data)
    with pytest.raises(Malformed, match="shares bytes"):
        await audited(path)


async def test_a_pipe_that_is_called_a_zip_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "log.zip")
    with pytest.raises(Malformed):
        await audited(tmp_path / "log.zip")


async def test_no_part_of_a_log_is_read_beyond_what_a_log_has_there(party: Party, tmp_path: Path) -> None:
    folder = Forger(party.home).write(tmp_path / "log")
    bundle = next(path for path in (folder / "tile" / "entries").rglob("*") if path.is_file())
    with bundle.open("ab") as file:
        file.truncate(32 << 20)
    for source in (folder, zipped(folder, tmp_path / "log.zip")):
        with pytest.raises(Malformed, match="larger than that part of any log"):
            await audited(source)


async def test_what_is_made_while_a_log_is_exported_stays(
    party: Party, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write = archive.write

    def slowly(part: Any, place: Path, openings: bool, packed: bool) -> int:
        done = write(part, place, openings, packed)
        (tmp_path / ("log.zip" if packed else "log")).write_text("mine")
        return done

    monkeypatch.setattr(archive, "write", slowly)
    for name in ("log.zip", "log"):
        with pytest.raises(Conflict, match="exists already"):
            await party.desk.export_log(path=str(tmp_path / name))
        assert (tmp_path / name).read_text() == "mine"
    assert [p for p in tmp_path.iterdir() if p.name.startswith(".log")] == []


async def test_a_copy_of_a_copy_is_as_large_as_the_log(party: Party, start: Start, tmp_path: Path) -> None:
    """And not as the log of who copies it."""
    bob = await start("bob", listen=())
    first = await party.desk.export_log(path=str(tmp_path / "first"))
    again = await bob.desk.export_log(path=str(tmp_path / "again"), source=str(tmp_path / "first"))
    assert first["entries"] == again["entries"] == LAST
    assert bob.home.shelf.head(party.home.first.log.key.vkey) == party.home.first.log.head.note


async def test_a_copy_of_a_log_has_its_name_only_once_it_is_verified(party: Party, tmp_path: Path) -> None:
    lies = Forger(party.home)
    folder = lies.write(tmp_path / "lies")
    (folder / "checkpoint").write_bytes((folder / "checkpoint").read_bytes().replace(b"\n", b"\n1", 1))
    with pytest.raises(CommonsError):
        await party.desk.export_log(path=str(tmp_path / "copy"), source=str(folder))
    assert not (tmp_path / "copy").exists()
    with pytest.raises(NotFound, match="there is no folder"):
        await party.desk.export_log(path=str(tmp_path / "nope" / "log.zip"))


# -- histories that lie


async def test_a_second_history_is_told_with_both_signed_heads(party: Party, start: Start, tmp_path: Path) -> None:
    bob = await start("bob", listen=())
    true = Forger(party.home)
    await bob.desk.audit(source=str(true.write(tmp_path / "one")))
    other = Forger(party.home)
    other.change(ASKED, purpose="product")
    longer = Forger(party.home)
    longer.omit(RECEIVED)
    longer.entries += [b"\xa0", b"\xa0"]
    for n, liar in enumerate((other, longer)):
        with pytest.raises(SplitView) as caught:
            await bob.desk.audit(source=str(liar.write(tmp_path / f"other-{n}")))
        assert caught.value.evidence[:2] == (true.head().decode(), liar.head().decode())
    assert (await bob.desk.audit(source=str(tmp_path / "one")))["faults"] == []  # and what was trusted still is


def test_a_second_history_ends_the_command_with_109(make_home: MakeHome, tmp_path: Path) -> None:
    from commons.disk.home import Home

    with Home(make_home("alice")) as home:
        one, other = Forger(home), Forger(home)
        one.entries.append(b"\xa0")
        other.entries.append(b"\xa1x")
        one.write(tmp_path / "one")
        zipped(other.write(tmp_path / "other"), tmp_path / "other.zip")
    bob, runner = str(make_home("bob")), click.testing.CliRunner()
    assert (
        runner.invoke(commands.main, ["--home", bob, "audit", str(tmp_path / "one")]).exit_code == 102
    )  # a fault in it
    told = runner.invoke(commands.main, ["--home", bob, "--json", "audit", str(tmp_path / "one")])
    assert told.exit_code == 102
    assert len(json.loads(told.stdout)["faults"]) == 1
    one.entries.pop()
    shutil.rmtree(tmp_path / "one")
    one.write(tmp_path / "one")
    assert runner.invoke(commands.main, ["--home", bob, "audit", str(tmp_path / "one")]).exit_code == 0
    one.entries.append(codec.encode(_redaction()))
    other.entries = [*one.entries[:1], codec.encode(replace(_redaction(), reason="y"))]
    one.write(tmp_path / "two")
    other.write(tmp_path / "three")
    assert runner.invoke(commands.main, ["--home", bob, "audit", str(tmp_path / "two")]).exit_code == 0
    done = runner.invoke(commands.main, ["--home", bob, "--json", "audit", str(tmp_path / "three")])
    assert done.exit_code == 109
    assert json.loads(done.stdout)["evidence"] == [one.head().decode(), other.head().decode()]


def _redaction() -> entries.Redaction:
    return entries.Redaction(type=entries.REDACTION, time=int(time.time()) + 5, entries=(), reason="x")


async def test_an_old_copy_is_told_apart_from_a_second_history(party: Party, start: Start, tmp_path: Path) -> None:
    bob = await start("bob", listen=())
    old = Forger(party.home)
    del old.entries[LISTED_ASKED:]
    await bob.desk.audit(source=str(old.write(tmp_path / "old")))
    await bob.desk.audit(source=str(Forger(party.home).write(tmp_path / "new")))
    with pytest.raises(Untrue, match="were verified here before") as caught:
        await bob.desk.audit(source=str(tmp_path / "old"))
    assert type(caught.value) is Untrue  # it may be an honest old export: no proof of two histories
    assert len(caught.value.evidence) == 2
    with pytest.raises(Untrue):  # and it did not move what is trusted
        await bob.desk.audit(source=str(tmp_path / "old"))


async def test_a_source_with_faults_is_not_trusted_afterwards(party: Party, start: Start, tmp_path: Path) -> None:
    bob = await start("bob", listen=())
    forger = Forger(party.home)
    writes_garbage(forger)
    assert (await bob.desk.audit(source=str(forger.write(tmp_path / "liar"))))["faults"]
    assert (await bob.desk.audit(source=str(Forger(party.home).write(tmp_path / "true"))))["faults"] == []


# -- what is told


async def test_filters_choose_rows_and_nothing_else(party: Party, tmp_path: Path) -> None:
    path = Forger(party.home).write(tmp_path / "log")
    rows = (await audited(path))["rows"]
    anna, second = rows[0]["who"], rows[1]["dataset"]

    async def chosen(**only: Any) -> list[int]:
        return [row["entry"] for row in (await audited(path, **only))["rows"]]

    everything = [ASKED, WAITED, LISTED_ASKED]
    assert await chosen(who=anna) == [ASKED, LISTED_ASKED]
    assert await chosen(who="nobody") == []
    assert await chosen(dataset=second) == await chosen(dataset=f"commons:{second}") == [WAITED]
    assert await chosen(dataset="SECO") == [WAITED]
    assert await chosen(since=rows[0]["time"]) == await chosen(until=rows[2]["time"] + 1) == everything
    assert await chosen(since=2**70) == await chosen(until=0) == []
    assert await chosen(who=anna, dataset=second) == []


async def test_a_cell_never_begins_a_formula(party: Party, capsys: pytest.CaptureFixture[str]) -> None:
    rows = (await party.desk.audit())["rows"]
    assert rows[2]["title"] == "=1+1"
    for lie in ("=cmd|' /C calc'!A0", "+1", "-1", "@SUM(1)", "\t=1", "\r=1", "\n=1", "'=1", '"=1', "\x1b]0;x\x07=1"):
        rows[0]["details"] = lie
        show.as_csv(rows)
        out = capsys.readouterr().out
        assert "\x1b" not in out
        read = list(csv.DictReader(io.StringIO(out)))
        assert read[2]["title"] == "'=1+1"
        for cell in (cell for row in read for cell in row.values()):
            assert not cell.strip().startswith(("=", "+", "-", "@")), (lie, cell)


async def test_json_shows_what_a_terminal_would_obey_as_escapes(capsys: pytest.CaptureFixture[str]) -> None:
    told = {"title": "\x1b[2J \x9b31m \u202egnp.exe \x7f \ud800 é 🐟", "more": ["\x00"]}
    show.as_json(told)
    out = capsys.readouterr().out
    assert json.loads(out) == told
    assert all(c.isprintable() or c == "\n" for c in out)
    assert "é 🐟" in out


async def test_openings_full_of_empty_containers_cost_no_memory(party: Party, tmp_path: Path) -> None:
    path = Forger(party.home).write(tmp_path / "bomb")
    (file,) = (path / "openings").rglob("*.p/*")
    many = 4 << 20
    file.write_bytes(b"\xdd" + many.to_bytes(4, "big") + b"\x80" * many)
    tracemalloc.start()
    try:
        assert (await audited(path))["faults"]
        assert tracemalloc.get_traced_memory()[1] < PART + 4 * many  # what reading any file sets aside, and the file
    finally:
        tracemalloc.stop()
