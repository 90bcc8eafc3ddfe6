"""What a requester can do when the registrar does not answer: hand the signed request to a witness, and read what
witnesses say of such requests. Knows nothing of how a witness keeps them."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from typing import Any

from commons import registrar, request
from commons.core import address, answer, codec, entries, envelope, note, plea
from commons.core.address import is_peer, peer_of
from commons.core.answer import SKEW, Answer, Submission
from commons.core.checkpoint import Signed
from commons.core.envelope import Opened
from commons.core.manifest import Manifest
from commons.core.note import Verifier
from commons.core.plea import Handed, Submitted, Taken, Unlogged
from commons.disk.home import Home, write_secret
from commons.errors import Conflict, NotFound, Untrue
from commons.sources import Network

TAKEN = 64 << 10  # bytes of a witness's answer
Compare = Callable[[Verifier, Signed], Awaitable[None]]


async def submit(
    home: Home, net: Network, dataset: Opened[Manifest], witness: str, sources: Sequence[str],
    acknowledge: str | None, compare: Compare,
) -> dict[str, Any]:  # fmt: skip
    """Hand this home's request for a dataset to a witness of its log. What the witness signs is kept beside the proofs,
    and so is the registrar's answer, if the witness has one by now; then `entry` is where the log holds the request.

    NotFound without a request, Conflict if the log holds it already, Unacknowledged where it is too old to be logged
    and the terms have to be acknowledged anew. The order: the request is stored (if it is a new one), then sent; what
    comes back is verified, then kept. A crash anywhere repeats the same request.
    """
    value, ask = dataset.value, request.held(home, dataset.value)
    if ask is None or request.is_over(ask):
        raise NotFound(
            "this home waits for no answer about this dataset", hint="`commons fetch` makes a request, and keeps it"
        )
    if ask.request is not None:
        raise Conflict(f"this request is in the log already, at entry {ask.request}", hint="`commons fetch` goes on")
    ask = request.renewed(home, dataset, ask, acknowledge)
    submission = codec.decode(Submission, ask.submission)
    keeper = registrar.known(home, value)
    near = address.is_loopback(witness)  # what is on this machine means something to a witness on it alone
    registrars = [each for each in keeper.among(sources) if near or not address.is_loopback(each)][: plea.SOURCES]
    body = Handed(statement=submission.statement, details=submission.details, sources=tuple(registrars))
    got = await net.post(witness, f"/{value.commons}/submitted", codec.encode(body), limit=TAKEN)
    taken, said = codec.decode(Taken, got, TAKEN), request.said_in(ask)
    acknowledged = envelope.open(plea.SUBMITTED, Submitted, taken.acknowledged)
    words, digest = acknowledged.value, entries.statement_digest(said.data)
    if acknowledged.signer != peer_of(witness) or abs(words.time - said.value.time) > SKEW or (
        words.commons, words.dataset, words.statement
    ) != (said.value.commons, said.value.dataset, digest):  # fmt: skip
        raise Untrue("the witness signed for something else than was handed to it", hint="hand it to another one")
    name = f"{ask.dataset[:16]}-{digest.hex()[:8]}-{acknowledged.signer[-8:]}.submitted"
    write_secret(home.path / "proofs" / name, acknowledged.data.hex() + "\n")
    told = {
        "dataset": ask.dataset, "witness": acknowledged.signer, "statement": digest.hex(), "time": words.time,
        "entry": None, "outcome": "unsent",
    }  # fmt: skip
    if taken.answer is None:
        return told
    checked = answer.check(codec.decode(Answer, taken.answer, TAKEN), said, keeper.log, b"", keeper.stewards)
    # with the head that this home trusts: the witness's answer begins elsewhere
    await compare(keeper.log, checked.head)
    request.keep_proof(home, ask.dataset, checked)
    home.shelf.put_ask(replace(ask, request=checked.request, outcome=checked.outcome, reason=checked.reason))
    return {**told, "entry": checked.request, "outcome": checked.outcome}


async def published(net: Network, source: str, origin: str) -> dict[str, Any]:
    """What the witness at `source` says was handed to it, and is not in the log `origin`. NotFound, Untrue,
    Malformed."""
    note.check_name(origin)
    return read(await net.get(source, plea.path(origin), limit=codec.LIMIT), source, origin)


def read(data: bytes, source: str, origin: str) -> dict[str, Any]:
    """The signed words in `data`, verified; Untrue unless they are of this log, and by the peer at `source`."""
    opened = envelope.open(plea.UNLOGGED, Unlogged, data)
    if f"commons/{opened.value.commons}" != origin or (is_peer(source) and peer_of(source) != opened.signer):
        raise Untrue(f"{source} shows what another witness says, or says of another log")
    return {
        "witness": opened.signer, "commons": opened.value.commons, "time": opened.value.time,
        "after": opened.value.after, "requests": [
            {"statement": each.statement.hex(), "dataset": each.dataset, "time": each.time, "size": each.size,
             "tried": each.tried, "said": each.said}
            for each in opened.value.waiting
        ],
    }  # fmt: skip
