"""From what people write to the one licence they mean: SPDX ids, URLs in their real spellings, names and aliases.

Never guesses: a name without its version, or one that fits nothing, is an error that carries the candidates.
"""

from __future__ import annotations

import difflib
import re
from urllib.parse import urlsplit

from licences.licence import Licence, get, ids

_ALIASES = {
    "cc0": "CC0-1.0", "cc-zero": "CC0-1.0", "cc zero": "CC0-1.0", "cc0 1.0 universal": "CC0-1.0", "odbl": "ODbL-1.0",
    "odc-odbl": "ODbL-1.0", "odc-by": "ODC-By-1.0", "odc-pddl": "PDDL-1.0", "pddl": "PDDL-1.0", "etalab": "etalab-2.0",
    "licence ouverte 2.0": "etalab-2.0", "odc-pddl-1.0": "PDDL-1.0", "public domain mark 1.0": "CC-PDM-1.0",
    "pdm": "CC-PDM-1.0", "pdm 1.0": "CC-PDM-1.0",
}  # fmt: skip
_WORDS = {"attribution": "by", "noncommercial": "nc", "non-commercial": "nc", "noderivatives": "nd", "noderivs": "nd",
          "no-derivatives": "nd", "sharealike": "sa", "share-alike": "sa"}  # fmt: skip


class UnknownLicence(LookupError):
    """`suggestions` are ids that look alike, possibly none."""

    def __init__(self, text: str, reason: str, suggestions: tuple[str, ...] = ()) -> None:
        super().__init__(f"not a licence this tool knows: {text[:100]!r} ({reason})")
        self.text, self.reason, self.suggestions = text, reason, suggestions


class AmbiguousLicence(LookupError):
    """Several licences go by this name; `candidates` are their ids, newest first."""

    def __init__(self, text: str, candidates: tuple[str, ...]) -> None:
        super().__init__(f"{text[:100]!r} names no version: it may be any of {', '.join(candidates)}")
        self.text, self.candidates = text, candidates


def resolve(text: str) -> Licence:
    """The licence meant; UnknownLicence or AmbiguousLicence otherwise."""
    word = " ".join(text.split())
    known = {ident.lower(): ident for ident in ids()}
    if word.lower() in known:
        return get(known[word.lower()])
    if word.lower() in _ALIASES:
        return get(_ALIASES[word.lower()])
    if "://" in word or word.lower().startswith(("www.", "creativecommons.org/", "opendatacommons.org/")):
        return _by_url(text, word)
    unit, version = _unit(word)
    if unit is None:
        by_name = {get(ident).name.lower(): ident for ident in ids()}
        if word.lower() in by_name:
            return get(by_name[word.lower()])
        raise UnknownLicence(text, "no id, URL or name fits", near(word))
    if version is None:
        found = tuple(sorted((i for i in ids() if re.fullmatch(rf"CC-{unit}-\d\.\d", i)), reverse=True))
        if found:
            raise AmbiguousLicence(text, found)
        raise UnknownLicence(text, "no such Creative Commons licence", near(word))
    if (ident := known.get(f"cc-{unit}-{version}".lower())) is None:
        raise UnknownLicence(text, "no such Creative Commons licence", near(f"CC-{unit}-{version}"))
    return get(ident)


def near(word: str) -> tuple[str, ...]:
    """Ids that look like `word`."""
    found = difflib.get_close_matches(word.lower()[:60], [ident.lower() for ident in ids()], n=4, cutoff=0.6)
    by_lower = {ident.lower(): ident for ident in ids()}
    return tuple(by_lower[ident] for ident in found)


def _by_url(text: str, word: str) -> Licence:
    try:
        parts = urlsplit(word if "://" in word else f"https://{word}")
        host, scheme = (parts.hostname or "").removeprefix("www."), parts.scheme
    except ValueError:
        host, scheme = "", ""
    if scheme not in ("http", "https") or not host:
        raise UnknownLicence(text, "not a web address")
    path = re.sub(r"/(deed|legalcode)([.-][A-Za-z_-]+)?(\.html)?$", "/", parts.path.lower().rstrip("/")).rstrip("/")
    wanted = f"{host}{path}/"
    for ident in ids():
        url = urlsplit(get(ident).url or "")
        if f"{(url.hostname or '').removeprefix('www.')}{url.path}" == wanted:
            return get(ident)
    if host == "creativecommons.org":
        found = re.fullmatch(r"/licenses/(by(?:-nc)?(?:-nd|-sa)?)", path)
        if found:
            return resolve(f"CC {found[1].upper()}")
    raise UnknownLicence(text, "no licence is at this address")


def _unit(word: str) -> tuple[str | None, str | None]:
    """("BY-SA", "4.0") of "CC BY-SA 4.0" or "Creative Commons Attribution-ShareAlike 4.0 International"."""
    lower = re.sub(r"\b(international|unported|generic|licen[cs]e|public)\b", " ", word.lower())
    lower = re.sub(r"^(creative commons|cc)(?=[\s_-])", "", lower)
    if lower == word.lower():
        return None, None
    tokens = [_WORDS.get(token, token) for token in re.split(r"[\s_-]+", lower) if token]
    version = tokens.pop() if tokens and re.fullmatch(r"\d\.\d", tokens[-1]) else None
    order = [e for e in ("by", "nc", "nd", "sa") if e in tokens]
    if not order or order[0] != "by" or sorted(tokens) != sorted(order):
        return None, None
    return "-".join(order).upper(), version
