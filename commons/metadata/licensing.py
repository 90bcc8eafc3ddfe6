"""From the words of a publisher, a file or a manifest to licences that can be asked; and what they answer together.

The package `licences` knows the licences; here its errors become ours, and terms are made and read.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Mapping

import licences
from commons.core.dataset.rights import Creator, LicenceText, licence_ids
from commons.core.dataset.terms import Terms
from commons.errors import Conflict, Malformed
from licences import Licence, Plain

Texts = Mapping[str, str]  # of LicenseRefs, by id

_SIGNED = re.compile(r"(?P<name>[^<>]*[^<>\s])\s*<(?P<url>[^<>]+)>")


def expression_of(text: str) -> str:
    """The canonical SPDX expression that `text` names: an id, an address, a name, an expression. Malformed, with the
    candidates, for what is none or may be several."""
    try:
        return str(licences.parse(text))
    except licences.UnknownLicence as error:
        raise Malformed(str(error), hint=_suggest(error.suggestions)) from error
    except licences.AmbiguousLicence as error:
        raise Malformed(str(error), hint=_suggest(error.candidates)) from error
    except licences.InvalidLicence as error:
        raise Malformed(str(error), hint=_suggest(())) from error


def members(expression: str) -> tuple[str, ...]:
    """The parts that hold together in an expression; a choice among them is one part.

    >>> members("CC-BY-4.0 AND (MIT OR ISC)"), members("MIT OR ISC")
    (('CC-BY-4.0', 'MIT OR ISC'), ('MIT OR ISC',))
    """
    found = licences.parse(expression)
    return tuple(str(each) for each in found.parts) if found.op == "AND" else (str(found),)


def same(a: str, b: str) -> bool:
    """Whether two expressions ask for the same, in whatever order of their parts."""
    return set(members(a)) == set(members(b))


def _suggest(ids: tuple[str, ...]) -> str:
    listed = f"did you mean {', '.join(ids[:8])}? " if ids else ""
    return f"{listed}For terms of your own use --licence LicenseRef-NAME --licence-text FILE"


def licence(id: str, texts: Texts | None = None, url: str | None = None) -> Licence:
    """The licence of one id of an expression. One this version does not know is carried as it is, and never reasoned
    about. Malformed where its name or text is none."""
    try:
        return licences.get(id)
    except licences.UnknownLicence:
        pass
    own = f"LicenseRef-{re.sub(r'[^A-Za-z0-9.-]', '-', id.removeprefix('LicenseRef-'))[:100]}"
    try:
        return licences.custom(own, id, (texts or {}).get(id) or f"See {url or id}", url or None)
    except licences.InvalidLicence as error:
        raise Malformed(f"the licence is not well formed: {error}") from error


def described(expression: str, texts: Texts) -> tuple[LicenceText, ...]:
    """What terms say of each licence in `expression`: id, address, digest, and the text of a LicenseRef. Malformed
    where that is not given."""
    found = []
    for id in licence_ids(expression):
        text = texts.get(id)
        if id.startswith("LicenseRef-") and not (text or "").strip():
            raise Malformed(f"{id} is a licence of your own: its text is needed", hint=f"--licence-text {id}=FILE")
        known = licence(id, texts)
        digest = hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest() if text else known.text_sha256
        found.append(LicenceText(id=id, url=known.url or "", sha256=digest, text=text))
    return tuple(found)


def of(terms: Terms) -> tuple[Licence, ...]:
    """The licences that terms name, in the order of their ids."""
    texts = {each.id: each.text for each in terms.licences if each.text is not None}
    return tuple(licence(each.id, texts, each.url) for each in terms.licences)


def plain(terms: Terms) -> Plain:
    """What the terms permit, require and forbid, in plain words; each licence by its name where there are several."""
    found = of(terms)
    if len(found) == 1:
        return found[0].plain()
    return Plain(
        *(
            tuple(f"{each.id}: {line}" for each in found for line in getattr(each.plain(), kind))
            for kind in Plain._fields
        )
    )


def asked(expression: str, texts: Texts) -> tuple[str, ...]:
    """The fields that every licence of `expression` asks a publisher to fill; those of a choice, if all choices ask."""
    ways = [
        {field for id in way for field in licence(id, texts).asks()}
        for way in licences.parse(expression).alternatives()
    ]
    return tuple(sorted(set[str].intersection(*ways)))


def creator(text: str, organisation: bool = False) -> Creator:
    """The creator that "Ana Martins" or "Ana Martins <https://orcid.org/…>" names. A ROR says by itself that it is an
    organisation's."""
    signed = _SIGNED.fullmatch(text.strip())
    name, url = (signed["name"], signed["url"].strip()) if signed else (text.strip(), None)
    return Creator(name=name, url=url, organisation=organisation or bool(url and "://ror.org/" in url))


def texts_of(words: Iterable[str], expression: str | None) -> dict[str, str]:
    """Licence texts by id from "ID=TEXT", or from one plain TEXT where `expression` names one LicenseRef."""
    found: dict[str, str] = {}
    for word in words:
        id, equals, text = word.partition("=")
        if not equals or not re.fullmatch(r"LicenseRef-[A-Za-z0-9.-]+", id):
            named = licence_ids(expression_of(expression)) if expression else ()
            own = [each for each in named if each.startswith("LicenseRef-")]
            if len(own) != 1:
                raise Malformed("it is not clear whose text this is", hint="--licence-text LicenseRef-NAME=FILE")
            id, text = own[0], word
        if found.setdefault(id, text) != text:
            raise Conflict(f"two different texts were given for {id}", hint="give one --licence-text for each licence")
    return found
