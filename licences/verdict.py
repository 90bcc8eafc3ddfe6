"""What is said of licences that are combined: an answer, the ways that are open, and stable codes for the reasons."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from licences.licence import Outcome
from licences.paths import Reason

CODES: Final = {  # stable: programs may depend on them
    "NO_DERIVATIVES": "a source forbids sharing changed versions",
    "SHAREALIKE_CONFLICT": "a source demands another licence than this one",
    "NONCOMMERCIAL_VS_SHAREALIKE": "one source demands a licence that would drop another's NonCommercial condition",
    "VERSION_DOWNGRADE": "a ShareAlike source does not allow an older version",
    "NO_UPGRADE_CLAUSE": "version 1.0 with ShareAlike allows version 1.0 only",
    "TARGET_DROPS_NC": "possible for what you add, but the source stays non-commercial: discouraged",
    "DISCOURAGED": "possible for what you add, but the source keeps its conditions: discouraged",
    "KEEP_NOTICE": "possible as long as the source's own condition is kept",
    "PRODUCED_WORK": "possible for what is made from the data and is no changed version of it",
    "ASK_LICENSOR": "the licences do not say: ask the licensor",
    "UNKNOWN_LICENCE": "terms of a community's own, which nobody but a reader can combine",
    "MARK_NOT_LICENCE": "a mark states that there is no copyright; it grants nothing",
    "RETIRED": "its steward withdrew this licence",
    "NO_COMMON_LICENCE": "no one licence suits all sources",
    "NC_IN_COMMERCIAL_COLLECTION": "a non-commercial source in a commercial collection",
    "KEEP_UNMODIFIED": "a NoDerivatives member of a collection has to stay as it is",
    "DB_RIGHTS_NOT_LICENSED": "database rights, where they exist, are not covered by this version",
    "TOO_MANY_CHOICES": "the sources leave more ways to choose a licence than are looked at",
    "PORT": "a national version, whose own legal code decides the details",
}


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
        """Whether the answer is a plain yes."""
        return self.answer == "yes"
