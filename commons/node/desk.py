"""Every command as one verb: plain JSON values in, a plain dict out, for the command line and the owner's door alike.

A verb reads its arguments, calls the room that knows, and returns what is to be told. No printing, no prompting.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from functools import partial
from inspect import signature
from pathlib import Path
from typing import Any

from commons.access import anchor, complain, request
from commons.core.crypto import ids
from commons.core.dataset import address, reference, terms
from commons.core.dataset.address import is_peer
from commons.core.state import complaint, entries
from commons.datasets import contribute, describe, export, fetch, prepare, publish
from commons.disk import sql
from commons.disk.home import write_config
from commons.errors import Malformed, NotFound
from commons.log import withdrawal
from commons.metadata import credit, licensing  # fmt: skip
from commons.node.heir import Heir
from commons.node.ledger import Told, checked


class Desk(Heir):
    """The owner's verbs over one node."""

    async def call(self, verb: str, words: Told) -> Told:
        """Dispatch by name; Malformed for a verb or an argument that is none. `alone` in the answer says that the log
        went on by nobody's answer."""
        if verb not in VERBS:
            raise Malformed(f"this node knows no verb {verb[:40]!r}", hint="are both of the same version?")
        if self.home.frozen and verb not in READING:
            raise sql.unwritable(self.home.path)
        method: Callable[..., Awaitable[Told]] = getattr(self, verb)
        try:
            signature(method).bind(**words)
        except TypeError as error:
            given = ", ".join(sorted(words))[:200] or "none"
            raise Malformed(f"{verb} takes other words than {given}", hint="are both of the same version?") from error
        told = await method(**words)
        return {**told, "alone": said} if (said := self.node.resuming.owed()) else told

    # -- data -------------------------------------------------------------------------------------------------------

    async def publish(
        self, *, update: str | None = None, based_on: Sequence[str] = (), sources: Sequence[str] = (),
        named: str | None = None, dry_run: bool = False, **words: Any,
    ) -> Told:  # fmt: skip
        """Words as `publication.from_words` takes them; `based_on` are references, asked for at `sources` too. Into the
        log of the community `named`, else into this home's own. A `dry_run` says what would be, and seals nothing."""
        said = prepare.from_words(**words)
        origins, labels = [*said.origins], [*said.labels]
        for each in based_on:
            ref = self._named(each)
            found = await fetch.describe(self.home, self.net, ref.cid, fetch.sources_of(self.home, ref, sources))
            origins.append(credit.origin(found))
            labels += found.value.terms.labels  # what a community asks goes on holding
        previous = str(self._named(update).cid) if update else None
        said = replace(said, previous=previous, origins=tuple(origins), labels=tuple(labels))
        seat = self._seat(named) if named is not None else self._own()
        place: publish.Destination = publish.Own(self.home)
        if seat.sources:
            place = contribute.Abroad(self.home, self.net, seat, await self._state(seat))
        if dry_run:
            return await asyncio.to_thread(publish.plan, self.home, said, place)
        if not seat.sources:
            await self.node.clocks.check()
        told = await publish.publish(self.home, said, self.progress, place, partial(self.entrust, place.state, seat))
        return {**told, **self._referred(told["cid"])}

    def _refer(self, cid: str, lan: bool = False) -> reference.Reference:
        """A reference with the addresses this node announces, and those it knows of who answers requests and of
        custodians; those of a home network only when asked."""
        given, here = self._given(lan), all(map(address.is_loopback, self.node.addresses))
        others = [
            each for each in (*self.registrars_of(cid), *self.custodians_of(cid)) if not address.is_wild(each)
            and (address.is_public(each) or (lan and (here or not address.is_loopback(each))))
        ]  # fmt: skip
        doors = [each for each in given if not is_peer(each)]
        peers = dict.fromkeys(each for each in (*given, *others) if is_peer(each))
        return reference.Reference(
            cid=ids.check_cid(cid), peers=tuple(peers)[: reference.PARTS - len(doors)], doors=tuple(doors)
        )

    def _referred(self, cid: str, lan: bool = False) -> Told:
        """A reference, and from where what it names can be reached."""
        made = self._refer(cid, lan)
        return {"reference": str(made), "reach": address.reach((*made.peers, *made.doors))}

    async def refer(self, *, dataset: str, lan: bool = False) -> Told:
        cid = self._named(dataset).cid
        self.node.site.manifest(cid)
        return self._referred(cid, lan)

    async def show(self, *, dataset: str, sources: list[str] | None = None) -> Told:
        """A dataset's manifest and terms in plain words, verified."""
        ref = self._named(dataset)
        asked = fetch.sources_of(self.home, ref, sources or ())
        found = await fetch.describe(self.home, self.net, ref.cid, asked)
        value, said = found.value, found.value.terms
        gone, listed = await asyncio.gather(
            withdrawal.known(self.home, self.net, asked, value, ref.cid),
            anchor.told(self.home, self._near(), asked, found),
        )
        permits, requires, forbids = licensing.plain(said)
        return {
            "cid": ref.cid, "title": value.title, "description": value.description, "version": value.version,
            "previous": value.previous, "publisher": found.signer, "commons": value.commons, "created": value.created,
            "keywords": list(value.keywords), "identifier": value.identifier, "licence": said.licence,
            "licences": [{"id": each.id, "url": each.url, "text": each.text} for each in said.licences],
            "creators": [each.name for each in said.creators], "credit": credit.line(said), "updated": said.updated,
            "conditions": said.conditions, "labels": [{"name": x.name, "text": x.text} for x in said.labels],
            "origins": [{"cid": x.manifest, "title": x.title, "licence": x.licence} for x in said.origins],
            "impossible": prepare.impossible(said), "purposes": list(said.purposes),
            "grant_days": said.grant_days, "access": str(value.rule), "permits": list(permits),
            "requires": list(requires), "forbids": list(forbids), "files": value.files, "bytes": value.size,
            "withdrawn": gone and {"entry": gone.entry, "holders": gone.holders, "dropped": gone.dropped},
            "sealed_bytes": value.sealed_size(), "terms_digest": said.digest().hex(),
            **listed,
            "asks": request.kept_key(self.home, found) is None and request.is_over(request.held(self.home, value)),
        }  # fmt: skip

    async def describe(self, *, dataset: str, form: str, sources: list[str] | None = None) -> Told:
        """A dataset in one of the formats that other tools read: `files` by name, as text."""
        ref = self._named(dataset)
        asked = fetch.sources_of(self.home, ref, sources or ())
        found = await fetch.describe(self.home, self.net, ref.cid, asked)
        table = None
        if form in describe.NEED_FILES or request.kept_key(self.home, found) is not None:
            table = await describe.contents(self.home, self.net, asked, found)
        written = describe.write(form, describe.description(found, table))
        return {"cid": ref.cid, "format": form, "files": {name: data.decode() for name, data in written.items()}}

    async def export(
        self, *, dataset: str, dest: str, formats: Sequence[str] = (), sources: list[str] | None = None,
        texts: dict[str, str] | None = None,
    ) -> Told:  # fmt: skip
        async with self.node.carrying:
            return await export.export(
                self.home,
                self._near(),
                self._named(dataset),
                Path(dest),
                formats,
                self.progress,
                checked(sources),
                texts,
            )

    async def fetch(
        self, *, dataset: str, dest: str, sources: list[str] | None = None, acknowledge: str | None = None,
        purpose: str = "unstated", details: str | None = None, serve: bool = True, keep: bool = True,
        replace: bool = False,
    ) -> Told:  # fmt: skip
        async with self.node.carrying:
            return await fetch.fetch(
                self.home, self._near(), self._named(dataset), Path(dest), self.progress, extra=checked(sources),
                acknowledge=acknowledge, purpose=terms.check_purpose(purpose), details=details, serve=serve, keep=keep,
                replace=replace,
            )  # fmt: skip

    async def mirror(self, *, dataset: str, sources: list[str] | None = None) -> Told:
        async with self.node.carrying:
            told = await fetch.mirror(self.home, self.net, self._named(dataset), self.progress, checked(sources))
        return {**told, **self._referred(told["cid"])}

    async def drop(self, *, dataset: str) -> Told:
        async with self.node.carrying:
            return fetch.drop(self.home, self._named(dataset).cid)

    async def status(self) -> Told:
        """What this home is and holds, and which datasets are not whole in it."""
        told, rows = await super().status(), self._datasets()
        names = ("cid", "title", "packs", "packs_missing")
        lacking = [{name: row[name] for name in names} for row in rows if row["packs"] in ("begun", "incomplete")]
        return {**told, "unfinished": lacking}

    async def datasets(self) -> Told:
        return {"datasets": self._datasets()}

    def _datasets(self) -> list[Told]:
        rows, state = [], self.home.log.state
        gone = state.community.withdrawn if state.community else {}
        for cid, opened, role, served in self.home.shelf.manifests():
            value = opened.value
            refs = value.sealed()
            missing = sum(not self.home.packs.has(ref.root) for ref in refs)
            table = refs[-1].root  # is of no other dataset, comes first, and stays where no pack is kept
            parts = [ref.root for ref in refs if self.home.packs.part(ref.root).exists()]
            begun = self.home.packs.has(table) or table in parts if role == "seen" else bool(parts)
            if role != "seen" or begun:
                here = "whole" if not missing else "incomplete" if served else "begun" if begun else "not kept"
                rows.append({
                    "cid": cid, "title": value.title, "version": value.version, "licence": value.terms.licence,
                    "access": str(value.rule), "files": value.files, "bytes": value.size, "role": role,
                    "served": served and cid not in gone, "withdrawn": gone.get(cid), "packs": here,
                    "packs_missing": missing,
                })  # fmt: skip
        return rows

    # -- the node ---------------------------------------------------------------------------------------------------

    async def peers(self, *, add: str | None = None, remove: str | None = None) -> Told:
        """The addresses remembered, after adding or removing one; a peer's id removes all that are known of it."""
        if add is not None:
            self.home.shelf.add_peer(address.read(add))
        if remove is not None:
            known, said = self.home.shelf.peers(), remove.strip()
            gone = [each for each in known if said == each or (is_peer(each) and said == address.peer_of(each))]
            if not gone and (same := address.read(said)) in known:
                gone = [same]
            if not gone:
                raise NotFound(f"{said[:200]} is not remembered", hint="`commons peer list` shows who is")
            for each in gone:
                self.home.shelf.remove_peer(each)
        return {"peers": self.home.shelf.peers()}

    async def announce(self, *, addresses: list[str]) -> Told:
        """The addresses that references of this node carry from now on. Malformed for those of another node."""
        own, me = checked(addresses), self.home.keys.identity.peer
        for each in own:
            if is_peer(each) and address.peer_of(each) != me:
                raise Malformed(f"{each} is another node's address", hint=f"this node is {me}")
        if len(own) > reference.PARTS:
            raise Malformed(f"a reference has at most {reference.PARTS} addresses, these are {len(own)}")
        self.home.config["announce"] = own
        write_config(self.home.path, self.home.config)
        near = [f"{each} is dialled on the very machine where it is read" for each in own if address.is_loopback(each)]
        return {"announce": own, "warnings": near}

    async def witness(self, *, add: str | None = None, remove: str | None = None) -> Told:
        """Whose logs this node cosigns, after adding or removing one; `own` says who cosigns ours."""
        return {**self.node.site.witness.change(add, remove), "own": self.node.cosigning.told()}

    async def hand_in(
        self, *, dataset: str, witness: str, acknowledge: str | None = None, purpose: str | None = None,
        details: str | None = None, sources: list[str] | None = None,
    ) -> Told:  # fmt: skip
        """Hand the request for a dataset, which the registrar does not take, to the witness at an address; where there
        is none yet, sign one."""
        ref, at = self._named(dataset), address.peer(witness)
        withdrawal.check_here(self.home, ref.cid)
        known = fetch.sources_of(self.home, ref, sources or ())
        found = await fetch.describe(self.home, self.net, ref.cid, known)
        return await complain.submit(
            self.home, self._near(), found, at, known, acknowledge, purpose, details, self.node.gossip.compare
        )  # fmt: skip

    async def unlogged(self, *, sources: list[str] | None = None, commons: str | None = None) -> Told:
        """What witnesses say was handed to them and not logged: this node, or those at the addresses, of one commons or
        of all logs that this home has to do with."""
        known = [key.name for key in self.node.gossip.known()]
        origins = [f"commons/{ids.check_commons(commons)}"] if commons else list(dict.fromkeys(known))
        asked = [request.readable(self.home, ask) for ask in self.home.shelf.asks()]
        mine = {entries.statement_digest(said.data).hex() for said in asked if said is not None}
        lists = []
        for source, origin in [(s, o) for s in checked(sources) or [""] for o in origins]:
            try:
                if source:
                    lists.append(await complain.published(self.net, source, origin))
                else:
                    name = complaint.path(origin).split("/")[2]
                    lists.append(complain.read(self.node.site.submitted(name), source, origin))
            except NotFound:  # it is no witness of that log
                continue
        for row in [row for each in lists for row in each["requests"]]:
            row["mine"] = row["statement"] in mine
        return {"witnesses": lists}


VERBS = frozenset({
    "publish", "refer", "show", "fetch", "mirror", "drop", "datasets", "status", "requests", "decide", "erase",
    "export", "export_log", "describe", "audit", "peers", "announce", "witness", "hand_in", "unlogged", "community",
    "forget_fork", "keep", "custody", "pass_on", "invite", "join", "follow", "propose", "vote", "statistics",
    "take_over", "vote_at", "go_on", "date",
})  # fmt: skip
# What works, in full or in part, on a home that cannot be written.
READING = frozenset({
    "refer", "show", "datasets", "status", "requests", "export", "export_log", "describe", "audit", "peers", "witness",
    "unlogged", "community", "custody", "statistics", "date",
})  # fmt: skip
