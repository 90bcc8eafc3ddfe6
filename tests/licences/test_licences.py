"""Licences: the data is what the rule says, names in real spellings are understood, and nothing is guessed."""

from __future__ import annotations

import contextlib
import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

import licences
from licences import AmbiguousLicence, UnknownLicence, Work, attribution, resolve
from licences.generate import rows


def test_every_file_is_what_the_rule_says() -> None:
    made = {row["id"]: row for row in rows()}
    assert {licence.id for licence in licences.all()} == set(made)
    assert len(made) == 62
    for licence in licences.all():
        for key, value in made[licence.id].items():
            assert getattr(licence, key) == (tuple(value) if isinstance(value, list) else value), (licence.id, key)


@pytest.mark.parametrize(
    ("text", "ident"),
    [
        ("CC-BY-4.0", "CC-BY-4.0"), ("cc-by-sa-4.0", "CC-BY-SA-4.0"), ("CC BY 4.0", "CC-BY-4.0"),
        ("Creative Commons Attribution-ShareAlike 4.0 International", "CC-BY-SA-4.0"),
        ("Creative Commons Attribution NonCommercial NoDerivatives 3.0 Unported", "CC-BY-NC-ND-3.0"),
        ("https://creativecommons.org/licenses/by/4.0/", "CC-BY-4.0"),
        ("http://www.creativecommons.org/licenses/by/4.0/legalcode.fr?ref=x#y", "CC-BY-4.0"),
        ("creativecommons.org/licenses/by-nc/2.0/deed.de", "CC-BY-NC-2.0"),
        ("https://creativecommons.org/licenses/by-nd-nc/1.0/", "CC-BY-NC-ND-1.0"),
        ("https://creativecommons.org/licenses/by/3.0/de/", "CC-BY-3.0-DE"),
        ("https://creativecommons.org/publicdomain/zero/1.0/", "CC0-1.0"), ("CC0", "CC0-1.0"), ("cc-zero", "CC0-1.0"),
        ("CC0 1.0 Universal", "CC0-1.0"), ("odbl", "ODbL-1.0"),
        ("https://opendatacommons.org/licenses/odbl/1-0/", "ODbL-1.0"),
        ("Etalab Open License 2.0", "etalab-2.0"),
    ],
)  # fmt: skip
def test_real_spellings_are_understood(text: str, ident: str) -> None:
    assert resolve(text).id == ident


def test_every_licence_is_found_by_its_id_its_url_and_its_name() -> None:
    for licence in licences.all():
        assert resolve(licence.id.upper()) == licence
        assert resolve(licence.name) == licence
        assert licence.url
        assert resolve(licence.url.replace("https://", "http://")) == licence


@pytest.mark.parametrize(
    "text", ["CC BY", "cc-by-sa", "Creative Commons Attribution", "creativecommons.org/licenses/by-nc/"]
)
def test_a_name_without_its_version_is_refused_with_the_candidates(text: str) -> None:
    with pytest.raises(AmbiguousLicence) as caught:
        resolve(text)
    assert len(caught.value.candidates) == 5
    assert caught.value.candidates[0].endswith("4.0")


def test_a_misspelt_id_is_refused_with_suggestions() -> None:
    with pytest.raises(UnknownLicence) as caught:
        resolve("CC-BYY-4.0")
    assert "CC-BY-4.0" in caught.value.suggestions
    for text in (
        "",
        "MIT?",
        "CC BY 5.0",
        "ftp://creativecommons.org/licenses/by/4.0/",
        "https://example.org/licenses/by/4.0/",
    ):
        with pytest.raises(UnknownLicence):
            resolve(text)


@given(st.text(max_size=80))
def test_no_text_raises_anything_else(text: str) -> None:
    with contextlib.suppress(UnknownLicence, AmbiguousLicence):
        resolve(text)


def test_the_texts_shipped_have_their_digest() -> None:
    licence = resolve("CC-BY-4.0")
    assert licence.text_sha256 is not None
    assert resolve("CC-BY-3.0").text_sha256 is None
    own = licences.custom("LicenseRef-Ours", "Ours", "Be kind.")
    assert own.text_sha256 == hashlib.sha256(b"Be kind.").digest()
    with pytest.raises(ValueError, match="LicenseRef"):
        licences.custom("CC-BY-4.0", "x", "y")


def test_credit_names_title_author_source_and_licence() -> None:
    work = Work(
        title="Rivers", creators=("Ana", "Ben"), licence=resolve("CC-BY-SA-4.0"), source_url="https://data.example/r",
        copyright="© 2026 Ana", credit_line="With thanks to the river wardens",
    )  # fmt: skip
    assert attribution(work, modified="units converted") == (
        '"Rivers" by Ana, Ben is licensed under CC BY-SA 4.0 (https://creativecommons.org/licenses/by-sa/4.0/). '
        "© 2026 Ana. Source: https://data.example/r. Changes: units converted. With thanks to the river wardens "
        "No warranties are given."
    )
    assert "\x1b" not in attribution(Work(title="\x1b[2Jx\ny", creators=(), licence=resolve("CC0-1.0")))


def test_nd_forbids_sharing_changes_and_nc_commerce() -> None:
    permits, requires, forbids = resolve("CC-BY-NC-ND-4.0").plain()
    assert len(permits) == 2
    assert len(requires) == 2
    assert len(forbids) == 2
    assert resolve("CC0-1.0").asks() == ()
    assert resolve("CC-BY-4.0").asks() == ("title", "creators")
