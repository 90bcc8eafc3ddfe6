"""The card of a Hugging Face dataset: YAML before the text of README.md. Only read: it has no place for who made it."""

from __future__ import annotations

import re
from typing import Any

from commons.errors import Malformed
from commons.metadata import texts
from commons.metadata.description import Description

FILE = "README.md"
_KEY = re.compile(r"""^["']?[A-Za-z_][\w-]*["']?[ \t]*:(?:\s|$)""", re.MULTILINE)  # else a rule, and prose below it


def read(text: str) -> Description | None:
    """None for a README without front matter. Malformed for front matter that is no YAML, TooLarge over 1 MiB.

    Of several licences all hold: the card does not say that one may choose.
    """
    matter = _matter(text)
    card = texts.load_yaml(matter) if matter is not None and _KEY.search(matter) else None
    if not isinstance(card, dict):
        return None
    named = card.get("license")
    listed = named if isinstance(named, list) else [named]
    tags = card.get("tags")
    return Description(
        title=texts.word("pretty_name", card.get("pretty_name")),
        licence=texts.joined(_licence(card, each) for each in listed),
        keywords=texts.words("tags", [tags] if isinstance(tags, str) else tags, numbers=True),
    )


def _licence(card: dict[Any, Any], named: object) -> str | None:
    """ "other" stands for what `license_link` or `license_name` names."""
    if named == "other":
        link, name = card.get("license_link"), texts.word("license_name", card.get("license_name"))
        link = link if isinstance(link, str) and ":" in link else None  # else a file of the repository
        return texts.licence("license_link", link, name) or "other"
    if named is not None and not isinstance(named, str):
        raise Malformed("`license` is not a text")
    return texts.licence("license", named)


def _matter(text: str) -> str | None:
    """What stands between the first line "---" and the next one."""
    lines = text.removeprefix("\ufeff").split("\n", texts.YAML_LIMIT)
    if lines[0].rstrip() != "---":
        return None
    for number, line in enumerate(lines[1:], 1):
        if line.rstrip() == "---":
            return "\n".join(lines[1:number])
    return None
