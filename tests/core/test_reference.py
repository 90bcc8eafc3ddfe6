"""References: what people paste, what they may name, and what they do not give away."""

from __future__ import annotations

import pytest

from commons.core import ids, reference
from commons.core.reference import Reference
from commons.errors import Malformed

CID, PEER = ids.cid(b"d"), ids.peer_id(bytes(32))
HOME, WORLD = f"/ip4/192.168.1.7/tcp/4001/p2p/{PEER}", f"/ip6/2a01:4f8::1/tcp/4001/p2p/{PEER}"


def test_a_bare_id_is_a_reference_and_so_is_one_with_space_around() -> None:
    for text in (CID, f"commons:{CID}", f" \tcommons:{CID}\n", f"commons:{CID}?"):
        assert reference.parse(text) == Reference(cid=CID)
    assert str(Reference(cid=CID)) == f"commons:{CID}"


def test_hints_keep_their_order_and_their_kind() -> None:
    text = f"commons:{CID}?http=http://b&peer={WORLD}&http=http://a&peer={HOME}"
    told = reference.parse(text)
    assert (told.peers, told.doors) == ((WORLD, HOME), ("http://b", "http://a"))
    assert reference.parse(str(told)) == told


def test_what_is_written_needs_no_quoting_in_a_shell_but_for_its_question_mark() -> None:
    text = str(Reference(cid=CID, peers=(WORLD,), doors=("http://a/$(id);'x&y",)))
    assert set(text) <= set("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789:/?=&.-_~%")
    assert reference.parse(text).doors == ("http://a/$(id);'x&y",)


@pytest.mark.parametrize(
    "text",
    ["", "commons:", "commons:?", f"COMMONS:{CID}", f"commons://{CID}", f"commons:{CID}/", f"commons:{CID}?peer=",
     f"commons:{CID}?peer", f"commons:{CID}?=x", f"commons:{CID}?&", f"commons:{CID}?Peer={WORLD}",
     f"commons:{CID}?peer={WORLD}#x", f"commons:{CID}?peer={WORLD}&via=x", f"commons:{CID}?{'http=http://a&' * 17}",
     f"{CID} {CID}", f"commons:{CID}\0", f"commons:{CID}?http=http://a;peer={WORLD}\x1b"],
)  # fmt: skip
def test_what_is_not_understood_whole_is_malformed(text: str) -> None:
    with pytest.raises(Malformed) as caught:
        reference.parse(text)
    assert "\x1b" not in caught.value.message


@pytest.mark.parametrize(
    "address",
    ["", "/", PEER, f"/p2p/{PEER}", f"x/ip4/1.2.3.4/tcp/1/p2p/{PEER}",
     f"ip4/1.2.3.4/tcp/1/p2p/{PEER}", f"/ip4/1.2.3.4/tcp/1/p2p/{PEER}/",
     f"/ip4/1.2.3/tcp/1/p2p/{PEER}", f"/ip4/1.2.3.04/tcp/1/p2p/{PEER}", f"/ip4/0x7f000001/tcp/1/p2p/{PEER}",
     f"/ip4/2130706433/tcp/1/p2p/{PEER}", f"/ip6/1.2.3.4/tcp/1/p2p/{PEER}", f"/ip4/::1/tcp/1/p2p/{PEER}",
     f"/ip6/fe80::1%2/tcp/1/p2p/{PEER}", f"/ip5/1.2.3.4/tcp/1/p2p/{PEER}", f"/dns5/a/tcp/1/p2p/{PEER}",
     f"/dnsaddr/a/tcp/1/p2p/{PEER}", f"/ip4/1.2.3.4/udp/1/p2p/{PEER}", f"/ip4/1.2.3.4/tcp/+1/p2p/{PEER}",
     f"/ip4/1.2.3.4/tcp/1_0/p2p/{PEER}", f"/ip4/1.2.3.4/tcp/ 1/p2p/{PEER}", f"/ip4/1.2.3.4/tcp/-1/p2p/{PEER}",
     f"/ip4/1.2.3.4/tcp/{'9' * 5000}/p2p/{PEER}", f"/ip4/1.2.3.4/tcp/1/ipfs/{PEER}", "/ip4/1.2.3.4/tcp/1/p2p/",
     f"/ip4/1.2.3.4/tcp/1/p2p/{CID}", f"/ip4/1.2.3.4/tcp/1/ws/p2p/{PEER}", f"/dns//tcp/1/p2p/{PEER}",
     f"/dns/a..b/tcp/1/p2p/{PEER}", f"/dns/{'a' * 64}/tcp/1/p2p/{PEER}"],
)  # fmt: skip
def test_an_address_is_one_host_one_port_one_peer(address: str) -> None:
    with pytest.raises(Malformed):
        reference.check_address(address)


@pytest.mark.parametrize("host", ["ip4/1.2.3.4", "ip6/::1", "dns/a", "dns4/data.example.", "dns6/xn--mnchen-3ya.de"])
@pytest.mark.parametrize("port", [1, 65535])
def test_an_address_is_kept_as_it_was_written(host: str, port: int) -> None:
    address = f"/{host}/tcp/{port}/p2p/{PEER}"
    assert reference.check_address(address) == address
    assert reference.peer_of(address) == PEER


@pytest.mark.parametrize(
    ("door", "kept"),
    [("http://a", "http://a"), ("https://a.example:8443/", "https://a.example:8443"), ("http://a/x//", "http://a/x"),
     ("http://[2001:db8::1]:80/y", "http://[2001:db8::1]:80/y")],
)  # fmt: skip
def test_a_door_has_no_slash_at_its_end(door: str, kept: str) -> None:
    assert reference.check_door(door) == kept


@pytest.mark.parametrize(
    "door",
    ["", "a", "//a", "http:a", "http:/a", "http:///x", "http://:80", "file:///etc/passwd", "data:text/html,x",
     "javascript:alert(1)", "gopher://a", "http://a:x", "http://a:99999", "http://[::1", "http://[x]", "http://@a",
     "http://a@b@c", "http://a/?", "http://a/#", " http://a", "http://a\t", "ht\ntp://a", "http://é"],
)  # fmt: skip
def test_what_is_no_plain_door_is_malformed(door: str) -> None:
    with pytest.raises(Malformed):
        reference.check_door(door)


@pytest.mark.parametrize(
    ("host", "public"),
    [("ip4/8.8.8.8", True), ("ip6/2a01:4f8::1", True), ("dns/data.example", True), ("ip4/127.0.0.1", False),
     ("ip4/192.168.1.7", False), ("ip4/10.0.0.1", False), ("ip4/172.16.0.1", False), ("ip4/169.254.1.1", False),
     ("ip4/100.64.0.1", False), ("ip4/0.0.0.0", False), ("ip6/::1", False), ("ip6/fe80::1", False),
     ("ip6/fd00::1", False), ("ip6/::", False), ("ip6/::ffff:192.168.1.7", False)],
)  # fmt: skip
def test_an_address_at_home_is_not_for_strangers(host: str, public: bool) -> None:
    assert reference.is_public(reference.check_address(f"/{host}/tcp/4001/p2p/{PEER}")) is public
