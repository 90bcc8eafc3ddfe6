"""The commands of the log: answer requests, audit, export, erase."""

from __future__ import annotations

import asyncio
import os
import sys
from pathlib import Path
from typing import Any

import click

from commons.cli import questions, show, stop
from commons.cli.show import Told, amount, count, say, table, when
from commons.cli.terminal import PLACE, Shell, go_on, named, pass_context, source_of
from commons.cli.usage import WHOLE, Wrong
from commons.errors import CommonsError, NotFound, Outdated, StorageFailed, Untrue


@click.command()
@click.option("--all", "everything", is_flag=True, help="Decided ones too.")
@named
@pass_context
def requests(c: Shell, everything: bool, named: str | None) -> None:
    """Who asks for what, of all logs that this home keeps: the steward's desk."""
    c.tell(c.call("requests", everything=everything, named=named), tell_requests)


@click.command()
@click.argument("request", type=WHOLE, nargs=-1, required=True)
@click.option("--until", metavar="DATE", help="The grants end with this day (UTC), e.g. 2030-12-31, or at this time.")
@click.option("--reason", default="", help="Why, in words; part of the signed decision.")
@named
@go_on
@pass_context
def approve(c: Shell, request: tuple[int, ...], until: str | None, reason: str, named: str | None) -> None:
    """Grant the requests with the numbers REQUEST."""
    _decide(c, request, outcome="grant", reason=reason, expires=show.end(until), named=named)


@click.command()
@click.argument("request", type=WHOLE, nargs=-1, required=True)
@click.option("--reason", required=True, help="Why, in words; part of the signed decision.")
@named
@go_on
@pass_context
def refuse(c: Shell, request: tuple[int, ...], reason: str, named: str | None) -> None:
    """Refuse the requests with the numbers REQUEST."""
    _decide(c, request, outcome="refuse", reason=reason, named=named)


@click.command()
@click.argument("request", type=WHOLE, nargs=-1, required=True)
@click.option("--reason", required=True, help="Why, in words; part of the signed decision.")
@named
@go_on
@pass_context
def revoke(c: Shell, request: tuple[int, ...], reason: str, named: str | None) -> None:
    """End the grants of requests number REQUEST. Nothing is taken back: the next version gets a new key."""
    _decide(c, request, outcome="revoke", reason=reason, named=named)


def _decide(c: Shell, requests: tuple[int, ...], **words: Any) -> None:
    """Each request by itself: one that fails stops no other, and gives the exit code."""
    told: Told = {"decisions": [], "failures": []}
    wrong: CommonsError | None = None
    for request in dict.fromkeys(requests):
        try:
            told["decisions"].append(c.call("decide", request=request, **words))
        except CommonsError as error:
            if len(requests) == 1:
                raise
            wrong = wrong or error
            told["failures"].append({"request": request, **error.as_dict()})
    c.tell(told, tell_decisions)
    if wrong is not None:
        sys.exit(wrong.number)


@click.command()
@click.argument("source", required=False)
@click.option("--commons", metavar="ID", help="Whose log it must be.")
@click.option("--who", metavar="PEER", help="Only requests by this peer.")
@click.option("--dataset", metavar="REF", help="Only this dataset: a reference, or a part of its title.")
@click.option("--since", metavar="DATE", help="Only requests from this day on (UTC), e.g. 2030-01-31.")
@click.option("--until", metavar="DATE", help="Only requests until this day, included (UTC).")
@click.option("--governance", is_flag=True, help="Tell who decided what, in place of who accessed what.")
@click.option("--keep", is_flag=True, help="Keep the openings that are shown: who asked for what. See above.")
@click.option("--csv", "as_csv", is_flag=True, help="Print comma-separated values.")
@pass_context
def audit(c: Shell, /, source: str | None, since: str | None, until: str | None, as_csv: bool, **words: Any) -> None:
    """Verify a log and tell who accessed what. SOURCE: this home's log, or a peer, a URL, a folder or a .zip file.

    Who asked for what is read for the moment, and nothing of it stays in this home; of each request what was found
    does, without the person. With --keep, of a community that you take part in, it stays, encrypted: other people's
    personal data then lies here and in backups of this home. What the registrar erases, or the charter has erased, is
    destroyed here when this home reads that log next; `commons log drop-kept` destroys all of it.
    """
    with stop.AtOnce():
        from commons.log.audit import offline

    if words["governance"] and words["dataset"] is not None:
        raise Wrong("--dataset chooses among requests, and --governance tells none")
    source = source_of(source)
    words.update(source=source, **show.span(since, until))
    if source is not None and os.path.isabs(source) and not words["keep"] and not (c.home / "config.json").exists():
        words.pop("keep")
        told = asyncio.run(offline(**words))  # no home: nothing is remembered
    else:
        told = c.call("audit", bar="Verifying", **words)
    if as_csv:
        show.as_csv(*((told["governance"]["rows"], show.DECIDED) if "governance" in told else (told["rows"],)))
        if "kept" in told:
            show.put(_kept(told["kept"]), err=True)
    else:
        c.tell(told, tell_audit)
    damaged = told.get("damaged")  # of this home's own log
    if wrong := told.get("files", {}).get("damaged"):
        c.fail(
            Untrue(f"{len(wrong)} files of this export are damaged", hint="get them elsewhere: `commons log export`")
        )
    if c.json and (told["faults"] or damaged):
        sys.exit(Untrue.number if told["faults"] else StorageFailed.number)  # the one document tells them
    if damaged:
        hint = 'restore a backup into another home: docs/home.md, "Backing up and restoring"'
        raise StorageFailed(f"{len(damaged)} rows of this home's log.db are damaged", hint=hint)
    if told["unmatched"] and not told["faults"]:
        hint = "the whole log was verified: without the filter it is all told"
        c.fail(NotFound("; ".join(told["unmatched"]), hint=hint))
    if told["faults"]:
        raise Untrue(f"{len(told['faults'])} entries of this log are faulty", hint="they are listed above")
    if told["unjudged"] is not None:
        what = f"entries from {told['unjudged']} on go by rules {told['rules']}, which this version does not know"
        c.fail(Outdated(what, hint="upgrade commons, and repeat this: what is in front of them was verified"))


@click.group()
def log() -> None:
    """The commons' own log."""


@log.command("export")
@click.argument("path", type=PLACE)
@click.option("--openings", is_flag=True, help="With who asked for what: for an auditor, not for the public.")
@click.option("--from", "source", metavar="ADDRESS", help="The log that is kept there, in place of this home's.")
@click.option("--commons", metavar="ID", help="With --from: the commons whose log it must be.")
@pass_context
def log_export(c: Shell, path: Path, openings: bool, source: str | None, commons: str | None) -> None:
    """Write the log as static files (C2SP tlog-tiles) into a new folder, or into one file that ends in .zip.

    With --from, a copy of somebody else's log, verified, with what this home may see of it: should its registrar
    disappear, the members can go on from there.
    """
    words: dict[str, Any] = {
        "path": str(path.absolute()),
        "openings": openings,
        "source": source_of(source),
        "commons": commons,
    }
    told = c.call("export_log", bar="Exporting" if source else "", **words)
    c.tell(told, tell_exported)
    if told["damaged"]:
        problem = StorageFailed(
            f"the openings of {count(len(told['damaged']), 'entry')} are damaged, and empty in what was written: "
            f"{', '.join(map(str, told['damaged'][:5]))}{' …' if len(told['damaged']) > 5 else ''}",
            hint='restore a backup into another home, and export there: docs/home.md, "Backing up and restoring"',
        )
        c.fail(problem)


@log.command("forget-fork")
@click.argument("vkey")
@pass_context
def log_forget_fork(c: Shell, vkey: str) -> None:
    """Trust the log with this VKEY again, once its members have explained why it signed two histories."""
    c.tell(c.call("forget_fork", log=vkey), lambda told: say(f"{told['log']} is trusted again."))


@log.command("drop-kept")
@click.option("--in", "named", metavar="ID", help="Which community, if this home takes part in several.")
@pass_context
def log_drop_kept(c: Shell, named: str | None) -> None:
    """Destroy the openings of a community's log that `commons audit --keep` has kept here. What was found with them
    stays, without the person. Backups that were made meanwhile have them still."""
    said = "Destroyed {} of the log of {}. Delete the backups of this home that were made meanwhile."
    c.tell(
        c.call("drop_kept", named=named),
        lambda told: say(said.format(count(told["dropped"], "opening"), told["commons"])),
    )


@log.command("check")
@click.option("--in", "named", metavar="ID", help="Only the log of this commons.")
@pass_context
def log_check(c: Shell, named: str | None) -> None:
    """Compare what is stored here of logs, this home's and those it follows, with their entries: all of them are read,
    hashed and folded again. The first row that differs is shown. What is damaged of a log that others keep is made
    again, or read again from where it is kept; this home's own comes back from a backup."""
    told = c.call("check_log", named=named)
    c.tell(told, tell_checked)
    if any(each["own"] and (each["damaged"] or each["differs"]) for each in told["logs"]):
        hint = 'restore a backup into another home: docs/home.md, "Backing up and restoring"'
        c.fail(StorageFailed("this home's own log is damaged", hint=hint))


@log.command("date")
@click.option("--right", is_flag=True, help="Your word that this machine's clock is right. It is noted.")
@click.option("--commons", metavar="ID", help="The commons whose log is meant, where you keep shares for it.")
@go_on
@pass_context
def log_date(c: Shell, right: bool, commons: str | None) -> None:
    """What this machine's clock, the last entry and the clocks of others say; with --right, that the clock is right.

    Nothing is dated or erased by a clock that is more than ten minutes past the median of the witnesses' clocks, or
    else the members', or, where nobody can be asked, more than 30 days past the last entry. Your word stands for 30
    days, and for the gap that there was when you gave it.
    """
    c.tell(c.call("date", right=right, commons=commons), tell_dated)


@log.command("erase")
@click.argument("entry", type=WHOLE)
@click.option("--reason", default="requested", show_default=True, help="A word for the log.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@named
@go_on
@pass_context
def log_erase(c: Shell, entry: int, reason: str, yes: bool, named: str | None) -> None:
    """Destroy the personal details of an entry and of what answers it. The log stays verifiable."""
    if not yes and c.json:
        raise Wrong("what is erased cannot be brought back: --json wants --yes beside it")
    if not yes:
        c.check_writable()
        if not questions.agreed(f"The details of entry {entry} cannot be brought back. Erase them?"):
            raise click.Abort
    c.tell(c.call("erase", entry=entry, reason=reason, named=named), tell_erased)


def tell_requests(told: Told) -> None:
    if not told["requests"]:
        say("No request waits for you.")
        return
    several = len({r["commons"] for r in told["requests"]}) > 1
    table(("request", "time", "who", "dataset", "purpose", "outcome", "details", *(("commons",) * several)), [
        (r["request"], when(r["time"]), r["who"] or _unknown(r), r["title"], r["purpose"],
         show.decision({"decision": r["outcome"], "reason": "", "ended": r["ended"]}), r["details"],
         *((r["commons"],) * several))
        for r in told["requests"]
    ])  # fmt: skip
    waiting = [r for r in told["requests"] if r["outcome"] == "pending"]
    if any(not r["voted"] for r in waiting):
        where = "; --in NAME says of which commons" if several else ""
        say(f"`commons approve N` or `commons refuse N --reason …` answers{where}.")
    if voted := [str(r["request"]) for r in waiting if r["voted"]]:
        say(f"Members decide about {', '.join(voted)}: `commons community propose grant --entry N`, or `refuse`.")


def _unknown(row: Told) -> str:
    return "damaged" if row["damaged"] else "erased"


def tell_decisions(told: Told) -> None:
    for each in told["decisions"]:
        tell_decided(each)
    for each in told["failures"]:
        hint = f" ({each['hint']})" if each["hint"] else ""
        show.put(show.clean(f"commons: request {each['request']}: {each['message']}{hint}"), err=True)


def tell_decided(told: Told) -> None:
    done = {"grant": "granted", "refuse": "refused", "revoke": "revoked"}[told["outcome"]]
    end = f", until {when(told['expires'])}" if told["expires"] else ""
    say(f"Request {told['request']} is {done}{end}: entry {told['entry']} of the log.")
    if told["outcome"] == "revoke":
        say("What they hold stays theirs. The next version of this series gets a new key: publish it with --update.")
        if told["automatic"]:
            say(f"The rule {told['access']} grants a new request by itself: to end that, publish under another rule.")


REMEDIES = {
    "mended": "Its tree was made again from the entries.",
    "folded again": "What they make true was made again from the entries.",
    "read again": "None of it is used: whoever needs this log next reads it again from where it is kept.",
}


def tell_checked(told: Told) -> None:
    for each in told["logs"]:
        whose = "this home's own log" if each["own"] else "a log that others keep"
        say(f"{each['commons']}, {whose}: {count(each['entries'], 'entry')}")
        for one in each["damaged"]:
            say(f"  DAMAGED: {' '.join(filter(None, (one['table'], one['row'])))}: {one['what']}")
        if (row := each["differs"]) is not None:
            about = f" about entry {row['entry']}" if row["entry"] is not None else ""
            say(f"  DAMAGED: the first row that differs{about}: {row['row']}")
            say(f"    stored: {row['stored']}\n    should be: {row['should']}")
        if each["remedy"]:
            say(f"  {REMEDIES[each['remedy']]}")
        elif not each["damaged"] and each["differs"] is None:
            say("  All that is stored is what its entries make true.")


def tell_exported(told: Told) -> None:
    shown = "with" if told["openings"] else "without"
    say(f"Exported {count(told['entries'], 'entry')} {shown} openings, {amount(told['bytes'])}, to {told['path']}")
    say("`commons audit` verifies it anywhere, without a network.")
    if told["faults"]:
        say(f"It has {count(len(told['faults']), 'faulty entry')}: `commons audit` lists them.")


def tell_erased(told: Told) -> None:
    say(
        f"Erased the details of {', '.join(map(str, told['erased']))}; entry {told['entry']} says so. Backups and the "
        "requester's own copies are out of reach."
    )


def tell_audit(told: Told) -> None:
    if "governance" in told:
        tell_governance(told["governance"])
    else:
        tell_accesses(told)
    tell_verdict(told)


def tell_governance(told: Told) -> None:
    """Nothing: prints how the community stands by the end of the log, and what was done up to it."""
    for line in told["charter"]:
        say(line)
    for name, peers in told["colleges"].items():
        say(f"members of {name}: {', '.join(peers) or 'none'}")
    say()
    table(
        ("entry", "time", "who", "what", "outcome", "because"),
        [(r["entry"], when(r["time"]), r["who"] or "–", r["what"], _outcome(r), r["words"]) for r in told["rows"]],
    )
    if not told["rows"]:
        say("Nothing of the kind is in this log.")
    for row in told["rows"]:
        for line in row["means"]:
            say(f"Proposal {row['proposal']} means: {line}")
    say()
    for each in told["registrars"]:
        base = f", from a head of {count(each['from'], 'entry')}" if each["from"] is not None else ""
        say(f"Registrar since entry {each['entry']}: {each['peer']}{base}")
    if told["heir"]:
        say(f"Registrar to be: {told['heir']} was chosen, and has not taken the log over")
    for each in told["custodians"]:
        say(f"Custodians since entry {each['entry']}: {'; '.join(each['policy']) or 'none'}")


def _outcome(row: Told) -> str:
    closed = f" at entry {row['closed']}" if row["closed"] is not None else ""
    return f"{row['outcome']}{closed}" + (f" ({row['why']})" if row["why"] else "")


def tell_accesses(told: Told) -> None:
    table(("entry", "time", "who", "dataset", "licence", "purpose", "decision", "receipt", "state"), [
        (r["entry"], when(r["time"]), r["who"] or "–", f"{r['title']} v{r['version']}", r["licence"], r["purpose"],
         show.decision(r),
         "dropped" if r["dropped"] is not None else "yes" if r["receipt"] is not None else "", _state(r))
        for r in told["rows"]
    ])  # fmt: skip
    if told["filtered"] and not told["rows"] and not told["unmatched"]:
        say("No request in this log is of that kind.")


def _state(row: Told) -> str:
    if row["earlier"] is None:
        return str(row["state"])
    return f"{row['state']} ({row['earlier']} here at entry {row['earlier_at']}, before that)"


def _kept(kept: Told) -> str:
    days = kept["retention_days"]
    return (
        f"This home keeps {count(kept['openings'], 'opening')} of this log, {kept['added']} of them new: who asked for "
        "what. That is personal data of others, encrypted here and in backups of this home. What the registrar erases"
        + (f", which the charter asks for after {count(days, 'day')}," if days is not None else "")
        + " is destroyed here when this home reads that log next; `commons log drop-kept` destroys all of it."
    )


def tell_verdict(told: Told) -> None:
    for entry in told["unknown"]:
        say(f"Entry {entry['entry']} is of a type this version does not know, and was not judged: {entry['type']}")
    for fault in told["faults"]:
        say(f"FAULT in entry {fault['entry']}: {fault['what']}")
    for each in told.get("damaged", ()):
        say(f"DAMAGED here: {each['table']} {each['row']}: {each['what']}")
    for line in _files(told["files"]) if "files" in told else ():
        say(line)
    if told["unjudged"] is not None:
        say(f"Entries {told['unjudged']} to {told['entries'] - 1} go by rules {told['rules']}, which this version does "
            "not know: they were not judged. Upgrade commons.")  # fmt: skip
    verdict = "has faults" if told["faults"] else "verified: tree, signed head, signatures and decisions"
    if told["unjudged"] is not None and not told["faults"]:
        verdict = f"verified: tree and signed head, and up to entry {told['unjudged'] - 1} signatures and decisions"
    if told.get("files", {}).get("damaged") and not told["faults"]:
        verdict = "has damaged files, and entries that were verified"
    if "kept" in told:
        say(f"\n{_kept(told['kept'])}")
    say(f"\n{told['name']} ({told['commons']}): {count(told['entries'], 'entry')}, {verdict}.\nRoot {told['root']}")
    if told["fork"]:
        say("THIS LOG HAS SIGNED TWO HISTORIES. Both heads, each signed by its key:")
        for head in told["fork"]:
            say(head)
    for each in told["words"]:
        say(f"Its owner's word of {when(each['time'])}: it goes on from {count(each['size'], 'entry')}.")
    tell_ahead(told["dated"])
    if told["witnesses"] or told["unwitnessed"]:
        lacks = f"; missing: {told['unwitnessed']}" if told["unwitnessed"] else ", which is the charter's quorum"
        say(f"Cosigned by {', '.join(told['witnesses']) or 'nobody'}{lacks}.")
    if any(row["state"] == "no opening given" for row in told["rows"]):
        say("Where no opening is given, it was not checked who asked, nor who decided.")
    say(
        f"Head: {count(told['entries'], 'entry')}, the last dated {when(told['last'])}, of the commons\n"
        f"{told['commons']}\nCompare this id with one you had from elsewhere: a log that somebody made up can be "
        "verified, too."
    )


def _files(files: Told) -> list[str]:
    """What a person is told of it, a line each."""
    lines = [f"DAMAGED file {each['file']}: {each['what']}" for each in files["damaged"]]
    for name, what in (("missing", "Missing in this export"), ("unchecked", "No part of a log, and not checked")):
        if found := files[name]:
            more = f" and {len(found) - 5} more" if len(found) > 5 else ""
            lines.append(f"{what}: {', '.join(found[:5])}{more}")
    return lines


def tell_ahead(dated: Told) -> None:
    if dated["ahead"]:
        days = count(dated["ahead"] // 86_400, "day")
        say(f"DATED AHEAD: the last entry of this log is dated {when(dated['log'])}, {days} ahead.")


def tell_dated(told: Told) -> None:
    say(f"Clock       {when(told['clock'])}\nLast entry  {when(told['log'])}")
    for who in ("witnesses", "members"):
        if told[who] is not None:
            say(f"{who.capitalize():<12}{when(told[who])}, the median of their clocks")
    tell_ahead(told)
    if told["right"]:
        say(f"Your word   of {when(told['right'])}: the clock is right")
    if told["doubt"]:
        say(f"In doubt    {told['doubt']}: nothing is dated or erased by it\n            {told['next']}")


COMMANDS = (requests, approve, refuse, revoke, audit, log)
