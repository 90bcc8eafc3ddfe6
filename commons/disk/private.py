"""What nobody means to give away: homes, wherever they lie, secrets by their usual names, and what is hidden.

A home is known by what it holds, whatever its files are called: by its seed and by the columns of its databases. A
secret is known by its name alone. What is packed, encrypted or renamed is not known again.
"""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Iterable
from pathlib import Path

from commons.disk import sql
from commons.errors import Refused

# The columns by which a database of a home is known, whatever it is called; older homes have them too.
_COLUMNS = (
    {"entries.idx", "nodes.pos", "checkpoints.note"},
    {"manifests.cid", "asks.submission"},
    {"deposits.sharing"},
    {"pleas.acknowledged"},
    {"logs.vkey", "heads.note"},
    {"heads.note", "lines.vkey"},
    {"notes.said", "marks.said"},
)
_FILES = (
    "seed",
    "log.db",
    "shelf.db",
    "deposits.db",
    "pleas.db",
    "witness.db",
    "cosigned.db",
    "log.before.db",
    "notes.db",
)
# names in a home that are its own
_KEPT = re.compile(r"seed.*|config\.json.*|lock|control.*|packs|proofs|commons|identities|.*\.db.*")
_HEX = re.compile(rb"[0-9a-fA-F]{64}\s{0,2}")
_SQLITE = b"SQLite format 3\x00"
_BACKUP = b"commons-backup/v"  # as the vault of a backup begins: see `disk.vault`

SECRET = "a secret, by its usual name"
HISTORY = "a version control's own"
SYSTEM = "left behind by a system or an editor"
HIDDEN = "hidden"
OPENINGS = "who asked for what: the openings of an exported log"

_HISTORY = {".git", ".hg", ".svn", ".bzr", ".jj", "_darcs"}
_SYSTEM = re.compile(
    r"\.ds_store|\._.*|\.appledouble|\.spotlight-v100|\.trashes|\.fseventsd|__macosx|thumbs\.db|ehthumbs\.db|desktop\.ini"
    r"|\$recycle\.bin|system volume information|lost\+found|\.trash(?:-.*)?|\.nfs[0-9a-f]+|\.directory"
    r"|.*~|#.*#|\.#.*|~\$.*|\.~lock\..*#|.*\.sw[a-p]|\.commons:unpacking"
)
_SECRET = re.compile(
    r"\.env(?:rc|\..*)?|.+\.env|\.?_?netrc|\.npmrc|\.yarnrc(?:\.yml)?|\.pypirc|\.pgpass|\.my\.cnf|\.git-credentials|\.?htpasswd|\.dockercfg"
    r"|\.boto|\.s3cfg|\.?rclone\.conf|\.vault-token|\.terraformrc|.*\.tfstate(?:\.backup)?|.*\.tfvars|kubeconfig"
    r"|\.ssh|\.gnupg|\.aws|\.azure|\.kube|\.docker|\.password-store|\.pki|private-keys-v1\.d|secring\.gpg|.*\.kbx|trustdb\.gpg"
    r"|.*\.(?:pem|key|p12|pfx|pkcs12|p8|pk8|ppk|kdbx?|jks|keystore|keychain(?:-db)?|keyring|ovpn|agekey)"
    r"|.*[_-](?:rsa|ecdsa|ed25519)(?:[_-]sk)?(?:\.(?:pub|old|bak))?|ssh_host_.*_key(?:\.pub)?"
    r"|id_(?:rsa|dsa|ecdsa|ed25519|xmss)(?:[^a-z].*)?|id_[^.]*(?:\.(?:pub|old|bak))?"
    r"|credentials(?:\.(?:json|csv|ini|ya?ml|toml))?|(?:.*_)?accesskeys\.csv|client_secret.*\.json|service[-_]account.*\.json"
    r"|secrets?\.(?:json|ya?ml|toml|ini|env)|wallet\.dat|\.(?:bash|zsh|python|psql|mysql|sqlite)_history|\.rhistory"
)
_EXAMPLE = re.compile(r"\.env\.(?:example|sample|template|dist)")  # which others fill in with theirs
# Hidden, and still for everybody: they describe the files beside them.
_DESCRIBES = {".zenodo.json", ".reuse"}


def why(name: str, folder: bool) -> str:
    """Why a file or folder called `name` is not published unless asked; "" for what is."""
    name = name.lower()
    name = name if folder else name.removesuffix(".license")  # says under what the other is, and goes with it
    if name in _HISTORY or (folder and name == "cvs"):
        return HISTORY
    if _SYSTEM.fullmatch(name):
        return SYSTEM
    if _SECRET.fullmatch(name) and not _EXAMPLE.fullmatch(name) and not (folder and name.startswith("id_")):
        return SECRET
    return HIDDEN if name.startswith(".") and name not in _DESCRIBES else ""


def parted(folder: str) -> str:
    """Why what lies anywhere below `folder` is a secret, or a version control's own; "" if it is neither."""
    found = (why(part, True) for part in folder.split(os.sep))
    return next((each for each in found if each in (SECRET, HISTORY)), "")


def is_own(place: str, found: os.stat_result) -> bool:
    """Whether the file at `place` is a home's: its seed, one of its databases, or its backup, under whatever name."""
    if not stat.S_ISREG(found.st_mode):
        return False
    try:
        if 64 <= found.st_size <= 66 and "seed" in os.path.basename(place).lower():
            return seed(_head(place, 66)) is not None
        if _head(place, len(_BACKUP)) == _BACKUP:
            return True
        if not found.st_size or found.st_size % 512 or _head(place, len(_SQLITE)) != _SQLITE:
            return False
    except OSError:  # what cannot be read is not published either
        return False
    columns = sql.columns(Path(place))
    return any(known <= columns for known in _COLUMNS)


def seed(data: bytes) -> bytes | None:
    """The 32 bytes that a seed's file would hold in hex; None for anything else."""
    return bytes.fromhex(data.decode()) if _HEX.fullmatch(data) else None


def _head(place: str, most: int) -> bytes:
    fd = os.open(place, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    try:
        return os.read(fd, most)
    finally:
        os.close(fd)


def check_given(path: Path) -> None:
    """Nothing; Refused for a file of a home, or a secret by its usual name: what is read from it is published word by
    word."""
    real = os.path.realpath(path)
    names = {os.path.basename(each) for each in (path, real)}
    try:
        own = is_own(real, os.stat(real))
    except OSError:  # who reads it tells of it
        own = False
    if own or parted(os.path.dirname(real)) or any(why(name, False) in (SECRET, HISTORY) for name in names):
        raise Refused(
            f"{path} is {'a file of a home' if own else SECRET}, and what it says would be published word by word",
            hint="name the file with the text that everybody may read; a copy of another name is not asked about",
        )


def check_outside(path: str) -> None:
    """Nothing; Refused if `path`, as it is written or where its links lead, lies in a home, or is one."""
    for place in dict.fromkeys((os.path.abspath(path), os.path.realpath(path))):
        if home := _home_above(place):
            raise home_at(home)


def check_room(dest: Path, paths: Iterable[str] = ("",)) -> None:
    """Nothing; Refused if what is written to `paths` below `dest` would stand where a home keeps its own: whoever made
    a dataset chose the names of its files."""
    place = os.path.realpath(dest)
    if (home := _home_above(place)) is None:
        return
    for path in paths:
        name = os.path.relpath(os.path.join(place, path), home).split(os.sep)[0]
        if _KEPT.fullmatch(name.lower()):
            raise Refused(f"{os.path.join(home, name)} is for the home there", hint="name a folder outside of it")


def check_apart(path: Path) -> None:
    """Nothing; Refused for a backup that would lie in a home: it is lost with it."""
    if (home := _home_above(os.path.realpath(path.parent))) is not None:
        raise Refused(f"{path} is in the home {home}, and would be lost with it", hint="name a place on another disk")


def home_at(folder: str) -> Refused:
    """The error for a folder that is, or holds, a home."""
    home = _whole(folder)
    return Refused(
        f"{home} is a home, or a copy of one: who has its seed is its owner, and its log says who asked for what",
        hint="publish a folder that no home is in, and that is in no home",
    )


def _whole(folder: str) -> str:
    """The home to which a folder with files of one belongs: what is of one commons lies in commons/ID, and of one
    identity in identities/N."""
    above, name = os.path.split(os.path.dirname(folder))
    return _whole(above) if name in ("commons", "identities") else folder


def _home_above(place: str) -> str | None:
    while True:
        for name in _FILES:
            file = os.path.join(place, name)
            try:
                if is_own(file, os.stat(file)):
                    return _whole(place)
            except OSError:
                continue
        if place == (above := os.path.dirname(place)):
            return None
        place = above
