"""A hint is near, and grants no more than what was written: whatever stands there."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

import licences
from licences import AmbiguousLicence, Licence, UnknownLicence, hints, resolve
from tests.rows import over

CC = [licence for licence in licences.all() if licence.elements]
FREE = [licence.id for licence in licences.all() if licence.kind in ("dedication", "mark")]


def offered(text: str) -> tuple[str, ...]:
    """What an error would offer; nothing where `text` is understood."""
    try:
        resolve(text)
    except UnknownLicence as error:
        return error.suggestions
    except AmbiguousLicence:
        pass
    return ()


def conditions(licence: Licence) -> set[str]:
    """What it asks or forbids; ND leaves nothing for SA to be about."""
    if licence.kind == "other":
        return set()
    nd = "cc:DerivativeWorks" not in licence.permits
    return {
        *({"BY"} if licence.needs_attribution else set()), *({"NC"} if licence.non_commercial else set()),
        *({"ND", "SA"} if nd else set()), *({"SA"} if licence.share_alike else set()),
    }  # fmt: skip


@over(
    "text",
    [
        "LICENSE", "license", "see LICENSE", "See the LICENSE file", "LICENSE.md", "my-licence", "our licence",
        "custom",
        "http://rightsstatements.org/vocab/InC/1.0/", "http://rightsstatements.org/vocab/InC-NC/1.0/",
        "http://rightsstatements.org/vocab/NoC-NC/1.0/", "In Copyright", "© 2024 Ana", "Copyright Ana", "free to read",
        "https://www.apache.org/licenses/LICENSE-9.0", "https://www.gnu.org/licenses/lgpl-9.0.html",
        "https://example.org/licence/2.0", "https://example.org/terms/1.0/", "https://example.org/by/1.0",
        "CC BY 4.0 (non-commercial use only)", "CC BY 4.0, academic use only", "CC-BY-4.0 except the photos",
        "CC BY 4.0 nur für Forschung", "CC BY 4.0 nekomerciāli", "Atsaucoties-Nekomerciāli 2.5 Portugāle",
        "CC-BY-N-4.0", "public", "open", "none yet", "mitre", "cosl", "APL-1.1", "TPL-2.0", "OGL 1.0a", "zero",
        "Collected by Ana, version 4.0", "fair use", "all rights reserved, MIT", "Creative Commons",
        "dl-de/by-nc-9-0", "Statistics by the office 1.0",
        "https://creativecommons.org/licenses/by/4.0/ non-commercial use only",
        "https://creativecommons.org/licenses/sa/1.0/ zero", "noncommercial", "research only", "info:x/by/4.0",
    ],
)  # fmt: skip
def test_what_names_nothing_near_gets_no_hint(text: str) -> None:
    assert offered(text) == ()


@pytest.mark.parametrize(
    ("text", "ids"),
    [
        ("CC-BYY-4.0", {"CC-BY-4.0"}), ("CC-BY-NCC-4.0", {"CC-BY-NC-4.0"}), ("CC-BY-SA-ND 4.0", {"CC-BY-ND-4.0"}),
        ("CC BY-NC-SA-ND 4.0", {"CC-BY-NC-ND-4.0"}), ("Apache-2", {"Apache-2.0"}), ("ODbL-1.1", {"ODbL-1.0"}),
        ("https://example.org/licenses/by-nc/4.0/", {"CC-BY-NC-4.0"}), ("license: cc-by-sa-3.0", {"CC-BY-SA-3.0"}),
        ("BY-SA 4.0", {"CC-BY-SA-4.0"}), ("Licensed under the Open Database License", {"ODbL-1.0"}),
        ("https://creativecommons.org/licenses/cc0/1.0", {"CC0-1.0"}), ("Apachee-2.0", {"Apache-2.0"}),
        ("CC BY-NC 5.0", {f"CC-BY-NC-{v}" for v in ("4.0", "3.0", "2.5", "2.0", "1.0")}),
    ],
)  # fmt: skip
def test_what_is_near_gets_what_was_meant_and_nothing_else(text: str, ids: set[str]) -> None:
    assert set(offered(text)) == ids


WORDS = st.sampled_from([
    "only", "for", "research", "please", "data", "see", "licence", "version", "xyz", "non-commercial", "no derivatives",
    "share alike", "nc", "nd", "sa", "by", "at", "reserved", "copyright", "licensed", "under", "9.0", "4.0", "1",
    "(", ")",
    "nekomerciāli", "noncommercial", "-", "/", ",", "pas d'utilisation commerciale", "unless", "http://example.org/",
])  # fmt: skip


@given(st.sampled_from(CC), st.lists(WORDS, max_size=4), st.lists(WORDS, max_size=4))
def test_no_hint_grants_more_than_a_licence_whose_name_is_in_the_words(
    licence: Licence, before: list[str], after: list[str]
) -> None:
    """Neither more than the licence that is named, nor more than what the words about it leave of it."""
    beside = {*before, *after}
    asked = {part.upper() for part in ("nc", "nd", "sa") if part in beside}
    asked |= {"NC"} if beside & {"non-commercial", "noncommercial", "pas d'utilisation commerciale"} else set()
    asked |= {"ND"} if "no derivatives" in beside else set()
    asked |= conditions(licence) - ({"BY"} if licence.id == "CC-SA-1.0" else set())
    for name in (licence.id, licence.short, licence.name, str(licence.url)):
        ids = offered(" ".join((*before, name, *after)))
        assert not ids or not beside & {"only", "research", "reserved", "copyright", "unless", "nekomerciāli"}
        assert all(asked <= conditions(licences.get(id)) for id in ids)


@given(st.sampled_from([licence.id for licence in CC]), st.integers(0, 30), st.sampled_from(["", *"abcnsdy-. 1"]))
def test_a_slip_of_one_letter_never_offers_more_than_was_meant(id: str, at: int, letter: str) -> None:
    at %= len(id)
    text = id[:at] + letter + id[at + 1 :]
    said = {part for part in text.split("-") if part in ("BY", "NC", "ND", "SA")}
    for each in offered(text):
        assert said <= conditions(licences.get(each)), (text, each)


@given(st.text(max_size=60))
def test_a_random_text_is_never_offered_what_gives_all_rights_up(text: str) -> None:
    plain = text.lower()
    if not any(said in plain for said in ("0", "pd", "zero", "public", "mark")):
        assert not set(FREE) & set(offered(text))


@given(st.one_of(st.text(max_size=80), st.lists(WORDS, max_size=12).map(" ".join)))
def test_every_hint_exists_and_there_are_few(text: str) -> None:
    ids = hints.near(text)
    assert len(ids) <= 8
    assert all(licences.get(id).id == id for id in ids)
