"""The commands of data that is published: look, fetch, export, carry."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import click

from commons.cli import questions, stop
from commons.cli.show import Told, amount, count, extent, put, say, say_plain, table, tell_reach, when
from commons.cli.terminal import PLACE, Shell, go_on, named, pass_context, place, read_text, sources
from commons.cli.usage import OneOf
from commons.errors import Malformed, Unacknowledged
from commons.metadata import FORMATS


@click.command("show")
@click.argument("dataset")
@sources
@click.option("--format", "form", type=OneOf(FORMATS), help="Print its description as other tools read it.")
@named
@pass_context
def show_dataset(c: Shell, dataset: str, sources: tuple[str, ...], form: str | None, named: str | None) -> None:
    """A dataset's description and its terms in plain words."""
    if form is None:
        c.tell(c.call("show", dataset=dataset, sources=list(sources), named=named), tell_terms)
    else:
        c.tell(c.call("describe", dataset=dataset, form=form, sources=list(sources)), tell_files)


@click.command()
@click.argument("dataset")
@click.argument("dest", type=PLACE)
@sources
@click.option(
    "--format",
    "formats",
    type=OneOf(FORMATS),
    multiple=True,
    help="Add its description in this format; repeat for several.",
)
@click.option(
    "--licence-text",
    "licence_texts",
    multiple=True,
    metavar="ID=FILE",
    help="A licence's text that --format reuse needs and is not here; repeat for several.",
)
@pass_context
def export(
    c: Shell,
    dataset: str,
    dest: Path,
    sources: tuple[str, ...],
    formats: tuple[str, ...],
    licence_texts: tuple[str, ...],
) -> None:
    """Write a dataset this home has the key of into the new folder DEST, with metadata for other tools."""
    pairs = [each.partition("=") for each in licence_texts]
    if not all(id and file for id, _, file in pairs):
        raise Malformed("a licence's text has its id", hint="--licence-text MIT=FILE")
    told = c.call(
        "export",
        bar="Exporting",
        dataset=dataset,
        dest=str(dest.absolute()),
        formats=list(formats),
        sources=list(sources),
        texts={id: read_text(place(file)) for id, _, file in pairs},
    )
    c.tell(told, tell_exported)


@click.command()
@click.argument("dataset")
@click.argument("dest", required=False, type=PLACE)
@sources
@click.option("--acknowledge", metavar="LICENCE", help="Say by name which terms you have read, e.g. CC-BY-4.0.")
@click.option("--purpose", default="unstated", show_default=True, help="What for: a code, see `commons purposes`.")
@click.option("--details", help="What for, in your own words; the steward sees them.")
@click.option("--no-serve", is_flag=True, help="Do not serve what you fetched to others.")
@click.option("--no-keep", is_flag=True, help="Delete the sealed packs afterwards.")
@click.option("--replace", is_flag=True, help="Overwrite files in DEST that differ.")
@named
@go_on
@pass_context
def fetch(
    c: Shell,
    /,
    dataset: str,
    dest: Path | None,
    sources: tuple[str, ...],
    acknowledge: str | None,
    no_serve: bool,
    no_keep: bool,
    **words: Any,
) -> None:
    """Get a dataset: acknowledge its terms, ask for its key, verify every byte."""
    described: dict[str, Any] = {}
    unstated = words["purpose"] == "unstated" and sys.stdin.isatty() and not c.json
    c.check_writable()
    if acknowledge is None or dest is None or unstated:
        described = c.call("show", dataset=dataset, sources=list(sources), named=words["named"])
    if described and described["asks"] and (gone := described["withdrawn"]):
        with stop.AtOnce():
            from commons.log import withdrawal

        raise withdrawal.gone(described["cid"], gone["entry"])  # before anybody reads terms and signs
    asks = acknowledge is None and described["asks"] and not c.json
    if asks:
        tell_terms(described)
    if unstated and described["asks"] and described["purposes"]:
        words["purpose"] = tell_ask_purpose(described["purposes"])
    if asks:  # last: this sends the request
        acknowledge = tell_ask_acknowledgement(described["licence"])
    if dest is None:
        with stop.AtOnce():
            from commons.datasets.fetch import slug

        dest = Path(slug(described["title"], described["cid"]))
    told = c.call(
        "fetch",
        bar="Fetching",
        resumes=True,
        dataset=dataset,
        dest=str(dest.absolute()),
        sources=list(sources),
        acknowledge=acknowledge,
        serve=not no_serve,
        keep=not no_keep,
        **words,
    )
    c.tell(told, tell_fetched)


@click.command()
@pass_context
def purposes(c: Shell) -> None:
    """The purpose codes a request can state."""
    with stop.AtOnce():
        from commons.core.dataset.terms import PURPOSES

    c.tell(dict(PURPOSES), tell_purposes)


@click.command()
@click.argument("dataset")
@sources
@named
@pass_context
def mirror(c: Shell, dataset: str, sources: tuple[str, ...], named: str | None) -> None:
    """Carry a dataset blind: sealed packs, verified and served, without the key."""
    told = c.call("mirror", bar="Mirroring", resumes=True, dataset=dataset, sources=list(sources), named=named)
    c.tell(told, tell_mirrored)


@click.command()
@click.argument("dataset")
@pass_context
def drop(c: Shell, dataset: str) -> None:
    """Serve a dataset no longer, and delete its packs from this home."""
    c.tell(c.call("drop", dataset=dataset), tell_dropped)


@click.command("list")
@pass_context
def list_datasets(c: Shell) -> None:
    """The datasets in this home."""
    c.tell(c.call("datasets"), tell_datasets)


@click.command()
@click.argument("dataset")
@click.option("--lan", is_flag=True, help="Include the addresses of this node's home network.")
@pass_context
def refer(c: Shell, dataset: str, lan: bool) -> None:
    """A reference to a dataset, with this node's addresses, to paste to somebody."""
    c.tell(c.call("refer", dataset=dataset, lan=lan), tell_reference)


def tell_reference(told: Told) -> None:
    put(told["reference"])
    tell_reach(told, err=True)


def tell_terms(told: Told) -> None:
    say(f"{told['title']}, version {told['version']}: {extent(told)}")
    if told["description"]:
        say(told["description"])
    if gone := told["withdrawn"]:
        say(
            f"Withdrawn   by its community at entry {gone['entry']}: its key is given to nobody any more; of "
            f"{count(gone['holders'], 'known holder')}, {gone['dropped']} said that they dropped it "
            "(cooperative nodes only; nothing is proven)"
        )
    say(
        f"By          {', '.join(told['creators']) or 'nobody named'}\nPublished   by {told['publisher']}, "
        f"{when(told['created'])}\nLicence     {told['licence']}"
    )
    for each in told["licences"]:
        say(f"{'':<11} {each['url'] or each['id']}")
    say_plain(told)
    for origin in told["origins"]:
        say(f"Based on    {origin['title']}, under {origin['licence']}: commons:{origin['cid']}")
    if told["impossible"]:
        say(f"Warning     {told['impossible']}")
    if told["listed"] is None:
        say(f"Commons     {unlisted(told)}")
    else:
        say(f"Commons     {told['commons']} lists it, at entry {told['listed']}")
    if told["conditions"]:
        say(f"Conditions  {told['conditions']}")
    for label in told["labels"]:
        say(f"Label       {label['name']}: {label['text']}")
    for each in told["licences"]:
        if each["text"]:
            say(f"{each['id']}:\n{each['text']}")
    if told["purposes"]:
        say(f"Purposes    only {', '.join(told['purposes'])}")
    say(f"Access      {told['access']}" + (f", for {told['grant_days']} days" if told["grant_days"] else ""))
    if told["access"] != "public" and not gone:
        say("Your request is logged: your peer id, the terms, your purpose and the time. It can be audited.")


def unlisted(told: Told) -> str:
    """Why nothing but a publisher's word says where a dataset was published, as a part of a sentence."""
    return f"it names {told['commons']}, and nobody has shown that this commons lists it: {told['unlisted']}"


def tell_files(told: Told) -> None:
    """Nothing: prints one file as it is, so that it can be written into one; several by their names."""
    for name, text in told["files"].items():
        say(text.rstrip() if len(told["files"]) == 1 else f"# {name}\n{text}")


def tell_exported(told: Told) -> None:
    say(f"{told['title']!r}, version {told['version']}: {extent(told)}, in {told['dest']}")
    if told["written"]:
        say(f"With {', '.join(told['written'])}.")


def tell_ask_acknowledgement(licence: str) -> str | None:
    """The licence's name as somebody typed it. Unacknowledged where nobody is at the terminal."""
    if not sys.stdin.isatty():
        raise Unacknowledged(
            f"this dataset is under {licence}: its terms were not acknowledged",
            hint=f"read them, then repeat with --acknowledge {licence}",
        )
    return questions.typed(f"Type {licence} to acknowledge these terms and send the request")


def tell_ask_purpose(allowed: list[str]) -> str:
    """One of the purposes that the terms allow, typed; "unstated" where that is allowed and nothing is."""
    default = "unstated" if "unstated" in allowed else None
    words = "These terms allow some purposes only. Yours is declared, and stands in the log"
    return questions.one_of(words, allowed, default)


def tell_fetched(told: Told) -> None:
    say(f"{told['title']!r}, version {told['version']}: {extent(told)}, every byte verified, in {told['dest']}")
    say(f"It is under {told['licence']}; {told['credit']} says whom to credit.")
    if told.get("listed", 0) is None:
        say(f"Its publisher's word alone says where it was published: {unlisted(told)}.")
    if told["unsent"]:
        say(f"Request {told['request']}: {told['unsent']}.")
    if told["receipt"] == "owed":
        say(f"The receipt could not be delivered yet ({told['why']}); `commons status` tries again.")


def tell_purposes(told: Told) -> None:
    table(("code", "meaning"), list(told.items()))
    say("GA4GH DUO ids, like DUO:0000042, are possible too. A purpose is declared, and nobody can check it.")


def tell_mirrored(told: Told) -> None:
    say(
        f"Carrying {told['title']!r} blind: {amount(told['sealed_bytes'])} sealed, verified. "
        f"Reference:\n{told['reference']}"
    )


def tell_dropped(told: Told) -> None:
    say(f"{told['cid']} is served no longer; {amount(told['freed_bytes'])} are free. What others hold stays with them.")


def tell_datasets(told: Told) -> None:
    if not told["datasets"]:
        say("No dataset is in this home. `commons publish` or `commons fetch` brings one.")
        return
    table(("dataset", "title", "version", "licence", "access", "files", "size", "role", "packs", "served"), [
        (d["cid"], d["title"], d["version"], d["licence"], d["access"], d["files"], amount(d["bytes"]), d["role"],
         d["packs"] + (f", {count(d['packs_missing'], 'pack')} missing" if d["packs"] == "incomplete" else ""),
         "withdrawn" if d["withdrawn"] is not None else "yes" if d["served"] else "no") for d in told["datasets"]
    ])  # fmt: skip


COMMANDS = (show_dataset, export, fetch, purposes, mirror, drop, list_datasets, refer)
