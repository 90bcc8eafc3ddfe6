"""What is found in a folder, and what is refused, by name."""

from __future__ import annotations

import os
import socket
import unicodedata
from pathlib import Path

import pytest

from commons.disk import folder
from commons.errors import CommonsError, Conflict, Malformed, NotFound, StorageFailed


def made(root: Path, *paths: str) -> Path:
    for path in paths:
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_bytes(os.fsencode(path))
    return root


def test_files_come_sorted_by_the_bytes_of_their_names(tmp_path: Path) -> None:
    made(tmp_path, "b/é.csv", "b/z.csv", "b.txt", "b0", "a/deep/er/x.json", "\U0001f600", "\uffee")
    found = folder.scan(tmp_path).sources
    paths = [source.path for source in found]
    assert paths == sorted(paths, key=str.encode)
    assert set(paths) == {"a/deep/er/x.json", "b.txt", "b/z.csv", "b/é.csv", "b0", "\U0001f600", "\uffee"}
    assert {source.path: source.size for source in found}["b.txt"] == 5


def test_a_single_file_has_its_own_name(tmp_path: Path) -> None:
    made(tmp_path, "deep/table.csv")
    (source,) = folder.scan(tmp_path / "deep/table.csv").sources
    assert (source.path, source.media_type, source.size) == ("table.csv", "text/csv", 14)


def test_an_empty_folder_has_no_files(tmp_path: Path) -> None:
    (tmp_path / "a/b").mkdir(parents=True)
    assert folder.scan(tmp_path).sources == ()


def test_a_name_from_another_system_is_published_in_normal_form(tmp_path: Path) -> None:
    made(tmp_path, unicodedata.normalize("NFD", "été.csv"))
    (source,) = folder.scan(tmp_path).sources
    assert source.path == "été.csv"
    with folder.reading(source) as fd:
        assert os.read(fd, 99) == unicodedata.normalize("NFD", "été.csv").encode()


@pytest.mark.parametrize("name", ["a\\b", "con.txt", "a:b", "trailing.", "new\nline", os.fsdecode(b"\xff\xfe")])
def test_a_name_that_another_disk_would_misread_is_refused(tmp_path: Path, name: str) -> None:
    made(tmp_path, name)
    with pytest.raises(Malformed, match="file name"):
        folder.scan(tmp_path)


def test_two_names_that_meet_after_folding_case_are_refused(tmp_path: Path) -> None:
    made(tmp_path, "Readme", "README")
    with pytest.raises(Malformed, match="same"):
        folder.scan(tmp_path)


def test_all_that_is_refused_is_told_at_once_with_its_number(tmp_path: Path) -> None:
    made(tmp_path, "00:00.csv", "01:00.csv", "deep/02:00.csv", "con", "x.csv", *(f"fine{n}" for n in range(50)))
    with pytest.raises(Malformed) as caught:
        folder.scan(tmp_path)
    assert caught.value.message.startswith("4 file names are refused: ")
    for name in ("00:00.csv", "01:00.csv", "deep/02:00.csv", "con"):
        assert repr(name) in caught.value.message
    (tmp_path / "link").symlink_to("x.csv")
    os.mkfifo(tmp_path / "queue")
    with pytest.raises(Malformed) as caught:
        folder.scan(tmp_path)
    assert caught.value.message.startswith("6 files cannot be published: ")
    for told in ("link", "queue", "deep/02:00.csv"):
        assert told in caught.value.message
    assert "--follow-links" in caught.value.hint
    assert "rename" in caught.value.hint


def test_a_thousand_names_that_are_refused_fit_into_a_message(tmp_path: Path) -> None:
    made(tmp_path, *(f"{n:04}:{'x' * 60}" for n in range(1000)))
    with pytest.raises(Malformed, match=r"^1000 file names are refused: .* and \d+ more holds ':'") as caught:
        folder.scan(tmp_path)
    assert len(caught.value.message) < 21_000


def test_names_that_look_alike_are_told_apart(tmp_path: Path) -> None:
    made(tmp_path, "café.txt", "cafe\u0301.txt")
    with pytest.raises(Malformed) as caught:
        folder.scan(tmp_path)
    assert r"'caf\xe9.txt'" in caught.value.message
    assert r"'cafe\u0301.txt'" in caught.value.message


def test_what_a_dataset_cannot_carry_is_told(tmp_path: Path) -> None:
    made(tmp_path, "d/x.csv", "d/run.sh", "d/same", "d/cafe\u0301", "d/gone/.gitkeep", "out/z")
    (tmp_path / "d" / "empty" / "deep").mkdir(parents=True)
    (tmp_path / "d" / "run.sh").chmod(0o755)
    os.link(tmp_path / "d" / "same", tmp_path / "d" / "twin")
    (tmp_path / "d" / "link").symlink_to("../out/z")
    told = folder.scan(tmp_path / "d", follow_links=True).lost
    assert told == (
        "not carried: empty folders (empty/deep, gone)",
        "not carried: the executable bit (run.sh)",
        "not carried: links; what they lead to is, in their place (link)",
        "not carried: hard links; each name is a file of its own (twin)",
        "not carried: the decomposed form of names, which are spelt in NFC (café)",
        "not carried: times of change, owners and permissions",
    )


def test_extended_attributes_are_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made(tmp_path, "x.csv", "y.csv")
    kept = {"x.csv": ["user.note"], "y.csv": ["security.selinux"]}  # this disk may carry none itself
    monkeypatch.setattr(os, "listxattr", lambda path: kept[os.path.basename(path)])
    assert "not carried: extended attributes and access lists (x.csv)" in folder.scan(tmp_path).lost


@pytest.mark.parametrize("target", ["file", "folder", "nowhere"])
def test_a_link_is_refused_and_the_flag_named(tmp_path: Path, target: str) -> None:
    made(tmp_path, "file", "folder/x")
    (tmp_path / "link").symlink_to(target)
    with pytest.raises(Malformed, match=r"symbolic link.*/link") as caught:
        folder.scan(tmp_path)
    assert "--follow-links" in caught.value.hint


def test_links_are_followed_when_told_to_even_outside(tmp_path: Path) -> None:
    made(tmp_path, "outside/x", "in/y")
    (tmp_path / "in/folder").symlink_to("../outside")
    (tmp_path / "in/again").symlink_to("../outside")
    (tmp_path / "in/file").symlink_to(tmp_path / "outside/x")
    found = folder.scan(tmp_path / "in", follow_links=True).sources
    assert [source.path for source in found] == ["again/x", "file", "folder/x", "y"]
    for source in found:
        with folder.reading(source) as fd:
            assert os.read(fd, 99) in (b"outside/x", b"in/y")


@pytest.mark.parametrize(("link", "to"), [("a/b/up", "../../a"), ("a/self", "."), ("a/root", "../..")])
def test_a_link_into_a_loop_is_refused(tmp_path: Path, link: str, to: str) -> None:
    made(tmp_path, "in/a/b/x")
    (tmp_path / "in" / link).symlink_to(to)
    with pytest.raises(Malformed, match="leads back"):
        folder.scan(tmp_path / "in", follow_links=True)


@pytest.mark.parametrize("to", ["nowhere", "link"])
def test_a_link_that_leads_nowhere_is_named(tmp_path: Path, to: str) -> None:
    (tmp_path / "link").symlink_to(to)
    with pytest.raises(Malformed, match=r"nowhere.*/link"):
        folder.scan(tmp_path, follow_links=True)


@pytest.mark.parametrize("follow", [False, True])
def test_what_is_no_regular_file_is_refused_and_named(tmp_path: Path, follow: bool) -> None:
    os.mkfifo(tmp_path / "queue")
    with pytest.raises(Malformed, match=r"a pipe.*/queue"):
        folder.scan(tmp_path, follow)
    os.unlink(tmp_path / "queue")
    with socket.socket(socket.AF_UNIX) as unix:
        unix.bind(os.path.relpath(tmp_path / "door"))
        with pytest.raises(Malformed, match=r"a socket.*/door"):
            folder.scan(tmp_path, follow)
    with pytest.raises(Malformed, match=r"a device.*/dev/null"):
        folder.scan(Path("/dev/null"), follow)


def test_what_is_not_there_is_not_found(tmp_path: Path) -> None:
    made(tmp_path, "file")
    for path in ("nothing", "file/below"):
        with pytest.raises(NotFound):
            folder.scan(tmp_path / path)


def test_what_may_not_be_read_is_named_before_anything_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made(tmp_path, "open", "closed")  # the tests may run as root, who may read anything
    monkeypatch.setattr(os, "access", lambda path, mode: not str(path).endswith("closed"))
    with pytest.raises(StorageFailed, match=r"cannot read .*/closed: permission denied"):
        folder.scan(tmp_path)


def test_a_folder_that_may_not_be_read_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(path: str) -> None:
        raise PermissionError(13, "Permission denied", path)

    monkeypatch.setattr(os, "scandir", refuse)
    with pytest.raises(StorageFailed, match=r"cannot read .*: permission denied"):
        folder.scan(tmp_path)


def read(source: folder.Source, meanwhile: object = None) -> bytes:
    with folder.reading(source) as fd:
        view = memoryview(bytearray(source.size))
        folder.fill(source, fd, view)
        if callable(meanwhile):
            meanwhile()
        return bytes(view)


def test_a_file_is_read_as_it_was_found(tmp_path: Path) -> None:
    made(tmp_path, "file")
    (source,) = folder.scan(tmp_path).sources
    assert read(source) == b"file"


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("how", ["grown", "cut", "touched", "replaced"])
def test_a_file_that_changes_meanwhile_is_refused(tmp_path: Path, how: str, when: str) -> None:
    path = made(tmp_path, "file") / "file"
    (source,) = folder.scan(tmp_path).sources

    def change() -> None:
        if how == "grown":
            path.write_bytes(b"file and more")
        elif how == "cut":
            os.truncate(path, 1)
        elif how == "touched":
            os.utime(path, ns=(source.mtime, source.mtime + 1))
        else:
            made(tmp_path, "other")
            os.utime(tmp_path / "other", ns=(source.mtime, source.mtime))
            os.truncate(tmp_path / "other", source.size)
            os.rename(tmp_path / "other", path)

    if how == "replaced" and when == "after":
        change, kept = (lambda: None), change  # what was opened is still read whole
        assert read(source, kept) == b"file"
        return
    if when == "before":
        change()
    with pytest.raises(Conflict, match=r"changed while it was being read: .*/file"):
        read(source, change if when == "after" else None)


@pytest.mark.parametrize("into", ["nothing", "link", "pipe"])
def test_a_file_that_becomes_something_else_is_refused(tmp_path: Path, into: str) -> None:
    path = made(tmp_path, "file", "other") / "file"
    source = folder.scan(tmp_path).sources[0]
    path.unlink()
    if into == "link":
        path.symlink_to("other")
    elif into == "pipe":
        os.mkfifo(path)  # opening it must not wait for a writer
    with pytest.raises(CommonsError, match=r"changed while|cannot read"):
        read(source)


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("a.csv", "text/csv"),
        ("a.CSV", "text/csv"),
        ("a.json", "application/json"),
        ("a.png", "image/png"),
        ("a.csv.gz", "application/gzip"),
        ("a.tar.xz", "application/x-xz"),
        ("a.unheard-of", "application/octet-stream"),
        ("README", "application/octet-stream"),
        (".csv", "application/octet-stream"),
        ("data,x.csv", "text/csv"),
    ],
)
def test_the_media_type_is_the_built_in_tables(name: str, kind: str) -> None:
    assert folder.media_type("some.folder/" + name) == kind
