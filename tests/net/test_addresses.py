"""Where a node is reached, as others are told: what is given out can be dialled, by those to whom it is given."""

from __future__ import annotations

from pathlib import Path

import pytest

from commons.community import invitation
from commons.community.charter import founding
from commons.core.dataset import address, reference
from commons.disk.settings import write_config
from commons.errors import Malformed, NotFound
from commons.net import interfaces
from tests.conftest import CHARTER, Found, MakeHome, Start

EVERY = "/ip4/0.0.0.0/tcp/0"
ELSEWHERE = "/ip4/203.0.113.7/tcp/4001/p2p/12D3KooWR33hDtdip6pxrAShEnhyNWbQfe8YCmPadjzfjYjDLyW9"


def hosts(addresses: object) -> set[str]:
    assert isinstance(addresses, list | tuple)
    return {each.split("/")[2] for each in addresses}


@pytest.fixture
def two_networks(monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine with an address in the world and one at home."""
    monkeypatch.setattr(interfaces, "_up", lambda family: ["198.18.0.9", "192.168.1.7"])
    monkeypatch.setattr(address, "is_public", lambda each: "198.18.0.9" in each or "data.example" in each)


async def test_what_a_node_on_all_interfaces_gives_out_is_dialled(start: Start, folder: Path, tmp_path: Path) -> None:
    ana = await start("ana", listen=(EVERY,), http="0.0.0.0:0", charter=CHARTER)
    ben = await start("ben", listen=())
    told = await ana.desk.status()
    given = [*told["addresses"], *told["doors"], told["door"]]
    assert given
    assert not any("0.0.0.0" in each for each in given)
    for text in (await ana.desk.refer(dataset=await ana.publish(folder), lan=True))["reference"], *told["doors"]:
        ref = reference.parse(text) if text.startswith("commons:") else None
        assert ref is None or ref.peers == tuple(told["addresses"])
        got = await ben.desk.show(dataset=await ana.publish(folder, title=f"For {text[:9]}"), sources=[
            ref.peers[0] if ref else text])  # fmt: skip
        assert got["title"].startswith("For")
    invited = await ana.desk.invite(college="workers")
    assert invitation.parse(invited["invitation"]).sources == tuple(told["addresses"])
    assert invited["reach"] == address.reach(told["addresses"])
    assert (await ben.desk.join(text=invited["invitation"], linked=True))["commons"] == ana.home.first.commons


async def test_those_of_the_home_network_are_given_when_asked_for_and_loopback_to_nobody_else(
    start: Start, folder: Path, two_networks: None
) -> None:
    ana = await start("ana", listen=(EVERY, "/ip4/127.0.0.1/tcp/0"))
    ref = await ana.publish(folder)
    assert hosts(ana.node.addresses) == {"127.0.0.1", "198.18.0.9", "192.168.1.7"}
    assert hosts(reference.parse(ref).peers) == {"198.18.0.9"}
    told = await ana.desk.refer(dataset=ref, lan=True)
    assert hosts(reference.parse(told["reference"]).peers) == {"198.18.0.9", "192.168.1.7"}


async def test_an_invitation_names_what_strangers_reach_and_what_is_near_when_asked(
    start: Start, two_networks: None
) -> None:
    coop = await start("coop", listen=(EVERY, "/ip4/127.0.0.1/tcp/0"), charter=CHARTER)
    for lan, expected in ((False, {"198.18.0.9"}), (True, {"198.18.0.9", "192.168.1.7"})):
        told = await coop.desk.invite(college="workers", lan=lan)
        assert hosts(invitation.parse(told["invitation"]).sources) == expected
        assert told["reach"] == "anywhere"


async def test_a_node_on_loopback_alone_can_be_used_on_this_machine(start: Start, folder: Path, tmp_path: Path) -> None:
    ana, ben = await start("ana"), await start("ben")
    ref = await ana.publish(folder)
    assert reference.parse(ref).peers == ()
    told = await ana.desk.refer(dataset=ref, lan=True)
    assert told["reach"] == "this machine"
    assert (await ben.fetch(told["reference"], tmp_path / "copy"))["files"] == 3


async def test_a_member_passes_on_where_the_registrar_is_reached_and_not_what_nobody_can_dial(
    found: Found, tmp_path: Path
) -> None:
    seats = await found("ben")
    ben, coop = seats["ben"], seats["coop"]
    (commons, key, sources) = ben.home.shelf.seats()[0]
    wild = f"/ip4/0.0.0.0/tcp/4001/p2p/{coop.peer}"
    world = f"/dns/data.example/tcp/4001/p2p/{coop.peer}"
    ben.home.shelf.put_seat(commons, key, [*sources, wild, world])
    invited = await ben.desk.invite(college="workers")
    assert invitation.parse(invited["invitation"]).sources == (world,)
    ben.home.shelf.put_seat(commons, key, [*sources, wild])
    invited = await ben.desk.invite(college="workers")
    assert invitation.parse(invited["invitation"]).sources == tuple(sources)


async def test_what_is_announced_is_this_nodes_and_can_be_dialled(start: Start, folder: Path) -> None:
    ana = await start("ana")
    here, world = ana.address, f"/dns4/data.example/tcp/4001/p2p/{ana.peer}"
    for wrong, what in (
        (f"/ip4/0.0.0.0/tcp/4001/p2p/{ana.peer}", "nobody can dial"), (ELSEWHERE, "another node's"),
        ("/ip4/203.0.113.7/tcp/4001", "does not say whose"), ("203.0.113.7:4001", "does not say whose"),
        ("http://0.0.0.0:8080", "nobody can dial"), (f"/ip4/203.0.113.7/tcp/0/p2p/{ana.peer}", "any that is free"),
    ):  # fmt: skip
        with pytest.raises(Malformed, match=what):
            await ana.desk.announce(addresses=[world, wrong])
    assert ana.home.config.get("announce", []) == []
    told = await ana.desk.announce(addresses=[f" {world}/ ", "http://A.example/", world, here])
    assert told["announce"] == [world, "http://a.example", here]
    assert told["warnings"] == [f"{here} is dialled on the very machine where it is read"]
    ref = reference.parse(await ana.publish(folder))
    assert (ref.peers, ref.doors) == ((world, here), ("http://a.example",))
    assert (await ana.desk.status())["announced"] == told["announce"]
    with pytest.raises(Malformed, match="at most 16"):
        await ana.desk.announce(addresses=[f"http://a{n}.example" for n in range(17)])


async def test_what_an_older_version_let_its_owner_announce_is_given_to_nobody(
    start: Start, folder: Path, make_home: MakeHome
) -> None:
    ana = await start("ana")
    ana.home.config["announce"] = [f"/ip4/0.0.0.0/tcp/4001/p2p/{ana.peer}", ELSEWHERE, "http://0.0.0.0:1", ana.address]
    write_config(ana.home.path, ana.home.config)
    ana.home.shelf.add_peer(f"/ip4/0.0.0.0/tcp/4001/p2p/{ana.peer}")
    told = await ana.desk.refer(dataset=await ana.publish(folder), lan=True)
    assert reference.parse(told["reference"]) == reference.Reference(
        cid=reference.parse(told["reference"]).cid, peers=(ana.address,)
    )
    assert ana.home.shelf.known() == []


async def test_however_an_address_is_written_it_is_the_same_for_every_command(start: Start, folder: Path) -> None:
    ana, ben = await start("ana", http="127.0.0.1:0"), await start("ben", listen=())
    ref, port = await ana.publish(folder), ana.address.split("/")[4]
    door = ana.node.door
    for n, written in enumerate([
        f" {ana.address}/\n", f"127.0.0.1:{port}/p2p/{ana.peer}", f"/dns4/localhost/tcp/{port}/p2p/{ana.peer}",
        f"/dns/localhost/tcp/{port}/p2p/{ana.peer}", f"{door}/", f" {door} ",
    ]):  # fmt: skip
        new = await ana.publish(folder, title=f"Number {n}")
        assert (await ben.desk.show(dataset=new, sources=[written]))["title"] == f"Number {n}"
        assert (await ben.desk.peers(add=written))["peers"] == [address.read(written)]
        assert (await ben.desk.peers(remove=written))["peers"] == []
        assert (await ben.desk.audit(source=written, commons=ana.home.first.commons))["faults"] == []
    for written in ("127.0.0.1:1", "/ip4/127.0.0.1/tcp/1", "/ip4/127.0.0.1/tcp/1/"):
        for verb, words in (
            ("show", {"dataset": ref, "sources": [written]}), ("peers", {"add": written}),
            ("peers", {"remove": written}),
            ("announce", {"addresses": [written]}), ("follow", {"source": written}), ("audit", {"source": written}),
            ("fetch", {"dataset": ref, "dest": "/nowhere", "sources": [written]}),
            ("mirror", {"dataset": ref, "sources": [written]}), ("vote_at", {"address": written, "choice": "yes"}),
            ("hand_in", {"dataset": ref, "witness": written}), ("unlogged", {"sources": [written]}),
            ("describe", {"dataset": ref, "form": "dcat", "sources": [written]}), ("statistics", {"source": written}),
            ("export_log", {"path": "/nowhere", "source": written}),
        ):  # fmt: skip
            with pytest.raises(Malformed, match="does not say whose address it is"):
                await ben.desk.call(verb, words)


async def test_a_peer_is_forgotten_by_its_address_or_by_its_id(start: Start) -> None:
    ana = await start("ana", listen=())
    peer = address.peer_of(ELSEWHERE)
    for each in (ELSEWHERE, f"/dns/data.example/tcp/1/p2p/{peer}", "http://a.example"):
        await ana.desk.peers(add=each)
    assert len((await ana.desk.peers(remove="http://A.example/"))["peers"]) == 2
    assert (await ana.desk.peers(remove=f" {peer}"))["peers"] == []
    with pytest.raises(NotFound, match="is not remembered"):
        await ana.desk.peers(remove=ELSEWHERE)


async def test_a_dataset_of_ones_own_community_is_found_without_saying_where(
    found: Found, folder: Path, tmp_path: Path
) -> None:
    seats = await found("ben")
    ref = await seats["coop"].publish(folder, access="approval")
    ben = seats["ben"]
    for each in ben.home.shelf.peers():
        ben.home.shelf.remove_peer(each)
    bare = f"commons:{reference.parse(ref).cid}"
    assert (await ben.desk.show(dataset=bare))["title"] == "Rivers"
    assert (await ben.desk.mirror(dataset=bare))["title"] == "Rivers"


def test_a_charter_names_no_witness_that_nobody_can_dial() -> None:
    from commons.core.crypto.keys import Keys
    from commons.core.tlog.note import Verifier

    keys = Keys(bytes(32))
    key = Verifier(name="commons-witness/x", public=keys.log(0).public).vkey
    for url in ("http://0.0.0.0:4801", "/ip4/127.0.0.1/tcp/4001", "127.0.0.1:4001"):
        text = f'witnesses = "witness w {key} {url}\\nquorum w"\n{CHARTER}'
        with pytest.raises(Malformed, match=r"nobody can dial|does not say whose"):
            founding(text, 1)(keys)


async def test_a_node_is_reached_over_ipv6_too(start: Start, folder: Path) -> None:
    ana, ben = await start("ana", listen=("[::]:0",), http="[::]:0"), await start("ben", listen=())
    ref, port = await ana.publish(folder), ana.address.split("/")[4]
    assert all("/ip6/" in each and not each.startswith("/ip6/::/") for each in ana.node.addresses)
    assert all(each.startswith("http://[") and "[::]" not in each for each in ana.node.doors)
    assert not any("fe80" in each for each in (*ana.node.addresses, *ana.node.doors))
    assert (await ben.desk.show(dataset=ref, sources=[f"[::1]:{port}/p2p/{ana.peer}"]))["title"] == "Rivers"
    assert (await ben.desk.audit(source=ana.address))["faults"] == []
