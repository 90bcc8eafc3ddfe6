"""Commands of a page without the start of an interpreter for each: one process imports everything once, and forks.

Each command is a process of its own all the same, with its own words, folder, environment and files; only the start of
Python and its imports are shared. `main` is that one process; `CLIENT` a program that looks like `commons` to a shell.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import traceback
from collections.abc import Iterator
from pathlib import Path

from tests.conftest import LIMIT

CLIENT = """#!{python} -ISE
import json, os, signal, socket, sys
line = socket.socket(socket.AF_UNIX)
line.connect({path!r})
said = {{"words": sys.argv[1:], "folder": os.getcwd(), "env": dict(os.environ)}}
socket.send_fds(line, [json.dumps(said).encode()], [0, 1, 2])
told = line.makefile("rb")  # lines: both may arrive at once
pid = int(told.readline())
for number in (signal.SIGINT, signal.SIGTERM):
    signal.signal(number, lambda got, _: os.kill(pid, got))
sys.exit(int(told.readline() or 1))
"""


@contextlib.contextmanager
def forking(folder: Path, env: dict[str, str]) -> Iterator[Path]:
    """A program to be called instead of `commons` while this is open. `env` is that of the imports."""
    path, program = folder / "line", folder / "commons"
    server = subprocess.Popen(
        [sys.executable, "-P", "-m", "tests.forked", str(path)], env=env, stdout=subprocess.PIPE,
        stdin=subprocess.DEVNULL,
    )  # fmt: skip
    assert server.stdout is not None
    try:
        assert server.stdout.readline() == b"ready\n"
        program.write_text(CLIENT.format(python=sys.executable, path=str(path)))
        program.chmod(0o755)
        yield program
    finally:
        server.terminate()
        server.wait(LIMIT)
        server.stdout.close()


def main(path: str) -> None:
    import commons.control
    import commons.net.host
    import commons.net.swarm  # noqa: F401  what commands import when they need it
    from commons import commands

    with socket.socket(socket.AF_UNIX) as server:
        server.bind(path)
        server.listen(64)
        signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # nobody waits here for those that end
        print("ready", flush=True)
        while True:
            line, _ = server.accept()
            if os.fork() == 0:
                server.close()
                _run(line, commands.main)
            line.close()


def _run(line: socket.socket, command: object) -> None:
    """One command, in a process of its own, to its end."""
    data, files, _, _ = socket.recv_fds(line, 1 << 20, 3)
    said = json.loads(data)
    line.send(b"%d\n" % os.getpid())
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    for number, file in enumerate(files):
        os.dup2(file, number)
        os.close(file)
    sys.stdout = open(1, "w", encoding="utf-8", closefd=False)  # noqa: SIM115  the ones of the imports know another file
    sys.stderr = open(2, "w", encoding="utf-8", errors="backslashreplace", closefd=False, buffering=1)  # noqa: SIM115
    os.chdir(said["folder"])
    os.environ.clear()
    os.environ.update(said["env"])
    sys.argv, code = ["commons", *said["words"]], 0
    try:
        command(prog_name="commons")  # type: ignore[operator]
    except SystemExit as ended:
        code = ended.code if isinstance(ended.code, int) else int(ended.code is not None)
    except BaseException:
        traceback.print_exc()
        code = 1
    for stream in filter(None, (sys.stdout, sys.stderr)):
        stream.flush()
    line.send(b"%d\n" % code)
    os._exit(code)


if __name__ == "__main__":
    main(sys.argv[1])
