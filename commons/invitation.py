"""An invitation as text, to be given to one person by whatever way is private.

commons-invitation:COMMONS,ENTRY,TOKEN,KEY[,ADDRESS…]: nothing in it means anything to a shell.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from commons.core import address, ids
from commons.errors import Malformed

_SCHEME = "commons-invitation:"


@dataclass(frozen=True, slots=True, kw_only=True)
class Invitation:
    """Whoever holds it may take it, once. `proposal` is the entry that must have passed, `token` a secret (32 bytes),
    `log_key` the key of the community's log (32 bytes), `sources` where its registrar is reached."""

    commons: str
    proposal: int
    token: bytes
    log_key: bytes
    sources: tuple[str, ...]

    def __str__(self) -> str:
        words = (self.commons, str(self.proposal), self.token.hex(), self.log_key.hex())
        return _SCHEME + ",".join((*words, *map(address.quoted, self.sources)))


def parse(text: str) -> Invitation:
    """The inverse; Malformed."""
    words = text.strip().removeprefix(_SCHEME).split(",")
    try:
        if not text.strip().startswith(_SCHEME) or not 4 <= len(words) <= 20 or not all(words):
            raise ValueError("a part of it is missing")
        if not re.fullmatch(r"[0-9]{1,15}", words[1], re.ASCII):
            raise ValueError("it names no entry")
        token, key = bytes.fromhex(words[2]), bytes.fromhex(words[3])
        if len(token) != 32 or len(key) != 32:
            raise ValueError("its keys are cut")
    except ValueError as error:
        raise Malformed(f"not an invitation: {error}", hint=f"paste the whole of it, {_SCHEME}…") from error
    return Invitation(
        commons=ids.check_cid(words[0]), proposal=int(words[1]), token=token, log_key=key,
        sources=tuple(map(address.unquoted, words[4:])),
    )  # fmt: skip
