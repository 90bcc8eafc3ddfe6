"""Publish a file or a folder: seal it, sign its manifest, make the `publish` entry durable, and only then name it."""

from __future__ import annotations

import asyncio
import hashlib
import secrets
import time
from collections.abc import Awaitable, Callable
from dataclasses import asdict
from typing import Any

from commons import licensing
from commons.core import custody as shared
from commons.core import entries, envelope, ids, manifest, release
from commons.core.entries import Publish
from commons.core.envelope import Opened
from commons.core.ids import Cid
from commons.core.manifest import Manifest, PackRef
from commons.core.rules import Rule
from commons.core.terms import Terms
from commons.disk import packer, unpacker
from commons.disk.home import Home
from commons.disk.records import Record, record
from commons.errors import Conflict, NotFound
from commons.gather import compare
from commons.progress import Progress, meter
from commons.publication import Publication, prepare

Entrust = Callable[[bytes, int, Terms, Rule, bytes | None], Awaitable[bytes | None]]


async def alone(_series: bytes, _epoch: int, _terms: Terms, _rule: Rule, _before: bytes | None) -> None:
    """The key stays with the registrar."""


async def publish(home: Home, said: Publication, progress: Progress, entrust: Entrust = alone) -> dict[str, Any]:
    """The order: everything said and checked; packs durable; declared hashes compared with what was sealed; the key, if
    custodians keep it, in their hands (`entrust` gives the sharing); manifest signed and on the shelf; `publish` entry
    durable; only then its name is told.

    A crash before the entry leaves sealed packs, shares and a manifest nobody is shown; after it, a published dataset.
    """
    ready = await asyncio.to_thread(prepare, said)
    terms, rule = ready.terms, ready.rule
    state = home.log.state
    before = _previous(home, said.previous) if said.previous else None
    series = before.value.series if before else secrets.token_bytes(16)
    if rule.kind == "public" and any(
        each.entry.series == series and each.entry.rule.kind != "public" for each in state.datasets.values()
    ):
        raise Conflict(
            "a public version prints its key, which would open the earlier versions too, and those were not public",
            hint="publish it as a dataset of its own, without --update",
        )
    state.check_rule(series, rule)  # as the fold will: now, not after an hour of sealing
    epoch = state.epoch_for(series, terms.digest(), rule)
    epochs = {n: home.keys.epoch(series, n) for n in range(epoch + 1)}

    def seal() -> packer.Packed:
        older = None
        if before and home.packs.has((own := before.value.contents).root):
            older = unpacker.read_contents(home.packs, own, home.keys.epoch(series, own.epoch), series)
        packed = packer.pack(
            ready.sources, secret=epochs[epoch], series=series, epoch=epoch, store=home.packs, previous=older,
            old_secret=epochs.__getitem__, rights=ready.rights,
            progress=meter(progress, sum(source.size for source in ready.sources)),
        )  # fmt: skip
        compare(ready.gathered, packed.contents.files)
        return packed

    packed = await asyncio.to_thread(seal)
    custody = await entrust(series, epoch, terms, rule, before.value.custody if before else None)
    now = int(time.time())
    version = before.value.version + 1 if before else 1
    value = Manifest(
        series=series, version=version, previous=ids.cid(before.data) if before else None,
        title=terms.title, description=ready.said.description or "", keywords=ready.said.keywords,
        identifier=ready.said.identifier, created=now, terms=terms, rule=rule, commons=home.commons,
        log_key=home.log.key.public, registrar=home.keys.identity.peer, epoch=epoch,
        unlocks=tuple(release.lock(epochs[n + 1], epochs[n], series, n) for n in range(epoch)),
        key=epochs[epoch] if rule.kind == "public" else None, custody=custody,
        packs=tuple(PackRef(root=pack.root, size=pack.size) for pack in packed.packs), contents=packed.contents_pack,
        files=len(packed.contents.files), size=sum(file.size for file in packed.contents.files),
    )  # fmt: skip
    data = manifest.sign(value, home.keys.identity)
    cid = ids.cid(data)
    home.shelf.put_manifest(cid, data, "published", served=False)
    await asyncio.wrap_future(home.log.append(lambda _state, _index, now: [_entry(home, value, cid, now)]))
    home.shelf.put_manifest(cid, data, "published", served=True)
    return {
        "reference": f"commons:{cid}", "cid": cid, "title": value.title, "version": version, "licence": terms.licence,
        "access": str(rule), "files": value.files, "bytes": value.size, "sealed_bytes": value.sealed_size(),
        "reused_bytes": packed.bytes_reused, "entry": home.log.state.published(cid).index,
        "custodians": custody is not None, "taken": dict(ready.gathered.taken),
        "notices": [*notices(terms, rule), *ready.notices],
        "warnings": [asdict(each) for each in ready.findings],
    }  # fmt: skip


def _entry(home: Home, value: Manifest, cid: Cid, now: int) -> Record:
    said = Publish(
        time=now, manifest=cid, series=value.series, version=value.version, title=value.title,
        licence=value.terms.licence, terms=value.terms.digest(), rule=value.rule, purposes=value.terms.purposes,
        grant_days=value.terms.grant_days, epoch=value.epoch,
        custodians=hashlib.sha256(shared.open_sharing(value.custody).value.policy.encode()).digest()
        if value.custody is not None else None,
    )  # fmt: skip
    signed = envelope.sign(entries.PUBLISH, said, home.keys.identity)
    return record(envelope.open(entries.PUBLISH, Publish, signed))


def _previous(home: Home, cid: str) -> Opened[Manifest]:
    data = home.shelf.manifest(cid)
    if data is None or cid not in home.log.state.datasets:
        raise NotFound(f"{cid} was not published from this home", hint="`commons list` shows what was")
    opened = manifest.open(data)
    newest = home.log.state.series[opened.value.series]
    if newest != cid:
        raise Conflict(f"{cid} has a newer version already: {newest}", hint=f"use --update commons:{newest}")
    return opened


def notices(terms: Terms, rule: Rule) -> tuple[str, ...]:
    """What the publisher must know: the limits of what a log can count."""
    if rule.kind == "public":
        return ("public: the key is in the manifest; nobody is asked, and nothing is accounted for",)
    found = ["the log counts first copies of the key; it cannot show reading, use, or copies passed on"]
    free = [each.short for each in licensing.of(terms) if each.kind in ("licence", "dedication", "mark")]
    if free:
        found.append(f"{' and '.join(free)} lets every recipient pass copies on; the log does not see that")
    return tuple(found)
