"""One spelling for what people write in many: lower case, no accents, plain hyphens, apostrophes and blanks."""

from __future__ import annotations

import unicodedata
from typing import Final

_PLAIN: Final = str.maketrans(
    dict.fromkeys("\u2010\u2011\u2012\u2013\u2014\u2212", "-") | dict.fromkeys("\u2018\u2019", "'")
)


def fold(text: str) -> str:
    """The one spelling of a text that people write in many: see the head of this file.

    >>> fold("Licence Ouverte – Étalab")
    'licence ouverte - etalab'
    """
    text = unicodedata.normalize("NFKD", text).translate(_PLAIN)
    return " ".join("".join(c for c in text if not unicodedata.combining(c)).lower().split())
