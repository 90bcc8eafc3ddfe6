"""The commands of the node: its home, its peers, its life."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING

import click

from commons.cli import stop
from commons.cli.custody import there
from commons.cli.show import Told, as_json, count, say, table, when
from commons.cli.terminal import Shell, go_on, named, pass_context
from commons.cli.usage import OneOf
from commons.errors import StorageFailed, refusal

if TYPE_CHECKING:
    from commons.node.node import Node
    from commons.session import Readers


LISTEN = "/ip4/0.0.0.0/tcp/4001"


@click.command()
@click.option("--name", default="a commons of one", show_default=True, help="What the commons is called.")
@click.option(
    "--readers",
    type=OneOf(["owner", "members", "public"]),
    default="members",
    show_default=True,
    help="Who may read who asked for what.",
)
@pass_context
def init(c: Shell, name: str, readers: Readers) -> None:
    """Make a home: an identity, and a commons of one with its log."""
    with stop.AtOnce():
        from commons import session

    session.create(c.home, name=name, readers=readers)
    c.tell(c.call("status"), tell_made)


@click.command()
@click.option("--listen", multiple=True, metavar="MULTIADDR", help=f"Where peers reach this node. [default: {LISTEN}]")
@click.option("--no-listen", is_flag=True, help="Let no peer in; only this machine's owner.")
@click.option("--http", metavar="HOST:PORT", help="Also open a plain HTTP door, for sealed packs and public tiles.")
@click.option(
    "-v",
    "--verbose",
    count=True,
    help="Tell what is served and asked, too; -vv names peers and addresses: personal data.",
)
@go_on
@pass_context
def node(c: Shell, listen: tuple[str, ...], no_listen: bool, http: str | None, verbose: int) -> None:
    """Run the node until Ctrl-C. What happens is told on the standard error, a line each, without naming anybody."""
    with stop.AtOnce():
        from commons.disk import journal
        from commons.node import control

    journal.begin(verbose)
    if c.word:
        c.call("go_on")
    asyncio.run(control.serve(c.home, () if no_listen else listen or (LISTEN,), http, tell_ready(c.json)))


@click.command()
@pass_context
def status(c: Shell) -> None:
    """This home, its log, its addresses, and the requests it made; asks again after those that wait."""
    c.tell(c.call("status"), tell_status)


@click.group()
def peer() -> None:
    """The peers this home asks when a reference names none."""


@peer.command("add")
@click.argument("address")
@pass_context
def peer_add(c: Shell, address: str) -> None:
    """Remember a peer's address (/ip4/…/tcp/…/p2p/…) or an HTTP door."""
    c.tell(c.call("peers", add=address), tell_peers)


@peer.command("remove")
@click.argument("address")
@pass_context
def peer_remove(c: Shell, address: str) -> None:
    """Forget an address, or with a peer's id all that are known of it."""
    c.tell(c.call("peers", remove=address), tell_peers)


@peer.command("list")
@pass_context
def peer_list(c: Shell) -> None:
    """The peers remembered."""
    c.tell(c.call("peers"), tell_peers)


@click.command()
@click.argument("addresses", nargs=-1)
@named
@pass_context
def announce(c: Shell, addresses: tuple[str, ...], named: str | None) -> None:
    """Set the addresses that this node's references carry; none to carry none."""
    c.tell(c.call("announce", addresses=list(addresses), named=named), tell_announced)


@click.command()
@pass_context
def demo(c: Shell) -> None:
    """Three nodes on this machine: publish, mirror, fetch, audit. Cleans up after itself."""
    with stop.AtOnce():
        from commons.cli.demo import run

    try:
        sys.exit(run())
    except OSError as error:
        raise StorageFailed(f"the demo could not run: {refusal(error)}") from error


def tell_made(told: Told) -> None:
    say(f"Made a home at {told['home']}.")
    say(f"Peer id     {told['peer']}\nCommons     {told['commons']}  ({told['name']})")
    say(
        "Back it up (`commons backup FILE`), and keep the copy secret: who has its `seed` is you.\n"
        'The seed alone brings back neither your log nor your data: docs/home.md, "Backing up and restoring".'
    )


def tell_ready(json: bool) -> Callable[[Node], None]:
    """The function that a node calls when it is up: it prints where it is reached, as JSON if that was asked for."""

    def told(node: Node) -> None:
        with stop.AtOnce():
            from commons.core.dataset import address

        first, logs = node.home.first, [log for each in node.every() for log in each.keeping.values()]
        alone = [said for each in logs if (said := each.resuming.owed())]
        if json:
            as_json(
                {
                    "peer": node.home.keys.identity.peer,
                    "commons": first.commons,
                    "door": node.door,
                    "addresses": list(node.addresses),
                    "doors": list(node.doors),
                    "identities": {each.home.keys.identity.peer: list(each.addresses) for each in node.every()[1:]},
                    "alone": "; ".join(alone),
                },
                None,
            )
        else:
            say(f"The node {node.home.keys.identity.peer} is running. Ctrl-C stops it.")
            for each in (*node.addresses, *node.doors):
                say(f"  {each}")
            for other in node.every()[1:]:
                for each in other.addresses:
                    say(f"  {each}  (another identity of yours)")
            for kept in (log for each in node.home.every() for log in each.kept.values()):
                if (broken := kept.log.broken) is not None:
                    say(f"Warning: {broken.message}; {broken.hint}.")
            for said in alone:
                say(f"Warning: {said}.")
            tell_dating(first.dating.told())
            if address.reach(node.addresses) == "this network":
                say("These can be dialled from this network. `commons announce` names an address for everybody.")

    return told


def tell_resumed(told: Told) -> None:
    """How the log came to go on, where its owner should know, and what they have said."""
    if told["how"] == "alone":
        silent = f"{count(len(told['who']), 'peer')} did not answer" if told["who"] else "nobody else is known"
        say(f"Alone       {silent}: the log goes on since {when(told['time'])}, as nobody says that it is no old copy")
    for each in told["words"]:
        over = f", though somebody has shown {count(each['over'], 'entry')}" if each["over"] else ""
        say(f"Your word   of {when(each['time'])}: the log goes on from {count(each['size'], 'entry')}{over}")


def tell_dating(dated: Told) -> None:
    """What is wrong with the clock or the log's dates, if anything."""
    if dated["ahead"]:
        say(f"DATED AHEAD the last entry is of {when(dated['log'])}: this clock says {when(dated['clock'])}")
    if dated["doubt"]:
        say(f"IN DOUBT    {dated['doubt']}: nothing is dated or erased by it\n            {dated['next']}")


def tell_status(told: Told) -> None:
    say(f"Home        {told['home']}\nPeer id     {told['peer']}\nCommons     {told['commons']}  ({told['name']})")
    say(
        f"Log         {count(told['entries'], 'entry')}, {told['log']}; {count(told['datasets'], 'dataset')}; "
        f"requests that wait for you: {told['waiting']}"
    )
    if told["next"]:
        say(f"            {told['next']}")
    for each in told["others"]:
        does = {"registrar": f"this home keeps its log, {each['log']}; requests that wait for you: {each['waiting']}"}
        keeps = f"{each['role']}; {each['registrar'] or 'nobody known'} keeps its log"
        say(f"And         {each['commons']}  ({each['name'] or 'not read yet'}): {does.get(each['role'], keeps)}")
        if each["next"]:
            say(f"            {each['next']}")
        if each["stands_by"]:
            say("            this home stands by for its registrar")
        if each["peer"] != told["peer"]:
            say(f"            there you are {each['peer']}")
            for at in each["addresses"]:
                say(f"            {at}")
        elif each["linked"]:
            say("            linked: there you are the same peer as elsewhere, and whoever sees both knows it")
    for each in told["damaged"]:
        say(f"DAMAGED     {each['table']} {each['row']}: {each['what']}")
    tell_resumed(told["resumed"])
    tell_dating(told["dated"])
    for each in (*told["addresses"], *told["doors"]):
        say(f"Reachable   {each}")
    for each in told["announced"]:
        say(f"Announced   {each}")
    if told["witnessed"]["quorum"]:
        lacks = f"; the newest misses {told['witnessed']['missing']}" if told["witnessed"]["missing"] else ""
        say(f"Witnessed   {told['witnessed']['covered']} of {count(told['witnessed']['entries'], 'entry')}{lacks}")
    if custodians := told["custody"]["custodians"]:
        here = sum(each["reachable"] for each in custodians)
        say(f"Custody     {here} of {count(len(custodians), 'custodian')} reachable")
        for each in custodians:
            if not each["reachable"]:
                say(f"            {each['name']}: {there(each)}")
    if told["custody"]["warning"]:
        say(f"Warning     {told['custody']['warning']}")
    for commons, kept in told["kept"].items():
        say(f"Kept        {count(kept, 'opening')} of {commons}: who asked there for what (`commons log drop-kept`)")
    for vkey in told["forks"]:
        say(f"FORKED      {vkey} has signed two histories: `commons audit` shows both heads; it is trusted no more")
    for each in told["withdrawn"]:
        say(f"Withdrawn   {each['title']!r} by its community at entry {each['entry']}: {_became(each)}")
    if told["withdrawn"]:
        say("            Files that you unpacked are not touched: they are yours, and yours to delete.")
    for each in told["unfinished"]:
        lacks = f"{count(each['packs_missing'], 'pack')} missing"
        goes = (
            "the same `commons fetch` goes on with it" if each["packs"] == "begun" else "`commons fetch` brings it back"
        )
        say(f"{each['packs'].capitalize():<11} {each['title']!r}: {lacks}, and {goes}")
    if told["limited"]:
        say(f"Limited     {count(told['limited'], 'request')} over the rate limit, not logged")
    if told["my_requests"]:
        say()
        table(
            ("my request", "dataset", "outcome", "reason", "key"),
            [
                (r["request"], r["dataset"], r["outcome"], r["reason"], "held" if r["key"] else "")
                for r in told["my_requests"]
            ],
        )


def _became(each: Told) -> str:
    """What was done about a withdrawal here."""
    if not each["dropped"]:
        return "served here no longer" if each["applied"] else "not dropped here yet"
    said = "dropped here"
    if each["logged"] is not None:
        return f"{said}, which entry {each['logged']} says"
    return f"{said}; the log is still to be told" if each["owed"] else said


def tell_peers(told: Told) -> None:
    say("\n".join(told["peers"]) or "No peer is remembered. `commons peer add ADDRESS` adds one.")


def tell_announced(told: Told) -> None:
    say("References of this node carry: " + (", ".join(told["announce"]) or "no announced address"))
    for warning in told["warnings"]:
        say(f"Warning: {warning}.")


COMMANDS = (init, node, status, peer, announce, demo)
