"""Publishing in the log of a community that another node keeps: a member offers, its registrar takes.

What the log would refuse is refused before anything is sealed, before anything is sent and before anything is kept: all
three ask the fold. Knows nothing of sealing: that is `publish`'s.
"""

from __future__ import annotations

import time
from dataclasses import replace

from commons.access import listing
from commons.access.listing import Offer
from commons.access.registrar import Registrar
from commons.community.voting import Seat, check_date
from commons.core.crypto import codec, envelope, ids
from commons.core.crypto.envelope import Opened
from commons.core.crypto.ids import Cid
from commons.core.dataset import manifest
from commons.core.dataset.manifest import Manifest
from commons.core.dataset.rule import Rule
from commons.core.state import entries
from commons.core.state.entries import Publish
from commons.core.state.fold import State
from commons.core.tlog import tiles
from commons.core.tlog.checkpoint import Signed
from commons.datasets.prepare import Prepared
from commons.datasets.publish import fits, here, mark
from commons.disk.home import Home
from commons.disk.kept import Kept
from commons.disk.records import Draft, Record, record
from commons.errors import Conflict, NotFound, Refused, TimedOut, Unreachable, Untrue
from commons.log import answer, evidence
from commons.log.answer import Answer
from commons.log.submit import exchange
from commons.net.network import Network


def check_kept(state: State, rule: Rule) -> None:
    """Nothing; Conflict where nobody could ever give the key: the publisher is not the registrar, and no custodians are
    chosen."""
    if rule.kind != "public" and state.custodian_policy is None:
        raise Conflict(
            "this community has chosen no custodians, and its registrar has not the key of what others publish",
            hint="`commons community propose change-custodians --file FILE`; or publish it as public, or from the "
            "registrar's home",
        )


# -- a member's side --------------------------------------------------------------------------------------------------


class Abroad:
    """A community's log as a `publish.Destination`: kept where `seat` says, `state` read anew from there and
    verified."""

    def __init__(self, home: Home, net: Network, seat: Seat, state: State) -> None:
        self._home, self._net, self._seat, self.state = home, net, seat, state
        self.commons, self.log_key, self.registrar = seat.commons, state.keeper.public, state.founded.charter.registrar

    def begun(self, ready: Prepared) -> Opened[Manifest] | None:
        """The manifest that was signed here before of the same words and the same files, if the log has it by now or it
        can enter the log as it is; None otherwise."""
        evidence.check_whole(self._home.shelf, self.state.keeper.vkey)  # now, before anything is sealed or shared
        self.state.check_known()
        data = None
        if (cid := self._home.shelf.offer(self.commons, mark(ready))) is not None:
            data = self._home.shelf.manifest(cid)
        found = manifest.open(data) if data is not None else None
        community = self.state.founded
        if found is not None and cid in self.state.datasets and cid not in community.withdrawn:
            if not here(self._home, found.value):
                raise Conflict(
                    f"these files were published as {cid}, and their packs were dropped here",
                    hint=f"`commons mirror commons:{cid}` brings them back; --update publishes another version",
                )
            return found
        me = self._home.keys.identity.peer
        if me not in community.members:
            raise Refused(
                f"{me} is no member of this commons and cannot publish in it",
                hint="`commons community join` takes an invitation",
            )
        check_kept(self.state, ready.rule)
        return found if found is not None and fits(self._home, self, found) else None

    def begin(self, ready: Prepared, cid: Cid) -> None:
        """Nothing: remembers what was signed, so that a repetition goes on with it."""
        self._home.shelf.put_offer(self.commons, mark(ready), cid)

    async def enter(self, dataset: Opened[Manifest], cid: Cid) -> int:
        """The index of the entry: it is signed, sent with the manifest, and the log is seen to have exactly that under
        a head that continues the trusted one.

        A crash, or an answer that is lost, leaves what `begun` finds: there the entry is in the log, or it is signed
        and sent anew, and the registrar makes no second one of a manifest that has one.
        """
        if cid in self.state.datasets:
            return self.state.published(cid).index
        said = listing.entry(dataset.value, cid, int(time.time()))
        statement = envelope.sign(entries.PUBLISH, said, self._home.keys.identity)
        tiles.check_entry(statement)
        log = self.state.keeper

        def check(got: Answer, head: bytes) -> Signed:
            if len(got.shown) != 1:
                raise Untrue("the answer does not show what was sent")
            shown = got.shown[0].entry
            there = envelope.open(entries.PUBLISH, Publish, shown)
            if (there.signer, replace(there.value, time=said.time)) != (self._home.keys.identity.peer, said):
                raise Untrue("the log has another entry of this dataset than the one that was signed")
            return answer.check_entry(got, shown, log, head)

        try:
            _, given = await exchange(
                self._home,
                self._net,
                log,
                self._seat.sources,
                f"/{self.commons}/publications",
                check=check,
                body=lambda head: codec.encode(Offer(statement=statement, manifest=dataset.data, head=head)),
            )
        except (Unreachable, TimedOut) as error:
            raise type(error)(
                f"it is sealed and signed, and not known to be in the log: {error.message}",
                hint="repeat the same command: it goes on from there",
            ) from error
        return given.shown[0].index


# -- the registrar's side ---------------------------------------------------------------------------------------------


def taken(kept: Kept, given: Offer, now: float) -> tuple[Opened[Publish], Draft]:
    """The verified entry of an offer for a log that this home keeps, and the draft that makes it: by one signer, about
    exactly the manifest beside it, which is of this commons, names this log and its keeper, and whose key somebody can
    give.

    NotFound for another commons, Untrue, Malformed or Conflict. Whether the signer may, the fold says, in the draft;
    then the manifest is made durable, then the entry: a crash between the two leaves a manifest that nobody is shown.
    """
    said = envelope.open(entries.PUBLISH, Publish, given.statement)
    if said.value.commons != kept.commons:
        raise NotFound(f"this node keeps the log of {kept.commons}, not of {said.value.commons}")
    check_date(said.value.time, now)
    cid = ids.check_cid(said.value.manifest)
    dataset = manifest.open(given.manifest, cid)
    listing.check(said, dataset)
    value = dataset.value
    if (value.log_key, value.registrar) != (kept.log.key.public, kept.me):
        raise Untrue("the manifest names another log, or another registrar, than this one", hint="publish it again")
    if value.custody is None:
        check_kept(kept.log.state, value.rule)

    def draft(state: State, _index: int, _now: int) -> list[Record]:
        there = state.datasets.get(cid)
        if there is not None and there.publisher == said.signer:
            return []  # it has its entry
        state.check_publish(said.signer, said.value)
        state.founded.check_approved(cid)
        kept.shelf.note_manifest(cid, given.manifest)
        return [record(said)]

    return said, draft


async def receive(registrar: Registrar, body: bytes) -> bytes:
    """An Answer that shows the entry of a member's Offer (`body`), both in exact bytes. A manifest makes one entry,
    however often it comes.

    The order: everything in it compared; the rates; the manifest durable, then its entry; only then the answer.
    """
    given = codec.decode(Offer, body, listing.LIMIT)
    said, draft = taken(registrar.kept, given, registrar.clock())
    return await registrar.enlist(said, given.head, draft)
