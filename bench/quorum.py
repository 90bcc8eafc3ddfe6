"""From request to key when no one party can give it: real nodes on libp2p, custodians and witnesses.

    python bench/quorum.py [requests to a row, 100 unless told; from 64 custodians a fifth of that]

More than half of the custodians and of the witnesses are needed. Each request is a newcomer's: dial the registrar and
enough custodians, submit, wait for the witnesses, have each custodian read the log and decide, join the shares. All
nodes are in one process and share one interpreter. The limit, in the same process, is two empty round trips to each
party, dialled anew. Of fewer than 100 requests the p99 is the worst.
"""

from __future__ import annotations

import asyncio
import shutil
import statistics
import sys
import tempfile
import time
from contextlib import AsyncExitStack
from pathlib import Path

from commons.access import obtain
from commons.community.charter import founding
from commons.core.dataset.reference import parse
from commons.datasets import fetch
from commons.disk import home
from commons.disk.home import Home
from commons.node.node import Node
from commons.node.verbs import community, custody, data, status
from commons.node.verbs.context import Context

ANY = "/ip4/127.0.0.1/tcp/0"


class Town:
    """Nodes in this process, each with its own home."""

    def __init__(self, folder: Path, stack: AsyncExitStack) -> None:
        self.folder, self.stack = folder, stack

    async def node(self, name: str, charter: str | None = None) -> Node:
        path, now = self.folder / name, int(time.time())
        home.create(path, founding(charter, now) if charter else home.personal(name, "members", now), {})
        return await self.stack.enter_async_context(Node(self.stack.enter_context(Home(path)), (ANY,)))


def quorum(rows: list[str]) -> str:
    names = " ".join(row.split()[1] for row in rows)
    return "\n".join([*rows, f"group g {len(rows) // 2 + 1} {names}", "quorum g"]) + "\n"


async def found(town: Town, custodians: int, witnesses: int) -> tuple[str, list[str]]:
    """The reference of a dataset, and the addresses of all who take part in giving its key."""
    watching = [await town.node(f"w{n}") for n in range(witnesses)]
    rows = [f"witness w{n} {w.site.witness.key.vkey} {w.addresses[0]}" for n, w in enumerate(watching)]
    power = 'rule = "group w any *workers\\nquorum w"\n'
    text = f'name = "bench"\nwitnesses = """\n{quorum(rows)}"""\n' if rows else 'name = "bench"\n'
    actions = ("admit", "change-custodians", "withdraw", "amend-charter")
    text += '[colleges]\nworkers = ["me"]\n' + "".join(f"[powers.{action}]\n{power}" for action in actions)
    coop = await town.node("coop", text)
    c = Context.of(coop)
    for each in watching:
        each.site.witness.add(coop.home.first.log.key.vkey)
    keepers = [await town.node(f"c{n}") for n in range(custodians)]
    for each in keepers:
        await community.follow(Context.of(each), source=coop.addresses[0])
        await custody.keep(Context.of(each))
        await status.peers(c, add=each.addresses[0])
    members = [f"member c{n} {each.home.keys.identity.peer}" for n, each in enumerate(keepers)]
    await community.propose(c, action="change-custodians", file=quorum(members))
    while coop.home.first.log.state.community.counted:  # until the witnesses have seen it
        await asyncio.sleep(0.02)
    folder = town.folder / "data"
    folder.mkdir()
    (folder / "table.csv").write_text("a,b\n1,2\n")
    told = await data.publish(c, path=str(folder), title="Bench", licence="CC0-1.0", creators=["Ana"])
    return told["reference"], [each.addresses[0] for each in (coop, *keepers)]


async def run(folder: Path, custodians: int, witnesses: int, count: int) -> None:
    empty, taken = list[float](), list[float]()
    async with AsyncExitStack() as stack:
        reference, parties = await found(Town(folder, stack), custodians, witnesses)
        for n in range(count):
            path = folder / f"reader-{n}"
            home.create(path, home.personal("bench", "members", int(time.time())), {})
            with Home(path) as opened:
                async with Node(opened) as node:
                    start = time.perf_counter()
                    for _ in range(2):
                        await asyncio.gather(*(node.net.get(each, "/commons", limit=200) for each in parties))
                    empty.append(time.perf_counter() - start)
                async with Node(opened) as node:
                    dataset = await fetch.describe(opened, node.net, parse(reference).cid, parties[:1])
                    start = time.perf_counter()
                    await obtain.key(
                        opened, node.net, parties, dataset, acknowledge="CC0-1.0", purpose="research", details=None
                    )
                    taken.append(time.perf_counter() - start)
            shutil.rmtree(path)
    late = sorted(taken)[min(len(taken) - 1, len(taken) * 99 // 100)]
    cells = (statistics.median(empty), statistics.median(taken), late)
    print(f"{custodians:10}{witnesses:11}" + "".join(f"{each * 1e3:12.0f}" for each in cells), flush=True)


def main() -> None:
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 100
    print(f"milliseconds, of {count} newcomers")
    print(f"{'custodians':>10}{'witnesses':>11}{'limit':>12}{'median':>12}{'p99':>12}")
    for custodians in (1, 5, 16, 64):
        for witnesses in (0, 3, 15):
            with tempfile.TemporaryDirectory(prefix="commons-bench-") as folder:
                asyncio.run(run(Path(folder), custodians, witnesses, count if custodians < 64 else -(-count // 5)))


if __name__ == "__main__":
    main()
