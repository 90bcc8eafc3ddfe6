"""Every verb by its name: its words are checked, its function is called, and what it tells comes back as plain JSON."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from commons.disk import sql
from commons.errors import Malformed
from commons.node.verbs import community, custody, data, log, status, witness
from commons.node.verbs.context import Context
from commons.node.verbs.registry import VERBS, Verb

ROOMS = (data, log, community, custody, witness, status)  # importing them has registered what they do


@dataclass(frozen=True, slots=True)
class Reply:
    """What a verb tells; and, once, that the log went on by nobody's answer (`alone`), where its owner should know."""

    told: dict[str, Any]
    alone: str = ""

    def as_dict(self) -> dict[str, Any]:
        return {**self.told, "alone": self.alone} if self.alone else self.told


def found(name: str) -> Verb:
    """The verb of that name. Malformed for what is none."""
    if name not in VERBS:
        raise Malformed(f"this node knows no verb {name[:40]!r}", hint="are both of the same version?")
    return VERBS[name]


async def call(c: Context, name: str, words: Mapping[str, Any]) -> Reply:
    """What the verb of that name tells. Malformed for a verb or a word that is none; StorageFailed for one that writes
    on a home that cannot be written."""
    verb = found(name)
    if c.home.frozen and not verb.reads:
        raise sql.unwritable(c.home.path)
    told = await verb.function(c, **verb.structure(words))
    return Reply(told, c.node.resuming.owed())
