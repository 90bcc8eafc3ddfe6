"""Peers that lie, each named by its lie. They sit behind a real node's real doors: only what they show is false.

node.site = FlipsABit(node.site)      before anybody asks
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from commons.core import checkpoint, codec, entries, merkle, release
from commons.core.answer import Answer, Shown
from commons.core.keys import Signer
from commons.core.opening import decode as opening_of
from commons.site import Shown as Honest


class Liar:
    """Honest in everything it does not lie about."""

    def __init__(self, honest: Honest) -> None:
        self.honest = honest

    def __getattr__(self, name: str) -> Any:
        return getattr(self.honest, name)


class ShowsAnotherManifest(Liar):
    def manifest(self, cid: str) -> bytes:
        return next(data for other, data, _, _ in self.honest.home.shelf.manifests() if other != cid)


class FlipsABitOfTheManifest(Liar):
    def manifest(self, cid: str) -> bytes:
        data = bytearray(self.honest.manifest(cid))
        data[len(data) // 2] ^= 1
        return bytes(data)


class FlipsABitOfEveryPiece(Liar):
    asked = 0

    def pack(self, root: bytes) -> Path:
        type(self).asked += 1
        path = self.honest.pack(root)
        lie = path.with_suffix(".lie")
        data = bytearray(path.read_bytes())
        for n in range(0, len(data), 1 << 19):
            data[n] ^= 1
        lie.write_bytes(data)
        return lie


class CutsThePackShort(Liar):
    def pack(self, root: bytes) -> Path:
        path = self.honest.pack(root)
        lie = path.with_suffix(".short")
        lie.write_bytes(path.read_bytes()[:-10])
        return lie


class InventsThePieces(Liar):
    def pieces(self, root: bytes) -> bytes:
        return os.urandom(len(self.honest.pieces(root)))


class SwapsPacks(Liar):
    """Gives one pack of a dataset for another."""

    def pack(self, root: bytes) -> Path:
        others = [
            p
            for p in self.honest.home.packs.path(root).parent.iterdir()
            if p.name not in (root.hex(),) and not p.suffix
        ]
        return others[0]


class Registrar(Liar):
    """Lies about the log: `twist` changes the honest answer."""

    def twist(self, answer: Answer) -> Answer:
        raise NotImplementedError

    async def submit(self, commons: str, body: bytes) -> bytes:
        answer = codec.decode(Answer, await self.honest.submit(commons, body))
        return codec.encode(self.twist(answer))

    def sign(self, shown: list[tuple[bytes, bytes | None]], before: int = 2) -> Answer:
        """A log of this registrar's own making: its first entries, then what it shows, under its true key."""
        log = self.honest.log
        data = [*log.entries(0, before), *(entry for entry, _ in shown)]
        tree: dict[tuple[int, int], bytes] = {}
        nodes, edge = merkle.grow(0, (), [merkle.leaf(entry) for entry in data])
        tree.update({(level, pos): value for level, pos, value in nodes})
        head = checkpoint.Checkpoint(origin=log.origin, size=len(data), root=merkle.edge_root(edge))

        def read(level: int, pos: int) -> bytes:
            return tree[level, pos]

        return Answer(
            shown=tuple(
                Shown(index=n, entry=entry, opening=opened, proof=merkle.prove_inclusion(n, len(data), read))
                for n, (entry, opened) in enumerate(shown, before)
            ),
            head=checkpoint.sign(head, log._signer),
            consistency=(),
        )


class SignsWithAnotherKey(Registrar):
    def twist(self, answer: Answer) -> Answer:
        head = checkpoint.open(answer.head, self.honest.log.key).checkpoint
        return replace(answer, head=checkpoint.sign(head, Signer(bytes(32))))


class ShowsNoDecision(Registrar):
    """A key would be given although the log says nothing."""

    def twist(self, answer: Answer) -> Answer:
        return replace(answer, shown=answer.shown[:1])

    def release(self, commons: str, body: bytes) -> bytes:
        raise AssertionError("the key was asked for without a decision")


class ForgesTheProof(Registrar):
    def twist(self, answer: Answer) -> Answer:
        last = answer.shown[-1]
        return replace(
            answer, shown=(*answer.shown[:-1], replace(last, proof=tuple(os.urandom(32) for _ in last.proof)))
        )


class LogsAnotherPurpose(Registrar):
    def twist(self, answer: Answer) -> Answer:
        request = entries.decode(answer.shown[0].entry)
        assert isinstance(request, entries.Request)
        lie = codec.encode(replace(request, purpose="product"))
        return self.sign([(lie, answer.shown[0].opening), *((s.entry, s.opening) for s in answer.shown[1:])])


class LogsSomebodyElse(Registrar):
    def twist(self, answer: Answer) -> Answer:
        request, opened = entries.decode(answer.shown[0].entry), opening_of(answer.shown[0].opening or b"")
        assert isinstance(request, entries.Request)
        hidden, opening = entries.hide(
            lambda: bytes(32), requester=self.honest.home.keys.identity.peer.encode(),
            statement=opened.get("statement") or b"",
        )  # fmt: skip
        lie = codec.encode(replace(request, **hidden))
        return self.sign([(lie, codec.encode(opening)), *((s.entry, s.opening) for s in answer.shown[1:])])


class DecidesAnotherRequest(Registrar):
    def twist(self, answer: Answer) -> Answer:
        decision = entries.decode(answer.shown[1].entry)
        assert isinstance(decision, entries.Decision)
        lie = codec.encode(replace(decision, request=0))
        return self.sign([(answer.shown[0].entry, answer.shown[0].opening), (lie, None)])


class ForgetsWhatItSigned(Registrar):
    """From the second answer on it shows a shorter, other history."""

    answers = 0

    def twist(self, answer: Answer) -> Answer:
        self.answers += 1
        return answer if self.answers == 1 else self.sign([(s.entry, s.opening) for s in answer.shown], before=1)


class SealsTheKeyToItself(Liar):
    def release(self, commons: str, body: bytes) -> bytes:
        return release.seal(
            bytes(32), release.public_of(bytes(31) + b"\1"),
            release.Bound(commons=commons, dataset="", epoch=0, requester="", request=0, decision=0),
        )  # fmt: skip


class GivesAnotherKey(Liar):
    """Sealed as it should be, but not the key of the dataset: the pack's key commitment finds it."""

    def release(self, commons: str, body: bytes) -> bytes:
        registrar = self.honest.registrar
        true = registrar.home.keys.epoch
        registrar.home.keys.epoch = lambda series, epoch: b"\7" * 32  # type: ignore[method-assign]
        try:
            return self.honest.release(commons, body)
        finally:
            registrar.home.keys.epoch = true  # type: ignore[method-assign]


Lie = Callable[[Honest], Liar]
