"""Who keeps a community's log, who was chosen to, and whose cosignatures its heads need."""

from __future__ import annotations

from dataclasses import replace
from hashlib import sha256

from commons.core.state import transfer
from commons.core.state.charter import Charter, Proposal
from commons.core.state.members import Members
from commons.core.state.transfer import Succession, Tenure
from commons.core.tlog.note import Verifier
from commons.errors import Refused


class Office(Members):
    """`charter` is the one in force; `tenures` who has kept the log under which key, the last now; `quorums` whose
    cosignatures are asked for, by the entries from which they are."""

    def __init__(self, charter: Charter) -> None:
        super().__init__(charter.listed())
        self.charter = charter
        self.tenures = [Tenure(since=0, registrar=charter.registrar, key=charter.log_key)]
        self.quorums = [(0, charter.witnesses)]
        self.heir: Proposal | None = None  # who was chosen to keep the log, and has not taken it over yet
        self.chosen = 0  # when, by the clocks of those who chose

    def check_offer(self, said: Proposal) -> None:
        """Whether a member could keep the log under the key that they offer. Refused."""
        if said.peer not in self.members:
            raise Refused("the registrar keeps the log, and is a member")
        if said.log_key in {each.key for each in self.tenures}:
            raise Refused("this log has had that key already: a new one signs from then on")
        if said.peer == self.charter.registrar and sha256(said.log_key or b"").digest() != self.charter.next_key:
            raise Refused("the registrar has committed to another key as the next one")

    def succeed(self, index: int, signer: str, entry: Succession, least: int, origin: str) -> None:
        """Whoever was chosen takes the log over, from a head with at least `least` entries. Refused, Untrue."""
        said = self.heir
        if said is None or signer != said.peer:
            raise Refused(f"the members have not chosen {signer} to keep this log")
        key, following = said.log_key or b"", said.next_key or b""
        log = Verifier(name=origin, public=self.charter.log_key)
        base = transfer.check_head(entry, log, self.quorums, least, index)
        self.charter = replace(self.charter, registrar=signer, log_key=key, next_key=following)
        self.tenures.append(Tenure(since=index, registrar=signer, key=key, base=base))
        self.heir = None
