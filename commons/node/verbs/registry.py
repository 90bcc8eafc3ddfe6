"""Which verbs there are: each is a function, registered once, and its words are what its signature says.

A word that came from outside is checked by its type before the function is called. Knows nothing of what verbs do.
"""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal, Required, TypeVar, get_args, get_origin, get_type_hints

from commons.errors import Malformed
from commons.node.verbs.shapes import spelt, structure

Group = Literal["datasets", "log", "community", "custody", "witness", "node"]
F = TypeVar("F", bound=Callable[..., Awaitable[Any]])

SAME = "are both of the same version?"


@dataclass(frozen=True, slots=True)
class Parameter:
    """One word of a verb: its type, whether it has to be said, and where its type tells that, what it `says`."""

    name: str
    kind: Any
    needed: bool
    default: Any = None
    says: str = ""


@dataclass(frozen=True)
class Verb:
    """A function of a context and of words that are all named. `reads`: it works, in full or in part, on a home that
    cannot be written. `of_one`: it is about one community, the only one where none is named."""

    name: str
    group: Group
    reads: bool
    function: Callable[..., Awaitable[Any]]

    @property
    def of_one(self) -> bool:
        return self.group in ("community", "custody") and self.name != "rename"

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
                bare, says = get_args(get_args(kind)[0] if needed else kind)
                found[name] = Parameter(name, bare, needed, says=says)
        return found

    def structure(self, said: Mapping[str, Any]) -> dict[str, Any]:
        """The words as the function takes them. Malformed, naming the word, for one that is missing, unknown, or no
        value of its type."""
        if unknown := [name for name in said if name not in self.words]:
            raise Malformed(f"{self.name} takes no word {str(unknown[0])[:40]!r}", hint=SAME)
        if missing := [each.name for each in self.words.values() if each.needed and each.name not in said]:
            raise Malformed(f"{self.name} needs the word {missing[0]!r}", hint=SAME)
        return {name: self._word(self.words[name], value) for name, value in said.items()}

    def _word(self, word: Parameter, value: Any) -> Any:
        try:
            return structure(word.kind, value)
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
