"""The command line in processes of its own: what people type wrong, what they get, and what `--help` costs."""

from __future__ import annotations

import csv
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

import click
import click.testing
import pytest

from commons.cli import __main__, commands, show
from commons.core.state.actions import ACTIONS
from tests.conftest import LIMIT
from tests.forked import program

SOURCE = Path(__main__.__file__).parents[2]
ANY = "/ip4/127.0.0.1/tcp/0"
NOBODY = "12D3KooWJWEKvSFbben74C7H4YtKjhPMTDxd7gP7zxWSUEeF27st"
ABSENT = "commons:bafkreigh2akiscaildcqabsyg3dfr6chu3fgpregiymsck7e7aqa4s52zy"


def environment(folder: Path, **more: str) -> dict[str, str]:
    """Our packages on the path whatever the folder, and no home but those a test names."""
    path = os.pathsep.join(filter(None, [str(SOURCE), os.environ.get("PYTHONPATH", "")]))
    kept = {k: v for k, v in os.environ.items() if not k.startswith("COMMONS_")}
    return {
        **kept,
        "PYTHONPATH": path,
        "HOME": str(folder),
        "PYTHONWARNINGS": "error,ignore::DeprecationWarning",
        **more,
    }


class Commons:
    """`commons` as typed in `folder`, each time a process of its own."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.env = folder, environment(folder)

    def run(self, *words: str, typed: str = "", **env: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [program(), *words], cwd=self.folder, env={**self.env, **env}, text=True, capture_output=True, input=typed,
            timeout=LIMIT, check=False,
        )  # fmt: skip

    def json(self, home: str, *words: str, fails: int = 0, typed: str = "") -> dict[str, Any]:
        done = self.run("--json", "--home", home, *words, typed=typed)
        assert done.returncode == fails, done.stdout + done.stderr
        told: dict[str, Any] = json.loads(done.stdout)
        return told

    def fails(self, code: int, *words: str) -> str:
        """What a command says that fails as it should: on stderr, nothing on stdout, no trace of Python."""
        done = self.run(*words)
        assert (done.returncode, done.stdout) == (code, ""), (words, done.stdout, done.stderr)
        assert "Traceback" not in done.stderr
        return done.stderr

    @contextmanager
    def node(self, home: str, *words: str, err: IO[bytes] | None = None) -> Iterator[dict[str, Any]]:
        """A running node, and what it said when it was ready; its errors go to `err`. It must stop when told to."""
        process = subprocess.Popen(
            [program(), "--json", "--home", home, "node", *words], cwd=self.folder, env=self.env, text=True,
            stdout=subprocess.PIPE, stdin=subprocess.DEVNULL, stderr=err,
        )  # fmt: skip
        assert process.stdout is not None
        try:
            yield json.loads(process.stdout.readline())
            process.terminate()
            assert process.wait(LIMIT) == 0
        finally:
            process.kill()
            process.wait()
            process.stdout.close()


@pytest.fixture(scope="module")
def commons(tmp_path_factory: pytest.TempPathFactory) -> Commons:
    """A folder with a home `ana`, a dataset `rivers`, and the log of `ana` exported."""
    made = Commons(tmp_path_factory.mktemp("cli"))
    (made.folder / "rivers").mkdir()
    (made.folder / "rivers" / "lengths.csv").write_text("river,km\nLoire,1006\n")
    made.json("ana", "init", "--name", "River watch")
    return made


# -- help -------------------------------------------------------------------------------------------------------------


def test_help_loads_nothing_heavy(tmp_path: Path) -> None:
    heavy = (
        "libp2p",
        "trio",
        "aiohttp",
        "cattrs",
        "cryptography",
        "msgpack",
        "rich",
        "platformdirs",
        "licences",
        "sqlite3",
    )
    look = "import sys; sys.argv = ['commons', '--help']\nfrom commons.cli import __main__\n" \
           "try: __main__.main()\nexcept SystemExit: pass\n" \
           f"print([m for m in {heavy} if m in sys.modules], file=sys.stderr)"  # fmt: skip
    done = subprocess.run(
        [sys.executable, "-c", look], capture_output=True, text=True, check=True, env=environment(tmp_path)
    )
    assert done.stderr == "[]\n"


def test_help_names_every_command() -> None:
    told = commands.main.get_help(click.Context(commands.main))
    for name in commands.main.commands:
        assert f"\n  {name} " in told


def test_the_version_is_the_packages() -> None:
    from commons import __version__

    assert click.testing.CliRunner().invoke(commands.main, ["--version"]).output == f"commons, version {__version__}\n"


# -- mistakes: each its exit code, a message, and what to do next -----------------------------------------------------


def test_a_command_line_that_is_wrong_is_2(commons: Commons) -> None:
    assert "`commons status` has no option --nonsense" in commons.fails(2, "--home", "ana", "status", "--nonsense")
    assert "`commons` has no command 'shaer'" in commons.fails(2, "shaer")


def test_no_home_says_how_to_make_one(commons: Commons) -> None:
    said = commons.fails(4, "--home", "nowhere", "status")
    assert "no home at nowhere" in said
    assert "commons init" in said
    assert not (commons.folder / "nowhere").exists()


def test_the_home_can_come_from_the_environment(commons: Commons) -> None:
    assert "River watch" in commons.run("status", COMMONS_HOME="ana").stdout


def test_a_second_home_in_one_place_is_a_conflict(commons: Commons) -> None:
    assert "already" in commons.fails(9, "--home", "ana", "init")
    assert "not empty" in commons.fails(9, "--home", "rivers", "init")


@pytest.mark.parametrize("reference", ["commons:bafkrei", "https://data.example/rivers"])
def test_what_is_no_reference_is_malformed(commons: Commons, reference: str) -> None:
    said = commons.fails(22, "--home", "ana", "show", reference)
    assert "not a dataset id" in said
    assert "hint" in said


def test_a_dataset_nobody_is_known_for_says_how_to_name_a_peer(commons: Commons) -> None:
    assert "--from" in commons.fails(103, "--home", "ana", "fetch", ABSENT, "copy", "--acknowledge", "CC-BY-4.0")
    assert not (commons.folder / "copy").exists()


def publish(*more: str) -> tuple[str, ...]:
    return ("--home", "ana", "publish", "rivers", "--title", "Rivers", *more)


def test_a_licence_that_is_none_gets_candidates(commons: Commons) -> None:
    said = commons.fails(22, *publish("--licence", "CC-BY-4", "--creator", "Ana"))
    assert "CC-BY-4.0" in said
    assert "LicenseRef-" in said


def test_attribution_without_anybody_to_credit_is_refused(commons: Commons) -> None:
    said = commons.fails(22, *publish("--licence", "CC-BY-4.0"))
    assert "--creator" in said


def test_a_licence_of_ones_own_needs_its_text(commons: Commons) -> None:
    assert "--licence-text" in commons.fails(22, *publish("--licence", "LicenseRef-Kin"))
    missing = publish("--licence", "LicenseRef-Kin", "--licence-text", "nothere.txt")
    assert "nothere.txt" in commons.fails(22, *missing)


def test_what_cannot_be_published_is_named(commons: Commons) -> None:
    (commons.folder / "linked").mkdir()
    (commons.folder / "linked" / "passwords").symlink_to("/etc/passwd")
    words = ("--title", "x", "--licence", "CC0-1.0")
    assert "nothere" in commons.fails(4, "--home", "ana", "publish", "nothere", *words)
    said = commons.fails(22, "--home", "ana", "publish", "linked", *words)
    assert "linked/passwords" in said
    assert "--follow-links" in said
    assert commons.json("ana", "list")["datasets"] == []


@pytest.mark.parametrize("command", [("audit",), ("community", "statistics")])
def test_a_span_that_holds_no_moment_is_told(commons: Commons, command: tuple[str, ...]) -> None:
    words = ("--home", "ana", *command, "--since", "2030-01-02", "--until")
    for until in ("2030-01-01", "2030-01-01T23:59:59Z"):
        assert f"--since 2030-01-02 is after --until {until}" in commons.fails(22, *words, until)
    assert commons.run(*words, "2030-01-02").returncode == 0


def test_another_commons_than_this_homes_is_not_passed_over(commons: Commons) -> None:
    other = ABSENT.removeprefix("commons:")
    for command in (("audit",), ("log", "export", "log.zip")):
        assert "say where the other one is kept" in commons.fails(4, "--home", "ana", *command, "--commons", other)
    assert not (commons.folder / "log.zip").exists()


@pytest.mark.parametrize(
    ("command", "code", "says"),
    [
        (("community", "take-over", "rivers"), 9, "is named with --in"),
        (("custody", "pass-on"), 9, "propose change-custodians"),
        (("custody", "pass-on", "--in", "river"), 4, "knows no commons called"),
        (("log", "date", "--commons", "river"), 4, "knows no commons called"),
        (("witness", "submitted", "--commons", "river"), 4, "knows no commons called"),
        (("community", "follow", f"/ip4/127.0.0.1/tcp/9/p2p/{NOBODY}", "--commons", "river"), 4, "no commons called"),
        (("witness", "submit", ABSENT, "http://127.0.0.1:1"), 22, "not a peer address"),
        (("audit", "--commons", "river"), 4, "knows no commons called"),
        (("log", "forget-fork", "x"), 4, "commons status"),
    ],
)
def test_what_a_commons_of_one_cannot_do_is_told(
    commons: Commons, command: tuple[str, ...], code: int, says: str
) -> None:
    assert says in commons.fails(code, "--home", "ana", *command)


@pytest.mark.parametrize("words", [(), ("-",)])
def test_an_invitation_comes_from_standard_input(commons: Commons, words: tuple[str, ...]) -> None:
    done = commons.run("--home", "ana", "community", "join", *words, typed="commons-invitation:cut\n")
    assert done.returncode == 22
    assert "not an invitation: a part of it is missing" in done.stderr


@pytest.mark.parametrize("option", ["--licence-text", "--label"])
def test_no_secret_is_published_as_a_text(commons: Commons, option: str) -> None:
    words = ("publish", "rivers", "--title", "T", "--licence", "LicenseRef-X", option, "LicenseRef-X=ana/seed")
    assert "a file of a home" in commons.fails(3, "--home", "ana", *words)


def test_an_invitation_is_no_word_of_a_command(commons: Commons) -> None:
    said = commons.fails(22, "--home", "ana", "community", "join", "commons-invitation:secret")
    assert "standard input" in said
    assert "commons-invitation:secret" not in said


def test_a_date_that_is_none_shows_how_to_write_one(commons: Commons) -> None:
    assert "2030-12-31" in commons.fails(22, "--home", "ana", "approve", "2", "--until", "tomorrow")
    assert "2030-12-31" in commons.fails(22, "--home", "ana", "audit", "--since", "1/2/30")


def test_until_a_day_includes_it_and_a_time_is_that_time() -> None:
    noon = 1_924_948_800
    assert (show.day("2030-12-31"), show.end("2030-12-31")) == (noon - 43_200, noon + 43_199)
    assert show.end("2030-12-31T12:00Z") == show.end("2030-12-31T13:00+01:00") == noon
    assert show.end(None) is None
    assert show.span("2030-12-31", "2030-12-31") == {"since": noon - 43_200, "until": noon + 43_200}


def test_a_filter_that_matches_nothing_says_so(commons: Commons) -> None:
    nobody = commons.run("--home", "ana", "audit", "--who", "ben")
    assert nobody.returncode == 4
    assert "nobody with the peer id 'ben' asked for anything in this log" in nobody.stderr
    assert "verified: tree" in nobody.stdout
    assert (
        "no dataset in this log is called 'nosuch'"
        in commons.run("--home", "ana", "audit", "--dataset", "nosuch").stderr
    )
    told = commons.json("ana", "audit", "--who", "ben", "--dataset", "nosuch", fails=4)
    assert len(told["unmatched"]) == 2
    assert (
        "No request in this log is of that kind."
        in commons.run("--home", "ana", "audit", "--since", "2030-01-01").stdout
    )
    assert "Compare this id with one you had from elsewhere" in nobody.stdout


def test_a_name_of_no_dataset_shows_what_is_near(commons: Commons) -> None:
    for command in ("show", "refer", "drop", "mirror"):
        assert "no dataset known here is called 'nosuch'" in commons.fails(4, "--home", "ana", command, "nosuch")


def test_several_requests_fail_each_by_itself(commons: Commons) -> None:
    for command in ("approve", "refuse", "revoke"):
        said = commons.fails(4, "--home", "ana", command, "7", "8", "--reason", "x")
        assert "request 7: there is no request 7" in said
        assert "request 8: there is no request 8" in said
        told = commons.json("ana", command, "7", "8", "7", "--reason", "x", fails=4)
        assert ([each["request"] for each in told["failures"]], told["decisions"]) == ([7, 8], [])
    assert "there is no request 7" in commons.fails(4, "--home", "ana", "approve", "7")


def test_an_audit_of_what_is_no_log_is_told(commons: Commons) -> None:
    assert "nothere.zip" in commons.fails(4, "--home", "ana", "audit", "nothere.zip")
    assert "checkpoint" in commons.fails(4, "--home", "nobody", "audit", "rivers")
    assert "no exported log" in commons.fails(22, "--home", "nobody", "audit", "rivers/lengths.csv")


def test_json_carries_errors_too(commons: Commons) -> None:
    told = commons.json("nowhere", "status", fails=4)
    assert told["error"] == 4
    assert set(told) == {"error", "message", "hint", "evidence"}
    assert commons.json("ana", "refer", "rivers", fails=4)["error"] == 4


# -- one whole story: a node holds the home, and commands work through it ----------------------------------------------


def test_commands_work_through_the_node_that_holds_the_home(commons: Commons, tmp_path: Path) -> None:
    folder = commons.folder
    commons.json("ben", "init", "--readers", "owner")
    with commons.node("ana", "--listen", ANY, "--http", "127.0.0.1:0") as ready:
        (address,) = ready["addresses"]
        said = commons.fails(23, "--home", "ana", "node", "--no-listen")
        assert "another process" in said
        told = commons.json("ana", *publish("--licence", "CC-BY-4.0", "--creator", "Ana Diaz")[2:])
        assert (told["version"], told["access"], told["files"]) == (1, "acknowledge", 1)
        assert told["notices"]
        commons.json("ben", "peer", "add", address)
        reference = told["reference"]
        said = commons.fails(28, "--home", "ben", "fetch", reference, "copy", "--acknowledge", "CC0-1.0")
        assert "CC-BY-4.0" in said
        fetched = commons.json(
            "ben", "fetch", reference, "copy", "--acknowledge", "CC-BY-4.0", "--details", "=HYPERLINK(x)"
        )
        assert fetched["receipt"] == "logged"
        assert (folder / "copy" / "lengths.csv").read_bytes() == (folder / "rivers" / "lengths.csv").read_bytes()
        (folder / "copy" / "lengths.csv").write_text("mine\n")
        assert "lengths.csv" in commons.fails(9, "--home", "ben", "fetch", reference, "copy")
        commons.json("ben", "fetch", reference, "copy", "--replace")
        assert commons.json("ana", "status")["addresses"] == [address]
    rows = list(csv.DictReader(commons.run("--home", "ana", "audit", "--csv").stdout.splitlines()))
    (row,) = rows
    assert (row["decision"], row["state"], row["licence"]) == ("grant", "verified", "CC-BY-4.0")
    assert row["details"] == "'=HYPERLINK(x)"  # a spreadsheet would run it
    nobody = commons.json("ana", "audit", "--who", NOBODY, fails=4)
    assert (nobody["rows"], len(nobody["unmatched"])) == ([], 1)
    assert commons.json("ben", "show", "Rivers")["cid"] == row["dataset"]
    assert commons.json("ben", "refer", row["dataset"][:20])["reference"].startswith(f"commons:{row['dataset']}")
    commons.json("ana", "log", "export", str(tmp_path / "log.zip"))
    assert "exists already" in commons.fails(9, "--home", "ana", "log", "export", str(tmp_path / "log.zip"))
    seen = commons.json("nobody", "audit", str(tmp_path / "log.zip"))
    assert (seen["rows"][0]["who"], seen["rows"][0]["state"]) == (None, "no opening given")
    assert commons.json("ana", "revoke", "99", "--reason", "x", fails=4)["error"] == 4


def test_each_request_is_decided_by_itself_and_a_revoked_grant_is_called_so(tmp_path: Path) -> None:
    commons = Commons(tmp_path)
    (tmp_path / "rivers").mkdir()
    (tmp_path / "rivers" / "lengths.csv").write_text("river,km\nLoire,1006\n")
    commons.json("ana", "init", "--name", "River watch")
    for name in ("ben", "cleo"):
        commons.json(name, "init")
    with commons.node("ana", "--listen", ANY) as ready:
        made = commons.json(
            "ana", "publish", "rivers", "--title", "Rivers", "--licence", "CC-BY-4.0", "--creator", "Ana", "--access",
            "approval",
        )  # fmt: skip
        for name in ("ben", "cleo"):
            commons.json(name, "peer", "add", ready["addresses"][0])
            commons.json(name, "fetch", made["reference"], name + "-copy", "--acknowledge", "CC-BY-4.0", fails=25)
        told = commons.json("ana", "approve", "2", "99", "2", "--until", "2099-12-31", fails=4)
        assert [(each["request"], each["outcome"]) for each in told["decisions"]] == [(2, "grant")]
        assert [(each["request"], each["error"]) for each in told["failures"]] == [(99, 4)]
        done = commons.run("--home", "ana", "approve", "98", "3")
        assert done.returncode == 4
        assert "Request 3 is granted: entry 5 of the log." in done.stdout
        assert done.stderr.startswith("commons: request 98: there is no request 98")
        commons.json("ana", "revoke", "3", "--reason", "It was sold on")
        rows = [line.split() for line in commons.run("--home", "ana", "audit").stdout.splitlines()]
        decided = {row[0]: " ".join(row) for row in rows if row and row[0] in ("2", "3")}
        assert "grant, revoked" in decided["3"]
        assert "grant (approved)" in decided["2"]
        assert "revoked" not in decided["2"]
        listed = commons.run("--home", "ana", "requests", "--all").stdout
        assert "grant, revoked" in listed
        two, three = csv.DictReader(commons.run("--home", "ana", "audit", "--csv").stdout.splitlines())
        assert (two["decision"], two["expires"], two["ended"]) == ("grant", "2099-12-31 23:59:59Z", "")
        assert (three["decision"], three["ended"]) == ("revoke", "")
        minutes = commons.json("ana", "audit", "--governance")
        assert [row["kind"] for row in minutes["governance"]["rows"]] == ["charter"]
        (row,) = csv.DictReader(commons.run("--home", "ana", "audit", "--governance", "--csv").stdout.splitlines())
        assert (row["entry"], row["kind"], row["what"]) == ("0", "charter", "founds River watch")
        assert "--governance tells none" in commons.fails(2, "--home", "ana", "audit", "--governance", "--dataset", "R")


# -- what is printed ---------------------------------------------------------------------------------------------------


def test_an_error_of_a_running_node_is_told_once_as_it_is(commons: Commons) -> None:
    with commons.node("ana", "--listen", ANY):
        told = commons.json("ana", "show", ABSENT, "--from", f"/ip4/127.0.0.1/tcp/9/p2p/{NOBODY}", fails=103)
        assert NOBODY in told["message"]


def test_nothing_that_others_wrote_reaches_the_terminal_raw(capsys: pytest.CaptureFixture[str]) -> None:
    show.say("\x1b[31mred\x07")
    show.table(("a",), [("\x1b]0;title\x07",)])
    assert not {"\x1b", "\x07"} & set(capsys.readouterr().out)


@pytest.mark.parametrize(
    ("size", "said"), [(0, "0 B"), (999, "999 B"), (1000, "1.0 kB"), (36_700, "36.7 kB"), (5 * 10**12, "5000.0 GB")]
)
def test_amounts_are_in_decimal_units(size: int, said: str) -> None:
    assert show.amount(size) == said


def test_everything_that_a_proposal_may_need_has_an_option() -> None:
    command = commands.main.commands["community"].commands["propose"]  # type: ignore[attr-defined]
    options = {flag.removeprefix("--") for param in command.params for flag in param.opts}
    assert {each for action in ACTIONS.values() for each in (*action.needs, *action.takes)} <= options
