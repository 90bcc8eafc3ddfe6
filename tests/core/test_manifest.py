"""Manifests: a name is of exact bytes, a signature of exact words, and what cannot be true cannot be held."""

from __future__ import annotations

from dataclasses import fields, replace
from typing import Any

import pytest

from commons.core.crypto import envelope, ids
from commons.core.dataset import manifest
from commons.core.dataset.contents import Contents, File, PackEntry, Run
from commons.core.dataset.manifest import Manifest, PackRef
from commons.core.dataset.pack import OVERHEAD, SEGMENT
from commons.core.dataset.rule import Rule
from commons.errors import Malformed, TooLarge, Untrue
from tests.rows import over
from tests.vectors.generate import ALICE, DATASET, EVE, MANIFEST, MANIFEST_BYTES, NEW, PUBLISH, RULE, salt

FIRST = replace(MANIFEST, version=1, previous=None, epoch=0, unlocks=())


def test_a_manifest_is_opened_under_its_name() -> None:
    opened = manifest.open(MANIFEST_BYTES, DATASET)
    assert (opened.value, opened.signer, opened.data) == (MANIFEST, ALICE.peer, MANIFEST_BYTES)


def test_the_name_is_looked_at_before_anything_else() -> None:
    for data in (b"", b"\xc1", MANIFEST_BYTES + b"\0", manifest.sign(FIRST, ALICE), bytes(manifest.LIMIT + 1)):
        with pytest.raises(Untrue, match="not the manifest"):
            manifest.open(data, DATASET)
    with pytest.raises(TooLarge):
        manifest.open(bytes(manifest.LIMIT + 1))


def test_the_same_words_by_somebody_else_are_another_dataset() -> None:
    assert ids.cid(manifest.sign(MANIFEST, EVE)) != ids.cid(manifest.sign(MANIFEST, ALICE)) == DATASET


def test_what_else_a_publisher_signs_is_no_manifest() -> None:
    with pytest.raises(Malformed, match="expected a commons/manifest/v1"):
        manifest.open(envelope.sign("commons/publish/v1", PUBLISH, ALICE))
    with pytest.raises(Malformed, match="not a Manifest"):
        manifest.open(envelope.sign(manifest.TYPE, PUBLISH, ALICE))


def test_everything_to_carry_is_the_packs_and_then_the_contents() -> None:
    contents = PackRef(root=MANIFEST.contents.root, size=MANIFEST.contents.size)
    assert MANIFEST.sealed() == (*MANIFEST.packs, contents)
    assert replace(MANIFEST, packs=()).sealed() == (contents,)


@over(
    "lies",
    [
        {"version": 0}, {"version": -1}, {"version": 1}, {"previous": None}, {"previous": ""}, {"epoch": 0},
        {"epoch": 2}, {"epoch": -1}, {"epoch": 10**9}, {"epoch": 2**63}, {"unlocks": ()}, {"unlocks": (bytes(47),)},
        {"unlocks": (bytes(49),)}, {"unlocks": (bytes(48),) * 2}, {"series": bytes(17)}, {"series": b""},
        {"log_key": bytes(31)}, {"registrar": ""}, {"registrar": DATASET}, {"commons": ALICE.peer}, {"key": NEW},
        {"rule": Rule(kind="public")}, {"rule": Rule(kind="public"), "key": NEW[1:]},
        {"rule": Rule(kind="public"), "key": b""}, {"title": ""}, {"title": "\n\t "}, {"title": "t" * 301},
        {"title": "\ud800"}, {"description": "d" * 20_001}, {"description": "\udfff"}, {"files": -1}, {"size": -1},
        {"keywords": ("a", "a")}, {"keywords": ("",)}, {"keywords": ("k" * 101,)}, {"keywords": ("\ud800",)},
        {"keywords": tuple(str(n) for n in range(101))}, {"identifier": ""}, {"identifier": "10.1/x"},
        {"identifier": "doi"}, {"identifier": "10.5281/a b"},
        {"custody": b"x", "rule": Rule(kind="public"), "key": NEW},
        {"custody": b""}, {"custody": bytes(manifest.CUSTODY + 1)},
        {"created": -1}, {"packs": (PackRef(root=MANIFEST.contents.root, size=1),)},
        {"packs": (PackRef(root=salt(1), size=1), PackRef(root=salt(1), size=2))},
    ],
    ids=str,
)  # fmt: skip
def test_what_cannot_be_true_cannot_be_held(lies: dict[str, Any]) -> None:
    with pytest.raises(Malformed):
        replace(MANIFEST, **lies)


def test_the_most_and_the_least_are_possible() -> None:
    assert replace(MANIFEST, title="é" * 300, description="d" * 20_000, files=0, size=0, created=0, packs=())
    assert replace(MANIFEST, rule=Rule(kind="public"), key=NEW)
    assert replace(MANIFEST, custody=bytes(manifest.CUSTODY))
    assert replace(FIRST, version=1) == FIRST
    assert replace(MANIFEST, keywords=(*(str(n) for n in range(99)), "k" * 100))


@pytest.mark.parametrize("root", [b"", bytes(31), bytes(33)])
def test_a_pack_is_a_root_and_some_bytes(root: bytes) -> None:
    assert PackRef(root=bytes(32), size=1)
    with pytest.raises(Malformed):
        PackRef(root=root, size=1)
    for size in (0, -1):
        with pytest.raises(Malformed):
            PackRef(root=bytes(32), size=size)


def test_the_signature_is_over_every_field() -> None:
    other: dict[str, Any] = {
        "series": bytes(16), "version": 3, "previous": ids.cid(b"x"), "title": "Lakes", "description": "",
        "keywords": (), "identifier": None, "custody": b"x", "created": 0,
        "terms": replace(MANIFEST.terms, conditions=None),
        "rule": replace(RULE, peers=RULE.peers[:1]),
        "commons": ids.cid(b"x"), "log_key": bytes(32), "registrar": EVE.peer, "unlocks": (bytes(48),), "packs": (),
        "contents": replace(MANIFEST.contents, root=salt(9)), "files": 4, "size": 4097,
    }  # fmt: skip
    bound = {"epoch": {"epoch": 0, "unlocks": ()}, "key": {"rule": Rule(kind="public"), "key": NEW}}
    assert {*other, *bound} == {field.name for field in fields(Manifest)}
    lies = [*({name: value} for name, value in other.items()), *bound.values()]
    signed = {manifest.sign(replace(MANIFEST, **lie), ALICE) for lie in lies}
    assert len({*signed, MANIFEST_BYTES}) == len(lies) + 1
    signatures = {manifest.open(data) and data[-64:] for data in signed}
    assert len(signatures) == len(lies)


def packed(segments: tuple[int, ...], **words: Any) -> Manifest:
    table = replace(MANIFEST.contents, segments=segments, size=72 + sum(segments))
    return replace(MANIFEST, contents=table, **words)


def test_a_contents_table_is_refused_unread_where_it_is_larger_than_one_of_so_many_files() -> None:
    """Each segment but the last is full: as many full ones as the table has at most, and one more."""
    full = SEGMENT + OVERHEAD
    for files in (0, 1, 1000, 100_000):
        fits = -(-packed((100,), files=files).table_room() // SEGMENT)
        assert packed((*[full] * (fits - 1), 100), files=files).table_room() > 0
        with pytest.raises(TooLarge, match="larger than one of"):
            packed((*[full] * fits, 100), files=files).table_room()


def test_the_contents_are_those_that_the_manifest_promises() -> None:
    pack = PackEntry(root=salt(1), size=72 + 100, epoch=1, segments=(100,))
    file = File(
        path="a",
        size=3,
        sha256=bytes(32),
        media_type="text/plain",
        rights=0,
        runs=(Run(pack=0, first=0, count=1, offset=0),),
    )
    table = Contents(packs=(pack,), files=(file,))
    said = replace(MANIFEST, files=1, size=3, packs=(PackRef(root=pack.root, size=pack.size),))
    said.check_contents(table)
    for words in (
        {"files": 2}, {"files": 0}, {"size": 2}, {"size": 4}, {"packs": ()},
        {"packs": (PackRef(root=salt(3), size=pack.size),)}, {"packs": (PackRef(root=pack.root, size=pack.size + 1),)},
    ):  # fmt: skip
        with pytest.raises(Untrue, match="or other packs"):
            replace(said, **words).check_contents(table)
    said.check_contents(replace(table, packs=(replace(pack, epoch=0),)))
    with pytest.raises(Untrue, match="name key epoch 2"):
        said.check_contents(replace(table, packs=(replace(pack, epoch=2),)))
