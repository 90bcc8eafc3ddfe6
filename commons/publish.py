"""Publish a file or a folder: seal it, sign its manifest, make the `publish` entry durable, and only then name it."""

from __future__ import annotations

import asyncio
import secrets
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import licences
from commons.core import entries, envelope, ids, manifest, release
from commons.core.entries import Publish
from commons.core.envelope import Opened
from commons.core.ids import Cid
from commons.core.manifest import Manifest, PackRef
from commons.core.rules import Rule
from commons.core.terms import Terms
from commons.disk import folder, packer, unpacker
from commons.disk.home import Home
from commons.disk.log import Record, record
from commons.errors import Conflict, Malformed, NotFound
from commons.progress import Progress, meter


@dataclass(frozen=True, slots=True, kw_only=True)
class Publication:
    """What the publisher says of a dataset. `licence` in any spelling `licences.resolve` knows, or a LicenseRef."""

    path: Path
    title: str
    licence: str
    creators: tuple[str, ...] = ()
    description: str = ""
    licence_text: str | None = None
    copyright: str | None = None
    credit_line: str | None = None
    source_url: str | None = None
    conditions: str | None = None
    access: str = "acknowledge"
    allow: tuple[str, ...] = ()
    purposes: tuple[str, ...] = ()
    grant_days: int | None = None
    previous: str | None = None
    follow_links: bool = False

    def __post_init__(self) -> None:
        manifest.check_words(self.title, self.description)  # now, and not after an hour of sealing


async def publish(home: Home, said: Publication, progress: Progress) -> dict[str, Any]:
    """The order: packs durable; manifest signed and on the shelf; `publish` entry durable; only then its name is told.

    A crash before the entry leaves sealed packs and a manifest nobody is shown; after it, a published dataset.
    """
    terms, rule = terms_of(said), Rule(kind=said.access, peers=tuple(sorted(set(said.allow))))
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
    epoch = state.epoch_for(series, terms.digest(), rule)
    epochs = {n: home.keys.epoch(series, n) for n in range(epoch + 1)}

    def seal() -> packer.Packed:
        sources = folder.scan(said.path, said.follow_links)
        if not sources:
            raise NotFound(f"{said.path} holds no file", hint="there is nothing to publish")
        older = None
        if before and home.packs.has((own := before.value.contents).root):
            older = unpacker.read_contents(home.packs, own, home.keys.epoch(series, own.epoch), series)
        return packer.pack(
            sources, secret=epochs[epoch], series=series, epoch=epoch, store=home.packs, previous=older,
            old_secret=epochs.__getitem__, progress=meter(progress, sum(source.size for source in sources)),
        )  # fmt: skip

    packed = await asyncio.to_thread(seal)
    now = int(time.time())
    version = before.value.version + 1 if before else 1
    value = Manifest(
        series=series, version=version, previous=ids.cid(before.data) if before else None,
        title=said.title, description=said.description, created=now, terms=terms, rule=rule, commons=home.commons,
        log_key=home.log.key.public, registrar=home.keys.identity.peer, epoch=epoch,
        unlocks=tuple(release.lock(epochs[n + 1], epochs[n], series, n) for n in range(epoch)),
        key=epochs[epoch] if rule.kind == "public" else None,
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
        "reused_bytes": packed.bytes_reused, "entry": home.log.state.published(
            cid).index, "notices": list(notices(terms, rule)),
    }  # fmt: skip


def _entry(home: Home, value: Manifest, cid: Cid, now: int) -> Record:
    said = Publish(
        time=now, manifest=cid, series=value.series, version=value.version, title=value.title,
        licence=value.terms.licence, terms=value.terms.digest(), rule=value.rule, purposes=value.terms.purposes,
        grant_days=value.terms.grant_days, epoch=value.epoch,
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


def terms_of(said: Publication) -> Terms:
    """The terms a requester will acknowledge. Malformed, with the candidates, for a licence that is none."""
    licence = _licence(said)
    missing = [field for field in licence.asks() if not getattr(said, field, None)]
    if missing:
        raise Malformed(
            f"{licence.id} asks for attribution, so {' and '.join(missing)} must be named",
            hint=" ".join(f"--{'creator' if field == 'creators' else field} …" for field in missing),
        )
    return Terms(
        licence=licence.id, licence_url=licence.url or "", licence_sha256=licence.text_sha256,
        licence_text=said.licence_text, title=said.title, creators=said.creators, copyright=said.copyright,
        credit_line=said.credit_line, source_url=said.source_url, conditions=said.conditions,
        purposes=tuple(sorted(set(said.purposes))), grant_days=said.grant_days,
    )  # fmt: skip


def _licence(said: Publication) -> licences.Licence:
    if said.licence.startswith("LicenseRef-") and not said.licence_text:
        raise Malformed(f"{said.licence} is a licence of your own: its text is needed", hint="--licence-text FILE")
    try:
        if said.licence.startswith("LicenseRef-"):
            return licences.custom(said.licence, said.licence, said.licence_text or "")
        return licences.resolve(said.licence)
    except licences.InvalidLicence as error:
        raise Malformed(str(error), hint=_suggest(())) from error
    except licences.UnknownLicence as error:
        raise Malformed(str(error), hint=_suggest(error.suggestions)) from error
    except licences.AmbiguousLicence as error:
        raise Malformed(str(error), hint=_suggest(error.candidates)) from error


def _suggest(ids: tuple[str, ...]) -> str:
    listed = f"did you mean {', '.join(ids)}? " if ids else ""
    return f"{listed}For terms of your own use --licence LicenseRef-NAME --licence-text FILE"


def notices(terms: Terms, rule: Rule) -> tuple[str, ...]:
    """What the publisher must know: the limits of what a log can count."""
    if rule.kind == "public":
        return ("public: the key is in the manifest; nobody is asked, and nothing is accounted for",)
    found = ["the log counts first copies of the key; it cannot show reading, use, or copies passed on"]
    if terms.licence_text is None:
        found.append(f"{terms.licence} lets every recipient pass copies on; the log does not see that")
    return tuple(found)
