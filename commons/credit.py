"""The credit that travels with every copy: title, author, source, licence, what it was made from, what is asked."""

from __future__ import annotations

import os
from collections.abc import Collection
from dataclasses import replace
from pathlib import Path

import licences
from commons import licensing
from commons.core import ids
from commons.core.envelope import Opened
from commons.core.manifest import Manifest
from commons.core.rights import Origin
from commons.core.terms import Terms
from commons.errors import StorageFailed
from licences.attribution import Format

NAMES = ("ATTRIBUTION.txt", "ATTRIBUTION.commons.txt")  # the second where the dataset has the first itself


def line(terms: Terms, form: Format = "text") -> str:
    """The attribution as the licences ask for it, in any form that `licences.attribution` writes."""
    found = licensing.of(terms)
    if len(found) > 1:
        found = (replace(found[0], short=terms.licence, url=None, kind="licence"),)
    work = licences.Work(
        title=terms.title, creators=tuple(each.name for each in terms.creators), licence=found[0],
        source_url=terms.source_url, copyright=terms.copyright, credit_line=terms.credit_line, updated=terms.updated,
    )  # fmt: skip
    return licences.attribution(work, form, terms.changes)


def origin(dataset: Opened[Manifest]) -> Origin:
    """What a dataset made from this one says of it."""
    terms = dataset.value.terms
    below = [f"Based on {each.title} (commons:{each.manifest}): {each.credit}" for each in terms.origins]
    return Origin(
        manifest=ids.cid(dataset.data),
        title=terms.title,
        licence=terms.licence,
        credit="\n".join([line(terms), *below]),
    )


def text(dataset: Opened[Manifest]) -> str:
    """What stands in ATTRIBUTION.txt: the credit, those of the origins, and every word the terms hold to be kept."""
    terms = dataset.value.terms
    lines = [line(terms)]
    if len(terms.licences) > 1:
        lines += ["", f"The whole is under: {terms.licence}", *(f"* {e.id} {e.url}".rstrip() for e in terms.licences)]
    for origin in terms.origins:
        lines += ["", f"Based on {origin.title} (commons:{origin.manifest}), under {origin.licence}:", origin.credit]
    lines += ["", f"Dataset: commons:{ids.cid(dataset.data)}", f"Published by: {dataset.signer}"]
    if terms.conditions:
        lines += ["", "Conditions stated by the publisher:", terms.conditions]
    for label in terms.labels:
        lines += ["", f"Label: {label.name}", label.text]
    for each in terms.licences:
        if each.text:
            lines += ["", f"{each.id}:", each.text]
    return "\n".join(lines) + "\n"


def leave(dest: Path, dataset: Opened[Manifest], taken: Collection[str]) -> None:
    """Write the credit beside the files, under a name that none of them (`taken`) has. StorageFailed."""
    free = [n for n in NAMES if n.lower() not in {path.partition("/")[0].lower() for path in taken}]
    if not free:
        return
    data, path = text(dataset).encode(), dest / free[0]
    try:
        if path.is_file() and not path.is_symlink() and path.read_bytes() == data:
            return
        new = dest / f".{free[0]}.new"
        new.unlink(missing_ok=True)  # a crash before the rename leaves it
        fd = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o644)
        with os.fdopen(fd, "wb") as file:
            file.write(data)
        new.rename(path)
    except OSError as error:
        raise StorageFailed(
            f"cannot write {path}: {error.strerror}", hint="check free space and permissions"
        ) from error
