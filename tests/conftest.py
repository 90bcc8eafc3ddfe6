"""What every test may use: homes in a temporary folder, and real nodes in this process, on loopback."""

from __future__ import annotations

import asyncio
import gc
import json
import os
import signal
import subprocess
import tempfile
import threading
import time
from collections import defaultdict
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AsyncExitStack, contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import psutil
import pytest
from hypothesis import settings

from commons.access import obtain
from commons.community.charter import founding
from commons.disk import home
from commons.disk.home import Home
from commons.disk.log import Log
from commons.node import desk
from commons.node.node import Node
from commons.node.verbs.context import Context
from commons.witness import cosigning
from tests import answers
from tests.rows import MANY

if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:  # as of what a shell starts with "&": children would inherit it
    signal.signal(signal.SIGINT, signal.default_int_handler)

settings.register_profile("commons", deadline=None, max_examples=MANY // 5)
settings.register_profile("long", deadline=None, max_examples=MANY)  # .ci/run: --hypothesis-profile=long
settings.load_profile("commons")

MEMORY = Path("/dev/shm")


def roomy(place: Path) -> bool:
    """Whether tests can have their folders in memory: there is room, and what is written there can be run."""
    if not os.path.ismount(place) or not os.access(place, os.W_OK):
        return False
    room = os.statvfs(place)
    free = min(room.f_bavail * room.f_frsize, psutil.virtual_memory().available // 2)
    return free > 2 << 30 and not room.f_flag & os.ST_NOEXEC


if "TMPDIR" not in os.environ and roomy(MEMORY):  # docs/decisions/0025-what-the-plain-tests-are.md
    os.environ["TMPDIR"] = tempfile.tempdir = str(MEMORY)

ANY = "/ip4/127.0.0.1/tcp/0"
TABLE = 5  # rows and more are a long table
LIMIT = 120.0  # seconds that a test waits for an event; it passes no sooner and no later by it, and fails by it alone
MakeHome = Callable[..., Path]
Start = Callable[..., Any]


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """The files whose tests wait for processes and peers come first, so that none of them is left over at the end for
    one worker, with nothing for the others to do beside it. Where no file is named, the rows of a long table are the
    `rest` but for one in three: see docs/decisions/0025-what-the-plain-tests-are.md."""
    quick = ("core", "disk", "licences", "metadata")
    items.sort(key=lambda item: item.path.parent.name in quick)
    if all(Path(each).resolve() == Path(__file__).parent for each in config.args):
        tables = defaultdict[str, list[pytest.Item]](list)
        for item in items:
            tables[item.nodeid.partition("[")[0]].append(item)
        for rows in tables.values():
            if len(rows) >= TABLE and not any(
                row.get_closest_marker(name) for row in rows for name in ("long", "rest")
            ):
                for n, row in enumerate(rows):
                    if n % 3:
                        row.add_marker("rest")


def pytest_collection_finish() -> None:
    """Some hundred thousand objects that are there until the end are not looked at again and again for garbage."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(10_000, 20, 20)


@pytest.fixture
def make_home(tmp_path: Path) -> MakeHome:
    """make_home("alice") makes a home and returns its path."""

    def make(name: str, readers: str = "members", charter: str | None = None) -> Path:
        path, now = tmp_path / name, int(time.time())
        home.create(path, founding(charter, now) if charter else home.personal(f"{name}'s commons", readers, now), {})
        return path

    return make


class Desk:
    """The verbs over one node, as `desk.fetch(dataset=…)`: what they tell is what the owner's door would tell."""

    def __init__(self, node: Node) -> None:
        self.node, self.context = node, Context.of(node)

    @property
    def net(self) -> Any:
        return self.context.net

    @net.setter
    def net(self, net: Any) -> None:
        self.context = replace(self.context, net=net)

    async def call(self, verb: str, words: dict[str, Any]) -> dict[str, Any]:
        told: dict[str, Any] = json.loads(json.dumps((await desk.call(self.context, verb, words)).as_dict()))
        answers.check(verb, told)
        return told

    def __getattr__(self, verb: str) -> Callable[..., Awaitable[dict[str, Any]]]:
        return lambda **words: self.call(verb, words)


def log_folder(home: Path) -> Path:
    """Where the one log of a home lies that is not open."""
    (log,) = (home / "commons").glob("*/log.db")
    return log.parent


class Party:
    """One person: a running node, and the verbs its owner has."""

    def __init__(self, node: Node) -> None:
        self.node, self.home, self.desk = node, node.home, Desk(node)

    @property
    def address(self) -> str:
        return self.node.addresses[0]

    @property
    def peer(self) -> str:
        return self.home.keys.identity.peer

    @property
    def commons(self) -> str:
        return self.home.first.commons

    @property
    def log(self) -> Log:
        return self.home.first.log

    async def publish(self, path: Path, **words: Any) -> str:
        """A reference."""
        defaults = {"title": "Rivers", "licence": "CC-BY-4.0", "creators": ["Ana"]}
        return str((await self.desk.publish(path=str(path), **{**defaults, **words}))["reference"])

    async def fetch(self, reference: str, dest: Path, *sources: str, **words: Any) -> dict[str, Any]:
        defaults = {"acknowledge": "CC-BY-4.0", "purpose": "research"}
        return await self.desk.fetch(dataset=reference, dest=str(dest), sources=list(sources), **{**defaults, **words})


@pytest.fixture
async def start(make_home: MakeHome) -> AsyncIterator[Start]:
    """await start("alice") makes alice's home if need be and starts her node; `listen=()` for one nobody reaches."""
    async with AsyncExitStack() as stack:

        async def begin(
            name: str, *, listen: tuple[str, ...] = (ANY,), http: str | None = None, readers: str = "members",
            lie: Callable[[Any], Any] | None = None, charter: str | None = None,
        ) -> Party:  # fmt: skip
            path = make_home(name, readers, charter)
            opened = stack.enter_context(Home(path))
            node = Node(opened, listen, http)
            if lie is not None:  # see tests.dishonest
                node.site = lie(node.site)
            return Party(await stack.enter_async_context(node))

        yield begin


@contextmanager
def frozen(folder: Path) -> Iterator[None]:
    """A folder that cannot be written while this is open: for root, whom no permissions stop, by a mount."""
    if os.geteuid() == 0:
        if subprocess.run(["mount", "--bind", str(folder), str(folder)], capture_output=True, check=False).returncode:
            pytest.skip("nothing can be mounted here")
        subprocess.run(["mount", "-o", "remount,ro,bind", str(folder)], check=True)
        try:
            yield
        finally:
            subprocess.run(["umount", "-l", str(folder)], check=True)
    else:
        folders = [folder, *(each for each in folder.rglob("*") if each.is_dir())]
        for each in folders:
            each.chmod(0o500)
        try:
            yield
        finally:
            for each in folders:
                each.chmod(0o700)


async def decided(party: Party) -> None:
    """The witnesses, where there are any, have said of all ballots in this party's log whether they were in time, and
    it is durable: the fold runs before the commit, so what it says may not be on disk yet."""
    log = party.home.first.log

    def settled() -> bool:
        community = log.state.community
        return community is not None and not community.counted and log.size == log.state.size

    await until(settled)


async def until(true: Callable[[], object], seconds: float = LIMIT) -> None:
    """For what another thread or node does in its own time and no event tells of."""
    async with asyncio.timeout(seconds):
        while not true():
            await asyncio.sleep(0.005)


def held() -> set[object]:
    """The threads and descriptors of this process, each of these with what it leads to. What is among them after a
    call and was not before it, the call left behind; fewer they may be at any moment: the collector closes what
    tests long over left open."""
    there: set[object] = set(threading.enumerate())
    for number in os.listdir("/proc/self/fd"):
        with suppress(FileNotFoundError):  # that of the listing itself
            there.add((number, os.readlink(f"/proc/self/fd/{number}")))
    return there


@contextmanager
def ends(seconds: float = 10) -> Iterator[None]:
    """What is inside ends within so many seconds of CPU time, many times what it needs, or is stopped as a failure.
    Other work on the machine costs it none of them."""

    def stop(_number: int, _frame: object) -> None:
        raise AssertionError(f"it has not ended after {seconds} s of CPU time")

    before = signal.signal(signal.SIGVTALRM, stop)
    signal.setitimer(signal.ITIMER_VIRTUAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)
        signal.signal(signal.SIGVTALRM, before)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A small dataset: a table, a text in a subfolder, an empty file."""
    root = tmp_path / "data"
    (root / "notes").mkdir(parents=True)
    (root / "rivers.csv").write_text("name,km\n" + "".join(f"river {n},{n}\n" for n in range(500)))
    (root / "notes" / "lisez-moi é.txt").write_text("mesuré au printemps\n")
    (root / "empty").write_bytes(b"")
    return root


# -- people whose nodes are stopped and started again, in one community ---------------------------------------------

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
        """A registrar, and workers with homes of their own; the charter asks for the witness where there is one."""
        if witness is not None:
            key = witness.node.site.witness.key.vkey
            charter = f'witnesses = """\nwitness w {key} {witness.node.door}\nquorum w\n"""\n{charter}'
        seats = {"coop": await village.start("coop", charter)}
        if witness is not None:
            witness.node.site.witness.add(seats["coop"].home.first.log.key.vkey)
        for name in names:
            seats[name] = await village.start(name)
            invited = await seats["coop"].desk.invite(college="workers")
            await decided(seats["coop"])
            await seats[name].desk.join(text=invited["invitation"], linked=True)
            await seats["coop"].desk.peers(add=seats[name].address)
        return seats

    return make


async def chosen(seats: dict[str, Party], heir: str, *voters: str) -> int:
    """By vote in the registrar's own log."""
    opened = await seats[heir].desk.propose(action="change-registrar", words="She has the time")
    for name in voters:
        await seats[name].desk.vote(proposal=opened["proposal"], choice="yes")
    return int(opened["proposal"])
