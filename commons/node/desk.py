"""Every verb by its name: its words are checked, its function is called, and its result comes back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from commons.disk import sql
from commons.errors import Internal, Malformed
from commons.node.verbs import community, context, custody, data, log, membership, status, witness
from commons.node.verbs.context import Context
from commons.node.verbs.registry import SAME, VERBS, Verb
from commons.node.verbs.shapes import plain, structure

ROOMS = (data, log, community, membership, custody, witness, status)  # importing them has registered what they do


@dataclass(frozen=True, slots=True)
class Reply:
    """A verb's result; and, once, that the log went on by nobody's answer (`alone`), where its owner should know."""

    result: Any
    alone: str = ""

    def as_dict(self) -> dict[str, Any]:
        """As JSON has it."""
        made: dict[str, Any] = plain(self.result)
        return {**made, "alone": self.alone} if self.alone else made


def found(name: str) -> Verb:
    """The verb of that name. Malformed for what is none."""
    if name not in VERBS:
        raise Malformed(f"this node knows no verb {name[:40]!r}", hint=SAME)
    return VERBS[name]


async def call(c: Context, name: str, words: Mapping[str, Any]) -> Reply:
    """What the verb of that name tells. Malformed for a verb or a word that is none; StorageFailed for one that writes
    on a home that cannot be written."""
    verb = found(name)
    if c.home.frozen and not verb.reads:
        raise sql.unwritable(c.home.path)
    said = verb.structure(words)
    result = await verb.function(await context.addressed(c, verb, said), **said)
    logs = [each for node in c.node.every() for each in node.keeping.values()]
    return Reply(result, "; ".join(filter(None, (each.resuming.owed() for each in logs))))


def reply(name: str, told: Mapping[str, Any]) -> Reply:
    """What the node of the same version said through its door. Internal for what that verb does not tell."""
    fields = dict(told)
    alone = str(fields.pop("alone", ""))
    try:
        return Reply(structure(found(name).result, fields), alone)
    except Exception as error:  # cattrs raises TypeError, ValueError, KeyError and its own
        raise Internal(f"the node on this home tells of {name[:40]} in other words", hint=SAME) from error
