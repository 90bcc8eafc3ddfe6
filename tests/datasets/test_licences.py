"""Licences that travel: what publish asks and refuses, what a copy carries, what is made from what."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from commons.core.dataset import manifest
from commons.core.dataset.manifest import Manifest
from commons.core.dataset.reference import parse
from commons.errors import Conflict, Malformed, Refused, Unacknowledged
from tests.conftest import Party, Start

TEXT = "Share it with the river's neighbours.\n"


async def alone(start: Start) -> Party:
    party: Party = await start("alice", listen=())
    return party


def value_of(party: Party, reference: str) -> Manifest:
    return manifest.open(party.node.site.manifest(parse(reference).cid)).value


async def told(party: Party, folder: Path, **words: Any) -> dict[str, Any]:
    return await party.desk.publish(path=str(folder), **words)


def write(folder: Path, name: str, value: object) -> Path:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(value if isinstance(value, str) else json.dumps(value))
    return path


DATAPACKAGE = {
    "name": "rivers", "title": "Rivers of the valley", "description": "Lengths in km.",
    "licenses": [{"name": "CC-BY-4.0", "path": "https://creativecommons.org/licenses/by/4.0/"}],
    "contributors": [{"title": "Ana Diaz", "role": "author"}], "keywords": ["rivers"],
    "resources": [{"name": "rivers", "path": "rivers.csv"}],
}  # fmt: skip


# -- what publish asks ------------------------------------------------------------------------------------------------


async def test_a_licence_must_be_named_and_what_it_asks_for(start: Start, folder: Path) -> None:
    alice = await alone(start)
    with pytest.raises(Malformed, match="no licence was named"):
        await told(alice, folder, title="Rivers")
    with pytest.raises(Malformed, match="asks for attribution, so creators and title must be named") as caught:
        await told(alice, folder, licence="CC-BY-4.0")
    assert "--creator" in caught.value.hint
    with pytest.raises(Malformed, match="has a title"):
        await told(alice, folder, licence="CC0-1.0")
    assert alice.home.first.log.size == 1
    assert (await told(alice, folder, licence="CC0-1.0", title="Rivers"))["licence"] == "CC0-1.0"


@pytest.mark.parametrize(
    ("licence", "says"),
    [("cc-by", "CC-BY-4.0"), ("CC-BY-40", "CC-BY-4.0"), ("GPL-3.0", "GPL-3.0-only"), ("open", "no id"),
     ("https://creativecommons.org/licenses/by/4.0/ and more", ""), ("ftp://creativecommons.org/licenses/by/4.0/", ""),
     ("CC-BY-4.0 AND", ""), ("(CC0-1.0", "")],
)  # fmt: skip
async def test_a_licence_that_is_none_or_several_is_refused_with_the_candidates(
    start: Start, folder: Path, licence: str, says: str
) -> None:
    alice = await alone(start)
    with pytest.raises(Malformed) as caught:
        await alice.publish(folder, licence=licence)
    assert says in caught.value.message + caught.value.hint
    assert alice.home.first.log.size == 1


async def test_terms_of_ones_own_carry_their_text_and_labels_and_all_are_acknowledged(
    start: Start, folder: Path, tmp_path: Path
) -> None:
    alice, bob = await start("alice"), await start("bob")
    licence = "CC-BY-4.0 AND LicenseRef-Valley"
    with pytest.raises(Malformed, match="its text is needed"):
        await alice.publish(folder, licence=licence)
    reference = await alice.publish(
        folder, licence=licence, licence_texts=[f"LicenseRef-Valley={TEXT}"],
        labels=["TK Attribution=Name the people."],
        creators=["Ana Diaz <https://orcid.org/0000-0002-1825-0097>"], organisations=["River watch"],
    )  # fmt: skip
    shown = await bob.desk.show(dataset=reference, sources=[alice.address])
    assert [each["id"] for each in shown["licences"]] == ["CC-BY-4.0", "LicenseRef-Valley"]
    assert shown["labels"] == [{"name": "TK Attribution", "text": "Name the people."}]
    assert any(line.startswith("CC-BY-4.0: copy it") for line in shown["permits"])
    with pytest.raises(Unacknowledged, match=r"CC-BY-4.0 AND LicenseRef-Valley"):
        await bob.fetch(reference, tmp_path / "copy", alice.address, acknowledge="CC-BY-4.0")
    await bob.fetch(reference, tmp_path / "copy", alice.address, acknowledge=licence.lower())
    credit = (tmp_path / "copy" / "ATTRIBUTION.txt").read_text()
    for said in ("Ana Diaz and River watch", "LicenseRef-Valley", TEXT, "Name the people.", "CC-BY-4.0 https://"):
        assert said in credit


async def test_other_terms_are_acknowledged_anew_and_the_same_terms_are_not(
    start: Start, folder: Path, tmp_path: Path
) -> None:
    alice, bob = await start("alice"), await start("bob")
    first = await alice.publish(folder)
    await bob.fetch(first, tmp_path / "1", alice.address)
    same = await alice.publish(folder, update=first, description="Other words that are no terms")
    await bob.fetch(same, tmp_path / "2", alice.address, acknowledge=None)
    other = await alice.publish(folder, update=same, labels=["TK=Ask the elders."])
    with pytest.raises(Unacknowledged):
        await bob.fetch(other, tmp_path / "3", alice.address, acknowledge=None)


# -- what a folder says of itself -------------------------------------------------------------------------------------


async def test_what_the_folder_says_need_not_be_said_again(start: Start, folder: Path) -> None:
    alice = await alone(start)
    write(folder, "datapackage.json", DATAPACKAGE)
    found = await told(alice, folder)
    value = value_of(alice, found["reference"])
    assert (value.title, value.description, value.keywords) == ("Rivers of the valley", "Lengths in km.", ("rivers",))
    assert (value.terms.licence, [c.name for c in value.terms.creators]) == ("CC-BY-4.0", ["Ana Diaz"])
    assert found["taken"]["licence"] == found["taken"]["title"] == "datapackage.json"
    own = await told(alice, folder, title="Mine", licence="CC0-1.0")
    assert (own["title"], own["licence"]) == ("Mine", "CC0-1.0")
    assert "licence" not in own["taken"]
    assert any("as you said" in note for note in own["notices"])


async def test_two_files_that_name_two_licences_are_an_error_that_names_both(start: Start, folder: Path) -> None:
    alice = await alone(start)
    write(folder, "datapackage.json", DATAPACKAGE)
    card = write(folder, "README.md", "---\nlicense: cc-by-sa-4.0\n---\n# Rivers\n")
    with pytest.raises(Conflict, match=r"datapackage.json says CC-BY-4.0, README.md says CC-BY-SA-4.0"):
        await told(alice, folder)
    assert (await told(alice, folder, licence="CC-BY-4.0"))["licence"] == "CC-BY-4.0"
    card.write_text("---\nlicense: cc-by-4.0\n---\n# Rivers\n")
    assert (await told(alice, folder))["licence"] == "CC-BY-4.0"
    card.write_text("---\nlicense: cc\n---\n")  # less said, no contradiction
    assert (await told(alice, folder))["licence"] == "CC-BY-4.0"
    (folder / "datapackage.json").unlink()
    with pytest.raises(Conflict, match=r"README.md: .*does not say which"):
        await told(alice, folder, title="Rivers", creators=["Ana"])


async def test_one_file_that_gives_a_licence_anothers_address_is_an_error(start: Start, folder: Path) -> None:
    alice = await alone(start)
    licence = {"@type": "CreativeWork", "identifier": "CC0-1.0", "url": "https://creativecommons.org/licenses/by/4.0/"}
    said = {"@context": "https://schema.org/", "@type": "Dataset", "name": "Rivers", "license": licence}
    write(folder, "croissant.json", said)
    with pytest.raises(Conflict, match=r"says CC0-1.0, and gives the address of CC-BY-4.0"):
        await told(alice, folder, creators=["Ana"])
    licence["identifier"] = "CC-BY-4.0"
    write(folder, "croissant.json", said)
    assert (await told(alice, folder, creators=["Ana"]))["licence"] == "CC-BY-4.0"


@pytest.mark.parametrize(
    ("declared", "says"),
    [
        ({"bytes": 7}, "7 bytes"), ({"hash": "sha256:" + "0" * 64}, "SHA-256"), ({"hash": "md5:" + "0" * 32}, "MD5"),
        ({"hash": "0" * 32}, "MD5"),
    ],
)  # fmt: skip
async def test_a_declared_hash_or_size_is_compared_and_never_believed(
    start: Start, folder: Path, declared: dict[str, Any], says: str
) -> None:
    alice = await alone(start)
    resource = {"name": "rivers", "path": "rivers.csv", **declared}
    write(folder, "datapackage.json", {**DATAPACKAGE, "resources": [resource]})
    with pytest.raises(Conflict, match=says):
        await told(alice, folder)
    assert alice.home.first.log.size == 1
    assert alice.home.shelf.manifests() == []


async def test_metadata_that_is_broken_is_named_and_what_it_lists_and_is_not_there_is_told(
    start: Start, folder: Path
) -> None:
    alice = await alone(start)
    write(folder, "ro-crate-metadata.json", "{")
    with pytest.raises(Malformed, match=r"ro-crate-metadata.json: ") as broken:
        await alice.publish(folder, licence=None)
    assert "--licence" in broken.value.hint
    assert "--ignore-metadata ro-crate-metadata.json" in broken.value.hint
    assert any(
        note.startswith("ro-crate-metadata.json: passed over: not JSON")
        for note in (await told(alice, folder, title="T", licence="CC0-1.0"))["notices"]
    )
    (folder / "ro-crate-metadata.json").unlink()
    write(folder, "datapackage.json", {**DATAPACKAGE, "resources": [{"name": "x", "path": "gone.csv"}]})
    assert "datapackage.json lists gone.csv, which is not there" in (await told(alice, folder))["notices"]


# -- licences of single files -----------------------------------------------------------------------------------------


async def test_files_keep_the_licence_they_name_themselves(start: Start, folder: Path, tmp_path: Path) -> None:
    alice, bob = await start("alice"), await start("bob")
    write(folder, "plot.py", "# SPDX-FileCopyrightText: 2026 Zoë\n# SPDX-License-Identifier: CC0-1.0\nprint()\n")
    (folder / "photo.bin").write_bytes(b"\0\1")
    write(folder, "photo.bin.license", "SPDX-FileCopyrightText: 2025 Léa\nSPDX-License-Identifier: CC-BY-SA-4.0\n")
    found = await told(alice, folder, title="Rivers", licence="CC-BY-4.0", creators=["Ana"])
    assert found["licence"] == "CC-BY-4.0 AND CC-BY-SA-4.0 AND CC0-1.0"
    await bob.fetch(found["reference"], tmp_path / "copy", alice.address, acknowledge=found["licence"])
    exported = await bob.desk.export(dataset=found["reference"], dest=str(tmp_path / "out"), formats=["reuse"])
    assert "REUSE.toml" in exported["written"]
    toml = (tmp_path / "out" / "REUSE.toml").read_text()
    assert "photo.bin" in toml
    assert "2025 Léa" in toml
    assert "CC-BY-SA-4.0" in toml


async def test_the_text_of_a_licence_that_we_do_not_have_comes_with_the_command(
    start: Start, folder: Path, tmp_path: Path
) -> None:
    alice = await alone(start)
    write(folder, "plot.py", "# SPDX-FileCopyrightText: 2026 Zoë\n# SPDX-License-Identifier: MIT\nprint()\n")
    found = await told(alice, folder, title="Rivers", licence="GPL-3.0-only", creators=["Ana"], collection=True)
    words: dict[str, Any] = {"dataset": found["reference"], "formats": ["reuse"]}
    with pytest.raises(Malformed, match=r"the text of GPL-3\.0-only") as caught:
        await alice.desk.export(dest=str(tmp_path / "out"), **words)
    assert "export with --licence-text GPL-3.0-only=FILE" in caught.value.hint
    texts = {"GPL-3.0-only": "GNU GENERAL PUBLIC LICENSE …\n", "MIT": "Permission is hereby granted …\n"}
    await alice.desk.export(dest=str(tmp_path / "out"), texts=texts, **words)
    assert {path.name: path.read_text() for path in (tmp_path / "out" / "LICENSES").iterdir()} == {
        f"{id}.txt": text for id, text in texts.items()
    }  # fmt: skip
    for id, text in texts.items():
        write(folder, f"LICENSES/{id}.txt", f"carried: {text}")
    words["dataset"] = (
        await told(alice, folder, title="R", licence="GPL-3.0-only", creators=["Ana"], collection=True)
    )["reference"]
    await alice.desk.export(dest=str(tmp_path / "own"), **words)
    assert (tmp_path / "own" / "LICENSES" / "MIT.txt").read_text() == f"carried: {texts['MIT']}"
    assert (tmp_path / "own" / "REUSE.toml").exists()


async def test_a_mixture_that_nobody_could_use_stops_with_the_pair_and_the_reason(start: Start, folder: Path) -> None:
    alice = await alone(start)
    write(folder, "map.svg", "<!-- SPDX-License-Identifier: CC-BY-NC-4.0 -->\n<svg/>\n")
    words = {"title": "Rivers", "licence": "CC-BY-SA-4.0", "creators": ["Ana"]}
    with pytest.raises(Conflict, match=r"CC-BY-SA-4.0, map.svg under CC-BY-NC-4.0, which cannot be mixed") as caught:
        await told(alice, folder, **words)
    assert "NonCommercial" in caught.value.message
    assert "--collection" in caught.value.hint
    beside = await told(alice, folder, collection=True, **words)
    assert beside["licence"] == "CC-BY-SA-4.0 AND CC-BY-NC-4.0"
    assert any("side by side" in note for note in beside["notices"])


# -- made from others -------------------------------------------------------------------------------------------------


async def test_what_is_made_from_others_keeps_their_credit_and_their_conditions(
    start: Start, folder: Path, tmp_path: Path
) -> None:
    alice, bob, carol = await start("alice"), await start("bob"), await start("carol")
    springs = await alice.publish(folder, title="Springs", licence="CC-BY-SA-4.0", labels=["TK=Ask the elders."])
    words: dict[str, Any] = {"based_on": [springs], "sources": [alice.address], "title": "Waters"}
    with pytest.raises(Malformed, match="changes be marked") as asked:
        await bob.publish(folder, licence="CC-BY-SA-4.0", **words)
    assert "--changes" in asked.value.hint
    words["changes"] = "Summed by valley"
    with pytest.raises(Conflict, match=r"CC-BY-4.0 is impossible for what is based on Springs \(CC-BY-SA-4.0\)") as no:
        await bob.publish(folder, licence="CC-BY-4.0", **words)
    assert "possible: CC-BY-SA-4.0" in no.value.hint
    assert "3(b)(1)" in no.value.message
    write(folder, "plot.py", "# SPDX-License-Identifier: CC0-1.0\n")  # one's own, beside what was made from others
    waters = await bob.publish(folder, licence="CC-BY-SA-4.0", **words)
    assert (await carol.desk.show(dataset=waters, sources=[bob.address]))["impossible"] is None
    (folder / "plot.py").unlink()
    seas = await carol.publish(
        folder, licence="CC-BY-SA-4.0", title="Seas", based_on=[waters], sources=[bob.address], changes="Joined"
    )
    terms = value_of(carol, seas).terms
    assert [(o.manifest, o.title) for o in terms.origins] == [(parse(waters).cid, "Waters")]
    assert [label.name for label in terms.labels] == ["TK"]
    await bob.fetch(seas, tmp_path / "seas", carol.address, acknowledge="CC-BY-SA-4.0")
    credit = (tmp_path / "seas" / "ATTRIBUTION.txt").read_text()
    for said in ("Changes: Joined", "Waters", "Summed by valley", "Springs", "Ask the elders."):
        assert said in credit


async def test_a_claim_that_the_origins_do_not_allow_is_shown(
    start: Start, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    alice, bob = await start("alice"), await start("bob")
    springs = await alice.publish(folder, title="Springs", licence="CC-BY-ND-4.0")
    with monkeypatch.context() as patch:
        patch.setattr("commons.datasets.prepare.check_origins", lambda origins, licence: [])
        lie = await alice.publish(folder, licence="CC0-1.0", based_on=[springs], changes="Cut", title="Mine")
    shown = await bob.desk.show(dataset=lie, sources=[alice.address])
    assert "CC0-1.0 is impossible" in shown["impossible"]
    honest = await bob.desk.show(dataset=springs, sources=[alice.address])
    assert honest["impossible"] is None


# -- metadata out -----------------------------------------------------------------------------------------------------

FORMATS = ["croissant", "ro-crate", "datapackage", "dcat", "datacite", "citation", "reuse", "bagit"]


async def test_who_has_no_key_is_told_what_is_public_and_no_file(start: Start, folder: Path) -> None:
    alice, bob = await start("alice"), await start("bob")
    reference = await alice.publish(folder)
    for form in ("dcat", "datacite", "citation"):
        told = await bob.desk.describe(dataset=reference, form=form, sources=[alice.address])
        assert "Rivers" in "".join(told["files"].values())
        assert "rivers.csv" not in "".join(told["files"].values())
    for form in ("croissant", "ro-crate", "datapackage", "bagit", "reuse"):
        with pytest.raises(Refused, match="list of files is sealed"):
            await bob.desk.describe(dataset=reference, form=form, sources=[alice.address])
    own = await alice.desk.describe(dataset=reference, form="datapackage")
    assert "rivers.csv" in own["files"]["datapackage.json"]


async def test_an_export_is_whole_or_not_there_and_needs_the_key(start: Start, folder: Path, tmp_path: Path) -> None:
    alice, bob = await start("alice"), await start("bob")
    write(folder, "datapackage.json", {**DATAPACKAGE, "resources": []})
    reference = await alice.publish(folder)
    with pytest.raises(Unacknowledged):
        await bob.desk.export(dataset=reference, dest=str(tmp_path / "no"), sources=[alice.address])
    with pytest.raises(Conflict, match=r"datapackage.json of its own"):
        await alice.desk.export(dataset=reference, dest=str(tmp_path / "no"), formats=["datapackage"])
    with pytest.raises(Malformed, match="not a format"):
        await alice.desk.export(dataset=reference, dest=str(tmp_path / "no"), formats=["pdf"])
    assert not [path for path in tmp_path.iterdir() if "no" in path.name]
    told = await alice.desk.export(dataset=reference, dest=str(tmp_path / "bag"), formats=["bagit", "ro-crate"])
    assert {path.name for path in (tmp_path / "bag").iterdir()} == {
        "bagit.txt", "bag-info.txt", "manifest-sha256.txt", "tagmanifest-sha256.txt", "data"
    }  # fmt: skip
    assert "ro-crate-metadata.json" in (tmp_path / "bag" / "manifest-sha256.txt").read_text()
    assert (tmp_path / "bag" / "data" / "rivers.csv").read_bytes() == (folder / "rivers.csv").read_bytes()
    assert "bagit.txt" in told["written"]
    with pytest.raises(Conflict, match="exists already"):
        await alice.desk.export(dataset=reference, dest=str(tmp_path / "bag"))


@pytest.mark.parametrize("form", ["croissant", "ro-crate"])
async def test_reading_our_own_output_back_gives_the_same_terms(
    start: Start, folder: Path, tmp_path: Path, form: str
) -> None:
    alice = await alone(start)
    springs = await alice.publish(folder, title="Springs", licence="CC-BY-4.0")
    reference = await alice.publish(
        folder, title="Waters", licence="CC-BY-4.0", based_on=[springs], changes="Summed", keywords=["a", "b"],
        creators=["Ana <https://orcid.org/0000-0002-1825-0097>"], organisations=["Watch <https://ror.org/02mhbdp94>"],
        copyright="© 2026 Ana", credit_line="Ana's waters", source_url="https://waters.example/", updated="2025-12-31",
        description="Two\nlines", identifier="10.5281/zenodo.1234567", labels=["TK=Ask the elders."],
        conditions="Tell us",
    )  # fmt: skip
    await alice.desk.export(dataset=reference, dest=str(tmp_path / "out"), formats=[form])
    again = await told(alice, tmp_path / "out")
    before, after = value_of(alice, reference), value_of(alice, again["reference"])
    assert after.terms == before.terms
    for field in ("title", "description", "keywords", "identifier"):
        assert getattr(after, field) == getattr(before, field)
    for notice in again["notices"]:
        assert "which is not there" not in notice


@pytest.mark.parametrize("form", FORMATS)
async def test_every_format_is_printed_and_exported(start: Start, folder: Path, tmp_path: Path, form: str) -> None:
    alice = await alone(start)
    reference = await alice.publish(folder)
    described = await alice.desk.describe(dataset=reference, form=form)
    assert described["files"]
    assert all(isinstance(text, str) for text in described["files"].values())
    told = await alice.desk.export(dataset=reference, dest=str(tmp_path / "out"), formats=[form])
    assert set(described["files"]) <= set(told["written"])
