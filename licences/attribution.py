"""Credit where a licence asks for it: title, author, source, licence (TASL), as text, Markdown, HTML, BibTeX or JSON.

Every field is escaped for what it is written into; a licensor's own credit line is kept verbatim. Prints nothing.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final, Literal

from licences.licence import Licence

Format = Literal["text", "markdown", "html", "bibtex", "json"]

_VERBS: Final = {
    "licence": "is licensed under",
    "dedication": "is dedicated to the public domain under",
    "mark": "is marked with",
    "custom": "is shared under the terms of",
    "other": "is licensed under",
}
_NO_WARRANTIES: Final = "No warranties are given."
_ANCESTORS: Final = 100  # that a credit lists


@dataclass(frozen=True, slots=True, kw_only=True)
class Work:
    """What is credited. `credit_line`: the licensor's own wording; `ancestors`: the works it was made from; `updated`:
    the date of its last update, as its publisher writes it.
    """

    title: str
    creators: tuple[str, ...]
    licence: Licence
    source_url: str | None = None
    copyright: str | None = None
    credit_line: str | None = None
    ancestors: tuple[Work, ...] = ()
    updated: str | None = None

    def missing(self) -> tuple[str, ...]:
        """The fields that its licence asks for and this work leaves empty, of "creators", "title" and "updated"."""
        return tuple(field for field in self.licence.asks() if not getattr(self, field))


def attribution(work: Work, fmt: Format = "text", modified: str | None = None) -> str:
    """The credit for `work`, in one of the five formats; for text and Markdown a line for each work it was made from.
    `modified` says what was changed. ValueError for a format that is none of the five.

    >>> from licences import resolve
    >>> rivers = Work(title="Rivers", creators=("Ana Diaz",), licence=resolve("CC0-1.0"))
    >>> print(attribution(rivers).partition(" (")[0])
    "Rivers" by Ana Diaz is dedicated to the public domain under CC0 1.0
    """
    writers = {"text": _text, "markdown": _markdown, "html": _html, "bibtex": _bibtex, "json": _json}
    if fmt not in writers:
        raise ValueError(f"no such format: {fmt!r}; one of {', '.join(writers)}")
    return writers[fmt](work, modified)


def lineage(work: Work) -> Iterator[Work]:
    """The works it was made from, nearest first, each once, at most a hundred."""
    seen, queue = {_same(work)}, list(work.ancestors)
    while queue and len(seen) <= _ANCESTORS:
        ancestor = queue.pop(0)
        if _same(ancestor) not in seen:
            seen.add(_same(ancestor))
            queue += ancestor.ancestors
            yield ancestor


def _same(work: Work) -> tuple[object, ...]:
    """What makes two works the same in a credit. Not the works themselves: comparing those would recurse."""
    about = work.source_url, work.updated, work.copyright, work.credit_line
    return work.title, work.creators, work.licence.id, *about


def _and(names: list[str]) -> str:
    return " and ".join([", ".join(names[:-1]), names[-1]] if len(names) > 1 else names)


def _stop(sentence: str) -> str:
    return sentence if sentence.endswith((".", "!", "?")) else f"{sentence}."


def _text(work: Work, modified: str | None) -> str:
    from licences.escape import line, verbatim

    def one(work: Work, modified: str | None) -> str:
        licence, title = work.licence, line(work.title)
        names = [name for name in map(line, work.creators) if name]
        head = f'"{title}"' if title else "This work"
        by = f" by {_and(names)}" if names else ""
        where = f" ({line(licence.url)})" if licence.url else ""
        parts = [f"{head}{by} {_VERBS[licence.kind]} {line(licence.short)}{where}."]
        parts += [_stop(line(work.copyright))] if work.copyright else []
        parts += [f"Source: {_stop(line(work.source_url))}"] if work.source_url else []
        parts += [f"Last update: {_stop(line(work.updated))}"] if work.updated else []
        parts += [f"Changes: {_stop(line(modified))}"] if modified else []
        parts += [_NO_WARRANTIES] if licence.kind == "licence" else []
        return " ".join(parts) + (f"\n{verbatim(work.credit_line)}" if work.credit_line else "")

    below = [one(ancestor, None) for ancestor in lineage(work)]
    return "\n".join([one(work, modified), *(["Based on:", *below] if below else [])])


def _markdown(work: Work, modified: str | None) -> str:
    from licences.escape import address, line, markdown, verbatim

    def link(text: str, url: str | None) -> str:
        return f"[{markdown(text)}](<{found}>)" if (found := address(url)) else markdown(text)

    def one(work: Work, modified: str | None) -> str:
        licence, title = work.licence, line(work.title)
        names = [markdown(name) for name in map(line, work.creators) if name]
        by = f" by {_and(names)}" if names else ""
        head = link(title or "This work", work.source_url)
        parts = [f"{head}{by} {_VERBS[licence.kind]} {link(licence.short, licence.url)}."]
        parts += [markdown(_stop(line(work.copyright)))] if work.copyright else []
        if work.source_url and address(work.source_url) is None:
            parts.append(f"Source: {markdown(_stop(line(work.source_url)))}")
        parts += [f"Last update: {markdown(_stop(line(work.updated)))}"] if work.updated else []
        parts += [f"Changes: {markdown(_stop(line(modified)))}"] if modified else []
        parts += [_NO_WARRANTIES] if licence.kind == "licence" else []
        quoted = "\\\n".join(markdown(row) for row in verbatim(work.credit_line or "").split("\n") if row.strip())
        return " ".join(parts) + (f"\\\n{quoted}" if quoted else "")

    below = "".join("\n* " + one(ancestor, None).replace("\n", "\n  ") for ancestor in lineage(work))
    return one(work, modified) + (f"\n\nBased on:\n{below}" if below else "")


def _html(work: Work, modified: str | None) -> str:
    from licences.escape import address, html, line, verbatim

    def link(text: str, url: str | None, attributes: str) -> str:
        if found := address(url):
            return f'<a {attributes} href="{html(found)}">{html(text)}</a>'
        return html(text)

    def one(work: Work, modified: str | None) -> str:
        licence, title, source = work.licence, line(work.title), address(work.source_url)
        names = [
            f'<span property="cc:attributionName">{html(name)}</span>' for name in map(line, work.creators) if name
        ]
        by = f" by {_and(names)}" if names else ""
        head = f'<span property="dct:title">{html(title)}</span>' if title else "This work"
        if source:
            head = f'<a rel="cc:attributionURL" href="{html(source)}">{head}</a>'
        about = f' about="{html(source)}"' if source else ""
        under = link(licence.short, licence.url, 'rel="license"')
        parts = [f"{head}{by} {_VERBS[licence.kind]} {under}."]
        parts += [f'<span property="dct:rights">{html(_stop(line(work.copyright)))}</span>'] if work.copyright else []
        if work.source_url and source is None:
            parts.append(f"Source: {html(_stop(line(work.source_url)))}")
        if work.updated:
            parts.append(f"Last update: {html(_stop(line(work.updated)))}")
        parts += [f"Changes: {html(_stop(line(modified)))}"] if modified else []
        parts += [_NO_WARRANTIES] if licence.kind == "licence" else []
        quoted = "<br>".join(html(row) for row in verbatim(work.credit_line or "").split("\n") if row.strip())
        return (
            f'<p xmlns:cc="http://creativecommons.org/ns#" xmlns:dct="http://purl.org/dc/terms/"{about}>'
            + " ".join(parts)
            + (f'<br><span property="dct:bibliographicCitation">{quoted}</span>' if quoted else "")
            + "</p>"
        )

    below = "".join(f"\n<li>{one(ancestor, None)}</li>" for ancestor in lineage(work))
    return one(work, modified) + (f"\n<p>Based on:</p>\n<ul>{below}\n</ul>" if below else "")


def _bibtex(work: Work, modified: str | None) -> str:
    from licences.escape import address, bibtex, line, verbatim

    def one(number: int, work: Work, modified: str | None) -> str:
        licence, url = work.licence, address(work.source_url)
        names = [f"{{{bibtex(name)}}}" for name in work.creators if line(name)]  # braced: " and " in a name splits none
        where = f", {bibtex(licence.url)}" if licence.url else ""
        notes = [_stop(f"{_VERBS[licence.kind].capitalize()} {bibtex(licence.short)}{where}")]
        notes += [bibtex(_stop(line(work.copyright)))] if work.copyright else []
        notes += [f"Source: {bibtex(_stop(line(work.source_url)))}"] if work.source_url and url is None else []
        notes += [f"Last update: {bibtex(_stop(line(work.updated)))}"] if work.updated else []
        notes += [f"Changes: {bibtex(_stop(line(modified)))}"] if modified else []
        notes += [bibtex(verbatim(work.credit_line))] if work.credit_line else []
        rows = [f"  title = {{{{{bibtex(work.title)}}}}}"] if line(work.title) else []
        rows += [f"  author = {{{' and '.join(names)}}}"] if names else []
        rows += [f"  url = {{{url}}}"] if url else []
        rows += [f"  note = {{{' '.join(notes)}}}"]
        return "@misc{" + ",\n".join([_key(work) + (f"-{number}" if number else ""), *rows]) + "\n}"

    return "\n\n".join(
        [one(0, work, modified), *(one(n, ancestor, None) for n, ancestor in enumerate(lineage(work), start=1))]
    )


def _key(work: Work) -> str:
    """Lower-case ASCII words of the first creator's last name and the title: "horst-palmer-penguins"."""
    words = [work.creators[0].split()[-1:] if work.creators else [], work.title.split()[:3]]
    kept = ["".join(c for c in word.lower() if c.isascii() and c.isalnum())[:30] for part in words for word in part]
    return "-".join(word for word in kept if word) or "work"


def _json(work: Work, modified: str | None) -> str:
    import json

    def one(work: Work) -> dict[str, Any]:
        licence = work.licence
        return {
            "title": work.title,
            "creators": list(work.creators),
            "source_url": work.source_url,
            "updated": work.updated,
            "copyright": work.copyright,
            "credit_line": work.credit_line,
            "licence": {"id": licence.id, "spdx": licence.spdx, "name": licence.name, "url": licence.url},
        }

    told = one(work) | {
        "modified": modified,
        "ancestors": [one(ancestor) for ancestor in lineage(work)],
        "text": _text(work, modified),
    }
    return json.dumps(told, indent=1)
