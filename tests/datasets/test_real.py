"""Real data under real licences, as packages bring it: published, fetched, made into something else."""

from __future__ import annotations

import hashlib
import importlib.util
from pathlib import Path

import pytest

from commons import examples
from commons.core.dataset import manifest
from commons.core.dataset.reference import parse
from commons.errors import Conflict
from tests.conftest import Start


def installed(package: str, *inside: str) -> Path:
    found = importlib.util.find_spec(package)
    assert found is not None, f"{package} is not installed: locks/install.py validators"
    assert found.origin is not None
    return Path(found.origin).parent.joinpath(*inside)


def digests(folder: Path) -> dict[str, str]:
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in folder.rglob("*") if path.is_file() and path.name != "ATTRIBUTION.txt"
    }  # fmt: skip


@pytest.mark.parametrize(
    ("name", "licence", "creators"),
    [
        ("penguins", "CC0-1.0", []), ("caniuse", "CC-BY-4.0", ["Alexis Deveria"]),
        ("openmoji", "CC-BY-SA-4.0", ["Benedikt Groß", "Daniel Utz", "The OpenMoji Contributors"]),
    ],
)  # fmt: skip
async def test_every_example_is_published_and_fetched(
    start: Start, tmp_path: Path, name: str, licence: str, creators: list[str]
) -> None:
    alice, bob = await start("alice"), await start("bob")
    folder = examples.path(name)
    reference = await alice.publish(folder, title=name, licence=licence, creators=creators)
    await bob.fetch(reference, tmp_path / "copy", alice.address, acknowledge=licence)
    assert digests(tmp_path / "copy") == digests(folder)


@pytest.mark.validators
async def test_data_and_code_of_one_package_have_two_licences(start: Start, tmp_path: Path) -> None:
    """wordfreq: 58 MB of frequencies in 65 files under CC BY-SA 4.0, in a package whose metadata says Apache-2.0."""
    alice, bob = await start("alice"), await start("bob")
    data = installed("wordfreq", "data")
    reference = await alice.publish(
        data, title="wordfreq", licence="CC BY-SA 4.0", creators=["Robyn Speer"],
        source_url="https://github.com/rspeer/wordfreq",
    )  # fmt: skip
    await bob.fetch(reference, tmp_path / "copy", alice.address, acknowledge="CC-BY-SA-4.0")
    assert digests(tmp_path / "copy") == digests(data)
    top = tmp_path / "top.txt"
    top.write_text("the\nof\nand\n")
    words = {"title": "Top words", "based_on": [reference], "sources": [alice.address], "changes": "First three only"}
    with pytest.raises(Conflict, match=r"CC-BY-4.0 is impossible"):
        await bob.publish(top, licence="CC-BY-4.0", **words)
    mine = await bob.publish(top, licence="CC-BY-SA-4.0", **words)
    assert "Robyn Speer" in manifest.open(bob.node.site.manifest(parse(mine).cid)).value.terms.origins[0].credit


@pytest.mark.validators
async def test_an_old_licence_with_a_credit_of_its_own_words(start: Start, tmp_path: Path) -> None:
    """jamdict-data: one database of 325 MB made of EDRDG's dictionaries, CC BY-SA 3.0, in a package that says MIT."""
    alice, bob = await start("alice"), await start("bob")
    package = installed("jamdict_data")
    data = tmp_path / "dictionaries"
    data.mkdir()
    for name in ("jamdict.db", "LICENSE.md"):
        (data / name).symlink_to(package / name)
    credit = (
        "This publication has used the JMdict and KanjiDic2 dictionary files. These files are the property of the "
        "Electronic Dictionary Research and Development Group, and are used in conformance with the Group's licence."
    )
    told = await alice.desk.publish(
        path=str(data), title="JMdict and KanjiDic2", licence="http://creativecommons.org/licenses/by-sa/3.0/",
        creators=["James William Breen"], organisations=["EDRDG <https://www.edrdg.org/>"], credit_line=credit,
        follow_links=True,
    )  # fmt: skip
    assert {warning["code"] for warning in told["warnings"]} == {"INCOMPLETE_CREDIT", "DB_RIGHTS_NOT_LICENSED"}
    await bob.fetch(told["reference"], tmp_path / "copy", alice.address, acknowledge="CC-BY-SA-3.0")
    assert (tmp_path / "copy" / "jamdict.db").stat().st_size == (package / "jamdict.db").stat().st_size
    assert credit in (tmp_path / "copy" / "ATTRIBUTION.txt").read_text()
    words = tmp_path / "words.txt"
    words.write_text("river 川\n")
    for licence, possible in (("CC-BY-SA-4.0", True), ("CC-BY-SA-2.0", False), ("CC-BY-NC-SA-4.0", False)):
        wanted = bob.publish(
            words, licence=licence, based_on=[told["reference"]], sources=[alice.address], changes="Two"
        )
        if possible:
            await wanted
        else:
            with pytest.raises(Conflict, match="impossible"):
                await wanted
