"""A node among many who read from it: who gets in, what memory it takes, and how long its owner waits meanwhile.

    python bench/peers.py [--seconds 180] [--peers 200] [--pause 5]

A node in a process of its own, and peers in a few others, each with its key, its libp2p host and an address of its own
on loopback. All come at once; each connects, reads the checkpoint, a manifest, a tile and 256 KiB of a pack, checks
them, pauses, reads again, leaves after half a minute and comes back at once. `commons status` is timed on the idle
node and then all the while. Beside it, `commons --help`, which asks no node: what the machine itself does to a command.
"""

from __future__ import annotations

import argparse
import asyncio
import hashlib
import importlib
import json
import logging
import os
import random
import shutil
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from dataclasses import asdict, dataclass, field
from itertools import count
from pathlib import Path
from typing import Any

from commons.core.crypto import ids
from commons.core.dataset.address import peer_of
from commons.disk import home
from commons.errors import CommonsError
from commons.net import descriptors
from commons.net.client import Client
from commons.net.swarm import Swarm

CLI = [sys.executable, "-m", "commons.cli"]
PART = 256 << 10  # bytes of a pack in one read
MIB = 16  # of random data
STAY = 30.0  # seconds, after which a peer leaves and comes back
IDLE = 9  # times that a command is timed on an idle node
EVERY = 3.0  # seconds between two commands of the owner under load
LIMIT = 60.0  # seconds for whatever hangs


@dataclass(frozen=True, slots=True)
class Task:
    """What one process of readers is told."""

    address: str
    commons: str
    cid: str
    pack: str
    parts: list[str]  # SHA-256 of each part of the pack
    peers: int
    first: int  # the number of its first peer
    seconds: float
    pause: float


@dataclass(slots=True)
class Seen:
    """What its peers saw."""

    dials: list[float] = field(default_factory=list)  # seconds
    reads: int = 0
    taken: int = 0  # bytes
    failed: list[str] = field(default_factory=list)  # dials, and what was said
    broken: list[str] = field(default_factory=list)  # reads, and what was said


# -- the readers -----------------------------------------------------------------------------------------------------


def come_from_addresses_of_their_own(first: int) -> None:
    """Each thread of libp2p, which is each host, dials from an address of its own in 127.0.0.0/8."""
    import trio

    stock, number, mine = trio.open_tcp_stream, count(first), threading.local()

    async def dial(host: str, port: int, **options: Any) -> Any:
        if not hasattr(mine, "address"):
            n = next(number) % 60_000
            mine.address = f"127.1.{n // 250}.{1 + n % 250}"
        return await stock(host, port, local_address=mine.address, **options)

    trio.open_tcp_stream = dial  # type: ignore[assignment]


async def peer(task: Task, seed: bytes, until: float, seen: Seen) -> None:
    """One peer, from when it first comes until the end."""
    clock = asyncio.get_running_loop().time
    while clock() < until:
        swarm = Swarm(seed, [], lambda peer, sock: sock.close())
        await swarm.start()

        async def started(swarm: Swarm = swarm) -> Swarm:
            return swarm

        net = Client(started)
        try:
            began = clock()
            try:
                (await swarm.dial(peer_of(task.address), [task.address])).close()
            except CommonsError as error:
                seen.failed.append(error.message[-160:])
                continue
            seen.dials.append(clock() - began)
            leaves = min(until, clock() + STAY * random.uniform(0.5, 1.5))
            while clock() < leaves:
                try:
                    size = await read(net, task)
                    seen.taken, seen.reads = seen.taken + size, seen.reads + 1
                except CommonsError as error:
                    seen.broken.append(error.message[-160:])
                await asyncio.sleep(min(task.pause * random.uniform(0.5, 1.5), max(0.0, leaves - clock())))
        finally:
            await net.close()
            await swarm.stop()


async def read(net: Client, task: Task) -> int:
    """Bytes that were read and found right."""
    head = await net.get(task.address, f"/{task.commons}/checkpoint", limit=64 << 10)
    manifest = await net.get(task.address, f"/manifests/{task.cid}", limit=1 << 20)
    tile = await net.get(task.address, f"/{task.commons}/tile/entries/000.p/2", limit=1 << 20)
    n = random.randrange(len(task.parts))
    part = await net.get(task.address, f"/packs/{task.pack}", limit=PART, span=(n * PART, (n + 1) * PART))
    assert ids.cid(manifest) == task.cid
    assert hashlib.sha256(part).hexdigest() == task.parts[n]
    return len(head) + len(manifest) + len(tile) + len(part)


async def readers(task: Task) -> None:
    logging.getLogger("libp2p").addHandler(logging.NullHandler())
    come_from_addresses_of_their_own(task.first)
    importlib.import_module("commons.net.joints")  # libp2p, a second of it: no part of what is measured
    print(flush=True)
    sys.stdin.read()  # all begin at once
    seen, until = Seen(), asyncio.get_running_loop().time() + task.seconds
    await asyncio.gather(*(peer(task, os.urandom(32), until, seen) for _ in range(task.peers)))
    print(json.dumps(asdict(seen)))


# -- the node and its owner ------------------------------------------------------------------------------------------


def took(*words: str) -> float:
    began = time.perf_counter()
    subprocess.run([*CLI, *words], stdout=subprocess.DEVNULL, check=True, timeout=LIMIT)
    return time.perf_counter() - began


def memory(pid: int) -> float:
    """MiB."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return int(next(line for line in lines if line.startswith("VmRSS")).split()[1]) / 1024


def cpu(pid: int) -> float:
    """Seconds."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def spread(name: str, seconds: list[float], note: str = "") -> None:
    ordered = [1e3 * each for each in sorted(seconds)]
    print(f"{name:44}{statistics.median(ordered):8.0f}{ordered[0]:8.0f}{ordered[-1]:8.0f}{len(ordered):7}  {note}")


def published(folder: Path, owner: list[str], told: dict[str, Any], given: argparse.Namespace) -> Task:
    """One dataset, and what may be read of it."""
    data = folder / "data"
    data.mkdir()
    (data / "random.bin").write_bytes(os.urandom(MIB << 20))
    done = subprocess.run(
        [*owner, "publish", str(data), "--title", "bench", "--licence", "CC0-1.0", "--creator", "x"],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    cid = json.loads(done.stdout)["cid"]
    pack = max((p for p in (folder / "owner" / "packs").rglob("*") if p.is_file()), key=lambda p: p.stat().st_size)
    sealed = memoryview(pack.read_bytes())
    parts = [hashlib.sha256(sealed[at : at + PART]).hexdigest() for at in range(0, len(sealed) - PART + 1, PART)]
    return Task(told["addresses"][0], told["commons"], cid, pack.name, parts, 0, 0, given.seconds, given.pause)


def run(folder: Path, given: argparse.Namespace) -> bool:
    """Whether everybody got in and got what they asked for."""
    owner = [*CLI, "--home", str(folder / "owner"), "--json"]
    home.create(folder / "owner", home.personal("bench", "members", int(time.time())), {})
    node = subprocess.Popen([*owner, "node", "--listen", "/ip4/127.0.0.1/tcp/0"], stdout=subprocess.PIPE, text=True)
    crowd: list[subprocess.Popen[str]] = []
    try:
        assert node.stdout
        task = published(folder, owner, json.loads(node.stdout.readline()), given)
        status = ("--home", str(folder / "owner"), "--json", "status")
        load = os.getloadavg()[0]
        idle, bare = [took(*status) for _ in range(IDLE)], [took("--help") for _ in range(IDLE)]
        grown = [(0.0, memory(node.pid))]
        each, left = divmod(given.peers, given.processes)
        sizes = [each + (n < left) for n in range(given.processes)]
        for n, size in enumerate(sizes):
            words = {**asdict(task), "peers": size, "first": n * 10_000}
            process = subprocess.Popen(
                [sys.executable, __file__, "--role", json.dumps(words)],
                stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
            )  # fmt: skip
            crowd.append(process)
        for process in crowd:
            assert process.stdout
            process.stdout.readline()
        for process in crowd:
            assert process.stdin
            process.stdin.close()
        began, busy, pressed, control = time.perf_counter(), cpu(node.pid), [], []
        while any(process.poll() is None for process in crowd):
            time.sleep(EVERY)
            at = time.perf_counter() - began
            grown.append((at, memory(node.pid)))
            if at < given.seconds:
                pressed.append(took(*status))
                control.append(took("--help"))
        lasted, busy = time.perf_counter() - began, cpu(node.pid) - busy
        seen = [json.load(process.stdout) for process in crowd if process.stdout]
        tell(seen, grown, lasted, busy, given, load)
        print(f"{'milliseconds':44}{'median':>8}{'least':>8}{'most':>8}{'times':>7}")
        spread("commons --help, idle", bare)
        spread("commons --help, under load", control, f"{statistics.median(control) / statistics.median(bare):.2f} ×")
        spread("commons status, idle", idle)
        ratio = statistics.median(pressed) / statistics.median(idle)
        spread("commons status, under load", pressed, f"{ratio:.2f} ×")
        return not any(each["failed"] or each["broken"] for each in seen)
    finally:
        for process in (*crowd, node):
            process.terminate()
            process.wait(LIMIT)


def tell(
    seen: list[dict[str, Any]], grown: list[tuple[float, float]], lasted: float, busy: float,
    given: argparse.Namespace, load: float,
) -> None:  # fmt: skip
    dials = sorted(1e3 * each for one in seen for each in one["dials"])
    failed, broken = (sum((Counter(each[name]) for each in seen), Counter()) for name in ("failed", "broken"))
    reads, taken = (sum(each[name] for each in seen) for name in ("reads", "taken"))
    print(f"{given.peers} peers for {given.seconds:.0f} s, {os.cpu_count()} cores, load before {load:.1f}, "
          f"{descriptors.limit()} descriptors, a pause of {given.pause:g} s")  # fmt: skip
    print(f"{'dials, and how many failed':44}{len(dials) + failed.total():8}{failed.total():8}")
    if dials:
        print(f"{'milliseconds of a dial: median, p99, most':44}{statistics.median(dials):8.0f}"
              f"{dials[int(len(dials) * 0.99)]:8.0f}{dials[-1]:8.0f}")  # fmt: skip
    print(f"{'rounds of four reads, and how many failed':44}{reads + broken.total():8}{broken.total():8}")
    print(f"{'requests and MB served a second':44}{4 * reads / lasted:8.0f}{taken / lasted / 1e6:8.1f}")
    print(f"{'the node, of a core':44}{busy / lasted:8.2f}")
    thirds = [size for _, size in grown[len(grown) // 3 :]]
    half = len(thirds) // 2
    print(f"{'MiB of memory: idle, first third, middle, end':44}{grown[0][1]:8.0f}{grown[len(grown) // 3][1]:8.0f}"
          f"{thirds[half]:8.0f}{thirds[-1]:8.0f}")  # fmt: skip
    for name, told in (("dial", failed), ("read", broken)):
        for words, times in told.most_common(5):
            print(f"  {times} × a {name}: {words}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--peers", type=int, default=200)
    parser.add_argument("--seconds", type=float, default=180)
    parser.add_argument("--pause", type=float, default=5, help="seconds between two rounds of reads of one peer")
    parser.add_argument("--processes", type=int, default=2, help="that the peers live in")
    parser.add_argument("--role", help=argparse.SUPPRESS)
    given = parser.parse_args()
    descriptors.lift()
    if given.role:
        return asyncio.run(readers(Task(**json.loads(given.role))))
    folder = Path(tempfile.mkdtemp(prefix="commons-bench-"))
    try:
        if not run(folder, given):
            sys.exit(1)
    finally:
        shutil.rmtree(folder)
    return None


if __name__ == "__main__":
    main()
