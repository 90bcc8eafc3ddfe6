"""`commons demo`: a steward, a mirror and a reader, three real nodes on loopback, telling what a user would type.

Every step is the command line itself, in its own process. Everything lies in one temporary folder and goes with it.
"""

from __future__ import annotations

import json
import os
import shlex
import subprocess
import sys
import tempfile
from pathlib import Path

import click

from commons import examples
from commons.cli import show
from commons.errors import Internal

# -P: a file named like one of ours, where the user stands, is not run
COMMONS = (sys.executable, "-P", "-m", "commons.cli")
ANY = "/ip4/127.0.0.1/tcp/0"


def run() -> int:
    """The exit code of the demo: 0 if every step did what it says."""
    with tempfile.TemporaryDirectory(prefix="commons-demo-") as folder:
        story = _Story(Path(folder))
        try:
            story.tell()
        finally:
            story.end()
    show.put("\nThe three nodes are stopped and their folder is gone. Nothing is left of them.")
    return 0


class _Story:
    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.nodes: list[subprocess.Popen[str]] = []
        ours = [str(Path(__file__).parents[1]), os.environ.get("PYTHONPATH", "")]
        self.env = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, ours))}

    def tell(self) -> None:
        penguins = examples.path("penguins")
        self.heading("Three people, three nodes. Each makes a home and runs a node.")
        for who in ("steward", "mirror", "reader"):
            self.do(who, "init", "--name", f"the {who}'s commons")
        where = {who: self.start(who) for who in ("steward", "mirror", "reader")}

        self.heading(
            "The steward publishes a folder. It is sealed, signed, and an entry of the log, before it has a name."
        )
        told = self.do(
            "steward", "publish", str(penguins), "--title", "Palmer penguins", "--licence", "CC0-1.0", "--creator",
            "Allison Horst", "--creator", "Alison Hill", "--creator", "Kristen Gorman",
        )  # fmt: skip
        dataset = next(word for word in told.split() if word.startswith("commons:baf"))

        self.heading("A stranger carries it: sealed packs, verified, and no key.")
        self.do("mirror", "mirror", dataset, "--from", where["steward"])
        self.heading("The steward deletes the packs. From here on the bytes come from the mirror alone.")
        self.do("steward", "drop", dataset)

        self.heading("A reader sees the terms, acknowledges them by name, and is given the key by the steward's log.")
        self.do("reader", "show", dataset, "--from", where["mirror"])
        copy = self.folder / "penguins"
        self.do(
            "reader", "fetch", dataset, str(copy), "--from", where["mirror"], "--from", where["steward"],
            "--acknowledge", "CC0-1.0", "--purpose", "education",
        )  # fmt: skip
        for file in sorted(p for p in penguins.rglob("*") if p.is_file() and "__pycache__" not in p.parts):
            if (copy / file.relative_to(penguins)).read_bytes() != file.read_bytes():
                raise Internal(f"{file.name} did not arrive as it was published")
        show.put(f"  ({copy.name}/ is byte for byte the steward's; ATTRIBUTION.txt beside it says whom to credit)")

        self.heading("Who accessed what? The steward asks the log; everything in it is recomputed.")
        self.do("steward", "audit")
        self.heading("And a third party needs no network and no node: one exported file is enough.")
        self.do("steward", "log", "export", str(self.folder / "log.zip"), "--openings")
        self.do("nobody", "audit", str(self.folder / "log.zip"))

    def heading(self, text: str) -> None:
        show.put("\n" + click.style(text, bold=True))

    def do(self, who: str, *words: str) -> str:
        """One command, shown as typed (the folder's path left out), and what it printed."""
        typed = shlex.join(w.replace(f"{self.folder}/", "") for w in words)
        show.put(f"{who}$ commons {typed}")
        done = subprocess.run(
            [*COMMONS, "--home", str(self.folder / who), *words],
            capture_output=True,
            text=True,
            timeout=60,
            stdin=subprocess.DEVNULL,
            check=False,
            env=self.env,
        )
        show.put("\n".join(f"  {line}" for line in (done.stdout + done.stderr).splitlines()))
        if done.returncode:
            raise Internal(f"this step of the demo failed with exit code {done.returncode}")
        return done.stdout

    def start(self, who: str) -> str:
        """A node in a process of its own; its address, once it is reachable."""
        show.put(f"{who}$ commons node --listen {ANY} &")
        node = subprocess.Popen(
            [*COMMONS, "--home", str(self.folder / who), "--json", "node", "--listen", ANY],
            stdout=subprocess.PIPE,
            stdin=subprocess.DEVNULL,
            text=True,
            env=self.env,
        )
        self.nodes.append(node)
        line = node.stdout.readline() if node.stdout else ""
        try:
            address = str(json.loads(line)["addresses"][0])
        except (ValueError, LookupError) as error:
            raise Internal(f"the {who}'s node did not start: {line}") from error
        show.put(f"  {address}")
        return address

    def end(self) -> None:
        for node in self.nodes:
            node.terminate()
        for node in self.nodes:
            try:
                node.wait(5)
            except subprocess.TimeoutExpired:
                node.kill()
                node.wait()
            if node.stdout:
                node.stdout.close()
