"""Which part of a file may speak of its own rights: comments and heads, never data."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from commons.core.dataset.rights import Rights
from commons.datasets import prepare
from commons.metadata import comments, reuse
from tests.conftest import ends

TAG, NOTICE = "SPDX-License-Identifier: MIT", "Copyright (c) 2020 Ana"
BSD = f"{NOTICE}. All rights reserved.\n\nRedistribution and use in source and binary forms are permitted.\n"


def rights(path: str, text: str) -> Rights | None:
    return reuse.header(comments.own(path, text).encode())


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ("a.py", f"# {TAG}\n# {NOTICE}\n"),
        ("a.py", f"#!/usr/bin/env python\nimport os\n\n# {TAG}\n# {NOTICE}\n"),
        ("a.py", f'"""{TAG}\n\n{NOTICE}\n"""\n'),
        ("a.c", f"/* {TAG} */\n/*\n * {NOTICE}\n */\n"),
        ("a.js", f"// {TAG}\n//! {NOTICE}\n"),
        ("a.sql", f"-- {TAG}\n-- {NOTICE}\n"),
        ("a.R", f"#' {TAG}\n# {NOTICE}\n"),
        ("a.m", f"% {TAG}\n% {NOTICE}\n"),
        ("a.bat", f"REM {TAG}\nrem {NOTICE}\n"),
        ("Makefile", f"# {TAG}\n# {NOTICE}\n"),
        ("a.svg", f"<?xml version='1.0'?>\n<svg><!-- {TAG}\n{NOTICE} --></svg>"),
        ("a.html", f'<meta name="l" value="{TAG}" />\n<p><!-- {NOTICE} --></p>'),
        ("notes.txt", f"{TAG}\n{NOTICE}\n"),
        ("notes.md", f"<!-- {TAG} -->\n\n{NOTICE}\n"),
        ("a.tex", f"% {TAG}\n% {NOTICE}\n"),
        ("a.csv", f"# {TAG}\n# {NOTICE}\nriver,km\n"),
        ("a.dat", f"; {TAG}\n; {NOTICE}\n1 2\n"),
        ("a.xyz", f"/*\n {TAG}\n {NOTICE}\n*/\ncode\n"),
        ("a.yaml", f"# {TAG}\n# {NOTICE}\na: 1\n"),
        ("a.py", f"# {TAG}\r\n# {NOTICE}\r\n"),
        ("a.py", f"# License: {TAG}\n# Copyright: © 2020 Ana\n"),
    ],
)
def test_what_a_file_says_of_itself_is_read(path: str, text: str) -> None:
    found = rights(path, text)
    assert found is not None
    assert (found.licence, "2020 Ana" in found.copyright) == ("MIT", True)


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ("vocab.txt", "[PAD]\n©\nCopyright \n##ing\n© \n"),
        ("merges.txt", "#version: 0.2\n© Ġ\nCopyright Ġ2020x\n"),
        ("tokenizer.json", json.dumps({"vocab": {"©": 1, TAG: 2, f"# {NOTICE}": 3}}, indent=1)),
        ("tokenizer.model", f"\x01\n©\n{TAG}\n{NOTICE}\n"),
        ("vocab.bpe", f"a b\n{TAG}\n© 2020\n"),
        ("rows.csv", f"id,text\n1,{TAG}\n{NOTICE},2\n# {TAG}\n"),
        ("rows.tsv", f"id\ttext\n{TAG}\t{NOTICE}\n"),
        ("code.jsonl", json.dumps({"text": f"# {TAG}\n# {NOTICE}\n"})),
        ("a.geojson", f'{{\n"copyright": "{NOTICE}",\n"{TAG}": 1}}'),
        ("a.ipynb", json.dumps({"cells": [{"source": [f"# {TAG}\n", f"# {NOTICE}\n"]}]}, indent=1)),
        ("licences.csv", "id,text\nBSD," + BSD),
        ("texts/bsd.txt", BSD),
        ("texts/mit.md", f"{NOTICE}\n\nPermission is hereby granted\n"),
        ("write.py", f'print("{TAG}")\nx = "{NOTICE}"\ny = [\n    "{TAG}",\n    "{NOTICE}",\n]\n'),
        ("how.md", f"# How\n\n```\n{TAG}\n{NOTICE}\n```\n"),
        ("long.txt", "words\n" * 100 + f"{TAG}\n{NOTICE}\n"),
        ("corpus.xml", f"<doc><p>{TAG}</p><p>{NOTICE}</p></doc>"),
        ("a.bib", "title = {© 2020 Ana},\n"),
        ("notes.txt", "The sign © stands before a year, as in 2020.\n"),
        ("a.bin", f"data\n# {TAG}\n"),
        ("fr.po", "# Translations\n# Copyright (C) YEAR THE PACKAGE'S COPYRIGHT HOLDER\n"),
        ("en.po", "# Copyright (C) 2017 THE PACKAGE'S COPYRIGHT HOLDER\n"),
        ("a.py", "# Copyright [yyyy] [name of copyright owner]\n"),
        ("a.js", "// Copyright (c) <year> <owner>\n// Copyright (c) {{ year }} {{ owner }}\n"),
    ],
)
def test_what_data_and_examples_say_is_no_notice(path: str, text: str) -> None:
    assert rights(path, text) is None


def test_a_folder_of_data_has_no_rights_but_its_own(tmp_path: Path) -> None:
    (tmp_path / "vocab.txt").write_text("©\nCopyright (c)\n" * 50)
    (tmp_path / "tokenizer.json").write_text(json.dumps({"©": 1, TAG: 2}))
    (tmp_path / "rows.csv").write_text(f"text\n{TAG}\n{NOTICE}\n")
    (tmp_path / "plot.py").write_text(f"# {TAG}\n")
    (tmp_path / "rows.csv.license").write_text("SPDX-License-Identifier: CC-BY-4.0\n")  # which is no guess
    ready = prepare.prepare(prepare.from_words(path=str(tmp_path), title="T", licence="CC0-1.0", creators=["A"]))
    assert ready.terms.licence == "CC0-1.0 AND MIT AND CC-BY-4.0"
    assert {path: right.licence for path, right in ready.rights.items()} == {
        "vocab.txt": "CC0-1.0", "tokenizer.json": "CC0-1.0", "plot.py": "MIT", "rows.csv": "CC-BY-4.0",
        "rows.csv.license": "CC0-1.0",
    }  # fmt: skip
    assert not any(right.copyright for right in ready.rights.values())


@pytest.mark.parametrize(
    "piece",
    ["<!--", "/*\n", '"""', "# ", "©", "SPDX-", "Copyright ", "\n", "```\n", "<meta ", *"#/*-%;!' ", "{{!--"],
)  # fmt: skip
def test_no_file_takes_long(piece: str) -> None:
    for path in ("a.py", "a.xml", "a.md", "a.csv", "a"):
        for tail in ("", f"x {TAG}"):  # what is no sign of a comment stands before what it says
            with ends():
                reuse.header(comments.own(path, piece * (65_536 // len(piece)) + tail).encode())
