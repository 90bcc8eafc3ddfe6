"""Writes formats.json: one encoding of every format, from fixed seeds, salts and times, and spellings to refuse.

    python -m tests.vectors.generate

All of it comes out the same byte for byte, but for the HPKE ciphertext, whose key is random: that one is kept from the
file as it stands. `error` is stated here by hand and checked by tests/core/test_vectors.py, never taken from the code.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

import msgpack

from commons.access import release
from commons.access.listing import Offer
from commons.access.release import Bound
from commons.core.crypto import codec, envelope, hpke, ids, keys
from commons.core.crypto.keys import Keys, Signer
from commons.core.dataset import manifest
from commons.core.dataset.contents import PackEntry
from commons.core.dataset.manifest import Manifest, PackRef
from commons.core.dataset.reference import Reference
from commons.core.dataset.rights import Creator, Label, LicenceText, Origin
from commons.core.dataset.rule import Rule
from commons.core.dataset.terms import Terms
from commons.core.state import complaint, entries, notice, opening, proposals
from commons.core.state.charter import Charter, College, Power
from commons.core.state.entries import Asked, Decided, Decision, Dropped, Publish, Receipt, Received, Redaction, Stamp
from commons.core.state.notice import Dropping, Notice
from commons.core.state.opening import Field, Opening
from commons.core.state.proposals import Join, LaterRules, Proposal, Vote
from commons.core.state.transfer import SUCCESSION as SUCCESSION_TYPE
from commons.core.state.transfer import Succession
from commons.core.tlog import policy
from commons.custody import handover, shares, sharing  # fmt: skip
from commons.log.answer import Answer, ProvenEntry, Submission

FILE = Path(__file__).parent / "formats.json"
TIME = 1_767_225_600  # 2026-01-01

SEED = bytes(range(32))
OWNER = Keys(SEED)
ALICE, BOB, EVE = OWNER.identity, Signer(b"b" * 32), Signer(b"e" * 32)
SERIES = bytes(range(0xA0, 0xB0))
NONCE = bytes(range(0xC0, 0xE0))
OLD, NEW = OWNER.epoch(SERIES, 0), OWNER.epoch(SERIES, 1)
TEXT = "Share it with the river's neighbours.\n"


def salt(number: int) -> bytes:
    return hashlib.sha256(b"salt %d" % number).digest()


# -- one value of every format --------------------------------------------------------------------------------------

RULE = Rule(kind="allow-list", peers=tuple(sorted((BOB.peer, EVE.peer))))
OURS = LicenceText(
    id="LicenseRef-Neighbours", url="https://example.org/licence", sha256=hashlib.sha256(TEXT.encode()).digest(),
    text=TEXT,
)  # fmt: skip
ZERO = LicenceText(id="CC0-1.0", url="https://creativecommons.org/publicdomain/zero/1.0/", sha256=None, text=None)
TERMS = Terms(
    licence="LicenseRef-Neighbours AND CC0-1.0", licences=(ZERO, OURS), title="Rivers",
    creators=(
        Creator(name="Ana", url="https://orcid.org/0000-0002-1825-0097"),
        Creator(name="Zoë's rivers", organisation=True),
    ),
    copyright="© 2026 Ana", credit_line=None, source_url=None, updated="2025-12-31",
    labels=(Label(name="TK Attribution", text="Name the valley's people."),),
    origins=(Origin(manifest=ids.cid(b"older"), title="Springs", licence="CC0-1.0", credit="Springs by nobody"),),
    changes="Added lengths", conditions="Tell us what you find.", purposes=("research", "DUO:0000042"), grant_days=365,
)  # fmt: skip
VOTED = "group w majority *workers\ngroup u any *users\ngroup both all w u\nquorum both\n"
CHARTER = Charter(
    name="Rivers' commons", purpose="To know our rivers", time=TIME,
    colleges=(
        College(name="users", members=(EVE.peer,)),
        College(name="workers", members=tuple(sorted((ALICE.peer, BOB.peer)))),
    ),
    powers=(Power(action="amend-charter", rule=VOTED, days=14), Power(action="grant", rule=VOTED, days=7)),
    registrar=ALICE.peer, log_key=OWNER.log(0).public, next_key=hashlib.sha256(OWNER.log(1).public).digest(),
    readers="members", retention_days=365, witnesses="", custodians="", ratchets=("access",),
)  # fmt: skip
CHARTER_BYTES = envelope.sign(entries.CHARTER, CHARTER, ALICE)
COMMONS = ids.cid(CHARTER_BYTES)
MANIFEST = Manifest(
    series=SERIES, version=2, previous=ids.cid(b"version 1"), title="Rivers", description="Lengths, in km.",
    keywords=("rivers",), identifier="10.5281/zenodo.1", created=TIME + 1,
    terms=TERMS, rule=RULE, commons=COMMONS, log_key=OWNER.log(0).public, registrar=ALICE.peer,
    epoch=1, unlocks=(release.lock(NEW, OLD, SERIES, 0),), key=None, custody=None,
    packs=(PackRef(root=salt(1), size=1234),),
    contents=PackEntry(root=salt(2), size=72 + 100, epoch=1, segments=(100,)), files=3, size=4096,
)  # fmt: skip
MANIFEST_BYTES = manifest.sign(MANIFEST, ALICE)
DATASET = ids.cid(MANIFEST_BYTES)
PUBLISH = Publish(
    commons=COMMONS, time=TIME + 2, manifest=DATASET, series=SERIES, version=2, title="Rivers", licence=TERMS.licence,
    terms=TERMS.digest(), rule=RULE, purposes=TERMS.purposes, grant_days=365, epoch=1,
)  # fmt: skip
DETAILS = Field(name="details", salt=salt(3), value=b"A map of the basin")
ASKED = Asked(
    commons=COMMONS, dataset=DATASET, terms=TERMS.digest(), epoch=1, purpose="research",
    details=opening.commit("details", DETAILS.salt, DETAILS.value), hpke=hpke.public_of(OWNER.hpke_seed(NONCE)),
    nonce=NONCE, time=TIME + 3,
)  # fmt: skip
ASKED_BYTES = envelope.sign(entries.REQUEST, ASKED, BOB)
DECIDED = Decided(
    commons=COMMONS, request=2, outcome="grant", reason="welcome", expires=TIME + 86_400, time=TIME + 4
)  # fmt: skip
RECEIVED = Received(commons=COMMONS, request=2, dataset=DATASET, files=3, size=4096, time=TIME + 5)


def hidden(**private: bytes) -> tuple[dict[str, bytes], Opening]:
    salts = iter(range(10, 20))
    return entries.hide(lambda: salt(next(salts)), **private)


_salts = iter(range(20, 30))
REQUEST, OPENING = entries.request(
    envelope.open(entries.REQUEST, Asked, ASKED_BYTES), DETAILS, time=TIME + 3, salt=lambda: salt(next(_salts))
)
DECISION = Decision(
    type=entries.DECISION, time=TIME + 4, request=2, outcome="grant", reason="approved", basis=1, expires=TIME + 86_400,
    statement=opening.commit("statement", salt(4), envelope.sign(entries.DECISION, DECIDED, ALICE)),
)  # fmt: skip
RECEIPT = Receipt(
    type=entries.RECEIPT, time=TIME + 5, request=2, files=3, size=4096,
    statement=opening.commit("statement", salt(5), envelope.sign(entries.RECEIPT, RECEIVED, BOB)),
)  # fmt: skip
NOTICE = Notice(commons=COMMONS, dataset=DATASET, entry=9, time=TIME + 11, holders=2, dropped=1)
DROPPING = Dropping(commons=COMMONS, request=2, dataset=DATASET, entry=9, time=TIME + 12)
DROPPED = Dropped(
    type=entries.DROPPED, time=TIME + 12, request=2,
    statement=opening.commit("statement", salt(50), envelope.sign(entries.DROPPED, DROPPING, BOB)),
)  # fmt: skip
REDACTION = Redaction(type=entries.REDACTION, time=TIME + 6, entries=(2, 3), reason="erased")
STAMP = Stamp(type=entries.STAMP, time=TIME + 7, head=b"commons/x\n4\n")
OFFER = Offer(statement=envelope.sign(entries.PUBLISH, PUBLISH, ALICE), manifest=MANIFEST_BYTES, head=b"")
SUBMISSION = Submission(statement=ASKED_BYTES, details=DETAILS, head=b"")
ANSWER = Answer(
    shown=(
        ProvenEntry(index=2, entry=codec.encode(REQUEST), opening=codec.encode(OPENING), proof=(salt(6), salt(7))),
        ProvenEntry(index=3, entry=codec.encode(DECISION), opening=None, proof=()),
    ),
    head=b"commons/x\n4\n", consistency=(salt(8),),
)  # fmt: skip
BOUND = Bound(commons=COMMONS, dataset=DATASET, epoch=1, requester=BOB.peer, request=2, decision=3)
REFERENCE = Reference(
    cid=DATASET, peers=(f"/ip4/203.0.113.7/tcp/4001/p2p/{ALICE.peer}",), doors=("https://data.example",)
)

PROPOSAL = Proposal(
    commons=COMMONS, action="admit", time=TIME + 7, nonce=bytes(16), words="She helped us", college="users",
    key=salt(9), expires=TIME + 9,
)  # fmt: skip
LATER = LaterRules(rules=2, proposal=Proposal(
    commons=COMMONS, action="amend-charter", time=TIME + 7, nonce=bytes(16), charter=CHARTER,
))  # fmt: skip
BALLOT = Vote(
    commons=COMMONS, proposal=hashlib.sha256(envelope.sign(proposals.PROPOSAL, PROPOSAL, ALICE)).digest(),
    choice="yes", reason="Gladly", time=TIME + 8,
)  # fmt: skip
SUCCESSION = Succession(commons=COMMONS, head=b"commons/x\n4\n", time=TIME + 9)
JOINED = Join(commons=COMMONS, invitation=7, proof=proposals.take(COMMONS, Signer(b"t" * 32), BOB.peer), time=TIME + 8)

CUSTODIANS = policy.parse(
    f"member ana {ALICE.peer}\nmember bob {BOB.peer}\nmember eve {EVE.peer}\ngroup two 2 ana bob eve\nquorum two"
)
CUSTODY_KEY = sharing.CustodyKey(commons=COMMONS, peer=ALICE.peer, hpke=hpke.public_of(OWNER.custody()))
SHARING = sharing.Sharing(
    commons=COMMONS, series=SERIES, epoch=1, generation=0, parent=None, part="",
    bound=sharing.binding(TERMS.digest(), RULE), policy=str(CUSTODIANS), mark=shares.commitment(NEW, "secret"),
    shares=tuple(
        sharing.Mark(name=name, mark=shares.commitment(salt(30 + n), "share"))
        for n, name in enumerate(("ana", "bob", "eve"))
    ),
)  # fmt: skip
SHARING_BYTES = envelope.sign(sharing.SHARING, SHARING, ALICE)
SEALED = b"".join(salt(40 + n) for n in range(3))[: sharing.SEALED]  # no ciphertext: it would be another one each time
DEPOSIT = sharing.Deposit(above=(), sharing=SHARING_BYTES, name="bob", sealed=SEALED)
RELEASED = handover.Released(
    commons=COMMONS, dataset=DATASET, epoch=1, sharing=hashlib.sha256(SHARING_BYTES).digest(), name="bob",
    requester=EVE.peer, request=2, decision=3, shown=b"commons/x\n4\n", head=b"commons/x\n9\n", time=TIME + 10,
    sealed=SEALED,
)  # fmt: skip
CLAIM = handover.Claim(
    statement=ASKED_BYTES, answer=codec.encode(ANSWER), witnessed=b"commons/x\n4\n", sharing=RELEASED.sharing
)  # fmt: skip
HANDOVER = handover.Handover(
    parts=(handover.Part(released=envelope.sign(handover.RELEASED, RELEASED, BOB), below=()),)
)  # fmt: skip

HANDED = complaint.Handed(
    statement=ASKED_BYTES, details=DETAILS, sources=(f"/dns4/registrar.example/tcp/4001/p2p/{ALICE.peer}",)
)  # fmt: skip
SUBMITTED = complaint.Submitted(
    commons=COMMONS, dataset=DATASET, statement=entries.statement_digest(ASKED_BYTES), time=TIME + 11, size=2
)  # fmt: skip
TAKEN = complaint.Taken(acknowledged=envelope.sign(complaint.SUBMITTED, SUBMITTED, BOB), answer=codec.encode(ANSWER))
UNLOGGED = complaint.Unlogged(
    commons=COMMONS, time=TIME + 700, after=600,
    waiting=(
        complaint.Waiting(statement=SUBMITTED.statement, dataset=DATASET, time=TIME + 11, size=2, tried=TIME + 650,
                     said="unreachable"),
        complaint.Waiting(statement=salt(50), dataset=DATASET, time=TIME + 12, size=0, tried=None, said=""),
    ),
)  # fmt: skip

PLAIN: dict[str, Any] = {
    "rule": RULE, "terms": TERMS, "request": REQUEST, "decision": DECISION, "receipt": RECEIPT, "redaction": REDACTION,
    "stamp": STAMP,
    "dropped": DROPPED,
    "opening": OPENING, "submission": SUBMISSION, "answer": ANSWER, "bound": BOUND, "claim": CLAIM,
    "handover": HANDOVER, "handed": HANDED, "taken": TAKEN, "offer": OFFER,
}  # fmt: skip
SIGNED: dict[str, tuple[str, Any, Signer]] = {
    "manifest": (manifest.TYPE, MANIFEST, ALICE),
    "charter": (entries.CHARTER, CHARTER, ALICE),
    "publish": (entries.PUBLISH, PUBLISH, ALICE),
    "asked": (entries.REQUEST, ASKED, BOB),
    "decided": (entries.DECISION, DECIDED, ALICE),
    "received": (entries.RECEIPT, RECEIVED, BOB),
    "notice": (notice.NOTICE, NOTICE, ALICE),
    "dropping": (entries.DROPPED, DROPPING, BOB),
    "proposal": (proposals.PROPOSAL, PROPOSAL, ALICE),
    "rules": (proposals.RULES, LATER, ALICE),
    "vote": (proposals.VOTE, BALLOT, BOB),
    "join": (proposals.JOIN, JOINED, BOB),
    "succession": (SUCCESSION_TYPE, SUCCESSION, BOB),
    "custody-key": (sharing.CUSTODY_KEY, CUSTODY_KEY, ALICE),
    "sharing": (sharing.SHARING, SHARING, ALICE),
    "deposit": (sharing.DEPOSIT, DEPOSIT, ALICE),
    "released": (handover.RELEASED, RELEASED, BOB),
    "submitted": (complaint.SUBMITTED, SUBMITTED, BOB),
    "unlogged": (complaint.UNLOGGED, UNLOGGED, BOB),
}
ENCODED: dict[str, bytes] = {name: codec.encode(value) for name, value in PLAIN.items()} | {
    name: envelope.sign(kind, value, signer) for name, (kind, value, signer) in SIGNED.items()
}


# -- other spellings and broken values ------------------------------------------------------------------------------


def bad(name: str, data: bytes, reason: str, error: str = "Malformed") -> dict[str, str]:
    return {"name": name, "hex": data.hex(), "reason": reason, "error": error}


def pairs(encoded: bytes) -> list[tuple[bytes, bytes]]:
    return [(msgpack.packb(k), msgpack.packb(v)) for k, v in msgpack.unpackb(encoded).items()]


def joined(fields: list[tuple[bytes, bytes]]) -> bytes:
    head = bytes([0x80 | len(fields)]) if len(fields) < 16 else b"\xde" + len(fields).to_bytes(2, "big")
    return head + b"".join(k + v for k, v in fields)


def respelt(encoded: bytes) -> Iterator[dict[str, str]]:
    """The same value, or nearly, in bytes that are not its only encoding."""
    fields = pairs(encoded)
    first = fields[0]
    yield bad("unknown key", joined([*fields, (b"\xa1x", b"\xc0")]), "a field nobody knows")
    yield bad("duplicate key", joined([first, *fields]), "the first field twice")
    if len(fields) > 1:
        yield bad("reordered fields", joined([fields[1], first, *fields[2:]]), "the first two fields changed places")
    yield bad("missing field", joined(fields[:-1]), "the last field is left out")
    yield bad("key as bytes", joined([(b"\xc4" + (first[0][0] & 31).to_bytes() + first[0][1:], first[1]), *fields[1:]]),
              "the first key is of type bin")  # fmt: skip
    yield bad("long string header", joined([(b"\xd9" + (first[0][0] & 31).to_bytes() + first[0][1:], first[1]),
              *fields[1:]]), "the first key's length in a byte of its own")  # fmt: skip
    yield bad("long map header", b"\xdf" + len(fields).to_bytes(4, "big") + encoded[1 if len(fields) < 16 else 3 :],
              "the number of fields in four bytes")  # fmt: skip
    yield bad("values without keys", msgpack.packb([msgpack.unpackb(v) for _, v in fields]), "an array")
    yield bad("trailing byte", encoded + b"\xc0", "a byte after the end")
    yield bad("truncated", encoded[:-1], "the last byte is missing")
    yield bad("empty", b"", "no byte")
    yield bad("nil for the first field", joined([(first[0], b"\xc0"), *fields[1:]]), "nil is no value of it")
    integers = [at for at, (_, value) in enumerate(fields) if type(msgpack.unpackb(value)) is int]
    for at in integers[:2]:
        key, decoded = fields[at][0], msgpack.unpackb(fields[at][1])
        name = msgpack.unpackb(key)
        number = decoded.to_bytes(8, "big")
        for what, other in (
            ("float", msgpack.packb(float(decoded))),
            ("bool", b"\xc3"),
            ("non-minimal integer", (b"\xd3" if decoded >= 1 << 32 else b"\xcf") + number),
            ("digits", msgpack.packb(str(decoded))),
        ):
            yield bad(f"{what} for {name}", joined([*fields[:at], (key, other), *fields[at + 1 :]]), "it is an integer")


def changed(value: Any, what: dict[str, Any]) -> bytes:
    """The encoding of `value` with other fields, which the code itself would not make."""
    return msgpack.packb({**msgpack.unpackb(codec.encode(value)), **what})


def envelope_of(name: str, **lies: Any) -> bytes:
    return msgpack.packb({**msgpack.unpackb(ENCODED[name]), **lies})


def resigned(name: str, payload: bytes) -> bytes:
    kind, _, signer = SIGNED[name]
    return envelope_of(name, payload=payload, signature=signer.sign(envelope.pae(kind, payload)))


def forged(name: str) -> Iterator[dict[str, str]]:
    kind, _, signer = SIGNED[name]
    payload = msgpack.unpackb(ENCODED[name])["payload"]
    signature = signer.sign(envelope.pae(kind, payload))
    swapped = EVE.sign(envelope.pae(kind, payload))
    other = signer.sign(envelope.pae("commons/other/v1", payload))
    yield bad("swapped signature", envelope_of(name, signature=swapped), "a signature by another key", "Untrue")
    yield bad("other signer", envelope_of(name, signer=EVE.peer), "another key is named", "Untrue")
    yield bad("signed as another type", envelope_of(name, signature=other), "the signature covers the type", "Untrue")
    yield bad("signature without PAE", envelope_of(name, signature=signer.sign(payload)), "DSSE signs a PAE", "Untrue")
    yield bad("short signature", envelope_of(name, signature=signature[:63]), "63 bytes", "Untrue")
    yield bad("no signature", envelope_of(name, signature=b""), "0 bytes", "Untrue")
    yield bad("payload touched", envelope_of(name, payload=payload[:-1] + bytes([payload[-1] ^ 1])), "", "Untrue")
    weak = {"signer": ids.peer_id(b"\1" + bytes(31)), "signature": b"\1" + bytes(63)}
    yield bad("signer of small order", envelope_of(name, **weak), "under it this signature fits any message", "Untrue")
    yield bad("signer is no peer id", envelope_of(name, signer=ids.cid(b"")), "a CID")
    yield bad("signature as text", envelope_of(name, signature="0" * 64), "a signature is of type bin")
    for spelling in respelt(payload):
        yield {**spelling, "name": f"well signed: {spelling['name']}",
               "hex": resigned(name, bytes.fromhex(spelling["hex"])).hex()}  # fmt: skip


STRANGER = Signer(b"s" * 32).peer
GOVERNANCE = ("charter", "publish", "proposal", "rules", "vote", "join")


def own(**lies: Any) -> dict[str, Any]:
    return {"licences": [asdict(ZERO), {**asdict(OURS), **lies}]}


# What each value may not say: format, name, the lying fields, why.
LIES: list[tuple[str, str, dict[str, Any], str]] = [
    ("rule", "unsorted allow-list", {"peers": list(reversed(RULE.peers))}, "peers are sorted"),
    ("rule", "peer twice", {"peers": [BOB.peer, BOB.peer]}, "each once"),
    ("rule", "allow-list of nobody", {"peers": []}, "it names a peer"),
    ("rule", "peers of another rule", {"kind": "approval"}, "only an allow-list names peers"),
    ("rule", "unknown kind", {"kind": "everyone", "peers": []}, "four kinds"),
    ("rule", "peer id of another spelling", {"peers": ["1" + BOB.peer]}, "one spelling"),
    ("terms", "licences of another expression", {"licence": "CC0-1.0"}, "each licence of the expression, once"),
    ("terms", "no licence", {"licence": ""}, "an expression"),
    ("terms", "licence with an escape", {"licence": "LicenseRef-\x1b[2J"}, "an expression"),
    ("terms", "a day that is none", {"updated": "2025-13-31"}, "a day"),
    ("terms", "a day in other words", {"updated": "20251231"}, "a day, as 2025-12-31"),
    ("terms", "LicenseRef without text", own(text=None), "a LicenseRef carries its text"),
    ("terms", "text of a listed licence", {"licences": [{**asdict(ZERO), "text": TEXT}, asdict(OURS)]},
     "only a LicenseRef does"),
    ("terms", "text of another digest", own(text=TEXT + "!"), "the digest is of the text"),
    ("terms", "licences not sorted", {"licences": [asdict(OURS), asdict(ZERO)]}, "sorted by id"),
    ("terms", "creator without a name", {"creators": [{"name": " ", "url": None, "organisation": False}]}, "a line"),
    ("terms", "creator at no address", {"creators": [{"name": "A", "url": "ana", "organisation": False}]},
     "an absolute address"),
    ("terms", "label without text", {"labels": [{"name": "TK", "text": ""}]}, "it has one"),
    ("terms", "origin of no CID", {"origins": [{**asdict(TERMS.origins[0]), "manifest": "Springs"}]}, "a CID"),
    ("terms", "grants of no day", {"grant_days": 0}, "at least one"),
    ("terms", "grants of 36501 days", {"grant_days": 36_501}, "at most 36500"),
    ("terms", "unknown purpose", {"purposes": ["fun"]}, "a code or a DUO id"),
    ("terms", "DUO id in other digits", {"purposes": ["DUO:000004٢"]}, "ASCII"),
    ("manifest", "version 0", {"version": 0, "previous": None}, "versions count from 1"),
    ("manifest", "version 1 with a previous one", {"version": 1}, "the first has none"),
    ("manifest", "version 2 without a previous one", {"previous": None}, "every later one has"),
    ("manifest", "negative epoch", {"epoch": -1}, "epochs count from 0"),
    ("manifest", "epoch of a thousand million", {"epoch": 10**9}, "an unlock for each earlier epoch"),
    ("manifest", "unlock too few", {"unlocks": []}, "an unlock for each earlier epoch"),
    ("manifest", "unlock of 47 bytes", {"unlocks": [MANIFEST.unlocks[0][1:]]}, "an unlock has 48"),
    ("manifest", "key under an allow-list", {"key": NEW}, "printed under `public` only"),
    ("manifest", "public without its key", {"rule": {"kind": "public", "peers": []}}, "printed under `public`"),
    ("manifest", "key of 31 bytes", {"rule": {"kind": "public", "peers": []}, "key": NEW[1:]}, "32"),
    ("manifest", "series of 15 bytes", {"series": SERIES[1:]}, "16"),
    ("manifest", "log key of 33 bytes", {"log_key": MANIFEST.log_key + b"\0"}, "32"),
    ("manifest", "blank title", {"title": " \t"}, "a title"),
    ("manifest", "title of 301 characters", {"title": "é" * 301}, "at most 300"),
    ("manifest", "pack twice", {"packs": [{"root": salt(1), "size": 5}] * 2}, "no root twice"),
    ("manifest", "pack of no byte", {"packs": [{"root": salt(1), "size": 0}]}, "at least one"),
    ("manifest", "root of 31 bytes", {"packs": [{"root": salt(1)[1:], "size": 5}]}, "32"),
    ("manifest", "negative size", {"size": -1}, "a count"),
    ("manifest", "commons in capitals", {"commons": COMMONS.upper()}, "one spelling"),
    ("manifest", "registrar is a CID", {"registrar": COMMONS}, "a peer id"),
    ("manifest", "unsorted allow-list", {"rule": {"kind": "allow-list", "peers": [*RULE.peers][::-1]}}, "sorted"),
    ("manifest", "a key kept and printed", {"rule": {"kind": "public", "peers": [], "college": None},
     "key": NEW, "custody": b"x"}, "not both"),
    ("manifest", "an empty sharing", {"custody": b""}, "nil, or a sharing"),
    ("manifest", "keyword twice", {"keywords": ["rivers", "rivers"]}, "each once"),
    ("manifest", "empty keyword", {"keywords": [""]}, "1 to 100 characters"),
    ("manifest", "identifier in words", {"identifier": "our first"}, "a DOI or an address"),
    ("charter", "no name", {"name": ""}, "it has a name"),
    ("charter", "name of 201 characters", {"name": "n" * 201}, "at most 200"),
    ("charter", "members not sorted", {"colleges": [{"name": "users", "members": [EVE.peer]},
     {"name": "workers", "members": sorted((ALICE.peer, BOB.peer))[::-1]}]}, "sorted"),
    ("charter", "a power nobody knows", {"powers": [{"action": "sing", "rule": VOTED, "days": 7}]}, "an action"),
    ("charter", "a thousand days", {"powers": [{"action": "admit", "rule": VOTED, "days": 1000}]}, "1 to 366"),
    ("charter", "unknown ratchet", {"ratchets": ["wheel"]}, "readers or access"),
    ("charter", "kept for no day", {"retention_days": 0}, "1 to 36500"),
    ("charter", "witnesses in words", {"witnesses": "all of them"}, "a policy"),
    ("proposal", "unknown action", {"action": "sing"}, "an action"),
    ("proposal", "of two things", {"dataset": DATASET}, "the fields of its action"),
    ("proposal", "of nothing", {"college": None}, "the fields of its action"),
    ("proposal", "nonce of 15 bytes", {"nonce": bytes(15)}, "16"),
    ("proposal", "key of 31 bytes", {"key": bytes(31)}, "32"),
    ("rules", "the first", {"rules": 1}, "later than the first"),
    ("rules", "of ten thousand", {"rules": 10_000}, "at most 9999"),
    ("vote", "choice in words", {"choice": "perhaps"}, "yes, no or abstain"),
    ("vote", "on a negative entry", {"proposal": -1}, "an index"),
    ("join", "proof of 63 bytes", {"proof": bytes(63)}, "64"),
    ("rule", "college of another rule", {"kind": "approval", "peers": [], "college": "workers"}, "members and vote"),
    ("charter", "unknown readers", {"readers": "everyone"}, "owner, members or public"),
    ("charter", "next key of 31 bytes", {"next_key": CHARTER.next_key[1:]}, "32"),
    ("publish", "version 0", {"version": 0}, "versions count from 1"),
    ("publish", "negative epoch", {"epoch": -1}, "epochs count from 0"),
    ("publish", "terms of 31 bytes", {"terms": PUBLISH.terms[1:]}, "32"),
    ("publish", "manifest is a peer id", {"manifest": BOB.peer}, "a CID"),
    ("publish", "commons is a peer id", {"commons": BOB.peer}, "a CID"),
    ("publish", "unknown purpose", {"purposes": ["fun"]}, "a code or a DUO id"),
    ("publish", "grants of no day", {"grant_days": 0}, "1 to 36500, as in the terms"),
    ("publish", "grants of ten million days", {"grant_days": 10**7}, "1 to 36500, as in the terms"),
    ("request", "requester in the clear", {"requester": BOB.peer.encode()}, "a commitment has 32 bytes"),
    ("request", "statement of 31 bytes", {"statement": salt(0)[1:]}, "a commitment has 32 bytes"),
    ("request", "empty details", {"details": b""}, "nil, or 32 bytes"),
    ("request", "purpose in words", {"purpose": "for my thesis"}, "a code or a DUO id"),
    ("request", "terms of 33 bytes", {"terms": TERMS.digest() + b"\0"}, "32"),
    ("request", "dataset in capitals", {"dataset": DATASET.upper()}, "one spelling"),
    ("request", "negative epoch", {"epoch": -1}, "epochs count from 0"),
    ("receipt", "negative size", {"size": -1}, "a count"),
    ("receipt", "negative files", {"files": -1}, "a count"),
    ("receipt", "statement of 33 bytes", {"statement": bytes(33)}, "a commitment has 32 bytes"),
    ("dropped", "statement in the clear", {"statement": b"I dropped it"}, "a commitment has 32 bytes"),
    ("notice", "more dropped than hold", {"dropped": 3}, "a share of the holders"),
    ("notice", "negative dropped", {"dropped": -1}, "a count"),
    ("notice", "withdrawn by the charter", {"entry": 0}, "entry 0 is the charter"),
    ("notice", "dataset in capitals", {"dataset": DATASET.upper()}, "one spelling"),
    ("dropping", "dataset is a peer id", {"dataset": BOB.peer}, "a CID"),
    ("decision", "statement in the clear", {"statement": b"because it is Bob"}, "a commitment has 32 bytes"),
    ("asked", "unknown purpose", {"purpose": "fun"}, "a code or a DUO id"),
    ("asked", "nonce of 31 bytes", {"nonce": NONCE[1:]}, "32"),
    ("asked", "HPKE key of 33 bytes", {"hpke": ASKED.hpke + b"\0"}, "32"),
    ("asked", "commitment of 31 bytes", {"details": salt(0)[1:]}, "32"),
    ("asked", "dataset in capitals", {"dataset": DATASET.upper()}, "one spelling"),
    ("decision", "outcome pending", {"outcome": "pending"}, "grant, refuse or revoke"),
    ("decision", "no reason", {"reason": ""}, "a code"),
    ("decision", "reason of 65 characters", {"reason": "r" * 65}, "a code"),
    ("custody-key", "key of 31 bytes", {"hpke": CUSTODY_KEY.hpke[1:]}, "32"),
    ("custody-key", "no peer id", {"peer": COMMONS}, "a peer id"),
    ("sharing", "series of 15 bytes", {"series": SERIES[1:]}, "16"),
    ("sharing", "negative epoch", {"epoch": -1}, "epochs count from 0"),
    ("sharing", "negative generation", {"generation": -1}, "they count from 0"),
    ("sharing", "policy that asks nobody", {"policy": "quorum none\n"}, "custodians are a quorum"),
    ("sharing", "policy with a comment", {"policy": "# ours\n" + SHARING.policy}, "one spelling"),
    ("sharing", "share too few", {"shares": [asdict(each) for each in SHARING.shares[1:]]}, "one for each custodian"),
    ("sharing", "shares in another order", {"shares": [asdict(each) for each in SHARING.shares[::-1]]}, "the policy's"),
    ("sharing", "commitment of 31 bytes", {"mark": SHARING.mark[1:]}, "32"),
    ("sharing", "parent without a part", {"parent": salt(0)}, "both or none"),
    ("sharing", "part without a parent", {"part": "ana"}, "both or none"),
    ("sharing", "binding of 33 bytes", {"bound": SHARING.bound + b"\0"}, "32"),
    ("released", "negative entry", {"request": -1}, "entries count from 0"),
    ("released", "digest of 31 bytes", {"sharing": RELEASED.sharing[1:]}, "32"),
    ("released", "requester is no peer id", {"requester": COMMONS}, "a peer id"),
    ("handed", "an address of no peer", {"sources": ["/dns4/registrar.example/tcp/4001"]}, "it ends in one"),
    ("handed", "a door for an address", {"sources": ["https://registrar.example"]}, "a multiaddr"),
    ("handed", "five addresses", {"sources": [*HANDED.sources] * 5}, "at most 4"),
    ("submitted", "statement of 31 bytes", {"statement": SUBMITTED.statement[1:]}, "32"),
    ("submitted", "negative size", {"size": -1}, "a count"),
    ("submitted", "commons in capitals", {"commons": COMMONS.upper()}, "one spelling"),
    ("unlogged", "negative time", {"time": -1}, "a count"),
    ("unlogged", "a code with an escape", {"waiting": [{**asdict(UNLOGGED.waiting[0]), "said": "\x1b[2J"}]}, "a-z"),
    ("unlogged", "tried before all time", {"waiting": [{**asdict(UNLOGGED.waiting[0]), "tried": -1}]}, "a count"),
    ("unlogged", "digest of 33 bytes", {"waiting": [{**asdict(UNLOGGED.waiting[1]), "statement": bytes(33)}]}, "32"),
    ("opening", "salt of 31 bytes", {"fields": [{"name": "a", "salt": salt(0)[1:], "value": b""}]}, "32"),
    ("opening", "field without a name", {"fields": [{"name": "", "salt": salt(0), "value": b""}]}, "1 to 64"),
]  # fmt: skip


def vector(name: str) -> dict[str, Any]:
    encoded = ENCODED[name]
    wrong = list(respelt(encoded))
    if name in SIGNED:
        wrong += forged(name)
        if name not in GOVERNANCE:  # a log keeps entries of types it does not know
            wrong.append(bad("other type", envelope_of(name, type="commons/other/v1"), "another type"))
    for of, title, lies, reason in LIES:
        if of == name:
            value = SIGNED[name][1] if name in SIGNED else PLAIN[name]
            data = changed(value, lies)
            wrong.append(bad(title, resigned(name, data) if name in SIGNED else data, reason))
    for title, data in (
        ("nested a thousand times", b"\x91" * 1100 + b"\xc0"),
        ("an array of 2^32-1", b"\xdd" + b"\xff" * 4),
        ("bytes of 2^32-1", b"\xc6" + b"\xff" * 4),
        ("a map of 2^32-1", b"\xdf" + b"\xff" * 4),
        ("a reserved byte", b"\xc1"),
    ):
        wrong.append(bad(title, data, "not whole msgpack"))
    entry = dict.fromkeys((*GOVERNANCE, "request", "decision", "receipt", "dropped", "redaction"), 65_535)
    times = {"manifest": manifest.LIMIT, **entry}.get(name, codec.LIMIT) + 1
    wrong.append({**bad("oversize", b"\xc0", f"{times} bytes", "TooLarge"), "times": times})  # type: ignore[dict-item]
    return {"hex": encoded.hex(), "bad": wrong}


def derived() -> dict[str, str]:
    """From the seed, by what it is for: private keys and secrets but where it says public."""
    return {
        "identity seed": OWNER.identity_seed.hex(),
        "identity public": ALICE.public.hex(),
        "identity peer": ALICE.peer,
        "identity host": ids.peer_host(ALICE.peer),
        "log 0 public": OWNER.log(0).public.hex(),
        "log 1 public": OWNER.log(1).public.hex(),
        "epoch 0": OLD.hex(),
        "epoch 1": NEW.hex(),
        "hpke": OWNER.hpke_seed(NONCE).hex(),
        "hpke public": hpke.public_of(OWNER.hpke_seed(NONCE)).hex(),
        "custody": OWNER.custody().hex(),
        "custody public": CUSTODY_KEY.hpke.hex(),
        "local shelf": OWNER.local("shelf").hex(),
        "label x/v1 of 76 bytes, salted": keys.derive(SEED, "x/v1", 76, salt(0)).hex(),
    }


def references() -> dict[str, Any]:
    def wrong(name: str, text: str, reason: str) -> dict[str, str]:
        return {"name": name, "text": text, "reason": reason, "error": "Malformed"}

    peer = f"/p2p/{ALICE.peer}"
    hint = f"commons:{DATASET}?"
    return {
        "text": str(REFERENCE),
        "before": f"{hint}peer=/ip4/203.0.113.7/tcp/4001{peer}&http=https://data.example",
        "bad": [
            wrong("empty", "", "no id"),
            wrong("id in capitals", f"commons:{DATASET.upper()}", "one spelling"),
            wrong("padded id", f"commons:{DATASET}======", "one spelling"),
            wrong("dag-pb id", "bafybeigdyrzt5sfp7udm7hu76uh7y26nf3efuylqabf3oclgtqy55fbzdi", "raw only"),
            wrong("id with other end bits", f"commons:{DATASET[:-1]}{chr(ord(DATASET[-1]) + 1)}", "one spelling"),
            wrong("scheme twice", f"commons:commons:{DATASET}", "no id"),
            wrong("fragment", f"commons:{DATASET}#x", "no id"),
            wrong("unknown part", hint + "via=x", "peer or http"),
            wrong("part without value", hint + "peer", "name=value"),
            wrong("part with an empty value", hint + "peer=", "an address"),
            wrong("unknown part with an empty value", hint + "via=", "peer or http"),
            wrong("17 parts", hint + "&".join(["http=http://a"] * 17), "at most 16"),
            wrong("port 0", hint + f"peer=/ip4/1.2.3.4/tcp/0{peer}", "1 to 65535"),
            wrong("port 65536", hint + f"peer=/ip4/1.2.3.4/tcp/65536{peer}", "1 to 65535"),
            wrong("port in other digits", hint + f"peer=/ip4/1.2.3.4/tcp/٤{peer}", "ASCII"),
            wrong("port with a zero before", hint + f"peer=/ip4/1.2.3.4/tcp/04001{peer}", "one spelling"),
            wrong("udp", hint + f"peer=/ip4/1.2.3.4/udp/4001{peer}", "TCP"),
            wrong("ip6 in ip4", hint + f"peer=/ip4/::1/tcp/4001{peer}", "of its kind"),
            wrong("host with an escape", hint + f"peer=/dns/a%1b[2J/tcp/4001{peer}", "a host name"),
            wrong("host with a space", hint + f"peer=/dns/a b/tcp/4001{peer}", "a host name"),
            wrong("host of 254 characters", hint + f"peer=/dns/{'a' * 254}/tcp/4001{peer}", "at most 253"),
            wrong("no peer id", hint + "peer=/ip4/1.2.3.4/tcp/4001/p2p/x", "it ends in one"),
            wrong("relay", hint + f"peer=/ip4/1.2.3.4/tcp/4001{peer}/p2p-circuit{peer}", "direct only"),
            wrong("ftp", hint + "http=ftp://a", "http or https"),
            wrong("javascript", hint + "http=javascript:alert(1)", "http or https"),
            wrong("door without host", hint + "http=http://", "a host"),
            wrong("door with a query", hint + "http=http://a/%3Fx", "none"),
            wrong("door with a fragment", hint + "http=http://a/%23x", "none"),
            wrong("door with an empty query", hint + "http=http://a/%3F", "none"),
            wrong("door with an escape", hint + "http=http://a/%1b[2J", "ASCII that prints"),
            wrong("door with a newline", hint + "http=http://a%0a", "ASCII that prints"),
            wrong("door that turns the writing", hint + "http=http://a/%E2%80%AEmoc", "ASCII that prints"),
            wrong("door with a password", hint + "http=http://bob:secret@a", "no user"),
            wrong("door at port 65536", hint + "http=http://a:65536", "1 to 65535"),
            wrong("nothing after the comma", f"commons:{DATASET},", "an address"),
            wrong("nothing between commas", f"commons:{DATASET},,http://a", "an address"),
            wrong("17 addresses", f"commons:{DATASET}{',http://a' * 17}", "at most 16"),
            wrong("no peer id after a comma", f"commons:{DATASET},/ip4/1.2.3.4/tcp/4001", "it ends in one"),
            wrong("both spellings", f"commons:{DATASET},http://a?http=http://b", "no query"),
            wrong("an escape that is no text", f"commons:{DATASET},http://%FF", "UTF-8"),
        ],
    }


def build(sealed: str) -> dict[str, Any]:
    return {
        "about": "Every format of docs/protocol.md that is msgpack: `hex` is the only encoding; each of `bad` must be "
        "refused with `error`. With `times`, `hex` stands that many times. Made by generate.py.",
        "seed": SEED.hex(), "series": SERIES.hex(), "nonce": NONCE.hex(), "derived": derived(),
        "commitment": {"name": "details", "salt": salt(3).hex(), "value": DETAILS.value.hex(),
                       "hex": opening.commit("details", salt(3), DETAILS.value).hex()},
        "terms_digest": TERMS.digest().hex(), "cid": {"charter": COMMONS, "manifest": DATASET},
        "lock": {"newer": NEW.hex(), "older": OLD.hex(), "epoch": 0, "hex": release.lock(NEW, OLD, SERIES, 0).hex()},
        "release": {"secret": NEW.hex(), "private": OWNER.hpke_seed(NONCE).hex(), "sealed": sealed},
        "reference": references(),
        "formats": {name: vector(name) for name in ENCODED},
    }  # fmt: skip


def written(told: dict[str, Any]) -> str:
    """One line for each vector, so that a diff shows which one changed."""
    text = json.dumps(told, ensure_ascii=False, indent=1)
    return text.replace(',\n     "', ', "').replace('{\n     "', '{"').replace('"\n    }', '"}') + "\n"


def main() -> None:
    fresh = release.seal(NEW, hpke.public_of(OWNER.hpke_seed(NONCE)), BOUND).hex()
    stored = json.loads(FILE.read_text()) if FILE.exists() else None
    same = stored is not None and stored["formats"]["bound"]["hex"] == ENCODED["bound"].hex()
    FILE.write_text(written(build(stored["release"]["sealed"] if same else fresh)))


if __name__ == "__main__":
    main()
