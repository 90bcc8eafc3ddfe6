"""Write the locks anew: the newest releases that fit setup.cfg, with the hash of each of their files, for each Python.

    pip install uv && python locks/renew.py

What the widest set is given, the narrower ones take too, so that one environment can hold them all. No lock names a
place to download from: that is the reader's own affair.
"""

import configparser
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
PYTHONS = ("3.11", "3.12", "3.13")
SETS = {"validators": ("test", "validators"), "test": ("test",), "run": ()}  # the widest first: extras of setup.cfg
COMPILE = (
    "uv", "pip", "compile", "--quiet", "--upgrade", "--generate-hashes", "--no-header", "--no-annotate",
    "--python-platform", "linux", "--no-emit-package", "fastecdsa",
)  # fmt: skip


def compile_lock(into: Path, python: str, *words: str) -> None:
    subprocess.run([*COMPILE, "--python-version", python, "-o", str(into), *words], check=True)
    print(f"{into.name}: {sum(line[:1].isalnum() for line in into.read_text().splitlines())} packages")


def main() -> None:
    settings = configparser.ConfigParser()
    settings.read(HERE.parent / "setup.cfg")
    assert set(SETS["validators"]) == set(settings["options.extras_require"]), "an extra has no lock"
    compile_lock(HERE / "build.txt", PYTHONS[0], str(HERE / "build.in"))
    for python in PYTHONS:
        wider: tuple[str, ...] = ()
        for name, extras in SETS.items():
            lock = HERE / f"{name}-{python}.txt"
            asked = [word for extra in extras for word in ("--extra", extra)]
            compile_lock(lock, python, str(HERE.parent / "setup.cfg"), *asked, *wider)
            wider = ("--constraint", str(lock))


if __name__ == "__main__":
    sys.exit(main())
