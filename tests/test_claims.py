"""The table of claims is about the first page and the code as they are; `make claims` shows that its tests see each."""

from __future__ import annotations

import pytest

from tests import claims
from tests.claims import HOUSE, Claim

CLAIMS = claims.claims()


def test_there_is_a_table_to_read() -> None:
    assert len(CLAIMS) >= 10
    assert len({each.words for each in CLAIMS}) == len(CLAIMS)


@pytest.mark.parametrize("claim", CLAIMS, ids=lambda each: each.test.rpartition("::")[2])
def test_a_claim_is_on_the_first_page_and_its_change_applies(claim: Claim) -> None:
    assert claims.plain(claim.words) in claims.plain(claims.README.read_text())
    path, _, name = claim.test.partition("::")
    assert f"def {name.partition('[')[0]}(" in (HOUSE / path).read_text()
    assert claim.old != claim.new
    changed = claim.applied((HOUSE / claim.file).read_text())
    assert changed is not None
    compile(changed, claim.file, "exec")


def test_a_change_of_a_line_that_is_not_there_once_does_not_apply() -> None:
    claim = Claim("words", "test", "file", "if a:", "if b:")
    assert claim.applied("    if a:\n        pass") == "    if b:\n        pass"
    assert claim.applied("if a:\nif a:") is None
    assert claim.applied("if a: pass") is None
