"""What a folder already says of itself, in whatever format: found, read, put together, and told from where it comes.

Metadata is a claim: a declared hash is compared with the bytes, never taken for them. Nothing remote is ever fetched.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from typing import Any

from commons import credit, licensing
from commons.core.contents import File
from commons.core.rights import Rights
from commons.disk import folder
from commons.disk.folder import Source
from commons.errors import CommonsError, Conflict, Malformed, TooLarge
from commons.metadata.description import LIMIT, Description, Entry

Reader = Callable[[str], Description | None]

# Which words are taken: those that say nothing about who publishes, when and under which number.
TAKEN = (
    "title", "description", "creators", "licence", "copyright", "credit_line", "source_url", "updated", "conditions",
    "keywords", "identifier", "labels", "origins", "changes",
)  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Gathered:
    """The words found, from which file each `field` comes, and what the files declare of others, by path."""

    said: Description
    taken: tuple[tuple[str, str], ...] = ()
    differ: tuple[str, ...] = ()
    declared: Mapping[str, tuple[tuple[str, Entry], ...]]


TEXTS = ("README.md",)  # no metadata, but for what may stand before it
_HEADER = 64 << 10  # bytes of a file in which its rights are looked for
_TEXTUAL = ("text/", "application/json", "application/xml", "image/svg", "application/javascript", "application/x-sh")
_MATTER = (b"---", b"\xef\xbb\xbf---")
_MEND = "mend it, or leave it out of the folder"


def readers() -> dict[str, Reader]:
    """By name of file, the most trusted first. Imported when somebody publishes."""
    from commons.metadata import card, citation, croissant, datacite, datapackage, dcat, rocrate, zenodo

    return {
        croissant.FILE: croissant.read, rocrate.FILE: rocrate.read, datapackage.FILE: datapackage.read,
        dcat.FILE: dcat.read, datacite.FILE: datacite.read, zenodo.FILE: zenodo.read,
        "dataset-metadata.json": zenodo.read_kaggle, citation.FILE: citation.read, "README.md": card.read,
    }  # fmt: skip


@cache
def metadata() -> frozenset[str]:
    """The names of files that are about the others and no data themselves."""
    return frozenset(readers()) - frozenset(TEXTS)


def gather(sources: Sequence[Source], given: str | None = None) -> Gathered:
    """Read every metadata file at the top of a folder. Malformed, naming the file, for one that is broken; Conflict
    where two name different licences, unless that which is `given` decides, or declare different hashes."""
    by_path = {source.path: source for source in sources}
    found: list[tuple[str, Description]] = []
    for name, read in readers().items():
        if name in by_path and (name not in TEXTS or folder.head(by_path[name], 8).startswith(_MATTER)):
            text = text_of(by_path[name])
            try:
                description = read(text)
            except CommonsError as error:
                raise type(error)(f"{name}: {error.message}", hint=error.hint or _MEND) from error
            if description is not None:
                found.append((name, description))
    return merge(found, given)


def bytes_of(source: Source) -> bytes:
    """A metadata file; TooLarge for what it is, over 16 MiB."""
    if source.size > LIMIT:
        raise TooLarge(f"{source.path}: larger than {LIMIT >> 20} MiB, which no metadata is", hint="leave it out")
    data = bytearray(source.size)
    with folder.reading(source) as fd:
        folder.fill(source, fd, memoryview(data))
    return bytes(data)


def text_of(source: Source) -> str:
    """A metadata file as text; Malformed if it is not UTF-8, TooLarge over 16 MiB."""
    try:
        return bytes_of(source).decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise Malformed(f"{source.path}: not UTF-8: {error.reason}", hint="save it as UTF-8") from error


def merge(found: Sequence[tuple[str, Description]], given: str | None = None) -> Gathered:
    """Each word from the first file that says it; those that say otherwise are told."""
    words: dict[str, Any] = {}
    taken: dict[str, str] = {}
    differ: list[str] = []
    if given is None and (licence := _licence(found)):
        words["licence"], taken["licence"] = licence
    for field in TAKEN:
        for name, description in found:
            value = getattr(description, field)
            if not value or field == "licence":
                continue
            if field not in words:
                words[field], taken[field] = value, name
            elif not _alike(field, words[field], value):
                differ.append(f"{field}: taken from {taken[field]}; {name} says otherwise")
    words["keywords"] = tuple(dict.fromkeys(words.get("keywords", ())))
    words["texts"] = _texts(found)
    for name, each in found if given is not None else ():
        if each.licence and not _alike("licence", given, each.licence):
            differ.append(f"licence: as you said; {name} says {each.licence[:200]}")
    return Gathered(
        said=Description(**words), taken=tuple(taken.items()), differ=tuple(differ), declared=_declared(found)
    )


def _texts(found: Sequence[tuple[str, Description]]) -> tuple[tuple[str, str], ...]:
    texts: dict[str, tuple[str, str]] = {}
    for name, description in found:
        for id, text in description.texts:
            before, other = texts.setdefault(id, (text, name))
            if before.strip() != text.strip():
                raise Conflict(f"two texts of {id}: in {other} and in {name}", hint="mend one of the files")
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
                hint="mend one of the files, or say which holds with --licence",
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
                    hint="mend the file, or say which holds with --licence",
                )


def _expression(spelt: str, where: str) -> str:
    try:
        return licensing.expression_of(spelt)
    except Malformed as error:
        raise Malformed(f"{where}: {error.message}", hint=error.hint) from error


def _declared(found: Sequence[tuple[str, Description]]) -> dict[str, tuple[tuple[str, Entry], ...]]:
    declared: dict[str, tuple[tuple[str, Entry], ...]] = {}
    for name, description in found:
        for entry in description.files:
            for other, before in declared.get(entry.path, ()):
                for what in ("size", "sha256", "md5"):
                    a, b = getattr(before, what), getattr(entry, what)
                    if a is not None and b is not None and a != b:
                        raise Conflict(
                            f"{other} and {name} declare a different {what} of {entry.path}", hint="mend one of them"
                        )
            declared[entry.path] = (*declared.get(entry.path, ()), (name, entry))
    return declared


def compare_early(gathered: Gathered, sources: Sequence[Source]) -> tuple[str, ...]:
    """Before the sealing: declared sizes, and hashes that the sealing does not compute. Conflict where one is wrong.
    Tells of files declared that are not there."""
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
        f"{name} lists {paths[0]}, which is not there" if len(paths) == 1
        else f"{name} lists {len(paths)} files that are not there, {paths[0]} among them"
        for name, paths in missing.items()
    )  # fmt: skip


def compare(gathered: Gathered, files: Sequence[File]) -> None:
    """After the sealing and before anything is signed: declared SHA-256 against the bytes that were sealed."""
    for file in files:
        for name, entry in gathered.declared.get(file.path, ()):
            if entry.sha256 is not None and entry.sha256 != file.sha256:
                raise _wrong(name, file.path, f"SHA-256 {entry.sha256.hex()}", file.sha256.hex())


def _wrong(name: str, path: str, declared: str, found: str) -> Conflict:
    return Conflict(
        f"{name} says that {path} has {declared}, but it has {found}",
        hint=f"is {path} the right file? Write {name} anew, or leave it out of the folder",
    )


def own_rights(sources: Sequence[Source]) -> dict[str, Rights]:
    """By REUSE: `REUSE.toml`, `.license` files, and the headers of files that are text."""
    from commons.metadata import reuse

    by_path = {source.path: source for source in sources}

    def read(path: str) -> bytes:
        source = by_path[path]
        if path.endswith((".license", "REUSE.toml")):
            return bytes_of(source)
        if not source.media_type.startswith(_TEXTUAL) and source.media_type != folder.UNKNOWN:
            return b""
        if path in metadata() or credit.is_credit(path):
            return b""  # its words are about the dataset
        data = folder.head(source, _HEADER)
        return data if len(data) < _HEADER else data[: data.rfind(b"\n") + 1] or data  # no line that is cut

    return reuse.rights(by_path, read)


def rights(gathered: Gathered, own: Mapping[str, Rights], paths: Sequence[str]) -> dict[str, Rights]:
    """What files say of themselves, by their own headers and by metadata. Conflict where these name two licences."""
    found = dict(own)
    for path in paths:
        for name, entry in gathered.declared.get(path, ()):
            if not entry.licence and not entry.copyright:
                continue
            licence = _expression(entry.licence, f"{name}, of {path}") if entry.licence else ""
            before = found.get(path, Rights(licence="", copyright=""))
            if before.licence and licence and before.licence != licence:
                raise Conflict(
                    f"two licences of {path}: it says {before.licence} itself, {name} says {licence}",
                    hint="mend one of them",
                )
            found[path] = Rights(
                licence=before.licence or licence, copyright=before.copyright or (entry.copyright or "").strip()
            )
    return found
