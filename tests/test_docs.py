"""Documentation is executed: what a page shows being typed is typed here, and what it shows coming back must come back.

In a ```console block a line that begins with `$ ` is typed, and the lines under it are expected. `…` is any text within
a line, a line of `...` any lines, spaces count as one. In a command, a word with `…` is pasted from what was printed
before. A command fails only if the next one is `echo $?`. A node runs until its page ends.
"""

from __future__ import annotations

import doctest
import importlib
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
from tests import pages
from tests.cli.test_cli import environment
from tests.conftest import LIMIT
from tests.forked import program
from tests.test_house import FLOORS, SOURCES, dotted

HOUSE = Path(__file__).parents[1]
PAGES = sorted([*HOUSE.glob("*.md"), *(HOUSE / "docs").rglob("*.md")])
README, DECIDING = HOUSE / "README.md", HOUSE / "docs" / "deciding.md"
ARCHITECTURE = HOUSE / "docs" / "architecture.md"
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


SHOWN = [page for page in PAGES if "```console" in page.read_text()]


@pytest.fixture
def terminal(tmp_path: Path, started: bool) -> Iterator[Terminal]:
    opened = Terminal(tmp_path, None if started else program())
    yield opened
    opened.close()


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@pytest.mark.parametrize(
    ("page", "started"),
    [
        *(
            pytest.param(page, False, id=page.name, marks=() if page in (README, DECIDING) else pytest.mark.rest)
            for page in SHOWN
        ),
        pytest.param(README, True, id="README.md as for a user", marks=pytest.mark.long),
    ],
)
def test_what_a_page_shows_is_what_happens(page: Path, started: bool, terminal: Terminal) -> None:
    port, story = str(free_port()), steps(page)
    for (command, expected), (following, _) in zip(story, [*story[1:], ("", [])], strict=True):
        terminal.type(command.replace(PORT, port), [line.replace(PORT, port) for line in expected])
        assert not terminal.code or following == "echo $?", f"$ {command}\nfailed: {terminal.code}"


def test_the_tutorial_goes_the_whole_way() -> None:
    typed = "\n".join(command for page in (README, DECIDING) for command, _ in steps(page))
    for verb in (
        "init",
        "node",
        "publish",
        "show",
        "fetch",
        "audit",
        "log export",
        "requests",
        "approve",
        "revoke",
        "log erase",
    ):
        assert f" {verb} " in f"{typed} ".replace("\n", " \n"), verb


def test_the_first_page_is_read_in_five_minutes() -> None:
    assert len(README.read_text().splitlines()) <= 200


# -- pages made from the code, and the command line -------------------------------------------------------------------


@pytest.mark.parametrize("page", pages.made(), ids=lambda page: page.name)
def test_a_page_that_is_made_from_the_code_says_what_the_code_says(page: Path) -> None:
    assert page.read_text() == pages.made()[page], "`make pages` writes it"


def test_every_command_and_option_is_documented() -> None:
    page = (HOUSE / "docs" / "commands.md").read_text()
    parts = {part.partition("`")[0]: part for part in page.split("\n## `")[1:]}
    for name, command in pages.every(everything.main):
        part = next(part for typed, part in parts.items() if f"{typed} ".startswith(f"{name} "))
        missing = [flag for option in pages.options(command) for flag in option.opts if flag not in part]
        assert missing == [], f"`{name}`"
    for flag in ("--home", "--json", "--version"):
        assert f"`{flag}" in page


def test_every_command_and_option_has_a_help_text() -> None:
    groups = [(name, command) for name, command in everything.main.commands.items() if isinstance(command, click.Group)]
    for name, command in [("commons", everything.main), *groups, *pages.every(everything.main)]:
        assert command.help, name
        assert [option.name for option in pages.options(command) if not option.help] == [], name


def test_the_errors_own_list_is_that_of_the_code() -> None:
    listed = re.findall(r"\+- (\w+) +(\d+)  ", errors.__doc__ or "")
    assert {name: int(number) for name, number in listed} == {k.__name__: k.number for k in errors.KINDS.values()}


EXAMPLES = [dotted(path) for path in SOURCES if "    >>> " in path.read_text()]


@pytest.mark.parametrize("module", EXAMPLES)
def test_an_example_in_the_code_is_what_happens(module: str) -> None:
    tried = doctest.testmod(importlib.import_module(module))
    assert tried.attempted
    assert not tried.failed


# -- pages and what they name -----------------------------------------------------------------------------------------


def test_the_rooms_of_the_architecture_are_the_folders_of_the_house_from_top_to_bottom() -> None:
    rooms = re.findall(r"^\| `([\w/]+)/` \|", ARCHITECTURE.read_text(), re.MULTILINE)
    floors = [each.removeprefix("commons.").replace(".", "/") for floor in FLOORS for each in floor]
    assert rooms == [each for each in floors if (HOUSE / "commons" / each).is_dir() or (HOUSE / each).is_dir()]
    for path in (HOUSE / "commons").glob("*/**/*.py"):
        assert any(path.is_relative_to(HOUSE / "commons" / room) for room in [*rooms, "core/__init__.py"]), path


def test_the_architecture_is_one_page_and_names_only_files_that_exist() -> None:
    text = ARCHITECTURE.read_text()
    assert len(text.splitlines()) <= 100
    for named in re.findall(r"`([\w./-]+\.(?:py|md|cfg|toml)|\.ci/run|Makefile|[\w/]+/)`", text):
        assert (HOUSE / named).exists() or (HOUSE / "commons" / named).exists(), named


def test_the_glossary_has_each_word_once_and_in_order() -> None:
    words = re.findall(r"^\| ([^|]+) \|", (HOUSE / "docs" / "glossary.md").read_text(), re.MULTILINE)
    assert words[0] == "word"
    assert len(words) > 50
    assert words[1:] == sorted(set(words[1:]))


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
