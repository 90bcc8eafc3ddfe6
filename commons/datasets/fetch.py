"""Fetch: manifest, terms, key, packs, files, receipt. And carry blind: mirror, the same without the key."""

from __future__ import annotations

import asyncio
import os
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from commons.access import anchor, obtain, receipt, release, request
from commons.core.crypto.envelope import Opened
from commons.core.crypto.ids import Cid
from commons.core.dataset import address, manifest
from commons.core.dataset.contents import Contents
from commons.core.dataset.manifest import Manifest, PackRef
from commons.core.dataset.reference import Reference
from commons.datasets import download
from commons.disk import packs, private, space, unpacker
from commons.disk.home import Home
from commons.errors import Conflict, NotFound, Pending, Untrue
from commons.log import withdrawal
from commons.metadata import credit
from commons.net.network import Network, first
from commons.progress import Progress, meter


def sources_of(home: Home, reference: Reference, extra: Sequence[str]) -> list[str]:
    """The addresses to ask for a dataset, best first: what the user named, however it was written, what the reference
    names, then the peers that this home knows. Malformed for what is no address."""
    named = map(address.read, extra)
    return [*dict.fromkeys((*named, *reference.doors, *reference.peers, *home.shelf.known()))]


async def describe(home: Home, net: Network, cid: Cid, sources: Sequence[str]) -> Opened[Manifest]:
    """The verified manifest of a dataset: from the shelf, which asks nobody, or from the first source that has it."""
    data = home.shelf.manifest(cid)
    if data is None:

        async def get(source: str) -> bytes:
            got = await net.get(source, f"/manifests/{cid}", limit=manifest.LIMIT)
            manifest.open(got, cid)
            return got

        data = await first(sources, f"the manifest of {cid}", get)
        home.shelf.note_manifest(cid, data)
    return manifest.open(data, cid)


async def fetch(
    home: Home, net: Network, reference: Reference, dest: Path, progress: Progress, *,
    extra: Sequence[str] = (), acknowledge: str | None = None, purpose: str = "unstated", details: str | None = None,
    serve: bool = True, keep: bool = True, replace: bool = False,
) -> dict[str, Any]:  # fmt: skip
    """What was fetched, as plain values: everything from the reference to verified files in `dest`. What is complete
    already asks nobody.

    The order: manifest verified; key by request (`obtain.key`); packs verified piece by piece; contents opened with the
    key, which must be the one the pack commits to; files verified, then named; receipt. A crash leaves what was
    verified, and the same command goes on from there.
    """
    private.check_room(dest)
    withdrawal.check_here(home, reference.cid)
    sources = sources_of(home, reference, extra)
    dataset = await describe(home, net, reference.cid, sources)
    value = dataset.value
    check_dest(home, value, dest)
    try:
        secret = await obtain.key(
            home, net, sources, dataset, acknowledge=acknowledge, purpose=purpose, details=details
        )
    except Pending:  # for a decision that nobody needs to make any more?
        await withdrawal.check(home, net, sources, value, reference.cid)
        raise
    secrets = await asyncio.to_thread(release.chain, secret, value.epoch, value.unlocks, value.series)
    secret_of = secrets.__getitem__  # every epoch that the contents name: they were compared with the manifest

    async def contents() -> Contents:
        try:
            return await asyncio.to_thread(unpacker.contents_of, home.packs, value, secret)
        except Untrue:
            request.forget_key(home, value)  # it was not this dataset's: the next fetch asks for it again
            raise

    wrong: tuple[str, ...] = ("everything",)
    listed: dict[str, Any] = {}
    if home.packs.has(value.contents.root):
        table = await contents()
        wrong = await asyncio.to_thread(unpacker.verify, dest, table) if dest.is_dir() else wrong
    if wrong:
        if not all(home.packs.has(ref.root) for ref in value.sealed()):
            await withdrawal.check(home, net, sources, value, reference.cid)
        if value.key is not None:  # nobody was asked for its key, who would have shown it
            listed = await anchor.told(home, net, sources, dataset)
        verified = meter(progress, value.sealed_size())
        # The table first: where it is not what the manifest promises, nothing else of it is asked for.
        await download.packs(home.packs, net, sources, value.sealed()[-1:], verified)
        table = await contents()
        private.check_room(dest, [file.path for file in table.files])
        await download.packs(home.packs, net, sources, value.packs, verified)
        await asyncio.to_thread(unpacker.unpack, table, home.packs, secret_of, value.series, dest, replace=replace)
    older = versions(home, value.series) if replace else frozenset()
    left = await asyncio.to_thread(credit.leave, dest, dataset, {file.path for file in table.files}, older)
    if dataset.signer != home.keys.identity.peer:  # what was published here stays as it is
        withdrawal.remember(home, sources, (*extra, *reference.doors, *reference.peers), value)
        home.shelf.put_manifest(reference.cid, dataset.data, "fetched", served=serve and keep)
        if not keep:
            remove(home, reference.cid, value.packs)
    told: dict[str, Any] = {"receipt": "none is owed"}
    ask = request.held(home, value)
    if ask is not None and ask.dataset == reference.cid:
        told = await receipt.owe(home, net, sources, dataset, ask)
    return {
        "cid": reference.cid,
        "title": value.title,
        "version": value.version,
        "licence": value.terms.licence,
        "files": value.files,
        "bytes": value.size,
        "dest": str(dest),
        "credit": left,
        "request": ask.request if ask else None,
        "commons": value.commons,
        **listed,
        **told,
        "unsent": request.unsent(ask, purpose, details) if ask and request.readable(home, ask) else "",
    }


def check_dest(home: Home, value: Manifest, dest: Path) -> None:
    """Nothing; TooLarge, StorageFailed or Conflict, before anything is signed, where what a manifest promises does not
    fit the disk, or its table what it lists, or `dest` can be no folder. In a folder that holds something already,
    perhaps of the same dataset, `unpack` counts."""
    value.table_room()
    with packs.door(f"read {dest}"):
        if os.path.lexists(dest) and not dest.is_dir():
            raise Conflict(f"{dest} is a file and no folder", hint="name a new folder, or one to write into")
        began = dest.is_dir() and any(dest.iterdir())
    space.check((home.packs.folder, home.packs.lacking(value.sealed())), (dest, 0 if began else value.size))


async def mirror(
    home: Home, net: Network, reference: Reference, progress: Progress, extra: Sequence[str] = ()
) -> dict[str, Any]:
    """What is carried from now on, as plain values: a dataset's manifest and sealed packs, verified and served, without
    its key."""
    withdrawal.check_here(home, reference.cid)
    sources = sources_of(home, reference, extra)
    dataset = await describe(home, net, reference.cid, sources)
    await withdrawal.check(home, net, sources, dataset.value, reference.cid)
    whole = dataset.value.sealed_size()
    await download.packs(home.packs, net, sources, dataset.value.sealed(), meter(progress, whole))
    withdrawal.remember(home, sources, (*extra, *reference.doors, *reference.peers), dataset.value)
    home.shelf.put_manifest(reference.cid, dataset.data, "mirrored", served=True)
    return {"cid": reference.cid, "title": dataset.value.title, "sealed_bytes": whole}


def drop(home: Home, cid: Cid) -> dict[str, Any]:
    """What was dropped, as plain values: the dataset is served no longer, and the packs that no other dataset here
    needs are deleted."""
    data = home.shelf.manifest(cid)
    if data is None:
        raise NotFound(f"{cid} is not in this home", hint="`commons list` shows what is")
    home.shelf.put_manifest(cid, data, "seen", served=False)
    refs = manifest.open(data).value.sealed()
    held = {ref.root for ref in refs if home.packs.has(ref.root)}
    gone = remove(home, cid, refs)
    return {"cid": cid, "freed_bytes": sum(ref.size for ref in gone if ref.root in held)}


def remove(home: Home, cid: Cid, refs: Sequence[PackRef], always: bool = False) -> list[PackRef]:
    """The packs that were deleted: those of a dataset that no other dataset served here needs, as far as can be read.
    Where a manifest is damaged nothing is deleted, unless it `always` is."""
    needed = {
        ref.root
        for other, kept, _, served in home.shelf.manifests()
        if other != cid and served
        for ref in kept.value.sealed()
    }
    kept_all = not always and home.shelf.unread.any("manifests")
    gone = [] if kept_all else [ref for ref in refs if ref.root not in needed]
    for ref in gone:
        home.packs.remove(ref.root)
    return gone


def versions(home: Home, series: bytes) -> frozenset[Cid]:
    """The versions of a series that this home knows."""
    return frozenset(cid for cid, opened, _, _ in home.shelf.manifests() if opened.value.series == series)


def slug(title: str, cid: Cid) -> str:
    """A folder name made of a title, which no other dataset has: a half-fetched one is found again, none is shared."""
    return f"{re.sub(r'[^a-z0-9]+', '-', title.lower()).strip('-')[:60] or 'dataset'}-{cid[-12:]}"
