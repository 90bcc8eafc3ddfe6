"""What several tests of flows use: people whose nodes are stopped and started again, in one community."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest

from commons import cosigning, obtain
from commons.charter import founding
from commons.disk import home
from commons.disk.home import Home
from commons.node import Node
from tests.conftest import ANY, Party, decided

CHARTER = """
name = "River watch"
[colleges]
workers = ["me"]
[powers.admit]
rule = "group w any *workers\\nquorum w"
[powers.change-custodians]
rule = "group w any *workers\\nquorum w"
[powers.amend-charter]
rule = "group w majority *workers\\nquorum w"
"""


class Village:
    """Homes on this disk, each with a node that can be stopped and started again."""

    def __init__(self, path: Path) -> None:
        self.path, self.nodes = path, dict[str, AsyncExitStack]()

    async def start(self, name: str, charter: str | None = None, **words: Any) -> Party:
        path, now = self.path / name, int(time.time())
        if not path.exists():
            home.create(path, founding(charter, now) if charter else home.personal(name, "members", now), {})
        self.nodes[name] = stack = AsyncExitStack()
        opened = stack.enter_context(Home(path))
        return Party(await stack.enter_async_context(Node(opened, **{"listen": (ANY,), **words})))

    async def stop(self, name: str) -> None:
        await self.nodes.pop(name).aclose()

    async def restart(self, name: str) -> Party:
        await self.stop(name)
        return await self.start(name)


@pytest.fixture
async def village(tmp_path: Path) -> AsyncIterator[Village]:
    made = Village(tmp_path)
    yield made
    for name in list(made.nodes):
        await made.stop(name)


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is asked again is asked again soon."""
    monkeypatch.setattr(cosigning, "FIRST", 0.05)
    monkeypatch.setattr(cosigning, "LONGEST", 0.2)
    monkeypatch.setattr(obtain, "WAITS", (0.05, 0.1, 0.2, 0.4, 0.8, 1.6, 3.2))


Found = Callable[..., Awaitable[dict[str, Party]]]


@pytest.fixture
def found(village: Village) -> Found:
    async def make(*names: str, charter: str = CHARTER, witness: Party | None = None) -> dict[str, Party]:
        """A registrar, and workers with homes of their own."""
        seats = {"coop": await village.start("coop", charter)}
        if witness is not None:
            witness.node.site.witness.add(seats["coop"].home.log.key.vkey)
        for name in names:
            seats[name] = await village.start(name)
            invited = await seats["coop"].desk.invite(college="workers")
            await decided(seats["coop"])
            await seats[name].desk.join(text=invited["invitation"])
            await seats["coop"].desk.peers(add=seats[name].address)
        return seats

    return make


async def chosen(seats: dict[str, Party], heir: str, *voters: str) -> int:
    """By vote in the registrar's own log."""
    opened = await seats[heir].desk.propose(action="change-registrar", words="She has the time")
    for name in voters:
        await seats[name].desk.vote(proposal=opened["proposal"], choice="yes")
    return int(opened["proposal"])
