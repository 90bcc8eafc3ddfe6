"""The log: durable appends a second by number of writers, proofs, start-up and audit; beside the disk's own limit.

    python bench/log.py [seconds for each figure, 2 unless told]

An append is what an access makes: a request and its decision with opening, in one draft, waited for. The limit is one
fsync after another of 4 KiB on the same file system: a lone writer cannot commit more often.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import statistics
import sys
import tempfile
import time
from pathlib import Path

from commons.core.crypto import envelope, hpke, ids
from commons.core.crypto.envelope import Opened
from commons.core.crypto.keys import Signer
from commons.core.dataset.rule import Rule
from commons.core.state import entries
from commons.core.state.entries import DECISION, PUBLISH, REQUEST, Asked, Decision, Publish
from commons.core.state.fold import State
from commons.core.tlog import merkle
from commons.disk import home
from commons.disk.home import Home
from commons.disk.records import Record, record
from commons.log.audit import audit
from commons.log.evidence import Nowhere
from commons.node.node import Node


def fsyncs(folder: Path, seconds: float) -> float:
    fd = os.open(folder / "limit", os.O_RDWR | os.O_CREAT)
    done, end = 0, time.perf_counter() + seconds
    while time.perf_counter() < end:
        os.pwrite(fd, bytes(4096), (done % 1000) * 4096)
        os.fsync(fd)
        done += 1
    os.close(fd)
    return done / seconds


def statement(commons: str, dataset: str, signer: Signer) -> Opened[Asked]:
    nonce = os.urandom(32)
    said = Asked(
        commons=commons, dataset=dataset, terms=bytes(32), epoch=0, purpose="research", details=None,
        hpke=hpke.public_of(nonce), nonce=nonce, time=int(time.time()),
    )  # fmt: skip
    data = envelope.sign(REQUEST, said, signer)
    return Opened(value=said, signer=signer.peer, data=data)


async def writers(opened: Home, dataset: str, count: int, seconds: float) -> tuple[float, list[float]]:
    signer = Signer(os.urandom(32))
    said = statement(opened.first.commons, dataset, signer)
    end, waits = time.perf_counter() + seconds, []

    def draft(state: State, index: int, now: int) -> list[Record]:
        leaf, opening = entries.request(said, None, time=now, salt=lambda: os.urandom(32))
        decision = Decision(
            type=DECISION, time=now, request=index, outcome="grant", reason="acknowledged", basis=1, expires=None,
            statement=None,
        )  # fmt: skip
        return [record(leaf, opening, signer.peer, os.urandom(32)), record(decision)]

    async def write() -> None:
        while (start := time.perf_counter()) < end:
            await asyncio.wrap_future(opened.first.log.append(draft))
            waits.append(time.perf_counter() - start)

    start = time.perf_counter()
    await asyncio.gather(*(write() for _ in range(count)))
    return 2 * len(waits) / (time.perf_counter() - start), sorted(waits)


async def audited(opened: Home) -> float:
    async with Node(opened) as node:

        async def read(path: str) -> bytes:
            site = node.site
            if path == "checkpoint":
                return site.checkpoint(opened.first.commons)
            if path.startswith("openings/"):
                return site.openings(opened.first.commons, path.removeprefix("openings/"), None)
            return site.tile(opened.first.commons, path)

        start = time.perf_counter()
        report = await audit(read, Nowhere(), opened.first.commons, lambda done, whole: None, complete=True)
        assert not report.faults, report.faults[:3]
        return report.state.size / (time.perf_counter() - start)


def main() -> None:
    seconds = float(sys.argv[1]) if len(sys.argv) > 1 else 2.0
    folder = Path(tempfile.mkdtemp(prefix="commons-bench-"))
    try:
        run(folder, seconds)
    finally:
        shutil.rmtree(folder)


def run(folder: Path, seconds: float) -> None:
    path = folder / "home"
    home.create(path, home.personal("bench", "members", int(time.time())), {})
    limit = fsyncs(folder, seconds)
    print(f"limit: fsync of 4 KiB, one after another   {limit:10.0f} /s")
    print(f"{'writers':>8}{'entries/s':>12}{'of fsync limit':>16}{'median ms':>11}{'p99 ms':>9}")
    with Home(path) as opened:
        dataset = ids.cid(b"bench")
        said = Publish(
            commons=opened.first.commons, time=int(time.time()), manifest=dataset, series=bytes(16), version=1,
            title="bench", licence="CC0-1.0", terms=bytes(32), rule=Rule(kind="acknowledge"), purposes=(),
            grant_days=None, epoch=0,
        )  # fmt: skip
        entry = envelope.open(PUBLISH, Publish, envelope.sign(PUBLISH, said, opened.keys.identity))
        opened.first.log.append(lambda state, index, now: [record(entry)]).result()
        for count in (1, 16, 100, 256):
            rate, waits = asyncio.run(writers(opened, dataset, count, seconds))
            p99 = waits[int(len(waits) * 0.99)]
            print(f"{count:8}{rate:12.0f}{rate / limit:16.2f}{statistics.median(waits) * 1e3:11.1f}{p99 * 1e3:9.1f}")
        size, proofs = opened.first.log.size, []
        for n in range(500):
            start = time.perf_counter()
            merkle.prove_inclusion(n * size // 500, size, opened.first.log.read)
            proofs.append(time.perf_counter() - start)
        print(f"inclusion proof in {size} entries: median {statistics.median(proofs) * 1e3:.2f} ms")
    start = time.perf_counter()
    with Home(path) as opened:
        print(f"open the log: {opened.first.log.size / (time.perf_counter() - start):.0f} entries/s")
        print(f"audit, every signature and rule: {asyncio.run(audited(opened)):.0f} entries/s")


if __name__ == "__main__":
    main()
