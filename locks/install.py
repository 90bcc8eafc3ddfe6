"""Install commons into the environment of the Python that runs this: exactly what is locked, each file checked by its
hash, and no compiler needed.

    .venv/bin/python locks/install.py              commons
    .venv/bin/python locks/install.py test         a checkout to work in (editable), and what its tests need
    .venv/bin/python locks/install.py validators   the same, and other people's validators and data (a gigabyte)

pip takes no hash for a folder: so first the lock, with hashes, then commons and its stand-in for fastecdsa (see
docs/decisions/) without asking for anything else.
"""

import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent
PIP = (sys.executable, "-m", "pip", "install", "--disable-pip-version-check", "--no-input")
OURS = {"run": ("./standin", "."), "test": ("./standin", "-e", "."), "validators": ("./standin", "-e", ".")}


def pip(*words: str) -> None:
    """Run pip, and show how far it is; what it says in full only where it fails."""
    said = []
    done = 0
    with subprocess.Popen([*PIP, *words], cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as run:
        assert run.stdout is not None
        for line in run.stdout:
            said.append(line)
            if line.startswith("Collecting "):
                done += 1
                if done % 10 == 0:
                    print(f"  {done} packages fetched …", flush=True)
            elif line.startswith("Installing collected packages"):
                print("  unpacking them …", flush=True)
    if run.returncode:
        sys.exit(f"{''.join(said[-30:])}pip could not install {' '.join(words)}: its last words are above this line")


def main(what: str = "run") -> None:
    if what not in OURS or len(sys.argv) > 2:
        sys.exit(f"not known: {' '.join(sys.argv[1:])}; one of: nothing, test, validators")
    python = f"{sys.version_info.major}.{sys.version_info.minor}"
    lock = HERE / f"{what}-{python}.txt"
    if not lock.exists():
        known = ", ".join(sorted(path.stem.partition("-")[2] for path in HERE.glob("run-*.txt")))
        sys.exit(
            f"There is no lock for Python {python}, only for {known}: make the venv with one of these "
            "(for example `python3.11 -m venv .venv`)."
        )
    if sys.prefix == sys.base_prefix:
        sys.exit("This is no virtual environment: `python3 -m venv .venv`, then .venv/bin/python locks/install.py")
    count = sum(line[:1].isalnum() for line in lock.read_text().splitlines())
    print(f"Installing the {count} packages of {lock.relative_to(ROOT)}: a minute or two …", flush=True)
    pip("--require-hashes", "--only-binary", ":all:", "-r", str(HERE / "build.txt"))
    # A lock names every package there is. Some validators are built by tools of their own, which no lock names.
    tools = () if what == "validators" else ("--no-build-isolation",)
    pip("--require-hashes", "--no-deps", *tools, "-r", str(lock))
    pip("--no-deps", "--no-build-isolation", *OURS[what])
    print("Installed.", flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:2])
