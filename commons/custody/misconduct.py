"""Whether a custodian's signed release convicts its signer: that it gave a share without the log's leave.

A release names its entries and carries the heads it relied on, signed by the log, so anybody can judge it who is shown
those entries, wherever they got them from. Whoever kept the rules is never convicted, whatever is shown: what does not
belong to the very head that the release names is refused as evidence.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Sequence

from commons.core.crypto import ids
from commons.core.crypto.envelope import Opened
from commons.core.state import entries, opening, rules
from commons.core.state.charter import Charter
from commons.core.state.entries import Decision, Request
from commons.core.state.fold import State
from commons.core.state.transfer import Tenure
from commons.core.tlog import checkpoint, merkle
from commons.core.tlog.checkpoint import Checkpoint
from commons.core.tlog.note import Verifier
from commons.custody import handover
from commons.custody.handover import Released
from commons.errors import CommonsError, Malformed, TooLarge, Untrue
from commons.log.answer import ProvenEntry


def accuse(release: bytes, charter: bytes, evidence: Sequence[ProvenEntry] = (), tenures: Sequence[Tenure] = ()) -> str:
    """What the signer of `release` did wrong, in words; "" if this does not prove anything.

    `charter` is entry 0 of the log; `evidence` the entries at the places that the release names, proven under the
    newest head in it. Untrue or Malformed where the evidence is not of that log. What only the whole log shows, as a
    revocation, is for `judge`. `tenures` are those of the log's fold: by the charter alone nobody can tell an invented
    head from one by whoever keeps the log by now, and that is Untrue.
    """
    said = handover.open_released(release).value
    heads = _heads(said, charter, tenures)
    if isinstance(heads, str):
        return heads
    _, head = heads
    for shown in evidence:
        shown.check(head)
    wrong = (_about(said, shown) for shown in evidence)
    return next((what for what in wrong if what), "")


def judge(release: bytes, log: Iterable[bytes]) -> str:
    """What the signer of `release` did wrong, in words, as `accuse` says it, but judged by the whole log: the entries
    under the newest head that the release names. Untrue for any others."""
    said = handover.open_released(release).value
    state, hashes, charter = State(), list[bytes](), b""
    for data in log:
        charter = charter or data
        hashes.append(merkle.leaf(data))
        state.take(data)
    heads = _heads(said, charter, state.tenures)
    if isinstance(heads, str):
        return heads
    _, head = heads
    if len(hashes) != head.size or merkle.root_of(hashes) != head.root:
        raise Untrue("these are not the entries under the head that the release names")
    state.check_known()
    try:
        access = state.granted(said.request, said.time)
        state.check_still(access, said.requester)
    except CommonsError as error:
        return error.message
    if access.decision != said.decision:
        return f"request {said.request} was decided by entry {access.decision}, not {said.decision}"
    if (access.entry.dataset, access.entry.epoch) != (said.dataset, said.epoch):
        return f"request {said.request} asked for another dataset"
    return ""


def _heads(said: Released, charter: bytes, tenures: Sequence[Tenure]) -> tuple[Checkpoint, Checkpoint] | str:
    """Both checkpoints that the release names, or what is wrong with them."""
    first = entries.decode(charter)
    if not isinstance(first, Opened) or not isinstance(first.value, Charter) or ids.cid(charter) != said.commons:
        raise Untrue("this is not the charter of the commons that the release is about")
    keys = [each.key for each in tenures] or [first.value.log_key]
    try:
        shown, head = (_opened(each, f"commons/{said.commons}", keys) for each in (said.shown, said.head))
    except (Untrue, Malformed, TooLarge) as error:
        if isinstance(error, Untrue) and not tenures:
            raise Untrue(
                "its heads are by another key than the charter's", hint="show who kept the log since"
            ) from error
        return "it rests on a head that the log never signed"
    rules.check(max(shown.rules, head.rules))  # who knows them not convicts nobody by them
    if shown.size > head.size or (shown.size == head.size and shown != head):
        return "it rests on two heads that contradict each other"
    if not said.request < said.decision < shown.size:
        return f"it rests on entry {max(said.request, said.decision)} of a log of {shown.size}"
    return shown, head


def _opened(data: bytes, origin: str, keys: Sequence[bytes]) -> Checkpoint:
    """A head by any of these keys: one that somebody went on from before may be longer than what they left of it."""
    for key in keys[:-1]:
        with contextlib.suppress(Untrue):
            return checkpoint.open(data, Verifier(name=origin, public=key)).checkpoint
    return checkpoint.open(data, Verifier(name=origin, public=keys[-1])).checkpoint


def _about(said: Released, shown: ProvenEntry) -> str:
    """What the entry at a place that the release names says against it."""
    if shown.index not in (said.request, said.decision):
        return ""
    try:
        entry = entries.decode(shown.entry)
    except CommonsError as error:
        return f"entry {shown.index} is none: {error.message}"
    if shown.index == said.decision:
        if not isinstance(entry, Decision) or (entry.request, entry.outcome) != (said.request, "grant"):
            return f"entry {shown.index} grants nothing to request {said.request}"
        late = entry.expires is not None and said.time >= entry.expires
        return f"the grant at entry {shown.index} had expired" if late else ""
    if not isinstance(entry, Request) or (entry.dataset, entry.epoch) != (said.dataset, said.epoch):
        return f"entry {shown.index} asks for nothing of this dataset"
    if shown.opening is not None:
        opened = opening.decode(shown.opening)
        opening.check(opened, entries.commitments(entry))
        if entries.requester(opened) != said.requester:
            return f"request {shown.index} was made by somebody else"
    return ""
