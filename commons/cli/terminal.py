"""What every command of the command line shares: its options, the calling of one verb, and every way out of it.

Imports nothing heavy before a verb is called. Knows no command.
"""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import sys
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any, NoReturn

import click

from commons.cli import questions, show, stop, usage
from commons.errors import (
    CommonsError,
    Internal,
    Malformed,
    NotFound,
    StorageFailed,
    TooLarge,
    Undated,
    refusal,
)

TEXT = 16 << 20  # bytes of a text file that the command line names
_PATHS = ("path", "dest", "source")  # words of a verb that name files, which need not be UTF-8


class Shell:
    """What every command shares: which home, whether it prints JSON, and how a verb is called and its result told."""

    def __init__(self, home: Path | None, as_json: bool) -> None:
        self._home, self.json = home, as_json
        self.word = False  # the owner's, that the log goes on
        self._alone = ""  # what is to be said of a log that went on by nobody's answer

    @property
    def home(self) -> Path:
        """The home's folder: as --home says, else the user's usual one. NotFound where there is no place for it."""
        if self._home is None:
            with stop.AtOnce():
                from platformdirs import user_data_path
            try:
                self._home = user_data_path("commons")
            except RuntimeError:  # no HOME, and nobody of this number in the list of users
                self._home = Path("~")
            if not self._home.is_absolute() or os.environ.get("HOME") == "":
                self._home = None
                raise NotFound(
                    "this user has no home folder, so there is no place for a home of commons",
                    hint="name one with --home, or in the environment as COMMONS_HOME",
                )
        return self._home

    def call(self, verb: str, *, bar: str = "", resumes: bool = False, **words: Any) -> dict[str, Any]:
        """The result of one verb on this home, whether or not a node runs on it; with a progress bar named `bar` on a
        terminal. Where it `resumes`, a KeyboardInterrupt says how far it came. Where the clock is in doubt, the owner
        is asked on a terminal, and it goes on by their word."""
        try:
            return self._call(verb, bar, resumes, words)
        except Undated as doubt:
            if self.json or not (sys.stdin.isatty() and sys.stderr.isatty()):
                raise
            question = f"{doubt.message[:1].upper()}{doubt.message[1:]}. Is this clock right?"
            if not questions.agreed(question, err=True):
                raise
            self._call("date", "", False, {"right": True, "commons": words.get("named")})
            return self._call(verb, bar, resumes, words)

    def _call(self, verb: str, bar: str, resumes: bool, words: dict[str, Any]) -> dict[str, Any]:
        with stop.AtOnce():
            from commons.node import control

        _check_said(words)
        done = (0, 0)

        def step(so_far: int, whole: int) -> None:
            nonlocal done
            done = (so_far, whole)
            progress(so_far, whole)

        async def work() -> dict[str, Any]:
            if self.word and verb != "go_on":
                self.word = False  # it is said once, however many verbs the command has
                about = {"named": words["named"]} if words.get("named") else {}
                self._hear(await control.run(self.home, "go_on", about, step))
            task = asyncio.ensure_future(control.run(self.home, verb, words, step))
            try:
                return await asyncio.shield(task)
            except asyncio.CancelledError:
                signal.signal(signal.SIGINT, stop.now)  # whoever does not want to wait says so once more
                task.cancel()
                await asyncio.wait([task])
                raise

        try:
            with show.progress(bar if not self.json else "") as progress:
                told = asyncio.run(work())
        except KeyboardInterrupt as error:
            if not resumes or not done[1]:
                raise
            percent = 100 * done[0] // done[1]  # through a node it lags a little behind
            place = f"{percent} %" if percent else "what is here"
            raise KeyboardInterrupt(f"stopped; the same command goes on from {place}") from error
        self._hear(told)
        return told

    def _hear(self, told: dict[str, Any]) -> None:
        """Say at once that the log went on by nobody's answer; under `--json` in the one document."""
        if (alone := told.pop("alone", "")) and self.json:
            self._alone = alone
        elif alone:
            show.put(f"Warning: {alone}.", err=True)

    def check_writable(self) -> None:
        """Nothing; StorageFailed for a home that is only read, before anybody is asked what could not be kept."""
        with stop.AtOnce():
            from commons.disk import sql
        if sql.frozen(self.home):
            raise sql.unwritable(self.home)

    def tell(self, told: dict[str, Any], human: Callable[[dict[str, Any]], None]) -> None:
        """Nothing: prints a result, as JSON, or by `human`, which says it in sentences."""
        if self.json:
            show.as_json({**told, "alone": self._alone} if self._alone else told)
        else:
            human(told)

    def fail(self, problem: CommonsError) -> NoReturn:
        """The end of a command that has told all: under `--json` its one document says what is wrong, too."""
        if self.json:
            sys.exit(problem.number)
        raise problem


class Commons(click.Group):
    """Turns whatever ends a command into a message, a hint and an exit code, in this one place. A wrong command line
    is put into words by `usage`."""

    def main(self, *args: Any, **extra: Any) -> Any:
        """The end of the process, by the exit code of whatever command was typed."""
        show.prepare()
        logging.root.addHandler(logging.NullHandler())  # a library's words are for nobody; a node has its journal
        words = extra.get("args") or (args[0] if args else None) or sys.argv[1:]
        as_json = "--json" in words
        try:
            told = super().main(*args, **{**extra, "standalone_mode": False})
            code = told if isinstance(told, int) else 0
        except click.UsageError as error:
            code = 2
            if isinstance(error, click.exceptions.NoArgsIsHelpError) and error.ctx is not None and not as_json:
                show.put(error.ctx.get_help(), err=True)  # who asks for nothing is told what there is
            else:
                show.ending(code, *usage.explained(error, self, words), as_json)
        except click.Abort as error:
            why = error.__cause__ or error.__context__  # whoever waits for an answer passes it on without
            if isinstance(why, KeyboardInterrupt):
                code = stop.CODE
                show.ending(code, str(why) or stop.WORD, "", as_json)
            else:
                code = 1
                show.ending(code, "stopped: it was not answered with yes", "", as_json)
        except CommonsError as error:
            show.error(error, as_json)
            code = error.number
        except Exception as error:
            problem = foreign(error)
            show.error(problem, as_json)
            code = problem.number
        show.close()
        sys.exit(code)


def foreign(error: Exception) -> CommonsError:
    """The error of ours for one that is not: what the system refuses, a library that is not there, and else a bug, by
    its place."""
    if isinstance(error, OSError):
        try:
            os.getcwd()
        except OSError:
            return StorageFailed("the folder you are in does not exist any more", hint="change into another one")
        where = f" at {error.filename[:200]}" if isinstance(error.filename, str) else ""
        return StorageFailed(
            f"the system refuses{where}: {refusal(error)}", hint="check free space, the path and its permissions"
        )
    if isinstance(error, ImportError) and not (error.name or "").startswith("commons"):
        return NotFound(stop.LACKING.format(error.name or "a library"), hint=stop.REINSTALL)
    ours = [at for at in traceback.extract_tb(error.__traceback__) if "/commons/" in at.filename]
    place = f" in {Path(ours[-1].filename).name}, line {ours[-1].lineno}" if ours else ""
    return Internal(
        f"a bug of ours: {type(error).__name__}{place}", hint="please report it, with what you typed and your version"
    )


def _check_said(words: dict[str, Any]) -> None:
    """Malformed for words that are no Unicode; the names of files may be any bytes."""
    for name, value in words.items():
        for each in value if isinstance(value, (list, tuple)) else [value]:
            if isinstance(each, str) and name not in _PATHS and any("\ud800" <= c <= "\udfff" for c in each):
                raise Malformed(f"not UTF-8: {each[:60]!a}", hint="type it in UTF-8")


pass_context = click.make_pass_decorator(Shell)


def _word(ctx: click.Context, _option: click.Parameter, said: bool) -> None:
    if said and (c := ctx.find_object(Shell)) is not None:
        c.word = True


go_on = click.option(
    "--go-on",
    is_flag=True,
    expose_value=False,
    callback=_word,
    help="Your word that the log goes on, though it may be an old copy. It is noted.",
)
named = click.option(
    "--in", "named", metavar="NAME", help="Which commons, by its name or id, if this home has to do with several."
)
sources = click.option("--from", "sources", multiple=True, metavar="ADDRESS", help="A peer's address or an HTTP door.")


class PathArgument(click.ParamType[Path]):
    """The type of every argument and option that names a file or a folder."""

    name = "path"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Path:
        """The path that a word means: see `place`."""
        return place(os.fspath(value))


PLACE = PathArgument()


def place(text: str) -> Path:
    """The path that a word means: with "~" and "~user" as a shell has them, also behind an "=" and in the environment,
    where no shell reads them. Malformed where there is no such folder."""
    if not text:
        raise Malformed("a path is empty", hint="name a file or a folder; the one you are in is .")
    path = os.path.expanduser(text)
    if path.startswith("~") and not os.path.lexists(path.split("/")[0]):
        raise Malformed(f"{text[:60]!r} is no user's home folder", hint="write ./~… for a folder of that name")
    return Path(path)


def source_of(text: str | None) -> str | None:
    """A log's source as verbs take it: a folder or file that is there by its whole path, anything else as it is."""
    if text is None:
        return None
    path = place(text) if text.startswith("~") else Path(text)
    try:
        there = path.exists()
    except OSError:  # too long for a name, or in a folder that nobody may look into
        there = False
    return str(path.absolute()) if there else text


def read_text(path: Path) -> str:
    """The text of a UTF-8 file that the command line names, its line ends as \\n. Malformed, TooLarge."""
    try:
        with open(path, "rb") as file:
            data = file.read(TEXT + 1)
    except OSError as error:
        raise Malformed(f"cannot read {path}: {refusal(error)}", hint="name a text file, in UTF-8") from error
    if len(data) > TEXT:
        raise TooLarge(f"{path} is larger than {TEXT >> 20} MiB", hint="name a text file, in UTF-8")
    try:
        return data.decode("utf-8").replace("\r\n", "\n")
    except UnicodeError as error:
        raise Malformed(f"{path} is not in UTF-8", hint="name a text file, in UTF-8") from error
