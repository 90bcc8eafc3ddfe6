"""What the first page claims, and that a test would see it broken: `python -m tests.claims [WORD]`.

docs/threat-model.md has a table: a claim in the README's words, a test, and a change of one line that breaks the claim.
Each change is made in a copy of the tree, where the test has to pass without it and to fail with it.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

from tests.rows import COUNTED_ON

HOUSE = Path(__file__).parents[1]
README, PAGE = HOUSE / "README.md", HOUSE / "docs" / "threat-model.md"
TITLE = "## What the first page claims"
SECONDS = 600  # for one test
LEFT = shutil.ignore_patterns(".git", ".venv*", "__pycache__", ".*_cache", ".hypothesis", "dist", "build", "*.egg-info")


@dataclass(frozen=True, slots=True)
class Claim:
    """In the README's words; a test by its pytest id; the line of a file that upholds it, and the one that does not."""

    words: str
    test: str
    file: str
    old: str
    new: str

    def applied(self, text: str) -> str | None:
        """The file's text with the change made; None where the line is not there exactly once."""
        lines = text.split("\n")
        at = [number for number, line in enumerate(lines) if line.strip() == self.old]
        if len(at) != 1:
            return None
        lines[at[0]] = lines[at[0]].replace(self.old, self.new)
        return "\n".join(lines)


def claims() -> list[Claim]:
    """The rows of the table, in their order."""
    table = PAGE.read_text().partition(TITLE)[2].partition("\n## ")[0]
    rows = [[cell.strip() for cell in row.strip("|").split(" | ")] for row in table.splitlines() if row[:3] == "| *"]
    return [Claim(words.strip("*"), *(cell.strip("`") for cell in cells)) for words, *cells in rows]


def plain(markdown: str) -> str:
    """The words of a page, without marks, links and breaks of lines."""
    return " ".join(re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", markdown).replace("*", "").replace("`", "").split())


def main(word: str = "") -> int:
    """0 where each claim's test fails by its change, and passes without; a table on the standard output."""
    asked, wrong = [each for each in claims() if word in each.words or word in each.test], 0
    with tempfile.TemporaryDirectory(prefix="claims-") as work:
        copy = Path(work) / "copy"
        shutil.copytree(HOUSE, copy, ignore=LEFT, symlinks=True)
        for each in asked:
            verdict = _judge(each, copy)
            wrong += verdict != "holds"
            print(f"{verdict:<28}{each.words}\n{'':<28}{each.test}, {each.file}", flush=True)
    print(f"{len(asked)} claims, {wrong} wrong")
    return 1 if wrong or not asked else 0


def _judge(claim: Claim, copy: Path) -> str:
    path = copy / claim.file
    before = path.read_text()
    after = claim.applied(before)
    if after is None:
        return "THE LINE IS NOT THERE ONCE"
    if _run(claim.test, copy) != 0:
        return "FAILS WITHOUT THE CHANGE"
    path.write_text(after)
    try:
        code = _run(claim.test, copy)
    finally:
        path.write_text(before)
    return {1: "holds", 0: "NOBODY SEES THE CHANGE"}.get(code, f"THE TEST DOES NOT RUN ({code})")


def _run(test: str, copy: Path) -> int:
    env = {**os.environ, "PYTHONPATH": str(copy), "PYTHONDONTWRITEBYTECODE": "1"}
    words = [sys.executable, "-m", "pytest", "-q", "-x", "-n", "0", "-p", "no:cacheprovider", "-m", COUNTED_ON, test]
    try:
        done = subprocess.run(words, cwd=copy, env=env, capture_output=True, timeout=SECONDS, check=False)
    except subprocess.TimeoutExpired:
        return 124
    return done.returncode


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
