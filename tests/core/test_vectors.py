"""The golden vectors of every format: made again byte for byte, read back, and each broken one refused by its name."""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import partial
from typing import Any

import pytest

from commons import errors
from commons.access import release
from commons.core.crypto import codec, envelope, hpke, ids, keys
from commons.core.crypto.keys import Keys
from commons.core.dataset import manifest, reference
from commons.core.state import entries, opening
from commons.errors import Untrue
from tests.rows import over
from tests.vectors import generate

VECTORS = json.loads(generate.FILE.read_text())
FORMATS = VECTORS["formats"]
SEED, SERIES, NONCE = (bytes.fromhex(VECTORS[name]) for name in ("seed", "series", "nonce"))
RELEASE = {name: bytes.fromhex(text) for name, text in VECTORS["release"].items()}
LOCK = {name: bytes.fromhex(text) for name, text in VECTORS["lock"].items() if name != "epoch"}


def signed(name: str, data: bytes) -> Any:
    kind, value, _ = generate.SIGNED[name]
    return envelope.open(kind, type(value), data).value


def entry(data: bytes) -> Any:
    read = entries.decode(data)
    return read.value if isinstance(read, envelope.Opened) else read


READERS: dict[str, Callable[[bytes], Any]] = {
    **{name: partial(codec.decode, type(value)) for name, value in generate.PLAIN.items()},
    **{name: partial(signed, name) for name in generate.SIGNED},
    **dict.fromkeys(
        (*generate.GOVERNANCE, "request", "decision", "receipt", "dropped", "redaction"),
        entry,
    ),
    "manifest": lambda data: manifest.open(data).value,
    "opening": opening.decode,
}
BAD = [(name, bad) for name, vector in FORMATS.items() for bad in vector["bad"]]


def test_the_file_is_what_its_generator_writes() -> None:
    assert generate.FILE.read_text() == generate.written(generate.build(VECTORS["release"]["sealed"]))


def test_every_format_has_its_vectors() -> None:
    assert FORMATS.keys() == READERS.keys()
    assert all(len(vector["bad"]) > 15 for vector in FORMATS.values())


@over("name", FORMATS)
def test_a_value_is_encoded_as_it_was_and_read_as_it_was(name: str) -> None:
    data = bytes.fromhex(FORMATS[name]["hex"])
    assert data == generate.ENCODED[name]
    value = generate.SIGNED[name][1] if name in generate.SIGNED else generate.PLAIN[name]
    assert READERS[name](data) == value


@over(("name", "vector"), BAD)
def test_a_broken_value_is_refused_with_exactly_its_error(name: str, vector: dict[str, Any]) -> None:
    with pytest.raises(errors.CommonsError) as caught:
        READERS[name](bytes.fromhex(vector["hex"]) * vector.get("times", 1))
    assert type(caught.value).__name__ == vector["error"]


@over("vector", VECTORS["reference"]["bad"])
def test_a_broken_reference_is_refused_with_exactly_its_error(vector: dict[str, str]) -> None:
    with pytest.raises(errors.CommonsError) as caught:
        reference.parse(vector["text"])
    assert type(caught.value).__name__ == vector["error"]


def test_a_reference_is_written_and_read_as_it_was() -> None:
    assert reference.parse(VECTORS["reference"]["text"]) == generate.REFERENCE
    assert str(generate.REFERENCE) == VECTORS["reference"]["text"]
    assert reference.parse(VECTORS["reference"]["before"]) == generate.REFERENCE


def test_every_key_comes_from_the_seed_as_it_did() -> None:
    told, ours = VECTORS["derived"], Keys(SEED)
    assert ours.identity_seed.hex() == told["identity seed"]
    assert (ours.identity.public.hex(), ours.identity.peer) == (told["identity public"], told["identity peer"])
    assert ids.peer_host(ours.identity.peer) == told["identity host"]
    assert [ours.log(n).public.hex() for n in (0, 1)] == [told["log 0 public"], told["log 1 public"]]
    assert [ours.epoch(SERIES, n).hex() for n in (0, 1)] == [told["epoch 0"], told["epoch 1"]]
    assert ours.hpke_seed(NONCE).hex() == told["hpke"]
    assert hpke.public_of(ours.hpke_seed(NONCE)).hex() == told["hpke public"]
    assert ours.local("shelf").hex() == told["local shelf"]
    assert keys.derive(SEED, "x/v1", 76, generate.salt(0)).hex() == told["label x/v1 of 76 bytes, salted"]
    assert len(set(told.values())) == len(told)


def test_names_and_digests_are_what_they_were() -> None:
    assert ids.cid(bytes.fromhex(FORMATS["manifest"]["hex"])) == VECTORS["cid"]["manifest"]
    assert ids.cid(bytes.fromhex(FORMATS["charter"]["hex"])) == VECTORS["cid"]["charter"]
    assert generate.TERMS.digest().hex() == VECTORS["terms_digest"]
    told = VECTORS["commitment"]
    salt, value = bytes.fromhex(told["salt"]), bytes.fromhex(told["value"])
    assert opening.commit(told["name"], salt, value).hex() == told["hex"]


def test_the_opening_reveals_what_its_entry_commits_to() -> None:
    shown = opening.decode(bytes.fromhex(FORMATS["opening"]["hex"]))
    opening.check(shown, entries.commitments(entry(bytes.fromhex(FORMATS["request"]["hex"]))))
    assert shown.get("statement") == bytes.fromhex(FORMATS["asked"]["hex"])
    assert entries.requester(shown) == generate.BOB.peer


def test_a_key_sealed_long_ago_opens_for_its_grant_and_for_nothing_else() -> None:
    bound = codec.decode(release.Bound, bytes.fromhex(FORMATS["bound"]["hex"]))
    assert len(RELEASE["sealed"]) == 80
    assert release.open(RELEASE["sealed"], RELEASE["private"], bound) == RELEASE["secret"]
    with pytest.raises(Untrue):
        release.open(RELEASE["sealed"], bytes(32), bound)


def test_an_earlier_epoch_is_locked_and_unlocked_as_it_was() -> None:
    epoch = VECTORS["lock"]["epoch"]
    assert release.lock(LOCK["newer"], LOCK["older"], SERIES, epoch) == LOCK["hex"]
    assert release.unlock(LOCK["newer"], LOCK["hex"], SERIES, epoch) == LOCK["older"]
    assert release.chain(LOCK["newer"], 1, (LOCK["hex"],), SERIES) == {1: LOCK["newer"], 0: LOCK["older"]}
