"""What this node shows to others: its log as C2SP tiles, its manifests and sealed packs, and its registrar's answers.

`node.api` serves it, and it is the auditor's view of this home. Every resource is public but openings.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from pathlib import Path

import msgpack

from commons.access.registrar import Registrar
from commons.community.transfer import Bids
from commons.core.crypto import codec
from commons.core.crypto.ids import PeerId
from commons.core.state.entries import Request, decode
from commons.core.tlog import merkle, tiles
from commons.core.tlog.tiles import Bundle, Tile
from commons.datasets import contribute
from commons.disk.home import Home
from commons.errors import Malformed, NotFound, Refused, StorageFailed
from commons.log import withdrawal
from commons.witness import complaints, cosigning
from commons.witness.witness import Witness


class Site:
    """One home, seen from outside."""

    def __init__(self, home: Home, registrar: Registrar) -> None:
        self.home, self.log, self.registrar, self.witness = home, home.log, registrar, Witness(home)
        self.bids = Bids(home)
        self._roots: tuple[tuple[int, int], frozenset[bytes]] = ((-1, 0), frozenset())

    def _mine(self, commons: str) -> None:
        if commons != self.home.commons:
            raise NotFound(f"this node keeps the log of {self.home.commons}, not of {commons}")

    def name(self) -> bytes:
        """The commons whose log this node keeps."""
        return self.home.commons.encode() + b"\n"

    def checkpoint(self, commons: str) -> bytes:
        """The newest head, with what witnesses have signed of it by now."""
        self._mine(commons)
        return cosigning.signed(self.home, self.log.head)

    def cosigned(self, commons: str) -> bytes:
        """The newest head that meets the charter's quorum of witnesses."""
        self._mine(commons)
        if (found := cosigning.covering(self.home)) is None:
            raise NotFound("no head of this log is signed by enough witnesses", hint="they may be away: try later")
        return found

    def tile(self, commons: str, path: str) -> bytes:
        """A tile or an entry bundle; made on request, from committed entries only."""
        self._mine(commons)
        wanted = tiles.parse(path)
        level = wanted.level if isinstance(wanted, Tile) else 0
        if wanted.width > tiles.widest(level, wanted.index, self.log.size):
            raise NotFound(f"the log's {self.log.size} entries do not fill {path}")
        if isinstance(wanted, Tile):
            return tiles.tile_bytes(wanted, self.log.read)
        first = wanted.index * tiles.WIDTH
        return tiles.bundle(list(self.log.entries(first, first + wanted.width)))

    def consistency(self, commons: str, old: int, new: int) -> bytes:
        self._mine(commons)
        if not 0 <= old <= new <= self.log.size:
            raise Malformed(f"no consistency proof from {old} to {new} in a log of {self.log.size}")
        head = self.log.head
        if new == head.checkpoint.size:
            return b"".join(self.log.lead(old, head))
        return b"".join(merkle.prove_consistency(old, new, self.log.read)) if 0 < old < new else b""

    def openings(self, commons: str, bundle: str, reader: PeerId | None) -> bytes:
        """msgpack [[index, opening], ...] of one bundle's entries, those that `reader` may see; None is the owner. One
        that is damaged here is empty: it is neither held back nor erased."""
        self._mine(commons)
        wanted = tiles.parse(f"tile/entries/{bundle}")
        if not isinstance(wanted, Bundle):
            raise NotFound(f"there are no openings {bundle}")
        first = wanted.index * tiles.WIDTH
        sees = self._sees(reader)
        found = []
        for index in range(first, min(first + wanted.width, self.log.size)):
            try:
                value = self.log.opening(index, None if sees(index) else reader)
            except Refused:  # withheld
                continue
            except StorageFailed:
                found.append((index, b""))
            else:
                if value is not None:
                    found.append((index, codec.encode(value)))
        packed: bytes = msgpack.packb(found)
        return packed

    def _sees(self, reader: PeerId | None) -> Callable[[int], bool]:
        """Whether `reader` may see what an entry hides, whomever it is about; what is about themselves they always may.

        Said without opening anything: nothing is decrypted for who may not read it.
        """
        charter, community = self.log.state.charter, self.log.state.community
        if reader is None or (charter is not None and (charter.readers == "public" or reader == charter.registrar)):
            return lambda index: True
        if charter is None or community is None or reader not in community.members:
            return lambda index: False
        if charter.readers == "members":
            return lambda index: True

        def shown(index: int) -> bool:  # opened by the members' decision
            entry = decode(self.log.entry(index))
            return (index if isinstance(entry, Request) else getattr(entry, "request", None)) in community.shown

        return shown

    def notice(self, commons: str, dataset: str) -> bytes:
        """The registrar's signed notice that a dataset was withdrawn; of another commons, as this node was told."""
        return withdrawal.shown(self.home, commons, dataset)

    def listed(self, commons: str, dataset: str, head: bytes) -> bytes:
        self._mine(commons)
        return self.registrar.listed(dataset, head)

    async def submit(self, commons: str, body: bytes) -> bytes:
        self._mine(commons)
        return await self.registrar.submit(body)

    def check_publisher(self, commons: str, peer: PeerId | None) -> None:
        """Refused for who is no member, before anything as large as a manifest is read from them."""
        self._mine(commons)
        community = self.log.state.community
        if community is None or peer not in community.members:
            raise Refused(f"{peer} is no member of this commons and cannot publish in it")

    async def publish(self, commons: str, body: bytes) -> bytes:
        self._mine(commons)
        return await contribute.receive(self.registrar, body)

    def release(self, commons: str, body: bytes) -> bytes:
        self._mine(commons)
        return self.registrar.release(body)

    def manifest(self, cid: str) -> bytes:
        """Published in this log, or carried and shown by this node's owner's wish."""
        data = self.home.shelf.manifest(cid, served=cid not in self.log.state.datasets)
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
        state = self.log.state
        gone = state.community.withdrawn if state.community is not None else {}
        edition = self.home.shelf.edition, len(gone)
        if known != edition:
            roots = frozenset(
                ref.root
                for cid, opened, role, served in self.home.shelf.manifests()
                if (served or (role == "published" and cid in state.datasets)) and cid not in gone
                for ref in opened.value.sealed()
            )
            self._roots = (edition, roots)
        return roots
