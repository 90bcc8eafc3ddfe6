"""Getting the key of a dataset: the request in the log, the answer checked, and then the key, from the registrar or
from custodians. Knows nothing of files."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from typing import TypeVar

from commons.access import anchor, release, request
from commons.core.crypto import ids
from commons.core.crypto.envelope import Opened
from commons.core.dataset import rule, terms
from commons.core.dataset.manifest import Manifest
from commons.custody import client, followed, sharing, successors
from commons.disk.home import Home
from commons.disk.settings import write_secret
from commons.disk.shelf import OwnRequest
from commons.errors import CommonsError, Gone, Malformed, NotFound, Pending, Refused
from commons.log import evidence, registrars, replica, withdrawal
from commons.log.answer import Checked
from commons.net.network import Network, first
from commons.witness import quorum

T = TypeVar("T")

WAITS = (0.1, 0.2, 0.4, 0.8, 1.6)  # seconds between asking again for a key that waits for witnesses


async def key(
    home: Home,
    net: Network,
    sources: Sequence[str],
    dataset: Opened[Manifest],
    *,
    acknowledge: str | None,
    purpose: str,
    details: str | None,
) -> bytes:
    """The epoch secret (32 bytes) of a dataset: from the manifest, from this home, or from its registrar by request.

    Unacknowledged, Pending, Refused, Unreachable, Untrue, SplitView. The order: the terms are acknowledged; its commons
    is seen to list the dataset; the request is signed and stored, then sent; the answer is checked against the last
    head this home trusts; the head is advanced and the proof kept; only then the key is asked for, opened and stored.
    A crash anywhere repeats the same request.
    """
    if (kept := request.kept_key(home, dataset)) is not None:
        return kept
    with evidence.recording(home, registrars.known(home, dataset.value).log.vkey):
        return await _by_request(home, net, sources, dataset, acknowledge, purpose, details)


async def _by_request(
    home: Home,
    net: Network,
    sources: Sequence[str],
    dataset: Opened[Manifest],
    acknowledge: str | None,
    purpose: str,
    details: str | None,
) -> bytes:
    value = dataset.value
    ask = request.held(home, value)

    def begin() -> OwnRequest:
        return request.begun(home, dataset, acknowledge, purpose, details)

    fresh = request.is_over(ask)
    if fresh:
        terms.acknowledge(value.terms, acknowledge)
        await _check_hope(home, net, sources, dataset, purpose)
    with registrars.recourse(registrars.UNSIGNED if fresh else registrars.RECOURSE):
        listed = await anchor.check(home, net, sources, dataset)
    if fresh:
        await withdrawal.check(home, net, sources, value, ids.cid(dataset.data))
    if ask is None or fresh:
        ask = begin()
    try:
        sent = await request.resubmit(home, net, sources, listed, ask)
    except Malformed:
        if fresh or not request.outdated(ask):
            raise
        ask = begin()  # a crash came before the old one was sent, and by now it is too old to enter the log
        sent = await request.resubmit(home, net, sources, listed, ask)
    except Pending as error:
        if other := request.unsent(ask, purpose, details):
            hint = f"ask the steward to refuse it: the next fetch then asks with new words; or {error.hint}"
            raise Pending(f"{error.message}; {other}", hint=hint) from error
        raise
    ask = request.answered(ask, sent.checked)
    if value.custody is None:
        secret = await _release(home, net, value, ask, sent)
    else:
        secret = await _from_custodians(home, net, sources, dataset, ask, sent, value.custody)
    log = registrars.known(home, value).log
    evidence.check_whole(home.shelf, log.vkey)  # proven meanwhile, perhaps, by somebody this node talked to
    home.shelf.put_ask(replace(ask, secret=secret))
    return secret


async def _check_hope(
    home: Home, net: Network, sources: Sequence[str], dataset: Opened[Manifest], purpose: str
) -> None:
    """Before a signature, since a refusal stays in the log for ever: Refused for a purpose that the terms do not
    allow, for who is not on the list of the rule, and for who is no member where it is for members."""
    value, me = dataset.value, home.keys.identity.peer
    terms.check_allowed(value.terms, purpose)
    if value.rule.kind not in ("allow-list", "members") or me in value.rule.peers:
        return
    state = await registrars.fold(home, net, sources, value)
    found = state.datasets.get(ids.cid(dataset.data)) if state is not None else None
    access = value.rule if found is None else found.rule  # members may have widened that of the manifest
    if state is None and access.kind == "members":
        return  # who is one, its log alone tells
    colleges = state.community.colleges_of(me) if state is not None and state.community is not None else ()
    verdict = rule.decide(access, me, value.terms.purposes, purpose, colleges)
    if verdict.outcome == "refuse":
        whom = (
            f"members of {access.college}"
            if access.college
            else "members"
            if access.kind == "members"
            else "those listed"
        )
        how = "list you" if access.kind == "allow-list" else "let a member invite you"
        raise Refused(
            f"this dataset is for {whom}, and you are not among them ({verdict.reason}): nothing was sent",
            hint=f"ask who published it to {how}: your peer id is {me}",
        )


async def _release(home: Home, net: Network, value: Manifest, ask: OwnRequest, sent: request.Sent) -> bytes:
    """The key, opened only after the grant is seen to be witnessed as the charter asks."""
    said, checked = sent.said, sent.checked
    bound = release.Bound(
        commons=said.value.commons,
        dataset=said.value.dataset,
        epoch=said.value.epoch,
        requester=said.signer,
        request=checked.request,
        decision=checked.request if checked.decision is None else checked.decision,
    )

    async def get(source: str) -> bytes:
        sealed = await net.post(source, f"/{said.value.commons}/release", said.data, limit=4096)
        head = await quorum.check(
            replica.of(home, value.commons), net, source, value, registrars.known(home, value).log, checked
        )
        await _keep(home, net, source, value, ask, checked, head)
        return release.open(sealed, home.keys.hpke_seed(said.value.nonce), bound)

    return await _patiently(home, ask, lambda: first(sent.registrars, "the key", get))


async def _from_custodians(
    home: Home,
    net: Network,
    sources: Sequence[str],
    dataset: Opened[Manifest],
    ask: OwnRequest,
    sent: request.Sent,
    signed: bytes,
) -> bytes:
    """The key, from enough of those who keep its shares, each of whom decides by themself. What each signed is kept
    beside the proofs: a release that the log does not bear out convicts its signer."""
    value, said = dataset.value, sent.said
    root = sharing.open_sharing(signed)
    sharing.check_sharing(
        root, dataset.signer, value.commons, value.series, value.epoch, value.terms.digest(), value.rule
    )
    me = home.keys.identity.peer
    known = followed.addresses(root.value.parsed(), sources, me)

    async def witnessed(source: str) -> bytes:
        head = await quorum.shown(
            replica.of(home, value.commons), net, source, value, registrars.known(home, value).log, sent.checked
        )
        await _keep(home, net, source, value, ask, sent.checked, head)
        return head

    async def gathered() -> client.GatheredShares:
        head = await first(sent.registrars, "a witnessed head", witnessed)
        seed = home.keys.hpke_seed(said.value.nonce)
        try:
            return await client.gather(net, known, root, said, sent.given, sent.checked, head, seed)
        except Pending:
            raise
        except CommonsError as error:  # they may have been replaced, and passed on what they kept
            later = await successors.addresses(
                replica.of(home, value.commons), net, sent.registrars, sources, value, sent.checked.head,
                root.value.policy, me,
            )  # fmt: skip
            if not later:
                raise
            with successors.after(error):
                return await client.gather(net, later, root, said, sent.given, sent.checked, head, seed)

    found = await _patiently(home, ask, gathered, (Gone,))  # what single custodians refuse, the log still grants
    for peer, parts in found.given.items():
        for part in parts:
            # By what it is, and not by the custodian's name for it, which others chose.
            digest = hashlib.sha256(part.released.data).hexdigest()[:8]
            name = f"{ask.dataset[:16]}-{sent.checked.request}-{peer[-8:]}-{digest}.release"
            write_secret(home.path / "proofs" / name, part.released.data.hex() + "\n")
    return found.secret


async def _keep(
    home: Home, net: Network, source: str, value: Manifest, ask: OwnRequest, checked: Checked, head: bytes
) -> None:
    """Keep the proof under the head that the witnesses signed in place of the one under the registrar's alone, which
    stays where the source does not give what it takes."""
    if head != checked.head.note:
        with contextlib.suppress(CommonsError):
            proof = await quorum.proven(net, source, value, registrars.known(home, value).log, checked, head)
            request.keep_proof(home, ask.dataset, replace(checked, proof=proof))


async def _patiently(
    home: Home,
    ask: OwnRequest,
    get: Callable[[], Awaitable[T]],
    over: tuple[type[CommonsError], ...] = (Gone, Refused, NotFound),
) -> T:
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
