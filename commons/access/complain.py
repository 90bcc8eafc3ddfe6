"""What a requester can do when the registrar does not answer: hand a signed request to a witness, and read what
witnesses say of such requests. Knows nothing of how a witness keeps them."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from typing import Any

from commons.access import anchor, request
from commons.core.crypto import codec, envelope
from commons.core.crypto.envelope import Opened
from commons.core.dataset import address, terms
from commons.core.dataset.address import is_peer, peer_of
from commons.core.dataset.manifest import Manifest
from commons.core.state import complaint, entries
from commons.core.state.complaint import Handed, Submitted, Taken, Unlogged
from commons.core.tlog import note
from commons.core.tlog.checkpoint import Signed
from commons.core.tlog.note import Verifier
from commons.disk.home import Home
from commons.disk.settings import write_secret
from commons.disk.shelf import OwnRequest
from commons.errors import Conflict, Unacknowledged, Untrue
from commons.log import answer, evidence, registrars
from commons.log.answer import SKEW, Answer, Submission
from commons.net.network import Network

TAKEN = 64 << 10  # bytes of a witness's answer
Compare = Callable[[Verifier, Signed], Awaitable[None]]


async def submit(
    home: Home,
    net: Network,
    dataset: Opened[Manifest],
    witness: str,
    sources: Sequence[str],
    acknowledge: str | None,
    purpose: str | None,
    details: str | None,
    compare: Compare,
) -> dict[str, Any]:
    """What became of this home's request for a dataset, handed to a witness of its log because the registrar does not
    answer: plain values, with `entry` where the log holds the request already. What the witness signs is kept beside
    the proofs, and so is the registrar's answer, if the witness has one by now.

    Conflict if the log holds it already, or its key is here. Where there is no request yet, or it is too old to be
    logged, one is `signed`. The order: the request is stored (if it is a new one), then sent; what comes back is
    verified, then kept. A crash anywhere repeats the same request.
    """
    value, ask = dataset.value, request.held(home, dataset.value)
    if request.kept_key(home, dataset) is not None:
        raise Conflict("the key of this dataset is here: nobody is asked for it", hint="`commons fetch` goes on")
    listed: dict[str, Any] = {"unsent": ""}
    if ask is None or request.outdated(ask) or request.is_over(ask):
        ask, listed = await signed(home, net, dataset, sources, acknowledge, purpose, details)
    elif ask.request is not None:
        raise Conflict(f"this request is in the log already, at entry {ask.request}", hint="`commons fetch` goes on")
    else:
        listed["unsent"] = request.unsent(ask, purpose or "unstated", details)
    submission = codec.decode(Submission, ask.submission)
    registrar = registrars.known(home, value)
    near = address.is_loopback(witness)  # what is on this machine means something to a witness on it alone
    reached = [each for each in registrar.among(sources) if near or not address.is_loopback(each)][: complaint.SOURCES]
    body = Handed(statement=submission.statement, details=submission.details, sources=tuple(reached))
    got = await net.post(witness, f"/{value.commons}/submitted", codec.encode(body), limit=TAKEN)
    taken, said = codec.decode(Taken, got, TAKEN), request.said_in(ask)
    acknowledged = envelope.open(complaint.SUBMITTED, Submitted, taken.acknowledged)
    words, digest = acknowledged.value, entries.statement_digest(said.data)
    if (
        acknowledged.signer != peer_of(witness)
        or abs(words.time - said.value.time) > SKEW
        or (words.commons, words.dataset, words.statement) != (said.value.commons, said.value.dataset, digest)
    ):
        raise Untrue("the witness signed for something else than was handed to it", hint="hand it to another one")
    name = f"{ask.dataset[:16]}-{digest.hex()[:8]}-{acknowledged.signer[-8:]}.submitted"
    write_secret(home.path / "proofs" / name, acknowledged.data.hex() + "\n")
    told = {
        "dataset": ask.dataset,
        "witness": acknowledged.signer,
        "statement": digest.hex(),
        "time": words.time,
        "entry": None,
        "outcome": "unsent",
        **listed,
    }
    if taken.answer is None:
        return told
    checked = answer.check(codec.decode(Answer, taken.answer, TAKEN), said, registrar.log, b"", registrar.stewards)
    # with the head that this home trusts: the witness's answer begins elsewhere
    await compare(registrar.log, checked.head)
    request.keep_proof(home, ask.dataset, checked)
    home.shelf.put_ask(replace(ask, request=checked.request, outcome=checked.outcome, reason=checked.reason))
    return {**told, "entry": checked.request, "outcome": checked.outcome}


async def signed(
    home: Home,
    net: Network,
    dataset: Opened[Manifest],
    sources: Sequence[str],
    acknowledge: str | None,
    purpose: str | None,
    details: str | None,
) -> tuple[OwnRequest, dict[str, Any]]:
    """A new request, stored, and what could be proven of its dataset by then: `fetch` signs none before its commons is
    seen to list it. Without a purpose and details, those of the request that grew too old.

    The order: what nobody shows is found out; the terms are acknowledged, by who was told that; then it is signed.
    Untrue, NotFound and SplitView where it is shown not to be so, Refused for a purpose that the terms do not allow.
    """
    value = dataset.value
    ask = request.held(home, value)
    if ask is not None and not request.is_over(ask) and (purpose, details) == (None, None):
        purpose, details = request.words(ask)
    purpose = terms.check_purpose(purpose or "unstated")
    terms.check_allowed(value.terms, purpose)
    with evidence.watching(home, registrars.known(home, value).log.vkey):
        listed = await anchor.heard(home, net, sources, dataset)
    try:
        return request.begun(home, dataset, acknowledge, purpose, details), {**listed, "unsent": ""}
    except Unacknowledged as error:
        if listed["listed"] is not None:
            raise
        unproven = f"nobody has shown that {value.commons} lists it: {listed['unlisted']}"
        raise Unacknowledged(f"{error.message}; {unproven}", hint=error.hint) from error


async def published(net: Network, source: str, origin: str) -> dict[str, Any]:
    """What the witness at `source` says was handed to it and is not in the log `origin`, verified, as plain values.
    NotFound, Untrue, Malformed."""
    note.check_name(origin)
    return read(await net.get(source, complaint.path(origin), limit=codec.LIMIT), source, origin)


def read(data: bytes, source: str, origin: str) -> dict[str, Any]:
    """The witness's signed words in `data`, verified, as plain values; Untrue unless they are of the log `origin`, and
    by the peer at `source`."""
    opened = envelope.open(complaint.UNLOGGED, Unlogged, data)
    if f"commons/{opened.value.commons}" != origin or (is_peer(source) and peer_of(source) != opened.signer):
        raise Untrue(f"{source} shows what another witness says, or says of another log")
    return {
        "witness": opened.signer,
        "commons": opened.value.commons,
        "time": opened.value.time,
        "after": opened.value.after,
        "requests": [
            {
                "statement": each.statement.hex(),
                "dataset": each.dataset,
                "time": each.time,
                "size": each.size,
                "tried": each.tried,
                "said": each.said,
            }
            for each in opened.value.waiting
        ],
    }
