"""The `package.json` of npm (docs.npmjs.com/cli/configuring-npm/package-json). Only read.

Not carried, for want of a place: e-mail addresses, maintainers, `private`, and a version that is no whole number. What
a package runs and needs (scripts, dependencies …) says nothing of data, and is not told.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

import licences
from commons.core.dataset.rights import Creator
from commons.errors import Malformed
from commons.metadata import texts
from commons.metadata.description import Description
from commons.metadata.jsonld import load
from commons.metadata.reading import Heard, Reading

FILE = "package.json"

_SAYS = ("name", "version", "description", "license", "licence", "licenses", "licences", "author", "contributors")
_TAKEN = (*_SAYS, "keywords", "repository", "homepage")
_CODE = (  # what a package runs, needs and offers to other code
    "main", "module", "browser", "bin", "man", "type", "types", "typings", "exports", "imports", "files", "directories",
    "scripts", "config", "dependencies", "devDependencies", "peerDependencies", "peerDependenciesMeta",
    "optionalDependencies", "bundleDependencies", "bundledDependencies", "overrides", "engines", "os", "cpu", "libc",
    "devEngines", "packageManager", "publishConfig", "workspaces", "sideEffects", "gypfile", "$schema",
)  # fmt: skip
_HOSTS = {"": "github.com", "github": "github.com", "gitlab": "gitlab.com", "bitbucket": "bitbucket.org"}
_SHORT = re.compile(r"(?:(?P<host>github|gitlab|bitbucket):)?(?P<path>[\w.-]+/[\w.-]+)", re.ASCII)
_ELSEWHERE = re.compile(r"SEE LICEN[CS]E IN (?P<path>.+)", re.IGNORECASE | re.DOTALL)
_WEB = ("http", "https")


def read(text: str, heard: Heard | None = None) -> Description | None:
    """The description in a `package.json`; None for a file that says neither what it is nor of whom, nor under which
    licence: a mere configuration, or another's of this name."""
    package, reading = load(text), Reading(heard)
    if not set(_SAYS) & package.keys():
        return None
    reading.heard.written.update(_written(package))
    reading.leave(package, *_TAKEN, *_CODE, *(() if package.get("private") is True else ("private",)))
    if package.get("version") is not None and texts.count(package["version"]) is None:
        reading.leave({f"version: {package['version']}": package["version"]})
    source = reading.take("source_url", lambda: _repository(package.get("repository")), None)
    home = reading.take("source_url", lambda: texts.address("homepage", package.get("homepage"), _WEB), None)
    if source and home and home.partition("#")[0] != source:
        reading.leave({f"homepage: {home}": home})
    signed = [*texts.several(package.get("author")), *texts.several(package.get("contributors"))]
    return reading.described(
        title=lambda: texts.word("name", package.get("name")),
        description=lambda: texts.word("description", package.get("description")),
        creators=lambda: tuple(dict.fromkeys(reading.several("creators", signed, _person))),
        licence=lambda: _licence(package, reading),
        source_url=lambda: source or home,
        keywords=lambda: texts.keywords("keywords", package.get("keywords"), reading),
        version=lambda: texts.count(package.get("version")),
    )


def _person(value: object) -> Iterator[Creator]:
    """Of "Ana Diaz <ana@example.org> (https://example.org)", or of the same as an object."""
    if isinstance(value, str):
        found = texts.signed("an author", value)
    else:
        row = texts.mapping("an author", value)
        found = texts.creator("an author", row.get("name"), row.get("url"))
    yield from [found] if found else []


def _repository(value: object) -> str | None:
    """Where the package is kept, as an address of the web: of an address, of npm's short form ("ana/rivers"), or of an
    object with one."""
    said = value if isinstance(value, str) or value is None else texts.mapping("repository", value).get("url")
    text = (texts.word("repository", said) or "").strip().removeprefix("git+")
    if short := _SHORT.fullmatch(text):
        return f"https://{_HOSTS[short['host'] or '']}/{short['path']}"
    return texts.address("repository", re.sub(r"^git(?=://)", "https", text).removesuffix(".git"), _WEB)


# -- the licence -------------------------------------------------------------------------------------------------------


def _listed(package: Mapping[str, Any]) -> tuple[list[Any], list[Any]]:
    """What `license` says, and what the older `licenses` does, each in either spelling."""
    one, several = (
        next((package[key] for key in keys if package.get(key) not in (None, "", [], {})), None)
        for keys in (("license", "licence"), ("licenses", "licences"))
    )
    return texts.several(one), texts.several(several)


def _licence(package: Mapping[str, Any], reading: Reading) -> str | None:
    """Old lists are a choice, as npm has it. Malformed where the two fields name different licences, and for
    UNLICENSED: nobody was given any right."""
    one, several = _listed(package)
    found = texts.joined((_spelt(each, reading) for each in one), "OR")
    older = texts.joined((_spelt(each, reading) for each in several), "OR")
    if found and older and _ways(found) != _ways(older):
        raise Malformed(f"`license` is {found[:200]}, and `licenses` says {older[:200]}", hint="mend one of them")
    return found or older


def _ways(spelt: str) -> set[frozenset[str]]:
    """Which licences hold together, for each choice there is; of what is none that is known, the words."""
    try:
        return {frozenset(way) for way in licences.parse(spelt).alternatives()}
    except licences.LicenceError:
        return {frozenset({spelt})}


def _spelt(value: object, reading: Reading) -> str | None:
    row = {"type": value} if isinstance(value, str) else texts.mapping("a licence", value)
    names = [row.get(key) for key in ("type", "name", "license", "url")]
    if any(isinstance(name, str) and name.strip() == "UNLICENSED" for name in names):
        raise Malformed("UNLICENSED, which is npm's word for: nobody may use it")
    return texts.licence("a licence", *names, reading=reading)


def _written(package: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """A licence whose text is in a file: "SEE LICENSE IN terms.txt", and "SEE LICENSE IN LICENSE" as much."""
    one, several = _listed(package)
    for each in (*one, *several):
        spelt = each.get("type") if isinstance(each, dict) else each
        if not isinstance(spelt, str):
            continue
        if found := _ELSEWHERE.fullmatch(spelt.strip()):
            yield spelt.strip(), found["path"].strip().strip("<>\"'")
        elif texts.is_elsewhere(spelt):
            yield spelt.strip(), ""
