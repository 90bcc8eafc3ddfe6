"""What the command line prints. Words that came from others are stripped of what a terminal would obey.

The voice: sentences without exclamation; what happened, then what to do next.
"""

from __future__ import annotations

import csv
import json
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import click

from commons.errors import CommonsError, Malformed, Unacknowledged

if TYPE_CHECKING:
    from commons.node import Node

Told = dict[str, Any]


def clean(text: object) -> str:
    """One line, printable characters only."""
    return "".join(c if c.isprintable() else " " for c in str(text))


def say(text: str = "") -> None:
    click.echo("".join(c if c.isprintable() or c == "\n" else " " for c in text))


def as_json(told: Told) -> None:
    click.echo(_json(told, indent=2))


def _json(told: Told, indent: int | None = None) -> str:
    """JSON leaves DEL, C1 controls and bidirectional overrides as they are; a terminal obeys them."""
    text = json.dumps(told, indent=indent, ensure_ascii=False)
    return "".join(c if c.isprintable() or c == "\n" else json.dumps(c)[1:-1] for c in text)


def as_csv(rows: Sequence[Told]) -> None:
    columns = ("entry", "time", "who", "dataset", "title", "version", "licence", "purpose", "details", "decision",
               "reason", "decision_entry", "expires", "receipt", "state")  # fmt: skip
    out = csv.writer(sys.stdout)
    out.writerow(columns)
    for row in rows:
        out.writerow(
            [_cell(when(row[c]) if c in ("time", "expires") and row[c] is not None else row[c]) for c in columns]
        )


def _cell(value: object) -> str:
    """A spreadsheet would run a cell that begins like a formula."""
    text = "" if value is None else clean(value)
    return f"'{text}" if text.lstrip()[:1] in ("=", "+", "-", "@") else text


def error(problem: CommonsError, as_json: bool = False) -> None:
    if as_json:
        click.echo(_json(problem.as_dict()))
        return
    click.echo(f"commons: {clean(problem.message)}", err=True)
    if problem.hint:
        click.echo(f"commons: hint: {clean(problem.hint)}", err=True)
    for piece in problem.evidence:
        click.echo("-----\n" + "".join(c for c in piece if c.isprintable() or c == "\n").rstrip(), err=True)


def when(seconds: int) -> str:
    try:
        return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M:%SZ")
    except (ValueError, OverflowError, OSError):  # a time that somebody made up
        return f"{seconds} s after 1970"


def day(text: str | None) -> int | None:
    """Seconds of the start of a day (UTC), or of an ISO time; Malformed."""
    if text is None:
        return None
    try:
        moment = datetime.fromisoformat(text)
        return int((moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp())
    except (ValueError, OverflowError) as error:
        raise Malformed(f"not a date: {text[:40]!r}", hint="write it like 2030-12-31 or 2030-12-31T18:00Z") from error


def amount(size: int) -> str:
    value = float(size)
    for unit in ("B", "kB", "MB", "GB"):
        if value < 1000 or unit == "GB":
            break
        value /= 1000
    return f"{size} B" if unit == "B" else f"{value:.1f} {unit}"


def count(number: int, noun: str) -> str:
    """As in: 1 file, 2 files, 3 entries."""
    if number == 1:
        return f"1 {noun}"
    return f"{number} {noun[:-1]}ies" if noun.endswith("y") else f"{number} {noun}s"


def _extent(told: Told) -> str:
    return f"{count(told['files'], 'file')}, {amount(told['bytes'])}"


@contextmanager
def progress(name: str) -> Iterator[Callable[[int, int], None]]:
    """A bar of verified bytes on a terminal; silence elsewhere."""
    if not name or not sys.stderr.isatty():
        yield lambda done, whole: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn, TransferSpeedColumn

    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        DownloadColumn(),
        TransferSpeedColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(name, total=None)
        yield lambda done, whole: bar.update(task, completed=done, total=whole or 1)


def table(headings: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
    """Aligned columns, whatever the width: a narrow screen wraps, and a pipe gets everything."""
    cells = [[clean("" if cell is None else cell) for cell in row] for row in rows]
    widths = [max(len(line[n]) for line in [list(headings), *cells]) for n in range(len(headings))]
    for line in [list(headings), *cells]:
        click.echo("  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip())


# -- one function a command ---------------------------------------------------------------------------------------


def made(told: Told) -> None:
    say(f"Made a home at {told['home']}.")
    say(f"Peer id     {told['peer']}\nCommons     {told['commons']}  ({told['name']})")
    say("Back up the file `seed` in it: it is the only secret, and who has it is you.")


def ready(as_json: bool) -> Callable[[Node], None]:
    def told(node: Node) -> None:
        if as_json:
            click.echo(json.dumps({"peer": node.home.keys.identity.peer, "commons": node.home.commons,
                                   "addresses": list(node.addresses), "door": node.door}))  # fmt: skip
        else:
            say(f"The node {node.home.keys.identity.peer} is running. Ctrl-C stops it.")
            for address in (*node.addresses, *((node.door,) if node.door else ())):
                say(f"  {address}")
        sys.stdout.flush()

    return told


def status(told: Told) -> None:
    say(f"Home        {told['home']}\nPeer id     {told['peer']}\nCommons     {told['commons']}  ({told['name']})")
    say(f"Log         {count(told['entries'], 'entry')}, {told['log']}; {count(told['datasets'], 'dataset')}; "
        f"requests that wait for you: {told['waiting']}")  # fmt: skip
    for address in (*told["addresses"], *((told["door"],) if told["door"] else ())):
        say(f"Reachable   {address}")
    if told["limited"]:
        say(f"Limited     {told['limited']} requests were over the rate limit and not logged")
    if told["my_requests"]:
        say()
        table(("my request", "dataset", "outcome", "reason", "key"), [
            (r["request"], r["dataset"], r["outcome"], r["reason"], "held" if r["key"] else "")
            for r in told["my_requests"]
        ])  # fmt: skip


def peers(told: Told) -> None:
    say("\n".join(told["peers"]) or "No peer is remembered. `commons peer add ADDRESS` adds one.")


def announced(told: Told) -> None:
    say("References of this node carry: " + (", ".join(told["announce"]) or "no address"))


def published(told: Told) -> None:
    say(f"Published {told['title']!r}, version {told['version']}: {_extent(told)}, under {told['licence']}, "
        f"access {told['access']}.")  # fmt: skip
    if told["reused_bytes"]:
        say(f"{amount(told['reused_bytes'])} did not change and are shared with the version before.")
    for notice in told["notices"]:
        say(f"Note: {notice}.")
    say(f"It is entry {told['entry']} of the log. Its reference:\n{told['reference']}")
    if "?" not in told["reference"]:
        say("It names no address: give your node's too, or set one with `commons announce`.")


def terms(told: Told) -> None:
    say(f"{told['title']}, version {told['version']}: {_extent(told)}")
    if told["description"]:
        say(told["description"])
    say(f"By          {', '.join(told['creators']) or 'nobody named'}\nPublished   by {told['publisher']}, "
        f"{when(told['created'])}\nLicence     {told['licence']}  {told['licence_url']}")  # fmt: skip
    for heading, key in (("You may", "permits"), ("You must", "requires"), ("You may not", "forbids")):
        for line in told[key]:
            say(f"{heading:<11} {line}")
    if told["conditions"]:
        say(f"Conditions  {told['conditions']}")
    if told["licence_text"]:
        say(told["licence_text"])
    if told["purposes"]:
        say(f"Purposes    only {', '.join(told['purposes'])}")
    say(f"Access      {told['access']}" + (f", for {told['grant_days']} days" if told["grant_days"] else ""))
    if told["access"] != "public":
        say("Your request is logged: your peer id, the terms, your purpose and the time. It can be audited.")


def ask_acknowledgement(licence: str) -> str | None:
    """The licence's name, typed; None where nobody is at the terminal."""
    if not sys.stdin.isatty():
        raise Unacknowledged(
            f"this dataset is under {licence}: its terms were not acknowledged",
            hint=f"read them, then repeat with --acknowledge {licence}",
        )
    answer: str = click.prompt(f"Type {licence} to acknowledge these terms and send the request")
    return answer


def fetched(told: Told) -> None:
    say(f"{told['title']!r}, version {told['version']}: {_extent(told)}, "
        f"every byte verified, in {told['dest']}")  # fmt: skip
    say(f"It is under {told['licence']}; ATTRIBUTION.txt says whom to credit.")
    if told["receipt"] == "owed":
        say(f"The receipt could not be delivered yet ({told['why']}); `commons status` tries again.")


def purposes(told: Told) -> None:
    table(("code", "meaning"), list(told.items()))
    say("GA4GH DUO ids, like DUO:0000042, are possible too. A purpose is declared, and nobody can check it.")


def mirrored(told: Told) -> None:
    say(
        f"Carrying {told['title']!r} blind: {amount(told['sealed_bytes'])} sealed, verified. "
        f"Reference:\n{told['reference']}"
    )


def dropped(told: Told) -> None:
    say(f"{told['cid']} is served no longer; {amount(told['freed_bytes'])} are free. What others hold stays with them.")


def datasets(told: Told) -> None:
    if not told["datasets"]:
        say("No dataset is in this home. `commons publish` or `commons fetch` brings one.")
        return
    table(("dataset", "title", "version", "licence", "access", "files", "size", "role", "served"), [
        (d["cid"], d["title"], d["version"], d["licence"], d["access"], d["files"], amount(d["bytes"]), d["role"],
         "yes" if d["served"] else "no") for d in told["datasets"]
    ])  # fmt: skip


def requests(told: Told) -> None:
    if not told["requests"]:
        say("No request waits for you.")
        return
    table(("request", "time", "who", "dataset", "purpose", "outcome", "details"), [
        (r["request"], when(r["time"]), r["who"] or "erased", r["title"], r["purpose"], r["outcome"], r["details"])
        for r in told["requests"]
    ])  # fmt: skip
    say("`commons approve N` or `commons refuse N --reason …` answers.")


def decided(told: Told) -> None:
    done = {"grant": "granted", "refuse": "refused", "revoke": "revoked"}[told["outcome"]]
    end = f", until {when(told['expires'])}" if told["expires"] else ""
    say(f"Request {told['request']} is {done}{end}: entry {told['entry']} of the log.")
    if told["outcome"] == "revoke":
        say("What they hold stays theirs. The next version of this series gets a new key: publish it with --update.")
        if told["automatic"]:
            say(f"The rule {told['access']} grants a new request by itself: to end that, publish under another rule.")


def exported(told: Told) -> None:
    shown = "with" if told["openings"] else "without"
    say(f"Exported {count(told['entries'], 'entry')} {shown} openings, {amount(told['bytes'])}, to {told['path']}")
    say("`commons audit` verifies it anywhere, without a network.")


def erased(told: Told) -> None:
    say(f"Erased the details of {', '.join(map(str, told['erased']))}; entry {told['entry']} says so. Backups and the "
        "requester's own copies are out of reach.")  # fmt: skip


def audit(told: Told) -> None:
    table(("entry", "time", "who", "dataset", "licence", "purpose", "decision", "receipt", "state"), [
        (r["entry"], when(r["time"]), r["who"] or "–", f"{r['title']} v{r['version']}", r["licence"], r["purpose"],
         f"{r['decision']} ({r['reason']})" if r["reason"] else r["decision"],
         "yes" if r["receipt"] is not None else "", r["state"]) for r in told["rows"]
    ])  # fmt: skip
    for entry in told["unknown"]:
        say(f"Entry {entry['entry']} is of a type this version does not know, and was not judged: {entry['type']}")
    for fault in told["faults"]:
        say(f"FAULT in entry {fault['entry']}: {fault['what']}")
    verdict = "has faults" if told["faults"] else "verified: tree, signed head, signatures and decisions"
    say(f"\n{told['name']} ({told['commons']}): {count(told['entries'], 'entry')}, {verdict}.\nRoot {told['root']}")
    if any(row["state"] == "no opening given" for row in told["rows"]):
        say("Where no opening is given, it was not checked who asked, nor who decided.")
