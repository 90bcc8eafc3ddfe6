"""Who keeps the log that a dataset is accounted in: as its manifest says, or who the members have chosen since."""

from __future__ import annotations

import contextlib
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TypeVar

from commons.core.dataset.address import is_peer, peer_of
from commons.core.dataset.manifest import Manifest
from commons.core.state.fold import State
from commons.core.tlog import note
from commons.disk.home import Home
from commons.errors import CommonsError, Conflict, Refused, SplitView, TimedOut, TooMany, Unreachable, Untrue
from commons.log import replica
from commons.log.files import shown_at
from commons.log.replica import Replica
from commons.net.network import HERE, Network

T = TypeVar("T")

RECOURSE = "if it stays so, hand it to a witness of that log: `commons witness submit`"
UNSIGNED = (
    "nothing was signed; try later, and if it stays so, `commons witness submit` signs a request all the same, and "
    "hands it to a witness of that log"
)
SILENT = (Unreachable, TimedOut, Refused, TooMany)  # a registrar that answers nothing: none is a decision in its log


@dataclass(frozen=True, slots=True, kw_only=True)
class Incumbent:
    """Who keeps a log by now: `peer`, under the key `log`. Decisions may be signed by them, and by those who kept it
    `before`. `here` where that is this home."""

    peer: str
    log: note.Verifier
    before: tuple[str, ...]
    here: bool = False

    def among(self, sources: Sequence[str]) -> list[str]:
        """The addresses of this registrar, of those in `sources`."""
        if self.here:
            return [HERE]
        return [source for source in sources if is_peer(source) and peer_of(source) == self.peer]

    @property
    def stewards(self) -> frozenset[str]:
        """The peer ids of all whose signature under a decision of this log counts."""
        return frozenset({self.peer, *self.before})


def known(home: Home, value: Manifest) -> Incumbent:
    """Who keeps the log that a dataset is accounted in: whom the members have chosen since, if this home has verified
    that; else whom the manifest names."""
    key, peer, before = home.shelf.keeper(value.commons) or (value.log_key, value.registrar, [])
    own = home.kept.get(value.commons)
    if own is not None and key in {each.key for each in own.log.state.tenures}:
        key, peer = own.log.key.public, own.me  # and nobody has taken it over since
    log = note.Verifier(name=f"commons/{value.commons}", public=key)
    return Incumbent(peer=peer, log=log, before=(value.registrar, *before), here=peer == home.keys.identity.peer)


def addresses(keeper: Incumbent, sources: Sequence[str]) -> list[str]:
    """The addresses of who keeps a log, of those in `sources`. Unreachable where there is none."""
    if not (found := keeper.among(sources)):
        raise Unreachable(
            f"no address is known of {keeper.peer}, who answers requests for this dataset",
            hint="name one with --from ADDRESS, or `commons peer add ADDRESS`",
        )
    return found


def learn(home: Home, kept: Replica, key: bytes, source: str) -> None:
    """Nothing: remembers who keeps a community's log by now, and that `source` shows it, where that is not under `key`
    any more. Untrue where nobody ever kept it under that key, whatever it says by now."""
    tenures = kept.state.tenures
    if key not in [each.key for each in tenures]:
        raise Untrue("this log is signed by another key than the invitation named")
    if kept.log.public != key:  # it has changed hands: only who kept it before is asked no more
        commons = str(kept.state.commons)
        home.shelf.put_seat(commons, kept.log.public, [source])
        home.learn_keeper(commons, tenures)


@contextmanager
def recourse(then: str = RECOURSE) -> Iterator[None]:
    """A context in which the errors of a registrar that does not answer say what can be done about it."""
    try:
        yield
    except SILENT as error:
        error.hint += f"{'; ' if error.hint else ''}{then}"
        raise


async def asked(
    home: Home, net: Network, sources: Sequence[str], value: Manifest, ask: Callable[[Incumbent], Awaitable[T]]
) -> T:
    """What `ask` brings from whoever keeps the log of a dataset; where the registrar known here does not answer, from
    who has taken the log over since."""
    try:
        return await ask(known(home, value))
    except (Unreachable, TimedOut, Refused, Conflict):
        later = await find(home, net, sources, value)
        if later is None:
            raise
        return await ask(later)


async def fold(home: Home, net: Network, sources: Sequence[str], value: Manifest) -> State | None:
    """The state of the log of a dataset's commons by now, as its registrar shows it and an audit verifies it; None
    where nobody can say."""
    keeper = known(home, value)
    if keeper.here:
        return home.kept[value.commons].log.state
    for source in keeper.among(sources):
        kept = replica.of(home, value.commons)
        with contextlib.suppress(CommonsError):
            await kept.update(shown_at(net, source, value.commons))
            return kept.state
    return None


async def find(
    home: Home, net: Network, sources: Sequence[str], value: Manifest, same: bool = False
) -> Incumbent | None:
    """Who has taken the log over since, if one of the peers at `sources` did (with `same` the one known here, too, who
    may have changed its key): all of their log has to bear it out, and to contain what this home trusted. It is
    remembered. None where nobody has."""
    now, kept = known(home, value), replica.of(home, value.commons)
    for source in sources:
        if not is_peer(source) or (peer_of(source) == now.peer and not same):
            continue
        try:
            await kept.update(shown_at(net, source, value.commons))
        except SplitView:
            raise
        except CommonsError:  # it cannot be reached, or shows something else
            continue
        community = kept.state.founded
        if kept.verified.faults or community.charter.registrar != peer_of(source):
            continue
        if now.log.public in [each.key for each in community.tenures[:-1]]:
            home.learn_keeper(value.commons, community.tenures)
            home.shelf.add_peer(source)
            return known(home, value)
    return None
