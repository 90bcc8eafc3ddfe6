"""Licences of data as values that can be asked: what they permit, what they require, and how they combine.

Pure and typed, with no dependency; usable on its own. Not legal advice, and never a guess: what is not known is
"unknown". `licences.compat` combines licences, and loads only when imported.
"""

from __future__ import annotations

from licences.attribution import Work, attribution
from licences.catalogue import all, custom, get, ids
from licences.errors import AmbiguousLicence, InvalidLicence, LicenceError, UnknownLicence
from licences.licence import NOT_LEGAL_ADVICE, USES, Adaptation, Answer, Licence, Outcome, Plain, Use


def resolve(text: str) -> Licence:
    """The licence that `text` names: an SPDX id in any case, a URL in any of its spellings, a name or catalogue alias.

    Raises UnknownLicence (with near misses) or AmbiguousLicence (with the candidates), and nothing else.
    """
    from licences.names import identify  # its tables are not needed to ask a licence whose id is known

    return get(identify(text))


__all__ = [
    "NOT_LEGAL_ADVICE", "USES", "Adaptation", "AmbiguousLicence", "Answer", "InvalidLicence", "Licence", "LicenceError",
    "Outcome", "Plain", "UnknownLicence", "Use", "Work", "all", "attribution", "custom", "get", "ids", "resolve",
]  # fmt: skip
