"""The card of a Hugging Face dataset: YAML before the text of README.md. Only read: it has no place for who made it."""

from __future__ import annotations

import re
from typing import Any

from commons.errors import Malformed
from commons.metadata import texts
from commons.metadata.description import Description
from commons.metadata.reading import Heard, Reading

FILE = "README.md"
_KEY = re.compile(r"""^["']?[A-Za-z_][\w-]*["']?[ \t]*:(?:\s|$)""", re.MULTILINE)  # else a rule, and prose below it


def read(text: str, heard: Heard | None = None) -> Description | None:
    """The description in a README's front matter; None for a README without one. Malformed for front matter that is no
    YAML, TooLarge over 1 MiB.

    Of several licences all hold: the card does not say that one may choose.
    """
    matter = _matter(text)
    card = texts.load_yaml(matter) if matter is not None and _KEY.search(matter) else None
    if not isinstance(card, dict):
        return None
    reading = Reading(heard)
    reading.leave(card, *_TAKEN)
    named = card.get("license")
    listed = named if isinstance(named, list) else [named]
    return reading.described(
        title=lambda: texts.word("pretty_name", card.get("pretty_name")),
        licence=lambda: texts.joined(_licence(card, each, reading) for each in listed),
        keywords=lambda: texts.keywords("tags", card.get("tags"), reading),
    )


_TAKEN = ("pretty_name", "license", "license_name", "license_link", "tags", "configs", "dataset_info")
_BLOB = re.compile(r"https://huggingface\.co/[^?#]+/(?:blob|resolve|raw)/[^/?#]+/(?P<path>[^?#]+)")


def _licence(card: dict[Any, Any], named: object, reading: Reading) -> str | None:
    """ "other" stands for what `license_link` or `license_name` names, or for a file of the repository."""
    if named == "other":
        link, name = card.get("license_link"), texts.word("license_name", card.get("license_name"))
        far = link if isinstance(link, str) and ":" in link else None
        spelt = texts.licence("license_link", far, name, reading=reading) or "other"
        if (within := _BLOB.fullmatch(far or "")) is not None:
            spelt, link = name or spelt, within["path"]
        if far is None or within is not None:
            reading.heard.written[spelt.strip()] = link if isinstance(link, str) else ""
        return spelt
    if named is not None and not isinstance(named, str):
        raise Malformed("`license` is not a text")
    return texts.licence("license", named, reading=reading)


def _matter(text: str) -> str | None:
    """What stands between the first line "---" and the next one."""
    lines = text.removeprefix("\ufeff").split("\n", texts.YAML_LIMIT)
    if lines[0].rstrip() != "---":
        return None
    for number, line in enumerate(lines[1:], 1):
        if line.rstrip() == "---":
            return "\n".join(lines[1:number])
    return None
