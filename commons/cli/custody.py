"""The commands of custodians: keep shares of a community's keys, and see whether enough of those who do are there."""

from __future__ import annotations

from pathlib import Path

import click

from commons.cli.show import Told, count, say
from commons.cli.terminal import PLACE, Shell, named, pass_context, source_of
from commons.errors import NotFound, refusal

LIMIT = 1 << 20  # bytes of a file that is to convict somebody


@click.group()
def custody() -> None:
    """Shared custody: keys that nobody can give out alone."""


@custody.command("keep")
@named
@pass_context
def custody_keep(c: Shell, named: str | None) -> None:
    """Agree to keep shares of a community's keys. This node then follows its log, and decides by itself."""
    c.tell(c.call("keep", named=named), lambda told: say(f"This home keeps shares for {', '.join(told['commons'])}."))


@custody.command("status")
@named
@pass_context
def custody_status(c: Shell, named: str | None) -> None:
    """Who keeps the shares of a community's keys, and who of them is there now."""
    c.tell(c.call("custody", named=named), tell_custody)


@custody.command("pass-on")
@click.option("--again", is_flag=True, help="Also what was passed on to them before, if they have lost it.")
@named
@pass_context
def custody_pass_on(c: Shell, named: str | None, again: bool) -> None:
    """Share what this home keeps among the custodians chosen since. Each of them must be there."""
    c.tell(c.call("pass_on", named=named, again=again), tell_passed)


@custody.command("convict")
@click.argument("file", type=PLACE)
@click.option("--from", "source", metavar="LOG", help="Where its log is shown: an export, an address or a URL.")
@pass_context
def custody_convict(c: Shell, file: Path, source: str | None) -> None:
    """Judge a custodian's signed release, FILE, by the log that it names: did they give a share against it?"""
    c.tell(c.call("convict", release=text_of(file), source=source_of(source)), tell_convicted)


def text_of(file: Path) -> str:
    """The text of a signed release in FILE, of which no more is read than one can have."""
    if not file.is_file():
        raise NotFound(f"{file} is no file", hint="name a file of proofs/")
    try:
        with file.open("rb") as opened:
            return opened.read(LIMIT).decode("ascii", "replace")
    except OSError as error:
        raise NotFound(f"{file} cannot be read: {refusal(error)}", hint="name a file of proofs/") from error


def tell_convicted(told: Told) -> None:
    given = f"custodian {told['name']} ({told['custodian']}) gave a share for request {told['request']}"
    if told["convicted"]:
        say(f"Convicted: {given}, and {told['what']}.")
        say("Keep the file: with that log it proves this to anybody.")
    else:
        say(f"Not convicted: {given}, as the first {told['entries']} entries of the log allow.")


def tell_passed(told: Told) -> None:
    for row in told["passed"]:
        of = ", ".join(repr(title) for title in row["titles"]) or f"series {row['series']}, never published"
        say(f"Passed on: this home's share of the key of {of}, epoch {row['epoch']}.")
    if told["passed"]:
        say(
            f"It is shared now among {', '.join(told['to'])}; once enough of those before have done the same, they can "
            "give the key."
        )
    else:
        say(f"Nothing to pass on: {count(told['kept'], 'share')} kept here, and the custodians in force have theirs.")


def tell_custody(told: Told) -> None:
    if not told["custodians"]:
        say("No custodians were chosen: the registrar keeps the keys.")
    for each in told["custodians"]:
        say(f"{each['name']:<11} {each['peer']}  {there(each)}")
    if any(not each["known"] for each in told["custodians"]):
        say("Ask for the address of whom none is known here, and give it: `commons peer add ADDRESS`.")
    if told["warning"]:
        say(f"Warning: {told['warning']}.")
    if told["keeps"]:
        say(f"This home keeps shares for {', '.join(told['keeps'])}.")


def there(each: Told) -> str:
    """Whether a custodian can be asked, in words."""
    if each["reachable"]:
        return "reachable"
    if each["unready"]:
        return "answers, and has not agreed to keep shares (`commons custody keep`)"
    return "does not answer" if each["known"] else "no address known"


COMMANDS = (custody,)
