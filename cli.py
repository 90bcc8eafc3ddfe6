"""The command line: read arguments, call one verb, print, exit code. Everything heavy is imported by the command that
needs it, so that `commons --help` answers at once."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path
from typing import Any

import click

from commons import __version__, show
from commons.errors import StorageFailed, Untrue
from commons.terminal import Commons, Context, pass_context, read_text, sources

LISTEN = "/ip4/0.0.0.0/tcp/4001"


@click.group(cls=Commons, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="commons")
@click.option("--home", envvar="COMMONS_HOME", type=click.Path(path_type=Path), help="The node's folder.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON, errors included.")
@click.pass_context
def main(ctx: click.Context, home: Path | None, as_json: bool) -> None:
    """Share datasets peer to peer under their licence, and account for who was given the key."""
    ctx.obj = Context(home, as_json)


# -- the node ---------------------------------------------------------------------------------------------------------


@main.command()
@click.option("--name", default="a commons of one", show_default=True, help="What the commons is called.")
@click.option("--readers", type=click.Choice(["owner", "members", "public"]), default="members", show_default=True,
              help="Who may read who asked for what.")  # fmt: skip
@pass_context
def init(c: Context, name: str, readers: str) -> None:
    """Make a home: an identity, and a commons of one with its log."""
    import time

    from commons.disk import home

    home.create(c.home, name, readers, int(time.time()), {})
    c.tell(c.call("status"), show.made)


@main.command()
@click.option("--listen", multiple=True, metavar="MULTIADDR", help=f"Where peers reach this node. [default: {LISTEN}]")
@click.option("--no-listen", is_flag=True, help="Let no peer in; only this machine's owner.")
@click.option("--http", metavar="HOST:PORT", help="Also open a plain HTTP door, for sealed packs and public tiles.")
@pass_context
def node(c: Context, listen: tuple[str, ...], no_listen: bool, http: str | None) -> None:
    """Run the node until Ctrl-C."""
    from commons import control

    asyncio.run(control.serve(c.home, () if no_listen else listen or (LISTEN,), http, show.ready(c.json)))


@main.command()
@pass_context
def status(c: Context) -> None:
    """This home, its log, its addresses, and the requests it made; asks again after those that wait."""
    c.tell(c.call("status"), show.status)


@main.group()
def peer() -> None:
    """The peers this home asks when a reference names none."""


@peer.command("add")
@click.argument("address")
@pass_context
def peer_add(c: Context, address: str) -> None:
    """Remember a peer's address (/ip4/…/tcp/…/p2p/…) or an HTTP door."""
    c.tell(c.call("peers", add=address), show.peers)


@peer.command("list")
@pass_context
def peer_list(c: Context) -> None:
    """The peers remembered."""
    c.tell(c.call("peers"), show.peers)


@main.command()
@click.argument("addresses", nargs=-1)
@pass_context
def announce(c: Context, addresses: tuple[str, ...]) -> None:
    """Set the addresses that this node's references carry; none to carry none."""
    c.tell(c.call("announce", addresses=list(addresses)), show.announced)


# -- data -------------------------------------------------------------------------------------------------------------


@main.command()
@click.argument("path", type=click.Path(path_type=Path))
@click.option("--title", required=True, help="What the dataset is called.")
@click.option("--licence", "--license", required=True, help="CC-BY-4.0, a licence's URL or name, or LicenseRef-NAME.")
@click.option("--licence-text", type=click.Path(path_type=Path), help="The text of a LicenseRef-NAME.")
@click.option("--creator", "creators", multiple=True, help="Whom to credit; repeat for several.")
@click.option("--description", default="", help="What it is, in a few sentences.")
@click.option("--copyright", help="The copyright notice to keep.")
@click.option("--credit-line", help="The licensor's own wording of the credit, kept as it is.")
@click.option("--source-url", help="Where the data comes from.")
@click.option("--conditions", help="Conditions of yours beside the licence, where you are the licensor.")
@click.option("--access", type=click.Choice(["public", "acknowledge", "allow-list", "approval"]),
              default="acknowledge", show_default=True, help="Who is given the key.")  # fmt: skip
@click.option("--allow", multiple=True, metavar="PEER", help="A peer id on the allow-list; repeat for several.")
@click.option("--purpose", "purposes", multiple=True, metavar="CODE", help="Allow this purpose only; may be repeated.")
@click.option("--grant-days", type=int, help="Grants end after so many days.")
@click.option("--update", metavar="REF", help="Publish as the next version of this dataset.")
@click.option("--follow-links", is_flag=True, help="Publish what symbolic links point to; they are refused otherwise.")
@pass_context
def publish(c: Context, /, path: Path, licence_text: Path | None, allow: tuple[str, ...], **words: Any) -> None:
    """Seal a file or a folder, log it, and print its reference."""
    if allow and words["access"] == "acknowledge":
        words["access"] = "allow-list"
    words["licence_text"] = read_text(licence_text) if licence_text else None
    told = c.call("publish", bar="Publishing", path=str(path.absolute()), allow=list(allow), **words)
    c.tell(told, show.published)


@main.command("show")
@click.argument("dataset")
@sources
@pass_context
def show_dataset(c: Context, dataset: str, sources: tuple[str, ...]) -> None:
    """A dataset's description and its terms in plain words."""
    c.tell(c.call("show", dataset=dataset, sources=list(sources)), show.terms)


@main.command()
@click.argument("dataset")
@click.argument("dest", required=False, type=click.Path(path_type=Path))
@sources
@click.option("--acknowledge", metavar="LICENCE", help="Say by name which terms you have read, e.g. CC-BY-4.0.")
@click.option("--purpose", default="unstated", show_default=True, help="What for: a code, see `commons purposes`.")
@click.option("--details", help="What for, in your own words; the steward sees them.")
@click.option("--no-serve", is_flag=True, help="Do not serve what you fetched to others.")
@click.option("--no-keep", is_flag=True, help="Delete the sealed packs afterwards.")
@click.option("--replace", is_flag=True, help="Overwrite files in DEST that differ.")
@pass_context
def fetch(
    c: Context, /, dataset: str, dest: Path | None, sources: tuple[str, ...], acknowledge: str | None, no_serve: bool,
    no_keep: bool, **words: Any,
) -> None:  # fmt: skip
    """Get a dataset: acknowledge its terms, ask for its key, verify every byte."""
    described: dict[str, Any] = {}
    if acknowledge is None or dest is None:
        described = c.call("show", dataset=dataset, sources=list(sources))
    if acknowledge is None and described["asks"] and not c.json:
        show.terms(described)
        acknowledge = show.ask_acknowledgement(described["licence"])
    if dest is None:
        from commons.fetch import slug

        dest = Path(slug(described["title"]))
    told = c.call(
        "fetch", bar="Fetching", dataset=dataset, dest=str(dest.absolute()), sources=list(sources),
        acknowledge=acknowledge, serve=not no_serve, keep=not no_keep, **words,
    )  # fmt: skip
    c.tell(told, show.fetched)


@main.command()
@pass_context
def purposes(c: Context) -> None:
    """The purpose codes a request can state."""
    from commons.core.terms import PURPOSES

    c.tell(dict(PURPOSES), show.purposes)


@main.command()
@click.argument("dataset")
@sources
@pass_context
def mirror(c: Context, dataset: str, sources: tuple[str, ...]) -> None:
    """Carry a dataset blind: sealed packs, verified and served, without the key."""
    c.tell(c.call("mirror", bar="Mirroring", dataset=dataset, sources=list(sources)), show.mirrored)


@main.command()
@click.argument("dataset")
@pass_context
def drop(c: Context, dataset: str) -> None:
    """Serve a dataset no longer, and delete its packs from this home."""
    c.tell(c.call("drop", dataset=dataset), show.dropped)


@main.command("list")
@pass_context
def list_datasets(c: Context) -> None:
    """The datasets in this home."""
    c.tell(c.call("datasets"), show.datasets)


@main.command()
@click.argument("dataset")
@click.option("--lan", is_flag=True, help="Include the addresses of this node's home network.")
@pass_context
def refer(c: Context, dataset: str, lan: bool) -> None:
    """A reference to a dataset, with this node's addresses, to paste to somebody."""
    c.tell(c.call("refer", dataset=dataset, lan=lan), lambda told: click.echo(told["reference"]))


# -- the log ----------------------------------------------------------------------------------------------------------


@main.command()
@click.option("--all", "everything", is_flag=True, help="Decided ones too.")
@pass_context
def requests(c: Context, everything: bool) -> None:
    """Who asks for what: the steward's desk."""
    c.tell(c.call("requests", everything=everything), show.requests)


@main.command()
@click.argument("request", type=int)
@click.option("--until", metavar="DATE", help="The grant ends on this day, e.g. 2030-12-31.")
@click.option("--reason", default="", help="Why, in words; part of the signed decision.")
@pass_context
def approve(c: Context, request: int, until: str | None, reason: str) -> None:
    """Grant request number REQUEST."""
    told = c.call("decide", request=request, outcome="grant", reason=reason, expires=show.day(until))
    c.tell(told, show.decided)


@main.command()
@click.argument("request", type=int)
@click.option("--reason", required=True, help="Why, in words; part of the signed decision.")
@pass_context
def refuse(c: Context, request: int, reason: str) -> None:
    """Refuse request number REQUEST."""
    c.tell(c.call("decide", request=request, outcome="refuse", reason=reason), show.decided)


@main.command()
@click.argument("request", type=int)
@click.option("--reason", required=True, help="Why, in words; part of the signed decision.")
@pass_context
def revoke(c: Context, request: int, reason: str) -> None:
    """End the grant of request number REQUEST. Nothing is taken back: the next version gets a new key."""
    c.tell(c.call("decide", request=request, outcome="revoke", reason=reason), show.decided)


@main.command()
@click.argument("source", required=False)
@click.option("--commons", metavar="ID", help="Whose log it must be.")
@click.option("--who", metavar="PEER", help="Only requests by this peer.")
@click.option("--dataset", metavar="REF", help="Only this dataset: a reference, or a part of its title.")
@click.option("--since", metavar="DATE", help="Only requests from this day on (UTC), e.g. 2030-01-31.")
@click.option("--until", metavar="DATE", help="Only requests before this day (UTC).")
@click.option("--csv", "as_csv", is_flag=True, help="Print comma-separated values.")
@pass_context
def audit(c: Context, /, source: str | None, since: str | None, until: str | None, as_csv: bool, **words: Any) -> None:
    """Verify a log and tell who accessed what. SOURCE: this home's log, or a peer, a URL, a folder or a .zip file."""
    from commons.audit import offline

    if source is not None and Path(source).exists():
        source = str(Path(source).absolute())
    words.update(source=source, since=show.day(since), until=show.day(until))
    if source is not None and Path(source).exists() and not (c.home / "config.json").exists():
        told = asyncio.run(offline(**words))  # no home: nothing is remembered
    else:
        told = c.call("audit", bar="Verifying", **words)
    if as_csv:
        show.as_csv(told["rows"])
    else:
        c.tell(told, show.audit)
    if told["faults"]:
        raise Untrue(f"{len(told['faults'])} entries of this log are faulty", hint="they are listed above")


@main.group()
def log() -> None:
    """The commons' own log."""


@log.command("export")
@click.argument("path", type=click.Path(path_type=Path))
@click.option("--openings", is_flag=True, help="With who asked for what: for an auditor, not for the public.")
@pass_context
def log_export(c: Context, path: Path, openings: bool) -> None:
    """Write the log as static files (C2SP tlog-tiles) into a new folder, or into one file that ends in .zip."""
    c.tell(c.call("export", path=str(path.absolute()), openings=openings), show.exported)


@log.command("erase")
@click.argument("entry", type=int)
@click.option("--reason", default="requested", show_default=True, help="A word for the log.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@pass_context
def log_erase(c: Context, entry: int, reason: str, yes: bool) -> None:
    """Destroy the personal details of an entry and of what answers it. The log stays verifiable."""
    if not yes and not c.json:
        click.confirm(f"The details of entry {entry} cannot be brought back. Erase them?", abort=True)
    c.tell(c.call("erase", entry=entry, reason=reason), show.erased)


@main.command()
@pass_context
def demo(c: Context) -> None:
    """Three nodes on this machine: publish, mirror, fetch, audit. Cleans up after itself."""
    from commons import demo as story

    try:
        sys.exit(story.run())
    except OSError as error:
        raise StorageFailed(f"the demo could not run: {error}") from error


if __name__ == "__main__":
    main()
