"""Foreign words made harmless in five ways of writing: terminal text, Markdown, HTML, BibTeX and addresses.

Titles and names come from strangers. Nothing here changes what a reader sees of an honest one.
"""

from __future__ import annotations

import html as _html
import re
from typing import Final

_MARKDOWN: Final = re.compile(r"([\\`*_{}\[\]()#+\-.!|~<>&:@$^\"'=])")
_BIBTEX: Final = {
    "\\": r"\textbackslash{}",
    "{": r"\textbraceleft{}",
    "}": r"\textbraceright{}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    **{c: f"\\{c}" for c in "$&#_%"},
}
# What a terminal obeys, what turns the direction of writing, and what no eye sees and no word needs: not the joiners
_OBEYED: Final = re.compile(
    "[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff\u202a-\u202e\u2066-\u206f"
    "\u200b\u2061-\u2064\ufeff\ufff9-\ufffb\ufffe\uffff\U000e0000-\U000e00ff]"
)
_LINKED: Final = re.compile(r"https?://[^/?#\s]+\S*", re.IGNORECASE)
_SAFE: Final = "-._~:/?#@!$&*+,;=%"  # what may stand in an address we write, beside letters and digits


def line(text: str) -> str:
    """One line: controls, line breaks, unpaired surrogates and what turns the direction of writing become blanks."""
    return " ".join(_OBEYED.sub(" ", text).split())


def verbatim(text: str) -> str:
    """A licensor's own words as they stand, line breaks too; other controls become U+FFFD, so that the loss shows."""
    text = text.replace("\r\n", "\n").replace("\r", "\n").strip("\n")
    return _OBEYED.sub(lambda found: {"\n": "\n", "\t": " "}.get(found[0], "\ufffd"), text)


def markdown(text: str) -> str:
    """The text on one line, with whatever Markdown would read as a sign behind a backslash."""
    return _MARKDOWN.sub(r"\\\1", line(text))


def html(text: str) -> str:
    """The text on one line, for the inside of an HTML element or of a quoted attribute."""
    return _html.escape(line(text), quote=True)


def bibtex(text: str) -> str:
    """The text on one line, for a field of BibTeX. Braces are spelt out: BibTeX counts them even behind a backslash."""
    return "".join(_BIBTEX.get(c, c) for c in line(text))


def address(text: str | None) -> str | None:
    """`text` if it is a web address or a DOI, in ASCII, without characters that end a link anywhere; else None.

    A DOI becomes its https://doi.org/ address. No other scheme is ever made into a link.
    """
    if text is None:
        return None
    found = line(text)
    if doi := re.fullmatch(r"(?:doi:\s?)?(10\.\d{4,9}/\S+)", found, re.IGNORECASE):
        found = f"https://doi.org/{doi[1]}"
    if not _LINKED.fullmatch(found):
        return None
    return "".join(c if c.isascii() and (c.isalnum() or c in _SAFE) else _percent(c) for c in found)


def _percent(character: str) -> str:
    return "".join(f"%{byte:02X}" for byte in character.encode())
