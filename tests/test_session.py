"""The Python package as programs use it: both ways in, their types, the pages about them."""

from __future__ import annotations

import asyncio
import inspect
import json
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import aiohttp
import pytest

import commons
from commons import session
from commons.disk import home as homes
from commons.disk import vault
from commons.errors import Busy, Conflict, Internal, Malformed, NotFound, Refused, Unreachable
from commons.node import control, desk
from commons.node.verbs.data import DropResult
from commons.node.verbs.log import AuditResult
from commons.node.verbs.registry import VERBS
from commons.node.verbs.shapes import plain, structure, told
from tests import answers, verbpages
from tests.conftest import LIMIT, MakeHome, Start

HOUSE = Path(__file__).parents[1]
SECRET = "correct horse battery staple"
WORDS: dict[str, Any] = {"title": "Rivers", "licence": "CC-BY-4.0", "creators": ["Ana"]}


# -- what is written about them ---------------------------------------------------------------------------------------


def test_every_verb_is_a_method_once_in_its_group_and_says_what_comes_back() -> None:
    methods = verbpages.methods()
    assert len(set(methods.values())) == len(VERBS)
    groups = {verb: group or "node" for verb, (group, _) in methods.items()}
    assert groups == {name: verb.group for name, verb in VERBS.items()}
    assert [verb.name for verb in VERBS.values() if not inspect.getdoc(verb.function)] == []


def test_the_examples_of_the_page_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shutil.copytree(HOUSE / "examples" / "penguins", tmp_path / "penguins")
    monkeypatch.chdir(tmp_path)
    blocks = re.findall(r"^```python\n(.*?)^```", (HOUSE / "docs" / "python.md").read_text(), re.DOTALL | re.MULTILINE)
    assert len(blocks) == 10
    names: dict[str, Any] = {"__name__": "__main__"}
    for number, block in enumerate(blocks):
        exec(compile(block, f"docs/python.md, example {number}", "exec", dont_inherit=True), names)
    assert (tmp_path / "copy" / "ATTRIBUTION.txt").exists()


CALLER = """
from pathlib import Path

import commons
from commons.node.verbs.community import TakeOverResult
from commons.node.verbs.data import PublishResult
from commons.node.verbs.log import AuditResult
from commons.session import CreateResult, RestoreResult


async def main(home: Path) -> int:
    async with commons.open(home) as node:
        made: PublishResult = await node.datasets.publish(path=Path("data"), title="Rivers", creators=["Ana"])
        await node.datasets.fetch(dataset=made.reference, dest="copy", acknowledge="CC-BY-4.0", serve=False)
        await node.community.vote(proposal=3, choice="yes")
        told = await node.community.take_over(source=Path("log.zip"))
        if told.taken:
            over: TakeOverResult = told
            print(over.entries)
        await node.community.vote(proposal="3", choice="yes")  # E: proposal
        await node.community.vote(proposal=3, choice="perhaps")  # E: choice
        await node.datasets.publish(title="Rivers")  # E: path
        await node.datasets.publish(path="data", titel="Rivers")  # E: titel
        made.entry = 3  # E: entry
        node.status().peer  # E: peer
    with commons.connect(home) as now:
        audit: AuditResult = now.log.audit()
        now.backup(path=home / "x.backup", passphrase="a secret")
        await now.status()  # E: await
        now.go_on(right=True)  # E: right
    new: CreateResult = commons.create(home, name="Rivers", readers="public")
    commons.create(str(home), charter="name = 'Rivers'")
    commons.create(home, readers="everyone")  # E: create
    commons.create(home, name="Rivers", charter="name = 'Rivers'")  # E: create
    new.peer = "x"  # E: peer
    back: RestoreResult = await commons.restore("x.backup", home, passphrase="a secret", sources=[Path("log.zip")])
    await commons.restore("x.backup", home)  # E: passphrase
    print(back.failed[0].message, back.failed[0].messages)  # E: messages
    return audit.entries + len(audit.rows[0].titel)  # E: titel
"""


def test_a_caller_is_checked_strictly(tmp_path: Path) -> None:
    (tmp_path / "caller.py").write_text(CALLER)
    mypy = [sys.executable, "-m", "mypy", "--strict", "--config-file", str(HOUSE / "setup.cfg")]
    done = subprocess.run([*mypy, str(tmp_path / "caller.py")], cwd=HOUSE, capture_output=True, text=True, check=False)
    found = {int(line.split(":")[1]): line for line in done.stdout.splitlines() if ": error: " in line}
    wanted = {n: line.split("# E: ")[1] for n, line in enumerate(CALLER.splitlines(), 1) if "# E: " in line}
    assert found.keys() == wanted.keys(), done.stdout + done.stderr
    assert [found[n] for n, word in wanted.items() if word not in found[n]] == []


def test_importing_it_is_cheap() -> None:
    heavy = ("aiohttp", "libp2p", "cattrs", "trio", "cryptography", "commons.session")
    code = f"import commons, sys; print([each for each in {heavy} if each in sys.modules], commons.__version__)"
    told = subprocess.run([sys.executable, "-c", code], cwd=HOUSE, capture_output=True, text=True, check=True)
    assert told.stdout == f"[] {commons.__version__}\n"
    assert not hasattr(commons, "opened")


# -- a home -----------------------------------------------------------------------------------------------------------

KEEPERS = "name = 'Keepers'\nreaders = 'public'\n[colleges]\nmembers = ['me']\n"


def test_a_home_is_made_of_a_name_or_of_a_charter(tmp_path: Path) -> None:
    made = commons.create(tmp_path / "ana", name="Rivers", readers="owner")
    with commons.connect(tmp_path / "ana") as node:
        status = node.status()
        assert (made.peer, made.commons, made.name) == (status.peer, status.commons, status.name)
        assert (made.home, made.name, status.entries) == (str(tmp_path / "ana"), "Rivers", 1)
    with homes.Home(tmp_path / "ana") as home:
        assert home.first.log.state.charter is not None
        assert home.first.log.state.charter.readers == "owner"
    assert commons.create(tmp_path / "ben").name == "a commons of one"
    assert commons.create(tmp_path / "coop", charter=KEEPERS).name == "Keepers"
    with homes.Home(tmp_path / "coop") as home:
        assert home.first.log.state.charter is not None
        assert home.first.log.state.charter.readers == "public"


async def test_a_home_is_made_where_a_loop_runs_and_used_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    made = commons.create("ana")
    assert made.home == str(tmp_path / "ana")
    async with commons.open("ana") as node:
        assert (await node.status()).peer == made.peer


def test_what_no_home_can_be_made_of_makes_none(tmp_path: Path) -> None:
    create: Any = commons.create
    for words, kind in (
        ({"readers": "everyone"}, Malformed), ({"name": ""}, Malformed), ({"charter": "nonsense"}, Malformed),
        ({"charter": KEEPERS, "name": "Rivers"}, Malformed), ({"charter": KEEPERS, "readers": "public"}, Malformed),
    ):  # fmt: skip
        with pytest.raises(kind):
            create(tmp_path / "ana", **words)
        assert not (tmp_path / "ana" / "config.json").exists()
    commons.create(tmp_path / "ana")
    seed = (tmp_path / "ana" / "seed").read_bytes()
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "notes.txt").write_text("mine")
    for place in ("ana", "full"):
        with pytest.raises(Conflict):
            commons.create(tmp_path / place)
    assert (tmp_path / "ana" / "seed").read_bytes() == seed
    assert [each.name for each in (tmp_path / "full").iterdir()] == ["notes.txt"]


async def test_a_home_is_restored_and_what_is_no_backup_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(vault, "LOG_N", 10)
    monkeypatch.chdir(tmp_path)
    made = commons.create("ana", name="Rivers")
    async with commons.open("ana") as node:
        written = await node.backup(path="ana.backup", passphrase=SECRET)
        await node.log.export(path="log.zip")
    steps: list[tuple[int, int]] = []
    back = await commons.restore(
        "ana.backup", "again", passphrase=SECRET, sources=["log.zip", Path("nowhere.zip")],
        progress=lambda done, whole: steps.append((done, whole)),
    )  # fmt: skip
    assert (back.commons, back.entries, back.name) == (made.commons, written.entries, "Rivers")
    assert (back.home, back.heard) == (str(tmp_path / "again"), (str(tmp_path / "log.zip"),))
    assert [each.source for each in back.failed] == [str(tmp_path / "nowhere.zip")]
    assert steps[-1][0] == steps[-1][1]
    with homes.Home(tmp_path / "again") as home:
        assert home.keys.identity.peer == made.peer
    restore: Any = commons.restore
    for file, to, words, kind in (
        ("ana.backup", "third", {"passphrase": "another one than that"}, Refused),
        ("ana.backup", "ana", {"passphrase": SECRET}, Conflict),
        ("none.backup", "third", {"passphrase": SECRET}, NotFound),
        ("ana.backup", "third", {"passphrase": SECRET, "sources": "log.zip"}, Malformed),
    ):
        with pytest.raises(kind):
            await restore(file, to, **words)
        assert not (tmp_path / "third").exists()


# -- both ways in -----------------------------------------------------------------------------------------------------


async def test_a_home_that_nobody_holds_is_opened_and_others_go_through_it(make_home: MakeHome, folder: Path) -> None:
    home = make_home("ana")
    async with commons.open(home) as node:
        made = await node.datasets.publish(path=folder, **WORDS)
        assert (home / "control").exists()
        async with commons.open(home) as other:
            assert await other.log.audit() == await node.log.audit()
        assert (await control.run(home, "datasets", {}, lambda done, whole: None))["datasets"][0]["cid"] == made.cid
        with pytest.raises(Busy):
            await control._home_for_a_node(home, asyncio.Event())
    assert not (home / "control").exists()
    with homes.Home(home):  # it is free
        pass


async def test_a_node_that_runs_does_the_work_and_when_it_stops_the_home_is_opened(start: Start, folder: Path) -> None:
    ana = await start("ana", listen=())
    async with commons.open(ana.home.path) as node:
        async with control.door(ana.node):
            made = await node.datasets.publish(path=folder, **WORDS)
            assert ana.home.first.log.size == 2
            assert isinstance(await node.log.audit(), AuditResult)
            with pytest.raises(NotFound, match="no dataset known here"):
                await node.datasets.show(dataset="Lakes")
        ana.home.close()
        assert [each.cid for each in (await node.datasets.list()).datasets] == [made.cid]


async def test_it_answers_within_a_running_loop_and_to_several_threads(make_home: MakeHome, folder: Path) -> None:
    home = make_home("ana")
    with commons.connect(home) as node:
        node.datasets.publish(path=folder, **WORDS)
        told = await asyncio.gather(*(asyncio.to_thread(node.log.audit) for _ in range(4)))
        assert [each.entries for each in told] == [2] * 4
        async with commons.open(home) as other:
            assert (await other.status()).entries == node.status().entries == 2
    async with commons.open(home) as other:
        with commons.connect(home) as node:
            assert (await other.status()).entries == 2
            with pytest.raises(Conflict, match="would wait for itself"):
                node.status()
    node.close()  # again
    with pytest.raises(Unreachable, match="was closed"):
        node.status()


async def test_paths_are_those_of_the_caller(
    make_home: MakeHome, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with commons.open(str(make_home("ana"))) as node:
        monkeypatch.chdir(tmp_path)
        await node.datasets.publish(path=folder.name, **WORDS)
        await node.log.export(path="log.zip")
        for source in ("log.zip", Path("log.zip")):
            assert (await node.log.audit(source=source)).files is not None
            for verb in ("audit", "convict", "export_log", "statistics", "take_over"):
                assert session.spelt(verb, {"source": source}) == {"source": str(tmp_path / "log.zip")}
        assert (await node.datasets.fetch(dataset="Rivers", dest="copy")).dest == str(tmp_path / "copy")


async def test_words_of_other_types_are_malformed(make_home: MakeHome) -> None:
    home, wrong = make_home("ana"), {"proposal": "3", "choice": "yes"}
    async with commons.open(home) as node:
        with pytest.raises(Malformed, match="vote: proposal is a whole number, not '3'"):
            await node.community.vote(**wrong)
        with pytest.raises(Malformed, match="status takes no word 'proposal'"):
            await node.status(**wrong)
    async with commons.open(home.parent / "nobody") as node:
        with pytest.raises(NotFound, match="there is no home"):
            await node.status()


async def test_progress_is_told_and_a_log_that_goes_on_alone_is_warned_of(
    make_home: MakeHome, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    steps = list[tuple[int, int]]()

    async def alone(*_: Any) -> desk.Reply:
        return desk.Reply(None, "this log goes on alone")

    async with commons.open(make_home("ana"), progress=lambda *step: steps.append(step)) as node:
        await node.datasets.publish(path=folder, **WORDS)
        assert steps[-1][0] == steps[-1][1] > 0
        monkeypatch.setattr(desk, "call", alone)
        with pytest.warns(UserWarning, match="goes on alone"):
            await node.status()


async def test_a_verb_that_is_cancelled_leaves_a_home_that_works(make_home: MakeHome) -> None:
    begun, ended = asyncio.Event(), asyncio.Event()

    async def endless(*_: Any) -> desk.Reply:
        begun.set()
        try:
            return await asyncio.Future()
        finally:
            ended.set()

    async with commons.open(make_home("ana")) as node:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(desk, "call", endless)
            work = asyncio.create_task(node.status())
            await asyncio.wait_for(begun.wait(), LIMIT)
            work.cancel()
            await asyncio.wait_for(ended.wait(), LIMIT)
        assert (await node.status()).log == "writable"


# -- the schema of the owner's door -----------------------------------------------------------------------------------


async def test_answers_of_a_real_node_are_what_the_schema_says(start: Start, folder: Path, tmp_path: Path) -> None:
    """Those that the other tests get are held against it too: see `tests.conftest.Desk`."""
    ana = await start("ana", listen=())
    async with control.door(ana.node), aiohttp.ClientSession() as http:
        said = json.loads((ana.home.path / "control").read_text())

        async def ask(verb: str, **words: Any) -> dict[str, Any]:
            assert answers.faults(verb, "words", words) == []
            guard = {"Authorization": f"Bearer {said['token']}"}
            async with http.post(f"{said['url']}/verbs/{verb}", json=words, headers=guard) as answer:
                found: dict[str, Any] = json.loads((await answer.read()).splitlines()[-1])["told"]
            answers.check(verb, found)
            assert plain(structure(VERBS[verb].result, found)) == found
            return found

        words = {"path": str(folder), **WORDS}
        assert (await ask("plan", **words))["files"] == 3
        made = await ask("publish", **words)
        named = {"dataset": made["reference"]}
        for verb in ("refer", "show"):
            await ask(verb, **named)
        await ask("describe", **named, form="croissant")
        await ask("fetch", **named, dest=str(tmp_path / "copy"))
        await ask("export", **named, dest=str(tmp_path / "out"), formats=["bagit"])
        await ask("export_log", path=str(tmp_path / "log.zip"), openings=True)
        await ask("audit", source=str(tmp_path / "log.zip"), governance=True)
        for verb in ("audit", "status", "datasets", "requests", "community", "custody", "statistics", "witness",
                     "unlogged", "peers", "date", "go_on", "keep"):  # fmt: skip
            await ask(verb)
        await ask("announce", addresses=["http://127.0.0.1:1"])
        await ask("drop", **named)


@pytest.mark.parametrize(
    ("verb", "part", "wrong"),
    [
        ("show", "words", {}),
        ("show", "words", {"dataset": 1}),
        ("show", "words", {"dataset": "x", "y": 1}),
        ("vote", "words", {"proposal": 1, "choice": "perhaps"}),
        ("drop", "told", {"cid": "x"}),
        ("drop", "told", {"cid": "x", "freed_bytes": "1"}),
        ("drop", "told", {"cid": "x", "freed_bytes": 1, "z": 1}),
        ("datasets", "told", {"datasets": [{}]}),
        ("take_over", "told", {"taken": True}),
    ],
)
def test_the_schema_knows_what_is_wrong(verb: str, part: str, wrong: dict[str, Any]) -> None:
    assert answers.faults(verb, part, wrong) != []


@pytest.mark.parametrize(
    ("fields", "named"),
    [
        ({"cid": "x", "freed_bytes": "1"}, "DropResult: freed_bytes"),
        ({"cid": "x"}, "DropResult: freed_bytes"),
        ({"cid": "x", "freed_bytes": 1, "more": 1}, "DropResult: more"),
    ],
)
def test_a_result_that_is_told_otherwise_names_the_field(fields: dict[str, Any], named: str) -> None:
    with pytest.raises(TypeError, match=named):
        told(DropResult, **fields)


def test_what_another_version_tells_is_said_to_be_that() -> None:
    with pytest.raises(Internal, match="tells of drop in other words"):
        desk.reply("drop", {"cid": "x"})
    assert desk.reply("drop", {"cid": "x", "freed_bytes": 1, "alone": "alone"}).alone == "alone"
