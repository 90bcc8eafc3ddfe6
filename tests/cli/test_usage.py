"""A command line that is wrong is told in our words: what is wrong, what was meant, where its use is shown; exit 2."""

from __future__ import annotations

import inspect
import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from commons.cli import commands, usage
from commons.cli.terminal import PLACE
from tests.cli.test_cli import environment
from tests.cli.test_ways_out import COMMANDS, typed
from tests.conftest import LIMIT

CLICKS = re.compile(  # whatever click says of a command line, by its own source
    r"No such|Got unexpected|Missing|Invalid value|is not one of|is not a valid|requires an argument|does not take|"
    r"Error:|Try |Usage:|Aborted|Choose from|Did you mean"
)


def said(*words: str) -> list[str]:
    """The lines of a command line that is wrong."""
    done = CliRunner().invoke(commands.main, words)
    assert done.exit_code == 2, (words, done.output)
    assert done.stdout == ""
    assert not CLICKS.search(done.stderr), done.stderr
    lines = done.stderr.splitlines()
    assert [line[:9] for line in lines[1:]] == ["commons: "], lines
    assert lines[1].startswith("commons: hint: "), lines
    return [lines[0].removeprefix("commons: "), lines[1].removeprefix("commons: hint: ")]


def without(name: str, left: click.Parameter) -> list[str]:
    """The command as `typed` has it, but for one parameter that it needs."""
    path, command = COMMANDS[name]
    kept = [each for each in command.params if each is not left]
    words = []
    for each in kept:
        if isinstance(each, click.Argument):
            if command.params.index(each) > command.params.index(left) and isinstance(left, click.Argument):
                break
            words.append(value(each))
        elif each.required:
            words += [each.opts[0], value(each)]
    return [*path, *words]


def value(param: click.Parameter) -> str:
    if isinstance(param.type, usage.OneOf):
        return param.type.choices[0]
    return "2" if param.type is usage.WHOLE else "x"


def params(*kinds: type[click.ParamType[object]]) -> Iterator[tuple[str, click.Parameter]]:
    for name, (_, command) in COMMANDS.items():
        for each in command.params:
            if isinstance(each.type, kinds):
                yield name, each


@pytest.mark.parametrize("name", COMMANDS)
def test_an_option_that_is_none_is_named_and_what_is_like_it(name: str) -> None:
    path, command = COMMANDS[name]
    what, hint = said(*path, "--qqqq")
    assert what == f"`commons {name}` has no option --qqqq"
    assert hint == f"`commons {name} --help` shows how it is used"
    for option in (each for each in command.params if isinstance(each, click.Option)):
        long = max(option.opts, key=len)
        what, hint = said(*path, f"{long}x")
        assert what == f"`commons {name}` has no option {long}x"
        assert long in hint.partition("? ")[0]


@pytest.mark.parametrize("name", COMMANDS)
def test_a_parameter_that_is_missing_is_named(name: str) -> None:
    for each in COMMANDS[name][1].params:
        if each.required and each.default in (None, click.core.UNSET):
            what, _ = said(*without(name, each))
            shown = max(each.opts, key=len) if isinstance(each, click.Option) else each.human_readable_name
            assert what.startswith(f"`commons {name}` needs {shown}")


@pytest.mark.parametrize("name", [n for n, (_, c) in COMMANDS.items() if all(each.nargs != -1 for each in c.params)])
def test_a_word_too_many_is_repeated(name: str) -> None:
    what, _ = said(*typed(name, "x", "x"), "and", "more")
    assert what == f"`commons {name}` has no place for 'and', 'more'"


@pytest.mark.parametrize(("name", "param"), params(usage.OneOf), ids=str)
def test_a_wrong_choice_is_told_with_the_right_ones(name: str, param: click.Parameter) -> None:
    assert isinstance(param.type, usage.OneOf)
    what, hint = said(*_with(name, param, f"{param.type.choices[-1]}x"))
    assert what.endswith(f"'{param.type.choices[-1]}x' is none of {', '.join(param.type.choices)}")
    assert param.type.choices[-1] in hint.partition("? ")[0]


@pytest.mark.parametrize("word", ["many", "1.5", "0x10", "1_000", "", "9" * 40])
@pytest.mark.parametrize(("name", "param"), params(usage.Whole), ids=str)
def test_what_is_no_whole_number_is_told(name: str, param: click.Parameter, word: str) -> None:
    what, _ = said(*_with(name, param, word))
    assert what.endswith(f"{word[:60]!r} is no whole number")


def _with(name: str, param: click.Parameter, word: str) -> list[str]:
    path, command = COMMANDS[name]
    words = []
    for each in command.params:
        if isinstance(each, click.Argument):
            words.append(word if each is param else value(each))
        elif each is param:
            words += [max(each.opts, key=len), word]
        elif each.required:
            words += [each.opts[0], value(each)]
    return [*path, *words]


def test_every_parameter_has_a_type_whose_words_are_ours() -> None:
    judged = [each for _, each in params(click.ParamType) if not (isinstance(each, click.Option) and each.count)]
    assert {type(each.type) for each in judged} <= {
        type(PLACE), usage.Whole, usage.OneOf, click.types.StringParamType, click.types.BoolParamType,
    }  # fmt: skip
    house = Path(inspect.getfile(usage)).parent
    calls = {path.name: re.findall(r"click\.(?:prompt|confirm|UsageError|BadParameter|Choice|IntRange|File)\b",
             path.read_text()) for path in house.glob("*.py")}  # fmt: skip
    assert {name for name, found in calls.items() if found} == {"questions.py", "terminal.py", "usage.py"}


@pytest.mark.parametrize(
    ("words", "what", "hint"),
    [
        (["nosuch"], "`commons` has no command 'nosuch'", "`commons --help`"),
        (["vote", "1", "yes"], "`commons` has no command 'vote'", "did you mean `commons community vote`? "),
        (["comunity", "join"], "`commons` has no command 'comunity'", "did you mean `commons community`? "),
        (["community", "vot"], "`commons community` has no command 'vot'", "did you mean `commons community vote`? "),
        (["-"], "`commons` has no command '-'", "`commons --help`"),
        (["--nonsense", "list"], "`commons` has no option --nonsense", "`commons --help`"),
        (["list", "--home=x"], "`commons list` has no option --home", "before the command: `commons --home … list`"),
        (["--json=yes", "list"], "--json takes no value", "`commons --help`"),
        (["init", "--home"], "`commons init` has no option --home", "`commons --home … init`"),
        (["--home"], "--home wants a value after it", "`commons --help`"),
        (["audit", "--governance=1"], "--governance takes no value", "`commons audit --help`"),
        (["audit", "--since"], "--since wants a value after it", "`commons audit --help`"),
        (["--home", "list"], "`commons` needs a command", "`commons --help` lists them"),
        (["--", "list", "-x"], "`commons list` has no option -x", "`commons list --help`"),
        (["audit", "--governance", "--dataset", "x"], "--dataset chooses among requests, and --governance tells none",
         "`commons audit --help`"),
    ],
)  # fmt: skip
def test_what_is_wrong_and_what_was_meant(words: list[str], what: str, hint: str) -> None:
    found = said(*words)
    assert found[0] == what
    assert hint in found[1]


def test_under_json_it_is_the_same_in_one_document() -> None:
    done = CliRunner().invoke(commands.main, ["--json", "community", "vote", "1", "maybe"])
    assert json.loads(done.stdout) == {
        "error": 2, "message": "CHOICE: 'maybe' is none of yes, no, abstain", "evidence": [],
        "hint": "`commons community vote --help` shows how it is used",
    }  # fmt: skip
    done = CliRunner().invoke(commands.main, ["list", "--json"])
    assert json.loads(done.stdout)["hint"] == "it stands before the command: `commons --json list`"
    done = CliRunner().invoke(commands.main, ["--json", "community"])
    assert (done.exit_code, json.loads(done.stdout)["message"]) == (2, "`commons community` needs a command")


def test_a_group_without_a_command_shows_its_commands() -> None:
    for words in ([], ["community"]):
        done = CliRunner().invoke(commands.main, words)
        assert (done.exit_code, done.stdout) == (2, "")
        assert "Commands:" in done.stderr


# -- libraries that are not as they should be --------------------------------------------------------------------------


def ran(folder: Path, *words: str, **env: str) -> tuple[int, str, str]:
    line = [sys.executable, "-P", "-m", "commons.cli", *words]
    path = os.pathsep.join([str(folder), environment(folder)["PYTHONPATH"]])
    done = subprocess.run(
        line, cwd=folder, env={**environment(folder), "PYTHONPATH": path, "PYTHONWARNINGS": "", **env},
        capture_output=True, text=True, timeout=LIMIT, check=False,
    )  # fmt: skip
    assert "Traceback" not in done.stderr
    return done.returncode, done.stdout, done.stderr


@pytest.mark.parametrize("library", ["click", "platformdirs"])
@pytest.mark.rest
def test_a_library_that_is_not_there_is_named(tmp_path: Path, library: str) -> None:
    (tmp_path / f"{library}.py").write_text(f"raise ImportError('a secret of {library}', name={library!r})\n")
    code, out, err = ran(tmp_path, "status")
    assert (code, out) == (4, "")
    assert err.startswith(f"commons: {library} is not installed here, or not as commons needs it\ncommons: hint: ")
    code, out, err = ran(tmp_path, "--json", "status")
    assert (code, json.loads(out)["error"], err) == (4, 4, "")


@pytest.mark.rest
def test_an_error_that_nobody_can_catch_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "platformdirs.py").write_text(
        "class Lost:\n    def __del__(self):\n        raise ValueError('a secret of a library')\n"
        f"import pathlib\ndef user_data_path(name):\n    Lost()\n    return pathlib.Path({str(tmp_path / 'none')!r})\n"
    )
    code, _, err = ran(tmp_path, "status")
    assert (code, err.splitlines()[0]) == (4, "commons: a bug of ours, after which it went on: ValueError")
    assert "secret" not in err


def test_an_error_that_ends_a_thread_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "platformdirs.py").write_text(
        "import pathlib, threading\ndef lost():\n    raise ValueError('a secret of a library')\n"
        "def user_data_path(name):\n    thread = threading.Thread(target=lost)\n    thread.start()\n    thread.join()\n"
        f"    return pathlib.Path({str(tmp_path / 'none')!r})\n"
    )
    code, _, err = ran(tmp_path, "status")
    assert (code, err.splitlines()[0]) == (4, "commons: a bug of ours, after which it went on: ValueError")
    assert "secret" not in err


@pytest.mark.rest
def test_a_librarys_warning_reaches_who_asks_for_it(tmp_path: Path) -> None:
    (tmp_path / "platformdirs.py").write_text(
        "import warnings\nwarnings.warn('a secret of a library')\n"
        f"def user_data_path(name):\n    import pathlib\n    return pathlib.Path({str(tmp_path / 'none')!r})\n"
    )
    code, _, err = ran(tmp_path, "status")
    assert (code, "secret" in err) == (4, False)
    assert "secret" in ran(tmp_path, "status", PYTHONWARNINGS="default")[2]
