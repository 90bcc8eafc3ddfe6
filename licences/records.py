"""Licences made of records: those that have a file here, read one at a time and kept once read, and Creative Commons'
ports, by rule. These are all that can be asked in full.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Any, Final

from licences.files import ids, table
from licences.licence import Adaptation, Licence, Permission, Plain


def licence(id: str) -> Licence | None:
    """The licence of exactly this id; None where neither a file nor the rule knows it."""
    if id in ids():
        return _filed(id)
    from licences import rule  # not needed for what has a file

    record = rule.port(id)
    return None if record is None else _read(record)


@cache
def all() -> tuple[Licence, ...]:
    """Every licence that has a file here, sorted by id; not the ports and others beside them."""
    return tuple(_filed(id) for id in ids())


@cache
def _filed(id: str) -> Licence:
    return _read(table(id))


def _read(record: Mapping[str, Any]) -> Licence:
    """A licence from its record, as the JSON files hold it."""
    fields: dict[str, Any] = {k: record[k] for k in _AS_IT_IS}
    fields |= {k: frozenset(record[k]) for k in ("permits", "requires", "prohibits")}
    adaptation: dict[str, Any] = record["adaptation"]
    return Licence(
        **fields,
        elements=tuple(record["elements"]),
        adaptation=Adaptation(**(adaptation | {"also": tuple(adaptation["also"])})),
        clauses=tuple(record["clauses"].items()),
        answers=tuple((use, Permission(**answer)) for use, answer in record["answers"].items()),
        sentences=Plain(*(tuple(record["plain"][k]) for k in Plain._fields)),
        fields=tuple(record["asks"]),
        text_sha256=bytes.fromhex(record["text_sha256"]) if record["text_sha256"] else None,
    )


_AS_IT_IS: Final = (
    "id", "name", "name_fr", "short", "url", "legalcode", "spdx", "kind", "family", "version", "jurisdiction",
    "database_rights", "title_required", "mark_modifications", "cure_days", "irrevocable", "retired",
)  # fmt: skip
