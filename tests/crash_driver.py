"""A process that kills itself (-9) between two steps of what it does, and the network inside of one process.

A step is a write that could be the last: an fsync, a rename, a piece, a statement that changes a database. The child
is a real process with real files. What it tells, it appends to a file, so that a kill cannot take it back.
"""

from __future__ import annotations

import os
import signal
import sqlite3
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from commons.disk import packs, sql
from commons.errors import NotFound, Unreachable
from commons.node.node import Node

WRITES = ("INSERT", "UPDATE", "DELETE", "COMMIT", "PRAGMA wal_checkpoint")


class Inside:
    """The network between two nodes of one process; counts the bytes of packs that cross it. With `lost`, the answer to
    that message (the first is 1) never arrives: what it asked for was done."""

    def __init__(self, steward: Node, lost: int = 0) -> None:
        self.steward, self.lost, self.bytes, self.posts = steward, lost, 0, 0

    async def get(self, source: str, path: str, *, limit: int, span: tuple[int, int] | None = None) -> bytes:
        site, parts = self.steward.site, path.split("/")
        if parts[1] == "manifests":
            return site.manifest(parts[2])
        if parts[2] == "notices":
            return site.notice(parts[1], parts[3])
        if parts[2] == "tile":
            return site.tile(parts[1], "/".join(parts[2:]))
        if parts[1] != "packs":
            raise NotFound(path)
        root = bytes.fromhex(parts[2])
        if path.endswith("/pieces"):
            return site.pieces(root)
        data = site.pack(root).read_bytes()[slice(*span)] if span else b""
        self.bytes += len(data)
        return data

    async def post(self, source: str, path: str, body: bytes, *, limit: int) -> bytes:
        _, commons, what, *rest = path.split("/")
        if what == "datasets":  # asked, and not told
            return self.steward.site.listed(commons, rest[0], body)
        self.posts += 1
        lost = self.posts == self.lost
        if what == "release":
            answer = self.steward.site.release(commons, body)
        else:
            answer = await self.steward.site.submit(commons, body)
        if lost:
            raise Unreachable("the line broke before the answer came")
        return answer


def die_at(step: int, pieces: Path | None = None, also: Sequence[tuple[Any, str]] = ()) -> None:
    """From now on this process counts its steps and kills itself before number `step`. Pieces that were written are
    told in `pieces`, their sizes one a line. Functions of a module or class are steps `also`, by their names."""
    count, lock = 0, threading.Lock()

    def point() -> None:
        nonlocal count
        with lock:
            count += 1
            if count == step:
                os.kill(os.getpid(), signal.SIGKILL)

    def before(function: Callable[..., Any]) -> Callable[..., Any]:
        def wrapped(*args: Any, **words: Any) -> Any:
            point()
            return function(*args, **words)

        return wrapped

    write = packs.Partial.write

    def written(self: packs.Partial, index: int, data: Any) -> None:
        point()
        write(self, index, data)
        if pieces is not None:
            with pieces.open("a") as file:
                file.write(f"{len(data)}\n")

    os.fsync, os.rename, os.replace = before(os.fsync), before(os.rename), before(os.replace)
    os.link = before(os.link)
    packs.Partial.write = written  # type: ignore[method-assign]
    for owner, name in also:
        setattr(owner, name, before(getattr(owner, name)))
    connect = sql.connect

    def traced(path: Path, schema: str) -> sqlite3.Connection:
        db = connect(path, schema)
        db.set_trace_callback(lambda said: point() if said.startswith(WRITES) else None)
        return db

    sql.connect = traced


def in_child(work: Callable[[], None]) -> int:
    """The exit code of `work` in a forked process; -9 if it was killed."""
    child = os.fork()
    if child == 0:
        code = 1
        try:
            work()
            code = 0
        except BaseException as error:
            os.write(2, f"{error!r}\n".encode())
        finally:
            os._exit(code)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def told(path: Path) -> list[str]:
    return path.read_text().split("\n")[:-1] if path.exists() else []
