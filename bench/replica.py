"""A replica: first reading, reading on, opening after a restart, and memory, by the size of the log.

    python bench/replica.py [sizes, 100 10000 100000 unless told]

The log is in memory, so that no network is measured: what is read on is a tenth as many entries, at most 1,000. Beside
each reading stands the limit in the same run: the hashes of those entries and of their tree, and nothing else. Medians
of three runs and their spread; memory is what the process has grown by, one run in a process of its own.
"""

from __future__ import annotations

import asyncio
import statistics
import subprocess
import sys
import tempfile
import time
from contextlib import closing
from pathlib import Path

import psutil

from commons.core.tlog import merkle, tiles
from commons.disk.history import History
from commons.disk.shelf import Shelf
from commons.log.evidence import Remembered
from commons.log.replica import Replica
from tests.keeper import BOB, Keeper

RUNS = 3


class Source:
    """A log in memory: requests that are granted, one after another."""

    def __init__(self, size: int) -> None:
        self.log = Keeper()
        self.log.ask(BOB, self.log.publish())
        self.log.decide()
        self.grow(size)

    def grow(self, size: int) -> None:
        leaf = self.log.data[2]
        while len(self.log.data) < size:
            self.log.last = self.log.add(leaf)
            self.log.decide()
        self.shown = self.log.head()

    async def read(self, path: str) -> bytes:
        if path == tiles.CHECKPOINT:
            return self.shown
        return await self.log.read(path)


def hashed(data: list[bytes]) -> float:
    start = time.perf_counter()
    merkle.grow(0, (), [merkle.leaf(each) for each in data])
    return time.perf_counter() - start


def told(name: str, seconds: list[float], limit: float | None, entries: int) -> None:
    middle = statistics.median(seconds)
    each = middle / max(entries, 1) * 1e6
    beside = f"{limit * 1e3:10.1f}{middle / limit:9.1f}" if limit else " " * 19
    print(f"{name:40}{middle * 1e3:10.1f}{min(seconds) * 1e3:9.1f}{max(seconds) * 1e3:9.1f}{beside}{each:11.1f}")


def measure(size: int) -> None:
    source = Source(size)
    whole, more = len(source.log.data), min(1000, size // 10)
    first, again, on, nothing = list[float](), list[float](), list[float](), list[float]()
    limit, limit_on = hashed(source.log.data), 0.0
    with tempfile.TemporaryDirectory() as folder:
        for run in range(RUNS):
            with closing(Shelf(Path(folder, f"{run}.shelf.db"))) as shelf:
                path = Path(folder, f"{run}.db")
                for seconds in (first, again):
                    with closing(History.open(path)) as history:
                        start = time.perf_counter()
                        asyncio.run(Replica(source.log.commons, history, Remembered(shelf)).update(source.read))
                        seconds.append(time.perf_counter() - start)
        child = [sys.executable, __file__, "memory", str(path), source.log.commons]
        memory = subprocess.run(child, check=True, capture_output=True, text=True).stdout.strip()
        with closing(Shelf(Path(folder, "shelf.db"))) as shelf, closing(History.open(Path(folder, "db"))) as history:
            kept = Replica(source.log.commons, history, Remembered(shelf))
            asyncio.run(kept.update(source.read))
            for _ in range(RUNS):
                start = time.perf_counter()
                asyncio.run(kept.update(source.read))
                nothing.append(time.perf_counter() - start)
                before = len(source.log.data)
                source.grow(before + more)
                limit_on = hashed(source.log.data[before:])
                start = time.perf_counter()
                asyncio.run(kept.update(source.read))
                on.append(time.perf_counter() - start)
    print(
        f"\n{whole} entries{'':27}{'median ms':>10}{'least':>9}{'most':>9}{'limit ms':>10}{'ratio':>9}{'µs/entry':>11}"
    )
    told("first reading", first, limit, whole)
    told("opened after a restart, nothing new", again, limit, whole)
    told("read on, nothing new", nothing, None, 1)
    told(f"read on, {more} new", on, limit_on, more)
    print(f"memory of it, opened{memory:>30} MiB")


def remembered(path: str, commons: str) -> None:
    with closing(Shelf(Path(path).with_suffix(".memory.db"))) as shelf:
        before = psutil.Process().memory_info().rss
        with closing(History.open(Path(path))) as history:
            asyncio.run(Replica(commons, history, Remembered(shelf)).open())
            print((psutil.Process().memory_info().rss - before) >> 20)


if __name__ == "__main__":
    if sys.argv[1:2] == ["memory"]:
        remembered(*sys.argv[2:])
    else:
        print(f"load before: {psutil.getloadavg()[0]:.1f}")
        for each in map(int, sys.argv[1:] or ["100", "10000", "100000"]):
            measure(each)
