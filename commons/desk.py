"""Every command as one verb: plain JSON values in, a plain dict out, for the command line and the owner's door alike.

A verb reads its arguments, calls the room that knows, and returns what is to be told. No printing, no prompting.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from commons import (
    archive,
    audit,
    credit,
    describe,
    export,
    fetch,
    licensing,
    publication,
    publish,
    request,
)
from commons.archive import Read
from commons.core import entries, ids, manifest, reference, terms
from commons.core.manifest import Manifest
from commons.disk.home import write_config
from commons.disk.shelf import Ask
from commons.errors import CommonsError, Malformed, NotFound
from commons.node import Node
from commons.progress import Progress
from commons.sources import is_peer

FOLLOW_UP = 10.0  # seconds that `status` gives to registrars who may be away

Told = dict[str, Any]


class Desk:
    """The owner's verbs over one node. `progress(done, whole)` may be called from any thread."""

    def __init__(self, node: Node, progress: Progress = lambda done, whole: None) -> None:
        self.node, self.home, self.net, self.progress = node, node.home, node.net, progress

    async def call(self, verb: str, words: Told) -> Told:
        """Dispatch by name; Malformed for a verb or an argument that is none."""
        if verb not in VERBS:
            raise Malformed(f"this node knows no verb {verb[:40]!r}", hint="are both of the same version?")
        try:
            method: Callable[..., Awaitable[Told]] = getattr(self, verb)
            return await method(**words)
        except TypeError as error:
            if any(said in str(error) for said in ("unexpected keyword", "missing", "multiple values")):
                raise Malformed(f"{verb}: {error}", hint="are both of the same version?") from error
            raise

    # -- data -------------------------------------------------------------------------------------------------------

    async def publish(
        self, *, update: str | None = None, based_on: Sequence[str] = (), sources: Sequence[str] = (), **words: Any
    ) -> Told:
        """Words as `publication.from_words` takes them; `based_on` are references, asked for at `sources` too."""
        said = publication.from_words(**words)
        origins, labels = [*said.origins], [*said.labels]
        for each in based_on:
            ref = reference.parse(each)
            found = await fetch.describe(self.home, self.net, ref.cid, fetch.sources_of(self.home, ref, sources))
            origins.append(credit.origin(found))
            labels += found.value.terms.labels  # what a community asks goes on holding
        previous = str(reference.parse(update).cid) if update else None
        said = replace(said, previous=previous, origins=tuple(origins), labels=tuple(labels))
        told = await publish.publish(self.home, said, self.progress)
        return {**told, "reference": str(self._refer(told["cid"]))}

    def _refer(self, cid: str, lan: bool = False) -> reference.Reference:
        """A reference with the addresses this node announces; those of a home network only when asked."""
        announced = [a for a in self.home.config.get("announce", []) if is_peer(a)]
        doors = [a for a in self.home.config.get("announce", []) if not is_peer(a)]
        listening = [a for a in self.node.addresses if lan or reference.is_public(a)]
        return reference.Reference(
            cid=ids.check_cid(cid), peers=tuple(dict.fromkeys([*announced, *listening])), doors=tuple(doors)
        )

    async def refer(self, *, dataset: str, lan: bool = False) -> Told:
        cid = reference.parse(dataset).cid
        self.node.site.manifest(cid)
        return {"reference": str(self._refer(cid, lan))}

    async def show(self, *, dataset: str, sources: list[str] | None = None) -> Told:
        """A dataset's manifest and terms in plain words, verified."""
        ref = reference.parse(dataset)
        found = await fetch.describe(self.home, self.net, ref.cid, fetch.sources_of(self.home, ref, sources or ()))
        value, said = found.value, found.value.terms
        permits, requires, forbids = licensing.plain(said)
        return {
            "cid": ref.cid, "title": value.title, "description": value.description, "version": value.version,
            "previous": value.previous, "publisher": found.signer, "commons": value.commons, "created": value.created,
            "keywords": list(value.keywords), "identifier": value.identifier, "licence": said.licence,
            "licences": [{"id": each.id, "url": each.url, "text": each.text} for each in said.licences],
            "creators": [each.name for each in said.creators], "credit": credit.line(said), "updated": said.updated,
            "conditions": said.conditions, "labels": [{"name": x.name, "text": x.text} for x in said.labels],
            "origins": [{"cid": x.manifest, "title": x.title, "licence": x.licence} for x in said.origins],
            "impossible": publication.impossible(said), "purposes": list(said.purposes),
            "grant_days": said.grant_days, "access": str(value.rule), "permits": list(permits),
            "requires": list(requires), "forbids": list(forbids), "files": value.files, "bytes": value.size,
            "sealed_bytes": value.sealed_size(), "terms_digest": said.digest().hex(),
            "asks": request.kept_key(self.home, found) is None and request.is_over(request.held(self.home, value)),
        }  # fmt: skip

    async def describe(self, *, dataset: str, form: str, sources: list[str] | None = None) -> Told:
        """A dataset in one of the formats that other tools read: `files` by name, as text."""
        ref = reference.parse(dataset)
        asked = fetch.sources_of(self.home, ref, sources or ())
        found = await fetch.describe(self.home, self.net, ref.cid, asked)
        table = None
        if form in describe.NEED_FILES or request.kept_key(self.home, found) is not None:
            table = await describe.contents(self.home, self.net, asked, found)
        written = describe.write(form, describe.description(found, table))
        return {"cid": ref.cid, "format": form, "files": {name: data.decode() for name, data in written.items()}}

    async def export(
        self, *, dataset: str, dest: str, formats: Sequence[str] = (), sources: list[str] | None = None
    ) -> Told:
        async with self.node.carrying:
            return await export.export(
                self.home, self.net, reference.parse(dataset), Path(dest), formats, self.progress, _checked(sources)
            )

    async def fetch(
        self, *, dataset: str, dest: str, sources: list[str] | None = None, acknowledge: str | None = None,
        purpose: str = "unstated", details: str | None = None, serve: bool = True, keep: bool = True,
        replace: bool = False,
    ) -> Told:  # fmt: skip
        async with self.node.carrying:
            return await fetch.fetch(
                self.home, self.net, reference.parse(dataset), Path(dest), self.progress, extra=_checked(sources),
                acknowledge=acknowledge, purpose=terms.check_purpose(purpose), details=details, serve=serve, keep=keep,
                replace=replace,
            )  # fmt: skip

    async def mirror(self, *, dataset: str, sources: list[str] | None = None) -> Told:
        async with self.node.carrying:
            told = await fetch.mirror(self.home, self.net, reference.parse(dataset), self.progress, _checked(sources))
        return {**told, "reference": str(self._refer(told["cid"]))}

    async def drop(self, *, dataset: str) -> Told:
        async with self.node.carrying:
            return fetch.drop(self.home, reference.parse(dataset).cid)

    async def datasets(self) -> Told:
        rows = []
        for cid, data, role, served in self.home.shelf.manifests():
            if role != "seen":
                value: Manifest = manifest.open(data).value
                rows.append({
                    "cid": cid, "title": value.title, "version": value.version, "licence": value.terms.licence,
                    "access": str(value.rule), "files": value.files, "bytes": value.size, "role": role,
                    "served": served,
                })  # fmt: skip
        return {"datasets": rows}

    # -- the log ----------------------------------------------------------------------------------------------------

    async def status(self) -> Told:
        """What this home is and holds. Asks again after requests that wait, and delivers receipts still owed."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(FOLLOW_UP):
                for ask in self.home.shelf.asks():
                    if ask.outcome in ("pending", "fetched"):
                        await self._follow_up(ask)
        log, state = self.home.log, self.home.log.state
        return {
            "peer": self.home.keys.identity.peer, "home": str(self.home.path), "commons": self.home.commons,
            "name": state.charter.name if state.charter else "", "entries": log.size, "addresses": list(
                self.node.addresses), "door": self.node.door, "datasets": len(state.datasets),
            "waiting": sum(access.outcome == "pending" for access in [*state.accesses.values()]),
            "limited": self.node.registrar.denied,
            "log": log.broken.message if log.broken else "writable",
            "my_requests": [
                {"dataset": ask.dataset, "log": ask.log, "request": ask.request, "outcome": ask.outcome,
                 "reason": ask.reason, "key": ask.secret is not None}
                for ask in self.home.shelf.asks()
            ],
        }  # fmt: skip

    async def _follow_up(self, ask: Ask) -> None:
        data = self.home.shelf.manifest(ask.dataset)
        if data is None:
            return
        value, peers = manifest.open(data).value, self.home.shelf.peers()
        with contextlib.suppress(CommonsError):  # it stays as it is, and status shows it
            if ask.outcome == "pending":
                await request.resubmit(self.home, self.net, peers, value, ask)
            else:
                await request.deliver(self.home, self.net, peers, value, ask)

    async def requests(self, *, everything: bool = False) -> Told:
        """The desk: who asks for what, and what was decided."""
        state, rows = self.home.log.state, []
        for access in [*state.accesses.values()]:
            if access.outcome != "pending" and not everything:
                continue
            shown = self.home.log.opening(access.index)
            details = shown.get("details") if shown else None
            rows.append({
                "request": access.index, "time": access.entry.time, "who": entries.requester(shown) if shown else None,
                "dataset": access.entry.dataset, "title": state.datasets[access.entry.dataset].entry.title,
                "purpose": access.entry.purpose, "details": details.decode("utf-8", "replace") if details else None,
                "outcome": access.outcome, "reason": access.reason, "expires": access.expires,
            })  # fmt: skip
        return {"requests": rows}

    async def decide(self, *, request: int, outcome: str, reason: str = "", expires: int | None = None) -> Told:
        if outcome not in ("grant", "refuse", "revoke"):
            raise Malformed(f"not an outcome: {outcome[:20]!r}")
        return await self.node.registrar.decide(request, outcome, reason, expires)

    async def erase(self, *, entry: int, reason: str = "requested") -> Told:
        return await self.node.registrar.erase(entry, reason)

    async def export_log(self, *, path: str, openings: bool = False) -> Told:
        return await asyncio.to_thread(archive.write, self.home, self.node.site, Path(path), openings)

    async def audit(
        self, *, source: str | None = None, commons: str | None = None, who: str | None = None,
        dataset: str | None = None, since: int | None = None, until: int | None = None,
    ) -> Told:  # fmt: skip
        """Verify a log, remember its head, and tell who accessed what. See `audit.audit`."""
        read, commons = await self._log_at(source, commons)
        log = await audit.log_of(read, commons)
        trusted = self.home.log.head.note if source is None else self.home.shelf.head(log.vkey) or b""
        report = await audit.audit(read, trusted, commons, self.progress, complete=source is None)
        if source is not None and not report.faults:
            request.advance(self.home, log.vkey, trusted, report.head.note)
        return audit.as_dict(report, audit.select(report.rows, who, audit.dataset_of(dataset), since, until))

    async def _log_at(self, source: str | None, commons: str | None) -> tuple[Read, str | None]:
        site, home = self.node.site, self.home
        if source is None:

            async def own(path: str) -> bytes:
                if path == "checkpoint":
                    return site.checkpoint(home.commons)
                if path.startswith("openings/"):
                    return site.openings(home.commons, path.removeprefix("openings/"), None)
                return site.tile(home.commons, path)

            return own, home.commons
        if not source.startswith(("http://", "https://")) and "/p2p/" not in source:
            if not Path(source).exists():
                raise NotFound(
                    f"there is no {source}", hint="name a folder, a .zip, a peer's address or an http(s) URL"
                )
            return archive.files(Path(source)), commons
        base, net = _checked([source])[0], self.net
        prefix = ""
        if is_peer(base) or not await self._static(base):
            commons = commons or await self._commons_at(base)
            prefix = f"/{commons}"

        async def remote(path: str) -> bytes:
            return await net.get(base, f"{prefix}/{path}", limit=64 << 20)

        return remote, commons

    async def _static(self, base: str) -> bool:
        """Whether a log's static files lie at this URL itself; else a node may be there."""
        try:
            await self.net.get(base, "/checkpoint", limit=64 << 10)
        except NotFound:
            return False
        return True

    async def _commons_at(self, source: str) -> str:
        """Whose log this source keeps: it says so itself, and the charter must bear it out."""
        said = (await self.net.get(source, "/commons", limit=200)).decode("ascii", "replace").strip()
        return ids.check_cid(said)

    # -- the node ---------------------------------------------------------------------------------------------------

    async def peers(self, *, add: str | None = None) -> Told:
        if add is not None:
            self.home.shelf.add_peer(reference.check_address(add) if is_peer(add) else reference.check_door(add))
        return {"peers": self.home.shelf.peers()}

    async def announce(self, *, addresses: list[str]) -> Told:
        """The addresses that references of this node carry from now on."""
        checked = _checked(addresses)
        self.home.config["announce"] = checked
        write_config(self.home.path, self.home.config)
        return {"announce": checked}


def _checked(sources: list[str] | None) -> list[str]:
    return [reference.check_address(s) if is_peer(s) else reference.check_door(s) for s in sources or ()]


VERBS = frozenset({
    "publish", "refer", "show", "fetch", "mirror", "drop", "datasets", "status", "requests", "decide", "erase",
    "export", "export_log", "describe", "audit", "peers", "announce",
})  # fmt: skip
