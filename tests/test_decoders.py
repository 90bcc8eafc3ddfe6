"""Every decoder of what strangers or folders hand in, outside of core and of metadata: errors of ours or nothing else.

The others: `core/test_decoders.py`, `core/test_pack.py` and the tests beside each of core's formats; `metadata/
test_texts.py` and `metadata/test_jsonld.py`; `disk/test_ignored.py`.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
import sqlite3
import tracemalloc
import zipfile
from pathlib import Path

from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from commons.community import charter, invitation
from commons.community.invitation import Invitation
from commons.core.crypto import ids
from commons.core.dataset.address import quoted
from commons.datasets import export
from commons.disk import private, sql
from commons.errors import CommonsError, Malformed, NotFound
from commons.log import files
from commons.metadata.description import DescribedFile, Description
from tests.conftest import ends
from tests.vectors import generate

SHARED = settings(suppress_health_check=[HealthCheck.function_scoped_fixture])  # each example writes its file anew
COMMONS = ids.cid(b"")
GOOD = str(Invitation(commons=COMMONS, proposal=7, token=bytes(32), log_key=bytes(32), sources=("https://a.example",)))


def bent(data: bytes, seed: int) -> bytes:
    """`data` with up to six places changed, cut out or doubled."""
    chance, found = random.Random(seed), bytearray(data)
    for _ in range(chance.randint(1, 6)):
        at = chance.randrange(len(found) + 1)
        match chance.randrange(4):
            case 0:
                found[at : at + 1] = chance.randbytes(1)
            case 1:
                del found[at : at + chance.randint(1, 40)]
            case 2:
                found[at:at] = found[at : at + chance.randint(1, 200)]
            case _:
                found[at : at + 4] = chance.choice([b"\xff" * 4, bytes(4), b"\0\0\0\x80"])
    return bytes(found)


# -- invitations and charters ------------------------------------------------------------------------------------------


@given(st.text(st.characters(exclude_categories=[]), max_size=30), st.integers(0, len(GOOD)), st.integers(0, 60))
@example("\ud800", 0, 0)
@example("9" * 5000, GOOD.index(",") + 1, 1)
@example("," * 100_000, len(GOOD), 0)
def test_any_invitation_is_read_or_refused(noise: str, at: int, cut: int) -> None:
    for text in (noise, GOOD[:at] + noise + GOOD[at + cut :]):
        with contextlib.suppress(CommonsError):
            found = invitation.parse(text)
            assert invitation.parse(str(found)) == found


def test_an_invitation_comes_back() -> None:
    assert str(invitation.parse(f" {GOOD}\n")) == GOOD
    assert quoted("https://a.example") in GOOD


CHARTER = {
    "name": '"River watch"', "purpose": '"Rivers"', "readers": '"members"', "ratchets": '["access"]',
    "retention_days": "365", "witnesses": '""', "custodians": '""', "colleges": '{ workers = ["me"] }',
    "powers": '{ amend-charter = { days = 14, rule = "group w majority *workers\\nquorum w" } }',
}  # fmt: skip
VALUES = st.recursive(
    st.sampled_from(["1", "-1", "0", "true", '"x"', '"me"', "1.5", "nan", "1979-05-27", "9" * 400, "[]", "{}", '""'])
    | st.integers(-(2**70), 2**70).map(str),
    lambda inner: st.lists(inner, max_size=3).map(lambda each: f"[{', '.join(each)}]")
    | st.tuples(st.sampled_from(["workers", "admit", "amend-charter", "rule", "days"]), inner).map(
        lambda each: f"{{ {each[0]} = {each[1]} }}"
    ),
    max_leaves=6,
)  # fmt: skip


def founded(text: str) -> object:
    return charter.founding(text, 1_800_000_000)(generate.OWNER)


def written(said: dict[str, str]) -> str:
    return "".join(f"{key} = {value}\n" for key, value in said.items())


@given(st.sampled_from([*CHARTER, "colleges.a", "powers.admit", "other"]), VALUES, st.integers(0, 2**32))
def test_any_charter_is_read_or_refused(key: str, value: str, seed: int) -> None:
    assert founded(written(CHARTER))
    for text in (written(CHARTER | {key: value}), bent(written(CHARTER).encode(), seed).decode("latin-1")):
        with contextlib.suppress(CommonsError):
            founded(text)


# -- an exported log as a .zip -----------------------------------------------------------------------------------------


def packed(path: Path) -> bytes:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as made:
        for name in ("checkpoint", "tile/0/000", "tile/entries/000", "openings/000"):
            made.writestr(name, name * 50)
    return path.read_bytes()


def opened(path: Path) -> None:
    """Its names and its parts, or an error of ours."""
    with contextlib.suppress(CommonsError):
        files.names(path)
    read = files.files(path)
    for name in ("checkpoint", "tile/0/000", "openings/000"):
        with contextlib.suppress(Malformed, NotFound):
            assert len(asyncio.run(read(name))) <= files.most(name)


@SHARED
@given(seed=st.integers(0, 2**32))
def test_a_zip_that_was_bent_is_read_or_refused(tmp_path: Path, seed: int) -> None:
    path = tmp_path / "log.zip"
    path.write_bytes(bent(packed(path), seed))
    opened(path)


@SHARED
@given(data=st.binary(max_size=300), head=st.sampled_from([b"", b"PK\3\4", b"PK\1\2", b"PK\5\6", b"PK\6\6"]))
def test_any_bytes_that_are_called_a_zip_are_read_or_refused(tmp_path: Path, data: bytes, head: bytes) -> None:
    path = tmp_path / "log.zip"
    path.write_bytes(data[:50] + head + data[50:])
    opened(path)


# -- what lies in a folder that is published ---------------------------------------------------------------------------


def database(path: Path) -> bytes:
    path.unlink(missing_ok=True)
    with contextlib.closing(sqlite3.connect(path)) as db:
        db.execute("CREATE TABLE entries (idx INTEGER, data BLOB)")
        db.execute("CREATE VIEW rows AS SELECT * FROM entries")
        db.execute("INSERT INTO entries VALUES (1, zeroblob(3000))")
        db.commit()
    return path.read_bytes()


@SHARED
@given(seed=st.integers(0, 2**32))
def test_a_database_that_was_bent_is_looked_at_or_passed_over(tmp_path: Path, seed: int) -> None:
    path = tmp_path / "x.db"
    path.write_bytes(bent(database(path), seed))
    assert isinstance(sql.columns(path), frozenset)
    assert not private.is_own(str(path), path.stat())


def test_a_database_of_loops_and_of_a_schema_without_end_is_passed_over(tmp_path: Path) -> None:
    path = tmp_path / "x.db"
    with contextlib.closing(sqlite3.connect(path)) as db:
        db.execute("CREATE TABLE a (b)")
        for n in range(300):
            db.execute(f"CREATE TABLE t{n} ({', '.join(f'c{m}' for m in range(200))})")
        db.execute("PRAGMA writable_schema=ON")
        db.execute("INSERT INTO sqlite_schema VALUES ('table', 'loop', 'loop', 2, 'CREATE TABLE loop AS SELECT 1')")
        db.execute("INSERT INTO sqlite_schema VALUES ('view', 'v', 'v', 0, 'CREATE VIEW v AS SELECT * FROM v')")
        db.commit()
    tracemalloc.start()
    with ends():
        assert not private.is_own(str(path), path.stat())
    most = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert most < 20_000_000


PIECES = st.sampled_from(['"', ",", "\n", "a", "\0", "\r", "\ufeff", '""', " "])


@SHARED
@given(data=st.binary(max_size=200) | st.lists(PIECES).map(lambda pieces: "".join(pieces).encode()))
@example(data=b'"' + b"x" * 200_000)
@example(data=b"," * 200_000)
def test_the_first_row_of_any_table_is_read_or_passed_over(tmp_path: Path, data: bytes) -> None:
    (tmp_path / "x.csv").write_bytes(data)
    said = Description(files=(DescribedFile(path="x.csv", size=len(data), media_type="text/csv"),))
    for row in export.columns(said, tmp_path).values():
        assert len(set(row)) == len(row) > 0
