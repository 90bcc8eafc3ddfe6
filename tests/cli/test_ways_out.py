"""Every command in bad circumstances: a message, an exit code that is not 0, and never a trace of Python."""

from __future__ import annotations

import csv
import fcntl
import json
import os
import signal
import subprocess
import sys
import termios
import time
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from commons.cli import __main__, commands, show
from commons.cli.terminal import PLACE
from commons.cli.usage import WHOLE
from commons.errors import tame
from tests.cli.test_cli import NOBODY, environment
from tests.conftest import LIMIT, frozen
from tests.forked import program
from tests.rows import few

LONG = "x" * 5000
NOT_UTF8 = "\udcff"  # as Python has a byte of the command line that is no UTF-8
JOINED = "می‌خواهم 👩‍🔬"  # with a non-joiner and a joiner


def leaves(
    group: click.Group = commands.main, path: tuple[str, ...] = ()
) -> Iterator[tuple[tuple[str, ...], click.Command]]:
    for name, command in group.commands.items():
        if isinstance(command, click.Group):
            yield from leaves(command, (*path, name))
        else:
            yield (*path, name), command


COMMANDS = {" ".join(path): (path, command) for path, command in leaves()}
HOMELESS = {"init", "demo", "purposes", "licence list", "licence show", "licence compat", "licence check"}


def typed(name: str, word: str, place: str) -> list[str]:
    """A command with `word` wherever text belongs, and `place` wherever a path does."""
    path, command = COMMANDS[name]
    words, options = [*path], []
    for each in command.params:
        said = place if each.type is PLACE else word
        if isinstance(each.type, click.Choice):
            said = each.type.choices[0]
        elif each.type is WHOLE:
            said = "2"
        if isinstance(each, click.Argument):
            words.append(said)
        elif isinstance(each, click.Option) and each.required:
            options += [each.opts[0], said]
    return [*words[: len(path)], *options, "--", *words[len(path) :]]


class Forked:
    """`commons` as typed in `folder`, each time a process of its own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.env = environment(folder, COMMONS_HOME=str(folder / "ana"))

    def run(self, *words: str, out: Path | None = None, **env: str) -> tuple[int, str, str]:
        with open(out or os.devnull, "wb") as file:
            done = subprocess.run(
                [program(), *words], cwd=self.folder, env={**self.env, **env}, stdin=subprocess.DEVNULL,
                stdout=file if out else subprocess.PIPE, stderr=subprocess.PIPE, timeout=LIMIT, check=False,
            )  # fmt: skip
        said = (done.stdout or b"").decode()
        assert "Traceback" not in said + done.stderr.decode(), words
        assert "a bug of ours" not in said + done.stderr.decode(), (words, said, done.stderr)
        return done.returncode, said, done.stderr.decode()


@pytest.fixture(scope="module")
def commons(tmp_path_factory: pytest.TempPathFactory) -> Forked:
    """With a home `ana` that published a dataset called JOINED, and a FIFO."""
    folder = tmp_path_factory.mktemp("ways")
    (folder / "data").mkdir()
    (folder / "data" / "x.csv").write_text("1\n")
    os.mkfifo(folder / "fifo")
    made = Forked(folder)
    assert made.run("init")[0] == 0
    assert made.run("publish", "data", "--title", JOINED, "--licence", "CC0-1.0")[0] == 0
    return made


@pytest.mark.parametrize("name", few(sorted(COMMANDS.keys() - {"demo"}), 4))
def test_no_command_ends_in_a_trace(commons: Forked, name: str) -> None:
    """Without a home; with words too long, or no UTF-8; with a pipe, or nothing, where a file belongs; with nothing
    that takes the output; with an option that is none."""
    if name not in HOMELESS:
        code, said, err = commons.run(*typed(name, "x", "data"), COMMONS_HOME="nowhere")
        assert code, (name, said)
        assert err.startswith("commons: "), err
    for word, place in (
        (LONG, LONG),
        (NOT_UTF8, "data" if name == "community new" else "fifo"),
        ("~nobody/x", "~nobody/x"),
    ):
        if name not in ("init", "node") and len(typed(name, word, place)) > len(COMMANDS[name][0]) + 1:
            code, said, err = commons.run("--json", *typed(name, word, place))
            told = json.loads(said)
            if code:
                assert (told["error"], set(told)) == (code, {"error", "message", "hint", "evidence"})
                assert 0 < len(told["message"]) < 2000
    code, said, err = commons.run("--json", *COMMANDS[name][0], "--nonsense")
    told = json.loads(said)
    assert (code, told["error"], err) == (2, 2, "")
    assert "--nonsense" in told["message"]
    code, said, err = commons.run(*typed(name, "x", "nothere"), out=Path("/dev/full"))
    assert code, name
    assert "commons: " in err


# -- where the words go -----------------------------------------------------------------------------------------------


def shell(commons: Forked, line: str, **env: str) -> tuple[int, str]:
    """A line of bash, with `$C` for a real `commons`: its exit code, and all that it said."""
    done = subprocess.run(
        ["bash", "-c", line], cwd=commons.folder, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT, env={**commons.env, "C": f"{sys.executable} -P -m commons.cli", **env},
        timeout=LIMIT, check=False,
    )  # fmt: skip
    said = done.stdout.decode("utf-8", "replace")
    assert "Traceback" not in said
    assert "Exception ignored" not in said
    return done.returncode, said


@pytest.mark.rest
def test_an_output_that_is_full_or_closed_is_told(commons: Forked) -> None:
    for line in ("$C list >&-", "$C audit --csv > /dev/full", "$C --help > /dev/full", "$C --json list > /dev/full"):
        code, said = shell(commons, line)
        assert code == 107, line
        assert said.startswith("commons: "), line
    assert shell(commons, "$C list >&- 2>&-") == (107, "")
    assert shell(commons, "$C nosuch 2> /dev/full") == (2, "")
    code, said = shell(commons, "$C --json show x > /dev/full")
    assert (code, said.startswith("commons: ")) == (4, True), said


@pytest.mark.rest
def test_a_reader_who_leaves_ends_no_command(commons: Forked) -> None:
    """Even where the words come before the work: what was left out is told before anything is sealed."""
    (commons.folder / "hidden").mkdir()
    (commons.folder / "hidden" / ".env").write_text("secret")
    (commons.folder / "hidden" / "x.csv").write_text("2\n")
    words = "publish hidden --title Left --licence CC0-1.0"
    assert shell(commons, f"$C {words} | head -c 0; exit ${{PIPESTATUS[0]}}")[0] == 0
    assert "Left" in commons.run("list")[1]


@pytest.mark.rest
def test_a_character_that_the_terminal_lacks_is_replaced(commons: Forked) -> None:
    for env in ({"PYTHONIOENCODING": "latin-1"}, {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}):
        assert shell(commons, "$C list", **env)[0] == 0
        code, said = shell(commons, "$C --json list", **env)
        assert code == 0
        assert JOINED in [each["title"] for each in json.loads(said)["datasets"]]  # a document says the same


@pytest.mark.long
def test_a_user_without_a_home_folder_is_told_to_name_one(commons: Forked) -> None:
    nobody = "unshare --user --map-user=12345 env -u HOME -u COMMONS_HOME -u XDG_DATA_HOME"
    for line in (f"{nobody} $C status", "env -u COMMONS_HOME -u XDG_DATA_HOME HOME= $C status"):
        code, said = shell(commons, line)
        assert code == 4
        assert "--home" in said
    assert shell(commons, f"{nobody} $C --home here init")[0] == 0


def test_a_folder_that_is_gone_is_told(commons: Forked) -> None:
    line = "mkdir gone; cd gone; rmdir ../gone; $C publish . --title x --licence CC0-1.0 2>&1"
    code, said = shell(commons, line)
    assert code == 107
    assert "the folder you are in does not exist any more" in said


# -- paths ------------------------------------------------------------------------------------------------------------


def test_a_tilde_is_the_home_folder_wherever_no_shell_reads_it(commons: Forked) -> None:
    folder = commons.folder
    for words, env in ((["--home=~/x", "init"], {}), (["init"], {"COMMONS_HOME": "~/y"})):
        assert commons.run(*words, **env)[0] == 0
    assert (folder / "x" / "seed").exists()
    assert (folder / "y" / "seed").exists()
    assert commons.run("log", "export", "~/log.zip")[0] == 0
    assert commons.run("audit", "~/log.zip")[0] == 0
    (folder / "terms.txt").write_text("Ours.")
    words = ("--licence", "LicenseRef-Ours", "--licence-text", "LicenseRef-Ours=~/terms.txt")
    code, _, err = commons.run("licence", "check", "~/data", "--title", "x", *words)
    assert code == 0, err
    code, _, err = commons.run("export", "x", "out", "--format", "reuse", "--licence-text", "MIT=~/nowhere.txt")
    assert (code, f"{folder}/nowhere.txt" in err) == (22, True), err
    assert commons.run("--home=~root/commons-test", "status")[0] == 4
    assert not (folder / "~").exists()


@pytest.mark.parametrize("words", [("--home", "", "status"), ("publish", "", "--title", "x")])
def test_an_empty_path_is_not_the_folder_one_is_in(commons: Forked, words: tuple[str, ...]) -> None:
    code, _, err = commons.run(*words)
    assert code == 22
    assert "a path is empty" in err


def test_what_never_ends_is_no_log(commons: Forked) -> None:
    for never in ("fifo", "/dev/zero"):
        code, _, err = commons.run("audit", never)
        assert code == 22
        assert "is no exported log" in err


def test_a_log_is_exported_into_a_folder_that_is_there(commons: Forked) -> None:
    code, _, err = commons.run("log", "export", "missing/folder/log.zip")
    assert code == 4
    assert "there is no folder" in err


def test_a_file_that_is_no_text_is_told_without_a_librarys_words(commons: Forked) -> None:
    (commons.folder / "latin").write_bytes(b"\xe9")
    for name, says in (("latin", "is not in UTF-8"), ("data", "it is a folder"), ("/dev/zero", "larger than")):
        code, _, err = commons.run("--home", "new", "community", "new", name)
        assert code in (13, 22)
        assert says in err
        assert "codec" not in err


# -- consent, and stopping --------------------------------------------------------------------------------------------


def test_json_is_no_consent_to_erase(commons: Forked) -> None:
    code, said, _ = commons.run("--json", "log", "erase", "1")
    assert (code, json.loads(said)["error"]) == (2, 2)
    assert "--yes" in said
    code, said, err = commons.run("log", "erase", "1")
    assert code == 1
    assert "it was not answered with yes" in err


@pytest.mark.parametrize("words", [("log", "erase", "1"), ("community", "join", "-")])
def test_ctrl_c_is_130_in_one_line(commons: Forked, words: tuple[str, ...]) -> None:
    """At a question, and while words are read from a pipe."""
    reading, writing = os.pipe()
    os.write(writing, b"y")
    process = subprocess.Popen(
        [sys.executable, "-P", "-m", "commons.cli", *words], cwd=commons.folder, env=commons.env, stdin=reading,
        stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
    )  # fmt: skip
    while int.from_bytes(fcntl.ioctl(reading, termios.FIONREAD, bytes(4)), sys.byteorder):  # until it reads
        assert process.poll() is None
        time.sleep(0.01)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=LIMIT)
    os.close(reading)
    os.close(writing)
    assert (process.returncode, err.decode().strip()) == (130, "commons: stopped")


BEGINS = (
    ("-m", "commons.cli"),
    ("cli.py",),
    ("-c", "from commons.cli.__main__ import main; main()"),
)  # the last as installed


@pytest.mark.parametrize("words", [("status",), ("--json", "licence", "show", "MIT"), ("node", "--no-listen")])
@pytest.mark.parametrize(("begin", "share"), few([(BEGINS[n % 3], n) for n in range(6)], 3))
def test_ctrl_c_while_python_imports_is_130_in_one_line(
    commons: Forked, words: tuple[str, ...], begin: tuple[str, ...], share: int
) -> None:
    """From where it can be told in our words on, at `share` sixths of what is imported, as Python tells it."""
    process = subprocess.Popen(
        [sys.executable, "-P", "-X", "importtime", *begin, *words], env=commons.env, stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        cwd=Path(__main__.__file__).parents[2] if begin == ("cli.py",) else commons.folder,
    )  # fmt: skip
    assert process.stdout is not None
    assert process.stderr is not None
    imported, said = list[str](), list[str]()
    for line in process.stderr:
        if not line.startswith("import time:"):
            said.append(line)
            continue
        name = line.rpartition("|")[2].strip()
        if imported or name == "commons.cli.stop":  # what Python imports before it is not ours to stop in
            imported.append(name)
            if len(imported) == 1 + share * (30 if "MIT" in words else 75):
                process.send_signal(signal.SIGINT)
    told = process.stdout.read()
    process.stdout.close()
    process.stderr.close()
    assert process.wait(LIMIT) == 130, (imported[-1], told, said)
    if "--json" in words:
        assert json.loads(told) == {"error": 130, "message": "stopped", "hint": "", "evidence": []}
        assert said == []
    else:
        assert (told, said) == ("", ["commons: stopped\n"])


# -- characters -------------------------------------------------------------------------------------------------------


def test_a_table_of_data_keeps_the_characters_of_words(commons: Forked) -> None:
    assert JOINED in commons.run("list")[1]
    assert JOINED in [each["title"] for each in json.loads(commons.run("--json", "list")[1])["datasets"]]


def test_a_cell_keeps_joiners_and_loses_what_is_obeyed(capsys: pytest.CaptureFixture[str]) -> None:
    bad = "\x1b[2J\u202eexe.txt\u2066\x9b\u200b\ufeff\r\n=1+1\U000e0041"
    show.as_csv(
        [{**dict.fromkeys(show.ACCESSED), "title": JOINED, "who": bad, "reason": "\n=1+1", "details": "6\u00a0km²"}]
    )
    (row,) = csv.DictReader(capsys.readouterr().out.splitlines())
    assert (row["title"], row["details"], row["reason"]) == (JOINED, "6\u00a0km²", "' =1+1")
    assert not set(row["who"]) & set("\x1b\u202e\u2066\x9b\u200b\ufeff\r\n\U000e0041")


@pytest.mark.rest
def test_the_words_of_licences_and_of_errors_are_tamed_alike() -> None:
    from licences import escape

    for code in range(0x110000):
        character = chr(code)
        kept = escape.verbatim(f"a{character}b") == f"a{character}b"
        assert kept == (tame(character) == character and character not in "\r\t"), hex(code)
    assert tame(JOINED) == JOINED == escape.line(JOINED)


def test_a_name_that_is_no_utf8_is_shown_by_its_bytes(commons: Forked) -> None:
    code, _, err = commons.run("--home", "a\udcff", "status")
    assert code == 4
    assert r"a\xff" in err


READ = ("status", "list", "show {}", "show {} --format dcat", "requests", "audit", "log export out", "export {} box",
        "peer list", "witness list", "custody status", "refer {}", "log date")  # fmt: skip
WRITE = ("publish data --title B --licence CC0-1.0", "publish data --dry-run --licence CC0-1.0", "fetch {} there",
         "mirror {}", "drop {}", "log erase 1 --yes", "log erase 1", "community join",
         f"witness submit {{}} /ip4/127.0.0.1/tcp/1/p2p/{NOBODY}", "peer add http://127.0.0.1:1",
         "announce 127.0.0.1:1", "witness add x", "node", "init", "custody keep")  # fmt: skip


def test_a_home_that_cannot_be_written_can_be_audited(commons: Forked) -> None:
    home = commons.folder / "ana"
    cid = json.loads(commons.run("--json", "list")[1])["datasets"][0]["cid"]
    before = {each: (each.read_bytes(), each.stat().st_mtime_ns) for each in home.rglob("*") if each.is_file()}
    with frozen(home):
        for line in READ:
            code, said, err = commons.run(*line.format(cid).split())
            assert code == 0, (line, err)
            assert said, line
        assert "cannot be written" in commons.run("status")[1]
        for line in WRITE:
            code, said, err = commons.run(*line.format(cid).split())
            assert code not in (0, 1, 2, 100), (line, said)
            if not line.startswith(("init", "announce", "witness add")):  # those see first what is wrong
                assert code == 107, (line, said, err)
                assert "cannot be written" in err, line
                assert "hint: " in err, line
    after = {each: (each.read_bytes(), each.stat().st_mtime_ns) for each in home.rglob("*") if each.is_file()}
    assert after == before
    assert commons.run("audit", "out")[0] == 0


def test_the_list_shows_what_is_begun_and_what_is_missing(commons: Forked) -> None:
    (commons.folder / "more").mkdir()
    (commons.folder / "more" / "x.csv").write_text("packs\n")
    assert commons.run("publish", "more", "--title", "More", "--licence", "CC0-1.0")[0] == 0

    def row() -> tuple[str, int]:
        rows = json.loads(commons.run("--json", "list")[1])["datasets"]
        return next((each["packs"], each["packs_missing"]) for each in rows if each["title"] == "More")

    assert row() == ("whole", 0)
    newest = max((commons.folder / "ana" / "packs").iterdir(), key=lambda path: path.stat().st_mtime_ns)
    newest.unlink()
    assert row() == ("incomplete", 1)
    assert "incomplete, 1 pack missing" in commons.run("list")[1]
    assert "Incomplete  'More': 1 pack missing" in commons.run("status")[1]
