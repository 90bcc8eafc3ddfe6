"""How licences combine: what a work made from others may be licensed under, what can be mixed, what can be collected.

Holds the rules; Creative Commons' own charts are the tests' oracle. What no rule covers is "unknown", never a guess.

For Creative Commons a source may go into a target when it permits adaptations and
  * has ShareAlike: the target has the same elements, in a version that the source's version allows; else
  * the source's elements are all among the target's.
A mix of several is what all of them may go into.

A source may be an expression. Licences under AND all apply; of those under OR the best way to choose counts. A target
may be one too, and there the rule is strict: what is made has to be allowed under every licence that it names. Under
AND because the whole carries all of them; under OR because whoever receives it may choose any.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from itertools import islice
from typing import Final

from licences.choices import Source, choices, ways
from licences.licence import Outcome
from licences.mix import Mix, beside
from licences.paths import Reason
from licences.verdict import CODES, Verdict

_BEST_FIRST: Final[tuple[Outcome, ...]] = ("yes", "conditional", "unknown", "no")
_MOST: Final = 256  # licences in all ways to choose together, on either side; strangers write expressions too
_TOLD: Final = 50  # reasons
_TOO_MANY: Final = Verdict(
    answer="unknown",
    reasons=(
        Reason(
            code="TOO_MANY_CHOICES",
            sources=(),
            clause="",
            text="the sources leave too many ways to choose among their licences",
            todo="name for each source the one licence under which it is used",
        ),
    ),
)


def adaptation_licences(sources: Iterable[Source], to: Source | None = None) -> Verdict:
    """The verdict whether a work made from `sources` may be shared under `to`, or, without `to`, under any licence at
    all. Texts are exact ids or expressions; UnknownLicence for one that is neither. ValueError without a source.

    >>> verdict = adaptation_licences(["CC-BY-4.0", "CC-BY-SA-4.0"], to="CC-BY-4.0")
    >>> verdict.answer, [reason.code for reason in verdict.reasons], verdict.allowed
    ('no', ['SHAREALIKE_CONFLICT'], ('CC-BY-SA-4.0', 'LAL-1.3', 'GPL-3.0-only'))
    """
    given, targets = ways(sources), () if to is None else choices(to)
    if given is None or max(sum(map(len, given)), sum(map(len, targets))) > _MOST:
        return _TOO_MANY
    mixes = [Mix(way) for way in given]
    if to is None:
        return _best([mix.anyhow() for mix in mixes])
    return _every([_best([_every([mix.under(target) for target in way]) for mix in mixes]) for way in targets])


def can_remix(*sources: Source) -> Verdict:
    """The verdict whether works under all these licences can be mixed into one that may be shared."""
    return adaptation_licences(sources)


def can_collect(sources: Iterable[Source], commercial: bool = False) -> Verdict:
    """The verdict whether works can be published side by side, each unchanged and under its own licence."""
    given = ways(sources)
    return _TOO_MANY if given is None else _best([beside(way, commercial) for way in given])


def _best(verdicts: list[Verdict]) -> Verdict:
    """The answer of the best way to choose, with what any of the ways allows."""
    best = min(verdicts, key=lambda verdict: _BEST_FIRST.index(verdict.answer))
    allowed = dict.fromkeys(id for verdict in verdicts for id in verdict.allowed)
    conditional = dict.fromkeys(id for verdict in verdicts for id in verdict.conditional)
    discouraged = dict.fromkeys(id for verdict in verdicts for id in verdict.discouraged)
    return replace(
        best,
        allowed=tuple(allowed),
        conditional=tuple(id for id in conditional if id not in allowed),
        discouraged=tuple(id for id in discouraged if id not in allowed | conditional),
    )


def _every(verdicts: list[Verdict]) -> Verdict:
    """The worst answer, with the reasons of all, those of the worst first and no more than are ever read."""
    ranked = sorted(verdicts, key=lambda verdict: _BEST_FIRST.index(verdict.answer), reverse=True)
    reasons = dict.fromkeys(reason for verdict in ranked for reason in verdict.reasons)
    return replace(ranked[0], reasons=tuple(islice(reasons, _TOLD)))


__all__ = ["CODES", "Reason", "Source", "Verdict", "adaptation_licences", "can_collect", "can_remix"]
