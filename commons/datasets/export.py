"""Export a dataset: its files, its credit, and its description in the formats that other tools read."""

from __future__ import annotations

import asyncio
import csv
import hashlib
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from commons.access import request
from commons.core.crypto.envelope import Opened
from commons.core.dataset.contents import Contents
from commons.core.dataset.manifest import Manifest
from commons.core.dataset.reference import Reference
from commons.datasets import describe, fetch
from commons.disk import folder, naming, private
from commons.disk.home import Home
from commons.errors import Conflict, Malformed
from commons.metadata import FORMATS
from commons.metadata.description import DescribedFile, Description
from commons.net.network import Network
from commons.progress import Progress


async def export(
    home: Home,
    net: Network,
    reference: Reference,
    dest: Path,
    formats: Sequence[str],
    progress: Progress,
    extra: Sequence[str] = (),
    texts: Mapping[str, str] | None = None,
) -> dict[str, Any]:
    """What was written, as plain values: the dataset and its metadata, in the new folder `dest`, whole or not at all:
    it is renamed when it is complete.

    With "bagit" everything else is the payload, below data/. `texts` are those of licences that are not here, by id: a
    format may need them, and no terms are made from them. Unacknowledged where this home has no key; Conflict where
    `dest` exists, or the dataset has a file of a name that a format needs.
    """
    private.check_room(dest)
    if dest.exists():
        raise Conflict(f"{dest} exists already", hint="name a new folder")
    if unknown := [form for form in formats if form not in FORMATS]:
        raise Malformed(f"not a format: {unknown[0][:40]!r}", hint=f"one of {', '.join(FORMATS)}")
    sources = fetch.sources_of(home, reference, extra)
    dataset = await fetch.describe(home, net, reference.cid, sources)
    said = None
    if request.kept_key(home, dataset) is not None:
        said = _said(dataset, await describe.contents(home, net, sources, dataset), texts)
        _check(said, formats)
    with naming.drafting(dest) as bag:
        payload = bag / "data" if "bagit" in formats else bag
        payload.parent.mkdir(exist_ok=True)
        told = await fetch.fetch(home, net, reference, payload, progress, extra=extra)
        if said is None:
            said = _said(dataset, await describe.contents(home, net, sources, dataset), texts)
        written = await asyncio.to_thread(_write, said, formats, bag, payload)
    return {**told, "dest": str(dest), "written": written}


def _said(dataset: Opened[Manifest], table: Contents, texts: Mapping[str, str] | None) -> Description:
    """Its description with the texts of licences that came with the command. Those of its terms go before; Conflict for
    another one of the same licence."""
    said = describe.description(dataset, table)
    known = dict(said.texts)
    for id, text in (texts or {}).items():
        if id.startswith("LicenseRef-") and known.get(id, text) != text:
            raise Conflict(f"{id} has a text of its own in the terms, and another was given", hint="leave it out")
    return replace(said, texts=tuple({**(texts or {}), **known}.items()))


def _check(said: Description, formats: Sequence[str]) -> None:
    """What each format demands, before anything is fetched and written."""
    files = {entry.path for entry in said.files}
    for form in formats:
        for name in describe.write(form, said if form == "reuse" else replace(said, files=said.files[:1])):
            if form != "bagit":
                _check_free(name, files, form)


def _check_free(name: str, files: Collection[str], form: str) -> None:
    if name in files:
        raise Conflict(
            f"the dataset has a {name} of its own, which travels as it is", hint=f"leave out --format {form}"
        )


def _write(said: Description, formats: Sequence[str], bag: Path, payload: Path) -> list[str]:
    files = {entry.path for entry in said.files}
    written: dict[str, bytes] = {}
    others = [form for form in dict.fromkeys(formats) if form != "bagit"]  # which comes last: it lists what they write
    table = columns(said, payload) if others else {}
    for form in others:
        for name, data in describe.write(form, said, table).items():
            _check_free(name, files, form)
            path = payload / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(data)
            written[name] = data
    names = sorted(written)
    if bag != payload:
        lying = [path for path in payload.iterdir() if path.name not in files and path.is_file()]
        more = {**{path.name: path.read_bytes() for path in lying}, **written}
        whole = replace(said, files=(*said.files, *(_entry(name, data) for name, data in sorted(more.items()))))
        for name, data in describe.write("bagit", whole).items():
            (bag / name).write_bytes(data)
            names.append(name)
    return names


def _entry(name: str, data: bytes) -> DescribedFile:
    digest = hashlib.sha256(data).digest()
    return DescribedFile(path=name, size=len(data), sha256=digest, media_type=folder.media_type(name))


def columns(said: Description, payload: Path) -> Mapping[str, Sequence[str]]:
    """The column names of CSV files, by path: of those that begin with a row of names, all different."""
    found = {}
    for entry in said.files:
        if entry.media_type == "text/csv" and entry.size:
            try:
                with open(payload / entry.path, encoding="utf-8", newline="") as file:
                    row = next(csv.reader([file.readline(1 << 16)]), [])
            except (UnicodeDecodeError, csv.Error):
                continue
            if row and len(set(row)) == len(row) and all(name.strip() and name.isprintable() for name in row):
                found[entry.path] = row
    return found
