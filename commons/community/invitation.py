"""An invitation as text, to be given to one person by whatever way is private.

commons-invitation:COMMONS,ENTRY,TOKEN,KEY[,ADDRESS…]: nothing in it means anything to a shell.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from commons.core.crypto import ids
from commons.core.dataset import address
from commons.errors import Malformed

_SCHEME = "commons-invitation:"


@dataclass(frozen=True, slots=True, kw_only=True)
class Invitation:
    """An invitation to a community: whoever holds it may take it, once. `proposal` is the entry that must have passed,
    `token` a secret (32 bytes), `log_key` the key of the community's log (32 bytes), `sources` where its registrar is
    reached."""

    commons: str
    proposal: int
    token: bytes
    log_key: bytes
    sources: tuple[str, ...]

    def __str__(self) -> str:
        words = (self.commons, str(self.proposal), self.token.hex(), self.log_key.hex())
        return _SCHEME + ",".join((*words, *map(address.quoted, self.sources)))


def parse(text: str) -> Invitation:
    """The invitation that a text holds, as `str` writes it. Malformed."""
    words = text.strip().removeprefix(_SCHEME).split(",")
    wrong = ""
    if not text.strip().startswith(_SCHEME) or not 4 <= len(words) <= 20 or not all(words):
        wrong = "a part of it is missing"
    elif not re.fullmatch(r"[0-9]{1,15}", words[1], re.ASCII):
        wrong = "it names no entry"
    elif not all(re.fullmatch("[0-9A-Fa-f]{64}", key) for key in words[2:4]):
        wrong = "its keys are cut, or no hex digits"
    if wrong:
        raise Malformed(f"not an invitation: {wrong}", hint=f"paste the whole of it, {_SCHEME}…")
    return Invitation(
        commons=ids.check_cid(words[0], "commons"),
        proposal=int(words[1]),
        token=bytes.fromhex(words[2]),
        log_key=bytes.fromhex(words[3]),
        sources=tuple(map(address.unquoted, words[4:])),
    )
