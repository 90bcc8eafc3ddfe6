"""What libraries and the system say is told in words of ours: what was read, what is wrong with it, where."""

from __future__ import annotations

import asyncio
import errno
import socket
import sqlite3
import ssl
from pathlib import Path

import aiohttp
import pytest
import trio

from commons import charter
from commons.core import contents
from commons.disk import sql
from commons.disk.home import Home, read_config
from commons.disk.ignored import Rules
from commons.errors import CommonsError, Malformed, NotFound, StorageFailed, Untrue
from commons.metadata import jsonld, texts
from commons.net.causes import why
from tests.conftest import MakeHome, Start

LIBRARIES = ("Expecting", "object is not", "argument", "Errno", "Traceback", "sqlite", "int object", "codec", "()")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('{"a":', "not JSON: at line 1, column 6"),
        ('{"a": 1,\n"b" 2}', "not JSON: at line 2, column 5"),
        ("1" * 5000, "not JSON: a number of thousands of digits"),
    ],
)
def test_json_is_told_by_its_place(text: str, said: str) -> None:
    with pytest.raises(Malformed) as caught:
        jsonld.load(text)
    assert caught.value.message == said


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("name = ", "the charter is no TOML: wrong at end of document"),
        ("name = 'x'\nname: 3\n", "the charter is no TOML: wrong at line 2, column 5"),
        ("powers = {publish = 1}", "the charter is not well formed: '1' where a table belongs"),
        ("[powers.publish]\ndays = 3", "the charter is not well formed: a power without a rule"),
        ("retention_days = 'x'", "the charter is not well formed: 'x' where a whole number belongs"),
        ("colleges = 3", "the charter is not well formed: '3' where a table belongs"),
    ],
)
def test_a_charter_is_told_by_what_is_wrong(text: str, said: str, make_home: MakeHome) -> None:
    with Home(make_home("ana")) as home, pytest.raises(Malformed) as caught:
        charter.founding(text, 1)(home.keys)
    assert caught.value.message == said
    assert caught.value.hint == "see docs/communities.md for one"


def test_toml_says_what_a_line_is() -> None:
    with pytest.raises(Malformed, match="no TOML: wrong at line 1, column 1") as caught:
        texts.load_toml("\x01")
    assert "key = value" in caught.value.hint


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b'{"a":\n1', "it is no JSON at line 2, column 2"),
        (b"\xff", "it is no JSON in UTF-8"),
        (b"[]", "no JSON object"),
    ],
)
def test_settings_are_told_by_their_place(tmp_path: Path, data: bytes, said: str) -> None:
    (tmp_path / "config.json").write_bytes(data)
    with pytest.raises(Malformed, match=said):
        read_config(tmp_path)


def test_an_ignore_file_is_told_by_its_line() -> None:
    with pytest.raises(Malformed, match=r"\.commonsignore, line 2: '!' is no pattern"):
        Rules().also("", b"a\n!\nb\n", ".commonsignore")
    with pytest.raises(Malformed, match=r"\.commonsignore is not in UTF-8"):
        Rules().also("", b"\xff", ".commonsignore")


def test_a_table_that_is_cut_is_told_so() -> None:
    with pytest.raises(Malformed, match="not a contents table: it is cut, or made otherwise"):
        contents.decode(contents.encode(contents.Contents(packs=(), files=(), rights=()))[:-1])


def test_what_sqlite_refuses_is_told(tmp_path: Path) -> None:
    db = sql.connect(tmp_path / "x.db", "CREATE TABLE t(a NOT NULL)")
    other = sqlite3.connect(tmp_path / "x.db", timeout=0)
    db.execute("BEGIN IMMEDIATE")
    with pytest.raises(StorageFailed, match=r"cannot use x\.db: another program uses it"), sql.door(tmp_path / "x.db"):
        other.execute("INSERT INTO t VALUES(1)")
    db.execute("PRAGMA max_page_count=2")
    with pytest.raises(StorageFailed, match=r"cannot use x\.db: disk full"), sql.door(tmp_path / "x.db"):
        db.execute("INSERT INTO t VALUES(zeroblob(100000))")
    with pytest.raises(StorageFailed, match="what is in it is not what belongs there"), sql.door(tmp_path / "x.db"):
        db.execute("SELECT b FROM t")
    other.close()
    db.close()
    (tmp_path / "y.db").write_bytes(b"no database at all" * 100)
    with pytest.raises(StorageFailed, match=r"y\.db is damaged: it is no whole database"):
        sql.connect(tmp_path / "y.db", "")


async def test_a_verb_with_other_words_is_told_by_them(start: Start) -> None:
    ana = await start("ana", listen=())
    with pytest.raises(Malformed, match="show takes other words than colour, dataset"):
        await ana.desk.call("show", {"dataset": "x", "colour": "red"})
    with pytest.raises(Malformed, match="show takes other words than none"):
        await ana.desk.call("show", {})


def _caused(outer: Exception, inner: BaseException) -> Exception:
    outer.__cause__ = inner
    return outer


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (ConnectionRefusedError(errno.ECONNREFUSED, "Connect call failed ('127.0.0.1', 1)"), "nothing listens there"),
        (_caused(RuntimeError("dial"), OSError(errno.EHOSTUNREACH, "x")), "no way leads there"),
        (ConnectionResetError(errno.ECONNRESET, "x"), "it broke off"),
        (socket.gaierror(-2, "Name or service not known"), "its name is not known"),
        (ssl.SSLCertVerificationError(1, "x"), "its certificate does not hold"),
        (ssl.SSLError(1, "x"), "it does not speak TLS as this machine does"),
        (TimeoutError("x"), "no answer in time"),
        (aiohttp.ServerDisconnectedError(), "it broke off"),
        (asyncio.IncompleteReadError(b"", 2), "it broke off"),
        (trio.BrokenResourceError("x"), "it broke off"),
        (ExceptionGroup("x", [_caused(ValueError("y"), OSError(errno.EACCES, "z"))]), "permission denied"),
        (_caused(ValueError("y"), Untrue("another peer answered")), "another peer answered"),
        (KeyError("x"), "it does not answer as a node does (KeyError)"),
    ],
)
def test_why_nobody_could_be_asked(error: BaseException, said: str) -> None:
    assert why(error) == said


async def test_a_door_that_is_none_is_told_in_our_words(start: Start) -> None:
    ana = await start("ana", listen=())

    async def nonsense(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"nonsense\r\n\r\n")
        writer.close()

    async with await asyncio.start_server(nonsense, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        for url in (f"http://127.0.0.1:{port}", "http://nobody.invalid", f"https://127.0.0.1:{port}"):
            with pytest.raises(CommonsError) as caught:
                await ana.node.net.get(url, "/about", limit=100)
            assert caught.value.message.startswith(f"{url}: it"), caught.value.message
            assert not any(each in caught.value.message for each in LIBRARIES), caught.value.message
    with pytest.raises(CommonsError) as caught:
        await ana.node.net.get(f"http://127.0.0.1:{port}", "/about", limit=100)
    assert caught.value.message == f"http://127.0.0.1:{port}: nothing listens there"


def test_a_word_that_is_too_long_is_not_repeated_whole() -> None:
    assert NotFound("no " + "x" * 299 + " here").message == "no " + "x" * 299 + " here"
    assert NotFound("no " + "x" * 5000 + " here").message == "no " + "x" * 300 + "… here"
