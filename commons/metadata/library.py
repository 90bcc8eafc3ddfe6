"""What can be asked of licences without any dataset or home: one, all, several together, a folder. Plain values out."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import licences
from commons.errors import Malformed, NotFound
from commons.metadata import licensing
from licences import Licence, compat
from licences.paths import Reason

Told = dict[str, Any]


def listed() -> list[Told]:
    """The licences that are known in detail, as plain values."""
    return [
        {
            "id": each.id,
            "name": each.name,
            "url": each.url,
            "share_alike": each.share_alike,
            "commercial": each.allows("commercial").answer,
            "adapt": each.allows("adapt").answer,
        }
        for each in licences.all()
    ]


def shown(name: str, text: bool = False) -> Told:
    """One licence in plain words. Malformed, with the candidates, for a name that is none or several; NotFound for a
    `text` that does not travel with this library."""
    expression = licensing.expression_of(name)
    try:
        each = licences.get(expression)
    except licences.UnknownLicence as error:
        raise Malformed(f"{expression} is not one licence whose text is known here", hint="name one") from error
    if text and each.text() is None:
        raise NotFound(f"the text of {each.id} is not at hand", hint=f"read it at {each.url}")
    permits, requires, forbids = each.plain()
    return {
        "id": each.id, "name": each.name, "name_fr": each.name_fr, "url": each.url, "spdx": each.spdx,
        "permits": list(permits), "requires": list(requires), "forbids": list(forbids),
        "ccrel": {k: sorted(getattr(each, k)) for k in ("permits", "requires", "prohibits")},
        "allows": {use: _answer(each, use) for use in licences.USES}, "asks": list(each.asks()),
        "database_rights": each.database_rights, "share_alike": each.share_alike, "retired": each.retired,
        "advice": licences.NOT_LEGAL_ADVICE, "text": each.text() if text else None,
    }  # fmt: skip


def _answer(each: Licence, use: licences.Use) -> Told:
    answer = each.allows(use)
    return {"answer": answer.answer, "because": answer.because, "clause": answer.clause}


def combined(names: Sequence[str], to: str | None = None, collection: bool = False, commercial: bool = False) -> Told:
    """Whether works under these licences go together: mixed (under `to`), or side by side in a `collection`."""
    sources = [licences.parse(licensing.expression_of(name)) for name in names]
    target = licences.parse(licensing.expression_of(to)) if to else None
    if collection and target:
        raise Malformed("a collection has no licence of its own to ask for", hint="ask with --to or --collection")
    if commercial and not collection:
        raise Malformed("whether it is sold matters to a collection", hint="--commercial goes with --collection")
    verdict = compat.can_collect(sources, commercial) if collection else compat.adaptation_licences(sources, to=target)
    return {
        "names": [str(each) for each in sources],
        "to": str(target) if target else None,
        "answer": verdict.answer,
        "allowed": list(verdict.allowed),
        "conditional": list(verdict.conditional),
        "discouraged": list(verdict.discouraged),
        "reasons": [_reason(each) for each in verdict.reasons],
        "notes": [_reason(each) for each in verdict.notes],
        "advice": licences.NOT_LEGAL_ADVICE,
    }


def _reason(each: Reason) -> Told:
    return {
        "code": each.code,
        "sources": list(each.sources),
        "text": each.text,
        "clause": each.clause,
        "todo": each.todo,
    }
