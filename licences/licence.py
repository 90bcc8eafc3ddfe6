"""One licence: its names and what it permits, requires and prohibits. Read from data/ID.json when asked for."""

from __future__ import annotations

import functools
import hashlib
import json
from dataclasses import dataclass
from importlib.resources import files
from typing import Any, Literal

Kind = Literal["licence", "dedication", "mark", "custom"]

_PERMITS = {
    "Reproduction": "copy the data, in any medium and format",
    "Distribution": "share copies, also from peer to peer",
    "DerivativeWorks": "change it, build on it, and share what you make",
}
_REQUIRES = {
    "Notice": "keep the licence notice with every copy",
    "Attribution": "credit its creators, link to the licence and say what you changed",
    "ShareAlike": "share what you make of it under the same licence or one it names as compatible",
}
_PROHIBITS = {"CommercialUse": "use it primarily for commercial advantage or payment"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Licence:
    """`id` is SPDX's where it has one. `permits`, `requires` and `prohibits` are ccREL terms without their prefix;
    `text_sha256` (32 bytes) is of the text shipped here, None where none is."""

    id: str
    name: str
    name_fr: str | None
    short: str
    url: str | None
    legalcode: str | None
    kind: Kind
    family: str
    elements: tuple[str, ...]
    version: str | None
    jurisdiction: str | None
    permits: tuple[str, ...]
    requires: tuple[str, ...]
    prohibits: tuple[str, ...]
    title_required: bool
    database_rights: bool
    text: str | None = None

    @property
    def text_sha256(self) -> bytes | None:
        text = self.text if self.text is not None else _text(self.id)
        return None if text is None else hashlib.sha256(text.encode()).digest()

    def asks(self) -> tuple[str, ...]:
        """The fields a publisher has to fill so that others can keep to this licence."""
        return ("title", "creators") if "Attribution" in self.requires else ()

    def plain(self) -> tuple[tuple[str, ...], tuple[str, ...], tuple[str, ...]]:
        """You may, you must, you may not: sentences for a person. A text of one's own is to be read itself."""
        if self.kind == "custom":
            return ((), ("read its text: only the text says what it allows",), ())
        forbids = [_PROHIBITS[term] for term in self.prohibits]
        if "ND" in self.elements:
            forbids.append("share a changed version")
        return (
            tuple(_PERMITS[term] for term in self.permits), tuple(_REQUIRES[term] for term in self.requires),
            tuple(forbids),
        )  # fmt: skip


@functools.cache
def ids() -> tuple[str, ...]:
    """Every id there is data for."""
    return tuple(sorted(p.name.removesuffix(".json") for p in files("licences").joinpath("data").iterdir()))


@functools.cache
def get(ident: str) -> Licence:
    """By its exact id; UnknownLicence otherwise. `resolve` takes other spellings."""
    if ident not in ids():
        from licences.resolve import UnknownLicence, near

        raise UnknownLicence(ident, "no licence has this id", near(ident))
    row = json.loads(files("licences").joinpath("data", f"{ident}.json").read_text(encoding="utf-8"))
    fields: dict[str, Any] = {key: tuple(value) if isinstance(value, list) else value for key, value in row.items()}
    return Licence(**fields)


def all() -> tuple[Licence, ...]:
    return tuple(get(ident) for ident in ids())


def custom(ident: str, name: str, text: str, url: str | None = None) -> Licence:
    """Terms of a community's own, carried whole and never reasoned about. `ident` is LicenseRef-…"""
    if (
        not ident.startswith("LicenseRef-")
        or not ident.removeprefix("LicenseRef-").replace("-", "").replace(".", "").isalnum()
    ):
        raise ValueError(f"a licence of one's own is called LicenseRef-NAME (letters, digits, - and .), not {ident!r}")
    return Licence(
        id=ident, name=name, name_fr=None, short=name, url=url, legalcode=url, kind="custom", family="custom",
        elements=(), version=None, jurisdiction=None, permits=(), requires=(), prohibits=(), title_required=False,
        database_rights=False, text=text,
    )  # fmt: skip


def _text(ident: str) -> str | None:
    path = files("licences").joinpath("texts", f"{ident}.txt")
    return path.read_text(encoding="utf-8") if path.is_file() else None
