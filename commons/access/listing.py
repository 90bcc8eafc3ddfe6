"""How a dataset stands in a log: the publish entry that its manifest makes, and what a member sends to have it listed.

An entry repeats what others decide by, so that a log can be judged without manifests; here both are held together.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, fields

from commons.core.crypto.envelope import Opened
from commons.core.crypto.ids import Cid, cid
from commons.core.dataset import manifest
from commons.core.dataset.manifest import Manifest
from commons.core.state.entries import Publish
from commons.custody import sharing
from commons.errors import Untrue

LIMIT = manifest.LIMIT + (128 << 10)  # bytes of an offer: a manifest, an entry, a head


@dataclass(frozen=True, slots=True, kw_only=True)
class Offer:
    """What a member sends to a registrar to have a dataset listed: `statement` is the signed Publish, `manifest` the
    signed manifest that it names, both in exact bytes; `head` the last checkpoint of this log that the sender trusts,
    or empty."""

    statement: bytes
    manifest: bytes
    head: bytes


def entry(value: Manifest, name: Cid, time: int) -> Publish:
    """The publish entry of the manifest with this CID, dated `time`."""
    kept = sharing.open_sharing(value.custody).value.policy if value.custody is not None else None
    return Publish(
        commons=value.commons,
        time=time,
        manifest=name,
        series=value.series,
        version=value.version,
        title=value.title,
        licence=value.terms.licence,
        terms=value.terms.digest(),
        rule=value.rule,
        purposes=value.terms.purposes,
        grant_days=value.terms.grant_days,
        epoch=value.epoch,
        custodians=None if kept is None else hashlib.sha256(kept.encode()).digest(),
    )


def check(said: Opened[Publish], dataset: Opened[Manifest]) -> None:
    """Nothing; Untrue unless entry and manifest are by one signer, the entry names this manifest, and each of its
    fields is what the manifest says; and, where custodians keep the key, the publisher shared the key of this very
    version."""
    value = dataset.value
    if said.signer != dataset.signer:
        raise Untrue("the manifest was signed by somebody else than its entry")
    asked = entry(value, cid(dataset.data), said.value.time)
    if said.value != asked:
        wrong = [f.name for f in fields(asked) if getattr(said.value, f.name) != getattr(asked, f.name)]
        raise Untrue(f"the entry and the manifest do not agree: {', '.join(wrong)}")
    if value.custody is not None:
        sharing.check_sharing(
            sharing.open_sharing(value.custody),
            dataset.signer,
            value.commons,
            value.series,
            value.epoch,
            asked.terms,
            value.rule,
        )
