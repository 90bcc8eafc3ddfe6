"""What is known of a dataset, whatever format says it: the noun that every format is read into and written from."""

from __future__ import annotations

from dataclasses import dataclass, field

from commons.core.dataset.rights import Creator, Label, Origin
from commons.errors import Malformed

LIMIT = 16 << 20  # bytes of a metadata file
UNSEEN = "\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff"  # what the eye does not see: for a regex's [ ]


@dataclass(frozen=True, slots=True, kw_only=True)
class DescribedFile:
    """One file as a description tells of it; None where the format does not say. `sha256` has 32 bytes; `md5` (16) is
    read and compared, never written. `licence`, an SPDX expression, and `copyright`, lines, are the file's own where
    they differ from the dataset's."""

    path: str
    size: int | None = None
    sha256: bytes | None = None
    md5: bytes | None = None
    media_type: str | None = None
    licence: str | None = None
    copyright: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Description:
    """What is known of a dataset, from whatever format. None or empty: not said.

    To read, `licence` is spelt as the file spells it (an id, an address, a name); to write, it is an SPDX expression.
    `licences` gives the (id, address) of each licence in the expression, `texts` the (id, text) of those whose text is
    at hand. Days are "2026-11-24". `identifier` is a DOI or an address of its own; `reference` is ours,
    "commons:bafy…". `version` counts from 1.
    """

    title: str | None = None
    description: str | None = None
    creators: tuple[Creator, ...] = ()
    licence: str | None = None
    licences: tuple[tuple[str, str], ...] = ()
    texts: tuple[tuple[str, str], ...] = field(default=(), repr=False)
    copyright: str | None = None
    credit_line: str | None = None
    source_url: str | None = None
    updated: str | None = None
    published: str | None = None
    conditions: str | None = None
    keywords: tuple[str, ...] = ()
    identifier: str | None = None
    reference: str | None = None
    version: int | None = None
    publisher: str | None = None
    labels: tuple[Label, ...] = ()
    origins: tuple[Origin, ...] = ()
    changes: str | None = None
    files: tuple[DescribedFile, ...] = ()


def encoded(text: str) -> bytes:
    """The text in UTF-8. Malformed for half a character."""
    try:
        return text.encode()
    except UnicodeEncodeError as error:
        raise Malformed("a text is not valid Unicode", hint="type it again") from error
