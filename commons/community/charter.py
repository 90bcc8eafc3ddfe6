"""A charter as a file: TOML that people write, and the value that a log begins with."""

from __future__ import annotations

from typing import Any

from commons.core.crypto import ids
from commons.core.dataset import address
from commons.core.state import rules
from commons.core.state.charter import Charter, College, Power, check_founding
from commons.core.state.community import Community
from commons.core.tlog import cosignature
from commons.disk.home import Found, keeper
from commons.errors import Malformed, Refused
from commons.metadata import texts

Told = dict[str, Any]

_SEE = "see docs/communities.md for one"
_WORDS: dict[type[Any], str] = {str: "a text", int: "a whole number", list: "a list", dict: "a table"}


def founding(text: str, now: int) -> Found:
    """A function that makes, of a home's keys, the charter that a TOML `text` describes. "me" in a college is whoever
    founds it. Malformed, with what is wrong."""
    said = read(text)
    if said.get("rules", rules.FIRST) != rules.FIRST:
        raise Malformed(f"a commons begins with rules {rules.FIRST}", hint="later ones come by amend-charter")
    return lambda keys: check_founding(_reachable(_charter(said, keeper(keys), now, keys.identity.peer)))


def amended(text: str, community: Community) -> Charter:
    """Another charter of the same log and registrar, as a TOML `text` describes it; "me" is the registrar. A college
    that there is already keeps the members that it has by now, whatever the file says."""
    old, said = community.charter, read(text)
    listed, now = said.get("colleges", {}), community.colleges
    if isinstance(listed, dict):
        said["colleges"] = {name: [] if name in now else listed[name] for name in listed}
    said.setdefault("custodians", community.custodians)
    kept = {name: getattr(old, name) for name in ("registrar", "log_key", "next_key")}
    return _reachable(_charter(said, kept, old.time, old.registrar))


def number(text: str, community: Community) -> int | None:
    """The number of the later rules that a charter in TOML asks for; None for those in force. Refused for earlier ones:
    they are never taken back."""
    now = community.numbers[-1][1]
    asked: int = _of(read(text).get("rules", now), int)
    if asked < now:
        raise Refused(f"this commons goes by rules {now}, and never goes back to rules {asked}")
    return asked if asked > now else None


def _reachable(charter: Charter) -> Charter:
    """Malformed where a witness is at no address that can be dialled: it would never sign."""
    for each in cosignature.quorum(charter.witnesses).witnesses:
        if each.url is not None:
            address.read(each.url)
    return charter


def read(text: str) -> Told:
    """The words of a charter in TOML. Malformed for what is no TOML, or has a word that no charter has."""
    try:
        said = texts.load_toml(text)
    except Malformed as error:
        raise Malformed(f"the charter is {error.message}", hint=_SEE) from error
    unknown = set(said) - {"name", "purpose", "readers", "retention_days", "ratchets", "rules", "witnesses",
                           "custodians", "colleges", "powers"}  # fmt: skip
    if unknown:
        raise Malformed(f"a charter has no {min(unknown)!r}", hint="see docs/communities.md for what it has")
    return said


def _charter(said: Told, kept: Told, now: int, me: str) -> Charter:
    days = said.get("retention_days")
    try:
        return Charter(
            name=_of(said.get("name", ""), str),
            purpose=_of(said.get("purpose", ""), str),
            time=now,
            colleges=tuple(
                College(name=name, members=tuple(sorted({_peer(each, me) for each in _of(peers, list)})))
                for name, peers in sorted(_of(said.get("colleges", {}), dict).items())
            ),
            powers=tuple(
                Power(action=action, rule=_of(_of(power, dict)["rule"], str), days=_of(power.get("days", 14), int))
                for action, power in sorted(_of(said.get("powers", {}), dict).items())
            ),
            readers=_of(said.get("readers", "members"), str),
            retention_days=None if days is None else _of(days, int),
            witnesses=_of(said.get("witnesses", ""), str),
            custodians=_of(said.get("custodians", ""), str),
            ratchets=tuple(sorted(_of(each, str) for each in _of(said.get("ratchets", []), list))),
            **kept,
        )
    except KeyError as error:
        raise Malformed("the charter is not well formed: a power without a rule", hint=_SEE) from error


def _of(value: Any, kind: type[Any]) -> Any:
    if type(value) is not kind:
        said = f"{str(value)[:60]!r} where {_WORDS[kind]} belongs"
        raise Malformed(f"the charter is not well formed: {said}", hint=_SEE)
    return value


def _peer(word: Any, me: str) -> str:
    return me if word == "me" else ids.check_peer(_of(word, str))
