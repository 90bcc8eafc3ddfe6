"""The owner's door: who is let in, what a verb says through it, and how a running node stops."""

from __future__ import annotations

import asyncio
import io
import json
import os
import signal
import stat
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from commons.cli import __main__
from commons.disk.home import Home, held_by_node
from commons.errors import Busy, CommonsError, Conflict, Internal, Malformed, NotFound, Refused, Unreachable
from commons.node import control
from commons.node.node import Node
from commons.node.verbs.context import Context
from commons.node.verbs.registry import VERBS
from tests.conftest import ANY, LIMIT, MakeHome, Party, Start, until


class Door:
    """What `control` holds, and any request made with it."""

    def __init__(self, party: Party, session: aiohttp.ClientSession) -> None:
        self.party, self.session = party, session
        self.path = party.home.path / "control"
        told = json.loads(self.path.read_text())
        self.url, self.token = told["url"], told["token"]

    async def ask(
        self,
        verb: str = "status",
        data: bytes | io.BytesIO = b"{}",
        method: str = "POST",
        path: str = "",
        **headers: str,
    ) -> tuple[int, dict[str, Any]]:
        """Status and error or answer. A header named here replaces the honest one; an empty one is left out."""
        lines = {"Authorization": f"Bearer {self.token}", **{k.replace("_", "-"): v for k, v in headers.items()}}
        lines = {name: value for name, value in lines.items() if value}
        async with self.session.request(
            method, self.url + (path or f"/verbs/{verb}"), data=data, headers=lines, allow_redirects=False
        ) as answer:
            body = await answer.read()
        assert b"Traceback" not in body
        try:
            return answer.status, json.loads(body.splitlines()[-1])
        except (ValueError, IndexError):
            return answer.status, {}

    async def run(self, verb: str, **words: Any) -> dict[str, Any]:
        """As the command line asks."""
        return await control.run(self.party.home.path, verb, words, lambda done, whole: None)


@asynccontextmanager
async def opened(party: Party) -> AsyncIterator[Door]:
    async with control.door(party.node), aiohttp.ClientSession() as session:
        yield Door(party, session)


@pytest.fixture
async def door(start: Start) -> AsyncIterator[Door]:
    async with opened(await start("alice", listen=())) as one:
        yield one


# -- who is let in


async def test_the_owner_is_let_in(door: Door) -> None:
    status, told = await door.ask()
    assert status == 200
    assert told["told"]["peer"] == door.party.peer


@pytest.mark.parametrize(
    "given",
    ["", "Bearer ", "Bearer x", "{token}x", "{short}", "Basic {token}", "Bearer Bearer {token}", "bearer\t{token}"],
)  # fmt: skip
async def test_a_wrong_token_is_refused(door: Door, given: str) -> None:
    words = given.format(token=door.token, short=f"Bearer {door.token[:-1]}")
    status, told = await door.ask(Authorization=words)
    assert (status, told["error"]) == (403, Refused.number)


async def test_a_token_of_strange_bytes_is_refused(door: Door) -> None:
    host = door.url.removeprefix("http://")
    reader, writer = await asyncio.open_connection(*host.split(":"))
    writer.write(
        f"POST /verbs/status HTTP/1.1\r\nHost: {host}\r\nContent-Length: 2\r\nConnection: close\r\n".encode()
        + b"Authorization: Bearer \xff\xfe\r\n\r\n{}"
    )
    assert (await reader.read()).startswith(b"HTTP/1.1 403")
    writer.close()


@pytest.mark.parametrize(
    "host", ["localhost:{port}", "evil.example:{port}", "evil.example", "127.0.0.1", "127.0.0.1:1", "[::1]:{port}",
             "127.1:{port}", "2130706433:{port}", "127.0.0.1:{port}.evil.example", "127.0.0.1:{port}@evil"],
)  # fmt: skip
async def test_a_name_rebound_to_this_machine_does_not_open_the_door(door: Door, host: str) -> None:
    status, told = await door.ask(Host=host.format(port=door.url.rpartition(":")[2]))
    assert (status, told["error"]) == (403, Refused.number)


@pytest.mark.parametrize("origin", ["null", "http://evil.example", "{url}", "http://127.0.0.1", "file://"])
async def test_no_web_page_is_let_in_even_with_the_token(door: Door, origin: str) -> None:
    status, told = await door.ask(Origin=origin.format(url=door.url))
    assert (status, told["error"]) == (403, Refused.number)


async def test_a_preflight_gets_no_permission(door: Door) -> None:
    async with door.session.options(
        f"{door.url}/verbs/status", headers={"Origin": "http://evil.example", "Access-Control-Request-Method": "POST"}
    ) as answer:
        assert answer.status == 405
        assert not [name for name in answer.headers if name.lower().startswith("access-control")]


async def test_only_verbs_are_there_and_only_posted_to(door: Door) -> None:
    for method in ("GET", "HEAD", "PUT", "DELETE", "PATCH", "OPTIONS"):
        assert (await door.ask(method=method))[0] == 405, method
    for path in ("/", "/verbs", "/verbs/", "/control", "/verbs/status/x", "/verbs/../control"):
        assert (await door.ask(path=path))[0] == 404, path
    for verb in ("__init__", "addressed", "_refer", "home", "node", "seed", "STATUS", "%73tatus%00", "x" * 3000):
        status, told = await door.ask(verb)
        assert (status, told["error"]) == (200, Malformed.number), verb


async def test_the_check_comes_before_the_body_is_read(door: Door) -> None:
    status, told = await door.ask(data=io.BytesIO(bytes(3 << 20)), Authorization="Bearer x")
    assert (status, told["error"]) == (403, Refused.number)
    assert (await door.ask(data=io.BytesIO(bytes(3 << 20))))[0] == 413


async def test_the_file_that_opens_the_door_is_the_owners_alone_and_gone_with_it(start: Start) -> None:
    party = await start("alice", listen=())
    async with opened(party) as door:
        assert stat.S_IMODE(door.path.stat().st_mode) == 0o600
        assert door.url.startswith("http://127.0.0.1:")
        assert len(door.token) >= 43
        first = door.token
    assert not door.path.exists()
    async with opened(party) as door:
        assert door.token != first


# -- what a verb says through it


@pytest.mark.parametrize(
    "body", [b"", b"{", b"null", b"[]", b"1", b'"x"', b"\xff", b"[" * 100_000, b'{"a":' * 50_000, b"9" * 90_000]
)  # fmt: skip
async def test_arguments_that_are_no_object_are_malformed(door: Door, body: bytes) -> None:
    status, told = await door.ask(data=body)
    assert (status, told["error"]) == (422, Malformed.number)


@pytest.mark.parametrize(
    ("verb", "words"),
    [("status", {"x": 1}), ("decide", {}), ("status", {"self": 1}), ("requests", {"": 1}), ("decide", {"request": 1})],
)
async def test_arguments_that_a_verb_does_not_know_are_malformed(door: Door, verb: str, words: dict[str, Any]) -> None:
    _, told = await door.ask(verb, json.dumps(words).encode())
    assert told["error"] == Malformed.number


async def test_a_bug_inside_a_verb_is_told_and_the_node_goes_on(
    door: Door, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async def breaks(c: Context) -> None:
        raise ZeroDivisionError("an accident")

    monkeypatch.setitem(VERBS, "datasets", replace(VERBS["datasets"], function=breaks))
    with pytest.raises(Internal, match="bug=ZeroDivisionError"):
        await door.run("datasets")
    assert "datasets failed" in caplog.text
    assert (await door.run("status"))["peer"] == door.party.peer


async def test_each_verb_says_through_the_node_what_it_says_in_process(
    door: Door, folder: Path, tmp_path: Path
) -> None:
    desk = door.party.desk
    words = {"path": str(folder), "title": "Rivers", "licence": "CC-BY-4.0", "creators": ["Ana é \x1b[2J"]}
    told = await door.run("publish", **words)
    reference = told["reference"]
    for verb, more in {
        "status": {}, "datasets": {}, "requests": {"everything": True}, "audit": {}, "peers": {},
        "show": {"dataset": reference}, "refer": {"dataset": reference}, "announce": {"addresses": []},
    }.items():  # fmt: skip
        through, here = await door.run(verb, **more), await desk.call(verb, more)
        if verb == "status":  # a second may have passed
            through["dated"]["clock"] = here["dated"]["clock"]
        assert through == json.loads(json.dumps(here)), verb
    exported = await door.run("export_log", path=str(tmp_path / "a.zip"))
    assert exported["bytes"] == (await desk.export_log(path=str(tmp_path / "b.zip")))["bytes"]
    fetched = await door.run("fetch", dataset=reference, dest=str(tmp_path / "copy"))
    assert fetched["files"] == 3
    assert {"publish", "fetch", "mirror", "drop", "decide", "erase"} < VERBS.keys()


@pytest.mark.parametrize(
    ("verb", "words", "error"),
    [
        ("decide", {"request": 99, "outcome": "grant"}, NotFound), ("erase", {"entry": 99}, NotFound),
        ("erase", {"entry": 0}, Conflict), ("decide", {"request": 0, "outcome": "perhaps"}, Malformed),
        ("show", {"dataset": "commons:nonsense"}, Malformed), ("audit", {"source": "/nowhere"}, NotFound),
        ("export_log", {"path": "/nowhere/at/all"}, NotFound), ("peers", {"add": "/ip4/x"}, Malformed),
    ],
)  # fmt: skip
async def test_an_error_is_the_same_through_the_node_and_in_process(
    door: Door, verb: str, words: dict[str, Any], error: type[CommonsError]
) -> None:
    with pytest.raises(error) as through:
        await door.run(verb, **words)
    with pytest.raises(error) as here:
        await door.party.desk.call(verb, words)
    if verb != "export_log":  # which names its temporary folder
        assert through.value.as_dict() == here.value.as_dict()


async def test_progress_comes_while_a_verb_runs(door: Door, monkeypatch: pytest.MonkeyPatch) -> None:
    seen, go = asyncio.Event(), asyncio.Event()

    async def slow(c: Context) -> dict[str, Any]:
        c.progress(1, 3)
        await go.wait()
        return {}

    monkeypatch.setitem(VERBS, "datasets", replace(VERBS["datasets"], function=slow))
    steps: list[tuple[int, int]] = []

    def step(done: int, whole: int) -> None:
        steps.append((done, whole))
        seen.set()

    running = asyncio.create_task(control.run(door.party.home.path, "datasets", {}, step))
    await asyncio.wait_for(seen.wait(), LIMIT)
    go.set()
    assert await running == {}
    assert steps == [(1, 3)]


async def test_a_command_that_goes_away_leaves_the_node_whole(
    door: Door, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    begun, ended = asyncio.Event(), asyncio.Event()

    async def long(c: Context) -> dict[str, Any]:
        begun.set()
        try:
            for n in range(10**6):
                c.progress(n, 10**6)
                await asyncio.sleep(0.02)
        finally:
            ended.set()
        return {}

    monkeypatch.setitem(VERBS, "datasets", replace(VERBS["datasets"], function=long))
    running = asyncio.create_task(door.run("datasets"))
    await asyncio.wait_for(begun.wait(), LIMIT)
    running.cancel()
    await asyncio.wait_for(ended.wait(), LIMIT)  # nobody waits for it any more
    assert (await door.run("status"))["log"] == "writable"
    assert "Traceback" not in caplog.text


async def test_a_node_that_stops_while_a_verb_runs_tells_the_command(
    start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun = asyncio.Event()

    async def endless(c: Context) -> dict[str, Any]:
        begun.set()
        await asyncio.Event().wait()
        return {}

    monkeypatch.setitem(VERBS, "datasets", replace(VERBS["datasets"], function=endless))
    async with opened(await start("alice", listen=())) as door:
        running = asyncio.create_task(door.run("datasets"))
        await asyncio.wait_for(begun.wait(), LIMIT)
    with pytest.raises(Unreachable, match="stopped before it was done"):
        await asyncio.wait_for(running, LIMIT)


async def test_a_home_held_by_no_node_is_busy_and_not_waited_for_for_ever(
    start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    party = await start("alice", listen=())  # it holds the lock and has no door
    with pytest.raises(Busy):
        await control.run(party.home.path, "status", {}, lambda done, whole: None)
    (party.home.path / "control").write_text(json.dumps({"url": "http://127.0.0.1:1", "token": "x"}))  # of a dead node
    monkeypatch.setattr(control, "PAUSE", 0.0)  # and no other's sleep: what looks again and again has to
    with pytest.raises((Busy, Unreachable)):
        await control.run(party.home.path, "status", {}, lambda done, whole: None)
    for nonsense in ("", "[]", "{}", '{"url": 3}', "\x00"):
        (party.home.path / "control").write_text(nonsense)
        with pytest.raises(Busy):
            await control.run(party.home.path, "status", {}, lambda done, whole: None)


async def test_a_node_that_is_starting_is_waited_for_and_another_command_not_for_as_long(
    make_home: MakeHome, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(control, "OTHERS", 1)
    monkeypatch.setattr(control, "STARTING", 10**9)
    path, asked = make_home("alice"), asyncio.Event()

    async def start_at_last(_: float) -> None:
        asked.set()
        await real(0.001)

    real = asyncio.sleep
    monkeypatch.setattr(asyncio, "sleep", start_at_last)
    with Home(path, node=True) as home:  # as long as its log is read, and libp2p loaded, it has no door
        waiting = asyncio.create_task(control.run(path, "status", {}, lambda done, whole: None))
        await asyncio.wait_for(asked.wait(), LIMIT)
        assert not waiting.done()
        async with Node(home) as node, control.door(node):
            assert (await asyncio.wait_for(waiting, LIMIT))["entries"] == 1
        monkeypatch.setattr(control, "STARTING", 3)  # one that never comes is not waited for without end
        with pytest.raises(Busy):
            await control.run(path, "status", {}, lambda done, whole: None)
    with Home(path), pytest.raises(Busy):  # a command, and what the node left in the lock counts no more
        await control.run(path, "status", {}, lambda done, whole: None)
    monkeypatch.setattr(control, "STARTING", 10**9)
    with Home(path, node=True):  # it crashes while it starts
        waiting = asyncio.create_task(control.run(path, "status", {}, lambda done, whole: None))
        asked.clear()
        await asyncio.wait_for(asked.wait(), LIMIT)
    assert (await asyncio.wait_for(waiting, LIMIT))["entries"] == 1


async def test_a_control_file_left_by_a_crash_is_no_obstacle(make_home: MakeHome) -> None:
    path = make_home("alice")
    (path / "control").write_text(json.dumps({"url": "http://127.0.0.1:1", "token": "x"}))
    assert (await control.run(path, "status", {}, lambda done, whole: None))["entries"] == 1


# -- processes of their own


@contextmanager
def running(home: Path, *words: str) -> Iterator[tuple[subprocess.Popen[str], dict[str, Any]]]:
    source = Path(__main__.__file__).parents[2]
    env = {**os.environ, "PYTHONPATH": os.pathsep.join([str(source), os.environ.get("PYTHONPATH", "")])}
    with subprocess.Popen(
        [sys.executable, "-m", "commons.cli", "--home", str(home), "--json", "node", "--listen", ANY, *words],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=env, cwd=home.parent,
    ) as node:  # fmt: skip
        try:
            assert node.stdout
            yield node, json.loads(node.stdout.readline() or "{}")
        finally:
            node.kill()


@pytest.mark.parametrize("word", ["publish", "status"])
@pytest.mark.rest
def test_any_command_beside_a_node_that_starts_is_done_by_it(make_home: MakeHome, folder: Path, word: str) -> None:
    home = make_home("alice")
    words = {"path": str(folder), "title": "Rivers", "licence": "CC0-1.0"} if word == "publish" else {}
    source = Path(__main__.__file__).parents[2]
    env = {**os.environ, "PYTHONPATH": os.pathsep.join([str(source), os.environ.get("PYTHONPATH", "")])}
    with subprocess.Popen(
        [sys.executable, "-m", "commons.cli", "--home", str(home), "--json", "node", "--listen", ANY],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=env, cwd=home.parent,
    ) as node:  # fmt: skip
        try:
            asyncio.run(_until_held(home))
            told = asyncio.run(control.run(home, word, words, lambda done, whole: None))
            assert told["entry" if word == "publish" else "addresses"]
        finally:
            node.kill()


async def _until_held(home: Path) -> None:
    await until(lambda: held_by_node(home))


async def test_a_node_waits_for_the_command_that_is_at_work_and_not_for_another_node(
    make_home: MakeHome, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, stop = make_home("alice"), asyncio.Event()
    with Home(path):
        waiting = asyncio.create_task(control._home_for_a_node(path, stop))
        await asyncio.sleep(0)
        assert not waiting.done()
    with await asyncio.wait_for(waiting, LIMIT), pytest.raises(Busy):
        await control._home_for_a_node(path, stop)
    with Home(path):
        stop.set()
        with pytest.raises(Busy):
            await control._home_for_a_node(path, stop)


def test_a_real_node_answers_its_owner_refuses_a_second_and_stops(make_home: MakeHome, folder: Path) -> None:
    home = make_home("alice")
    with running(home, "--http", "127.0.0.1:0") as (node, told):
        assert told["addresses"]
        assert told["door"].startswith("http://127.0.0.1:")
        with running(home) as (second, said):
            assert said["error"] == Busy.number
            assert second.wait(LIMIT) == 23
        status = asyncio.run(control.run(home, "status", {}, lambda done, whole: None))
        assert status["addresses"] == told["addresses"]
        node.send_signal(signal.SIGTERM)
        assert node.wait(LIMIT) == 0
        assert node.stderr
        assert node.stderr.read() == ""
    assert not (home / "control").exists()


@pytest.mark.rest
def test_a_node_that_stops_while_it_publishes_does_not_wait_for_the_end_and_leaves_a_home_that_opens(
    make_home: MakeHome, tmp_path: Path
) -> None:
    home = make_home("alice")
    (tmp_path / "big").mkdir()
    with (tmp_path / "big" / "zeros").open("wb") as file:
        file.truncate(2 << 30)  # a hole: costs no disk, and some seconds to pack
    with running(home) as (node, _):

        async def publish() -> None:
            words = {"path": str(tmp_path / "big"), "title": "Big", "licence": "CC0-1.0"}
            stopping: list[int] = []

            def step(done: int, whole: int) -> None:
                if not stopping and done:
                    stopping.append(done)
                    node.send_signal(signal.SIGTERM)

            with pytest.raises(Unreachable, match="stopped before it was done"):
                await control.run(home, "publish", words, step)

        asyncio.run(publish())
        assert node.wait(LIMIT) == 0
    told = asyncio.run(control.run(home, "status", {}, lambda done, whole: None))
    assert told["log"] == "writable"
