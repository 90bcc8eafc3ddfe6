"""The signed description of one version of a dataset: what it is, its terms, its rule, and where its bytes verify.

Public. A manifest's CID is its name; what is inside the packs stays sealed (contents table included).
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from commons.core.crypto import envelope, ids
from commons.core.crypto.envelope import Opened
from commons.core.crypto.ids import Cid
from commons.core.crypto.keys import Signer
from commons.core.dataset import contents
from commons.core.dataset.contents import Contents, PackEntry
from commons.core.dataset.pack import SEGMENT
from commons.core.dataset.rights import check_url
from commons.core.dataset.rule import Rule
from commons.core.dataset.terms import Terms
from commons.errors import Malformed, TooLarge, Untrue

TYPE = "commons/manifest/v1"
LIMIT = 4 << 20  # bytes
KEYWORDS = 100  # at most
CUSTODY = 96 << 10  # bytes of a sharing


@dataclass(frozen=True, slots=True, kw_only=True)
class PackRef:
    """A sealed pack: its BEP 52 root (32 bytes) and size in bytes."""

    root: bytes
    size: int

    def __post_init__(self) -> None:
        if len(self.root) != 32 or self.size < 1:
            raise Malformed("a pack has a root of 32 bytes and at least one byte")


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    """The public description of one version of a dataset. `commons` is the charter's CID, `log_key` 32 bytes,
    `registrar` who answers requests.

    `unlocks[i]` opens epoch i with the secret of epoch i+1. `key` is the epoch secret, printed only under the rule
    `public`. `files` and `size` (bytes) are of the plaintext. `identifier`: a DOI or an address under which it is known
    elsewhere. `custody`: the signed sharing of the key, where custodians keep it and not the registrar.
    """

    series: bytes
    version: int
    previous: str | None
    title: str
    description: str
    keywords: tuple[str, ...]
    identifier: str | None
    created: int
    terms: Terms
    rule: Rule
    commons: str
    log_key: bytes
    registrar: str
    epoch: int
    unlocks: tuple[bytes, ...]
    key: bytes | None
    custody: bytes | None
    packs: tuple[PackRef, ...]
    contents: PackEntry
    files: int
    size: int

    def __post_init__(self) -> None:
        ids.digest_of(self.commons, "commons")
        ids.public_key(self.registrar)
        if self.previous is not None:
            ids.digest_of(self.previous)
        if len(self.series) != 16 or len(self.log_key) != 32 or (self.key is not None and len(self.key) != 32):
            raise Malformed("manifest: a series has 16 bytes, a key 32")
        if self.version < 1 or (self.version == 1) != (self.previous is None):
            raise Malformed("manifest: version 1 has no previous version, every later one has")
        if len(self.unlocks) != self.epoch or any(len(unlock) != 48 for unlock in self.unlocks):
            raise Malformed("manifest: each earlier key epoch needs its unlock, of 48 bytes")
        if (self.rule.kind == "public") != (self.key is not None):
            raise Malformed("manifest: the key is printed under the rule `public`, and only there")
        check_words(self.title, self.description, self.keywords)
        roots = {pack.root for pack in self.packs} | {self.contents.root}
        if len(roots) != len(self.packs) + 1:
            raise Malformed("manifest: a pack is named twice")
        if self.files < 0 or self.size < 0 or self.created < 0:
            raise Malformed("manifest: counts cannot be negative")
        check_identifier(self.identifier)
        if self.custody is not None and (self.key is not None or not 0 < len(self.custody) <= CUSTODY):
            raise Malformed("manifest: a key is printed or kept by custodians, not both")

    def sealed(self) -> tuple[PackRef, ...]:
        """All that is to carry: the packs, then the pack of the contents table."""
        return (*self.packs, PackRef(root=self.contents.root, size=self.contents.size))

    def sealed_size(self) -> int:
        """How many bytes there are to carry."""
        return sum(ref.size for ref in self.sealed())

    def table_room(self) -> int:
        """How many bytes the contents table can have at most, unsealed. TooLarge, before a byte of it is asked for,
        where the pack that holds it is made of more: each of its segments but the last is full."""
        most = contents.most(self.files, self.size, [pack.size for pack in self.packs])
        if (len(self.contents.segments) - 1) * SEGMENT >= most:
            raise TooLarge(
                f"the contents table of {self.title!r} is larger than one of {self.files} files can be",
                hint="its publisher says what is not so: nothing of it is unpacked",
            )
        return most

    def check_contents(self, table: Contents) -> None:
        """Nothing; Untrue unless the contents table holds what this manifest promises: so many files, bytes and these
        packs, and none sealed under a key that is not derived from this one's. A segment that several files name counts
        each time."""
        size, packs = sum(file.size for file in table.files), [(pack.root, pack.size) for pack in table.packs]
        late = [pack.epoch for pack in table.packs if pack.epoch > self.epoch]
        if late:
            raise Untrue(f"the dataset's contents name key epoch {late[0]}, its manifest is of epoch {self.epoch}")
        if (len(table.files), size) != (self.files, self.size) or packs != [(p.root, p.size) for p in self.packs]:
            raise Untrue(
                f"its contents are {len(table.files)} files of {size} bytes in {len(packs)} packs; its manifest "
                f"promises {self.files} of {self.size} in {len(self.packs)}, or other packs",
                hint="its publisher says what is not so: nothing of it is unpacked",
            )


def check_words(title: str, description: str, keywords: tuple[str, ...] = ()) -> None:
    """Nothing; Malformed unless title, description and keywords fit into a manifest."""
    if not title.strip() or len(title) > 300 or len(description) > 20_000:
        raise Malformed("a title has 1 to 300 characters, a description at most 20000")
    if (
        len(keywords) > KEYWORDS
        or len(set(keywords)) != len(keywords)
        or not all(0 < len(k.strip()) <= 100 for k in keywords)
    ):
        raise Malformed(f"a dataset has at most {KEYWORDS} keywords, each once, of 1 to 100 characters")
    if any("\ud800" <= c <= "\udfff" for c in "".join((title, description, *keywords))):
        raise Malformed("the title or the description is not Unicode text", hint="write it in UTF-8")


def check_identifier(identifier: str | None) -> None:
    """Nothing; Malformed unless the identifier is None, a DOI ("10.5281/zenodo.1") or an absolute address."""
    if identifier is not None and not re.fullmatch(r"10\.\d{4,9}/[!-~]{1,200}", identifier):
        check_url("a dataset's identifier, where it is no DOI,", identifier)


def sign(manifest: Manifest, publisher: Signer) -> bytes:
    """The signed manifest, in exact bytes: its CID is the dataset's id."""
    return envelope.sign(TYPE, manifest, publisher)


def open(data: bytes, cid: Cid | None = None) -> Opened[Manifest]:
    """The verified manifest in `data`: its name (if given) is checked, then the signature, then the content. Untrue or
    Malformed."""
    if cid is not None and ids.cid(data) != cid:
        raise Untrue(f"these bytes are not the manifest {cid}", hint="try another peer")
    return envelope.open(TYPE, Manifest, data, LIMIT)
