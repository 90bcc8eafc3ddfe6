"""The verbs of datasets: publish, look, fetch, export, carry."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Literal, Unpack

import commons.datasets.describe
import commons.datasets.export
import commons.datasets.fetch
import commons.datasets.publish
from commons.access import anchor, request
from commons.community.voting import Seat
from commons.core.dataset.rule import Rule
from commons.core.dataset.terms import Terms, check_purpose
from commons.core.state.fold import State
from commons.custody import client, sharing
from commons.datasets import contribute, prepare
from commons.log import withdrawal
from commons.metadata import credit, licensing
from commons.node.verbs.context import Context, checked, custodians, meant, own_seat, read, referred, seat
from commons.node.verbs.registry import verb
from commons.node.verbs.shapes import Spot, result, told, unsaid


@result
class Caution:
    """Something a publisher should mend."""

    code: Annotated[str, "stable, for programs"]
    text: Annotated[str, "what is wrong"]
    todo: Annotated[str, "what to do about it"]


@result
class LeftOut:
    """A file or a folder that is not published."""

    path: Annotated[str, "in the published folder; a folder ends in /"]
    why: Annotated[str, "why it is left out"]
    files: Annotated[int, "how many files it stands for"]


@result
class PassedOver:
    """What a file of the folder says and was not taken."""

    file: Annotated[str, "which file says it"]
    field: Annotated[str, "of what; empty for all of it"]
    why: Annotated[str, "why it was not taken"]


@result
class FileListed:
    """A file that would be published."""

    path: Annotated[str, "its name in the dataset"]
    bytes: Annotated[int, "its size"]


@result
class FileRights:
    """What a file says of itself."""

    licence: Annotated[str, "its own licence; empty where that of the dataset holds"]
    copyright: Annotated[str, "its own copyright notice"]


@result
class PublishResult:
    """A dataset that was published."""

    reference: Annotated[str, "to paste to others: commons:CID, and addresses"]
    cid: Annotated[str, "the dataset's id"]
    title: Annotated[str, "what it is called"]
    version: Annotated[int, "of its series, from 1 on"]
    licence: Annotated[str, "an SPDX id or expression, or LicenseRef-NAME"]
    access: Annotated[str, "the rule for who is given the key"]
    files: Annotated[int, "how many"]
    bytes: Annotated[int, "of the files"]
    sealed_bytes: Annotated[int, "of the sealed packs"]
    reused_bytes: Annotated[int, "shared with the version before"]
    commons: Annotated[str, "the commons whose log lists it"]
    entry: Annotated[int, "its entry in that log"]
    again: Annotated[bool, "the same words about the same files were signed before: this is that dataset"]
    custodians: Annotated[bool, "custodians keep its key"]
    taken: Annotated[Mapping[str, str], "which file of the folder a field was taken from"]
    passed_over: Annotated[tuple[PassedOver, ...], "what files say that was not taken"]
    not_carried: Annotated[Mapping[str, tuple[str, ...]], "by file, what it says that has no place in a dataset"]
    notices: Annotated[tuple[str, ...], "what the publisher must know"]
    left_out: Annotated[tuple[LeftOut, ...], "of the folder"]
    warnings: Annotated[tuple[Caution, ...], "what could be said better"]
    reach: Annotated[str, "from where the reference can be used: anywhere, nowhere, this network, this machine"]


@result
class PlanResult:
    """What would be published; nothing was sealed."""

    title: Annotated[str, "what it would be called"]
    licence: Annotated[str, "its licence"]
    files: Annotated[int, "how many"]
    bytes: Annotated[int, "of the files"]
    rights: Annotated[Mapping[str, FileRights], "by path, of files that have their own"]
    taken: Annotated[Mapping[str, str], "which file of the folder a field was taken from"]
    passed_over: Annotated[tuple[PassedOver, ...], "what files say that was not taken"]
    not_carried: Annotated[Mapping[str, tuple[str, ...]], "by file, what it says that has no place in a dataset"]
    listed: Annotated[tuple[FileListed, ...], "every file"]
    left_out: Annotated[tuple[LeftOut, ...], "of the folder"]
    notices: Annotated[tuple[str, ...], "what the publisher must know"]
    credit: Annotated[str, "the line by which it is credited"]
    warnings: Annotated[tuple[Caution, ...], "what could be said better"]


@result
class ReferResult:
    """A reference."""

    reference: Annotated[str, "to paste to others: commons:CID, and addresses"]
    reach: Annotated[str, "from where it can be used: anywhere, nowhere, this network, this machine"]


@result
class LicenceShown:
    """One licence of the terms."""

    id: Annotated[str, "as the terms name it"]
    url: Annotated[str | None, "where it stands"]
    text: Annotated[str | None, "its text, where the terms carry it"]


@result
class LabelText:
    """A community's label or notice."""

    name: Annotated[str, "as in TK Attribution"]
    text: Annotated[str, "what it asks"]


@result
class OriginShown:
    """A dataset that this one was made from."""

    cid: Annotated[str, "its id"]
    title: Annotated[str, "what it is called"]
    licence: Annotated[str, "its licence"]


@result
class WithdrawalShown:
    """A dataset was withdrawn by its community."""

    entry: Annotated[int, "of the withdrawal"]
    holders: Annotated[int, "who were known to hold it"]
    dropped: Annotated[int, "how many of them said that they dropped it"]


@result
class ShowResult:
    """A dataset and its terms, verified."""

    cid: Annotated[str, "the dataset's id"]
    title: Annotated[str, "what it is called"]
    description: Annotated[str, "in some sentences"]
    version: Annotated[int, "of its series"]
    previous: Annotated[str | None, "the id of the version before"]
    publisher: Annotated[str, "the peer id that signed it"]
    commons: Annotated[str, "the commons it names"]
    created: Annotated[int, "when it was signed"]
    keywords: Annotated[tuple[str, ...], "what it is about"]
    identifier: Annotated[str | None, "a DOI or address it has elsewhere"]
    licence: Annotated[str, "an SPDX id or expression, or LicenseRef-NAME"]
    licences: Annotated[tuple[LicenceShown, ...], "each licence of it"]
    creators: Annotated[tuple[str, ...], "whom to credit"]
    credit: Annotated[str, "the line by which it is credited"]
    updated: Annotated[str | None, "the day of the data's last update"]
    conditions: Annotated[str | None, "the licensor's own, beside the licence"]
    labels: Annotated[tuple[LabelText, ...], "of communities"]
    origins: Annotated[tuple[OriginShown, ...], "what it was made from"]
    impossible: Annotated[str | None, "why its licences cannot hold together, where they cannot"]
    purposes: Annotated[tuple[str, ...], "the only purposes allowed; none for all"]
    grant_days: Annotated[int | None, "for how long a grant holds"]
    access: Annotated[str, "the rule for who is given the key"]
    permits: Annotated[tuple[str, ...], "what the licence permits, in plain words"]
    requires: Annotated[tuple[str, ...], "what it requires"]
    forbids: Annotated[tuple[str, ...], "what it forbids"]
    files: Annotated[int, "how many"]
    bytes: Annotated[int, "of the files"]
    withdrawn: Annotated[WithdrawalShown | None, "by its community, where it was"]
    sealed_bytes: Annotated[int, "of the sealed packs"]
    terms_digest: Annotated[str, "SHA-256 of the terms, hex"]
    listed: Annotated[int | None, "its entry in the log of its commons, where somebody has shown that"]
    unlisted: Annotated[str, "why nobody knows whether its commons lists it"]
    asks: Annotated[bool, "fetching it asks for the key, and sends a new request"]


@result
class DescribeResult:
    """A dataset in a format of other tools."""

    cid: Annotated[str, "the dataset's id"]
    format: Annotated[str, "as it was asked for"]
    files: Annotated[Mapping[str, str], "text by name"]


@result
class FetchResult:
    """A dataset that is in its folder, every byte verified."""

    cid: Annotated[str, "the dataset's id"]
    title: Annotated[str, "what it is called"]
    version: Annotated[int, "of its series"]
    licence: Annotated[str, "its licence"]
    files: Annotated[int, "how many"]
    bytes: Annotated[int, "of the files"]
    dest: Annotated[str, "the folder"]
    credit: Annotated[str, "the file that says whom to credit"]
    request: Annotated[int | None, "the entry of the request; none where nobody was asked"]
    commons: Annotated[str, "the commons it names"]
    listed: Annotated[int | None, "its entry there; only for a public one, where somebody has shown that"] = unsaid(
        "unlisted"
    )
    unlisted: Annotated[str | None, "why nobody knows whether it is listed; only for a public one"] = unsaid("unlisted")
    receipt: Annotated[Literal["logged", "owed", "none is owed"], "what became of the receipt"]
    why: Annotated[str | None, "a receipt is owed"] = unsaid("why")
    entry: Annotated[int | None, "of the receipt, where it is logged"] = unsaid("entry")
    unsent: Annotated[str, "what was said this time and is not in the request that counts"]
    written: Annotated[tuple[str, ...] | None, "of an export: the descriptions, by their names in the folder"] = unsaid(
        "written"
    )


@result
class MirrorResult:
    """A dataset that is carried without its key."""

    cid: Annotated[str, "the dataset's id"]
    title: Annotated[str, "what it is called"]
    sealed_bytes: Annotated[int, "of the sealed packs"]
    reference: Annotated[str, "to paste to others: commons:CID, and addresses"]
    reach: Annotated[str, "from where it can be used: anywhere, nowhere, this network, this machine"]


@result
class DropResult:
    """A dataset that is served no longer."""

    cid: Annotated[str, "the dataset's id"]
    freed_bytes: Annotated[int, "of packs that were deleted"]


@result
class DatasetHeld:
    """A dataset in this home."""

    cid: Annotated[str, "its id"]
    title: Annotated[str, "what it is called"]
    version: Annotated[int, "of its series"]
    licence: Annotated[str, "its licence"]
    access: Annotated[str, "the rule for who is given the key"]
    files: Annotated[int, "how many"]
    bytes: Annotated[int, "of the files"]
    role: Annotated[Literal["published", "fetched", "mirrored", "seen"], "how it came here"]
    served: Annotated[bool, "it is shown to others"]
    withdrawn: Annotated[int | None, "the entry by which its community withdrew it"]
    packs: Annotated[Literal["whole", "incomplete", "begun", "not kept"], "how much of it is here"]
    packs_missing: Annotated[int, "how many packs are not here"]


@result
class DatasetsResult:
    """The datasets in this home."""

    datasets: Annotated[tuple[DatasetHeld, ...], "each of them"]


@verb("datasets")
async def publish(
    c: Context,
    *,
    update: str | None = None,
    based_on: Sequence[str] = (),
    sources: Sequence[str] = (),
    named: str | None = None,
    **words: Unpack[prepare.Words],
) -> PublishResult:
    """A dataset that was sealed, signed and logged: its id, its reference, its entry. It goes into the log of the
    community `named`, else into this home's own; `update` names the version before, `based_on` the datasets it is made
    from, which are asked for at `sources` too."""
    said, at, place = await _said(c, update, based_on, sources, named, words)
    if not at.sources:
        await c.node.at(at.commons).clocks.check()
    done = await commons.datasets.publish.publish(c.home, said, c.progress, place, Entrusted(c, place.state, at))
    return told(PublishResult, **{**done, **referred(c, done["cid"])})


@verb("datasets")
async def plan(
    c: Context,
    *,
    update: str | None = None,
    based_on: Sequence[str] = (),
    sources: Sequence[str] = (),
    named: str | None = None,
    **words: Unpack[prepare.Words],
) -> PlanResult:
    """What `publish` would say of the same words, file by file, and its errors; nothing is sealed."""
    said, _, place = await _said(c, update, based_on, sources, named, words)
    return told(PlanResult, **await asyncio.to_thread(commons.datasets.publish.plan, c.home, said, place))


async def _said(
    c: Context,
    update: str | None,
    based_on: Sequence[str],
    sources: Sequence[str],
    community: str | None,
    words: prepare.Words,
) -> tuple[prepare.Publication, Seat, commons.datasets.publish.Destination]:
    said = prepare.from_words(**words)
    origins, labels = [*said.origins], [*said.labels]
    for each in based_on:
        ref = meant(c, each)
        found = await commons.datasets.fetch.describe(
            c.home, c.net, ref.cid, commons.datasets.fetch.sources_of(c.home, ref, sources)
        )
        origins.append(credit.origin(found))
        labels += found.value.terms.labels  # what a community asks goes on holding
    previous = str(meant(c, update).cid) if update else None
    said = replace(said, previous=previous, origins=tuple(origins), labels=tuple(labels))
    at = seat(c, community) if community is not None else own_seat(c)
    if at.sources:
        return said, at, contribute.Abroad(c.home, c.net, at, (await read(c, at)).state)
    return said, at, commons.datasets.publish.Own(c.home, c.home.log_of(at.commons))


@dataclass(frozen=True, slots=True)
class Entrusted:
    """The custodians of a community's keys, to whom a publisher gives shares. Fulfils `publish.Entrust`."""

    c: Context
    state: State
    seat: Seat

    async def __call__(
        self, *, series: bytes, epoch: int, terms: Terms, rule: Rule, before: bytes | None
    ) -> bytes | None:
        """The sharing of a key that custodians keep; None where the community has none. A version under the same key
        keeps the sharing of the one before, as long as its custodians are the same."""
        policy = self.state.custodian_policy
        if policy is None or rule.kind == "public":
            return None
        bound, generation = sharing.binding(terms.digest(), rule), 0
        if before is not None:
            old = sharing.open_sharing(before).value
            if (old.epoch, old.bound, old.policy) == (epoch, bound, str(policy)):
                return before
            generation = old.generation + 1
        known = custodians(self.c, policy, self.seat.sources)
        return await client.entrust(
            self.c.near,
            self.c.home.keys,
            known,
            policy,
            commons=self.seat.commons,
            series=series,
            epoch=epoch,
            bound=bound,
            generation=generation,
        )


@verb("datasets", reads=True)
async def refer(c: Context, *, dataset: str, lan: bool = False) -> ReferResult:
    """A reference to a dataset, with this node's addresses; with `lan` those of its own network, too."""
    cid = meant(c, dataset).cid
    c.node.site.manifest(cid)
    return told(ReferResult, **referred(c, cid, lan))


# -- what others published --------------------------------------------------------------------------------------------


@verb("datasets", reads=True)
async def show(c: Context, *, dataset: str, sources: Sequence[str] = (), named: str | None = None) -> ShowResult:
    """A dataset's manifest and terms in plain words, verified; asked for under the identity by which this home takes
    part in the community that is `named`."""
    ref = meant(c, dataset)
    asked = commons.datasets.fetch.sources_of(c.home, ref, sources)
    found = await commons.datasets.fetch.describe(c.home, c.net, ref.cid, asked)
    value, said = found.value, found.value.terms
    gone, listed = await asyncio.gather(
        withdrawal.known(c.home, c.net, asked, value, ref.cid),
        anchor.told(c.home, c.near, asked, found),
    )
    permits, requires, forbids = licensing.plain(said)
    return told(
        ShowResult,
        **{
            "cid": ref.cid,
            "title": value.title,
            "description": value.description,
            "version": value.version,
            "previous": value.previous,
            "publisher": found.signer,
            "commons": value.commons,
            "created": value.created,
            "keywords": list(value.keywords),
            "identifier": value.identifier,
            "licence": said.licence,
            "licences": [{"id": each.id, "url": each.url, "text": each.text} for each in said.licences],
            "creators": [each.name for each in said.creators],
            "credit": credit.line(said),
            "updated": said.updated,
            "conditions": said.conditions,
            "labels": [{"name": x.name, "text": x.text} for x in said.labels],
            "origins": [{"cid": x.manifest, "title": x.title, "licence": x.licence} for x in said.origins],
            "impossible": prepare.impossible(said),
            "purposes": list(said.purposes),
            "grant_days": said.grant_days,
            "access": str(value.rule),
            "permits": list(permits),
            "requires": list(requires),
            "forbids": list(forbids),
            "files": value.files,
            "bytes": value.size,
            "withdrawn": gone and {"entry": gone.entry, "holders": gone.holders, "dropped": gone.dropped},
            "sealed_bytes": value.sealed_size(),
            "terms_digest": said.digest().hex(),
            **listed,
            "asks": request.kept_key(c.home, found) is None and request.is_over(request.held(c.home, value)),
        },
    )


@verb("datasets", reads=True)
async def describe(c: Context, *, dataset: str, form: str, sources: Sequence[str] = ()) -> DescribeResult:
    """A dataset in one of the formats that other tools read: `files` by name, as text."""
    ref = meant(c, dataset)
    asked = commons.datasets.fetch.sources_of(c.home, ref, sources)
    found = await commons.datasets.fetch.describe(c.home, c.net, ref.cid, asked)
    table = None
    if form in commons.datasets.describe.NEED_FILES or request.kept_key(c.home, found) is not None:
        table = await commons.datasets.describe.contents(c.home, c.net, asked, found)
    written = commons.datasets.describe.write(form, commons.datasets.describe.description(found, table))
    return DescribeResult(cid=ref.cid, format=form, files={name: data.decode() for name, data in written.items()})


@verb("datasets", reads=True)
async def export(
    c: Context,
    *,
    dataset: str,
    dest: Spot,
    formats: Sequence[str] = (),
    sources: Sequence[str] = (),
    texts: Mapping[str, str] | None = None,
) -> FetchResult:
    """What was written into the new folder `dest`: a dataset whose key is here, described in those `formats` too.
    `texts` are texts of licences by id."""
    async with c.node.carrying:
        done = await commons.datasets.export.export(
            c.home, c.near, meant(c, dataset), Path(dest), formats, c.progress, checked(sources), texts
        )
    return told(FetchResult, **done)


@verb("datasets")
async def fetch(
    c: Context,
    *,
    dataset: str,
    dest: Spot,
    sources: Sequence[str] = (),
    acknowledge: str | None = None,
    purpose: str = "unstated",
    details: str | None = None,
    serve: bool = True,
    keep: bool = True,
    replace: bool = False,
    named: str | None = None,
) -> FetchResult:
    """A dataset in the folder `dest`, every byte verified. Its key is asked for where it is not here: `acknowledge`
    names the licence that was read, `purpose` is a code, `details` say what for in words; Pending where a person or a
    vote decides, and the same call goes on later. With `serve` it is served to others, with `keep` its sealed packs
    stay here; `replace` overwrites files that differ. Where this home takes part in the community that is `named` under
    an identity of its own, it asks under that one."""
    async with c.node.carrying:
        done = await commons.datasets.fetch.fetch(
            c.home,
            c.near,
            meant(c, dataset),
            Path(dest),
            c.progress,
            extra=checked(sources),
            acknowledge=acknowledge,
            purpose=check_purpose(purpose),
            details=details,
            serve=serve,
            keep=keep,
            replace=replace,
        )
    return told(FetchResult, **done)


@verb("datasets")
async def mirror(c: Context, *, dataset: str, sources: Sequence[str] = (), named: str | None = None) -> MirrorResult:
    """A dataset's sealed packs, verified, and served from here on, without its key; under the identity by which this
    home takes part in the community that is `named`."""
    async with c.node.carrying:
        done = await commons.datasets.fetch.mirror(c.home, c.net, meant(c, dataset), c.progress, checked(sources))
    return told(MirrorResult, **{**done, **referred(c, done["cid"])})


@verb("datasets")
async def drop(c: Context, *, dataset: str) -> DropResult:
    """How many bytes are free: a dataset is served no longer, and its packs are deleted from this home."""
    async with c.node.carrying:
        return told(DropResult, **commons.datasets.fetch.drop(c.home, meant(c, dataset).cid))


@verb("datasets", reads=True)
async def datasets(c: Context) -> DatasetsResult:
    """The datasets in this home, under all of its identities."""
    return DatasetsResult(datasets=tuple(row for each in c.every() for row in held(each)))


def held(c: Context) -> tuple[DatasetHeld, ...]:
    """The datasets in this home, and how much of each is."""
    rows, gone = [], dict[str, int]()
    for kept in c.home.kept.values():
        gone |= kept.log.state.community.withdrawn if kept.log.state.community else {}
    for cid, opened, role, served in c.home.shelf.manifests():
        value = opened.value
        refs = value.sealed()
        missing = sum(not c.home.packs.has(ref.root) for ref in refs)
        table = refs[-1].root  # is of no other dataset, comes first, and stays where no pack is kept
        parts = [ref.root for ref in refs if c.home.packs.part(ref.root).exists()]
        begun = c.home.packs.has(table) or table in parts if role == "seen" else bool(parts)
        if role != "seen" or begun:
            here = "whole" if not missing else "incomplete" if served else "begun" if begun else "not kept"
            rows.append(
                told(
                    DatasetHeld,
                    cid=cid,
                    title=value.title,
                    version=value.version,
                    licence=value.terms.licence,
                    access=str(value.rule),
                    files=value.files,
                    bytes=value.size,
                    role=role,
                    served=served and cid not in gone,
                    withdrawn=gone.get(cid),
                    packs=here,
                    packs_missing=missing,
                )
            )
    return tuple(rows)
