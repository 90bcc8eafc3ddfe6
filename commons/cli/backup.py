"""The commands of a backup: a home in one file that a passphrase opens, and a home out of it."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

import click

from commons.cli import questions, show, stop
from commons.cli.show import Told, amount, count, say, when
from commons.cli.terminal import PLACE, Shell, pass_context, source_of
from commons.errors import Malformed, refusal

SECRET = 4096  # bytes of a passphrase, at most

passphrase_file = click.option(
    "--passphrase-file", "given", metavar="FILE",
    help="The file whose first line is the passphrase, or - for standard input; else it is asked for.",
)  # fmt: skip


@click.command()
@click.argument("file", type=PLACE)
@click.option("--packs", is_flag=True, help="With the sealed data, too.")
@passphrase_file
@pass_context
def backup(c: Shell, file: Path, packs: bool, given: str | None) -> None:
    """Write this home into the new FILE, whether or not a node runs on it. Only the passphrase opens it."""
    words = _passphrase(c, given, twice=True)
    path = str(file.absolute())
    c.tell(c.call("backup", bar="Backing up", path=path, passphrase=words, packs=packs), tell_written)


@click.command()
@click.argument("file", type=PLACE)
@click.option("--from", "sources", multiple=True, metavar="SOURCE",
              help="Who may have a newer copy of the log: an address, or an exported log.")  # fmt: skip
@passphrase_file
@pass_context
def restore(c: Shell, file: Path, sources: tuple[str, ...], given: str | None) -> None:
    """Make the home that --home names, which must not be there yet, out of the backup FILE."""
    with stop.AtOnce():
        from commons import session
        from commons.node.verbs.shapes import plain
    asked = [source_of(each) or each for each in sources]
    words = _passphrase(c, given, twice=False)
    with show.progress("Restoring" if not c.json else "") as progress:
        made = asyncio.run(session.restore(file, c.home, passphrase=words, sources=asked, progress=progress))
    c.tell(plain(made), tell_restored)


def _passphrase(c: Shell, given: str | None, twice: bool) -> str:
    if given is None and not c.json and sys.stdin.isatty():
        asked = questions.twice if twice else questions.unseen
        return asked("Passphrase of the backup", err=True)
    if given is None:
        raise Malformed(
            "there is nobody to ask for the passphrase", hint="name a file that begins with it: --passphrase-file FILE"
        )
    try:
        if given == "-":
            data = sys.stdin.buffer.readline(SECRET)
        else:
            with open(Path(given).expanduser(), "rb") as file:
                data = file.readline(SECRET)
    except OSError as error:
        raise Malformed(
            f"cannot read {given}: {refusal(error)}", hint="name a file, or - for standard input"
        ) from error
    found = data.rstrip(b"\r\n").decode("utf-8", "surrogateescape")
    if not found:
        raise Malformed("the passphrase is empty", hint="the first line of that file is taken")
    return found


def tell_written(told: Told) -> None:
    say(f"Wrote {told['path']}: {count(told['entries'], 'entry')} and {count(told['files'], 'file')}, "
        f"{amount(told['bytes'])}, which only the passphrase opens.")  # fmt: skip
    if not told["packs"]:
        say("The sealed data is not in it: --packs takes it along; a mirror has it, or the files are published again.")
    if told["delete_by"] is None:
        say("Delete by   no day: this charter keeps who asked for what without end")
    else:
        say(f"Delete by   {when(told['delete_by'])[:10]}: then the first request in it has to be erased everywhere")


def tell_restored(told: Told) -> None:
    say(f"Made a home at {told['home']}, as it was at {when(told['made'])}.")
    say(f"Commons     {told['commons']}  ({told['name']}), {count(told['entries'], 'entry')}")
    _tell_log(told)
    for log in told["others"]:
        say(f"And         {log['commons']}  ({log['name']})")
        _tell_log(log)
    for each in told["kept"]:
        said = f"{count(each['erased'], 'opening')} erased since and destroyed here, {each['openings']} kept"
        more = "" if each["heard"] else "; nobody showed its log, which an audit reads before it opens any"
        say(f"Kept        of {each['commons']}: {said}{more}")
    if told["packs_missing"]:
        say(f"Packs       {count(told['packs_missing'], 'pack')} missing, of datasets that this home serves")
    for each in told["damaged"]:
        say(f"DAMAGED     {each['table']} {each['row']}: {each['what']}")
    if told["overdue"]:
        say(f"This backup had to be deleted by {when(told['delete_by'])[:10]}: delete it.")


def _tell_log(told: Told) -> None:
    """What others said of one of its logs."""
    if told["heard"]:
        say(f"Compared    with {', '.join(told['heard'])}: nothing newer of this log")
    if told["erased"]:
        say(f"Erased      since: the details of {', '.join(map(str, told['erased']))} are destroyed here, too")
    for each in told["failed"]:
        say(f"No answer   from {each['source']}: {each['message']}")
    if told["shut"]:
        say(f"Shut        {told['shut']}\n            {told['next']}")
    elif not told["heard"]:
        say("Nobody says whether this is the newest copy of this log. Nothing was written to it.")
    if told["withheld"]:
        say(f"Withheld    who asked for what: {told['withheld']}")


COMMANDS = (backup, restore)
