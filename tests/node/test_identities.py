"""One home, many commons: an identity for each community, by which nobody can tell that two of them are one person's.

Real nodes of one home, each with a host of its own, and strangers who ask them.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from commons.core.dataset.reference import parse
from commons.disk.home import Home
from commons.errors import CommonsError, Conflict, Malformed, NotFound, Refused
from commons.node import following
from commons.node.node import Node
from commons.node.restore import restore
from commons.node.verbs.context import Context, seat
from commons.progress import untold
from tests.conftest import CHARTER, Party, Village, until

pytestmark = pytest.mark.usefixtures("impatient")

RIVERS, LAKES = CHARTER, CHARTER.replace("River watch", "Lake club")
WORDS = "five words nobody would guess"


async def founded(party: Party, *charters: str) -> list[tuple[str, Node]]:
    """Communities that this home founds, and the node of each."""
    told = [await party.desk.begin(charter=each) for each in charters]
    return [(each["commons"], party.node.of(each["commons"])) for each in told]


async def invited(party: Party, commons: str) -> str:
    return str((await party.desk.invite(college="workers", named=commons, lan=True))["invitation"])


def marks(home: Home) -> set[bytes]:
    """What would tell one identity: its peer id, its keys, its commons."""
    keys = home.keys
    public = {keys.identity.public, keys.witness().public, *(keys.log(n).public for n in range(3))}
    names = {keys.identity.peer, *home.kept}
    return public | {each.encode() for each in names} | {each.hex().encode() for each in public}


async def asked(stranger: Party, at: str, commons: str, cid: str, root: str) -> bytes:
    """All that a stranger is told at an address, without having named a commons, and of one."""
    said, tile = b"", f"tile/entries/000.p/{1}"
    for path in ("/.well-known/libp2p/protocols", "/commons", f"/{commons}/checkpoint", f"/{commons}/cosigned",
                 f"/{commons}/{tile}", f"/{commons}/openings/000.p/1", f"/{commons}/consistency/0/1",
                 f"/{commons}/notices/{cid}", f"/{commons}/custody-key", f"/{commons}/succession",
                 f"/manifests/{cid}", f"/packs/{root}", f"/packs/{root}/pieces"):  # fmt: skip
        try:
            said += await stranger.node.net.get(at, path, limit=1 << 20)
        except CommonsError as error:
            said += error.message.replace(commons, "").replace(cid, "").replace(root, "").encode()
    return said


async def test_nothing_joins_two_communities_of_one_home(village: Village, folder: Path) -> None:
    eve, stranger = await village.start("eve"), await village.start("stranger")
    await eve.publish(folder, title="Mine")
    (rivers, one), (lakes, other) = await founded(eve, RIVERS, LAKES)
    said = {}
    for commons, node in ((rivers, one), (lakes, other)):
        reference = await eve.publish(folder, title="The same data", named=commons)
        invitation = await invited(eve, commons)
        log = node.home.first.log
        published = b"".join([*log.entries(0, log.size), log.head.note, node.site.manifest(parse(reference).cid)])
        referred = await eve.desk.refer(dataset=parse(reference).cid, lan=True)
        said[commons] = published + invitation.encode() + referred["reference"].encode()
    homes = {rivers: one.home, lakes: other.home}
    nodes = {rivers: one, lakes: other}
    for commons, another in ((rivers, lakes), (lakes, rivers)):
        strange = marks(homes[another]) | marks(eve.home)
        assert not [each for each in strange if each in said[commons]]
        # and what each host says to who asks it about the other
        cid = next(iter(homes[another].first.log.state.datasets))
        root = next(ref.root for _, opened, _, _ in homes[another].shelf.manifests() for ref in opened.value.sealed())
        for at in nodes[commons].addresses:
            told = await asked(stranger, at, another, cid, root.hex())
            assert not [each for each in strange if each in told]
            assert homes[another].first.log.head.note not in told
            head = homes[another].first.log.head.note
            with pytest.raises(NotFound, match="knows no log"):
                await stranger.node.net.post(at, f"/{another}/heads", head, limit=4096)
    peers = {node.home.keys.identity.peer for node in eve.node.every()}
    assert len(peers) == 3
    assert len({at.rpartition("/p2p/")[2] for node in eve.node.every() for at in node.addresses}) == 3


async def test_a_commons_is_named_to_its_members_and_to_who_names_it(village: Village) -> None:
    eve, ben, stranger = [await village.start(name) for name in ("eve", "ben", "stranger")]
    ((rivers, node),) = await founded(eve, RIVERS)
    joined = await ben.desk.join(text=await invited(eve, rivers))
    member = ben.node.of(rivers)
    assert (joined["peer"], joined["linked"]) == (member.home.keys.identity.peer, False)
    at = node.addresses[0]
    for party, told in ((stranger.node, b""), (ben.node, b""), (member, f"{rivers}\n".encode())):
        assert await party.net.get(at, "/commons", limit=1000) == told
    with pytest.raises(NotFound, match="names no commons to strangers"):
        await stranger.desk.audit(source=at)
    assert (await stranger.desk.audit(source=at, commons=rivers))["commons"] == rivers


async def test_a_member_does_everything_under_the_identity_of_that_community(
    village: Village, folder: Path, tmp_path: Path
) -> None:
    eve, ben = await village.start("eve"), await village.start("ben")
    ((rivers, _),) = await founded(eve, RIVERS)
    reference = await eve.publish(folder, title="For members", access="members", named=rivers)
    reference = (await eve.desk.refer(dataset=parse(reference).cid, lan=True))["reference"]
    with pytest.raises(Refused, match="not-member"):
        await ben.fetch(reference, tmp_path / "no")
    joined = await ben.desk.join(text=await invited(eve, rivers))
    await ben.fetch(reference, tmp_path / "yes", named="River watch")
    (row,) = (await eve.desk.audit(commons=rivers))["rows"]
    assert row["who"] == joined["peer"] != ben.peer
    opened = await eve.desk.propose(action="amend-charter", file=RIVERS.replace("River", "Sea"), named=rivers)
    voted = await ben.desk.vote(proposal=opened["proposal"], choice="yes")  # the only community is meant
    assert [each["peer"] for each in voted["outcome"]["ballots"]][-1] == joined["peer"]
    assert [each["title"] for each in (await ben.desk.datasets())["datasets"]] == ["For members"]
    (shown,) = (await ben.desk.status())["others"]
    assert (shown["name"], shown["role"], shown["linked"], shown["peer"]) == (
        "Sea watch", "member", False, joined["peer"])  # fmt: skip
    ben = await village.restart("ben")
    assert (await ben.desk.community())["mine"] == ["workers"]


async def test_a_community_of_its_founder_alone_is_one_though_nobody_decides_anything_in_it(village: Village) -> None:
    eve, stranger = await village.start("eve"), await village.start("stranger")
    ((rivers, node),) = await founded(eve, 'name = "Rivers"\n[colleges]\nworkers = ["me"]\n')
    assert (await eve.desk.community())["commons"] == rivers  # the only one is meant
    assert await stranger.node.net.get(node.addresses[0], "/commons", limit=1000) == b""  # and is named to no stranger
    await founded(eve, LAKES)
    with pytest.raises(Malformed, match="several communities"):
        await eve.desk.community()


async def test_parts_that_link_say_so(village: Village) -> None:
    eve, ben = await village.start("eve"), await village.start("ben")
    (rivers, _), (lakes, _) = await founded(eve, RIVERS, LAKES)
    joined = await ben.desk.join(text=await invited(eve, rivers), linked=True)
    assert (joined["peer"], joined["linked"]) == (ben.peer, True)
    await ben.desk.join(text=await invited(eve, lakes))
    shown = {each["commons"]: each["linked"] for each in (await ben.desk.status())["others"]}
    assert shown == {rivers: True, lakes: False}
    with pytest.raises(Malformed, match="several communities"):
        await ben.desk.community()


async def test_a_commons_is_named_by_its_id_by_its_charter_or_by_its_owner(village: Village) -> None:
    eve = await village.start("eve")
    (one, _), (two, _), (lakes, _) = await founded(eve, RIVERS, RIVERS, LAKES)
    for name in (lakes, f"commons:{lakes}", "Lake club", "LAKE CLUB"):
        assert (await eve.desk.community(named=name))["commons"] == lakes
    with pytest.raises(Malformed, match="2 commons are called 'River watch'") as told:
        await eve.desk.community(named="River watch")
    assert one in told.value.message
    await eve.desk.rename(name="north", named=one)
    assert (await eve.desk.community(named="North"))["commons"] == one
    with pytest.raises(Conflict, match="is called 'NORTH' already"):
        await eve.desk.rename(name="NORTH", named=two)
    for wrong in ("x" * 101, " x", "a\nb"):
        with pytest.raises(Malformed, match="a name is"):
            await eve.desk.rename(name=wrong, named=two)
    for wrong in (one, two, f"commons:{one}"):
        with pytest.raises(Malformed, match="that is an id"):
            await eve.desk.rename(name=wrong, named=two)
    with pytest.raises(Malformed, match="which commons is to be called 'south'"):
        await eve.desk.rename(name="south")
    assert (await eve.desk.rename())["names"] == {one: "north"}
    eve = await village.restart("eve")
    assert (await eve.desk.community(named="north"))["commons"] == one
    assert (await eve.desk.rename(named=one))["names"] == {}
    with pytest.raises(NotFound, match="no commons called 'north'"):
        await eve.desk.community(named="north")


async def test_who_leaves_keeps_what_they_have_and_who_forgets_keeps_nothing(
    village: Village, folder: Path, tmp_path: Path
) -> None:
    eve, ben = await village.start("eve"), await village.start("ben")
    (rivers, _), (lakes, _) = await founded(eve, RIVERS, LAKES)
    for commons in (rivers, lakes):
        await ben.desk.join(text=await invited(eve, commons))
        reference = parse(await eve.publish(folder, title=commons[-4:], access="members", named=commons)).cid
        reference = (await eve.desk.refer(dataset=reference, lan=True))["reference"]
        await ben.fetch(reference, tmp_path / commons, named=commons)
    with pytest.raises(Conflict, match="keeps the log"):
        await eve.desk.leave(named=rivers)
    with pytest.raises(Conflict, match="keeps the log"):
        await eve.desk.forget(named="Lake club")
    kept, gone = ben.node.of(rivers).home.path, ben.node.of(lakes).home.path
    told = await ben.desk.leave(named=rivers)
    assert told["member"] is True  # until the members expel him
    assert not (kept / "commons" / rivers / "replica.db").exists()
    await ben.desk.forget(named=lakes)
    assert not gone.exists()
    assert [each["title"] for each in (await ben.desk.datasets())["datasets"]] == [rivers[-4:]]
    ben = await village.restart("ben")
    assert [each["commons"] for each in (await ben.desk.status())["others"]] == []
    with pytest.raises(NotFound, match="takes part in no commons any more"):
        seat(Context.of(ben.node.every()[1]), None)
    assert [each["title"] for each in (await ben.desk.datasets())["datasets"]] == [rivers[-4:]]
    with pytest.raises(NotFound):
        await ben.desk.forget(named=lakes)
    at = eve.node.of(rivers).addresses[0]
    again = await ben.desk.follow(source=at, commons=rivers)  # the same identity, and no other's
    assert again["mine"] == ["workers"]
    assert ben.node.of(rivers).home.path == kept


async def test_an_identity_that_could_not_join_is_used_for_no_other_community(village: Village) -> None:
    """Who saw it knows it: another community would learn what that one knows."""
    eve, ben = await village.start("eve"), await village.start("ben")
    (rivers, _), (lakes, _) = await founded(eve, RIVERS, LAKES)
    wrong, right = await invited(eve, rivers), await invited(eve, lakes)
    cut = wrong.split(",")
    with pytest.raises(CommonsError):
        await ben.desk.join(text=",".join([cut[0], cut[1], "0" * 64, *cut[3:]]))
    (first,) = [node.home.keys.identity.peer for node in ben.node.every()[1:]]
    assert (await ben.desk.join(text=right))["peer"] != first
    assert (await ben.desk.join(text=wrong))["peer"] == first


async def test_all_identities_are_in_a_backup_and_come_back(village: Village, folder: Path, tmp_path: Path) -> None:
    eve, ben = await village.start("eve"), await village.start("ben")
    (rivers, _), (lakes, _) = await founded(eve, RIVERS, LAKES)
    await ben.desk.join(text=await invited(eve, rivers))
    await eve.publish(folder, named=lakes)
    peers = {each.home.keys.identity.peer for each in eve.node.every()}
    for party in (eve, ben):
        await party.desk.backup(path=str(tmp_path / f"{party.home.path.name}.backup"), passphrase=WORDS)
    sizes = {commons: kept.log.size for each in eve.home.every() for commons, kept in each.kept.items()}
    await village.stop("eve")
    told = await restore(tmp_path / "eve.backup", WORDS, tmp_path / "again", (), untold)
    assert {each["commons"] for each in told["others"]} == {rivers, lakes}
    with Home(tmp_path / "again") as again:
        assert {each.keys.identity.peer for each in again.every()} == peers
        found = {commons: kept.log.size for each in again.every() for commons, kept in each.kept.items()}
        assert found == sizes
        assert not [row for each in again.every() for row in each.damage()]
    await restore(tmp_path / "ben.backup", WORDS, tmp_path / "bens", (), untold)
    with Home(tmp_path / "bens") as bens:
        assert [each.concerns(rivers) for each in bens.every()] == [False, True]


async def test_a_members_copy_of_the_log_is_kept_fresh_and_follows_it_to_another_registrar(
    village: Village, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(following, "FIRST", 0.1)
    monkeypatch.setattr(following, "EVERY", 0.3)
    monkeypatch.setattr(following, "LOOK", 0.2)
    eve, ben, cleo = [await village.start(name) for name in ("eve", "ben", "cleo")]
    ((rivers, kept),) = await founded(eve, RIVERS)
    for party in (ben, cleo):
        await party.desk.join(text=await invited(eve, rivers))

    def copy(party: Party) -> Any:
        return party.node.of(rivers).home.replicas[rivers]

    await until(lambda: all(copy(each).size == kept.home.first.log.size for each in (ben, cleo)))
    opened = await ben.desk.propose(action="change-registrar")
    await cleo.desk.vote(proposal=opened["proposal"], choice="yes")
    await until(lambda: copy(cleo).state.founded.heir is not None)
    for party in (cleo, eve):
        party.node.of(rivers).home.shelf.add_peer(ben.node.of(rivers).addresses[0])
    assert (await ben.desk.take_over())["taken"]
    heir = ben.node.of(rivers).home.keys.identity.peer
    await until(lambda: copy(cleo).log.public == ben.node.of(rivers).home.kept[rivers].log.key.public)
    await until(lambda: kept.home.kept[rivers].left)  # who kept it before follows, and says so
    (shown,) = (await eve.desk.status())["others"]
    assert (shown["role"], shown["registrar"]) == ("member", heir)
    (shown,) = (await cleo.desk.status())["others"]
    assert (shown["registrar"], shown["entries"]) == (heir, ben.node.of(rivers).home.kept[rivers].log.size)


async def test_an_identity_does_its_work_where_the_node_lets_no_peer_in(village: Village) -> None:
    """As the node itself does: it has its log witnessed, forgets what is due, and keeps its copies fresh."""
    eve = await village.start("eve", listen=(), http="127.0.0.1:0")
    ((_, node),) = await founded(eve, RIVERS)
    assert (eve.node.following.rounds.running, node.following.rounds.running) == (True, True)
    assert node.addresses == ()
    await village.stop("eve")
    eve = await village.start("eve", listen=())  # a command that opens the home for a moment
    assert [each.following.rounds.running for each in eve.node.every()] == [False, False]
