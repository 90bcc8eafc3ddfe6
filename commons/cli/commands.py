"""The command line: the commands of this folder under one name.

Everything heavy is imported by the command that needs it, so that `commons --help` answers at once.
"""

from __future__ import annotations

from pathlib import Path

import click

from commons.cli import backup, community, custody, data, licence, log, node, publish, witness
from commons.cli.terminal import PLACE, Commons, Shell
from commons.version import __version__


@click.group(cls=Commons, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="commons")
@click.option("--home", envvar="COMMONS_HOME", type=PLACE, help="The node's folder.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON, errors included.")
@click.pass_context
def main(ctx: click.Context, home: Path | None, as_json: bool) -> None:
    """Share datasets peer to peer under their licence, and account for who was given the key."""
    ctx.obj = Shell(home, as_json)


for room in (node, backup, publish, data, log, community, custody, witness, licence):
    for command in room.COMMANDS:
        main.add_command(command)
