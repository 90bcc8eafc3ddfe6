"""REUSE 3.3 (reuse.software/spec): licence and copyright of each file, written as `REUSE.toml` and licence texts, and
read from there, from `.license` files and from the headers of files.

Knows no folder: who asks lists the paths and reads what is asked for. `.reuse/dep5`, its former form, is not read.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from commons.core.dataset import names
from commons.core.dataset.rights import Rights, licence_ids
from commons.errors import Malformed, TooLarge
from commons.metadata import texts
from commons.metadata.description import LIMIT, Description, encoded
from commons.metadata.reading import Heard, Reading, spellings
from licences.errors import AmbiguousLicence, LicenceError, UnknownLicence
from licences.expression import parse

FILE = "REUSE.toml"
_MATCHES = 3_000_000  # of a path with a wildcard
_FREE = frozenset({"CC0-1.0", "CC-PDM-1.0", "CC-PDDC", "PDDL-1.0"})  # nobody's copyright is left to be named


def is_about(path: str) -> bool:
    """Whether a file tells of the rights of others, and so is no data: licence texts, `.license` files, REUSE.toml."""
    *folders, name = path.split("/")
    return (
        "LICENSES" in folders
        or folders[:1] == [".reuse"]
        or name == FILE
        or name.endswith(".license")
        or re.fullmatch(r"(?:LICEN[CS]E|COPYING)(?:[-.].*)?", name) is not None
    )


# -- out ---------------------------------------------------------------------------------------------------------------


def write(d: Description) -> dict[str, bytes]:
    """`REUSE.toml` and each licence's text that the dataset does not carry in its place, by path. Malformed without a
    licence, without the text of one, or where nobody is named whose copyright it could be."""
    if not d.licence:
        raise Malformed("REUSE needs a licence, and none is said", hint="publish with --licence …")
    whole = (d.licence, _notices(d, d.licence, None))
    groups: dict[tuple[str, tuple[str, ...]], list[str]] = {}
    for file in d.files:
        own = (file.licence or d.licence, _notices(d, file.licence or d.licence, file.copyright))
        if own != whole:
            groups.setdefault(own, []).append(re.sub(r"([\\*])", r"\\\1", file.path))
    table = [f"version = 1\n{_annotation(['**'], 'closest', *whole)}"]
    table += [_annotation(paths, "override", *own) for own, paths in groups.items()]
    written = {FILE: encoded("".join(table))}
    given = dict(d.texts)
    carried = {file.path for file in d.files}
    for id in sorted({id for licence, _ in (whole, *groups) for id in _ids(licence)}):
        if f"LICENSES/{id}.txt" in carried:
            continue
        if not given.get(id, "").strip():
            raise Malformed(
                f"REUSE needs the text of {id}, and this version has it not",
                hint=f"export with --licence-text {id}=FILE; SPDX's list of licences has the text",
            )
        written[f"LICENSES/{id}.txt"] = encoded(given[id])
    return written


def _notices(d: Description, licence: str, own: str | None) -> tuple[str, ...]:
    said = own or d.copyright or ""
    lines = tuple(dict.fromkeys(line.strip() for line in said.splitlines() if line.strip()))
    if lines:
        return lines
    names = ", ".join(" ".join(creator.name.split()) for creator in d.creators)
    if not names and not _FREE.issuperset(licence_ids(licence)):
        raise Malformed("REUSE needs a copyright notice, and nobody is named", hint="publish with --copyright …")
    return (f"{(d.published or d.updated or '')[:4]} {names}".strip() if names else "NONE",)


def _ids(licence: str) -> set[str]:
    """Each licence and exception that has a text of its own. They become names of files, so they are only names."""
    found = {id.removesuffix("+") for id in (*licence_ids(licence), *re.findall(r" WITH ([^ ()]+)", licence))}
    for id in found:
        if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9.-]*", id):
            raise Malformed(f"not the id of a licence: {id[:80]!r}")
    return found


def _annotation(paths: Sequence[str], precedence: str, licence: str, notices: Sequence[str]) -> str:
    return (
        f"\n[[annotations]]\npath = {_quoted(*paths)}\nprecedence = {_quoted(precedence)}\n"
        f"SPDX-FileCopyrightText = {_quoted(*notices)}\nSPDX-License-Identifier = {_quoted(licence)}\n"
    )


def _quoted(*words: str) -> str:
    """A basic string of TOML, or a list of them."""
    if len(words) != 1:
        return "[\n" + "".join(f"    {_quoted(word)},\n" for word in words) + "]"
    signs = (
        f"\\{c}" if c in '"\\' else c if c.isprintable() or "\ud7ff" < c < "\ue000" else f"\\U{ord(c):08x}"
        for c in words[0]
    )
    return f'"{encoded("".join(signs)).decode()}"'


# -- in: the header of a file ------------------------------------------------------------------------------------------

_BINARY = re.compile(rb"[\x00-\x06\x0e-\x1a\x1c-\x1f\x7f]")
_MARKS = ((b"\xff\xfe\0\0", "utf-32"), (b"\xff\xfe", "utf-16"), (b"\xfe\xff", "utf-16"), (b"\xef\xbb\xbf", "utf-8-sig"))
_LOOKED = 2048  # bytes that tell whether it is text
_LICENCE = re.compile(r"SPDX-License-Identifier:(.*)")
_NOTICE = re.compile(r"SPDX-(?:File|Snippet)CopyrightText:(?P<tagged>.*)|(?P<bare>(?:Copyright(?:\s|©|\([Cc]\))|©).*)")
_BLANK = re.compile(  # of a template that nobody filled in
    r"\b(?:YEAR|YYYY)\b|THE PACKAGE'S COPYRIGHT HOLDER|[<\[{(]\s*(?i:years?|yyyy|name of|copyright holder|your name)"
)
_ENDINGS = re.compile(r"""(?:\*/|\*\)|--%?>|--\}\}|-/|=\#|\*\#|'/|\#\}|:\)|\}|["']\s*/*>|\]\s*::)$""")
_BARE, _BARE_LENGTH, _ROOM = 100, 500, 20_000  # more lines, or characters, with a © are what the file is about


def header(data: bytes) -> Rights | None:
    """What the beginning of a file says of the whole: its SPDX tags and copyright notices. None for a binary file and
    for one that says nothing; Malformed for a licence that is none. Snippets and ignored blocks are passed over."""
    if not any(mark in data for mark in (b"SPDX-", b"Copyright", b"\xa9", b"\xff\xfe", b"\xfe\xff")):
        return None
    named: list[str] = []
    tagged: list[str] = []
    bare: list[str] = []
    inside = 0
    for line in _shown(text(data)).split("\n"):
        inside = max(0, inside + ("SPDX-SnippetBegin" in line) - ("SPDX-SnippetEnd" in line))
        if inside:
            continue
        if notice := _NOTICE.search(line):
            if notice["bare"] and _BLANK.search(notice["bare"]):
                continue
            said, into = (notice["bare"], bare) if notice["tagged"] is None else (notice["tagged"], tagged)
            into.append(_bared(line[: notice.start()], said.strip()))
        elif found := _LICENCE.search(line):
            named.append(_bared(line[: found.start()], found[1].strip()))
    bare = bare if len(bare) <= _BARE and all(len(each) <= _BARE_LENGTH for each in bare) else []
    if sum(len(each) + 1 for each in (*tagged, *bare)) > _ROOM:
        bare = []
    return _rights(named, (*tagged, *bare))


def text(data: bytes) -> str:
    """The text in UTF-8 that the bytes are; empty where they are none."""
    for mark, encoding in _MARKS:
        if data.startswith(mark):
            return data.decode(encoding, "replace")
    if _BINARY.search(data, 0, _LOOKED):
        return ""
    try:
        data[:_LOOKED].decode()
        return data.decode(errors="replace")
    except UnicodeDecodeError as error:
        cut = error.end >= _LOOKED - 3 and error.reason == "unexpected end of data"
        western = not cut and not re.search(rb"[\x80-\x9f]", data[:_LOOKED])
        return data.decode("latin-1" if western else "utf-8", "replace")


def _shown(text: str) -> str:
    """Without what stands between REUSE-IgnoreStart and REUSE-IgnoreEnd."""
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    kept, at = [], 0
    while (start := text.find("REUSE-IgnoreStart", at)) >= 0:
        kept.append(text[at:start])
        end = text.find("REUSE-IgnoreEnd", start)
        at = end + len("REUSE-IgnoreEnd") if end >= 0 else len(text)
    return "".join((*kept, text[at:]))


def _bared(before: str, text: str) -> str:
    """Without the end of a comment: one of many languages, or the mirror of what the line began with."""
    if mirror := before.strip()[::-1]:
        text = text.removesuffix(mirror).rstrip()
    for _ in range(16):
        ending = _ENDINGS.search(text, max(0, len(text) - 64))
        if ending is None:
            break
        text = text[: ending.start()].rstrip()
    return text


def _rights(named: Iterable[str], notices: Iterable[str]) -> Rights | None:
    licence = _expression([text for text in named if text])
    copyright = "\n".join(dict.fromkeys(text for text in notices if text))
    return Rights(licence=licence, copyright=copyright) if licence or copyright else None


def _expression(named: Sequence[str]) -> str:
    """All of them together, in the one spelling; "" for none."""
    if not named:
        return ""
    try:
        return str(parse(" AND ".join(dict.fromkeys(f"({text})" for text in named)) if len(named) > 1 else named[0]))
    except LicenceError as error:
        near = error.suggestions if isinstance(error, UnknownLicence) else ()
        near = error.candidates if isinstance(error, AmbiguousLicence) else near
        hint = f"did you mean {', '.join(near[:8])}? " if near else ""
        hint += 'If the file only quotes this, let REUSE.toml say what holds, with precedence = "override"'
        raise Malformed(str(error), hint=hint) from error


@dataclass(frozen=True, slots=True, kw_only=True)
class Annotation:
    """An annotation: the paths it covers, "closest", "aggregate" or "override", and what it says ("" for nothing).
    `said` are its paths as they stand there, NFC, with what each covers."""

    said: tuple[tuple[str, re.Pattern[str] | str], ...]
    precedence: str
    licence: str
    copyright: tuple[str, ...]
    paths: frozenset[str]
    globs: tuple[re.Pattern[str], ...]

    def covers(self, path: str) -> bool:
        """Whether the annotation is about the file at `path`, counted from the folder of its REUSE.toml."""
        return path in self.paths or any(glob.fullmatch(path) for glob in self.globs)


def _alike(path: str) -> list[str]:
    """The path of an annotation in other spellings, folded."""
    found = (each for each in spellings(path) if len(each) <= 4 * names.PATH)
    return [each for each in found if "*" in each or "*" not in path]


def _sorted(said: Iterable[tuple[str, re.Pattern[str] | str]]) -> dict[str, Any]:
    globs = [glob for _, glob in said]
    return {
        "paths": frozenset(glob for glob in globs if isinstance(glob, str)),
        "globs": tuple(glob for glob in globs if not isinstance(glob, str)),
    }


def toml(text: str) -> tuple[Annotation, ...]:
    """The annotations of a `REUSE.toml`; of those that cover a file the last counts. Malformed for anything else."""
    if len(text) > LIMIT:
        raise TooLarge(f"a REUSE.toml of more than {LIMIT >> 20} MiB")
    table = texts.load_toml(text)
    if table.get("version") != 1 or isinstance(table["version"], bool):
        raise Malformed("a REUSE.toml says version = 1")
    return tuple(_rule(row) for row in texts.rows("annotations", table.get("annotations")))


def _rule(row: Mapping[str, Any]) -> Annotation:
    said = [(path, _glob(path)) for path in map(_relative, _listed("path", row))]
    precedence = row.get("precedence", "closest")
    if not said or precedence not in ("closest", "aggregate", "override"):
        raise Malformed("an annotation has a path, and its precedence is closest, aggregate or override")
    notices = (line.removeprefix("SPDX-FileCopyrightText:").strip() for line in _listed("SPDX-FileCopyrightText", row))
    return Annotation(
        said=tuple(said),
        **_sorted(said),
        precedence=precedence,
        licence=_expression(_listed("SPDX-License-Identifier", row)),
        copyright=tuple(notices),
    )


def _relative(path: str) -> str:
    """As names are spelt: NFC, and from the folder of the REUSE.toml without a "./"."""
    return re.sub(r"\A(?:\./+)+(?=.)", "", unicodedata.normalize("NFC", path))


def _listed(key: str, row: Mapping[str, Any]) -> list[str]:
    value = row.get(key, [])
    return list(texts.words(key, [value] if isinstance(value, str) else value))


def _glob(glob: str) -> re.Pattern[str] | str:
    r"""A plain path, or a pattern: `\` takes the meaning from what follows, `*` is anything within a folder, `**`
    anything, and the "/" after it.

    What lies before a wildcard is matched where it first can be, once and for all, so that no pattern runs away: what a
    later place would leave to the wildcard is less.
    """
    if len(glob) > 4 * names.PATH:
        raise Malformed(f"a path of an annotation is too long: {glob[:80]!r}…")
    parts = [[""]]  # of texts between "*", between "**"
    for token in re.findall(r"\\.|\*\*+/*|.", glob, re.DOTALL):
        if token.startswith("**"):
            parts.append([""])
        elif token == "*":
            parts[-1].append("")
        else:
            parts[-1][-1] += token[-1]
    if parts == [parts[0][:1]]:
        return parts[0][0]
    *heads, (*before, end) = parts
    written = [_first(head) if n == 0 else f"(?>.*?{_first(head)})" for n, head in enumerate(heads)]
    written += [".*"] if heads else []
    written += [_first(before), "[^/]*"] if before else []
    return re.compile("".join(written) + re.escape(end), re.DOTALL)


def _first(texts: Sequence[str]) -> str:
    return re.escape(texts[0]) + "".join(f"(?>[^/]*?{re.escape(text)})" for text in texts[1:])


def rights(paths: Collection[str], read: Callable[[str], bytes], heard: Heard | None = None) -> dict[str, Rights]:
    """What a folder says of each of its files that is data; those of which nothing is said are left out. `read` gives
    what of a file may speak for it, and all of a `.license` file or REUSE.toml. Malformed names the file; who has
    `heard` is told, and also of annotations that cover no file."""
    reading, present = Reading(heard), frozenset(paths)
    if ".reuse/dep5" in present:
        reading.take("licence", _dep5, None)
    tables: dict[str, tuple[Annotation, ...]] = {}
    for path in sorted(each for each in present if each.split("/")[-1] == FILE):
        tables[path.removesuffix(FILE)] = reading.take("licence", partial(_table, path, read), ())
    if len(present) * sum(len(rule.globs) for rules in tables.values() for rule in rules) > _MATCHES:
        raise TooLarge("too many wildcards in REUSE.toml for so many files", hint="name folders with one wildcard each")
    folder = _Folder(present, tables)
    found = {
        path: reading.take("licence", partial(_resolved, path, folder, read), None)
        for path in sorted(present)
        if not is_about(path)
    }
    reading.heard.notes += folder.idle()
    return {path: each for path, each in found.items() if each}


def _dep5() -> None:
    raise Malformed(".reuse/dep5 is not read", hint="`reuse convert-dep5` writes a REUSE.toml from it")


class _Folder:
    """The files there are, and the rules of the REUSE.toml in each folder. A path of a rule that no file has as it is
    spelt covers its like: names are compared as on disks where two such cannot stand side by side."""

    def __init__(self, present: Collection[str], tables: Mapping[str, tuple[Annotation, ...]]) -> None:
        self._tables = tables
        self._sidecars = {names.fold(path): path for path in present if path.endswith(".license")}
        self._near: dict[str, list[Annotation]] = {}
        self._idle: dict[str, list[str]] = {}
        for folder, rules in tables.items():
            inside = frozenset(path[len(folder) :] for path in present if path.startswith(folder))
            folded = frozenset(map(names.fold, inside))
            self._near[folder] = [self._nearly(folder, rule, inside, folded) for rule in rules]

    def _nearly(self, folder: str, rule: Annotation, inside: Collection[str], folded: Collection[str]) -> Annotation:
        said: list[tuple[str, re.Pattern[str] | str]] = []
        for text, glob in rule.said:
            if not _covers(glob, inside):
                near = [_glob(each) for each in _alike(text)]
                said += [(text, each) for each in near if _covers(each, folded)] or self._note(folder, text)
        return replace(rule, said=tuple(said), **_sorted(said))

    def _note(self, folder: str, path: str) -> list[Any]:
        self._idle.setdefault(f"{folder}{FILE}", []).append(path)
        return []

    def sidecar(self, path: str) -> str | None:
        return self._sidecars.get(names.fold(f"{path}.license")) if self._sidecars else None

    def rule(self, folder: str, path: str) -> Annotation | None:
        """The last of a folder's rules that covers a file as it is spelt, else the last that covers its like."""
        rules = self._tables.get(folder)
        if not rules:
            return None
        inside = path[len(folder) :]
        exact = next((rule for rule in reversed(rules) if rule.covers(inside)), None)
        if exact is not None:
            return exact
        folded = names.fold(inside)
        return next((rule for rule in reversed(self._near[folder]) if rule.covers(folded)), None)

    def idle(self) -> list[str]:
        """Notes on paths of annotations that no file has."""
        return [
            f"{table} has an annotation of {paths[0][:_SAID]!r}, which covers no file"
            if len(paths) == 1
            else f"{table} has annotations of {len(paths)} paths that cover no file, {paths[0][:_SAID]!r} among them"
            for table, paths in self._idle.items()
        ]


def _covers(glob: re.Pattern[str] | str, paths: Collection[str]) -> bool:
    return glob in paths if isinstance(glob, str) else any(glob.fullmatch(path) for path in paths)


_SAID = 200  # characters of somebody's path that a note repeats


def _table(path: str, read: Callable[[str], bytes]) -> tuple[Annotation, ...]:
    try:
        return toml(read(path).decode("utf-8-sig"))
    except UnicodeDecodeError as error:
        raise Malformed(f"{path} is not UTF-8") from error
    except (Malformed, TooLarge) as error:
        raise type(error)(f"{path}: {error.message}", hint=error.hint) from error


def _resolved(path: str, folder: _Folder, read: Callable[[str], bytes]) -> Rights | None:
    """The precedence of REUSE: from the top folder down, until one overrides; the closest fills what is not said."""
    said: list[Annotation] = []
    folders = path.split("/")[:-1]
    for depth in range(len(folders) + 1):
        rule = folder.rule("".join(f"{each}/" for each in folders[:depth]), path)
        if rule is not None:
            said.append(rule)
            if rule.precedence == "override":
                break
    over = [rule for rule in said if rule.precedence == "override"]
    where = folder.sidecar(path) or path
    try:
        own = None if over else header(read(where))
    except Malformed as error:
        raise Malformed(f"{where}: {error.message}", hint=error.hint) from error
    firm = [*over, *(rule for rule in said if rule.precedence == "aggregate")]
    close = [rule for rule in reversed(said) if rule.precedence == "closest"]
    licences = [rule.licence for rule in firm] + ([own.licence] if own else [])
    notices = [line for rule in firm for line in rule.copyright] + (own.copyright.split("\n") if own else [])
    settled = over[0] if over else own
    if settled is None or not settled.licence:
        licences += [rule.licence for rule in close if rule.licence][:1]
    if settled is None or not settled.copyright:
        notices += next((list(rule.copyright) for rule in close if rule.copyright), [])
    return _rights(licences, notices)
