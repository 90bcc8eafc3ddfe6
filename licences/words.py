"""The words of the records: names in English and French, answers and plain sentences for the six licences.

Written from the legal codes' own clauses; they sum up, and decide nothing.
"""

from __future__ import annotations

from typing import Final

ELEMENTS_EN: Final = {"BY": "Attribution", "SA": "ShareAlike", "NC": "NonCommercial", "ND": "NoDerivatives"}
ELEMENTS_FR: Final = {
    "BY": "Attribution",
    "SA": "Partage dans les Mêmes Conditions",
    "NC": "Pas d'Utilisation Commerciale",
    "ND": "Pas de Modification",
}
EDITIONS: Final = {"3.0": ("Unported", "non transposé"), "4.0": ("International", "International")}


def _answer(answer: str, because: str, clause: str) -> dict[str, str]:
    return {"answer": answer, "because": because, "clause": clause}


def answers(elements: list[str], four: bool, short: str, clauses: dict[str, str]) -> dict[str, dict[str, str]]:
    """What a record says to each `Use` that can be asked about: by its name "answer", "because" and "clause". `four`:
    version 4.0, which lets an ND work be changed for oneself."""
    by, sa, nc, nd = (e in elements for e in ("BY", "SA", "NC", "ND"))
    credit = ", with the credit and the licence notice" if by else ", with the licence notice"
    unpaid = "for purposes not primarily intended for commercial advantage or payment"
    share, adapt = clauses["redistribute"], clauses["adapt"]
    found = {
        "commercial": _answer("no", f"only {unpaid}", clauses["commercial"])
        if nc
        else _answer("yes", "no purpose is excluded", share),
        "redistribute": _answer("conditional", f"only {unpaid}{credit}", share)
        if nc
        else _answer("yes", f"to anybody{credit}", share),
    }
    if nd:
        found["adapt"] = _answer("no", "changed versions may not be shared", adapt)
        private = ("yes", "you may change it for yourself, not share the result") if four else ("no", "no changes")
        found["adapt-privately"] = _answer(*private, adapt)
    else:
        limits = [f"under {short} or a licence it names"] * sa + [unpaid] * nc
        found["adapt"] = (
            _answer("conditional", f"only {' and '.join(limits)}{credit}", clauses["share-alike"] if sa else adapt)
            if limits
            else _answer("yes", f"under a licence of your choice that keeps the original's conditions{credit}", adapt)
        )
        found["adapt-privately"] = _answer("yes", "the conditions begin where you share it", adapt)
    if nc and found["adapt-privately"]["answer"] == "yes":
        found["adapt-privately"] = _answer("conditional", f"only {unpaid}", adapt)
    found["p2p-share"] = (
        _answer("yes", "exchange between peers counts as non-commercial while nobody pays", clauses["commercial"])
        if nc
        else _answer("yes", f"to anybody{credit}", share)
    )
    return found


def plain(elements: list[str], version: str, short: str, jurisdiction: str | None) -> dict[str, list[str]]:
    """What a record says in plain English: lines that complete "You may …", "You must …" and "You may not …"."""
    by, sa, nc, nd = (e in elements for e in ("BY", "SA", "NC", "ND"))
    four = version == "4.0"
    purpose = "for non-commercial purposes" if nc else "for any purpose, also commercially"
    permits = [f"copy it and share it, in any medium, {purpose}"]
    if not nd:
        permits.append(f"change it and share the result, {purpose}")
    elif four:
        permits.append("change it for yourself, without sharing the result")
    if nc:
        permits.append("share it between peers, which counts as non-commercial as long as nobody pays for it")

    requires = [f"say that it is under {short}, and link to that licence or enclose it"]
    if by:
        requires.insert(0, "name its creators as they ask to be named, keep their copyright notice, link to the source")
        if not four:
            requires.append("give its title, if it has one")
    if four:
        requires.append("say whether you changed it, and keep what is said of earlier changes")
        requires.append("do the same when you share all, or a substantial part, of a database")
    elif not nd:
        requires.append("say of a changed version that it is one")
    if sa:
        same = "-".join(elements)
        later = {
            "1.0": f"only under {short} itself",
            "4.0": f"only under {short}, a later version of CC {same}, or a licence CC lists as compatible",
        }.get(version, f"only under {short}, a later version of CC {same}, or a national version of it")
        requires.append(f"share what you make from it {later}")
    if jurisdiction:
        requires.append("read its own legal code for the details: it is a national or organisational version")

    forbids = ["add terms or technical locks which keep others from what this licence allows them"]
    if by:
        forbids.append("suggest that its creators endorse you or what you do with it")
    if nc:
        forbids.insert(0, "use it primarily for commercial advantage or payment")
    if nd:
        forbids.insert(0, "share a changed version" if four else "make a changed version")
    return {"permits": permits, "requires": requires, "forbids": forbids}
