"""A request as its requester states it, sends it, and hands it to a witness where nobody answers: without sockets."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from dataclasses import replace
from hashlib import sha256
from typing import Any

import pytest

from commons.access import complain, listing, request
from commons.access.anchor import Listed
from commons.core.crypto import codec, envelope, ids
from commons.core.crypto.envelope import Opened
from commons.core.crypto.keys import Keys
from commons.core.dataset import manifest
from commons.core.dataset.manifest import Manifest
from commons.core.dataset.rule import Rule
from commons.core.state import complaint, entries
from commons.core.state.complaint import Handed, Submitted, Taken, Unlogged, Waiting
from commons.core.state.entries import Asked
from commons.core.tlog import merkle, proof
from commons.core.tlog.checkpoint import Signed
from commons.core.tlog.note import Verifier
from commons.disk.home import Home
from commons.disk.shelf import OwnRequest
from commons.errors import Conflict, Malformed, Pending, Refused, TooLarge, Unacknowledged, Unreachable, Untrue
from commons.log.answer import SKEW, Answer, Submission
from tests.conftest import MakeHome
from tests.keeper import ALICE, BOB, EVE, KEEPERS, Keeper
from tests.vectors.generate import MANIFEST

WIM = KEEPERS[0]  # a witness


def at(who: Keys, port: int = 4001, host: str = "203.0.113.7") -> str:
    return f"/ip4/{host}/tcp/{port}/p2p/{who.identity.peer}"


class Doors:
    """The network: alice, who keeps the log, and wim, who witnesses it. `outcome` is what she decides, None where she
    does not, and `away` that she does not answer; `lies` is what he signs otherwise, `answer` what he had of her."""

    def __init__(self, log: Keeper) -> None:
        self.log, self.outcome, self.away, self.listed = log, "grant", False, -1
        self.lies: dict[str, Any] = {}
        self.by, self.answer = WIM, b""
        self.handed = list[Handed]()
        self.logged = dict[bytes, list[int]]()

    async def get(self, source: str, path: str, *, limit: int, span: tuple[int, int] | None = None) -> bytes:
        if self.away:
            raise Unreachable("away")
        return await self.log.read(path.split("/", 2)[2])

    async def post(self, source: str, path: str, body: bytes, *, limit: int) -> bytes:
        if path.endswith("/submitted"):
            return self._take(codec.decode(Handed, body))
        if self.away:
            raise Unreachable("away")
        if "/datasets/" in path:
            return self._shown(body, self.listed)
        given = codec.decode(Submission, body)
        return self._shown(given.head, *self.log_it(given))

    def log_it(self, given: Submission) -> list[int]:
        log, said = self.log, envelope.open(entries.REQUEST, Asked, given.statement)
        if said.data not in self.logged:
            leaf, hidden = entries.request(said, given.details, time=said.value.time, salt=log.salt)
            log.last = log.add(codec.encode(leaf))
            log.openings[log.last] = codec.encode(hidden)
            self.logged[said.data] = [log.last]
        if self.outcome is not None and len(self.logged[said.data]) == 1:
            outcome, by_rule, _ = self.outcome.partition(" by rule")
            by = {} if by_rule or outcome == "grant" else {"steward": ALICE.identity}
            self.logged[said.data].append(log.decide(outcome, "said", **by))
        return self.logged[said.data]

    def _shown(self, old: bytes, *places: int) -> bytes:
        log, size = self.log, len(self.log.data)
        lead = merkle.prove_consistency(int(old.split(b"\n")[1]), size, log.reader(size)) if old else ()
        shown = tuple(log.shown(place) for place in places)
        return codec.encode(Answer(shown=shown, head=log.head(), consistency=tuple(lead)))

    def _take(self, handed: Handed) -> bytes:
        self.handed.append(handed)
        said = envelope.open(entries.REQUEST, Asked, handed.statement).value
        words = {"commons": said.commons, "dataset": said.dataset, "statement": sha256(handed.statement).digest(),
                 "time": said.time, "size": 0}  # fmt: skip
        signed = Submitted(**{**words, **{k: v + said.time if k == "time" else v for k, v in self.lies.items()}})
        answer = self._shown(b"", *self.log_it(
            Submission(statement=handed.statement, details=handed.details, head=b"")
        )) if self.answer else None  # fmt: skip
        return codec.encode(
            Taken(acknowledged=envelope.sign(complaint.SUBMITTED, signed, self.by.identity), answer=answer)
        )


class Case:
    """Dora's home, and a dataset in alice's log, under its terms."""

    def __init__(self, home: Home) -> None:
        self.home, self.log = home, Keeper()
        self.log.clock = int(time.time())
        self.doors = Doors(self.log)
        self.value = replace(
            MANIFEST, commons=self.log.commons, log_key=self.log.signer.public, registrar=ALICE.identity.peer,
            terms=replace(MANIFEST.terms, purposes=()),
        )  # fmt: skip
        self.dataset = self.signed(self.value)
        said = listing.entry(self.value, ids.cid(self.dataset.data), self.log.clock)
        self.doors.listed = self.log.add(envelope.sign(entries.PUBLISH, said, ALICE.identity))
        self.compared = list[Signed]()

    def signed(self, value: Manifest, by: Keys = ALICE) -> Opened[Manifest]:
        return manifest.open(manifest.sign(value, by.identity))

    def asked(self, purpose: str = "research", details: str | None = None) -> OwnRequest:
        ask = request.made(self.home, self.dataset, purpose, details)
        self.home.shelf.put_ask(ask)
        return ask

    def kept(self) -> OwnRequest:
        (ask,) = self.home.shelf.asks()
        return ask

    def send(self, ask: OwnRequest, *sources: str) -> request.Sent:
        listed = Listed(dataset=self.dataset, entry=self.doors.listed)
        return asyncio.run(request.resubmit(self.home, self.doors, sources or [at(ALICE)], listed, ask))

    def hand(self, *sources: str, witness: str = at(WIM), **words: str | None) -> dict[str, Any]:
        said = {"acknowledge": self.value.terms.licence, "purpose": None, "details": None, **words}
        return asyncio.run(complain.submit(
            self.home, self.doors, self.dataset, witness, sources, said["acknowledge"], said["purpose"],
            said["details"], self._compare,
        ))  # fmt: skip

    async def _compare(self, key: Verifier, head: Signed) -> None:
        assert key == self.log.log
        self.compared.append(head)

    def proofs(self) -> list[str]:
        return sorted(each.suffix for each in (self.home.path / "proofs").iterdir())


@pytest.fixture
def case(make_home: MakeHome) -> Iterator[Case]:
    with Home(make_home("dora")) as home:
        yield Case(home)


# -- what it states ----------------------------------------------------------------------------------------------------


def test_nobody_is_asked_for_a_key_that_is_printed_that_is_ones_own_or_that_was_given(case: Case) -> None:
    own = case.signed(case.value, case.home.keys)
    printed = case.signed(replace(case.value, key=b"p" * 32, rule=Rule(kind="public")))
    assert request.kept_key(case.home, printed) == b"p" * 32
    assert request.kept_key(case.home, own) == case.home.keys.epoch(case.value.series, case.value.epoch)
    assert request.kept_key(case.home, case.dataset) is None
    ask = case.asked()
    assert request.kept_key(case.home, case.dataset) is None
    case.home.shelf.put_ask(replace(ask, secret=b"s" * 32))
    assert request.kept_key(case.home, case.dataset) == b"s" * 32
    request.forget_key(case.home, case.value)
    assert case.kept() == ask
    case.home.shelf._db.execute("DELETE FROM asks")
    request.forget_key(case.home, case.value)
    assert case.home.shelf.asks() == []


def test_a_request_is_ones_own_under_these_terms_and_a_damaged_one_is_none_unless_it_brought_a_key(case: Case) -> None:
    assert request.held(case.home, case.value) is None
    ask = case.asked()
    assert request.held(case.home, case.value) == ask
    other = replace(case.value, terms=replace(case.value.terms, title="Others"))
    assert request.held(case.home, other) is None
    for secret in (None, b"s" * 32):
        damaged = replace(ask, submission=ask.submission[:-9], secret=secret)
        case.home.shelf.put_ask(damaged)
        assert request.held(case.home, case.value) == (damaged if secret else None)


@pytest.mark.parametrize("outcome", ["unsent", "pending", "grant", "refuse", "revoke", "gone", "fetched", "receipted"])
def test_a_request_is_over_once_it_was_refused_revoked_or_lost(case: Case, outcome: str) -> None:
    assert request.is_over(None)
    assert request.is_over(replace(case.asked(), outcome=outcome)) == (outcome in ("refuse", "revoke", "gone"))


def test_details_are_of_some_length_and_committed_to_where_there_are_any(case: Case) -> None:
    most = "é" * entries.DETAILS_LIMIT
    for said in (None, "", "for my thesis", most):
        ask = case.asked(details=said)
        free = codec.decode(Submission, ask.submission).details
        assert (free is not None) == (request.said_in(ask).value.details is not None) == bool(said)
        assert request.words(ask) == ("research", said or None)
    with pytest.raises(TooLarge, match="the details have"):
        case.asked(details=f"{most}x")
    with pytest.raises(Malformed, match="not a purpose"):
        case.asked(purpose="fun")


@pytest.mark.parametrize("stated", [None, "for my thesis"])
@pytest.mark.parametrize("details", [None, "for my thesis", "for fun"])
@pytest.mark.parametrize("purpose", ["unstated", "research", "product"])
def test_words_that_were_not_sent_are_told(case: Case, stated: str | None, details: str | None, purpose: str) -> None:
    """Those that are said now, and are not those of the request that is there."""
    told = request.unsent(case.asked(details=stated), purpose, details)
    assert (told == "") == (purpose != "product" and details in (None, stated))
    if told:
        assert "with the purpose research" in told
        assert ("without details" in told) == (stated is None)
        assert (repr(stated) in told) == (stated is not None)


@pytest.mark.parametrize("outcome", ["unsent", "pending"])
@pytest.mark.parametrize("off", [-SKEW // 2 - 1, -SKEW // 2, 0, SKEW // 2, SKEW // 2 + 1])
def test_a_request_that_nobody_has_is_outdated_half_way_to_where_nobody_takes_it(
    case: Case, monkeypatch: pytest.MonkeyPatch, off: int, outcome: str
) -> None:
    ask = replace(case.asked(), outcome=outcome)
    now = request.said_in(ask).value.time + off
    monkeypatch.setattr(time, "time", lambda: float(now))
    assert request.outdated(ask) == (abs(off) > SKEW // 2 and outcome == "unsent")


# -- what comes of it --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("outcome", ["grant", "refuse", "refuse by rule", "revoke", None])
def test_what_was_decided_is_kept_with_its_proof_and_told(case: Case, outcome: str | None) -> None:
    ask = case.asked()
    case.doors.outcome = "grant" if outcome == "revoke" else outcome  # type: ignore[assignment]
    if outcome == "revoke":
        case.send(ask)
        request_at, _ = case.doors.logged[request.said_in(ask).data]
        case.doors.logged[request.said_in(ask).data][1:] = [case.log.revoke(request_at)]
    if outcome == "grant":
        sent = case.send(ask)
        assert (sent.registrars, sent.said.data) == ([at(ALICE)], request.said_in(ask).data)
        assert codec.decode(Answer, sent.given).head == sent.checked.head.note == case.log.head()
    else:
        told = {
            "refuse": "was refused .*: so$",
            "refuse by rule": "was refused .*: said$",
            "revoke": "was revoked .*: so$",
        }
        with pytest.raises(Refused if outcome else Pending, match=told.get(outcome or "", "waits for a person")):
            case.send(ask)
    kept, places = case.kept(), case.doors.logged[request.said_in(ask).data]
    assert (kept.request, kept.outcome) == (places[0], outcome.split()[0] if outcome else "pending")
    assert kept.reason == {"grant": "said", "refuse by rule": "said", None: ""}.get(
        outcome, "so"
    )  # the steward's own words before a code
    name = f"{ask.dataset}-{places[-1]}"
    made = proof.parse((case.home.path / "proofs" / f"{name}.tlog-proof").read_bytes())
    proof.check(made, case.log.data[places[-1]], case.log.log)
    assert bytes.fromhex((case.home.path / "proofs" / f"{name}.entry").read_text()) == case.log.data[places[-1]]
    assert case.home.shelf.head(case.log.log.vkey) == case.log.head()


@pytest.mark.parametrize("late", [False, True])
def test_a_request_that_is_not_taken_is_gone_where_it_grew_too_old(
    case: Case, monkeypatch: pytest.MonkeyPatch, late: bool
) -> None:
    ask = case.asked()

    def refuses(given: Submission) -> list[int]:
        raise Malformed("the request is dated otherwise")

    monkeypatch.setattr(case.doors, "log_it", refuses)
    now = time.time() + (SKEW if late else 0)
    monkeypatch.setattr(time, "time", lambda: now)
    with pytest.raises(Malformed, match="is dated"):
        case.send(ask)
    assert case.kept() == replace(ask, outcome="gone" if late else "unsent")


def test_a_registrar_that_answered_is_known_from_then_on(case: Case) -> None:
    case.send(case.asked())
    assert case.home.shelf.known() == [at(ALICE)]


def test_who_is_not_answered_is_told_of_witnesses_once(case: Case) -> None:
    ask = case.asked()
    for sources in ([at(BOB)], [at(ALICE)]):
        case.doors.away = True
        with pytest.raises(Unreachable) as told:
            case.send(ask, *sources)
        assert told.value.hint.count("witness submit") == 1


# -- handed to a witness -----------------------------------------------------------------------------------------------


def test_a_request_is_handed_to_a_witness_once_signed_and_what_it_signed_is_kept(case: Case) -> None:
    case.doors.away = True
    told = case.hand(at(ALICE), at(BOB), details="for my thesis")
    ask = case.kept()
    digest = entries.statement_digest(request.said_in(ask).data)
    assert (told["witness"], told["statement"], told["dataset"]) == (WIM.identity.peer, digest.hex(), ask.dataset)
    assert (told["entry"], told["outcome"], told["listed"], told["unsent"]) == (None, "unsent", None, "")
    assert told["unlisted"] != ""
    (handed,) = case.doors.handed
    assert (handed.sources, handed.details) == ((at(ALICE),), codec.decode(Submission, ask.submission).details)
    assert request.words(ask) == ("unstated", "for my thesis")
    again = case.hand(purpose="product")
    assert case.doors.handed[1].statement == handed.statement
    assert "listed" not in again
    assert "the words given now were not sent" in again["unsent"]
    assert case.hand()["unsent"] == ""
    assert case.proofs() == [".submitted"]
    assert case.compared == []
    case.home.shelf.put_ask(replace(ask, request=7, outcome="pending"))
    with pytest.raises(Conflict, match="is in the log already, at entry 7"):
        case.hand()
    case.home.shelf.put_ask(replace(ask, secret=bytes(32)))
    with pytest.raises(Conflict, match="the key of this dataset is here"):
        case.hand()
    assert len(case.doors.handed) == 3
    case.home.shelf.put_ask(replace(ask, request=7, outcome="refuse"))
    case.hand()
    assert case.doors.handed[-1].statement != handed.statement  # a new one


def test_a_registrars_addresses_on_this_machine_mean_nothing_to_a_witness_elsewhere(case: Case) -> None:
    here, there = at(ALICE, host="127.0.0.1"), [at(ALICE, port) for port in range(1, 6)]
    case.hand(here, *there)
    assert list(case.doors.handed[-1].sources) == there[: complaint.SOURCES]
    case.hand(here, *there, witness=at(WIM, host="127.0.0.1"))
    assert list(case.doors.handed[-1].sources) == [here, *there][: complaint.SOURCES]


@pytest.mark.parametrize("lie", [
    {"commons": ids.cid(b"other")}, {"dataset": ids.cid(b"other")}, {"statement": bytes(32)}, {"time": SKEW + 1},
    {"time": -SKEW - 1}, "by another", {"time": SKEW}, {"time": -SKEW},
])  # fmt: skip
def test_a_witness_has_signed_for_what_it_was_handed_or_nothing_is_kept(case: Case, lie: dict[str, Any] | str) -> None:
    if isinstance(lie, str):
        case.doors.by = EVE
    else:
        case.doors.lies = lie
    if isinstance(lie, dict) and abs(lie.get("time", SKEW + 1)) <= SKEW:
        case.hand()
        assert case.proofs() == [".submitted"]
    else:
        with pytest.raises(Untrue, match="signed for something else"):
            case.hand()
        assert case.proofs() == []


@pytest.mark.parametrize("outcome", ["grant", None])
def test_a_registrars_answer_that_a_witness_had_is_compared_and_kept(case: Case, outcome: str | None) -> None:
    case.doors.answer, case.doors.outcome = b"yes", outcome  # type: ignore[assignment]
    told = case.hand()
    kept = case.kept()
    (places,) = case.doors.logged.values()
    assert (told["entry"], told["outcome"]) == (kept.request, kept.outcome) == (places[0], outcome or "pending")
    assert [each.note for each in case.compared] == [case.log.head()]
    assert case.proofs() == [".entry", ".submitted", ".tlog-proof"]


def test_before_a_request_is_signed_for_a_witness_it_is_said_whether_its_commons_lists_the_dataset(case: Case) -> None:
    for away in (False, True):
        case.doors.away = away
        with pytest.raises(Unacknowledged) as told:
            case.hand(at(ALICE), acknowledge=None)
        assert ("nobody has shown that" in told.value.message) == away
    assert case.home.shelf.asks() == []
    case.doors.away = False
    assert case.hand(at(ALICE))["listed"] == case.doors.listed
    case.dataset = case.signed(replace(case.value, terms=replace(case.value.terms, purposes=("research",))))
    for purpose in ("product", None):
        with pytest.raises(Refused, match="do not allow the purpose"):
            case.hand(at(ALICE), purpose=purpose)
    assert len(case.home.shelf.asks()) == 1


@pytest.mark.parametrize("outcome", ["unsent", "refuse"])
@pytest.mark.parametrize("words", [{}, {"details": "else"}, {"purpose": "research"}])
def test_a_request_that_grew_too_old_is_made_anew_with_its_own_words_unless_others_are_said(
    case: Case, monkeypatch: pytest.MonkeyPatch, words: dict[str, str], outcome: str
) -> None:
    """And not those of one that was refused."""
    case.home.shelf.put_ask(replace(case.asked("product", "for my thesis"), outcome=outcome))
    now = time.time() + SKEW
    monkeypatch.setattr(time, "time", lambda: now)
    case.hand(**words)
    own = ("product", "for my thesis") if not words and outcome == "unsent" else ("unstated", None)
    said = (words.get("purpose", own[0]), words.get("details", own[1]))
    assert request.words(case.kept()) == said


# -- what witnesses say ------------------------------------------------------------------------------------------------


def test_what_a_witness_says_is_of_the_log_that_was_asked_about_and_by_who_was_asked() -> None:
    log = Keeper()
    waiting = Waiting(statement=bytes(32), dataset=ids.cid(b"d"), time=5, size=1, tried=None, said="")
    data = envelope.sign(
        complaint.UNLOGGED, Unlogged(commons=log.commons, time=9, after=3, waiting=(waiting,)), WIM.identity
    )
    for source in (at(WIM), "https://wim.example"):
        told = complain.read(data, source, log.log.name)
        assert (told["witness"], told["commons"], told["time"], told["after"]) == (
            WIM.identity.peer, log.commons, 9, 3
        )  # fmt: skip
        assert [row["statement"] for row in told["requests"]] == [bytes(32).hex()]
    for source, origin in ((at(EVE), log.log.name), (at(WIM), "commons/other"), ("https://wim.example", "x")):
        with pytest.raises(Untrue, match="another witness"):
            complain.read(data, source, origin)
