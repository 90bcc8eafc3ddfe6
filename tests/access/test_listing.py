"""A manifest and the entry it makes: nothing in one that is not in the other."""

from __future__ import annotations

from dataclasses import fields, replace
from typing import Any

import pytest

from commons.access import listing
from commons.core.crypto import envelope, hpke, ids
from commons.core.crypto.envelope import Opened
from commons.core.crypto.keys import Keys, Signer
from commons.core.dataset import manifest
from commons.core.dataset.manifest import Manifest
from commons.core.dataset.rule import Rule
from commons.core.state.entries import PUBLISH, Publish
from commons.core.tlog import policy
from commons.custody import sharing as custody
from commons.errors import Untrue
from tests.vectors import generate

ALICE, BOB, KEEPER = generate.ALICE, generate.BOB, Keys(b"keeper".ljust(32))


def published(value: Manifest = generate.MANIFEST, signer: Signer = ALICE) -> Opened[Manifest]:
    return manifest.open(manifest.sign(value, signer))


def entry(said: Publish, signer: Signer = ALICE) -> Opened[Publish]:
    return envelope.open(PUBLISH, Publish, envelope.sign(PUBLISH, said, signer))


def made(dataset: Opened[Manifest]) -> Publish:
    return listing.entry(dataset.value, ids.cid(dataset.data), 5)


def shared(signer: Signer = ALICE, **lies: Any) -> Manifest:
    """The manifest with its key shared, truly or not."""
    value = generate.MANIFEST
    rule = policy.parse(f"member k {KEEPER.identity.peer}\nquorum k\n")
    key = custody.open_key(
        custody.announce(value.commons, hpke.public_of(KEEPER.custody()), KEEPER.identity), value.commons,
        KEEPER.identity.peer,
    )  # fmt: skip
    said = {
        "commons": value.commons, "series": value.series, "epoch": value.epoch, "rule": rule,
        "bound": custody.binding(value.terms.digest(), value.rule),
    }  # fmt: skip
    sharing, _ = custody.deposit(bytes(range(32)), {"k": key}, signer, lambda n: bytes(n), **{**said, **lies})
    return replace(value, custody=sharing)


def test_the_entry_of_the_vectors_is_the_one_that_its_manifest_makes() -> None:
    dataset = manifest.open(generate.MANIFEST_BYTES)
    assert listing.entry(dataset.value, generate.DATASET, generate.PUBLISH.time) == replace(
        generate.PUBLISH, grant_days=dataset.value.terms.grant_days
    )


def test_an_entry_repeats_its_manifest_in_every_field() -> None:
    dataset = published(shared())
    said = made(dataset)
    assert said.custodians is not None
    listing.check(entry(said), dataset)
    lies: dict[str, Any] = {
        "commons": ids.cid(b"x"), "manifest": ids.cid(b"x"), "series": bytes(16), "version": 9, "title": "x",
        "licence": "CC0-1.0", "terms": bytes(32), "rule": Rule(kind="approval"), "purposes": ("education",),
        "grant_days": 1, "epoch": 7, "custodians": None,
    }  # fmt: skip
    assert {field.name for field in fields(Publish)} - lies.keys() == {"time"}
    for name, lie in lies.items():
        with pytest.raises(Untrue, match=name):
            listing.check(entry(replace(said, **{name: lie})), dataset)


def test_the_entry_and_its_manifest_are_by_one_signer() -> None:
    dataset = published()
    with pytest.raises(Untrue, match="somebody else"):
        listing.check(entry(made(dataset), BOB), dataset)


@pytest.mark.parametrize(
    "lie", [{"signer": BOB}, {"series": bytes(16)}, {"epoch": 0}, {"bound": bytes(32)}, {"commons": ids.cid(b"x")}]
)
def test_a_sharing_of_something_else_is_not_listed(lie: dict[str, Any]) -> None:
    if "commons" in lie:
        lie = {"bound": custody.binding(generate.TERMS.digest(), Rule(kind="approval"))}
    dataset = published(shared(**lie))
    with pytest.raises(Untrue, match="sharing"):
        listing.check(entry(made(dataset)), dataset)
