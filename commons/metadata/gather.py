"""What a folder already says of itself, in whatever format: found, read, put together, and told from where it comes.

Metadata is a claim: a declared hash is compared with the bytes, never taken for them. Nothing remote is ever fetched.
What of it cannot be read is passed over and told, where the publisher has said the licence; else it might be what the
licence is told in, and publishing stops.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import cache
from typing import Any, TypeVar

from commons.core.dataset import manifest, names
from commons.core.dataset.contents import File
from commons.core.dataset.manifest import KEYWORDS
from commons.core.dataset.rights import NOTICES, Rights
from commons.disk import folder
from commons.disk.folder import Source
from commons.errors import Conflict, Malformed, NotFound, TooLarge
from commons.metadata import credit, licensing
from commons.metadata.description import LIMIT, DescribedFile, Description
from commons.metadata.reading import Fault, Heard, Reading, spellings

T = TypeVar("T")

Reader = Callable[[str, Heard | None], Description | None]
Given = Mapping[str, Any]  # what the publisher said, by field; it wins

# Which words are taken: those that say nothing about who publishes, when and under which number.
TAKEN = (
    "title", "description", "creators", "licence", "copyright", "credit_line", "source_url", "updated", "conditions",
    "keywords", "identifier", "labels", "origins", "changes",
)  # fmt: skip
GIVEN = (*TAKEN, "licence_texts")  # by publishers


@dataclass(frozen=True, slots=True, kw_only=True)
class Passed:
    """What a `file` says of a `field` ("" for all of it) and is not taken, and why."""

    file: str
    field: str
    why: str

    def __str__(self) -> str:
        return f"{self.file}: {f'{self.field} ' if self.field else ''}passed over: {self.why}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Gathered:
    """What a folder says of itself. `said` are the words found, `taken` from which file each field comes, `declared`
    what the files declare of others, by path.

    `passed` is what was not taken, `faults` those of it that nobody could, `left` what else each file says, by its own
    names, and a dataset of ours has no place for. `texts` are those of the files themselves.
    """

    said: Description
    taken: tuple[tuple[str, str], ...] = ()
    differ: tuple[str, ...] = ()
    declared: Mapping[str, tuple[tuple[str, DescribedFile], ...]]
    passed: tuple[Passed, ...] = ()
    faults: tuple[Passed, ...] = ()
    left: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    texts: Mapping[str, str] = field(default_factory=dict)


TEXTS = ("README.md",)  # no metadata, but for what may stand before it
_HEADER = 64 << 10  # bytes of a file in which its rights are looked for
_TEXTUAL = ("text/", "application/json", "application/xml", "image/svg", "application/javascript", "application/x-sh")
_MATTER = (b"---", b"\xef\xbb\xbf---")
_GRAVE = frozenset({"", "licence", "licences", "texts", "origins", "labels", "conditions"})  # terms, or all of a file
_READ_ME = re.compile(r"readme(?:\.\w+)?", re.IGNORECASE)
_LEFT = 20  # names of what has no place, told of one file; and faults of one field


def readers() -> dict[str, Reader]:
    """The readers of metadata files, by name of file, the most trusted first. They are imported here, since only
    publishing needs them."""
    from commons.metadata import (
        bagit,
        bids,
        card,
        citation,
        croissant,
        datacite,
        datacitexml,
        datapackage,
        dcat,
        npm,
        rocrate,
        zenodo,
    )

    return {
        croissant.FILE: croissant.read,
        rocrate.FILE: rocrate.read,
        datapackage.FILE: datapackage.read,
        dcat.FILE: dcat.read,
        datacite.FILE: datacite.read,
        datacitexml.FILE: datacitexml.read,
        bids.FILE: bids.read,
        zenodo.FILE: zenodo.read,
        "dataset-metadata.json": zenodo.read_kaggle,
        citation.FILE: citation.read,
        "README.md": card.read,
        npm.FILE: npm.read,
        bagit.INFO: bagit.read_info,
    }


@cache
def metadata() -> frozenset[str]:
    """The names of files that are about the others and no data themselves."""
    return frozenset(readers()) - frozenset(TEXTS)


def gather(sources: Sequence[Source], given: Given | None = None, ignored: Collection[str] = ()) -> Gathered:
    """What every metadata file at the top of a folder says, but those `ignored`. Malformed, naming the file, for one
    that cannot be read where the licence is not `given`; Conflict where two name different licences, or declare
    different hashes."""
    by_path = {source.path: source for source in sources}
    found: list[tuple[str, Description]] = []
    faults: list[Passed] = []
    left: dict[str, tuple[str, ...]] = {}
    texts: dict[str, str] = {}
    for name, read in readers().items():
        if name not in by_path or (name in TEXTS and not folder.head(by_path[name], 8).startswith(_MATTER)):
            continue
        if name in ignored:
            faults.append(Passed(file=name, field="", why="as you said"))
            continue
        heard = Heard()
        try:
            texts[name] = text_of(by_path[name])
            description = read(texts[name], heard)
            if description is not None:
                found.append((name, _with_texts(_fitting(description, heard), heard, sources)))
        except (Malformed, TooLarge) as error:
            heard.faults = {Fault(field="", why=error.message): None}
        faults += judged(name, heard.faults, given or {})
        if heard.left:
            left[name] = tuple(heard.left)[:_LEFT]
    for source in sources:
        if _READ_ME.fullmatch(source.path) and source.path not in ignored and source.path not in texts:
            texts[source.path] = folder.head(source, _HEADER).decode("utf-8", "replace")
    merged = merge(found, given, [source.path for source in sources])
    return replace(merged, passed=(*faults, *merged.passed), faults=tuple(faults), left=left, texts=texts)


def judged(name: str, faults: Iterable[Fault], given: Given) -> list[Passed]:
    """The faults of one metadata file (`name`) that may be passed over, at most 20 of a field. Malformed for a fault
    where the licence may stand, unless the publisher has `given` it."""
    for fault in faults if "licence" not in given else ():
        if fault.field in _GRAVE:
            raise Malformed(f"{name}: {_of(fault.field)}{fault.why}" if name else fault.why, hint=_said_instead(name))
    kinds: dict[str, list[Passed]] = {}
    for fault in faults:
        kinds.setdefault(fault.field, []).append(Passed(file=name, field=fault.field, why=fault.why))
    for of, found in kinds.items():
        if len(found) > _LEFT:
            found[_LEFT - 1 :] = [Passed(file=name, field=of, why=f"{len(found) - _LEFT + 1} more that are wrong")]
    return [each for found in kinds.values() for each in found]


def _of(field: str) -> str:
    return f"{field}: " if field and field != "licence" else ""


def _said_instead(name: str) -> str:
    aside = f"--ignore-metadata {name} passes over it" if name else "--ignore-metadata FILE passes over a file"
    return f"--licence says what holds, whatever stands there; {aside}"


def _fitting(description: Description, heard: Heard) -> Description:
    """The same without the words that no manifest holds, and with at most 100 keywords."""
    reading = Reading(heard)

    def fits(field: str, words: T, *checked: Any) -> T | None:
        try:
            manifest.check_words(*checked)
        except Malformed as error:
            reading.fault(field, error.message)
            return None
        return words

    title, text = description.title, description.description
    keywords = [each for each in dict.fromkeys(description.keywords) if fits("keywords", each, "T", "", (each,))]
    if len(keywords) > KEYWORDS:
        reading.fault("keywords", f"{len(keywords) - KEYWORDS} more than the {KEYWORDS} that a dataset has")
    files = tuple(
        each if len(each.copyright or "") <= NOTICES else _unsaid(each, reading) for each in description.files
    )
    return replace(
        description,
        title=fits("title", title, title, "") if title else None,
        description=fits("description", text, "T", text) if text else None,
        keywords=tuple(keywords[:KEYWORDS]),
        files=files,
    )


def _unsaid(entry: DescribedFile, reading: Reading) -> DescribedFile:
    reading.fault("files", f"{entry.path}: its copyright notices have more than {NOTICES} characters")
    return replace(entry, copyright=None)


def _with_texts(description: Description, heard: Heard, sources: Sequence[Source]) -> Description:
    """The same with a LicenseRef for each licence that is none known, but whose text is at hand: in the metadata, or in
    a file that it names."""
    inline = dict(description.texts)
    known: dict[str, str] = {}
    found: dict[str, str] = {id: text for id, text in inline.items() if id.startswith("LicenseRef-")}

    @cache
    def of(spelt: str) -> str:
        from commons.metadata import texts

        parts = texts.parts(spelt)
        own = [_own(each) for each in parts]
        return spelt if own == parts else texts.joined(own) or spelt  # prose with an "and" in it stays as it is

    def _own(spelt: str) -> str:
        if spelt in known:
            return known[spelt]
        known[spelt] = spelt
        id = spelt if spelt.startswith("LicenseRef-") else _reference(spelt)
        if id not in found and (id == spelt or not _is_licence(spelt)):
            text = inline.get(spelt) or _written(heard.written.get(spelt), sources)
            if text and text.strip():
                found[id], known[spelt] = text, id
        return known[spelt]

    licence = of(description.licence) if description.licence else None
    files = tuple(replace(each, licence=of(each.licence)) if each.licence else each for each in description.files)
    return replace(description, licence=licence, files=files, texts=tuple(sorted(found.items())))


def _is_licence(spelt: str) -> bool:
    import licences

    try:
        licences.parse(spelt)
    except licences.AmbiguousLicence:
        return True
    except licences.LicenceError:
        return False
    return True


def _reference(spelt: str) -> str:
    return f"LicenseRef-{re.sub(r'[^A-Za-z0-9.-]+', '-', spelt).strip('-.')[:60] or 'Own'}"


def _written(path: str | None, sources: Sequence[Source]) -> str | None:
    """The text of a licence in a file of the folder; "" is whichever licence file is at its top."""
    if path is None:
        return None
    by_name = {names.fold(source.path): source for source in sources}
    wanted = (
        spellings(path)
        if path
        else ("license", "license.txt", "license.md", "licence", "licence.txt", "licence.md", "copying", "copying.txt")
    )
    source = next((by_name[each] for each in wanted if each in by_name), None)
    return text_of(source) if source is not None and source.size <= _PAGES else None


_PAGES = 1 << 20  # bytes of a licence's text


def check_ignored(ignored: Collection[str], sources: Sequence[Source]) -> None:
    """Nothing; NotFound where one of the files to pass over is not in the folder."""
    for path in sorted(set(ignored) - {source.path for source in sources}):
        raise NotFound(f"there is no {path} whose metadata could be passed over", hint="name a file of the folder")


def bytes_of(source: Source) -> bytes:
    """The bytes of a metadata file; TooLarge over 16 MiB."""
    if source.size > LIMIT:
        raise TooLarge(f"larger than {LIMIT >> 20} MiB, which no metadata is")
    data = bytearray(source.size)
    with folder.reading(source) as fd:
        folder.fill(source, fd, memoryview(data))
    return bytes(data)


def text_of(source: Source) -> str:
    """A metadata file as text, in UTF-8, or in UTF-16 with its mark; Malformed if it is neither, TooLarge over 16
    MiB."""
    data = bytes_of(source)
    marked = data.startswith((b"\xff\xfe", b"\xfe\xff"))
    try:
        return data.decode("utf-16" if marked else "utf-8-sig")
    except UnicodeDecodeError as error:
        raise Malformed(f"not UTF-{16 if marked else 8}: wrong at byte {error.start + 1}") from error


def merge(
    found: Sequence[tuple[str, Description]], given: Given | None = None, paths: Collection[str] = ()
) -> Gathered:
    """What the files say together: each word from the first file that says it, unless the publisher has `given` it, and
    a note where another says otherwise. `paths` are those of the folder's files.

    >>> rivers, others = Description(title="Rivers"), Description(title="Lakes", keywords=("water",))
    >>> both = merge([("datapackage.json", rivers), ("CITATION.cff", others)])
    >>> both.said.title, both.said.keywords, [str(each) for each in both.passed]
    ('Rivers', ('water',), ['CITATION.cff: title passed over: datapackage.json says otherwise'])
    """
    given = given or {}
    words: dict[str, Any] = {}
    taken: dict[str, str] = {}
    differ: list[str] = []
    passed: list[Passed] = []
    if "licence" not in given and (licence := _licence(found)):
        words["licence"], taken["licence"] = licence
    for word in TAKEN:
        for name, description in found:
            value = getattr(description, word)
            if not value:
                continue
            if word in given and word != "labels":
                if not _alike(word, given[word], value):
                    passed.append(Passed(file=name, field=word, why="you said otherwise"))
            elif word == "licence":
                continue
            elif word not in words:
                words[word], taken[word] = value, name
            elif not _alike(word, words[word], value):
                passed.append(Passed(file=name, field=word, why=f"{taken[word]} says otherwise"))
                differ.append(str(passed[-1]))
    words["keywords"] = tuple(dict.fromkeys(words.get("keywords", ())))
    words["texts"] = _texts(found, given)
    for name, each in found if "licence" in given else ():
        if each.licence and not _alike("licence", given["licence"], each.licence):
            differ.append(f"licence: as you said; {name} says {each.licence[:200]}")
    return Gathered(
        said=Description(**words),
        taken=tuple(taken.items()),
        differ=tuple(differ),
        declared=_declared(found, paths),
        passed=tuple(passed),
    )


def _texts(found: Sequence[tuple[str, Description]], given: Given) -> tuple[tuple[str, str], ...]:
    """The texts of LicenseRefs; Conflict where two differ, unless one is given."""
    texts: dict[str, tuple[str, str]] = {}
    said = dict(given.get("licence_texts", ()))
    for name, description in found:
        for id, text in description.texts:
            before, other = texts.setdefault(id, (text, name))
            if before.strip() != text.strip() and id not in said:
                raise Conflict(
                    f"two texts of {id}: in {other} and in {name}",
                    hint=f"say which holds with --licence-text {id}=FILE",
                )
    return tuple((id, text) for id, (text, _) in texts.items())


def _alike(field: str, ours: Any, theirs: Any) -> bool:
    """Whether two spellings say the same."""
    from commons.metadata import texts

    if field == "identifier":
        return (texts.doi(ours) or ours) == (texts.doi(theirs) or theirs)
    if field == "licence":
        try:
            return licensing.expression_of(ours) == licensing.expression_of(theirs)
        except Malformed:
            return False
    return bool(ours == theirs)


def _licence(found: Sequence[tuple[str, Description]]) -> tuple[str, str] | None:
    """The one licence that the files name, and where. "cc-by" beside "CC BY 4.0" contradicts nothing, it says less."""
    import licences

    named: list[tuple[str, str]] = []
    vague: list[tuple[str, licences.AmbiguousLicence]] = []
    for name, description in found:
        _one_spelling(name, description)
        if description.licence:
            try:
                named.append((str(licences.parse(description.licence)), name))
            except licences.AmbiguousLicence as error:
                vague.append((name, error))
            except licences.LicenceError:
                _expression(description.licence, name)
    for licence, name in named[1:]:
        if licence != named[0][0]:
            raise Conflict(
                f"two licences: {named[0][1]} says {named[0][0]}, {name} says {licence}",
                hint="say which holds with --licence, or pass over one of them with --ignore-metadata FILE",
            )
    for name, several in vague:
        if not named or named[0][0] not in several.candidates:
            told = f", and {named[0][1]} says {named[0][0]}" if named else ""
            raise Conflict(f"{name}: {several}{told}", hint="say which with --licence")
    return named[0] if named else None


def _one_spelling(name: str, description: Description) -> None:
    """Conflict where one file gives a licence the id of one and the address of another."""
    import licences

    for id, url in description.licences:
        with suppress(licences.LicenceError):  # what is none is judged where it is used
            meant = licences.resolve(url).id if id and url else id
            if id and meant != licences.resolve(id).id:
                raise Conflict(
                    f"{name}: two licences: it says {id}, and gives the address of {meant}",
                    hint="say which holds with --licence",
                )


def _expression(spelt: str, name: str, of: str = "") -> str:
    try:
        return licensing.expression_of(spelt)
    except Malformed as error:
        near = f"{error.hint.partition('? ')[0]}? " if "did you mean" in error.hint else ""
        raise Malformed(f"{name}{of}: {error.message}", hint=f"{near}{_said_instead(name)}") from error


def _declared(
    found: Sequence[tuple[str, Description]], paths: Collection[str]
) -> dict[str, tuple[tuple[str, DescribedFile], ...]]:
    """What the files say of others, by the names that these have on disk."""
    present = {names.fold(path): path for path in paths}
    declared: dict[str, tuple[tuple[str, DescribedFile], ...]] = {}
    for name, description in found:
        for entry in description.files:
            path = (
                entry.path
                if entry.path in paths
                else next((present[each] for each in spellings(entry.path) if each in present), entry.path)
            )
            for other, before in declared.get(path, ()):
                for what in ("size", "sha256", "md5"):
                    a, b = getattr(before, what), getattr(entry, what)
                    if a is not None and b is not None and a != b:
                        raise Conflict(
                            f"{other} and {name} declare a different {what} of {path}",
                            hint=f"--ignore-metadata {name} passes over the one that is wrong",
                        )
            declared[path] = (*declared.get(path, ()), (name, entry))
    return declared


def compare_early(gathered: Gathered, sources: Sequence[Source]) -> tuple[str, ...]:
    """Notes on declared files that are not there. Conflict, before the sealing, where a declared size is wrong, or a
    hash that the sealing does not compute."""
    by_path = {source.path: source for source in sources}
    for path, entries in gathered.declared.items():
        source = by_path.get(path)
        if source is None:
            continue
        for name, entry in entries:
            if entry.size is not None and entry.size != source.size:
                raise _wrong(name, path, f"{entry.size} bytes", f"{source.size} bytes")
            if entry.md5 is not None and entry.sha256 is None:
                with folder.reading(source) as fd, open(fd, "rb", closefd=False) as file:
                    digest = hashlib.file_digest(file, lambda: hashlib.md5(usedforsecurity=False)).digest()
                if digest != entry.md5:
                    raise _wrong(name, path, f"MD5 {entry.md5.hex()}", digest.hex())
    missing: dict[str, list[str]] = {}
    for path, entries in gathered.declared.items():
        if path not in by_path:
            missing.setdefault(entries[0][0], []).append(path)
    return tuple(
        f"{name} lists {paths[0]}, which is not there"
        if len(paths) == 1
        else f"{name} lists {len(paths)} files that are not there, {paths[0]} among them"
        for name, paths in missing.items()
    )


def compare(gathered: Gathered, files: Sequence[File]) -> None:
    """Nothing; Conflict, after the sealing and before anything is signed, where a declared SHA-256 is not that of the
    bytes that were sealed."""
    for file in files:
        for name, entry in gathered.declared.get(file.path, ()):
            if entry.sha256 is not None and entry.sha256 != file.sha256:
                raise _wrong(name, file.path, f"SHA-256 {entry.sha256.hex()}", file.sha256.hex())


def _wrong(name: str, path: str, declared: str, found: str) -> Conflict:
    return Conflict(
        f"{name} says that {path} has {declared}, but it has {found}",
        hint=f"is {path} the right file? If it is, --ignore-metadata {name} passes over what that says",
    )


def own_rights(
    sources: Sequence[Source], given: Given, ignored: Collection[str] = ()
) -> tuple[dict[str, Rights], list[Passed], list[str]]:
    """The rights that files state by REUSE (`REUSE.toml`, `.license` files, their own headers), by path; what of it is
    passed over; and notes. Malformed where one cannot be read, and the licence is not given."""
    from commons.metadata import comments, reuse

    by_path = {source.path: source for source in sources}

    def read(path: str) -> bytes:
        source = by_path[path]
        if path.endswith((".license", "REUSE.toml")):
            return bytes_of(source)
        if not source.media_type.startswith(_TEXTUAL) and source.media_type != folder.UNKNOWN:
            return b""
        if path in metadata() or credit.is_credit(path) or path in ignored:
            return b""  # its words are about the dataset
        data = folder.head(source, _HEADER)
        data = data if len(data) < _HEADER else data[: data.rfind(b"\n") + 1] or data  # no line that is cut
        return comments.own(path, reuse.text(data)).encode("utf-8", "surrogatepass")

    heard = Heard()
    about = {path for path in ignored if reuse.is_about(path)}
    found = reuse.rights([path for path in by_path if path not in about], read, heard)
    passed = [Passed(file=path, field="", why="as you said") for path in sorted(ignored) if path not in metadata()]
    return found, [*passed, *judged("", heard.faults, given)], heard.notes


def rights(
    gathered: Gathered, own: Mapping[str, Rights], given: Given, paths: Collection[str]
) -> tuple[dict[str, Rights], list[Passed]]:
    """What files say of themselves, by their own headers and by metadata. Conflict where these name two licences, and
    none is given for the whole: else both are kept."""
    found = dict(own)
    passed: dict[tuple[str, str], list[str]] = {}
    for path in paths:
        for name, entry in gathered.declared.get(path, ()):
            before = found.get(path, Rights(licence="", copyright=""))
            licence = ""
            try:
                licence = _expression(entry.licence, name, f", of {path}") if entry.licence else ""
            except Malformed as error:
                if "licence" not in given and not _says_less(entry.licence or "", before.licence):
                    raise
                passed.setdefault((name, error.message.removeprefix(f"{name}, of {path}: ")), []).append(path)
            if before.licence and licence and not licensing.same(before.licence, licence):
                if "licence" not in given:
                    raise Conflict(
                        f"two licences of {path}: it says {before.licence} itself, {name} says {licence}",
                        hint=f"pass over one of them: --ignore-metadata {name}, or --ignore-metadata {path}",
                    )
                why = f"{licence} here, and {before.licence} elsewhere; both are kept"
                passed.setdefault((name, why), []).append(path)
                licence = licensing.expression_of(f"({before.licence}) AND ({licence})")
                before = replace(before, licence="")
            copyright = before.copyright or (entry.copyright or "").strip()
            if before.licence or licence or copyright:
                found[path] = Rights(licence=before.licence or licence, copyright=copyright)
    return found, [
        Passed(file=name, field=f"licence of {paths[0]}{f' and {len(paths) - 1} more' * (len(paths) > 1)}", why=why)
        for (name, why), paths in passed.items()
    ]


def _says_less(spelt: str, licence: str) -> bool:
    """Whether `spelt` leaves open what `licence` names."""
    import licences

    try:
        licences.parse(spelt)
    except licences.AmbiguousLicence as error:
        return licence in error.candidates
    except licences.LicenceError:
        pass
    return False
