"""The command `publish`: the words of a publisher, whose options `licence check` has too."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, TypeVar

import click

from commons.cli import stop
from commons.cli.show import Told, amount, count, extent, say
from commons.cli.terminal import PLACE, Shell, go_on, pass_context, place, read_text, sources
from commons.cli.usage import WHOLE, OneOf
from commons.errors import Malformed

F = TypeVar("F", bound=Callable[..., Any])

_WORDS = (
    click.argument("path", type=PLACE),
    click.option("--title", help="What the dataset is called."),
    click.option("--licence", "--license", metavar="LICENCE",
                 help="CC-BY-4.0, a licence's URL or name, LicenseRef-NAME, or an SPDX expression of several."),
    click.option("--licence-text", "licence_texts", multiple=True, metavar="[ID=]FILE",
                 help="The text of a LicenseRef-NAME; repeat for several."),
    click.option("--creator", "creators", multiple=True, metavar="NAME", help='Whom to credit, as "Ana Martins" or '
                 '"Ana Martins <https://orcid.org/…>"; repeat for several.'),
    click.option("--organisation", "organisations", multiple=True, metavar="NAME",
                 help='An organisation to credit, as "Name" or "Name <https://ror.org/…>".'),
    click.option("--description", help="What it is, in a few sentences."),
    click.option("--keyword", "keywords", multiple=True, metavar="WORD", help="What it is about; repeat for several."),
    click.option("--identifier", metavar="DOI", help="A DOI or address it has elsewhere."),
    click.option("--copyright", help="The copyright notice to keep."),
    click.option("--credit-line", help="The licensor's own wording of the credit, kept as it is."),
    click.option("--source-url", metavar="URL", help="Where the data comes from."),
    click.option("--updated", metavar="DATE", help="The day of the data's last update, e.g. 2030-12-31."),
    click.option("--label", "labels", multiple=True, metavar="NAME=FILE",
                 help="A community's label or notice (Local Contexts), kept by every copy; repeat for several."),
    click.option("--changes", metavar="TEXT", help="What was changed, for data made from other data."),
    click.option("--collection", is_flag=True, help="The files stand side by side, each under its own licence."),
    click.option("--conditions", help="Conditions of yours beside the licence, where you are the licensor."),
    click.option("--access", type=OneOf(["public", "acknowledge", "members", "allow-list", "approval", "vote"]),
                 default="acknowledge", show_default=True, help="Who is given the key."),
    click.option("--allow", multiple=True, metavar="PEER", help="A peer id on the allow-list; repeat for several."),
    click.option("--college", metavar="NAME",
                 help="With --access members: only this college; with vote: any one of it decides."),
    click.option("--purpose", "purposes", multiple=True, metavar="CODE",
                 help="Allow this purpose only; may be repeated."),
    click.option("--grant-days", type=WHOLE, help="Grants end after so many days."),
    click.option("--ignore-metadata", metavar="FILE", multiple=True,
                 help="Pass over what this file of the folder says of others or itself; repeat for several."),
    click.option("--follow-links", is_flag=True, help="Take what symbolic links point to; they are refused otherwise."),
    click.option("--hidden", is_flag=True,
                 help="Take hidden files, and what is left out by its name as a secret; they are left out otherwise."),
)  # fmt: skip


def words(command: F) -> F:
    """The options that say what is published."""
    for option in reversed(_WORDS):
        command = option(command)
    return command


def spoken(path: Path, **words: Any) -> dict[str, Any]:
    """The words of `publish` as verbs take them: files read, paths absolute."""
    if words["allow"] and words["access"] == "acknowledge":
        words["access"] = "allow-list"
    for name in ("licence_texts", "labels"):
        pairs = [each.rpartition("=") for each in words[name]]
        if name == "labels" and not all(equals for _, equals, _ in pairs):
            raise Malformed("a label has a name", hint='--label "TK Attribution=FILE"')
        words[name] = [f"{key}{equals}{_published(place(file))}" for key, equals, file in pairs]
    words["ignore_metadata"] = tuple(_inside(each, path.absolute()) for each in words["ignore_metadata"])
    listed = {name: list(value) if isinstance(value, tuple) else value for name, value in words.items()}
    return {"path": str(path.absolute()), **listed}


def _published(path: Path) -> str:
    """The text of a file, all of which is published."""
    with stop.AtOnce():
        from commons.disk import private

    private.check_given(path)
    return read_text(path)


def _inside(file: str, folder: Path) -> str:
    """The name in `folder` of a file that may be named as the shell completes it."""
    whole = place(file).absolute()
    return whole.relative_to(folder).as_posix() if whole.is_relative_to(folder) else file


@click.command()
@words
@click.option(
    "--based-on",
    multiple=True,
    metavar="REF",
    help="A dataset it is made from: licence checked, credit kept; repeat for several.",
)
@sources
@click.option("--update", metavar="REF", help="Publish as the next version of this dataset.")
@click.option(
    "--in",
    "named",
    metavar="ID",
    help="Publish in the log of this community, of which you are a member; else in your own.",
)
@click.option("--dry-run", is_flag=True, help="Say what would be published, file by file, and seal nothing.")
@go_on
@pass_context
def publish(c: Shell, /, path: Path, dry_run: bool, **words: Any) -> None:
    """Seal a file or a folder, log it, and print its reference.

    What the folder's own metadata says (croissant.json, ro-crate-metadata.json, datapackage.json, CITATION.cff,
    .zenodo.json, a README's front matter, REUSE) need not be said again.
    """
    said = spoken(path, **words)
    if dry_run:
        c.tell(c.call("plan", **said), tell_planned)
        return
    with stop.AtOnce():
        from commons.disk import folder

    left = folder.scan(path, words["follow_links"], words["hidden"]).left
    if not c.json:
        tell_left([asdict(each) for each in left])  # before anything is sealed
    c.tell(c.call("publish", bar="Publishing", **said), tell_published)


def tell_left(left: Sequence[Told], most: int = 20) -> None:
    """Nothing: prints what is left out of a dataset, and why, at most so many of each kind."""
    kinds: dict[str, list[str]] = {}
    for each in left:
        inside = f" ({count(each['files'], 'file')})" if each["path"].endswith("/") else ""
        kinds.setdefault(each["why"], []).append(each["path"] + inside)
    for why, paths in kinds.items():
        more = f" and {len(paths) - most} more, which --dry-run lists" if len(paths) > most else ""
        say(f"Left out: {', '.join(paths[:most])}{more}: {why}.")
    if any(not why.startswith("named in ") for why in kinds):
        say("`--hidden` takes what is left out by its name.")


def tell_files(told: Told) -> None:
    """Nothing: prints every file, with its licence and its size."""
    for each in told["listed"]:
        own = told["rights"].get(each["path"], {"licence": "", "copyright": ""})
        notice = f", {own['copyright'].replace(chr(10), '; ')}" if own["copyright"] else ""
        say(f"{each['path']}: {own['licence'] or told['licence']}{notice}, {amount(each['bytes'])}")
    tell_left(told["left_out"], len(told["left_out"]))


def tell_planned(told: Told) -> None:
    say(f"{told['title']!r} would be published: {extent(told)}, under {told['licence']}.")
    tell_files(told)
    tell_findings(told)
    say("Nothing was sealed.")


def tell_findings(told: Told) -> None:
    for field, file in told["taken"].items():
        say(f"Taken: {field} from {file}.")
    for each in told["passed_over"]:
        if not any(notice.startswith(f"{each['file']}: ") and each["why"] in notice for notice in told["notices"]):
            say(f"Passed over: {each['field']} of {each['file']}: {each['why']}.")
    for file, names in told["not_carried"].items():
        say(f"Not carried from {file}: {', '.join(names)}.")
    for warning in told["warnings"]:
        say(f"Warning: {warning['text']} [{warning['code']}]: {warning['todo']}.")
    for notice in told["notices"]:
        say(f"Note: {notice}.")


def tell_published(told: Told) -> None:
    say(
        f"Published {told['title']!r}, version {told['version']}: {extent(told)}, under {told['licence']}, "
        f"access {told['access']}."
    )
    if told["reused_bytes"]:
        say(f"{amount(told['reused_bytes'])} did not change and are shared with the version before.")
    tell_findings(told)
    if told["again"]:
        say("The same files under the same words were signed before: this is that dataset, and no second one.")
    say(f"It is entry {told['entry']} of the log. Its reference:\n{told['reference']}")
    if told["reach"] == "nowhere":
        say(
            "It names no address: `commons refer --lan` adds those of your node's network, while the node runs, and "
            "`commons announce` sets one that everybody can dial."
        )


COMMANDS = (publish,)
