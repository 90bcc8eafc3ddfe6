"""The commands of a witness: which logs it cosigns, under which key; and who cosigns our own."""

from __future__ import annotations

import click

from commons.show import Told, count, say, table, when
from commons.terminal import Context, pass_context


@click.group()
def witness() -> None:
    """Cosign the logs of others, so that none of them can have two histories."""


@witness.command("key")
@pass_context
def witness_key(c: Context) -> None:
    """This node's key as a witness, for the charter or policy of who asks for its signature."""
    c.tell(c.call("witness"), lambda told: say(told["vkey"]))


@witness.command("add")
@click.argument("vkey")
@pass_context
def witness_add(c: Context, vkey: str) -> None:
    """Cosign a log from now on: VKEY is its key (NAME+1234abcd+BASE64). A second key of one log may be added."""
    c.tell(c.call("witness", add=vkey), tell_witness)


@witness.command("remove")
@click.argument("log")
@pass_context
def witness_remove(c: Context, log: str) -> None:
    """Cosign a log no longer: LOG is its name, or one of its keys. What was signed is remembered."""
    c.tell(c.call("witness", remove=log), tell_witness)


@witness.command("list")
@pass_context
def witness_list(c: Context) -> None:
    """The logs cosigned here, and how far the witnesses of our own log have signed."""
    c.tell(c.call("witness"), tell_witness)


def tell_witness(told: Told) -> None:
    say(f"Witness     {told['vkey']}")
    if told["logs"]:
        table(("log", "keys", "signed entries", "time", "state"), [
            (row["origin"], len(row["keys"]), row["size"], when(row["time"]) if row["time"] is not None else "",
             "FORKED: two histories" if row["fork"] else "" if row["keys"] else "removed") for row in told["logs"]
        ])  # fmt: skip
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
    if not own["quorum"]:
        return f"{count(own['entries'], 'entry')}; the charter asks for no witnesses"
    missing = f"; the newest head waits for {own['missing']}" if own["missing"] else ""
    return f"{own['covered']} of {count(own['entries'], 'entry')} witnessed{missing}"


COMMANDS = (witness,)
