"""The exact terms a requester acknowledges: licence, attribution and conditions. Their digest is what gets signed.

Purpose codes are the publisher's conditions and the requester's declaration; nobody can check them, and we say so.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

from commons.core.crypto import codec
from commons.core.dataset.rights import Creator, Label, LicenceText, Origin, check_date, licence_ids
from commons.errors import Malformed, Refused, Unacknowledged

DAY = 86_400  # seconds

# Short codes of our own, beside which GA4GH DUO ids ("DUO:0000042") are accepted.
PURPOSES = {
    "research": "scientific or scholarly research",
    "education": "teaching and learning",
    "journalism": "reporting to the public",
    "policy": "public policy and administration",
    "community": "the community's own use",
    "product": "building a product or a service",
    "personal": "personal use",
    "unstated": "no purpose was stated",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """`licence` is an SPDX expression, and `licences` has each of its ids once, sorted. `updated` is a day, like
    "2026-11-24". It was made from `origins` by `changes`; `labels` are what a community asks. No `purposes`: any."""

    licence: str
    licences: tuple[LicenceText, ...]
    title: str
    creators: tuple[Creator, ...]
    copyright: str | None
    credit_line: str | None
    source_url: str | None
    updated: str | None
    labels: tuple[Label, ...]
    origins: tuple[Origin, ...]
    changes: str | None
    conditions: str | None
    purposes: tuple[str, ...]
    grant_days: int | None

    def __post_init__(self) -> None:
        if tuple(each.id for each in self.licences) != licence_ids(self.licence):
            raise Malformed("the terms describe other licences than their expression names")
        if not self.licences:
            raise Malformed("the terms name no licence")
        check_date(self.updated)
        check_days(self.grant_days)
        for code in self.purposes:
            check_purpose(code)

    def digest(self) -> bytes:
        """SHA-256 (32 bytes) of the terms' only encoding."""
        return hashlib.sha256(codec.encode(self)).digest()


def check_days(days: int | None) -> None:
    """Malformed unless a grant can last so many days; None is for ever."""
    if days is not None and not 1 <= days <= 36_500:
        raise Malformed(f"grants of {days} days: between 1 and 36500 are possible")


def check_purpose(code: str) -> str:
    duo = code.startswith("DUO:") and len(code) == 11 and code[4:].isdigit() and code.isascii()
    if code not in PURPOSES and not duo:
        raise Malformed(
            f"not a purpose code: {code[:40]!r}", hint=f"use one of {', '.join(PURPOSES)}, or a DUO id like DUO:0000042"
        )
    return code


def check_allowed(terms: Terms, purpose: str) -> None:
    """Refused for a purpose that the terms do not allow: who keeps the log would write it there, and refuse."""
    if terms.purposes and purpose not in terms.purposes:
        raise Refused(
            f"these terms do not allow the purpose {purpose!r}: nothing was sent",
            hint=f"where it is true, say one that they allow: --purpose {' or '.join(terms.purposes)}",
        )


def acknowledge(terms: Terms, named: str | None) -> None:
    """Unacknowledged unless `named` is the licence's expression, whatever its case."""
    if named is None or " ".join(named.split()).lower() != terms.licence.lower():
        said = (
            "its terms were not acknowledged" if named is None else f"you acknowledged {named!r}, it is under another"
        )
        where = " ".join(each.url for each in terms.licences if each.url) or "above"
        name = f'"{terms.licence}"' if " " in terms.licence else terms.licence
        raise Unacknowledged(
            f"this dataset is under {terms.licence}: {said}",
            hint=f"read the terms ({where}), then repeat with --acknowledge {name}",
        )
