"""How fast files become sealed packs, beside what the work would cost were it split over two cores without a seam.

    python bench/publish.py [--mebibytes 1024] [--files 2000] [--small 100000] [--runs 3] [--folder /var/tmp]

The limit is measured in the same run, over the same files: open and read them, SHA-256 of the files, SHA-256 of the
leaves and pieces, AES-256-GCM, write and fsync; each alone, on one thread, summed, halved. zstd is not in it: the large
files are random, the small ones are text. Medians. Peak memory is that of a process that only packs.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import random
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from commons.core.dataset import pieces
from commons.disk import folder, packer
from commons.disk.packs import Store

MIB = 1 << 20


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--mebibytes", type=int, default=1024, help="of one large random file")
    parser.add_argument("--files", type=int, default=2000, help="of 64 KiB, random")
    parser.add_argument("--small", type=int, default=100_000, help="small text files")
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--folder", type=Path, default=None, help="where to work: some GiB")
    parser.add_argument("--child", nargs=2, type=Path, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.child:
        print(json.dumps(child(*given.child)))
        return
    place = Path(tempfile.mkdtemp(dir=given.folder))
    try:
        cases = {
            f"{given.mebibytes:,} MiB, random": large(place / "large", given.mebibytes),
            f"{given.files:,} x 64 KiB, random": many(place / "many", given.files),
            f"{given.small:,} small, text": small(place / "small", given.small),
        }
        os.sync()
        print(f"{'':28}{'MiB':>7}{'pack s':>9}{'MiB/s':>8}{'files/s':>9}{'limit s':>9}{'of limit':>10}{'peak MiB':>10}")
        for name, root in cases.items():
            runs = [pack(root, place / "store") for _ in range(given.runs)]
            seconds, peak = statistics.median(run["seconds"] for run in runs), max(run["peak"] for run in runs)
            least = statistics.median(limit(root, place / "limit") for _ in range(given.runs))
            size, count = runs[0]["bytes"] / MIB, runs[0]["files"]
            print(
                f"{name:28}{size:7.0f}{seconds:9.2f}{size / seconds:8.0f}{count / seconds:9.0f}"
                f"{least:9.2f}{least / seconds:10.0%}{peak:10.0f}"
            )
    finally:
        shutil.rmtree(place)


def large(root: Path, mebibytes: int) -> Path:
    root.mkdir()
    with open(root / "data.bin", "wb") as file:
        for _ in range(mebibytes):
            file.write(os.urandom(MIB))
    return root


def many(root: Path, count: int) -> Path:
    root.mkdir()
    for i in range(count):
        (root / f"{i:06d}.bin").write_bytes(os.urandom(1 << 16))
    return root


def small(root: Path, count: int) -> Path:
    chance = random.Random(1)
    lines = [b"%d,%.4f,north\n" % (i, chance.random()) for i in range(10_000)]
    for i in range(count):
        if i % 1000 == 0:
            (root / f"site-{i // 1000:04d}").mkdir(parents=True)
        start = chance.randrange(9_900)
        path = root / f"site-{i // 1000:04d}/measurement-{i:06d}.csv"
        path.write_bytes(b"".join(lines[start : start + chance.randrange(10, 100)]))
    return root


def pack(root: Path, store: Path) -> dict[str, float]:
    command = [sys.executable, __file__, "--child", str(root), str(store)]
    try:
        told: dict[str, float] = json.loads(subprocess.run(command, check=True, capture_output=True).stdout)
    finally:
        shutil.rmtree(store, ignore_errors=True)
    return told


def child(root: Path, place: Path) -> dict[str, float]:
    store = Store(place)
    start = time.perf_counter()
    result = packer.pack(folder.scan(root).sources, secret=bytes(32), series=bytes(16), epoch=0, store=store)
    seconds = time.perf_counter() - start
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return {"seconds": seconds, "bytes": result.bytes_read, "files": len(result.contents.files), "peak": peak}


def limit(root: Path, out: Path) -> float:
    """Seconds on two cores that share the work evenly and never wait."""
    paths = [path for path in root.rglob("*") if path.is_file()]
    buffer, sealed, aead = memoryview(bytearray(os.urandom(MIB))), bytearray(MIB + 16), AESGCM(bytes(32))
    size = sum(path.stat().st_size for path in paths)
    parts = -(-size // MIB)

    def read() -> None:
        for path in paths:
            fd = os.open(path, os.O_RDONLY)
            while os.readv(fd, [buffer]):
                pass
            os.close(fd)

    def hash_files() -> None:
        for path in paths:
            left, whole = path.stat().st_size, hashlib.sha256()
            while left:
                whole.update(buffer[: min(left, MIB)])
                left -= min(left, MIB)
            whole.digest()

    def hash_blocks() -> None:
        hasher = pieces.Hasher()
        for _ in range(parts):
            hasher.update(buffer)
        hasher.finish()

    def encrypt() -> None:
        for i in range(parts):
            aead.encrypt_into(i.to_bytes(12, "big"), buffer, b"", sealed)

    def write() -> None:
        fd = os.open(out, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        for _ in range(parts):
            os.write(fd, buffer)
        os.fsync(fd)
        os.close(fd)
        os.unlink(out)

    return sum(map(timed, (read, hash_files, hash_blocks, encrypt, write))) / 2


def timed(work: Callable[[], None]) -> float:
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


if __name__ == "__main__":
    main()
