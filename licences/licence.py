"""A licence as a value: what it permits, requires and prohibits, and how it answers plain questions.

Terms are ccREL's (creativecommons.org/ns). A licence knows its own text, no other licence and no dataset.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final, Literal, NamedTuple

from licences.files import shipped_text

Outcome = Literal["yes", "no", "conditional", "unknown"]
Use = Literal["commercial", "redistribute", "adapt", "adapt-privately", "p2p-share"]
Kind = Literal["licence", "dedication", "mark", "custom", "other"]

USES: Final[tuple[Use, ...]] = ("commercial", "redistribute", "adapt", "adapt-privately", "p2p-share")
NOT_LEGAL_ADVICE: Final = "A summary, not the licence and not legal advice: the licence's own text decides."


@dataclass(frozen=True, slots=True, kw_only=True)
class Permission:
    """`answer` to a question, `because` of what, and the `clause` of the legal code ("" where none says it)."""

    answer: Outcome
    because: str
    clause: str = ""


class Plain(NamedTuple):
    """Plain English, to be shown before somebody acknowledges a licence.

    Each line completes its heading: "You may …" (permits), "You must …" (requires), "You may not …" (forbids).
    """

    permits: tuple[str, ...]
    requires: tuple[str, ...]
    forbids: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Adaptation:
    """What may be done with a changed version.

    `share`: may it be shared at all; `private`: may it be made for oneself. `same_elements`: only under a licence with
    the same elements, of which `versions` ("=1.0", ">=4.0") may be used. `also`: ids of other licences it may carry.
    `notice`: the condition on which it may carry any other licence; None where the licence gives no such general leave.
    `works`: the condition on which what is made from the data, and is no changed version of it, may carry any licence,
    though changed versions may not; None where the licence says nothing of such works.
    """

    share: bool
    private: bool
    same_elements: bool = False
    versions: str | None = None
    also: tuple[str, ...] = ()
    notice: str | None = None
    works: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Licence:
    """One licence. `id` is its SPDX id, or one made like those (CC-BY-3.0-FR) where SPDX has none and `spdx` is None,
    or a LicenseRef of a community's own; `url` is its canonical address.

    `kind`: a licence, a dedication to the public domain, a mark that says it is there, "custom" for a community's own
    text, "other" for one of which only the name is known. Nothing is said about what the last two allow.

    `elements`: ("BY", "SA") for Creative Commons, else empty. `jurisdiction`: "DE", "IGO", or None for unported.
    `database_rights`: licensed, conditions-waived, waived, not-licensed or unstated. `mark_modifications`: always,
    adaptations or None. `cure_days`: rights come back if a breach is cured so soon. `text_sha256`: 32 bytes, of the
    UTF-8 text, where the text is carried. `retired`: the date on which its steward withdrew it.
    """

    id: str
    name: str
    name_fr: str = ""
    short: str = ""
    url: str | None = None
    legalcode: str | None = None
    spdx: str | None = None
    kind: Kind = "licence"
    family: str = ""
    elements: tuple[str, ...] = ()
    version: str | None = None
    jurisdiction: str | None = None
    permits: frozenset[str] = frozenset()
    requires: frozenset[str] = frozenset()
    prohibits: frozenset[str] = frozenset()
    adaptation: Adaptation
    database_rights: str = "unstated"
    title_required: bool = False
    mark_modifications: str | None = None
    cure_days: int | None = None
    irrevocable: bool = False
    retired: str | None = None
    clauses: tuple[tuple[str, str], ...] = field(default=(), repr=False)
    answers: tuple[tuple[str, Permission], ...] = field(default=(), repr=False)
    sentences: Plain = field(default=Plain((), (), ()), repr=False)
    fields: tuple[str, ...] = ()
    text_sha256: bytes | None = field(default=None, repr=False)
    own_text: str | None = field(default=None, repr=False)

    def allows(self, use: Use) -> Permission:
        """Whether `use` is allowed. "conditional": a condition beyond giving credit decides; `because` names it.

        "p2p-share" means handing copies to other peers, unchanged and free of charge.
        """
        if use not in USES:
            raise ValueError(f"no such use: {use!r}; one of {', '.join(USES)}")
        if self.kind == "other":
            because = f"this library knows the name of {self.id} and does not interpret its terms: read its text"
        else:
            because = f"these are terms of a community's own: read the text of {self.id}, or ask"
        return dict(self.answers).get(use) or Permission(answer="unknown", because=because)

    def clause(self, topic: str) -> str:
        """Where the legal code speaks of "attribution", "share-alike", "adapt", … as "s.3(b)(1)"; "" if unrecorded."""
        return dict(self.clauses).get(topic, "")

    def plain(self) -> Plain:
        """What it permits, requires and forbids, in words for people who do not read legal code."""
        return self.sentences

    def asks(self) -> tuple[str, ...]:
        """The fields of a work that have to be filled for this licence to be kept: "creators", "title", "updated"."""
        return self.fields

    @property
    def needs_attribution(self) -> bool:
        """Whether whoever shares it has to give credit (ccREL's cc:Attribution)."""
        return "cc:Attribution" in self.requires

    @property
    def share_alike(self) -> bool:
        """Whether changed versions have to be under it or one it names (ccREL's cc:ShareAlike)."""
        return "cc:ShareAlike" in self.requires

    @property
    def non_commercial(self) -> bool:
        """Whether commercial use is excluded (ccREL's cc:CommercialUse among what it prohibits)."""
        return "cc:CommercialUse" in self.prohibits

    @property
    def spdx_expression(self) -> str:
        """How to write it where SPDX syntax is needed: "LicenseRef-CC-BY-3.0-FR" where SPDX has no id for it."""
        return self.spdx or (self.id if self.id.startswith("LicenseRef-") else f"LicenseRef-{self.id}")

    def text(self) -> str | None:
        """The full text, None where only its address is known. Same bytes (as UTF-8) as `text_sha256`."""
        if self.own_text is not None or self.text_sha256 is None:
            return self.own_text
        return shipped_text(self.id)
