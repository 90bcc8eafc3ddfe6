"""Every decoder of core against bytes, values and texts of strangers: one spelling, errors of ours or nothing else."""

from __future__ import annotations

import dataclasses
import struct
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from typing import Any

import msgpack
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from commons.access import listing, release
from commons.core.crypto import codec, envelope, hpke, ids
from commons.core.crypto.envelope import Envelope, Opened
from commons.core.crypto.keys import Signer
from commons.core.dataset import address, manifest, reference, terms
from commons.core.dataset import rule as rules
from commons.core.dataset.contents import PackEntry
from commons.core.dataset.manifest import Manifest, PackRef
from commons.core.dataset.reference import Reference
from commons.core.dataset.rights import Creator, Label, LicenceText, Origin
from commons.core.state import charter, complaint, entries, notice, opening, proposals, transfer
from commons.core.state.opening import Field, Opening
from commons.core.tlog import checkpoint
from commons.custody import handover, sharing
from commons.errors import CommonsError, Malformed, TooLarge, Untrue
from commons.log import answer
from tests.conftest import ends
from tests.rows import examples, one_in
from tests.vectors import generate

KINDS: dict[str, type[Any]] = {
    kind.__name__: kind
    for kind in (
        envelope.Envelope, manifest.Manifest, terms.Terms, rules.Rule, charter.Charter, proposals.Proposal,
        proposals.LaterRules, proposals.Vote, proposals.Join, transfer.Succession, entries.Publish, entries.Asked,
        entries.Decided, entries.Received, entries.Request, entries.Decision, entries.Receipt, entries.Redaction,
        entries.Stamp,
        entries.Dropped, notice.Notice, notice.Dropping,
        opening.Opening, answer.Submission, answer.Answer, listing.Offer, release.Bound,
        sharing.CustodyKey, sharing.Sharing, sharing.Deposit, handover.Claim, handover.Released, handover.Handover,
        complaint.Handed, complaint.Submitted, complaint.Taken, complaint.Unlogged,
    )
}  # fmt: skip
VALUES: dict[str, Any] = {
    type(value).__name__: value
    for value in (*generate.PLAIN.values(), *(value for _, value, _ in generate.SIGNED.values()))
} | {"Envelope": codec.decode(Envelope, generate.ENCODED["received"])}

SIGNED: dict[str, Callable[[bytes], Any]] = {
    name: partial(envelope.open, kind, type(value)) for name, (kind, value, _) in generate.SIGNED.items()
}
SEED = generate.OWNER.hpke_seed(generate.NONCE)
SEALED = release.seal(generate.NEW, hpke.public_of(SEED), generate.BOUND)

READERS: dict[str, Callable[[bytes], Any]] = {
    **{name: partial(codec.decode, kind) for name, kind in KINDS.items()},
    **{f"signed {name}": read for name, read in SIGNED.items()},
    "manifest.open": manifest.open,
    "entries.decode": entries.decode,
    "opening.decode": opening.decode,
    "plea.open_handed": complaint.open_handed,
    "release.open": lambda data: release.open(data, SEED, generate.BOUND),
    "release.unlock": lambda data: release.unlock(generate.NEW, data, generate.SERIES, 0),
    "codec.raw": codec.raw,
}
TEXTS: dict[str, Callable[[str], Any]] = {
    "digest_of": ids.digest_of,
    "check_cid": ids.check_cid,
    "public_key": ids.public_key,
    "check_peer": ids.check_peer,
    "peer_of_host": ids.peer_of_host,
    "reference": reference.parse,
    "address": address.peer,
    "door": address.door,
    "purpose": terms.check_purpose,
}
WRITTEN: dict[str, Callable[[Any], str]] = {
    "digest_of": ids.cid_of_digest, "public_key": ids.peer_id, "peer_of_host": ids.peer_host
}  # fmt: skip
CID, PEER = generate.DATASET, generate.ALICE.peer
GOOD_TEXTS = {
    "digest_of": CID, "check_cid": CID, "public_key": PEER, "check_peer": PEER, "peer_of_host": ids.peer_host(PEER),
    "reference": str(generate.REFERENCE), "address": generate.REFERENCE.peers[0], "door": "https://data.example:8443/x",
    "purpose": "DUO:0000042",
}  # fmt: skip

# -- what strangers send ----------------------------------------------------------------------------------------------

wild = st.text(st.characters(exclude_categories=[]), max_size=20)  # surrogates and controls too
unpaired = st.sampled_from([b"\xa2\xed\xa0", b"\xa3\xed\xa0\x80", b"\xa1\xff", b"\xd9\x02\xc3\x28", b"\xa3a\0b"])
scalars = st.one_of(
    st.none(), st.booleans(), st.integers(-(2**63), 2**64 - 1), st.floats(), st.text(max_size=20),
    st.binary(max_size=40), st.sampled_from(["", CID, PEER, generate.COMMONS, entries.REQUEST, manifest.TYPE]),
    st.builds(msgpack.ExtType, st.integers(0, 127), st.binary(max_size=20)),
    st.builds(msgpack.Timestamp, st.integers(0, 2**34), st.integers(0, 10**9 - 1)),
)  # fmt: skip
KEYS = sorted({field.name for kind in KINDS.values() for field in dataclasses.fields(kind)})
keys = st.one_of(st.sampled_from(KEYS), st.text(max_size=8), st.binary(max_size=8), st.integers(-9, 9), st.none())
packed = st.recursive(
    st.one_of(scalars.map(partial(msgpack.packb, use_bin_type=True)), unpaired),
    lambda inner: st.one_of(
        st.lists(inner, max_size=6).map(lambda each: bytes([0x90 | len(each)]) + b"".join(each)),
        st.lists(st.tuples(keys.map(msgpack.packb), inner), max_size=9).map(
            lambda each: bytes([0x80 | len(each)]) + b"".join(key + value for key, value in each)
        ),
    ),
    max_leaves=12,
)
BOMBS = {
    "arrays, nested": b"\x91" * 100_000,
    "arrays, nested and whole": b"\x91" * 900 + b"\xc0",
    "maps, nested": b"\x81\xa1a" * 100_000,
    "an array of 4 billion": b"\xdd\xff\xff\xff\xff",
    "bytes of 4 billion": b"\xc6\xff\xff\xff\xff",
    "a string of 4 billion": b"\xdb\xff\xff\xff\xff",
    "a map of 4 billion": b"\xdf\xff\xff\xff\xff",
    "an extension of 4 billion": b"\xc9\xff\xff\xff\xff\x01",
    "a map of a million": b"\xdf\x00\x0f\xff\xff" + b"\xc0" * 900_000,
    "a million nils": b"\xdd" + (1_000_000).to_bytes(4, "big") + b"\xc0" * 1_000_000,
    "integers of 65 bits": b"\xcf" + b"\xff" * 9,
    "a timestamp beyond all years": b"\xc7\x0c\xff" + b"\xff" * 12,
}


@settings(max_examples=examples(300))
@given(st.one_of(st.binary(max_size=200), packed))
@example(b"\x81\xc4\x00\x00")
@example(codec.encode(generate.RULE))
@example(generate.ENCODED["charter"])
def test_whatever_bytes_come_the_error_is_ours(data: bytes) -> None:
    for name, read in READERS.items():
        with suppress(CommonsError):
            value = read(data)
            assert name not in KINDS or codec.encode(value) == data
            assert not isinstance(value, Opened) or value.data == data


def swapped(value: Any, at: int, other: Any) -> Any:
    """`value`, plain msgpack, with its `at`-th part, counted through, put in place by `other`."""
    count = -1

    def walk(here: Any) -> Any:
        nonlocal count
        count += 1
        if count == at:
            return other
        if isinstance(here, dict):
            return {key: walk(inner) for key, inner in here.items()}
        return [walk(inner) for inner in here] if isinstance(here, list) else here

    return walk(value)


@pytest.mark.parametrize("name", KINDS)
@given(st.data())
def test_a_value_with_one_strange_part_is_refused_or_is_that_value(name: str, data: st.DataObject) -> None:
    shape = msgpack.unpackb(codec.encode(VALUES[name]))
    strange = msgpack.packb(swapped(shape, data.draw(st.integers(0, 30)), data.draw(scalars)), use_bin_type=True)
    with suppress(CommonsError):
        assert codec.encode(codec.decode(KINDS[name], strange)) == strange


@pytest.mark.parametrize("name", SIGNED)
@given(st.data())
def test_a_strange_part_well_signed_is_refused_or_is_that_value(name: str, data: st.DataObject) -> None:
    kind, value, _ = generate.SIGNED[name]
    shape = msgpack.unpackb(codec.encode(value))
    payload = msgpack.packb(swapped(shape, data.draw(st.integers(0, 40)), data.draw(scalars)), use_bin_type=True)
    message = generate.resigned(name, payload)
    with suppress(CommonsError):
        opened = envelope.open(kind, type(value), message)
        assert envelope.sign(kind, opened.value, generate.SIGNED[name][2]) == message


@pytest.mark.parametrize("bomb", BOMBS)
def test_a_promise_of_much_is_refused_at_once(bomb: str) -> None:
    for name, read in READERS.items():
        if name != "codec.raw":
            with ends(), pytest.raises(CommonsError) as caught:
                read(BOMBS[bomb])
            assert len(caught.value.message) < 1000
    for name, value in VALUES.items():
        first = codec.encode(value)[:1] if name != "Manifest" else codec.encode(value)[:3]
        key = msgpack.packb(dataclasses.fields(value)[0].name)
        with ends(), pytest.raises(CommonsError):
            codec.decode(KINDS[name], first + key + BOMBS[bomb])


def test_a_long_unknown_key_is_not_repeated_to_whoever_reads_the_error() -> None:
    shape = msgpack.unpackb(codec.encode(generate.REDACTION))
    for key in ("\x1b[2J" * 10_000, "k" * 60_000):
        with pytest.raises(Malformed) as caught:
            entries.decode(msgpack.packb({**shape, key: 1}))
        assert len(caught.value.message) < 400
        assert "\x1b" not in caught.value.message


def test_a_message_over_its_limit_is_refused_unread() -> None:
    for read, limit in ((envelope.open, codec.LIMIT), (manifest.open, manifest.LIMIT), (entries.decode, 65_535)):
        args = ("x", Manifest) if read is envelope.open else ()
        with pytest.raises(TooLarge):
            read(*args, bytes(limit + 1))  # type: ignore[operator]


# -- texts ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", TEXTS)
@given(st.data())
def test_whatever_text_comes_the_error_is_ours(name: str, data: st.DataObject) -> None:
    good, noise = GOOD_TEXTS[name], data.draw(wild)
    at, cut = data.draw(st.integers(0, len(good))), data.draw(st.integers(0, 12))
    for text in (good, noise, good[:at] + noise + good[at + cut :]):
        try:
            whole = TEXTS[name](text)
        except CommonsError:
            assert text != good
            continue
        again = WRITTEN.get(name, str)(whole)
        assert again == text or (name in ("reference", "address", "door") and TEXTS[name](again) == whole)


@pytest.mark.parametrize("name", TEXTS)
@pytest.mark.parametrize(
    "text", ["", "\0", "\udc80", "b\udc80", "1" * 100_000, "٣" * 59, "ß", "commons:\udfff?peer=\0"]
)
def test_texts_that_break_decoders_are_malformed(name: str, text: str) -> None:
    with pytest.raises(Malformed) as caught:
        TEXTS[name](text)
    assert len(caught.value.message) < 1000


@pytest.mark.parametrize("name", ["digest_of", "check_cid", "public_key", "check_peer", "peer_of_host"])
def test_an_id_has_no_neighbour_that_means_the_same(name: str) -> None:
    good = GOOD_TEXTS[name]
    whole = TEXTS[name](good)
    others = {good[:at] + chr(c) + good[at + 1 :] for at in range(len(good)) for c in (*range(32, 127), 0x130, 0x17F)}
    others |= (
        {good + c for c in "=a1 \n\0"} | {c + good for c in "=ab1 \n"} | {good.upper(), good.swapcase(), good[:-1]}
    )
    for other in others - {good}:
        with suppress(CommonsError):
            assert TEXTS[name](other) != whole


@pytest.mark.parametrize(
    "host", ["a b", "a\x1b[2J", "a\udc80", "a" * 254, "a?b&c", "a%41", "münchen", "a_b\u202e", "..", "-", ""]
)
def test_a_host_is_a_name_that_can_be_looked_up(host: str) -> None:
    with pytest.raises(Malformed):
        address.peer(f"/dns/{host}/tcp/4001/p2p/{PEER}")


@pytest.mark.parametrize(
    "door",
    ["http://a b", "http://a/\x1b[2J", "http://a\nb", "http://\udc80", "http://a/\u202ex", "http://a?", "http://a#",
     "http://u:p@a", "http://u@a", "http://" + "a" * 2050, "http://a\\b"],
)  # fmt: skip
def test_a_door_is_a_plain_url(door: str) -> None:
    with pytest.raises(Malformed):
        address.door(door)


def test_an_address_of_one_interface_is_no_address_for_others() -> None:
    with pytest.raises(Malformed):
        address.peer(f"/ip6/fe80::1%eth0/tcp/4001/p2p/{PEER}")


# -- values that are valid --------------------------------------------------------------------------------------------

text = st.text(max_size=30)
number = st.integers(0, 2**64 - 1)
some = st.integers(0, 2**31)
b32 = st.binary(min_size=32, max_size=32)
cids = st.binary(max_size=8).map(ids.cid)
peers = st.binary(min_size=32, max_size=32).map(ids.peer_id)
purposes = st.one_of(st.sampled_from(sorted(terms.PURPOSES)), st.integers(0, 9_999_999).map("DUO:{:07d}".format))
rule = st.one_of(
    st.sampled_from(["public", "acknowledge", "approval"]).map(lambda kind: rules.Rule(kind=kind)),
    st.sets(peers, min_size=1, max_size=3).map(lambda many: rules.Rule(kind="allow-list", peers=tuple(sorted(many)))),
)


def tuples(each: st.SearchStrategy[Any], **bounds: Any) -> st.SearchStrategy[tuple[Any, ...]]:
    return st.lists(each, **{"max_size": 4, **bounds}).map(tuple)


names = text.filter(lambda said: said.strip() and "\n" not in said and "\0" not in said)
licence = st.sampled_from(["CC0-1.0", "CC-BY-4.0"])
creator = st.builds(Creator, name=names, url=st.none() | st.just("https://a.example"), organisation=st.booleans())
label = st.builds(Label, name=names, text=text.filter(str.strip))
origin = st.builds(Origin, manifest=cids, title=names, licence=licence, credit=text)


@st.composite
def term_of(draw: st.DrawFn) -> terms.Terms:
    id = draw(licence)
    return terms.Terms(
        licence=id, licences=(LicenceText(id=id, url=draw(text), sha256=draw(st.none() | b32), text=None),),
        title=draw(text), creators=draw(tuples(creator)), copyright=draw(st.none() | text),
        credit_line=draw(st.none() | text), source_url=draw(st.none() | text),
        updated=draw(st.none() | st.dates().map(str)), labels=draw(tuples(label)), origins=draw(tuples(origin)),
        changes=draw(st.none() | text), conditions=draw(st.none() | text), purposes=draw(tuples(purposes)),
        grant_days=draw(st.none() | st.integers(1, 36_500)),
    )  # fmt: skip


term = term_of()


@st.composite
def manifests(draw: st.DrawFn) -> Manifest:
    version, epoch, access = draw(st.integers(1, 3)), draw(st.integers(0, 3)), draw(rule)
    roots = draw(st.lists(b32, min_size=1, max_size=4, unique=True))
    segment = draw(st.integers(100, 2**16))
    return Manifest(
        series=draw(st.binary(min_size=16, max_size=16)), version=version,
        previous=None if version == 1 else draw(cids), title="t" + draw(text), description=draw(text),
        keywords=tuple(draw(st.sets(names, max_size=3))), identifier=None,
        created=draw(some), terms=draw(term), rule=access, commons=draw(cids), log_key=draw(b32), registrar=draw(peers),
        epoch=epoch, unlocks=tuple(draw(st.binary(min_size=48, max_size=48)) for _ in range(epoch)),
        key=draw(b32) if access.kind == "public" else None, custody=None,
        packs=tuple(PackRef(root=root, size=draw(st.integers(1, 2**40))) for root in roots[1:]),
        contents=PackEntry(root=roots[0], size=72 + segment, epoch=epoch, segments=(segment,)),
        files=draw(some), size=draw(some),
    )  # fmt: skip


field = st.builds(Field, name=st.sampled_from(["requester", "statement", "details"]), salt=b32, value=st.binary())
charters = st.lists(peers, min_size=1, max_size=3, unique=True).flatmap(
    lambda all_: st.builds(
        charter.Charter, name=st.text(min_size=1, max_size=9), purpose=text, time=some,
        colleges=st.just((charter.College(name="workers", members=tuple(sorted(all_))),)),
        powers=st.just(()) | st.builds(
            lambda days: (charter.Power(
                action="amend-charter", rule="group w majority *workers\nquorum w", days=days),), st.integers(1, 366)
        ),
        registrar=st.sampled_from(all_), log_key=b32, next_key=b32, readers=st.sampled_from(charter.READERS),
        retention_days=st.none() | st.integers(1, 36_500), witnesses=st.just(""), custodians=st.just("quorum none"),
        ratchets=st.sampled_from([(), ("access",), ("access", "readers")]),
    )
)  # fmt: skip
nonce = st.binary(min_size=16, max_size=16)
proposal = partial(st.builds, proposals.Proposal, commons=cids, time=some, nonce=nonce, words=text)
proposed = st.one_of(
    proposal(action=st.sampled_from(["admit", "expel"]), college=st.just("workers"), peer=peers),
    proposal(action=st.just("admit"), college=st.just("workers"), key=b32, expires=some),
    proposal(action=st.sampled_from(["grant", "refuse", "revoke", "open-identity", "close-invitation"]), target=some),
    proposal(action=st.just("set-rule"), series=nonce, rule=rule.filter(lambda said: said.kind != "public")),
    proposal(action=st.sampled_from(["publish", "withdraw"]), dataset=cids),
    proposal(action=st.just("change-custodians"), custodians=st.just("quorum none\n")),
    proposal(action=st.just("change-registrar"), peer=peers, log_key=b32, next_key=b32),
    proposal(action=st.just("amend-charter"), charter=charters),
)
sharings = st.builds(
    lambda marks, **words: sharing.Sharing(
        policy=str(generate.CUSTODIANS), parent=None, part="",
        shares=tuple(sharing.Mark(name=each.name, mark=mark)
                     for each, mark in zip(generate.SHARING.shares, marks, strict=True)), **words),
    marks=st.tuples(b32, b32, b32), commons=cids, series=nonce, epoch=some, generation=some, bound=b32, mark=b32,
)  # fmt: skip
VALID: dict[str, st.SearchStrategy[Any]] = {
    "CustodyKey": st.builds(sharing.CustodyKey, commons=cids, peer=peers, hpke=b32),
    "Sharing": sharings,
    "Deposit": st.builds(
        sharing.Deposit, above=tuples(st.binary()), sharing=st.binary(), name=text, sealed=st.binary()
    ),
    "Claim": st.builds(
        handover.Claim, statement=st.binary(), answer=st.binary(), witnessed=st.binary(), sharing=b32
    ),
    "Released": st.builds(
        handover.Released, commons=cids, dataset=cids, epoch=some, sharing=b32, name=text, requester=peers,
        request=some, decision=some, shown=st.binary(), head=st.binary(), time=some, sealed=st.binary(),
    ),
    "Handed": st.builds(
        complaint.Handed, statement=st.binary(),
        sources=st.lists(st.just(GOOD_TEXTS["address"]), max_size=4).map(tuple),
        details=st.none() | st.builds(Field, name=text, salt=b32, value=st.binary()),
    ),
    "Submitted": st.builds(complaint.Submitted, commons=cids, dataset=cids, statement=b32, time=some, size=some),
    "Taken": st.builds(complaint.Taken, acknowledged=st.binary(), answer=st.none() | st.binary()),
    "Unlogged": st.builds(
        complaint.Unlogged, commons=cids, time=some, after=some, waiting=tuples(st.builds(
            complaint.Waiting, statement=b32, dataset=cids, time=some, size=some, tried=st.none() | some,
            said=st.sampled_from(["", "unreachable", "a" * 32]),
        )),
    ),
    "Handover": st.builds(
        handover.Handover, parts=tuples(st.builds(handover.Part, released=st.binary(), below=tuples(st.binary())))
    ),
    "Envelope": st.builds(Envelope, type=text, payload=st.binary(), signer=text, signature=st.binary(max_size=70)),
    "Manifest": manifests(),
    "Terms": term,
    "Rule": rule,
    "Charter": charters,
    "Proposal": proposed,
    "LaterRules": st.builds(
        proposals.LaterRules,
        rules=st.integers(2, checkpoint.RULES),
        proposal=proposal(action=st.just("amend-charter"), charter=charters),
    ),
    "Vote": st.builds(
        proposals.Vote, commons=cids, proposal=b32, choice=st.sampled_from(proposals.CHOICES), reason=text, time=some
    ),
    "Succession": st.builds(
        transfer.Succession, commons=cids, head=st.binary(min_size=1, max_size=100), time=some
    ),
    "Join": st.builds(
        proposals.Join, commons=cids, invitation=some, proof=st.binary(min_size=64, max_size=64), time=some
    ),
    "Publish": st.builds(
        entries.Publish, commons=cids, time=some, manifest=cids, series=st.binary(min_size=16, max_size=16),
        version=st.integers(1, 2**31), title=text, licence=text, terms=b32, rule=rule, purposes=tuples(purposes),
        grant_days=st.none() | st.integers(1, 36_500), epoch=some,
    ),
    "Asked": st.builds(
        entries.Asked, commons=cids, dataset=cids, terms=b32, epoch=some, purpose=purposes, details=st.none() | b32,
        hpke=b32, nonce=b32, time=some,
    ),
    "Decided": st.builds(
        entries.Decided, commons=cids, request=some, outcome=st.sampled_from(["grant", "refuse", "revoke"]),
        reason=text, expires=st.none() | some, time=some,
    ),
    "Received": st.builds(
        entries.Received, commons=cids, request=some, dataset=cids, files=number, size=number, time=some
    ),
    "Request": st.builds(
        entries.Request, type=st.just(entries.REQUEST), time=some, dataset=cids, terms=b32, epoch=some,
        purpose=purposes, requester=b32, statement=b32, details=st.none() | b32,
    ),
    "Decision": st.builds(
        entries.Decision, type=st.just(entries.DECISION), time=some, request=some,
        outcome=st.sampled_from(["grant", "refuse", "revoke"]), reason=st.text(min_size=1, max_size=64), basis=some,
        expires=st.none() | some, statement=st.none() | b32,
    ),
    "Receipt": st.builds(
        entries.Receipt, type=st.just(entries.RECEIPT), time=some, request=some, files=number, size=number,
        statement=b32,
    ),
    "Stamp": st.builds(
        entries.Stamp, type=st.just(entries.STAMP), time=some, head=st.binary(min_size=1, max_size=100)
    ),
    "Dropped": st.builds(
        entries.Dropped, type=st.just(entries.DROPPED), time=some, request=some, statement=b32
    ),
    "Notice": st.builds(
        notice.Notice, commons=cids, dataset=cids, entry=st.integers(1, 2**31), time=st.integers(0, 2**40),
        holders=st.integers(10, 2**31), dropped=st.integers(0, 10),
    ),
    "Dropping": st.builds(notice.Dropping, commons=cids, request=some, dataset=cids, entry=some, time=some),
    "Redaction": st.builds(
        entries.Redaction, type=st.just(entries.REDACTION), time=some, entries=tuples(some), reason=text
    ),
    "Opening": st.builds(Opening, fields=tuples(field)),
    "Offer": st.builds(listing.Offer, statement=st.binary(), manifest=st.binary(), head=st.binary()),
    "Submission": st.builds(
        answer.Submission, statement=st.binary(), details=st.none() | field, head=st.binary()
    ),
    "Answer": st.builds(
        answer.Answer, head=st.binary(), consistency=tuples(b32),
        shown=tuples(st.builds(
            answer.ProvenEntry, index=some, entry=st.binary(), opening=st.none() | st.binary(), proof=tuples(b32)
        )),
    ),
    "Bound": st.builds(
        release.Bound, commons=cids, dataset=cids, epoch=some, requester=peers, request=some, decision=some
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", KINDS)
@given(st.data())
def test_every_value_is_itself_again(name: str, data: st.DataObject) -> None:
    value = data.draw(VALID[name])
    encoded = codec.encode(value)
    assert codec.decode(KINDS[name], encoded) == value
    for other in (encoded + b"\0", encoded[:-1], b"\x91" + encoded):
        with pytest.raises(Malformed):
            codec.decode(KINDS[name], other)


@given(rule, b32, b32, text)
def test_what_was_signed_is_opened_by_its_type_alone(value: rules.Rule, seed: bytes, other: bytes, kind: str) -> None:
    signer = Signer(seed)
    data = envelope.sign(kind, value, signer)
    opened = envelope.open(kind, rules.Rule, data)
    assert (opened.value, opened.signer, opened.data) == (value, signer.peer, data)
    with pytest.raises(Malformed):
        envelope.open(kind + "x", rules.Rule, data)
    if other != seed:
        touched = dataclasses.replace(codec.decode(Envelope, data), signer=Signer(other).peer)
        with pytest.raises(Untrue):
            envelope.open(kind, rules.Rule, codec.encode(touched))


@given(cids, st.lists(peers, max_size=4), st.lists(st.sampled_from(
    ["http://a", "https://data.example:8443/x/y", "http://[2001:db8::1]:80", "http://a/%41;+b,c=d@~$!'()*"]
), max_size=4))  # fmt: skip
@example(ids.cid(b""), [], [])
def test_a_reference_is_read_as_it_was_written(cid: ids.Cid, who: list[str], doors: list[str]) -> None:
    hosts = ("ip4/203.0.113.7", "ip6/2001:db8::1", "dns/data.example", "dns4/a-b.example.")
    said = Reference(
        cid=cid, peers=tuple(f"/{host}/tcp/4001/p2p/{peer}" for host, peer in zip(hosts, who, strict=False)),
        doors=tuple(doors),
    )  # fmt: skip
    assert reference.parse(str(said)) == said == reference.parse(f" {said}\n")


@given(b32)
def test_ids_are_read_as_they_were_written(raw: bytes) -> None:
    assert ids.digest_of(ids.cid_of_digest(raw)) == raw
    assert ids.public_key(ids.peer_id(raw)) == raw
    assert ids.peer_of_host(ids.peer_host(ids.peer_id(raw))) == ids.peer_id(raw)


@given(b32, b32, st.binary(min_size=16, max_size=16), st.integers(0, 2**31))
def test_a_locked_secret_is_unlocked_for_its_series_and_epoch_alone(
    newer: bytes, older: bytes, series: bytes, epoch: int
) -> None:
    locked = release.lock(newer, older, series, epoch)
    assert len(locked) == 48
    assert release.unlock(newer, locked, series, epoch) == older
    for args in ((newer, locked, series, epoch + 1), (newer, locked, bytes(15), epoch), (b"x", locked, series, epoch)):
        with pytest.raises(Untrue):
            release.unlock(*args)


@given(st.data())
def test_a_released_key_opens_for_exactly_its_grant(data: st.DataObject) -> None:
    bound = data.draw(VALID["Bound"])
    other = data.draw(VALID["Bound"].filter(lambda it: it != bound))
    sealed = release.seal(generate.NEW, hpke.public_of(SEED), bound)
    assert release.open(sealed, SEED, bound) == generate.NEW
    for seed, other_bound in ((SEED, other), (b"\1" * 32, bound)):
        with pytest.raises(Untrue):
            release.open(sealed, seed, other_bound)


@pytest.mark.parametrize("name", [field.name for field in dataclasses.fields(release.Bound)])
def test_each_part_of_a_grant_binds_the_key(name: str) -> None:
    value = getattr(generate.BOUND, name)
    other = dataclasses.replace(generate.BOUND, **{name: value + 1 if isinstance(value, int) else value + "x"})
    with pytest.raises(Untrue):
        release.open(SEALED, SEED, other)


@pytest.mark.parametrize("point", [bytes(32), b"\1" + bytes(31), b"\xec" + b"\xff" * 30 + b"\x7f", b"", bytes(33)])
def test_no_secret_is_sealed_to_a_key_that_everybody_knows(point: bytes) -> None:
    with pytest.raises(Malformed):
        release.seal(generate.NEW, point, generate.BOUND)


# -- one byte touched -------------------------------------------------------------------------------------------------


@one_in(7)
@pytest.mark.parametrize("name", [name for name in KINDS if name not in ("Manifest", "Answer", "Submission", "Offer")])
def test_no_byte_can_change_and_leave_the_value_the_same(name: str, every: int) -> None:
    data = bytearray(codec.encode(VALUES[name]))
    assert codec.decode(KINDS[name], bytes(data)) == VALUES[name]
    changes = [
        (at, byte, other)
        for at, byte in enumerate(data)
        for other in sorted({byte ^ 1 << bit for bit in range(8)} | {0, 0xC0, 0xC1, 0xFF, byte + 1 & 255} - {byte})
    ]
    for at, byte, other in changes[::every]:
        data[at] = other
        with suppress(CommonsError):
            assert codec.decode(KINDS[name], bytes(data)) != VALUES[name]
        data[at] = byte


@one_in(7)
@pytest.mark.parametrize("name", ["Manifest", "Answer", "Submission", "Offer"])
def test_no_bit_can_change_and_leave_a_long_value_the_same(name: str, every: int) -> None:
    data = bytearray(codec.encode(VALUES[name]))
    for bit in range(0, 8 * len(data), every):
        data[bit // 8] ^= 1 << bit % 8
        with suppress(CommonsError):
            assert codec.decode(KINDS[name], bytes(data)) != VALUES[name]
        data[bit // 8] ^= 1 << bit % 8


@one_in(7)
@pytest.mark.parametrize("name", SIGNED)
def test_no_bit_of_a_signed_message_can_change(name: str, every: int) -> None:
    data = bytearray(generate.ENCODED[name])
    read = manifest.open if name == "manifest" else SIGNED[name]
    read(bytes(data))
    for bit in range(0, 8 * len(data), every):
        data[bit // 8] ^= 1 << bit % 8
        with pytest.raises((Malformed, Untrue)):
            read(bytes(data))
        data[bit // 8] ^= 1 << bit % 8


@one_in(7)
@pytest.mark.parametrize("name", ["charter", "publish", "request", "decision", "receipt", "dropped", "redaction"])
def test_no_bit_of_an_entry_can_change_and_leave_it_the_same(name: str, every: int) -> None:
    data = bytearray(generate.ENCODED[name])
    whole = entries.decode(bytes(data))
    assert not isinstance(whole, entries.Unknown)
    for bit in range(0, 8 * len(data), every):
        data[bit // 8] ^= 1 << bit % 8
        with suppress(CommonsError):
            entry = entries.decode(bytes(data))
            assert entry != whole
            assert name not in generate.SIGNED or isinstance(entry, entries.Unknown)
        data[bit // 8] ^= 1 << bit % 8


@pytest.mark.parametrize("locked", [SEALED, generate.MANIFEST.unlocks[0]], ids=["released", "unlock"])
def test_no_bit_of_a_sealed_key_can_change(locked: bytes) -> None:
    read = READERS["release.open" if locked is SEALED else "release.unlock"]
    data = bytearray(locked)
    assert read(bytes(data)) in (generate.NEW, generate.OLD)
    for bit in range(8 * len(data)):
        data[bit // 8] ^= 1 << bit % 8
        with pytest.raises(Untrue):
            read(bytes(data))
        data[bit // 8] ^= 1 << bit % 8
    for short in (b"", locked[:15], locked[:-1], locked + b"\0"):
        with pytest.raises(Untrue):
            read(short)


# -- openings and requests --------------------------------------------------------------------------------------------


def test_a_salt_has_32_bytes_wherever_it_comes_from() -> None:
    for size in (0, 31, 33):
        with pytest.raises(Malformed):
            opening.commit("details", bytes(size), b"")
        with pytest.raises(Malformed):
            opening.decode(msgpack.packb({"fields": [{"name": "details", "salt": bytes(size), "value": b""}]}))


def test_the_name_of_a_hidden_field_is_short() -> None:
    for name in ("", "n" * 65, "n" * 70_000):
        with pytest.raises(Malformed):
            opening.decode(msgpack.packb({"fields": [{"name": name, "salt": bytes(32), "value": b""}]}))


def test_a_commitment_is_of_the_name_the_salt_and_the_value_and_of_nothing_joined() -> None:
    whole = opening.commit("ab", bytes(32), b"c")
    assert len({whole, opening.commit("a", bytes(32), b"c"), opening.commit("ab", b"\1" * 32, b"c")}) == 3
    assert opening.commit("a", b"b" + bytes(31), b"\0c") != opening.commit("ab", bytes(31) + b"\0", b"c")
    label = struct.pack(">H", 2)
    assert label + b"ab" != struct.pack(">H", 1) + b"ab"


def test_a_requester_cannot_give_the_log_an_opening_that_does_not_fit() -> None:
    said = envelope.open(entries.REQUEST, entries.Asked, generate.ASKED_BYTES)
    leaf, shown = entries.request(said, generate.DETAILS, time=1, salt=lambda: bytes(32))
    opening.check(shown, entries.commitments(leaf))
    for lie in ({"name": "statement"}, {"name": "requester"}, {"name": "Details"}, {"salt": b""}, {"value": b"x"}):
        named = dataclasses.replace(generate.DETAILS, **lie)
        with pytest.raises(Malformed):
            entries.request(said, named, time=1, salt=lambda: bytes(32))
