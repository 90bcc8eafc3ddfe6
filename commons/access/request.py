"""Getting a dataset's key: acknowledge the terms, sign the request, check the log's proof, only then open the key."""

from __future__ import annotations

import os
import secrets
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace

from commons.access.anchor import Listed
from commons.core.crypto import codec, envelope, hpke, ids
from commons.core.crypto.envelope import Opened
from commons.core.dataset import terms
from commons.core.dataset.address import is_peer
from commons.core.dataset.manifest import Manifest
from commons.core.state import entries
from commons.core.state.entries import Asked
from commons.core.state.opening import SALT, Field, commit
from commons.core.tlog import note
from commons.core.tlog.checkpoint import Signed
from commons.disk.home import Home
from commons.disk.settings import write_secret
from commons.disk.shelf import OwnRequest
from commons.errors import Malformed, Pending, Refused, TooLarge
from commons.log import answer, registrars
from commons.log.answer import Answer, Checked, Submission
from commons.log.registrars import Incumbent
from commons.log.submit import exchange
from commons.net.network import Network


@dataclass(frozen=True, slots=True, kw_only=True)
class Sent:
    """A request that is in the log: the signed statement, the registrars asked, their answer in exact bytes, and
    verified."""

    said: Opened[Asked]
    registrars: Sequence[str]
    given: bytes
    checked: Checked


def kept_key(home: Home, dataset: Opened[Manifest]) -> bytes | None:
    """The epoch secret (32 bytes) of a dataset where nobody need be asked for it: it is printed in the manifest, the
    dataset is this home's own, or it was given before. None otherwise."""
    value = dataset.value
    if value.key is not None:
        return value.key
    if dataset.signer == home.keys.identity.peer:
        return home.keys.epoch(value.series, value.epoch)
    ask = held(home, value)
    return ask.secret if ask is not None else None


def held(home: Home, value: Manifest) -> OwnRequest | None:
    """This home's request for a dataset's key under these very terms; None if it made none. A damaged one that brought
    no key counts as none: the next takes its place."""
    ask = home.shelf.ask(verifier(value).vkey, value.series, value.epoch, value.terms.digest())
    return ask if ask is not None and (ask.secret is not None or readable(home, ask) is not None) else None


def readable(home: Home, ask: OwnRequest) -> Opened[Asked] | None:
    """The signed statement of a stored request; None where it is damaged."""
    return home.shelf.unread.read("asks", ask.dataset, lambda: said_in(ask))


def is_over(ask: OwnRequest | None) -> bool:
    """Whether the next fetch makes a new request, and so has the terms acknowledged anew."""
    return ask is None or ask.outcome in ("refuse", "revoke", "gone")


def begun(
    home: Home, dataset: Opened[Manifest], acknowledge: str | None, purpose: str, details: str | None
) -> OwnRequest:
    """A new request: its terms acknowledged, signed, and stored before anybody is told of it. Unacknowledged where
    `acknowledge` does not name the licence."""
    terms.acknowledge(dataset.value.terms, acknowledge)
    new = made(home, dataset, purpose, details)
    home.shelf.put_ask(new)
    return new


def words(ask: OwnRequest) -> tuple[str, str | None]:
    """The purpose and the details that a stored request states."""
    details = codec.decode(Submission, ask.submission).details
    return said_in(ask).value.purpose, details.value.decode("utf-8", "replace") if details else None


def made(home: Home, dataset: Opened[Manifest], purpose: str, details: str | None) -> OwnRequest:
    """A new signed request for the key of a dataset, not stored yet. TooLarge for details that are too long."""
    value = dataset.value
    if details is not None and len(details) > entries.DETAILS_LIMIT:
        raise TooLarge(f"the details have {len(details)} characters, at most {entries.DETAILS_LIMIT} are possible")
    nonce = secrets.token_bytes(32)
    free = None if not details else Field(name="details", salt=os.urandom(SALT), value=details.encode())
    said = Asked(
        commons=value.commons,
        dataset=ids.cid(dataset.data),
        terms=value.terms.digest(),
        epoch=value.epoch,
        purpose=terms.check_purpose(purpose),
        details=commit(free.name, free.salt, free.value) if free else None,
        hpke=hpke.public_of(home.keys.hpke_seed(nonce)),
        nonce=nonce,
        time=int(time.time()),
    )
    statement = envelope.sign(entries.REQUEST, said, home.keys.identity)
    return OwnRequest(
        log=verifier(value).vkey,
        series=value.series,
        epoch=value.epoch,
        terms=said.terms,
        dataset=said.dataset,
        submission=codec.encode(Submission(statement=statement, details=free, head=b"")),
    )


async def resubmit(home: Home, net: Network, sources: Sequence[str], listed: Listed, ask: OwnRequest) -> Sent:
    """The verified answer to a stored request that was granted; Pending or Refused where it was not. It is sent for the
    first time or again: whoever asks twice finds the same entry. Where the registrar does not take it, another may keep
    the log by now."""
    value = listed.dataset.value
    try:
        sent = await registrars.asked(home, net, sources, value, lambda found: _send(home, net, sources, ask, found))
    except Malformed:
        if outdated(ask):
            home.shelf.put_ask(replace(ask, outcome="gone"))
        raise
    checked = sent.checked
    home.shelf.put_ask(answered(ask, checked))
    keep_proof(home, ask.dataset, checked)
    if checked.outcome == "pending":
        raise Pending(
            f"request {checked.request} is in the log and waits for a person's decision",
            hint="repeat the same fetch later, or look at `commons status`",
        )
    if checked.outcome != "grant":
        verb = "revoked" if checked.outcome == "revoke" else "refused"
        raise Refused(
            f"request {checked.request} was {verb} at entry {checked.decision}: {checked.words or checked.reason}",
            hint="ask the steward of this dataset; a new fetch makes a new request",
        )
    return sent


async def _send(home: Home, net: Network, sources: Sequence[str], ask: OwnRequest, registrar: Incumbent) -> Sent:
    with registrars.recourse():
        reached = registrars.addresses(registrar, sources)
    submission, said, found = codec.decode(Submission, ask.submission), said_in(ask), list[Checked]()

    def check(got: Answer, head: bytes) -> Signed:
        found.append(answer.check(got, said, registrar.log, head, registrar.stewards))
        return found[0].head

    def met(source: str) -> None:
        if is_peer(source):
            home.shelf.add_peer(source)  # whom a later command asks again

    with registrars.recourse():
        given, _ = await exchange(
            home,
            net,
            registrar.log,
            reached,
            f"/{said.value.commons}/entries",
            what="an answer to the request",
            body=lambda head: codec.encode(replace(submission, head=head)),
            check=check,
            met=met,
        )
    return Sent(said=said, registrars=reached, given=given, checked=found[0])


def unsent(ask: OwnRequest, purpose: str, details: str | None) -> str:
    """A sentence for whoever repeats a request with another purpose or other details: those were not sent. "" for the
    same words, or none."""
    first, because = words(ask)
    if purpose in ("unstated", first) and details in (None, because):
        return ""
    also = f" and the details {because!r}" if because else " and without details"
    return f"it was made with the purpose {first}{also}: the words given now were not sent"


def outdated(ask: OwnRequest) -> bool:
    """Whether a request that was never sent is too old for the log by now, so that a new one has to be signed."""
    return ask.outcome == "unsent" and abs(time.time() - said_in(ask).value.time) > answer.SKEW // 2


def said_in(ask: OwnRequest) -> Opened[Asked]:
    """The signed statement of a stored request. Malformed or Untrue where it is damaged."""
    return envelope.open(entries.REQUEST, Asked, codec.decode(Submission, ask.submission).statement)


def keep_proof(home: Home, dataset: str, checked: Checked) -> None:
    """Nothing: writes the last entry of an answer, and the tlog-proof that it is in the log, into the home's
    `proofs/`."""
    name = f"{dataset}-{checked.request if checked.decision is None else checked.decision}"
    write_secret(home.path / "proofs" / f"{name}.tlog-proof", checked.proof.decode())
    write_secret(home.path / "proofs" / f"{name}.entry", checked.entry.hex() + "\n")


def answered(ask: OwnRequest, checked: Checked) -> OwnRequest:
    """The stored request with what its answer says: where it is in the log, and what was decided, and why."""
    return replace(ask, request=checked.request, outcome=checked.outcome, reason=checked.words or checked.reason)


def forget_key(home: Home, value: Manifest) -> None:
    """Nothing: the home forgets a released key that does not open the dataset, so that the next fetch asks again."""
    ask = held(home, value)
    if ask is not None:
        home.shelf.put_ask(replace(ask, secret=None))


def verifier(value: Manifest) -> note.Verifier:
    """The key of the log that a dataset is accounted in, as its manifest says. By now another may be in force: see
    `log.registrars`."""
    return note.Verifier(name=f"commons/{value.commons}", public=value.log_key)
