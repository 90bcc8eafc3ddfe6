"""The verbs of witnesses: whose logs are cosigned here, and what was handed to witnesses and is not logged."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

from commons.access import complain, request
from commons.core.crypto import ids
from commons.core.dataset import address
from commons.core.state import complaint, entries
from commons.datasets import fetch
from commons.errors import NotFound
from commons.log import withdrawal
from commons.node.verbs.context import Context, checked, meant
from commons.node.verbs.registry import verb
from commons.node.verbs.shapes import result, told, unsaid


@result
class LogCosigned:
    """A log that this node cosigns, or did."""

    origin: Annotated[str, "its name"]
    keys: Annotated[tuple[str, ...], "under which it is cosigned; none where that ended"]
    size: Annotated[int | None, "entries of the last head that was cosigned"]
    time: Annotated[int | None, "when that was"]
    fork: Annotated[tuple[str, ...] | None, "two heads that contradict each other, where the log signed them"]


@result
class WitnessAsked:
    """A witness of this home's log."""

    url: Annotated[str, "where it is asked"]
    names: Annotated[tuple[str, ...], "in the charter's policy"]
    size: Annotated[int, "entries of the head it signed last"]
    time: Annotated[float | None, "when that was"]
    problem: Annotated[str, "why it does not sign; empty where it does"]


@result
class OwnWitnesses:
    """How far this home's log is witnessed, and by whom."""

    vkey: Annotated[str, "the log's key"]
    quorum: Annotated[bool, "the charter asks for witnesses"]
    entries: Annotated[int, "of the newest head"]
    covered: Annotated[int, "entries of the newest head that enough have signed"]
    missing: Annotated[str, "who is missing from the newest head"]
    asked: Annotated[tuple[WitnessAsked, ...], "each witness"]


@result
class WitnessResult:
    """What this node cosigns, and who cosigns its own log."""

    name: Annotated[str, "this node's, as a witness"]
    vkey: Annotated[str, "its key as a witness"]
    logs: Annotated[tuple[LogCosigned, ...], "that it cosigns"]
    own: Annotated[OwnWitnesses, "this home's log"]


@result
class HandInResult:
    """A request that a witness has taken."""

    dataset: Annotated[str, "the dataset's id"]
    witness: Annotated[str, "its peer id"]
    statement: Annotated[str, "SHA-256 of the signed request, hex"]
    time: Annotated[int, "since when it has it, by its clock"]
    entry: Annotated[int | None, "of the request, where the log has it by now"]
    outcome: Annotated[str, "unsent, pending, grant or refuse"]
    listed: Annotated[int | None, "its entry, where a request was signed now and somebody has shown that"] = unsaid(
        "unlisted"
    )
    unlisted: Annotated[str | None, "why nobody knows whether it is listed, where a request was signed now"] = unsaid(
        "unlisted"
    )
    unsent: Annotated[str, "what was said this time and is not in the request that counts"]


@result
class RequestUnlogged:
    """A request that was handed to a witness, and is not in the log."""

    statement: Annotated[str, "SHA-256 of the signed request, hex"]
    dataset: Annotated[str, "the dataset's id"]
    time: Annotated[int, "when it was handed in"]
    size: Annotated[int, "entries that the log had then"]
    tried: Annotated[int | None, "when the witness last handed it on"]
    said: Annotated[str, "what the registrar answered"]
    mine: Annotated[bool, "this home signed it"]


@result
class WitnessSays:
    """What a witness publishes about a log."""

    witness: Annotated[str, "its peer id"]
    commons: Annotated[str, "whose log"]
    time: Annotated[int, "when it said so"]
    after: Annotated[int, "seconds after which it tells"]
    requests: Annotated[tuple[RequestUnlogged, ...], "each"]


@result
class UnloggedResult:
    """What was handed to witnesses and not logged."""

    witnesses: Annotated[tuple[WitnessSays, ...], "what each says"]


@verb("witness", reads=True)
async def witness(
    c: Context, *, add: str | None = None, remove: str | None = None, named: str | None = None
) -> WitnessResult:
    """Whose logs this node cosigns, after adding or removing one; `own` says who cosigns ours, of the commons `named`,
    else of the one this home was made with."""
    return told(WitnessResult, **c.node.site.witness.change(add, remove), own=c.node.at(named).cosigning.told())


@verb("witness")
async def hand_in(
    c: Context,
    *,
    dataset: str,
    witness: str,
    acknowledge: str | None = None,
    purpose: str | None = None,
    details: str | None = None,
    sources: Sequence[str] = (),
) -> HandInResult:
    """What the witness at an address signed for taking a request, which the registrar does not take. Where there is no
    request for that dataset yet, one is signed."""
    ref, at = meant(c, dataset), address.peer(witness)
    withdrawal.check_here(c.home, ref.cid)
    known = fetch.sources_of(c.home, ref, sources)
    found = await fetch.describe(c.home, c.net, ref.cid, known)
    done = await complain.submit(c.home, c.near, found, at, known, acknowledge, purpose, details, c.node.gossip.compare)
    return told(HandInResult, **done)


@verb("witness", reads=True)
async def unlogged(c: Context, *, sources: Sequence[str] = (), commons: str | None = None) -> UnloggedResult:
    """What witnesses say was handed to them and not logged: this node, or those at the addresses, of one commons or of
    all logs that this home has to do with."""
    known = [key.name for key in c.node.gossip.known()]
    origins = [f"commons/{ids.check_commons(commons)}"] if commons else list(dict.fromkeys(known))
    asked = [request.readable(c.home, ask) for ask in c.home.shelf.asks()]
    mine = {entries.statement_digest(said.data).hex() for said in asked if said is not None}
    lists = []
    for source, origin in [(s, o) for s in checked(sources) or [""] for o in origins]:
        try:
            if source:
                lists.append(await complain.published(c.net, source, origin))
            else:
                name = complaint.path(origin).split("/")[2]
                lists.append(complain.read(c.node.site.submitted(name), source, origin))
        except NotFound:  # it is no witness of that log
            continue
    for row in [row for each in lists for row in each["requests"]]:
        row["mine"] = row["statement"] in mine
    return told(UnloggedResult, witnesses=lists)
