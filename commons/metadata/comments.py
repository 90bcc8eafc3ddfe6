"""Which part of a file may speak of the file's own rights: the comments of code, the head of a document, and of data
only the comments before it. What data says (a vocabulary, rows, quoted code, licences as prose) is what it is about.

Knows no licence: what stands in that part is read by `reuse.header`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

_CODE = frozenset(re.findall(
    r"\w+",
    "py pyi pyx r rmd qmd jl c h cc cpp cxx hh hpp hxx cs java kt kts scala go rs swift m mm f f90 f95 for js jsx mjs "
    "cjs ts tsx vue svelte css scss sass less php rb pl pm lua sh bash zsh fish ps1 bat cmd sql awk sed tcl vb hs lhs "
    "ml mli clj cljs ex exs erl hrl lisp el scm rkt d dart nim zig v sv vhd vhdl asm s cmake mk make gradle groovy "
    "stan nf smk wdl cwl do ado sas sps mod pro proto thrift yaml yml toml ini cfg conf properties tf dockerfile",
))  # fmt: skip
_MARKUP = frozenset(re.findall(r"\w+", "xml html htm xhtml svg kml gpx gml xsl xslt xsd rdf owl tei"))
_PROSE = frozenset(re.findall(r"\w+", "md markdown rst txt text adoc tex bib org"))
_NAMED = frozenset({"makefile", "dockerfile", "snakefile", "rakefile", "gemfile", "jenkinsfile", "readme"})

_SIGN = (
    r"(?:#+|/{2,}!?|/\*+!?|\*+|<!--|-{2,}|%+|;+|!+|'|\"{3}|'{3}|\(\*+|\{-|\{#|\{\{!-*|\.\.|rem\b|dnl\b|@comment\b|::)"
)
_BEFORE = re.compile(
    rf"\s*(?:{_SIGN}\s*)*+(?:\[\s*|@?copyright:?\s*|@?licen[cs]e:?\s*)?", re.IGNORECASE
)  # what may stand before a tag on its line
_COMMENT = re.compile(rf"\s*(?:$|{_SIGN}|#!|<\?|<!doctype|---\s*$)", re.IGNORECASE)
_BLOCKS = (("/*", "*/"), ("<!--", "-->"), ('"""', '"""'), ("'''", "'''"), ("{-", "-}"), ("(*", "*)"), ("{#", "#}"))
_MARK = re.compile(r"<!--|<meta\b[^<>]*>", re.IGNORECASE)
_TAG = re.compile(r"SPDX-[A-Za-z]+")
_NOTICE = re.compile(r"Copyright(?:\s|©|\([Cc]\))|©")
_DATED = re.compile(r"(?:Copyright|©|\([Cc]\)).{0,40}?\b(?:19|20)\d\d\b")
_TERMS = re.compile(
    r"permission is hereby granted|redistribution and use|hereby grants|without warranty|terms and conditions|"
    r"as is\"|under the terms of|free software foundation|all right, title",
    re.IGNORECASE,
)
_HEAD = 40  # lines of a document in which it speaks of itself
_FENCE = re.compile(r"\s*(?:```|~~~)")


def own(path: str, text: str) -> str:
    """The lines of `text`, the beginning of the file `path`, in which it may speak of its own rights: its comments, or,
    of a document, its head.

    >>> own("plot.py", "# Copyright 2026 Ana\\nprint('Copyright 2026 Bo')\\n").strip()
    '# Copyright 2026 Ana'
    """
    name = path.rpartition("/")[2].lower()
    ending = name.rpartition(".")[2] if "." in name else ""
    if ending in _MARKUP:
        return "\n".join(_marked(text))
    lines = text.replace("\r\n", "\n").replace("\r", "\n").split("\n")
    if ending in _CODE or name in _NAMED:
        return "\n".join(_said(lines))
    if ending in _PROSE:
        return "\n".join(_said(_prose(lines), prose=bool(_TERMS.search(text))))
    return "\n".join(_said(_opening(lines)))


def _said(lines: Iterator[str] | list[str], prose: bool = False) -> Iterator[str]:
    """The lines that speak for themselves, and no value that quotes: nothing but the sign of a comment stands before
    what they say. In the `prose` of a licence a notice is an example."""
    for line in lines:
        found = _TAG.search(line) or (None if prose else _NOTICE.search(line))
        if found is None:
            if "REUSE-Ignore" in line:
                yield line
            continue
        if _BEFORE.fullmatch(line[: found.start()]):
            yield line


def _marked(text: str) -> Iterator[str]:
    """The comments of marked-up text, and what stands in a <meta …>; a comment that has no end goes on to the end."""
    at = 0
    while mark := _MARK.search(text, at):
        closing = text.find("-->", mark.end()) if mark[0] == "<!--" else mark.end()
        at = len(text) if closing < 0 else closing
        yield text[mark.start() : at]


def _prose(lines: list[str]) -> Iterator[str]:
    """The head of a document, without what it shows as an example; of notices, those with a year."""
    fenced = False
    for line in lines[:_HEAD]:
        if _FENCE.match(line):
            fenced = not fenced
        elif not fenced and (_TAG.search(line) or _DATED.search(line)):
            yield line


def _opening(lines: list[str]) -> Iterator[str]:
    """The comments before the first line that is none."""
    end = ""
    for number, line in enumerate(lines):
        if end:
            yield line
            end = "" if end in line else end
            continue
        if not _COMMENT.match(line):
            return
        start = line.strip()
        block = next(((a, b) for a, b in _BLOCKS if start.startswith(a)), None)
        if block and block[1] not in start[len(block[0]) :]:
            end = block[1]
        if start or number:
            yield line
