"""What happens at a running node, as lines for who keeps it: what the log took, once it is durable, and errors.

One format. No line names a person, a peer or an address unless that is asked for: who asked for what stands in the log,
encrypted; a line on a screen or in a system's journal is neither.
"""

from __future__ import annotations

import logging
import re
import sys
import time
import traceback
from pathlib import Path

from commons.core.crypto.envelope import Opened
from commons.core.state.charter import Charter
from commons.core.state.entries import Decision, Dropped, Entry, Publish, Receipt, Redaction, Request, Stamp
from commons.core.state.fold import State
from commons.core.state.proposals import Join, LaterRules, Proposal, Vote
from commons.errors import CommonsError, tame

log = logging.getLogger("commons")
_OUTCOMES = {"grant": "granted", "refuse": "refused", "revoke": "revoked"}
_PERSONAL = re.compile(
    r"\b(?:12D3Koo|16Uiu2H|Qm)[1-9A-HJ-NP-Za-km-z]{20,}"  # peers
    r"|/(?:ip4|ip6|dns[46]?)/[^\s,'\"]+|https?://[^\s,'\"]+"  # addresses
    r"|(?<![\w.])\d{1,3}(?:\.\d{1,3}){3}(?![\w.])(?::\d+)?|\[?(?<![\w:])(?:[0-9a-f]{0,4}:){3,}[0-9a-f.]*(?:\]:\d+|\])?"
    r"|[\w.+-]+@[\w-]+(?:\.[\w-]+)+"  # e-mail
)


def committed(state: State, index: int, entry: Entry) -> None:
    """Nothing: writes a line for an entry that is durable."""
    value = entry.value if isinstance(entry, Opened) else entry
    log.info("%s entry=%d", _what(state, value), index)


def _what(state: State, value: object) -> str:
    match value:
        case Publish():
            return f"published dataset={value.manifest} version={value.version} access={value.rule.kind}"
        case Request():
            return f"request dataset={value.dataset} purpose={value.purpose}"
        case Decision():
            asked = state.accesses.get(value.request)
            about = f" dataset={asked.entry.dataset} purpose={asked.entry.purpose}" if asked is not None else ""
            return f"request {_OUTCOMES.get(value.outcome, 'answered')}{about} request={value.request}"
        case Receipt():
            return f"receipt request={value.request}"
        case Dropped():
            return f"dropped request={value.request}"
        case Redaction():
            return f"erased entries={','.join(map(str, value.entries[:20]))}"
        case Charter():
            return "charter"
        case Proposal():
            return f"proposal action={value.action}"
        case LaterRules():
            return f"proposal action={value.proposal.action} rules={value.rules}"
        case Vote():
            return "ballot"
        case Join():
            return f"join invitation={value.invitation}"
        case Stamp():
            return "stamp"
    return type(value).__name__.lower()


class JournalFormatter(logging.Formatter):
    """The form of a line: `2026-11-29T08:00:00Z INFO request granted …`. A bug is named by its place, and a library
    that has something to say by its name; only whoever wants to see all, sees what it says, persons, addresses, and
    whole traces."""

    def __init__(self, everything: bool) -> None:
        super().__init__()
        self._everything = everything

    def format(self, record: logging.LogRecord) -> str:
        """The line, or with -vv the lines, of one record."""
        ours = self._everything or record.name.partition(".")[0] == log.name
        said, trace = record.getMessage() if ours else f"a library warns library={record.name}", ""
        if record.exc_info and (error := record.exc_info[1]) is not None:
            said += f" {place(error)}"
            trace = "\n" + "".join(traceback.format_exception(error)).rstrip() if self._everything else ""
        said = tame(said, " ").replace("\n", " ")
        if not self._everything:
            said = _PERSONAL.sub("…", said)
        when = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(record.created))
        return f"{when} {record.levelname} {said}{tame(trace)}"


def place(error: BaseException) -> str:
    """What may be said of an error to anybody: its kind, and where in our code it was raised."""
    kind = f"error={error.number}" if isinstance(error, CommonsError) else f"bug={type(error).__name__}"
    at = [each for each in traceback.extract_tb(error.__traceback__) if "/commons/" in each.filename]
    return f"{kind} at={Path(at[-1].filename).name}:{at[-1].lineno}" if at else kind


def begin(verbose: int) -> None:
    """Nothing: lines are written to the standard error from now on: `verbose` 0 for what happens, 1 for what is sent
    and asked too, 2 for all of it, with who and where."""
    lines = logging.StreamHandler(sys.stderr)
    lines.setFormatter(JournalFormatter(verbose > 1))
    logging.raiseExceptions = False  # an output that takes no line ends nothing
    logging.root.handlers[:] = [lines]
    logging.root.setLevel(logging.WARNING)
    log.setLevel(logging.DEBUG if verbose else logging.INFO)
