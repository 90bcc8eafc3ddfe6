"""The verbs of witnesses: whose logs are cosigned here, and what was handed to witnesses and is not logged."""

from __future__ import annotations

from collections.abc import Sequence

from commons.access import complain, request
from commons.core.crypto import ids
from commons.core.dataset import address
from commons.core.state import complaint, entries
from commons.datasets import fetch
from commons.errors import NotFound
from commons.log import withdrawal
from commons.node.verbs.context import Context, Told, checked, named
from commons.node.verbs.registry import verb


@verb("witness", reads=True)
async def witness(c: Context, *, add: str | None = None, remove: str | None = None) -> Told:
    """Whose logs this node cosigns, after adding or removing one; `own` says who cosigns ours."""
    return {**c.node.site.witness.change(add, remove), "own": c.node.cosigning.told()}


@verb("witness")
async def hand_in(
    c: Context, *, dataset: str, witness: str, acknowledge: str | None = None, purpose: str | None = None,
    details: str | None = None, sources: Sequence[str] = (),
) -> Told:  # fmt: skip
    """The request for a dataset, which the registrar does not take, is handed to the witness at an address; where there
    is none yet, one is signed."""
    ref, at = named(c, dataset), address.peer(witness)
    withdrawal.check_here(c.home, ref.cid)
    known = fetch.sources_of(c.home, ref, sources)
    found = await fetch.describe(c.home, c.net, ref.cid, known)
    return await complain.submit(
        c.home, c.near, found, at, known, acknowledge, purpose, details, c.node.gossip.compare
    )  # fmt: skip


@verb("witness", reads=True)
async def unlogged(c: Context, *, sources: Sequence[str] = (), commons: str | None = None) -> Told:
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
    return {"witnesses": lists}
