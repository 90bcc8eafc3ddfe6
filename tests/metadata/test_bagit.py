"""Bags: what is written is what `bagit` accepts to the last byte, and manifests of others are read."""

from __future__ import annotations

import importlib
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest

from commons.core.dataset.rights import Creator
from commons.errors import Malformed
from commons.metadata import bagit
from commons.metadata.description import DescribedFile
from tests.conftest import LIMIT
from tests.metadata.samples import FULL, HOSTILE, LINES, MIXED, TABLE, write_files


def accepted(folder: Path) -> bool:
    importlib.import_module("bagit")
    run = subprocess.run(
        [sys.executable, "-m", "bagit", "--validate", "--quiet", folder],
        capture_output=True,
        timeout=LIMIT,
        check=False,
    )
    return run.returncode == 0


def bag(folder: Path, tags: Mapping[str, bytes]) -> None:
    write_files(folder / "data", MIXED)
    for name, data in tags.items():
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_bytes(data)


def test_bagit_accepts_it_and_finds_what_was_changed(tmp_path: Path) -> None:
    creators = tuple(Creator(name=text, organisation=True) for text in LINES)
    d = replace(MIXED, title="".join(HOSTILE), description="\n".join(HOSTILE), creators=creators)
    bag(tmp_path, bagit.write(d.files, d, {"metadata/datacite.json": b"{}"}))
    assert accepted(tmp_path)

    table = tmp_path / "data" / TABLE
    good = table.read_bytes()
    table.write_bytes(good.replace(b"897", b"898"))
    assert not accepted(tmp_path)
    table.unlink()
    assert not accepted(tmp_path)
    table.write_bytes(good)
    (tmp_path / "metadata/datacite.json").write_bytes(b"[]")
    assert not accepted(tmp_path)


@pytest.mark.parametrize("text", HOSTILE)
def test_no_value_begins_another_tag(text: str) -> None:
    d = replace(FULL, title=text, description=text + " " + "long " * 40, identifier=None, creators=())
    info = bagit.write(FULL.files, d)["bag-info.txt"].decode()
    labels = [line.partition(":")[0] for line in info.splitlines() if not line.startswith(" ")]
    assert labels == ["External-Description", "Bagging-Date", "External-Identifier", "Payload-Oxum"]
    assert all(len(line) <= 79 or line.startswith("External-Identifier: ") for line in info.splitlines())
    assert all(c.isprintable() or c == "\n" for c in info)


def test_a_bag_lists_the_digest_of_each_file() -> None:
    with pytest.raises(Malformed, match="SHA-256"):
        bagit.write((DescribedFile(path="a", size=1),), FULL)
    with pytest.raises(Malformed):
        bagit.write((DescribedFile(path="../a", sha256=bytes(32)),), FULL)
    for name in ("../x", "data/x", "data"):
        with pytest.raises(Malformed):
            bagit.write(FULL.files, FULL, {name: b""})


def test_what_is_written_is_read() -> None:
    files = (*FULL.files, DescribedFile(path="100%25 & more%.csv", sha256=bytes(32)))
    written = bagit.write(files, FULL)["manifest-sha256.txt"].decode()
    assert "data/100%2525 & more%25.csv" in written
    assert bagit.read(written) == tuple(DescribedFile(path=f"data/{file.path}", sha256=file.sha256) for file in files)


def test_manifests_of_others_are_read() -> None:
    md5, sha256 = "ab" * 16, "CD" * 32
    text = f"{md5} *data/a b.txt\r\n{md5}\t./data/c%20d\r\r\n{sha256}  data/x/y"
    assert bagit.read(text) == (
        DescribedFile(path="data/a b.txt", md5=b"\xab" * 16),
        DescribedFile(path="data/c%20d", md5=b"\xab" * 16),
        DescribedFile(path="data/x/y", sha256=b"\xcd" * 32),
    )


@pytest.mark.parametrize(
    "line",
    [
        "ab  data/x",
        "ab" * 20 + "  data/x",  # SHA-1
        "zz" * 16 + "  data/x",
        "ab" * 16 + "  ../x",
        "ab" * 16 + "  data/../../x",
        "ab" * 16 + "  data/x%0Ay",
        "ab" * 16 + "  bagit.txt",
        "ab" * 16,
        "\n".join(["ab" * 16 + "  data/x"] * 2),
    ],
)
def test_a_line_that_is_none_is_refused(line: str) -> None:
    with pytest.raises(Malformed):
        bagit.read(line)
