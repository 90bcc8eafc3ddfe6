"""The one window through which verbs see the network, and the trying of one source after another.

A source is a peer's multiaddr (it ends in /p2p/PEER) or the http(s) URL of a plain door. Whatever comes through it is
unverified: who asks, checks.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Sequence
from typing import Protocol, TypeVar

from commons.core.dataset.address import is_peer, peer_of
from commons.errors import KINDS, CommonsError, NotFound, SplitView, StorageFailed, TimedOut, Unreachable, Untrue

T = TypeVar("T")

HERE = "here"  # the address of this node's own custodian and registrar: see `keeping.Near`


class Network(Protocol):
    """How verbs see the network. Each method raises what the other side told, or Unreachable, TimedOut, TooLarge (over
    `limit` bytes)."""

    async def get(self, source: str, path: str, *, limit: int, span: tuple[int, int] | None = None) -> bytes:
        """The resource, or its bytes from span[0] up to span[1], exactly that many."""

    async def post(self, source: str, path: str, body: bytes, *, limit: int) -> bytes:
        """What the source answers to `body` at that path."""


async def first(sources: Sequence[str], what: str, ask: Callable[[str], Awaitable[T]]) -> T:
    """The first source's answer that `ask` accepts; else one error that names all of them, see `sum_up`. What no other
    source could mend is raised at once: two histories of a log, proven here, and a disk of ours that refuses."""
    failed: list[tuple[str, CommonsError]] = []
    for source in sources:
        try:
            return await ask(source)
        except (SplitView, StorageFailed):
            raise
        except CommonsError as error:
            failed.append((source, error))
    raise sum_up(what, failed)


def sum_up(what: str, failed: Sequence[tuple[str, CommonsError]]) -> CommonsError:
    """One error for what several sources said: it names each and what it did, and carries the evidence that one of them
    brought.

    Its kind: SplitView where one is, Untrue where one lied; then what those who answered say, where they agree. That
    somebody does not have it counts for less than that another could not be asked: then it is Unreachable. One and the
    same peer at several addresses was asked if it answered at one of them.
    """
    if not failed:
        return Unreachable(
            f"no source is known for {what}", hint="name a peer with --from ADDRESS, or `commons peer add`"
        )
    if len(failed) == 1:
        return failed[0][1]
    said = "; ".join(f"{source}: {error.message.removeprefix(f'{source}: ')}" for source, error in failed)
    kind = _kind(failed)
    hint = next((e.hint for _, e in failed if isinstance(e, kind) and e.hint), next((e.hint for _, e in failed), ""))
    return kind(f"no source gave {what}: {said}", hint=hint, evidence=evidence_in(error for _, error in failed))


def evidence_in(errors: Iterable[CommonsError]) -> tuple[str, ...]:
    """The two heads, and what comes with them, that one of these errors carries: of a proven fork rather than of what
    only looks like one."""
    carried = sorted((e for e in errors if len(e.evidence) >= 2), key=lambda e: not isinstance(e, SplitView))
    return carried[0].evidence if carried else ()


def _kind(failed: Sequence[tuple[str, CommonsError]]) -> type[CommonsError]:
    answered = {_who(source) for source, error in failed if not isinstance(error, (Unreachable, TimedOut))}
    away = [error for source, error in failed if _who(source) not in answered]
    told = [error for _, error in failed if not isinstance(error, (Unreachable, TimedOut, NotFound))]
    for kind in (SplitView, Untrue):
        if any(isinstance(error, kind) for error in told):
            return kind
    kinds = {KINDS[error.number] for error in told}
    if kinds:
        return kinds.pop() if len(kinds) == 1 else Unreachable
    if away:
        return TimedOut if not answered and all(isinstance(error, TimedOut) for error in away) else Unreachable
    return NotFound


def _who(source: str) -> str:
    return peer_of(source) if is_peer(source) else source
