"""What a replica makes of its entries, stored beside them: whole, of these very entries, or made again."""

from __future__ import annotations

import asyncio
import itertools
import random
import tempfile
from collections.abc import Iterator
from contextlib import closing, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from commons.core.crypto import codec, envelope
from commons.core.crypto.keys import Keys
from commons.core.dataset.rule import Rule
from commons.core.state import entries, proposals, rules
from commons.core.state.charter import CHARTER, Charter
from commons.core.state.entries import Dropped, Receipt, Stamp
from commons.core.state.proposals import Join, LaterRules, Proposal
from commons.core.tlog import note
from commons.disk import sql
from commons.disk.folded import Misfolded
from commons.disk.history import Damaged, History
from commons.disk.shelf import Shelf
from commons.log import verified
from commons.log.evidence import Remembered
from commons.log.replica import Replica
from commons.log.verified import Verified, bound
from tests.core.test_time import KEYS, SIGNERS, TWO
from tests.crash_driver import die_at, in_child
from tests.keeper import ALICE, BOB, EVE, Keeper, custodians
from tests.rows import examples

PEOPLE = (ALICE, BOB, EVE)


class Grown:
    """A log of whatever somebody could write into it, some of it faulty: each step is a kind of entry, and a number
    that says which of those that are possible."""

    def __init__(self, witnessed: bool) -> None:
        self.log = Keeper(members=(BOB.identity.peer,), witnesses=TWO if witnessed else "")
        self.datasets, self.asked, self.proposed = [self.log.publish()], [0], [0]
        self.of = {0: self.datasets[0]}  # datasets by requests

    def add(self, step: str, n: int) -> None:
        log, who = self.log, PEOPLE[n % 3]
        dataset, asked = self.datasets[n % len(self.datasets)], self.asked[n % len(self.asked)]
        proposal = self.proposed[-1 - n % min(3, len(self.proposed))]
        if step == "whole":
            self.story(n)
        elif step == "publish":
            kind = ("acknowledge", "members", "vote", "approval")[n % 4]
            self.datasets.append(log.publish(Rule(kind=kind), bytes([n]) * 16, epoch=n // 9))
        elif step == "ask":
            self.ask(who, dataset)
        elif step in ("decide", "voted"):
            basis = next(at for at, data in enumerate(log.data) if self.of[asked].encode() in data)
            outcome, reason = (("grant", "acknowledged"), ("refuse", "refused"), ("revoke", "revoked"))[n % 3]
            reason = "voted" if step == "voted" else reason
            log.decide(outcome, reason, request=asked, basis=basis, expires=n if n % 4 == 0 else None)
        elif step == "receive":
            said = {"time": log.clock, "request": asked, "statement": bytes(32)}
            received = Receipt(type=entries.RECEIPT, files=1, size=1, **said)  # type: ignore[arg-type]
            dropped = Dropped(type=entries.DROPPED, **said)  # type: ignore[arg-type]
            log.add(codec.encode(received if n % 2 else dropped))
        elif step == "redact":
            log.redact(asked, n)
        elif step == "stamp":
            bare = log.head()
            lines = [note.cosign(note.peek(bare), KEYS[i].name, SIGNERS[i], log.clock) for i in range(2)]
            log.add(codec.encode(Stamp(type=entries.STAMP, time=log.clock, head=note.add(bare, *lines))))
        elif step == "vote":
            log.vote((BOB, BOB, EVE, ALICE)[n % 4], proposal, ("yes", "yes", "no")[n % 5 % 3])
        elif step == "join":
            proof = proposals.take(log.commons, SIGNERS[0], who.identity.peer)
            said = Join(commons=log.commons, invitation=proposal, proof=proof, time=log.clock)
            log.add(envelope.sign(proposals.JOIN, said, who.identity))
        elif step == "hand over":
            log.hand_over(n % 2)
        elif step == "later":
            said = Proposal(commons=log.commons, action="amend-charter", time=log.clock, nonce=n.to_bytes(16, "big"),
                            charter=self.charter(n))  # fmt: skip
            log.add(envelope.sign(proposals.RULES, LaterRules(rules=2, proposal=said), ALICE.identity))
        else:
            log.add(b"\x81\xa4type\xa61/%04d" % n if n % 2 else b"nothing")

    def ask(self, who: Keys, dataset: str) -> None:
        self.log.ask(who, dataset)
        self.asked.append(self.log.last)
        self.of[self.log.last] = dataset

    def story(self, n: int) -> None:
        """Several entries that belong together."""
        if n % 3 == 0:
            self.ask(EVE, self.datasets[0])
            self.log.decide(basis=1)
            self.log.add(codec.encode(Receipt(type=entries.RECEIPT, time=self.log.clock, request=self.log.last, files=1,
                                              size=1, statement=bytes(32))))  # fmt: skip
            if n == 6:
                self.propose("withdraw", 0)
                self.log.vote(BOB, self.proposed[-1])
                self.add("stamp", n)
                self.log.add(codec.encode(Dropped(type=entries.DROPPED, time=self.log.clock, request=self.log.last,
                                                  statement=bytes(32))))  # fmt: skip
        elif n % 3 == 1:
            self.datasets.append(self.log.publish(Rule(kind="vote"), bytes([n, len(self.log.data)]) * 8))
            self.ask(EVE, self.datasets[-1])
            self.proposed.append(self.log.propose("grant", target=self.log.last))
            self.log.vote(BOB, self.proposed[-1])
            self.add("stamp", n)
            self.log.decide("grant", "voted", basis=self.log.last - 1)
        else:
            self.propose("invite", n)
            self.log.vote(BOB, self.proposed[-1])
            self.add("stamp", n)
            proof = proposals.take(self.log.commons, SIGNERS[0], EVE.identity.peer)
            said = Join(commons=self.log.commons, invitation=self.proposed[-1], proof=proof, time=self.log.clock)
            self.log.add(envelope.sign(proposals.JOIN, said, EVE.identity))

    def propose(self, step: str, n: int) -> None:
        dataset, asked = self.datasets[n % len(self.datasets)], self.asked[n % len(self.asked)]
        who, proposal = PEOPLE[n % 3].identity.peer, self.proposed[-1]
        wishes: dict[str, dict[str, Any]] = {
            "admit": {"college": "members", "peer": who},
            "invite": {"college": "members", "key": SIGNERS[0].public, "expires": self.log.clock + 9},
            "expel": {"college": "members", "peer": EVE.identity.peer},
            "set-rule": {"series": bytes([n]) * 16, "rule": Rule(kind="acknowledge")},
            "grant": {"target": asked}, "refuse": {"target": asked}, "revoke": {"target": asked},
            "open-identity": {"target": asked}, "close-invitation": {"target": proposal},
            "publish": {"dataset": dataset}, "withdraw": {"dataset": dataset},
            "change-custodians": {"custodians": str(custodians(2, n % 2 + 1))},
            "amend-charter": {"charter": self.charter(n)},
        }  # fmt: skip
        self.proposed.append(self.log.propose("admit" if step == "invite" else step, **wishes[step]))

    def charter(self, n: int) -> Any:
        charter = envelope.open(CHARTER, Charter, self.log.charter).value
        empty = tuple(replace(each, members=()) for each in charter.colleges)
        return replace(charter, name=f"Rivers {n}", colleges=empty)


OTHERS = ("publish", "ask", "ask", "decide", "decide", "voted", "receive", "redact", "stamp", "vote", "vote", "vote",
          "whole", "whole", "join", "hand over", "later", "unknown")  # fmt: skip
WISHES = ("admit", "invite", "expel", "set-rule", "grant", "refuse", "revoke", "open-identity", "close-invitation",
          "publish", "withdraw", "change-custodians", "amend-charter")  # fmt: skip
STEPS = st.lists(
    st.tuples(st.booleans(), st.sampled_from(OTHERS), st.sampled_from(WISHES), st.integers(0, 9)), max_size=40
)


def grown(steps: list[tuple[bool, str, str, int]], witnessed: bool) -> list[bytes]:
    made = Grown(witnessed)
    for wished, other, wish, n in steps:
        if wished:
            made.propose(wish, n)
        else:
            made.add(other, n)
    return made.log.data


def told(made: Verified) -> list[Any]:
    """All that can be asked of a fold."""
    community = made.state.founded
    tables = [made.state.datasets, made.state.series, made.state.epochs, made.state.accesses, made.state.tally,
              made.state.redacted, made.grounds, community.ballots, community.rules, community.withdrawn,
              community.verdicts, community.shown, community._numbers]  # fmt: skip
    names = [made.state.governed, community.approved]
    ordered = [list(made.state.datasets), list(made.state.accesses), list(community.ballots), list(community.withdrawn)]
    return [*map(dict, tables), *map(set, names), *map(len, (*tables, *names)), ordered, made.rest()]


@settings(max_examples=examples(40), deadline=None)
@given(steps=STEPS, witnessed=st.booleans(), cuts=st.lists(st.integers(0, 45), max_size=4))
def test_a_fold_that_is_stored_and_goes_on_is_the_fold_of_everything_at_once(
    steps: list[tuple[bool, str, str, int]], witnessed: bool, cuts: list[int]
) -> None:
    data = grown(steps, witnessed)
    whole = Verified()
    asyncio.run(whole.take(0, data))
    with tempfile.TemporaryDirectory() as folder:
        at = 0
        for cut in (*sorted(cuts), len(data)):
            with closing(History(Path(folder, "replica.db"))) as history:
                record = history.fold.load()
                made = Verified(history.fold) if record is None else Verified.restored(record.said, history.fold)
                with history.changing():
                    asyncio.run(made.take(at, data[at:cut]))
                    history.fold.flush()
                    history.fold.save(b"", made.rest())
                at = max(at, min(cut, len(data)))
        with closing(History(Path(folder, "replica.db"))) as history:
            record = history.fold.load()
            assert record is not None
            again = Verified.restored(record.said, history.fold)
            assert told(again) == told(whole)
            assert again.state == whole.state


# -- what is never trusted ---------------------------------------------------------------------------------------------


@pytest.fixture
def shelf(tmp_path: Path) -> Iterator[Shelf]:
    with closing(Shelf(tmp_path / "shelf.db")) as made:
        yield made


def many() -> Keeper:
    """Of every table some rows, and of some tables some pages."""
    made = Grown(witnessed=True)
    log = made.log
    for n in range(3):
        made.add("publish", 4 * n)
    for n in range(40):
        log.ask(EVE, made.datasets[n % 4])
        log.decide(basis=1 + n % 4)
        made.asked.append(log.last)
    for n in range(8):
        made.add("receive", 4 * n + 1)
        made.add("redact", 5 * n + 1)
    for wish in ("admit", "set-rule", "withdraw", "open-identity", "invite"):
        made.propose(wish, 2)
        log.vote(BOB, made.proposed[-1])
        made.add("stamp", 0)
    assert len(log.fold()[1]) < 9
    return log


async def stored(log: Keeper, path: Path, shelf: Shelf) -> list[Any]:
    """What its replica makes of a log, and stores."""
    with closing(History.open(path)) as kept:
        seen = Replica(log.commons, kept, Remembered(shelf))
        await seen.update(log.read)
        return told(seen.verified)


def foreign(path: Path, other: Path) -> None:
    """The fold that is stored for another log takes the place of the one that is."""
    with closing(sql.connect(path, "")) as db:
        db.execute("ATTACH ? AS other", (str(other),))
        for table in ("folds", "pages"):
            db.execute(f"DELETE FROM {table}")
            db.execute(f"INSERT INTO {table} SELECT * FROM other.{table}")


@pytest.mark.parametrize("what", ["another log", "fewer entries", "another format", "other rules", "no record", "rest"])
async def test_a_fold_of_something_else_is_made_again(
    what: str, shelf: Shelf, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    log, path, other = many(), tmp_path / "replica.db", tmp_path / "other.db"
    true = await stored(log, path, shelf)
    if what == "another log":
        await stored(Keeper(), other, shelf)
        foreign(path, other)
    elif what == "fewer entries":
        fewer = Grown(witnessed=True).log
        fewer.data = log.data[:-1]
        with closing(Shelf(tmp_path / "other.shelf.db")) as others:
            await stored(fewer, other, others)
        foreign(path, other)
    elif what == "another format":
        monkeypatch.setattr(verified, "FORMAT", verified.FORMAT + 1)
    elif what == "other rules":
        monkeypatch.setattr(rules, "KNOWN", frozenset({1, 2}))
    else:
        with closing(sql.connect(path, "")) as db:
            db.execute("DELETE FROM folds" if what == "no record" else "UPDATE folds SET data = substr(data, 1, 40)")
    with closing(History.open(path)) as kept:
        seen = Replica(log.commons, kept, Remembered(shelf))
        await seen.open()
        found = told(seen.verified)
        assert (found, seen.size) == (true, len(log.data)) if what != "other rules" else found[-2:-1] == true[-2:-1]
    with closing(History.open(path)) as kept:  # and is there from then on
        record = kept.fold.load()
        assert record is not None
        assert record.of == bound(kept)


async def test_opening_reads_no_entry_and_folds_none(shelf: Shelf, tmp_path: Path) -> None:
    """What is stored is enough, until an entry is asked for."""
    log, path = many(), tmp_path / "replica.db"
    true = await stored(log, path, shelf)
    with closing(sql.connect(path, "")) as db:
        db.execute("DELETE FROM entries")
    with closing(History.open(path)) as kept:
        seen = Replica(log.commons, kept, Remembered(shelf))
        await seen.open()
        assert (seen.head.note, told(seen.verified)) == (log.head(), true)
        log.ask(EVE, next(iter(seen.state.datasets)))
        await seen.update(log.read)
        assert log.last in seen.state.accesses
        with pytest.raises(Damaged):
            await seen.replay(Verified())
        await seen.update(log.read)
        assert [*kept.entries(0, seen.size)] == log.data


def flipped(data: bytes, bit: int) -> bytes:
    return data[: bit // 8] + bytes([data[bit // 8] ^ 1 << bit % 8]) + data[bit // 8 + 1 :]


@pytest.mark.parametrize(
    ("seed", "flips"), [(0, 25), *(pytest.param(seed, 100, marks=pytest.mark.long) for seed in (1, 2, 3))]
)
async def test_a_bit_that_flips_in_what_was_folded_is_found_or_it_is_made_again(
    seed: int, flips: int, shelf: Shelf, tmp_path: Path
) -> None:
    """So many places: in a page or the record, in what names a page, and pages that are gone. Nobody is accused, and no
    entry is read again from where the log is kept."""
    log, path, chance = many(), tmp_path / "replica.db", random.Random(seed)
    true = await stored(log, path, shelf)
    whole = path.read_bytes()

    async def read(asked: str) -> bytes:
        assert asked == "checkpoint"
        return await log.read(asked)

    for _ in range(flips):
        for each in tmp_path.glob("replica.db*"):
            each.unlink()
        path.write_bytes(whole)
        with closing(sql.connect(path, "")) as db:
            rows = db.execute("SELECT rowid, number, data FROM pages UNION SELECT 0, 0, data FROM folds")
            row, number, data = chance.choice(rows.fetchall())
            how = chance.randrange(8)
            if how == 0 and row:
                db.execute("DELETE FROM pages WHERE rowid = ?", (row,))
            elif how == 1 and row:
                db.execute("UPDATE pages SET number = ? WHERE rowid = ?", (number ^ 1 << 40, row))
            else:
                spoilt = flipped(data, chance.randrange(len(data) * 8))
                said = "UPDATE pages SET data = ? WHERE rowid = ?" if row else "UPDATE folds SET data = ? WHERE ? = 0"
                db.execute(said, (spoilt, row))
        with closing(History.open(path)) as kept:
            seen = Replica(log.commons, kept, Remembered(shelf))
            assert (await seen.update(read)).note == log.head()
            with suppress(Misfolded):
                assert told(seen.verified) == true
            await seen.update(read)
            assert told(seen.verified) == true
        assert shelf.forks() == {}


async def test_what_goes_on_from_a_damaged_fold_is_made_again_and_is_no_fault_of_an_entry(
    shelf: Shelf, tmp_path: Path
) -> None:
    log, path = many(), tmp_path / "replica.db"
    await stored(log, path, shelf)
    with closing(sql.connect(path, "")) as db:
        db.execute("UPDATE pages SET data = x'00' WHERE name = 'accesses'")
    log.revoke(log.last)
    found = await stored(log, path, shelf)
    whole = Verified()
    await whole.take(0, log.data)
    assert found == told(whole)


async def test_a_fold_goes_back_with_what_could_not_be_taken(shelf: Shelf, tmp_path: Path) -> None:
    """The head is not by the rules: nothing of it stays, in memory or stored."""
    log, path = many(), tmp_path / "replica.db"
    true = await stored(log, path, shelf)
    with closing(History.open(path)) as kept:
        seen = Replica(log.commons, kept, Remembered(shelf))
        await seen.update(log.read)
        before = seen.state
        log.ask(EVE, next(iter(before.datasets)))

        def fails(*_: Any) -> None:
            raise KeyboardInterrupt

        sign, kept.sign = kept.sign, fails  # type: ignore[method-assign]
        with pytest.raises(KeyboardInterrupt):
            await seen.update(log.read)
        assert told(seen.verified) == true
        kept.sign = sign  # type: ignore[method-assign]
        await seen.update(log.read)
        assert log.last in seen.state.accesses


@pytest.mark.rest
def test_a_kill_while_it_is_made_again_leaves_none_of_it_or_all(tmp_path: Path) -> None:
    log, path, kept_aside, found = Keeper(), tmp_path / "replica.db", tmp_path / "kept", set[bool]()
    log.ask(EVE, log.publish())
    log.decide()

    async def opened(source: bool = False) -> list[Any]:
        with closing(Shelf(tmp_path / "shelf.db")) as shelf, closing(History.open(path)) as kept:
            seen = Replica(log.commons, kept, Remembered(shelf))
            await (seen.update(log.read) if source else seen.open())
            return told(seen.verified)

    true = asyncio.run(opened(source=True))
    with closing(sql.connect(path, "")) as db:
        db.execute("UPDATE folds SET data = x'00'")
    path.rename(kept_aside)
    for step in itertools.count(1):
        for each in tmp_path.glob("replica.db*"):
            each.unlink()
        path.write_bytes(kept_aside.read_bytes())

        def work(step: int = step) -> None:
            die_at(step)
            asyncio.run(opened())

        code = in_child(work)
        with closing(History.open(path)) as kept:
            record = kept.fold.load()
            assert record is None or record.of == bound(kept)
            found.add(record is None)
        assert asyncio.run(opened()) == true
        if code == 0:
            break
    assert found == {True, False}
