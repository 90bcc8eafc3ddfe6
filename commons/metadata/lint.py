"""What contradicts itself in the terms of a dataset, told before they are signed. Warnings, with stable codes; what is
impossible is an error elsewhere.

By words, where it looks for words: a hint to a person, who decides.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from commons.core.dataset.rule import Rule
from commons.core.dataset.terms import Terms
from commons.metadata import licensing
from licences import Licence

CODES = {
    "RIGHTS_RESERVED": "a licence for everybody, and words that reserve all rights",
    "DOWNSTREAM_RESTRICTION": "a licence that lets everybody pass copies on, with a condition that forbids it",
    "CONDITIONS_BESIDE_LICENCE": "conditions beside a licence which allows no further ones",
    "ND_INVITES_DERIVATIVES": "no derivatives, with derivatives invited",
    "NC_GRANTS_COMMERCIAL": "non-commercial, with a commercial purpose granted",
    "NC_ND_ON_DATA": "NonCommercial or NoDerivatives on data, which Creative Commons advises against",
    "GOVERNED_ACCESS": "who gets the key is governed, but the licence lets recipients pass copies on",
    "INCOMPLETE_CREDIT": "a licence before 4.0 without a copyright notice or a source",
    "DB_RIGHTS_NOT_LICENSED": "a version that does not cover database rights",
    "MARK_NOT_LICENCE": "a mark, which is no licence",
    "RETIRED": "a licence its steward withdrew",
    "NOT_INTERPRETED": "a licence that nobody but a reader can judge",
}

_NO_SHARING = re.compile(
    r"\b(?:(?:do|may|must|shall|can) ?not|don't|never|no|without) (?:be )?(?:\w+ ){0,2}?"
    r"(?:re-?distribut\w*|re-?shar\w*|shar(?:e|ed|ing)|re-?publish\w*|pass(?:ed|ing)? (?:\w+ )?on|copy|copied|copying)"
    r"|\bconfidential\b|\bne pas (?:redistribuer|partager|diffuser)\b|\binterdi\w+ de (?:redistribuer|partager)\b",
    re.IGNORECASE,
)
_NO_REMIX = re.compile(
    r"\b(?:remix|adapt|translat|modif|improv|extend|build (?:up)?on|deriv|fork|remanier|adapter|traduire|modifier)\w*",
    re.IGNORECASE,
)
_RESERVED = re.compile(
    r"\ball rights(?: are)? reserved\b|\btous(?: les)? droits(?: sont)? r[ée]serv[ée]s\b|\balle rechte vorbehalten\b"
    r"|\btodos (?:los derechos|os direitos) reservados\b|\btutti i diritti(?: sono)? riservati\b"
    r"|\balle rechten voorbehouden\b|\bwszelkie prawa zastrze[żz]one\b|\bno part of (?:this|the) [\w ]{1,60} may be "
    r"(?:reproduced|copied|distributed|used)\b|保留所有权利|版权所有|無断転載",
    re.IGNORECASE,
)
_GRANTS = re.compile(r"\bredistribution and use in source\b|\bpermission is hereby granted\b", re.IGNORECASE)
_ESCAPED = re.compile(r"\\u([0-9A-Fa-f]{4})")  # in JSON
_DENIED = re.compile(r"\b(?:no|not|never|without|don't|ne|sans|pas)\b", re.IGNORECASE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """A contradiction that was found: `code` is stable; `text` says what it is, `todo` what to do about it."""

    code: str
    text: str
    todo: str

    def __str__(self) -> str:
        return f"{self.text} [{self.code}]: {self.todo}"


def lint(
    terms: Terms, rule: Rule, description: str = "", texts: Mapping[str, str] | None = None
) -> tuple[Finding, ...]:
    """Contradictions in what a publisher says, and the files of these `texts` that describe the data, each once,
    gravest first."""
    known = licensing.of(terms)
    found = [w for each in known for w in (*_asked(terms, each, description), *_itself(terms, rule, each))]
    if any(each.kind in ("licence", "dedication", "mark") for each in known):
        found += _reserved(terms, {"your description": description, **(texts or {})})
    order = list(CODES)
    return tuple(sorted(dict.fromkeys(found), key=lambda finding: order.index(finding.code)))


def _reserves(text: str) -> bool:
    """Whether it keeps all rights, and is not one of the old licences of code, which begin so and go on otherwise."""
    plain = " ".join(_ESCAPED.sub(lambda code: chr(int(code[1], 16)), text).split())
    return _RESERVED.search(plain) is not None and not _GRANTS.search(plain)


def _reserved(terms: Terms, texts: Mapping[str, str]) -> Iterator[Finding]:
    """Words that keep what the licence gives."""
    said = {
        "your conditions": terms.conditions,
        "the copyright notice": terms.copyright,
        "the credit line": terms.credit_line,
        **texts,
    }
    where = [name for name, text in said.items() if text and _reserves(text)]
    if where:
        yield Finding(
            code="RIGHTS_RESERVED",
            text=f"{', '.join(where[:5])} reserves all rights, and {terms.licence} gives some to everybody",
            todo="make sure that the licence is the licensor's own word, and mend the one that is not so",
        )


def _asked(terms: Terms, each: Licence, description: str) -> Iterator[Finding]:
    """What is asked beside the licence, and contradicts it."""
    conditions, free = terms.conditions or "", each.kind in ("licence", "dedication", "mark")
    clause = f" ({where})" if (where := each.clause("downstream")) else ""
    if free and _NO_SHARING.search(conditions):
        yield Finding(
            code="DOWNSTREAM_RESTRICTION",
            text=f"your conditions forbid to pass copies on, which {each.short} allows everybody{clause}",
            todo="drop the condition, or use terms of your own: --licence LicenseRef-NAME --licence-text FILE",
        )
    elif free and conditions:
        yield Finding(
            code="CONDITIONS_BESIDE_LICENCE",
            text=f"{each.short} holds with or without your conditions{clause}",
            todo="they bind nobody unless you are the licensor and the recipient agrees; say them as a wish",
        )
    if each.kind == "licence" and not each.adaptation.share:
        for words in (description, conditions):
            if (invited := _NO_REMIX.search(words)) and not _DENIED.search(words[: invited.start()][-40:]):
                yield Finding(
                    code="ND_INVITES_DERIVATIVES",
                    text=f"your words invite to {invited[0].lower()!r}; {each.short} forbids to share changed versions",
                    todo="choose a licence without ND, or leave the invitation out",
                )
    if each.non_commercial and "product" in terms.purposes:
        yield Finding(
            code="NC_GRANTS_COMMERCIAL",
            text=f"the purpose `product` is granted, and {each.short} excludes commercial use",
            todo="choose a licence without NC, leave the purpose out, or say in --conditions who may do what",
        )


def _itself(terms: Terms, rule: Rule, each: Licence) -> Iterator[Finding]:
    """What the choice of this licence brings with it."""
    if (each.non_commercial or not each.adaptation.share) and each.kind == "licence":
        yield Finding(
            code="NC_ND_ON_DATA",
            text=f"Creative Commons advises against {each.short} for data meant for science or scholarship",
            todo="CC BY 4.0 or CC0 1.0 let others combine it with theirs",
        )
    if each.kind != "custom" and each.kind != "other" and rule.kind not in ("public", "acknowledge"):
        yield Finding(
            code="GOVERNED_ACCESS",
            text=f"the log counts first copies; {each.short} lets recipients pass them on",
            todo="terms of your own can ask them not to; nothing can stop them",
        )
    if each.elements and each.version != "4.0" and not (terms.copyright and terms.source_url):
        missing = [
            name for name, value in (("--copyright", terms.copyright), ("--source-url", terms.source_url)) if not value
        ]
        yield Finding(
            code="INCOMPLETE_CREDIT",
            text=f"{each.short} asks recipients to keep the copyright notice and the source, which are not given",
            todo=f"add {' and '.join(missing)}",
        )
    if each.kind == "licence" and each.database_rights == "not-licensed":
        yield Finding(
            code="DB_RIGHTS_NOT_LICENSED",
            text=f"{each.short} does not cover database rights, which exist in Europe beside copyright",
            todo="use version 4.0 if the data is yours",
        )
    if each.kind == "mark":
        yield Finding(
            code="MARK_NOT_LICENCE",
            text=f"{each.short} states that no copyright is known; it grants nothing",
            todo="use CC0-1.0 if the rights are yours to give up",
        )
    if each.retired:
        yield Finding(
            code="RETIRED",
            text=f"{each.short} was withdrawn in {each.retired[:4]}",
            todo="choose another for data of your own",
        )
    if each.kind == "other":
        yield Finding(
            code="NOT_INTERPRETED",
            text=f"{each.id} is carried by name; what it permits is not interpreted",
            todo="read its text",
        )
