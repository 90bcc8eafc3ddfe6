"""The commands of licences: look one up, combine several, check a folder before it is published. No home is needed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from commons.cli import stop
from commons.cli.publish import spoken, tell_files, tell_findings, words
from commons.cli.show import Told, extent, say, say_plain, table
from commons.cli.terminal import Shell, pass_context
from commons.errors import Conflict


@click.group()
def licence() -> None:
    """Licences: what they ask, and how they combine. Not legal advice."""


@licence.command("list")
@pass_context
def licence_list(c: Shell) -> None:
    """The licences known in detail. Every other SPDX id is carried by name."""
    with stop.AtOnce():
        from commons.metadata import library

    c.tell({"licences": library.listed()}, tell_list)


@licence.command("show")
@click.argument("name")
@click.option("--text", is_flag=True, help="Print its whole text, where it is at hand.")
@pass_context
def licence_show(c: Shell, name: str, text: bool) -> None:
    """What licence NAME (an id, an address, a name) permits, requires and forbids."""
    with stop.AtOnce():
        from commons.metadata import library

    c.tell(library.shown(name, text), tell_licence)


@licence.command("compat")
@click.argument("names", nargs=-1, required=True)
@click.option("--to", metavar="LICENCE", help="Whether a work made from them can be under this licence.")
@click.option("--collection", is_flag=True, help="Whether they can stand side by side, unchanged, instead.")
@click.option("--commercial", is_flag=True, help="With --collection: in a commercial setting.")
@pass_context
def licence_compat(c: Shell, /, names: tuple[str, ...], **words: Any) -> None:
    """Whether works under licences NAMES can be mixed, and under what the result may be shared.

    Exit code 0 for yes, also where a condition or a question stays open (which is told); 9 for no.
    """
    with stop.AtOnce():
        from commons.metadata import library

    told = library.combined(names, **words)
    c.tell(told, tell_compat)
    if told["answer"] == "no":
        c.fail(Conflict("these licences do not go together", hint="the reasons are above"))


@licence.command("check")
@words
@pass_context
def licence_check(c: Shell, /, path: Path, **words: Any) -> None:
    """What publishing PATH would say: its licences, what is missing or contradicts itself. Writes nothing."""
    with stop.AtOnce():
        from commons.datasets import prepare

    c.tell(prepare.checked(spoken(path, **words)), tell_check)


def tell_list(told: Told) -> None:
    table(
        ("id", "name", "share-alike", "commercial", "adapt"),
        [
            (each["id"], each["name"], "yes" if each["share_alike"] else "", each["commercial"], each["adapt"])
            for each in told["licences"]
        ],
    )


def tell_licence(told: Told) -> None:
    say(f"{told['id']}: {told['name']}")
    if told["name_fr"]:
        say(f"{'':<11} {told['name_fr']}")
    if told["url"]:
        say(f"{'Text':<11} {told['url']}")
    say_plain(told)
    for use, answer in told["allows"].items():
        where = f" ({answer['clause']})" if answer["clause"] else ""
        say(f"{use:<16} {answer['answer']}: {answer['because']}{where}")
    if told["asks"]:
        say(f"A publisher must name: {', '.join(told['asks'])}")
    say(told["advice"])
    if told["text"]:
        say(f"\n{told['text']}")


def tell_compat(told: Told) -> None:
    to = f" → {told['to']}" if told["to"] else ""
    say(f"{' + '.join(told['names'])}{to}: {told['answer']}")
    for heading, key in (("Allowed", "allowed"), ("On condition", "conditional"), ("Discouraged", "discouraged")):
        if told[key]:
            say(f"{heading:<13} {', '.join(told[key])}")
    for heading, key in (("Because", "reasons"), ("Note", "notes")):
        for each in told[key]:
            where = f" ({each['clause']})" if each["clause"] else ""
            say(f"{heading:<13} {each['text']}{where} [{each['code']}]; {each['todo']}")
    say(told["advice"])


def tell_check(told: Told) -> None:
    say(f"{told['title']!r}: {extent(told)}, under {told['licence']}.")
    tell_files(told)
    tell_findings(told)
    say(f"The credit: {told['credit']}")


COMMANDS = (licence,)
