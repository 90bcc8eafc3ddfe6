"""Which verbs there are: each is a function, registered once, and its words are what its signature says.

A word that came from outside is checked by its type before the function is called. Knows nothing of what verbs do.
"""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from types import NoneType, UnionType
from typing import Any, Literal, Required, TypeVar, Union, get_args, get_origin, get_type_hints

import cattrs

from commons.errors import Malformed

Group = Literal["datasets", "log", "community", "custody", "witness", "node"]
F = TypeVar("F", bound=Callable[..., Awaitable[Any]])

_SAME = "are both of the same version?"


@dataclass(frozen=True, slots=True)
class Parameter:
    """One word of a verb: its type, and whether it has to be said."""

    name: str
    kind: Any
    needed: bool
    default: Any = None


@dataclass(frozen=True)
class Verb:
    """A function of a context and of words that are all named. `reads`: it works, in full or in part, on a home that
    cannot be written."""

    name: str
    group: Group
    reads: bool
    function: Callable[..., Awaitable[Any]]

    @cached_property
    def _hints(self) -> dict[str, Any]:
        return get_type_hints(self.function, include_extras=True)

    @cached_property
    def result(self) -> Any:
        """The type of what it tells."""
        return self._hints["return"]

    @cached_property
    def words(self) -> dict[str, Parameter]:
        """By name, in the order of the signature; words that several verbs share (`**words`) come last."""
        found: dict[str, Parameter] = {}
        shared: Any = None
        for name, each in [*inspect.signature(self.function).parameters.items()][1:]:
            if each.kind is inspect.Parameter.VAR_KEYWORD:
                (shared,) = get_args(self._hints[name])
                continue
            needed = each.default is inspect.Parameter.empty
            found[name] = Parameter(name, self._hints[name], needed, None if needed else each.default)
        if shared is not None:
            for name, kind in get_type_hints(shared, include_extras=True).items():
                needed = get_origin(kind) is Required
                found[name] = Parameter(name, get_args(kind)[0] if needed else kind, needed)
        return found

    def structure(self, said: Mapping[str, Any]) -> dict[str, Any]:
        """The words as the function takes them. Malformed, naming the word, for one that is missing, unknown, or no
        value of its type."""
        if unknown := [name for name in said if name not in self.words]:
            raise Malformed(f"{self.name} takes no word {str(unknown[0])[:40]!r}", hint=_SAME)
        if missing := [each.name for each in self.words.values() if each.needed and each.name not in said]:
            raise Malformed(f"{self.name} needs the word {missing[0]!r}", hint=_SAME)
        return {name: self._word(self.words[name], value) for name, value in said.items()}

    def _word(self, word: Parameter, value: Any) -> Any:
        try:
            return _strict.structure(value, word.kind)
        except Exception as error:  # cattrs: TypeError, ValueError, StructureHandlerNotFoundError …
            raise Malformed(f"{self.name}: {word.name} is {spelt(word.kind)}, not {str(value)[:40]!r}") from error


VERBS: dict[str, Verb] = {}


def verb(group: Group, *, reads: bool = False) -> Callable[[F], F]:
    """Register the function under its own name, and leave it as it is."""

    def register(function: F) -> F:
        assert function.__name__ not in VERBS, function.__name__
        VERBS[function.__name__] = Verb(function.__name__, group, reads, function)
        return function

    return register


def spelt(kind: Any) -> str:
    """A type in words, as in: text, a number, a list of text, or nothing."""
    if kind in _WORDS:
        return _WORDS[kind]
    if get_origin(kind) in (Union, UnionType):
        return ", or ".join(spelt(each) for each in get_args(kind))
    if get_origin(kind) is Literal:
        return " or ".join(map(repr, get_args(kind)))
    inner = [each for each in get_args(kind) if each is not Ellipsis]
    return f"a list of {spelt(inner[0])}" if len(inner) == 1 else f"an object of {spelt(inner[-1])} by name"


_WORDS = {str: "text", int: "a whole number", bool: "true or false", NoneType: "nothing"}


def _origin(kind: Any) -> Any:
    return get_origin(kind)


def _exactly(value: Any, kind: Any) -> Any:
    if type(value) is not kind:
        raise TypeError(f"not {_WORDS[kind]}")
    return value


def _several(value: Any, kind: Any) -> tuple[Any, ...]:
    if not isinstance(value, list | tuple):  # a text is a sequence, too
        raise TypeError("not a list")
    return tuple(_strict.structure(each, get_args(kind)[0]) for each in value)


def _perhaps(value: Any, kind: Any) -> Any:
    (inner,) = (each for each in get_args(kind) if each is not NoneType)
    return None if value is None else _strict.structure(value, inner)


_strict = cattrs.Converter(detailed_validation=False)
for _each in (str, int, bool):
    _strict.register_structure_hook(_each, _exactly)
_strict.register_structure_hook_func(lambda kind: _origin(kind) is Sequence, _several)
_strict.register_structure_hook_func(
    lambda kind: _origin(kind) in (Union, UnionType) and NoneType in get_args(kind), _perhaps
)
