"""A replica: first reading, reading on, opening after a restart, a member's vote, and memory, by the size of the log.

    python bench/replica.py [sizes, 100 10000 100000 unless told; of more it is read once, by a member]

The log is in memory, and so is who keeps it, so that no network is measured: requests and the decisions that grant
them. What is read on is a tenth as many entries, at most 1,000. Beside each reading stands the limit in the same run:
the hashes of those entries and of their tree, and nothing else. A vote is the whole verb: the log is read on and
folded, the ballot signed and sent, its answer checked, the log read on once more; its limit is the same vote where the
log has 100 entries, taken in turns. Medians and their spread; memory is what a process of its own has grown by.
"""

from __future__ import annotations

import asyncio
import statistics
import subprocess
import sys
import tempfile
import time
from contextlib import closing, suppress
from pathlib import Path
from typing import Any, cast

import psutil

from commons.core.crypto import codec
from commons.core.state import entries
from commons.core.state.entries import Decision
from commons.core.tlog import checkpoint, merkle, tiles
from commons.disk import home
from commons.disk.history import History
from commons.disk.home import Home
from commons.disk.shelf import Shelf
from commons.errors import CommonsError, NotFound
from commons.log import replica
from commons.log.answer import Answer, ProvenEntry, Submission
from commons.log.evidence import Remembered
from commons.log.replica import Replica
from commons.node.verbs import community
from commons.node.verbs.context import Context
from tests.keeper import ALICE, EVE, Keeper

RUNS, VOTES = 3, 9
LEAST = 100
HEADS = ("median ms", "least", "most", "limit ms", "ratio", "µs/entry")
PLACE = f"/ip4/127.0.0.1/tcp/1/p2p/{ALICE.identity.peer}"


class Source:
    """A log and who keeps it, in memory: requests that are granted, one after another."""

    def __init__(self, size: int, *members: str) -> None:
        self.log = Keeper(members=members)
        self.log.clock = int(time.time()) - 60
        self.log.ask(EVE, self.log.publish())
        self.leaf = self.log.data[2]
        self.log.clock -= 1  # and stands still: nothing is dated before what is in front of it
        self.levels: list[list[bytes]] = []
        self.edge = tuple[bytes, ...]()
        self.hashed = 0
        self.grow(size)

    def grow(self, size: int) -> None:
        data = self.log.data
        while len(data) < size:
            request = len(data) - 1
            data.append(codec.encode(Decision(
                type=entries.DECISION, time=self.log.clock, request=request, outcome="grant", reason="acknowledged",
                basis=1, expires=None, statement=None,
            )))  # fmt: skip
            data.append(self.leaf)
        self.sign()

    def sign(self) -> None:
        leaves = [merkle.leaf(each) for each in self.log.data[self.hashed :]]
        nodes, self.edge = merkle.grow(self.hashed, self.edge, leaves)
        for level, _, value in nodes:
            while len(self.levels) <= level:
                self.levels.append([])
            self.levels[level].append(value)
        self.hashed = len(self.log.data)
        head = checkpoint.Checkpoint(origin=self.log.log.name, size=self.hashed, root=merkle.edge_root(self.edge))
        self.shown = checkpoint.sign(head, self.log.signer)

    def node(self, level: int, position: int) -> bytes:
        return self.levels[level][position]

    async def read(self, path: str) -> bytes:
        return self.shown if path == tiles.CHECKPOINT else await self.log.read(path)

    async def get(self, source: str, path: str, *, limit: int, span: tuple[int, int] | None = None) -> bytes:
        _, commons, what = path.split("/", 2)
        if commons != self.log.commons or what.startswith("openings/"):
            raise NotFound(path)
        return await self.read(what)

    async def post(self, source: str, path: str, body: bytes, *, limit: int) -> bytes:
        said = codec.decode(Submission, body)
        index = len(self.log.data)
        self.log.data.append(said.statement)
        self.sign()
        proof = merkle.prove_inclusion(index, self.hashed, self.node)
        old = checkpoint.parse(checkpoint.note.peek(said.head)).size if said.head else 0
        lead = merkle.prove_consistency(old, self.hashed, self.node) if 0 < old < self.hashed else ()
        shown = ProvenEntry(index=index, entry=said.statement, opening=None, proof=tuple(proof))
        return codec.encode(Answer(shown=(shown,), head=self.shown, consistency=tuple(lead)))


def hashed(data: list[bytes]) -> float:
    start = time.perf_counter()
    merkle.grow(0, (), [merkle.leaf(each) for each in data])
    return time.perf_counter() - start


def heading(size: int) -> None:
    print(f"\n{size} entries{'':27}", *(f"{each:>9}" for each in HEADS))


def told(name: str, seconds: list[float], limit: float | None, entries: int) -> None:
    middle = statistics.median(seconds)
    each = middle / max(entries, 1) * 1e6
    beside = f"{limit * 1e3:10.1f}{middle / limit:10.2f}" if limit else " " * 20
    print(f"{name:40}{middle * 1e3:10.1f}{min(seconds) * 1e3:10.1f}{max(seconds) * 1e3:10.1f}{beside}{each:10.1f}")


class Member:
    """A home that takes part in a community whose log is in memory, and a vote in it."""

    def __init__(self, folder: Path, size: int) -> None:
        home.create(folder, home.personal("bench", "members", int(time.time())), {})
        self.folder, self.home = folder, Home(folder)
        self.source = Source(size, self.home.keys.identity.peer)
        self.home.shelf.put_seat(self.source.log.commons, self.source.log.signer.public, [PLACE])
        start = time.perf_counter()
        asyncio.run(replica.of(self.home, self.source.log.commons).update(self.source.read))
        self.read = time.perf_counter() - start

    def vote(self, more: int) -> float:
        """Seconds of a vote on a proposal that is new, behind so many new entries."""
        proposal = self.source.log.propose("admit", college="members", peer=EVE.identity.peer)
        self.source.log.clock -= 1
        self.source.grow(len(self.source.log.data) + more)
        c = Context(node=cast(Any, Near(self.home)), net=self.source)
        start = time.perf_counter()
        asyncio.run(community.vote(c, proposal=proposal, choice="no", named=self.source.log.commons))
        return time.perf_counter() - start

    def opened(self) -> float:
        """Seconds until the home is open, and its replica."""
        self.home.close()
        start = time.perf_counter()
        self.home = Home(self.folder)
        asyncio.run(replica.of(self.home, self.source.log.commons).open())
        return time.perf_counter() - start


class Near:
    """What the verb asks of a node: its home."""

    def __init__(self, home: Home) -> None:
        self.home = home


def measure(size: int, runs: int) -> None:
    source = Source(size)
    whole, more = len(source.log.data), min(1000, size // 10)
    first, again, on, nothing = list[float](), list[float](), list[float](), list[float]()
    limit, limit_on = hashed(source.log.data), 0.0
    with tempfile.TemporaryDirectory() as folder:
        for run in range(runs):
            with closing(Shelf(Path(folder, f"{run}.shelf.db"))) as shelf:
                path = Path(folder, f"{run}.db")
                for seconds in (first, again):
                    start = time.perf_counter()
                    with closing(History.open(path)) as history:
                        seen = Replica(source.log.commons, history, Remembered(shelf))
                        asyncio.run(seen.update(source.read))
                        seconds.append(time.perf_counter() - start)
                        assert seen.verified.faults == 0
        memory = apart(path, source.log.commons)
        with closing(Shelf(Path(folder, f"{run}.shelf.db"))) as shelf, closing(History.open(path)) as history:
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
        del source
        votes, _, _ = voted(Path(folder), size)
    heading(whole)
    told(f"first reading, {runs} runs", first, limit, whole)
    told("opened after a restart, nothing new", again, limit, whole)
    told("read on, nothing new", nothing, None, 1)
    told(f"read on, {more} new", on, limit_on, more)
    tell_votes(votes, memory)


def once(size: int) -> None:
    """The same of a log that is read once."""
    with tempfile.TemporaryDirectory() as folder:
        votes, read, memory = voted(Path(folder), size)
    print(
        f"\n{size} entries{'':27}{'median ms':>10}{'least':>9}{'most':>9}{'limit ms':>10}{'ratio':>9}{'µs/entry':>11}"
    )
    told("first reading, once", [read], None, size)
    tell_votes(votes, memory)


def tell_votes(votes: dict[str, tuple[list[float], list[float]]], memory: str) -> None:
    for name, (seconds, beside) in votes.items():
        told(name, seconds, statistics.median(beside) if beside else None, 1)
    print(f"memory of it, opened and asked {memory}")


def apart(path: Path, commons: str) -> str:
    """What a process of its own grows by, and what lies on the disk."""
    child = [sys.executable, __file__, "memory", str(path), commons]
    memory = subprocess.run(child, check=True, capture_output=True, text=True).stdout.strip()
    return f"{memory} MiB, and {path.stat().st_size >> 20} MiB on disk"


def voted(folder: Path, size: int) -> tuple[dict[str, tuple[list[float], list[float]]], float, str]:
    """By name what it took there, and in a log of the least size, in turns; the first reading; the memory."""
    member, least = Member(folder / "member", size), Member(folder / "least", LEAST)
    found = dict[str, tuple[list[float], list[float]]]()
    for more in (0, 1000):
        times = [(member.vote(more), least.vote(more)) for _ in range(VOTES)]
        found[f"vote, {more} new, {VOTES} runs"] = [a for a, _ in times], [b for _, b in times]
    found[f"home and replica opened, {VOTES} runs"] = [member.opened() for _ in range(VOTES)], []
    for each in (member, least):
        each.home.close()
    path = folder / "member" / "commons" / member.source.log.commons / "replica.db"
    return found, member.read, apart(path, member.source.log.commons)


def remembered(path: str, commons: str) -> None:
    """Opened, and asked for a thousand grants all over it."""
    with closing(Shelf(Path(path).with_suffix(".memory.db"))) as shelf:
        before = psutil.Process().memory_info().rss
        with closing(History.open(Path(path))) as history:
            seen = Replica(commons, history, Remembered(shelf))
            asyncio.run(seen.open())
            for n in range(1000):
                with suppress(CommonsError):  # a few are no requests, and the last one waits
                    seen.state.granted(2 + 2 * (n * (seen.size // 2 - 3) // 1000), int(time.time()))
            print((psutil.Process().memory_info().rss - before) >> 20)


if __name__ == "__main__":
    if sys.argv[1:2] == ["memory"]:
        remembered(*sys.argv[2:])
    else:
        print(f"load before: {psutil.getloadavg()[0]:.1f}")
        for each in map(int, sys.argv[1:] or ["100", "10000", "100000"]):
            measure(each, RUNS) if each <= 100_000 else once(each)
