"""REUSE: what is written passes `reuse lint`, and folders are read as the `reuse` tool reads them."""

from __future__ import annotations

import contextlib
import importlib
import importlib.resources
import itertools
import json
import re
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from commons.core.dataset.rights import Creator, Rights
from commons.errors import Malformed
from commons.metadata import reuse
from tests.conftest import LIMIT, ends
from tests.metadata.samples import FULL, HOSTILE, LINES, MIXED, NOTE, PICTURE, PLAIN, TABLE, entry, write_files

TAG = b"SPDX-License-Identifier: "


def lint(folder: Path) -> dict[str, Any]:
    importlib.import_module("reuse")
    run = subprocess.run(
        [sys.executable, "-m", "reuse", "--no-multiprocessing", "--root", folder, "lint", "--json"],
        capture_output=True, timeout=LIMIT, check=False,
    )  # fmt: skip
    report: dict[str, Any] = json.loads(run.stdout)
    assert (run.returncode == 0) == report["summary"]["compliant"]
    return report


def put(folder: Path, files: Mapping[str, bytes]) -> None:
    for name, data in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(data)


def ours(files: Mapping[str, bytes]) -> dict[str, Rights]:
    return reuse.rights(
        files, lambda path: files[path] if path.endswith((".license", ".toml")) else files[path][:65_536]
    )


def one(**files: bytes) -> Rights | None:
    """Of `a`, in a folder of these files; "_" stands for "." and "__" for "/"."""
    named = {name.replace("__", "/").replace("_", "."): data for name, data in files.items()}
    return ours(named).get("a")


# -- out ---------------------------------------------------------------------------------------------------------------


@pytest.mark.validators
def test_reuse_accepts_it_and_misses_a_text_and_an_annotation(tmp_path: Path) -> None:
    copyright = "\n".join(["2024 Ana", *HOSTILE, '"]\nSPDX-License-Identifier = "MIT'])
    d = replace(MIXED, copyright=copyright, files=(*MIXED.files[:2], entry(NOTE, copyright="© 1999 Bo")))
    write_files(tmp_path, d)
    written = reuse.write(d)
    put(tmp_path, written)
    report = lint(tmp_path)
    assert report["summary"]["compliant"]
    assert report["summary"]["used_licenses"] == ["CC-BY-4.0", "LicenseRef-Ours", "ODbL-1.0"]

    (tmp_path / "LICENSES/LicenseRef-Ours.txt").unlink()
    assert list(lint(tmp_path)["non_compliant"]["missing_licenses"]) == ["LicenseRef-Ours"]
    put(tmp_path, written | {"REUSE.toml": written["REUSE.toml"].replace(b'"**"', b'"*.bin"')})
    assert lint(tmp_path)["non_compliant"]["missing_licensing_info"] == [str(tmp_path / TABLE)]


def test_what_is_written_is_read(tmp_path: Path) -> None:
    d = replace(MIXED, files=(*MIXED.files[:2], entry(NOTE, copyright="© 1999 Bo\n© 2001 Cy")))
    found = ours(reuse.write(d) | {file.path: b"" for file in d.files})
    assert found == {
        TABLE: Rights(licence="CC-BY-4.0 AND LicenseRef-Ours", copyright="2024 Instituto da Água, Ana Martins"),
        PICTURE: Rights(licence="ODbL-1.0", copyright="2024 Instituto da Água, Ana Martins"),
        NOTE: Rights(licence="CC-BY-4.0 AND LicenseRef-Ours", copyright="© 1999 Bo\n© 2001 Cy"),
    }


@pytest.mark.parametrize("text", LINES)
def test_hostile_words_stay_words(text: str) -> None:
    found = ours(reuse.write(replace(FULL, copyright=text)) | {TABLE: b""})
    assert found == {TABLE: Rights(licence="CC-BY-4.0", copyright=" ".join(text.splitlines()) if "\u2028" not in text
                                   else "\n".join(text.splitlines()))}  # fmt: skip


def test_what_is_missing_is_named() -> None:
    with pytest.raises(Malformed, match="the text of LicenseRef-Ours"):
        reuse.write(replace(MIXED, texts=MIXED.texts[:1]))
    with pytest.raises(Malformed, match=r"the text of ODbL-1\.0"):
        reuse.write(replace(MIXED, texts=MIXED.texts[:2]))
    with pytest.raises(Malformed, match="the text of KiCad-exception"):
        reuse.write(replace(FULL, licence="CC-BY-4.0 WITH KiCad-exception"))
    with pytest.raises(Malformed, match="a licence"):
        reuse.write(replace(FULL, licence=None))
    with pytest.raises(Malformed, match="copyright notice"):
        reuse.write(replace(FULL, creators=(), copyright=None))
    with pytest.raises(Malformed, match="not the id"):
        reuse.write(replace(FULL, licence="DocumentRef-x:LicenseRef-y", texts=(("DocumentRef-x:LicenseRef-y", "t"),)))
    free = replace(PLAIN, licence="CC0-1.0", creators=(), texts=(("CC0-1.0", "t"),))
    assert b'SPDX-FileCopyrightText = "NONE"' in reuse.write(free)["REUSE.toml"]
    two = replace(PLAIN, creators=(Creator(name="Ana"), Creator(name="Bo")))
    assert b'SPDX-FileCopyrightText = "2024 Ana, Bo"' in reuse.write(two)["REUSE.toml"]


# -- in: headers -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("data", "licence", "copyright"),
    [
        (b"# SPDX-FileCopyrightText: 2024 Ana <a@b.c>\n# SPDX-License-Identifier: MIT\n", "MIT", "2024 Ana <a@b.c>"),
        (b"/* SPDX-License-Identifier: MIT */", "MIT", ""),
        (b"<!-- SPDX-License-Identifier: mit -->", "MIT", ""),
        (b'<meta name="x" value="SPDX-License-Identifier: MIT" />', "MIT", ""),
        (b"[SPDX-License-Identifier: MIT] ::", "MIT", ""),
        (b"{{!-- SPDX-License-Identifier: MIT --}}", "MIT", ""),
        (b"(* SPDX-License-Identifier: MIT *)", "MIT", ""),
        (b"## SPDX-License-Identifier: MIT ##", "MIT", ""),
        (b"SPDX-License-Identifier: MIT\r\nSPDX-License-Identifier: CC0-1.0 OR MIT\r", "MIT AND (CC0-1.0 OR MIT)", ""),
        (b"SPDX-License-Identifier: MIT\nSPDX-License-Identifier: MIT", "MIT", ""),
        ("# © 2024 Ana\n# Copyright (c) 2023 Bo\n# Copyright 2022 Cy\n".encode(), "",
         "© 2024 Ana\nCopyright (c) 2023 Bo\nCopyright 2022 Cy"),
        ("# SPDX-FileCopyrightText: © 2024 Ana".encode("utf-16"), "", "© 2024 Ana"),
        ("\ufeff# SPDX-FileCopyrightText: © 2024 Ana".encode(), "", "© 2024 Ana"),
        ("# SPDX-FileCopyrightText: © 2024 Älva".encode("latin-1"), "", "© 2024 Älva"),
        (b"a" * 2047 + "é\n© Ana".encode(), "", "© Ana"),
        (b"SPDX-FileContributor: Bo\nSPDX-License-Identifier: MIT", "MIT", ""),
        (b"x\nREUSE-IgnoreStart\nSPDX-License-Identifier: nonsense\nREUSE-IgnoreEnd\n# " + TAG + b"MIT", "MIT", ""),
        (TAG + b"MIT\n# SPDX-SnippetBegin\n# SPDX-License-Identifier: CC0-1.0\n# SPDX-SnippetCopyrightText: B\n"
         b"# SPDX-SnippetEnd\n# SPDX-FileCopyrightText: A", "MIT", "A"),
        (b"SPDX-SnippetBegin\nSPDX-SnippetBegin\nSPDX-SnippetEnd\nSPDX-License-Identifier: CC0-1.0\nSPDX-SnippetEnd\n"
         b"SPDX-License-Identifier: MIT", "MIT", ""),
    ],
)  # fmt: skip
def test_a_header_is_read(data: bytes, licence: str, copyright: str) -> None:
    assert reuse.header(data) == Rights(licence=licence, copyright=copyright)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"river,length\n",
        b"\x7fELF\0\0 SPDX-License-Identifier: MIT",
        b"\x89PNG\r\n\x1a\n Copyright 2024 Ana",
        b"\x1f\x8b\x08\xa9\x02 abc",
        b"Copyrighted by Ana",
        b"REUSE-IgnoreStart\nSPDX-License-Identifier: MIT",
        b"SPDX-SnippetBegin\nSPDX-License-Identifier: MIT",
        "© 2024\n".encode() * 3 + "".join(f"© {n}\n" for n in range(200)).encode(),  # a table of notices
        ("© " + "x" * 600).encode(),
    ],
)
def test_what_says_nothing_of_itself_has_no_rights(data: bytes) -> None:
    assert reuse.header(data) is None


def test_a_header_that_names_no_licence_is_refused_with_the_file_and_candidates() -> None:
    with pytest.raises(Malformed, match=r"^b/c\.txt: .*cc-by") as refused:
        ours({"b/c.txt": b"SPDX-License-Identifier: cc-by"})
    assert "CC-BY-4.0" in refused.value.hint
    assert "override" in refused.value.hint
    with pytest.raises(Malformed, match=r"^c\.license: "):
        ours({"c": b"", "c.license": b"SPDX-License-Identifier: MIT AND"})
    with pytest.raises(Malformed, match="too long"):
        reuse.header(b"SPDX-FileCopyrightText: " + b"x" * 30_000)


@pytest.mark.parametrize(
    "piece",
    [
        b"SPDX-",
        b"SPDX-License-Identifier:",
        b"}",
        b"*/ ",
        b"Copyright ",
        b"REUSE-IgnoreStart ",
        b"\"'/>",
        "©".encode(),
        b" ",
    ],
)
def test_no_header_takes_long(piece: bytes) -> None:
    for data in (piece * (65_536 // len(piece)), b"SPDX-License-Identifier: MIT " + piece * (65_000 // len(piece))):
        with ends(), contextlib.suppress(Malformed):
            reuse.header(data)


# -- in: REUSE.toml ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("glob", "fits", "not_"),
    [
        ("a/b.csv", ["a/b.csv"], ["b.csv", "a/b.csv2", "x/a/b.csv"]),
        ("*.csv", ["a.csv", ".csv"], ["a/b.csv", "a.csv.gz"]),
        ("**.csv", ["a.csv", "a/b.csv"], ["a.txt"]),
        ("**/b.csv", ["b.csv", "a/b.csv", "a/x/b.csv"], ["b.csv/x"]),
        ("a/**", ["a/b", "a/b/c"], ["a", "b/a/c"]),
        ("a/*/c", ["a/b/c"], ["a/b/b/c", "a/c"]),
        ("**", ["a", "a/b"], []),
        ("*", ["a"], ["a/b"]),
        (r"\*", ["*"], ["a"]),
        (r"a\\b", ["a\\b"], ["ab"]),
        ("a[b]?", ["a[b]?"], ["ab"]),
    ],
)
def test_paths_are_covered(glob: str, fits: list[str], not_: list[str]) -> None:
    (rule,) = reuse.toml(f"version = 1\n[[annotations]]\npath = {json.dumps(glob)}\n")
    assert [path for path in (*fits, *not_) if rule.covers(path)] == fits


@given(st.text("ab/*", max_size=9), st.text("ab/", max_size=8))
def test_a_pattern_covers_what_its_plain_meaning_covers(glob: str, path: str) -> None:
    if not glob:
        return
    (rule,) = reuse.toml(f"version = 1\n[[annotations]]\npath = {json.dumps(glob)}\n")
    plain = re.sub(r"\*\*+/*|\*", lambda star: ".*" if star[0] != "*" else "[^/]*", glob)
    assert rule.covers(path) == (re.fullmatch(plain, path) is not None)


def test_no_pattern_runs_away() -> None:
    for glob in ("**a" * 40 + "c", "*a" * 40 + "c", "**a*b" * 20 + "c", "**" + "*a" * 20 + "c"):
        (rule,) = reuse.toml(f'version = 1\n[[annotations]]\npath = "{glob}"\n')
        with ends():
            assert not rule.covers("ab" * 400)
            assert not rule.covers("a" * 800)


@pytest.mark.parametrize(
    "text",
    [
        "version = 1\n[[annotations]]\n",
        "version = 2",
        "version = true",
        "",
        "version = 1\nannotations = 5",
        "version = 1\nannotations = [1]",
        'version = 1\n[[annotations]]\npath = "a"\nprecedence = "mine"',
        'version = 1\n[[annotations]]\npath = "a"\nprecedence = ["override"]',
        'version = 1\n[[annotations]]\npath = "a"\nSPDX-License-Identifier = "cc-by"',
        'version = 1\n[[annotations]]\npath = "a"\nSPDX-FileCopyrightText = 5',
        "version = 1\n[[annotations]]\npath = [5]",
        f'version = 1\n[[annotations]]\npath = "{"*" * 5000}"',
        "a = " + "[" * 10_000,
        "version = " + "9" * 10_000,
    ],
)
def test_a_toml_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(Malformed):
        reuse.toml(text)


def test_dep5_is_told_how_to_become_toml() -> None:
    with pytest.raises(Malformed) as refused:
        ours({".reuse/dep5": b"", "a": b""})
    assert "convert-dep5" in refused.value.hint
    with pytest.raises(Malformed, match=r"^b/REUSE\.toml: "):
        ours({"b/REUSE.toml": b"", "a": b""})


def test_licence_texts_and_what_tells_of_others_are_no_data() -> None:
    about = [
        "LICENSES/MIT.txt",
        "a.csv.license",
        "REUSE.toml",
        "b/REUSE.toml",
        "LICENSE",
        "COPYING.md",
        "LICENCE-DATA.txt",
    ]
    assert [
        path for path in (*about, "a.csv", "licenses.csv", "COPYING_x", "REUSE.toml.bak") if reuse.is_about(path)
    ] == about
    assert ours(dict.fromkeys(about[4:], b"Copyright 2024 Ana")) == {}


# -- in: as the tool does ----------------------------------------------------------------------------------------------


def table(*rows: str) -> bytes:
    return ("version = 1\n" + "".join(f"[[annotations]]\n{row}\n" for row in rows)).encode()


def rule(path: str, precedence: str, licence: str = "", copyright: str = "") -> str:
    return (
        f'path = "{path}"\nprecedence = "{precedence}"\n'
        + (f'SPDX-License-Identifier = "{licence}"\n' if licence else "")
        + (f'SPDX-FileCopyrightText = "{copyright}"\n' if copyright else "")
    )


HEADER = b"# SPDX-FileCopyrightText: 2001 Header\n# SPDX-License-Identifier: MIT\n"
FOLDERS: dict[str, dict[str, bytes]] = {
    f"{top}, {deep}": {
        "REUSE.toml": table(
            rule("x", "override", "0BSD"), rule("**", top, "CC0-1.0", "2002 Top"), rule("b/last*", top, "ISC", "L")
        ),
        "b/c/REUSE.toml": table(rule("**", deep, "Zlib", "2003 Deep"), rule("half*", deep, "", "2004 Half")),
        "both.py": HEADER,
        "none.txt": b"nothing here\n",
        "b/last.txt": b"SPDX-License-Identifier: MIT\n",
        "b/copyright.txt": "© 2005 Only\n".encode(),
        "b/c/both.py": HEADER,
        "b/c/none.bin": bytes(range(200)),
        "b/c/half.txt": b"nothing\n",
        "b/c/licensed.csv": b"Copyright 1999 Not read\n",
        "b/c/licensed.csv.license": b"SPDX-License-Identifier: Apache-2.0\n",
        "b/LICENSES/x.txt": b"SPDX-License-Identifier: MIT\n",
    }
    for top, deep in itertools.product(("closest", "aggregate", "override"), ("closest", "aggregate"))
}  # fmt: skip


Said = tuple[frozenset[str], frozenset[tuple[Any, str]]]  # licences, and notices as (years, name)


def said(right: Rights | None) -> Said:
    notice = importlib.import_module("reuse.copyright").CopyrightNotice.from_string
    lines = right.copyright.split("\n") if right and right.copyright else ()
    notices = [notice(each if each.startswith(("Copyright", "©")) else f"© {each}") for each in lines]
    licences = frozenset(right.licence.split(" AND ") if right and right.licence else ())
    return licences, frozenset((each.years, each.name) for each in notices)


def theirs(project: Any, path: Path) -> Said:
    found = project.reuse_info_of(path)
    return (
        frozenset(str(each) for info in found for each in info.spdx_expressions),
        frozenset((each.years, each.name) for info in found for each in info.copyright_notices),
    )


def same(root: Path, files: Mapping[str, bytes]) -> int:
    """How many files the tool and we agree on, which is all."""
    project = importlib.import_module("reuse.project").Project.from_directory(root)
    found = ours(files)
    covered = [path for path in project.all_files() if path.stat().st_size]
    for path in covered:
        name = path.relative_to(root).as_posix()
        assert (name, *said(found.get(name))) == (name, *theirs(project, path))
    assert found.keys() <= {path.relative_to(root).as_posix() for path in covered}
    return len(covered)


@pytest.mark.validators
@pytest.mark.parametrize("name", FOLDERS)
def test_a_folder_is_read_as_the_tool_reads_it(name: str, tmp_path: Path) -> None:
    put(tmp_path, FOLDERS[name])
    assert same(tmp_path, FOLDERS[name]) == 8


def test_an_annotation_deeper_down_that_overrides_leaves_no_room_for_those_above() -> None:
    files = {"REUSE.toml": table(rule("**", "closest", "CC0-1.0", "Top")), "b/a": HEADER}
    assert ours(files | {"b/REUSE.toml": table(rule("a", "override", "ISC"))}) == {
        "b/a": Rights(licence="ISC", copyright="Top")
    }
    assert one(a=HEADER, a_license=b"Copyright 2024 Bo") == Rights(licence="", copyright="Copyright 2024 Bo")


@pytest.mark.validators
def test_the_tools_own_source_is_read_as_it_reads_itself() -> None:
    root = Path(str(importlib.resources.files(importlib.import_module("reuse"))))
    kinds = {".py", ".jinja2", ".typed", ".toml", ".license"}
    paths = [path for path in root.rglob("*") if path.suffix in kinds and "__pycache__" not in path.parts]
    files = {path.relative_to(root).as_posix(): path.read_bytes() for path in paths}
    project = importlib.import_module("reuse.project").Project(root)
    found = ours(files)
    for name, data in files.items():
        if data and not reuse.is_about(name):
            assert (name, *said(found.get(name))) == (name, *theirs(project, root / name))
    assert len(files) > 20
