"""What this node shows to others: its logs as C2SP tiles, its manifests and sealed packs, and its registrars' answers.

`node.api` serves it, and it is the auditor's view of this home. Every resource is public but openings.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping
from pathlib import Path

import msgpack

from commons.community.transfer import Bids
from commons.core.crypto import codec
from commons.core.crypto.ids import PeerId
from commons.core.state.entries import Request, decode
from commons.core.tlog import merkle, tiles
from commons.core.tlog.tiles import Bundle, Tile
from commons.datasets import contribute
from commons.disk.home import Home
from commons.disk.kept import Kept
from commons.disk.log import Log
from commons.errors import Malformed, NotFound, Refused, StorageFailed
from commons.log import withdrawal
from commons.node.keeping import Keeping
from commons.witness import complaints, cosigning
from commons.witness.witness import Witness


class Site:
    """One home, seen from outside. `keeping` are the logs that it keeps, by commons."""

    def __init__(self, home: Home, keeping: Mapping[str, Keeping]) -> None:
        self.home, self._keeping, self.witness = home, keeping, Witness(home)
        self.bids = Bids(home)
        self._roots: tuple[tuple[object, ...], frozenset[bytes]] = ((), frozenset())

    def _told_of(self, kept: Kept, caller: PeerId | None) -> bool:
        charter, community = kept.log.state.charter, kept.log.state.community
        if charter is None or community is None:
            return False
        return (kept.personal and not self.home.unlinked) or charter.readers == "public" or caller in community.members

    def _at(self, commons: str) -> Keeping:
        if (found := self._keeping.get(commons)) is None:
            raise NotFound(f"this node does not keep the log of {commons}")
        return found

    def _log(self, commons: str) -> Log:
        return self._at(commons).kept.log

    def names(self, caller: PeerId | None) -> bytes:
        """The ids of the commons whose logs this node keeps, a line each: of those that this caller may hear of from a
        node that they did not name them to. That is the owner's commons of one, one whose readers are the public, and
        one that the caller is a member of; one in which there is nothing yet is told only where there is no other."""
        logs = [at.kept for at in self._keeping.values() if at.kept.used or len(self._keeping) == 1]
        return "".join(f"{each.commons}\n" for each in logs if self._told_of(each, caller)).encode()

    def checkpoint(self, commons: str) -> bytes:
        """The newest head, with what witnesses have signed of it by now."""
        kept = self._at(commons).kept
        return cosigning.signed(kept, kept.log.head)

    def cosigned(self, commons: str) -> bytes:
        """The newest head that meets the charter's quorum of witnesses."""
        if (found := cosigning.covering(self._at(commons).kept)) is None:
            raise NotFound("no head of this log is signed by enough witnesses", hint="they may be away: try later")
        return found

    def tile(self, commons: str, path: str) -> bytes:
        """A tile or an entry bundle; made on request, from committed entries only."""
        log, wanted = self._log(commons), tiles.parse(path)
        level = wanted.level if isinstance(wanted, Tile) else 0
        if wanted.width > tiles.widest(level, wanted.index, log.size):
            raise NotFound(f"the log's {log.size} entries do not fill {path}")
        if isinstance(wanted, Tile):
            return tiles.tile_bytes(wanted, log.read)
        first = wanted.index * tiles.WIDTH
        return tiles.bundle(list(log.entries(first, first + wanted.width)))

    def consistency(self, commons: str, old: int, new: int) -> bytes:
        log = self._log(commons)
        if not 0 <= old <= new <= log.size:
            raise Malformed(f"no consistency proof from {old} to {new} in a log of {log.size}")
        head = log.head
        if new == head.checkpoint.size:
            return b"".join(log.lead(old, head))
        return b"".join(merkle.prove_consistency(old, new, log.read)) if 0 < old < new else b""

    def openings(self, commons: str, bundle: str, reader: PeerId | None) -> bytes:
        """msgpack [[index, opening], ...] of one bundle's entries, those that `reader` may see; None is the owner. One
        that is damaged here is empty: it is neither held back nor erased."""
        log, wanted = self._log(commons), tiles.parse(f"tile/entries/{bundle}")
        if not isinstance(wanted, Bundle):
            raise NotFound(f"there are no openings {bundle}")
        first = wanted.index * tiles.WIDTH
        sees = _sees(log, reader)
        found = []
        for index in range(first, min(first + wanted.width, log.size)):
            try:
                value = log.opening(index, None if sees(index) else reader)
            except Refused:  # withheld
                continue
            except StorageFailed:
                found.append((index, b""))
            else:
                if value is not None:
                    found.append((index, codec.encode(value)))
        packed: bytes = msgpack.packb(found)
        return packed

    def notice(self, commons: str, dataset: str) -> bytes:
        """The registrar's signed notice that a dataset was withdrawn; of another commons, as this node was told."""
        return withdrawal.shown(self.home, commons, dataset)

    def listed(self, commons: str, dataset: str, head: bytes) -> bytes:
        return self._at(commons).registrar.listed(dataset, head)

    async def submit(self, commons: str, body: bytes) -> bytes:
        return await self._at(commons).registrar.submit(body)

    def check_publisher(self, commons: str, peer: PeerId | None) -> None:
        """Refused for who is no member, before anything as large as a manifest is read from them."""
        community = self._log(commons).state.community
        if community is None or peer not in community.members:
            raise Refused(f"{peer} is no member of this commons and cannot publish in it")

    async def publish(self, commons: str, body: bytes) -> bytes:
        return await contribute.receive(self._at(commons).registrar, body)

    def release(self, commons: str, body: bytes) -> bytes:
        return self._at(commons).registrar.release(body)

    def manifest(self, cid: str) -> bytes:
        """Published in a log that is kept here, or carried and shown by this node's owner's wish."""
        listed = any(cid in each.log.state.datasets for each in self.home.kept.values())
        data = self.home.shelf.manifest(cid, served=not listed)
        if data is None:
            raise NotFound(f"this node does not carry {cid}", hint="try another peer")
        return data

    def pack(self, root: bytes) -> Path:
        """A sealed file of a dataset that this node serves; what it only keeps for itself is not shown."""
        if root not in self._served() or not self.home.packs.has(root):
            raise NotFound(f"this node does not carry pack {root.hex()}", hint="try another peer")
        return self.home.packs.path(root)

    def pieces(self, root: bytes) -> bytes:
        self.pack(root)
        return self.home.packs.layer(root)

    async def add_checkpoint(self, body: bytes) -> bytes:
        return await asyncio.to_thread(self.witness.add_checkpoint, body)

    def monitored(self, log: str) -> bytes:
        return self.witness.monitored(log)

    def submitted(self, log: str) -> bytes:
        return complaints.published(self.home, log, int(time.time()))

    def _served(self) -> frozenset[bytes]:
        known, roots = self._roots
        gone, counts = set[str](), list[object]()
        for each in self.home.kept.values():
            community = each.log.state.community
            gone |= {*(community.withdrawn if community is not None else ())}
            counts += [each.commons, len(gone)]
        edition = (self.home.shelf.edition, *counts)
        if known != edition:
            roots = frozenset(
                ref.root
                for cid, opened, role, served in self.home.shelf.manifests()
                if (served or (role == "published" and self._lists(opened.value.commons, cid))) and cid not in gone
                for ref in opened.value.sealed()
            )
            self._roots = (edition, roots)
        return roots

    def _lists(self, commons: str, cid: str) -> bool:
        return commons in self.home.kept and cid in self.home.kept[commons].log.state.datasets


def _sees(log: Log, reader: PeerId | None) -> Callable[[int], bool]:
    """Whether `reader` may see what an entry hides, whomever it is about; what is about themselves they always may.

    Said without opening anything: nothing is decrypted for who may not read it.
    """
    charter, community = log.state.charter, log.state.community
    if reader is None or (charter is not None and (charter.readers == "public" or reader == charter.registrar)):
        return lambda index: True
    if charter is None or community is None or reader not in community.members:
        return lambda index: False
    if charter.readers == "members":
        return lambda index: True

    def shown(index: int) -> bool:  # opened by the members' decision
        entry = decode(log.entry(index))
        return (index if isinstance(entry, Request) else getattr(entry, "request", None)) in community.shown

    return shown
