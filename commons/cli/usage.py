"""A command line that is wrong, in words of ours: what is wrong with it, what was meant, and where its use is shown.

Whatever click refuses is told here, in one place, and what is typed is judged by the types of this file and by
`terminal.PLACE`: so nothing that click says itself is seen.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import click

from commons.cli import stop

_SAID = 60  # characters of a word that are repeated


class Wrong(click.BadParameter):
    """A word that does not belong where it stands: `message` says why, `near` what may have been meant."""

    def __init__(self, message: str, param: click.Parameter | None = None, near: Sequence[str] = ()) -> None:
        super().__init__(message, param=param)
        self.near = near


class Whole(click.ParamType[int]):
    """The type of every argument and option that is a whole number."""

    name = "integer"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """The number that a word is. Wrong for anything else, and for more than 18 digits.

        >>> WHOLE.convert("-12", None, None)
        -12
        """
        if isinstance(value, int):
            return value
        if not re.fullmatch(r"[-+]?[0-9]{1,18}", str(value)):
            raise Wrong(f"{_quoted(value)} is no whole number", param)
        return int(value)


class OneOf(click.Choice[str]):
    """The type of every argument and option that is one of a few words."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """The word itself. Wrong, with those that are spelt like it, for one that is none of the few."""
        if value not in self.choices:
            raise Wrong(f"{_quoted(value)} is none of {', '.join(self.choices)}", param, near(str(value), self.choices))
        return str(value)


WHOLE = Whole()


def near(word: str, words: Iterable[str]) -> list[str]:
    """Those of `words` that are spelt much like `word`, the likeliest first; at most three.

    >>> near("--frm", ["--from", "--no-serve"])
    ['--from']
    """
    with stop.AtOnce():
        from difflib import get_close_matches

    return get_close_matches(word, dict.fromkeys(words), cutoff=0.7)


def explained(error: click.UsageError, main: click.Group, words: Sequence[str]) -> tuple[str, str]:
    """What is wrong with the command line `words` of `main`, and what to do next."""
    path, at, rest = _reached(main, words)
    typed = " ".join(path)
    meant: Sequence[str] = ()
    match error:
        case Wrong():
            what, meant = f"{_name(error.param)}: {error.message}" if error.param else error.message, error.near
        case click.NoSuchOption(option_name=name):
            what, meant = f"`{typed}` has no option {name[:_SAID]}", near(name, _options(at))
            if at is not main and (shared := _option(main, name)):
                value = [] if shared.is_flag else ["…"]
                return what, f"it stands before the command: `{' '.join([path[0], name, *value, *path[1:]])}`"
        case click.BadOptionUsage(option_name=name):
            option = _option(at, name)
            what = f"{name} takes no value" if option and option.is_flag else f"{name} wants a value after it"
        case click.MissingParameter(param=click.Parameter() as param):
            listed = f", one of {', '.join(param.type.choices)}" if isinstance(param.type, click.Choice) else ""
            what = f"`{typed}` needs {_name(param)}{listed}"
        case _ if isinstance(at, click.Group) and not rest:
            return f"`{typed}` needs a command", f"`{typed} --help` lists them"
        case _ if isinstance(at, click.Group):
            what, meant = f"`{typed}` has no command {_quoted(rest[0])}", _commands(main, path, rest[0])
        case _:
            extra = at.make_parser(click.Context(at)).parse_args(list(rest))[1]
            what = f"`{typed}` has no place for {', '.join(map(_quoted, extra))}"
    asked = f"did you mean {', '.join(meant)}? " if meant else ""
    return what, f"{asked}`{typed} --help` shows how it is used"


def _reached(main: click.Group, words: Sequence[str]) -> tuple[list[str], click.Command, list[str]]:
    """The command that a command line names, how it is typed, and the words after it."""
    path, at, rest = ["commons"], main, list(words)
    found: click.Command = main
    while isinstance(found, click.Group) and rest:
        at, word = found, rest[0]
        if option := _option(at, word.partition("=")[0]):
            many = 1 if option.is_flag or "=" in word else 2
            if len(rest) < many or (option.is_flag and "=" in word):
                break
            del rest[:many]
        elif word == "--":
            del rest[0]
        elif word in at.commands:
            found = at.commands[rest.pop(0)]
            path.append(word)
        else:
            break
    return path, found, rest


def _option(command: click.Command, name: str) -> click.Option | None:
    return next((each for each in command.params if isinstance(each, click.Option) and name in each.opts), None)


def _options(command: click.Command) -> list[str]:
    return [name for each in command.params if isinstance(each, click.Option) for name in each.opts]


def _commands(main: click.Group, path: Sequence[str], word: str) -> list[str]:
    """The commands that may be meant by `word` after `path`: those of this name, or of the one most like it, the
    nearest place first; at most three."""
    every = sorted(_every(main, path[:1]), key=lambda each: each[:-1] != list(path))
    names = near(word, (each[-1] for each in every))[:1]
    return [f"`{' '.join(each)}`" for each in every if each[-1] in names][:3]


def _every(group: click.Group, path: Sequence[str]) -> Iterator[list[str]]:
    for name, command in group.commands.items():
        yield [*path, name]
        if isinstance(command, click.Group):
            yield from _every(command, [*path, name])


def _name(param: click.Parameter) -> str:
    """How a parameter is typed: --days, or PROPOSAL."""
    return max(param.opts, key=len) if isinstance(param, click.Option) else param.human_readable_name


def _quoted(word: object) -> str:
    return repr(str(word)[:_SAID])
