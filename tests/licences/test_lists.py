"""Every entry of the published lists is the licence that it names, or refused with the right candidates.

`lists.tsv` says whose list an entry is from, and what it is. Addresses are tried in the spellings they come in.
"""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import pytest

import licences
from licences import AmbiguousLicence, UnknownLicence, resolve, titles
from tests.rows import over


class Entry(NamedTuple):
    source: str
    text: str
    answer: str


LINES = (Path(__file__).parent / "lists.tsv").read_text("utf-8").splitlines()
ENTRIES = [Entry(*line.split("\t")) for line in LINES if not line.startswith("#")]
PLACES = [entry for entry in ENTRIES if entry.text.startswith("http") and "?" not in entry.text]


def asked(text: str) -> tuple[str, tuple[str, ...]]:
    """Whether it is one licence, several or none, and the ids that are answered or offered."""
    try:
        return "=", (resolve(text).id,)
    except AmbiguousLicence as error:
        return "?", error.candidates
    except UnknownLicence as error:
        return "x", error.suggestions


def told(text: str) -> str:
    """As the table writes it."""
    kind, ids = asked(text)
    return f"{kind} {('|' if kind == 'x' else ' ').join(sorted(ids)[:40])}".strip()


def test_the_table_has_all_lists() -> None:
    found = {entry.source.partition(" ")[0] for entry in ENTRIES}
    assert found == {
        "Open", "Hugging", "Zenodo", "Kaggle", "CKAN", "ScanCode", "EU", "data.gouv.fr", "GovData",
        "RightsStatements.org", "people",
    }  # fmt: skip
    assert len(ENTRIES) > 1100


def test_every_entry_is_what_it_names_or_refused_with_the_candidates() -> None:
    assert [(entry.text, told(entry.text), entry.answer) for entry in ENTRIES if told(entry.text) != entry.answer] == []


@pytest.mark.parametrize("shape", ["{}", "http://{}", "https://{}/", "//{}", "HTTPS://WWW.{}", "http://{}#here"])
def test_an_address_is_the_same_in_every_spelling(shape: str) -> None:
    wrong = []
    for entry in PLACES:
        bare = entry.text.partition("://")[2].removeprefix("www.").rstrip("/")
        alone = "/" not in bare and shape == "{}"  # "mit-license.org" may be a name
        if "#" not in bare and not alone and told(shape.format(bare)) != entry.answer:
            wrong.append((shape.format(bare), told(shape.format(bare)), entry.answer))
    assert wrong == []


def test_what_is_answered_or_offered_exists() -> None:
    for entry in ENTRIES:
        for id in asked(entry.text)[1]:
            assert str(licences.parse(id)) == id


def test_a_family_is_offered_with_every_version_that_is_known() -> None:
    """What a family's name offers is all ids of its stem, and more than one wherever there is more than one."""
    for text, wanted in (
        ("fr-lo", {"etalab-2.0", "etalab-1.0"}),
        ("uk-ogl", {"OGL-UK-3.0", "OGL-UK-2.0", "OGL-UK-1.0"}),
        ("ogl", {"OGL-UK-3.0", "OGL-UK-2.0", "OGL-UK-1.0", "OGL-Canada-2.0"}),
        ("nlod", {"NLOD-2.0", "NLOD-1.0"}), ("Free Art License", {"LAL-1.3", "LAL-1.2"}),
        ("Apple Public Source License", {"APSL-2.0", "APSL-1.2", "APSL-1.1", "APSL-1.0"}),
        ("zpl", {"ZPL-2.1", "ZPL-2.0", "ZPL-1.1"}), ("Datenlizenz Deutschland – Namensnennung",
                                                    {"DL-DE-BY-2.0", "DL-DE-BY-1.0"}),
    ):  # fmt: skip
        with pytest.raises(AmbiguousLicence) as caught:
            resolve(text)
        assert set(caught.value.candidates) == wanted, text


def test_no_name_without_a_version_is_answered_with_one_of_several() -> None:
    """For every id with a number: the id without it, and the title without it, name that licence only if it is the
    owner's own name for it, which then says no version."""
    for id in (*licences.ids(), *licences.others()):
        licence, number = licences.get(id), titles.number_of(id)
        if number is None or licence.elements:
            continue
        for text in (id[: id.index(f"-{number}")], licence.name.replace(f"v{number}", "").replace(number, "")):
            try:
                found = resolve(text)
            except (AmbiguousLicence, UnknownLicence):
                continue
            names = {licences.get(each).name for each in (*licences.ids(), *licences.others())
                     if each.lower().startswith(id[: id.index(f"-{number}")].lower() + "-")}  # fmt: skip
            assert number not in found.name or len(names) == 1 or found.id == text, (id, text, found.id)


@over("id", [*licences.ids(), *licences.others(), *licences.ports()[::7]])
def test_every_spelling_of_a_licence_is_that_licence_or_refused(id: str) -> None:
    licence = licences.get(id)
    name = licence.name
    spellings = [
        id, id.lower(), id.replace("-", " "), id.replace("-", "_"), f" {id}. ", f"The {name}", name.replace(" v", " "),
        name.replace(" v", " Version "), name.replace("License", "Licence"), name.replace("-", " – "),
        f"{name} ({id})", f"{id} ({name})", f"“{name}”", name.replace(" and ", " & "), name.upper(),
    ]  # fmt: skip
    for text in spellings:
        kind, ids = asked(text)
        assert id in ids or (kind == "x" and (not ids or licence.kind == "other")), text


@over("id", licences.ids())
def test_the_address_in_a_record_is_its_licences(id: str) -> None:
    assert resolve(str(licences.get(id).url)).id == id


def test_a_licence_that_spdx_lacks_is_carried_by_its_name_and_written_as_a_reference() -> None:
    old = resolve("Licence Ouverte 1.0")
    assert (old.id, old.spdx, old.spdx_expression, old.kind) == ("etalab-1.0", None, "LicenseRef-etalab-1.0", "other")
    assert resolve("LicenseRef-etalab-1.0") is old
    assert str(licences.parse("LicenseRef-etalab-1.0 AND CC0-1.0")) == "etalab-1.0 AND CC0-1.0"
    assert licences.parse("etalab-1.0").spdx == "LicenseRef-etalab-1.0"


@pytest.mark.parametrize(
    ("text", "id"),
    [
        ("Namensnennung - Weitergabe unter gleichen Bedingungen 4.0 International", "CC-BY-SA-4.0"),
        ("Namensnennung 3.0 Deutschland", "CC-BY-3.0-DE"), ("Namensnennung-Keine Bearbeitung 3.0 Österreich",
                                                            "CC-BY-ND-3.0-AT"),
        ("Reconocimiento-NoComercial-SinObraDerivada 3.0 España", "CC-BY-NC-ND-3.0-ES"),
        ("Atribución-CompartirIgual 4.0 Internacional", "CC-BY-SA-4.0"),
        ("Atribuição-NãoComercial 4.0 Internacional", "CC-BY-NC-4.0"),
        ("Attribuzione - Non commerciale - Condividi allo stesso modo 4.0 Internazionale", "CC-BY-NC-SA-4.0"),
        ("Naamsvermelding-GelijkDelen 4.0 Internationaal", "CC-BY-SA-4.0"),
        ("Uznanie autorstwa-Użycie niekomercyjne 4.0 Międzynarodowe", "CC-BY-NC-4.0"),
        ("Licence Creative Commons Attribution - Utilisation non commerciale - Partage dans les Mêmes Conditions 4.0"
         " International", "CC-BY-NC-SA-4.0"),
        ("Paternité - Pas de Modification 2.0 France", "CC-BY-ND-2.0-FR"), ("表示 - 継承 4.0 国際", "CC-BY-SA-4.0"),
        ("署名-非商业性使用-相同方式共享 4.0 国际", "CC-BY-NC-SA-4.0"), ("저작자표시 4.0 국제", "CC-BY-4.0"),
        ("Erkännande-DelaLika 4.0 Internationell", "CC-BY-SA-4.0"), ("Nimeä 4.0 Kansainvälinen", "CC-BY-4.0"),
        ("CC BYNC 4.0", "CC-BY-NC-4.0"), ("Elastic License 2.0 (ELv2)", "Elastic-2.0"),
        ("GPLv3+", "GPL-3.0-or-later"), ("GNU GPL version 2 or later", "GPL-2.0-or-later"),
        ("Licence Publique de l'Union européenne 1.2", "EUPL-1.2"),
    ],
)  # fmt: skip
def test_official_titles_in_other_languages_and_usual_short_forms(text: str, id: str) -> None:
    assert resolve(text).id == id
