"""What a charter's amendment may change, and what it keeps."""

from __future__ import annotations

from commons.core.state import charter
from commons.core.state.charter import Charter, Colleges
from commons.errors import Refused


def check(old: Charter, new: Charter, custodians: str, colleges: Colleges) -> None:
    """Whether `new` may take the place of `old` in a community with these custodians, and with these `colleges` after
    it. Refused for what has a vote of its own, or was promised; Malformed where it locks the community out."""
    if (new.registrar, new.log_key, new.next_key, new.time) != (old.registrar, old.log_key, old.next_key, old.time):
        raise Refused("an amendment keeps the registrar, the keys of the log and the day it began")
    if new.custodians != custodians:
        raise Refused("an amendment keeps the custodians", hint="propose change-custodians")
    if all(new.registrar not in peers for peers in colleges.values()):
        raise Refused("the registrar keeps the log, and stays a member")
    if set(old.ratchets) - set(new.ratchets):
        raise Refused("a ratchet is never taken back")
    order = charter.READERS
    if "readers" in old.ratchets and order.index(new.readers) < order.index(old.readers):
        raise Refused("the charter lets the circle of readers only be widened")
    charter.check_livable(new.powers, colleges)
