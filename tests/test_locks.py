"""What is installed: the locks say what setup.cfg asks for, a stand-in holds fastecdsa's place, two names are ours."""

from __future__ import annotations

import configparser
import os
import re
import subprocess
import sys
import zipfile
from importlib.metadata import distribution
from itertools import pairwise
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

from commons.net import host
from tests.conftest import LIMIT

HOUSE = Path(__file__).parents[1]
LOCKS = HOUSE / "locks"
PYTHONS = ("3.11", "3.12", "3.13")
SETS = {"run": (), "test": ("test",), "validators": ("test", "validators")}
COLD = {"PYTHONDONTWRITEBYTECODE": "1", "PYTHONNOUSERSITE": "1"}


def locked(name: str) -> dict[str, Version]:
    """The packages of a lock. Every one has a hash, and no line names a place."""
    found = {}
    for entry in re.split(r"(?<!\\)\n", (LOCKS / f"{name}.txt").read_text().strip()):
        pin, *hashes = entry.replace("\\\n", " ").split()
        package, equals, version = pin.partition("==")
        assert equals
        assert hashes
        assert all(re.fullmatch(r"--hash=sha256:[0-9a-f]{64}", each) for each in hashes), entry
        found[canonicalize_name(package)] = Version(version)
    return found


def asked(*extras: str) -> list[Requirement]:
    settings = configparser.ConfigParser()
    settings.read(HOUSE / "setup.cfg")
    lines = [settings["options"]["install_requires"], *(settings["options.extras_require"][each] for each in extras)]
    return [Requirement(line) for text in lines for line in text.split("\n") if line]


@pytest.mark.parametrize("python", PYTHONS)
@pytest.mark.parametrize("name", SETS)
def test_a_lock_holds_what_is_asked_for(name: str, python: str) -> None:
    held = locked(f"{name}-{python}")
    for wanted in asked(*SETS[name]):
        assert held[canonicalize_name(wanted.name)] in wanted.specifier, f"locks/renew.py makes them anew: {wanted}"
    assert "fastecdsa" not in held


@pytest.mark.parametrize("python", PYTHONS)
def test_what_is_locked_for_less_is_locked_for_more(python: str) -> None:
    for less, more in pairwise(locked(f"{name}-{python}") for name in SETS):
        assert less.items() < more.items()
    assert locked("build").items() & locked(f"run-{python}").items()  # none of another version
    assert all(locked(f"validators-{python}").get(name, at) == at for name, at in locked("build").items())


def test_the_stand_in_is_the_version_that_libp2p_pins() -> None:
    (pin,) = [each for text in distribution("libp2p").requires or () if (each := Requirement(text)).name == "fastecdsa"]
    said = re.search(r'^version = "(.*)"', (HOUSE / "standin" / "pyproject.toml").read_text(), re.M)
    assert said is not None
    assert Version(said[1]) in pin.specifier
    assert Version(said[1]) > max(Version(each.version) for each in pin.specifier)  # pip takes it before the release


USES = """
import fastecdsa, libp2p.crypto.ecc as ecc, libp2p.crypto.key_exchange as exchange
assert fastecdsa.__file__.startswith({standin!r}), fastecdsa.__file__
from libp2p.security.noise.transport import Transport
ways = [lambda: ecc.create_new_key_pair("P-256"), lambda: ecc.ECCPublicKey.from_bytes(bytes(65), "P-256"),
        lambda: ecc.ECCPublicKey(None, None).to_bytes(), lambda: ecc.ECCPrivateKey(1, None).to_bytes(),
        lambda: ecc.ECCPrivateKey(1, None).get_public_key(), lambda: exchange.create_ephemeral_key_pair("P-256"),
        lambda: ecc.keys.gen_private_key(None), lambda: ecc.point.Point(), lambda: ecc.curve_types.Curve()]
for n, way in enumerate(ways):
    try:
        way()
    except NotImplementedError as error:
        assert "stand-in" in str(error) and "pip install" in str(error), (n, error)
    else:
        raise SystemExit(f"{{n}} went through")
assert [exchange.int_bytelen(n) for n in (0, 1, 255, 256, 2**255)] == [0, 1, 1, 2, 32]
print("told", len(ways))
"""


@pytest.mark.rest
def test_libp2p_is_imported_over_the_stand_in_and_every_use_of_a_curve_is_told() -> None:
    standin = str(HOUSE / "standin")
    run = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", USES.format(standin=standin)], capture_output=True, text=True,
        env={**os.environ, **COLD, "PYTHONPATH": standin}, timeout=LIMIT, check=False,
    )  # fmt: skip
    assert (run.stdout, run.returncode) == ("told 9\n", 0), run.stderr


def test_no_handshake_that_needs_a_curve_is_offered() -> None:
    from libp2p.crypto.ed25519 import create_new_key_pair

    offered = host.security(create_new_key_pair(bytes(32)))
    assert [str(each) for each in offered] == ["/noise"]


# -- wheels ------------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def wheels(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """What `make dist` makes."""
    room = tmp_path_factory.mktemp("dist")
    pip(sys.executable, "wheel", "--no-deps", "--no-build-isolation", "-w", str(room), "./standin", ".")
    return sorted(room.glob("*.whl"))


def pip(python: str | Path, *words: str) -> None:
    quiet = ["--disable-pip-version-check", "--no-input", "-q"]
    run = subprocess.run([python, "-m", "pip", words[0], *quiet, *words[1:]], cwd=HOUSE, capture_output=True,
                         text=True, timeout=LIMIT, check=False)  # fmt: skip
    assert run.returncode == 0, run.stderr


def top(wheel: Path) -> set[str]:
    return {name.partition("/")[0] for name in zipfile.ZipFile(wheel).namelist()}


@pytest.mark.rest
def test_we_install_two_packages_and_no_name_of_others(wheels: list[Path]) -> None:
    ours, standin = wheels
    assert top(ours) == {"commons", "licences", f"{ours.name.partition('-py3')[0]}.dist-info"}
    assert top(standin) == {"fastecdsa", "fastecdsa-2.3.2+commons.dist-info"}
    inside = zipfile.ZipFile(ours).namelist()
    assert {"commons/cli/__main__.py", "commons/py.typed", "licences/texts/CC-BY-4.0.txt"} <= set(inside)
    assert any(name.startswith("commons/examples/penguins/") for name in inside)
    assert not [name for name in inside if "__pycache__" in name or name.startswith("commons/examples/examples")]


def test_building_leaves_nothing_in_the_checkout(wheels: list[Path]) -> None:
    left = [*HOUSE.glob("build"), *HOUSE.glob("standin/build"), *HOUSE.glob("standin/*.egg-info")]
    assert not left


@pytest.mark.long
@pytest.mark.parametrize("order", ["ours first", "ours last", "editable first", "editable last"])
def test_the_demo_runs_in_whatever_order_it_was_installed(order: str, wheels: list[Path], tmp_path: Path) -> None:
    """Others install a package `examples` of their own: none of ours is below it."""
    subprocess.run([sys.executable, "-m", "venv", tmp_path / "venv"], check=True, timeout=LIMIT)
    python = tmp_path / "venv" / "bin" / "python"
    lock = ["--require-hashes", "--no-deps", "--no-build-isolation", "-r",
            str(LOCKS / f"run-{sys.version_info.major}.{sys.version_info.minor}.txt")]  # fmt: skip
    ours = ["./standin", "-e", "."] if "editable" in order else [str(each) for each in wheels]
    pip(python, "install", "--require-hashes", "-r", str(LOCKS / "build.txt"))
    steps = [["--no-deps", "--no-build-isolation", *ours], lock]
    for words in steps if "first" in order else reversed(steps):
        pip(python, "install", *words)
    run = subprocess.run([python.parent / "commons", "demo"], cwd=tmp_path, capture_output=True, text=True,
                         timeout=LIMIT, check=False)  # fmt: skip
    assert run.returncode == 0, run.stderr
    assert "Nothing is left of them." in run.stdout
