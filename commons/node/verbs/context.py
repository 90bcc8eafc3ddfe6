"""What every verb is given, and what they share: names of datasets, addresses, the log and the state of a commons."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from commons.community import voting
from commons.community.voting import Seat
from commons.core.crypto import ids
from commons.core.dataset import address, manifest, reference
from commons.core.dataset.address import is_peer
from commons.core.dataset.manifest import Manifest
from commons.core.dataset.reference import Reference
from commons.core.state.fold import State
from commons.core.tlog.note import Verifier
from commons.core.tlog.policy import Policy
from commons.custody import followed, sharing
from commons.disk.home import Home
from commons.disk.settings import NAMES
from commons.errors import CommonsError, Malformed, NotFound, TimedOut, Unreachable
from commons.log import files, registrars, replica, titles
from commons.log.files import Read
from commons.net.network import HERE, Network
from commons.node.local import Near, own
from commons.node.node import Node
from commons.node.verbs.registry import Verb
from commons.node.verbs.shapes import Source
from commons.progress import Progress, untold


@dataclass(frozen=True, slots=True, kw_only=True)
class Context:
    """One call of a verb: the node, its home, the way to others, and who is told how far it is (from any thread)."""

    node: Node
    net: Network
    progress: Progress = untold

    @classmethod
    def of(cls, node: Node, progress: Progress = untold) -> Self:
        return cls(node=node, net=node.net, progress=progress)

    @property
    def home(self) -> Home:
        return self.node.home

    @property
    def near(self) -> Near:
        """The network, in which this home's own log and custodian have an address too."""
        return Near(self.net, self.node.custodian, self.node.site, self.home.keys.identity.peer)

    def every(self) -> list[Context]:
        """The same call at each identity of this home, itself first."""
        return [self, *(self.at(node) for node in self.node.identities.values())]

    @property
    def top(self) -> Context:
        """The same call at the home's first identity."""
        return self if self.node.above is None else self.at(self.node.above)

    def at(self, node: Node) -> Context:
        """The same call at another identity's node."""
        return self if node is self.node else Context(node=node, net=node.net, progress=self.progress)


@dataclass(frozen=True, slots=True)
class Folded:
    """A community's log as it was just read: its state, and how many of its entries are faulty. These give no right,
    and are no reason to keep members from deciding."""

    state: State
    faults: int = 0


def checked(sources: Iterable[str]) -> list[str]:
    """Addresses and doors in their one spelling; Malformed for what is neither."""
    return list(dict.fromkeys(address.read(each) for each in sources))


def meant(c: Context, text: str) -> Reference:
    """A dataset as somebody names it: a reference, or of those this home knows the id's beginning or the title."""

    def known() -> list[titles.Titled]:
        logs = [each for kept in c.home.kept.values() for each in titles.of_log(kept.log.state)]
        return [*titles.of_home(c.home), *logs]

    return titles.find(text, known)


async def addressed(c: Context, verb: Verb, words: dict[str, Any]) -> Context:
    """The same call at the identity that it is about: which takes part in the commons that is named, or in the only
    community there is, or knows the dataset. In `words` a commons is named by its id from then on. Malformed where
    several may be meant."""
    for word in ("named", "commons"):
        if words.get(word):
            words[word] = await called(c, words[word])
    commons = words.get("named") or words.get("commons")
    if commons is not None:
        return c.at(c.node.of(commons))
    if not c.node.identities:
        return c
    if verb.of_one and "named" in verb.words:
        parts = [c for _ in _seats(c)]
        for each in c.every()[1:]:
            parts += [each] * (len(_seats(each)) + each.home.begins)
        if len(parts) > 1:
            raise Malformed("this home takes part in several communities", hint="name one with --in NAME")
        return parts[0] if parts else c
    if isinstance(dataset := words.get("dataset"), str):
        return next((each for each in c.every() if _knows(each.home, dataset)), _asking(c, dataset))
    return c


def _asking(c: Context, dataset: str) -> Context:
    """The identity that asks for a dataset that is known to none: the first, unless it knows nobody to ask."""
    with contextlib.suppress(CommonsError):
        if (ref := reference.parse(dataset)).peers or ref.doors:
            return c
    return next((each for each in c.every() if each.home.shelf.known()), c)


async def called(c: Context, text: str) -> str:
    """The id of the commons that somebody means: by its id, by the name that this home's owner gave it, or by the one
    that its charter gives it. NotFound; Malformed where two are called so."""
    with contextlib.suppress(Malformed):
        return ids.check_commons(text)
    given: dict[str, str] = c.home.config.get(NAMES, {})
    found = [commons for commons, name in given.items() if name.casefold() == text.casefold()]
    if not found:
        names = await names_of(c)
        found = [commons for commons, name in names.items() if name.casefold() == text.casefold()]
    if not found:
        raise NotFound(f"this home knows no commons called {text[:100]!r}", hint="`commons status` tells which it does")
    if len(found) > 1:
        raise Malformed(
            f"{len(found)} commons are called {text[:100]!r}: {', '.join(sorted(found))}",
            hint="name one by its id, or give it a name of its own: `commons community rename NAME --in ID`",
        )
    return found[0]


async def names_of(c: Context) -> dict[str, str]:
    """What each commons that this home has to do with is called by its charter, as far as its log is here."""
    names = dict[str, str]()
    for each in c.every():
        for commons, _, _ in each.home.shelf.seats():
            there = replica.of(each.home, commons)
            await there.open()
            if there.size and there.state.charter is not None:
                names[commons] = there.state.charter.name
        for commons, kept in each.home.kept.items():
            names[commons] = kept.log.state.charter.name if kept.log.state.charter else ""
    return names


def _knows(home: Home, dataset: str) -> bool:
    """Whether a dataset, as somebody names it, is one that this home holds, or of a registrar that it knows."""
    try:
        ref = reference.parse(dataset)
    except CommonsError:
        return bool(titles.matching(dataset, titles.of_home(home)))
    if home.shelf.role(ref.cid) is not None:
        return True
    seated = {address.peer_of(each) for _, _, at in home.shelf.seats() for each in at if is_peer(each)}
    return any(address.peer_of(each) in seated for each in ref.peers if is_peer(each))


# -- addresses --------------------------------------------------------------------------------------------------------


def announced(c: Context) -> list[str]:
    """What the owner announces; not what an older version let pass: nobody's address, or somebody else's."""
    me = c.home.keys.identity.peer
    kept = [each for each in c.home.config.get("announce", []) if not address.is_wild(each)]
    return [each for each in kept if not is_peer(each) or address.peer_of(each) == me]


def given(c: Context, lan: bool) -> list[str]:
    """This node's addresses that others are given: the announced ones, and those it listens on."""
    return list(dict.fromkeys([*announced(c), *address.nearest(c.node.addresses, lan)]))


def custodians(c: Context, policy: Policy, more: Iterable[str] = ()) -> dict[str, list[str]]:
    """Addresses by peer of those who keep shares, as far as this home knows them."""
    return followed.addresses(policy, [*more, *c.home.shelf.known()], c.home.keys.identity.peer)


def refer_to(c: Context, cid: str, lan: bool = False) -> reference.Reference:
    """A reference with the addresses this node announces, and those it knows of who answers requests and of
    custodians; those of a home network only when asked."""
    mine, here = given(c, lan), all(map(address.is_loopback, c.node.addresses))
    data = c.home.shelf.manifest(cid)
    value = manifest.open(data).value if data is not None else None
    answering = [*_registrars_of(c, value), *_custodians_of(c, value)] if value is not None else []
    others = [
        each
        for each in answering
        if not address.is_wild(each) and (address.is_public(each) or (lan and (here or not address.is_loopback(each))))
    ]
    doors = [each for each in mine if not is_peer(each)]
    peers = dict.fromkeys(each for each in (*mine, *others) if is_peer(each))
    return reference.Reference(
        cid=ids.check_cid(cid), peers=tuple(peers)[: reference.PARTS - len(doors)], doors=tuple(doors)
    )


def referred(c: Context, cid: str, lan: bool = False) -> dict[str, str]:
    """A reference, and from where what it names can be reached."""
    made = refer_to(c, cid, lan)
    return {"reference": str(made), "reach": address.reach((*made.peers, *made.doors))}


def _registrars_of(c: Context, value: Manifest) -> list[str]:
    """Addresses of who answers requests for a dataset, as far as this home knows them; none for itself."""
    return [a for a in registrars.known(c.home, value).among(c.home.shelf.known()) if a != HERE]


def _custodians_of(c: Context, value: Manifest) -> list[str]:
    """Addresses of those who keep the key of a dataset, as far as this home knows them."""
    if value.custody is None:
        return []
    found = custodians(c, sharing.open_sharing(value.custody).value.parsed())
    own = c.home.kept.get(value.commons)
    if own is not None and (now := own.log.state.custodian_policy) is not None:  # and those who came after them
        found |= custodians(c, now)
    return [known for each in found.values() for known in each if known != HERE]


# -- logs -------------------------------------------------------------------------------------------------------------


def own_seat(c: Context, commons: str | None = None) -> Seat:
    """A log that this home keeps, as a community it takes part in; that of the commons it was made with, where none is
    named."""
    kept = c.home.log_of(commons)
    return Seat(commons=kept.commons, key=kept.log.key)


def _seats(c: Context) -> list[Seat]:
    """The communities that one identity takes part in, but for that of the commons it was made with."""
    seats = [
        Seat(commons=each, key=Verifier(name=f"commons/{each}", public=key), sources=tuple(sources))
        for each, key, sources in c.home.shelf.seats()
        if is_elsewhere(c, each, key)
    ]
    there = {each.commons for each in seats} | ({c.home.first.commons} if c.home.begins else set())
    return [*seats, *(own_seat(c, each) for each, kept in c.home.kept.items() if kept.used and each not in there)]


def seat(c: Context, commons: str | None) -> Seat:
    """The community meant: see `voting.seat_of`."""
    return voting.seat_of(_seats(c), commons, own_seat(c) if c.home.begins else None)


def is_elsewhere(c: Context, commons: str, key: bytes) -> bool:
    """Whether somebody else keeps a log under this key: this home never did, or somebody does since."""
    kept = c.home.kept.get(commons)
    return kept is None or key not in {each.key for each in kept.log.state.tenures}


async def read(c: Context, at: Seat) -> Folded:
    """The fold of a community's log: this home's, or its replica's, updated from its registrar."""
    if not at.sources:
        return Folded(c.home.log_of(at.commons).log.state)
    try:
        source, _ = await log_at(c, at.sources[0], at.commons)
    except (Unreachable, TimedOut) as error:
        also = "if another keeps this log by now: `commons community follow ADDRESS`"
        error.hint = f"{error.hint}; {also}" if error.hint else also
        raise
    kept = replica.of(c.home, at.commons)
    await kept.update(source, c.progress)
    registrars.learn(c.home, kept, at.key.public, at.sources[0])
    return Folded(kept.state, kept.verified.faults)


async def log_at(c: Context, source: Source | None, commons: str | None) -> tuple[Read, str | None]:
    """A log to read from: this home's, or one in files, at a peer or a URL; and whose it is, where that is known."""
    commons = commons and ids.check_commons(commons)
    if source is None:
        kept = c.home.log_of(commons)
        return own(c.node.site, kept.commons), kept.commons
    source = os.fspath(source)
    if not address.is_like(source):
        if not Path(source).exists():
            raise NotFound(f"there is no {source}", hint="name a folder, a .zip, a peer's address or an http(s) URL")
        return files.files(Path(source)), commons
    base, net = checked([source])[0], c.net
    if not is_peer(base) and await _static(c, base):
        return files.shown_at(net, base, None), commons
    commons = commons or await _commons_at(c, base)
    return files.shown_at(net, base, commons), commons


async def _static(c: Context, base: str) -> bool:
    """Whether a log's static files lie at this URL itself; else a node may be there."""
    try:
        await c.net.get(base, "/checkpoint", limit=64 << 10)
    except NotFound:
        return False
    return True


async def _commons_at(c: Context, source: str) -> str:
    """Whose log this source keeps: it says so itself, or this home knows it of that peer; the charter must bear it
    out."""
    said = (await c.net.get(source, "/commons", limit=8 << 10)).decode("ascii", "replace").split()
    known = _kept_by(c, source)
    found = [each for each in said if each in known] or said or sorted(known)  # whoever asks there means that one
    if not found:
        raise NotFound("the node there names no commons to strangers", hint="say whose log is meant: --commons ID")
    if len(found) > 1:
        raise Malformed(f"{len(found)} logs are kept there: {', '.join(found[:8])}", hint="name one: --commons ID")
    return ids.check_cid(found[0], "commons")


def _kept_by(c: Context, source: str) -> set[str]:
    """The commons whose log the peer at this address keeps, as far as this home has heard."""
    peer = address.peer_of(source) if is_peer(source) else None
    seats = {commons for commons, _, sources in c.home.shelf.seats() if source in sources}
    return seats | {
        opened.value.commons for _, opened, _, _ in c.home.shelf.manifests() if opened.value.registrar == peer
    }
