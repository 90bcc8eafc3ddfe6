"""The requester's side of the quorum: before a key is used, the log that granted it is seen to be witnessed.

The charter says by whom. Its id is in the signed manifest and its bytes are the log's first entry, so nobody need be
trusted for it. Where the founders' witnesses did not sign, the log is read to see whether its members chose others.
"""

from __future__ import annotations

import asyncio

from commons.core.crypto import ids
from commons.core.crypto.envelope import Opened
from commons.core.dataset.manifest import Manifest
from commons.core.state import entries, rules
from commons.core.state.charter import Charter
from commons.core.state.fold import State
from commons.core.tlog import checkpoint, cosignature, merkle, note, proof, tiles
from commons.core.tlog.checkpoint import Signed
from commons.core.tlog.note import LIMIT, Verifier
from commons.core.tlog.policy import Policy
from commons.errors import NotFound, Pending, Untrue
from commons.log import answer
from commons.log.answer import Checked
from commons.log.files import shown_at
from commons.log.replica import Replica
from commons.net.network import Network

BUNDLE = tiles.WIDTH * (tiles.ENTRY_LIMIT + 2)  # bytes


async def check(kept: Replica, net: Network, source: str, value: Manifest, log: Verifier, checked: Checked) -> bytes:
    """A head, with its cosignatures, that meets the quorum, holds the checked answer's last entry, and agrees with the
    answer's head. Untrue without one; SplitView, with both heads, where it does not agree. A commons that asks for no
    witnesses needs none: there it is the answer's head."""
    asked = cosignature.quorum((await charter(net, source, value)).witnesses)
    if asked.quorum is None:
        return checked.head.note
    try:
        return await _seen(kept, net, source, value, log, checked, asked)
    except (NotFound, Pending) as error:
        raise Untrue(error.message if isinstance(error, Pending) else _unwitnessed(asked, frozenset())) from error


async def shown(kept: Replica, net: Network, source: str, value: Manifest, log: Verifier, checked: Checked) -> bytes:
    """The head that `check` finds, before a key was given: Pending as long as there is no such head. Where the founders
    asked for no witnesses it is the newest that the registrar shows: whom the members chose since, each custodian
    counts."""
    asked = cosignature.quorum((await charter(net, source, value)).witnesses)
    try:
        return await _seen(kept, net, source, value, log, checked, asked)
    except NotFound as error:
        raise Pending(
            "no head of this log is signed by enough witnesses yet", hint="repeat the same command later"
        ) from error


async def _seen(
    kept: Replica, net: Network, source: str, value: Manifest, log: Verifier, checked: Checked, asked: Policy
) -> bytes:  # fmt: skip
    data = await net.get(source, f"/{value.commons}/cosigned", limit=LIMIT)
    signed, present = cosignature.open(data, log, asked)
    rules.check(signed.checkpoint.rules)
    index = checked.request if checked.decision is None else checked.decision
    if signed.checkpoint.size <= index:
        raise Pending(
            f"the witnesses signed {signed.checkpoint.size} entries, and not yet entry {index}",
            hint="repeat the same command later",
        )
    await _agree(net, source, value, log, signed, checked.head)
    if not asked.met(present):
        now = (await in_force(kept, net, source, value, signed)).charter
        asked = cosignature.quorum(now.witnesses if now else "")
        _, present = cosignature.open(data, log, asked)
        if not asked.met(present):
            raise Untrue(_unwitnessed(asked, present), hint="the key is not used")
    return data


async def proven(net: Network, source: str, value: Manifest, log: Verifier, checked: Checked, head: bytes) -> bytes:
    """A tlog-proof of the checked answer's last entry under this `head`, with the cosignatures on it, for third parties
    who ask for the quorum. Untrue, or what the source says."""
    size, loop = checkpoint.parse(note.peek(head)).size, asyncio.get_running_loop()
    index = checked.request if checked.decision is None else checked.decision

    def fetch(path: str) -> bytes:
        wanted = net.get(source, f"/{value.commons}/{path}", limit=32 * tiles.WIDTH)
        return asyncio.run_coroutine_threadsafe(wanted, loop).result()

    hashes = await asyncio.to_thread(merkle.prove_inclusion, index, size, tiles.reader(size, fetch))
    made = proof.Proof(index=index, hashes=hashes, note=head)
    proof.check(made, checked.entry, log)
    return made.encode()


async def charter(net: Network, source: str, value: Manifest) -> Charter:
    """The commons' founding charter: the one whose CID the manifest names. Untrue for any other."""
    try:
        got = await net.get(source, f"/{value.commons}/{tiles.Bundle(index=0, width=1).path}", limit=BUNDLE)
        data = tiles.unbundle(got, 1)[0]
    except NotFound:  # static files have the whole bundle only
        data = tiles.unbundle(await net.get(source, f"/{value.commons}/tile/entries/000", limit=BUNDLE), tiles.WIDTH)[0]
    if ids.cid(data) != value.commons:
        raise Untrue("the charter shown is not that of this dataset's commons")
    opened = entries.decode(data)
    if not isinstance(opened, Opened) or not isinstance(opened.value, Charter):
        raise Untrue("the log does not begin with a charter")
    return opened.value


async def in_force(kept: Replica, net: Network, source: str, value: Manifest, head: Signed) -> State:
    """The state of the log by this head or a later one: what its members have chosen. Untrue, Malformed, SplitView."""

    shown = shown_at(net, source, value.commons)

    async def read(path: str) -> bytes:
        """The log as it stands under this head."""
        return head.note if path == tiles.CHECKPOINT else await shown(path)

    await kept.open()
    if kept.size < head.checkpoint.size:
        await kept.update(read)
    else:
        await kept.contains(head.note)
    return kept.state


async def _agree(net: Network, source: str, value: Manifest, log: Verifier, one: Signed, other: Signed) -> None:
    old, new = sorted((one, other), key=lambda head: head.checkpoint.size)
    sizes = (old.checkpoint.size, new.checkpoint.size)
    path = f"/{value.commons}/consistency/{sizes[0]}/{sizes[1]}"
    lead = b"" if sizes[0] == sizes[1] else await net.get(source, path, limit=merkle.PROOF)
    answer.extend(old.note, new.note, merkle.hashes(lead), log)


def _unwitnessed(asked: Policy, present: frozenset[str]) -> str:
    return f"the registrar gave a key that is not witnessed as its charter asks: {asked.missing(present)} did not sign"
