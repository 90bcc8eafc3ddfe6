"""What a custodian keeps: durable before it is spoken of, the same again for the same, and forgotten when it is."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from commons.disk.deposits import MOST, Deposits, Gave, KeptShare
from commons.errors import Conflict, StorageFailed
from tests.crash_driver import die_at, in_child

KEPT = KeptShare(
    sharing=b"0" * 32, root=b"0" * 32, commons="c", series=b"s" * 16, epoch=0, signer="alice", data=b"a sealed share"
)  # fmt: skip
GAVE = Gave(
    statement=b"q" * 32, decision=3, sharing=b"0" * 32, commons="c", dataset="d", requester="bob", request=2, time=9,
    data=b"signed",
)  # fmt: skip


@pytest.fixture
def deposits(tmp_path: Path) -> Iterator[Deposits]:
    with closing(Deposits(tmp_path / "deposits.db")) as opened:
        yield opened


def test_a_deposit_survives_and_is_found_by_its_sharing(deposits: Deposits, tmp_path: Path) -> None:
    deposits.put(KEPT)
    deposits.put(KEPT)
    deposits.close()
    with closing(Deposits(tmp_path / "deposits.db")) as opened:
        assert opened.kept(KEPT.sharing) == KEPT
        assert opened.kept(b"1" * 32) is None
        assert opened.of("c") == [KEPT]
    assert (tmp_path / "deposits.db").stat().st_mode & 0o077 == 0


def test_shares_are_found_by_the_secret_they_are_of(deposits: Deposits) -> None:
    part = replace(KEPT, sharing=b"1" * 32, signer="c0")
    others = [replace(KEPT, sharing=b"2" * 32, root=b"2" * 32), replace(KEPT, sharing=b"3" * 32, commons="e")]
    for kept in (KEPT, part, *others):
        deposits.put(kept)
    assert deposits.under(b"2" * 32) == others[:1]
    assert deposits.of("e") == others[1:]
    assert deposits.under(b"0" * 32) == [KEPT, part, others[1]]
    assert deposits.under(b"9" * 32) == []


def test_one_peer_cannot_fill_the_disk_with_shares_of_one_key(deposits: Deposits) -> None:
    many = [replace(KEPT, sharing=n.to_bytes(32, "big")) for n in range(MOST + 1)]
    for kept in many[:MOST]:
        deposits.put(kept)
    with pytest.raises(Conflict, match="kept here already"):
        deposits.put(many[MOST])
    deposits.put(many[0])
    deposits.put(replace(many[MOST], epoch=1))
    assert deposits.drop(many[0].sharing)
    deposits.put(replace(many[MOST], sharing=b"9" * 32))


def test_what_was_passed_on_is_forgotten_on_the_disk_too(deposits: Deposits, tmp_path: Path) -> None:
    deposits.put(KEPT)
    deposits.put(replace(KEPT, sharing=b"1" * 32, data=b"another share"))
    assert deposits.drop(KEPT.sharing)
    assert not deposits.drop(KEPT.sharing)
    assert deposits.kept(KEPT.sharing) is None
    on_disk = b"".join(path.read_bytes() for path in tmp_path.iterdir())
    assert KEPT.data not in on_disk
    assert b"another share" in on_disk


def test_a_release_is_recorded_once_and_the_first_bytes_stay(deposits: Deposits) -> None:
    assert deposits.gave(GAVE.statement, 3, GAVE.sharing) is None
    assert deposits.record(GAVE) == b"signed"
    assert deposits.record(replace(GAVE, data=b"signed again", time=10)) == b"signed"
    assert deposits.record(replace(GAVE, decision=7, time=4, data=b"later")) == b"later"
    assert deposits.gave(GAVE.statement, 3, GAVE.sharing) == GAVE
    assert [gave.decision for gave in deposits.releases()] == [7, 3]


def test_the_disks_refusals_are_ours(tmp_path: Path) -> None:
    (tmp_path / "deposits.db").mkdir()
    with pytest.raises(StorageFailed):
        Deposits(tmp_path / "deposits.db")


@pytest.mark.parametrize("step", range(1, 6))
def test_a_kill_at_any_step_leaves_a_whole_record_or_none_and_never_one_unsaid(tmp_path: Path, step: int) -> None:
    path, told = tmp_path / "deposits.db", tmp_path / "told"
    Deposits(path).close()

    def work() -> None:
        die_at(step)
        opened = Deposits(path)
        opened.put(KEPT)
        told.write_bytes(told.read_bytes() + b"kept " if told.exists() else b"kept ")
        told.write_bytes(told.read_bytes() + opened.record(GAVE))

    assert in_child(work) == (-9 if step < 4 else 0)
    said = told.read_bytes() if told.exists() else b""
    with closing(Deposits(path)) as opened:
        assert opened.of("c") in ([], [KEPT])
        assert opened.releases() in ([], [GAVE])
        if b"kept" in said:
            assert opened.kept(KEPT.sharing) == KEPT
        if b"signed" in said:
            assert opened.releases() == [GAVE]
        opened.put(KEPT)
        assert opened.record(GAVE) == b"signed"
