"""A dataset as others describe theirs: its manifest and, where this home has the key, its files, in any of the formats.

The file list of a dataset is sealed: formats that need it are only for who holds the key.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime

import licences
from commons.access import request
from commons.core.crypto import ids
from commons.core.crypto.envelope import Opened
from commons.core.dataset.contents import Contents, File
from commons.core.dataset.manifest import Manifest
from commons.core.dataset.rights import Rights
from commons.datasets import download
from commons.disk import unpacker
from commons.disk.home import Home
from commons.errors import Malformed, Refused
from commons.log import withdrawal
from commons.metadata import FORMATS, jsonld, licensing
from commons.metadata.description import DescribedFile, Description
from commons.net.network import Network

Bytes = Mapping[str, bytes]  # by file name
Columns = Mapping[str, Sequence[str]]  # by path

NEED_FILES = ("croissant", "bagit", "datapackage", "ro-crate", "reuse")  # are about files
DEMAND_WORDS = ("croissant", "ro-crate", "dcat")  # need a description: a dataset without one has its title there


async def contents(home: Home, net: Network, sources: list[str], dataset: Opened[Manifest]) -> Contents:
    """The contents table of a dataset: which files it has. It is fetched if need be. Refused without the key."""
    value = dataset.value
    withdrawal.check_here(home, ids.cid(dataset.data))
    secret = request.kept_key(home, dataset)
    if secret is None:
        raise Refused("the list of files is sealed, and this home has no key to it", hint="`commons fetch` asks for it")
    value.table_room()
    await download.packs(home.packs, net, sources, value.sealed()[-1:], lambda done: None)
    return await asyncio.to_thread(unpacker.contents_of, home.packs, value, secret)


def description(dataset: Opened[Manifest], table: Contents | None) -> Description:
    """The description of a dataset that every format is written from; without its contents `table`, what the manifest
    says alone."""
    value, terms = dataset.value, dataset.value.terms
    known = licensing.of(terms)
    named = [
        (licence.spdx_expression if each.text is None else each.id, each, licence)
        for each, licence in zip(terms.licences, known, strict=True)
    ]
    texts = tuple((id, text) for id, each, licence in named if (text := each.text or licence.text()) is not None)
    return Description(
        title=value.title, description=value.description or None, creators=terms.creators, licence=_spdx(terms.licence),
        licences=tuple((id, each.url) for id, each, _ in named), texts=texts, copyright=terms.copyright,
        credit_line=terms.credit_line, source_url=jsonld.address(terms.source_url), updated=terms.updated,
        published=_day(value.created), conditions=terms.conditions,
        keywords=value.keywords, identifier=value.identifier, reference=f"commons:{ids.cid(dataset.data)}",
        version=value.version, publisher=dataset.signer, labels=terms.labels, origins=terms.origins,
        changes=terms.changes, files=tuple(_entry(table, file) for file in table.files) if table else (),
    )  # fmt: skip


def _day(seconds: int) -> str | None:
    try:
        return datetime.fromtimestamp(seconds, UTC).date().isoformat()
    except (ValueError, OverflowError, OSError):  # a time that somebody made up
        return None


def _entry(table: Contents, file: File) -> DescribedFile:
    rights = table.rights_of(file) or Rights(licence="", copyright="")
    return DescribedFile(
        path=file.path,
        size=file.size,
        sha256=file.sha256,
        media_type=file.media_type,
        licence=_spdx(rights.licence) if rights.licence else None,
        copyright=rights.copyright or None,
    )


def _spdx(expression: str) -> str:
    """As SPDX spells it: a national version that its list does not have is a LicenseRef there, and is read back."""
    try:
        return licences.parse(expression).spdx
    except licences.LicenceError:  # of a later version than ours
        return expression


def write(form: str, said: Description, columns: Columns | None = None) -> Bytes:
    """The files of one format, their bytes by name. `columns` are the column names of CSV files by path, where known.
    Malformed for a format that there is not, or one that needs more than is said."""
    from commons.metadata import bagit, citation, croissant, datacite, datapackage, dcat, reuse, rocrate

    single: dict[str, tuple[str, Callable[[Description], bytes]]] = {
        "croissant": (croissant.FILE, lambda said: croissant.write(said, columns)),
        "ro-crate": (rocrate.FILE, rocrate.write),
        "datapackage": (datapackage.FILE, datapackage.write),
        "dcat": (dcat.FILE, dcat.write),
        "datacite": (datacite.FILE, datacite.write),
        "citation": (citation.FILE, citation.write),
    }
    if form in DEMAND_WORDS and not said.description:
        said = replace(said, description=said.title)
    if form in single:
        name, writer = single[form]
        return {name: writer(said)}
    if form == "reuse":
        return reuse.write(said)
    if form == "bagit":
        return bagit.write(said.files, said)
    raise Malformed(f"not a format: {form[:40]!r}", hint=f"one of {', '.join(FORMATS)}")
