"""Names of things, against names that others gave: multiformats, IPFS and libp2p."""

from __future__ import annotations

import hashlib

import pytest

from commons.core.crypto import ids
from commons.errors import Malformed

EMPTY = "bafkreihdwdcefgh4dqkjv67uzcmw7ojee6xedzdetojuzjevtenxquvyku"  # IPFS's name of the raw block without bytes
HELLO = "bafkreifzjut3te2nhyekklss27nh3k72ysco7y32koao5eei66wof36n5e"  # and of "hello world"
SPEC = "12D3KooWD3eckifWpRn9wQpMG9R9hX3sD158z7EqHWmweQAJU5SA"  # libp2p specs, peer-ids


def test_the_same_bytes_have_the_name_that_ipfs_gives_them() -> None:
    assert ids.cid(b"") == EMPTY
    assert ids.cid(b"hello world") == HELLO
    assert ids.digest_of(HELLO) == hashlib.sha256(b"hello world").digest()
    assert ids.check_cid(HELLO) == HELLO == ids.cid_of_digest(ids.digest_of(HELLO))


@pytest.mark.parametrize(
    "text",
    [
        "bafybeigdyrzt5sfp7udm7hu76uh7y26nf3efuylqabf3oclgtqy55fbzdi", "QmYyQSo1c1Ym7orWxLYvCrM2EmxFTANf8wXmmE7DWjhx5N",
        "f01551220" + "00" * 32, "zb2rhe5P4gXftAwvA4eXQ5HJwsER2owDyS9sKaQRRVQPn93bA", EMPTY[1:], "b", "bb", EMPTY + "a",
        EMPTY.replace("b", "B", 1), EMPTY.upper(), " " + EMPTY, EMPTY + "\n", EMPTY + "=", "b" + EMPTY,
    ],
    ids=["dag-pb", "version 0", "base16", "base58", "no base", "nothing after it", "too short", "too long",
         "base in capitals", "capitals", "a space", "a newline", "padding", "base twice"],
)  # fmt: skip
def test_a_name_of_content_that_is_not_in_its_only_spelling_is_malformed(text: str) -> None:
    with pytest.raises(Malformed) as caught:
        ids.check_cid(text)
    assert "bafkrei" in caught.value.hint


@pytest.mark.parametrize("length", [0, 31, 33, 64])
def test_a_name_of_a_digest_of_another_length_is_malformed(length: int) -> None:
    with pytest.raises(Malformed):
        ids.digest_of(ids.cid_of_digest(bytes(length)))


def test_a_name_whose_unused_bits_are_set_is_malformed() -> None:
    letters = "abcdefghijklmnopqrstuvwxyz234567"
    others = [EMPTY[:-1] + letter for letter in letters if letter != EMPTY[-1]]
    named = {ids.digest_of(other) for other in others if _is_cid(other)}
    assert len(named) == 7  # 3 of 5 bits are of the digest, the other 2 must be zero
    assert ids.digest_of(EMPTY) not in named


def _is_cid(text: str) -> bool:
    try:
        ids.digest_of(text)
    except Malformed:
        return False
    return True


def test_a_peer_id_is_that_of_libp2p() -> None:
    assert ids.peer_id(ids.public_key(SPEC)) == SPEC == ids.check_peer(SPEC)
    assert len(ids.public_key(SPEC)) == 32


@pytest.mark.parametrize(
    "text",
    ["QmYyQSo1c1Ym7orWxLYvCrM2EmxFTANf8wXmmE7DWjhx5N", "16Uiu2HAmV6DexGh3sJyYJYvMmkgzHPMGSSZeYvLZ9gYQ2rTJ2f9R",
     "bafzaajaiaejcal72gwuz2or47oyxxn6b3rkwdmmkrxgxcbjqomhxcagkwxkrqbsy", "1" + SPEC, SPEC[:-1], SPEC + "1",
     SPEC.replace("o", "0"), SPEC.lower(), SPEC + " ", "", "1", "z" * 64, "z" * 65],
    ids=["RSA", "secp256k1", "a peer as CID", "a leading zero more", "short", "long", "not base58", "other case",
         "a space", "nothing", "one zero", "the most", "more than the most"],
)  # fmt: skip
def test_a_peer_id_that_is_not_of_an_ed25519_key_in_its_only_spelling_is_malformed(text: str) -> None:
    with pytest.raises(Malformed) as caught:
        ids.check_peer(text)
    assert "12D3KooW" in caught.value.hint


def test_a_host_name_of_a_peer_is_a_dns_label_and_back() -> None:
    host = ids.peer_host(ids.check_peer(SPEC))
    assert host == host.lower()
    assert host.isalnum()
    assert len(host) <= 63
    assert ids.peer_of_host(host) == SPEC
    for wrong in (host.upper(), host[1:], "q" + host[1:], host[:-1], host + "a", "p", ""):
        with pytest.raises(Malformed, match="not a peer's host name"):
            ids.peer_of_host(wrong)
