"""A real fetch, stopped in the middle by its user or by kill -9: what is told of it, and the same command again."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from tests.cli.test_cli import ANY, Commons
from tests.conftest import LIMIT

MIB = 1 << 20
WHOLE, PASSES = 64 * MIB, 30 * MIB  # three requests of 8 MiB are under way at a door: one of them at least is done


class Gate:
    """A way to a plain door that lets so many bytes of answers through, and then none before it is `opened`."""

    def __init__(self, port: int) -> None:
        self.left, self.passed = PASSES, 0
        self.opened = threading.Event()
        self._to, self._lock = port, threading.Lock()
        self._open: list[socket.socket] = []
        self._server = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._server.getsockname()[1]}"
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        while True:
            try:
                near, _ = self._server.accept()
            except OSError:
                return
            far = socket.create_connection(("127.0.0.1", self._to))
            self._open += [near, far]
            threading.Thread(target=self._carry, args=(near, far, False), daemon=True).start()
            threading.Thread(target=self._carry, args=(far, near, True), daemon=True).start()

    def _carry(self, one: socket.socket, other: socket.socket, answers: bool) -> None:
        try:
            while data := one.recv(65536):
                with self._lock:
                    self.left -= len(data) if answers else 0
                    shut = self.left < 0
                if answers and shut:
                    self.opened.wait(LIMIT)
                other.sendall(data)
                self.passed += len(data) if answers else 0
            other.shutdown(socket.SHUT_WR)
        except OSError:  # one of them has left
            pass

    def close(self) -> None:
        self.opened.set()
        self._server.shutdown(socket.SHUT_RDWR)
        for each in (self._server, *self._open):
            each.close()


@contextmanager
def passing(url: str) -> Iterator[Gate]:
    gate = Gate(int(url.rpartition(":")[2]))
    try:
        yield gate
    finally:
        gate.close()


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Commons, str, str, str]]:
    """Ana's running node with a dataset: the folder, the reference, her address and her plain door."""
    made = Commons(tmp_path_factory.mktemp("stopped"))
    (made.folder / "data").mkdir()
    (made.folder / "data" / "big.bin").write_bytes(os.urandom(WHOLE))
    made.json("ana", "init")
    made.json("ana", "publish", "data", "--title", "Big", "--licence", "CC0-1.0")
    with made.node("ana", "--listen", ANY, "--http", "127.0.0.1:0") as told:
        cid = made.json("ana", "list")["datasets"][0]["cid"]
        yield made, cid, told["addresses"][0], told["doors"][0]


def kept(home: Path) -> int:
    """Bytes of packs on the disk of a home, whole or in part."""
    return sum(each.stat().st_blocks * 512 for each in (home / "packs").iterdir() if each.suffix != ".layer")


@pytest.mark.parametrize(
    ("number", "node"),
    [
        pytest.param(signal.SIGINT, False, id="2-alone"),
        pytest.param(signal.SIGKILL, True, id="9-by its node"),
        pytest.param(signal.SIGKILL, False, id="9-alone"),
        pytest.param(signal.SIGINT, True, id="2-by its node"),
    ],
)
@pytest.mark.rest
def test_a_fetch_stopped_in_the_middle_says_how_far_it_is_and_goes_on(
    served: tuple[Commons, str, str, str], number: signal.Signals, node: bool
) -> None:
    commons, cid, address, door = served
    home, dest = f"ben-{number}-{node}", f"here-{number}-{node}"
    commons.json(home, "init")
    with ExitStack() as stack:
        gate = stack.enter_context(passing(door))
        if node:
            stack.enter_context(commons.node(home, "--no-listen"))
        words = ("--home", home, "fetch", cid, dest, "--from", gate.url, "--from", address, "--acknowledge", "CC0-1.0")
        process = subprocess.Popen(
            [sys.executable, "-P", "-m", "commons.cli", *words], cwd=commons.folder, env=commons.env,
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )  # fmt: skip
        while gate.left > 0 or kept(commons.folder / home) < 8 * MIB:
            assert process.poll() is None, process.communicate()
            time.sleep(0.01)
        process.send_signal(number)
        said, err = process.communicate(timeout=LIMIT)
        assert said == ""
        if number == signal.SIGINT:
            assert process.returncode == 130
            found = re.fullmatch(
                r"commons: stopped; the same command goes on from (?:(\d+) %|what is here)", err.strip()
            )
            assert found, err
            assert found[1] or node, "what a node tells of its progress may come too late"
            assert not found[1] or 0 < int(found[1]) <= 100 * kept(commons.folder / home) // WHOLE
        else:
            assert (process.returncode, err) == (-signal.SIGKILL, "")
        (row,) = commons.json(home, "list")["datasets"]
        assert (row["title"], row["packs"], row["served"]) == ("Big", "begun", False)
        assert commons.json(home, "status")["unfinished"][0]["packs"] == "begun"
        assert (
            "Begun       'Big': 1 pack missing, and the same `commons fetch` goes on with it"
            in commons.run("--home", home, "status").stdout
        )
        there, before = kept(commons.folder / home), gate.passed
        assert there >= 8 * MIB
        gate.opened.set()
        done = commons.run(*words)
        assert (done.returncode, done.stderr) == (0, "")
        assert gate.passed - before < WHOLE - there + 2 * MIB + 24 * MIB * (number == signal.SIGKILL)
    with open(commons.folder / dest / "big.bin", "rb") as one, open(commons.folder / "data" / "big.bin", "rb") as other:
        assert one.read() == other.read()
    (row,) = commons.json(home, "list")["datasets"]
    assert (row["packs"], commons.json(home, "status")["unfinished"]) == ("whole", [])
