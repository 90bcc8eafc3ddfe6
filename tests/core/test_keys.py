"""Keys: the vectors of the RFCs, one use for one key, and signatures that only their signer can make."""

from __future__ import annotations

import hashlib
import hmac

import pytest

from commons.core.crypto import keys
from commons.core.crypto.ids import public_key
from commons.core.crypto.keys import Keys, Signer

# RFC 8032 section 7.1, TEST 2
SECRET = bytes.fromhex("4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb")
PUBLIC = bytes.fromhex("3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c")
SIGNATURE = bytes.fromhex(
    "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da"
    "085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00"
)
ORDER = 2**252 + 27742317777372353535851937790883648493

# The points whose order divides 8, as libsodium lists them, with either sign bit.
SMALL = [
    bytes.fromhex(text + last)
    for text, lasts in {
        "00" * 31: ("00", "80"),
        "01" + "00" * 30: ("00", "80"),
        "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc": ("05", "85"),
        "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac03": ("7a", "fa"),
        "ec" + "ff" * 30: ("7f", "ff"),
        "ed" + "ff" * 30: ("7f", "ff"),
        "ee" + "ff" * 30: ("7f", "ff"),
    }.items()
    for last in lasts
]


def test_signatures_are_those_of_rfc_8032() -> None:
    signer = Signer(SECRET)
    assert (signer.public, signer.sign(b"\x72")) == (PUBLIC, SIGNATURE)
    assert keys.verify(PUBLIC, SIGNATURE, b"\x72")
    assert public_key(signer.peer) == PUBLIC


def test_no_bit_of_key_signature_or_message_can_change() -> None:
    whole = PUBLIC + SIGNATURE + b"\x72"
    for bit in range(8 * len(whole)):
        other = bytearray(whole)
        other[bit // 8] ^= 1 << bit % 8
        assert not keys.verify(bytes(other[:32]), bytes(other[32:96]), bytes(other[96:]))


def test_a_signature_has_one_spelling() -> None:
    s = int.from_bytes(SIGNATURE[32:], "little") + ORDER
    assert not keys.verify(PUBLIC, SIGNATURE[:32] + s.to_bytes(32, "little"), b"\x72")


@pytest.mark.parametrize("size", [0, 1, 31, 33, 64])
def test_a_key_or_signature_of_another_length_is_no_error_and_no_proof(size: int) -> None:
    assert not keys.verify(bytes(size), SIGNATURE, b"")
    assert not keys.verify(PUBLIC, bytes(size), b"")
    assert not keys.verify(PUBLIC, SIGNATURE + bytes(size + 1), b"\x72")


@pytest.mark.parametrize("public", SMALL, ids=bytes.hex)
def test_nobody_signs_by_a_key_under_which_everybody_could(public: bytes) -> None:
    for point in SMALL:
        for message in (b"yes", b"no", b"a", b"b", b"c", b"d", b"e", b"f"):
            assert not keys.verify(public, point + bytes(32), message)


def test_derivation_is_hkdf_sha256_under_a_label_of_ours() -> None:
    def hkdf(secret: bytes, salt: bytes, info: bytes, length: int) -> bytes:  # RFC 5869
        key, block, out = hmac.digest(salt, secret, hashlib.sha256), b"", b""
        for n in range(1, 1 + -(-length // 32)):
            block = hmac.digest(key, block + info + bytes([n]), hashlib.sha256)
            out += block
        return out[:length]

    assert keys.derive(b"s" * 32, "x/v1") == hkdf(b"s" * 32, bytes(32), b"commons/x/v1", 32)
    assert keys.derive(b"s" * 32, "é", 76, b"salt") == hkdf(b"s" * 32, b"salt", "commons/é".encode(), 76)


def test_each_use_has_a_key_of_its_own() -> None:
    one, other = Keys(bytes(32)), Keys(b"\1" * 32)
    series, nonce = bytes(16), bytes(32)
    made = [
        secret
        for ours in (one, other)
        for secret in (
            ours.identity_seed, ours.identity.public, ours.log(0).public, ours.log(1).public, ours.log(10).public,
            ours.epoch(series, 0), ours.epoch(series, 1), ours.epoch(b"\1" + series[1:], 0), ours.hpke_seed(nonce),
            ours.hpke_seed(b"\1" + nonce[1:]), ours.local("a"), ours.local("b"), ours.local(""),
        )
    ]  # fmt: skip
    assert len(set(made)) == len(made)
    assert {len(secret) for secret in made} == {32}


def test_keys_come_from_the_seed_and_from_nothing_else() -> None:
    for size in (0, 31, 33):
        with pytest.raises(ValueError, match="32 bytes"):
            Keys(bytes(size))
    assert Keys(bytes(32)).log(0).public == Keys(bytes(32)).log(0).public
