"""Who keeps a key by now, where those that its sharing names have been replaced: the requester reads it from the log.

Nobody is believed: all entries are read and folded under the head that was checked, and what the new custodians give
has to lead to the publisher's own sharing.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from commons.core.dataset.manifest import Manifest
from commons.core.tlog.checkpoint import Signed
from commons.custody import followed
from commons.errors import CommonsError, Pending, SplitView
from commons.log.replica import Replica
from commons.net.network import Network, evidence_in, first
from commons.witness import quorum


async def addresses(
    kept: Replica, net: Network, registrars: Sequence[str], known: Sequence[str], value: Manifest, head: Signed,
    before: str, me: str,
) -> dict[str, list[str]]:  # fmt: skip
    """The custodians that the members have chosen since, by peer id, to those of the `known` addresses that are theirs;
    nobody where the policy of the sharing, the text `before`, is still in force or none is. Untrue, Unreachable."""

    async def read(source: str) -> dict[str, list[str]]:
        policy = (await quorum.in_force(kept, net, source, value, head)).custodian_policy
        return {} if policy is None or str(policy) == before else followed.addresses(policy, known, me)

    return await first(registrars, "who keeps this key by now", read)


@contextmanager
def after(before: CommonsError) -> Iterator[None]:
    """A context in which an error says, too, what the custodians before said (`before`): the new ones do not suffice
    either."""
    try:
        yield
    except (Pending, SplitView):
        raise
    except CommonsError as error:
        raise type(before)(
            f"{before.message}; other custodians were chosen since: {error.message}",
            hint="those before them pass on what they keep: `commons custody pass-on`"
            + (f". Else {error.hint}" if error.hint else ""),
            evidence=evidence_in((before, error)),
        ) from error
