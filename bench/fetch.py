"""Fetch to verified files on disk, beside limits measured in the same run.

    python bench/fetch.py [MiB of random data, 512 unless told] [--small FILES]

Limits: one plain socket on loopback with SHA-256 of what comes (what any verified transfer must do), and for libp2p the
figures of bench/swarm.py. Two processes, as in life; the steward's home and the copy are in one temporary folder.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import os
import resource
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from commons import examples
from commons.disk import home
from commons.disk.home import Home
from commons.node.node import Node
from commons.node.verbs import data
from commons.node.verbs.context import Context

ROUNDS = 3


def limit(size: int) -> float:
    """MB/s of one socket, received and hashed 1 MiB at a time in two threads."""
    server = socket.create_server(("127.0.0.1", 0))
    block = os.urandom(1 << 20)

    def send() -> None:
        conn, _ = server.accept()
        with conn:
            for _ in range(size >> 20):
                conn.sendall(block)

    child = os.fork()
    if child == 0:
        send()
        os._exit(0)
    from concurrent.futures import ThreadPoolExecutor

    start, jobs = time.perf_counter(), []
    with socket.create_connection(server.getsockname()) as conn, ThreadPoolExecutor(1) as pool:
        while True:
            buffer, got = bytearray(1 << 20), 0
            while got < len(buffer) and (n := conn.recv_into(memoryview(buffer)[got:])):
                got += n
            if not got:
                break
            jobs.append(pool.submit(hashlib.sha256, memoryview(buffer)[:got]))
            if len(jobs) > 16:
                jobs.pop(0).result()
        for job in jobs:
            job.result()
    took = time.perf_counter() - start
    os.waitpid(child, 0)
    server.close()
    return size / took / 1e6


async def once(path: Path, reference: str, sources: list[str], dest: Path) -> tuple[float, float]:
    """Seconds of a whole fetch, and of its download alone (progress reaching the end)."""
    with Home(path) as opened:
        done_at = 0.0

        def progress(done: int, whole: int) -> None:
            nonlocal done_at
            if done >= whole:
                done_at = time.perf_counter()

        async with Node(opened) as node:
            c = Context.of(node, progress)
            await data.show(c, dataset=reference, sources=sources)
            start = time.perf_counter()
            await data.fetch(
                c, dataset=reference, dest=str(dest), sources=sources, acknowledge="CC0-1.0", purpose="research"
            )
            end = time.perf_counter()
    return end - start, done_at - start


def main() -> None:
    mib = int(sys.argv[1]) if len(sys.argv) > 1 and sys.argv[1].isdigit() else 512
    folder = Path(tempfile.mkdtemp(prefix="commons-bench-"))
    try:
        run(folder, mib)
    finally:
        shutil.rmtree(folder)


def run(folder: Path, mib: int) -> None:
    data = {"random": folder / "random", "64 KiB files": folder / "small", "a real table": folder / "table"}
    for path in data.values():
        path.mkdir()
    with (data["random"] / "random.bin").open("wb") as file:
        for _ in range(mib):
            file.write(os.urandom(1 << 20))
    for n in range(2000):
        (data["64 KiB files"] / f"{n:04}.bin").write_bytes(os.urandom(64 << 10))
    rows = (examples.path("penguins") / "penguins.csv").read_text().splitlines()
    with (data["a real table"] / "penguins.csv").open("w") as table:  # the penguins again and again, numbered
        for n in range(5000):
            table.writelines(f"{n},{row}\n" for row in rows)
    steward = folder / "steward"
    home.create(steward, home.personal("bench", "members", int(time.time())), {})
    cli = [sys.executable, "-m", "commons.cli", "--home", str(steward), "--json"]
    node = subprocess.Popen(
        [*cli, "node", "--listen", "/ip4/127.0.0.1/tcp/0", "--http", "127.0.0.1:0"], stdout=subprocess.PIPE, text=True
    )
    try:
        assert node.stdout
        ready = json.loads(node.stdout.readline())
        peer, door = ready["addresses"][0], ready["door"]
        print(f"{'':34}{'MB/s whole fetch':>18}{'MB/s download':>15}{'of the limit':>14}")
        bound = statistics.median(limit(mib << 20) for _ in range(ROUNDS))
        print(f"{'limit: one socket and SHA-256':34}{'':>18}{bound:15.0f}")
        for name, path in data.items():
            told = json.loads(subprocess.run(
                [*cli, "publish", str(path), "--title", name, "--licence", "CC0-1.0", "--creator", "x"],
                capture_output=True, text=True, check=True).stdout)  # fmt: skip
            for way, sources in (("TCP door", [door, peer]), ("libp2p", [peer])):
                results = []
                for n in range(ROUNDS):
                    reader = folder / f"reader-{name[:2]}-{way[:3]}-{n}"
                    home.create(reader, home.personal("bench", "members", int(time.time())), {})
                    dest = folder / "copy"
                    results.append(asyncio.run(once(reader, told["reference"], sources, dest)))
                    shutil.rmtree(dest)
                    shutil.rmtree(reader)
                size = told["bytes"] / 1e6
                whole, down = (size / statistics.median(r[i] for r in results) for i in (0, 1))
                print(f"{name + ', ' + way:34}{whole:18.0f}{down:15.0f}{down / bound:14.2f}")
        print(f"peak memory of the reader: {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:.0f} MiB")
    finally:
        node.terminate()
        node.wait(10)


if __name__ == "__main__":
    main()
