"""Licences as data that can be asked: what they permit, require and forbid, and how to credit a work under them.

Of use without the rest of commons; needs the standard library only. Not legal advice: the licence's own text holds.
"""

from licences.attribution import Work, attribution
from licences.licence import Licence, all, custom, get
from licences.resolve import AmbiguousLicence, UnknownLicence, resolve

__all__ = [
    "AmbiguousLicence", "Licence", "UnknownLicence", "Work", "all", "attribution", "custom", "get", "resolve",
]  # fmt: skip
