"""Governing: ballots folded a second, and a community of many members with a long log, folded from scratch and on.

    python bench/community.py [members, 10000 unless told] [entries, 100000 unless told]

The limit is one Ed25519 verification for each entry, which whoever reads a log has to pay in any case.
"""

from __future__ import annotations

import copy
import hashlib
import resource
import statistics
import sys
import time

from commons.core.crypto import codec, envelope, ids
from commons.core.crypto.keys import Signer
from commons.core.dataset.rule import Rule
from commons.core.state import entries, proposals
from commons.core.state.charter import CHARTER, Charter, College, Power
from commons.core.state.entries import Decision, Publish, Request
from commons.core.state.fold import State
from commons.core.state.proposals import Proposal, Vote
from commons.log.judge import Judge, Report

RULE = "group m majority *members\nquorum m\n"


def signer(number: int) -> Signer:
    return Signer(number.to_bytes(32, "big"))


def charter(members: int, days: int = 30) -> bytes:
    peers = sorted(signer(n).peer for n in range(1, members + 1))
    powers = (
        Power(action="admit", rule="group m any *members\nquorum m\n", days=days),
        Power(action="amend-charter", rule=RULE, days=days),
    )
    said = Charter(
        name="many", purpose="", time=1, colleges=(College(name="members", members=tuple(peers)),), powers=powers,
        registrar=signer(1).peer, log_key=bytes(32), next_key=bytes(32), readers="members", retention_days=None,
        witnesses="", custodians="", ratchets=(),
    )  # fmt: skip
    return envelope.sign(CHARTER, said, signer(1))


def admissions(members: int) -> list[bytes]:
    """A charter of one, and an admission for everybody else."""
    log = [charter(1)]
    for n in range(2, members + 1):
        said = Proposal(
            commons=ids.cid(log[0]), action="admit", time=2, nonce=bytes(16), college="members", peer=signer(n).peer
        )
        log.append(envelope.sign(proposals.PROPOSAL, said, signer(1)))
    return log


def ballots(members: int) -> tuple[list[bytes], int]:
    """A log of one proposal and a ballot of every other member, until it passes."""
    founded = charter(members)
    commons = ids.cid(founded)
    said = Proposal(
        commons=commons, action="expel", time=2, nonce=bytes(16), college="members", peer=signer(members).peer
    )
    log = [founded, envelope.sign(proposals.PROPOSAL, said, signer(1))]
    for n in range(2, members // 2 + 2):
        vote = Vote(commons=commons, proposal=hashlib.sha256(log[1]).digest(), choice="yes", reason="", time=2)
        log.append(envelope.sign(proposals.VOTE, vote, signer(n)))
    return log, len(log) - 2


def accesses(commons: str, first: int, count: int) -> list[bytes]:
    """A dataset for members at entry `first`, then requests and decisions, `count` entries in all."""
    dataset = ids.cid(b"dataset")
    said = Publish(
        commons=commons, time=2, manifest=dataset, series=bytes(16), version=1, title="t", licence="CC0-1.0",
        terms=bytes(32), rule=Rule(kind="members"), purposes=(), grant_days=None, epoch=0,
    )  # fmt: skip
    log = [envelope.sign(entries.PUBLISH, said, signer(1))]
    while len(log) < count:
        asked = Request(
            type=entries.REQUEST, time=3, dataset=dataset, terms=bytes(32), epoch=0, purpose="research",
            requester=bytes(32), statement=bytes(32), details=None,
        )  # fmt: skip
        answered = Decision(
            type=entries.DECISION, time=3, request=first + len(log), outcome="grant", reason="member", basis=first,
            expires=None, statement=None,
        )  # fmt: skip
        log += [codec.encode(asked), codec.encode(answered)]
    return log


def fold(log: list[bytes], state: State) -> float:
    began = time.perf_counter()
    for data in log:
        state.apply(entries.decode(data))
    return time.perf_counter() - began


def row(what: str, figure: str, limit: str = "") -> None:
    print(f"{what:<56}{figure:>16}{limit:>22}")


def main(members: int, count: int) -> None:
    row("", "figure", "of the limit")
    one, data = signer(1), bytes(200)
    signed = one.sign(data)
    began = time.perf_counter()
    for _ in range(2000):
        from commons.core.crypto.keys import verify

        verify(one.public, signed, data)
    limit = 2000 / (time.perf_counter() - began)
    row("limit: signatures verified a second", f"{limit:,.0f}")
    for size in (5, 100, 1000):
        rates = []
        for _ in range(3):
            log, votes = ballots(size)
            state = State()
            fold(log[:2], state)
            rates.append(votes / fold(log[2:], state))
        rate = statistics.median(rates)
        row(f"ballots folded a second, {size} members", f"{rate:,.0f}", f"{rate / limit:.2f}")
    log, state = admissions(members), State()
    took = fold(log, state)
    row(f"{members} members admitted, one by one", f"{took:.2f} s", f"{members / took / limit:.2f}")
    log, early = accesses(ids.cid(log[0]), members, count), copy.deepcopy(state)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    took = fold(log, state)
    row(f"{count} requests and decisions folded after them", f"{took:.2f} s", f"{count / took:,.0f} entries/s")
    grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024
    row("memory that this added", f"{grown:.0f} MiB")
    judged = Judge(Report(state=early))
    began = time.perf_counter()
    for index, data in enumerate(log, members):
        judged.take(index, data, None)
    took = time.perf_counter() - began
    assert not judged.report.faults
    row("the same entries judged by an audit, without openings", f"{took:.2f} s", f"{count / took:,.0f} entries/s")
    asked = [data for n, data in enumerate(log[1:101]) if n % 2 == 0]
    row("50 more requests, folded on", f"{fold(asked, state) * 1000:.1f} ms")


if __name__ == "__main__":
    main(*(int(word) for word in (*sys.argv[1:], *("10000", "100000")[len(sys.argv) - 1 :])))
