"""What a running node writes: joins, requests, ballots, publications and errors, a line each, and nobody's name."""

from __future__ import annotations

import logging
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from commons.disk import journal
from commons.node.contact import Contact
from tests.cli.test_cli import ABSENT, ANY, Commons
from tests.conftest import Start, until

LINE = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ (DEBUG|INFO|WARNING|ERROR) \S.*")
PERSONAL = re.compile(r"12D3Koo|/ip[46]/|127\.0\.0\.1|@|Secret")
CHARTER = """
name = "Rivers"
[colleges]
members = ["me"]
[powers.admit]
rule = "group g majority *members\\nquorum g"
"""


@contextmanager
def node(commons: Commons, home: str, *words: str) -> Iterator[tuple[dict[str, Any], Path]]:
    """A real node, what it said when it was ready, and the file of its standard error."""
    said = commons.folder / f"{home}.err"
    with open(said, "wb") as file, commons.node(home, "--listen", ANY, *words, err=file) as ready:
        yield ready, said


@pytest.mark.parametrize("verbose", [("-v",), *(pytest.param(each, marks=pytest.mark.rest) for each in ((), ("-vv",)))])
def test_a_node_tells_what_happens_and_names_nobody(tmp_path: Path, verbose: tuple[str, ...]) -> None:
    commons = Commons(tmp_path)
    (tmp_path / "charter.toml").write_text(CHARTER)
    (tmp_path / "d").mkdir()
    (tmp_path / "d" / "x.csv").write_text("1\n")
    commons.json("ana", "community", "new", "charter.toml")
    peer = commons.json("ben", "init")["peer"]
    with node(commons, "ana", *verbose) as (ready, said):
        told = commons.json("ana", "publish", "d", "--title", "Secret of Ben", "--licence", "CC0-1.0")
        commons.json("ben", "peer", "add", ready["addresses"][0])
        commons.json("ben", "fetch", told["reference"], "o", "--acknowledge", "CC0-1.0", "--details", "ben@example.org")
        invited = commons.json("ana", "community", "invite", "members", "--lan")
        commons.json("ben", "community", "join", typed=invited["invitation"])
        again = commons.json("ana", "community", "invite", "members", "--lan")["outcome"]["proposal"]
        commons.json("ben", "community", "vote", str(again), "yes", "--in", ready["commons"])
        commons.json("ana", "show", ABSENT, "--from", f"/ip4/127.0.0.1/tcp/9/p2p/{peer}", fails=103)
    text = said.read_text()
    lines = text.splitlines()
    if "-vv" not in verbose:
        assert all(LINE.fullmatch(line) for line in lines), text
        assert not PERSONAL.search(text), text
    happened = [
        f"INFO published dataset={told['cid']} version=1 access=acknowledge entry=",
        f"INFO request dataset={told['cid']} purpose=unstated entry=",
        f"INFO request granted dataset={told['cid']} purpose=unstated request=",
        "INFO receipt request=", "INFO join invitation=", "INFO ballot entry=", "INFO command show failed error=103",
    ]  # fmt: skip
    for words in happened:
        assert sum(words in line for line in lines) == 1, (words, text)
    assert text.count("INFO proposal action=admit entry=") == 2
    assert ("DEBUG served GET /packs/" in text) == bool(verbose)
    assert (peer in text) == ("-vv" in verbose)


def line(everything: bool, message: str, *args: object, error: BaseException | None = None) -> str:
    info = (type(error), error, error.__traceback__) if error else None
    record = logging.LogRecord("commons", logging.ERROR, "", 0, message, args, info)  # type: ignore[arg-type]
    return journal.JournalFormatter(everything).format(record)


def test_a_line_names_nobody_unless_it_is_asked_for() -> None:
    peer = "12D3KooWJWEKvSFbben74C7H4YtKjhPMTDxd7gP7zxWSUEeF27st"
    who = [
        peer, f"/ip4/203.0.113.7/tcp/4001/p2p/{peer}", "http://ben.example:80/x", "203.0.113.7:4001", "2001:db8::1:2",
        "[2001:db8::1:2]:80", "ben.b+c@mail.example.org", "/dns4/ben.example/tcp/1",
    ]  # fmt: skip
    for each in who:
        assert each not in line(False, "asked %s again", each)
        assert line(False, "asked %s again", each).endswith(" ERROR asked … again"), each
        assert each in line(True, "asked %s again", each)
    dataset = ABSENT.removeprefix("commons:")
    assert line(False, "%s in api.py:97 at 08:00:00, v 1.2.3", dataset).endswith(
        f"{dataset} in api.py:97 at 08:00:00, v 1.2.3"
    )


def test_a_bug_is_one_line_by_its_place() -> None:
    try:
        journal.place(None)  # type: ignore[arg-type]
    except AttributeError as error:
        bug = error
    said = line(False, "x\n%s", "\x1b[2J", error=bug)
    assert re.fullmatch(r"\S+Z ERROR x  \[2J bug=AttributeError at=journal\.py:\d+", said), said
    assert "Traceback" in line(True, "x", error=bug)


async def test_a_bug_in_keeping_contact_is_told_and_ends_nothing(
    start: Start, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("commons.node.contact.FIRST", 0.0)
    monkeypatch.setattr("commons.node.contact.LOOK", 0.0)
    ana = await start("ana")
    contact = Contact(ana.home, ana.node.net, ana.node.connected)
    rounds = 0

    async def bug() -> float:
        nonlocal rounds
        rounds += 1
        raise KeyError("ours")

    monkeypatch.setattr(contact.rounds, "_each", bug)
    contact.rounds.start()
    await until(lambda: rounds > 2)
    await contact.rounds.stop()
    assert [each.levelname for each in caplog.records if each.name == "commons.node.contact"][:2] == ["ERROR", "ERROR"]
