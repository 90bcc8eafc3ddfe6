"""What two nodes send each other while nobody does anything: bytes on the wire an hour, all headers counted.

    python bench/idle.py [minutes, 60 unless told]

A registrar and a member of one community, each in a network of its own, with defaults only. Needs root, iproute2 and
nftables. The kernel counts whole IP packets from the third minute on, on the one cable between them. The limit beside
it is counted on that cable's twin in the same time: one TCP connection over which nothing is said, kept by the kernel's
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
COUNTED = """
table inet counted {
  counter wire {}
  counter twin {}
  chain came {
    type filter hook input priority 0;
    meta nfproto ipv4 iifname "wire" counter name "wire"
    meta nfproto ipv4 iifname "twin" counter name "twin"
  }
  chain went {
    type filter hook output priority 0;
    meta nfproto ipv4 oifname "wire" counter name "wire"
    meta nfproto ipv4 oifname "twin" counter name "twin"
  }
}
"""


def run(*words: str, **more: Any) -> str:
    return subprocess.run(words, check=True, text=True, stdout=subprocess.PIPE, **more).stdout


def within(at: int, *words: str) -> list[str]:
    return ["ip", "netns", "exec", NAMES[at], *words]


def counted(cable: str) -> int:
    """Bytes of the IP packets that went over a cable, both ways."""
    found = json.loads(run(*within(0, "nft", "-j", "list", "counter", "inet", "counted", cable)))
    return int(next(each["counter"]["bytes"] for each in found["nftables"] if "counter" in each))


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

        run(*within(0, "nft", "-f", "-"), input=COUNTED)

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
