"""What is about to be published: the publisher's words, completed by what the folder says of itself, and checked.

`prepare` signs and writes nothing. `publish` goes on from it; `licence check` stops here and tells.
"""

from __future__ import annotations

import os
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from itertools import combinations
from pathlib import Path
from typing import Annotated, Any, Required, TypedDict, Unpack

import licences
from commons.core.dataset import manifest, names
from commons.core.dataset.rights import Creator, Label, Origin, Rights, check_url, licence_ids
from commons.core.dataset.rule import Rule
from commons.core.dataset.terms import Terms
from commons.disk import folder
from commons.disk.folder import Aside, Source
from commons.errors import Conflict, Malformed, NotFound
from commons.metadata import credit, gather, licensing, lint
from commons.metadata.gather import Gathered, Passed
from licences import compat

Told = dict[str, Any]

_JUDGED = 20  # licences that others claim, or sources of different ones: more are not looked at


@dataclass(frozen=True, slots=True, kw_only=True)
class Publication:
    """What the publisher says of a dataset; None or empty is left to the folder's own metadata, whose words these
    override. `licence` in any spelling, `licence_texts` by id for each LicenseRef. `collection`: its files are
    published side by side, each under its own licence, not as one mixed work."""

    path: Path
    title: str | None = None
    licence: str | None = None
    licence_texts: tuple[tuple[str, str], ...] = ()
    creators: tuple[Creator, ...] = ()
    description: str | None = None
    keywords: tuple[str, ...] = ()
    identifier: str | None = None
    copyright: str | None = None
    credit_line: str | None = None
    source_url: str | None = None
    updated: str | None = None
    labels: tuple[Label, ...] = ()
    origins: tuple[Origin, ...] = ()
    changes: str | None = None
    conditions: str | None = None
    collection: bool = False
    access: str = "acknowledge"
    allow: tuple[str, ...] = ()
    college: str | None = None
    purposes: tuple[str, ...] = ()
    grant_days: int | None = None
    previous: str | None = None
    follow_links: bool = False
    hidden: bool = False
    ignore_metadata: tuple[str, ...] = ()


class Words(TypedDict, total=False):
    """A publication as the command line says it. What is not said is taken from the folder's own metadata, if it is
    there."""

    path: Required[Annotated[str | os.PathLike[str], "the file or folder"]]
    title: Annotated[str | None, "what it is called"]
    licence: Annotated[str | None, "CC-BY-4.0, a licence's URL or name, LicenseRef-NAME, or an SPDX expression"]
    licence_texts: Annotated[Sequence[str], "texts of LicenseRef-NAME, each as ID=TEXT, or one as TEXT"]
    creators: Annotated[Sequence[str], "whom to credit, as Name or Name <https://orcid.org/…>"]
    organisations: Annotated[Sequence[str], "organisations to credit, as Name or Name <https://ror.org/…>"]
    description: Annotated[str | None, "what it is, in a few sentences"]
    keywords: Annotated[Sequence[str], "what it is about"]
    identifier: Annotated[str | None, "a DOI or address it has elsewhere"]
    copyright: Annotated[str | None, "the copyright notice to keep"]
    credit_line: Annotated[str | None, "the licensor's own wording of the credit"]
    source_url: Annotated[str | None, "where the data comes from"]
    updated: Annotated[str | None, "the day of the data's last update, as 2030-12-31"]
    labels: Annotated[Sequence[str], "labels or notices of communities, as NAME=TEXT"]
    changes: Annotated[str | None, "what was changed, for data made from other data"]
    collection: Annotated[bool, "the files stand side by side, each under its own licence"]
    conditions: Annotated[str | None, "conditions of the licensor's own beside the licence"]
    access: Annotated[str, "public, acknowledge (if it is not said), members, allow-list, approval or vote"]
    allow: Annotated[Sequence[str], "peer ids on the allow-list"]
    college: Annotated[str | None, "with access members: only this college; with vote: any one of it decides"]
    purposes: Annotated[Sequence[str], "the only purposes allowed, by their codes"]
    grant_days: Annotated[int | None, "grants end after so many days"]
    ignore_metadata: Annotated[Sequence[str], "files of the folder whose metadata is passed over"]
    follow_links: Annotated[bool, "take what symbolic links point to; they are refused otherwise"]
    hidden: Annotated[bool, "take hidden files, and what is left out by its name as a secret"]


def from_words(**words: Unpack[Words]) -> Publication:
    """A publication of the words that the command line has."""
    rest: dict[str, Any] = {**words}
    people = [licensing.creator(each) for each in rest.pop("creators", ())]
    people += [licensing.creator(each, organisation=True) for each in rest.pop("organisations", ())]
    named = [(name, text) for name, _, text in (each.partition("=") for each in rest.pop("labels", ()))]
    texts = licensing.texts_of(rest.pop("licence_texts", ()), words.get("licence"))
    rest["keywords"] = tuple(dict.fromkeys(rest.get("keywords", ())))
    for several in ("allow", "purposes", "ignore_metadata"):
        rest[several] = tuple(rest.get(several, ()))
    return Publication(
        path=Path(rest.pop("path")), creators=tuple(people), licence_texts=tuple(texts.items()),
        labels=tuple(Label(name=name, text=text) for name, text in named), **rest,
    )  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Prepared:
    """Ready to be sealed and signed. `said` is complete; `rights` are those of files that have their own; `left` and
    `lost` are what is left out of the folder, and what of it cannot be carried; `taken` says which words come from
    which file, `passed` what files say that was not taken."""

    said: Publication
    sources: tuple[Source, ...]
    left: tuple[Aside, ...]
    lost: tuple[str, ...]
    gathered: Gathered
    rights: Mapping[str, Rights]
    taken: Mapping[str, str]
    passed: tuple[Passed, ...]
    terms: Terms
    rule: Rule
    findings: tuple[lint.Finding, ...]
    notices: tuple[str, ...]


def prepare(said: Publication) -> Prepared:
    """Read the folder, and let everything be said that must be. Malformed for what is missing or no licence, Conflict
    for what contradicts itself: two licences, a wrong hash, a mixture that no licence allows."""
    found = folder.scan(said.path, said.follow_links, said.hidden)
    sources = found.sources
    if not sources:
        raise NotFound(
            f"{said.path} holds no file" + (f" but what is left out: {aside(found.left)}" if found.left else ""),
            hint="--hidden takes what is left out by its name" if found.left else "there is nothing to publish",
        )
    ignored = frozenset(unicodedata.normalize("NFC", path.removeprefix("./")) for path in said.ignore_metadata)
    gather.check_ignored(ignored, sources)
    given = {field: word for field in gather.GIVEN if (word := getattr(said, field))}
    gathered = gather.gather(sources, given, ignored)
    headed, spared, idle = gather.own_rights(sources, given, ignored)
    rights, contradicted = gather.rights(gathered, headed, given, [source.path for source in sources])
    notices = [str(each) for each in (*gathered.faults, *spared, *contradicted)]
    notices += [*idle, *gathered.differ, *gather.compare_early(gathered, sources)]
    chosen, (said, taken) = said.licence, _complete(said, gathered)
    notes = {path: right.copyright for path, right in rights.items() if not right.licence}
    rights = {path: own for path, r in rights.items() if (own := _own(r, said)) is not None}
    said, rights, whole, mixed = _licence(said, rights, sources, chosen)
    notices += mixed
    said = replace(said, licence_texts=_texts(said, sources, gathered))
    _check_texts(said, rights)
    terms, rule = _terms(said), Rule(kind=said.access, peers=tuple(sorted(set(said.allow))), college=said.college)
    notices += _derived(said, terms, whole)
    _check_words(said)
    if found.asked:
        notices.append(f"published as --hidden asks: {aside(found.asked)}")
    return Prepared(
        said=said, sources=sources, left=found.left, lost=found.lost, gathered=gathered, rights=rights, taken=taken,
        passed=(*gathered.passed, *spared, *contradicted), terms=terms, rule=rule,
        findings=lint.lint(terms, rule, said.description or "", {**notes, **gathered.texts}), notices=tuple(notices),
    )  # fmt: skip


def aside(found: Sequence[Aside]) -> str:
    """What is left out, or would be, and why, in a line."""
    return names.listed([f"{each.path} ({each.why})" for each in found], 1000)


def _check_words(said: Publication) -> None:
    """Malformed for what no manifest holds: now, not after an hour of sealing."""
    manifest.check_words(said.title or "", said.description or "", said.keywords)
    check_url("where the data comes from", said.source_url)
    manifest.check_identifier(said.identifier)


def _own(rights: Rights, said: Publication) -> Rights | None:
    """What a file says beyond the dataset."""
    if rights.copyright != said.copyright:
        return rights
    return replace(rights, copyright="") if rights.licence else None


def _complete(said: Publication, gathered: Gathered) -> tuple[Publication, dict[str, str]]:
    """With the words of the folder, which are gathered where the publisher has none; and from which file each comes."""
    words = {field: word for field in gather.TAKEN if (word := getattr(gathered.said, field))}
    if words.get("description") == gathered.said.title:
        words.pop("description", None)  # the title again says nothing; formats that demand one are given it
    labels = tuple(dict.fromkeys((*said.labels, *gathered.said.labels)))  # none is ever dropped
    taken = {field: name for field, name in gathered.taken if field in words}
    return replace(said, **(words | {"labels": labels})), taken


def _licence(
    said: Publication, rights: dict[str, Rights], sources: Sequence[Source], chosen: str | None
) -> tuple[Publication, dict[str, Rights], str, list[str]]:
    """The expression of everything: what is named for the whole, which holds for the files that name nothing, and what
    files name for themselves. Conflict where `chosen`, the publisher's own word, would hold for no file."""
    from commons.metadata import reuse

    own: dict[str, list[str]] = {}
    for path, right in sorted(rights.items()):
        if right.licence:
            own.setdefault(right.licence, []).append(path)
    if said.licence is None and not own:
        raise Malformed("no licence was named", hint="--licence CC-BY-4.0, or let the folder's metadata name one")
    data = [s.path for s in sources if not reuse.is_about(s.path) and s.path not in gather.metadata()]
    bare = [path for path in data if not rights.get(path) or not rights[path].licence]
    if said.licence is None and bare:
        raise Malformed(
            f"no licence was named for {bare[0]}{_more(len(bare) - 1)}",
            hint="--licence names that of everything which names none itself",
        )
    whole = licensing.expression_of(said.licence) if said.licence else ""
    listed = {each for licence in own for each in licensing.members(licence)}
    notices = []
    if chosen is not None and data and not bare and not listed.issuperset(licensing.members(whole)):
        rest = [s.path for s in sources if s.path not in rights or not rights[s.path].licence]
        if not rest:
            raise Conflict(
                f"--licence {whole} would hold for no file: every one names its own, {data[0]} "
                f"{rights[data[0]].licence}{_more(len(data) - 1)}",
                hint="leave --licence out, and the files keep theirs; or pass over what one says of itself with "
                "--ignore-metadata FILE",
            )
        notices.append(f"{whole} holds for {rest[0]}{_more(len(rest) - 1)} only: all data names its own licence")
    parts = list(dict.fromkeys([*([whole] if whole else []), *own]))
    where = {each: f"{paths[0]}{_more(len(paths) - 1)}" for each, paths in own.items()} | {whole: "the dataset"}
    expression = licensing.expression_of(" AND ".join(f"({part})" for part in parts))
    notices += _mixture(parts, where, said.collection)
    if len(parts) == 1:  # the dataset's own, which need not be said of each
        rights = {path: replace(r, licence="") for path, r in rights.items() if r.copyright}
    elif whole:
        nothing = Rights(licence="", copyright="")
        found = {source.path: rights.get(source.path, nothing) for source in sources}
        rights = {path: right if right.licence else replace(right, licence=whole) for path, right in found.items()}
    return replace(said, licence=expression), rights, whole or expression, notices


def _texts(said: Publication, sources: Sequence[Source], gathered: Gathered) -> tuple[tuple[str, str], ...]:
    """The texts of LicenseRefs: given, or found where REUSE has them, in `LICENSES/`, or in other metadata."""
    given, told = dict(said.licence_texts), dict(gathered.said.texts)
    by_path = {source.path: source for source in sources}
    for id in licences.parse(said.licence or "").ids:
        if id in given or not id.startswith("LicenseRef-"):
            continue
        source = by_path.get(f"LICENSES/{id}.txt")
        text = gather.text_of(source) if source else told.get(id)
        if text is not None and told.get(id, text).strip() != text.strip():
            raise Conflict(
                f"two texts of {id}: LICENSES/{id}.txt says otherwise than the folder's metadata",
                hint=f"say which holds with --licence-text {id}=FILE",
            )
        if text is not None:
            given[id] = text
    return tuple(given.items())


def _check_texts(said: Publication, rights: Mapping[str, Rights]) -> None:
    """Malformed, with a file, for a licence of its own that files name, and whose text is nowhere."""
    for path, own in sorted(rights.items()):
        for id in licence_ids(own.licence) if "LicenseRef-" in own.licence else ():
            if id.startswith("LicenseRef-") and id not in dict(said.licence_texts):
                raise Malformed(
                    f"{path} is under {id}, a licence of somebody's own: its text is needed",
                    hint=f"--licence-text {id}=FILE, or --ignore-metadata FILE for the file that says so",
                )


def _more(count: int) -> str:
    return f" and {count} more" if count else ""


def _mixture(parts: Sequence[str], where: Mapping[str, str], collection: bool) -> list[str]:
    """Conflict, with the pair and the reason, where recipients could not use the parts together. Licences that one
    part joins are a pair, too."""
    members: dict[str, str] = {}
    for part in parts:
        for each in licensing.members(part):
            members.setdefault(each, where[part])
    notices = []
    for a, b in combinations(members, 2):
        verdict = compat.can_remix(licences.parse(a), licences.parse(b))
        reasons = "; ".join(reason.text for reason in verdict.reasons)
        if verdict.answer == "no" and not collection:
            raise Conflict(
                f"{members[a]} is under {a}, {members[b]} under {b}, which cannot be mixed: {reasons}",
                hint="--collection publishes the files side by side, each unchanged under its own licence; or leave "
                "one of them out, or ask its licensor",
            )
        apart = any(reason.code == "PRODUCED_WORK" for reason in verdict.reasons)  # of the data, not of works with it
        if apart or verdict.answer in ("no", "unknown"):
            notices.append(f"{a} and {b} stay side by side, each under its own licence: {reasons}")
    return notices


def _terms(said: Publication) -> Terms:
    """The terms a requester will acknowledge. Malformed, with what to add, where the licence asks for more."""
    licence, texts = said.licence or "", dict(said.licence_texts)
    listed = licensing.described(licence, texts)
    if unused := texts.keys() - {each.id for each in listed}:
        raise Malformed(f"the licence does not name {min(unused)}", hint=f'--licence "{licence} AND {min(unused)}"')
    asked = licensing.asked(licence, texts)
    missing = [field for field in dict.fromkeys((*asked, "title")) if not getattr(said, field)]
    if missing:
        raise Malformed(
            f"{licence} asks for attribution, so {' and '.join(missing)} must be named"
            if asked
            else "a dataset has a title",
            hint=" ".join(f"--{_OPTIONS.get(field, field)} …" for field in missing),
        )
    terms = Terms(
        licence=licence, licences=listed, title=said.title or "", creators=said.creators, copyright=said.copyright,
        credit_line=said.credit_line, source_url=said.source_url, updated=said.updated,
        labels=tuple(sorted(set(said.labels), key=lambda label: (label.name, label.text))), origins=said.origins,
        changes=said.changes, conditions=said.conditions, purposes=tuple(sorted(set(said.purposes))),
        grant_days=said.grant_days,
    )  # fmt: skip
    terms.digest()  # Malformed for what is no Unicode
    return terms


_OPTIONS = {"creators": "creator", "source_url": "source-url", "credit_line": "credit-line"}


def _derived(said: Publication, terms: Terms, whole: str) -> list[str]:
    """Conflict where what it was made from does not allow the licence of the `whole`, with the ways out."""
    if not terms.origins:
        return []
    if not said.changes and any(each.mark_modifications for each in _known(terms.origins)):
        raise Malformed(
            "the licence of a source asks that changes be marked", hint='--changes "what you changed", in a sentence'
        )
    return check_origins(terms.origins, whole)


def check_origins(origins: Sequence[Origin], licence: str) -> list[str]:
    """Whether the licences of the origins allow `licence`: Conflict, or what stays to be asked. A licence that is not
    known here is not reasoned about."""
    read = {origin.licence: _parsed(origin.licence) for origin in origins}
    asked = [
        f"based on {o.title}: {o.licence[:200]} is not known here: ask its licensor"
        for o in origins
        if read[o.licence] is None
    ]
    sources = [each for each in read.values() if each is not None]
    if not sources:
        return asked
    verdict = compat.adaptation_licences(sources, to=licences.parse(licence))
    reasons = "; ".join(f"{reason.text}{f' ({reason.clause})' if reason.clause else ''}" for reason in verdict.reasons)
    if verdict.answer == "no":
        ways = [*verdict.allowed, *verdict.conditional, *verdict.discouraged]
        raise Conflict(
            f"{licence} is impossible for what is based on "
            f"{', '.join(f'{o.title} ({o.licence})' for o in origins)}: {reasons}",
            hint=f"possible: {', '.join(ways)}"
            if ways
            else "; ".join(dict.fromkeys(reason.todo for reason in verdict.reasons)) or "ask the licensors",
        )
    if verdict.answer == "yes":
        return asked
    return [*asked, f"based on {', '.join(o.title for o in origins)}: {reasons or 'ask the licensors'}"]


def _known(origins: Iterable[Origin]) -> list[licences.Licence]:
    read = [_parsed(origin.licence) for origin in origins]
    return [licensing.licence(id) for each in read if each for id in each.ids]


def _parsed(expression: str) -> licences.Expression | None:
    try:
        return licences.parse(expression)
    except licences.LicenceError:
        return None


def impossible(terms: Terms) -> str | None:
    """Why a dataset that others published claims what its origins do not allow; None where it may be allowed, or the
    claim is too long to be judged. Some of its files may be under licences of their own: one that the origins allow is
    enough."""
    origins = tuple({origin.licence: origin for origin in terms.origins}.values())
    why = None
    for each in terms.licences if max(len(origins), len(terms.licences)) <= _JUDGED else ():
        try:
            check_origins(origins, each.id)
            return None
        except Conflict as error:
            why = error.message
        except licences.LicenceError:  # an id this version does not know
            return None
    return why


def found(ready: Prepared) -> Told:
    """What the folder says of itself: what was taken, what passed over, and what has no place in a dataset."""
    return {
        "taken": dict(ready.taken),
        "passed_over": [asdict(each) for each in ready.passed],
        "not_carried": {name: list(each) for name, each in ready.gathered.left.items()},
    }


def checked(words: Told) -> Told:
    """What publishing would say, and its errors, without sealing or signing anything."""
    return plan(prepare(from_words(**words)))


def plan(ready: Prepared) -> Told:
    """What is about to be published, file by file, and what is left out."""
    rights = {path: {"licence": r.licence, "copyright": r.copyright} for path, r in sorted(ready.rights.items())}
    return {
        "title": ready.terms.title,
        "licence": ready.terms.licence,
        "files": len(ready.sources),
        "bytes": sum(source.size for source in ready.sources),
        "rights": rights,
        **found(ready),
        "listed": [{"path": source.path, "bytes": source.size} for source in ready.sources],
        "left_out": [asdict(each) for each in ready.left],
        "notices": [*ready.notices, *ready.lost],
        "credit": credit.line(ready.terms),
        "warnings": [asdict(each) for each in ready.findings],
    }
