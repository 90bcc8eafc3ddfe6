"""Licences of data as values that can be asked: what they permit, what they require, and how they combine.

Pure and typed, with no dependency; usable on its own. Not legal advice, and never a guess: what is not known is
"unknown". `ids()` are those that can be asked in full, `ports()` Creative Commons' national versions made by rule,
`others()` the rest of SPDX's list, known by name only; `get`, `resolve` and `parse` know all three, and a
few of data that SPDX lacks. `licences.compat` combines licences, and loads only when imported.
"""

from __future__ import annotations

from licences.attribution import Work, attribution
from licences.catalogue import custom, get, others, ports
from licences.errors import AmbiguousLicence, InvalidLicence, LicenceError, UnknownLicence
from licences.expression import Expression, parse
from licences.files import ids
from licences.licence import NOT_LEGAL_ADVICE, USES, Adaptation, Licence, Outcome, Permission, Plain, Use
from licences.records import all


def resolve(text: str) -> Licence:
    """The licence that `text` names: an SPDX id in any case, a URL in any of its spellings, a name or catalogue alias.

    Raises UnknownLicence (with near misses) or AmbiguousLicence (with the candidates), and nothing else.

    >>> resolve("CC BY 4.0").id, resolve("https://creativecommons.org/licenses/by/4.0/deed.fr").id
    ('CC-BY-4.0', 'CC-BY-4.0')
    """
    from licences.names import identify  # its tables are not needed to ask a licence whose id is known

    return get(identify(text))


__all__ = [
    "NOT_LEGAL_ADVICE",
    "USES",
    "Adaptation",
    "AmbiguousLicence",
    "Expression",
    "InvalidLicence",
    "Licence",
    "LicenceError",
    "Outcome",
    "Permission",
    "Plain",
    "UnknownLicence",
    "Use",
    "Work",
    "all",
    "attribution",
    "custom",
    "get",
    "ids",
    "others",
    "parse",
    "ports",
    "resolve",
]
