"""Addresses: one grammar for all that people write, one spelling kept, and words for what is missing."""

from __future__ import annotations

import pytest

from commons.core.crypto import ids
from commons.core.dataset import address
from commons.errors import Malformed
from tests.rows import over

PEER, OTHER = ids.peer_id(bytes(32)), ids.peer_id(bytes([1]) * 32)
P2P = f"/p2p/{PEER}"


@pytest.mark.parametrize(
    ("written", "kept"),
    [(f"/{host}/tcp/{port}{P2P}", f"/{host}/tcp/{port}{P2P}")
     for host in ("ip4/1.2.3.4", "ip6/::1", "dns/a", "dns4/data.example.", "dns6/xn--mnchen-3ya.de")
     for port in (1, 65535)] +
    [(f" /ip4/1.2.3.4/tcp/1{P2P}/\n", f"/ip4/1.2.3.4/tcp/1{P2P}"),
     (f"/ip4/1.2.3.4/tcp/1/ipfs/{PEER}", f"/ip4/1.2.3.4/tcp/1{P2P}"),
     (f"/ip6/2A01:4F8:0:0::1/tcp/1{P2P}", f"/ip6/2a01:4f8::1/tcp/1{P2P}"),
     (f"/ip6/[2a01:4f8::1]/tcp/1{P2P}", f"/ip6/2a01:4f8::1/tcp/1{P2P}"),
     (f"/dns4/Data.Example/tcp/1{P2P}", f"/dns4/data.example/tcp/1{P2P}"),
     (f"1.2.3.4:4001{P2P}", f"/ip4/1.2.3.4/tcp/4001{P2P}"),
     (f"[2a01:4f8::1]:4001{P2P}/", f"/ip6/2a01:4f8::1/tcp/4001{P2P}"),
     (f"data.example:4001{P2P}", f"/dns/data.example/tcp/4001{P2P}"),
     ("http://a", "http://a"), (" HTTPS://A.example:8443/ ", "https://a.example:8443"), ("http://a/X//", "http://a/X"),
     ("http://[2001:DB8::1]:80/y", "http://[2001:db8::1]:80/y"), ("http://127.0.0.1:4801/", "http://127.0.0.1:4801")],
)  # fmt: skip
def test_an_address_has_one_spelling_however_it_was_written(written: str, kept: str) -> None:
    assert address.read(written) == kept
    assert address.read(kept) == kept
    assert address.is_like(written)


@pytest.mark.parametrize(
    ("written", "complete"),
    [("/ip4/1.2.3.4/tcp/4001", "/ip4/1.2.3.4/tcp/4001/p2p/"), ("/ip4/1.2.3.4/tcp/4001/", "/ip4/1.2.3.4/tcp/4001/p2p/"),
     ("/ip4/1.2.3.4/tcp/4001/p2p/", "/ip4/1.2.3.4/tcp/4001/p2p/"), ("1.2.3.4:4001", "/ip4/1.2.3.4/tcp/4001/p2p/"),
     ("localhost:4001", "/dns/localhost/tcp/4001/p2p/"), ("[::1]:4001", "/ip6/::1/tcp/4001/p2p/"),
     ("/dns4/data.example/tcp/4001", "/dns4/data.example/tcp/4001/p2p/")],
)  # fmt: skip
def test_where_the_peer_id_is_missing_it_is_said_so_in_the_same_words(written: str, complete: str) -> None:
    with pytest.raises(Malformed, match="does not say whose address it is") as caught:
        address.read(written)
    assert complete in caught.value.hint
    assert address.is_like(written)


@over(
    ("written", "what"),
    [("", "empty"), (" \n", "empty"), ("/", "empty"), (PEER, "who, but not where"),
     (P2P, "who, but not where"),
     (f"ip4/1.2.3.4/tcp/1{P2P}", "a slash is missing"), ("/ip4", "names no host"), ("/ip4/1.2.3.4", "names no port"),
     ("/ip4/1.2.3.4/tcp", "names no port"), ("1.2.3.4", "names no port"), ("data.example", "names no port"),
     ("::1", "in brackets|names no port"), ("2001:db8::1:4001", "names no port"), (":4001", "names no host"),
     (f"/ip4/1.2.3/tcp/1{P2P}", "no IP address"), (f"/ip4/1.2.3.04/tcp/1{P2P}", "no IP address"),
     (f"/ip4/0x7f000001/tcp/1{P2P}", "no IP address"), (f"/ip4/2130706433/tcp/1{P2P}", "no IP address"),
     (f"0x7f000001:80{P2P}", "no IP address"), ("http://2130706433", "no IP address"),
     ("http://127.1/", "no IP address"),
     (f"/dns/127.0.0.1/tcp/1{P2P}", "is a number"), (f"/ip4/::1/tcp/1{P2P}", "is of IPv6"),
     (f"/ip6/1.2.3.4/tcp/1{P2P}", "is of IPv4"), (f"/ip6/fe80::1%2/tcp/1{P2P}", "zone"),
     ("http://[fe80::1%25eth0]/", "zone"), (f"/ip6zone/eth0/ip6/fe80::1/tcp/1{P2P}", "ip6zone"),
     (f"/ip6/fe80::1/tcp/1{P2P}", "link-local"), (f"/ip5/1.2.3.4/tcp/1{P2P}", "begins with none of"),
     (f"/dns5/a/tcp/1{P2P}", "begins with none of"), (f"/dnsaddr/a/tcp/1{P2P}", "dnsaddr"),
     (f"x/ip4/1.2.3.4/tcp/1{P2P}", "names no port"), (f"/ip4/1.2.3.4/udp/1/quic-v1{P2P}", "and not /udp"),
     (f"/ip4/1.2.3.4/tcp/1/ws{P2P}", "and not /ws"), ("/dns4/a/tcp/443/https", "as a URL"),
     (f"/ip4/1.2.3.4/tcp/1{P2P}/p2p-circuit{P2P}", "relays"), (f"/ip4/1.2.3.4/tcp/+1{P2P}", "no port"),
     (f"/ip4/1.2.3.4/tcp/1_0{P2P}", "no port"), (f"/ip4/1.2.3.4/tcp/ 1{P2P}", "no port"),
     (f"/ip4/1.2.3.4/tcp/-1{P2P}", "no port"), (f"/ip4/1.2.3.4/tcp/01{P2P}", "no port"),
     (f"/ip4/1.2.3.4/tcp/{'9' * 5000}{P2P}", "no port"), (f"/ip4/1.2.3.4/tcp/65536{P2P}", "no port"),
     (f"1.2.3.4:٤{P2P}", "no port"), (f"/ip4/1.2.3.4/tcp/0{P2P}", "any that is free"), ("http://a:0", "not the URL"),
     (f"/dns//tcp/1{P2P}", "names no host"), (f"/dns/a..b/tcp/1{P2P}", "no host name"),
     (f"/dns/{'a' * 64}/tcp/1{P2P}", "no host name"), ("commons:bafkrei", "a reference"),
     ("commons-invitation:a,b", "an invitation"), ("tcp://1.2.3.4:4001", "only http and https"),
     ("file:///etc/passwd", "only http and https"), ("http://:80", "not the URL"), ("http:///x", "not the URL"),
     ("http://a:x", "not a URL"), ("http://a:99999", "not a URL"), ("http://[::1", "not a URL"),
     ("http://[x]", "not a URL"),
     ("http://@a", "no user"), ("http://a@b@c", "no user"), ("http://a/?", "no query"), ("http://a/#", "no fragment"),
     ("http://a b", "not the URL"), ("http://é", "not the URL"), ("ht\ntp://a", "not the URL|is not spoken")],
)  # fmt: skip
def test_what_is_wrong_is_said(written: str, what: str) -> None:
    with pytest.raises(Malformed, match=what) as caught:
        address.read(written)
    assert "\x1b" not in caught.value.message
    assert len(caught.value.message) < 400
    assert caught.value.hint


def test_a_peer_id_that_is_none_is_named() -> None:
    for who in (ids.cid(b"d"), "x", PEER[:-1], f"{PEER}x"):
        with pytest.raises(Malformed, match="not an Ed25519 peer id"):
            address.read(f"/ip4/1.2.3.4/tcp/1/p2p/{who}")


@pytest.mark.parametrize(
    "written",
    [f"/ip4/0.0.0.0/tcp/1{P2P}", f"/ip6/::/tcp/1{P2P}", f"/ip6/::ffff:0.0.0.0/tcp/1{P2P}", f"0.0.0.0:4001{P2P}",
     f"[::]:1{P2P}", "http://0.0.0.0:8080", "http://[::]:8080/", f"/ip4/0.0.0.1/tcp/1{P2P}"],
)  # fmt: skip
def test_what_stands_for_all_addresses_of_a_machine_is_nobodys(written: str) -> None:
    with pytest.raises(Malformed, match="nobody can dial it"):
        address.read(written)


@pytest.mark.parametrize("host", ["ip4/224.0.0.1", "ip4/255.255.255.255", "ip6/ff02::1"])
def test_what_stands_for_many_machines_is_nobodys(host: str) -> None:
    with pytest.raises(Malformed, match="not one machine"):
        address.read(f"/{host}/tcp/1{P2P}")


def test_a_door_is_no_peer() -> None:
    with pytest.raises(Malformed, match="not a peer address"):
        address.peer("http://127.0.0.1:1")


@pytest.mark.parametrize(
    ("written", "kept"),
    [("/ip4/0.0.0.0/tcp/4001", "/ip4/0.0.0.0/tcp/4001"), (" /ip6/::/tcp/0/ ", "/ip6/::/tcp/0"),
     ("0.0.0.0:4001", "/ip4/0.0.0.0/tcp/4001"), ("[::1]:0", "/ip6/::1/tcp/0"),
     (f"/ip4/127.0.0.1/tcp/4001{P2P}", "/ip4/127.0.0.1/tcp/4001")],
)  # fmt: skip
def test_a_node_listens_where_it_is_told_in_the_same_grammar(written: str, kept: str) -> None:
    assert address.listening(written, PEER) == kept


@pytest.mark.parametrize(
    ("written", "what"),
    [("/ip4/0.0.0.0", "no port"), ("4001", "no port"), (":4001", "no host"), ("localhost:4001", "not on a name"),
     ("/dns4/localhost/tcp/1", "not on a name"), (f"/ip4/0.0.0.0/tcp/1/p2p/{OTHER}", "this node is not"),
     ("/ip4/0.0.0.0/udp/1", "and not /udp"), ("", "empty"), ("http://0.0.0.0:1", "neither|no port|not an address")],
)  # fmt: skip
def test_where_no_node_can_listen_is_said(written: str, what: str) -> None:
    with pytest.raises(Malformed, match=what):
        address.listening(written, PEER)


@pytest.mark.parametrize(
    ("written", "bound"),
    [("0.0.0.0:8080", ("0.0.0.0", 8080)), (" http://127.0.0.1:80/ ", ("127.0.0.1", 80)), ("[::]:0", ("::", 0)),
     ("localhost:8080", ("localhost", 8080)), ("/ip4/127.0.0.1/tcp/8080", ("127.0.0.1", 8080))],
)  # fmt: skip
def test_a_plain_door_is_opened_where_it_is_told_in_the_same_grammar(written: str, bound: tuple[str, int]) -> None:
    assert address.binding(written) == bound


@pytest.mark.parametrize(
    ("written", "what"),
    [("8080", "no port"), (":8080", "no host"), ("127.0.0.1", "no port"), ("https://a:1", "plain HTTP"), ("", "empty"),
     (f"127.0.0.1:1{P2P}", "no peer id"), ("127.0.0.1:x", "no port"), ("127.0.0.1:65536", "no port"),
     ("http://a:1/x", "after the port")],
)  # fmt: skip
def test_where_no_door_can_be_opened_is_said(written: str, what: str) -> None:
    with pytest.raises(Malformed, match=what):
        address.binding(written)


@pytest.mark.parametrize(
    ("host", "public", "here"),
    [("ip4/8.8.8.8", True, False), ("ip6/2a01:4f8::1", True, False), ("dns/data.example", True, False),
     ("ip4/127.0.0.1", False, True), ("ip4/127.9.9.9", False, True), ("ip6/::1", False, True),
     ("ip6/::ffff:127.0.0.1", False, True), ("dns4/localhost", False, True), ("dns/a.localhost.", False, True),
     ("ip4/192.168.1.7", False, False), ("ip4/10.0.0.1", False, False), ("ip4/172.16.0.1", False, False),
     ("ip4/169.254.1.1", False, False), ("ip4/100.64.0.1", False, False), ("ip6/fd00::1", False, False),
     ("ip6/::ffff:192.168.1.7", False, False)],
)  # fmt: skip
def test_an_address_at_home_is_not_for_strangers_and_one_on_loopback_for_nobody_else(
    host: str, public: bool, here: bool
) -> None:
    said = address.read(f"/{host}/tcp/4001{P2P}")
    assert (address.is_public(said), address.is_loopback(said)) == (public, here)


def test_loopback_is_given_only_where_there_is_nothing_else_and_the_near_is_asked_for() -> None:
    world, lan, here = (f"/ip4/{host}/tcp/1{P2P}" for host in ("8.8.8.8", "192.168.1.7", "127.0.0.1"))
    assert address.nearest([here, lan, world, lan], lan=True) == [lan, world]
    assert address.nearest([here, lan, world], lan=False) == [world]
    assert address.nearest([here], lan=True) == [here]
    assert address.nearest([here], lan=False) == []
    reach = [address.reach(each) for each in ([here, lan, world], [here, lan], [here], [], ["http://localhost:1"])]
    assert reach == ["anywhere", "this network", "this machine", "nowhere", "this machine"]


def test_a_peer_id_alone_is_meant_as_an_address() -> None:
    assert address.is_like(PEER)


@pytest.mark.parametrize("name", ["log.zip", "./folder", "/srv/log", "log", "a b.zip", ""])
def test_the_name_of_a_file_is_not_taken_for_an_address(name: str) -> None:
    assert not address.is_like(name)
