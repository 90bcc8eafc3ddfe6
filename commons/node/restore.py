"""A home out of its backup: whoever may have seen more of its log is asked before anything in it can be read.

A backup is an old copy by nature. What the newest log that is shown says of erasures is done here, too; a log that
others have seen further is not continued; and what nobody says anything of is opened no longer than until the day by
which the backup had to be deleted: see `disk.restored`.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from commons.core.dataset import address
from commons.core.dataset.address import is_peer
from commons.core.state import transfer
from commons.core.tlog import checkpoint, note
from commons.disk import backup, vault
from commons.disk.home import Home
from commons.disk.kept import Kept
from commons.disk.zipped import open_plain
from commons.errors import CommonsError, NotFound, StorageFailed, Untrue, refusal
from commons.log import replica
from commons.log.evidence import Nowhere
from commons.node.node import Node
from commons.node.resuming import SILENCE
from commons.node.verbs.context import Context, log_at
from commons.progress import Progress

READING = 600.0  # seconds for the whole log of one source


@dataclass(slots=True, kw_only=True)
class Newer:
    """What others showed of the log: who has nothing newer, the size of the longest that was read and verified, which
    openings were destroyed by it, and what went wrong with whom; and of each log of which this home keeps openings, how
    many are left, how many were destroyed, and whether it was read."""

    heard: list[str] = field(default_factory=list)
    seen: int = 0
    gone: set[int] = field(default_factory=set)
    failed: list[dict[str, str]] = field(default_factory=list)
    kept: list[dict[str, Any]] = field(default_factory=list)


async def restore(
    file: Path, passphrase: str, path: Path, sources: Sequence[str], progress: Progress
) -> dict[str, Any]:
    """Make the home at `path` out of a backup, and tell what is in it, who answered, and what is not opened. `sources`
    are addresses, or exported logs, that are asked beside those whom the home knows. The order is the security:

    1. decrypted and verified to its last byte, in a folder beside `path` that only this user may enter
    2. opened there, where nobody can come in; every other copy of the log that is shown is read, and what it has
       erased is destroyed; so is what others' logs have erased of openings of theirs that are kept here. Nothing is
       added to the log
    3. noted, durably, what was seen, and the day by which the backup had to be deleted
    4. closed, and only now given its name

    A crash before the last leaves no home, and a folder beside it that the next restore deletes; what raises leaves
    nothing.
    """
    with backup.Place(path) as place:
        with _opened(file) as data:
            cover, inventory = await asyncio.to_thread(backup.unpack, data, passphrase, place.folder, progress)
        with Home(place.folder) as home:
            first = home.first
            if (first.commons, first.log.head.note) != (inventory.commons, inventory.head):
                raise vault.damaged("it does not hold the log that it says")
            logs = {commons: kept for each in home.every() for commons, kept in each.kept.items()}
            found = {commons: Newer() for commons in logs}
            async with Node(home) as node:
                for c in Context.of(node).every():
                    for commons, kept in c.home.kept.items():
                        await _ask_all(c, kept, sources, found[commons])
                    for commons, _, known in c.home.shelf.seats():
                        await _follow(c, commons, known, found[first.commons])
            for commons, kept in logs.items():
                newer = found[commons]
                kept.restored.note(cover.delete_by, newer.seen, sorted(newer.gone))
            told = _told(home, found)
        place.give()
    overdue = cover.delete_by is not None and cover.delete_by <= time.time()
    return {**backup.told(cover, inventory), **told, "home": str(path), "overdue": overdue}


async def _ask_all(c: Context, kept: Kept, sources: Sequence[str], found: Newer) -> None:
    """Ask everybody who may have more of one of the logs."""
    verdict = None
    with contextlib.suppress(CommonsError):  # why it is shut is told below
        verdict = await c.node.at(kept.commons).resuming.round()
    if verdict is not None and verdict.how == "answered":
        found.heard += verdict.who
    asked = [*sources, *c.home.shelf.known(), *c.node.gossip.registrars(kept.commons)]
    for source in dict.fromkeys(asked):
        await _ask(c, kept, source, found, named=source in sources)


def _opened(file: Path) -> Any:
    try:
        return open(open_plain(file), "rb")
    except FileNotFoundError as error:
        raise NotFound(f"there is no {file}", hint="name the file that `commons backup` wrote") from error
    except OSError as error:
        raise StorageFailed(f"cannot read {file}: {refusal(error)}") from error


async def _ask(c: Context, kept: Kept, source: str, found: Newer, named: bool) -> None:
    """Read the log as one source shows it, where that is longer, and destroy what is erased there. Raises nothing that
    the source could cause."""
    if is_peer(source) and address.peer_of(source) == c.home.keys.identity.peer:
        return
    try:
        async with asyncio.timeout(READING):
            await _read(c, kept, source, found, named)
    except (CommonsError, TimeoutError) as error:
        what = error.message if isinstance(error, CommonsError) else f"its log was not read within {READING:.0f} s"
        found.failed.append({"source": source, "message": what})


async def _follow(c: Context, commons: str, sources: Sequence[str], found: Newer) -> None:
    """Read the log of a community of which openings are kept here, from who keeps it: what it erased is destroyed."""
    kept = replica.of(c.home, commons)
    before, heard = kept.history.kept(), False
    if not before:
        return
    for source in sources:
        try:
            async with asyncio.timeout(READING):
                read, _ = await log_at(c, source, commons)
                await kept.update(read)
            heard = True
            break
        except (CommonsError, TimeoutError) as error:
            what = error.message if isinstance(error, CommonsError) else f"its log was not read within {READING:.0f} s"
            found.failed.append({"source": source, "message": what})
    left = len(kept.history.kept())
    found.kept.append({"commons": commons, "openings": left, "erased": len(before) - left, "heard": heard})


async def _read(c: Context, kept: Kept, source: str, found: Newer, named: bool) -> None:
    home, log = c.home, kept.log
    read, _ = await log_at(c, source, kept.commons)
    async with asyncio.timeout(SILENCE):
        head = await read("checkpoint")
    size = checkpoint.parse(note.peek(head)).size

    async def shown(part: str) -> bytes:
        """The head is the one that was looked at, whatever is newest by now."""
        return head if part == "checkpoint" else await read(part)

    signer = None
    with contextlib.suppress(Untrue):  # by who keeps it since then, perhaps
        signer = transfer.signer(head, log.origin, log.state.tenures)
    if signer is None and not named:
        raise Untrue("what it shows is not signed by a key of this log")
    if signer is not None and size <= log.size:
        log.compare(note.only(head, [signer]), source)
        found.heard.append(source)
        return
    try:
        with replica.passing(kept.commons, Nowhere(log.head.note)) as newer:
            await newer.update(shown)
            await newer.contains(log.head.note)
            erased = {index for index in newer.state.redacted if index < log.size} - {*log.state.redacted}
            log.destroy(sorted(erased - found.gone))
            found.gone |= erased
            found.seen = max(found.seen, size)
            if newer.log.vkey != log.key.vkey:
                home.learn_keeper(kept.commons, newer.state.tenures)
            elif signer is not None:
                proof = newer.history.proof(log.size, size)
                with contextlib.suppress(CommonsError):  # it is shut, and says why
                    log.compare(note.only(head, [signer]), source, proof)
    except CommonsError:
        if signer is not None:  # entries or not, somebody has more: it is not to be continued
            with contextlib.suppress(CommonsError):
                log.compare(note.only(head, [signer]), source)
        raise


def _told(home: Home, found: Mapping[str, Newer]) -> dict[str, Any]:
    lacking = {
        ref.root for each in home.every() for _, opened, _, served in each.shelf.manifests() if served
        for ref in opened.value.sealed() if not each.packs.has(ref.root)
    }  # fmt: skip
    every = (kept for each in home.every() for kept in each.kept.values())
    logs = {kept.commons: _log_told(kept, found[kept.commons]) for kept in every}
    first = logs.pop(home.first.commons)
    return {
        **{name: value for name, value in first.items() if name != "commons"},
        "others": [*logs.values()],
        "packs_missing": len(lacking), "damaged": [row.as_dict() for each in home.every() for row in each.damage()],
        "kept": [row for each in found.values() for row in each.kept],
    }  # fmt: skip


def _log_told(kept: Kept, found: Newer) -> dict[str, Any]:
    log, charter = kept.log, kept.log.state.charter
    return {
        "commons": kept.commons, "name": charter.name if charter else "", "heard": found.heard, "failed": found.failed,
        "seen": found.seen, "erased": sorted(found.gone), "withheld": kept.restored.shut(),
        "shut": log.broken.message if log.broken else "", "next": log.broken.hint if log.broken else "",
    }  # fmt: skip
