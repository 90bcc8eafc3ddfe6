"""Two machines, each a network namespace of its own, and everything as it is by default: two nodes that see each other,
and one whom nobody can dial. Needs root, iproute2 and nftables."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import LIMIT, until

pytestmark = pytest.mark.long

A, B = "10.213.7.1", "10.213.7.2"
DROPPING = """
table inet router {
  chain arriving { type filter hook input priority 0; policy accept; iifname "wire" ct state new drop; }
}
"""
SILENT = DROPPING.replace(" ct state new", "")


def run(*words: str, **more: Any) -> str:
    return subprocess.run(words, check=True, text=True, stdout=subprocess.PIPE, timeout=LIMIT, **more).stdout


class Machine:
    """A network of its own, and a home in it."""

    def __init__(self, name: str, address: str, folder: Path) -> None:
        self.name, self.address, self.folder = f"commons-{os.getpid()}-{name}", address, folder
        self.home = folder / name
        self.env = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}

    def command(self, *words: str) -> list[str]:
        program = [sys.executable, "-P", "-m", "commons.cli", "--json", "--home", str(self.home)]
        return ["ip", "netns", "exec", self.name, *program, *words]

    def __call__(self, *words: str, typed: str = "") -> dict[str, Any]:
        told: dict[str, Any] = json.loads(run(*self.command(*words), cwd=self.folder, env=self.env, input=typed))
        return told

    def until(self, *words: str, true: Callable[[dict[str, Any]], object]) -> dict[str, Any]:
        """Repeat a command until what it says is so."""
        end = time.monotonic() + LIMIT
        while time.monotonic() < end:
            done = subprocess.run(
                self.command(*words), cwd=self.folder, env=self.env, text=True, capture_output=True, timeout=LIMIT,
                check=False,
            )  # fmt: skip
            if done.returncode == 0 and true(told := json.loads(done.stdout)):
                return dict(told)
            time.sleep(0.5)
        raise AssertionError(f"{words}: {done.stdout}{done.stderr}")

    @contextmanager
    def node(self, command: list[str] | None = None) -> Iterator[list[str]]:
        """`commons node`, without a word more; the addresses it gives out."""
        with subprocess.Popen(
            command or self.command("node"), cwd=self.folder, env=self.env, text=True, stdout=subprocess.PIPE
        ) as process:  # fmt: skip
            try:
                assert process.stdout is not None
                yield json.loads(process.stdout.readline())["addresses"]
            finally:
                process.terminate()
                process.wait(LIMIT)


@pytest.fixture
def machines(tmp_path: Path) -> Iterator[tuple[Machine, Machine]]:
    a, b = Machine("a", A, tmp_path), Machine("b", B, tmp_path)
    with ExitStack() as made:
        for each in (a, b):
            run("ip", "netns", "add", each.name)
            made.callback(run, "ip", "netns", "delete", each.name)
            run("ip", "-n", each.name, "link", "set", "lo", "up")
        run("ip", "-n", a.name, "link", "add", "wire", "type", "veth", "peer", "name", "wire", "netns", b.name)
        for each in (a, b):
            run("ip", "-n", each.name, "address", "add", f"{each.address}/24", "dev", "wire")
            run("ip", "-n", each.name, "link", "set", "wire", "up")
        (tmp_path / "data").mkdir()
        (tmp_path / "data" / "rivers.csv").write_text("river,km\nLoire,1006\n")
        yield a, b


def publish(who: Machine, *more: str) -> str:
    words = ("--title", "Rivers", "--licence", "CC0-1.0", *more)
    return str(who("publish", "data", *words)["cid"])


def test_by_default_each_is_reached_where_it_says_and_what_it_gives_out_leads_there(
    machines: tuple[Machine, Machine], tmp_path: Path
) -> None:
    a, b = machines
    (tmp_path / "charter.toml").write_text(
        'name = "River watch"\n[colleges]\nworkers = ["me"]\n[powers.admit]\nrule = "group w any *workers\\nquorum w"\n'
    )
    a("community", "new", "charter.toml")
    b("init")
    with a.node() as at_a, b.node() as at_b:
        for here, given in ((A, at_a), (B, at_b)):
            assert [each.split("/")[2] for each in given if "/ip4/" in each] == [here]
            assert not any("0.0.0.0" in each or "127.0.0.1" in each for each in given)
        invited = a("community", "invite", "workers")
        assert f"/ip4/{A}/tcp/4001" in invited["invitation"]
        assert invited["reach"] == "this network"
        b("community", "join", typed=invited["invitation"])
        cid = publish(a)
        assert b("show", cid)["title"] == "Rivers"  # found at the registrar, whom nobody has named
        told = b("fetch", a("refer", cid, "--lan")["reference"], "copy", "--acknowledge", "CC0-1.0")
        assert told["files"] == 1
        theirs = publish(b, "--description", "Of her own")
        assert a("show", theirs, "--from", at_b[0])["publisher"] == b("status")["peer"]


def test_who_drops_what_comes_in_is_reached_over_the_connection_it_keeps(
    machines: tuple[Machine, Machine], tmp_path: Path
) -> None:
    a, b = machines
    a("init")
    b("init")
    run("ip", "netns", "exec", b.name, "nft", "-f", "-", input=DROPPING)
    with a.node() as at_a, b.node() as at_b:
        cid = publish(b)
        dial = f"import socket; socket.create_connection(({B!r}, 4001), 2)"
        with pytest.raises(subprocess.CalledProcessError):
            run("ip", "netns", "exec", a.name, sys.executable, "-c", dial, stderr=subprocess.DEVNULL)
        b("peer", "add", at_a[0])  # all that its owner does
        reference = b("refer", cid, "--lan")["reference"]
        assert at_b[0] in reference
        told = a.until("show", reference, true=lambda told: told["title"] == "Rivers")
        assert told["publisher"] == b("status")["peer"]
        assert a("mirror", reference)["title"] == "Rivers"
        assert a("fetch", reference, "copy", "--acknowledge", "CC0-1.0")["files"] == 1
        assert (tmp_path / "copy" / "rivers.csv").exists()


IMPATIENT = """
import sys
from commons.net import host
host.SILENT_SECONDS, host.ASKED = (1, 1), (1, 2)
from commons.cli.__main__ import main
sys.argv = ["commons", "--json", "--home", *sys.argv[1:]]
main()
"""


def test_a_connection_whose_other_end_has_vanished_is_noticed_and_made_again(
    machines: tuple[Machine, Machine], tmp_path: Path
) -> None:
    a, b = machines
    a("init")
    b("init")

    def connection(there: bool) -> None:
        def seen() -> bool:
            return f"{A}:4001" in run("ip", "netns", "exec", b.name, "ss", "-Htn", "state", "established")

        asyncio.run(until(lambda: seen() is there))

    impatient = ["ip", "netns", "exec", b.name, sys.executable, "-P", "-c", IMPATIENT, str(b.home), "node"]
    with a.node() as at_a, b.node(impatient):
        b("peer", "add", at_a[0])
        connection(there=True)
        run("ip", "netns", "exec", a.name, "nft", "-f", "-", input=SILENT)  # not a word more, and no end
        connection(there=False)
        run("ip", "netns", "exec", a.name, "nft", "delete", "table", "inet", "router")
        connection(there=True)
        cid = publish(b)
        assert a("show", b("refer", cid, "--lan")["reference"])["title"] == "Rivers"
