"""What the command line prints. Words that came from others are stripped of what a terminal would obey.

The voice: sentences without exclamation; what happened, then what to do next.
"""

from __future__ import annotations

import csv
import io
import json
import os
import re
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import UTC, date, datetime
from typing import Any

import click

from commons.cli import stop
from commons.errors import CommonsError, Malformed, StorageFailed, refusal, shorten, tame

Told = dict[str, Any]


def prepare() -> None:
    """Nothing: lets the streams replace what their encoding lacks: a terminal of latin-1 shows a title all the same."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")


def put(text: str = "", err: bool = False) -> None:
    """Nothing: prints a text as it is; everything that is printed comes through here. A reader who has left (`| head
    -1`) ends no command: the rest is for nobody. StorageFailed where the words cannot be written."""
    if not err and sys.stdout is None:
        raise StorageFailed("the output cannot be written: it is closed", hint=_DONE)
    try:
        click.echo(text, err=err)
    except OSError as problem:
        silence(sys.stderr if err else sys.stdout)
        if not isinstance(problem, BrokenPipeError):
            if not err:
                sys.stdout = None  # as where it was closed from the start
            raise StorageFailed(f"the output cannot be written: {refusal(problem)}", hint=_DONE) from problem


_DONE = "what the command did is done: `commons status` and `commons list` show it"


def silence(stream: Any) -> None:
    """Nothing: a stream that takes nothing says nothing more, also not when the interpreter ends."""
    with suppress(OSError, ValueError, AttributeError):
        hole = os.open(os.devnull, os.O_WRONLY)
        os.dup2(hole, stream.fileno())
        os.close(hole)


def close() -> None:
    """Nothing: at the end of a command, what a stream never took is thrown away."""
    for stream in (sys.stdout, sys.stderr):
        try:
            if stream is not None:
                stream.flush()
        except (OSError, ValueError):
            silence(stream)


def clean(text: object) -> str:
    """A text on one line, without what a terminal would obey. Bytes of a file's name that are no UTF-8 are shown as
    \\xff.

    >>> clean("Riv\\x1b[31mers\\nand lakes")
    'Riv [31mers and lakes'
    """
    return tame(_named(str(text)), " ").replace("\n", " ")


def _named(text: str) -> str:
    return re.sub("[\udc80-\udcff]", lambda found: f"\\x{ord(found[0]) - 0xDC00:02x}", text)


def say(text: str = "") -> None:
    """Nothing: prints a text, lines and all, without what a terminal would obey."""
    put(tame(_named(text), " "))


def tell_reach(told: Told, err: bool = False) -> None:
    """What has to be said about where a reference or an invitation can be used."""
    if told["reach"] == "nowhere":
        words = (
            "It names no address. While your node runs, --lan adds those of its own network; `commons announce` "
            "sets one that everybody can dial."
        )
    elif told["reach"] != "anywhere":
        words = f"It can be used on {told['reach']} only; `commons announce` sets an address that everybody can dial."
    else:
        return
    put(words, err=err)


def as_json(told: Told, indent: int | None = 2) -> None:
    """Nothing: prints a result as JSON that any terminal and any encoding can take."""
    put(_json(told, indent))


def _json(told: Told, indent: int | None = None) -> str:
    """JSON leaves DEL, C1 controls and bidirectional overrides as they are; a terminal obeys them. What the output's
    encoding lacks is escaped: the document says the same."""
    text = json.dumps(told, indent=indent, ensure_ascii=False)
    text = "".join(c if c.isprintable() or c == "\n" else json.dumps(c)[1:-1] for c in text)
    try:
        text.encode(getattr(sys.stdout, "encoding", None) or "utf-8")
    except UnicodeEncodeError:
        return json.dumps(told, indent=indent)
    return text


ACCESSED = ("entry", "time", "who", "dataset", "title", "version", "licence", "purpose", "details", "decision",
            "reason", "decision_entry", "expires", "ended", "receipt", "dropped", "state", "earlier",
            "earlier_at")  # fmt: skip
DECIDED = ("entry", "time", "who", "kind", "proposal", "what", "outcome", "closed", "why", "words")  # by a community


def as_csv(rows: Sequence[Told], columns: Sequence[str] = ACCESSED) -> None:
    """Nothing: prints rows as comma-separated values, with a line of headings; no cell begins like a formula."""
    text = io.StringIO()
    out = csv.writer(text)
    out.writerow(columns)
    for row in rows:
        out.writerow(
            [
                _cell(when(row[c]) if c in ("time", "expires", "ended") and row[c] is not None else row[c])
                for c in columns
            ]
        )
    put(text.getvalue().removesuffix("\r\n"))


def _cell(value: object) -> str:
    """A spreadsheet would run a cell that begins like a formula."""
    text = "" if value is None else clean(value)
    return f"'{text}" if text.lstrip()[:1] in ("=", "+", "-", "@") else text


def say_plain(told: Told) -> None:
    """Nothing: prints what a licence permits, requires and forbids, in plain words."""
    for heading, key in (("You may", "permits"), ("You must", "requires"), ("You may not", "forbids")):
        for line in told[key]:
            say(f"{heading:<11} {line}")


def error(problem: CommonsError, as_json: bool = False) -> None:
    """Nothing: prints an error's message, hint and evidence on the standard error; under `--json` one document on the
    output. Where nobody takes them, the exit code alone tells."""
    _ending(problem.as_dict(), as_json)


def ending(code: int, message: str, hint: str, as_json: bool) -> None:
    """Nothing: prints the same of an end that is no error of ours: a wrong command line, or a stopped command."""
    _ending({"error": code, "message": shorten(message), "hint": hint, "evidence": []}, as_json)


def _ending(told: Told, as_json: bool) -> None:
    with suppress(StorageFailed):
        if as_json:
            try:
                put(_json(told))
                return
            except StorageFailed:
                pass  # what cannot take the words of the command takes none of these
        put(f"commons: {clean(told['message'])}", err=True)
        if told["hint"]:
            put(f"commons: hint: {clean(told['hint'])}", err=True)
        for piece in told["evidence"]:
            put("-----\n" + tame(piece).rstrip(), err=True)


def when(seconds: int) -> str:
    """A time in seconds since 1970, as people read it (UTC).

    >>> when(1_700_000_000)
    '2023-11-14 22:13:20Z'
    """
    try:
        return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M:%SZ")
    except (ValueError, OverflowError, OSError):  # a time that somebody made up
        return f"{seconds} s after 1970"


def decision(row: Told) -> str:
    """What became of a request: a grant that has ended, by its day or by a revocation, is called so."""
    because = f" ({row['reason']})" if row["reason"] else ""
    if row["decision"] == "revoke":
        return f"grant, revoked{because if row['reason'] != 'revoked' else ''}"
    if row["ended"] is not None:
        return f"grant{because}, ended {when(row['ended'])}"
    return f"{row['decision']}{because}"


def day(text: str | None) -> int | None:
    """The second since 1970 at which a day begins (UTC), or of an ISO time; None for None. Malformed.

    >>> day("2023-11-14"), end("2023-11-14")
    (1699920000, 1700006399)
    """
    if text is None:
        return None
    try:
        moment = datetime.fromisoformat(text)
        return int((moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp())
    except (ValueError, OverflowError) as error:
        raise Malformed(f"not a date: {text[:40]!r}", hint="write it like 2030-12-31 or 2030-12-31T18:00Z") from error


def end(text: str | None) -> int | None:
    """The last second since 1970 of a day (UTC), or that of an ISO time: what is until a day includes it. Malformed."""
    first = day(text)
    if text is None or first is None:
        return None
    try:
        date.fromisoformat(text)
    except ValueError:  # a time of the day is named
        return first
    return first + 86_399


def span(since: str | None, until: str | None) -> dict[str, int | None]:
    """Two days, both included, as a verb takes them: from the first second to that after the last. Malformed where no
    moment lies between."""
    first, last = day(since), end(until)
    if first is not None and last is not None and first > last:
        raise Malformed(f"--since {since} is after --until {until}", hint="both days are included (UTC)")
    return {"since": first, "until": None if last is None else last + 1}


def amount(size: int) -> str:
    """A number of bytes, as people read it.

    >>> amount(999), amount(1_500_000)
    ('999 B', '1.5 MB')
    """
    value = float(size)
    for unit in ("B", "kB", "MB", "GB"):
        if value < 1000 or unit == "GB":
            break
        value /= 1000
    return f"{size} B" if unit == "B" else f"{value:.1f} {unit}"


def count(number: int, noun: str) -> str:
    """A number with its noun.

    >>> count(1, "file"), count(2, "file"), count(3, "entry")
    ('1 file', '2 files', '3 entries')
    """
    if number == 1:
        return f"1 {noun}"
    return f"{number} {noun[:-1]}ies" if noun.endswith("ry") else f"{number} {noun}s"


def extent(told: Told) -> str:
    """How many files a dataset has, and bytes, in words."""
    return f"{count(told['files'], 'file')}, {amount(told['bytes'])}"


@contextmanager
def progress(name: str) -> Iterator[Callable[[int, int], None]]:
    """A context with a function that is told (done, whole) bytes and draws a bar called `name`; on no terminal, or
    without a name, nothing is drawn."""
    if not name or not sys.stderr.isatty():
        yield lambda done, whole: None
        return
    with stop.AtOnce():
        from rich.console import Console
        from rich.progress import (
            BarColumn,
            DownloadColumn,
            Progress,
            TextColumn,
            TimeRemainingColumn,
            TransferSpeedColumn,
        )

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
    """Nothing: prints aligned columns, whatever the width: a narrow screen wraps, and a pipe gets everything."""
    cells = [[clean("" if cell is None else cell) for cell in row] for row in rows]
    widths = [max(len(line[n]) for line in [list(headings), *cells]) for n in range(len(headings))]
    for line in [list(headings), *cells]:
        put("  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip())
