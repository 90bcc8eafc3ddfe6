"""What every command of the command line shares: its options, the calling of one verb, and errors as exit codes.

Imports nothing heavy before a verb is called. Knows no command.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from commons import show
from commons.errors import CommonsError, Malformed


class Context:
    """The options that every command shares."""

    def __init__(self, home: Path | None, as_json: bool) -> None:
        self._home, self.json = home, as_json

    @property
    def home(self) -> Path:
        if self._home is None:
            from platformdirs import user_data_path

            self._home = user_data_path("commons")
        return self._home

    def call(self, verb: str, *, bar: str = "", **words: Any) -> dict[str, Any]:
        """One verb on this home, whether or not a node runs on it; a progress bar named `bar` on a terminal."""
        from commons import control

        with show.progress(bar if not self.json else "") as progress:
            return asyncio.run(control.run(self.home, verb, words, progress))

    def tell(self, told: dict[str, Any], human: Callable[[dict[str, Any]], None]) -> None:
        if self.json:
            show.as_json(told)
        else:
            human(told)


class Commons(click.Group):
    """Turns our errors into a message, a hint and an exit code, in this one place."""

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except CommonsError as error:
            show.error(error, as_json=bool(ctx.params.get("as_json")))
            sys.exit(error.number)
        except BrokenPipeError:
            sys.exit(0)


pass_context = click.make_pass_decorator(Context)
sources = click.option("--from", "sources", multiple=True, metavar="ADDRESS", help="A peer's address or an HTTP door.")


def read_text(path: Path) -> str:
    """A UTF-8 file that the command line names; Malformed."""
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeError) as error:
        raise Malformed(f"cannot read {path}: {error}", hint="name a text file, in UTF-8") from error
