"""What two nodes send each other while nobody does anything: bytes on the wire an hour, all headers counted.

    python bench/idle.py [minutes, 60 unless told]

A registrar and a member of one community, each in a network of its own, with defaults only. Needs root and iproute2.
They are counted from their third minute on, by the kernel, on the one cable between them. The limit beside it is
counted on the same cable's twin in the same time: one TCP connection over which nothing is said, kept by the kernel's
own word a minute.
"""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

SETTLING = 180.0  # seconds
CHARTER = 'name = "Idle"\n[colleges]\nworkers = ["me"]\n[powers.admit]\nrule = "group w any *workers\\nquorum w"\n'
NAMES = [f"idle-{os.getpid()}-{each}" for each in "ab"]
KEPT = """
import socket, sys, time
here, listening = sys.argv[1:]
if listening == "yes":
    server = socket.create_server((here, 9000)); print("ready", flush=True); kept = server.accept()[0]
else:
    kept = socket.create_connection((here, 9000)); print("ready", flush=True)
    kept.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    kept.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, 60)
time.sleep(86400)
"""


def run(*words: str, **more: Any) -> str:
    return subprocess.run(words, check=True, text=True, stdout=subprocess.PIPE, **more).stdout


def within(at: int, *words: str) -> list[str]:
    return ["ip", "netns", "exec", NAMES[at], *words]


def counted(cable: str) -> int:
    """Bytes that went over a cable, both ways, with their Ethernet headers."""
    (link,) = json.loads(run(*within(0, "ip", "-j", "-s", "link", "show", cable)))
    return sum(int(link["stats64"][way]["bytes"]) for way in ("rx", "tx"))


def main() -> None:
    minutes = float((sys.argv[1:] or ["60"])[0])
    with contextlib.ExitStack() as made:
        folder = Path(made.enter_context(tempfile.TemporaryDirectory()))
        for name in NAMES:
            run("ip", "netns", "add", name)
            made.callback(run, "ip", "netns", "delete", name)
            run("ip", "-n", name, "link", "set", "lo", "up")
        for n, cable in enumerate(("wire", "twin")):
            run("ip", "-n", NAMES[0], "link", "add", cable, "type", "veth", "peer", "name", cable, "netns", NAMES[1])
            for at, name in enumerate(NAMES):
                run("ip", "-n", name, "address", "add", f"10.213.{n}.{at + 1}/24", "dev", cable)
                run("ip", "-n", name, "link", "set", cable, "up")

        def commons(at: int, *words: str, typed: str = "") -> dict[str, Any]:
            program = [sys.executable, "-P", "-m", "commons.cli", "--json", "--home", str(folder / NAMES[at])]
            told: dict[str, Any] = json.loads(run(*within(at, *program, *words), input=typed, cwd=folder))
            return told

        def started(at: int, *words: str) -> str:
            process = subprocess.Popen(
                within(at, sys.executable, *words), text=True, stdout=subprocess.PIPE, cwd=folder
            )
            made.callback(process.wait)
            made.callback(process.terminate)
            assert process.stdout is not None
            return process.stdout.readline()

        (folder / "charter.toml").write_text(CHARTER)
        commons(0, "init")
        commons(1, "init")
        for at in range(2):
            started(at, "-P", "-m", "commons.cli", "--json", "--home", str(folder / NAMES[at]), "node")
        commons(0, "community", "new", "charter.toml")
        commons(1, "community", "join", typed=commons(0, "community", "invite", "workers")["invitation"])
        for at, listening in enumerate(("yes", "no")):
            started(at, "-c", KEPT, "10.213.1.1", listening)
        time.sleep(SETTLING)
        before, begun = [counted("wire"), counted("twin")], time.monotonic()
        for _ in range(round(minutes)):
            time.sleep(60)
            hours = (time.monotonic() - begun) / 3600
            sent, limit = ((now - was) / hours for now, was in zip(map(counted, ("wire", "twin")), before, strict=True))
            said = (
                f"{hours * 60:5.0f} minutes: {sent / 1000:8.1f} kB an hour, {limit / 1000:5.1f} for a kept connection"
            )
            print(f"{said}, {sent / limit:5.1f} times", flush=True)
    print(f"{os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}, one run")


if __name__ == "__main__":
    main()
