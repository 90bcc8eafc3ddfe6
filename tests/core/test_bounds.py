"""What each noun takes at its bound, and refuses one step beyond it: values that were checked when they were made."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from commons.core.crypto import codec, ids
from commons.core.dataset import address
from commons.core.dataset.contents import File, Run
from commons.core.dataset.pack import HEADER, OVERHEAD, SEGMENT
from commons.core.dataset.rights import Label, LicenceText, Origin, Rights
from commons.core.dataset.rule import Rule
from commons.core.dataset.terms import DAY
from commons.core.state import charter, complaint, entries
from commons.core.state.charter import College, Power
from commons.core.state.fold import State
from commons.core.state.proposals import Proposal
from commons.core.tlog import note
from commons.custody.sharing import Sharing
from commons.errors import Malformed, Refused, Untrue
from tests.vectors import generate
from tests.vectors.generate import ALICE, BOB, COMMONS, EVE, OWNER, salt

WIDE = Proposal(
    commons=COMMONS, action="set-rule", time=1, nonce=bytes(16), series=bytes(16), rule=Rule(kind="acknowledge")
)
OFFER = Proposal(
    commons=COMMONS, action="change-registrar", time=1, nonce=bytes(16), peer=BOB.peer, log_key=bytes(32),
    next_key=bytes(32),
)  # fmt: skip
INVITATION = generate.PROPOSAL
TEXT = LicenceText(id="LicenseRef-x", url="", sha256=hashlib.sha256(b"x").digest(), text="x")
PLAIN = LicenceText(id="CC0-1.0", url="", sha256=None, text=None)
ORIGIN = Origin(manifest=ids.cid(b"d"), title="Springs", licence="CC0-1.0", credit="")
EMPTY = File(path="a", size=0, sha256=bytes(32), media_type="text/plain", runs=())
FIRST = Run(pack=0, first=0, count=1, offset=0)
ONE = replace(EMPTY, size=1, runs=(FIRST,))
FULL = SEGMENT + OVERHEAD
LONG = (Run(pack=0, first=0, count=1 << 42, offset=0),)
MOST = 1 << 62  # of what is counted in a table
PAGES, LINES = 1 << 20, 2000


def full(text: str) -> dict[str, Any]:
    return {"text": text, "sha256": hashlib.sha256(text.encode()).digest()}


@pytest.mark.parametrize(
    ("value", "fits", "lies"),
    [
        (generate.PUBLISH, [{"custodians": None}, {"custodians": bytes(32)}, {"version": 1}, {"epoch": 0}],
         [{"custodians": bytes(31)}, {"custodians": b""}, {"custodians": bytes(33)}, {"version": 0}, {"epoch": -1},
          {"series": bytes(15)}, {"terms": bytes(33)}]),
        (generate.STAMP, [{"head": b"x"}, {"head": bytes(note.LIMIT)}],
         [{"head": b""}, {"head": bytes(note.LIMIT + 1)}]),
        (generate.DECISION, [{"reason": "r"}, {"reason": "r" * 64}], [{"reason": ""}, {"reason": "r" * 65}]),
        (College(name="a", members=()), [{"name": "a-1"}, {"members": (ALICE.peer,)}],
         [{"name": ""}, {"name": "A"}, {"name": "a b"}, {"name": "*a"}, {"members": (ALICE.peer, ALICE.peer)},
          {"members": tuple(sorted((ALICE.peer, BOB.peer), reverse=True))}]),
        (Power(action="admit", rule="", days=1), [{"days": 366}], [{"days": 0}, {"days": 367}, {"action": "rule"}]),
        (generate.CHARTER,
         [{"name": "n" * 200}, {"purpose": "p" * 2000}, {"retention_days": 1}, {"retention_days": 36_500},
          {"retention_days": None}, {"ratchets": ("access", "readers")}],
         [{"name": ""}, {"name": "n" * 201}, {"purpose": "p" * 2001}, {"retention_days": 0},
          {"retention_days": 36_501}, {"ratchets": ("readers", "access")}, {"ratchets": ("access", "access")},
          {"ratchets": ("law",)}, {"readers": "world"}, {"log_key": bytes(31)}, {"next_key": bytes(33)},
          {"colleges": generate.CHARTER.colleges[::-1]}, {"powers": generate.CHARTER.powers[:1] * 2}]),
        (WIDE, [{"nonce": bytes(16)}], [{"action": "conquer"}]),
        (WIDE, [{"rule": Rule(kind="vote")}, {"words": "w" * 2000}],
         [{"series": bytes(15)}, {"series": bytes(17)}, {"series": b""}, {"rule": Rule(kind="public")},
          {"words": "w" * 2001}, {"nonce": bytes(15)}, {"target": 1}, {"rule": None}]),
        (OFFER, [{"log_key": bytes([1] * 32)}],
         [{"log_key": bytes(31)}, {"next_key": bytes(33)}, {"log_key": b""}, {"peer": COMMONS}]),
        (INVITATION, [{"key": bytes(32)}], [{"key": bytes(31)}, {"key": b""}]),
        (generate.BALLOT, [{"reason": "r" * 2000}],
         [{"reason": "r" * 2001}, {"proposal": bytes(31)}, {"choice": "perhaps"}]),
        (generate.JOINED, [{"invitation": 0}, {"proof": bytes(64)}],
         [{"invitation": -1}, {"proof": bytes(63)}, {"proof": bytes(65)}]),
        (PLAIN, [{"url": "u" * LINES}, {"id": "i" * 120}, {"sha256": bytes(32)}],
         [{"url": "u" * (LINES + 1)}, {"id": "i" * 121}, {"id": ""}, {"id": "a b"}, {"sha256": bytes(31)},
          {"text": "x"}, {"id": "LicenseRef-x"}]),
        (TEXT, [full("x" * PAGES), full("")],
         [full("x" * (PAGES + 1)), {"text": None}, {"text": "y"}, {"sha256": None}, {"id": "CC0-1.0"}]),
        (ORIGIN, [{"credit": "c" * PAGES}], [{"credit": "c" * (PAGES + 1)}, {"manifest": "d"}, {"title": "a\nb"}]),
        (generate.TERMS, [{"grant_days": 1}, {"grant_days": 36_500}, {"grant_days": None}],
         [{"grant_days": 0}, {"grant_days": 36_501}, {"licences": ()}, {"updated": "yesterday"},
          {"licence": "CC0-1.0"}, {"licence": "", "licences": ()}, {"licence": "AND", "licences": ()}]),
        (generate.HANDED, [{"sources": ()}, {"sources": generate.HANDED.sources[:1] * 4}],
         [{"sources": generate.HANDED.sources[:1] * 5}, {"sources": (generate.HANDED.sources[0] + "/",)}]),
        (generate.RECEIVED, [], []),
        (generate.NOTICE, [{"dropped": 2}, {"dropped": 0, "holders": 0}, {"entry": 1}, {"time": 0}],
         [{"dropped": 3}, {"dropped": -1}, {"entry": 0}, {"time": -1}]),
        (generate.SUBMITTED, [{"time": 0, "size": 0}], [{"time": -1}, {"size": -1}, {"statement": bytes(31)}]),
        (generate.UNLOGGED, [{"time": 0}, {"after": 0}], [{"time": -1}, {"after": -1}, {"commons": "x"}]),
        (generate.UNLOGGED.waiting[0], [{"tried": None}, {"tried": 0, "time": 0, "size": 0}, {"said": ""}],
         [{"tried": -1}, {"time": -1}, {"size": -1}, {"statement": bytes(31)}, {"said": "a b"}, {"said": "\x1b"}]),
        (generate.RELEASED, [{"request": 0, "decision": 0, "epoch": 0}],
         [{"request": -1}, {"decision": -1}, {"epoch": -1}, {"sharing": bytes(31)}]),
        (generate.SHARING, [{"epoch": 0}, {"generation": 0}], [{"epoch": -1}, {"generation": -1}]),
        (generate.MANIFEST.contents, [{"epoch": 0}, {"epoch": MOST - 1}],
         [{"epoch": -1}, {"epoch": MOST}, {"segments": ()}, {"root": bytes(31)}, {"size": 171}, {"size": 173}]),
        (EMPTY, [{"size": 0}, {"size": MOST - 1, "runs": LONG}],
         [{"size": -1}, {"size": MOST}, {"size": MOST, "runs": LONG}, {"sha256": bytes(31)}, {"media_type": "text"}]),
        (generate.ASKED, [{"epoch": 0}, {"details": None}, {"details": bytes(32)}],
         [{"nonce": bytes(31)}, {"hpke": bytes(33)}, {"terms": bytes(31)}, {"details": bytes(31)}]),
        (ONE, [{"runs": (replace(FIRST, offset=SEGMENT - 1),)}],
         [{"runs": ()}, {"runs": (replace(FIRST, first=-1),)}, {"runs": (replace(FIRST, offset=-1),)},
          {"runs": (replace(FIRST, offset=SEGMENT),)}, {"runs": (replace(FIRST, count=0), FIRST)},
          {"runs": (replace(FIRST, count=-1), replace(FIRST, count=2))}, {"size": 0}]),
        (generate.MANIFEST.contents,
         [{"segments": (OVERHEAD + 1,), "size": HEADER + OVERHEAD + 1}, {"segments": (FULL,), "size": HEADER + FULL}],
         [{"segments": (OVERHEAD,), "size": HEADER + OVERHEAD}, {"segments": (FULL + 1,), "size": HEADER + FULL + 1}]),
        (Label(name="l", text="t"), [{"text": "t" * PAGES}],
         [{"text": ""}, {"text": " \n"}, {"text": "t" * (PAGES + 1)}]),
        (Rights(licence="", copyright=""), [{"copyright": "c" * 20_000}], [{"copyright": "c" * 20_001}]),
        (Rule(kind="vote"), [{"college": "c"}, {"college": "c" * 32}],
         [{"college": ""}, {"college": "c" * 33}, {"kind": "acknowledge", "college": "c"}]),
    ],
    ids=lambda value: type(value).__name__ if not isinstance(value, list) else "",
)  # fmt: skip
def test_a_value_is_taken_up_to_its_bound_and_not_beyond(value: Any, fits: list[Any], lies: list[Any]) -> None:
    for words in fits:
        assert replace(value, **words) is not None, words
    for words in lies:
        with pytest.raises(Malformed):
            replace(value, **words)


# -- one guard each ----------------------------------------------------------------------------------------------------


def test_a_grant_lasts_no_longer_than_its_terms_allow() -> None:
    grant = replace(generate.DECISION, outcome="grant")
    for days, expires, fits in (
        (None, None, True), (None, grant.time + 9**9, True), (1, grant.time + DAY, True),
        (1, grant.time + DAY + 1, False), (1, None, False),
    ):  # fmt: skip
        said = replace(grant, expires=expires)
        if fits:
            said.check_end(days)
        else:
            with pytest.raises(Untrue, match="lasts longer"):
                said.check_end(days)
        replace(said, outcome="refuse").check_end(days)


def test_a_grant_ends_when_the_terms_say_or_sooner_where_that_is_wanted() -> None:
    ends = [entries.until("grant", 100, days, wanted) for days in (None, 2) for wanted in (None, 500, 100 + 3 * DAY)]
    assert ends == [None, 500, 100 + 3 * DAY, 100 + 2 * DAY, 500, 100 + 2 * DAY]
    assert entries.until("refuse", 100, 2, 500) is None


def test_a_custodian_is_known_by_name_in_a_sharing() -> None:
    sharing: Sharing = generate.SHARING
    assert sharing.peer("bob") == BOB.peer
    with pytest.raises(Malformed, match="no custodian is called 'nobody'"):
        sharing.peer("nobody")


def test_without_a_charter_there_is_no_community() -> None:
    facts = State()
    for ask in ("founded", "tenures", "keeper"):
        with pytest.raises(Untrue, match="has no charter"):
            getattr(facts, ask)


def test_a_founders_registrar_is_one_of_its_members() -> None:
    assert charter.check_founding(generate.CHARTER) is generate.CHARTER
    with pytest.raises(Malformed, match="its registrar is a member"):
        charter.check_founding(replace(generate.CHARTER, registrar=OWNER.log(0).peer))


COLLEGES = {"users": (EVE.peer,), "workers": (ALICE.peer, BOB.peer)}


@pytest.mark.parametrize(
    ("rule", "told"),
    [
        ("group g 1 *\nquorum g", "not a college: '\\*'"),
        ("group g 1 *Users\nquorum g", "not a college: '\\*Users'"),
        ("group g 1 a*users\nquorum g", "not a college"),
        ("group g 1 *elders\nquorum g", "no college is called 'elders'"),
        ("group g 4 *users *workers\nquorum g", "from 1 to 3"),
    ],
)
def test_a_rule_asks_colleges_that_there_are_and_no_more_people_than_they_have(rule: str, told: str) -> None:
    with pytest.raises(Malformed, match=told):
        charter.expand(rule, COLLEGES)
    assert charter.expand("group g 3 *users *workers\nquorum g", COLLEGES).quorum is not None
    assert charter.expand("# of all *elders and others\nquorum none", COLLEGES).quorum is None


@pytest.mark.parametrize(
    ("rule", "told"),
    [
        ("quorum none", "asks nobody"),
        (f"member ana {ALICE.peer}\ngroup g 1 ana *users\nquorum g", "only them"),
        ("group g 1 *elders\nquorum g", "no college"),
    ],
)
def test_no_charter_locks_itself_out(rule: str, told: str) -> None:
    charter.check_livable((Power(action="admit", rule="group g 1 *users\nquorum g", days=1),), COLLEGES)
    with pytest.raises(Malformed, match=told):
        charter.check_livable((Power(action="admit", rule=rule, days=1),), COLLEGES)


def amendments() -> Iterator[tuple[dict[str, Any], str]]:
    yield {"registrar": BOB.peer}, "keeps the registrar"
    yield {"log_key": bytes(32)}, "keeps the registrar"
    yield {"next_key": bytes(32)}, "keeps the registrar"
    yield {"time": generate.CHARTER.time + 1}, "keeps the registrar"
    yield {"ratchets": ()}, "never taken back"


def test_an_amendment_changes_nothing_that_has_a_vote_of_its_own() -> None:
    old = generate.CHARTER
    charter.check_amendment(old, replace(old, name="Brooks"), "", old.listed())
    for words, told in amendments():
        with pytest.raises(Refused, match=told):
            charter.check_amendment(old, replace(old, **words), "", old.listed())
    with pytest.raises(Refused, match="keeps the custodians"):
        charter.check_amendment(old, old, str(generate.CUSTODIANS), old.listed())
    with pytest.raises(Refused, match="stays a member"):
        charter.check_amendment(old, old, "", {"users": (EVE.peer,), "workers": (BOB.peer,)})
    charter.check_amendment(old, old, "", {"users": (ALICE.peer,), "workers": (BOB.peer,)})  # in any of them


@pytest.mark.parametrize("bound", [True, False])
def test_who_may_read_is_only_ever_widened_where_that_was_promised(bound: bool) -> None:
    old = replace(generate.CHARTER, ratchets=("readers",) if bound else ())
    order = charter.READERS
    for before in order:
        for after in order:
            kept, said = replace(old, readers=before), replace(old, readers=after)
            if bound and order.index(after) < order.index(before):
                with pytest.raises(Refused, match="only be widened"):
                    charter.check_amendment(kept, said, "", old.listed())
            else:
                charter.check_amendment(kept, said, "", old.listed())


def test_details_are_those_that_the_request_commits_to() -> None:
    fits = replace(generate.HANDED, statement=generate.ASKED_BYTES, details=generate.DETAILS)
    assert complaint.open_handed(codec.encode(fits))[0] == fits
    for other in (None, replace(generate.DETAILS, value=b"else"), replace(generate.DETAILS, salt=salt(99))):
        with pytest.raises(Malformed, match="not those that the request commits to"):
            complaint.open_handed(codec.encode(replace(fits, details=other)))


@pytest.mark.parametrize(
    ("text", "told"),
    [("/unix/run/x", "is not understood here, only"),
     ("/ip6zone/eth0/ip6/fe80::1/tcp/1", "is not understood here"),
     ("/dnsaddr/a/tcp/1", "is not understood here"), ("a:b:c", "neither host and port"),
     ("[::1:4001", "neither host and port"), ("1.2.3.4:1:2", "neither host and port"),
     ("a]b:1", "neither host and port")],
)  # fmt: skip
def test_why_an_address_is_none_is_said_by_what_it_is(text: str, told: str) -> None:
    with pytest.raises(Malformed, match=told):
        address.read(f"{text}/p2p/{ALICE.peer}")


@pytest.mark.parametrize("host", ["127.0.0.1", "127.1", "2130706433", "0x7f000001", "0x7f.1", "017700000001"])
def test_a_number_is_no_name_however_it_is_written(host: str) -> None:
    with pytest.raises(Malformed, match="is a number, and no name"):
        address.read(f"/dns/{host}/tcp/1/p2p/{ALICE.peer}")


def test_an_ip_address_without_a_port_says_how_one_is_written() -> None:
    for text, hint in (("2001:db8::1", "in brackets"), ("::1", "in brackets"), ("1.2.3.4", "looks like")):
        with pytest.raises(Malformed, match="names no port") as told:
            address.read(f"{text}/p2p/{ALICE.peer}")
        assert hint in told.value.hint


def test_what_is_no_text_once_unquoted_is_refused() -> None:
    assert address.unquoted("caf%C3%A9") == "café"
    with pytest.raises(Malformed, match="not text"):
        address.unquoted("caf%E9")


class Unread(str):
    def __iter__(self) -> Iterator[str]:
        raise AssertionError("a text that is too long was read")


def test_a_text_that_is_too_long_for_a_peer_id_is_not_even_read() -> None:
    """Its digits would be multiplied up, which takes the square of its length."""
    for length in (65, 1_000_000):
        with pytest.raises(Malformed, match="not an Ed25519 peer id"):
            ids.public_key(Unread("z" * length))
    for text in (ALICE.peer, "z" * 64):
        with pytest.raises(AssertionError):
            ids.public_key(Unread(text))
