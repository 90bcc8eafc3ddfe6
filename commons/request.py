"""Getting a dataset's key: acknowledge the terms, sign the request, check the log's proof, only then open the key."""

from __future__ import annotations

import asyncio
import contextlib
import os
import secrets
import time
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from commons import forks, quorum
from commons.core import answer, codec, entries, envelope, ids, note, release, terms
from commons.core.answer import Answer, Checked, Submission
from commons.core.entries import Asked, Received
from commons.core.envelope import Opened
from commons.core.manifest import Manifest
from commons.core.opening import SALT, Field, commit
from commons.core.reference import peer_of
from commons.disk.home import Home, write_secret
from commons.disk.shelf import Ask
from commons.errors import (
    CommonsError,
    Conflict,
    Gone,
    Malformed,
    NotFound,
    Pending,
    Refused,
    TimedOut,
    TooLarge,
    TooMany,
    Unreachable,
)
from commons.sources import Network, first, is_peer

ANSWER_LIMIT = 256 << 10  # bytes
WAITS = (0.1, 0.2, 0.4, 0.8, 1.6)  # seconds between asking again for a key that waits for witnesses


async def key(
    home: Home, net: Network, sources: Sequence[str], dataset: Opened[Manifest], *,
    acknowledge: str | None, purpose: str, details: str | None,
) -> bytes:  # fmt: skip
    """The epoch secret (32 bytes) of a dataset: from the manifest, from this home, or from its registrar by request.

    Unacknowledged, Pending, Refused, Unreachable, Untrue, SplitView. The order: the terms are acknowledged; the request
    is stored, then sent; the answer is checked against the last head this home trusts; the head is advanced and the
    proof kept; only then the key is asked for, opened and stored. A crash anywhere repeats the same request.
    """
    value = dataset.value
    if (kept := kept_key(home, dataset)) is not None:
        return kept
    ask = held(home, value)

    def begin() -> Ask:
        terms.acknowledge(value.terms, acknowledge)
        new = _ask(home, dataset, purpose, details)
        home.shelf.put_ask(new)
        return new

    fresh = is_over(ask)
    if ask is None or fresh:
        ask = begin()
    try:
        checked, registrars, said = await resubmit(home, net, sources, value, ask)
    except Malformed:
        if fresh or not _outdated(ask):
            raise
        ask = begin()  # a crash came before the old one was sent, and by now it is too old to enter the log
        checked, registrars, said = await resubmit(home, net, sources, value, ask)
    ask = _answered(ask, checked)
    secret = await _release(home, net, registrars, value, ask, said, checked)
    home.shelf.put_ask(replace(ask, secret=secret))
    return secret


def kept_key(home: Home, dataset: Opened[Manifest]) -> bytes | None:
    """The epoch secret (32 bytes) where nobody need be asked: printed in the manifest, this home's own, or given."""
    value = dataset.value
    if value.key is not None:
        return value.key
    if dataset.signer == home.keys.identity.peer:
        return home.keys.epoch(value.series, value.epoch)
    ask = held(home, value)
    return ask.secret if ask is not None else None


def held(home: Home, value: Manifest) -> Ask | None:
    """This home's request for a dataset's key, if it made one under these very terms."""
    return home.shelf.ask(verifier(value).vkey, value.series, value.epoch, value.terms.digest())


def is_over(ask: Ask | None) -> bool:
    """Whether the next fetch makes a new request, and so has the terms acknowledged anew."""
    return ask is None or ask.outcome in ("refuse", "revoke", "gone")


def _ask(home: Home, dataset: Opened[Manifest], purpose: str, details: str | None) -> Ask:
    value = dataset.value
    if details is not None and len(details) > entries.DETAILS_LIMIT:
        raise TooLarge(f"the details have {len(details)} characters, at most {entries.DETAILS_LIMIT} are possible")
    nonce = secrets.token_bytes(32)
    free = None if not details else Field(name="details", salt=os.urandom(SALT), value=details.encode())
    said = Asked(
        commons=value.commons, dataset=ids.cid(dataset.data), terms=value.terms.digest(), epoch=value.epoch,
        purpose=terms.check_purpose(purpose), details=commit(free.name, free.salt, free.value) if free else None,
        hpke=release.public_of(home.keys.hpke_seed(nonce)), nonce=nonce, time=int(time.time()),
    )  # fmt: skip
    statement = envelope.sign(entries.REQUEST, said, home.keys.identity)
    return Ask(
        log=verifier(value).vkey, series=value.series, epoch=value.epoch, terms=said.terms, dataset=said.dataset,
        submission=codec.encode(Submission(statement=statement, details=free, head=b"")),
    )  # fmt: skip


async def resubmit(
    home: Home, net: Network, sources: Sequence[str], value: Manifest, ask: Ask
) -> tuple[Checked, list[str], Opened[Asked]]:
    """Send a stored request, for the first time or again: whoever asks twice finds the same entry."""
    registrars = _registrars(sources, value)
    if not registrars:
        raise Unreachable(
            f"no address is known of {value.registrar}, who answers requests for this dataset",
            hint="name one with --from ADDRESS, or `commons peer add ADDRESS`",
        )
    said = _said(ask)
    with forks.watching(home, verifier(value).vkey):
        return await _submit(home, net, registrars, value, ask, said), registrars, said


def _outdated(ask: Ask) -> bool:
    return ask.outcome == "unsent" and abs(time.time() - _said(ask).value.time) > answer.SKEW // 2


def _said(ask: Ask) -> Opened[Asked]:
    return envelope.open(entries.REQUEST, Asked, codec.decode(Submission, ask.submission).statement)


def _registrars(sources: Sequence[str], value: Manifest) -> list[str]:
    return [source for source in sources if is_peer(source) and peer_of(source) == value.registrar]


async def _submit(
    home: Home, net: Network, registrars: Sequence[str], value: Manifest, ask: Ask, said: Opened[Asked]
) -> Checked:
    """The checked answer of a granted request; Pending or Refused otherwise. Sent again, it finds the same entry."""
    try:
        checked = await _send(home, net, registrars, value, ask.submission, said)
    except Malformed:
        if _outdated(ask):
            home.shelf.put_ask(replace(ask, outcome="gone"))
        raise
    home.shelf.put_ask(_answered(ask, checked))
    name = f"{ask.dataset[:16]}-{checked.request if checked.decision is None else checked.decision}"
    write_secret(home.path / "proofs" / f"{name}.tlog-proof", checked.proof.decode())
    write_secret(home.path / "proofs" / f"{name}.entry", checked.entry.hex() + "\n")
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
    return checked


def _answered(ask: Ask, checked: Checked) -> Ask:
    return replace(ask, request=checked.request, outcome=checked.outcome, reason=checked.words or checked.reason)


async def _send(
    home: Home, net: Network, registrars: Sequence[str], value: Manifest, submission: bytes, said: Opened[Asked]
) -> Checked:
    log = verifier(value)
    old = home.shelf.head(log.vkey) or b""
    body = codec.encode(replace(codec.decode(Submission, submission), head=old))

    async def ask(source: str) -> bytes:
        got = await net.post(source, f"/{value.commons}/entries", body, limit=ANSWER_LIMIT)
        home.shelf.add_peer(source)  # whom a later command asks again
        return got

    got = await first(registrars, "an answer to the request", ask)
    checked = answer.check(codec.decode(Answer, got, ANSWER_LIMIT), said, log, old, value.registrar)
    advance(home, log.vkey, old, checked.head.note)
    return checked


def advance(home: Home, log: str, old: bytes, new: bytes) -> None:
    """Trust a head of the log with this vkey, proven to extend `old`. Conflict if another command was faster."""
    if new != old and not home.shelf.advance(log, old or None, new):
        raise Conflict("another command fetched from the same commons at this moment", hint="repeat this one")


async def _release(
    home: Home, net: Network, registrars: Sequence[str], value: Manifest, ask: Ask, said: Opened[Asked],
    checked: Checked,
) -> bytes:  # fmt: skip
    """The key, opened only after the grant is seen to be witnessed as the charter asks. Pending while witnesses are
    missing: they are given some seconds here, and the same command can be repeated."""
    bound = release.Bound(
        commons=said.value.commons, dataset=said.value.dataset, epoch=said.value.epoch, requester=said.signer,
        request=checked.request, decision=checked.request if checked.decision is None else checked.decision,
    )  # fmt: skip

    async def get(source: str) -> bytes:
        sealed = await net.post(source, f"/{said.value.commons}/release", said.data, limit=4096)
        await quorum.check(net, source, value, verifier(value), checked)
        return release.open(sealed, home.keys.hpke_seed(said.value.nonce), bound)

    try:
        for wait in WAITS:
            with contextlib.suppress(Pending):
                return await first(registrars, "the key", get)
            await asyncio.sleep(wait)
        return await first(registrars, "the key", get)
    except (Gone, Refused, NotFound) as error:  # revoked or expired meanwhile: the next fetch asks anew
        home.shelf.put_ask(replace(ask, outcome="gone", reason=error.message[:200]))
        raise


def forget_key(home: Home, value: Manifest) -> None:
    """A released key that opens nothing is no key."""
    ask = held(home, value)
    if ask is not None:
        home.shelf.put_ask(replace(ask, secret=None))


def verifier(value: Manifest) -> note.Verifier:
    """The key of the log this dataset is accounted in."""
    return note.Verifier(name=f"commons/{value.commons}", public=value.log_key)


async def receipt(
    home: Home, net: Network, sources: Sequence[str], dataset: Opened[Manifest], ask: Ask
) -> dict[str, Any]:  # fmt: skip
    """Owe the log a signed receipt, then pay it. What cannot be delivered now stays owed."""
    value = dataset.value
    if ask.receipt is None and ask.request is not None:
        said = Received(
            commons=value.commons, request=ask.request, dataset=ask.dataset, files=value.files, size=value.size,
            time=int(time.time()),
        )  # fmt: skip
        ask = replace(ask, receipt=envelope.sign(entries.RECEIPT, said, home.keys.identity), outcome="fetched")
        home.shelf.put_ask(ask)
    elif ask.outcome == "receipted" or ask.receipt is None:
        return {"receipt": "none is owed"}
    return await deliver(home, net, sources, value, ask)


async def deliver(home: Home, net: Network, sources: Sequence[str], value: Manifest, ask: Ask) -> dict[str, Any]:
    statement = ask.receipt or b""
    said = envelope.open(entries.RECEIPT, Received, statement)
    log = verifier(value)
    old = home.shelf.head(log.vkey) or b""
    body = codec.encode(Submission(statement=statement, details=None, head=old))
    registrars = _registrars(sources, value)

    async def send(source: str) -> bytes:
        return await net.post(source, f"/{value.commons}/entries", body, limit=ANSWER_LIMIT)

    try:
        with forks.watching(home, log.vkey):
            got = await first(registrars, "an answer to the receipt", send)
            shown = codec.decode(Answer, got, ANSWER_LIMIT)
            head = answer.check_receipt(shown, said, log, old)
        advance(home, log.vkey, old, head.note)
    except CommonsError as error:
        if isinstance(error, (Unreachable, TimedOut, TooMany, Conflict)):  # the files are here; the next command tries
            return {"receipt": "owed", "why": error.message}
        raise
    home.shelf.put_ask(replace(ask, outcome="receipted"))
    return {"receipt": "logged", "entry": shown.shown[0].index}
