"""Descriptions that every format is tried with, and the files they describe."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from commons.core.crypto import ids
from commons.core.dataset.rights import Creator, Label, Origin
from commons.metadata.description import DescribedFile, Description

TABLE, PICTURE, NOTE = "rivers.csv", "images/gauge.bin", "field notes/Flüsse 2024.txt"
BYTES: dict[str, bytes] = {
    TABLE: b"river,length_km\nTejo,1007\nDouro,897\nMinho,310\n",
    PICTURE: bytes(range(256)) * 3,
    NOTE: "Gemessen am Ufer, bei Hochwässern nicht.\n".encode(),
}
_TYPES = {TABLE: "text/csv", PICTURE: "application/octet-stream", NOTE: "text/plain"}

OURS = "LicenseRef-Ours"
OURS_TEXT = "Terms of the river keepers\n\nAsk before you publish where the springs are.\n"
BY_TEXT = "Creative Commons Attribution 4.0 International\n\n(The whole text stands here.)\n"
ODBL_TEXT = "Open Database License v1.0\n\n(The whole text stands here.)\n"
BY = ("CC-BY-4.0", "https://creativecommons.org/licenses/by/4.0/")
ODBL = ("ODbL-1.0", "https://opendatacommons.org/licenses/odbl/1-0/")

ANA = Creator(name="Ana Martins", url="https://orcid.org/0000-0002-1825-0097")
INSTITUTE = Creator(name="Instituto da Água", url="https://ror.org/05gq02987", organisation=True)


def entry(path: str, licence: str | None = None, copyright: str | None = None) -> DescribedFile:
    """A file of BYTES as it would be listed."""
    data = BYTES[path]
    return DescribedFile(
        path=path, size=len(data), sha256=hashlib.sha256(data).digest(), media_type=_TYPES[path], licence=licence,
        copyright=copyright,
    )  # fmt: skip


# Every field filled.
FULL = Description(
    title="Rivers of the west: lengths & gauges",
    description="How long they are.\n\nMeasured along the Mittelwasser, § 3, in km.",
    creators=(ANA, INSTITUTE),
    licence="CC-BY-4.0",
    licences=(BY,),
    texts=((BY[0], BY_TEXT),),
    copyright="2024 Ana Martins",
    credit_line="Rivers of the west, Instituto da Água, 2024",
    source_url="https://example.org/rivers",
    updated="2024-11-02",
    published="2024-11-24",
    conditions="Tell us what you find.",
    keywords=("rivers", "hydrology", "Flüsse"),
    identifier="https://doi.org/10.5281/zenodo.1234567",
    reference=f"commons:{ids.cid(b'rivers of the west')}",
    version=3,
    publisher="The river keepers",
    labels=(Label(name="TK Attribution (TK A)", text="Name the people of the river."),),
    origins=(
        Origin(
            manifest=ids.cid(b"the older rivers"), title="Older rivers", licence="CC-BY-4.0",
            credit="“Older rivers” by Bo is licensed under CC BY 4.0.",
        ),
    ),
    changes="Lengths were measured anew.",
    files=(entry(TABLE), entry(PICTURE), entry(NOTE)),
)  # fmt: skip

# The least that can be published.
PLAIN = Description(
    title="Rivers",
    creators=(Creator(name="Ana"),),
    licence="CC-BY-4.0",
    licences=(BY,),
    texts=((BY[0], BY_TEXT),),
    published="2024-11-24",
    reference=f"commons:{ids.cid(b'rivers')}",
    version=1,
    publisher="Ana",
    files=(entry(TABLE),),
)

# Two licences that hold together, and a file under a third.
MIXED = Description(
    title="Rivers and springs",
    description="Springs are only for who asks.",
    creators=(INSTITUTE, ANA),
    licence="CC-BY-4.0 AND LicenseRef-Ours",
    licences=(BY, (OURS, "")),
    texts=((BY[0], BY_TEXT), (OURS, OURS_TEXT), (ODBL[0], ODBL_TEXT)),
    updated="2023-05-01",
    published="2024-11-24",
    reference=f"commons:{ids.cid(b'rivers and springs')}",
    version=2,
    publisher="The river keepers",
    labels=(
        Label(name="TK Attribution (TK A)", text="Name the people of the river."),
        Label(name="TK Seasonal (TK S)", text="Not to be shown\nbefore the first flood."),
    ),
    origins=(
        Origin(manifest=ids.cid(b"a"), title="Springs", licence="CC-BY-4.0", credit="Springs, by the keepers."),
        Origin(manifest=ids.cid(b"b"), title="Wells", licence="CC0-1.0", credit=""),
    ),
    files=(entry(TABLE), entry(PICTURE, licence="ODbL-1.0"), entry(NOTE)),
)

SAMPLES: Mapping[str, Description] = {"full": FULL, "plain": PLAIN, "mixed": MIXED}

# What a peer may have written where a title, a name or a description is expected. The last ones are no single line.
HOSTILE: tuple[str, ...] = (
    "\x1b[2J\x1b]0;owned\x07red\x1b[31m",
    'she said "no" \\ and \\n and \\u0000',
    "{{ config }} {% raw %} ${HOME} $(id) `id`",
    "</script><script>alert(1)</script><!-- --> ]]> &amp; <b>",
    "moc.\u202egpj.exe\u202c \u2066isolated\u2069",
    "---",
    "# no comment: [a, *b, &c] !tag | > % @",
    "SPDX-License-Identifier: MIT Copyright 1999 Nobody",
    "'''\"\"\" , ; = = \t tab",
    "License: CC0-1.0\u2028Payload-Oxum: 1.1\u0085Tag: x",
    "true",
    "2024-01-01",
    "null",
    "two\nlines: injected\r\nand three",
    '\n\n[[annotations]]\npath = "**"\n',
    "--- \nlicense: cc0-1.0\n---\n",
    "REUSE-IgnoreStart\nSPDX-License-Identifier: MIT\nREUSE-IgnoreEnd",
)
LINES: tuple[str, ...] = tuple(text for text in HOSTILE if "\n" not in text)  # those that may be a title or a name


def described(d: Description) -> Description:
    return d if d.description else replace(d, description="Rivers, and how long they are.")


def write_files(folder: Path, description: Description = FULL) -> None:
    """The real files of a sample, below `folder`."""
    for each in description.files:
        place = folder / each.path
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(BYTES[each.path])
