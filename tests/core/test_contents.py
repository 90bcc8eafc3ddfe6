"""The contents table: one spelling, every bound checked, and room for 100,000 files."""

from __future__ import annotations

import hashlib
from contextlib import suppress
from dataclasses import replace
from typing import Any

import msgpack
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from commons.core.dataset import contents
from commons.core.dataset.contents import FORMAT, Contents, File, PackEntry, Run
from commons.core.dataset.pack import HEADER, OVERHEAD, SEGMENT
from commons.core.dataset.rights import Rights
from commons.errors import CommonsError, Malformed, TooLarge, Untrue
from tests.conftest import ends
from tests.rows import over

FULL = SEGMENT + OVERHEAD


def entry(name: bytes, *segments: int, epoch: int = 0) -> PackEntry:
    root = hashlib.sha256(name).digest()
    return PackEntry(root=root, size=HEADER + sum(segments), epoch=epoch, segments=segments)


def run(pack: int, first: int, count: int = 1, offset: int = 0) -> Run:
    return Run(pack=pack, first=first, count=count, offset=offset)


def file(path: str, size: int, *runs: Run, rights: int = 0) -> File:
    digest = hashlib.sha256(path.encode()).digest()
    return File(path=path, size=size, sha256=digest, media_type="text/csv", runs=runs, rights=rights)


TABLE = Contents(
    packs=(entry(b"old", FULL, FULL, 500, epoch=1), entry(b"new", 700, FULL, 18, epoch=2)),
    files=(
        file("a/empty.csv", 0),
        file("a/small.csv", 100, run(1, 0), rights=2),
        file("a/small2.csv", SEGMENT - 100, run(1, 0, offset=100)),
        file("b/large.bin", 2 * SEGMENT + 5, run(0, 0), run(1, 1, count=2)),
        file("b/unchanged.bin", 2 * SEGMENT, run(0, 0, count=2)),
        file("été.csv", 7, run(0, 2), rights=1),
    ),
    rights=(Rights(licence="", copyright="© Ana"), Rights(licence="CC0-1.0", copyright="")),
)


def rows() -> list[Any]:
    return msgpack.unpackb(contents.encode(TABLE))


def test_a_table_is_itself_again() -> None:
    assert contents.decode(contents.encode(TABLE)) == TABLE
    assert contents.decode(contents.encode(Contents(packs=(), files=()))) == Contents(packs=(), files=())


def test_the_bytes_are_msgpack_that_any_reader_understands() -> None:
    form, packs, rights, files = rows()
    assert form == FORMAT == "commons/contents/v1"
    assert packs[1] == [TABLE.packs[1].root, TABLE.packs[1].size, 2, [700, FULL, 18]]
    assert rights == [["", "© Ana"], ["CC0-1.0", ""]]
    assert files[3][:2] == ["b/large.bin", 2 * SEGMENT + 5]
    assert files[3][4] == [[0, 0, 1, 0], [1, 1, 2, 0]]


def broken(change: str) -> list[Any]:
    table = rows()
    exec(change, {"t": table, "p": table[1], "r": table[2], "f": table[3], "S": SEGMENT})
    return table


@over(
    ("change", "why"),
    [
        ("t[0] = 'commons/contents/v2'", "later version"),
        ("t.append(0)", "too many"),
        ("p[0].append(0)", "too many"),
        ("f[0].append(0)", "too many"),
        ("f[1][4][0].append(0)", "too many"),
        ("f.reverse()", "not sorted"),
        ("f[2][0] = 'A/SMALL.csv'", "same"),
        ("f[0][0] = '../a'", "part '..'"),
        ("f[0][0] = 'a/empty.csv\\0'", "control"),
        ("f[3][0] = 'a'", "folder"),
        ("f[0][0] = b'a'", "belongs"),
        ("f[0][1] = 1.0", "belongs"),
        ("f[0][1] = True", "belongs"),
        ("f[0][1] = None", "belongs"),
        ("f[0][1] = -1", "size, hash or media type"),
        ("f[0][2] = f[0][2][:31]", "size, hash or media type"),
        ("f[0][3] = 'text'", "size, hash or media type"),
        ("f[0][3] = 'Text/CSV'", "size, hash or media type"),
        ("f[0][3] = 'text/csv; charset=x'", "size, hash or media type"),
        ("f[0][4] = [[0, 0, 1, 0]]", "do not hold"),
        ("f[0][4] = [[1, 0, 1, 5]]", "do not join"),
        ("f[1][4] = []", "do not hold"),
        ("f[1][4][0][2] = 0", "a run of"),
        ("f[1][4][0][1] = -1", "a run of"),
        ("f[1][4][0][3] = -1", "a run of"),
        ("f[1][4][0][3] = S", "a run of"),
        ("f[1][4][0][0] = 2", "no pack"),
        ("f[1][4][0][0] = -1", "no pack"),
        ("f[1][4][0][1] = 3", "no pack"),
        ("f[4][4][0][1] = 2", "no pack"),
        ("f[1][1] = S + 1", "do not hold"),
        ("f[2][1] = S - 99", "do not hold"),
        ("f[3][1] = 2 * S", "do not hold"),
        ("f[3][1] = 3 * S + 1", "do not hold"),
        ("f[3][4][1][3] = 1", "do not join"),
        ("f[4][4][0][3] = 1; f[4][1] -= 1", "do not hold"),
        ("p[0][1] += 1", "add up"),
        ("p[0][3][0] += 1; p[0][1] += 1", "segments of pack"),
        ("p[1][3][2] -= 1; p[1][1] -= 1", "segments of pack"),
        ("p[0][3] = []; p[0][1] = 72", "segments of pack"),
        ("p[0][0] = p[0][0][1:]", "root or the epoch"),
        ("p[0][2] = -1", "root or the epoch"),
        ("p[1][0] = p[0][0]", "twice"),
        ("p.append([bytes(32), 172, 0, [100]])", "no file needs"),
        ("t[2] = {}", "not a contents table"),
        ("t[3] = {}", "not a contents table"),
        ("r.reverse()", "not sorted"),
        ("r.append(r[0])", "no file has"),
        ("r[1] = r[0]", "listed twice"),
        ("r[0] = ['', '']", "not sorted"),
        ("r[0].append('')", "too many"),
        ("r[1][0] = 'CC BY\\n'", "expression"),
        ("r[1][1] = 'c' * 20001", "too long"),
        ("f[0][5] = 3", "not listed"),
        ("f[0][5] = -1", "not listed"),
        ("f[0][5] = True", "belongs"),
        ("f[1][5] = 0", "no file has"),
    ],
)
def test_a_table_that_breaks_a_rule_is_refused_and_the_rule_named(change: str, why: str) -> None:
    with pytest.raises(Malformed, match=why):
        contents.decode(msgpack.packb(broken(change)))


def test_a_file_has_the_datasets_rights_or_those_it_names() -> None:
    named = {each.path: TABLE.rights_of(each) for each in TABLE.files if each.rights}
    assert named == {"a/small.csv": TABLE.rights[1], "été.csv": TABLE.rights[0]}
    assert TABLE.rights_of(TABLE.files[0]) is None


def test_another_spelling_of_the_same_table_is_refused() -> None:
    data = contents.encode(TABLE)
    for other in (
        data + b"\0",
        data[:-1],
        data.replace(b"\xa8text/csv", b"\xd9\x08text/csv", 1),
        b"\xdc\x00\x03" + data[1:],
    ):
        with pytest.raises(Malformed):
            contents.decode(other)


@pytest.mark.parametrize(
    "tail", [b"\xdd\xff\xff\xff\xff", b"\xdf\xff\xff\xff\xff", b"\xc6\xff\xff\xff\xff", b"\x91" * 5000], ids=repr
)
def test_a_header_that_promises_much_reserves_nothing(tail: bytes) -> None:
    data = contents.encode(TABLE)
    for cut in (0, 1, 21, 22, 23, 57, data.index(b"a/empty") - 1):
        with ends(), pytest.raises(CommonsError):
            contents.decode(data[:cut] + tail)


def test_a_table_over_the_limit_is_refused_unread(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(TooLarge):
        contents.decode(bytes(contents.LIMIT + 1))
    data = contents.encode(TABLE)
    monkeypatch.setattr(contents, "LIMIT", len(data))
    assert contents.decode(data) == TABLE
    monkeypatch.setattr(contents, "LIMIT", len(data) - 1)
    for refused in (lambda: contents.encode(TABLE), lambda: contents.decode(data)):
        with pytest.raises(TooLarge):
            refused()


@settings(deadline=None)
@given(st.binary(max_size=300), st.integers(0, 400))
def test_random_bytes_are_refused_in_words_or_are_a_table_in_its_only_spelling(noise: bytes, at: int) -> None:
    data = contents.encode(TABLE)
    for bad in (noise, data[:at] + noise, data[:at] + noise + data[at + len(noise) :]):
        with suppress(CommonsError):
            assert contents.encode(contents.decode(bad)) == bad


def test_a_bit_turned_anywhere_is_another_table_or_none() -> None:
    data = bytearray(contents.encode(TABLE))
    for bit in range(8 * len(data)):
        data[bit // 8] ^= 1 << bit % 8
        with suppress(CommonsError):
            assert contents.decode(bytes(data)) != TABLE
        data[bit // 8] ^= 1 << bit % 8


def test_values_are_checked_when_they_are_made() -> None:
    with pytest.raises(Malformed):
        replace(TABLE, files=TABLE.files[::-1])
    with pytest.raises(Malformed):
        replace(TABLE, packs=TABLE.packs[:1])
    with pytest.raises(Malformed):
        replace(TABLE.files[1], size=0)
    with pytest.raises(Malformed):
        replace(TABLE.packs[0], size=1)


@pytest.mark.rest
def test_a_hundred_thousand_files_make_a_table_of_twelve_megabytes() -> None:
    big = entry(b"big", *[FULL] * 400)
    files = tuple(
        file(f"site-{i // 1000:03d}/{i:06d}.csv", 4096, run(0, i // 250, offset=i % 250 * 4096)) for i in range(100_000)
    )
    table = Contents(packs=(big,), files=files)
    data = contents.encode(table)
    assert contents.decode(data) == table
    assert len(data) < 12 << 20


@given(st.lists(st.tuples(st.integers(0, 3 * SEGMENT), st.booleans()), max_size=12), st.integers(0, 9))
def test_no_table_is_longer_than_its_promise_leaves_room_for(sizes: list[tuple[int, bool]], more: int) -> None:
    packs, files, said = [], [], Rights(licence="(" * 1998 + "A", copyright="\U0001f30d" * 20_000)
    for n, (size, own) in enumerate(sizes):
        runs, count = [], -(-size // SEGMENT)
        for each in range(count):  # each slice in a pack of its own, of the shortest segments there can be
            packs.append(entry(b"%d %d" % (n, each), *[OVERHEAD + 1] * (more + 1), epoch=(1 << 62) - 1))
            runs.append(run(len(packs) - 1, more))
        files.append(replace(file("é" * 100 + f"{n:02d}", size, *runs), rights=int(own)))
    rights = (said,) if any(own for _, own in sizes) else ()
    table = Contents(packs=tuple(packs), files=tuple(files), rights=rights)
    whole = sum(size for size, _ in sizes)
    assert len(contents.encode(table)) <= contents.most(len(files), whole, [pack.size for pack in packs])


def test_the_room_for_a_table_grows_with_what_is_promised_and_ends_at_the_limit() -> None:
    assert contents.most(1, 32, [1000]) < 200_000
    assert contents.most(0, 0, []) < 100
    assert contents.most(1 << 62, 1 << 62, [1 << 62]) == contents.LIMIT


def test_a_table_of_more_or_fewer_files_than_promised_is_untrue_before_a_row_is_read() -> None:
    data = contents.encode(TABLE)
    assert contents.decode(data, len(TABLE.files)) == TABLE
    for promised in (0, len(TABLE.files) - 1, len(TABLE.files) + 1):
        with pytest.raises(Untrue, match="were promised"):
            contents.decode(data, promised)
    row = msgpack.packb(TABLE.files[0].path)
    spoiled = data[: data.index(row)] + b"\xc1" * (len(data) - data.index(row))
    with pytest.raises(Untrue, match="were promised"):
        contents.decode(spoiled, 1)
