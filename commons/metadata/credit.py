"""The credit that travels with every copy: title, author, source, licence, what it was made from, what is asked."""

from __future__ import annotations

import contextlib
import errno
import itertools
import os
import re
import stat
from collections.abc import Collection, Iterator
from dataclasses import replace
from pathlib import Path

import licences
from commons.core.crypto import ids
from commons.core.crypto.envelope import Opened
from commons.core.crypto.ids import Cid
from commons.core.dataset.manifest import Manifest
from commons.core.dataset.rights import Origin
from commons.core.dataset.terms import Terms
from commons.disk import naming
from commons.errors import StorageFailed, refusal
from commons.metadata import licensing
from licences.attribution import Format

_NEW = ".commons:credit"  # a name no dataset may hold
_NAME = re.compile(r"ATTRIBUTION(\.commons|\.[a-z2-7]{12}(\.[0-9]+)?)?\.txt")
_DATASET = re.compile(rb"^Dataset: commons:(\w+)$", re.MULTILINE)


def is_credit(path: str) -> bool:
    """Whether a file of a folder may be the ATTRIBUTION.txt that a fetch left there."""
    return _NAME.fullmatch(path) is not None


def line(terms: Terms, form: Format = "text") -> str:
    """The attribution as the licences of these terms ask for it, in any form that `licences.attribution` writes."""
    found = licensing.of(terms)
    if len(found) > 1:
        found = (replace(found[0], short=terms.licence, url=None, kind="licence"),)
    work = licences.Work(
        title=terms.title,
        creators=tuple(each.name for each in terms.creators),
        licence=found[0],
        source_url=terms.source_url,
        copyright=terms.copyright,
        credit_line=terms.credit_line,
        updated=terms.updated,
    )
    return licences.attribution(work, form, terms.changes)


def origin(dataset: Opened[Manifest]) -> Origin:
    """What the terms of a dataset say of this one, where they name it as what they were made from."""
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


def leave(dest: Path, dataset: Opened[Manifest], taken: Collection[str], older: Collection[str] = ()) -> str:
    """The name under which the credit was written beside the files: one that none of them (`taken`) has and nobody's
    file, another dataset's credit for one. Only that of an `older` version, by its CID, is overwritten.
    StorageFailed."""
    data, cid = text(dataset).encode(), ids.cid(dataset.data)
    own = {path.partition("/")[0].lower() for path in taken}
    for name in (n for n in _names(cid) if n.lower() not in own):
        path, new = dest / name, dest / _NEW
        try:
            stands = _stands(path, len(data) + 1)
            if stands == data:
                return name
            if stands is not None and not (set(_DATASET.findall(stands)) & {each.encode() for each in older}):
                continue
            new.unlink(missing_ok=True)  # a crash before the rename leaves it
            fd = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o644)
            with os.fdopen(fd, "wb") as file:
                file.write(data)
            if stands is not None:
                new.rename(path)
                return name
            with contextlib.suppress(FileExistsError):  # made meanwhile: it stays
                naming.give(str(new), str(path))
                return name
            new.unlink()
        except OSError as error:
            raise StorageFailed(
                f"cannot write {path}: {refusal(error)}", hint="check free space and permissions"
            ) from error
    raise AssertionError("there is always another name")


def _names(cid: Cid) -> Iterator[str]:
    yield "ATTRIBUTION.txt"
    yield from (f"ATTRIBUTION.{cid[-12:]}{'.' * bool(n)}{n or ''}.txt" for n in itertools.count())


def _stands(path: Path, most: int) -> bytes | None:
    """The first bytes of the file that has this name; None where nothing has it."""
    try:
        fd = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except FileNotFoundError:
        return None
    except OSError as error:
        if error.errno not in (errno.ELOOP, errno.ENXIO, errno.EACCES):
            raise
        return b""  # a link, a socket, what may not be read: somebody's
    try:
        return os.read(fd, most) if stat.S_ISREG(os.fstat(fd).st_mode) else b""
    finally:
        os.close(fd)
