"""The verbs of custody: keep shares of a community's keys, see who does, pass them on to those who come after."""

from __future__ import annotations

from commons.community.voting import Seat
from commons.custody import client, custodian, followed
from commons.errors import Conflict
from commons.node.verbs.context import Context, Told, custodians, read, seat
from commons.node.verbs.registry import verb


@verb("custody")
async def keep(c: Context, *, named: str | None = None) -> Told:
    """The communities for which this home agrees to keep shares of keys, one more from now on."""
    return {"commons": followed.keep(c.home, seat(c, named).commons)}


@verb("custody", reads=True)
async def custody(c: Context, *, named: str | None = None) -> Told:
    """Who keeps the shares of a community's keys, who of them is there, and whether that is enough."""
    return await reached(c, seat(c, named))


async def reached(c: Context, at: Seat) -> Told:
    """The custodians of one community, each asked whether they are there."""
    policy = (await read(c, at)).state.custodian_policy
    keeps = c.home.config.get("custody", [])
    if policy is None:
        return {"commons": at.commons, "custodians": [], "warning": "", "keeps": keeps}
    known = custodians(c, policy, at.sources)
    found = await client.reach(c.near, known, policy, at.commons)
    return {
        "commons": at.commons, "warning": found.warning, "keeps": keeps,
        "custodians": [{"name": m.name, "peer": m.peer, "reachable": m.name in found.reachable,
                        "known": bool(known[m.peer]), "unready": m.name in found.unready} for m in policy.members],
    }  # fmt: skip


@verb("custody")
async def pass_on(c: Context, *, again: bool = False, named: str | None = None) -> Told:
    """What this home keeps of a community's keys is shared among the custodians chosen since."""
    at = seat(c, named)
    state = (await read(c, at)).state
    if (policy := state.custodian_policy) is None:
        raise Conflict(
            "this community has no custodians to whom shares could be passed on",
            hint="`commons community propose change-custodians --file FILE` first",
        )
    kept = {each.sharing: each for each in c.home.deposits.of(at.commons)}
    sources = custodians(c, policy, at.sources)
    done = await custodian.pass_on(c.near, c.node.custodian, sources, at.commons, again=again)
    rows = [{"series": kept[each].series.hex(), "epoch": kept[each].epoch, "titles": sorted({
                known.entry.title for known in state.datasets.values()
                if (known.entry.series, known.entry.epoch) == (kept[each].series, kept[each].epoch)
            })} for each in done]  # fmt: skip
    return {"commons": at.commons, "to": [member.name for member in policy.members], "kept": len(kept),
            "passed": rows}  # fmt: skip
