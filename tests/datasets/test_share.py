"""The whole way between real nodes in one process: publish, mirror, fetch, decide, audit."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
from aiohttp import web

from commons.cli import show
from commons.core.crypto import codec
from commons.core.dataset import manifest
from commons.core.dataset.reference import parse
from commons.core.state import entries
from commons.core.tlog import note, proof
from commons.disk.records import Record
from commons.errors import Conflict, Gone, Malformed, NotFound, Pending, Refused, Unacknowledged, Unreachable, Untrue
from commons.metadata import licensing
from tests.conftest import Start


def same(a: Path, b: Path) -> bool:
    files = {p.relative_to(a): p.read_bytes() for p in a.rglob("*") if p.is_file()}
    return files == {
        p.relative_to(b): p.read_bytes() for p in b.rglob("*") if p.is_file() and p.name != "ATTRIBUTION.txt"
    }


async def test_a_reader_fetches_what_a_steward_published(start: Start, folder: Path, tmp_path: Path) -> None:
    alice, bob = await start("alice"), await start("bob")
    reference = await alice.publish(folder)
    told = await bob.fetch(reference, tmp_path / "copy", alice.address, details="for my thesis")
    assert same(folder, tmp_path / "copy")
    assert "Rivers" in (tmp_path / "copy" / "ATTRIBUTION.txt").read_text()
    assert told["receipt"] == "logged"
    (row,) = (await alice.desk.audit())["rows"]
    assert (row["who"], row["purpose"], row["details"], row["decision"], row["state"]) == (
        bob.peer, "research", "for my thesis", "grant", "verified",
    )  # fmt: skip
    assert row["receipt"] is not None


async def test_a_blind_mirror_gives_the_bytes_and_the_steward_the_key(
    start: Start, folder: Path, tmp_path: Path
) -> None:
    alice, mirror, bob = await start("alice"), await start("mirror"), await start("bob")
    reference = await alice.publish(folder)
    await mirror.desk.mirror(dataset=reference, sources=[alice.address])
    await alice.desk.drop(dataset=reference)
    await bob.fetch(reference, tmp_path / "copy", mirror.address, alice.address)
    assert same(folder, tmp_path / "copy")
    assert mirror.home.shelf.asks() == []


async def test_the_plain_door_gives_packs_and_tiles_and_nothing_else(
    start: Start, folder: Path, tmp_path: Path
) -> None:
    alice, bob = await start("alice", http="127.0.0.1:0"), await start("bob")
    reference = await alice.publish(folder)
    await bob.desk.mirror(dataset=reference, sources=[alice.node.door])
    audited = await bob.desk.audit(source=alice.node.door)
    assert audited["commons"] == alice.home.first.commons
    for path in ("entries", "release"):
        with pytest.raises(Refused, match="door"):
            await bob.node.net.post(alice.node.door, f"/{alice.home.first.commons}/{path}", b"x", limit=1000)
    with pytest.raises(Refused, match="door"):
        await bob.node.net.get(alice.node.door, f"/{alice.home.first.commons}/openings/000.p/1", limit=1000)


async def test_a_complete_fetch_opens_no_socket(start: Start, folder: Path, tmp_path: Path) -> None:
    alice, bob = await start("alice"), await start("bob", listen=())
    reference = await alice.publish(folder)
    await bob.fetch(reference, tmp_path / "copy", alice.address)

    class Forbidden:
        async def get(self, *_: object, **__: object) -> bytes:
            raise AssertionError("a socket was opened")

        post = get

    bob.desk.net = Forbidden()  # type: ignore[assignment]
    told = await bob.fetch(reference, tmp_path / "copy", acknowledge=None)
    assert told["files"] == 3
    (tmp_path / "copy" / "rivers.csv").unlink()
    await bob.fetch(reference, tmp_path / "copy", acknowledge=None)
    assert same(folder, tmp_path / "copy")


async def test_no_key_without_the_acknowledgement_by_name(start: Start, folder: Path, tmp_path: Path) -> None:
    alice, bob = await start("alice"), await start("bob")
    reference = await alice.publish(folder)
    for named in (None, "CC0-1.0", "yes"):
        with pytest.raises(Unacknowledged, match=r"CC-BY-4\.0"):
            await bob.fetch(reference, tmp_path / "copy", alice.address, acknowledge=named)
    assert alice.home.first.log.size == 2
    assert not (tmp_path / "copy").exists()


async def test_approval_waits_for_a_person_and_the_same_fetch_goes_on(
    start: Start, folder: Path, tmp_path: Path
) -> None:
    alice, bob = await start("alice"), await start("bob")
    reference = await alice.publish(folder, access="approval")
    for _ in range(2):
        with pytest.raises(Pending):
            await bob.fetch(reference, tmp_path / "copy", alice.address)
    assert alice.home.first.log.size == 3  # asked twice, logged once
    (waiting,) = (await alice.desk.requests())["requests"]
    assert waiting["who"] == bob.peer
    await alice.desk.decide(request=waiting["request"], outcome="grant", reason="welcome")
    await bob.fetch(reference, tmp_path / "copy", alice.address)
    assert same(folder, tmp_path / "copy")
    assert (await alice.desk.audit())["faults"] == []


async def test_who_is_not_on_the_list_is_told_so_before_anything_is_signed(
    start: Start, folder: Path, tmp_path: Path
) -> None:
    alice, bob, eve = await start("alice"), await start("bob"), await start("eve")
    reference = await alice.publish(folder, access="allow-list", allow=[bob.peer], creators=["Ana"])
    await bob.fetch(reference, tmp_path / "bob", alice.address)
    with pytest.raises(Refused, match="not-listed"):
        await eve.fetch(reference, tmp_path / "eve", alice.address)
    assert eve.home.shelf.asks() == []
    rows = {row["who"]: row["decision"] for row in (await alice.desk.audit())["rows"]}
    assert rows == {bob.peer: "grant"}


async def test_a_public_dataset_asks_nobody(start: Start, folder: Path, tmp_path: Path) -> None:
    alice, mirror, bob = await start("alice"), await start("mirror"), await start("bob")
    reference = await alice.publish(folder, access="public")
    await mirror.desk.mirror(dataset=reference, sources=[alice.address])
    await bob.fetch(reference, tmp_path / "copy", mirror.address, acknowledge=None)
    assert same(folder, tmp_path / "copy")
    assert alice.home.first.log.size == 2


async def test_a_revoked_grant_gets_no_further_key_and_the_next_version_a_new_one(
    start: Start, folder: Path, tmp_path: Path
) -> None:
    alice, bob, carol = await start("alice"), await start("bob"), await start("carol")
    first = await alice.publish(folder, access="approval")
    for person in (bob, carol):
        with pytest.raises(Pending):
            await person.fetch(first, tmp_path / "none", alice.address)
    bob_asks, carol_asks = (row["request"] for row in (await alice.desk.requests())["requests"])
    await alice.desk.decide(request=bob_asks, outcome="grant")
    await alice.desk.decide(request=carol_asks, outcome="grant")
    await bob.fetch(first, tmp_path / "bob-1", alice.address)
    await alice.desk.decide(request=bob_asks, outcome="revoke", reason="left the project")
    await alice.desk.decide(request=carol_asks, outcome="revoke", reason="left the project")
    with pytest.raises((Gone, Refused)):
        await carol.fetch(first, tmp_path / "carol-1", alice.address)  # granted, revoked before the key was asked for
    (folder / "rivers.csv").write_text("new\n")
    second = await alice.publish(folder, access="approval", update=first)
    with pytest.raises(Pending):
        await bob.fetch(second, tmp_path / "bob-2", alice.address)
    assert (await alice.desk.audit())["faults"] == []


async def test_a_new_version_reuses_what_did_not_change_and_needs_no_new_request(
    start: Start, folder: Path, tmp_path: Path
) -> None:
    alice, bob = await start("alice"), await start("bob")
    (folder / "big.bin").write_bytes(bytes(range(256)) * 12_000)
    first = await alice.publish(folder)
    await bob.fetch(first, tmp_path / "one", alice.address)
    (folder / "new.txt").write_text("new\n")
    told = await alice.desk.publish(
        path=str(folder), title="Rivers", licence="CC-BY-4.0", creators=["Ana"], update=first
    )
    assert told["version"] == 2
    assert told["reused_bytes"] > 3_000_000
    entries_before = alice.home.first.log.size
    await bob.fetch(told["reference"], tmp_path / "two", alice.address, acknowledge=None)
    assert same(folder, tmp_path / "two")
    assert alice.home.first.log.size == entries_before


async def test_changed_terms_are_asked_again(start: Start, folder: Path, tmp_path: Path) -> None:
    alice, bob = await start("alice"), await start("bob")
    first = await alice.publish(folder)
    await bob.fetch(first, tmp_path / "one", alice.address)
    second = await alice.publish(folder, licence="CC0-1.0", update=first)
    with pytest.raises(Unacknowledged, match=r"CC0-1\.0"):
        await bob.fetch(second, tmp_path / "two", alice.address, acknowledge=None)
    await bob.fetch(second, tmp_path / "two", alice.address, acknowledge="cc0-1.0")
    assert same(folder, tmp_path / "two")


async def test_a_purpose_outside_the_terms_is_refused_before_anything_is_signed(
    start: Start, folder: Path, tmp_path: Path
) -> None:
    alice, bob = await start("alice"), await start("bob")
    reference = await alice.publish(folder, purposes=["education"])
    with pytest.raises(Refused, match="purpose") as said:
        await bob.fetch(reference, tmp_path / "copy", alice.address, purpose="product")
    assert "--purpose education" in said.value.hint
    assert bob.home.shelf.asks() == []
    await bob.fetch(reference, tmp_path / "copy", alice.address, purpose="education")
    decisions = [row["decision"] for row in (await alice.desk.audit())["rows"]]
    assert decisions == ["grant"]


async def test_other_words_for_a_request_that_waits_are_not_dropped_in_silence(
    start: Start, folder: Path, tmp_path: Path
) -> None:
    alice, bob = await start("alice"), await start("bob")
    reference = await alice.publish(folder, access="approval")
    with pytest.raises(Pending):
        await bob.fetch(reference, tmp_path / "copy", alice.address, details="first")
    for words in ({"purpose": "education"}, {"details": "corrected"}):
        with pytest.raises(
            Pending, match="with the purpose research and the details 'first': the words given now were"
        ):
            await bob.fetch(reference, tmp_path / "copy", alice.address, **words)
    for same_words in ({}, {"purpose": "unstated"}, {"details": "first"}):
        with pytest.raises(Pending, match=r"decision$"):
            await bob.fetch(reference, tmp_path / "copy", alice.address, **same_words)
    (waiting,) = (await alice.desk.requests())["requests"]
    assert (waiting["purpose"], waiting["details"]) == ("research", "first")
    await alice.desk.decide(request=waiting["request"], outcome="grant", expires=int(time.time()) + 86_400)
    assert (
        "were not sent" in (await bob.fetch(reference, tmp_path / "copy", alice.address, details="corrected"))["unsent"]
    )
    assert (await bob.fetch(reference, tmp_path / "copy", alice.address, details="first"))["unsent"] == ""


async def test_a_grant_that_has_ended_is_shown_as_ended(
    start: Start, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    alice, bob = await start("alice"), await start("bob")
    reference = await alice.publish(folder, access="approval")
    with pytest.raises(Pending):
        await bob.fetch(reference, tmp_path / "copy", alice.address)
    end = int(time.time()) + 3600
    await alice.desk.decide(request=2, outcome="grant", expires=end)
    (row,) = (await alice.desk.audit())["rows"]
    assert row["ended"] is None
    assert show.decision(row) == "grant (approved)"
    monkeypatch.setattr(time, "time", lambda: float(end))
    (row,) = (await alice.desk.audit())["rows"]
    assert row["ended"] == end
    assert show.decision(row) == f"grant (approved), ended {show.when(end)}"
    assert (await alice.desk.requests(everything=True))["requests"][0]["ended"] == end


async def test_the_requester_keeps_a_proof_that_stands_alone(start: Start, folder: Path, tmp_path: Path) -> None:
    alice, bob = await start("alice"), await start("bob")
    await bob.fetch(await alice.publish(folder), tmp_path / "copy", alice.address)
    (kept,) = (bob.home.path / "proofs").glob("*.tlog-proof")
    entry = bytes.fromhex(kept.with_suffix(".entry").read_text())
    log = note.Verifier(name=f"commons/{alice.home.first.commons}", public=alice.home.first.log.key.public)
    signed = proof.check(proof.parse(kept.read_bytes()), entry, log)
    assert signed.checkpoint.size == 4
    assert entries.decode(entry).outcome == "grant"  # type: ignore[union-attr]


async def test_erasing_the_details_leaves_the_log_verifiable(start: Start, folder: Path, tmp_path: Path) -> None:
    alice, bob = await start("alice"), await start("bob")
    await bob.fetch(await alice.publish(folder), tmp_path / "copy", alice.address, details="SECRET-DETAILS")
    (row,) = (await alice.desk.audit())["rows"]
    await alice.desk.erase(entry=row["entry"])
    audited = await alice.desk.audit()
    assert audited["faults"] == []
    (row,) = audited["rows"]
    assert row["who"] is None
    assert row["state"].startswith("redacted by entry")
    with pytest.raises(Gone):
        await alice.desk.erase(entry=row["entry"])
    raw = b"".join(p.read_bytes() for p in alice.home.path.glob("log.db*"))
    assert bob.peer.encode() not in raw
    assert b"SECRET-DETAILS" not in raw


async def test_readers_see_what_the_charter_lets_them_see(start: Start, folder: Path, tmp_path: Path) -> None:
    alice, bob, eve = await start("alice"), await start("bob"), await start("eve")
    reference = await alice.publish(folder)
    await bob.fetch(reference, tmp_path / "bob", alice.address)
    await eve.fetch(reference, tmp_path / "eve", alice.address)
    seen = [row["who"] for row in (await bob.desk.audit(source=alice.address))["rows"]]
    assert seen == [bob.peer, None]
    public = await start("public", readers="public")
    reference = await public.publish(folder)
    await bob.fetch(reference, tmp_path / "bob-2", public.address)
    assert [row["who"] for row in (await eve.desk.audit(source=public.address))["rows"]] == [bob.peer]


async def test_an_export_is_audited_without_network_from_folder_and_zip(
    start: Start, folder: Path, tmp_path: Path
) -> None:
    alice, bob = await start("alice"), await start("bob")
    await bob.fetch(await alice.publish(folder), tmp_path / "copy", alice.address)
    from commons.log.audit import offline

    for name in ("log", "log.zip"):
        for openings in (True, False):
            path = tmp_path / f"{openings}-{name}"
            await alice.desk.export_log(path=str(path), openings=openings)
            told = await offline(str(path), None, None, None, None, None)
            assert told["faults"] == []
            assert told["rows"][0]["who"] == (bob.peer if openings else None)
            assert told["rows"][0]["state"] == ("verified" if openings else "no opening given")


async def test_what_is_unknown_is_said(start: Start, folder: Path, tmp_path: Path) -> None:
    alice, bob = await start("alice"), await start("bob")
    reference = await alice.publish(folder)
    with pytest.raises(Unreachable, match="no source is known"):
        await bob.fetch(reference, tmp_path / "copy")
    missing = str(parse(reference).cid)[:-4] + "aaaa"
    with pytest.raises(Exception, match=r"dataset id|does not carry"):
        await bob.fetch(missing, tmp_path / "copy", alice.address)
    with pytest.raises(NotFound):
        await alice.desk.decide(request=99, outcome="grant")
    await bob.desk.mirror(dataset=reference, sources=[alice.address])
    carol = await start("carol")
    with pytest.raises(Unreachable, match="who answers requests"):
        await carol.fetch(reference, tmp_path / "copy", bob.address)


async def test_any_web_server_can_host_the_log(start: Start, folder: Path, tmp_path: Path) -> None:
    alice, bob = await start("alice"), await start("bob", listen=())
    await alice.publish(folder)
    await alice.desk.export_log(path=str(tmp_path / "www"))
    app = web.Application()
    app.router.add_static("/logs", tmp_path / "www")
    runner = web.AppRunner(app)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        url = f"http://127.0.0.1:{runner.addresses[0][1]}/logs"
        told = await bob.desk.audit(source=url)
        assert (told["commons"], told["entries"], told["faults"]) == (alice.home.first.commons, 2, [])
        with pytest.raises(Untrue, match="not of"):
            await bob.desk.audit(source=url, commons=bob.home.first.commons)
    finally:
        await runner.cleanup()


async def test_status_asks_again_after_a_request_that_waits(start: Start, folder: Path, tmp_path: Path) -> None:
    alice, bob = await start("alice"), await start("bob")
    reference = await alice.publish(folder, access="approval")
    with pytest.raises(Pending):
        await bob.fetch(reference, tmp_path / "copy", alice.address)
    assert [r["outcome"] for r in (await bob.desk.status())["my_requests"]] == ["pending"]
    await alice.desk.decide(request=2, outcome="refuse", reason="not this year")
    assert [r["outcome"] for r in (await bob.desk.status())["my_requests"]] == ["refuse"]


async def test_what_is_fetched_for_oneself_alone_is_not_served(start: Start, folder: Path, tmp_path: Path) -> None:
    alice, bob, carol = await start("alice"), await start("bob"), await start("carol")
    reference = await alice.publish(folder, access="public")
    await bob.fetch(reference, tmp_path / "copy", alice.address, serve=False)
    with pytest.raises(NotFound):
        await carol.desk.mirror(dataset=reference, sources=[bob.address])
    (pack,) = manifest.open(alice.node.site.manifest(parse(reference).cid)).value.packs
    with pytest.raises(NotFound, match="does not carry"):
        await carol.node.net.get(bob.address, f"/packs/{pack.root.hex()}", limit=1 << 20, span=(0, 10))
    await bob.fetch(reference, tmp_path / "copy", alice.address)
    await carol.desk.mirror(dataset=reference, sources=[bob.address])


async def test_a_requester_reads_the_stewards_words_and_checks_who_signed_them(
    start: Start, folder: Path, tmp_path: Path
) -> None:
    alice, bob = await start("alice"), await start("bob")
    reference = await alice.publish(folder, access="approval")
    with pytest.raises(Pending):
        await bob.fetch(reference, tmp_path / "copy", alice.address)
    await alice.desk.decide(request=2, outcome="refuse", reason="the wardens said no")
    with pytest.raises(Refused, match="the wardens said no"):
        await bob.fetch(reference, tmp_path / "copy", alice.address)
    assert (await bob.desk.status())["my_requests"][0]["reason"] == "the wardens said no"


async def test_an_entry_of_a_later_version_is_kept_and_flagged(start: Start, folder: Path) -> None:
    alice = await start("alice")
    later = codec.encode(entries.Unknown(type="commons/later/v9"))
    await alice.node.at().registrar._append(lambda state, index, now: [Record(entry=entries.decode(later), data=later)])
    await alice.publish(folder)
    told = await alice.desk.audit()
    assert (told["faults"], told["unknown"]) == ([], [{"entry": 1, "type": "commons/later/v9"}])


async def test_what_is_not_kept_leaves_what_others_need(start: Start, folder: Path, tmp_path: Path) -> None:
    alice, bob = await start("alice"), await start("bob")
    first = await alice.publish(folder, access="public")
    (folder / "new.txt").write_text("new\n")
    second = await alice.publish(folder, access="public", update=first)
    await bob.desk.mirror(dataset=first, sources=[alice.address])
    await bob.fetch(second, tmp_path / "copy", alice.address, keep=False)
    shared = manifest.open(alice.node.site.manifest(parse(first).cid)).value.packs
    assert all(bob.home.packs.has(ref.root) for ref in shared)
    assert same(folder, tmp_path / "copy")
    await alice.fetch(second, tmp_path / "own", keep=False, serve=False)  # her own: it stays published
    carol = await start("carol")
    await carol.desk.mirror(dataset=second, sources=[alice.address])


@pytest.mark.parametrize("name", ["LicenseRef-", "LicenseRef-a b", "LicenseRef-é"])
async def test_a_name_of_ones_own_licence_that_is_none_is_refused(start: Start, folder: Path, name: str) -> None:
    alice = await start("alice", listen=())
    with pytest.raises(Malformed, match="LicenseRef-Ours"):
        await alice.publish(folder, licence=name, licence_texts=["Be kind."])
    assert alice.home.first.log.size == 1


def test_a_manifests_licence_that_is_none_is_malformed() -> None:
    with pytest.raises(Malformed, match="not well formed"):
        licensing.licence("LicenseRef-", {"LicenseRef-": "Be kind."})
    assert licensing.licence("LicenseRef-Ours", {"LicenseRef-Ours": "Be kind."}).id == "LicenseRef-Ours"
    assert licensing.licence("NOT-YET-KNOWN-1.0", url="https://x.example").allows("adapt").answer == "unknown"


async def test_a_public_version_does_not_open_earlier_ones_that_were_not(start: Start, folder: Path) -> None:
    alice = await start("alice", listen=())
    first = await alice.publish(folder)
    with pytest.raises(Conflict, match="earlier versions"):
        await alice.publish(folder, access="public", update=first)
    assert alice.home.first.log.size == 2
    free = await alice.publish(folder, access="public")
    free = await alice.publish(folder, access="public", update=free)
    closed = await alice.publish(folder, update=free)
    assert alice.home.first.log.state.datasets[parse(closed).cid].entry.epoch == 1
