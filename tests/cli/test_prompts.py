"""What a command asks somebody at a terminal, a real one: what to answer is offered, and nothing is asked in vain."""

from __future__ import annotations

import os
import pty
import select
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.cli.test_cli import ANY, NOBODY, Commons
from tests.conftest import LIMIT

pytestmark = pytest.mark.long
ASKS_PURPOSE = "These terms allow some purposes only"
ASKS_LICENCE = "to acknowledge these terms and send the request"


class Typing:
    """A command at a pseudo-terminal: what it wrote there, and what is typed when it waits."""

    def __init__(self, commons: Commons, *words: str) -> None:
        self.master, slave = pty.openpty()
        self.seen = ""
        self.process = subprocess.Popen(
            [sys.executable, "-P", "-m", "commons.cli", *words], cwd=commons.folder,
            env={**commons.env, "LC_ALL": "C.UTF-8"}, stdin=slave, stdout=slave, stderr=slave, start_new_session=True,
        )  # fmt: skip
        os.close(slave)

    def _read(self, end: float) -> bool:
        """Whether there is more to come."""
        if not select.select([self.master], [], [], max(0.0, end - time.monotonic()))[0]:
            raise AssertionError(f"nothing more was written after:\n{self.seen}")
        try:
            data = os.read(self.master, 4096)
        except OSError:  # the other side is closed
            return False
        self.seen += data.decode("utf-8", "replace").replace("\r\n", "\n")
        return bool(data)

    def waits(self, text: str) -> None:
        """Until the text was written."""
        end = time.monotonic() + LIMIT
        while text not in self.seen:
            assert self._read(end), f"it ended without {text!r}:\n{self.seen}"

    def type(self, text: str) -> None:
        os.write(self.master, f"{text}\n".encode())

    def ends(self) -> int:
        """The exit code."""
        end = time.monotonic() + LIMIT
        while self._read(end):
            pass
        return self.process.wait(LIMIT)

    def close(self) -> None:
        self.process.kill()
        self.process.wait()
        os.close(self.master)


@pytest.fixture
def commons(tmp_path: Path) -> Commons:
    made = Commons(tmp_path)
    (tmp_path / "rivers").mkdir()
    (tmp_path / "rivers" / "lengths.csv").write_text("river,km\nLoire,1006\n")
    made.json("ana", "init", "--name", "River watch")
    made.json("ben", "init")
    return made


def test_a_fetch_offers_the_purposes_that_the_terms_allow_and_is_granted(commons: Commons) -> None:
    with commons.node("ana", "--listen", ANY) as ready:
        reference = commons.json(
            "ana", "publish", "rivers", "--title", "Rivers", "--licence", "CC-BY-4.0", "--creator", "Ana",
            "--purpose", "research", "--purpose", "education",
        )["reference"]  # fmt: skip
        commons.json("ben", "peer", "add", ready["addresses"][0])
        typed = Typing(commons, "--home", "ben", "fetch", reference, "copy")
        try:
            typed.waits("(education, research)")
            assert ASKS_PURPOSE in typed.seen
            typed.type("product")  # what the terms do not allow is asked again, and goes nowhere
            typed.waits("'product' is none of education, research.")
            typed.type("research")
            typed.waits(ASKS_LICENCE)  # last, for then it is sent
            typed.type("CC-BY-4.0")
            assert typed.ends() == 0, typed.seen
        finally:
            typed.close()
        commons.json("cleo", "init")
        commons.json("cleo", "peer", "add", ready["addresses"][0])
        typed = Typing(commons, "--home", "cleo", "witness", "submit", reference, f"/ip4/127.0.0.1/tcp/9/p2p/{NOBODY}")
        try:
            typed.waits("(education, research)")
            typed.type("education")
            typed.waits(ASKS_LICENCE)
            typed.type("CC-BY-4.0")
            assert typed.ends() == 103, typed.seen  # that witness does not answer
        finally:
            typed.close()
        (row,) = commons.json("ana", "audit")["rows"]
        assert (row["purpose"], row["decision"]) == ("research", "grant")
    assert (commons.folder / "copy" / "lengths.csv").is_file()


def test_what_was_withdrawn_is_told_before_anything_is_asked(commons: Commons) -> None:
    with commons.node("ana", "--listen", ANY) as ready:
        reference = commons.json(
            "ana", "publish", "rivers", "--title", "Rivers", "--licence", "CC-BY-4.0", "--creator", "Ana",
            "--purpose", "research",
        )["reference"]  # fmt: skip
        commons.json("ben", "peer", "add", ready["addresses"][0])
        commons.json("ana", "community", "propose", "withdraw", "--dataset", reference)
        size = commons.json("ana", "audit")["entries"]
        typed = Typing(commons, "--home", "ben", "fetch", reference, "copy")
        try:
            assert typed.ends() == 10, typed.seen
        finally:
            typed.close()
        assert "was withdrawn by its community" in typed.seen
        assert ASKS_LICENCE not in typed.seen
        assert ASKS_PURPOSE not in typed.seen
        assert commons.json("ben", "status")["my_requests"] == []
        assert commons.json("ana", "audit")["entries"] == size


def test_a_question_is_asked_again_until_its_answer_is_one(commons: Commons) -> None:
    typed = Typing(commons, "--home", "ana", "log", "erase", "0")
    try:
        typed.waits("Erase them? [y/N]: ")
        typed.type("perhaps")
        typed.waits("Type y for yes, or n for no.")
        typed.type("")
        assert typed.ends() == 1, typed.seen
    finally:
        typed.close()
    assert "commons: stopped: it was not answered with yes" in typed.seen


def test_a_passphrase_that_is_not_typed_twice_alike_is_asked_for_again(commons: Commons) -> None:
    typed = Typing(commons, "--home", "ana", "backup", "ana.backup")
    try:
        typed.waits("Passphrase of the backup: ")
        typed.type("five words nobody would guess")
        typed.waits("The same once more: ")
        typed.type("and others that nobody would")
        typed.waits("The two are not the same.\nPassphrase of the backup: ")
        typed.type("five words nobody would guess")
        typed.waits("The two are not the same.\nPassphrase of the backup: \nThe same once more: ")
        typed.type("five words nobody would guess")
        assert typed.ends() == 0, typed.seen
    finally:
        typed.close()
    assert (commons.folder / "ana.backup").is_file()
