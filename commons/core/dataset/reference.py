"""What people paste to each other: commons:<cid>, with addresses of peers and plain HTTP doors where it is to be had.

commons:bafkrei…,/ip4/203.0.113.7/tcp/4001/p2p/12D3KooW…,https://data.example

One word, of which nothing means anything to a shell. The first version wrote ?peer=…&http=…, which is still read.
"""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import parse_qsl

from commons.core.crypto import ids
from commons.core.crypto.ids import Cid
from commons.core.dataset import address
from commons.errors import Malformed

PARTS = 16  # addresses in one reference


@dataclass(frozen=True, slots=True, kw_only=True)
class Reference:
    """What people paste to each other: a dataset's id, and the addresses of peers and plain HTTP doors where it is to
    be had."""

    cid: Cid
    peers: tuple[str, ...] = ()  # multiaddrs that end in /p2p/PEER
    doors: tuple[str, ...] = ()  # http(s) URLs

    def __str__(self) -> str:
        return ",".join((f"commons:{self.cid}", *map(address.quoted, (*self.peers, *self.doors))))


def parse(text: str) -> Reference:
    """The reference in `text`, which may be a bare CID; Malformed otherwise. Addresses that nobody can dial are passed
    over.

    >>> said = "commons:bafkreicysg23kiwv34eg2d7qweipxwosdo2py4ldv42nbauguluen5v6am,https://example.org"
    >>> parse(said).doors
    ('https://example.org',)
    """
    body = text.strip().removeprefix("commons:")
    cid, comma, listed = body.partition(",")
    if comma and "?" not in cid:
        said = [address.unquoted(each) for each in listed.split(",")]
        if not all(said):
            raise Malformed("an address of the reference is missing", hint="paste the whole of it")
    else:
        cid, _, query = body.partition("?")
        said = _of_query(query) if query else []
    if len(said) > PARTS:
        raise Malformed(f"a reference has at most {PARTS} addresses, this one {len(said)}")
    if any(each != each.strip() for each in said):
        raise Malformed("an address of the reference is broken: it has blanks around it")
    cid = ids.check_cid(cid)
    found = [address.read(each) for each in said if not address.is_wild(each)]
    return Reference(
        cid=cid,
        peers=tuple(each for each in found if address.is_peer(each)),
        doors=tuple(each for each in found if not address.is_peer(each)),
    )


def _of_query(query: str) -> list[str]:
    try:
        hints = parse_qsl(query, keep_blank_values=True, strict_parsing=True, max_num_fields=PARTS)
    except ValueError as error:
        raise Malformed(f"the reference's address part is broken: {query[:80]!r}") from error
    for name, value in hints:
        if name not in ("peer", "http"):
            raise Malformed(f"unknown part {name[:20]!r} in the reference", hint="a newer version may understand it")
        if (name == "peer") is not address.is_peer(value):
            raise Malformed(f"not what {name!r} in the reference stands for: {value[:120]!r}")
    return [value for _, value in hints]
