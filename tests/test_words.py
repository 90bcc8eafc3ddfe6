"""What libraries and the system say is told in words of ours: what was read, what is wrong with it, where."""

from __future__ import annotations

import ast
import asyncio
import errno
import importlib
import re
import socket
import sqlite3
import ssl
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import trio

import commons
import licences
from commons.community import charter
from commons.core.dataset import contents
from commons.disk import sql
from commons.disk.home import Home
from commons.disk.ignored import Rules
from commons.disk.settings import read_config
from commons.errors import CommonsError, Malformed, NotFound, StorageFailed, Untrue
from commons.metadata import jsonld, texts
from commons.net.causes import why
from licences.errors import LicenceError
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
    with pytest.raises(Malformed, match="show takes no word 'colour'"):
        await ana.desk.call("show", {"dataset": "x", "colour": "red"})
    with pytest.raises(Malformed, match="show needs the word 'dataset'"):
        await ana.desk.call("show", {})
    for verb, words, told in (
        ("show", {"dataset": 7}, "show: dataset is text, not '7'"),
        ("show", {"dataset": "x", "sources": "y"}, "show: sources is a list of text, not 'y'"),
        ("show", {"dataset": "x", "sources": [None]}, "show: sources is a list of text"),
        ("erase", {"entry": True}, "erase: entry is a whole number, not 'True'"),
        ("erase", {"entry": "1"}, "erase: entry is a whole number, not '1'"),
        ("requests", {"everything": 1}, "requests: everything is true or false, not '1'"),
        ("audit", {"since": 1.5}, "audit: since is a whole number, or nothing, not '1.5'"),
        ("vote", {"proposal": 1, "choice": "maybe"}, "vote: choice is 'yes' or 'no' or 'abstain', not 'maybe'"),
        ("export", {"dataset": "x", "dest": "y", "texts": {"MIT": 1}}, "export: texts is an object of text by name"),
        ("publish", {"path": "x", "grant_days": "9"}, "publish: grant_days is a whole number, or nothing, not '9'"),
        ("publish", {"title": "x"}, "publish needs the word 'path'"),
    ):
        with pytest.raises(Malformed, match=re.escape(told)):
            await ana.desk.call(verb, words)


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


# -- no other place ----------------------------------------------------------------------------------------------------

OURS = (CommonsError, LicenceError)
TOLD = {
    "refusal",
    "why",
    "place",
    "foreign",
    "_unreadable",
    "explained",
    "is_damaged",
}  # functions that say it in words of ours
FACTS = {  # of a foreign error: numbers, places, what was wrong; no words
    "ctx", "errno", "lineno", "colno", "start", "end", "status", "problem_mark", "exceptions", "__cause__",
    "__context__", "__traceback__",
}  # fmt: skip
ASIDE = {
    ("usage.py", "explained"),  # of click's errors it takes words of ours alone, and names
    ("__main__.py", "main"),  # the name of what is not there
    ("causes.py", "why"),  # of ours it says the words
    ("terminal.py", "foreign"),  # names the file, which is no word of the system's
}


def foreign(tree: ast.Module, module: object) -> Iterator[tuple[str, ast.AST, str]]:
    """(function, part of it, name) wherever somebody else's error has a name."""
    for function in ast.walk(tree):
        if not isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef):
            continue
        given = {each.arg: ast.unparse(each.annotation) for each in function.args.args if each.annotation is not None}
        for name, said in given.items():
            if said.endswith(("Error", "Exception")) and not issubclass(kind(said, module), OURS):
                yield function.name, function, name
        for part in ast.walk(function):
            if isinstance(part, ast.ExceptHandler) and part.name and part.type:
                said = ast.unparse(part.type)
                found = CommonsError if "[CommonsError]" in given.get(said, "") else kind(said, module)
                if not all(issubclass(each, OURS) for each in (found if isinstance(found, tuple) else (found,))):
                    yield function.name, part, part.name


def kind(said: str, module: object) -> Any:
    """The class, or classes, that are called so in a module."""
    return eval(said, {"licences": licences, **vars(module)})


def spoken(part: ast.AST, name: str) -> Iterator[ast.Name]:
    """The uses of an error by which its own words could reach somebody."""
    above = {id(child): node for node in ast.walk(part) for child in ast.iter_child_nodes(node)}
    for use in ast.walk(part):
        if not isinstance(use, ast.Name) or use.id != name or not isinstance(use.ctx, ast.Load):
            continue
        fine, node, over = False, use, above[id(use)]
        while isinstance(node, ast.expr) and not fine:
            outer = above[id(node)]
            fine = isinstance(outer, ast.IfExp) and ast.unparse(outer.test) == f"isinstance({name}, CommonsError)"
            fine = fine and outer.orelse is not node
            node = outer
        match over:
            case ast.Raise() | ast.Assign() | ast.Return() | ast.BoolOp() | ast.Match():
                fine = True  # it goes on as it is
            case ast.Call(func=ast.Name(id=called) | ast.Attribute(attr=called)):
                place = above[id(over)]
                searched = isinstance(place, ast.Call) and ast.unparse(place.func).endswith(".search")
                fine |= called in {"isinstance", "type", "getattr", "append", *TOLD} or (called == "str" and searched)
            case ast.Attribute(attr=attribute):
                fine |= attribute in FACTS or isinstance(above[id(over)], ast.Compare)
        if not fine:
            yield use


def test_no_error_of_a_librarys_or_the_systems_is_put_into_words_but_ours() -> None:
    house, found = Path(commons.__file__).parents[1], []
    for path in sorted([*(house / "commons").rglob("*.py"), *(house / "licences").rglob("*.py")]):
        parts = path.relative_to(house).with_suffix("").parts
        if "examples" in parts:
            continue
        module = importlib.import_module(".".join(part for part in parts if part != "__init__"))
        tree = ast.parse(path.read_text())
        found += [
            f"{path.relative_to(house)}:{use.lineno}"
            for function, part, name in foreign(tree, module)
            if (path.name, function) not in ASIDE
            for use in spoken(part, name)
        ]
        found += [
            f"{path.relative_to(house)}:{node.lineno} strerror"
            for node in ast.walk(tree)
            if isinstance(node, ast.Attribute) and node.attr == "strerror" and ast.unparse(node.value) != "os"
        ]
    assert found == []


def test_words_that_leave_are_found() -> None:
    for said in ("f'{error}'", "str(error)", "error.reason", "'%s' % error", "repr(error)", "(error.strerror or '')"):
        tree = ast.parse(f"def do():\n    try:\n        pass\n    except OSError as error:\n        print({said})\n")
        assert [use for _, part, name in foreign(tree, errno) for use in spoken(part, name)], said
