"""kill -9 between any two steps of publish, of answering a request, of erasing and of fetch; then the same again.

Steward and reader of a fetch live in one process, so both die at that step; see tests.crash_driver.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import time
from collections.abc import Awaitable, Callable, Iterator
from itertools import count
from pathlib import Path
from typing import Any, TypeVar

import pytest

from commons.core.crypto import codec, envelope
from commons.core.dataset import manifest
from commons.core.dataset.reference import parse
from commons.core.state import entries
from commons.core.state.entries import Asked
from commons.datasets import holder
from commons.disk import home
from commons.disk.home import Home
from commons.errors import Malformed, Stale, Unacknowledged, Unreachable
from commons.log import answer
from commons.log.answer import Answer, Submission
from commons.node.node import Node
from tests.conftest import Desk, log_folder
from tests.crash_driver import Inside, die_at, in_child, told
from tests.rows import one_in

STEWARD = "/ip4/127.0.0.1/tcp/1/p2p/"
T = TypeVar("T")


def make(folder: Path) -> None:
    data = folder / "data"
    data.mkdir(parents=True)
    (data / "big.bin").write_bytes(os.urandom((3 << 20) + 5))
    (data / "small.txt").write_text("small\n")
    for name in ("steward", "reader"):
        home.create(folder / name, home.personal(name, "members", int(time.time())), {})


def steward(folder: Path, work: Callable[[Desk], Awaitable[T]]) -> T:
    async def go() -> T:
        with Home(folder / "steward") as opened:
            async with Node(opened) as node:
                return await work(Desk(node))

    return asyncio.run(go())


def publish(folder: Path) -> str:
    async def go(desk: Desk) -> str:
        return str((await desk.publish(path=str(folder / "data"), title="Big", licence="CC0-1.0"))["reference"])

    return steward(folder, go)


def fetch(
    folder: Path, reference: str, *, lost: int = 0, acknowledge: str | None = "CC0-1.0",
    clock: Callable[[], float] = time.time,
) -> Inside:  # fmt: skip
    async def go() -> Inside:
        with Home(folder / "steward") as steward, Home(folder / "reader") as reader:
            async with Node(steward) as a, Node(reader) as b:
                a.at().registrar.clock = steward.first.log._clock = clock
                desk, net = Desk(b), Inside(a, lost)
                desk.net = net  # type: ignore[assignment]
                await desk.fetch(
                    dataset=reference, dest=str(folder / "copy"), sources=[STEWARD + steward.keys.identity.peer],
                    acknowledge=acknowledge, purpose="research",
                )  # fmt: skip
                return net

    return asyncio.run(go())


def audited(folder: Path) -> dict[str, Any]:
    return steward(folder, lambda desk: desk.audit())


def same(folder: Path) -> bool:
    """Every byte is there, and nothing but the attribution beside it."""
    names = {p.name for p in (folder / "copy").iterdir()}
    return names == {"big.bin", "small.txt", "ATTRIBUTION.txt"} and all(
        (folder / "copy" / name).read_bytes() == (folder / "data" / name).read_bytes()
        for name in ("big.bin", "small.txt")
    )


def kills(folder: Path, every: int, original: Path | None = None) -> Iterator[tuple[int, Path]]:
    """Steps from 1 on, each with a folder of its own. The test stops when a run was not killed."""
    for step in count(1, every):
        at = folder / str(step)
        if original is None:
            make(at)
        else:
            shutil.copytree(original, at)
        yield step, at
        shutil.rmtree(at)


@pytest.fixture(scope="module")
def published(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    folder = tmp_path_factory.mktemp("published")
    make(folder)
    return folder, publish(folder)


@pytest.fixture(scope="module")
def asked(published: tuple[Path, str], tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, bytes]:
    """A reader who has signed a request, and no answer yet: (folder, Submission)."""
    folder = tmp_path_factory.mktemp("asked") / "all"
    shutil.copytree(published[0], folder)

    def work() -> None:
        die_at(-1)
        post = Inside.post

        async def sent(self: Inside, source: str, path: str, body: bytes, *, limit: int) -> bytes:
            if path.endswith("/entries"):
                os._exit(0)
            return await post(self, source, path, body, limit=limit)

        Inside.post = sent  # type: ignore[method-assign]
        fetch(folder, published[1])

    assert in_child(work) == 0
    with Home(folder / "reader") as reader:
        (ask,) = reader.shelf.asks()
    assert ask.outcome == "unsent"
    return folder, ask.submission


@one_in(9)
def test_a_publish_killed_anywhere_can_be_repeated_and_names_nothing_unlogged(tmp_path: Path, every: int) -> None:
    for step, folder in kills(tmp_path, every):

        def work(folder: Path = folder, step: int = step) -> None:
            die_at(step)
            reference = publish(folder)
            with (folder / "told").open("a") as file:
                file.write(f"{reference}\n")

        code = in_child(work)
        before = audited(folder)
        assert before["faults"] == []
        named = [parse(reference).cid for reference in told(folder / "told")]
        logged = [row["cid"] for row in before["datasets"]]
        assert set(named) <= set(logged)  # what was named is in the log
        for cid in logged:  # and what is in the log is all there, named or not
            with Home(folder / "steward") as opened:
                data = opened.shelf.manifest(cid)
                assert data is not None
                assert all(opened.packs.has(ref.root) for ref in manifest.open(data).value.sealed())
        reference = publish(folder)
        assert fetch(folder, reference).bytes > 3 << 20
        assert same(folder)
        assert [p for p in (folder / "steward" / "packs").iterdir() if p.suffix in (".tmp", ".part")] == []
        if code == 0:
            break
        assert code == -signal.SIGKILL
    assert step > 12


@one_in(9)
def test_an_answer_killed_anywhere_is_given_when_the_request_comes_again(
    asked: tuple[Path, bytes], tmp_path: Path, every: int
) -> None:
    """From submit to the answer: before COMMIT nothing is there, after it the same statement finds its entries."""
    original, body = asked
    said = envelope.open(entries.REQUEST, Asked, codec.decode(Submission, body).statement)
    sizes = []
    for step, folder in kills(tmp_path, every, original):

        async def submit(desk: Desk) -> bytes:
            return await desk.node.at().registrar.submit(body)

        def work(folder: Path = folder, step: int = step, submit: Any = submit) -> None:
            die_at(step)
            (folder / "answer").write_bytes(steward(folder, submit))

        code = in_child(work)
        with Home(folder / "steward") as opened:
            sizes.append(opened.first.log.size)
            log = opened.first.log.key
        checked = [
            answer.check(codec.decode(Answer, got), said, log, b"", {said.signer})
            for got in ([(folder / "answer").read_bytes()] if code == 0 else []) + [steward(folder, submit)]
        ]
        assert {(c.request, c.outcome) for c in checked} == {(2, "grant")}
        report = audited(folder)
        assert (report["faults"], len(report["rows"]), report["entries"]) == ([], 1, 4)
        if code == 0:
            break
        assert code == -signal.SIGKILL
    assert set(sizes) == {2, 4}  # both entries or none
    assert sizes == sorted(sizes)
    assert step > 6


@one_in(9)
def test_a_fetch_killed_anywhere_goes_on_asks_once_and_brings_no_piece_twice(
    published: tuple[Path, str], tmp_path: Path, every: int
) -> None:
    original, reference = published
    with Home(original / "steward") as opened:
        data = opened.shelf.manifest(parse(reference).cid)
        assert data is not None
        whole = sum(ref.size for ref in manifest.open(data).value.sealed())
    resumed = 0
    for step, folder in kills(tmp_path, every, original):

        def work(folder: Path = folder, step: int = step) -> None:
            die_at(step, folder / "pieces")
            fetch(folder, reference)

        code = in_child(work)
        if (folder / "copy").exists():  # nothing unverified under a final name
            for file in (p for p in (folder / "copy").iterdir() if p.name in ("big.bin", "small.txt")):
                assert file.read_bytes() == (folder / "data" / file.name).read_bytes()
        kept = sum(map(int, told(folder / "pieces")))
        again = fetch(folder, reference)
        assert again.bytes <= whole - kept
        resumed += 0 < kept < whole
        assert same(folder)
        report = audited(folder)
        assert report["faults"] == []
        assert [(row["decision"], row["receipt"] is not None) for row in report["rows"]] == [("grant", True)]
        assert fetch(folder, reference, acknowledge=None).posts == 0
        if code == 0:
            assert (again.bytes, again.posts, kept) == (0, 0, whole)
            break
        assert code == -signal.SIGKILL
    assert step > 25
    assert resumed * every > 2


@pytest.mark.parametrize("lost", [1, 2, 3])
def test_an_answer_that_is_lost_on_the_way_costs_no_second_entry(
    published: tuple[Path, str], tmp_path: Path, lost: int
) -> None:
    """The request's, the key's, the receipt's: the steward did it, the reader does not know."""
    original, reference = published
    folder = tmp_path / "all"
    shutil.copytree(original, folder)
    if lost < 3:
        with pytest.raises(Unreachable):
            fetch(folder, reference, lost=lost)
    else:
        fetch(folder, reference, lost=lost)  # a receipt stays owed
    fetch(folder, reference)
    assert same(folder)
    report = audited(folder)
    assert (report["faults"], report["entries"]) == ([], 5)
    assert [(row["decision"], row["receipt"]) for row in report["rows"]] == [("grant", 4)]


def test_a_request_that_a_crash_kept_for_a_day_is_replaced_by_the_same_command(
    asked: tuple[Path, bytes], published: tuple[Path, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "all"
    shutil.copytree(asked[0], folder)
    tomorrow = time.time() + 86_400
    monkeypatch.setattr(time, "time", lambda: tomorrow)
    with pytest.raises(Unacknowledged):  # it is another request, so it is acknowledged anew
        fetch(folder, published[1], acknowledge=None, clock=time.time)
    fetch(folder, published[1], clock=time.time)
    assert same(folder)
    report = audited(folder)
    assert (report["faults"], len(report["rows"])) == ([], 1)


def test_a_wrong_clock_is_told_and_nothing_is_logged(published: tuple[Path, str], tmp_path: Path) -> None:
    folder = tmp_path / "all"
    shutil.copytree(published[0], folder)

    with pytest.raises(Malformed, match="clock"):
        fetch(folder, published[1], clock=lambda: time.time() + 3600)
    with Home(folder / "reader") as reader:
        assert [ask.outcome for ask in reader.shelf.asks()] == ["unsent"]
    assert audited(folder)["rows"] == []


@one_in(9)
def test_an_erasure_killed_anywhere_is_whole_or_not_begun_and_leaves_no_bytes(
    published: tuple[Path, str], tmp_path: Path, every: int
) -> None:
    original = tmp_path / "original"
    shutil.copytree(published[0], original)
    fetch(original, published[1])
    with Home(original / "steward") as opened:
        hidden = [bytes(row[0]) for row in opened.first.log._reads.execute("SELECT sealed FROM openings")]
        hidden += [bytes(row[0]) for row in opened.first.log._reads.execute("SELECT key FROM subjects")]
    assert len(hidden) == 3  # request and receipt, one subject
    done = []
    for step, folder in kills(tmp_path, every, original):

        def work(folder: Path = folder, step: int = step) -> None:
            die_at(step)
            steward(folder, lambda desk: desk.erase(entry=2))

        code = in_child(work)
        with Home(folder / "steward") as opened:
            done.append(2 in opened.first.log.state.redacted)
            shown = [opened.first.log.opening(index) is not None for index in (2, 4)]
            raw = b"".join(path.read_bytes() for path in log_folder(folder / "steward").glob("log.db*"))
        assert shown == [not done[-1]] * 2
        assert [secret in raw for secret in hidden] == [not done[-1]] * 3  # also out of the WAL a crash left
        report = audited(folder)
        assert report["faults"] == []
        assert report["rows"][0]["state"].startswith("redacted") == done[-1]
        if code == 0:
            break
        assert code == -signal.SIGKILL
    assert done == sorted(done)
    assert done.count(True) * every > 1  # one kill at least between COMMIT and the forgetting
    assert done.count(False) * every > 3


@pytest.fixture(scope="module")
def withdrawn(published: tuple[Path, str], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A reader who has fetched what is withdrawn by now, and was not told yet."""
    folder = tmp_path_factory.mktemp("withdrawn") / "all"
    shutil.copytree(published[0], folder)
    fetch(folder, published[1])
    steward(folder, lambda desk: desk.propose(action="withdraw", dataset=published[1]))
    return folder


def mind(folder: Path, lost: int = 0) -> Inside:
    """One round of the reader's home."""

    async def go() -> Inside:
        with Home(folder / "steward") as steward, Home(folder / "reader") as reader:
            async with Node(steward) as a, Node(reader) as b:
                net = Inside(a, lost)
                await holder.mind(reader, net, b.carrying)
                return net

    return asyncio.run(go())


def drops(folder: Path) -> list[Any]:
    with Home(folder / "steward") as opened:
        found = [entries.decode(data) for data in opened.first.log.entries(0, opened.first.log.size)]
    return [entry for entry in found if isinstance(entry, entries.Dropped)]


@one_in(9)
def test_a_dropping_killed_anywhere_is_finished_by_the_next_round_and_said_once(
    withdrawn: Path, tmp_path: Path, every: int
) -> None:
    begun = []
    for step, folder in kills(tmp_path, every, withdrawn):

        def work(folder: Path = folder, step: int = step) -> None:
            die_at(step)
            mind(folder)

        code = in_child(work)
        with Home(folder / "reader") as reader:
            rows, (ask,) = reader.shelf.withdrawals(), reader.shelf.asks()
            served = [cid for cid, _, _, served in reader.shelf.manifests() if served]
            whole = sorted((folder / "reader" / "packs").iterdir()) == sorted(
                folder / "reader" / "packs" / path.name for path in (withdrawn / "reader" / "packs").iterdir()
            )
        begun.append(bool(rows))
        if not whole or not served or ask.secret is None:
            assert rows  # what is owed was durable before anything was taken away
        if drops(folder):  # and nothing is said to be dropped that is not
            assert (served, ask.secret, list((folder / "reader" / "packs").iterdir())) == ([], None, [])
        for _ in range(2):
            mind(folder)
        with Home(folder / "reader") as reader:
            (row,), (ask,) = reader.shelf.withdrawals().values(), reader.shelf.asks()
            assert (row.owed, row.logged is not None, ask.secret, ask.outcome) == (False, True, None, "withdrawn")
            raw = b"".join(path.read_bytes() for path in (folder / "reader").glob("shelf.db*"))
        assert key_of(withdrawn) not in raw
        assert list((folder / "reader" / "packs").iterdir()) == []
        assert len(drops(folder)) == 1
        report = audited(folder)
        assert (report["faults"], report["rows"][0]["dropped"]) == ([], row.logged)
        if code == 0:
            break
        assert code == -signal.SIGKILL
    assert begun == sorted(begun)
    assert begun.count(True) * every > 4


def key_of(folder: Path) -> bytes:
    with Home(folder / "reader") as reader:
        (ask,) = reader.shelf.asks()
    assert ask.secret is not None
    return ask.secret


def test_a_word_whose_answer_is_lost_on_the_way_makes_no_second_entry(
    withdrawn: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "all"
    shutil.copytree(withdrawn, folder)
    assert mind(folder, lost=1).posts == 1
    with Home(folder / "reader") as reader:
        (row,) = reader.shelf.withdrawals().values()
    assert (row.owed, len(drops(folder))) == (True, 1)
    later = time.time() + 60
    monkeypatch.setattr(time, "time", lambda: later)  # what was signed is sent again, and nothing is signed anew
    assert (mind(folder).posts, mind(folder).posts) == (1, 0)
    assert len(drops(folder)) == 1


def test_half_an_attribution_that_a_crash_left_is_replaced(published: tuple[Path, str], tmp_path: Path) -> None:
    folder = tmp_path / "all"
    shutil.copytree(published[0], folder)
    (folder / "copy").mkdir()
    (folder / "copy" / ".commons:credit").write_text("half")
    fetch(folder, published[1])
    assert same(folder)


def test_a_steward_that_restored_an_old_log_is_stopped_by_a_reader_who_saw_more(
    published: tuple[Path, str], tmp_path: Path
) -> None:
    folder = tmp_path / "all"
    shutil.copytree(published[0], folder)
    second = publish(folder)
    shutil.copy(log_folder(folder / "steward") / "log.db", tmp_path / "old.db")
    fetch(folder, published[1])
    shutil.copy(tmp_path / "old.db", log_folder(folder / "steward") / "log.db")
    for _ in range(2):  # also after the next start
        with pytest.raises(Stale, match="behind by the word of"):
            fetch(folder, second)
        assert steward(folder, lambda desk: desk.status())["log"].startswith("this log is behind by the word of")
        with pytest.raises(Stale, match="behind by the word of"):
            publish(folder)
    assert audited(folder)["entries"] == 3  # nothing was signed since
