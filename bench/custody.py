"""A key in many hands: split, deposit, join, release, and everything together, with 1, 5, 16 and 64 custodians.

    python bench/custody.py [repeats, 10 unless told]

More than half of the custodians are needed each time. The limit beside a release is what no custodian can leave out:
one signature made, one verified, one HPKE seal. `decide` is a custodian's whole answer, from reading the log to the
record on the disk; `gather` a requester's, with all custodians in one process, so that they share one core.
"""

from __future__ import annotations

import asyncio
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from commons.core.crypto import codec, keys
from commons.custody import handover, shares
from commons.custody import sharing as custody
from commons.custody.client import gather
from commons.custody.handover import Claim
from tests.custody.test_custody import SECRET, Inside, Town
from tests.keeper import BOB, KEEPERS, Keeper, custodians


def median(repeats: int, work: Callable[[], Any]) -> float:
    taken = []
    for _ in range(repeats):
        start = time.perf_counter()
        work()
        taken.append(time.perf_counter() - start)
    return statistics.median(taken) * 1e3


def run(count: int, repeats: int, folder: Path) -> None:
    rule = custodians(count, count // 2 + 1)
    parts = shares.split(SECRET, rule, os.urandom)
    log = Keeper()
    dataset = log.publish()
    announced = log.keys(rule)
    row = [
        median(repeats, lambda: shares.split(SECRET, rule, os.urandom)),
        median(repeats, lambda: shares.join(parts, rule)),
    ]
    made: list[dict[str, bytes]] = []

    def deposit() -> None:
        log.keys = lambda rule: announced  # type: ignore[method-assign]
        made.append(log.deposit(SECRET, rule, os.urandom)[1])

    row.append(median(repeats, deposit))
    taken = custody.take(made[0]["c0"], KEEPERS[0].identity.peer, KEEPERS[0].custody())
    said = log.ask(BOB, dataset)
    log.decide()
    head = log.head()

    def release() -> None:
        handover.release(
            taken, said, KEEPERS[0].identity, request=2, decision=3, shown=head, head=head, time=log.clock
        )  # fmt: skip

    def limit() -> None:
        signature = KEEPERS[0].identity.sign(said.data)
        keys.verify(KEEPERS[0].identity.public, signature, said.data)
        custody.seal(taken.share, said.value.hpke, said.value)

    row.append(median(20 * repeats, limit))
    row.append(median(20 * repeats, release))
    row += asyncio.run(together(count, repeats, folder))
    print(f"{count:10}{count // 2 + 1:8}" + "".join(f"{each:12.2f}" for each in row))


async def together(count: int, repeats: int, folder: Path) -> list[float]:
    """One custodian's whole decision, and a requester's whole gathering, over custodians with files and logs."""
    decided, gathered = [], []
    with ExitStack() as stack:
        (folder / str(count)).mkdir()
        town = Town(folder / str(count), stack, custodians(count, count // 2 + 1))
        dataset = town.log.publish()
        sharing = await town.entrust()
        for _ in range(repeats):
            said = town.log.ask(BOB, dataset)
            town.log.decide()
            data, checked = town.log.granted(said)
            claim = codec.encode(
                Claim(statement=said.data, answer=data, witnessed=checked.head.note, sharing=custody.digest(sharing))
            )
            start = time.perf_counter()
            await town.hand(claim)
            decided.append(time.perf_counter() - start)
            start = time.perf_counter()
            got = await gather(
                Inside(town), town.sources, sharing, said, data, checked, checked.head.note,
                BOB.hpke_seed(said.value.nonce),
            )  # fmt: skip
            gathered.append(time.perf_counter() - start)
            assert got.secret == SECRET
    return [statistics.median(decided) * 1e3, statistics.median(gathered) * 1e3]


def main() -> None:
    repeats = int(sys.argv[1]) if len(sys.argv) > 1 else 10
    print("milliseconds, medians")
    print(f"{'custodians':>10}{'needed':>8}" + "".join(
        f"{name:>12}" for name in ("split", "join", "deposit", "limit", "release", "decide", "gather")))  # fmt: skip
    with tempfile.TemporaryDirectory(prefix="commons-bench-") as folder:
        for count in (1, 5, 16, 64):
            run(count, repeats, Path(folder))


if __name__ == "__main__":
    main()
