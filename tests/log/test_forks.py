"""A registrar that signs two histories: proven by both heads, kept, shown, and trusted no more until explained."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from commons.core.crypto.keys import Signer
from commons.core.tlog import checkpoint, merkle, note
from commons.core.tlog.checkpoint import Checkpoint
from commons.disk.home import Home
from commons.errors import CommonsError, Malformed, NotFound, SplitView, StorageFailed, Unreachable, Untrue
from commons.log import evidence
from tests.conftest import MakeHome, Party, Start
from tests.dishonest import Liar
from tests.keeper import BOB, Keeper


def other_history(alice: Party) -> bytes:
    """A head of alice's log, of its size, over other entries: what a second audience was shown."""
    head = alice.home.first.log.head.checkpoint
    lie = Checkpoint(origin=head.origin, size=head.size, root=bytes(32))
    return checkpoint.sign(lie, alice.home.keys.log(0))


async def test_a_fork_is_kept_shown_and_stops_everything_until_it_is_explained(
    start: Start, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    alice, bob = await start("alice"), await start("bob")
    log = alice.home.first.log

    def unmoved(head: bytes, *_: object) -> int:  # she shuts nothing when she is shown what she did
        return checkpoint.open(head, log.key).checkpoint.size

    monkeypatch.setattr(log, "compare", unmoved)
    first, second = await alice.publish(folder, title="One"), await alice.publish(folder, title="Two")
    vkey = alice.home.first.log.key.vkey
    assert bob.home.shelf.advance(vkey, None, other_history(alice))
    with pytest.raises(SplitView) as caught:
        await bob.desk.audit(source=alice.address)
    assert len(caught.value.evidence) == 2
    assert bob.home.shelf.forks() == {vkey: caught.value.evidence}
    assert (await bob.desk.status())["forks"] == {vkey: [*caught.value.evidence]}
    for reference in (first, second):
        with pytest.raises(SplitView, match="known to have signed two") as again:
            await bob.fetch(reference, tmp_path / "copy", alice.address)
        assert again.value.evidence == caught.value.evidence
    assert alice.home.first.log.size == 3  # nothing was asked for
    with pytest.raises(NotFound):
        await bob.desk.forget_fork(log="another")
    await bob.desk.forget_fork(log=vkey)
    assert bob.home.shelf.forks() == {}
    assert (await bob.desk.audit(source=alice.address))["faults"] == []
    await bob.fetch(first, tmp_path / "copy", alice.address)


class ShowsTwoHeads(Liar):
    """A registrar that takes no request, and shows two heads instead: `other` makes the second of them."""

    other: Callable[[], bytes]

    async def submit(self, commons: str, body: bytes) -> bytes:
        heads = (self.checkpoint(commons).decode(), self.other().decode())
        raise SplitView("look what was signed", evidence=heads)


@pytest.mark.parametrize("signed", [True, False])
async def test_what_others_show_in_an_error_is_verified_and_kept_whatever_became_of_the_rest(
    start: Start, folder: Path, tmp_path: Path, signed: bool
) -> None:
    alice, bob = await start("alice", lie=ShowsTwoHeads), await start("bob")
    reference = await alice.publish(folder)
    head = alice.home.first.log.head.checkpoint
    lie = Checkpoint(origin=head.origin, size=head.size, root=bytes(32))
    signer = Signer(os.urandom(32)) if not signed else alice.home.keys.log(0)
    alice.node.site.other = lambda: checkpoint.sign(lie, signer)
    with pytest.raises(SplitView if signed else Unreachable) as caught:
        await bob.fetch(reference, tmp_path / "copy", f"/ip4/127.0.0.1/tcp/9/p2p/{alice.peer}", alice.address)
    assert len(caught.value.evidence) == 2
    assert list(bob.home.shelf.forks()) == [alice.home.first.log.key.vkey] * signed
    assert list((await bob.desk.status())["forks"]) == [alice.home.first.log.key.vkey] * signed


# -- what proves a fork, without sockets -------------------------------------------------------------------------------


class Forked:
    """A log that signed a second history: `old` is a head of it that `new` does not continue, as `lead` shows."""

    def __init__(self) -> None:
        self.log = Keeper()
        for n in range(6):
            self.log.publish(series=bytes([n]) * 16)
        size = len(self.log.data)
        lie = Checkpoint(origin=self.log.log.name, size=3, root=bytes(32))
        self.old, self.new = checkpoint.sign(lie, self.log.signer).decode(), self.log.head().decode()
        (self.lead,) = evidence.shown(merkle.prove_consistency(3, size, self.log.reader(size)))
        self.vkey = self.log.log.vkey


@pytest.fixture
def dora(make_home: MakeHome) -> Iterator[Home]:
    with Home(make_home("dora")) as home:
        yield home


def test_two_heads_and_what_leads_from_one_to_the_other_prove_a_fork_and_nothing_less_does(dora: Home) -> None:
    case, shelf = Forked(), dora.shelf
    true = case.log.head(3).decode()
    for shown in (
        [], [case.old], [case.old, case.new], [case.old, case.new, ""], [case.old, case.new, "x"], [true, case.new],
        [case.old, case.new, case.lead[:40]], [true, case.new, case.lead], [case.new, case.new], ["", ""],
        [case.old, case.new.replace("Q", "q"), case.lead],
    ):  # fmt: skip
        assert not evidence.keep(shelf, case.log.log, shown)
        assert shelf.forks() == {}
    evidence.check_whole(shelf, case.vkey)
    for shown in ([case.old, case.new, case.lead], [case.new, case.old, case.lead, "and more"]):
        assert evidence.keep(shelf, case.log.log, shown)
        with pytest.raises(SplitView, match=r"two histories$") as told:
            evidence.check_whole(shelf, case.vkey)
        assert told.value.evidence == (case.old, case.new, case.lead)
        evidence.forget(dora, case.vkey)
    same = checkpoint.sign(Checkpoint(origin=case.log.log.name, size=len(case.log.data), root=bytes(32)),
                           case.log.signer).decode()  # fmt: skip
    assert evidence.keep(shelf, case.log.log, [case.new, same])
    with pytest.raises(SplitView) as told:
        evidence.check_whole(shelf, case.vkey)
    assert told.value.evidence == (case.new, same)
    for wrong in ([], [case.old], [case.old, "x"], [case.old, Keeper(members=(BOB.identity.peer,)).head().decode()]):
        assert evidence.proves(case.log.log, [*wrong, case.lead]) is None


@pytest.mark.parametrize("count", [0, 1, 2, 3])
@pytest.mark.parametrize("kind", [SplitView, Untrue, StorageFailed])
def test_what_an_error_proves_is_durable_before_it_is_told(dora: Home, kind: type[CommonsError], count: int) -> None:
    """As a fork, whatever else went wrong, but where it shut this home's own log."""
    case = Forked()
    shown = (case.old, case.new, case.lead)[:count]
    with pytest.raises(CommonsError) as told, evidence.recording(dora, case.vkey):
        raise kind("no", evidence=shown)
    proven = count >= (2 if kind is SplitView else 3)  # who found it out here has seen it proven
    assert dora.shelf.forks() == ({case.vkey: shown[:2]} if proven else {})
    assert type(told.value) is (SplitView if proven and kind is Untrue else kind)
    assert told.value.message == ("this log is known to have signed two histories: no" if proven and kind is Untrue
                                  else "no")  # fmt: skip
    if proven:
        with pytest.raises(SplitView, match=r"two histories$"), evidence.watching(dora, case.vkey):
            pytest.fail("it was trusted")


def test_what_is_no_row_of_hashes_is_not_kept_as_what_leads_from_one_head_to_the_other(dora: Home) -> None:
    case = Forked()
    for wrong in (note.encode64(bytes(31)), "x", f"{case.lead}\n{note.encode64(bytes(33))}"):
        with pytest.raises(Malformed), evidence.recording(dora, case.vkey):
            raise SplitView("no", evidence=(case.old, case.new, wrong))
        assert dora.shelf.forks() == {}
