"""Identities of one home: memory, threads and the time to start, by how many there are.

    python bench/identities.py [numbers, 0 1 10 unless told]

Each is a node of its own with a libp2p host that listens. What is told is of a process of its own for each number,
medians of three runs and their spread; the limit beside it is the same process without identities.
"""

from __future__ import annotations

import asyncio
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import psutil

from commons.disk import home
from commons.disk.home import Home
from commons.node.node import Node

RUNS = 3
CHARTER = (
    'name = "Community {n}"\n[colleges]\nworkers = ["me"]\n[powers.admit]\nrule = "group w any *workers\\nquorum w"\n'
)


async def measured(path: Path) -> dict[str, float]:
    start = time.perf_counter()
    with Home(path) as opened:
        async with Node(opened, ("/ip4/127.0.0.1/tcp/0",)) as node:
            assert all(each.addresses for each in node.every())
            seconds, me = time.perf_counter() - start, psutil.Process()
            await asyncio.sleep(1)
            return {"s": seconds, "MiB": me.memory_info().rss / 2**20, "threads": me.num_threads()}


def child(count: int) -> None:
    from commons.community.charter import founding

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "home")
        home.create(path, home.personal("bench", "members", int(time.time())), {})
        with Home(path) as opened:
            for n in range(count):
                opened.unlink(None, founding(CHARTER.format(n=n), int(time.time())))
        print(json.dumps(asyncio.run(measured(path))))


def main() -> None:
    numbers = [int(each) for each in sys.argv[1:]] or [0, 1, 10]
    print(f"{os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}, medians of {RUNS} (least to most)")
    print(f"{'identities':>10}{'MiB':>24}{'more each':>11}{'threads':>9}{'start, s':>22}")
    none = 0.0
    for count in numbers:
        found = []
        for _ in range(RUNS):
            said = subprocess.run([sys.executable, __file__, "--child", str(count)], capture_output=True, check=True)
            found.append(json.loads(said.stdout))
        memory, seconds = [each["MiB"] for each in found], [each["s"] for each in found]
        middle = statistics.median(memory)
        none = none or middle
        each = f"{(middle - none) / count:11.1f}" if count else " " * 11
        print(
            f"{count:10}{middle:10.0f} ({min(memory):.0f} to {max(memory):.0f}){each}"
            f"{statistics.median(e['threads'] for e in found):9.0f}"
            f"{statistics.median(seconds):10.1f} ({min(seconds):.1f} to {max(seconds):.1f})"
        )


if __name__ == "__main__":
    child(int(sys.argv[2])) if sys.argv[1:2] == ["--child"] else main()
