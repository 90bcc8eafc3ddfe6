"""Being a witness: cosign the heads of other people's logs, each only if it contains the last one cosigned.

Any node is one, for the logs its owner names. Who asks need not be known: what counts is the log's own signature.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable
from typing import Any

from commons.core.state import rules
from commons.core.tlog import cosignature, note
from commons.core.tlog.checkpoint import Signed
from commons.core.tlog.note import COSIGNATURE, ED25519, Verifier
from commons.disk.home import Home
from commons.disk.witnessed import Seen
from commons.errors import Conflict, Malformed, NotFound, StorageFailed


class Witness:
    """One home's witness, under its own key. `clock` gives seconds since 1970."""

    def __init__(self, home: Home, clock: Callable[[], float] = time.time) -> None:
        self._kept, self._shelf, self._clock = home.witnessed, home.shelf, clock
        self._signer = home.keys.witness()
        self.key = Verifier(
            name=f"commons-witness/{home.keys.identity.peer}", type=COSIGNATURE, public=self._signer.public
        )

    # -- what logs and monitors ask -----------------------------------------------------------------------------------

    def add_checkpoint(self, body: bytes) -> bytes:
        """The line of this home's cosignature, durable before this returns: C2SP `add-checkpoint`. NotFound for a log
        that is not cosigned here, Outdated for a commons by rules that are not known here; other errors as of
        `cosignature.check`. What proves a fork is kept, and the log goes on being refused."""
        request = cosignature.parse(body)
        origin = cosignature.origin(request.note)
        keys = self._kept.keys(origin)
        if not keys:
            raise NotFound(f"this witness does not cosign the log {origin[:200]!r}", hint="ask its owner to add it")

        known = self._shelf.forks()
        for key in keys:
            if key.vkey in known:  # shown by somebody this node talked to
                raise cosignature.Forked("this log has signed two histories", evidence=known[key.vkey])

        def step(last: Seen | None) -> Seen:
            head = cosignature.check(request, keys, last.head if last else None)
            if origin.startswith("commons/"):
                rules.check(head.checkpoint.rules)
            now = max(int(self._clock()), last.time if last else 0)
            text = note.peek(head.note)
            if last is not None and (text, now) == (note.peek(last.head.note), last.time):
                return last  # signed in this very second: the same words again cost no write
            line = note.cosign(text, self.key.name, self._signer, now)
            signed = note.add(note.only(head.note, keys), line)
            return Seen(head=Signed(checkpoint=head.checkpoint, note=signed), time=now, line=line)

        try:
            return self._kept.step(origin, step).line
        except cosignature.Forked as error:
            self._kept.keep(origin, *error.evidence)
            raise

    def monitored(self, name: str) -> bytes:
        """The last head cosigned of the log whose origin has this SHA-256 (hex), with the log's signature and ours."""
        for origin in self._kept.origins():
            if cosignature.monitored(origin) == f"/monitoring/{name}/checkpoint" and (seen := self._kept.last(origin)):
                return seen.head.note
        raise NotFound(cosignature.NONE)

    # -- what the owner says ------------------------------------------------------------------------------------------

    def add(self, vkey: str) -> None:
        """Nothing: this home cosigns this log from now on. Malformed, Conflict."""
        key = note.parse_vkey(vkey.strip())
        if key.type != ED25519:
            raise Malformed("this is the key of a witness, not that of a log")
        if any(key != known and key.id == known.id for known in self._kept.keys(key.name)):
            raise Conflict("another key of this log has the same id")
        self._kept.add(key)

    def remove(self, name: str) -> None:
        """Nothing: this home cosigns a log no longer. It is named by its origin, or by its vkey to drop one key of
        several. NotFound."""
        if not self._kept.remove(name.strip()):
            raise NotFound(f"this witness does not cosign {name[:200]!r}", hint="`commons witness list` shows which")

    def change(self, add: str | None = None, remove: str | None = None) -> dict[str, Any]:
        """What this home cosigns by now, as plain values, once what is named was added or removed."""
        if add is not None:
            self.add(add)
        if remove is not None:
            self.remove(remove)
        rows = []
        for origin in self._kept.origins():
            seen, fork = None, self._kept.fork(origin)
            with contextlib.suppress(StorageFailed):  # `status` says that it is damaged
                seen = self._kept.last(origin)
            rows.append(
                {
                    "origin": origin,
                    "keys": [key.vkey for key in self._kept.keys(origin)],
                    "size": seen.head.checkpoint.size if seen else None,
                    "time": seen.time if seen else None,
                    "fork": list(fork) if fork else None,
                }
            )
        return {"name": self.key.name, "vkey": self.key.vkey, "logs": rows}
