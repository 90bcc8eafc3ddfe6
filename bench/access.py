"""From request to key over libp2p, start-up times, and what an idle node costs.

    python bench/access.py [requests, 60 unless told]

Each request is a new requester's, over a live connection: submit, check proofs, release, open. The limit beside it is
an empty request (GET /commons), twice, since an access needs two round trips.
"""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from commons.access import obtain
from commons.core.dataset.reference import parse
from commons.datasets import fetch
from commons.disk import home
from commons.disk.home import Home
from commons.node.node import Node

CLI = [sys.executable, "-m", "commons.cli"]


def spread(name: str, seconds: list[float], note: str = "") -> None:
    ordered = sorted(seconds)
    p99 = ordered[min(len(ordered) - 1, int(len(ordered) * 0.99))]
    print(f"{name:44}{statistics.median(ordered) * 1e3:10.1f}{p99 * 1e3:10.1f}  {note}")


async def accesses(folder: Path, reference: str, peer: str, count: int) -> tuple[list[float], list[float], list[float]]:
    empty, warm, first = [], [], []
    for n in range(count):
        path = folder / f"reader-{n}"
        home.create(path, home.personal("bench", "members", int(time.time())), {})
        with Home(path) as opened:
            async with Node(opened) as node:
                dataset = await fetch.describe(opened, node.net, parse(reference).cid, [peer])
                for _ in range(3):
                    start = time.perf_counter()
                    await node.net.get(peer, "/commons", limit=200)
                    await node.net.get(peer, "/commons", limit=200)
                    empty.append(time.perf_counter() - start)
                start = time.perf_counter()
                await obtain.key(
                    opened, node.net, [peer], dataset, acknowledge="CC0-1.0", purpose="research", details=None
                )
                (warm if n else first).append(time.perf_counter() - start)
        shutil.rmtree(path)
    return empty, warm, first


def main() -> None:
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 60
    folder = Path(tempfile.mkdtemp(prefix="commons-bench-"))
    try:
        run(folder, count)
    finally:
        shutil.rmtree(folder)


def run(folder: Path, count: int) -> None:
    steward, data = folder / "steward", folder / "data"
    data.mkdir()
    (data / "table.csv").write_text("a,b\n1,2\n")
    home.create(steward, home.personal("bench", "members", int(time.time())), {})
    print(f"{'milliseconds':44}{'median':>10}{'p99':>10}")
    helps = []
    for _ in range(7):
        start = time.perf_counter()
        subprocess.run([*CLI, "--help"], stdout=subprocess.DEVNULL, check=True)
        helps.append(time.perf_counter() - start)
    spread("commons --help", helps)
    bare = []
    for _ in range(7):
        start = time.perf_counter()
        subprocess.run([sys.executable, "-c", "pass"], check=True)
        bare.append(time.perf_counter() - start)
    spread("limit: python -c pass", bare)
    start = time.perf_counter()
    node = subprocess.Popen(
        [*CLI, "--home", str(steward), "--json", "node", "--listen", "/ip4/127.0.0.1/tcp/0"],
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert node.stdout
        peer = json.loads(node.stdout.readline())["addresses"][0]
        spread("commons node, until it is reachable", [time.perf_counter() - start])
        told = json.loads(subprocess.run(
            [*CLI, "--home", str(steward), "--json", "publish", str(data), "--title", "bench", "--licence", "CC0-1.0",
             "--creator", "x"], capture_output=True, text=True, check=True).stdout)  # fmt: skip
        empty, warm, _ = asyncio.run(accesses(folder, told["reference"], peer, count))
        spread("limit: two empty round trips over libp2p", empty)
        spread("from request to key", warm, f"{statistics.median(warm) / statistics.median(empty):.1f} × the limit")
        idle(node.pid)
    finally:
        node.terminate()
        node.wait(10)


def idle(pid: int, seconds: float = 20.0) -> None:
    def cpu() -> float:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def moved() -> int:
        lines = Path(f"/proc/{pid}/io").read_text().split()
        return int(lines[1]) + int(lines[3])

    before, bytes_before = cpu(), moved()
    time.sleep(seconds)
    memory = next(line for line in Path(f"/proc/{pid}/status").read_text().splitlines() if line.startswith("VmRSS"))
    share, amount = (cpu() - before) / seconds * 100, (moved() - bytes_before) * 60 / seconds
    print(
        f"idle node: {share:.2f} % of a core, {amount:.0f} bytes read and written a minute, {memory.split(None, 1)[1]}"
    )


if __name__ == "__main__":
    main()
