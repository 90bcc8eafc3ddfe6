"""Licences that all apply: what a mix of works under them may go into, why not, and what has to be kept.

Knows no choice between licences (that is `compat`).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from functools import cached_property
from itertools import combinations, islice
from typing import Final, Literal

from licences.catalogue import get
from licences.choices import Together
from licences.licence import Licence, Outcome
from licences.paths import UNREAD, Reason, Step, step, unread
from licences.verdict import Verdict

_CURRENT: Final = (
    "CC0-1.0",
    "CC-BY-4.0",
    "CC-BY-SA-4.0",
    "CC-BY-NC-4.0",
    "CC-BY-NC-SA-4.0",
    "CC-BY-ND-4.0",
    "CC-BY-NC-ND-4.0",
)
_WORST_LAST: Final = ("yes", "conditional", "discouraged", "unknown", "no")
_TOLD: Final = 50  # pairs of licences that exclude one another, at most


class Mix:
    """Works made into one, under all the licences in `given` at once: what the whole may then be shared under."""

    def __init__(self, given: Together) -> None:
        self.given = given

    @cached_property
    def open(self) -> Verdict:
        """The verdict with every licence that the whole may be shared under. Where it is "no" its reasons are still
        missing: they cost more, and are in `refused`."""
        fits: dict[str, list[str]] = {outcome: [] for outcome in _WORST_LAST}
        for target in _targets(self.given):
            fits[_worst(step(source, target) for source in self.given)].append(target.id)
        # What is only discouraged for one source is no way out for a mix that has no better one.
        mixed = len(self.given) > 1 and not fits["yes"]
        return Verdict(
            answer="yes" if fits["yes"] else "conditional" if fits["conditional"] else "no",
            allowed=tuple(fits["yes"]),
            conditional=tuple(fits["conditional"]),
            discouraged=() if mixed else tuple(fits["discouraged"]),
            notes=_notes(self.given),
        )

    @cached_property
    def refused(self) -> Verdict:
        """The verdict, with its reasons, where no licence suits the whole: "no", or "unknown" where nothing stands
        against it but what a licensor, or a reader, would have to say."""
        reasons = _conflicts(self.given)
        open_question = all(reason.code in ("ASK_LICENSOR", "UNKNOWN_LICENCE") for reason in reasons)
        return replace(self.open, answer="unknown" if open_question else "no", reasons=reasons)

    def anyhow(self) -> Verdict:
        """The verdict whether the whole may be shared under any licence at all, with its reasons."""
        if self.open.answer == "no":
            return self.refused
        if self.open.ok:
            return self.open
        return replace(self.open, reasons=_first(self.given, self.open.conditional[0]))

    def under(self, target: Licence) -> Verdict:
        """The verdict whether the whole may be shared under `target`."""
        steps = [step(source, target) for source in self.given]
        worst = _worst(steps)
        if worst == "discouraged" and len(self.given) > 1 and not self.open.allowed:
            return self.refused
        reasons = tuple(s.reason for s in steps if s.reason is not None)
        return replace(self.open, answer="conditional" if worst == "discouraged" else worst, reasons=reasons)


def beside(given: Together, commercial: bool) -> Verdict:
    """The verdict whether works under these licences may stand side by side, each unchanged, in a `commercial`
    collection or another."""
    reasons = [_unread(source) for source in given if source.kind in UNREAD]
    answer: Outcome = "unknown" if reasons else "yes"
    for source in given:
        if source.non_commercial and commercial:
            answer = "no"
            reasons.append(
                Reason(
                    code="NC_IN_COMMERCIAL_COLLECTION",
                    sources=(source.id,),
                    clause=source.clause("commercial"),
                    text=f"{source.short} excludes uses primarily intended for commercial advantage or payment",
                    todo=f"leave out what is under {source.short}, or ask its licensor",
                )
            )
    kept = tuple(
        Reason(
            code="KEEP_UNMODIFIED",
            sources=(source.id,),
            clause=source.clause("adapt"),
            text=f"what is under {source.short} has to stay unchanged",
            todo="keep its files as they are",
        )
        for source in given
        if source.kind == "licence" and not source.adaptation.share
    )
    return Verdict(answer=answer, reasons=tuple(reasons), notes=(*kept, *_notes(given)))


def _targets(given: Together) -> list[Licence]:
    """What is worth trying: today's licences, the sources' own, and those they name."""
    own = {s.id: s for s in given if s.kind == "licence"}
    named = dict.fromkeys((*_CURRENT, *own, *(id for s in given for id in s.adaptation.also)))
    return [own.get(id) or get(id) for id in named]


def _worst(steps: Iterable[Step]) -> Literal["yes", "conditional", "discouraged", "unknown", "no"]:
    return max((s.outcome for s in steps), key=_WORST_LAST.index)


def _first(given: Together, target: str) -> tuple[Reason, ...]:
    return tuple(s.reason for s in (step(source, get(target)) for source in given) if s.reason is not None)


def _conflicts(given: Together) -> tuple[Reason, ...]:
    """Why nothing suits: sources that allow nothing by themselves, else the pairs that exclude one another."""
    alone = [_unread(s) for s in given if s.kind in UNREAD]
    alone += [
        reason for s in given if s.kind == "licence" and not s.adaptation.share for reason in _first((s,), "CC0-1.0")
    ]
    if alone:
        return tuple(alone)
    pairs = ((a, b) for a, b in combinations(given, 2) if not _suits((a, b)))
    return tuple(_conflict(a, b) for a, b in islice(pairs, _TOLD)) or (
        Reason(
            code="NO_COMMON_LICENCE",
            sources=tuple(s.id for s in given),
            clause="",
            text="no one licence suits all of them",
            todo="publish them as a collection, each under its own licence",
        ),
    )


def _suits(given: Together) -> bool:
    return any(_worst(step(s, target) for s in given) in ("yes", "conditional") for target in _targets(given))


def _conflict(a: Licence, b: Licence) -> Reason:
    """Why these two, each of which may be adapted, cannot be mixed."""
    if b.share_alike and not a.share_alike:
        a, b = b, a
    wanted = f"{a.short} demands that the result be under {_same(a)}"
    todo = (
        f"publish them as a collection, each unchanged under its own licence, or ask the licensor of the {b.short} part"
    )
    code, text = "ASK_LICENSOR", f"whether {b.short} data may go into a work under {a.short} is not settled"
    if a.share_alike and b.share_alike:
        code, text = "SHAREALIKE_CONFLICT", f"{wanted}, and {b.short} that it be under {_same(b)}"
        if a.elements and a.elements == b.elements:
            code = "NO_UPGRADE_CLAUSE" if "1.0" in (a.version, b.version) else "VERSION_DOWNGRADE"
    elif a.share_alike and b.non_commercial and not a.non_commercial:
        code = "NONCOMMERCIAL_VS_SHAREALIKE"
        text = f"{wanted}, which would drop the NonCommercial condition of {b.short}"
    clause = a.clause("share-alike") if code != "ASK_LICENSOR" else ""
    return Reason(
        code=code,
        sources=(a.id, b.id),
        clause=clause,
        text=f"cannot combine {a.short} with {b.short}: {text}",
        todo=todo,
    )


def _same(licence: Licence) -> str:
    if not licence.elements or licence.version == "1.0":
        return licence.short + (
            "" if licence.version == "1.0" and licence.elements else " or what it names as compatible"
        )
    return f"{licence.short} or later"


def _unread(source: Licence) -> Reason:
    text, todo = unread(source)
    return Reason(code="UNKNOWN_LICENCE", sources=(source.id,), text=text, clause="", todo=todo)


def _notes(given: Together) -> tuple[Reason, ...]:
    found = []
    for s in given:
        if s.jurisdiction:
            found.append(
                Reason(
                    code="PORT",
                    sources=(s.id,),
                    clause="",
                    text=f"{s.short} is a national or organisational version",
                    todo=f"read its own legal code: {s.legalcode}",
                )
            )
        if s.retired:
            found.append(
                Reason(
                    code="RETIRED",
                    sources=(s.id,),
                    clause="",
                    text=f"{s.short} was withdrawn in {s.retired[:4]}",
                    todo="it stays valid for what is under it; choose another for new works",
                )
            )
        if s.kind == "licence" and s.database_rights == "not-licensed":
            found.append(
                Reason(
                    code="DB_RIGHTS_NOT_LICENSED",
                    sources=(s.id,),
                    clause="",
                    text=f"{s.short} does not cover database rights, which exist in Europe beside copyright",
                    todo="for a substantial part of a European database ask its maker",
                )
            )
    return tuple(found)
