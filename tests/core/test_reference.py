"""References: what people paste, what they may name, and that no shell finds anything in them."""

from __future__ import annotations

import subprocess

import pytest

from commons.core.crypto import ids
from commons.core.dataset import reference
from commons.core.dataset.reference import Reference
from commons.errors import Malformed

CID, PEER = ids.cid(b"d"), ids.peer_id(bytes(32))
HOME, WORLD = f"/ip4/192.168.1.7/tcp/4001/p2p/{PEER}", f"/ip6/2a01:4f8::1/tcp/4001/p2p/{PEER}"


def test_a_bare_id_is_a_reference_and_so_is_one_with_space_around() -> None:
    for text in (CID, f"commons:{CID}", f" \tcommons:{CID}\n", f"commons:{CID}?"):
        assert reference.parse(text) == Reference(cid=CID)
    assert str(Reference(cid=CID)) == f"commons:{CID}"


@pytest.mark.parametrize(
    "text", [f"commons:{CID},http://b,{WORLD},http://a,{HOME}", f"commons:{CID}?http=http://b&peer={WORLD}&http=http://a&peer={HOME}"],
    ids=["now", "before"],
)  # fmt: skip
def test_addresses_keep_their_order_and_their_kind(text: str) -> None:
    told = reference.parse(text)
    assert (told.peers, told.doors) == ((WORLD, HOME), ("http://b", "http://a"))
    assert reference.parse(str(told)) == told


def test_what_is_written_means_nothing_to_a_shell() -> None:
    text = str(Reference(cid=CID, peers=(WORLD,), doors=("http://a/$(id);'x&y,z~*!", "http://[2001:db8::1]:80")))
    assert set(text) <= set("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789:/.-_,%")
    assert reference.parse(text).doors == ("http://a/$(id);'x&y,z~*!", "http://[2001:db8::1]:80")


@pytest.mark.parametrize(
    "wild", [f"/ip4/0.0.0.0/tcp/4001/p2p/{PEER}", f"/ip6/::/tcp/4001/p2p/{PEER}", "http://0.0.0.0:8080"]
)
def test_what_older_versions_gave_out_and_nobody_can_dial_is_passed_over(wild: str) -> None:
    kind = "http" if wild.startswith("http") else "peer"
    for text in (f"commons:{CID},{wild},{WORLD}", f"commons:{CID}?{kind}={wild}&peer={WORLD}"):
        assert reference.parse(text) == Reference(cid=CID, peers=(WORLD,))


@pytest.mark.parametrize(
    "text",
    ["", "commons:", "commons:?", "commons:,", f"COMMONS:{CID}", f"commons://{CID}", f"commons:{CID}/",
     f"commons:{CID}?peer=", f"commons:{CID}?peer", f"commons:{CID}?=x", f"commons:{CID}?&",
     f"commons:{CID}?Peer={WORLD}", f"commons:{CID}?peer={WORLD}#x", f"commons:{CID}?peer={WORLD}&via=x",
     f"commons:{CID}?{'http=http://a&' * 17}", f"commons:{CID}?peer=http://a", f"commons:{CID}?http={WORLD}",
     f"{CID} {CID}", f"commons:{CID}\0", f"commons:{CID}?http=http://a;peer={WORLD}\x1b", f"commons:{CID},",
     f"commons:{CID},,{WORLD}", f"commons:{CID},{WORLD},", f"commons:{CID}{',http://a' * 17}",
     f"commons:{CID},/ip4/203.0.113.7/tcp/4001", f"commons:{CID},203.0.113.7:4001", f"commons:{CID},http://%FF",
     f"commons:{CID},http://a%1B"],
)  # fmt: skip
def test_what_is_not_understood_whole_is_malformed(text: str) -> None:
    with pytest.raises(Malformed) as caught:
        reference.parse(text)
    assert "\x1b" not in caught.value.message


def test_sixteen_addresses_are_taken_and_commas_in_an_older_reference_part_none() -> None:
    listed = [f"http://a/{n}" for n in range(reference.PARTS)]
    for text in (f"commons:{CID},{','.join(listed)}", f"commons:{CID}?{'&'.join(f'http={each}' for each in listed)}"):
        assert reference.parse(text).doors == tuple(listed)
    assert reference.parse(f"commons:{CID}?http=http://a/x,y&http=http://b").doors == ("http://a/x,y", "http://b")


@pytest.mark.parametrize("shell", ["sh", "bash"])
def test_a_shell_takes_it_unquoted(shell: str) -> None:
    text = str(Reference(cid=CID, peers=(WORLD, HOME), doors=("http://[2001:db8::1]:80/$(id)&x;y*z'~",)))
    done = subprocess.run([shell, "-c", f"printf '[%s]' {text}"], capture_output=True, text=True, check=True)
    assert (done.stdout, done.stderr) == (f"[{text}]", "")


@pytest.mark.parametrize(
    ("text", "told"),
    [(f"commons:{CID},", "is missing"), (f"commons:{CID},,{HOME}", "is missing"),
     (f"commons:{CID},{HOME},", "is missing"),
     (f"commons:{CID}?relay={HOME}", "unknown part 'relay'"), (f"commons:{CID}?peer={HOME}&x=1", "unknown part 'x'")],
)  # fmt: skip
def test_a_reference_that_was_not_pasted_whole_says_what_is_wrong(text: str, told: str) -> None:
    with pytest.raises(Malformed, match=told):
        reference.parse(text)
