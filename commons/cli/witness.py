"""The commands of a witness: which logs it cosigns, under which key; and who cosigns our own."""

from __future__ import annotations

import sys
from typing import Any

import click

from commons.cli import stop
from commons.cli.data import tell_ask_acknowledgement, tell_ask_purpose, tell_terms, unlisted
from commons.cli.show import Told, clean, count, put, say, table, when
from commons.cli.terminal import Shell, pass_context, sources


@click.group()
def witness() -> None:
    """Cosign the logs of others, so that none of them can have two histories."""


@witness.command("key")
@pass_context
def witness_key(c: Shell) -> None:
    """This node's key as a witness, for the charter or policy of who asks for its signature."""
    c.tell(c.call("witness"), lambda told: say(told["vkey"]))


@witness.command("add")
@click.argument("vkey")
@pass_context
def witness_add(c: Shell, vkey: str) -> None:
    """Cosign a log from now on: VKEY is its key (NAME+1234abcd+BASE64). A second key of one log may be added."""
    c.tell(c.call("witness", add=vkey), tell_witness)


@witness.command("remove")
@click.argument("log")
@pass_context
def witness_remove(c: Shell, log: str) -> None:
    """Cosign a log no longer: LOG is its name, or one of its keys. What was signed is remembered."""
    c.tell(c.call("witness", remove=log), tell_witness)


@witness.command("list")
@pass_context
def witness_list(c: Shell) -> None:
    """The logs cosigned here, and how far the witnesses of our own log have signed."""
    c.tell(c.call("witness"), tell_witness)


@witness.command("submit")
@click.argument("dataset")
@click.argument("address")
@click.option("--acknowledge", metavar="LICENCE", help="The terms, by name, where a request has to be signed.")
@click.option("--purpose", help="What for: a code, see `commons purposes`.")
@click.option("--details", help="What for, in your own words; the steward and the witness see them.")
@sources
@pass_context
def witness_submit(
    c: Shell, /, dataset: str, address: str, acknowledge: str | None, sources: tuple[str, ...], **words: Any
) -> None:
    """Hand your request for DATASET, which its registrar does not take, to the witness at ADDRESS (a multiaddr).

    Where there is none yet, or it is too old, one is signed, though nobody may have shown that its commons lists it.
    """
    with stop.AtOnce():
        from commons.core.dataset.address import peer

    peer(address)
    c.check_writable()
    described = c.call("show", dataset=dataset, sources=list(sources))
    if described["asks"] and not c.json:
        ask_purpose = words["purpose"] is None and described["purposes"] and sys.stdin.isatty()
        if acknowledge is None:
            tell_terms(described)
        if ask_purpose:
            words["purpose"] = tell_ask_purpose(described["purposes"])
        if acknowledge is None:
            acknowledge = tell_ask_acknowledgement(described["licence"])
        elif described["listed"] is None:
            put(f"commons: a request is signed, though {clean(unlisted(described))}", err=True)
    told = c.call("hand_in", dataset=dataset, witness=address, acknowledge=acknowledge, sources=list(sources), **words)
    c.tell(told, tell_handed)


@witness.command("submitted")
@click.argument("addresses", nargs=-1)
@click.option("--commons", metavar="ID", help="Of this commons only.")
@pass_context
def witness_submitted(c: Shell, addresses: tuple[str, ...], commons: str | None) -> None:
    """What was handed to witnesses and is not logged: as this node publishes it, or the witnesses at ADDRESSES."""
    c.tell(c.call("unlogged", sources=list(addresses), commons=commons), tell_unlogged)


def tell_handed(told: Told) -> None:
    say(f"The witness {told['witness']} has it since {when(told['time'])}, and signed for that.")
    if told["entry"] is not None:
        say(f"It is in the log at entry {told['entry']}: {told['outcome']}. `commons fetch` goes on from there.")
    else:
        say("It hands it on to the registrar. If no entry comes of it, `commons witness submitted` tells everybody.")
    if told["unsent"]:
        say(f"The request is as it was: {told['unsent']}.")


def tell_unlogged(told: Told) -> None:
    if not told["witnesses"]:
        say("None of them is a witness of a log that is known here. --commons names another one.")
    for each in told["witnesses"]:
        say(f"{each['commons']}: by {when(each['time'])} the witness {each['witness']}")
        if not each["requests"]:
            say(f"  knows of no request that is not logged {each['after']} s after it was handed in.")
            continue
        say(f"  knows of {count(len(each['requests']), 'request')} not logged {each['after']} s after being handed in:")
        table(("request", "dataset", "handed in", "entries then", "tried", "the registrar", ""), [
            (row["statement"][:16], row["dataset"], when(row["time"]), row["size"],
             when(row["tried"]) if row["tried"] is not None else "", row["said"], "yours" if row["mine"] else "")
            for row in each["requests"]
        ])  # fmt: skip


def tell_witness(told: Told) -> None:
    say(f"Witness     {told['vkey']}")
    if told["logs"]:
        table(
            ("log", "keys", "signed entries", "time", "state"),
            [
                (
                    row["origin"],
                    len(row["keys"]),
                    row["size"],
                    when(row["time"]) if row["time"] is not None else "",
                    "FORKED: two histories" if row["fork"] else "" if row["keys"] else "removed",
                )
                for row in told["logs"]
            ],
        )
    else:
        say("No log is cosigned here. `commons witness add VKEY` adds one.")
    for row in told["logs"]:
        if row["fork"]:
            say(f"\n{row['origin']} signed two histories. Both heads prove it; show them to who relies on it:")
            say("\n".join(row["fork"]))
    own = told["own"]
    say(f"\nOur log     {own['vkey']}\n            {tell_standing(own)}")
    for at in own["asked"]:
        state = at["problem"] or f"{count(at['size'], 'entry')} signed"
        say(f"  {', '.join(at['names'])} at {at['url']}: {state}")


def tell_standing(own: Told) -> str:
    """How far the witnesses have signed our own log, as a sentence."""
    if not own["quorum"]:
        return f"{count(own['entries'], 'entry')}; the charter asks for no witnesses"
    missing = f"; the newest head waits for {own['missing']}" if own["missing"] else ""
    return f"{own['covered']} of {count(own['entries'], 'entry')} witnessed{missing}"


COMMANDS = (witness,)
