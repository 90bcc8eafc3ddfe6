"""Saying something to a log: it goes with the head that this home trusts, and what comes back has to continue that."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from commons.core.crypto import codec
from commons.core.state import rules
from commons.core.tlog import checkpoint, note
from commons.core.tlog.checkpoint import Signed
from commons.core.tlog.note import Verifier
from commons.disk.home import Home
from commons.errors import Conflict
from commons.log import evidence
from commons.log.answer import Answer
from commons.net.network import Network, first

ANSWER_LIMIT = 256 << 10  # bytes


async def exchange(
    home: Home,
    net: Network,
    log: Verifier,
    sources: Sequence[str],
    path: str,
    *,
    body: Callable[[bytes], bytes],
    check: Callable[[Answer, bytes], Signed],
    what: str = "the registrar's answer",
    met: Callable[[str], None] = lambda source: None,
) -> tuple[bytes, Answer]:
    """The Answer of the first of these sources that answers: in exact bytes, and decoded. `met` is told which source it
    was.

    `body` makes what is posted, and `check` verifies what comes back and gives its head; both are given the last head
    of the log that this home trusts, or nothing. The order: the log is not known to go by rules that are not
    known here, nor to have forked; the answer is checked against that head, and what proves a fork is kept; only then
    the new head is trusted. A crash before that leaves the old one, which the log still contains.
    """
    old = check_rules(home, log)
    sent = body(old)

    async def post(source: str) -> bytes:
        got = await net.post(source, path, sent, limit=ANSWER_LIMIT)
        met(source)
        return got

    with evidence.watching(home, log.vkey):
        got = await first(sources, what, post)
        answer = codec.decode(Answer, got, ANSWER_LIMIT)
        head = check(answer, old)
    advance(home, log.vkey, old, head.note)
    return got, answer


def check_rules(home: Home, log: Verifier) -> bytes:
    """The last head that this home trusts of the log, or nothing. Outdated where it names rules that this version does
    not know: nothing is signed there."""
    head = home.shelf.head(log.vkey) or b""
    if head:
        rules.check(checkpoint.parse(note.peek(head)).rules)
    return head


def advance(home: Home, log: str, old: bytes, new: bytes) -> None:
    """Nothing: the home trusts the `new` head of the log with this vkey, which was proven to extend `old`. Conflict if
    another command was faster."""
    if new != old and not home.shelf.advance(log, old or None, new):
        raise Conflict("another command fetched from the same commons at this moment", hint="repeat this one")
