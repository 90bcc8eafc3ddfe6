"""The verbs of custody: keep shares of a community's keys, see who does, pass them on to those who come after."""

from __future__ import annotations

from typing import Annotated

from commons.community.voting import Seat
from commons.core.tlog import checkpoint, note
from commons.custody import client, custodian, followed, handover, misconduct
from commons.errors import Conflict, Malformed
from commons.log import replica
from commons.node.verbs.context import Context, custodians, log_at, read, seat
from commons.node.verbs.registry import verb
from commons.node.verbs.shapes import Source, result


@result
class KeepResult:
    """The communities whose keys this home keeps shares of."""

    commons: Annotated[tuple[str, ...], "their ids"]


@result
class CustodianShown:
    """One who keeps shares."""

    name: Annotated[str, "in the policy"]
    peer: Annotated[str, "peer id"]
    reachable: Annotated[bool, "answered, and keeps shares"]
    known: Annotated[bool, "an address is known here"]
    unready: Annotated[bool, "answered, and has not agreed to keep shares"]


@result
class CustodyResult:
    """Who keeps the shares of a community's keys."""

    commons: Annotated[str, "whose keys"]
    custodians: Annotated[tuple[CustodianShown, ...], "none where the registrar keeps the keys"]
    warning: Annotated[str, "that too few are there; empty where enough are"]
    keeps: Annotated[tuple[str, ...], "the communities that this home keeps shares for"]


@result
class SharePassed:
    """A share that was passed on."""

    series: Annotated[str, "of datasets, hex"]
    epoch: Annotated[int, "of the key"]
    titles: Annotated[tuple[str, ...], "of the datasets under this key"]


@result
class PassOnResult:
    """What was passed on to the custodians chosen since."""

    commons: Annotated[str, "whose keys"]
    to: Annotated[tuple[str, ...], "names of the custodians in force"]
    kept: Annotated[int, "shares that are kept here"]
    passed: Annotated[tuple[SharePassed, ...], "what was passed on now"]


@result
class ConvictResult:
    """A custodian's signed release, judged by the log that it names."""

    commons: Annotated[str, "whose log"]
    custodian: Annotated[str, "peer id of who signed"]
    name: Annotated[str, "their name in the policy"]
    dataset: Annotated[str, "its CID"]
    request: Annotated[int, "entry of the request that was answered"]
    decision: Annotated[int, "entry of the decision that they name"]
    time: Annotated[int, "when they signed, seconds since 1970 by their clock"]
    entries: Annotated[int, "how many entries of the log they relied on"]
    convicted: Annotated[bool, "they gave a share against the log"]
    what: Annotated[str, "what they did wrong; empty for nothing"]


@verb("custody")
async def keep(c: Context, *, named: str | None = None) -> KeepResult:
    """The communities for which this home agrees to keep shares of keys, one more from now on."""
    return KeepResult(commons=tuple(followed.keep(c.home, seat(c, named).commons)))


@verb("custody", reads=True)
async def custody(c: Context, *, named: str | None = None) -> CustodyResult:
    """Who keeps the shares of a community's keys, who of them is there, and whether that is enough."""
    return await reached(c, seat(c, named))


async def reached(c: Context, at: Seat) -> CustodyResult:
    """The custodians of one community, each asked whether they are there."""
    policy = (await read(c, at)).state.custodian_policy
    keeps = tuple(c.home.config.get("custody", ()))
    if policy is None:
        return CustodyResult(commons=at.commons, custodians=(), warning="", keeps=keeps)
    known = custodians(c, policy, at.sources)
    found = await client.reach(c.near, known, policy, at.commons)
    rows = [
        CustodianShown(
            name=m.name,
            peer=m.peer,
            reachable=m.name in found.reachable,
            known=bool(known[m.peer]),
            unready=m.name in found.unready,
        )
        for m in policy.members
    ]
    return CustodyResult(commons=at.commons, custodians=tuple(rows), warning=found.warning, keeps=keeps)


@verb("custody")
async def pass_on(c: Context, *, again: bool = False, named: str | None = None) -> PassOnResult:
    """Which of this home's shares of a community's keys were shared anew, among the custodians chosen since; with
    `again`, also those that were before."""
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
    rows = [
        SharePassed(
            series=kept[each].series.hex(),
            epoch=kept[each].epoch,
            titles=tuple(
                sorted(
                    {
                        known.entry.title
                        for known in state.datasets.values()
                        if (known.entry.series, known.entry.epoch) == (kept[each].series, kept[each].epoch)
                    }
                )
            ),
        )
        for each in done
    ]
    to = tuple(member.name for member in policy.members)
    return PassOnResult(commons=at.commons, to=to, kept=len(kept), passed=tuple(rows))


@verb("custody", reads=True)
async def convict(c: Context, *, release: str, source: Source | None = None) -> ConvictResult:
    """Whether a custodian's signed release convicts its signer by the log it names.

    `release` is a file of `proofs/`, in hex; `source` shows the log where this home has not got it.
    """
    try:
        data = bytes.fromhex(release.strip())
    except ValueError as error:
        raise Malformed(
            "this is no release of a custodian", hint="name a file PROOFS/….release: `commons fetch` keeps them"
        ) from error
    opened = handover.open_released(data)
    said = opened.value
    c = c.at(c.node.of(said.commons))  # the identity that takes part there
    size = checkpoint.parse(note.peek(said.head)).size
    if said.commons in c.home.kept and source is None:
        own = c.home.kept[said.commons].log
        what = misconduct.judge(data, own.entries(0, min(size, own.size)))
    else:
        where = seat(c, said.commons).sources[0] if source is None else source
        shown, _ = await log_at(c, where, said.commons)
        kept = replica.of(c.home, said.commons)
        await kept.update(shown, c.progress)
        what = misconduct.judge(data, kept.entries(0, min(size, kept.size)))
    return ConvictResult(
        commons=said.commons,
        custodian=opened.signer,
        name=said.name,
        dataset=said.dataset,
        request=said.request,
        decision=said.decision,
        time=said.time,
        entries=size,
        convicted=bool(what),
        what=what,
    )
