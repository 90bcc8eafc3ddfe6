"""A registrar that signs two histories: proven by both heads, kept, shown, and trusted no more until explained."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from commons.core.crypto.keys import Signer
from commons.core.tlog import checkpoint
from commons.core.tlog.checkpoint import Checkpoint
from commons.errors import NotFound, SplitView, Unreachable
from tests.conftest import Party, Start
from tests.dishonest import Liar


def other_history(alice: Party) -> bytes:
    """A head of alice's log, of its size, over other entries: what a second audience was shown."""
    head = alice.home.log.head.checkpoint
    lie = Checkpoint(origin=head.origin, size=head.size, root=bytes(32))
    return checkpoint.sign(lie, alice.home.keys.log(0))


async def test_a_fork_is_kept_shown_and_stops_everything_until_it_is_explained(
    start: Start, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    alice, bob = await start("alice"), await start("bob")
    log = alice.home.log

    def unmoved(head: bytes, *_: object) -> int:  # she shuts nothing when she is shown what she did
        return checkpoint.open(head, log.key).checkpoint.size

    monkeypatch.setattr(log, "compare", unmoved)
    first, second = await alice.publish(folder, title="One"), await alice.publish(folder, title="Two")
    vkey = alice.home.log.key.vkey
    assert bob.home.shelf.advance(vkey, None, other_history(alice))
    with pytest.raises(SplitView) as caught:
        await bob.desk.audit(source=alice.address)
    assert len(caught.value.evidence) == 2
    assert bob.home.shelf.forks() == {vkey: caught.value.evidence}
    assert (await bob.desk.status())["forks"] == {vkey: caught.value.evidence}
    for reference in (first, second):
        with pytest.raises(SplitView, match="known to have signed two") as again:
            await bob.fetch(reference, tmp_path / "copy", alice.address)
        assert again.value.evidence == caught.value.evidence
    assert alice.home.log.size == 3  # nothing was asked for
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
    head = alice.home.log.head.checkpoint
    lie = Checkpoint(origin=head.origin, size=head.size, root=bytes(32))
    signer = Signer(os.urandom(32)) if not signed else alice.home.keys.log(0)
    alice.node.site.other = lambda: checkpoint.sign(lie, signer)
    with pytest.raises(SplitView if signed else Unreachable) as caught:
        await bob.fetch(reference, tmp_path / "copy", f"/ip4/127.0.0.1/tcp/9/p2p/{alice.peer}", alice.address)
    assert len(caught.value.evidence) == 2
    assert list(bob.home.shelf.forks()) == [alice.home.log.key.vkey] * signed
    assert list((await bob.desk.status())["forks"]) == [alice.home.log.key.vkey] * signed
