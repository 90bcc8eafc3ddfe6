"""Licences by their exact ids, and those of one's own. Asked in full: those of `records`, in files and by rule. By name
only: the rest of SPDX's list, and a few of data that it lacks.

Knows nothing of names in the wild (that is `names`) nor of law.
"""

from __future__ import annotations

import re
from functools import cache
from typing import Final

from licences import records
from licences.errors import InvalidLicence, UnknownLicence
from licences.files import ids
from licences.licence import Adaptation, Licence, Plain

_OWN: Final = r"LicenseRef-[A-Za-z0-9.-]{1,100}"
_OWN_TEXT_LIMIT: Final = 1 << 20  # characters


def ports() -> tuple[str, ...]:
    """The ids of Creative Commons' ports that SPDX has no id for, sorted: made by rule, without a file. Some 550."""
    from licences import jurisdictions

    return tuple(id for id in jurisdictions.ports() if id not in ids())


def others() -> tuple[str, ...]:
    """The ids of every other licence in SPDX's list, sorted: known by name only. Some 640."""
    from licences import spdx

    return tuple(spdx.names())


def is_port(id: str) -> bool:
    """Whether `id` is one of `ports`."""
    from licences import jurisdictions

    return id not in ids() and jurisdictions.exists(id)


def is_without_spdx(id: str) -> bool:
    """Whether `id` is known here and not to SPDX, which wants it written as a LicenseRef."""
    from licences import unlisted

    return is_port(id) or id in unlisted.names()


@cache
def get(id: str) -> Licence:
    """The licence of exactly this id; UnknownLicence otherwise (`resolve` is the lenient one).

    A port that SPDX has no id for is found as "CC-BY-3.0-FR" and as "LicenseRef-CC-BY-3.0-FR", its SPDX spelling.
    """
    if (known := records.licence(id)) is not None:
        return known
    from licences import spdx, unlisted

    if id.startswith("LicenseRef-") and is_without_spdx(named := id.removeprefix("LicenseRef-")):
        return get(named)
    if (other := spdx.licence(id) or unlisted.licence(id)) is not None:
        return other
    if (successors := spdx.withdrawn().get(id)) is not None:
        instead = f": write {' or '.join(successors)}" if successors else ""
        raise UnknownLicence(id, f"SPDX withdrew this id{instead}", successors)
    from licences.hints import near

    raise UnknownLicence(id, "no licence has this id", near(id) if id.startswith("CC-") else ())


def custom(id: str, name: str, text: str, url: str | None = None) -> Licence:
    """Terms of a community's own: a text, a notice, a data-use agreement. InvalidLicence unless well formed.

    `id` is "LicenseRef-" and letters, digits, dots or hyphens (SPDX 2.3, annex D); `text` is the whole of the terms.
    The library carries such terms and never reasons about them: every answer is "unknown". `url` is kept as given.
    """
    import hashlib

    if not re.fullmatch(_OWN, id):
        raise InvalidLicence(f"not an id of a licence of one's own: {id[:80]!r}; ids look like LicenseRef-Ours-1.0")
    if not name.strip() or not name.isprintable() or len(name) > 200:
        raise InvalidLicence(f"{id}: its name must be one printable line of at most 200 characters")
    if not text or len(text) > _OWN_TEXT_LIMIT:
        raise InvalidLicence(f"{id}: its full text must be given, in at most {_OWN_TEXT_LIMIT} characters")
    try:
        data = text.encode()
    except UnicodeEncodeError as error:
        raise InvalidLicence(f"{id}: its text is not well-formed Unicode") from error
    return Licence(
        id=id,
        name=name,
        short=name,
        url=url,
        legalcode=url,
        kind="custom",
        family="custom",
        adaptation=Adaptation(share=False, private=False),
        own_text=text,
        text_sha256=hashlib.sha256(data).digest(),
        sentences=Plain(
            (), (f"read the full text of {id}: these are a community's own terms, and only the text says them",), ()
        ),
    )
