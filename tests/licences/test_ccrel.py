"""What our rule says of every Creative Commons licence is what Creative Commons' own RDF says, but for four old errors.

`ccrel.json` holds the RDF's terms, extracted from two places that it names: the whole of the old repository's package,
and of the new one what the old does not have, Scotland, and all of BY but its first and last.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import licences

ORACLE: dict[str, Any] = json.loads((Path(__file__).parent / "ccrel.json").read_text("utf-8"))
OLD, NEW = "cc.licenserdf", "cc-legal-tools-data"
LETTERS = {
    "D": "cc:DerivativeWorks", "I": "cc:Distribution", "R": "cc:Reproduction", "A": "cc:Attribution", "N": "cc:Notice",
    "S": "cc:ShareAlike", "C": "cc:CommercialUse", "-": "",
}  # fmt: skip
# The old RDF lacks DerivativeWorks here, though these licences have no NoDerivatives element; the new RDF has it.
WRONG = {f"CC-{unit}-2.5-SCOTLAND" for unit in ("BY", "BY-NC", "BY-SA", "BY-NC-SA")}


def stated(source: str) -> Iterator[tuple[str, str]]:
    """(id, terms) as a source has them."""
    for unit, groups in ORACLE[source]["units"].items():
        name = "BY-NC-ND" if unit == "by-nd-nc" else unit.upper()  # its old address
        for terms, versions in groups.items():
            for version in versions.split():
                yield f"CC-{name}-{version.replace('/', '-').upper()}", terms
    yield from ORACLE[source]["others"].items()


def ours(id: str) -> tuple[frozenset[str], ...]:
    licence = licences.get(id)
    return licence.permits, licence.requires, licence.prohibits


def read(terms: str) -> tuple[frozenset[str], ...]:
    return tuple(frozenset(filter(None, (LETTERS[letter] for letter in word))) for word in terms.split())


@pytest.mark.parametrize("source", [OLD, NEW])
def test_every_licence_is_what_the_rdf_says(source: str) -> None:
    differ = {id for id, terms in stated(source) if read(terms) != ours(id)}
    assert differ == (WRONG if source == OLD else set())


def test_the_four_errors_lack_derivative_works_and_nothing_else() -> None:
    found = {id: terms for id, terms in stated(OLD) if id in WRONG}
    assert found.keys() == WRONG
    for id, terms in found.items():
        permits, *others = read(terms)
        assert (permits | {"cc:DerivativeWorks"}, *others) == ours(id)
    assert {id for id, _ in stated(NEW)} >= WRONG


def test_the_rdf_has_every_licence_of_ours_and_no_other() -> None:
    cc = {licence.id for licence in licences.all() if licence.family == "cc"} | set(licences.ports())
    assert {id for source in (OLD, NEW) for id, _ in stated(source)} == cc
    assert len(cc) == 30 + 4 + 576


def test_the_new_index_lists_no_port_of_by_that_we_do_not_have_and_we_have_no_other() -> None:
    """Its section of BY was read without a gap from 1.0/il to 3.0/ve."""
    listed = {id for id, _ in stated(NEW) if id.startswith("CC-BY-") and id[6].isdigit()}
    ours = {id for id in (*licences.ids(), *licences.ports()) if id.startswith("CC-BY-") and id[6].isdigit()}
    assert ours - listed == {"CC-BY-1.0", "CC-BY-1.0-FI", "CC-BY-3.0-VN"}
    assert listed <= ours


def test_no_licence_is_stated_twice_differently() -> None:
    for source in (OLD, NEW):
        found: dict[str, str] = {}
        for id, terms in stated(source):
            assert found.setdefault(id, terms) == terms
