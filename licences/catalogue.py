"""The licences this package carries: found by id, read one file at a time, kept once read. And those of one's own.

Knows where the files lie, nothing of names in the wild (that is `names`) nor of law.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cache
from typing import TYPE_CHECKING, Any, Final

from licences.errors import InvalidLicence, UnknownLicence
from licences.licence import Adaptation, Answer, Licence, Plain

if TYPE_CHECKING:
    from importlib.resources.abc import Traversable

_OWN: Final = re.compile(r"LicenseRef-[A-Za-z0-9.-]{1,100}", re.ASCII)
_OWN_TEXT_LIMIT: Final = 1 << 20  # characters


def _room(name: str) -> Traversable:
    from importlib.resources import files  # several milliseconds: only when a file is wanted

    return files("licences") / name


@cache
def ids() -> tuple[str, ...]:
    """Every id, sorted. Reads a folder, no file."""
    return tuple(sorted(f.name[: -len(".json")] for f in _room("data").iterdir() if f.name.endswith(".json")))


@cache
def get(id: str) -> Licence:
    """The licence of exactly this id; UnknownLicence otherwise (`resolve` is the lenient one)."""
    if id not in ids():
        raise UnknownLicence(id, "no licence has this id")
    import json

    return read(json.loads((_room("data") / f"{id}.json").read_text("utf-8")))


@cache
def all() -> tuple[Licence, ...]:
    """Every licence carried, sorted by id."""
    return tuple(get(id) for id in ids())


def shipped_text(id: str) -> str:
    return (_room("texts") / f"{id}.txt").read_bytes().decode()


def read(record: Mapping[str, Any]) -> Licence:
    """A licence from its record, as the JSON files hold it."""
    fields: dict[str, Any] = {k: record[k] for k in _AS_IT_IS}
    fields |= {k: frozenset(record[k]) for k in ("permits", "requires", "prohibits")}
    adaptation: dict[str, Any] = record["adaptation"]
    return Licence(
        **fields,
        elements=tuple(record["elements"]),
        adaptation=Adaptation(**(adaptation | {"also": tuple(adaptation["also"])})),
        clauses=tuple(record["clauses"].items()),
        answers=tuple((use, Answer(**answer)) for use, answer in record["answers"].items()),
        sentences=Plain(*(tuple(record["plain"][k]) for k in Plain._fields)),
        fields=tuple(record["asks"]),
        text_sha256=bytes.fromhex(record["text_sha256"]) if record["text_sha256"] else None,
    )


_AS_IT_IS: Final = (
    "id", "name", "name_fr", "short", "url", "legalcode", "spdx", "kind", "family", "version", "jurisdiction",
    "database_rights", "title_required", "mark_modifications", "cure_days", "irrevocable", "retired",
)  # fmt: skip


def custom(id: str, name: str, text: str, url: str | None = None) -> Licence:
    """Terms of a community's own: a text, a notice, a data-use agreement. InvalidLicence unless well formed.

    `id` is "LicenseRef-" and letters, digits, dots or hyphens (SPDX 2.3, annex D); `text` is the whole of the terms.
    The library carries such terms and never reasons about them: every answer is "unknown". `url` is kept as given.
    """
    import hashlib

    if not _OWN.fullmatch(id):
        raise InvalidLicence(f"not an id of a licence of one's own: {id[:80]!r}; ids look like LicenseRef-Ours-1.0")
    if not name.strip() or not name.isprintable() or len(name) > 200:
        raise InvalidLicence(f"{id}: its name must be one printable line of at most 200 characters")
    if not text or len(text) > _OWN_TEXT_LIMIT:
        raise InvalidLicence(f"{id}: its full text must be given, in at most {_OWN_TEXT_LIMIT} characters")
    try:
        data = text.encode()
    except UnicodeEncodeError as error:
        raise InvalidLicence(f"{id}: its text is not well-formed Unicode") from error
    return Licence(
        id=id, name=name, short=name, url=url, legalcode=url, kind="custom", family="custom",
        adaptation=Adaptation(share=False, private=False), own_text=text, text_sha256=hashlib.sha256(data).digest(),
        sentences=Plain(
            (), (f"read the full text of {id}: these are a community's own terms, and only the text says them",), ()
        ),
    )  # fmt: skip
