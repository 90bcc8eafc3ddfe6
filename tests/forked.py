"""Commands without the start of an interpreter for each: one process imports everything once, and forks.

Each command is a process of its own all the same, with its own words, folder, environment and files; only the start of
Python and its imports are shared, and with them what Python reads of its environment as it starts. `program` is called
as `commons` is, ends as its command ends, and passes on the signals that ask it to end. Who kills it at once (-9) kills
the command a moment later: to see what such a kill leaves, start an interpreter.
"""

from __future__ import annotations

import atexit
import functools
import gc
import marshal
import os
import selectors
import signal
import socket
import subprocess
import sys
import tempfile
import time
import traceback
from contextlib import suppress
from pathlib import Path
from typing import Any

PROGRAM = """#!{python} -ISE
import _signal, _socket, marshal, os, sys
line, said = _socket.socket(_socket.AF_UNIX), marshal.dumps((sys.argv[1:], os.getcwd(), dict(os.environ)))
line.connect({path!r})
files = b"".join(number.to_bytes(4, sys.byteorder) for number in (0, 1, 2))
line.sendmsg([len(said).to_bytes(4, "big")], [(_socket.SOL_SOCKET, _socket.SCM_RIGHTS, files)])
line.sendall(said)
def told():
    number = b""
    while not number.endswith(b"\\n"):
        number += line.recv(1) or sys.exit(1)
    return int(number)
pid = told()
for number in (_signal.SIGINT, _signal.SIGTERM):
    _signal.signal(number, lambda got, _: os.kill(pid, got))
code = told()
if code < 0:
    _signal.signal(-code, _signal.SIG_DFL)
    os.kill(os.getpid(), -code)
sys.exit(code)
"""
ENV = {"LC_ALL": "C.UTF-8", "PYTHONWARNINGS": "error,ignore::DeprecationWarning"}  # of the imports


@functools.cache
def program() -> str:
    """The path of the program. The process that imports ends with this one, whose end closes its standard input."""
    root = Path(__file__).parents[1]
    path = os.pathsep.join(filter(None, [str(root), os.environ.get("PYTHONPATH", "")]))
    server = subprocess.Popen(
        [sys.executable, "-P", "-m", "tests.forked"], cwd=root, env={**os.environ, **ENV, "PYTHONPATH": path},
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    atexit.register(server.communicate)
    assert server.stdout is not None
    said = server.stdout.readline().rstrip("\n")
    assert said, "the process that forks commands ended before it said where it is reached; see its words above"
    return said


class Clock:
    """Called as time.time, which it is from before the imports. `AHEAD` in the environment of a command says by how
    many seconds that command's is ahead."""

    def __init__(self) -> None:
        self.ahead, self._real = 0.0, time.time

    def __call__(self) -> float:
        return self._real() + self.ahead


def main() -> None:
    """Until standard input ends."""
    time.time = clock = Clock()
    import commons.net.host
    import commons.net.swarm
    import commons.node.control  # noqa: F401  what commands import when they need it
    from commons.cli import commands

    gc.freeze()
    running: dict[int, socket.socket] = {}
    woken, waking = os.pipe()
    for each in (woken, waking):
        os.set_blocking(each, False)
    signal.signal(signal.SIGCHLD, lambda _number, _frame: None)
    signal.set_wakeup_fd(waking)
    with tempfile.TemporaryDirectory() as folder, socket.socket(socket.AF_UNIX) as server:
        path = Path(folder, "commons")
        server.bind(f"{folder}/line")
        server.listen(64)
        path.write_text(PROGRAM.format(python=sys.executable, path=f"{folder}/line"))
        path.chmod(0o755)
        print(path, flush=True)
        with selectors.DefaultSelector() as watched:
            for each in (0, woken, server):
                watched.register(each, selectors.EVENT_READ)
            while True:
                for ready, _ in watched.select():
                    if ready.fd == 0:
                        for pid in running:
                            os.kill(pid, signal.SIGKILL)
                        return
                    if ready.fd == woken:
                        _bury(woken, running, watched)
                    elif ready.data in running:  # who called it is gone
                        watched.unregister(ready.fileobj)
                        os.kill(ready.data, signal.SIGKILL)
                    elif ready.fileobj is server and (asked := _asked(server)) is not None:
                        line, files, said = asked
                        if (pid := os.fork()) == 0:
                            for opened in (server, watched, *running.values(), line):
                                opened.close()
                            signal.set_wakeup_fd(-1)
                            os.close(woken)
                            os.close(waking)
                            _run(said, files, commands.main, clock)
                        for number in files:
                            os.close(number)
                        with suppress(OSError):
                            line.send(b"%d\n" % pid)
                        running[pid] = line
                        watched.register(line, selectors.EVENT_READ, pid)


def _bury(woken: int, running: dict[int, socket.socket], watched: selectors.BaseSelector) -> None:
    """Tell of each command that has ended how it did."""
    with suppress(BlockingIOError):
        os.read(woken, 4096)
    while running:
        pid, status = os.waitpid(-1, os.WNOHANG)
        if pid == 0:
            return
        line = running.pop(pid)
        with suppress(KeyError):
            watched.unregister(line)
        with suppress(OSError):
            line.send(b"%d\n" % os.waitstatus_to_exitcode(status))
        line.close()


def _asked(server: socket.socket) -> tuple[socket.socket, list[int], Any] | None:
    """Who calls, with which files, and with which words, in which folder and environment. None for one who is gone."""
    line, _ = server.accept()
    size, files, _, _ = socket.recv_fds(line, 4, 3)
    said = b""
    while len(said) < int.from_bytes(size, "big") and (more := line.recv(1 << 20)):
        said += more
    if not said or len(said) < int.from_bytes(size, "big"):
        for number in files:
            os.close(number)
        line.close()
        return None
    return line, files, marshal.loads(said)


def _run(said: Any, files: list[int], command: Any, clock: Clock) -> None:
    """One command, in a process of its own, to its end."""
    words, folder, env = said
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    for number, file in enumerate(files):
        os.dup2(file, number)
        os.close(file)
    sys.stdin = open(0, encoding="utf-8", closefd=False)  # noqa: SIM115  the ones of the imports know other files
    sys.stdout = open(1, "w", encoding="utf-8", closefd=False)  # noqa: SIM115
    sys.stderr = open(2, "w", encoding="utf-8", errors="backslashreplace", closefd=False, buffering=1)  # noqa: SIM115
    os.chdir(folder)
    clock.ahead = float(env.pop("AHEAD", 0))
    os.environ.clear()
    os.environ.update(env)
    time.tzset()
    sys.argv, code = ["commons", *words], 0
    try:
        command(prog_name="commons")
    except SystemExit as ended:
        code = ended.code if isinstance(ended.code, int) else int(ended.code is not None)
    except BaseException:
        traceback.print_exc()
        code = 1
    for stream in filter(None, (sys.stdout, sys.stderr)):
        stream.flush()
    os._exit(code)


if __name__ == "__main__":
    main()
