"""Publish a file or a folder: seal it, sign its manifest, make the `publish` entry durable, and only then name it."""

from __future__ import annotations

import asyncio
import hashlib
import secrets
import time
import unicodedata
from dataclasses import asdict
from typing import Any, Protocol

from commons.access import listing, release
from commons.core.crypto import envelope, ids
from commons.core.crypto.envelope import Opened
from commons.core.crypto.ids import Cid
from commons.core.crypto.keys import Keys
from commons.core.dataset import manifest, names
from commons.core.dataset.contents import Contents
from commons.core.dataset.manifest import Manifest, PackRef
from commons.core.dataset.rule import Rule
from commons.core.dataset.terms import Terms
from commons.core.state import entries
from commons.core.state.entries import Publish
from commons.core.state.fold import State
from commons.datasets import prepare
from commons.datasets.prepare import Prepared, Publication
from commons.disk import folder, packer, private, unpacker
from commons.disk.home import Home
from commons.disk.kept import Kept
from commons.disk.records import Record, record
from commons.errors import CommonsError, Conflict, NotFound, Pending, Refused, TooLarge
from commons.metadata import licensing
from commons.metadata.gather import compare
from commons.progress import Progress, meter


class Entrust(Protocol):
    """Who gives the key of `epoch` in `series` to custodians, bound to terms and a rule: called by `publish` before the
    manifest is signed. `before` is the sharing of the version before, if there is one."""

    async def __call__(
        self, *, series: bytes, epoch: int, terms: Terms, rule: Rule, before: bytes | None
    ) -> bytes | None:
        """The sharing that the manifest names; None where the key stays with the registrar."""


class Destination(Protocol):
    """The commons in which something is published: its `state`, what manifests say of its log, and how an entry is made
    there."""

    @property
    def state(self) -> State: ...
    @property
    def commons(self) -> str: ...
    @property
    def log_key(self) -> bytes: ...
    @property
    def registrar(self) -> str: ...

    def begun(self, ready: Prepared) -> Opened[Manifest] | None:
        """The manifest that was signed of this before and is in the log, or can still enter it; None where there is
        none. An error where nothing can be published."""

    def begin(self, ready: Prepared, cid: Cid) -> None:
        """Nothing: remembers what was signed, so that a repetition goes on with it."""

    async def enter(self, dataset: Opened[Manifest], cid: Cid) -> int:
        """The index of the manifest's entry, once that is durable."""


class Own:
    """A log that this home keeps itself, as a `Destination`."""

    def __init__(self, home: Home, kept: Kept) -> None:
        self._home, self._log, self.state, self.commons = home, kept.log, kept.log.state, kept.commons
        self.log_key, self.registrar = kept.log.key.public, kept.me

    def begun(self, ready: Prepared) -> Opened[Manifest] | None:
        """The manifest that was signed before, where the members decide about publications first; else None, since the
        entry follows the manifest at once. Outdated, before anything is sealed, by rules that are not known here."""
        self.state.check_known()
        data = self._home.shelf.manifest(self._home.shelf.offer(self.commons, mark(ready)) or "")
        found = manifest.open(data) if data is not None and self._screened() else None
        if found is None or ids.cid(found.data) in self.state.datasets:
            return found
        return found if fits(self._home, self, found) else None

    def begin(self, ready: Prepared, cid: Cid) -> None:
        if self._screened():
            self._home.shelf.put_offer(self.commons, mark(ready), cid)

    def _screened(self) -> bool:
        return self.state.community is not None and self.state.community.screened

    async def enter(self, dataset: Opened[Manifest], cid: Cid) -> int:
        if cid in self.state.datasets:
            return self.state.published(cid).index

        def draft(_state: State, _index: int, now: int) -> list[Record]:
            said = listing.entry(dataset.value, cid, now)
            signed = envelope.sign(entries.PUBLISH, said, self._home.keys.identity)
            return [record(envelope.open(entries.PUBLISH, Publish, signed))]

        await asyncio.wrap_future(self._log.append(draft))
        return self.state.published(cid).index


def mark(ready: Prepared) -> bytes:
    """A digest (32 bytes) of the words and of the files, by name, size and time of change: the same for a
    repetition."""
    files = [(each.place, each.path, each.size, each.mtime) for each in ready.sources]
    return hashlib.sha256(repr((ready.said, files)).encode("utf-8", "surrogatepass")).digest()


def here(home: Home, value: Manifest) -> bool:
    """Whether all sealed packs of a manifest are in this home."""
    return all(home.packs.has(ref.root) for ref in value.sealed())


def fits(home: Home, place: Destination, found: Opened[Manifest]) -> bool:
    """Whether a manifest that was signed before can still enter the log as it is; if not, everything is sealed anew."""
    value = found.value
    try:
        place.state.check_publish(found.signer, listing.entry(value, ids.cid(found.data), 0))
    except CommonsError:  # something was decided meanwhile
        return False
    return here(home, value) and (value.log_key, value.registrar) == (place.log_key, place.registrar)


async def alone(*, series: bytes, epoch: int, terms: Terms, rule: Rule, before: bytes | None) -> None:
    """None: custodians have no part in it, and the key stays with the registrar."""


async def publish(
    home: Home, said: Publication, progress: Progress, place: Destination, entrust: Entrust = alone
) -> dict[str, Any]:
    """What was published, as plain values: id, entry, reference, what the publisher must know.

    The order: everything said and checked; packs durable; declared hashes compared with what was sealed; the key, if
    custodians keep it, in their hands (`entrust` gives the sharing); manifest signed and on the shelf; `publish` entry
    durable; only then it is shown, and its name told.

    A crash before the entry leaves sealed packs, shares and a manifest nobody is shown; after it, a published dataset,
    which in a community's log the same call finds again: see `contribute`.
    """
    ready = await asyncio.to_thread(_ready, home, said)
    dataset, reused, kept = place.begun(ready), 0, list[str]()
    if again := dataset is not None:
        cid = ids.cid(dataset.data)
    else:
        dataset, reused, kept = await _seal(home, ready, progress, place, entrust)
        cid = ids.cid(dataset.data)
        home.shelf.put_manifest(cid, dataset.data, "published", served=False)
        place.begin(ready, cid)
    _check_approved(place.state, cid)
    index = await place.enter(dataset, cid)
    home.shelf.put_manifest(cid, dataset.data, "published", served=True)
    value = dataset.value
    return {
        "reference": f"commons:{cid}", "cid": cid, "title": value.title, "version": value.version,
        "licence": value.terms.licence, "access": str(value.rule), "files": value.files, "bytes": value.size,
        "sealed_bytes": value.sealed_size(), "reused_bytes": reused, "commons": value.commons, "entry": index,
        "again": again, "custodians": value.custody is not None, **prepare.found(ready),
        "notices": [*notices(ready.terms, ready.rule), *ready.notices, *ready.lost, *kept],
        "left_out": [asdict(each) for each in ready.left],
        "warnings": [asdict(each) for each in ready.findings],
    }  # fmt: skip


def plan(home: Home, said: Publication, place: Destination) -> dict[str, Any]:
    """What `publish` would say, and its errors, without sealing or signing anything."""
    ready = _ready(home, said)
    before, _ = _continued(home, place.state, ready)
    told = prepare.plan(ready)
    more = _kept(ready, before, _older(home, before))
    return {**told, "notices": [*notices(ready.terms, ready.rule), *told["notices"], *more]}


def _ready(home: Home, said: Publication) -> Prepared:
    """Refused where a file is the seed of this home, whatever it is called."""
    ready = prepare.prepare(said)
    for source in ready.sources:
        seed = private.seed(folder.head(source, 66)) if 64 <= source.size <= 66 else None
        if seed is not None and Keys(seed).identity.peer == home.keys.identity.peer:
            raise Refused(f"{source.place} is the seed of this home", hint="who has it is you: move it elsewhere")
    return ready


def _kept(ready: Prepared, before: Opened[Manifest] | None, older: Contents | None) -> list[str]:
    """What the version before holds, though it is left out now: that cannot be taken back."""
    out = tuple(unicodedata.normalize("NFC", each.path) for each in ready.left)
    held = [file.path for file in older.files if file.path.startswith(out)] if older else []
    paths = [path for path in held if any(path == each or (path.startswith(each) and each[-1] == "/") for each in out)]
    if not paths or before is None:
        return []
    return [
        f"version {before.value.version} has what is left out now, and who holds that version holds it: "
        f"{names.listed(paths, 500)}"
    ]


def _check_approved(state: State, cid: Cid) -> None:
    """Pending where the members have still to decide: what was sealed and signed waits for them."""
    if cid not in state.datasets and state.community is not None:
        try:
            state.community.check_approved(cid)
        except Refused as error:
            raise Pending(
                f"it is sealed and signed, as {cid}, and waits for the members to decide whether it is published",
                hint=f"{error.hint}; once they have, repeat this command",
            ) from error


async def _seal(
    home: Home, ready: Prepared, progress: Progress, place: Destination, entrust: Entrust
) -> tuple[Opened[Manifest], int, list[str]]:
    """The signed manifest, its packs durable and its key shared; how many bytes are those of the version before; and
    what is told of that."""
    terms, rule, state = ready.terms, ready.rule, place.state
    before, series = _continued(home, state, ready)
    epoch = state.epoch_for(series, terms.digest(), rule)
    epochs = {n: home.keys.epoch(series, n) for n in range(epoch + 1)}
    older = await asyncio.to_thread(_older, home, before)

    def seal() -> packer.Packed:
        packed = packer.pack(
            ready.sources,
            secret=epochs[epoch],
            series=series,
            epoch=epoch,
            store=home.packs,
            previous=older,
            old_secret=epochs.__getitem__,
            rights=ready.rights,
            progress=meter(progress, sum(source.size for source in ready.sources)),
        )
        compare(ready.gathered, packed.contents.files)
        return packed

    packed = await asyncio.to_thread(seal)
    custody = await entrust(
        series=series, epoch=epoch, terms=terms, rule=rule, before=before.value.custody if before else None
    )
    value = Manifest(
        series=series, version=before.value.version + 1 if before else 1,
        previous=ids.cid(before.data) if before else None,
        title=terms.title, description=ready.said.description or "", keywords=ready.said.keywords,
        identifier=ready.said.identifier, created=int(time.time()), terms=terms, rule=rule, commons=place.commons,
        log_key=place.log_key, registrar=place.registrar, epoch=epoch,
        unlocks=tuple(release.lock(epochs[n + 1], epochs[n], series, n) for n in range(epoch)),
        key=epochs[epoch] if rule.kind == "public" else None, custody=custody,
        packs=tuple(PackRef(root=pack.root, size=pack.size) for pack in packed.packs), contents=packed.contents_pack,
        files=len(packed.contents.files), size=sum(file.size for file in packed.contents.files),
    )  # fmt: skip
    data = manifest.sign(value, home.keys.identity)
    if len(data) > manifest.LIMIT:
        raise TooLarge(
            f"the manifest has {len(data)} bytes, and at most {manifest.LIMIT} are possible",
            hint="shorten what it says of itself, or publish it as several datasets",
        )
    return manifest.open(data), packed.bytes_reused, _kept(ready, before, older)


def _continued(home: Home, state: State, ready: Prepared) -> tuple[Opened[Manifest] | None, bytes]:
    """The version before, if there is one, and the series; an error where this one may not follow."""
    before = _previous(home, state, ready.said.previous) if ready.said.previous else None
    series = before.value.series if before else secrets.token_bytes(16)
    if ready.rule.kind == "public" and any(
        each.entry.series == series and each.entry.rule.kind != "public" for each in state.datasets.values()
    ):
        raise Conflict(
            "a public version prints its key, which would open the earlier versions too, and those were not public",
            hint="publish it as a dataset of its own, without --update",
        )
    state.check_rule(series, ready.rule)  # as the fold will: now, not after an hour of sealing
    return before, series


def _older(home: Home, before: Opened[Manifest] | None) -> Contents | None:
    """The contents of the version before, as far as they are here."""
    if before is None or not home.packs.has((own := before.value.contents).root):
        return None
    return unpacker.contents_of(home.packs, before.value, home.keys.epoch(before.value.series, own.epoch))


def _previous(home: Home, state: State, cid: str) -> Opened[Manifest]:
    data = home.shelf.manifest(cid)
    if data is None or cid not in state.datasets:
        raise NotFound(
            f"{cid} was not published from this home in {state.commons}",
            hint="`commons list` shows what was; --in says in which community",
        )
    opened = manifest.open(data)
    if opened.signer != home.keys.identity.peer:
        raise Refused("a series is continued by who began it", hint="publish it as a dataset of its own, --based-on it")
    newest = state.series[opened.value.series]
    if newest != cid:
        raise Conflict(f"{cid} has a newer version already: {newest}", hint=f"use --update commons:{newest}")
    return opened


def notices(terms: Terms, rule: Rule) -> tuple[str, ...]:
    """Sentences that the publisher must know: the limits of what a log can count."""
    if rule.kind == "public":
        return ("public: the key is in the manifest; nobody is asked, and nothing is accounted for",)
    found = ["the log counts first copies of the key; it cannot show reading, use, or copies passed on"]
    free = [each.short for each in licensing.of(terms) if each.kind in ("licence", "dedication", "mark")]
    if free:
        found.append(f"{' and '.join(free)} lets every recipient pass copies on; the log does not see that")
    return tuple(found)
