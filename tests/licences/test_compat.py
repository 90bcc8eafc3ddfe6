"""Licences combine as Creative Commons' charts say, cell by cell; outside the charts the answer is never a guess."""

from __future__ import annotations

from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

import licences
from licences.compat import CODES, Source, Verdict, adaptation_licences, can_collect, can_remix
from tests.licences.charts import adapter, at, remix
from tests.rows import over

CC = [licence.id for licence in licences.all() if licence.family == "cc"]
EVERY = (*licences.ids(), *licences.ports()[::10], *licences.others()[::20])
OWN = licences.custom("LicenseRef-Ours", "Our terms", "Be kind.")


def codes(verdict: Verdict) -> set[str]:
    return {reason.code for reason in verdict.reasons}


def test_the_charts_have_64_and_49_cells() -> None:
    assert (len(remix()), len(adapter())) == (64, 49)


@over(("a", "b", "allowed"), remix())
def test_the_remix_chart_holds(a: str, b: str, allowed: bool) -> None:
    verdict = can_remix(at(a), at(b))
    assert verdict.ok is allowed
    assert allowed or verdict.reasons


@over(("source", "to", "cell"), adapter())
def test_the_adapters_chart_holds(source: str, to: str, cell: str) -> None:
    verdict = adaptation_licences([at(source)], at(to))
    assert verdict.answer == {"g": "yes", "y": "conditional", "-": "no"}[cell]
    assert (at(to) in verdict.allowed, at(to) in verdict.discouraged) == (cell == "g", cell == "y")
    assert (
        codes(verdict)
        <= {
            "g": set(),
            "y": {"DISCOURAGED", "TARGET_DROPS_NC"},
            "-": {"NO_DERIVATIVES", "SHAREALIKE_CONFLICT"},
        }[cell]
    )


@pytest.mark.parametrize("version", ["1.0", "2.0", "2.5", "3.0"])
def test_the_charts_hold_within_every_older_version(version: str) -> None:
    for a, b, allowed in remix():
        assert can_remix(at(a, version), at(b, version)).ok is allowed, (a, b)
    for source, to, cell in adapter():
        answer = adaptation_licences([at(source, version)], at(to, version)).answer
        assert answer == {"g": "yes", "y": "conditional", "-": "no"}[cell], (source, to)


def test_yellow_cells_are_no_way_out_for_a_mix() -> None:
    """BY-NC into BY-SA is yellow alone, but BY-SA with BY-NC is a red cell of the remix chart."""
    verdict = adaptation_licences(["CC-BY-SA-4.0", "CC-BY-NC-4.0"], "CC-BY-SA-4.0")
    assert (verdict.answer, verdict.discouraged) == ("no", ())
    (reason,) = verdict.reasons
    assert reason.code == "NONCOMMERCIAL_VS_SHAREALIKE"
    assert reason.clause == "s.3(b)(1)"
    assert reason.text == (
        "cannot combine CC BY-SA 4.0 with CC BY-NC 4.0: CC BY-SA 4.0 demands that the result be under CC BY-SA 4.0 or"
        " later, which would drop the NonCommercial condition of CC BY-NC 4.0"
    )
    assert "collection" in reason.todo


@pytest.mark.parametrize("unit", ["BY-SA", "BY-NC-SA"])
def test_share_alike_goes_up_and_never_down_and_1_0_not_at_all(unit: str) -> None:
    versions = ("1.0", "2.0", "2.5", "3.0", "4.0")
    for source, to in product(versions, versions):
        verdict = adaptation_licences([f"CC-{unit}-{source}"], f"CC-{unit}-{to}")
        assert verdict.ok is (source == to or (source != "1.0" and to > source)), (source, to)
        if not verdict.ok:
            assert codes(verdict) == {"NO_UPGRADE_CLAUSE" if source == "1.0" else "VERSION_DOWNGRADE"}


def test_two_share_alike_versions_meet_in_the_later_one() -> None:
    assert "CC-BY-SA-4.0" in can_remix("CC-BY-SA-2.0", "CC-BY-SA-4.0").allowed
    assert "CC-BY-SA-2.0" not in can_remix("CC-BY-SA-2.0", "CC-BY-SA-3.0").allowed
    verdict = can_remix("CC-BY-SA-1.0", "CC-BY-SA-4.0")
    assert (verdict.answer, codes(verdict)) == ("no", {"NO_UPGRADE_CLAUSE"})


def test_versions_never_part_licences_without_share_alike() -> None:
    for a, b in product(("1.0", "2.0", "2.5", "3.0", "4.0"), repeat=2):
        assert can_remix(f"CC-BY-{a}", f"CC-BY-NC-{b}").ok


def test_the_compatible_licences_are_offered_where_every_source_allows_them() -> None:
    assert {"LAL-1.3", "GPL-3.0-only"} <= set(can_remix("CC-BY-SA-4.0", "CC-BY-4.0", "CC0-1.0").allowed)
    for sources in (["CC-BY-SA-3.0"], ["CC-BY-SA-4.0", "CC-BY-SA-3.0"], ["CC-BY-NC-SA-4.0"]):
        verdict = adaptation_licences(sources, "GPL-3.0-only")
        assert verdict.answer == "no"
        assert "GPL-3.0-only" not in verdict.allowed
    assert adaptation_licences(["LAL-1.3"], "CC-BY-SA-4.0").ok
    assert adaptation_licences(["GPL-3.0-only"], "CC-BY-SA-4.0").answer == "no"  # one way


@over(
    ("sources", "to", "answer", "code"),
    [
        (["ODbL-1.0"], "ODbL-1.0", "yes", None),
        (["CC0-1.0"], "ODbL-1.0", "yes", None),
        (["PDDL-1.0"], "CC-BY-4.0", "yes", None),
        *((["ODbL-1.0"], to, "conditional", "PRODUCED_WORK") for to in ("CC-BY-SA-4.0", "CC-BY-4.0", "MIT", OWN)),
        (["ODbL-1.0"], "CC-PDM-1.0", "no", "MARK_NOT_LICENCE"),
        (["CC-BY-SA-4.0"], "ODbL-1.0", "no", "SHAREALIKE_CONFLICT"),
        (["CC-BY-4.0"], "ODbL-1.0", "unknown", "ASK_LICENSOR"),
        (["CC-BY-NC-4.0"], "ODbL-1.0", "no", "NONCOMMERCIAL_VS_SHAREALIKE"),
        (["CC-BY-ND-4.0"], "ODbL-1.0", "no", "NO_DERIVATIVES"),
        (["CC-BY-4.0", "ODbL-1.0"], "ODbL-1.0", "unknown", "ASK_LICENSOR"),
        (["CC-BY-4.0", "ODbL-1.0"], None, "conditional", "PRODUCED_WORK"),
        (["CC-BY-SA-4.0", "ODbL-1.0"], None, "conditional", "PRODUCED_WORK"),
        (["ODC-By-1.0"], "CC-BY-4.0", "conditional", "KEEP_NOTICE"),
        (["CDLA-Permissive-2.0"], "CC-BY-SA-4.0", "conditional", "KEEP_NOTICE"),
        (["CDLA-Sharing-1.0"], "CC-BY-4.0", "conditional", "PRODUCED_WORK"),
        (["LAL-1.3"], "CC-BY-4.0", "no", "SHAREALIKE_CONFLICT"),
        (["etalab-2.0"], "CC-BY-4.0", "yes", None),
        (["etalab-2.0"], "ODbL-1.0", "yes", None),
        (["OGL-UK-3.0"], "CC-BY-4.0", "yes", None),
        (["OGL-UK-3.0"], "CC-BY-SA-4.0", "conditional", "KEEP_NOTICE"),
        (["CC0-1.0"], "CC-PDM-1.0", "conditional", "MARK_NOT_LICENCE"),
        (["CC-BY-4.0"], "CC-PDM-1.0", "no", "MARK_NOT_LICENCE"),
        (["CC0-1.0"], "CC-PDDC", "conditional", "RETIRED"),
        (["CC-BY-SA-4.0", "CC-BY-NC-SA-4.0"], None, "no", "SHAREALIKE_CONFLICT"),
        (["MIT"], None, "unknown", "UNKNOWN_LICENCE"),
        (["MIT"], "CC-BY-4.0", "unknown", "UNKNOWN_LICENCE"),
        (["CC0-1.0"], "MIT", "unknown", "UNKNOWN_LICENCE"),
        (["CC-BY-4.0"], "Apache-2.0", "unknown", "UNKNOWN_LICENCE"),
        (["CC-BY-SA-4.0"], "GPL-3.0-or-later", "unknown", "UNKNOWN_LICENCE"),
        (["CC-BY-SA-4.0"], "MIT", "no", "SHAREALIKE_CONFLICT"),
        (["CC-BY-ND-4.0"], "MIT", "no", "NO_DERIVATIVES"),
        (["CC-BY-SA-4.0", "MIT"], None, "unknown", "UNKNOWN_LICENCE"),
        (["CC-BY-SA-3.0-FR"], "CC-BY-SA-4.0", "yes", None),
        (["CC-BY-SA-3.0-FR", "CC-BY-SA-2.5-SCOTLAND"], "CC-BY-SA-3.0", "yes", None),
        (["CC-BY-SA-3.0-FR"], "CC-BY-SA-2.0-FR", "no", "VERSION_DOWNGRADE"),
        (["CC-BY-3.0-FR"], "CC-BY-NC-2.5-CH", "yes", None),
    ],
)
def test_the_neighbours_answer(sources: list[str], to: Source | None, answer: str, code: str | None) -> None:
    verdict = adaptation_licences(sources, to)
    assert (verdict.answer, codes(verdict)) == (answer, {code} if code else set())


@over("licence", licences.all(), ids=lambda licence: licence.id)
def test_what_is_shown_of_a_licence_is_what_its_combinations_answer(licence: licences.Licence) -> None:
    """Over every pair: `licence show` and `licence compat` (which publishing asks, too) have one source of truth."""
    shown = licence.allows("adapt")
    told = {to: adaptation_licences([licence], to) for to in (*licences.ids(), *licences.others()[::50], OWN)}
    answers = {verdict.answer for to, verdict in told.items() if to != licence.id}
    alone = can_remix(licence).answer
    assert (shown.answer == "no") == (alone == "no")
    if shown.answer == "no":
        assert answers == {"no"}
    elif licence.kind == "licence":
        assert "yes" in {verdict.answer for verdict in told.values()}
    if shown.answer == "yes":  # what is free to be adapted is refused to a mark only, which nothing new can carry
        assert {to for to, verdict in told.items() if verdict.answer == "no"} <= {"CC-PDM-1.0"}
    free_works = licence.adaptation.works is not None
    assert free_works == any(word in shown.because for word in ("other works", "what you compute"))
    assert free_works == bool(licence.clause("works"))
    for to, verdict in told.items():
        if free_works and to not in (licence.id, "CC-PDM-1.0"):
            assert verdict.answer == "conditional", to
            (reason,) = verdict.reasons
            assert reason.clause == licence.clause("works")
            assert licence.adaptation.works is not None
            assert reason.todo.startswith(licence.adaptation.works)
        for reason in verdict.reasons:
            if reason.code == "SHAREALIKE_CONFLICT":
                assert shown.answer == "conditional"
                assert licence.share_alike
    assert (can_collect([licence], commercial=True).answer == "no") == (licence.allows("commercial").answer == "no")


def test_what_a_record_says_in_plain_words_of_free_results_is_what_its_combinations_answer() -> None:
    """The sentence and the rule stand in one record; whoever writes the one cannot forget the other."""
    for licence in licences.all():
        words = " ".join((*licence.plain().permits, *licence.plain().requires, licence.allows("adapt").because))
        if licence.share_alike and any(said in words for said in ("compute", "other works made with it")):
            assert adaptation_licences([licence], "CC-BY-NC-ND-4.0").answer == "conditional", licence.id


def test_a_text_of_ones_own_is_never_reasoned_about() -> None:
    for verdict in (
        can_remix(OWN),
        can_remix(OWN, "CC0-1.0"),
        adaptation_licences(["CC0-1.0"], OWN),
        can_collect([OWN]),
    ):
        assert (verdict.answer, codes(verdict)) == ("unknown", {"UNKNOWN_LICENCE"})
    assert can_remix(OWN, "CC-BY-ND-4.0").answer == "no"


def test_a_refusal_names_the_ways_out() -> None:
    verdict = adaptation_licences(["CC-BY-SA-3.0", "CC-BY-4.0"], "CC-BY-4.0")
    assert verdict.answer == "no"
    assert verdict.allowed == ("CC-BY-SA-4.0", "CC-BY-SA-3.0")


def test_a_collection_keeps_each_part_under_its_own_licence() -> None:
    everything = ["CC-BY-ND-4.0", "CC-BY-NC-SA-4.0", "CC-BY-SA-3.0", "ODbL-1.0", "CC0-1.0"]
    verdict = can_collect(everything)
    assert verdict.ok
    assert {"KEEP_UNMODIFIED", "DB_RIGHTS_NOT_LICENSED"} == {note.code for note in verdict.notes}
    refused = can_collect(everything, commercial=True)
    assert (refused.answer, codes(refused)) == ("no", {"NC_IN_COMMERCIAL_COLLECTION"})
    assert refused.reasons[0].sources == ("CC-BY-NC-SA-4.0",)


def test_ports_and_old_versions_come_with_notes() -> None:
    assert {note.code for note in can_remix("CC-BY-3.0-DE").notes} == {"PORT"}
    assert {note.code for note in can_remix("CC-BY-3.0").notes} == {"DB_RIGHTS_NOT_LICENSED"}
    assert can_remix("CC-BY-4.0").notes == ()
    assert {note.code for note in can_remix("CC-BY-3.0-FR").notes} == {"PORT"}
    assert can_collect(["CC-BY-3.0-FR", "MIT"]).answer == "unknown"


def test_no_source_is_a_bug_and_a_wrong_id_an_error() -> None:
    with pytest.raises(ValueError, match="at least one"):
        can_remix()
    with pytest.raises(licences.UnknownLicence):
        can_remix("CC-BY")


@given(st.lists(st.sampled_from(EVERY), min_size=1, max_size=4))
def test_order_and_repetition_change_no_answer(sources: list[str]) -> None:
    verdict, turned = can_remix(*sources), can_remix(*reversed(sources), sources[0])
    assert verdict.answer == turned.answer
    assert set(verdict.allowed) == set(turned.allowed)
    assert {r.code for r in verdict.reasons} <= CODES.keys()
    assert all(reason.text and reason.todo and reason.sources for reason in (*verdict.reasons, *verdict.notes))
    assert verdict.ok or verdict.reasons


@given(st.lists(st.sampled_from(EVERY), min_size=1, max_size=3), st.sampled_from(EVERY))
def test_another_source_never_allows_more(sources: list[str], more: str) -> None:
    for target in can_remix(*sources, more).allowed:
        assert adaptation_licences(sources, target).ok


@given(st.sampled_from(["BY-SA", "BY-NC-SA"]), st.sampled_from(["2.0", "2.5", "3.0", "4.0"]), st.sampled_from(CC))
def test_what_takes_an_old_share_alike_version_takes_no_less_when_upgraded(unit: str, version: str, other: str) -> None:
    """Monotony: if a mix may go under version v, a mix of the same may go under 4.0."""
    mix = [f"CC-{unit}-{version}", other]
    if adaptation_licences(mix, f"CC-{unit}-{version}").ok:
        assert adaptation_licences(mix, f"CC-{unit}-4.0").ok


@given(st.sampled_from(EVERY), st.sampled_from(EVERY))
def test_what_is_allowed_is_what_each_source_allows(a: str, b: str) -> None:
    for target in can_remix(a, b).allowed:
        assert adaptation_licences([a], target).ok
        assert adaptation_licences([b], target).ok


def test_version_1_0_with_share_alike_goes_into_no_port_and_no_port_of_it_into_another() -> None:
    """Its section 4(b) names "the terms of this License" and no other."""
    sa = licences.get("CC-BY-SA-1.0")
    port = licences.get("CC-BY-SA-1.0-NL")
    for source, to in ((sa, port), (port, sa)):
        assert codes(adaptation_licences([source], to)) == {"NO_UPGRADE_CLAUSE"}


@given(st.sampled_from(EVERY), st.sampled_from(EVERY))
def test_remix_is_symmetric(a: str, b: str) -> None:
    one, other = can_remix(a, b), can_remix(b, a)
    assert (one.answer, set(one.allowed), set(one.conditional), set(one.discouraged), codes(one)) == (
        other.answer, set(other.allowed), set(other.conditional), set(other.discouraged), codes(other),
    )  # fmt: skip


UNITS = ("BY", "BY-SA", "BY-NC", "BY-NC-SA", "BY-ND", "BY-NC-ND")
VERSIONS = ("1.0", "2.0", "2.5", "3.0", "4.0")
RANK = ("no", "unknown", "conditional", "yes")


@given(st.sampled_from(UNITS), st.sampled_from(UNITS), *[st.sampled_from(VERSIONS)] * 3)
def test_a_later_version_of_the_target_is_never_worse(unit: str, to: str, a: str, b: str, c: str) -> None:
    """True of every version but 1.0 with ShareAlike, which knows no later one."""
    source, old, new = a, *sorted((b, c))
    if "SA" in unit and source == "1.0":
        return
    before = adaptation_licences([f"CC-{unit}-{source}"], f"CC-{to}-{old}").answer
    after = adaptation_licences([f"CC-{unit}-{source}"], f"CC-{to}-{new}").answer
    assert RANK.index(after) >= RANK.index(before)


@given(st.sampled_from(UNITS), st.sampled_from(UNITS), *[st.sampled_from(VERSIONS)] * 3)
def test_an_earlier_version_of_the_source_is_never_worse(unit: str, to: str, a: str, b: str, c: str) -> None:
    """From 2.0 on: what 4.0 lets into 4.0, 2.0 lets too. And without ShareAlike versions never decide."""
    old, new = sorted((a, b))
    if "SA" in unit and old == "1.0":
        return
    late = adaptation_licences([f"CC-{unit}-{new}"], f"CC-{to}-{c}").answer
    early = adaptation_licences([f"CC-{unit}-{old}"], f"CC-{to}-{c}").answer
    assert RANK.index(early) >= RANK.index(late)
    assert "SA" in unit or early == late
