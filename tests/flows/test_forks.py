"""A registrar that signs two histories: proven by both heads, kept, shown, and trusted no more until explained."""

from __future__ import annotations

from pathlib import Path

import pytest

from commons.core import checkpoint
from commons.core.checkpoint import Checkpoint
from commons.errors import NotFound, SplitView
from tests.conftest import Party, Start


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

    def unmoved(head: bytes) -> int:  # she shuts nothing when she is shown what she did
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
