"""The verbs of taking part: found a community, join one, call it something, leave it, forget it."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Mapping
from typing import Annotated

from commons.community import invitation, voting
from commons.community.charter import founding
from commons.community.voting import Seat
from commons.core.crypto import ids
from commons.core.dataset import address
from commons.core.state import proposals
from commons.core.tlog.note import Verifier
from commons.disk.settings import FOR, NAMES
from commons.errors import CommonsError, Conflict, Malformed, NotFound
from commons.log import replica
from commons.node.verbs.community import send
from commons.node.verbs.context import Context, checked, read, seat
from commons.node.verbs.registry import verb
from commons.node.verbs.shapes import result
from commons.witness import complaints


@result
class JoinResult:
    """An invitation that was taken."""

    entry: Annotated[int, "of the joining"]
    commons: Annotated[str, "the community"]
    peer: Annotated[str, "the peer id under which this home takes part in it"]
    linked: Annotated[bool, "this home does something else under that peer id, too"]


@result
class BeginResult:
    """A community that was founded."""

    commons: Annotated[str, "its id"]
    name: Annotated[str, "what it is called"]
    peer: Annotated[str, "the peer id under which this home keeps its log"]


@result
class NamesResult:
    """What commons are called here."""

    names: Annotated[Mapping[str, str], "by id, where the owner gave them one"]


@result
class StandByResult:
    """For whose registrars this home stands by, under that identity."""

    commons: Annotated[tuple[str, ...], "ids of communities"]


@result
class LeaveResult:
    """A community in which this home takes part no more."""

    commons: Annotated[str, "its id"]
    deleted: Annotated[tuple[str, ...], "what is here no more"]
    stays: Annotated[tuple[str, ...], "what is"]
    member: Annotated[bool | None, "its log lists this home as a member still; nothing where it was not read"]


@verb("community")
async def begin(c: Context, *, charter: str) -> BeginResult:
    """A new community, as the text of a `charter` (TOML) says, whose log this home keeps under an identity of its
    own."""
    found = founding(charter, int(time.time()))
    node = await c.node.unlink(None, found)
    kept = node.home.first
    return BeginResult(
        commons=kept.commons, name=kept.log.state.charter.name if kept.log.state.charter else "", peer=kept.me
    )


@verb("community")
async def join(c: Context, *, text: str, linked: bool = False) -> JoinResult:
    """The entry by which an invitation is taken; the community is remembered. This home takes part in it under an
    identity of its own, by which nobody can tell that it does anything else; where it is `linked`, under its first."""
    taken = invitation.parse(text)
    reach = checked([each for each in taken.sources if not address.is_wild(each)])
    if not reach:
        raise Malformed(
            "the invitation names no address that can be dialled", hint="ask for one made while the node runs"
        )
    key = Verifier(name=f"commons/{taken.commons}", public=taken.log_key)
    at = Seat(commons=taken.commons, key=key, sources=tuple(reach))
    if not linked and not c.home.concerns(at.commons):
        c = c.at(await c.node.unlink(at.commons))
    index = await send(c, at, proposals.JOIN, voting.joining(c.home, taken))
    c.home.shelf.put_seat(at.commons, key.public, list(at.sources))
    with contextlib.suppress(CommonsError):  # it has joined; its own copy of the log is read when somebody can show it
        await read(c, at)
    return JoinResult(
        entry=index, commons=at.commons, peer=c.home.keys.identity.peer, linked=c.home.config.get(FOR) != at.commons
    )


@verb("community")
async def rename(c: Context, *, name: str = "", named: str | None = None) -> NamesResult:
    """What commons are called in this home; the one that is `named` from now on by this `name`, and by that of its
    charter where it is empty. Nobody else sees it."""
    top = c.top.home
    names: dict[str, str] = top.config.get(NAMES, {})
    if named is None and name:
        raise Malformed(f"which commons is to be called {name[:100]!r}?", hint="say so with --in ID or its name of now")
    if named is not None:
        if len(name) > 100 or name != name.strip() or not name.isprintable():
            raise Malformed("a name is at most 100 characters that can be read", hint="choose another")
        if _is_id(name):
            raise Malformed("that is an id, by which one commons alone is meant", hint="choose another name")
        if taken := [each for each, known in names.items() if known.casefold() == name.casefold() and each != named]:
            raise Conflict(f"{taken[0]} is called {name!r} already", hint="choose another")
        names = {**names, named: name} if name else {each: known for each, known in names.items() if each != named}
        top.put_setting(NAMES, names)
    return NamesResult(names=names)


def _is_id(name: str) -> bool:
    with contextlib.suppress(Malformed):
        return bool(ids.check_commons(name))
    return False


@verb("community")
async def stand_by(c: Context, *, named: str | None = None, stop: bool = False) -> StandByResult:
    """The communities for whose registrar this home stands by: it takes requests as a witness does, hands them on when
    the registrar answers again, says in public which are not logged, and decides nothing."""
    at = seat(c, named)
    if not at.sources:
        raise Conflict("this home keeps that log", hint="another member stands by for it")
    if not stop:
        await read(c, at)  # what it has not read it cannot speak of
    now = sorted({*complaints.standing_by(c.home), at.commons} - ({at.commons} if stop else set()))
    c.home.put_setting(complaints.STANDING, now)
    return StandByResult(commons=tuple(now))


@verb("community")
async def leave(c: Context, *, named: str) -> LeaveResult:
    """What is deleted where this home takes part in a community no more: its copy of the log, and where its registrar
    is. Requests, keys and datasets stay, and members may still have to expel it."""
    member = await _parting(c, named)
    c.home.part(named)
    return LeaveResult(
        commons=named,
        deleted=("its copy of the log", "the registrar's address"),
        stays=(
            "requests and their proofs",
            "keys that were given",
            "datasets",
            f"the identity {c.home.keys.identity.peer}",
        ),
        member=member,
    )


@verb("community")
async def forget(c: Context, *, named: str) -> LeaveResult:
    """What is deleted where this home forgets a community: all of it, with the identity under which it took part, its
    requests, keys and datasets; of one that it takes part in under an identity for other things, too, these stay."""
    member, alone = await _parting(c, named), c.home is not c.top.home
    peer = c.home.keys.identity.peer
    gone = (f"the identity {peer}", "requests and their proofs", "keys that were given", "datasets and their packs")
    copy = ("its copy of the log, with what it hides", "the registrar's address")
    await c.top.node.forget(named)
    top = c.top.home
    if named in (names := top.config.get(NAMES, {})):
        top.put_setting(NAMES, {each: name for each, name in names.items() if each != named})
    kept = () if alone else ("requests and their proofs", "keys that were given", "datasets", f"the identity {peer}")
    return LeaveResult(commons=named, deleted=(*copy, *(gone if alone else ())), stays=kept, member=member)


async def _parting(c: Context, commons: str) -> bool | None:
    """Whether the log lists this home as a member still. Conflict where others rely on what would be deleted."""
    own = c.home.kept.get(commons)
    if own is not None and not own.left:
        raise Conflict(
            "this home keeps the log of that commons",
            hint="let another member keep it first: `commons community propose change-registrar` from their home",
        )
    if own is None and not c.home.concerns(commons):
        raise NotFound(f"this home takes no part in {commons}")
    if shares := len(c.home.deposits.of(commons)):
        raise Conflict(
            f"this home keeps {shares} shares of keys for that community, which may be lost with it",
            hint="members choose other custodians, and `commons custody pass-on` gives the shares to them",
        )
    there = replica.of(c.home, commons)
    await there.open()
    if commons in (standing := complaints.standing_by(c.home)):
        c.home.put_setting(complaints.STANDING, [each for each in standing if each != commons])
    return c.home.keys.identity.peer in there.state.founded.members if there.size else None
