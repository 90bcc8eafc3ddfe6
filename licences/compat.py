"""How licences combine: what a work made from others may be licensed under, what can be mixed, what can be collected.

Holds the rules; Creative Commons' own charts are the tests' oracle. What no rule covers is "unknown", never a guess.

For Creative Commons a source may go into a target when it permits adaptations and
  * has ShareAlike: the target has the same elements, in a version that the source's version allows; else
  * the source's elements are all among the target's.
A mix of several is what all of them may go into.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from itertools import combinations
from typing import Final, Literal

from licences.catalogue import get
from licences.licence import Licence, Outcome
from licences.paths import Reason, Step, step

CODES: Final = {  # stable: programs may depend on them
    "NO_DERIVATIVES": "a source forbids sharing changed versions",
    "SHAREALIKE_CONFLICT": "a source demands another licence than this one",
    "NONCOMMERCIAL_VS_SHAREALIKE": "one source demands a licence that would drop another's NonCommercial condition",
    "VERSION_DOWNGRADE": "a ShareAlike source does not allow an older version",
    "NO_UPGRADE_CLAUSE": "version 1.0 with ShareAlike allows version 1.0 only",
    "TARGET_DROPS_NC": "possible for what you add, but the source stays non-commercial: discouraged",
    "DISCOURAGED": "possible for what you add, but the source keeps its conditions: discouraged",
    "KEEP_NOTICE": "possible as long as the source's own condition is kept",
    "ASK_LICENSOR": "the licences do not say: ask the licensor",
    "UNKNOWN_LICENCE": "terms of a community's own, which nobody but a reader can combine",
    "MARK_NOT_LICENCE": "a mark states that there is no copyright; it grants nothing",
    "RETIRED": "its steward withdrew this licence",
    "NO_COMMON_LICENCE": "no one licence suits all sources",
    "NC_IN_COMMERCIAL_COLLECTION": "a non-commercial source in a commercial collection",
    "KEEP_UNMODIFIED": "a NoDerivatives member of a collection has to stay as it is",
    "DB_RIGHTS_NOT_LICENSED": "database rights, where they exist, are not covered by this version",
    "PORT": "a national version, whose own legal code decides the details",
}

_CURRENT: Final = (
    "CC0-1.0", "CC-BY-4.0", "CC-BY-SA-4.0", "CC-BY-NC-4.0", "CC-BY-NC-SA-4.0", "CC-BY-ND-4.0", "CC-BY-NC-ND-4.0",
)  # fmt: skip
_WORST_LAST: Final = ("yes", "conditional", "discouraged", "unknown", "no")


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """`answer`, and the `reasons` why it is not a plain "yes"; `notes` do not change it but should be shown.

    `allowed`: ids of the licences that suit without more ado, the newest of each kind; `conditional`: those that suit
    on a condition the sources state; `discouraged`: those that Creative Commons advises against, because the sources'
    conditions go on beside them. All three are filled whatever was asked, so that a refusal names the ways out.
    """

    answer: Outcome
    allowed: tuple[str, ...] = ()
    conditional: tuple[str, ...] = ()
    discouraged: tuple[str, ...] = ()
    reasons: tuple[Reason, ...] = ()
    notes: tuple[Reason, ...] = ()

    @property
    def ok(self) -> bool:
        return self.answer == "yes"


def adaptation_licences(sources: Iterable[Licence | str], to: Licence | str | None = None) -> Verdict:
    """Whether a work made from `sources` may be shared under `to`, or, without `to`, under any licence at all.

    Ids are exact; UnknownLicence for one that is none. ValueError without a source.
    """
    given = _licences(sources)
    fits: dict[str, list[str]] = {outcome: [] for outcome in _WORST_LAST}
    for target in _targets(given):
        fits[_worst(step(source, target) for source in given)].append(target.id)
    # What is only discouraged for one source is no way out for a mix that has no better one.
    mixed = len(given) > 1 and not fits["yes"]
    verdict = Verdict(
        answer="yes" if fits["yes"] else "conditional" if fits["conditional"] else "no",
        allowed=tuple(fits["yes"]),
        conditional=tuple(fits["conditional"]),
        discouraged=() if mixed else tuple(fits["discouraged"]),
        notes=_notes(given),
    )
    if to is None:
        if verdict.answer == "no":
            return _refused(verdict, given)
        return verdict if verdict.ok else replace(verdict, reasons=_first(given, verdict.conditional[0]))
    target = get(to) if isinstance(to, str) else to
    steps = [step(source, target) for source in given]
    worst = _worst(steps)
    if worst == "discouraged" and mixed:
        return _refused(verdict, given)
    reasons = tuple(s.reason for s in steps if s.reason is not None)
    return replace(verdict, answer="conditional" if worst == "discouraged" else worst, reasons=reasons)


def _refused(verdict: Verdict, given: list[Licence]) -> Verdict:
    reasons = _conflicts(given)
    open_question = all(reason.code in ("ASK_LICENSOR", "UNKNOWN_LICENCE") for reason in reasons)
    return replace(verdict, answer="unknown" if open_question else "no", reasons=reasons)


def can_remix(*sources: Licence | str) -> Verdict:
    """Whether works under all these licences can be mixed into one that may be shared."""
    return adaptation_licences(sources)


def can_collect(sources: Iterable[Licence | str], commercial: bool = False) -> Verdict:
    """Whether works can be published side by side, each unchanged and under its own licence."""
    given = _licences(sources)
    reasons = [_unread(source) for source in given if source.kind == "custom"]
    answer: Outcome = "unknown" if reasons else "yes"
    for source in given:
        if source.non_commercial and commercial:
            answer = "no"
            reasons.append(
                Reason(
                    code="NC_IN_COMMERCIAL_COLLECTION", sources=(source.id,), clause=source.clause("commercial"),
                    text=f"{source.short} excludes uses primarily intended for commercial advantage or payment",
                    todo=f"leave out what is under {source.short}, or ask its licensor",
                )
            )  # fmt: skip
    kept = tuple(
        Reason(
            code="KEEP_UNMODIFIED", sources=(source.id,), clause=source.clause("adapt"),
            text=f"what is under {source.short} has to stay unchanged", todo="keep its files as they are",
        )
        for source in given
        if source.kind == "licence" and not source.adaptation.share
    )  # fmt: skip
    return Verdict(answer=answer, reasons=tuple(reasons), notes=(*kept, *_notes(given)))


def _licences(sources: Iterable[Licence | str]) -> list[Licence]:
    given = {licence.id: licence for licence in (get(s) if isinstance(s, str) else s for s in sources)}
    if not given:
        raise ValueError("at least one source is needed")
    return list(given.values())


def _targets(given: list[Licence]) -> list[Licence]:
    """What is worth trying: today's licences, the sources' own, and those they name."""
    named = [*_CURRENT, *(s.id for s in given if s.kind == "licence"), *(i for s in given for i in s.adaptation.also)]
    return [get(id) for id in dict.fromkeys(named)]


def _worst(steps: Iterable[Step]) -> Literal["yes", "conditional", "discouraged", "unknown", "no"]:
    return max((s.outcome for s in steps), key=_WORST_LAST.index)


def _first(given: list[Licence], target: str) -> tuple[Reason, ...]:
    return tuple(s.reason for s in (step(source, get(target)) for source in given) if s.reason is not None)


def _conflicts(given: list[Licence]) -> tuple[Reason, ...]:
    """Why nothing suits: sources that allow nothing by themselves, else the pairs that exclude one another."""
    alone = [_unread(s) for s in given if s.kind == "custom"]
    alone += [
        reason for s in given if s.kind == "licence" and not s.adaptation.share for reason in _first([s], "CC0-1.0")
    ]
    if alone:
        return tuple(alone)
    pairs = [(a, b) for a, b in combinations(given, 2) if not _suits([a, b])]
    return tuple(_conflict(a, b) for a, b in pairs) or (
        Reason(
            code="NO_COMMON_LICENCE", sources=tuple(s.id for s in given), clause="",
            text="no one licence suits all of them", todo="publish them as a collection, each under its own licence",
        ),
    )  # fmt: skip


def _suits(given: list[Licence]) -> bool:
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
    return Reason(
        code="UNKNOWN_LICENCE", sources=(source.id,), clause="",
        text=f"{source.id} is a community's own text, which this library does not interpret",
        todo="read its text, or ask those who wrote it",
    )  # fmt: skip


def _notes(given: list[Licence]) -> tuple[Reason, ...]:
    found = []
    for s in given:
        if s.jurisdiction:
            found.append(
                Reason(
                    code="PORT", sources=(s.id,), clause="", text=f"{s.short} is a national or organisational version",
                    todo=f"read its own legal code: {s.legalcode}",
                )
            )  # fmt: skip
        if s.retired:
            found.append(
                Reason(
                    code="RETIRED", sources=(s.id,), clause="", text=f"{s.short} was withdrawn in {s.retired[:4]}",
                    todo="it stays valid for what is under it; choose another for new works",
                )
            )  # fmt: skip
        if s.kind == "licence" and s.database_rights == "not-licensed":
            found.append(
                Reason(
                    code="DB_RIGHTS_NOT_LICENSED", sources=(s.id,), clause="",
                    text=f"{s.short} does not cover database rights, which exist in Europe beside copyright",
                    todo="for a substantial part of a European database ask its maker",
                )
            )  # fmt: skip
    return tuple(found)
