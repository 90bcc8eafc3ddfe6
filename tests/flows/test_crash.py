"""kill -9 between any two steps of publish, of answering a request, and of fetch; then the same command again.

A step is a write that could be the last: an fsync, a rename, a piece, a statement that changes a database. The child
that is killed is a real process with real files; steward and reader live in it together, so both die at that step.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import sqlite3
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from commons.core.reference import parse
from commons.desk import Desk
from commons.disk import home, packs, sql
from commons.disk.home import Home
from commons.errors import NotFound
from commons.node import Node

STEWARD = "/ip4/127.0.0.1/tcp/1/p2p/"


class Inside:
    """The network between two nodes of one process; counts the bytes of packs that cross it."""

    def __init__(self, steward: Node) -> None:
        self.steward, self.bytes = steward, 0

    async def get(self, source: str, path: str, *, limit: int, span: tuple[int, int] | None = None) -> bytes:
        site, parts = self.steward.site, path.split("/")
        if parts[1] == "manifests":
            return site.manifest(parts[2])
        if parts[1] != "packs":
            raise NotFound(path)
        root = bytes.fromhex(parts[2])
        if path.endswith("/pieces"):
            return site.pieces(root)
        data = site.pack(root).read_bytes()[slice(*span)] if span else b""
        self.bytes += len(data)
        return data

    async def post(self, source: str, path: str, body: bytes, *, limit: int) -> bytes:
        _, commons, what = path.split("/")
        if what == "release":
            return self.steward.site.release(commons, body)
        return await self.steward.site.submit(commons, body)


def die_at(step: int, steps: Path) -> None:
    """From now on this process counts its writes in `steps`, and kills itself at number `step`."""
    count = 0

    def point() -> None:
        nonlocal count
        count += 1
        if count == step:
            os.kill(os.getpid(), signal.SIGKILL)
        with steps.open("w") as file:
            file.write(str(count))

    def before(function: Callable[..., Any]) -> Callable[..., Any]:
        def wrapped(*args: Any, **words: Any) -> Any:
            point()
            return function(*args, **words)

        return wrapped

    os.fsync, os.rename, os.replace = before(os.fsync), before(os.rename), before(os.replace)
    packs.Partial.write = before(packs.Partial.write)  # type: ignore[method-assign]
    connect = sql.connect

    def traced(path: Path, schema: str) -> sqlite3.Connection:
        db = connect(path, schema)
        db.set_trace_callback(
            lambda said: point() if said.startswith(("INSERT INTO entries", "INSERT OR", "UPDATE", "COMMIT")) else None
        )
        return db

    sql.connect = traced


def in_child(work: Callable[[], None]) -> int:
    """The exit code of `work` in a forked process; -9 if it was killed."""
    child = os.fork()
    if child == 0:
        code = 1
        try:
            work()
            code = 0
        except BaseException as error:
            os.write(2, f"{error!r}\n".encode())
        finally:
            os._exit(code)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def make(folder: Path) -> Path:
    data = folder / "data"
    data.mkdir(parents=True)
    (data / "big.bin").write_bytes(os.urandom((3 << 20) + 5))
    (data / "small.txt").write_text("small\n")
    for name in ("steward", "reader"):
        home.create(folder / name, name, "members", int(time.time()), {})
    return data


def publish(folder: Path) -> str:
    async def go() -> str:
        with Home(folder / "steward") as opened:
            async with Node(opened) as node:
                told = await Desk(node).publish(path=str(folder / "data"), title="Big", licence="CC0-1.0")
                return str(told["reference"])

    return asyncio.run(go())


def fetch(folder: Path, reference: str) -> int:
    async def go() -> int:
        with Home(folder / "steward") as steward, Home(folder / "reader") as reader:
            async with Node(steward) as a, Node(reader) as b:
                desk = Desk(b)
                desk.net = Inside(a)  # type: ignore[assignment]
                await desk.fetch(
                    dataset=reference, dest=str(folder / "copy"), sources=[STEWARD + steward.keys.identity.peer],
                    acknowledge="CC0-1.0", purpose="research",
                )  # fmt: skip
                return desk.net.bytes  # type: ignore[attr-defined]

    return asyncio.run(go())


def audited(folder: Path) -> dict[str, Any]:
    async def go() -> dict[str, Any]:
        with Home(folder / "steward") as steward:
            async with Node(steward) as node:
                return await Desk(node).audit()

    return asyncio.run(go())


def test_a_publish_killed_anywhere_can_be_repeated_and_names_nothing_unlogged(tmp_path: Path) -> None:
    step = 0
    while True:
        step += 1
        folder = tmp_path / str(step)
        make(folder)

        def work(folder: Path = folder, step: int = step) -> None:
            die_at(step, folder / "steps")
            (folder / "told").write_text(publish(folder))

        code = in_child(work)
        before = audited(folder)
        assert before["faults"] == []
        told = (folder / "told").read_text() if (folder / "told").exists() else None
        if told:  # what was named is in the log, and its packs are there
            assert [d["cid"] for d in before["datasets"]] == [parse(told).cid]
        reference = publish(folder)
        assert fetch(folder, reference) > 3 << 20
        assert (folder / "copy" / "big.bin").read_bytes() == (folder / "data" / "big.bin").read_bytes()
        assert not list((folder / "steward" / "packs").glob("*.tmp"))
        if code == 0:
            break
        assert code == -signal.SIGKILL
    assert step > 8


@pytest.fixture(scope="module")
def published(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    folder = tmp_path_factory.mktemp("published")
    make(folder)
    return folder, publish(folder)


def test_a_fetch_killed_anywhere_goes_on_and_asks_only_once(published: tuple[Path, str], tmp_path: Path) -> None:

    original, reference = published
    step, whole = 0, 3 << 20
    while True:
        step += 1
        folder = tmp_path / str(step)
        shutil.copytree(original, folder)

        def work(folder: Path = folder, step: int = step) -> None:
            die_at(step, folder / "steps")
            fetch(folder, reference)

        code = in_child(work)
        kept = sum(p.stat().st_blocks * 512 for p in (folder / "reader" / "packs").glob("*.part"))
        if (folder / "copy").exists():  # nothing unverified under a final name
            for file in (p for p in (folder / "copy").iterdir() if p.is_file() and p.name != "ATTRIBUTION.txt"):
                if not file.name.startswith("."):
                    assert file.read_bytes() == (folder / "data" / file.name).read_bytes()
        again = fetch(folder, reference)
        assert again <= max(0, whole + (1 << 20) - max(0, kept - (1 << 20)))
        assert (folder / "copy" / "big.bin").read_bytes() == (folder / "data" / "big.bin").read_bytes()
        told = audited(folder)
        assert told["faults"] == []
        assert [(row["decision"], row["receipt"] is not None) for row in told["rows"]] == [("grant", True)]
        if code == 0:
            assert again == 0
            break
        assert code == -signal.SIGKILL
    assert step > 15
