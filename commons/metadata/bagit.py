"""BagIt 1.0 (RFC 8493): the tag files of a bag whose payload lies below `data/`, and manifests that others wrote.

A bag has no place for a licence: give it tag files that have, of the other formats. `bag-info.txt` tells what the
standard has names for, each value on lines that cannot be taken for another tag; and, where files have licences of
their own, in tags of our own: the licence of the whole (`License`) and of each (`File-License`, its path
percent-encoded).
"""

from __future__ import annotations

import hashlib
import re
import textwrap
from collections.abc import Mapping, Sequence
from urllib.parse import quote

from commons.core.dataset import names
from commons.errors import Malformed
from commons.metadata import texts
from commons.metadata.description import DescribedFile, Description, encoded
from commons.metadata.reading import Heard, Reading
from licences import escape

_LINE = 79  # characters
_LENGTHS = {32: "md5", 64: "sha256"}  # hexadecimal digits


def write(files: Sequence[DescribedFile], d: Description, tags: Mapping[str, bytes] | None = None) -> dict[str, bytes]:
    """The tag files by name, those of `tags` (by path beside `data/`) among them. Malformed where a SHA-256 lacks."""
    others = dict(tags or {})
    names.check_all([*others, "data"])
    lines = []
    for file in files:
        if file.sha256 is None:
            raise Malformed(f"a bag lists the SHA-256 of each file, and that of {file.path[:200]!r} is not known")
        lines.append(f"{file.sha256.hex()}  {_encoded('data/' + names.check(file.path))}\n")
    written = others | {
        "bagit.txt": b"BagIt-Version: 1.0\nTag-File-Character-Encoding: UTF-8\n",
        INFO: _info(files, d),
        "manifest-sha256.txt": encoded("".join(lines)),
    }
    listed = "".join(f"{hashlib.sha256(data).hexdigest()}  {_encoded(name)}\n" for name, data in written.items())
    return written | {"tagmanifest-sha256.txt": listed.encode()}


def _info(files: Sequence[DescribedFile], d: Description) -> bytes:
    sizes = [file.size for file in files if file.size is not None]
    own = [("File-License", f"{quote(f'data/{file.path}')} {file.licence}") for file in files if file.licence]
    said = [
        *(("Source-Organization", creator.name) for creator in d.creators if creator.organisation),
        *(("Contact-Name", creator.name) for creator in d.creators if not creator.organisation),
        ("External-Description", ": ".join(part for part in (d.title, d.description) if part)),
        *([("License", d.licence), *own] if own else []),
        ("Bagging-Date", d.published),
        *(("External-Identifier", each) for each in (d.identifier, d.reference)),
        ("Payload-Oxum", f"{sum(sizes)}.{len(files)}" if len(sizes) == len(files) else None),
    ]
    return encoded("".join(_tag(label, value) for label, value in said if value and value.strip()))


def _tag(label: str, value: str) -> str:
    """One tag, folded. Whatever ends a line anywhere, and what a terminal would obey, becomes a blank."""
    plain = escape.line(value)
    if " " not in plain:
        return f"{label}: {plain}\n"
    lines = textwrap.wrap(f"{label}: {plain}", _LINE - 2, break_long_words=False, break_on_hyphens=False)
    return "\n  ".join(lines) + "\n"


def _encoded(path: str) -> str:
    return path.replace("%", "%25").replace("\n", "%0A").replace("\r", "%0D")


_DECODED = {"25": "%", "0A": "\n", "0D": "\r"}


INFO = "bag-info.txt"
_READ = ("external-description", "external-identifier", "license", "file-license", "bagging-date", "payload-oxum")


def read_info(text: str, heard: Heard | None = None) -> Description:
    """What a `bag-info.txt` says of what is in the bag."""
    reading = Reading(heard)
    tags: list[tuple[str, str]] = []
    for line in re.split(r"\r\n|\r|\n", text):
        label, colon, value = line.partition(":")
        if line[:1] in (" ", "\t") and tags:
            tags[-1] = (tags[-1][0], f"{tags[-1][1]} {line.strip()}")
        elif colon:
            tags.append((label.strip(), value.strip()))

    def said(wanted: str) -> list[str]:
        return [value for label, value in tags if label.lower() == wanted and value]

    reading.leave({label: value for label, value in tags if label.lower() not in _READ})
    return reading.described(
        description=lambda: next(iter(said("external-description")), None),
        licence=lambda: texts.licence("License", next(iter(said("license")), None), reading=reading),
        identifier=lambda: next(
            (one for each in said("external-identifier") if (one := texts.identifier("External-Identifier", each))),
            None,
        ),
    )


def read(text: str) -> tuple[DescribedFile, ...]:
    """The files of a payload manifest, of SHA-256 or MD5, by their paths in the folder: "data/rivers.csv". Malformed
    for any other line, a path that is not safe or not payload, and one that stands twice."""
    found: dict[str, DescribedFile] = {}
    for number, line in enumerate(re.split(r"\r\n|\r|\n", text), 1):
        if not line.strip():
            continue
        match = re.fullmatch(r"([0-9A-Fa-f]+)[ \t]+\*?(?:\./)?(.+)", line)
        kind = _LENGTHS.get(len(match[1])) if match else None
        if match is None or kind is None:
            raise Malformed(f"line {number} is no digest of SHA-256 or MD5 and a path")
        path = re.sub("%(25|0A|0D)", lambda code: _DECODED[code[1].upper()], match[2], flags=re.I)
        file = texts.file(f"the path in line {number}", path, **{kind: bytes.fromhex(match[1])})
        if not file.path.startswith("data/") or file.path in found:
            raise Malformed(f"line {number}: {file.path[:200]!r} is not below data/, or stands twice")
        found[file.path] = file
    return tuple(found.values())
