"""Pages of docs/ that are made from the code, so that they cannot lie: `make pages` writes, `test_docs.py` compares.

`docs/commands.md`, `docs/exit-codes.md`, `docs/api.md` and `docs/control.schema.json` are made whole; of `docs/home.md`
the tables between two comments.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from pathlib import Path

import click

from commons import errors
from commons.cli import commands as everything
from commons.disk.home import FILES
from tests import verbpages

DOCS = Path(__file__).parents[1] / "docs"
MADE = "<!-- Made from the code by `make pages`: change it there. -->\n"

COMMANDS = f"""# Commands

{MADE}
Every command has `--help`. `--home PATH` (or the variable `COMMONS_HOME`) names the home, `--json` prints JSON, errors
included; both stand before the command. Each command works whether or not a node runs on that home. `--version` and
`-h` do what they do elsewhere. How a command ends is in [exit-codes.md](exit-codes.md), what `--go-on` means in
[home.md](home.md).
"""

EXIT_CODES = f"""# Exit codes

{MADE}
One number for each kind of error: it is the exit code, `error` in `--json`, and 400 + the number is the HTTP status.

"""

ENDS = {  # what no error of ours says
    0: "it is done",
    1: "you answered a question with no, or with nothing",
    2: "the command line itself was wrong",
    130: "you stopped it with Ctrl-C",
}


def every(group: click.Group, before: str = "") -> Iterator[tuple[str, click.Command]]:
    """(its whole name, the command) of each command, those of a group among the others, sorted."""
    for name, command in sorted(group.commands.items()):
        if isinstance(command, click.Group):
            yield from every(command, f"{before}{name} ")
        else:
            yield f"{before}{name}", command


def options(command: click.Command) -> list[click.Option]:
    return [param for param in command.params if isinstance(param, click.Option)]


def table(head: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    lines = [[*head], *([cell.replace("|", r"\|") for cell in row] for row in rows)]
    lines.insert(1, ["---"] * len(lines[0]))
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def text(words: str | None) -> str:
    """A help text as paragraphs of one line each."""
    paragraphs = re.split(r"\n\s*\n", (words or "").replace("\b", "").strip())
    return "\n\n".join(" ".join(paragraph.split()) for paragraph in paragraphs)


def commands() -> str:
    parts = [COMMANDS]
    for name, command in every(everything.main):
        context = click.Context(command, info_name=name)
        typed = [piece for piece in command.collect_usage_pieces(context) if piece != "[OPTIONS]"]
        parts.append(f"\n## `{' '.join([name, *typed])}`\n\n{text(command.help)}\n")
        records = [record for each in options(command) if (record := each.get_help_record(context)) is not None]
        if records:
            parts.append("\n" + table(("option", ""), ((f"`{flags}`", text(words)) for flags, words in records)))
    return "".join(parts)


def exit_codes() -> str:
    said = {int(number): words for number, words in re.findall(r"\+- \w+ +(\d+)  +(.+)", errors.__doc__ or "")}
    rows = {number: (str(number), "", words, "") for number, words in ENDS.items()} | {
        number: (str(number), kind.__name__, said[number], str(400 + number)) for number, kind in errors.KINDS.items()
    }
    return EXIT_CODES + table(("code", "kind", "what happened", "HTTP"), (rows[number] for number in sorted(rows)))


def home() -> str:
    """The page as it is, with its tables made anew."""
    files = table(("file", "what it is"), ((f"`{name}`", what) for name, (what, _) in FILES.items()))
    backup = table(("to back up", "without it"), ((f"`{name}`", lost) for name, (_, lost) in FILES.items() if lost))
    page = (DOCS / "home.md").read_text()
    for part, rows in {"files": files, "backup": backup}.items():
        begin, end = f"<!-- made: {part} -->\n", "<!-- end -->"
        before, _, rest = page.partition(begin)
        page = before + begin + rows + end + rest.partition(end)[2]
    return page


def made() -> dict[Path, str]:
    """Each page that is made, and what has to be in it."""
    return {
        DOCS / "commands.md": commands(),
        DOCS / "exit-codes.md": exit_codes(),
        DOCS / "home.md": home(),
        DOCS / "api.md": verbpages.page(),
        DOCS / "control.schema.json": verbpages.schema(),
    }


if __name__ == "__main__":
    for path, page in made().items():
        path.write_text(page)
