"""The one window through which verbs see the network, and the trying of one source after another.

A source is a peer's multiaddr (it ends in /p2p/PEER) or the http(s) URL of a plain door. Whatever comes through it is
unverified: who asks, checks.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import Protocol, TypeVar

from commons.errors import CommonsError, TimedOut, Unreachable, Untrue

T = TypeVar("T")

HERE = "here"  # the address of this node's own custodian and registrar: see `keeping.Near`


class Network(Protocol):
    """Raises what the other side told, or Unreachable, TimedOut, TooLarge (over `limit` bytes)."""

    async def get(self, source: str, path: str, *, limit: int, span: tuple[int, int] | None = None) -> bytes:
        """The resource, or its bytes from span[0] up to span[1], exactly that many."""

    async def post(self, source: str, path: str, body: bytes, *, limit: int) -> bytes: ...


def is_peer(source: str) -> bool:
    return source.startswith("/")


async def first(sources: Sequence[str], what: str, ask: Callable[[str], Awaitable[T]]) -> T:
    """The first source's answer that `ask` accepts. Untrue if one lied and none answered; else the last one's refusal,
    or Unreachable with everybody's reason."""
    failed: list[tuple[str, CommonsError]] = []
    for source in sources:
        try:
            return await ask(source)
        except CommonsError as error:
            failed.append((source, error))
    raise sum_up(what, failed)


def sum_up(what: str, failed: Sequence[tuple[str, CommonsError]]) -> CommonsError:
    """One error for what several sources said."""
    if not failed:
        return Unreachable(
            f"no source is known for {what}", hint="name a peer with --from ADDRESS, or `commons peer add`"
        )
    answered = [one for one in failed if not isinstance(one[1], (Unreachable, TimedOut))]
    failed = answered or failed  # what somebody said counts for more than that others were away
    if len(failed) == 1:
        return failed[0][1]
    said = "; ".join(f"{source}: {error.message.removeprefix(f'{source}: ')}" for source, error in failed)
    kinds = {type(error) for _, error in failed}
    kind = next(iter(kinds)) if len(kinds) == 1 else Untrue if Untrue in kinds else Unreachable
    return kind(f"no source gave {what}: {said}", hint=failed[-1][1].hint)
