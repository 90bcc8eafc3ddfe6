"""What people write is understood in its real spellings, and what names no one licence is refused with the choices."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

import licences
from licences import AmbiguousLicence, Licence, UnknownLicence, resolve, spdx
from licences.aliases import NAMES, PLACES, REFUSED, SEVERAL
from tests.rows import over

EVERY = licences.all()
CC = [licence for licence in EVERY if licence.family == "cc"]
VERSIONS = ("4.0", "3.0", "2.5", "2.0", "1.0")


@over("licence", EVERY, ids=lambda licence: licence.id)
def test_every_licence_is_found_by_its_id_and_its_names(licence: Licence) -> None:
    for text in (licence.id, licence.id.lower(), licence.id.upper(), licence.name, licence.name_fr, licence.short):
        assert resolve(text) is licence
        assert resolve(f"  {text.upper()} \n") is licence
    assert resolve(f"https://spdx.org/licenses/{licence.id}.html") is licence


@pytest.mark.parametrize("form", ["{name} ({url})", "[{name}]({url})", "{name} <{url}>", "{name}({url})"])
def test_a_name_with_its_address_beside_it_is_that_licence(form: str) -> None:
    for each in (each for each in EVERY if each.url):
        assert licences.parse(form.format(name=each.short, url=each.url)).ids == (each.id,)
    assert resolve(form.format(name="CC BY", url="https://creativecommons.org/licenses/by/3.0/")).id == "CC-BY-3.0"
    with pytest.raises(AmbiguousLicence) as caught:
        resolve(form.format(name="CC BY 4.0", url="https://creativecommons.org/licenses/by-nc/4.0/"))
    assert set(caught.value.candidates) == {"CC-BY-4.0", "CC-BY-NC-4.0"}
    for name, url in (("Rivers", "https://creativecommons.org/licenses/by/4.0/"), ("CC BY 4.0", "https://x.example/y")):
        with pytest.raises(UnknownLicence):
            resolve(form.format(name=name, url=url))


@over("licence", CC, ids=lambda licence: licence.id)
def test_every_spelling_of_a_creative_commons_address_leads_back(licence: Licence) -> None:
    assert licence.url
    bare = licence.url.removeprefix("https://")
    tails = ("", "legalcode", "legalcode.en", "deed.fr", "deed.zh-Hans", "deed.pt_BR", "legalcode.de.html", "rdf",
             "?ref=chooser-v1", "#ref", "deed.en?a=b#c", "legalcode.txt")  # fmt: skip
    for tail in tails:
        for start in ("https://", "http://", "HTTPS://WWW.", "//", "", "www."):
            assert resolve(start + bare + tail) is licence
    assert resolve(licence.url.rstrip("/")) is licence


@over(
    ("text", "id"),
    [
        ("CC BY 4.0", "CC-BY-4.0"), ("cc by v4.0", "CC-BY-4.0"), ("CC_BY_4.0", "CC-BY-4.0"),
        ("CC–BY–SA 4.0", "CC-BY-SA-4.0"), ("CC BY‑NC‑SA 2.5", "CC-BY-NC-SA-2.5"),
        ("CC BY-ND-NC 1.0", "CC-BY-NC-ND-1.0"),
        ("Attribution 4.0 International (CC BY 4.0)", "CC-BY-4.0"),
        ("Creative Commons Attribution-ShareAlike 4.0 International Public License", "CC-BY-SA-4.0"),
        ("Creative Commons Attribution Share Alike 3.0 Unported", "CC-BY-SA-3.0"),
        ("Creative Commons Attribution Non Commercial No Derivatives 2.0 Generic", "CC-BY-NC-ND-2.0"),
        ("Creative Commons Attribution-NonCommercial-ShareAlike 3.0 Germany", "CC-BY-NC-SA-3.0-DE"),
        ("CC BY-SA 2.0 England and Wales", "CC-BY-SA-2.0-UK"), ("CC BY-SA 2.1 JP", "CC-BY-SA-2.1-JP"),
        ("CC BY 3.0 IGO", "CC-BY-3.0-IGO"),
        ("Creative Commons Attribution - Pas d’Utilisation Commerciale 4.0 International", "CC-BY-NC-4.0"),
        ("CC0", "CC0-1.0"), ("CC Zero", "CC0-1.0"), ("Creative Commons Zero v1.0 Universal", "CC0-1.0"),
        ("CC0 1.0 Universal (CC0 1.0) Public Domain Dedication", "CC0-1.0"), ("Public Domain Mark 1.0", "CC-PDM-1.0"),
        ("Open Data Commons Open Database License v1.0", "ODbL-1.0"), ("Etalab Open License 2.0", "etalab-2.0"),
        ("Licence Ouverte 2.0", "etalab-2.0"), ("Open Government Licence v3.0", "OGL-UK-3.0"),
        ("https://opendatacommons.org/licenses/odbl/1-0/", "ODbL-1.0"),
        ("http://www.opendatacommons.org/licenses/pddl/1.0/", "PDDL-1.0"),
        ("http://opendatacommons.org/licenses/by", "ODC-By-1.0"), ("https://cdla.io/sharing-1-0", "CDLA-Sharing-1.0"),
        ("https://www.nationalarchives.gov.uk/doc/open-government-licence/version/3/", "OGL-UK-3.0"),
        ("http://publications.europa.eu/resource/authority/licence/CC_BY_4_0", "CC-BY-4.0"),
        ("http://publications.europa.eu/resource/authority/licence/CC_BYNCSA_4_0", "CC-BY-NC-SA-4.0"),
        ("http://publications.europa.eu/resource/authority/licence/CC0", "CC0-1.0"),
        ("https://choosealicense.com/licenses/cc-by-sa-4.0/", "CC-BY-SA-4.0"),  # as Hugging Face's Croissant has it
        ("https://choosealicense.com/licenses/mit/", "MIT"), ("https://opensource.org/licenses/MIT", "MIT"),
        ("http://www.opendefinition.org/licenses/cc-zero", "CC0-1.0"),  # CKAN
        ("http://www.opendefinition.org/licenses/odc-odbl", "ODbL-1.0"), ("CC0: Public Domain", "CC0-1.0"),
        ("ODC Attribution License (ODC-By)", "ODC-By-1.0"),
    ],
)  # fmt: skip
def test_real_spellings_are_understood(text: str, id: str) -> None:
    assert resolve(text).id == id


@over(("alias", "id"), [*NAMES.items(), *PLACES.items()])
def test_every_alias_and_place_is_understood(alias: str, id: str) -> None:
    for text in (alias, alias.upper(), alias.title()):
        assert resolve(text).id == id
    if alias in PLACES:
        assert resolve(f"http://www.{alias}/").id == id


@pytest.mark.parametrize(
    ("catalogue", "id"),
    [
        ("cc-zero", "CC0-1.0"), ("odc-pddl", "PDDL-1.0"), ("odc-odbl", "ODbL-1.0"), ("odc-by", "ODC-By-1.0"),  # CKAN
        ("cc0-1.0", "CC0-1.0"), ("cc-by-sa-4.0", "CC-BY-SA-4.0"), ("odbl", "ODbL-1.0"), ("pddl", "PDDL-1.0"),
        ("cdla-permissive-2.0", "CDLA-Permissive-2.0"), ("etalab-2.0", "etalab-2.0"),  # Hugging Face
        ("ODC-PDDL-1.0", "PDDL-1.0"), ("CC-BY-4.0", "CC-BY-4.0"),  # Open Definition, DataCite
    ],
)  # fmt: skip
def test_the_catalogues_ids_are_understood(catalogue: str, id: str) -> None:
    assert resolve(catalogue).id == id


@pytest.mark.parametrize("unit", ["BY", "BY-SA", "BY-NC", "BY-ND", "BY-NC-SA", "BY-NC-ND"])
def test_a_name_without_its_version_is_refused_with_every_version(unit: str) -> None:
    words = {"BY": "Attribution", "SA": "ShareAlike", "NC": "NonCommercial", "ND": "NoDerivatives"}
    name = "-".join(words[part] for part in unit.split("-"))
    for text in (f"CC {unit}", f"cc-{unit.lower()}", f"Creative Commons {name}", f"Creative Commons {name} License",
                 f"https://creativecommons.org/licenses/{unit.lower()}/", f"CC {unit} International"):  # fmt: skip
        with pytest.raises(AmbiguousLicence) as caught:
            resolve(text)
        assert caught.value.candidates == tuple(f"CC-{unit}-{version}" for version in VERSIONS)


@over("text", [*SEVERAL, "cc", "Creative Commons", "cc-nc", "CC BY Germany"])
def test_a_name_of_several_licences_is_refused_with_candidates_that_exist(text: str) -> None:
    with pytest.raises(AmbiguousLicence) as caught:
        resolve(text)
    assert caught.value.candidates
    assert all(resolve(id).id == id for id in caught.value.candidates)


@over(
    ("text", "suggested"),
    [
        ("CC-BYY-4.0", "CC-BY-4.0"), ("CC-BY-4", "CC-BY-4.0"), ("ODbL-1.1", "ODbL-1.0"), ("CC BY 5.0", "CC-BY-4.0"),
        ("BY-SA 4.0", "CC-BY-SA-4.0"),
        ("ftp://creativecommons.org/licenses/by/4.0/", "CC-BY-4.0"),
        ("https://creativecommons.org/licenses/by/4.0/ (CC BY 4.0)", "CC-BY-4.0"),
        ("https://creativecommons.org/licenses/by/4.0.", "CC-BY-4.0"),
        ("https://creativecommons.org/licenses/by/3.0/xx/", "CC-BY-3.0"), ("CC-BY-3.0-SCOTLAND", "CC-BY-2.5-SCOTLAND"),
        ("CC BY 2.0 IGO", "CC-BY-3.0-IGO"), ("CC BY 2.1 France", "CC-BY-2.0-FR"), ("Apache-2", "Apache-2.0"),
        ("https://creativecommons.org/licenses/by-sa/4.0/de/", "CC-BY-SA-4.0"),
        ("https://example.org/licenses/by/4.0/", "CC-BY-4.0"),
        ("https://creativecommons.org.example.org/licenses/by/4.0/", "CC-BY-4.0"),
        ("CC-BY-4.0+", "CC-BY-4.0"),
        ("license: cc-by-4.0", "CC-BY-4.0"), ("CC BY-NC-SA-ND 4.0", "CC-BY-NC-ND-4.0"), ("CC BY 4.0 at", "CC-BY-4.0"),
    ],
)  # fmt: skip
def test_near_misses_are_refused_with_a_suggestion(text: str, suggested: str) -> None:
    with pytest.raises(UnknownLicence) as caught:
        resolve(text)
    assert suggested in caught.value.suggestions
    assert all(licences.get(id).id == id for id in caught.value.suggestions)


@over(
    "text",
    [
        *REFUSED, "https://creativecommons.org/", "CC BY 3.0 International", "CC BY 4.0 Unported",
        "CC BY 4.0 3.0", "CC BY 4.00", "CC BY 4.0.1",
        "CC BY-SA 4.0 (Attribution 4.0 International)", "CC-BY-4.0 AND ODbL-1.0", "CC-BY-4.0 WITH exception",
        "CC-BY-SA-4.0 OR MIT", "LicenseRef-Ours", "javascript:alert(1)",
        "https://creativecommons.org@example.org/licenses/by/4.0/", "https://creativecommons.org/licenses/sampling+/1.0/",
        "https://creativecommons.org/licenses/nc/1.0/", "x" * 100_000, "https://[::1", "\x1b[2J", "\ud800",
    ],
)  # fmt: skip
def test_what_names_no_licence_is_refused(text: str) -> None:
    with pytest.raises(UnknownLicence) as caught:
        resolve(text)
    assert caught.value.text == text
    assert caught.value.reason
    assert str(caught.value).isprintable()
    assert len(str(caught.value)) < 600


PORTS = licences.ports()
OTHERS = licences.others()


def test_every_port_is_found_by_its_id_its_names_and_every_address() -> None:
    for id in PORTS:
        port = licences.get(id)
        assert (port.id, port.spdx, port.spdx_expression, port.kind) == (id, None, f"LicenseRef-{id}", "licence")
        assert port.url
        bare = port.url.removeprefix("https://")
        for text in (id, id.lower(), f"LicenseRef-{id}", port.name, port.name_fr, port.short, port.url, f"http://{bare}",
                     f"www.{bare}legalcode", f"{port.url}deed.fr?ref=x#y", port.url.rstrip("/")):  # fmt: skip
            assert resolve(text) is port, text
        assert licences.get(f"LicenseRef-{id}") is port


def test_ports_without_and_with_an_spdx_id_are_those_that_were_made() -> None:
    named = [licence.id for licence in CC if licence.jurisdiction]
    assert (len(PORTS), len(named)) == (554, 22)
    assert len({*PORTS, *named}) == 6 * (3 + 18 + 4 + 28 + 43)
    assert "CC-BY-ND-3.0-IGO" in PORTS


@pytest.mark.parametrize(
    ("text", "id"),
    [
        ("CC BY 3.0 FR", "CC-BY-3.0-FR"), ("cc-by-sa-3.0-fr", "CC-BY-SA-3.0-FR"), ("CC BY 3.0 France", "CC-BY-3.0-FR"),
        ("Creative Commons Attribution-NoDerivatives 3.0 IGO", "CC-BY-ND-3.0-IGO"),
        ("CC BY-NC-SA 2.5 Écosse", "CC-BY-NC-SA-2.5-SCOTLAND"), ("CC BY 3.0 New Zealand", "CC-BY-3.0-NZ"),
        ("Creative Commons Attribution-No Derivative Works 3.0 Norway", "CC-BY-ND-3.0-NO"),
        ("CC BY-ND 3.0 NO", "CC-BY-ND-3.0-NO"), ("CC BY 2.0 Nouvelle-Zélande", ""), ("CC BY 3.0 XX", ""),
        ("http://creativecommons.org/licenses/by-nd-nc/2.0/jp/", "CC-BY-NC-ND-2.0-JP"),
        ("https://creativecommons.org/licenses/by-nc-nd/1.0/fi/", "CC-BY-NC-ND-1.0-FI"), ("CC BY 4.0 FR", ""),
        ("LicenseRef-CC-BY-4.0", ""), ("LicenseRef-CC-BY-3.0-XX", ""),
        ("https://creativecommons.org/licenses/by/4.0/fr", ""),
    ],
)  # fmt: skip
def test_ports_in_real_spellings(text: str, id: str) -> None:
    if id:
        assert resolve(text).id == id
        return
    with pytest.raises(UnknownLicence):
        resolve(text)


def test_a_port_without_its_version_is_refused_with_its_versions() -> None:
    for text, candidates in (
        ("CC BY France", ("CC-BY-3.0-FR", "CC-BY-2.0-FR")),
        ("CC BY 2.1", ("CC-BY-2.1-AU", "CC-BY-2.1-CA", "CC-BY-2.1-ES", "CC-BY-2.1-JP")),
        ("Creative Commons Attribution Canada", ("CC-BY-3.0-CA", "CC-BY-2.5-CA", "CC-BY-2.1-CA", "CC-BY-2.0-CA")),
    ):
        with pytest.raises(AmbiguousLicence) as caught:
            resolve(text)
        assert caught.value.candidates == candidates


def test_every_other_spdx_licence_is_known_by_its_name_and_by_nothing_else() -> None:
    for id in OTHERS:
        other = licences.get(id)
        assert (other.id, other.spdx, other.kind, other.url) == (
            id,
            id,
            "other",
            f"https://spdx.org/licenses/{id}.html",
        )
        for text in (id, id.lower(), id.upper(), other.url):
            assert text == "tcl" or resolve(text) is other
        assert licences.parse(id).ids == (id,)
        assert not other.permits | other.requires | other.prohibits
        assert {other.allows(use).answer for use in licences.USES} == {"unknown"}
        assert (other.text(), other.asks()) == (None, ())
    assert len(OTHERS) == 740 - 32 - len(licences.ids())
    assert resolve("MIT License").id == "MIT"
    assert "does not interpret" in licences.get("MIT").allows("adapt").because
    assert "MIT" in licences.get("MIT").plain().requires[0]


@pytest.mark.parametrize(
    ("text", "candidates"),
    [
        ("GPL-3.0", ("GPL-3.0-only", "GPL-3.0-or-later")), ("gpl-2.0+", ("GPL-2.0-or-later",)),
        ("https://spdx.org/licenses/LGPL-2.1.html", ("LGPL-2.1-only", "LGPL-2.1-or-later")),
        ("StandardML-NJ", ("SMLNJ",)),
    ],
)  # fmt: skip
def test_an_id_that_spdx_withdrew_is_refused_with_what_followed_it(text: str, candidates: tuple[str, ...]) -> None:
    with pytest.raises(AmbiguousLicence) as caught:
        resolve(text)
    assert caught.value.candidates == candidates
    assert all(licences.get(id).id == id for id in candidates)


def test_no_withdrawn_id_is_a_licence() -> None:
    for id, successors in spdx.withdrawn().items():
        with pytest.raises((AmbiguousLicence, UnknownLicence)):
            resolve(id)
        with pytest.raises(UnknownLicence) as caught:
            licences.get(id)
        assert caught.value.suggestions == successors
        assert all(str(licences.parse(each)) == each for each in successors)
    with pytest.raises(UnknownLicence, match=r"write GPL-2\.0-only WITH Classpath-exception-2\.0"):
        resolve("GPL-2.0-with-classpath-exception")


def test_a_port_that_was_never_made_is_unknown_with_what_there_is() -> None:
    for id, there in (("CC-BY-3.0-XX", "CC-BY-3.0"), ("CC-BY-4.0-FR", "CC-BY-4.0"), ("LicenseRef-CC-BY-3.0-XX", "")):
        with pytest.raises(UnknownLicence) as caught:
            licences.get(id)
        assert there in (*caught.value.suggestions, "")


def test_get_takes_exact_ids_only() -> None:
    for id in ("cc-by-4.0", "CC BY 4.0", "../data/CC-BY-4.0", "CC-BY-4.0\n", ""):
        with pytest.raises(UnknownLicence):
            licences.get(id)


FRAGMENTS = [
    "cc", "by", "-", " ", "sa", "nc", "nd", "4.0", "3", "creative commons", "https://", "creativecommons.org", "/",
    "licenses", "deed", "?", "#", "(", ")", "attribution", "de", "igo", "\u202e", "é", "international",
    "+", "_", ".", "%", "zero", "\n",
]  # fmt: skip


@given(st.one_of(st.text(max_size=60), st.lists(st.sampled_from(FRAGMENTS), max_size=14).map("".join)))
def test_no_text_raises_anything_but_the_two_errors(text: str) -> None:
    with contextlib.suppress(UnknownLicence, AmbiguousLicence):
        assert licences.get(resolve(text).id) is resolve(text)


@given(st.sampled_from(EVERY), st.text("0123456789+abcxyz", min_size=1, max_size=3))
def test_no_licence_answers_to_its_id_with_something_added(licence: Licence, more: str) -> None:
    with contextlib.suppress(UnknownLicence, AmbiguousLicence):
        assert resolve(licence.id + more) is not licence
