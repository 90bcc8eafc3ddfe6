"""Getting a dataset's key: acknowledge the terms, sign the request, check the log's proof, only then open the key."""

from __future__ import annotations

import asyncio
import contextlib
import os
import secrets
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace
from typing import TypeVar

from commons import custody, forks, keeping, quorum, successors
from commons.core import answer, codec, entries, envelope, hpke, ids, note, release, terms
from commons.core import custody as shared
from commons.core.answer import Answer, Checked, Submission
from commons.core.entries import Asked
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
    TooLarge,
    Unreachable,
)
from commons.sources import HERE, Network, first, is_peer

T = TypeVar("T")

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
        sent = await resubmit(home, net, sources, value, ask)
    except Malformed:
        if fresh or not _outdated(ask):
            raise
        ask = begin()  # a crash came before the old one was sent, and by now it is too old to enter the log
        sent = await resubmit(home, net, sources, value, ask)
    ask = _answered(ask, sent.checked)
    if value.custody is None:
        secret = await _release(home, net, value, ask, sent)
    else:
        secret = await _from_custodians(home, net, sources, dataset, ask, sent, value.custody)
    home.shelf.put_ask(replace(ask, secret=secret))
    return secret


@dataclass(frozen=True, slots=True, kw_only=True)
class Sent:
    """A request that is in the log: the statement, the registrars asked, their answer in exact bytes, and checked."""

    said: Opened[Asked]
    registrars: Sequence[str]
    given: bytes
    checked: Checked


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
        hpke=hpke.public_of(home.keys.hpke_seed(nonce)), nonce=nonce, time=int(time.time()),
    )  # fmt: skip
    statement = envelope.sign(entries.REQUEST, said, home.keys.identity)
    return Ask(
        log=verifier(value).vkey, series=value.series, epoch=value.epoch, terms=said.terms, dataset=said.dataset,
        submission=codec.encode(Submission(statement=statement, details=free, head=b"")),
    )  # fmt: skip


async def resubmit(
    home: Home, net: Network, sources: Sequence[str], value: Manifest, ask: Ask
) -> Sent:  # fmt: skip
    """Send a stored request, for the first time or again: whoever asks twice finds the same entry."""
    registrars = registrars_of(sources, value, home.keys.identity.peer)
    if not registrars:
        raise Unreachable(
            f"no address is known of {value.registrar}, who answers requests for this dataset",
            hint="name one with --from ADDRESS, or `commons peer add ADDRESS`",
        )
    said = _said(ask)
    with forks.watching(home, verifier(value).vkey):
        return await _submit(home, net, registrars, value, ask, said)


def _outdated(ask: Ask) -> bool:
    return ask.outcome == "unsent" and abs(time.time() - _said(ask).value.time) > answer.SKEW // 2


def _said(ask: Ask) -> Opened[Asked]:
    return envelope.open(entries.REQUEST, Asked, codec.decode(Submission, ask.submission).statement)


def registrars_of(sources: Sequence[str], value: Manifest, me: str) -> list[str]:
    """Where who answers requests is reached; of a log that this home (`me`) keeps itself, here."""
    if value.registrar == me:
        return [HERE]
    return [source for source in sources if is_peer(source) and peer_of(source) == value.registrar]


async def _submit(
    home: Home, net: Network, registrars: Sequence[str], value: Manifest, ask: Ask, said: Opened[Asked]
) -> Sent:  # fmt: skip
    """The checked answer of a granted request; Pending or Refused otherwise. Sent again, it finds the same entry."""
    try:
        given, checked = await _send(home, net, registrars, value, ask.submission, said)
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
    return Sent(said=said, registrars=registrars, given=given, checked=checked)


def _answered(ask: Ask, checked: Checked) -> Ask:
    return replace(ask, request=checked.request, outcome=checked.outcome, reason=checked.words or checked.reason)


async def _send(
    home: Home, net: Network, registrars: Sequence[str], value: Manifest, submission: bytes, said: Opened[Asked]
) -> tuple[bytes, Checked]:
    log = verifier(value)
    old = home.shelf.head(log.vkey) or b""
    body = codec.encode(replace(codec.decode(Submission, submission), head=old))

    async def ask(source: str) -> bytes:
        got = await net.post(source, f"/{value.commons}/entries", body, limit=ANSWER_LIMIT)
        if is_peer(source):
            home.shelf.add_peer(source)  # whom a later command asks again
        return got

    got = await first(registrars, "an answer to the request", ask)
    checked = answer.check(codec.decode(Answer, got, ANSWER_LIMIT), said, log, old, value.registrar)
    advance(home, log.vkey, old, checked.head.note)
    return got, checked


def advance(home: Home, log: str, old: bytes, new: bytes) -> None:
    """Trust a head of the log with this vkey, proven to extend `old`. Conflict if another command was faster."""
    if new != old and not home.shelf.advance(log, old or None, new):
        raise Conflict("another command fetched from the same commons at this moment", hint="repeat this one")


async def _release(home: Home, net: Network, value: Manifest, ask: Ask, sent: Sent) -> bytes:
    """The key, opened only after the grant is seen to be witnessed as the charter asks."""
    said, checked = sent.said, sent.checked
    bound = release.Bound(
        commons=said.value.commons, dataset=said.value.dataset, epoch=said.value.epoch, requester=said.signer,
        request=checked.request, decision=checked.request if checked.decision is None else checked.decision,
    )  # fmt: skip

    async def get(source: str) -> bytes:
        sealed = await net.post(source, f"/{said.value.commons}/release", said.data, limit=4096)
        await quorum.check(net, source, value, verifier(value), checked)
        return release.open(sealed, home.keys.hpke_seed(said.value.nonce), bound)

    return await _patiently(home, ask, lambda: first(sent.registrars, "the key", get))


async def _from_custodians(
    home: Home, net: Network, sources: Sequence[str], dataset: Opened[Manifest], ask: Ask, sent: Sent, sharing: bytes
) -> bytes:
    """The key, from enough of those who keep its shares, each of whom decides by themself. What each signed is kept
    beside the proofs: a release that the log does not bear out convicts its signer."""
    value, said = dataset.value, sent.said
    root = shared.open_sharing(sharing)
    shared.check_sharing(
        root, dataset.signer, value.commons, value.series, value.epoch, value.terms.digest(), value.rule
    )
    me = home.keys.identity.peer
    known = keeping.addresses(root.value.parsed(), sources, me)

    async def witnessed(source: str) -> bytes:
        return await quorum.shown(net, source, value, verifier(value), sent.checked)

    async def gathered() -> custody.Gathered:
        head = await first(sent.registrars, "a witnessed head", witnessed)
        seed = home.keys.hpke_seed(said.value.nonce)
        try:
            return await custody.gather(net, known, root, said, sent.given, sent.checked, head, seed)
        except Pending:
            raise
        except CommonsError as error:  # they may have been replaced, and passed on what they kept
            later = await successors.addresses(
                net, sent.registrars, sources, value, sent.checked.head, root.value.policy, me
            )  # fmt: skip
            if not later:
                raise
            with successors.after(error):
                return await custody.gather(net, later, root, said, sent.given, sent.checked, head, seed)

    found = await _patiently(home, ask, gathered, (Gone,))  # what single custodians refuse, the log still grants
    for peer, parts in found.given.items():
        for part in parts:
            name = f"{ask.dataset[:16]}-{sent.checked.request}-{peer[-8:]}-{part.name}.release"
            write_secret(home.path / "proofs" / name, part.released.data.hex() + "\n")
    return found.secret


async def _patiently(
    home: Home, ask: Ask, get: Callable[[], Awaitable[T]],
    over: tuple[type[CommonsError], ...] = (Gone, Refused, NotFound),
) -> T:  # fmt: skip
    """Pending while witnesses are missing: they are given some seconds here, and the same command can be repeated.
    After an error that says that it is `over` the next fetch asks anew."""
    try:
        for wait in WAITS:
            with contextlib.suppress(Pending):
                return await get()
            await asyncio.sleep(wait)
        return await get()
    except over as error:  # revoked or expired meanwhile
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
