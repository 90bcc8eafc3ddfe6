"""Whether what is under one licence may go, changed, into a work under another: one source, one target, one rule.

Knows nothing of mixes (that is `compat`). Every outcome but "yes" carries its reason.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

from licences.licence import Licence


@dataclass(frozen=True, slots=True, kw_only=True)
class Reason:
    """A stable `code`, the ids it is about, what is wrong, the `clause` that says so, and what to do about it."""

    code: str
    sources: tuple[str, ...]
    text: str
    clause: str
    todo: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """What came of one source and one target: the `outcome`, and why it is not a plain yes."""

    outcome: Literal["yes", "conditional", "discouraged", "unknown", "no"]
    reason: Reason | None = None


UNREAD: Final = ("custom", "other")  # kinds of licences that nobody but a reader can combine
_YES = Step(outcome="yes")


def unread(licence: Licence) -> tuple[str, str]:
    """Why nothing can be said about a licence whose terms are not known here, and what to do: two texts."""
    if licence.kind == "other":
        return f"{licence.id} is a licence whose name this library knows and whose terms it does not", "read its text"
    return (
        f"{licence.id} is a community's own text, which this library does not interpret",
        "read its text, or ask those who wrote it",
    )


def step(source: Licence, target: Licence) -> Step:
    """Whether what is under `source` may go, changed, into a work under `target`."""
    if source.kind in UNREAD:
        return _not("unknown", "UNKNOWN_LICENCE", source, "", *unread(source))
    if source.kind == "licence" and not source.adaptation.share:
        return _not(
            "no",
            "NO_DERIVATIVES",
            source,
            source.clause("adapt"),
            f"{source.short} does not allow changed versions to be shared",
            f"use it unchanged in a collection, or ask the licensor of the {source.short} part",
        )
    other = target.id not in (source.id, *source.adaptation.also)
    if other and source.adaptation.works is not None and target.kind != "mark":
        return _produced(source, target)
    if target.kind in UNREAD:
        return _into_unread(source, target)
    if source.kind != "licence":
        return _from_free(source, target)
    if not other:
        return _YES
    if target.kind == "mark":
        return _not(
            "no",
            "MARK_NOT_LICENCE",
            source,
            "",
            f"what is made from {source.short} data is not free of rights",
            "choose a licence",
        )
    if source.family != "cc":
        return _from_neighbour(source, target)
    if source.share_alike:
        return _share_alike(source, target)
    if target.family != "cc" and target.kind == "licence":
        return _into_neighbour(source, target)
    if set(source.elements) <= set(target.elements):
        return _retired(source, target)
    dropped_nc = source.non_commercial and not target.non_commercial
    return _not(
        "discouraged",
        "TARGET_DROPS_NC" if dropped_nc else "DISCOURAGED",
        source,
        source.clause("attribution"),
        f"{target.short} does not carry on all conditions of {source.short}, which go on for its part",
        f"choose a licence with the elements {'-'.join(source.elements)}, or say plainly which part is under"
        f" {source.short}",
    )


def _not(
    outcome: Literal["conditional", "discouraged", "unknown", "no"],
    code: str,
    source: Licence,
    clause: str,
    text: str,
    todo: str,
) -> Step:
    return Step(outcome=outcome, reason=Reason(code=code, sources=(source.id,), text=text, clause=clause, todo=todo))


def _retired(source: Licence, target: Licence) -> Step:
    if target.retired is None:
        return _YES
    return _not(
        "conditional",
        "RETIRED",
        source,
        "",
        f"{target.short} was withdrawn in {target.retired[:4]}",
        "choose a licence that its steward maintains",
    )


def _from_free(source: Licence, target: Licence) -> Step:
    if target.kind != "mark" or source.id == target.id:
        return _retired(source, target)
    return _not(
        "conditional",
        "MARK_NOT_LICENCE",
        source,
        "",
        f"{target.short} only fits if you add nothing that copyright protects",
        "to give up your own rights, use CC0-1.0",
    )


def _share_alike(source: Licence, target: Licence) -> Step:
    """Same elements, and a version the source's allows: 1.0 itself only, later ones themselves or later."""
    clause = source.clause("share-alike")
    if target.family != "cc" or target.elements != source.elements or source.version is None or target.version is None:
        return _not(
            "no",
            "SHAREALIKE_CONFLICT",
            source,
            clause,
            f"{source.short} demands the same elements, {'-'.join(source.elements)}; {target.short} has others",
            f"publish the result under CC {'-'.join(source.elements)}, or ask the licensor",
        )
    if (source.adaptation.versions or "").startswith("="):  # and `step` has seen that it is not the same
        return _not(
            "no",
            "NO_UPGRADE_CLAUSE",
            source,
            clause,
            f"{source.short} allows no other version than itself",
            "use that version, or ask the licensor for a later one",
        )
    if target.version < source.version:
        return _not(
            "no",
            "VERSION_DOWNGRADE",
            source,
            clause,
            f"{source.short} allows later versions, and {target.short} is an earlier one",
            f"use {source.short} or a later version",
        )
    return _YES


def _produced(source: Licence, target: Licence) -> Step:
    """From data whose licence holds its changed versions, and not the works that are made with it."""
    return _not(
        "conditional",
        "PRODUCED_WORK",
        source,
        source.clause("works"),
        f"{source.short} demands that changed data be under {source.short} too, and leaves free what is made"
        f" from it and is not such data: that may be under {target.short}",
        f"{source.adaptation.works}; publish changed data under {source.short}",
    )


def _into_unread(source: Licence, target: Licence) -> Step:
    """A published licence of another name is not what a Creative Commons ShareAlike licence demands."""
    demands = source.share_alike and source.family == "cc" and target.kind == "other"
    if not demands or ("GPL-3.0-only" in source.adaptation.also and target.id == "GPL-3.0-or-later"):
        return _not("unknown", "UNKNOWN_LICENCE", source, "", *unread(target))
    return _not(
        "no",
        "SHAREALIKE_CONFLICT",
        source,
        source.clause("share-alike"),
        f"{source.short} demands that what is made from it be under {source.short}, or what it names;"
        f" {target.id} is another licence",
        f"publish the result under {source.short}, or keep the two apart in a collection",
    )


def _into_neighbour(source: Licence, target: Licence) -> Step:
    """From Creative Commons without ShareAlike into another family's licence, which no chart covers."""
    if source.non_commercial and target.share_alike:
        return _not(
            "no",
            "NONCOMMERCIAL_VS_SHAREALIKE",
            source,
            target.clause("share-alike"),
            f"{target.short} would drop the NonCommercial condition of {source.short}",
            f"ask the licensor of the {source.short} part",
        )
    return _not(
        "unknown",
        "ASK_LICENSOR",
        source,
        source.clause("downstream"),
        f"whether {source.short} data may go into a database under {target.short} is not settled",
        f"ask the licensor of the {source.short} part for a waiver, as OpenStreetMap does",
    )


def _from_neighbour(source: Licence, target: Licence) -> Step:
    if source.share_alike:
        return _not(
            "no",
            "SHAREALIKE_CONFLICT",
            source,
            source.clause("share-alike"),
            f"{source.short} demands that what is made from it be under {source.short} too",
            f"publish the result under {source.short}, or keep the two apart in a collection",
        )
    if source.adaptation.notice is not None:
        return _not(
            "conditional",
            "KEEP_NOTICE",
            source,
            source.clause("attribution") or source.clause("redistribute"),
            f"{target.short} is possible on a condition of {source.short}",
            source.adaptation.notice,
        )
    return _not(
        "unknown",
        "ASK_LICENSOR",
        source,
        "",
        f"{source.short} does not say whether {target.short} may follow it",
        "ask the licensor",
    )
