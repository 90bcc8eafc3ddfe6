"""Documentation is executed: what a page shows being typed is typed here, and what it shows coming back must come back.

In a ```console block a line that begins with `$ ` is typed, and the lines under it are expected. `…` is any text within
a line, a line of `...` any lines, spaces count as one. In a command, a word with `…` is pasted from what was printed
before. A command fails only if the next one is `echo $?`. A node runs until its page ends.
"""

from __future__ import annotations

import re
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from commons import errors
from commons.cli import commands as everything
from tests.cli.test_cli import environment
from tests.conftest import LIMIT
from tests.forked import program

HOUSE = Path(__file__).parents[1]
PAGES = sorted([*HOUSE.glob("*.md"), *(HOUSE / "docs").rglob("*.md")])
README = HOUSE / "README.md"
PORT = "4801"  # of the pages; a free one is put in its place

Step = tuple[str, list[str]]  # what is typed, and the lines expected


def steps(page: Path) -> list[Step]:
    found: list[Step] = []
    for block in re.findall(r"^```console\n(.*?)^```", page.read_text(), re.DOTALL | re.MULTILINE):
        assert block.startswith("$ "), f"{page.name}: a console block begins with a command"
        for line in block.splitlines():
            if line.startswith("$ "):
                found.append((line[2:], []))
            else:
                found[-1][1].append(line)
    return found


def pattern(lines: list[str]) -> re.Pattern[str]:
    parts = [
        r"(?:[^\n]*\n)*?" if line == "..." else re.escape(squeeze(line)).replace("…", r"[^\n]*?") + r"\n"
        for line in lines
    ]
    return re.compile("".join(parts))


def squeeze(line: str) -> str:
    return re.sub(r" +", " ", line).strip()


class Terminal:
    """One page's folder, and all that was printed in it. `program` is called as `commons`; without one, a new
    interpreter is started each time, as for a user."""

    def __init__(self, folder: Path, program: str | None) -> None:
        self.folder, self.printed, self.code = folder, "", 0
        self.nodes: list[subprocess.Popen[str]] = []
        tools = folder / ".bin"
        tools.mkdir()
        if program is not None:
            (tools / "commons").symlink_to(program)
        else:
            (tools / "commons").write_text(f'#!/bin/sh\nexec "{sys.executable}" -P -m commons.cli "$@"\n')
            (tools / "commons").chmod(0o755)
        env = environment(folder, LC_ALL="C.UTF-8", EXAMPLES=str(HOUSE / "examples"))
        self.env = {**env, "PATH": f"{tools}:{env['PATH']}"}

    def type(self, command: str, expected: list[str]) -> None:
        typed = " ".join(self.paste(word) if "…" in word else word for word in command.split(" "))
        words = [squeeze(line) for line in expected]
        out = self.node(typed, len(words)) if " node --" in typed else self.run(typed)
        got = "".join(squeeze(line) + "\n" for line in out.splitlines())
        assert pattern(words).fullmatch(got), f"$ {typed}\n{out}\nwhere the page says:\n" + "\n".join(expected)
        self.printed += out

    def paste(self, word: str) -> str:
        before, _, after = word.partition("…")
        found = re.findall(rf"(?<!\S){re.escape(before)}\S+", self.printed)
        assert found, f"nothing was printed that {word} could stand for"
        return str(found[-1]) + after

    def run(self, typed: str) -> str:
        done = subprocess.run(
            ["bash", "-c", typed.replace("$?", str(self.code))], cwd=self.folder, env=self.env, text=True,
            timeout=LIMIT, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False,
        )  # fmt: skip
        self.code = done.returncode
        return done.stdout

    def node(self, typed: str, lines: int) -> str:
        node = subprocess.Popen(
            ["bash", "-c", f"exec {typed}"], cwd=self.folder, env=self.env, text=True, stdout=subprocess.PIPE,
            stdin=subprocess.DEVNULL,
        )  # fmt: skip
        self.nodes.append(node)
        assert node.stdout is not None
        return "".join(node.stdout.readline() for _ in range(lines))

    def close(self) -> None:
        for node in self.nodes:
            node.send_signal(signal.SIGINT)
        for node in self.nodes:
            assert node.wait(LIMIT) == 0
            assert node.stdout is not None
            node.stdout.close()


@pytest.fixture
def terminal(tmp_path: Path, page: Path) -> Iterator[Terminal]:
    opened = Terminal(tmp_path, None if page == README else program())
    yield opened
    opened.close()


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@pytest.mark.parametrize("page", [page for page in PAGES if "```console" in page.read_text()], ids=lambda p: p.name)
def test_what_a_page_shows_is_what_happens(page: Path, terminal: Terminal) -> None:
    port, story = str(free_port()), steps(page)
    for (command, expected), (following, _) in zip(story, [*story[1:], ("", [])], strict=True):
        terminal.type(command.replace(PORT, port), [line.replace(PORT, port) for line in expected])
        assert not terminal.code or following == "echo $?", f"$ {command}\nfailed: {terminal.code}"


def test_the_tutorial_goes_the_whole_way() -> None:
    typed = "\n".join(command for command, _ in steps(README))
    for verb in ("init", "node", "publish", "show", "fetch", "audit", "log export", "requests", "approve", "revoke",
                 "log erase"):  # fmt: skip
        assert f" {verb} " in f"{typed} ".replace("\n", " \n"), verb


# -- the command line and its pages -----------------------------------------------------------------------------------


def commands(group: click.Group, before: str = "") -> Iterator[tuple[str, click.Command]]:
    for name, command in group.commands.items():
        if isinstance(command, click.Group):
            yield from commands(command, f"{before}{name} ")
        else:
            yield f"{before}{name}", command


def options(command: click.Command) -> list[click.Option]:
    return [param for param in command.params if isinstance(param, click.Option)]


def test_every_command_and_option_is_documented() -> None:
    rows = {
        name.strip(" `"): row
        for row in README.read_text().splitlines() if row.startswith("| `")
        for name in row.split("|")[1].split(",")
    }  # fmt: skip
    for name, command in commands(everything.main):
        assert name in rows, f"`{name}` is not in the README's table of commands"
        missing = [flag for option in options(command) for flag in option.opts if f"`{flag}" not in rows[name]]
        assert missing == [], f"`{name}`"
    for flag in ("--home", "--json", "--version"):
        assert f"`{flag}" in README.read_text()


def test_the_table_of_commands_names_none_that_is_not_there() -> None:
    known = {name for name, _ in commands(everything.main)}
    for row in README.read_text().partition("## Commands")[2].partition("\n## ")[0].splitlines():
        if row.startswith("| `"):
            for name in row.split("|")[1].split(","):
                assert name.strip(" `") in known


def test_every_command_and_option_has_a_help_text() -> None:
    groups = [(name, command) for name, command in everything.main.commands.items() if isinstance(command, click.Group)]
    for name, command in [("commons", everything.main), *groups, *commands(everything.main)]:
        assert command.help, name
        assert [option.name for option in options(command) if not option.help] == [], name


def test_the_table_of_exit_codes_is_that_of_the_code() -> None:
    rows = re.findall(r"^\| (\d+) \| *(\w*) *\| (.*?) \| *(\d*) *\|$", README.read_text(), re.MULTILINE)
    assert len(rows) == len({code for code, *_ in rows})
    told = {int(code): (kind, int(status)) for code, kind, _, status in rows if kind}
    assert told == {kind.number: (kind.__name__, 400 + kind.number) for kind in errors.KINDS.values()}
    assert {int(code) for code, *_ in rows} - set(told) == {0, 1, 2, 130}


def test_the_errors_own_list_is_that_of_the_code() -> None:
    listed = re.findall(r"\+- (\w+) +(\d+)  ", errors.__doc__ or "")
    assert {name: int(number) for name, number in listed} == {k.__name__: k.number for k in errors.KINDS.values()}


# -- pages and what they name -----------------------------------------------------------------------------------------


def test_architecture_names_every_module_and_only_files_that_exist() -> None:
    text = (HOUSE / "docs" / "architecture.md").read_text()
    for module in (HOUSE / "commons").rglob("*.py"):
        if module.name != "__init__.py":
            assert f"`{module.stem}.py`" in text, f"{module.relative_to(HOUSE)} is not in architecture.md"
    folders = [HOUSE, *(HOUSE / "commons" / part for part in ("", "core", "disk", "net", "metadata", "commands"))]
    for named in re.findall(r"`([\w./-]+\.(?:py|md|cfg|toml)|\.ci/run|Makefile|[\w/]+/)`", text):
        assert any((folder / named).exists() for folder in folders), named


def test_pages_name_only_tests_that_exist() -> None:
    tests = "\n".join(path.read_text() for path in (HOUSE / "tests").rglob("*.py"))
    for page in PAGES:
        for named in re.findall(r"\b(test_\w+)\b(?!\.py)", page.read_text()):
            assert f"def {named}(" in tests, f"{page.name} names {named}"
        for named in re.findall(r"\btests/[\w/.]+\.(?:py|json)", page.read_text()):
            assert (HOUSE / named).is_file(), f"{page.name} names {named}"


def test_links_between_pages_lead_somewhere() -> None:
    for page in PAGES:
        for link in re.findall(r"\]\((?!https?:|mailto:)([^)#]+)", page.read_text()):
            assert (page.parent / link).exists(), f"{page.name} links to {link}"


def test_each_set_up_command_is_one_line_and_is_what_the_checks_run() -> None:
    lines = [line for line in README.read_text().splitlines() if line.startswith("python3 -m venv ")]
    assert len(lines) == 2
    assert lines[0].endswith("commons demo")
    assert lines[1].endswith("-m pytest")
    assert "grep '^python3 -m venv ' \"$checkout/README.md\"" in (HOUSE / ".ci" / "fresh").read_text()
    assert '.ci/fresh "$suite"' in (HOUSE / ".ci" / "run").read_text()
