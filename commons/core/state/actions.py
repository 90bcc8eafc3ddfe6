"""What members decide together: the one table. What it means, what a proposal of it holds, what its proposer says.

Pure words: it imports nothing of ours, so that the command line can name the actions before it loads anything.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Action:
    """Something that members decide: what it `means`; the sets of fields that a proposal of it may have, and no others
    (`shapes`); which options its proposer `needs` to say, and which they may (`takes`); and the `line` that says what
    one proposal is about."""

    means: str
    shapes: tuple[frozenset[str], ...]
    line: str
    needs: tuple[str, ...] = ()
    takes: tuple[str, ...] = ()


def _of(*fields: str) -> frozenset[str]:
    return frozenset(fields)


ACTIONS = {
    "admit": Action(
        means="take somebody into a college, or whoever holds an invitation's key",
        shapes=(_of("college", "peer"), _of("college", "key", "expires")), line="{peer} into {college}",
        needs=("college", "peer"),
    ),
    "expel": Action(
        means="take somebody out of a college", shapes=(_of("college", "peer"),), line="{peer} from {college}",
        needs=("college", "peer"),
    ),
    "close-invitation": Action(
        means="end an invitation that nobody has taken yet", shapes=(_of("target"),), line="entry {target}",
        needs=("entry",),
    ),
    "set-rule": Action(
        means="change who may have the key of a dataset", shapes=(_of("series", "rule"),),
        line="series {series}: {rule}", needs=("dataset", "access"), takes=("of",),
    ),
    "grant": Action(
        means="give somebody the key they asked for", shapes=(_of("target"), _of("target", "expires")),
        line="entry {target}", needs=("entry",), takes=("until",),
    ),
    "refuse": Action(
        means="refuse somebody the key they asked for", shapes=(_of("target"),), line="entry {target}",
        needs=("entry",),
    ),
    "revoke": Action(
        means="end a grant, whoever gave it", shapes=(_of("target"),), line="entry {target}", needs=("entry",),
    ),
    "publish": Action(
        means="take a dataset into the log, where the charter has this power; else any member publishes",
        shapes=(_of("dataset"),), line="{dataset}", needs=("dataset",),
    ),
    "withdraw": Action(
        means="ask everybody to drop a dataset", shapes=(_of("dataset"),), line="{dataset}", needs=("dataset",),
    ),
    "open-identity": Action(
        means="show the members who made a request", shapes=(_of("target"),), line="entry {target}", needs=("entry",),
    ),
    "change-custodians": Action(
        means="change who keeps the shares of keys", shapes=(_of("custodians"),),
        line="who keeps the shares of keys", needs=("file",),
    ),
    "change-registrar": Action(
        means="have somebody else keep the log", shapes=(_of("peer", "log_key", "next_key"),),
        line="{peer} is to keep the log",
    ),
    "amend-charter": Action(
        means="change the charter", shapes=(_of("charter"),), line="the charter of {charter}", needs=("file",),
    ),
}  # fmt: skip
