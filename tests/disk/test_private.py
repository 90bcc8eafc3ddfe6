"""What nobody means to give away is known by what it holds, or by its name."""

from __future__ import annotations

import os
import shutil
import sqlite3
from collections.abc import Callable
from pathlib import Path

import pytest

from commons.disk import folder, private
from commons.disk.home import Home
from commons.errors import Malformed, Refused, TooLarge
from commons.metadata import gather
from tests.conftest import log_folder
from tests.rows import over

MakeHome = Callable[[str], Path]


@pytest.fixture
def home(make_home: MakeHome) -> Path:
    path = make_home("d/home")
    Home(path).close()
    (path.parent / "x.csv").write_text("1\n")
    return path


def paths(found: folder.FolderListing) -> list[str]:
    return [source.path for source in found.sources]


# -- homes: never, whatever is asked ----------------------------------------------------------------------------------


def test_nothing_above_a_home_is_published(home: Path) -> None:
    for hidden in (False, True):
        for top in (home.parent, home.parent.parent):
            with pytest.raises(Refused, match=f"^{home} is a home"):
                folder.scan(top, hidden=hidden)


@pytest.mark.parametrize("inside", ["", "packs", "proofs", "seed", "commons", "shelf.db", "config.json", "mine/deep"])
def test_nothing_in_a_home_is_published(home: Path, inside: str) -> None:
    (home / "mine" / "deep").mkdir(parents=True)
    (home / "mine" / "deep" / "x.csv").write_text("1\n")
    with pytest.raises(Refused, match="is a home"):
        folder.scan(home / inside)


@pytest.mark.parametrize("target", ["home", "home/packs", "home/seed", "home/commons", "home/LOG", "home/config.json"])
@pytest.mark.parametrize("where", ["out", "out/deep", "out/.hidden"])
def test_no_link_leads_into_a_home(home: Path, target: str, where: str, tmp_path: Path) -> None:
    (tmp_path / where).mkdir(parents=True)
    there = log_folder(home) / "log.db" if target == "home/LOG" else home.parent / target
    (tmp_path / where / "innocent").symlink_to(there)
    (tmp_path / "out" / "x.csv").write_text("1\n")
    with pytest.raises(Refused, match=f"^{home} is a home"):
        folder.scan(tmp_path / "out", follow_links=True, hidden=True)
    with pytest.raises(Refused, match="is a home"):
        folder.scan(tmp_path / where / "innocent", follow_links=True)


def test_a_folder_that_is_reached_by_a_link_above_it_is_known(home: Path, tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(home)
    with pytest.raises(Refused, match="is a home"):
        folder.scan(tmp_path / "link" / "packs")


@pytest.mark.parametrize("name", [".hidden", ".git", "ignored"])
def test_a_home_in_what_is_left_out_is_refused_too(home: Path, name: str) -> None:
    (home.parent / ".commonsignore").write_text("ignored\n")
    (home.parent / name).mkdir()
    home.rename(home.parent / name / "home")
    with pytest.raises(Refused, match=f"{name}/home is a home"):
        folder.scan(home.parent)


@pytest.mark.parametrize("kept", ["seed", "log.db", "shelf.db", "deposits.db", "pleas.db", "witness.db", "cosigned.db",
                                  "notes.db"])  # fmt: skip
def test_one_file_of_a_home_is_enough_under_another_name_too(home: Path, kept: str, tmp_path: Path) -> None:
    copy = tmp_path / "backup"
    copy.mkdir()
    shutil.copy(next(home.rglob(kept)), copy / (f"my-{kept}.bak"))
    with pytest.raises(Refused, match=f"^{copy} is a home"):
        folder.scan(copy)
    with pytest.raises(Refused, match=f"^{copy} is a home"):
        folder.scan(copy / f"my-{kept}.bak", hidden=True)


def test_a_home_that_was_begun_or_is_made_by_hand_is_one(tmp_path: Path) -> None:
    (tmp_path / "d" / "begun").mkdir(parents=True)
    (tmp_path / "d" / "begun" / "seed.new").write_text("0" * 64 + "\n")
    with pytest.raises(Refused, match="begun is a home"):
        folder.scan(tmp_path / "d")


def test_other_databases_and_digests_are_data(tmp_path: Path) -> None:
    with sqlite3.connect(tmp_path / "court.db") as db:
        db.execute("CREATE TABLE pleas(id INTEGER, words TEXT)")
        db.execute("CREATE TABLE entries(id INTEGER)")
    db.close()
    (tmp_path / "court.db.sha256").write_text("0" * 64 + "\n")
    (tmp_path / "seeds.csv").write_text("wheat,1\n" * 8 + "\n")  # 65 bytes
    (tmp_path / "sized").write_bytes(b"x" * 512)
    assert paths(folder.scan(tmp_path)) == ["court.db", "court.db.sha256", "seeds.csv", "sized"]


@pytest.mark.parametrize(
    "name", ["seed", "log.next.db", "log.db-wal", "CONTROL", "packs", "proofs/x", "config.json.new"]
)
def test_nothing_is_written_where_a_home_keeps_its_own(home: Path, name: str, tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(home)
    private.check_room(home / "copy")
    private.check_room(home, ["rivers.csv", "copy/seed"])
    private.check_room(tmp_path / "elsewhere", [name])
    for dest in (home, tmp_path / "link", home / "copy" / ".."):
        with pytest.raises(Refused, match="is for the home there"):
            private.check_room(dest, ["rivers.csv", name])
    with pytest.raises(Refused, match="is for the home there"):
        private.check_room(home / name)


# -- names: left out, and told ----------------------------------------------------------------------------------------

SECRETS = (
    ".env", ".env.local", ".env.production", "prod.env", ".envrc", "server.pem", "server.key", "KEY.PEM", "a.p12",
    "a.pfx", "Passwords.kdbx", "id_rsa", "id_rsa.pub", "id_rsa_work", "id_ed25519", "id_ecdsa_sk", "id_dsa",
    "id_github", "deploy_rsa", "github_ed25519", ".netrc", "_netrc", ".npmrc", ".pypirc", ".pgpass", ".git-credentials",
    ".htpasswd", "login.keyring", "login.keychain-db", "store.jks", "client_secret_1.json", "credentials.json",
    "secrets.yaml", "terraform.tfstate", "putty.ppk", "secring.gpg", "pubring.kbx", "wallet.dat", ".bash_history",
)  # fmt: skip
LEFT_BEHIND = (
    ".DS_Store", "._x.csv", "Thumbs.db", "thumbs.db", "desktop.ini", "x.csv~", ".x.csv.swp", "#x.csv#", ".#x.csv",
    "~$report.docx", ".~lock.report.ods#",
)  # fmt: skip
DATA = (
    "x.csv", "id_mapping.csv", "id_list.json", "keys.csv", "environment.yml", "rsa.txt", "key", "pem.txt", "seed",
    "gitlog",
    "README.md", "x.csv.license", "monkey", "course_dsa.txt", "id_map.v2.csv",
)  # fmt: skip


@over("name", SECRETS)
def test_a_secret_is_known_by_its_usual_name(name: str) -> None:
    assert private.why(name, False) == private.SECRET
    assert private.why(f"{name}.license", False) == private.SECRET


@pytest.mark.parametrize("name", [".env.example", ".env.sample", ".env.template", ".env.dist"])
def test_an_example_that_others_fill_in_is_hidden_and_no_secret(name: str) -> None:
    assert private.why(name, False) == private.HIDDEN


@over("name", LEFT_BEHIND)
def test_what_systems_and_editors_leave_behind_is_known(name: str) -> None:
    assert private.why(name, False) == private.SYSTEM


@pytest.mark.parametrize("name", [".git", ".hg", ".svn"])
def test_a_history_is_known_as_a_folder_and_as_the_file_of_a_worktree(name: str) -> None:
    assert private.why(name, True) == private.why(name, False) == private.HISTORY


@pytest.mark.parametrize("name", DATA)
def test_data_is_not_taken_for_a_secret(name: str) -> None:
    assert private.why(name, False) == ""


def test_metadata_that_is_read_is_not_left_out_for_being_hidden() -> None:
    read = [name for name in gather.readers() if private.why(name, False)]
    assert read == []
    assert private.why(".reuse", True) == ""
    assert private.why(".zenodo.json", False) == ""


def made(root: Path, *names: str) -> Path:
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(name)
    return root


def test_what_is_left_out_is_told_with_its_reason_and_its_number(tmp_path: Path) -> None:
    made(tmp_path, "x.csv", ".git/config", ".git/objects/aa/b", "deep/.env", "deep/y.csv", ".hidden", ".ssh/id")
    found = folder.scan(tmp_path)
    assert paths(found) == ["deep/y.csv", "x.csv"]
    assert {(each.path, each.why, each.files) for each in found.left} == {
        (".git/", private.HISTORY, 2), (".hidden", private.HIDDEN, 1), (".ssh/", private.SECRET, 1),
        ("deep/.env", private.SECRET, 1),
    }  # fmt: skip


def test_what_is_asked_for_is_taken_and_told(tmp_path: Path) -> None:
    made(tmp_path, "x.csv", ".env", ".git/config")
    found = folder.scan(tmp_path, hidden=True)
    assert paths(found) == [".env", ".git/config", "x.csv"]
    assert not found.left
    assert {each.path for each in found.asked} == {".env", ".git/"}


def test_what_is_left_out_breaks_no_rule_of_names_and_files(tmp_path: Path) -> None:
    made(tmp_path, "x.csv", ".git/a:b", ".cache/con")
    os.mkfifo(tmp_path / ".gnupg")
    (tmp_path / ".link").symlink_to("nowhere")
    (tmp_path / ".git" / "up").symlink_to("..")
    for follow in (False, True):
        assert paths(folder.scan(tmp_path, follow)) == ["x.csv"]


@pytest.mark.parametrize("name", [".ssh/id", "id_rsa", "deep/.git/config", ".ssh/deep/x.csv"])
def test_a_single_file_that_is_a_secret_is_refused_unless_asked(tmp_path: Path, name: str) -> None:
    made(tmp_path, name)
    with pytest.raises(Refused) as caught:
        folder.scan(tmp_path / name)
    assert "--hidden" in caught.value.hint
    assert len(folder.scan(tmp_path / name, hidden=True).sources) == 1


def test_what_is_named_though_hidden_is_asked_for(tmp_path: Path) -> None:
    made(tmp_path, ".data/x.csv", ".y.csv")
    assert paths(folder.scan(tmp_path / ".data")) == ["x.csv"]
    assert paths(folder.scan(tmp_path / ".y.csv")) == [".y.csv"]


@pytest.mark.parametrize("target", [".ssh/id", ".env", "id_rsa", ".git"])
def test_a_secret_behind_a_link_is_left_out_whatever_the_link_is_called(tmp_path: Path, target: str) -> None:
    made(tmp_path, "d/x.csv", ".ssh/id", ".env", "id_rsa", ".git/config")
    (tmp_path / "d" / "notes.csv").symlink_to(tmp_path / target)
    found = folder.scan(tmp_path / "d", follow_links=True)
    assert paths(found) == ["x.csv"]
    assert found.left[0].path.startswith("notes.csv")


def test_the_openings_of_an_exported_log_are_personal_data(tmp_path: Path) -> None:
    made(tmp_path, "log/checkpoint", "log/tile/entries/000", "log/openings/000", "openings/x.csv")
    found = folder.scan(tmp_path)
    assert paths(found) == ["log/checkpoint", "log/tile/entries/000", "openings/x.csv"]
    assert [(each.path, each.why) for each in found.left] == [("log/openings/", private.OPENINGS)]


# -- the ignore file --------------------------------------------------------------------------------------------------


def test_an_ignore_file_is_read_as_git_reads_its_own(tmp_path: Path) -> None:
    made(tmp_path, "a.log", "keep.log", "build/x.csv", "deep/build/y.csv", "deep/b.log", "deep/c.csv", "top.csv",
         "deep/top.csv")  # fmt: skip
    (tmp_path / ".commonsignore").write_text("# notes\n*.log\n!keep.log\nbuild/\n/top.csv\n")
    (tmp_path / "deep" / ".commonsignore").write_text("!b.log\nc.csv\n")
    found = folder.scan(tmp_path)
    assert paths(found) == ["deep/b.log", "deep/top.csv", "keep.log"]
    assert {each.path for each in found.left if "named in" in each.why} == {
        "a.log", "build/", "deep/build/", "deep/c.csv", "top.csv",
    }  # fmt: skip
    assert "a.log" in {each.path for each in folder.scan(tmp_path, hidden=True).left}


def test_an_ignored_name_is_met_in_either_form_of_unicode(tmp_path: Path) -> None:
    made(tmp_path, "cafe\u0301.csv", "the\u0301.csv", "x.csv")
    (tmp_path / ".commonsignore").write_text("café.csv\nthe\u0301.csv\n")
    assert paths(folder.scan(tmp_path)) == ["x.csv"]


@pytest.mark.parametrize(("data", "kind"), [(b"\xff", Malformed), (b"#" * (2 << 20), TooLarge)])
def test_an_ignore_file_that_cannot_be_read_is_an_error_and_not_passed_over(
    tmp_path: Path, data: bytes, kind: type[Exception]
) -> None:
    made(tmp_path, "x.csv")
    (tmp_path / ".commonsignore").write_bytes(data)
    with pytest.raises(kind, match=r"\.commonsignore"):
        folder.scan(tmp_path)


@pytest.mark.parametrize("name", ["seed", ".env", "id_ed25519", "server.key", ".ssh/config"])
def test_a_text_that_is_published_is_no_secret(tmp_path: Path, name: str) -> None:
    file = tmp_path / name
    file.parent.mkdir(exist_ok=True)
    file.write_text("00" * 32)
    (tmp_path / "link.txt").symlink_to(file)
    for path in (file, tmp_path / "link.txt"):
        with pytest.raises(Refused, match="published word by word"):
            private.check_given(path)
    (tmp_path / "terms.txt").write_text("00" * 32)
    private.check_given(tmp_path / "terms.txt")
    private.check_given(tmp_path / "nothing")
